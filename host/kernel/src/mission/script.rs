//! A mission that is a script: the language that it is written in, the files that it consists of, and
//! the one text in which its runner receives them. Reads no files and knows no runner's module.
//!
//! A *runner* is a mission like any other, whose input holds a script. Its input is an object with the
//! fields of `Bundle` and, as `input`, the text that the step gives to the script. The bundle is the
//! same in every step, so the record keeps it once, by its digest.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::form::canonical::{self, NotCanonical};
use crate::form::digest::Digest;

/// The format of a bundle.
pub const FORMAT: &str = "coo-script/1";
/// Largest bundle, in bytes of its JSON: the script, its files and its packages.
pub const BUNDLE_BYTES_MAX: u64 = 64 << 20;
/// Most files and packages of a bundle.
pub const FILES_MAX: usize = 10_000;
/// `mission_type` of a script that is run without a descriptor.
pub const MISSION_TYPE: &str = "SCRIPT";
/// Fuel of a script that is run without a descriptor: some minutes of an interpreter.
pub const FUEL: u64 = 2_000_000_000_000;
/// What stands in the place of a key in the environment of a script that is run without a descriptor.
/// Scripts refuse to start without a key, and the key itself stays outside the sandbox.
pub const NO_KEY: &str = "kept-outside-the-sandbox";
/// The names under which such scripts look for a key.
pub const KEY_NAMES: [&str; 3] = ["ANTHROPIC_API_KEY", "OPENAI_API_KEY", "OPENROUTER_API_KEY"];

/// The language of a script, which is also the name of its runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Language {
    JavaScript,
    Python,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::JavaScript, Self::Python];

    /// Returns the name of its runner in a descriptor.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::JavaScript => "javascript",
            Self::Python => "python",
        }
    }

    /// Returns its name in prose.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::JavaScript => "JavaScript",
            Self::Python => "Python",
        }
    }

    /// Returns the extensions of its scripts.
    #[must_use]
    pub const fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::JavaScript => &["js", "mjs", "ts", "mts"],
            Self::Python => &["py"],
        }
    }

    /// Returns the language of a file by its name.
    #[must_use]
    pub fn of_file(name: &str) -> Option<Self> {
        let (_, extension) = name.rsplit_once('.')?;
        Self::ALL
            .into_iter()
            .find(|language| language.extensions().contains(&extension))
    }

    /// Returns the language with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|language| language.name() == name)
    }
}

/// The script of a mission, as its descriptor names it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ScriptRef {
    /// The script's file, relative to the descriptor.
    pub file: String,
    /// SHA-256 of the bundle. Pins script, files and packages: others are refused. The record always
    /// has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
    /// Folders and wheels, relative to the descriptor, whose modules the script can import.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<String>,
}

/// A script with everything that it needs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// Source texts by path, relative to the script's folder, with `/` between the parts.
    files: BTreeMap<String, String>,
    format: String,
    /// Path of the script in `files`.
    main: String,
    /// Archives of modules, in the order in which they are searched.
    packages: Vec<Package>,
}

/// An archive of modules.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Package {
    /// Name of its file.
    name: String,
    /// Its bytes, in base64.
    zip: String,
}

/// Why files make no bundle. The texts complete `ERROR: script FILE: …`.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error("'{0}' comes from two places")]
    Twice(String),
    #[error("more than {FILES_MAX} files, which is the limit")]
    TooMany,
    #[error("{found} bytes with its files and packages; the limit is {BUNDLE_BYTES_MAX}")]
    TooLarge { found: u64 },
    #[error(transparent)]
    NotCanonical(#[from] NotCanonical),
}

impl Bundle {
    /// Returns a bundle of one script. `path` is the name that errors of the script show.
    #[must_use]
    pub fn new(path: &str, source: String) -> Self {
        Self {
            files: BTreeMap::from([(path.to_owned(), source)]),
            format: FORMAT.to_owned(),
            main: path.to_owned(),
            packages: Vec::new(),
        }
    }

    /// Adds a file that the script can import. The same file twice is one.
    pub fn add_file(&mut self, path: &str, source: String) -> Result<(), BundleError> {
        match self.files.get(path) {
            Some(known) if *known == source => return Ok(()),
            Some(_) => return Err(BundleError::Twice(path.to_owned())),
            None => {}
        }
        if self.files.len() + self.packages.len() >= FILES_MAX {
            return Err(BundleError::TooMany);
        }
        self.files.insert(path.to_owned(), source);
        Ok(())
    }

    /// Adds an archive of modules.
    pub fn add_package(&mut self, name: &str, zip: &[u8]) -> Result<(), BundleError> {
        if self.packages.iter().any(|known| known.name == name) {
            return Err(BundleError::Twice(name.to_owned()));
        }
        if self.files.len() + self.packages.len() >= FILES_MAX {
            return Err(BundleError::TooMany);
        }
        self.packages.push(Package {
            name: name.to_owned(),
            zip: STANDARD.encode(zip),
        });
        Ok(())
    }

    /// Returns whether a file is in the bundle.
    #[must_use]
    pub fn has_file(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    /// Returns the text that is recorded: canonical JSON.
    pub fn text(&self) -> Result<String, BundleError> {
        let text = canonical::to_string_sorted(self)?;
        let found = text.len() as u64;
        if found > BUNDLE_BYTES_MAX {
            return Err(BundleError::TooLarge { found });
        }
        Ok(text)
    }
}

/// Returns the input of a runner: the text of a bundle with `input`, which is what the step gives to the
/// script. Fails for a text that is no object.
pub fn runner_input(bundle: &str, input: &str) -> Result<String, NotABundle> {
    let fields = bundle.strip_suffix('}').ok_or(NotABundle)?;
    let input = serde_json::Value::from(input);
    Ok(format!("{fields},\"input\":{input}}}"))
}

/// A recorded script that is no bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the recorded script is no {FORMAT}")]
pub struct NotABundle;

/// Returns why `path` can't name a file of a script; `None` for one that can.
#[must_use]
pub fn path_problem(path: &str) -> Option<&'static str> {
    if path.is_empty() || path.len() > 1_000 {
        Some("1 to 1000 bytes needed")
    } else if path.chars().any(char::is_control) {
        Some("control character found; plain text needed")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_runner_gets_the_bundle_and_the_input_in_one_object() {
        let mut bundle = Bundle::new("workflow.py", "print('\"')\n".to_owned());
        bundle.add_file("lib/util.py", "X = 1".to_owned()).unwrap();
        bundle.add_package("h11.whl", b"PK\x03\x04").unwrap();
        let text = bundle.text().unwrap();
        let input = runner_input(&text, "a \"line\"\n").unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(&input).unwrap(),
            json!({
                "format": "coo-script/1",
                "files": {"workflow.py": "print('\"')\n", "lib/util.py": "X = 1"},
                "main": "workflow.py",
                "packages": [{"name": "h11.whl", "zip": "UEsDBA=="}],
                "input": "a \"line\"\n",
            })
        );
        assert_eq!(runner_input("[]", ""), Err(NotABundle));
    }

    #[test]
    fn what_is_there_already_is_not_replaced() {
        let mut bundle = Bundle::new("a.js", "1".to_owned());
        bundle.add_file("a.js", "1".to_owned()).unwrap();
        let error = bundle.add_file("a.js", "2".to_owned()).unwrap_err();
        assert_eq!(error.to_string(), "'a.js' comes from two places");
        bundle.add_package("x.whl", b"1").unwrap();
        assert!(bundle.add_package("x.whl", b"1").is_err());
    }

    #[test]
    fn a_bundle_has_a_bound() {
        let most = usize::try_from(BUNDLE_BYTES_MAX).unwrap();
        let error = Bundle::new("a.js", "x".repeat(most)).text().unwrap_err();
        assert!(matches!(error, BundleError::TooLarge { found } if found > BUNDLE_BYTES_MAX));
        let mut bundle = Bundle::new("a.js", String::new());
        for i in 1..FILES_MAX {
            bundle.add_file(&format!("{i}.js"), String::new()).unwrap();
        }
        let one_more = bundle.add_file("b.js", String::new());
        assert!(matches!(one_more, Err(BundleError::TooMany)));
    }

    #[test]
    fn the_extension_tells_the_language() {
        for (name, language) in [
            ("a.py", Some(Language::Python)),
            ("a.b.mts", Some(Language::JavaScript)),
            ("a.tsx", None),
            ("py", None),
            ("a.json", None),
        ] {
            assert_eq!(Language::of_file(name), language, "{name}");
        }
        for language in Language::ALL {
            assert_eq!(Language::named(language.name()), Some(language));
            let value = serde_json::to_value(language).unwrap();
            assert_eq!(value, language.name());
        }
    }
}
