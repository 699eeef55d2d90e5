//! One ledger for everything that a run may use up. It counts in the same order in a run and in
//! its replay, so that both hit a bound at the same call. A charge that fails still counts.

use serde::{Deserialize, Serialize};

use crate::llm::models::Models;
use crate::mission::failure::{Bound, Failure};
use crate::mission::limits::Limits;

/// Bytes that every item of a list counts in addition to its content: the size of an item in the
/// guest's memory. Without it, a list of many empty items would cross for free.
pub const ITEM_BYTES: u64 = 16;

/// The bounds of a run and what it has used so far.
#[derive(Debug, Clone)]
pub struct Ledger {
    limits: Limits,
    models: Models,
    used: Used,
}

/// The counters, as `coo explain` shows them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Used {
    /// Bytes written through the gateway.
    pub artefact_bytes: u64,
    /// Writes through the gateway.
    pub artefacts: u64,
    /// Rows of all queries.
    #[serde(alias = "db_rows")]
    pub db_rows_total: u64,
    pub db_statements: u64,
    /// Fuel of all steps together.
    pub fuel: u64,
    /// Bytes that crossed between guest and host.
    pub host_bytes: u64,
    pub llm_calls: u64,
    /// Tokens of all model calls, in questions and answers.
    pub llm_tokens: u64,
    /// Largest sum of the linear memories of any one step, in bytes.
    pub memory_bytes: u64,
}

impl Used {
    /// Returns how much of one bound was used; none for bounds that apply to a single call.
    pub const fn of(&self, bound: Bound) -> Option<u64> {
        Some(match bound {
            Bound::ArtefactBytes => self.artefact_bytes,
            Bound::Artefacts => self.artefacts,
            Bound::DbRowsTotal => self.db_rows_total,
            Bound::DbStatements => self.db_statements,
            Bound::Fuel => self.fuel,
            Bound::HostBytes => self.host_bytes,
            Bound::LlmCalls => self.llm_calls,
            Bound::LlmTokens => self.llm_tokens,
            Bound::MemoryBytes => self.memory_bytes,
            Bound::DbBytes
            | Bound::DbMemory
            | Bound::DbRows
            | Bound::DbSteps
            | Bound::OutputBytes
            | Bound::TableElements
            | Bound::Resources => return None,
        })
    }
}

impl Ledger {
    /// Returns an empty ledger under `limits`, for a run that asks `models`.
    pub const fn new(limits: Limits, models: Models) -> Self {
        Self {
            limits,
            models,
            used: Used {
                artefact_bytes: 0,
                artefacts: 0,
                db_rows_total: 0,
                db_statements: 0,
                fuel: 0,
                host_bytes: 0,
                llm_calls: 0,
                llm_tokens: 0,
                memory_bytes: 0,
            },
        }
    }

    /// Returns the bounds in force.
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Returns the aliases of the run and what each has used.
    pub const fn models(&self) -> &Models {
        &self.models
    }

    /// Returns them to be charged.
    pub const fn models_mut(&mut self) -> &mut Models {
        &mut self.models
    }

    /// Returns what was used so far.
    pub const fn used(&self) -> Used {
        self.used
    }

    /// Returns the fuel that is left.
    pub const fn fuel_left(&self) -> u64 {
        self.limits.fuel.saturating_sub(self.used.fuel)
    }

    /// Counts a step that has ended: its fuel, and the bytes of its linear memories. The engine has
    /// enforced both bounds already.
    pub fn count_step(&mut self, fuel: u64, memory_bytes: u64) {
        self.used.fuel = self.used.fuel.saturating_add(fuel);
        self.used.memory_bytes = self.used.memory_bytes.max(memory_bytes);
    }

    /// Adds `amount` to one of the counted bounds; fails if that exceeds its limit.
    pub fn charge(&mut self, bound: Bound, amount: u64) -> Result<(), Failure> {
        let (used, limit) = match bound {
            Bound::ArtefactBytes => (&mut self.used.artefact_bytes, self.limits.artefact_bytes),
            Bound::Artefacts => (&mut self.used.artefacts, self.limits.artefacts),
            Bound::DbRowsTotal => (&mut self.used.db_rows_total, self.limits.db_rows_total),
            Bound::DbStatements => (&mut self.used.db_statements, self.limits.db_statements),
            Bound::HostBytes => (&mut self.used.host_bytes, self.limits.host_bytes),
            Bound::LlmCalls => (&mut self.used.llm_calls, self.limits.llm_calls),
            Bound::LlmTokens => (&mut self.used.llm_tokens, self.limits.llm_tokens),
            // Each of these is checked where it grows; there is no sum to keep here.
            Bound::DbBytes
            | Bound::DbMemory
            | Bound::DbRows
            | Bound::DbSteps
            | Bound::Fuel
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

/// Fails if `wanted` is more than `limit`.
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
        let mut ledger = Ledger::new(
            Limits {
                llm_calls: 2,
                ..Limits::default()
            },
            Models::default(),
        );
        assert!(ledger.charge(Bound::LlmCalls, 2).is_ok());
        let refused = ledger.charge(Bound::LlmCalls, 1).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "limit hit: llm_calls 3 wanted, limit 2"
        );
        assert_eq!(ledger.used().llm_calls, 3);
        let fixed = check(Bound::Resources, 2, 1).unwrap_err();
        assert_eq!(
            fixed.to_string(),
            "limit hit: 2 open streams and pollables wanted, limit 1, which is the same for every mission"
        );
        assert!(ledger.charge(Bound::HostBytes, u64::MAX).is_err());
        assert!(
            ledger.charge(Bound::HostBytes, u64::MAX).is_err(),
            "saturates, never wraps"
        );
    }
}
