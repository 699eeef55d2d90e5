//! The rules of coo about missions as one ruleset: its digest, and the pins that hold a state root to
//! the rulesets that it was configured with (packet §5.4). The host computes the digests of the
//! rulesets that are files. Judges no mission.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::form::canonical;
use crate::form::digest::Digest;
use crate::mission::edition::Edition;
use crate::mission::{protected, workflow};

/// A ruleset that ships with coo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Hash)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Ruleset {
    /// The rules of the constitutional lint.
    ConstitutionalLint,
    /// The rules of the governance-leak scanner.
    GovernanceLeak,
    /// The workflow validator and the registry of protected artefacts, in the current edition.
    Mission,
}

impl Ruleset {
    /// Returns the name in files and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConstitutionalLint => "constitutional_lint",
            Self::GovernanceLeak => "governance_leak",
            Self::Mission => "mission",
        }
    }
}

impl fmt::Display for Ruleset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The digest of each ruleset.
pub type Digests = BTreeMap<Ruleset, Digest>;

/// A ruleset that is not the pinned one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("ruleset {ruleset}: has SHA-256 {found}, pinned is {pinned}")]
pub struct OtherRuleset {
    pub ruleset: Ruleset,
    pub found: Digest,
    pub pinned: Digest,
}

/// Returns the SHA-256 of the rules about missions in `edition`, as canonical JSON: the bounds and
/// words of the workflow validator, and the registry of protected artefacts.
pub fn of_missions(edition: Edition) -> Digest {
    let rules = json!({
        "edition": edition,
        "protected": protected::entries(edition),
        "workflow": workflow::rules(edition),
    });
    let text = canonical::to_string(&rules);
    Digest::of(text.expect("strings and integers have a canonical form"))
}

/// Fails with the first ruleset of `pins` that is another one in `found`.
pub fn check(pins: &Digests, found: &Digests) -> Result<(), OtherRuleset> {
    for (ruleset, pinned) in pins {
        if let Some(found) = found.get(ruleset).filter(|found| *found != pinned) {
            return Err(OtherRuleset {
                ruleset: *ruleset,
                found: *found,
                pinned: *pinned,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edition_keeps_its_digest() {
        let digests = Edition::ALL.map(|edition| of_missions(edition).short());
        assert_eq!(
            digests,
            [
                "bf9f9de24afa",
                "36490d64b82f",
                "85268592126d",
                "85ba16621566"
            ]
        );
    }

    #[test]
    fn a_ruleset_that_differs_from_its_pin_is_named() {
        let digests = |text: &str| Digests::from([(Ruleset::Mission, Digest::of(text))]);
        assert_eq!(check(&digests("a"), &digests("a")), Ok(()));
        assert_eq!(check(&Digests::new(), &digests("a")), Ok(()));
        let refused = check(&digests("a"), &digests("b")).unwrap_err();
        let (a, b) = (Digest::of("a"), Digest::of("b"));
        assert_eq!(
            refused.to_string(),
            format!("ruleset mission: has SHA-256 {b}, pinned is {a}")
        );
    }

    #[test]
    fn a_ruleset_is_read_by_its_name() {
        for ruleset in [
            Ruleset::ConstitutionalLint,
            Ruleset::GovernanceLeak,
            Ruleset::Mission,
        ] {
            let text = serde_json::to_string(&ruleset).unwrap();
            assert_eq!(text, format!("\"{ruleset}\""));
            assert_eq!(serde_json::from_str::<Ruleset>(&text).unwrap(), ruleset);
        }
    }
}
