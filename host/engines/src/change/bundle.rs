//! The content of a change's bundle (packet §14): where each file of evidence stands in it, the
//! lines of its logs, its checksums. Depends on the record alone, so that a second bundle has the
//! same bytes. Reads and writes no file.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use coo_kernel::form::canonical::{self, NotCanonical};
use coo_kernel::form::digest::Digest;
use serde_json::{Value, json};

use super::Record;

/// The specification's name in the bundle (packet §14.1).
pub const SPECIFICATION: &str = "COO_Runtime_Spec_v1.0.md";
/// Checksums of all other members, in the format of `sha256sum -c`.
pub const CHECKSUMS: &str = "SHA256SUMS";
/// The member with every event of the change.
pub const EVENTS: &str = "logs/pipeline_log.jsonl";
/// The member with the rollbacks of the state root.
pub const ROLLBACKS: &str = "logs/rollback_log.jsonl";
/// The member with the results of all gates.
pub const GATES: &str = "gates/gate_results.json";
/// The member with the result of gate F.
pub const REPLAY: &str = "replay/replay_results.json";

/// Evidence that is a log with one event per line.
const LOGS: [&str; 2] = ["db_transactions.jsonl", "mission_log.jsonl"];
/// The folder in the bundle for each file of evidence that does not belong to `logs`.
const FOLDERS: [(&str, &str); 8] = [
    ("amendment_diff.patch", "diffs"),
    ("gate_results.json", "gates"),
    ("lint_report.json", "gates"),
    ("migration_plan.json", "diffs"),
    ("mission_output.json", "replay"),
    ("scanner_report.json", "gates"),
    ("snapshot_1.json", "gates"),
    ("snapshot_2.json", "gates"),
];

/// A text of the record is not JSON, or has no canonical form.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    NotCanonical(#[from] NotCanonical),
}

/// The digests that packet §13 requires in every line of a log.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    pub config_sha256: Digest,
    pub environment_sha256: Digest,
}

impl Origin {
    /// Returns the name and the text of the member that holds a file of evidence.
    pub fn member(&self, name: &str, text: String) -> Result<(String, String), Unreadable> {
        let known = FOLDERS.iter().find(|(known, _)| *known == name);
        let folder = known.map_or("logs", |(_, folder)| folder);
        let text = if LOGS.contains(&name) {
            self.with_digests(&text)?
        } else {
            text
        };
        Ok((format!("{folder}/{name}"), text))
    }

    fn with_digests(&self, lines: &str) -> Result<String, Unreadable> {
        let mut text = String::new();
        for line in lines.lines() {
            let mut event: Value = serde_json::from_str(line)?;
            event["config_sha256"] = json!(self.config_sha256);
            event["environment_sha256"] = json!(self.environment_sha256);
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}", canonical::to_string(&event)?);
        }
        Ok(text)
    }

    /// Returns the line of an event, without its time (packet §13).
    pub fn line(&self, record: &Record) -> Result<String, Unreadable> {
        let body: Value = serde_json::from_str(&record.body)?;
        Ok(canonical::to_string(&json!({
            "body": body,
            "config_sha256": self.config_sha256,
            "environment_sha256": self.environment_sha256,
            "kind": record.kind.name(),
            "prev_sha256": record.prev,
            "sequence_id": record.seq,
            "sha256": record.sha256,
            "stage": record.state,
        }))? + "\n")
    }
}

/// Returns the result of gate F, from the results of all gates.
pub fn replay_results(gate_results: &str) -> Result<String, Unreadable> {
    let results: Value = serde_json::from_str(gate_results)?;
    let gates = results["gates"].as_array();
    let replay = gates.and_then(|gates| gates.iter().find(|gate| gate["gate"] == "F"));
    Ok(canonical::to_string(&replay)?)
}

/// Returns the checksums of all members, by name.
pub fn checksums(members: &BTreeMap<String, Vec<u8>>) -> String {
    let mut sums = String::new();
    for (name, content) in members {
        // Writing to a string cannot fail.
        let _ = writeln!(sums, "{}  {name}", Digest::of(content));
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_logs_get_the_digests_and_other_evidence_stays() {
        let origin = Origin {
            config_sha256: Digest::of("c"),
            environment_sha256: Digest::of("e"),
        };
        let text = "{\"b\":1}\n{\"a\":2}\n".to_owned();
        let (name, log) = origin.member("mission_log.jsonl", text.clone()).unwrap();
        assert_eq!(name, "logs/mission_log.jsonl");
        let digests = format!(
            "\"config_sha256\":\"{}\",\"environment_sha256\":\"{}\"",
            origin.config_sha256, origin.environment_sha256
        );
        assert_eq!(
            log,
            format!("{{\"b\":1,{digests}}}\n{{\"a\":2,{digests}}}\n")
        );
        for (evidence, member) in [
            ("escalation_1.json", "logs/escalation_1.json"),
            ("snapshot_1.json", "gates/snapshot_1.json"),
            ("migration_plan.json", "diffs/migration_plan.json"),
        ] {
            let expected = (member.to_owned(), text.clone());
            assert_eq!(origin.member(evidence, text.clone()).unwrap(), expected);
        }
        assert!(origin.member("mission_log.jsonl", "{".to_owned()).is_err());
    }

    #[test]
    fn the_replay_is_the_result_of_gate_f() {
        let results = r#"{"gates":[{"gate":"A"},{"gate":"F","status":"PASS"}]}"#;
        let replay = replay_results(results).unwrap();
        assert_eq!(replay, r#"{"gate":"F","status":"PASS"}"#);
        assert_eq!(replay_results("{}").unwrap(), "null");
    }
}
