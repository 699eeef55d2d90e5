//! The input of the runner: a script, the files that it imports, and the input of the mission's step.
//! Refuses what is not `coo-script/1`; looks into no source.

use std::collections::BTreeMap;

use serde::Deserialize;

const FORMAT: &str = "coo-script/1";

/// What the host gives to a runner.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    format: String,
    /// The key in `files` of the script that runs.
    pub main: String,
    /// Sources by their paths relative to the script's folder.
    pub files: BTreeMap<String, String>,
    /// Python's wheels. JavaScript has none.
    #[serde(default)]
    packages: Vec<serde_json::Value>,
    /// The input of the step, as the author's descriptor or `--input` has it.
    #[serde(default)]
    pub input: String,
}

impl Envelope {
    /// Parses the runner's input.
    pub fn parse(text: &str) -> Result<Self, String> {
        let envelope: Self = serde_json::from_str(text)
            .map_err(|error| format!("the runner's input is not {FORMAT}: {error}"))?;
        if envelope.format != FORMAT {
            return Err(format!(
                "the runner's input has format '{}', and this runner takes {FORMAT}",
                envelope.format
            ));
        }
        if !envelope.packages.is_empty() {
            return Err("packages: a script in JavaScript can have none".to_owned());
        }
        if !envelope.files.contains_key(&envelope.main) {
            return Err(format!("main: '{}' is not among the files", envelope.main));
        }
        Ok(envelope)
    }
}
