//! `coo export <id>`: a run as one file, which `coo replay FILE` and the other reading commands
//! take on any machine.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;

use super::print;
use crate::run_file;
use crate::session::find_mission;

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Mission id, such as DEMO-000001
    id: String,
    /// File to write; left out, <ID>.coorun in the working directory
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn cmd_export(root: &Path, options: &Options) -> Result<ExitCode> {
    let (session, mission) = find_mission(root, &options.id, print::note)?;
    let path = match &options.output {
        Some(path) => path.clone(),
        None => PathBuf::from(format!("{}.coorun", mission.id)),
    };
    let bytes = run_file::export(&session.root, &session.store, &mission, &path)?;
    print::note(&format!(
        "{} written to {}: {bytes} bytes; 'coo replay {}' replays it anywhere",
        mission.id,
        path.display(),
        path.display()
    ));
    Ok(ExitCode::SUCCESS)
}
