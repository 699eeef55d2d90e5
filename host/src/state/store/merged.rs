//! What a merge of state roots needs of the store beside the reads and writes of a run: by what it knows
//! a run again, and an artefact in the place of another. Never decides which of two is kept.

use anyhow::Result;
use coo_kernel::effects::artefact::Artefact;
use coo_kernel::form::canonical;
use coo_kernel::form::digest::Digest;
use coo_kernel::mission::MissionId;
use coo_kernel::mission::row::MissionRow;
use rusqlite::params;
use sha2::{Digest as _, Sha256};

use super::Store;
use super::events::id;

impl Store {
    /// Returns the digest of one execution of a mission: of its journal, which ends with `chain_head`,
    /// and of all facts about its execution, but not of its number. A copy of the execution in another
    /// root has the same; another execution of the same mission has other times.
    pub fn run_digest(&self, mission: &MissionRow, chain_head: Digest) -> Result<Digest> {
        let unnumbered = MissionRow {
            id: mission.id.with_number(0),
            ..mission.clone()
        };
        let mut hasher = Sha256::new();
        hasher.update(canonical::to_string(&unnumbered)?);
        hasher.update(chain_head.as_bytes());
        let mut statement = self.connection.prepare_cached(
            "SELECT id & 4294967295, at_ms, source, provenance FROM event_facts \
             WHERE id > ?1 AND id <= ?2 ORDER BY id",
        )?;
        let number = mission.id.number();
        let mut rows =
            statement.query(params![id(number, 0)?, id(number, u64::from(u32::MAX))?])?;
        while let Some(row) = rows.next()? {
            let numbers: [i64; 2] = [row.get(0)?, row.get(1)?];
            let texts: [Option<String>; 2] = [row.get(2)?, row.get(3)?];
            for number in numbers {
                hasher.update(number.to_le_bytes());
            }
            for text in texts {
                // With its length, so that two texts are not taken for one.
                let text = text.unwrap_or_default();
                hasher.update((text.len() as u64).to_le_bytes());
                hasher.update(text);
            }
        }
        Ok(Digest::from_bytes(hasher.finalize().into()))
    }

    /// Enters an artefact of mission `id`, in place of one of the same path.
    pub fn replace_artefact(&mut self, id: MissionId, artefact: &Artefact) -> Result<()> {
        self.write(
            "merge.artefact",
            "INSERT OR REPLACE INTO artefacts(path, bytes, sha256, mission) VALUES(?1, ?2, ?3, ?4)",
            params![
                artefact.path,
                artefact.bytes,
                artefact.sha256.as_bytes(),
                id.to_string()
            ],
        )
    }
}
