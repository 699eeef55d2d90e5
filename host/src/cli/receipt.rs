//! The execution receipt of the demo. Headings, order and key sentences are prescribed (user
//! surface v1.1 §4.3). Screen and file get the same text. Prints nothing itself.
//!
//! "Transitions" counts the states of the timeline, as the packet's own example does; the journal has
//! one event of that name less. "Divergences" is always 0: only `coo replay` compares two runs, and it
//! keeps no count.

use anyhow::{Context as _, Result};
use coo_kernel::baseline::rollback::Outcome;
use coo_kernel::mission::{MissionId, Status};

use super::print::plain;
use crate::machine::rfc3339;
use crate::mission::seal::Ended;
use crate::session::Session;
use crate::state::{history, reports};

/// Columns that wrapped text may fill on an 80-column terminal.
const WIDTH: usize = 78;

/// The first line, printed before anything runs.
pub const PREFIX: &str = "[coo] Running deterministic demo mission ...";

/// What stands before the mission's status.
pub const STATUS: &str = "\n  Status: ";

/// Writes the receipt of a demo that has just ended to the state root, in place of an earlier one,
/// and returns its text.
pub fn write(session: &mut Session, ended: &Ended) -> Result<String> {
    let mission = session
        .store
        .mission(ended.id)?
        .context("mission: gone after the run")?;
    let (progress, _) = history::walk(&session.store, mission.id, |_| Ok(()))?;
    let started = session
        .store
        .event_facts(mission.id.number(), 2)?
        .map_or(mission.created_ms, |facts| facts.at_ms);
    let rollbacks = session.store.rollbacks()?;
    let since_then = rollbacks.iter().filter(|rollback| {
        rollback.outcome == Outcome::Restored && rollback.requested_ms >= mission.created_ms
    });
    let text = Receipt {
        id: &mission.id.to_string(),
        mission_type: &mission.mission_type,
        status: ended.status,
        started: &rfc3339(started),
        finished: &mission.finished_ms.map(rfc3339).unwrap_or_default(),
        transitions: progress.timeline.len(),
        rollbacks: since_then.count(),
        output: &String::from_utf8_lossy(&ended.output),
    }
    .text();
    let path = path(mission.id);
    reports::write(&session.root, &mut session.store, &path, text.as_bytes())?;
    Ok(text)
}

/// Writes the receipt again if `coo run-demo` has written one, as it did for a run that was stopped.
pub fn rewrite(session: &mut Session, ended: &Ended) -> Result<()> {
    let path = path(ended.id);
    let reports = session.store.reports()?;
    if reports.iter().any(|report| report.path == path) {
        write(session, ended)?;
    }
    Ok(())
}

/// Returns the path of a mission's receipt in the state root.
fn path(id: MissionId) -> String {
    format!("demo/{id}/demo_report.txt")
}

/// The content of the receipt.
pub struct Receipt<'a> {
    pub id: &'a str,
    pub mission_type: &'a str,
    pub status: Status,
    pub started: &'a str,
    pub finished: &'a str,
    pub transitions: usize,
    pub rollbacks: usize,
    pub output: &'a str,
}

impl Receipt<'_> {
    /// Returns the whole text, including the first line.
    pub fn text(&self) -> String {
        let Self {
            id,
            mission_type,
            started,
            finished,
            transitions,
            rollbacks,
            ..
        } = self;
        // The surface has only two words; an interrupted run has failed its user.
        let status = if self.status == Status::Success {
            "SUCCESS"
        } else {
            "FAILED"
        };
        let output = wrapped(self.output);
        let determinism = self.determinism();
        format!(
            "{PREFIX}

Mission
  ID: {id}
  Type: {mission_type}{STATUS}{status}
  Started: {started}
  Finished: {finished}
  Steps: {transitions} transitions, {rollbacks} rollbacks, 0 divergences

AI Output
{output}Determinism
{determinism}
Inspect
  coo mission {id}
  coo logs {id}
"
        )
    }

    /// What is true of a run that has ended, be it SUCCESS or FAILED. One that was stopped from
    /// outside has no result that could come again.
    fn determinism(&self) -> String {
        if matches!(self.status, Status::Success | Status::Failed) {
            return "  This result is reproducible on this machine.
  Re-running 'coo run-demo' with the same setup will produce the same output.
  The runtime captured a sealed internal snapshot and log for this run.
"
            .to_owned();
        }
        format!(
            "  This run was stopped from outside, so it has no result yet.
  'coo resume {}' continues it where it stopped, and pays for no call twice.
",
            self.id
        )
    }
}

/// Wraps and indents the paragraphs, each followed by an empty line.
fn wrapped(text: &str) -> String {
    let options = textwrap::Options::new(WIDTH)
        .initial_indent("  ")
        .subsequent_indent("  ");
    let text = plain(text);
    let paragraphs: Vec<String> = text
        .split('\n')
        .map(str::trim)
        .filter(|paragraph| !paragraph.is_empty())
        .map(|paragraph| textwrap::fill(paragraph, &options) + "\n\n")
        .collect();
    if paragraphs.is_empty() {
        "  (none)\n\n".to_owned()
    } else {
        paragraphs.concat()
    }
}
