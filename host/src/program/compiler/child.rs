//! The child process that examines or compiles one module. It takes its job from the command line
//! and the module from standard input, limits itself before it reads the module, answers on
//! standard output, and ends. Opens no file and starts no other process.

use std::io::{Read as _, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use coo_kernel::form::digest::Digest;
use coo_kernel::mission::descriptor::EngineSettings;
use coo_kernel::module::compilation::Allowance;
use coo_kernel::module::structure::MODULE_BYTES_MAX;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

use crate::hint;
use crate::program::admission::{self, Admitted, Report};
use crate::program::code_cache::Kind;
use crate::program::engine::{self, Layout, Sandbox};

/// Stack of the working thread: parsers of nested definitions recurse.
pub const STACK_BYTES: usize = 64 << 20;
/// An answer begins with its own length and the code's, eight bytes each, little-endian.
pub const HEAD_BYTES: usize = 16;

/// The work of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Report what `admission` finds.
    Examine,
    /// Examine the module, and compile it if it is admitted.
    Compile,
}

/// A child's job, passed as JSON on its command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    pub work: Work,
    /// Bounds on the resources of this process.
    #[serde(with = "AllowanceForm")]
    pub allowance: Allowance,
    /// As in `EngineSettings`.
    pub canonical_nan: bool,
    /// As in `engine::build_for`.
    pub digest_memory: bool,
    /// Chosen by the parent, because this process has limits of its own.
    pub layout: Layout,
}

/// Serialised form of `Allowance`; the kernel's type has none.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Allowance", deny_unknown_fields)]
struct AllowanceForm {
    cpu_seconds: u64,
    memory_bytes: u64,
    wall_seconds: u64,
}

/// A child's answer as JSON; the code follows it as raw bytes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CompilerAnswer {
    /// The module can be read; holds the findings.
    Examined(Box<Report>),
    /// The module was admitted and compiled.
    Compiled {
        kind: Kind,
        /// Identifies the engine that the code was compiled for.
        code_key: Digest,
    },
    /// Why the module can't be read, must not run or can't be compiled.
    Refused { reason: String, hints: Vec<String> },
    /// Memory ran out before there was a result.
    OutOfMemory,
}

/// Returns the lengths of the answer and of the code behind it, in bytes.
#[must_use]
pub fn lengths(head: [u8; HEAD_BYTES]) -> (u64, u64) {
    let (answer, code) = head.split_at(HEAD_BYTES / 2);
    let number = |bytes: &[u8]| bytes.try_into().map_or(u64::MAX, u64::from_le_bytes);
    (number(answer), number(code))
}

/// Performs the job in `arguments`, and returns the exit status of the process.
#[must_use]
pub fn main(mut arguments: impl Iterator<Item = std::ffi::OsString>) -> ExitCode {
    let job = arguments.next().and_then(|job| job.into_string().ok());
    let done = job
        .context("no job")
        .and_then(|job| Ok(serde_json::from_str::<Job>(&job)?))
        .and_then(|job| {
            limit(&job.allowance)?;
            std::thread::Builder::new()
                .stack_size(STACK_BYTES)
                .spawn(move || perform(&job))?
                .join()
                .map_err(|_| anyhow::anyhow!("panicked"))?
        });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Limits the resources of this process. Never raises a limit that is already lower.
fn limit(allowance: &Allowance) -> Result<()> {
    #[cfg(target_os = "linux")]
    {
        // However the parent ends, its child is then of no use.
        let killed = Some(rustix::process::Signal::KILL);
        rustix::process::set_parent_process_death_signal(killed)
            .context("end of the parent: can't be noticed")?;
    }
    // At the soft limit of processor time, the kernel sends a signal that names the cause.
    for (resource, soft, hard) in [
        (Resource::Core, 0, 0),
        (
            Resource::Cpu,
            allowance.cpu_seconds,
            allowance.cpu_seconds.saturating_add(1),
        ),
        (Resource::As, allowance.memory_bytes, allowance.memory_bytes),
    ] {
        let now = getrlimit(resource);
        let lower = |now: Option<u64>, ours: u64| Some(now.map_or(ours, |now| now.min(ours)));
        let limits = Rlimit {
            current: lower(now.current, soft),
            maximum: lower(now.maximum, hard),
        };
        setrlimit(resource, limits).with_context(|| format!("limit {resource:?}: can't be set"))?;
    }
    Ok(())
}

fn perform(job: &Job) -> Result<()> {
    let mut wasm = Vec::new();
    std::io::stdin()
        .take(MODULE_BYTES_MAX + 1)
        .read_to_end(&mut wasm)
        .context("module: can't be read")?;
    if wasm.len() as u64 > MODULE_BYTES_MAX {
        bail!("module: more than {MODULE_BYTES_MAX} bytes, which is the limit");
    }
    let (answer, code) = match worked(job, &wasm) {
        Ok(done) => done,
        Err(error) if is_out_of_memory(&error) => (CompilerAnswer::OutOfMemory, Vec::new()),
        Err(error) => {
            let reason = format!("{error:#}");
            let hints = hint::all(&error);
            (CompilerAnswer::Refused { reason, hints }, Vec::new())
        }
    };
    let answer = serde_json::to_vec(&answer)?;
    let mut out = std::io::stdout().lock();
    for length in [answer.len(), code.len()] {
        out.write_all(&(length as u64).to_le_bytes())?;
    }
    out.write_all(&answer)?;
    out.write_all(&code)?;
    Ok(out.flush()?)
}

fn worked(job: &Job, wasm: &[u8]) -> Result<(CompilerAnswer, Vec<u8>)> {
    match job.work {
        Work::Examine => {
            let report = admission::examine(wasm)?;
            Ok((CompilerAnswer::Examined(Box::new(report)), Vec::new()))
        }
        Work::Compile => {
            let settings = EngineSettings {
                canonical_nan: job.canonical_nan,
            };
            let sandbox = engine::build_for(settings, job.digest_memory, job.layout)?;
            let (kind, code) = compiled(wasm, &sandbox)?;
            let code_key = sandbox.code_key;
            Ok((CompilerAnswer::Compiled { kind, code_key }, code))
        }
    }
}

/// Examines, admits and compiles a module in this process.
pub fn compiled(wasm: &[u8], sandbox: &Sandbox) -> Result<(Kind, Vec<u8>)> {
    let (kind, code) = match admission::examine(wasm)?.admit(wasm)? {
        Admitted::Component(component) => (
            Kind::Component,
            sandbox.engine.precompile_component(&component),
        ),
        Admitted::Module(module) => (Kind::Module, sandbox.engine.precompile_module(module)),
    };
    let code = code
        .map_err(anyhow::Error::from)
        .context("can't be compiled")?;
    Ok((kind, code))
}

/// Returns whether the machine ran out of memory, so that the module is not to blame.
fn is_out_of_memory(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.is::<wasmtime::OutOfMemory>()
            || cause
                .downcast_ref::<std::io::Error>()
                .is_some_and(|error| error.kind() == std::io::ErrorKind::OutOfMemory)
            || cause
                .downcast_ref::<rustix::io::Errno>()
                .is_some_and(|errno| *errno == rustix::io::Errno::NOMEM)
    })
}
