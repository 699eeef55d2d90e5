//! What a recording run holds of the root while it works: its turn, and the world with the run's open
//! transaction. The driver of the guest and the tape share it, because a turn can end in the middle
//! of a computation, when others want it. Never performs a statement itself.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use coo_kernel::mission::MissionId;

use crate::effects::world::World;
use crate::state::shared_root::{SharedRoot, Turn};
use crate::state::state_root::WriteLock;
use crate::state::store::WriteBatch;

/// See the module. Clones share it.
#[derive(Clone)]
pub struct Hold(Arc<Mutex<State>>);

struct State {
    id: MissionId,
    /// Before the turn, so that its transaction ends before the lock is released.
    world: World,
    turn: Turn,
    asked: Asked,
    /// Whether the transaction is gone in which the run had asked.
    is_lost: bool,
    /// Whether the run gave its last turn back because others wanted it.
    gave: bool,
}

/// What the run has asked of the world and the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Asked {
    Nothing,
    ToRead,
    ToChange,
}

impl Hold {
    /// Creates the hold of mission `id`, whose turn may have begun.
    pub fn new(id: MissionId, turn: Turn) -> Self {
        let world = World::new(turn.shared().root().path());
        Self(Arc::new(Mutex::new(State {
            id,
            world,
            turn,
            asked: Asked::Nothing,
            is_lost: false,
            gave: false,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the shared root.
    pub fn shared(&self) -> Arc<SharedRoot> {
        Arc::clone(self.state().turn.shared())
    }

    /// Takes the turn, if the run does not have it; waits until it may.
    pub async fn take(&self) -> Result<()> {
        let (shared, gave) = {
            let mut state = self.state();
            if state.turn.is_held() {
                return Ok(());
            }
            let gave = std::mem::take(&mut state.gave);
            (Arc::clone(state.turn.shared()), gave)
        };
        let held = shared.acquire(gave).await?;
        let mut state = self.state();
        let has_moved = state.turn.begin(held)?;
        // What the run has only read is as it was.
        // Once lost, it stays so until the run has caught up.
        state.is_lost |= match state.asked {
            Asked::Nothing => false,
            Asked::ToRead => has_moved,
            Asked::ToChange => true,
        };
        Ok(())
    }

    /// Gives the turn back, before the run waits for something outside.
    pub fn release(&self) -> Result<()> {
        self.state().release()
    }

    /// Gives the turn back if others want it.
    pub fn release_if_wanted(&self) -> Result<()> {
        self.state().release_if_wanted()
    }

    /// Gives the turn back if others want it, and returns whether the run still has it.
    pub fn keeps_turn(&self) -> Result<bool> {
        let mut state = self.state();
        state.release_if_wanted()?;
        Ok(state.turn.is_held())
    }

    /// Returns whether the run has its turn, and the world is where the run had left it.
    pub fn is_current(&self) -> bool {
        let state = self.state();
        state.turn.is_held() && !state.is_lost
    }

    /// Returns whether the run has to ask the world again what it has asked so far.
    pub fn is_lost(&self) -> bool {
        self.state().is_lost
    }

    /// Takes note that the run has asked all of it again, which took `took`.
    pub fn has_caught_up(&self, took: Duration) {
        let mut state = self.state();
        state.is_lost = false;
        state.turn.has_caught_up(took);
    }

    /// Returns whether the run has asked anything of the world or the gateway.
    pub fn has_asked(&self) -> bool {
        self.state().asked != Asked::Nothing
    }

    /// Takes note that the run asks something, and changes the world by it if `changes`.
    pub fn note_asked(&self, changes: bool) {
        let mut state = self.state();
        let now = if changes {
            Asked::ToChange
        } else {
            Asked::ToRead
        };
        state.asked = state.asked.max(now);
    }

    /// Lends the world. The run has its turn.
    pub fn with_world<T>(&self, access: impl FnOnce(&mut World) -> T) -> T {
        access(&mut self.state().world)
    }

    /// Drops the run's transaction, and everything that it has asked.
    pub fn forget(&self) {
        let mut state = self.state();
        state.world.abandon();
        state.asked = Asked::Nothing;
        state.is_lost = false;
    }

    /// From now on keeps each turn until the run waits for something outside.
    pub fn keep(&self) {
        self.state().turn.keep();
    }

    /// Commits the writes of `batch`. The run has its turn.
    pub fn commit(&self, batch: &mut WriteBatch) -> Result<()> {
        self.state().turn.commit(batch)
    }

    /// Counts a commit that was made past `commit`. The run has its turn.
    pub fn has_committed(&self) {
        self.state().turn.has_committed();
    }

    /// Ends the turn of a run that has ended.
    pub fn end_turn(&self) {
        let mut state = self.state();
        state.world.abandon();
        state.turn.end();
    }

    /// Returns whether other runs of this process wait for a turn.
    pub fn gives_way(&self) -> bool {
        self.state().turn.is_awaited()
    }

    /// Ends the hold of a run that has ended. Returns the root's lock, if the run still has it.
    pub fn into_lock(self) -> Option<WriteLock> {
        let state = Arc::into_inner(self.0)?;
        let state = state.into_inner().unwrap_or_else(PoisonError::into_inner);
        state.turn.into_lock()
    }
}

impl State {
    fn release_if_wanted(&mut self) -> Result<()> {
        if self.turn.should_end() {
            self.release()?;
            self.gave = true;
        }
        Ok(())
    }

    fn release(&mut self) -> Result<()> {
        if self.turn.is_held() {
            self.world.abandon();
            self.turn.give(self.id)?;
        }
        Ok(())
    }
}
