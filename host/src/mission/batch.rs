//! A batch: many missions of one root at once, in one process. It leaves what its missions would leave
//! one after the other, in the order of their list, whatever number of them is in flight (design, "Many
//! missions at once"). The list is stored before the first mission begins, so a batch can be continued
//! without its files. Never decides an order, and prints nothing.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::Arc;

use anyhow::{Context as _, Error, Result, anyhow, bail};
use bytes::Bytes;
use coo_kernel::batch::budget::{Budget, Limit, Spent};
use coo_kernel::form::digest::Digest;
use coo_kernel::journal::{EventFacts, Fold, IntentBody, Kind, OutcomeBody, StepReturnedBody};
use coo_kernel::llm::prices::Prices;
use coo_kernel::mission::MissionId;
use coo_kernel::mission::descriptor::Descriptor;
use coo_kernel::mission::row::MissionRow;
use coo_kernel::module::structure::MODULE_BYTES_MAX;
use coo_kernel::state::layout;
use tokio::sync::{Semaphore, mpsc};

use crate::effects::secrets;
use crate::hint::Hint as _;
use crate::machine;
use crate::mission::prepared::{Options, Prepared, Reused, Settings};
use crate::mission::queue::{Place, Queue};
use crate::mission::resume::{self, InDoubt, Standing};
use crate::mission::script::Script;
use crate::mission::seal::Ended;
use crate::mission::source::{Source, Wasm, recorded_script};
use crate::mission::waiting::Waiting;
use crate::progress::{Journal, MISSION, Update};
use crate::runtime::tape::Tape;
use crate::session::Session;
use crate::state::shared_root::SharedRoot;
use crate::state::store::{BatchItem, BatchRow, Durability, Store};
use crate::state::{history, presence};

/// A mission of a list.
pub struct Item {
    /// What the list calls it.
    pub label: Option<String>,
    pub source: Source,
}

/// How a mission of a batch has ended.
pub struct Outcome {
    pub item: BatchItem,
    pub end: End,
}

/// The end of a mission of a batch.
pub enum End {
    /// It was executed, and ended so.
    Ran(Box<Ended>),
    /// It had ended or paused before; its record says how.
    Known(Box<Known>),
    /// A call is in doubt, and the user has not said that it may be sent again.
    InDoubt(MissionId, InDoubt),
    /// It could not be executed, or its end could not be written down.
    Failed(Error),
}

/// What the record says of a mission that had ended before.
pub struct Known {
    pub mission: MissionRow,
    pub progress: Fold,
    pub chain_head: Digest,
    /// The output of its last step.
    pub output: Vec<u8>,
    /// The tokens of all its answers.
    pub tokens_in: u64,
    pub tokens_out: u64,
}

impl Known {
    /// Reads the record of a mission.
    pub fn of(store: &Store, mission: MissionRow) -> Result<Self> {
        let mut last: Option<StepReturnedBody> = None;
        let mut told = Spent::default();
        let (progress, chain) = history::walk(store, mission.id, |record| {
            match record.kind {
                Kind::StepReturned => last = Some(serde_json::from_str(&record.body)?),
                Kind::LlmOutcome => {
                    let body: OutcomeBody = serde_json::from_str(&record.body)?;
                    if let Some(usage) = body.usage() {
                        told.add(usage, None);
                    }
                }
                _ => {}
            }
            Ok(())
        })?;
        let output = last.map(|step| step.output.unwrap_or(step.stdout));
        let output = output.map(|blob| store.blob(&blob.sha256)).transpose()?;
        Ok(Self {
            mission,
            progress,
            chain_head: chain.head(),
            output: output.unwrap_or_default(),
            tokens_in: told.tokens_in,
            tokens_out: told.tokens_out,
        })
    }
}

/// How to run a batch.
#[derive(Debug, Clone, Copy)]
pub struct How {
    pub options: Options,
    /// Most missions in flight.
    pub jobs: NonZeroUsize,
    /// Calls in doubt may be sent again.
    pub resend: bool,
}

/// Stores a batch of `count` missions, and returns its number. `options` says how it was begun. If one of
/// the items is an error or holds the key, nothing is stored. `is_frozen`: no call is made, so the key is
/// not looked for in `.env`.
pub fn create(
    session: &mut Session,
    count: usize,
    items: impl Iterator<Item = Result<Item>>,
    options: &str,
    is_frozen: bool,
) -> Result<u32> {
    let count = u32::try_from(count).context("batch: too many missions")?;
    let now = machine::now_unix_ms();
    if !is_frozen {
        session.environment.learn_key();
    }
    let Session { root, store, .. } = session;
    let batch = store.create_batch(now, count, options)?;
    let mut kept: Option<Digest> = None;
    let mut kept_script: Option<Digest> = None;
    for (place, item) in (1..).zip(items) {
        let Item { label, source } = item.inspect_err(|_| {
            // The error is what counts; nothing was committed.
            let _ = store.roll_back();
        })?;
        let descriptor = source.descriptor.canonical()?;
        // Before anything of it is stored.
        let shown = format!("descriptor {}", source.name);
        secrets::refuse_in(&shown, descriptor.as_bytes())?;
        secrets::refuse_in(&shown, label.as_deref().unwrap_or_default().as_bytes())?;
        if kept != Some(source.module) {
            if let Some(wasm) = source.wasm.foreign() {
                secrets::refuse_in(&format!("module {}", source.name), wasm)?;
            }
            source.keep_module(root)?;
            kept = Some(source.module);
        }
        if let Some(script) = &source.script
            && kept_script != Some(script.sha256)
        {
            let shown = format!("script {}", source.name);
            secrets::refuse_in(&shown, script.text.as_bytes())?;
            store.put_blob(script.text.as_bytes())?;
            kept_script = Some(script.sha256);
        }
        let item = BatchItem {
            place,
            label,
            descriptor: store.put_blob(descriptor.as_bytes())?.sha256,
            name: source.name,
            module: source.module,
            mission: None,
        };
        store.add_to_batch(batch, &item)?;
    }
    store.commit(Durability::Power)?;
    Ok(batch)
}

/// Executes what is left of `batch` within `limit`. `ended` learns of each mission, in the order of the
/// list, as soon as it and all before it have ended. Returns what the calls of all its processes have
/// spent, too.
pub fn run(
    session: Session,
    batch: &BatchRow,
    how: How,
    limit: Limit,
    mut ended: impl FnMut(Outcome) -> Result<()>,
) -> Result<(Session, Spent)> {
    let prices = session.config()?.llm.prices.clone();
    let spent = spent(&session.store, batch.number, &prices)?;
    let budget = Budget::new(limit, prices, spent);
    let settings = Arc::new(Settings::of(&session)?.metered(budget));
    let number = batch.number;
    if let Some(process) = session.store.batch_process(number)?
        && presence::is_present(&session.root, &process)
    {
        bail!(
            anyhow!("batch {number}: another coo process is at work on it")
                .hint("wait for it, or stop it and try again")
        );
    }
    let (lent, turn) = session.share()?;
    let shared = Arc::clone(turn.shared());
    let process = shared.announce()?;
    shared.with_store(|store| {
        store.set_batch_process(number, &process)?;
        store.commit(Durability::Process)
    })?;
    // Each mission takes its own.
    drop(turn);
    let work = Work {
        shared: Arc::clone(&shared),
        settings: Arc::clone(&settings),
        how,
        queue: Queue::new(batch.missions as usize),
    };
    let (told, mut outcomes) = mpsc::unbounded_channel();
    let telling = Arc::clone(&shared);
    let result = machine::block_on_all(async move {
        let starting = tokio::spawn(work.start_all(number, told));
        let mut waiting = Waiting::default();
        while let Some(outcome) = outcomes.recv().await {
            waiting.add(outcome);
            while let Some(outcome) = waiting.next(&telling)? {
                ended(outcome)?;
            }
        }
        starting
            .await
            .context("batch: its missions could not be started")?
    })?;
    // An error of the batch counts more than one of what follows.
    result?;
    let mut turn = shared.later_turn();
    let held = machine::block_on(shared.acquire(false))?;
    turn.begin(held)?;
    let now = machine::now_unix_ms();
    shared.with_store(|store| {
        if store.is_batch_done(number)? {
            store.end_batch(number, now)?;
        }
        store.commit(Durability::Power)
    })?;
    let lock = turn.into_lock();
    Ok((lent.give_back(shared, lock)?, settings.spent()))
}

/// Returns what the live calls of a batch have spent so far, by its journals and what is kept beside them. A call in doubt counts as
/// nothing: nobody knows.
fn spent(store: &Store, batch: u32, prices: &Prices) -> Result<Spent> {
    let mut spent = Spent::default();
    let mut place = 0;
    loop {
        let items = store.batch_items(batch, place)?;
        let Some(last) = items.last() else {
            return Ok(spent);
        };
        place = last.place;
        for id in items.iter().filter_map(|item| item.mission) {
            let mut asked = None;
            let mut in_journal = BTreeSet::new();
            history::walk(store, id, |record| {
                match record.kind {
                    Kind::LlmIntent => {
                        let intent: IntentBody = serde_json::from_str(&record.body)?;
                        asked = Some((intent.sha256, intent.nth, intent.request.model));
                    }
                    Kind::LlmOutcome => {
                        let Some((sha256, nth, model)) = asked.take() else {
                            return Ok(());
                        };
                        in_journal.insert((sha256, nth));
                        let facts = store.event_facts(id.number(), record.seq)?;
                        let body: OutcomeBody = serde_json::from_str(&record.body)?;
                        if facts.is_some_and(|facts| is_live(&facts))
                            && let Some(usage) = body.usage()
                        {
                            spent.add(usage, prices.models.get(&model));
                        }
                    }
                    _ => {}
                }
                Ok(())
            })?;
            // Calls that were made together, and that the journal had not come to.
            for carried in store.carried(id.number())? {
                let key = (carried.request_sha256, carried.nth);
                let (Some(outcome), Some(asked)) = (&carried.outcome, &carried.asked) else {
                    continue;
                };
                let body: OutcomeBody = serde_json::from_str(outcome)?;
                if let Some(usage) = body.usage()
                    && is_live(&carried.facts)
                    && !in_journal.contains(&key)
                {
                    spent.add(usage, prices.models.get(&asked.model));
                }
            }
        }
    }
}

/// Returns whether an answer came from a server.
fn is_live(facts: &EventFacts) -> bool {
    let source = facts.source.as_deref();
    source.is_some_and(|source| source.starts_with("http"))
}

/// What the missions of a batch have in common.
#[derive(Clone)]
struct Work {
    shared: Arc<SharedRoot>,
    settings: Arc<Settings>,
    how: How,
    queue: Queue,
}

impl Work {
    /// Starts one mission after the other, as slots become free.
    async fn start_all(self, batch: u32, told: mpsc::UnboundedSender<Outcome>) -> Result<()> {
        let slots = Arc::new(Semaphore::new(self.how.jobs.get()));
        let mut modules = Modules::default();
        let mut place = 0;
        loop {
            let items = self
                .shared
                .with_store(|store| store.batch_items(batch, place))?;
            let Some(last) = items.last() else {
                return Ok(());
            };
            place = last.place;
            for item in items {
                let slot = Arc::clone(&slots).acquire_owned().await?;
                let place = self.queue.place(item.place as usize - 1);
                let begun = self.begin(batch, &item, &mut modules).await;
                let (told, mut item) = (told.clone(), item);
                match begun {
                    Ok(Begun::Ready(id, prepared, is_new)) => {
                        item.mission = Some(id);
                        let tell = self.how.options.tell;
                        tokio::spawn(async move {
                            let run = finish(*prepared, id, is_new, place);
                            let run = async {
                                let end = run.await;
                                tell(&Update::Ended);
                                end
                            };
                            let end = MISSION.scope(id, Box::pin(run)).await;
                            // The receiver is gone only if the batch is given up.
                            let _ = told.send(Outcome { item, end });
                            drop(slot);
                        });
                    }
                    Ok(Begun::Not(end)) => {
                        let _ = told.send(Outcome { item, end });
                    }
                    Err(error) => {
                        let end = End::Failed(error);
                        let _ = told.send(Outcome { item, end });
                    }
                }
            }
        }
    }

    /// Gives a mission its number, or takes it up. It has its first turn at the root.
    async fn begin(&self, batch: u32, item: &BatchItem, modules: &mut Modules) -> Result<Begun> {
        let Self {
            shared,
            settings,
            how,
            ..
        } = self;
        let source = modules.source(shared, item)?;
        let Some(id) = item.mission else {
            // It may take long to compile, so the turn comes after it.
            let turn = shared.later_turn();
            let mut prepared =
                Prepared::of(turn, settings, &source, how.options, Reused::default())?;
            prepared.take_turn().await?;
            let id = prepared.enrol(&source)?;
            shared.with_store(|store| store.begin_batch_item(batch, item.place, id))?;
            return Ok(Begun::Ready(id, Box::new(prepared), true));
        };
        let mut turn = shared.later_turn();
        turn.begin(shared.acquire(false).await?)?;
        let (known, standing) = shared.with_store(|store| {
            let row = store.mission(id)?.context("batch: a mission is gone")?;
            resume::refuse_at_work(shared.root(), store, id)?;
            // One walk through its journal says how it stands and, if it has ended, all about its end.
            let known = Known::of(store, row)?;
            let freshness = how.options.freshness;
            let (progress, row) = (&known.progress, &known.mission);
            let standing = Standing::after(progress, store, row, freshness, how.resend)?;
            Ok::<_, Error>((known, standing))
        })?;
        let (reused, journal) = match standing {
            Standing::Ended(_) | Standing::Paused => {
                return Ok(Begun::Not(End::Known(Box::new(known))));
            }
            Standing::InDoubt(call) => return Ok(Begun::Not(End::InDoubt(id, call))),
            Standing::NotBegun => (Reused::default(), Journal::Empty),
            Standing::Begun(reused, journal) => (reused, journal),
        };
        let is_new = journal == Journal::Empty;
        let mut prepared = Prepared::of(turn, settings, &source, how.options, reused)?;
        prepared.take_up(&known.mission, journal)?;
        Ok(Begun::Ready(id, Box::new(prepared), is_new))
    }
}

/// A mission that may be executed, or why not.
enum Begun {
    Ready(MissionId, Box<Prepared>, bool),
    Not(End),
}

async fn finish(prepared: Prepared, id: MissionId, is_new: bool, place: Place) -> End {
    let tape = if is_new { Tape::record } else { Tape::resume };
    let sealed = async {
        let unsealed = prepared.execute(id, tape, Some(&place)).await?;
        unsealed.seal().await
    };
    match Box::pin(sealed).await {
        Ok(sealed) => End::Ran(Box::new(sealed.into_ended())),
        Err(error) => End::Failed(error),
    }
}

/// The module and the script that were read last: most batches have only one.
#[derive(Default)]
struct Modules {
    module: Option<(Digest, Bytes)>,
    script: Option<Script>,
}

impl Modules {
    /// Returns the mission of `item`, from the root's own copies.
    fn source(&mut self, shared: &SharedRoot, item: &BatchItem) -> Result<Source> {
        let text = shared.with_store(|store| store.blob(&item.descriptor))?;
        let descriptor =
            Descriptor::parse(&text).with_context(|| format!("descriptor {}", item.name))?;
        let wasm = match &self.module {
            Some((module, wasm)) if *module == item.module => wasm.clone(),
            _ => {
                let root = shared.root();
                let name = layout::module(&item.module);
                let wasm = Bytes::from(root.read_bounded(&name, MODULE_BYTES_MAX)?);
                if Digest::of(&wasm) != item.module {
                    return Err(anyhow!(
                        "module {}: was changed after the batch began",
                        root.path().join(name).display()
                    ))
                    .hint("restore it from a copy");
                }
                self.module = Some((item.module, wasm.clone()));
                wasm
            }
        };
        Ok(Source {
            name: item.name.clone(),
            wasm: Wasm::Read(wasm),
            module: item.module,
            script: self.script(shared, &descriptor)?,
            descriptor,
        })
    }
    /// Returns the script of a descriptor, from the root's own copies.
    fn script(&mut self, shared: &SharedRoot, descriptor: &Descriptor) -> Result<Option<Script>> {
        let sha256 = descriptor.script.as_ref().and_then(|script| script.sha256);
        if self.script.as_ref().map(|script| script.sha256) != sha256 {
            self.script = shared.with_store(|store| recorded_script(store, descriptor))?;
        }
        Ok(self.script.clone())
    }
}
