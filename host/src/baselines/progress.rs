//! Counts the progress of a long task on all cores and reports it to a watcher. Never prints
//! anything itself.

use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::machine::Stopwatch;

/// Interval between two reports to the watcher.
const INTERVAL: Duration = Duration::from_secs(1);
/// Number of steps between two looks at the clock. The clock is also read each time `STRIDE_BYTES`
/// have been read, which takes a slow disk a tenth of a second.
const STRIDE: usize = 64;
const STRIDE_BYTES: u64 = 8 << 20;
/// A sync of at least this many bytes may take about a second, so it is announced.
const SYNC_BYTES_MIN: u64 = 64 << 20;

/// The progress of one task after another.
pub struct Progress<'a> {
    watcher: Option<&'a (dyn Fn(&str) + Sync)>,
    work: Mutex<Option<Work>>,
    done: AtomicUsize,
    read: AtomicU64,
    interval: Duration,
}

struct Work {
    what: &'static str,
    steps: usize,
    bytes: u64,
    begun: Stopwatch,
    told: Stopwatch,
}

impl<'a> Progress<'a> {
    /// Creates a counter that reports to `watcher`, if there is one.
    #[must_use]
    pub fn new(watcher: Option<&'a (dyn Fn(&str) + Sync)>) -> Self {
        Self {
            watcher,
            work: Mutex::new(None),
            done: AtomicUsize::new(0),
            read: AtomicU64::new(0),
            interval: INTERVAL,
        }
    }

    /// Begins a task of this many steps, in which this many bytes are to be read.
    pub fn begin(&self, what: &'static str, (steps, bytes): (usize, u64)) {
        self.done.store(0, Ordering::Relaxed);
        self.read.store(0, Ordering::Relaxed);
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        *work = Some(Work {
            what,
            steps,
            bytes,
            begun: Stopwatch::start(),
            told: Stopwatch::start(),
        });
    }

    /// Counts one completed step.
    pub fn step(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if done.is_multiple_of(STRIDE) {
            self.tell();
        }
    }

    /// Wraps `inner` so that its bytes are counted as they are read.
    pub fn reading<R: Read>(&self, inner: R) -> Reading<'_, 'a, R> {
        Reading {
            progress: self,
            inner,
        }
    }

    /// Announces a sync of `bytes` of new content, if the sync or the task so far is long.
    pub fn syncing(&self, bytes: u64) {
        if let Some(watcher) = self.watcher
            && (bytes >= SYNC_BYTES_MIN || bytes > 0 && self.is_long())
        {
            watcher(&format!("syncing {} MB to the disk", megabytes(bytes)));
        }
    }

    /// Announces a sync of names, which includes what other processes have written, if the task so
    /// far is long.
    pub fn syncing_names(&self) {
        if let Some(watcher) = self.watcher
            && self.is_long()
        {
            watcher("syncing the tree");
        }
    }

    fn is_long(&self) -> bool {
        let work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = work.as_ref().map(|work| work.begun.elapsed());
        begun.is_some_and(|elapsed| elapsed >= self.interval)
    }

    fn add(&self, bytes: u64) {
        let before = self.read.fetch_add(bytes, Ordering::Relaxed);
        if before / STRIDE_BYTES != (before + bytes) / STRIDE_BYTES {
            self.tell();
        }
    }

    /// Reports the progress, unless the last report is less than an interval old.
    fn tell(&self) {
        let Some(watcher) = self.watcher else { return };
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(work) = work.as_mut() else { return };
        if work.told.elapsed() < self.interval {
            return;
        }
        work.told = Stopwatch::start();
        watcher(&line(
            work.what,
            (self.done.load(Ordering::Relaxed), work.steps),
            (self.read.load(Ordering::Relaxed), work.bytes),
        ));
    }
}

fn line(what: &str, (done, steps): (usize, usize), (read, bytes): (u64, u64)) -> String {
    format!(
        "{done} of {steps} {what}, {} of {} MB",
        megabytes(read),
        megabytes(bytes)
    )
}

/// Formats a number of megabytes (10^6 bytes) with one decimal place.
fn megabytes(bytes: u64) -> String {
    let tenths = bytes / 100_000;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// A reader whose bytes are counted. See `Progress::reading`.
pub struct Reading<'p, 'a, R> {
    progress: &'p Progress<'a>,
    inner: R,
}

impl<R: Read> Read for Reading<'_, '_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.progress.add(n as u64);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_steps_and_bytes() {
        assert_eq!(
            line("files captured", (128, 50_000), (12_345_678, 400_000_000)),
            "128 of 50000 files captured, 12.3 of 400.0 MB"
        );
        assert_eq!(megabytes(99_999), "0.0");
        assert_eq!(megabytes(u64::MAX), "18446744073709.5");
    }

    #[test]
    fn what_is_read_is_counted_and_short_work_is_not_told() {
        let told = Mutex::new(Vec::new());
        let watcher = |line: &str| told.lock().unwrap().push(line.to_owned());
        let progress = Progress::new(Some(&watcher));
        progress.begin("files captured", (1, 5));
        let mut read = Vec::new();
        let mut reading = progress.reading(&b"12345"[..]);
        reading.read_to_end(&mut read).unwrap();
        progress.step();
        assert_eq!(progress.read.load(Ordering::Relaxed), 5);
        progress.syncing(0);
        progress.syncing(5);
        assert!(told.lock().unwrap().is_empty());
        progress.syncing(SYNC_BYTES_MIN);
        assert_eq!(*told.lock().unwrap(), ["syncing 67.1 MB to the disk"]);
    }

    #[test]
    fn what_takes_long_is_told() {
        let told = Mutex::new(Vec::new());
        let watcher = |line: &str| told.lock().unwrap().push(line.to_owned());
        let mut progress = Progress::new(Some(&watcher));
        progress.interval = Duration::ZERO;
        progress.begin("files captured", (2, 20_000_000));
        progress.add(10_000_000);
        progress.add(10_000_000);
        progress.syncing(1);
        progress.syncing_names();
        assert_eq!(
            *told.lock().unwrap(),
            [
                "0 of 2 files captured, 10.0 of 20.0 MB",
                "0 of 2 files captured, 20.0 of 20.0 MB",
                "syncing 0.0 MB to the disk",
                "syncing the tree"
            ]
        );
    }
}
