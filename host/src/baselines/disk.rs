//! The few calls that a tree takes and that `cap-std` does not have: opening without following
//! a link at any place, and syncing. Every name given to the system is one component of a
//! judged path, so no call can leave the folder it is made in.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt as _};
use coo_kernel::baseline::{Mode, TreePath, text_of};
use rayon::prelude::*;
use rustix::fs::{Mode as Bits, OFlags, RawMode, chmod, fchmod, openat};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid, getgroups};

use crate::machine::fault;

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
    descend_with(top, path, open_folder)
}

/// As `descend`, with `open` to open each folder on the way.
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

/// Sets the mode of an open file, all of it or an error. Nobody may write to it afterwards: that
/// takes setuid and setgid away again.
pub fn set_mode(file: &File, mode: Mode) -> io::Result<()> {
    let found = bits(file)?;
    let wanted = mode.over(found);
    if wanted == found {
        return Ok(());
    }
    change_mode(file, wanted)?;
    // A system takes setgid away without a word where the group is not one of the user's.
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
        // Opened for the way through it alone; this is the file itself, whatever has its name.
        Err(Errno::BADF) => Ok(chmod(format!("/proc/self/fd/{}", file.as_raw_fd()), mode)?),
        changed => Ok(changed?),
    }
}

/// Sets the mode of the folder `name` in `folder`, which nobody needs to be able to read. A link
/// is an error.
pub fn set_folder_mode(folder: &Dir, name: &OsStr, mode: Mode) -> io::Result<()> {
    set_mode(&open_for_mode(folder, name)?, mode)
}

/// Lets the owner look into the folder `name` in `folder`, and change what is in it.
pub fn open_up(folder: &Dir, name: &OsStr) -> io::Result<()> {
    let inner = open_for_mode(folder, name)?;
    change_mode(&inner, bits(&inner)? | 0o700)
}

/// As `open_up`, of an open folder.
pub fn open_up_itself(folder: &Dir) -> io::Result<()> {
    let file = folder.try_clone()?.into_std_file();
    change_mode(&file, bits(&file)? | 0o700)
}

/// Whether this user can give the folder `name` in `folder` what `mode` says; changes nothing.
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

/// A handle to a folder that takes no permission to get, only one to the folder around it.
fn open_for_mode(folder: &Dir, name: &OsStr) -> io::Result<File> {
    open_unread(folder, name, OFlags::DIRECTORY)
}

/// A handle to a file that serves for its permissions alone: of a database, unlike one for reading,
/// it can be closed without taking away the locks that this process has on it. A link is an error,
/// and so is anything that is no file.
pub fn open_file_for_mode(folder: &Dir, name: &OsStr) -> io::Result<File> {
    let file = open_unread(folder, name, OFlags::NONBLOCK)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "is no file any more",
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

/// Makes a folder for its owner alone, whatever the user's mask says, and opens it.
#[allow(
    clippy::disallowed_methods,
    reason = "makes a new folder in one that the caller answers for"
)]
pub fn create_folder(folder: &Dir, name: &OsStr) -> io::Result<Dir> {
    folder.create_dir(name)?;
    set_folder_mode(folder, name, Mode::of(0o700))?;
    open_folder(folder, name)
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

/// `cap-std` opens folders for the way through them alone; syncing takes more.
fn open_itself(folder: &Dir) -> io::Result<OwnedFd> {
    open(folder, OsStr::new("."), OFlags::DIRECTORY)
}
