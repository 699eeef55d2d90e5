//! Whose failure it is when a guest does not return: the guest's, which is part of the record,
//! or the machine's, which never is. One total function over what an engine can say. The host
//! only finds out which of these it was; it never decides.

use super::{Bound, Failure};

/// What came instead of a guest's return.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A host function has ended the run, with its reason.
    Failed(Failure),
    /// A WebAssembly trap, in the engine's words.
    Trap {
        /// Without the engine's prefix.
        reason: String,
    },
    /// All fuel is used.
    OutOfFuel {
        /// `limits.fuel`.
        limit: u64,
    },
    /// The guest holds as many streams and pollables as it may.
    ResourcesFull {
        /// How many those are.
        limit: u64,
    },
    /// The guest has misused an interface: a handle it does not hold, text that is not UTF-8, a
    /// pointer outside its memory.
    Misuse {
        /// What it did.
        reason: String,
    },
    /// The machine has failed: no memory, no address space, a disk or file error.
    Machine {
        /// In the system's words.
        reason: String,
    },
    /// Something that the host does not know.
    Unknown {
        /// In the engine's words.
        reason: String,
    },
}

/// Whose failure it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// The guest's: the mission is FAILED, on every machine and in every replay.
    Guest(Failure),
    /// The machine's: the mission is INTERRUPTED and can be resumed.
    Machine {
        /// What failed.
        reason: String,
    },
}

/// Judges. What is not known to be the guest's doing is the machine's: a failure on record is
/// final and has to be true, an interruption can be resumed.
#[must_use]
pub fn classify(said: Said) -> Whose {
    match said {
        Said::Failed(failure) => Whose::Guest(failure),
        Said::Trap { reason } => Whose::Guest(Failure::Trap { reason }),
        Said::OutOfFuel { limit } => Whose::Guest(Failure::Fuel { limit }),
        Said::ResourcesFull { limit } => Whose::Guest(Failure::Limit {
            bound: Bound::Resources,
            wanted: limit.saturating_add(1),
            limit,
        }),
        Said::Misuse { reason } => Whose::Guest(Failure::Contract { reason }),
        Said::Machine { reason } => Whose::Machine { reason },
        Said::Unknown { reason } => Whose::Machine {
            reason: format!("unexpected: {reason}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_has_its_owner() {
        let text = || "r".to_owned();
        let exit = Failure::Exit { status: 200 };
        for (said, whose) in [
            (Said::Failed(exit.clone()), Whose::Guest(exit)),
            (
                Said::Trap { reason: text() },
                Whose::Guest(Failure::Trap { reason: text() }),
            ),
            (
                Said::OutOfFuel { limit: 7 },
                Whose::Guest(Failure::Fuel { limit: 7 }),
            ),
            (
                Said::ResourcesFull { limit: 7 },
                Whose::Guest(Failure::Limit {
                    bound: Bound::Resources,
                    wanted: 8,
                    limit: 7,
                }),
            ),
            (
                Said::Misuse { reason: text() },
                Whose::Guest(Failure::Contract { reason: text() }),
            ),
            (
                Said::Machine { reason: text() },
                Whose::Machine { reason: text() },
            ),
            (
                Said::Unknown { reason: text() },
                Whose::Machine {
                    reason: "unexpected: r".to_owned(),
                },
            ),
        ] {
            assert_eq!(classify(said), whose);
        }
    }
}
