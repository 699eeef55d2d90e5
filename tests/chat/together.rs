//! Calls that are made together: at the same time on the wire, one after the other on record, and
//! never twice, wherever the process ends.

use std::collections::BTreeMap;

use insta::assert_snapshot;

use super::*;
use crate::support::{events, every, shown};

fn list(prompts: impl IntoIterator<Item = String>) -> Value {
    let requests = prompts.into_iter();
    let requests: Vec<Value> = requests.map(|prompt| json!({"prompt": prompt})).collect();
    json!({"requests": requests})
}

/// How often each text was asked.
fn counts(server: &ModelServer) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for request in server.requests() {
        *counts.entry(last_text(&request)).or_default() += 1;
    }
    counts
}

/// The kinds and bodies of all events about models.
fn calls(world: &World, id: &str) -> Vec<Value> {
    let of_models = |event: &Value| event["kind"].as_str().unwrap().starts_with("llm.");
    let events = events(world, id).into_iter();
    events.filter(of_models).collect()
}

#[test]
fn twenty_calls_are_under_way_at_once_and_stand_in_order() {
    let world = chatting();
    // It answers nobody before all are there, so a host that asks one after the other never ends.
    let server = ModelServer::gathering(20, echo);
    let asks = list((0..20).map(|i| format!("q{i}")));
    let ran = ask(&world, &server, &asks, &json!({}));
    assert_eq!(ran.code, 0, "{ran:?}");
    let answers: Value = serde_json::from_str(&ran.stdout).unwrap();
    let expected: Vec<Value> = (0..20)
        .map(|i| json!({"text": format!("re: q{i}")}))
        .collect();
    assert_eq!(answers, json!(expected));
    // The record is that of the same calls one after the other.
    let calls = calls(&world, "MISSION-000001");
    assert_eq!(calls.len(), 40);
    for (i, pair) in calls.chunks(2).enumerate() {
        assert_eq!(
            (&pair[0]["kind"], &pair[1]["kind"]),
            (&json!("llm.intent"), &json!("llm.outcome"))
        );
        let asked = &pair[0]["body"]["request"]["messages"][0]["content"];
        assert_eq!(*asked, format!("q{i}"));
    }
}

#[test]
fn the_same_question_twice_is_two_calls_and_frozen_answers_are_not_asked() {
    let world = chatting();
    let server = ModelServer::answering(echo);
    let asks = list(["a", "b", "a"].map(str::to_owned));
    assert_eq!(ask(&world, &server, &asks, &json!({})).code, 0);
    assert_eq!(
        counts(&server),
        [("a".to_owned(), 2), ("b".to_owned(), 1)].into()
    );
    let more = list(["a", "c", "b", "d"].map(str::to_owned));
    assert_eq!(ask(&world, &server, &more, &json!({})).code, 0);
    assert_eq!(counts(&server).values().sum::<usize>(), 5);
}

#[test]
fn calls_stop_at_the_bound_of_the_mission() {
    let world = chatting();
    let server = ModelServer::answering(echo);
    describe(&world, &list((0..9).map(|i| format!("q{i}"))), &json!({}));
    let limits = json!({"limits": {"llm_calls": 4}, "steps": [
        {"id": "ask", "input": list((0..9).map(|i| format!("q{i}")))},
    ]});
    world.descriptor("chat.json", &json!({"file": "chat.wasm"}), &limits);
    let ran = world.coo_with(
        &["run", "chat.json"],
        "COO_LLM_BASE_URL",
        &server.base_url(),
    );
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("llm_calls"), "{ran:?}");
    assert_eq!(server.requests().len(), 4);
    assert_eq!(world.coo(&["replay", "1"]).code, 0);
}

#[test]
fn nothing_is_sent_that_one_call_after_the_other_would_not_send() {
    let world = chatting();
    let long = |i: usize| format!("q{i} {}", "x".repeat(3_000));
    for (more, most) in [
        // The first answer may take what is left.
        (json!({"limits": {"host_bytes": 5_000}}), 1),
        // Without a bound, an answer may take all tokens that are left.
        (
            json!({"llm": {"max_tokens": null}, "limits": {"llm_tokens": 12}}),
            3,
        ),
        (json!({"scope": {"tier": 0}}), 0),
    ] {
        let server = ModelServer::answering(echo);
        let mut more = more;
        more["steps"] = json!([{"id": "ask", "input": list((0..10).map(long))}]);
        world.descriptor("chat.json", &json!({"file": "chat.wasm"}), &more);
        let ran = world.coo_with(
            &["run", "chat.json", "--live"],
            "COO_LLM_BASE_URL",
            &server.base_url(),
        );
        assert_eq!(ran.code, 1, "{ran:?}");
        assert_eq!(server.requests().len(), most, "{more}");
    }
}

#[test]
fn a_key_in_an_image_of_a_list_does_not_leave() {
    const KEY: &str = "sk-or-v1-0123456789abcdef0123456789abcdef";
    let server = ModelServer::answering(echo);
    let world = chatting()
        .with("OPENROUTER_API_KEY", KEY)
        .with("COO_LLM_BASE_URL", server.base_url());
    // The key in base64, as the mission decodes it.
    let picture = "c2stb3ItdjEtMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    let see = json!({"messages": [{"role": "user", "content": "see", "images": [
        {"media_type": "image/png", "base64": picture},
    ]}]});
    describe(
        &world,
        &json!({"requests": [see, {"prompt": "a"}, {"prompt": "b"}]}),
        &json!({}),
    );
    let ran = world.coo(&["run", "chat.json"]);
    assert!(ran.stderr.contains("contains the API key"), "{ran:?}");
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn after_a_failure_no_further_call_leaves() {
    let world = chatting();
    let server = ModelServer::answering(|_| Response::json(401, "{}").into());
    let ran = ask(
        &world,
        &server,
        &list((0..300).map(|i| format!("q{i}"))),
        &json!({}),
    );
    assert_eq!(ran.code, 5, "{ran:?}");
    let sent = server.requests().len();
    assert!(sent <= 64, "{sent}");
    // None is in doubt, so it continues without a word.
    let server = ModelServer::answering(echo);
    let ran = world.coo_with(&["resume", "1"], "COO_LLM_BASE_URL", &server.base_url());
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(server.requests().len(), 300);
}

/// What was paid for beside a journal counts for the budget of a batch in its next process, once.
#[test]
fn a_batch_counts_answers_that_its_journals_have_not_come_to() {
    let world = chatting();
    describe(&world, &list((0..8).map(|i| format!("q{i}"))), &json!({}));
    world.file("list.jsonl", "{\"mission\": \"chat.json\"}\n");
    // Nobody is answered before all are there, so the others have left when the first is refused.
    let server = ModelServer::gathering(8, |request| match last_text(request).as_str() {
        "q0" => Response::json(401, "{}").into(),
        _ => message("stop", &json!({"content": "x"})),
    });
    let world = world.with("COO_LLM_BASE_URL", server.base_url());
    let ran = world.coo(&["batch", "list.jsonl", "--budget-tokens", "100000", "--json"]);
    assert_eq!(server.requests().len(), 8, "{ran:?}");
    let server = ModelServer::answering(|_| message("stop", &json!({"content": "x"})));
    let ran = world.coo_with(
        &["resume", "--batch", "1", "--json"],
        "COO_LLM_BASE_URL",
        &server.base_url(),
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(server.requests().len(), 1);
    let summary: Value = serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(
        summary["spent"],
        json!({"micros": 0, "tokens_in": 80, "tokens_out": 40})
    );
}

/// A mission that asks by name alone begins without a default model, and can get one later.
#[test]
fn a_default_model_can_come_with_the_resume() {
    let world = World::new();
    world.one_attempt();
    world.file("chat.wasm", include_bytes!("../../examples/chat/chat.wasm"));
    assert_eq!(
        world
            .coo(&["config", "set", "llm.default_model", "null"])
            .code,
        0
    );
    assert_eq!(
        world
            .coo(&["config", "set", "llm.models", r#"{"cheap": "small/model"}"#])
            .code,
        0
    );
    let server = ModelServer::answering(echo);
    let world = world.with("COO_LLM_BASE_URL", server.base_url());
    let named = |prompt: &str| json!({"prompt": prompt, "model": "cheap"});
    let asks = json!({"requests": [named("a"), {"prompt": "b"}, named("c")]});
    describe(&world, &asks, &json!({"models": {"cheap": {}}}));
    let ran = world.coo(&["run", "chat.json"]);
    assert_eq!(ran.code, 5, "{ran:?}");
    assert!(ran.stderr.contains("No model configured"), "{ran:?}");
    // Only what comes before.
    assert_eq!(counts(&server), [("a".to_owned(), 1)].into());
    let ran = world.coo_with(&["resume", "1"], "COO_LLM_MODEL", "large/model");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(counts(&server).values().sum::<usize>(), 3);
    assert_eq!(world.coo(&["replay", "1"]).code, 0);
}

#[test]
fn what_was_answered_is_never_asked_again_and_what_is_in_doubt_only_if_told() {
    let world = chatting();
    let broken = ModelServer::answering(|request| {
        if last_text(request).ends_with('!') {
            Step::HangUp
        } else {
            echo(request)
        }
    });
    let asks = list(["a", "b!", "c", "d!", "e"].map(str::to_owned));
    let ran = ask(&world, &broken, &asks, &json!({}));
    assert_eq!(ran.code, 5, "{ran:?}");
    assert_eq!(counts(&broken).values().sum::<usize>(), 5);
    let server = ModelServer::answering(echo);
    let again =
        |arguments: &[&str]| world.coo_with(arguments, "COO_LLM_BASE_URL", &server.base_url());
    let ran = again(&["resume", "1"]);
    assert_eq!(ran.code, 5, "{ran:?}");
    assert!(
        ran.stderr
            .contains("2 model calls are in doubt, the first one at event"),
        "{ran:?}"
    );
    assert_eq!(server.requests().len(), 0);
    let ran = again(&["resume", "1", "--resend"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(
        counts(&server),
        [("b!".to_owned(), 1), ("d!".to_owned(), 1)].into()
    );
    let answers: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(answers[3]["text"], "re: d!");
    assert_eq!(world.coo(&["replay", "1"]).code, 0);
}

/// The mission fails before it comes to a call that is in doubt: nobody can send that again, and a person
/// learns of it.
#[test]
fn a_failed_mission_says_that_other_calls_may_be_charged() {
    let world = chatting();
    let server = ModelServer::answering(|request| {
        if last_text(request) == "b!" {
            return Step::HangUp;
        }
        // More tokens than anybody could expect.
        let body = json!({
            "choices": [{"finish_reason": "stop", "message": {"content": "x"}}],
            "usage": {"prompt_tokens": 5_000, "completion_tokens": 1},
        });
        Response::json(200, &body).into()
    });
    let more = json!({"llm": {"max_tokens": 10}, "limits": {"llm_tokens": 1_000}, "steps": [
        {"id": "ask", "input": list(["a", "b!"].map(str::to_owned))},
    ]});
    world.descriptor("chat.json", &json!({"file": "chat.wasm"}), &more);
    let ran = world.coo_with(
        &["run", "chat.json"],
        "COO_LLM_BASE_URL",
        &server.base_url(),
    );
    assert_eq!(server.requests().len(), 2);
    assert_snapshot!(shown("run chat.json", &ran), @"
    $ coo run chat.json
    --- standard error
    [coo] MISSION-000001: model calls go to http://127.0.0.1:<port>, named by the environment, without a key
    [coo] MISSION-000001 FAILED: 9 events, 33033 fuel, <duration>, 1 model call (live; 5000 tokens in, 1 out), chain <sha256…>
    [coo] MISSION-000001 had made model calls beside the one at which it failed; some left and have no answer, and the provider may charge for them
    ERROR: mission MISSION-000001: limit hit: llm_tokens 5001 wanted, limit 1000
    hint: raise limits.llm_tokens if the mission needs more
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    ");
    assert_eq!(world.coo(&["replay", "1"]).code, 0);
}

/// A call that was in doubt and is answered now is no longer in doubt, whatever happens next.
#[test]
fn what_was_sent_again_is_not_in_doubt_a_second_time() {
    let world = chatting();
    let broken = |request: &Recorded| match last_text(request).as_str() {
        "b!" => Step::HangUp,
        _ => echo(request),
    };
    let server = ModelServer::answering(broken);
    let asks = list(["a", "b!"].map(str::to_owned));
    let first = json!({"id": "first", "input": asks});
    let then = json!({"id": "then", "human": {"ask": "May it end?"}});
    let steps = json!({"steps": [first, then]});
    world.descriptor("chat.json", &json!({"file": "chat.wasm"}), &steps);
    let run = |server: &ModelServer, arguments: &[&str]| {
        world.coo_with(arguments, "COO_LLM_BASE_URL", &server.base_url())
    };
    assert_eq!(run(&server, &["run", "chat.json"]).code, 5);
    let server = ModelServer::answering(echo);
    let paused = run(&server, &["resume", "1", "--resend"]);
    assert_eq!(paused.code, 4, "{paused:?}");
    let mission = world.coo(&["mission", "1"]);
    assert!(!mission.stdout.contains("doubt"), "{mission:?}");
    let ended = world.coo(&["approve", "1"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(server.requests().len(), 1);
    assert_eq!(world.coo(&["replay", "1"]).code, 0);
}

/// The process dies at each of its failpoints in turn. Whatever was under way: no call is made twice
/// unless it was said to be in doubt, and the end is that of an undisturbed run.
#[test]
fn a_process_may_die_at_any_point() {
    let asks = list((0..5).map(|i| format!("q{i}")));
    let reference = chatting();
    let server = ModelServer::answering(echo);
    let ran = ask(&reference, &server, &asks, &json!({}));
    let (output, calls_made) = (ran.stdout, calls(&reference, "MISSION-000001"));
    let points = {
        let world = chatting();
        let list = world.path().join("points");
        describe(&world, &asks, &json!({}));
        let world = world
            .with("COO_LLM_BASE_URL", server.base_url())
            .with("COO_FAULT", format!("list:{}", list.display()));
        assert_eq!(world.coo(&["run", "chat.json"]).code, 0);
        std::fs::read_to_string(list).unwrap().lines().count()
    };
    let mut ways = BTreeMap::new();
    for point in (1..=points).step_by(every(7)) {
        let world = chatting();
        let server = ModelServer::answering(echo);
        describe(&world, &asks, &json!({}));
        let world = world.with("COO_LLM_BASE_URL", server.base_url());
        let killed = world
            .command(&["run", "chat.json"])
            .env("COO_FAULT", format!("kill:{point}"))
            .output()
            .unwrap();
        assert_eq!(killed.status.code(), None, "{point}: {killed:?}");
        let mut way = "resumed";
        let mut ran = world.coo(&["resume", "1"]);
        if ran.stderr.contains(" in doubt") {
            way = "resent";
            ran = world.coo(&["resume", "1", "--resend"]);
        } else if ran.code != 0 {
            // Nothing was on record yet.
            way = "run again";
            ran = world.coo(&["run", "chat.json"]);
            assert!(killed.stdout.is_empty());
        } else if ran.stderr.contains("nothing to resume") {
            way = "had ended";
        }
        *ways.entry(way).or_insert(0) += 1;
        assert_eq!(ran.code, 0, "{point}: {ran:?}");
        let id = if way == "run again" {
            mission_id(&ran)
        } else {
            "MISSION-000001".to_owned()
        };
        if way != "had ended" {
            assert_eq!(ran.stdout, output, "{point}");
        }
        assert_eq!(world.coo(&["replay", &id]).code, 0, "{point}");
        if id == "MISSION-000001" {
            let bodies = |calls: &[Value]| -> Vec<Value> {
                calls.iter().map(|call| call["body"].clone()).collect()
            };
            assert_eq!(bodies(&calls(&world, &id)), bodies(&calls_made), "{point}");
        }
        let twice = counts(&server).values().filter(|count| **count > 1).count();
        assert!(way == "resent" || twice == 0, "{point}: {way}");
    }
    println!("{points} points: {ways:?}");
    assert!(ways.len() > 1, "{ways:?}");
}
