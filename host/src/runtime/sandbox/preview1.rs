//! The linker of core modules. It uses wasmtime-wasi's preview 1, as the wasmtime command does, and
//! replaces five functions:
//!
//! - `poll_oneoff`: the original waits on tokio's timer, which is exact only to the millisecond
//!   (see `clock`);
//! - `random_get`: uses one random stream for every kind of guest, charges the bytes first and
//!   generates them in place;
//! - `args_get`, `environ_get`: unchanged, except that the bytes handed over are charged;
//! - `proc_exit`: accepts every status, not only those below 126.

use anyhow::Result;
use coo_kernel::module::surface::PREVIEW1;
use rand_chacha::rand_core::Rng as _;
use wasmtime::{AsContextMut as _, Caller, Engine, Extern, Linker};
use wasmtime_wasi::p1;
use wasmtime_wasi::p1::types::{self, Errno, Event, Rights, Subscription, SubscriptionU};
use wasmtime_wasi::p1::wasi_snapshot_preview1 as functions;
use wasmtime_wasi::p1::wasi_snapshot_preview1::WasiSnapshotPreview1 as _;
use wiggle::{GuestMemory, GuestPtr, GuestType as _};

use super::Guest;
use super::said::NO_MEMORY;
use super::wasi::{arguments_bytes, environment_bytes};
use crate::effects::stop::Stop;

/// Returns a linker that knows only WASI preview 1.
pub fn linker(engine: &Engine) -> Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    link(&mut linker).map_err(anyhow::Error::from)?;
    Ok(linker)
}

fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    p1::add_to_linker_async(linker, |guest: &mut Guest| &mut guest.wasi)?;
    linker.allow_shadowing(true);
    linker.func_wrap(
        PREVIEW1,
        "proc_exit",
        |_: Caller<'_, Guest>, status: i32| -> wasmtime::Result<()> {
            Err(Stop::Exit(status.cast_unsigned()).into())
        },
    )?;
    linker.func_wrap(
        PREVIEW1,
        "args_get",
        |mut caller: Caller<'_, Guest>, pointers: i32, texts: i32| {
            let (guest, mut memory) = guest_and_memory(&mut caller)?;
            guest.charge_bytes(arguments_bytes(&guest.arguments))?;
            functions::args_get(&mut guest.wasi, &mut memory, pointers, texts)
        },
    )?;
    linker.func_wrap(
        PREVIEW1,
        "environ_get",
        |mut caller: Caller<'_, Guest>, pointers: i32, texts: i32| {
            let (guest, mut memory) = guest_and_memory(&mut caller)?;
            guest.charge_bytes(environment_bytes(&guest.environment))?;
            functions::environ_get(&mut guest.wasi, &mut memory, pointers, texts)
        },
    )?;
    linker.func_wrap(
        PREVIEW1,
        "random_get",
        |mut caller: Caller<'_, Guest>, at: i32, length: i32| {
            let (guest, mut memory) = guest_and_memory(&mut caller)?;
            let place = GuestPtr::<[u8]>::new((at.cast_unsigned(), length.cast_unsigned()));
            if let Some(bytes) = memory.as_slice_mut(place)? {
                guest.charge_bytes(bytes.len() as u64)?;
                guest.rng.fill_bytes(bytes);
            }
            wasmtime::Result::Ok(Errno::Success as i32)
        },
    )?;
    linker.func_wrap_async(
        PREVIEW1,
        "poll_oneoff",
        |mut caller: Caller<'_, Guest>, (asked, events, count, found): (i32, i32, i32, i32)| {
            Box::new(async move {
                let bytes_max = caller.as_context_mut().hostcall_fuel();
                let (guest, mut memory) = guest_and_memory(&mut caller)?;
                if poll_bytes(count) > bytes_max as u64 {
                    return Ok(Errno::Nomem as i32);
                }
                guest.charge_bytes(poll_bytes(count))?;
                let asked = GuestPtr::new(asked.cast_unsigned());
                let events = GuestPtr::new(events.cast_unsigned());
                let polled = poll(guest, &mut memory, asked, events, count.cast_unsigned()).await;
                Ok(match polled {
                    Ok(number) => {
                        memory.write(GuestPtr::<u32>::new(found.cast_unsigned()), number)?;
                        Errno::Success
                    }
                    Err(error) => error.downcast()?,
                } as i32)
            })
        },
    )?;
    Ok(())
}

fn guest_and_memory<'a>(
    caller: &'a mut Caller<'_, Guest>,
) -> wasmtime::Result<(&'a mut Guest, GuestMemory<'a>)> {
    let memory = caller.get_export("memory").and_then(Extern::into_memory);
    let memory = memory.ok_or_else(|| wasmtime::Error::msg(NO_MEMORY))?;
    let (bytes, guest) = memory.data_and_store_mut(caller);
    Ok((guest, GuestMemory::Unshared(bytes)))
}

/// Returns the bytes that a poll of `count` subscriptions reads and writes.
fn poll_bytes(count: i32) -> u64 {
    let bytes = Subscription::guest_size() + Event::guest_size();
    u64::from(count.cast_unsigned()) * u64::from(bytes)
}

/// Reports every subscription that is ready now; if none is, first moves the time to the earliest
/// instant. The answers equal wasmtime-wasi's, event by event.
async fn poll(
    guest: &mut Guest,
    memory: &mut GuestMemory<'_>,
    asked: GuestPtr<Subscription>,
    events: GuestPtr<Event>,
    count: u32,
) -> Result<u32, types::Error> {
    if count == 0 {
        return Err(Errno::Inval.into());
    }
    let mut instants = Vec::new();
    let (asked, events) = (asked.as_array(count), events.as_array(count));
    for subscription in asked.iter() {
        let subscription = memory.read(subscription?)?;
        instants.push(ready_ns(guest, memory, &subscription).await?);
    }
    let earliest = instants.iter().min().copied().unwrap_or_default();
    guest.clock.advance_to(earliest);
    let now_ns = guest.clock.now_ns();
    let ready = asked.iter().zip(&instants);
    let ready = ready.filter(|(_, instant)| **instant <= now_ns);
    let mut number = 0;
    for ((subscription, _), event) in ready.zip(events.iter()) {
        let subscription = memory.read(subscription?)?;
        memory.write(event?, event_of(&subscription))?;
        number += 1;
    }
    Ok(number)
}

/// Returns the instant of the monotonic clock at which the subscription is ready, in nanoseconds. A
/// stream is ready at once, but the guest must hold it with the right that it needs.
async fn ready_ns(
    guest: &mut Guest,
    memory: &mut GuestMemory<'_>,
    subscription: &Subscription,
) -> Result<u64, types::Error> {
    let (stream, needed) = match &subscription.u {
        SubscriptionU::Clock(clock) => {
            let is_absolute = clock
                .flags
                .contains(types::Subclockflags::SUBSCRIPTION_CLOCK_ABSTIME);
            let now_ns = guest.clock.now_ns();
            return match clock.id {
                types::Clockid::Monotonic if is_absolute => Ok(clock.timeout),
                types::Clockid::Realtime if is_absolute => {
                    let wall_ns = guest.clock.wall().as_nanos();
                    let left = u128::from(clock.timeout).saturating_sub(wall_ns);
                    // The difference of two 64-bit numbers fits.
                    let left = u64::try_from(left).unwrap_or(u64::MAX);
                    Ok(now_ns.saturating_add(left))
                }
                types::Clockid::Monotonic | types::Clockid::Realtime => {
                    Ok(now_ns.saturating_add(clock.timeout))
                }
                types::Clockid::ProcessCputimeId | types::Clockid::ThreadCputimeId => {
                    Err(Errno::Inval.into())
                }
            };
        }
        SubscriptionU::FdRead(stream) => (stream.file_descriptor, Rights::FD_READ),
        SubscriptionU::FdWrite(stream) => (stream.file_descriptor, Rights::FD_WRITE),
    };
    let rights = guest
        .wasi
        .fd_fdstat_get(memory, stream)
        .await?
        .fs_rights_base;
    if rights.contains(needed) {
        Ok(0)
    } else {
        Err(Errno::Badf.into())
    }
}

fn event_of(subscription: &Subscription) -> Event {
    let (type_, nbytes) = match subscription.u {
        SubscriptionU::Clock(_) => (types::Eventtype::Clock, 0),
        SubscriptionU::FdRead(_) => (types::Eventtype::FdRead, 1),
        SubscriptionU::FdWrite(_) => (types::Eventtype::FdWrite, 1),
    };
    Event {
        userdata: subscription.userdata,
        error: Errno::Success,
        type_,
        fd_readwrite: types::EventFdReadwrite {
            nbytes,
            flags: types::Eventrwflags::empty(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every import that admission permits can be linked, with the type that admission has checked.
    #[test]
    fn every_function_that_is_admitted_is_linked_with_its_type() {
        let sandbox = crate::program::engine::build(
            coo_kernel::mission::descriptor::EngineSettings::default(),
        )
        .unwrap();
        let linker = linker(&sandbox.engine).unwrap();
        let known = crate::program::admission::preview1_functions().unwrap();
        assert!(known.len() > 40);
        for (name, ty) in known {
            let list = |types: &[wasmparser::ValType]| {
                let texts: Vec<String> = types.iter().map(ToString::to_string).collect();
                texts.join(" ")
            };
            let (params, results) = (list(ty.params()), list(ty.results()));
            let text = format!(
                r#"(module (import "{PREVIEW1}" "{name}" (func (param {params}) (result {results}))))"#
            );
            let module =
                wasmtime::Module::new(&sandbox.engine, wat::parse_str(text).unwrap()).unwrap();
            linker.instantiate_pre(&module).unwrap();
        }
    }
}
