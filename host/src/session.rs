//! An open state root: its lock, its store, and the configuration of the operator. Opening one first
//! finishes every intent that an earlier process committed to and did not complete. This file is
//! the one place that knows the order of that recovery.

mod place;

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};

use crate::baselines;
use crate::effects::environment::Environment;
use crate::effects::gateway;
use crate::effects::world::{self, World};
use crate::freeze;
use crate::freeze::{Purpose, Unready};
use crate::hint::{self, Hint as _};
use crate::machine;
use crate::machine::temporary::TemporaryFolder;
use crate::state::config::Config;
use crate::state::history;
use crate::state::presence;
use crate::state::reports;
use crate::state::shared_root::{Recover, SharedRoot, Turn};
use crate::state::state_root::{StateRoot, WriteLock};
use crate::state::store::{Durability, FreezeRow, Promised, Store};

pub use place::{root_path, root_path_in};

/// The note while another process has the lock.
pub const WAITING: &str = "waiting for another coo process to finish with this state root";

/// An open state root; see the module.
pub struct Session {
    /// The state root.
    pub root: StateRoot,
    /// Its store.
    pub store: Store,
    /// The configuration, or why it can't be read: only commands that need it fail.
    config: Result<Config>,
    /// Environment and `.env`.
    pub environment: Arc<Environment>,
    /// Held by the only writer of the root.
    pub lock: Option<WriteLock>,
    /// Deleted with the session: the root that a run file was loaded into, or the copy of a root
    /// that is read-only.
    temporary: Option<TemporaryFolder>,
}

impl Session {
    /// Opens the state root at `path`; `None` if there is none. `purpose` decides the rest:
    ///
    /// - `Read`: without the lock, while others may write;
    /// - `Change`, `Keep`: as the only writer, after waiting for another one;
    /// - `Freeze`: as the only writer, failing at once if there is another one.
    ///
    /// In every case the committed intents of earlier processes are finished first, and the freeze
    /// is asked. `say` receives one line for anything worth knowing.
    pub fn open(path: &Path, purpose: Purpose, mut say: impl FnMut(&str)) -> Result<Option<Self>> {
        say_place(&mut say);
        match purpose {
            Purpose::Read => Self::to_read(path, say),
            Purpose::Freeze => Self::to_freeze(path, say),
            Purpose::Change | Purpose::Keep => match StateRoot::open_existing(path)? {
                Some(_) => Self::create(path, purpose, say).map(Some),
                None => Ok(None),
            },
        }
    }

    /// Opens the state root at `path` as its only writer, and creates it if it is missing.
    pub fn create(path: &Path, purpose: Purpose, say: impl FnMut(&str)) -> Result<Self> {
        Self::of(Held::take(path, purpose, say)?)
    }

    /// As `create`, but the changes that missions have committed to are not made yet: a check sees
    /// the files as they are.
    pub fn create_unrecovered(
        path: &Path,
        purpose: Purpose,
        mut say: impl FnMut(&str),
    ) -> Result<Self> {
        let mut held = Held::open(path, purpose, &mut say)?;
        recover_state(&held.root, &mut held.store, say)?;
        Self::of(held)
    }

    fn to_read(path: &Path, say: impl FnMut(&str)) -> Result<Option<Self>> {
        let Some(Read {
            root,
            store,
            temporary,
        }) = Read::open(path, Purpose::Read, say)?
        else {
            return Ok(None);
        };
        let mut session = Self::with(root, store, None)?;
        session.temporary = temporary;
        Ok(Some(session))
    }

    fn to_freeze(path: &Path, mut say: impl FnMut(&str)) -> Result<Option<Self>> {
        let Some(root) = StateRoot::open_existing(path)? else {
            return Ok(None);
        };
        let lock = root
            .try_lock()
            .filter(|_| !presence::is_any_present(&root))
            .ok_or_else(|| at_work(path))?;
        let mut held = Held::settle(root, lock, Purpose::Freeze)?;
        recover(&held.root, &mut held.store, &mut say)?;
        Self::of(held).map(Some)
    }

    /// Finishes all committed intents. The caller holds the lock.
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
        if presence::is_any_present(&self.root) {
            return Err(at_work(self.root.path()));
        }
        let config = self.config()?.clone();
        freeze::activate(&self.root, &mut self.store, &config, &self.environment, by)
    }

    /// Returns the configuration. Commands that do not depend on it work with any.
    pub fn config(&self) -> Result<&Config> {
        self.config
            .as_ref()
            .map_err(|error| hint::with_all(anyhow!("{error:#}"), hint::all(error)))
    }

    /// The same session under another configuration.
    #[must_use]
    pub fn configured(self, config: Config) -> Self {
        Self {
            config: Ok(config),
            ..self
        }
    }

    /// Shares the root among the runs that this session is for. Returns the first turn, and what makes a
    /// session of it again.
    pub fn share(self) -> Result<(Lent, Turn)> {
        let lock = match self.lock {
            Some(lock) => lock,
            None => self.root.lock(|| {})?,
        };
        let settle: Recover = |root, store| {
            freeze::guard(root, store, Purpose::Change)?;
            recover(root, store, |_| {})
        };
        let turn = SharedRoot::new(self.root, self.store, settle).first_turn(lock)?;
        let lent = Lent {
            config: self.config,
            environment: self.environment,
            temporary: self.temporary,
        };
        Ok((lent, turn))
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
            environment: Arc::new(Environment::of(folder)),
            lock,
            temporary: None,
        })
    }
}

/// The rest of a session whose root is shared among runs.
pub struct Lent {
    config: Result<Config>,
    environment: Arc<Environment>,
    temporary: Option<TemporaryFolder>,
}

impl Lent {
    /// Makes the session whole again, when the last run has ended. `lock` is the root's, if that run
    /// still had it.
    pub fn give_back(self, shared: Arc<SharedRoot>, lock: Option<WriteLock>) -> Result<Session> {
        let (root, store) = shared.into_parts()?;
        Ok(Session {
            root,
            store,
            config: self.config,
            environment: self.environment,
            lock,
            temporary: self.temporary,
        })
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
    /// Opens the root at `path`; `None` if there is none. `purpose` is `Read`, or `Freeze` to see
    /// the state of its freeze.
    pub fn open(path: &Path, purpose: Purpose, mut say: impl FnMut(&str)) -> Result<Option<Self>> {
        say_place(&mut say);
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
        // Before recovery repairs anything that may have been tampered with.
        freeze::guard(&root, &store, purpose)?;
        // Committed intents are finished before anything is shown, unless another process is at
        // it. If they can't be finished, the root is shown as it is.
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
                say(&format!("not finished yet: {}", hint::flat(&error)));
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

/// A root whose only writer is this process, with all committed intents finished. Its configuration
/// is not read, because it may be what needs repair.
pub struct Held {
    /// The state root.
    pub root: StateRoot,
    /// Its store.
    pub store: Store,
    /// Held as long as the value lives.
    pub lock: WriteLock,
}

impl Held {
    /// Takes the root at `path`, and creates it if it is missing.
    pub fn take(path: &Path, purpose: Purpose, mut say: impl FnMut(&str)) -> Result<Self> {
        let mut held = Self::open(path, purpose, &mut say)?;
        recover(&held.root, &mut held.store, say)?;
        Ok(held)
    }

    fn open(path: &Path, purpose: Purpose, mut say: impl FnMut(&str)) -> Result<Self> {
        say_place(&mut say);
        let root = StateRoot::open_or_create(path)?;
        let lock = root.lock(|| say(WAITING))?;
        Self::settle(root, lock, purpose)
    }

    fn settle(root: StateRoot, lock: WriteLock, purpose: Purpose) -> Result<Self> {
        // Settling could repair a change that somebody made to a frozen root.
        let store = if root.has_store() {
            let store = Store::open_or_create(root.path())?;
            freeze::guard(&root, &store, purpose)?;
            if purpose == Purpose::Change {
                // A killed process may have left a long log.
                store.shrink_log();
            }
            Some(store)
        } else {
            None
        };
        root.settle()?;
        presence::forget_ended(&root);
        let store = match store {
            Some(store) => store,
            None => Store::open_or_create(root.path())?,
        };
        Ok(Self { root, store, lock })
    }
}

/// Returns the error of a freeze while another process changes the root, or its missions wait.
fn at_work(root: &Path) -> anyhow::Error {
    anyhow!(
        "state root {}: another coo process is at work on it",
        root.display()
    )
    .hint("wait for it and try again")
}

/// Says once which root is used, if it is not the working directory's own.
fn say_place(mut say: impl FnMut(&str)) {
    if let Some(line) = place::take_unsaid() {
        say(&line);
    }
}

/// Finishes all committed intents. The caller holds the lock.
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

/// Finishes a committed rollback, and a freeze or its end.
fn recover_state(root: &StateRoot, store: &mut Store, mut say: impl FnMut(&str)) -> Result<()> {
    if let Some(line) = freeze::recover(root, store)? {
        say(&line);
    }
    if let Some(line) = baselines::rollback::recover(root, store)? {
        say(&line);
    }
    Ok(())
}

/// Makes the changes that missions have committed to, oldest first. The caller holds the lock.
fn recover_worlds(root: &StateRoot, store: &mut Store) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    let mut done = Vec::new();
    let mut result = Ok(());
    let mut has_artefacts = false;
    for promised in store.promised_worlds()? {
        match recover_world(root, store, promised) {
            Ok((changes, artefacts)) => {
                done.push(promised.number);
                has_artefacts |= artefacts > 0;
                lines.push(format!(
                    "applied the recorded changes of an interrupted process: {changes} database \
                     {}, {artefacts} {}",
                    if changes == 1 { "change" } else { "changes" },
                    if artefacts == 1 {
                        "artefact"
                    } else {
                        "artefacts"
                    },
                ));
            }
            Err(error) => {
                result = Err(error);
                break;
            }
        }
    }
    // Once for all, because it grows with the record.
    if has_artefacts {
        gateway::write_index(root, store)?;
    }
    for number in &done {
        store.world_applied(*number)?;
    }
    if !done.is_empty() {
        store.commit(Durability::Process)?;
    }
    result.map(|()| lines)
}

/// Makes the changes of one mission, but for the INDEX; returns the numbers of statements and
/// artefacts.
fn recover_world(root: &StateRoot, store: &Store, promised: Promised) -> Result<(usize, usize)> {
    let (world, statements) = history::promised(store, promised.mission)?;
    if !statements.is_empty() && World::new(root.path()).last_commit()? < promised.number {
        world::redo(root.path(), promised.number, &statements)?;
    }
    if promised.is_merged {
        gateway::apply_merged(root, store, &world.artefacts)?;
    } else {
        gateway::apply_unlisted(root, store, &world.artefacts)?;
    }
    Ok((statements.len(), world.artefacts.len()))
}
