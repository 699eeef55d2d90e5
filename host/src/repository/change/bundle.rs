//! Writes the bundle of a change that has ended (packet §14): specification, implementation pack,
//! logs, diffs, manifests, replay results and gate summaries, with their checksums, in one zip
//! file. Uses only the record and what the record has digests of, so a second bundle has the same
//! bytes. Writes that file and nothing else.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Cursor, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use coo_engines::repository::specification;
use coo_kernel::baseline::Node;
use coo_kernel::form::canonical;
use coo_kernel::form::digest::Digest;
use minijinja::{Environment, UndefinedBehavior};
use serde::Deserialize as _;
use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::super::FILE_BYTES_MAX;
use super::Change;
use crate::baselines::{self, Baseline};
use crate::hint::Hint as _;
use crate::machine::rfc3339;
use crate::mission::run_file;
use crate::runtime::sandbox::{RNG_SEED, WALL_CLOCK_START_S};

/// The template of the specification if `[bundle]` names none.
const TEMPLATE: &str = include_str!("../../../../reference/runtime_spec.md.j2");
/// Most work for a template, in units of the template engine; a loop over every file of a state
/// root takes a hundredth.
const TEMPLATE_FUEL: u64 = 1_000_000;
/// The specification's name in the bundle (packet §14.1).
const SPECIFICATION: &str = "COO_Runtime_Spec_v1.0.md";
/// Checksums of all other members, in the format of `sha256sum -c`.
const CHECKSUMS: &str = "SHA256SUMS";
/// Evidence that is a log with one event per line.
const LOGS: [&str; 2] = ["db_transactions.jsonl", "mission_log.jsonl"];
/// The folder in the bundle for each file of evidence.
const PLACES: [(&str, &str); 12] = [
    ("amendment_diff.patch", "diffs"),
    ("amendment_log.json", "logs"),
    ("db_transactions.jsonl", "logs"),
    ("gate_results.json", "gates"),
    ("lint_report.json", "gates"),
    ("migration_plan.json", "diffs"),
    ("mission_log.jsonl", "logs"),
    ("mission_output.json", "replay"),
    ("question.json", "logs"),
    ("scanner_report.json", "gates"),
    ("snapshot_1.json", "gates"),
    ("snapshot_2.json", "gates"),
];

/// A bundle that was written.
#[derive(Debug, Clone, Copy)]
pub struct Bundled {
    pub bytes: u64,
    /// The number of files in the bundle.
    pub members: usize,
    pub sha256: Digest,
}

impl Change<'_> {
    /// Writes the bundle to `path`, completely or not at all. Never overwrites an existing file.
    pub fn bundle(&self, path: &Path) -> Result<Bundled> {
        if !self.stage().is_final() {
            bail!(
                anyhow!("{}: is in {} and has not ended", self.id, self.stage()).hint(format!(
                    "'coo pipeline status {}' shows what it waits for",
                    self.id
                ))
            );
        }
        let members = self.members()?;
        let content = zipped(&members)?;
        run_file::write_out(path, |file| Ok(file.write_all(&content)?))?;
        Ok(Bundled {
            bytes: content.len() as u64,
            members: members.len(),
            sha256: Digest::of(&content),
        })
    }

    fn members(&self) -> Result<BTreeMap<String, Vec<u8>>> {
        let mut members = BTreeMap::new();
        for name in self.log.progress.evidence.keys() {
            let known = PLACES.iter().find(|(known, _)| known == name);
            let folder = known.map_or("logs", |(_, folder)| folder);
            let mut text = self.evidence_text(name)?;
            if LOGS.contains(&name.as_str()) {
                text = self.with_digests(&text)?;
            }
            members.insert(format!("{folder}/{name}"), text.into_bytes());
        }
        let log = self.pipeline_log()?;
        members.insert("logs/pipeline_log.jsonl".to_owned(), log.into_bytes());
        let log = self.rollback_log()?;
        members.insert("logs/rollback_log.jsonl".to_owned(), log.into_bytes());
        if let Some(gates) = members.get("gates/gate_results.json") {
            let results: Value = serde_json::from_slice(gates)?;
            let gates = results["gates"].as_array();
            let replay = gates.and_then(|gates| gates.iter().find(|gate| gate["gate"] == "F"));
            let text = canonical::to_string(&replay)?;
            members.insert("replay/replay_results.json".to_owned(), text.into_bytes());
        }
        if let Some(name) = self
            .log
            .progress
            .amu0
            .as_ref()
            .and_then(|b| b.state.as_ref())
        {
            let state = baselines::find(&self.session.root, name)?;
            members.extend(self.files_of(&state, |path| path.starts_with("manifests/"))?);
        }
        let last = self.last()?;
        let implementation = &self.repository.config.bundle.implementation;
        let pack = self.files_of(&last, |path| implementation.has(path))?;
        if pack.is_empty() {
            (self.says)("no implementation pack is in it: [bundle] implementation names no file");
        }
        let pack = pack.into_iter();
        members.extend(pack.map(|(path, content)| (format!("implementation/{path}"), content)));
        let specification = self.specification(&last)?;
        members.insert(SPECIFICATION.to_owned(), specification.into_bytes());
        let mut sums = String::new();
        for (name, content) in &members {
            // Writing to a string cannot fail.
            let _ = writeln!(sums, "{}  {name}", Digest::of(content));
        }
        members.insert(CHECKSUMS.to_owned(), sums.into_bytes());
        Ok(members)
    }

    /// Returns the repository as it was when the change ended.
    fn last(&self) -> Result<Baseline> {
        let progress = &self.log.progress;
        let step = progress.step.as_ref().map(|step| step.manifest_sha256);
        let step = step.filter(|_| progress.failure.is_none());
        let target = progress.target().map(|baseline| baseline.manifest_sha256);
        let last = step.or(target);
        self.load(&last.context(
            "change: ended before it knew the repository, so there is nothing to bundle",
        )?)
    }

    fn files_of(
        &self,
        baseline: &Baseline,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Result<BTreeMap<String, Vec<u8>>> {
        let entries = baseline.manifest.entries().iter();
        let files = entries.filter(|entry| matches!(entry.node, Node::File { .. }));
        let paths = files.map(|entry| entry.path.text());
        let paths = paths.filter(|path| is_wanted(path));
        baselines::part::contents(&self.session.root, baseline, paths, FILE_BYTES_MAX)
    }

    /// Returns every event, without its time (packet §13).
    fn pipeline_log(&self) -> Result<String> {
        let mut text = String::new();
        let begun = self.log.progress.begun.as_ref();
        let config_sha256 = begun.map(|begun| begun.config_sha256);
        self.session.store.walk_change(self.id, |record, _| {
            let body: Value = serde_json::from_str(&record.body)?;
            let line = canonical::to_string(&json!({
                "body": body,
                "config_sha256": config_sha256,
                "environment_sha256": self.row.environment_sha256,
                "kind": record.kind.name(),
                "prev_sha256": record.prev,
                "sequence_id": record.seq,
                "sha256": record.sha256,
                "stage": record.stage,
            }))?;
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{line}");
            Ok(())
        })?;
        Ok(text)
    }

    /// Returns the lines of a log, each with the digests that packet §13 requires.
    fn with_digests(&self, lines: &str) -> Result<String> {
        let begun = self.log.progress.begun.as_ref();
        let mut text = String::new();
        for line in lines.lines() {
            let mut event: Value = serde_json::from_str(line)?;
            event["config_sha256"] = json!(begun.map(|begun| begun.config_sha256));
            event["environment_sha256"] = json!(self.row.environment_sha256);
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}", canonical::to_string(&event)?);
        }
        Ok(text)
    }

    /// Returns every rollback of the state root that belongs to the change.
    fn rollback_log(&self) -> Result<String> {
        let state = self
            .log
            .progress
            .amu0
            .as_ref()
            .and_then(|b| b.state.as_ref());
        let mut text = String::new();
        for request in self.session.store.rollbacks()? {
            if Some(&request.to.name) == state {
                let line = canonical::to_string(&json!({
                    "attempt": request.attempt,
                    "outcome": request.outcome,
                    "to": request.to,
                }))?;
                let _ = writeln!(text, "{line}");
            }
        }
        Ok(text)
    }

    fn specification(&self, last: &Baseline) -> Result<String> {
        let named = self.repository.config.bundle.specification.as_ref();
        let Some(path) = named else {
            return self.rendered(TEMPLATE, "of this coo");
        };
        let found = self.files_of(last, |found| found == path)?;
        let content = found.into_values().next();
        let content = content
            .with_context(|| format!("template {path}: is not in the repository"))
            .hint("correct [bundle] specification")?;
        self.rendered(str::from_utf8(&content)?, path)
    }

    /// Returns the specification made from the repository's current files. Shows, before anything
    /// is changed, whether one can be made.
    pub(super) fn specification_of_now(&self) -> Result<String> {
        match &self.repository.config.bundle.specification {
            None => self.rendered(TEMPLATE, "of this coo"),
            Some(path) => self.rendered(str::from_utf8(&self.repository.read(path)?)?, path),
        }
    }

    fn rendered(&self, template: &str, shown: &str) -> Result<String> {
        let begun = self.log.progress.begun.as_ref();
        let facts = specification::facts(&json!({
            "change": self.id,
            "clock": rfc3339(i64::try_from(WALL_CLOCK_START_S)? * 1_000),
            "config_sha256": begun.map(|begun| begun.config_sha256),
            "seed": format!("{RNG_SEED:#X}"),
            "version": begun.map(|begun| begun.coo_version.as_str()),
        }));
        rendered(template, &facts).with_context(|| format!("template {shown}"))
    }
}

/// Renders a template. A name that is not among the facts is an error.
fn rendered(template: &str, facts: &Value) -> Result<String> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(TEMPLATE_FUEL));
    let facts = minijinja::Value::deserialize(facts)?;
    // Rendering drops the line feed at the end of a template.
    Ok(environment.render_str(template, facts)? + "\n")
}

fn zipped(members: &BTreeMap<String, Vec<u8>>) -> Result<Vec<u8>> {
    // Times of files would make every bundle different.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        zip.start_file(name.as_str(), options)?;
        zip.write_all(content)?;
    }
    Ok(zip.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_that_ships_has_all_its_facts() {
        let host = json!({
            "change": "PIPELINE-000001", "clock": "c", "config_sha256": "s", "seed": "0xDEADBEEF",
            "version": "1",
        });
        let text = rendered(TEMPLATE, &specification::facts(&host)).unwrap();
        assert!(text.starts_with("# COO Runtime Spec v1.0\n"));
        assert!(text.contains("| GATES | gates_passed | CEO_FINAL_REVIEW |\n"));
        assert!(text.contains("| F | Deterministic Replay |\n"));
        assert!(rendered("{{ nothing }}", &json!({})).is_err());
        assert!(
            rendered(
                "{% for i in range(9999) %}{% for j in range(9999) %}x{% endfor %}{% endfor %}",
                &json!({})
            )
            .is_err()
        );
    }

    #[test]
    fn the_same_members_are_the_same_bytes() {
        let members = BTreeMap::from([
            ("b/c.txt".to_owned(), b"x".repeat(999)),
            ("a.txt".to_owned(), Vec::new()),
        ]);
        assert_eq!(zipped(&members).unwrap(), zipped(&members).unwrap());
    }
}
