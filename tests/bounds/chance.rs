//! What `SQLite` draws by chance (a row's number once the largest is taken, names of columns that
//! occur several times) is the same in every run, in a replay, and where a later process makes the
//! change. Each run has a process of its own, since `SQLite`'s generator belongs to the process.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{answers, assert_replays, mission, run, world};
use crate::support::{World, mission_id, shown};

const NUMBERS: [&str; 5] = [
    "E1 CREATE TABLE r (id INTEGER PRIMARY KEY, v)",
    "E1 INSERT INTO r VALUES (9223372036854775807, 'a')",
    "E1 INSERT INTO r (v) VALUES ('b'), ('c')",
    "Q1 INSERT INTO r (v) VALUES ('d') RETURNING id",
    "Q1 SELECT last_insert_rowid()",
];

/// Runs the lines in a new world and returns the answer of each. Queries between them, if asked
/// for, must make no difference.
fn answered(lines: &[&str], with_queries: bool) -> Vec<Value> {
    let world = world();
    let between = "\nQ1 SELECT count(*) FROM sqlite_schema\nQ1 SELECT 1 AS a, 2 AS a, 3 AS a\n";
    let text = lines.join(if with_queries { between } else { "\n" });
    let (ran, _) = run(&world, &text, &json!({}));
    assert_eq!(ran.code, 0, "{ran:?}");
    let id = mission_id(&ran);
    assert_replays(&world, &id);
    let step = if with_queries { 3 } else { 1 };
    answers(&world, &id).into_iter().step_by(step).collect()
}

#[test]
fn numbers_of_rows_that_sqlite_draws_are_the_same_in_every_run() {
    let lines = [&NUMBERS[..], &["Q1 SELECT id FROM r ORDER BY id"]].concat();
    let first = answered(&lines, false);
    assert_eq!(answered(&lines, true), first);
    assert_eq!(answered(&lines, false), first);
    assert_eq!(first[3]["ok"]["rows"], first[4]["ok"]["rows"], "{first:?}");
    assert_eq!(
        first[5]["ok"]["rows"].as_array().unwrap().len(),
        4,
        "{first:?}"
    );
}

#[test]
fn names_of_columns_that_sqlite_draws_are_the_same_in_every_run() {
    let lines = [
        "E1 CREATE TABLE n AS SELECT * FROM (SELECT 1 AS a, 2 AS a, 3 AS a, 4 AS a, 5 AS a, 6 AS a, 7 AS a)",
        "Q1 SELECT group_concat(sql) FROM sqlite_schema WHERE name = 'n'",
        "Q1 SELECT * FROM n",
    ];
    let first = answered(&lines, false);
    assert!(first[2].to_string().contains("a:"), "{first:?}");
    assert_eq!(answered(&lines, true), first);
}

/// The rows that a mission of its own finds.
fn rows(world: &World) -> Value {
    let (ran, _) = run(world, "Q1 SELECT * FROM r ORDER BY id", &json!({}));
    assert_eq!(ran.code, 0, "{ran:?}");
    answers(world, &mission_id(&ran)).pop().unwrap()
}

#[test]
fn a_change_that_a_later_process_makes_has_the_numbers_it_was_answered() {
    let lines = NUMBERS.join("\n");
    let undisturbed = world();
    assert_eq!(run(&undisturbed, &lines, &json!({})).0.code, 0);
    let world = world();
    mission(&world, "sql.json", &lines, &json!({}));
    let mut command = world.command(&["run", "sql.json"]);
    let stopped = command.env("COO_FAULT", "fail_at:world.commit").output();
    let stopped = crate::support::ran(stopped.unwrap());
    assert_snapshot!(shown("run sql.json", &stopped), @"
    $ coo run sql.json
    --- standard error
    ERROR: mission MISSION-000001: it is complete and its changes are recorded, but they could not be applied yet: no space left on device (injected at world.commit)
    hint: the next coo command applies them
    --- exit 1
    ");
    assert_eq!(rows(&world), rows(&undisturbed));
}
