//! The second INDEX, for files that `coo` itself leaves in a state root for people to read:
//! receipts of the demo, reports of verifications, evidence of amendments and of governed changes.
//! It has a form for machines and one for people, as the INDEX of artefacts (`index`) has, but it
//! is separate: no baseline includes it and no rollback changes it. Nothing here reads a disk.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use crate::form::canonical::{self, NotCanonical};
use crate::form::digest::Digest;
use crate::mission::MissionId;
use crate::state::index::{self, Drift, Found};
use crate::state::layout;

/// The form for machines, at the top of a state root.
pub const JSON: &str = "REPORTS.json";
/// The form for people.
pub const MARKDOWN: &str = "REPORTS.md";
/// The folders that hold reports.
pub const FOLDERS: [&str; 4] = ["changes", "demo", "evidence", "verify"];

/// A report that `coo` wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportEntry {
    pub bytes: u64,
    /// From the top of the state root.
    pub path: String,
    /// Digest of the content.
    pub sha256: Digest,
}

/// A report with its kind and its subject, both taken from its path. Fields stand in key order.
#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
struct Row<'a> {
    bytes: u64,
    kind: &'static str,
    of: String,
    path: &'a str,
    sha256: Digest,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub(crate) struct Index<'a> {
    format: &'static str,
    reports: Vec<Row<'a>>,
}

impl ReportEntry {
    fn row(&self) -> Row<'_> {
        let mut components = self.path.split('/');
        let folder = components.next().unwrap_or_default();
        let name = components.next().unwrap_or_default();
        let kind = match folder {
            "changes" => "change",
            "demo" => "receipt",
            "evidence" => "amendment",
            _ => "verification",
        };
        let of = match name.parse::<MissionId>() {
            Ok(mission) => mission.to_string(),
            Err(_) => format!("{kind} {name}"),
        };
        Row {
            bytes: self.bytes,
            kind,
            of,
            path: &self.path,
            sha256: self.sha256,
        }
    }
}

/// Returns whether a file belongs to work in progress, or to a verification whose runs differ,
/// which keeps their state roots. Such a file is not a report, but it is not out of place either.
pub fn is_at_work(path: &str) -> bool {
    let components: Vec<&str> = path.split('/').collect();
    match components[..] {
        ["changes", _, "normalized", _] => layout::permit(path).is_ok(),
        ["verify", _, "lock"] => true,
        ["verify", _, run, _, ..] => run.starts_with("run-"),
        _ => false,
    }
}

/// Returns the number of the governed change whose evidence is at `path`.
pub fn change_of(path: &str) -> Option<u32> {
    let number = path.strip_prefix("changes/")?.split('/').next()?;
    number.parse().ok()
}

/// Returns `REPORTS.json`. `entries` must be sorted by path; equal entries give equal bytes.
pub fn json(entries: &[ReportEntry]) -> Result<String, NotCanonical> {
    let index = Index {
        format: "coo-reports/1",
        reports: entries.iter().map(ReportEntry::row).collect(),
    };
    Ok(canonical::to_string_sorted(&index)? + "\n")
}

/// Returns `REPORTS.md`. Permitted paths contain no character that is special in Markdown.
pub fn markdown(entries: &[ReportEntry]) -> String {
    let mut text = String::from(
        "# Reports\n\nWritten by coo; 'coo artefacts check' compares it with what is here.\n\n\
         | Path | Kind | Of | Bytes | SHA-256 |\n|---|---|---|---:|---|\n",
    );
    for entry in entries {
        let Row { kind, of, .. } = entry.row();
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| {} | {kind} | {of} | {} | {} |",
            entry.path, entry.bytes, entry.sha256
        );
    }
    text
}

/// Returns every drift, sorted by path. `found` must hold everything in `FOLDERS` that is not a
/// folder and not at work, and the two forms of the INDEX.
pub fn compare(
    entries: &[ReportEntry],
    found: &BTreeMap<String, Found>,
) -> Result<Vec<Drift>, NotCanonical> {
    let recorded = entries
        .iter()
        .map(|entry| (entry.path.as_str(), entry.sha256));
    let forms = [(JSON, json(entries)?), (MARKDOWN, markdown(entries))];
    Ok(index::drifts(recorded, &forms, found))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entries() -> Vec<ReportEntry> {
        [
            "changes/000001/gate_results.json",
            "demo/DEMO-000002/demo_report.txt",
            "evidence/000003/amendment_log.json",
            "verify/000004/report.json",
        ]
        .map(|path| ReportEntry {
            bytes: path.len() as u64,
            path: path.to_owned(),
            sha256: Digest::of(path),
        })
        .into()
    }

    #[test]
    fn both_forms_say_what_every_report_is_of() {
        let entries = entries();
        let json = json(&entries).unwrap();
        let markdown = markdown(&entries);
        for (entry, (kind, of)) in entries.iter().zip([
            ("change", "change 000001"),
            ("receipt", "DEMO-000002"),
            ("amendment", "amendment 000003"),
            ("verification", "verification 000004"),
        ]) {
            let ReportEntry {
                bytes,
                path,
                sha256,
            } = entry;
            let row = format!(
                r#"{{"bytes":{bytes},"kind":"{kind}","of":"{of}","path":"{path}","sha256":"{sha256}"}}"#
            );
            assert!(json.contains(&row), "{json}");
            let row = format!("| {path} | {kind} | {of} | {bytes} | {sha256} |\n");
            assert!(markdown.contains(&row), "{markdown}");
        }
    }

    #[test]
    fn work_in_progress_is_no_report() {
        for entry in entries() {
            assert!(!is_at_work(&entry.path));
        }
        assert_eq!(change_of("changes/000012/question.json"), Some(12));
        assert_eq!(change_of("verify/000012/report.json"), None);
        for path in [
            "changes/000001/normalized/gate_results.1.json",
            "verify/000001/run-1/config.json",
        ] {
            assert!(is_at_work(path), "{path}");
        }
        for path in ["verify/000001/run-1", "verify/000001/more/x", "demo/lock"] {
            assert!(!is_at_work(path), "{path}");
        }
    }

    #[test]
    fn every_drift_is_named() {
        let entries = entries();
        let mut found: BTreeMap<String, Found> = entries
            .iter()
            .map(|entry| (entry.path.clone(), Found::File(entry.sha256)))
            .collect();
        let forms = [
            (JSON, json(&entries).unwrap()),
            (MARKDOWN, markdown(&entries)),
        ];
        for (name, text) in forms {
            found.insert(name.to_owned(), Found::File(Digest::of(text)));
        }
        assert_eq!(compare(&entries, &found).unwrap(), []);
        assert_eq!(compare(&[], &BTreeMap::new()).unwrap(), []);
        for path in found.keys() {
            let mut found = found.clone();
            found.remove(path);
            let drifts = compare(&entries, &found).unwrap();
            assert_eq!(drifts.len(), 1);
            assert_eq!(drifts[0].path(), path);
        }
        found.insert("verify/x".to_owned(), Found::Else("something"));
        let extra = Drift::Extra {
            path: "verify/x".to_owned(),
        };
        assert_eq!(compare(&entries, &found).unwrap(), [extra]);
    }

    proptest! {
        #[test]
        fn any_path_is_judged(path in "(changes|demo|evidence|verify)(/[a-z0-9-]{0,9}){0,4}|.{0,20}") {
            prop_assert!(!is_at_work(&path) || !FOLDERS.contains(&path.as_str()));
            let entry = ReportEntry { bytes: 0, path, sha256: Digest::of("") };
            prop_assert!(json(std::slice::from_ref(&entry)).is_ok());
            prop_assert!(!markdown(&[entry]).is_empty());
        }
    }
}
