//! `coo resume <id>`: continues an interrupted mission from its journal, and prints the same output
//! as `coo run`. Reports a call in doubt, and never sends it again without `--resend`.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Error, Result, anyhow, bail};
use coo_kernel::batch::budget::Limit;
use coo_kernel::llm::prices::Micros;
use coo_kernel::mission::exit::Exit;
use coo_kernel::mission::{MissionId, Status};
use serde::Serialize;

use super::batch::{Again, Asked};
use super::{batch, print, receipt, run};
use crate::freeze::Purpose;
use crate::hint::{self, Hint as _};
use crate::mission::find::find_in_root;
use crate::mission::resume::{InDoubt, Resumed, resume};
use crate::mission::run_file;

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Mission id, such as MISSION-000001 or 1
    #[arg(required_unless_present = "batch")]
    id: Option<String>,
    /// Continue every mission of a batch that has not ended
    #[arg(long, value_name = "NUMBER", conflicts_with = "id")]
    batch: Option<u32>,
    /// Most missions of the batch in flight [default: 16]
    #[arg(long, short, value_name = "N", requires = "batch")]
    jobs: Option<NonZeroUsize>,
    #[arg(
        long,
        value_name = "FILE",
        requires = "batch",
        help = "Write a JUnit report of the batch"
    )]
    junit: Option<PathBuf>,
    /// Most tokens that all live calls of the batch may have, from its beginning
    #[arg(long, value_name = "N", requires = "batch")]
    budget_tokens: Option<u64>,
    /// Most money that all live calls of the batch may cost, from its beginning
    #[arg(long, value_name = "AMOUNT", requires = "batch")]
    budget_money: Option<Micros>,
    /// Send a model call of unknown outcome again, at the risk of paying twice
    #[arg(long)]
    resend: bool,
    #[command(flatten)]
    answering: run::Answering,
    /// Print a JSON receipt instead of the output; of a batch, a summary as the last line
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
    if let Some(number) = options.batch {
        let asked = Asked {
            number,
            running: &batch::Running::of(options.jobs, options.junit.clone()),
            options: options.answering.options(),
            again: Again {
                resend: options.resend,
                budget: Limit {
                    micros: options.budget_money,
                    tokens: options.budget_tokens,
                },
            },
            json: options.json,
        };
        return batch::resume(root, &asked);
    }
    let name = options.id.as_deref().unwrap_or_default();
    if run_file::is_one(Path::new(name)) {
        bail!(
            anyhow!("file {name}: a file can't be resumed")
                .hint("resume the mission in the state root it came from")
        );
    }
    let (session, mission) = find_in_root(root, name, Purpose::Change, print::note)?;
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
        request_sha256,
        nth,
        model,
        max_tokens,
        calls,
        ..
    } = call;
    let most = max_tokens.map_or_else(
        || "any length".to_owned(),
        |tokens| format!("at most {tokens} tokens"),
    );
    let place = call.place();
    let what = if *calls > 1 {
        format!("{calls} model calls are in doubt, the first one {place}")
    } else {
        format!("model call {place} is in doubt")
    };
    anyhow!(
        "mission {id}: {what}: request {} (time {nth} in this run, \
         model {model}, an answer of {most}) left and has no answer on record",
        request_sha256.short()
    )
    .hint(hint::to_resume(id, true))
}
