//! Events in the store: appended one by one, and read page by page in bounded memory. This module
//! never checks the chain; the kernel does, and every reader passes the events through it.

use anyhow::{Context as _, Result};
use coo_kernel::form::digest::Digest;
use coo_kernel::journal::{EventFacts, Record};
use rusqlite::{OptionalExtension as _, params};

use super::Store;

/// Maximum number of events in a page: large enough that the cost of the query is negligible for
/// each event, small enough to bound memory.
const PAGE_EVENTS: u32 = 256;
/// A page ends with the event that reaches this many bytes of bodies. One body may have hundreds of
/// megabytes, so 256 of them together could exhaust memory.
const PAGE_BYTES: usize = 4 << 20;

/// Consecutive events, in order.
pub type Page = Vec<Record>;

pub(super) fn id(mission: u32, seq: u64) -> Result<i64> {
    let seq =
        u32::try_from(seq).context("journal: more than 4,294,967,295 events in one mission")?;
    Ok(i64::from(mission) << 32 | i64::from(seq))
}

impl Store {
    /// Appends an event in the open transaction.
    pub fn append(&mut self, mission: u32, record: &Record) -> Result<()> {
        self.write(
            "journal.event",
            "INSERT INTO events(id, state, kind, body, prev_sha256, sha256) \
             VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                id(mission, record.seq)?,
                record.state.name(),
                record.kind.name(),
                record.body,
                record.prev.as_bytes(),
                record.sha256.as_bytes(),
            ],
        )
    }

    /// Writes the facts beside an event, in place of earlier ones.
    pub fn put_facts(&mut self, mission: u32, seq: u64, facts: &EventFacts) -> Result<()> {
        let provenance = facts
            .provenance
            .as_ref()
            .map(serde_json::to_string)
            .transpose()?;
        self.write(
            "journal.facts",
            "INSERT OR REPLACE INTO event_facts(id, at_ms, source, provenance) \
             VALUES(?1, ?2, ?3, ?4)",
            params![id(mission, seq)?, facts.at_ms, facts.source, provenance],
        )
    }

    /// Reads the next events of a mission after `seq`, in order; an empty page means the end.
    pub fn page(&self, mission: u32, seq: u64) -> Result<Page> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, state, kind, body, prev_sha256, sha256 FROM events \
             WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3",
        )?;
        let mut rows = statement.query(params![
            id(mission, seq)?,
            id(mission, u64::from(u32::MAX))?,
            PAGE_EVENTS
        ])?;
        let mut page = Page::new();
        let mut bytes = 0;
        while bytes < PAGE_BYTES
            && let Some(row) = rows.next()?
        {
            page.push(Record {
                seq: row.get(0)?,
                state: row.get_ref(1)?.as_str()?.parse()?,
                kind: row.get_ref(2)?.as_str()?.parse()?,
                body: row.get(3)?,
                prev: Digest::from_bytes(row.get(4)?),
                sha256: Digest::from_bytes(row.get(5)?),
            });
            bytes += page.last().map_or(0, |record| record.body.len());
        }
        Ok(page)
    }

    /// Returns the facts beside an event, if there are any.
    pub fn event_facts(&self, mission: u32, seq: u64) -> Result<Option<EventFacts>> {
        let found: Option<(i64, Option<String>, Option<String>)> = self
            .connection
            .prepare_cached("SELECT at_ms, source, provenance FROM event_facts WHERE id = ?1")?
            .query_row([id(mission, seq)?], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .optional()?;
        found
            .map(|(at_ms, source, provenance)| {
                let provenance = provenance
                    .as_deref()
                    .map(serde_json::from_str)
                    .transpose()?;
                Ok(EventFacts {
                    at_ms,
                    source,
                    provenance,
                })
            })
            .transpose()
    }

    /// Returns whether the model call whose intent is event `seq` certainly has no answer, so that
    /// it can be sent again without asking.
    pub fn is_unanswered(&self, mission: u32, seq: u64) -> Result<bool> {
        let facts = self.event_facts(mission, seq)?;
        Ok(facts.is_some_and(|facts| facts.is_unanswered()))
    }
}
