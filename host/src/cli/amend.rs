//! `coo amend [REPOSITORY]`: applies the amendments that its `coo.toml` names, all or none. Only
//! parses and prints; `crate::repository::amend` does the work.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, anyhow, bail};
use coo_engines::amend::{Anchor, Escalation, Halt, Prepared};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{print, progress, protected};
use crate::baselines::Progress;
use crate::freeze::Purpose;
use crate::hint::Hint as _;
use crate::repository::Repository;
use crate::repository::amend;
use crate::session::Session;

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Directory of the repository
    #[arg(value_name = "REPOSITORY", default_value = ".")]
    repository: PathBuf,
    /// Configuration of the repository [default: coo.toml in it]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the patch and change nothing
    #[arg(long)]
    check: bool,
    /// A person permits the changes of protected documents: do not ask; this is recorded
    #[arg(long, aliases = ["approve", "approve-protected"])]
    yes: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The format of what `--json` prints.
const FORMAT: &str = "coo-amend/1";

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Done<'a, T> {
    evidence: Option<&'a str>,
    #[serde(flatten)]
    log: T,
    patch: &'a str,
}

pub fn cmd_amend(root: &Path, options: &Options) -> Result<ExitCode> {
    let repository = Repository::open(&options.repository, options.config.as_deref(), root)?;
    let given = amend::read(&repository)?;
    if let Some(session) = Session::open(root, Purpose::Read, print::note)?
        && let Some(folder) = amend::is_applied(&session.root, &given)?
    {
        let log = amend::recorded(&session.root, &folder)?;
        return applied_already(&session.root.path().join(folder), log, options.json);
    }
    let prepared = match given.prepare() {
        Ok(prepared) => prepared,
        Err(escalation) => return halt(root, options.check, &escalation),
    };
    if options.check {
        return show(&prepared, None, options.json);
    }
    let documents = prepared.outcome.documents.keys().map(String::as_str);
    let protected = protected::permitted("amend", documents, options.yes)?;
    let mut session = Session::create(root, Purpose::Change, print::note)?;
    let watched = std::io::stderr().is_terminal();
    let progress = Progress::new(watched.then_some(&progress::status_line));
    let folder = amend::apply(
        &session.root,
        &mut session.store,
        &repository,
        &prepared,
        &protected,
        &progress,
    )?;
    let folder = session.root.path().join(folder).display().to_string();
    show(&prepared, Some(&folder), options.json)
}

/// Shows amendments that were applied before: their log, and the patch of now, which is empty.
fn applied_already(folder: &Path, mut log: Map<String, Value>, json: bool) -> Result<ExitCode> {
    // The output has one of its own.
    log.remove("format");
    let folder = folder.display().to_string();
    if json {
        print::json(
            FORMAT,
            &Done {
                evidence: Some(&folder),
                log,
                patch: "",
            },
        )?;
    } else {
        print::out(&format!(
            "Amend\n  Applied already: {}\n  Result: UNCHANGED\n",
            print::one_line(&folder)
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn halt(root: &Path, check: bool, escalation: &Escalation) -> Result<ExitCode> {
    let found = match escalation.kind {
        Halt::MissingAnchor => "MissingAnchor: is nowhere".to_owned(),
        Halt::AmbiguousAnchor => {
            let lines = escalation.candidates_found.iter();
            let lines: Vec<String> = lines.map(|found| found.line.to_string()).collect();
            format!("AmbiguousAnchor: is on lines {}", lines.join(", "))
        }
    };
    let written = if check {
        None
    } else {
        let mut session = Session::create(root, Purpose::Change, print::note)?;
        let file = amend::escalate(&session.root, &mut session.store, escalation)?;
        Some(session.root.path().join(file))
    };
    let see = written.map(|file| format!("see {}, then ", file.display()));
    bail!(
        anyhow!(
            "AmendmentHaltException: amendment {}: anchor '{}' in {}: {found}; no document was changed",
            escalation.amendment_id,
            escalation
                .searched_anchor
                .escape_debug()
                .take(80)
                .collect::<String>(),
            escalation.document
        )
        .hint(format!(
            "{}name an anchor that is there once",
            see.unwrap_or_default()
        ))
    );
}

fn show(prepared: &Prepared, folder: Option<&str>, json: bool) -> Result<ExitCode> {
    if json {
        print::json(
            FORMAT,
            &Done {
                evidence: folder,
                log: &prepared.log,
                patch: &prepared.patch,
            },
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    let Some(folder) = folder else {
        print::content(prepared.patch.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    };
    let mut text = "Amend\n".to_owned();
    for applied in &prepared.outcome.log {
        let amendment = &applied.amendment;
        let (Anchor::Clause(anchor) | Anchor::Header(anchor)) = &amendment.anchor;
        let _ = writeln!(
            text,
            "  {} {} '{}' {}:{}, {}",
            amendment.id,
            amendment.operation,
            print::one_line(anchor),
            print::one_line(&amendment.document),
            applied.line,
            print::count(applied.lines, "line")
        );
    }
    let _ = writeln!(
        text,
        "  Documents: {}\n  Evidence: {}\n  Result: {}",
        prepared.log.documents.len(),
        print::one_line(folder),
        if prepared.patch.is_empty() {
            "UNCHANGED"
        } else {
            "AMENDED"
        }
    );
    print::out(&text)?;
    Ok(ExitCode::SUCCESS)
}
