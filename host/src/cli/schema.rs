//! `coo schema`: lists the JSON Schemas of everything that `coo` reads and writes, or prints one.
//! The texts are those of `manifests/schemas`; a test makes them from the types and compares. This
//! file reads nothing but what is in the binary.

#[cfg(feature = "schemas")]
pub mod published;
mod texts;

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use serde::Serialize;

use super::print;
use crate::hint::Hint as _;

pub use texts::TEXTS;

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Format of the document, such as coo-mission/1, or the name that the list shows
    name: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct List {
    schemas: Vec<Line>,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Line {
    name: &'static str,
    /// What the schema is about.
    title: String,
}

pub fn cmd_schema(options: &Options) -> Result<ExitCode> {
    match &options.name {
        Some(name) => print::json_text(find(name)?)?,
        None => list(options.json)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Finds a schema by its name, or by the name of its file with or without the extension.
fn find(asked: &str) -> Result<&'static str> {
    let file = asked.strip_suffix(".schema.json").unwrap_or(asked);
    let found = TEXTS
        .iter()
        .find(|(name, _)| *name == asked || file_stem(name) == file);
    found.map(|(_, text)| *text).ok_or_else(|| {
        let shown: String = asked.escape_debug().take(80).collect();
        anyhow!("schema '{shown}': there is none by this name").hint("'coo schema' lists them")
    })
}

/// Returns the name of a schema's file without its extension.
pub fn file_stem(name: &str) -> String {
    name.replace('/', "-")
}

fn list(json: bool) -> Result<()> {
    let lines = TEXTS.iter().map(|(name, text)| line(name, text));
    let lines = lines.collect::<Result<Vec<Line>, _>>()?;
    if json {
        return print::json("coo-schemas/1", &List { schemas: lines });
    }
    let width = lines.iter().map(|line| line.name.len()).max();
    let width = width.unwrap_or_default();
    let shown = lines.iter();
    let shown = shown.map(|line| format!("{:width$}  {}\n", line.name, line.title));
    print::out(&shown.collect::<String>())
}

fn line(name: &'static str, text: &str) -> Result<Line, serde_json::Error> {
    #[derive(serde::Deserialize)]
    struct Titled {
        title: String,
    }
    let Titled { title } = serde_json::from_str(text)?;
    Ok(Line { name, title })
}
