//! Which mission of a batch may be sealed next, so that the state root ends as if the missions had
//! run one after another in the order of the list.
//!
//! A mission that used the missions' database or the gateway (*touched* them) waits until every
//! mission before it is settled. Reading counts as touching: a mission that read the database before
//! an earlier one changed it has another result than it would have in order. Before such a mission is
//! sealed, the caller repeats its statements on the database as it is then, and runs it again if an
//! answer differs. A mission that touched nothing is sealed as soon as it ends, since no order can
//! change its result.
//!
//! The same holds for missions that fail and missions that pause: both are settled without a change,
//! but what they read decided that end. An interrupted mission has no end. It holds up all later
//! missions that touched something until the caller gives it up, which `coo batch` does at once: a
//! mission that is resumed later gets the world of that moment, as if it had been run then.
//!
//! Invariant: pure; the same ends give the same answers.

use std::collections::BTreeSet;

/// Where a mission of the list stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Not begun, running, or running again because an answer differed.
    Running,
    /// Complete, failed or paused, and not sealed.
    Ended {
        /// Whether it used the missions' database or the gateway.
        touched: bool,
    },
    /// Stopped from outside the record.
    Interrupted,
    /// Its end is written down. For a paused mission: its pause.
    Sealed,
    /// It never gets an end in this batch: refused before it began, or given up.
    GivenUp,
}

impl Standing {
    /// Returns whether no later mission waits for this one.
    pub const fn is_settled(self) -> bool {
        matches!(self, Self::Sealed | Self::GivenUp)
    }
}

/// The missions of a batch.
#[derive(Debug)]
pub struct Order {
    standings: Vec<Standing>,
    /// Every mission before this position is settled.
    front: usize,
    /// Positions of the missions that ended and touched nothing.
    free: BTreeSet<usize>,
}

impl Order {
    /// Returns so many missions, of which none has begun.
    pub fn new(missions: usize) -> Self {
        Self {
            standings: vec![Standing::Running; missions],
            front: 0,
            free: BTreeSet::new(),
        }
    }

    /// Returns where the mission at `position` stands, counted from 0; `None` if there is none.
    pub fn get(&self, position: usize) -> Option<Standing> {
        self.standings.get(position).copied()
    }

    /// Changes where the mission at `position` stands. A settled mission stays settled.
    pub fn set(&mut self, position: usize, standing: Standing) {
        let Some(place) = self.standings.get_mut(position) else {
            return;
        };
        if place.is_settled() {
            return;
        }
        *place = standing;
        if standing == (Standing::Ended { touched: false }) {
            self.free.insert(position);
        } else {
            self.free.remove(&position);
        }
        while self.get(self.front).is_some_and(Standing::is_settled) {
            self.front += 1;
        }
    }

    /// Returns the first mission that may be sealed now.
    pub fn next(&self) -> Option<usize> {
        let first_free = self.free.first().copied();
        let is_ended = matches!(self.get(self.front), Some(Standing::Ended { .. }));
        // No free mission is before the front.
        if is_ended {
            Some(self.front)
        } else {
            first_free
        }
    }

    /// Returns the interrupted mission that holds up the others, if one does.
    pub fn held_up_by(&self) -> Option<usize> {
        let is_interrupted = self.get(self.front) == Some(Standing::Interrupted);
        is_interrupted.then_some(self.front)
    }

    /// Returns whether every mission is settled.
    pub fn is_done(&self) -> bool {
        self.front == self.standings.len()
    }
}

#[cfg(test)]
mod tests;
