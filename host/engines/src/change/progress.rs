//! The fold over the events of a change: where the change stands, and what it needs to continue.
//! Refuses every event that cannot have happened there. Stores nothing.

use std::collections::BTreeMap;

use coo_kernel::form::digest::Digest;
use serde::de::DeserializeOwned;

use super::body::{
    BaselineBody, BegunBody, DecisionBody, EvidenceBody, FreezeBody, GatesBody, RollbackBody,
    SnapshotBody, StepBody, TransitionBody, Which,
};
use super::{AmendmentsBody, Kind, Route};
use crate::change::stage::{Event, Stage, StageRefused};

/// Where a rollback stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Rollback {
    #[default]
    None,
    /// Requested; waits for a person.
    Requested,
    /// Confirmed by a person; may be under way.
    Confirmed,
    Done,
}

/// The state of a change after its events so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fold {
    /// The stages in the order they were entered; the last is where the change stands.
    pub timeline: Vec<Stage>,
    pub begun: Option<BegunBody>,
    /// The baseline of the repository before any amendment.
    pub start: Option<BaselineBody>,
    pub amendments: Option<AmendmentsBody>,
    /// The baseline that a rollback restores.
    pub amu0: Option<BaselineBody>,
    pub freeze: Option<u32>,
    /// The last step of the migration that was done.
    pub step: Option<StepBody>,
    /// Recorded before and after the old package was deleted.
    pub snapshots: [Option<SnapshotBody>; 2],
    pub gates: Option<GatesBody>,
    /// Digests of the files of evidence, by name.
    pub evidence: BTreeMap<String, Digest>,
    /// The decision that no transition has followed yet.
    pub decided: Option<DecisionBody>,
    /// The stage that failed, and why.
    pub failure: Option<(Stage, String)>,
    pub rollback: Rollback,
    /// Whether the one automatic rollback request was made.
    pub asked_automatically: bool,
}

/// Why an event cannot follow those before it.
#[derive(Debug, thiserror::Error)]
pub enum Unfoldable {
    #[error("event {seq}: {source}")]
    Transition {
        /// Number of the event, from 1.
        seq: u64,
        source: StageRefused,
    },
    #[error("event {seq}: {what}")]
    Contradiction {
        /// Number of the event, from 1.
        seq: u64,
        what: &'static str,
    },
    /// The body does not have the form of its kind.
    #[error("event {seq}: body is not that of '{kind}': {source}")]
    Body {
        /// Number of the event, from 1.
        seq: u64,
        kind: Kind,
        source: serde_json::Error,
    },
}

impl Fold {
    /// Returns the stage of the change; none before the first event.
    pub fn stage(&self) -> Option<Stage> {
        self.timeline.last().copied()
    }

    /// Returns the route of the change; none before the first event.
    pub fn route(&self) -> Option<Route> {
        self.begun.as_ref().map(|begun| begun.route)
    }

    /// Returns the baseline that the repository is restored to if the change fails.
    pub fn target(&self) -> Option<&BaselineBody> {
        self.amu0.as_ref().or(self.start.as_ref())
    }

    /// Returns the state of the repository that the change has left: its last step if it has not
    /// failed, otherwise its baseline.
    pub fn last_manifest(&self) -> Option<Digest> {
        let step = self.step.as_ref().map(|step| step.manifest_sha256);
        let target = self.target().map(|target| target.manifest_sha256);
        step.filter(|_| self.failure.is_none()).or(target)
    }

    /// Returns whether this step of the migration, or a later one, was done.
    pub fn has_done_step(&self, step: u8) -> bool {
        self.step.as_ref().is_some_and(|last| last.step >= step)
    }

    /// Returns a snapshot by its number, 1 or 2.
    pub fn snapshot(&self, number: u8) -> Option<&SnapshotBody> {
        let at = usize::from(number).checked_sub(1)?;
        self.snapshots.get(at)?.as_ref()
    }

    /// Applies one more event; returns the stage it belongs to.
    pub fn apply(&mut self, seq: u64, kind: Kind, body: &str) -> Result<Stage, Unfoldable> {
        let contradiction = |what| Unfoldable::Contradiction { seq, what };
        let (stage, begun) = match (kind, self.stage(), &self.begun) {
            (Kind::Begun, None, _) => {
                let begun: BegunBody = read(seq, kind, body)?;
                let first = begun.route.first();
                self.begun = Some(begun);
                self.timeline.push(first);
                return Ok(first);
            }
            (_, Some(stage), Some(begun)) if kind != Kind::Begun => (stage, begun),
            (Kind::Begun, ..) => return Err(contradiction("a change begins once")),
            _ => return Err(contradiction("the first event is not 'begun'")),
        };
        if kind == Kind::Transition {
            let body: TransitionBody = read(seq, kind, body)?;
            let next = begun.route.next(stage, body.event);
            let to = next.map_err(|source| Unfoldable::Transition { seq, source })?;
            if (body.from, body.to) != (stage, to) {
                return Err(contradiction("its stages are not those of the transition"));
            }
            self.pass(&body).map_err(contradiction)?;
            return Ok(to);
        }
        let may = match kind {
            Kind::Amendments => stage == Stage::AmendmentExec,
            Kind::Baseline => matches!(stage, Stage::AmendmentPrep | Stage::CaptureAmu0),
            Kind::Freeze => stage == Stage::FreezeActivated,
            Kind::Step | Kind::Snapshot => stage == Stage::MigrationSequence,
            Kind::Gates => stage == Stage::Gates,
            Kind::Decision => stage.is_review() && self.decided.is_none(),
            Kind::RollbackRequested => {
                stage == Stage::Error
                    && self.target().is_some()
                    && !matches!(self.rollback, Rollback::Confirmed | Rollback::Done)
            }
            Kind::RollbackConfirmed => self.rollback == Rollback::Requested,
            Kind::RolledBack => self.rollback == Rollback::Confirmed,
            Kind::Lifted => {
                self.freeze.is_some() && matches!(stage, Stage::Error | Stage::CeoFinalReview)
            }
            Kind::Evidence => !stage.is_final(),
            Kind::Begun | Kind::Transition => false,
        };
        if !may {
            return Err(contradiction("it can't happen there"));
        }
        self.take(seq, kind, stage, body)?;
        Ok(stage)
    }

    fn pass(&mut self, body: &TransitionBody) -> Result<(), &'static str> {
        // A change leaves a review only with an approval.
        let approved = self.decided.take().map(|decision| decision.approved);
        if body.event == Event::Approved && approved != Some(true) {
            return Err("it was approved without anybody's decision");
        }
        let has_what_it_says = match body.event {
            Event::AmendmentsApplied => self.amendments.is_some(),
            Event::FreezeWritten => self.freeze.is_some(),
            Event::BaselineCaptured => self.amu0.is_some(),
            Event::Migrated => self.snapshots.iter().all(Option::is_some),
            _ => true,
        };
        if !has_what_it_says {
            return Err("what it says was done is not on record");
        }
        // No question is asked while a rollback is requested or under way, or a freeze is in force.
        let is_open = matches!(self.rollback, Rollback::Requested | Rollback::Confirmed);
        if body.event == Event::QuestionWritten && (is_open || self.freeze.is_some()) {
            return Err("its rollback is not done, or its freeze not over");
        }
        if body.to == Stage::Complete && self.freeze.is_some() {
            return Err("its freeze is not over");
        }
        if let Some(why) = &body.why {
            self.failure = Some((body.from, why.clone()));
        }
        self.timeline.push(body.to);
        Ok(())
    }

    fn take(&mut self, seq: u64, kind: Kind, stage: Stage, body: &str) -> Result<(), Unfoldable> {
        let contradiction = |what| Unfoldable::Contradiction { seq, what };
        match kind {
            Kind::Amendments => self.amendments = Some(read(seq, kind, body)?),
            Kind::Baseline => {
                let body: BaselineBody = read(seq, kind, body)?;
                match (body.baseline, stage) {
                    (Which::Start, Stage::AmendmentPrep) => self.start = Some(body),
                    (Which::Amu0, Stage::CaptureAmu0) => self.amu0 = Some(body),
                    _ => return Err(contradiction("that baseline is not captured there")),
                }
            }
            Kind::Freeze => self.freeze = Some(read::<FreezeBody>(seq, kind, body)?.number),
            Kind::Lifted => {
                let body: FreezeBody = read(seq, kind, body)?;
                if self.freeze.take() != Some(body.number) {
                    return Err(contradiction("another freeze is in force"));
                }
            }
            Kind::Step => {
                let body: StepBody = read(seq, kind, body)?;
                let last = self.step.as_ref().map_or(0, |step| step.step);
                if body.step <= last {
                    return Err(contradiction("steps come in order"));
                }
                self.step = Some(body);
            }
            Kind::Snapshot => {
                let body: SnapshotBody = read(seq, kind, body)?;
                let next = self
                    .snapshots
                    .iter_mut()
                    .enumerate()
                    .find(|(_, s)| s.is_none());
                match next {
                    Some((i, next)) if i + 1 == usize::from(body.number) => *next = Some(body),
                    _ => return Err(contradiction("snapshots come in order")),
                }
            }
            Kind::Gates => self.gates = Some(read(seq, kind, body)?),
            Kind::Evidence => {
                let body: EvidenceBody = read(seq, kind, body)?;
                self.evidence.insert(body.file, body.sha256);
            }
            Kind::Decision => self.decided = Some(read(seq, kind, body)?),
            Kind::RollbackRequested => {
                let body: RollbackBody = read(seq, kind, body)?;
                if body.automatic && self.asked_automatically {
                    return Err(contradiction("one request is automatic"));
                }
                self.asked_automatically |= body.automatic;
                self.rollback = Rollback::Requested;
            }
            Kind::RollbackConfirmed => self.rollback = Rollback::Confirmed,
            Kind::RolledBack => self.rollback = Rollback::Done,
            Kind::Begun | Kind::Transition => {}
        }
        Ok(())
    }
}

fn read<T: DeserializeOwned>(seq: u64, kind: Kind, body: &str) -> Result<T, Unfoldable> {
    serde_json::from_str(body).map_err(|source| Unfoldable::Body { seq, kind, source })
}
