//! The end of a recorded run: writes it down durably, and then makes the changes that the journal
//! has committed to, in this order: journal, world, artefacts, "applied". A process that stops in
//! between leaves an intent that the next command finishes.

use anyhow::{Context as _, Result, anyhow};
use coo_kernel::form::digest::Digest;
use coo_kernel::journal::{Divergence, Fold, Side, WorldBody};
use coo_kernel::mission::failure::Failure;
use coo_kernel::mission::row::{Facts, MissionRow};
use coo_kernel::mission::state::State;
use coo_kernel::mission::{MissionId, Status};

use crate::effects::gateway;
use crate::effects::secrets;
use crate::effects::stop::Stop;
use crate::hint::{self, Hint as _};
use crate::machine;
use crate::mission::execute::Executed;
use crate::progress::{Sink, Update};
use crate::runtime::hold::Hold;
use crate::runtime::tape::Answers;
use crate::session::{Lent, Session};
use crate::state::history::{self, Question};
use crate::state::store::{Durability, Store, WriteBatch};

/// A run that has ended.
#[derive(Debug)]
pub struct Ended {
    pub id: MissionId,
    /// SUCCESS, FAILED, PAUSED or INTERRUPTED.
    pub status: Status,
    /// The reason of FAILED.
    pub failure: Option<Failure>,
    /// The reason, if something outside the record stopped the run.
    pub interrupted: Option<anyhow::Error>,
    /// The last step's output.
    pub output: Vec<u8>,
    /// Standard error of all steps.
    pub stderr: Vec<u8>,
    /// Digest of the last event.
    pub chain_head: Digest,
    /// Number of events.
    pub events: u64,
    pub facts: Facts,
    /// Of each step, if requested.
    pub memory_sha256: Vec<Option<Digest>>,
    /// Whether it was interrupted at a model call that may have been made.
    pub in_doubt: bool,
    /// What a paused mission waits for.
    pub question: Option<Question>,
    /// The model answers of this process's part of the run.
    pub answers: Answers,
}

/// A run that has reached its end or was stopped, and whose end is not written down yet. It has its turn
/// at the root.
pub struct Unsealed {
    pub(super) id: MissionId,
    pub(super) executed: Executed,
    pub(super) facts: Facts,
    /// How the mission stood before it was taken up; `None` for a new one.
    pub(super) earlier: Option<Box<MissionRow>>,
    pub(super) tell: Sink,
}

/// A run whose end is written down.
pub struct Sealed {
    pub ended: Ended,
    /// The run's hold on the root, which it no longer needs.
    hold: Hold,
}

impl Sealed {
    /// Returns how the run ended. Others may have their turn at the root.
    pub fn into_ended(self) -> Ended {
        self.ended
    }

    /// Makes the session whole again that this run was for.
    pub fn into_session(self, lent: Lent) -> Result<(Session, Ended)> {
        let shared = self.hold.shared();
        let lock = self.hold.into_lock();
        Ok((lent.give_back(shared, lock)?, self.ended))
    }
}

impl Unsealed {
    /// Writes the end down durably, then makes the committed changes.
    pub async fn seal(self) -> Result<Sealed> {
        let Self {
            id,
            executed,
            facts,
            earlier,
            tell,
        } = self;
        let Executed {
            tape,
            stopped,
            failure,
            output,
            stderr,
            memory_sha256,
            ..
        } = executed;
        let mut chain = tape.chain();
        let mut progress = tape.progress().clone();
        let changes = tape.changes().clone();
        let answers = tape.answers();
        let mut recorder = tape
            .into_recorder()
            .context("run: its tape was not recording")?;
        let hold = recorder.live.hold.clone();
        let shared = hold.shared();
        let interrupted = match stopped {
            Ok(()) | Err(Stop::Paused) => None,
            Err(stop) => {
                let earlier = earlier.as_deref();
                Some(shared.with_store(|store| interruption(id, stop, store, earlier))?)
            }
        };
        if recorder.has_lost_writes() {
            (progress, chain) = shared.with_store(|store| history::walk(store, id, |_| Ok(())))?;
        }
        if chain.seq() == 0
            && let Some(error) = interrupted
        {
            // Nothing is on record, so there is nothing to resume and nothing to store.
            shared.with_store(Store::roll_back)?;
            return Err(error);
        }
        let status = progress.status(interrupted.is_some(), || false);
        let finished_ms = (status != Status::Paused).then(machine::now_unix_ms);
        let why = interrupted.as_ref().map(hint::flat);
        let why = why.as_deref().map(secrets::redacted);
        let end = End {
            id,
            finished_ms,
            why: why.as_deref(),
            facts: &facts,
            progress: &progress,
            changes: &changes,
        };
        let mut batch = recorder.take_batch();
        let (in_doubt, commit) = shared.with_store(|store| end.write(store, &mut batch))?;
        hold.has_committed();
        if commit.is_none() && hold.gives_way() {
            // Others need not wait for the disk.
            hold.end_turn();
        }
        shared.sync().await?;
        tell(&Update::Ended);
        let question = match status {
            Status::Paused => shared.with_store(|store| history::question(store, id))?,
            _ => None,
        };
        if let Some(commit) = commit {
            apply(&hold, commit, &changes)
                .with_context(|| {
                    format!(
                        "mission {id}: it is complete and its changes are recorded, but they \
                         could not be applied yet"
                    )
                })
                .hint("the next coo command applies them")?;
        }
        let ended = Ended {
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
            answers,
        };
        drop(recorder);
        Ok(Sealed { ended, hold })
    }
}

/// What is written down of a run that has ended or was stopped.
struct End<'a> {
    id: MissionId,
    finished_ms: Option<i64>,
    why: Option<&'a str>,
    facts: &'a Facts,
    progress: &'a Fold,
    changes: &'a WorldBody,
}

impl End<'_> {
    /// Writes it after the writes of `batch`, to be synced by the caller. Returns whether a model call is in doubt, and the
    /// number of the world commit that is promised by it.
    fn write(&self, store: &mut Store, batch: &mut WriteBatch) -> Result<(bool, Option<u32>)> {
        let state = self.progress.state();
        store.write_batch(batch)?;
        // Also of a mission that fails before it comes to a call that was made together with others.
        let in_doubt = store.is_in_doubt(self.id.number(), self.progress.in_doubt)?;
        if state.is_some_and(State::is_final) {
            store.forget_carried(self.id.number())?;
        }
        store.finish_mission(self.id, self.finished_ms, self.why, self.facts)?;
        let changes = self.changes;
        let changes_world = state == Some(State::Complete)
            && (changes.db_executes > 0 || !changes.artefacts.is_empty());
        let commit = changes_world
            .then(|| store.promise_world(self.id))
            .transpose()?;
        if commit.is_some() {
            store.enter_artefacts(self.id, &changes.artefacts)?;
        }
        store.commit(Durability::Process)?;
        Ok((in_doubt, commit))
    }
}

/// Returns why a run was stopped from outside its record; an error if its end can't be written down.
fn interruption(
    id: MissionId,
    stop: Stop,
    store: &mut Store,
    earlier: Option<&MissionRow>,
) -> Result<anyhow::Error> {
    match stop {
        // What this process holds in memory is not what is on disk, which stays as it is.
        Stop::Interrupted(error) if store.is_rolled_back() => Err(error.context(format!(
            "mission {id}: its journal can't be written any further"
        ))),
        Stop::Interrupted(error) => Ok(error),
        // It can't be continued here. Nothing of this attempt is stored, and the mission stands as it
        // stood before.
        Stop::Diverged(divergence) => {
            if let Some(earlier) = earlier {
                stand_again(store, earlier)?;
            }
            Err(not_the_same(id, &divergence))
        }
        other => Ok(other.into()),
    }
}

/// Makes the committed changes.
fn apply(hold: &Hold, commit: u32, changes: &WorldBody) -> Result<()> {
    hold.with_world(|world| world.commit(commit))?;
    let shared = hold.shared();
    shared.with_store(|store| {
        gateway::apply(shared.root(), store, &changes.artefacts)?;
        store.world_applied(commit)?;
        store.commit(Durability::Process)
    })
}

/// Records that a mission stands as it stood before an attempt to continue it.
fn stand_again(store: &mut Store, earlier: &MissionRow) -> Result<()> {
    let why = earlier.interrupted.as_deref();
    store.finish_mission(earlier.id, earlier.finished_ms, why, &earlier.facts)?;
    store.commit(Durability::Process)
}

/// Returns the error for a mission that does something else than its journal says, and not because the
/// world answers otherwise.
fn not_the_same(id: MissionId, divergence: &Divergence) -> anyhow::Error {
    let short = |side: &Option<Side>| {
        side.as_ref().map_or("nothing".to_owned(), |side| {
            let body: String = side.body.chars().take(200).collect();
            format!("{} {body}", side.kind)
        })
    };
    anyhow!(
        "mission {id}: can't be resumed: at event {} the journal has {}, and now it is {}; it was begun \
         by another release of coo, or its journal was changed",
        divergence.seq,
        short(&divergence.expected),
        short(&divergence.actual)
    )
    .hint("resume it with the coo that began it, or run it again")
}
