//! Temporary folders outside the state root, removed when the process ends. Only their owner can
//! enter them, whatever the umask. If a process was killed, the next command removes its folders.
//!
//! A living process holds a lock on each of its folders, and the lock is released however the
//! process ends. Invariant: a folder is never removed if its lock is held, if another user owns it,
//! or if its name does not have the form created here.

#![allow(
    clippy::disallowed_methods,
    reason = "makes and removes temporary folders, outside every state root"
)]

use std::fs::{File, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use crate::machine;

/// Prefix of every name; the purpose and random characters follow.
const PREFIX: &str = "coo-tmp-";
/// A file that marks a folder left to the user.
const KEPT: &str = "KEPT";
/// Only the owner may enter.
const MODE: u32 = 0o700;
/// Number of attempts to create a folder, if another process removes it as a leftover.
const ATTEMPTS: u32 = 100;
/// Maximum number of entries in the system's temporary folder that are examined for leftovers.
const ENTRIES_MAX: usize = 50_000;

/// A folder that is removed when this value is dropped.
#[derive(Debug)]
pub struct TemporaryFolder {
    // First field, so that the folder is removed before its lock is released.
    folder: TempDir,
    lock: File,
}

impl TemporaryFolder {
    /// Creates a folder in the system's folder for temporary files; `what` becomes part of its
    /// name.
    pub fn new(what: &str) -> Result<Self> {
        let shown = || "temporary folder (TMPDIR, or the system's): can't be made";
        for _ in 0..ATTEMPTS {
            let folder = tempfile::Builder::new()
                .prefix(&format!("{PREFIX}{what}-"))
                .permissions(Permissions::from_mode(MODE))
                .tempdir()
                .with_context(shown)?;
            // Before the lock is taken, another process may remove the folder as a leftover.
            let lock = match open(folder.path()) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                lock => lock.with_context(shown)?,
            };
            if lock.try_lock().is_ok() && is_still(folder.path(), &lock) {
                return Ok(Self { folder, lock });
            }
        }
        bail!("{}: others remove it at once", shown())
    }

    /// Returns the folder's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves the folder to the user if this process is killed. It is removed as before when this value
    /// is dropped.
    pub fn keep_if_killed(&self) -> Result<()> {
        let shown = || format!("folder {}: can't be kept", self.path().display());
        File::create(self.path().join(KEPT)).with_context(shown)?;
        Ok(())
    }

    /// Leaves the folder to the user and returns its path. It stays until the user removes it.
    pub fn keep(self) -> Result<PathBuf> {
        self.keep_if_killed()?;
        let Self { folder, lock } = self;
        let path = folder.keep();
        drop(lock);
        Ok(path)
    }
}

/// Removes folders that killed processes of this user left. Ignores errors: a leftover that stays
/// does no harm.
pub fn sweep() {
    let Ok(entries) = std::fs::read_dir(machine::temporary_place()) else {
        return;
    };
    for entry in entries.take(ENTRIES_MAX).filter_map(Result::ok) {
        let is_ours = entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.starts_with(PREFIX));
        if is_ours {
            remove_if_left(&entry.path());
        }
    }
}

/// Removes the folder at `path` if a process of this user created it and has ended. Holds the lock
/// until the folder is gone, so that no other process takes it.
fn remove_if_left(path: &Path) {
    let Ok(lock) = open(path) else {
        return;
    };
    let is_own = lock
        .metadata()
        .is_ok_and(|metadata| metadata.uid() == machine::user_id());
    if is_own
        && lock.try_lock().is_ok()
        && is_still(path, &lock)
        && std::fs::symlink_metadata(path.join(KEPT)).is_err()
    {
        let _ = std::fs::remove_dir_all(path);
    }
}

/// Opens the folder itself, not a link's target.
fn open(path: &Path) -> std::io::Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::DIRECTORY;
    std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
}

/// Returns whether `path` still names the folder that `lock` has open.
fn is_still(path: &Path, lock: &File) -> bool {
    let (Ok(there), Ok(open)) = (std::fs::symlink_metadata(path), lock.metadata()) else {
        return false;
    };
    (there.dev(), there.ino()) == (open.dev(), open.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_a_living_process_stays_and_one_without_goes() {
        let living = TemporaryFolder::new("test").unwrap();
        let mode = std::fs::metadata(living.path()).unwrap().mode();
        assert_eq!(mode & 0o777, MODE);
        remove_if_left(living.path());
        assert!(living.path().is_dir());

        let TemporaryFolder { folder, lock } = TemporaryFolder::new("test").unwrap();
        let path = folder.keep();
        std::fs::write(path.join("file"), "x").unwrap();
        drop(lock);
        remove_if_left(&path);
        assert!(!path.exists());
    }

    #[test]
    fn a_folder_can_be_made_while_others_look_for_leftovers() {
        let is_over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            let sweeper = scope.spawn(|| {
                while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                    sweep();
                }
            });
            for _ in 0..500 {
                let folder = TemporaryFolder::new("race").unwrap();
                assert!(folder.path().is_dir());
            }
            is_over.store(true, std::sync::atomic::Ordering::Relaxed);
            sweeper.join().unwrap();
        });
    }

    #[test]
    fn a_folder_that_is_kept_stays() {
        let kept = TemporaryFolder::new("test").unwrap().keep().unwrap();
        remove_if_left(&kept);
        assert!(kept.is_dir());
        std::fs::remove_dir_all(kept).unwrap();
    }

    #[test]
    fn a_link_and_a_file_are_left_alone() {
        let place = TempDir::new().unwrap();
        let target = place.path().join("target");
        std::fs::create_dir(&target).unwrap();
        let link = place.path().join("link");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let file = place.path().join("file");
        std::fs::write(&file, "x").unwrap();
        for path in [link, file] {
            remove_if_left(&path);
            assert!(path.exists());
        }
        assert!(target.is_dir());
    }
}
