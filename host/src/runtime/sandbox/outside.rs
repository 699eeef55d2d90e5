//! Why a guest that does not run is not running: the host keeps it waiting (for a model, for its turn
//! at the root), its slice of fuel has ended, or it sleeps by its own clock. Only in the last case does
//! its time move. Knows nothing of what the host waits for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};

/// Whether the host keeps a guest waiting. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Outside(Arc<AtomicUsize>);

/// As long as this lives, the host may keep the guest waiting.
pub struct Entered(Outside);

impl Outside {
    /// Enters a host call that may wait.
    pub fn enter(&self) -> Entered {
        self.0.fetch_add(1, Ordering::Relaxed);
        Entered(self.clone())
    }

    /// Returns whether the guest is in such a call.
    pub fn is_entered(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let Self(Outside(count)) = self;
        count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Wakes a task, and remembers that it has.
pub struct Woken {
    state: Arc<State>,
    waker: Waker,
}

struct State {
    task: Waker,
    is_woken: AtomicBool,
}

impl Woken {
    /// Returns a waker of the task that is polled with `context`.
    pub fn of(context: &Context<'_>) -> Self {
        let state = Arc::new(State {
            task: context.waker().clone(),
            is_woken: AtomicBool::new(false),
        });
        Self {
            waker: Arc::clone(&state).into(),
            state,
        }
    }

    /// Returns the waker to poll with.
    pub const fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Returns whether the task was woken.
    pub fn is_woken(&self) -> bool {
        self.state.is_woken.load(Ordering::Acquire)
    }
}

impl Wake for State {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_woken.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}
