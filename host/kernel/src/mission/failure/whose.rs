//! Decides who failed when a guest does not return: the guest, which enters the record, or the
//! machine, which never does. One total function covers everything that an engine can report. The
//! host only finds out what happened; it never decides.

use super::{Bound, Failure};

/// What an engine reported in place of a guest's return.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A host function ended the run, with its reason.
    Failed(Failure),
    /// A WebAssembly trap.
    Trap {
        /// In the engine's words, without its prefix.
        reason: String,
    },
    /// All fuel is used.
    OutOfFuel {
        /// `limits.fuel`.
        limit: u64,
    },
    /// The guest wanted more streams and pollables than it may hold.
    ResourcesFull {
        /// How many it may hold.
        limit: u64,
    },
    /// The guest misused an interface: a handle it does not hold, text that is not UTF-8, a
    /// pointer outside its memory.
    Misuse {
        /// What the guest did.
        reason: String,
    },
    /// The machine failed: no memory, no address space, a disk or file error.
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

/// Who caused a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// The guest: the mission is FAILED, on every machine and in every replay.
    Guest(Failure),
    /// The machine: the mission is INTERRUPTED and can be resumed.
    Machine {
        /// What failed.
        reason: String,
    },
}

/// Returns who caused the failure. Whatever is not known to be the guest's doing counts as the
/// machine's: a recorded failure is final and must be true, while an interruption can be resumed.
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
