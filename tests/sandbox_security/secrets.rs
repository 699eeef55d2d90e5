//! The key reaches the server and nothing else.

use insta::assert_snapshot;
use serde_json::json;

use crate::support::model_server::{ModelServer, Response};
use crate::support::{World, shown};

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
    assert_eq!((said[0].code, said[1].code), (0, 5), "{said:?}");
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
    // A line that can't be read is named without being quoted, and nothing is sent.
    world.file(".env", format!("OPENROUTER_API_KEY {KEY}\n"));
    let ran = world.coo(&["run", "demo", "--live"]);
    assert!(!ran.stderr.contains(KEY), "{ran:?}");
    assert_snapshot!(shown("run demo --live", &ran), @"
    $ coo run demo --live
    --- standard error
    [coo] file .env: line 1 begins with OPENROUTER_API_KEY and is not NAME=value; correct or remove it
    [coo] DEMO-000002 INTERRUPTED: 5 events, 26111 fuel, <duration>, chain <sha256…>
    ERROR: mission DEMO-000002: model call: request <sha256…> (model HuggingFaceTB/SmolLM2-135M-Instruct): file .env: line 1 begins with OPENROUTER_API_KEY and is not NAME=value
    hint: correct or remove it
    hint: 'coo resume DEMO-000002' continues where it stopped
    --- exit 5
    ");
}

/// A server whose answers hold `word`.
fn saying(word: &str) -> ModelServer {
    let text = format!("The {word} says {word}ly.");
    ModelServer::answering(move |_| Response::completion(&text).into())
}

#[test]
fn the_record_is_the_same_under_every_key_and_without_one() {
    let mut recorded = Vec::new();
    for key in [
        Some(KEY),
        Some("another-key-0123456789"),
        Some("qwen"),
        Some("e"),
        None,
    ] {
        let server = saying("qwen");
        let mut world = World::new()
            .with("COO_LLM_BASE_URL", server.base_url())
            .with("COO_LLM_MODEL", "qwen/qwen-e");
        if let Some(key) = key {
            world = world.with("OPENROUTER_API_KEY", key);
        }
        let ran = world.triage();
        assert_eq!(ran.code, 0, "{key:?}: {ran:?}");
        assert!(server.requests().len() > 1);
        let is_short = key.is_some_and(|key| key.len() < 16);
        assert_eq!(
            ran.stderr.contains("shorter than 16 characters"),
            is_short,
            "{ran:?}"
        );
        let head = &world.json(&["inspect", "MISSION-000001"])["chain_head"];
        let logs = world.coo(&["logs", "MISSION-000001", "--json"]).stdout;
        assert!(logs.contains("The qwen says qwenly."), "{logs}");
        assert!(!logs.contains("redacted"), "{logs}");
        recorded.push((head.clone(), ran.stdout));
    }
    recorded.dedup();
    assert_eq!(recorded.len(), 1, "{recorded:?}");
}

#[test]
fn a_rejection_is_recorded_as_it_is_or_not_at_all() {
    let rejecting = |message: &str| {
        let body = json!({"error": {"code": 400, "message": message}});
        ModelServer::answering(move |_| Response::json(400, &body).into())
    };
    let run = |server: &ModelServer, key: &str| {
        let world = World::new()
            .with("COO_LLM_BASE_URL", server.base_url())
            .with("OPENROUTER_API_KEY", key);
        let ran = world.coo(&["run", "demo", "--live"]);
        (world, ran)
    };
    let server = rejecting("no model of qwen's here");
    let mut said = String::new();
    let heads = ["qwen", "k", KEY].map(|key| {
        let (world, ran) = run(&server, key);
        said += &shown("run demo --live", &ran);
        world.json(&["inspect", "DEMO-000001"])["chain_head"].clone()
    });
    assert!(heads.iter().all(|head| *head == heads[0]), "{heads:?}");
    assert_snapshot!(said, @"
    $ coo run demo --live
    --- standard error
    [coo] DEMO-000001: model calls go to http://127.0.0.1:<port>, named by the environment, with the key of the environment, which is shorter than 16 characters and so not kept out of texts
    [coo] DEMO-000001 FAILED: 9 events, 29114 fuel, <duration>, 1 model call (live; 0 tokens in, 0 out), chain <sha256…>
    ERROR: mission DEMO-000001: guest error: model call rejected by the provider: the provider rejected the request with status 400, saying 'no model of qwen's here'
    hint: 'coo logs DEMO-000001' shows how it got there
    --- exit 1
    $ coo run demo --live
    --- standard error
    [coo] DEMO-000001: model calls go to http://127.0.0.1:<port>, named by the environment, with the key of the environment, which is shorter than 16 characters and so not kept out of texts
    [coo] DEMO-000001 FAILED: 9 events, 29114 fuel, <duration>, 1 model call (live; 0 tokens in, 0 out), chain <sha256…>
    ERROR: mission DEMO-000001: guest error: model call rejected by the provider: the provider rejected the request with status 400, saying 'no model of qwen's here'
    hint: 'coo logs DEMO-000001' shows how it got there
    --- exit 1
    $ coo run demo --live
    --- standard error
    [coo] DEMO-000001: model calls go to http://127.0.0.1:<port>, named by the environment, with the key of the environment
    [coo] DEMO-000001 FAILED: 9 events, 29114 fuel, <duration>, 1 model call (live; 0 tokens in, 0 out), chain <sha256…>
    ERROR: mission DEMO-000001: guest error: model call rejected by the provider: the provider rejected the request with status 400, saying 'no model of qwen's here'
    hint: 'coo logs DEMO-000001' shows how it got there
    --- exit 1
    ");

    let (world, ran) = run(&rejecting(&format!("key {KEY} may not")), KEY);
    assert_eq!(
        world.json(&["mission", "DEMO-000001"])["status"],
        "INTERRUPTED"
    );
    assert!(!ran.stderr.contains(KEY), "{ran:?}");
    assert_snapshot!(shown("run demo --live", &ran), @"
    $ coo run demo --live
    --- standard error
    [coo] DEMO-000001: model calls go to http://127.0.0.1:<port>, named by the environment, with the key of the environment
    [coo] DEMO-000001 INTERRUPTED: 6 events, 26111 fuel, <duration>, chain <sha256…>
    ERROR: mission DEMO-000001: unusable answer from http://127.0.0.1:<port>: a rejection that contains the API key, which must not be recorded: the provider rejected the request with status 400, saying 'key <redacted> may not'
    hint: keep the key out of the prompt, and replace the key
    hint: 'coo resume DEMO-000001' continues where it stopped
    --- exit 5
    ");
    for content in world.root_files().values() {
        assert!(!holds(content, KEY.as_bytes()));
    }
}

#[test]
fn an_answer_with_the_key_in_any_field_is_not_recorded() {
    let whole = |field: &str| {
        let mut body = json!({
            "id": "1", "model": "m", "provider": "p", "system_fingerprint": "f",
            "choices": [{"finish_reason": "stop", "message": {"content": "An answer."}}],
        });
        if field == "text" {
            body["choices"][0]["message"]["content"] = json!(format!("It is {KEY}."));
        } else {
            body[field] = json!(format!("x-{KEY}"));
        }
        body
    };
    let mut said = String::new();
    for field in ["text", "id", "model", "provider", "system_fingerprint"] {
        let body = whole(field);
        let server = ModelServer::answering(move |_| Response::json(200, &body).into());
        let world = World::new()
            .with("COO_LLM_BASE_URL", server.base_url())
            .with("OPENROUTER_API_KEY", KEY);
        let ran = world.coo(&["run", "demo", "--live"]);
        said += &shown(&format!("run demo --live # {field}"), &ran);
        assert_eq!(
            world.json(&["mission", "DEMO-000001"])["status"],
            "INTERRUPTED"
        );
        for content in world.root_files().values() {
            assert!(!holds(content, KEY.as_bytes()), "{field}");
        }
    }
    assert_snapshot!(said, @"
    $ coo run demo --live # text
    --- standard error
    [coo] DEMO-000001: model calls go to http://127.0.0.1:<port>, named by the environment, with the key of the environment
    [coo] DEMO-000001 INTERRUPTED: 6 events, 26111 fuel, <duration>, chain <sha256…>
    ERROR: mission DEMO-000001: unusable answer from http://127.0.0.1:<port>: an answer that contains the API key, which must not be recorded; it was sent: 939 bytes of messages to the model HuggingFaceTB/SmolLM2-135M-Instruct, for an answer of at most 256 tokens
    hint: keep the key out of the prompt, and replace the key
    hint: the call may have been made and charged for; 'coo resume DEMO-000001 --resend' sends it again and continues
    --- exit 5
    $ coo run demo --live # id
    --- standard error
    [coo] DEMO-000001: model calls go to http://127.0.0.1:<port>, named by the environment, with the key of the environment
    [coo] DEMO-000001 INTERRUPTED: 6 events, 26111 fuel, <duration>, chain <sha256…>
    ERROR: mission DEMO-000001: unusable answer from http://127.0.0.1:<port>: an answer that contains the API key, which must not be recorded; it was sent: 939 bytes of messages to the model HuggingFaceTB/SmolLM2-135M-Instruct, for an answer of at most 256 tokens
    hint: keep the key out of the prompt, and replace the key
    hint: the call may have been made and charged for; 'coo resume DEMO-000001 --resend' sends it again and continues
    --- exit 5
    $ coo run demo --live # model
    --- standard error
    [coo] DEMO-000001: model calls go to http://127.0.0.1:<port>, named by the environment, with the key of the environment
    [coo] DEMO-000001 INTERRUPTED: 6 events, 26111 fuel, <duration>, chain <sha256…>
    ERROR: mission DEMO-000001: unusable answer from http://127.0.0.1:<port>: an answer that contains the API key, which must not be recorded; it was sent: 939 bytes of messages to the model HuggingFaceTB/SmolLM2-135M-Instruct, for an answer of at most 256 tokens
    hint: keep the key out of the prompt, and replace the key
    hint: the call may have been made and charged for; 'coo resume DEMO-000001 --resend' sends it again and continues
    --- exit 5
    $ coo run demo --live # provider
    --- standard error
    [coo] DEMO-000001: model calls go to http://127.0.0.1:<port>, named by the environment, with the key of the environment
    [coo] DEMO-000001 INTERRUPTED: 6 events, 26111 fuel, <duration>, chain <sha256…>
    ERROR: mission DEMO-000001: unusable answer from http://127.0.0.1:<port>: an answer that contains the API key, which must not be recorded; it was sent: 939 bytes of messages to the model HuggingFaceTB/SmolLM2-135M-Instruct, for an answer of at most 256 tokens
    hint: keep the key out of the prompt, and replace the key
    hint: the call may have been made and charged for; 'coo resume DEMO-000001 --resend' sends it again and continues
    --- exit 5
    $ coo run demo --live # system_fingerprint
    --- standard error
    [coo] DEMO-000001: model calls go to http://127.0.0.1:<port>, named by the environment, with the key of the environment
    [coo] DEMO-000001 INTERRUPTED: 6 events, 26111 fuel, <duration>, chain <sha256…>
    ERROR: mission DEMO-000001: unusable answer from http://127.0.0.1:<port>: an answer that contains the API key, which must not be recorded; it was sent: 939 bytes of messages to the model HuggingFaceTB/SmolLM2-135M-Instruct, for an answer of at most 256 tokens
    hint: keep the key out of the prompt, and replace the key
    hint: the call may have been made and charged for; 'coo resume DEMO-000001 --resend' sends it again and continues
    --- exit 5
    ");
}

#[test]
fn a_mission_that_brings_the_key_along_is_not_recorded_with_it() {
    let world = World::new().with("OPENROUTER_API_KEY", KEY);
    let print = |fd: u32| {
        format!(
            r#"(data (i32.const 1023) "|{}") (data (i32.const 2047) "|{}")
               (func $say (param $at i32) (param $length i32)
                 (i32.store (i32.const 0) (local.get $at))
                 (i32.store (i32.const 4) (local.get $length))
                 (drop (call $fd_write (i32.const {fd}) (i32.const 0) (i32.const 1) (i32.const 8))))
               (func (export "_start")
                 (call $say (i32.const 1024) (i32.const 20))
                 (call $say (i32.const 2048) (i32.const {})))"#,
            &KEY[..20],
            &KEY[20..],
            KEY.len() - 20
        )
    };
    let whole = format!(r#"(data (i32.const 1024) "{KEY}") (func (export "_start"))"#);
    let mut said = String::new();
    let mut run = |arguments: &[&str]| {
        let ran = world.coo(arguments);
        assert!(!format!("{ran:?}").contains(KEY), "{ran:?}");
        said += &shown(&arguments.join(" "), &ran);
    };
    // In what is kept of it: module, environment, arguments, input.
    world.guest("whole.wasm", &whole);
    run(&["run", "whole.wasm"]);
    world.guest("guest.wasm", r#"(func (export "_start"))"#);
    for more in [
        json!({"environment": {"TOKEN": KEY}}),
        json!({"arguments": ["guest", KEY]}),
        json!({"steps": [{"id": "only", "input": {"note": format!("use {KEY}")}}]}),
    ] {
        world.descriptor("guest.json", &json!({"file": "guest.wasm"}), &more);
        run(&["run", "guest.json"]);
    }
    assert_eq!(world.list(&["missions"]), json!([]));
    // In what it prints, put together while it runs.
    for fd in [1, 2] {
        world.guest("halves.wasm", &print(fd));
        run(&["run", "halves.wasm"]);
        run(&["run", "halves.wasm", "--json"]);
    }
    let same_every_time = said
        .split_inclusive('\n')
        .filter(|line| !line.contains("\"elapsed_us\""));
    assert_snapshot!(same_every_time.collect::<String>(), @r#"
    $ coo run whole.wasm
    --- standard error
    ERROR: module whole.wasm: contains the API key, which is recorded nowhere
    hint: take the key out of the mission, and replace the key if others may have seen it
    --- exit 1
    $ coo run guest.json
    --- standard error
    ERROR: descriptor guest.json: contains the API key, which is recorded nowhere
    hint: take the key out of the mission, and replace the key if others may have seen it
    --- exit 1
    $ coo run guest.json
    --- standard error
    ERROR: descriptor guest.json: contains the API key, which is recorded nowhere
    hint: take the key out of the mission, and replace the key if others may have seen it
    --- exit 1
    $ coo run guest.json
    --- standard error
    ERROR: descriptor guest.json: contains the API key, which is recorded nowhere
    hint: take the key out of the mission, and replace the key if others may have seen it
    --- exit 1
    $ coo run halves.wasm
    <redacted>--- standard error
    [coo] MISSION-000001 INTERRUPTED: 5 events, 90 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: what the mission leaves: contains the API key, which is recorded nowhere
    hint: take the key out of the mission, and replace the key if others may have seen it
    hint: 'coo resume MISSION-000001' continues where it stopped
    --- exit 5
    $ coo run halves.wasm --json
    {
      "format": "coo-receipt/1",
      "id": "MISSION-000002",
      "status": "INTERRUPTED",
      "reason": "what the mission leaves: contains the API key, which is recorded nowhere; take the key out of the mission, and replace the key if others may have seen it",
      "question": null,
      "output": "<redacted>",
      "events": 5,
      "chain_head": "<sha256>",
      "fuel": 90,
      "memory_peak_bytes": 65536,
      "backtrace": []
    }
    --- standard error
    [coo] MISSION-000002 INTERRUPTED: 5 events, 90 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000002: what the mission leaves: contains the API key, which is recorded nowhere
    hint: take the key out of the mission, and replace the key if others may have seen it
    hint: 'coo resume MISSION-000002' continues where it stopped
    --- exit 5
    $ coo run halves.wasm
    --- standard error
    <redacted>
    [coo] MISSION-000003 INTERRUPTED: 5 events, 90 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000003: what the mission leaves: contains the API key, which is recorded nowhere
    hint: take the key out of the mission, and replace the key if others may have seen it
    hint: 'coo resume MISSION-000003' continues where it stopped
    --- exit 5
    $ coo run halves.wasm --json
    {
      "format": "coo-receipt/1",
      "id": "MISSION-000004",
      "status": "INTERRUPTED",
      "reason": "what the mission leaves: contains the API key, which is recorded nowhere; take the key out of the mission, and replace the key if others may have seen it",
      "question": null,
      "output": "",
      "events": 5,
      "chain_head": "<sha256>",
      "fuel": 90,
      "memory_peak_bytes": 65536,
      "backtrace": []
    }
    --- standard error
    [coo] MISSION-000004 INTERRUPTED: 5 events, 90 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000004: what the mission leaves: contains the API key, which is recorded nowhere
    hint: take the key out of the mission, and replace the key if others may have seen it
    hint: 'coo resume MISSION-000004' continues where it stopped
    --- exit 5
    "#);
    for (path, content) in world.root_files() {
        assert!(!holds(&content, KEY.as_bytes()), "{}", path.display());
    }
    // Without that key it is a mission like others.
    let ran = world.coo_with(&["run", "halves.wasm"], "OPENROUTER_API_KEY", "");
    assert_eq!(ran.code, 0, "{ran:?}");
}
