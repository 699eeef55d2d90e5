//! `coo migrate plan [REPOSITORY]` shows what moving a Python package would change, and which
//! questions it can't decide. `coo migrate run` moves it, with its tests and the way back. Only
//! parses and prints; `crate::repository::migrate` and `crate::repository::change` do the work.

use coo_kernel::mission::exit::Exit;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use coo_engines::change::Route;

use super::{pipeline, print};
use crate::hint::Hint as _;
use crate::repository::Repository;
use crate::repository::migrate::{self, Plan};

#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show all planned moves, changes and questions; change nothing
    #[command(after_help = "Exit codes:  0 READY, 4 a question is open")]
    Plan {
        /// Directory of the repository
        #[arg(value_name = "REPOSITORY", default_value = ".")]
        repository: PathBuf,
        /// Configuration of the repository [default: coo.toml in it]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Move the package: port, rewrite, test, delete the old one, test again, compare
    Run {
        #[command(flatten)]
        begin: pipeline::Begin,
        /// A person permits the changes of protected documents: do not ask; this is recorded
        #[arg(long, aliases = ["approve", "approve-protected"])]
        yes: bool,
    },
}

pub fn cmd_migrate(root: &Path, options: &Options) -> Result<ExitCode> {
    let (repository, config, json) = match &options.command {
        Command::Run { begin, yes } => {
            return pipeline::cmd_begin(root, Route::Migration, begin, *yes);
        }
        Command::Plan {
            repository,
            config,
            json,
        } => (repository, config, json),
    };
    let repository = Repository::open(repository, config.as_deref(), root)?;
    let plan = migrate::plan(&repository)?;
    let questions = plan.questions();
    for line in &plan.notes {
        print::note(line);
    }
    if *json {
        print::json("coo-migration-plan/1", &plan)?;
    } else {
        print::out(&text(&plan))?;
    }
    if questions > 0 {
        print::error(
            &anyhow!(
                "migration of {}: {} open",
                plan.from,
                print::count(questions, "question")
            )
            .hint(
                "answer them in coo.toml: [migrate] imports, calls, strings, annotations, \
                 mentions, leave or replace",
            ),
        );
    }
    Ok(print::code(if questions == 0 {
        Exit::Done
    } else {
        Exit::Waits
    }))
}

fn text(plan: &Plan) -> String {
    let mut text = format!("Migrate {} to {}\n", plan.from, plan.to);
    for file in &plan.files {
        // Writing to a string does not fail.
        let _ = match &file.becomes {
            Some(becomes) => writeln!(text, "  {} -> {becomes}", file.path),
            None => writeln!(text, "  {}", file.path),
        };
        for edit in &file.edits {
            let (was, now) = (print::one_line(&edit.was), print::one_line(&edit.now));
            let _ = writeln!(text, "    {}: {was} -> {now}", edit.line);
        }
        for question in &file.questions {
            let _ = writeln!(
                text,
                "    {}: QUESTION: {}\n      {}; {}",
                question.line,
                print::one_line(&question.text),
                question.why,
                print::one_line(&question.answers.join(", or "))
            );
        }
    }
    let questions = plan.questions();
    let _ = writeln!(
        text,
        "  Read: {}\n  Moved: {}\n  Edits: {}\n  Questions: {questions}\n  Result: {}",
        print::count(plan.read, "file"),
        plan.count(|file| usize::from(file.becomes.is_some())),
        plan.count(|file| file.edits.len()),
        if questions == 0 { "READY" } else { "QUESTION" }
    );
    text
}
