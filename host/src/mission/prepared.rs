//! A mission that is ready to be recorded: its program compiled and linked, its model known, its
//! facts collected. Nothing is on record before `enrol`.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use coo_kernel::form::digest::Digest;
use coo_kernel::journal::DecisionBody;
use coo_kernel::mission::MissionId;
use coo_kernel::mission::authority::Policy;
use coo_kernel::mission::row::Facts;

use crate::effects::gateway::Gateway;
use crate::effects::llm::{CachePolicy, Model};
use crate::effects::secrets;
use crate::effects::world::World;
use crate::hint::Hint as _;
use crate::machine::{self, Stopwatch};
use crate::mission::execute::execute;
use crate::mission::seal::Unsealed;
use crate::mission::source::{Program, Source};
use crate::program::bundle;
use crate::progress::{Journal, NOBODY, Sink, Update};
use crate::runtime::live::Live;
use crate::runtime::tape::{Recorder, Tape};
use crate::session::{Session, StoreLent};
use crate::state::rulesets;
use crate::state::store::{NewMission, Store};

/// How to run.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Where model answers may come from.
    pub freshness: CachePolicy,
    /// Real time that compiling the module may take, and each step.
    pub wall_clock_max: Duration,
    /// Whether to compute the digest of each step's memories at its end.
    pub digest_memory: bool,
    /// Receives a line for anything worth knowing: the server that calls go to, parts of `.env` that
    /// are ignored.
    pub say: fn(&str),
    /// Learns how far the run is.
    pub tell: Sink,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            freshness: CachePolicy::Default,
            // An hour: fuel ends a run long before; this is for delays that fuel can't see.
            wall_clock_max: Duration::from_hours(1),
            digest_memory: false,
            say: |_| {},
            tell: NOBODY,
        }
    }
}

/// Inputs that this run takes from an earlier run of the same mission.
#[derive(Debug, Clone, Default)]
pub struct Reused {
    pub model: Option<String>,
    pub policy: Option<Policy>,
    /// Answers of people to human steps, in order.
    pub decisions: Vec<DecisionBody>,
}

/// See the module. Owns the session until the mission has ended: while a guest runs, its engine owns
/// the store, so the store goes into the tape and comes back with it.
pub struct Prepared {
    session: StoreLent,
    store: Store,
    /// What is known beforehand; completed when the run has ended.
    facts: Facts,
    program: Program,
    model: Model,
    decisions: Vec<DecisionBody>,
    options: Options,
    stopwatch: Stopwatch,
}

impl Prepared {
    /// Prepares `source`. Refuses a descriptor or module that holds the key.
    pub fn of(session: Session, source: &Source, options: Options, reused: Reused) -> Result<Self> {
        let stopwatch = Stopwatch::start();
        let config = session.config()?.clone();
        let policy = if let Some(policy) = reused.policy {
            policy
        } else {
            rulesets::check(&config)?;
            Policy::current(config.governance.clone())
        };
        // Before anything of it is stored.
        if options.freshness != CachePolicy::Frozen {
            session.environment.learn_key();
        }
        let descriptor = source.descriptor.canonical()?;
        secrets::refuse_in(
            &format!("descriptor {}", source.name),
            descriptor.as_bytes(),
        )?;
        secrets::refuse_in(&format!("module {}", source.name), &source.wasm)?;
        let program = source.prepare(&policy, options.wall_clock_max, options.digest_memory)?;
        // Checked before anything is on record: without a model this mission can't continue.
        let model_name = match reused.model {
            None if program.asks_model => Some(session.environment.model(&config, options.say)?),
            known => known,
        };
        let environment = Arc::clone(&session.environment);
        let (session, store) = session.lend_store();
        Ok(Self {
            facts: Facts {
                config_sha256: Some(Digest::of(config.to_text())),
                environment_sha256: Some(Digest::of(machine::environment_facts())),
                engine: program.sandbox.identity.clone(),
                engine_sha256: Some(program.sandbox.identity_sha256),
                pid: machine::process_id(),
                model: model_name.clone(),
                rulesets: rulesets::digests().clone(),
                ..Facts::default()
            },
            model: Model::new(
                model_name,
                options.freshness,
                config,
                environment,
                bundle::frozen(),
                options.say,
                options.tell,
            ),
            decisions: reused.decisions,
            session,
            store,
            program,
            options,
            stopwatch,
        })
    }

    /// Gives a new mission its number, and stores everything that a replay of it needs.
    pub fn enrol(&mut self, source: &Source) -> Result<MissionId> {
        source.keep_module(&self.session.root)?;
        let descriptor = self.store.put_blob(self.program.canonical.as_bytes())?;
        let id = self.store.create_mission(&NewMission {
            mission_type: &self.program.plan.descriptor().mission_type,
            name: &source.name,
            descriptor: descriptor.sha256,
            module: self.program.module,
            created_ms: machine::now_unix_ms(),
            facts: &self.facts,
        })?;
        (self.options.tell)(&Update::Began {
            id,
            journal: Journal::Empty,
        });
        Ok(id)
    }

    /// Takes up the mission `id`, which was interrupted and has the facts `earlier`. Fails under
    /// another engine than the one that began it, whose fuel counts differently. `journal` is how
    /// its journal ends.
    pub fn take_up(&mut self, id: MissionId, earlier: &Facts, journal: Journal) -> Result<()> {
        if Some(earlier.engine(id)?) != self.facts.engine_sha256 {
            bail!(
                anyhow!(
                    "mission {id}: was begun under another engine ({}), which counts \
                     fuel differently",
                    earlier.engine.lines().next().unwrap_or("unknown")
                )
                .hint("resume it with the coo that began it, or run it again")
            );
        }
        self.facts.resumed = earlier.resumed + 1;
        self.facts.elapsed_us = earlier.elapsed_us;
        self.store.resume_mission(id, &self.facts)?;
        (self.options.tell)(&Update::Began { id, journal });
        Ok(())
    }

    /// Executes the mission over the tape that `tape` makes: `Tape::record` or `Tape::resume`.
    pub fn execute(self, id: MissionId, tape: impl FnOnce(Recorder) -> Tape) -> Result<Unsealed> {
        let live = Live {
            world: World::new(self.session.root.path()),
            gateway: Gateway::new(&self.session.root)?,
            model: self.model,
            tell: self.options.tell,
        };
        let tape = tape(Recorder {
            store: self.store,
            id,
            live,
            decisions: self.decisions.into(),
        });
        let executed = execute(
            &self.program,
            self.facts.model.as_deref(),
            self.options.wall_clock_max,
            tape,
        );
        let elapsed_us = u64::try_from(self.stopwatch.elapsed().as_micros()).unwrap_or(u64::MAX);
        let facts = Facts {
            fuel: executed.used.fuel,
            memory_peak_bytes: executed.used.memory_bytes,
            used: Some(executed.used),
            backtrace: executed.backtrace.clone(),
            elapsed_us: self.facts.elapsed_us.saturating_add(elapsed_us),
            ..self.facts
        };
        Ok(Unsealed {
            session: self.session,
            id,
            executed,
            facts,
            tell: self.options.tell,
        })
    }
}
