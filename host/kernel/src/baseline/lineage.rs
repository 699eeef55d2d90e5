//! The order of a state root's baselines, and which run each one came from. Baselines and
//! rollbacks of one root are ordered by number, never by the clock. Nothing here reads a record.

use serde::{Deserialize, Serialize};

use crate::baseline::link::Link;
use crate::baseline::rollback::Request;
use crate::form::digest::Digest;
use crate::mission::MissionId;

/// The run whose end state a baseline holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Digest of its last event.
    pub chain_head: Digest,
    /// Result of the comparison with the run's end state; none where an earlier release made none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared: Option<Compared>,
    pub mission: MissionId,
}

/// Comparison of a state with what a run left. Parts in neither list are as the run left them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Compared {
    /// Files and folders of the state root that were edited since.
    pub edited: Vec<String>,
    /// Files and folders for which no recorded digest exists to compare with.
    pub unknown: Vec<String>,
}

/// What is recorded beside a baseline of a state root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Lineage {
    /// The baseline that the state was at before; none for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Link>,
    /// 1, 2, … in the order in which they were made in this root.
    pub number: u32,
    /// The rollback before which it was made, if it was made for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<u32>,
    /// The run that was promoted, if the baseline is a run's end state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Run>,
}

/// Returns the number of the baseline that was made last; 0 if there is none.
pub fn last_number<'a>(records: impl Iterator<Item = &'a Lineage>) -> u32 {
    records.map(|lineage| lineage.number).max().unwrap_or(0)
}

/// Returns the baseline that the present state derives from: the last one that was created,
/// promoted or rolled back to. A baseline kept before a rollback counts only after a rollback to
/// it.
pub fn position(records: &[(Link, Lineage)], log: &[Request]) -> Option<Link> {
    let made = records
        .iter()
        .filter(|(_, lineage)| lineage.rollback.is_none())
        .max_by_key(|(_, lineage)| lineage.number);
    let rolled_back = log
        .iter()
        .filter(|request| request.outcome.is_at_baseline())
        .max_by_key(|request| request.number);
    match (made, rolled_back) {
        (Some((link, lineage)), Some(request)) if lineage.number > request.lineage => {
            Some(link.clone())
        }
        (_, Some(request)) => Some(request.to.clone()),
        (made, None) => made.map(|(link, _)| link.clone()),
    }
}

/// The facts about a mission that decide whether it can have changed the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    pub id: MissionId,
    /// Whether it reached COMPLETE.
    pub is_complete: bool,
    /// When it ended, in milliseconds since 1970.
    pub finished_ms: i64,
    /// Number of its commit to the missions' database (the world), if it made one.
    pub commit: Option<u32>,
}

/// A part of the state, with its present digest and the one it had when the run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<'a> {
    /// A file or folder of the state root.
    pub name: &'a str,
    /// Its present digest; none where it can't be read.
    pub now: Option<Digest>,
    pub left: Left,
}

/// The state in which a run left a part of the state root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// Not recorded.
    Unknown,
    /// Recorded, with this digest.
    Known(Digest),
    /// Not computable from the records, because the part was edited before the run.
    Edited,
}

/// Compares the parts of a state with what `run` left. Fails on edited parts unless
/// `may_be_edited`.
pub fn compare(
    run: MissionId,
    parts: &[Part<'_>],
    may_be_edited: bool,
) -> Result<Compared, NotItsEnd> {
    let mut compared = Compared::default();
    for part in parts {
        match part.left {
            Left::Unknown => compared.unknown.push(part.name.to_owned()),
            Left::Known(digest) if part.now == Some(digest) => {}
            Left::Known(_) | Left::Edited => compared.edited.push(part.name.to_owned()),
        }
    }
    if may_be_edited || compared.edited.is_empty() {
        return Ok(compared);
    }
    Err(NotItsEnd::Edited {
        run,
        what: compared.edited.join(", "),
    })
}

/// Returns the last rollback that changed the state. The world's content comes from it and from
/// missions whose world commit came later.
pub fn last_rollback(log: &[Request]) -> Option<&Request> {
    log.iter()
        .filter(|request| request.outcome.changed_the_state())
        .max_by_key(|request| request.number)
}

/// Why a run can't be promoted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotItsEnd {
    /// The run did not complete.
    #[error("mission {0}: did not complete, so it changed nothing")]
    NotCompleted(MissionId),
    /// Another mission changed the state.
    #[error("mission {run}: the state has changed since it ended, by mission {other}")]
    Mission {
        /// The run to promote.
        run: MissionId,
        /// The last mission that changed the state.
        other: MissionId,
    },
    /// A rollback changed the state.
    #[error(
        "mission {run}: the state has changed since it ended, by rollback {rollback} to {name}"
    )]
    Rollback {
        /// The run to promote.
        run: MissionId,
        /// Number of the rollback.
        rollback: u32,
        /// The baseline that it restored.
        name: String,
    },
    /// The state was edited.
    #[error("mission {run}: the state has changed since it ended, by an edit of: {what}")]
    Edited {
        /// The run to promote.
        run: MissionId,
        /// Files and folders of the state root.
        what: String,
    },
}

impl NotItsEnd {
    /// Returns what the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let keep = "keep the state as it is with 'coo amu0 create'";
        Some(match self {
            Self::NotCompleted(_) => "promote a mission that ended SUCCESS".to_owned(),
            Self::Mission { other, .. } => format!("promote mission {other}, or {keep}"),
            Self::Rollback { .. } => keep.to_owned(),
            Self::Edited { .. } => format!(
                "undo the edit, or promote it with --edited, which its lineage records, or {keep}"
            ),
        })
    }
}

/// Checks that the state is still the end state of `run`. `committed` holds every other mission
/// with a world commit. Where `run` made no commit itself, mission number and clock decide what
/// came after it; either is enough to refuse.
pub fn is_end_state(run: &Ended, committed: &[Ended], log: &[Request]) -> Result<(), NotItsEnd> {
    if !run.is_complete {
        return Err(NotItsEnd::NotCompleted(run.id));
    }
    let is_later = |other: &&Ended| match (run.commit, other.commit) {
        (_, None) => false,
        (Some(own), Some(other)) => other > own,
        (None, Some(_)) => {
            other.id.number() > run.id.number() || other.finished_ms > run.finished_ms
        }
    };
    let later = committed.iter().filter(is_later);
    if let Some(other) = later.max_by_key(|other| other.commit) {
        return Err(NotItsEnd::Mission {
            run: run.id,
            other: other.id,
        });
    }
    let came_since = |request: &&Request| {
        request.outcome.changed_the_state()
            && match run.commit {
                Some(own) => request.world_commit >= own,
                None => {
                    request.last_mission >= run.id.number()
                        || request.requested_ms >= run.finished_ms
                }
            }
    };
    match log.iter().filter(came_since).max_by_key(|r| r.number) {
        Some(request) => Err(NotItsEnd::Rollback {
            run: run.id,
            rollback: request.number,
            name: request.to.name.clone(),
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::rollback::Outcome;

    fn link(name: &str) -> Link {
        Link {
            baseline: Digest::of(name),
            name: name.to_owned(),
        }
    }

    fn made(name: &str, number: u32, rollback: Option<u32>) -> (Link, Lineage) {
        let lineage = Lineage {
            after: None,
            number,
            rollback,
            run: None,
        };
        (link(name), lineage)
    }

    fn request(number: u32, to: &str, outcome: Outcome, lineage: u32) -> Request {
        Request {
            number,
            requested_ms: 50,
            ended_ms: None,
            to: link(to),
            before: None,
            attempt: None,
            outcome,
            lineage,
            world_commit: 3,
            last_mission: 4,
        }
    }

    #[test]
    fn the_state_is_at_what_was_made_or_rolled_back_to_last() {
        let name = |records: &[_], log: &[_]| position(records, log).map(|link| link.name);
        assert_eq!(name(&[], &[]), None);
        let mut records = vec![made("a", 1, None), made("b", 2, None)];
        assert_eq!(name(&records, &[]).as_deref(), Some("b"));
        // Requested, then aborted.
        let mut log = vec![
            request(1, "a", Outcome::Aborted, 2),
            request(2, "a", Outcome::Requested, 2),
        ];
        assert_eq!(name(&records, &log).as_deref(), Some("b"));
        // A baseline kept before a rollback is not the position of the state.
        records.push(made("before", 3, Some(3)));
        assert_eq!(name(&records, &log).as_deref(), Some("b"));
        log.push(request(3, "a", Outcome::Restored, 3));
        assert_eq!(name(&records, &log).as_deref(), Some("a"));
        log.push(request(4, "before", Outcome::Promised, 3));
        assert_eq!(name(&records, &log).as_deref(), Some("before"));
        records.push(made("c", 4, None));
        assert_eq!(name(&records, &log).as_deref(), Some("c"));
        log.push(request(5, "b", Outcome::Unchanged, 4));
        assert_eq!(name(&records, &log).as_deref(), Some("b"));
    }

    fn ended(number: u32, finished_ms: i64, commit: Option<u32>) -> Ended {
        Ended {
            id: MissionId::new(number, "TEST"),
            is_complete: true,
            finished_ms,
            commit,
        }
    }

    #[test]
    fn a_run_is_promoted_only_while_nothing_came_since() {
        let run = ended(2, 20, Some(2));
        assert_eq!(is_end_state(&run, &[ended(1, 10, Some(1))], &[]), Ok(()));
        let stopped = Ended {
            is_complete: false,
            ..run.clone()
        };
        assert_eq!(
            is_end_state(&stopped, &[], &[]),
            Err(NotItsEnd::NotCompleted(run.id))
        );
        // The commit counts, whatever number the mission has and whenever it ended.
        let other = ended(1, 10, Some(3));
        assert_eq!(
            is_end_state(&run, std::slice::from_ref(&other), &[]),
            Err(NotItsEnd::Mission {
                run: run.id,
                other: other.id
            })
        );
        let log = |outcome, commit| {
            let mut request = request(7, "a", outcome, 0);
            request.world_commit = commit;
            [request]
        };
        for outcome in [Outcome::Aborted, Outcome::Unchanged, Outcome::Requested] {
            assert_eq!(is_end_state(&run, &[], &log(outcome, 2)), Ok(()));
        }
        assert_eq!(is_end_state(&run, &[], &log(Outcome::Restored, 1)), Ok(()));
        for outcome in [Outcome::Promised, Outcome::Restored] {
            assert!(matches!(
                is_end_state(&run, &[], &log(outcome, 2)),
                Err(NotItsEnd::Rollback { rollback: 7, .. })
            ));
        }
    }

    #[test]
    fn what_differs_is_edited_and_what_nobody_wrote_down_is_unknown() {
        let run = MissionId::new(1, "TEST");
        let (a, b) = (Digest::of("a"), Digest::of("b"));
        let part = |name, now, left| Part { name, now, left };
        let same = [
            part("x", Some(a), Left::Known(a)),
            part("y", Some(a), Left::Unknown),
        ];
        let compared = compare(run, &same, false).unwrap();
        assert_eq!(compared.edited, [""; 0]);
        assert_eq!(compared.unknown, ["y"]);
        let edited = [
            part("w", Some(a), Left::Edited),
            part("x", Some(a), Left::Known(b)),
            part("y", None, Left::Known(a)),
            part("z", None, Left::Unknown),
        ];
        let refused = compare(run, &edited, false).unwrap_err().to_string();
        assert!(refused.ends_with("by an edit of: w, x, y"), "{refused}");
        let compared = compare(run, &edited, true).unwrap();
        assert_eq!(compared.edited, ["w", "x", "y"]);
        assert_eq!(compared.unknown, ["z"]);
    }

    #[test]
    fn the_last_rollback_that_changed_something_counts() {
        let log = |outcomes: [Outcome; 2]| {
            let [a, b] = outcomes;
            [request(1, "a", a, 0), request(2, "b", b, 0)]
        };
        let last = |log: &[Request]| last_rollback(log).map(|request| request.number);
        assert_eq!(last(&[]), None);
        assert_eq!(last(&log([Outcome::Unchanged, Outcome::Unchanged])), None);
        assert_eq!(last(&log([Outcome::Restored, Outcome::Unchanged])), Some(1));
        assert_eq!(last(&log([Outcome::Restored, Outcome::Restored])), Some(2));
    }

    #[test]
    fn a_record_of_an_earlier_release_has_no_comparison() {
        let text = format!(
            r#"{{"chain_head":"{}","mission":"MISSION-000001"}}"#,
            Digest::of("x")
        );
        let run: Run = serde_json::from_str(&text).unwrap();
        assert_eq!(run.compared, None);
        assert_eq!(crate::form::canonical::to_string(&run).unwrap(), text);
    }

    #[test]
    fn a_run_without_a_commit_is_placed_by_number_and_clock() {
        let run = ended(5, 60, None);
        assert_eq!(is_end_state(&run, &[ended(4, 40, Some(1))], &[]), Ok(()));
        for other in [ended(6, 10, Some(1)), ended(4, 70, Some(1))] {
            assert!(is_end_state(&run, &[other], &[]).is_err());
        }
        let mut log = [request(1, "a", Outcome::Restored, 0)];
        assert_eq!(is_end_state(&run, &[], &log), Ok(()));
        log[0].last_mission = 5;
        assert!(is_end_state(&run, &[], &log).is_err());
        (log[0].last_mission, log[0].requested_ms) = (4, 60);
        assert!(is_end_state(&run, &[], &log).is_err());
    }
}
