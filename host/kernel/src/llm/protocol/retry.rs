//! Whether to make another attempt after a problem, and after how long a wait.
//! Invariant: pure and bounded. The same arguments give the same decision, and neither a single
//! wait nor the sum of all waits exceeds its limit. Nothing here sleeps or reads a clock.

use core::time::Duration;

use super::exchange::{Reach, Standing};

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
    /// How far the exchange of this attempt came.
    pub reach: Reach,
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

/// Decides what follows an attempt without an answer. A request that the server may have worked on
/// is never sent again, since a repetition without consent could cost the user twice.
#[must_use]
pub fn decide(situation: &Situation) -> Next {
    let Situation {
        reach, retry_after, ..
    } = *situation;
    match reach.standing(retry_after) {
        Standing::Passing => {}
        Standing::Refused | Standing::InDoubt => return Next::GiveUp,
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
    use proptest::prelude::*;

    use super::*;

    const FRESH: Situation = Situation {
        attempts_made: 1,
        attempts_max: 4,
        waited: Duration::ZERO,
        reach: Reach::Answered(503),
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
        let decide_reach = |reach, retry_after| {
            decide(&Situation {
                reach,
                retry_after,
                ..FRESH
            })
        };
        for reach in [
            Reach::NotConnected,
            Reach::PartlySent,
            Reach::Answered(425),
            Reach::Answered(429),
            Reach::Answered(503),
            Reach::Answered(529),
            Reach::AnsweredEarly(500),
        ] {
            assert!(
                matches!(decide_reach(reach, None), Next::Wait(_)),
                "{reach:?}"
            );
        }
        let soon = Some(Duration::from_secs(3));
        for status in [
            200, 301, 400, 401, 403, 404, 408, 409, 413, 418, 422, 500, 502, 504, 520, 522, 524,
            527,
        ] {
            assert_eq!(
                decide_reach(Reach::Answered(status), soon),
                Next::GiveUp,
                "{status}"
            );
        }
        for reach in [Reach::OtherProtocol, Reach::Sent, Reach::PartlyAnswered] {
            assert_eq!(decide_reach(reach, soon), Next::GiveUp, "{reach:?}");
        }
        assert_eq!(decide_reach(Reach::Answered(402), None), Next::GiveUp);
        assert_eq!(
            decide_reach(Reach::Answered(402), soon),
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

    /// The statuses that say that the server left the request alone. Stated a second time, so that
    /// the table can't grow unnoticed.
    const SAYS_NOT_PROCESSED: [u16; 5] = [402, 425, 429, 503, 529];

    fn any_reach() -> impl Strategy<Value = Reach> {
        prop_oneof![
            Just(Reach::NotConnected),
            Just(Reach::OtherProtocol),
            Just(Reach::PartlySent),
            Just(Reach::Sent),
            Just(Reach::PartlyAnswered),
            any::<u16>().prop_map(Reach::AnsweredEarly),
            (100_u16..600).prop_map(Reach::Answered),
            any::<u16>().prop_map(Reach::Answered),
        ]
    }

    proptest! {
        #[test]
        fn nothing_that_may_have_been_processed_is_sent_again(
            reach in any_reach(),
            attempts_made in 1_u32..12,
            attempts_max in 1_u32..12,
            waited_s in 0_u64..200,
            retry_after_s in prop::option::of(0_u64..100),
            jitter in 0.0_f64..1.0,
        ) {
            let next = decide(&Situation {
                reach,
                attempts_made,
                attempts_max,
                waited: Duration::from_secs(waited_s),
                retry_after: retry_after_s.map(Duration::from_secs),
                jitter,
            });
            let was_handed_over = matches!(
                reach,
                Reach::Sent | Reach::PartlyAnswered | Reach::Answered(_)
            );
            let says_not_processed = reach
                .status()
                .is_some_and(|status| SAYS_NOT_PROCESSED.contains(&status));
            if was_handed_over && !says_not_processed {
                prop_assert_eq!(next, Next::GiveUp);
            }
            if let Next::Wait(wait) = next {
                prop_assert!(attempts_made < attempts_max);
                prop_assert!(wait <= WAIT_MAX && Duration::from_secs(waited_s) + wait <= WAITS_MAX);
            }
        }
    }
}
