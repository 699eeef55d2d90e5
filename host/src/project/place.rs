//! Places the files of a project: whole, and never over a file of the user. If one file can't be
//! written, those that the same call has written are removed. Only the modules of a build and what
//! records them are ever replaced. Nothing goes through a link below the top of the project.

#![allow(
    clippy::disallowed_methods,
    reason = "writes a project, which is outside every state root; a .gitignore goes where one will be"
)]

use std::fs::{File as Opened, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use coo_kernel::state::layout;

use super::template::{File, STATE_ROOT_IGNORES};
use crate::hint::Hint as _;
use crate::machine::{input_file, output_file};

/// Most conflicts that an error names.
const NAMED_MAX: usize = 3;

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Made,
    /// It was there with the same content.
    Same,
    /// Another file is in its place, and stays.
    Kept,
}

/// Decides what is to become of each file below `top`, before anything is written. Another file in
/// the place of one that the project needs is an error.
pub fn check(top: &Path, files: &[File]) -> Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    let mut conflicts = Vec::new();
    for file in files {
        refuse_link(top, &file.path)?;
        let outcome = look(&top.join(&file.path), file)?;
        if outcome == Outcome::Kept && !file.is_replaceable {
            conflicts.push(file.path.as_str());
        }
        outcomes.push(outcome);
    }
    if conflicts.is_empty() {
        return Ok(outcomes);
    }
    let more = conflicts.len().saturating_sub(NAMED_MAX);
    conflicts.truncate(NAMED_MAX);
    let mut named = conflicts.join(", ");
    if more > 0 {
        named = format!("{named} and {more} more");
    }
    bail!(
        anyhow!(
            "project {}: other files are there already: {named}",
            top.display()
        )
        .hint("choose another folder or name; no file is ever replaced")
    )
}

/// Fails if a folder on the way from `top` to `path` is a symbolic link: it could lead out of the
/// project. The user may have named `top` itself by a link.
pub fn refuse_link(top: &Path, path: &str) -> Result<()> {
    let folders = path.match_indices('/').map(|(end, _)| &path[..end]);
    for folder in folders {
        let metadata = top.join(folder).symlink_metadata();
        if metadata.is_ok_and(|metadata| metadata.is_symlink()) {
            bail!(
                anyhow!(
                    "project {}: {folder} is a symbolic link, and could lead out of it",
                    shown(top)
                )
                .hint("put a folder in its place")
            );
        }
    }
    Ok(())
}

/// Returns a folder as an error names it.
fn shown(top: &Path) -> std::path::Display<'_> {
    if top.as_os_str().is_empty() {
        return Path::new(".").display();
    }
    top.display()
}

/// Has git keep a state root that does not exist yet, but for what belongs to one machine. A file
/// that is there stays, and nothing is written through a link in the place of the root.
pub fn keep_in_git(root: &Path) -> Result<()> {
    let path = root.join(layout::GITIGNORE);
    let is_link = root
        .symlink_metadata()
        .is_ok_and(|metadata| !metadata.is_dir());
    if is_link || path.symlink_metadata().is_ok() {
        return Ok(());
    }
    let mut made = Made::default();
    made.folder_of(&path)?;
    output_file::write_new(&path, STATE_ROOT_IGNORES.as_bytes())?;
    made.keep();
    Ok(())
}

/// Proof that no other build of the project is at work. Dropping it releases the lock.
#[derive(Debug)]
pub struct Lock {
    _folder: Opened,
}

/// Locks a project, so that builds run one after another. If another one holds the lock, calls
/// `waiting` and then waits. The lock is on the folder itself and leaves no file behind.
pub fn lock(top: &Path, waiting: impl FnOnce()) -> Result<Lock> {
    let shown = || format!("project {}: can't be locked", top.display());
    let folder = Opened::open(top).with_context(shown)?;
    match folder.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            waiting();
            folder.lock().with_context(shown)?;
        }
        Err(TryLockError::Error(error)) => return Err(error).with_context(shown),
    }
    Ok(Lock { _folder: folder })
}

fn look(path: &Path, file: &File) -> Result<Outcome> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Outcome::Made),
        Err(error) => {
            return Err(error).with_context(|| format!("file {}", path.display()));
        }
        Ok(metadata) if !metadata.is_file() => return Ok(Outcome::Kept),
        Ok(_) => {}
    }
    let bytes_max = file.content.len() as u64;
    let found = input_file::read(path, bytes_max);
    Ok(match found {
        Ok(found) if found == file.content.as_bytes() => Outcome::Same,
        _ => Outcome::Kept,
    })
}

/// Writes the files that `check` found missing.
pub fn make(top: &Path, files: &[File], outcomes: &[Outcome]) -> Result<()> {
    let mut made = Made::default();
    for (file, outcome) in files.iter().zip(outcomes) {
        if *outcome != Outcome::Made {
            continue;
        }
        let path = top.join(&file.path);
        made.folder_of(&path)?;
        output_file::write_new(&path, file.content.as_bytes())?;
        made.files.push(path);
    }
    made.keep();
    Ok(())
}

/// What a call has made so far; removed if the call fails.
#[derive(Default)]
struct Made {
    files: Vec<PathBuf>,
    folders: Vec<PathBuf>,
}

impl Made {
    /// Makes the folders above `path` that are missing.
    fn folder_of(&mut self, path: &Path) -> Result<()> {
        let above = path.ancestors().skip(1);
        let missing = above.take_while(|folder| {
            !folder.as_os_str().is_empty() && folder.symlink_metadata().is_err()
        });
        for folder in missing.collect::<Vec<_>>().into_iter().rev() {
            std::fs::create_dir(folder)
                .with_context(|| format!("folder {}: can't be made", folder.display()))?;
            self.folders.push(folder.to_owned());
        }
        Ok(())
    }

    fn keep(mut self) {
        self.files.clear();
        self.folders.clear();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for file in &self.files {
            let _ = std::fs::remove_file(file);
        }
        // Innermost first. One that another program has put something into stays.
        for folder in self.folders.iter().rev() {
            let _ = std::fs::remove_dir(folder);
        }
    }
}

/// Writes a file of a build, in place of an older one. Returns false if it has this content already.
pub fn replace(path: &Path, content: &[u8]) -> Result<bool> {
    if let Ok(metadata) = path.symlink_metadata()
        && metadata.is_file()
        && metadata.len() == content.len() as u64
        && input_file::read(path, metadata.len()).is_ok_and(|found| found == content)
    {
        return Ok(false);
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    std::fs::create_dir_all(folder)
        .with_context(|| format!("folder {}: can't be made", folder.display()))?;
    output_file::write_over(path, content)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, content: &str, is_replaceable: bool) -> File {
        File {
            path: path.to_owned(),
            content: content.to_owned(),
            about: "",
            is_replaceable,
        }
    }

    #[test]
    fn a_file_that_is_there_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let files = [file("a/b.txt", "own", true), file("c.txt", "c", false)];
        std::fs::create_dir(folder.path().join("a")).unwrap();
        std::fs::write(folder.path().join("a/b.txt"), "user's").unwrap();
        let outcomes = check(folder.path(), &files).unwrap();
        assert_eq!(outcomes, [Outcome::Kept, Outcome::Made]);
        make(folder.path(), &files, &outcomes).unwrap();
        assert_eq!(
            std::fs::read_to_string(folder.path().join("a/b.txt")).unwrap(),
            "user's"
        );
        assert_eq!(
            check(folder.path(), &files).unwrap(),
            [Outcome::Kept, Outcome::Same]
        );
        // A link counts as a file of the user, even if it leads to nothing.
        std::fs::remove_file(folder.path().join("c.txt")).unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("c.txt")).unwrap();
        let error = check(folder.path(), &files).unwrap_err().to_string();
        assert!(
            error.ends_with("other files are there already: c.txt"),
            "{error}"
        );
    }

    #[test]
    fn a_link_in_the_place_of_a_folder_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let [top, outside] = ["top", "outside"].map(|name| folder.path().join(name));
        std::fs::create_dir_all(top.join("a")).unwrap();
        std::fs::create_dir(&outside).unwrap();
        std::os::unix::fs::symlink(&outside, top.join("a/b")).unwrap();
        let files = [file("c.txt", "c", false), file("a/b/d/e.txt", "e", false)];
        let error = check(&top, &files).unwrap_err().to_string();
        assert!(error.contains(": a/b is a symbolic link"), "{error}");
        assert!(check(&top, &files[..1]).is_ok());
        // The top may be one.
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&top, &link).unwrap();
        assert!(check(&link, &files[..1]).is_ok());
    }

    #[test]
    fn one_build_at_a_time_holds_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let held = lock(folder.path(), || panic!("nobody holds it")).unwrap();
        let other = Opened::open(folder.path()).unwrap();
        assert!(matches!(other.try_lock(), Err(TryLockError::WouldBlock)));
        drop(held);
        other.try_lock().unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn nothing_is_left_of_a_call_that_fails() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().join("new");
        // The second can't be written: the first is in the place of its folder.
        let files = [file("a/b", "b", false), file("a/b/c", "c", false)];
        let error = make(&top, &files, &[Outcome::Made, Outcome::Made]).unwrap_err();
        assert!(format!("{error:#}").contains("a/b"), "{error:#}");
        assert!(!top.exists());
    }

    #[test]
    fn a_file_of_a_build_is_replaced_if_it_differs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dist/m.wasm");
        assert!(replace(&path, b"one").unwrap());
        assert!(!replace(&path, b"one").unwrap());
        assert!(replace(&path, b"two").unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(
            std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1
        );
    }
}
