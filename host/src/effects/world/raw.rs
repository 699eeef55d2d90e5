//! Calls that only `SQLite`'s C interface offers: a heap limit, the memory in use, a seed for
//! random numbers, and the removal of virtual table modules. Every call is one line; nothing here
//! decides. Never touches a statement or a value.

#![allow(
    unsafe_code,
    reason = "rusqlite has no safe form of these calls; each has its SAFETY note"
)]

use std::ffi::{CStr, c_char, c_int};
use std::sync::MutexGuard;

use rusqlite::{Connection, ffi};

/// Returns the bytes that `SQLite` has allocated in this process.
pub fn memory_used() -> u64 {
    // SAFETY: reads a counter under SQLite's own lock; may be called at any time.
    let bytes = unsafe { ffi::sqlite3_memory_used() };
    u64::try_from(bytes).unwrap_or(0)
}

/// Returns the bytes that `SQLite` has allocated in this process, and the most that it had at once since
/// the last call; restarts the measurement of the second.
pub fn memory_used_and_peak() -> (u64, u64) {
    let (mut used, mut peak) = (0, 0);
    // SAFETY: reads two counters, and resets one, under SQLite's own lock; both pointers are to numbers
    // that outlive the call.
    unsafe {
        ffi::sqlite3_status64(
            ffi::SQLITE_STATUS_MEMORY_USED,
            &raw mut used,
            &raw mut peak,
            1,
        );
    }
    let [used, peak] = [used, peak].map(|bytes| u64::try_from(bytes).unwrap_or(0));
    (used, peak)
}

/// Makes every allocation fail that would bring `SQLite`'s total above `bytes`, as if the machine
/// had no more memory; 0 lifts the limit.
pub fn limit_heap(bytes: u64) {
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    // SAFETY: sets a number under SQLite's own lock; an allocation that fails is one of the
    // errors that every caller of SQLite handles.
    unsafe { ffi::sqlite3_hard_heap_limit64(bytes) };
}

/// Seeds `SQLite`'s random numbers for as long as the value lives. Afterwards `SQLite` uses the
/// machine's random numbers again: salts and file names need unpredictable ones. The generator
/// belongs to the process, so only one value exists at a time, and no other thread uses `SQLite`
/// meanwhile: the caller holds `alone`.
pub struct Seeded(());

impl Seeded {
    /// Starts the generator with `seed`.
    pub fn with(seed: u32, _alone: &MutexGuard<'static, ()>) -> Self {
        // SQLite takes 0 as a request for the machine's random numbers.
        let seed = c_int::from_ne_bytes(seed.max(1).to_ne_bytes());
        let none: *mut ffi::sqlite3 = std::ptr::null_mut();
        // SAFETY: both operations take exactly these arguments (sqlite3.c, "case
        // SQLITE_TESTCTRL_PRNG_SAVE" and "_SEED"); they copy and set the generator's state. A null
        // database makes SQLite use the seed unchanged.
        unsafe {
            ffi::sqlite3_test_control(ffi::SQLITE_TESTCTRL_PRNG_SAVE);
            ffi::sqlite3_test_control(ffi::SQLITE_TESTCTRL_PRNG_SEED, seed, none);
        }
        Self(())
    }
}

impl Drop for Seeded {
    fn drop(&mut self) {
        let none: *mut ffi::sqlite3 = std::ptr::null_mut();
        let machine: c_int = 0;
        // SAFETY: as in `with`, which saved the state that is restored here.
        unsafe {
            ffi::sqlite3_test_control(ffi::SQLITE_TESTCTRL_PRNG_SEED, machine, none);
            ffi::sqlite3_test_control(ffi::SQLITE_TESTCTRL_PRNG_RESTORE);
        }
    }
}

/// Modules that stay registered because their SQL functions hold on to the module's data. A guest's
/// statement may neither call these functions nor create a table of these modules.
const KEPT: [&CStr; 5] = [c"fts3", c"fts3tokenize", c"fts4", c"fts4aux", c"fts5"];

/// Removes all registered modules of virtual tables except `KEPT`. `SQLite` registers the JSON
/// modules again when a statement names them; the others would show the layout of the file.
pub fn drop_modules(connection: &Connection) {
    let mut kept: Vec<*const c_char> = KEPT.iter().map(|name| name.as_ptr()).collect();
    kept.push(std::ptr::null());
    // SAFETY: the handle belongs to an open connection, which lives longer than the call. The names
    // are static, and a null pointer ends their list, which SQLite reads and does not keep. None of
    // the removed modules has a table yet, because the connection has run no statement of a guest.
    unsafe {
        ffi::sqlite3_drop_modules(connection.handle(), kept.as_mut_ptr());
    }
}
