//! The repository of a change beside the baselines that the state root keeps of it: capture,
//! comparison and restore. Knows nothing of stages, and records nothing.

use anyhow::{Result, bail};
use coo_engines::repository::scope::Scope;
use coo_kernel::form::digest::Digest;

use super::super::Repository;
use crate::baselines::{self, Baseline, Progress, Tree};
use crate::state::state_root::StateRoot;

/// Most changed files that a message names.
const NAMED_MAX: usize = 5;

/// What a message says if the repository is not as recorded.
pub const BY_SOMEBODY: &str = "changed by somebody else meanwhile";

/// The repository of a change, and the state root with its baselines.
#[derive(Clone, Copy)]
pub struct Worktree<'a> {
    pub repository: &'a Repository,
    pub root: &'a StateRoot,
    pub progress: &'a Progress<'a>,
}

impl Worktree<'_> {
    /// Returns the part of the repository that engines may read.
    pub fn tree(&self) -> Result<Tree> {
        self.repository.part(&Scope::new(&["**/*"])?)
    }

    /// Returns the folder that the migration deletes, with everything in it.
    pub fn old_package(&self) -> Result<Tree> {
        let section = self.repository.config.migrate.as_ref();
        let section = self.repository.section(section, "migrate")?;
        self.repository.folder(&section.from)
    }

    /// Captures a baseline of `tree`.
    pub fn capture(&self, tree: &Tree) -> Result<Baseline> {
        baselines::part::keep(self.root, tree, self.progress)
    }

    pub fn load(&self, id: &Digest) -> Result<Baseline> {
        baselines::part::load(self.root, id)
    }

    /// Restores `tree` to `baseline`, as one write-ahead operation.
    pub fn restore(&self, baseline: &Baseline, tree: &Tree) -> Result<()> {
        baselines::restore(self.root, baseline, tree, self.progress).map(drop)
    }

    /// Returns the paths at which the repository differs from `baseline`.
    pub fn changed(&self, baseline: &Baseline) -> Result<Vec<String>> {
        let differences = baselines::compare(baseline, &self.tree()?, self.progress)?;
        let mut paths: Vec<String> = differences
            .into_iter()
            .map(|difference| difference.path.text())
            .collect();
        paths.dedup();
        Ok(paths)
    }

    /// Fails if the repository differs from `baseline`; `who` tells in the message what may have
    /// changed it.
    pub fn expect(&self, baseline: &Baseline, who: &str) -> Result<()> {
        let changed = self.changed(baseline)?;
        if changed.is_empty() {
            return Ok(());
        }
        bail!("{}", changed_by(who, &changed));
    }
}

/// Returns a message that names some of the changed paths.
pub fn changed_by(who: &str, changed: &[String]) -> String {
    let named = changed[..changed.len().min(NAMED_MAX)].join(", ");
    let more = match changed.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{who}: {named}{more}")
}
