//! The record of a governed change of a repository: the change's id, its events, and the fold over
//! them that says where it stands. Events form a hash chain, as those of missions do (`journal`).
//! Stages and transitions come from `stage`. Stores nothing and changes no repository.
//!
//! Invariant: the events that the fold has accepted form a path through the stages, across any
//! number of processes. A change cannot leave a review without a decision, and at most one of its
//! rollback requests is automatic (packet §12.5).

mod action;
mod body;
pub mod bundle;
mod progress;
pub mod question;
pub mod specification;
pub mod stage;

use std::fmt;
use std::str::FromStr;

use coo_kernel::form::chain::{self, Broken, Chain, Name};
use coo_kernel::form::digest::Digest;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use stage::{Event, Stage, StageRefused};

pub use action::{Action, Retreat, rejection};
pub use body::{
    AmendmentsBody, BaselineBody, BegunBody, DecisionBody, EvidenceBody, FreezeBody, GatesBody,
    RollbackBody, SnapshotBody, StepBody, TransitionBody, Which,
};
pub use progress::{Fold, Rollback, Unfoldable};

/// Which stages a change passes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    /// All stages.
    Pipeline,
    /// Baseline and migration only.
    Migration,
}

impl Route {
    /// Returns the name that the store uses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pipeline => "pipeline",
            Self::Migration => "migration",
        }
    }

    const fn prefix(self) -> &'static str {
        match self {
            Self::Pipeline => "PIPELINE",
            Self::Migration => "MIGRATION",
        }
    }

    /// Returns the first stage.
    pub const fn first(self) -> Stage {
        match self {
            Self::Pipeline => Stage::Init,
            Self::Migration => Stage::CaptureAmu0,
        }
    }

    /// Returns the stage after `event`. A migration ends where a pipeline enters its gates.
    pub fn next(self, from: Stage, event: Event) -> Result<Stage, StageRefused> {
        match (self, stage::next(from, event)) {
            (Self::Migration, Ok(Stage::Gates)) => Ok(Stage::Complete),
            (_, next) => next,
        }
    }
}

impl FromStr for Route {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let routes = [Self::Pipeline, Self::Migration].into_iter();
        let mut routes = routes.filter(|route| route.name() == text);
        routes.next().ok_or(NotAnId)
    }
}

/// A change's number in its state root, shown as `PIPELINE-000001` or `MIGRATION-000002`.
/// Numbers count up from 1 and are never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChangeId {
    pub number: u32,
    pub route: Route,
}

impl fmt::Display for ChangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}-{:06}", self.route.prefix(), self.number))
    }
}

/// The text is not a change's id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a change's id")]
pub struct NotAnId;

impl FromStr for ChangeId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let (prefix, digits) = text.split_once('-').ok_or(NotAnId)?;
        let routes = [Route::Pipeline, Route::Migration].into_iter();
        let mut routes = routes.filter(|route| route.prefix() == prefix);
        let id = Self {
            number: digits.parse().map_err(|_| NotAnId)?,
            route: routes.next().ok_or(NotAnId)?,
        };
        // Only the canonical spelling is accepted.
        if id.to_string() == text {
            Ok(id)
        } else {
            Err(NotAnId)
        }
    }
}

impl Serialize for ChangeId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ChangeId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// The kinds of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Begins a change: route and configuration. Always the first event.
    Begun,
    /// The change moved from one stage to the next.
    Transition,
    /// The amendments were applied.
    Amendments,
    /// A baseline was captured and verified.
    Baseline,
    /// The state root was frozen.
    Freeze,
    /// A step of the migration was done.
    Step,
    /// A snapshot was recorded.
    Snapshot,
    /// The gates were judged.
    Gates,
    /// A file of evidence was written.
    Evidence,
    /// A person's answer to a review.
    Decision,
    /// A rollback was requested.
    RollbackRequested,
    /// A person confirmed the rollback.
    RollbackConfirmed,
    /// The repository, and the rest of what the baseline covers, is restored to the baseline.
    RolledBack,
    /// The freeze was lifted.
    Lifted,
}

impl Kind {
    pub const ALL: [Self; 14] = [
        Self::Begun,
        Self::Transition,
        Self::Amendments,
        Self::Baseline,
        Self::Freeze,
        Self::Step,
        Self::Snapshot,
        Self::Gates,
        Self::Evidence,
        Self::Decision,
        Self::RollbackRequested,
        Self::RollbackConfirmed,
        Self::RolledBack,
        Self::Lifted,
    ];

    /// Returns the name in the record.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Transition => "transition",
            Self::Amendments => "amendments",
            Self::Baseline => "baseline",
            Self::Freeze => "freeze",
            Self::Step => "step",
            Self::Snapshot => "snapshot",
            Self::Gates => "gates",
            Self::Evidence => "evidence",
            Self::Decision => "decision",
            Self::RollbackRequested => "rollback.requested",
            Self::RollbackConfirmed => "rollback.confirmed",
            Self::RolledBack => "rolled_back",
            Self::Lifted => "lifted",
        }
    }
}

impl Name for Kind {
    fn name(self) -> &'static str {
        self.name()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Kind {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let mut kinds = Self::ALL.into_iter().filter(|kind| kind.name() == text);
        kinds.next().ok_or(NotAnId)
    }
}

/// An event of a change as it is stored. Its state is the stage in which it happened; for a
/// transition, the one that it leads to.
pub type Record = chain::Record<Stage, Kind>;

/// The hash chain of a change's events, and the fold over them.
#[derive(Debug, Clone, Default)]
pub struct Log {
    chain: Chain,
    pub progress: Fold,
}

/// Why a stored event is refused.
#[derive(Debug, thiserror::Error)]
pub enum Damaged {
    /// The event does not fit the chain.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// The event cannot follow those before it.
    #[error(transparent)]
    Unfoldable(#[from] Unfoldable),
}

impl Log {
    /// Returns the digest of the last event.
    pub const fn head(&self) -> Digest {
        self.chain.head()
    }

    /// Appends an event; fails, and changes nothing, if it cannot follow those before it.
    pub fn append(&mut self, kind: Kind, body: String) -> Result<Record, Unfoldable> {
        let mut chain = self.chain;
        let mut progress = self.progress.clone();
        let stage = progress.apply(chain.seq() + 1, kind, &body)?;
        let record = chain.append(stage, kind, body);
        (self.chain, self.progress) = (chain, progress);
        Ok(record)
    }

    /// Accepts a stored event; fails if it is not the next one or was changed.
    pub fn verify(&mut self, record: &Record) -> Result<(), Damaged> {
        self.chain.verify(record)?;
        let stage = self.progress.apply(record.seq, record.kind, &record.body)?;
        if stage != record.state {
            return Err(Damaged::Broken(Broken {
                seq: record.seq,
                what: "it happened in another stage than the change's",
            }));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
