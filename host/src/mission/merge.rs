//! Merges other state roots into one. First every root is verified, the kernel plans, and the database
//! statements of the missions that come are tried on a copy of the database. Then one synced commit has
//! all of it, with a write-ahead intent for each mission that changed something, as a run's seal has
//! it. A process that dies after that leaves the intents, which the next command completes.
//!
//! Invariant: a mission comes as a whole or not at all, and the database is what the statements make of
//! it that answer here as they did there. Never asks a model, and runs no guest code.

mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Error, Result, anyhow};
use coo_kernel::batch::merge::{self, Mission, Placed, Plan, Root, Side};
use coo_kernel::effects::artefact::Artefact;
use coo_kernel::effects::db::Told;
use coo_kernel::form::digest::Digest;
use coo_kernel::form::plain;
use coo_kernel::journal::run_file::contents_of;
use coo_kernel::journal::{Chain, SEGMENT_BYTES};
use coo_kernel::mission::MissionId;
use coo_kernel::mission::row::MissionRow;
use coo_kernel::state::layout;

use self::source::Source;
use crate::effects::world::{self, Difference, copied};
use crate::freeze::Purpose;
use crate::hint::{self, Hint as _};
use crate::machine::temporary::TemporaryFolder;
use crate::session::Session;
use crate::state::history;
use crate::state::state_root::StateRoot;
use crate::state::store::{Durability, Store, WriteBatch};

/// Missions that an error names. The rest is counted.
const NAMED_MAX: usize = 20;
/// Characters of a statement or of an answer that a conflict shows.
const SHOWN_CHARS: usize = 80;

/// How to merge.
#[derive(Debug, Clone, Copy)]
pub struct How {
    /// Which side of a conflict over an artefact or an answer wins.
    pub side: Option<Side>,
    /// Leave out missions that can't be merged.
    pub leaves_out: bool,
}

/// A mission that stays in its root.
#[derive(Debug, Clone)]
pub struct LeftOut {
    /// The user's name of the root.
    pub root: String,
    pub mission: MissionId,
    pub reason: String,
}

/// What was merged.
#[derive(Debug)]
pub struct Report {
    /// The names of the roots.
    pub roots: Vec<String>,
    pub missions: Vec<Placed>,
    pub left_out: Vec<LeftOut>,
    pub artefacts: usize,
    pub calls: usize,
    /// Missions whose changes to the database were made here.
    pub databases: usize,
}

/// Why nothing was merged.
#[derive(Debug)]
pub enum Stop {
    /// What the roots hold does not permit it.
    Refused(Error),
    /// It could not be tried, or not be completed.
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Merges the roots at `from` into the one at `path`, which is created if it is missing.
pub fn merge(
    path: &Path,
    from: &[PathBuf],
    how: How,
    mut say: impl FnMut(&str),
) -> Result<Report, Stop> {
    refuse_same(path, from)?;
    // First, because this lock is waited for, and those of the sources are not: two merges in opposite
    // directions can't wait for each other.
    let session = Session::open(path, Purpose::Change, &mut say)?;
    let mut sources = Vec::new();
    let mut left_out = Vec::new();
    for path in from {
        let mut source = Source::open(path, &mut say)?;
        left_out.extend(source.verify(how.leaves_out).map_err(Stop::Refused)?);
        sources.push(source);
    }
    let name = path.display().to_string();
    let into = match &session {
        Some(session) => held(&name, session).map_err(Stop::Refused)?,
        None => Root {
            name,
            ..Root::default()
        },
    };
    let mut plan = planned(&into, &sources, &BTreeSet::new(), how)?;
    let conflicts = tried(session.as_ref().map(|it| &it.root), &sources, &plan)?;
    if !conflicts.is_empty() {
        let lost: BTreeSet<Digest> = conflicts.iter().map(|conflict| conflict.run).collect();
        let conflicts = conflicts.into_iter().map(|conflict| conflict.left_out);
        if !how.leaves_out {
            let conflicts: Vec<LeftOut> = conflicts.collect();
            return Err(Stop::Refused(answered_otherwise(&conflicts)));
        }
        left_out.extend(conflicts);
        plan = planned(&into, &sources, &lost, how)?;
    }
    let mut session = match session {
        Some(session) => session,
        None => created(path, say)?,
    };
    let databases = write(&mut session, &sources, &plan)?;
    session
        .recover(|_| {})
        .context("merge: it is complete and on record, but its changes could not be applied yet")
        .hint("the next coo command applies them")?;
    Ok(Report {
        roots: sources.into_iter().map(|source| source.name).collect(),
        missions: plan.missions,
        left_out,
        artefacts: plan.artefacts.len(),
        calls: plan.calls.len(),
        databases,
    })
}

/// Creates the root that is merged into.
fn created(path: &Path, say: impl FnMut(&str)) -> Result<Session> {
    let session = Session::create(path, Purpose::Change, say)?;
    if !session.store.missions()?.is_empty() {
        return Err(anyhow!(
            "state root {}: another coo process has made it meanwhile",
            path.display()
        )
        .hint("try again"));
    }
    Ok(session)
}

/// Fails if two of the paths are one folder, whatever they are called.
fn refuse_same(path: &Path, from: &[PathBuf]) -> Result<()> {
    let mut seen = BTreeSet::new();
    seen.extend(path.canonicalize());
    for other in from {
        let Ok(found) = other.canonicalize() else {
            continue;
        };
        if !seen.insert(found) {
            return Err(anyhow!("root {}: named twice", other.display())
                .hint("name each root once, and not the one that is merged into (--root)"));
        }
    }
    Ok(())
}

/// Returns what the root holds that is merged into. Fails if its record is damaged or its artefacts
/// are not in order.
fn held(name: &str, session: &Session) -> Result<Root> {
    let Session { root, store, .. } = session;
    let mut missions = Vec::new();
    for row in store.missions()? {
        let (_, chain) =
            history::walk(store, row.id, |_| Ok(())).with_context(|| format!("root {name}"))?;
        missions.push(Mission {
            id: row.id,
            run: store.run_digest(&row, chain.head())?,
        });
    }
    let ids: BTreeMap<String, MissionId> = missions
        .iter()
        .map(|mission| (mission.id.to_string(), mission.id))
        .collect();
    let mut artefacts = Vec::new();
    for entry in source::in_order(name, root, store)? {
        let mission = ids.get(&entry.mission).copied();
        artefacts.push(merge::Artefact {
            mission: mission.with_context(|| {
                format!(
                    "root {name}: artefact {}: no mission {}",
                    entry.path, entry.mission
                )
            })?,
            path: entry.path,
            sha256: entry.sha256,
        });
    }
    Ok(Root {
        name: name.to_owned(),
        missions,
        artefacts,
        calls: source::calls_of(&store.frozen_calls()?)?,
    })
}

fn planned(
    into: &Root,
    sources: &[Source],
    lost: &BTreeSet<Digest>,
    how: How,
) -> Result<Plan, Stop> {
    let from: Vec<Root> = sources
        .iter()
        .map(|source| source.as_root(|found| lost.contains(&found.run)))
        .collect::<Result<_>>()?;
    merge::plan(into, &from, how.side).map_err(|refused| {
        let hints = refused.hints();
        Stop::Refused(hint::with_all(refused.into(), hints))
    })
}

/// A mission whose statements answer otherwise.
struct Conflict {
    run: Digest,
    left_out: LeftOut,
}

/// The missions of a plan that are copied, by root and number there.
struct Copied(BTreeMap<(usize, MissionId), MissionId>);

impl Copied {
    fn of(plan: &Plan) -> Self {
        let copied = plan.missions.iter().filter(|mission| !mission.is_there);
        Self(copied.map(|it| ((it.root, it.old), it.new)).collect())
    }

    /// Returns the new ids of the missions of root `root` that changed something, in the order of their
    /// changes.
    fn commits<'a>(
        &'a self,
        root: usize,
        source: &'a Source,
    ) -> impl Iterator<Item = (MissionId, MissionId)> + 'a {
        let new = move |old: &MissionId| Some((*old, *self.0.get(&(root, *old))?));
        source.commits.iter().filter_map(new)
    }
}

/// Performs the database statements of all missions that come on a copy of the database, in the order
/// in which they will be performed. Returns the missions of which a statement answers otherwise.
fn tried(into: Option<&StateRoot>, sources: &[Source], plan: &Plan) -> Result<Vec<Conflict>> {
    let world = match into {
        Some(root) => copied::of(root.path())?,
        None => TemporaryFolder::new("world")?,
    };
    let copied = Copied::of(plan);
    let mut number = 0;
    let mut conflicts = Vec::new();
    for (place, source) in sources.iter().enumerate() {
        for (id, _) in copied.commits(place, source) {
            let (_, statements) = history::asked(source.store(), id)?;
            // A mission that only read changes nothing here, and its record is what it is.
            if statements
                .iter()
                .all(|it| matches!(it.answer, Told::Read(_)))
            {
                continue;
            }
            number += 1;
            let Some(difference) = world::first_difference(world.path(), number, &statements)?
            else {
                continue;
            };
            conflicts.push(Conflict {
                run: source.mission(id).context("merge: a mission is gone")?.run,
                left_out: LeftOut {
                    root: source.name.clone(),
                    mission: id,
                    reason: told(&difference),
                },
            });
        }
    }
    Ok(conflicts)
}

fn told(difference: &Difference) -> String {
    let short = |text: &str| -> String {
        let line = plain::one_line(text);
        match line.char_indices().nth(SHOWN_CHARS) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line,
        }
    };
    format!(
        "statement '{}' had the answer {} there and has {} here",
        short(&difference.sql),
        short(&difference.recorded),
        short(&difference.found)
    )
}

fn answered_otherwise(conflicts: &[LeftOut]) -> Error {
    let line = |it: &LeftOut| format!("root {}: mission {}: {}", it.root, it.mission, it.reason);
    let first = conflicts.first().map(line).unwrap_or_default();
    let mut error = anyhow!("{first}");
    for other in conflicts.iter().skip(1).take(NAMED_MAX - 1) {
        error = error.hint(format!("and {}", line(other)));
    }
    if let Some(rest) = conflicts.len().checked_sub(NAMED_MAX).filter(|n| *n > 0) {
        error = error.hint(format!("and {}", plain::count(rest, "other mission")));
    }
    error.hint("'--leave-out' leaves them where they are; run them again in this root")
}

/// Writes everything that the plan takes, in one synced commit. Returns the number of missions that
/// change the database.
fn write(session: &mut Session, sources: &[Source], plan: &Plan) -> Result<usize> {
    let Session { root, store, .. } = session;
    let written = write_all(root, store, sources, plan);
    if written.is_err() {
        // The error is what counts; nothing was committed.
        let _ = store.roll_back();
    }
    written
}

fn write_all(
    root: &StateRoot,
    store: &mut Store,
    sources: &[Source],
    plan: &Plan,
) -> Result<usize> {
    let copied = Copied::of(plan);
    // Files first: without the commit nothing names them.
    let mut modules = BTreeSet::new();
    for (place, source) in sources.iter().enumerate() {
        for found in &source.missions {
            let module = found.row.module;
            if copied.0.contains_key(&(place, found.row.id)) && modules.insert(module) {
                keep_module(root, source, &module)?;
            }
        }
    }
    let mut contents = BTreeSet::new();
    for placed in plan.missions.iter().filter(|mission| !mission.is_there) {
        let source = &sources[placed.root];
        let found = source.mission(placed.old);
        let found = found.context("merge: a mission is gone")?;
        copy_mission(store, source, &found.row, placed.new, &mut contents)?;
    }
    let mut databases = 0;
    for (place, source) in sources.iter().enumerate() {
        for (old, new) in copied.commits(place, source) {
            let (_, statements) = history::promised(source.store(), old)?;
            databases += usize::from(!statements.is_empty());
            store.promise_merged(new)?;
        }
    }
    for taken in &plan.artefacts {
        let source = &sources[taken.root];
        let entry = source.artefact(&taken.path);
        let artefact = Artefact {
            path: taken.path.clone(),
            bytes: entry.context("merge: an artefact is gone")?.bytes,
            sha256: taken.sha256,
        };
        copy_content(store, source, &taken.sha256, &mut contents)?;
        store.replace_artefact(taken.mission, &artefact)?;
    }
    let mut taken: BTreeSet<(usize, Digest, u64)> = BTreeSet::new();
    for it in &plan.calls {
        taken.insert((it.root, it.call.request, it.call.nth));
    }
    for (place, source) in sources.iter().enumerate() {
        for call in &source.calls {
            if taken.contains(&(place, call.request_sha256, call.nth)) {
                store.freeze(call)?;
            }
        }
    }
    store.commit(Durability::Power)?;
    Ok(databases)
}

fn keep_module(root: &StateRoot, source: &Source, sha256: &Digest) -> Result<()> {
    let name = layout::module(sha256);
    let is_kept = root.dir().try_exists(&name);
    if !is_kept.with_context(|| format!("file {name} of the state root: can't be examined"))? {
        root.write_new(&name, &source::read_module(source.root(), sha256)?)?;
    }
    Ok(())
}

fn copy_mission(
    store: &mut Store,
    source: &Source,
    row: &MissionRow,
    new: MissionId,
    contents: &mut BTreeSet<Digest>,
) -> Result<()> {
    let from = source.store();
    store.insert_mission(&MissionRow {
        id: new,
        ..row.clone()
    })?;
    copy_content(store, source, &row.descriptor, contents)?;
    let (mut batch, mut chain) = (WriteBatch::default(), Chain::default());
    history::walk(from, row.id, |record| {
        batch.push(new.number(), chain, record)?;
        chain = Chain::ending_with(record);
        if let Some(facts) = from.event_facts(row.id.number(), record.seq)? {
            batch.put_facts(new.number(), record.seq, facts);
        }
        if batch.bytes() >= SEGMENT_BYTES {
            store.write_batch(&mut batch)?;
        }
        for blob in contents_of(record)? {
            copy_content(store, source, &blob.sha256, contents)?;
        }
        Ok(())
    })?;
    store.write_batch(&mut batch)
}

/// Copies a content, unless this merge has copied it.
fn copy_content(
    store: &mut Store,
    source: &Source,
    sha256: &Digest,
    contents: &mut BTreeSet<Digest>,
) -> Result<()> {
    if contents.insert(*sha256) {
        store.put_content(sha256, &source.store().blob(sha256)?)?;
    }
    Ok(())
}
