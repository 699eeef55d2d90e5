//! Writes the bundle of a change that has ended (packet §14): specification, implementation pack,
//! logs, diffs, manifests, replay results and gate summaries, with their checksums, in one zip
//! file. Uses only the record and what the record has digests of, so a second bundle has the same
//! bytes. Writes that file and nothing else.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use coo_engines::change::bundle::{
    self, CHECKSUMS, EVENTS, GATES, Origin, REPLAY, ROLLBACKS, SPECIFICATION,
};
use coo_engines::change::stage::Stage;
use coo_kernel::form::canonical;
use coo_kernel::form::digest::Digest;
use serde_json::json;

use super::journal::Journal;
use super::{Change, files_of, specification};
use crate::baselines;
use crate::hint::Hint as _;
use crate::machine::archive::{self, Members};
use crate::machine::output_file;

/// A bundle that was written.
#[derive(Debug, Clone, Copy)]
pub struct Bundled {
    pub bytes: u64,
    /// The number of files in the bundle.
    pub members: usize,
    pub sha256: Digest,
}

/// Writes the bundle to `path`, completely or not at all. Never overwrites an existing file.
pub fn write(change: &Change<'_>, path: &Path) -> Result<Bundled> {
    let journal = &change.journal;
    if !journal.stage().is_final() {
        bail!(
            anyhow!(
                "{}: is in {} and has not ended",
                journal.id(),
                journal.stage()
            )
            .hint(format!(
                "'coo pipeline status {}' shows what it waits for",
                journal.id()
            ))
        );
    }
    let members = members(change)?;
    let content = archive::deflated(&members)?;
    output_file::write_new(path, &content)?;
    Ok(Bundled {
        bytes: content.len() as u64,
        members: members.len(),
        sha256: Digest::of(&content),
    })
}

fn members(change: &Change<'_>) -> Result<Members> {
    let mut members = from_journal(&change.journal)?;
    let fold = change.journal.fold();
    if let Some(name) = fold.amu0.as_ref().and_then(|amu0| amu0.state.as_ref()) {
        let state = baselines::find(&change.journal.session.root, name)?;
        let manifests = files_of(change, &state, |path| path.starts_with("manifests/"))?;
        members.extend(manifests);
    }
    // The repository as it was when the change ended.
    let last =
        change.worktree().load(&fold.last_manifest().context(
            "change: ended before it knew the repository, so there is nothing to bundle",
        )?)?;
    let implementation = &change.repository.config.bundle.implementation;
    let pack = files_of(change, &last, |path| implementation.has(path))?;
    if pack.is_empty() && fold.stage() == Some(Stage::Complete) {
        // Packet §14.2: the final bundle must include it.
        bail!(
            anyhow!(
                "{}: has no implementation pack, because [bundle] implementation names no file",
                change.journal.id()
            )
            .hint(
                "name the pack's files in [bundle] implementation of coo.toml before a change begins"
            )
        );
    }
    if pack.is_empty() {
        (change.says)("no implementation pack is in it: [bundle] implementation names no file");
    }
    let pack = pack.into_iter();
    members.extend(pack.map(|(path, content)| (format!("implementation/{path}"), content)));
    let specification = specification::of(change, &last)?;
    members.insert(SPECIFICATION.to_owned(), specification.into_bytes());
    let sums = bundle::checksums(&members);
    members.insert(CHECKSUMS.to_owned(), sums.into_bytes());
    Ok(members)
}

/// Returns the members that follow from the journal and the evidence.
fn from_journal(journal: &Journal) -> Result<Members> {
    let origin = Origin {
        config_sha256: journal.begun()?.config_sha256,
        environment_sha256: journal.row.environment_sha256,
    };
    let mut texts = BTreeMap::new();
    for name in journal.fold().evidence.keys() {
        let (member, text) = origin.member(name, journal.evidence(name)?)?;
        texts.insert(member, text);
    }
    let mut events = String::new();
    let store = &journal.session.store;
    store.walk_change(journal.id(), |record, _| {
        events += &origin.line(record)?;
        Ok(())
    })?;
    texts.insert(EVENTS.to_owned(), events);
    texts.insert(ROLLBACKS.to_owned(), rollback_log(journal)?);
    if let Some(gates) = texts.get(GATES) {
        let replay = bundle::replay_results(gates)?;
        texts.insert(REPLAY.to_owned(), replay);
    }
    let texts = texts.into_iter();
    Ok(texts
        .map(|(name, text)| (name, text.into_bytes()))
        .collect())
}

/// Returns every rollback of the state root that belongs to the change.
fn rollback_log(journal: &Journal) -> Result<String> {
    let amu0 = journal.fold().amu0.as_ref();
    let state = amu0.and_then(|amu0| amu0.state.as_ref());
    let mut text = String::new();
    for request in journal.session.store.rollbacks()? {
        if Some(&request.to.name) == state {
            let line = canonical::to_string(&json!({
                "attempt": request.attempt,
                "outcome": request.outcome,
                "to": request.to,
            }))?;
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{line}");
        }
    }
    Ok(text)
}
