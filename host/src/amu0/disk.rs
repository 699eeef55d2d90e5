//! The few calls that a tree takes and that `cap-std` does not have: opening without following
//! a link at any place, and syncing. Every name given to the system is one component of a
//! judged path, so no call can leave the folder it is made in.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt as _};
use coo_kernel::baseline::{Mode, TreePath, text_of};
use rayon::prelude::*;
use rustix::fs::{Mode as Bits, OFlags, openat};

use crate::fault;

/// Up to so many files are synced one by one; for more, the file system is synced as a whole,
/// with whatever others have written to it.
const SYNCED_SINGLY_MAX: usize = 128;

/// A name, as the system has it.
pub fn name(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}

/// The bytes of a name or target.
pub fn bytes(text: impl Into<OsString>) -> Vec<u8> {
    text.into().into_vec()
}

/// A path in the text form that records have.
pub fn text(path: PathBuf) -> String {
    text_of(&bytes(path))
}

#[allow(
    clippy::disallowed_methods,
    reason = "opens for reading, and makes nothing"
)]
fn open(folder: &Dir, name: &OsStr, more: OFlags) -> io::Result<OwnedFd> {
    // NONBLOCK: a pipe that took the place of a file must not make anybody wait.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    Ok(openat(folder.as_fd(), name, flags | more, Bits::empty())?)
}

/// Opens a file for reading. A link is an error, and so is anything that is no file.
pub fn open_file(folder: &Dir, name: &OsStr) -> io::Result<File> {
    let file = File::from(open(folder, name, OFlags::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "is no file any more",
        ));
    }
    Ok(file)
}

/// Opens a folder. A link is an error.
pub fn open_folder(folder: &Dir, name: &OsStr) -> io::Result<Dir> {
    let folder = open(folder, name, OFlags::DIRECTORY)?;
    Ok(Dir::from_std_file(File::from(folder)))
}

/// Opens the folder at `path` below `top`; `top` itself where there is none. Follows no link
/// on the way.
pub fn descend(top: &Dir, path: Option<&TreePath>) -> io::Result<Dir> {
    let mut folder = top.try_clone()?;
    for component in path.into_iter().flat_map(TreePath::components) {
        folder = open_folder(&folder, name(component))?;
    }
    Ok(folder)
}

/// Makes a file that is not there yet, for nobody else to read.
#[allow(
    clippy::disallowed_methods,
    reason = "makes a new file in a folder that the caller answers for"
)]
pub fn create_file(folder: &Dir, name: &OsStr) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    Ok(folder.open_with(name, &options)?.into_std())
}

/// Sets the permissions of an open file.
#[allow(
    clippy::disallowed_methods,
    reason = "of a file that the caller has just made"
)]
pub fn set_mode(file: &File, mode: Mode) -> io::Result<()> {
    file.set_permissions(std::fs::Permissions::from_mode(mode.bits()))
}

/// Sets the permissions of a folder; its setgid and sticky bits stay.
#[allow(
    clippy::disallowed_methods,
    reason = "of a folder of a tree that is restored"
)]
pub fn set_folder_mode(folder: &Dir, mode: Mode) -> io::Result<()> {
    let file = File::from(open_itself(folder)?);
    let special = file.metadata()?.permissions().mode() & 0o7000;
    file.set_permissions(std::fs::Permissions::from_mode(mode.bits() | special))
}

/// Makes sure that the content of `files`, below `folder`, is on the disk; `point` is its name
/// in `fault`. Names are not: that takes `sync_folder`.
pub fn sync_files<'a>(
    point: &'static str,
    folder: &Dir,
    files: impl ExactSizeIterator<Item = &'a str> + Send,
) -> io::Result<()> {
    fault::point(point)?;
    if files.len() > SYNCED_SINGLY_MAX {
        return sync_file_system(folder);
    }
    let files: Vec<&str> = files.collect();
    files
        .par_iter()
        .try_for_each(|file| open_file(folder, file.as_ref())?.sync_all())
}

/// Makes sure that everything below `folder` is on the disk, names too.
pub fn sync_file_system(folder: &Dir) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    rustix::fs::syncfs(open_itself(folder)?)?;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = folder;
        rustix::fs::sync();
    }
    Ok(())
}

/// Makes sure that the names in `folder` are on the disk.
pub fn sync_folder(folder: &Dir) -> io::Result<()> {
    File::from(open_itself(folder)?).sync_all()
}

/// `cap-std` opens folders for the way through them alone; syncing and permissions take more.
fn open_itself(folder: &Dir) -> io::Result<OwnedFd> {
    open(folder, OsStr::new("."), OFlags::DIRECTORY)
}
