//! Directory trees for tests: creates them, changes them, and reads everything about them with the
//! standard library instead of the code under test.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    File(u32, Vec<u8>),
    Folder(u32),
    Link(PathBuf),
    Other,
}

pub type Picture = BTreeMap<PathBuf, Node>;

/// Reads everything below `top` except the state root.
pub fn picture(top: &Path) -> Picture {
    let mut picture = Picture::new();
    let mut folders = vec![top.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path == top.join(".coo") {
                continue;
            }
            let metadata = path.symlink_metadata().unwrap();
            let mode = metadata.permissions().mode() & 0o7777;
            let node = if metadata.is_symlink() {
                Node::Link(fs::read_link(&path).unwrap())
            } else if metadata.is_dir() {
                folders.push(path.clone());
                Node::Folder(mode)
            } else if metadata.is_file() {
                Node::File(mode, fs::read(&path).unwrap())
            } else {
                Node::Other
            };
            picture.insert(path.strip_prefix(top).unwrap().to_owned(), node);
        }
    }
    picture
}

pub fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Removes whatever is at a path.
pub fn remove(path: &Path) {
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path).unwrap(),
        Ok(_) => fs::remove_file(path).unwrap(),
        Err(_) => {}
    }
}

pub fn pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}

/// A user who is not root and owns nothing else.
const NOBODY: u32 = 65_534;

/// Returns whether the tests run as root.
pub fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Gives everything at `top` to a user who is not root, if the tests run as root. Keeps the modes.
pub fn give_away(top: &Path) {
    if !is_root() {
        return;
    }
    let metadata = top.symlink_metadata().unwrap();
    lchown(top, Some(NOBODY), Some(NOBODY)).unwrap();
    if metadata.is_symlink() {
        return;
    }
    if metadata.is_dir() {
        for entry in fs::read_dir(top).unwrap() {
            give_away(&entry.unwrap().path());
        }
    }
    set_mode(top, metadata.permissions().mode() & 0o7777);
}

/// Makes `command` run as that user, if the tests run as root.
pub fn by_nobody(mut command: Command) -> Command {
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// Creates a tree with every kind of entry that a baseline can hold.
pub fn make(top: &Path) {
    for folder in ["a/b", "empty", "locked", "gone/deep/er", "a-b"] {
        fs::create_dir_all(top.join(folder)).unwrap();
    }
    for (file, content) in [
        ("a/one", "1"),
        ("a/b/two", "22"),
        ("a/b/same", "1"),
        ("a-b/three", ""),
        ("gone/deep/er/file", "deep"),
        ("locked/in", "in"),
        ("100% é", "percent"),
    ] {
        fs::write(top.join(file), content).unwrap();
    }
    fs::write(top.join(std::ffi::OsStr::from_bytes(b"no\xfftext")), "x").unwrap();
    fs::hard_link(top.join("a/one"), top.join("a/hard")).unwrap();
    symlink("/nowhere/at/all", top.join("absolute")).unwrap();
    symlink("../..", top.join("a/up")).unwrap();
    symlink("a", top.join("to-a")).unwrap();
    set_mode(&top.join("a/b/two"), 0o755);
    set_mode(&top.join("a/one"), 0o600);
    set_mode(&top.join("locked"), 0o500);
    // Setuid and setgid files, sticky and setgid folders. `change` removes one of the folders, so a
    // restore has to create it.
    set_mode(&top.join("a/b/same"), 0o4711);
    set_mode(&top.join("gone/deep/er/file"), 0o2750);
    set_mode(&top.join("gone/deep"), 0o2775);
    set_mode(&top.join("empty"), 0o1777);
    set_mode(&top.join("a"), 0o2755);
}

/// Applies every kind of change to the tree that `make` created.
pub fn change(top: &Path) {
    fs::write(top.join("a/one"), "another").unwrap();
    fs::write(top.join("a/b/same"), "2").unwrap();
    set_mode(&top.join("a/b/two"), 0o644);
    set_mode(&top.join("empty"), 0o700);
    set_mode(&top.join("locked"), 0o755);
    remove(&top.join("locked/in"));
    remove(&top.join("gone"));
    remove(&top.join("a-b"));
    fs::write(top.join("a-b"), "a file now").unwrap();
    remove(&top.join("absolute"));
    symlink("/else/where", top.join("absolute")).unwrap();
    remove(&top.join("to-a"));
    fs::create_dir_all(top.join("to-a/x/y")).unwrap();
    fs::create_dir_all(top.join("more/and/more")).unwrap();
    fs::write(top.join("more/and/file"), "more").unwrap();
    pipe(&top.join("a/pipe"));
}
