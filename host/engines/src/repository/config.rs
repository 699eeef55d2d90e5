//! What a repository says of itself: `coo.toml` at its top. A section an engine; what an engine
//! has no section for it refuses to guess. Reads no file itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::scope::Scope;
use crate::python::About;
use coo_kernel::form::digest::Digest;
use coo_kernel::root::manifest::is_secret;

/// The file's name.
pub const FILE: &str = "coo.toml";
/// Longest such file, in bytes: it is written by hand.
pub const BYTES_MAX: u64 = 1 << 20;

/// The whole file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Of every engine.
    #[serde(default)]
    pub repository: Repository,
    /// Of `coo amend`.
    pub amend: Option<Amend>,
    /// Of `coo scan`.
    pub scan: Option<Scan>,
    /// Of `coo lint`.
    pub lint: Option<Lint>,
    /// Of `coo migrate`.
    pub migrate: Option<Migrate>,
    /// How the tests are run.
    pub tests: Option<Tests>,
    /// Of `coo gates`.
    #[serde(default)]
    pub gates: Gates,
    /// Of `coo pipeline bundle`.
    #[serde(default)]
    pub bundle: Bundle,
}

/// What holds for every engine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Repository {
    /// What no engine reads or changes, folders with all that is in them. `.git` never is.
    pub exclude: Scope,
}

impl Repository {
    /// Whether nobody reads or changes what is at `path`.
    pub fn leaves_out(&self, path: &str) -> bool {
        path.rsplit('/').next() == Some(".git") || self.exclude.has(path)
    }
}

/// Which documents may be amended, and by what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amend {
    /// The file of amendments, from the top of the repository.
    pub amendments: String,
    /// The documents that may be amended.
    pub documents: Scope,
}

/// Which files are scanned, and by what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scan {
    /// The ruleset, from the top of the repository.
    pub ruleset: String,
    /// Its SHA-256: no other ruleset is used (packet §5.4).
    pub ruleset_sha256: Digest,
    /// The files that are scanned.
    pub paths: Scope,
    /// Those of them that are not, folders with all that is in them.
    #[serde(default)]
    pub exclude: Scope,
}

/// By what the repository is judged; which files it is about, the rules say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lint {
    /// The ruleset, from the top of the repository.
    pub ruleset: String,
    /// Its SHA-256: no other ruleset is used.
    pub ruleset_sha256: Digest,
}

/// Which Python package moves where, and which files follow it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Migrate {
    /// Its folder, from the top of the repository.
    pub from: String,
    /// The folder that it moves to.
    pub to: String,
    /// The folder that names of modules begin at; left out, the top.
    #[serde(default)]
    pub source: String,
    /// Python files besides its own whose imports follow it: the tests.
    #[serde(default)]
    pub imports: Scope,
    /// Functions whose first argument names a module, by the end of their dotted name.
    #[serde(default)]
    pub calls: Vec<String>,
    /// Python files in which every string that names a module of it is rewritten.
    #[serde(default)]
    pub strings: Scope,
    /// Python files in which types in quotes that mean something of it are rewritten.
    #[serde(default)]
    pub annotations: Scope,
    /// Other files in which every mention of it is rewritten.
    #[serde(default)]
    pub mentions: Scope,
    /// Other files in which every mention of it is a question.
    #[serde(default)]
    pub questions: Scope,
    /// Questions that are answered: what they are about stays as it is.
    #[serde(default)]
    pub leave: Vec<Leave>,
    /// Questions that are answered by what takes the place of what they are about.
    #[serde(default)]
    pub replace: Vec<Replace>,
}

/// An answer: it stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leave {
    /// The file, from the top of the repository, before the move.
    pub file: String,
    /// What the question is about, as it is shown; left out, every question about the file.
    pub text: Option<String>,
    /// The line of the question; left out, wherever the text stands in the file.
    #[serde(default)]
    pub line: Option<usize>,
}

impl Leave {
    /// What it is about in its file.
    pub fn about(&self) -> About {
        About {
            text: self.text.clone(),
            line: self.line,
        }
    }
}

impl Replace {
    /// What it is about in its file.
    pub fn about(&self) -> About {
        About {
            text: Some(self.text.clone()),
            line: self.line,
        }
    }
}

/// An answer: something else takes its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replace {
    /// The file, from the top of the repository, before the move.
    pub file: String,
    /// What the question is about, as it is shown, or all that stands there.
    pub text: String,
    /// The line of the question; left out, wherever the text stands in the file.
    #[serde(default)]
    pub line: Option<usize>,
    /// What takes its place.
    pub with: String,
}

/// How the repository's tests are run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, try_from = "TestsForm")]
pub struct Tests {
    /// Program and arguments; `{report}` in one stands for a file for `JUnit` XML.
    pub command: Vec<String>,
    /// Variables the command gets with these values.
    pub environment: BTreeMap<String, String>,
    /// Variables it gets as they are outside.
    pub inherit: Vec<String>,
    /// Real time it may take.
    pub timeout_seconds: u64,
}

/// `[tests]` as it is written.
#[derive(Deserialize)]
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

/// Longest time tests may take: more than a day is a mistake.
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
                return Err(format!("'{name}': is no name of a variable"));
            }
            // What tests are told must be the same for everybody, and may be written down.
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

/// What the gates look at, besides what the other sections say. Left out, a gate looks at what
/// `coo` itself brings along.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gates {
    /// Gate A: each of these patterns matches a file.
    pub required: Scope,
    /// Gate A: modules of the package that no file is, since something makes them later.
    pub generated: Vec<String>,
    /// Gate B: descriptors of missions whose output must be the same twice.
    pub missions: Vec<String>,
    /// Gate C: the folder of the module set.
    pub module_set: Option<String>,
    /// Gate C: the file with its digest.
    pub sandbox_digest: Option<String>,
    /// Gate F: the descriptor of the reference mission.
    pub reference: Option<String>,
}

/// What a bundle holds besides what every one does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bundle {
    /// The implementation pack: files that are taken as they are.
    pub implementation: Scope,
    /// The template that the runtime specification is made from.
    pub specification: Option<String>,
}

impl Config {
    /// Reads the text of `coo.toml`. The error says where and what, on several lines.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
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
