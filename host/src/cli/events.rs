//! How a mission stands, in words, from its journal and its row. Prints nothing.

use coo_kernel::journal::Progress;
use coo_kernel::mission::Status;
use coo_kernel::mission::state::State;

use crate::root::store::MissionRow;
use crate::session::Session;

/// How the mission stands.
pub fn status(session: &Session, mission: &MissionRow, progress: &Progress) -> Status {
    match progress.state() {
        Some(State::Complete) => Status::Success,
        Some(State::Failed) => Status::Failed,
        Some(State::Paused) => Status::Paused,
        // Whoever runs a mission holds the root's lock; where nobody does, nobody runs it.
        _ if mission.interrupted.is_none()
            && (session.root.is_in_use() || has_ended_meanwhile(session, mission)) =>
        {
            Status::Running
        }
        _ => Status::Interrupted,
    }
}

/// Whether it ended after its journal was read: then it was running when it was read.
fn has_ended_meanwhile(session: &Session, mission: &MissionRow) -> bool {
    let now = session.store.mission(mission.id).ok().flatten();
    mission.finished_ms.is_none() && now.is_some_and(|now| now.finished_ms.is_some())
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
