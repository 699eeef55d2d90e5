//! Finds the mission that a command names: by its id or a short form of it in a state root, or in a
//! file that `coo export` wrote. Never changes a mission.

use std::path::Path;

use anyhow::{Context as _, Result};
use coo_kernel::mission::row::MissionRow;
use coo_kernel::mission::{MissionId, MissionName};

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
    if !is_in_root(name) {
        let looks_like_a_file = name.contains('/') || Path::new(name).extension().is_some();
        if looks_like_a_file || Path::new(name).is_file() {
            return load(Path::new(name));
        }
    }
    find_in_root(path, name, Purpose::Read, say)
}

/// Returns whether `name` means a mission of the state root: it is an id, or a short form of one
/// that no file has for its name.
#[must_use]
pub fn is_in_root(name: &str) -> bool {
    name.parse::<MissionId>().is_ok()
        || name.parse::<MissionName>().is_ok() && !Path::new(name).exists()
}

/// The mission that `name` means in its root, for a command that takes no file.
pub fn find_in_root(
    path: &Path,
    name: &str,
    purpose: Purpose,
    say: impl FnMut(&str),
) -> Result<(Session, MissionRow)> {
    let not_found = || format!("Mission '{name}' not found.");
    let parsed = name.parse::<MissionName>();
    let parsed = parsed.ok().with_context(not_found)?;
    let session = Session::open(path, purpose, say)?.with_context(not_found)?;
    let mission = session.store.mission_named(parsed)?;
    Ok((session, mission.with_context(not_found)?))
}

/// Opens a run that `coo export` wrote, for reading it.
pub fn load(path: &Path) -> Result<(Session, MissionRow)> {
    let (folder, root, store, mission) = run_file::load(path)?;
    Ok((Session::of_loaded(folder, root, store)?, mission))
}
