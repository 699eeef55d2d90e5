//! The manifests of a state root: files that record its tools, environment, hardware and module
//! set, so that they can be checked later. All values come from the machine and none is guessed.
//! The kernel's `manifest` parses and compares them.
//!
//! Invariants: the same machine gives the same bytes, and an unchanged file is not rewritten. No
//! manifest contains a secret.

pub mod environment;
pub mod hardware;
pub mod tools;

use anyhow::{Context as _, Result};
use coo_kernel::form::digest::Digest;
use coo_kernel::module::module_set;
use coo_kernel::state::manifest::{self, Difference};
use serde::Serialize;
use serde_json::Value;

use crate::effects::environment::Environment;
use crate::hint;
use crate::program::bundle;
use crate::state::config::Config;
use crate::state::state_root::StateRoot;

#[cfg(feature = "repository")]
pub use environment::secrets;

/// The folder of manifests in the state root.
pub const FOLDER: &str = "manifests";
const TOOLS_FORMAT: &str = "coo-tools-manifest/1";
const ENVIRONMENT_FORMAT: &str = "coo-environment-manifest/1";
const HARDWARE_FORMAT: &str = "coo-hardware-manifest/1";
/// The three JSON manifests, each with its format.
const JSON: [(&str, &str); 3] = [
    ("environment_manifest.json", ENVIRONMENT_FORMAT),
    ("hardware_manifest.json", HARDWARE_FORMAT),
    (TOOLS, TOOLS_FORMAT),
];
const TOOLS: &str = "tools_manifest.json";
const SANDBOX: &str = "sandbox_digest.txt";
const BYTES_MAX: u64 = 4 << 20;
/// Limit for a file of `/proc` or `/sys`.
const SYSTEM_FILE_BYTES_MAX: u64 = 16 << 20;

/// A manifest that is up to date.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Written {
    /// Path in the state root.
    pub file: String,
    /// SHA-256 of its content.
    pub sha256: Digest,
    /// False if the file was up to date already and was not rewritten.
    pub changed: bool,
}

/// A difference between the manifests and what they would be if they were written now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(tag = "drift", rename_all = "snake_case")]
pub enum Drift {
    /// The file does not exist.
    Missing {
        /// Path in the state root.
        file: String,
    },
    /// The file cannot be read or is not a valid manifest.
    Unreadable {
        /// Path in the state root.
        file: String,
        reason: String,
    },
    /// A field has another value now.
    Changed {
        /// Path in the state root.
        file: String,
        #[serde(flatten)]
        difference: Difference,
    },
}

/// The current content of every manifest, by the name of its file.
struct Current {
    json: Vec<(&'static str, &'static str, Value)>,
    sandbox: Digest,
}

fn current(root: &StateRoot, config: &Config, environment: &Environment) -> Result<Current> {
    // A broken `.env` would hide whether a key is set, which the manifest records.
    environment.check()?;
    let tools = tools::manifest(config)?;
    let environment = environment::manifest(environment, tools.python());
    let values = [
        serde_json::to_value(environment)?,
        serde_json::to_value(hardware::manifest(root))?,
        serde_json::to_value(tools)?,
    ];
    Ok(Current {
        json: JSON
            .into_iter()
            .zip(values)
            .map(|((name, format), value)| (name, format, value))
            .collect(),
        sandbox: module_set::digest(&bundle::members()),
    })
}

fn file(name: &str) -> String {
    format!("{FOLDER}/{name}")
}

/// Returns the paths of the manifests in the state root.
pub fn files() -> impl Iterator<Item = String> {
    JSON.into_iter()
        .map(|(name, _)| name)
        .chain([SANDBOX])
        .map(file)
}

/// Returns whether all manifests exist. Does not check their content.
#[cfg(feature = "repository")]
#[must_use]
pub fn are_present(root: &StateRoot) -> bool {
    files().all(|file| root.dir().is_file(file))
}

/// Returns the digest of the `coo` executable in the tools manifest, if it is readable there.
#[must_use]
pub fn recorded_coo(root: &StateRoot) -> Option<Digest> {
    let recorded = root.read_bounded(&file(TOOLS), BYTES_MAX).ok()?;
    let recorded = manifest::parse(&recorded, TOOLS_FORMAT).ok()?;
    recorded["coo"]["sha256"].as_str()?.parse().ok()
}

/// Rewrites all manifests that are out of date. The caller is the only writer of `root`.
pub fn write(root: &StateRoot, config: &Config, environment: &Environment) -> Result<Vec<Written>> {
    let current = current(root, config, environment)?;
    let mut texts = Vec::new();
    for (name, _, value) in &current.json {
        texts.push((*name, manifest::text(value)?));
    }
    texts.push((SANDBOX, format!("{}\n", current.sandbox)));
    let mut written = Vec::new();
    for (name, text) in texts {
        let file = file(name);
        let before = root.read_bounded(&file, BYTES_MAX).ok();
        let changed = before.as_deref() != Some(text.as_bytes());
        if changed {
            root.write_new(&file, text.as_bytes())?;
        }
        written.push(Written {
            changed,
            file,
            sha256: Digest::of(text),
        });
    }
    Ok(written)
}

/// Compares the manifests with what they would be now. Writes nothing.
pub fn check(root: &StateRoot, config: &Config, environment: &Environment) -> Result<Vec<Drift>> {
    let current = current(root, config, environment)?;
    let mut drifts = Vec::new();
    for (name, format, now) in &current.json {
        let file = file(name);
        drifts.extend(drifts_of(root, &file, |recorded| {
            let recorded = manifest::parse(recorded, format)?;
            Ok(manifest::differences(&recorded, now))
        })?);
    }
    drifts.extend(drifts_of(root, &file(SANDBOX), |recorded| {
        let now = format!("{}\n", current.sandbox);
        let recorded = String::from_utf8_lossy(recorded);
        Ok(if recorded == now {
            Vec::new()
        } else {
            vec![Difference {
                field: "sha256".to_owned(),
                recorded: recorded.trim_end().into(),
                found: current.sandbox.to_string().into(),
            }]
        })
    })?);
    Ok(drifts)
}

fn drifts_of(
    root: &StateRoot,
    file: &str,
    compare: impl FnOnce(&[u8]) -> Result<Vec<Difference>>,
) -> Result<Vec<Drift>> {
    let owned = || file.to_owned();
    let is_there = root.dir().try_exists(file).with_context(|| {
        format!(
            "manifest {}: can't be read",
            root.path().join(file).display()
        )
    })?;
    if !is_there {
        return Ok(vec![Drift::Missing { file: owned() }]);
    }
    let compared = root
        .read_bounded(file, BYTES_MAX)
        .and_then(|recorded| compare(&recorded));
    Ok(match compared {
        Ok(differences) => differences
            .into_iter()
            .map(|difference| Drift::Changed {
                file: owned(),
                difference,
            })
            .collect(),
        Err(error) => vec![Drift::Unreadable {
            file: owned(),
            reason: hint::flat(&error),
        }],
    })
}

/// Reads a file of the system, if it exists and is readable.
fn read_text(path: &str) -> Option<String> {
    let file = std::fs::File::open(path).ok()?;
    let path = std::path::Path::new(path);
    let content =
        crate::machine::input_file::read_bounded(file, path, SYSTEM_FILE_BYTES_MAX).ok()?;
    Some(String::from_utf8_lossy(&content).into_owned())
}
