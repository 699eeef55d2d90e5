//! Runs other programs to their end, for example a test command, or a tool that is asked for its
//! version. Each gets a process group, a time limit and an output limit.
//!
//! Invariant: however a program ends, no process that it started is left. Its group is killed
//! before the program is reaped, so the group's number cannot belong to another process yet;
//! processes that left the group are adopted and killed (Linux). A pipe that is still held open is
//! given up after a grace period. Never interprets the output.

use std::collections::BTreeSet;
use std::io::{self, PipeReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group};

use crate::machine::{self, Deadline};

/// Duration of one wait for output before the process itself is checked: too short to notice, long
/// enough that waiting costs nothing.
const TICK: Duration = Duration::from_millis(10);
/// Time that killed processes have to end, and their output to arrive. Only a process that hangs in
/// the kernel, or that this user may not kill, takes longer.
const GRACE: Duration = Duration::from_secs(3);
/// Number of bytes of output read at once.
const BUFFER_BYTES: usize = 64 << 10;

/// Only one program runs at a time, so that every process adopted meanwhile comes from it.
static TURN: Mutex<()> = Mutex::new(());

/// The outputs that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outputs {
    /// Standard output; standard error is discarded.
    Standard,
    /// Both, as one text in the order of printing.
    #[cfg(any(test, feature = "repository"))]
    Both,
}

/// Limits for a program.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Real time after which it is ended.
    pub time: Duration,
    /// Number of output bytes that are kept; more output is read and discarded.
    pub kept_bytes: usize,
    /// Number of output bytes after which the program is ended.
    pub printed_bytes_max: u64,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By itself, or by another process's signal.
    Exited(ExitStatus),
    /// It ran longer than `time`.
    OutOfTime,
    /// It printed more than `printed_bytes_max`.
    OutOfBytes,
}

/// A program that has ended.
#[derive(Debug)]
pub struct Ended {
    pub end: End,
    /// The first `kept_bytes` of its output.
    pub printed: Vec<u8>,
}

/// Why a program has no `End`.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// No process was started.
    #[error("can't be started: {0}")]
    Start(io::Error),
    /// A process was started, and is ended.
    #[error("can't be watched: {0}")]
    Watch(io::Error),
}

/// Runs `command` without input and waits for its end. The caller has set arguments, folder and
/// environment.
pub fn run(command: &mut Command, outputs: Outputs, bounds: &Bounds) -> Result<Ended, Failed> {
    let adopting = Adopting::begin();
    let (reader, writer) = io::pipe().map_err(Failed::Start)?;
    let stderr = match outputs {
        Outputs::Standard => Stdio::null(),
        #[cfg(any(test, feature = "repository"))]
        Outputs::Both => writer.try_clone().map_err(Failed::Start)?.into(),
    };
    command
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(stderr)
        .process_group(0);
    let child = command.spawn();
    // `command` holds our ends of the pipe; this closes them.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let child = child.map_err(Failed::Start)?;
    let mut running = Running {
        leader: Pid::from_child(&child),
        child,
        pipe: Some(reader),
        printed: Vec::new(),
        printed_bytes: 0,
        adopting,
    };
    let watched = running.watch(bounds);
    let drained = running.end(bounds);
    let end = watched.map_err(Failed::Watch)?;
    drained.map_err(Failed::Watch)?;
    let end = match end {
        // The rest of its output was read only after it ended.
        None if running.printed_bytes > bounds.printed_bytes_max => End::OutOfBytes,
        None => End::Exited(running.child.wait().map_err(Failed::Watch)?),
        Some(end) => end,
    };
    Ok(Ended {
        end,
        printed: running.printed,
    })
}

/// A program that has not been reaped yet.
struct Running {
    leader: Pid,
    child: Child,
    /// `None` once all writers have closed it.
    pipe: Option<PipeReader>,
    printed: Vec<u8>,
    printed_bytes: u64,
    adopting: Adopting,
}

impl Running {
    /// Reads output until the program ends by itself (`None`) or has to be ended.
    fn watch(&mut self, bounds: &Bounds) -> io::Result<Option<End>> {
        let deadline = Deadline::after(bounds.time);
        loop {
            self.read(deadline.left().min(TICK), bounds)?;
            if self.printed_bytes > bounds.printed_bytes_max {
                return Ok(Some(End::OutOfBytes));
            }
            if self.has_ended()? {
                return Ok(None);
            }
            if deadline.has_passed() {
                return Ok(Some(End::OutOfTime));
            }
        }
    }

    /// Reads available output, or waits for it at most `wait`.
    fn read(&mut self, wait: Duration, bounds: &Bounds) -> io::Result<()> {
        let Some(pipe) = &mut self.pipe else {
            machine::sleep(wait);
            return Ok(());
        };
        let wait = Timespec::try_from(wait).map_err(io::Error::other)?;
        let mut looked_at = [PollFd::new(pipe, PollFlags::IN)];
        match poll(&mut looked_at, Some(&wait)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let mut buffer = vec![0; BUFFER_BYTES];
        let read = match pipe.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            read => read?,
        };
        if read == 0 {
            self.pipe = None;
        }
        let room = bounds.kept_bytes.saturating_sub(self.printed.len());
        self.printed.extend_from_slice(&buffer[..read.min(room)]);
        self.printed_bytes += read as u64;
        Ok(())
    }

    /// Returns whether the program itself has ended. Does not reap it, so its number stays its own.
    fn has_ended(&self) -> io::Result<bool> {
        let how = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match rustix::process::waitid(WaitId::Pid(self.leader), how) {
            Ok(ended) => Ok(ended.is_some()),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Ends what is left of the program, reads its remaining output, and reaps it.
    fn end(&mut self, bounds: &Bounds) -> io::Result<()> {
        let grace = Deadline::after(GRACE);
        // One of the two may fail: the program may have left its own group, or be dead.
        let _ = kill_process_group(self.leader, Signal::KILL);
        let _ = kill_process(self.leader, Signal::KILL);
        let read_on = |this: &mut Self| {
            // A program that prints faster than it dies is not read to the end.
            let full = this.printed_bytes > bounds.printed_bytes_max;
            if full {
                this.pipe = None;
            }
            this.read(TICK, bounds)
        };
        while !self.has_ended()? && !grace.has_passed() {
            read_on(self)?;
        }
        while self.adopting.kill(self.leader) && !grace.has_passed() {
            read_on(self)?;
        }
        while self.pipe.is_some() && !grace.has_passed() {
            read_on(self)?;
        }
        // Does not wait: a process that hangs in the kernel cannot be reaped.
        self.child.try_wait().map(drop)
    }
}

/// While this value lives, descendants of this process that lose their parent become its children
/// (Linux), so that it can find them.
struct Adopting {
    _turn: MutexGuard<'static, ()>,
    /// Children that existed before.
    own: BTreeSet<i32>,
}

impl Adopting {
    fn begin() -> Self {
        // The mutex protects no data that a panic could leave inconsistent.
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        adopt(true);
        let own = children().into_iter().map(|child| child.number).collect();
        Self { _turn: turn, own }
    }

    /// Kills all adopted processes except `leader` and reaps those that are dead. Returns whether
    /// there were any: if so, there may be more, which they have left behind.
    fn kill(&self, leader: Pid) -> bool {
        let own_group = rustix::process::getpgrp().as_raw_nonzero().get();
        let mut any = false;
        for child in children() {
            // Processes that this process starts for itself stay in its own group.
            if self.own.contains(&child.number) || child.group == own_group {
                continue;
            }
            let Some(pid) = Pid::from_raw(child.number).filter(|pid| *pid != leader) else {
                continue;
            };
            // Only this process reaps the child, so the number stays its own until then.
            let _ = kill_process(pid, Signal::KILL);
            let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::NOHANG);
            any = true;
        }
        any
    }
}

impl Drop for Adopting {
    fn drop(&mut self) {
        adopt(false);
    }
}

/// Adopts orphaned descendants, or stops doing so. Other systems cannot; there only the process
/// group is ended.
#[cfg(target_os = "linux")]
fn adopt(whether: bool) {
    let _ = rustix::process::set_child_subreaper(whether.then(rustix::process::getpid));
}

#[cfg(not(target_os = "linux"))]
fn adopt(_whether: bool) {}

/// A child of this process.
struct Kin {
    number: i32,
    group: i32,
}

/// Returns every child of this process, including dead ones that are not reaped; empty if the
/// system has no `/proc`.
fn children() -> Vec<Kin> {
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| {
            let number: i32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read(format!("/proc/{number}/stat")).ok()?;
            let (parent, group) = parent_and_group(&stat)?;
            (parent == own).then_some(Kin { number, group })
        })
        .collect()
}

/// Returns the fourth and fifth field of `stat`. The second is a name in brackets that may contain
/// anything.
fn parent_and_group(stat: &[u8]) -> Option<(i32, i32)> {
    let end_of_name = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(end_of_name + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace().skip(1);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Stopwatch;

    const BOUNDS: Bounds = Bounds {
        time: Duration::from_secs(20),
        kept_bytes: 1 << 20,
        printed_bytes_max: 4 << 20,
    };

    fn shell(script: &str, bounds: &Bounds) -> Ended {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        run(&mut command, Outputs::Both, bounds).unwrap()
    }

    /// Returns whether a process with this text in its command line exists.
    fn lives(mark: &str) -> bool {
        std::fs::read_dir("/proc").unwrap().any(|entry| {
            let path = entry.unwrap().path().join("cmdline");
            let words = std::fs::read(path).unwrap_or_default();
            String::from_utf8_lossy(&words).contains(mark)
        })
    }

    #[test]
    fn what_a_program_prints_and_how_it_ends_is_told() {
        let ended = shell("echo out; echo err >&2; exit 3", &BOUNDS);
        assert_eq!(ended.printed, b"out\nerr\n");
        let End::Exited(status) = ended.end else {
            panic!("{ended:?}");
        };
        assert_eq!(status.code(), Some(3));
        let mut none = Command::new("/no/such/program");
        let failed = run(&mut none, Outputs::Both, &BOUNDS).unwrap_err();
        assert!(matches!(failed, Failed::Start(_)), "{failed:?}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn nothing_that_it_started_is_left_and_nobody_waits_for_it() {
        // Numbers for which no other process sleeps.
        for (script, mark) in [
            ("setsid sleep 104711 & echo done", "104711"),
            (
                "(setsid sh -c 'sleep 104712 & sleep 104712' &) ; echo done",
                "104712",
            ),
            (
                "env -i setsid setsid sh -c 'trap \"\" TERM HUP; sleep 104713; :' & sleep 0.2; echo done",
                "104713",
            ),
            (
                "(sleep 104714 >/dev/null 2>&1 </dev/null &); echo done",
                "104714",
            ),
            (
                "(setsid sh -c '(setsid sh -c \"setsid sleep 104715 & exit\" & exit)' &); sleep 0.2; echo done",
                "104715",
            ),
        ] {
            let watch = Stopwatch::start();
            let ended = shell(script, &BOUNDS);
            assert_eq!(ended.printed, b"done\n", "{script}");
            assert!(matches!(ended.end, End::Exited(_)), "{script}: {ended:?}");
            assert!(watch.elapsed() < Duration::from_secs(15), "{script}");
            assert!(!lives(mark), "{script}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn time_ends_whoever_ignores_every_signal_that_can_be_ignored() {
        let bounds = Bounds {
            time: Duration::from_millis(300),
            ..BOUNDS
        };
        let script = "trap '' TERM INT HUP; echo begun; setsid sleep 104721 & while :; do sleep 104722; done";
        let watch = Stopwatch::start();
        let ended = shell(script, &bounds);
        assert_eq!(ended.end, End::OutOfTime);
        assert_eq!(ended.printed, b"begun\n");
        assert!(watch.elapsed() < Duration::from_secs(15));
        assert!(!lives("104721") && !lives("104722"));
    }

    #[test]
    fn a_flood_is_cut_and_ended() {
        let bounds = Bounds {
            kept_bytes: 10,
            printed_bytes_max: 100_000,
            ..BOUNDS
        };
        let ended = shell("while :; do echo 123456789; done", &bounds);
        assert_eq!(ended.end, End::OutOfBytes);
        assert_eq!(ended.printed, b"123456789\n");
        // Output within the limit is read even if it is not kept, so no program gets a closed pipe.
        let some = shell(
            "i=0; while [ $i -lt 5000 ]; do echo 123456789; i=$((i+1)); done; exit 4",
            &bounds,
        );
        assert!(
            matches!(some.end, End::Exited(status) if status.code() == Some(4)),
            "{some:?}"
        );
        assert_eq!(some.printed.len(), 10);
    }

    #[test]
    fn a_name_in_brackets_does_not_hide_the_parent() {
        let stat = b"42 (a) R 7 8) S 1 99 99 0 -1";
        assert_eq!(parent_and_group(stat), Some((1, 99)));
        assert_eq!(parent_and_group(b"42 (a"), None);
    }
}
