//! Freezes in the store: a log with one row for each freeze. The row holds the committed intent,
//! the state that was frozen, and digests of everything else that must not change. Rows are never
//! removed.

use anyhow::Result;
use coo_kernel::baseline::freeze::{FreezeManifest, Journal, Phase};
use coo_kernel::form::digest::Digest;
use rusqlite::types::Type;
use rusqlite::{Row, params};
use sha2::{Digest as _, Sha256};

use super::Store;

/// A freeze as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreezeRow {
    /// 1, 2, …
    pub number: u32,
    pub phase: Phase,
    /// Time at which its intent was committed, in milliseconds since 1970.
    pub frozen_ms: i64,
    /// Time at which lifting it began, in milliseconds since 1970.
    pub lifted_ms: Option<i64>,
    /// Who asked for it, or what it is for.
    pub by: String,
    /// What the freeze covers, as recorded when it began.
    pub manifest: FreezeManifest,
}

fn read(row: &Row<'_>) -> rusqlite::Result<FreezeRow> {
    let failed = |column: usize, error: Box<dyn std::error::Error + Send + Sync>| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error)
    };
    let phase: String = row.get(1)?;
    let manifest: String = row.get(5)?;
    Ok(FreezeRow {
        number: row.get(0)?,
        phase: phase.parse().map_err(|error| failed(1, Box::new(error)))?,
        frozen_ms: row.get(2)?,
        lifted_ms: row.get(3)?,
        by: row.get(4)?,
        manifest: FreezeManifest::parse(&manifest).map_err(|error| failed(5, Box::new(error)))?,
    })
}

const COLUMNS: &str = "number, phase, frozen_ms, lifted_ms, by_whom, manifest";

impl Store {
    /// Returns the freeze that is not over, if there is one.
    pub fn open_freeze(&self) -> Result<Option<FreezeRow>> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM freezes WHERE phase <> 'lifted' ORDER BY number DESC LIMIT 1"
        ))?;
        let mut rows = statement.query_map([], read)?;
        Ok(rows.next().transpose()?)
    }

    /// Writes the intent of a freeze and returns its number. Committing the transaction makes it
    /// binding.
    pub fn promise_freeze(
        &mut self,
        manifest: &FreezeManifest,
        by: &str,
        at_ms: i64,
    ) -> Result<u32> {
        self.write(
            "freeze.promise",
            "INSERT INTO freezes(phase, frozen_ms, by_whom, manifest) VALUES('freezing', ?1, ?2, ?3)",
            params![at_ms, by, manifest.to_text()],
        )?;
        Ok(u32::try_from(self.connection.last_insert_rowid())?)
    }

    /// Records that the files and permissions of a freeze are in place.
    pub fn freeze_holds(&mut self, number: u32) -> Result<()> {
        self.write(
            "freeze.holds",
            "UPDATE freezes SET phase = 'frozen' WHERE number = ?1",
            [number],
        )
    }

    /// Records that a freeze is being lifted.
    pub fn give_freeze_up(&mut self, number: u32, at_ms: i64) -> Result<()> {
        self.write(
            "freeze.give_up",
            "UPDATE freezes SET phase = 'lifting', lifted_ms = ?2 WHERE number = ?1",
            params![number, at_ms],
        )
    }

    /// Records that everything a freeze put in place is removed.
    pub fn freeze_is_over(&mut self, number: u32) -> Result<()> {
        self.write(
            "freeze.over",
            "UPDATE freezes SET phase = 'lifted' WHERE number = ?1",
            [number],
        )
    }

    /// Returns digests of the missions, their last events and the frozen answers, which a freeze
    /// covers.
    pub fn journal_digests(&self) -> Result<Journal> {
        let missions = self
            .connection
            .query_row("SELECT count(*) FROM missions", [], |row| row.get(0))?;
        Ok(Journal {
            frozen_calls_sha256: self.digest_of_rows(
                "SELECT request_sha256, nth, answer, provenance FROM frozen_calls ORDER BY 1, 2",
            )?,
            heads_sha256: self.digest_of_rows(
                "SELECT number, mission_type, name, descriptor_sha256, module_sha256, \
                     (last.id & ~4294967295) + last.last, last.sha256 \
                 FROM missions LEFT JOIN segments AS last ON last.id = \
                     (SELECT max(id) FROM segments WHERE id BETWEEN number << 32 AND (number << 32) + 4294967295) \
                 ORDER BY number",
            )?,
            missions,
        })
    }

    /// Hashes the rows of a query in its order. Different lists of rows never give the same bytes.
    fn digest_of_rows(&self, sql: &str) -> Result<Digest> {
        let mut hasher = Sha256::new();
        let mut statement = self.connection.prepare(sql)?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            for column in 0..columns {
                let value = format!("{:?}", row.get_ref(column)?);
                hasher.update((value.len() as u64).to_le_bytes());
                hasher.update(value);
            }
        }
        Ok(Digest::from_bytes(hasher.finalize().into()))
    }

    /// Moves the write-ahead log into the database and truncates it. Returns false if a reader
    /// still needs the log.
    pub fn checkpoint(&self) -> Result<bool> {
        checkpoint(&self.connection)
    }
}

/// Checkpoints any database as `Store::checkpoint` does.
pub fn checkpoint(connection: &rusqlite::Connection) -> Result<bool> {
    let busy: i64 =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    Ok(busy == 0)
}
