//! The tape: through it goes everything a run says and is told. Recording, it performs a
//! call, journals it and hands the answer on; replaying, it answers from the journal and
//! compares every byte the run produces with what was recorded.
//!
//! Architecture invariant: the code that runs a mission is the same for both and can't tell
//! which one it has. A replaying tape holds nothing a call could be performed with.

use std::collections::{HashMap, VecDeque};

use anyhow::{Context as _, anyhow};
use coo_kernel::artefact::Artefact;
use coo_kernel::canonical;
use coo_kernel::digest::Digest;
use coo_kernel::failure::Failure;
use coo_kernel::journal::{
    Blob, CallBody, Chain, Divergence, IntentBody, Kind, OutcomeBody, Progress, Record, Side,
    TransitionBody, WorldBody,
};
use coo_kernel::llm::{Answer, Provenance, Request};
use coo_kernel::mission::MissionId;
use coo_kernel::state::{self, Event, State};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::live::Live;
use crate::llm::Answered;
use crate::machine;
use crate::stop::Stop;
use crate::store::{Durability, EventFacts, Store};

/// See the module.
pub struct Tape {
    mode: Mode,
    chain: Chain,
    progress: Progress,
    /// How often this run has asked each request.
    asked: HashMap<Digest, u64>,
    /// What the mission changes, from the answers it was given.
    changes: WorldBody,
}

enum Mode {
    Recording(Box<Recorder>),
    Replaying(Box<Replayer>),
}

/// What a recording tape performs calls with and writes to.
pub struct Recorder {
    /// The store; a transaction is open from the first event on.
    pub store: Store,
    /// The mission's number.
    pub id: MissionId,
    /// World, gateway and model.
    pub live: Live,
}

/// A journal being replayed.
pub struct Replayer {
    store: Store,
    id: MissionId,
    recorded: VecDeque<Record>,
    verified: Chain,
}

impl Tape {
    /// A tape that records.
    pub fn record(recorder: Recorder) -> Self {
        Self::new(Mode::Recording(Box::new(recorder)))
    }

    /// A tape that replays the journal of `id`.
    pub fn replay(store: Store, id: MissionId) -> Self {
        Self::new(Mode::Replaying(Box::new(Replayer {
            store,
            id,
            recorded: VecDeque::new(),
            verified: Chain::default(),
        })))
    }

    fn new(mode: Mode) -> Self {
        Self {
            mode,
            chain: Chain::default(),
            progress: Progress::default(),
            asked: HashMap::new(),
            changes: WorldBody {
                artefacts: Vec::new(),
                db_executes: 0,
            },
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
            Mode::Recording(recorder) => Some(*recorder),
            Mode::Replaying(_) => None,
        }
    }

    /// Writes the first event.
    pub fn begin(&mut self, body: &impl Serialize) -> Result<(), Stop> {
        self.append(
            State::Init,
            Kind::Mission,
            canonical::to_string_sorted(body)?,
        )
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
        self.append(to, Kind::Transition, canonical::to_string_sorted(&body)?)?;
        self.note(None)
    }

    /// Writes an event of the current state.
    pub fn event(&mut self, kind: Kind, body: &impl Serialize) -> Result<(), Stop> {
        let state = self.state()?;
        self.append(state, kind, canonical::to_string_sorted(body)?)
    }

    /// Keeps `content` beside the journal; a replay only names it.
    pub fn keep(&mut self, content: &[u8]) -> Result<Blob, Stop> {
        Ok(match &mut self.mode {
            Mode::Recording(recorder) => recorder.store.put_blob(content)?,
            Mode::Replaying(_) => Blob::of(content),
        })
    }

    /// Makes everything written so far survive.
    pub fn commit(&mut self, durability: Durability) -> Result<(), Stop> {
        if let Mode::Recording(recorder) = &mut self.mode {
            recorder.store.commit(durability)?;
        }
        Ok(())
    }

    /// One call whose answer depends on nothing but the mission's own world.
    pub fn call<Q: Serialize, A: Serialize + DeserializeOwned>(
        &mut self,
        kind: Kind,
        request: &Q,
        perform: impl FnOnce(&mut Recorder) -> Result<A, Stop>,
    ) -> Result<A, Stop> {
        let request_text = canonical::to_string_sorted(request)?;
        let answer = match &mut self.mode {
            Mode::Recording(recorder) => perform(recorder)?,
            Mode::Replaying(replayer) => match replayer.peek()? {
                Some(recorded) if recorded.kind == kind => {
                    let body: CallBody<'_> =
                        serde_json::from_str(&recorded.body).context("journal: body of a call")?;
                    serde_json::from_str(body.answer.get()).context("journal: answer of a call")?
                }
                // There is no answer: what the run asks is not what was asked then.
                recorded => {
                    let expected = recorded.map(side);
                    let body = format!(r#"{{"request":{request_text}}}"#);
                    let state = self.state()?;
                    return Err(self.diverged(
                        expected,
                        Some(Side {
                            state,
                            kind: kind.name(),
                            body,
                        }),
                    ));
                }
            },
        };
        let answer_text = canonical::to_string_sorted(&answer)?;
        // A `CallBody`, put together from canonical texts: parsing them again, only to print
        // them again, would cost more than the rest of the call.
        let body = format!(r#"{{"answer":{answer_text},"request":{request_text}}}"#);
        self.append(self.state()?, kind, body)?;
        Ok(answer)
    }

    /// One call of the language model: its intent is durable before it leaves, its outcome
    /// before the guest sees it.
    pub fn ask(&mut self, request: &Request) -> Result<Answer, Stop> {
        let request_text = raw(request)?;
        let sha256 = Digest::of(request_text.get());
        let count = self.asked.entry(sha256).or_insert(0);
        *count += 1;
        let nth = *count;
        let known = match &self.mode {
            Mode::Recording(recorder) => {
                recorder
                    .live
                    .model
                    .known(&recorder.store, request, &sha256, nth)?
            }
            Mode::Replaying(_) => None,
        };
        self.event(
            Kind::LlmIntent,
            &IntentBody {
                nth,
                request: &request_text,
                sha256,
            },
        )?;
        let answered = match (&mut self.mode, known) {
            (_, Some(known)) => known,
            (Mode::Recording(recorder), None) => {
                let Recorder { store, live, .. } = recorder.as_mut();
                live.model.call(store, request, &sha256, nth)?
            }
            (Mode::Replaying(replayer), None) => match replayer.peek()? {
                Some(recorded) if recorded.kind == Kind::LlmOutcome => {
                    let body: OutcomeBody = serde_json::from_str(&recorded.body)
                        .context("journal: outcome of a model call")?;
                    Answered {
                        answer: body.answer,
                        source: String::new(),
                        provenance: None,
                        live: false,
                    }
                }
                recorded => {
                    let expected = recorded.map(side);
                    let state = self.state()?;
                    let actual = Side {
                        state,
                        kind: Kind::LlmOutcome.name(),
                        body: String::new(),
                    };
                    return Err(self.diverged(expected, Some(actual)));
                }
            },
        };
        self.event(
            Kind::LlmOutcome,
            &OutcomeBody {
                answer: answered.answer.clone(),
            },
        )?;
        self.note(Some((answered.source, answered.provenance)))?;
        if answered.live {
            self.commit(Durability::Power)?;
        }
        Ok(answered.answer)
    }

    /// A replay's last question: whether the journal goes on where the run has ended.
    pub fn expect_end(&mut self) -> Result<(), Stop> {
        let Mode::Replaying(replayer) = &mut self.mode else {
            return Ok(());
        };
        match replayer.peek()?.map(side) {
            None => Ok(()),
            expected => Err(self.diverged(expected, None)),
        }
    }

    /// Where the mission stands.
    pub fn state(&self) -> Result<State, Stop> {
        Ok(self.progress.state().context("journal: no event yet")?)
    }

    /// Writes down what stands beside the last event.
    fn note(&mut self, origin: Option<(String, Option<Provenance>)>) -> Result<(), Stop> {
        if let Mode::Recording(recorder) = &mut self.mode {
            let (source, provenance) = origin.unzip();
            let facts = EventFacts {
                at_ms: machine::now_unix_ms(),
                source,
                provenance: provenance.flatten(),
            };
            recorder
                .store
                .append_facts(recorder.id.number(), self.chain.seq(), &facts)?;
        }
        Ok(())
    }

    fn append(&mut self, state: State, kind: Kind, body: String) -> Result<(), Stop> {
        let record = self.chain.append(state, kind, body);
        match &mut self.mode {
            Mode::Recording(recorder) => recorder.store.append(recorder.id.number(), &record)?,
            Mode::Replaying(replayer) => {
                let expected = replayer.take()?;
                if expected.as_ref() != Some(&record) {
                    return Err(Stop::Diverged(Box::new(Divergence {
                        seq: record.seq,
                        expected: expected.as_ref().map(side),
                        actual: Some(side(&record)),
                    })));
                }
            }
        }
        self.progress
            .apply(&record)
            .map_err(|error| anyhow!(error))?;
        Ok(())
    }

    fn diverged(&self, expected: Option<Side>, actual: Option<Side>) -> Stop {
        let seq = self.chain.seq() + 1;
        Stop::Diverged(Box::new(Divergence {
            seq,
            expected,
            actual,
        }))
    }
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

impl Replayer {
    /// The next recorded event, verified against the chain before anybody looks at it.
    fn peek(&mut self) -> Result<Option<&Record>, Stop> {
        if self.recorded.is_empty() {
            let page = self.store.page(self.id.number(), self.verified.seq())?;
            for record in &page {
                self.verified
                    .verify(record)
                    .map_err(|broken| anyhow!(broken))?;
            }
            self.recorded = page.into();
        }
        Ok(self.recorded.front())
    }

    fn take(&mut self) -> Result<Option<Record>, Stop> {
        self.peek()?;
        Ok(self.recorded.pop_front())
    }
}
