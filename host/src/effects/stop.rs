//! Why a guest stops before it returns. Host functions raise only this error type; when the engine
//! returns it, the variants distinguish the reasons. Never carries an error that the guest sees:
//! those are values.

use anyhow::{Error, anyhow};
use coo_kernel::journal::Divergence;
use coo_kernel::mission::failure::Failure;

use crate::hint::{self, Hint as _};
use crate::machine::Deadline;

/// The reason why a run ends early.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// A failure of the mission, part of the record: the same on every machine.
    #[error("{0}")]
    Failed(#[from] Failure),
    #[error("exit with status {0}")]
    Exit(u32),
    /// A replay does not match its journal.
    #[error("{0}")]
    Diverged(#[from] Box<Divergence>),
    /// What the run has read has changed, so it has to execute again.
    #[error("the world has moved")]
    Moved,
    /// A human step was reached and has no answer yet.
    #[error("waits for a person")]
    Paused,
    /// A cause outside the record: network, disk, wall clock.
    #[error("{}", hint::flat(.0))]
    Interrupted(Error),
}

impl Stop {
    /// Returns the stop of a run that has exceeded `deadline`.
    #[must_use]
    pub fn timed_out(deadline: &Deadline) -> Self {
        Self::Interrupted(out_of_time(deadline))
    }
}

/// Returns the error of a run that has exceeded `deadline`.
pub fn out_of_time(deadline: &Deadline) -> Error {
    anyhow!(
        "guest: still running after {} s of real time, which is the limit",
        deadline.allowed().as_secs()
    )
    .hint("give --timeout SECONDS if it needs more")
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Interrupted(error)
    }
}

impl From<coo_kernel::form::canonical::NotCanonical> for Stop {
    fn from(error: coo_kernel::form::canonical::NotCanonical) -> Self {
        Self::Interrupted(error.into())
    }
}
