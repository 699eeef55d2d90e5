//! File system calls that `cap-std` lacks: open without following a link at any component, set a
//! mode on an open file, and sync. Invariant: every name given to the system is one component of a
//! checked path, so no call can leave the folder it is made in.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt as _};
use coo_kernel::baseline::{Mode, TreePath, text_of};
use rustix::fs::{Mode as Bits, OFlags, RawMode, chmod, fchmod, openat};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid, getgroups};

/// Returns a name in the form that system calls take.
pub fn name(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}

/// Returns the bytes of a name or of a link's target.
pub fn bytes(text: impl Into<OsString>) -> Vec<u8> {
    text.into().into_vec()
}

/// Returns a path in the text form that records use.
pub fn text(path: PathBuf) -> String {
    text_of(&bytes(path))
}

#[allow(
    clippy::disallowed_methods,
    reason = "opens for reading, and makes nothing"
)]
fn open(folder: &Dir, name: &OsStr, more: OFlags) -> io::Result<OwnedFd> {
    // NONBLOCK: opening a pipe that replaced a file must not block.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    Ok(openat(folder.as_fd(), name, flags | more, Bits::empty())?)
}

/// Opens a file for reading. A link is an error, and so is anything that is not a regular file.
pub fn open_file(folder: &Dir, name: &OsStr) -> io::Result<File> {
    let file = File::from(open(folder, name, OFlags::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "is no longer a file",
        ));
    }
    Ok(file)
}

/// Opens a folder. A link is an error.
pub fn open_folder(folder: &Dir, name: &OsStr) -> io::Result<Dir> {
    let folder = open(folder, name, OFlags::DIRECTORY)?;
    Ok(Dir::from_std_file(File::from(folder)))
}

/// Opens the folder at `path` below `top`, or `top` itself if `path` is `None`. Follows no link on
/// the way.
pub fn descend(top: &Dir, path: Option<&TreePath>) -> io::Result<Dir> {
    descend_with(top, path, open_folder)
}

/// Does as `descend` does, and opens each folder on the way with `open`.
pub fn descend_with(
    top: &Dir,
    path: Option<&TreePath>,
    open: impl Fn(&Dir, &OsStr) -> io::Result<Dir>,
) -> io::Result<Dir> {
    let mut folder = top.try_clone()?;
    for component in path.into_iter().flat_map(TreePath::components) {
        folder = open(&folder, name(component))?;
    }
    Ok(folder)
}

/// Creates a new file that only its owner can read. An existing file is an error.
#[allow(
    clippy::disallowed_methods,
    reason = "makes a new file in a folder that the caller answers for"
)]
pub fn create_file(folder: &Dir, name: &OsStr) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    Ok(folder.open_with(name, &options)?.into_std())
}

/// Sets the mode of an open file; returns an error unless all bits were set. Callers must not write
/// to the file afterwards, because a write clears setuid and setgid.
pub fn set_mode(file: &File, mode: Mode) -> io::Result<()> {
    let found = bits(file)?;
    let wanted = mode.over(found);
    if wanted == found {
        return Ok(());
    }
    change_mode(file, wanted)?;
    // The kernel drops setgid silently if the user is not in the file's group.
    let got = bits(file)?;
    if got != wanted {
        return Err(io::Error::other(format!(
            "was to get mode {wanted:04o} and has {got:04o}: this file system does not keep it, or its group is none of the user's"
        )));
    }
    Ok(())
}

fn bits(file: &File) -> io::Result<u32> {
    Ok(file.metadata()?.mode() & 0o7777)
}

#[allow(
    clippy::disallowed_methods,
    reason = "of a file or folder that is open, and that the caller answers for"
)]
fn change_mode(file: &File, bits: u32) -> io::Result<()> {
    let mode = Bits::from_raw_mode(RawMode::try_from(bits).map_err(io::Error::other)?);
    match fchmod(file, mode) {
        // The handle was opened with O_PATH. This path still leads to the open file itself, even if
        // its name now belongs to another file.
        Err(Errno::BADF) => Ok(chmod(format!("/proc/self/fd/{}", file.as_raw_fd()), mode)?),
        changed => Ok(changed?),
    }
}

/// Sets the mode of the folder `name` in `folder`. Needs no permission to read it. A link is an
/// error.
pub fn set_folder_mode(folder: &Dir, name: &OsStr, mode: Mode) -> io::Result<()> {
    set_mode(&open_for_mode(folder, name)?, mode)
}

/// Gives the owner all permissions on the folder `name` in `folder`.
pub fn open_up(folder: &Dir, name: &OsStr) -> io::Result<()> {
    let inner = open_for_mode(folder, name)?;
    change_mode(&inner, bits(&inner)? | 0o700)
}

/// Gives the owner all permissions on an open folder.
pub fn open_up_itself(folder: &Dir) -> io::Result<()> {
    let file = folder.try_clone()?.into_std_file();
    change_mode(&file, bits(&file)? | 0o700)
}

/// Returns whether this user can set `mode` on the folder `name` in `folder`. Changes nothing.
pub fn can_set_folder_mode(folder: &Dir, name: &OsStr, mode: Mode) -> io::Result<bool> {
    let found = open_for_mode(folder, name)?.metadata()?;
    let wanted = mode.over(found.mode() & 0o7777);
    let user = geteuid().as_raw();
    let is_own = found.uid() == user;
    if user == 0 || !is_own && wanted == found.mode() & 0o7777 {
        return Ok(true);
    }
    let is_own_group = || -> io::Result<bool> {
        let own = found.gid();
        let mut groups = getgroups()?.into_iter().chain([getegid()]);
        Ok(groups.any(|group| group.as_raw() == own))
    };
    Ok(is_own && (wanted & 0o2000 == 0 || is_own_group()?))
}

/// Opens a handle to a folder. Needs permission only to search the folder around it.
fn open_for_mode(folder: &Dir, name: &OsStr) -> io::Result<File> {
    open_unread(folder, name, OFlags::DIRECTORY)
}

/// Opens a handle to a file that serves only to read and set its permissions. Closing this handle
/// does not drop the locks that this process holds on the file, as closing a handle for reading
/// would; databases depend on that. A link is an error, and so is anything that is not a regular
/// file.
pub fn open_file_for_mode(folder: &Dir, name: &OsStr) -> io::Result<File> {
    let file = open_unread(folder, name, OFlags::NONBLOCK)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "is no longer a file",
        ));
    }
    Ok(file)
}

#[allow(
    clippy::disallowed_methods,
    reason = "opens what is there, and makes nothing"
)]
fn open_unread(folder: &Dir, name: &OsStr, more: OFlags) -> io::Result<File> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let how = OFlags::PATH;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let how = OFlags::RDONLY;
    let flags = how | more | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(folder.as_fd(), name, flags, Bits::empty())?.into())
}

/// Creates a folder that only its owner can enter, whatever the umask, and opens it.
#[allow(
    clippy::disallowed_methods,
    reason = "makes a new folder in one that the caller answers for"
)]
pub fn create_folder(folder: &Dir, name: &OsStr) -> io::Result<Dir> {
    folder.create_dir(name)?;
    set_folder_mode(folder, name, Mode::of(0o700))?;
    open_folder(folder, name)
}

/// Syncs everything below `folder`, including names.
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

/// Syncs the names in `folder`.
pub fn sync_folder(folder: &Dir) -> io::Result<()> {
    File::from(open_itself(folder)?).sync_all()
}

/// Opens a handle that can be synced: `cap-std` opens folders with `O_PATH`, which cannot.
fn open_itself(folder: &Dir) -> io::Result<OwnedFd> {
    open(folder, OsStr::new("."), OFlags::DIRECTORY)
}
