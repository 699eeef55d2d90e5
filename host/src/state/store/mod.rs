//! `coo.db`: missions, events, frozen calls and everything that belongs to them, in one `SQLite`
//! file.
//!
//! Invariants: the events of a mission that has ended never change; before, they are only appended, or
//! the last ones replaced by a run that executes again (`carried`). Facts about one machine or moment are in tables of
//! their own, never in `events`. The database uses WAL, so readers never wait for a run. A commit
//! is synced exactly when its effect may already be visible outside this process (`Durability`).

mod batch;
mod batches;
mod carried;
#[cfg(feature = "repository")]
mod changes;
mod covered;
mod events;
mod freezes;
mod frozen;
mod merged;
mod missions;
mod reports;
mod rollbacks;
mod schema;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use coo_kernel::form::digest::Digest;
use coo_kernel::journal::Blob;
use coo_kernel::state::layout::STORE;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Params, Transaction, params};
use schema::SCHEMA;

use crate::hint::Hint as _;
use crate::machine::failpoint;
use crate::machine::temporary::TemporaryFolder;
use crate::machine::untimed::{Kind, Untimed};
use crate::state::modes::Modes;

pub use batch::WriteBatch;
pub use batches::{BatchItem, BatchRow};
pub use carried::{AskedInShort, Carried};
#[cfg(feature = "repository")]
pub use changes::{ChangeFacts, ChangeRow};
pub use freezes::{FreezeRow, checkpoint};
pub use frozen::FrozenCall;
pub use missions::{NewMission, Promised, WorldVersion};
pub use rollbacks::NewRollback;
pub use schema::FORMAT;

/// A log longer than this is emptied into the database when a run has ended.
pub const LOG_BYTES_KEPT: u64 = 8 << 20;

/// Readers and the one writer rarely block each other, and then only for moments.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Number of attempts to copy a store that changes meanwhile.
const COPY_ATTEMPTS: usize = 10;

/// What a commit survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The death of the process.
    Process,
    /// A loss of power: the commit is synced to the disk before the call returns.
    Power,
}

/// The open write-ahead log.
#[derive(Debug)]
struct Log {
    file: File,
    /// Device and inode.
    identity: (u64, u64),
}

/// The write-ahead log with all commits so far, some of which may not be on the disk yet.
#[derive(Debug)]
pub struct LogToSync {
    file: File,
    unsynced: String,
}

impl LogToSync {
    /// Syncs it to the disk.
    pub fn sync(&self) -> Result<()> {
        failpoint::reach("journal.sync")
            .and_then(|()| self.file.sync_data())
            .with_context(|| self.unsynced.clone())
    }
}

/// Serialises every use of `SQLite` in a process whose runs share a state root: its random numbers
/// and its heap limit, which a statement of a guest sets, belong to the whole process.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The open store.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    in_transaction: bool,
    path: PathBuf,
    /// The write-ahead log, opened with the first transaction: the file that `SQLite` writes to,
    /// even if another file has its name when it is synced.
    log: Option<Log>,
    /// `SQLite`'s number of the content, as far as other connections have changed it.
    seen: Option<i64>,
}

/// Refuses a database if one of its files is not a regular file, because `SQLite` would block on a
/// pipe, or has a second hard link, through which writes would appear elsewhere. (`SQLite` itself
/// refuses a symbolic link in place of the database.)
pub fn check_plain(database: &Path) -> Result<()> {
    check_files(database)?;
    for path in files(database) {
        if Untimed::at(&path).is_ok_and(|file| file.links > 1) {
            bail!(
                anyhow!(
                    "{}: is a hard link, so what is written to it is written to another file, too",
                    path.display()
                )
                .hint("put a copy in its place")
            );
        }
    }
    Ok(())
}

/// Checks a database that is only read: unlike `check_plain`, allows hard links.
fn check_files(database: &Path) -> Result<()> {
    for path in files(database) {
        let Ok(file) = Untimed::at(&path) else {
            continue;
        };
        if file.kind == Kind::Link && path != database {
            bail!("{}: is a symbolic link; remove it", path.display());
        }
        if file.kind == Kind::Other {
            bail!("{}: is not a regular file; move it away", path.display());
        }
    }
    Ok(())
}

/// Returns the paths of a database, its write-ahead log and the log's index.
fn files(database: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|suffix| beside(database, suffix))
}

/// Returns the path of `database` with `suffix` appended to the name.
fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

impl Store {
    /// Opens the store below `root`; creates it if it is missing. The caller is the only writer of
    /// `root`.
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

    /// Opens the store below `root` without creating it: `None` if it has no tables, because it is
    /// new or because a process was killed while creating it.
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
        let path = root.join(STORE);
        let shown = || format!("database {}", path.display());
        // SQLite follows no link, not even one on the way, so every component but the file's own
        // name is resolved here.
        let resolved = root.canonicalize().with_context(shown)?.join(STORE);
        check_plain(&path).with_context(shown)?;
        let flags = more
            | OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        Modes::create_database(root, STORE);
        let connection = Connection::open_with_flags(&resolved, flags)
            .with_context(|| format!("{}: can't be opened", shown()))?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        Ok(Self {
            connection,
            in_transaction: false,
            path,
            log: None,
            seen: None,
        })
    }

    fn shown(&self) -> String {
        format!("database {}", self.path.display())
    }

    /// Opens a copy of the store below `root` for reading, for a root that this process cannot
    /// write to: `SQLite` needs an index beside a database in WAL mode even to read it.
    #[allow(
        clippy::disallowed_methods,
        reason = "a copy in a temporary folder, for roots that can only be read"
    )]
    pub fn open_copy(root: &Path) -> Result<Option<(TemporaryFolder, Self)>> {
        let folder = TemporaryFolder::new("read")?;
        check_files(&root.join(STORE))
            .with_context(|| format!("database {}", root.join(STORE).display()))?;
        let files = [STORE.to_owned(), format!("{STORE}-wal")];
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
                    // Not `fs::copy`: it would also copy a mode that forbids writing.
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
            // A process that may write to the root could be changing it.
            if state() == before {
                let store = Self::open(folder.path())?;
                return Ok(store.map(|store| (folder, store)));
            }
        }
        bail!(
            anyhow!(
                "database {}: can't be read while it changes, since this process \
                 may not write beside it",
                root.join(STORE).display()
            )
            .hint("try again")
        );
    }

    /// Returns whether the database has no tables yet; tables that `coo` did not create are an
    /// error.
    fn is_empty(&self) -> Result<bool> {
        if self.format()? != 0 {
            return Ok(false);
        }
        let tables: i64 =
            self.connection
                .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        // Another process may have created the tables since, and the format with them.
        if tables > 0 && self.format()? == 0 {
            bail!(anyhow!("is not one that coo made").hint("move it away"));
        }
        Ok(tables == 0)
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
                anyhow!("has format {found}, this build reads {FORMAT}")
                    .hint("use the coo that wrote it, or another state root (--root)")
            );
        }
        // The log is kept and reused. SQLite checkpoints it past 256 pages (a megabyte), because
        // opening the store reads and checks every page in the log.
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

    /// Returns whether `SQLite` rolled the open transaction back by itself, as it does when a write
    /// fails. Everything written since the last commit is lost.
    pub fn is_rolled_back(&self) -> bool {
        self.in_transaction && self.connection.is_autocommit()
    }

    /// Returns whether another connection has changed the store since the last call. The first call
    /// returns true.
    pub fn was_changed_outside(&mut self) -> Result<bool> {
        let now = self
            .connection
            .pragma_query_value(None, "data_version", |row| row.get(0))?;
        Ok(self.seen.replace(now) != Some(now))
    }

    /// Makes `was_changed_outside` return true once more.
    pub fn forget_seen(&mut self) {
        self.seen = None;
    }

    /// Opens a transaction unless one is open. All writes go into it.
    pub fn begin(&mut self) -> Result<()> {
        if self.is_rolled_back() {
            // Writing without the lost writes would leave a gap in the record.
            bail!("database: an earlier write failed, and all since the last commit with it");
        }
        if !self.in_transaction {
            self.perform("BEGIN IMMEDIATE", [])?;
            self.in_transaction = true;
            self.open_log().map(drop).with_context(|| self.unsynced())?;
        }
        Ok(())
    }

    /// Performs one write in the open transaction; `point` is the failpoint.
    fn write(&mut self, point: &'static str, sql: &str, params: impl Params) -> Result<()> {
        self.begin()?;
        failpoint::reach(point).with_context(|| self.unwritable())?;
        self.perform(sql, params)
    }

    fn perform(&self, sql: &str, params: impl Params) -> Result<()> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(params))
            .with_context(|| self.unwritable())?;
        Ok(())
    }

    /// Returns the message that names the file; the errors of `SQLite` do not.
    fn unwritable(&self) -> String {
        format!("database {}: can't be written", self.path.display())
    }

    /// Commits the open transaction, if there is one.
    pub fn commit(&mut self, durability: Durability) -> Result<()> {
        if self.in_transaction {
            // Checked before the commit is reported: a log without its name would be lost.
            self.check_log()?;
            failpoint::reach("journal.commit").with_context(|| self.unwritable())?;
            self.perform("COMMIT", [])?;
            self.in_transaction = false;
        }
        // `synchronous=FULL` would sync every commit and cannot be chosen for a single one.
        if durability == Durability::Power {
            self.log_to_sync()?.sync()?;
        }
        self.shrink_log();
        Ok(())
    }

    /// Gives up the open transaction, if there is one.
    pub fn roll_back(&mut self) -> Result<()> {
        if self.in_transaction && !self.connection.is_autocommit() {
            self.perform("ROLLBACK", [])?;
        }
        self.in_transaction = false;
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

    /// Returns the write-ahead log. `SQLite` has created it by the time this is called.
    fn open_log(&mut self) -> std::io::Result<&Log> {
        let log = if let Some(log) = self.log.take() {
            log
        } else {
            // Closing the log releases no lock: SQLite locks only the index.
            let file = File::open(self.log_path())?;
            Log {
                identity: Untimed::of_file(&file)?.identity,
                file,
            }
        };
        Ok(self.log.insert(log))
    }

    /// Returns the log, to be synced without the store.
    pub fn log_to_sync(&mut self) -> Result<LogToSync> {
        let unsynced = self.unsynced();
        let file = self.open_log().and_then(|log| log.file.try_clone());
        let file = file.with_context(|| unsynced.clone())?;
        Ok(LogToSync { file, unsynced })
    }

    /// Refuses a log that was removed, or whose name now belongs to another file.
    fn check_log(&mut self) -> Result<()> {
        let path = self.log_path();
        let own = match self.open_log() {
            Ok(log) => log.identity,
            Err(error) => return Err(error).with_context(|| self.unsynced()),
        };
        let is_in_place = Untimed::at(&path).is_ok_and(|found| found.identity == own);
        if !is_in_place {
            bail!(
                anyhow!(
                    "database log {}: was removed or replaced while it was written to, \
                     so nothing more can be recorded",
                    path.display()
                )
                .hint(
                    "make sure that no other program changes it, then run the command \
                     again"
                )
            );
        }
        Ok(())
    }

    /// Moves a large log into the database and truncates it, unless a reader needs it; then a later
    /// commit does so. Committed data is safe whether this succeeds or not.
    pub fn shrink_log(&self) {
        let bytes = Untimed::at(&self.log_path()).map_or(0, |log| log.bytes);
        if bytes > LOG_BYTES_KEPT && failpoint::reach("journal.shrink").is_ok() {
            // Does not wait for readers.
            let _ = self.connection.busy_timeout(Duration::ZERO);
            let _ = checkpoint(&self.connection);
            let _ = self.connection.busy_timeout(BUSY_TIMEOUT);
        }
    }

    /// Opens a read transaction: until it is dropped, all reads see the same moment, whatever is
    /// written.
    pub fn snapshot(&self) -> Result<Transaction<'_>> {
        Ok(self.connection.unchecked_transaction()?)
    }

    /// Stores `content` under its digest; has no effect if it is stored already.
    pub fn put_blob(&mut self, content: &[u8]) -> Result<Blob> {
        let blob = Blob::of(content);
        self.put_content(&blob.sha256, content)?;
        Ok(blob)
    }

    /// Stores content as `put_blob` does, under a digest that the caller knows. A wrong digest is
    /// found when the content is read.
    pub fn put_content(&mut self, sha256: &Digest, content: &[u8]) -> Result<()> {
        self.write(
            "journal.content",
            "INSERT OR IGNORE INTO blobs(sha256, bytes) VALUES(?1, ?2)",
            params![sha256.as_bytes(), content],
        )
    }

    /// Reads the content stored under `sha256` and verifies it.
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
