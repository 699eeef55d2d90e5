//! The reference mission (packet §2): it runs from the answers that ship, without a key and without a
//! network, gives the chain head that its page names, and can do no more than its descriptor says.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::{World, checked_out, shown};

const DESCRIPTOR: &str = "reference/phase3_reference_mission.json";

fn descriptor() -> Value {
    serde_json::from_str(&checked_out(DESCRIPTOR)).unwrap()
}

#[test]
fn it_runs_from_what_ships_and_gives_the_pinned_head() {
    let world = World::new();
    let ran = world.coo(&["run", "phase3", "--frozen"]);
    assert_snapshot!(shown("run phase3 --frozen", &ran), @r#"
    $ coo run phase3 --frozen
    {"counts":{"negative":2,"positive":4,"unclear":0},"report":"triage/Triage_Report_v1.0.md","report_sha256":"<sha256>","tickets":6}--- standard error
    [coo] MISSION-000001 SUCCESS: 36 events, 220969 fuel, <duration>, 6 model calls (frozen; 364 tokens in, 26 out), chain <sha256…>
    --- exit 0
    "#);
    let head = world.json(&["inspect", "MISSION-000001"])["chain_head"].clone();
    let page = checked_out("docs/reference-mission.md");
    let pinned = format!("  Chain: {}\n", head.as_str().unwrap());
    assert!(
        page.contains(&pinned),
        "docs/reference-mission.md has no line{pinned}"
    );
    assert_snapshot!(shown("replay 1", &world.coo(&["replay", "1"])), @"
    $ coo replay 1
    Replay MISSION-000001
      States: INIT > CAPTURE_ENV > RUN > WRITE_REPORT > COMPLETE
      Events: 36 identical
      Fuel: 220969 identical
      Memory: 1114112 bytes identical
      Output: 185 bytes identical
      Chain: <sha256>
      Result: IDENTICAL
    --- exit 0
    ");
    // It uses every import of the surface.
    let calls = world.json(&["inspect", "1"])["calls"].clone();
    for import in ["llm", "db_query", "db_execute", "gateway_write"] {
        assert!(calls[import].as_u64().unwrap() > 0, "{import}: {calls}");
    }
    // The mission 'triage' leaves the same artefact, so both can run in one root.
    assert_eq!(world.coo(&["run", "triage", "--frozen"]).code, 0);
}

#[test]
fn it_uses_all_that_its_limits_permit_of_calls_and_artefacts() {
    let mut told = String::new();
    for (limit, less) in [("llm_calls", 5), ("artefacts", 0)] {
        let world = World::new();
        let mut descriptor = descriptor();
        descriptor["limits"][limit] = json!(less);
        world.file("less.json", descriptor.to_string());
        told += &shown(
            "run less.json --frozen",
            &world.coo(&["run", "less.json", "--frozen"]),
        );
    }
    let world = World::new();
    let mut descriptor = descriptor();
    descriptor["scope"]["paths"] = json!(["reports/**"]);
    world.file("elsewhere.json", descriptor.to_string());
    let ran = world.coo(&["run", "elsewhere.json", "--frozen"]);
    told += &shown("run elsewhere.json --frozen", &ran);
    assert_snapshot!(told, @"
    $ coo run less.json --frozen
    --- standard error
    [coo] MISSION-000001 FAILED: 30 events, 122894 fuel, <duration>, 5 model calls (frozen; 305 tokens in, 21 out), chain <sha256…>
    ERROR: mission MISSION-000001: limit hit: llm_calls 6 wanted, limit 5
    hint: raise limits.llm_calls if the mission needs more
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    $ coo run less.json --frozen
    --- standard error
    [coo] MISSION-000001 FAILED: 33 events, 205356 fuel, <duration>, 6 model calls (frozen; 364 tokens in, 26 out), chain <sha256…>
    ERROR: mission MISSION-000001: limit hit: artefacts 1 wanted, limit 0
    hint: raise limits.artefacts if the mission needs more
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    $ coo run elsewhere.json --frozen
    --- standard error
    [coo] MISSION-000001 FAILED: 33 events, 205356 fuel, <duration>, 6 model calls (frozen; 364 tokens in, 26 out), chain <sha256…>
    ERROR: mission MISSION-000001: governance error: gateway.write to 'triage/Triage_Report_v1.0.md': the descriptor's scope permits reports/**
    hint: 'coo explain MISSION-000001' shows where each limit comes from
    --- exit 1
    ");
}

/// Gate F takes it if a repository names no other.
#[test]
fn gate_f_replays_it_if_a_repository_names_no_other() {
    let world = World::new();
    world.file("README.md", "Nothing.\n");
    let rules = |name: &str, text: &str| {
        world.file(name, text);
        coo_kernel::form::digest::Digest::of(text)
    };
    let leaks = rules(
        "leaks.json",
        r#"{"format": "coo-governance-leak-ruleset-1", "version": "1", "forbidden": [{"name": "Approves", "pattern": "approves", "why": "Only the CEO does."}]}"#,
    );
    let lint = rules(
        "lint.json",
        r#"{"format": "coo-lint-ruleset-1", "version": "1", "rules": [{"id": "no-eval", "kind": "forbidden", "why": "Nobody can tell what it does.", "paths": ["**/*.md"], "pattern": "eval"}]}"#,
    );
    world.file(
        "coo.toml",
        format!(
            "[scan]\nruleset = \"leaks.json\"\nruleset_sha256 = \"{leaks}\"\npaths = [\"*.md\"]\n\
             [lint]\nruleset = \"lint.json\"\nruleset_sha256 = \"{lint}\"\n\
             [tests]\ncommand = [\"echo\", \"1 passed, 0 failed\"]\n\
             [gates]\nrequired = [\"README.md\"]\n"
        ),
    );
    let results = world.json(&["gates"]);
    let last = &results["gates"][5];
    assert_eq!(last["status"], "PASS", "{results}");
    assert_eq!(last["evidence"]["mission"], "phase3");
    assert_eq!(last["evidence"]["replay_identical"], true);
    // Gate B runs all that ship.
    let missions = results["gates"][1]["evidence"]["missions"]
        .as_array()
        .unwrap();
    let names: Vec<&Value> = missions.iter().map(|one| &one["mission"]).collect();
    assert_eq!(names, ["demo", "phase3", "triage"]);
}
