//! The command line: parses it, calls one file per command, and prints errors. Never decides
//! anything about a mission.
//!
//! The kernel has the table of exit codes (`mission::exit`). An error is `ERROR: …` on standard error,
//! then a line `hint: …` for each thing that the user can do; with `--json`, an object on standard
//! output as well, so that there is one whatever happens. Results go to standard output, everything
//! else to standard error.

#[cfg(feature = "repository")]
mod amend;
mod amu0;
mod approve;
mod artefacts;
mod audit;
mod batch;
mod build;
mod completions;
mod config;
mod digest;
mod events;
mod explain;
mod export;
mod freeze;
#[cfg(feature = "repository")]
mod gates;
mod help;
mod init;
mod inspect;
#[cfg(feature = "repository")]
mod lint;
mod logs;
mod man;
mod manifests;
mod merge;
#[cfg(feature = "repository")]
mod migrate;
mod mission;
mod missions;
mod new;
mod pack;
mod paging;
#[cfg(feature = "repository")]
mod pipeline;
mod print;
mod progress;
#[cfg(feature = "repository")]
mod protected;
mod receipt;
mod replay;
mod resume;
mod rollback;
mod run;
mod run_demo;
mod runner;
mod said;
#[cfg(feature = "repository")]
mod scan;
pub mod schema;
mod table;
mod tier1;
mod validate;
mod verify;
mod version;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum as _};
use coo_kernel::mission::exit::Exit;

use crate::hint;
use crate::machine::temporary;
use crate::program::compiler;
use crate::session::{root_path, root_path_in};

/// Run any AI workflow identically, every time.
///
/// A mission is a descriptor (JSON) plus a WebAssembly module. coo runs it in a sandbox with
/// a fixed clock and seed, journals every call, freezes every answer, and replays any run
/// byte for byte, offline.
#[derive(Debug, Parser)]
#[command(name = "coo", version, max_term_width = 80, after_help = after_help())]
struct Arguments {
    /// State root
    #[arg(
        long,
        value_name = "DIR",
        global = true,
        help = "State root [default: $COO_ROOT, else the nearest .coo]",
        display_order = ORDER_OF_ALL
    )]
    root: Option<PathBuf>,
    /// Colour of verdicts and help
    #[arg(
        long,
        value_name = "WHEN",
        global = true,
        value_enum,
        default_value_t = print::Color::Auto,
        hide_default_value = true,
        hide_possible_values = true,
        help = "Colour: auto, always or never [default: auto]",
        display_order = ORDER_OF_ALL
    )]
    color: print::Color,
    /// Say less
    #[arg(
        short,
        long,
        global = true,
        conflicts_with = "verbose",
        help = "Print results and errors only",
        display_order = ORDER_OF_ALL
    )]
    quiet: bool,
    /// Say more
    #[arg(
        short,
        long,
        global = true,
        help = "Print each step and each model call of a run",
        display_order = ORDER_OF_ALL
    )]
    verbose: bool,
    #[command(subcommand)]
    command: Command,
}

/// Options of all commands come after a command's own and before `--help`.
const ORDER_OF_ALL: usize = 900;

/// The end of `coo --help`: where to start, and the table of exit codes.
fn after_help() -> String {
    let mut text = "Start with:  coo run-demo\n\nExit codes:\n".to_owned();
    for exit in Exit::ALL {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {}  {}", exit.code(), exit.meaning());
    }
    text
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the bundled demo: no configuration, no key, no network
    #[command(
        disable_help_flag = true,
        after_help = "The receipt is also in demo/<id>/demo_report.txt in the state root."
    )]
    RunDemo {
        /// Takes none.
        #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<OsString>,
    },
    /// Run a mission: a descriptor, a script, a .wasm program, or a bundled mission by name
    #[command(after_help = "Exit codes:  0 SUCCESS, 1 FAILED, 4 PAUSED, 5 INTERRUPTED")]
    Run(run::Options),
    /// Resume an interrupted mission from the end of its journal
    #[command(after_help = "Exit codes:  0 SUCCESS, 1 FAILED, 4 PAUSED, 5 INTERRUPTED")]
    Resume(resume::Options),
    /// Run many missions at once, with the results of one after the other
    Batch(batch::Options),
    /// Approve the question of a paused mission, and continue it
    #[command(after_help = "Exit codes:  0 SUCCESS, 1 FAILED, 4 PAUSED, 5 INTERRUPTED")]
    Approve(approve::Approve),
    /// Reject the question of a paused mission, which ends it
    Reject(approve::Reject),
    /// Run a recorded mission again from its journal and compare every byte
    #[command(after_help = "Exit codes:  0 identical, 1 not replayable, 3 different")]
    Replay(replay::Options),
    /// Run a mission several times in fresh worlds and compare every byte, or check a pack
    #[command(after_help = "Exit codes:  0 everything is identical, 3 it is not")]
    Verify(verify::Options),
    /// Write a run to one file, replayable on any machine
    #[command(after_help = "An existing file is never replaced.")]
    Export(export::Options),
    /// Write a run with all that follows from it to one zip file, after approval
    #[command(after_help = "An existing file is never replaced. 'coo verify FILE' checks a pack.")]
    Pack(pack::Options),
    /// Take the missions of other state roots into this one
    #[command(
        after_help = "Exit codes:  0 merged, 3 a root is damaged or in conflict, and nothing is merged"
    )]
    Merge(merge::Options),
    /// List the missions, newest first
    Missions(missions::Options),
    /// Show one mission: status and timeline
    Mission(mission::Options),
    /// Print the journal of a mission, one event per line
    Logs(logs::Options),
    /// Show hash lineage, calls, fuel, memory and outputs of a mission
    Inspect(inspect::Options),
    /// Explain a mission's permissions and limits, and why it was refused
    Explain(explain::Options),
    /// Create, verify and restore baselines of the state root or of a directory
    Amu0(amu0::Options),
    /// Restore the state root to a baseline, after confirmation
    Rollback(rollback::Options),
    /// Make the state root read-only until the freeze is lifted
    Freeze(freeze::Options),
    /// List the artefacts of missions, or check them against the record
    Artefacts(artefacts::Options),
    /// Record tools, environment, hardware and module set, or check them
    Manifests(manifests::Options),
    /// Apply all amendments to the documents of a repository, or none
    #[cfg(feature = "repository")]
    Amend(amend::Options),
    /// Search the text of a repository for governance leaks
    #[command(after_help = "Exit codes:  0 no leak, 1 a leak or an error")]
    #[cfg(feature = "repository")]
    Scan(scan::Options),
    /// Check a repository against its pinned constitutional rules
    #[command(after_help = "Exit codes:  0 all rules are kept, 1 a finding or an error")]
    #[cfg(feature = "repository")]
    Lint(lint::Options),
    /// Move a Python package and update its importers, or show the plan
    #[cfg(feature = "repository")]
    Migrate(migrate::Options),
    /// Check a repository with gates A to F
    #[command(after_help = "Exit codes:  0 all gates pass, 3 one fails")]
    #[cfg(feature = "repository")]
    Gates(gates::Options),
    /// Change a repository under governance, from amendments to the final review
    #[command(
        after_help = "Exit codes:  0 the change has ended in COMPLETE, or as the person wanted it,\n             1 it is in ERROR or has ended in QUESTION, or the command was refused,\n             4 it has come to a review"
    )]
    #[cfg(feature = "repository")]
    Pipeline(pipeline::Options),
    /// Judge this installation and its state root by the Tier-1 hardening plan
    #[command(
        after_help = "Exit codes:  0 approved, or the decision is recorded, 1 a check failed or it is not approved,\n             4 waits for a person"
    )]
    Tier1(tier1::Options),
    /// List every import of a module, what it permits, and the verdict
    #[command(after_help = "Exit codes:  0 admitted, 1 refused")]
    Audit(audit::Options),
    /// Check a descriptor without running it
    Validate(validate::Options),
    /// Print the SHA-256 of the module set
    #[command(after_help = "The digest is that of what 'LC_ALL=C sha256sum *.wasm' prints.")]
    Digest(digest::Options),
    /// Create the state root, or in DIR a whole project of missions
    #[command(after_help = "No file is ever replaced.")]
    Init(init::Options),
    /// Add a mission to a project: its crate and its descriptor
    #[command(after_help = "No file is ever replaced.")]
    New(new::Options),
    /// Compile the missions of a project into missions/dist/
    #[command(
        after_help = "Needs cargo and the target wasm32-wasip1. What cargo prints goes to standard error."
    )]
    Build(build::Options),
    /// List, install and remove the modules that run scripts
    Runner(runner::Options),
    /// List the JSON Schemas of everything that coo reads and writes, or print one
    Schema(schema::Options),
    /// Show the configuration of the state root, or change a field of it
    Config(config::Options),
    /// Show what this coo is: engine, surface, formats, build
    #[command(
        after_help = "'coo --version' prints the first line alone; with --verbose it prints all."
    )]
    Version(version::Options),
    /// Print a completion script for a shell
    Completions(completions::Options),
    /// Print the manual page of coo, or write those of all commands
    Man(man::Options),
}

/// Returns the whole command line as data, for the reference in `docs/cli.md`.
#[must_use]
pub fn command() -> clap::Command {
    help::dressed(Arguments::command())
}

fn parse() -> Result<Arguments, clap::Error> {
    let matches = command().try_get_matches()?;
    Arguments::from_arg_matches(&matches).map_err(|error| error.format(&mut command()))
}

/// Parses and runs the command line; returns the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let mut own = std::env::args_os().skip(1);
    if own.next().is_some_and(|first| first == compiler::COMMAND) {
        return compiler::child::main(own);
    }
    compiler::in_child(progress::tell);
    if let Some(color) = color_asked() {
        print::set_color(color);
    }
    let arguments = match parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(error),
    };
    // Remove temporary folders that killed commands left behind.
    temporary::sweep();
    let code = match dispatch(arguments) {
        Ok(code) => code,
        Err(error) => failed(&error, wants_json()),
    };
    print::end_pages();
    code
}

/// Prints an error, and returns its exit code.
fn failed(error: &anyhow::Error, as_json: bool) -> ExitCode {
    if as_json {
        print::json_error(Exit::Failed, &format!("{error:#}"), &hint::all(error));
    }
    print::error(error);
    print::code(Exit::Failed)
}

/// Looks at the words themselves, because a command line that can't be parsed has no options. To
/// `run-demo` the word means nothing.
fn wants_json() -> bool {
    let mut words = std::env::args_os().take_while(|word| word != "--");
    words.any(|word| word == "--json") && std::env::args_os().nth(1) != Some("run-demo".into())
}

/// Looks at the words themselves, because clap prints a version as soon as it sees the option.
fn wants_verbose() -> bool {
    std::env::args_os().any(|word| word == "--verbose")
}

/// Returns the value of `--color`. A help is printed before clap returns any option.
fn color_asked() -> Option<print::Color> {
    let all = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned());
    let mut all = all.take_while(|argument| argument != "--");
    while let Some(argument) = all.next() {
        let value = match argument.strip_prefix("--color") {
            Some("") => all.next(),
            Some(value) => value.strip_prefix('=').map(str::to_owned),
            None => None,
        };
        if let Some(value) = value {
            return print::Color::from_str(&value, false).ok();
        }
    }
    None
}

fn dispatch(arguments: Arguments) -> Result<ExitCode> {
    print::set_color(arguments.color);
    progress::set_detail(arguments.quiet, arguments.verbose);
    let given = arguments.root.as_deref();
    let root = match &arguments.command {
        // Looks nowhere else, so that a root can be made below another one.
        Command::Init(options) => root_path_in(given, options.folder()),
        _ => root_path(given),
    };
    match arguments.command {
        Command::RunDemo { rest } => run_demo::cmd_run_demo(&root, &rest),
        Command::Run(options) => run::cmd_run(&root, &options),
        Command::Batch(options) => batch::cmd_batch(&root, &options),
        Command::Resume(options) => resume::cmd_resume(&root, &options),
        Command::Replay(options) => replay::cmd_replay(&root, &options),
        Command::Verify(options) => verify::cmd_verify(&root, &options),
        Command::Export(options) => export::cmd_export(&root, &options),
        Command::Pack(options) => pack::cmd_pack(&root, &options),
        Command::Merge(options) => merge::cmd_merge(&root, &options),
        Command::Missions(options) => missions::cmd_missions(&root, &options),
        Command::Mission(options) => mission::cmd_mission(&root, &options),
        Command::Logs(options) => logs::cmd_logs(&root, &options),
        Command::Inspect(options) => inspect::cmd_inspect(&root, &options),
        Command::Approve(options) => approve::cmd_approve(&root, &options),
        Command::Reject(options) => approve::cmd_reject(&root, &options),
        Command::Explain(options) => explain::cmd_explain(&root, &options),
        #[cfg(feature = "repository")]
        Command::Amend(options) => amend::cmd_amend(&root, &options),
        Command::Amu0(options) => amu0::cmd_amu0(&root, &options),
        Command::Rollback(options) => rollback::cmd_rollback(&root, &options),
        Command::Freeze(options) => freeze::cmd_freeze(&root, &options),
        Command::Artefacts(options) => artefacts::cmd_artefacts(&root, &options),
        Command::Manifests(options) => manifests::cmd_manifests(&root, &options),
        #[cfg(feature = "repository")]
        Command::Scan(options) => scan::cmd_scan(&root, &options),
        #[cfg(feature = "repository")]
        Command::Lint(options) => lint::cmd_lint(&root, &options),
        #[cfg(feature = "repository")]
        Command::Migrate(options) => migrate::cmd_migrate(&root, &options),
        #[cfg(feature = "repository")]
        Command::Gates(options) => gates::cmd_gates(&root, &options),
        #[cfg(feature = "repository")]
        Command::Pipeline(options) => pipeline::cmd_pipeline(&root, &options),
        Command::Tier1(options) => tier1::cmd_tier1(&root, &options),
        Command::Audit(options) => audit::cmd_audit(&options),
        Command::Validate(options) => validate::cmd_validate(&options),
        Command::Digest(options) => digest::cmd_digest(&options),
        Command::Init(options) => init::cmd_init(&root, &options),
        Command::New(options) => new::cmd_new(&options),
        Command::Build(options) => build::cmd_build(&options),
        Command::Runner(options) => runner::cmd_runner(&options),
        Command::Schema(options) => schema::cmd_schema(&options),
        Command::Config(options) => config::cmd_config(&root, &options),
        Command::Version(options) => version::cmd_version(&options),
        Command::Completions(options) => completions::cmd_completions(&options),
        Command::Man(options) => man::cmd_man(&options),
    }
}

/// Prints help or version to standard output with exit code 0, or an error of the command line with
/// exit code 2. A command line that names nothing to do, such as a bare `coo`, asks for help.
fn usage(mut error: clap::Error) -> ExitCode {
    if error.kind() == ErrorKind::DisplayVersion && wants_verbose() {
        let options = version::Options { json: wants_json() };
        return version::cmd_version(&options).unwrap_or_else(|error| failed(&error, options.json));
    }
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return match print::help(&error.render()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&error, false),
        };
    }
    let meant = meant(&error);
    if meant.is_some() {
        // Similar spelling leads elsewhere.
        error.remove(ContextKind::SuggestedSubcommand);
    }
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    // An empty line where the suggestion was.
    let text = text.replace("\n\n\n", "\n\n");
    let text = text.trim_end();
    let next = meant.map(|meant| format!("try 'coo {meant}'; 'coo help' lists all commands"));
    if wants_json() {
        print::json_error(Exit::Usage, text, next.as_slice());
    }
    print::usage(text);
    if let Some(next) = next {
        print::next(&next);
    }
    print::code(Exit::Usage)
}

/// Returns the command that the user means by a word that is none.
fn meant(error: &clap::Error) -> Option<&'static str> {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else {
        return None;
    };
    // A command of a command has words of its own.
    let usage = error.get(ContextKind::Usage).map(ToString::to_string)?;
    usage
        .contains("coo [OPTIONS] <COMMAND>")
        .then(|| help::meant(word))
        .flatten()
}
