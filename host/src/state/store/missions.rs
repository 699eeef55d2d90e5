//! Missions in the store: what was run, and facts about its execution on this machine. A mission's
//! state is not stored: it is the fold of the mission's events.

use anyhow::{Context as _, Result, ensure};
use coo_kernel::effects::artefact::Artefact;
use coo_kernel::form::digest::Digest;
use coo_kernel::mission::row::{Facts, MissionRow};
use coo_kernel::mission::{MissionId, MissionName};
use coo_kernel::state::index::IndexEntry;
use rusqlite::types::Type;
use rusqlite::{OptionalExtension as _, Row, params};

use super::Store;
use crate::hint::Hint as _;

/// What is known when a mission is created.
#[derive(Debug)]
pub struct NewMission<'a> {
    /// Type of the mission, as the descriptor names it.
    pub mission_type: &'a str,
    /// Name of the mission that the user asked to run.
    pub name: &'a str,
    /// SHA-256 of the canonical descriptor, which is among the blobs.
    pub descriptor: Digest,
    /// SHA-256 of the module, which is in `modules/`.
    pub module: Digest,
    /// Milliseconds since 1970.
    pub created_ms: i64,
    /// Facts known before the run: model and engine.
    pub facts: &'a Facts,
}

/// What missions and rollbacks have made of the world and the artefacts. Two equal versions of one
/// root have the same content.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WorldVersion {
    /// Number of the last world commit.
    commit: Option<u32>,
    /// Number of the last rollback.
    rollback: Option<u32>,
}

/// A world commit that has a committed intent and is not known to be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promised {
    pub number: u32,
    pub mission: MissionId,
    /// Whether the mission came from another root, by a merge.
    pub is_merged: bool,
}

/// `world_commits.applied` of a commit that a run has promised.
const PROMISED: i64 = 0;
/// The same of a commit that a merge has promised.
const PROMISED_BY_MERGE: i64 = -1;

/// Mission numbers stay below this, so that a number and a sequence number fit into 64 bits.
const NUMBERS_END: u32 = 1 << 31;

const COLUMNS: &str = "number, mission_type, name, descriptor_sha256, module_sha256, created_ms, \
                       finished_ms, interrupted, facts";

fn read(row: &Row<'_>) -> rusqlite::Result<MissionRow> {
    let mission_type: String = row.get(1)?;
    let facts: String = row.get(8)?;
    Ok(MissionRow {
        id: MissionId::new(row.get(0)?, &mission_type),
        mission_type,
        name: row.get(2)?,
        descriptor: Digest::from_bytes(row.get(3)?),
        module: Digest::from_bytes(row.get(4)?),
        created_ms: row.get(5)?,
        finished_ms: row.get(6)?,
        interrupted: row.get(7)?,
        facts: serde_json::from_str(&facts).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(8, Type::Text, Box::new(error))
        })?,
    })
}

impl Store {
    /// Inserts a new mission and returns its id.
    pub fn create_mission(&mut self, mission: &NewMission<'_>) -> Result<MissionId> {
        self.write(
            "journal.mission",
            "INSERT INTO missions(mission_type, name, descriptor_sha256, module_sha256, created_ms, facts) \
             VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                mission.mission_type,
                mission.name,
                mission.descriptor.as_bytes(),
                mission.module.as_bytes(),
                mission.created_ms,
                serde_json::to_string(mission.facts)?,
            ],
        )?;
        let number = u32::try_from(self.connection.last_insert_rowid())
            .ok()
            .filter(|number| *number < NUMBERS_END)
            .context("state root: its mission numbers are used up")
            .hint("start a new one with --root")?;
        Ok(MissionId::new(number, mission.mission_type))
    }

    /// Inserts a mission of another store with its number.
    pub fn insert_mission(&mut self, mission: &MissionRow) -> Result<()> {
        ensure!(
            (1..NUMBERS_END).contains(&mission.id.number()),
            "mission {}: there is no such number",
            mission.id
        );
        self.write(
            "journal.mission",
            &format!("INSERT INTO missions({COLUMNS}) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"),
            params![
                mission.id.number(),
                mission.mission_type,
                mission.name,
                mission.descriptor.as_bytes(),
                mission.module.as_bytes(),
                mission.created_ms,
                mission.finished_ms,
                mission.interrupted,
                serde_json::to_string(&mission.facts)?,
            ],
        )
    }

    /// Records that an interrupted mission is being resumed.
    pub fn resume_mission(&mut self, id: MissionId, facts: &Facts) -> Result<()> {
        self.write(
            "journal.resume",
            "UPDATE missions SET finished_ms = NULL, interrupted = NULL, facts = ?2, process = NULL \
             WHERE number = ?1",
            params![id.number(), serde_json::to_string(facts)?],
        )
    }

    /// Records how an execution ended. `finished_ms` is `None` for a mission that waits for a
    /// person.
    pub fn finish_mission(
        &mut self,
        id: MissionId,
        finished_ms: Option<i64>,
        interrupted: Option<&str>,
        facts: &Facts,
    ) -> Result<()> {
        self.write(
            "journal.finish",
            "UPDATE missions SET finished_ms = ?2, interrupted = ?3, facts = ?4, process = NULL \
             WHERE number = ?1",
            params![
                id.number(),
                finished_ms,
                interrupted,
                serde_json::to_string(facts)?
            ],
        )
    }

    /// Names the process that is at work on a mission without the root's lock.
    pub fn set_process(&mut self, id: MissionId, name: &str) -> Result<()> {
        self.write(
            "journal.process",
            "UPDATE missions SET process = ?2 WHERE number = ?1 AND process IS NOT ?2",
            params![id.number(), name],
        )
    }

    /// Returns the process that was last at work on a mission without the root's lock, unless the
    /// mission has ended or was stopped since.
    pub fn process(&self, id: MissionId) -> Result<Option<String>> {
        let name = self
            .connection
            .prepare_cached("SELECT process FROM missions WHERE number = ?1")?
            .query_row([id.number()], |row| row.get(0))
            .optional()?;
        Ok(name.flatten())
    }

    /// Returns the version of the world and the artefacts.
    pub fn world_version(&self) -> Result<WorldVersion> {
        Ok(self
            .connection
            .prepare_cached(
                "SELECT (SELECT max(number) FROM world_commits), (SELECT max(number) FROM rollbacks)",
            )?
            .query_row([], |row| {
                Ok(WorldVersion {
                    commit: row.get(0)?,
                    rollback: row.get(1)?,
                })
            })?)
    }

    /// Returns the mission with this id, if there is one.
    pub fn mission(&self, id: MissionId) -> Result<Option<MissionRow>> {
        // DEMO-000001 and MISSION-000001 have the same number; only one of them exists.
        Ok(self.numbered(id.number())?.filter(|row| row.id == id))
    }

    /// Returns the mission that a person calls by this name, if there is one.
    pub fn mission_named(&self, name: MissionName) -> Result<Option<MissionRow>> {
        let row = self.numbered(name.number())?;
        Ok(row.filter(|row| name.names(row.id)))
    }

    fn numbered(&self, number: u32) -> Result<Option<MissionRow>> {
        Ok(self
            .connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM missions WHERE number = ?1"))?
            .query_row([number], read)
            .optional()?)
    }

    /// Returns all missions, oldest first.
    pub fn missions(&self) -> Result<Vec<MissionRow>> {
        let mut statement = self
            .connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM missions ORDER BY number"))?;
        let rows = statement.query_map([], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Returns the newest mission.
    pub fn latest_mission(&self) -> Result<Option<MissionRow>> {
        Ok(self
            .connection
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM missions ORDER BY number DESC LIMIT 1"
            ))?
            .query_row([], read)
            .optional()?)
    }

    /// Writes the intent to apply a mission's changes to the missions' database (the world) and
    /// returns the number of that world commit. Committing the transaction makes the intent
    /// binding.
    pub fn promise_world(&mut self, id: MissionId) -> Result<u32> {
        self.promise(id, PROMISED)
    }

    /// Does the same as `promise_world` for a mission of another root.
    pub fn promise_merged(&mut self, id: MissionId) -> Result<u32> {
        self.promise(id, PROMISED_BY_MERGE)
    }

    fn promise(&mut self, id: MissionId, how: i64) -> Result<u32> {
        self.write(
            "journal.promise",
            "INSERT INTO world_commits(number, mission, applied) \
                 SELECT 1 + coalesce(max(number), 0), ?1, ?2 FROM world_commits",
            params![id.number(), how],
        )?;
        Ok(u32::try_from(self.connection.last_insert_rowid())?)
    }

    /// Inserts the artefacts of a mission into the record of artefacts. An entry that exists for a
    /// path stays as it is.
    pub fn enter_artefacts(&mut self, id: MissionId, artefacts: &[Artefact]) -> Result<()> {
        for artefact in artefacts {
            self.write(
                "journal.artefact",
                "INSERT OR IGNORE INTO artefacts(path, bytes, sha256, mission) VALUES(?1, ?2, ?3, ?4)",
                params![
                    artefact.path,
                    artefact.bytes,
                    artefact.sha256.as_bytes(),
                    id.to_string()
                ],
            )?;
        }
        Ok(())
    }

    /// Returns path and content digest of the artefact whose path equals `path`, ignoring ASCII
    /// case. Prefers an exact match.
    pub fn artefact_like(&self, path: &str) -> Result<Option<(String, Digest)>> {
        Ok(self
            .connection
            .prepare_cached("SELECT path, sha256 FROM artefacts WHERE path = ?1 COLLATE NOCASE ORDER BY path = ?1 DESC LIMIT 1")?
            .query_row([path], |row| {
                Ok((row.get(0)?, Digest::from_bytes(row.get(1)?)))
            })
            .optional()?)
    }

    /// Returns every artefact on record, sorted by path.
    pub fn artefacts(&self) -> Result<Vec<IndexEntry>> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT path, bytes, sha256, mission FROM artefacts ORDER BY path")?;
        let rows = statement.query_map([], |row| {
            Ok(IndexEntry {
                path: row.get(0)?,
                bytes: row.get(1)?,
                sha256: Digest::from_bytes(row.get(2)?),
                mission: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Returns the world commits that have a committed intent and are not known to be applied, in
    /// order.
    pub fn promised_worlds(&self) -> Result<Vec<Promised>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT world_commits.number, mission, mission_type, applied FROM world_commits \
             JOIN missions ON missions.number = mission WHERE applied IN (?1, ?2) ORDER BY 1",
        )?;
        let rows = statement.query_map([PROMISED, PROMISED_BY_MERGE], |row| {
            let mission_type: String = row.get(2)?;
            Ok(Promised {
                number: row.get(0)?,
                mission: MissionId::new(row.get(1)?, &mission_type),
                is_merged: row.get::<_, i64>(3)? == PROMISED_BY_MERGE,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Records that a world commit is applied and on the disk.
    pub fn world_applied(&mut self, commit: u32) -> Result<()> {
        self.write(
            "journal.applied",
            "UPDATE world_commits SET applied = 1 WHERE number = ?1",
            [commit],
        )
    }
}
