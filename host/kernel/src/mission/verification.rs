//! The results of several runs of one mission, and what differs between them. Two runs are the same
//! only if every field is. Runs nothing.

use serde::Serialize;

use super::Status;
use crate::effects::artefact::Artefact;
use crate::form::digest::Digest;
use crate::journal::{Blob, Record};

/// The result of one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Run {
    pub status: Status,
    /// Present only if the mission failed.
    pub reason: Option<String>,
    /// Number of events in the journal.
    pub events: u64,
    /// Digest of the last event. If it is equal in two runs, all their events are.
    pub chain_head: Digest,
    /// Total fuel of all steps.
    pub fuel: u64,
    /// Largest sum of linear memories of any step, in bytes.
    pub memory_peak_bytes: u64,
    /// Digest of all linear memories at the end of each guest step.
    pub memory_sha256: Vec<Option<Digest>>,
    /// Output of the last step.
    pub output: Blob,
    /// Every written file, sorted by path.
    pub artefacts: Vec<Artefact>,
    /// Digest of the content of the missions' database; `None` if there is no database.
    pub world_sha256: Option<Digest>,
    /// Whether its replay agreed in everything.
    pub replay_identical: bool,
}

/// A value that differs between two runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Difference {
    /// Number of the run that differs from the first.
    pub run: u32,
    /// The field of `Run`, or `event N` for the first event that differs.
    pub what: String,
    /// The value in the first run.
    pub first: String,
    /// The value in this run.
    pub this: String,
}

impl Difference {
    /// Returns the first difference between two journals, at event `seq`; an event that is missing
    /// is `None`.
    pub fn at_event(run: u32, seq: u64, first: Option<&Record>, this: Option<&Record>) -> Self {
        Self {
            run,
            what: format!("event {seq}"),
            first: shown(first),
            this: shown(this),
        }
    }
}

fn shown(record: Option<&Record>) -> String {
    record.map_or("nothing: it has ended there".to_owned(), |record| {
        format!("{} {} {}", record.state, record.kind, record.body)
    })
}

/// Returns a difference for each field in which run `number` is not equal to the first run. Fails
/// only if a value has no JSON form.
pub fn differences(
    number: u32,
    first: &Run,
    this: &Run,
) -> Result<Vec<Difference>, serde_json::Error> {
    let (first, this) = (serde_json::to_value(first)?, serde_json::to_value(this)?);
    let fields = first.as_object().into_iter().flatten();
    Ok(fields
        .filter(|(name, value)| this.get(name.as_str()) != Some(value))
        .map(|(name, value)| Difference {
            run: number,
            what: name.clone(),
            first: value.to_string(),
            this: this
                .get(name.as_str())
                .map(ToString::to_string)
                .unwrap_or_default(),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_that_differs_is_named_with_both_values() {
        let blob = Blob::of(b"x");
        let first = Run {
            status: Status::Success,
            reason: None,
            events: 3,
            chain_head: blob.sha256,
            fuel: 7,
            memory_peak_bytes: 1,
            memory_sha256: vec![None],
            output: blob,
            artefacts: Vec::new(),
            world_sha256: None,
            replay_identical: true,
        };
        assert_eq!(differences(2, &first, &first.clone()).unwrap(), []);
        let this = Run {
            fuel: 8,
            memory_sha256: vec![Some(blob.sha256)],
            replay_identical: false,
            ..first.clone()
        };
        let found = differences(2, &first, &this).unwrap();
        let named: Vec<&str> = found.iter().map(|found| found.what.as_str()).collect();
        assert_eq!(named, ["fuel", "memory_sha256", "replay_identical"]);
        assert_eq!(
            (
                found[0].run,
                found[0].first.as_str(),
                found[0].this.as_str()
            ),
            (2, "7", "8")
        );
    }
}
