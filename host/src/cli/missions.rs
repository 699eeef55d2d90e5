//! `coo missions`: lists all missions of the state root, oldest first. A damaged journal is shown
//! as such and never hides the other missions.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use coo_kernel::mission::Status;
use serde::Serialize;

use super::{events, print};
use crate::freeze::Purpose;
use crate::machine::rfc3339;
use crate::session::Session;
use crate::state::history;

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The list as `--json` prints it.
#[derive(Serialize)]
struct List<'a> {
    missions: &'a [Row],
}

#[derive(Serialize)]
struct Row {
    id: String,
    r#type: String,
    status: Status,
    created: String,
    name: String,
}

pub fn cmd_missions(root: &Path, options: &Options) -> Result<ExitCode> {
    let mut rows = Vec::new();
    let mut damaged = false;
    if let Some(session) = Session::open(root, Purpose::Read, print::note)? {
        for mission in session.store.missions()? {
            // A damaged journal must not hide the other missions.
            let status = match history::walk(&session.store, mission.id, |_| Ok(())) {
                Ok((progress, _)) => events::status(&session, &mission, &progress),
                Err(error) => {
                    print::error(&error);
                    damaged = true;
                    Status::Damaged
                }
            };
            rows.push(Row {
                id: mission.id.to_string(),
                status,
                created: rfc3339(mission.created_ms),
                r#type: mission.mission_type,
                name: mission.name,
            });
        }
    }
    if options.json {
        print::json("coo-missions/1", &List { missions: &rows })?;
    } else if rows.is_empty() {
        print::note(&format!(
            "no missions in {}; 'coo run-demo' makes the first",
            root.display()
        ));
    } else {
        for row in rows {
            print::out(&format!(
                "{:<14} {:<11} {}  {}\n",
                row.id,
                row.status,
                row.created,
                print::one_line(&row.name)
            ))?;
        }
    }
    Ok(print::done(!damaged))
}
