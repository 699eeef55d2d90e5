//! What a change does next, decided from its fold alone: the work of a stage, a wait for a person,
//! or the next step of a rollback. The host performs it and the command line words it. Performs
//! nothing, and looks at no repository.

use super::body::{BaselineBody, DecisionBody};
use super::progress::{Fold, Rollback};
use crate::change::stage::Stage;

/// What a person's rejection begins with where a failure is recorded.
const REJECTED: &str = "rejected: ";

/// What a change does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It does the work of its stage.
    Work {
        stage: Stage,
        /// Whether a person rejected the review. Such a stage only fails, so it does not need the
        /// environment that the change began with.
        is_rejected: bool,
    },
    /// It waits until a person has decided a review.
    AwaitReview,
    /// It has failed: it rolls back as `Fold::retreat` says, and writes its question.
    Retreat,
    /// Nothing: it has ended.
    End,
}

/// What a failed change does before it writes its question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retreat {
    /// Nothing: there is nothing to restore.
    Nothing,
    /// It waits until a person requests the rollback, since its one automatic request was made.
    AwaitRequest,
    /// It requests the rollback and, after confirmation, restores the baseline.
    Request,
    /// It restores the baseline; a person has confirmed that.
    Restore,
}

impl Fold {
    /// Returns what the change does next.
    pub fn next_action(&self) -> Action {
        // A change without events is about to do the work of its first stage.
        let stage = self.stage().unwrap_or(Stage::Init);
        match &self.decided {
            _ if stage.is_final() => Action::End,
            _ if stage == Stage::Error => Action::Retreat,
            None if stage.is_review() => Action::AwaitReview,
            decision => Action::Work {
                stage,
                is_rejected: decision.as_ref().is_some_and(|decision| !decision.approved),
            },
        }
    }

    /// Returns the baseline that a rollback still has to restore; none if no baseline was captured
    /// or the rollback is done.
    pub fn to_restore(&self) -> Option<&BaselineBody> {
        self.target().filter(|_| self.rollback != Rollback::Done)
    }

    /// Returns the next step of a failed change. `differs` says whether the repository differs from
    /// the baseline to restore, and `by_person` whether a person requests the rollback now.
    pub fn retreat(&self, differs: bool, by_person: bool) -> Retreat {
        match self.rollback {
            _ if self.to_restore().is_none() => Retreat::Nothing,
            Rollback::Confirmed => Retreat::Restore,
            // A rollback that was requested has to be done, even if somebody has restored the
            // repository by hand: the change can't end before.
            Rollback::None if !differs => Retreat::Nothing,
            _ if self.asked_automatically && !by_person => Retreat::AwaitRequest,
            _ => Retreat::Request,
        }
    }

    /// Returns whether the change failed because a person rejected it.
    pub fn is_rejected(&self) -> bool {
        let why = self.failure.as_ref().map(|(_, why)| why);
        why.is_some_and(|why| why.starts_with(REJECTED))
    }
}

impl DecisionBody {
    /// Returns the reason of the failure that follows the decision; none if it is an approval.
    pub fn rejection(&self) -> Option<String> {
        (!self.approved).then(|| rejection(self.why.as_deref()))
    }
}

/// Returns the reason of the failure of a change that a person rejected.
pub fn rejection(why: Option<&str>) -> String {
    let why = why.filter(|why| !why.is_empty());
    format!("{REJECTED}{}", why.unwrap_or("no reason given"))
}
