//! Which processes are at work on missions of a state root while they do not hold its lock: a run
//! that waits for a model holds nothing, and others must still see that it is at work. Each such
//! process holds the lock of a file of its own in `running/`, and the kernel releases it when the
//! process ends, however it ends. Never waits, and never decides what a mission's status is.

#![allow(
    clippy::disallowed_methods,
    reason = "removes its own file in running/, which holds nothing"
)]

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use cap_std::fs::Dir;

use super::state_root::{StateRoot, WriteLock};
use crate::machine;

/// The folder of the files.
const FOLDER: &str = "running";

/// The presence of this process at a root, as long as the value lives.
#[derive(Debug)]
pub struct Presence {
    name: String,
    folder: Dir,
    _lock: WriteLock,
}

impl Presence {
    /// Announces this process. The caller holds the root's lock.
    pub fn announce(root: &StateRoot) -> Result<Self> {
        let shown = || format!("state root {}: {FOLDER}/", root.path().display());
        let folder = root.folder_unsynced(FOLDER).with_context(shown)?;
        let mut name = String::new();
        for byte in machine::random_bytes::<8>().with_context(shown)? {
            // Writing to a string does not fail.
            let _ = write!(name, "{byte:02x}");
        }
        let lock = root.try_lock_on(&path(&name)).with_context(shown)?;
        Ok(Self {
            name,
            folder,
            _lock: lock,
        })
    }

    /// Returns the name under which others can ask for this process.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        // A file that stays is removed by a later process.
        let _ = self.folder.remove_file(&self.name);
    }
}

fn path(name: &str) -> String {
    format!("{FOLDER}/{name}")
}

/// Returns whether the process of this name is at work.
pub fn is_present(root: &StateRoot, name: &str) -> bool {
    root.is_locked(&path(name))
}

/// Returns whether any process is at work without the root's lock.
pub fn is_any_present(root: &StateRoot) -> bool {
    names(root).iter().any(|name| is_present(root, name))
}

/// Removes the files of processes that have ended. The caller holds the root's lock.
pub fn forget_ended(root: &StateRoot) {
    let Ok(folder) = root.folder(FOLDER, false) else {
        return;
    };
    for name in names(root) {
        if !is_present(root, &name) {
            let _ = folder.remove_file(&name);
        }
    }
}

fn names(root: &StateRoot) -> Vec<String> {
    let Ok(entries) = root
        .folder(FOLDER, false)
        .and_then(|folder| folder.entries())
    else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect()
}
