//! Reads a journal ahead of a tape, a page at a time, each page verified against the chain before
//! anything of it is used. Compares nothing.

use std::collections::VecDeque;

use anyhow::anyhow;
use coo_kernel::journal::{Chain, Record};
use coo_kernel::mission::MissionId;

use crate::effects::stop::Stop;
use crate::state::store::Store;

/// A journal that is being re-executed or replayed.
pub struct Recorded {
    pub(super) id: MissionId,
    pub(super) page: VecDeque<Record>,
    verified: Chain,
}

impl Recorded {
    pub fn of(id: MissionId) -> Self {
        Self {
            id,
            page: VecDeque::new(),
            verified: Chain::default(),
        }
    }

    /// Returns the next recorded event, after verifying it against the chain.
    pub fn peek(&mut self, store: &Store) -> Result<Option<&Record>, Stop> {
        if self.page.is_empty() {
            let page = store.page(self.id.number(), self.verified.seq())?;
            for record in &page {
                self.verified
                    .verify(record)
                    .map_err(|broken| anyhow!(broken).context(format!("mission {}", self.id)))?;
            }
            self.page = page.into();
        }
        Ok(self.page.front())
    }
}
