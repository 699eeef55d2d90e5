//! When the next model call may leave for one server: first come, first served, under limits of
//! requests a minute, tokens a minute and calls in flight, and never before a time that the server
//! named (`Retry-After`).
//!
//! A sliding window, not a token bucket: a full bucket that refills lets nearly twice its size leave
//! within one minute, and servers answer that with 429. The window remembers each call of the last 60
//! seconds, so these bounds hold exactly, for every span of 60 seconds (its end excluded) and by the
//! times that the caller gives:
//!
//! - no more than `requests_per_minute` calls leave;
//! - the calls that leave have no more than `tokens_per_minute` tokens together, each counted as the
//!   server reported it, or as it was estimated until then. There are two exceptions: a call whose
//!   estimate alone is above the limit leaves when the window is empty of tokens, and a server may
//!   report more than the estimate; the excess then delays later calls.
//!
//! Invariant: pure. It reads no clock, and time that runs backwards counts as standing still.

use std::collections::VecDeque;

use crate::llm::limits::CallLimits;

/// Length of the window.
pub const WINDOW_MS: u64 = 60_000;

/// The calls to one server.
#[derive(Debug, Default)]
pub struct Pace {
    limits: CallLimits,
    /// Calls that have not left, in the order in which they came.
    waiting: VecDeque<Waiting>,
    /// Calls that left within the last `WINDOW_MS`, in order. Empty if no limit needs it.
    window: VecDeque<Left>,
    /// Tokens of the whole window. Wide, so that a sum of what servers report can't overflow.
    window_tokens: u128,
    in_flight: u32,
    not_before_ms: u64,
    /// Latest time that was given.
    now_ms: u64,
    turns: u64,
    tickets: u64,
}

/// A place in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn(u64);

/// A call that has left. It counts as in flight until it is settled or cancelled.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a call that is never settled stays in flight"]
pub struct Ticket {
    number: u64,
    /// Whose turn it was.
    pub turn: Turn,
}

/// Whether the first call of the queue may leave.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// It leaves now.
    Go(Ticket),
    /// Not before this time. Ask again then, and after each `settle`, `cancel` and `leave`.
    WaitUntil(u64),
    /// Not before a call in flight is settled or cancelled.
    WaitForSettle,
    /// The queue is empty.
    Idle,
}

#[derive(Debug)]
struct Waiting {
    turn: Turn,
    tokens: u64,
}

#[derive(Debug)]
struct Left {
    number: u64,
    at_ms: u64,
    tokens: u64,
}

impl Pace {
    /// Returns the pace of a server that nothing has been sent to.
    pub fn new(limits: CallLimits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Puts a call at the end of the queue. Each attempt of a call is a request to the server, so each
    /// joins the queue. `tokens`: the most that its question and its answer may
    /// have (`budget::Need`).
    pub fn join(&mut self, tokens: u64) -> Turn {
        let turn = Turn(self.turns);
        self.turns += 1;
        self.waiting.push_back(Waiting { turn, tokens });
        turn
    }

    /// Removes a call that does not want to leave any more. One that has left is not in the queue.
    pub fn leave(&mut self, turn: Turn) {
        if let Ok(place) = self.waiting.binary_search_by_key(&turn, |call| call.turn) {
            self.waiting.remove(place);
        }
    }

    /// Lets no call leave before `until_ms`, which a server named in an answer to any of them. An
    /// earlier time than one named before changes nothing. The caller decides how long a wait it
    /// accepts (`llm::protocol::retry`).
    pub fn hold(&mut self, until_ms: u64) {
        self.not_before_ms = self.not_before_ms.max(until_ms);
    }

    /// Lets the first call of the queue leave, if it may.
    pub fn ask(&mut self, now_ms: u64) -> Answer {
        self.advance(now_ms);
        let Some(first) = self.waiting.front() else {
            return Answer::Idle;
        };
        let (turn, tokens) = (first.turn, first.tokens);
        if self
            .limits
            .calls_in_flight
            .is_some_and(|most| self.in_flight >= most)
        {
            return Answer::WaitForSettle;
        }
        let free_ms = self.free_at(tokens).max(self.not_before_ms);
        if free_ms > self.now_ms {
            return Answer::WaitUntil(free_ms);
        }
        self.waiting.pop_front();
        let number = self.tickets;
        self.tickets += 1;
        self.in_flight = self.in_flight.saturating_add(1);
        if self.has_window() {
            self.window_tokens += u128::from(tokens);
            self.window.push_back(Left {
                number,
                at_ms: self.now_ms,
                tokens,
            });
        }
        Answer::Go(Ticket { number, turn })
    }

    /// Ends a call that was sent. `tokens`: as the server reported them; the estimate if it reported
    /// none; 0 for a call that failed, which gives its reservation back. The request itself counts,
    /// because the server has seen it.
    pub fn settle(&mut self, ticket: Ticket, tokens: u64, now_ms: u64) {
        self.advance(now_ms);
        self.end(ticket, Some(tokens));
    }

    /// Ends a call of which nothing was sent: it counts neither as a request nor with its tokens.
    pub fn cancel(&mut self, ticket: Ticket) {
        self.end(ticket, None);
    }

    #[expect(clippy::needless_pass_by_value, reason = "a ticket is used once")]
    fn end(&mut self, ticket: Ticket, tokens: Option<u64>) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let place = self
            .window
            .binary_search_by_key(&ticket.number, |call| call.number);
        // One that left longer ago than the window is not in it any more.
        let Ok(place) = place else { return };
        let counted = tokens.unwrap_or(0);
        let reserved = std::mem::replace(&mut self.window[place].tokens, counted);
        self.window_tokens = self.window_tokens - u128::from(reserved) + u128::from(counted);
        if tokens.is_none() {
            self.window.remove(place);
        }
    }

    fn advance(&mut self, now_ms: u64) {
        self.now_ms = self.now_ms.max(now_ms);
        while let Some(first) = self.window.front()
            && first.at_ms.saturating_add(WINDOW_MS) <= self.now_ms
        {
            self.window_tokens -= u128::from(first.tokens);
            self.window.pop_front();
        }
    }

    const fn has_window(&self) -> bool {
        self.limits.requests_per_minute.is_some() || self.limits.tokens_per_minute.is_some()
    }

    /// Returns the time at which enough of the window has passed for one more call with `tokens`, if
    /// nothing is settled until then.
    fn free_at(&self, tokens: u64) -> u64 {
        let mut calls = self.window.len();
        let mut sum = self.window_tokens;
        let is_free = |calls: usize, sum: u128| {
            let requests = self.limits.requests_per_minute;
            let has_request = requests.is_none_or(|most| calls < most as usize);
            let has_tokens = self
                .limits
                .tokens_per_minute
                .is_none_or(|most| sum == 0 || sum + u128::from(tokens) <= u128::from(most));
            has_request && has_tokens
        };
        let mut free_ms = self.now_ms;
        for call in &self.window {
            if is_free(calls, sum) {
                break;
            }
            calls -= 1;
            sum -= u128::from(call.tokens);
            free_ms = call.at_ms.saturating_add(WINDOW_MS);
        }
        free_ms
    }
}

#[cfg(test)]
mod tests;
