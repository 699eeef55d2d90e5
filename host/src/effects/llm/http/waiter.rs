//! Time and chance as the client sees them, so that tests own all three.
//! Invariant: the client sleeps, draws a random number or asks for the time through this alone;
//! outside tests all three are `machine`'s. Never decides how long to wait: that is `retry`.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::machine;

/// The clock, the sleep and the chance that a `Client` uses.
pub struct Waiter {
    /// The present time.
    pub now: Box<dyn Fn() -> SystemTime + Send + Sync>,
    /// Returns when the duration has passed.
    pub wait: Box<dyn Fn(Duration) + Send + Sync>,
    /// A number from 0 up to 1, spread evenly.
    pub jitter: Box<dyn Fn() -> f64 + Send + Sync>,
}

impl Waiter {
    /// Those of the machine.
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
