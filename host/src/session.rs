//! A process at work on a state root: the root, its lock, its store and what the operator
//! configured. Opening one first finishes whatever an earlier process promised and did not
//! get to apply.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};

use crate::baselines;
use crate::effects::gateway;
use crate::effects::surroundings::Surroundings;
use crate::effects::world::{self, World};
use crate::freeze;
use crate::freeze::{Purpose, Unready};
use crate::machine;
use crate::machine::temporary::TemporaryFolder;
use crate::state::config::Config;
use crate::state::history;
use crate::state::reports;
use crate::state::state_root::{DEFAULT_NAME, StateRoot, WriteLock};
use crate::state::store::{Durability, FreezeRow, Store};

/// What is said where another process has the lock.
pub const WAITING: &str = "waiting for another coo process to finish with this state root";

/// See the module.
pub struct Session {
    /// The state root.
    pub root: StateRoot,
    /// Its store.
    pub store: Store,
    /// Its configuration, or why it can't be read: only who needs it fails.
    config: Result<Config>,
    /// Environment and `.env`.
    pub surroundings: Arc<Surroundings>,
    /// Held by whoever may change the root.
    pub lock: Option<WriteLock>,
    /// Goes with the session: where a run file was loaded into, or a root that can't be written
    /// to was read from.
    temporary: Option<TemporaryFolder>,
}

/// The state root the user means: `--root`, `COO_ROOT`, or `.coo` here.
pub fn root_path(given: Option<&Path>) -> PathBuf {
    given
        .map(Path::to_owned)
        .or_else(|| machine::env_os("COO_ROOT").map(PathBuf::from))
        .unwrap_or_else(|| PathBuf::from(DEFAULT_NAME))
}

impl Session {
    /// Opens a root for changing it, alone. `say` gets one line for anything worth knowing.
    pub fn for_writing(path: &Path, say: impl FnMut(&str)) -> Result<Self> {
        Self::of(Held::take(path, Purpose::Change, say)?)
    }

    /// As `for_writing`, to add what is not governed: a freeze is no hindrance.
    pub fn for_keeping(path: &Path, say: impl FnMut(&str)) -> Result<Self> {
        Self::of(Held::take(path, Purpose::Keep, say)?)
    }

    /// As `for_keeping`, but only where there is a root already.
    pub fn for_keeping_in(path: &Path, say: impl FnMut(&str)) -> Result<Option<Self>> {
        match StateRoot::open_existing(path)? {
            Some(_) => Self::for_keeping(path, say).map(Some),
            None => Ok(None),
        }
    }

    /// Opens a root that is there for freezing it. Waits for nobody: who is at work must be done.
    pub fn for_freezing(path: &Path, mut say: impl FnMut(&str)) -> Result<Option<Self>> {
        let Some(root) = StateRoot::open_existing(path)? else {
            return Ok(None);
        };
        let lock = root.try_lock().with_context(|| {
            format!(
                "state root {}: another coo process is at work on it; wait for it and try again",
                path.display()
            )
        })?;
        let mut held = Held::settle(root, lock, Purpose::Freeze)?;
        recover(&held.root, &mut held.store, &mut say)?;
        Self::of(held).map(Some)
    }

    /// As `for_writing`, but what missions promised and did not make yet stays so.
    pub fn for_repair(path: &Path, purpose: Purpose, mut say: impl FnMut(&str)) -> Result<Self> {
        let mut held = Held::open(path, purpose, &mut say)?;
        recover_state(&held.root, &mut held.store, say)?;
        Self::of(held)
    }

    /// As `for_writing`, but only where there is a root already.
    pub fn for_changing(path: &Path, say: impl FnMut(&str)) -> Result<Option<Self>> {
        match StateRoot::open_existing(path)? {
            Some(_) => Self::for_writing(path, say).map(Some),
            None => Ok(None),
        }
    }

    /// Opens a root for reading it, while others may change it. `None` where there is none.
    pub fn for_reading(path: &Path, say: impl FnMut(&str)) -> Result<Option<Self>> {
        let Some(Read {
            root,
            store,
            temporary,
        }) = Read::open(path, say)?
        else {
            return Ok(None);
        };
        let mut session = Self::with(root, store, None)?;
        session.temporary = temporary;
        Ok(Some(session))
    }

    /// Makes promised changes that are not made yet. The caller holds the lock.
    pub fn recover(&mut self, say: impl FnMut(&str)) -> Result<()> {
        recover(&self.root, &mut self.store, say)
    }

    /// A session on the root that a run file was loaded into. `folder` goes with the session.
    pub fn of_loaded(folder: TemporaryFolder, root: StateRoot, store: Store) -> Result<Self> {
        let mut session = Self::with(root, store, None)?;
        session.temporary = Some(folder);
        Ok(session)
    }

    /// Freezes the root for `by`, who or what it is for; or says what has to hold first.
    pub fn freeze(&mut self, by: &str) -> Result<Result<FreezeRow, Unready>> {
        let config = self.config()?.clone();
        freeze::activate(&self.root, &mut self.store, &config, &self.surroundings, by)
    }

    /// Its configuration. Asked for by commands that go by it: the others work with any.
    pub fn config(&self) -> Result<&Config> {
        self.config
            .as_ref()
            .map_err(|error| anyhow::anyhow!("{error:#}"))
    }

    /// The same session under another configuration.
    #[must_use]
    pub fn configured(self, config: Config) -> Self {
        Self {
            config: Ok(config),
            ..self
        }
    }

    /// Lends the store to a run; the rest of the session waits for it.
    pub fn lend_store(self) -> (StoreLent, Store) {
        let lent = StoreLent {
            root: self.root,
            config: self.config,
            surroundings: self.surroundings,
            lock: self.lock,
            temporary: self.temporary,
        };
        (lent, self.store)
    }

    fn of(held: Held) -> Result<Self> {
        Self::with(held.root, held.store, Some(held.lock))
    }

    fn with(root: StateRoot, store: Store, lock: Option<WriteLock>) -> Result<Self> {
        let folder = machine::working_directory().context("working directory")?;
        Ok(Self {
            config: root.config(),
            root,
            store,
            surroundings: Arc::new(Surroundings::of(folder)),
            lock,
            temporary: None,
        })
    }
}

/// A session whose store is lent to a run. The engine owns the store while a guest runs, because
/// wasmtime's store owns all that host functions use.
pub struct StoreLent {
    /// The state root.
    pub root: StateRoot,
    config: Result<Config>,
    surroundings: Arc<Surroundings>,
    lock: Option<WriteLock>,
    temporary: Option<TemporaryFolder>,
}

impl StoreLent {
    /// Makes the session whole again.
    pub fn give_back(self, store: Store) -> Session {
        Session {
            root: self.root,
            store,
            config: self.config,
            surroundings: self.surroundings,
            lock: self.lock,
            temporary: self.temporary,
        }
    }
}

/// A root to be read while others may change it, its configuration not read.
pub struct Read {
    /// The state root.
    pub root: StateRoot,
    /// Its store, or a copy of it.
    pub store: Store,
    /// Where the copy is.
    temporary: Option<TemporaryFolder>,
}

impl Read {
    /// Opens the root at `path`; `None` where there is none.
    pub fn open(path: &Path, say: impl FnMut(&str)) -> Result<Option<Self>> {
        Self::open_for(path, Purpose::Read, say)
    }

    /// As `open`, to see how its freeze stands.
    pub fn for_freeze(path: &Path, say: impl FnMut(&str)) -> Result<Option<Self>> {
        Self::open_for(path, Purpose::Freeze, say)
    }

    fn open_for(path: &Path, purpose: Purpose, mut say: impl FnMut(&str)) -> Result<Option<Self>> {
        let Some(root) = StateRoot::open_existing(path)? else {
            return Ok(None);
        };
        if root.is_read_only() {
            let Some((folder, store)) = Store::open_copy(root.path())? else {
                return Ok(None);
            };
            freeze::guard(&root, &store, purpose)?;
            let temporary = Some(folder);
            return Ok(Some(Self {
                root,
                store,
                temporary,
            }));
        }
        let Some(mut store) = Store::open(path)? else {
            return Ok(None);
        };
        // Before anything is put right that somebody may have changed.
        freeze::guard(&root, &store, purpose)?;
        // What was promised is finished before anybody looks, unless somebody is at it. Where
        // it can't be, that is no reason to show nothing.
        let is_pending = !store.promised_worlds()?.is_empty()
            || baselines::rollback::is_pending(&root, &store)?
            || freeze::is_pending(&store)?
            || baselines::is_pending(&root)
            || !store.unmade_reports()?.is_empty();
        if is_pending && let Some(_lock) = root.try_lock() {
            let finished = root
                .settle()
                .and_then(|()| recover(&root, &mut store, &mut say));
            if let Err(error) = finished {
                say(&format!("not finished yet: {error:#}"));
                store = Store::open(path)?.context("database: gone while it was read")?;
            }
        }
        Ok(Some(Self {
            root,
            store,
            temporary: None,
        }))
    }
}

/// A root that this process alone changes, everything promised in it made; its configuration
/// not read, which may be what has to be put right.
pub struct Held {
    /// The state root.
    pub root: StateRoot,
    /// Its store.
    pub store: Store,
    /// As long as this is held.
    pub lock: WriteLock,
}

impl Held {
    /// Takes the root at `path`, creating it if need be.
    pub fn take(path: &Path, purpose: Purpose, mut say: impl FnMut(&str)) -> Result<Self> {
        let mut held = Self::open(path, purpose, &mut say)?;
        recover(&held.root, &mut held.store, say)?;
        Ok(held)
    }

    fn open(path: &Path, purpose: Purpose, mut say: impl FnMut(&str)) -> Result<Self> {
        let root = StateRoot::open_or_create(path)?;
        let lock = root.lock(|| say(WAITING))?;
        Self::settle(root, lock, purpose)
    }

    fn settle(root: StateRoot, lock: WriteLock, purpose: Purpose) -> Result<Self> {
        // Settling could put right what somebody changed of a frozen root.
        let store = if root.has_store() {
            let store = Store::open_or_create(root.path())?;
            freeze::guard(&root, &store, purpose)?;
            if purpose == Purpose::Change {
                // What a process left that was killed, or could not commit.
                store.shrink_log();
            }
            Some(store)
        } else {
            None
        };
        root.settle()?;
        let store = match store {
            Some(store) => store,
            None => Store::open_or_create(root.path())?,
        };
        Ok(Self { root, store, lock })
    }
}

/// Makes promised changes that are not made yet. The caller holds the lock.
fn recover(root: &StateRoot, store: &mut Store, mut say: impl FnMut(&str)) -> Result<()> {
    for line in recover_worlds(root, store)? {
        say(&line);
    }
    recover_state(root, store, &mut say)?;
    if let Some(line) = baselines::recover(root)? {
        say(&line);
    }
    if let Some(line) = reports::recover(root, store)? {
        say(&line);
    }
    Ok(())
}

/// Makes a rollback that was promised, and what is left of a freeze.
fn recover_state(root: &StateRoot, store: &mut Store, mut say: impl FnMut(&str)) -> Result<()> {
    if let Some(line) = freeze::recover(root, store)? {
        say(&line);
    }
    if let Some(line) = baselines::rollback::recover(root, store)? {
        say(&line);
    }
    Ok(())
}

/// Applies promised world changes, oldest first. The caller holds the write lock.
fn recover_worlds(root: &StateRoot, store: &mut Store) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for (number, mission) in store.promised_worlds()? {
        let (world, statements) = history::promised(store, mission)?;
        if !statements.is_empty() && World::new(root.path()).last_commit()? < number {
            world::redo(root.path(), number, &statements)?;
        }
        gateway::apply(root, store, &world.artefacts)?;
        store.world_applied(number)?;
        store.commit(Durability::Process)?;
        lines.push(format!(
            "applied the recorded changes of an interrupted process: {} database changes, {} artefacts",
            statements.len(),
            world.artefacts.len()
        ));
    }
    Ok(lines)
}
