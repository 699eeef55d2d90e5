//! The work of each stage of a change, up to the event that leads to the next one. If a process
//! dies, a stage runs again: it detects the work already done and completes the rest. What belongs
//! to one subject is in a file of its own; this one has the rest, and decides no order.

use anyhow::{Context as _, Result, bail};
use coo_engines::change::stage::{Event, Stage};
use coo_engines::change::{BaselineBody, Kind, Route, Which};
use coo_engines::gate::Verdict;
use coo_kernel::form::canonical;

use super::super::migrate;
use super::{
    Change, amendments, baseline_body, freezing, gating, migration, open_questions, specification,
};
use crate::baselines::{self, Reason};
use crate::machine::failpoint;
use crate::manifests;

/// Does the work of `stage`; returns the event that follows.
pub fn pass(change: &mut Change<'_>, stage: Stage) -> Result<Event> {
    failpoint::reach(stage.failpoint())?;
    freezing::check(&change.journal)?;
    Ok(match stage {
        Stage::Init => {
            look(change)?;
            Event::Started
        }
        Stage::AmendmentPrep => {
            amendments::prepare(change)?;
            Event::AnchorsFound
        }
        Stage::AmendmentExec => {
            amendments::apply(change)?;
            Event::AmendmentsApplied
        }
        Stage::AmendmentVerify => {
            amendments::check(change)?;
            Event::AmendmentsVerified
        }
        Stage::CeoReview => {
            check_decision(change)?;
            amendments::check(change)?;
            Event::Approved
        }
        Stage::FreezePrep => {
            freezing::check_manifests(&change.journal.session)?;
            amendments::check(change)?;
            Event::EnvironmentVerified
        }
        Stage::FreezeActivated => {
            freezing::activate(&mut change.journal)?;
            Event::FreezeWritten
        }
        Stage::CaptureAmu0 => {
            capture(change)?;
            Event::BaselineCaptured
        }
        Stage::MigrationSequence => {
            migration::perform(change)?;
            Event::Migrated
        }
        Stage::Gates => {
            gating::pass(change)?;
            Event::GatesPassed
        }
        Stage::CeoFinalReview => {
            check_decision(change)?;
            finish(change)?;
            Event::Approved
        }
        Stage::Complete | Stage::Error | Stage::Question => {
            bail!("{stage}: has nothing to do")
        }
    })
}

/// Finds problems that would stop the change later, before anything is changed.
fn look(change: &mut Change<'_>) -> Result<()> {
    let plan = migrate::plan(&change.repository)?;
    let text = canonical::to_string(&plan)?;
    change
        .journal
        .write_evidence("migration_plan.json", &text)?;
    if plan.questions() > 0 {
        bail!(open_questions(&plan));
    }
    specification::of_now(change)?;
    let session = &change.journal.session;
    if !manifests::are_present(&session.root) {
        manifests::write(&session.root, session.config()?, &session.environment)?;
    }
    freezing::check_manifests(session)
}

fn check_decision(change: &Change<'_>) -> Result<()> {
    let decided = change.journal.fold().decided.as_ref();
    match decided.context("nobody has decided")?.rejection() {
        Some(why) => bail!(why),
        None => Ok(()),
    }
}

/// Captures the baseline that a rollback restores: of the repository, and in a pipeline of the
/// state root as well.
fn capture(change: &mut Change<'_>) -> Result<()> {
    if change.journal.fold().amu0.is_some() {
        return Ok(());
    }
    let worktree = change.worktree();
    let amu0 = worktree.capture(&worktree.tree()?)?;
    let excluded = worktree.capture(&worktree.old_package()?)?.id;
    let state = match change.journal.id().route {
        Route::Migration => None,
        Route::Pipeline => {
            amendments::check(change)?;
            Some(capture_state(change)?)
        }
    };
    let body = BaselineBody {
        excluded_sha256: Some(excluded),
        state,
        ..baseline_body(Which::Amu0, &amu0)
    };
    change.journal.append(Kind::Baseline, &body)
}

/// Captures the state root; returns the name of its baseline.
fn capture_state(change: &Change<'_>) -> Result<String> {
    let session = &change.journal.session;
    let (root, store, progress) = (&session.root, &session.store, &change.progress);
    let name = change.journal.id().to_string();
    // An earlier process may have captured the state already; the root is frozen, so it is the
    // same.
    let states = baselines::states(root)?;
    if !states.iter().any(|record| record.name == name) {
        baselines::create_of_state(root, store, Some(&name), Reason::Asked, progress)?;
    }
    let captured = baselines::find(root, &name)?;
    let differences = baselines::compare_state(root, store, &captured, progress)?;
    if let Some(first) = differences.first() {
        bail!("state root: '{}' is not as captured", first.path.text());
    }
    Ok(name)
}

/// Ends the freeze of a change whose gates have passed, if the repository is still what they judged.
fn finish(change: &mut Change<'_>) -> Result<()> {
    let gates = change.journal.fold().gates.as_ref();
    let gates = gates.filter(|gates| gates.status == Verdict::Pass);
    let judged = gates.context("no gates have passed")?.manifest_sha256;
    let worktree = change.worktree();
    worktree.expect(
        &worktree.load(&judged)?,
        "changed since the gates were passed",
    )?;
    freezing::lift(&mut change.journal)?;
    gating::clear_normalized(&change.journal)
}
