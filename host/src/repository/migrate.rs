//! `coo migrate plan`: every file that a migration touches is read and judged, on all cores. What
//! becomes of each is the kernel's to say; nothing is written.

use anyhow::{Result, bail};
use coo_kernel::baseline::{Node, TreePath};
use coo_kernel::digest::Digest;
use coo_kernel::repository::config::Migrate;
use coo_kernel::repository::migrate::{Migration, Planned};
use coo_kernel::repository::scope::Scope;
use serde::Serialize;

use super::Repository;

/// What a migration would do.
#[derive(Debug, Serialize)]
pub struct Plan {
    /// Digest of the text of `coo.toml`.
    config_sha256: Digest,
    /// Every file that moves, changes or has questions, by path.
    pub files: Vec<Planned>,
    /// The package's dotted name.
    pub from: String,
    /// How many files were read.
    pub read: usize,
    /// Its dotted name afterwards.
    pub to: String,
}

impl Plan {
    /// How many of its files have something of a kind, and how many of that there are.
    pub fn count(&self, of: impl Fn(&Planned) -> usize) -> usize {
        self.files.iter().map(of).sum()
    }
}

/// Plans what `[migrate]` says.
pub fn plan(repository: &Repository) -> Result<Plan> {
    let section: &Migrate = repository.section(repository.config.migrate.as_ref(), "migrate")?;
    let migration = Migration::of(section)?;
    let mut paths = Vec::new();
    let mut there = Vec::new();
    for found in repository.part(&Scope::new(&["**/*"])?)?.scan()? {
        let entry = found.entry;
        let path = entry.path.text();
        match entry.node {
            Node::Folder { .. } => continue,
            Node::File { .. } if migration.has(&path) => paths.push(entry.path),
            Node::Link { .. } | Node::Other(_) if migration.has(&path) => bail!(
                "{} {}: has a part in the migration and is no file; take it out of [migrate], or make it a file",
                entry.node.kind(),
                repository.tree.shown(&entry.path)
            ),
            _ => {}
        }
        there.push(path);
    }
    let mut files = repository.judge(&paths, |path: &TreePath, content| {
        Ok(migration.plan(&path.text(), content)?)
    })?;
    if files.iter().all(|file| file.becomes.is_none()) {
        bail!(
            "folder {}: has no files, so nothing would move; correct [migrate] from",
            section.from
        );
    }
    migration.check(&files, there.iter().map(String::as_str))?;
    let read = files.len();
    files.retain(|file| {
        file.becomes.is_some() || file.content.is_some() || !file.questions.is_empty()
    });
    let moved = migration.moved();
    Ok(Plan {
        config_sha256: repository.config_sha256,
        files,
        from: moved.from.to_string(),
        read,
        to: moved.to.to_string(),
    })
}
