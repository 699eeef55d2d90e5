//! Names of Python modules, and how they change when a package moves. Knows neither files nor
//! sources: the callers read those.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A dotted module name: ASCII, at least one component.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ModulePath {
    components: Vec<String>,
}

/// A package that moves, with everything in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    pub from: ModulePath,
    pub to: ModulePath,
}

/// The module that a source is; its relative imports start from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub before: ModulePath,
    pub after: ModulePath,
    /// Whether the source is an `__init__.py`.
    pub is_package: bool,
}

/// The text is not a dotted module name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a dotted name of a Python module; for example package.module")]
pub struct NoModule(String);

/// Words that cannot be names.
const KEYWORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue",
    "def", "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import",
    "in", "is", "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while",
    "with", "yield",
];

impl ModulePath {
    /// Reads a dotted name; fails on anything else.
    pub fn parse(text: &str) -> Result<Self, NoModule> {
        let components: Vec<String> = text.split('.').map(str::to_owned).collect();
        if components.iter().all(|component| is_identifier(component)) {
            Ok(Self { components })
        } else {
            Err(NoModule(text.escape_debug().take(80).collect()))
        }
    }

    /// Returns the module of a file, by its path from the folder that holds its package, and
    /// whether the file is an `__init__`. None if the file cannot be imported as a module.
    pub fn of_file(path: &str) -> Option<(Self, bool)> {
        let path = path
            .strip_suffix(".py")
            .or_else(|| path.strip_suffix(".pyi"))?;
        let (path, is_package) = match path.strip_suffix("/__init__") {
            Some(package) => (package, true),
            None => (path, false),
        };
        let components: Vec<String> = path.split('/').map(str::to_owned).collect();
        let is_module = components.iter().all(|component| is_identifier(component));
        is_module.then_some((Self { components }, is_package))
    }

    /// Returns the components; there is at least one.
    pub fn components(&self) -> &[String] {
        &self.components
    }

    /// Returns the first component, which is the name that `import` binds.
    pub fn first(&self) -> &str {
        self.components.first().map_or("", String::as_str)
    }

    /// Returns the last component.
    pub fn last(&self) -> &str {
        self.components.last().map_or("", String::as_str)
    }

    /// Returns whether `components` begins with this name.
    pub fn begins(&self, components: &[String]) -> bool {
        components.starts_with(&self.components)
    }
}

impl Move {
    /// Returns the name of `components` after the move, if it moves.
    pub fn apply(&self, components: &[String]) -> Option<Vec<String>> {
        let rest = components.strip_prefix(self.from.components())?;
        Some([self.to.components(), rest].concat())
    }
}

impl Place {
    /// Returns the package that relative imports start from, where `module` is the name of this
    /// module before or after the move.
    pub fn package(&self, module: &ModulePath) -> Vec<String> {
        let mut components = module.components.clone();
        if !self.is_package {
            components.pop();
        }
        components
    }
}

/// Returns whether `text` can be one component.
pub fn is_identifier(text: &str) -> bool {
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_';
    text.starts_with(begins)
        && text.chars().all(|c| begins(c) || c.is_ascii_digit())
        && !KEYWORDS.contains(&text)
}

impl fmt::Display for ModulePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.components.join("."))
    }
}

impl Serialize for ModulePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ModulePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}
