//! Functions that depend on the connection give the same result in every run of the same statements,
//! or are refused. Numbers and names that `SQLite` draws are tested by `tests/bounds/chance.rs`: its
//! generator belongs to the process, and other tests of this program draw from it, too.

use super::*;

#[test]
fn what_the_connection_counts_is_counted_from_the_run() {
    let mut fixture = Fixture::new();
    fixture.world.commit(1).unwrap();
    for (sql, number) in [
        ("SELECT last_insert_rowid()", 0),
        ("SELECT changes()", 0),
        (
            "INSERT INTO t VALUES (7, 'x'), (8, 'y') RETURNING last_insert_rowid()",
            0,
        ),
        ("SELECT last_insert_rowid()", 8),
        ("SELECT changes()", 2),
        ("SELECT total_changes()", 2),
    ] {
        let rows = fixture.query(sql).unwrap().rows;
        if sql.starts_with("SELECT") {
            assert_eq!(rows, [[Value::Integer(number)]], "{sql}");
        } else {
            assert_eq!(rows.len(), 2, "{sql}");
        }
    }
}

/// Every function was reviewed: `PERMITTED_FUNCTIONS` and this list cover them all. A release of
/// `SQLite` that adds a function fails here until it is reviewed.
#[test]
fn every_function_of_sqlite_is_permitted_or_refused_for_a_reason() {
    const REFUSED: [&str; 31] = [
        "bm25",
        "current_date",
        "current_time",
        "current_timestamp",
        "date",
        "datetime",
        "fts3_tokenizer",
        "fts5",
        "fts5_get_locale",
        "fts5_insttoken",
        "fts5_locale",
        "fts5_source_id",
        "highlight",
        "json_patch",
        "jsonb_patch",
        "julianday",
        "load_extension",
        "match",
        "matchinfo",
        "offsets",
        "optimize",
        "random",
        "randomblob",
        "rtreecheck",
        "rtreedepth",
        "rtreenode",
        "snippet",
        "strftime",
        "time",
        "timediff",
        "unixepoch",
    ];
    const OF_THE_BUILD: [&str; 5] = [
        "sqlite_compileoption_get",
        "sqlite_compileoption_used",
        "sqlite_log",
        "sqlite_source_id",
        "sqlite_version",
    ];
    let connection = Connection::open_in_memory().unwrap();
    let mut listed = connection
        .prepare("SELECT DISTINCT name FROM pragma_function_list")
        .unwrap();
    let names: BTreeSet<String> = listed
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<rusqlite::Result<_>>()
        .unwrap();
    let refused: BTreeSet<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| !db::is_permitted_function(name))
        .collect();
    let decided: BTreeSet<&str> = REFUSED.into_iter().chain(OF_THE_BUILD).collect();
    assert_eq!(refused, decided);
    for name in db::PERMITTED_FUNCTIONS {
        let is_of_alter = name.starts_with("sqlite_");
        assert!(
            is_of_alter || names.contains(name),
            "{name}: SQLite has none"
        );
    }
}

#[test]
fn the_statements_that_sqlite_runs_itself_pass() {
    let mut fixture = Fixture::new();
    fixture.done("CREATE TABLE a (a TEXT)");
    fixture.done("INSERT INTO a VALUES ('x')");
    for sql in [
        "ALTER TABLE a ADD COLUMN b INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE a ADD COLUMN c INTEGER CHECK (c > 0)",
        "ALTER TABLE a ADD COLUMN g INTEGER GENERATED ALWAYS AS (b + 1) VIRTUAL NOT NULL",
        "ALTER TABLE a RENAME COLUMN a TO aa",
        "ALTER TABLE a RENAME TO u",
        "CREATE TABLE s (a INTEGER) STRICT",
        "ALTER TABLE s ADD COLUMN b TEXT",
        "CREATE TABLE w (k TEXT PRIMARY KEY, v ANY) STRICT, WITHOUT ROWID",
        "ANALYZE",
        "REINDEX",
    ] {
        assert_eq!(fixture.execute(sql), Ok(0), "{sql}");
    }
    // A failing check fails every time, whether or not the statement was prepared before.
    for _ in 0..2 {
        let refused = fixture.execute("ALTER TABLE u ADD COLUMN d INTEGER DEFAULT 0 CHECK (d > 0)");
        assert!(
            matches!(&refused, Err(Refusal::Failed(said)) if said == "CHECK constraint failed"),
            "{refused:?}"
        );
    }
    // A guest may not run the statements that SQLite runs internally then.
    for sql in [
        "SELECT * FROM pragma_quick_check('u')",
        "SELECT * FROM pragma_quick_check",
        "SELECT count(*) FROM pragma_table_info('u')",
    ] {
        let refused = fixture.query(sql);
        assert!(
            matches!(&refused, Err(Refusal::Refused(said)) if said.starts_with("PRAGMA")),
            "{sql}: {refused:?}"
        );
    }
    fixture.done("CREATE VIEW p AS SELECT * FROM pragma_quick_check");
    let refused = fixture.query("SELECT * FROM p");
    // Refused here, or by SQLite, which does not trust a view yet.
    assert!(refused.is_err(), "{refused:?}");
}

#[test]
fn json_is_read_as_a_table_and_nothing_else_that_is_none() {
    let mut fixture = Fixture::new();
    assert_eq!(
        fixture.value("SELECT sum(value) FROM json_each('[1, 2, 3]')"),
        Value::Integer(6)
    );
    assert_eq!(
        fixture.value("SELECT count(*) FROM json_tree('{\"a\": [1]}')"),
        Value::Integer(3)
    );
    for table in [
        "dbstat",
        "generate_series(1, 3)",
        "sqlite_dbpage",
        "fts5vocab",
        "bytecode('SELECT 1')",
    ] {
        let refused = fixture.query(&format!("SELECT * FROM {table}"));
        assert!(
            matches!(refused, Err(Refusal::Refused(_) | Refusal::Failed(_))),
            "{table}: {refused:?}"
        );
    }
}

#[test]
fn a_change_gives_rows_back_through_query() {
    let mut fixture = Fixture::new();
    let rows = fixture
        .query("INSERT INTO t VALUES (3, 'three'), (4, 'four') RETURNING id, upper(x) AS up")
        .unwrap();
    assert_eq!(rows.columns, ["id", "up"]);
    assert_eq!(rows.rows.len(), 2);
    assert_eq!(fixture.count(), Value::Integer(4));
    let refused = fixture.query("DELETE FROM t");
    assert!(
        matches!(&refused, Err(Refusal::Refused(said)) if said.contains("use execute")),
        "{refused:?}"
    );
    assert_eq!(fixture.count(), Value::Integer(4));
}

#[test]
fn what_was_promised_is_made_once_more_with_the_rows_and_the_numbers_it_had() {
    let lines = [
        "CREATE TABLE r (id INTEGER PRIMARY KEY, v)",
        "INSERT INTO r VALUES (7, 'a')",
        "INSERT INTO r (v) VALUES ('b') RETURNING id, v",
        "INSERT INTO r (v) VALUES (last_insert_rowid()), (total_changes())",
        "INSERT INTO r (id) VALUES (7) RETURNING id",
        "UPDATE r SET v = v || changes() RETURNING v",
    ];
    let limits = Limits::default();
    let folder = TempDir::new().unwrap();
    let mut world = World::new(folder.path());
    let promised: Vec<Applied> = lines
        .iter()
        .map(|sql| {
            let statement = Statement {
                params: Vec::new(),
                sql: (*sql).to_owned(),
            };
            // Reads in between, which a redo does not repeat.
            let read = Statement {
                params: Vec::new(),
                sql: "SELECT last_insert_rowid(), changes() FROM sqlite_schema".to_owned(),
            };
            let bounds = bounds(&limits);
            assert!(matches!(
                world.query(&read, bounds).unwrap(),
                DbAnswer::Ok(_)
            ));
            let answer = if db::changes(sql) && sql.contains("RETURNING") {
                Told::Returned(world.returning(&statement, bounds).unwrap())
            } else {
                Told::Changed(world.execute(&statement, bounds).unwrap())
            };
            Applied { statement, answer }
        })
        .collect();
    world.commit(1).unwrap();
    let digest = dump::digest(folder.path()).unwrap();
    let other = TempDir::new().unwrap();
    assert!(again(other.path(), 1, &promised).unwrap());
    assert_eq!(dump::digest(other.path()).unwrap(), digest);
    // A refused RETURNING has changed nothing, although SQLite changes before it returns.
    let limits = Limits {
        db_rows: 1,
        ..limits
    };
    let mut world = World::new(folder.path());
    let statement = Statement {
        params: Vec::new(),
        sql: "DELETE FROM r RETURNING id".to_owned(),
    };
    let refused = world.returning(&statement, bounds(&limits)).unwrap();
    assert!(
        matches!(refused, DbAnswer::Error(Refusal::Limit(_))),
        "{refused:?}"
    );
    world.commit(2).unwrap();
    assert_eq!(dump::digest(folder.path()).unwrap(), digest);
}
