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
mod schema;

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use coo_kernel::form::digest::Digest;
use coo_kernel::journal::Blob;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Params, Transaction, params};

use crate::machine::fault;
use crate::machine::temporary::TemporaryFolder;
use crate::root::state_root::Modes;
use schema::{FORMAT, SCHEMA};

pub use changes::{ChangeFacts, ChangeRow};
pub use events::{EventFacts, Page};
pub use freezes::{FreezeRow, checkpoint};
pub use frozen::FrozenCall;
pub use missions::{Facts, MissionRow, NewMission};
pub use rollbacks::NewRollback;

/// A log longer than this is emptied into the database when a run has ended.
pub const LOG_BYTES_KEPT: u64 = 8 << 20;

/// The file's name in the state root.
pub const FILE: &str = "coo.db";
/// Readers and the one writer hardly ever meet; when they do, it is for moments.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a store that changes meanwhile is copied anew.
const COPY_ATTEMPTS: usize = 10;

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
    /// The write-ahead log, from the first transaction on: the file that `SQLite` writes to,
    /// whatever has its name by the time it is synced.
    log: Option<File>,
}

/// Refuses a database one of whose files is a pipe or the like: `SQLite` would wait for it. And one
/// that has a second name, through which what is written here would appear elsewhere. (A link in
/// the place of the database it refuses itself.)
pub fn check_plain(database: &Path) -> Result<()> {
    check_files(database)?;
    for path in files(database) {
        if path.symlink_metadata().is_ok_and(|file| file.nlink() > 1) {
            bail!(
                "{}: is a hard link, so what is written to it is written to another file, too; put a copy in its place",
                path.display()
            );
        }
    }
    Ok(())
}

/// As `check_plain`, of one that is only read.
fn check_files(database: &Path) -> Result<()> {
    for path in files(database) {
        let Ok(metadata) = path.symlink_metadata() else {
            continue;
        };
        if metadata.is_symlink() && path != database {
            bail!("{}: is a symbolic link; remove it", path.display());
        }
        if !metadata.is_file() && !metadata.is_symlink() {
            bail!("{}: is no plain file; move it away", path.display());
        }
    }
    Ok(())
}

/// A database, its write-ahead log and the index of that.
fn files(database: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|suffix| beside(database, suffix))
}

/// The file whose name is that of `database` and `suffix`.
fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

impl Store {
    /// Opens the store below `root`, making it if need be. The caller alone writes to `root`.
    pub fn open_or_create(root: &Path) -> Result<Self> {
        let store = Self::connect(root, OpenFlags::SQLITE_OPEN_CREATE)?;
        let prepared = (|| {
            if store.is_empty()? {
                store.create()?;
            }
            store.prepare()
        })();
        prepared.with_context(|| store.shown())?;
        Ok(store)
    }

    /// Opens the store below `root` as it is: `None` where nobody has made it yet, or a process
    /// was killed while it did.
    pub fn open(root: &Path) -> Result<Option<Self>> {
        let store = Self::connect(root, OpenFlags::empty())?;
        let prepared = (|| {
            if store.is_empty()? {
                return Ok(false);
            }
            store.prepare().map(|()| true)
        })();
        let is_there = prepared.with_context(|| store.shown())?;
        Ok(is_there.then_some(store))
    }

    #[allow(clippy::disallowed_methods, reason = "SQLite writes its own file")]
    fn connect(root: &Path, more: OpenFlags) -> Result<Self> {
        let path = root.join(FILE);
        let shown = || format!("database {}", path.display());
        // SQLite follows no link, not even one on the way; only the file's own name matters.
        let resolved = root.canonicalize().with_context(shown)?.join(FILE);
        check_plain(&path).with_context(shown)?;
        let flags = more
            | OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        Modes::create_database(root, FILE);
        let connection = Connection::open_with_flags(&resolved, flags)
            .with_context(|| format!("{}: can't be opened", shown()))?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        Ok(Self {
            connection,
            in_transaction: false,
            path,
            log: None,
        })
    }

    fn shown(&self) -> String {
        format!("database {}", self.path.display())
    }

    /// Opens a copy of the store below `root`, for reading, where `root` can't be written to:
    /// `SQLite` needs an index beside a database in WAL mode, even for reading it.
    #[allow(
        clippy::disallowed_methods,
        reason = "a copy in a temporary folder, for roots that can only be read"
    )]
    pub fn open_copy(root: &Path) -> Result<Option<(TemporaryFolder, Self)>> {
        let folder = TemporaryFolder::new("read")?;
        check_files(&root.join(FILE))
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
                    to.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
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
                return Ok(store.map(|store| (folder, store)));
            }
        }
        bail!(
            "database {}: can't be read while it changes, since this process may not write beside it; try again",
            root.join(FILE).display()
        );
    }

    /// Whether nobody has made a table in it.
    fn is_empty(&self) -> Result<bool> {
        if self.format()? != 0 {
            return Ok(false);
        }
        let tables: i64 =
            self.connection
                .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if tables > 0 {
            bail!("is not one that coo made; move it away");
        }
        Ok(true)
    }

    fn create(&self) -> Result<()> {
        self.connection.execute_batch(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; BEGIN IMMEDIATE;",
        )?;
        self.connection.execute_batch(SCHEMA)?;
        self.connection
            .pragma_update(None, "user_version", FORMAT)?;
        Ok(self.connection.execute_batch("COMMIT")?)
    }

    fn prepare(&self) -> Result<()> {
        let found = self.format()?;
        if found != FORMAT {
            bail!(
                "has format {found}, this build reads {FORMAT}; use the coo that wrote it, or another state root (--root)"
            );
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
            self.open_log().map(drop).with_context(|| self.unsynced())?;
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
            // Before anything is said to be committed: from a log that nobody finds, nothing is.
            self.check_log()?;
            fault::point("journal.commit").with_context(|| self.unwritable())?;
            self.perform("COMMIT", [])?;
            self.in_transaction = false;
        }
        // What `synchronous=FULL` does on every commit; it can't be switched commit by commit.
        if durability == Durability::Power {
            fault::point("journal.sync")
                .and_then(|()| self.open_log()?.sync_data())
                .with_context(|| self.unsynced())?;
        }
        self.shrink_log();
        Ok(())
    }

    fn log_path(&self) -> PathBuf {
        beside(&self.path, "-wal")
    }

    fn unsynced(&self) -> String {
        format!(
            "database log {}: can't be synced",
            self.log_path().display()
        )
    }

    /// The write-ahead log, which `SQLite` has opened by now.
    fn open_log(&mut self) -> std::io::Result<&File> {
        let log = match self.log.take() {
            Some(log) => log,
            // Closing it takes no lock away: the log itself has none.
            None => File::open(self.log_path())?,
        };
        Ok(self.log.insert(log))
    }

    /// Refuses a log whose name is another file's by now, or nobody's.
    fn check_log(&mut self) -> Result<()> {
        let path = self.log_path();
        let own = self
            .open_log()
            .and_then(File::metadata)
            .with_context(|| self.unsynced())?;
        let is_in_place = path
            .symlink_metadata()
            .is_ok_and(|found| (found.dev(), found.ino()) == (own.dev(), own.ino()));
        if !is_in_place {
            bail!(
                "database log {}: was removed or replaced while it was written to, so nothing more can be kept; let no other program change it, and run the command once more",
                path.display()
            );
        }
        Ok(())
    }

    /// Empties a large log into the database and cuts it short, unless somebody reads from it:
    /// then a later commit does. What is committed stays so, whether this succeeds or not.
    pub fn shrink_log(&self) {
        let bytes = self
            .log_path()
            .symlink_metadata()
            .map_or(0, |log| log.len());
        if bytes > LOG_BYTES_KEPT && fault::point("journal.shrink").is_ok() {
            // Nobody is waited for.
            let _ = self.connection.busy_timeout(Duration::ZERO);
            let _ = checkpoint(&self.connection);
            let _ = self.connection.busy_timeout(BUSY_TIMEOUT);
        }
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
