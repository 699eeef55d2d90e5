//! `coo tier1 run|status|approve|reject`: runs the Tier-1 hardening on this installation and its
//! state root, and takes a person's decision about it. Only asks and prints; `crate::tier1` does the
//! work.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, bail};
use coo_kernel::baseline::link::Link;
use coo_kernel::baseline::rollback::Said;
use coo_kernel::effects::artefact::Artefact;
use coo_kernel::form::digest::Digest;
use coo_kernel::mission::MissionId;
use coo_kernel::mission::exit::Exit;
use coo_kernel::state::layout::ARTEFACTS;
use coo_kernel::tier1::readiness::{CONFIRMATION, QUESTION, Standing};
use coo_kernel::tier1::{Check, Judged};
use serde::Serialize;

use super::{command, print, progress};
use crate::baselines::Progress;
use crate::freeze::Purpose;
use crate::hint;
use crate::hint::Hint as _;
use crate::session::Session;
use crate::tier1::{self, Ended, Failed, Now, Passed};

#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Freeze the state as a baseline, run all fix packs, write the report, and ask a person
    Run {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show where the decision stands, for the present state and installation
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Approve Tier-1 readiness, after confirmation
    Approve {
        /// Reason, in a few words; it is recorded
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Take the word as typed: do not ask for it
        #[arg(long, alias = "approve")]
        yes: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Reject Tier-1 readiness
    Reject {
        /// Reason, in a few words; it is recorded
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

pub fn cmd_tier1(root: &Path, options: &Options) -> Result<ExitCode> {
    let watched = std::io::stderr().is_terminal();
    let progress = Progress::new(watched.then_some(&progress::status_line));
    match &options.command {
        Command::Run { json } => run(root, *json, &progress),
        Command::Status { json } => status(root, *json, &progress),
        Command::Approve { reason, yes, json } => {
            approve(root, reason.clone(), *yes, *json, &progress)
        }
        Command::Reject { reason, json } => reject(root, reason.clone(), *json, &progress),
    }
}

/// Returns the exit code of a standing: 0 approved, 4 waits for a person, 1 anything else.
fn code(standing: Standing) -> ExitCode {
    match standing {
        Standing::Approved => ExitCode::SUCCESS,
        Standing::Waiting => print::code(Exit::Waits),
        Standing::NotRun | Standing::Rejected | Standing::OutOfDate | Standing::Interrupted => {
            print::done(false)
        }
    }
}

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct RunView<'a> {
    baseline: &'a Link,
    documents: &'a [Artefact],
    mission: Option<MissionId>,
    /// Whether this run wrote the documents.
    new: bool,
    packs: &'a [Judged],
    result: &'static str,
    standing: Option<Standing>,
    state: Digest,
}

fn run(root: &Path, json: bool, walk: &Progress<'_>) -> Result<ExitCode> {
    let session = Session::create(root, Purpose::Change, print::note)?;
    let commands: Vec<String> = command()
        .get_subcommands()
        .map(|known| known.get_name().to_owned())
        .collect();
    let ended = tier1::run(
        session,
        &tier1::Run {
            commands: &commands,
            progress: walk,
            say: &progress::status_line,
        },
    )?;
    match &ended {
        Ended::Failed(failed) => show_failed(root, failed, json),
        Ended::Passed(passed) => show_passed(root, passed, json),
    }
}

fn show_failed(root: &Path, failed: &Failed, json: bool) -> Result<ExitCode> {
    let Failed {
        baseline,
        packs,
        state,
    } = failed;
    if json {
        print::json(
            "coo-tier1-run/1",
            &RunView {
                baseline,
                documents: &[],
                mission: None,
                new: false,
                packs,
                result: "FAIL",
                standing: None,
                state: *state,
            },
        )?;
    } else {
        let text = packs_text(root, baseline, state, packs) + "\n  Result: FAIL\n";
        print::out(&text)?;
    }
    let judged = packs.last().context("tier1: no fix pack ran")?;
    let check = judged.failed().context("tier1: no check failed")?;
    let error = anyhow!(
        "tier1: {} ({}): {}: {}; the fix packs after it were not run",
        judged.pack.id(),
        judged.pack.title(),
        check.what,
        print::one_line(&check.evidence)
    );
    let hint = check
        .hint
        .clone()
        .unwrap_or_else(|| "correct that and run 'coo tier1 run' again".to_owned());
    print::error(&hint::with_all(error, [hint]));
    Ok(print::done(false))
}

fn show_passed(root: &Path, passed: &Passed, json: bool) -> Result<ExitCode> {
    let stage = &passed.stage;
    if json {
        print::json(
            "coo-tier1-run/1",
            &RunView {
                baseline: &stage.baseline,
                documents: &passed.documents,
                mission: Some(passed.mission),
                new: passed.is_new,
                packs: &stage.packs,
                result: "PASS",
                standing: Some(passed.standing),
                state: stage.state,
            },
        )?;
    } else {
        let mut text = packs_text(root, &stage.baseline, &stage.state, &stage.packs);
        text.push_str(if passed.is_new {
            "\nDocuments\n"
        } else {
            "\nDocuments, as they were: nothing has changed since they were written\n"
        });
        for document in &passed.documents {
            // Writing to a string does not fail.
            let _ = writeln!(
                text,
                "  {ARTEFACTS}/{} ({}, {})",
                document.path,
                print::count(document.bytes, "byte"),
                document.sha256.short()
            );
        }
        let _ = writeln!(
            text,
            "\n  Result: PASS\n  Tier-1 readiness: {}, {}",
            passed.standing.name(),
            passed.mission
        );
        print::out(&text)?;
    }
    say_next(passed.standing, passed.mission);
    Ok(code(passed.standing))
}

/// Says what a person is asked, if one is asked.
fn say_next(standing: Standing, mission: MissionId) {
    if standing == Standing::Waiting {
        print::note_lines(&[
            format!("{mission} asks: {QUESTION}"),
            "'coo tier1 approve' and 'coo tier1 reject' record your answer".to_owned(),
        ]);
    }
}

fn packs_text(root: &Path, baseline: &Link, state: &Digest, packs: &[Judged]) -> String {
    let mut text = format!(
        "Tier-1 hardening of {}\n  State: {state}\n  Baseline: {} ({})\n",
        print::one_line(&root.display().to_string()),
        baseline.name,
        baseline.baseline.short()
    );
    for judged in packs {
        let _ = writeln!(text, "\n{} {}", judged.pack.id(), judged.pack.title());
        for check in judged.checks.iter().chain(&judged.after) {
            text.push_str(&line(check));
        }
    }
    text
}

fn line(check: &Check) -> String {
    let result = if check.holds { "PASS" } else { "FAIL" };
    format!(
        "  {result}  {}\n        {}\n",
        print::one_line(&check.what),
        print::one_line(&check.evidence)
    )
}

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct StatusView<'a> {
    installation: Digest,
    mission: Option<MissionId>,
    reason: Option<&'a str>,
    report: Option<&'a str>,
    report_sha256: Option<Digest>,
    standing: Standing,
    state: Digest,
}

impl<'a> StatusView<'a> {
    fn of(now: &'a Now) -> Self {
        let asked = now.asked.as_ref();
        Self {
            installation: now.installation,
            mission: asked.map(|asked| asked.mission),
            reason: now.reason.as_deref(),
            report: asked.map(|asked| asked.about.report.as_str()),
            report_sha256: asked.map(|asked| asked.about.report_sha256),
            standing: now.standing,
            state: now.state,
        }
    }
}

fn show(now: &Now, json: bool) -> Result<()> {
    let view = StatusView::of(now);
    if json {
        return print::json("coo-tier1/1", &view);
    }
    let mut text = format!(
        "Tier-1 readiness\n  Installation: {}\n  State: {}\n",
        view.installation, view.state
    );
    if let (Some(report), Some(sha256), Some(mission)) =
        (view.report, view.report_sha256, view.mission)
    {
        let _ = writeln!(
            text,
            "  Report: {ARTEFACTS}/{} ({})\n  Mission: {mission}",
            print::one_line(report),
            sha256.short()
        );
    }
    if let Some(reason) = view.reason {
        let _ = writeln!(text, "  Reason: {}", print::one_line(reason));
    }
    let _ = writeln!(text, "  Standing: {}", view.standing.name());
    print::out(&text)
}

fn status(root: &Path, json: bool, progress: &Progress<'_>) -> Result<ExitCode> {
    let session = Session::open(root, Purpose::Read, print::note)?.ok_or_else(|| no_root(root))?;
    let now = Now::of(&session, progress)?;
    show(&now, json)?;
    match (now.standing, &now.asked) {
        (Standing::Waiting, Some(asked)) => say_next(now.standing, asked.mission),
        (Standing::Interrupted, Some(asked)) => print::note(&format!(
            "'coo resume {}' continues the mission that asks",
            asked.mission
        )),
        (Standing::NotRun | Standing::OutOfDate | Standing::Rejected, _) => {
            print::note("'coo tier1 run' judges the present state");
        }
        _ => {}
    }
    Ok(code(now.standing))
}

fn no_root(root: &Path) -> anyhow::Error {
    anyhow!("no state root at {}", root.display()).hint("'coo tier1 run' makes one and judges it")
}

fn open(root: &Path) -> Result<Session> {
    Session::open(root, Purpose::Change, print::note)?.ok_or_else(|| no_root(root))
}

fn approve(
    root: &Path,
    reason: Option<String>,
    yes: bool,
    json: bool,
    progress: &Progress<'_>,
) -> Result<ExitCode> {
    let session = open(root)?;
    let now = Now::of(&session, progress)?;
    let mission = now.waiting(&session)?;
    if !yes {
        confirm(&now)?;
    }
    tier1::approve(session, &mission, reason)?;
    decided(root, json, progress)?;
    Ok(ExitCode::SUCCESS)
}

fn confirm(now: &Now) -> Result<()> {
    if let Some(asked) = &now.asked {
        print::before_asking(&[
            QUESTION.to_owned(),
            format!(
                "{ARTEFACTS}/{} ({}) has the findings",
                asked.about.report,
                asked.about.report_sha256.short()
            ),
        ]);
    }
    let Err(said) = print::ask_for(CONFIRMATION, "approve") else {
        return Ok(());
    };
    bail!(
        anyhow!(
            "tier1: {}, and only {CONFIRMATION} counts; nothing was decided",
            Said::Line(&said)
        )
        .hint(format!(
            "run it again and type {CONFIRMATION}, or give --yes; 'coo tier1 reject' rejects it"
        ))
    )
}

fn reject(
    root: &Path,
    reason: Option<String>,
    json: bool,
    progress: &Progress<'_>,
) -> Result<ExitCode> {
    let mut session = open(root)?;
    let mission = Now::of(&session, progress)?.waiting(&session)?;
    tier1::reject(&mut session, &mission, reason)?;
    drop(session);
    decided(root, json, progress)?;
    Ok(ExitCode::SUCCESS)
}

/// Shows where the decision stands after it was recorded.
fn decided(root: &Path, json: bool, progress: &Progress<'_>) -> Result<()> {
    let session = Session::open(root, Purpose::Read, print::note)?.ok_or_else(|| no_root(root))?;
    show(&Now::of(&session, progress)?, json)
}
