//! Reads what is recorded of a mission: every page verified against the chain, every event
//! folded, before anybody sees it. Writes nothing.

use anyhow::{Context as _, Result};
use coo_kernel::effects::db::{Applied, Told};
use coo_kernel::journal::{
    CallBody, Chain, EnvironmentBody, Fold, Kind, Record, StepStartedBody, WorldBody,
};
use coo_kernel::mission::MissionId;
use coo_kernel::mission::authority::Policy;
use coo_kernel::mission::state::State;
use serde::Serialize;

use crate::state::store::Store;

/// Goes over the events of a mission, in order, each verified and folded before it is given. Holds
/// one page of them.
pub struct Walk<'a> {
    store: &'a Store,
    mission: MissionId,
    page: std::vec::IntoIter<Record>,
    chain: Chain,
    progress: Fold,
}

impl<'a> Walk<'a> {
    /// At the first event of `mission`.
    #[must_use]
    pub fn new(store: &'a Store, mission: MissionId) -> Self {
        Self {
            store,
            mission,
            page: Vec::new().into_iter(),
            chain: Chain::default(),
            progress: Fold::default(),
        }
    }

    /// The next event; none at the end.
    pub fn advance(&mut self) -> Result<Option<Record>> {
        if self.page.as_slice().is_empty() {
            // The old one goes first: two pages are not held at once.
            self.page = Vec::new().into_iter();
            let page = self.store.page(self.mission.number(), self.chain.seq())?;
            self.page = page.into_iter();
        }
        let Some(record) = self.page.next() else {
            return Ok(None);
        };
        let shown = || format!("mission {}", self.mission);
        self.chain.verify(&record).with_context(shown)?;
        self.progress.apply(&record).with_context(shown)?;
        Ok(Some(record))
    }
}

/// Passes each event of `mission` to `visit`, in order, verified; gives the fold and the
/// chain's end.
pub fn walk(
    store: &Store,
    mission: MissionId,
    mut visit: impl FnMut(&Record) -> Result<()>,
) -> Result<(Fold, Chain)> {
    let mut walk = Walk::new(store, mission);
    while let Some(record) = walk.advance()? {
        visit(&record)?;
    }
    Ok((walk.progress, walk.chain))
}

/// What a mission waits for a person to decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Question {
    /// The step that asks.
    pub step: String,
    /// What it asks.
    pub ask: String,
}

/// What `mission` asks, if it is paused.
pub fn question(store: &Store, mission: MissionId) -> Result<Option<Question>> {
    let mut started: Option<StepStartedBody> = None;
    let (progress, _) = walk(store, mission, |record| {
        if record.kind == Kind::StepStarted {
            started = Some(serde_json::from_str(&record.body)?);
        }
        Ok(())
    })?;
    let Some(started) = started.filter(|_| progress.state() == Some(State::Paused)) else {
        return Ok(None);
    };
    let ask = String::from_utf8(store.blob(&started.input.sha256)?)
        .context("journal: a question that is not text")?;
    Ok(Some(Question {
        step: started.id,
        ask,
    }))
}

/// Under what `mission` stood when it began. It stands at the journal's beginning; whoever goes
/// over the whole of it verifies it.
pub fn policy(store: &Store, mission: MissionId) -> Result<Policy> {
    let page = store.page(mission.number(), 0)?;
    let environment = page.iter().find(|record| record.kind == Kind::Environment);
    environment.map_or_else(
        || Ok(Policy::default()),
        |record| {
            let body: EnvironmentBody = serde_json::from_str(&record.body)
                .with_context(|| format!("mission {mission}: event {}", record.seq))?;
            Ok(Policy {
                governance: body.governance,
                rules: body.rules,
            })
        },
    )
}

/// What the journal of a mission promises, read with its chain verified.
pub fn promised(store: &Store, mission: MissionId) -> Result<(WorldBody, Vec<Applied>)> {
    let mut statements = Vec::new();
    let mut world = None;
    walk(store, mission, |record| {
        match record.kind {
            Kind::DbExecute | Kind::DbReturning => {
                let body: CallBody<'_> = serde_json::from_str(&record.body)?;
                let answer = body.answer.get();
                statements.push(Applied {
                    statement: serde_json::from_str(body.request.get())?,
                    answer: match record.kind {
                        Kind::DbReturning => Told::Returned(serde_json::from_str(answer)?),
                        _ => Told::Changed(serde_json::from_str(answer)?),
                    },
                });
            }
            Kind::World => world = Some(serde_json::from_str(&record.body)?),
            _ => {}
        }
        Ok(())
    })?;
    let world = world.with_context(|| {
        format!(
            "mission {mission}: its world changes were committed, but its journal does not hold them"
        )
    })?;
    Ok((world, statements))
}
