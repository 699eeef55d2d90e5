//! The rollback of a change (packet §12). A failed change requests it once by itself, and waits for
//! the word of a person. Then the repository is restored to its baseline, byte for byte, and in a
//! pipeline the state root as well. Last, the question is written. If nothing was changed, nobody is
//! asked.

use anyhow::{Context as _, Result};
use coo_engines::change::{Kind, Retreat, RollbackBody};
use coo_engines::pipeline::Event;
use coo_engines::repository::question::{Open, Question};
use coo_kernel::baseline::rollback::Outcome;
use coo_kernel::form::canonical;

use super::super::migrate;
use super::{Change, changed_by};
use crate::baselines::rollback::{self, Target};
use crate::baselines::{self, Baseline};
use crate::machine::failpoint;

impl Change<'_> {
    /// Rolls back if there is anything to roll back, and writes the question. Returns false if the
    /// automatic request was already made, so that a person must request the rollback now.
    pub(super) fn recede(&mut self, by_person: bool, ask: &dyn Fn() -> Vec<u8>) -> Result<bool> {
        if let Some(target) = self.log.progress.to_restore().cloned() {
            let body = RollbackBody {
                automatic: !by_person,
                manifest_sha256: target.manifest_sha256,
            };
            let state = target.state.as_deref();
            let baseline = self.load(&target.manifest_sha256)?;
            let changed = self.changed(&baseline)?;
            match self.log.progress.retreat(!changed.is_empty(), by_person) {
                Retreat::Nothing => {}
                Retreat::AwaitRequest => return Ok(false),
                Retreat::Request => {
                    self.request(&body, state, &changed, ask)?;
                    self.restore_all(&body, &baseline, state)?;
                }
                Retreat::Restore => self.restore_all(&body, &baseline, state)?,
            }
        }
        self.lift()?;
        self.ask_in_writing()?;
        self.clear_normalized()?;
        self.transition(Event::QuestionWritten, None)?;
        Ok(true)
    }

    /// Restores the repository, ends the freeze, and restores the state root, if its baseline has a
    /// name in `state`.
    fn restore_all(
        &mut self,
        body: &RollbackBody,
        baseline: &Baseline,
        state: Option<&str>,
    ) -> Result<()> {
        failpoint::reach("change.restore")?;
        self.restore(baseline)?;
        self.lift()?;
        if let Some(name) = state {
            self.restore_state(name)?;
        }
        self.record(Kind::RolledBack, body)?;
        (self.says)(&format!("{} rolled back", self.id));
        Ok(())
    }

    /// Restores the repository to its baseline. First stores its current state under a name, since
    /// someone may have worked in it meanwhile.
    fn restore(&mut self, baseline: &Baseline) -> Result<()> {
        let root = &self.session.root;
        let tree = self.tree()?;
        if !self.changed(baseline)?.is_empty() {
            let now = baselines::part::keep(root, &tree, &self.progress)?;
            let name = baselines::part::name(root, &now, &tree, &format!("before-{}", self.id))?;
            (self.says)(&format!(
                "{}: the present state of the repository is kept as baseline {name}; 'coo amu0 restore {name} --tree FOLDER' puts it into an empty folder",
                self.id
            ));
            baselines::restore(root, baseline, &tree, &self.progress)?;
        }
        let amu0 = self.log.progress.amu0.as_ref();
        if let Some(sha256) = amu0.and_then(|amu0| amu0.excluded_sha256) {
            // Files that no engine reads were deleted with the old folder.
            let excluded = self.load(&sha256)?;
            baselines::restore(root, &excluded, &self.old_package()?, &self.progress)?;
        }
        self.expect(baseline, "changed by somebody else meanwhile")
    }

    /// Requests the rollback, and does nothing else until a person has confirmed it.
    fn request(
        &mut self,
        body: &RollbackBody,
        state: Option<&str>,
        changed: &[String],
        ask: &dyn Fn() -> Vec<u8>,
    ) -> Result<()> {
        self.record(Kind::RollbackRequested, body)?;
        let mut number = None;
        if let Some(name) = state {
            let target = self.target(name)?;
            let session = &mut self.session;
            let attempt = body.automatic.then(|| self.id.to_string());
            let attempt = attempt.as_deref();
            number = Some(rollback::request(
                &session.root,
                &mut session.store,
                &target,
                attempt,
            )?);
        }
        (self.says)(&changed_by(
            &format!(
                "{}: the repository{} is restored to its baseline; entries that differ now",
                self.id,
                state.map_or("", |_| " (and the state root)")
            ),
            changed,
        ));
        let what = format!("rollback of {}", self.id);
        let again = format!("coo pipeline rollback {}", self.id);
        let answer = rollback::answer(&self.session.root, &what, &again, ask)?;
        if let Err(aborted) = answer {
            if let Some(number) = number {
                rollback::abort(&mut self.session.store, number)?;
            }
            return Err(aborted.into());
        }
        self.record(Kind::RollbackConfirmed, body)
    }

    fn target(&self, name: &str) -> Result<Target> {
        let session = &self.session;
        rollback::target(&session.root, &session.store, Some(name), &self.progress)
    }

    /// Restores databases, manifests, module set and configuration to the baseline of the state
    /// root. The freeze that protected them must be lifted.
    fn restore_state(&mut self, name: &str) -> Result<()> {
        let mut log = self.session.store.rollbacks()?;
        log.retain(|request| request.to.name == name && request.outcome != Outcome::Aborted);
        let target = self.target(name)?;
        let session = &mut self.session;
        let number = match log.last() {
            Some(request) if request.outcome != Outcome::Requested => return Ok(()),
            Some(request) => request.number,
            // A process died after it wrote the change's record and before it wrote the log of
            // rollbacks.
            None => rollback::request(&session.root, &mut session.store, &target, None)?,
        };
        rollback::carry_out(
            &session.root,
            &mut session.store,
            number,
            &target,
            false,
            &self.progress,
        )?;
        Ok(())
    }

    fn ask_in_writing(&mut self) -> Result<()> {
        let failure = self.log.progress.failure.clone();
        let (stage, why) = failure.context("change: has no failure on record")?;
        let mut open = Vec::new();
        // Planned from the current files, which are those of the baseline again.
        if let Ok(plan) = migrate::plan(&self.repository) {
            let files = plan.files.into_iter();
            let files = files.filter(|file| !file.questions.is_empty());
            open.extend(files.map(|file| Open {
                file: file.path,
                questions: file.questions,
            }));
        }
        let question = Question::of(self.id, stage, &why, &open);
        let text = canonical::to_string_sorted(&question)?;
        self.evidence("question.json", &text)?;
        Ok(())
    }
}
