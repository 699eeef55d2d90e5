//! The steps that turn a found tree into a baseline again: few, and each repeatable. A whole
//! folder moves at once and a file is never changed in place, so after a process dies between two
//! steps, another can repeat them all. Nothing here performs a step.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::difference::{Change, changes, side_by_side};
use super::{Manifest, ManifestError, Mode, Node, TreeEntry, TreePath};
use crate::form::canonical;

/// One step. Its position in the list names what it puts or removes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Removes the node at this path with everything in it.
    Remove(TreePath),
    /// Replaces the node at this path with the baseline's, including everything in it.
    Put(TreePath),
    /// Gives the folder at this path this mode.
    Mode(TreePath, Mode),
    /// Moves the node at this path unchanged to a place where nothing is removed.
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

/// Returns the steps from `found`, which must be sorted, to `wanted`. `kept` is the location of
/// the state root: it is not read and must not move.
pub fn steps(
    wanted: &Manifest,
    found: &[TreeEntry],
    kept: Option<&TreePath>,
) -> Result<Vec<Step>, ManifestError> {
    let mut steps = Vec::new();
    // Everything below one of these moves with it.
    let mut moved = BTreeSet::new();
    let mut modes = BTreeMap::new();
    for (path, wanted_node, found_node) in side_by_side(wanted.entries(), found) {
        if kept.is_some_and(|kept| path.is_within(kept)) {
            return Err(ManifestError::StateRoot(path.text()));
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
                    // Not chmod, which would also change a hard link outside the tree.
                    _ => Step::Put(path.clone()),
                }
            }
        };
        if kept.is_some_and(|kept| kept.is_within(path)) {
            return Err(ManifestError::StateRoot(path.text()));
        }
        // Moving an entry needs an open parent, and only an open folder can be moved: folders that
        // have to be opened for it are closed at the end.
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
    // The innermost first: its path leads through the others.
    let modes = modes.into_iter().rev();
    steps.extend(modes.map(|(path, mode)| Step::Mode(path, mode)));
    Ok(steps)
}

/// What a list of steps changes, counted in entries of the tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Effect {
    /// Present before, absent afterwards.
    pub removed: usize,
    /// Present before, different afterwards.
    pub replaced: usize,
    /// Absent before.
    pub made: usize,
    /// Folders of which only the mode changes.
    pub modes: usize,
    /// Folders that can't be opened and are removed with everything in them.
    pub closed: usize,
}

/// Counts what `steps` change from `found`, which must be sorted, to `wanted`.
pub fn effect(wanted: &Manifest, found: &[TreeEntry], steps: &[Step]) -> Effect {
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

/// Returns the steps as text.
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

/// Reads steps that `print_steps` printed, and checks every path again.
pub fn parse_steps(bytes: &[u8]) -> Result<Vec<Step>, ManifestError> {
    let rows: Vec<Row> =
        serde_json::from_slice(bytes).map_err(|error| ManifestError::Form(error.to_string()))?;
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
