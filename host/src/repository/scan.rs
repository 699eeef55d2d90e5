//! Runs the governance-leak scanner over a repository. The kernel (`coo-engines`) decides by the pinned ruleset
//! what a leak is. Writes nothing.

use anyhow::{Context as _, Result, anyhow, bail};
use coo_engines::repository::scope::Scope;
use coo_engines::scan::{Report, Ruleset, Scanner};
use coo_kernel::baseline::TreePath;

use super::Repository;
use crate::hint::Hint as _;

/// The result of a scan.
pub struct Scanned {
    /// The report in the form of packet §5.5.
    pub report: Report,
    pub ruleset: Ruleset,
    /// The number of files that were read.
    pub files: usize,
    /// Patterns of the scope that no file matches.
    pub unmatched: Vec<String>,
}

/// Scans the files that `[scan]` names.
pub fn scan(repository: &Repository) -> Result<Scanned> {
    let section = repository.section(repository.config.scan.as_ref(), "scan")?;
    let content = repository.pinned(&section.ruleset, &section.ruleset_sha256)?;
    let scanner = Scanner::new(&content).with_context(|| format!("ruleset {}", section.ruleset))?;
    let files = repository.files_without(&section.paths, &section.exclude)?;
    if files.is_empty() {
        // A scan that read no file must not end as PASS.
        bail!(
            anyhow!(
                "scope of [scan]: no file matches {}",
                section.paths.patterns().collect::<Vec<_>>().join(", ")
            )
            .hint(format!(
                "correct paths in {}",
                repository.config_path.display()
            ))
        );
    }
    let violations = repository.judge(&files, |path, content| {
        let shown = || format!("file {}", repository.tree.shown(path));
        scanner.file(path, content).with_context(shown)
    })?;
    Ok(Scanned {
        report: Report::new(
            violations.into_iter().flatten().collect(),
            section.paths.clone(),
            section.ruleset_sha256,
        ),
        unmatched: unmatched(&section.paths, &files),
        files: files.len(),
        ruleset: scanner.into_ruleset(),
    })
}

fn unmatched(scope: &Scope, files: &[TreePath]) -> Vec<String> {
    let files: Vec<String> = files.iter().map(TreePath::text).collect();
    let patterns = scope.each();
    let patterns = patterns.filter(|(_, scope)| !files.iter().any(|file| scope.has(file)));
    patterns.map(|(pattern, _)| pattern.to_owned()).collect()
}
