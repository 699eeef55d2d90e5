//! A state root that is merged into another one: opened for reading while no other process may write
//! to it, and verified as a whole. Nothing is copied from a root that fails. Never writes to it, except
//! that opening it finishes what a killed process had committed to, as every command does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Error, Result, anyhow, bail, ensure};
use coo_kernel::batch::merge::{Artefact, Call, Mission, Root};
use coo_kernel::form::digest::Digest;
use coo_kernel::form::{canonical, plain};
use coo_kernel::journal::run_file::contents_of;
use coo_kernel::journal::{Kind, WorldBody};
use coo_kernel::mission::MissionId;
use coo_kernel::mission::row::MissionRow;
use coo_kernel::mission::state::State;
use coo_kernel::module::structure::MODULE_BYTES_MAX;
use coo_kernel::state::index::IndexEntry;
use coo_kernel::state::layout;

use super::LeftOut;
use crate::effects::gateway;
use crate::effects::world::{self, copied, dump};
use crate::freeze::Purpose;
use crate::hint::Hint as _;
use crate::machine::temporary::TemporaryFolder;
use crate::session::Read;
use crate::state::state_root::{StateRoot, WriteLock};
use crate::state::store::{FrozenCall, Store};
use crate::state::{history, presence};

/// Things of one kind that an error names. The rest is counted.
const NAMED_MAX: usize = 20;
const PAUSED: &str = "waits for a person";

/// A mission that can be merged.
pub struct Found {
    pub row: MissionRow,
    /// See `Store::run_digest`.
    pub run: Digest,
    /// The artefacts that it committed to.
    artefacts: Vec<(String, Digest)>,
}

/// A root to be merged.
pub struct Source {
    /// As the user named it.
    pub name: String,
    read: Read,
    /// `None` for a root that this process may only read.
    _lock: Option<WriteLock>,
    /// Those that have ended, by number.
    pub missions: Vec<Found>,
    /// The missions with changes to database or artefacts, in the order of these changes.
    pub commits: Vec<MissionId>,
    pub artefacts: Vec<IndexEntry>,
    pub calls: Vec<FrozenCall>,
}

impl Source {
    /// Opens the root at `path`, and keeps others from writing to it. Fails if another process is at
    /// work on it.
    pub fn open(path: &Path, say: impl FnMut(&str)) -> Result<Self> {
        let name = path.display().to_string();
        let none = || {
            anyhow!("no state root at {name}")
                .hint("name folders that coo has made, such as another project's .coo")
        };
        let read = Read::open(path, Purpose::Read, say)?.ok_or_else(none)?;
        // The lock of a root that this process may only read can be looked at, but not taken.
        let is_read_only = read.root.is_read_only();
        let lock = if is_read_only {
            None
        } else {
            read.root.lock_now()?
        };
        let is_locked = if is_read_only {
            read.root.is_in_use()
        } else {
            lock.is_none()
        };
        if is_locked || presence::is_any_present(&read.root) {
            bail!(
                anyhow!("root {name}: another coo process is at work on it")
                    .hint("wait for it, or stop it and resume its missions, then merge")
            );
        }
        if !read.store.promised_worlds()?.is_empty() {
            bail!(
                anyhow!(
                    "root {name}: changes that its missions have committed to are not made yet"
                )
                .hint(format!("'coo --root {name} missions' makes them"))
            );
        }
        Ok(Self {
            name,
            read,
            _lock: lock,
            missions: Vec::new(),
            commits: Vec::new(),
            artefacts: Vec::new(),
            calls: Vec::new(),
        })
    }

    pub const fn root(&self) -> &StateRoot {
        &self.read.root
    }

    pub const fn store(&self) -> &Store {
        &self.read.store
    }

    /// Returns the mission `id` of this root, if it has ended.
    pub fn mission(&self, id: MissionId) -> Option<&Found> {
        let number = |found: &Found| found.row.id.number();
        let place = self.missions.binary_search_by_key(&id.number(), number);
        self.missions.get(place.ok()?)
    }

    /// Returns the artefact at `path`.
    pub fn artefact(&self, path: &str) -> Option<&IndexEntry> {
        let place = self
            .artefacts
            .binary_search_by(|entry| entry.path.as_str().cmp(path));
        self.artefacts.get(place.ok()?)
    }

    /// Verifies every chain, content, module and artefact, and that the database is what the journals
    /// make of it. Keeps the missions that have ended. Returns those that have not; fails if there are
    /// some and `leaves_out` is not set.
    pub fn verify(&mut self, leaves_out: bool) -> Result<Vec<LeftOut>> {
        let shown = format!("root {}", self.name);
        let left_out = self.verify_missions().with_context(|| shown.clone())?;
        if !left_out.is_empty() && !leaves_out {
            return Err(self.unfinished(&left_out));
        }
        self.verify_artefacts()?;
        self.calls = self.store().frozen_calls().with_context(|| shown.clone())?;
        self.verify_world().with_context(|| shown)?;
        Ok(left_out)
    }

    fn verify_missions(&mut self) -> Result<Vec<LeftOut>> {
        let (root, store) = (&self.read.root, &self.read.store);
        let mut found = Vec::new();
        let mut left_out = Vec::new();
        let mut contents = BTreeSet::new();
        let mut modules = BTreeSet::new();
        for row in store.missions()? {
            let id = row.id;
            let mut named = vec![row.descriptor];
            let mut artefacts = Vec::new();
            let (progress, chain) = history::walk(store, id, |record| {
                named.extend(contents_of(record)?.into_iter().map(|blob| blob.sha256));
                if record.kind == Kind::World {
                    let body: WorldBody = serde_json::from_str(&record.body)?;
                    let all = body.artefacts.into_iter();
                    artefacts = all.map(|it| (it.path, it.sha256)).collect();
                }
                Ok(())
            })?;
            // It has no event: nothing of it is on record.
            let Some(body) = &progress.mission else {
                continue;
            };
            for sha256 in named {
                if contents.insert(sha256) {
                    store
                        .blob(&sha256)
                        .with_context(|| format!("mission {id}"))?;
                }
            }
            ensure!(
                body.module == row.module && body.descriptor == row.descriptor,
                "mission {id}: its module or descriptor is not the one its journal names; it was changed \
                 after the run"
            );
            if modules.insert(row.module) {
                read_module(root, &row.module)?;
            }
            match progress.state() {
                Some(state) if state.is_final() => {
                    let run = store.run_digest(&row, chain.head())?;
                    found.push(Found {
                        row,
                        run,
                        artefacts,
                    });
                }
                state => left_out.push(LeftOut {
                    root: self.name.clone(),
                    mission: id,
                    reason: match state {
                        Some(State::Paused) => PAUSED.to_owned(),
                        _ => "has not ended".to_owned(),
                    },
                }),
            }
        }
        self.missions = found;
        Ok(left_out)
    }

    fn unfinished(&self, left_out: &[LeftOut]) -> Error {
        let name = &self.name;
        let line = |it: &LeftOut| format!("mission {} {}", it.mission, it.reason);
        let first = left_out.first().map(line).unwrap_or_default();
        let others = left_out.iter().skip(1).take(NAMED_MAX - 1);
        let mut error = anyhow!("root {name}: {first}");
        for other in others {
            error = error.hint(format!("and {}", line(other)));
        }
        if let Some(rest) = left_out.len().checked_sub(NAMED_MAX).filter(|n| *n > 0) {
            error = error.hint(format!("and {}", plain::count(rest, "other mission")));
        }
        if let Some(LeftOut { mission, .. }) = left_out.first() {
            error = error.hint(if left_out[0].reason == PAUSED {
                format!(
                    "'coo --root {name} approve {mission}' continues it, 'coo --root {name} reject {mission}' ends it"
                )
            } else {
                format!("'coo --root {name} resume {mission}' continues it")
            });
        }
        error.hint("'--leave-out' leaves them where they are; a later merge takes them")
    }

    fn verify_artefacts(&mut self) -> Result<()> {
        self.artefacts = in_order(&self.name, self.root(), self.store())?;
        for artefact in &self.artefacts {
            self.store()
                .blob(&artefact.sha256)
                .with_context(|| format!("root {}: artefact {}", self.name, artefact.path))?;
        }
        Ok(())
    }

    /// Performs the statements of all missions on an empty database, and compares the result.
    fn verify_world(&mut self) -> Result<()> {
        let (root, store) = (&self.read.root, &self.read.store);
        let commits = store.committed()?.into_iter().map(|ended| ended.id);
        self.commits = commits.collect();
        let other = || {
            anyhow!("its database has content that the journals of its missions do not explain").hint(
                "a rollback, a restore or another program has changed it; take the root from a copy",
            )
        };
        let made = TemporaryFolder::new("world")?;
        for (number, id) in (1..).zip(&self.commits) {
            let (_, statements) = history::promised(store, *id)?;
            if !statements.is_empty() && !world::again(made.path(), number, &statements)? {
                bail!(other());
            }
        }
        let found = copied::of(root.path())?;
        let digest = |folder: &TemporaryFolder| {
            dump::digest_and_size(&folder.path().join(layout::WORLD)).map(|(digest, _)| digest)
        };
        if digest(&made)? != digest(&found)? {
            bail!(other());
        }
        Ok(())
    }

    /// Returns what the kernel judges, without the missions that `is_left` names and all of theirs.
    pub fn as_root(&self, is_left: impl Fn(&Found) -> bool) -> Result<Root> {
        let taken: Vec<&Found> = self.missions.iter().filter(|it| !is_left(it)).collect();
        let by_name: BTreeMap<String, &Found> = taken
            .iter()
            .map(|found| (found.row.id.to_string(), *found))
            .collect();
        let mut artefacts = Vec::new();
        for entry in &self.artefacts {
            let has = |found: &&Found| {
                let mut all = found.artefacts.iter();
                all.any(|(path, sha256)| *path == entry.path && *sha256 == entry.sha256)
            };
            // The record names the first that wrote it; another one may have written the same.
            let owner = by_name.get(&entry.mission).copied();
            if let Some(owner) = owner.or_else(|| taken.iter().copied().find(has)) {
                artefacts.push(Artefact {
                    path: entry.path.clone(),
                    sha256: entry.sha256,
                    mission: owner.row.id,
                });
            }
        }
        Ok(Root {
            name: self.name.clone(),
            missions: taken.iter().map(|found| found.as_mission()).collect(),
            artefacts,
            calls: calls_of(&self.calls)?,
        })
    }
}

impl Found {
    fn as_mission(&self) -> Mission {
        Mission {
            id: self.row.id,
            run: self.run,
        }
    }
}

/// Returns frozen answers as the kernel judges them.
pub fn calls_of(calls: &[FrozenCall]) -> Result<Vec<Call>> {
    let call = |call: &FrozenCall| {
        Ok(Call {
            request: call.request_sha256,
            nth: call.nth,
            answer: Digest::of(canonical::to_string(&call.answer)?),
        })
    };
    calls.iter().map(call).collect()
}

/// Returns the artefacts of a root; an error if a file differs from its record.
pub fn in_order(name: &str, root: &StateRoot, store: &Store) -> Result<Vec<IndexEntry>> {
    let drifts = gateway::check(root, store).with_context(|| format!("root {name}"))?;
    if let Some(drift) = drifts.first() {
        let others = match drifts.len() - 1 {
            0 => String::new(),
            others => format!(", and {}", plain::count(others, "other difference")),
        };
        bail!(
            anyhow!(
                "root {name}: artefact {}: does not match its record{others}",
                plain::one_line(drift.path())
            )
            .hint(format!(
                "'coo --root {name} artefacts check' lists the differences, '--repair' corrects them"
            ))
        );
    }
    store.artefacts()
}

/// Reads a module of a root and verifies it.
pub fn read_module(root: &StateRoot, sha256: &Digest) -> Result<Vec<u8>> {
    let name = layout::module(sha256);
    let wasm = root.read_bounded(&name, MODULE_BYTES_MAX)?;
    ensure!(
        Digest::of(&wasm) == *sha256,
        anyhow!("module {name}: was changed after the run").hint("restore it from a copy")
    );
    Ok(wasm)
}
