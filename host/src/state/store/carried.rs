//! Model answers of a run that executes again because the world has moved: its earlier execution
//! asked them, and nothing is asked or paid twice. They are kept until the mission has ended. Never
//! decides whether one is used.

use anyhow::Result;
use coo_kernel::form::digest::Digest;
use coo_kernel::journal::EventFacts;
use rusqlite::params;

use super::Store;
use super::events::id;

/// A model answer that an earlier execution of the same run was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    pub request_sha256: Digest,
    /// How often the run had made this request, this time included.
    pub nth: u64,
    /// Body of the outcome's event.
    pub outcome: String,
    /// The facts beside that event.
    pub facts: EventFacts,
    /// Whether the request was sent, and not answered by a frozen answer.
    pub sent: bool,
}

impl Store {
    /// Keeps an answer whose event is about to be removed.
    pub(super) fn carry(&mut self, mission: u32, carried: &Carried) -> Result<()> {
        self.write(
            "journal.carry",
            "INSERT OR REPLACE INTO carried_answers \
             (mission, request_sha256, nth, outcome, facts, sent) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                mission,
                carried.request_sha256.as_bytes(),
                carried.nth,
                carried.outcome,
                serde_json::to_string(&carried.facts)?,
                carried.sent
            ],
        )
    }

    /// Removes the events of a mission that has not ended, from `seq` on, with their facts.
    pub(super) fn cut(&mut self, mission: u32, seq: u64) -> Result<()> {
        for (point, table) in [
            ("journal.cut_facts", "event_facts"),
            ("journal.cut", "events"),
        ] {
            self.write(
                point,
                &format!("DELETE FROM {table} WHERE id >= ?1 AND id <= ?2"),
                params![id(mission, seq)?, id(mission, u64::from(u32::MAX))?],
            )?;
        }
        Ok(())
    }

    /// Returns the answers that are kept for a mission.
    pub fn carried(&self, mission: u32) -> Result<Vec<Carried>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT request_sha256, nth, outcome, facts, sent FROM carried_answers \
             WHERE mission = ?1",
        )?;
        let mut rows = statement.query([mission])?;
        let mut carried = Vec::new();
        while let Some(row) = rows.next()? {
            carried.push(Carried {
                request_sha256: Digest::from_bytes(row.get(0)?),
                nth: row.get(1)?,
                outcome: row.get(2)?,
                facts: serde_json::from_str(row.get_ref(3)?.as_str()?)?,
                sent: row.get(4)?,
            });
        }
        Ok(carried)
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
