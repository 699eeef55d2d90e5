//! A repository that an engine judges or changes: a directory and its `coo.toml`. Reads files
//! through handles and follows no links. Writes nothing itself.

pub mod amend;
pub mod change;
pub mod gates;
mod lint;
pub mod migrate;
mod scan;
mod test_run;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use coo_engines::repository::config::{self, BYTES_MAX, Config, FILE};
use coo_engines::repository::scope::Scope;
use coo_kernel::baseline::{Node, TreePath};
use coo_kernel::form::digest::Digest;
use rayon::prelude::*;

use crate::baselines::{self, Folders, Tree};
use crate::hint::Hint as _;
use crate::machine::input_file;
use crate::machine::input_file::read_bounded;

pub use lint::lint;
pub use scan::{Scanned, scan};
pub use test_run::last_lines;

/// Largest file that an engine reads, in bytes. Documents and sources are far smaller. A larger
/// file is an error, never skipped; only a migration skips those outside its scope.
pub const FILE_BYTES_MAX: u64 = 64 << 20;

/// An open repository, with its configuration.
pub struct Repository {
    /// The repository's directory; the state root is never part of it.
    pub tree: Tree,
    pub config: Config,
    /// The digest of the configuration's text.
    pub config_sha256: Digest,
    config_text: String,
    config_path: PathBuf,
}

impl Repository {
    /// Opens the repository at `path`, whose configuration is `config` or the `coo.toml` in it.
    pub fn open(path: &Path, config: Option<&Path>, state_root: &Path) -> Result<Self> {
        let config_path = config.map_or_else(|| path.join(FILE), Path::to_owned);
        let shown = || format!("configuration {}", config_path.display());
        if !config_path.try_exists().unwrap_or(true) {
            bail!(
                anyhow!("{}: can't be opened", shown())
                    .hint("write one, or name one with --config")
            );
        }
        let file = input_file::open("configuration", &config_path)?;
        let text = read_bounded(file, &config_path, BYTES_MAX)?;
        Self::of(path, config_path, &text, state_root)
    }

    /// Opens the repository at `path` with a configuration that was read before.
    pub fn recorded(path: &Path, config: &[u8], state_root: &Path) -> Result<Self> {
        Self::of(path, path.join(FILE), config, state_root)
    }

    fn of(path: &Path, config_path: PathBuf, text: &[u8], state_root: &Path) -> Result<Self> {
        let shown = || format!("configuration {}", config_path.display());
        let text = str::from_utf8(text).with_context(shown)?;
        let config = Config::parse(text).with_context(shown)?;
        Ok(Self {
            tree: Tree::open(path, state_root)?,
            config,
            config_sha256: Digest::of(text),
            config_text: text.to_owned(),
            config_path,
        })
    }

    /// Returns a section of the configuration; fails with what to do if it is missing.
    pub fn section<'a, T>(&self, section: Option<&'a T>, name: &str) -> Result<&'a T> {
        section
            .with_context(|| {
                format!(
                    "configuration {}: has no section [{name}]",
                    self.config_path.display()
                )
            })
            .hint("write one")
    }

    /// Reads a file that the configuration names.
    pub fn read(&self, path: &str) -> Result<Vec<u8>> {
        let path = TreePath::from_text(path).with_context(|| {
            format!(
                "configuration {}: '{}' is not a path from the top of the repository",
                self.config_path.display(),
                path.escape_debug().take(80).collect::<String>()
            )
        })?;
        self.read_in(&mut Folders::default(), &path)
    }

    /// Reads the ruleset at `path`; fails if it does not have this digest (packet §5.4).
    pub fn pinned(&self, path: &str, sha256: &Digest) -> Result<Vec<u8>> {
        let content = self.read(path)?;
        let found = Digest::of(&content);
        if found != *sha256 {
            bail!(
                anyhow!(
                    "ruleset {path}: has SHA-256 {found}, {} pins {sha256}",
                    self.config_path.display()
                )
                .hint("take the pinned ruleset, or have the new one approved and pin that")
            );
        }
        Ok(content)
    }

    /// Returns the part of the tree with the files of `scope`.
    pub fn part(&self, scope: &Scope) -> Result<Tree> {
        part(&self.tree, scope, &self.config.repository)
    }

    /// Returns everything in `folder`, including files that the engines do not read.
    pub fn folder(&self, folder: &str) -> Result<Tree> {
        let scope = Scope::exactly([folder])?;
        let patterns = scope.patterns();
        let patterns: Vec<String> = patterns.map(|path| format!("{path}/**/*")).collect();
        let nothing_left_out = config::Repository::default();
        part(&self.tree, &Scope::new(&patterns)?, &nothing_left_out)
    }

    /// Returns the files of `scope`, sorted by the bytes of their paths. Refuses links, since the
    /// files behind them would not be read.
    pub fn files(&self, scope: &Scope) -> Result<Vec<TreePath>> {
        self.files_without(scope, &Scope::default())
    }

    /// Returns the same without `exclude`; a folder stands for everything in it.
    pub fn files_without(&self, scope: &Scope, exclude: &Scope) -> Result<Vec<TreePath>> {
        let left_out = config::Repository {
            exclude: Scope::all_of([&self.config.repository.exclude, exclude]),
        };
        let mut files = Vec::new();
        for found in part(&self.tree, scope, &left_out)?.scan()? {
            let entry = found.entry;
            let path = entry.path.text();
            let is_meant = scope.has(&path)
                // Files in a folder behind a link would not be read.
                || (scope.reaches(&path) && self.leads_on(&entry.path, &entry.node));
            if !is_meant {
                continue;
            }
            match entry.node {
                Node::File { .. } => files.push(entry.path),
                Node::Folder { .. } => {}
                Node::Link { .. } | Node::Closed { .. } | Node::Other(_) => bail!(
                    anyhow!(
                        "{} {}: is in scope and is not a file",
                        entry.node.kind(),
                        self.tree.shown(&entry.path)
                    )
                    .hint(format!("exclude it in {}", self.config_path.display()))
                ),
            }
        }
        Ok(files)
    }

    /// Returns whether there may be more files behind an entry that is not searched: a link to a
    /// folder, or an unreadable folder.
    fn leads_on(&self, path: &TreePath, node: &Node) -> bool {
        match node {
            Node::Closed { .. } => true,
            Node::Link { .. } => match fs::metadata(self.tree.shown(path)) {
                Ok(target) => target.is_dir(),
                Err(error) => error.kind() != std::io::ErrorKind::NotFound,
            },
            Node::File { .. } | Node::Folder { .. } | Node::Other(_) => false,
        }
    }

    /// Reads and judges every file, on all cores; the results are in the order of `files`.
    pub fn judge<T: Send>(
        &self,
        files: &[TreePath],
        judge: impl Fn(&TreePath, &[u8]) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        files
            .par_iter()
            .map_init(Folders::default, |folders, path| {
                judge(path, &self.read_in(folders, path)?)
            })
            .collect()
    }

    /// Returns a message without the repository's path, so that it is the same everywhere.
    #[must_use]
    pub fn portable(&self, message: &str) -> String {
        message.replace(&self.tree.path.display().to_string(), "<repository>")
    }

    fn read_in(&self, folders: &mut Folders, path: &TreePath) -> Result<Vec<u8>> {
        let shown = self.tree.path.join(path.text());
        let file = folders
            .of(&self.tree.dir, path)
            .and_then(|folder| baselines::open_file(folder, path))
            .with_context(|| format!("file {}: can't be opened", shown.display()))?;
        read_bounded(file, &shown, FILE_BYTES_MAX)
    }
}

/// Returns the part of `tree` with those files of `scope` that `repository` does not leave out.
fn part(tree: &Tree, scope: &Scope, repository: &config::Repository) -> Result<Tree> {
    let (scope, repository) = (scope.clone(), repository.clone());
    tree.part(move |path| !repository.leaves_out(path) && (scope.has(path) || scope.reaches(path)))
}
