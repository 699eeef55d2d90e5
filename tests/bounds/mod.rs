//! What a guest makes the host do is bounded: statements that take memory, time, stack or disk
//! without end, through the built binary, under a limit of its address space and a stopwatch.
//! Each ends as a refusal, as FAILED with a replay that is identical, or INTERRUPTED by the
//! clock; none ends the process but the clock, and the next mission is as if it had not been.

mod chance;
mod hostile;
mod sql;

use std::process::Stdio;
use std::time::Duration;

use coo::inside::machine::Stopwatch;
use serde_json::{Value, json};

use crate::support::{Ran, World, events, ran};

/// Address space of the process, in KiB: 1 GiB, and what the engine reserves for a memory that
/// may grow, of which nothing is used.
const ADDRESS_SPACE_KIB: u64 = 1 << 20;

/// A world with the module that runs statements.
fn world() -> World {
    let world = World::new();
    world.wasm("sql.wasm", include_str!("../fixtures/sql.wat"));
    world
}

/// Writes the mission that runs `lines`.
fn mission(world: &World, name: &str, lines: &str, limits: &Value) {
    let steps = json!([{"id": "run", "input": lines}]);
    let more = json!({"steps": steps, "limits": limits});
    world.descriptor(name, &json!({"file": "sql.wasm"}), &more);
}

/// Runs `coo ARGS` under the limit of its address space; must end by itself.
fn bounded(world: &World, arguments: &[&str]) -> (Ran, Duration) {
    let line = format!("ulimit -v {ADDRESS_SPACE_KIB}; ulimit -c 0; exec \"$0\" \"$@\"");
    let mut command = world.program("/bin/sh", &["-c", &line, env!("CARGO_BIN_EXE_coo")]);
    let watch = Stopwatch::start();
    let child = command
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let ran = ran(child.wait_with_output().unwrap());
    (ran, watch.elapsed())
}

/// Runs the lines as a mission, with time enough on a busy machine.
fn run(world: &World, lines: &str, limits: &Value) -> (Ran, Duration) {
    mission(world, "sql.json", lines, limits);
    bounded(world, &["run", "sql.json", "--timeout", "100"])
}

/// Replays it, from the root and from a file, and both must be identical.
fn assert_replays(world: &World, id: &str) {
    let (replay, _) = bounded(world, &["replay", id]);
    assert_eq!(replay.code, 0, "{replay:?}");
    assert!(replay.stdout.contains("IDENTICAL"), "{replay:?}");
    let file = format!("{id}.coorun");
    let _ = std::fs::remove_file(world.path().join(&file));
    let exported = world.coo(&["export", id, "-o", &file]);
    assert_eq!(exported.code, 0, "{exported:?}");
    let (replay, _) = bounded(world, &["replay", &file]);
    assert_eq!(replay.code, 0, "{replay:?}");
}

/// The answers that the statements of a mission were given, as the journal keeps them.
fn answers(world: &World, id: &str) -> Vec<Value> {
    let of_the_database = |event: &Value| {
        let kind = event["kind"].as_str().unwrap_or_default();
        kind.starts_with("db.")
            .then(|| event["body"]["answer"].clone())
    };
    events(world, id)
        .iter()
        .filter_map(of_the_database)
        .collect()
}
