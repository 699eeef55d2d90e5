//! `coo pipeline …` and `coo migrate run`: begin, review, resume, roll back and show governed
//! changes of a repository. This file holds only the wording and the questions to the user; the
//! work is done in `crate::repository::change`.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use coo_engines::change::stage::Stage;
use coo_engines::change::{Action, ChangeId, Fold, Log, Record, Rollback, Route};
use coo_engines::migrate::Planned;
use coo_kernel::baseline::rollback::PROMPT;
use coo_kernel::form::digest::Digest;
use coo_kernel::mission::exit::Exit;
use serde::Serialize;
use serde_json::value::RawValue;

use super::freeze::refuse_strangers;
use super::{print, progress, protected};
use crate::freeze::Purpose;
use crate::hint;
use crate::machine::rfc3339;
use crate::repository::amend::PATCH;
use crate::repository::change::{self, Change, Standing, Watcher};
use crate::session::Session;
use crate::state::store::{ChangeFacts, ChangeRow};

#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Args)]
pub struct Begin {
    /// Directory of the repository
    #[arg(value_name = "REPOSITORY", default_value = ".")]
    repository: PathBuf,
    /// Configuration of the repository [default: coo.toml in it]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct One {
    /// Id of a change, such as PIPELINE-000001
    id: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Begin a governed change: amend, freeze, capture, migrate, pass the gates
    Start(Begin),
    /// Continue a change from the end of its record
    Resume(One),
    /// Approve the review that a change waits for, and continue the change
    Approve {
        #[command(flatten)]
        one: One,
        /// Reason, in a few words; it is recorded
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Reject the review, or abandon the change at any stage; it is rolled back
    Reject {
        #[command(flatten)]
        one: One,
        /// Reason, in a few words; it is recorded
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Ask again for the rollback of a failed change
    Rollback(One),
    /// List all changes
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show the stage of a change, and what it waits for
    Status(One),
    /// Print the record of a change, one event per line
    Log(One),
    /// Write the record and evidence of an ended change to one zip file
    Bundle {
        #[command(flatten)]
        one: One,
        /// File to write [default: <ID>.zip in the working directory]
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

/// A change as `--json` prints it.
#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct View<'a> {
    chain_head: Digest,
    change: ChangeId,
    evidence: String,
    failure: Option<Failure<'a>>,
    next: Option<String>,
    repository: &'a str,
    rollback: &'static str,
    stage: Stage,
    timeline: &'a [Stage],
}

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
struct Failure<'a> {
    stage: Stage,
    why: &'a str,
}

/// A bundle that was written. Fields stand in key order.
#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct BundleWritten<'a> {
    bytes: u64,
    file: &'a Path,
    members: usize,
    sha256: Digest,
}

pub fn cmd_pipeline(root: &Path, options: &Options) -> Result<ExitCode> {
    if let Command::Approve { .. } | Command::Resume(_) = options.command {
        // The change may continue into the freeze, which refuses inherited open files. Check now,
        // before coo opens files of its own.
        refuse_strangers("pipeline …", root)?;
    }
    match &options.command {
        Command::Start(begin) => cmd_begin(root, Route::Pipeline, begin, false),
        Command::Resume(one) => go_on(root, one, |change| change.go(&ask)),
        Command::Approve { one, reason } => go_on(root, one, |change| {
            change.decide(true, reason.clone())?;
            change.go(&ask)
        }),
        Command::Reject { one, reason } => {
            go_on(root, one, |change| change.give_up(reason.clone(), &ask))
        }
        Command::Rollback(one) => go_on(root, one, |change| change.roll_back(&ask)),
        Command::List { json } => list(root, *json),
        Command::Status(one) => status(root, one),
        Command::Log(one) => log(root, one),
        Command::Bundle { one, output } => bundle(root, one, output.as_deref()),
    }
}

fn bundle(root: &Path, one: &One, output: Option<&Path>) -> Result<ExitCode> {
    let watcher = watcher();
    let change = Change::open(root, id(&one.id)?, &watcher)?;
    let default = PathBuf::from(format!("{}.zip", change.journal.id()));
    let path = output.unwrap_or(&default);
    let done = change.bundle(path)?;
    if one.json {
        print::json(
            "coo-bundle-written/1",
            &BundleWritten {
                bytes: done.bytes,
                file: path,
                members: done.members,
                sha256: done.sha256,
            },
        )?;
    } else {
        print::note(&format!(
            "{} written to {}: {}, {}, SHA-256 {}",
            change.journal.id(),
            path.display(),
            print::count(done.members, "file"),
            print::count(done.bytes, "byte"),
            done.sha256
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Begins a change and continues it until it waits for a person or has ended. `approve_protected`: a
/// person has permitted a stand-alone migration to change protected documents.
pub fn cmd_begin(
    root: &Path,
    route: Route,
    begin: &Begin,
    approve_protected: bool,
) -> Result<ExitCode> {
    let watcher = watcher();
    let config = begin.config.as_deref();
    let permit = |files: &[Planned]| {
        let paths = files.iter().flat_map(|file| {
            let becomes = file.becomes.as_deref();
            std::iter::once(file.path.as_str()).chain(becomes)
        });
        protected::permitted("migration", paths, approve_protected)
    };
    let mut change = Change::begin(root, route, &begin.repository, config, &permit, &watcher)?;
    let standing = change.go(&ask)?;
    report(&change, standing, begin.json)
}

/// Returns a watcher that prints notes and, on a terminal, the progress of long work.
fn watcher() -> Watcher<'static> {
    let is_terminal = std::io::stderr().is_terminal();
    Watcher {
        says: &print::note,
        progress: is_terminal.then_some(&progress::status_line),
    }
}

fn ask() -> Vec<u8> {
    print::ask(PROMPT)
}

fn go_on(
    root: &Path,
    one: &One,
    go: impl FnOnce(&mut Change<'_>) -> Result<Standing>,
) -> Result<ExitCode> {
    let watcher = watcher();
    let mut change = Change::open(root, id(&one.id)?, &watcher)?;
    let standing = go(&mut change)?;
    report(&change, standing, one.json)
}

fn id(text: &str) -> Result<ChangeId> {
    let shown: String = text.escape_debug().take(80).collect();
    let id = text.parse::<ChangeId>().ok();
    id.ok_or_else(|| change::not_found(shown))
}

/// Prints the state of the change. A change that a person rejected has ended as that person wanted.
fn report(change: &Change<'_>, standing: Standing, json: bool) -> Result<ExitCode> {
    let journal = &change.journal;
    let (id, recorded) = (journal.id(), journal.fold());
    let folder = journal.folder_path().display().to_string();
    let place = change.repository.tree.path.display().to_string();
    show(id, recorded, journal.head(), &folder, &place, json)?;
    if standing == Standing::Over
        && recorded.is_rejected()
        && let Some((_, why)) = &recorded.failure
    {
        // The person asked for this end, so it is not an error.
        print::note(&format!("{id}: {why}"));
        return Ok(ExitCode::SUCCESS);
    }
    if let Some((stage, why)) = &recorded.failure {
        let next = match standing {
            Standing::Over => Some(format!("{folder}/question.json says what can be done")),
            _ => next(id, recorded),
        };
        let failed = anyhow!("{id}: failed in {stage}: {why}");
        print::error(&hint::with_all(failed, next));
    }
    Ok(print::code(match (&recorded.failure, standing) {
        (Some(_), _) => Exit::Failed,
        (None, Standing::Over) => Exit::Done,
        (None, _) => Exit::Waits,
    }))
}

/// Returns what a person can do next, or `None` if the change has ended.
fn next(id: ChangeId, recorded: &Fold) -> Option<String> {
    match recorded.next_action() {
        Action::End => None,
        Action::AwaitReview => Some(format!("'coo pipeline approve {id}' or '… reject {id}'")),
        Action::Retreat if recorded.rollback == Rollback::Requested => Some(format!(
            "'coo pipeline rollback {id}' asks for the rollback once more"
        )),
        Action::Retreat | Action::Work { .. } => {
            Some(format!("'coo pipeline resume {id}' continues it"))
        }
    }
}

fn rollback_name(rollback: Rollback) -> &'static str {
    match rollback {
        Rollback::None => "none",
        Rollback::Requested => "requested",
        Rollback::Confirmed => "confirmed",
        Rollback::Done => "done",
    }
}

fn show(
    id: ChangeId,
    recorded: &Fold,
    head: Digest,
    folder: &str,
    place: &str,
    json: bool,
) -> Result<()> {
    let stage = recorded.stage().unwrap_or(Stage::Init);
    let failure = recorded.failure.as_ref();
    if json {
        return print::json(
            "coo-change/1",
            &View {
                chain_head: head,
                change: id,
                evidence: folder.to_owned(),
                failure: failure.map(|(stage, why)| Failure { stage: *stage, why }),
                next: next(id, recorded),
                repository: place,
                rollback: rollback_name(recorded.rollback),
                stage,
                timeline: &recorded.timeline,
            },
        );
    }
    let mut text = format!("{id}\n  Repository: {}\n", print::one_line(place));
    // Writing to a string does not fail.
    if let Some(amendments) = &recorded.amendments {
        let _ = writeln!(
            text,
            "  Amendments: {}, of {}",
            amendments.amendments,
            print::count(amendments.documents, "document")
        );
    }
    if let Some(baseline) = recorded.target() {
        let _ = writeln!(
            text,
            "  Baseline: {}, {}, {}",
            print::count(baseline.files, "file"),
            print::count(baseline.bytes, "byte"),
            baseline.manifest_sha256.short()
        );
    }
    for snapshot in recorded.snapshots.iter().flatten() {
        let _ = writeln!(
            text,
            "  Snapshot {}: {}",
            snapshot.number, snapshot.test_results
        );
    }
    if let Some(gates) = &recorded.gates {
        let _ = writeln!(text, "  Gates: {}", gates.status);
    }
    if recorded.rollback != Rollback::None {
        let _ = writeln!(text, "  Rollback: {}", rollback_name(recorded.rollback));
    }
    let _ = writeln!(
        text,
        "  Evidence: {}\n  Chain: {head}\n  Stage: {stage}",
        print::one_line(folder)
    );
    let to_review = match stage {
        Stage::CeoReview => Some(PATCH),
        Stage::CeoFinalReview => Some("gate_results.json"),
        _ => None,
    };
    if let Some(file) = to_review {
        let _ = writeln!(text, "  To review: {file}, there");
    }
    if let Some(next) = next(id, recorded) {
        let _ = writeln!(text, "  Next: {next}");
    }
    print::out(&text)
}

fn reading(root: &Path, text: &str) -> Result<(Session, ChangeRow)> {
    let id = id(text)?;
    let not_found = || change::not_found(id);
    let session = Session::open(root, Purpose::Read, print::note)?.ok_or_else(not_found)?;
    let row = session.store.change(id)?.ok_or_else(not_found)?;
    Ok((session, row))
}

fn status(root: &Path, one: &One) -> Result<ExitCode> {
    let (session, row) = reading(root, &one.id)?;
    let log = session.store.walk_change(row.id, |_, _| Ok(()))?;
    let folder = session.root.path().join(change::folder(row.id));
    let folder = folder.display().to_string();
    let recorded = &log.progress;
    show(
        row.id,
        recorded,
        log.head(),
        &folder,
        &row.repository,
        one.json,
    )?;
    if !one.json
        && let Some((stage, why)) = &recorded.failure
    {
        print::out(&format!("  Failed in {stage}: {why}\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
struct Line {
    change: ChangeId,
    created: String,
    ended: Option<String>,
    repository: String,
    stage: Stage,
}

/// The list as `--json` prints it.
#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct List<'a> {
    changes: &'a [Line],
}

fn list(root: &Path, json: bool) -> Result<ExitCode> {
    let mut lines = Vec::new();
    if let Some(session) = Session::open(root, Purpose::Read, print::note)? {
        for row in session.store.changes()? {
            let log: Log = session.store.walk_change(row.id, |_, _| Ok(()))?;
            lines.push(Line {
                change: row.id,
                created: rfc3339(row.created_ms),
                ended: row.ended_ms.map(rfc3339),
                repository: row.repository,
                stage: log.progress.stage().unwrap_or(Stage::Init),
            });
        }
    }
    if json {
        print::json("coo-changes/1", &List { changes: &lines })?;
    } else if lines.is_empty() {
        print::note(&format!(
            "no changes in {}; 'coo pipeline start' begins one",
            root.display()
        ));
    } else {
        let text = lines.iter().map(|line| {
            format!(
                "{}  {}  {:<18}  {}\n",
                line.change,
                line.created,
                line.stage,
                print::one_line(&line.repository)
            )
        });
        print::out(&text.collect::<String>())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// An event as `--json` prints it, with the fields that packet §13 requires.
#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Event<'a> {
    at: String,
    body: &'a RawValue,
    by: &'a str,
    config_sha256: Option<Digest>,
    environment_sha256: Digest,
    kind: &'static str,
    prev_sha256: Digest,
    sequence_id: u64,
    sha256: Digest,
    stage: Stage,
}

fn log(root: &Path, one: &One) -> Result<ExitCode> {
    let (session, row) = reading(root, &one.id)?;
    let mut config_sha256 = None;
    session.store.walk_change(row.id, |record, facts| {
        if config_sha256.is_none() {
            let begun: coo_engines::change::BegunBody = serde_json::from_str(&record.body)?;
            config_sha256 = Some(begun.config_sha256);
        }
        if one.json {
            let line = serde_json::to_string(&Event {
                at: rfc3339(facts.at_ms),
                body: serde_json::from_str(&record.body)?,
                by: &facts.by,
                config_sha256,
                environment_sha256: row.environment_sha256,
                kind: record.kind.name(),
                prev_sha256: record.prev,
                sequence_id: record.seq,
                sha256: record.sha256,
                stage: record.state,
            })?;
            return print::bytes((line + "\n").as_bytes());
        }
        print::out(&line(record, facts))
    })?;
    Ok(ExitCode::SUCCESS)
}

fn line(record: &Record, facts: &ChangeFacts) -> String {
    format!(
        "[{:04}] {} STAGE={} {} {} sha256={}\n",
        record.seq,
        rfc3339(facts.at_ms),
        record.state,
        record.kind,
        record.body,
        record.sha256.short()
    )
}
