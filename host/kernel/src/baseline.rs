//! Baselines: the state of a directory tree, as data. A manifest lists every file, folder and
//! link of a tree. Two trees with the same content have the same manifest, byte for byte, and
//! its SHA-256 is the baseline's id. This module also computes the differences between two trees
//! and the steps from one to the other. It never touches a tree: the host reads and restores it.

mod difference;
pub mod freeze;
pub mod governed;
pub mod lineage;
pub mod link;
mod name;
pub mod pack;
mod path;
pub mod rollback;
mod step;

use serde::{Deserialize, Serialize};

use crate::form::canonical;
use crate::form::digest::{Digest, ZERO};

pub use difference::{Change, Difference, differences};
pub use name::{NotAName, check_name, is_id};
pub use path::{TARGET_BYTES_MAX, TreePath, bytes_of, text_of};
pub use step::{Effect, Step, effect, parse_steps, print_steps, steps};

/// Format name that a manifest states.
pub const FORMAT: &str = "coo-amu0/2";
/// Format name in manifests of earlier releases, which kept only the nine permission bits of a
/// mode.
pub const FORMAT_OF_NINE_BITS: &str = "coo-amu0/1";
/// Largest manifest that is read, in bytes: enough for some millions of entries.
pub const MANIFEST_BYTES_MAX: u64 = 1 << 30;
/// The folder at the top of a tree in which a restore is prepared. Never part of a baseline.
pub const STAGE: &str = ".coo-restore";
/// Stands for the digest of a file that was not read because it can't be the wanted one anyway.
/// No content has this digest.
pub const NOT_READ: Digest = ZERO;

/// Setuid, setgid and sticky.
const SPECIAL: u32 = 0o7000;
/// Read, write and execute, for owner, group and others.
const PERMISSIONS: u32 = 0o777;

/// A file system mode: twelve bits. Earlier releases kept only the nine permission bits; in such
/// a mode setuid, setgid and sticky are unknown and match any value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mode {
    bits: u32,
    is_whole: bool,
}

impl Mode {
    /// Returns a mode with all twelve bits known.
    pub const fn of(bits: u32) -> Self {
        Self {
            bits: bits & (SPECIAL | PERMISSIONS),
            is_whole: true,
        }
    }

    /// Returns a mode of which only the nine permission bits are known.
    pub const fn permissions(bits: u32) -> Self {
        Self {
            bits: bits & PERMISSIONS,
            is_whole: false,
        }
    }

    /// Returns the bits that are known.
    pub const fn bits(self) -> u32 {
        self.bits
    }

    /// Returns the bits to set on an entry that has the bits `found`; unknown bits stay as found.
    pub const fn over(self, found: u32) -> u32 {
        if self.is_whole {
            self.bits
        } else {
            self.bits | found & SPECIAL
        }
    }

    /// Returns whether an entry with the mode `found` satisfies this one.
    pub const fn is_met_by(self, found: Self) -> bool {
        let known = if self.is_whole && found.is_whole {
            SPECIAL | PERMISSIONS
        } else {
            PERMISSIONS
        };
        self.bits & known == found.bits & known
    }

    /// Returns the mode with these permission bits added.
    #[must_use]
    pub const fn with(self, more: u32) -> Self {
        let bits = self.bits | more & PERMISSIONS;
        Self { bits, ..self }
    }

    /// Returns the mode with these bits removed.
    #[must_use]
    pub const fn without(self, fewer: u32) -> Self {
        let bits = self.bits & !fewer;
        Self { bits, ..self }
    }

    /// Returns whether the owner of a folder with this mode can change its content.
    pub const fn is_open(self) -> bool {
        self.bits & 0o700 == 0o700
    }

    /// Returns octal digits: `04755`, or `0755` where only nine bits are known.
    pub fn text(self) -> String {
        let width = if self.is_whole { 5 } else { 4 };
        format!("{:0width$o}", self.bits)
    }

    pub(crate) fn from_text(text: &str) -> Result<Self, ManifestError> {
        let bits = u32::from_str_radix(text, 8).ok();
        let mode = bits.map(|bits| match text.len() {
            4 => Self::permissions(bits),
            _ => Self::of(bits),
        });
        // Text with other bits or another spelling would not be printed as it was read.
        mode.filter(|mode| mode.text() == text)
            .ok_or_else(|| ManifestError::Mode(text.escape_debug().take(40).collect()))
    }
}

/// What exists at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A file. Every hard link counts as a file of its own.
    File {
        mode: Mode,
        /// Digest of the content.
        sha256: Digest,
        /// In bytes.
        size: u64,
    },
    /// A folder; its content has entries of its own.
    Folder {
        /// Mode of the folder itself.
        mode: Mode,
    },
    /// A symbolic link itself, not its target.
    Link {
        /// As stored in the link, unresolved.
        target: Vec<u8>,
    },
    /// A folder that the reading process may not open: it can be found, never kept.
    Closed {
        /// Mode of the folder itself.
        mode: Mode,
    },
    /// A socket, pipe or device, by name: it can be found, never kept.
    Other(&'static str),
}

impl Node {
    /// Returns the kind, as messages name it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::File { .. } => "file",
            Self::Folder { .. } => "folder",
            Self::Link { .. } => "link",
            Self::Closed { .. } => "folder that can't be looked into",
            Self::Other(kind) => kind,
        }
    }

    /// Returns the mode of a file or folder; none for a link and for entries that can't be kept.
    pub const fn mode(&self) -> Option<Mode> {
        match self {
            Self::File { mode, .. } | Self::Folder { mode } => Some(*mode),
            Self::Link { .. } | Self::Closed { .. } | Self::Other(_) => None,
        }
    }
}

/// A path and the node at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeEntry {
    /// From the top of the tree.
    pub path: TreePath,
    pub node: Node,
}

/// Why a manifest, or an entry of one, is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Empty, `.`, `..`, a slash at an end, a zero byte, or too long.
    #[error("path '{path}': {why}")]
    Path {
        /// In its text form, shortened.
        path: String,
        why: &'static str,
    },
    /// Text that is not the text form of any bytes.
    #[error("'{0}' is not how a path is written here: % and bytes that are not UTF-8 as %XX")]
    Text(String),
    /// Text that is not a mode.
    #[error("mode '{0}' is neither five octal digits up to 07777 nor four up to 0777")]
    Mode(String),
    /// A link whose target is empty or would be refused by every file system.
    #[error(
        "link '{0}': its target is empty, has a zero byte, or has more than {TARGET_BYTES_MAX} bytes"
    )]
    Target(String),
    /// A socket, pipe or device, or a folder that can't be opened.
    #[error("'{path}' is a {kind}, and a baseline holds files, folders and links")]
    Kind {
        /// In its text form.
        path: String,
        kind: &'static str,
    },
    /// Entries that are not sorted by bytes, or a path listed twice.
    #[error("entry '{0}' is out of order or there twice")]
    Order(String),
    /// An entry whose parent is not a folder, or is not listed.
    #[error("entry '{0}' is in a folder that is not listed")]
    NoFolder(String),
    /// Not JSON of the right form.
    #[error("is not a baseline: {0}")]
    Form(String),
    /// A manifest of another release.
    #[error("has format '{0}', this build reads {FORMAT}")]
    Format(String),
    /// Text that parses but was not printed by `to_text`.
    #[error("is not in its canonical form; it was changed after it was written")]
    NotCanonical,
    /// The steps would remove or replace a folder that contains the state root.
    #[error("'{0}' would have to be replaced or removed, but the state root lies there")]
    StateRoot(String),
}

impl ManifestError {
    /// Returns what the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Kind { .. } => Some("remove it first"),
            Self::Format(_) => Some("use the coo that wrote it"),
            Self::StateRoot(_) => Some("use a state root outside the tree (--root)"),
            Self::Path { .. }
            | Self::Text(_)
            | Self::Mode(_)
            | Self::Target(_)
            | Self::Order(_)
            | Self::NoFolder(_)
            | Self::Form(_)
            | Self::NotCanonical => None,
        }
    }
}

/// A tree: its entries, sorted by the bytes of their paths, each in a folder that is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    entries: Vec<TreeEntry>,
}

/// How much a tree holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// Size of all files together, in bytes.
    pub bytes: u64,
    pub files: u64,
    pub folders: u64,
    pub links: u64,
}

#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Form {
    entries: Vec<Row>,
    format: String,
}

#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Row {
    File {
        mode: String,
        path: String,
        sha256: Digest,
        size: u64,
    },
    Folder {
        mode: String,
        path: String,
    },
    Link {
        path: String,
        target: String,
    },
}

impl Manifest {
    /// Returns a manifest of these entries; fails if they are out of order or can't be kept.
    pub fn new(entries: Vec<TreeEntry>) -> Result<Self, ManifestError> {
        for (i, entry) in entries.iter().enumerate() {
            let shown = || entry.path.text();
            if i > 0 && entries[i - 1].path >= entry.path {
                return Err(ManifestError::Order(shown()));
            }
            if entry.path.components().next() == Some(STAGE.as_bytes()) {
                return Err(ManifestError::Path {
                    path: shown(),
                    why: "is where a restore prepares itself; if none is at work, remove it",
                });
            }
            match &entry.node {
                Node::Link { target } => path::check_target(target, &entry.path)?,
                Node::Closed { .. } | Node::Other(_) => {
                    return Err(ManifestError::Kind {
                        path: shown(),
                        kind: entry.node.kind(),
                    });
                }
                Node::File { .. } | Node::Folder { .. } => {}
            }
            let Some(parent) = entry.path.parent() else {
                continue;
            };
            // A folder sorts before its content.
            let found = find(&entries[..i], &parent);
            if !found.is_some_and(|folder| matches!(folder.node, Node::Folder { .. })) {
                return Err(ManifestError::NoFolder(shown()));
            }
        }
        Ok(Self { entries })
    }

    /// Reads text that `to_text` printed, and refuses any other.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let text = std::str::from_utf8(bytes).map_err(|e| ManifestError::Form(e.to_string()))?;
        let form: Form =
            serde_json::from_str(text).map_err(|e| ManifestError::Form(e.to_string()))?;
        if ![FORMAT, FORMAT_OF_NINE_BITS].contains(&form.format.as_str()) {
            return Err(ManifestError::Format(
                form.format.escape_debug().take(40).collect(),
            ));
        }
        let entries: Result<_, _> = form.entries.into_iter().map(TreeEntry::try_from).collect();
        let manifest = Self::new(entries?)?;
        // One tree has one text: a difference in a single blank means that coo did not write it.
        if manifest.to_text() != text {
            return Err(ManifestError::NotCanonical);
        }
        Ok(manifest)
    }

    /// Returns the canonical text, whose SHA-256 is the id. A manifest of an earlier release keeps
    /// its format, and so its id.
    pub fn to_text(&self) -> String {
        let is_of_nine_bits = self.entries.iter().all(|entry| {
            let mode = entry.node.mode();
            mode.is_none_or(|mode| !mode.is_whole)
        });
        let format = if is_of_nine_bits {
            FORMAT_OF_NINE_BITS
        } else {
            FORMAT
        };
        let form = Form {
            entries: self.entries.iter().filter_map(TreeEntry::row).collect(),
            format: format.to_owned(),
        };
        canonical::to_string_sorted(&form).unwrap_or_default()
    }

    /// Returns the entries in order.
    pub fn entries(&self) -> &[TreeEntry] {
        &self.entries
    }

    /// Returns the node at `path`.
    pub fn get(&self, path: &TreePath) -> Option<&Node> {
        find(&self.entries, path).map(|entry| &entry.node)
    }

    /// Counts files, folders, links and bytes.
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for entry in &self.entries {
            match entry.node {
                Node::File { size, .. } => {
                    summary.files += 1;
                    summary.bytes = summary.bytes.saturating_add(size);
                }
                Node::Folder { .. } => summary.folders += 1,
                Node::Link { .. } => summary.links += 1,
                Node::Closed { .. } | Node::Other(_) => {}
            }
        }
        summary
    }
}

fn find<'a>(sorted: &'a [TreeEntry], path: &TreePath) -> Option<&'a TreeEntry> {
    let place = sorted.binary_search_by(|entry| entry.path.cmp(path)).ok()?;
    sorted.get(place)
}

impl TreeEntry {
    fn row(&self) -> Option<Row> {
        let path = self.path.text();
        Some(match &self.node {
            Node::File { mode, sha256, size } => Row::File {
                mode: mode.text(),
                path,
                sha256: *sha256,
                size: *size,
            },
            Node::Folder { mode } => Row::Folder {
                mode: mode.text(),
                path,
            },
            Node::Link { target } => Row::Link {
                path,
                target: text_of(target),
            },
            // `Manifest::new` refuses these.
            Node::Closed { .. } | Node::Other(_) => return None,
        })
    }
}

impl TryFrom<Row> for TreeEntry {
    type Error = ManifestError;

    fn try_from(row: Row) -> Result<Self, ManifestError> {
        let (path, node) = match row {
            Row::File {
                mode,
                path,
                sha256,
                size,
            } => {
                let mode = Mode::from_text(&mode)?;
                (path, Node::File { mode, sha256, size })
            }
            Row::Folder { mode, path } => {
                let mode = Mode::from_text(&mode)?;
                (path, Node::Folder { mode })
            }
            Row::Link { path, target } => {
                let target = bytes_of(&target)?;
                (path, Node::Link { target })
            }
        };
        let path = TreePath::from_text(&path)?;
        Ok(Self { path, node })
    }
}

#[cfg(test)]
mod tests;
