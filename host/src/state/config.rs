//! The operator's configuration: `config.json` in the state root. The environment and `.env` take
//! precedence over it (`environment`). It holds no secret: a key comes only from the environment
//! or `.env`, and is never written anywhere.

use anyhow::{Context as _, Result, anyhow, bail};
use coo_kernel::form::strict;
use coo_kernel::mission::authority::Governance;
use serde::{Deserialize, Serialize};

use crate::hint::Hint as _;

/// The model whose answers ship frozen with the demo.
pub const DEMO_MODEL: &str = "HuggingFaceTB/SmolLM2-135M-Instruct";
/// Server for live calls, unless another one is set.
pub const DEFAULT_BASE_URL: &str = "https://openrouter.ai/api/v1";

/// Limits the number of programs that are started to write the manifests.
const TOOLS_MAX: usize = 64;

/// The content of `config.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The most that missions may do. Not written if nothing is set.
    #[serde(default, skip_serializing_if = "Governance::is_empty")]
    pub governance: Governance,
    #[serde(default)]
    pub llm: LlmConfig,
    /// Tools that the tools manifest lists beside git and python3, by their names in PATH.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
}

/// The `llm` field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LlmConfig {
    /// Maximum number of attempts of one call, including the first.
    pub attempts: u32,
    /// URL of the server for live calls.
    pub base_url: String,
    /// Model that is used if `COO_LLM_MODEL` is not set.
    pub default_model: Option<String>,
    /// Request field for the maximum number of tokens; newer servers want `max_completion_tokens`.
    pub max_tokens_field: String,
    /// Timeout of one attempt.
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
    /// Returns the configuration of a new state root, with the model of the frozen demo answer.
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

    /// Parses and checks `config.json`.
    pub fn parse(text: &str) -> Result<Self> {
        let config: Self =
            strict::read(text.as_bytes()).hint("see docs/configuration.md for its fields")?;
        config
            .governance
            .check()
            .context("governance: see docs/governance.md for its fields")?;
        if config.tools.len() > TOOLS_MAX {
            bail!(
                anyhow!(
                    "tools: {} of them, {TOOLS_MAX} is the limit",
                    config.tools.len()
                )
                .hint("leave some out")
            );
        }
        Ok(config)
    }

    /// Returns the text of `config.json`.
    #[must_use]
    pub fn to_text(&self) -> String {
        serde_json::to_string_pretty(self).map_or_else(|_| String::new(), |text| text + "\n")
    }
}
