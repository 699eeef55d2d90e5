//! The name of a mission in a project. It is the name of a crate, of a folder, of a module and of a
//! descriptor at once, so it has to be good for all four. Never repairs a name that was typed.

use std::fmt;

/// Longest name, in bytes: a mission's type is made of it, and has this limit.
pub const NAME_BYTES_MAX: usize = 64;

/// Names that cargo or rustc refuse, and what stands for another thing in a project: its folder of
/// modules, and the packages that its lock file has from the start.
const TAKEN: [&str; 90] = [
    "abstract",
    "alloc",
    "anyhow",
    "as",
    "async",
    "await",
    "become",
    "bitflags",
    "box",
    "break",
    "const",
    "continue",
    "coo-guest",
    "core",
    "crate",
    "dist",
    "do",
    "dyn",
    "else",
    "enum",
    "equivalent",
    "extern",
    "false",
    "final",
    "fn",
    "foldhash",
    "for",
    "gen",
    "hashbrown",
    "heck",
    "id-arena",
    "if",
    "impl",
    "in",
    "indexmap",
    "itoa",
    "leb128fmt",
    "let",
    "log",
    "loop",
    "macro",
    "match",
    "memchr",
    "mod",
    "move",
    "mut",
    "override",
    "prettyplease",
    "priv",
    "proc-macro",
    "proc-macro2",
    "pub",
    "quote",
    "ref",
    "return",
    "self",
    "semver",
    "serde",
    "serde-core",
    "serde-derive",
    "serde-json",
    "static",
    "std",
    "struct",
    "super",
    "syn",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unicode-ident",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "wasm-encoder",
    "wasm-metadata",
    "wasmparser",
    "where",
    "while",
    "wit-bindgen",
    "wit-bindgen-core",
    "wit-bindgen-rust",
    "wit-bindgen-rust-macro",
    "wit-component",
    "wit-parser",
    "yield",
    "zmij",
];

/// The name of a mission: lower-case letters, digits and single hyphens, a letter first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MissionName(String);

/// Why a text is no name of a mission. The texts complete `mission name '…': `.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAMissionName {
    #[error("{found} bytes, 1 to {NAME_BYTES_MAX} needed")]
    Length {
        /// Its bytes.
        found: usize,
    },
    #[error("lower-case letters, digits and single hyphens needed, a letter first")]
    Characters,
    #[error("has another meaning for cargo, or in a project")]
    Taken,
}

impl MissionName {
    /// Takes a name as it was typed.
    pub fn parse(name: &str) -> Result<Self, NotAMissionName> {
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            return Err(NotAMissionName::Length { found: name.len() });
        }
        let is_known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !name.starts_with(|c: char| c.is_ascii_lowercase())
            || !name.chars().all(is_known)
            || name.ends_with('-')
            || name.contains("--")
        {
            return Err(NotAMissionName::Characters);
        }
        if TAKEN.binary_search(&name).is_ok() {
            return Err(NotAMissionName::Taken);
        }
        Ok(Self(name.to_owned()))
    }

    /// Makes a name of the name of a folder, if there is one that a person would recognise.
    #[must_use]
    pub fn of_folder(folder: &str) -> Option<Self> {
        let hyphened: String = folder
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        let words = hyphened.split('-').filter(|word| !word.is_empty());
        let name = words.collect::<Vec<_>>().join("-").to_ascii_lowercase();
        Self::parse(&name).ok()
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name that rustc gives to the crate, and its files.
    #[must_use]
    pub fn crate_name(&self) -> String {
        self.0.replace('-', "_")
    }

    /// Returns the type of the mission in its descriptor.
    #[must_use]
    pub fn mission_type(&self) -> String {
        self.crate_name().to_ascii_uppercase()
    }
}

impl fmt::Display for MissionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_is_good_for_crate_folder_and_descriptor() {
        for name in ["hello", "mail-sort", "a1", "x"] {
            assert_eq!(MissionName::parse(name).unwrap().as_str(), name);
        }
        let name = MissionName::parse("mail-sort-2").unwrap();
        assert_eq!(name.crate_name(), "mail_sort_2");
        assert_eq!(name.mission_type(), "MAIL_SORT_2");
        for (name, why) in [
            ("", NotAMissionName::Length { found: 0 }),
            (&"a".repeat(65), NotAMissionName::Length { found: 65 }),
            ("Hello", NotAMissionName::Characters),
            ("1a", NotAMissionName::Characters),
            ("a_b", NotAMissionName::Characters),
            ("a--b", NotAMissionName::Characters),
            ("a-", NotAMissionName::Characters),
            ("-a", NotAMissionName::Characters),
            ("../a", NotAMissionName::Characters),
            ("é", NotAMissionName::Characters),
            ("fn", NotAMissionName::Taken),
            ("dist", NotAMissionName::Taken),
            ("serde-json", NotAMissionName::Taken),
            ("semver", NotAMissionName::Taken),
            ("while", NotAMissionName::Taken),
        ] {
            assert_eq!(MissionName::parse(name), Err(why), "{name}");
        }
    }

    #[test]
    fn the_names_that_are_taken_are_in_order() {
        assert!(TAKEN.is_sorted());
    }

    #[test]
    fn a_folder_gives_a_name_or_none() {
        let made = |folder| MissionName::of_folder(folder).map(|name| name.0);
        assert_eq!(made("My Mission_2"), Some("my-mission-2".to_owned()));
        assert_eq!(made("hello.world"), Some("hello-world".to_owned()));
        for none in ["2026", "日本", "", "test", ".", "-"] {
            assert_eq!(made(none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_a_name_makes_a_legal_type_and_stays_itself(text in "\\PC{0,70}") {
            for name in [MissionName::parse(&text).ok(), MissionName::of_folder(&text)] {
                let Some(name) = name else { continue };
                prop_assert_eq!(MissionName::parse(name.as_str()), Ok(name.clone()));
                prop_assert_eq!(MissionName::of_folder(name.as_str()), Some(name.clone()));
                let is_type = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
                prop_assert!(name.mission_type().chars().all(is_type));
            }
        }
    }
}
