//! Asks a person before a command changes documents that the registry protects (Tier-1 plan FP-3.9).
//! The answer is for the caller to record. Decides nothing about names; the kernel's registry does.

use anyhow::{Result, anyhow, bail};
use coo_kernel::mission::edition::Edition;
use coo_kernel::mission::protected;

use super::print;
use crate::hint::Hint as _;

/// The word that the person must type.
const CONFIRMATION: &str = "CONFIRM_PROTECTED";
/// Documents that are named before the question, at most.
const NAMED_MAX: usize = 20;

/// Returns which of `paths` are protected, if there are none or a person permits the change; `approved`
/// says that a person has done so on the command line.
pub fn permitted<'a>(
    what: &str,
    paths: impl Iterator<Item = &'a str>,
    approved: bool,
) -> Result<Vec<String>> {
    let found: Vec<_> = paths
        .filter_map(|path| Some((path, protected::of(Edition::CURRENT, path)?)))
        .collect();
    let paths = found.iter().map(|(path, _)| (*path).to_owned()).collect();
    if approved || found.is_empty() {
        return Ok(paths);
    }
    let count = print::count(found.len(), "protected document");
    let mut lines = vec![format!("{what} changes {count}:")];
    let named = found.iter().take(NAMED_MAX);
    lines.extend(named.map(|(path, (pattern, why))| format!("{path} ({why}, '{pattern}')")));
    if found.len() > NAMED_MAX {
        lines.push("…".to_owned());
    }
    print::before_asking(&lines);
    let Err(_) = print::ask_for(CONFIRMATION, "permit it") else {
        return Ok(paths);
    };
    bail!(
        anyhow!(
            "{what}: would change {count}, the first is '{}', and nobody permitted it; \
             nothing was changed",
            found[0].0
        )
        .hint(format!(
            "run it again and type {CONFIRMATION}, or give --yes"
        ))
    );
}
