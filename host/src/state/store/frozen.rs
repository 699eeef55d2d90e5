//! The frozen store: answers of language models, by the SHA-256 of the request and by how many
//! times the run has made that request. An answer is replaced only if the user asked for a live
//! call.

use anyhow::{Context as _, Result};
use coo_kernel::form::digest::Digest;
use coo_kernel::llm::{ModelAnswer, Provenance};
use rusqlite::{OptionalExtension as _, params};
use serde::{Deserialize, Serialize};

use super::Store;

/// A frozen answer, as stored here and in the files that ship with `coo`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FrozenCall {
    /// SHA-256 of the canonical request.
    pub request_sha256: Digest,
    /// 1 for the first time that a run makes this request.
    pub nth: u64,
    /// The answer that the guest receives.
    pub answer: ModelAnswer,
    pub provenance: Provenance,
}

impl Store {
    /// Returns the frozen answer, if there is one.
    pub fn frozen(&self, request: &Digest, nth: u64) -> Result<Option<FrozenCall>> {
        let found: Option<(String, String)> = self
            .connection
            .prepare_cached("SELECT answer, provenance FROM frozen_calls WHERE request_sha256 = ?1 AND nth = ?2")?
            .query_row(params![request.as_bytes(), nth], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        found
            .map(|(answer, provenance)| {
                Ok::<_, serde_json::Error>(FrozenCall {
                    request_sha256: *request,
                    nth,
                    answer: serde_json::from_str(&answer)?,
                    provenance: serde_json::from_str(&provenance)?,
                })
            })
            .transpose()
            .with_context(|| format!("frozen answer for request {request}: can't be read"))
    }

    /// Returns every frozen answer.
    pub fn frozen_calls(&self) -> Result<Vec<FrozenCall>> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT request_sha256, nth, answer, provenance FROM frozen_calls")?;
        let mut rows = statement.query([])?;
        let mut calls = Vec::new();
        while let Some(row) = rows.next()? {
            calls.push(FrozenCall {
                request_sha256: Digest::from_bytes(row.get(0)?),
                nth: row.get(1)?,
                answer: serde_json::from_str(row.get_ref(2)?.as_str()?)?,
                provenance: serde_json::from_str(row.get_ref(3)?.as_str()?)?,
            });
        }
        Ok(calls)
    }

    /// Freezes an answer, in place of an earlier one.
    pub fn freeze(&mut self, call: &FrozenCall) -> Result<()> {
        self.write(
            "journal.freeze",
            "INSERT OR REPLACE INTO frozen_calls VALUES(?1, ?2, ?3, ?4)",
            params![
                call.request_sha256.as_bytes(),
                call.nth,
                serde_json::to_string(&call.answer)?,
                serde_json::to_string(&call.provenance)?,
            ],
        )
    }
}
