//! What others do to the root while missions wait for a model, and what a batch refuses before it stores
//! anything.

use std::time::Duration;

use coo::inside::machine::Stopwatch;
use insta::assert_snapshot;

use super::{list, script, server, world};
use crate::support::model_server::{ModelServer, Response};
use crate::support::{ran, shown};

/// It waits twice after it has read, and what it has read changes during the first wait.
#[test]
fn what_a_run_has_read_counts_however_often_it_waits_afterwards() {
    let (server, release) = ModelServer::holding(|| Response::completion("yes"));
    let world = world(&server);
    let table = script(&[">CREATE TABLE t(n)"]);
    world.file("table.json", table.to_string());
    world.file(
        "reader.json",
        script(&["<SELECT count(*) FROM t", "?one", "?two"]).to_string(),
    );
    world.file(
        "row.json",
        script(&[">INSERT INTO t VALUES(1)"]).to_string(),
    );
    assert_eq!(world.coo(&["run", "table.json"]).code, 0);
    let mut reader = world.start(&["run", "reader.json"]);
    server.wait_for_request(&mut reader);
    assert_eq!(world.coo(&["run", "row.json"]).code, 0);
    for _ in 0..2 {
        release.send(()).unwrap();
    }
    let reader = ran(reader.wait_with_output().unwrap());
    assert_eq!(reader.code, 0, "{reader:?}");
    assert_eq!(server.requests().len(), 2);
    let (moved, read): (u32, String) = world
        .journal()
        .query_row(
            "SELECT facts ->> 'moved', body FROM missions JOIN events ON mission = number \
             WHERE number = 2 AND kind = 'db.query'",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    assert_eq!(moved, 1);
    assert!(read.contains("[[1]]"), "{read}");
}

/// Both questions of the mission are asked by one step, and the first waits longer than the step may take.
#[test]
fn the_wait_for_a_model_is_no_part_of_a_steps_time() {
    let (server, release) = ModelServer::holding(|| Response::completion("bug"));
    let world = world(&server);
    world.triage_descriptor();
    // Compiles the module, which counts.
    assert_ne!(world.coo(&["run", "triage.json", "--frozen"]).code, 0);
    let mut run = world.start(&["run", "triage.json", "--timeout", "2"]);
    server.wait_for_request(&mut run);
    let asked = Stopwatch::start();
    while asked.elapsed() < Duration::from_millis(2_500) {
        assert_eq!(run.try_wait().unwrap(), None);
        std::thread::yield_now();
    }
    drop(release);
    let run = ran(run.wait_with_output().unwrap());
    assert_eq!(run.code, 0, "{run:?}");
    assert!(server.requests().len() > 1);
}

#[test]
fn a_batch_is_run_by_one_process() {
    let (server, release) = ModelServer::holding(|| Response::completion("yes"));
    let world = world(&server);
    list(&world, "list.jsonl", &[vec!["?one"], vec!["?two"]]);
    let mut first = world.start(&["batch", "list.jsonl", "-j", "1"]);
    server.wait_for_request(&mut first);
    let second = world.coo(&["resume", "--batch", "1"]);
    assert_snapshot!(shown("resume --batch 1", &second), @"
    $ coo resume --batch 1
    --- standard error
    [coo] batch 1: 2 missions, 16 in flight
    ERROR: batch 1: another coo process is at work on it
    hint: wait for it, or stop it and try again
    --- exit 1
    ");
    let frozen = world.coo(&["freeze"]);
    assert_ne!(frozen.code, 0, "{frozen:?}");
    for _ in 0..2 {
        release.send(()).unwrap();
    }
    let first = ran(first.wait_with_output().unwrap());
    assert_eq!(first.code, 0, "{first:?}");
    assert_eq!(server.requests().len(), 2);
    assert_eq!(world.list(&["missions"]).as_array().unwrap().len(), 2);
}

#[test]
fn a_list_with_the_key_in_it_is_refused_before_anything_is_stored() {
    const KEY: &str = "a-key-of-some-length-0123456789";
    let server = server();
    let world = world(&server).with("OPENROUTER_API_KEY", KEY);
    let hidden = format!("?the key is {KEY}");
    list(&world, "list.jsonl", &[vec!["?one"], vec![hidden.as_str()]]);
    let refused = world.coo(&["batch", "list.jsonl"]);
    assert_snapshot!(shown("batch list.jsonl", &refused), @"
    $ coo batch list.jsonl
    --- standard error
    ERROR: descriptor list.jsonl:2: contains the API key, which is recorded nowhere
    hint: take the key out of the mission, and replace the key if others may have seen it
    --- exit 1
    ");
    assert_eq!(server.requests().len(), 0);
    for (path, content) in world.root_files() {
        let holds = content
            .windows(KEY.len())
            .any(|part| part == KEY.as_bytes());
        assert!(!holds, "{}", path.display());
    }
}
