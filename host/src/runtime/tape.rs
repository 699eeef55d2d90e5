//! The tape: every call of a run and every answer passes through it, in one of three modes.
//!
//! - Recording: performs a call, journals it and passes the answer on.
//! - Replaying: answers from the journal, and compares every byte that the run produces with the
//!   record.
//! - Resuming: re-executes the recorded prefix, then records. In the prefix it performs calls to
//!   the mission's own world again and compares the answers; answers from outside come from the
//!   journal.
//!
//! Architecture invariant: the code that runs a mission is the same in all modes and can't detect
//! the mode. A replaying tape holds nothing that could perform a call.

mod again;
mod answers;
mod ask;
mod recorded;
mod recorder;
mod together;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, anyhow};
use coo_kernel::effects::artefact::Artefact;
use coo_kernel::form::canonical::{self, Canonical};
use coo_kernel::form::digest::Digest;
use coo_kernel::journal::{
    Blob, Chain, Conversation, DecisionBody, Divergence, EventFacts, Fold, Kind, Seen, Side,
    TransitionBody, WorldBody,
};
use coo_kernel::llm::Provenance;
use coo_kernel::mission::MissionId;
use coo_kernel::mission::exit::Exit;
use coo_kernel::mission::failure::Failure;
use coo_kernel::mission::state::{self, Event, State};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::answers::Answers;
use self::recorded::Recorded;
pub use self::recorder::Recorder;
use crate::effects::secrets;
use crate::effects::stop::{self, Stop};
use crate::hint::{self, Hint as _};
use crate::machine::{self, Deadline};
use crate::progress::{NOBODY, Sink, Update};
use crate::runtime::hold::Hold;
use crate::state::store::{Durability, Store};

/// The tape of one run. It extends the chain with every event, written or compared.
pub struct Tape {
    mode: Mode,
    chain: Chain,
    progress: Fold,
    /// What this run has said to models.
    conversation: Conversation,
    /// How often this run has made each request, by its digest.
    asked: BTreeMap<Digest, u64>,
    /// The answers that are counted in `answers`, by request and time.
    counted: BTreeSet<(Digest, u64)>,
    /// The changes that the mission makes if it completes.
    changes: WorldBody,
    answers: Answers,
}

enum Mode {
    Recording {
        recorder: Box<Recorder>,
        /// The events of an interrupted process that this one has not re-executed yet.
        ahead: Option<Recorded>,
    },
    Replaying {
        store: Store,
        recorded: Recorded,
    },
}

impl Tape {
    /// Creates a tape that records.
    pub fn record(recorder: Recorder) -> Self {
        Self::new(Mode::Recording {
            recorder: Box::new(recorder),
            ahead: None,
        })
    }

    /// Creates a tape that re-executes the recorded prefix of the mission and then records. Where the
    /// world has moved since, the rest of the prefix is replaced (see `again`).
    pub fn resume(recorder: Recorder) -> Self {
        let ahead = Some(Recorded::of(recorder.id));
        Self::new(Mode::Recording {
            recorder: Box::new(recorder),
            ahead,
        })
    }

    /// Creates a tape that replays the journal of mission `id`.
    pub fn replay(store: Store, id: MissionId) -> Self {
        Self::new(Mode::Replaying {
            store,
            recorded: Recorded::of_ended(id),
        })
    }

    fn new(mode: Mode) -> Self {
        Self {
            mode,
            chain: Chain::default(),
            progress: Fold::default(),
            conversation: Conversation::default(),
            asked: BTreeMap::new(),
            counted: BTreeSet::new(),
            changes: WorldBody {
                artefacts: Vec::new(),
                db_executes: 0,
            },
            answers: Answers::default(),
        }
    }

    /// Returns who learns how far the run is. Nobody watches a replay.
    pub fn sink(&self) -> Sink {
        match &self.mode {
            Mode::Recording { recorder, .. } => recorder.live.tell,
            Mode::Replaying { .. } => NOBODY,
        }
    }

    /// Tells how far the run is.
    pub fn tell(&self, update: &Update<'_>) {
        self.sink()(update);
    }

    /// Returns the run's hold on the root; `None` for a replay.
    pub fn hold(&self) -> Option<Hold> {
        match &self.mode {
            Mode::Recording { recorder, .. } => Some(recorder.live.hold.clone()),
            Mode::Replaying { .. } => None,
        }
    }

    /// Gives the run's turn at the root back if others want it, and returns whether the run still has it. A
    /// replay needs none.
    pub fn has_turn(&self) -> Result<bool, Stop> {
        match &self.mode {
            Mode::Recording { recorder, .. } => Ok(recorder.live.hold.keeps_turn()?),
            Mode::Replaying { .. } => Ok(true),
        }
    }

    /// Returns whether events of an earlier process are still to be re-executed.
    pub fn is_behind(&self) -> bool {
        matches!(&self.mode, Mode::Recording { ahead: Some(_), .. })
    }

    /// Returns the model answers so far.
    pub fn answers(&self) -> Answers {
        self.answers.clone()
    }

    /// Returns the lines that a process prints if it must be killed at the run's deadline, and its exit
    /// code. A replay can't be resumed.
    pub fn last_words(&self, deadline: &Deadline) -> (String, Exit) {
        let error = stop::out_of_time(deadline);
        let (error, exit) = match &self.mode {
            Mode::Recording { recorder, .. } => {
                let id = recorder.id;
                let error = error
                    .context(format!("mission {id}"))
                    .hint(hint::to_resume(id, false));
                (error, Exit::Stopped)
            }
            Mode::Replaying { recorded, .. } => {
                let error = error.context(format!("replay of mission {}", recorded.id));
                (error, Exit::Failed)
            }
        };
        (hint::lines(&error), exit)
    }

    /// Returns the chain, which ends with the last event.
    pub fn chain(&self) -> Chain {
        self.chain
    }

    /// Returns what the journal says so far.
    pub fn progress(&self) -> &Fold {
        &self.progress
    }

    /// Returns the changes that the mission makes if it completes.
    pub fn changes(&self) -> &WorldBody {
        &self.changes
    }

    /// Counts a statement that must be applied at the end.
    pub fn note_execute(&mut self) {
        self.changes.db_executes += 1;
    }

    /// Adds a file to be created; a later write of the same path replaces an earlier one.
    pub fn note_artefact(&mut self, artefact: Artefact) {
        let artefacts = &mut self.changes.artefacts;
        match artefacts.binary_search_by(|known| known.path.cmp(&artefact.path)) {
            Ok(place) => artefacts[place] = artefact,
            Err(place) => artefacts.insert(place, artefact),
        }
    }

    /// Returns the recorder at the end of a run; `None` for a replay.
    pub fn into_recorder(self) -> Option<Recorder> {
        match self.mode {
            Mode::Recording { recorder, .. } => Some(*recorder),
            Mode::Replaying { .. } => None,
        }
    }

    /// Returns the store at the end of a replay; `None` for a run.
    pub fn into_store(self) -> Option<Store> {
        match self.mode {
            Mode::Recording { .. } => None,
            Mode::Replaying { store, .. } => Some(store),
        }
    }

    /// Writes the first event.
    pub fn begin(&mut self, body: &impl Serialize) -> Result<(), Stop> {
        let body = canonical::to_string_sorted(body)?;
        self.append_text(State::Init, Kind::Mission, &body, Beside::Nothing)
    }

    /// Moves the mission to the state that follows `event`.
    pub fn transition(&mut self, event: Event, failure: Option<Failure>) -> Result<(), Stop> {
        let from = self.state()?;
        let to = state::next(from, event).map_err(|refused| anyhow!(refused))?;
        let body = TransitionBody {
            event,
            failure,
            from,
            to,
        };
        let body = canonical::to_string_sorted(&body)?;
        self.append_text(to, Kind::Transition, &body, Beside::Time)
    }

    /// Writes an event of the current state.
    pub fn event(&mut self, kind: Kind, body: &impl Serialize) -> Result<(), Stop> {
        let body = canonical::to_string_sorted(body)?;
        self.append_text(self.state()?, kind, &body, Beside::Nothing)
    }

    /// Stores `content` beside the journal; a replay only computes its reference.
    pub fn keep(&mut self, content: &[u8]) -> Result<Blob, Stop> {
        Ok(match &mut self.mode {
            Mode::Recording { recorder, .. } => {
                secrets::refuse_in("what the mission leaves", content)?;
                recorder.batch.put_blob(content)
            }
            Mode::Replaying { .. } => Blob::of(content),
        })
    }

    /// Makes all events so far durable. Does nothing while a recorded prefix is re-executed: if the
    /// mission can't continue, no trace of the attempt remains.
    pub async fn commit(&mut self, durability: Durability) -> Result<(), Stop> {
        if let Mode::Recording {
            recorder,
            ahead: None,
        } = &mut self.mode
        {
            recorder.commit(durability).await?;
        }
        Ok(())
    }

    /// Makes one call whose answer depends only on the mission's own world. In a recorded prefix
    /// the call is performed again, because its effect was lost with the process, and its answer
    /// must equal the recorded one. A replay reads the answer from the journal.
    pub async fn call<Q: Canonical + Sync, A: Canonical + DeserializeOwned + Send>(
        &mut self,
        kind: Kind,
        request: &Q,
        perform: impl FnOnce(&mut Recorder) -> Result<A, Stop> + Send,
    ) -> Result<A, Stop> {
        if matches!(self.mode, Mode::Replaying { .. }) {
            return self.answered(kind, request);
        }
        if let Mode::Recording { recorder, .. } = &self.mode
            && !recorder.live.hold.is_current()
        {
            self.catch_up().await?;
        }
        let Mode::Recording { recorder, .. } = &mut self.mode else {
            return Err(anyhow!("a replay: it performs nothing").into());
        };
        recorder.live.hold.note_asked(kind.changes_world());
        let answer = perform(recorder)?;
        let state = self.state()?;
        if let Some(recorded) = self.ahead()? {
            if (recorded.state, recorded.kind) == (state, kind)
                && is_call_body(recorded.body, &answer, request)
            {
                // Reuse the recorded event: building an equal body may take hundreds of megabytes.
                self.go_over()?;
                return Ok(answer);
            }
            self.cut_if_moved(kind, request)?;
        }
        self.append(state, kind, Beside::Nothing, |body| {
            write_call_body(body, &answer, request);
        })?;
        if let Mode::Recording {
            recorder,
            ahead: None,
        } = &mut self.mode
            && recorder.is_full()
        {
            recorder.commit(Durability::Process).await?;
        }
        Ok(answer)
    }

    /// Returns the recorded answer to a call of a replay, whose request must equal the recorded one, byte
    /// for byte. Neither is built again.
    fn answered<Q: Canonical, A: Canonical + DeserializeOwned>(
        &mut self,
        kind: Kind,
        request: &Q,
    ) -> Result<A, Stop> {
        let state = self.state()?;
        let Some(recorded) = self.ahead()? else {
            return Err(self.diverged(None, kind, call_body_without_answer(request))?);
        };
        if recorded.kind == kind {
            let answer: A = answer_of(recorded.body).context("journal: answer of a call")?;
            if recorded.state == state && is_call_body(recorded.body, &answer, request) {
                self.go_over()?;
                return Ok(answer);
            }
            let expected = Some(side(&recorded));
            let mut body = String::new();
            write_call_body(&mut body, &answer, request);
            return Err(self.diverged(expected, kind, body)?);
        }
        // There is no answer to use: the run makes another call than the recorded one.
        let expected = Some(side(&recorded));
        Err(self.diverged(expected, kind, call_body_without_answer(request))?)
    }

    /// Returns a person's decision about the step at which the mission is paused.
    pub fn decision(&mut self) -> Result<DecisionBody, Stop> {
        let recorded = match self.ahead()? {
            Some(recorded) if recorded.kind == Kind::HumanDecision => {
                Some(serde_json::from_str(recorded.body).context("journal: decision of a person")?)
            }
            Some(recorded) => {
                let expected = Some(side(&recorded));
                return Err(self.diverged(expected, Kind::HumanDecision, String::new())?);
            }
            None => None,
        };
        let decision = match (recorded, &mut self.mode) {
            (Some(decision), _) => decision,
            (None, Mode::Recording { recorder, .. }) => {
                recorder.decisions.pop_front().ok_or(Stop::Paused)?
            }
            (None, Mode::Replaying { .. }) => {
                return Err(self.diverged(None, Kind::HumanDecision, String::new())?);
            }
        };
        self.event(Kind::HumanDecision, &decision)?;
        Ok(decision)
    }

    /// Checks that the journal ends where the run has ended.
    pub fn expect_end(&mut self) -> Result<(), Stop> {
        let seq = self.chain.seq() + 1;
        match self.ahead()?.as_ref().map(side) {
            None => Ok(()),
            expected => Err(Stop::Diverged(Box::new(Divergence {
                seq,
                expected,
                actual: None,
            }))),
        }
    }

    /// Returns the mission's current state.
    pub fn state(&self) -> Result<State, Stop> {
        Ok(self.progress.state().context("journal: no event yet")?)
    }

    /// Returns the next recorded event, or `None` if the run writes the journal itself.
    fn ahead(&mut self) -> Result<Option<Seen<'_>>, Stop> {
        match &mut self.mode {
            Mode::Recording { recorder, ahead } => {
                if let Some(recorded) = ahead
                    && recorder.is_at_end_of(recorded)?
                {
                    // Permanently: this process has written every later event.
                    *ahead = None;
                }
                Ok(ahead.as_ref().and_then(Recorded::front))
            }
            Mode::Replaying { store, recorded } => recorded.peek(store),
        }
    }

    /// Writes an event whose body is built already, or compares it.
    fn append_text(
        &mut self,
        state: State,
        kind: Kind,
        body: &str,
        beside: Beside,
    ) -> Result<(), Stop> {
        self.append(state, kind, beside, |text| {
            text.push_str(body);
        })
    }

    /// Writes an event, whose body `write` appends to the given text, or compares it with the recorded one
    /// if there is one ahead.
    fn append(
        &mut self,
        state: State,
        kind: Kind,
        beside: Beside,
        write: impl FnOnce(&mut String),
    ) -> Result<(), Stop> {
        if self.ahead()?.is_some() || matches!(self.mode, Mode::Replaying { .. }) {
            let mut body = String::new();
            write(&mut body);
            return self.compare(state, kind, body);
        }
        let Mode::Recording { recorder, .. } = &mut self.mode else {
            return Err(anyhow!("a replay: it writes nothing").into());
        };
        let number = recorder.id.number();
        let record = recorder
            .batch
            .append(number, self.chain, (state, kind), |text| {
                let begin = text.len();
                write(text);
                secrets::refuse_in("an event of the journal", &text.as_bytes()[begin..])
            })?;
        passed(&mut self.chain, &mut self.progress, &record)?;
        if let Some(facts) = beside.facts() {
            let seq = self.chain.seq();
            recorder.batch.put_facts(number, seq, facts);
        }
        Ok(())
    }

    /// Moves past the next recorded event, if it equals what the run does now. Its digest was verified on
    /// a chain that is equal up to here, so it need not be computed again.
    fn compare(&mut self, state: State, kind: Kind, body: String) -> Result<(), Stop> {
        match self.ahead()? {
            Some(recorded)
                if (recorded.state, recorded.kind) == (state, kind) && recorded.body == body =>
            {
                self.go_over()
            }
            recorded => {
                let expected = recorded.as_ref().map(side);
                Err(Stop::Diverged(Box::new(Divergence {
                    seq: self.chain.seq() + 1,
                    expected,
                    actual: Some(Side {
                        state,
                        kind: kind.name(),
                        body,
                    }),
                })))
            }
        }
    }

    /// Moves past the next recorded event, which equals what the run does now.
    fn go_over(&mut self) -> Result<(), Stop> {
        let recorded = match &mut self.mode {
            Mode::Recording { ahead, .. } => ahead.as_mut(),
            Mode::Replaying { recorded, .. } => Some(recorded),
        };
        let recorded = recorded.context("journal: an event is gone")?;
        let record = recorded.front().context("journal: an event is gone")?;
        passed(&mut self.chain, &mut self.progress, &record)?;
        recorded.pass();
        Ok(())
    }

    /// Returns the divergence of a run that does `kind` next, where the journal has another event
    /// or none.
    fn diverged(&self, expected: Option<Side>, kind: Kind, body: String) -> Result<Stop, Stop> {
        Ok(Stop::Diverged(Box::new(Divergence {
            seq: self.chain.seq() + 1,
            expected,
            actual: Some(Side {
                state: self.state()?,
                kind: kind.name(),
                body,
            }),
        })))
    }
}

/// Extends chain and fold by an event.
fn passed(chain: &mut Chain, progress: &mut Fold, record: &Seen<'_>) -> Result<(), Stop> {
    *chain = Chain::ending_with(record);
    progress.apply(record).map_err(|error| anyhow!(error))?;
    Ok(())
}

/// Writes a `CallBody`, of which neither part is built before.
fn write_call_body(
    sink: &mut impl canonical::Sink,
    answer: &impl Canonical,
    request: &impl Canonical,
) {
    sink.text(CALL_BEGINS);
    answer.write_to(sink);
    sink.text(r#","request":"#);
    request.write_to(sink);
    sink.text("}");
}

const CALL_BEGINS: &str = r#"{"answer":"#;

/// Returns the body of a call that a replay can't answer.
fn call_body_without_answer(request: &impl Canonical) -> String {
    let mut body = r#"{"request":"#.to_owned();
    request.write_to(&mut body);
    body.push('}');
    body
}

/// Reads the answer of a call, and nothing behind it: the caller compares the whole body.
fn answer_of<A: DeserializeOwned>(body: &str) -> anyhow::Result<A> {
    let rest = body.strip_prefix(CALL_BEGINS).context("body of a call")?;
    let mut values = serde_json::Deserializer::from_str(rest).into_iter();
    Ok(values.next().context("no answer")??)
}

/// Returns whether `body` is the canonical form of a call with this request and this answer.
fn is_call_body(body: &str, answer: &impl Canonical, request: &impl Canonical) -> bool {
    let mut comparison = canonical::Comparison::with(body);
    write_call_body(&mut comparison, answer, request);
    comparison.is_equal()
}

/// The facts stored beside an event.
enum Beside {
    Nothing,
    Time,
    /// An answer's source, and how it came about as far as it is known.
    Origin(String, Option<Provenance>),
}

impl Beside {
    fn facts(self) -> Option<EventFacts> {
        let (source, provenance) = match self {
            Self::Nothing => return None,
            Self::Time => (None, None),
            Self::Origin(source, provenance) => (Some(source), provenance),
        };
        Some(EventFacts {
            at_ms: machine::now_unix_ms(),
            source,
            provenance,
        })
    }
}

fn side(record: &Seen<'_>) -> Side {
    Side {
        state: record.state,
        kind: record.kind.name(),
        body: record.body.to_owned(),
    }
}
