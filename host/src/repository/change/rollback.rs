//! The rollback of a change (packet §12). A failed change requests it once by itself, and waits for
//! the word of a person. Then the repository is restored to its baseline, byte for byte, and in a
//! pipeline the state root as well. Last, the question is written. If nothing was changed, nobody is
//! asked. The fold decides which of these steps comes next.

use anyhow::{Context as _, Result};
use coo_engines::change::question::{Open, Question};
use coo_engines::change::stage::Event;
use coo_engines::change::{Kind, Retreat, RollbackBody};
use coo_kernel::baseline::rollback::Outcome;
use coo_kernel::form::canonical;

use super::super::migrate;
use super::worktree::{BY_SOMEBODY, changed_by};
use super::{Change, freezing, gating};
use crate::baselines::rollback::{self, Target};
use crate::baselines::{self, Baseline};
use crate::machine::failpoint;

/// Rolls back if there is anything to roll back, and writes the question. Returns false if the
/// automatic request was already made, so that a person must request the rollback now.
pub fn recede(change: &mut Change<'_>, by_person: bool, ask: &dyn Fn() -> Vec<u8>) -> Result<bool> {
    if let Some(target) = change.journal.fold().to_restore().cloned() {
        let body = RollbackBody {
            automatic: !by_person,
            manifest_sha256: target.manifest_sha256,
        };
        let state = target.state.as_deref();
        let worktree = change.worktree();
        let baseline = worktree.load(&target.manifest_sha256)?;
        let changed = worktree.changed(&baseline)?;
        match change
            .journal
            .fold()
            .retreat(!changed.is_empty(), by_person)
        {
            Retreat::Nothing => {}
            Retreat::AwaitRequest => return Ok(false),
            Retreat::Request => {
                request(change, &body, state, &changed, ask)?;
                restore_all(change, &body, &baseline, state)?;
            }
            Retreat::Restore => restore_all(change, &body, &baseline, state)?,
        }
    }
    freezing::lift(&mut change.journal)?;
    write_question(change)?;
    gating::clear_normalized(&change.journal)?;
    change.journal.transition(Event::QuestionWritten, None)?;
    Ok(true)
}

/// Requests the rollback, and does nothing else until a person has confirmed it.
fn request(
    change: &mut Change<'_>,
    body: &RollbackBody,
    state: Option<&str>,
    changed: &[String],
    ask: &dyn Fn() -> Vec<u8>,
) -> Result<()> {
    change.journal.append(Kind::RollbackRequested, body)?;
    let id = change.journal.id().to_string();
    let mut number = None;
    if let Some(name) = state {
        let target = target(change, name)?;
        let session = &mut change.journal.session;
        let attempt = body.automatic.then_some(id.as_str());
        let (root, store) = (&session.root, &mut session.store);
        number = Some(rollback::request(root, store, &target, attempt)?);
    }
    let root = state.map_or("", |_| " (and the state root)");
    let what = format!("{id}: the repository{root} is restored to its baseline");
    (change.says)(&if changed.is_empty() {
        format!("{what}; no entry differs now")
    } else {
        changed_by(&format!("{what}; entries that differ now"), changed)
    });
    let what = format!("rollback of {id}");
    let again = format!("coo pipeline rollback {id}");
    let session = &mut change.journal.session;
    let answer = rollback::answer(&session.root, &what, &again, ask)?;
    if let Err(aborted) = answer {
        if let Some(number) = number {
            rollback::abort(&mut session.store, number)?;
        }
        return Err(aborted.into());
    }
    change.journal.append(Kind::RollbackConfirmed, body)
}

/// Restores the repository, ends the freeze, and restores the state root, if its baseline has a
/// name in `state`.
fn restore_all(
    change: &mut Change<'_>,
    body: &RollbackBody,
    baseline: &Baseline,
    state: Option<&str>,
) -> Result<()> {
    failpoint::reach("change.restore")?;
    restore(change, baseline)?;
    freezing::lift(&mut change.journal)?;
    if let Some(name) = state {
        restore_state(change, name)?;
    }
    change.journal.append(Kind::RolledBack, body)?;
    (change.says)(&format!("{} rolled back", change.journal.id()));
    Ok(())
}

/// Restores the repository to its baseline. First stores its current state under a name, since
/// someone may have worked in it meanwhile.
fn restore(change: &Change<'_>, baseline: &Baseline) -> Result<()> {
    let worktree = change.worktree();
    let tree = worktree.tree()?;
    if !worktree.changed(baseline)?.is_empty() {
        let id = change.journal.id();
        let now = worktree.capture(&tree)?;
        let name = baselines::part::name(worktree.root, &now, &tree, &format!("before-{id}"))?;
        (change.says)(&format!(
            "{id}: the present state of the repository is kept as baseline {name}; 'coo amu0 restore {name} --tree FOLDER' puts it into an empty folder"
        ));
        worktree.restore(baseline, &tree)?;
    }
    let amu0 = change.journal.fold().amu0.as_ref();
    if let Some(sha256) = amu0.and_then(|amu0| amu0.excluded_sha256) {
        // Files that no engine reads were deleted with the old folder.
        worktree.restore(&worktree.load(&sha256)?, &worktree.old_package()?)?;
    }
    worktree.expect(baseline, BY_SOMEBODY)
}

fn target(change: &Change<'_>, name: &str) -> Result<Target> {
    let session = &change.journal.session;
    rollback::target(&session.root, &session.store, Some(name), &change.progress)
}

/// Restores databases, manifests, module set and configuration to the baseline of the state root.
/// The freeze that protected them must be lifted.
fn restore_state(change: &mut Change<'_>, name: &str) -> Result<()> {
    let mut log = change.journal.session.store.rollbacks()?;
    log.retain(|request| request.to.name == name && request.outcome != Outcome::Aborted);
    let target = target(change, name)?;
    let session = &mut change.journal.session;
    let (root, store) = (&session.root, &mut session.store);
    let number = match log.last() {
        Some(request) if request.outcome != Outcome::Requested => return Ok(()),
        Some(request) => request.number,
        // A process died after it wrote the change's record and before it wrote the log of
        // rollbacks.
        None => rollback::request(root, store, &target, None)?,
    };
    rollback::carry_out(root, store, number, &target, false, &change.progress)?;
    Ok(())
}

fn write_question(change: &mut Change<'_>) -> Result<()> {
    let failure = change.journal.fold().failure.clone();
    let (stage, why) = failure.context("change: has no failure on record")?;
    let mut open = Vec::new();
    // Planned from the current files, which are those of the baseline again.
    if let Ok(plan) = migrate::plan(&change.repository) {
        let files = plan.files.into_iter();
        let files = files.filter(|file| !file.questions.is_empty());
        open.extend(files.map(|file| Open {
            file: file.path,
            questions: file.questions,
        }));
    }
    let question = Question::of(change.journal.id(), stage, &why, &open);
    let text = canonical::to_string_sorted(&question)?;
    change.journal.write_evidence("question.json", &text)?;
    Ok(())
}
