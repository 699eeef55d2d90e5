//! Modes of the files and folders of a state root: readable where the folder around them is, never
//! writable for group or others. Changes no existing file.

#![allow(
    clippy::disallowed_methods,
    reason = "creates folders and empty databases, with their modes"
)]

use std::path::Path;

use cap_std::fs::{Dir, DirBuilder, DirBuilderExt as _, MetadataExt as _};

/// Modes of new files and folders, before the umask.
#[derive(Debug, Clone, Copy)]
pub struct Modes {
    pub file: u32,
    pub folder: u32,
}

impl Modes {
    /// Only the owner has access.
    pub(super) const CLOSED: Self = Self {
        file: 0o600,
        folder: 0o700,
    };

    /// Returns modes that let group and others read exactly where they can read `folder`, and write
    /// nothing.
    pub fn below(folder: &Dir) -> std::io::Result<Self> {
        Ok(Self::of(folder.dir_metadata()?.mode()))
    }

    pub(super) fn of(mode: u32) -> Self {
        let open = mode & 0o055;
        Self {
            file: 0o600 | (open & 0o044),
            folder: 0o700 | open,
        }
    }

    /// Creates an empty file for `SQLite` in the folder at `path`, unless there is one. `SQLite`
    /// itself would make its files readable by everyone in any folder. Its log and index take over
    /// the mode of this file.
    pub fn create_database(path: &Path, name: &str) {
        use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
        let Ok(folder) = std::fs::metadata(path) else {
            return;
        };
        // `SQLite` meets the same error and reports it better.
        let _ = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(Self::of(folder.mode()).file)
            .open(path.join(name));
    }

    /// Creates a folder with these modes.
    pub fn create_dir(self, parent: &Dir, name: &str) -> std::io::Result<()> {
        parent.create_dir_with(name, DirBuilder::new().mode(self.folder))
    }
}
