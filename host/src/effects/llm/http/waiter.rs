//! The clock, the waits and the random numbers of the client, so that tests control all three.
//! Invariant: the client uses them only through this type; outside tests they are `machine`'s, and
//! a wait holds no thread. Never decides how long to wait: `retry` does.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::machine::{self, asynchronous};

/// Ready when a wait is over.
pub type Pause = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The clock, the waits and the random numbers that a `Client` uses.
pub struct Waiter {
    pub now: Box<dyn Fn() -> SystemTime + Send + Sync>,
    /// Returns a future that is ready when the duration has passed.
    pub wait: Box<dyn Fn(Duration) -> Pause + Send + Sync>,
    /// Returns an evenly distributed number of at least 0 and less than 1.
    pub jitter: Box<dyn Fn() -> f64 + Send + Sync>,
}

impl Waiter {
    /// Returns the waiter that uses this machine's clock, timers and random numbers.
    pub fn of_this_machine() -> Self {
        Self {
            now: Box::new(clock),
            wait: Box::new(|time| Box::pin(pause(time))),
            jitter: Box::new(machine::random_fraction),
        }
    }
}

async fn pause(time: Duration) {
    // Without a thread for the timer there is none for the call, either; the attempt says so.
    if let Ok(wait) = asynchronous::start(asynchronous::wait(time)) {
        wait.await;
    }
}

fn clock() -> SystemTime {
    let since = u64::try_from(machine::now_unix_ms()).unwrap_or_default();
    UNIX_EPOCH + Duration::from_millis(since)
}

impl fmt::Debug for Waiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter").finish_non_exhaustive()
    }
}
