//! `coo digest`: prints the SHA-256 of the module set, from the binary or from a folder, and
//! compares it with the pinned one. The kernel's `module_set` documents the canonical form.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow};
use coo_kernel::form::digest::Digest;
use coo_kernel::mission::exit::Exit;
use coo_kernel::module::module_set::{self, Member};
use coo_kernel::module::structure::MODULE_BYTES_MAX;
use serde::Serialize;

use super::print;
use crate::hint::Hint as _;
use crate::machine::input_file::{DIGEST_FILE_BYTES_MAX, read as read_file};
use crate::program::bundle;

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Folder with .wasm files [default: the set inside the binary]
    #[arg(long, value_name = "DIR")]
    modules: Option<PathBuf>,
    /// Compare with a digest file, or without FILE with the digest of this release
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = RELEASE)]
    check: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Stands for the digest inside the binary. A file can't have this name.
const RELEASE: &str = "";

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct View {
    sha256: Digest,
    modules: Vec<Member>,
    pinned: Option<String>,
    matches: Option<bool>,
}

pub fn cmd_digest(options: &Options) -> Result<ExitCode> {
    let mut modules = match &options.modules {
        Some(folder) => members_of(folder)?,
        None => bundle::members(),
    };
    modules.sort();
    let sha256 = module_set::digest(&modules);
    let pinned = options
        .check
        .as_ref()
        .map(|file| pinned(file))
        .transpose()?;
    let matches = pinned.as_ref().map(|pinned| *pinned == sha256.to_string());
    let view = View {
        sha256,
        modules,
        pinned,
        matches,
    };
    if options.json {
        print::json("coo-module-set-digest/1", &view)?;
    } else {
        print::out(&format!(
            "{}{sha256}  module set\n",
            module_set::listing(&view.modules)
        ))?;
    }
    if let (Some(false), Some(pinned)) = (view.matches, &view.pinned) {
        print::error(
            &anyhow!(
                "module set: has SHA-256 {sha256}, pinned is {}",
                print::one_line(pinned)
            )
            .hint("rebuild the modules or pin the new digest"),
        );
        return Ok(print::code(Exit::Differs));
    }
    Ok(ExitCode::SUCCESS)
}

fn pinned(file: &str) -> Result<String> {
    let text = if file == RELEASE {
        bundle::SANDBOX_DIGEST.to_owned()
    } else {
        String::from_utf8_lossy(
            &read_file(Path::new(file), DIGEST_FILE_BYTES_MAX).context("digest file")?,
        )
        .into_owned()
    };
    Ok(text
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned())
}

fn members_of(folder: &Path) -> Result<Vec<Member>> {
    let shown = || format!("folder {}", folder.display());
    let mut members = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("{}: can't be read", shown()))? {
        let path = entry.with_context(shown)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "wasm")
        {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            members.push(Member {
                name,
                sha256: Digest::of(read_file(&path, MODULE_BYTES_MAX)?),
            });
        }
    }
    anyhow::ensure!(!members.is_empty(), "{}: no .wasm files in it", shown());
    Ok(members)
}
