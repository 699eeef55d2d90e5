//! Runs one step: a fresh store and instance, fuel, the wall-clock guard, and the one place
//! where an engine's error becomes one of our ends.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use coo_kernel::digest::Digest;
use coo_kernel::failure::{Bound, Failure};
use coo_kernel::ledger::{self, Ledger};
use coo_kernel::plan::Plan;
use wasmtime::component::{Component, Instance, InstancePre, ResourceTableError, TypedFunc};
use wasmtime::{Engine, Store, Trap, WasmBacktrace, WasmCoreDump};

use super::Guest;
use crate::admission::Entry;
use crate::engine::FUEL_SLICE;
use crate::stop::Stop;
use crate::tape::Tape;

/// What a step is run with.
pub struct StepRun<'a> {
    /// Records or replays.
    pub tape: Tape,
    /// Shared by all steps of a mission.
    pub ledger: Ledger,
    /// The model in force.
    pub model: Option<&'a str>,
    /// The mission, and what it may do.
    pub plan: &'a Plan,
    /// What the guest receives.
    pub input: &'a str,
    /// Real time the step may take: a guard against what fuel can't see.
    pub wall_clock_max: Duration,
    /// Take the digest of the step's memories at its end. Needs an engine that makes core
    /// dumps.
    pub digest_memory: bool,
}

/// How a step ended and what it leaves.
pub struct StepEnd {
    /// What the step gives its reader, or why there is nothing.
    pub result: Result<Vec<u8>, Stop>,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// The tape back.
    pub tape: Tape,
    /// The ledger back.
    pub ledger: Ledger,
    /// Of its linear memories at the end, where asked for.
    pub memory_sha256: Option<Digest>,
    /// Where a trap happened, innermost first.
    pub backtrace: Vec<String>,
}

/// Runs one step to its end.
pub fn run_step(
    engine: &Engine,
    instance: &InstancePre<Guest>,
    entry: &Entry,
    run: StepRun<'_>,
) -> StepEnd {
    let input = run.input;
    let fuel = run.ledger.fuel_left();
    let fuel_limit = run.ledger.limits().fuel;
    let digest_memory = run.digest_memory;
    let mut store = Store::new(engine, Guest::new(run));
    store.limiter(|guest| &mut guest.meter);
    let called = guarded(&mut store, instance, entry, input, fuel);
    let fuel_left = store.get_fuel().unwrap_or(0);
    let memory_sha256 = digest_memory
        .then(|| memory_digest(&mut store, instance.component(), entry, &called))
        .flatten();
    let called = called.map(|(_, returned)| returned);
    let mut guest = store.into_data();
    guest
        .ledger
        .count_step(fuel - fuel_left, guest.meter.memory_bytes());
    let backtrace = called.as_ref().err().map(backtrace).unwrap_or_default();
    let returned = called.map_err(|error| stop(error, fuel_limit));
    let stdout = guest.stdout.into_bytes();
    let result = settle(entry, returned, &stdout, guest.ledger.limits().output_bytes);
    StepEnd {
        result,
        stdout,
        stderr: guest.stderr.into_bytes(),
        tape: guest.tape,
        ledger: guest.ledger,
        memory_sha256,
        backtrace,
    }
}

/// What a guest said by returning.
enum Returned {
    Mission(Result<String, String>),
    Command(Result<(), ()>),
}

fn settle(
    entry: &Entry,
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
        Ok(Returned::Command(Ok(()))) => Ok(stdout.to_vec()),
        Ok(Returned::Command(Err(()))) => Err(Failure::Exit { status: 1 }.into()),
        Err(Stop::Exit(0)) if matches!(entry, Entry::Command(_)) => Ok(stdout.to_vec()),
        Err(Stop::Exit(status)) => Err(Failure::Exit { status }.into()),
        Err(stop) => Err(stop),
    }
}

/// Polls the guest from fuel slice to fuel slice and looks at the wall clock in between.
/// That costs the guest nothing: the engine counts fuel anyway, and a slice that is used up
/// is refilled without a trace in what the guest or the count can see.
fn guarded(
    store: &mut Store<Guest>,
    instance: &InstancePre<Guest>,
    entry: &Entry,
    input: &str,
    fuel: u64,
) -> wasmtime::Result<(Instance, Returned)> {
    store.set_fuel(fuel)?;
    store.fuel_async_yield_interval(Some(FUEL_SLICE))?;
    let deadline = store.data().deadline;
    let mut call = pin!(call(store, instance, entry, input));
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(result) = call.as_mut().poll(&mut context) {
            return result;
        }
        if deadline.has_passed() {
            return Err(Stop::timed_out(&deadline).into());
        }
    }
}

async fn call(
    store: &mut Store<Guest>,
    instance: &InstancePre<Guest>,
    entry: &Entry,
    input: &str,
) -> wasmtime::Result<(Instance, Returned)> {
    let component = instance.component().clone();
    let instance = instance.instantiate_async(&mut *store).await?;
    let returned = match entry {
        Entry::Mission => {
            let run = mission_entry(store, &instance)?;
            Returned::Mission(run.call_async(store, (input,)).await?.0)
        }
        Entry::Command(interface) => {
            let run = command_entry(store, &component, &instance, interface)?;
            Returned::Command(run.call_async(store, ()).await?.0)
        }
    };
    Ok((instance, returned))
}

/// Digest of all linear memories of a step that has ended: of each, its size in bytes and its
/// content, in the order in which they were made.
///
/// A component shows its memories to nobody, but a core dump names them, and the engine makes
/// one at every trap. A guest that has returned is therefore called once more with no fuel at
/// all: it traps before its first instruction.
fn memory_digest(
    store: &mut Store<Guest>,
    component: &Component,
    entry: &Entry,
    called: &wasmtime::Result<(Instance, Returned)>,
) -> Option<Digest> {
    let trap;
    let error = match called {
        Err(error) => error,
        Ok((instance, _)) => {
            store.set_fuel(0).ok()?;
            let mut call = pin!(again(store, component, instance, entry));
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

/// Calls the guest's entry once more.
async fn again(
    store: &mut Store<Guest>,
    component: &Component,
    instance: &Instance,
    entry: &Entry,
) -> wasmtime::Result<()> {
    match entry {
        Entry::Mission => {
            let run = mission_entry(store, instance)?;
            let _ = run.call_async(store, ("",)).await?;
        }
        Entry::Command(interface) => {
            let run = command_entry(store, component, instance, interface)?;
            let _ = run.call_async(store, ()).await?;
        }
    }
    Ok(())
}

type MissionEntry<'a> = TypedFunc<(&'a str,), (Result<String, String>,)>;
type CommandEntry = TypedFunc<(), (Result<(), ()>,)>;

fn mission_entry<'a>(
    store: &mut Store<Guest>,
    instance: &Instance,
) -> wasmtime::Result<MissionEntry<'a>> {
    instance.get_typed_func(store, "run")
}

fn command_entry(
    store: &mut Store<Guest>,
    component: &Component,
    instance: &Instance,
    interface: &str,
) -> wasmtime::Result<CommandEntry> {
    let run = component
        .get_export_index(None, interface)
        .and_then(|interface| component.get_export_index(Some(&interface), "run"))
        .ok_or_else(|| wasmtime::Error::msg("no wasi:cli/run in the component"))?;
    instance.get_typed_func(store, run)
}

/// An engine's error as one of our ends.
fn stop(error: wasmtime::Error, fuel_limit: u64) -> Stop {
    let error = match error.downcast::<Stop>() {
        Ok(stop) => return stop,
        Err(error) => error,
    };
    // One that a host function raised as it is.
    let error = match error.downcast::<Failure>() {
        Ok(failure) => return Stop::Failed(failure),
        Err(error) => error,
    };
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return Stop::Failed(match trap {
            Trap::OutOfFuel => Failure::Fuel { limit: fuel_limit },
            trap => {
                let reason = trap.to_string();
                let reason = reason
                    .strip_prefix("wasm trap: ")
                    .unwrap_or(&reason)
                    .to_owned();
                Failure::Trap { reason }
            }
        });
    }
    if let Some(ResourceTableError::Full) = error.downcast_ref::<ResourceTableError>() {
        let limit = super::RESOURCES_MAX as u64;
        return Stop::Failed(Failure::Limit {
            bound: Bound::Resources,
            wanted: limit + 1,
            limit,
        });
    }
    let of_the_machine = error.downcast_ref::<std::io::Error>().is_some()
        || error.downcast_ref::<wasmtime::OutOfMemory>().is_some();
    if of_the_machine {
        return Stop::Interrupted(
            anyhow::Error::from(error).context("machine: can't run the guest"),
        );
    }
    // What is left is the guest misusing an interface: a handle it does not hold, text that
    // is not UTF-8, a pointer outside its memory.
    Stop::Failed(Failure::Contract {
        reason: error.root_cause().to_string(),
    })
}

/// Where the guest trapped. A call that was stopped from the host's side has no such place.
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
            Some(name) => name.to_owned(),
            None => format!("function {}", frame.func_index()),
        })
        .collect()
}
