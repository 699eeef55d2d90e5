//! Missions of a batch that have ended before missions that stand before them in the list. Their results
//! are told in the order of the list. What they have put out is on record, so it is read again where all
//! of it together would take much memory. Never decides an order.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use coo_kernel::batch::report::WAITING_BYTES_MAX;
use coo_kernel::mission::Status;

use crate::mission::batch::{End, Known, Outcome};
use crate::state::shared_root::SharedRoot;

/// See the module.
#[derive(Default)]
pub struct Waiting {
    outcomes: BTreeMap<u32, (Outcome, Kept)>,
    /// Number of missions that were told.
    told: u32,
    bytes: usize,
}

/// How the output of a mission waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// Bytes in memory.
    Here(usize),
    OnRecord,
}

impl Waiting {
    /// Adds a mission that has ended.
    pub fn add(&mut self, mut outcome: Outcome) {
        let mut kept = Kept::Here(0);
        if let End::Ran(ended) = &mut outcome.end {
            let bytes = ended.output.len() + ended.stderr.len();
            let is_next = outcome.item.place == self.told + 1;
            // The record has no output of one that was interrupted.
            let is_on_record = ended.status == Status::Success;
            if is_on_record && !is_next && self.bytes.saturating_add(bytes) > WAITING_BYTES_MAX {
                ended.output = Vec::new();
                ended.stderr = Vec::new();
                kept = Kept::OnRecord;
            } else {
                self.bytes += bytes;
                kept = Kept::Here(bytes);
            }
        }
        self.outcomes.insert(outcome.item.place, (outcome, kept));
    }

    /// Returns the next mission of the list, if it has ended.
    pub fn next(&mut self, shared: &SharedRoot) -> Result<Option<Outcome>> {
        let Some((mut outcome, kept)) = self.outcomes.remove(&(self.told + 1)) else {
            return Ok(None);
        };
        self.told += 1;
        match (kept, &mut outcome.end) {
            (Kept::Here(bytes), _) => self.bytes -= bytes,
            (Kept::OnRecord, End::Ran(ended)) => {
                let known = shared.with_store(|store| {
                    let row = store
                        .mission(ended.id)?
                        .context("batch: a mission is gone")?;
                    Known::of(store, row)
                })?;
                ended.output = known.output;
            }
            (Kept::OnRecord, _) => {}
        }
        Ok(Some(outcome))
    }
}
