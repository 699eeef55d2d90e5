//! Rollbacks in the store: a log with one row for each request, which also holds the committed
//! intent; and the facts about missions that decide whether a run was the last to change the state.
//! Rows are never removed.

use anyhow::{Result, ensure};
use coo_kernel::baseline::lineage::Ended;
use coo_kernel::baseline::link::Link;
use coo_kernel::baseline::rollback::{Outcome, Request};
use coo_kernel::form::digest::Digest;
use coo_kernel::mission::MissionId;
use coo_kernel::state::index::IndexEntry;
use rusqlite::types::Type;
use rusqlite::{Row, params};

use super::Store;

/// What is known when a rollback is requested.
#[derive(Debug)]
pub struct NewRollback<'a> {
    pub to: &'a Link,
    /// The migration attempt that makes this as its one automatic request.
    pub attempt: Option<&'a str>,
    /// Number of the newest baseline of the state root.
    pub lineage: u32,
    /// Milliseconds since 1970.
    pub requested_ms: i64,
}

const COLUMNS: &str = "number, requested_ms, ended_ms, baseline, name, before_baseline, \
                       before_name, attempt, outcome, lineage, world_commit, last_mission";

fn read(row: &Row<'_>) -> rusqlite::Result<Request> {
    let outcome: String = row.get(8)?;
    let before: Option<[u8; 32]> = row.get(5)?;
    let before_name: Option<String> = row.get(6)?;
    Ok(Request {
        number: row.get(0)?,
        requested_ms: row.get(1)?,
        ended_ms: row.get(2)?,
        to: Link {
            baseline: Digest::from_bytes(row.get(3)?),
            name: row.get(4)?,
        },
        before: before.zip(before_name).map(|(baseline, name)| Link {
            baseline: Digest::from_bytes(baseline),
            name,
        }),
        attempt: row.get(7)?,
        outcome: outcome.parse().map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(8, Type::Text, Box::new(error))
        })?,
        lineage: row.get(9)?,
        world_commit: row.get(10)?,
        last_mission: row.get(11)?,
    })
}

impl Store {
    /// Returns every request for a rollback, oldest first.
    pub fn rollbacks(&self) -> Result<Vec<Request>> {
        let mut statement = self
            .connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM rollbacks ORDER BY number"))?;
        let rows = statement.query_map([], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Returns the rollback that has a committed intent and is not known to be finished, if there
    /// is one.
    pub fn promised_rollback(&self) -> Result<Option<Request>> {
        let mut log = self.rollbacks()?;
        log.retain(|request| request.outcome == Outcome::Promised);
        Ok(log.pop())
    }

    /// Returns the request with this number.
    pub fn rollback(&self, number: u32) -> Result<Request> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM rollbacks WHERE number = ?1"
        ))?;
        Ok(statement.query_row([number], read)?)
    }

    /// Inserts a request and returns its number.
    pub fn request_rollback(&mut self, request: &NewRollback<'_>) -> Result<u32> {
        self.write(
            "rollback.request",
            "INSERT INTO rollbacks(requested_ms, baseline, name, attempt, outcome, lineage, world_commit, last_mission) \
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, \
                 (SELECT coalesce(max(number), 0) FROM world_commits), \
                 (SELECT coalesce(max(number), 0) FROM missions)",
            params![
                request.requested_ms,
                request.to.baseline.as_bytes(),
                request.to.name,
                request.attempt,
                Outcome::Requested.name(),
                request.lineage,
            ],
        )?;
        Ok(u32::try_from(self.connection.last_insert_rowid())?)
    }

    /// Records the outcome of a request. Fails unless its outcome so far is `from`, and `from` may
    /// become `to`.
    pub fn end_rollback(
        &mut self,
        number: u32,
        (from, to): (Outcome, Outcome),
        ended_ms: i64,
    ) -> Result<()> {
        ensure!(
            from.may_become(to),
            "rollback {number}: is {from} and can't become {to}"
        );
        self.write(
            "rollback.outcome",
            "UPDATE rollbacks SET outcome = ?3, ended_ms = ?4 WHERE number = ?1 AND outcome = ?2",
            params![number, from.name(), to.name(), ended_ms],
        )?;
        ensure!(
            self.connection.changes() == 1,
            "rollback {number}: is not in the log as {from}"
        );
        Ok(())
    }

    /// Writes the intent of a rollback; committing the transaction makes it binding. Replaces the
    /// record of artefacts by `record`. `before` is the baseline of the present state, or `None` if
    /// the state is set aside; `lineage` is the number of the newest baseline of the state root.
    pub fn promise_rollback(
        &mut self,
        number: u32,
        before: Option<&Link>,
        lineage: u32,
        record: &[IndexEntry],
    ) -> Result<()> {
        self.write(
            "rollback.promise",
            "UPDATE rollbacks SET outcome = 'promised', before_baseline = ?2, before_name = ?3, lineage = ?4 \
             WHERE number = ?1 AND outcome = 'requested'",
            params![
                number,
                before.map(|before| before.baseline.as_bytes()),
                before.map(|before| &before.name),
                lineage
            ],
        )?;
        ensure!(
            self.connection.changes() == 1,
            "rollback {number}: is not in the log as requested"
        );
        self.write("rollback.record", "DELETE FROM artefacts", [])?;
        for entry in record {
            self.write(
                "rollback.artefact",
                "INSERT INTO artefacts(path, bytes, sha256, mission) VALUES(?1, ?2, ?3, ?4)",
                params![
                    entry.path,
                    entry.bytes,
                    entry.sha256.as_bytes(),
                    entry.mission
                ],
            )?;
        }
        Ok(())
    }

    /// Returns every mission with a world commit, in the order of these commits. Such a mission
    /// completed.
    pub fn committed(&self) -> Result<Vec<Ended>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT world_commits.number, mission, mission_type, coalesce(finished_ms, created_ms) \
             FROM world_commits JOIN missions ON missions.number = mission ORDER BY 1",
        )?;
        let rows = statement.query_map([], |row| {
            let mission_type: String = row.get(2)?;
            Ok(Ended {
                id: MissionId::new(row.get(1)?, &mission_type),
                is_complete: true,
                finished_ms: row.get(3)?,
                commit: row.get(0)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
