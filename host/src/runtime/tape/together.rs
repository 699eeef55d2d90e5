//! Model calls that a run makes together. They are sent at the same time, and the journal holds them as
//! if they were made one after the other: while they are under way they are kept beside it, each before
//! it leaves and with its answer, so that a crash neither loses an answer nor hides a call in doubt.
//! Sends nothing itself, and decides no order: the guest's own order is the record's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use coo_kernel::form::canonical;
use coo_kernel::form::digest::Digest;
use coo_kernel::journal::{EventFacts, OutcomeBody, long_texts};
use coo_kernel::llm::Request;
use futures_util::StreamExt as _;
use futures_util::stream;
use tokio::sync::Mutex;

use super::recorder::Recorder;
use super::{Mode, Tape};
use crate::effects::llm::{Answered, Failed, Flight};
use crate::effects::secrets;
use crate::effects::stop::Stop;
use crate::machine;
use crate::progress::{Journal, Update};
use crate::runtime::hold::Hold;
use crate::runtime::live::Live;
use crate::state::store::{AskedInShort, Carried, Durability, WriteBatch};

/// Most calls of one run that are under way at the same time.
pub const TOGETHER_MAX: usize = 64;

/// How a call that was made together with others has ended, until the journal comes to it.
pub(super) enum Ready {
    Answered(Box<Answered>),
    /// It has no answer; the run stops when it comes to it.
    Failed(Failed),
}

/// A call that is to be made.
struct Call {
    request: Request,
    sha256: Digest,
    nth: u64,
    /// `None` if each run wants an answer of its own.
    _flight: Option<Flight>,
}

impl Tape {
    /// Sends those of `requests`, which the run makes next and in this order, that have no answer on
    /// record. Returns false if the run is still in the journal of an earlier process, where nothing
    /// may be sent yet.
    pub async fn ask_together(&mut self, requests: &[Request]) -> Result<bool, Stop> {
        if matches!(self.mode, Mode::Replaying { .. }) {
            return Ok(true);
        }
        if self.ahead()?.is_some() {
            return Ok(false);
        }
        let mut counts = self.asked.clone();
        let Mode::Recording { recorder, .. } = &mut self.mode else {
            return Ok(true);
        };
        let mut calls = Vec::new();
        for request in requests {
            let sha256 = request.digest()?;
            let nth = counts.entry(sha256).or_insert(0);
            *nth += 1;
            match recorder.to_send(request, sha256, *nth) {
                Ok(Some(call)) => calls.push(call),
                Ok(None) => {}
                // The run stops there with the same error, once it has used what comes before.
                Err(_) => break,
            }
        }
        if calls.len() > 1 {
            recorder.send_all(calls).await?;
        }
        Ok(true)
    }
}

impl Recorder {
    /// Returns the call, if the server must be asked and no other run is asking it the same.
    fn to_send(&self, request: &Request, sha256: Digest, nth: u64) -> Result<Option<Call>, Stop> {
        let key = (sha256, nth);
        for image in request.messages.iter().flat_map(|message| &message.images) {
            secrets::refuse_in("an image for a model", &image.content)?;
        }
        let is_carried = self
            .carried
            .get(&key)
            .is_some_and(|carried| carried.outcome.is_some());
        if is_carried || self.ready.contains_key(&key) {
            return Ok(None);
        }
        let model = &self.live.model;
        // First, so that no other run is answered and done between the two.
        let flight = if model.shares_answers() {
            match self.live.flights.try_enter(key) {
                None => return Ok(None),
                flight => flight,
            }
        } else {
            None
        };
        let shared = self.live.hold.shared();
        let known = shared.with_store(|store| model.known(store, request, &sha256, nth))?;
        if known.is_some() {
            return Ok(None);
        }
        Ok(Some(Call {
            request: request.clone(),
            sha256,
            nth,
            _flight: flight,
        }))
    }

    /// Makes the calls, and keeps how each ended.
    async fn send_all(&mut self, calls: Vec<Call>) -> Result<(), Stop> {
        let number = self.id.number();
        // What they follow is on disk before they are.
        self.commit(Durability::Power).await?;
        self.live.hold.release()?;
        let turns = Arc::new(Mutex::new(()));
        let live = &self.live;
        let tokens_left = self.limits.llm_tokens;
        let has_failed = Arc::new(AtomicBool::new(false));
        let ended: Vec<_> = stream::iter(calls)
            .map(|call| {
                let notes = Notes {
                    hold: live.hold.clone(),
                    turns: Arc::clone(&turns),
                    has_failed: Arc::clone(&has_failed),
                    number,
                };
                async move {
                    let key = (call.sha256, call.nth);
                    let ready = send(live, &notes, &call, tokens_left).await;
                    if !matches!(ready, Ok(None | Some(Ready::Answered(_)))) {
                        notes.has_failed.store(true, Ordering::Relaxed);
                    }
                    Ok::<_, Stop>((key, ready?))
                }
            })
            .buffer_unordered(TOGETHER_MAX)
            .collect()
            .await;
        for ended in ended {
            let (key, ready) = ended?;
            self.ready.extend(ready.map(|ready| (key, ready)));
        }
        let is_in_doubt = |ready: &Ready| matches!(ready, Ready::Failed(failed) if failed.in_doubt);
        let journal = if self.ready.values().any(is_in_doubt) {
            Journal::InDoubt
        } else {
            Journal::Resumable
        };
        (self.live.tell)(&Update::OnRecord(journal));
        Ok(())
    }
}

async fn send(
    live: &Live,
    notes: &Notes,
    call: &Call,
    tokens_left: u64,
) -> Result<Option<Ready>, Stop> {
    let Call {
        request,
        sha256,
        nth,
        ..
    } = call;
    let admitted = match live.model.admit(request, tokens_left).await? {
        Ok(admitted) => admitted,
        Err(failed) => return Ok(Some(Ready::Failed(failed))),
    };
    if notes.has_failed.load(Ordering::Relaxed) {
        admitted.give_back();
        return Ok(None);
    }
    let note = |facts: EventFacts, sent, outcome| Carried {
        request_sha256: *sha256,
        nth: *nth,
        outcome,
        facts,
        sent,
        asked: Some(AskedInShort {
            max_tokens: request.max_tokens,
            model: request.model.clone(),
        }),
    };
    (live.tell)(&Update::OnRecord(Journal::InDoubt));
    let left = EventFacts::sent(machine::now_unix_ms());
    let mut batch = WriteBatch::default();
    batch.carry(notes.number, note(left, true, None));
    notes.write(batch).await?;
    match live.model.call(admitted, request, sha256, *nth).await? {
        Ok((answered, frozen)) => {
            let mut batch = WriteBatch::default();
            for text in long_texts(&answered.answer) {
                batch.put_blob(text.as_bytes());
            }
            let outcome = canonical::to_string_sorted(&OutcomeBody::of(&answered.answer))?;
            let facts = EventFacts {
                at_ms: machine::now_unix_ms(),
                source: Some(answered.source.clone()),
                provenance: answered.provenance.clone(),
            };
            batch.carry(notes.number, note(facts, true, Some(outcome)));
            if let Some(frozen) = frozen {
                batch.freeze(frozen);
            }
            notes.write(batch).await?;
            Ok(Some(Ready::Answered(Box::new(answered))))
        }
        Err(failed) => {
            if !failed.in_doubt {
                let facts = EventFacts::unanswered(machine::now_unix_ms());
                let mut batch = WriteBatch::default();
                batch.carry(notes.number, note(facts, false, None));
                notes.write(batch).await?;
            }
            Ok(Some(Ready::Failed(failed)))
        }
    }
}

/// Writes what is known of calls under way. The calls of one run take the root's turn one by one.
struct Notes {
    hold: Hold,
    turns: Arc<Mutex<()>>,
    /// Whether a call has failed, so that no further one should leave.
    has_failed: Arc<AtomicBool>,
    number: u32,
}

impl Notes {
    /// Makes the writes durable.
    async fn write(&self, mut batch: WriteBatch) -> Result<(), Stop> {
        let _turn = self.turns.lock().await;
        self.hold.take().await?;
        let committed = self.hold.commit(&mut batch);
        // Whatever came of it: others must not wait for calls that are under way.
        self.hold.release()?;
        committed?;
        self.hold.shared().sync().await?;
        Ok(())
    }
}
