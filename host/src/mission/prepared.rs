//! A mission that is ready to be recorded: its program compiled and linked, its model known, its
//! facts collected. Nothing is on record before `enrol`.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use coo_kernel::batch::budget::{Budget, Spent};
use coo_kernel::form::digest::Digest;
use coo_kernel::journal::DecisionBody;
use coo_kernel::llm::models::Chosen;
use coo_kernel::mission::MissionId;
use coo_kernel::mission::authority::Policy;
use coo_kernel::mission::row::{Facts, MissionRow};

use crate::effects::environment::{self, Environment};
use crate::effects::gateway::{self, Gateway};
use crate::effects::llm::meter::Meter;
use crate::effects::llm::{CachePolicy, Flights, Model};
use crate::effects::secrets;
use crate::effects::stop::Stop;
use crate::hint::Hint as _;
use crate::machine::{self, Stopwatch};
use crate::mission::execute::execute;
use crate::mission::queue::Place;
use crate::mission::seal::Unsealed;
use crate::mission::source::{Program, Source};
use crate::mission::workshop::Workshop;
use crate::program::bundle;
use crate::progress::{Journal, NOBODY, Sink, Update};
use crate::runtime::hold::Hold;
use crate::runtime::live::Live;
use crate::runtime::tape::{Recorder, Tape};
use crate::session::Session;
use crate::state::config::Config;
use crate::state::rulesets;
use crate::state::shared_root::Turn;
use crate::state::store::{Durability, NewMission};

/// Executions of a run whose world has moved, after which it no longer lets others go first.
const MOVES_MAX: u64 = 3;

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
    /// `None`: those of the configuration and the environment.
    pub models: Option<Chosen>,
    pub policy: Option<Policy>,
    /// Answers of people to human steps, in order.
    pub decisions: Vec<DecisionBody>,
}

/// See the module. Has the first turn at the root until the mission is enrolled.
pub struct Prepared {
    turn: Turn,
    /// What is known beforehand; completed when the run has ended.
    facts: Facts,
    program: Program,
    model: Model,
    decisions: Vec<DecisionBody>,
    options: Options,
    stopwatch: Stopwatch,
    flights: Flights,
    /// How the mission stood before it was taken up.
    earlier: Option<Box<MissionRow>>,
}

/// What the missions of a process are prepared with besides their sources.
pub struct Settings {
    config: Config,
    environment: Arc<Environment>,
    workshop: Workshop,
    /// The requests that the missions have under way.
    flights: Flights,
    /// What their calls may use together.
    meter: Arc<Meter>,
}

impl Settings {
    /// Returns the settings of a session; an error if its configuration can't be read.
    pub fn of(session: &Session) -> Result<Self> {
        Ok(Self {
            config: session.config()?.clone(),
            environment: Arc::clone(&session.environment),
            workshop: Workshop::default(),
            flights: Flights::default(),
            meter: Arc::default(),
        })
    }

    /// Returns the settings with a budget for all calls together.
    #[must_use]
    pub fn metered(self, budget: Budget) -> Self {
        Self {
            meter: Arc::new(Meter::new(budget)),
            ..self
        }
    }

    /// Returns what was spent so far.
    pub fn spent(&self) -> Spent {
        self.meter.spent()
    }
}

impl Prepared {
    /// Prepares `source` to be run with `turn`. Refuses a descriptor or module that holds the key.
    pub fn of(
        turn: Turn,
        settings: &Settings,
        source: &Source,
        options: Options,
        reused: Reused,
    ) -> Result<Self> {
        let stopwatch = Stopwatch::start();
        let Settings {
            config,
            environment,
            workshop,
            flights,
            meter,
        } = settings;
        let policy = if let Some(policy) = reused.policy {
            policy
        } else {
            rulesets::check(config)?;
            Policy::current(config.governance.clone())
        };
        // Before anything of it is stored.
        if options.freshness != CachePolicy::Frozen {
            environment.learn_key();
        }
        let descriptor = source.descriptor.canonical()?;
        secrets::refuse_in(
            &format!("descriptor {}", source.name),
            descriptor.as_bytes(),
        )?;
        if let Some(script) = &source.script {
            secrets::refuse_in(&format!("script {}", source.name), script.text.as_bytes())?;
        }
        let program = source.prepare_in(
            workshop,
            &policy,
            options.wall_clock_max,
            options.digest_memory,
        )?;
        // Checked before anything is on record: without a model this mission can't continue.
        let models = match reused.models {
            // A mission that has begun without a model, because its module could ask none.
            Some(mut models) if models != Chosen::default() || !program.asks_model => {
                if program.asks_model && models.default.is_none() {
                    // It began without a default model, and may need one now.
                    models.default = environment.default_model(config, options.say)?;
                }
                models
            }
            _ if program.asks_model => {
                let terms = &program.plan.descriptor().llm.models;
                let aliases = environment::models(config, terms)?;
                let default = if aliases.is_empty() {
                    Some(environment.model(config, options.say)?)
                } else {
                    // A mission that has names for its models may ask by these alone.
                    environment.default_model(config, options.say)?
                };
                Chosen { default, aliases }
            }
            _ => Chosen::default(),
        };
        Ok(Self {
            facts: Facts {
                config_sha256: Some(Digest::of(config.to_text())),
                environment_sha256: Some(Digest::of(machine::environment_facts())),
                engine: program.sandbox.identity.clone(),
                engine_sha256: Some(program.sandbox.identity_sha256),
                pid: machine::process_id(),
                model: models.default.clone(),
                models: models.aliases,
                rulesets: rulesets::digests().clone(),
                ..Facts::default()
            },
            model: Model::new(
                models.default,
                options.freshness,
                config.clone(),
                Arc::clone(environment),
                bundle::frozen(),
                options.say,
                options.tell,
            )
            .metered(Arc::clone(meter)),
            decisions: reused.decisions,
            turn,
            program,
            options,
            stopwatch,
            flights: flights.clone(),
            earlier: None,
        })
    }

    /// Takes the turn at the root, for `enrol` or `take_up`.
    pub async fn take_turn(&mut self) -> Result<()> {
        let waiting = Stopwatch::start();
        let held = self.turn.shared().acquire(false).await?;
        // The wait for others is no part of the mission's time.
        self.program.begun = self.program.begun.later(waiting.elapsed());
        self.turn.begin(held).map(drop)
    }

    /// Gives a new mission its number, and stores everything that a replay of it needs.
    pub fn enrol(&mut self, source: &Source) -> Result<MissionId> {
        let shared = self.turn.shared();
        source.keep_module(shared.root())?;
        let id = shared.with_store(|store| {
            let descriptor = store.put_blob(self.program.canonical.as_bytes())?;
            if let Some(script) = &self.program.script {
                store.put_blob(script.text.as_bytes())?;
            }
            store.create_mission(&NewMission {
                mission_type: &self.program.plan.descriptor().mission_type,
                name: &source.name,
                descriptor: descriptor.sha256,
                module: self.program.module,
                created_ms: machine::now_unix_ms(),
                facts: &self.facts,
            })
        })?;
        (self.options.tell)(&Update::Began {
            id,
            journal: Journal::Empty,
        });
        Ok(id)
    }

    /// Takes up a mission that was interrupted. Fails under another engine than the one that began it,
    /// whose fuel counts differently. `journal` is how its journal ends.
    pub fn take_up(&mut self, earlier: &MissionRow, journal: Journal) -> Result<()> {
        let (id, facts) = (earlier.id, &earlier.facts);
        if Some(facts.engine(id)?) != self.facts.engine_sha256 {
            bail!(
                anyhow!(
                    "mission {id}: was begun under another engine ({}), which counts \
                     fuel differently",
                    facts.engine.lines().next().unwrap_or("unknown")
                )
                .hint("resume it with the coo that began it, or run it again")
            );
        }
        self.facts.resumed = facts.resumed + 1;
        self.facts.moved = facts.moved;
        self.facts.elapsed_us = facts.elapsed_us;
        self.turn.shared().with_store(|store| {
            store.resume_mission(id, &self.facts)?;
            // Others see that it is at work, whatever it waits for.
            store.commit(Durability::Process)
        })?;
        self.earlier = Some(Box::new(earlier.clone()));
        (self.options.tell)(&Update::Began { id, journal });
        Ok(())
    }

    /// Executes the mission over the tape that `tape` makes: `Tape::record` or `Tape::resume`. Where the
    /// world has moved meanwhile, it executes again with the answers that it has. A mission that has a
    /// place in a batch ends when the missions before it have.
    pub async fn execute(
        mut self,
        id: MissionId,
        tape: impl FnOnce(Recorder) -> Tape,
        place: Option<&Place>,
    ) -> Result<Unsealed> {
        gateway::check_folder(self.turn.shared().root())?;
        let hold = Hold::new(id, self.turn);
        let live = Live {
            hold: hold.clone(),
            gateway: Gateway::default(),
            model: self.model,
            flights: self.flights,
            tell: self.options.tell,
        };
        let limits = *self.program.plan.authority().limits();
        let mut tape = tape(Recorder::new(id, live, self.decisions, limits)?);
        let models = self.facts.chosen();
        let executed = loop {
            let executed = execute(
                &self.program,
                &models,
                self.options.wall_clock_max,
                tape,
                place,
            )
            .await;
            if !matches!(executed.stopped, Err(Stop::Moved)) {
                break executed;
            }
            self.facts.moved += 1;
            self.program.begun = Stopwatch::start();
            if self.facts.moved >= MOVES_MAX {
                hold.keep();
            }
            tape = executed.tape.again().map_err(anyhow::Error::from)?;
        };
        // What follows is written down.
        hold.take().await?;
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
            id,
            executed,
            facts,
            earlier: self.earlier,
            tell: self.options.tell,
        })
    }
}
