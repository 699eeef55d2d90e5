//! What a provider says and what a mission makes of it: the table of docs/providers.md, row by row,
//! by the real program against a real server on loopback. For each row: how the mission ends, what
//! is told, how often the server is asked, what the journal has, and that a replay agrees.

mod connections;
mod meaning;
mod proxied;
mod sampling;
mod wire;

use serde_json::{Value, json};

use crate::support::model_server::{ModelServer, Response, Step};
use crate::support::{Ran, World, events, steady};

/// A world with `caller.wasm`, which asks its input and returns the finish reason and the text.
fn caller() -> World {
    let world = World::new().with("COO_LLM_MODEL", "test/model");
    world.one_attempt();
    world.wasm("caller.wasm", include_str!("../fixtures/caller.wat"));
    world
}

/// Runs it with a question of its own, so that no frozen answer is at hand.
fn ask(world: &World, question: &str, base_url: &str, more: &Value) -> Ran {
    let mut more = more.clone();
    more["steps"] = json!([{"id": "ask", "input": question}]);
    world.descriptor("caller.json", &json!({"file": "caller.wasm"}), &more);
    world.coo_with(&["run", "caller.json"], "COO_LLM_BASE_URL", base_url)
}

/// How a mission is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// SUCCESS with this output.
    Gives(&'static str),
    /// FAILED: the guest was told of a rejection, which is on record.
    Rejected,
    /// INTERRUPTED, to be resumed without a word.
    Resumable,
    /// INTERRUPTED, with the call in doubt.
    InDoubt,
}

/// A row of the table: what the server does and how the mission ends.
struct Row {
    name: &'static str,
    step: Step,
    end: End,
}

fn row(name: &'static str, step: impl Into<Step>, end: End) -> Row {
    Row {
        name,
        step: step.into(),
        end,
    }
}

/// Holds every row to its end; gives what was told of each that has no output.
fn check(rows: Vec<Row>) -> String {
    let world = caller();
    let mut told = String::new();
    for (n, Row { name, step, end }) in rows.into_iter().enumerate() {
        let id = format!("MISSION-{:06}", n + 1);
        let server = ModelServer::start([step.clone()]);
        let ran = ask(&world, name, &server.base_url(), &json!({}));
        let seen = format!("{name}: {ran:?}");
        // Nothing is asked twice unasked.
        assert_eq!(server.requests().len(), 1, "{seen}");
        let (calls, rest) = ran.stderr.split_once('\n').expect("no line");
        let origin = server.origin();
        assert_eq!(
            calls,
            format!(
                "[coo] {id}: model calls go to {origin}, named by the environment, without a key"
            )
        );
        if !matches!(end, End::Gives(_)) {
            told += &steady(&format!("# {name}\n{rest}"));
        }
        assert!(
            !ran.stderr.chars().any(|c| c.is_control() && c != '\n'),
            "{seen}"
        );
        let journal = events(&world, &id);
        let outcome = journal.iter().find(|event| event["kind"] == "llm.outcome");
        let status = world.json(&["mission", &id])["status"].clone();
        match end {
            End::Gives(output) => {
                assert_eq!((ran.code, ran.stdout.as_str()), (0, output), "{seen}");
                assert_eq!(status, "SUCCESS", "{seen}");
                assert!(outcome.is_some(), "{seen}");
            }
            End::Rejected => {
                assert_eq!((ran.code, status.as_str()), (1, Some("FAILED")), "{seen}");
                let outcome = outcome.unwrap_or_else(|| panic!("{seen}")).to_string();
                assert!(outcome.contains("rejected"), "{outcome}");
            }
            End::Resumable | End::InDoubt => {
                assert_eq!(
                    (ran.code, status.as_str()),
                    (5, Some("INTERRUPTED")),
                    "{seen}"
                );
                assert!(outcome.is_none(), "{seen}");
                assert_eq!(
                    ran.stderr.contains("--resend"),
                    end == End::InDoubt,
                    "{seen}"
                );
                assert_eq!(
                    ran.stderr
                        .contains("to the model test/model, for an answer of at most 256"),
                    end == End::InDoubt,
                    "{seen}"
                );
            }
        }
        if matches!(end, End::Gives(_) | End::Rejected) {
            let replay = world.coo(&["replay", &id]);
            assert_eq!(replay.code, 0, "{name}: {replay:?}");
            assert!(replay.stdout.contains("Result: IDENTICAL"), "{replay:?}");
            continue;
        }
        // A call in doubt waits for a word; any other goes out again by itself, to the right end.
        let server = ModelServer::start([Response::completion("at last")]);
        let resume = |arguments: &[&str]| {
            let arguments = [&["resume", id.as_str()], arguments].concat();
            world.coo_with(&arguments, "COO_LLM_BASE_URL", &server.base_url())
        };
        let mut resumed = resume(&[]);
        if end == End::InDoubt {
            assert_eq!((resumed.code, server.requests().len()), (5, 0), "{name}");
            assert!(resumed.stderr.contains("is in doubt"), "{resumed:?}");
            resumed = resume(&["--resend"]);
        }
        assert_eq!(
            (
                resumed.code,
                resumed.stdout.as_str(),
                server.requests().len()
            ),
            (0, "0at last", 1),
            "{name}: {resumed:?}"
        );
    }
    told
}

/// A whole answer with this choice.
fn choice(choice: &Value) -> Response {
    Response::json(200, &json!({"id": "c", "choices": [choice]}))
}

/// An answer that ended for this reason.
fn ended(reason: &Value, text: &str) -> Response {
    choice(&json!({"finish_reason": reason, "message": {"role": "assistant", "content": text}}))
}

/// An error in the form most providers use.
fn error(status: u16, error: &Value) -> Response {
    Response::json(status, &json!({"error": error}))
}
