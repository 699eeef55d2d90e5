//! Which files a state root may hold: one table of what `coo` itself writes there, each by the
//! form of its name. The host names no file of a state root without an `OwnPermit`, and only
//! `permit` can mint one, so a file that is not in the table can't be written. Files that missions
//! write have permits of their own (see `artefact`). This module judges names only.

use crate::form::digest::Digest;
use crate::mission::MissionId;

/// The folder of the artefacts of missions.
pub const ARTEFACTS: &str = "artefacts";
/// The missions' database.
pub const WORLD: &str = "world.db";
/// The store: journals, indexes, frozen answers.
pub const STORE: &str = "coo.db";

/// The file that keeps a state root out of the version control of the folder around it.
pub const GITIGNORE: &str = ".gitignore";

/// Where a state root keeps the module of this digest.
pub fn module(module: &Digest) -> String {
    format!("modules/{module}.wasm")
}

/// Every file, by pattern: between slashes a plain name, or one with a variable part. Databases
/// (`coo.db`, `world.db`), `lock` files and unfinished files in `tmp/` are not written by name.
pub const FILES: [&str; 41] = [
    ".gitignore",
    "FREEZE",
    "REPORTS.json",
    "REPORTS.md",
    "amu0/baselines/<sha256>.json",
    "amu0/names/<name>.json",
    "amu0/packs/<sha256>.pack",
    "amu0/restore.json",
    "artefacts/INDEX.json",
    "artefacts/INDEX.md",
    "cache/freeze_check.json",
    "cache/freeze_coo.json",
    "changes/<number>/amendment_diff.patch",
    "changes/<number>/amendment_log.json",
    "changes/<number>/db_transactions.jsonl",
    "changes/<number>/escalation_<name>.json",
    "changes/<number>/gate_results.json",
    "changes/<number>/lint_report.json",
    "changes/<number>/migration_plan.json",
    "changes/<number>/mission_log.jsonl",
    "changes/<number>/mission_output.json",
    "changes/<number>/normalized/<name>.json",
    "changes/<number>/question.json",
    "changes/<number>/scanner_report.json",
    "changes/<number>/snapshot_1.json",
    "changes/<number>/snapshot_2.json",
    "changes/<number>/tests_<name>.txt",
    "config.json",
    "demo/<mission>/demo_report.txt",
    "evidence/<number>/amendment_diff.patch",
    "evidence/<number>/amendment_log.json",
    "evidence/<number>/approval.json",
    "evidence/<number>/escalation_<name>.json",
    "manifests/environment_manifest.json",
    "manifests/freeze_manifest.json",
    "manifests/hardware_manifest.json",
    "manifests/sandbox_digest.txt",
    "manifests/tools_manifest.json",
    "modules/<sha256>.wasm",
    "verify/<number>/report.json",
    "verify/<number>/report.txt",
];

/// Longest name that people can give to something of theirs, in bytes.
pub const NAME_BYTES_MAX: usize = 64;

/// A file of the state root that `coo` may write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnPermit {
    path: String,
}

impl OwnPermit {
    /// Returns the path from the top of the state root, with `/` between components.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the folder that contains it; empty for the top.
    pub fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

/// A file that has no place in a state root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' has no place in a state root; this is a defect of coo, please report it")]
pub struct NoPlace(String);

/// Checks `path` against the table and returns its permit.
pub fn permit(path: &str) -> Result<OwnPermit, NoPlace> {
    if FILES.iter().any(|pattern| fits(pattern, path)) {
        Ok(OwnPermit {
            path: path.to_owned(),
        })
    } else {
        Err(NoPlace(path.escape_debug().take(200).collect()))
    }
}

fn fits(pattern: &str, path: &str) -> bool {
    let mut components = path.split('/');
    let matched = pattern
        .split('/')
        .all(|wanted| components.next().is_some_and(|found| is(wanted, found)));
    matched && components.next().is_none()
}

/// Returns whether a component of a path fits one of a pattern.
fn is(wanted: &str, found: &str) -> bool {
    let Some((before, rest)) = wanted.split_once('<') else {
        return wanted == found;
    };
    let Some((variable, after)) = rest.split_once('>') else {
        return false;
    };
    let Some(found) = found.strip_prefix(before) else {
        return false;
    };
    // A second variable stands after the last occurrence of the separator.
    if let Some((separator, _)) = after.split_once('<') {
        return found.rsplit_once(separator).is_some_and(|(first, second)| {
            value(variable, first) && is(&after[separator.len()..], second)
        });
    }
    found
        .strip_suffix(after)
        .is_some_and(|found| value(variable, found))
}

fn value(variable: &str, text: &str) -> bool {
    let is_lower_hex = || text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    match variable {
        "sha256" => text.parse::<Digest>().is_ok() && is_lower_hex(),
        "mission" => text.parse::<MissionId>().is_ok(),
        "number" => text.len() >= 6 && text.bytes().all(|b| b.is_ascii_digit()),
        "name" => is_name(text),
        _ => false,
    }
}

/// Returns whether people may give this name to something, so that it can be the name of a file.
pub fn is_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    !text.is_empty()
        && text.len() <= NAME_BYTES_MAX
        && !text.starts_with(['.', '-'])
        && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_has_a_place_is_permitted_and_nothing_else() {
        let hex = "0123456789abcdef".repeat(4);
        let good = [
            "config.json".to_owned(),
            format!("amu0/baselines/{hex}.json"),
            "amu0/names/AMU0-000001.json".to_owned(),
            format!("amu0/packs/{hex}.pack"),
            "cache/freeze_check.json".to_owned(),
            "demo/DEMO-000001/demo_report.txt".to_owned(),
            format!("modules/{hex}.wasm"),
            "verify/000001/report.json".to_owned(),
            "evidence/000001/escalation_A-1.json".to_owned(),
        ];
        for path in &good {
            assert_eq!(permit(path).unwrap().path(), path);
        }
        for path in [
            "",
            "/config.json",
            "./config.json",
            "config.json/",
            "../config.json",
            "x/config.json",
            "coo.db",
            "artefacts/A_v1.0.md",
            "amu0/names/.json",
            "amu0/names/../x.json",
            "amu0/names/a/b.json",
            "demo/DEMO-1/demo_report.txt",
            "demo/../demo_report.txt",
            "modules/abc.wasm",
            "verify/1/report.json",
            "verify/000001/report.html",
            "cache/a.cwasm",
        ] {
            assert!(permit(path).is_err(), "{path}");
        }
        assert_eq!(permit("config.json").unwrap().folder(), "");
        assert_eq!(permit(&good[3]).unwrap().folder(), "amu0/packs");
    }

    proptest! {
        #[test]
        fn nothing_that_is_permitted_leads_anywhere_else(path in "[a-z0-9_./<>\\\\-]{0,30}|.{0,20}") {
            if let Ok(permit) = permit(&path) {
                let is_plain = permit.path().split('/').all(|c| !c.is_empty() && !c.starts_with('.'));
                prop_assert!(is_plain || permit.path() == GITIGNORE);
            }
        }
    }
}
