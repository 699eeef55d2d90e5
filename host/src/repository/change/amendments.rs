//! The amendments of a change, stage by stage: capture the start, search the anchors, amend the
//! documents, check them. `repository::amend` applies them; this file records them. Amends nothing
//! that an earlier process or change has amended already.

use anyhow::{Context as _, Result, anyhow, bail};
use coo_engines::amend::{Given, Log, Summary};
use coo_engines::change::{AmendmentsBody, Kind, Which};
use coo_kernel::form::canonical;
use coo_kernel::form::digest::Digest;

use super::super::Repository;
use super::super::amend::{self, LOG, PATCH};
use super::worktree::{BY_SOMEBODY, changed_by};
use super::{Change, baseline_body};
use crate::hint::Hint as _;

/// Captures the baseline of the start, and fails unless every amendment has exactly one anchor.
pub fn prepare(change: &mut Change<'_>) -> Result<()> {
    if change.journal.fold().start.is_none() {
        let worktree = change.worktree();
        let start = worktree.capture(&worktree.tree()?)?;
        let body = baseline_body(Which::Start, &start);
        change.journal.append(Kind::Baseline, &body)?;
    }
    let Some(given) = given(&change.repository)? else {
        return Ok(());
    };
    if amend::is_applied(&change.journal.session.root, &given)?.is_some() {
        return Ok(());
    }
    let Err(escalation) = given.prepare() else {
        return Ok(());
    };
    let text = canonical::to_string(&escalation)?;
    change.journal.write_evidence(&escalation.file(), &text)?;
    bail!(
        "AmendmentHaltException: amendment {}: {:?}: anchor '{}' in {}; no document was changed",
        escalation.amendment_id,
        escalation.kind,
        escalation.searched_anchor.escape_debug(),
        escalation.document
    );
}

/// Returns the amendments that the configuration names, if it names any.
fn given(repository: &Repository) -> Result<Option<Given>> {
    let has_some = repository.config.amend.is_some();
    has_some.then(|| amend::read(repository)).transpose()
}

/// Amends the documents, and records the log and the patch.
pub fn apply(change: &mut Change<'_>) -> Result<()> {
    let text = amend(change)?;
    let journal = &mut change.journal;
    let patch = if journal.has_file(PATCH) {
        journal.read_file(PATCH)?
    } else {
        String::new()
    };
    journal.write_evidence(PATCH, &patch)?;
    let log_sha256 = journal.write_evidence(LOG, &text)?;
    if journal.fold().amendments.is_none() {
        let log: Summary = serde_json::from_str(&text)?;
        journal.append(
            Kind::Amendments,
            &AmendmentsBody {
                amendments: log.amendments.len() as u64,
                documents: log.documents.len() as u64,
                log_sha256,
            },
        )?;
    }
    Ok(())
}

/// Amends the documents unless that is done, and returns the log.
fn amend(change: &mut Change<'_>) -> Result<String> {
    let Some(given) = given(&change.repository)? else {
        return log_of_none(&change.repository);
    };
    let journal = &mut change.journal;
    let folder = journal.folder();
    // The log is written before the documents, so an earlier process may have written it already.
    if amend::is_applied_by(&journal.session.root, &given, &folder)? {
        return journal.read_file(LOG);
    }
    if amend::is_applied(&journal.session.root, &given)?.is_some() {
        return Ok(given.log_of_nothing().to_text()?);
    }
    match given.prepare() {
        Ok(prepared) => {
            let session = &mut journal.session;
            amend::apply_in(
                &session.root,
                &mut session.store,
                &change.repository,
                &prepared,
                &folder,
                &change.progress,
            )?;
            Ok(prepared.log.to_text()?)
        }
        Err(escalation) => bail!(
            "amendment {}: its anchor is no more what it was",
            escalation.amendment_id
        ),
    }
}

fn log_of_none(repository: &Repository) -> Result<String> {
    let log = Log::empty(Digest::of(""), repository.config_sha256);
    Ok(log.to_text()?)
}

/// Fails unless the documents are as the log says and nothing else was changed.
pub fn check(change: &Change<'_>) -> Result<()> {
    let worktree = change.worktree();
    let start = change.journal.fold().start.as_ref();
    let start = worktree.load(&start.context("no baseline")?.manifest_sha256)?;
    let log: Summary = serde_json::from_str(&change.journal.evidence(LOG)?)?;
    let is_amended = |path: &str| log.documents.iter().any(|document| document.path == path);
    let mut changed = worktree.changed(&start)?;
    changed.retain(|path| !is_amended(path));
    if !changed.is_empty() {
        bail!("{}", changed_by(BY_SOMEBODY, &changed));
    }
    for document in &log.documents {
        let found = Digest::of(change.repository.read(&document.path)?);
        if found != document.after_sha256 {
            bail!(
                anyhow!(
                    "document {}: is not what the amendments made it",
                    document.path
                )
                .hint("let nobody write to it meanwhile")
            );
        }
    }
    Ok(())
}

/// Returns the log of the amendments, applied again to the documents as they were at the start.
pub fn log_again(change: &Change<'_>) -> Result<String> {
    if change.repository.config.amend.is_none() {
        return log_of_none(&change.repository);
    }
    let worktree = change.worktree();
    let start = change.journal.fold().start.as_ref();
    let start = worktree.load(&start.context("no baseline")?.manifest_sha256)?;
    let given = amend::read_from(worktree.root, &start, &change.repository)?;
    let log: Summary = serde_json::from_str(&change.journal.evidence(LOG)?)?;
    if log.amendments.is_empty() {
        return Ok(given.log_of_nothing().to_text()?);
    }
    match given.prepare() {
        Ok(prepared) => Ok(prepared.log.to_text()?),
        Err(escalation) => bail!(
            "amendment {}: finds its anchor no more",
            escalation.amendment_id
        ),
    }
}
