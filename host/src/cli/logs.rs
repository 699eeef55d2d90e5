//! `coo logs [id]`: prints the journal, one line for each event (user surface v1.1 §6). The same
//! run prints the same lines on every machine, except for the two that name machine and
//! configuration. Only reads.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use coo_kernel::form::digest::Digest;
use coo_kernel::journal::{
    CallBody, DecisionBody, IntentBody, Kind, MissionBody, OutcomeBody, Record, SaidAnswer,
    SaidUnfit, StepReturnedBody, StepStartedBody, Text, TransitionBody, WorldBody,
};
use coo_kernel::llm::Refusal;
use coo_kernel::mission::Status;
use coo_kernel::mission::row::MissionRow;
use serde::Serialize;
use serde_json::value::RawValue;

use super::paging::Paging;
use super::said::Tail;
use super::{events, print};
use crate::freeze::Purpose;
use crate::hint::{self, Hint as _};
use crate::machine;
use crate::mission::find::find_mission;
use crate::session::Session;
use crate::state::history::Walk;

/// Most characters of a call's text on one line of a pipe or of a narrow terminal.
const TEXT_MAX: usize = 40;
/// Time between two looks at a journal that is followed.
const FOLLOW_EVERY: Duration = Duration::from_millis(200);

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Mission id or a file that 'coo export' wrote [default: the latest mission]
    #[arg(value_name = "ID|FILE")]
    id: Option<String>,
    /// Wait for further events until the mission ends or is stopped
    #[arg(short, long)]
    follow: bool,
    /// Print JSON lines: whole events with their digests
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    paging: Paging,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct JsonEvent<'a> {
    format: &'static str,
    sequence_id: u64,
    state: coo_kernel::mission::state::State,
    kind: &'static str,
    body: &'a RawValue,
    prev_sha256: Digest,
    sha256: Digest,
    at_ms: Option<i64>,
    source: Option<String>,
    config_sha256: Option<Digest>,
    environment_sha256: Option<Digest>,
}

pub fn cmd_logs(root: &Path, options: &Options) -> Result<ExitCode> {
    let view = Lines::of(print::width());
    let (session, mission) = if let Some(id) = &options.id {
        find_mission(root, id, print::note)?
    } else {
        let none =
            || anyhow!("no missions in {}", root.display()).hint("'coo run-demo' makes the first");
        let session = Session::open(root, Purpose::Read, print::note)?.ok_or_else(none)?;
        let mission = session.store.latest_mission()?.ok_or_else(none)?;
        (session, mission)
    };
    // Of a mission at work, the newest event is wanted, and a pager stands at the oldest.
    if !options.json && !options.follow {
        options.paging.begin();
    }
    let mut last = None;
    let mut show = |record: &Record| -> Result<()> {
        if record.kind == Kind::StepReturned {
            last = Some(serde_json::from_str::<StepReturnedBody>(&record.body)?);
        }
        if options.json {
            print::json_text(&(json_line(&session, &mission, record)? + "\n"))
        } else {
            print::out(&(view.line(&mission, record)? + "\n"))
        }
    };
    let mut walk = Walk::new(&session.store, mission.id);
    loop {
        // Asked for before the events are read: those of an end that comes in between are read, too.
        let is_at_work = options.follow && is_at_work(&session, &mission, &walk)?;
        while let Some(record) = walk.advance()? {
            show(&record)?;
        }
        if !is_at_work || print::is_closed() {
            break;
        }
        machine::sleep(FOLLOW_EVERY);
    }
    let progress = walk.progress().clone();
    // Another process may have written its end since.
    let mission = session.store.mission(mission.id)?.unwrap_or(mission);
    let status = events::status(&session, &mission, &progress);
    if !options.json
        && status == Status::Interrupted
        && let Some(reason) = events::reason(&mission, &progress, status)
    {
        print::note(&format!("{} was interrupted here: {reason}", mission.id));
        if let Some(next) = events::next(&session, &mission, &progress, status)? {
            print::next(&next);
        }
    }
    if !options.json
        && status == Status::Failed
        && let Some(tail) = Tail::of_failed(&session, last.as_ref())?
    {
        let id = mission.id;
        let all = if tail.is_cut() {
            format!(" ('coo inspect {id} --stderr' prints all)")
        } else {
            String::new()
        };
        print::note(&format!("{id} failed here. {}{all}:", tail.heading()));
        print::guest_stderr(tail.lines.join("\n").as_bytes());
    }
    Ok(ExitCode::SUCCESS)
}

fn json_line(session: &Session, mission: &MissionRow, record: &Record) -> Result<String> {
    let facts = session.store.event_facts(mission.id.number(), record.seq)?;
    let body: &RawValue = serde_json::from_str(&record.body)?;
    Ok(serde_json::to_string(&JsonEvent {
        format: "coo-log/1",
        sequence_id: record.seq,
        state: record.state,
        kind: record.kind.name(),
        body,
        prev_sha256: record.prev,
        sha256: record.sha256,
        at_ms: facts.as_ref().map(|facts| facts.at_ms),
        source: facts.and_then(|facts| facts.source),
        config_sha256: mission.facts.config_sha256,
        environment_sha256: mission.facts.environment_sha256,
    })?)
}

/// Returns whether the mission may still get events.
fn is_at_work(session: &Session, mission: &MissionRow, walk: &Walk<'_>) -> Result<bool> {
    let now = session.store.mission(mission.id)?;
    let now = now.as_ref().unwrap_or(mission);
    Ok(events::status(session, now, walk.progress()) == Status::Running)
}

/// How events are shown as lines.
#[derive(Debug, Clone, Copy)]
pub struct Lines {
    /// Most characters of a line; `None` cuts none.
    columns: Option<usize>,
}

impl Lines {
    /// Lines for a terminal of `columns`, or for a pipe or file.
    pub const fn of(columns: Option<usize>) -> Self {
        Self { columns }
    }

    /// Formats one event as one line. If it must be cut, its digest stays whole.
    pub fn line(self, mission: &MissionRow, record: &Record) -> Result<String> {
        let text_max = self
            .columns
            .map_or(TEXT_MAX, |columns| columns.max(TEXT_MAX));
        let detail =
            detail(mission, record, text_max).with_context(|| format!("event {}", record.seq))?;
        let start = format!("[{:04}] STATE={} {detail}", record.seq, record.state);
        let end = format!(" sha256={}", record.sha256.short());
        Ok(match self.columns {
            Some(columns) => {
                let left = columns.saturating_sub(end.len()).max(TEXT_MAX);
                print::cut(&print::one_line(&start), left + 1) + &end
            }
            None => start + &end,
        })
    }
}

fn detail(mission: &MissionRow, record: &Record, text_max: usize) -> Result<String> {
    let excerpt = |text: &str| excerpt(text, text_max);
    let body = record.body.as_str();
    let short = |digest: Option<Digest>| digest.map_or("-".to_owned(), |digest| digest.short());
    Ok(match record.kind {
        Kind::Mission => {
            let MissionBody {
                descriptor,
                mission_type,
                module,
                script,
                ..
            } = serde_json::from_str(body)?;
            let script = script.map(|script| format!(" script={}", script.sha256.short()));
            format!(
                "mission type={mission_type} descriptor={} module={}{} config={}",
                descriptor.short(),
                module.short(),
                script.unwrap_or_default(),
                short(mission.facts.config_sha256)
            )
        }
        Kind::Transition => {
            let TransitionBody { failure, from, .. } = serde_json::from_str(body)?;
            let reason = failure.map(|failure| hint::joined(&failure, failure.hint()));
            let reason = reason.map(|reason| format!(" reason={reason:?}"));
            format!("transition from={from}{}", reason.unwrap_or_default())
        }
        Kind::Environment => format!(
            "environment host={}",
            short(mission.facts.environment_sha256)
        ),
        Kind::StepStarted => {
            let StepStartedBody { id, input } = serde_json::from_str(body)?;
            format!(
                "step.started step={id} input={} bytes={}",
                input.sha256.short(),
                input.bytes
            )
        }
        Kind::StepReturned => {
            let StepReturnedBody { id, output, .. } = serde_json::from_str(body)?;
            match output {
                Some(output) => format!(
                    "step.returned step={id} output={} bytes={}",
                    output.sha256.short(),
                    output.bytes
                ),
                None => format!("step.returned step={id} output=-"),
            }
        }
        Kind::LlmIntent => {
            let IntentBody { nth, sha256, .. } = serde_json::from_str(body)?;
            format!("llm.intent request={} nth={nth}", sha256.short())
        }
        Kind::LlmOutcome => {
            let OutcomeBody { answer } = serde_json::from_str(body)?;
            format!("llm.outcome {}", answered(&answer, text_max))
        }
        Kind::LlmRefused => {
            let refusal: Refusal = serde_json::from_str(body)?;
            format!("llm.refused {}", refused(&refusal, text_max))
        }
        Kind::DbQuery | Kind::DbExecute | Kind::DbReturning | Kind::GatewayWrite => {
            let CallBody { answer, request } = serde_json::from_str(body)?;
            format!(
                "{} {} -> {}",
                record.kind,
                excerpt(request.get()),
                excerpt(answer.get())
            )
        }
        Kind::HumanDecision => {
            let DecisionBody {
                approved,
                reason,
                step,
            } = serde_json::from_str(body)?;
            let decision = if approved { "approved" } else { "rejected" };
            let reason =
                reason.map(|reason| format!(" reason={}", excerpt(&format!("{reason:?}"))));
            format!(
                "human.decision step={step} {decision}{}",
                reason.unwrap_or_default()
            )
        }
        Kind::World => {
            let WorldBody {
                artefacts,
                db_executes,
            } = serde_json::from_str(body)?;
            format!(
                "world artefacts={} db_executes={db_executes}",
                artefacts.len()
            )
        }
    })
}

fn answered(answer: &SaidAnswer, text_max: usize) -> String {
    match answer {
        SaidAnswer::Unfit(SaidUnfit { completion, reason }) => {
            let said = answered(&SaidAnswer::Completion(completion.clone()), text_max);
            format!("{said} unfit={}", excerpt(&format!("{reason:?}"), text_max))
        }
        SaidAnswer::Completion(completion) => {
            let model = print::one_line(&completion.model);
            let text = match &completion.text {
                Text::Inline(text) => excerpt(&format!("{text:?}"), text_max),
                Text::Kept(kept) => format!("{} bytes={}", kept.sha256.short(), kept.bytes),
            };
            let calls = completion.tool_calls.iter();
            let tools: Vec<String> = calls.map(|call| print::one_line(&call.name)).collect();
            let tools = if tools.is_empty() {
                String::new()
            } else {
                format!(" tools={}", excerpt(&tools.join(","), text_max))
            };
            format!("model={model} text={text}{tools}")
        }
        SaidAnswer::Error(refusal) => refused(refusal, text_max),
    }
}

fn refused(refusal: &Refusal, text_max: usize) -> String {
    match refusal {
        Refusal::Refused(text) => format!("refused={}", excerpt(&format!("{text:?}"), text_max)),
        Refusal::Rejected(text) => format!("rejected={}", excerpt(&format!("{text:?}"), text_max)),
    }
}

fn excerpt(text: &str, text_max: usize) -> String {
    // Each character is shown as one or more; the rest of the text may be megabytes.
    let start: String = text.chars().take(text_max + 1).collect();
    print::cut(&print::one_line(&start), text_max + 1)
}
