//! `coo run`: runs and records a descriptor, a bundled mission or a WASI program. Standard output
//! is the mission's output, byte for byte; the summary goes to standard error.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Error, Result, anyhow, bail};
use coo_kernel::mission::exit::Exit;
use coo_kernel::mission::failure::Failure;
use coo_kernel::mission::script::Language;
use coo_kernel::mission::workflow;
use coo_kernel::mission::{MissionId, Status};
use serde::Serialize;

use super::{build, print, progress};
use crate::effects::llm::CachePolicy;
use crate::freeze::Purpose;
use crate::hint::{self, Hint as _};
use crate::machine::input_file::{INPUT_BYTES_MAX, read as read_file};
use crate::mission::fresh::Fresh;
use crate::mission::prepared;
use crate::mission::run;
use crate::mission::seal::Ended;
use crate::mission::source::{CommandLine, Source};
use crate::runtime::tape::Answers;
use crate::session::Session;
use crate::state::history::Question;

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Descriptor (.json), script (.py, .js, .ts), program (.wasm), or bundled mission: demo, phase3,
    /// triage
    target: String,
    /// Input of a script or program: a text file, or - for standard input
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Folder or wheel whose modules a Python script can import
    #[arg(long, value_name = "PATH")]
    with: Vec<PathBuf>,
    #[command(flatten)]
    answering: Answering,
    /// Build the mission's module first, if a project builds it ('coo build')
    #[arg(long)]
    build: bool,
    /// Run in a fresh state root that is thrown away; only new model answers are kept
    #[arg(long)]
    fresh: bool,
    /// Print a JSON receipt instead of the output; for a refused workflow, its violations
    #[arg(long)]
    json: bool,
    /// Arguments of a script or program
    #[arg(last = true, value_name = "ARGS")]
    arguments: Vec<String>,
}

/// How a mission may be answered and for how long; the same for `run` and `resume`.
#[derive(Debug, clap::Args)]
pub struct Answering {
    /// Answer model calls from the frozen store only; a missing answer is an error
    #[arg(long, conflicts_with = "live")]
    frozen: bool,
    /// Always call the model, and freeze the new answer
    #[arg(long)]
    live: bool,
    #[command(flatten)]
    timeout: Timeout,
}

/// Longest time that a step may be given: a week. A step that hangs ends some day.
const TIMEOUT_SECONDS_MAX: u64 = 7 * 24 * 60 * 60;

/// The bound on real time, which every command that executes a mission has.
#[derive(Debug, clap::Args)]
pub struct Timeout {
    /// Real time a step may take, in seconds; the first includes compiling
    #[arg(
        long = "timeout",
        value_name = "SECONDS",
        default_value_t = 3_600,
        value_parser = clap::value_parser!(u64).range(1..=TIMEOUT_SECONDS_MAX)
    )]
    seconds: u64,
}

impl Timeout {
    /// Returns the bound.
    pub const fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

impl Answering {
    pub fn options(&self) -> prepared::Options {
        prepared::Options {
            freshness: match (self.frozen, self.live) {
                (true, _) => CachePolicy::Frozen,
                (_, true) => CachePolicy::Live,
                _ => CachePolicy::Default,
            },
            wall_clock_max: self.timeout.duration(),
            say: print::note,
            tell: progress::tell,
            ..prepared::Options::default()
        }
    }
}

pub fn cmd_run(root: &Path, options: &Options) -> Result<ExitCode> {
    if options.build {
        build::build_for(Path::new(&options.target))?;
    }
    let source = source(options)?;
    build::say_if_stale(Path::new(&options.target), &source);
    if options.fresh {
        return run_fresh(root, &source, options);
    }
    let ended = ended(
        Session::create(root, Purpose::Change, print::note)?,
        &source,
        options,
    )?;
    report(&ended, options.json)
}

/// Runs the mission. Other commands can use the root again when this returns: the reader of the output
/// may be slow, and they must not wait for it.
fn ended(session: Session, source: &Source, options: &Options) -> Result<Ended> {
    let (_, ended) =
        run::run(session, source, options.answering.options()).inspect_err(|error| {
            if let Some(refused) = error.downcast_ref::<workflow::WorkflowError>()
                && options.json
            {
                // If printing fails, the refusal itself is still the error.
                let _ = print::json("coo-workflow-refusal/1", &refused.view());
            }
        })?;
    Ok(ended)
}

/// Runs the mission in a state root of its own, and says whether that root is kept.
fn run_fresh(root: &Path, source: &Source, options: &Options) -> Result<ExitCode> {
    let freshness = options.answering.options().freshness;
    let fresh = Fresh::beside(root, freshness, print::note)?;
    print::name_root(&fresh.root());
    let ended = ended(fresh.session()?, source, options)?;
    let code = report(&ended, options.json)?;
    let given = match fresh.give_back(root, print::note) {
        Ok(given) => given,
        Err(error) => {
            let kept = fresh.keep()?;
            let why = format!(
                "answers of models: can't be kept in {}, and stay in {}",
                root.display(),
                kept.display()
            );
            return Err(error.context(why));
        }
    };
    let answers = (given > 0).then(|| {
        let answers = print::count(given, "new model answer");
        format!("{answers} kept in {}", root.display())
    });
    if ended.status == Status::Success {
        print::note(&match answers {
            Some(answers) => format!("{answers}; the run's fresh state root is removed"),
            None => "the run's fresh state root is removed".to_owned(),
        });
    } else {
        if let Some(answers) = answers {
            print::note(&answers);
        }
        let kept = fresh.keep()?;
        print::note(&format!(
            "the fresh state root of this run stays in {}, until you remove it",
            kept.display()
        ));
    }
    Ok(code)
}

/// Prints a mission's output and how it ended. The caller has released the root's lock.
pub fn report(ended: &Ended, json: bool) -> Result<ExitCode> {
    if json {
        print::json("coo-receipt/1", &receipt(ended))?;
    } else {
        print::content(&ended.output)?;
        print::guest_stderr(&ended.stderr);
    }
    print::note_verdict(
        &format!("{} ", ended.id),
        ended.status.name(),
        &format!(
            ": {} events, {} fuel, {}.{:03} ms, {}chain {}",
            ended.events,
            ended.facts.fuel,
            ended.facts.elapsed_us / 1_000,
            ended.facts.elapsed_us % 1_000,
            answers(&ended.answers),
            ended.chain_head.short(),
        ),
    );
    let id = ended.id;
    if let Some(question) = &ended.question {
        print::error(&waiting(id, question));
    }
    if ended.in_doubt && ended.status == Status::Failed {
        print::note(&format!(
            "{id} had made model calls beside the one at which it failed; some left and have no answer, and the provider may charge for them"
        ));
    }
    if let Some(error) = error(ended) {
        let next = match (ended.status, ended.in_doubt) {
            (Status::Interrupted, in_doubt) => hint::to_resume(id, in_doubt),
            _ if matches!(ended.failure, Some(Failure::Governance { .. })) => {
                format!("'coo explain {id}' shows where each limit comes from")
            }
            _ => format!("'coo logs {id}' shows how it got there"),
        };
        let error = if is_endless_recursion(&ended.facts.backtrace) {
            error.hint(RECURSION)
        } else {
            error
        };
        print::error(&error.hint(next));
    }
    Ok(print::code(Exit::from(ended.status)))
}

/// What a trap most likely means in a deep recursion: a guest's own stack is a part of its memory, so
/// its end is an access out of bounds.
const RECURSION: &str = "the same functions are on the stack again and again: a recursion without end may have used up the guest's stack";
/// Frames of a backtrace from which a recursion shows.
const RECURSION_FRAMES: usize = 16;
/// Most functions that such a recursion goes through.
const RECURSION_FUNCTIONS: usize = 4;

fn is_endless_recursion(backtrace: &[String]) -> bool {
    let functions: std::collections::BTreeSet<&String> = backtrace.iter().collect();
    backtrace.len() >= RECURSION_FRAMES && functions.len() <= RECURSION_FUNCTIONS
}

/// Returns the model answers of a run for its summary: how many, where they came from, and the tokens
/// that their servers counted. Empty for a run without any.
fn answers(answers: &Answers) -> String {
    let origins: Vec<String> = [
        (answers.recorded, "recorded"),
        (answers.frozen, "frozen"),
        (answers.live, "live"),
    ]
    .iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, origin)| format!("{count} {origin}"))
    .collect();
    let origins = match origins.as_slice() {
        [] => return String::new(),
        [only] => only.split(' ').next_back().unwrap_or_default().to_owned(),
        several => several.join(", "),
    };
    let count = answers.recorded + answers.frozen + answers.live;
    let calls = print::count(count, "model call");
    let (tokens_in, tokens_out) = (answers.tokens_in, answers.tokens_out);
    format!("{calls} ({origins}; {tokens_in} tokens in, {tokens_out} out), ")
}

/// Returns the error of a mission that waits for a person. It is printed as an error, so that
/// `coo run … && something` does not continue without an approval.
pub fn waiting(id: MissionId, Question { step, ask }: &Question) -> Error {
    anyhow!(
        "mission {id}: waits for a person at step '{step}', which asks: {}",
        print::one_line(ask)
    )
    .hint(format!(
        "'coo approve {id}' continues it, 'coo reject {id}' ends it"
    ))
}

/// Returns the error of a mission that did not succeed.
pub fn error(ended: &Ended) -> Option<Error> {
    let id = ended.id;
    match (&ended.failure, &ended.interrupted) {
        (Some(failure), _) => Some(failed(id, failure)),
        (None, Some(error)) => Some(hint::with_all(
            stopped(id, &format!("{error:#}")),
            hint::all(error),
        )),
        (None, None) => None,
    }
}

/// Returns the error of a mission that ended FAILED.
pub fn failed(id: MissionId, failure: &Failure) -> Error {
    hint::with_all(stopped(id, &failure.to_string()), failure.hint())
}

/// No line of `reason` stays a line, because a guest or a server may have written it.
fn stopped(id: MissionId, reason: &str) -> Error {
    anyhow!("mission {id}: {}", print::one_line(reason))
}

/// Returns why a run did not succeed, in one line.
pub fn reason(ended: &Ended) -> Option<String> {
    match (&ended.failure, &ended.interrupted) {
        (Some(failure), _) => Some(hint::joined(failure, failure.hint())),
        (None, error) => error.as_ref().map(hint::flat),
    }
}

fn source(options: &Options) -> Result<Source> {
    let path = Path::new(&options.target);
    let is_program = Source::is_program(path);
    let language = Language::of_file(&options.target);
    if !options.with.is_empty() && language != Some(Language::Python) {
        bail!(
            anyhow!("--with is for Python scripts only")
                .hint("a script of JavaScript imports modules by a relative path")
        );
    }
    if !is_program && language.is_none() {
        if options.input.is_some() || !options.arguments.is_empty() {
            bail!(
                anyhow!("--input and ARGS are for scripts and .wasm programs only")
                    .hint("put the input of a mission into its descriptor")
            );
        }
        return Source::named(&options.target);
    }
    let with = options.with.iter().map(|path| {
        let text = path.to_str().map(str::to_owned);
        text.with_context(|| format!("--with {}: is not text", path.display()))
    });
    let given = CommandLine {
        input: options
            .input
            .as_deref()
            .map(input)
            .transpose()?
            .unwrap_or_default(),
        arguments: options.arguments.clone(),
        with: with.collect::<Result<_>>()?,
    };
    if is_program {
        Source::program_file(path, given)
    } else {
        Source::script_file(path, given)
    }
}

fn input(path: &Path) -> Result<String> {
    let bytes = if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin()
            .take(INPUT_BYTES_MAX + 1)
            .read_to_end(&mut bytes)
            .context("standard input: can't be read")?;
        bytes
    } else {
        read_file(path, INPUT_BYTES_MAX).context("input")?
    };
    if bytes.len() as u64 > INPUT_BYTES_MAX {
        bail!("input: more than {INPUT_BYTES_MAX} bytes, which is the limit");
    }
    String::from_utf8(bytes)
        .ok()
        .context("input: not UTF-8 text, which a descriptor can't hold")
        .hint("encode it, for example as base64")
}

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct JsonReceipt<'a> {
    id: MissionId,
    status: Status,
    reason: Option<String>,
    /// The question of a paused mission.
    question: Option<&'a Question>,
    output: String,
    events: u64,
    chain_head: coo_kernel::form::digest::Digest,
    fuel: u64,
    memory_peak_bytes: u64,
    elapsed_us: u64,
    backtrace: &'a [String],
}

fn receipt(ended: &Ended) -> JsonReceipt<'_> {
    JsonReceipt {
        id: ended.id,
        status: ended.status,
        reason: reason(ended),
        question: ended.question.as_ref(),
        output: String::from_utf8_lossy(&ended.output).into_owned(),
        events: ended.events,
        chain_head: ended.chain_head,
        fuel: ended.facts.fuel,
        memory_peak_bytes: ended.facts.memory_peak_bytes,
        elapsed_us: ended.facts.elapsed_us,
        backtrace: &ended.facts.backtrace,
    }
}
