//! Computes digests of all store content that must not change while a state root is frozen. Reads
//! each table once, in the order of its key, so the digests do not depend on the file's layout.
//! Changes nothing.

use std::collections::BTreeMap;

use anyhow::Result;
use coo_kernel::baseline::freeze::Difference;
use coo_kernel::baseline::freeze::covered::{Bounds, SCHEMA, Tables};
use coo_kernel::form::digest::Digest;
use coo_kernel::state::reports::change_of;
use rusqlite::Row;
use rusqlite::types::ValueRef;
use sha2::{Digest as _, Sha256};

use super::Store;
use super::schema::FORMAT;

/// Every table, the query for its covered columns, and the covered part of its rows. Left out are
/// `artefacts`, which the governed state holds as text (`databases/artefacts.json`);
/// `frozen_calls`, whose digest is in `Journal`; and the rows of `sqlite_sequence` that belong to
/// tables that may grow.
///
/// A column that may still change for an unfinished row comes last; the row's key comes first.
const TABLES: [(&str, &str, Part); 16] = [
    (
        "batch_items",
        "SELECT batch, place, label, name, descriptor_sha256, module_sha256, mission \
         FROM batch_items ORDER BY 1, 2",
        Part::All,
    ),
    (
        "batches",
        "SELECT number, created_ms, missions, options, ended_ms, process FROM batches ORDER BY number",
        Part::All,
    ),
    (
        "blobs",
        "SELECT sha256, bytes FROM blobs ORDER BY sha256",
        Part::All,
    ),
    (
        "carried_answers",
        "SELECT mission, request_sha256, nth, outcome, facts, sent, asked FROM carried_answers ORDER BY 1, 2, 3",
        Part::All,
    ),
    (
        "change_events",
        "SELECT id, stage, kind, body, prev_sha256, sha256 FROM change_events ORDER BY id",
        Part::ChangeEvents,
    ),
    (
        "change_facts",
        "SELECT id, at_ms, by_whom FROM change_facts ORDER BY id",
        Part::ChangeEvents,
    ),
    (
        "changes",
        "SELECT number, route, repository, config, environment_sha256, created_ms, ended_ms \
         FROM changes ORDER BY number",
        Part::Changes,
    ),
    (
        "event_facts",
        "SELECT id, at_ms, source, provenance FROM event_facts ORDER BY id",
        Part::All,
    ),
    (
        "freezes",
        "SELECT number, phase, frozen_ms, lifted_ms, by_whom, manifest FROM freezes ORDER BY number",
        Part::Freezes,
    ),
    (
        "missions",
        "SELECT number, mission_type, name, descriptor_sha256, module_sha256, created_ms, \
             finished_ms, interrupted, facts, process \
         FROM missions ORDER BY number",
        Part::All,
    ),
    (
        "reports",
        "SELECT path, sha256, content, made FROM reports ORDER BY path",
        Part::Reports,
    ),
    (
        "rollbacks",
        "SELECT number, requested_ms, ended_ms, baseline, name, before_baseline, before_name, \
             attempt, outcome, lineage, world_commit, last_mission \
         FROM rollbacks ORDER BY number",
        Part::Rollbacks,
    ),
    (
        "segments",
        "SELECT id, last, sha256, events FROM segments ORDER BY id",
        Part::All,
    ),
    (
        SCHEMA,
        "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY 1, 2",
        Part::All,
    ),
    (
        "sqlite_sequence",
        "SELECT name, seq FROM sqlite_sequence WHERE name IN ('batches', 'changes', 'missions') ORDER BY 1",
        Part::All,
    ),
    (
        "world_commits",
        "SELECT number, mission, applied FROM world_commits ORDER BY number",
        Part::All,
    ),
];

/// The covered part of a table's rows, which begin with their key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    All,
    /// Events that existed when the freeze began; this bounds only changes that were unfinished
    /// then.
    ChangeEvents,
    /// All columns, except the end time of a change that was unfinished when the freeze began.
    Changes,
    Freezes,
    /// All rows, except the evidence of changes that were unfinished when the freeze began.
    Reports,
    Rollbacks,
}

/// Returns the number of leading columns of a row that are covered.
fn columns(part: Part, row: &Row<'_>, bounds: &Bounds, all: usize) -> rusqlite::Result<usize> {
    let key = match part {
        Part::All => return Ok(all),
        Part::Reports => {
            let path: String = row.get(0)?;
            let change = change_of(&path);
            let is_open = change.is_some_and(|change| bounds.open_changes.contains_key(&change));
            return Ok(if is_open { 0 } else { all });
        }
        _ => row.get::<_, i64>(0)?,
    };
    let number = |key: i64| u32::try_from(key).unwrap_or(u32::MAX);
    let is_covered = match part {
        Part::ChangeEvents => bounds.has_event(number(key >> 32), number(key & 0xffff_ffff)),
        Part::Changes if bounds.open_changes.contains_key(&number(key)) => return Ok(all - 1),
        Part::All | Part::Changes | Part::Reports => true,
        Part::Freezes => number(key) <= bounds.last_freeze,
        Part::Rollbacks => number(key) <= bounds.last_rollback,
    };
    Ok(if is_covered { all } else { 0 })
}

/// Hashes a value with its type and length, so that different values never give the same bytes.
fn update(hasher: &mut Sha256, value: ValueRef<'_>) {
    let (kind, bytes): (u8, &[u8]) = match &value {
        ValueRef::Null => (0, &[]),
        ValueRef::Integer(integer) => (1, &integer.to_le_bytes()),
        ValueRef::Real(real) => (2, &real.to_le_bytes()),
        ValueRef::Text(text) => (3, text),
        ValueRef::Blob(blob) => (4, blob),
    };
    hasher.update([kind]);
    hasher.update((bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}

impl Store {
    /// Returns the current ends of those tables that may grow during a freeze.
    fn bounds(&self) -> Result<Bounds> {
        let last = |table: &str| -> Result<u32> {
            let sql = format!("SELECT coalesce(max(number), 0) FROM {table}");
            Ok(self.connection.query_row(&sql, [], |row| row.get(0))?)
        };
        let mut open = self.connection.prepare(
            "SELECT number, (SELECT coalesce(max(id) & 4294967295, 0) FROM change_events \
                 WHERE id BETWEEN number << 32 AND (number << 32) + 4294967295) \
             FROM changes WHERE ended_ms IS NULL",
        )?;
        let open = open.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(Bounds {
            last_freeze: last("freezes")?,
            last_rollback: last("rollbacks")?,
            open_changes: open.collect::<Result<_, _>>()?,
        })
    }

    /// Returns the digests that a freeze records now.
    pub fn covered(&self) -> Result<Tables> {
        let bounds = self.bounds()?;
        Ok(Tables {
            digests: self.table_digests(&bounds)?,
            bounds,
            format: FORMAT,
        })
    }

    /// Compares the tables with what `recorded` says, and returns the differences.
    pub fn differences_of_tables(&self, recorded: &Tables) -> Result<Vec<Difference>> {
        let found = self.table_digests(&recorded.bounds)?;
        let mut differences = recorded.differences(&found, FORMAT);
        if found.get("blobs") != recorded.digests.get("blobs") {
            differences.extend(self.damaged_contents()?);
        }
        Ok(differences)
    }

    fn table_digests(&self, bounds: &Bounds) -> Result<BTreeMap<String, Digest>> {
        let mut digests = BTreeMap::new();
        for (table, sql, part) in TABLES {
            let mut hasher = Sha256::new();
            let mut statement = self.connection.prepare(sql)?;
            let all = statement.column_count();
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                for column in 0..columns(part, row, bounds, all)? {
                    update(&mut hasher, row.get_ref(column)?);
                }
            }
            let digest = Digest::from_bytes(hasher.finalize().into());
            digests.insert(table.to_owned(), digest);
        }
        Ok(digests)
    }

    /// Returns the contents that do not match their digest.
    fn damaged_contents(&self) -> Result<Vec<Difference>> {
        let mut statement = self
            .connection
            .prepare("SELECT sha256, bytes FROM blobs ORDER BY sha256")?;
        let mut rows = statement.query([])?;
        let mut damaged = Vec::new();
        while let Some(row) = rows.next()? {
            let recorded: Option<[u8; 32]> = row.get(0).ok();
            let Some(recorded) = recorded.map(Digest::from_bytes) else {
                continue;
            };
            if Digest::of(row.get_ref(1)?.as_bytes()?) != recorded {
                damaged.push(Difference {
                    change: "other content",
                    what: format!("content {recorded} in coo.db"),
                });
            }
        }
        Ok(damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_covered() {
        let folder = tempfile::TempDir::new().unwrap();
        let store = Store::open_or_create(folder.path()).unwrap();
        let mut statement = store
            .connection
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY 1")
            .unwrap();
        let mut expected: Vec<String> = statement
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        expected.retain(|table| !["artefacts", "frozen_calls"].contains(&table.as_str()));
        expected.push(SCHEMA.to_owned());
        expected.sort();
        let covered = store.covered().unwrap();
        assert_eq!(covered.digests.into_keys().collect::<Vec<_>>(), expected);
        // The query also names every column of the table.
        for (table, sql, _) in TABLES {
            if [SCHEMA, "sqlite_sequence"].contains(&table) {
                continue;
            }
            let columns: usize = store
                .connection
                .query_row(
                    "SELECT count(*) FROM pragma_table_info(?1)",
                    [table],
                    |row| row.get(0),
                )
                .unwrap();
            let read = store.connection.prepare(sql).unwrap().column_count();
            assert_eq!(read, columns, "{table}");
        }
    }
}
