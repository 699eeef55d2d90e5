//! `coo pack <id>`: writes a run with all that follows from it to one zip file. Asks a person
//! first, unless --approve says that one has decided. Writes the whole file or none.

use std::io::{IsTerminal as _, stdin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, anyhow, bail};
use coo_kernel::form::digest::Digest;
use coo_kernel::mission::MissionId;
use coo_kernel::pack::{approve, prompt};
use serde::Serialize;

use super::print;
use super::run::Timeout;
use crate::hint::Hint as _;
use crate::machine::output_file;
use crate::mission::find::find_mission;
use crate::mission::pack;

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Mission id, such as DEMO-000001, or a file that 'coo export' wrote
    #[arg(value_name = "ID|FILE")]
    id: String,
    /// File to write [default: <ID>.zip in the working directory]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// A person has approved this pack: do not ask
    #[arg(long, visible_alias = "yes")]
    approve: bool,
    #[command(flatten)]
    timeout: Timeout,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Written {
    id: MissionId,
    /// Path as it was given.
    file: String,
    bytes: u64,
    files: usize,
    sha256: Digest,
}

pub fn cmd_pack(root: &Path, options: &Options) -> Result<ExitCode> {
    let (session, mission) = find_mission(root, &options.id, print::note)?;
    let id = mission.id;
    let path = match &options.output {
        Some(path) => path.clone(),
        None => PathBuf::from(format!("{id}.zip")),
    };
    if path.as_os_str() == "-" {
        bail!(anyhow!("--output -: a pack is written whole or not at all").hint("name a file"));
    }
    output_file::refuse_existing(&path)?;
    pack::refuse_unfinished(&session, &mission)?;
    if !options.approve {
        ask(id, &options.id, &path)?;
    }
    let wall_clock_max = options.timeout.duration();
    let packed = pack::write(session, &mission, &path, wall_clock_max)?;
    let shown = path.display();
    print::note_lines(&[
        format!(
            "{id} written to {shown}: {}, {} bytes; 'coo verify {}' checks it anywhere",
            print::count(packed.files, "file"),
            packed.bytes,
            print::word(&shown.to_string())
        ),
        format!("SHA-256 {}", packed.sha256),
    ]);
    if options.json {
        print::json(
            "coo-pack-written/1",
            &Written {
                id,
                file: shown.to_string(),
                bytes: packed.bytes,
                files: packed.files,
                sha256: packed.sha256,
            },
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks the person at the terminal.
fn ask(id: MissionId, named: &str, path: &Path) -> Result<()> {
    if !stdin().is_terminal() {
        bail!(
            anyhow!(
                "pack of mission {id}: needs a person's yes, and standard input is not a terminal"
            )
            .hint(format!(
                "after approval, run 'coo pack {} --approve'",
                print::word(&print::one_line(named))
            ))
        );
    }
    print::before_asking(&[
        format!("a pack of {id} is written to {}:", path.display()),
        "it shows the prompts, the answers, the module and the artefacts of the run".to_owned(),
    ]);
    Ok(approve(id, &print::ask(&prompt(id)))?)
}
