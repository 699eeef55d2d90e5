//! The configuration that a repository gives in `coo.toml` at its top: one section for each engine.
//! An engine without its section refuses to run rather than guess. Reads no file itself.

mod text;

use std::collections::BTreeMap;

use coo_kernel::form::digest::Digest;
use coo_kernel::form::strict::Problems;
use coo_kernel::state::manifest::is_secret;
use serde::{Deserialize, Serialize};

use super::scope::Scope;
use crate::python::About;

/// The name of the file.
pub const FILE: &str = "coo.toml";
/// Largest such file, in bytes: it is written by hand.
pub const BYTES_MAX: u64 = 1 << 20;

/// The whole configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// For every engine.
    #[serde(default)]
    pub repository: Repository,
    /// For `coo amend`.
    pub amend: Option<Amend>,
    /// For `coo scan`.
    pub scan: Option<Scan>,
    /// For `coo lint`.
    pub lint: Option<Lint>,
    /// For `coo migrate`.
    pub migrate: Option<Migrate>,
    pub tests: Option<Tests>,
    /// For `coo gates`.
    #[serde(default)]
    pub gates: Gates,
    /// For `coo pipeline bundle`.
    #[serde(default)]
    pub bundle: Bundle,
}

/// Settings for every engine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Repository {
    /// Files and folders that no engine reads or changes, with everything in them. `.git` is always
    /// excluded.
    pub exclude: Scope,
}

impl Repository {
    /// Returns whether the engines leave out `path`.
    pub fn leaves_out(&self, path: &str) -> bool {
        path.rsplit('/').next() == Some(".git") || self.exclude.has(path)
    }
}

/// Which documents may be amended, and the amendments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Amend {
    /// The file of amendments, as a path from the top of the repository.
    pub amendments: String,
    pub documents: Scope,
}

/// Which files are scanned, and by which rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Scan {
    /// The ruleset, as a path from the top of the repository.
    pub ruleset: String,
    /// The ruleset's SHA-256; a ruleset with another digest is refused (packet §5.4).
    pub ruleset_sha256: Digest,
    pub paths: Scope,
    /// Files among `paths` that are not scanned; a folder stands for everything in it.
    #[serde(default)]
    pub exclude: Scope,
}

/// The rules that the repository is judged by; the rules name the files they are about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Lint {
    /// The ruleset, as a path from the top of the repository.
    pub ruleset: String,
    /// The ruleset's SHA-256; a ruleset with another digest is refused.
    pub ruleset_sha256: Digest,
}

/// Which Python package moves, where it moves to, and which files are rewritten with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Migrate {
    /// The package's folder, as a path from the top of the repository.
    pub from: String,
    /// The folder that it moves to.
    pub to: String,
    /// The folder in which names of modules begin. Default: the top of the repository.
    #[serde(default)]
    pub source: String,
    /// Python files outside the package whose imports are rewritten: the tests.
    #[serde(default)]
    pub imports: Scope,
    /// Functions whose first argument names a module; each entry matches the end of a dotted name.
    #[serde(default)]
    pub calls: Vec<String>,
    /// Python files in which every string that names a module of the package is rewritten.
    #[serde(default)]
    pub strings: Scope,
    /// Python files in which types in quotes that mean something in the package are rewritten.
    #[serde(default)]
    pub annotations: Scope,
    /// Other files in which every mention of the package is rewritten.
    #[serde(default)]
    pub mentions: Scope,
    /// Other files in which every mention of the package becomes a question.
    #[serde(default)]
    pub questions: Scope,
    /// Answers that leave the text as it is.
    #[serde(default)]
    pub leave: Vec<Leave>,
    /// Answers that replace the text.
    #[serde(default)]
    pub replace: Vec<Replace>,
}

/// An answer that leaves the text as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Leave {
    /// The file before the move, as a path from the top of the repository.
    pub file: String,
    /// The question's text as it is shown. Default: every question about the file.
    pub text: Option<String>,
    /// The line of the question. Default: wherever the text stands in the file.
    #[serde(default)]
    pub line: Option<usize>,
}

impl Leave {
    /// Returns what the answer is about within its file.
    pub fn about(&self) -> About {
        About {
            text: self.text.clone(),
            line: self.line,
        }
    }
}

impl Replace {
    /// Returns what the answer is about within its file.
    pub fn about(&self) -> About {
        About {
            text: Some(self.text.clone()),
            line: self.line,
        }
    }
}

/// An answer that replaces the text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Replace {
    /// The file before the move, as a path from the top of the repository.
    pub file: String,
    /// The question's text as it is shown, or the full text that stands there.
    pub text: String,
    /// The line of the question. Default: wherever the text stands in the file.
    #[serde(default)]
    pub line: Option<usize>,
    /// The new text.
    pub with: String,
}

/// How the repository's tests are run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, try_from = "TestsForm")]
pub struct Tests {
    /// Program and arguments. `{report}` in an argument stands for the path of a file for `JUnit`
    /// XML.
    pub command: Vec<String>,
    /// Variables that are set for the command.
    pub environment: BTreeMap<String, String>,
    /// Variables that the command inherits from the caller.
    pub inherit: Vec<String>,
    /// Longest duration in real time.
    pub timeout_seconds: u64,
}

/// `[tests]` as it is written.
#[derive(Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct TestsForm {
    command: Vec<String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    #[serde(default)]
    inherit: Vec<String>,
    #[serde(default = "an_hour")]
    timeout_seconds: u64,
}

/// Longest duration of tests: a higher limit is taken for a mistake.
const TEST_SECONDS_MAX: u64 = 86_400;

fn an_hour() -> u64 {
    3_600
}

impl TryFrom<TestsForm> for Tests {
    type Error = String;

    fn try_from(form: TestsForm) -> Result<Self, String> {
        if form.command.first().is_none_or(String::is_empty) {
            return Err("command: names no program".to_owned());
        }
        if !(1..=TEST_SECONDS_MAX).contains(&form.timeout_seconds) {
            return Err(format!("timeout_seconds: is not 1 to {TEST_SECONDS_MAX}"));
        }
        for name in form.environment.keys().chain(&form.inherit) {
            if name.is_empty() || name.contains(['=', '\0']) {
                let name = name.escape_debug();
                return Err(format!("'{name}': is not the name of a variable"));
            }
            // The environment of tests must be the same for everyone, and it may be written to a
            // record.
            if is_secret(name) {
                return Err(format!(
                    "variable {name}: is secret by its name, and tests are given no secrets"
                ));
            }
        }
        Ok(Self {
            command: form.command,
            environment: form.environment,
            inherit: form.inherit,
            timeout_seconds: form.timeout_seconds,
        })
    }
}

/// What the gates check, in addition to what other sections say. Without an entry, a gate checks
/// what `coo` itself provides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Gates {
    /// Gate A: each pattern must match a file.
    pub required: Scope,
    /// Gate A: modules of the package that have no file, because they are generated later.
    pub generated: Vec<String>,
    /// Gate B: descriptors of missions that must give the same output twice.
    pub missions: Vec<String>,
    /// Gate C: the folder of the module set.
    pub module_set: Option<String>,
    /// Gate C: the file that says what is pinned about each module, as `coo digest --write` writes
    /// it. Default: the set is held to its digest alone.
    pub module_manifest: Option<String>,
    /// Gate C: the file that holds the module set's digest.
    pub sandbox_digest: Option<String>,
    /// Gate F: the descriptor of the reference mission.
    pub reference: Option<String>,
}

/// What a bundle holds in addition to what every bundle holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Bundle {
    /// The implementation pack: files that are copied unchanged.
    pub implementation: Scope,
    /// The template for the runtime specification.
    pub specification: Option<String>,
}

impl Config {
    /// Reads the text of `coo.toml`.
    pub fn parse(text: &str) -> Result<Self, Problems> {
        text::read(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_read_and_nothing_unknown_is() {
        let config = Config::parse("").unwrap();
        assert!(config.repository.leaves_out(".git"));
        assert!(config.repository.leaves_out("library/.git"));
        assert!(!config.repository.leaves_out(".gitignore"));
        assert_eq!(config.scan, None);
        let sha256 = Digest::of("x");
        let text = format!(
            "[repository]\nexclude = ['target']\n[scan]\nruleset = 'r.json'\nruleset_sha256 = '{sha256}'\npaths = ['a/**/*.py']\n"
        );
        let config = Config::parse(&text).unwrap();
        assert!(config.repository.leaves_out("target"));
        let scan = config.scan.unwrap();
        assert_eq!(scan.ruleset_sha256, sha256);
        assert!(scan.paths.has("a/b/c.py"));
        let tests = Config::parse("[tests]\ncommand = ['t']")
            .unwrap()
            .tests
            .unwrap();
        assert_eq!(tests.timeout_seconds, 3_600);
        for bad in [
            "[scam]",
            "[scan]\nruleset = 'r'",
            "[scan]\nruleset = 'r'\nruleset_sha256 = 'abc'",
            "[repository]\nexclude = ['/x']",
            "[repository]\ninclude = []",
            "[tests]\ncommand = []",
            "[tests]\ncommand = ['']",
            "[tests]\ncommand = ['t']\ntimeout_seconds = 0",
            "[tests]\ncommand = ['t']\ninherit = ['A=B']",
            "[tests]\ncommand = ['t']\ninherit = ['API_TOKEN']",
            "[tests]\ncommand = ['t']\nenvironment = { MY_PASSWORD = 'x' }",
            "[gates]\nrequired = ['/x']",
            "[gates]\nskip = ['A']",
            "x",
        ] {
            assert!(Config::parse(bad).is_err(), "{bad}");
        }
    }
}
