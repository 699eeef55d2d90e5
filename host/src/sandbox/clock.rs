//! Virtual time: both clocks stand still until the guest sleeps, and then move by exactly
//! what it asked. A sleep takes no real time. Never looks at a clock of the machine.

use wasmtime::component::Resource;

use super::bindings::wasi::clocks::{monotonic_clock, wall_clock};
use super::bindings::wasi::io::poll;
use super::{Guest, WALL_CLOCK_START_S};
use crate::stop::Stop;
use coo_kernel::failure::Failure;

const NANOSECONDS: u64 = 1_000_000_000;

/// What the monotonic clock shows first. Not 0, which some runtimes (Go's) take for a clock
/// that does not work.
const START_NS: u64 = 1;

/// The monotonic clock, in nanoseconds; the wall clock moves with it.
#[derive(Debug)]
pub struct VirtualClock {
    now_ns: u64,
}

impl Default for VirtualClock {
    fn default() -> Self {
        Self { now_ns: START_NS }
    }
}

/// What a guest can wait for.
#[derive(Debug, Clone, Copy)]
pub enum Pollable {
    /// Streams over memory never make anybody wait.
    Ready,
    /// The instant of the monotonic clock, in nanoseconds, at which it becomes ready.
    At(u64),
}

impl Pollable {
    fn ready_ns(self) -> u64 {
        match self {
            Self::Ready => 0,
            Self::At(ns) => ns,
        }
    }
}

impl monotonic_clock::Host for Guest {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(self.clock.now_ns)
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(1)
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<Pollable>> {
        Ok(self.table.push(Pollable::At(when))?)
    }

    fn subscribe_duration(&mut self, duration: u64) -> wasmtime::Result<Resource<Pollable>> {
        let when = self.clock.now_ns.saturating_add(duration);
        Ok(self.table.push(Pollable::At(when))?)
    }
}

impl wall_clock::Host for Guest {
    fn now(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        let elapsed_ns = self.clock.now_ns - START_NS;
        Ok(wall_clock::Datetime {
            seconds: WALL_CLOCK_START_S + elapsed_ns / NANOSECONDS,
            nanoseconds: u32::try_from(elapsed_ns % NANOSECONDS)?,
        })
    }

    fn resolution(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        Ok(wall_clock::Datetime {
            seconds: 0,
            nanoseconds: 1,
        })
    }
}

impl poll::Host for Guest {
    /// Everything that is ready now; if nothing is, time moves to the earliest instant.
    fn poll(&mut self, list: Vec<Resource<Pollable>>) -> wasmtime::Result<Vec<u32>> {
        let instants = list
            .iter()
            .map(|pollable| Ok(self.table.get(pollable)?.ready_ns()))
            .collect::<wasmtime::Result<Vec<u64>>>()?;
        let Some(&earliest) = instants.iter().min() else {
            let reason = "poll of an empty list would wait for ever".to_owned();
            return Err(Stop::from(Failure::Contract { reason }).into());
        };
        self.clock.now_ns = self.clock.now_ns.max(earliest);
        let now_ns = self.clock.now_ns;
        (0u32..)
            .zip(instants)
            .filter(|(_, instant)| *instant <= now_ns)
            .map(|(index, _)| Ok(index))
            .collect()
    }
}

impl poll::HostPollable for Guest {
    fn ready(&mut self, this: Resource<Pollable>) -> wasmtime::Result<bool> {
        Ok(self.table.get(&this)?.ready_ns() <= self.clock.now_ns)
    }

    fn block(&mut self, this: Resource<Pollable>) -> wasmtime::Result<()> {
        let ready_ns = self.table.get(&this)?.ready_ns();
        self.clock.now_ns = self.clock.now_ns.max(ready_ns);
        Ok(())
    }

    fn drop(&mut self, this: Resource<Pollable>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}
