//! One hostile statement of each kind, and the outcome that it has.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{answers, assert_replays, bounded, mission, run, world};
use crate::support::{Ran, World, events, mission_id, shown};

/// What a run of `sql.json` printed. The largest number that a row may have looks like a digest.
fn printed(ran: &Ran) -> String {
    let stderr = ran.stderr.replace(&i64::MAX.to_string(), "<largest>");
    let ran = Ran {
        stderr,
        ..ran.clone()
    };
    shown("run sql.json --timeout 100", &ran)
}

/// Ends FAILED, and every replay of it is identical; gives what the run printed.
fn failed(lines: &str, limits: &Value) -> String {
    let world = world();
    let (ran, _) = run(&world, lines, limits);
    assert_eq!(ran.code, 1, "{ran:?}");
    let id = mission_id(&ran);
    let mission = world.json(&["mission", &id]);
    assert_eq!(mission["status"], "FAILED");
    let reason = mission["reason"].as_str().unwrap();
    // On record, what to do stands behind the reason.
    let error = ran.error().replace("\nhint: ", "; ");
    assert!(
        error.starts_with(&format!("ERROR: mission {id}: {reason}; ")),
        "{ran:?}"
    );
    assert_replays(&world, &id);
    printed(&ran)
}

/// Ends SUCCESS; gives the last answer.
fn last_answer(world: &World, lines: &str, limits: &Value) -> Value {
    let (ran, _) = run(world, lines, limits);
    assert_eq!(ran.code, 0, "{ran:?}");
    let id = mission_id(&ran);
    assert_replays(world, &id);
    answers(world, &id).pop().unwrap()
}

/// Runs statements that go beyond a limit: the guest gets an error, and the run continues. Returns
/// the error.
fn limit(lines: &str) -> String {
    let answer = last_answer(&world(), lines, &json!({}));
    let said = answer["error"]["limit"].as_str();
    said.unwrap_or_else(|| panic!("{lines}: {answer}"))
        .to_owned()
}

const COUNT: &str = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c";

#[test]
fn a_statement_that_takes_the_transaction_with_it_replays() {
    let mut said = String::new();
    for lines in [
        "E1 CREATE TABLE u(x UNIQUE)\nE1 INSERT INTO u VALUES(1)\nE1 INSERT OR ROLLBACK INTO u VALUES(1)",
        "E1 CREATE TABLE u(x UNIQUE)\nE1 INSERT INTO u VALUES(1)\nQ1 INSERT OR ROLLBACK INTO u VALUES(1) RETURNING x",
        "E1 CREATE TABLE u(x)\nE1 CREATE TRIGGER g BEFORE INSERT ON u BEGIN SELECT RAISE(ROLLBACK, 'no'); END\nE1 INSERT INTO u VALUES(1)",
    ] {
        said += &failed(lines, &json!({}));
    }
    said += &failed(
        "E1 CREATE TABLE u(x INTEGER PRIMARY KEY AUTOINCREMENT)\nE1 INSERT INTO u VALUES(9223372036854775807)\nE1 INSERT INTO u DEFAULT VALUES",
        &json!({}),
    );
    assert_snapshot!(said, @"
    $ coo run sql.json --timeout 100
    --- standard error
    [coo] MISSION-000001 FAILED: 10 events, 1528 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: contract broken: a statement rolled the whole run's transaction back
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    $ coo run sql.json --timeout 100
    --- standard error
    [coo] MISSION-000001 FAILED: 10 events, 1696 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: contract broken: a statement rolled the whole run's transaction back
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    $ coo run sql.json --timeout 100
    --- standard error
    [coo] MISSION-000001 FAILED: 10 events, 1990 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: contract broken: a statement rolled the whole run's transaction back
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    $ coo run sql.json --timeout 100
    --- standard error
    [coo] MISSION-000001 FAILED: 10 events, 2060 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: contract broken: the world may grow by 536870912 bytes in one run (limits.db_bytes), and numbers of rows end at <largest>: one of the two was reached; SQLite rolled the whole run's transaction back
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    ");
}

#[test]
fn a_change_without_end_is_cut_off_and_replays() {
    let lines = format!("E1 CREATE TABLE t(a)\nE1 INSERT INTO t {COUNT}) SELECT x FROM c");
    assert_snapshot!(failed(&lines, &json!({"db_steps": 1_000_000})), @"
    $ coo run sql.json --timeout 100
    --- standard error
    [coo] MISSION-000001 FAILED: 9 events, 1775 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: limit hit: db_steps 1000001 wanted, limit 1000000
    hint: raise limits.db_steps if the mission needs more
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    ");
}

#[test]
fn memory_of_statements_is_bounded() {
    let rows = format!("Q1 {COUNT} WHERE x<100)");
    let sorted = |bytes: u32| {
        format!(
            "{rows} SELECT length(b) FROM (SELECT zeroblob({bytes}+x) AS b FROM c ORDER BY 1) LIMIT 1"
        )
    };
    assert_snapshot!(limit(&sorted(5_000_000)), @"more than 268435456 bytes of memory; sort and keep less at once, or use tables that are not temporary");
    assert_snapshot!(limit(&sorted(50_000_000)), @"string or blob too big");
    // Twelve values of the length there is, held at once before the first is read.
    let wide = ["zeroblob(8000000)"; 12].join(",");
    assert_snapshot!(limit(&format!("Q1 SELECT {wide}")), @"rows of more than 67108864 bytes; ask for less at once");
    // What a temporary table holds is memory, too, and stays from statement to statement.
    let temporary = format!(
        "E1 CREATE TEMP TABLE t(b)\nE9 INSERT INTO t {COUNT} WHERE x<10) SELECT zeroblob(6000000) FROM c"
    );
    assert_snapshot!(failed(&temporary, &json!({})), @"
    $ coo run sql.json --timeout 100
    --- standard error
    [coo] MISSION-000001 FAILED: 12 events, 2298 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: limit hit: db_memory 268435457 wanted, limit 268435456, which is fixed (docs/limits.md)
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    ");
}

#[test]
fn the_world_and_its_log_are_bounded() {
    let lines = format!(
        "E1 CREATE TABLE t(b)\nE1 INSERT INTO t {COUNT} WHERE x<1000) SELECT zeroblob(6000000) FROM c"
    );
    let world = world();
    let answer = last_answer(&world, &lines, &json!({"db_bytes": 100 << 20}));
    assert_snapshot!(answer["error"]["limit"].as_str().unwrap(), @"the world may grow by 104857600 bytes in one run (limits.db_bytes), and numbers of rows end at 9223372036854775807: one of the two was reached");
    for name in ["world.db", "world.db-wal", "coo.db-wal"] {
        let bytes = std::fs::metadata(world.root().join(name)).unwrap().len();
        assert!(bytes < 9 << 20, "{name}: {bytes}");
    }
    // One row at a time, the run goes with the row that is one too many, and so does the log.
    let lines = "E1 CREATE TABLE r(b)\nE99 INSERT INTO r VALUES(zeroblob(6000000))";
    let (ran, _) = run(&world, lines, &json!({"db_bytes": 100 << 20}));
    let id = mission_id(&ran);
    assert_snapshot!(printed(&ran), @"
    $ coo run sql.json --timeout 100
    --- standard error
    [coo] MISSION-000002 FAILED: 26 events, 1497 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000002: contract broken: the world may grow by 104857600 bytes in one run (limits.db_bytes), and numbers of rows end at <largest>: one of the two was reached; SQLite rolled the whole run's transaction back
    hint: 'coo logs MISSION-000002' shows how it got there
    --- exit 1
    ");
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
    let mut errors = String::new();
    for lines in cases {
        mission(&world, "sql.json", &lines, &json!({}));
        let (ran, took) = bounded(&world, &["run", "sql.json", "--timeout", "1"]);
        assert_eq!(ran.code, 5, "{ran:?}");
        // The line before it has the fuel, which the clock decides.
        errors += &ran.error();
        assert!(took.as_secs() < 15, "{took:?}");
    }
    assert_snapshot!(errors, @"
    ERROR: mission MISSION-000001: guest: still running after 1 s of real time, which is the limit
    hint: give --timeout SECONDS if it needs more
    hint: 'coo resume MISSION-000001' continues where it stopped
    --- exit 5
    ERROR: mission MISSION-000002: guest: still running after 1 s of real time, which is the limit
    hint: give --timeout SECONDS if it needs more
    hint: 'coo resume MISSION-000002' continues where it stopped
    --- exit 5
    ");
    let missions = world.list(&["missions"]);
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
    let refused = &written["body"]["answer"]["refused"];
    assert_eq!(*refused, "path has 50000 bytes, limit 240; shorten it");
    let ran = write(json!({"host_bytes": 10_000}));
    assert_snapshot!(shown("run write.json", &ran), @"
    $ coo run write.json
    --- standard error
    [coo] MISSION-000002 FAILED: 7 events, 22 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000002: limit hit: host_bytes 50000 wanted, limit 10000
    hint: raise limits.host_bytes if the mission needs more
    hint: 'coo logs MISSION-000002' shows how it got there
    --- exit 1
    ");
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
    assert_snapshot!(shown("run tier.json", &ran), @"
    $ coo run tier.json
    --- standard error
    [coo] MISSION-000001 FAILED: 7 events, 1014 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: governance error: db.execute, which needs tier 2: the descriptor's scope permits tier 1
    hint: 'coo explain MISSION-000001' shows where each limit comes from
    --- exit 1
    ");
    assert_replays(&world, &mission_id(&ran));
}
