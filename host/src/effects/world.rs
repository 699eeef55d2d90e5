//! The missions' database (the world): one `SQLite` file, and one transaction per run. It is opened
//! at the first statement, committed after the journal holds the write-ahead intent, and rolled
//! back when it is dropped without a commit. The kernel decides which statements are permitted;
//! this module never does.

pub mod bounds;
mod budget;
pub mod copied;
pub mod dump;
mod functions;
mod guard;
mod performed;
mod raw;
mod trouble;
mod value;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use coo_kernel::effects::db::{self, DbAnswer, Refusal, Rows, Statement};
use coo_kernel::mission::failure::{Bound, Failure};
use coo_kernel::mission::limits::Limits;
use coo_kernel::state::layout::WORLD;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, StatementStatus};

use self::bounds::{FREE_BYTES_MIN, MEMORY_BYTES_MAX, ROWS_BYTES_MAX, STEPS_PER_LOOK, VALUE_BYTES};
use self::budget::{Allowance, Budget, Spent};
use self::guard::Guard;
use self::trouble::{Trouble, refused};
use self::value::{params, value};
use crate::effects::stop::Stop;
use crate::machine::Deadline;
use crate::machine::failpoint;
use crate::machine::untimed::Untimed;
use crate::state::modes::Modes;
use crate::state::store::{LOG_BYTES_KEPT, alone, check_plain};

pub use self::functions::TRIM_BYTES_MAX;
pub use self::performed::{Difference, again, first_difference, redo};

/// Prepared statements that are kept for the next call with the same text; preparing one takes as long as
/// some twenty small queries.
const STATEMENTS_KEPT: usize = 64;

/// The missions' database of one state root. It is opened at the first statement; its open
/// transaction is rolled back on drop unless [`World::commit`] was called.
pub struct World {
    path: PathBuf,
    open: Option<Open>,
}

struct Open {
    connection: Connection,
    folder: PathBuf,
    guard: Guard,
    budget: Arc<Budget>,
    /// Number of changing statements so far, including failed ones.
    changes: u64,
    /// Size in pages when the database was opened.
    pages: u64,
    page_bytes: u64,
}

/// The bounds that apply to one statement.
#[derive(Debug, Clone, Copy)]
pub struct Bounds<'a> {
    pub limits: &'a Limits,
    /// Real-time end of the run; `None` for no bound.
    pub deadline: Option<Deadline>,
    /// Whether the bounds per statement apply. They are off when a statement is re-executed,
    /// because it kept them the first time.
    pub first_time: bool,
}

impl World {
    /// Returns the world below `root`, not opened yet.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self {
            path: root.join(WORLD),
            open: None,
        }
    }

    /// Runs one read-only statement.
    pub fn query(
        &mut self,
        statement: &Statement,
        bounds: Bounds<'_>,
    ) -> Result<DbAnswer<Rows>, Stop> {
        self.run(statement, bounds, false, |open| {
            let mut prepared = open.prepare(&statement.sql)?;
            if !prepared.readonly() {
                return Err(refused("this statement changes something; use execute"));
            }
            rows(&mut prepared, statement, bounds.limits)
        })
    }

    /// Runs one statement that changes something and returns rows.
    pub fn returning(
        &mut self,
        statement: &Statement,
        bounds: Bounds<'_>,
    ) -> Result<DbAnswer<Rows>, Stop> {
        failpoint::reach("world.execute").map_err(anyhow::Error::from)?;
        self.run(statement, bounds, true, |open| {
            // SQLite makes every change before it returns the first row. Without a savepoint, a
            // refusal while the rows are read would keep the change.
            open.whole(|| {
                let mut prepared = open.prepare(&statement.sql)?;
                if prepared.readonly() || prepared.column_count() == 0 {
                    return Err(refused(
                        "this statement changes something and returns nothing; use execute, or add RETURNING",
                    ));
                }
                rows(&mut prepared, statement, bounds.limits)
            })
        })
    }

    /// Runs one statement that changes something.
    pub fn execute(
        &mut self,
        statement: &Statement,
        bounds: Bounds<'_>,
    ) -> Result<DbAnswer<u64>, Stop> {
        failpoint::reach("world.execute").map_err(anyhow::Error::from)?;
        self.run(statement, bounds, true, |open| {
            let change = || {
                let mut prepared = open.prepare(&statement.sql)?;
                if prepared.readonly() {
                    return Err(refused("this statement changes nothing; use query"));
                }
                if prepared.column_count() > 0 {
                    return Err(refused("RETURNING gives rows back; use query"));
                }
                // SQLite reports the change count of the last statement that changed rows. A
                // statement that changes only the schema would repeat an earlier statement's count.
                let before = open.connection.total_changes();
                let changed = prepared.execute(params(statement))?;
                let none = open.connection.total_changes() == before;
                Ok(if none { 0 } else { changed as u64 })
            };
            // When the check of an ALTER fails, SQLite keeps the new column.
            if db::is_alter(&statement.sql) {
                open.whole(change)
            } else {
                change()
            }
        })
    }

    /// Commits the run's changes as world commit `number`. Does nothing if no statement was run.
    pub fn commit(&mut self, number: u32) -> Result<()> {
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        let _alone = alone();
        open.guard.lift();
        open.connection
            .pragma_update(None, "user_version", number)?;
        failpoint::reach("world.commit")?;
        open.connection
            .execute_batch("COMMIT")
            .context("world database: commit failed")?;
        failpoint::reach("world.committed")?;
        Ok(())
    }

    /// Rolls the run's transaction back. The next statement opens the database again.
    pub fn abandon(&mut self) {
        let _alone = alone();
        self.open = None;
    }

    /// Returns the number of the last world commit in the file.
    pub fn last_commit(&mut self) -> Result<u32> {
        let open = self.opened()?;
        open.guard.lift();
        let number = open
            .connection
            .pragma_query_value(None, "user_version", |row| row.get(0))?;
        open.guard.set();
        Ok(number)
    }

    fn run<A>(
        &mut self,
        statement: &Statement,
        bounds: Bounds<'_>,
        is_change: bool,
        perform: impl FnOnce(&Open) -> Result<A, Trouble>,
    ) -> Result<DbAnswer<A>, Stop> {
        let alone = alone();
        let open = self.opened()?;
        if is_change {
            open.before_change(bounds)?;
        }
        open.budget.begin(Allowance {
            steps: bounds.first_time.then_some(bounds.limits.db_steps),
            deadline: bounds.deadline,
            memory: bounds.first_time,
        });
        open.guard.take_refused();
        let result = {
            let _chance = raw::Seeded::with(seed(open.changes, statement), &alone);
            perform(open)
        };
        let out_of_memory = matches!(&result, Err(Trouble::Memory(_)));
        let spent = open.budget.end(out_of_memory);
        if spent == Some(Spent::Time)
            && let Some(deadline) = &bounds.deadline
        {
            return Err(Stop::timed_out(deadline));
        }
        if open.connection.is_autocommit() {
            return open
                .ended(spent, result.err(), bounds.limits)
                .map(DbAnswer::Ended);
        }
        let refusal = match result {
            Ok(answer) => return Ok(DbAnswer::Ok(answer)),
            Err(Trouble::Memory(error)) if spent.is_none() => return Err(machine(error)),
            Err(Trouble::Host(error)) => return Err(machine(error)),
            Err(Trouble::Full(error)) => {
                open.is_disk_with_room(error)?;
                Refusal::Limit(full(bounds.limits))
            }
            Err(Trouble::Memory(_)) => Refusal::Failed("out of memory".to_owned()),
            Err(Trouble::Guest(refusal)) => refusal,
        };
        Ok(DbAnswer::Error(match (open.guard.take_refused(), spent) {
            (Some(what), _) => Refusal::Refused(what),
            (None, Some(Spent::Work)) => Refusal::cut_off(
                bounds.limits.db_steps,
                "steps of work",
                "add an index or raise limits.db_steps",
            ),
            (None, Some(Spent::Memory)) => Refusal::cut_off(
                MEMORY_BYTES_MAX,
                "bytes of memory",
                "sort and keep less at once, or use tables that are not temporary",
            ),
            (None, _) => refusal,
        }))
    }

    fn opened(&mut self) -> Result<&mut Open> {
        if self.open.is_none() {
            self.open = Some(
                Open::new(&self.path)
                    .with_context(|| format!("database {}", self.path.display()))?,
            );
        }
        self.open.as_mut().context("world database: not open")
    }
}

impl Open {
    #[allow(clippy::disallowed_methods, reason = "SQLite writes its own file")]
    fn new(path: &Path) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        // SQLITE_OPEN_NOFOLLOW refuses a symbolic link anywhere on the path; only the file itself
        // must not be one, so resolve the folder first.
        let folder = path.parent().unwrap_or(path).canonicalize()?;
        check_plain(path)?;
        Modes::create_database(&folder, WORLD);
        let mut connection =
            Connection::open_with_flags(folder.join(WORLD), flags).context("can't be opened")?;
        // FULL: once the store has recorded a commit as applied, it is never applied again, so the
        // commit must survive a power failure.
        connection.execute_batch(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; \
             PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF; PRAGMA recursive_triggers=ON;",
        )?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
        bounds::apply(&connection)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        raw::drop_modules(&connection);
        let budget = Arc::new(Budget::default());
        functions::replace(&connection, &budget)?;
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let pages = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
        let page_bytes = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let looked = Arc::clone(&budget);
        let steps = i32::try_from(STEPS_PER_LOOK).unwrap_or(i32::MAX);
        connection.progress_handler(steps, Some(move || looked.look()))?;
        let guard = Guard::new(&mut connection)?;
        Ok(Self {
            connection,
            folder,
            guard,
            budget,
            changes: 0,
            pages,
            page_bytes,
        })
    }

    /// Prepares exactly one statement.
    fn prepare(&self, sql: &str) -> Result<rusqlite::CachedStatement<'_>, Trouble> {
        if sql.contains('\0') {
            return Err(refused("NUL in the statement"));
        }
        self.guard.begin();
        if db::is_alter(sql) {
            // Preparing an ALTER tells the guard what else the statement may do, so a cached
            // statement won't do.
            self.connection.flush_prepared_statement_cache();
        }
        let prepared = self.connection.prepare_cached(sql)?;
        if prepared.is_explain() == 1 {
            return Err(refused(
                "EXPLAIN: it shows addresses in memory; use EXPLAIN QUERY PLAN",
            ));
        }
        // The text is looked at only where it can be empty: expanding it takes longer than a small
        // query does.
        if prepared.column_count() == 0
            && prepared.readonly()
            && prepared
                .expanded_sql()
                .is_none_or(|text| text.trim().is_empty())
        {
            return Err(refused("no statement"));
        }
        // Progress checks must come at fixed step counts of this execution, whatever a cached
        // statement did before.
        prepared.reset_status(StatementStatus::VmStep);
        Ok(prepared)
    }

    /// Performs a change in a savepoint; if it fails, nothing of it remains.
    fn whole<A>(&self, change: impl FnOnce() -> Result<A, Trouble>) -> Result<A, Trouble> {
        self.own("SAVEPOINT whole")?;
        let result = change();
        if !self.connection.is_autocommit() {
            if result.is_err() {
                self.own("ROLLBACK TO whole")?;
            }
            self.own("RELEASE whole")?;
        }
        result
    }

    /// Runs one of the host's own statements, with the guard lifted.
    fn own(&self, sql: &str) -> Result<(), Trouble> {
        self.guard.lift();
        let result = self.connection.execute_batch(sql);
        self.guard.set();
        result.map_err(Trouble::Host)
    }

    /// Counts a change. Before the first change, it also sets how far the database may grow and
    /// starts the write-ahead log: both draw on the machine's random numbers, which a statement
    /// must not see.
    fn before_change(&mut self, bounds: Bounds<'_>) -> Result<()> {
        if self.changes == 0 {
            let growth = bounds.limits.db_bytes / self.page_bytes.max(1);
            let most = match self.pages.saturating_add(growth) {
                _ if !bounds.first_time => u32::MAX - 1,
                most => u32::try_from(most).unwrap_or(u32::MAX - 1),
            };
            self.guard.lift();
            let version: i64 = self
                .connection
                .pragma_query_value(None, "user_version", |row| row.get(0))?;
            self.connection
                .pragma_update(None, "user_version", version)?;
            self.connection.cache_flush()?;
            let most_pages = format!("PRAGMA max_page_count = {}", most.max(1));
            self.connection.query_row(&most_pages, [], |_| Ok(()))?;
            self.guard.set();
        }
        self.changes += 1;
        Ok(())
    }

    /// Returns why the run's transaction is gone. `SQLite` rolls it back when a change is
    /// interrupted in the middle, when memory or pages run out, and on ROLLBACK in a trigger or a
    /// conflict clause.
    fn ended(
        &self,
        spent: Option<Spent>,
        trouble: Option<Trouble>,
        limits: &Limits,
    ) -> Result<Failure, Stop> {
        let past = |bound, limit: u64| Failure::Limit {
            bound,
            wanted: limit.saturating_add(1),
            limit,
        };
        Ok(match (spent, trouble) {
            (_, Some(Trouble::Host(error))) => return Err(machine(error)),
            (Some(Spent::Work), _) => past(Bound::DbSteps, limits.db_steps),
            (Some(Spent::Memory), _) => past(Bound::DbMemory, MEMORY_BYTES_MAX),
            (_, Some(Trouble::Memory(error))) => return Err(machine(error)),
            (_, Some(Trouble::Full(error))) => {
                self.is_disk_with_room(error)?;
                Failure::Contract {
                    reason: format!(
                        "{}; SQLite rolled the whole run's transaction back",
                        full(limits)
                    ),
                }
            }
            _ => Failure::Contract {
                reason: "a statement rolled the whole run's transaction back".to_owned(),
            },
        })
    }

    /// Returns `Ok` if the disk has room, otherwise `error` as the machine's fault. `SQLite`
    /// reports "full" for a full disk, for the page limit and for exhausted row numbers alike.
    fn is_disk_with_room(&self, error: rusqlite::Error) -> Result<(), Stop> {
        let room = rustix::fs::statvfs(&self.folder)
            .is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) >= FREE_BYTES_MIN);
        if room { Ok(()) } else { Err(machine(error)) }
    }
}

/// Truncates a long write-ahead log: after a rollback or a large commit it keeps the length of its
/// content.
impl Drop for Open {
    fn drop(&mut self) {
        let log = self.folder.join(format!("{WORLD}-wal"));
        if Untimed::at(&log).map_or(0, |log| log.bytes) <= LOG_BYTES_KEPT {
            return;
        }
        self.guard.lift();
        if !self.connection.is_autocommit() && self.connection.execute_batch("ROLLBACK").is_err() {
            return;
        }
        // Another process that still reads the log prevents the checkpoint; the next run tries
        // again.
        let _ = crate::state::store::checkpoint(&self.connection);
    }
}

/// Returns the seed of a statement's random numbers. It depends only on the run, and differs from
/// statement to statement, so that a table with random keys does not get the same keys every time.
fn seed(changes: u64, statement: &Statement) -> u32 {
    const PRIME: u32 = 0x0100_0193;
    let mix = |hash: u32, bytes: &[u8]| {
        bytes.iter().fold(hash, |hash, byte| {
            (hash ^ u32::from(*byte)).wrapping_mul(PRIME)
        })
    };
    let mut hash = mix(0x811c_9dc5, &changes.to_le_bytes());
    hash = mix(hash, statement.sql.as_bytes());
    for param in &statement.params {
        hash = match param {
            db::Value::Null => mix(hash, &[0]),
            db::Value::Integer(number) => mix(hash, &number.to_le_bytes()),
            db::Value::Real(number) => mix(hash, &number.to_bits().to_le_bytes()),
            db::Value::Text(text) => mix(hash, &text.as_bytes()[..text.len().min(64)]),
            db::Value::Blob(bytes) => mix(hash, &bytes[..bytes.len().min(64)]),
        };
    }
    hash
}

/// Reads the rows of a statement; counts the size of each value before it is copied.
fn rows(
    prepared: &mut rusqlite::Statement<'_>,
    statement: &Statement,
    limits: &Limits,
) -> Result<Rows, Trouble> {
    let heavy = || {
        Trouble::from(Refusal::Limit(format!(
            "rows of more than {ROWS_BYTES_MAX} bytes; ask for less at once"
        )))
    };
    let names = || prepared.column_names();
    let mut bytes: u64 = names().map(|name| name.len() as u64).sum();
    if bytes > ROWS_BYTES_MAX {
        return Err(heavy());
    }
    let columns: Vec<String> = names().map(str::to_owned).collect();
    let width = columns.len();
    let mut found = Rows {
        columns,
        rows: Vec::new(),
    };
    let mut rows = prepared.query(params(statement))?;
    while let Some(row) = rows.next()? {
        if found.rows.len() as u64 == limits.db_rows {
            return Err(Refusal::Limit(format!(
                "more than {} rows; add LIMIT or raise limits.db_rows",
                limits.db_rows
            ))
            .into());
        }
        let mut values = Vec::with_capacity(width);
        bytes += VALUE_BYTES;
        for place in 0..width {
            let read = row.get_ref(place)?;
            bytes += VALUE_BYTES
                + read
                    .as_bytes_or_null()
                    .ok()
                    .flatten()
                    .map_or(0, |read| read.len() as u64);
            if bytes > ROWS_BYTES_MAX {
                return Err(heavy());
            }
            values.push(value(read));
        }
        found.rows.push(values);
    }
    Ok(found)
}

fn machine(error: rusqlite::Error) -> Stop {
    Stop::Interrupted(anyhow::Error::new(error).context("world database"))
}

/// Explains what "full" means when the disk has room.
fn full(limits: &Limits) -> String {
    format!(
        "the world may grow by {} bytes in one run (limits.db_bytes), and numbers of rows end at {}: one of the two was reached",
        limits.db_bytes,
        i64::MAX
    )
}

#[cfg(test)]
mod tests;
