//! Turns the end state of a run into a baseline. The kernel (`lineage`) decides which run
//! qualifies; this module reads the facts for that decision. It never changes the state.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use coo_kernel::baseline::governed;
use coo_kernel::baseline::lineage::{self, Ended, Left, Part, Run};
use coo_kernel::form::digest::Digest;
use coo_kernel::mission::row::MissionRow;
use coo_kernel::mission::state::State;
use coo_kernel::state::layout;
use tempfile::TempDir;

use super::capture::Captured;
use super::manifest;
use super::objects::Objects;
use super::progress::Progress;
use super::state::{self, Reason};
use crate::effects::gateway;
use crate::effects::world::{self, dump};
use crate::hint::Hint as _;
use crate::state::history;
use crate::state::state_root::{StateRoot, TEMPORARY};
use crate::state::store::Store;

/// Creates a baseline of the state under `name`, or under the next number, if the state still is
/// what `mission` left. If the state was edited since, fails unless `may_be_edited`; the lineage
/// then records the edit. The caller is the only writer of `root`.
pub fn promote(
    root: &StateRoot,
    store: &Store,
    mission: &MissionRow,
    name: Option<&str>,
    may_be_edited: bool,
    progress: &Progress<'_>,
) -> Result<Captured> {
    let id = mission.id;
    let (events, chain) = history::walk(store, id, |_| Ok(()))?;
    let all = store.committed()?;
    let mut committed = all.clone();
    let own = committed.iter().position(|other| other.id == id);
    let commit = own.and_then(|own| committed.remove(own).commit);
    let run = Ended {
        id,
        is_complete: events.state() == Some(State::Complete),
        finished_ms: mission.finished_ms.unwrap_or(mission.created_ms),
        commit,
    };
    lineage::is_end_state(&run, &committed, &store.rollbacks()?)?;
    let drifts = gateway::check(root, store)?;
    if let Some(first) = drifts.first()
        && !may_be_edited
    {
        let found = match drifts.len() {
            1 => format!("1 difference in artefacts/, at '{}'", first.path()),
            many => format!(
                "{many} differences in artefacts/, the first at '{}'",
                first.path()
            ),
        };
        bail!(
            anyhow!("mission {id}: the state has changed since it ended, {found}").hint(
                "'coo artefacts check' lists the differences, its --repair undoes them, and \
                 'coo amu0 promote' with --edited promotes the state as it is"
            )
        );
    }
    let mut compared = lineage::compare(
        id,
        &[
            Part {
                name: governed::CONFIG,
                now: Some(Digest::of(root.config()?.to_text())),
                left: mission
                    .facts
                    .config_sha256
                    .map_or(Left::Unknown, Left::Known),
            },
            Part {
                name: layout::WORLD,
                now: Some(dump::digest_and_size(&root.path().join(layout::WORLD))?.0),
                left: world_left(root, store, &all)?,
            },
        ],
        may_be_edited,
    )?;
    if !drifts.is_empty() {
        compared.edited.insert(0, layout::ARTEFACTS.to_owned());
    }
    let run = Run {
        chain_head: chain.head(),
        compared: Some(compared),
        mission: id,
    };
    state::create(root, store, name, Reason::Promoted(run), progress)
        .with_context(|| format!("mission {id}"))
}

/// Rebuilds the missions' database (the world) as rollbacks and missions have left it, and returns
/// its digest: the database of the last rollback, or an empty one, plus every statement on record
/// since. Recording a digest at the end of each mission instead would make every mission read the
/// whole database.
fn world_left(root: &StateRoot, store: &Store, committed: &[Ended]) -> Result<Left> {
    let folder = root.path().canonicalize()?.join(TEMPORARY);
    let folder = again_in(&folder)?;
    let log = store.rollbacks()?;
    let rollback = lineage::last_rollback(&log);
    if let Some(request) = rollback {
        let wanted = governed::State::of(&manifest(root, &request.to.baseline)?)?.world;
        let objects = Objects::new(root);
        let path = folder.path().join(layout::WORLD);
        dump::rebuild(
            objects.open(&wanted.0)?,
            wanted,
            &path,
            request.world_commit,
        )
        .with_context(|| objects.shown(&wanted.0))?;
    }
    let since = rollback.map_or(0, |request| request.world_commit);
    for mission in committed {
        let Some(commit) = mission.commit.filter(|commit| *commit > since) else {
            continue;
        };
        let (_, statements) = history::promised(store, mission.id)?;
        if !statements.is_empty() && !world::again(folder.path(), commit, &statements)? {
            return Ok(Left::Edited);
        }
    }
    let left = dump::digest_and_size(&folder.path().join(layout::WORLD))?.0;
    Ok(Left::Known(left))
}

#[allow(
    clippy::disallowed_methods,
    reason = "in tmp/, and gone once the digest is known"
)]
fn again_in(folder: &Path) -> Result<TempDir> {
    TempDir::new_in(folder).with_context(|| format!("folder {}", folder.display()))
}
