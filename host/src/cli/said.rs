//! What the guest of a mission wrote to standard output and standard error, from the contents that
//! its journal names. A step's text is on record once the step has returned. Only reads.

use anyhow::{Result, anyhow};
use coo_kernel::journal::{Blob, StepReturnedBody};
use coo_kernel::mission::descriptor::Descriptor;
use coo_kernel::mission::row::MissionRow;

use super::print;
use crate::hint::Hint as _;
use crate::session::Session;

/// Lines of standard error that explain a failure without filling a terminal.
const TAIL_LINES: usize = 10;
/// Characters of such a line; a longer one is rarely text.
const TAIL_CHARS: usize = 400;

/// One of the two outputs of a guest.
#[derive(Debug, Clone, Copy)]
pub enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    const fn of(self, step: &StepReturnedBody) -> Blob {
        match self {
            Self::Stdout => step.stdout,
            Self::Stderr => step.stderr,
        }
    }
}

/// Returns what the mission's steps wrote, in their order, or what the one called `step` wrote.
/// `steps` are those that have returned.
pub fn written(
    session: &Session,
    mission: &MissionRow,
    steps: &[StepReturnedBody],
    stream: Stream,
    step: Option<&str>,
) -> Result<Vec<u8>> {
    let mut written = Vec::new();
    let chosen = steps
        .iter()
        .filter(|own| step.is_none_or(|step| own.id == step));
    let mut found = false;
    for own in chosen {
        found = true;
        written.extend(session.store.blob(&stream.of(own).sha256)?);
    }
    match step {
        Some(step) if !found => Err(nothing_of(session, mission, step)),
        _ => Ok(written),
    }
}

/// Returns the error for a step that has not returned, or that the mission does not have.
fn nothing_of(session: &Session, mission: &MissionRow, step: &str) -> anyhow::Error {
    let shown = print::one_line(step);
    let id = mission.id;
    let known = session.store.blob(&mission.descriptor);
    let known = known.and_then(|bytes| Ok(Descriptor::parse(&bytes)?));
    let names: Vec<String> = match known {
        Ok(descriptor) => descriptor.steps.into_iter().map(|step| step.id).collect(),
        Err(error) => return error,
    };
    if names.iter().any(|name| name == step) {
        return anyhow!(
            "step '{shown}': has not returned in mission {id}, so nothing of it is on record"
        )
        .hint(format!("'coo mission {id}' shows how far the mission came"));
    }
    anyhow!("step '{shown}': mission {id} has no step of this name")
        .hint(format!("name one of its steps: {}", names.join(", ")))
}

/// The last lines of a step's standard error.
pub struct Tail {
    pub step: String,
    pub lines: Vec<String>,
    /// Number of lines of the whole.
    pub all: usize,
}

impl Tail {
    /// Returns the end of what a failed mission's last step wrote to standard error: the text of a
    /// panic or trap. `None` if it wrote nothing or did not fail.
    pub fn of_failed(session: &Session, last: Option<&StepReturnedBody>) -> Result<Option<Self>> {
        let Some(last) = last.filter(|step| step.output.is_none() && step.stderr.bytes > 0) else {
            return Ok(None);
        };
        let content = session.store.blob(&last.stderr.sha256)?;
        let content = String::from_utf8_lossy(&content);
        let all: Vec<&str> = content.lines().collect();
        let tail = all.iter().skip(all.len().saturating_sub(TAIL_LINES));
        Ok(Some(Self {
            step: last.id.clone(),
            lines: tail.map(|line| shortened(line)).collect(),
            all: all.len(),
        }))
    }

    /// Returns whether lines before these are left out.
    pub const fn is_cut(&self) -> bool {
        self.lines.len() < self.all
    }

    /// Returns the line above the lines.
    pub fn heading(&self) -> String {
        let step = print::one_line(&self.step);
        let (shown, all) = (self.lines.len(), self.all);
        if self.is_cut() {
            format!("Standard error of step '{step}', last {shown} of {all} lines")
        } else {
            format!("Standard error of step '{step}'")
        }
    }
}

fn shortened(line: &str) -> String {
    let mut chars = line.chars();
    let mut shown: String = chars.by_ref().take(TAIL_CHARS).collect();
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}
