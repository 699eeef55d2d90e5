//! Rollbacks: who may ask for one, what counts as a confirmation, and what the outcome of a
//! request can be. The log holds every request, whatever its outcome. Nothing here changes a
//! state.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::baseline::governed::SET_ASIDE;
use crate::baseline::link::Link;

/// The text that a person types, and the name of the file that replaces it (packet §12.1).
pub const CONFIRMATION: &str = "CONFIRM_ROLLBACK";
/// The prompt that asks for it.
pub const PROMPT: &str = "Type 'CONFIRM_ROLLBACK' to proceed";
/// The error of a request that was not confirmed (packet §12.2).
pub const ABORTED: &str = "RollbackAbortedException";
/// Bytes of an answer that are read: a longer one can't be the confirmation.
pub const SAID_BYTES_MAX: u64 = 1 << 10;
/// Characters of an answer that an error message shows.
const SHOWN_CHARS_MAX: usize = 40;
/// Longest name of a migration attempt, in bytes.
const ATTEMPT_BYTES_MAX: usize = 64;

/// Returns whether a line is exactly the confirmation, with or without a line feed at its end.
fn is_confirmed(line: &[u8]) -> bool {
    line.strip_suffix(b"\n").unwrap_or(line) == CONFIRMATION.as_bytes()
}

/// A person's answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said<'a> {
    /// Typed at the prompt; empty if the input ended.
    Line(&'a [u8]),
    /// The content of the file. An empty file counts as a yes; other text than the confirmation does not.
    File(&'a [u8]),
    /// The file is not a plain file, or can't be read; says what it is.
    NoFile(&'a str),
}

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |said: &[u8]| {
            let text = String::from_utf8_lossy(said);
            let mut escaped = text.escape_debug();
            let shown: String = escaped.by_ref().take(SHOWN_CHARS_MAX).collect();
            let more = escaped.next().map_or("", |_| "…");
            shown + more
        };
        match self {
            Self::Line(b"") => f.write_str("nothing was typed"),
            Self::Line(line) => write!(f, "'{}' was typed", shown(line)),
            Self::File(content) => write!(f, "the file {CONFIRMATION} says '{}'", shown(content)),
            Self::NoFile(what) => write!(f, "{CONFIRMATION} in the state root is {what}"),
        }
    }
}

/// A request that was not confirmed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{ABORTED}: {what}: {said}, and only {CONFIRMATION} counts; nothing was rolled back")]
pub struct Aborted {
    what: String,
    said: String,
    again: String,
}

impl Aborted {
    /// Returns what the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(format!(
            "run '{}' again and type {CONFIRMATION}, or first make an empty file {CONFIRMATION} in \
             the state root",
            self.again
        ))
    }
}

/// Checks that `said` is a yes to the rollback called `what`. The command `again` repeats the
/// request, and the error names it.
pub fn confirm(what: &str, again: &str, said: Said<'_>) -> Result<(), Aborted> {
    let is_confirmed = match said {
        Said::Line(line) => is_confirmed(line),
        Said::File(content) => content.is_empty() || is_confirmed(content),
        Said::NoFile(_) => false,
    };
    if is_confirmed {
        return Ok(());
    }
    Err(Aborted {
        what: what.to_owned(),
        said: said.to_string(),
        again: again.to_owned(),
    })
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Recorded; its process ended before it was answered or carried out. Nothing changed.
    Requested,
    /// Not confirmed. Nothing changed.
    Aborted,
    /// The state already equalled the baseline.
    Unchanged,
    /// Committed as a write-ahead intent: the next command completes the steps that remain.
    Promised,
    /// Completed.
    Restored,
}

impl Outcome {
    const ALL: [Self; 5] = [
        Self::Requested,
        Self::Aborted,
        Self::Unchanged,
        Self::Promised,
        Self::Restored,
    ];

    /// Returns the name in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Aborted => "aborted",
            Self::Unchanged => "unchanged",
            Self::Promised => "promised",
            Self::Restored => "restored",
        }
    }

    /// Returns whether the state equals the baseline afterwards.
    pub const fn is_at_baseline(self) -> bool {
        matches!(self, Self::Unchanged | Self::Promised | Self::Restored)
    }

    /// Returns whether the request changed the state.
    pub const fn changed_the_state(self) -> bool {
        matches!(self, Self::Promised | Self::Restored)
    }

    /// Returns whether a request with this outcome can change to `next`.
    pub const fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (
                Self::Requested,
                Self::Aborted | Self::Unchanged | Self::Promised
            ) | (Self::Promised, Self::Restored)
        )
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Outcome {
    type Err = RollbackRefused;

    fn from_str(text: &str) -> Result<Self, RollbackRefused> {
        let known = Self::ALL.into_iter().find(|outcome| outcome.name() == text);
        known.ok_or_else(|| RollbackRefused::Outcome(text.escape_debug().take(40).collect()))
    }
}

/// A request, as the log stores it. Fields stand in key order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The migration attempt whose one automatic request it was.
    pub attempt: Option<String>,
    /// Baseline of the state before it; none where that state was set aside instead.
    pub before: Option<Link>,
    /// When it got its outcome, in milliseconds since 1970.
    pub ended_ms: Option<i64>,
    /// Number of the last mission created before it.
    pub last_mission: u32,
    /// Number of the last state baseline made before it.
    pub lineage: u32,
    /// 1, 2, …
    pub number: u32,
    pub outcome: Outcome,
    /// When it was made, in milliseconds since 1970.
    pub requested_ms: i64,
    /// The baseline to restore.
    pub to: Link,
    /// Number of the last commit to the missions' database (the world) before it.
    pub world_commit: u32,
}

impl Request {
    /// Returns the folder of the state root that holds the unchanged state before the rollback, if
    /// that state could not be kept as a baseline.
    pub fn set_aside(&self) -> Option<String> {
        let is_set_aside = self.outcome.changed_the_state() && self.before.is_none();
        is_set_aside.then(|| aside_folder(self.number))
    }
}

/// Why a request is refused, or a log can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RollbackRefused {
    /// The attempt's one request was made before.
    #[error(
        "migration attempt '{attempt}': has had its one automatic rollback request, number {number} ({outcome})"
    )]
    SecondRequest {
        /// The attempt's name.
        attempt: String,
        /// Number of the first request.
        number: u32,
        /// Outcome of the first request.
        outcome: Outcome,
    },
    /// Not a valid name.
    #[error("migration attempt '{0}': must be 1 to {ATTEMPT_BYTES_MAX} of A-Z a-z 0-9 . _ -")]
    Attempt(String),
    /// A log of another release.
    #[error("rollback log: has the outcome '{0}', which this build does not know")]
    Outcome(String),
}

impl RollbackRefused {
    /// Returns what the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::SecondRequest { .. } => {
                Some("a person can still ask with 'coo rollback', without --attempt")
            }
            Self::Attempt(_) => Some("give another"),
            Self::Outcome(_) => None,
        }
    }
}

/// Checks that migration attempt `attempt` may ask for a rollback: once, whatever the outcome.
pub fn permit(log: &[Request], attempt: &str) -> Result<(), RollbackRefused> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if attempt.is_empty() || attempt.len() > ATTEMPT_BYTES_MAX || !attempt.bytes().all(plain) {
        let shown = attempt.escape_debug().take(ATTEMPT_BYTES_MAX).collect();
        return Err(RollbackRefused::Attempt(shown));
    }
    let first = log
        .iter()
        .find(|request| request.attempt.as_deref() == Some(attempt));
    match first {
        None => Ok(()),
        Some(request) => Err(RollbackRefused::SecondRequest {
            attempt: attempt.to_owned(),
            number: request.number,
            outcome: request.outcome,
        }),
    }
}

/// Returns the name of the baseline that holds the state before rollback `number`.
pub fn before_name(number: u32) -> String {
    format!("{BEFORE_PREFIX}{number:06}")
}

/// Returns the folder of the state root to which the state before rollback `number` is set aside.
pub fn aside_folder(number: u32) -> String {
    format!("{SET_ASIDE}/{}", before_name(number))
}

/// Prefix reserved for the baselines that rollbacks keep.
pub const BEFORE_PREFIX: &str = "before-rollback-";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form::digest::Digest;

    #[test]
    fn only_the_exact_words_confirm() {
        for line in ["CONFIRM_ROLLBACK", "CONFIRM_ROLLBACK\n"] {
            assert!(is_confirmed(line.as_bytes()), "{line:?}");
        }
        for line in [
            "",
            "\n",
            "y",
            "yes\n",
            "confirm_rollback",
            " CONFIRM_ROLLBACK",
            "CONFIRM_ROLLBACK ",
            "CONFIRM_ROLLBACK\r\n",
            "CONFIRM_ROLLBACK\n\n",
            "'CONFIRM_ROLLBACK'",
            "CONFIRM_ROLLBACK\0",
            "CONFIRM_ROLLBAC",
            "CONFIRM_ROLLBACKK",
        ] {
            assert!(!is_confirmed(line.as_bytes()), "{line:?}");
        }
    }

    #[test]
    fn a_file_confirms_by_being_there_unless_it_says_something_else() {
        for content in ["", "CONFIRM_ROLLBACK", "CONFIRM_ROLLBACK\n"] {
            assert_eq!(
                confirm("it", "coo x", Said::File(content.as_bytes())),
                Ok(())
            );
        }
        for content in ["\n", " ", "no", "CONFIRM_ROLLBACK\r\n"] {
            assert!(confirm("it", "coo x", Said::File(content.as_bytes())).is_err());
        }
        assert!(confirm("it", "coo x", Said::Line(b"")).is_err());
        assert!(confirm("it", "coo x", Said::NoFile("a link")).is_err());
    }

    #[test]
    fn what_was_said_is_shown_escaped_and_short() {
        let text = |said| {
            let aborted = confirm("rollback 7 to clean", "coo rollback clean", said);
            aborted.unwrap_err().to_string()
        };
        assert_eq!(
            text(Said::Line(b"yes\r\n")),
            "RollbackAbortedException: rollback 7 to clean: 'yes\\r\\n' was typed, and only CONFIRM_ROLLBACK counts; nothing was rolled back"
        );
        let aborted = confirm("rollback 7 to clean", "coo rollback clean", Said::Line(b""));
        assert_eq!(
            aborted.unwrap_err().hint().unwrap(),
            "run 'coo rollback clean' again and type CONFIRM_ROLLBACK, or first make an empty file CONFIRM_ROLLBACK in the state root"
        );
        assert!(text(Said::Line(b"")).contains("nothing was typed"));
        let long = text(Said::File(&[b'x'; 99]));
        assert!(
            long.contains(&format!("says '{}…'", "x".repeat(40))),
            "{long}"
        );
        assert!(!text(Said::Line(b"\x1b[2J\xff")).contains('\x1b'));
    }

    #[test]
    fn an_outcome_is_final_or_has_one_way_on() {
        for from in Outcome::ALL {
            assert_eq!(from.name().parse(), Ok(from));
            for to in Outcome::ALL {
                let may = match from {
                    Outcome::Requested => {
                        [Outcome::Aborted, Outcome::Unchanged, Outcome::Promised].contains(&to)
                    }
                    Outcome::Promised => to == Outcome::Restored,
                    _ => false,
                };
                assert_eq!(from.may_become(to), may, "{from} {to}");
            }
        }
        assert!("undone".parse::<Outcome>().is_err());
    }

    fn request(outcome: Outcome) -> Request {
        Request {
            attempt: Some("M-1".to_owned()),
            before: None,
            ended_ms: None,
            last_mission: 0,
            lineage: 1,
            number: 9,
            outcome,
            requested_ms: 0,
            to: link(),
            world_commit: 0,
        }
    }

    fn link() -> Link {
        Link {
            baseline: Digest::of("x"),
            name: "x".to_owned(),
        }
    }

    #[test]
    fn what_has_no_baseline_before_it_was_set_aside() {
        for outcome in Outcome::ALL {
            let mut request = request(outcome);
            let folder = matches!(outcome, Outcome::Promised | Outcome::Restored)
                .then(|| "set-aside/before-rollback-000009".to_owned());
            assert_eq!(request.set_aside(), folder);
            request.before = Some(link());
            assert_eq!(request.set_aside(), None);
        }
    }

    #[test]
    fn an_attempt_asks_once() {
        for outcome in Outcome::ALL {
            let log = [request(outcome)];
            let refused = permit(&log, "M-1").unwrap_err();
            assert!(refused.to_string().contains("number 9"), "{refused}");
            assert_eq!(permit(&log, "M-2"), Ok(()));
        }
        for bad in ["", "a b", "é", "a/b", &"x".repeat(65)] {
            assert!(matches!(permit(&[], bad), Err(RollbackRefused::Attempt(_))));
        }
    }
}
