//! What a run reports while it works: its id, the module that is compiled, the step, each model call.
//! A sink receives the updates; the kernel knows nothing of them, and no decision and no record depends
//! on them. This file never prints; `cli/progress.rs` does.

use std::time::Duration;

use coo_kernel::llm::Usage;
use coo_kernel::mission::MissionId;

/// Receives each update at once. It must return quickly: the run waits for it.
pub type Sink = fn(&Update<'_>);

/// One fact about a run at work.
#[derive(Debug, Clone, Copy)]
pub enum Update<'a> {
    /// A module is compiled or examined, and was not in the cache. Repeated while the work lasts.
    Preparing {
        /// `compiling` or `examining`.
        doing: &'static str,
        name: &'a str,
        bytes: usize,
        took: Duration,
    },
    /// That work has ended.
    Prepared {
        doing: &'static str,
        name: &'a str,
        took: Duration,
    },
    /// The mission has its number. Nothing of a new mission is on record yet.
    Began { id: MissionId, journal: Journal },
    /// What a command finds in the journal if the process ends now.
    OnRecord(Journal),
    /// A step begins; `number` counts from 1.
    Step {
        number: usize,
        of: usize,
        id: &'a str,
    },
    /// The guest computes. Repeated often.
    Computing,
    /// Model calls go to this server; told before the first.
    Server {
        origin: &'a str,
        named_by: &'a str,
        /// Describes the key, and never contains it.
        key: &'a str,
    },
    /// A request is about to be sent.
    Asking {
        model: &'a str,
        attempt: u32,
        attempts: u32,
    },
    /// An attempt failed in a way that may pass.
    Waiting {
        server: &'a str,
        trouble: &'a str,
        /// The attempt that follows.
        attempt: u32,
        attempts: u32,
        wait: Duration,
    },
    /// A model call has its answer.
    Answered {
        model: &'a str,
        /// As in `Answered::source`; empty for an answer of this mission's own journal.
        source: &'a str,
        usage: Option<&'a Usage>,
    },
    /// What the mission had read has changed. It executes again from event `seq`, with the answers that
    /// it has.
    Moved { seq: u64 },
    /// The end of the mission is written down.
    Ended,
}

/// How much of a mission at work its journal holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Journal {
    /// No event: the mission can't be resumed.
    Empty,
    /// Enough to resume it.
    Resumable,
    /// A model call left and has no answer on record.
    InDoubt,
}

tokio::task_local! {
    /// The mission of the task that reports, where a process runs several.
    pub static MISSION: MissionId;
}

/// A sink for a run that nobody watches.
pub const NOBODY: Sink = |_| {};
