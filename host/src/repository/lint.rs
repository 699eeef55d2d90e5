//! Runs the constitutional lint over a repository. The kernel (`coo-engines`) decides by the pinned ruleset
//! which rules are broken. Writes nothing.

use anyhow::{Context as _, Result};
use coo_engines::lint::{Linter, Report};
use coo_kernel::baseline::TreePath;

use super::Repository;

/// The result of the lint.
pub struct Linted {
    pub report: Report,
    /// Rules that match no file, one line each.
    pub idle: Vec<String>,
}

/// Judges the repository by the ruleset that `[lint]` names.
pub fn lint(repository: &Repository) -> Result<Linted> {
    let section = repository.section(repository.config.lint.as_ref(), "lint")?;
    let content = repository.pinned(&section.ruleset, &section.ruleset_sha256)?;
    let linter = Linter::new(&content).with_context(|| format!("ruleset {}", section.ruleset))?;
    let files = repository.files(&linter.paths())?;
    let read: Vec<TreePath> = files
        .iter()
        .filter(|path| linter.reads(path))
        .cloned()
        .collect();
    let judged = repository.judge(&read, |path, content| {
        let shown = || format!("file {}", repository.tree.shown(path));
        linter.file(path, content).with_context(shown)
    })?;
    let (report, idle) = linter.conclude(&files, judged, section.ruleset_sha256);
    Ok(Linted { report, idle })
}
