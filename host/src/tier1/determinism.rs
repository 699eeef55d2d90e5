//! FP-3.1: runs every bundled mission three times in fresh worlds and replays each run, tries every
//! transition of the state machine, and verifies every journal of the user's state root. Calls no
//! model.

use anyhow::{Context as _, Result, bail};
use coo_kernel::llm::models::Chosen;
use coo_kernel::mission::Status;
use coo_kernel::tier1::{Repeated, transitions};

use super::checks::{Checks, ensure};
use super::probe::{Scratch, options};
use crate::hint::Hint as _;
use crate::mission::prepared::Reused;
use crate::mission::source::Source;
use crate::mission::verify::{Subject, verify};
use crate::program::{bundle, compiler};
use crate::session::Session;
use crate::state::config::DEMO_MODEL;
use crate::state::history;

/// Runs of each mission (Tier-1 plan FP-3.1).
const RUNS: u32 = 3;

/// Checks the installation, and returns the results of the suite.
pub fn check(checks: &mut Checks) -> Option<Vec<Repeated>> {
    let mut suite = Vec::new();
    for (name, _) in bundle::MISSIONS {
        let what = format!("mission {name}: {RUNS} runs in fresh worlds, each replayed");
        suite.push(checks.hold_with(&what, || {
            let repeated = repeat(name)?;
            Ok((evidence(&repeated), repeated))
        })?);
    }
    checks.hold("imports of all bundled modules", || {
        for module in bundle::MODULES.iter().chain([&bundle::PROBE]) {
            let task = compiler::Task {
                name: module.file,
                wasm: module.wasm,
                wall_clock_max: compiler::EXAMINE_MAX,
            };
            compiler::examine(&task)
                .and_then(|report| report.ensure_admitted())
                .with_context(|| format!("module {}", module.file))?;
        }
        Ok(
            "none outside the surface, whose clocks and random numbers are part of the record"
                .to_owned(),
        )
    })?;
    checks.hold("transitions of the state machine", || {
        let tried = transitions::tried();
        if let Some(first) = tried.deviations.first() {
            bail!("{} deviations, the first: {first}", tried.deviations.len());
        }
        Ok(format!(
            "{} pairs of state and event: {} legal, {} refused, by the state machine and by the fold of a journal",
            tried.pairs,
            tried.legal.len(),
            tried.refused
        ))
    })?;
    Some(suite)
}

/// Runs the suite once more and compares it with its first results.
pub fn again(first: &[Repeated]) -> Result<String> {
    for repeated in first {
        let now = repeat(&repeated.mission)?;
        ensure(now == *repeated, || {
            format!(
                "mission {}: chain {}, it was {}",
                repeated.mission,
                now.each.chain_head.short(),
                repeated.each.chain_head.short()
            )
        })?;
    }
    let names: Vec<&str> = first.iter().map(|it| it.mission.as_str()).collect();
    Ok(format!(
        "{} identical to the first results",
        names.join(" and ")
    ))
}

fn repeat(name: &str) -> Result<Repeated> {
    let scratch = Scratch::new()?;
    let subject = Subject {
        name: name.to_owned(),
        source: Source::bundled(name)?,
        // The model whose answers ship with coo, whatever the environment says.
        reused: Reused {
            models: Some(Chosen {
                default: Some(DEMO_MODEL.to_owned()),
                ..Chosen::default()
            }),
            ..Reused::default()
        },
        answers: Vec::new(),
        recorded: None,
    };
    let report = verify(scratch.open()?, &subject, RUNS, options(), |_| {})?;
    if let Some(first) = report.differences.first() {
        bail!(
            "mission {name}: run {} differs in {}: {} in run 1, {} in this one",
            first.run,
            first.what,
            first.first,
            first.this
        );
    }
    let each = report.runs.first().context("no run")?.clone();
    ensure(report.identical, || {
        format!("mission {name}: a replay differs from its run")
    })
    .hint(format!("'coo verify {name}' shows the difference"))?;
    ensure(each.status == Status::Success, || {
        let reason = each.reason.as_deref().unwrap_or("no reason");
        format!("mission {name}: {}: {reason}", each.status)
    })?;
    Ok(Repeated {
        mission: name.to_owned(),
        module: report.module,
        descriptor: report.descriptor,
        runs: report.runs.len(),
        each,
    })
}

fn evidence(repeated: &Repeated) -> String {
    let run = &repeated.each;
    format!(
        "identical: {}, {} events, {} fuel, chain {}",
        run.status, run.events, run.fuel, run.chain_head
    )
}

/// Checks the journals of the user's state root.
pub fn check_journals(session: &Session, checks: &mut Checks) -> Option<()> {
    checks.hold("journals of the state root", || {
        for mission in session.store.missions()? {
            history::walk(&session.store, mission.id, |_| Ok(()))
                .hint("restore the state root from a copy, or use another one")?;
        }
        // Without a number: journals are no part of the state that the report is about.
        Ok("every chain is whole, and every fold follows the state machine".to_owned())
    })
}
