//! `coo.db`: missions, events, frozen calls and what belongs to them, in one `SQLite` file.
//!
//! Invariants: events are only ever added; facts of one machine or moment stand in tables
//! of their own and never in `events`. WAL, so that readers never wait for a run; commits
//! are synced exactly where somebody outside may already know of them (`Durability`).

mod changes;
mod covered;
mod events;
mod freezes;
mod frozen;
mod missions;
mod reports;
mod rollbacks;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use coo_kernel::digest::Digest;
use coo_kernel::journal::Blob;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Params, Transaction, params};
use tempfile::TempDir;

use crate::fault;

pub use changes::{ChangeFacts, ChangeRow};
pub use events::{EventFacts, Page};
pub use freezes::{FreezeRow, checkpoint};
pub use frozen::FrozenCall;
pub use missions::{Facts, MissionRow, NewMission};
pub use rollbacks::NewRollback;

/// The file's name in the state root.
pub const FILE: &str = "coo.db";
/// Version of everything this module stores. Another one is refused, never guessed at.
const FORMAT: i32 = 6;
/// Readers and the one writer hardly ever meet; when they do, it is for moments.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a store that changes meanwhile is copied anew.
const COPY_ATTEMPTS: usize = 10;

const SCHEMA: &str = "
CREATE TABLE missions(
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    mission_type TEXT NOT NULL,
    name TEXT NOT NULL,
    descriptor_sha256 BLOB NOT NULL,
    module_sha256 BLOB NOT NULL,
    created_ms INTEGER NOT NULL,
    finished_ms INTEGER,
    interrupted TEXT,
    facts TEXT NOT NULL
) STRICT;
-- id = mission << 32 | seq: events of a mission lie together, in order, in one b-tree.
CREATE TABLE events(
    id INTEGER PRIMARY KEY,
    mission INTEGER GENERATED ALWAYS AS (id >> 32) VIRTUAL,
    seq INTEGER GENERATED ALWAYS AS (id & 4294967295) VIRTUAL,
    state TEXT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    prev_sha256 BLOB NOT NULL,
    sha256 BLOB NOT NULL
) STRICT;
CREATE TRIGGER events_never_change BEFORE UPDATE ON events
    BEGIN SELECT RAISE(ABORT, 'events are immutable'); END;
CREATE TRIGGER events_never_vanish BEFORE DELETE ON events
    BEGIN SELECT RAISE(ABORT, 'events are immutable'); END;
CREATE TABLE event_facts(
    id INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    source TEXT,
    provenance TEXT
) STRICT;
CREATE TABLE blobs(sha256 BLOB NOT NULL UNIQUE, bytes BLOB NOT NULL) STRICT;
CREATE TABLE frozen_calls(
    request_sha256 BLOB NOT NULL,
    nth INTEGER NOT NULL,
    answer TEXT NOT NULL,
    provenance TEXT NOT NULL,
    PRIMARY KEY(request_sha256, nth)
) STRICT, WITHOUT ROWID;
CREATE TABLE world_commits(
    number INTEGER PRIMARY KEY,
    mission INTEGER NOT NULL UNIQUE,
    applied INTEGER NOT NULL
) STRICT;
";

/// What format 2 has more than format 1: the record of artefacts, which is told from the
/// promises that were made so far.
const ARTEFACTS: &str = "
CREATE TABLE artefacts(
    path TEXT PRIMARY KEY,
    bytes INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    mission TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX artefacts_by_any_case ON artefacts(path COLLATE NOCASE);
INSERT OR REPLACE INTO artefacts
    SELECT made.value ->> 'path', made.value ->> 'bytes', unhex(made.value ->> 'sha256'),
        printf(iif(mission_type = 'DEMO_V1_1', 'DEMO-%06d', 'MISSION-%06d'), missions.number)
    FROM world_commits
    JOIN missions ON missions.number = world_commits.mission
    JOIN events ON events.id BETWEEN missions.number << 32 AND (missions.number << 32) + 4294967295
        AND kind = 'world'
    JOIN json_each(body, '$.artefacts') AS made
    ORDER BY world_commits.number;
";

/// What format 3 has more than format 2: the log of rollbacks, which is their promise, too.
const ROLLBACKS: &str = "
CREATE TABLE rollbacks(
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    requested_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    baseline BLOB NOT NULL,
    name TEXT NOT NULL,
    before_baseline BLOB,
    before_name TEXT,
    attempt TEXT UNIQUE,
    outcome TEXT NOT NULL,
    lineage INTEGER NOT NULL,
    world_commit INTEGER NOT NULL,
    last_mission INTEGER NOT NULL
) STRICT;
CREATE TRIGGER rollbacks_end_once BEFORE UPDATE ON rollbacks
    WHEN old.outcome NOT IN ('requested', 'promised')
    BEGIN SELECT RAISE(ABORT, 'a rollback ends once'); END;
CREATE TRIGGER rollbacks_never_vanish BEFORE DELETE ON rollbacks
    BEGIN SELECT RAISE(ABORT, 'the rollback log is immutable'); END;
";

/// And the log of freezes, which is their promise, too.
const FREEZES: &str = "
CREATE TABLE freezes(
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    phase TEXT NOT NULL,
    frozen_ms INTEGER NOT NULL,
    lifted_ms INTEGER,
    by_whom TEXT NOT NULL,
    manifest TEXT NOT NULL
) STRICT;
CREATE TRIGGER freezes_go_one_way BEFORE UPDATE ON freezes
    WHEN (old.phase, new.phase) NOT IN
        (VALUES ('freezing', 'frozen'), ('frozen', 'lifting'), ('lifting', 'lifted'))
        OR new.manifest <> old.manifest OR new.frozen_ms <> old.frozen_ms
    BEGIN SELECT RAISE(ABORT, 'a freeze goes one way'); END;
CREATE TRIGGER freezes_never_vanish BEFORE DELETE ON freezes
    BEGIN SELECT RAISE(ABORT, 'the freeze log is immutable'); END;
";

/// What format 4 has more than format 3: governed changes of repositories.
const CHANGES: &str = "
CREATE TABLE changes(
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    route TEXT NOT NULL,
    repository TEXT NOT NULL,
    config TEXT,
    environment_sha256 BLOB NOT NULL,
    created_ms INTEGER NOT NULL,
    ended_ms INTEGER
) STRICT;
-- id = change << 32 | seq, as in events.
CREATE TABLE change_events(
    id INTEGER PRIMARY KEY,
    stage TEXT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    prev_sha256 BLOB NOT NULL,
    sha256 BLOB NOT NULL
) STRICT;
CREATE TRIGGER change_events_never_change BEFORE UPDATE ON change_events
    BEGIN SELECT RAISE(ABORT, 'events are immutable'); END;
CREATE TRIGGER change_events_never_vanish BEFORE DELETE ON change_events
    BEGIN SELECT RAISE(ABORT, 'events are immutable'); END;
CREATE TABLE change_facts(id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, by_whom TEXT NOT NULL) STRICT;
";

/// What a commit survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// A killed process.
    Process,
    /// A loss of power: synced to the disk before the call returns.
    Power,
}

/// The open store.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    in_transaction: bool,
    path: PathBuf,
    /// The write-ahead log.
    log: PathBuf,
}

/// Refuses a database one of whose files is a pipe or the like: `SQLite` would wait for it.
/// (A link it refuses itself.)
pub fn check_plain(database: &Path) -> Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        let mut path = database.as_os_str().to_owned();
        path.push(suffix);
        let path = PathBuf::from(path);
        if let Ok(metadata) = path.symlink_metadata()
            && !metadata.is_file()
            && !metadata.is_symlink()
        {
            bail!("{}: is no plain file; move it away", path.display());
        }
    }
    Ok(())
}

impl Store {
    /// Opens the store below `root`, creating it if need be.
    #[allow(clippy::disallowed_methods, reason = "SQLite writes its own file")]
    pub fn open(root: &Path) -> Result<Self> {
        let path = root.join(FILE);
        let shown = || format!("database {}", path.display());
        // SQLite follows no link, not even one on the way; only the file's own name matters.
        let resolved = root.canonicalize().with_context(shown)?.join(FILE);
        check_plain(&path).with_context(shown)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let connection = Connection::open_with_flags(&resolved, flags)
            .with_context(|| format!("{}: can't be opened", shown()))?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        let mut store = Self {
            connection,
            in_transaction: false,
            path: path.clone(),
            log: root.join(format!("{FILE}-wal")),
        };
        store.prepare().with_context(shown)?;
        Ok(store)
    }

    /// Opens a copy of the store below `root`, for reading, where `root` can't be written to:
    /// `SQLite` needs an index beside a database in WAL mode, even for reading it.
    #[allow(
        clippy::disallowed_methods,
        reason = "a copy in a temporary folder, for roots that can only be read"
    )]
    pub fn open_copy(root: &Path) -> Result<(TempDir, Self)> {
        let folder = TempDir::with_prefix("coo-read-")
            .context("temporary folder (TMPDIR, or the system's): can't be made")?;
        check_plain(&root.join(FILE))
            .with_context(|| format!("database {}", root.join(FILE).display()))?;
        let files = [FILE.to_owned(), format!("{FILE}-wal")];
        let state = || {
            files.each_ref().map(|name| {
                let metadata = std::fs::metadata(root.join(name)).ok()?;
                Some((metadata.len(), metadata.modified().ok()))
            })
        };
        for _ in 0..COPY_ATTEMPTS {
            let before = state();
            for name in &files {
                let copied = File::open(root.join(name)).and_then(|mut from| {
                    // Not `fs::copy`: it would copy that nobody may write to it.
                    let mut to = File::create(folder.path().join(name))?;
                    std::io::copy(&mut from, &mut to)
                });
                match copied {
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    copied => {
                        copied.with_context(|| {
                            format!("database {}: can't be copied", root.join(name).display())
                        })?;
                    }
                }
            }
            // Somebody who may write to it might be at work.
            if state() == before {
                let store = Self::open(folder.path())?;
                return Ok((folder, store));
            }
        }
        bail!(
            "database {}: can't be read while it changes, since this process may not write beside it; try again",
            root.join(FILE).display()
        );
    }

    fn prepare(&mut self) -> Result<()> {
        let found = self.format()?;
        if found == 0 {
            // The one writer holds the root's lock; a reader that gets here first waits on it.
            self.connection.execute_batch(
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; BEGIN IMMEDIATE;",
            )?;
            if self.format()? == 0 {
                self.connection.execute_batch(SCHEMA)?;
                self.upgrade(1)?;
            }
            self.connection.execute_batch("COMMIT")?;
        } else if (1..FORMAT).contains(&found) {
            self.connection.execute_batch("BEGIN IMMEDIATE")?;
            // Another process may have done it while this one waited.
            self.upgrade(self.format()?)?;
            self.connection.execute_batch("COMMIT")?;
        } else if found != FORMAT {
            bail!("has format {found}, this build reads {FORMAT}; use the coo that wrote it");
        }
        // The log is kept and reused. SQLite checkpoints it past 256 pages, a megabyte: whoever
        // opens the store next reads and checks every page that is still in the log.
        self.connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        self.connection.execute_batch(
            "PRAGMA synchronous=NORMAL; PRAGMA recursive_triggers=ON; PRAGMA trusted_schema=OFF; \
             PRAGMA temp_store=MEMORY; PRAGMA wal_autocheckpoint=256;",
        )?;
        Ok(())
    }

    /// From format `from` to this one.
    fn upgrade(&self, from: i32) -> Result<()> {
        if from < 2 {
            self.connection.execute_batch(ARTEFACTS)?;
        }
        if from < 3 {
            self.connection.execute_batch(ROLLBACKS)?;
            self.connection.execute_batch(FREEZES)?;
        }
        if from < 4 {
            self.connection.execute_batch(CHANGES)?;
        }
        if from < 5 {
            self.connection.execute_batch(reports::REPORTS)?;
            if let Some(root) = self.path.parent() {
                self.take_reports_over(root)?;
            }
        }
        if from < 6 {
            // A root neither holds machine code nor vouches for any (`code_cache`).
            self.connection
                .execute_batch("DROP TABLE IF EXISTS compiled_code")?;
        }
        Ok(self
            .connection
            .pragma_update(None, "user_version", FORMAT)?)
    }

    fn format(&self) -> Result<i32> {
        Ok(self
            .connection
            .pragma_query_value(None, "user_version", |row| row.get(0))?)
    }

    /// Whether the open transaction is gone although nobody ended it: `SQLite` does that where a
    /// write fails. What was written since the last commit went with it.
    pub fn is_rolled_back(&self) -> bool {
        self.in_transaction && self.connection.is_autocommit()
    }

    /// Makes sure a transaction is open. Everything written lands in it.
    pub fn begin(&mut self) -> Result<()> {
        if self.is_rolled_back() {
            // On its own, a later write would leave a gap before it.
            bail!("database: an earlier write failed, and all since the last commit with it");
        }
        if !self.in_transaction {
            self.perform("BEGIN IMMEDIATE", [])?;
            self.in_transaction = true;
        }
        Ok(())
    }

    /// One change in the open transaction; `point` is its name in `fault`.
    fn write(&mut self, point: &'static str, sql: &str, params: impl Params) -> Result<()> {
        self.begin()?;
        fault::point(point).with_context(|| self.unwritable())?;
        self.perform(sql, params)
    }

    fn perform(&self, sql: &str, params: impl Params) -> Result<()> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(params))
            .with_context(|| self.unwritable())?;
        Ok(())
    }

    /// Says which file it is; `SQLite` doesn't.
    fn unwritable(&self) -> String {
        format!("database {}: can't be written", self.path.display())
    }

    /// Commits what is open.
    pub fn commit(&mut self, durability: Durability) -> Result<()> {
        if self.in_transaction {
            fault::point("journal.commit").with_context(|| self.unwritable())?;
            self.perform("COMMIT", [])?;
            self.in_transaction = false;
        }
        // What `synchronous=FULL` does on every commit; it can't be switched commit by commit.
        if durability == Durability::Power {
            fault::point("journal.sync")
                .and_then(|()| File::open(&self.log))
                .and_then(|log| log.sync_data())
                .with_context(|| format!("database log {}: can't be synced", self.log.display()))?;
        }
        Ok(())
    }

    /// Until the returned value is dropped, everything read is of one moment, whoever writes.
    pub fn snapshot(&self) -> Result<Transaction<'_>> {
        Ok(self.connection.unchecked_transaction()?)
    }

    /// Keeps `content` under its digest; a second time is no change.
    pub fn put_blob(&mut self, content: &[u8]) -> Result<Blob> {
        let blob = Blob::of(content);
        self.put_content(&blob.sha256, content)?;
        Ok(blob)
    }

    /// As `put_blob`, where the digest is known already. A wrong one is noticed by whoever
    /// reads the content.
    pub fn put_content(&mut self, sha256: &Digest, content: &[u8]) -> Result<()> {
        self.write(
            "journal.content",
            "INSERT OR IGNORE INTO blobs(sha256, bytes) VALUES(?1, ?2)",
            params![sha256.as_bytes(), content],
        )
    }

    /// What was kept under `sha256`, verified.
    pub fn blob(&self, sha256: &Digest) -> Result<Vec<u8>> {
        let content: Option<Vec<u8>> = self
            .connection
            .prepare_cached("SELECT bytes FROM blobs WHERE sha256 = ?1")?
            .query_row([sha256.as_bytes()], |row| row.get(0))
            .optional()?;
        let content = content.with_context(|| format!("content {sha256}: not in the store"))?;
        if Digest::of(&content) != *sha256 {
            bail!("content {sha256}: was changed after it was written");
        }
        Ok(content)
    }
}
