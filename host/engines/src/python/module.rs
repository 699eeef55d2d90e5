//! Names of modules, and what becomes of them when a package moves. Nothing else.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A dotted name of a module: ASCII, at least one component.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ModulePath {
    components: Vec<String>,
}

/// A package that moves, with all that is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// What it was called.
    pub from: ModulePath,
    /// What it is called now.
    pub to: ModulePath,
}

/// Which module a source is: what its relative imports are relative to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Before the move.
    pub before: ModulePath,
    /// After it.
    pub after: ModulePath,
    /// It is an `__init__.py`.
    pub is_package: bool,
}

/// No dotted name of a module.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no dotted name of a Python module; for example package.module")]
pub struct NoModule(String);

/// Words that are no names.
const KEYWORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue",
    "def", "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import",
    "in", "is", "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while",
    "with", "yield",
];

impl ModulePath {
    /// Reads a dotted name.
    pub fn parse(text: &str) -> Result<Self, NoModule> {
        let components: Vec<String> = text.split('.').map(str::to_owned).collect();
        if components.iter().all(|component| is_identifier(component)) {
            Ok(Self { components })
        } else {
            Err(NoModule(text.escape_debug().take(80).collect()))
        }
    }

    /// Of a file's path from the folder that its package is in; `None` where it is no module.
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

    /// Its components; never none.
    pub fn components(&self) -> &[String] {
        &self.components
    }

    /// The first component: the name that `import` binds.
    pub fn first(&self) -> &str {
        self.components.first().map_or("", String::as_str)
    }

    /// The last component.
    pub fn last(&self) -> &str {
        self.components.last().map_or("", String::as_str)
    }

    /// Whether `components` begins with it.
    pub fn begins(&self, components: &[String]) -> bool {
        components.starts_with(&self.components)
    }
}

impl Move {
    /// What `components` is called after the move, if it moves.
    pub fn apply(&self, components: &[String]) -> Option<Vec<String>> {
        let rest = components.strip_prefix(self.from.components())?;
        Some([self.to.components(), rest].concat())
    }
}

impl Place {
    /// The package that relative imports begin at, before or after.
    pub fn package(&self, module: &ModulePath) -> Vec<String> {
        let mut components = module.components.clone();
        if !self.is_package {
            components.pop();
        }
        components
    }
}

/// Whether `text` can be one component.
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
