//! Runs one step: a fresh store and instance, fuel, the check of the wall clock, and the outputs of
//! the guest. Never interprets an engine's error: `said` does.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use coo_kernel::form::digest::Digest;
use coo_kernel::mission::failure::{Bound, Failure};
use coo_kernel::mission::ledger::{self, Ledger};
use coo_kernel::mission::plan::Plan;
use wasmtime::{CallHook, Engine, Store, Trap, WasmBacktrace, WasmCoreDump};

use super::Guest;
use super::linked::{Instance, Linked, Returned};
use super::outside::Woken;
use super::said::stop;
use crate::effects::stop::Stop;
use crate::machine::Deadline;
use crate::program::engine::FUEL_SLICE;
use crate::progress::Update;
use crate::runtime::tape::Tape;

/// The inputs of a step.
pub struct StepRun<'a> {
    pub tape: Tape,
    /// Shared by all steps of a mission.
    pub ledger: Ledger,
    /// Name of the model; `None` if the module asks none.
    pub model: Option<&'a str>,
    /// The mission, and what it may do.
    pub plan: &'a Plan,
    /// What `run` receives.
    pub argument: &'a str,
    /// What the guest reads from its standard input.
    pub input: &'a str,
    /// Whether the guest is a runner: what its script prints is its output, if it returns none.
    pub runs_script: bool,
    /// Real-time end of the step, for delays that fuel doesn't count.
    pub deadline: Deadline,
    /// Whether to compute the digest of the step's memories at its end. Needs an engine that makes
    /// core dumps.
    pub digest_memory: bool,
}

/// The end of a step and its outputs.
pub struct StepEnd {
    /// The output of the step, or why there is none.
    pub result: Result<Vec<u8>, Stop>,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub tape: Tape,
    pub ledger: Ledger,
    /// Digest of the linear memories at the end, if it was requested.
    pub memory_sha256: Option<Digest>,
    /// Functions on the stack at a trap, innermost first.
    pub backtrace: Vec<String>,
}

/// Runs one step to its end.
pub async fn run_step(engine: &Engine, linked: &Linked, run: StepRun<'_>) -> StepEnd {
    let argument = run.argument;
    let runs_script = run.runs_script;
    let fuel = run.ledger.fuel_left();
    let fuel_limit = run.ledger.limits().fuel;
    let digest_memory = run.digest_memory;
    let mut store = Store::new(engine, Guest::new(run));
    store.limiter(|guest| &mut guest.meter);
    store.call_hook(|mut store, hook| {
        match hook {
            CallHook::CallingHost => store.data_mut().host_call_begins()?,
            CallHook::ReturningFromHost => store.data_mut().host_call_ends()?,
            CallHook::CallingWasm | CallHook::ReturningFromWasm => {}
        }
        Ok(())
    });
    let called = guarded(&mut store, linked, argument, fuel).await;
    let fuel_left = store.get_fuel().unwrap_or(0);
    let memory_sha256 = digest_memory
        .then(|| memory_digest(&mut store, linked, &called))
        .flatten();
    let called = called.map(|(_, returned)| returned);
    let mut guest = store.into_data();
    guest
        .ledger
        .count_step(fuel - fuel_left, guest.meter.memory_bytes());
    let backtrace = called.as_ref().err().map(backtrace).unwrap_or_default();
    let returned = called.map_err(|error| stop(error, fuel_limit));
    let (stdout, stderr) = guest.streams.take_outputs();
    let output_max = guest.ledger.limits().output_bytes;
    let result = match settle(linked.is_program(), returned, &stdout, output_max) {
        Ok(output) if runs_script && output.is_empty() => Ok(stdout.clone()),
        result => result,
    };
    StepEnd {
        result,
        stdout,
        stderr,
        tape: guest.tape,
        ledger: guest.ledger,
        memory_sha256,
        backtrace,
    }
}

fn settle(
    is_program: bool,
    returned: Result<Returned, Stop>,
    stdout: &[u8],
    output_max: u64,
) -> Result<Vec<u8>, Stop> {
    let bounded = |text: String| {
        ledger::check(Bound::OutputBytes, text.len() as u64, output_max)?;
        Ok::<_, Failure>(text)
    };
    match returned {
        Ok(Returned::Mission(Ok(text))) => Ok(bounded(text)?.into_bytes()),
        Ok(Returned::Mission(Err(message))) => Err(Failure::Guest {
            message: bounded(message)?,
        }
        .into()),
        Ok(Returned::Command(Ok(())) | Returned::Program) => Ok(stdout.to_vec()),
        Ok(Returned::Command(Err(()))) => Err(Failure::Exit { status: 1 }.into()),
        Err(Stop::Exit(0)) if is_program => Ok(stdout.to_vec()),
        Err(Stop::Exit(status)) => Err(Failure::Exit { status }.into()),
        Err(stop) => Err(stop),
    }
}

/// Runs the guest from fuel slice to fuel slice and checks the wall clock in between. This costs the
/// guest nothing: the engine counts fuel anyway, and refilling a slice changes neither the guest's view
/// nor the count.
///
/// At the end of a slice the engine wakes the task at once; other runs of the process may go first, and
/// one that wants the run's turn at the root gets it. If the guest was not woken, it sleeps, and the
/// time moves to the earliest instant that it waits for; unless the host keeps it waiting.
async fn guarded(
    store: &mut Store<Guest>,
    linked: &Linked,
    input: &str,
    fuel: u64,
) -> wasmtime::Result<(Instance, Returned)> {
    store.set_fuel(fuel)?;
    store.fuel_async_yield_interval(Some(FUEL_SLICE))?;
    let deadline = store.data().deadline;
    let clock = store.data().clock.clone();
    let watchdog = Arc::clone(&store.data().watchdog);
    let outside = store.data().outside.clone();
    let hold = store.data().tape.hold();
    let tell = store.data().tape.sink();
    let mut call = pin!(linked.call(store, input));
    poll_fn(|context| {
        loop {
            clock.forget_awaited();
            let woken = Woken::of(context);
            let mut own = Context::from_waker(woken.waker());
            if let Poll::Ready(result) = call.as_mut().poll(&mut own) {
                return Poll::Ready(result);
            }
            if outside.is_entered() {
                return Poll::Pending;
            }
            if watchdog.after_pauses(deadline).has_passed() {
                return Poll::Ready(Err(Stop::timed_out(&deadline).into()));
            }
            watchdog.start();
            tell(&Update::Computing);
            if woken.is_woken() {
                if let Some(hold) = &hold {
                    hold.release_if_wanted().map_err(Stop::from)?;
                }
                // Woken already: the task is polled again when others have had their time.
                return Poll::Pending;
            }
            if !clock.advance_to_awaited() {
                let reason = "it waits for what never comes".to_owned();
                return Poll::Ready(Err(Stop::from(Failure::Contract { reason }).into()));
            }
        }
    })
    .await
}

/// Returns the digest of all linear memories of a finished step: the size in bytes and the content
/// of each, in the order of their creation.
///
/// A component does not expose its memories, but a core dump lists them, and the engine makes one
/// at every trap. A guest that has returned is therefore called once more without fuel, so that it
/// traps before its first instruction.
fn memory_digest(
    store: &mut Store<Guest>,
    linked: &Linked,
    called: &wasmtime::Result<(Instance, Returned)>,
) -> Option<Digest> {
    let trap;
    let error = match called {
        Err(error) => error,
        Ok((instance, _)) => {
            store.set_fuel(0).ok()?;
            let mut call = pin!(linked.call_again(store, instance));
            let mut context = Context::from_waker(Waker::noop());
            let Poll::Ready(Err(error)) = call.as_mut().poll(&mut context) else {
                return None;
            };
            trap = error;
            &trap
        }
    };
    let dump = error.downcast_ref::<WasmCoreDump>()?;
    let contents: Vec<(&[u8], [u8; 8])> = dump
        .memories()
        .iter()
        .map(|memory| memory.data(&*store))
        .map(|data| (data, (data.len() as u64).to_le_bytes()))
        .collect();
    Some(Digest::of_parts(
        contents.iter().flat_map(|(data, size)| [size, *data]),
    ))
}

/// Returns a function's name as its source has it, without the hash that Rust adds.
fn demangled(name: &str) -> String {
    rustc_demangle::try_demangle(name).map_or_else(|_| name.to_owned(), |name| format!("{name:#}"))
}

/// Returns the functions on the stack at a trap. A call that the host stopped has none.
fn backtrace(error: &wasmtime::Error) -> Vec<String> {
    let (Some(_), Some(backtrace)) = (
        error.downcast_ref::<Trap>(),
        error.downcast_ref::<WasmBacktrace>(),
    ) else {
        return Vec::new();
    };
    backtrace
        .frames()
        .iter()
        .map(|frame| match frame.func_name() {
            Some(name) => demangled(name),
            None => format!("function {}", frame.func_index()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::demangled;

    #[test]
    fn a_name_reads_as_its_source_has_it() {
        for (name, expected) in [
            (
                "_ZN4core9panicking5panic17h0123456789abcdefE",
                "core::panicking::panic",
            ),
            ("_RNvCs1234_7mission3run", "mission::run"),
            // Not of a Rust compiler.
            ("_start", "_start"),
            ("_ZN", "_ZN"),
            ("", ""),
        ] {
            assert_eq!(demangled(name), expected);
        }
    }
}
