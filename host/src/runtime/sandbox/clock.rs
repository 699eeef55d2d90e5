//! Virtual time: both clocks stand still until the guest sleeps, and then advance by exactly the
//! time that it asked for. A sleep takes no real time. Never reads a clock of the machine.
//!
//! These are coo's own implementations of wasmtime-wasi's interfaces, because its clocks can be
//! replaced but its sleeps can't. Its sleeps wait on tokio's timer, which is exact only to the
//! millisecond: a sleep of one nanosecond would advance a paused clock by a million.

use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::clocks::{monotonic_clock, wall_clock};
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiView as _, async_trait};

use super::{Guest, WALL_CLOCK_START_S};

/// First value of the monotonic clock. Not 0, which some runtimes (Go's) take for a broken clock.
const START_NS: u64 = 1;

/// The clocks of one step. Clones share them.
#[derive(Debug, Clone)]
pub struct VirtualClock(Arc<State>);

#[derive(Debug)]
struct State {
    /// The monotonic clock; the wall clock moves with it. Programs read it far more often than they
    /// sleep, so it has no lock. Only the thread of the step changes it.
    now_ns: AtomicU64,
    /// The earliest instant that the guest waits for.
    awaited_ns: Mutex<Option<u64>>,
}

impl VirtualClock {
    pub fn new() -> Self {
        Self(Arc::new(State {
            now_ns: AtomicU64::new(START_NS),
            awaited_ns: Mutex::new(None),
        }))
    }

    fn awaited_ns(&self) -> MutexGuard<'_, Option<u64>> {
        let awaited = self.0.awaited_ns.lock();
        awaited.unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the monotonic clock in nanoseconds.
    pub fn now_ns(&self) -> u64 {
        self.0.now_ns.load(Ordering::Relaxed)
    }

    /// Returns the wall clock as the time since 1970.
    pub fn wall(&self) -> Duration {
        let elapsed_ns = self.now_ns() - START_NS;
        Duration::from_secs(WALL_CLOCK_START_S) + Duration::from_nanos(elapsed_ns)
    }

    /// Moves the time forward to `instant_ns`; does nothing if that has passed.
    pub fn advance_to(&self, instant_ns: u64) {
        self.0.now_ns.fetch_max(instant_ns, Ordering::Relaxed);
    }

    /// Clears the awaited instant, before the guest computes.
    pub fn forget_awaited(&self) {
        *self.awaited_ns() = None;
    }

    /// Moves the time to the earliest instant that the guest waits for, when it only waits. Returns
    /// false if there is none.
    pub fn advance_to_awaited(&self) -> bool {
        let awaited = *self.awaited_ns();
        awaited.map(|instant| self.advance_to(instant)).is_some()
    }

    /// Returns whether `instant_ns` has come; if not, the guest now waits for it.
    fn has_come(&self, instant_ns: u64) -> bool {
        let has_come = self.now_ns() >= instant_ns;
        if !has_come {
            let mut awaited = self.awaited_ns();
            *awaited = Some(awaited.unwrap_or(u64::MAX).min(instant_ns));
        }
        has_come
    }
}

impl HostMonotonicClock for VirtualClock {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        self.now_ns()
    }
}

impl HostWallClock for VirtualClock {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        self.wall()
    }
}

/// Becomes ready at an instant of the monotonic clock.
struct Sleep {
    clock: VirtualClock,
    until_ns: u64,
}

#[async_trait]
impl Pollable for Sleep {
    async fn ready(&mut self) {
        poll_fn(|_| {
            if self.clock.has_come(self.until_ns) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

impl Guest {
    fn sleep(&mut self, until_ns: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let clock = self.clock.clone();
        let table = self.ctx().table;
        let sleep = table.push(Sleep { clock, until_ns })?;
        subscribe(table, sleep)
    }
}

impl monotonic_clock::Host for Guest {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(self.clock.now_ns())
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(1)
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.sleep(when)
    }

    fn subscribe_duration(&mut self, duration: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.sleep(self.clock.now_ns().saturating_add(duration))
    }
}

impl wall_clock::Host for Guest {
    fn now(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        let now = self.clock.wall();
        Ok(wall_clock::Datetime {
            seconds: now.as_secs(),
            nanoseconds: now.subsec_nanos(),
        })
    }

    fn resolution(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        Ok(wall_clock::Datetime {
            seconds: 0,
            nanoseconds: 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_moves_to_the_earliest_instant_that_is_waited_for() {
        let clock = VirtualClock::new();
        assert!(!clock.advance_to_awaited(), "nothing waits");
        assert!(!clock.has_come(70) && !clock.has_come(50));
        assert!(clock.advance_to_awaited());
        assert_eq!(clock.now_ns(), 50);
        assert!(clock.has_come(50));
        clock.forget_awaited();
        assert!(!clock.advance_to_awaited());
        clock.advance_to(7);
        assert_eq!(clock.now_ns(), 50, "never back");
        assert!(!clock.has_come(u64::MAX));
        assert!(clock.advance_to_awaited());
        assert_eq!(
            clock.now_ns(),
            u64::MAX,
            "the end of time is an instant like others"
        );
    }
}
