//! Failpoints: each names a point at which this process is about to change something outside
//! itself. In a release a failpoint does nothing. With the feature `fault-injection`, which only
//! this package's own tests enable, the variable `COO_FAULT` says what happens:
//!
//! - `kill:N`: the process dies at the N-th failpoint and flushes nothing;
//! - `fail:N`: the N-th failpoint fails as a full disk does;
//! - `fail_at:NAME`: the first failpoint of that name fails in the same way, with `fail_at:NAME:N` the
//!   N-th;
//! - `list:FILE`: the name of each failpoint that is reached is appended to FILE, one a line.
//!
//! Apart from that file, this module changes nothing itself.

/// Marks that the process is about to do what `_name` says.
#[cfg(not(feature = "fault-injection"))]
#[inline(always)]
#[allow(
    clippy::inline_always,
    clippy::unnecessary_wraps,
    reason = "a release has no such points"
)]
pub fn reach(_name: &'static str) -> std::io::Result<()> {
    Ok(())
}

#[cfg(feature = "fault-injection")]
pub use injection::reach;

#[cfg(feature = "fault-injection")]
#[allow(
    clippy::disallowed_methods,
    reason = "lists points where a test says, and no release has it"
)]
mod injection {
    use std::fs::OpenOptions;
    use std::io::{Error, ErrorKind, Result, Write as _};
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use crate::machine;

    enum Plan {
        Nothing,
        Kill(u64),
        Fail(u64),
        FailAt(String, u64),
        List(String),
    }

    static PLAN: LazyLock<Plan> = LazyLock::new(|| {
        let Some(text) = machine::env_text("COO_FAULT") else {
            return Plan::Nothing;
        };
        let number = |text: &str| text.parse().expect("COO_FAULT: not a number");
        match text.split_once(':') {
            Some(("kill", at)) => Plan::Kill(number(at)),
            Some(("fail", at)) => Plan::Fail(number(at)),
            Some(("fail_at", name)) => match name.split_once(':') {
                Some((name, at)) => Plan::FailAt(name.to_owned(), number(at)),
                None => Plan::FailAt(name.to_owned(), 1),
            },
            Some(("list", file)) => Plan::List(file.to_owned()),
            _ => panic!("COO_FAULT: kill:N, fail:N, fail_at:NAME[:N] or list:FILE"),
        }
    });
    static REACHED: AtomicU64 = AtomicU64::new(0);

    fn full(name: &str) -> Error {
        Error::new(
            ErrorKind::StorageFull,
            format!("no space left on device (injected at {name})"),
        )
    }

    /// Marks that the process is about to do what `name` says; dies, fails or lists as `COO_FAULT`
    /// says.
    pub fn reach(name: &'static str) -> Result<()> {
        let reached = || REACHED.fetch_add(1, Ordering::Relaxed) + 1;
        match &*PLAN {
            Plan::Kill(at) if reached() == *at => std::process::abort(),
            Plan::Fail(at) if reached() == *at => Err(full(name)),
            Plan::FailAt(wanted, at) if wanted == name && reached() == *at => Err(full(name)),
            Plan::Nothing | Plan::Kill(_) | Plan::Fail(_) | Plan::FailAt(..) => Ok(()),
            Plan::List(file) => {
                let mut file = OpenOptions::new().create(true).append(true).open(file)?;
                // One write for each line: several threads reach failpoints at the same time.
                file.write_all(format!("{name}\n").as_bytes())
            }
        }
    }
}
