//! `coo verify <descriptor|id>`: runs a mission several times in fresh worlds (the missions'
//! databases), compares every byte, and writes a report. `coo verify <pack>` checks a pack
//! (`pack`). The exit code is 0 if everything is identical.

pub mod pack;

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, anyhow, bail};
use coo_kernel::mission::MissionId;
use coo_kernel::mission::exit::Exit;

use super::run::Timeout;
use super::{print, progress};
use crate::freeze::Purpose;
use crate::hint::Hint as _;
use crate::machine::temporary::TemporaryFolder;
use crate::mission;
use crate::mission::find::{self, find_mission};
use crate::mission::prepared;
use crate::mission::run_file;
use crate::mission::verify::{Report, Subject, verify};
use crate::session::{Held, Read, Session};
use crate::state::config::Config;
use crate::state::reports;
use crate::state::state_root::StateRoot;

/// Number of runs by default.
const RUNS: u32 = 3;
/// Most runs. Each leaves a state root of its own until all are compared, and a mission that differs
/// once in a hundred runs is found.
const RUNS_MAX: i64 = 100;

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Descriptor, .wasm program, bundled mission, mission id, or a file that 'coo export' or 'coo
    /// pack' wrote
    #[arg(value_name = "MISSION|ID|FILE")]
    target: String,
    /// Number of runs, 2 to 100 [default: 3]; a pack is executed once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=RUNS_MAX))]
    runs: Option<u32>,
    #[command(flatten)]
    timeout: Timeout,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn cmd_verify(root: &Path, options: &Options) -> Result<ExitCode> {
    let target = options.target.as_str();
    let wall_clock_max = options.timeout.duration();
    if target.parse::<MissionId>().is_err() && mission::pack::is_one(Path::new(target)) {
        if options.runs.is_some() {
            bail!(anyhow!("--runs: a pack is executed once").hint("leave it out"));
        }
        return pack::verify(Path::new(target), wall_clock_max, options.json);
    }
    let is_recorded = find::is_in_root(target) || run_file::is_one(Path::new(target));
    let subject = if is_recorded {
        let (session, mission) = find_mission(root, target, print::note)?;
        Subject::recorded(session, &mission, wall_clock_max)?
    } else {
        let session = Session::open(root, Purpose::Read, print::note)?;
        Subject::described(target, session.as_ref().map(|session| &session.store))?
    };
    let place = Place::of(root)?;
    let mut session = Session::create(place.path(), Purpose::Change, print::note)?;
    // Needed only to create a missing state root; the runs have state roots and locks of their own.
    session.lock = None;
    if let Place::Elsewhere(_, config) = &place {
        session = session.configured(config.as_ref().clone());
    }
    let report = verify(
        session,
        &subject,
        options.runs.unwrap_or(RUNS),
        prepared::Options {
            wall_clock_max,
            ..prepared::Options::default()
        },
        progress::status_line,
    )?;
    let before = text(&report) + "  Result: ";
    let verdict = if report.identical {
        "IDENTICAL"
    } else {
        "DIFFERENT"
    };
    let text = format!("{before}{verdict}\n");
    let json = serde_json::to_string_pretty(&report)? + "\n";
    // Write the report even if printing fails: the runs may have taken hours.
    let printed = if options.json {
        print::json_text(&json)
    } else {
        print::out_verdict(&before, verdict, "\n")
    };
    let folder = place.path().join(&report.folder);
    let is_kept = match &place {
        Place::Root(root) => keep(root, &report, &json, &text)?,
        Place::Elsewhere(..) => false,
    };
    if is_kept {
        print::note(&format!("report written to {}", folder.display()));
    } else {
        print::note(&format!(
            "state root {} is frozen, so no report was written to it; --json prints the whole report",
            root.display()
        ));
    }
    if !report.identical {
        place.keep()?;
        print::error(
            &anyhow!(
                "verify {}: the runs or their replays differ",
                report.subject
            )
            .hint(format!("look at their state roots in {}", folder.display())),
        );
    }
    printed?;
    Ok(code(report.identical))
}

/// The exit code of every verification.
fn code(is_identical: bool) -> ExitCode {
    print::code(Exit::compared(is_identical))
}

/// Writes the report to `root`. Returns false if `root` was frozen since the runs began; then it
/// only removes the folder of the runs.
fn keep(root: &Path, report: &Report, json: &str, text: &str) -> Result<bool> {
    let mut held = match Held::take(root, Purpose::Change, print::note) {
        Ok(held) => held,
        Err(error) => {
            let frozen = Read::open(root, Purpose::Freeze, print::note)?
                .map(|read| read.store.open_freeze())
                .transpose()?;
            if frozen.flatten().is_none() {
                return Err(error);
            }
            if report.identical
                && let Some(root) = StateRoot::open_existing(root)?
            {
                root.discard(&report.folder, None)?;
            }
            return Ok(false);
        }
    };
    for (name, content) in [("report.json", json), ("report.txt", text)] {
        let path = format!("{}/{name}", report.folder);
        reports::write(&held.root, &mut held.store, &path, content.as_bytes())?;
    }
    Ok(true)
}

/// The folder that holds the state roots of the runs.
enum Place<'a> {
    /// The user's state root, which also gets the report.
    Root(&'a Path),
    /// A temporary folder, if the user's state root is frozen and may only be read; with the
    /// configuration of that root.
    Elsewhere(TemporaryFolder, Box<Config>),
}

impl<'a> Place<'a> {
    fn of(root: &'a Path) -> Result<Self> {
        let session = Session::open(root, Purpose::Read, print::note)?;
        match session {
            Some(session) if session.store.open_freeze()?.is_some() => {
                let config = session.config()?.clone();
                Ok(Self::Elsewhere(
                    TemporaryFolder::new("verify")?,
                    Box::new(config),
                ))
            }
            _ => Ok(Self::Root(root)),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Root(root) => root,
            Self::Elsewhere(folder, _) => folder.path(),
        }
    }

    /// Keeps the temporary folder, so that the user can inspect it.
    fn keep(self) -> Result<()> {
        if let Self::Elsewhere(folder, _) = self {
            folder.keep()?;
        }
        Ok(())
    }
}

fn text(report: &Report) -> String {
    let mut text = format!(
        "Verify {}: {} runs in fresh worlds, each replayed\n  Module: {}\n  Descriptor: {}\n  Engine: {}\n\nRuns\n",
        report.subject,
        report.runs.len(),
        report.module,
        report.descriptor,
        report.engine.lines().next().unwrap_or_default()
    );
    for (i, run) in report.runs.iter().enumerate() {
        let _ = writeln!(
            text,
            "  #{} {}: {} events, {} fuel, {} bytes, chain {}",
            i + 1,
            run.status,
            run.events,
            run.fuel,
            run.memory_peak_bytes,
            run.chain_head.short()
        );
        if let Some(reason) = &run.reason {
            let _ = writeln!(text, "     Reason: {}", print::one_line(reason));
        }
    }
    if let Some(run) = report.runs.first() {
        let short = |digest: Option<coo_kernel::form::digest::Digest>| {
            digest.map_or("none".to_owned(), |digest| digest.short())
        };
        let memory: Vec<String> = run.memory_sha256.iter().map(|&m| short(m)).collect();
        let _ = write!(
            text,
            "\nCompared (values of #1)\n  Events: {}, chain {}\n  Output: {} bytes, {}\n  Artefacts: {}\n  World database: {}\n  Fuel: {}\n  Peak memory: {} bytes\n  Final memory, by step: {}\n  Replays: {}\n",
            run.events,
            run.chain_head,
            run.output.bytes,
            run.output.sha256.short(),
            run.artefacts.len(),
            short(run.world_sha256),
            run.fuel,
            run.memory_peak_bytes,
            memory.join(", "),
            if report.runs.iter().all(|run| run.replay_identical) {
                "identical"
            } else {
                "DIVERGENT"
            },
        );
    }
    if let Some(same) = report.same_as_recorded {
        let _ = writeln!(
            text,
            "  Same as recorded: {}",
            if same {
                "yes"
            } else {
                "no; its world was not a fresh one, or its journal was changed"
            }
        );
    }
    if report.recorded_replay_identical == Some(false) {
        text.push_str("  Replay of the recorded run: DIVERGENT; 'coo replay' shows where\n");
    }
    if !report.differences.is_empty() {
        text.push_str("\nDifferences\n");
        for difference in &report.differences {
            let shown = |value: &str| {
                let line = print::one_line(value);
                let cut: String = line.chars().take(200).collect();
                cut
            };
            let _ = writeln!(
                text,
                "  #{} {}\n    #1: {}\n    #{}: {}",
                difference.run,
                difference.what,
                shown(&difference.first),
                difference.run,
                shown(&difference.this)
            );
        }
    }
    text.push('\n');
    text
}
