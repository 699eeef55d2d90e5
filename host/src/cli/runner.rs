//! `coo runner {list,add,remove}`: shows the modules that run scripts, and installs Python's into the
//! user's folder for data.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use coo_kernel::form::digest::Digest;
use coo_kernel::mission::script::Language;
use serde::Serialize;

use super::print;
use crate::hint::Hint as _;
use crate::program::runners::{self, Place, Runner};

#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the runners: language, digest, size, and where each is
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Install a runner for this user
    Add {
        /// A wheel that has the runner, or the runner itself (python.wasm)
        file: PathBuf,
    },
    /// Remove a runner that 'coo runner add' installed
    Remove {
        /// python
        name: String,
    },
}

/// A runner in `coo-runner-list/1`.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct JsonRunner {
    name: Language,
    sha256: Digest,
    bytes: u64,
    /// Where its file is; `null` if it is not installed, or in the program itself.
    file: Option<String>,
    installed: bool,
}

/// The list, `coo-runner-list/1`.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct JsonRunners {
    runners: Vec<JsonRunner>,
}

pub fn cmd_runner(options: &Options) -> Result<ExitCode> {
    match &options.command {
        Command::List { json } => list(*json)?,
        Command::Add { file } => {
            let (language, place) = runners::add(file)?;
            print::out(&format!(
                "runner {}: installed in {}\n",
                language.name(),
                place.display()
            ))?;
        }
        Command::Remove { name } => remove(name)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(json: bool) -> Result<()> {
    let all = runners::all();
    if json {
        let runners = all.iter().map(shown).collect();
        return print::json("coo-runner-list/1", &JsonRunners { runners });
    }
    let mut text = String::new();
    for runner in &all {
        let place = match &runner.place {
            Place::Inside => "in this program".to_owned(),
            Place::File(path) => path.display().to_string(),
            Place::Missing => "not installed".to_owned(),
        };
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{:<10}  {}  {:>10} bytes  {place}",
            runner.language.name(),
            runner.sha256.short(),
            runner.bytes,
        );
    }
    print::out(&text)
}

fn shown(runner: &Runner) -> JsonRunner {
    JsonRunner {
        name: runner.language,
        sha256: runner.sha256,
        bytes: runner.bytes,
        file: match &runner.place {
            Place::File(path) => Some(path.display().to_string()),
            Place::Inside | Place::Missing => None,
        },
        installed: runner.place != Place::Missing,
    }
}

fn remove(name: &str) -> Result<()> {
    let language = Language::named(name)
        .with_context(|| format!("runner '{name}': none that this coo knows"))
        .hint("'coo runner list' lists them")?;
    let place = runners::remove(language)?
        .with_context(|| format!("runner {name}: 'coo runner add' has not installed it"))?;
    print::out(&format!(
        "runner {name}: removed from {}\n",
        place.display()
    ))
}
