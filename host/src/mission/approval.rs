//! Records a person's decision in the journal of a mission that waits for one, together with the
//! transition that follows: either both are on disk or neither. Runs nothing; an approved mission is
//! continued as a resume continues an interrupted one.

use anyhow::{Context as _, Result, bail};
use coo_kernel::form::canonical;
use coo_kernel::journal::EventFacts;
use coo_kernel::journal::{Chain, DecisionBody, Kind, Record, TransitionBody};
use coo_kernel::mission::MissionId;
use coo_kernel::mission::row::MissionRow;
use coo_kernel::mission::state::{self, Event, State};

use crate::machine;
use crate::state::history::{self, Question};
use crate::state::store::{Durability, Store, WriteBatch};

/// Longest reason, in bytes.
const REASON_BYTES_MAX: usize = 4 << 10;

/// Records the answer to the question of `mission`, and returns the question. The caller holds the
/// root's lock.
pub fn decide(
    store: &mut Store,
    mission: &MissionRow,
    approved: bool,
    reason: Option<String>,
) -> Result<Question> {
    let id = mission.id;
    if let Some(reason) = &reason
        && (reason.len() > REASON_BYTES_MAX || reason.chars().any(|c| c.is_control() && c != '\n'))
    {
        bail!(
            "reason: {} bytes found; plain text of at most {REASON_BYTES_MAX} needed",
            reason.len()
        );
    }
    let (progress, chain) = history::walk(store, id, |_| Ok(()))?;
    let question = history::question(store, id)?;
    let Some(question) = question.filter(|_| progress.decided.is_none()) else {
        let state = progress.state().map_or("not begun", State::name);
        bail!("mission {id}: is not waiting for approval, it is in state {state}");
    };
    let decision = DecisionBody {
        approved,
        reason,
        step: question.step.clone(),
    };
    let mut written = Written {
        batch: WriteBatch::default(),
        id,
        chain,
    };
    let body = canonical::to_string_sorted(&decision)?;
    let who = Some(machine::user());
    written.append(State::Paused, Kind::HumanDecision, body, who)?;
    let (event, failure) = match decision.outcome() {
        Ok(()) => (Event::Approved, None),
        Err(rejected) => (Event::Failed, Some(rejected)),
    };
    let to = state::next(State::Paused, event).context("a decision")?;
    let body = canonical::to_string_sorted(&TransitionBody {
        event,
        failure,
        from: State::Paused,
        to,
    })?;
    written.append(to, Kind::Transition, body, None)?;
    store.write_batch(&mut written.batch)?;
    if !approved {
        let now = Some(machine::now_unix_ms());
        store.finish_mission(id, now, None, &mission.facts)?;
    }
    store.commit(Durability::Power)?;
    Ok(question)
}

struct Written {
    batch: WriteBatch,
    id: MissionId,
    chain: Chain,
}

impl Written {
    fn append(
        &mut self,
        state: State,
        kind: Kind,
        body: String,
        source: Option<String>,
    ) -> Result<()> {
        let before = self.chain;
        let record: Record = self.chain.append(state, kind, body);
        let facts = EventFacts {
            at_ms: machine::now_unix_ms(),
            source,
            provenance: None,
        };
        let number = self.id.number();
        self.batch.put_facts(number, record.seq, facts);
        Ok(self.batch.push(number, before, &record)?)
    }
}
