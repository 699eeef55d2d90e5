//! Freezes of a state root (packet §7, §15): what is recorded when a freeze begins, and how a
//! state found later differs from that record. During a freeze nothing governed changes, and no
//! command may write to it. Nothing here reads a disk.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub mod covered;

use crate::baseline::governed;
use crate::baseline::{self, Change, Mode, Node, TreeEntry, differences};
use crate::form::canonical;
use crate::form::digest::Digest;

pub use covered::Covered;

/// The file at the top of a state root that marks it as frozen.
pub const FILE: &str = "FREEZE";
/// The whole content of that file.
pub const TEXT: &str = "FREEZE=TRUE\n";
/// Path of the freeze manifest in the state root (packet §3.5).
pub const MANIFEST: &str = "manifests/freeze_manifest.json";
/// Mode of the freeze manifest and of `FILE` while they are not locked.
pub const MANIFEST_MODE: Mode = Mode::of(0o644);
/// What a person types to lift a freeze.
pub const LIFT: &str = "LIFT_FREEZE";
/// What a person types to lift a freeze whose state was changed meanwhile.
pub const LIFT_CHANGED: &str = "LIFT_CHANGED_FREEZE";
/// Format name of a manifest that also covers what `covered` describes.
pub const FORMAT: &str = "coo-freeze-manifest/2";
/// Format name of manifests of earlier versions, without `covered`.
pub const FORMAT_1: &str = "coo-freeze-manifest/1";
const WRITE: u32 = 0o222;
const OTHER_CONTENT: &str = "other content";

/// Fold of a freeze. Every step to the next phase can be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Committed as a write-ahead intent: marker files and permissions are being put in place.
    Freezing,
    /// In force.
    Frozen,
    /// Given up: marker files are being removed and permissions restored.
    Lifting,
    /// Over.
    Lifted,
}

impl Phase {
    const ALL: [Self; 4] = [Self::Freezing, Self::Frozen, Self::Lifting, Self::Lifted];

    /// Returns the name in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Freezing => "freezing",
            Self::Frozen => "frozen",
            Self::Lifting => "lifting",
            Self::Lifted => "lifted",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Phase {
    type Err = FreezeError;

    fn from_str(text: &str) -> Result<Self, FreezeError> {
        let known = Self::ALL.into_iter().find(|phase| phase.name() == text);
        known.ok_or_else(|| FreezeError::Form(format!("phase '{}'", text.escape_debug())))
    }
}

/// Digests of the journals and frozen answers in `coo.db`, which must not change. They are
/// computed from its rows, because the bytes of the file can differ for equal rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Journal {
    /// Over every frozen answer, in the order of their keys.
    pub frozen_calls_sha256: Digest,
    /// Over number and last event of every mission, in order.
    pub heads_sha256: Digest,
    pub missions: u64,
}

/// The content of `freeze_manifest.json`. It does not depend on when it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreezeManifest {
    /// Everything else that must not change; earlier versions recorded none of it.
    pub covered: Option<Covered>,
    pub journal: Journal,
    /// The governed state, with the permissions that lifting the freeze restores.
    pub state: baseline::Manifest,
    /// Version of the `coo` that froze the state root.
    pub version: String,
}

/// The text form. `manifests` repeats digests that `state` also has, so that a person can compare
/// them with others by eye.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Form {
    coo_version: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    covered: Option<covered::Form>,
    format: String,
    journal: Journal,
    manifests: BTreeMap<String, Digest>,
    #[cfg_attr(feature = "schemas", schemars(with = "baseline::Form"))]
    state: serde_json::Value,
    state_sha256: Digest,
}

/// Why text is not a freeze manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FreezeError {
    /// Text of another form.
    #[error("is not a freeze manifest: {0}")]
    Form(String),
    /// The state in it is not a valid baseline manifest.
    #[error(transparent)]
    State(#[from] baseline::ManifestError),
}

impl FreezeError {
    /// Returns what the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::State(refused) => refused.hint(),
            Self::Form(_) => None,
        }
    }
}

/// A difference from the frozen state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Difference {
    pub change: &'static str,
    /// A file or folder of the state root, or a part of its databases.
    pub what: String,
}

impl FreezeManifest {
    /// Returns the canonical text.
    pub fn to_text(&self) -> String {
        let state = self.state.to_text();
        let form = Form {
            coo_version: self.version.clone(),
            covered: self.covered.as_ref().map(Covered::form),
            format: match self.covered {
                Some(_) => FORMAT,
                None => FORMAT_1,
            }
            .to_owned(),
            journal: self.journal.clone(),
            manifests: self.manifests(),
            state_sha256: Digest::of(&state),
            state: serde_json::from_str(&state).unwrap_or_default(),
        };
        canonical::to_string(&form).unwrap_or_default()
    }

    /// Reads text that `to_text` printed, and refuses any other.
    pub fn parse(text: &str) -> Result<Self, FreezeError> {
        let refused = |error: serde_json::Error| FreezeError::Form(error.to_string());
        let form: Form = serde_json::from_str(text).map_err(refused)?;
        let state = canonical::to_string(&form.state)
            .map_err(|error| FreezeError::Form(error.to_string()))?;
        let manifest = Self {
            covered: form.covered.map(Covered::of).transpose()?,
            journal: form.journal,
            state: baseline::Manifest::parse(state.as_bytes())?,
            version: form.coo_version,
        };
        if manifest.to_text() != text {
            return Err(FreezeError::Form("is not as coo writes it".to_owned()));
        }
        Ok(manifest)
    }

    /// Returns the digests of the tools, environment, hardware and sandbox manifests, by path.
    fn manifests(&self) -> BTreeMap<String, Digest> {
        let digest = |entry: &TreeEntry| match entry.node {
            Node::File { sha256, .. } => Some((entry.path.text(), sha256)),
            _ => None,
        };
        let folder = format!("{}/", governed::MANIFESTS_FOLDER);
        let entries = self.state.entries().iter().filter_map(digest);
        entries
            .filter(|(path, _)| path.starts_with(&folder))
            .collect()
    }

    /// Returns the entries that lie in the state root and are locked, outermost first.
    pub fn locked(&self) -> impl DoubleEndedIterator<Item = &TreeEntry> {
        let entries = self.state.entries().iter();
        entries.filter(|entry| governed::is_on_disk(&entry.path))
    }

    fn locked_entries(&self) -> Vec<TreeEntry> {
        let mut entries = self.state.entries().to_vec();
        for entry in &mut entries {
            if governed::is_on_disk(&entry.path)
                && let Some(mode) = mode_of_mut(&mut entry.node)
            {
                *mode = lock(*mode);
            }
        }
        entries
    }

    /// Returns how `found` and `journal` differ from what was frozen and locked. `found` must be
    /// sorted.
    pub fn differences(&self, found: &[TreeEntry], journal: &Journal) -> Vec<Difference> {
        let named = match baseline::Manifest::new(self.locked_entries()) {
            Ok(locked) => differences(&locked, found),
            // Unreachable: locking changes only permissions, which no check of a manifest reads.
            Err(_) => differences(&self.state, found),
        };
        let mut all: Vec<Difference> = named.into_iter().map(Difference::from).collect();
        for (differs, what) in [
            (
                journal.missions != self.journal.missions,
                "missions in coo.db",
            ),
            (
                journal.heads_sha256 != self.journal.heads_sha256,
                "journals in coo.db",
            ),
            (
                journal.frozen_calls_sha256 != self.journal.frozen_calls_sha256,
                "frozen answers in coo.db",
            ),
        ] {
            if differs {
                all.push(Difference {
                    change: OTHER_CONTENT,
                    what: what.to_owned(),
                });
            }
        }
        all
    }
}

impl From<baseline::Difference> for Difference {
    fn from(difference: baseline::Difference) -> Self {
        Self {
            change: match difference.change {
                Change::Missing => "missing",
                Change::Extra => "extra",
                Change::Content => OTHER_CONTENT,
                Change::Mode => "other mode",
                Change::Kind => "other kind",
                Change::Target => "other target",
            },
            what: difference.path.text(),
        }
    }
}

/// Returns the mode with write permission removed, as a freeze leaves it.
pub const fn lock(mode: Mode) -> Mode {
    mode.without(WRITE)
}

/// Gives locked entries the permissions of `state`, so that a baseline made during a freeze holds
/// the state as it is without the lock.
pub fn unlock(entries: &mut [TreeEntry], state: &baseline::Manifest) {
    for entry in entries {
        let wanted = if entry.path.text() == MANIFEST {
            Some(MANIFEST_MODE)
        } else {
            state.get(&entry.path).and_then(Node::mode)
        };
        if let (Some(mode), Some(wanted)) = (mode_of_mut(&mut entry.node), wanted)
            && lock(wanted).is_met_by(*mode)
            && governed::is_on_disk(&entry.path)
        {
            *mode = Mode::of(wanted.over(mode.bits()));
        }
    }
}

const fn mode_of_mut(node: &mut Node) -> Option<&mut Mode> {
    match node {
        Node::File { mode, .. } | Node::Folder { mode } => Some(mode),
        Node::Link { .. } | Node::Closed { .. } | Node::Other(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::baseline::TreePath;

    fn file(path: &str, mode: u32, content: &str) -> TreeEntry {
        TreeEntry {
            path: TreePath::from_text(path).unwrap(),
            node: Node::File {
                mode: Mode::of(mode),
                sha256: Digest::of(content),
                size: content.len() as u64,
            },
        }
    }

    fn folder(path: &str, mode: u32) -> TreeEntry {
        TreeEntry {
            path: TreePath::from_text(path).unwrap(),
            node: Node::Folder {
                mode: Mode::of(mode),
            },
        }
    }

    fn manifest() -> FreezeManifest {
        FreezeManifest {
            covered: Some(covered::tests::covered()),
            journal: Journal {
                frozen_calls_sha256: Digest::of("calls"),
                heads_sha256: Digest::of("heads"),
                missions: 2,
            },
            state: baseline::Manifest::new(vec![
                folder("artefacts", 0o755),
                file("artefacts/a", 0o644, "a"),
                file("config.json", 0o664, "config"),
                folder("databases", 0o755),
                file("databases/world.jsonl", 0o644, "world"),
                folder("manifests", 0o755),
                file("manifests/tools_manifest.json", 0o600, "tools"),
            ])
            .unwrap(),
            version: "1.0.0".to_owned(),
        }
    }

    #[test]
    fn a_manifest_is_read_as_it_was_written_and_not_otherwise() {
        let manifest = manifest();
        let text = manifest.to_text();
        assert_eq!(FreezeManifest::parse(&text).unwrap(), manifest);
        let tools = Digest::of("tools");
        assert!(text.contains(&format!("\"manifests/tools_manifest.json\":\"{tools}\"")));
        for (from, to) in [
            ("1.0.0", "1.0.0 "),
            ("0644", "0645"),
            (":2", ": 2"),
            ("{", "["),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text);
            let read = FreezeManifest::parse(&changed);
            assert!(read.is_err() || read.unwrap() != manifest, "{from}");
        }
    }

    #[test]
    fn a_manifest_of_an_earlier_version_is_read_and_says_so() {
        let now = manifest();
        let earlier = FreezeManifest {
            covered: None,
            ..now.clone()
        };
        let text = earlier.to_text();
        assert!(text.contains("\"format\":\"coo-freeze-manifest/1\""));
        assert!(!text.contains("covered"));
        assert_eq!(FreezeManifest::parse(&text).unwrap(), earlier);
        for (text, from, to) in [
            (now.to_text(), "manifest/2", "manifest/1"),
            (text, "manifest/1", "manifest/2"),
        ] {
            assert!(FreezeManifest::parse(&text.replace(from, to)).is_err());
        }
    }

    #[test]
    fn what_is_as_it_was_left_does_not_differ() {
        let manifest = manifest();
        let mut found = manifest.locked_entries();
        assert_eq!(manifest.differences(&found, &manifest.journal), []);
        unlock(&mut found, &manifest.state);
        assert_eq!(found, manifest.state.entries());
        let paths: Vec<String> = manifest.locked().map(|entry| entry.path.text()).collect();
        assert_eq!(
            paths,
            [
                "artefacts",
                "artefacts/a",
                "config.json",
                "manifests",
                "manifests/tools_manifest.json"
            ]
        );
    }

    #[test]
    fn what_nobody_locked_differs() {
        let manifest = manifest();
        // As if it had never been locked.
        let found = manifest.differences(manifest.state.entries(), &manifest.journal);
        let paths: Vec<&str> = found
            .iter()
            .map(|difference| difference.what.as_str())
            .collect();
        assert!(
            found
                .iter()
                .all(|difference| difference.change == "other mode")
        );
        assert_eq!(
            paths,
            [
                "artefacts",
                "artefacts/a",
                "config.json",
                "manifests",
                "manifests/tools_manifest.json"
            ]
        );
    }

    type JournalChange = fn(&mut Journal);

    #[test]
    fn every_part_of_the_journal_counts() {
        let manifest = manifest();
        let found = manifest.locked_entries();
        let changes: [(JournalChange, &str); 3] = [
            (|j| j.missions = 3, "missions in coo.db"),
            (|j| j.heads_sha256 = Digest::of("x"), "journals in coo.db"),
            (
                |j| j.frozen_calls_sha256 = Digest::of("x"),
                "frozen answers in coo.db",
            ),
        ];
        for (change, what) in changes {
            let mut journal = manifest.journal.clone();
            change(&mut journal);
            let differences = manifest.differences(&found, &journal);
            assert_eq!(differences.len(), 1);
            assert_eq!(differences[0].what, what);
        }
    }

    proptest! {
        #[test]
        fn any_change_of_any_entry_is_a_difference(at in 0_usize..7, kind in 0_u8..4, bits in 0_u32..0o10000) {
            let manifest = manifest();
            let mut found = manifest.locked_entries();
            let before = found[at].clone();
            match (kind, &mut found[at].node) {
                (0, Node::File { mode, .. } | Node::Folder { mode }) => *mode = Mode::of(bits),
                (1, Node::File { sha256, .. }) => *sha256 = Digest::of("another"),
                (2, _) => drop(found.remove(at)),
                (_, node) => *node = Node::Link { target: b"x".to_vec() },
            }
            let is_same = found.get(at) == Some(&before);
            prop_assert_eq!(manifest.differences(&found, &manifest.journal).is_empty(), is_same);
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,200}") {
            prop_assert!(FreezeManifest::parse(&text).is_err());
        }

        #[test]
        fn phases_have_names(at in 0_usize..4) {
            let phase = Phase::ALL[at];
            prop_assert_eq!(phase.name().parse::<Phase>(), Ok(phase));
        }
    }
}
