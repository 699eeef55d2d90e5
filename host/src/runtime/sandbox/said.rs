//! Translates the engine's error into the kernel's terms when a guest does not return. It maps
//! error types, and texts where the engine has no type. It decides nothing:
//! `coo_kernel::mission::failure::classify` says who is responsible. An unknown error is never
//! attributed to the guest.

use std::char::DecodeUtf16Error;
use std::collections::TryReserveError;
use std::num::TryFromIntError;
use std::str::Utf8Error;
use std::string::FromUtf8Error;

use coo_kernel::mission::failure::{Failure, Said, Whose, classify};
use wasmtime::Trap;
use wasmtime::component::ResourceTableError;
use wasmtime_wasi::I32Exit;
use wiggle::GuestError;

use super::RESOURCES_MAX;
use crate::effects::stop::Stop;

/// Beginning of wiggle's error for a call of preview 1 by a module that exports no memory.
pub const NO_MEMORY: &str = "missing required memory export";

/// Beginnings of the engine's errors for a misused interface, where it has no error type: from
/// wasmtime's canonical ABI (`runtime/component`, `runtime/vm/component`) and wasmtime-wasi-io,
/// 48.0. Check them at every update of the engine; `tests/sandbox_security/misuse.rs` provokes them
/// in the engine itself.
const MISUSES: [&str; 47] = [
    // Pointers and lengths.
    "pointer not aligned",
    "pointer size overflow",
    "pointer out of bounds",
    "return pointer not aligned",
    "string pointer not aligned",
    "string pointer/length out of bounds of memory",
    "byte length overflow",
    "byte length too large",
    "list pointer/length out of bounds of memory",
    "list pointer is not aligned",
    "map pointer/length out of bounds of memory",
    "map pointer is not aligned",
    "fixed length list out of bounds of memory",
    "size overflow copying a list",
    "size overflow copying a map",
    "realloc return: result not aligned",
    "realloc return: beyond end of memory",
    "too much data is being copied between the host and the guest",
    // Values.
    "invalid utf8 encoding",
    "invalid utf16 encoding",
    "invalid option discriminant",
    "invalid expected discriminant",
    "unexpected discriminant",
    "discriminant ",
    // Handles.
    "unknown handle index",
    "index is not a resource",
    "index ",
    "handle index",
    "handle is not",
    "handle is a",
    "mismatched resource types",
    "resource type mismatch",
    "host resource already consumed",
    "host-owned resource was already de-allocated",
    "cannot allocate another handle",
    "cannot lend resource",
    "cannot lower a `borrow` resource into an `own`",
    "cannot remove owned resource while borrowed",
    "borrow handles still remain at the end of the call",
    // wasi:io.
    "empty poll list",
    "Buffer too large for blocking-write",
    "cannot write more zeroes than `check_write` allows",
    "max blocking attempts exceeded",
    // Structure: more instances, memories or tables than `limiter` permits.
    "resource limit exceeded",
    "memory minimum size of",
    "table minimum size of",
    NO_MEMORY,
];

/// Translates an engine's error to the reason why the run stops.
pub fn stop(error: wasmtime::Error, fuel_limit: u64) -> Stop {
    let error = match error.downcast::<Stop>() {
        Ok(stop) => return stop,
        Err(error) => error,
    };
    if let Some(I32Exit(status)) = error.downcast_ref() {
        return Stop::Exit(status.cast_unsigned());
    }
    match classify(said(&error, fuel_limit)) {
        Whose::Guest(failure) => Stop::Failed(failure),
        Whose::Machine { reason } => {
            Stop::Interrupted(anyhow::anyhow!("machine: can't run the guest: {reason}"))
        }
    }
}

fn said(error: &wasmtime::Error, fuel_limit: u64) -> Said {
    // A host function raised it directly.
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return Said::Failed(failure.clone());
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return match trap {
            Trap::OutOfFuel => Said::OutOfFuel { limit: fuel_limit },
            trap => {
                let reason = trap.to_string();
                let reason = reason.strip_prefix("wasm trap: ").unwrap_or(&reason);
                Said::Trap {
                    reason: reason.to_owned(),
                }
            }
        };
    }
    if error.chain().any(is_of_the_machine) {
        return Said::Machine {
            reason: format!("{error:#}"),
        };
    }
    if let Some(ResourceTableError::Full) = error.downcast_ref::<ResourceTableError>() {
        return Said::ResourcesFull {
            limit: RESOURCES_MAX as u64,
        };
    }
    let reason = error.root_cause().to_string();
    if reason.starts_with(NO_MEMORY) {
        return Said::Misuse {
            reason: "it calls WASI preview 1 and exports no memory named 'memory'".to_owned(),
        };
    }
    // For a wrong argument of a preview 1 function, this error names the function and the place.
    if let Some(misuse) = error.downcast_ref::<GuestError>() {
        return Said::Misuse {
            reason: misuse.to_string(),
        };
    }
    let is_misuse = error.chain().any(is_misuse_by_type)
        || MISUSES
            .iter()
            .any(|beginning| reason.starts_with(beginning));
    if is_misuse {
        Said::Misuse { reason }
    } else {
        Said::Unknown {
            reason: format!("{error:#}"),
        }
    }
}

fn is_of_the_machine(error: &(dyn std::error::Error + 'static)) -> bool {
    error.is::<std::io::Error>()
        || error.is::<rustix::io::Errno>()
        || error.is::<wasmtime::OutOfMemory>()
        || error.is::<TryReserveError>()
}

fn is_misuse_by_type(error: &(dyn std::error::Error + 'static)) -> bool {
    error.is::<GuestError>()
        || error.is::<ResourceTableError>()
        || error.is::<Utf8Error>()
        || error.is::<FromUtf8Error>()
        || error.is::<DecodeUtf16Error>()
        || error.is::<TryFromIntError>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_interrupted(error: wasmtime::Error) -> bool {
        matches!(stop(error, 1), Stop::Interrupted(_))
    }

    #[test]
    fn failures_of_the_machine_interrupt() {
        let io = || std::io::Error::from_raw_os_error(12);
        assert!(is_interrupted(io().into()));
        assert!(is_interrupted(
            wasmtime::Error::from(io()).context("failed to create stack for wasm")
        ));
        for errno in [
            rustix::io::Errno::NOMEM,
            rustix::io::Errno::IO,
            rustix::io::Errno::NOSPC,
            rustix::io::Errno::AGAIN,
        ] {
            assert!(is_interrupted(errno.into()));
            assert!(is_interrupted(
                wasmtime::Error::from(errno).context("mmap failed to reserve 0x1 bytes")
            ));
        }
        let too_much = Vec::<u8>::new().try_reserve(usize::MAX).unwrap_err();
        assert!(is_interrupted(too_much.into()));
    }

    #[test]
    fn what_nobody_knows_interrupts_and_says_so() {
        let error = wasmtime::Error::msg("the moon is full").context("while running");
        let Stop::Interrupted(said) = stop(error, 1) else {
            panic!("not interrupted")
        };
        let said = format!("{said:#}");
        assert!(
            said.contains("unexpected: while running: the moon is full"),
            "{said}"
        );
    }

    #[test]
    fn misuse_by_type_and_by_text_is_the_guests() {
        let utf8 = String::from_utf8(vec![0xff]).unwrap_err().utf8_error();
        for error in [
            wasmtime::Error::from(utf8),
            GuestError::PtrOverflow.into(),
            ResourceTableError::NotPresent.into(),
            wasmtime::Error::msg("unknown handle index 42"),
            wasmtime::Error::msg("realloc return: beyond end of memory"),
        ] {
            let said = format!("{error:#}");
            assert!(
                matches!(stop(error, 1), Stop::Failed(Failure::Contract { .. })),
                "{said}"
            );
        }
    }

    #[test]
    fn ends_keep_their_kind() {
        let failure = Failure::Exit { status: 3 };
        for error in [
            wasmtime::Error::from(failure.clone()),
            wasmtime::Error::from(Stop::Failed(failure.clone())),
            wasmtime::Error::from(Stop::Failed(failure.clone())).context("in the guest"),
        ] {
            let Stop::Failed(found) = stop(error, 1) else {
                panic!("another end")
            };
            assert_eq!(found, failure);
        }
        assert!(matches!(stop(I32Exit(200).into(), 1), Stop::Exit(200)));
        assert!(matches!(
            stop(Trap::OutOfFuel.into(), 7),
            Stop::Failed(Failure::Fuel { limit: 7 })
        ));
        assert!(matches!(
            stop(Trap::MemoryOutOfBounds.into(), 7),
            Stop::Failed(Failure::Trap { .. })
        ));
        assert!(matches!(
            stop(ResourceTableError::Full.into(), 7),
            Stop::Failed(Failure::Limit { .. })
        ));
    }
}
