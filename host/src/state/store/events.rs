//! Events in the store: a row has a segment of them, which was written at once, and readers take one
//! segment after the other, in bounded memory. This module never checks the chain; the kernel does, and
//! every reader passes the events through it.

use anyhow::{Context as _, Result};
use coo_kernel::form::digest::Digest;
use coo_kernel::journal::{EventFacts, Record, Segment};
use rusqlite::{OptionalExtension as _, Row, params};

use super::Store;

pub(super) fn id(mission: u32, seq: u64) -> Result<i64> {
    let seq =
        u32::try_from(seq).context("journal: more than 4,294,967,295 events in one mission")?;
    Ok(i64::from(mission) << 32 | i64::from(seq))
}

fn read(row: &Row<'_>) -> Result<Segment> {
    let text = row
        .get_ref(4)?
        .as_str()
        .context("journal: text of events")?;
    let sha256 = Digest::from_bytes(row.get(2)?);
    Ok(Segment::stored(
        row.get(0)?,
        row.get(1)?,
        sha256,
        text.to_owned(),
    ))
}

impl Store {
    /// Writes a segment of a mission's journal in the open transaction.
    pub(super) fn put_segment(&mut self, mission: u32, segment: &Segment) -> Result<()> {
        let end = segment.end();
        // Refused before it is written that it could not be read.
        id(mission, end.seq())?;
        self.write(
            "journal.event",
            "INSERT INTO segments(id, last, sha256, events) VALUES(?1, ?2, ?3, ?4)",
            params![
                id(mission, segment.first())?,
                end.seq(),
                end.head().as_bytes(),
                segment.text(),
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

    /// Reads the first segment of a mission that begins after event `seq`; `None` at the end. If
    /// `bytes_max` is given, a longer segment is left out, too.
    pub fn segment(
        &self,
        mission: u32,
        seq: u64,
        bytes_max: Option<usize>,
    ) -> Result<Option<Segment>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT first, last, sha256, octet_length(events), events FROM segments \
             WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT 1",
        )?;
        let mut rows = statement.query(params![
            id(mission, seq)?,
            id(mission, u64::from(u32::MAX))?
        ])?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        let bytes: usize = row.get(3)?;
        if bytes_max.is_some_and(|most| bytes > most) {
            return Ok(None);
        }
        read(row).map(Some)
    }

    /// Reads the segment that has event `seq` of a mission; `None` if no such event is there.
    pub(super) fn segment_with(&self, mission: u32, seq: u64) -> Result<Option<Segment>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT first, last, sha256, last >= ?3, events FROM segments \
             WHERE id > ?1 AND id <= ?2 ORDER BY id DESC LIMIT 1",
        )?;
        let mut rows = statement.query(params![id(mission, 0)?, id(mission, seq)?, seq])?;
        match rows.next()? {
            Some(row) if row.get(3)? => read(row).map(Some),
            _ => Ok(None),
        }
    }

    /// Reads events of a mission that follow `seq`, not verified; an empty list means the end.
    pub fn events_after(&self, mission: u32, seq: u64) -> Result<Vec<Record>> {
        let segment = match self.segment_with(mission, seq + 1)? {
            None => self.segment(mission, seq, None)?,
            found => found,
        };
        let mut events = segment.map_or_else(|| Ok(Vec::new()), |segment| segment.records())?;
        events.retain(|record| record.seq > seq);
        Ok(events)
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
