//! What a batch leaves for people and programs: one line of JSON for each mission in the order of the
//! list, a summary, one line of text for each failure, and a `JUnit` report for CI systems.
//!
//! Invariant: equal results give equal bytes. Text of others steers no terminal and breaks no report.
//! Writes no file and knows no time but the durations that it is given.

use core::time::Duration;

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};
use serde::Serialize;

use super::budget::{Limit, Spent};
use crate::form::digest::Digest;
use crate::form::plain;
use crate::llm::prices::Micros;
use crate::mission::MissionId;
use crate::mission::exit::Exit;

/// Bytes of output and standard error that may wait in memory for the missions before them in the list.
/// More of it is read from the record when its turn comes: one slow mission at the beginning lets all
/// others wait.
pub const WAITING_BYTES_MAX: usize = 16 << 20;
/// The format of a line of results.
pub const RESULT_FORMAT: &str = "coo-batch-result/1";
/// The format of the summary.
pub const SUMMARY_FORMAT: &str = "coo-batch/1";

/// How a mission of a batch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Outcome {
    Success,
    Failed,
    /// Waits for a person.
    Paused,
    /// Stopped from outside the record; resuming the batch continues it.
    Interrupted,
    /// It could not begin: no such file, a module that is not admitted, a workflow that is refused.
    Refused,
}

impl Outcome {
    /// Returns the word that results and reports have.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "SUCCESS",
            Self::Failed => "FAILED",
            Self::Paused => "PAUSED",
            Self::Interrupted => "INTERRUPTED",
            Self::Refused => "REFUSED",
        }
    }
}

/// The result of one mission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct MissionResult {
    /// Its place in the whole list, counted from 1; a shard has gaps.
    #[cfg_attr(feature = "schemas", schemars(range(min = 1)))]
    pub index: u64,
    /// The label that the list gives it.
    pub id: Option<String>,
    /// `null` if it was not given a number.
    pub mission: Option<MissionId>,
    pub status: Outcome,
    /// Why it has not succeeded.
    pub reason: Option<String>,
    /// What its last step returned.
    pub output: Option<String>,
    /// Digest of its journal; `null` if it has none.
    pub chain_head: Option<Digest>,
    /// Fuel of all steps.
    pub fuel: u64,
    /// Tokens of all questions, also of those whose answer was frozen.
    pub tokens_in: u64,
    /// Tokens of all answers, also of frozen ones.
    pub tokens_out: u64,
    /// What its live calls cost, in millionths of the currency; `null` if a model has no price.
    pub cost_micros: Option<Micros>,
    /// Wall-clock time.
    pub elapsed_ms: u64,
}

/// Numbers of missions, by how they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Counts {
    pub success: u64,
    pub failed: u64,
    pub paused: u64,
    pub interrupted: u64,
    pub refused: u64,
}

/// What a summary says besides the results of its missions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct About {
    /// Digest of the list.
    pub list_sha256: Digest,
    /// The part of the list, such as `2/8`; `null` for the whole.
    pub shard: Option<String>,
    /// The currency of all amounts.
    pub currency: String,
    pub budget: Limit,
    /// What live calls have used of the budget, in all processes of the batch.
    pub spent: Spent,
    /// Wall-clock time of this process.
    pub elapsed_ms: u64,
}

/// The result of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Summary {
    pub missions: u64,
    pub counts: Counts,
    pub fuel: u64,
    pub tokens_in: u64,
    pub tokens_out: u64,
    /// The sum of the missions' costs; `null` if one of them is not known.
    pub cost_micros: Option<Micros>,
    #[serde(flatten)]
    pub about: About,
}

/// A document with its format in front.
#[derive(Serialize)]
struct Document<'a, T> {
    format: &'static str,
    #[serde(flatten)]
    value: &'a T,
}

fn document(format: &'static str, value: &impl Serialize) -> String {
    // Every field of the two types can be written as JSON.
    let text = serde_json::to_string(&Document { format, value }).unwrap_or_default();
    plain::json(&text)
}

impl MissionResult {
    /// Returns the line of the results, without its line break.
    #[must_use]
    pub fn line(&self) -> String {
        document(RESULT_FORMAT, self)
    }

    /// Returns the line that tells a person about a mission that has not succeeded; `None` for one
    /// that has.
    #[must_use]
    pub fn failure_line(&self) -> Option<String> {
        if self.status == Outcome::Success {
            return None;
        }
        let id = self
            .id
            .as_deref()
            .map(|id| format!(" ({})", plain::one_line(id)));
        let mission = self.mission.map(|mission| format!(" {mission}"));
        let reason = self.reason.as_deref().unwrap_or("no reason given");
        Some(format!(
            "{}{}:{} {}: {}",
            self.index,
            id.unwrap_or_default(),
            mission.unwrap_or_default(),
            self.status.name(),
            plain::one_line(reason)
        ))
    }
}

impl Summary {
    /// Counts and adds up the results of a batch.
    pub fn of<'a>(results: impl IntoIterator<Item = &'a MissionResult>, about: About) -> Self {
        let mut summary = Self {
            missions: 0,
            counts: Counts::default(),
            fuel: 0,
            tokens_in: 0,
            tokens_out: 0,
            cost_micros: Some(Micros(0)),
            about,
        };
        for result in results {
            let counts = &mut summary.counts;
            *match result.status {
                Outcome::Success => &mut counts.success,
                Outcome::Failed => &mut counts.failed,
                Outcome::Paused => &mut counts.paused,
                Outcome::Interrupted => &mut counts.interrupted,
                Outcome::Refused => &mut counts.refused,
            } += 1;
            summary.missions += 1;
            summary.fuel = summary.fuel.saturating_add(result.fuel);
            summary.tokens_in = summary.tokens_in.saturating_add(result.tokens_in);
            summary.tokens_out = summary.tokens_out.saturating_add(result.tokens_out);
            let costs = summary.cost_micros.zip(result.cost_micros);
            summary.cost_micros = costs.map(|(sum, cost)| sum.plus(cost));
        }
        summary
    }

    /// Returns the summary as one line of JSON, without its line break.
    #[must_use]
    pub fn line(&self) -> String {
        document(SUMMARY_FORMAT, self)
    }

    /// Returns how the command ends: a failure counts most, then what can be resumed, then a person's
    /// decision that is missing.
    pub const fn exit(&self) -> Exit {
        let Counts {
            failed,
            paused,
            interrupted,
            refused,
            ..
        } = self.counts;
        match (failed + refused, interrupted, paused) {
            (0, 0, 0) => Exit::Done,
            (0, 0, _) => Exit::Waits,
            (0, _, _) => Exit::Stopped,
            (_, _, _) => Exit::Failed,
        }
    }
}

/// Returns the `JUnit` report of a batch: one suite named `name`, one case for each mission. A mission
/// that failed is a failure. One that was interrupted or refused is an error, because it has no
/// result. One that waits for a person is skipped.
pub fn junit<'a>(
    name: &str,
    results: impl IntoIterator<Item = &'a MissionResult>,
    elapsed_ms: u64,
) -> Result<String, SerializeError> {
    let name = one_line(name);
    let mut suite = TestSuite::new(&name);
    suite.set_time(Duration::from_millis(elapsed_ms));
    for result in results {
        suite.add_test_case(case(&name, result));
    }
    let mut report = Report::new("coo batch");
    report.set_time(Duration::from_millis(elapsed_ms));
    report.add_test_suite(suite);
    report.to_string()
}

fn case(suite: &str, result: &MissionResult) -> TestCase {
    let mut status = match result.status {
        Outcome::Success => TestCaseStatus::success(),
        Outcome::Failed => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Outcome::Interrupted | Outcome::Refused => {
            TestCaseStatus::non_success(NonSuccessKind::Error)
        }
        Outcome::Paused => TestCaseStatus::skipped(),
    };
    if result.status != Outcome::Success {
        status.set_type(result.status.name());
        if let Some(reason) = &result.reason {
            status.set_message(one_line(reason));
            // Some CI systems show the attribute, others the text of the element.
            status.set_description(one_line(reason));
        }
    }
    // A label stays the same if the list grows, so a CI system knows the test again by it.
    let name = match &result.id {
        Some(id) => one_line(id),
        None => format!("mission {}", result.index),
    };
    let mut case = TestCase::new(name, status);
    case.set_classname(suite);
    case.set_time(Duration::from_millis(result.elapsed_ms));
    let mission = result
        .mission
        .map(|mission| ("mission", mission.to_string()));
    let chain = result
        .chain_head
        .map(|head| ("chain_head", head.to_string()));
    for (name, value) in mission.into_iter().chain(chain) {
        case.add_property((name, value.as_str()));
    }
    case
}

/// Returns text on one line, of which every character may stand in XML 1.0: control characters and
/// the two noncharacters that XML excludes are visible as escapes.
fn one_line(text: &str) -> String {
    let visible = plain::one_line(text);
    visible
        .replace('\u{fffe}', "\\u{fffe}")
        .replace('\u{ffff}', "\\u{ffff}")
}

#[cfg(test)]
mod tests;
