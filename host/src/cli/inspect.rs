//! `coo inspect <id>`: shows a mission's hash lineage, calls and their origin, fuel, memory and
//! outputs, or prints one of its contents. Everything comes from the mission's record. Only reads.

mod prompts;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use coo_kernel::effects::artefact::{Artefact, WriteAnswer};
use coo_kernel::form::digest::Digest;
use coo_kernel::journal::{
    Blob, CallBody, IntentBody, Kind, MissionBody, OutcomeBody, Record, StepReturnedBody, WorldBody,
};
use coo_kernel::llm::{FinishReason, Provenance, Usage};
use coo_kernel::mission::Status;
use coo_kernel::mission::row::{Facts, MissionRow};
use coo_kernel::mission::state::State;
use serde::Serialize;

use super::paging::Paging;
use super::said::{self, Stream, Tail};
use super::{events, print};
use crate::hint::Hint as _;
use crate::mission::find::find_mission;
use crate::session::Session;
use crate::state::history;

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("said").args(["stdout", "stderr"])))]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
pub struct Options {
    /// Mission id, such as DEMO-000001 or 1, or a file that 'coo export' wrote
    #[arg(value_name = "ID|FILE")]
    id: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Print only the output of the last step, byte for byte
    #[arg(long, conflicts_with = "json")]
    output: bool,
    /// Print only this artefact, byte for byte, even if the mission waits for a person
    #[arg(long, value_name = "PATH", conflicts_with_all = ["json", "output"])]
    artefact: Option<String>,
    /// Print only what the steps wrote to standard output, byte for byte
    #[arg(long, conflicts_with_all = ["json", "output", "artefact"])]
    stdout: bool,
    /// Print only what the steps wrote to standard error, byte for byte
    #[arg(long, conflicts_with_all = ["json", "output", "artefact", "stdout"])]
    stderr: bool,
    /// With --stdout or --stderr: only what this step wrote
    #[arg(long, value_name = "STEP", requires = "said")]
    step: Option<String>,
    /// Print each model call: model, sampling, messages, answer, tokens
    #[arg(long, conflicts_with_all = ["json", "output", "artefact", "stdout", "stderr"])]
    prompts: bool,
    #[command(flatten)]
    paging: Paging,
}

impl Options {
    /// The output of the guest that is asked for.
    fn stream(&self) -> Option<Stream> {
        match (self.stdout, self.stderr) {
            (true, _) => Some(Stream::Stdout),
            (_, true) => Some(Stream::Stderr),
            _ => None,
        }
    }
}

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct View {
    id: String,
    name: String,
    status: Status,
    reason: Option<String>,
    lineage: Option<MissionBody>,
    /// SHA-256 of the rules about missions that the run stands under.
    rules_sha256: Option<Digest>,
    events: u64,
    chain_head: Digest,
    calls: Calls,
    model_calls: Vec<ModelCall>,
    steps: Vec<StepReturnedBody>,
    /// Artefacts of an unfinished mission: they are created when it completes.
    pending: Vec<Artefact>,
    world: Option<WorldBody>,
    facts: Facts,
}

#[derive(Default, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
struct Calls {
    llm: u64,
    llm_refused: u64,
    db_query: u64,
    db_execute: u64,
    gateway_write: u64,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
struct ModelCall {
    event: u64,
    request_sha256: Digest,
    nth: u64,
    model_asked: String,
    source: Option<String>,
    /// The call was sent, and its outcome is unknown.
    in_doubt: bool,
    model: Option<String>,
    finish_reason: Option<FinishReason>,
    usage: Option<Usage>,
    provenance: Option<Provenance>,
}

pub fn cmd_inspect(root: &Path, options: &Options) -> Result<ExitCode> {
    let (session, mission) = find_mission(root, &options.id, print::note)?;
    if options.prompts {
        options.paging.begin();
        prompts::print(&session, &mission)?;
        return Ok(ExitCode::SUCCESS);
    }
    let view = view(&session, &mission)?;
    if let Some(stream) = options.stream() {
        let step = options.step.as_deref();
        let content = said::written(&session, &mission, &view.steps, stream, step)?;
        print::content(&content)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(path) = &options.artefact {
        let made = view.world.iter().flat_map(|world| &world.artefacts);
        let found = made.chain(&view.pending).find(|found| found.path == *path);
        let found = found.ok_or_else(|| {
            anyhow!(
                "artefact {}: mission {} has written no artefact of this name",
                print::one_line(path),
                view.id
            )
            .hint(format!(
                "'coo inspect {}' lists all",
                print::word(&options.id)
            ))
        })?;
        print::content(&session.store.blob(&found.sha256)?)?;
    } else if options.output {
        let last = view
            .steps
            .last()
            .map(|step| step.output.unwrap_or(step.stdout));
        let output = last
            .map(|blob| session.store.blob(&blob.sha256))
            .transpose()?;
        print::content(&output.unwrap_or_default())?;
    } else if options.json {
        print::json("coo-inspection/1", &view)?;
    } else {
        let failed = view.status == Status::Failed;
        let tail = Tail::of_failed(&session, view.steps.last().filter(|_| failed))?;
        let name = print::one_line(&view.name);
        let before = format!("Mission {}\n  Ran: {name}\n  Status: ", view.id);
        let after = after_status(&view, tail.as_ref());
        options.paging.begin();
        print::out_verdict(&before, view.status.name(), &after)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn view(session: &Session, mission: &MissionRow) -> Result<View> {
    let mut calls = Calls::default();
    let mut model_calls: Vec<ModelCall> = Vec::new();
    let mut steps = Vec::new();
    let mut pending = BTreeMap::new();
    let mut world: Option<WorldBody> = None;
    let (progress, chain) = history::walk(&session.store, mission.id, |record| {
        match record.kind {
            Kind::LlmIntent => {
                calls.llm += 1;
                model_calls.push(asked(session, mission, record)?);
            }
            Kind::LlmOutcome => {
                if let Some(call) = model_calls.last_mut() {
                    answered(session, mission, record, call)?;
                }
            }
            Kind::LlmRefused => calls.llm_refused += 1,
            Kind::DbQuery => calls.db_query += 1,
            Kind::DbExecute | Kind::DbReturning => calls.db_execute += 1,
            Kind::GatewayWrite => {
                calls.gateway_write += 1;
                let body: CallBody<'_> = serde_json::from_str(&record.body)?;
                if let WriteAnswer::Written(artefact) = serde_json::from_str(body.answer.get())? {
                    pending.insert(artefact.path.clone(), artefact);
                }
            }
            Kind::StepReturned => steps.push(serde_json::from_str(&record.body)?),
            Kind::World => world = Some(serde_json::from_str(&record.body)?),
            Kind::Mission
            | Kind::Transition
            | Kind::Environment
            | Kind::StepStarted
            | Kind::HumanDecision => {}
        }
        Ok(())
    })?;
    let status = events::status(session, mission, &progress);
    if progress.state().is_some_and(State::is_final) {
        pending.clear();
    }
    Ok(View {
        id: mission.id.to_string(),
        name: mission.name.clone(),
        status,
        reason: events::reason(mission, &progress, status),
        rules_sha256: progress.policy.and_then(|policy| policy.rules_sha256),
        lineage: progress.mission,
        events: chain.seq(),
        chain_head: chain.head(),
        calls,
        model_calls,
        steps,
        pending: pending.into_values().collect(),
        world,
        facts: mission.facts.clone(),
    })
}

fn asked(session: &Session, mission: &MissionRow, record: &Record) -> Result<ModelCall> {
    let IntentBody {
        nth,
        request,
        sha256,
        ..
    } = serde_json::from_str(&record.body)?;
    let facts = session.store.event_facts(mission.id.number(), record.seq)?;
    Ok(ModelCall {
        event: record.seq,
        request_sha256: sha256,
        nth,
        model_asked: request.model,
        // Cleared if an answer follows.
        in_doubt: facts.as_ref().is_some_and(|facts| !facts.is_unanswered()),
        source: facts.and_then(|facts| facts.source),
        model: None,
        finish_reason: None,
        usage: None,
        provenance: None,
    })
}

fn answered(
    session: &Session,
    mission: &MissionRow,
    record: &Record,
    call: &mut ModelCall,
) -> Result<()> {
    let outcome: OutcomeBody = serde_json::from_str(&record.body)?;
    call.in_doubt = false;
    if let Some(completion) = outcome.completion() {
        call.model = Some(completion.model.clone());
        call.finish_reason = Some(completion.finish_reason);
        call.usage = Some(completion.usage);
    }
    if let Some(facts) = session.store.event_facts(mission.id.number(), record.seq)? {
        call.source = facts.source;
        call.provenance = facts.provenance;
    }
    Ok(())
}

fn after_status(view: &View, tail: Option<&Tail>) -> String {
    let mut text = "\n".to_owned();
    if let Some(reason) = &view.reason {
        let _ = writeln!(text, "  Reason: {}", print::one_line(reason));
    }
    text.push_str("\nLineage (SHA-256)\n");
    if let Some(lineage) = &view.lineage {
        let _ = writeln!(text, "  Descriptor: {}", lineage.descriptor);
        let _ = writeln!(text, "  Module:     {}", lineage.module);
        if let Some(script) = &lineage.script {
            let _ = writeln!(text, "  Script:     {}", script.sha256);
        }
        let _ = writeln!(text, "  Surface:    {}", lineage.surface);
    }
    if let Some(rules) = &view.rules_sha256 {
        let _ = writeln!(text, "  Rules:      {rules}");
    }
    let _ = writeln!(text, "  Chain head: {}", view.chain_head);
    let _ = writeln!(text, "  Events:     {}", view.events);
    let facts = &view.facts;
    text.push_str("\nResources\n");
    let _ = writeln!(text, "  Fuel:   {}", facts.fuel);
    let _ = writeln!(text, "  Memory: {} bytes", facts.memory_peak_bytes);
    let _ = writeln!(
        text,
        "  Time:   {}.{:03} ms",
        facts.elapsed_us / 1_000,
        facts.elapsed_us % 1_000
    );
    let engine = facts.engine.lines().next().unwrap_or("unknown");
    let _ = writeln!(
        text,
        "  Engine: {engine} ({})",
        facts
            .engine_sha256
            .map(|digest| digest.short())
            .unwrap_or_default()
    );
    let calls = &view.calls;
    let _ = writeln!(
        text,
        "\nCalls\n  llm {}, refused {} | db query {}, execute {} | gateway {}",
        calls.llm, calls.llm_refused, calls.db_query, calls.db_execute, calls.gateway_write
    );
    let mut described = None;
    for call in &view.model_calls {
        text.push_str(&model_call(call, described));
        described = described
            .filter(|of| is_of_same_origin(of, call))
            .or(Some(call));
    }
    outputs(view, &mut text);
    if let Some(tail) = tail {
        let _ = writeln!(text, "\n{}", tail.heading());
        for line in &tail.lines {
            let _ = writeln!(text, "  {}", print::one_line(line));
        }
    }
    if !facts.backtrace.is_empty() {
        text.push_str("\nTrapped in\n");
        for frame in &facts.backtrace {
            let _ = writeln!(text, "  {}", print::one_line(frame));
        }
    }
    text
}

/// Returns where an answer came from. Without an answer, `source` says how far the request came.
fn origin(source: Option<&str>) -> String {
    match source {
        Some("sent") => "none on record; in doubt, it may have been made".to_owned(),
        Some("unanswered") => "none: the server refused it or was not reached".to_owned(),
        None => "none on record".to_owned(),
        Some("bundled") => "frozen, shipped with coo".to_owned(),
        Some("frozen") => "frozen in this state root".to_owned(),
        Some(server) => format!("live from {}", print::one_line(server)),
    }
}

/// Returns whether the same software of the same server gave both answers.
fn is_of_same_origin(one: &ModelCall, other: &ModelCall) -> bool {
    let (Some(one), Some(other)) = (&one.provenance, &other.provenance) else {
        return false;
    };
    (&one.server, &one.note, &one.system_fingerprint)
        == (&other.server, &other.note, &other.system_fingerprint)
}

/// Returns the lines of a call. What `described`, an earlier call, says about the origin of its answer
/// is not repeated.
fn model_call(call: &ModelCall, described: Option<&ModelCall>) -> String {
    let mut text = format!("\nModel call #{:04}\n", call.event);
    let _ = writeln!(
        text,
        "  Request:  {} (time {})",
        call.request_sha256, call.nth
    );
    let _ = writeln!(
        text,
        "  Model:    {}",
        print::one_line(call.model.as_deref().unwrap_or(&call.model_asked))
    );
    let _ = writeln!(text, "  Answer:   {}", origin(call.source.as_deref()));
    if let Some(provenance) = &call.provenance {
        let recorded_at = print::one_line(&provenance.recorded_at);
        if let Some(same) = described.filter(|of| is_of_same_origin(of, call)) {
            let event = same.event;
            let _ = writeln!(text, "  Recorded: {recorded_at}, otherwise as #{event:04}");
        } else {
            let server = print::one_line(&provenance.server);
            let _ = writeln!(text, "  Recorded: {recorded_at} from {server}");
            let extra = provenance.note.iter().chain(&provenance.system_fingerprint);
            for line in extra {
                let _ = writeln!(text, "            {}", print::one_line(line));
            }
        }
        if let Some(word) = &provenance.finish_reason {
            let _ = writeln!(
                text,
                "            finish reason '{}'",
                print::one_line(word)
            );
        }
    }
    if call.finish_reason == Some(FinishReason::Length) {
        text.push_str("  Note:     cut off at max_tokens; the answer is incomplete\n");
    }
    text
}

fn outputs(view: &View, text: &mut String) {
    text.push_str("\nOutputs\n");
    let mut blob = |label: String, blob: &Blob| {
        let _ = writeln!(text, "  {label}: {} bytes {}", blob.bytes, blob.sha256);
    };
    for step in &view.steps {
        for (what, output) in [
            ("output", step.output),
            ("stdout", Some(step.stdout)),
            ("stderr", Some(step.stderr)),
        ] {
            if let Some(output) = output
                && output.bytes > 0
            {
                blob(format!("{} {what}", step.id), &output);
            }
        }
    }
    let made = view.world.iter().flat_map(|world| &world.artefacts);
    let made = made.map(|artefact| ("", artefact));
    let pending = view.pending.iter().map(|artefact| ("pending ", artefact));
    for (what, artefact) in made.chain(pending) {
        let Artefact {
            bytes,
            path,
            sha256,
        } = artefact.clone();
        blob(format!("{what}artefacts/{path}"), &Blob { bytes, sha256 });
    }
}
