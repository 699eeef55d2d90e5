//! Checks a pack: makes every file again from its run, then executes that run in a fresh world with
//! the pack's own answers, and compares bytes. Calls no model, uses no state root but a temporary
//! one, and executes nothing of a pack that contradicts itself.

use std::cmp::Reverse;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use coo_kernel::form::digest::Digest;
use coo_kernel::mission::descriptor::Descriptor;
use coo_kernel::mission::row::{Facts, MissionRow};
use coo_kernel::mission::verification::Difference;
use coo_kernel::pack::{
    self, FILES_MAX, MANIFEST, Members, PackError, ROLLBACK_LOG, RUN, Read, Run,
};

use super::gathered;
use crate::effects::llm::CachePolicy;
use crate::freeze::Purpose;
use crate::machine::archive;
use crate::machine::temporary::TemporaryFolder;
use crate::mission::prepared::{Options, Reused};
use crate::mission::script::Script;
use crate::mission::source::{Source, Wasm};
use crate::mission::verify::frozen_call;
use crate::mission::{replay, run};
use crate::session::Session;
use crate::state::config::Config;
use crate::state::state_root::StateRoot;
use crate::state::store::Durability;

/// Given to a run whose journal names no model, so that none is looked for in the environment.
const NO_MODEL: &str = "-";

/// What a check of a pack found.
#[derive(Debug)]
pub struct Checked {
    pub bytes: u64,
    pub sha256: Digest,
    /// The mission, if the pack says which.
    pub mission: Option<MissionRow>,
    /// Why it is not a whole pack; then nothing was executed.
    pub damage: Option<String>,
    /// Every file, sorted by name.
    pub files: Vec<FileChecked>,
    /// Number of rollbacks in the log, which does not follow from the run.
    pub rollbacks: usize,
    /// None if the pack contradicts itself: such a run is not executed.
    pub executed: Option<Execution>,
}

/// A file of a pack.
#[derive(Debug)]
pub struct FileChecked {
    pub path: String,
    pub bytes: u64,
    /// None for a file that is missing.
    pub sha256: Option<Digest>,
    /// Whether it was made again with the same bytes.
    pub is_identical: bool,
}

/// The execution of a pack's run in a fresh world.
#[derive(Debug)]
pub struct Execution {
    pub events: u64,
    pub chain_head: Digest,
    pub fuel: u64,
    pub replay_identical: bool,
    /// Whether the run was recorded with another engine; then fuel and memory are not compared.
    pub is_other_engine: bool,
    /// The first thing that differs from the pack.
    pub difference: Option<String>,
}

impl Checked {
    /// Returns whether the pack is whole, and all that follows from its run is identical.
    #[must_use]
    pub fn is_identical(&self) -> bool {
        self.executed.is_some() && self.difference().is_none()
    }

    /// Returns the first thing that differs.
    #[must_use]
    pub fn difference(&self) -> Option<String> {
        // The manifest differs whenever another file does, so that one is named.
        let changed = self.files.iter().filter(|file| !file.is_identical);
        let changed = changed.max_by_key(|file| (file.path != MANIFEST, Reverse(&file.path)));
        let executed = self.executed.as_ref();
        self.damage
            .clone()
            .or_else(|| changed.map(|file| format!("file {}", file.path)))
            .or_else(|| executed.and_then(|executed| executed.difference.clone()))
    }
}

/// Checks a pack. Fails if it can't be judged: it is of another format, or its run can't be
/// executed here.
pub fn check(content: &[u8], wall_clock_max: Duration) -> Result<Checked> {
    let mut checked = Checked {
        bytes: content.len() as u64,
        sha256: Digest::of(content),
        mission: None,
        damage: None,
        files: Vec::new(),
        rollbacks: 0,
        executed: None,
    };
    let found = match whole(content) {
        Ok(members) => members,
        Err(error) if is_of_another_release(&error) => return Err(error),
        Err(error) => {
            checked.damage = Some(format!("{error:#}"));
            return Ok(checked);
        }
    };
    let (run, read) = match made_again(&found, &mut checked) {
        Ok(made) => made,
        Err(error) => {
            checked.damage = Some(format!("{error:#}"));
            return Ok(checked);
        }
    };
    if checked.files.iter().all(|file| file.is_identical) {
        checked.executed = Some(execute(&found, &run, &read, wall_clock_max)?);
    }
    Ok(checked)
}

/// Returns the files of a pack whose form is right and whose manifest agrees with them.
fn whole(content: &[u8]) -> Result<Members> {
    let members = archive::read_stored(content, FILES_MAX)?;
    pack::check(&members)?;
    Ok(members)
}

fn is_of_another_release(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(PackError::Version(_)))
}

/// Makes every file again from the pack's run, and compares it. Executes nothing.
fn made_again(found: &Members, checked: &mut Checked) -> Result<(Run, Read)> {
    let run = Run::parse(pack::member(found, RUN)?)?;
    checked.mission = Some(run.mission.clone());
    let log = pack::member(found, ROLLBACK_LOG)?;
    checked.rollbacks = pack::check_rollback_log(log)?;
    let id = run.mission.id;
    let run = run.neutral(id)?;
    let made = pack::documents(&run, log)?;
    let files = pack::compared(found, &made).into_iter();
    checked.files = files
        .map(|(path, is_identical)| {
            let content = found.get(path);
            FileChecked {
                path: path.to_owned(),
                bytes: content.map_or(0, |content| content.len() as u64),
                sha256: content.map(Digest::of),
                is_identical,
            }
        })
        .collect();
    let read = run.read()?;
    Ok((run, read))
}

/// Executes the run in a fresh world, replays that execution, and compares what both leave with
/// the pack.
fn execute(found: &Members, run: &Run, read: &Read, wall_clock_max: Duration) -> Result<Execution> {
    let folder = TemporaryFolder::new("pack")?;
    let id = run.mission.id;
    let (session, mission) = executed(folder.path(), run, read, wall_clock_max)
        .with_context(|| format!("mission {id}: its execution in a fresh world"))?;
    let mut fresh = gathered(&session, &mission)?.neutral(id)?;
    let replayed = replay::replay(session, &mission, wall_clock_max)?;
    let recorded = &run.mission.facts;
    let is_other_engine = fresh.mission.facts.engine != recorded.engine;
    let fuel = fresh.mission.facts.fuel;
    if is_other_engine {
        let facts = std::mem::take(&mut fresh.mission.facts);
        fresh.mission.facts = as_by(recorded, facts);
    }
    let log = pack::member(found, ROLLBACK_LOG)?;
    let made = pack::documents(&fresh, log)?;
    let differing = pack::compared(found, &made);
    let differing = differing.iter().find(|(_, is_identical)| !is_identical);
    let difference = first_event(run, &fresh)
        .or_else(|| differing.map(|(path, _)| format!("file {path}")))
        .or_else(|| (!replayed.is_identical()).then(|| "its replay".to_owned()));
    Ok(Execution {
        events: fresh.events.len() as u64,
        chain_head: fresh
            .events
            .last()
            .map_or(read.chain.head(), |last| last.sha256),
        fuel,
        replay_identical: replayed.is_identical(),
        is_other_engine,
        difference,
    })
}

/// Returns the facts of an execution as if the engine of `recorded` had executed it: another engine
/// counts fuel and memory differently.
fn as_by(recorded: &Facts, mut fresh: Facts) -> Facts {
    fresh.engine.clone_from(&recorded.engine);
    fresh.engine_sha256 = recorded.engine_sha256;
    fresh.fuel = recorded.fuel;
    fresh.memory_peak_bytes = recorded.memory_peak_bytes;
    if let (Some(used), Some(before)) = (&mut fresh.used, &recorded.used) {
        used.fuel = before.fuel;
        used.memory_bytes = before.memory_bytes;
    } else {
        fresh.used = recorded.used;
    }
    fresh
}

/// Executes the run in the new state root `place`, with the answers of its journal alone.
fn executed(
    place: &Path,
    run: &Run,
    read: &Read,
    wall_clock_max: Duration,
) -> Result<(Session, MissionRow)> {
    let root = StateRoot::open_or_create(place)?;
    root.settle()?;
    root.configure(&Config::fresh())?;
    let mut session = Session::create(place, Purpose::Change, |_| {})?;
    for given in &read.answers.given {
        session.store.freeze(&frozen_call(given.clone(), None))?;
    }
    session.store.commit(Durability::Process)?;
    let descriptor =
        Descriptor::parse(run.content(&run.mission.descriptor)?).context("descriptor")?;
    let script = descriptor.script.as_ref().and_then(|script| script.sha256);
    let script = script.map(|sha256| {
        let text = str::from_utf8(run.content(&sha256)?).context("script")?;
        Ok::<_, anyhow::Error>(Script::of(text))
    });
    let source = Source {
        name: run.mission.name.clone(),
        descriptor,
        wasm: Wasm::Read(run.module.clone().into()),
        module: run.mission.module,
        script: script.transpose()?,
    };
    let mut models = run.mission.facts.chosen();
    models.default.get_or_insert_with(|| NO_MODEL.to_owned());
    let reused = Reused {
        models: Some(models),
        policy: Some(read.fold.policy.clone().unwrap_or_default()),
        decisions: read.answers.decisions.clone(),
    };
    let options = Options {
        freshness: CachePolicy::Frozen,
        wall_clock_max,
        ..Options::default()
    };
    let (session, ended) = run::run_again(session, &source, options, reused)?;
    if let Some(question) = ended.question {
        bail!(
            "waits for a person at step '{}', whose answer is not in the pack",
            question.step
        );
    }
    if let Some(why) = ended.interrupted {
        return Err(why.context("was interrupted"));
    }
    let mission = session.store.mission(ended.id)?;
    let mission = mission.context("mission: gone after the run")?;
    Ok((session, mission))
}

/// Describes the first event in which two journals differ.
fn first_event(recorded: &Run, fresh: &Run) -> Option<String> {
    let (recorded, fresh) = (&recorded.events, &fresh.events);
    let length = recorded.len().max(fresh.len());
    let at = (0..length).find(|&at| recorded.get(at) != fresh.get(at))?;
    let difference = Difference::at_event(2, at as u64 + 1, recorded.get(at), fresh.get(at));
    let shown = |text: &str| text.chars().take(200).collect::<String>();
    Some(format!(
        "{}: the pack has {}, the execution {}",
        difference.what,
        shown(&difference.first),
        shown(&difference.this)
    ))
}
