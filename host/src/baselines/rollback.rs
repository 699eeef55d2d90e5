//! Rolls the state root back to a baseline of it: what is governed on the disk, the record of
//! artefacts and the world. Everything that is to come is staged and synced first; then one
//! commit in `coo.db` promises it, and with it the record is the baseline's. A process that
//! dies before has changed nothing; after it, the next one that opens the root does what is
//! left, before anything else is read. Missions, journals and frozen answers are never touched.

use std::io;

use anyhow::{Context as _, Result, anyhow};
use coo_kernel::baseline::governed::{self, State};
use coo_kernel::baseline::lineage::Link;
use coo_kernel::baseline::rollback::{self, Outcome, Request};
use coo_kernel::baseline::{STAGE, differences};
use coo_kernel::root::layout;
use serde::Serialize;

pub use super::confirm::{abort, answer, confirm};

use super::perform::perform;
use super::progress::Progress;
use super::restore::Restored;
use super::scan::Tree;
use super::stage::{ASIDE, Stage};
use super::staged::{open_closed, prepare, prepare_aside};
pub use super::target::{Target, target};
use super::{disk, manifest, restore, state};
use crate::effects::world::dump;
use crate::machine;
use crate::machine::fault;
use crate::root::state_root::StateRoot;
use crate::root::store::{Durability, NewRollback, Store};

/// What a rollback did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RolledBack {
    /// How many artefacts are on record now.
    pub artefacts: usize,
    /// The state before it; none where that was the baseline already, or was set aside.
    pub before: Option<Link>,
    /// What it did to files and folders.
    pub files: Restored,
    /// Of the request.
    pub number: u32,
    /// What became of it.
    pub outcome: Outcome,
    /// Where the state before it is, where that could not be kept.
    pub set_aside: Option<SetAside>,
    /// Where the state is now.
    pub to: Link,
    /// Whether the world was made anew.
    pub world_rebuilt: bool,
}

/// A state that could not be kept as a baseline, and was moved away as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SetAside {
    /// The folder of the state root.
    pub folder: String,
    /// Why it could not be kept.
    pub why: String,
}

/// Enters a request to go back to `target`, on the disk before anybody is asked, and gives it
/// its number.
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

/// Carries out request `number`, which was confirmed. A state that can't be kept as a baseline is
/// set aside as it is where `set_aside` says so, and else stops the rollback.
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
        // Nothing was promised. What can't be cleared up now is by the next command.
        let _ = Stage::give_up(root.dir());
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
            // By what they say: one state has two ids where an earlier release kept fewer bits
            // of a mode.
            if differences(&target.baseline.manifest, now.manifest.entries()).is_empty() =>
        {
            Stage::give_up(root.dir())?;
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
            // As it was, folders that were opened to be read, too.
            Stage::give_up(root.dir()).with_context(unchanged)?;
            done.set_aside = Some(SetAside {
                folder: rollback::aside_folder(number),
                why: format!("{error:#}"),
            });
            prepare_aside(root, store, &target.state, commit, progress).map(Some)
        }
        Err(error) => Err(anyhow!(
            "{error:#}; or 'coo rollback {name} --set-aside' moves the present state to a folder of its own, as it is, and goes on"
        )),
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
        "rollback {number} to {}: the next coo command finishes it, if it was promised, and clears up otherwise",
        to.name
    )
}

/// Does what is promised and not done yet. Again, from the beginning: no harm.
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
            // Somebody took the stage away before anything was set aside.
            prepare_aside(root, store, &wanted, request.world_commit, &quiet)?;
            perform_staged(root, Some(aside))?;
        }
        // Nothing differs now, unless somebody took the stage away or wrote meanwhile; or folders
        // that were opened to be read are to be closed again.
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

/// Does what is staged, if that was sealed, and removes the stage; what was set aside goes to the
/// folder `aside` of the root first.
fn perform_staged(root: &StateRoot, aside: Option<&str>) -> Result<()> {
    if let Some(stage) = Stage::open(root.dir()).context(STAGE)?
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
    Stage::clear(root.dir())
}

/// Gives what was set aside its name in the root, where nothing is removed.
#[allow(
    clippy::disallowed_methods,
    reason = "moves a folder of the stage to a name that nothing else has"
)]
fn keep_aside(root: &StateRoot, stage: &Stage, aside: &str) -> io::Result<()> {
    if stage.aside()?.is_none() {
        // It has its name.
        return Ok(());
    }
    let (folder, name) = aside.rsplit_once('/').unwrap_or(("", aside));
    fault::point("aside.folder")?;
    let folder = root.folder(folder, true)?;
    fault::point("aside.put")?;
    stage.dir().rename(ASIDE, &folder, name)?;
    disk::sync_folder(&folder)?;
    disk::sync_folder(root.dir())
}

/// Gives a world that was made anew its name. The log of the old one would be taken for its
/// own, so that is gone first, for good.
#[allow(
    clippy::disallowed_methods,
    reason = "replaces world.db whole; no connection to it is open"
)]
fn put_world(root: &StateRoot, stage: &Stage) -> io::Result<()> {
    let dir = root.dir();
    if !stage.dir().try_exists(layout::WORLD)? {
        // It has its name.
        return Ok(());
    }
    for name in &governed::WORLD_ON_DISK[1..] {
        fault::point("world.log")?;
        match dir.remove_file(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed?,
        }
    }
    disk::sync_folder(dir)?;
    fault::point("world.put")?;
    stage.dir().rename(layout::WORLD, dir, layout::WORLD)?;
    disk::sync_folder(dir)
}

/// Whether an earlier process promised a rollback that is not done, or left what it had prepared
/// for one.
pub fn is_pending(root: &StateRoot, store: &Store) -> Result<bool> {
    Ok(root.dir().symlink_metadata(STAGE).is_ok() || is_promised(store)?)
}

fn is_promised(store: &Store) -> Result<bool> {
    Ok(store.promised_rollback()?.is_some())
}

/// Finishes a rollback that an earlier process promised, or clears up after one that it had
/// not. The caller alone writes to `root`. Gives a line to say, if there was one.
pub fn recover(root: &StateRoot, store: &mut Store) -> Result<Option<String>> {
    let Some(request) = store.promised_rollback()? else {
        Stage::give_up(root.dir())?;
        return Ok(None);
    };
    finish(root, store, &request)?;
    Ok(Some(format!(
        "finished interrupted rollback {} of the state root to {}",
        request.number, request.to.name
    )))
}
