//! Missions in the store: what was run, and the facts of its one execution here. A mission's
//! state is not among them: it is the fold of its events.

use anyhow::{Context as _, Result, ensure};
use coo_kernel::effects::artefact::Artefact;
use coo_kernel::form::digest::Digest;
use coo_kernel::mission::MissionId;
use coo_kernel::mission::ledger::Used;
use coo_kernel::root::index::Entry;
use rusqlite::types::Type;
use rusqlite::{OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize};

use super::Store;

/// What is known when a mission is created.
#[derive(Debug)]
pub struct NewMission<'a> {
    /// As the descriptor names it.
    pub mission_type: &'a str,
    /// What the user asked to run.
    pub name: &'a str,
    /// Of the canonical descriptor, which is among the blobs.
    pub descriptor: Digest,
    /// Of the module, which is in `modules/`.
    pub module: Digest,
    /// Milliseconds since 1970.
    pub created_ms: i64,
    /// What is known before it runs: model and engine.
    pub facts: &'a Facts,
}

/// Facts of this machine and this execution: beside the record, never in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Facts {
    /// SHA-256 of the configuration in force.
    pub config_sha256: Option<Digest>,
    /// SHA-256 of what identifies system and environment.
    pub environment_sha256: Option<Digest>,
    /// The engine: name, version and settings.
    pub engine: String,
    /// SHA-256 of that.
    pub engine_sha256: Option<Digest>,
    /// Fuel used by all steps.
    pub fuel: u64,
    /// Largest sum of linear memories, in bytes.
    pub memory_peak_bytes: u64,
    /// Where a trap happened, innermost first.
    pub backtrace: Vec<String>,
    /// Wall-clock time of the run, in microseconds; of a resumed mission, of all its processes
    /// that were not killed.
    pub elapsed_us: u64,
    /// The process that ran it.
    pub pid: u32,
    /// The model in force, where the module can ask one.
    pub model: Option<String>,
    /// How often it was resumed.
    pub resumed: u64,
    /// What was counted; none of a run of an earlier release.
    pub used: Option<Used>,
}

impl Facts {
    /// The engine that mission `id` ran under. Whether fuel can be compared depends on it, so its
    /// two parts must agree: its text, and the digest of that.
    pub fn engine(&self, id: MissionId) -> Result<Digest> {
        let found = Digest::of(&self.engine);
        ensure!(
            self.engine_sha256 == Some(found),
            "mission {id}: what is recorded of its engine was changed after the run (it has SHA-256 {}, recorded is {}), so its fuel can't be compared; take the state root or the file from a copy",
            found.short(),
            self.engine_sha256
                .map_or("none".to_owned(), |digest| digest.short())
        );
        Ok(found)
    }
}

/// A mission as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MissionRow {
    /// Its id.
    pub id: MissionId,
    /// As the descriptor names it.
    pub mission_type: String,
    /// What the user asked to run.
    pub name: String,
    /// Of the canonical descriptor.
    pub descriptor: Digest,
    /// Of the module.
    pub module: Digest,
    /// Milliseconds since 1970.
    pub created_ms: i64,
    /// When it ended or was stopped.
    pub finished_ms: Option<i64>,
    /// Why it was stopped from outside the record.
    pub interrupted: Option<String>,
    /// See `Facts`.
    pub facts: Facts,
}

/// Mission numbers stay below this, so that with a sequence number they fit 64 bits.
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
    /// Gives a new mission its number.
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
            .context("state root: its mission numbers are used up; start a new one with --root")?;
        Ok(MissionId::new(number, mission.mission_type))
    }

    /// Takes over a mission of another store, number and all.
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

    /// Notes that an interrupted mission is being run on.
    pub fn resume_mission(&mut self, id: MissionId, facts: &Facts) -> Result<()> {
        self.write(
            "journal.resume",
            "UPDATE missions SET finished_ms = NULL, interrupted = NULL, facts = ?2 \
             WHERE number = ?1",
            params![id.number(), serde_json::to_string(facts)?],
        )
    }

    /// Writes down how an execution ended; a mission that waits for a person has not finished.
    pub fn finish_mission(
        &mut self,
        id: MissionId,
        finished_ms: Option<i64>,
        interrupted: Option<&str>,
        facts: &Facts,
    ) -> Result<()> {
        self.write(
            "journal.finish",
            "UPDATE missions SET finished_ms = ?2, interrupted = ?3, facts = ?4 WHERE number = ?1",
            params![
                id.number(),
                finished_ms,
                interrupted,
                serde_json::to_string(facts)?
            ],
        )
    }

    /// The mission with this id, if there is one.
    pub fn mission(&self, id: MissionId) -> Result<Option<MissionRow>> {
        let row = self
            .connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM missions WHERE number = ?1"))?
            .query_row([id.number()], read)
            .optional()?;
        // DEMO-000001 and MISSION-000001 share a number; only one of them exists.
        Ok(row.filter(|row| row.id == id))
    }

    /// All missions, oldest first.
    pub fn missions(&self) -> Result<Vec<MissionRow>> {
        let mut statement = self
            .connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM missions ORDER BY number"))?;
        let rows = statement.query_map([], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The mission that was created last.
    pub fn latest_mission(&self) -> Result<Option<MissionRow>> {
        Ok(self
            .connection
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM missions ORDER BY number DESC LIMIT 1"
            ))?
            .query_row([], read)
            .optional()?)
    }

    /// Promises the world changes of a mission: the commit that carries this makes them real.
    pub fn promise_world(&mut self, id: MissionId) -> Result<u32> {
        self.write(
            "journal.promise",
            "INSERT INTO world_commits(number, mission, applied) \
                 SELECT 1 + coalesce(max(number), 0), ?1, 0 FROM world_commits",
            [id.number()],
        )?;
        Ok(u32::try_from(self.connection.last_insert_rowid())?)
    }

    /// Enters what a mission promises into the record of artefacts. What is there already with
    /// the same content stays as it is.
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

    /// The artefact whose path differs from `path` in case at most: its own path, and the digest
    /// of its content.
    pub fn artefact_like(&self, path: &str) -> Result<Option<(String, Digest)>> {
        Ok(self
            .connection
            .prepare_cached("SELECT path, sha256 FROM artefacts WHERE path = ?1 COLLATE NOCASE ORDER BY path = ?1 DESC LIMIT 1")?
            .query_row([path], |row| {
                Ok((row.get(0)?, Digest::from_bytes(row.get(1)?)))
            })
            .optional()?)
    }

    /// Every artefact on record, sorted by path.
    pub fn artefacts(&self) -> Result<Vec<Entry>> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT path, bytes, sha256, mission FROM artefacts ORDER BY path")?;
        let rows = statement.query_map([], |row| {
            Ok(Entry {
                path: row.get(0)?,
                bytes: row.get(1)?,
                sha256: Digest::from_bytes(row.get(2)?),
                mission: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// World commits that were promised and are not known to be applied, in order.
    pub fn promised_worlds(&self) -> Result<Vec<(u32, MissionId)>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT world_commits.number, mission, mission_type FROM world_commits \
             JOIN missions ON missions.number = mission WHERE applied = 0 ORDER BY 1",
        )?;
        let rows = statement.query_map([], |row| {
            let mission_type: String = row.get(2)?;
            Ok((row.get(0)?, MissionId::new(row.get(1)?, &mission_type)))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Notes that a world commit is applied and on disk.
    pub fn world_applied(&mut self, commit: u32) -> Result<()> {
        self.write(
            "journal.applied",
            "UPDATE world_commits SET applied = 1 WHERE number = ?1",
            [commit],
        )
    }
}
