//! Shows that a mission is deterministic: runs it several times, each time with a fresh missions'
//! database (the world) and the same frozen answers, replays each run, and compares all results.
//! Calls no model, and touches no world except those of its own runs.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use coo_kernel::form::digest::Digest;
use coo_kernel::journal::{Answers, Blob, Given, Kind, WorldBody};
use coo_kernel::llm::Provenance;
use coo_kernel::mission::MissionId;
use coo_kernel::mission::row::MissionRow;
use coo_kernel::mission::state::State;
use coo_kernel::mission::verification::{Difference, Run, differences};
use coo_kernel::state::layout;
use serde::Serialize;

use crate::effects::llm::CachePolicy;
use crate::effects::world;
use crate::freeze::Purpose;
use crate::hint::{self, Hint as _};
use crate::mission::prepared::{Options, Reused};
use crate::mission::replay;
use crate::mission::run;
use crate::mission::source::{CommandLine, Source};
use crate::session::Session;
use crate::state::history;
use crate::state::state_root::StateRoot;
use crate::state::store::{Durability, FrozenCall, Store};

/// The folder in the state root that holds one folder per verification.
pub const FOLDER: &str = "verify";
/// Locked while a verification uses its folder.
const LOCK_FILE: &str = "lock";

/// The report of a verification.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Report {
    /// `coo-verify/1`.
    pub format: &'static str,
    /// The mission as the user named it.
    pub subject: String,
    /// SHA-256 of the module.
    pub module: Digest,
    /// SHA-256 of the canonical descriptor.
    pub descriptor: Digest,
    /// Name, version and settings of the engine, one per line.
    pub engine: String,
    /// Whether the runs and all replays agree in everything.
    pub identical: bool,
    /// For a recorded mission: whether the runs have its chain head. They may differ if the world
    /// of the recorded run was not fresh, which is not a failure.
    pub same_as_recorded: Option<bool>,
    pub runs: Vec<Run>,
    /// Empty if `identical`.
    pub differences: Vec<Difference>,
    /// For a recorded mission: whether its replay agreed.
    pub recorded_replay_identical: Option<bool>,
    /// Path in the state root of the folder for the report and, after a difference, for the runs'
    /// state roots. Not serialised, so that reports of the same mission are the same everywhere.
    #[serde(skip)]
    pub folder: String,
}

/// The mission to verify.
pub struct Subject {
    /// The name that the user gave.
    pub name: String,
    pub source: Source,
    /// The inputs of the recorded run; the default for a mission that has not run.
    pub reused: Reused,
    /// The model's answers that every run gets.
    pub answers: Vec<FrozenCall>,
    /// Chain head of the recorded run, and whether its replay agreed.
    pub recorded: Option<(Digest, bool)>,
}

impl Subject {
    /// Returns a mission that has not run. Its answers come from the frozen store of the state
    /// root.
    pub fn described(name: &str, store: Option<&Store>) -> Result<Self> {
        Ok(Self {
            name: name.to_owned(),
            source: if Source::is_program(name.as_ref()) {
                Source::program_file(name.as_ref(), CommandLine::default())?
            } else {
                Source::named(name)?
            },
            reused: Reused::default(),
            answers: store.map_or_else(|| Ok(Vec::new()), Store::frozen_calls)?,
            recorded: None,
        })
    }

    /// Returns a mission that has run, and replays it once. Its answers come from its journal.
    /// Fails if it did not reach an end.
    pub fn recorded(
        session: Session,
        mission: &MissionRow,
        wall_clock_max: Duration,
    ) -> Result<Self> {
        let mut recorded = Answers::default();
        let (progress, chain) = history::walk(&session.store, mission.id, |record| {
            Ok(recorded.take(record, &mut |sha256| Ok(session.store.blob(sha256)?))?)
        })?;
        if !progress.state().is_some_and(State::is_final) {
            bail!(
                anyhow!("mission {}: did not reach an end", mission.id)
                    .hint(format!("run 'coo resume {}' first", mission.id))
            );
        }
        let mut answers = Vec::new();
        for given in recorded.given {
            let facts = session.store.event_facts(mission.id.number(), given.seq)?;
            let provenance = facts.and_then(|facts| facts.provenance);
            answers.push(frozen_call(given, provenance));
        }
        let source = Source::recorded(&session.root, &session.store, mission)?;
        let replayed = replay::replay(session, mission, wall_clock_max)?;
        Ok(Self {
            name: mission.id.to_string(),
            source,
            reused: Reused {
                models: Some(mission.facts.chosen()),
                policy: progress.policy,
                decisions: recorded.decisions,
            },
            answers,
            recorded: Some((chain.head(), replayed.is_identical())),
        })
    }
}

/// Returns a recorded answer in the form of the frozen store.
pub(super) fn frozen_call(given: Given, provenance: Option<Provenance>) -> FrozenCall {
    FrozenCall {
        request_sha256: given.request_sha256,
        nth: given.nth,
        answer: given.answer,
        provenance: provenance.unwrap_or_else(|| Provenance {
            server: "journal".to_owned(),
            ..Provenance::default()
        }),
    }
}

/// Runs `subject` `runs` times, at least 2, and compares the results. `session` is the user's state
/// root: every run uses its configuration, and the runs' folder is in it. The caller writes the
/// report.
pub fn verify(
    session: Session,
    subject: &Subject,
    runs: u32,
    options: Options,
    mut say: impl FnMut(&str),
) -> Result<Report> {
    let config = session.config()?.clone();
    let root = session.root;
    sweep(&root)?;
    let folder = root.new_folder(FOLDER)?;
    let _lock = root
        .try_lock_on(&format!("{folder}/{LOCK_FILE}"))
        .context("verification folder: can't be locked")?;
    let place = root.path().join(&folder);
    let mut report = Report {
        format: "coo-verify/1",
        subject: subject.name.clone(),
        module: subject.source.module,
        descriptor: Digest::of(subject.source.descriptor.canonical()?),
        engine: String::new(),
        identical: false,
        same_as_recorded: None,
        recorded_replay_identical: None,
        runs: Vec::new(),
        differences: Vec::new(),
        folder,
    };
    let options = Options {
        freshness: CachePolicy::Frozen,
        digest_memory: true,
        ..options
    };
    for number in 1..=runs {
        say(&format!("run {number} of {runs}"));
        let own = place.join(format!("run-{number}"));
        let own_root = StateRoot::open_or_create(&own)?;
        own_root.settle()?;
        own_root.configure(&config)?;
        let done = one_run(&own, subject, options, &mut report.engine)
            .with_context(|| format!("run {number} of {runs}"));
        let done = match done {
            Ok(done) => done,
            Err(error) => {
                // Without a comparison the runs' state roots are of no use.
                root.discard(&report.folder, None)?;
                return Err(error);
            }
        };
        if let Some(first) = report.runs.first() {
            let mut found = differences(number, first, &done)?;
            if first.chain_head != done.chain_head {
                found.insert(0, first_event(number, &place)?);
            }
            report.differences.extend(found);
        }
        report.runs.push(done);
    }
    report.identical =
        report.differences.is_empty() && report.runs.iter().all(|run| run.replay_identical);
    report.same_as_recorded = subject
        .recorded
        .map(|(head, _)| report.runs.iter().all(|run| run.chain_head == head));
    report.recorded_replay_identical = subject.recorded.map(|(_, identical)| identical);
    report.identical &= report.recorded_replay_identical != Some(false);
    root.discard(&report.folder, Some(LOCK_FILE))?;
    if report.identical {
        for number in 1..=runs {
            root.discard(&report.folder, Some(&format!("run-{number}")))?;
        }
    }
    Ok(report)
}

/// Removes the folders of killed verifications: those without a report whose lock is free.
fn sweep(root: &StateRoot) -> Result<()> {
    let shown = || format!("folder {FOLDER} of the state root: can't be read");
    if !root.dir().try_exists(FOLDER).with_context(shown)? {
        return Ok(());
    }
    for entry in root.dir().read_dir(FOLDER).with_context(shown)? {
        let name = entry.with_context(shown)?.file_name();
        let folder = format!("{FOLDER}/{}", name.display());
        if layout::permit(&format!("{folder}/report.json")).is_err() {
            // Not a folder of a verification.
            continue;
        }
        let has = |file: &str| root.dir().try_exists(format!("{folder}/{file}"));
        // A folder without a lock file is being created by another process; keep it.
        if has(LOCK_FILE)?
            && !has("report.json")?
            && let Ok(_lock) = root.try_lock_on(&format!("{folder}/{LOCK_FILE}"))
        {
            root.discard(&folder, None)?;
        }
    }
    Ok(())
}

fn one_run(
    own: &std::path::Path,
    subject: &Subject,
    options: Options,
    engine: &mut String,
) -> Result<Run> {
    let mut session = Session::create(own, Purpose::Change, |_| {})?;
    for call in &subject.answers {
        session.store.freeze(call)?;
    }
    session.store.commit(Durability::Process)?;
    let (session, ended) =
        run::run_again(session, &subject.source, options, subject.reused.clone())?;
    if let Some(question) = ended.question {
        bail!(
            anyhow!(
                "waits for a person at step '{}', whose answer is not known",
                question.step
            )
            .hint("run the mission, answer it, and verify that run")
        );
    }
    if let Some(why) = ended.interrupted {
        return Err(why.context(
            "was interrupted, which says nothing about determinism (answers come from the frozen \
             store alone)",
        ));
    }
    drop(session);
    engine.clone_from(&ended.facts.engine);

    let session =
        Session::open(own, Purpose::Read, |_| {})?.context("state root: gone after the run")?;
    let mission = session
        .store
        .mission(ended.id)?
        .context("mission: gone after the run")?;
    let mut artefacts = Vec::new();
    history::walk(&session.store, ended.id, |record| {
        if record.kind == Kind::World {
            artefacts = serde_json::from_str::<WorldBody>(&record.body)?.artefacts;
        }
        Ok(())
    })?;
    // Check that each artefact on the disk is the one in the journal.
    for artefact in &artefacts {
        let name = format!("{}/{}", layout::ARTEFACTS, artefact.path);
        let content = session.root.read_bounded(&name, artefact.bytes)?;
        if Digest::of(&content) != artefact.sha256 {
            bail!(
                "artefact {}: is not what the journal says it is",
                artefact.path
            );
        }
    }
    let world_sha256 = world::dump::digest(session.root.path())?;
    let replayed = replay::replay(session, &mission, options.wall_clock_max)?;
    Ok(Run {
        status: ended.status,
        reason: (ended.failure).map(|failure| hint::joined(&failure, failure.hint())),
        events: ended.events,
        chain_head: ended.chain_head,
        fuel: ended.facts.fuel,
        memory_peak_bytes: ended.facts.memory_peak_bytes,
        memory_sha256: ended.memory_sha256,
        output: Blob::of(&ended.output),
        artefacts,
        world_sha256,
        replay_identical: replayed.is_identical(),
    })
}

/// Returns the first event that differs between run 1 and run `number`.
fn first_event(number: u32, place: &std::path::Path) -> Result<Difference> {
    let opened = |run: u32| -> Result<(Session, MissionId)> {
        let session = Session::open(&place.join(format!("run-{run}")), Purpose::Read, |_| {})?
            .context("state root: gone after the run")?;
        let mission = session.store.latest_mission()?.context("no mission")?;
        Ok((session, mission.id))
    };
    let (first, this) = (opened(1)?, opened(number)?);
    // Read both journals in step, since a journal may not fit into memory.
    let mut first = history::Walk::new(&first.0.store, first.1);
    let mut this = history::Walk::new(&this.0.store, this.1);
    let mut seq = 1;
    loop {
        let (one, other) = (first.advance()?, this.advance()?);
        if one != other || one.is_none() {
            let (one, other) = (one.as_ref(), other.as_ref());
            return Ok(Difference::at_event(number, seq, one, other));
        }
        seq += 1;
    }
}
