//! `coo resume`: an interrupted mission goes on from its journal and ends as if nothing had
//! happened; no answer is asked for twice, a call in doubt is named and waits for a word, and
//! whatever stands in the way is said without changing anything. Crashes are in crash.rs.

use coo_kernel::form::digest::Digest;
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::model_server::{ModelServer, Response, Step};
use crate::support::{Ran, World, events, shown, steady};

const ID: &str = "MISSION-000001";
const ANSWERS: [&str; 2] = ["A bug.", "billing"];

pub fn answers() -> [Step; 2] {
    ANSWERS.map(|answer| Response::completion(answer).into())
}

fn refusal() -> Step {
    Response::json(401, &json!({"error": {"message": "no"}})).into()
}

/// What an undisturbed run of the triage mission leaves.
fn undisturbed() -> Value {
    let server = ModelServer::start(answers());
    let world = World::new().with("COO_LLM_BASE_URL", server.base_url());
    assert_eq!(world.triage().code, 0);
    left(&world)
}

/// What has to be the same after an interruption: the chain, the world, the artefacts.
fn left(world: &World) -> Value {
    let inspect = world.json(&["inspect", ID]);
    let database = world.database("world.db");
    let mut rows = database.prepare("SELECT * FROM ticket").unwrap();
    let rows: Vec<(i64, String, Option<String>)> = rows
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let report = world.root().join("artefacts/triage/Triage_Report_v1.0.md");
    json!([
        inspect["chain_head"],
        inspect["events"],
        inspect["status"],
        inspect["facts"]["fuel"],
        inspect["facts"]["memory_peak_bytes"],
        rows,
        std::fs::read_to_string(report).unwrap(),
    ])
}

/// A world whose triage mission was interrupted by what its model did.
pub fn interrupted(script: Vec<Step>) -> (World, ModelServer) {
    let server = ModelServer::start(script);
    let world = World::new().with("COO_LLM_BASE_URL", server.base_url());
    world.one_attempt();
    let ran = world.triage();
    assert_eq!(ran.code, 5, "{ran:?}");
    assert!(ran.stderr.contains(&format!("'coo resume {ID}")), "{ran:?}");
    (world, server)
}

/// Resumes with another server's answers; gives also how many requests reached it.
fn resume(world: &World, arguments: &[&str], script: Vec<Step>) -> (Ran, usize) {
    let server = ModelServer::start(script);
    let arguments = [&["resume", ID], arguments].concat();
    let ran = world.coo_with(&arguments, "COO_LLM_BASE_URL", &server.base_url());
    (ran, server.requests().len())
}

#[test]
fn a_refused_call_is_sent_again_and_an_answered_one_is_not() {
    let [first, second] = answers();
    let (world, server) = interrupted(vec![first, refusal()]);
    assert_eq!(server.requests().len(), 2);
    let (ran, requests) = resume(&world, &[], vec![second]);
    assert_eq!((ran.code, requests), (0, 1), "{ran:?}");
    assert_eq!(left(&world), undisturbed());
    assert_eq!(world.json(&["inspect", ID])["facts"]["resumed"], 1);
    let replay = world.coo(&["replay", ID]);
    assert_eq!(replay.code, 0, "{replay:?}");
}

#[test]
fn a_mission_keeps_its_model_and_says_so_where_another_one_is_named() {
    let [first, second] = answers();
    let (world, _server) = interrupted(vec![first, refusal()]);
    let server = ModelServer::start([second]);
    let mut command = world.command(&["resume", ID]);
    command
        .env("COO_LLM_MODEL", "vendor/other")
        .env("COO_LLM_BASE_URL", server.base_url());
    let ran = crate::support::ran(command.output().unwrap());
    assert_snapshot!(shown(&format!("resume {ID}"), &ran), @r#"
    $ coo resume MISSION-000001
    {"counts":{"billing":1,"bug":1,"other":0},"report":"triage/Triage_Report_v1.0.md","report_sha256":"<sha256>","tickets":2}--- standard error
    [coo] MISSION-000001 keeps the model HuggingFaceTB/SmolLM2-135M-Instruct, with which it began; COO_LLM_MODEL names vendor/other, which only a new run asks
    [coo] MISSION-000001: model calls go to http://127.0.0.1:<port>, named by the environment, without a key
    [coo] MISSION-000001 SUCCESS: 20 events, 101927 fuel, <duration>, 2 model calls (1 recorded, 1 live; 6 tokens in, 4 out), chain <sha256…>
    --- exit 0
    "#);
    let asked = server.requests()[0].json()["model"].clone();
    assert_eq!(asked, "HuggingFaceTB/SmolLM2-135M-Instruct");
}

#[test]
fn a_missing_key_is_named_with_the_model_and_the_server() {
    let world = World::new();
    world.triage_descriptor();
    let ran = world.coo_with(&["run", "triage.json"], "COO_LLM_MODEL", "vendor/model");
    assert_snapshot!(ran.error(), @"
    ERROR: mission MISSION-000001: model call: request b7c41e973d8e (model vendor/model): there is no frozen answer, and OPENROUTER_API_KEY is not set for https://openrouter.ai
    hint: set it, or set COO_LLM_BASE_URL to a server of your own
    hint: 'coo resume MISSION-000001' continues where it stopped
    --- exit 5
    ");
}

#[test]
fn a_call_in_doubt_is_named_and_waits_for_a_word() {
    let [first, second] = answers();
    let (world, _server) = interrupted(vec![first, Step::HangUp]);
    let inspect = world.coo(&["inspect", ID]);
    let call = inspect
        .stdout
        .split("\n\n")
        .find(|part| part.contains("in doubt"));
    assert_snapshot!(steady(call.unwrap()), @"
    Model call #0013
      Request:  <sha256> (time 1)
      Model:    HuggingFaceTB/SmolLM2-135M-Instruct
      Answer:   none on record; in doubt, it may have been made
    ");
    let before = events(&world, ID);
    for _ in 0..2 {
        let (ran, requests) = resume(&world, &[], vec![refusal()]);
        assert_eq!((ran.code, requests), (5, 0), "{ran:?}");
        assert_snapshot!("a_call_in_doubt", shown(&format!("resume {ID}"), &ran));
    }
    assert_eq!(events(&world, ID), before);
    let (ran, requests) = resume(&world, &["--resend"], vec![second]);
    assert_eq!((ran.code, requests), (0, 1), "{ran:?}");
    assert_eq!(left(&world), undisturbed());
}

#[test]
fn a_call_sent_again_is_in_doubt_again() {
    let [first, second] = answers();
    // Refused, so sent again without a word; that time nobody knows what became of it.
    let (world, _server) = interrupted(vec![first, refusal()]);
    let (ran, requests) = resume(&world, &[], vec![Step::HangUp]);
    assert_eq!((ran.code, requests), (5, 1), "{ran:?}");
    let (ran, requests) = resume(&world, &[], vec![refusal()]);
    assert_eq!(requests, 0, "{ran:?}");
    assert_snapshot!(shown("resume MISSION-000001", &ran), @"
    $ coo resume MISSION-000001
    --- standard error
    ERROR: mission MISSION-000001: model call at event 13 is in doubt: request <sha256…> (time 1 in this run, model HuggingFaceTB/SmolLM2-135M-Instruct, an answer of at most 256 tokens) left and has no answer on record
    hint: the call may have been made and charged for; 'coo resume MISSION-000001 --resend' sends it again and continues
    --- exit 5
    ");
    let (ran, requests) = resume(&world, &["--resend"], vec![second]);
    assert_eq!((ran.code, requests), (0, 1), "{ran:?}");
    assert_eq!(left(&world), undisturbed());
    assert_eq!(world.json(&["inspect", ID])["facts"]["resumed"], 2);
}

#[test]
fn a_missing_frozen_answer_can_be_asked_for_later() {
    let world = World::new();
    world.triage_descriptor();
    assert_eq!(world.coo(&["run", "triage.json", "--frozen"]).code, 5);
    let (ran, requests) = resume(&world, &["--frozen"], vec![refusal()]);
    assert_eq!(requests, 0, "{ran:?}");
    assert_snapshot!(shown("resume MISSION-000001 --frozen", &ran), @"
    $ coo resume MISSION-000001 --frozen
    --- standard error
    [coo] MISSION-000001 INTERRUPTED: 9 events, 56615 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: model call: no frozen answer for request <sha256…> (time 1 in this run, model HuggingFaceTB/SmolLM2-135M-Instruct)
    hint: run the mission once without --frozen to record it
    hint: 'coo resume MISSION-000001' continues where it stopped
    --- exit 5
    ");
    let (ran, requests) = resume(&world, &[], answers().into());
    assert_eq!((ran.code, requests), (0, 2), "{ran:?}");
    assert_eq!(left(&world), undisturbed());
}

#[test]
fn a_guest_that_ran_out_of_time_gets_more() {
    let body = r#"(func (export "_start") (loop $l (br $l)))"#;
    // Its code is in the cache then: the time is the guest's, and not the compiler's.
    assert_eq!(World::new().run_guest(body, &json!({"fuel": 1})).code, 1);
    let world = World::new();
    world.guest("spin.wasm", body);
    world.descriptor(
        "spin.json",
        &json!({"file": "spin.wasm"}),
        &json!({"limits": {"fuel": 6_000_000_000_u64}}),
    );
    let ran = world.coo(&["run", "spin.json", "--timeout", "1"]);
    // The line before it has the fuel, which the clock decides.
    assert_snapshot!(ran.error(), @"
    ERROR: mission MISSION-000001: guest: still running after 1 s of real time, which is the limit
    hint: give --timeout SECONDS if it needs more
    hint: 'coo resume MISSION-000001' continues where it stopped
    --- exit 5
    ");
    let ran = world.coo(&["resume", ID]);
    assert_snapshot!(shown("resume MISSION-000001", &ran), @"
    $ coo resume MISSION-000001
    --- standard error
    [coo] MISSION-000001 FAILED: 7 events, 6000000000 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: fuel exhausted: all 6000000000 units used
    hint: raise limits.fuel if the mission needs more
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    ");
    assert_eq!(world.json(&["mission", ID])["status"], "FAILED");
    assert_eq!(world.coo(&["replay", ID]).code, 0);
}

#[test]
fn a_changed_world_is_read_again_with_the_answers_that_the_mission_has() {
    let [first, second] = answers();
    let (world, _server) = interrupted(vec![first, refusal()]);
    world
        .database("world.db")
        .execute_batch(
            "CREATE TABLE ticket(id INTEGER PRIMARY KEY, text TEXT NOT NULL, label TEXT); \
             INSERT INTO ticket VALUES(3, 'Hello', NULL)",
        )
        .unwrap();
    let third = Response::completion("other");
    let (ran, requests) = resume(&world, &[], vec![second, third.into()]);
    assert_snapshot!(shown("resume MISSION-000001", &ran), @r#"
    $ coo resume MISSION-000001
    {"counts":{"billing":1,"bug":1,"other":1},"report":"triage/Triage_Report_v1.0.md","report_sha256":"<sha256>","tickets":3}--- standard error
    [coo] MISSION-000001: what it has read has changed; it executes again from event 9, with the model answers that it has
    [coo] MISSION-000001: model calls go to http://127.0.0.1:<port>, named by the environment, without a key
    [coo] MISSION-000001 SUCCESS: 23 events, 115229 fuel, <duration>, 3 model calls (1 recorded, 2 live; 9 tokens in, 6 out), chain <sha256…>
    --- exit 0
    "#);
    // The first ticket is not asked about again.
    assert_eq!(requests, 2, "{ran:?}");
    let labels: Vec<String> = world
        .database("world.db")
        .prepare("SELECT label FROM ticket ORDER BY id")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(labels, ["bug", "billing", "other"]);
    let kept: u32 = world
        .database("coo.db")
        .query_row("SELECT count(*) FROM carried_answers", [], |row| row.get(0))
        .unwrap();
    assert_eq!(kept, 0, "kept until the mission has ended");
    let replayed = world.coo(&["replay", ID]);
    assert_eq!(replayed.code, 0, "{replayed:?}");
}

#[test]
fn another_engine_is_refused() {
    let [first, second] = answers();
    let (world, _server) = interrupted(vec![first, refusal()]);
    world
        .database("coo.db")
        .execute(
            "UPDATE missions SET facts = json_set(facts, '$.engine_sha256', ?1, '$.engine', ?2)",
            [&Digest::of("wasmtime=1.0.0").to_string(), "wasmtime=1.0.0"],
        )
        .unwrap();
    let (ran, requests) = resume(&world, &[], vec![second]);
    assert_eq!(requests, 0, "{ran:?}");
    assert_snapshot!(shown("resume MISSION-000001", &ran), @"
    $ coo resume MISSION-000001
    --- standard error
    ERROR: mission MISSION-000001: was begun under another engine (wasmtime=1.0.0), which counts fuel differently
    hint: resume it with the coo that began it, or run it again
    --- exit 1
    ");
}

#[test]
fn the_recorded_model_is_asked_whatever_the_environment_says() {
    let [first, second] = answers();
    let (world, server) = interrupted(vec![first, refusal()]);
    let asked = server.requests()[0].json()["model"].clone();
    let other = ModelServer::start([second]);
    let mut command = world.command(&["resume", ID]);
    command
        .env("COO_LLM_BASE_URL", other.base_url())
        .env("COO_LLM_MODEL", "another/model");
    let ran = crate::support::ran(command.output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(other.requests()[0].json()["model"], asked);
}

#[test]
fn what_has_ended_is_not_resumed() {
    let world = World::new();
    assert_eq!(world.coo(&["run", "demo", "--frozen"]).code, 0);
    let ran = world.coo(&["resume", "DEMO-000001"]);
    assert_snapshot!(shown("resume DEMO-000001", &ran), @"
    $ coo resume DEMO-000001
    --- standard error
    [coo] DEMO-000001 SUCCESS: it has ended, so there is nothing to resume; 'coo inspect DEMO-000001 --output' prints its output
    --- exit 0
    ");
    let failed = world.run_guest(r#"(func (export "_start") unreachable)"#, &json!({}));
    assert_eq!(failed.code, 1);
    let ran = world.coo(&["resume", "MISSION-000002"]);
    assert_snapshot!(shown("resume MISSION-000002", &ran), @"
    $ coo resume MISSION-000002
    --- standard error
    [coo] MISSION-000002 FAILED: it has ended, so there is nothing to resume; 'coo inspect MISSION-000002 --output' prints its output
    ERROR: mission MISSION-000002: trap: wasm `unreachable` instruction executed
    --- exit 1
    ");
}

#[test]
fn an_unknown_mission_is_not_found_and_makes_no_root() {
    let world = World::new();
    let mut told = String::new();
    for id in ["MISSION-000001", "nonsense"] {
        told += &shown(&format!("resume {id}"), &world.coo(&["resume", id]));
    }
    assert_snapshot!(told, @"
    $ coo resume MISSION-000001
    --- standard error
    ERROR: Mission 'MISSION-000001' not found.
    --- exit 1
    $ coo resume nonsense
    --- standard error
    ERROR: Mission 'nonsense' not found.
    --- exit 1
    ");
    assert!(!world.root().exists());
}

#[test]
fn a_call_in_doubt_whose_answer_was_frozen_since_needs_no_word() {
    let [first, second] = answers();
    let (world, _server) = interrupted(vec![first, Step::HangUp]);
    // The same question, asked by another mission that got an answer.
    let server = ModelServer::start([second]);
    let ran = world.coo_with(
        &["run", "triage.json"],
        "COO_LLM_BASE_URL",
        &server.base_url(),
    );
    assert_eq!((ran.code, server.requests().len()), (0, 1), "{ran:?}");
    // Nothing is sent: it goes on, as far as the world that the other one left lets it.
    let (ran, requests) = resume(&world, &[], vec![refusal()]);
    assert_eq!(requests, 0, "{ran:?}");
    assert!(!ran.stderr.contains("in doubt"), "{ran:?}");
    assert_snapshot!(shown("resume MISSION-000001", &ran), @r#"
    $ coo resume MISSION-000001
    {"counts":{"billing":1,"bug":1,"other":0},"report":"triage/Triage_Report_v1.0.md","report_sha256":"<sha256>","tickets":2}--- standard error
    [coo] MISSION-000001 SUCCESS: 20 events, 101927 fuel, <duration>, 2 model calls (1 recorded, 1 frozen; 6 tokens in, 4 out), chain <sha256…>
    --- exit 0
    "#);
}

#[test]
fn a_file_is_not_resumed() {
    let world = World::new();
    assert_eq!(world.coo(&["run", "demo", "--frozen"]).code, 0);
    assert_eq!(world.coo(&["export", "DEMO-000001", "-o", "run"]).code, 0);
    let ran = world.coo(&["resume", "run"]);
    assert_snapshot!(shown("resume run", &ran), @"
    $ coo resume run
    --- standard error
    ERROR: file run: a file can't be resumed
    hint: resume the mission in the state root it came from
    --- exit 1
    ");
}
