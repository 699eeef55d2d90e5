//! The engines of the repository pipeline on repositories of their own: what they find, what
//! they refuse, and that the same files and rules give the same bytes anywhere.

mod lint;
mod scan;

use std::path::{Path, PathBuf};

use coo_kernel::form::digest::Digest;

use crate::support::{Ran, World, steady};

/// Returns the one line that a refused command prints, for a snapshot.
#[track_caller]
fn error(ran: &Ran) -> String {
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
    assert!(ran.stderr.starts_with("ERROR: "), "{ran:?}");
    assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
    steady(&ran.stderr)
}

/// A file of this repository.
fn reference(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Writes ruleset and `coo.toml` of a repository into the folder `in_folder` of the world.
fn configure(world: &World, in_folder: &str, section: &str, ruleset: &str, more: &str) {
    world.file(&format!("{in_folder}rules.json"), ruleset);
    let sha256 = Digest::of(ruleset);
    world.file(
        &format!("{in_folder}coo.toml"),
        format!("[{section}]\nruleset = 'rules.json'\nruleset_sha256 = '{sha256}'\n{more}\n"),
    );
}
