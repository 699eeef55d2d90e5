//! The tape: through it goes everything a run says and is told. Recording, it performs a
//! call, journals it and hands the answer on; replaying, it answers from the journal and
//! compares every byte the run produces with what was recorded. Resuming is recording with a
//! stretch of journal ahead: what the mission's own world answers is performed once more and
//! compared, what the outside answered is taken from the journal, and past its end the tape
//! records.
//!
//! Architecture invariant: the code that runs a mission is the same for all three and can't
//! tell which one it has. A replaying tape holds nothing a call could be performed with.

use std::collections::{BTreeMap, VecDeque};

use anyhow::{Context as _, anyhow};
use coo_kernel::effects::artefact::Artefact;
use coo_kernel::form::canonical;
use coo_kernel::form::digest::Digest;
use coo_kernel::journal::{
    Blob, CallBody, Chain, DecisionBody, Divergence, IntentBody, Kind, OutcomeBody, Progress,
    Record, Side, TransitionBody, WorldBody,
};
use coo_kernel::llm::{Answer, Provenance, Request};
use coo_kernel::mission::MissionId;
use coo_kernel::mission::failure::Failure;
use coo_kernel::mission::state::{self, Event, State};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::effects::llm::Answered;
use crate::effects::secrets;
use crate::effects::stop::Stop;
use crate::machine::{self, Deadline};
use crate::root::store::{Durability, EventFacts, Store};
use crate::runtime::live::Live;

/// See the module.
pub struct Tape {
    mode: Mode,
    chain: Chain,
    progress: Progress,
    /// How often this run has asked each request.
    asked: BTreeMap<Digest, u64>,
    /// What the mission changes, from the answers it was given.
    changes: WorldBody,
}

enum Mode {
    Recording {
        recorder: Box<Recorder>,
        /// What an interrupted process had recorded and this one has not gone over yet.
        ahead: Option<Recorded>,
    },
    Replaying {
        store: Store,
        recorded: Recorded,
    },
}

/// What a recording tape performs calls with and writes to.
pub struct Recorder {
    /// The store; a transaction is open from the first event on.
    pub store: Store,
    /// The mission's number.
    pub id: MissionId,
    /// World, gateway and model.
    pub live: Live,
    /// Answers to human steps that were given beforehand, in order.
    pub decisions: VecDeque<DecisionBody>,
}

/// A journal being gone over.
struct Recorded {
    id: MissionId,
    page: VecDeque<Record>,
    verified: Chain,
}

impl Tape {
    /// A tape that records.
    pub fn record(recorder: Recorder) -> Self {
        Self::new(Mode::Recording {
            recorder: Box::new(recorder),
            ahead: None,
        })
    }

    /// A tape that goes over what is recorded of the mission and records what follows.
    pub fn resume(recorder: Recorder) -> Self {
        let ahead = Some(Recorded::of(recorder.id));
        Self::new(Mode::Recording {
            recorder: Box::new(recorder),
            ahead,
        })
    }

    /// A tape that replays the journal of `id`.
    pub fn replay(store: Store, id: MissionId) -> Self {
        Self::new(Mode::Replaying {
            store,
            recorded: Recorded::of(id),
        })
    }

    fn new(mode: Mode) -> Self {
        Self {
            mode,
            chain: Chain::default(),
            progress: Progress::default(),
            asked: BTreeMap::new(),
            changes: WorldBody {
                artefacts: Vec::new(),
                db_executes: 0,
            },
        }
    }

    /// What the process says where it must be ended because the run's time is over.
    pub fn last_words(&self, deadline: &Deadline) -> String {
        let reason = Stop::timed_out(deadline);
        match &self.mode {
            Mode::Recording { recorder, .. } => {
                let id = recorder.id;
                format!("ERROR: mission {id}: {reason}; 'coo resume {id}' goes on where it stopped")
            }
            Mode::Replaying { recorded, .. } => {
                format!("ERROR: replay of mission {}: {reason}", recorded.id)
            }
        }
    }

    /// Digest of the last event.
    pub fn chain(&self) -> Chain {
        self.chain
    }

    /// What the journal says so far.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// What the mission changes if it completes.
    pub fn changes(&self) -> &WorldBody {
        &self.changes
    }

    /// Counts a statement that will have to be applied.
    pub fn note_execute(&mut self) {
        self.changes.db_executes += 1;
    }

    /// Notes a file to be made; a later write of the same path replaces an earlier one.
    pub fn note_artefact(&mut self, artefact: Artefact) {
        let artefacts = &mut self.changes.artefacts;
        match artefacts.binary_search_by(|known| known.path.cmp(&artefact.path)) {
            Ok(place) => artefacts[place] = artefact,
            Err(place) => artefacts.insert(place, artefact),
        }
    }

    /// The recorder back, at the end of a run.
    pub fn into_recorder(self) -> Option<Recorder> {
        match self.mode {
            Mode::Recording { recorder, .. } => Some(*recorder),
            Mode::Replaying { .. } => None,
        }
    }

    /// The store back, at the end of a run or a replay.
    pub fn into_store(self) -> Store {
        match self.mode {
            Mode::Recording { recorder, .. } => recorder.store,
            Mode::Replaying { store, .. } => store,
        }
    }

    /// Writes the first event.
    pub fn begin(&mut self, body: &impl Serialize) -> Result<(), Stop> {
        let body = canonical::to_string_sorted(body)?;
        self.append(State::Init, Kind::Mission, body, Beside::Nothing)
    }

    /// Moves the mission on.
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
        self.append(to, Kind::Transition, body, Beside::Time)
    }

    /// Writes an event of the current state.
    pub fn event(&mut self, kind: Kind, body: &impl Serialize) -> Result<(), Stop> {
        let body = canonical::to_string_sorted(body)?;
        self.append(self.state()?, kind, body, Beside::Nothing)
    }

    /// Keeps `content` beside the journal; a replay only names it.
    pub fn keep(&mut self, content: &[u8]) -> Result<Blob, Stop> {
        Ok(match &mut self.mode {
            Mode::Recording { recorder, .. } => {
                secrets::refuse_in("what the mission leaves", content)?;
                recorder.store.put_blob(content)?
            }
            Mode::Replaying { .. } => Blob::of(content),
        })
    }

    /// Makes everything written so far survive. Over a stretch of journal nothing is: if it
    /// turns out that the mission can't go on, nobody shall see that it was tried.
    pub fn commit(&mut self, durability: Durability) -> Result<(), Stop> {
        if let Mode::Recording {
            recorder,
            ahead: None,
        } = &mut self.mode
        {
            recorder.store.commit(durability)?;
        }
        Ok(())
    }

    /// One call whose answer depends on nothing but the mission's own world. Where a journal
    /// lies ahead it is performed again, since its effect went with the process, and the
    /// answer must be the recorded one.
    pub fn call<Q: Serialize, A: Serialize + DeserializeOwned>(
        &mut self,
        kind: Kind,
        request: &Q,
        perform: impl FnOnce(&mut Recorder) -> Result<A, Stop>,
    ) -> Result<A, Stop> {
        let request_text = canonical::to_string_sorted(request)?;
        let answer = match &mut self.mode {
            Mode::Recording { recorder, .. } => perform(recorder)?,
            Mode::Replaying { .. } => match self.ahead()? {
                Some(recorded) if recorded.kind == kind => {
                    let body: CallBody<'_> =
                        serde_json::from_str(&recorded.body).context("journal: body of a call")?;
                    serde_json::from_str(body.answer.get()).context("journal: answer of a call")?
                }
                // There is no answer: what the run asks is not what was asked then.
                recorded => {
                    let expected = recorded.map(side);
                    let body = format!(r#"{{"request":{request_text}}}"#);
                    return Err(self.diverged(expected, kind, body)?);
                }
            },
        };
        let state = self.state()?;
        if let Some(recorded) = self.ahead()?
            && (recorded.state, recorded.kind) == (state, kind)
            && is_call_body(&recorded.body, &answer, &request_text)
        {
            // What is equal is not made once more: it may be hundreds of megabytes.
            self.go_over()?;
            return Ok(answer);
        }
        // A `CallBody`, put together from canonical texts: parsing them again, only to print
        // them again, would cost more than the rest of the call. One of them is held at a time.
        let mut body = canonical::to_string_sorted(&answer)?;
        body.insert_str(0, r#"{"answer":"#);
        body.push_str(r#","request":"#);
        body.push_str(&request_text);
        body.push('}');
        drop(request_text);
        self.append(state, kind, body, Beside::Nothing)?;
        Ok(answer)
    }

    /// One call of the language model: its intent is durable before it leaves, its outcome
    /// before the guest sees it.
    pub fn ask(&mut self, request: &Request) -> Result<Answer, Stop> {
        let request_text = raw(request)?;
        let sha256 = Digest::of(request_text.get());
        let count = self.asked.entry(sha256).or_insert(0);
        *count += 1;
        let asked = Asked {
            request,
            sha256,
            nth: *count,
        };
        // What is settled without the server is settled before anything says it was asked.
        let is_new = self.ahead()?.is_none();
        let known = if is_new { self.known(&asked)? } else { None };
        let intent = IntentBody {
            nth: asked.nth,
            request: &request_text,
            sha256,
        };
        self.event(Kind::LlmIntent, &intent)?;
        let known = match self.ahead()? {
            Some(recorded) if recorded.kind == Kind::LlmOutcome => {
                let body: OutcomeBody = serde_json::from_str(&recorded.body)
                    .context("journal: outcome of a model call")?;
                Some(Answered::recorded(body.answer))
            }
            Some(recorded) => {
                let expected = Some(side(recorded));
                return Err(self.diverged(expected, Kind::LlmOutcome, String::new())?);
            }
            None if is_new => known,
            // The intent is recorded and the last event: whoever resumed the mission says that
            // the call may be made again.
            None => self.known(&asked)?,
        };
        let answered = match known {
            Some(known) => known,
            None => self.send(&asked)?,
        };
        let outcome = canonical::to_string_sorted(&OutcomeBody {
            answer: answered.answer.clone(),
        })?;
        let origin = Beside::Origin(answered.source, answered.provenance);
        self.append(self.state()?, Kind::LlmOutcome, outcome, origin)?;
        if answered.live {
            self.commit(Durability::Power)?;
        }
        Ok(answered.answer)
    }

    /// An answer that is on record outside this mission's journal.
    fn known(&self, asked: &Asked<'_>) -> Result<Option<Answered>, Stop> {
        match &self.mode {
            Mode::Recording { recorder, .. } => Ok(recorder.live.model.known(
                &recorder.store,
                asked.request,
                &asked.sha256,
                asked.nth,
            )?),
            Mode::Replaying { .. } => Ok(None),
        }
    }

    /// Asks the server. The intent, this moment's last event, is durable before the request
    /// leaves; if no answer can have come of it, that is noted beside it.
    fn send(&mut self, asked: &Asked<'_>) -> Result<Answered, Stop> {
        let intent = self.chain.seq();
        let Mode::Recording { recorder, .. } = &mut self.mode else {
            return Err(self.diverged(None, Kind::LlmOutcome, String::new())?);
        };
        let Recorder {
            store, live, id, ..
        } = recorder.as_mut();
        store.put_facts(
            id.number(),
            intent,
            &EventFacts::sent(machine::now_unix_ms()),
        )?;
        // Whoever looks after a crash can see that this call may have been made.
        store.commit(Durability::Power)?;
        match live
            .model
            .call(store, asked.request, &asked.sha256, asked.nth)?
        {
            Ok(answered) => Ok(answered),
            Err(failed) => {
                if !failed.in_doubt {
                    let facts = EventFacts::unanswered(machine::now_unix_ms());
                    store.put_facts(id.number(), intent, &facts)?;
                }
                Err(Stop::Interrupted(failed.error))
            }
        }
    }

    /// What a person has decided about the step the mission is paused at.
    pub fn decision(&mut self) -> Result<DecisionBody, Stop> {
        let recorded = match self.ahead()? {
            Some(recorded) if recorded.kind == Kind::HumanDecision => Some(
                serde_json::from_str(&recorded.body).context("journal: decision of a person")?,
            ),
            Some(recorded) => {
                let expected = Some(side(recorded));
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

    /// The last question: whether the journal goes on where the run has ended.
    pub fn expect_end(&mut self) -> Result<(), Stop> {
        let seq = self.chain.seq() + 1;
        match self.ahead()?.map(side) {
            None => Ok(()),
            expected => Err(Stop::Diverged(Box::new(Divergence {
                seq,
                expected,
                actual: None,
            }))),
        }
    }

    /// Where the mission stands.
    pub fn state(&self) -> Result<State, Stop> {
        Ok(self.progress.state().context("journal: no event yet")?)
    }

    /// The next recorded event; `None` where the run makes the journal or goes on past it.
    fn ahead(&mut self) -> Result<Option<&Record>, Stop> {
        match &mut self.mode {
            Mode::Recording { recorder, ahead } => {
                if let Some(recorded) = ahead
                    && recorded.peek(&recorder.store)?.is_none()
                {
                    // For good: what is found from here on, this process has written.
                    *ahead = None;
                }
                Ok(ahead.as_ref().and_then(|recorded| recorded.page.front()))
            }
            Mode::Replaying { store, recorded } => recorded.peek(store),
        }
    }

    /// Writes an event, or holds it to the recorded one where there is a journal ahead.
    fn append(
        &mut self,
        state: State,
        kind: Kind,
        body: String,
        beside: Beside,
    ) -> Result<(), Stop> {
        let is_recorded = self.ahead()?.is_some();
        let record = match &mut self.mode {
            Mode::Recording { recorder, .. } if !is_recorded => {
                secrets::refuse_in("an event of the journal", body.as_bytes())?;
                let mut chain = self.chain;
                let record = chain.append(state, kind, body);
                let number = recorder.id.number();
                // First: an event never stands there without what belongs beside it.
                if let Some(facts) = beside.facts() {
                    recorder.store.put_facts(number, record.seq, &facts)?;
                }
                recorder.store.append(number, &record)?;
                record
            }
            Mode::Recording { ahead, .. } => {
                let recorded = ahead.as_mut().and_then(|ahead| ahead.page.pop_front());
                self.same(recorded, state, kind, body)?
            }
            Mode::Replaying { recorded, .. } => {
                let recorded = recorded.page.pop_front();
                self.same(recorded, state, kind, body)?
            }
        };
        // Not before it is written or found: a write that fails leaves the chain where it was.
        self.passed(&record)
    }

    /// Goes over the next recorded event, which is what the run does now.
    fn go_over(&mut self) -> Result<(), Stop> {
        let recorded = match &mut self.mode {
            Mode::Recording { ahead, .. } => {
                ahead.as_mut().and_then(|ahead| ahead.page.pop_front())
            }
            Mode::Replaying { recorded, .. } => recorded.page.pop_front(),
        };
        self.passed(&recorded.context("journal: an event is gone")?)
    }

    fn passed(&mut self, record: &Record) -> Result<(), Stop> {
        self.chain = Chain::ending_with(record);
        self.progress
            .apply(record)
            .map_err(|error| anyhow!(error))?;
        Ok(())
    }

    /// The recorded event, if it is what the run does now. Its digest need not be computed
    /// again: it was verified, on a chain that is equal up to here.
    fn same(
        &self,
        recorded: Option<Record>,
        state: State,
        kind: Kind,
        body: String,
    ) -> Result<Record, Stop> {
        match recorded {
            Some(record) if (record.state, record.kind) == (state, kind) && record.body == body => {
                Ok(record)
            }
            recorded => Err(Stop::Diverged(Box::new(Divergence {
                seq: self.chain.seq() + 1,
                expected: recorded.as_ref().map(side),
                actual: Some(Side {
                    state,
                    kind: kind.name(),
                    body,
                }),
            }))),
        }
    }

    /// The run does `kind` next, and the journal has something else there, or nothing.
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

/// Whether `body` is that of a call with this request, in canonical form, and this answer.
fn is_call_body<A: Serialize>(body: &str, answer: &A, request: &str) -> bool {
    let mut comparison = canonical::Comparison::with(body);
    comparison.text(r#"{"answer":"#);
    comparison.value(answer);
    comparison.text(r#","request":"#);
    comparison.text(request);
    comparison.text("}");
    comparison.is_equal()
}

/// What stands beside an event.
enum Beside {
    Nothing,
    Time,
    /// Of an answer: its source and what is known of its making.
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

/// A model call as this run makes it.
struct Asked<'a> {
    request: &'a Request,
    sha256: Digest,
    /// How often this run has asked it, this time included.
    nth: u64,
}

fn raw<T: Serialize>(value: &T) -> Result<Box<RawValue>, Stop> {
    let text = canonical::to_string_sorted(value)?;
    Ok(RawValue::from_string(text).context("journal: canonical form")?)
}

fn side(record: &Record) -> Side {
    Side {
        state: record.state,
        kind: record.kind.name(),
        body: record.body.clone(),
    }
}

impl Recorded {
    fn of(id: MissionId) -> Self {
        Self {
            id,
            page: VecDeque::new(),
            verified: Chain::default(),
        }
    }

    /// The next recorded event, verified against the chain before anybody looks at it.
    fn peek(&mut self, store: &Store) -> Result<Option<&Record>, Stop> {
        if self.page.is_empty() {
            let page = store.page(self.id.number(), self.verified.seq())?;
            for record in &page {
                self.verified
                    .verify(record)
                    .map_err(|broken| anyhow!(broken))?;
            }
            self.page = page.into();
        }
        Ok(self.page.front())
    }
}
