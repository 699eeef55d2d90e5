//! Model answers that a run was given and that are not in its journal: those of an earlier execution,
//! which the world has overtaken, and those of calls that are made together, before the journal comes
//! to them. So nothing is asked or paid twice. They are kept until the mission has ended. Never decides
//! whether one is used.

use anyhow::Result;
use coo_kernel::form::digest::Digest;
use coo_kernel::journal::EventFacts;
use rusqlite::{OptionalExtension as _, params};
use serde::{Deserialize, Serialize};

use super::Store;
use super::events::id;

/// A request in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedInShort {
    pub max_tokens: Option<u32>,
    pub model: String,
}

/// A model call of a run beside its journal, and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    pub request_sha256: Digest,
    /// How often the run had made this request, this time included.
    pub nth: u64,
    /// Body of the outcome's event; `None` as long as there is no answer.
    pub outcome: Option<String>,
    /// The facts beside that event.
    pub facts: EventFacts,
    /// Whether the request was sent, and not answered by a frozen answer.
    pub sent: bool,
    /// `None` for a call that was in the journal.
    pub asked: Option<AskedInShort>,
}

impl Store {
    /// Keeps an answer whose event is about to be removed.
    pub(super) fn carry(&mut self, mission: u32, carried: &Carried) -> Result<()> {
        self.write(
            "journal.carry",
            "INSERT OR REPLACE INTO carried_answers \
             (mission, request_sha256, nth, outcome, facts, sent, asked) \
             VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                mission,
                carried.request_sha256.as_bytes(),
                carried.nth,
                carried.outcome,
                serde_json::to_string(&carried.facts)?,
                carried.sent,
                carried
                    .asked
                    .as_ref()
                    .map(serde_json::to_string)
                    .transpose()?
            ],
        )
    }

    /// Removes the events of a mission that has not ended, from `seq` on, with their facts.
    pub(super) fn cut(&mut self, mission: u32, seq: u64) -> Result<()> {
        // The segment that has the event before is written again without what follows.
        let holds = self.segment_with(mission, seq)?;
        let kept = match holds.filter(|segment| segment.first() < seq) {
            Some(segment) => Some((segment.first(), segment.before(seq)?)),
            None => None,
        };
        let first = kept.as_ref().map_or(seq, |(first, _)| *first);
        for (point, table, from) in [
            ("journal.cut_facts", "event_facts", seq),
            ("journal.cut", "segments", first),
        ] {
            self.write(
                point,
                &format!("DELETE FROM {table} WHERE id >= ?1 AND id <= ?2"),
                params![id(mission, from)?, id(mission, u64::from(u32::MAX))?],
            )?;
        }
        match kept {
            Some((_, kept)) => self.put_segment(mission, &kept),
            None => Ok(()),
        }
    }

    /// Returns the answers that are kept for a mission.
    pub fn carried(&self, mission: u32) -> Result<Vec<Carried>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT request_sha256, nth, outcome, facts, sent, asked FROM carried_answers \
             WHERE mission = ?1",
        )?;
        let mut rows = statement.query([mission])?;
        let mut carried = Vec::new();
        while let Some(row) = rows.next()? {
            let asked: Option<String> = row.get(5)?;
            carried.push(Carried {
                request_sha256: Digest::from_bytes(row.get(0)?),
                nth: row.get(1)?,
                outcome: row.get(2)?,
                facts: serde_json::from_str(row.get_ref(3)?.as_str()?)?,
                sent: row.get(4)?,
                asked: asked
                    .map(|asked| serde_json::from_str(&asked))
                    .transpose()?,
            });
        }
        Ok(carried)
    }

    /// Returns whether a model call of a mission may have been sent and has no answer: the one of event
    /// `seq`, which is the last of its journal, or one that was made together with others.
    pub fn is_in_doubt(&self, mission: u32, seq: Option<u64>) -> Result<bool> {
        if let Some(seq) = seq
            && !self.is_unanswered(mission, seq)?
        {
            return Ok(true);
        }
        let found: Option<i64> = self
            .connection
            .prepare_cached(
                "SELECT 1 FROM carried_answers WHERE mission = ?1 AND outcome IS NULL AND sent \
                 LIMIT 1",
            )?
            .query_row([mission], |row| row.get(0))
            .optional()?;
        Ok(found.is_some())
    }

    /// Forgets the answers that are kept for a mission, which has ended.
    pub fn forget_carried(&mut self, mission: u32) -> Result<()> {
        self.write(
            "journal.forget",
            "DELETE FROM carried_answers WHERE mission = ?1",
            [mission],
        )
    }
}
