//! Runs a mission for real: records it, and when its journal has promised the world changes,
//! makes them. Everything a run decides is in `drive`; this sets it up and seals it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use coo_kernel::form::digest::Digest;
use coo_kernel::journal::{DecisionBody, WorldBody};
use coo_kernel::mission::authority::Policy;
use coo_kernel::mission::failure::Failure;
use coo_kernel::mission::state::State;
use coo_kernel::mission::{MissionId, Status};

use crate::effects::gateway::{self, Gateway};
use crate::effects::llm::{Freshness, Model};
use crate::effects::secrets;
use crate::effects::stop::Stop;
use crate::effects::world::World;
use crate::machine::{self, Stopwatch};
use crate::mission::execute::{Driven, drive};
use crate::mission::resume;
use crate::mission::source::{Program, Source};
use crate::program::bundle;
use crate::root::history::{self, Question};
use crate::root::state_root::{StateRoot, WriteLock};
use crate::root::store::{Durability, Facts, NewMission, Store};
use crate::runtime::live::Live;
use crate::runtime::tape::{Recorder, Tape};
use crate::session::Session;

/// How to run.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Where model answers may come from.
    pub freshness: Freshness,
    /// Real time that compiling the module may take, and each step.
    pub wall_clock_max: Duration,
    /// Take the digest of each step's memories at its end.
    pub digest_memory: bool,
    /// Gets a line for anything worth knowing: to which server calls go, what of `.env` is left
    /// alone.
    pub say: fn(&str),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            freshness: Freshness::Default,
            // An hour: fuel ends a run long before; this is for what fuel can't see.
            wall_clock_max: Duration::from_hours(1),
            digest_memory: false,
            say: |_| {},
        }
    }
}

/// A run that has ended.
#[derive(Debug)]
pub struct Ended {
    /// Its id.
    pub id: MissionId,
    /// SUCCESS, FAILED, PAUSED or INTERRUPTED.
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
    /// Of each step, where asked for.
    pub memory_sha256: Vec<Option<Digest>>,
    /// Interrupted at a model call that may have been made.
    pub in_doubt: bool,
    /// What it waits for, where it is paused.
    pub question: Option<Question>,
    /// The root's lock: dropped by whoever has nothing more to write there.
    pub lock: Option<WriteLock>,
}

/// What an earlier run of the same mission has settled for this one.
#[derive(Debug, Clone, Default)]
pub struct Settled {
    /// The model.
    pub model: Option<String>,
    /// What it stood under.
    pub policy: Option<Policy>,
    /// What people answered to human steps.
    pub decisions: Vec<DecisionBody>,
}

/// Runs `source`.
pub fn run(session: Session, source: &Source, options: Options) -> Result<Ended> {
    run_again(session, source, options, Settled::default())
}

/// As `run`, with what an earlier run has settled.
pub fn run_again(
    session: Session,
    source: &Source,
    options: Options,
    settled: Settled,
) -> Result<Ended> {
    let mut stage = Stage::set(session, source, options, settled)?;
    let id = stage.enrol(source)?;
    stage.perform(id, Tape::record)?.seal()
}

/// Everything a mission needs to be run for real, from its first event on or from where its
/// journal ends.
pub struct Stage {
    pub(crate) store: Store,
    /// What is known beforehand; completed when the run has ended.
    pub(crate) facts: Facts,
    root: StateRoot,
    program: Program,
    model: Model,
    decisions: Vec<DecisionBody>,
    options: Options,
    stopwatch: Stopwatch,
    lock: Option<WriteLock>,
}

impl Stage {
    /// Prepares `source`.
    pub fn set(
        session: Session,
        source: &Source,
        options: Options,
        settled: Settled,
    ) -> Result<Self> {
        let config = session.config()?.clone();
        let Session {
            root,
            store,
            surroundings,
            lock,
            ..
        } = session;
        let stopwatch = Stopwatch::start();
        let policy = settled
            .policy
            .unwrap_or_else(|| Policy::current(config.governance.clone()));
        // Before anything of it is kept.
        if options.freshness != Freshness::Frozen {
            surroundings.learn_key();
        }
        let descriptor = source.descriptor.canonical()?;
        secrets::refuse_in(
            &format!("descriptor {}", source.name),
            descriptor.as_bytes(),
        )?;
        secrets::refuse_in(&format!("module {}", source.name), &source.wasm)?;
        let program = source.prepare(&policy, options.wall_clock_max, options.digest_memory)?;
        // Found out before anything is on record: without a model this mission can't go on.
        let model_name = match settled.model {
            None if program.asks_model => Some(surroundings.model(&config, options.say)?),
            known => known,
        };
        Ok(Self {
            facts: Facts {
                config_sha256: Some(Digest::of(config.to_text())),
                environment_sha256: Some(Digest::of(machine::environment_facts())),
                engine: program.sandbox.identity.clone(),
                engine_sha256: Some(program.sandbox.identity_sha256),
                pid: machine::process_id(),
                model: model_name.clone(),
                ..Facts::default()
            },
            model: Model::new(
                model_name,
                options.freshness,
                config,
                surroundings,
                bundle::frozen(),
                options.say,
            ),
            decisions: settled.decisions,
            root,
            store,
            program,
            options,
            stopwatch,
            lock,
        })
    }

    /// Gives a new mission its number, and keeps what it takes to replay it.
    pub fn enrol(&mut self, source: &Source) -> Result<MissionId> {
        source.keep_module(&self.root)?;
        let descriptor = self.store.put_blob(self.program.canonical.as_bytes())?;
        self.store.create_mission(&NewMission {
            mission_type: &self.program.plan.descriptor().mission_type,
            name: &source.name,
            descriptor: descriptor.sha256,
            module: self.program.module,
            created_ms: machine::now_unix_ms(),
            facts: &self.facts,
        })
    }

    /// Runs the mission over the tape that `tape` makes.
    pub fn perform(self, id: MissionId, tape: impl FnOnce(Recorder) -> Tape) -> Result<Performed> {
        let live = Live {
            world: World::new(self.root.path()),
            gateway: Gateway::new(&self.root)?,
            model: self.model,
        };
        let tape = tape(Recorder {
            store: self.store,
            id,
            live,
            decisions: self.decisions.into(),
        });
        let driven = drive(
            &self.program,
            self.facts.model.as_deref(),
            self.options.wall_clock_max,
            tape,
        );
        let elapsed_us = u64::try_from(self.stopwatch.elapsed().as_micros()).unwrap_or(u64::MAX);
        let facts = Facts {
            fuel: driven.used.fuel,
            memory_peak_bytes: driven.used.memory_bytes,
            used: Some(driven.used),
            backtrace: driven.backtrace.clone(),
            elapsed_us: self.facts.elapsed_us.saturating_add(elapsed_us),
            ..self.facts
        };
        Ok(Performed {
            root: self.root,
            lock: self.lock,
            id,
            driven,
            facts,
        })
    }
}

/// A run that has reached its end or was stopped; the last of it is not written down yet.
pub struct Performed {
    root: StateRoot,
    lock: Option<WriteLock>,
    id: MissionId,
    driven: Driven,
    facts: Facts,
}

impl Performed {
    /// Writes down the end, durably, and then makes the promised changes.
    pub fn seal(self) -> Result<Ended> {
        let Self {
            root,
            lock,
            id,
            driven,
            facts,
        } = self;
        let Driven {
            tape,
            stopped,
            failure,
            output,
            stderr,
            memory_sha256,
            ..
        } = driven;
        let chain = tape.chain();
        let complete = tape.progress().state() == Some(State::Complete);
        let changes = tape.changes().clone();
        let in_doubt = tape.progress().in_doubt;
        let Recorder {
            mut store,
            mut live,
            ..
        } = tape
            .into_recorder()
            .context("run: its tape was not recording")?;
        let is_paused = matches!(stopped, Err(Stop::Paused));
        let interrupted = match stopped {
            Ok(()) | Err(Stop::Paused) => None,
            // Nothing is on record yet, so there is nothing to resume and nothing to keep.
            Err(Stop::Interrupted(error)) if chain.seq() == 0 => return Err(error),
            // What this process has in hand is not what is on disk: that stays as it is.
            Err(Stop::Interrupted(error)) if store.is_rolled_back() => {
                return Err(error.context(format!(
                    "mission {id}: its journal can't be written any further"
                )));
            }
            Err(Stop::Interrupted(error)) => {
                Some(secrets::redacted(&format!("{error:#}")).into_owned())
            }
            // The world is not what it was when the journal's first part was recorded. Nothing of
            // this attempt is kept; the store's transaction goes with it.
            Err(Stop::Diverged(divergence)) => return Err(resume::other_world(id, &divergence)),
            Err(other) => Some(other.to_string()),
        };
        let status = match (&interrupted, &failure) {
            (Some(_), _) => Status::Interrupted,
            (None, Some(_)) => Status::Failed,
            (None, None) if is_paused => Status::Paused,
            (None, None) => Status::Success,
        };
        let finished_ms = (!is_paused).then(machine::now_unix_ms);
        store.finish_mission(id, finished_ms, interrupted.as_deref(), &facts)?;
        let in_doubt = match in_doubt {
            Some(seq) => !resume::is_unanswered(&store, id, seq)?,
            None => false,
        };
        let changes_world = complete && (changes.db_executes > 0 || !changes.artefacts.is_empty());
        let commit = changes_world.then(|| store.promise_world(id)).transpose()?;
        if commit.is_some() {
            store.enter_artefacts(id, &changes.artefacts)?;
        }
        store.commit(Durability::Power)?;
        let question = is_paused
            .then(|| history::question(&store, id))
            .transpose()?
            .flatten();
        if let Some(commit) = commit {
            apply(&root, &mut store, &mut live.world, commit, &changes).with_context(|| {
                format!("mission {id}: it is complete and its changes are promised, but could not be made yet; the next coo command makes them")
            })?;
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
            memory_sha256,
            in_doubt,
            question,
            lock,
        })
    }
}

/// Makes the promised changes.
fn apply(
    root: &StateRoot,
    store: &mut Store,
    world: &mut World,
    commit: u32,
    changes: &WorldBody,
) -> Result<()> {
    world.commit(commit)?;
    gateway::apply(root, store, &changes.artefacts)?;
    store.world_applied(commit)?;
    store.commit(Durability::Process)
}
