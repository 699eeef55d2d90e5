//! The state root: one directory that holds everything `coo` keeps (design, "State root"). Every
//! file in it is reached through one directory handle that is opened once, and nothing is ever
//! written outside it. Only one process at a time changes a root; readers need no lock.

#![allow(
    clippy::disallowed_methods,
    reason = "this is the one place that writes files of the state root; see .ci/writes"
)]

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use cap_fs_ext::{DirExt as _, FollowSymlinks, OpenOptionsFollowExt as _, OpenOptionsSyncExt as _};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt as _};
use coo_kernel::effects::artefact::WritePermit;
use coo_kernel::state::layout;
use rustix::fs::{Access, AtFlags, accessat};
use rustix::io::Errno;

use crate::hint::{self, Hint as _};
use crate::machine;
use crate::machine::failpoint;
use crate::machine::input_file::{CONFIG_BYTES_MAX, read_bounded};
use crate::state::config::Config;
use crate::state::modes::Modes;

/// The name of the state root's folder unless the user names another one.
pub const DEFAULT_NAME: &str = ".coo";
const CONFIG_FILE: &str = "config.json";
const LOCK_FILE: &str = "lock";
/// Processes that wait for the lock share a lock on this file. Made by the first that waits.
const WANTED_FILE: &str = "wanted";
/// A wait of this time is worth a line. A run that holds the lock while others want it gives it back
/// sooner, but other commands keep it.
const NOTICED: Duration = Duration::from_millis(300);
/// Time between two attempts to take the lock, until the wait is noticed.
const LOOK_AGAIN: Duration = Duration::from_millis(2);
const FOLDERS: [&str; 5] = ["artefacts", "cache", "demo", "modules", TEMPORARY];
/// Files that only `SQLite` may open.
const DATABASES: [&str; 2] = [layout::STORE, layout::WORLD];
/// Folders that only the owner may enter.
const CLOSED: [&str; 2] = ["cache", TEMPORARY];
/// The folder of files that do not have their final name yet. A new writer removes what it finds
/// here: a killed process left it.
pub const TEMPORARY: &str = "tmp";

/// An open state root.
#[derive(Debug)]
pub struct StateRoot {
    path: PathBuf,
    dir: Dir,
    /// Modes for new files and folders; never more permissive than the root's own mode.
    modes: Modes,
}

/// Proof that only this process changes the root. Dropping it releases the lock.
#[derive(Debug)]
pub struct WriteLock {
    _file: File,
}

/// Fails if a file is in the place of a root.
fn refuse_file(path: &Path) -> Result<()> {
    if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_dir()) {
        bail!(
            anyhow!("state root {}: is not a folder", path.display())
                .hint("name one with --root or COO_ROOT")
        );
    }
    Ok(())
}

impl StateRoot {
    /// Opens the root at `path`; creates its folder if it is missing.
    pub fn open_or_create(path: &Path) -> Result<Self> {
        refuse_file(path)?;
        make_path(path)
            .with_context(|| format!("state root {}: can't be created", path.display()))?;
        Self::open_dir(path)
    }

    /// Opens the root at `path`; `None` if it has no store.
    pub fn open_existing(path: &Path) -> Result<Option<Self>> {
        refuse_file(path)?;
        if path.join(layout::STORE).exists() {
            Ok(Some(Self::open_dir(path)?))
        } else {
            Ok(None)
        }
    }

    fn open_dir(path: &Path) -> Result<Self> {
        let dir = Dir::open_ambient_dir(path, ambient_authority())
            .with_context(|| format!("state root {}: can't be opened", path.display()))?;
        let modes = Modes::below(&dir)
            .with_context(|| format!("state root {}: can't be examined", path.display()))?;
        Ok(Self {
            path: path.to_owned(),
            dir,
            modes,
        })
    }

    /// Returns whether the folder contains a store.
    #[must_use]
    pub fn has_store(&self) -> bool {
        self.dir.symlink_metadata(layout::STORE).is_ok()
    }

    /// Returns the root's path, for `SQLite` (which opens by path) and for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the handle through which everything else is reached.
    #[must_use]
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// Reads the configuration.
    pub fn config(&self) -> Result<Config> {
        let path = self.path.join(CONFIG_FILE);
        let shown = || format!("configuration {}", path.display());
        let file = self.open_plain(CONFIG_FILE);
        let file = file.with_context(|| format!("{}: can't be read", shown()))?;
        let content = read_bounded(file, &path, CONFIG_BYTES_MAX)?;
        let text = String::from_utf8(content);
        let text = text.with_context(|| format!("{}: can't be read", shown()))?;
        Config::parse(&text).with_context(shown)
    }

    /// Creates the next folder below `parent`: 000001, 000002, … Returns its path in the root.
    pub fn new_folder(&self, parent: &str) -> Result<String> {
        let shown = || format!("folder {}: can't be made", self.path.join(parent).display());
        let folder = self.folder(parent, true).with_context(shown)?;
        let numbers = folder.entries().with_context(shown)?;
        let last = numbers
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
            .max();
        let mut number = last.unwrap_or(0);
        loop {
            number += 1;
            let name = format!("{number:06}");
            // If another process took this number, the next one is free.
            if make_folder(&folder, &name).with_context(shown)? {
                return Ok(format!("{parent}/{name}"));
            }
        }
    }

    /// Locks the root for writing. If another process holds the lock, tells it that the lock is
    /// wanted, and waits. Calls `waiting` if that takes long enough to be noticed.
    pub fn lock(&self, waiting: impl FnOnce()) -> Result<WriteLock> {
        if let Some(lock) = self.lock_now()? {
            return Ok(lock);
        }
        // Without this file the holder keeps the lock until it has ended.
        let wanted = self.open_lock(WANTED_FILE);
        let _wanted = wanted.and_then(|file| file.lock_shared().map(|()| file));
        let begun = machine::Stopwatch::start();
        while begun.elapsed() < NOTICED {
            machine::sleep(LOOK_AGAIN);
            if let Some(lock) = self.lock_now()? {
                return Ok(lock);
            }
        }
        waiting();
        let file = self.open_lock_file()?;
        file.lock()
            .context("state root: waiting for its lock failed")?;
        Ok(WriteLock { _file: file })
    }

    /// Locks the root for writing; `None` if another process holds the lock.
    pub fn lock_now(&self) -> Result<Option<WriteLock>> {
        let file = self.open_lock_file()?;
        match file.try_lock() {
            Ok(()) => Ok(Some(WriteLock { _file: file })),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(error)) => {
                Err(error).context("state root: its lock can't be taken on this file system")
            }
        }
    }

    fn open_lock_file(&self) -> Result<File> {
        self.open_lock(LOCK_FILE).with_context(|| {
            let shown = self.path.display();
            match self.dir.symlink_metadata(LOCK_FILE) {
                Ok(metadata) if !metadata.is_file() => format!("file {shown}/{LOCK_FILE}"),
                _ => format!("state root {shown}: can't be locked (is it writable?)"),
            }
        })
    }

    /// Returns whether another process waits for the lock.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        let Ok(file) = self.open_plain(WANTED_FILE) else {
            return false;
        };
        matches!(file.try_lock(), Err(std::fs::TryLockError::WouldBlock))
    }

    /// Locks the root for writing; `None` if that fails, for example because another process holds
    /// the lock.
    #[must_use]
    pub fn try_lock(&self) -> Option<WriteLock> {
        self.try_lock_on(LOCK_FILE).ok()
    }

    /// Takes a lock on a file of its own, for a part of the root; fails if another process holds it.
    pub fn try_lock_on(&self, name: &str) -> std::io::Result<WriteLock> {
        let file = self.open_lock(name)?;
        file.try_lock()?;
        Ok(WriteLock { _file: file })
    }

    fn open_lock(&self, name: &str) -> std::io::Result<File> {
        let mut options = OpenOptions::new();
        options.create(true).write(true).mode(self.modes.file);
        self.open_plain_with(name, &mut options)
    }

    /// Opens a file for reading: the file itself, not a link's target, and without blocking on a
    /// pipe in its place.
    pub fn open_plain(&self, name: &str) -> std::io::Result<File> {
        self.open_plain_with(name, OpenOptions::new().read(true))
    }

    fn open_plain_with(&self, name: &str, options: &mut OpenOptions) -> std::io::Result<File> {
        let refused = || {
            hint::io_error(
                std::io::ErrorKind::InvalidInput,
                "is not a regular file",
                "remove it",
            )
        };
        if let Ok(metadata) = self.dir.symlink_metadata(name)
            && !metadata.is_file()
        {
            return Err(refused());
        }
        if DATABASES.contains(&name) {
            // On POSIX, closing the file would release the locks that SQLite holds on it.
            return Err(std::io::Error::other(
                "is a database, which SQLite alone opens",
            ));
        }
        options.follow(FollowSymlinks::No).nonblock(true);
        let file = self.dir.open_with(name, options)?.into_std();
        if file.metadata()?.is_file() {
            Ok(file)
        } else {
            Err(refused())
        }
    }

    /// Returns whether a process holds the root's lock. Writes nothing.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        self.is_locked(LOCK_FILE)
    }

    /// Returns whether a process holds a lock on the file `name`. Writes nothing.
    #[must_use]
    pub fn is_locked(&self, name: &str) -> bool {
        let Ok(file) = self.open_plain(name) else {
            return false;
        };
        matches!(
            file.try_lock_shared(),
            Err(std::fs::TryLockError::WouldBlock)
        )
    }

    /// Returns whether this process cannot write the store's files: the root belongs to another
    /// user, or its file system is mounted read-only.
    pub fn is_read_only(&self) -> bool {
        // Asks for access instead of opening: opening and closing a database releases this
        // process's locks on it.
        let refused =
            |name: &str, how: Access| match accessat(&self.dir, name, how, AtFlags::EACCESS) {
                Err(Errno::ACCESS | Errno::PERM | Errno::ROFS) => true,
                Ok(()) | Err(_) => false,
            };
        let is_there = |name: &str| self.dir.symlink_metadata(name).is_ok();
        refused(layout::STORE, Access::WRITE_OK)
            || ["-wal", "-shm"].iter().any(|suffix| {
                let name = format!("{}{suffix}", layout::STORE);
                if is_there(&name) {
                    refused(&name, Access::WRITE_OK)
                } else {
                    // Readers share an index beside the database, and one of them has to create it.
                    refused(".", Access::WRITE_OK | Access::EXEC_OK)
                }
            })
    }

    /// Opens the folder at `path` in the root (`""` is the root itself) by handles and follows no
    /// link, so that nothing written or removed through it can land in another folder. If `make` is
    /// true, creates missing folders and syncs each.
    pub fn folder(&self, path: &str, make: bool) -> std::io::Result<Dir> {
        self.descend(path, make.then_some(true))
    }

    /// Opens a folder as `folder` does and creates missing folders without syncing them, for
    /// callers that create many and sync their parents once.
    pub fn folder_unsynced(&self, path: &str) -> std::io::Result<Dir> {
        self.descend(path, Some(false))
    }

    /// `make`: `None` creates no folders; `Some(synced)` creates missing ones and syncs each if
    /// `synced`.
    fn descend(&self, path: &str, make: Option<bool>) -> std::io::Result<Dir> {
        let mut here = self.dir.try_clone()?;
        let mut way = self.path.clone();
        for name in path.split('/').filter(|name| !name.is_empty()) {
            way.push(name);
            let opened = match (here.open_dir_nofollow(name), make) {
                (Err(error), Some(synced)) if error.kind() == std::io::ErrorKind::NotFound => {
                    if synced {
                        make_folder(&here, name)?;
                    } else {
                        make_folder_unsynced(&here, name, self.modes)?;
                    }
                    here.open_dir_nofollow(name)
                }
                (opened, _) => opened,
            };
            here = opened.map_err(|error| in_place_of_a_folder(&here, name, &way, error))?;
        }
        Ok(here)
    }

    /// Creates missing folders and the default configuration, and removes temporary files that
    /// killed processes left. Only the holder of the root's lock may call this: the temporary files
    /// of another running writer would be removed too.
    pub fn settle(&self) -> Result<()> {
        let mut is_new = false;
        for folder in FOLDERS {
            let modes = if CLOSED.contains(&folder) {
                Modes::CLOSED
            } else {
                self.modes
            };
            let made = make_folder_unsynced(&self.dir, folder, modes).with_context(|| {
                format!(
                    "state root {}: can't create {folder}/ (is it writable?)",
                    self.path.display()
                )
            })?;
            is_new |= made;
            // Whatever is in place of the artefacts folder may be what a rollback is about to repair.
            if !made && folder != layout::ARTEFACTS {
                self.folder(folder, false)
                    .with_context(|| format!("state root {}", self.path.display()))?;
            }
        }
        if is_new {
            sync_names(&self.dir)
                .with_context(|| format!("state root {}: can't be synced", self.path.display()))?;
        }
        let shown = || format!("state root {}: {TEMPORARY}/", self.path.display());
        let waiting = self.folder(TEMPORARY, false).with_context(shown)?;
        for entry in waiting.entries().with_context(shown)? {
            let entry = entry.with_context(shown)?;
            let name = entry.file_name();
            if entry.file_type().with_context(shown)?.is_dir() {
                waiting.remove_dir_all(name)
            } else {
                waiting.remove_file(name)
            }
            .with_context(shown)?;
        }
        let configured = self.dir.try_exists(CONFIG_FILE).with_context(|| {
            format!(
                "configuration {}: can't be read",
                self.path.join(CONFIG_FILE).display()
            )
        })?;
        if !configured {
            // Before the configuration, which marks the root as complete.
            self.ignore()?;
            self.configure(&Config::fresh())?;
        }
        Ok(())
    }

    /// Has git ignore the root (packet §11.3), unless somebody has written another `.gitignore`.
    pub fn ignore(&self) -> Result<()> {
        if self.dir.symlink_metadata(layout::GITIGNORE).is_ok() {
            return Ok(());
        }
        self.write_new(layout::GITIGNORE, b"*\n")
    }

    /// Writes the configuration.
    pub fn configure(&self, config: &Config) -> Result<()> {
        self.write_new(CONFIG_FILE, config.to_text().as_bytes())
    }

    /// Writes one of `coo`'s own files, whole or not at all: a synced temporary file in `tmp/` is
    /// renamed. Then the folder is synced, so that the new name survives a loss of power. Refuses a
    /// path for which the kernel's layout has no place.
    pub fn write_new(&self, name: &str, content: &[u8]) -> Result<()> {
        let permit = layout::permit(name)?;
        let shown = || format!("file {}: can't be written", self.path.join(name).display());
        let folder = self.folder(permit.folder(), true).with_context(shown)?;
        let written = self.through_temporary(content, |waiting, temporary| {
            failpoint::reach("file.rename")?;
            waiting.rename(temporary, &folder, last(permit.path()))?;
            failpoint::reach("folder.sync")?;
            sync_names(&folder)
        });
        written.with_context(shown)
    }

    /// Writes the artefact that `permit` names into its open `folder`, as `write_new` does, and
    /// fails if something is there. Check and creation are one step, so no other process can
    /// interfere.
    pub fn write_first(
        &self,
        permit: &WritePermit,
        folder: &Dir,
        content: &[u8],
    ) -> std::io::Result<()> {
        let name = last(permit.path());
        self.through_temporary(content, |waiting, temporary| {
            failpoint::reach("file.rename")?;
            match waiting.hard_link(temporary, folder, name) {
                Ok(()) => waiting.remove_file(temporary)?,
                // The file system has no hard links. The caller has seen that nothing is there, and
                // accepts the risk that this changed a moment ago.
                Err(error)
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::Unsupported
                    ) =>
                {
                    waiting.rename(temporary, folder, name)?;
                }
                Err(error) => return Err(error),
            }
            failpoint::reach("folder.sync")?;
            sync_names(folder)
        })
    }

    /// Removes one of `coo`'s own files, if it exists.
    pub fn remove(&self, name: &str) -> Result<()> {
        let permit = layout::permit(name)?;
        let removed = || -> std::io::Result<()> {
            failpoint::reach("file.remove")?;
            let folder = self.folder(permit.folder(), false)?;
            folder.remove_file(last(permit.path()))?;
            failpoint::reach("folder.sync")?;
            sync_names(&folder)
        };
        match removed() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
        .with_context(|| format!("file {}: can't be removed", self.path.join(name).display()))
    }

    /// Removes what a verification or an engine left below `folder`, which `new_folder` created:
    /// only `name` in it, or the whole folder.
    pub fn discard(&self, folder: &str, name: Option<&str>) -> Result<()> {
        // Refuses a folder in which neither a report nor a log may be written.
        layout::permit(&format!("{folder}/report.json"))
            .or_else(|_| layout::permit(&format!("{folder}/amendment_log.json")))?;
        let shown = || {
            format!(
                "folder {}: can't be cleared",
                self.path.join(folder).display()
            )
        };
        let (parent, number) = folder.rsplit_once('/').unwrap_or(("", folder));
        let parent = self.folder(parent, false).with_context(shown)?;
        let Some(name) = name else {
            return parent.remove_dir_all(number).with_context(shown);
        };
        let folder = self.folder(folder, false).with_context(shown)?;
        let is_folder = folder.symlink_metadata(name).with_context(shown)?.is_dir();
        if is_folder {
            folder.remove_dir_all(name)
        } else {
            folder.remove_file(name)
        }
        .with_context(shown)
    }

    /// Writes a synced file in `tmp/` and calls `name` to give it its final name.
    fn through_temporary(
        &self,
        content: &[u8],
        name: impl FnOnce(&Dir, &str) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        let waiting = self.folder(TEMPORARY, false)?;
        let temporary = machine::process_id().to_string();
        let written = (|| {
            failpoint::reach("file.create")?;
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true);
            options.mode(self.modes.file);
            options.follow(FollowSymlinks::No);
            let mut file = waiting.open_with(&temporary, &options)?;
            failpoint::reach("file.write")?;
            file.write_all(content)?;
            failpoint::reach("file.sync")?;
            file.sync_data()?;
            name(&waiting, &temporary)
        })();
        if written.is_err() {
            // Best effort: the error above is the one to report.
            let _ = waiting.remove_file(&temporary);
        }
        written
    }

    /// Reads a file of at most `bytes_max` bytes; a larger one is an error.
    pub fn read_bounded(&self, name: &str, bytes_max: u64) -> Result<Vec<u8>> {
        let path = self.path.join(name);
        let file = self.open_plain(name);
        let file = file.with_context(|| format!("file {}: can't be opened", path.display()))?;
        read_bounded(file, &path, bytes_max)
    }
}

/// Creates the folder `name` in `parent` and syncs `parent`, so that the folder survives a loss of
/// power. Returns false if an entry of that name already exists, whatever it is.
pub fn make_folder(parent: &Dir, name: &str) -> std::io::Result<bool> {
    let is_new = make_folder_unsynced(parent, name, Modes::below(parent)?)?;
    // Also if another process created it: that process may not have synced it yet.
    failpoint::reach("folder.made")?;
    sync_names(parent)?;
    Ok(is_new)
}

fn make_folder_unsynced(parent: &Dir, name: &str, modes: Modes) -> std::io::Result<bool> {
    failpoint::reach("folder.create")?;
    match modes.create_dir(parent, name) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Syncs the names in `folder`.
pub fn sync_names(folder: &Dir) -> std::io::Result<()> {
    // The handle was opened with O_PATH, which cannot be synced; this opens the folder itself.
    folder.open(".")?.into_std().sync_all()
}

/// Creates the folder at `path` with all missing parents, and syncs each.
fn make_path(path: &Path) -> std::io::Result<()> {
    let mut missing = Vec::new();
    let mut here = Some(path);
    while let Some(folder) = here.filter(|folder| !folder.as_os_str().is_empty())
        && !folder.exists()
    {
        missing.push(folder);
        here = folder.parent();
    }
    std::fs::create_dir_all(path)?;
    for folder in missing {
        let parent = folder
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        match File::open(parent.unwrap_or(Path::new("."))) {
            Ok(parent) => parent.sync_all()?,
            // This user may change the parent but not read it, so cannot sync it.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Returns the last component of a path.
fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Returns the error for `name` in `folder`, shown as `way`, that could not be opened as a folder.
/// Names what is there instead and what to do; returns `error` if that is not the cause.
fn in_place_of_a_folder(
    folder: &Dir,
    name: &str,
    way: &Path,
    error: std::io::Error,
) -> std::io::Error {
    let what = match folder.symlink_metadata(name) {
        Ok(metadata) if metadata.is_symlink() => "a symbolic link",
        Ok(metadata) if !metadata.is_dir() => "no folder",
        _ => return error,
    };
    hint::io_error(
        std::io::ErrorKind::NotADirectory,
        &format!("folder {}: is {what}", way.display()),
        "remove it",
    )
}
