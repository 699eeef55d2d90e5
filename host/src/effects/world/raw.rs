//! What only `SQLite`'s C interface can do for a guest's statement: a heap limit, the memory in
//! use, a seed for its random numbers, and taking its virtual tables away. Every call is one
//! line; nothing here decides. Never touches a statement or a value.

#![allow(
    unsafe_code,
    reason = "rusqlite has no safe form of these calls; each has its SAFETY note"
)]

use std::ffi::{CStr, c_char, c_int};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, ffi};

/// Bytes that `SQLite` has allocated in this process.
pub fn memory_used() -> u64 {
    // SAFETY: reads a counter under SQLite's own lock; may be called at any time.
    let bytes = unsafe { ffi::sqlite3_memory_used() };
    u64::try_from(bytes).unwrap_or(0)
}

/// The most bytes that `SQLite` had allocated at once since the last call; begins to measure
/// once more.
pub fn memory_peak() -> u64 {
    // SAFETY: reads and resets a counter under SQLite's own lock.
    let bytes = unsafe { ffi::sqlite3_memory_highwater(1) };
    u64::try_from(bytes).unwrap_or(0)
}

/// From now on an allocation that would lead past so many bytes in all fails as if the machine
/// had no more; 0 lifts the limit.
pub fn limit_heap(bytes: u64) {
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    // SAFETY: sets a number under SQLite's own lock; an allocation that fails is one of the
    // errors that every caller of SQLite handles.
    unsafe { ffi::sqlite3_hard_heap_limit64(bytes) };
}

/// Random numbers that follow from a seed, for as long as the value lives. Afterwards `SQLite`
/// goes on with the machine's: salts and names of files need numbers that nobody foresees.
/// One at a time: the generator is the process's.
pub struct Seeded {
    _alone: MutexGuard<'static, ()>,
}

static ALONE: Mutex<()> = Mutex::new(());

impl Seeded {
    /// Begins with `seed`.
    pub fn with(seed: u32) -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        // 0 means the machine's own chance.
        let seed = c_int::from_ne_bytes(seed.max(1).to_ne_bytes());
        let none: *mut ffi::sqlite3 = std::ptr::null_mut();
        // SAFETY: both operations take exactly these arguments (sqlite3.c, "case
        // SQLITE_TESTCTRL_PRNG_SAVE" and "_SEED"); they copy and set the generator's state. A
        // null database means that the seed is taken as it is.
        unsafe {
            ffi::sqlite3_test_control(ffi::SQLITE_TESTCTRL_PRNG_SAVE);
            ffi::sqlite3_test_control(ffi::SQLITE_TESTCTRL_PRNG_SEED, seed, none);
        }
        Self { _alone: alone }
    }
}

impl Drop for Seeded {
    fn drop(&mut self) {
        let none: *mut ffi::sqlite3 = std::ptr::null_mut();
        let machine: c_int = 0;
        // SAFETY: as in `with`; what is restored was saved there.
        unsafe {
            ffi::sqlite3_test_control(ffi::SQLITE_TESTCTRL_PRNG_SEED, machine, none);
            ffi::sqlite3_test_control(ffi::SQLITE_TESTCTRL_PRNG_RESTORE);
        }
    }
}

/// Modules whose SQL functions hold on to what belongs to the module. No statement of a guest may
/// call those functions or make a table of these modules.
const KEPT: [&CStr; 5] = [c"fts3", c"fts3tokenize", c"fts4", c"fts4aux", c"fts5"];

/// Takes away the modules of virtual tables that are registered, but for `KEPT`. Those of JSON
/// come back by themselves where a statement names them; others show the file's layout.
pub fn drop_modules(connection: &Connection) {
    let mut kept: Vec<*const c_char> = KEPT.iter().map(|name| name.as_ptr()).collect();
    kept.push(std::ptr::null());
    // SAFETY: the handle is that of an open connection, which lives longer than the call; the
    // names live for ever, and a null pointer ends their list, which is read and not kept. None of
    // the modules that go has a table yet, since the connection has run no statement of a guest.
    unsafe {
        ffi::sqlite3_drop_modules(connection.handle(), kept.as_mut_ptr());
    }
}
