//! Parts that both rulesets share, the scanner's and the lint's: a JSON file written by a person that
//! declares its format, and the error that names the rule. Knows no rule.

use std::fmt::Display;

use coo_kernel::form::strict;
use serde::de::DeserializeOwned;

/// Largest ruleset, in bytes: it is written by hand.
pub const BYTES_MAX: usize = 1 << 20;

/// Why a ruleset is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {why}")]
pub struct RulesetError {
    place: String,
    why: String,
}

impl RulesetError {
    pub(crate) fn new(place: impl Into<String>, why: impl Display) -> Self {
        Self {
            place: place.into(),
            why: why.to_string(),
        }
    }
}

/// A ruleset as it is written, not checked yet.
pub(crate) trait Written: DeserializeOwned {
    /// The format that it must declare.
    const FORMAT: &str;

    /// Returns the format that it declares.
    fn format(&self) -> &str;
}

/// Reads a ruleset, and checks its length and its format.
pub(crate) fn read<W: Written>(content: &[u8]) -> Result<W, RulesetError> {
    if content.len() > BYTES_MAX {
        let bytes = content.len();
        let why = format!("has {bytes} bytes, at most {BYTES_MAX} are read");
        return Err(RulesetError::new("ruleset", why));
    }
    let written: W =
        strict::read(content).map_err(|problems| RulesetError::new("ruleset", problems.all()))?;
    if written.format() != W::FORMAT {
        let found: String = written.format().escape_debug().take(80).collect();
        let why = format!("has format '{found}', only {} is read", W::FORMAT);
        return Err(RulesetError::new("ruleset", why));
    }
    Ok(written)
}
