//! Which statements a mission may run on its world, and which are refused.

use std::collections::BTreeSet;

use coo_kernel::effects::db::{Applied, Told, Value};
use tempfile::TempDir;

use super::*;

mod bounded;
mod chance;
mod functions;

struct Fixture {
    folder: TempDir,
    world: World,
    limits: Limits,
}

fn bounds(limits: &Limits) -> Bounds<'_> {
    Bounds {
        limits,
        deadline: None,
        first_time: true,
    }
}

impl Fixture {
    /// Makes a world with a table `t(id, x)`: (1, 'one'), (2, 'two').
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let world = World::new(folder.path());
        let limits = Limits {
            db_steps: 100_000,
            db_rows: 50,
            ..Limits::default()
        };
        let mut fixture = Self {
            folder,
            world,
            limits,
        };
        fixture.done("CREATE TABLE t (id INTEGER PRIMARY KEY, x UNIQUE NOT NULL)");
        fixture.done("INSERT INTO t VALUES (1, 'one'), (2, 'two')");
        fixture
    }

    fn query_with(&mut self, sql: &str, params: Vec<Value>) -> Result<Rows, Refusal> {
        let statement = Statement {
            params,
            sql: sql.to_owned(),
        };
        let answer = if db::changes(sql) {
            self.world.returning(&statement, bounds(&self.limits))
        } else {
            self.world.query(&statement, bounds(&self.limits))
        };
        answer.unwrap().told().unwrap()
    }

    fn execute_with(&mut self, sql: &str, params: Vec<Value>) -> Result<u64, Refusal> {
        let statement = Statement {
            params,
            sql: sql.to_owned(),
        };
        let answer = self.world.execute(&statement, bounds(&self.limits));
        answer.unwrap().told().unwrap()
    }

    /// Runs a change that ends the run.
    fn ended(&mut self, sql: &str) -> Failure {
        let statement = Statement {
            params: Vec::new(),
            sql: sql.to_owned(),
        };
        match self
            .world
            .execute(&statement, bounds(&self.limits))
            .unwrap()
        {
            DbAnswer::Ended(failure) => failure,
            other => panic!("{sql}: {other:?}"),
        }
    }

    fn query(&mut self, sql: &str) -> Result<Rows, Refusal> {
        self.query_with(sql, Vec::new())
    }

    fn execute(&mut self, sql: &str) -> Result<u64, Refusal> {
        self.execute_with(sql, Vec::new())
    }

    fn done(&mut self, sql: &str) -> u64 {
        self.execute(sql).unwrap()
    }

    /// Returns the only value of the only row.
    fn value(&mut self, sql: &str) -> Value {
        let rows = self.query(sql).unwrap().rows;
        assert_eq!((rows.len(), rows[0].len()), (1, 1), "{sql}");
        rows[0][0].clone()
    }

    fn count(&mut self) -> Value {
        self.value("SELECT count(*) FROM t")
    }

    /// Checks that the statement is refused both as a query and as a change, and that the refusal
    /// names `word`.
    fn refuses(&mut self, sql: &str, word: &str) {
        for refusal in [self.query(sql).map(|_| 0), self.execute(sql)] {
            match refusal {
                Err(Refusal::Refused(said)) => assert!(said.contains(word), "{sql}: {said}"),
                other => panic!("{sql}: {other:?}"),
            }
        }
        assert_eq!(self.count(), Value::Integer(2), "{sql}");
    }
}

#[test]
fn what_differs_from_run_to_run_is_refused_by_name() {
    let mut fixture = Fixture::new();
    for (expression, name) in [
        ("random()", "random()"),
        ("abs(random() % 6)", "random()"),
        ("RANDOM()", "random()"),
        ("\"random\"()", "random()"),
        ("randomblob(8)", "randomblob()"),
        ("date()", "date()"),
        ("time('now')", "time()"),
        ("datetime('now')", "datetime()"),
        ("julianday('now')", "julianday()"),
        ("strftime('%s', 'now')", "strftime()"),
        ("unixepoch()", "unixepoch()"),
        ("timediff('now', '2000-01-01')", "timediff()"),
        ("CURRENT_TIMESTAMP", "current_timestamp()"),
        ("current_date", "current_date()"),
        ("current_time", "current_time()"),
        ("json_patch('{}', '{}')", "json_patch()"),
        ("fts5_locale('a', 'b')", "fts5_locale()"),
        ("sqlite_version()", "sqlite_version()"),
        ("sqlite_source_id()", "sqlite_source_id()"),
        (
            "sqlite_compileoption_used('THREADSAFE')",
            "sqlite_compileoption_used()",
        ),
        ("load_extension('/tmp/x.so')", "load_extension()"),
    ] {
        fixture.refuses(&format!("SELECT {expression}"), name);
        let refused = fixture.execute(&format!("INSERT INTO t VALUES (3, {expression})"));
        assert!(
            matches!(&refused, Err(Refusal::Refused(said)) if said.contains(name)),
            "{refused:?}"
        );
    }
}

#[test]
fn a_default_a_trigger_or_a_view_can_not_hide_what_is_refused() {
    let mut fixture = Fixture::new();
    // Such a value is refused, whether SQLite notices on writing or on running the statement.
    for hidden in [
        [
            "CREATE TABLE d (id INTEGER, at DEFAULT CURRENT_TIMESTAMP)",
            "INSERT INTO d (id) VALUES (1)",
        ],
        [
            "CREATE TABLE d (id INTEGER, at DEFAULT (random()))",
            "INSERT INTO d (id) VALUES (1)",
        ],
        [
            "CREATE TABLE d (id INTEGER, at AS (random()))",
            "INSERT INTO d (id) VALUES (1)",
        ],
        [
            "CREATE TABLE d (id INTEGER, at CHECK (at > datetime('now')))",
            "INSERT INTO d VALUES (1, 'z')",
        ],
        [
            "CREATE TRIGGER d AFTER UPDATE ON t BEGIN INSERT INTO t VALUES (7, random()); END",
            "UPDATE t SET x = 'new' WHERE id = 1",
        ],
        [
            "CREATE VIEW d AS SELECT random() AS r",
            "INSERT INTO t SELECT 7, r FROM d",
        ],
        [
            "CREATE INDEX d ON t (x) WHERE id > random()",
            "UPDATE t SET x = 'new' WHERE id = 1",
        ],
    ] {
        let result = fixture
            .execute(hidden[0])
            .and_then(|_| fixture.execute(hidden[1]));
        let caught = matches!(result, Err(Refusal::Refused(_) | Refusal::Failed(_)));
        assert!(caught, "{hidden:?}: {result:?}");
        for kind in ["TABLE", "TRIGGER", "VIEW", "INDEX"] {
            // One of them is the right kind; the others fail.
            let _ = fixture.execute(&format!("DROP {kind} d"));
        }
        assert_eq!(fixture.count(), Value::Integer(2));
        assert_eq!(
            fixture.value("SELECT x FROM t WHERE id = 1"),
            Value::Text("one".into())
        );
    }
}

#[test]
fn what_reaches_outside_or_around_is_refused_by_name() {
    let mut fixture = Fixture::new();
    let outside = fixture
        .folder
        .path()
        .join("outside.db")
        .display()
        .to_string();
    for (sql, word) in [
        (format!("ATTACH '{outside}' AS o"), "ATTACH"),
        ("ATTACH ':memory:' AS o".to_owned(), "ATTACH"),
        ("DETACH main".to_owned(), "DETACH"),
        ("PRAGMA user_version".to_owned(), "PRAGMA user_version"),
        ("PRAGMA user_version = 7".to_owned(), "PRAGMA user_version"),
        (
            "PRAGMA journal_mode = DELETE".to_owned(),
            "PRAGMA journal_mode",
        ),
        (
            "PRAGMA writable_schema = ON".to_owned(),
            "PRAGMA writable_schema",
        ),
        ("BEGIN".to_owned(), "transaction control"),
        ("COMMIT".to_owned(), "transaction control"),
        ("END".to_owned(), "transaction control"),
        ("ROLLBACK".to_owned(), "transaction control"),
        ("SAVEPOINT s".to_owned(), "transaction control"),
        ("RELEASE s".to_owned(), "transaction control"),
        (
            "CREATE VIRTUAL TABLE v USING csv(filename='/etc/passwd')".to_owned(),
            "virtual table module csv",
        ),
        (
            "CREATE VIRTUAL TABLE v USING fts5(body)".to_owned(),
            "virtual table module fts5",
        ),
        (
            "CREATE VIRTUAL TABLE v USING rtree(id, low, high)".to_owned(),
            "virtual table module rtree",
        ),
        (
            "CREATE VIRTUAL TABLE v USING dbstat".to_owned(),
            "virtual table module dbstat",
        ),
        ("SELECT 1; SELECT 2".to_owned(), "more than one statement"),
        (
            "INSERT INTO t VALUES (3, 'x'); DROP TABLE t".to_owned(),
            "more than one statement",
        ),
        (String::new(), "no statement"),
        (" -- nothing\n".to_owned(), "no statement"),
        ("SELECT 1\0".to_owned(), "NUL in the statement"),
    ] {
        fixture.refuses(&sql, word);
    }
    let refused = fixture.query("SELECT * FROM pragma_table_info('t')");
    assert!(
        matches!(&refused, Err(Refusal::Refused(said)) if said.starts_with("PRAGMA")),
        "{refused:?}"
    );
    let names: BTreeSet<_> = std::fs::read_dir(fixture.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(
        names.iter().all(|name| name.starts_with(WORLD)),
        "{names:?}"
    );
}

#[test]
fn vacuum_and_schema_writes_fail() {
    let mut fixture = Fixture::new();
    let copy = fixture.folder.path().join("copy.db").display().to_string();
    for sql in [
        "VACUUM".to_owned(),
        format!("VACUUM INTO '{copy}'"),
        "UPDATE sqlite_master SET sql = 'CREATE TABLE t (id)'".to_owned(),
        "INSERT INTO sqlite_schema VALUES ('table', 'u', 'u', 2, 'CREATE TABLE u (id)')".to_owned(),
        "DELETE FROM sqlite_master".to_owned(),
        "DROP TABLE sqlite_master".to_owned(),
    ] {
        assert!(fixture.execute(&sql).is_err(), "{sql}");
        assert!(fixture.query(&sql).is_err(), "{sql}");
        assert_eq!(fixture.count(), Value::Integer(2), "{sql}");
    }
    assert!(!fixture.folder.path().join("copy.db").exists());
}

#[test]
fn a_query_changes_nothing_and_a_change_returns_nothing() {
    let mut fixture = Fixture::new();
    for sql in [
        "DELETE FROM t",
        "DROP TABLE t",
        "CREATE TABLE u (id)",
        "ANALYZE",
        "REINDEX",
    ] {
        let refused = fixture.query(sql);
        assert!(
            matches!(&refused, Err(Refusal::Refused(said)) if said.contains("use execute")),
            "{sql}: {refused:?}"
        );
    }
    for sql in [
        "SELECT 1",
        "EXPLAIN QUERY PLAN SELECT 1",
        "WITH c AS (SELECT 1) SELECT * FROM c",
    ] {
        let refused = fixture.execute(sql);
        assert!(
            matches!(&refused, Err(Refusal::Refused(said)) if said.contains("use query")),
            "{sql}: {refused:?}"
        );
    }
    let refused = fixture.execute("DELETE FROM t RETURNING id");
    assert!(
        matches!(&refused, Err(Refusal::Refused(said)) if said.starts_with("RETURNING")),
        "{refused:?}"
    );
    fixture.refuses("EXPLAIN SELECT * FROM t", "EXPLAIN");
    assert_eq!(fixture.count(), Value::Integer(2));
}

#[test]
fn what_is_permitted_works() {
    let mut fixture = Fixture::new();
    assert_eq!(
        fixture.done("INSERT INTO t VALUES (3, 'three'), (4, 'four')"),
        2
    );
    assert_eq!(fixture.done("UPDATE t SET x = upper(x) WHERE id > 2"), 2);
    assert_eq!(fixture.done("DELETE FROM t WHERE id > 2"), 2);
    assert_eq!(fixture.done("CREATE INDEX i ON t (x)"), 0);
    assert_eq!(
        fixture.value("SELECT json_extract('{\"a\": [1, 2]}', '$.a[1]')"),
        Value::Integer(2)
    );
    assert_eq!(
        fixture.value("SELECT group_concat(x, '+' ORDER BY id DESC) FROM t"),
        Value::Text("two+one".into())
    );
    let rows = fixture
        .query("SELECT id AS number, x FROM t WHERE 0")
        .unwrap();
    assert_eq!(
        (rows.columns, rows.rows.len()),
        (vec!["number".to_owned(), "x".to_owned()], 0)
    );
}

#[test]
fn values_come_back_as_they_went_in() {
    let mut fixture = Fixture::new();
    fixture.done("CREATE TABLE v (x)");
    let values = [
        Value::Null,
        Value::Integer(i64::MIN),
        Value::Integer(i64::MAX),
        Value::Real(0.1),
        Value::Real(-0.0),
        Value::Real(5e-324),
        Value::Real(f64::INFINITY),
        Value::Real(f64::NEG_INFINITY),
        Value::Text("zwölf\u{0}nach\u{1f600}".into()),
        Value::Text(String::new()),
        Value::Blob(vec![0, 255, 128]),
        Value::Blob(Vec::new()),
    ];
    for value in values {
        fixture.done("DELETE FROM v");
        assert_eq!(
            fixture.execute_with("INSERT INTO v VALUES (?1)", vec![value.clone()]),
            Ok(1)
        );
        // Debug distinguishes 0.0 from -0.0, which `==` does not.
        assert_eq!(
            format!("{:?}", fixture.value("SELECT x FROM v")),
            format!("{value:?}")
        );
    }
    // NaN becomes NULL, and text that is not UTF-8 becomes bytes.
    let rows = fixture
        .query_with("SELECT ?1 IS NULL", vec![Value::Real(f64::NAN)])
        .unwrap();
    assert_eq!(rows.rows, [[Value::Integer(1)]]);
    assert_eq!(
        fixture.value("SELECT CAST(x'ff00' AS TEXT)"),
        Value::Blob(vec![0xff, 0])
    );
}

#[test]
fn parameters_bind_in_order_and_in_number() {
    let mut fixture = Fixture::new();
    let params = || vec![Value::Text("a".into()), Value::Text("b".into())];
    let rows = fixture.query_with("SELECT ?2 || ?1", params()).unwrap();
    assert_eq!(rows.rows, [[Value::Text("ba".into())]]);
    for sql in ["SELECT ?1", "SELECT ?1, ?2, ?3"] {
        assert!(
            matches!(fixture.query_with(sql, params()), Err(Refusal::Failed(_))),
            "{sql}"
        );
    }
    // A parameter is always a value, whatever it looks like.
    let rows = fixture.query_with(
        "SELECT x FROM t WHERE x = ?1",
        vec![Value::Text("' OR 1 --".into())],
    );
    assert_eq!(rows.unwrap().rows.len(), 0);
}

#[test]
fn errors_of_the_guest_are_told_apart_and_change_nothing() {
    let mut fixture = Fixture::new();
    fixture.done("CREATE TABLE c (id INTEGER PRIMARY KEY, t REFERENCES t (id), n CHECK (n > 0))");
    for sql in [
        "INSERT INTO t VALUES (1, 'again')",
        "INSERT INTO t VALUES (3, 'three'), (4, 'one')",
        "INSERT INTO t VALUES (3, NULL)",
        "INSERT INTO c VALUES (1, 99, 1)",
        "INSERT INTO c VALUES (1, 1, 0)",
    ] {
        assert!(
            matches!(fixture.execute(sql), Err(Refusal::Constraint(_))),
            "{sql}"
        );
    }
    for sql in [
        "SELEKT 1",
        "SELECT * FROM nowhere",
        "SELECT nothing FROM t",
        "SELECT \"text\"",
        "SELECT abs(-9223372036854775808)",
    ] {
        assert!(
            matches!(fixture.query(sql), Err(Refusal::Failed(_))),
            "{sql}"
        );
    }
    assert_eq!(fixture.count(), Value::Integer(2));
    assert_eq!(
        fixture.done("INSERT OR IGNORE INTO t VALUES (1, 'again')"),
        0
    );
    assert_eq!(
        fixture.done("INSERT OR REPLACE INTO t VALUES (1, 'again')"),
        1
    );
}

#[test]
fn undoing_the_whole_run_from_within_is_a_broken_contract() {
    for sql in [
        "INSERT OR ROLLBACK INTO t VALUES (1, 'again')",
        "UPDATE OR ROLLBACK t SET x = 'one' WHERE id = 2",
    ] {
        let failure = Fixture::new().ended(sql);
        assert!(
            matches!(failure, Failure::Contract { .. }),
            "{sql}: {failure}"
        );
    }
    let mut fixture = Fixture::new();
    fixture.done("CREATE TRIGGER r BEFORE DELETE ON t BEGIN SELECT RAISE(ROLLBACK, 'gone'); END");
    let failure = fixture.ended("DELETE FROM t");
    assert!(matches!(failure, Failure::Contract { .. }), "{failure}");
    let mut fixture = Fixture::new();
    fixture.done("CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT)");
    fixture.done("INSERT INTO a VALUES (9223372036854775807)");
    let failure = fixture.ended("INSERT INTO a DEFAULT VALUES").to_string();
    assert!(failure.contains("numbers of rows end at"), "{failure}");
}

#[test]
fn a_run_is_one_transaction() {
    let mut fixture = Fixture::new();
    let folder = fixture.folder.path().to_owned();
    let other = || Connection::open(folder.join(WORLD)).unwrap();
    let tables = "SELECT count(*) FROM sqlite_schema WHERE name = 't'";
    let seen = |sql: &str| {
        other()
            .query_row(sql, [], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    assert_eq!(seen(tables), 0, "nothing is visible before the commit");
    fixture.world.commit(7).unwrap();
    assert_eq!(seen("SELECT count(*) FROM t"), 2);
    drop(fixture.world);
    assert_eq!(World::new(&folder).last_commit().unwrap(), 7);

    // Dropped without a commit: the change never happened.
    let mut dropped = World::new(&folder);
    let statement = Statement {
        params: Vec::new(),
        sql: "DELETE FROM t".to_owned(),
    };
    assert_eq!(
        dropped
            .execute(&statement, bounds(&Limits::default()))
            .unwrap(),
        DbAnswer::Ok(2)
    );
    drop(dropped);
    assert_eq!(seen("SELECT count(*) FROM t"), 2);
}

#[test]
fn a_commit_without_a_statement_makes_no_file() {
    let folder = TempDir::new().unwrap();
    World::new(folder.path()).commit(1).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn what_was_promised_is_done_again_only_with_the_same_results() {
    let insert = |id: i64| Statement {
        params: vec![Value::Integer(id)],
        sql: "INSERT INTO t VALUES (?1, ?1)".to_owned(),
    };
    let folder = TempDir::new().unwrap();
    let create = Statement {
        params: Vec::new(),
        sql: "CREATE TABLE t (id INTEGER PRIMARY KEY, x)".to_owned(),
    };
    let again = Refusal::Constraint("UNIQUE constraint failed: t.id".to_owned());
    let promised = [
        (create, DbAnswer::Ok(0)),
        (insert(1), DbAnswer::Ok(1)),
        (insert(1), DbAnswer::Error(again)),
        (insert(2), DbAnswer::Ok(1)),
    ]
    .map(|(statement, answer)| Applied {
        statement,
        answer: Told::Changed(answer),
    });
    redo(folder.path(), 3, &promised).unwrap();
    let mut world = World::new(folder.path());
    assert_eq!(world.last_commit().unwrap(), 3);
    drop(world);
    // On a world that has the change already, the results differ and nothing is applied.
    let error = redo(folder.path(), 4, &promised).unwrap_err().to_string();
    assert!(error.contains("changed from outside"), "{error}");
    assert_eq!(World::new(folder.path()).last_commit().unwrap(), 3);
}
