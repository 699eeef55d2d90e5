//! `coo approve <id>` and `coo reject <id>`: a person's answer to a paused mission. An approval is
//! recorded and the mission continues; a rejection is recorded and ends it.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, anyhow, bail};
use coo_kernel::mission::MissionId;
use serde::Serialize;

use super::{print, run};
use crate::freeze::Purpose;
use crate::hint::Hint as _;
use crate::mission::approval::decide;
use crate::mission::find::find_in_root;
use crate::mission::resume::{Resumed, resume};

#[derive(Debug, clap::Args)]
pub struct ApprovalAnswer {
    /// Mission id, such as MISSION-000001 or 1
    id: String,
    /// Reason, in a few words; it is recorded
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct Approve {
    #[command(flatten)]
    answer: ApprovalAnswer,
    #[command(flatten)]
    answering: run::Answering,
    /// Print a JSON receipt instead of the output
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub struct Reject {
    #[command(flatten)]
    answer: ApprovalAnswer,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `coo reject --json` prints.
#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Rejected<'a> {
    id: MissionId,
    step: &'a str,
    reason: Option<&'a str>,
}

pub fn cmd_approve(root: &Path, options: &Approve) -> Result<ExitCode> {
    let (mut session, mission) =
        find_in_root(root, &options.answer.id, Purpose::Change, print::note)?;
    let reason = options.answer.reason.clone();
    let question = decide(&mut session.store, &mission, true, reason)?;
    print::note(&format!(
        "{} approved at step '{}'",
        mission.id, question.step
    ));
    match resume(session, &mission, options.answering.options(), false)? {
        Resumed::Run(session, ended) => {
            drop(session);
            run::report(&ended, options.json)
        }
        Resumed::Ended(_) | Resumed::InDoubt(_) => bail!(
            anyhow!(
                "mission {}: is approved, but can't be continued now",
                mission.id
            )
            .hint(format!("'coo resume {}' shows why", mission.id))
        ),
    }
}

pub fn cmd_reject(root: &Path, options: &Reject) -> Result<ExitCode> {
    let (mut session, mission) =
        find_in_root(root, &options.answer.id, Purpose::Change, print::note)?;
    let reason = options.answer.reason.clone();
    let question = decide(&mut session.store, &mission, false, reason)?;
    print::note(&format!(
        "{} rejected at step '{}'; it has ended, and none of its changes were made",
        mission.id, question.step
    ));
    if options.json {
        print::json(
            "coo-rejection/1",
            &Rejected {
                id: mission.id,
                step: &question.step,
                reason: options.answer.reason.as_deref(),
            },
        )?;
    }
    Ok(ExitCode::SUCCESS)
}
