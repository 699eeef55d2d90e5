//! Finds the mission that a reading command names: by its id in a state root, or in a file that
//! `coo export` wrote. Changes nothing.

use std::path::Path;

use anyhow::{Context as _, Result};
use coo_kernel::mission::MissionId;
use coo_kernel::mission::row::MissionRow;

use crate::freeze::Purpose;
use crate::mission::run_file;
use crate::session::Session;

/// The mission that `name` means, in its root or in a file of its own: what every reading
/// command needs.
pub fn find_mission(
    path: &Path,
    name: &str,
    say: impl FnMut(&str),
) -> Result<(Session, MissionRow)> {
    let id = name.parse::<MissionId>();
    let looks_like_a_file = name.contains('/') || Path::new(name).extension().is_some();
    if id.is_err() && (looks_like_a_file || Path::new(name).is_file()) {
        return load(Path::new(name));
    }
    let not_found = || format!("Mission '{name}' not found.");
    let session = Session::open(path, Purpose::Read, say)?.with_context(not_found)?;
    let mission = session.store.mission(id.ok().with_context(not_found)?)?;
    Ok((session, mission.with_context(not_found)?))
}

/// Opens a run that `coo export` wrote, for reading it.
pub fn load(path: &Path) -> Result<(Session, MissionRow)> {
    let (folder, root, store, mission) = run_file::load(path)?;
    Ok((Session::of_loaded(folder, root, store)?, mission))
}
