//! Paths of a tree: bytes, as file systems have them, and their one text form. A `TreePath`
//! never leads out of its tree: it has no `..`, no `.`, no empty component and no root.
//! Never asks a file system.

use std::fmt::Write as _;

use super::Refused;

/// Longest path, in bytes; what a Linux system call takes.
const PATH_BYTES_MAX: usize = 4_095;
/// Longest name in a folder, in bytes.
const NAME_BYTES_MAX: usize = 255;
/// Longest target of a link, in bytes.
pub const TARGET_BYTES_MAX: usize = 4_095;

/// A path from the top of a tree, ordered by its bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TreePath(Vec<u8>);

impl TreePath {
    /// Judges `bytes`.
    pub fn new(bytes: Vec<u8>) -> Result<Self, Refused> {
        let refuse = |why| {
            Err(Refused::Path {
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

    /// From its text form.
    pub fn from_text(text: &str) -> Result<Self, Refused> {
        Self::new(bytes_of(text)?)
    }

    /// Its text form.
    pub fn text(&self) -> String {
        text_of(&self.0)
    }

    /// As a file system has it.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Names from the top.
    pub fn components(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|&byte| byte == b'/')
    }

    /// The last component.
    pub fn name(&self) -> &[u8] {
        let start = self.last_slash().map_or(0, |slash| slash + 1);
        &self.0[start..]
    }

    /// The folder it is in; none at the top.
    pub fn parent(&self) -> Option<Self> {
        self.last_slash().map(|slash| Self(self.0[..slash].into()))
    }

    /// Itself, then the folders it is in, outwards.
    pub fn ancestry(&self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self.clone()), Self::parent)
    }

    /// Whether it is `folder` or lies below it.
    pub fn is_within(&self, folder: &Self) -> bool {
        self.0
            .strip_prefix(folder.bytes())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    }

    fn last_slash(&self) -> Option<usize> {
        self.0.iter().rposition(|&byte| byte == b'/')
    }
}

/// Judges the target of the link at `path`.
pub(super) fn check_target(target: &[u8], path: &TreePath) -> Result<(), Refused> {
    if target.is_empty() || target.len() > TARGET_BYTES_MAX || target.contains(&0) {
        return Err(Refused::Target(path.text()));
    }
    Ok(())
}

/// The one text form of `bytes`: UTF-8 as it is, `%` as `%25`, every other byte as `%XX`.
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

/// The bytes whose text form is `text`.
pub fn bytes_of(text: &str) -> Result<Vec<u8>, Refused> {
    let refuse = || Refused::Text(text.escape_debug().take(200).collect());
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
    // Lower-case digits, or a character that needed none: two texts would be one path.
    if text_of(&bytes) != text {
        return Err(refuse());
    }
    Ok(bytes)
}
