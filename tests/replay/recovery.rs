//! World changes are made once and whole, whatever became of the process that promised them.

use std::fs;
use std::process::Stdio;

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{
    REPORT, TRIAGE, WORLD, assert_identical, expected_rows, remove, rows, triaged, with_model,
};
use crate::support::model_server::{ModelServer, Response, Step};
use crate::support::{World, copy_folder, events, shown, steady};

#[test]
fn the_triage_mission_changes_its_world() {
    let world = triaged();
    assert_eq!(rows(&world), expected_rows());
    let report = fs::read(world.root().join(REPORT)).unwrap();
    assert!(
        String::from_utf8(report.clone())
            .unwrap()
            .contains("**billing** · I was charged twice")
    );

    let sha256 = coo_kernel::form::digest::Digest::of(&report).to_string();
    let inspect = world.json(&["inspect", TRIAGE]);
    assert_eq!(inspect["world"]["artefacts"][0]["sha256"], sha256.as_str());
    assert_eq!(inspect["world"]["artefacts"][0]["bytes"], report.len());
    let write = events(&world, TRIAGE)
        .into_iter()
        .find(|event| event["kind"] == "gateway.write")
        .unwrap();
    assert_eq!(
        write["body"]["answer"]["written"]["sha256"],
        sha256.as_str()
    );
    assert_eq!(
        (&inspect["calls"]["llm"], &inspect["calls"]["gateway_write"]),
        (&json!(2), &json!(1))
    );
}

#[test]
fn a_second_run_of_it_changes_nothing_and_asks_nobody() {
    let (world, server) = with_model(&["A bug.", "billing"]);
    let first = world.triage();
    let report = fs::read(world.root().join(REPORT)).unwrap();
    let second = world.triage();
    assert_eq!((first.code, second.code), (0, 0), "{second:?}");
    assert_eq!(first.stdout, second.stdout);
    assert_eq!(
        server.requests().len(),
        2,
        "the second run took the frozen answers"
    );
    assert_eq!(rows(&world), expected_rows());
    assert_eq!(fs::read(world.root().join(REPORT)).unwrap(), report);
    assert_identical(&world, "MISSION-000001");
    assert_identical(&world, "MISSION-000002");
}

#[test]
fn a_run_that_is_interrupted_leaves_no_artefact_and_no_row() {
    let denied = Response::json(
        401,
        r#"{"error": {"message": "No auth credentials found"}}"#,
    );
    let server = ModelServer::start([Response::completion("bug"), denied]);
    let world = World::new().with("COO_LLM_BASE_URL", server.base_url());
    let ran = world.triage();
    assert_snapshot!(shown("run triage.json", &ran), @"
    $ coo run triage.json
    --- standard error
    [coo] MISSION-000001: model calls go to http://127.0.0.1:<port>, named by the environment, without a key
    [coo] MISSION-000001 INTERRUPTED: 13 events, 63643 fuel, <duration>, 1 model call (live; 3 tokens in, 2 out), chain <sha256…>
    ERROR: mission MISSION-000001: model call not authorised: http://127.0.0.1:<port> answered 401, saying 'No auth credentials found'
    hint: check the API key and what it may use
    hint: 'coo resume MISSION-000001' continues where it stopped
    --- exit 5
    ");
    assert_eq!(world.json(&["mission", TRIAGE])["status"], "INTERRUPTED");
    assert_eq!(
        fs::read_dir(world.root().join("artefacts"))
            .unwrap()
            .count(),
        0
    );
    let tables: i64 = world
        .database("world.db")
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .unwrap();
    assert_eq!(tables, 0);
}

#[test]
fn a_run_that_fails_leaves_no_artefact_and_no_row() {
    // The last call is one too many, after every statement.
    let (world, _server) = with_model(&["bug", "billing"]);
    world.triage();
    let text = fs::read_to_string(world.path().join("triage.json")).unwrap();
    let mut descriptor: Value = serde_json::from_str(&text).unwrap();
    descriptor["limits"] = json!({"artefacts": 0});
    let fresh = World::new();
    copy_folder(&world.root(), &fresh.root());
    for name in WORLD {
        remove(&fresh.root().join(name));
    }
    fresh.file("triage.json", descriptor.to_string());
    let ran = fresh.coo(&["run", "triage.json"]);
    assert_snapshot!(shown("run triage.json", &ran), @"
    $ coo run triage.json
    --- standard error
    [coo] MISSION-000002 FAILED: 17 events, 90377 fuel, <duration>, 2 model calls (frozen; 6 tokens in, 4 out), chain <sha256…>
    ERROR: mission MISSION-000002: limit hit: artefacts 1 wanted, limit 0
    hint: raise limits.artefacts if the mission needs more
    hint: 'coo logs MISSION-000002' shows how it got there
    --- exit 1
    ");
    assert_eq!(
        fs::read_dir(fresh.root().join("artefacts"))
            .unwrap()
            .count(),
        0
    );
    let tables: i64 = fresh
        .database("world.db")
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .unwrap();
    assert_eq!(tables, 0);
    assert_identical(&fresh, "MISSION-000002");
}

/// Puts the world back to before its run, wholly or in part: what a process leaves that was
/// killed after it promised and before it applied.
fn unapply(world: &World, lost: &[&str]) {
    for name in lost {
        remove(&world.root().join(name));
    }
    fs::create_dir_all(world.root().join("artefacts")).unwrap();
    world
        .database("coo.db")
        .execute("UPDATE world_commits SET applied = 0", [])
        .unwrap();
}

#[test]
fn what_was_promised_is_finished_by_whoever_comes_next() {
    let done = triaged();
    let report = fs::read(done.root().join(REPORT)).unwrap();
    let mut told = Vec::new();
    // Lost altogether; lost in part, either way round; not lost at all.
    for (lost, next) in [
        (&WORLD[..], &["missions"][..]),
        (&WORLD[..3], &["mission", TRIAGE]),
        (&["artefacts"], &["run", "demo"]),
        (&[], &["logs"]),
    ] {
        let world = World::new();
        copy_folder(&done.root(), &world.root());
        unapply(&world, lost);
        let ran = world.coo(next);
        assert_eq!(ran.code, 0, "{lost:?} {next:?}: {ran:?}");
        told.push(format!("{}:\n{}", next.join(" "), ran.stderr));
        assert_eq!(rows(&world), expected_rows(), "{lost:?} {next:?}");
        assert_eq!(fs::read(world.root().join(REPORT)).unwrap(), report);
        assert!(
            !world.coo(&["missions"]).stderr.contains("finished"),
            "once is enough"
        );
    }
    assert_snapshot!(steady(&told.concat()), @"
    missions:
    [coo] applied the recorded changes of an interrupted process: 5 database changes, 1 artefact
    mission MISSION-000001:
    [coo] applied the recorded changes of an interrupted process: 5 database changes, 1 artefact
    run demo:
    [coo] applied the recorded changes of an interrupted process: 5 database changes, 1 artefact
    [coo] DEMO-000002 SUCCESS: 11 events, 62548 fuel, <duration>, 1 model call (frozen; 204 tokens in, 94 out), chain <sha256…>
    logs:
    [coo] applied the recorded changes of an interrupted process: 5 database changes, 1 artefact
    ");
}

#[test]
fn only_what_is_missing_is_applied_and_in_order() {
    let (world, _server) = with_model(&["A bug.", "billing", "A bug."]);
    assert_eq!(world.triage().code, 0);
    let after_first = World::new();
    copy_folder(&world.root(), &after_first.root());
    // Two spaces: another row, and a report that folds them into the same words.
    let text = fs::read_to_string(world.path().join("triage.json")).unwrap();
    world.file("triage.json", text.replace("It broke", "It  broke"));
    assert_eq!(world.coo(&["run", "triage.json"]).code, 0);
    let after_second = rows(&world);
    assert_eq!(after_second[0].1, "It  broke");

    // Both are lost, then only the second is.
    unapply(&world, &WORLD);
    assert_eq!(world.coo(&["missions"]).code, 0);
    assert_eq!(rows(&world), after_second);
    unapply(&world, &WORLD);
    for name in &WORLD[..3] {
        fs::copy(after_first.root().join(name), world.root().join(name)).unwrap();
    }
    assert_eq!(rows(&world), expected_rows());
    assert_snapshot!(shown("missions", &world.coo(&["missions"])), @"
    $ coo missions
    ID              TYPE  STATUS   STARTED (UTC)     DURATION  NAME
    MISSION-000002  TEST  SUCCESS  <time>  <took>  triage.json
    MISSION-000001  TEST  SUCCESS  <time>  <took>  triage.json
    --- standard error
    [coo] applied the recorded changes of an interrupted process: 5 database changes, 1 artefact
    [coo] applied the recorded changes of an interrupted process: 5 database changes, 1 artefact
    --- exit 0
    ");
    assert_eq!(rows(&world), after_second);
}

/// Returns what a command that changes the root and a command that reads it print while a recorded
/// intent cannot be carried out: the first is refused, the second only says so.
fn not_finished(world: &World) -> String {
    let run = world.coo(&["run", "demo", "--frozen"]);
    let missions = world.coo(&["missions"]);
    shown("run demo --frozen", &run) + &shown("missions", &missions)
}

#[test]
fn a_world_that_was_changed_in_between_is_not_changed_further() {
    let world = triaged();
    unapply(&world, &WORLD);
    let database = world.database("world.db");
    database
        .execute_batch("CREATE TABLE ticket (id INTEGER PRIMARY KEY CHECK (id > 1), text, label)")
        .unwrap();
    drop(database);
    assert_snapshot!(not_finished(&world), @"
    $ coo run demo --frozen
    --- standard error
    ERROR: world database: applying a recorded change again gave another result, so the file was changed from outside
    hint: restore it and run any coo command again
    --- exit 1
    $ coo missions
    ID              TYPE  STATUS   STARTED (UTC)     DURATION  NAME
    MISSION-000001  TEST  SUCCESS  <time>  <took>  triage.json
    --- standard error
    [coo] not finished yet: world database: applying a recorded change again gave another result, so the file was changed from outside; restore it and run any coo command again
    --- exit 0
    ");
    assert_eq!(rows(&world), []);

    let world = triaged();
    unapply(&world, &WORLD);
    world.file(&format!(".coo/{REPORT}"), "somebody else's");
    assert_snapshot!(not_finished(&world), @"
    $ coo run demo --frozen
    --- standard error
    ERROR: artefact triage/Triage_Report_v1.0.md: a mission recorded it, but something else is in its place
    hint: move it away and run any coo command again
    --- exit 1
    $ coo missions
    ID              TYPE  STATUS   STARTED (UTC)     DURATION  NAME
    MISSION-000001  TEST  SUCCESS  <time>  <took>  triage.json
    --- standard error
    [coo] not finished yet: artefact triage/Triage_Report_v1.0.md: a mission recorded it, but something else is in its place; move it away and run any coo command again
    --- exit 0
    ");
    assert_eq!(
        fs::read_to_string(world.root().join(REPORT)).unwrap(),
        "somebody else's"
    );
    fs::remove_file(world.root().join(REPORT)).unwrap();
    assert_eq!(world.coo(&["missions"]).code, 0);
    assert_eq!(rows(&world), expected_rows());
}

#[test]
fn a_killed_run_says_where_it_stood_and_keeps_what_it_was_told() {
    let server = ModelServer::start([
        Step::Respond(Response::completion("A bug.")),
        Step::StaySilent,
    ]);
    let world = World::asking(&server);
    let mut child = world
        .command(&["run", "triage.json"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // The second call has left: the first one's answer is on disk.
    while server.requests().len() < 2 {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::yield_now();
    }
    assert_eq!(world.json(&["mission", TRIAGE])["status"], "RUNNING");
    child.kill().unwrap();
    child.wait().unwrap();

    let mission = world.json(&["mission", TRIAGE]);
    assert_eq!(
        (&mission["status"], &mission["reason"]),
        (
            &json!("INTERRUPTED"),
            &json!("its process ended before the mission did")
        )
    );
    let last = events(&world, TRIAGE).pop().unwrap();
    assert_eq!(
        (&last["kind"], &last["body"]["nth"]),
        (&json!("llm.intent"), &json!(1)),
        "in doubt"
    );
    assert_eq!(
        fs::read_dir(world.root().join("artefacts"))
            .unwrap()
            .count(),
        0
    );

    let again = ModelServer::start([Response::completion("billing")]);
    let mut command = world.command(&["run", "triage.json"]);
    let ran = command
        .env("COO_LLM_BASE_URL", again.base_url())
        .output()
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");
    assert_eq!(again.requests().len(), 1, "the first answer was frozen");
    assert_eq!(rows(&world), expected_rows());
}

#[test]
fn processes_that_share_a_root_all_succeed() {
    // On a fresh root: who comes first makes it, while others look on.
    let world = World::new();
    let runs: Vec<_> = (0..4).map(|_| world.start(&["run-demo"])).collect();
    let looks: Vec<_> = (0..4).map(|_| world.start(&["missions"])).collect();
    for child in runs.into_iter().chain(looks) {
        let ran = child.wait_with_output().unwrap();
        assert!(ran.status.success(), "{ran:?}");
    }
    let missions = world.list(&["missions"]);
    let ids: Vec<&str> = missions
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["id"].as_str().unwrap())
        .collect();
    assert_eq!(
        ids,
        ["DEMO-000004", "DEMO-000003", "DEMO-000002", "DEMO-000001"]
    );
    for id in ids {
        assert_identical(&world, id);
    }
}
