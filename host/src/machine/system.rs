//! The only module that asks the machine about itself: wall clock, entropy, environment, identity.
//! Its answers are stored beside the journal and never inside the chain. `clippy.toml` bans these
//! calls everywhere else.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this module is the one place that may ask"
)]

use std::ffi::OsString;
use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{IsTerminal as _, Write as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use coo_kernel::mission::exit::Exit;

/// Returns the wall clock in milliseconds since 1970, UTC.
#[must_use]
pub fn now_unix_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Measures elapsed real time, for guards and progress.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts a stopwatch.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Returns the time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// Returns a stopwatch that was started so much later.
    #[must_use]
    pub fn later(self, by: Duration) -> Self {
        Self(self.0 + by)
    }
}

/// A real-time deadline after which a run is stopped from outside its record.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    started: Stopwatch,
    allowed: Duration,
    /// Time that does not count.
    waited: Duration,
}

impl Deadline {
    /// Creates the deadline `allowed` from now.
    #[must_use]
    pub fn after(allowed: Duration) -> Self {
        Self {
            started: Stopwatch::start(),
            allowed,
            waited: Duration::ZERO,
        }
    }

    /// Creates the deadline `allowed` after a stopwatch was started.
    #[must_use]
    pub const fn since(started: Stopwatch, allowed: Duration) -> Self {
        Self {
            started,
            allowed,
            waited: Duration::ZERO,
        }
    }

    /// Returns whether the deadline has passed.
    #[must_use]
    pub fn has_passed(&self) -> bool {
        self.started.elapsed() > self.allowed.saturating_add(self.waited)
    }

    /// Returns the remaining real time; zero after the deadline.
    #[must_use]
    pub fn left(&self) -> Duration {
        let allowed = self.allowed.saturating_add(self.waited);
        allowed.saturating_sub(self.started.elapsed())
    }

    /// Returns the deadline moved by `more`.
    #[must_use]
    pub fn extended(&self, more: Duration) -> Self {
        Self {
            started: self.started,
            allowed: self.allowed.saturating_add(more),
            waited: self.waited,
        }
    }

    /// Returns the deadline moved by the time in which the run has waited for something outside. What the
    /// run was given stays the same.
    #[must_use]
    fn waited(&self, more: Duration) -> Self {
        Self {
            waited: self.waited.saturating_add(more),
            ..*self
        }
    }

    /// Returns the real time that the run was given.
    #[must_use]
    pub const fn allowed(&self) -> Duration {
        self.allowed
    }
}

/// Real time between a deadline and the end of a process that has not noticed it. All code that
/// checks the clock does so more often than this.
pub const WATCHDOG_GRACE: Duration = Duration::from_secs(2);
/// Stack of the watching thread, which writes only one line.
const WATCHDOG_STACK_BYTES: usize = 64 << 10;
/// Goes to the first column of a terminal and removes the line.
pub const CLEAR_LINE: &str = "\r\x1b[K";

/// Ends the process if a deadline has passed unnoticed because the process is inside one long
/// operation of a library. The record stays as after any kill, and the mission can be resumed.
/// Watches from its start until it is dropped.
///
/// It is started late, and by a short run not at all: starting the thread takes as long as the rest
/// of a small step, and from then on every allocation of the process takes a lock.
pub struct Watchdog {
    watch: Arc<Watch>,
    /// `None` once it has been started.
    last_words: Mutex<Option<(String, Exit)>>,
}

struct Watch {
    state: Mutex<Watched>,
    changed: Condvar,
}

struct Watched {
    /// When the process is ended; `None` while it waits for an operation outside.
    end: Option<Deadline>,
    has_ended: bool,
    /// Time in which the watch was paused.
    paused: Duration,
}

impl Watch {
    fn state(&self) -> MutexGuard<'_, Watched> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, change: impl FnOnce(&mut Watched)) {
        change(&mut self.state());
        self.changed.notify_one();
    }

    /// Waits; returns true if the deadline passed, and false if there is nothing left to watch.
    fn wait(&self) -> bool {
        let mut state = self.state();
        loop {
            if state.has_ended {
                return false;
            }
            let left = match &state.end {
                Some(end) if end.left().is_zero() => return true,
                Some(end) => end.left(),
                None => Duration::from_hours(1),
            };
            state = match self.changed.wait_timeout(state, left) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }
}

impl Watchdog {
    /// Creates a watchdog. `WATCHDOG_GRACE` after `deadline`, once it is started, the process writes
    /// `last_words` to standard error and exits with their code.
    #[must_use]
    pub fn new(deadline: &Deadline, last_words: (String, Exit)) -> Self {
        Self {
            watch: Arc::new(Watch {
                state: Mutex::new(Watched {
                    end: Some(deadline.extended(WATCHDOG_GRACE)),
                    has_ended: false,
                    paused: Duration::ZERO,
                }),
                changed: Condvar::new(),
            }),
            last_words: Mutex::new(Some(last_words)),
        }
    }

    /// Starts watching, unless it has begun already. Called before every operation that neither
    /// fuel nor the clock bounds, and when a run has taken as long as a slice of fuel.
    pub fn start(&self) {
        let last_words = self.last_words.lock();
        let Some((last_words, exit)) = last_words.unwrap_or_else(PoisonError::into_inner).take()
        else {
            return;
        };
        let own = Arc::clone(&self.watch);
        let body = move || {
            if own.wait() {
                let clear = if std::io::stderr().is_terminal() {
                    CLEAR_LINE
                } else {
                    ""
                };
                let said = clear.to_owned() + &last_words;
                let _ = std::io::stderr().write_all(said.as_bytes());
                std::process::exit(i32::from(exit.code()));
            }
        };
        // If no thread can be started there is no watchdog, and everything else works as before.
        let _ = std::thread::Builder::new()
            .name("watchdog".to_owned())
            .stack_size(WATCHDOG_STACK_BYTES)
            .spawn(body);
    }

    /// Stops watching as long as the returned value lives, for an operation that has its own time limit.
    /// That time does not count for the run: `after_pauses` moves its deadline by it.
    #[must_use]
    pub fn pause(&self, deadline: Deadline) -> Paused<'_> {
        self.watch.set(|state| state.end = None);
        Paused {
            watchdog: self,
            deadline,
            since: Stopwatch::start(),
        }
    }

    /// Returns `deadline` as it is after all pauses so far.
    #[must_use]
    pub fn after_pauses(&self, deadline: Deadline) -> Deadline {
        deadline.waited(self.watch.state().paused)
    }
}

/// A watchdog that does not watch; see `Watchdog::pause`.
pub struct Paused<'a> {
    watchdog: &'a Watchdog,
    deadline: Deadline,
    since: Stopwatch,
}

impl Drop for Paused<'_> {
    fn drop(&mut self) {
        self.watchdog.watch.set(|state| {
            state.paused = state.paused.saturating_add(self.since.elapsed());
            let left = self.deadline.waited(state.paused).left();
            state.end = Some(Deadline::after(left.saturating_add(WATCHDOG_GRACE)));
        });
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.watch.set(|state| state.has_ended = true);
    }
}

/// Sleeps between two attempts of a model call, or while a program runs; never for a guest.
pub fn sleep(time: Duration) {
    std::thread::sleep(time);
}

/// Returns unpredictable bytes, for keys and names of temporary files.
pub fn random_bytes<const N: usize>() -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// Returns an unpredictable number from 0 up to, but not including, 1. It only spreads retries.
#[must_use]
pub fn random_fraction() -> f64 {
    // Every `RandomState` has its own keys, so its hash of a constant is a fresh number. That is
    // good enough to spread clients and needs no dependency.
    let [a, b, c, d, ..] = RandomState::new().hash_one(0_u8).to_le_bytes();
    f64::from(u32::from_le_bytes([a, b, c, d])) / (f64::from(u32::MAX) + 1.0)
}

/// Returns number and path of every file, folder and block device that is open in this process,
/// including standard input, output and error. Leaves out pipes, sockets and character devices
/// (terminals, `/dev/null`), because nothing governed can be changed through them. `None` if the
/// system does not tell.
#[must_use]
pub fn open_files() -> Option<Vec<(u32, PathBuf)>> {
    let own = std::fs::read_dir("/proc/self/fd").ok()?;
    let mut found = Vec::new();
    for entry in own {
        let entry = entry.ok()?;
        let number: u32 = entry.file_name().to_str()?.parse().ok()?;
        let target = std::fs::read_link(entry.path()).unwrap_or_default();
        // The folder being read is open as well, but no other process has it.
        let is_this = target == std::path::Path::new(&format!("/proc/{}/fd", process_id()));
        // Examines the open file itself, even if its name now belongs to another file.
        let is_file = match std::fs::metadata(entry.path()).map(|metadata| metadata.file_type()) {
            Ok(kind) => kind.is_file() || kind.is_dir() || kind.is_block_device(),
            Err(_) => target.is_absolute(),
        };
        if is_file && !is_this {
            found.push((number, target));
        }
    }
    found.sort();
    Some(found)
}

/// Returns the number of the user who runs this process.
#[must_use]
pub fn user_id() -> u32 {
    rustix::process::getuid().as_raw()
}

/// Removes write access for group and others from everything that this process will create,
/// whatever the umask. Call it once before a second thread starts, because the umask belongs to the
/// whole process.
pub fn close_to_others() {
    use rustix::fs::Mode;
    use rustix::process::umask;
    let mask = umask(Mode::WGRP | Mode::WOTH);
    umask(mask | Mode::WGRP | Mode::WOTH);
}

/// Returns the folder for temporary files: TMPDIR, or the system's.
#[must_use]
pub fn temporary_place() -> PathBuf {
    std::env::temp_dir()
}

/// Returns the user who runs this process: the user number, and the name from the environment,
/// which is not verified.
#[must_use]
pub fn user() -> String {
    let uid = user_id();
    match env_text("USER").or_else(|| env_text("LOGNAME")) {
        Some(name) => format!("user {uid} ({name})"),
        None => format!("user {uid}"),
    }
}

/// Returns an environment variable; `None` if it is unset, empty or not UTF-8.
#[must_use]
pub fn env_text(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Returns an environment variable as the system stores it; `None` if it is unset or empty.
#[must_use]
pub fn env_os(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Returns every environment variable as the system stores it.
#[must_use]
pub fn environment() -> Vec<(OsString, OsString)> {
    std::env::vars_os().collect()
}

/// Returns the path of the file from which this process was started.
pub fn executable() -> std::io::Result<PathBuf> {
    std::env::current_exe()
}

/// Opens the file from which this process was started, even if its name now belongs to another
/// file.
pub fn executable_file() -> std::io::Result<File> {
    File::open("/proc/self/exe").or_else(|_| File::open(executable()?))
}

/// Returns paths from which this program can be started again, best first. The first is the very
/// file that is running, even if it was replaced or removed; the others are for systems without
/// `/proc`.
#[must_use]
pub fn own_programs() -> Vec<PathBuf> {
    let mut programs = vec![PathBuf::from("/proc/self/exe")];
    programs.extend(executable());
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::ffi::OsStrExt as _;
        let name = rustix::param::linux_execfn().to_bytes();
        programs.push(PathBuf::from(std::ffi::OsStr::from_bytes(name)));
    }
    programs
}

/// Returns the limit on this process's address space in bytes; `None` if there is none.
#[must_use]
pub fn address_space_bytes() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::As).current
}

/// Returns the number of processors that this process may use.
#[must_use]
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
}

/// Returns the working directory.
pub fn working_directory() -> std::io::Result<PathBuf> {
    std::env::current_dir()
}

/// Returns the number of this process.
#[must_use]
pub fn process_id() -> u32 {
    std::process::id()
}

/// Returns what identifies this machine's operating system and processor, one `name=value` a line,
/// sorted. Missing facts are left out, never guessed.
#[must_use]
pub fn environment_facts() -> String {
    let mut facts = vec![
        format!("arch={}", std::env::consts::ARCH),
        format!("os={}", std::env::consts::OS),
    ];
    if let Ok(release) = std::fs::read_to_string("/proc/sys/kernel/osrelease") {
        facts.push(format!("kernel={}", release.trim()));
    }
    for name in ["LANG", "LC_ALL", "TZ"] {
        if let Some(value) = env_text(name) {
            facts.push(format!("{name}={value}"));
        }
    }
    facts.sort();
    facts.join("\n")
}

/// The last millisecond of the year 9999.
const LAST_MS: u64 = 253_402_300_799_999;

/// Formats milliseconds since 1970 like `2025-01-31T12:34:56.789Z`.
#[must_use]
pub fn rfc3339(unix_ms: i64) -> String {
    // The format ends with the year 9999; only a forged file has a later time.
    let at = UNIX_EPOCH + Duration::from_millis(u64::try_from(unix_ms).unwrap_or(0).min(LAST_MS));
    humantime::format_rfc3339_millis(at).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watchdog_waits_for_the_end_of_the_time_or_of_the_watch() {
        let watch = |end, has_ended| Watch {
            state: Mutex::new(Watched {
                end,
                has_ended,
                paused: Duration::ZERO,
            }),
            changed: Condvar::new(),
        };
        let over = Deadline::after(Duration::ZERO);
        assert!(watch(Some(over), false).wait(), "the time is over");
        assert!(!watch(Some(over), true).wait(), "nothing is watched");
        assert!(!watch(None, true).wait());
        let hour = Deadline::after(Duration::from_hours(1));
        let watchdog = Watchdog::new(&hour, ("never said".to_owned(), Exit::Stopped));
        watchdog.start();
        let own = Arc::clone(&watchdog.watch);
        let paused = watchdog.pause(hour);
        assert!(own.state().end.is_none());
        // What passes in a pause moves the deadline.
        let before = watchdog.after_pauses(over).left();
        sleep(Duration::from_millis(2));
        drop(paused);
        assert!(own.state().end.is_some());
        assert!(before.is_zero() && own.state().paused >= Duration::from_millis(2));
        let moved = over.waited(Duration::from_hours(1));
        assert!(!moved.has_passed() && moved.allowed() == over.allowed());
        drop(watchdog);
        assert!(!own.wait());
    }

    #[test]
    fn chance_stays_in_its_range_and_is_not_constant() {
        let drawn: Vec<f64> = (0..64).map(|_| random_fraction()).collect();
        assert!(drawn.iter().all(|x| (0.0..1.0).contains(x)));
        assert!(drawn.iter().any(|x| x.to_bits() != drawn[0].to_bits()));
    }
}
