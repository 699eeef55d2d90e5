//! Reads what is recorded of a mission: every page verified against the chain, every event
//! folded, before anybody sees it. Writes nothing.

use anyhow::{Context as _, Result};
use coo_kernel::journal::{Chain, Progress, Record};
use coo_kernel::mission::MissionId;

use crate::store::Store;

/// Passes each event of `mission` to `visit`, in order, verified; gives the fold and the
/// chain's end.
pub fn walk(
    store: &Store,
    mission: MissionId,
    mut visit: impl FnMut(&Record) -> Result<()>,
) -> Result<(Progress, Chain)> {
    let mut chain = Chain::default();
    let mut progress = Progress::default();
    loop {
        let page = store.page(mission.number(), chain.seq())?;
        if page.is_empty() {
            return Ok((progress, chain));
        }
        for record in page {
            chain
                .verify(&record)
                .with_context(|| format!("mission {mission}"))?;
            progress
                .apply(&record)
                .with_context(|| format!("mission {mission}"))?;
            visit(&record)?;
        }
    }
}
