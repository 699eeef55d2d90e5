//! Which files a mission may make. A `WritePermit` is the only thing that the host's gateway
//! accepts, and only `permit` can mint one, so a path that was not checked can't be written.
//! This module judges names only; the host looks at what is on the disk.

mod character;
mod write;

use serde::{Deserialize, Serialize};

pub use self::character::Character;
pub use self::write::{Taken, WriteAnswer, WriteRequest, judge};
use crate::form::digest::Digest;

/// Longest path, in bytes; file systems stop at 255 for a name and 4,096 for a path.
pub const PATH_BYTES_MAX: usize = 240;
/// Deepest nesting, including the file itself.
pub const DEPTH_MAX: usize = 8;

/// A path below `artefacts/` that passed every check.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WritePermit {
    path: String,
}

impl WritePermit {
    /// Returns the relative path, with `/` between components.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns a key that two permits share if a case-insensitive file system has one file for
    /// both.
    pub fn collision_key(&self) -> String {
        self.path.to_ascii_lowercase()
    }
}

/// An artefact as journal and receipts name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Artefact {
    pub bytes: u64,
    /// Below `artefacts/`.
    pub path: String,
    /// Digest of the content.
    pub sha256: Digest,
}

/// Why a path is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteRefused {
    #[error("path is empty; name a file like report/Report_v1.0.md")]
    Empty,
    #[error("path has {found} bytes, limit {PATH_BYTES_MAX}; shorten it")]
    TooLong {
        /// In bytes.
        found: usize,
    },
    /// Too many components.
    #[error("path '{path}' is {found} deep, limit {DEPTH_MAX}; flatten it")]
    TooDeep {
        path: String,
        /// Number of components.
        found: usize,
    },
    #[error("path '{0}' is absolute; artefacts are named relative to artefacts/")]
    Absolute(String),
    /// With a drive letter, as on Windows.
    #[error("path '{0}' begins with a drive letter; artefacts are named relative to artefacts/")]
    Drive(String),
    /// `..`
    #[error("path '{0}' has a '..' component, which leads out of its folder; name each folder")]
    Out(String),
    /// `.`
    #[error("path '{0}' has a '.' component; name each folder once")]
    Here(String),
    /// Nothing between two slashes, or after the last.
    #[error("path '{0}' has an empty component; put one '/' between names and none at the end")]
    Nameless(String),
    /// A character that some system treats in a special way.
    #[error(
        "path '{path}' has {} (U+{:04X}), {}; permitted are A-Z a-z 0-9 _ - . and / between folders",
        .kind.name(), u32::from(*.found), .kind.why()
    )]
    Character {
        /// With invisible characters escaped.
        path: String,
        /// The first such character.
        found: char,
        kind: Character,
    },
    /// Hidden on systems where a leading dot hides a file.
    #[error("component '{0}' starts with a dot, which hides it; begin it otherwise")]
    Hidden(String),
    /// A component that Windows would store without its final dot.
    #[error("component '{0}' ends with a dot, which Windows takes away; end it otherwise")]
    TrailingDot(String),
    /// A device name on Windows.
    #[error("component '{0}' is a reserved device name; choose another")]
    Reserved(String),
    /// A folder whose name has the form of an artefact: an artefact could stand in its place.
    #[error("folder '{0}' has the form of an artefact's name; name folders without a version")]
    Folder(String),
    /// Not `Name_vMAJOR.MINOR[.PATCH].ext`.
    #[error(
        "name '{0}' is not of the form Name_vMAJOR.MINOR[.PATCH].ext; for example Report_v1.0.md"
    )]
    Unversioned(String),
}

/// Returns a path as the journal keeps it: a path that is refused as too long is cut at the limit
/// and ends with `…`.
pub fn shortened(mut path: String) -> String {
    if path.len() > PATH_BYTES_MAX {
        path.truncate(path.floor_char_boundary(PATH_BYTES_MAX));
        path.push('…');
    }
    path
}

const RESERVED: [&str; 6] = ["con", "prn", "aux", "nul", "com", "lpt"];

/// Checks `path` and returns its permit. A path is relative, has only plain characters, does not
/// lead out of its folder and ends in a versioned name (Tier-1 plan FP-3.3; design, "Policy").
pub fn permit(path: &str) -> Result<WritePermit, WriteRefused> {
    let shown = || path.escape_debug().take(PATH_BYTES_MAX).collect::<String>();
    if path.is_empty() {
        return Err(WriteRefused::Empty);
    }
    if path.len() > PATH_BYTES_MAX {
        return Err(WriteRefused::TooLong { found: path.len() });
    }
    if path.starts_with('/') {
        return Err(WriteRefused::Absolute(shown()));
    }
    if path.as_bytes()[0].is_ascii_alphabetic() && path.as_bytes().get(1) == Some(&b':') {
        return Err(WriteRefused::Drive(shown()));
    }
    if let Some(found) = path
        .chars()
        .find(|c| !(c.is_ascii_alphanumeric() || "_-./".contains(*c)))
    {
        return Err(WriteRefused::Character {
            path: shown(),
            found,
            kind: Character::of(found),
        });
    }
    let components: Vec<&str> = path.split('/').collect();
    if components.len() > DEPTH_MAX {
        return Err(WriteRefused::TooDeep {
            path: shown(),
            found: components.len(),
        });
    }
    for component in &components {
        match *component {
            "" => return Err(WriteRefused::Nameless(shown())),
            "." => return Err(WriteRefused::Here(shown())),
            ".." => return Err(WriteRefused::Out(shown())),
            hidden if hidden.starts_with('.') => {
                return Err(WriteRefused::Hidden(hidden.to_owned()));
            }
            dotted if dotted.ends_with('.') => {
                return Err(WriteRefused::TrailingDot(dotted.to_owned()));
            }
            _ => {}
        }
        let stem = component
            .split('.')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        let letters = stem.trim_end_matches(|c: char| c.is_ascii_digit());
        let numbered = stem.len() - letters.len();
        if RESERVED.contains(&letters) && (numbered == 0 || numbered == 1) {
            return Err(WriteRefused::Reserved((*component).to_owned()));
        }
    }
    let (name, folders) = components.split_last().unwrap_or((&"", &[]));
    if !is_versioned(name) {
        return Err(WriteRefused::Unversioned((*name).to_owned()));
    }
    // In lower case, because a case-insensitive file system takes `A_V1.0.md` for `A_v1.0.md`.
    if let Some(folder) = folders
        .iter()
        .find(|folder| is_versioned(&folder.to_ascii_lowercase()))
    {
        return Err(WriteRefused::Folder((*folder).to_owned()));
    }
    Ok(WritePermit {
        path: path.to_owned(),
    })
}

/// Returns whether `name` is `Name_vMAJOR.MINOR[.PATCH].ext`, with numbers without leading zeros.
fn is_versioned(name: &str) -> bool {
    let Some((stem, rest)) = name.rsplit_once("_v") else {
        return false;
    };
    let parts: Vec<&str> = rest.split('.').collect();
    let Some((extension, numbers)) = parts.split_last() else {
        return false;
    };
    let number = |text: &&str| {
        !text.is_empty()
            && text.bytes().all(|b| b.is_ascii_digit())
            && (*text == "0" || !text.starts_with('0'))
    };
    !stem.is_empty()
        && (2..=3).contains(&numbers.len())
        && numbers.iter().all(number)
        && !extension.is_empty()
        && extension.bytes().all(|b| b.is_ascii_alphanumeric())
        && !extension.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_way_out_is_refused_for_its_own_reason() {
        let long = format!("{}_v1.0.md", "a".repeat(PATH_BYTES_MAX));
        let deep = format!("{}A_v1.0.md", "a/".repeat(DEPTH_MAX));
        for (path, reason) in [
            ("", "path is empty"),
            (long.as_str(), "limit 240"),
            (deep.as_str(), "9 deep, limit 8"),
            ("/etc/A_v1.0.md", "absolute"),
            ("C:A_v1.0.md", "drive letter"),
            ("\\\\host\\A_v1.0.md", "a backslash (U+005C)"),
            ("a\\A_v1.0.md", "a backslash (U+005C)"),
            ("../A_v1.0.md", "'..' component"),
            ("a/../A_v1.0.md", "'..' component"),
            ("a//A_v1.0.md", "empty"),
            ("a/./A_v1.0.md", "'.'"),
            ("A_v1.0.md/", "empty"),
            (".hidden/A_v1.0.md", "starts with a dot"),
            ("a./A_v1.0.md", "ends with a dot"),
            ("A_v1.0.md ", "a space (U+0020)"),
            ("A\0_v1.0.md", "a NUL (U+0000)"),
            ("A\t_v1.0.md", "a control character (U+0009)"),
            ("A:b_v1.0.md", "a drive letter"),
            ("AB:b_v1.0.md", "a colon (U+003A)"),
            ("A*_v1.0.md", "a special character (U+002A)"),
            ("Ä_v1.0.md", "a character beyond ASCII (U+00C4)"),
            ("A\u{308}_v1.0.md", "a combining mark (U+0308)"),
            ("A\u{202e}_v1.0.md", "an invisible character (U+202E)"),
            ("con/A_v1.0.md", "reserved"),
            ("LPT1.x/A_v1.0.md", "reserved"),
            ("A.md", "not of the form"),
            ("A_v1.md", "not of the form"),
            ("A_v1.0", "not of the form"),
            ("A_v01.0.md", "not of the form"),
            ("_v1.0.md", "not of the form"),
            ("A_v1.2.3.4.md", "not of the form"),
            ("A_v1.0.md/B_v1.0.md", "form of an artefact's name"),
            ("A_V1.0.md/B_v1.0.md", "form of an artefact's name"),
        ] {
            let message = permit(path).unwrap_err().to_string();
            assert!(message.contains(reason), "{path:?}: {message}");
        }
        for path in [
            "A_v1.0.md",
            "triage/Report_v1.2.3.json",
            "a-b/c_d/Name_v10.0.tar",
        ] {
            assert_eq!(permit(path).unwrap().path(), path);
        }
    }

    proptest! {
        #[test]
        fn what_is_permitted_stays_below_its_folder(path in "[a-zA-Z0-9_./\\\\ -]{0,40}|.{0,30}") {
            if let Ok(permit) = permit(&path) {
                prop_assert!(!permit.path().starts_with('/'));
                prop_assert!(permit.path().split('/').all(|c| !c.is_empty() && c != "." && c != ".."));
                prop_assert!(permit.path().is_ascii());
            }
        }
    }
}
