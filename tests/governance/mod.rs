//! The governed mission: workflows that are refused with a reason and a way out, people who are
//! asked and answer, and what a mission may do at most, told by `coo explain`.

mod ceilings;
mod human;
mod rulesets;
mod validator;

use serde_json::{Value, json};

use crate::support::{Ran, World};

/// A world with a program that writes an empty artefact under the name it is given.
fn world() -> World {
    let world = World::new();
    world.wasm("writer.wasm", include_str!("../fixtures/writer.wat"));
    world
}

/// Runs `mission.json`, a mission of that program with these steps and whatever `more` says.
fn run(world: &World, steps: &Value, more: &Value) -> Ran {
    let mut more = more.clone();
    more["steps"] = steps.clone();
    world.descriptor("mission.json", &json!({"file": "writer.wasm"}), &more);
    world.coo(&["run", "mission.json"])
}

/// The end of a mission: the body of its last event.
fn end(world: &World, id: &str) -> Value {
    crate::support::events(world, id).pop().unwrap()["body"].clone()
}

/// Changes the configuration of the world's state root.
fn configure(world: &World, governance: &Value) {
    assert_eq!(world.coo(&["init"]).code, 0);
    let path = world.root().join("config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    config["governance"] = governance.clone();
    std::fs::write(path, config.to_string()).unwrap();
}
