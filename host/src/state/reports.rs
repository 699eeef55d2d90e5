//! Files that `coo` itself writes for people: receipts, reports, evidence. Each is first recorded
//! in the store with its content; then the file and the index of reports are written. After a
//! process dies in between, the next one writes the rest. The kernel decides what is a report.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;

use anyhow::{Context as _, Result};
use coo_kernel::form::digest::Digest;
use coo_kernel::state::index::{Drift, Found};
use coo_kernel::state::layout;
use coo_kernel::state::reports;

use crate::state::state_root::StateRoot;
use crate::state::store::{Durability, Store};
use crate::state::walk;

/// Writes the report `path`, in place of an earlier one. The caller is the only writer of `root`.
pub fn write(root: &StateRoot, store: &mut Store, path: &str, content: &[u8]) -> Result<()> {
    layout::permit(path)?;
    let sha256 = Digest::of(content);
    let is_there =
        store.made_report(path)? == Some(sha256) && look(root, path)? == Some(Found::File(sha256));
    if is_there {
        return Ok(());
    }
    store.enter_report(path, content)?;
    store.commit(Durability::Power)?;
    make(root, store, path)
}

/// Writes the file of a report on record, and the index.
fn make(root: &StateRoot, store: &mut Store, path: &str) -> Result<()> {
    root.write_new(path, &store.report(path)?)?;
    write_index(root, store)?;
    store.report_made(path)?;
    store.commit(Durability::Process)
}

/// Removes the reports in `folder`, which no longer exists, from the record.
#[cfg(feature = "repository")]
pub fn forget(root: &StateRoot, store: &mut Store, folder: &str) -> Result<()> {
    store.forget_reports(folder)?;
    store.commit(Durability::Power)?;
    write_index(root, store)
}

/// Writes the files of reports that an interrupted process has recorded. The caller is the only
/// writer of `root`. Returns a line for the user if there were any.
pub fn recover(root: &StateRoot, store: &mut Store) -> Result<Option<String>> {
    let unmade = store.unmade_reports()?;
    for path in &unmade {
        make(root, store, path)?;
    }
    let count = unmade.len();
    Ok(
        (count > 0)
            .then(|| format!("wrote the reports of an interrupted process: {count} reports")),
    )
}

fn look(root: &StateRoot, path: &str) -> Result<Option<Found>> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    match root.folder(folder, false) {
        Ok(folder) => walk::examine(&folder, name),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
    .with_context(|| format!("report {path}: can't be examined"))
}

fn write_index(root: &StateRoot, store: &Store) -> Result<()> {
    let entries = store.reports()?;
    for (name, text) in [
        (reports::JSON, reports::json(&entries)?),
        (reports::MARKDOWN, reports::markdown(&entries)),
    ] {
        let found = look(root, name)?;
        let is_needed = !entries.is_empty() || found.is_some();
        if is_needed && found != Some(Found::File(Digest::of(&text))) {
            root.write_new(name, text.as_bytes())?;
        }
    }
    Ok(())
}

/// Returns every difference between the reports and their record.
pub fn check(root: &StateRoot, store: &Store) -> Result<Vec<Drift>> {
    let entries = store.reports()?;
    let expected: BTreeSet<&str> = entries.iter().map(|entry| entry.path.as_str()).collect();
    let mut found = BTreeMap::new();
    for folder in reports::FOLDERS {
        match root.folder(folder, false) {
            Ok(opened) => walk::walk(&opened, &format!("{folder}/"), &expected, &mut found)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                return Err(error).with_context(|| format!("folder {folder} of the state root"));
            }
        }
    }
    found.retain(|path, _| !reports::is_at_work(path));
    for name in [reports::JSON, reports::MARKDOWN] {
        found.extend(look(root, name)?.map(|found| (name.to_owned(), found)));
    }
    Ok(reports::compare(&entries, &found)?)
}

/// Restores the reports to their record. Files that do not belong there are moved to `set-aside/`.
/// The caller is the only writer of `root`.
pub fn repair(root: &StateRoot, store: &mut Store, drifts: &[Drift]) -> Result<()> {
    for drift in drifts {
        if !matches!(drift, Drift::Missing { .. }) {
            walk::set_aside(root, drift.path())?;
        }
    }
    for drift in drifts {
        if let Drift::Missing { path }
        | Drift::Changed { path, .. }
        | Drift::Replaced { path, .. } = drift
        {
            make(root, store, path)?;
        }
    }
    write_index(root, store)
}
