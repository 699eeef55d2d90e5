//! `coo amu0 list` and `coo amu0 lineage`: list the baselines, and show the order of the captured
//! states. Only prints; changes nothing.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use coo_kernel::baseline::lineage::Run;
use coo_kernel::baseline::link::Link;
use coo_kernel::baseline::rollback::Request;
use serde::Serialize;

use crate::baselines::{self, Record};
use crate::cli::print;
use crate::freeze::Purpose;
use crate::machine::rfc3339;
use crate::session::Session;

/// Returns the word for the kind of a baseline: `tree` or `state`.
pub fn kind<'a>(record: &Record, tree: &'a str, state: &'a str) -> &'a str {
    match record.lineage {
        None => tree,
        Some(_) => state,
    }
}

/// The list as `--json` prints it.
#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct List<'a> {
    baselines: &'a [Record],
}

pub fn list(root: &Path, json: bool) -> Result<ExitCode> {
    let records = match Session::open(root, Purpose::Read, print::note)? {
        Some(session) => baselines::list(&session.root)?,
        None => Vec::new(),
    };
    if json {
        print::json(
            "coo-amu0-baselines/1",
            &List {
                baselines: &records,
            },
        )?;
    } else if records.is_empty() {
        print::note(&format!(
            "no baselines in {}; 'coo amu0 create' makes the first",
            root.display()
        ));
    } else {
        for record in records {
            print::out(&format!(
                "{:<14} {}  {}  {}, {}  {} {}\n",
                record.name,
                record.baseline.short(),
                rfc3339(record.created_ms),
                print::count(record.summary.files, "file"),
                print::count(record.summary.bytes, "byte"),
                kind(&record, "tree", "state"),
                print::one_line(&record.tree)
            ))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Default, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct View {
    baselines: Vec<Record>,
    position: Option<Link>,
    rollbacks: Vec<Request>,
}

pub fn lineage(root: &Path, json: bool) -> Result<ExitCode> {
    let view = match Session::open(root, Purpose::Read, print::note)? {
        Some(session) => View {
            baselines: baselines::states(&session.root)?,
            position: baselines::position(&session.root, &session.store)?,
            rollbacks: session.store.rollbacks()?,
        },
        None => View::default(),
    };
    if json {
        print::json("coo-amu0-lineage/1", &view)?;
    } else if view.baselines.is_empty() {
        print::note(&format!(
            "no baselines of the state root {}; 'coo amu0 create' makes the first",
            root.display()
        ));
    } else {
        print::out(&text(&view))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns why a state is not known to be the one that the run left, one line for each reason.
pub fn compared(run: &Run) -> Vec<String> {
    let Some(compared) = &run.compared else {
        return vec!["not compared with what the run left".to_owned()];
    };
    let mut lines = Vec::new();
    for (names, what) in [
        (&compared.edited, "edited since the run"),
        (&compared.unknown, "not compared, the run recorded nothing"),
    ] {
        if !names.is_empty() {
            lines.push(format!("{what}: {}", names.join(", ")));
        }
    }
    lines
}

fn text(view: &View) -> String {
    let mut text = String::new();
    for record in &view.baselines {
        let _ = writeln!(
            text,
            "{:<22}  {}  {}",
            record.name,
            record.baseline.short(),
            rfc3339(record.created_ms)
        );
        let Some(lineage) = &record.lineage else {
            continue;
        };
        let mut from = Vec::new();
        if let Some(run) = &lineage.run {
            from.push(format!(
                "end of {} (chain {})",
                run.mission,
                run.chain_head.short()
            ));
        }
        from.extend(
            lineage
                .rollback
                .map(|number| format!("before rollback {number}")),
        );
        from.extend(
            lineage
                .after
                .as_ref()
                .map(|link| format!("after {}", link.name)),
        );
        if !from.is_empty() {
            let _ = writeln!(text, "    {}", from.join(", "));
        }
        for line in lineage.run.iter().flat_map(compared) {
            let _ = writeln!(text, "    {line}");
        }
        let then = |request: &&Request| {
            request.outcome.is_at_baseline() && request.lineage == lineage.number
        };
        for request in view.rollbacks.iter().filter(then) {
            let _ = writeln!(text, "rollback {} to {}", request.number, request.to.name);
        }
    }
    if let Some(position) = &view.position {
        let _ = writeln!(text, "The state goes back to {}.", position.name);
    }
    text
}
