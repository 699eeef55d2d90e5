//! The migration of a change (packet §9), in strict order: port the package to its new place with
//! all imports, take snapshot 1, delete the old place, take snapshot 2, compare the two. Each move
//! of the tree is one write-ahead intent that a later process completes. The target tree is
//! computed from the baseline, never from a partially moved tree.

use anyhow::{Context as _, Result, bail};
use coo_engines::change::{Kind, SnapshotBody, StepBody};
use coo_engines::migrate::snapshot::Snapshot;
use coo_kernel::form::canonical;

use super::super::{last_lines, migrate, test_run};
use super::worktree::BY_SOMEBODY;
use super::{Change, open_questions, snapshot_file};
use crate::baselines::Baseline;

/// Folder, port and imports are one step, so that no one ever sees them apart (packet §2.1).
const PORTED: u8 = 3;
/// Deletes the old package.
const DELETED: u8 = 5;

pub fn perform(change: &mut Change<'_>) -> Result<()> {
    let worktree = change.worktree();
    let amu0 = change.journal.fold().amu0.as_ref();
    let amu0 = worktree.load(&amu0.context("no baseline")?.manifest_sha256)?;
    let plan = migrate::plan_of(worktree.root, &amu0, &change.repository)?;
    if plan.questions() > 0 {
        bail!(open_questions(&plan));
    }
    let text = canonical::to_string(&plan)?;
    change
        .journal
        .write_evidence("migration_plan.json", &text)?;
    let root = &change.journal.session.root;
    let (between, after) = migrate::trees(root, &amu0.manifest, &plan, &change.repository)?;
    step(change, PORTED, &amu0, &between)?;
    snapshot(change, 1, &between)?;
    step(change, DELETED, &between, &after)?;
    snapshot(change, 2, &after)?;
    let read = |number| -> Result<Snapshot> {
        let text = change.journal.evidence(&snapshot_file(number))?;
        Ok(serde_json::from_str(&text)?)
    };
    let differences = read(1)?.differences(&read(2)?);
    if !differences.is_empty() {
        bail!(
            "SnapshotMismatch: snapshot 2 is not snapshot 1: {}",
            differences.join("; ")
        );
    }
    Ok(())
}

/// Changes the repository from `from` to `to`, unless an earlier process already did so.
fn step(change: &mut Change<'_>, step: u8, from: &Baseline, to: &Baseline) -> Result<()> {
    if change.journal.fold().has_done_step(step) {
        return Ok(());
    }
    let worktree = change.worktree();
    if !worktree.changed(to)?.is_empty() {
        worktree.expect(from, BY_SOMEBODY)?;
        worktree.restore(to, &worktree.tree()?)?;
        worktree.expect(to, BY_SOMEBODY)?;
    }
    change.journal.append(
        Kind::Step,
        &StepBody {
            manifest_sha256: to.id,
            step,
        },
    )
}

/// Runs the tests, and records the package's files with the results, unless that is done. Fails
/// unless all tests passed.
fn snapshot(change: &mut Change<'_>, number: u8, now: &Baseline) -> Result<()> {
    if change.journal.fold().snapshot(number).is_none() {
        take_snapshot(change, number, now)?;
    }
    let snapshot = change.journal.fold().snapshot(number);
    let results = snapshot.context("no snapshot")?.test_results;
    if !results.is_full_pass() {
        bail!("tests for snapshot {number}: {results}; all must pass, and at least one");
    }
    Ok(())
}

fn take_snapshot(change: &mut Change<'_>, number: u8, now: &Baseline) -> Result<()> {
    change.worktree().expect(now, BY_SOMEBODY)?;
    (change.says)(&format!(
        "{} tests for snapshot {number}",
        change.journal.id()
    ));
    let repository = &change.repository;
    let section = repository.section(repository.config.tests.as_ref(), "tests")?;
    let run = test_run::run(repository, section)?;
    let output = change
        .journal
        .write_output(&number.to_string(), &run.output)?;
    change.worktree().expect(
        now,
        "changed by the tests (have them write nothing to the repository, or name it in [repository] exclude)",
    )?;
    let snapshot = change.repository.snapshot(run.results)?;
    let text = canonical::to_string_sorted(&snapshot)?;
    let journal = &mut change.journal;
    let sha256 = journal.write_evidence(&snapshot_file(number), &text)?;
    journal.append(
        Kind::Snapshot,
        &SnapshotBody {
            number,
            sha256,
            test_results: run.results,
        },
    )?;
    if !run.results.is_full_pass() {
        (change.says)(&format!(
            "the tests printed last (all of it is in {}):\n{}",
            journal.session.root.path().join(output).display(),
            journal.without_secrets(&last_lines(&run.output))
        ));
    }
    Ok(())
}
