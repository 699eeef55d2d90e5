//! `coo man [DIR]`: prints the manual page of `coo`, or writes the pages of all commands into a folder.
//! Each page is made from the command line itself, so it says what `--help` says. Knows no command by
//! name.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap_mangen::Man;

use super::{command, print};
use crate::machine::output_file::write_over;

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Folder for the pages of all commands, such as a man1 of the MANPATH; replaces older pages
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

pub fn cmd_man(options: &Options) -> Result<ExitCode> {
    let mut whole = command();
    // Gives each command its full name.
    whole.build();
    let Some(folder) = &options.folder else {
        print::bytes(&page(&whole, "coo")?)?;
        return Ok(ExitCode::SUCCESS);
    };
    let mut pages = Vec::new();
    collect(&whole, "coo", &mut pages)?;
    for (name, content) in &pages {
        write_over(&folder.join(name), content)?;
    }
    print::note(&format!(
        "{} written to {}",
        print::count(pages.len(), "manual page"),
        folder.display()
    ));
    Ok(ExitCode::SUCCESS)
}

/// Adds the page of `command` and of all commands below it, each with its file name.
fn collect(command: &clap::Command, name: &str, pages: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
    pages.push((format!("{name}.1"), page(command, name)?));
    let inner = command
        .get_subcommands()
        .filter(|inner| inner.get_name() != "help" && !inner.is_hide_set());
    for inner in inner {
        collect(inner, &format!("{name}-{}", inner.get_name()), pages)?;
    }
    Ok(())
}

/// Returns the page of `command`; `name` is that of its file without the section.
fn page(command: &clap::Command, name: &str) -> Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command.clone())
        .title(name)
        .source(concat!("coo ", env!("CARGO_PKG_VERSION")))
        .render(&mut page)
        .with_context(|| format!("manual page {name}"))?;
    Ok(page)
}
