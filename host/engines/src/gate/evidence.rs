//! What the gates B, D, E and F make of what they saw: findings for people, and the same as data.
//! The host runs missions and tests and reads the repository; nothing here does.

use std::collections::BTreeMap;

use coo_kernel::form::canonical::{self, NotCanonical};
use coo_kernel::form::digest::Digest;
use coo_kernel::mission::Status;
use coo_kernel::mission::verification::{Difference, Run};
use serde_json::{Value, json};

use super::Evidence;
use crate::gate::normal;
use crate::lint;
use crate::migrate::snapshot::Snapshot;
use crate::repository::test_results::TestResults;
use crate::scan;

/// Most findings of one kind that the results name; the reports name all.
const NAMED_MAX: usize = 50;

/// Files of evidence that gates leave: name and text.
pub type Artefacts = BTreeMap<&'static str, String>;

/// Cuts findings to a number that people can read.
pub fn named(mut findings: Vec<String>) -> Vec<String> {
    if findings.len() > NAMED_MAX {
        let more = findings.len() - NAMED_MAX;
        findings.truncate(NAMED_MAX);
        findings.push(format!("{more} more"));
    }
    findings
}

/// The runs of a mission that gate B compares.
#[derive(Debug)]
pub struct Repeated<'a> {
    pub mission: &'a str,
    pub module_sha256: Digest,
    /// Whether the runs and all their replays agree in everything.
    pub identical: bool,
    pub runs: &'a [Run],
    pub differences: &'a [Difference],
}

impl Repeated<'_> {
    /// Returns what is wrong with the mission.
    pub fn findings(&self) -> Vec<String> {
        let name = self.mission;
        let mut findings = Vec::new();
        for difference in self.differences {
            findings.push(format!(
                "mission {name}: {} differs in invocation {}",
                difference.what, difference.run
            ));
        }
        let failed = self.runs.iter();
        for run in failed.filter(|run| run.status != Status::Success) {
            let reason = run.reason.as_deref().unwrap_or("no reason given");
            findings.push(format!("mission {name}: ended {}: {reason}", run.status));
        }
        if self.differences.is_empty() && !self.identical {
            findings.push(format!("mission {name}: its replay differs"));
        }
        findings
    }

    /// Returns what the gate saw of the mission.
    pub fn found(&self) -> Value {
        let outputs = self.runs.iter().map(|run| run.output.sha256);
        let heads = self.runs.iter().map(|run| run.chain_head);
        json!({
            "chain_heads": heads.collect::<Vec<Digest>>(),
            "identical": self.identical,
            "mission": self.mission,
            "module_sha256": self.module_sha256,
            "outputs_sha256": outputs.collect::<Vec<Digest>>(),
        })
    }
}

/// Returns the evidence of gate D: the results of the tests, and snapshot 2 with the same part of
/// the repository now, if there is one.
pub fn of_tests(
    results: TestResults,
    snapshots: Option<(&Snapshot, &Snapshot)>,
) -> Result<Evidence, NotCanonical> {
    let mut findings = Vec::new();
    if !results.is_full_pass() {
        findings.push(format!("tests: {results}; all must pass, and at least one"));
    }
    let mut found = json!({ "snapshot_2": null, "test_results": results });
    if let Some((before, now)) = snapshots {
        let differences = before.differences(now);
        let differences = differences.iter();
        findings.extend(differences.map(|line| format!("since snapshot 2: {line}")));
        let sha256 = Digest::of(canonical::to_string_sorted(before)?);
        found["snapshot_2"] = sha256.to_string().into();
    }
    Ok(Evidence { findings, found })
}

/// Returns the evidence of gate E. `files` is the number of files that the scanner read.
pub fn of_governance(scanned: &scan::Report, files: usize, linted: &lint::Report) -> Evidence {
    let mut findings = Vec::new();
    for leak in &scanned.violations {
        findings.push(format!("{}:{}: {}", leak.file, leak.line, leak.pattern));
    }
    for finding in &linted.findings {
        let line = finding
            .line
            .map_or_else(String::new, |line| format!(":{line}"));
        findings.push(format!("{}{line}: {}", finding.file, finding.rule));
    }
    Evidence {
        findings: named(findings),
        found: json!({
            "lint": {
                "findings": linted.findings.len(),
                "ruleset_sha256": linted.ruleset_sha256,
                "status": linted.status,
            },
            "scan": {
                "files": files,
                "ruleset_sha256": scanned.ruleset_sha256,
                "status": scanned.status,
                "violations": scanned.violations.len(),
            },
        }),
    }
}

/// The comparison of gate F: every artefact of the replay's surface, as it came out twice.
#[derive(Debug, Default)]
pub struct Compared {
    pub findings: Vec<String>,
    /// What was compared, as data, in the order of the surface.
    pub surface: Vec<Value>,
    /// What was compared, in normal form: name, first text and second text.
    pub normalized: Vec<(&'static str, String, String)>,
}

/// Compares the artefacts of the replay's surface that were produced twice.
pub fn compare(first: &Artefacts, again: &Artefacts) -> Result<Compared, serde_json::Error> {
    let mut compared = Compared::default();
    for name in normal::SURFACE {
        let normal = |artefacts: &Artefacts| -> Result<Option<String>, serde_json::Error> {
            let text = artefacts.get(name);
            let value = text.map(|text| serde_json::from_str(text)).transpose()?;
            Ok(value.as_ref().map(normal::normalize))
        };
        let both = (normal(first)?, normal(again)?);
        let identical = both.0 == both.1;
        if !identical {
            let finding = format!("{name}: comes out otherwise the second time");
            compared.findings.push(finding);
        }
        let sha256 = both.0.as_ref().map(|text| Digest::of(text).to_string());
        // Missing on both sides: no verdict.
        let verdict = (both.0.is_some() || both.1.is_some()).then_some(identical);
        compared.surface.push(json!({
            "artefact": name, "identical": verdict, "normalized_sha256": sha256,
        }));
        if let (Some(first), Some(again)) = both {
            compared.normalized.push((name, first, again));
        }
    }
    Ok(compared)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_artefact_that_comes_out_otherwise_or_once_is_a_finding() {
        let report = r#"{"pid":1,"status":"PASS"}"#.to_owned();
        let first = Artefacts::from([
            ("scanner_report.json", report.clone()),
            ("gate_results.json", r#"{"a":1}"#.to_owned()),
            ("mission_output.json", r#"{"a":1}"#.to_owned()),
        ]);
        let again = Artefacts::from([
            // A masked field may differ.
            ("scanner_report.json", report.replace('1', "2")),
            ("gate_results.json", r#"{"a":2}"#.to_owned()),
        ]);
        let compared = compare(&first, &again).unwrap();
        assert_eq!(
            compared.findings,
            [
                "gate_results.json: comes out otherwise the second time",
                "mission_output.json: comes out otherwise the second time",
            ]
        );
        let verdicts = compared.surface.iter().map(|line| &line["identical"]);
        let verdicts: Vec<&Value> = verdicts.collect();
        assert_eq!(
            verdicts,
            [&Value::Null, &json!(false), &json!(false), &json!(true)]
        );
        let names = compared.normalized.iter().map(|(name, ..)| *name);
        assert_eq!(
            names.collect::<Vec<_>>(),
            ["gate_results.json", "scanner_report.json"]
        );
        assert!(
            compare(
                &Artefacts::from([("gate_results.json", "{".to_owned())]),
                &again
            )
            .is_err()
        );
    }

    #[test]
    fn more_findings_than_people_read_are_counted() {
        let few = vec!["x".to_owned(); NAMED_MAX];
        assert_eq!(named(few.clone()), few);
        let many = named(vec!["x".to_owned(); NAMED_MAX + 3]);
        assert_eq!(many.len(), NAMED_MAX + 1);
        assert_eq!(many.last().unwrap(), "3 more");
    }
}
