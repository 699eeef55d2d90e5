//! Batches in the store: the list of missions that run at once, each with its descriptor and module as
//! they were when the batch began, so that it can be continued without the files. Never decides an order.

use anyhow::Result;
use coo_kernel::form::digest::Digest;
use coo_kernel::mission::MissionId;
use rusqlite::{OptionalExtension as _, Row, params};

use super::Store;

/// A mission of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchItem {
    /// Place in the list, counted from 1.
    pub place: u32,
    /// What the list calls it, if it says so.
    pub label: Option<String>,
    /// Name of the mission, as in the mission's row.
    pub name: String,
    /// SHA-256 of the canonical descriptor, which is among the blobs.
    pub descriptor: Digest,
    /// SHA-256 of the module, which is in `modules/`.
    pub module: Digest,
    /// The mission, once it has its number.
    pub mission: Option<MissionId>,
}

/// A batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchRow {
    pub number: u32,
    /// Milliseconds since 1970.
    pub created_ms: i64,
    /// Number of its missions.
    pub missions: u32,
    /// How it was begun, as the command line stores it.
    pub options: String,
    /// When its last mission ended; `None` while it can be continued.
    pub ended_ms: Option<i64>,
}

/// Items that are read at once.
const PAGE_ITEMS: u32 = 256;

fn item(row: &Row<'_>) -> rusqlite::Result<BatchItem> {
    let number: Option<u32> = row.get(5)?;
    let mission_type: Option<String> = row.get(6)?;
    Ok(BatchItem {
        place: row.get(0)?,
        label: row.get(1)?,
        name: row.get(2)?,
        descriptor: Digest::from_bytes(row.get(3)?),
        module: Digest::from_bytes(row.get(4)?),
        mission: number
            .zip(mission_type)
            .map(|(number, mission_type)| MissionId::new(number, &mission_type)),
    })
}

impl Store {
    /// Creates a batch of `missions` missions and returns its number. Its items follow in the same
    /// transaction.
    pub fn create_batch(&mut self, created_ms: i64, missions: u32, options: &str) -> Result<u32> {
        self.write(
            "journal.batch",
            "INSERT INTO batches(created_ms, missions, options) VALUES(?1, ?2, ?3)",
            params![created_ms, missions, options],
        )?;
        Ok(u32::try_from(self.connection.last_insert_rowid())?)
    }

    /// Adds an item to a batch.
    pub fn add_to_batch(&mut self, batch: u32, item: &BatchItem) -> Result<()> {
        self.write(
            "journal.batch_item",
            "INSERT INTO batch_items(batch, place, label, name, descriptor_sha256, module_sha256) \
             VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                batch,
                item.place,
                item.label,
                item.name,
                item.descriptor.as_bytes(),
                item.module.as_bytes()
            ],
        )
    }

    /// Names the process that runs a batch.
    pub fn set_batch_process(&mut self, batch: u32, name: &str) -> Result<()> {
        self.write(
            "journal.batch_process",
            "UPDATE batches SET process = ?2 WHERE number = ?1",
            params![batch, name],
        )
    }

    /// Returns the process that was last to run a batch.
    pub fn batch_process(&self, batch: u32) -> Result<Option<String>> {
        let name = self
            .connection
            .prepare_cached("SELECT process FROM batches WHERE number = ?1")?
            .query_row([batch], |row| row.get(0))
            .optional()?;
        Ok(name.flatten())
    }

    /// Records which mission an item of a batch has become.
    pub fn begin_batch_item(&mut self, batch: u32, place: u32, mission: MissionId) -> Result<()> {
        self.write(
            "journal.batch_begin",
            "UPDATE batch_items SET mission = ?3 WHERE batch = ?1 AND place = ?2",
            params![batch, place, mission.number()],
        )
    }

    /// Returns whether every mission of a batch has ended.
    pub fn is_batch_done(&self, batch: u32) -> Result<bool> {
        Ok(self
            .connection
            .prepare_cached(
                "SELECT NOT EXISTS (SELECT 1 FROM batch_items \
                 LEFT JOIN missions ON missions.number = mission \
                 WHERE batch = ?1 AND (finished_ms IS NULL OR interrupted IS NOT NULL))",
            )?
            .query_row([batch], |row| row.get(0))?)
    }

    /// Records that every mission of a batch has ended.
    pub fn end_batch(&mut self, batch: u32, ended_ms: i64) -> Result<()> {
        self.write(
            "journal.batch_end",
            "UPDATE batches SET ended_ms = ?2 WHERE number = ?1",
            params![batch, ended_ms],
        )
    }

    /// Returns a batch, if there is one of this number.
    pub fn batch(&self, number: u32) -> Result<Option<BatchRow>> {
        Ok(self
            .connection
            .prepare_cached(
                "SELECT number, created_ms, missions, options, ended_ms FROM batches WHERE number = ?1",
            )?
            .query_row([number], |row| {
                Ok(BatchRow {
                    number: row.get(0)?,
                    created_ms: row.get(1)?,
                    missions: row.get(2)?,
                    options: row.get(3)?,
                    ended_ms: row.get(4)?,
                })
            })
            .optional()?)
    }

    /// Returns the next items of a batch after `place`, in order; none at its end.
    pub fn batch_items(&self, batch: u32, place: u32) -> Result<Vec<BatchItem>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT place, label, batch_items.name, batch_items.descriptor_sha256, \
                    batch_items.module_sha256, mission, mission_type \
             FROM batch_items LEFT JOIN missions ON missions.number = mission \
             WHERE batch = ?1 AND place > ?2 ORDER BY place LIMIT ?3",
        )?;
        let rows = statement.query_map(params![batch, place, PAGE_ITEMS], item)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
