//! Several processes on one state root at once: one at a time changes it, the others wait and
//! say so, readers look on, and every mission is whole.

use std::io::{BufRead as _, BufReader};

use insta::assert_snapshot;
use serde_json::json;

use crate::support::model_server::{ModelServer, Response};
use crate::support::{World, mission_id, ran, shown};

const WAITING: &str = "[coo] waiting for another coo process to finish with this state root";

#[test]
fn writers_and_readers_at_once_all_succeed() {
    const WRITERS: usize = 6;
    const TURNS: usize = 4;
    let server = ModelServer::start(["A bug.", "billing"].map(Response::completion));
    let world = World::new().with("COO_LLM_BASE_URL", server.base_url());
    assert_eq!(world.triage().code, 0);
    let first = "MISSION-000001";
    let mut ids = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|i| {
                let (world, name) = (&world, ["demo", "triage.json"][i % 2]);
                scope.spawn(move || {
                    let mut ids = Vec::new();
                    for _ in 0..TURNS {
                        let ran = world.coo(&["run", name, "--frozen"]);
                        assert_eq!(ran.code, 0, "{ran:?}");
                        ids.push(mission_id(&ran));
                    }
                    ids
                })
            })
            .collect();
        for command in ["missions", "logs", "replay", "inspect", "mission"] {
            let world = &world;
            scope.spawn(move || {
                let reading = [command, first];
                let reading = &reading[..if command == "missions" { 1 } else { 2 }];
                for _ in 0..TURNS {
                    let ran = world.coo(reading);
                    assert_eq!(
                        (ran.code, ran.stderr.as_str()),
                        (0, ""),
                        "{reading:?}: {ran:?}"
                    );
                }
            });
        }
        let ids = writers.into_iter().map(|writer| writer.join().unwrap());
        ids.flatten().collect::<Vec<_>>()
    });
    ids.push(first.to_owned());
    let number = |id: &String| id.rsplit_once('-').unwrap().1.parse::<usize>().unwrap();
    ids.sort_by_key(number);
    let numbers: Vec<usize> = ids.iter().map(number).collect();
    assert_eq!(numbers, (1..=WRITERS * TURNS + 1).collect::<Vec<_>>());

    let missions = world.list(&["missions"]);
    let listed: Vec<&str> = missions
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|row| {
            assert_eq!(row["status"], "SUCCESS");
            row["id"].as_str().unwrap()
        })
        .collect();
    assert_eq!(listed, ids);
    for id in &ids {
        let ran = world.coo(&["replay", id]);
        assert!(
            ran.code == 0 && ran.stdout.ends_with("Result: IDENTICAL\n"),
            "{ran:?}"
        );
    }
    for name in ["coo.db", "world.db"] {
        let verdict: String = world
            .database(name)
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(verdict, "ok", "{name}");
    }
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn a_run_that_waits_for_a_model_keeps_nobody_waiting() {
    let (server, release) = ModelServer::holding(|| Response::completion("bug"));
    let world = World::asking(&server);
    let mut first = world.start(&["run", "triage.json"]);
    // Its first call has arrived, so it waits.
    server.wait_for_request(&mut first);
    let missions = world.list(&["missions"]);
    assert_eq!(missions.as_array().unwrap().len(), 1);
    assert_eq!(missions[0]["status"], "RUNNING");
    let second = world.coo(&["run", "demo", "--frozen"]);
    assert_snapshot!(shown("run demo --frozen", &second), @"
    $ coo run demo --frozen
    MailSort is a small service that helps support teams to sort their emails. The service uses a language model to read each message and decide whether it's about billing, a technical problem, or something else. Messages about billing are sent to the finance team, while messages about technical problems are sent to the engineers. All other messages go to the general inbox. The service runs on a single server and sorts about two thousand messages a day. Customer data never leaves the company.--- standard error
    [coo] DEMO-000002 SUCCESS: 11 events, 62548 fuel, <duration>, 1 model call (frozen; 204 tokens in, 94 out), chain <sha256…>
    --- exit 0
    ");
    // Nobody else takes the first one up, and the root is not frozen under it.
    let resumed = world.coo(&["resume", "MISSION-000001"]);
    assert_snapshot!(shown("resume MISSION-000001", &resumed), @"
    $ coo resume MISSION-000001
    --- standard error
    ERROR: mission MISSION-000001: another coo process is at work on it
    hint: 'coo logs -f MISSION-000001' follows it
    --- exit 1
    ");
    assert_eq!(world.coo(&["manifests", "write"]).code, 0);
    let frozen = world.coo(&["freeze"]);
    assert_snapshot!(shown("freeze", &frozen), @"
    $ coo freeze
    --- standard error
    ERROR: state root .coo: another coo process is at work on it
    hint: wait for it and try again
    --- exit 1
    ");

    for _ in 0..2 {
        release.send(()).unwrap();
    }
    let first = first.wait_with_output().unwrap();
    assert!(first.status.success(), "{first:?}");
    assert_eq!(world.list(&["missions"])[1]["status"], "SUCCESS");
    assert_eq!(server.requests().len(), 2);
    assert_eq!(world.coo(&["freeze"]).code, 0);
}

/// The second mission labels a ticket that the first has read and asks about. Each request is made once,
/// and the first ends as if it had begun after the second.
#[test]
fn a_run_whose_world_has_moved_executes_again_and_pays_for_nothing_twice() {
    let (server, release) = ModelServer::holding(|| Response::completion("bug"));
    let world = World::new().with("COO_LLM_BASE_URL", server.base_url());
    world.wasm("querier.wasm", include_str!("fixtures/querier.wat"));
    let more = "INSERT INTO ticket(id, text) SELECT 3, 'Hello' \
                WHERE NOT EXISTS(SELECT 1 FROM ticket WHERE id = 3) RETURNING id";
    world.descriptor(
        "more.json",
        &json!({"file": "querier.wasm"}),
        &json!({"steps": [{"id": "row", "input": more}]}),
    );
    assert_eq!(world.coo(&["run", "more.json"]).code, 1, "no table yet");
    world
        .database("world.db")
        .execute_batch(
            "CREATE TABLE ticket(id INTEGER PRIMARY KEY, text TEXT NOT NULL, label TEXT)",
        )
        .unwrap();
    world.triage_descriptor();
    let mut first = world.start(&["run", "triage.json"]);
    server.wait_for_request(&mut first);
    let second = world.coo(&["run", "more.json"]);
    assert_snapshot!(shown("run more.json", &second), @"
    $ coo run more.json
    INSERT INTO ticket(id, text) SELECT 3, 'Hello' WHERE NOT EXISTS(SELECT 1 FROM ticket WHERE id = 3) RETURNING id--- standard error
    [coo] MISSION-000003 SUCCESS: 33 events, 2528 fuel, <duration>, chain <sha256…>
    --- exit 0
    ");
    for _ in 0..3 {
        release.send(()).unwrap();
    }
    let first = ran(first.wait_with_output().unwrap());
    assert_snapshot!(shown("run triage.json", &first), @r#"
    $ coo run triage.json
    {"counts":{"billing":0,"bug":3,"other":0},"report":"triage/Triage_Report_v1.0.md","report_sha256":"<sha256>","tickets":3}--- standard error
    [coo] MISSION-000002: model calls go to http://127.0.0.1:<port>, named by the environment, without a key
    [coo] MISSION-000002: what it has read has changed; it executes again from event 9, with the model answers that it has
    [coo] MISSION-000002 SUCCESS: 23 events, 111969 fuel, <duration>, 3 model calls (live; 9 tokens in, 6 out), chain <sha256…>
    --- exit 0
    "#);
    let requests = server.requests();
    let bodies: std::collections::BTreeSet<_> = requests.iter().map(|r| &r.body).collect();
    assert_eq!((requests.len(), bodies.len()), (3, 3));
    assert_eq!(world.coo(&["replay", "MISSION-000002"]).code, 0);
    let moved: u64 = world
        .database("coo.db")
        .query_row(
            "SELECT facts ->> 'moved' FROM missions WHERE number = 2",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(moved, 1);
}

/// Whoever makes a root makes it alone: another's cleaning up would take its unfinished files.
#[test]
fn a_root_is_made_by_one_process_at_a_time() {
    let world = World::new();
    std::fs::create_dir(world.root()).unwrap();
    let lock = std::fs::File::create(world.root().join("lock")).unwrap();
    lock.lock().unwrap();
    let mut second = world.start(&["init"]);
    let mut said = BufReader::new(second.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert_eq!(line.trim_end(), WAITING);
    let files: Vec<_> = world.root_files().into_keys().collect();
    assert_eq!(
        files,
        ["lock", "wanted"].map(|name| world.root().join(name))
    );
    lock.unlock().unwrap();
    assert!(second.wait().unwrap().success());
    assert!(world.root().join("config.json").exists());
}
