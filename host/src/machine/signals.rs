//! The last words of a process that a signal ends: Ctrl-C, SIGTERM, a hang-up. A thread waits for the
//! signals, writes the words that were prepared for the present situation, and lets the signal end the
//! process, so that a shell sees it. Never catches a signal that the process was started to ignore.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level;

/// The signals, and how people call them.
pub const SIGNALS: [(i32, &str); 3] = [
    (SIGINT, "Ctrl-C (SIGINT)"),
    (SIGTERM, "SIGTERM"),
    (SIGHUP, "the end of its terminal (SIGHUP)"),
];

/// The thread only writes a line.
const STACK_BYTES: usize = 64 << 10;

/// Words for each situation, and in it for each of `SIGNALS`.
static WORDS: OnceLock<Vec<[String; SIGNALS.len()]>> = OnceLock::new();
static MORE: OnceLock<fn() -> String> = OnceLock::new();
/// Number of the situation, counted from 1. In 0 there is nothing to say.
static SITUATION: AtomicUsize = AtomicUsize::new(0);

/// Writes `words` of the present situation to standard error when a signal ends the process. A later
/// call changes nothing. Where no thread can be had, the signal ends the process without a word.
pub fn catch(words: Vec<[String; SIGNALS.len()]>) {
    if WORDS.set(words).is_err() {
        return;
    }
    let (registered, is_registered) = mpsc::channel();
    // The thread registers the signals itself: a registered signal that nobody waits for would be lost.
    let waiting = thread::Builder::new()
        .name("signals".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            let ignored = ignored();
            let numbers = SIGNALS.iter().map(|(number, _)| *number);
            let mut signals = Signals::new(numbers.filter(|number| !is_in(ignored, *number)));
            drop(registered);
            for number in signals.iter_mut().flat_map(Signals::forever) {
                end(number);
            }
        });
    if waiting.is_ok() {
        // Fails at once when the thread has dropped the other end.
        let _: Result<(), _> = is_registered.recv();
    }
}

/// Makes the last words of a process whose work changes too often for words that are prepared. They are
/// written after those of the situation.
pub fn set_more(more: fn() -> String) {
    // A later call changes nothing.
    let _ = MORE.set(more);
}

/// Lets this process outlive Ctrl-C from now on: the program that it shows its output with takes it.
pub fn leave_interrupts() {
    // Where that is impossible, Ctrl-C ends the process as before.
    let _ = signal_hook::flag::register(SIGINT, Arc::new(AtomicBool::new(false)));
}

/// Sets the situation, an index of the words; `None` if there is nothing to say.
pub fn set_situation(situation: Option<usize>) {
    SITUATION.store(situation.map_or(0, |index| index + 1), Ordering::Relaxed);
}

fn end(number: i32) {
    let situation = SITUATION.load(Ordering::Relaxed).checked_sub(1);
    let words = situation.and_then(|index| WORDS.get()?.get(index));
    let place = SIGNALS.iter().position(|(known, _)| *known == number);
    if let (Some(words), Some(place)) = (words, place) {
        // Past the lock of `std::io::stderr`, which the thread of the run may hold.
        let _ = rustix::io::write(std::io::stderr(), words[place].as_bytes());
        if let Some(more) = MORE.get() {
            let _ = rustix::io::write(std::io::stderr(), more().as_bytes());
        }
    }
    let _ = low_level::emulate_default_handler(number);
}

/// Returns the set of signals that this process ignores, as Linux states it: signal 1 is the lowest bit.
/// Elsewhere no signal is known to be ignored.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let set = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok())
        .unwrap_or_default()
}

fn is_in(set: u64, number: i32) -> bool {
    u32::try_from(number - 1)
        .is_ok_and(|bit| set.checked_shr(bit).is_some_and(|rest| rest & 1 == 1))
}
