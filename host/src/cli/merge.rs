//! `coo merge`: takes the missions of other state roots into this one, and prints which mission is
//! which. Decides nothing: the kernel plans, and `mission::merge` performs.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use coo_kernel::batch::merge::{ROOTS_MAX, Side};
use coo_kernel::mission::MissionId;
use coo_kernel::mission::exit::Exit;
use serde::Serialize;

use super::print;
use crate::hint::{self, Hint as _};
use crate::mission::merge::{self, How, Report, Stop};

#[derive(Debug, clap::Args)]
pub struct Options {
    /// State roots to merge into the one in use (--root); they stay as they are
    #[arg(required = true, value_name = "ROOT")]
    roots: Vec<PathBuf>,
    /// Keep the first or the last of two artefacts of one path, and of two answers to one call
    #[arg(long, value_name = "SIDE")]
    prefer: Option<Prefer>,
    /// Leave missions in their roots that have not ended, or whose statements have other answers here
    #[arg(long)]
    leave_out: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Prefer {
    /// This root's, else that of the root that is named first
    First,
    /// That of the root that is named last
    Last,
}

/// The report as `--json` prints it.
#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct View<'a> {
    missions: Vec<Taken<'a>>,
    left_out: Vec<Left<'a>>,
    /// Artefacts that came.
    artefacts: usize,
    /// Frozen answers that came.
    frozen_answers: usize,
    /// Missions whose changes to the database were made here.
    database_changes: usize,
}

/// A mission of a merged root.
#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
struct Taken<'a> {
    root: &'a str,
    /// Its id there.
    mission: MissionId,
    /// Its id here.
    merged_as: MissionId,
    /// Whether it was here before.
    already_there: bool,
}

/// A mission that stays in its root.
#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
struct Left<'a> {
    root: &'a str,
    mission: MissionId,
    reason: &'a str,
}

pub fn cmd_merge(root: &Path, options: &Options) -> Result<ExitCode> {
    if options.roots.len() > ROOTS_MAX {
        return Err(
            anyhow!("merge: {} roots, limit {ROOTS_MAX}", options.roots.len())
                .hint("merge them in groups, one command for each group"),
        );
    }
    let how = How {
        side: options.prefer.map(|prefer| match prefer {
            Prefer::First => Side::First,
            Prefer::Last => Side::Last,
        }),
        leaves_out: options.leave_out,
    };
    let report = match merge::merge(root, &options.roots, how, print::note) {
        Ok(report) => report,
        Err(Stop::Failed(error)) => return Err(error),
        Err(Stop::Refused(error)) => {
            if options.json {
                print::json_error(Exit::Differs, &format!("{error:#}"), &hint::all(&error));
            }
            print::error(&error);
            return Ok(print::code(Exit::Differs));
        }
    };
    if options.json {
        print::json("coo-merge/1", &view(&report))?;
    } else {
        print::out(&text(&report))?;
    }
    print::note(&summary(&report));
    for left in &report.left_out {
        let (root, mission, reason) = (&left.root, left.mission, &left.reason);
        print::note(&format!("left out: {mission} of {root}: {reason}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn view(report: &Report) -> View<'_> {
    let merged = report.missions.iter().map(|mission| Taken {
        root: &report.roots[mission.root],
        mission: mission.old,
        merged_as: mission.new,
        already_there: mission.is_there,
    });
    let left = report.left_out.iter().map(|left| Left {
        root: &left.root,
        mission: left.mission,
        reason: &left.reason,
    });
    View {
        missions: merged.collect(),
        left_out: left.collect(),
        artefacts: report.artefacts,
        frozen_answers: report.calls,
        database_changes: report.databases,
    }
}

/// Returns a line for each mission: its id here, its id there, its root.
fn text(report: &Report) -> String {
    let mut text = String::new();
    for mission in &report.missions {
        let root = print::one_line(&report.roots[mission.root]);
        let there = if mission.is_there {
            ", already here"
        } else {
            ""
        };
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}  {} of {root}{there}", mission.new, mission.old);
    }
    text
}

fn summary(report: &Report) -> String {
    let all = report.missions.len();
    let there = report.missions.iter().filter(|it| it.is_there).count();
    format!(
        "merged: {} ({there} already here), {}, {}, {}",
        print::count(all - there, "mission"),
        print::count(report.artefacts, "artefact"),
        print::count(report.calls, "frozen answer"),
        print::count(report.databases, "database change"),
    )
}
