//! The operator's configuration: `config.json` in the state root. The environment and `.env` go
//! before it (`surroundings`). Holds no secret: the key comes from those two alone and is never
//! written anywhere.

use anyhow::{Context as _, Result, bail};
use coo_kernel::mission::authority::Governance;
use serde::{Deserialize, Serialize};

/// The model whose answers ship frozen with the demo.
pub const DEMO_MODEL: &str = "HuggingFaceTB/SmolLM2-135M-Instruct";
/// Where live calls go if nothing else is said.
pub const DEFAULT_BASE_URL: &str = "https://openrouter.ai/api/v1";

/// Each of them is a program that is started.
const TOOLS_MAX: usize = 64;

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
        if config.tools.len() > TOOLS_MAX {
            bail!(
                "tools: {} of them, {TOOLS_MAX} is the limit; leave some out",
                config.tools.len()
            );
        }
        Ok(config)
    }

    /// As it is written.
    #[must_use]
    pub fn to_text(&self) -> String {
        serde_json::to_string_pretty(self).map_or_else(|_| String::new(), |text| text + "\n")
    }
}
