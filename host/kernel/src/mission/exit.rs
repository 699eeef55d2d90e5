//! The exit codes of `coo`, stated once: help, docs and every command take them from here. Which
//! command ends how is the command's own matter.

use crate::mission::Status;

/// How a command ended, for the shell that called it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done,
    Failed,
    Usage,
    Differs,
    Waits,
    Stopped,
}

impl Exit {
    pub const ALL: [Self; 6] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::Differs,
        Self::Waits,
        Self::Stopped,
    ];

    /// Returns the number that the shell sees.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Differs => 3,
            Self::Waits => 4,
            Self::Stopped => 5,
        }
    }

    /// Returns what it says, as help and docs print it.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "the mission, or what was asked for, failed",
            Self::Usage => "wrong command line",
            Self::Differs => "differs (replay, verify, check, gates)",
            Self::Waits => "waits for a person",
            Self::Stopped => "stopped from outside; 'coo resume' continues it",
        }
    }

    /// Returns how a command ends that compared two things.
    pub const fn compared(is_identical: bool) -> Self {
        if is_identical {
            Self::Done
        } else {
            Self::Differs
        }
    }
}

impl From<Status> for Exit {
    fn from(status: Status) -> Self {
        match status {
            Status::Success => Self::Done,
            Status::Failed | Status::Damaged => Self::Failed,
            Status::Paused => Self::Waits,
            Status::Running | Status::Interrupted => Self::Stopped,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_is_its_place_in_the_table() {
        let codes: Vec<u8> = Exit::ALL.map(Exit::code).into();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5]);
    }
}
