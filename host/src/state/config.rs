//! The operator's configuration: `config.json` in the state root. The environment and `.env` take
//! precedence over it (`environment`). It holds no secret: a key comes only from the environment
//! or `.env`, and is never written anywhere.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, anyhow, bail};
use coo_kernel::form::{plain, strict};
use coo_kernel::llm::check;
use coo_kernel::llm::limits::ServerLimits;
use coo_kernel::llm::prices::Prices;
use coo_kernel::mission::authority::{Ceiling, Governance};
use coo_kernel::mission::ruleset::Digests;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::rulesets;
use crate::hint::Hint as _;

/// The model whose answers ship frozen with the demo.
pub const DEMO_MODEL: &str = "HuggingFaceTB/SmolLM2-135M-Instruct";
/// Server for live calls, unless another one is set.
pub const DEFAULT_BASE_URL: &str = "https://openrouter.ai/api/v1";

/// How the command line gives the value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As it is.
    Text,
    /// As it is; `null` for no value.
    TextOrNull,
    /// As JSON.
    Json,
}

/// The fields of `config.json`, by the path to each.
pub const FIELDS: [(&str, Form); 12] = [
    ("llm.default_model", Form::TextOrNull),
    ("llm.base_url", Form::Text),
    ("llm.attempts", Form::Json),
    ("llm.timeout_seconds", Form::Json),
    ("llm.max_tokens_field", Form::Text),
    ("llm.models", Form::Json),
    ("llm.limits", Form::Json),
    ("llm.prices", Form::Json),
    ("governance.ceiling", Form::Json),
    ("governance.protected", Form::Json),
    ("rulesets", Form::Json),
    ("tools", Form::Json),
];

/// Limits the number of programs that are started to write the manifests.
const TOOLS_MAX: usize = 64;

/// The content of `config.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The most that missions may do. Not written if nothing is set.
    #[serde(default, skip_serializing_if = "Governance::is_empty")]
    pub governance: Governance,
    #[serde(default)]
    pub llm: LlmConfig,
    /// The rulesets by which missions may run, by SHA-256. One that is absent may be any.
    #[serde(default, skip_serializing_if = "Digests::is_empty")]
    pub rulesets: Digests,
    /// Tools that the tools manifest lists beside git and python3, by their names in PATH.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
}

/// The `llm` field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct LlmConfig {
    /// Maximum number of attempts of one call, including the first.
    pub attempts: u32,
    /// URL of the server for live calls.
    pub base_url: String,
    /// Model that is used if `COO_LLM_MODEL` is not set.
    pub default_model: Option<String>,
    /// How often and how much a process may ask each server. Not written if nothing is set.
    #[serde(skip_serializing_if = "ServerLimits::is_empty")]
    pub limits: ServerLimits,
    /// Request field for the maximum number of tokens; newer servers want `max_completion_tokens`.
    pub max_tokens_field: String,
    /// The models that missions ask by name: aliases, each with the provider's name of a model. Not
    /// written if nothing is set.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<String, String>,
    /// What tokens cost, for the budget of a batch. Not written if nothing is set.
    #[serde(skip_serializing_if = "Prices::is_default")]
    pub prices: Prices,
    /// Timeout of one attempt.
    pub timeout_seconds: u64,
}

impl Default for LlmConfig {
    fn default() -> Self {
        Self {
            attempts: 4,
            base_url: DEFAULT_BASE_URL.to_owned(),
            default_model: None,
            limits: ServerLimits::default(),
            max_tokens_field: "max_tokens".to_owned(),
            models: BTreeMap::new(),
            prices: Prices::default(),
            timeout_seconds: 120,
        }
    }
}

impl Config {
    /// Returns the configuration of a new state root: with the model of the frozen demo answer, a
    /// ceiling, and the rulesets of this coo.
    #[must_use]
    pub fn fresh() -> Self {
        Self {
            governance: Governance {
                ceiling: Ceiling::fresh(),
                ..Governance::default()
            },
            llm: LlmConfig {
                default_model: Some(DEMO_MODEL.to_owned()),
                ..LlmConfig::default()
            },
            rulesets: rulesets::digests().clone(),
            tools: Vec::new(),
        }
    }

    /// Parses and checks `config.json`.
    pub fn parse(text: &str) -> Result<Self> {
        let config: Self =
            strict::read(text.as_bytes()).hint("see docs/configuration.md for its fields")?;
        config.check()?;
        Ok(config)
    }

    fn check_models(&self) -> Result<()> {
        for (alias, model) in &self.llm.models {
            if !check::is_name(alias) {
                bail!(
                    "llm.models: alias '{}' found; 1 to {} of a-z A-Z 0-9 _ - needed",
                    plain::one_line(alias),
                    check::NAME_BYTES_MAX
                );
            }
            if model.trim().is_empty() {
                bail!("llm.models.{alias}: no model found; the provider's name of one needed");
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        self.governance
            .check()
            .context("governance: see docs/governance.md for its fields")?;
        let hint = "see docs/configuration.md for its fields";
        self.llm.limits.check().hint(hint)?;
        self.llm.prices.check().hint(hint)?;
        self.check_models().hint(hint)?;
        if self.tools.len() > TOOLS_MAX {
            bail!(
                anyhow!(
                    "tools: {} of them, {TOOLS_MAX} is the limit",
                    self.tools.len()
                )
                .hint("leave some out")
            );
        }
        Ok(())
    }

    /// Returns the value of the field `name` of `FIELDS`; `None` if it has none.
    pub fn field(&self, name: &str) -> Result<Option<String>> {
        let config = serde_json::to_value(self)?;
        let value = name
            .split('.')
            .try_fold(&config, |place, name| place.get(name));
        Ok(match value {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(value) => Some(value.to_string()),
        })
    }

    /// Returns the configuration with another value of the field `name` of `FIELDS`, checked as
    /// `parse` checks a file.
    pub fn with(&self, name: &str, value: &str) -> Result<Self> {
        let known = FIELDS.iter().find(|(field, _)| *field == name);
        let form = known.map(|(_, form)| *form);
        let form = form
            .with_context(|| format!("no field '{name}'"))
            .hint("'coo config show' lists all fields")?;
        let value = match form {
            Form::TextOrNull if value == "null" => Value::Null,
            Form::Text | Form::TextOrNull => Value::from(value),
            Form::Json => serde_json::from_str(value)
                .map_err(|_| anyhow!("{name}: the value is not JSON"))
                .hint("give a number, or a list or an object in quotes of the shell")?,
        };
        let mut config = serde_json::to_value(self)?;
        let mut place = &mut config;
        for name in name.split('.') {
            // Makes a missing object.
            place = &mut place[name];
        }
        *place = value;
        let config: Self = serde_json::from_value(config)
            .with_context(|| name.to_owned())
            .hint("see docs/configuration.md for its fields")?;
        config.check()?;
        Ok(config)
    }

    /// Returns the text of `config.json`.
    #[must_use]
    pub fn to_text(&self) -> String {
        serde_json::to_string_pretty(self).map_or_else(|_| String::new(), |text| text + "\n")
    }
}
