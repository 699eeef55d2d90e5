//! A run replays byte for byte from its journal alone.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{TRIAGE, WORLD, assert_identical, demo, remove, triaged};
use crate::support::{Ran, World, copy_folder, mission_id, shown};

#[test]
fn the_transcript_of_an_identical_replay() {
    let world = triaged();
    let ran = assert_identical(&world, TRIAGE);
    let facts = &world.json(&["inspect", TRIAGE])["facts"];
    let stdout = ran
        .stdout
        .replace(&facts["fuel"].to_string(), "<fuel>")
        .replace(&facts["memory_peak_bytes"].to_string(), "<memory>");
    assert_snapshot!(shown("replay MISSION-000001", &Ran { stdout, ..ran }), @r"
    $ coo replay MISSION-000001
    Replay MISSION-000001
      States: INIT > CAPTURE_ENV > RUN > WRITE_REPORT > COMPLETE
      Events: 20 identical
      Fuel: <fuel> identical
      Memory: <memory> bytes identical
      Output: 177 bytes identical
      Chain: <sha256>
      Result: IDENTICAL
    --- exit 0
    ");
}

#[test]
fn a_replay_needs_no_network_no_frozen_answer_and_no_world() {
    let world = triaged();
    for name in WORLD {
        remove(&world.root().join(name));
    }
    remove(&world.root().join("cache"));
    remove(&world.path().join("triage.json"));
    world
        .database("coo.db")
        .execute("DELETE FROM frozen_calls", [])
        .unwrap();
    assert_identical(&world, TRIAGE);
    assert!(!world.root().join("world.db").exists() && !world.root().join("artefacts").exists());
}

#[test]
fn a_replay_changes_nothing() {
    let world = triaged();
    // The index that SQLite's readers share is theirs to write.
    let files = || {
        let mut files = world.root_files();
        files.retain(|path, _| !path.to_str().unwrap().ends_with("-shm"));
        files
    };
    let before = files();
    assert_identical(&world, TRIAGE);
    assert_eq!(files(), before);
}

#[test]
fn a_replay_as_json() {
    let world = triaged();
    let inspect = world.json(&["inspect", TRIAGE]);
    let replay = world.json(&["replay", TRIAGE]);
    assert_eq!(replay["identical"], true);
    assert_eq!(replay["events"], inspect["events"]);
    assert_eq!(replay["chain_head"], inspect["chain_head"]);
    assert_eq!(
        replay["timeline"],
        json!(["INIT", "CAPTURE_ENV", "RUN", "WRITE_REPORT", "COMPLETE"])
    );
    for (recorded, replayed) in [
        ("fuel_recorded", "fuel_replayed"),
        ("memory_bytes_recorded", "memory_bytes_replayed"),
    ] {
        assert!(replay[recorded].as_u64().unwrap() > 0);
        assert_eq!(replay[recorded], replay[replayed]);
    }
    assert_eq!(
        (&replay["other_engine"], &replay["divergence"]),
        (&json!(false), &Value::Null)
    );
}

#[test]
fn a_run_that_failed_replays_to_the_same_failure() {
    let world = World::new();
    let ran = world.run_guest(
        r#"(func (export "_start") (loop $l (br $l)))"#,
        &json!({"fuel": 100_000}),
    );
    assert_eq!(ran.code, 1);
    let ran = assert_identical(&world, &mission_id(&ran));
    assert_snapshot!(shown("replay MISSION-000001", &ran), @"
    $ coo replay MISSION-000001
    Replay MISSION-000001
      States: INIT > CAPTURE_ENV > RUN > FAILED
      Events: 7 identical
      Fuel: 100000 identical
      Memory: 65536 bytes identical
      Output: 0 bytes identical
      Chain: <sha256>
      Result: IDENTICAL
    --- exit 0
    ");
}

#[test]
fn a_root_carried_elsewhere_replays_there() {
    let world = triaged();
    let elsewhere = World::new().with("TZ", "Asia/Kathmandu");
    copy_folder(&world.root(), &elsewhere.root());
    assert_identical(&elsewhere, TRIAGE);
}

#[test]
fn another_engine_is_named_and_fuel_is_not_compared() {
    let world = demo();
    let sql = "UPDATE missions SET facts = json_set(facts, '$.engine', ?1, '$.engine_sha256', ?2, '$.fuel', 1)";
    let engine = "wasmtime=1.0.0";
    let sha256 = coo_kernel::form::digest::Digest::of(engine).to_string();
    world
        .database("coo.db")
        .execute(sql, [engine, &sha256])
        .unwrap();
    let ran = assert_identical(&world, "DEMO-000001");
    assert_snapshot!(shown("replay DEMO-000001", &ran), @"
    $ coo replay DEMO-000001
    Replay DEMO-000001
      States: INIT > CAPTURE_ENV > RUN > WRITE_REPORT > COMPLETE
      Events: 11 identical
      Engine: another one than recorded; fuel and memory not compared
      Output: 493 bytes identical
      Chain: <sha256>
      Result: IDENTICAL
    --- exit 0
    ");
    assert_eq!(world.json(&["replay", "DEMO-000001"])["other_engine"], true);
}

// A run that was tampered with.
