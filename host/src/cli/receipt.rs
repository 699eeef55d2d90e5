//! The execution receipt of the demo. Headings, order and key sentences are prescribed (user
//! surface v1.1 §4.3). Screen and file get the same text. Prints nothing itself.

use coo_kernel::mission::Status;

use super::print::plain;

/// Columns that wrapped text may fill on an 80-column terminal.
const WIDTH: usize = 78;

/// The first line, printed before anything runs.
pub const PREFIX: &str = "[coo] Running deterministic demo mission ...";

/// What stands before the mission's status.
pub const STATUS: &str = "\n  Status: ";

/// The content of the receipt.
pub struct Receipt<'a> {
    pub id: &'a str,
    pub mission_type: &'a str,
    pub status: Status,
    pub started: &'a str,
    pub finished: &'a str,
    pub transitions: usize,
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
            ..
        } = self;
        // The surface has only two words; an interrupted run has failed its user.
        let status = if self.status == Status::Success {
            "SUCCESS"
        } else {
            "FAILED"
        };
        let output = wrapped(self.output);
        format!(
            "{PREFIX}

Mission
  ID: {id}
  Type: {mission_type}{STATUS}{status}
  Started: {started}
  Finished: {finished}
  Steps: {transitions} transitions, 0 rollbacks, 0 divergences

AI Output
{output}Determinism
  This result is reproducible on this machine.
  Re-running 'coo run-demo' with the same setup will produce the same output.
  The runtime captured a sealed internal snapshot and log for this run.

Inspect
  coo mission {id}
  coo logs {id}
"
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
