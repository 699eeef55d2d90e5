//! What `coo` costs beside the parts that it is made of. Every figure is measured in turn with its
//! floor (bare wasmtime, a raw file) in one run of this program, and printed next to it.
//! No network, nothing outside a temporary folder. See docs/performance.md.
//!
//! ```text
//! cargo bench -p coo --bench runtime               # about a minute
//! cargo bench -p coo --bench runtime -- --quick    # a smoke test: few repetitions
//! ```

#[path = "runtime/bare.rs"]
mod bare;
#[path = "runtime/calls.rs"]
mod calls;
#[path = "runtime/guest.rs"]
mod guest;
#[path = "runtime/journal.rs"]
mod journal;
#[path = "runtime/phases.rs"]
mod phases;
#[path = "runtime/replay.rs"]
mod replay;
#[path = "runtime/table.rs"]
mod table;
#[path = "runtime/whole.rs"]
mod whole;

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use coo::inside::program::code_cache;
use tempfile::TempDir;

/// The first argument of this program when it runs as a child of itself.
const CHILD: &str = "child";

/// The cache of compiled code, below the folder of each measurement.
pub const CACHE: &str = "cache";

/// How often each measurement is repeated.
#[derive(Clone, Copy)]
pub struct Scale {
    /// A smoke test: the figures are printed but mean little.
    pub quick: bool,
}

impl Scale {
    /// Returns `full`, or `quick` in a smoke test.
    pub fn of(self, full: u32, quick: u32) -> u32 {
        if self.quick { quick } else { full }
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some((CHILD, rest)) = arguments
        .split_first()
        .map(|(first, rest)| (first.as_str(), rest))
    {
        return child(rest);
    }
    let mut scale = Scale { quick: false };
    for argument in &arguments {
        match argument.as_str() {
            // Cargo adds it to every bench.
            "--bench" => {}
            "--quick" => scale.quick = true,
            other => bail!("'{other}': --quick is the only option"),
        }
    }
    if cfg!(debug_assertions) {
        println!("Not a release build: ratios are off, too.\n");
    }
    let folder = TempDir::new()?;
    whole::measure(scale, &subfolder(&folder, "whole")?)?;
    calls::measure(scale, &subfolder(&folder, "calls")?)?;
    journal::measure(scale, &subfolder(&folder, "journal")?)?;
    replay::measure(scale, &subfolder(&folder, "replay")?)?;
    folder.close().context("temporary folder")
}

fn subfolder(folder: &TempDir, name: &str) -> Result<std::path::PathBuf> {
    let path = folder.path().join(name);
    std::fs::create_dir(&path)?;
    Ok(path)
}

/// Runs this program as its own child, so that whole processes can be compared.
fn child(arguments: &[String]) -> Result<()> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["bare-compile", component, input] => bare::compile_and_run(component, input),
        ["bare-mapped", code, input, log] => bare::map_and_run(code, input, log),
        ["bare-guest", code, input] => bare::time_guest(code, input),
        ["phases", root] => phases::time_run(Path::new(root)),
        ["replay", root, id] => replay::time_replay(Path::new(root), id),
        other => bail!("no such child: {other:?}"),
    }
}

/// Returns the command of this program as its own child, in an empty environment.
pub fn this_program(folder: &Path, arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .env_clear()
        .env(code_cache::VARIABLE, folder.join(CACHE))
        .current_dir(folder)
        .arg(CHILD)
        .args(arguments);
    Ok(command)
}

/// Returns the command of `coo`, in an environment that only names a cache of compiled code in
/// `folder`.
pub fn coo(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coo"));
    command
        .env_clear()
        .env(code_cache::VARIABLE, folder.join(CACHE))
        .current_dir(folder)
        .args(arguments);
    command
}
