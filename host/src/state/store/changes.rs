//! Governed changes of repositories in the store: one row for each change, and its events.
//! Invariants: events are only ever appended, and facts about a moment or a machine are stored
//! beside them, never in them.

use anyhow::{Context as _, Result, ensure};
use coo_engines::change::{ChangeId, Damaged, Log, Record, Route};
use coo_kernel::form::digest::Digest;
use rusqlite::types::Type;
use rusqlite::{OptionalExtension as _, Row, params};

use super::Store;

/// A change as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeRow {
    pub id: ChangeId,
    /// Path of the repository, in the text form of paths.
    pub repository: String,
    /// Path of the configuration that the user named.
    pub config: Option<String>,
    /// SHA-256 of what identifies the machine and its environment.
    pub environment_sha256: Digest,
    /// Time of its start, in milliseconds since 1970.
    pub created_ms: i64,
    /// Time at which it reached its final stage, in milliseconds since 1970.
    pub ended_ms: Option<i64>,
}

/// Facts stored beside an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeFacts {
    /// Time of the event, in milliseconds since 1970.
    pub at_ms: i64,
    /// The user whose process recorded the event.
    pub by: String,
}

const COLUMNS: &str = "number, route, repository, config, environment_sha256, created_ms, ended_ms";

fn text_error(
    column: usize,
    error: impl std::error::Error + Send + Sync + 'static,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}

fn read(row: &Row<'_>) -> rusqlite::Result<ChangeRow> {
    let route: String = row.get(1)?;
    let route: Route = route.parse().map_err(|error| text_error(1, error))?;
    Ok(ChangeRow {
        id: ChangeId {
            number: row.get(0)?,
            route,
        },
        repository: row.get(2)?,
        config: row.get(3)?,
        environment_sha256: Digest::from_bytes(row.get(4)?),
        created_ms: row.get(5)?,
        ended_ms: row.get(6)?,
    })
}

fn event_id(change: u32, seq: u64) -> Result<i64> {
    let seq = u32::try_from(seq).context("change: has more events than can be counted")?;
    Ok((i64::from(change) << 32) | i64::from(seq))
}

impl Store {
    /// Inserts a change and returns its id.
    pub fn create_change(&mut self, route: Route, row: &ChangeRow) -> Result<ChangeId> {
        self.write(
            "change.create",
            "INSERT INTO changes(route, repository, config, environment_sha256, created_ms) \
             VALUES(?1, ?2, ?3, ?4, ?5)",
            params![
                route.name(),
                row.repository,
                row.config,
                row.environment_sha256.as_bytes(),
                row.created_ms
            ],
        )?;
        Ok(ChangeId {
            number: u32::try_from(self.connection.last_insert_rowid())?,
            route,
        })
    }

    /// Returns every change, oldest first.
    pub fn changes(&self) -> Result<Vec<ChangeRow>> {
        let mut statement = self
            .connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM changes ORDER BY number"))?;
        let rows = statement.query_map([], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Returns the change with this id; `None` if there is none.
    pub fn change(&self, id: ChangeId) -> Result<Option<ChangeRow>> {
        let mut statement = self
            .connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM changes WHERE number = ?1"))?;
        let row = statement.query_row([id.number], read).optional()?;
        Ok(row.filter(|row| row.id == id))
    }

    /// Returns the unfinished change to which this freeze belongs.
    pub fn change_frozen_by(&self, freeze: u32) -> Result<Option<ChangeId>> {
        for row in self.changes()? {
            if row.ended_ms.is_none()
                && self.walk_change(row.id, |_, _| Ok(()))?.progress.freeze == Some(freeze)
            {
                return Ok(Some(row.id));
            }
        }
        Ok(None)
    }

    /// Appends an event. A final stage also sets the time at which the change ended.
    pub fn append_change(
        &mut self,
        id: ChangeId,
        record: &Record,
        facts: &ChangeFacts,
    ) -> Result<()> {
        let event = event_id(id.number, record.seq)?;
        self.write(
            "change.event",
            "INSERT INTO change_events(id, stage, kind, body, prev_sha256, sha256) \
             VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                event,
                record.state.name(),
                record.kind.name(),
                record.body,
                record.prev.as_bytes(),
                record.sha256.as_bytes()
            ],
        )?;
        self.write(
            "change.facts",
            "INSERT INTO change_facts(id, at_ms, by_whom) VALUES(?1, ?2, ?3)",
            params![event, facts.at_ms, facts.by],
        )?;
        if record.state.is_final() {
            self.write(
                "change.end",
                "UPDATE changes SET ended_ms = ?2 WHERE number = ?1",
                params![id.number, facts.at_ms],
            )?;
        }
        Ok(())
    }

    /// Visits the events of a change in order, each after it was verified and folded. Returns the
    /// folded log.
    pub fn walk_change(
        &self,
        id: ChangeId,
        mut visit: impl FnMut(&Record, &ChangeFacts) -> Result<()>,
    ) -> Result<Log> {
        let mut statement = self.connection.prepare_cached(
            "SELECT events.id & 4294967295, stage, kind, body, prev_sha256, sha256, \
                 coalesce(at_ms, 0), coalesce(by_whom, '') \
             FROM change_events AS events LEFT JOIN change_facts USING(id) \
             WHERE events.id BETWEEN ?1 AND ?2 ORDER BY events.id",
        )?;
        let range = params![
            event_id(id.number, 0)?,
            event_id(id.number, u64::from(u32::MAX))?
        ];
        let mut rows = statement.query(range)?;
        let mut log = Log::default();
        while let Some(row) = rows.next()? {
            let record = record(row).with_context(|| format!("{id}"))?;
            let facts = ChangeFacts {
                at_ms: row.get(6)?,
                by: row.get(7)?,
            };
            log.verify(&record)
                .map_err(|damaged: Damaged| anyhow::Error::new(damaged))
                .with_context(|| format!("{id}"))?;
            visit(&record, &facts)?;
        }
        ensure!(
            log.progress.stage().is_some(),
            "{id}: has no events; its record was changed after it was written"
        );
        Ok(log)
    }
}

fn record(row: &Row<'_>) -> Result<Record> {
    let stage: String = row.get(1)?;
    let kind: String = row.get(2)?;
    Ok(Record {
        seq: row.get(0)?,
        state: stage
            .parse()
            .ok()
            .context("event: has a stage that there is not")?,
        kind: kind
            .parse()
            .context("event: has a kind that there is not")?,
        body: row.get(3)?,
        prev: Digest::from_bytes(row.get(4)?),
        sha256: Digest::from_bytes(row.get(5)?),
    })
}
