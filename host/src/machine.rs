//! The one place that asks the machine about itself: wall clock, environment, identity.
//! What it says is kept beside the journal and never inside the chain. `clippy.toml` bans
//! the functions used here everywhere else.

#![allow(
    clippy::disallowed_methods,
    reason = "this module is the one place that may ask"
)]

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970, UTC.
pub fn now_unix_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Measures real time that passes, for guards and progress.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// An environment variable; absent, empty and non-UTF-8 ones count as absent.
pub fn env_text(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// An environment variable as the system has it.
pub fn env_os(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// The working directory.
pub fn working_directory() -> std::io::Result<PathBuf> {
    std::env::current_dir()
}

/// This process.
pub fn process_id() -> u32 {
    std::process::id()
}

/// What identifies this machine's operating system and processor, one `name=value` a line,
/// sorted; absent things are left out, never guessed.
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

/// `2025-01-31T12:34:56.789Z` for milliseconds since 1970.
pub fn rfc3339(unix_ms: i64) -> String {
    let at = UNIX_EPOCH + Duration::from_millis(u64::try_from(unix_ms).unwrap_or(0));
    humantime::format_rfc3339_millis(at).to_string()
}
