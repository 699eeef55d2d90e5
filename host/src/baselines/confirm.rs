//! Asks for the confirmation of a rollback: by a file in the state root, which is removed whatever
//! it says, or else by a line that a person types. The kernel decides which answers count. Changes
//! nothing but that file and the log.

use std::io::{self, Read as _};

use anyhow::{Context as _, Result};
use coo_kernel::baseline::rollback::{self, Aborted, CONFIRMATION, Outcome, SAID_BYTES_MAX, Said};

use super::disk;
use super::target::Target;
use crate::machine;
use crate::machine::failpoint;
use crate::state::state_root::StateRoot;
use crate::state::store::{Durability, Store};

/// Checks whether request `number` is confirmed, by the file in the state root or else by the line
/// that `ask` returns. Removes the file whatever it says. Without a confirmation, ends the request
/// and returns an error.
pub fn confirm(
    root: &StateRoot,
    store: &mut Store,
    number: u32,
    target: &Target,
    ask: impl FnOnce() -> Vec<u8>,
) -> Result<()> {
    let name = &target.record.name;
    let what = format!("rollback {number} to {name}");
    let answer = answer(root, &what, &format!("coo rollback {name}"), ask)?;
    if answer.is_err() {
        abort(store, number)?;
    }
    Ok(answer?)
}

/// Records that request `number` was not confirmed.
pub fn abort(store: &mut Store, number: u32) -> Result<()> {
    let became = (Outcome::Requested, Outcome::Aborted);
    store.end_rollback(number, became, machine::now_unix_ms())?;
    store.commit(Durability::Power)
}

/// Returns a person's answer to the rollback `what`: the content of the file in the state root or
/// else the line that `ask` returns. Removes the file whatever it says. `again` is the command that
/// asks once more.
pub fn answer(
    root: &StateRoot,
    what: &str,
    again: &str,
    ask: impl FnOnce() -> Vec<u8>,
) -> Result<Result<(), Aborted>> {
    Ok(match take_file(root)? {
        Some(Ok(content)) => rollback::confirm(what, again, Said::File(&content)),
        Some(Err(found)) => rollback::confirm(what, again, Said::NoFile(found)),
        None => rollback::confirm(what, again, Said::Line(&ask())),
    })
}

/// Reads and removes the confirmation file; an inner error describes what else is in its place. The
/// file counts only once: it is gone before anything is done.
#[allow(
    clippy::disallowed_methods,
    reason = "removes the file that confirmed, by its one name"
)]
fn take_file(root: &StateRoot) -> Result<Option<Result<Vec<u8>, &'static str>>> {
    let dir = root.dir();
    let shown = || format!("file {}", root.path().join(CONFIRMATION).display());
    let metadata = match dir.symlink_metadata(CONFIRMATION) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        metadata => metadata.with_context(|| format!("{}: can't be examined", shown()))?,
    };
    if metadata.is_dir() {
        return Ok(Some(Err("a folder; remove it")));
    }
    let said = if metadata.is_symlink() {
        Err("a link")
    } else {
        disk::open_file(dir, CONFIRMATION.as_ref())
            .and_then(|file| {
                let mut content = Vec::new();
                file.take(SAID_BYTES_MAX).read_to_end(&mut content)?;
                Ok(content)
            })
            .map_err(|_| "not a plain file that can be read")
    };
    failpoint::reach("confirmation.remove")
        .and_then(|()| dir.remove_file(CONFIRMATION))
        .and_then(|()| disk::sync_folder(dir))
        .with_context(|| format!("{}: can't be removed", shown()))?;
    Ok(Some(said))
}
