//! A mission's descriptor: strict JSON, parsed once at the boundary into proven types.
//! Unknown fields, unknown formats and values out of range are refused; nothing is guessed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::form::digest::Digest;
use crate::form::strict::{self, Problem, Problems};
use crate::form::{canonical, plain};
use crate::llm::{Sampling, models};
use crate::mission::limits::Limits;
use crate::mission::scope::Scope;
use crate::mission::script::{self, Language, ScriptRef};

/// Largest descriptor, in bytes: far larger than any written by hand, small enough to hold twice.
pub const DESCRIPTOR_BYTES_MAX: usize = 4 << 20;
/// Longest question of a human step, in bytes: it fits on one screen.
pub const ASK_BYTES_MAX: usize = 1_000;
/// The format this build reads and writes.
pub const FORMAT: &str = "coo-mission/1";

/// A mission as its author describes it.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Descriptor {
    pub format: String,
    /// Upper-case name of the kind of mission, shown in every receipt.
    #[cfg_attr(feature = "schemas", schemars(regex(pattern = "^[A-Z0-9_]{1,64}$")))]
    pub mission_type: String,
    pub module: ModuleRef,
    /// The script of a mission whose module is a runner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<ScriptRef>,
    /// Forced on every language-model call.
    #[serde(default)]
    pub llm: LlmTerms,
    /// The workflow, run in order.
    pub steps: Vec<Step>,
    /// Command-line arguments for WASI programs, without the program's name.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// The guest's whole environment. Nothing of the host's is ever added.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    #[serde(default)]
    pub limits: Limits,
    /// Engine settings that change what a guest can observe.
    #[serde(default)]
    pub engine: EngineSettings,
    /// The permissions that the mission asks for. If left out, whatever the configuration permits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
}

/// The sampling of every model call, and the models that the mission can ask by name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct LlmTerms {
    /// Largest length of an answer, in tokens.
    pub max_tokens: Option<u32>,
    /// The names by which the mission asks models, with what each may cost. The operator's configuration
    /// maps each to a model.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<String, models::Terms>,
    /// Sent to providers that accept one.
    pub seed: Option<u64>,
    /// 0 is greedy.
    pub temperature: Option<f64>,
    /// 1 is the whole distribution.
    pub top_p: Option<f64>,
}

impl Default for LlmTerms {
    fn default() -> Self {
        let Sampling {
            max_tokens,
            seed,
            temperature,
            top_p,
        } = Sampling::default();
        Self {
            max_tokens,
            models: BTreeMap::new(),
            seed,
            temperature,
            top_p,
        }
    }
}

impl LlmTerms {
    /// Returns the sampling.
    pub const fn sampling(&self) -> Sampling {
        Sampling {
            max_tokens: self.max_tokens,
            seed: self.seed,
            temperature: self.temperature,
            top_p: self.top_p,
        }
    }
}

/// Which module to run: exactly one of `set`, `file` and `runner`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "schemas",
    schemars(extend("oneOf" = [{ "required": ["set"] }, { "required": ["file"] }, { "required": ["runner"] }]))
)]
#[serde(deny_unknown_fields)]
pub struct ModuleRef {
    /// A module of the set that `coo` ships, by name without `.wasm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<String>,
    /// A file, relative to the descriptor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The module that runs scripts of this language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner: Option<Language>,
    /// Pins the bytes: any other module is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
}

/// One step of the workflow.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Unique within the mission: lower-case letters, digits, `-` and `_`.
    pub id: String,
    /// Replaces the module by a person: the mission waits for a decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub human: Option<Human>,
    /// Given to the guest: text unchanged, any other value as canonical JSON.
    #[serde(default)]
    pub input: Value,
}

/// The question of a human step.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Human {
    /// Answered by `coo approve` or `coo reject`.
    pub ask: String,
}

impl Step {
    /// Returns the text that the guest receives.
    pub fn input_text(&self) -> Result<String, canonical::NotCanonical> {
        match &self.input {
            Value::String(text) => Ok(text.clone()),
            Value::Null => Ok(String::new()),
            other => canonical::to_string(other),
        }
    }
}

impl Human {
    fn check(&self, field: &str, check: &mut Check) {
        if self.ask.trim().is_empty() || self.ask.len() > ASK_BYTES_MAX {
            let found = plain::count(self.ask.len(), "byte");
            check.wrong(field, format!("{found} found; 1 to {ASK_BYTES_MAX} needed"));
        }
        if self.ask.chars().any(|c| c.is_control() && c != '\n') {
            check.wrong(field, "control character found; plain text needed");
        }
    }
}

/// Engine settings that change what a guest can observe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct EngineSettings {
    /// Every NaN that arithmetic produces has the one canonical bit pattern. Without it,
    /// float-heavy code runs three to four times faster and NaN bits may differ between processors.
    pub canonical_nan: bool,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            canonical_nan: true,
        }
    }
}

/// Why a descriptor is refused. The texts complete `ERROR: descriptor FILE: …`.
#[derive(Debug, thiserror::Error)]
pub enum DescriptorError {
    /// More than `DESCRIPTOR_BYTES_MAX`.
    #[error("{found} bytes, limit {DESCRIPTOR_BYTES_MAX}")]
    TooLarge {
        /// Its size in bytes.
        found: usize,
    },
    /// A format that this build does not read.
    #[error("format '{found}', this build reads '{FORMAT}'")]
    Format {
        /// The format that it states, shortened.
        found: String,
    },
    /// Not JSON, not of this shape, or fields whose values are out of range.
    #[error("{0}")]
    Wrong(Problems),
}

impl DescriptorError {
    /// Returns what the user can do about it, and what else is wrong.
    #[must_use]
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::TooLarge { .. } => vec!["put large inputs in the world database".to_owned()],
            Self::Format { .. } => vec![format!("set \"format\": \"{FORMAT}\"")],
            Self::Wrong(problems) => problems
                .others()
                .chain(["see docs/descriptor.md for the fields".to_owned()])
                .collect(),
        }
    }
}

fn check_format(format: &str) -> Result<(), DescriptorError> {
    if format == FORMAT {
        return Ok(());
    }
    Err(DescriptorError::Format {
        found: format.chars().take(40).collect(),
    })
}

/// Collects what is out of range.
struct Check {
    problems: Vec<Problem>,
}

impl Check {
    fn wrong(&mut self, field: &str, what: impl Into<String>) {
        self.problems.push(Problem {
            line: 0,
            field: field.to_owned(),
            what: what.into(),
        });
    }
}

impl Descriptor {
    /// Parses and checks a descriptor.
    pub fn parse(bytes: &[u8]) -> Result<Self, DescriptorError> {
        if bytes.len() > DESCRIPTOR_BYTES_MAX {
            return Err(DescriptorError::TooLarge { found: bytes.len() });
        }
        // First of all, since another format has other fields.
        if let Ok(Value::Object(fields)) = serde_json::from_slice(bytes)
            && let Some(Value::String(format)) = fields.get("format")
        {
            check_format(format)?;
        }
        let descriptor: Self = strict::read(bytes).map_err(DescriptorError::Wrong)?;
        check_format(&descriptor.format)?;
        let mut check = Check {
            problems: Vec::new(),
        };
        descriptor.check(&mut check);
        for problem in &mut check.problems {
            problem.line = strict::line_of(bytes, &problem.field);
        }
        match Problems::of(check.problems) {
            Some(problems) => Err(DescriptorError::Wrong(problems)),
            None => Ok(descriptor),
        }
    }

    fn check(&self, check: &mut Check) {
        let is_type = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        if self.mission_type.is_empty()
            || self.mission_type.len() > 64
            || !self.mission_type.chars().all(is_type)
        {
            let found: String = self.mission_type.escape_debug().take(80).collect();
            check.wrong(
                "mission_type",
                format!("'{found}' found; 1 to 64 of A-Z 0-9 _ needed"),
            );
        }
        let named = [
            self.module.set.is_some(),
            self.module.file.is_some(),
            self.module.runner.is_some(),
        ];
        if named.into_iter().filter(|is_named| *is_named).count() != 1 {
            check.wrong("module", "exactly one of 'set', 'file' and 'runner' needed");
        }
        self.check_script(check);
        self.check_steps(check);
        if let Some(Err(refused)) = self.scope.as_ref().map(Scope::check) {
            check.wrong(&format!("scope.{}", refused.field), refused.reason);
        }
        self.check_sampling(check);
        for (name, value) in &self.environment {
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                let name = name.escape_debug();
                check.wrong(
                    "environment",
                    format!("'{name}' is not a usable name or value; no '=' and no NUL"),
                );
            }
        }
        for (i, argument) in self.arguments.iter().enumerate() {
            if argument.contains('\0') {
                check.wrong(
                    &format!("arguments[{i}]"),
                    "NUL found; an argument can't hold one",
                );
            }
        }
    }

    fn check_script(&self, check: &mut Check) {
        match (&self.script, self.module.runner) {
            (None, Some(_)) => check.wrong("script", "none found; a runner needs one"),
            (Some(_), None) => check.wrong("script", "only a module that is a 'runner' takes one"),
            (Some(script), Some(_)) => {
                let paths = std::iter::once(("script.file".to_owned(), &script.file));
                let with = script.with.iter().enumerate();
                for (field, path) in
                    paths.chain(with.map(|(i, path)| (format!("script.with[{i}]"), path)))
                {
                    if let Some(problem) = script::path_problem(path) {
                        check.wrong(&field, problem);
                    }
                }
            }
            (None, None) => {}
        }
    }

    fn check_sampling(&self, check: &mut Check) {
        let Sampling {
            max_tokens,
            temperature,
            top_p,
            ..
        } = self.llm.sampling();
        for (field, what) in models::problems(&self.llm.models) {
            check.wrong(&field, what);
        }
        if max_tokens == Some(0) {
            check.wrong(
                "llm.max_tokens",
                "0 found; at least 1 needed, or null to send none",
            );
        }
        if let Some(temperature) = temperature
            && (!(0.0..=2.0).contains(&temperature) || temperature.is_sign_negative())
        {
            check.wrong(
                "llm.temperature",
                format!("{temperature} found; 0 to 2 needed, or null to send none"),
            );
        }
        if let Some(top_p) = top_p
            && !(top_p > 0.0 && top_p <= 1.0)
        {
            check.wrong(
                "llm.top_p",
                format!("{top_p} found; above 0, at most 1 needed, or null to send none"),
            );
        }
    }

    fn check_steps(&self, check: &mut Check) {
        // The workflow validator checks the maximum, because it can suggest what to do instead.
        if self.steps.is_empty() {
            check.wrong("steps", "none found; at least 1 needed");
        }
        let is_id = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
        for (i, step) in self.steps.iter().enumerate() {
            let id = format!("steps[{i}].id");
            if step.id.is_empty() || step.id.len() > 64 || !step.id.chars().all(is_id) {
                let found = step.id.escape_debug();
                check.wrong(
                    &id,
                    format!("'{found}' found; 1 to 64 of a-z 0-9 - _ needed"),
                );
            } else if self.steps[..i].iter().any(|earlier| earlier.id == step.id) {
                check.wrong(&id, format!("'{}' found twice", step.id));
            }
            if let Some(human) = &step.human {
                human.check(&format!("steps[{i}].human.ask"), check);
                if !step.input.is_null() {
                    check.wrong(
                        &format!("steps[{i}].input"),
                        "a human step has none; what is to be judged is what the steps before gave",
                    );
                }
            }
        }
    }

    /// Returns the bytes that enter the chain: canonical JSON with every default written out, so
    /// that layout and left-out defaults make no difference.
    pub fn canonical(&self) -> Result<String, canonical::NotCanonical> {
        canonical::to_string(self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn minimal() -> Value {
        json!({
            "format": "coo-mission/1",
            "mission_type": "T",
            "module": {"set": "demo"},
            "steps": [{"id": "one", "input": {"b": 1, "a": 2}}],
        })
    }

    fn parse(value: &Value) -> Result<Descriptor, DescriptorError> {
        Descriptor::parse(value.to_string().as_bytes())
    }

    #[test]
    fn defaults_are_written_out_and_layout_makes_no_difference() {
        let descriptor = parse(&minimal()).unwrap();
        assert_eq!(
            descriptor.steps[0].input_text().unwrap(),
            r#"{"a":2,"b":1}"#
        );
        let again = Descriptor::parse(descriptor.canonical().unwrap().as_bytes()).unwrap();
        assert_eq!(again, descriptor);
        let pretty = serde_json::to_string_pretty(&minimal()).unwrap();
        let pretty = Descriptor::parse(pretty.as_bytes()).unwrap();
        assert_eq!(pretty.canonical().unwrap(), descriptor.canonical().unwrap());
    }

    #[test]
    fn every_refusal_names_its_field() {
        for (path, value, word) in [
            ("/format", json!("coo-mission/9"), "reads 'coo-mission/1'"),
            ("/mission_type", json!("lower"), "mission_type"),
            ("/module", json!({}), "module: exactly one"),
            (
                "/module",
                json!(["demo"]),
                "module: a list found; an object needed",
            ),
            (
                "/module",
                json!({"set": "a", "file": "b"}),
                "module: exactly one",
            ),
            ("/module", json!({"set": "a", "sha256": "xyz"}), "SHA-256"),
            (
                "/module",
                json!({"runner": "python"}),
                "script: none found; a runner needs one",
            ),
            ("/module", json!({"runner": "perl"}), "module.runner"),
            (
                "/script",
                json!({"file": "a.py"}),
                "script: only a module that is a 'runner' takes one",
            ),
            ("/steps", json!([]), "steps: none found"),
            (
                "/steps",
                json!([{"id":"a","human":{"ask":" "}}]),
                "steps[0].human.ask: 1 byte found",
            ),
            (
                "/steps",
                json!([{"id":"a","human":{"ask":"So?\u{7}"}}]),
                "control character",
            ),
            (
                "/steps",
                json!([{"id":"a","human":{"ask":"So?"},"input":"x"}]),
                "steps[0].input: a human step has none",
            ),
            ("/scope", json!({"tier": 4}), "scope.tier: 4 found"),
            ("/scope", json!({"paths": ["a["]}), "scope.paths: 'a['"),
            (
                "/scope",
                json!({"path": []}),
                "scope.path: no such field; did you mean 'paths'?",
            ),
            ("/steps/0/id", json!("Bad Id"), "steps[0].id"),
            ("/steps", json!([{"id":"a"},{"id":"a"}]), "found twice"),
            ("/llm", json!({"temperature": 3}), "llm.temperature"),
            ("/llm", json!({"temperature": -0.0}), "llm.temperature"),
            ("/llm", json!({"top_p": 0}), "llm.top_p"),
            ("/llm", json!({"max_tokens": 0}), "llm.max_tokens"),
            ("/llm", json!({"tools": []}), "llm.tools: no such field"),
            ("/environment", json!({"A=B": "c"}), "environment"),
            (
                "/limits",
                json!({"fuell": 1}),
                "limits.fuell: no such field; did you mean 'fuel'?",
            ),
            ("/extra", json!(1), "extra: no such field"),
        ] {
            let mut bad = minimal();
            match bad.pointer_mut(path) {
                Some(place) => *place = value,
                None => bad[&path[1..]] = value,
            }
            let message = parse(&bad).unwrap_err().to_string();
            assert!(message.contains(word), "{path}: {message}");
        }
        let told = |text: &str| Descriptor::parse(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(told("[\"a\"]"), "line 1: a list found; an object needed");
        // A byte order mark hides no other format.
        let other = minimal().to_string().replace("mission/1", "mission/9");
        assert!(told(&format!("\u{feff}{other}")).contains("reads 'coo-mission/1'"));
        assert!(matches!(
            Descriptor::parse(&vec![b' '; DESCRIPTOR_BYTES_MAX + 1]),
            Err(DescriptorError::TooLarge { .. })
        ));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let _ = Descriptor::parse(&bytes);
        }
    }
}
