//! `coo mission <id>`: shows a mission's status and timeline (user surface v1.1 §5). Only reads.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use coo_kernel::mission::Status;
use coo_kernel::mission::state::State;
use serde::Serialize;

use super::{events, print};
use crate::machine::rfc3339;
use crate::mission::find::find_mission;
use crate::state::history::{self, Question};

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Mission id, such as DEMO-000001 or 1, or a file that 'coo export' wrote
    #[arg(value_name = "ID|FILE")]
    id: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct View {
    id: String,
    r#type: String,
    status: Status,
    reason: Option<String>,
    /// The question of a paused mission.
    question: Option<Question>,
    created: String,
    started: Option<String>,
    finished: Option<String>,
    timeline: Vec<State>,
}

pub fn cmd_mission(root: &Path, options: &Options) -> Result<ExitCode> {
    let (session, mission) = find_mission(root, &options.id, print::note)?;
    let (progress, _) = history::walk(&session.store, mission.id, |_| Ok(()))?;
    let status = events::status(&session, &mission, &progress);
    let started = session.store.event_facts(mission.id.number(), 2)?;
    let view = View {
        id: mission.id.to_string(),
        r#type: mission.mission_type.clone(),
        status,
        reason: events::reason(&mission, &progress, status),
        question: history::question(&session.store, mission.id)?,
        created: rfc3339(mission.created_ms),
        started: started.map(|facts| rfc3339(facts.at_ms)),
        // When an attempt was stopped is no end.
        finished: mission
            .finished_ms
            .filter(|_| status != Status::Interrupted)
            .map(rfc3339),
        timeline: progress.timeline.clone(),
    };
    if options.json {
        print::json("coo-mission-status/1", &view)?;
    } else {
        let before = format!("Mission {}\n  Type: {}\n  Status: ", view.id, view.r#type);
        print::out_verdict(&before, view.status.name(), &after_status(&view))?;
        if let Some(next) = events::next(&session, &mission, &progress, status)? {
            print::next(&next);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn after_status(view: &View) -> String {
    let none = "-".to_owned();
    let mut text = "\n".to_owned();
    if let Some(reason) = &view.reason {
        let _ = writeln!(text, "  Reason: {}", print::one_line(reason));
    }
    if let Some(Question { step, ask }) = &view.question {
        let _ = writeln!(text, "  Step '{step}' asks: {}", print::one_line(ask));
    }
    let _ = write!(
        text,
        "  Created: {}\n  Started: {}\n  Finished: {}\n\nTimeline\n",
        view.created,
        view.started.as_ref().unwrap_or(&none),
        view.finished.as_ref().unwrap_or(&none),
    );
    for (i, state) in view.timeline.iter().enumerate() {
        let _ = writeln!(text, "  #{:04} {state}", i + 1);
    }
    text
}
