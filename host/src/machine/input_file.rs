//! Files that somebody else wrote, opened and read within bounds: only regular ones, so that no
//! pipe, terminal or device is waited for, and never more of one than its bound. Every file that a
//! command reads outside a state root comes through here. Never writes.

use std::fs::{File, FileType};
use std::io::Read as _;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail};

/// `config.json` of a state root: a few hundred bytes, and lists of patterns.
pub const CONFIG_BYTES_MAX: u64 = 1 << 20;
/// Input of a `.wasm` program on the command line.
pub const INPUT_BYTES_MAX: u64 = 2 << 20;
/// A file that `coo export` wrote: more than any run within its own limits leaves.
pub const RUN_FILE_BYTES_MAX: u64 = 16 << 30;
/// A file with a digest of the module set: 64 digits, and a name.
pub const DIGEST_FILE_BYTES_MAX: u64 = 4 << 10;

/// Opens a regular file for reading, following links. `what` it is goes before its name in errors.
#[allow(
    clippy::disallowed_methods,
    reason = "for reading alone: a flag keeps the call from waiting"
)]
pub fn open(what: &str, path: &Path) -> Result<File> {
    let named = format!("{what} {}", path.display());
    let shown = || format!("{}: can't be opened", named.trim_start());
    // First by name: opening some devices does something.
    let of = std::fs::metadata(path).with_context(shown)?.file_type();
    refuse_other(named.trim_start(), of)?;
    let file = std::fs::OpenOptions::new()
        .read(true)
        // Somebody may have put a pipe there meanwhile.
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .with_context(shown)?;
    let of = file.metadata().with_context(shown)?.file_type();
    refuse_other(named.trim_start(), of)?;
    Ok(file)
}

/// Reads `file` whole if it has at most `bytes_max` bytes; `path` is for the message.
pub fn read_bounded(file: File, path: &Path, bytes_max: u64) -> Result<Vec<u8>> {
    // The length is a hint: what counts is what is read.
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let mut content =
        Vec::with_capacity(usize::try_from(length.min(bytes_max) + 1).unwrap_or_default());
    file.take(bytes_max + 1)
        .read_to_end(&mut content)
        .with_context(|| format!("file {}: can't be read", path.display()))?;
    if content.len() as u64 > bytes_max {
        bail!(
            "file {}: more than {bytes_max} bytes, which is the limit",
            path.display()
        );
    }
    Ok(content)
}

/// Reads a regular file whole if it has at most `bytes_max` bytes.
pub fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>> {
    read_bounded(open("", path)?, path, bytes_max)
}

/// What a file is that is no regular one.
#[must_use]
pub fn kind(of: FileType) -> Option<&'static str> {
    if of.is_file() {
        return None;
    }
    Some(if of.is_dir() {
        "a folder"
    } else if of.is_fifo() {
        "a pipe"
    } else if of.is_socket() {
        "a socket"
    } else {
        "a device"
    })
}

fn refuse_other(named: &str, of: FileType) -> Result<()> {
    match kind(of) {
        None => Ok(()),
        Some("a folder") => bail!("{named}: is a folder, a file is needed"),
        Some(kind) => {
            bail!("{named}: is {kind}, a regular file is needed; write its content to a file first")
        }
    }
}
