//! One hostile statement of each kind, and the outcome that it has.

use serde_json::{Value, json};

use super::{answers, assert_replays, bounded, mission, run, world};
use crate::support::{Ran, World, events, mission_id};

/// Ends FAILED for this reason, and every replay of it is identical.
fn assert_fails(lines: &str, limits: &Value, reason: &str) -> World {
    let world = world();
    let (ran, _) = run(&world, lines, limits);
    assert_eq!(ran.code, 1, "{ran:?}");
    let id = mission_id(&ran);
    assert!(
        ran.stderr
            .contains(&format!("ERROR: mission {id}: {reason}")),
        "{ran:?}"
    );
    assert_eq!(world.json(&["mission", &id])["status"], "FAILED");
    assert_replays(&world, &id);
    world
}

/// Ends SUCCESS; gives the last answer.
fn last_answer(world: &World, lines: &str, limits: &Value) -> Value {
    let (ran, _) = run(world, lines, limits);
    assert_eq!(ran.code, 0, "{ran:?}");
    let id = mission_id(&ran);
    assert_replays(world, &id);
    answers(world, &id).pop().unwrap()
}

/// The guest is told that this is beyond a limit; the run goes on.
fn assert_limit(lines: &str, reason: &str) {
    let world = world();
    let answer = last_answer(&world, lines, &json!({}));
    let said = answer["error"]["limit"].as_str().unwrap_or_default();
    assert!(said.contains(reason), "{lines}: {answer}");
}

const COUNT: &str = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c";

#[test]
fn a_statement_that_takes_the_transaction_with_it_replays() {
    let rolled_back = "contract broken: a statement rolled the whole run's transaction back";
    for lines in [
        "E1 CREATE TABLE u(x UNIQUE)\nE1 INSERT INTO u VALUES(1)\nE1 INSERT OR ROLLBACK INTO u VALUES(1)",
        "E1 CREATE TABLE u(x UNIQUE)\nE1 INSERT INTO u VALUES(1)\nQ1 INSERT OR ROLLBACK INTO u VALUES(1) RETURNING x",
        "E1 CREATE TABLE u(x)\nE1 CREATE TRIGGER g BEFORE INSERT ON u BEGIN SELECT RAISE(ROLLBACK, 'no'); END\nE1 INSERT INTO u VALUES(1)",
    ] {
        assert_fails(lines, &json!({}), rolled_back);
    }
    assert_fails(
        "E1 CREATE TABLE u(x INTEGER PRIMARY KEY AUTOINCREMENT)\nE1 INSERT INTO u VALUES(9223372036854775807)\nE1 INSERT INTO u DEFAULT VALUES",
        &json!({}),
        "contract broken: the world may grow by 536870912 bytes in one run (limits.db_bytes), and numbers of rows end at 9223372036854775807",
    );
}

#[test]
fn a_change_without_end_is_cut_off_and_replays() {
    let lines = format!("E1 CREATE TABLE t(a)\nE1 INSERT INTO t {COUNT}) SELECT x FROM c");
    assert_fails(
        &lines,
        &json!({"db_steps": 1_000_000}),
        "limit hit: db_steps 1000001 wanted, limit 1000000; raise limits.db_steps",
    );
}

#[test]
fn memory_of_statements_is_bounded() {
    let rows = format!("Q1 {COUNT} WHERE x<100)");
    assert_limit(
        &format!(
            "{rows} SELECT length(b) FROM (SELECT zeroblob(5000000+x) AS b FROM c ORDER BY 1) LIMIT 1"
        ),
        "more than 268435456 bytes of memory",
    );
    assert_limit(
        &format!(
            "{rows} SELECT length(b) FROM (SELECT zeroblob(50000000+x) AS b FROM c ORDER BY 1) LIMIT 1"
        ),
        "string or blob too big",
    );
    // Twelve values of the length there is, held at once before the first is read.
    let wide = ["zeroblob(8000000)"; 12].join(",");
    assert_limit(
        &format!("Q1 SELECT {wide}"),
        "rows of more than 67108864 bytes",
    );
    // What a temporary table holds is memory, too, and stays from statement to statement.
    assert_fails(
        &format!(
            "E1 CREATE TEMP TABLE t(b)\nE9 INSERT INTO t {COUNT} WHERE x<10) SELECT zeroblob(6000000) FROM c"
        ),
        &json!({}),
        "limit hit: db_memory 268435457 wanted, limit 268435456, which is fixed (docs/limits.md)",
    );
}

#[test]
fn the_world_and_its_log_are_bounded() {
    let lines = format!(
        "E1 CREATE TABLE t(b)\nE1 INSERT INTO t {COUNT} WHERE x<1000) SELECT zeroblob(6000000) FROM c"
    );
    let world = world();
    let answer = last_answer(&world, &lines, &json!({"db_bytes": 100 << 20}));
    let said = answer["error"]["limit"].as_str().unwrap();
    assert!(
        said.starts_with("the world may grow by 104857600 bytes in one run (limits.db_bytes)"),
        "{said}"
    );
    for name in ["world.db", "world.db-wal", "coo.db-wal"] {
        let bytes = std::fs::metadata(world.root().join(name)).unwrap().len();
        assert!(bytes < 9 << 20, "{name}: {bytes}");
    }
    // One row at a time, the run goes with the row that is one too many, and so does the log.
    let lines = "E1 CREATE TABLE r(b)\nE99 INSERT INTO r VALUES(zeroblob(6000000))";
    let (ran, _) = run(&world, lines, &json!({"db_bytes": 100 << 20}));
    let id = mission_id(&ran);
    assert!(
        ran.stderr
            .contains("contract broken: the world may grow by 104857600 bytes"),
        "{ran:?}"
    );
    assert_replays(&world, &id);
    for name in ["world.db", "world.db-wal", "coo.db-wal"] {
        let bytes = std::fs::metadata(world.root().join(name)).unwrap().len();
        assert!(bytes < 9 << 20, "{name}: {bytes}");
    }
    // The next mission is as if it had not been.
    let answer = last_answer(&world, "Q1 SELECT count(*) FROM sqlite_schema", &json!({}));
    assert_eq!(answer["ok"]["rows"], json!([[1]]));
}

#[test]
fn the_clock_ends_what_work_does_not() {
    let world = world();
    let cases = [
        format!("Q1000 {COUNT}) SELECT count(*) FROM c"),
        // Many comparisons of seconds each, between two looks.
        format!(
            "Q1 SELECT {}",
            vec!["replace(hex(zeroblob(4000000)),'00','a') LIKE '%'||replace(hex(zeroblob(240)),'00','a')||'b%'"; 190].join(",")
        ),
    ];
    for lines in cases {
        mission(&world, "sql.json", &lines, &json!({}));
        let (ran, took) = bounded(&world, &["run", "sql.json", "--timeout", "1"]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(
            ran.stderr
                .contains("guest: still running after 1 s of real time")
                && ran.stderr.contains("coo resume MISSION-"),
            "{ran:?}"
        );
        assert!(took.as_secs() < 15, "{took:?}");
    }
    let missions = world.json(&["missions"]);
    for mission in missions.as_array().unwrap() {
        assert_eq!(mission["status"], "INTERRUPTED", "{mission}");
    }
    let answer = last_answer(&world, "Q1 SELECT 1", &json!({}));
    assert_eq!(answer["ok"]["rows"], json!([[1]]));
}

#[test]
fn searches_take_linear_time() {
    let world = world();
    let answer = last_answer(
        &world,
        "Q1 SELECT instr(zeroblob(2000000), CAST(zeroblob(1000000)||x'01' AS BLOB))",
        &json!({}),
    );
    assert_eq!(answer["ok"]["rows"], json!([[0]]));
}

/// How deep the guest can go before its own stack is at its end, within a tenth.
fn deepest(world: &World) -> u32 {
    let mut depth = 2_000;
    loop {
        let next = depth + depth / 10;
        let (ran, _) = run(world, &format!("D{next}\nQ1 SELECT 1"), &json!({}));
        if ran.code != 0 {
            assert!(ran.stderr.contains("call stack exhausted"), "{ran:?}");
            return depth;
        }
        depth = next;
    }
}

#[test]
fn what_recurses_in_the_database_has_a_stack_whatever_the_guest_has_used() {
    let world = world();
    let depth = deepest(&world);
    let nested = |open: &str, close: &str, n: usize| {
        format!("Q1 SELECT {}1{}", open.repeat(n), close.repeat(n))
    };
    let mut lines = vec![
        "Q1 SELECT replace(hex(zeroblob(25000)),'00','aa') LIKE replace(hex(zeroblob(18800)),'00','%a')".to_owned(),
        "Q1 SELECT replace(hex(zeroblob(25000)),'00','aa') GLOB replace(hex(zeroblob(120)),'00','*a')".to_owned(),
        "Q1 SELECT replace(hex(zeroblob(25000)),'00','aa') GLOB replace(hex(zeroblob(60)),'00','*[a]')".to_owned(),
    ];
    for n in [200, 300, 400, 900, 20_000] {
        lines.push(nested("(", ")", n));
        lines.push(nested("abs(", ")", n));
        lines.push(nested("NOT ", "", n));
        lines.push(nested("(SELECT ", ")", n));
        lines.push(nested("CASE WHEN 1 THEN ", " END", n));
        lines.push(nested("", "+1", n));
        lines.push(nested("", "||1", n));
        lines.push(format!(
            "Q1 SELECT json('{}1{}')",
            "[".repeat(n),
            "]".repeat(n)
        ));
        lines.push(format!(
            "Q1 SELECT count(*) FROM json_tree('{}{}')",
            "[".repeat(n.min(1_000)),
            "]".repeat(n.min(1_000))
        ));
        lines.push(format!(
            "Q1 SELECT * FROM {}(SELECT 1){}",
            "(SELECT * FROM ".repeat(n),
            ")".repeat(n)
        ));
    }
    lines.push("E1 CREATE TABLE v0(a)".to_owned());
    lines.push("E1 CREATE TABLE f0(a INTEGER PRIMARY KEY)".to_owned());
    for n in 1..=400 {
        lines.push(format!("E1 CREATE VIEW v{n} AS SELECT * FROM v{}", n - 1));
        lines.push(format!(
            "E1 CREATE TABLE f{n}(a INTEGER PRIMARY KEY REFERENCES f{} ON DELETE CASCADE)",
            n - 1
        ));
    }
    lines.push("Q1 SELECT * FROM v400".to_owned());
    lines.push("E1 DELETE FROM f0".to_owned());
    let input = format!("D{depth}\n{}", lines.join("\n"));
    mission(&world, "deep.json", &input, &json!({}));
    let (ran, _) = bounded(&world, &["run", "deep.json", "--timeout", "100"]);
    assert_eq!(
        (ran.code, ran.stdout.trim()),
        (0, lines.len().to_string().as_str()),
        "{}",
        ran.stderr
    );
}

#[test]
fn what_crosses_is_charged_and_the_journal_keeps_no_path_that_is_none() {
    let world = World::new();
    let module = include_str!("../fixtures/writer.wat");
    world.wasm("writer.wasm", module);
    let path = "a".repeat(50_000);
    let steps = json!([{"id": "write", "input": path}]);
    let write = |limits: Value| -> Ran {
        let more = json!({"steps": steps, "limits": limits});
        world.descriptor("write.json", &json!({"file": "writer.wasm"}), &more);
        bounded(&world, &["run", "write.json"]).0
    };
    let ran = write(json!({}));
    let written = events(&world, &mission_id(&ran))
        .into_iter()
        .find(|event| event["kind"] == "gateway.write")
        .unwrap();
    let kept = written["body"]["request"]["path"].as_str().unwrap();
    assert_eq!(kept.chars().count(), 241);
    assert!(
        written["body"]["answer"]["refused"]
            .as_str()
            .unwrap()
            .contains("50000 bytes, limit 240"),
        "{written}"
    );
    let ran = write(json!({"host_bytes": 10_000}));
    assert!(
        ran.stderr.contains("limit hit: host_bytes 50000 wanted"),
        "{ran:?}"
    );
    assert_replays(&world, &mission_id(&ran));
}

#[test]
fn chance_is_the_same_in_every_run() {
    let world = world();
    let lines = "E1 CREATE TABLE t(id INTEGER PRIMARY KEY, v)\n\
        E1 INSERT INTO t VALUES(9223372036854775807, 'a')\n\
        E3 INSERT INTO t(v) VALUES('b')\n\
        Q2 INSERT INTO t(v) VALUES('c') RETURNING id\n\
        Q1 SELECT id, v FROM t ORDER BY id\n\
        E1 INSERT INTO t(v) WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c LIMIT 3000) SELECT zeroblob(2000) FROM c\n\
        Q1 SELECT sum(id % 1000003) FROM t\n\
        E1 CREATE TABLE n AS SELECT * FROM (SELECT 1 a, 2 a, 3 a, 4 a, 5 a, 6 a)\n\
        Q1 SELECT sql FROM sqlite_schema\n\
        Q1 SELECT last_insert_rowid(), changes(), total_changes()";
    mission(&world, "sql.json", lines, &json!({}));
    let verified = world.coo(&["verify", "sql.json", "--runs", "3"]);
    assert_eq!(verified.code, 0, "{verified:?}");
    let first = last_answer(&world, lines, &json!({}));
    assert_eq!(first["ok"]["rows"][0][1], 3_000);
    // What a change gave back is made once more, and equal, where the promise is kept late.
    let again = world.coo(&["run", "sql.json"]);
    assert_eq!(again.code, 0, "{again:?}");
}

#[test]
fn a_change_that_gives_rows_back_needs_the_tier_of_a_change() {
    let world = world();
    let steps = json!([{"id": "run", "input": "Q1 WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a RETURNING 1"}]);
    let more = json!({"steps": steps, "scope": {"tier": 1}});
    world.descriptor("tier.json", &json!({"file": "sql.wasm"}), &more);
    let (ran, _) = bounded(&world, &["run", "tier.json"]);
    assert!(
        ran.stderr
            .contains("governance error: db.execute, which needs tier 2"),
        "{ran:?}"
    );
    assert_replays(&world, &mission_id(&ran));
}
