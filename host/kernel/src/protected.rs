//! The protected artefact registry: documents that nobody can write through the runtime,
//! whatever a descriptor's scope or the configuration says (Tier-1 plan FP-3.9; design,
//! "Policy"). The configuration adds patterns of its own and can take none away. Judges names
//! alone.

use glob::{MatchOptions, Pattern};

/// What is protected, and why. Part of what makes a replay agree with its run: a release that
/// changes it has to record the registry in force with every run.
pub const REGISTRY: [(&str, &str); 8] = [
    ("**/01_governance/**", "governance documents"),
    ("**/02_protocols/**", "protocols"),
    ("constitution/**", "constitutional documents"),
    ("specs/**", "specifications"),
    ("**/*constitution*", "constitutional documents"),
    ("**/*governance_protocol*", "the governance protocol"),
    ("**/*runtime_spec*", "the runtime's specification"),
    ("**/*governance_leak_ruleset*", "the pinned ruleset"),
];

/// Case does not count: where it does not count on disk, another case is the same file.
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: false,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// Whether `path` is one of those that `pattern` means: `*` stands for any characters of a name,
/// `**` for any folders, `?` and `[…]` for one character. A pattern that is none means nothing.
pub fn matches(pattern: &str, path: &str) -> bool {
    Pattern::new(pattern).is_ok_and(|pattern| pattern.matches_with(path, OPTIONS))
}

/// What is wrong with `pattern`, if anything is.
pub fn check(pattern: &str) -> Result<(), String> {
    match Pattern::new(pattern) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!(
            "'{}' is no pattern: {}; for example reports/**",
            pattern.escape_debug().take(80).collect::<String>(),
            error.msg
        )),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn protecting(path: &str) -> Option<&'static str> {
        let found = REGISTRY.iter().find(|(pattern, _)| matches(pattern, path));
        found.map(|(pattern, _)| *pattern)
    }

    #[test]
    fn the_registry_names_what_it_protects_in_any_case() {
        for (pattern, why) in REGISTRY {
            assert_eq!(check(pattern), Ok(()));
            assert!(!why.is_empty());
        }
        for (path, pattern) in [
            ("01_governance/A_v1.0.md", "**/01_governance/**"),
            ("docs/01_GOVERNANCE/deep/A_v1.0.md", "**/01_governance/**"),
            ("docs/02_protocols/A_v1.0.md", "**/02_protocols/**"),
            ("Specs/Plan_v1.0.md", "specs/**"),
            ("LifeOS_Constitution_v2.0.md", "**/*constitution*"),
            ("a/COO_Runtime_Spec_v1.0.md", "**/*runtime_spec*"),
            ("Governance_Protocol_v1.0.md", "**/*governance_protocol*"),
        ] {
            assert_eq!(protecting(path), Some(pattern), "{path}");
        }
        for path in [
            "triage/Triage_Report_v1.0.md",
            "a/specs_of_mine/A_v1.0.md",
            "Governance_v1.0.md",
        ] {
            assert_eq!(protecting(path), None, "{path}");
        }
        assert!(check("a[").unwrap_err().starts_with("'a[' is no pattern"));
        assert!(!matches("a[", "a["));
    }

    proptest! {
        #[test]
        fn whatever_lies_in_a_protected_folder_is_protected(
            above in "([a-z]{1,4}/){0,2}", below in "([a-z]{1,4}/){0,2}", name in "[A-Za-z]{1,8}_v1\\.0\\.md",
        ) {
            let path = format!("{above}01_governance/{below}{name}");
            prop_assert!(protecting(&path).is_some(), "{}", path);
        }
    }
}
