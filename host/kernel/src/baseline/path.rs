//! Paths of a tree: bytes, as file systems store them, and their one text form. A `TreePath`
//! never leads out of its tree: it has no `..`, no `.`, no empty component and no root.
//! Nothing here asks a file system.

use std::fmt::Write as _;

use super::ManifestError;

/// Longest path, in bytes: the maximum of a Linux system call.
const PATH_BYTES_MAX: usize = 4_095;
/// Longest name in a folder, in bytes.
const NAME_BYTES_MAX: usize = 255;
/// Longest target of a link, in bytes.
pub const TARGET_BYTES_MAX: usize = 4_095;

/// A path from the top of a tree, ordered by its bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TreePath(Vec<u8>);

impl TreePath {
    /// Checks `bytes`; fails unless they are a relative path that stays in its tree.
    pub fn new(bytes: Vec<u8>) -> Result<Self, ManifestError> {
        let refuse = |why| {
            Err(ManifestError::Path {
                path: text_of(&bytes).escape_debug().take(200).collect(),
                why,
            })
        };
        if bytes.is_empty() {
            return refuse("is empty");
        }
        if bytes.len() > PATH_BYTES_MAX {
            return refuse("has more than 4095 bytes");
        }
        if bytes.contains(&0) {
            return refuse("has a zero byte");
        }
        for name in bytes.split(|&byte| byte == b'/') {
            match name {
                b"" => return refuse("is absolute or has an empty component"),
                b"." | b".." => return refuse("has a '.' or '..' component"),
                _ if name.len() > NAME_BYTES_MAX => {
                    return refuse("has a component of more than 255 bytes");
                }
                _ => {}
            }
        }
        Ok(Self(bytes))
    }

    /// Reads a path from its text form.
    pub fn from_text(text: &str) -> Result<Self, ManifestError> {
        Self::new(bytes_of(text)?)
    }

    /// Returns the text form.
    pub fn text(&self) -> String {
        text_of(&self.0)
    }

    /// Returns the bytes, as a file system stores them.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the names from the top.
    pub fn components(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|&byte| byte == b'/')
    }

    /// Returns the last component.
    pub fn name(&self) -> &[u8] {
        let start = self.last_slash().map_or(0, |slash| slash + 1);
        &self.0[start..]
    }

    /// Returns the folder that contains it; none at the top.
    pub fn parent(&self) -> Option<Self> {
        self.last_slash().map(|slash| Self(self.0[..slash].into()))
    }

    /// Returns the path itself, then the folders that contain it, from the innermost outwards.
    pub fn ancestry(&self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self.clone()), Self::parent)
    }

    /// Returns whether it is `folder` or lies below it.
    pub fn is_within(&self, folder: &Self) -> bool {
        self.0
            .strip_prefix(folder.bytes())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    }

    fn last_slash(&self) -> Option<usize> {
        self.0.iter().rposition(|&byte| byte == b'/')
    }
}

/// Checks the target of the link at `path`.
pub(super) fn check_target(target: &[u8], path: &TreePath) -> Result<(), ManifestError> {
    if target.is_empty() || target.len() > TARGET_BYTES_MAX || target.contains(&0) {
        return Err(ManifestError::Target(path.text()));
    }
    Ok(())
}

/// Returns the one text form of `bytes`: UTF-8 unchanged, `%` as `%25`, every other byte as `%XX`.
pub fn text_of(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c == '%' {
                text.push_str("%25");
            } else {
                text.push(c);
            }
        }
        for byte in chunk.invalid() {
            // Writing to a string does not fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// Returns the bytes whose text form is `text`; fails if no bytes have it.
pub fn bytes_of(text: &str) -> Result<Vec<u8>, ManifestError> {
    let refuse = || ManifestError::Text(text.escape_debug().take(200).collect());
    let mut parts = text.split('%');
    let mut bytes: Vec<u8> = parts.next().unwrap_or_default().into();
    for part in parts {
        let byte = part
            .get(..2)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
            .ok_or_else(refuse)?;
        bytes.push(byte);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    // Lower-case digits, or an escape that was not needed, would give one path two texts.
    if text_of(&bytes) != text {
        return Err(refuse());
    }
    Ok(bytes)
}
