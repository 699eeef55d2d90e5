//! The gates of a change: pass all of them, keep what they leave as evidence, and fail on the first
//! that did not pass. `repository::gates` evaluates them. Changes nothing in the repository.

use anyhow::{Context as _, Result, bail};
use coo_engines::change::{GatesBody, Kind};
use coo_engines::gate::Results;
use coo_engines::gate::normal;
use coo_engines::migrate::snapshot::Snapshot;
use coo_kernel::form::canonical;
use coo_kernel::form::digest::Digest;

use super::super::amend::LOG;
use super::super::gates::{Gates, Replayed, Tested};
use super::journal::Journal;
use super::worktree::BY_SOMEBODY;
use super::{Change, amendments, snapshot_file};

/// The folder, in the change's folder, for normalised artefacts that were compared (packet §11.3).
const NORMALIZED: &str = "normalized";

/// Passes all gates over the migrated repository.
pub fn pass(change: &mut Change<'_>) -> Result<()> {
    let worktree = change.worktree();
    let step = change.journal.fold().step.as_ref();
    let judged = step.context("no step of the migration is on record")?;
    let judged = worktree.load(&judged.manifest_sha256)?;
    worktree.expect(&judged, BY_SOMEBODY)?;
    let journal = &change.journal;
    let snapshot: Snapshot = serde_json::from_str(&journal.evidence(&snapshot_file(2))?)?;
    let answers = journal.session.store.frozen_calls()?;
    let log = journal.evidence(LOG)?;
    let log_again = || amendments::log_again(change);
    let gates = Gates {
        repository: &change.repository,
        config: journal.session.config()?,
        answers: &answers,
        tested: Tested::Now,
        snapshot: Some(&snapshot),
        amendments: Some((&log, &log_again)),
    };
    let passed = gates.pass(
        |gate| (change.says)(&format!("{} gate {gate}: {}", journal.id(), gate.title())),
        |replayed| keep_normalized(journal, replayed),
    )?;
    let journal = &mut change.journal;
    for (name, text) in &passed.artefacts {
        journal.write_evidence(name, text)?;
    }
    if let Some(output) = &passed.tests_output {
        journal.write_output("gates", output)?;
    }
    let worktree = change.worktree();
    worktree.expect(&judged, "changed while the gates were passed")?;
    record(&mut change.journal, &judged.id, &passed.results)
}

/// Records the results; fails if a gate did not pass.
fn record(journal: &mut Journal, judged: &Digest, results: &Results) -> Result<()> {
    journal.append(
        Kind::Gates,
        &GatesBody {
            manifest_sha256: *judged,
            sha256: Digest::of(canonical::to_string_sorted(results)?),
            status: results.status,
        },
    )?;
    match results.failed() {
        Some(failed) => bail!(failed.message()),
        None => Ok(()),
    }
}

/// Keeps the normalised artefacts until the change has ended, for audits.
fn keep_normalized(journal: &Journal, replayed: &Replayed) -> Result<()> {
    for (name, first, again) in &replayed.normalized {
        debug_assert!(normal::SURFACE.contains(name));
        let stem = name.strip_suffix(".json").unwrap_or(name);
        for (number, text) in [(1, first), (2, again)] {
            let file = journal.file(&format!("{NORMALIZED}/{stem}.{number}.json"));
            journal.session.root.write_new(&file, text.as_bytes())?;
        }
    }
    Ok(())
}

/// Deletes the normalised artefacts (packet §11.3, retention).
pub fn clear_normalized(journal: &Journal) -> Result<()> {
    if journal.has_file(NORMALIZED) {
        let root = &journal.session.root;
        root.discard(&journal.folder(), Some(NORMALIZED))?;
    }
    Ok(())
}
