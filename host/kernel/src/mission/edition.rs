//! Editions of coo's own rules about missions: the registry of protected artefacts, and the words
//! by which the workflow validator recognises an order. This file only names the editions; each
//! rule is defined where it is applied.
//!
//! Invariant: an edition never changes after its release. A run records its edition, and a replay
//! judges by the recorded one; otherwise the replay could not agree with its run.

use serde::{Deserialize, Serialize};

/// One edition, as a journal names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(try_from = "u32", into = "u32")]
pub struct Edition(u32);

impl Edition {
    /// The edition of runs recorded before there were several: their journals do not state one.
    pub const FIRST: Self = Self(1);
    /// An edition that some runs on record state.
    pub const SECOND: Self = Self(2);
    /// The edition before the current one.
    pub const THIRD: Self = Self(3);
    /// The edition of runs that begin now.
    pub const CURRENT: Self = Self(4);
    /// Every edition that this build reads, oldest first.
    pub const ALL: [Self; 4] = [Self::FIRST, Self::SECOND, Self::THIRD, Self::CURRENT];

    /// Returns the edition of a journal that does not state one.
    pub(crate) const fn unsaid() -> Self {
        Self::FIRST
    }

    /// Returns whether a journal leaves this edition out.
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde calls it with a reference"
    )]
    pub(crate) fn is_unsaid(&self) -> bool {
        *self == Self::FIRST
    }
}

impl TryFrom<u32> for Edition {
    type Error = String;

    fn try_from(number: u32) -> Result<Self, String> {
        let known = Self::FIRST.0..=Self::CURRENT.0;
        if known.contains(&number) {
            return Ok(Self(number));
        }
        Err(format!(
            "edition {number} of the rules; {} to {} are known here: a later coo recorded it",
            known.start(),
            known.end()
        ))
    }
}

impl From<Edition> for u32 {
    fn from(edition: Edition) -> Self {
        edition.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edition_that_is_not_known_is_refused() {
        for (text, known) in [
            ("1", true),
            ("2", true),
            ("0", false),
            ("3", true),
            ("4", true),
            ("5", false),
        ] {
            let read = serde_json::from_str::<Edition>(text);
            assert_eq!(read.is_ok(), known, "{text}");
        }
        assert_eq!(serde_json::to_string(&Edition::CURRENT).unwrap(), "4");
    }
}
