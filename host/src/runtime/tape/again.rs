//! A run whose world has moved: other missions have changed what it has read, or the turn ended in
//! which it had changed something. What it has asked of the world so far is asked again and compared,
//! without its guest. If an answer differs, the guest executes again over the journal, as a resume
//! does; where it is answered differently, the rest of the journal is replaced, and the model answers
//! in that rest are kept, so that nothing is asked or paid twice (design, "Many missions at once").
//!
//! Never decides that a mission ends, and never removes an event of a mission that has ended, or the
//! decision of a person.

use anyhow::{Context as _, anyhow};
use coo_kernel::effects::artefact::{self, WriteRequest};
use coo_kernel::effects::db::Statement;
use coo_kernel::form::canonical::{Canonical, Comparison};
use coo_kernel::form::digest::Digest;
use coo_kernel::journal::{CallBody, IntentBody, Kind, Record};

use super::recorded::Recorded;
use super::recorder::Recorder;
use super::{Mode, Tape, is_call_body};
use crate::effects::stop::Stop;
use crate::effects::world::Bounds;
use crate::hint::Hint as _;
use crate::machine::Stopwatch;
use crate::progress::Update;
use crate::state::store::Carried;

impl Tape {
    /// Waits for the turn of a recording run, and brings the world to where the run had left it. Fails
    /// with `Stop::Moved` if the world answers otherwise now.
    pub async fn catch_up(&mut self) -> Result<(), Stop> {
        let last = self.chain.seq();
        let Mode::Recording { recorder, ahead } = &mut self.mode else {
            return Ok(());
        };
        let hold = recorder.live.hold.clone();
        hold.release_if_wanted()?;
        hold.take().await?;
        if !hold.is_lost() {
            return Ok(());
        }
        let begun = Stopwatch::start();
        if ahead.is_none() {
            recorder.write()?;
        }
        recorder.forget();
        if !recorder.asks_again(last)? {
            return Err(Stop::Moved);
        }
        hold.has_caught_up(begun.elapsed());
        Ok(())
    }

    /// Returns the tape of another execution of the same run, after `Stop::Moved`.
    pub fn again(self) -> Result<Self, Stop> {
        let Mode::Recording { mut recorder, .. } = self.mode else {
            return Err(anyhow!("a replay: nothing can have moved").into());
        };
        recorder.forget();
        let mut tape = Self::resume(*recorder);
        tape.answers = self.answers.of_another_execution();
        tape.counted = self.counted;
        Ok(tape)
    }

    /// If the next recorded event is this very call with another answer, the world has moved: replaces
    /// the rest of the record. Does nothing otherwise.
    pub(super) fn cut_if_moved(
        &mut self,
        kind: Kind,
        request: &impl Canonical,
    ) -> Result<(), Stop> {
        let state = self.state()?;
        let Mode::Recording { recorder, ahead } = &mut self.mode else {
            return Ok(());
        };
        let Some(recorded) = ahead else {
            return Ok(());
        };
        let Some(next) = recorded.front() else {
            return Ok(());
        };
        if (next.state, next.kind) != (state, kind) {
            return Ok(());
        }
        let mut comparison = Comparison::with(self::request(next.body)?.get());
        request.write_to(&mut comparison);
        if !comparison.is_equal() {
            return Ok(());
        }
        let from = next.seq;
        let carried = recorder.answers_of(recorded)?;
        let keys = |carried: Carried| ((carried.request_sha256, carried.nth), carried);
        recorder.carried.extend(carried.iter().cloned().map(keys));
        recorder.batch.cut(recorder.id.number(), from, carried);
        *ahead = None;
        (recorder.live.tell)(&Update::Moved { seq: from });
        Ok(())
    }
}

impl Recorder {
    /// Performs the recorded calls to the world and the gateway again, up to event `last`. Returns
    /// false at the first answer that differs from the record.
    fn asks_again(&mut self, last: u64) -> Result<bool, Stop> {
        let shared = self.live.hold.shared();
        let mut seq = 0;
        while seq < last {
            let number = self.id.number();
            let events = shared.with_store(|store| store.events_after(number, seq))?;
            for record in events.iter().take_while(|record| record.seq <= last) {
                if !self.is_answered_alike(record)? {
                    return Ok(false);
                }
            }
            seq = events.last().map_or(last, |record| record.seq);
        }
        Ok(true)
    }

    fn is_answered_alike(&mut self, record: &Record) -> Result<bool, Stop> {
        if !record.kind.asks_world() {
            return Ok(true);
        }
        let text = request(&record.body)?.get();
        let bounds = Bounds {
            limits: &self.limits,
            deadline: None,
            first_time: true,
        };
        let hold = self.live.hold.clone();
        hold.note_asked(record.kind.changes_world());
        if record.kind == Kind::GatewayWrite {
            let request: WriteRequest = serde_json::from_str(text).context(UNREADABLE)?;
            // A path that was refused is refused in every world.
            let Ok(permit) = artefact::permit(&request.path) else {
                return Ok(true);
            };
            let shared = hold.shared();
            let (root, gateway) = (shared.root(), &mut self.live.gateway);
            let answer =
                shared.with_store(|store| gateway.stage(root, store, &permit, &request))?;
            return Ok(is_call_body(&record.body, &answer, &request));
        }
        let statement: Statement = serde_json::from_str(text).context(UNREADABLE)?;
        hold.with_world(|world| {
            Ok(match record.kind {
                Kind::DbQuery => {
                    is_call_body(&record.body, &world.query(&statement, bounds)?, &statement)
                }
                Kind::DbReturning => is_call_body(
                    &record.body,
                    &world.returning(&statement, bounds)?,
                    &statement,
                ),
                _ => is_call_body(
                    &record.body,
                    &world.execute(&statement, bounds)?,
                    &statement,
                ),
            })
        })
    }

    /// Takes the model answers of the events that `recorded` still has.
    fn answers_of(&self, recorded: &mut Recorded) -> Result<Vec<Carried>, Stop> {
        let shared = self.live.hold.shared();
        let number = self.id.number();
        let facts = |seq| shared.with_store(|store| store.event_facts(number, seq));
        let mut carried = Vec::new();
        let mut asked: Option<(Digest, u64, bool)> = None;
        while !self.is_at_end_of(recorded)? {
            let Some(record) = recorded.front() else {
                break;
            };
            match (record.kind, asked.take()) {
                (Kind::LlmIntent, _) => {
                    let intent: IntentBody =
                        serde_json::from_str(record.body).context(UNREADABLE)?;
                    let facts = facts(record.seq)?;
                    let sent = facts.is_some_and(|facts| facts.is_sent());
                    asked = Some((intent.sha256, intent.nth, sent));
                }
                (Kind::LlmOutcome, Some((request_sha256, nth, sent))) => {
                    carried.push(Carried {
                        request_sha256,
                        nth,
                        facts: facts(record.seq)?.context("journal: an answer without facts")?,
                        outcome: Some(record.body.to_owned()),
                        sent,
                        asked: None,
                    });
                }
                (Kind::HumanDecision, _) => {
                    // It was about what the mission had done then, and it stays on record.
                    let moved = anyhow!(
                        "what the mission has read has changed since a person decided about it"
                    );
                    return Err(moved.hint("run the mission again").into());
                }
                _ => {}
            }
            recorded.pass();
        }
        Ok(carried)
    }
}

const UNREADABLE: &str = "journal: body of a call";

fn request(body: &str) -> Result<&serde_json::value::RawValue, Stop> {
    let body: CallBody<'_> = serde_json::from_str(body).context(UNREADABLE)?;
    Ok(body.request)
}
