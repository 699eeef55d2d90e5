//! `coo batch`: many missions at once leave what they would leave one after the other. Every test makes
//! its list, its root and, where one is asked, its server.

mod beside;
mod counted;
mod killed;
mod lists;
mod merge_killed;
mod merge_refused;
mod merged;
mod recipes;
mod serial;

use serde_json::{Value, json};

use crate::support::World;
use crate::support::model_server::{ModelServer, Recorded, Response};

/// A world with the module of `fixtures/script.wat`.
fn world(server: &ModelServer) -> World {
    let world = World::new().with("COO_LLM_BASE_URL", server.base_url());
    world.wasm("script.wasm", include_str!("../fixtures/script.wat"));
    world
}

/// A server whose answer depends on the question alone.
fn server() -> ModelServer {
    ModelServer::answering(|request: &Recorded| {
        let asked = request.json()["messages"][0]["content"].clone();
        let asked = asked.as_str().unwrap_or_default();
        Response::completion(&format!("{} letters", asked.len())).into()
    })
}

/// Returns a descriptor whose steps do what `actions` say (see `script.wat`).
fn script<S: AsRef<str>>(actions: &[S]) -> Value {
    let steps: Vec<Value> = (1..)
        .zip(actions)
        .map(|(n, action)| json!({"id": format!("step-{n}"), "input": action.as_ref()}))
        .collect();
    json!({
        "format": "coo-mission/1",
        "mission_type": "SCRIPT_V1",
        "module": {"file": "script.wasm"},
        "steps": steps,
    })
}

/// Writes a list of such missions.
fn list<S: AsRef<str>>(world: &World, name: &str, missions: &[Vec<S>]) {
    let lines: Vec<String> = missions
        .iter()
        .map(|actions| script(actions).to_string())
        .collect();
    world.file(name, lines.join("\n"));
}

/// Returns the lines of a batch's results.
fn results(stdout: &str) -> Vec<Value> {
    let parse = |line| serde_json::from_str(line).unwrap();
    stdout.lines().map(parse).collect()
}

/// Replaces the times of results, summaries and reports by 0.
fn untimed(text: &str) -> String {
    let marks = ["time=\"", "\"elapsed_ms\":", " out, "];
    marks.iter().fold(text.to_owned(), |text, mark| {
        let mut parts = text.split(mark);
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |text, part| {
            let rest = part.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
            text + mark + "0" + rest
        })
    })
}
