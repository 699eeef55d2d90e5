//! Runs an interrupted mission on from where its journal ends. Nothing the journal holds an
//! answer to is asked of the outside again; what the mission's own world answered is asked
//! again and must be the same.

use anyhow::{Context as _, Result, bail};
use coo_kernel::form::digest::Digest;
use coo_kernel::journal::{Divergence, IntentBody, Kind, Progress};
use coo_kernel::mission::MissionId;
use coo_kernel::mission::state::State;

use crate::effects::llm::{self, Freshness};
use crate::mission::run::{Ended, Options, Settled, Stage};
use crate::mission::source::Source;
use crate::program::bundle;
use crate::root::history;
use crate::root::store::{Facts, MissionRow, Store};
use crate::runtime::tape::Tape;
use crate::session::Session;

/// A model call that left and has no answer on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InDoubt {
    /// Number of its intent.
    pub seq: u64,
    /// Of the request.
    pub request_sha256: Digest,
    /// How often the run had asked it, that time included.
    pub nth: u64,
    /// The model asked.
    pub model: String,
    /// How long its answer might be, in tokens; `None` where the descriptor sends no bound.
    pub max_tokens: Option<u32>,
}

/// What `resume` found to do.
#[derive(Debug)]
pub enum Resumed {
    /// It had ended; this is how.
    Ended(Box<Progress>),
    /// A call is in doubt, and nobody has said that it may be sent again. Nothing was done.
    InDoubt(InDoubt),
    /// It was run on.
    Run(Box<Ended>),
}

/// Runs `mission` on. `resend`: a call in doubt may be sent again, at the risk of paying
/// for it twice.
pub fn resume(
    session: Session,
    mission: &MissionRow,
    options: Options,
    resend: bool,
) -> Result<Resumed> {
    let id = mission.id;
    let (progress, _) = history::walk(&session.store, id, |_| Ok(()))?;
    match progress.state() {
        Some(state) if state.is_final() => return Ok(Resumed::Ended(Box::new(progress))),
        Some(State::Paused) => bail!(
            "mission {id}: waits for a person; 'coo approve {id}' goes on, 'coo reject {id}' ends it"
        ),
        Some(_) => {}
        None => bail!(
            "mission {id}: its process was stopped before the first event, so nothing of it is on record; run it anew"
        ),
    }
    if let Some(seq) = progress.in_doubt
        && !resend
        // Without the network nothing is sent, whatever was.
        && options.freshness != Freshness::Frozen
        && !is_unanswered(&session.store, id, seq)?
    {
        let intent = session.store.page(id.number(), seq - 1)?;
        let body = intent.first().map_or("", |record| record.body.as_str());
        let call = named(seq, body).with_context(|| format!("mission {id}: event {seq}"))?;
        // Another run may have asked the same since and frozen the answer: nothing is sent.
        let is_known = options.freshness != Freshness::Live
            && llm::frozen(
                &session.store,
                bundle::frozen(),
                &call.request_sha256,
                call.nth,
            )?
            .is_some();
        if !is_known {
            return Ok(Resumed::InDoubt(call));
        }
    }
    let source = Source::recorded(&session.root, &session.store, mission)?;
    let earlier = &mission.facts;
    let settled = Settled {
        model: earlier.model.clone(),
        // One that was interrupted before it said what it stands under begins under what holds now.
        policy: progress.policy,
        decisions: Vec::new(),
    };
    let mut stage = Stage::set(session, &source, options, settled)?;
    if Some(earlier.engine(id)?) != stage.facts.engine_sha256 {
        bail!(
            "mission {id}: was begun under another engine ({}); its fuel is counted by that one: resume it with the coo that began it, or run it anew",
            earlier.engine.lines().next().unwrap_or("unknown")
        );
    }
    stage.facts = Facts {
        resumed: earlier.resumed + 1,
        elapsed_us: earlier.elapsed_us,
        ..stage.facts
    };
    stage.store.resume_mission(id, &stage.facts)?;
    Ok(Resumed::Run(Box::new(
        stage.perform(id, Tape::resume)?.seal()?,
    )))
}

/// Whether it is on record that no answer can have come of the call.
pub(crate) fn is_unanswered(store: &Store, id: MissionId, seq: u64) -> Result<bool> {
    let facts = store.event_facts(id.number(), seq)?;
    Ok(facts.is_some_and(|facts| facts.is_unanswered()))
}

fn named(seq: u64, body: &str) -> Result<InDoubt> {
    let intent: IntentBody<'_> = serde_json::from_str(body)?;
    let request: coo_kernel::llm::Request = serde_json::from_str(intent.request.get())?;
    Ok(InDoubt {
        seq,
        request_sha256: intent.sha256,
        nth: intent.nth,
        max_tokens: request.max_tokens,
        model: request.model,
    })
}

/// The error for a mission whose own world has changed since it was interrupted.
pub(crate) fn other_world(id: MissionId, divergence: &Divergence) -> anyhow::Error {
    let short = |side: &Option<coo_kernel::journal::Side>| {
        side.as_ref().map_or("nothing".to_owned(), |side| {
            let body: String = side.body.chars().take(200).collect();
            format!("{} {body}", side.kind)
        })
    };
    // Neither of these two depends on anything the mission reads.
    let begun_otherwise = divergence
        .expected
        .as_ref()
        .is_some_and(|side| [Kind::Mission.name(), Kind::Environment.name()].contains(&side.kind));
    if begun_otherwise {
        return anyhow::anyhow!(
            "mission {id}: can't be resumed: it was begun by another release of coo (at event {} the journal has {}, and now it is {}); resume it with that one, or run it anew",
            divergence.seq,
            short(&divergence.expected),
            short(&divergence.actual),
        );
    }
    anyhow::anyhow!(
        "mission {id}: can't be resumed: at event {} the journal has {}, and now it is {}; what it reads has changed since it was interrupted (another mission, or a file changed by hand): run it anew",
        divergence.seq,
        short(&divergence.expected),
        short(&divergence.actual),
    )
}
