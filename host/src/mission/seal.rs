//! The end of a recorded run: writes it down durably, and then makes the changes that the journal
//! has committed to, in this order: journal, world, artefacts, "applied". A process that stops in
//! between leaves an intent that the next command finishes.

use anyhow::{Context as _, Result, anyhow};
use coo_kernel::form::digest::Digest;
use coo_kernel::journal::{Divergence, Kind, Side, WorldBody};
use coo_kernel::mission::failure::Failure;
use coo_kernel::mission::row::Facts;
use coo_kernel::mission::state::State;
use coo_kernel::mission::{MissionId, Status};

use crate::effects::gateway;
use crate::effects::secrets;
use crate::effects::stop::Stop;
use crate::effects::world::World;
use crate::hint::{self, Hint as _};
use crate::machine;
use crate::mission::execute::Executed;
use crate::progress::{Sink, Update};
use crate::runtime::tape::{Answers, Recorder};
use crate::session::{Session, StoreLent};
use crate::state::history::{self, Question};
use crate::state::state_root::StateRoot;
use crate::state::store::{Durability, Store};

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

/// A run that has reached its end or was stopped, and whose end is not written down yet.
pub struct Unsealed {
    pub(super) session: StoreLent,
    pub(super) id: MissionId,
    pub(super) executed: Executed,
    pub(super) facts: Facts,
    pub(super) tell: Sink,
}

impl Unsealed {
    /// Writes the end down durably, then makes the committed changes. The session, which still holds
    /// the root's lock, comes back with the result.
    pub fn seal(self) -> Result<(Session, Ended)> {
        let Self {
            session,
            id,
            executed,
            facts,
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
        let chain = tape.chain();
        let progress = tape.progress().clone();
        let changes = tape.changes().clone();
        let answers = tape.answers();
        let Recorder {
            mut store,
            mut live,
            ..
        } = tape
            .into_recorder()
            .context("run: its tape was not recording")?;
        let interrupted = match stopped {
            Ok(()) | Err(Stop::Paused) => None,
            // Nothing is on record, so there is nothing to resume and nothing to store.
            Err(Stop::Interrupted(error)) if chain.seq() == 0 => return Err(error),
            // What this process holds in memory is not what is on disk, which stays as it is.
            Err(Stop::Interrupted(error)) if store.is_rolled_back() => {
                return Err(error.context(format!(
                    "mission {id}: its journal can't be written any further"
                )));
            }
            Err(Stop::Interrupted(error)) => Some(error),
            // The world has changed since the first part of the journal was recorded. Nothing of
            // this attempt is stored; the store's transaction is dropped with it.
            Err(Stop::Diverged(divergence)) => return Err(other_world(id, &divergence)),
            Err(other) => Some(other.into()),
        };
        let status = progress.status(interrupted.is_some(), || false);
        let finished_ms = (status != Status::Paused).then(machine::now_unix_ms);
        let why = interrupted.as_ref().map(hint::flat);
        let why = why.as_deref().map(secrets::redacted);
        store.finish_mission(id, finished_ms, why.as_deref(), &facts)?;
        let in_doubt = match progress.in_doubt {
            Some(seq) => !store.is_unanswered(id.number(), seq)?,
            None => false,
        };
        let is_complete = progress.state() == Some(State::Complete);
        let changes_world =
            is_complete && (changes.db_executes > 0 || !changes.artefacts.is_empty());
        let commit = changes_world.then(|| store.promise_world(id)).transpose()?;
        if commit.is_some() {
            store.enter_artefacts(id, &changes.artefacts)?;
        }
        store.commit(Durability::Power)?;
        tell(&Update::Ended);
        let question = match status {
            Status::Paused => history::question(&store, id)?,
            _ => None,
        };
        if let Some(commit) = commit {
            apply(&session.root, &mut store, &mut live.world, commit, &changes)
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
        Ok((session.give_back(store), ended))
    }
}

/// Makes the committed changes.
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

/// Returns the error for a mission whose world has changed since it was interrupted.
fn other_world(id: MissionId, divergence: &Divergence) -> anyhow::Error {
    let short = |side: &Option<Side>| {
        side.as_ref().map_or("nothing".to_owned(), |side| {
            let body: String = side.body.chars().take(200).collect();
            format!("{} {body}", side.kind)
        })
    };
    // Neither of these two depends on anything the mission reads.
    let begun_otherwise = divergence
        .expected
        .as_ref()
        .is_some_and(|side| [Kind::Mission.name(), Kind::Environment.name()].contains(&side.kind));
    if begun_otherwise {
        return anyhow!(
            "mission {id}: can't be resumed: it was begun by another release \
             of coo (at event {} the journal has {}, and now it is {})",
            divergence.seq,
            short(&divergence.expected),
            short(&divergence.actual)
        )
        .hint("resume it with that one, or run it again");
    }
    anyhow!(
        "mission {id}: can't be resumed: at event {} the journal has {}, \
         and now it is {}; what it reads has changed since it was \
         interrupted (another mission, or a file changed by hand)",
        divergence.seq,
        short(&divergence.expected),
        short(&divergence.actual)
    )
    .hint("run it again")
}
