//! A run's end state becomes a baseline. Which run that can be is the kernel's to say
//! (`lineage`); this reads what decides it.

use anyhow::{Context as _, Result, bail};
use coo_kernel::lineage::{self, Ended, Run};
use coo_kernel::state::State;

use super::capture::Captured;
use super::progress::Progress;
use super::state::{self, Reason};
use crate::gateway;
use crate::history;
use crate::state_root::StateRoot;
use crate::store::{MissionRow, Store};

/// Makes a baseline of the state, if it still is what `mission` left, and calls it `name` or
/// the next number. The caller alone writes to `root`.
pub fn promote(
    root: &StateRoot,
    store: &Store,
    mission: &MissionRow,
    name: Option<&str>,
    progress: &Progress<'_>,
) -> Result<Captured> {
    let id = mission.id;
    let (events, chain) = history::walk(store, id, |_| Ok(()))?;
    let mut committed = store.committed()?;
    let own = committed.iter().position(|other| other.id == id);
    let commit = own.and_then(|own| committed.remove(own).commit);
    let run = Ended {
        id,
        is_complete: events.state() == Some(State::Complete),
        finished_ms: mission.finished_ms.unwrap_or(mission.created_ms),
        commit,
    };
    lineage::is_end_state(&run, &committed, &store.rollbacks()?)?;
    let drifts = gateway::check(root, store)?;
    if let Some(first) = drifts.first() {
        bail!(
            "mission {id}: the state is not what it left, {} differences in artefacts/, the first at '{}'; 'coo artefacts check' names them, --repair takes them back",
            drifts.len(),
            first.path()
        );
    }
    let run = Run {
        chain_head: chain.head(),
        mission: id,
    };
    state::create(root, store, name, Reason::Promoted(run), progress)
        .with_context(|| format!("mission {id}"))
}
