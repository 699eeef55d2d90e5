//! The bounds of a run, all of them deterministic: the same mission goes over the same
//! bound at the same instruction on every machine. Wall-clock time is not among them; it
//! belongs to the machine and stops a run from outside the record.

use serde::{Deserialize, Serialize};

/// 64 KiB, WebAssembly's page.
pub const WASM_PAGE_BYTES: u64 = 65_536;

/// What one run may use. Left out in a descriptor, a bound has the default below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes written through the gateway.
    pub artefact_bytes: u64,
    /// Number of different artefacts.
    pub artefacts: u64,
    /// Rows that one query may return.
    pub db_rows: u64,
    /// Database statements of the whole run.
    pub db_statements: u64,
    /// Work of one statement, in `SQLite` virtual-machine steps (counted by the thousand).
    pub db_steps: u64,
    /// Fuel: every WebAssembly operator costs one, bulk operations one more a byte.
    pub fuel: u64,
    /// Bytes that cross from guest to host or back by host calls.
    pub host_bytes: u64,
    /// Language-model calls.
    pub llm_calls: u64,
    /// Linear memory, in bytes, all memories of the run together.
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
            db_rows: 100_000,
            db_statements: 1_000_000,
            // About a second of SQLite on a slow core.
            db_steps: 50_000_000,
            // Some seconds to a minute of guest code, depending on what it does.
            fuel: 20_000_000_000,
            host_bytes: 1 << 30,
            llm_calls: 1_000,
            memory_bytes: 512 << 20,
            output_bytes: 16 << 20,
            table_elements: 1_000_000,
        }
    }
}
