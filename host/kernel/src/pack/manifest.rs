//! `MANIFEST.json`: every other file of a pack with its size and digest. Has one written form, so
//! that equal packs have equal manifests. Holds no content.

use serde::{Deserialize, Serialize};

use super::{FORMAT, MANIFEST, Members, PackError};
use crate::form::digest::Digest;
use crate::journal::Blob;
use crate::mission::MissionId;

/// The content of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Sorted by path.
    pub files: Vec<File>,
    pub format: String,
    pub mission: MissionId,
}

/// A file of the pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct File {
    pub bytes: u64,
    pub path: String,
    pub sha256: Digest,
}

impl File {
    /// Returns size and digest.
    #[must_use]
    pub fn blob(&self) -> Blob {
        Blob {
            bytes: self.bytes,
            sha256: self.sha256,
        }
    }
}

/// Read before the rest, so that another version is named whatever its fields are.
#[derive(Deserialize)]
struct Versioned {
    format: String,
}

impl Manifest {
    /// Returns the manifest of these files. It does not list itself.
    #[must_use]
    pub fn of(mission: MissionId, members: &Members) -> Self {
        let files = members.iter().filter(|(path, _)| *path != MANIFEST);
        Self {
            files: files
                .map(|(path, content)| File {
                    bytes: content.len() as u64,
                    path: path.clone(),
                    sha256: Digest::of(content),
                })
                .collect(),
            format: FORMAT.to_owned(),
            mission,
        }
    }

    /// Returns the text of the file.
    pub fn to_text(&self) -> Result<String, PackError> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Reads the file. Does not check its form.
    pub fn parse(text: &[u8]) -> Result<Self, PackError> {
        let versioned: Versioned = serde_json::from_slice(text).map_err(PackError::Manifest)?;
        if versioned.format != FORMAT {
            let shown = versioned.format.escape_debug().take(40).collect();
            return Err(PackError::Version(shown));
        }
        serde_json::from_slice(text).map_err(PackError::Manifest)
    }
}
