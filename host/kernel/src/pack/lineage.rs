//! `hash_lineage.json`: the digests through which a run's outputs follow from its inputs, in one
//! place. Holds nothing that the journal does not state.

use serde::Serialize;

use super::documents::{StepLine, body, steps};
use super::run::Read;
use super::{PackError, Run};
use crate::effects::artefact::Artefact;
use crate::form::digest::Digest;
use crate::journal::{Kind, WorldBody};
use crate::mission::MissionId;

/// Name and version of the file's form.
const FORMAT: &str = "coo-lineage/1";

/// The content of the file. Fields stand in key order.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub(crate) struct Lineage {
    artefacts: Vec<Artefact>,
    /// Digest of the last event, which covers all before it.
    chain_head: Digest,
    descriptor: Digest,
    engine: String,
    engine_sha256: Option<Digest>,
    events: u64,
    format: &'static str,
    frozen_calls: Vec<Call>,
    mission: MissionId,
    mission_type: String,
    module: Digest,
    /// Digest of `run.coorun`.
    run: Digest,
    steps: Vec<StepLine>,
    surface: Option<Digest>,
}

/// A model call.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
struct Call {
    event: u64,
    nth: u64,
    request_sha256: Digest,
}

impl Lineage {
    pub fn of(run: &Run, read: &Read, run_file: &[u8]) -> Result<Self, PackError> {
        let mut artefacts = Vec::new();
        for record in &run.events {
            if record.kind == Kind::World {
                artefacts = body::<WorldBody>(record)?.artefacts;
            }
        }
        let facts = &run.mission.facts;
        let calls = read.answers.given.iter();
        Ok(Self {
            artefacts,
            chain_head: read.chain.head(),
            descriptor: run.mission.descriptor,
            engine: facts.engine.clone(),
            engine_sha256: facts.engine_sha256,
            events: read.chain.seq(),
            format: FORMAT,
            frozen_calls: calls
                .map(|given| Call {
                    event: given.asked,
                    nth: given.nth,
                    request_sha256: given.request_sha256,
                })
                .collect(),
            mission: run.mission.id,
            mission_type: run.mission.mission_type.clone(),
            module: run.mission.module,
            run: Digest::of(run_file),
            steps: steps(run)?,
            surface: read.fold.mission.as_ref().map(|mission| mission.surface),
        })
    }
}
