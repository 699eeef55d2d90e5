//! Reads a mission's journal for the commands that show it: every page verified against the
//! chain, every event folded. Prints nothing.

use anyhow::{Context as _, Result};
use coo_kernel::journal::{Chain, Progress, Record};
use coo_kernel::mission::Status;
use coo_kernel::state::State;

use crate::session::Session;
use crate::store::MissionRow;

/// Passes each event of `mission` to `visit`, in order, verified; gives the fold and the
/// chain's end.
pub fn walk(
    session: &Session,
    mission: &MissionRow,
    mut visit: impl FnMut(&Record) -> Result<()>,
) -> Result<(Progress, Chain)> {
    let mut chain = Chain::default();
    let mut progress = Progress::default();
    loop {
        let page = session.store.page(mission.id.number(), chain.seq())?;
        if page.is_empty() {
            return Ok((progress, chain));
        }
        for record in page {
            chain
                .verify(&record)
                .with_context(|| format!("mission {}", mission.id))?;
            progress
                .apply(&record)
                .with_context(|| format!("mission {}", mission.id))?;
            visit(&record)?;
        }
    }
}

/// How the mission stands.
pub fn status(session: &Session, mission: &MissionRow, progress: &Progress) -> Status {
    match progress.state() {
        Some(State::Complete) => Status::Success,
        Some(State::Failed) => Status::Failed,
        Some(State::Paused) => Status::Paused,
        // Whoever runs a mission holds the root's lock; where nobody does, nobody runs it.
        _ if mission.interrupted.is_none() && session.root.try_lock().is_none() => Status::Running,
        _ => Status::Interrupted,
    }
}

/// Why it is not a success, in one line.
pub fn reason(mission: &MissionRow, progress: &Progress, status: Status) -> Option<String> {
    match (&progress.failure, &mission.interrupted) {
        (Some(failure), _) => Some(failure.to_string()),
        (None, Some(interrupted)) => Some(interrupted.clone()),
        (None, None) if status == Status::Interrupted => {
            Some("its process ended before the mission did".to_owned())
        }
        (None, None) => None,
    }
}
