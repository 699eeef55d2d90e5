//! The operator's configuration: `config.json` in the state root, with the environment and
//! `.env` above it. Holds no secret: the key comes from environment or `.env` alone and is
//! never written anywhere.

use std::path::Path;

use anyhow::{Context as _, Result};
use coo_kernel::authority::Governance;
use coo_kernel::llm;
use serde::{Deserialize, Serialize};

use crate::machine;

/// The model whose answers ship frozen with the demo.
pub const DEMO_MODEL: &str = "HuggingFaceTB/SmolLM2-135M-Instruct";
/// Where live calls go if nothing else is said.
pub const DEFAULT_BASE_URL: &str = "https://openrouter.ai/api/v1";

/// What is read from `.env` where the environment does not have it.
pub const IN_DOT_ENV: [&str; 3] = ["COO_LLM_BASE_URL", "COO_LLM_MODEL", "OPENROUTER_API_KEY"];

/// `config.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What missions may do at most. Not written where nothing is decided.
    #[serde(default, skip_serializing_if = "Governance::is_empty")]
    pub governance: Governance,
    /// Language models.
    #[serde(default)]
    pub llm: LlmConfig,
    /// Tools that stand in the tools manifest beside git and python3, by their names in PATH.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
}

/// The `llm` part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LlmConfig {
    /// Attempts of one call, the first included.
    pub attempts: u32,
    /// Server for live calls.
    pub base_url: String,
    /// Used where `COO_LLM_MODEL` is not set.
    pub default_model: Option<String>,
    /// The field that carries the bound on tokens; newer servers want `max_completion_tokens`.
    pub max_tokens_field: String,
    /// Of one attempt.
    pub timeout_seconds: u64,
}

impl Default for LlmConfig {
    fn default() -> Self {
        Self {
            attempts: 4,
            base_url: DEFAULT_BASE_URL.to_owned(),
            default_model: None,
            max_tokens_field: "max_tokens".to_owned(),
            timeout_seconds: 120,
        }
    }
}

impl Config {
    /// What a fresh state root is configured with: the model of the frozen demo answer.
    #[must_use]
    pub fn fresh() -> Self {
        Self {
            governance: Governance::default(),
            llm: LlmConfig {
                default_model: Some(DEMO_MODEL.to_owned()),
                ..LlmConfig::default()
            },
            tools: Vec::new(),
        }
    }

    /// Reads `config.json`.
    pub fn parse(text: &str) -> Result<Self> {
        let config: Self = serde_json::from_str(text)
            .context("can't be understood; see docs/configuration.md for its fields")?;
        config
            .governance
            .check()
            .context("governance: see docs/governance.md for its fields")?;
        Ok(config)
    }

    /// As it is written.
    #[must_use]
    pub fn to_text(&self) -> String {
        serde_json::to_string_pretty(self).map_or_else(|_| String::new(), |text| text + "\n")
    }
}

/// What the environment and `.env` say, read once.
#[derive(Default)]
pub struct Surroundings {
    dot_env: Vec<(String, String)>,
}

impl Surroundings {
    /// Reads `.env` of `folder`, if there is one. Changes no variable of this process.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(".env");
        let mut dot_env = Vec::new();
        match dotenvy::from_path_iter(&path) {
            Ok(entries) => {
                for entry in entries {
                    // The parser's error quotes the line, and a line may hold a key.
                    let entry = entry.map_err(|_| {
                        anyhow::anyhow!(
                            "file {}: a line is not NAME=value; correct or remove it",
                            path.display()
                        )
                    })?;
                    dot_env.push(entry);
                }
            }
            Err(error) if error.not_found() => {}
            Err(_) => anyhow::bail!("file {}: can't be read", path.display()),
        }
        Ok(Self { dot_env })
    }

    fn dot_env(&self, name: &str) -> Option<&str> {
        let entry = self.dot_env.iter().rev().find(|(key, _)| key == name);
        entry
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// A variable: environment first, then `.env`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        machine::env_text(name).or_else(|| self.dot_env(name).map(str::to_owned))
    }

    /// The model in force, or the prescribed error.
    pub fn model(&self, config: &Config) -> Result<String> {
        let environment = machine::env_text("COO_LLM_MODEL");
        llm::resolve_model(
            environment.as_deref(),
            self.dot_env("COO_LLM_MODEL"),
            config.llm.default_model.as_deref(),
        )
        .map(str::to_owned)
        .context(llm::NO_MODEL)
    }
}
