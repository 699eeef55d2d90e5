//! One ledger for everything a run may use up. Counts in the same order in a run and in its
//! replay, so that a bound is hit at the same call. Never forgives: a charge that fails has
//! still been counted.

use crate::failure::{Bound, Failure};
use crate::limits::Limits;

/// What a run has used so far.
#[derive(Debug, Clone)]
pub struct Ledger {
    limits: Limits,
    used: Used,
}

/// The counters, as `inspect` shows them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Used {
    /// Bytes written through the gateway.
    pub artefact_bytes: u64,
    /// Gateway writes.
    pub artefacts: u64,
    /// Database statements.
    pub db_statements: u64,
    /// Bytes across host calls.
    pub host_bytes: u64,
    /// Language-model calls.
    pub llm_calls: u64,
}

impl Ledger {
    /// An empty ledger under `limits`.
    pub const fn new(limits: Limits) -> Self {
        Self {
            limits,
            used: Used {
                artefact_bytes: 0,
                artefacts: 0,
                db_statements: 0,
                host_bytes: 0,
                llm_calls: 0,
            },
        }
    }

    /// The bounds in force.
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What was used.
    pub const fn used(&self) -> Used {
        self.used
    }

    /// Charges `amount` to one of the counted bounds.
    pub fn charge(&mut self, bound: Bound, amount: u64) -> Result<(), Failure> {
        let (used, limit) = match bound {
            Bound::ArtefactBytes => (&mut self.used.artefact_bytes, self.limits.artefact_bytes),
            Bound::Artefacts => (&mut self.used.artefacts, self.limits.artefacts),
            Bound::DbStatements => (&mut self.used.db_statements, self.limits.db_statements),
            Bound::HostBytes => (&mut self.used.host_bytes, self.limits.host_bytes),
            Bound::LlmCalls => (&mut self.used.llm_calls, self.limits.llm_calls),
            // Measured where they grow, by `check`; there is nothing to add up here.
            Bound::DbSteps
            | Bound::MemoryBytes
            | Bound::OutputBytes
            | Bound::TableElements
            | Bound::Resources => {
                return Ok(());
            }
        };
        *used = used.saturating_add(amount);
        check(bound, *used, limit)
    }
}

/// Refuses `wanted` beyond `limit`.
pub const fn check(bound: Bound, wanted: u64, limit: u64) -> Result<(), Failure> {
    if wanted > limit {
        return Err(Failure::Limit {
            bound,
            wanted,
            limit,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_charge_that_goes_over_names_bound_wanted_and_limit() {
        let mut ledger = Ledger::new(Limits {
            llm_calls: 2,
            ..Limits::default()
        });
        assert!(ledger.charge(Bound::LlmCalls, 2).is_ok());
        let refused = ledger.charge(Bound::LlmCalls, 1).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "limit hit: llm_calls 3 wanted, limit 2; raise limits.llm_calls if the mission needs more"
        );
        assert_eq!(ledger.used().llm_calls, 3);
        assert!(ledger.charge(Bound::HostBytes, u64::MAX).is_err());
        assert!(
            ledger.charge(Bound::HostBytes, u64::MAX).is_err(),
            "saturates, never wraps"
        );
    }
}
