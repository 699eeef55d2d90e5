//! The sandbox: the guest's view from inside. Runs one step of a mission in a fresh instance,
//! answers every import here or through the tape, and says how the step ended.
//!
//! There are two kinds of guests: components, which may import the whole surface, and core modules,
//! which may import WASI preview 1 and run unchanged.
//!
//! Invariants: imports reach nothing of the machine (clock, entropy, environment, files, terminal);
//! host functions block only on the tape; every end of a step is a `StepEnd`, and none is a panic.

mod bindings;
mod clock;
mod limiter;
mod linked;
mod mission;
mod models;
mod outside;
mod preview1;
mod said;
mod step;
mod streams;
mod wasi;

pub use limiter::PARTS_MAX;
pub use linked::Linked;
pub use step::{StepEnd, StepRun, run_step};

use std::sync::Arc;

use clock::VirtualClock;
use coo_kernel::mission::authority::Authority;
use coo_kernel::mission::ledger::Ledger;
use limiter::Meter;
use outside::Outside;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use streams::Streams;
use wasmtime_wasi::p1::WasiP1Ctx;

use crate::effects::stop::Stop;
use crate::machine::{Deadline, Watchdog};
use crate::runtime::tape::Tape;

/// Seed of the one random stream (implementation packet §11.1).
pub const RNG_SEED: u64 = 0xDEAD_BEEF;
/// Start of the wall clock, in seconds since 1970: `2025-01-01T00:00:00Z` (packet §11.1).
pub const WALL_CLOCK_START_S: u64 = 1_735_689_600;
/// Most open streams and pollables of one step; a program needs a handful.
pub const RESOURCES_MAX: usize = 10_000;

/// Cheap host calls between two checks of the wall clock: a check costs as much as such a call.
const CHEAP_CALLS: u32 = 16;
/// A host call that moves more bytes than this is not cheap.
const CHEAP_BYTES_MAX: u64 = 64 << 10;

/// Everything behind a guest's imports.
pub struct Guest {
    tape: Tape,
    ledger: Ledger,
    authority: Authority,
    model: Option<String>,
    sampling: coo_kernel::llm::Sampling,
    meter: Meter,
    /// End of the real time that the step may take.
    deadline: Deadline,
    /// Host calls until the next check of the deadline.
    calls_to_look: u32,
    /// Ends the process if nothing else notices the deadline.
    watchdog: Arc<Watchdog>,
    /// Whether the guest waits for the host, and not for its own clock.
    outside: Outside,
    clock: VirtualClock,
    rng: ChaCha20Rng,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    streams: Streams,
    /// wasmtime-wasi's context, which uses the streams and the clock above.
    wasi: WasiP1Ctx,
}

impl Guest {
    fn new(run: StepRun<'_>) -> Self {
        let limits = *run.ledger.limits();
        let descriptor = run.plan.descriptor();
        let program = std::iter::once("mission.wasm".to_owned());
        let arguments: Vec<String> = program
            .chain(descriptor.arguments.iter().cloned())
            .collect();
        let environment: Vec<(String, String)> = descriptor
            .environment
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let clock = VirtualClock::new();
        let streams = Streams::new(run.input, limits.output_bytes);
        let wasi = wasi::context(&arguments, &environment, &streams, &clock);
        let deadline = run.deadline;
        Self {
            watchdog: Arc::new(Watchdog::new(&deadline, run.tape.last_words(&deadline))),
            tape: run.tape,
            ledger: run.ledger,
            authority: run.plan.authority().clone(),
            model: run.model.map(str::to_owned),
            sampling: descriptor.llm.sampling(),
            meter: Meter::new(&limits),
            deadline,
            calls_to_look: 0,
            outside: Outside::default(),
            clock,
            rng: ChaCha20Rng::seed_from_u64(RNG_SEED),
            arguments,
            environment,
            streams,
            wasi,
        }
    }

    /// Charges bytes that cross the sandbox border. After many bytes, the next call checks the
    /// clock, because such calls take far more time than the fuel that they cost.
    fn charge_bytes(&mut self, bytes: u64) -> Result<(), Stop> {
        if bytes > CHEAP_BYTES_MAX {
            self.long_operation_begins();
        }
        Ok(self
            .ledger
            .charge(coo_kernel::mission::failure::Bound::HostBytes, bytes)?)
    }

    /// Checks the wall clock before host calls. A loop over host calls burns hardly any fuel, so
    /// the next check between fuel slices may be hours away.
    fn host_call_begins(&mut self) -> Result<(), Stop> {
        if self.calls_to_look > 0 {
            self.calls_to_look -= 1;
            return Ok(());
        }
        self.calls_to_look = CHEAP_CALLS;
        if self.watchdog.after_pauses(self.deadline).has_passed() {
            return Err(Stop::timed_out(&self.deadline));
        }
        Ok(())
    }

    /// Makes the next host call check the clock: this one leaves the sandbox and may take any time.
    fn look_at_next_call(&mut self) {
        self.calls_to_look = 0;
    }

    /// Prepares for an operation that neither fuel nor the clock bounds while it lasts.
    fn long_operation_begins(&mut self) {
        self.look_at_next_call();
        self.watchdog.start();
    }

    /// Charges the bytes that went through streams during a host call.
    fn host_call_ends(&mut self) -> Result<(), Stop> {
        match self.streams.take_crossed_bytes() {
            0 => Ok(()),
            bytes => self.charge_bytes(bytes),
        }
    }
}
