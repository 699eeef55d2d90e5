//! The steps that make a found tree a baseline again, few and each repeatable: a whole folder
//! moves at once, and a file is never changed in place, so that a process that dies between
//! two steps can be followed by one that does them all again. Performs none of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::difference::{Change, changes, side_by_side};
use super::{Entry, Manifest, Mode, Node, Refused, TreePath};
use crate::form::canonical;

/// One step. Its number in the list names what it puts or removes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// What stands there goes, with all that is in it.
    Remove(TreePath),
    /// What the baseline has there comes, with all that is in it; what stands there goes.
    Put(TreePath),
    /// The folder there gets this mode.
    Mode(TreePath, Mode),
    /// What stands there goes as it is to where nothing is removed.
    SetAside(TreePath),
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
enum Row {
    Mode { mode: String, path: String },
    Put { path: String },
    Remove { path: String },
    SetAside { path: String },
}

/// The steps from `found`, which is sorted, to `wanted`. `kept` is not looked at and must not
/// be moved: where the state root lies.
pub fn steps(
    wanted: &Manifest,
    found: &[Entry],
    kept: Option<&TreePath>,
) -> Result<Vec<Step>, Refused> {
    let mut steps = Vec::new();
    // Whatever is below one of these moves with it.
    let mut moved = BTreeSet::new();
    let mut modes = BTreeMap::new();
    for (path, wanted_node, found_node) in side_by_side(wanted.entries(), found) {
        if kept.is_some_and(|kept| path.is_within(kept)) {
            return Err(Refused::StateRoot(path.text()));
        }
        if path.ancestry().any(|folder| moved.contains(&folder)) {
            continue;
        }
        let step = match (wanted_node, found_node) {
            (None, _) => Step::Remove(path.clone()),
            (Some(_), None) => Step::Put(path.clone()),
            (Some(wanted), Some(found)) => {
                let changes = changes(wanted, found);
                match wanted {
                    _ if changes.is_empty() => continue,
                    Node::Folder { mode } if changes == [Change::Mode] => {
                        modes.insert(path.clone(), *mode);
                        continue;
                    }
                    // Not chmod: a hard link outside the tree would change as well.
                    _ => Step::Put(path.clone()),
                }
            }
        };
        if kept.is_some_and(|kept| kept.is_within(path)) {
            return Err(Refused::StateRoot(path.text()));
        }
        // Moving something takes an open folder, and only an open folder can be moved: what
        // has to be opened for it is closed at the end.
        let around = path.parent();
        for folder in [Some(path), around.as_ref()].into_iter().flatten() {
            if let Some(Node::Folder { mode }) = wanted.get(folder)
                && !mode.is_open()
            {
                modes.insert(folder.clone(), *mode);
            }
        }
        moved.insert(path.clone());
        steps.push(step);
    }
    // The innermost first: its way leads through the others.
    let modes = modes.into_iter().rev();
    steps.extend(modes.map(|(path, mode)| Step::Mode(path, mode)));
    Ok(steps)
}

/// What steps come to, by entries of the tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Effect {
    /// There now and not afterwards.
    pub removed: usize,
    /// There now, and something else afterwards.
    pub replaced: usize,
    /// Not there now.
    pub made: usize,
    /// Folders of which only the mode becomes another.
    pub modes: usize,
    /// Folders that can't be looked into, and go with all that is in them.
    pub closed: usize,
}

/// What `steps` from `found`, which is sorted, to `wanted` come to.
pub fn effect(wanted: &Manifest, found: &[Entry], steps: &[Step]) -> Effect {
    let mut effect = Effect::default();
    let mut moved = BTreeSet::new();
    let mut modes = BTreeSet::new();
    for step in steps {
        match step {
            Step::Mode(path, _) => modes.insert(path),
            Step::Remove(path) | Step::Put(path) | Step::SetAside(path) => moved.insert(path),
        };
    }
    for (path, wanted, found) in side_by_side(wanted.entries(), found) {
        if path.ancestry().any(|folder| moved.contains(&folder)) {
            match (wanted, found) {
                (None, _) => effect.removed += 1,
                (_, None) => effect.made += 1,
                _ => effect.replaced += 1,
            }
            effect.closed += usize::from(matches!(found, Some(Node::Closed { .. })));
        } else if modes.contains(path) && wanted != found {
            effect.modes += 1;
        }
    }
    effect
}

/// Steps as text.
pub fn print_steps(steps: &[Step]) -> String {
    let rows: Vec<Row> = steps
        .iter()
        .map(|step| match step {
            Step::Remove(path) => Row::Remove { path: path.text() },
            Step::Put(path) => Row::Put { path: path.text() },
            Step::SetAside(path) => Row::SetAside { path: path.text() },
            Step::Mode(path, mode) => Row::Mode {
                mode: mode.text(),
                path: path.text(),
            },
        })
        .collect();
    canonical::to_string_sorted(&rows).unwrap_or_default()
}

/// Steps from what `print_steps` printed, every path judged anew.
pub fn parse_steps(bytes: &[u8]) -> Result<Vec<Step>, Refused> {
    let rows: Vec<Row> =
        serde_json::from_slice(bytes).map_err(|error| Refused::Form(error.to_string()))?;
    rows.into_iter()
        .map(|row| {
            Ok(match row {
                Row::Remove { path } => Step::Remove(TreePath::from_text(&path)?),
                Row::Put { path } => Step::Put(TreePath::from_text(&path)?),
                Row::SetAside { path } => Step::SetAside(TreePath::from_text(&path)?),
                Row::Mode { mode, path } => {
                    Step::Mode(TreePath::from_text(&path)?, Mode::from_text(&mode)?)
                }
            })
        })
        .collect()
}
