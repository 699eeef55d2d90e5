//! `coo batch`: runs many missions at once, and prints one line of JSON for each in the order of the list.
//! Also continues a batch for `coo resume --batch`. Never runs a mission itself: `mission::batch` does.

mod list;
mod shown;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use coo_kernel::batch::budget::Limit;
use coo_kernel::batch::list::Shard;
use coo_kernel::batch::report::{self, About, MissionResult, Summary};
use coo_kernel::form::digest::Digest;
use coo_kernel::llm::prices::Micros;
use serde::{Deserialize, Serialize};

use self::shown::View;
use super::{print, run};
use crate::effects::llm::CachePolicy;
use crate::freeze::Purpose;
use crate::machine::{Stopwatch, output_file};
use crate::mission::batch::{self, How};
use crate::mission::prepared;
use crate::session::Session;

#[derive(Debug, clap::Args)]
pub struct Options {
    /// List of missions (.jsonl), or with --inputs the mission that takes them
    #[arg(required_unless_present = "glob")]
    list: Option<String>,
    /// Run every descriptor whose path matches, in the order of the paths
    #[arg(long, value_name = "PATTERN", conflicts_with_all = ["list", "inputs"])]
    glob: Option<String>,
    /// Run the mission once for each row: JSON values, one a line, or .csv with a header
    #[arg(long, value_name = "FILE", requires = "list")]
    inputs: Option<PathBuf>,
    /// Run only a part of the list: every N-th mission, from the I-th
    #[arg(long, value_name = "I/N", default_value_t = Shard::WHOLE, hide_default_value = true)]
    shard: Shard,
    /// Most tokens that all live calls may have
    #[arg(long, value_name = "N")]
    budget_tokens: Option<u64>,
    /// Most money that all live calls may cost, in the currency of llm.prices
    #[arg(long, value_name = "AMOUNT")]
    budget_money: Option<Micros>,
    #[command(flatten)]
    running: Running,
    #[command(flatten)]
    answering: run::Answering,
    /// Print a summary as the last line of the results
    #[arg(long)]
    json: bool,
}

/// How a batch is run; the same when it is continued.
#[derive(Debug, clap::Args)]
pub struct Running {
    /// Most missions in flight
    #[arg(long, short, value_name = "N", default_value_t = JOBS)]
    jobs: NonZeroUsize,
    #[arg(long, value_name = "FILE", help = "Write a JUnit report")]
    junit: Option<PathBuf>,
}

/// Missions in flight unless the user says how many.
const JOBS: NonZeroUsize = NonZeroUsize::new(16).unwrap();

impl Running {
    /// Returns what the options of `coo resume --batch` say.
    pub fn of(jobs: Option<NonZeroUsize>, junit: Option<PathBuf>) -> Self {
        Self {
            jobs: jobs.unwrap_or(JOBS),
            junit,
        }
    }
}

/// How a batch was begun, as its row keeps it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Begun {
    list_sha256: Digest,
    /// The list, as the user named it.
    list: String,
    shard: String,
    budget: Limit,
}

pub fn cmd_batch(root: &Path, options: &Options) -> Result<ExitCode> {
    let list = list::read(options)?;
    let begun = Begun {
        list_sha256: list.sha256,
        list: list.name.clone(),
        shard: options.shard.to_string(),
        budget: Limit {
            micros: options.budget_money,
            tokens: options.budget_tokens,
        },
    };
    let mut session = Session::create(root, Purpose::Change, print::note)?;
    let number = batch::create(
        &mut session,
        list.count(options.shard),
        list.items(options.shard),
        &serde_json::to_string(&begun)?,
        options.answering.options().freshness == CachePolicy::Frozen,
    )?;
    let asked = Asked {
        number,
        running: &options.running,
        options: options.answering.options(),
        again: Again::default(),
        json: options.json,
    };
    execute(session, &asked)
}

/// What is different when a batch is continued.
#[derive(Debug, Clone, Copy, Default)]
pub struct Again {
    /// Calls in doubt may be sent again.
    pub resend: bool,
    /// Bounds in place of those with which it was begun.
    pub budget: Limit,
}

/// A batch that is on record, and how the user wants it to be executed.
pub struct Asked<'a> {
    pub number: u32,
    pub running: &'a Running,
    pub options: prepared::Options,
    pub again: Again,
    /// Print the summary.
    pub json: bool,
}

/// Continues a batch.
pub fn resume(root: &Path, asked: &Asked<'_>) -> Result<ExitCode> {
    let session = Session::open(root, Purpose::Change, print::note)?;
    let session = session.with_context(|| format!("Batch '{}' not found.", asked.number))?;
    execute(session, asked)
}

fn execute(session: Session, asked: &Asked<'_>) -> Result<ExitCode> {
    let Asked {
        number,
        running,
        options,
        again,
        json,
    } = *asked;
    let row = session.store.batch(number)?;
    let row = row.with_context(|| format!("Batch '{number}' not found."))?;
    let begun: Begun = serde_json::from_str(&row.options).context("batch: how it was begun")?;
    let shard: Shard = begun.shard.parse()?;
    let how = How {
        options: prepared::Options {
            tell: shown::tell,
            ..options
        },
        jobs: running.jobs,
        resend: again.resend,
    };
    let budget = Limit {
        micros: again.budget.micros.or(begun.budget.micros),
        tokens: again.budget.tokens.or(begun.budget.tokens),
    };
    let prices = session.config()?.llm.prices.clone();
    let since = Stopwatch::start();
    let mut view = View::begin(&row, how.jobs);
    let mut results: Vec<MissionResult> = Vec::new();
    let (session, spent) = batch::run(session, &row, how, budget, |outcome| {
        let mut result = shown::result(outcome, shard, &prices);
        print::out(&(result.line() + "\n"))?;
        view.ended(&result);
        // It is printed, and no report has it.
        result.output = None;
        results.push(result);
        Ok(())
    })?;
    drop(session);
    let elapsed_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
    let about = About {
        list_sha256: begun.list_sha256,
        shard: (shard != Shard::WHOLE).then(|| shard.to_string()),
        currency: prices.currency,
        budget,
        spent,
        elapsed_ms,
    };
    let summary = Summary::of(&results, about);
    if json {
        print::out(&(summary.line() + "\n"))?;
    }
    if let Some(path) = &running.junit {
        let name = format!("coo batch {}", begun.list);
        let report = report::junit(&name, &results, elapsed_ms).context("JUnit report")?;
        output_file::write_over(path, report.as_bytes())?;
    }
    view.end(&summary);
    Ok(print::code(summary.exit()))
}
