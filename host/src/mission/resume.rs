//! Continues an interrupted mission where its journal ends. Nothing that the journal has an answer
//! to is asked of the outside again; what the mission's own world answered is asked again, and the
//! answer must be the same.

use anyhow::{Context as _, Result, anyhow, bail};
use coo_kernel::form::digest::Digest;
use coo_kernel::journal::{Fold, IntentBody};
use coo_kernel::mission::row::MissionRow;
use coo_kernel::mission::state::State;
use serde::Serialize;

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
use crate::state::store::Store;
use crate::state::{history, presence};

/// A model call that left and has no answer on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct InDoubt {
    /// Number of its intent.
    pub seq: u64,
    pub request_sha256: Digest,
    /// How often the run had made this request, this time included.
    pub nth: u64,
    pub model: String,
    /// Bound on the answer, in tokens; `None` if the descriptor sends no bound.
    pub max_tokens: Option<u32>,
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

/// Continues `mission`. `resend`: a call in doubt may be sent again, at the risk of paying for it
/// twice.
pub fn resume(
    session: Session,
    mission: &MissionRow,
    options: Options,
    resend: bool,
) -> Result<Resumed> {
    let id = mission.id;
    if let Some(process) = session.store.process(id)?
        && presence::is_present(&session.root, &process)
    {
        bail!(
            anyhow!("mission {id}: another coo process is at work on it")
                .hint(format!("'coo logs -f {id}' follows it"))
        );
    }
    let (progress, _) = history::walk(&session.store, id, |_| Ok(()))?;
    match progress.state() {
        Some(state) if state.is_final() => return Ok(Resumed::Ended(Box::new(progress))),
        Some(State::Paused) => bail!(anyhow!("mission {id}: waits for a person").hint(format!(
            "'coo approve {id}' continues it, 'coo reject {id}' ends it"
        ))),
        Some(_) => {}
        None => bail!(
            anyhow!(
                "mission {id}: its process was stopped before the first event, so \
                 nothing of it is on record"
            )
            .hint("run it again")
        ),
    }
    if let Some(seq) = progress.in_doubt
        && !resend
        && let Some(call) = in_doubt(&session.store, mission, seq, options.freshness)?
    {
        return Ok(Resumed::InDoubt(call));
    }
    let journal = match progress.in_doubt {
        Some(seq) if !session.store.is_unanswered(id.number(), seq)? => Journal::InDoubt,
        _ => Journal::Resumable,
    };
    let source = Source::recorded(&session.root, &session.store, mission)?;
    say_model(&session, mission, options.say);
    let reused = Reused {
        model: mission.facts.model.clone(),
        // A mission that was interrupted before its policy was recorded uses the current one.
        policy: progress.policy,
        decisions: Vec::new(),
    };
    let settings = Settings::of(&session)?;
    let (lent, turn) = session.share()?;
    let mut prepared = Prepared::of(turn, &settings, &source, options, reused)?;
    prepared.take_up(mission, journal)?;
    let unsealed = machine::block_on(prepared.execute(id, Tape::resume))??;
    let (session, ended) = unsealed.seal()?.into_session(lent)?;
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

/// Returns the model call that event `seq` began, unless it can be continued without sending it a
/// second time.
fn in_doubt(
    store: &Store,
    mission: &MissionRow,
    seq: u64,
    freshness: CachePolicy,
) -> Result<Option<InDoubt>> {
    let number = mission.id.number();
    // Without the network nothing is sent.
    if freshness == CachePolicy::Frozen || store.is_unanswered(number, seq)? {
        return Ok(None);
    }
    let intent = store.page(number, seq - 1)?;
    let body = intent.first().map_or("", |record| record.body.as_str());
    let call = named(seq, body).with_context(|| format!("mission {}: event {seq}", mission.id))?;
    // Another run may have made the same request since and frozen the answer: nothing is sent.
    let is_known = freshness != CachePolicy::Live
        && llm::frozen(store, bundle::frozen(), &call.request_sha256, call.nth)?.is_some();
    Ok((!is_known).then_some(call))
}

fn named(seq: u64, body: &str) -> Result<InDoubt> {
    let intent: IntentBody = serde_json::from_str(body)?;
    Ok(InDoubt {
        seq,
        request_sha256: intent.sha256,
        nth: intent.nth,
        max_tokens: intent.request.max_tokens,
        model: intent.request.model,
    })
}
