//! Continues an interrupted mission where its journal ends. Nothing that the journal has an answer
//! to is asked of the outside again. What the mission's own world answered is asked again; where the
//! answer differs now, the rest of the journal is replaced.

use anyhow::{Context as _, Result, anyhow, bail};
use coo_kernel::form::digest::Digest;
use coo_kernel::journal::{Fold, IntentBody};
use coo_kernel::mission::MissionId;
use coo_kernel::mission::row::MissionRow;
use coo_kernel::mission::state::State;
use serde::Serialize;
use std::collections::BTreeSet;

use crate::effects::environment::MODEL;
use crate::effects::llm::{self, CachePolicy};
use crate::hint::Hint as _;
use crate::machine;
use crate::mission::prepared::{Options, Prepared, Reused, Settings};
use crate::mission::seal::Ended;
use crate::mission::source::Source;
use crate::program::bundle;
use crate::progress::Journal;
use crate::runtime::tape::Tape;
use crate::session::Session;
use crate::state::state_root::StateRoot;
use crate::state::store::Store;
use crate::state::{history, presence};

/// A model call that left and has no answer on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct InDoubt {
    /// Number of its intent; `null` for one of several calls that were made together, which the
    /// journal had not come to.
    pub seq: Option<u64>,
    pub request_sha256: Digest,
    /// How often the run had made this request, this time included.
    pub nth: u64,
    pub model: String,
    /// Bound on the answer, in tokens; `None` if the descriptor sends no bound.
    pub max_tokens: Option<u32>,
    /// How many calls are in doubt, this one included.
    pub calls: u64,
}

impl InDoubt {
    /// Returns where the call is.
    pub fn place(&self) -> String {
        self.seq.map_or_else(
            || "made together with others".to_owned(),
            |seq| format!("at event {seq}"),
        )
    }
}

/// The outcome of `resume`.
pub enum Resumed {
    /// The mission had ended already, in this way.
    Ended(Box<Fold>),
    /// A call is in doubt, and the user has not said that it may be sent again. Nothing was done.
    InDoubt(InDoubt),
    /// The mission was continued. The session still holds the lock.
    Run(Box<Session>, Box<Ended>),
}

/// How a mission can be continued.
pub enum Standing {
    /// It has ended, in this way.
    Ended(Box<Fold>),
    /// A call is in doubt, and the user has not said that it may be sent again.
    InDoubt(InDoubt),
    /// It waits for a person.
    Paused,
    /// Nothing of it is on record.
    NotBegun,
    /// It can be continued with these inputs; its journal ends so.
    Begun(Reused, Journal),
}

impl Standing {
    /// Returns how `mission` can be continued. Fails if another process is at work on it. `resend`: a
    /// call in doubt may be sent again, at the risk of paying for it twice.
    pub fn of(
        root: &StateRoot,
        store: &Store,
        mission: &MissionRow,
        freshness: CachePolicy,
        resend: bool,
    ) -> Result<Self> {
        refuse_at_work(root, store, mission.id)?;
        let (progress, _) = history::walk(store, mission.id, |_| Ok(()))?;
        Self::after(&progress, store, mission, freshness, resend)
    }

    /// Returns how `mission` can be continued, whose journal ends so. Nobody is at work on it.
    pub fn after(
        progress: &Fold,
        store: &Store,
        mission: &MissionRow,
        freshness: CachePolicy,
        resend: bool,
    ) -> Result<Self> {
        let id = mission.id;
        match progress.state() {
            Some(state) if state.is_final() => return Ok(Self::Ended(Box::new(progress.clone()))),
            Some(State::Paused) => return Ok(Self::Paused),
            Some(_) => {}
            None => return Ok(Self::NotBegun),
        }
        if !resend && let Some(call) = in_doubt(store, mission, progress.in_doubt, freshness)? {
            return Ok(Self::InDoubt(call));
        }
        let journal = if store.is_in_doubt(id.number(), progress.in_doubt)? {
            Journal::InDoubt
        } else {
            Journal::Resumable
        };
        let reused = Reused {
            models: Some(mission.facts.chosen()),
            // A mission that was interrupted before its policy was recorded uses the current one.
            policy: progress.policy.clone(),
            decisions: Vec::new(),
        };
        Ok(Self::Begun(reused, journal))
    }
}

/// Fails if another process is at work on mission `id`.
pub fn refuse_at_work(root: &StateRoot, store: &Store, id: MissionId) -> Result<()> {
    if let Some(process) = store.process(id)?
        && presence::is_present(root, &process)
    {
        bail!(
            anyhow!("mission {id}: another coo process is at work on it")
                .hint(format!("'coo logs -f {id}' follows it"))
        );
    }
    Ok(())
}

/// Continues `mission`. `resend`: a call in doubt may be sent again, at the risk of paying for it
/// twice.
pub fn resume(
    session: Session,
    mission: &MissionRow,
    options: Options,
    resend: bool,
) -> Result<Resumed> {
    let id = mission.id;
    let Session { root, store, .. } = &session;
    let (reused, journal) = match Standing::of(root, store, mission, options.freshness, resend)? {
        Standing::Ended(progress) => return Ok(Resumed::Ended(progress)),
        Standing::InDoubt(call) => return Ok(Resumed::InDoubt(call)),
        Standing::Paused => bail!(anyhow!("mission {id}: waits for a person").hint(format!(
            "'coo approve {id}' continues it, 'coo reject {id}' ends it"
        ))),
        Standing::NotBegun => bail!(
            anyhow!(
                "mission {id}: its process was stopped before the first event, so \
                 nothing of it is on record"
            )
            .hint("run it again")
        ),
        Standing::Begun(reused, journal) => (reused, journal),
    };
    let source = Source::recorded(root, store, mission)?;
    say_model(&session, mission, options.say);
    let settings = Settings::of(&session)?;
    let (lent, turn) = session.share()?;
    let mut prepared = Prepared::of(turn, &settings, &source, options, reused)?;
    prepared.take_up(mission, journal)?;
    let unsealed = machine::block_on(prepared.execute(id, Tape::resume, None))?;
    let (session, ended) = machine::block_on(unsealed.seal())?.into_session(lent)?;
    Ok(Resumed::Run(Box::new(session), Box::new(ended)))
}

/// Says that the mission keeps its model, if the environment names another one.
fn say_model(session: &Session, mission: &MissionRow, say: fn(&str)) {
    let (Some(kept), Some(named)) = (&mission.facts.model, session.environment.get(MODEL)) else {
        return;
    };
    if *kept != named {
        say(&format!(
            "{} keeps the model {kept}, with which it began; {MODEL} names {named}, which only a new run asks",
            mission.id
        ));
    }
}

/// Returns a model call that can't be continued without sending it a second time: the one of event
/// `seq`, which is the last one, or one that was made together with others.
fn in_doubt(
    store: &Store,
    mission: &MissionRow,
    seq: Option<u64>,
    freshness: CachePolicy,
) -> Result<Option<InDoubt>> {
    let number = mission.id.number();
    // Without the network nothing is sent.
    if freshness == CachePolicy::Frozen || !store.is_in_doubt(number, seq)? {
        return Ok(None);
    }
    let mut calls = Vec::new();
    if let Some(seq) = seq
        && !store.is_unanswered(number, seq)?
    {
        let intent = store.events_after(number, seq - 1)?;
        let body = intent.first().map_or("", |record| record.body.as_str());
        let call = named(seq, body);
        calls.push(call.with_context(|| format!("mission {}: event {seq}", mission.id))?);
    }
    let unanswered = store.carried(number)?.into_iter();
    calls.extend(
        unanswered
            .filter(|carried| carried.outcome.is_none() && carried.sent)
            .filter_map(|carried| {
                let asked = carried.asked?;
                Some(InDoubt {
                    seq: None,
                    request_sha256: carried.request_sha256,
                    nth: carried.nth,
                    max_tokens: asked.max_tokens,
                    model: asked.model,
                    calls: 1,
                })
            }),
    );
    // The last of the journal is also among those that were made together.
    let mut seen = BTreeSet::new();
    calls.retain(|call| seen.insert((call.request_sha256, call.nth)));
    let mut first = None;
    let mut unknown = 0;
    for call in calls {
        // Another run may have made the same request since and frozen the answer: nothing is sent.
        let is_known = freshness != CachePolicy::Live
            && llm::frozen(store, bundle::frozen(), &call.request_sha256, call.nth)?.is_some();
        if !is_known {
            unknown += 1;
            first.get_or_insert(call);
        }
    }
    Ok(first.map(|call| InDoubt {
        calls: unknown,
        ..call
    }))
}

fn named(seq: u64, body: &str) -> Result<InDoubt> {
    let intent: IntentBody = serde_json::from_str(body)?;
    Ok(InDoubt {
        seq: Some(seq),
        request_sha256: intent.sha256,
        nth: intent.nth,
        max_tokens: intent.request.max_tokens,
        model: intent.request.model,
        calls: 1,
    })
}
