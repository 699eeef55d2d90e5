//! Rolls the state root back to one of its baselines: the governed files, the record of artefacts
//! and the missions' database (the world). All incoming content is first staged and synced. Then
//! one commit in `coo.db` writes the write-ahead intent and replaces the record of artefacts. A
//! process that dies before that commit has changed nothing; after it, the next process that opens
//! the root finishes the rollback before it reads anything else. Missions, journals and frozen
//! answers are never touched.

use std::io;

use anyhow::{Context as _, Result};
use coo_kernel::baseline::governed::{self, State};
use coo_kernel::baseline::link::Link;
use coo_kernel::baseline::rollback::{self, Outcome, Request};
use coo_kernel::baseline::{STAGE, differences};
use coo_kernel::state::layout;
use serde::Serialize;

pub use super::confirm::confirm;
#[cfg(feature = "repository")]
pub use super::confirm::{abort, answer};

use super::perform::perform;
use super::progress::Progress;
use super::restore::Restored;
use super::scan::Tree;
use super::staged::{open_closed, prepare, prepare_aside};
use super::staging::{ASIDE, StagingDir};
pub use super::target::{Target, target};
use super::{disk, manifest, restore, state};
use crate::effects::world::dump;
use crate::hint::{self, Hint as _};
use crate::machine;
use crate::machine::failpoint;
use crate::state::state_root::StateRoot;
use crate::state::store::{Durability, NewRollback, Store};

/// The result of a rollback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct RolledBack {
    /// Number of artefacts on record after the rollback.
    pub artefacts: usize,
    /// The baseline of the state before the rollback; `None` if the state was unchanged or set
    /// aside.
    pub before: Option<Link>,
    pub files: Restored,
    /// Number of the request.
    pub number: u32,
    pub outcome: Outcome,
    /// The state before the rollback, if it could not be captured and was set aside.
    pub set_aside: Option<SetAside>,
    /// The baseline that the state was rolled back to.
    pub to: Link,
    pub world_rebuilt: bool,
}

/// A state that could not be captured as a baseline and was moved aside unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct SetAside {
    /// Path in the state root.
    pub folder: String,
    /// Why it could not be captured.
    pub why: String,
}

/// Records a request to roll back to `target`, on the disk before anyone is asked to confirm it.
/// Returns its number.
pub fn request(
    root: &StateRoot,
    store: &mut Store,
    target: &Target,
    attempt: Option<&str>,
) -> Result<u32> {
    if let Some(attempt) = attempt {
        rollback::permit(&store.rollbacks()?, attempt)?;
    }
    let number = store.request_rollback(&NewRollback {
        to: &target.record.link(),
        attempt,
        lineage: state::last_number(root)?,
        requested_ms: machine::now_unix_ms(),
    })?;
    store.commit(Durability::Power)?;
    Ok(number)
}

/// Carries out the confirmed request `number`. If the present state cannot be captured as a
/// baseline, `set_aside` decides: it is moved aside unchanged, or the rollback fails.
pub fn carry_out(
    root: &StateRoot,
    store: &mut Store,
    number: u32,
    target: &Target,
    set_aside: bool,
    progress: &Progress<'_>,
) -> Result<RolledBack> {
    let done = begun(root, store, number, target, set_aside, progress);
    if done.is_err() && !is_promised(store).unwrap_or(true) {
        // There is no committed intent. If this cleanup fails, the next command cleans up.
        let _ = StagingDir::give_up(root.dir());
    }
    done
}

fn begun(
    root: &StateRoot,
    store: &mut Store,
    number: u32,
    target: &Target,
    set_aside: bool,
    progress: &Progress<'_>,
) -> Result<RolledBack> {
    let mut done = RolledBack {
        artefacts: target.artefacts.len(),
        before: None,
        files: Restored::default(),
        number,
        outcome: Outcome::Unchanged,
        set_aside: None,
        to: target.record.link(),
        world_rebuilt: false,
    };
    let name = &target.record.name;
    let unchanged = || format!("rollback {number} to {name}: nothing was changed");
    let commit = store.rollback(number)?.world_commit;
    let now = open_closed(root).and_then(|opened| state::capture(root, store, &opened, progress));
    let staged = match now {
        Ok(now)
            // Compared by content, not by id: one state has two ids if an earlier release recorded
            // fewer mode bits.
            if differences(&target.baseline.manifest, now.manifest.entries()).is_empty() =>
        {
            StagingDir::give_up(root.dir())?;
            let became = (Outcome::Requested, Outcome::Unchanged);
            store.end_rollback(number, became, machine::now_unix_ms())?;
            store.commit(Durability::Power)?;
            return Ok(done);
        }
        Ok(now) => {
            let before = state::keep_before(root, store, number, &now).with_context(unchanged)?;
            done.before = Some(before.link());
            let found = State::of(&now.manifest)?;
            let found = (found.files.entries(), found.world);
            prepare(root, &target.state, found, commit, progress)
        }
        Err(error) if set_aside => {
            // The state is set aside unchanged, so folders that were opened for reading are closed
            // again.
            StagingDir::give_up(root.dir()).with_context(unchanged)?;
            done.set_aside = Some(SetAside {
                folder: rollback::aside_folder(number),
                why: hint::flat(&error),
            });
            prepare_aside(root, store, &target.state, commit, progress).map(Some)
        }
        Err(error) => Err(error).with_hint(|| {
            format!(
                "'coo rollback {name} --set-aside' moves the present state to a folder of its own, \
                 unchanged, and continues"
            )
        }),
    };
    let staged = staged.with_context(unchanged)?;
    (done.files, done.world_rebuilt) = staged.unwrap_or_default();
    let lineage = state::last_number(root)?;
    store
        .promise_rollback(number, done.before.as_ref(), lineage, &target.artefacts)
        .and_then(|()| store.commit(Durability::Power))
        .with_context(|| unfinished(number, &done.to))?;
    finish(root, store, &store.rollback(number)?)?;
    done.outcome = Outcome::Restored;
    Ok(done)
}

fn unfinished(number: u32, to: &Link) -> String {
    format!(
        "rollback {number} to {}: the next coo command finishes it if it was committed, and cleans up otherwise",
        to.name
    )
}

/// Finishes a rollback with a committed intent. Idempotent: it starts from the beginning each time.
fn finish(root: &StateRoot, store: &mut Store, request: &Request) -> Result<()> {
    let done = (|| -> Result<()> {
        let aside = request.set_aside();
        perform_staged(root, aside.as_deref())?;
        let manifest = manifest(root, &request.to.baseline)?;
        let wanted = State::of(&manifest)?;
        let quiet = Progress::new(None);
        if let Some(aside) = &aside
            && root.dir().symlink_metadata(aside).is_err()
        {
            // The stage was removed by hand before anything was set aside.
            prepare_aside(root, store, &wanted, request.world_commit, &quiet)?;
            perform_staged(root, Some(aside))?;
        }
        // Nothing differs here, unless the stage was removed by hand, the state was written to
        // meanwhile, or folders that were opened for reading must be closed again.
        let files = restore::found(&wanted.files, &Tree::of_state(root)?, &quiet)?;
        let world = dump::digest_and_size(&root.path().join(layout::WORLD))?;
        let found = (files.as_slice(), world);
        if prepare(root, &wanted, found, request.world_commit, &quiet)?.is_some() {
            perform_staged(root, None)?;
        }
        let became = (Outcome::Promised, Outcome::Restored);
        store.end_rollback(request.number, became, machine::now_unix_ms())?;
        store.commit(Durability::Power)
    })();
    done.with_context(|| unfinished(request.number, &request.to))
}

/// Performs the staged steps if the stage was sealed, then removes the stage. Entries that were set
/// aside are first moved to the folder `aside` of the root.
fn perform_staged(root: &StateRoot, aside: Option<&str>) -> Result<()> {
    if let Some(stage) = StagingDir::open(root.dir()).context(STAGE)?
        && let Some(steps) = stage.steps().context(STAGE)?
    {
        perform(root.dir(), &stage, &steps, &Progress::new(None))?;
        put_world(root, &stage).with_context(|| {
            let path = root.path().join(layout::WORLD);
            format!("database {}: can't be replaced", path.display())
        })?;
        if let Some(aside) = aside {
            keep_aside(root, &stage, aside).with_context(|| {
                format!(
                    "folder {}: can't be made",
                    root.path().join(aside).display()
                )
            })?;
        }
    }
    StagingDir::clear(root.dir())
}

/// Moves the entries that were set aside to their final name in the root. Removes nothing.
#[allow(
    clippy::disallowed_methods,
    reason = "moves a folder of the stage to a name that nothing else has"
)]
fn keep_aside(root: &StateRoot, stage: &StagingDir, aside: &str) -> io::Result<()> {
    if stage.aside()?.is_none() {
        // An earlier process has moved it.
        return Ok(());
    }
    let (folder, name) = aside.rsplit_once('/').unwrap_or(("", aside));
    failpoint::reach("aside.folder")?;
    let folder = root.folder(folder, true)?;
    failpoint::reach("aside.put")?;
    stage.dir().rename(ASIDE, &folder, name)?;
    disk::sync_folder(&folder)?;
    disk::sync_folder(root.dir())
}

/// Moves a rebuilt world to its final name. `SQLite` would apply the old database's log to it, so
/// the log is removed first, and that removal is synced.
#[allow(
    clippy::disallowed_methods,
    reason = "replaces world.db whole; no connection to it is open"
)]
fn put_world(root: &StateRoot, stage: &StagingDir) -> io::Result<()> {
    let dir = root.dir();
    if !stage.dir().try_exists(layout::WORLD)? {
        // An earlier process has moved it.
        return Ok(());
    }
    for name in &governed::WORLD_ON_DISK[1..] {
        failpoint::reach("world.log")?;
        match dir.remove_file(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed?,
        }
    }
    disk::sync_folder(dir)?;
    failpoint::reach("world.put")?;
    stage.dir().rename(layout::WORLD, dir, layout::WORLD)?;
    disk::sync_folder(dir)
}

/// Returns whether an earlier process left an unfinished rollback with a committed intent, or a
/// stage prepared for one.
pub fn is_pending(root: &StateRoot, store: &Store) -> Result<bool> {
    Ok(root.dir().symlink_metadata(STAGE).is_ok() || is_promised(store)?)
}

fn is_promised(store: &Store) -> Result<bool> {
    Ok(store.promised_rollback()?.is_some())
}

/// Finishes a rollback whose intent an earlier process committed, or cleans up if there is no
/// committed intent. The caller is the only writer of `root`. Returns a line for the user if a
/// rollback was finished.
pub fn recover(root: &StateRoot, store: &mut Store) -> Result<Option<String>> {
    let Some(request) = store.promised_rollback()? else {
        StagingDir::give_up(root.dir())?;
        return Ok(None);
    };
    finish(root, store, &request)?;
    Ok(Some(format!(
        "finished interrupted rollback {} of the state root to {}",
        request.number, request.to.name
    )))
}
