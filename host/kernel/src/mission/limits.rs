//! The bounds of a run. All are deterministic: the same mission exceeds the same bound at the
//! same instruction on every machine. Wall-clock time is not among them, because it depends on
//! the machine; it stops a run from outside the record.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::mission::failure::Bound;

/// Default for tokens: far more than `llm_calls` calls of usual length take.
const LLM_TOKENS: u64 = 100_000_000;
/// Default for the rows of a whole run: more than `host_bytes` lets through.
const DB_ROWS_TOTAL: u64 = 1_000_000_000;
/// Default for the growth of the missions' database (the world).
const DB_BYTES: u64 = 512 << 20;

/// What one run may use. A bound that the descriptor leaves out has the default below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes written through the gateway.
    pub artefact_bytes: u64,
    /// Number of different artefacts.
    pub artefacts: u64,
    /// Bytes by which the missions' database may grow. Not written if it is the default, as
    /// `llm_tokens`.
    #[serde(skip_serializing_if = "is::<DB_BYTES>")]
    pub db_bytes: u64,
    /// Rows that one query may return.
    pub db_rows: u64,
    /// Rows of all queries of the run. Not written if it is the default, as `llm_tokens`.
    #[serde(skip_serializing_if = "is::<DB_ROWS_TOTAL>")]
    pub db_rows_total: u64,
    /// Database statements of the whole run.
    pub db_statements: u64,
    /// Work of one statement, in `SQLite` virtual-machine steps (counted in groups).
    pub db_steps: u64,
    /// Every WebAssembly operator costs one; bulk operations cost one more for each byte.
    pub fuel: u64,
    /// Bytes that cross between guest and host in calls of `llm`, `db` and `gateway`: texts and
    /// blobs by their length, and 16 for every item of a list.
    pub host_bytes: u64,
    pub llm_calls: u64,
    /// Tokens of all model calls, in questions and answers, as the providers count them. Not
    /// written if it is the default, so that runs recorded before this bound existed keep their
    /// bytes.
    #[serde(skip_serializing_if = "is::<LLM_TOKENS>")]
    pub llm_tokens: u64,
    /// Bytes of linear memory, all memories of the run together.
    pub memory_bytes: u64,
    /// Bytes of standard output, of standard error and of the returned text, each.
    pub output_bytes: u64,
    /// Table elements, all tables of the run together.
    pub table_elements: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            artefact_bytes: 64 << 20,
            artefacts: 1_000,
            db_bytes: DB_BYTES,
            db_rows: 100_000,
            db_rows_total: DB_ROWS_TOTAL,
            db_statements: 1_000_000,
            // About a second of SQLite on a slow core.
            db_steps: 50_000_000,
            // Some seconds to a minute of guest code, depending on what it does.
            fuel: 20_000_000_000,
            host_bytes: 1 << 30,
            llm_calls: 1_000,
            llm_tokens: LLM_TOKENS,
            memory_bytes: 512 << 20,
            output_bytes: 16 << 20,
            table_elements: 1_000_000,
        }
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
const fn is<const VALUE: u64>(limit: &u64) -> bool {
    *limit == VALUE
}

impl Limits {
    /// Returns the value of one bound; none for those that are fixed.
    pub fn get(&self, bound: Bound) -> Option<u64> {
        let mut copy = *self;
        copy.place(bound).copied()
    }

    /// Returns these limits, each reduced to `ceiling` where it is higher.
    #[must_use]
    pub fn capped(mut self, ceiling: &BTreeMap<Bound, u64>) -> Self {
        for (bound, most) in ceiling {
            if let Some(limit) = self.place(*bound) {
                *limit = (*limit).min(*most);
            }
        }
        self
    }

    fn place(&mut self, bound: Bound) -> Option<&mut u64> {
        Some(match bound {
            Bound::ArtefactBytes => &mut self.artefact_bytes,
            Bound::Artefacts => &mut self.artefacts,
            Bound::DbBytes => &mut self.db_bytes,
            Bound::DbRows => &mut self.db_rows,
            Bound::DbRowsTotal => &mut self.db_rows_total,
            Bound::DbStatements => &mut self.db_statements,
            Bound::DbSteps => &mut self.db_steps,
            Bound::Fuel => &mut self.fuel,
            Bound::HostBytes => &mut self.host_bytes,
            Bound::LlmCalls => &mut self.llm_calls,
            Bound::LlmTokens => &mut self.llm_tokens,
            Bound::MemoryBytes => &mut self.memory_bytes,
            Bound::OutputBytes => &mut self.output_bytes,
            Bound::TableElements => &mut self.table_elements,
            Bound::DbMemory | Bound::Resources => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_but_the_fixed_one_is_a_limit_by_the_same_name() {
        let limits = serde_json::to_value(Limits {
            db_bytes: 1,
            db_rows_total: 1,
            llm_tokens: 1,
            ..Limits::default()
        })
        .unwrap();
        let names: Vec<&String> = limits.as_object().unwrap().keys().collect();
        let bounds: Vec<&str> = Bound::ALL.iter().map(|bound| bound.name()).collect();
        assert_eq!(names, bounds);
        for bound in Bound::ALL {
            let capped = Limits::default().capped(&BTreeMap::from([(bound, 1)]));
            assert_eq!(capped.get(bound), Some(1));
        }
        for fixed in [Bound::DbMemory, Bound::Resources] {
            assert_eq!(Limits::default().get(fixed), None);
            assert!(fixed.is_fixed());
        }
    }

    #[test]
    fn a_ceiling_lowers_and_never_raises() {
        let ceiling = BTreeMap::from([(Bound::Fuel, 7), (Bound::LlmCalls, u64::MAX)]);
        let capped = Limits::default().capped(&ceiling);
        assert_eq!((capped.fuel, capped.llm_calls), (7, 1_000));
    }
}
