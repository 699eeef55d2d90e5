//! Rebuilds a world from its dump. The dump is written to one new database file and nowhere else;
//! dumping that file again proves the result. Never touches the existing world.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use coo_kernel::effects::db::{Action, Value};
use coo_kernel::form::digest::Digest;
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthContext, Authorization};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, ToSql, params_from_iter};

use super::{FORMAT, Line, digest_and_size, quoted};
use crate::effects::world::guard::action;
use crate::hint::Hint as _;
use crate::machine::failpoint;
use crate::machine::hashing::Hashing;

/// Writes the world that `dump` describes to a new file at `path`, as of world commit `commit`, and
/// checks that its dump has the digest and size `wanted`. The caller syncs the file, and removes it
/// if this fails.
pub fn rebuild(dump: impl Read, wanted: (Digest, u64), path: &Path, commit: u32) -> Result<()> {
    let mut dump = BufReader::new(Hashing::new(dump));
    load(&mut dump, path, commit)?;
    ensure!(
        dump.into_inner().digest() == wanted.0,
        anyhow!("was changed after it was written").hint("take it from a copy of the state root")
    );
    ensure!(
        digest_and_size(path)? == wanted,
        anyhow!(
            "can't be rebuilt identically: its schema has something that can't be created again \
             as it is"
        )
        .hint("drop what was made by hand")
    );
    Ok(())
}

/// Does the work of `rebuild` without checking the result.
pub(super) fn load(mut dump: impl BufRead, path: &Path, commit: u32) -> Result<()> {
    let mut connection = create(path)?;
    failpoint::reach("world.load")?;
    connection.execute_batch("BEGIN")?;
    guard(&mut connection)?;
    let mut schema = Schema::default();
    let mut insert = None;
    let mut text = String::new();
    let mut number = 0;
    loop {
        text.clear();
        if dump.read_line(&mut text)? == 0 {
            break;
        }
        number += 1;
        let line = || format!("line {number}");
        if text.starts_with('[') {
            let values: Vec<Value> = serde_json::from_str(&text).with_context(line)?;
            put(&connection, insert.as_ref(), &values, &[])
        } else {
            match serde_json::from_str(&text).with_context(line)? {
                Line::World { format } => check_format(number, &format),
                Line::Schema { name, sql, .. } => schema.add(&connection, &name, &sql),
                Line::Table { columns, name } => {
                    schema.settle(&connection)?;
                    insert = Some(Insert::into(&connection, &name, &columns)?);
                    Ok(())
                }
                Line::Row { text, values } => put(&connection, insert.as_ref(), &values, &text),
            }
        }
        .with_context(line)?;
    }
    ensure!(number > 0, "is empty");
    schema.settle(&connection)?;
    connection.authorizer(None::<fn(AuthContext<'_>) -> Authorization>)?;
    connection.pragma_update(None, "user_version", commit)?;
    connection.execute_batch("COMMIT")?;
    connection.close().map_err(|(_, error)| error)?;
    Ok(())
}

fn check_format(number: usize, format: &str) -> Result<()> {
    ensure!(
        number == 1 && format == FORMAT,
        anyhow!(
            "has format '{}', this build reads {FORMAT}",
            format.escape_debug().take(40).collect::<String>()
        )
        .hint("use the coo that wrote it")
    );
    Ok(())
}

/// Creates a database that accepts every row unchecked: the constraints were checked when the rows
/// were first written.
#[allow(clippy::disallowed_methods, reason = "SQLite writes its own file")]
fn create(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    failpoint::reach("world.create")?;
    let connection = Connection::open_with_flags(path, flags).context("can't be made")?;
    // The file is not used before it is complete, so it needs no rollback journal.
    connection.execute_batch(
        "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA foreign_keys=OFF; \
         PRAGMA ignore_check_constraints=ON; PRAGMA temp_store=MEMORY;",
    )?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    Ok(connection)
}

/// Confines a dump to this file: it can reach no other database.
fn guard(connection: &mut Connection) -> Result<()> {
    connection.authorizer(Some(|context: AuthContext<'_>| {
        match action(&context.action) {
            Action::Ordinary | Action::Read(_) | Action::Function(_) => Authorization::Allow,
            _ => Authorization::Deny,
        }
    }))?;
    Ok(())
}

/// The schema while it is loaded.
#[derive(Default)]
struct Schema {
    /// `SQLite`'s own tables that the dump contains.
    own: Vec<String>,
    is_settled: bool,
}

impl Schema {
    fn add(&mut self, connection: &Connection, name: &str, sql: &str) -> Result<()> {
        ensure!(!self.is_settled, "an entry of the schema after a table");
        if !name.starts_with("sqlite_") {
            connection
                .execute(sql, [])
                .with_context(|| format!("schema entry {}", name.escape_debug()))?;
            return Ok(());
        }
        // SQLite doesn't let a statement create these; it creates them with the objects that need
        // them.
        self.own.push(name.to_owned());
        if is_there(connection, name)? {
            return Ok(());
        }
        if name == "sqlite_sequence" {
            // The table that needed it was dropped. Creating and dropping another leaves
            // sqlite_sequence.
            let mut seed = "seed".to_owned();
            while is_there(connection, &seed)? {
                seed.push('_');
            }
            connection.execute_batch(&format!(
                "CREATE TABLE {seed}(id INTEGER PRIMARY KEY AUTOINCREMENT); DROP TABLE {seed};"
            ))?;
        } else {
            connection.execute_batch("ANALYZE sqlite_schema")?;
            self.drop_others(connection)?;
        }
        ensure!(
            is_there(connection, name)?,
            "table {}: can't be made by this build of SQLite",
            name.escape_debug()
        );
        Ok(())
    }

    /// Drops statistics tables that `SQLite` created along with another and that the dump does not
    /// contain.
    fn drop_others(&self, connection: &Connection) -> Result<()> {
        let mut statement = connection
            .prepare("SELECT name FROM sqlite_schema WHERE substr(name, 1, 11) = 'sqlite_stat'")?;
        let names: Vec<String> = statement
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        for name in names.iter().filter(|name| !self.own.contains(name)) {
            connection.execute_batch(&format!("DROP TABLE {}", quoted(name)))?;
        }
        Ok(())
    }

    fn settle(&mut self, connection: &Connection) -> Result<()> {
        if !self.is_settled {
            self.is_settled = true;
            self.drop_others(connection)?;
        }
        Ok(())
    }
}

fn is_there(connection: &Connection, name: &str) -> Result<bool> {
    Ok(connection
        .prepare_cached("SELECT 1 FROM sqlite_schema WHERE name = ?1")?
        .exists([name])?)
}

/// The statement that inserts rows into the current table.
struct Insert {
    sql: String,
    width: usize,
}

impl Insert {
    fn into(connection: &Connection, table: &str, columns: &[String]) -> Result<Self> {
        ensure!(!columns.is_empty(), "table without columns");
        if table.starts_with("sqlite_") {
            // SQLite has filled it while the rows of other tables were inserted.
            connection.execute(&format!("DELETE FROM {}", quoted(table)), [])?;
        }
        let names: Vec<String> = columns.iter().map(|name| quoted(name)).collect();
        let values: Vec<String> = (1..=columns.len()).map(|i| format!("?{i}")).collect();
        Ok(Self {
            sql: format!(
                "INSERT INTO {}({}) VALUES({})",
                quoted(table),
                names.join(", "),
                values.join(", ")
            ),
            width: columns.len(),
        })
    }
}

fn put(
    connection: &Connection,
    insert: Option<&Insert>,
    values: &[Value],
    text: &[usize],
) -> Result<()> {
    let insert = insert.context("a row before any table")?;
    ensure!(values.len() == insert.width, "a row of another table");
    let values = values.iter().enumerate().map(|(i, value)| Bound {
        value,
        is_text: text.contains(&i),
    });
    let changed = connection
        .prepare_cached(&insert.sql)?
        .execute(params_from_iter(values))?;
    if changed != 1 {
        bail!("a row that is not taken");
    }
    Ok(())
}

struct Bound<'a> {
    value: &'a Value,
    /// True for a blob that is text in the database.
    is_text: bool,
}

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.value {
            Value::Null => ValueRef::Null,
            Value::Integer(number) => ValueRef::Integer(*number),
            Value::Real(number) => ValueRef::Real(*number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) if self.is_text => ValueRef::Text(bytes),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}
