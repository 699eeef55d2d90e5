//! The mission world's database: one `SQLite` file, one transaction a run. Opened when the
//! first statement comes, committed when the mission's journal has promised it, rolled back
//! by being dropped. Which statements are permitted is the kernel's to say.

pub mod dump;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result, bail};
use coo_kernel::db::{self, Action, Refusal, Rows, Statement, Value};
use coo_kernel::failure::{Bound, Failure};
use coo_kernel::limits::Limits;
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql, params_from_iter};

use crate::fault;
use crate::state_root::Modes;
use crate::stop::Stop;
use crate::store::check_plain;

/// The file's name in the state root.
pub const FILE: &str = "world.db";
/// Steps of `SQLite`'s virtual machine between two looks at the bound. Part of the record's
/// determinism: another granularity would interrupt a statement elsewhere.
const STEPS_PER_LOOK: i32 = 1_000;
/// Longest value and statement, in bytes: `SQLite`'s own bound, set low enough for memory.
const VALUE_BYTES_MAX: i32 = 64 << 20;
/// Bytes of rows that one query may return.
const ROWS_BYTES_MAX: u64 = 64 << 20;

/// See the module.
pub struct World {
    path: PathBuf,
    open: Option<Open>,
}

struct Open {
    connection: Connection,
    /// What the authorizer refused while the current statement was prepared.
    refused: Arc<Mutex<Option<String>>>,
    /// Looks left for the current statement.
    looks_left: Arc<AtomicU64>,
}

impl World {
    /// The world below `root`, not opened yet.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self {
            path: root.join(FILE),
            open: None,
        }
    }

    /// Runs one read-only statement.
    pub fn query(
        &mut self,
        statement: &Statement,
        limits: &Limits,
    ) -> Result<Result<Rows, Refusal>, Stop> {
        self.run(limits, |open| {
            let mut prepared = open.prepare(&statement.sql)?;
            if !prepared.readonly() {
                return Err(Refusal::Refused(
                    "this statement changes something; use execute".to_owned(),
                )
                .into());
            }
            let columns: Vec<String> = prepared.column_names().map(str::to_owned).collect();
            let width = columns.len();
            let mut found = Rows {
                columns,
                rows: Vec::new(),
            };
            let mut bytes = 0;
            let mut rows = prepared.query(params(statement))?;
            while let Some(row) = rows.next()? {
                if found.rows.len() as u64 == limits.db_rows {
                    return Err(Refusal::Limit(format!(
                        "more than {} rows; add LIMIT or raise limits.db_rows",
                        limits.db_rows
                    ))
                    .into());
                }
                let values = (0..width)
                    .map(|i| Ok(value(row.get_ref(i)?)))
                    .collect::<rusqlite::Result<Vec<_>>>()?;
                bytes += values.iter().map(Value::weight).sum::<u64>();
                if bytes > ROWS_BYTES_MAX {
                    return Err(Refusal::Limit(format!(
                        "rows of more than {ROWS_BYTES_MAX} bytes; ask for less at once"
                    ))
                    .into());
                }
                found.rows.push(values);
            }
            Ok(found)
        })
    }

    /// Runs one statement that changes something.
    pub fn execute(
        &mut self,
        statement: &Statement,
        limits: &Limits,
    ) -> Result<Result<u64, Refusal>, Stop> {
        fault::point("world.execute").map_err(anyhow::Error::from)?;
        self.run(limits, |open| {
            let mut prepared = open.prepare(&statement.sql)?;
            if prepared.readonly() {
                return Err(Refusal::Refused(
                    "this statement changes nothing; use query".to_owned(),
                )
                .into());
            }
            if prepared.column_count() > 0 {
                return Err(Refusal::Refused(
                    "RETURNING: run a query after the change instead".to_owned(),
                )
                .into());
            }
            // SQLite's count of changes is that of the last statement that had any: one that
            // changes the schema alone would repeat an earlier statement's.
            let before = open.connection.total_changes();
            let changed = prepared.execute(params(statement))?;
            let none = open.connection.total_changes() == before;
            Ok(if none { 0 } else { changed as u64 })
        })
    }

    /// Commits the run's changes as world commit `number`. Nothing to do where no statement
    /// was ever run.
    pub fn commit(&mut self, number: u32) -> Result<()> {
        let Some(mut open) = self.open.take() else {
            return Ok(());
        };
        open.connection
            .authorizer(None::<fn(AuthContext<'_>) -> Authorization>)?;
        open.connection
            .pragma_update(None, "user_version", number)?;
        fault::point("world.commit")?;
        open.connection
            .execute_batch("COMMIT")
            .context("world database: commit failed")?;
        fault::point("world.committed")?;
        Ok(())
    }

    /// Number of the last world commit that is in the file.
    pub fn last_commit(&mut self) -> Result<u32> {
        let open = self.opened()?;
        // Asked before any guest statement, and outside the authorizer's reach.
        open.connection
            .authorizer(None::<fn(AuthContext<'_>) -> Authorization>)?;
        let number = open
            .connection
            .pragma_query_value(None, "user_version", |row| row.get(0))?;
        open.guard()?;
        Ok(number)
    }

    fn run<A>(
        &mut self,
        limits: &Limits,
        statement: impl FnOnce(&Open) -> Result<A, Trouble>,
    ) -> Result<Result<A, Refusal>, Stop> {
        let open = self.opened()?;
        let looks = limits
            .db_steps
            .div_ceil(u64::from(STEPS_PER_LOOK.unsigned_abs()));
        open.looks_left.store(looks, Ordering::Relaxed);
        open.take_refused();
        let result = statement(open);
        let out_of_work = open.looks_left.load(Ordering::Relaxed) == 0;
        if open.connection.is_autocommit() {
            // The whole run's transaction is gone: SQLite does that when a change is cut off
            // in the middle, and on RAISE(ROLLBACK) and ON CONFLICT ROLLBACK.
            return Err(Stop::Failed(if out_of_work {
                Failure::Limit {
                    bound: Bound::DbSteps,
                    wanted: limits.db_steps.saturating_add(1),
                    limit: limits.db_steps,
                }
            } else {
                Failure::Contract {
                    reason: "a statement rolled the whole run's transaction back".to_owned(),
                }
            }));
        }
        let refusal = match result {
            Ok(answer) => return Ok(Ok(answer)),
            Err(Trouble::Host(error)) => {
                return Err(Stop::Interrupted(
                    anyhow::Error::new(error).context("world database"),
                ));
            }
            Err(Trouble::Guest(refusal)) => refusal,
        };
        Ok(Err(if let Some(what) = open.take_refused() {
            Refusal::Refused(what)
        } else if out_of_work {
            Refusal::Limit(format!(
                "more than {} steps of work; add an index or raise limits.db_steps",
                limits.db_steps
            ))
        } else {
            refusal
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
        // SQLite follows no link, not even one on the way; only the file's own name matters.
        let folder = path.parent().unwrap_or(path).canonicalize()?;
        check_plain(path)?;
        Modes::create_database(&folder, FILE);
        let mut connection =
            Connection::open_with_flags(folder.join(FILE), flags).context("can't be opened")?;
        // FULL: once the store has noted a commit as applied, nobody applies it again.
        connection.execute_batch(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; \
             PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF; PRAGMA recursive_triggers=ON;",
        )?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
        connection.set_limit(
            rusqlite::limits::Limit::SQLITE_LIMIT_LENGTH,
            VALUE_BYTES_MAX,
        )?;
        connection.set_limit(rusqlite::limits::Limit::SQLITE_LIMIT_ATTACHED, 0)?;
        connection.set_limit(rusqlite::limits::Limit::SQLITE_LIMIT_WORKER_THREADS, 0)?;
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let looks_left = Arc::new(AtomicU64::new(0));
        let looks = Arc::clone(&looks_left);
        connection.progress_handler(
            STEPS_PER_LOOK,
            Some(move || {
                let left = looks.load(Ordering::Relaxed).saturating_sub(1);
                looks.store(left, Ordering::Relaxed);
                left == 0
            }),
        )?;
        let mut open = Self {
            connection,
            refused: Arc::default(),
            looks_left,
        };
        open.guard()?;
        Ok(open)
    }

    /// Puts the kernel's permission table between every statement and `SQLite`.
    fn guard(&mut self) -> Result<()> {
        let refused = Arc::clone(&self.refused);
        self.connection
            .authorizer(Some(move |context: AuthContext<'_>| {
                match db::permit(action(&context.action)) {
                    Ok(()) => Authorization::Allow,
                    Err(what) => {
                        if let Ok(mut refused) = refused.lock() {
                            refused.get_or_insert(what);
                        }
                        Authorization::Deny
                    }
                }
            }))?;
        Ok(())
    }

    fn take_refused(&self) -> Option<String> {
        self.refused
            .lock()
            .ok()
            .and_then(|mut refused| refused.take())
    }

    /// Prepares exactly one statement.
    fn prepare(&self, sql: &str) -> Result<rusqlite::CachedStatement<'_>, Trouble> {
        if sql.contains('\0') {
            return Err(Refusal::Refused("NUL in the statement".to_owned()).into());
        }
        let prepared = self.connection.prepare_cached(sql)?;
        if prepared
            .expanded_sql()
            .is_none_or(|text| text.trim().is_empty())
        {
            return Err(Refusal::Refused("no statement".to_owned()).into());
        }
        Ok(prepared)
    }
}

/// `SQLite`'s action in the kernel's terms. What can't be seen here is refused there.
fn action<'a>(action: &AuthAction<'a>) -> Action<'a> {
    match *action {
        AuthAction::Attach { .. } => Action::Attach,
        AuthAction::Detach { .. } => Action::Detach,
        AuthAction::Pragma { pragma_name, .. } => Action::Pragma(pragma_name),
        AuthAction::Transaction { .. } => Action::Transaction,
        AuthAction::Savepoint { .. } => Action::Savepoint,
        AuthAction::CreateVtable { module_name, .. }
        | AuthAction::DropVtable { module_name, .. } => Action::VirtualTable(module_name),
        AuthAction::Read { table_name, .. } => Action::Read(table_name),
        AuthAction::Function { function_name } => Action::Function(function_name),
        AuthAction::Unknown { .. } => Action::Unknown,
        _ => Action::Ordinary,
    }
}

fn params(statement: &Statement) -> impl rusqlite::Params {
    params_from_iter(statement.params.iter().map(Parameter))
}

struct Parameter<'a>(&'a Value);

impl ToSql for Parameter<'_> {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        Ok(rusqlite::types::ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Integer(number) => ValueRef::Integer(*number),
            Value::Real(number) if number.is_nan() => ValueRef::Null,
            Value::Real(number) => ValueRef::Real(*number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        // SQLite lets any bytes be called text (CAST of a blob); the guest's strings are UTF-8.
        ValueRef::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => Value::Blob(text.to_owned()),
        },
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_owned()),
    }
}

/// Whose fault a failed statement is.
enum Trouble {
    /// The guest's: it is told, and the journal keeps what it was told.
    Guest(Refusal),
    /// The machine's (disk full, file damaged, out of memory): stops the run.
    Host(rusqlite::Error),
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self::Guest(refusal)
    }
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Guest(match error {
            rusqlite::Error::SqliteFailure(code, message) => match code.code {
                ErrorCode::ConstraintViolation => {
                    Refusal::Constraint(message.unwrap_or_else(|| "constraint violated".to_owned()))
                }
                ErrorCode::TooBig => {
                    Refusal::Limit(message.unwrap_or_else(|| "value too large".to_owned()))
                }
                ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::OutOfMemory
                | ErrorCode::PermissionDenied => {
                    return Self::Host(rusqlite::Error::SqliteFailure(code, message));
                }
                _ => Refusal::Failed(message.unwrap_or_else(|| code.to_string())),
            },
            rusqlite::Error::SqlInputError { msg, .. } => Refusal::Failed(msg),
            rusqlite::Error::MultipleStatement => {
                Refusal::Refused("more than one statement; run them one by one".to_owned())
            }
            other => Refusal::Failed(other.to_string()),
        })
    }
}

/// Applies promised statements again, after a crash between promise and commit. Their order
/// and their world are those of the first time, so their results are too; if they are not,
/// the world file was changed from outside, and nothing is applied.
pub fn redo(root: &Path, number: u32, statements: &[Applied]) -> Result<()> {
    if !again(root, number, statements)? {
        bail!(
            "world database: applying a promised change gave another result; the file was changed from outside; restore it and run any coo command again"
        );
    }
    Ok(())
}

/// A statement that changed something, and what the guest was told.
pub type Applied = (Statement, Result<u64, Refusal>);

/// Runs statements of a mission once more, on the world below `root`. False where one has
/// another result than it had: then none of them is kept.
pub fn again(root: &Path, number: u32, statements: &[Applied]) -> Result<bool> {
    let mut world = World::new(root);
    // The bound on work was kept the first time; the same statements keep it again.
    let limits = Limits {
        db_steps: u64::MAX,
        ..Limits::default()
    };
    for (statement, recorded) in statements {
        // Cut off at a bound, it changed nothing; without the bound it might.
        if matches!(recorded, Err(Refusal::Limit(_))) {
            continue;
        }
        let again = world
            .execute(statement, &limits)
            .map_err(|stop| anyhow::anyhow!("{stop}"))?;
        if &again != recorded {
            return Ok(false);
        }
    }
    world.commit(number)?;
    Ok(true)
}

#[cfg(test)]
mod tests;
