//! A library for `LD_PRELOAD`: the program that it is loaded into finds a machine with the same chance,
//! the same clock and the same file metadata at each start. `componentize-py` runs CPython once and keeps
//! its memory, in which all of these leave traces (the hash seed, times of files in freed blocks).
//! The library serves builds alone: it is no part of a runner, and it never changes a file.
//!
//! Chance and clock are functions of the C library, which this library replaces. Metadata is read by
//! system calls without the C library, so a seccomp filter turns these calls into a signal, and the
//! handler makes the call and corrects its answer. x86-64 Linux only.
#![allow(
    unsafe_code,
    reason = "a signal handler and replaced functions of the C library have no safe form"
)]

mod metadata;
mod trap;

use std::ffi::{c_int, c_uint, c_void};

/// 2023-11-14T22:13:20Z: any moment does.
const NOW_SECONDS: i64 = 1_700_000_000;

#[repr(C)]
pub struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}

/// Replaces the C library's function: each byte of chance is the same.
///
/// # Safety
/// As for the C library's function: `buffer` has `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getrandom(buffer: *mut c_void, length: usize, _flags: c_uint) -> isize {
    // SAFETY: the caller promises the length.
    unsafe { buffer.cast::<u8>().write_bytes(0x2a, length) };
    isize::try_from(length).unwrap_or(isize::MAX)
}

/// Replaces the C library's function: the clocks stand.
///
/// # Safety
/// As for the C library's function: `time` may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(_clock: c_int, time: *mut Timespec) -> c_int {
    // SAFETY: the caller promises that it may be written to.
    unsafe {
        time.write(Timespec {
            seconds: NOW_SECONDS,
            nanoseconds: 0,
        })
    };
    0
}

/// The loader calls this before the program starts, when there is one thread.
#[used]
#[unsafe(link_section = ".init_array")]
static START: extern "C" fn() = {
    extern "C" fn start() {
        trap::install();
    }
    start
};
