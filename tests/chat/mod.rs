//! The model interface of 1.1 by the real program: `examples/chat` asks servers on loopback for tools,
//! JSON, images, models by name and several answers at the same time. Each run replays identical.

mod asked;
mod refused;
mod together;

use serde_json::{Value, json};

use crate::support::model_server::{ModelServer, Recorded, Response, Step};
use crate::support::{Ran, World, mission_id};

/// A world with the example's module.
fn chatting() -> World {
    let world = World::new().with("COO_LLM_MODEL", "test/model");
    world.one_attempt();
    let module = include_bytes!("../../examples/chat/chat.wasm");
    world.file("chat.wasm", module);
    world
}

/// Writes the descriptor of a mission that asks `input`.
fn describe(world: &World, input: &Value, llm: &Value) {
    let more = json!({"steps": [{"id": "ask", "input": input}], "llm": llm});
    world.descriptor("chat.json", &json!({"file": "chat.wasm"}), &more);
}

/// Runs a mission that asks `input`, and replays it.
fn ask(world: &World, server: &ModelServer, input: &Value, llm: &Value) -> Ran {
    describe(world, input, llm);
    let ran = world.coo_with(
        &["run", "chat.json"],
        "COO_LLM_BASE_URL",
        &server.base_url(),
    );
    if ran.code != 5 {
        let replayed = world.coo(&["replay", &mission_id(&ran)]);
        assert_eq!(replayed.code, 0, "{replayed:?}");
    }
    ran
}

/// An answer with this message.
fn message(finish_reason: &str, message: &Value) -> Step {
    let body = json!({
        "id": "test-1",
        "model": "test/model",
        "choices": [{"index": 0, "finish_reason": finish_reason, "message": message}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5},
    });
    Response::json(200, &body).into()
}

/// The text of the last message of a request.
fn last_text(request: &Recorded) -> String {
    let messages = &request.json()["messages"];
    let last = messages.as_array().unwrap().last().unwrap().clone();
    last["content"].as_str().unwrap_or_default().to_owned()
}

/// Answers a request with its own last text.
fn echo(request: &Recorded) -> Step {
    Response::completion(&format!("re: {}", last_text(request))).into()
}
