//! Model calls on the tape: the intent, the answer and where it comes from. The intent is on the disk
//! before the request leaves, the answer before the guest sees it. Sends nothing itself: `effects::llm`
//! does.

use anyhow::Context as _;
use coo_kernel::form::canonical;
use coo_kernel::form::digest::Digest;
use coo_kernel::journal::{EventFacts, Kind, OutcomeBody, long_texts};
use coo_kernel::llm::{ModelAnswer, Request};

use super::together::Ready;
use super::{Beside, Mode, Tape, answers, side};
use crate::effects::llm::{Answered, Flight};
use crate::effects::stop::Stop;
use crate::machine;
use crate::progress::{Journal, Update};
use crate::state::store::Durability;

/// A model call of this run.
struct Asked<'a> {
    request: &'a Request,
    sha256: Digest,
    /// How often this run has made the request, including this time.
    nth: u64,
}

impl Tape {
    /// Makes one call of the language model. Its intent is durable before the request is sent, and
    /// its outcome before the guest sees it.
    pub async fn ask(&mut self, request: &Request) -> Result<ModelAnswer, Stop> {
        let sha256 = request.digest()?;
        let count = self.asked.entry(sha256).or_insert(0);
        *count += 1;
        let asked = Asked {
            request,
            sha256,
            nth: *count,
        };
        // Answers and errors that need no server come first, before the journal records an intent.
        let is_new = self.ahead()?.is_none();
        let known = if is_new { self.known(&asked)? } else { None };
        let seq = self.chain.seq() + 1;
        let (intent, contents) = self.conversation.intent(seq, request, sha256, asked.nth)?;
        for content in contents {
            self.keep(&content)?;
        }
        self.event(Kind::LlmIntent, &intent)?;
        let ready = if is_new {
            self.note_carried(&asked);
            self.ready(&asked).await?
        } else {
            None
        };
        let known = match self.ahead()? {
            Some(recorded) if recorded.kind == Kind::LlmOutcome => {
                let body: OutcomeBody = serde_json::from_str(recorded.body)
                    .context("journal: outcome of a model call")?;
                Some(Answered::recorded(self.read(body)?))
            }
            Some(recorded) => {
                let expected = Some(side(&recorded));
                return Err(self.diverged(expected, Kind::LlmOutcome, String::new())?);
            }
            None if ready.is_some() => None,
            None if is_new => known,
            // The intent is the last recorded event, and the user who resumed the mission allows
            // the call to be made again.
            None => self.known(&asked)?,
        };
        // What was made together with others is durable already.
        let is_durable = ready.is_some();
        // Dropped when the answer is durable: until then, other runs with the same request wait.
        let (answered, _flight) = match ready.or(known) {
            Some(known) => (known, None),
            None => self.obtain(&asked).await?,
        };
        for text in long_texts(&answered.answer) {
            self.keep(text.as_bytes())?;
        }
        let outcome = canonical::to_string_sorted(&OutcomeBody::of(&answered.answer))?;
        self.no_longer_in_doubt(&asked, &outcome);
        let is_new = self.counted.insert((sha256, asked.nth));
        self.answers.count(&request.model, &answered, is_new);
        let (source, live) = (answered.source.clone(), answered.live);
        let origin = Beside::Origin(answered.source, answered.provenance);
        self.append_text(self.state()?, Kind::LlmOutcome, &outcome, origin)?;
        if live && !is_durable {
            self.commit(Durability::Power).await?;
        }
        // In the prefix of an earlier process the journal still ends as that one left it.
        if live || !self.is_behind() {
            self.tell(&Update::OnRecord(Journal::Resumable));
        }
        self.tell(&Update::Answered {
            model: &request.model,
            source: &source,
            usage: answers::usage(&answered.answer),
        });
        Ok(answered.answer)
    }

    /// Returns a recorded answer with its text.
    fn read(&self, outcome: OutcomeBody) -> Result<ModelAnswer, Stop> {
        let answer = match &self.mode {
            Mode::Recording { recorder, .. } => recorder
                .live
                .hold
                .shared()
                .with_store(|store| outcome.read(&mut |sha256| Ok(store.blob(sha256)?))),
            Mode::Replaying { store, .. } => outcome.read(&mut |sha256| Ok(store.blob(sha256)?)),
        };
        let answer = answer.map_err(anyhow::Error::from_boxed);
        Ok(answer.context("journal: text of a model call")?)
    }

    /// Returns an answer that is recorded outside this mission's journal, or was recorded in it before
    /// the world moved.
    fn known(&self, asked: &Asked<'_>) -> Result<Option<Answered>, Stop> {
        let Mode::Recording { recorder, .. } = &self.mode else {
            return Ok(None);
        };
        let key = (asked.sha256, asked.nth);
        if recorder.ready.contains_key(&key) {
            return Ok(None);
        }
        if let Some(carried) = recorder.carried.get(&key)
            && let Some(outcome) = &carried.outcome
        {
            let outcome =
                serde_json::from_str(outcome).context("journal: outcome of a model call")?;
            let answer = self.read(outcome)?;
            return Ok(Some(Answered::carried(answer, carried.facts.clone())));
        }
        let live = &recorder.live;
        Ok(live.hold.shared().with_store(|store| {
            live.model
                .known(store, asked.request, &asked.sha256, asked.nth)
        })?)
    }

    /// Returns the answer of a call that was made together with others before the run came to it. Stops the
    /// run if the call has none.
    async fn ready(&mut self, asked: &Asked<'_>) -> Result<Option<Answered>, Stop> {
        let intent = self.chain.seq();
        let Mode::Recording { recorder, .. } = &mut self.mode else {
            return Ok(None);
        };
        let Some(ready) = recorder.ready.remove(&(asked.sha256, asked.nth)) else {
            return Ok(None);
        };
        let number = recorder.id.number();
        let sent = EventFacts::sent(machine::now_unix_ms());
        match ready {
            Ready::Answered(answered) => {
                recorder.batch.put_facts(number, intent, sent);
                Ok(Some(*answered))
            }
            Ready::Failed(failed) => {
                let facts = if failed.in_doubt {
                    sent
                } else {
                    EventFacts::unanswered(machine::now_unix_ms())
                };
                recorder.batch.put_facts(number, intent, facts);
                recorder.commit(Durability::Power).await?;
                Err(Stop::Interrupted(failed.error))
            }
        }
    }

    /// If the call was in doubt beside the journal, and was sent again, it has an answer now.
    fn no_longer_in_doubt(&mut self, asked: &Asked<'_>, outcome: &str) {
        if let Mode::Recording { recorder, .. } = &mut self.mode
            && let Some(carried) = recorder.carried.get_mut(&(asked.sha256, asked.nth))
            && carried.outcome.is_none()
        {
            carried.outcome = Some(outcome.to_owned());
            recorder.batch.carry(recorder.id.number(), carried.clone());
        }
    }

    /// If the answer is one that the run had before the world moved, notes beside the intent, which is the
    /// last event now, that its request was sent then.
    fn note_carried(&mut self, asked: &Asked<'_>) {
        let seq = self.chain.seq();
        if let Mode::Recording { recorder, .. } = &mut self.mode
            && let Some(carried) = recorder.carried.get(&(asked.sha256, asked.nth))
            && carried.sent
            && carried.outcome.is_some()
        {
            let facts = EventFacts::sent(carried.facts.at_ms);
            recorder.batch.put_facts(recorder.id.number(), seq, facts);
        }
    }

    /// Asks the server. If another run of this process is asking the same, waits for its answer
    /// instead, unless each run wants one of its own.
    async fn obtain(&mut self, asked: &Asked<'_>) -> Result<(Answered, Option<Flight>), Stop> {
        let Mode::Recording { recorder, .. } = &mut self.mode else {
            return Err(self.diverged(None, Kind::LlmOutcome, String::new())?);
        };
        if !recorder.live.model.shares_answers() {
            return Ok((self.send(asked).await?, None));
        }
        let flights = recorder.live.flights.clone();
        let key = (asked.sha256, asked.nth);
        let flight = if let Some(flight) = flights.try_enter(key) {
            flight
        } else {
            recorder.live.hold.release()?;
            flights.enter(key).await
        };
        // Another run may have been answered since this one looked.
        if let Some(known) = self.known(asked)? {
            return Ok((known, None));
        }
        Ok((self.send(asked).await?, Some(flight)))
    }

    /// Sends the request. The intent, which is the last event now, is durable before. If the call can't
    /// have been processed, that is noted beside the intent. The run holds nothing while it waits.
    async fn send(&mut self, asked: &Asked<'_>) -> Result<Answered, Stop> {
        let intent = self.chain.seq();
        let Mode::Recording { recorder, .. } = &mut self.mode else {
            return Err(self.diverged(None, Kind::LlmOutcome, String::new())?);
        };
        let number = recorder.id.number();
        // Before the intent is durable: until then nothing is in doubt, however long it takes.
        recorder.live.hold.release()?;
        let (model, most) = (&recorder.live.model, recorder.limits.llm_tokens);
        let admitted = match model.admit(asked.request, most).await? {
            Ok(admitted) => admitted,
            Err(failed) => {
                let facts = EventFacts::unanswered(machine::now_unix_ms());
                recorder.batch.put_facts(number, intent, facts);
                return Err(Stop::Interrupted(failed.error));
            }
        };
        let sent = EventFacts::sent(machine::now_unix_ms());
        recorder.batch.put_facts(number, intent, sent);
        // From here on, a person who stops the process learns that the call may have left.
        (recorder.live.tell)(&Update::OnRecord(Journal::InDoubt));
        // After a crash, the next command can see that this call may have been made.
        recorder.commit(Durability::Power).await?;
        recorder.live.hold.release()?;
        let model = &recorder.live.model;
        let called = model.call(admitted, asked.request, &asked.sha256, asked.nth);
        match called.await? {
            Ok((answered, frozen)) => {
                if let Some(frozen) = frozen {
                    recorder.batch.freeze(frozen);
                }
                Ok(answered)
            }
            Err(failed) => {
                if !failed.in_doubt {
                    let facts = EventFacts::unanswered(machine::now_unix_ms());
                    recorder.batch.put_facts(number, intent, facts);
                }
                Err(Stop::Interrupted(failed.error))
            }
        }
    }
}
