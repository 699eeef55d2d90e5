//! Replays a mission from its journal, with the recorded module and the recorded answers, and
//! compares every event. Uses no network, no frozen store and no missions' database (the world).
//! Changes nothing.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use coo_kernel::form::digest::Digest;
use coo_kernel::journal::{Divergence, Record, ReplayedEnd, Transcript};
use coo_kernel::mission::MissionId;
use coo_kernel::mission::row::MissionRow;
use coo_kernel::mission::state::State;

use crate::effects::stop::Stop;
use crate::hint::Hint as _;
use crate::machine;
use crate::mission::execute::execute;
use crate::mission::source::Source;
use crate::runtime::tape::Tape;
use crate::session::Session;
use crate::state::history;
use crate::state::store::Store;

/// Number of events shown before a divergence.
const EVENTS_BEFORE: u64 = 5;

/// The result of a replay.
#[derive(Debug)]
pub struct Replayed {
    /// Number of events that agree, counted from the first.
    pub events: u64,
    /// Head of the replayed chain.
    pub chain_head: Digest,
    /// The replayed states, in order.
    pub timeline: Vec<State>,
    /// Fuel of the recorded run, and of the replay.
    pub fuel: (u64, u64),
    /// Peak memory of the recorded run, and of the replay, in bytes.
    pub memory_bytes: (u64, u64),
    /// Whether the run was recorded with another engine; then fuel and memory are not compared.
    pub other_engine: bool,
    /// Output of the last step, as in `Executed`.
    pub output: Vec<u8>,
    /// The first event that differs.
    pub divergence: Option<Divergence>,
    /// The recorded events directly before the divergence, oldest first.
    pub before: Vec<Record>,
}

impl Replayed {
    /// Returns whether everything that was compared agrees.
    #[must_use]
    pub fn is_identical(&self) -> bool {
        self.divergence.is_none()
            && (self.other_engine
                || (self.fuel.0 == self.fuel.1 && self.memory_bytes.0 == self.memory_bytes.1))
    }

    /// Returns what `coo replay` prints, as data.
    #[must_use]
    pub fn transcript(&self, id: MissionId) -> Transcript<'_> {
        Transcript {
            id,
            timeline: &self.timeline,
            events: self.events,
            fuel: self.fuel,
            memory_bytes: self.memory_bytes,
            is_other_engine: self.other_engine,
            is_identical: self.is_identical(),
            end: self.divergence.is_none().then_some(ReplayedEnd {
                chain_head: self.chain_head,
                output_bytes: self.output.len() as u64,
            }),
        }
    }
}

/// Replays `mission`, which must have ended. Consumes the session, but only reads its store. Fails
/// for a mission that waits for a person or was interrupted.
pub fn replay(
    session: Session,
    mission: &MissionRow,
    wall_clock_max: Duration,
) -> Result<Replayed> {
    let Session { root, store, .. } = session;
    // Use the row, not the journal: a journal that was cut short must be replayed, so that its
    // missing end is reported.
    let has_ended = mission.interrupted.is_none() && mission.finished_ms.is_some();
    if !has_ended && let Some(question) = history::question(&store, mission.id)? {
        bail!(
            anyhow!(
                "mission {}: waits for a person at step '{}', so there is no whole run to compare",
                mission.id,
                question.step
            )
            .hint(format!(
                "run 'coo approve {}' or 'coo reject {}' first",
                mission.id, mission.id
            ))
        );
    }
    if !has_ended {
        bail!(
            anyhow!(
                "mission {}: did not reach an end ({}), so there is no whole run to compare",
                mission.id,
                mission
                    .interrupted
                    .as_deref()
                    .unwrap_or("its process is at work or was killed")
            )
            .hint(format!("'coo resume {}' continues it", mission.id))
        );
    }
    let policy = history::policy(&store, mission.id)?;
    let source = Source::recorded(&root, &store, mission)?;
    let program = source.prepare(&policy, wall_clock_max, false)?;
    drop(source);
    let other_engine = mission.facts.engine(mission.id)? != program.sandbox.identity_sha256;
    let models = mission.facts.chosen();
    let tape = Tape::replay(store, mission.id);
    let executed = machine::block_on(execute(&program, &models, wall_clock_max, tape, None));
    let divergence = match executed.stopped {
        Ok(()) => None,
        Err(Stop::Diverged(divergence)) => Some(*divergence),
        Err(Stop::Interrupted(error)) => return Err(error),
        Err(other) => bail!(
            "mission {}: replay ended without an end: {other}",
            mission.id
        ),
    };
    let chain = executed.tape.chain();
    let timeline = executed.tape.progress().timeline.clone();
    let before = match &divergence {
        None => Vec::new(),
        Some(divergence) => {
            let first = divergence.seq.saturating_sub(EVENTS_BEFORE + 1);
            let store = executed.tape.into_store();
            recorded_between(
                &store.context("replay: its store is gone")?,
                mission.id,
                first,
                divergence.seq,
            )?
        }
    };
    Ok(Replayed {
        events: divergence
            .as_ref()
            .map_or(chain.seq(), |divergence| divergence.seq - 1),
        chain_head: chain.head(),
        timeline,
        fuel: (mission.facts.fuel, executed.used.fuel),
        memory_bytes: (mission.facts.memory_peak_bytes, executed.used.memory_bytes),
        other_engine,
        output: executed.output,
        divergence,
        before,
    })
}

/// Returns the recorded events after `first` and before `end`, both excluded.
fn recorded_between(store: &Store, id: MissionId, first: u64, end: u64) -> Result<Vec<Record>> {
    let mut found: Vec<Record> = Vec::new();
    loop {
        let last = found.last().map_or(first, |record| record.seq);
        let mut events = store.events_after(id.number(), last)?;
        events.retain(|record| record.seq < end);
        if events.is_empty() {
            return Ok(found);
        }
        found.extend(events);
    }
}
