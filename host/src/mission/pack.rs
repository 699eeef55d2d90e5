//! Makes the pack of a run: gathers the run from a state root, replays it, and checks the pack before
//! it is written. The kernel knows the format (`pack`). Writes one file, and nothing to the state
//! root.

mod check;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use coo_kernel::form::digest::Digest;
use coo_kernel::journal::run_file as format;
use coo_kernel::mission::MissionId;
use coo_kernel::mission::row::MissionRow;
use coo_kernel::mission::state::State;
use coo_kernel::module::structure::MODULE_BYTES_MAX;
use coo_kernel::pack::{self, FILES_MAX, Members, PACK_BYTES_MAX, Run, TRANSCRIPT};
use coo_kernel::state::layout;

pub use self::check::{Checked, Execution, check};
use crate::hint::Hint as _;
use crate::machine::{archive, output_file};
use crate::mission::{replay, run_file};
use crate::session::Session;
use crate::state::history;

/// A pack that was written.
#[derive(Debug, Clone, Copy)]
pub struct Packed {
    pub bytes: u64,
    /// The number of files in it.
    pub files: usize,
    pub sha256: Digest,
}

/// Fails if `mission` has no end, with what to do about it.
pub fn refuse_unfinished(session: &Session, mission: &MissionRow) -> Result<()> {
    let id = mission.id;
    let (progress, _) = history::walk(&session.store, id, |_| Ok(()))?;
    let hint = match progress.state() {
        Some(state) if state.is_final() => return Ok(()),
        Some(State::Paused) => format!("run 'coo approve {id}' or 'coo reject {id}' first"),
        _ => format!("'coo resume {id}' continues it"),
    };
    bail!(
        anyhow!("mission {id}: did not reach an end, so there is no whole run to pack").hint(hint)
    )
}

/// Writes the pack of `mission` to `path`, completely or not at all. Replays the run and executes
/// it again first: what can't be verified is not packed. Fails if `path` exists.
pub fn write(
    session: Session,
    mission: &MissionRow,
    path: &Path,
    wall_clock_max: Duration,
) -> Result<Packed> {
    let members = members(session, mission, wall_clock_max)?;
    let content = archive::stored(&members)?;
    bounded(mission.id, content.len() as u64, members.len())?;
    let checked = check(&content, wall_clock_max)?;
    if let Some(difference) = checked.difference() {
        bail!(
            anyhow!(
                "mission {}: its execution in a fresh world differs ({difference}), so nobody could \
                 verify a pack of it",
                mission.id
            )
            .hint("run it again in a fresh state root ('--root DIR') and pack that run")
        );
    }
    output_file::write_new(path, &content)?;
    Ok(Packed {
        bytes: content.len() as u64,
        files: members.len(),
        sha256: Digest::of(&content),
    })
}

fn bounded(id: MissionId, bytes: u64, files: usize) -> Result<()> {
    let refused = if bytes > PACK_BYTES_MAX {
        format!("{bytes} bytes, {PACK_BYTES_MAX} is the limit")
    } else if files > FILES_MAX {
        format!("{files} files, {FILES_MAX} is the limit")
    } else {
        return Ok(());
    };
    bail!(
        anyhow!("pack of mission {id}: {refused}")
            .hint(format!("'coo export {id}' writes a run of any size"))
    )
}

/// Returns the files of the pack of `mission`, with the transcript of a real replay.
fn members(session: Session, mission: &MissionRow, wall_clock_max: Duration) -> Result<Members> {
    let id = mission.id;
    let (run, log) = {
        let _snapshot = session.store.snapshot()?;
        let log = pack::rollback_log(&session.store.rollbacks()?)?;
        (gathered(&session, mission)?, log)
    };
    let members = pack::documents(&run.neutral(id)?, &log)?;
    let replayed = replay::replay(session, mission, wall_clock_max)?;
    if replayed.other_engine {
        bail!(
            anyhow!(
                "mission {id}: was recorded with another engine, so this build can't verify its fuel"
            )
            .hint("pack it with the coo that recorded it, or run it again")
        );
    }
    let transcript = replayed.transcript(id).text();
    if members.get(TRANSCRIPT).map(Vec::as_slice) != Some(transcript.as_bytes()) {
        bail!(
            anyhow!("mission {id}: its replay is not identical")
                .hint(format!("'coo replay {id}' shows where it diverges"))
        );
    }
    Ok(members)
}

/// Reads a whole run into memory, and verifies its chain and its contents.
fn gathered(session: &Session, mission: &MissionRow) -> Result<Run> {
    let store = &session.store;
    let mut events = Vec::new();
    let mut contents = BTreeMap::new();
    let mut bytes = 0;
    let mut counted = |more: usize| {
        bytes += more as u64;
        bounded(mission.id, bytes, 0)
    };
    let descriptor = store.blob(&mission.descriptor)?;
    contents.insert(mission.descriptor, descriptor);
    history::walk(store, mission.id, |record| {
        counted(record.body.len())?;
        for blob in format::contents_of(record)? {
            if let Entry::Vacant(place) = contents.entry(blob.sha256) {
                let content = store.blob(&blob.sha256)?;
                counted(content.len())?;
                place.insert(content);
            }
        }
        events.push(record.clone());
        Ok(())
    })?;
    let name = layout::module(&mission.module);
    Ok(Run {
        mission: mission.clone(),
        events,
        contents,
        module: session.root.read_bounded(&name, MODULE_BYTES_MAX)?,
    })
}

/// Returns whether the file at `path` begins like a pack.
#[must_use]
pub fn is_one(path: &Path) -> bool {
    run_file::begins(path, pack::is_one)
}
