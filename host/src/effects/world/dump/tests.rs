//! Any world, dumped and loaded, stays the same: its dump is equal, and so is everything that SQL
//! shows of it, read without the code under test.

use std::io::Cursor;

use proptest::prelude::*;
use rusqlite::types::Value as Sql;
use tempfile::TempDir;

use super::*;

fn text(root: &Path) -> Vec<u8> {
    let mut text = Vec::new();
    write(&root.join(WORLD), &mut |bytes| {
        text.extend_from_slice(bytes);
        Ok(())
    })
    .unwrap();
    text
}

/// Loads `dump`; returns the new world's dump and its folder.
fn loaded(dump: &[u8]) -> Result<(TempDir, Vec<u8>)> {
    let folder = TempDir::new()?;
    load::load(Cursor::new(dump), &folder.path().join(WORLD), 7)?;
    let again = text(folder.path());
    Ok((folder, again))
}

/// Returns schema and rows as SQL shows them, in scan order.
fn shown(root: &Path) -> Vec<String> {
    let connection = Connection::open(root.join(WORLD)).unwrap();
    let lines = |sql: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        let width = statement.column_count();
        let rows = statement.query_map([], |row| {
            let cells = (0..width).map(|i| match row.get_ref(i).unwrap() {
                ValueRef::Real(real) => format!("{:x}", real.to_bits()),
                other => format!("{other:?}"),
            });
            Ok(cells.collect::<Vec<_>>().join("|"))
        });
        rows.unwrap().collect::<rusqlite::Result<_>>().unwrap()
    };
    let mut all = lines("SELECT type, name, tbl_name, sql FROM sqlite_schema");
    for table in tables(&connection).unwrap() {
        let rowid = table
            .rowid
            .map_or(String::new(), |name| format!("{name}, "));
        all.push(table.name.clone());
        all.extend(lines(&format!(
            "SELECT {rowid}* FROM {} NOT INDEXED",
            quoted(&table.name)
        )));
    }
    all
}

fn world(statements: &[(String, Vec<Sql>)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    let connection = Connection::open(folder.path().join(WORLD)).unwrap();
    connection.execute_batch("PRAGMA journal_mode=WAL").unwrap();
    for (sql, params) in statements {
        // Many statements make no sense in their place and are refused.
        if let Ok(mut statement) = connection.prepare(sql) {
            let _ = statement.execute(params_from(params));
        }
    }
    folder
}

fn params_from(params: &[Sql]) -> impl rusqlite::Params {
    rusqlite::params_from_iter(params.iter())
}

fn comes_back(folder: &TempDir) {
    let dump = text(folder.path());
    let (copy, again) = loaded(&dump).unwrap();
    let wanted = (Digest::of(&dump), dump.len() as u64);
    rebuild(&dump[..], wanted, &copy.path().join("another"), 7).unwrap();
    assert_eq!(
        String::from_utf8(again).unwrap(),
        String::from_utf8(dump).unwrap()
    );
    assert_eq!(shown(copy.path()), shown(folder.path()));
    let connection = Connection::open(copy.path().join(WORLD)).unwrap();
    let pragma = |name: &str| -> String {
        let found: Sql = connection
            .pragma_query_value(None, name, |row| row.get(0))
            .unwrap();
        format!("{found:?}")
    };
    assert_eq!(pragma("integrity_check"), "Text(\"ok\")");
    assert_eq!(pragma("user_version"), "Integer(7)");
}

fn any_value() -> impl Strategy<Value = Sql> {
    prop_oneof![
        Just(Sql::Null),
        any::<i64>().prop_map(Sql::Integer),
        (-3_i64..4).prop_map(Sql::Integer),
        any::<u64>().prop_map(|bits| Sql::Real(f64::from_bits(bits))),
        prop::sample::select(vec![-0.0, 5.0, f64::INFINITY, 1e300, 9.3e18, 0.1])
            .prop_map(Sql::Real),
        ".{0,4}".prop_map(Sql::Text),
        prop::sample::select(vec!["a", "A", "1", "1.0", "\0nul\n", "[1]", "{}"])
            .prop_map(|text| Sql::Text(text.to_owned())),
        (1_usize..200_000).prop_map(|n| Sql::Text("é".repeat(n))),
        prop::collection::vec(any::<u8>(), 0..5).prop_map(Sql::Blob),
    ]
}

const TABLES: [&str; 9] = [
    "(a INTEGER PRIMARY KEY, b, c TEXT)",
    "(a INTEGER PRIMARY KEY AUTOINCREMENT, b UNIQUE, c REAL)",
    "(a TEXT COLLATE NOCASE, b BLOB, c, PRIMARY KEY(a, b DESC)) WITHOUT ROWID",
    "(a INT, b ANY, c TEXT) STRICT",
    "(a, b, c, d AS (a || b), e AS (length(c)) STORED)",
    "(rowid, _rowid_, oid)",
    "(RowId TEXT, \"b \"\"q\", c INTEGER PRIMARY KEY DESC)",
    "(a NUMERIC CHECK(a < 5), b REFERENCES t0(a), c INTEGER DEFAULT (1 + 1))",
    "(\"order\" PRIMARY KEY, [b c] NOT NULL ON CONFLICT IGNORE, `d` UNIQUE ON CONFLICT REPLACE)",
];

const OTHERS: [&str; 20] = [
    "CREATE INDEX $i ON $t(b DESC, a COLLATE NOCASE) WHERE a IS NOT NULL",
    "CREATE UNIQUE INDEX $i ON $t(abs(a), b)",
    "CREATE VIEW IF NOT EXISTS $i AS SELECT a, count(*) FROM $t GROUP BY a",
    "CREATE TRIGGER $i AFTER INSERT ON $t BEGIN DELETE FROM $t WHERE a = new.a; END",
    "CREATE TRIGGER $i AFTER INSERT ON $t BEGIN INSERT INTO t0 VALUES (NULL, new.a, 'tr;igger'); END",
    "CREATE TABLE $i AS SELECT * FROM $t",
    "DROP TABLE $t",
    "DROP TABLE $i",
    "DROP VIEW $i",
    "DELETE FROM $t WHERE a > 0",
    "DELETE FROM $t",
    "ALTER TABLE $t RENAME TO $i",
    "ALTER TABLE $t ADD COLUMN z TEXT DEFAULT 5",
    "ALTER TABLE $t DROP COLUMN b",
    "ALTER TABLE $t RENAME COLUMN a TO \"x y\"",
    "ANALYZE",
    "DROP TABLE sqlite_stat4",
    "DROP TABLE sqlite_stat1",
    "UPDATE sqlite_sequence SET seq = 77",
    "INSERT OR IGNORE INTO $t SELECT CAST(x'ff41' AS TEXT), x'00', CAST(x'fe' AS TEXT)",
];

fn any_statement() -> impl Strategy<Value = (String, Vec<Sql>)> {
    let table = (0..3_u8, prop::sample::select(TABLES.to_vec()))
        .prop_map(|(t, columns)| (format!("CREATE TABLE t{t}{columns}"), Vec::new()));
    let values = prop::collection::vec(any_value(), 3);
    let row = (0..3_u8, values).prop_map(|(t, row)| {
        (
            format!("INSERT OR IGNORE INTO t{t} VALUES (?1, ?2, ?3)"),
            row,
        )
    });
    let other =
        (0..3_u8, 0..3_u8, prop::sample::select(OTHERS.to_vec())).prop_map(|(t, i, sql)| {
            let sql = sql.replace("$t", &format!("t{t}"));
            (sql.replace("$i", &format!("i{i}")), Vec::new())
        });
    prop_oneof![2 => table, 6 => row, 3 => other]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn any_world_comes_back(statements in prop::collection::vec(any_statement(), 0..40)) {
        comes_back(&world(&statements));
    }

    #[test]
    fn no_dump_makes_load_panic(statements in prop::collection::vec(any_statement(), 0..12), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut dump = text(world(&statements).path());
        let at = at.index(dump.len());
        dump[at] = byte;
        let _ = loaded(&dump);
    }
}

#[test]
fn every_kind_of_thing_comes_back() {
    let rows = |table: usize| {
        (0..4_i64).map(move |i| {
            let row = vec![Sql::Integer(i * 3), Sql::Text(format!("{i}")), Sql::Null];
            (
                format!("INSERT OR IGNORE INTO t{table} VALUES (?1, ?2, ?3)"),
                row,
            )
        })
    };
    let mut statements = Vec::new();
    for (number, columns) in TABLES.iter().enumerate() {
        statements.push((format!("CREATE TABLE t{number}{columns}"), Vec::new()));
        statements.extend(rows(number));
    }
    for (number, sql) in OTHERS.iter().enumerate() {
        if !sql.starts_with('D') && !sql.starts_with("ALTER") {
            let table = if sql.starts_with("INSERT") {
                "t4"
            } else {
                "t1"
            };
            let sql = sql
                .replace("$t", table)
                .replace("$i", &format!("i{number}"));
            statements.push((sql, Vec::new()));
        }
    }
    let folder = world(&statements);
    let dump = String::from_utf8(text(folder.path())).unwrap();
    for part in [
        "sqlite_sequence",
        "sqlite_stat1",
        "\"text\":[",
        "CREATE VIEW",
        "STRICT",
    ] {
        assert!(dump.contains(part), "{part}: {dump}");
    }
    comes_back(&folder);
    // sqlite_sequence stays after the table that needed it is dropped.
    for orphan in ["t1", "i0"] {
        statements.push((format!("DROP TABLE {orphan}"), Vec::new()));
    }
    statements.push(("CREATE TABLE seed(x)".to_owned(), Vec::new()));
    comes_back(&world(&statements));
}

#[test]
fn no_world_is_an_empty_one() {
    let folder = TempDir::new().unwrap();
    let nothing = text(folder.path());
    assert_eq!(
        nothing,
        b"{\"format\":\"coo-world/1\",\"kind\":\"world\"}\n"
    );
    assert_eq!(digest(folder.path()).unwrap(), None);
    assert_eq!(text(world(&[]).path()), nothing);
    assert_eq!(loaded(&nothing).unwrap().1, nothing);
}

#[test]
fn a_dump_reaches_for_nothing_else() {
    let folder = TempDir::new().unwrap();
    let other = folder.path().join("other.db");
    let other = other.to_str().unwrap();
    for sql in [
        format!("ATTACH '{other}' AS other"),
        format!("VACUUM INTO '{other}'"),
        format!("COMMIT; VACUUM INTO '{other}'"),
        "PRAGMA journal_mode=WAL".to_owned(),
        "COMMIT".to_owned(),
        "CREATE VIRTUAL TABLE x USING fts5(y)".to_owned(),
        "CREATE TABLE a(b); CREATE TABLE c(d)".to_owned(),
    ] {
        let lines = [
            Line::World {
                format: FORMAT.to_owned(),
            },
            Line::Schema {
                kind: "table".to_owned(),
                name: "x".to_owned(),
                sql: sql.clone(),
            },
        ];
        let dump: String = lines
            .iter()
            .map(|line| canonical::to_string(line).unwrap() + "\n")
            .collect();
        assert!(loaded(dump.as_bytes()).is_err(), "{sql}");
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            0,
            "{sql}"
        );
    }
    for dump in [
        "",
        "[]\n",
        "{}\n",
        "{\"format\":\"coo-world/2\",\"kind\":\"world\"}\n",
    ] {
        assert!(loaded(dump.as_bytes()).is_err(), "{dump}");
    }
}
