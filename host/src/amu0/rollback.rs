//! Rolls the state root back to a baseline of it: what is governed on the disk, the record of
//! artefacts and the world. Everything that is to come is staged and synced first; then one
//! commit in `coo.db` promises it, and with it the record is the baseline's. A process that
//! dies before has changed nothing; after it, the next one that opens the root does what is
//! left, before anything else is read. Missions, journals and frozen answers are never touched.

use std::io::{self, Read as _};

use anyhow::{Context as _, Result};
use coo_kernel::baseline::{Entry, STAGE, steps};
use coo_kernel::digest::Digest;
use coo_kernel::governed::State;
use coo_kernel::lineage::Link;
use coo_kernel::rollback::{self, Aborted, CONFIRMATION, Outcome, Request, SAID_BYTES_MAX, Said};
use serde::Serialize;

use super::objects::Objects;
use super::perform::perform;
use super::progress::Progress;
use super::restore::Restored;
use super::scan::Tree;
use super::stage::Stage;
pub use super::target::{Target, target};
use super::{disk, manifest, restore, state};
use crate::fault;
use crate::machine;
use crate::state_root::StateRoot;
use crate::store::{Durability, NewRollback, Store};
use crate::world::{self, dump};

/// What a rollback did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RolledBack {
    /// How many artefacts are on record now.
    pub artefacts: usize,
    /// The state before it; none where that was the baseline already.
    pub before: Option<Link>,
    /// What it did to files and folders.
    pub files: Restored,
    /// Of the request.
    pub number: u32,
    /// What became of it.
    pub outcome: Outcome,
    /// Where the state is now.
    pub to: Link,
    /// Whether the world was made anew.
    pub world_rebuilt: bool,
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

/// Whether request `number` is confirmed: by the file in the state root, which is taken away
/// whatever it says, or else by the line that `ask` gets. Without a yes the request is over.
pub fn confirm(
    root: &StateRoot,
    store: &mut Store,
    number: u32,
    target: &Target,
    ask: impl FnOnce() -> Vec<u8>,
) -> Result<()> {
    let name = &target.record.name;
    let what = format!("rollback {number} to {name}");
    let answer = answer(root, &what, &format!("coo rollback {name}"), ask)?;
    if answer.is_err() {
        abort(store, number)?;
    }
    Ok(answer?)
}

/// Notes that request `number` was not confirmed.
pub fn abort(store: &mut Store, number: u32) -> Result<()> {
    let became = (Outcome::Requested, Outcome::Aborted);
    store.end_rollback(number, became, machine::now_unix_ms())?;
    store.commit(Durability::Power)
}

/// A person's answer to the rollback called `what`, which the command `again` asks for once
/// more: the file in the state root, which is taken away whatever it says, or else the line that
/// `ask` gets.
pub fn answer(
    root: &StateRoot,
    what: &str,
    again: &str,
    ask: impl FnOnce() -> Vec<u8>,
) -> Result<Result<(), Aborted>> {
    Ok(match take_file(root)? {
        Some(Ok(content)) => rollback::confirm(what, again, Said::File(&content)),
        Some(Err(found)) => rollback::confirm(what, again, Said::NoFile(found)),
        None => rollback::confirm(what, again, Said::Line(&ask())),
    })
}

/// What the file says, or what is in its place. It counts once: it is gone before anything
/// is done.
#[allow(
    clippy::disallowed_methods,
    reason = "removes the file that confirmed, by its one name"
)]
fn take_file(root: &StateRoot) -> Result<Option<Result<Vec<u8>, &'static str>>> {
    let dir = root.dir();
    let shown = || format!("file {}", root.path().join(CONFIRMATION).display());
    let metadata = match dir.symlink_metadata(CONFIRMATION) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        metadata => metadata.with_context(|| format!("{}: can't be examined", shown()))?,
    };
    if metadata.is_dir() {
        return Ok(Some(Err("a folder; remove it")));
    }
    let said = if metadata.is_symlink() {
        Err("a link")
    } else {
        disk::open_file(dir, CONFIRMATION.as_ref())
            .and_then(|file| {
                let mut content = Vec::new();
                file.take(SAID_BYTES_MAX).read_to_end(&mut content)?;
                Ok(content)
            })
            .map_err(|_| "no plain file that can be read")
    };
    fault::point("confirmation.remove")
        .and_then(|()| dir.remove_file(CONFIRMATION))
        .and_then(|()| disk::sync_folder(dir))
        .with_context(|| format!("{}: can't be removed", shown()))?;
    Ok(Some(said))
}

/// Carries out request `number`, which was confirmed.
pub fn carry_out(
    root: &StateRoot,
    store: &mut Store,
    number: u32,
    target: &Target,
    progress: &Progress<'_>,
) -> Result<RolledBack> {
    let mut done = RolledBack {
        artefacts: target.artefacts.len(),
        before: None,
        files: Restored::default(),
        number,
        outcome: Outcome::Unchanged,
        to: target.record.link(),
        world_rebuilt: false,
    };
    let unchanged = || format!("rollback {number} to {}: nothing was changed", done.to.name);
    let now = state::capture(root, store, progress).with_context(unchanged)?;
    if now.id == target.baseline.id {
        let became = (Outcome::Requested, Outcome::Unchanged);
        store.end_rollback(number, became, machine::now_unix_ms())?;
        store.commit(Durability::Power)?;
        return Ok(done);
    }
    let before = state::keep_before(root, store, number, &now).with_context(unchanged)?;
    let found = State::of(&now.manifest)?;
    let commit = store.rollback(number)?.world_commit;
    let found = (found.files.entries(), found.world);
    let staged = prepare(root, &target.state, found, commit, progress);
    if staged.is_err() {
        // Nothing was promised. What can't be cleared up now is by the next command.
        let _ = Stage::clear(root.dir());
    }
    let staged = staged.with_context(unchanged)?;
    (done.files, done.world_rebuilt) = staged.unwrap_or_default();
    let lineage = state::last_number(root)?;
    store
        .promise_rollback(number, &before.link(), lineage, &target.artefacts)
        .and_then(|()| store.commit(Durability::Power))
        .with_context(|| unfinished(number, &done.to))?;
    finish(root, store, &store.rollback(number)?)?;
    (done.before, done.outcome) = (Some(before.link()), Outcome::Restored);
    Ok(done)
}

fn unfinished(number: u32, to: &Link) -> String {
    format!(
        "rollback {number} to {}: the next coo command finishes it, if it was promised, and clears up otherwise",
        to.name
    )
}

/// Stages the way to `wanted` from what is found, files and world, unless that is it. A new
/// world has `commit` as the number of its last commit, so that no older one is made again.
fn prepare(
    root: &StateRoot,
    wanted: &State,
    (files, world): (&[Entry], (Digest, u64)),
    commit: u32,
    progress: &Progress<'_>,
) -> Result<Option<(Restored, bool)>> {
    let steps = steps(&wanted.files, files, None)?;
    let is_rebuilt = world != wanted.world;
    if steps.is_empty() && !is_rebuilt {
        return Ok(None);
    }
    let folder = root.path().canonicalize()?.join(STAGE);
    let shown = || format!("folder {}", folder.display());
    let stage = Stage::create(root.dir()).with_context(|| format!("{}: can't be made", shown()))?;
    let objects = Objects::new(root);
    let written = stage.fill(&objects, &wanted.files, &steps, progress)?;
    if is_rebuilt {
        let dump = objects.open(&wanted.world.0)?;
        dump::rebuild(dump, wanted.world, &folder.join(world::FILE), commit)
            .with_context(|| objects.shown(&wanted.world.0))?;
    }
    stage
        .seal(&steps)
        .with_context(|| format!("{}: can't be written", shown()))?;
    Ok(Some((Restored::of(&steps, written), is_rebuilt)))
}

/// Does what is promised and not done yet. Again, from the beginning: no harm.
fn finish(root: &StateRoot, store: &mut Store, request: &Request) -> Result<()> {
    let done = (|| -> Result<()> {
        perform_staged(root)?;
        // Nothing differs now, unless somebody took the stage away or wrote meanwhile.
        let manifest = manifest(root, &request.to.baseline)?;
        let wanted = State::of(&manifest)?;
        let quiet = Progress::new(None);
        let files = restore::found(&wanted.files, &Tree::of_state(root)?, &quiet)?;
        let world = dump::digest_and_size(&root.path().join(world::FILE))?;
        let found = (files.as_slice(), world);
        if prepare(root, &wanted, found, request.world_commit, &quiet)?.is_some() {
            perform_staged(root)?;
        }
        let became = (Outcome::Promised, Outcome::Restored);
        store.end_rollback(request.number, became, machine::now_unix_ms())?;
        store.commit(Durability::Power)
    })();
    done.with_context(|| unfinished(request.number, &request.to))
}

/// Does what is staged, if that was sealed, and removes the stage.
fn perform_staged(root: &StateRoot) -> Result<()> {
    if let Some(stage) = Stage::open(root.dir()).context(STAGE)?
        && let Some(steps) = stage.steps().context(STAGE)?
    {
        perform(root.dir(), &stage, &steps)?;
        put_world(root, &stage).with_context(|| {
            let path = root.path().join(world::FILE);
            format!("database {}: can't be replaced", path.display())
        })?;
    }
    Stage::clear(root.dir())
}

/// Gives a world that was made anew its name. The log of the old one would be taken for its
/// own, so that is gone first, for good.
#[allow(
    clippy::disallowed_methods,
    reason = "replaces world.db whole; no connection to it is open"
)]
fn put_world(root: &StateRoot, stage: &Stage) -> io::Result<()> {
    let dir = root.dir();
    if !stage.dir().try_exists(world::FILE)? {
        // It has its name.
        return Ok(());
    }
    for end in ["-wal", "-shm", "-journal"] {
        fault::point("world.log")?;
        match dir.remove_file(format!("{}{end}", world::FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed?,
        }
    }
    disk::sync_folder(dir)?;
    fault::point("world.put")?;
    stage.dir().rename(world::FILE, dir, world::FILE)?;
    disk::sync_folder(dir)
}

/// Whether an earlier process promised a rollback that is not done.
pub fn is_pending(store: &Store) -> Result<bool> {
    Ok(store.promised_rollback()?.is_some())
}

/// Finishes a rollback that an earlier process promised, or clears up after one that it had
/// not. The caller alone writes to `root`. Gives a line to say, if there was one.
pub fn recover(root: &StateRoot, store: &mut Store) -> Result<Option<String>> {
    let Some(request) = store.promised_rollback()? else {
        Stage::clear(root.dir())?;
        return Ok(None);
    };
    finish(root, store, &request)?;
    Ok(Some(format!(
        "finished interrupted rollback {} of the state root to {}",
        request.number, request.to.name
    )))
}
