//! Whether to make another attempt after a problem, and after how long a wait.
//! Invariant: pure and bounded. The same arguments give the same decision, and neither a single
//! wait nor the sum of all waits exceeds its limit. Nothing here sleeps or reads a clock.

use core::time::Duration;

use super::is_in_doubt;

/// The first wait; it doubles with each attempt.
const BACKOFF_FIRST: Duration = Duration::from_millis(500);
/// Long enough for a short overload; only a server can ask for longer waits.
const BACKOFF_MAX: Duration = Duration::from_secs(16);
/// The longest wait that a server may ask for: most rate limits are counted by the minute.
pub const WAIT_MAX: Duration = Duration::from_mins(1);
/// All waits of one call together: a person would not watch a silent command for longer.
const WAITS_MAX: Duration = Duration::from_mins(2);

/// What an attempt met, and the attempts and waits so far.
#[derive(Debug, Clone, Copy)]
pub struct Situation {
    /// Attempts made, including this one.
    pub attempts_made: u32,
    pub attempts_max: u32,
    /// The sum of the waits so far.
    pub waited: Duration,
    /// HTTP status, or `None` if no whole response arrived.
    pub status: Option<u16>,
    /// The wait that the server asked for.
    pub retry_after: Option<Duration>,
    /// Random number from 0 to 1 that scales the random half of the backoff.
    pub jitter: f64,
}

/// The decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Wait this long, then try again.
    Wait(Duration),
    /// No attempt or waiting time is left, or another attempt would not help.
    GiveUp,
    /// The server asks for more than `WAIT_MAX`.
    Postpone(Duration),
}

/// Returns whether the same request may succeed later and no server has worked on it. A 402 counts
/// only if the server says when to retry. A status of `is_in_doubt` never counts, because a repeat
/// without consent could cost the user twice.
fn is_transient(status: u16, retry_after: Option<Duration>) -> bool {
    match status {
        _ if is_in_doubt(status) => false,
        501 | 505 | 511 => false,
        408 | 425 | 429 | 500..=599 => true,
        402 => retry_after.is_some(),
        _ => false,
    }
}

/// Decides what follows an attempt without an answer.
#[must_use]
pub fn decide(situation: &Situation) -> Next {
    let Situation {
        status,
        retry_after,
        ..
    } = *situation;
    if status.is_some_and(|status| !is_transient(status, retry_after)) {
        return Next::GiveUp;
    }
    // Even on the last attempt: the message tells the user when to try again.
    if let Some(asked) = retry_after.filter(|&asked| asked > WAIT_MAX) {
        return Next::Postpone(asked);
    }
    if situation.attempts_made >= situation.attempts_max {
        return Next::GiveUp;
    }
    // Never sooner than the server asked, and never at once even if it asked for that.
    let wait =
        backoff(situation.attempts_made, situation.jitter).max(retry_after.unwrap_or_default());
    if situation.waited + wait > WAITS_MAX {
        return Next::GiveUp;
    }
    Next::Wait(wait)
}

/// Returns half of the doubled wait plus a random part of the other half, so that many clients
/// that failed together do not return together.
fn backoff(attempts_made: u32, jitter: f64) -> Duration {
    let doublings = attempts_made.saturating_sub(1).min(16);
    let full = BACKOFF_FIRST
        .saturating_mul(1 << doublings)
        .min(BACKOFF_MAX);
    let jitter = if jitter.is_nan() {
        0.0
    } else {
        jitter.clamp(0.0, 1.0)
    };
    full / 2 + (full / 2).mul_f64(jitter)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRESH: Situation = Situation {
        attempts_made: 1,
        attempts_max: 4,
        waited: Duration::ZERO,
        status: Some(503),
        retry_after: None,
        jitter: 0.0,
    };

    #[test]
    fn the_backoff_doubles_between_its_bounds_and_jitter_adds_at_most_half() {
        let waits = |jitter| -> Vec<u128> {
            (1..=8)
                .map(|made| backoff(made, jitter).as_millis())
                .collect()
        };
        assert_eq!(waits(0.0), [250, 500, 1000, 2000, 4000, 8000, 8000, 8000]);
        assert_eq!(
            waits(1.0),
            [500, 1000, 2000, 4000, 8000, 16000, 16000, 16000]
        );
        assert_eq!(backoff(u32::MAX, f64::NAN), BACKOFF_MAX / 2);
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let decide_status = |status, retry_after| {
            decide(&Situation {
                status,
                retry_after,
                ..FRESH
            })
        };
        for status in [None, Some(408), Some(429), Some(500), Some(503), Some(529)] {
            assert!(
                matches!(decide_status(status, None), Next::Wait(_)),
                "{status:?}"
            );
        }
        let soon = Some(Duration::from_secs(3));
        for status in [
            200, 301, 400, 401, 403, 404, 413, 418, 422, 502, 504, 520, 522, 524,
        ] {
            assert_eq!(decide_status(Some(status), soon), Next::GiveUp, "{status}");
        }
        assert_eq!(decide_status(Some(402), None), Next::GiveUp);
        assert_eq!(
            decide_status(Some(402), soon),
            Next::Wait(Duration::from_secs(3))
        );
    }

    #[test]
    fn what_the_server_asks_is_kept_up_to_the_limit_and_never_undercut() {
        let asked = |s| {
            decide(&Situation {
                retry_after: Some(Duration::from_secs(s)),
                ..FRESH
            })
        };
        assert_eq!(asked(0), Next::Wait(Duration::from_millis(250)));
        assert_eq!(asked(60), Next::Wait(WAIT_MAX));
        assert_eq!(asked(61), Next::Postpone(Duration::from_secs(61)));
        assert_eq!(
            asked(u64::MAX),
            Next::Postpone(Duration::from_secs(u64::MAX))
        );
    }

    #[test]
    fn attempts_and_the_sum_of_waits_are_bounded() {
        assert_eq!(
            decide(&Situation {
                attempts_made: 4,
                ..FRESH
            }),
            Next::GiveUp
        );
        assert_eq!(
            decide(&Situation {
                attempts_max: 1,
                ..FRESH
            }),
            Next::GiveUp
        );
        let retry_after = Some(WAIT_MAX);
        let spent = |waited| {
            decide(&Situation {
                waited,
                retry_after,
                ..FRESH
            })
        };
        assert_eq!(spent(Duration::from_mins(1)), Next::Wait(WAIT_MAX));
        assert_eq!(spent(Duration::from_secs(61)), Next::GiveUp);
    }
}
