//! The migration of a change (packet §9), in strict order: port the package to its new place with
//! all imports, take snapshot 1, delete the old place, take snapshot 2, compare the two. Each move
//! of the tree is one write-ahead intent that a later process completes. The target tree is
//! computed from the baseline, never from a partially moved tree.

use anyhow::{Context as _, Result, bail};
use coo_engines::change::{Kind, SnapshotBody, StepBody};
use coo_engines::pipeline::Event;
use coo_engines::repository::snapshot::Snapshot;
use coo_kernel::form::canonical;
use coo_kernel::state::manifest;

use super::super::{last_lines, migrate, test_run};
use super::{Change, open_questions};
use crate::baselines::{self, Baseline};

/// Folder, port and imports are one step, so that no one ever sees them apart (packet §2.1).
const PORTED: u8 = 3;
/// Deletes the old package.
const DELETED: u8 = 5;

impl Change<'_> {
    pub(super) fn migrate(&mut self) -> Result<Event> {
        let amu0 = self.log.progress.amu0.as_ref().context("no baseline")?;
        let amu0 = self.load(&amu0.manifest_sha256)?;
        let plan = migrate::plan_of(&self.session.root, &amu0, &self.repository)?;
        let open = plan.questions();
        if open > 0 {
            bail!(open_questions(&plan));
        }
        self.evidence("migration_plan.json", &canonical::to_string(&plan)?)?;
        let (between, after) =
            migrate::trees(&self.session.root, &amu0.manifest, &plan, &self.repository)?;
        self.step(PORTED, &amu0, &between)?;
        self.snapshot(1, &between)?;
        self.step(DELETED, &between, &after)?;
        self.snapshot(2, &after)?;
        let read = |number| -> Result<Snapshot> {
            Ok(serde_json::from_str(&self.evidence_text(&file(number))?)?)
        };
        let differences = read(1)?.differences(&read(2)?);
        if !differences.is_empty() {
            bail!(
                "SnapshotMismatch: snapshot 2 is not snapshot 1: {}",
                differences.join("; ")
            );
        }
        Ok(Event::Migrated)
    }

    /// Changes the repository from `from` to `to`, unless an earlier process already did so.
    fn step(&mut self, step: u8, from: &Baseline, to: &Baseline) -> Result<()> {
        let last = self.log.progress.step.as_ref().map_or(0, |step| step.step);
        if last >= step {
            return Ok(());
        }
        if !self.changed(to)?.is_empty() {
            self.expect(from, "changed by somebody else meanwhile")?;
            baselines::restore(&self.session.root, to, &self.tree()?, &self.progress)?;
            self.expect(to, "changed by somebody else meanwhile")?;
        }
        self.record(
            Kind::Step,
            &StepBody {
                manifest_sha256: to.id,
                step,
            },
        )
    }

    /// Runs the tests, and records the package's files with the results.
    fn snapshot(&mut self, number: u8, now: &Baseline) -> Result<()> {
        let is_there = self.log.progress.snapshots[usize::from(number) - 1].is_some();
        if !is_there {
            self.expect(now, "changed by somebody else meanwhile")?;
            (self.says)(&format!("{} tests for snapshot {number}", self.id));
            let section = self.repository.config.tests.as_ref();
            let section = self.repository.section(section, "tests")?;
            let run = test_run::run(&self.repository, section)?;
            let output = self.write_output(&number.to_string(), &run.output)?;
            self.expect(
                now,
                "changed by the tests (have them write nothing to the repository, or name it in [repository] exclude)",
            )?;
            let snapshot = self.repository.snapshot(run.results)?;
            let sha256 = self.evidence(&file(number), &canonical::to_string_sorted(&snapshot)?)?;
            self.record(
                Kind::Snapshot,
                &SnapshotBody {
                    number,
                    sha256,
                    test_results: run.results,
                },
            )?;
            if !run.results.is_full_pass() {
                (self.says)(&format!(
                    "the tests printed last (all of it is in {}):\n{}",
                    self.session.root.path().join(output).display(),
                    manifest::without(&last_lines(&run.output), &self.secrets)
                ));
            }
        }
        let snapshot = &self.log.progress.snapshots[usize::from(number) - 1];
        let results = snapshot.as_ref().context("no snapshot")?.test_results;
        if !results.is_full_pass() {
            bail!("tests for snapshot {number}: {results}; all must pass, and at least one");
        }
        Ok(())
    }
}

fn file(number: u8) -> String {
    format!("snapshot_{number}.json")
}
