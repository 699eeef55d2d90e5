//! Runs a mission for real: records it, and when its journal has promised the world changes,
//! makes them. Everything a run decides is in `drive`; this sets it up and seals it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use coo_kernel::digest::Digest;
use coo_kernel::failure::Failure;
use coo_kernel::mission::{MissionId, Status};
use coo_kernel::state::State;

use crate::bundle;
use crate::drive::{Driven, drive};
use crate::gateway::{self, Gateway};
use crate::live::Live;
use crate::llm::{Freshness, Model};
use crate::machine::{self, Stopwatch};
use crate::prepare::Source;
use crate::session::Session;
use crate::stop::Stop;
use crate::store::{Durability, Facts, NewMission};
use crate::tape::{Recorder, Tape};
use crate::world::World;

/// How to run.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Where model answers may come from.
    pub freshness: Freshness,
    /// Real time a step may take.
    pub wall_clock_max: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            freshness: Freshness::Default,
            // An hour: fuel ends a run long before; this is for what fuel can't see.
            wall_clock_max: Duration::from_hours(1),
        }
    }
}

/// A run that has ended.
#[derive(Debug)]
pub struct Ended {
    /// Its id.
    pub id: MissionId,
    /// SUCCESS, FAILED or INTERRUPTED.
    pub status: Status,
    /// Why it reached FAILED.
    pub failure: Option<Failure>,
    /// Why it was stopped from outside the record.
    pub interrupted: Option<String>,
    /// What the last step gave its reader.
    pub output: Vec<u8>,
    /// Standard error of all steps.
    pub stderr: Vec<u8>,
    /// Digest of the last event.
    pub chain_head: Digest,
    /// Number of events.
    pub events: u64,
    /// See `Facts`.
    pub facts: Facts,
}

/// Runs `source` and gives the session's parts back through its root.
pub fn run(session: Session, source: &Source, options: Options) -> Result<Ended> {
    let Session {
        root,
        mut store,
        config,
        surroundings,
        _lock: lock,
    } = session;
    let stopwatch = Stopwatch::start();
    let program = source.prepare(&root, &mut store, true)?;
    // Found out before anything is on record: without a model this mission can't go on.
    let model_name = program
        .asks_model
        .then(|| surroundings.model(&config))
        .transpose()?;
    let model = Model::new(
        model_name.clone(),
        options.freshness,
        &config,
        &surroundings,
        bundle::frozen(),
    );

    source.keep_module(&root)?;
    let descriptor = store.put_blob(program.canonical.as_bytes())?.sha256;
    let id = store.create_mission(&NewMission {
        mission_type: &program.descriptor.mission_type,
        name: &source.name,
        descriptor,
        module: program.module,
        created_ms: machine::now_unix_ms(),
    })?;
    let live = Live {
        world: World::new(root.path()),
        gateway: Gateway::new(&root)?,
        model,
    };
    let tape = Tape::record(Recorder { store, id, live });
    let driven = drive(
        &program,
        model_name.as_deref(),
        options.wall_clock_max,
        tape,
    );
    let facts = Facts {
        config_sha256: Some(Digest::of(config.to_text())),
        environment_sha256: Some(Digest::of(machine::environment_facts())),
        engine: program.sandbox.identity.clone(),
        engine_sha256: Some(program.sandbox.identity_sha256),
        fuel: driven.fuel,
        memory_peak_bytes: driven.memory_peak_bytes,
        backtrace: driven.backtrace.clone(),
        elapsed_us: u64::try_from(stopwatch.elapsed().as_micros()).unwrap_or(u64::MAX),
        pid: machine::process_id(),
        model: model_name,
    };
    let ended = seal(&root, id, driven, facts);
    drop(lock);
    ended
}

/// Writes down the end, durably, and then makes the promised changes.
fn seal(
    root: &crate::state_root::StateRoot,
    id: MissionId,
    driven: Driven,
    facts: Facts,
) -> Result<Ended> {
    let Driven {
        tape,
        stopped,
        failure,
        output,
        stderr,
        ..
    } = driven;
    let chain = tape.chain();
    let complete = tape.progress().state() == Some(State::Complete);
    let changes = tape.changes().clone();
    let Recorder {
        mut store,
        mut live,
        ..
    } = tape
        .into_recorder()
        .context("run: its tape was not recording")?;
    let interrupted = match stopped {
        Ok(()) => None,
        Err(Stop::Interrupted(error)) => Some(format!("{error:#}")),
        Err(other) => Some(other.to_string()),
    };
    let status = match (&interrupted, &failure) {
        (Some(_), _) => Status::Interrupted,
        (None, Some(_)) => Status::Failed,
        (None, None) => Status::Success,
    };
    store.finish_mission(id, machine::now_unix_ms(), interrupted.as_deref(), &facts)?;
    let changes_world = complete && (changes.db_executes > 0 || !changes.artefacts.is_empty());
    let commit = changes_world.then(|| store.promise_world(id)).transpose()?;
    store.commit(Durability::Power)?;
    if let Some(commit) = commit {
        live.world.commit(commit)?;
        gateway::apply(root, &store, &changes.artefacts)?;
        store.world_applied(commit)?;
        store.commit(Durability::Process)?;
    }
    Ok(Ended {
        id,
        status,
        failure,
        interrupted,
        output,
        stderr,
        chain_head: chain.head(),
        events: chain.seq(),
        facts,
    })
}
