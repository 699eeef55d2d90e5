//! Plans migrations: reads every file that a migration may touch, on all cores, from the repository
//! or from a baseline. The kernel (`coo-engines`) decides what happens to each file. Writes nothing to the
//! repository.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, anyhow, bail};
use coo_engines::migrate::{
    Migration, Planned, ask_about_names, ask_about_shared, deleted, ported, unmatched, unreplaced,
};
use coo_engines::repository::config::Migrate;
use coo_engines::repository::scope::Scope;
use coo_kernel::baseline::{Manifest, Node, TreePath};
use coo_kernel::form::digest::Digest;
use rayon::prelude::*;
use serde::Serialize;

use super::{FILE_BYTES_MAX, Repository};
use crate::baselines::{self, Baseline};
use crate::hint::Hint as _;
use crate::state::state_root::StateRoot;

/// The plan of a migration.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Plan {
    /// Digest of the text of `coo.toml`.
    config_sha256: Digest,
    /// Every file that moves, changes or has questions, by path.
    pub files: Vec<Planned>,
    /// The package's dotted name before the move.
    pub from: String,
    /// The number of files that were read.
    pub read: usize,
    /// The package's dotted name after the move.
    pub to: String,
    /// Notes for the user that need no answer, one line each: entries of the configuration that
    /// match nothing, and files that may mean the package.
    #[serde(skip)]
    pub notes: Vec<String>,
}

impl Plan {
    /// Returns the sum of `of` over all files.
    pub fn count(&self, of: impl Fn(&Planned) -> usize) -> usize {
        self.files.iter().map(of).sum()
    }

    /// Returns the number of open questions.
    #[must_use]
    pub fn questions(&self) -> usize {
        self.count(|file| file.questions.len())
    }
}

fn section(repository: &Repository) -> Result<&Migrate> {
    repository.section(repository.config.migrate.as_ref(), "migrate")
}

/// Plans the migration in `[migrate]` from the files in the repository.
pub fn plan(repository: &Repository) -> Result<Plan> {
    let migration = Migration::of(section(repository)?)?;
    let found = repository.part(&Scope::new(&["**/*"])?)?.scan()?;
    let found = found.into_iter().map(|found| found.entry);
    let (paths, there) = sorted_out(repository, &migration, found.map(|e| (e.path, e.node)))?;
    let migration = migration.among(there.iter().map(String::as_str));
    let files = repository.judge(&paths, |path: &TreePath, content| {
        Ok(migration.plan(&path.text(), content)?)
    })?;
    finished(repository, &migration, files, &there)
}

/// Plans as `plan` does, from a baseline of the repository.
pub fn plan_of(root: &StateRoot, was: &Baseline, repository: &Repository) -> Result<Plan> {
    let migration = Migration::of(section(repository)?)?;
    let entries = was.manifest.entries().iter();
    let entries = entries.map(|entry| (entry.path.clone(), entry.node.clone()));
    let (paths, there) = sorted_out(repository, &migration, entries)?;
    let migration = migration.among(there.iter().map(String::as_str));
    let files: Result<Vec<Planned>> = paths
        .par_iter()
        .map(|path| {
            let path = path.text();
            let contents = baselines::part::contents(root, was, [path.clone()], FILE_BYTES_MAX)?;
            let content = contents
                .get(&path)
                .context("file: is not in the baseline")?;
            Ok(migration.plan(&path, content)?)
        })
        .collect();
    finished(repository, &migration, files?, &there)
}

/// Returns the files to read, and every file. Fails if something in the migration is not a file.
fn sorted_out(
    repository: &Repository,
    migration: &Migration<'_>,
    entries: impl Iterator<Item = (TreePath, Node)>,
) -> Result<(Vec<TreePath>, Vec<String>)> {
    let (mut paths, mut there) = (Vec::new(), Vec::new());
    for (path, node) in entries {
        let text = path.text();
        match node {
            Node::Folder { .. } => continue,
            Node::File { .. } if migration.has(&text) => paths.push(path),
            Node::File { size, .. }
                if (migration.is_outside(&text) && size <= FILE_BYTES_MAX)
                    || migration.is_elsewhere(&text, size) =>
            {
                paths.push(path);
            }
            Node::Link { .. } | Node::Closed { .. } | Node::Other(_) if migration.has(&text) => {
                bail!(
                    anyhow!(
                        "{} {}: is part of the migration and is not a file",
                        node.kind(),
                        repository.tree.shown(&path)
                    )
                    .hint("take it out of [migrate], or make it a file")
                )
            }
            _ => {}
        }
        there.push(text);
    }
    Ok((paths, there))
}

fn finished(
    repository: &Repository,
    migration: &Migration<'_>,
    mut files: Vec<Planned>,
    there: &[String],
) -> Result<Plan> {
    if files.iter().all(|file| file.becomes.is_none()) {
        bail!(
            anyhow!(
                "folder {}: has no files, so nothing would move",
                section(repository)?.from
            )
            .hint("correct [migrate] from")
        );
    }
    migration.check(&files, there.iter().map(String::as_str))?;
    ask_about_shared(migration, &mut files);
    // Other files were read only for mentions of the package.
    let has_part = |file: &&Planned| migration.has(&file.path) || migration.is_outside(&file.path);
    let read = files.iter().filter(has_part).count();
    ask_about_names(migration, &mut files, there);
    unreplaced(migration, &files)?;
    let mut notes = unmatched(migration, &files, there);
    notes.extend(files.iter().flat_map(|file| file.notes.iter().cloned()));
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
        notes,
    })
}

/// Returns the tree with the package in both places, and the tree with it only in the new one.
/// Stores the new contents in `root`; the caller must be its only writer.
pub fn trees(
    root: &StateRoot,
    was: &Manifest,
    plan: &Plan,
    repository: &Repository,
) -> Result<(Baseline, Baseline)> {
    let section = section(repository)?;
    let from = TreePath::from_text(&section.from)?;
    let to = TreePath::from_text(&section.to)?;
    let changed = plan.files.iter();
    let changed: Vec<(&String, &Vec<u8>)> = changed
        .filter_map(|file| Some((&file.path, file.content.as_ref()?)))
        .collect();
    let known = changed.iter().map(|(_, content)| content.as_slice());
    let known = baselines::part::keep_contents(root, known)?;
    let contents: BTreeMap<String, (Digest, u64)> = changed
        .iter()
        .zip(known)
        .map(|((path, _), known)| ((*path).clone(), known))
        .collect();
    let between = ported(was, &plan.files, &contents, (&from, &to))?;
    let after = deleted(&between, &from)?;
    Ok((
        baselines::part::keep_manifest(root, between)?,
        baselines::part::keep_manifest(root, after)?,
    ))
}
