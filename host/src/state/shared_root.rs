//! A state root as the runs of one process share it: one store, and turns at the root's lock. A run
//! takes a turn when it touches the root, keeps it while nobody else wants it, and gives it back
//! before it waits for anything outside. A run that is alone therefore pays nothing for the others
//! that there could be.
//!
//! Invariants: only the run whose turn it is writes; no transaction of the store is open while nobody
//! has a turn. Never decides what is written.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use coo_kernel::mission::MissionId;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use super::presence::Presence;
use super::state_root::{StateRoot, WriteLock};
use super::store::{self, Durability, Store, WorldVersion};
use crate::machine::{Stopwatch, asynchronous};

/// A turn lasts at least this long once it has begun to work, so that a run whose turn ends early
/// makes progress.
const TURN_MIN: Duration = Duration::from_millis(20);

/// Time between two looks at whether others want the turn. A look takes as long as a small statement.
const LOOKS_APART: Duration = Duration::from_millis(5);

/// Time for a waiting process to take the lock; it looks more often than that.
const OTHERS_FIRST: Duration = Duration::from_millis(5);

/// Finishes what processes that have ended left unfinished.
pub type Recover = fn(&StateRoot, &mut Store) -> Result<()>;

/// See the module.
pub struct SharedRoot {
    root: StateRoot,
    store: Mutex<Store>,
    recover: Recover,
    /// Held by the run of this process whose turn it is.
    turns: Arc<AsyncMutex<()>>,
    /// Runs of this process that wait for a turn.
    waiting: AtomicUsize,
    /// Set when a run of this process first gives its turn back.
    presence: Mutex<Option<Presence>>,
    /// Commits of this process so far.
    commits: AtomicU64,
    /// The commits that are known to be on the disk.
    synced: AsyncMutex<u64>,
}

impl SharedRoot {
    /// Shares an open root. The caller holds its lock and has recovered it.
    pub fn new(root: StateRoot, store: Store, recover: Recover) -> Arc<Self> {
        Arc::new(Self {
            root,
            store: Mutex::new(store),
            recover,
            turns: Arc::default(),
            waiting: AtomicUsize::new(0),
            presence: Mutex::new(None),
            commits: AtomicU64::new(0),
            synced: AsyncMutex::new(0),
        })
    }

    /// Returns root and store again; an error if a run still has them.
    pub fn into_parts(self: Arc<Self>) -> Result<(StateRoot, Store)> {
        let shared = Arc::into_inner(self).context("state root: a run still holds it")?;
        let store = shared.store.into_inner();
        Ok((shared.root, store.unwrap_or_else(PoisonError::into_inner)))
    }

    /// Returns the root.
    pub fn root(&self) -> &StateRoot {
        &self.root
    }

    /// Lends the store for one access. Nothing else of this process uses `SQLite` meanwhile.
    pub fn with_store<T>(&self, access: impl FnOnce(&mut Store) -> T) -> T {
        let mut store = lock(&self.store);
        let _alone = store::alone();
        access(&mut store)
    }

    /// Returns the turn of a run that was given the root's lock with the shared root.
    pub fn first_turn(self: &Arc<Self>, lock: WriteLock) -> Result<Turn> {
        let run = Arc::clone(&self.turns)
            .try_lock_owned()
            .context("state root: another run has its turn")?;
        let mut turn = self.later_turn();
        turn.held = Some(Held::new(lock, run));
        turn.seen = self.with_store(|store| {
            store.was_changed_outside()?;
            store.world_version()
        })?;
        Ok(turn)
    }

    /// Returns the turn of a run that has to wait for it.
    pub fn later_turn(self: &Arc<Self>) -> Turn {
        Turn {
            shared: Arc::clone(self),
            held: None,
            seen: WorldVersion::default(),
            at_least: TURN_MIN,
            is_kept: false,
            is_marked: false,
        }
    }

    /// Waits until no other run and no other process has the root's lock, and takes it. `gave`: the
    /// caller has just given it back because others want it, and lets them go first.
    pub async fn acquire(self: &Arc<Self>, gave: bool) -> Result<Held> {
        let _waits = Waits::begin(self);
        let run = Arc::clone(&self.turns).lock_owned().await;
        if gave && self.root.is_wanted() {
            asynchronous::start(asynchronous::wait(OTHERS_FIRST))?.await;
        }
        let lock = if let Some(lock) = self.root.lock_now()? {
            lock
        } else {
            let shared = Arc::clone(self);
            // Another process has it, and gives it back when it sees that it is wanted.
            asynchronous::start_blocking(move || shared.root.lock(|| {}))?.await?
        };
        Ok(Held::new(lock, run))
    }

    /// Announces this process as being at work, and returns its name. The caller has its turn.
    pub fn announce(&self) -> Result<String> {
        let mut presence = lock(&self.presence);
        let announced = match presence.take() {
            Some(presence) => presence,
            None => Presence::announce(&self.root)?,
        };
        Ok(presence.insert(announced).name().to_owned())
    }

    /// Syncs all commits so far to the disk. Runs that ask for it at once share one sync.
    pub async fn sync(&self) -> Result<()> {
        let wanted = self.commits.load(Ordering::Acquire);
        let mut synced = self.synced.lock().await;
        if *synced < wanted {
            let reached = self.commits.load(Ordering::Acquire);
            let log = self.with_store(Store::log_to_sync)?;
            log.sync()?;
            *synced = reached;
        }
        Ok(())
    }
}

/// The turn of one run at the root; see the module.
pub struct Turn {
    shared: Arc<SharedRoot>,
    held: Option<Held>,
    /// The world when the run last had its turn.
    seen: WorldVersion,
    at_least: Duration,
    /// Not given back though others want it.
    is_kept: bool,
    /// Whether others can see that the mission is at work.
    is_marked: bool,
}

/// A turn that has begun.
pub struct Held {
    lock: WriteLock,
    /// After the lock, so that it is released after the lock.
    _run: OwnedMutexGuard<()>,
    since: Stopwatch,
    /// Begun when the run last looked whether others want the turn.
    looked: Stopwatch,
}

impl Held {
    fn new(lock: WriteLock, run: OwnedMutexGuard<()>) -> Self {
        let now = Stopwatch::start();
        Self {
            lock,
            _run: run,
            since: now,
            looked: now,
        }
    }
}

impl Turn {
    /// Returns the shared root.
    pub fn shared(&self) -> &Arc<SharedRoot> {
        &self.shared
    }

    /// Returns whether the run has its turn now.
    pub const fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Begins the turn that `SharedRoot::acquire` has waited for. Returns whether the world has moved
    /// since the run last had its turn.
    pub fn begin(&mut self, held: Held) -> Result<bool> {
        let shared = &self.shared;
        // Not `with_store`: a recovery executes statements, which are alone by themselves. No other run
        // executes any, because none has its turn.
        let now = {
            let mut store = lock(&shared.store);
            let found = look(&shared.root, &mut store, shared.recover);
            found.inspect_err(|_| {
                // The next turn begins with it.
                let _ = store.roll_back();
                store.forget_seen();
            })?
        };
        self.held = Some(held);
        let has_moved = now != self.seen;
        self.seen = now;
        Ok(has_moved)
    }

    /// Marks mission `id` as being at work in this process, with the next commit. A turn is not given
    /// back before.
    fn mark(&mut self, id: MissionId) -> Result<()> {
        if !self.is_marked {
            let name = self.shared.announce()?;
            self.shared
                .with_store(|store| store.set_process(id, &name))?;
            self.is_marked = true;
        }
        Ok(())
    }

    /// Gives the turn back, so that others can work while mission `id` waits.
    pub fn give(&mut self, id: MissionId) -> Result<()> {
        if self.held.is_some() {
            self.mark(id)?;
            self.shared
                .with_store(|store| store.commit(Durability::Process))?;
            self.held = None;
        }
        Ok(())
    }

    /// Returns whether others want the turn and it has lasted long enough.
    pub fn should_end(&mut self) -> bool {
        let Some(held) = &mut self.held else {
            return false;
        };
        if self.is_kept
            || held.looked.elapsed() < LOOKS_APART
            || held.since.elapsed() < self.at_least
        {
            return false;
        }
        held.looked = Stopwatch::start();
        self.shared.waiting.load(Ordering::Relaxed) > 0 || self.shared.root.is_wanted()
    }

    /// Begins to count the turn's time, after `took` was spent on what earlier turns had done. The
    /// next turns last at least as long, so that a run never spends more time on that than on
    /// progress.
    pub fn has_caught_up(&mut self, took: Duration) {
        self.at_least = self.at_least.max(took);
        if let Some(held) = &mut self.held {
            held.since = Stopwatch::start();
        }
    }

    /// From now on keeps each turn until the run waits for something outside.
    pub const fn keep(&mut self) {
        self.is_kept = true;
    }

    /// Makes the writes of `batch` durable, as far as a death of the process. The turn is held.
    pub fn commit(&self, batch: &mut store::WriteBatch) -> Result<()> {
        self.shared.with_store(|store| {
            store.write_batch(batch)?;
            store.commit(Durability::Process)
        })?;
        self.has_committed();
        Ok(())
    }

    /// Counts a commit, so that the next sync covers it.
    pub fn has_committed(&self) {
        self.shared.commits.fetch_add(1, Ordering::Release);
    }

    /// Returns whether other runs of this process wait for a turn.
    pub fn is_awaited(&self) -> bool {
        self.shared.waiting.load(Ordering::Relaxed) > 0
    }

    /// Gives the turn of a run back that has ended. No transaction is open.
    pub fn end(&mut self) {
        self.held = None;
    }

    /// Ends the turn of a run that has ended, with the root's lock.
    pub fn into_lock(mut self) -> Option<WriteLock> {
        self.held.take().map(|held| held.lock)
    }
}

/// A run that failed leaves no open transaction to the next one.
impl Drop for Turn {
    fn drop(&mut self) {
        if self.held.is_some() {
            // Where this fails, so does everything after it.
            let _ = self.shared.with_store(Store::roll_back);
        }
    }
}

/// Finishes what others have left, if there is anything, and returns the version of the world.
fn look(root: &StateRoot, store: &mut Store, recover: Recover) -> Result<WorldVersion> {
    if store.was_changed_outside()? || !store.promised_worlds()?.is_empty() {
        recover(root, store)?;
    }
    store.world_version()
}

/// Counts a run of this process that waits, as long as the value lives.
struct Waits<'a>(&'a SharedRoot);

impl<'a> Waits<'a> {
    fn begin(shared: &'a SharedRoot) -> Self {
        shared.waiting.fetch_add(1, Ordering::Relaxed);
        Self(shared)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
