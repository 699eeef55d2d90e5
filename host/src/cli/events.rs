//! Derives a mission's status and reason from its journal and its row. Prints nothing.

use anyhow::Result;
use coo_kernel::journal::Fold;
use coo_kernel::mission::Status;
use coo_kernel::mission::row::MissionRow;

use crate::hint;
use crate::session::Session;
use crate::state::presence;

/// Returns the status of the mission.
pub fn status(session: &Session, mission: &MissionRow, progress: &Fold) -> Status {
    let is_at_work = || is_at_work(session, mission) || has_ended_meanwhile(session, mission);
    progress.status(mission.interrupted.is_some(), is_at_work)
}

/// Returns whether a process is at work on the mission: it holds the root's lock, or it has left its name
/// and waits for something outside.
fn is_at_work(session: &Session, mission: &MissionRow) -> bool {
    match session.store.process(mission.id) {
        Ok(Some(process)) => presence::is_present(&session.root, &process),
        Ok(None) | Err(_) => session.root.is_in_use(),
    }
}

/// Returns whether the mission has ended since its journal was read; then it was still running.
fn has_ended_meanwhile(session: &Session, mission: &MissionRow) -> bool {
    let now = session.store.mission(mission.id).ok().flatten();
    mission.finished_ms.is_none() && now.is_some_and(|now| now.finished_ms.is_some())
}

/// Returns what continues the mission, if it is interrupted.
pub fn next(
    session: &Session,
    mission: &MissionRow,
    progress: &Fold,
    status: Status,
) -> Result<Option<String>> {
    if status != Status::Interrupted || progress.state().is_none() {
        return Ok(None);
    }
    let number = mission.id.number();
    let in_doubt = session.store.is_in_doubt(number, progress.in_doubt)?;
    Ok(Some(hint::to_resume(mission.id, in_doubt)))
}

/// Returns in one line why the mission did not succeed.
pub fn reason(mission: &MissionRow, progress: &Fold, status: Status) -> Option<String> {
    match (&progress.failure, &mission.interrupted) {
        (Some(failure), _) => Some(hint::joined(failure, failure.hint())),
        (None, Some(interrupted)) => Some(interrupted.clone()),
        (None, None) if status == Status::Interrupted => {
            Some("its process ended before the mission did".to_owned())
        }
        (None, None) => None,
    }
}
