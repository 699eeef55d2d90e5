//! The sandbox: what a guest sees from inside. Runs one step of a mission in a fresh
//! instance, with every import answered here or through the tape, and says how it ended.
//!
//! Invariants: nothing of the machine (clock, entropy, environment, files, terminal) is
//! reachable from any import; host functions never block but on the tape; every end is one
//! of the types below, and none is a panic.

mod bindings;
mod clock;
mod limiter;
mod mission;
mod step;
mod streams;
mod wasi;

pub use bindings::{WIT, linker};
pub use limiter::PARTS_MAX;
pub use step::{StepEnd, StepRun, run_step};

use coo_kernel::authority::Authority;
use coo_kernel::ledger::Ledger;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use wasmtime::component::ResourceTable;

use crate::machine::{Deadline, Watchdog};
use crate::stop::Stop;
use crate::tape::Tape;
use clock::VirtualClock;
use limiter::Meter;
use streams::Capture;

/// Seed of the one random stream (implementation packet §11.1).
pub const RNG_SEED: u64 = 0xDEAD_BEEF;
/// Start of the wall clock, seconds since 1970: `2025-01-01T00:00:00Z` (packet §11.1).
pub const WALL_CLOCK_START_S: u64 = 1_735_689_600;
/// Open streams and pollables of one run: a program needs a handful.
pub const RESOURCES_MAX: usize = 10_000;

/// Everything behind a guest's imports.
pub struct Guest {
    tape: Tape,
    ledger: Ledger,
    authority: Authority,
    model: Option<String>,
    sampling: coo_kernel::llm::Sampling,
    meter: Meter,
    /// Real time the step may take.
    deadline: Deadline,
    /// Ends the process where nothing else notices the deadline.
    watchdog: Watchdog,
    clock: VirtualClock,
    rng: ChaCha20Rng,
    table: ResourceTable,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    stdin: Vec<u8>,
    stdin_read: usize,
    stdout: Capture,
    stderr: Capture,
}

impl Guest {
    fn new(run: StepRun<'_>) -> Self {
        let limits = *run.ledger.limits();
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES_MAX);
        let descriptor = run.plan.descriptor();
        let program = std::iter::once("mission.wasm".to_owned());
        let deadline = Deadline::after(run.wall_clock_max);
        Self {
            watchdog: Watchdog::start(&deadline, run.tape.last_words(&deadline)),
            tape: run.tape,
            ledger: run.ledger,
            authority: run.plan.authority().clone(),
            model: run.model.map(str::to_owned),
            sampling: descriptor.llm,
            meter: Meter::new(&limits),
            deadline,
            clock: VirtualClock::default(),
            rng: ChaCha20Rng::seed_from_u64(RNG_SEED),
            table,
            arguments: program
                .chain(descriptor.arguments.iter().cloned())
                .collect(),
            environment: descriptor
                .environment
                .iter()
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            stdin: run.input.as_bytes().to_vec(),
            stdin_read: 0,
            stdout: Capture::new(limits.output_bytes),
            stderr: Capture::new(limits.output_bytes),
        }
    }

    /// Charges bytes that cross the border, and looks at the clock: calls can take far more time
    /// than the fuel that is spent on making them.
    fn charge_bytes(&mut self, bytes: u64) -> Result<(), Stop> {
        if self.deadline.has_passed() {
            return Err(Stop::timed_out(&self.deadline));
        }
        Ok(self
            .ledger
            .charge(coo_kernel::failure::Bound::HostBytes, bytes)?)
    }
}
