//! Why a guest stops before it returns: the one error type that host functions raise, told
//! apart by type when the engine hands it back. Never carries a guest-visible error; those
//! are values.

use coo_kernel::journal::Divergence;
use coo_kernel::mission::failure::Failure;

use crate::machine::Deadline;

/// Ends a run.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// Part of the record: the same on every machine.
    #[error("{0}")]
    Failed(#[from] Failure),
    /// The guest asked to exit.
    #[error("exit with status {0}")]
    Exit(u32),
    /// A replay does not agree with its journal.
    #[error("{0}")]
    Diverged(#[from] Box<Divergence>),
    /// A human step was reached, and nobody has answered it.
    #[error("waits for a person")]
    Paused,
    /// From outside the record: network, disk, wall clock.
    #[error("{0:#}")]
    Interrupted(anyhow::Error),
}

impl Stop {
    /// The run was given `deadline`, and it has passed.
    #[must_use]
    pub fn timed_out(deadline: &Deadline) -> Self {
        Self::Interrupted(anyhow::anyhow!(
            "guest: still running after {} s of real time, which is the limit; give --timeout SECONDS if it needs more",
            deadline.allowed().as_secs()
        ))
    }
}

impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Self {
        Self::Interrupted(error)
    }
}

impl From<coo_kernel::form::canonical::NotCanonical> for Stop {
    fn from(error: coo_kernel::form::canonical::NotCanonical) -> Self {
        Self::Interrupted(error.into())
    }
}
