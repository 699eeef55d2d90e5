//! What the running statement may still use: work, memory and real time. `SQLite`'s progress
//! handler and the functions that process bytes ask it. Work and memory end a statement at the same
//! place in every run; real time depends on the machine, and its end is outside the record.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::bounds::{BYTES_PER_STEP, MEMORY_BYTES_MAX, MEMORY_SLACK_BYTES, STEPS_PER_LOOK};
use super::raw;
use crate::machine::Deadline;

/// Progress checks per reading of the clock: a reading costs as much as many steps.
const LOOKS_PER_READING: u64 = 8;

/// Why a statement was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spent {
    /// More steps of work than `limits.db_steps`.
    Work,
    /// More memory than `MEMORY_BYTES_MAX`.
    Memory,
    /// The run's real time is over.
    Time,
}

/// The bounds of one statement.
#[derive(Debug, Clone, Copy, Default)]
pub struct Allowance {
    /// Steps of the virtual machine; `None` for no bound.
    pub steps: Option<u64>,
    /// Real-time end of the run; `None` for no bound.
    pub deadline: Option<Deadline>,
    /// Whether memory is bounded.
    pub memory: bool,
}

/// The budget of the running statement, shared with the progress handler and the SQL functions.
#[derive(Debug, Default)]
pub struct Budget(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    allowance: Allowance,
    /// Steps of work left; `None` for no bound.
    left: Option<u64>,
    /// Bytes in use when the statement began.
    memory_at_start: u64,
    /// Bytes that earlier statements of the run have taken and not freed.
    memory_held: u64,
    looks: u64,
    spent: Option<Spent>,
}

impl State {
    fn take(&mut self, steps: u64) -> bool {
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(steps);
            if *left == 0 {
                self.spent.get_or_insert(Spent::Work);
            }
        }
        if self.allowance.memory && self.memory() > MEMORY_BYTES_MAX {
            self.spent.get_or_insert(Spent::Memory);
        }
        self.looks += 1;
        if (self.looks == 1 || self.looks.is_multiple_of(LOOKS_PER_READING))
            && self.allowance.deadline.is_some_and(|end| end.has_passed())
        {
            self.spent.get_or_insert(Spent::Time);
        }
        self.spent.is_some()
    }

    /// Returns the bytes of memory that the run's statements hold.
    fn memory(&self) -> u64 {
        (self.memory_held + raw::memory_used()).saturating_sub(self.memory_at_start)
    }
}

impl Budget {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a statement with the given allowance.
    pub fn begin(&self, allowance: Allowance) {
        let mut state = self.state();
        let (used, _) = raw::memory_used_and_peak();
        state.allowance = allowance;
        state.left = allowance
            .steps
            .map(|steps| steps.max(1).next_multiple_of(STEPS_PER_LOOK));
        state.memory_at_start = used;
        state.looks = 0;
        state.spent = None;
        if allowance.memory {
            let room = (MEMORY_BYTES_MAX + MEMORY_SLACK_BYTES).saturating_sub(state.memory_held);
            raw::limit_heap(used + room);
        }
    }

    /// Ends the statement and returns why it was cut off, if it was. `out_of_memory` says that an
    /// allocation failed.
    pub fn end(&self, out_of_memory: bool) -> Option<Spent> {
        let mut state = self.state();
        if state.allowance.memory {
            raw::limit_heap(0);
            let (used, peak) = raw::memory_used_and_peak();
            let most = (state.memory_held + peak).saturating_sub(state.memory_at_start);
            // With a lower peak, the machine itself ran out of memory.
            if out_of_memory && most >= MEMORY_BYTES_MAX {
                state.spent.get_or_insert(Spent::Memory);
            }
            state.memory_held = (state.memory_held + used).saturating_sub(state.memory_at_start);
        }
        state.spent
    }

    /// Counts `STEPS_PER_LOOK` steps for the progress handler; returns true if the statement must
    /// end.
    pub fn look(&self) -> bool {
        self.state().take(STEPS_PER_LOOK)
    }

    /// Charges work over `bytes` bytes; returns false if the statement must end.
    pub fn charge(&self, bytes: u64) -> bool {
        !self.state().take(bytes / BYTES_PER_STEP)
    }
}
