//! The world's content as text: everything a mission can see of it, in one order, whatever the
//! layout of the file. Equal worlds have equal dumps. Changes nothing.

use std::path::Path;

use anyhow::{Context as _, Result};
use coo_kernel::canonical;
use coo_kernel::db::Value;
use coo_kernel::digest::Digest;
use rusqlite::{Connection, OpenFlags};

use super::{FILE, value};

/// Digest of the content of the world below `root`; `None` where no statement was ever run.
#[allow(clippy::disallowed_methods, reason = "SQLite writes its own file")]
pub fn digest(root: &Path) -> Result<Option<Digest>> {
    let path = root.join(FILE);
    if !path.exists() {
        return Ok(None);
    }
    let shown = || format!("database {}", path.display());
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&path, flags).with_context(shown)?;
    let mut text = String::new();
    dump(&connection, &mut text).with_context(shown)?;
    Ok(Some(Digest::of(text)))
}

/// A line of JSON for each entry of the schema, then one for each row, table by table.
fn dump(connection: &Connection, out: &mut String) -> Result<()> {
    lines(
        connection,
        "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name",
        out,
    )?;
    let mut tables =
        connection.prepare("SELECT name, wr FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name <> 'sqlite_schema' ORDER BY name")?;
    let tables: Vec<(String, bool)> = tables
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (table, without_rowid) in tables {
        let names = |filter: &str| -> Result<Vec<String>> {
            let sql = format!("SELECT name FROM pragma_table_info(?1) {filter}");
            let mut statement = connection.prepare(&sql)?;
            let rows = statement.query_map([&table], |row| row.get(0))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        };
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let columns = names("")?;
        // A guest sees row numbers too; a column can take one of their three names.
        let rowid = ["rowid", "_rowid_", "oid"]
            .into_iter()
            .filter(|_| !without_rowid)
            .find(|name| {
                !columns
                    .iter()
                    .any(|column| column.eq_ignore_ascii_case(name))
            });
        let (shown, order) = if let Some(rowid) = rowid {
            (format!("{rowid}, *"), rowid.to_owned())
        } else {
            let mut key = names("WHERE pk > 0 ORDER BY pk")?;
            if key.is_empty() {
                key = columns;
            }
            let key: Vec<String> = key.iter().map(|name| quoted(name)).collect();
            ("*".to_owned(), key.join(", "))
        };
        out.push_str(&canonical::to_string(&table)?);
        out.push('\n');
        lines(
            connection,
            &format!("SELECT {shown} FROM {} ORDER BY {order}", quoted(&table)),
            out,
        )?;
    }
    Ok(())
}

fn lines(connection: &Connection, sql: &str, out: &mut String) -> Result<()> {
    let mut statement = connection.prepare(sql)?;
    let width = statement.column_count();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let values = (0..width)
            .map(|i| Ok(value(row.get_ref(i)?)))
            .collect::<rusqlite::Result<Vec<Value>>>()?;
        out.push_str(&canonical::to_string_sorted(&values)?);
        out.push('\n');
    }
    Ok(())
}
