//! What a batch shows on standard error: how far it is, one line for each mission that has not succeeded,
//! the summary, and what Ctrl-C leaves behind. Also makes the line of results of a mission. Decides
//! nothing about a mission.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use coo_kernel::batch::list::Shard;
use coo_kernel::batch::report::{self, MissionResult, Summary};
use coo_kernel::llm::prices::{Micros, Prices};
use coo_kernel::mission::{MissionId, Status};

use crate::cli::{print, progress};
use crate::hint;
use crate::machine::signals::{self, SIGNALS};
use crate::machine::{CLEAR_LINE, Stopwatch};
use crate::mission::batch::{End, Outcome};
use crate::mission::seal::Ended;
use crate::progress::{Journal, MISSION, Update};
use crate::state::store::BatchRow;

/// Time between two updates of the line on a terminal.
const UPDATE: Duration = Duration::from_millis(200);
/// Age of a batch at which a log gets a line. Each further one comes at twice that age.
const FIRST_LINE: Duration = Duration::from_secs(10);

/// The missions at work, each with what its journal holds.
static AT_WORK: Mutex<BTreeMap<MissionId, Journal>> = Mutex::new(BTreeMap::new());

static HAS_NAMED_SERVER: AtomicBool = AtomicBool::new(false);

fn at_work() -> MutexGuard<'static, BTreeMap<MissionId, Journal>> {
    AT_WORK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Learns how far the missions of a batch are. Shows only what concerns all of them.
pub fn tell(update: &Update<'_>) {
    let of_task = MISSION.try_with(|id| *id).ok();
    match (update, of_task) {
        (Update::Began { id, journal }, _) => {
            at_work().insert(*id, *journal);
        }
        (Update::OnRecord(journal), Some(id)) => {
            at_work().insert(id, *journal);
        }
        (Update::Ended, Some(id)) => {
            at_work().remove(&id);
        }
        (
            Update::Server {
                origin,
                named_by,
                key,
            },
            _,
        ) => {
            named_server(origin, named_by, key);
        }
        (Update::Preparing { .. } | Update::Prepared { .. }, _) => progress::tell(update),
        _ => {}
    }
}

/// Each mission names the server; said once.
fn named_server(origin: &str, named_by: &str, key: &str) {
    if !HAS_NAMED_SERVER.swap(true, Ordering::Relaxed) {
        print::note(&format!(
            "model calls go to {origin}, named by {named_by}, {key}"
        ));
    }
}

/// Says of each mission at work how it is continued.
fn last_words() -> String {
    // The run may hold it, and is about to end in any case.
    let Ok(at_work) = AT_WORK.try_lock() else {
        return String::new();
    };
    let line = |(id, journal): (&MissionId, &Journal)| match journal {
        Journal::Empty => None,
        Journal::Resumable => Some(format!("hint: {}\n", hint::to_resume(*id, false))),
        Journal::InDoubt => Some(format!("hint: {}\n", hint::to_resume(*id, true))),
    };
    at_work.iter().filter_map(line).collect()
}

/// How far a batch is.
pub struct View {
    number: u32,
    missions: u32,
    since: Stopwatch,
    shown: Option<Stopwatch>,
    next_line: Duration,
    ended: u32,
    failed: u32,
}

impl View {
    /// Begins to show a batch.
    pub fn begin(batch: &BatchRow, jobs: NonZeroUsize) -> Self {
        let number = batch.number;
        print::note(&format!(
            "batch {number}: {}, {jobs} in flight",
            print::count(batch.missions as usize, "mission")
        ));
        let clear = if print::can_rewrite() { CLEAR_LINE } else { "" };
        signals::catch(vec![SIGNALS.map(|(_, signal)| {
            format!(
                "{clear}ERROR: batch {number}: stopped by {signal}\n\
                 hint: 'coo resume --batch {number}' continues it\n"
            )
        })]);
        signals::set_more(last_words);
        signals::set_situation(Some(0));
        Self {
            number,
            missions: batch.missions,
            since: Stopwatch::start(),
            shown: None,
            next_line: FIRST_LINE,
            ended: 0,
            failed: 0,
        }
    }

    /// Shows that a mission has ended.
    pub fn ended(&mut self, result: &MissionResult) {
        self.ended += 1;
        if let Some(line) = result.failure_line() {
            self.failed += 1;
            print::note(&line);
        }
        let elapsed = self.since.elapsed();
        if print::can_rewrite() {
            if self.shown.is_none_or(|shown| shown.elapsed() >= UPDATE) {
                self.shown = Some(Stopwatch::start());
                print::status(&self.line(elapsed));
            }
        } else if elapsed >= self.next_line {
            self.next_line = elapsed * 2;
            print::note(&self.line(elapsed));
        }
    }

    fn line(&self, elapsed: Duration) -> String {
        let Self {
            number,
            missions,
            ended,
            failed,
            ..
        } = self;
        let rate = f64::from(*ended) / elapsed.as_secs_f64().max(0.001);
        let left = f64::from(missions - ended) / rate.max(0.001);
        let in_flight = at_work().len();
        format!(
            "batch {number}: {ended} of {missions} ended, {failed} without success, {in_flight} in flight, {rate:.1}/s, {left:.0} s left"
        )
    }

    /// Shows the end of the batch.
    pub fn end(self, summary: &Summary) {
        signals::set_situation(None);
        if print::can_rewrite() {
            print::clear_status();
        }
        let counts = &summary.counts;
        let each = [
            (counts.success, "SUCCESS"),
            (counts.failed, "FAILED"),
            (counts.paused, "PAUSED"),
            (counts.interrupted, "INTERRUPTED"),
            (counts.refused, "REFUSED"),
        ];
        let each: Vec<String> = each
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        let seconds = self.since.elapsed().as_secs_f64();
        let tokens = match (summary.tokens_in, summary.tokens_out) {
            (0, 0) => String::new(),
            (asked, answered) => format!(", {asked} tokens in, {answered} out"),
        };
        print::note(&format!(
            "batch {}: {}: {}{tokens}, {seconds:.1} s",
            self.number,
            print::count(self.missions as usize, "mission"),
            each.join(", ")
        ));
        if counts.interrupted > 0 {
            print::next(&format!(
                "'coo resume --batch {}' continues it",
                self.number
            ));
        }
    }
}

/// Returns the line of results of a mission.
pub fn result(outcome: Outcome, shard: Shard, prices: &Prices) -> MissionResult {
    let Outcome { item, end } = outcome;
    let mut result = MissionResult {
        index: shard.position(item.place as usize - 1) as u64 + 1,
        id: item.label,
        mission: item.mission,
        status: report::Outcome::Refused,
        reason: None,
        output: None,
        chain_head: None,
        fuel: 0,
        tokens_in: 0,
        tokens_out: 0,
        cost_micros: None,
        elapsed_ms: 0,
    };
    match end {
        End::Ran(ended) => {
            result.mission = Some(ended.id);
            result.status = status(ended.status);
            result.reason = crate::cli::run::reason(&ended);
            result.output = Some(String::from_utf8_lossy(&ended.output).into_owned());
            result.chain_head = Some(ended.chain_head);
            result.fuel = ended.facts.fuel;
            result.tokens_in = ended.answers.tokens_in;
            result.tokens_out = ended.answers.tokens_out;
            result.cost_micros = cost(&ended, prices);
            result.elapsed_ms = ended.facts.elapsed_us / 1_000;
        }
        End::Known(known) => {
            let ended = known
                .progress
                .status(known.mission.interrupted.is_some(), || false);
            result.mission = Some(known.mission.id);
            result.status = status(ended);
            result.reason = crate::cli::events::reason(&known.mission, &known.progress, ended);
            result.output = Some(String::from_utf8_lossy(&known.output).into_owned());
            result.chain_head = Some(known.chain_head);
            result.fuel = known.mission.facts.fuel;
            result.tokens_in = known.tokens_in;
            result.tokens_out = known.tokens_out;
            result.elapsed_ms = known.mission.facts.elapsed_us / 1_000;
        }
        End::InDoubt(id, call) => {
            result.mission = Some(id);
            result.status = report::Outcome::Interrupted;
            result.reason = Some(format!(
                "{}: {} of the model {} may have been processed; --resend sends each again",
                call.place(),
                if call.calls > 1 {
                    format!("{} calls, the first one", call.calls)
                } else {
                    "a call".to_owned()
                },
                call.model
            ));
        }
        End::Failed(error) => {
            if item.mission.is_some() {
                result.status = report::Outcome::Interrupted;
            }
            result.reason = Some(hint::flat(&error));
        }
    }
    result
}

/// Returns what the live calls of a run cost; `None` if one of its models has no price.
fn cost(ended: &Ended, prices: &Prices) -> Option<Micros> {
    let mut live = ended.answers.live_tokens.iter();
    live.try_fold(Micros(0), |sum, (model, (tokens_in, tokens_out))| {
        let price = prices.models.get(model)?;
        Some(sum.plus(price.cost(*tokens_in, *tokens_out)))
    })
}

const fn status(status: Status) -> report::Outcome {
    match status {
        Status::Success => report::Outcome::Success,
        Status::Failed => report::Outcome::Failed,
        Status::Paused => report::Outcome::Paused,
        Status::Interrupted | Status::Running | Status::Damaged => report::Outcome::Interrupted,
    }
}
