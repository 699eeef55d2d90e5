//! Writes a file where the user said, outside every state root: complete under its name, or not at all.
//! Never makes a folder.

#![allow(
    clippy::disallowed_methods,
    reason = "for commands that are told to write outside the state root"
)]

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};

use crate::hint::Hint as _;

/// Lets `write` fill a temporary file, syncs it and renames it to `path`; returns the result of
/// `write`. Fails if `path` exists.
pub fn write_out<T>(path: &Path, write: impl FnOnce(&mut File) -> Result<T>) -> Result<T> {
    written(path, false, write)
}

/// Writes `content` to `path` in the same way, in place of a file that is there.
pub fn write_over(path: &Path, content: &[u8]) -> Result<()> {
    written(path, true, |file| put(path, file, content))
}

/// Writes `content` to `path` in the same way. Fails if `path` exists.
pub fn write_new(path: &Path, content: &[u8]) -> Result<()> {
    written(path, false, |file| put(path, file, content))
}

fn put(path: &Path, file: &mut File, content: &[u8]) -> Result<()> {
    file.write_all(content)
        .with_context(|| format!("file {}: can't be written", path.display()))
}

fn written<T>(
    path: &Path,
    is_replaced: bool,
    write: impl FnOnce(&mut File) -> Result<T>,
) -> Result<T> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let shown = || format!("file {}: can't be written", path.display());
    if !folder.is_dir() {
        bail!(anyhow!("{}: {} is not a folder", shown(), folder.display()).hint("create it first"));
    }
    let mut file = new_file(folder).with_context(shown)?;
    let written = write(file.as_file_mut())?;
    file.as_file().sync_all().with_context(shown)?;
    let named = if is_replaced {
        file.persist(path)
    } else {
        file.persist_noclobber(path)
    };
    match named {
        Ok(_) => {
            // Sync the name, too. This fails for a folder that the user may not read, and that
            // error is ignored.
            let _ = File::open(folder).and_then(|folder| folder.sync_all());
            Ok(written)
        }
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
            Err(already_exists(path))
        }
        Err(error) => Err(error.error).with_context(shown),
    }
}

/// Creates a file without a final name. The error does not have its temporary one.
fn new_file(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    // The usual mode of a new file, reduced by the umask. The default of tempfile is 0600, which is
    // for secrets.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder).map_err(|error| {
        let text = error.to_string();
        let what = text.split(" at path ").next().unwrap_or(&text);
        io::Error::new(error.kind(), what.to_owned())
    })
}

/// Fails if `path` exists, before long work whose result would have no place.
pub fn refuse_existing(path: &Path) -> Result<()> {
    match path.symlink_metadata() {
        Ok(_) => Err(already_exists(path)),
        Err(_) => Ok(()),
    }
}

fn already_exists(path: &Path) -> anyhow::Error {
    anyhow!("file {}: already exists", path.display())
        .hint("remove it or choose another name with --output")
}
