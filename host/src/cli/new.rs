//! `coo new`: adds a mission to a project: a crate that compiles, and its descriptor. Never replaces
//! a file, and makes no project; `coo init DIR` does.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use super::{init, print};
use crate::hint::Hint as _;
use crate::machine;
use crate::project;

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Lower-case letters, digits and hyphens
    name: String,
}

pub fn cmd_new(options: &Options) -> Result<ExitCode> {
    let name = init::parse(&options.name)?;
    let here = machine::working_directory().context("working directory")?;
    let top = project::find(&here)
        .context("project: none in the working directory or above it")
        .hint("'coo init DIR' makes one")?;
    let files = project::mission(&name);
    let outcomes = project::check(&top, &files)?;
    project::make(&top, &files, &outcomes)?;
    let place = if top == here {
        "the working directory".to_owned()
    } else {
        top.display().to_string()
    };
    print::out(&init::listed(&place, &files, &outcomes))?;
    let down = here.strip_prefix(&top).unwrap_or(Path::new(""));
    let up = down.components().map(|_| "..").collect::<PathBuf>();
    init::say_next(&name, &up);
    Ok(ExitCode::SUCCESS)
}
