//! Several processes on one state root at once: one at a time changes it, the others wait and
//! say so, readers look on, and every mission is whole.

use std::io::{BufRead as _, BufReader, Read as _};

use insta::assert_snapshot;

use crate::support::model_server::{ModelServer, Response};
use crate::support::{World, mission_id, steady};

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
fn a_second_writer_says_that_it_waits_and_then_runs() {
    let (server, release) = ModelServer::holding(|| Response::completion("bug"));
    let world = World::new().with("COO_LLM_BASE_URL", server.base_url());
    world.triage_descriptor();
    let mut first = world.start(&["run", "triage.json"]);
    // Its first call has arrived: it holds the root.
    server.wait_for_request(&mut first);
    let mut second = world.start(&["run", "demo", "--frozen"]);
    let mut said = BufReader::new(second.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert_eq!(line.trim_end(), WAITING);
    // Readers don't wait for either.
    let missions = world.list(&["missions"]);
    assert_eq!(missions.as_array().unwrap().len(), 1);
    assert_eq!(missions[0]["status"], "RUNNING");

    for _ in 0..2 {
        release.send(()).unwrap();
    }
    let first = first.wait_with_output().unwrap();
    assert!(first.status.success(), "{first:?}");
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert!(second.wait().unwrap().success(), "{rest}");
    assert!(!rest.contains("waiting"), "once is enough: {rest}");
    // Before it may be lines about a module that takes long to compile.
    assert_snapshot!(steady(rest.lines().last().unwrap()), @"[coo] DEMO-000002 SUCCESS: 11 events, 66630 fuel, <duration>, 1 model call (frozen; 204 tokens in, 94 out), chain <sha256…>");
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
    assert_eq!(files, [world.root().join("lock")]);
    lock.unlock().unwrap();
    assert!(second.wait().unwrap().success());
    assert!(world.root().join("config.json").exists());
}
