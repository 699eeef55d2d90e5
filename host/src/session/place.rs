//! Where the state root is: the directory that the user names, or else `.coo` in the working
//! directory or in the nearest directory above it, as git finds `.git`. A root of another user is
//! never found, only named. Creates and opens nothing.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use coo_kernel::state::layout;

use crate::machine;
use crate::state::state_root::DEFAULT_NAME;

/// What the user has to know about the place of the root. Said once, by the first command that
/// opens the root.
static UNSAID: Mutex<Option<String>> = Mutex::new(None);

/// Returns the state root that the user means: `--root`, `COO_ROOT`, or the nearest `.coo`. If there
/// is none, it is the one that can be created in the working directory.
pub fn root_path(given: Option<&Path>) -> PathBuf {
    if let Some(named) = named(given) {
        return named;
    }
    let Ok(folder) = machine::working_directory() else {
        return PathBuf::from(DEFAULT_NAME);
    };
    // Its own comes first, whatever is in its place: an error names what is wrong with it.
    if folder.join(DEFAULT_NAME).symlink_metadata().is_ok() {
        return PathBuf::from(DEFAULT_NAME);
    }
    let above = folder.ancestors().skip(1);
    let found = above
        .map(|folder| folder.join(DEFAULT_NAME))
        .find(|root| root.join(layout::STORE).symlink_metadata().is_ok());
    match found {
        Some(root) if is_own(&root) => {
            say_later(format!(
                "state root {}, found above the working directory",
                root.display()
            ));
            root
        }
        Some(root) => {
            say_later(format!(
                "state root {} belongs to another user and is not used; --root names it",
                root.display()
            ));
            PathBuf::from(DEFAULT_NAME)
        }
        None => PathBuf::from(DEFAULT_NAME),
    }
}

/// Returns the state root to create: `--root`, `COO_ROOT`, or `.coo` in `folder`.
pub fn root_path_in(given: Option<&Path>, folder: &Path) -> PathBuf {
    named(given).unwrap_or_else(|| folder.join(DEFAULT_NAME))
}

fn named(given: Option<&Path>) -> Option<PathBuf> {
    given
        .map(Path::to_owned)
        .or_else(|| machine::env_os("COO_ROOT").map(PathBuf::from))
}

/// Returns whether folder and link, if it is one, belong to the user of this process. A directory
/// such as `/tmp` lets everyone put a root above the work of others.
fn is_own(root: &Path) -> bool {
    let user = machine::user_id();
    let of_user = |metadata: std::io::Result<std::fs::Metadata>| {
        metadata.is_ok_and(|metadata| metadata.uid() == user)
    };
    of_user(root.symlink_metadata()) && of_user(root.metadata())
}

fn say_later(line: String) {
    *UNSAID.lock().unwrap_or_else(PoisonError::into_inner) = Some(line);
}

/// Takes what is still to be said about the place of the root.
pub fn take_unsaid() -> Option<String> {
    UNSAID.lock().unwrap_or_else(PoisonError::into_inner).take()
}
