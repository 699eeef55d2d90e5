//! Baselines: what a directory tree is, as data. A manifest lists every file, folder and link
//! of a tree; two trees with the same content have the same manifest, byte for byte, and its
//! SHA-256 is the baseline's id. Also the differences between two trees, and the steps from one
//! to the other. Touches no tree: reading and restoring one is the host's.

mod difference;
pub mod freeze;
pub mod governed;
pub mod lineage;
mod path;
pub mod rollback;
mod step;

use serde::{Deserialize, Serialize};

use crate::form::canonical;
use crate::form::digest::{Digest, ZERO};

pub use difference::{Change, Difference, differences};
pub use path::{TARGET_BYTES_MAX, TreePath, bytes_of, text_of};
pub use step::{Effect, Step, effect, parse_steps, print_steps, steps};

/// What a manifest says it is.
pub const FORMAT: &str = "coo-amu0/2";
/// What a manifest says that knows of no mode more than the nine permission bits: those of
/// earlier releases.
const FORMAT_OF_NINE_BITS: &str = "coo-amu0/1";
/// Largest manifest that is read: some millions of entries.
pub const MANIFEST_BYTES_MAX: u64 = 1 << 30;
/// The folder at the top of a tree in which a restore prepares itself. Never part of a baseline.
pub const STAGE: &str = ".coo-restore";
/// Stands for the digest of a file that was not read, since it can't be the wanted one anyway.
/// Nothing has this digest.
pub const NOT_READ: Digest = ZERO;

/// Setuid, setgid and sticky.
const SPECIAL: u32 = 0o7000;
/// Read, write and execute, for owner, group and others.
const PERMISSIONS: u32 = 0o777;

/// What a file system calls a mode: twelve bits. Earlier releases kept the nine permission bits
/// alone; of such a mode setuid, setgid and sticky are not known, so any will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mode {
    bits: u32,
    is_whole: bool,
}

impl Mode {
    /// All twelve bits of what a file system calls a mode.
    pub const fn of(bits: u32) -> Self {
        Self {
            bits: bits & (SPECIAL | PERMISSIONS),
            is_whole: true,
        }
    }

    /// Its nine permission bits; the others may be whatever they are.
    pub const fn permissions(bits: u32) -> Self {
        Self {
            bits: bits & PERMISSIONS,
            is_whole: false,
        }
    }

    /// The bits that are known.
    pub const fn bits(self) -> u32 {
        self.bits
    }

    /// What something that has the bits `found` is to have.
    pub const fn over(self, found: u32) -> u32 {
        if self.is_whole {
            self.bits
        } else {
            self.bits | found & SPECIAL
        }
    }

    /// Whether something with the mode `found` has what this one says.
    pub const fn is_met_by(self, found: Self) -> bool {
        let known = if self.is_whole && found.is_whole {
            SPECIAL | PERMISSIONS
        } else {
            PERMISSIONS
        };
        self.bits & known == found.bits & known
    }

    /// With these bits too.
    #[must_use]
    pub const fn with(self, more: u32) -> Self {
        let bits = self.bits | more & PERMISSIONS;
        Self { bits, ..self }
    }

    /// Without these bits.
    #[must_use]
    pub const fn without(self, fewer: u32) -> Self {
        let bits = self.bits & !fewer;
        Self { bits, ..self }
    }

    /// Whether the owner of a folder with this mode can change what is in it.
    pub const fn is_open(self) -> bool {
        self.bits & 0o700 == 0o700
    }

    /// `04755`; of nine bits `0755`.
    pub fn text(self) -> String {
        let width = if self.is_whole { 5 } else { 4 };
        format!("{:0width$o}", self.bits)
    }

    pub(crate) fn from_text(text: &str) -> Result<Self, Refused> {
        let bits = u32::from_str_radix(text, 8).ok();
        let mode = bits.map(|bits| match text.len() {
            4 => Self::permissions(bits),
            _ => Self::of(bits),
        });
        // What has other bits, or is written otherwise, does not come out as it went in.
        mode.filter(|mode| mode.text() == text)
            .ok_or_else(|| Refused::Mode(text.escape_debug().take(40).collect()))
    }
}

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A file. Hard links are as many files.
    File {
        /// Its mode.
        mode: Mode,
        /// Of its content.
        sha256: Digest,
        /// In bytes.
        size: u64,
    },
    /// A folder; what is in it has entries of its own.
    Folder {
        /// Its mode.
        mode: Mode,
    },
    /// A symbolic link, itself and not what it leads to.
    Link {
        /// What it says, as it says it.
        target: Vec<u8>,
    },
    /// A folder into which whoever found it may not look: can be found, never kept.
    Closed {
        /// Its mode.
        mode: Mode,
    },
    /// A socket, pipe or device: can be found, never kept.
    Other(&'static str),
}

impl Node {
    /// Its kind, for people.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::File { .. } => "file",
            Self::Folder { .. } => "folder",
            Self::Link { .. } => "link",
            Self::Closed { .. } => "folder that can't be looked into",
            Self::Other(kind) => kind,
        }
    }

    /// The mode of what can be kept and has one.
    pub const fn mode(&self) -> Option<Mode> {
        match self {
            Self::File { mode, .. } | Self::Folder { mode } => Some(*mode),
            Self::Link { .. } | Self::Closed { .. } | Self::Other(_) => None,
        }
    }
}

/// A path and what stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// From the top of the tree.
    pub path: TreePath,
    /// What stands there.
    pub node: Node,
}

/// Why a manifest, or an entry of one, is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Nothing, `.`, `..`, a slash at an end, a zero byte, or too long.
    #[error("path '{path}': {why}")]
    Path {
        /// In its text form, cut.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Text that no bytes have.
    #[error("'{0}' is not how a path is written here: % and bytes that are not UTF-8 as %XX")]
    Text(String),
    /// No mode.
    #[error("mode '{0}' is neither five octal digits up to 07777 nor four up to 0777")]
    Mode(String),
    /// A link to nothing, or with a target that no file system takes.
    #[error(
        "link '{0}': its target is empty, has a zero byte, or has more than {TARGET_BYTES_MAX} bytes"
    )]
    Target(String),
    /// Sockets, pipes, devices.
    #[error("'{path}' is a {kind}; a baseline holds files, folders and links: remove it first")]
    Kind {
        /// In its text form.
        path: String,
        /// What it is.
        kind: &'static str,
    },
    /// Not sorted by bytes, or twice.
    #[error("entry '{0}' is out of order or there twice")]
    Order(String),
    /// Below something that is no folder, or not there.
    #[error("entry '{0}' is in a folder that is not listed")]
    NoFolder(String),
    /// No JSON of the right form.
    #[error("is not a baseline: {0}")]
    Form(String),
    /// A manifest of another release.
    #[error("has format '{0}', this build reads {FORMAT}; use the coo that wrote it")]
    Format(String),
    /// Parses, but nobody printed it so.
    #[error("is not in its canonical form; it was changed after it was written")]
    NotCanonical,
    /// The way to the state root would be cut.
    #[error(
        "'{0}' would have to be replaced or removed, but the state root lies there; use a state root outside the tree (--root)"
    )]
    StateRoot(String),
}

/// A tree: its entries, sorted by the bytes of their paths, each in a folder that is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    entries: Vec<Entry>,
}

/// How much a tree holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// Of all files, in bytes.
    pub bytes: u64,
    /// How many files.
    pub files: u64,
    /// How many folders.
    pub folders: u64,
    /// How many links.
    pub links: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    entries: Vec<Row>,
    format: String,
}

#[derive(Serialize, Deserialize)]
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
    /// A manifest of these entries, which must be in order.
    pub fn new(entries: Vec<Entry>) -> Result<Self, Refused> {
        for (i, entry) in entries.iter().enumerate() {
            let shown = || entry.path.text();
            if i > 0 && entries[i - 1].path >= entry.path {
                return Err(Refused::Order(shown()));
            }
            if entry.path.components().next() == Some(STAGE.as_bytes()) {
                return Err(Refused::Path {
                    path: shown(),
                    why: "is where a restore prepares itself; if none is at work, remove it",
                });
            }
            match &entry.node {
                Node::Link { target } => path::check_target(target, &entry.path)?,
                Node::Closed { .. } | Node::Other(_) => {
                    return Err(Refused::Kind {
                        path: shown(),
                        kind: entry.node.kind(),
                    });
                }
                Node::File { .. } | Node::Folder { .. } => {}
            }
            let Some(parent) = entry.path.parent() else {
                continue;
            };
            // A folder sorts before what is in it.
            let found = find(&entries[..i], &parent);
            if !found.is_some_and(|folder| matches!(folder.node, Node::Folder { .. })) {
                return Err(Refused::NoFolder(shown()));
            }
        }
        Ok(Self { entries })
    }

    /// Reads what `to_text` printed, and nothing else.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refused> {
        let text = std::str::from_utf8(bytes).map_err(|e| Refused::Form(e.to_string()))?;
        let form: Form = serde_json::from_str(text).map_err(|e| Refused::Form(e.to_string()))?;
        if ![FORMAT, FORMAT_OF_NINE_BITS].contains(&form.format.as_str()) {
            return Err(Refused::Format(
                form.format.escape_debug().take(40).collect(),
            ));
        }
        let entries: Result<_, _> = form.entries.into_iter().map(Entry::try_from).collect();
        let manifest = Self::new(entries?)?;
        // One tree has one text; what differs in a blank already was written by somebody else.
        if manifest.to_text() != text {
            return Err(Refused::NotCanonical);
        }
        Ok(manifest)
    }

    /// The canonical text, of which the SHA-256 is the id. What an earlier release has written
    /// keeps its format with its id.
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
            entries: self.entries.iter().filter_map(Entry::row).collect(),
            format: format.to_owned(),
        };
        canonical::to_string_sorted(&form).unwrap_or_default()
    }

    /// In order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What stands at `path`.
    pub fn get(&self, path: &TreePath) -> Option<&Node> {
        find(&self.entries, path).map(|entry| &entry.node)
    }

    /// How much it holds.
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

fn find<'a>(sorted: &'a [Entry], path: &TreePath) -> Option<&'a Entry> {
    let place = sorted.binary_search_by(|entry| entry.path.cmp(path)).ok()?;
    sorted.get(place)
}

impl Entry {
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
            // `Manifest::new` lets none in.
            Node::Closed { .. } | Node::Other(_) => return None,
        })
    }
}

impl TryFrom<Row> for Entry {
    type Error = Refused;

    fn try_from(row: Row) -> Result<Self, Refused> {
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
