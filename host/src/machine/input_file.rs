//! Reads input files within bounds (`docs/limits.md`). Opens only regular files, so that it never blocks on
//! a pipe, terminal or device, and never reads more than the bound. Every input file of a command
//! outside a state root is opened here; files of captured trees, tools and `/proc` are not. Never
//! writes.

use std::fs::{File, FileType};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};

use crate::hint::Hint as _;

/// Limit for a state root's `config.json`: usually a few hundred bytes, and lists of patterns.
pub const CONFIG_BYTES_MAX: u64 = 1 << 20;
/// Limit for the input of a `.wasm` program on the command line.
pub const INPUT_BYTES_MAX: u64 = 2 << 20;
/// Limit for a file that `coo export` wrote: more than any run within its own limits produces.
pub const RUN_FILE_BYTES_MAX: u64 = 16 << 30;
/// Limit for a file with a digest of the module set: 64 digits and a name.
pub const DIGEST_FILE_BYTES_MAX: u64 = 4 << 10;

/// Opens a regular file for reading, following links. `what` precedes its path in errors.
#[allow(
    clippy::disallowed_methods,
    reason = "for reading alone: a flag keeps the call from waiting"
)]
pub fn open(what: &str, path: &Path) -> Result<File> {
    let named = format!("{what} {}", path.display());
    let shown = || format!("{}: can't be opened", named.trim_start());
    // Checks the path before opening it, because opening some devices has an effect.
    let of = std::fs::metadata(path).with_context(shown)?.file_type();
    refuse_other(named.trim_start(), of)?;
    let file = std::fs::OpenOptions::new()
        .read(true)
        // A pipe may have replaced the file after that check.
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .with_context(shown)?;
    let of = file.metadata().with_context(shown)?.file_type();
    refuse_other(named.trim_start(), of)?;
    Ok(file)
}

/// Reads the whole of `file`; more than `bytes_max` bytes is an error. `path` is for messages.
pub fn read_bounded(file: File, path: &Path, bytes_max: u64) -> Result<Vec<u8>> {
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let shown = || format!("file {}", path.display());
    read_bounded_from(file, length, shown, bytes_max)
}

/// Reads the whole of `from`, as `read_bounded` does. `length` is only a hint for the buffer; the limit
/// applies to the bytes read.
pub fn read_bounded_from(
    from: impl Read,
    length: u64,
    shown: impl Fn() -> String,
    bytes_max: u64,
) -> Result<Vec<u8>> {
    let mut content =
        Vec::with_capacity(usize::try_from(length.min(bytes_max) + 1).unwrap_or_default());
    from.take(bytes_max + 1)
        .read_to_end(&mut content)
        .with_context(|| format!("{}: can't be read", shown()))?;
    if content.len() as u64 > bytes_max {
        bail!(
            "{}: more than {bytes_max} bytes, which is the limit",
            shown()
        );
    }
    Ok(content)
}

/// Reads a whole regular file; more than `bytes_max` bytes is an error.
pub fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>> {
    read_bounded(open("", path)?, path, bytes_max)
}

/// Returns the name of a file type; `None` for a regular file.
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
            bail!(
                anyhow!("{named}: is {kind}, a regular file is needed")
                    .hint("write its content to a file first")
            )
        }
    }
}
