//! What a rollback brings back and what it leaves: all that is governed is as it was, everything
//! else goes on from where it is, and it can be undone.

use std::fs;
use std::os::unix::fs::symlink;

use insta::assert_snapshot;
use serde_json::json;

use super::{State, YES, assert_at, changed, clean, error, outcomes, rollback, state};
use crate::support::tree::remove;
use crate::support::{World, ran, shown, steady};

#[test]
fn files_databases_and_record_come_back_and_missions_stay() {
    let world = changed();
    let ran = rollback(&world, &["clean"], YES);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(state(&world) == state(&clean()));
    assert_at(&world, "clean");
    let check = world.coo(&["artefacts", "check"]);
    assert_snapshot!(shown("artefacts check", &check), @"
    $ coo artefacts check
    1 artefact on record, all in order
    --- exit 0
    ");
    // Nothing of the record of what ran is gone.
    assert_eq!(world.list(&["missions"]).as_array().unwrap().len(), 2);
    for id in ["MISSION-000001", "MISSION-000002"] {
        let replay = world.coo(&["replay", id]);
        assert!(replay.stdout.ends_with("Result: IDENTICAL\n"), "{replay:?}");
    }
    let lineage = world.json(&["amu0", "lineage"]);
    assert_eq!(lineage["position"]["name"], "clean");
    let promoted = world.coo(&["amu0", "promote", "MISSION-000002"]);
    assert_snapshot!(shown("amu0 promote MISSION-000002", &promoted), @"
    $ coo amu0 promote MISSION-000002
    --- standard error
    [coo] manifests/ differs from the current environment in <n> places: the baseline keeps it as it is; 'coo manifests check' lists the differences
    ERROR: mission MISSION-000002: the state has changed since it ended, by rollback 1 to clean
    hint: keep the state as it is with 'coo amu0 create'
    --- exit 1
    ");
    assert!(!world.root().join(".coo-restore").exists());
    assert_eq!(fs::read_dir(world.root().join("tmp")).unwrap().count(), 0);
}

#[test]
fn a_rollback_can_be_undone_and_that_too() {
    let world = changed();
    let before = state(&world);
    let undo = "before-rollback-000001";
    assert_eq!(rollback(&world, &["clean"], YES).code, 0);
    assert_eq!(rollback(&world, &[undo], YES).code, 0);
    assert!(state(&world) == before);
    // By its id, and where the state came from.
    let id = world_id(&world, "clean");
    assert_eq!(rollback(&world, &[&id[..12]], YES).code, 0);
    assert!(state(&world) == state(&clean()));
    assert_eq!(rollback(&world, &[], YES).code, 0);
    assert_eq!(
        outcomes(&world),
        ["restored", "restored", "restored", "unchanged"]
    );
    let list = world.list(&["amu0", "list"]);
    let list = list.as_array().unwrap().iter();
    let names: Vec<&str> = list
        .map(|record| record["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "clean",
            undo,
            "before-rollback-000002",
            "before-rollback-000003"
        ]
    );
}

fn world_id(world: &World, name: &str) -> String {
    let list = fs::read(world.root().join(format!("amu0/names/{name}.json"))).unwrap();
    let record: serde_json::Value = serde_json::from_slice(&list).unwrap();
    record["baseline"].as_str().unwrap().to_owned()
}

#[test]
fn the_answer_and_the_log_as_json() {
    let world = changed();
    let done = rollback(&world, &["clean", "--json"], YES).stdout;
    assert_snapshot!(steady(&done), @r#"
    {
      "format": "coo-rollback/1",
      "artefacts": 1,
      "before": {
        "baseline": "<sha256>",
        "name": "before-rollback-000001"
      },
      "files": {
        "written": 8,
        "removed": 2,
        "modes": 0
      },
      "number": 1,
      "outcome": "restored",
      "set_aside": null,
      "to": {
        "baseline": "<sha256>",
        "name": "clean"
      },
      "world_rebuilt": true
    }
    "#);
    let log = world.coo(&["rollback", "--log", "--json"]).stdout;
    let log: serde_json::Value = serde_json::from_str(&log).unwrap();
    let mut log = log["rollbacks"].clone();
    for time in ["requested_ms", "ended_ms"] {
        assert!(log[0][time].as_i64().unwrap() > 1_700_000_000_000);
        log[0][time] = json!("<ms>");
    }
    assert_snapshot!(steady(&serde_json::to_string_pretty(&log).unwrap()), @r#"
    [
      {
        "attempt": null,
        "before": {
          "baseline": "<sha256>",
          "name": "before-rollback-000001"
        },
        "ended_ms": "<ms>",
        "last_mission": 2,
        "lineage": 2,
        "number": 1,
        "outcome": "restored",
        "requested_ms": "<ms>",
        "to": {
          "baseline": "<sha256>",
          "name": "clean"
        },
        "world_commit": 2
      }
    ]
    "#);
}

#[test]
fn a_world_without_a_statement_comes_back_empty() {
    let world = World::new();
    assert_eq!(world.coo(&["amu0", "create", "--name", "empty"]).code, 0);
    let empty = state(&world);
    assert!(!world.root().join("world.db").exists());
    assert_eq!(world.coo(&["run", "triage"]).code, 0);
    assert_eq!(rollback(&world, &["empty"], YES).code, 0);
    assert!(state(&world) == empty);
    assert_at(&world, "empty");
    assert_eq!(world.coo(&["artefacts", "check"]).code, 0);
    assert_eq!(rollback(&world, &["empty"], YES).code, 0);
    assert_eq!(outcomes(&world), ["restored", "unchanged"]);
}

/// A world in which nothing ran when its baseline `empty` was made, and the triage mission since.
fn filled() -> World {
    let world = World::new();
    assert_eq!(world.coo(&["amu0", "create", "--name", "empty"]).code, 0);
    assert_eq!(world.coo(&RUN).code, 0);
    world
}

const RUN: [&str; 2] = ["run", "triage"];

/// Runs the mission in a copy, undisturbed: what it leaves, and the number of its point `name`.
fn undisturbed(world: &World, name: &str) -> (State, usize) {
    let world = super::copy(world);
    let list = world.path().join("points");
    let ended = world.coo_with(&RUN, "COO_FAULT", &format!("list:{}", list.display()));
    assert_eq!(ended.code, 0, "{ended:?}");
    let points = fs::read_to_string(list).unwrap();
    let place = points.lines().position(|point| point == name).unwrap();
    (state(&world), place + 1)
}

fn run_killed(world: &World, nth: usize) {
    let mut command = world.command(&RUN);
    let killed = command.env("COO_FAULT", format!("kill:{nth}")).output();
    assert_eq!(killed.unwrap().status.code(), None);
}

/// Numbers of missions and world commits never go back: what is promised after a rollback is
/// made, and what was made before it is not made again.
#[test]
fn missions_go_on_after_a_rollback() {
    let world = filled();
    assert_eq!(rollback(&world, &["empty"], YES).code, 0);
    let empty = state(&world);
    let mut told = String::new();
    for name in ["world.commit", "world.committed"] {
        let (after, nth) = undisturbed(&world, name);
        assert!(after != empty);
        let world = super::copy(&world);
        run_killed(&world, nth);
        let next = world.coo(&["missions"]);
        told += &next.stderr;
        assert!(state(&world) == after, "{name}");
        assert_eq!(world.list(&["missions"])[0]["id"], "MISSION-000002");
        assert_eq!(world.coo(&["artefacts", "check"]).code, 0);
    }
    assert_snapshot!(steady(&told), @"
    [coo] applied the recorded changes of an interrupted process: 13 database changes, 1 artefact
    [coo] applied the recorded changes of an interrupted process: 13 database changes, 1 artefact
    ");
    // A rollback of a state whose last promise is not made yet: that comes first.
    let (after, nth) = undisturbed(&world, "world.commit");
    run_killed(&world, nth);
    let ran = rollback(&world, &["empty"], YES);
    assert_snapshot!(shown("rollback empty", &ran), @"
    $ coo rollback empty
    Rollback 2 to empty
      Id: <sha256>
      Before: before-rollback-000002 (<sha256…>)
      Written: 0 entries
      Removed: 3 entries
      Folders with another mode: 0
      World: rebuilt
      Artefacts on record: 0
      Result: RESTORED
    --- standard error
    [coo] applied the recorded changes of an interrupted process: 13 database changes, 1 artefact
    [coo] rollback 2: artefacts/, manifests/, config.json and the databases of
          .coo are restored to baseline empty (<sha256…>);
          if that changes anything, the present state is kept as before-rollback-000002
    Type 'CONFIRM_ROLLBACK' to proceed
    --- exit 0
    ");
    assert!(state(&world) == empty);
    assert_eq!(rollback(&world, &["before-rollback-000002"], YES).code, 0);
    assert!(state(&world) == after);
}

#[test]
fn an_interrupted_mission_goes_on_in_the_state_that_was_gone_back_to() {
    let world = filled();
    let (_, nth) = undisturbed(&world, "world.execute");
    run_killed(&world, nth + 4);
    assert_eq!(rollback(&world, &["empty"], YES).code, 0);
    let resumed = world.coo(&["resume", "MISSION-000002"]);
    assert_eq!(resumed.code, 0, "{resumed:?}");
    let replay = world.coo(&["replay", "MISSION-000002"]);
    assert_eq!(replay.code, 0, "{replay:?}");
    assert_eq!(world.coo(&["artefacts", "check"]).code, 0);
    let labels = state(&world).world;
    assert_eq!(labels, state(&filled()).world);
    // It has one world commit, made after the rollback.
    assert_eq!(rollback(&world, &["empty"], YES).code, 0);
    assert_at(&world, "empty");
}

/// The log of the old database must not be taken for the new one's.
#[test]
fn a_stray_log_of_the_old_world_is_not_taken_for_the_new_ones() {
    let world = filled();
    let log = world.root().join("world.db-wal");
    let old = fs::read(&log).unwrap();
    assert!(old.len() > 1000);
    let points = super::crash::points(&super::copy(&world), "empty");
    let nth = points
        .iter()
        .position(|point| point == "world.log")
        .unwrap();
    let fault = format!("kill:{}", nth + 1);
    let killed = super::start(&world, &["empty"], YES, Some(&fault));
    assert_eq!(killed.status.code(), None);
    fs::write(&log, old).unwrap();
    assert_eq!(world.coo(&["missions"]).code, 0);
    assert_at(&world, "empty");
    assert!(state(&world).world.is_empty());
}

#[test]
fn the_log_can_be_added_to_and_nothing_else() {
    let world = changed();
    assert_eq!(rollback(&world, &["clean"], YES).code, 0);
    let database = world.database("coo.db");
    for sql in [
        "DELETE FROM rollbacks",
        "UPDATE rollbacks SET outcome = 'aborted'",
    ] {
        assert!(database.execute_batch(sql).is_err(), "{sql}");
    }
}

/// What is done to a world; the second is outside.
type Change = fn(&World, &World);

/// A folder in the place of a file, a link in the place of a folder, nothing at all.
#[test]
fn whatever_stands_where_the_state_should_be_is_replaced() {
    let outside = World::new();
    outside.file("kept", "kept");
    let changes: [(&str, Change); 4] = [
        ("artefacts", |world, outside| {
            symlink(outside.path(), world.root().join("artefacts")).unwrap();
        }),
        ("artefacts", |world, _| {
            world.file(".coo/artefacts", "a file");
        }),
        ("manifests", |_, _| {}),
        ("world.db", |world, _| {
            remove(&world.root().join("world.db-wal"));
        }),
    ];
    for (what, change) in changes {
        let world = clean();
        remove(&world.root().join(what));
        change(&world, &outside);
        let ran = rollback(&world, &["clean"], YES);
        assert_eq!(ran.code, 0, "{what}: {ran:?}");
        assert!(state(&world) == state(&clean()), "{what}");
    }
    let world = clean();
    remove(&world.root().join("config.json"));
    world.file(".coo/config.json/in/it", "x");
    assert_snapshot!(error(&rollback(&world, &["clean"], YES)), @"
    ERROR: rollback 1 to clean: nothing was changed: the present state (move away what stands in its place): is not a baseline of a state root: it has no file 'config.json'
    hint: 'coo rollback clean --set-aside' moves the present state to a folder of its own, unchanged, and continues
    ");
    remove(&world.root().join("config.json"));
    assert_eq!(rollback(&world, &["clean"], YES).code, 0);
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[test]
fn a_second_process_waits() {
    let world = changed();
    let mut child = world.command(&["rollback", "clean"]);
    let mut child = child
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // It has the lock once it asks.
    let mut stderr = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("Type '") {
        line.clear();
        assert!(std::io::BufRead::read_line(&mut stderr, &mut line).unwrap() > 0);
    }
    let other = coo::inside::state::StateRoot::open_existing(&world.root()).unwrap();
    assert!(other.unwrap().try_lock().is_none());
    let mut stdin = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, YES).unwrap();
    drop(stdin);
    let ended = ran(child.wait_with_output().unwrap());
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(state(&world) == state(&clean()));
}
