//! Files that `coo` itself writes for people: receipts, reports, evidence. Each is entered in the
//! record first, with its content, then made, and the index of reports with it; a process that
//! dies in between leaves the rest to the next one. Decides nothing about what is a report: that
//! is the kernel's.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;

use anyhow::{Context as _, Result};
use coo_kernel::form::digest::Digest;
use coo_kernel::root::index::{Drift, Found};
use coo_kernel::root::layout;
use coo_kernel::root::reports;

use crate::root::state_root::StateRoot;
use crate::root::store::{Durability, Store};
use crate::root::walk;

/// Writes the report `path`, in place of an earlier one. The caller alone writes to `root`.
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

/// Makes what is on record, and the index.
fn make(root: &StateRoot, store: &mut Store, path: &str) -> Result<()> {
    root.write_new(path, &store.report(path)?)?;
    write_index(root, store)?;
    store.report_made(path)?;
    store.commit(Durability::Process)
}

/// Takes the reports in `folder`, which is gone, off the record.
pub fn forget(root: &StateRoot, store: &mut Store, folder: &str) -> Result<()> {
    store.forget_reports(folder)?;
    store.commit(Durability::Power)?;
    write_index(root, store)
}

/// Makes what a process that died has entered. The caller alone writes to `root`.
pub fn recover(root: &StateRoot, store: &mut Store) -> Result<Option<String>> {
    let unmade = store.unmade_reports()?;
    for path in &unmade {
        make(root, store, path)?;
    }
    let count = unmade.len();
    Ok((count > 0)
        .then(|| format!("finished what an interrupted process had begun: {count} reports")))
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

/// Everything in which the reports are not what their record says.
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

/// Makes the reports what their record says. What does not belong there is moved to
/// `set-aside/`. The caller alone writes to `root`.
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
