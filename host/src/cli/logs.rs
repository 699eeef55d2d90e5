//! `coo logs [id]`: prints the journal, one line for each event (user surface v1.1 §6). The same
//! run prints the same lines on every machine, except for the two that name machine and
//! configuration. Only reads.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow};
use coo_kernel::form::digest::Digest;
use coo_kernel::journal::{
    CallBody, DecisionBody, IntentBody, Kind, MissionBody, OutcomeBody, Record, SaidAnswer,
    StepReturnedBody, StepStartedBody, Text, TransitionBody, WorldBody,
};
use coo_kernel::llm::Refusal;
use coo_kernel::mission::Status;
use coo_kernel::mission::row::MissionRow;
use serde::Serialize;
use serde_json::value::RawValue;

use super::said::Tail;
use super::{events, print};
use crate::freeze::Purpose;
use crate::hint::{self, Hint as _};
use crate::mission::find::find_mission;
use crate::session::Session;
use crate::state::history;

/// Most characters of a call's text on one line.
const TEXT_MAX: usize = 40;

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Mission id or a file that 'coo export' wrote [default: the latest mission]
    #[arg(value_name = "ID|FILE")]
    id: Option<String>,
    /// Print JSON lines: whole events with their digests
    #[arg(long)]
    json: bool,
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
    let (session, mission) = if let Some(id) = &options.id {
        find_mission(root, id, print::note)?
    } else {
        let none =
            || anyhow!("no missions in {}", root.display()).hint("'coo run-demo' makes the first");
        let session = Session::open(root, Purpose::Read, print::note)?.ok_or_else(none)?;
        let mission = session.store.latest_mission()?.ok_or_else(none)?;
        (session, mission)
    };
    let mut last = None;
    let (progress, _) = history::walk(&session.store, mission.id, |record| {
        if record.kind == Kind::StepReturned {
            last = Some(serde_json::from_str::<StepReturnedBody>(&record.body)?);
        }
        let line = if options.json {
            json_line(&session, &mission, record)?
        } else {
            line(&mission, record)?
        };
        let line = line + "\n";
        if options.json {
            print::json_text(&line)
        } else {
            print::out(&line)
        }
    })?;
    let status = events::status(&session, &mission, &progress);
    if !options.json
        && status == Status::Interrupted
        && let Some(reason) = events::reason(&mission, &progress, status)
    {
        print::note(&format!(
            "{} was interrupted here: {reason}; 'coo resume {}' continues it",
            mission.id, mission.id
        ));
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

/// Formats one event as one line.
pub fn line(mission: &MissionRow, record: &Record) -> Result<String> {
    let detail = detail(mission, record).with_context(|| format!("event {}", record.seq))?;
    Ok(format!(
        "[{:04}] STATE={} {} sha256={}",
        record.seq,
        record.state,
        detail,
        record.sha256.short()
    ))
}

fn detail(mission: &MissionRow, record: &Record) -> Result<String> {
    let body = record.body.as_str();
    let short = |digest: Option<Digest>| digest.map_or("-".to_owned(), |digest| digest.short());
    Ok(match record.kind {
        Kind::Mission => {
            let MissionBody {
                descriptor,
                mission_type,
                module,
                ..
            } = serde_json::from_str(body)?;
            format!(
                "mission type={mission_type} descriptor={} module={} config={}",
                descriptor.short(),
                module.short(),
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
            format!("llm.outcome {}", answered(&answer))
        }
        Kind::LlmRefused => {
            let refusal: Refusal = serde_json::from_str(body)?;
            format!("llm.refused {}", refused(&refusal))
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

fn answered(answer: &SaidAnswer) -> String {
    match answer {
        SaidAnswer::Completion(completion) => {
            let model = print::one_line(&completion.model);
            match &completion.text {
                Text::Inline(text) => {
                    format!("model={model} text={}", excerpt(&format!("{text:?}")))
                }
                Text::Kept(kept) => {
                    format!(
                        "model={model} text={} bytes={}",
                        kept.sha256.short(),
                        kept.bytes
                    )
                }
            }
        }
        SaidAnswer::Error(refusal) => refused(refusal),
    }
}

fn refused(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Refused(text) => format!("refused={}", excerpt(&format!("{text:?}"))),
        Refusal::Rejected(text) => format!("rejected={}", excerpt(&format!("{text:?}"))),
    }
}

fn excerpt(text: &str) -> String {
    // Each character is shown as one or more; the rest of the text may be megabytes.
    let start: String = text.chars().take(TEXT_MAX + 1).collect();
    let text = print::one_line(&start);
    if text.chars().count() <= TEXT_MAX {
        return text;
    }
    text.chars().take(TEXT_MAX - 1).chain(['…']).collect()
}
