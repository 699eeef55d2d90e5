//! Which mission of a batch may end next, so that the state root ends as if the missions had run one
//! after another in the order of the list.
//!
//! A mission that used the missions' database or the gateway (*touched* them) waits until every
//! mission before it is settled. Reading counts as touching: a mission that read the database before
//! an earlier one changed it has another result than it would have in order. Before such a mission
//! ends, the caller repeats its statements on the database as it is then, and runs it again if an
//! answer differs. A mission that touched nothing ends at once, since no order can change its result.
//!
//! The same holds for missions that fail and missions that pause: both are settled without a change,
//! but what they read decided that end. A mission that is interrupted, or that could not begin, is
//! settled, too: no other mission waits for it. A resume gives it the world as it is then.
//!
//! Invariant: pure; the same ends give the same answers.

/// The missions of a batch.
#[derive(Debug)]
pub struct Order {
    is_settled: Vec<bool>,
    /// Every mission before this position is settled.
    front: usize,
}

impl Order {
    /// Returns so many missions, of which none has begun.
    pub fn new(missions: usize) -> Self {
        Self {
            is_settled: vec![false; missions],
            front: 0,
        }
    }

    /// Takes note that the mission at `position`, counted from 0, has its end, its pause, or none in this
    /// batch.
    pub fn settle(&mut self, position: usize) {
        if let Some(is_settled) = self.is_settled.get_mut(position) {
            *is_settled = true;
        }
        while self.is_settled.get(self.front) == Some(&true) {
            self.front += 1;
        }
    }

    /// Returns whether the mission at `position` may end now.
    pub fn may_end(&self, position: usize, has_touched: bool) -> bool {
        !has_touched || position <= self.front
    }
}

#[cfg(test)]
mod tests;
