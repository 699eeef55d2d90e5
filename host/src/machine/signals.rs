//! The last words of a process that a signal ends: Ctrl-C, SIGTERM, a hang-up. The words are prepared
//! beforehand, because a signal handler may do almost nothing. The process still ends by the signal, so
//! that a shell sees it. Never ignores a signal, and never catches one that the process was started to
//! ignore.

#![allow(
    unsafe_code,
    reason = "the C library's `signal` is unsafe; see the one SAFETY note below"
)]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Signal, getpid, kill_process};

/// The signals, and how people call them.
pub const SIGNALS: [(Signal, &str); 3] = [
    (Signal::INT, "Ctrl-C (SIGINT)"),
    (Signal::TERM, "SIGTERM"),
    (Signal::HUP, "the end of its terminal (SIGHUP)"),
];

/// Words for each situation, and in it for each of `SIGNALS`.
static WORDS: OnceLock<Vec<[String; SIGNALS.len()]>> = OnceLock::new();
/// Number of the situation, counted from 1. In 0 there is nothing to say.
static SITUATION: AtomicUsize = AtomicUsize::new(0);

const DEFAULT: usize = 0;
const IGNORE: usize = 1;

unsafe extern "C" {
    fn signal(number: i32, handler: usize) -> usize;
}

/// Writes `words` of the present situation to standard error when a signal ends the process. A later
/// call changes nothing.
pub fn catch(words: Vec<[String; SIGNALS.len()]>) {
    if WORDS.set(words).is_err() {
        return;
    }
    for (caught, _) in SIGNALS {
        set(caught, ended as extern "C" fn(i32) as usize, IGNORE);
    }
}

/// Sets the situation, an index of the words; `None` if there is nothing to say.
pub fn set_situation(situation: Option<usize>) {
    SITUATION.store(situation.map_or(0, |index| index + 1), Ordering::Relaxed);
}

/// Sets the handler of a signal, unless it has the handler `kept` now.
fn set(number: Signal, handler: usize, kept: usize) {
    // SAFETY: `signal` is the C library's. The handlers are SIG_DFL, SIG_IGN or `ended`, which has the
    // type that a handler must have and calls only what a handler may call: it reads an atomic and a
    // cell that was written before, and makes the system calls write, rt_sigaction and kill.
    unsafe {
        if signal(number.as_raw(), handler) == kept {
            signal(number.as_raw(), kept);
        }
    }
}

extern "C" fn ended(number: i32) {
    let situation = SITUATION.load(Ordering::Relaxed).checked_sub(1);
    let words = situation.and_then(|index| WORDS.get()?.get(index));
    for (place, (caught, _)) in SIGNALS.into_iter().enumerate() {
        if caught.as_raw() != number {
            continue;
        }
        if let Some(words) = words {
            let _ = rustix::io::write(std::io::stderr(), words[place].as_bytes());
        }
        // It is pending until this handler returns, and then ends the process.
        set(caught, DEFAULT, usize::MAX);
        let _ = kill_process(getpid(), caught);
    }
}
