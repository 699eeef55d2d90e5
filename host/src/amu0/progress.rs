//! Counts what is done of a long piece of work, on all cores, and tells whoever watches. Never
//! prints anything itself.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::machine::Stopwatch;

/// Somebody who watches is told so often.
const INTERVAL: Duration = Duration::from_secs(1);
/// The clock is asked at every so many steps.
const STRIDE: usize = 64;

/// See the module.
pub struct Progress<'a> {
    watcher: Option<&'a (dyn Fn(&str) + Sync)>,
    work: Mutex<Option<(&'static str, usize, Stopwatch)>>,
    done: AtomicUsize,
}

impl<'a> Progress<'a> {
    /// Tells `watcher`, if there is one.
    #[must_use]
    pub fn new(watcher: Option<&'a (dyn Fn(&str) + Sync)>) -> Self {
        Self {
            watcher,
            work: Mutex::new(None),
            done: AtomicUsize::new(0),
        }
    }

    /// Begins `total` steps.
    pub fn begin(&self, what: &'static str, total: usize) {
        self.done.store(0, Ordering::Relaxed);
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        *work = Some((what, total, Stopwatch::start()));
    }

    /// One step is done.
    pub fn step(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let Some(watcher) = self.watcher else { return };
        if !done.is_multiple_of(STRIDE) {
            return;
        }
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((what, total, since)) = work.as_mut()
            && since.elapsed() >= INTERVAL
        {
            *since = Stopwatch::start();
            watcher(&format!("{done} of {total} {what}"));
        }
    }
}
