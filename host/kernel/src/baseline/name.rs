//! Names of baselines, which people give them. Such a name is the name of a file and is never taken
//! for an id. Nothing here looks a name up.

use crate::state::layout::{NAME_BYTES_MAX, is_name};

/// Names must not look like an id: a name of this many hex digits or more would be ambiguous.
const ID_DIGITS_MIN: usize = 12;

/// A text that can't be the name of a baseline.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAName {
    #[error(
        "name '{0}': must be 1 to {NAME_BYTES_MAX} of A-Z a-z 0-9 . _ - and begin with a letter, a digit or _"
    )]
    Form(String),
    #[error("name '{0}': could be the beginning of an id")]
    Id(String),
}

impl NotAName {
    /// Returns what the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Form(_) | Self::Id(_) => Some("choose another"),
        }
    }
}

/// Fails unless a baseline can have this name.
pub fn check_name(name: &str) -> Result<(), NotAName> {
    if !is_name(name) {
        let shown = name.escape_debug().take(NAME_BYTES_MAX).collect();
        return Err(NotAName::Form(shown));
    }
    if is_id(name) {
        return Err(NotAName::Id(name.to_owned()));
    }
    Ok(())
}

/// Returns whether the text could be an id of a baseline, or the first digits of one.
pub fn is_id(text: &str) -> bool {
    let hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    (ID_DIGITS_MIN..=64).contains(&text.len()) && text.bytes().all(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_plain_and_no_id() {
        for good in ["a", "_x", "before-PIPELINE-000001", "12345678901", "cafe"] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        let long = "a".repeat(NAME_BYTES_MAX + 1);
        for bad in ["", ".a", "-a", "a/b", "a b", "ä", long.as_str()] {
            assert!(matches!(check_name(bad), Err(NotAName::Form(_))), "{bad}");
        }
        let id = "0123456789ab";
        assert_eq!(check_name(id), Err(NotAName::Id(id.to_owned())));
        assert!(is_id(&id.repeat(5)) && !is_id(&id.repeat(6)) && !is_id("0123456789AB"));
    }
}
