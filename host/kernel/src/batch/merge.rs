//! The plan of `coo merge`: which numbers the missions of other state roots get in this one, and which
//! artefacts and frozen answers come with them. Says nothing about the missions' databases.
//!
//! Invariant: the plan depends on the rows of the roots and on the order in which the roots are named,
//! never on the order of the rows. No mission is lost, and none is copied twice: a run that an earlier
//! root has is known by its digest. Two contents of one artefact, or two answers to one call, are a
//! conflict, and a plan exists only if the caller says which side wins.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::form::digest::Digest;
use crate::form::plain;
use crate::mission::MissionId;

/// Most roots of one merge: each keeps some 8 files open, and a process may have 1,024 of them unless
/// the system says otherwise.
pub const ROOTS_MAX: usize = 100;
/// Conflicts that are told. The rest is counted.
const CONFLICTS_TOLD_MAX: usize = 20;

/// What a state root holds, as far as a merge judges it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Root {
    /// The user's name of the root, for errors. Two roots never have the same.
    pub name: String,
    pub missions: Vec<Mission>,
    pub artefacts: Vec<Artefact>,
    pub calls: Vec<Call>,
}

/// A mission of a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mission {
    pub id: MissionId,
    /// Digest of its journal and of the facts about its execution. Two executions of one mission have
    /// different facts, and copies of one execution have the same.
    pub run: Digest,
}

/// An artefact on record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Artefact {
    /// Below `artefacts/`.
    pub path: String,
    /// Digest of the content.
    pub sha256: Digest,
    /// The mission of the same root that first wrote it.
    pub mission: MissionId,
}

/// A frozen answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    pub request: Digest,
    /// How often a run had asked it, this time included.
    pub nth: u64,
    /// Digest of the answer.
    pub answer: Digest,
}

/// Which side of a conflict wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The root that is named first; the one that is merged into comes before all.
    First,
    /// The root that is named last.
    Last,
}

/// What a merge does. Roots are counted from 0, without the one that is merged into.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Every mission of the roots, in the order of the roots and of their numbers there.
    pub missions: Vec<Placed>,
    /// The artefacts to copy, sorted by path.
    pub artefacts: Vec<TakenArtefact>,
    /// The frozen answers to copy, sorted by request.
    pub calls: Vec<TakenCall>,
}

/// A mission, and what it is called after the merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    pub root: usize,
    pub old: MissionId,
    /// The same as `old` if no other mission has that number.
    pub new: MissionId,
    /// Whether an earlier root has this run, under the id `new`. Nothing of it is copied.
    pub is_there: bool,
}

/// An artefact that is copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenArtefact {
    pub root: usize,
    pub path: String,
    pub sha256: Digest,
    /// Its mission, by the new number.
    pub mission: MissionId,
    /// Whether it comes in the place of another content.
    pub replaces: bool,
}

/// A frozen answer that is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakenCall {
    pub root: usize,
    pub call: Call,
    /// Whether it comes in the place of another answer.
    pub replaces: bool,
}

/// One thing of which two roots have different contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conflict {
    Artefact {
        /// Path and content in the root that is named first.
        first: (String, Digest),
        first_root: String,
        /// Path and content in the other root.
        second: (String, Digest),
        second_root: String,
    },
    Call {
        request: Digest,
        nth: u64,
        first_root: String,
        second_root: String,
    },
}

impl Conflict {
    /// Returns whether either side can win. A file is never replaced by one whose name differs in case.
    fn can_be_decided(&self) -> bool {
        match self {
            Self::Artefact { first, second, .. } => first.0 == second.0,
            Self::Call { .. } => true,
        }
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Artefact {
                first,
                first_root,
                second,
                second_root,
            } if first.0 == second.0 => write!(
                f,
                "artefact {}: {first_root} has content {}, {second_root} has {}",
                first.0,
                first.1.short(),
                second.1.short()
            ),
            Self::Artefact {
                first,
                first_root,
                second,
                second_root,
            } => write!(
                f,
                "artefact {} of {first_root} and {} of {second_root} differ only in case",
                first.0, second.0
            ),
            Self::Call {
                request,
                nth,
                first_root,
                second_root,
            } => write!(
                f,
                "model call {} (time {nth} in a run): {first_root} and {second_root} have different answers",
                request.short()
            ),
        }
    }
}

/// Why there is no plan. Nothing is merged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("root {name}: named twice")]
    SameRoot { name: String },
    /// Rows that contradict each other.
    #[error("root {root}: {what}")]
    Broken { root: String, what: String },
    #[error("more missions than numbers; the largest number is {}", u32::MAX)]
    TooMany,
    /// At least one.
    #[error("{}", all[0])]
    Conflicts { all: Vec<Conflict> },
}

impl Refused {
    /// Returns what the user can do about it, and the other conflicts.
    #[must_use]
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::SameRoot { .. } => vec!["name each root once".to_owned()],
            Self::Broken { .. } => vec!["take the state root from a copy".to_owned()],
            Self::TooMany => vec!["merge into a new state root".to_owned()],
            Self::Conflicts { all } => {
                let others = all.iter().skip(1).take(CONFLICTS_TOLD_MAX - 1);
                let mut hints: Vec<String> = others.map(|other| format!("and {other}")).collect();
                if let Some(rest) = all.len().checked_sub(CONFLICTS_TOLD_MAX).filter(|n| *n > 0) {
                    hints.push(format!("and {}", plain::count(rest, "other conflict")));
                }
                hints.push(
                    "'--prefer first' keeps what is here, else what the root has that is named first"
                        .to_owned(),
                );
                hints.push(if all.iter().all(Conflict::can_be_decided) {
                    "'--prefer last' takes what the root has that is named last".to_owned()
                } else {
                    "'--prefer last' can't replace a name that differs only in case".to_owned()
                });
                hints
            }
        }
    }
}

/// Plans the merge of `from` into `into`. `side`: which side wins a conflict; without one, a conflict
/// is refused.
pub fn plan(into: &Root, from: &[Root], side: Option<Side>) -> Result<Plan, Refused> {
    let roots: Vec<&Root> = std::iter::once(into).chain(from).collect();
    for (place, root) in roots.iter().enumerate() {
        if roots[..place]
            .iter()
            .any(|earlier| earlier.name == root.name)
        {
            return Err(Refused::SameRoot {
                name: root.name.clone(),
            });
        }
        check(root)?;
    }
    let missions = renumber(&roots)?;
    let mut conflicts = Vec::new();
    let artefacts = artefacts(&roots, &missions, side, &mut conflicts);
    let calls = calls(&roots, side, &mut conflicts);
    conflicts.retain(|conflict| match side {
        None => true,
        Some(Side::First) => false,
        Some(Side::Last) => !conflict.can_be_decided(),
    });
    if !conflicts.is_empty() {
        return Err(Refused::Conflicts { all: conflicts });
    }
    Ok(Plan {
        missions,
        artefacts,
        calls,
    })
}

/// Refuses a root whose rows contradict each other.
fn check(root: &Root) -> Result<(), Refused> {
    let broken = |what: String| {
        Err(Refused::Broken {
            root: root.name.clone(),
            what,
        })
    };
    let mut numbers = BTreeSet::new();
    for mission in &root.missions {
        if !numbers.insert(mission.id.number()) {
            return broken(format!("number {} found twice", mission.id.number()));
        }
    }
    let ids: BTreeSet<MissionId> = root.missions.iter().map(|mission| mission.id).collect();
    let mut keys = BTreeSet::new();
    for artefact in &root.artefacts {
        if !ids.contains(&artefact.mission) {
            let mission = artefact.mission;
            return broken(format!("artefact {}: no mission {mission}", artefact.path));
        }
        if !keys.insert(collision_key(&artefact.path)) {
            return broken(format!("artefact {}: found twice", artefact.path));
        }
    }
    let mut calls = BTreeSet::new();
    for call in &root.calls {
        if !calls.insert((call.request, call.nth)) {
            let request = call.request.short();
            return broken(format!("model call {request}: two frozen answers found"));
        }
    }
    Ok(())
}

/// As `WritePermit::collision_key`: what a case-insensitive file system has one file for.
fn collision_key(path: &str) -> String {
    path.to_ascii_lowercase()
}

/// Gives each mission its number in the merged root: its own where that is free, else the next after
/// all others, by the order of the roots and of the numbers.
fn renumber(roots: &[&Root]) -> Result<Vec<Placed>, Refused> {
    let (into, from) = roots.split_first().ok_or(Refused::TooMany)?;
    let mut runs: BTreeMap<Digest, MissionId> = BTreeMap::new();
    for mission in &into.missions {
        let first = runs.entry(mission.run).or_insert(mission.id);
        *first = (*first).min(mission.id);
    }
    let mut numbers: BTreeSet<u32> = into.missions.iter().map(|it| it.id.number()).collect();
    let mut all = Vec::new();
    // Places in `all` of the missions that need another number, with their runs.
    let mut moved: BTreeMap<Digest, usize> = BTreeMap::new();
    let mut waiting: Vec<usize> = Vec::new();
    // A mission that needs another number may stand in several roots: the place of each copy, with the
    // place of the first.
    let mut copies: Vec<(usize, usize)> = Vec::new();
    for (root, rows) in from.iter().enumerate() {
        let mut missions = rows.missions.clone();
        missions.sort_unstable_by_key(|mission| mission.id.number());
        let mut own = Vec::new();
        let mut own_moved = Vec::new();
        for Mission { id, run } in missions {
            let place = all.len();
            let known = runs.get(&run).copied();
            let original = moved.get(&run).copied();
            all.push(Placed {
                root,
                old: id,
                new: known.unwrap_or(id),
                is_there: known.is_some() || original.is_some(),
            });
            if known.is_some() {
                continue;
            }
            if let Some(original) = original {
                copies.push((place, original));
            } else if numbers.insert(id.number()) {
                own.push((run, id));
            } else {
                waiting.push(place);
                own_moved.push((run, place));
            }
        }
        // Only now: two missions of one root are two, however equal they are.
        runs.extend(own);
        moved.extend(own_moved);
    }
    let mut last = numbers.last().copied().unwrap_or(0);
    for place in waiting {
        last = last.checked_add(1).ok_or(Refused::TooMany)?;
        all[place].new = all[place].old.with_number(last);
    }
    for (copy, original) in copies {
        all[copy].new = all[original].new;
    }
    Ok(all)
}

/// What was decided for one key: the item of one root.
struct Kept<'a, T> {
    /// Place in all roots: 0 is the one that is merged into.
    place: usize,
    item: &'a T,
    /// The item of the root that is merged into, if it has one.
    there: Option<&'a T>,
}

/// Decides for each key which root's item stays. `equal`: whether two items of one key agree.
fn fold<'a, T, K: Ord>(
    roots: &[&'a Root],
    rows: impl Fn(usize, &'a Root) -> Vec<&'a T>,
    key: impl Fn(&T) -> K,
    equal: impl Fn(&T, &T) -> bool,
    side: Option<Side>,
    mut conflict: impl FnMut(&'a T, usize, &'a T, usize),
) -> BTreeMap<K, Kept<'a, T>> {
    let mut kept: BTreeMap<K, Kept<'a, T>> = BTreeMap::new();
    for (place, root) in roots.iter().enumerate() {
        // By key, so that conflicts come in one order, too.
        let rows = rows(place, root).into_iter();
        let sorted: BTreeMap<K, &T> = rows.map(|item| (key(item), item)).collect();
        for (key, item) in sorted {
            let there = (place == 0).then_some(item);
            let Some(earlier) = kept.get_mut(&key) else {
                kept.insert(key, Kept { place, item, there });
                continue;
            };
            if equal(earlier.item, item) {
                continue;
            }
            conflict(earlier.item, earlier.place, item, place);
            if side == Some(Side::Last) {
                (earlier.place, earlier.item) = (place, item);
            }
        }
    }
    kept
}

fn artefacts(
    roots: &[&Root],
    missions: &[Placed],
    side: Option<Side>,
    conflicts: &mut Vec<Conflict>,
) -> Vec<TakenArtefact> {
    let placed: BTreeMap<(usize, MissionId), &Placed> = missions
        .iter()
        .map(|mission| ((mission.root, mission.old), mission))
        .collect();
    // The place of a root is one more than its number, since the one that is merged into comes first.
    let of_copied = |place: usize, artefact: &Artefact| match place.checked_sub(1) {
        // Of a mission that is there, what was merged then stays.
        Some(root) => placed
            .get(&(root, artefact.mission))
            .is_some_and(|mission| !mission.is_there),
        None => true,
    };
    let kept = fold(
        roots,
        |place, root| {
            let all = root.artefacts.iter();
            all.filter(|artefact| of_copied(place, artefact)).collect()
        },
        |artefact| collision_key(&artefact.path),
        |a, b| a.path == b.path && a.sha256 == b.sha256,
        side,
        |first, first_place, second, second_place| {
            conflicts.push(Conflict::Artefact {
                first: (first.path.clone(), first.sha256),
                first_root: roots[first_place].name.clone(),
                second: (second.path.clone(), second.sha256),
                second_root: roots[second_place].name.clone(),
            });
        },
    );
    let taken = kept.into_values().filter_map(|kept| {
        let root = kept.place.checked_sub(1)?;
        Some(TakenArtefact {
            root,
            path: kept.item.path.clone(),
            sha256: kept.item.sha256,
            mission: placed.get(&(root, kept.item.mission))?.new,
            replaces: kept.there.is_some(),
        })
    });
    let mut taken: Vec<TakenArtefact> = taken.collect();
    taken.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    taken
}

fn calls(roots: &[&Root], side: Option<Side>, conflicts: &mut Vec<Conflict>) -> Vec<TakenCall> {
    let kept = fold(
        roots,
        |_, root| root.calls.iter().collect(),
        |call| (call.request, call.nth),
        |a, b| a.answer == b.answer,
        side,
        |first, first_place, _, second_place| {
            conflicts.push(Conflict::Call {
                request: first.request,
                nth: first.nth,
                first_root: roots[first_place].name.clone(),
                second_root: roots[second_place].name.clone(),
            });
        },
    );
    let taken = kept.into_values().filter_map(|kept| {
        Some(TakenCall {
            root: kept.place.checked_sub(1)?,
            call: *kept.item,
            replaces: kept.there.is_some(),
        })
    });
    taken.collect()
}

#[cfg(test)]
mod tests;
