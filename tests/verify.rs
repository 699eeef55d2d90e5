//! `coo verify`: runs in fresh worlds, compares everything, leaves a report; never calls a
//! model and never touches the user's own world. That differences are found is shown in
//! host/src/mission/verify.rs: no mission that this program admits makes any.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::model_server::{ModelServer, Response};
use crate::support::{World, shown};

fn verified(world: &World, target: &str) -> Value {
    let report = world.json(&["verify", target]);
    assert_eq!(report["identical"], true, "{report}");
    assert_eq!(report["runs"].as_array().unwrap().len(), 3);
    assert_eq!(report["differences"], json!([]));
    report
}

#[test]
fn the_bundled_missions_are_deterministic() {
    let world = World::new();
    let ran = world.coo(&["verify", "demo"]);
    assert_snapshot!("verify_demo", shown("verify demo", &ran));
    let report = verified(&world, "triage");
    assert_eq!(
        report["runs"][0]["artefacts"][0]["path"],
        "triage/Triage_Report_v1.0.md"
    );
    assert!(report["runs"][0]["world_sha256"].is_string());
    // The user's own root has the reports and nothing else.
    assert_eq!(world.list(&["missions"]), json!([]));
    assert!(!world.root().join("world.db").exists());
    let folder = world.root().join("verify/000002");
    let kept: Value =
        serde_json::from_slice(&std::fs::read(folder.join("report.json")).unwrap()).unwrap();
    assert_eq!(kept, report);
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 2);
}

#[test]
fn a_mission_that_ran_is_verified_with_its_own_answers() {
    let server = ModelServer::start(["A bug.", "billing", "other"].map(Response::completion));
    let world = World::new().with("COO_LLM_BASE_URL", server.base_url());
    assert_eq!(world.triage().code, 0);
    assert_eq!(world.coo(&["export", "MISSION-000001"]).code, 0);
    let report = verified(&world, "MISSION-000001");
    assert_eq!(report["same_as_recorded"], true);
    let elsewhere = World::new();
    let file = world.path().join("MISSION-000001.coorun");
    let again = verified(&elsewhere, file.to_str().unwrap());
    assert_eq!(again["runs"], report["runs"]);
    assert_eq!(server.requests().len(), 2, "no call was made for it");
    // A row that the fresh worlds don't have: the mission asks about it, and its report is not
    // the one that lies there.
    world
        .database("world.db")
        .execute_batch("INSERT INTO ticket VALUES(3, 'Hello', NULL)")
        .unwrap();
    assert_eq!(world.triage().code, 1);
    assert_eq!(server.requests().len(), 3);
    let report = verified(&world, "MISSION-000002");
    assert_eq!(report["same_as_recorded"], false);
}

#[test]
fn every_kind_of_end_is_verified_to_the_last_byte_of_memory() {
    let store = "(i32.store (i32.const 1030) (i32.const 7))";
    let mut digests = Vec::new();
    for (name, body) in [
        ("returned", String::new()),
        ("trap", "unreachable".to_owned()),
        ("fuel", "(loop $l (br $l))".to_owned()),
        ("exit", "(call $proc_exit (i32.const 3))".to_owned()),
        (
            "memory",
            "(loop $l (drop (memory.grow (i32.const 99))) (br $l))".to_owned(),
        ),
    ] {
        let world = World::new();
        let start = format!(r#"(func (export "_start") {store} {body})"#);
        world.guest("guest.wasm", &start);
        let limits = json!({"limits": {"fuel": 1_000_000, "memory_bytes": 16 << 20}});
        world.descriptor("guest.json", &json!({"file": "guest.wasm"}), &limits);
        let report = verified(&world, "guest.json");
        let memory = report["runs"][0]["memory_sha256"][0].clone();
        assert!(memory.is_string(), "{name}: {report}");
        digests.push(memory);
    }
    // What was stored is in the digest: another byte, another digest.
    let world = World::new();
    world.guest(
        "other.wasm",
        r#"(func (export "_start") (i32.store (i32.const 1030) (i32.const 8)))"#,
    );
    let other = verified(&world, "other.wasm");
    assert!(!digests.contains(&other["runs"][0]["memory_sha256"][0]));
    assert_eq!(digests[0], digests[1], "a trap changes no memory");
}

#[test]
fn what_can_not_be_verified_is_said_and_leaves_nothing() {
    let world = World::new();
    world.triage_descriptor();
    let ran = world.coo(&["verify", "triage.json"]);
    assert_snapshot!(shown("verify triage.json", &ran), @"
    $ coo verify triage.json
    --- standard error
    ERROR: run 1 of 3: was interrupted, which says nothing about determinism (answers come from the frozen store alone): model call: no frozen answer for request <sha256…> (time 1 in this run, model HuggingFaceTB/SmolLM2-135M-Instruct)
    hint: run the mission once without --frozen to record it
    --- exit 1
    ");
    assert_eq!(
        std::fs::read_dir(world.root().join("verify"))
            .unwrap()
            .count(),
        0
    );
    let ran = world.coo(&["verify", "demo", "--runs", "1"]);
    assert_snapshot!(shown("verify demo --runs 1", &ran), @"
    $ coo verify demo --runs 1
    --- standard error
    ERROR: invalid value '1' for '--runs <N>': 1 is not in 2..=100

    For more information, try '--help'.
    --- exit 2
    ");
    let mut told = String::new();
    for target in ["nonsense", "MISSION-000009", "no.coorun"] {
        told += &shown(&format!("verify {target}"), &world.coo(&["verify", target]));
    }
    assert_snapshot!(told, @"
    $ coo verify nonsense
    --- standard error
    ERROR: mission 'nonsense': neither a file nor one of the bundled missions (demo, phase3, triage)
    hint: give a descriptor, a .wasm file or one of these
    --- exit 1
    $ coo verify MISSION-000009
    --- standard error
    ERROR: Mission 'MISSION-000009' not found.
    --- exit 1
    $ coo verify no.coorun
    --- standard error
    ERROR: descriptor: no.coorun: can't be opened: No such file or directory (os error 2)
    --- exit 1
    ");
}

#[test]
fn what_a_killed_verification_left_goes_with_the_next_one() {
    let world = World::new();
    let killed = world
        .command(&["verify", "demo"])
        .env("COO_FAULT", "kill:60")
        .output()
        .unwrap();
    assert!(killed.status.code().is_none(), "{killed:?}");
    let folder = world.root().join("verify");
    assert!(folder.join("000001/run-1").exists());
    verified(&world, "demo");
    let left: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(folder.join(&left[0]).join("report.json").exists());
}
