//! The key reaches the server and nothing else.

use serde_json::json;

use super::support::World;
use super::support::model_server::{ModelServer, Response};

const KEY: &str = "sk-or-v1-0123456789abcdef-never-to-be-seen";

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

#[test]
fn the_key_reaches_the_server_and_no_file_and_no_output() {
    // A server that echoes the key in its answer's side fields and in an error.
    let echo = json!({"error": {"message": format!("Bad key Bearer {KEY}")}});
    let server = ModelServer::start([
        Response::completion("A summary of the text."),
        Response::json(401, &echo),
    ]);
    let world = World::new()
        .with("COO_LLM_BASE_URL", server.base_url())
        .with("OPENROUTER_API_KEY", KEY);
    let mut said = vec![
        world.coo(&["run", "demo", "--live"]),
        world.coo(&["run", "demo", "--live"]),
    ];
    assert_eq!((said[0].code, said[1].code), (0, 1), "{said:?}");
    let bearer = format!("Bearer {KEY}");
    for request in server.requests() {
        assert_eq!(request.header("authorization"), Some(bearer.as_str()));
    }
    assert_eq!(server.requests().len(), 2);
    for id in ["DEMO-000001", "DEMO-000002"] {
        for command in ["mission", "logs", "inspect", "replay"] {
            said.push(world.coo(&[command, id]));
            said.push(world.coo(&[command, id, "--json"]));
        }
    }
    for ran in &said {
        assert!(
            !ran.stdout.contains(KEY) && !ran.stderr.contains(KEY),
            "{ran:?}"
        );
    }
    let files = world.root_files();
    assert!(files.len() > 4, "{:?}", files.keys());
    for (path, content) in files {
        assert!(!holds(&content, KEY.as_bytes()), "{}", path.display());
    }
}

#[test]
fn a_key_in_dot_env_is_used_and_shown_no_more_than_one_in_the_environment() {
    let server = ModelServer::start([Response::completion("A summary of the text.")]);
    let world = World::new().with("COO_LLM_BASE_URL", server.base_url());
    world.file(".env", format!("OPENROUTER_API_KEY={KEY}\n"));
    let ran = world.coo(&["run", "demo", "--live"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(
        server.requests()[0].header("authorization"),
        Some(format!("Bearer {KEY}").as_str())
    );
    for content in world.root_files().values() {
        assert!(!holds(content, KEY.as_bytes()));
    }
    // A line that can't be read is named without being quoted.
    world.file(".env", format!("OPENROUTER_API_KEY {KEY}\n"));
    let ran = world.coo(&["run", "demo", "--live"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.contains(".env") && !ran.stderr.contains(KEY),
        "{ran:?}"
    );
}
