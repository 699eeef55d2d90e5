//! Makes every file of a pack from a run. The same run gives the same bytes. Decides nothing about
//! whether a run may be packed, and writes no file.

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::lineage::Lineage;
use super::run::Read;
use super::{
    ARTEFACTS, FLIGHT_RECORDER, FROZEN_CALLS, LINEAGE, MANIFEST, MISSION, MODULE, Manifest,
    Members, OUTPUTS, PackError, README, ROLLBACK_LOG, RUN, Run, TRANSCRIPT, readme,
};
use crate::baseline::rollback::Request as Rollback;
use crate::form::digest::Digest;
use crate::journal::{
    Blob, IntentBody, Kind, Record, ReplayedEnd, SaidRequest, Since, StepReturnedBody,
    StepStartedBody, Transcript, WorldBody,
};
use crate::llm::ModelAnswer;

/// Returns all files of the pack of `run`, which is neutral and has ended. `rollback_log` is the
/// text that `rollback_log` returns.
pub fn documents(run: &Run, rollback_log: &[u8]) -> Result<Members, PackError> {
    let read = run.read()?;
    let mut members = Members::new();
    let mut put = |path: &str, content: Vec<u8>| drop(members.insert(path.to_owned(), content));
    let run_file = run.to_file()?;
    let lineage = Lineage::of(run, &read, &run_file)?;
    put(MISSION, descriptor(run)?);
    put(MODULE, run.module.clone());
    put(FROZEN_CALLS, frozen_calls(run, &read)?);
    put(FLIGHT_RECORDER, flight_recorder(run)?);
    put(TRANSCRIPT, transcript(run, &read)?);
    put(LINEAGE, pretty(&lineage)?);
    put(ROLLBACK_LOG, rollback_log.to_vec());
    put(RUN, run_file);
    outputs(run, &mut members)?;
    let text = readme::text(run, &read, &members);
    members.insert(README.to_owned(), text.into_bytes());
    let manifest = Manifest::of(run.mission.id, &members).to_text()?;
    members.insert(MANIFEST.to_owned(), manifest.into_bytes());
    Ok(members)
}

/// Returns the file of the rollbacks that a state root has on record, without their times, as a pack
/// holds nothing of one moment.
pub fn rollback_log(log: &[Rollback]) -> Result<Vec<u8>, PackError> {
    let timeless = |request: &Rollback| Rollback {
        ended_ms: request.ended_ms.map(|_| 0),
        requested_ms: 0,
        ..request.clone()
    };
    let log: Vec<Rollback> = log.iter().map(timeless).collect();
    pretty(&log)
}

/// Checks the form of a log of rollbacks, and returns how many it has. What it says is the word of
/// the one who made the pack: it does not follow from the run.
pub fn check_rollback_log(text: &[u8]) -> Result<usize, PackError> {
    let log: Vec<Rollback> = serde_json::from_slice(text).map_err(PackError::Rollbacks)?;
    let is_in_order = log.is_sorted_by(|a, b| a.number < b.number);
    if !is_in_order || rollback_log(&log)? != text {
        return Err(PackError::RollbackForm);
    }
    Ok(log.len())
}

pub(super) fn pretty<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, PackError> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    Ok(text)
}

fn descriptor(run: &Run) -> Result<Vec<u8>, PackError> {
    let canonical = run.content(&run.mission.descriptor)?;
    // Its keys are in order, so this keeps them in order.
    let value: Value = serde_json::from_slice(canonical)?;
    pretty(&value)
}

/// A model's answer, as the guest received it.
#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub(crate) struct FrozenCall<'a> {
    answer: &'a ModelAnswer,
    /// Number of the event of the request.
    event: u64,
    nth: u64,
    /// As the event has it: without the messages of an earlier one, and long texts by digest.
    request: SaidRequest,
    request_sha256: Digest,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Since>,
}

fn frozen_calls(run: &Run, read: &Read) -> Result<Vec<u8>, PackError> {
    let mut calls = Vec::new();
    for given in &read.answers.given {
        // Events are numbered from 1 without gaps: the chain was verified.
        let record = usize::try_from(given.asked - 1)
            .ok()
            .and_then(|place| run.events.get(place))
            .ok_or(PackError::Content(given.request_sha256))?;
        let intent: IntentBody = body(record)?;
        calls.push(FrozenCall {
            answer: &given.answer,
            event: given.asked,
            nth: given.nth,
            request: intent.request,
            request_sha256: given.request_sha256,
            since: intent.since,
        });
    }
    pretty(&calls)
}

/// An event, with the fields of `coo logs --json` that hold everywhere.
#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub(crate) struct Event<'a> {
    seq: u64,
    state: &'static str,
    kind: &'static str,
    body: &'a RawValue,
    prev_sha256: Digest,
    sha256: Digest,
}

fn flight_recorder(run: &Run) -> Result<Vec<u8>, PackError> {
    let mut lines = Vec::new();
    for record in &run.events {
        serde_json::to_writer(
            &mut lines,
            &Event {
                seq: record.seq,
                state: record.state.name(),
                kind: record.kind.name(),
                body: body(record)?,
                prev_sha256: record.prev,
                sha256: record.sha256,
            },
        )?;
        lines.push(b'\n');
    }
    Ok(lines)
}

/// Returns what `coo replay` prints for the run if the replay is identical.
fn transcript(run: &Run, read: &Read) -> Result<Vec<u8>, PackError> {
    let facts = &run.mission.facts;
    let transcript = Transcript {
        id: run.mission.id,
        timeline: &read.fold.timeline,
        events: read.chain.seq(),
        fuel: (facts.fuel, facts.fuel),
        memory_bytes: (facts.memory_peak_bytes, facts.memory_peak_bytes),
        is_other_engine: false,
        is_identical: true,
        end: Some(ReplayedEnd {
            chain_head: read.chain.head(),
            output_bytes: run.output()?.map_or(0, |output| output.bytes),
        }),
    };
    Ok(transcript.text().into_bytes())
}

/// Adds the outputs of each step and the artefacts.
fn outputs(run: &Run, members: &mut Members) -> Result<(), PackError> {
    let mut step = 0;
    for record in &run.events {
        match record.kind {
            Kind::StepStarted => step += 1,
            Kind::StepReturned => {
                let StepReturnedBody {
                    id,
                    output,
                    stderr,
                    stdout,
                } = body(record)?;
                let name = |what: &str| format!("{OUTPUTS}{step}-{id}.{what}");
                if let Some(output) = output {
                    let content = run.content(&output.sha256)?;
                    members.insert(name("output"), content.to_vec());
                }
                if stderr.bytes > 0 {
                    let content = run.content(&stderr.sha256)?;
                    members.insert(name("stderr"), content.to_vec());
                }
                // The output of a WASI program is its standard output.
                if stdout.bytes > 0 && Some(stdout) != output {
                    let content = run.content(&stdout.sha256)?;
                    members.insert(name("stdout"), content.to_vec());
                }
            }
            Kind::World => {
                let WorldBody { artefacts, .. } = body(record)?;
                for artefact in artefacts {
                    let content = run.content(&artefact.sha256)?;
                    members.insert(format!("{ARTEFACTS}{}", artefact.path), content.to_vec());
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Returns the body of an event.
pub(super) fn body<'a, T: serde::Deserialize<'a>>(record: &'a Record) -> Result<T, PackError> {
    serde_json::from_str(&record.body).map_err(|source| PackError::Body {
        seq: record.seq,
        source,
    })
}

/// The inputs and outputs of a step, by digest.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub(crate) struct StepLine {
    pub id: String,
    pub input: Blob,
    /// None if the step failed, or is a question to a person.
    pub output: Option<Blob>,
}

/// Returns the steps that began, in order.
pub(super) fn steps(run: &Run) -> Result<Vec<StepLine>, PackError> {
    let mut steps: Vec<StepLine> = Vec::new();
    for record in &run.events {
        match record.kind {
            Kind::StepStarted => {
                let StepStartedBody { id, input } = body(record)?;
                steps.push(StepLine {
                    id,
                    input,
                    output: None,
                });
            }
            Kind::StepReturned => {
                let returned: StepReturnedBody = body(record)?;
                if let Some(step) = steps.last_mut() {
                    step.output = returned.output;
                }
            }
            _ => {}
        }
    }
    Ok(steps)
}
