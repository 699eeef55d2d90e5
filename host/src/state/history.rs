//! Reads the journal of a mission. A walk verifies each event against the chain and folds it before
//! the caller sees it; only `policy` reads without that check. Writes nothing.

use anyhow::{Context as _, Result};
use coo_kernel::effects::db::{Applied, Told};
use coo_kernel::journal::{
    CallBody, Chain, EnvironmentBody, Fold, Kind, Record, StepStartedBody, Verified, WorldBody,
};
use coo_kernel::mission::MissionId;
use coo_kernel::mission::authority::Policy;
use coo_kernel::mission::state::State;
use serde::Serialize;

use crate::state::store::Store;

/// Reads the events of a mission in order. Each is verified and folded before it is returned. Holds
/// one segment of events in memory.
pub struct Walk<'a> {
    store: &'a Store,
    mission: MissionId,
    segment: Verified,
    /// Of the whole segment.
    verified: Chain,
    chain: Chain,
    progress: Fold,
}

impl<'a> Walk<'a> {
    /// Returns a walk that starts at the first event of `mission`.
    #[must_use]
    pub fn new(store: &'a Store, mission: MissionId) -> Self {
        Self {
            store,
            mission,
            segment: Verified::default(),
            verified: Chain::default(),
            chain: Chain::default(),
            progress: Fold::default(),
        }
    }

    /// Returns the fold of the events so far.
    pub const fn progress(&self) -> &Fold {
        &self.progress
    }

    /// Returns the next event, or `None` at the present end: an event may be written after it. Fails if the event does not continue the chain
    /// or may not follow the events before it.
    pub fn advance(&mut self) -> Result<Option<Record>> {
        let shown = || format!("mission {}", self.mission);
        if self.segment.front().is_none() {
            // Drop the old segment first, so that only one is in memory.
            self.segment = Verified::default();
            let (number, seq) = (self.mission.number(), self.verified.seq());
            if let Some(segment) = self.store.segment(number, seq, None)? {
                self.segment = segment.verified(&mut self.verified).with_context(shown)?;
            }
        }
        let Some(record) = self.segment.pop() else {
            return Ok(None);
        };
        self.progress.apply(&record).with_context(shown)?;
        self.chain = Chain::ending_with(&record);
        Ok(Some(record.into_owned()))
    }
}

/// Passes each verified event of `mission` to `visit`, in order. Returns the fold of all events and
/// the chain at its end.
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

/// The question for which a paused mission waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Question {
    /// Id of the step that asks.
    pub step: String,
    /// Text of the question.
    pub ask: String,
}

/// Returns the question of `mission`, or `None` if it is not paused.
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

/// Returns the policy under which `mission` began, or the default policy if none was recorded.
/// Reads only the first events, without verifying the chain; a walk over the whole journal verifies
/// it.
pub fn policy(store: &Store, mission: MissionId) -> Result<Policy> {
    let mut seq = 0;
    loop {
        let events = store.events_after(mission.number(), seq)?;
        for record in &events {
            seq = record.seq;
            match record.kind {
                Kind::Environment => {
                    let body: EnvironmentBody = serde_json::from_str(&record.body)
                        .with_context(|| format!("mission {mission}: event {seq}"))?;
                    return Ok(Policy {
                        governance: body.governance,
                        rules: body.rules,
                        rules_sha256: body.rules_sha256,
                    });
                }
                Kind::Mission | Kind::Transition => {}
                // Nothing of the guest stands before it.
                _ => return Ok(Policy::default()),
            }
        }
        if events.is_empty() {
            return Ok(Policy::default());
        }
    }
}

/// Returns the committed intent of a mission from its verified journal: the changes to artefacts
/// and to the missions' database (the world), and the database statements in order. Fails if the
/// journal has no such changes.
pub fn promised(store: &Store, mission: MissionId) -> Result<(WorldBody, Vec<Applied>)> {
    let (world, mut statements) = asked(store, mission)?;
    statements.retain(|applied| !matches!(applied.answer, Told::Read(_)));
    Ok((world, statements))
}

/// Does the same as `promised`, and returns the statements that only read, too.
pub fn asked(store: &Store, mission: MissionId) -> Result<(WorldBody, Vec<Applied>)> {
    let mut statements = Vec::new();
    let mut world = None;
    walk(store, mission, |record| {
        match record.kind {
            Kind::DbQuery | Kind::DbExecute | Kind::DbReturning => {
                let body: CallBody<'_> = serde_json::from_str(&record.body)?;
                let answer = body.answer.get();
                statements.push(Applied {
                    statement: serde_json::from_str(body.request.get())?,
                    answer: match record.kind {
                        Kind::DbQuery => Told::Read(serde_json::from_str(answer)?),
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
