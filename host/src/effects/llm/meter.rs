//! What the calls of all missions of a process may use together: how often and how much a server may be
//! asked (`llm.limits` of the configuration), and the budget of a batch. The kernel decides
//! (`coo_kernel::batch::{pace, budget}`); this file lets calls wait for its word. Sends nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::{Result, anyhow};
use coo_kernel::batch::budget::{self, Budget, Need, Reservation, Spent};
use coo_kernel::batch::pace::{Answer, Pace, Ticket, Turn};
use coo_kernel::llm::limits::CallLimits;
use coo_kernel::llm::prices::Prices;
use coo_kernel::llm::{Request, Usage};
use tokio::sync::{Notify, oneshot};

use crate::hint;
use crate::machine::Stopwatch;
use crate::machine::asynchronous::{self, Task};

/// The pace and the budget of a process; by default without a budget.
pub struct Meter {
    /// Made when the server is known.
    pacer: OnceLock<Pacer>,
    budget: Mutex<Budget>,
    /// Told when a call has ended, so that others may fit into the budget.
    settled: Notify,
}

impl Default for Meter {
    fn default() -> Self {
        Self::new(Budget::new(
            budget::Limit::default(),
            Prices::default(),
            Spent::default(),
        ))
    }
}

impl Meter {
    /// Creates the meter of a process with this budget.
    pub fn new(budget: Budget) -> Self {
        Self {
            pacer: OnceLock::new(),
            budget: Mutex::new(budget),
            settled: Notify::new(),
        }
    }

    /// Returns the pace of calls to the server, which has these limits.
    pub fn pacer(&self, limits: CallLimits) -> &Pacer {
        self.pacer.get_or_init(|| Pacer::new(limits))
    }

    /// Returns what was spent so far.
    pub fn spent(&self) -> Spent {
        lock(&self.budget).spent()
    }

    /// Waits until `request` fits into the budget, and sets aside what it may cost; an error if it can't
    /// fit. `tokens_left` bounds an answer whose length the request does not bound.
    pub async fn reserve(
        self: &Arc<Self>,
        request: &Request,
        tokens_left: u64,
    ) -> Result<Reserved> {
        let need = Need::of(request, tokens_left);
        loop {
            // Before the question, so that a call that ends in between is not missed.
            let settled = self.settled.notified();
            let answer = lock(&self.budget).reserve(&request.model, need);
            match answer {
                Ok(budget::Answer::Go(reservation)) => {
                    return Ok(Reserved {
                        meter: Arc::clone(self),
                        need,
                        reservation: Some(reservation),
                    });
                }
                Ok(budget::Answer::Wait) => settled.await,
                Err(refused) => {
                    return Err(hint::with_all(
                        anyhow!("{refused}"),
                        refused.hint().map(str::to_owned),
                    ));
                }
            }
        }
    }
}

/// What is set aside for a call. One that was sent and is given up counts as if it had cost all of it, because the
/// server may have worked on it.
pub struct Reserved {
    meter: Arc<Meter>,
    need: Need,
    /// `None` once it is settled.
    reservation: Option<Reservation>,
}

impl Reserved {
    /// Returns the most tokens that the call may have.
    pub const fn tokens(&self) -> u64 {
        self.need.tokens()
    }

    /// Counts what the call has used.
    pub fn settle(mut self, usage: Usage) {
        self.end(Some(usage));
    }

    /// Gives back what was set aside for a call that cost nothing.
    pub fn release(mut self) {
        self.end(None);
    }

    /// Ends the reservation, unless it has ended. `usage`: `None` for a call that cost nothing.
    fn end(&mut self, usage: Option<Usage>) {
        let Some(reservation) = self.reservation.take() else {
            return;
        };
        {
            let mut budget = lock(&self.meter.budget);
            match usage {
                Some(usage) => {
                    budget.settle(reservation, usage);
                }
                None => budget.release(reservation),
            }
        }
        self.meter.settled.notify_waiters();
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.end(Some(Usage::default()));
    }
}

/// The pace of calls to one server. Clones share it.
#[derive(Clone)]
pub struct Pacer(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    begun: Stopwatch,
}

struct State {
    pace: Pace,
    /// The calls that wait, by their turns.
    waiting: BTreeMap<Turn, oneshot::Sender<Ticket>>,
    /// Looks again at this time.
    timer: Option<(u64, Task<()>)>,
}

/// A call that has left, until it is settled.
pub struct Leaving {
    pacer: Pacer,
    ticket: Option<Ticket>,
}

impl Pacer {
    /// Creates the pace of a server with these limits.
    pub fn new(limits: CallLimits) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::new(State {
                pace: Pace::new(limits),
                waiting: BTreeMap::new(),
                timer: None,
            }),
            begun: Stopwatch::start(),
        }))
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.0.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Waits until a call of at most `tokens` tokens may leave.
    pub async fn leave(&self, tokens: u64) -> Leaving {
        let (send, receive) = oneshot::channel();
        // Dropped when the call has its ticket, and is then in no queue, or when it is given up.
        let _queued = {
            let mut state = lock(&self.0.state);
            let turn = state.pace.join(tokens);
            state.waiting.insert(turn, send);
            Queued {
                pacer: self.clone(),
                turn,
            }
        };
        self.look();
        Leaving {
            pacer: self.clone(),
            ticket: receive.await.ok(),
        }
    }

    /// Lets no call leave for `wait`, which the server asked for.
    pub fn hold(&self, wait: Duration) {
        let until = self
            .now_ms()
            .saturating_add(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        lock(&self.0.state).pace.hold(until);
    }

    /// Lets every call leave that may.
    fn look(&self) {
        let mut state = lock(&self.0.state);
        loop {
            let now = self.now_ms();
            match state.pace.ask(now) {
                Answer::Go(ticket) => {
                    let refused = match state.waiting.remove(&ticket.turn) {
                        Some(waiting) => waiting.send(ticket).err(),
                        None => Some(ticket),
                    };
                    // Given up in between.
                    if let Some(ticket) = refused {
                        state.pace.cancel(ticket);
                    }
                }
                Answer::WaitUntil(until) => {
                    let is_set = state.timer.as_ref().is_some_and(|(at, _)| *at == until);
                    if !is_set {
                        let pacer = self.clone();
                        let wait = Duration::from_millis(until.saturating_sub(now));
                        let timer = asynchronous::start(async move {
                            asynchronous::wait(wait).await;
                            pacer.look_again();
                        });
                        state.timer = timer.ok().map(|timer| (until, timer));
                    }
                    return;
                }
                Answer::WaitForSettle | Answer::Idle => return,
            }
        }
    }

    fn look_again(&self) {
        // The timer itself is running this.
        let timer = lock(&self.0.state).timer.take();
        self.look();
        drop(timer);
    }
}

/// A call that waits; leaves the queue if it is given up.
struct Queued {
    pacer: Pacer,
    turn: Turn,
}

impl Drop for Queued {
    fn drop(&mut self) {
        {
            let mut state = lock(&self.pacer.0.state);
            state.waiting.remove(&self.turn);
            state.pace.leave(self.turn);
        }
        self.pacer.look();
    }
}

impl Leaving {
    /// Ends a call that was sent, with the tokens that the server counted; 0 for one that failed.
    pub fn settle(mut self, tokens: u64) {
        self.end(tokens);
    }

    fn end(&mut self, tokens: u64) {
        if let Some(ticket) = self.ticket.take() {
            let now = self.pacer.now_ms();
            lock(&self.pacer.0.state).pace.settle(ticket, tokens, now);
            self.pacer.look();
        }
    }
}

/// A call that is given up has left.
impl Drop for Leaving {
    fn drop(&mut self) {
        self.end(0);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
