//! `coo resume <id>`: continues an interrupted mission from its journal, and prints the same output
//! as `coo run`. Reports a call in doubt, and never sends it again without `--resend`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Error, Result, anyhow, bail};
use coo_kernel::mission::exit::Exit;
use coo_kernel::mission::{MissionId, Status};
use serde::Serialize;

use super::{print, receipt, run};
use crate::freeze::Purpose;
use crate::hint::{self, Hint as _};
use crate::mission::find::find_in_root;
use crate::mission::resume::{InDoubt, Resumed, resume};
use crate::mission::run_file;

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Mission id, such as MISSION-000001 or 1
    id: String,
    /// Send a model call of unknown outcome again, at the risk of paying twice
    #[arg(long)]
    resend: bool,
    #[command(flatten)]
    answering: run::Answering,
    /// Print a JSON receipt instead of the output
    #[arg(long)]
    json: bool,
}

/// The receipt of a mission that had ended before; `coo inspect --json` has the rest.
#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Ended {
    id: MissionId,
    status: Status,
}

pub fn cmd_resume(root: &Path, options: &Options) -> Result<ExitCode> {
    if run_file::is_one(Path::new(&options.id)) {
        bail!(
            anyhow!("file {}: a file can't be resumed", options.id)
                .hint("resume the mission in the state root it came from")
        );
    }
    let (session, mission) = find_in_root(root, &options.id, Purpose::Change, print::note)?;
    let id = mission.id;
    match resume(
        session,
        &mission,
        options.answering.options(),
        options.resend,
    )? {
        Resumed::Run(mut session, ended) => {
            receipt::rewrite(&mut session, &ended)?;
            drop(session);
            run::report(&ended, options.json)
        }
        Resumed::Ended(progress) => {
            let succeeded = progress.failure.is_none();
            let status = if succeeded {
                Status::Success
            } else {
                Status::Failed
            };
            print::note_verdict(
                &format!("{id} "),
                status.name(),
                &format!(
                    ": it has ended, so there is nothing to resume; 'coo inspect {id} --output' prints its output"
                ),
            );
            if options.json {
                print::json("coo-receipt/1", &Ended { id, status })?;
            }
            if let Some(failure) = &progress.failure {
                print::error(&run::failed(id, failure));
            }
            Ok(print::done(succeeded))
        }
        Resumed::InDoubt(call) => {
            let error = in_doubt(id, &call);
            if options.json {
                print::json("coo-in-doubt/1", &call)?;
            }
            print::error(&error);
            Ok(print::code(Exit::Stopped))
        }
    }
}

fn in_doubt(id: MissionId, call: &InDoubt) -> Error {
    let InDoubt {
        seq,
        request_sha256,
        nth,
        model,
        max_tokens,
    } = call;
    let most = max_tokens.map_or_else(
        || "any length".to_owned(),
        |tokens| format!("at most {tokens} tokens"),
    );
    anyhow!(
        "mission {id}: model call at event {seq} is in doubt: request {} (time {nth} in this run, \
         model {model}, an answer of {most}) left and has no answer on record",
        request_sha256.short()
    )
    .hint(hint::to_resume(id, true))
}
