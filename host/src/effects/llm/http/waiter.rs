//! The clock, the sleep and the random numbers of the client, so that tests control all three.
//! Invariant: the client uses them only through this type; outside tests they are `machine`'s.
//! Never decides how long to wait: `retry` does.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::machine;

/// The clock, the sleep and the random numbers that a `Client` uses.
pub struct Waiter {
    pub now: Box<dyn Fn() -> SystemTime + Send + Sync>,
    /// Returns when the duration has passed.
    pub wait: Box<dyn Fn(Duration) + Send + Sync>,
    /// Returns an evenly distributed number of at least 0 and less than 1.
    pub jitter: Box<dyn Fn() -> f64 + Send + Sync>,
}

impl Waiter {
    /// Returns the waiter that uses this machine's clock, sleep and random numbers.
    pub fn of_this_machine() -> Self {
        Self {
            now: Box::new(clock),
            wait: Box::new(machine::sleep),
            jitter: Box::new(machine::random_fraction),
        }
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
