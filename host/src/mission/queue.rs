//! The missions of a batch in the order of their list: one that has asked anything of the world ends only
//! when those before it have, so that the batch leaves what the missions would leave one after the other.
//! The kernel decides which is next (`coo_kernel::batch::order`); this file only lets them wait.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use coo_kernel::batch::order::Order;
use tokio::sync::watch;

/// The queue of one batch. Clones share it.
#[derive(Clone)]
pub struct Queue(Arc<State>);

struct State {
    order: Mutex<Order>,
    /// Changed whenever a mission has found its end.
    moved: watch::Sender<()>,
}

/// The place of one mission.
pub struct Place {
    queue: Queue,
    /// Counted from 0.
    position: usize,
}

impl Queue {
    /// Creates the queue of so many missions.
    pub fn new(missions: usize) -> Self {
        Self(Arc::new(State {
            order: Mutex::new(Order::new(missions)),
            moved: watch::Sender::new(()),
        }))
    }

    fn order(&self) -> MutexGuard<'_, Order> {
        self.0.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the place of the mission at `position`, counted from 0.
    pub fn place(&self, position: usize) -> Place {
        Place {
            queue: self.clone(),
            position,
        }
    }
}

impl Place {
    /// Returns whether the mission may end now. `has_touched`: it has asked anything of the world or the
    /// gateway.
    pub fn may_end(&self, has_touched: bool) -> bool {
        self.queue.order().may_end(self.position, has_touched)
    }

    /// Waits until a mission that has touched the world may end.
    pub async fn wait(&self) {
        let mut moved = self.queue.0.moved.subscribe();
        while !self.may_end(true) {
            // The sender lives as long as this place.
            let _ = moved.changed().await;
        }
    }
}

/// A mission leaves its place when its end is written down, or when it gets none.
impl Drop for Place {
    fn drop(&mut self) {
        self.queue.order().settle(self.position);
        self.queue.0.moved.send_replace(());
    }
}
