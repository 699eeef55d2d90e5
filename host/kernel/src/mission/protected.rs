//! The protected artefact registry: documents that no mission can write through the runtime,
//! whatever a descriptor's scope or the configuration permits (Tier-1 plan FP-3.9; design,
//! "Policy"). The configuration can add patterns and remove none. This module judges names only.

use crate::form::path_pattern::{Case, PathPattern};
use crate::mission::edition::Edition;

/// A pattern, and why it is protected.
pub type ProtectedEntry = (&'static str, &'static str);

/// The first edition of the rules. It protects folders of specifications and of constitutional
/// documents only at the top.
const FIRST: [ProtectedEntry; 8] = [
    ("**/01_governance/**", "governance documents"),
    ("**/02_protocols/**", "protocols"),
    ("constitution/**", "constitutional documents"),
    ("specs/**", "specifications"),
    ("**/*constitution*", "constitutional documents"),
    ("**/*governance_protocol*", "the governance protocol"),
    ("**/*runtime_spec*", "the runtime's specification"),
    ("**/*governance_leak_ruleset*", "the pinned ruleset"),
];

/// The second edition of the rules.
const SECOND: [ProtectedEntry; 11] = [
    ("**/01_governance/**", "governance documents"),
    ("**/02_protocols/**", "protocols"),
    ("**/constitution/**", "constitutional documents"),
    ("**/spec/**", "specifications"),
    ("**/specs/**", "specifications"),
    ("**/*constitution*", "constitutional documents"),
    ("**/*governance_leak_ruleset*", "the pinned ruleset"),
    ("**/*governance_protocol*", "the governance protocol"),
    ("**/*hardening_plan*", "the hardening plan"),
    ("**/*implementation_packet*", "the implementation packet"),
    ("**/*runtime_spec*", "the runtime's specification"),
];

/// The third edition of the rules. It knows the titles of the documents of the authority chain, with
/// whatever separates their words.
const THIRD: [ProtectedEntry; 21] = [
    ("**/01_governance/**", "governance documents"),
    ("**/02_protocols/**", "protocols"),
    ("**/constitution/**", "constitutional documents"),
    ("**/spec/**", "specifications"),
    ("**/specs/**", "specifications"),
    ("**/*alignment*layer*", "the alignment layer"),
    ("**/*charter*", "charters"),
    ("**/*constitution*", "constitutional documents"),
    ("**/*governance*leak*ruleset*", "the pinned ruleset"),
    ("**/*governance*protocol*", "the governance protocol"),
    ("**/*hardening*plan*", "the hardening plan"),
    ("**/*implementation*packet*", "the implementation packet"),
    ("**/*instruction*packet*", "instruction packets"),
    ("**/*lifeos*", "documents of LifeOS"),
    ("**/*productisation*brief*", "the productisation brief"),
    ("**/*runtime*spec*", "the runtime's specification"),
    ("**/*user*surface*", "the user surface"),
    ("**/spec_v*", "specifications"),
    ("**/*-spec_v*", "specifications"),
    ("**/*_spec_v*", "specifications"),
    ("**/*specification_v*", "specifications"),
];

/// Returns the artefacts that no mission can write, by the rules of `edition`.
pub const fn entries(edition: Edition) -> &'static [ProtectedEntry] {
    match edition {
        Edition::FIRST => &FIRST,
        Edition::SECOND => &SECOND,
        _ => &THIRD,
    }
}

/// Returns the first entry that protects `path` by the rules of `edition`.
pub fn of(edition: Edition, path: &str) -> Option<&'static ProtectedEntry> {
    let mut known = entries(edition).iter();
    known.find(|(text, _)| pattern(text).is_ok_and(|pattern| pattern.matches(path)))
}

/// Reads a pattern of artefacts. It ignores case, because on some file systems two spellings of
/// a name are the same file.
pub fn pattern(text: &str) -> Result<PathPattern, String> {
    PathPattern::parse(text, Case::IsIgnored).map_err(|why| {
        format!(
            "'{}' is not a valid pattern: {why}; for example reports/**",
            text.escape_debug().take(80).collect::<String>(),
        )
    })
}

/// Fails with the reason if `pattern` is not valid.
pub fn check(pattern: &str) -> Result<(), String> {
    self::pattern(pattern).map(drop)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EDITIONS: [Edition; 4] = Edition::ALL;

    fn protecting(edition: Edition, path: &str) -> Option<&'static str> {
        of(edition, path).map(|(pattern, _)| *pattern)
    }

    #[test]
    fn the_registry_names_what_it_protects_in_any_case() {
        for (pattern, why) in EDITIONS.into_iter().flat_map(entries) {
            assert_eq!(check(pattern), Ok(()));
            assert!(!why.is_empty());
        }
        for (path, first, second) in [
            ("01_governance/A_v1.0.md", "**/01_governance/**", None),
            (
                "docs/01_GOVERNANCE/deep/A_v1.0.md",
                "**/01_governance/**",
                None,
            ),
            ("docs/02_protocols/A_v1.0.md", "**/02_protocols/**", None),
            ("Specs/Plan_v1.0.md", "specs/**", Some("**/specs/**")),
            ("LifeOS_Constitution_v2.0.md", "**/*constitution*", None),
            ("a/COO_Runtime_Spec_v1.0.md", "**/*runtime_spec*", None),
            (
                "Governance_Protocol_v1.0.md",
                "**/*governance_protocol*",
                None,
            ),
        ] {
            assert_eq!(protecting(Edition::FIRST, path), Some(first), "{path}");
            let second = second.unwrap_or(first);
            assert_eq!(protecting(Edition::SECOND, path), Some(second), "{path}");
            assert!(protecting(Edition::CURRENT, path).is_some(), "{path}");
        }
        for (path, pattern) in [
            ("a/b/specs/A_v1.0.md", "**/specs/**"),
            ("docs/Spec/A_v1.0.md", "**/spec/**"),
            ("a/constitution/A_v1.0.md", "**/constitution/**"),
            (
                "Implementation_Packet_v1.0.txt",
                "**/*implementation_packet*",
            ),
            ("a/Tier1_Hardening_Plan_v0.1.txt", "**/*hardening_plan*"),
        ] {
            assert_eq!(protecting(Edition::FIRST, path), None, "{path}");
            assert_eq!(protecting(Edition::SECOND, path), Some(pattern), "{path}");
            assert!(protecting(Edition::CURRENT, path).is_some(), "{path}");
        }
        for path in [
            "Tier-1_Hardening_Work_Plan_v0.1.md",
            "LifeOS_v1.1.md",
            "a/LifeOS_Spec_v1.1.md",
            "Alignment_Layer_v1.4.md",
            "Productisation_Brief_v1.0.md",
            "CSO_Charter_v1.0.md",
            "Spec_v1.0.md",
            "Kernel_Spec_v1.0.md",
            "Antigravity_Instruction_Packet_v1.0.txt",
            "User-Surface_v1.1.md",
        ] {
            assert!(protecting(Edition::CURRENT, path).is_some(), "{path}");
            assert_eq!(protecting(Edition::SECOND, path), None, "{path}");
        }
        for path in [
            "triage/Triage_Report_v1.0.md",
            "a/specs_of_mine/A_v1.0.md",
            "inspection/Spec_Summary_v1.0.md",
            "Governance_v1.0.md",
        ] {
            for edition in EDITIONS {
                assert_eq!(protecting(edition, path), None, "{path}");
            }
        }
        assert!(
            check("a[")
                .unwrap_err()
                .starts_with("'a[' is not a valid pattern")
        );
    }

    proptest! {
        #[test]
        fn whatever_lies_in_a_protected_folder_is_protected(
            above in "([a-z]{1,4}/){0,2}", below in "([a-z]{1,4}/){0,2}", name in "[A-Za-z]{1,8}_v1\\.0\\.md",
        ) {
            let path = format!("{above}01_governance/{below}{name}");
            for edition in EDITIONS {
                prop_assert!(protecting(edition, &path).is_some(), "{}", path);
            }
        }

        #[test]
        fn no_edition_protects_less_than_the_one_before(path in "((Specs|spec|a|constitution|01_governance)/){0,3}[a-zA-Z_]{0,12}(Constitution|Runtime_Spec)?_v1\\.0\\.md") {
            for pair in EDITIONS.windows(2) {
                if protecting(pair[0], &path).is_some() {
                    prop_assert!(protecting(pair[1], &path).is_some(), "{}", path);
                }
            }
        }
    }
}
