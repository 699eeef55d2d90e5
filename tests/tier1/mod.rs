//! `coo tier1`: one run judges an installation and its state root, leaves the same documents
//! wherever it runs, and asks a person, whose decision holds for that state and no other.

mod decision;
mod failed;
mod probe;
mod run;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{Ran, World};

/// The mission that asks, in a root whose first command was `tier1 run`.
const ASKS: &str = "MISSION-000002";
const REPORT: &str = "artefacts/tier1/Tier1_Hardening_Completion_Report_v0.1.md";

/// A world whose hardening waits for a person.
fn waiting() -> World {
    let world = World::new();
    let ran = world.coo(&["tier1", "run"]);
    assert_eq!(ran.code, 4, "{ran:?}");
    world
}

/// Runs the hardening and returns what it printed as JSON.
fn run_json(world: &World, code: i32) -> Value {
    let ran = world.coo(&["tier1", "run", "--json"]);
    assert_eq!(ran.code, code, "{ran:?}");
    serde_json::from_str(&ran.stdout).unwrap()
}

/// Returns where the decision stands, and checks that the exit code says the same.
fn standing(world: &World) -> String {
    let ran = world.coo(&["tier1", "status", "--json"]);
    let view: Value = serde_json::from_str(&ran.stdout).unwrap();
    let standing = view["standing"].as_str().unwrap().to_owned();
    let code = match standing.as_str() {
        "APPROVED" => 0,
        "WAITING" => 4,
        _ => 1,
    };
    assert_eq!(ran.code, code, "{ran:?}");
    standing
}

/// Runs a command that must succeed.
fn done(world: &World, arguments: &[&str]) -> Ran {
    let ran = world.coo(arguments);
    assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
    ran
}

/// Returns every file in artefacts/tier1, by name.
fn documents(world: &World) -> BTreeMap<String, Vec<u8>> {
    let folder = world.root().join("artefacts/tier1");
    let files = std::fs::read_dir(folder).into_iter().flatten();
    files
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().to_str().unwrap().to_owned();
            (name, std::fs::read(entry.path()).unwrap())
        })
        .collect()
}
