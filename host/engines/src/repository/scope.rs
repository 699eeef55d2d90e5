//! Selects files of a repository by patterns, which are compared with whole paths, byte by byte and
//! case-sensitively. Looks only at paths, never at a disk.

use coo_kernel::form::path_pattern::{Case, PathPattern};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Patterns, in the order given. `*` matches any characters within a name, `**` any folders, and
/// `?` and `[…]` one character.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    patterns: Vec<PathPattern>,
}

/// The text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{pattern}' is not a valid pattern: {why}; for example docs/**/*.md")]
pub struct NoPattern {
    pattern: String,
    why: String,
}

impl Scope {
    /// Reads patterns; each describes paths from the top of the repository.
    pub fn new(patterns: &[impl AsRef<str>]) -> Result<Self, NoPattern> {
        let read = |text: &str| {
            let refused = |why: String| NoPattern {
                pattern: text.escape_debug().take(80).collect(),
                why,
            };
            let strange = |part: &str| part.is_empty() || part == "." || part == "..";
            if text.split('/').any(strange) {
                return Err(refused(
                    "it is not a path from the top of the repository".to_owned(),
                ));
            }
            PathPattern::parse(text, Case::Counts).map_err(refused)
        };
        let patterns = patterns.iter().map(|text| read(text.as_ref()));
        Ok(Self {
            patterns: patterns.collect::<Result<_, _>>()?,
        })
    }

    /// Returns a scope of exactly these files.
    pub fn exactly<'a>(paths: impl IntoIterator<Item = &'a str>) -> Result<Self, NoPattern> {
        let patterns: Vec<String> = paths.into_iter().map(PathPattern::escape).collect();
        Self::new(&patterns)
    }

    /// Returns a scope with the patterns of all given scopes.
    pub fn all_of<'a>(scopes: impl IntoIterator<Item = &'a Self>) -> Self {
        let patterns = scopes.into_iter().flat_map(|scope| &scope.patterns);
        Self {
            patterns: patterns.cloned().collect(),
        }
    }

    /// Returns each pattern, as text and as a scope of its own.
    pub fn each(&self) -> impl Iterator<Item = (&str, Self)> {
        self.patterns.iter().map(|pattern| {
            let patterns = vec![pattern.clone()];
            (pattern.as_str(), Self { patterns })
        })
    }

    /// Returns whether a pattern matches `path`.
    pub fn has(&self, path: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(path))
    }

    /// Returns whether the scope has no patterns, and so no files.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Returns the patterns as they were given.
    pub fn patterns(&self) -> impl Iterator<Item = &str> {
        self.patterns.iter().map(PathPattern::as_str)
    }

    /// Returns whether a pattern can match a file below `folder`; other folders need not be
    /// searched.
    pub fn reaches(&self, folder: &str) -> bool {
        self.patterns().any(|pattern| {
            let mut parts = pattern.split('/');
            for name in folder.split('/') {
                match parts.next() {
                    None => return false,
                    Some("**") => return true,
                    Some(part) => {
                        let part = PathPattern::parse(part, Case::Counts);
                        if !part.is_ok_and(|part| part.matches(name)) {
                            return false;
                        }
                    }
                }
            }
            parts.next().is_some()
        })
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.patterns())
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let patterns = Vec::<String>::deserialize(deserializer)?;
        Self::new(&patterns).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_mean_whole_paths() {
        let scope = Scope::new(&["coo/runtime/**/*.py", "docs/*.md", "LICENSE"]).unwrap();
        for path in [
            "coo/runtime/a.py",
            "coo/runtime/x/y/a.py",
            "docs/a.md",
            "LICENSE",
        ] {
            assert!(scope.has(path), "{path}");
        }
        for path in [
            "coo/a.py",
            "docs/x/a.md",
            "Docs/a.md",
            "x/LICENSE",
            "LICENSE/x",
        ] {
            assert!(!scope.has(path), "{path}");
        }
        for folder in ["coo", "coo/runtime", "coo/runtime/x", "docs"] {
            assert!(scope.reaches(folder), "{folder}");
        }
        for folder in ["c", "coo/tests", "docs/x", "LICENSE"] {
            assert!(!scope.reaches(folder), "{folder}");
        }
    }

    #[test]
    fn a_path_can_be_meant_exactly() {
        let scope = Scope::exactly(["a/[x]*.md"]).unwrap();
        assert!(scope.has("a/[x]*.md") && scope.reaches("a"));
        assert!(!scope.has("a/xy.md"));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for bad in [
            "", "/a", "a/", "a//b", "./a", "../a", "a/../b", "a[", "a**b",
        ] {
            assert!(Scope::new(&[bad]).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn who_has_a_file_reaches_its_folders(
            pattern in "([a-c*?]{1,3}|\\*\\*)(/([a-c*?]{1,3}|\\*\\*)){0,3}",
            path in "[a-c]{1,2}(/[a-c]{1,2}){0,3}",
        ) {
            if let Ok(scope) = Scope::new(&[pattern]) && scope.has(&path) {
                let mut folder = path.as_str();
                while let Some((above, _)) = folder.rsplit_once('/') {
                    prop_assert!(scope.reaches(above));
                    folder = above;
                }
            }
        }
    }
}
