//! The world's content as text: everything that a mission can see of it, independent of the file
//! layout. Equal worlds have equal dumps, and `load` turns a dump into a world with the same dump.
//! Only page numbers, and row numbers of the schema table itself, are left out.
//!
//! Each line is JSON. The first names the format; then come the schema entries that have SQL, in
//! the order of their creation; then each table with its columns, `SQLite`'s own tables last,
//! followed by its rows in key order. Text that is not UTF-8 appears as a blob, and its row says
//! so. Derived content (automatic indexes, generated columns) is left out.

mod load;

use std::fmt::Write as _;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use coo_kernel::effects::db::Value;
use coo_kernel::form::canonical;
use coo_kernel::form::digest::Digest;
use coo_kernel::state::layout::WORLD;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};

use super::value;
use crate::hint::Hint as _;
use crate::machine::hashing::Hashing;
use crate::state::store::check_plain;

pub use load::rebuild;

/// The format that the first line of a dump names.
const FORMAT: &str = "coo-world/1";

/// A line that is not a plain array of values.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Line {
    World {
        format: String,
    },
    Schema {
        #[serde(rename = "type")]
        kind: String,
        name: String,
        sql: String,
    },
    Table {
        columns: Vec<String>,
        name: String,
    },
    /// A row with text that is not UTF-8; `text` lists the positions of these columns.
    Row {
        text: Vec<usize>,
        values: Vec<Value>,
    },
}

/// Receives a dump piece by piece.
pub type Out<'a> = dyn FnMut(&[u8]) -> io::Result<()> + 'a;

/// Returns the digest of the content of the world below `root`; `None` if no statement was ever
/// run.
#[allow(clippy::disallowed_methods, reason = "SQLite writes its own file")]
pub fn digest(root: &Path) -> Result<Option<Digest>> {
    let path = root.join(WORLD);
    if !path.exists() {
        return Ok(None);
    }
    Ok(Some(digest_and_size(&path)?.0))
}

/// Returns digest and size in bytes of the dump of the world in the file `path`.
pub fn digest_and_size(path: &Path) -> Result<(Digest, u64)> {
    let mut hashing = Hashing::new(io::sink());
    let mut size = 0;
    write(path, &mut |bytes| {
        size += bytes.len() as u64;
        hashing.write_all(bytes)
    })?;
    Ok((hashing.digest(), size))
}

/// Moves the write-ahead log of the world below `root` into the database file, if there is a world.
/// Returns false if another process still reads from the log.
pub fn checkpoint(root: &Path) -> Result<bool> {
    let path = root.join(WORLD);
    if path.symlink_metadata().is_err() {
        return Ok(true);
    }
    open(&path)
        .and_then(|connection| crate::state::store::checkpoint(&connection))
        .with_context(|| format!("database {}", path.display()))
}

/// Passes the dump of the world in the file `path` to `out`, piece by piece. A missing file counts
/// as an empty world.
pub fn write(path: &Path, out: &mut Out<'_>) -> Result<()> {
    let connection = if path.symlink_metadata().is_ok() {
        open(path)
    } else {
        Connection::open_in_memory().map_err(Into::into)
    };
    connection
        .and_then(|connection| dump(&*connection.unchecked_transaction()?, out))
        .with_context(|| format!("database {}", path.display()))
}

#[allow(clippy::disallowed_methods, reason = "SQLite writes its own file")]
fn open(path: &Path) -> Result<Connection> {
    // SQLITE_OPEN_NOFOLLOW refuses a symbolic link anywhere on the path; only the file itself must
    // not be one, so resolve the folder first.
    let folder = path.parent().unwrap_or(path).canonicalize()?;
    check_plain(path)?;
    let path = folder.join(path.file_name().unwrap_or_default());
    let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    if is_at_rest(&path)? {
        let flags = flags | OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        return Ok(Connection::open_with_flags(immutable(&path), flags)?);
    }
    let flags = flags | OpenFlags::SQLITE_OPEN_READ_WRITE;
    Ok(Connection::open_with_flags(path, flags)?)
}

/// Returns whether the file is read-only, as in a frozen state root, and its write-ahead log is
/// empty. Such a database is opened without creating a log and an index beside it: these would
/// inherit its permissions, and a later writer could not use them.
fn is_at_rest(path: &Path) -> io::Result<bool> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let is_empty = match Path::new(&log).symlink_metadata() {
        Ok(log) => log.len() == 0,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    Ok(is_empty && path.symlink_metadata()?.permissions().readonly())
}

/// Returns the URI of a database that does not change while it is read.
fn immutable(path: &Path) -> String {
    let mut address = "file:".to_owned();
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(byte) {
            address.push(char::from(*byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(address, "%{byte:02X}");
        }
    }
    address + "?immutable=1"
}

fn line(out: &mut Out<'_>, line: &Line) -> Result<()> {
    out((canonical::to_string(line)? + "\n").as_bytes())?;
    Ok(())
}

fn dump(connection: &Connection, out: &mut Out<'_>) -> Result<()> {
    let format = FORMAT.to_owned();
    line(out, &Line::World { format })?;
    let mut schema = connection.prepare(
        "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid",
    )?;
    let mut rows = schema.query([])?;
    while let Some(row) = rows.next()? {
        let (kind, name, sql) = (row.get(0)?, row.get(1)?, row.get(2)?);
        line(out, &Line::Schema { kind, name, sql })?;
    }
    for table in tables(connection)? {
        dump_table(connection, &table, out)?;
    }
    Ok(())
}

/// A table, as far as its rows can be read and written.
struct Table {
    name: String,
    columns: Vec<String>,
    /// Name that reaches the row number; `None` if no name does.
    rowid: Option<&'static str>,
}

/// Returns every table in schema order, `SQLite`'s own last, because they change when others are
/// filled.
fn tables(connection: &Connection) -> Result<Vec<Table>> {
    let mut statement = connection.prepare(
        "SELECT entry.name, list.wr, list.type FROM sqlite_schema AS entry \
         JOIN pragma_table_list AS list ON list.schema = 'main' AND list.name = entry.name \
         WHERE entry.type = 'table' \
         ORDER BY substr(entry.name, 1, 7) = 'sqlite_', entry.rowid",
    )?;
    let found: Vec<(String, bool, String)> = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut tables = Vec::new();
    for (name, without_rowid, kind) in found {
        if kind != "table" {
            bail!(
                anyhow!("table {name}: is a {kind} table, and no mission can make one")
                    .hint("drop it")
            );
        }
        let (all, columns) = columns(connection, &name)?;
        // A guest sees row numbers, too; a column can take over one of their three names.
        let rowid = ["rowid", "_rowid_", "oid"]
            .into_iter()
            .filter(|_| !without_rowid)
            .find(|rowid| !all.iter().any(|column| column.eq_ignore_ascii_case(rowid)));
        tables.push(Table {
            name,
            columns,
            rowid,
        });
    }
    Ok(tables)
}

/// Returns the names of all columns, and the names of those that are not generated.
fn columns(connection: &Connection, table: &str) -> Result<(Vec<String>, Vec<String>)> {
    let mut statement =
        connection.prepare_cached("SELECT name, hidden FROM pragma_table_xinfo(?1)")?;
    let mut rows = statement.query([table])?;
    let (mut all, mut stored) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        if row.get::<_, i64>(1)? == 0 {
            stored.push(name.clone());
        }
        all.push(name);
    }
    Ok((all, stored))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn dump_table(connection: &Connection, table: &Table, out: &mut Out<'_>) -> Result<()> {
    let mut shown: Vec<String> = table.columns.iter().map(|name| quoted(name)).collect();
    // The row number comes before the values and unquoted, because no column has this name.
    shown.splice(0..0, table.rowid.map(str::to_owned));
    let columns = table.rowid.iter().map(|rowid| (*rowid).to_owned());
    let columns: Vec<String> = columns.chain(table.columns.iter().cloned()).collect();
    let width = columns.len();
    let name = table.name.clone();
    line(out, &Line::Table { columns, name })?;
    // NOT INDEXED: read the table in key order, whatever indexes it has.
    let sql = format!(
        "SELECT {} FROM {} NOT INDEXED",
        shown.join(", "),
        quoted(&table.name)
    );
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let mut values = Vec::with_capacity(width);
        let mut text = Vec::new();
        for i in 0..width {
            let found = row.get_ref(i)?;
            let read = value(found);
            if matches!((found, &read), (ValueRef::Text(_), Value::Blob(_))) {
                text.push(i);
            }
            values.push(read);
        }
        if text.is_empty() {
            out((canonical::to_string_sorted(&values)? + "\n").as_bytes())?;
        } else {
            line(out, &Line::Row { text, values })?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
