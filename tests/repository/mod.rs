//! The engines of the repository pipeline on repositories of their own: what they find, what
//! they refuse, and that the same files and rules give the same bytes anywhere.

mod lint;
mod scan;

use std::path::{Path, PathBuf};

use coo_kernel::form::digest::Digest;

use crate::support::{Ran, World, steady};

/// Returns the error of a refused command, which prints nothing else, for a snapshot.
#[track_caller]
fn error(ran: &Ran) -> String {
    assert_eq!(ran.stdout, "", "{ran:?}");
    assert_eq!(ran.stderr, ran.error());
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
