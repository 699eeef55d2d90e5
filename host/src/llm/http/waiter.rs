//! Time and chance as the client sees them, so that tests own all three.
//! Invariant: the only place of the client that sleeps or draws a random number; the clock is
//! `machine`'s. Never decides how long to wait: that is `retry`.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
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
    #[allow(
        clippy::disallowed_methods,
        reason = "the one place of the client that may sleep"
    )]
    pub fn of_this_machine() -> Self {
        Self {
            now: Box::new(clock),
            wait: Box::new(std::thread::sleep),
            jitter: Box::new(random_fraction),
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

/// Every `RandomState` has keys of its own, so hashing anything with it gives a fresh number:
/// good enough to spread clients, and no dependency.
fn random_fraction() -> f64 {
    let [a, b, c, d, ..] = RandomState::new().hash_one(0_u8).to_le_bytes();
    f64::from(u32::from_le_bytes([a, b, c, d])) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_stays_in_its_range_and_is_not_constant() {
        let drawn: Vec<f64> = (0..64).map(|_| random_fraction()).collect();
        assert!(drawn.iter().all(|x| (0.0..1.0).contains(x)));
        assert!(drawn.iter().any(|x| x.to_bits() != drawn[0].to_bits()));
    }
}
