//! Examines and compiles modules in a child process of the same program, with bounds on processor
//! time, memory and real time, so that no module can take down this process or the machine. The
//! module goes in through a pipe; the findings or the code come out through another. The child
//! opens no file. Never decides whether a module may run: `admission` does, in the child.
//!
//! A program that uses this crate without calling `in_child` (a benchmark, a test of one part) does
//! the same work in its own process, without these bounds.

pub mod child;

use std::io::{Read as _, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use child::{CompilerAnswer, Job, Work};
use coo_kernel::form::digest::Digest;
use coo_kernel::mission::descriptor::EngineSettings;
use coo_kernel::module::compilation::Allowance;

use crate::hint::{self, Hint as _};
use crate::machine::{self, Deadline, Stopwatch};
use crate::program::admission::Report;
use crate::program::code_cache::{CODE_BYTES_MAX, CompiledCode, Kind};
use crate::program::engine::{Layout, Sandbox};
use crate::progress::{Sink, Update};

/// The hidden command that turns a process into the child.
pub const COMMAND: &str = "__compile";
/// Environment variable: processor seconds that compiling may take, whatever the module's size.
pub const CPU_VARIABLE: &str = "COO_COMPILE_CPU_SECONDS";
/// Environment variable: megabytes (1 << 20 bytes) of address space that compiling may take.
pub const MEMORY_VARIABLE: &str = "COO_COMPILE_MEMORY_MB";
/// Default bound on the real time of an examination.
pub const EXAMINE_MAX: Duration = Duration::from_mins(10);
/// Time after which a waiting user is told what is happening.
const SILENT_MAX: Duration = Duration::from_millis(500);
/// Time between two updates about the same work.
const TOLD_EVERY: Duration = Duration::from_millis(500);
/// Most bytes of an answer without its code. The longest is the report on a module of 100,000
/// imports.
const ANSWER_BYTES_MAX: u64 = 256 << 20;
/// Most bytes kept of a child's standard error.
const LAST_WORDS_BYTES_MAX: u64 = 4 << 10;
/// Messages of a process that ends for lack of memory for a value, a mapping or a thread.
const MEMORY_WORDS: [&str; 3] = [
    "memory allocation of",
    "Cannot allocate memory",
    "Resource temporarily unavailable",
];
/// Environment variables without which a program may not even start.
const LOADER_VARIABLES: [&str; 2] = ["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"];

/// A module to examine or compile.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// Name that the user gave.
    pub name: &'a str,
    pub wasm: &'a [u8],
    /// Bound on the real time of the work.
    pub wall_clock_max: Duration,
}

/// The target of compiled code: the arguments of `engine::build_for`.
#[derive(Debug, Clone, Copy)]
pub struct Build {
    /// The settings that the descriptor chooses.
    pub settings: EngineSettings,
    /// Whether memories are kept at a trap, so that their digest can be taken.
    pub digest_memory: bool,
    /// How code finds a guest's memory.
    pub layout: Layout,
}

/// Tells a waiting user what is done. Set by `in_child`.
static TELL: OnceLock<Sink> = OnceLock::new();

/// Makes all later work run in children of this program, which must call `child::main` when it is
/// started with `COMMAND`. `tell` learns of work that takes long.
pub fn in_child(tell: Sink) {
    // Set once; a second call would set the same.
    let _ = TELL.set(tell);
}

/// Returns what `admission` finds in a module.
pub fn examine(task: &Task<'_>) -> Result<Report> {
    let job = |allowance| Job {
        work: Work::Examine,
        allowance,
        canonical_nan: true,
        digest_memory: false,
        layout: Layout::Reserved,
    };
    let Some(tell) = TELL.get() else {
        return crate::program::admission::examine(task.wasm);
    };
    match Run::new(task, *tell, "examining").of(job)? {
        (CompilerAnswer::Examined(report), _) => Ok(*report),
        _ => bail!("the process that examines it gave another answer than was asked for"),
    }
}

/// Returns the machine code of a module that `admission` admits.
pub fn compile(task: &Task<'_>, sandbox: &Sandbox, build: Build) -> Result<CompiledCode> {
    let Some(tell) = TELL.get() else {
        let (kind, bytes) = child::compiled(task.wasm, sandbox)?;
        return Ok(CompiledCode::compiled(kind, bytes));
    };
    let job = |allowance| Job {
        work: Work::Compile,
        allowance,
        canonical_nan: build.settings.canonical_nan,
        digest_memory: build.digest_memory,
        layout: build.layout,
    };
    match Run::new(task, *tell, "compiling").of(job)? {
        (CompilerAnswer::Compiled { kind, code_key }, bytes) => {
            code(kind, code_key, bytes, sandbox)
        }
        _ => bail!("the process that compiles it gave another answer than was asked for"),
    }
}

fn code(kind: Kind, code_key: Digest, bytes: Vec<u8>, sandbox: &Sandbox) -> Result<CompiledCode> {
    if code_key != sandbox.code_key {
        bail!(
            anyhow!(
                "was compiled for another engine: the program file of coo was \
                 replaced while it runs"
            )
            .hint("start the command again")
        );
    }
    Ok(CompiledCode::compiled(kind, bytes))
}

/// The work of one child.
struct Run<'a> {
    task: &'a Task<'a>,
    tell: Sink,
    /// The activity, for people.
    doing: &'static str,
}

/// The output of a child.
struct Output {
    answer: CompilerAnswer,
    code: Vec<u8>,
}

impl<'a> Run<'a> {
    fn new(task: &'a Task<'a>, tell: Sink, doing: &'static str) -> Self {
        Self { task, tell, doing }
    }

    fn of(&self, job: impl FnOnce(Allowance) -> Job) -> Result<(CompilerAnswer, Vec<u8>)> {
        let bytes = self.task.wasm.len() as u64;
        let memory = number(MEMORY_VARIABLE)?.map(|megabytes| megabytes.saturating_mul(1 << 20));
        let allowance = Allowance::of(bytes, number(CPU_VARIABLE)?, memory);
        let wall = Duration::from_secs(allowance.wall_seconds).min(self.task.wall_clock_max);
        let deadline = Deadline::after(wall);
        let child = start(&job(allowance))?;
        let (output, last_words, status) = self.attend(child, &deadline)?;
        let ended = match output {
            Some(Ok(Output { answer, code })) if status.success() => {
                return match answer {
                    CompilerAnswer::Refused { reason, hints } => {
                        Err(hint::with_all(anyhow!(reason), hints))
                    }
                    CompilerAnswer::OutOfMemory => Err(self.out_of_memory(&allowance)),
                    answer => Ok((answer, code)),
                };
            }
            Some(Ok(_)) => None,
            Some(Err(error)) => Some(error),
            // Killed because its time was over.
            None => return Err(self.timed_out(wall)),
        };
        Err(self.failed(status, &last_words, &allowance, ended))
    }

    /// Feeds the child, reads its output and waits for its end. The output is `None` if the child
    /// was killed at the deadline.
    fn attend(
        &self,
        mut child: Child,
        deadline: &Deadline,
    ) -> Result<(Option<Result<Output>>, String, ExitStatus)> {
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(mut stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
            bail!("the process that compiles it has no pipes");
        };
        let wasm = self.task.wasm;
        std::thread::scope(|scope| {
            let (send, receive) = mpsc::channel();
            // A child that has ended reads nothing more; its output explains why.
            let feeding = move || drop(stdin.write_all(wasm));
            let hearing = move || drop(send.send(heard(stdout)));
            let listening = move || last_words(stderr);
            let spawned = [
                std::thread::Builder::new()
                    .spawn_scoped(scope, feeding)
                    .map(drop),
                std::thread::Builder::new()
                    .spawn_scoped(scope, hearing)
                    .map(drop),
            ];
            let listening = std::thread::Builder::new().spawn_scoped(scope, listening);
            let failed = spawned.into_iter().find_map(Result::err);
            let output = match &failed {
                Some(_) => None,
                None => self.wait(&receive, deadline),
            };
            if !matches!(output, Some(Ok(_))) {
                // It may have ended already.
                let _ = child.kill();
            }
            let status = child.wait().context("the process that compiles it")?;
            if let Some(error) = failed {
                return Err(error).context("a thread that talks to the compiler can't be started");
            }
            let words = listening.map(|listening| listening.join().unwrap_or_default());
            Ok((output, words.unwrap_or_default(), status))
        })
    }

    fn wait(
        &self,
        receive: &mpsc::Receiver<Result<Output>>,
        deadline: &Deadline,
    ) -> Option<Result<Output>> {
        let stopwatch = Stopwatch::start();
        let mut silence = SILENT_MAX;
        let mut was_told = false;
        loop {
            match receive.recv_timeout(silence.min(deadline.left())) {
                Ok(output) => {
                    if was_told {
                        (self.tell)(&Update::Prepared {
                            doing: self.doing,
                            name: self.task.name,
                            took: stopwatch.elapsed(),
                        });
                    }
                    return Some(output);
                }
                Err(RecvTimeoutError::Disconnected) => return Some(Err(anyhow!("no answer"))),
                Err(RecvTimeoutError::Timeout) if deadline.has_passed() => return None,
                Err(RecvTimeoutError::Timeout) => {}
            }
            (self.tell)(&Update::Preparing {
                doing: self.doing,
                name: self.task.name,
                bytes: self.task.wasm.len(),
                took: stopwatch.elapsed(),
            });
            was_told = true;
            silence = TOLD_EVERY;
        }
    }

    fn timed_out(&self, wall: Duration) -> anyhow::Error {
        let next = if wall < self.task.wall_clock_max {
            format!("set {CPU_VARIABLE} to more processor seconds if you trust it")
        } else {
            "give --timeout SECONDS if it needs more".to_owned()
        };
        anyhow!(
            "{} it: still not done after {} s of real time, which is the limit",
            self.doing,
            wall.as_secs()
        )
        .hint(next)
    }

    fn out_of_memory(&self, allowance: &Allowance) -> anyhow::Error {
        anyhow!(
            "{} it: needs more than {} MB of memory, which is the limit for \
             its {} bytes (or less is left: 'ulimit -v', a container)",
            self.doing,
            allowance.memory_bytes >> 20,
            self.task.wasm.len()
        )
        .hint(format!("set {MEMORY_VARIABLE} to more if you trust it"))
    }

    /// Returns why a child ended without a complete answer.
    fn failed(
        &self,
        status: ExitStatus,
        last_words: &str,
        allowance: &Allowance,
        error: Option<anyhow::Error>,
    ) -> anyhow::Error {
        let doing = self.doing;
        if MEMORY_WORDS.iter().any(|words| last_words.contains(words)) {
            return self.out_of_memory(allowance);
        }
        if last_words.contains("overflowed its stack") {
            return anyhow!(
                "refused: structure: {doing} it used up a stack of {} MB: its definitions are nested deeper than any compiler nests them",
                child::STACK_BYTES >> 20
            );
        }
        let cpu_time = [rustix::process::Signal::XCPU, rustix::process::Signal::KILL];
        match status.signal() {
            Some(signal) if signal == cpu_time[0].as_raw() => anyhow!(
                "{doing} it: needs more than {} s of processor time, which is the \
                 limit for its {} bytes",
                allowance.cpu_seconds,
                self.task.wasm.len()
            )
            .hint(format!("set {CPU_VARIABLE} to more if you trust it")),
            Some(signal) if signal == cpu_time[1].as_raw() => anyhow!(
                "{doing} it: the system killed the process at it, as it does where \
                 memory runs out; nothing was recorded"
            )
            .hint("try again with more memory free"),
            _ => {
                let words = last_words.lines().find(|line| !line.trim().is_empty());
                let words = words.unwrap_or("it said nothing").trim().to_owned();
                let failed = anyhow!(
                    "{doing} it: the process at it failed ({status}): {words}; nothing was recorded"
                );
                match error {
                    Some(error) => failed.context(format!("{error:#}")),
                    None => failed,
                }
            }
        }
    }
}

/// Starts a child.
fn start(job: &Job) -> Result<Child> {
    let text = serde_json::to_string(job)?;
    let address_space = machine::address_space_bytes();
    let processors = machine::processors() as u64;
    let threads = job.allowance.threads(processors, address_space).to_string();
    let mut last = None;
    for program in machine::own_programs() {
        let mut command = Command::new(&program);
        command
            .arg0("coo")
            .args([COMMAND, &text])
            // It needs nothing of the user's environment, least of all a key.
            .env_clear()
            .env("RAYON_NUM_THREADS", &threads)
            // Each arena takes address space, which is bounded.
            .env("MALLOC_ARENA_MAX", &threads)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for name in LOADER_VARIABLES {
            if let Some(value) = machine::env_os(name) {
                command.env(name, value);
            }
        }
        match command.spawn() {
            Ok(child) => return Ok(child),
            Err(error) => last = Some((program, error)),
        }
    }
    let (program, error) = last.unwrap_or_else(|| {
        let none = std::io::Error::from(std::io::ErrorKind::NotFound);
        (PathBuf::from("coo"), none)
    });
    Err(error).with_context(|| {
        format!(
            "a process of its own ({}) can't be started to compile it",
            program.display()
        )
    })
}

/// Reads a child's answer and the code behind it.
fn heard(mut stdout: impl std::io::Read) -> Result<Output> {
    let mut head = [0; child::HEAD_BYTES];
    stdout.read_exact(&mut head).context("no whole answer")?;
    let (answer_bytes, code_bytes) = child::lengths(head);
    if answer_bytes > ANSWER_BYTES_MAX || code_bytes > CODE_BYTES_MAX {
        bail!(
            "an answer of {answer_bytes} and code of {code_bytes} bytes; {CODE_BYTES_MAX} bytes of code is the limit"
        );
    }
    let mut part = |bytes: u64| -> Result<Vec<u8>> {
        let mut part = Vec::new();
        part.try_reserve_exact(usize::try_from(bytes)?)
            .context("machine: out of memory for the compiled code")?;
        (&mut stdout).take(bytes).read_to_end(&mut part)?;
        if part.len() as u64 == bytes {
            Ok(part)
        } else {
            bail!("no whole answer")
        }
    };
    let answer = serde_json::from_slice(&part(answer_bytes)?)?;
    Ok(Output {
        answer,
        code: part(code_bytes)?,
    })
}

/// Returns the beginning of a child's standard error.
fn last_words(mut stderr: impl std::io::Read) -> String {
    let mut words = Vec::new();
    let _ = (&mut stderr)
        .take(LAST_WORDS_BYTES_MAX)
        .read_to_end(&mut words);
    // Discard the rest, so that the child never blocks on a full pipe.
    let _ = std::io::copy(&mut stderr, &mut std::io::sink());
    String::from_utf8_lossy(&words).into_owned()
}

/// Reads a number that the user set.
fn number(name: &str) -> Result<Option<u64>> {
    let Some(text) = machine::env_text(name) else {
        return Ok(None);
    };
    let number = text.parse().ok().filter(|number| *number > 0);
    Ok(Some(number.with_context(|| {
        format!("{name}: '{text}' is not a whole number above 0")
    })?))
}
