//! `coo export <id>`: writes a run to one file, which `coo replay FILE` and the other reading
//! commands accept on any machine. Writes the whole file or none.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, anyhow, bail};
use coo_kernel::mission::state::State;
use serde::Serialize;

use super::print;
use crate::hint::Hint as _;
use crate::mission::find::find_mission;
use crate::mission::run_file;
use crate::state::history;

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Mission id, such as DEMO-000001 or 1, or a file that 'coo export' wrote
    #[arg(value_name = "ID|FILE")]
    id: String,
    /// File to write [default: <ID>.coorun in the working directory]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Leave out the module that runs a script; who replays the file needs it installed
    #[arg(long)]
    without_runner: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Written {
    id: String,
    /// Path as it was given.
    file: String,
    bytes: u64,
    /// Whether the mission has ended, so that the file replays.
    ended: bool,
}

pub fn cmd_export(root: &Path, options: &Options) -> Result<ExitCode> {
    let (session, mission) = find_mission(root, &options.id, print::note)?;
    let path = match &options.output {
        Some(path) => path.clone(),
        None => PathBuf::from(format!("{}.coorun", mission.id)),
    };
    if path.as_os_str() == "-" {
        bail!(anyhow!("--output -: a run is written whole or not at all").hint("name a file"));
    }
    let bytes = run_file::export(
        &session.root,
        &session.store,
        mission.id,
        &path,
        options.without_runner,
    )?;
    let (progress, _) = history::walk(&session.store, mission.id, |_| Ok(()))?;
    let ended = progress.state().is_some_and(State::is_final);
    let shown = path.display();
    let word = print::word(&shown.to_string());
    let next = if ended && options.without_runner {
        format!("'coo replay {word}' replays it wherever its runner is installed")
    } else if ended {
        format!("'coo replay {word}' replays it anywhere")
    } else {
        format!("it has not ended yet; 'coo logs {word}' shows it anywhere")
    };
    print::note(&format!(
        "{} written to {shown}: {bytes} bytes; {next}",
        mission.id
    ));
    if options.json {
        print::json(
            "coo-export/1",
            &Written {
                id: mission.id.to_string(),
                file: shown.to_string(),
                bytes,
                ended,
            },
        )?;
    }
    Ok(ExitCode::SUCCESS)
}
