//! Governed changes of a repository, as recorded: what a change is called, its events, and the
//! fold over them that says where it stands. Events chain as those of missions do (`journal`).
//! Stages and transitions are the `pipeline`'s. Stores nothing and changes no repository.
//!
//! Invariant: what the fold has accepted, in any order of processes, is a way through the
//! stages; nobody goes on from a review without a decision, and one rollback is asked for
//! automatically (packet §12.5).

mod body;
mod progress;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::pipeline::{self, Event, Refused, Stage};
use coo_kernel::form::digest::Digest;
use coo_kernel::journal::{Broken, Chain, Link};

pub use body::{
    AmendmentsBody, BaselineBody, BegunBody, DecisionBody, EvidenceBody, FreezeBody, GatesBody,
    RollbackBody, SnapshotBody, StepBody, TransitionBody, Which,
};
pub use progress::{Progress, Rollback, Unfoldable};

/// Which stages a change passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    /// All of them.
    Pipeline,
    /// Baseline and migration, for whoever wants nothing else.
    Migration,
}

impl Route {
    /// As the store has it.
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

    /// Where it begins.
    pub const fn first(self) -> Stage {
        match self {
            Self::Pipeline => Stage::Init,
            Self::Migration => Stage::CaptureAmu0,
        }
    }

    /// The stage after `event`. A migration on its own ends where a pipeline goes to its gates.
    pub const fn next(self, from: Stage, event: Event) -> Result<Stage, Refused> {
        match (self, pipeline::next(from, event)) {
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
    /// 1, 2, …
    pub number: u32,
    /// What it passes.
    pub route: Route,
}

impl fmt::Display for ChangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}-{:06}", self.route.prefix(), self.number))
    }
}

/// Text that is no change's id.
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
        // One spelling only.
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

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Always first: route and configuration.
    Begun,
    /// From one stage to the next.
    Transition,
    /// What the amendments came to.
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
    /// A rollback was asked for.
    RollbackRequested,
    /// A person has confirmed it.
    RollbackConfirmed,
    /// The repository, and what else the baseline has, is what it was.
    RolledBack,
    /// The freeze is over.
    Lifted,
}

impl Kind {
    /// Every kind.
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

    /// The name in the record.
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

/// One event as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// 1, 2, 3, …
    pub seq: u64,
    /// The stage it happened in; for a transition, the stage it leads to.
    pub stage: Stage,
    /// What it is about.
    pub kind: Kind,
    /// Canonical JSON.
    pub body: String,
    /// The digest before it.
    pub prev: Digest,
    /// Its own digest.
    pub sha256: Digest,
}

/// The chain of a change, and the fold over it.
#[derive(Debug, Clone, Default)]
pub struct Log {
    chain: Chain,
    /// Where the change stands.
    pub progress: Progress,
}

/// A stored event that is refused.
#[derive(Debug, thiserror::Error)]
pub enum Damaged {
    /// It does not fit its chain.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// It can't follow those before it.
    #[error(transparent)]
    Unfoldable(#[from] Unfoldable),
}

impl Log {
    /// Digest of the last event.
    pub const fn head(&self) -> Digest {
        self.chain.head()
    }

    /// Appends an event, if it can follow those before it.
    pub fn append(&mut self, kind: Kind, body: String) -> Result<Record, Unfoldable> {
        let mut chain = self.chain;
        let mut progress = self.progress.clone();
        let stage = progress.apply(chain.seq() + 1, kind, &body)?;
        let prev = chain.extend(stage.name(), kind.name(), &body);
        (self.chain, self.progress) = (chain, progress);
        Ok(Record {
            seq: chain.seq(),
            stage,
            kind,
            body,
            prev,
            sha256: chain.head(),
        })
    }

    /// Accepts a stored event if it is the next one, unchanged.
    pub fn verify(&mut self, record: &Record) -> Result<(), Damaged> {
        self.chain.accept(&Link {
            seq: record.seq,
            state: record.stage.name(),
            kind: record.kind.name(),
            body: &record.body,
            prev: record.prev,
            sha256: record.sha256,
        })?;
        let stage = self.progress.apply(record.seq, record.kind, &record.body)?;
        if stage != record.stage {
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
