//! Tells whether a module is older than its sources, by the manifest that the build left beside it.
//! Digests decide and never times: a checkout gives every file a new time. A source that can't be read
//! counts as changed. Nothing is said about a module that no build of a project made, or about one
//! whose manifest can't be read; neither is an error here.

use std::path::{Path, PathBuf};

use coo_kernel::form::digest::Digest;
use coo_kernel::project::manifest::{FILE, MANIFEST_BYTES_MAX, Manifest};

use super::DIST;
use super::build::SOURCE_BYTES_MAX;
use crate::machine::input_file::read as read_file;

/// A module whose sources were changed after its build.
#[derive(Debug, PartialEq, Eq)]
pub struct Stale {
    /// The name of its mission.
    pub mission: String,
    /// The sources that differ, by their paths from the top of the project; at least one.
    pub changed: Vec<String>,
}

/// Looks whether the module at `path`, whose digest is `found`, is older than its sources.
#[must_use]
pub fn stale(path: &Path, found: &Digest) -> Option<Stale> {
    let folder = path.parent()?;
    let file = path.file_name()?.to_str()?;
    let top = top_of(folder)?;
    let manifest = read_file(&folder.join(FILE), MANIFEST_BYTES_MAX).ok()?;
    let manifest = Manifest::parse(&manifest).ok()?;
    let now = |source: &str| {
        let content = read_file(&top.join(source), SOURCE_BYTES_MAX).ok()?;
        Some(Digest::of(content))
    };
    let changed = manifest.module(file, found)?.changed(now);
    let changed: Vec<String> = changed.into_iter().map(str::to_owned).collect();
    let mission = path.file_stem()?.to_str()?.to_owned();
    (!changed.is_empty()).then_some(Stale { mission, changed })
}

/// Returns the top of the project whose folder of modules is `folder`.
fn top_of(folder: &Path) -> Option<PathBuf> {
    let folder = folder.canonicalize().ok()?;
    let top = folder.ancestors().nth(DIST.split('/').count())?;
    (top.join(DIST) == folder).then(|| top.to_owned())
}
