//! A long conversation: its record grows with what was said, not with how often it was sent, and it is
//! replayed, exported, read and resumed like any other.

use std::fs;

use insta::assert_snapshot;
use serde_json::json;

use super::assert_identical;
use crate::support::model_server::{ModelServer, Recorded, Response, Step};
use crate::support::{World, events, mission_id, shown, steady};

const TURNS: usize = 100;
/// Of a question, and of an answer.
const TEXT_BYTES: usize = 4_000;

fn world() -> World {
    let world = World::new().with("COO_LLM_MODEL", "test/model");
    world.one_attempt();
    world.wasm("talker.wasm", include_str!("../fixtures/talker.wat"));
    world.descriptor("talk.json", &json!({"file": "talker.wasm"}), &json!({}));
    world
}

/// An answer that nobody else gets: it depends on the length of the conversation.
fn answer(request: &Recorded) -> Step {
    let messages = request.json()["messages"].as_array().unwrap().len();
    let text = format!("{messages:0TEXT_BYTES$}");
    Response::completion(&text).into()
}

/// Bytes of all events and of all that is kept beside them.
fn tape_bytes(world: &World) -> (u64, u64) {
    let journal = world.journal();
    let sum = |sql: &str| -> u64 { journal.query_row(sql, [], |row| row.get(0)).unwrap() };
    (
        sum("SELECT sum(length(body)) FROM events"),
        sum("SELECT sum(length(bytes)) FROM blobs"),
    )
}

#[test]
fn a_tape_grows_with_what_is_said_and_not_with_how_often_it_is_sent() {
    let world = world();
    let server = ModelServer::answering(answer);
    let ran = world.coo_with(
        &["run", "talk.json"],
        "COO_LLM_BASE_URL",
        &server.base_url(),
    );
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let requests = server.requests();
    assert_eq!(requests.len(), TURNS);
    let sent: usize = requests.iter().map(|request| request.body.len()).sum();
    let said = 2 * TURNS * TEXT_BYTES;
    let (in_events, beside) = tape_bytes(&world);
    assert!(sent > 40_000_000, "{sent} bytes were sent");
    // Beside what was said: the descriptor and the input.
    assert!(beside < said as u64 + 2_000, "{beside} bytes are kept");
    assert!(in_events < 100_000, "{in_events} bytes in events");

    let id = mission_id(&ran);
    assert_identical(&world, &id);
    assert_eq!(
        world.coo(&["export", &id, "--output", "talk.coorun"]).code,
        0
    );
    let exported = fs::metadata(world.path().join("talk.coorun"))
        .unwrap()
        .len();
    assert!(
        exported < said as u64 + 200_000,
        "{exported} bytes exported"
    );
    assert_eq!(world.coo(&["replay", "talk.coorun"]).code, 0);

    // A reader gets every request whole.
    let prompts = world.coo(&["inspect", &id, "--prompts"]).stdout;
    let calls: Vec<&str> = prompts.split("Model call #").skip(1).collect();
    assert_eq!(calls.len(), TURNS);
    for (turn, call) in calls.iter().enumerate() {
        assert_eq!(call.matches("\nuser\n").count(), turn + 1);
        assert_eq!(call.matches("\nassistant\n").count(), turn);
    }
    let second = events(&world, &id)[7]["body"].clone();
    assert_eq!(second["since"], json!({"call": 6, "messages": 1}));
    let new = second["request"]["messages"].as_array().unwrap();
    let roles: Vec<&str> = new
        .iter()
        .map(|message| message["role"].as_str().unwrap())
        .collect();
    assert_eq!(roles, ["assistant", "user"]);
    assert!(
        new.iter()
            .all(|message| message["content"]["bytes"] == TEXT_BYTES),
        "{new:?}"
    );
}

/// Replaces what is kept under the digest of the first answer.
#[test]
fn a_text_that_was_changed_beside_the_chain_is_found() {
    let world = world();
    let server = ModelServer::answering(answer);
    let ran = world.coo_with(
        &["run", "talk.json"],
        "COO_LLM_BASE_URL",
        &server.base_url(),
    );
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let journal = world.unguarded_journal();
    let changed = journal.execute(
        "UPDATE blobs SET bytes = CAST('other' AS BLOB) WHERE bytes = CAST(?1 AS BLOB)",
        [format!("{:0TEXT_BYTES$}", 1)],
    );
    assert_eq!(changed.unwrap(), 1);
    let replayed = world.coo(&["replay", "1"]);
    assert_snapshot!(shown("replay 1", &replayed), @"
    $ coo replay 1
    --- standard error
    ERROR: journal: text of a model call: content <sha256>: was changed after it was written
    --- exit 1
    ");
    let read = world.coo(&["inspect", "1", "--prompts"]);
    assert_snapshot!(steady(&read.stderr), @"ERROR: content <sha256>: was changed after it was written");
}

#[test]
fn an_interrupted_conversation_resumes_in_the_middle_and_ends_in_the_same_chain() {
    let whole = world();
    let server = ModelServer::answering(answer);
    let ran = whole.coo_with(
        &["run", "talk.json"],
        "COO_LLM_BASE_URL",
        &server.base_url(),
    );
    let chain = whole.json(&["inspect", &mission_id(&ran)])["chain_head"].clone();

    let cut = world();
    let mut asked = 0;
    let stops = ModelServer::answering(move |request| {
        asked += 1;
        match asked {
            51 => Step::HangUp,
            _ => answer(request),
        }
    });
    let ran = cut.coo_with(&["run", "talk.json"], "COO_LLM_BASE_URL", &stops.base_url());
    assert_eq!(
        (ran.code, stops.requests().len()),
        (5, 51),
        "{}",
        ran.stderr
    );
    let again = ModelServer::answering(answer);
    let resume = ["resume", "MISSION-000001", "--resend"];
    let ran = cut.coo_with(&resume, "COO_LLM_BASE_URL", &again.base_url());
    assert_eq!(
        (ran.code, again.requests().len()),
        (0, 50),
        "{}",
        ran.stderr
    );
    let resumed = cut.json(&["inspect", "1"]);
    assert_eq!(resumed["chain_head"], chain);
    assert_identical(&cut, "MISSION-000001");
}
