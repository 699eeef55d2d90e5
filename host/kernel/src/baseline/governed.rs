//! The governed part of a state root: what its baselines keep and compare, and what a rollback
//! restores. This file is the only place that defines it. Everything else in a state root
//! (missions, journals, frozen answers, modules, receipts, reports, caches) only grows and is
//! never rolled back. Nothing here reads a disk.

use crate::baseline::{Manifest, Node, TreePath};
use crate::form::digest::Digest;

/// Files and folders of the state root that are kept as they are, with everything in them.
/// Sorted.
pub const ON_DISK: [&str; 3] = ["artefacts", CONFIG, "manifests"];
/// The configuration file, one of `ON_DISK`.
pub const CONFIG: &str = "config.json";
/// The missions' database in the state root, then the logs that belong to it.
pub const WORLD_ON_DISK: [&str; 4] = [
    "world.db",
    "world.db-wal",
    "world.db-shm",
    "world.db-journal",
];
/// The folder of the state root for what was moved aside unchanged. It is the only copy, and
/// nothing in it is governed.
pub const SET_ASIDE: &str = "set-aside";
/// The folder of a baseline that has the databases, as text.
pub const DATABASES: &str = "databases";
/// The record of artefacts: the text of its INDEX.
pub const RECORD: &str = "databases/artefacts.json";
/// The missions' database (the world): one line for each schema entry and each row.
pub const WORLD: &str = "databases/world.jsonl";
/// The folder of a baseline that has the bundled missions, which come from the binary.
pub const MISSIONS: &str = "missions";
/// Digest of the module set, which comes from the binary too.
pub const SANDBOX: &str = "sandbox_digest.txt";
/// The folder of the state root with the recorded tools, environment and machine.
pub const MANIFESTS_FOLDER: &str = "manifests";
/// The manifests that a complete state has; the second is the environment lock.
pub const MANIFESTS: [&str; 4] = [
    "tools_manifest.json",
    "environment_manifest.json",
    "hardware_manifest.json",
    "sandbox_digest.txt",
];

/// A baseline of a state root, split by how each part is restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The entries of `ON_DISK`.
    pub files: Manifest,
    /// Digest and size of `RECORD`, in bytes.
    pub record: (Digest, u64),
    /// Digest and size of `WORLD`, in bytes.
    pub world: (Digest, u64),
    /// Digest of `SANDBOX`.
    pub sandbox: Digest,
}

/// Why a manifest is not that of a state root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GovernedError {
    /// It lacks a part that every state has.
    #[error("is not a baseline of a state root: it has no file '{0}'")]
    Missing(&'static str),
    /// It has an entry that no state has.
    #[error("is not a baseline of a state root: '{0}' is not part of one")]
    Strange(String),
    /// Its parts are not a valid tree.
    #[error(transparent)]
    Tree(#[from] crate::baseline::ManifestError),
}

impl GovernedError {
    /// Returns what the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Tree(refused) => refused.hint(),
            Self::Missing(_) | Self::Strange(_) => None,
        }
    }
}

impl State {
    /// Splits the manifest of a state root into its parts.
    pub fn of(manifest: &Manifest) -> Result<Self, GovernedError> {
        let mut files = Vec::new();
        for entry in manifest.entries() {
            let path = &entry.path;
            if is_on_disk(path) {
                files.push(entry.clone());
            } else if !is_of_the_binary(path)
                && ![DATABASES, RECORD, WORLD].contains(&path.text().as_str())
            {
                return Err(GovernedError::Strange(path.text()));
            }
        }
        let file = |name: &'static str| {
            let found = TreePath::from_text(name).ok();
            match found.and_then(|path| manifest.get(&path)) {
                Some(Node::File { sha256, size, .. }) => Ok((*sha256, *size)),
                _ => Err(GovernedError::Missing(name)),
            }
        };
        file(CONFIG)?;
        Ok(Self {
            files: Manifest::new(files)?,
            record: file(RECORD)?,
            world: file(WORLD)?,
            sandbox: file(SANDBOX)?.0,
        })
    }
}

fn top(path: &TreePath) -> &[u8] {
    path.components().next().unwrap_or_default()
}

/// Returns whether a baseline keeps it as it lies in the state root.
pub fn is_on_disk(path: &TreePath) -> bool {
    ON_DISK.iter().any(|name| name.as_bytes() == top(path))
}

/// Returns whether it comes from the binary rather than the state root: no rollback changes it.
pub fn is_of_the_binary(path: &TreePath) -> bool {
    [MISSIONS, SANDBOX]
        .iter()
        .any(|name| name.as_bytes() == top(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::{Mode, TreeEntry};

    fn manifest(paths: &[&str]) -> Manifest {
        let mut entries: Vec<TreeEntry> = paths
            .iter()
            .map(|path| TreeEntry {
                path: TreePath::from_text(path.trim_end_matches('/')).unwrap(),
                node: if path.ends_with('/') {
                    Node::Folder {
                        mode: Mode::of(0o755),
                    }
                } else {
                    Node::File {
                        mode: Mode::of(0o644),
                        sha256: Digest::of(path),
                        size: path.len() as u64,
                    }
                },
            })
            .collect();
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Manifest::new(entries).unwrap()
    }

    const WHOLE: [&str; 9] = [
        "artefacts/",
        "artefacts/A_v1.0.md",
        CONFIG,
        "databases/",
        RECORD,
        WORLD,
        "missions/",
        "missions/demo.json",
        SANDBOX,
    ];

    #[test]
    fn a_state_is_taken_apart() {
        let state = State::of(&manifest(&WHOLE)).unwrap();
        assert_eq!(state.world, (Digest::of(WORLD), WORLD.len() as u64));
        assert_eq!(state.record.0, Digest::of(RECORD));
        assert_eq!(state.sandbox, Digest::of(SANDBOX));
        assert_eq!(
            state.files,
            manifest(&["artefacts/", "artefacts/A_v1.0.md", CONFIG])
        );
    }

    #[test]
    fn what_is_no_state_is_refused_by_name() {
        for missing in [CONFIG, RECORD, WORLD, SANDBOX] {
            let mut paths = WHOLE.to_vec();
            paths.retain(|path| *path != missing);
            let refused = State::of(&manifest(&paths)).unwrap_err();
            assert_eq!(refused, GovernedError::Missing(missing));
        }
        for strange in ["databases/coo.db", "world.db", "config.json.old", "lock"] {
            let mut paths = WHOLE.to_vec();
            paths.push(strange);
            let refused = State::of(&manifest(&paths)).unwrap_err();
            assert_eq!(refused, GovernedError::Strange(strange.to_owned()));
        }
    }
}
