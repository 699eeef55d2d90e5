//! Replay and recovery through the built binary: a run replays byte for byte from its journal
//! alone; every change of that journal is found and named; world changes are made once and
//! whole, whatever became of the process that promised them. Journals are forged here through
//! a database connection of the tests' own, past the triggers that keep them immutable.

mod conversation;
mod editions;
mod forged;
mod identical;
mod recovery;

use std::fs;
use std::path::Path;

use coo_kernel::journal::{Chain, Kind};
use coo_kernel::mission::state::State;
use rusqlite::Connection;
use serde_json::Value;

use crate::support::model_server::{ModelServer, Response};
use crate::support::{Ran, World};

const REPORT: &str = "artefacts/triage/Triage_Report_v1.0.md";
const TRIAGE: &str = "MISSION-000001";

/// A world whose model says `answers`, one a call.
fn with_model(answers: &[&str]) -> (World, ModelServer) {
    let server = ModelServer::start(answers.iter().map(|answer| Response::completion(answer)));
    let world = World::new().with("COO_LLM_BASE_URL", server.base_url());
    (world, server)
}

/// A world in which the triage mission has succeeded, its model gone.
fn triaged() -> World {
    let (world, _server) = with_model(&["A bug.", "billing"]);
    let ran = world.triage();
    assert_eq!(ran.code, 0, "{ran:?}");
    world
}

/// A world in which the demo has succeeded.
fn demo() -> World {
    let world = World::new();
    assert_eq!(world.coo(&["run", "demo"]).code, 0);
    world
}

fn rows(world: &World) -> Vec<(i64, String, Option<String>)> {
    let database = world.database("world.db");
    let mut statement = database
        .prepare("SELECT id, text, label FROM ticket ORDER BY id")
        .unwrap();
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap();
    rows.map(Result::unwrap).collect()
}

fn expected_rows() -> Vec<(i64, String, Option<String>)> {
    vec![
        (1, "It broke".into(), Some("bug".into())),
        (2, "I was charged twice".into(), Some("billing".into())),
    ]
}

/// Rewrites the bodies of mission 1 from event to event and computes the chain anew: a
/// forgery that holds together.
fn forge(journal: &Connection, mut change: impl FnMut(u64, Kind, Value) -> Value) {
    let mut chain = Chain::default();
    let mut statement = journal
        .prepare("SELECT id, seq, state, kind, body FROM events WHERE mission = 1 ORDER BY id")
        .unwrap();
    let mut events = statement.query([]).unwrap();
    while let Some(event) = events.next().unwrap() {
        let text = |i: usize| event.get_ref(i).unwrap().as_str().unwrap().to_owned();
        let (state, kind): (State, Kind) = (text(2).parse().unwrap(), text(3).parse().unwrap());
        let seq = event.get(1).unwrap();
        let body = change(seq, kind, serde_json::from_str(&text(4)).unwrap());
        let body = coo_kernel::form::canonical::to_string(&body).unwrap();
        let record = chain.append(state, kind, body);
        journal
            .execute(
                "UPDATE events SET body = ?2, prev_sha256 = ?3, sha256 = ?4 WHERE id = ?1",
                rusqlite::params![
                    event.get::<_, i64>(0).unwrap(),
                    record.body,
                    record.prev.as_bytes(),
                    record.sha256.as_bytes()
                ],
            )
            .unwrap();
    }
}

/// What the runtime keeps of the world: the database's files and the artefacts.
const WORLD: [&str; 4] = ["world.db", "world.db-wal", "world.db-shm", "artefacts"];

fn remove(path: &Path) {
    if path.is_dir() {
        fs::remove_dir_all(path).unwrap();
    } else if path.exists() {
        fs::remove_file(path).unwrap();
    }
}

fn assert_identical(world: &World, id: &str) -> Ran {
    let ran = world.coo(&["replay", id]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    assert!(ran.stdout.ends_with("\n  Result: IDENTICAL\n"), "{ran:?}");
    ran
}

// A run that is left alone.
