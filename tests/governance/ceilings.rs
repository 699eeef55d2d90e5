//! Scope, ceilings and the registry of protected artefacts: going beyond any of them ends the
//! mission in the same bytes every time, and `coo explain` tells whose limit it was.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{configure, end, run, world};
use crate::support::{Ran, World, checked_out, shown};

const ID: &str = "MISSION-000001";

fn write(path: &str) -> Value {
    json!([{"id": "only", "input": path}])
}

/// Runs a mission that goes too far; gives what it said, and the failure on record.
fn refused(world: &World, path: &str, more: &Value) -> (Ran, Value) {
    let ran = run(world, &write(path), more);
    let failure = is_refused(world, &ran);
    (ran, failure)
}

/// What is so of every mission that went too far; gives the failure on record.
fn is_refused(world: &World, ran: &Ran) -> Value {
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(world.list(&["artefacts"]).as_array().unwrap().is_empty());
    assert_eq!(world.coo(&["replay", ID]).code, 0);
    assert_eq!(world.coo(&["verify", ID]).code, 0);
    end(world, ID)["failure"].clone()
}

#[test]
fn a_protected_artefact_is_written_by_nobody_and_explained() {
    let world = world();
    // Asking for it by name changes nothing.
    let scope = json!({"scope": {"paths": ["**", "specs/**"], "tier": 3}});
    let (ran, failure) = refused(&world, "Specs/Plan_v1.0.md", &scope);
    assert_snapshot!(shown("run mission.json", &ran), @"
    $ coo run mission.json
    --- standard error
    [coo] MISSION-000001 FAILED: 7 events, 22 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: governance error: gateway.write to 'Specs/Plan_v1.0.md': protected as '**/specs/**' by the built-in registry of protected artefacts; nobody can write it through the runtime
    hint: 'coo explain MISSION-000001' shows where each limit comes from
    --- exit 1
    ");
    assert_eq!(
        failure,
        json!({
            "class": "governance",
            "limit": "**/specs/**",
            "rule": "protected",
            "set_by": "registry",
            "wanted": "gateway.write to 'Specs/Plan_v1.0.md'",
        })
    );
    let ran = world.coo(&["explain", ID]);
    assert_snapshot!(shown("explain MISSION-000001", &ran), @"
    $ coo explain MISSION-000001
    Mission MISSION-000001
      Status: FAILED

    Refused (event #0007, step 'only')
      Asked:   gateway.write to 'Specs/Plan_v1.0.md'
      Allowed: nothing below '**/specs/**'
      Set by:  the built-in registry of protected artefacts

    May            scope         ceiling
      calls, tier  3             3
      paths        **, specs/**  **

    May never write
      **/01_governance/**          governance documents
      **/02_protocols/**           protocols
      **/constitution/**           constitutional documents
      **/spec/**                   specifications
      **/specs/**                  specifications
      **/*alignment*layer*         the alignment layer
      **/*charter*                 charters
      **/*constitution*            constitutional documents
      **/*governance*leak*ruleset* the pinned ruleset
      **/*governance*protocol*     the governance protocol
      **/*hardening*plan*          the hardening plan
      **/*implementation*packet*   the implementation packet
      **/*instruction*packet*      instruction packets
      **/*lifeos*                  documents of LifeOS
      **/*productisation*brief*    the productisation brief
      **/*runtime*spec*            the runtime's specification
      **/*user*surface*            the user surface
      **/spec_v*                   specifications
      **/*-spec_v*                 specifications
      **/*_spec_v*                 specifications
      **/*specification_v*         specifications

    Budget                     used          asked       in force  set by
      artefact_bytes              0       67108864       67108864  default
      artefacts                   0           1000           1000  default
      db_bytes                    -      536870912      536870912  default
      db_rows                     -         100000         100000  default
      db_rows_total               0     1000000000     1000000000  default
      db_statements               0        1000000        1000000  default
      db_steps                    -       50000000       50000000  default
      fuel                       22    20000000000    20000000000  default
      host_bytes                  0     1073741824     1073741824  default
      llm_calls                   0           1000           1000  default
      llm_tokens                  0      100000000      100000000  default
      memory_bytes            65536      536870912      536870912  default
      output_bytes                -       16777216       16777216  default
      table_elements              -        1000000        1000000  default
    --- exit 0
    ");
    assert!(
        ran.stdout.lines().all(|line| line.chars().count() <= 80),
        "{ran:?}"
    );
}

#[test]
fn the_same_violation_is_the_same_chain_in_every_world() {
    let head = || {
        let world = world();
        configure(&world, &json!({"protected": ["contracts/**"]}));
        let (_, failure) = refused(&world, "contracts/A_v1.0.md", &json!({}));
        assert_eq!(failure["set_by"], "configuration");
        world.json(&["inspect", ID])["chain_head"].clone()
    };
    assert_eq!(head(), head());
}

#[test]
fn scope_and_ceiling_narrow_paths_and_tiers() {
    let mut told = String::new();
    for (scope, ceiling, rule, set_by, limit) in [
        (
            json!({"paths": ["b/**"]}),
            json!({}),
            "path",
            "scope",
            "b/**",
        ),
        (json!({"paths": []}), json!({}), "path", "scope", "no path"),
        (
            json!({}),
            json!({"paths": ["b/**"]}),
            "path",
            "ceiling",
            "b/**",
        ),
        (json!({"tier": 2}), json!({}), "tier", "scope", "tier 2"),
        (
            json!({"tier": 3}),
            json!({"tier": 0}),
            "tier",
            "ceiling",
            "tier 0",
        ),
        (
            json!({}),
            json!({"limits": {"artefacts": 0}}),
            "limit",
            "ceiling",
            "artefacts 0",
        ),
        (
            json!({}),
            json!({"limits": {"fuel": 10}}),
            "limit",
            "ceiling",
            "fuel 10",
        ),
        (
            json!({}),
            json!({"limits": {"memory_bytes": 1}}),
            "limit",
            "ceiling",
            "memory_bytes 1",
        ),
    ] {
        let world = world();
        configure(&world, &json!({"ceiling": ceiling}));
        let (ran, failure) = refused(&world, "a/A_v1.0.md", &json!({"scope": scope}));
        told += &ran.error();
        assert_eq!(
            [&failure["rule"], &failure["set_by"], &failure["limit"]],
            [rule, set_by, limit],
            "{failure}"
        );
        let refusal = world.json(&["explain", ID])["refusal"].clone();
        assert_eq!(refusal["asked"], failure["wanted"]);
        assert_eq!(refusal["allowed"], limit);
    }
    assert_snapshot!(told, @"
    ERROR: mission MISSION-000001: governance error: gateway.write to 'a/A_v1.0.md': the descriptor's scope permits b/**
    hint: 'coo explain MISSION-000001' shows where each limit comes from
    ERROR: mission MISSION-000001: governance error: gateway.write to 'a/A_v1.0.md': the descriptor's scope permits no path
    hint: 'coo explain MISSION-000001' shows where each limit comes from
    ERROR: mission MISSION-000001: governance error: gateway.write to 'a/A_v1.0.md': the ceiling (governance.ceiling of the configuration) permits b/**
    hint: raise governance.ceiling.paths of config.json if the mission may do more
    hint: 'coo explain MISSION-000001' shows where each limit comes from
    ERROR: mission MISSION-000001: governance error: gateway.write, which needs tier 3: the descriptor's scope permits tier 2
    hint: 'coo explain MISSION-000001' shows where each limit comes from
    ERROR: mission MISSION-000001: governance error: gateway.write, which needs tier 3: the ceiling (governance.ceiling of the configuration) permits tier 0
    hint: raise governance.ceiling.tier of config.json if the mission may do more
    hint: 'coo explain MISSION-000001' shows where each limit comes from
    ERROR: mission MISSION-000001: governance error: artefacts 1: the ceiling (governance.ceiling of the configuration) permits artefacts 0
    hint: raise governance.ceiling.limits.artefacts of config.json if the mission may do more
    hint: 'coo explain MISSION-000001' shows where each limit comes from
    ERROR: mission MISSION-000001: governance error: fuel more than 10: the ceiling (governance.ceiling of the configuration) permits fuel 10
    hint: raise governance.ceiling.limits.fuel of config.json if the mission may do more
    hint: 'coo explain MISSION-000001' shows where each limit comes from
    ERROR: mission MISSION-000001: governance error: memory_bytes 65536: the ceiling (governance.ceiling of the configuration) permits memory_bytes 1
    hint: raise governance.ceiling.limits.memory_bytes of config.json if the mission may do more
    hint: 'coo explain MISSION-000001' shows where each limit comes from
    ");
}

/// Runs a mission with this scope.
type Runs<'a> = &'a dyn Fn(&World, &Value) -> Ran;

#[test]
fn scope_and_ceiling_narrow_statements_too() {
    let asks = |world: &World, scope: &Value| {
        world.wasm("asker.wasm", include_str!("../fixtures/asker.wat"));
        let steps = json!([{"id": "only", "input": "SELECT 1"}]);
        world.descriptor(
            "ask.json",
            &json!({"file": "asker.wasm"}),
            &json!({"scope": scope, "steps": steps}),
        );
        world.coo(&["run", "ask.json"])
    };
    let executes = |world: &World, _: &Value| world.triage();
    let mut told = String::new();
    for (call, runs, scope, ceiling, limit, set_by) in [
        (
            "db.query, which needs tier 1",
            &asks as Runs<'_>,
            json!({}),
            json!({"tier": 0}),
            "tier 0",
            "ceiling",
        ),
        (
            "db.query, which needs tier 1",
            &asks,
            json!({"tier": 0}),
            json!({}),
            "tier 0",
            "scope",
        ),
        (
            "db.execute, which needs tier 2",
            &executes,
            json!({}),
            json!({"tier": 1}),
            "tier 1",
            "ceiling",
        ),
    ] {
        let once = || {
            let world = World::new();
            configure(&world, &json!({"ceiling": ceiling}));
            let ran = runs(&world, &scope);
            let failure = is_refused(&world, &ran);
            assert_eq!(
                failure,
                json!({
                    "class": "governance",
                    "limit": limit,
                    "rule": "tier",
                    "set_by": set_by,
                    "wanted": call,
                })
            );
            let refusal = world.json(&["explain", ID])["refusal"].clone();
            assert_eq!(
                [&refusal["asked"], &refusal["allowed"]],
                [call, limit],
                "{refusal}"
            );
            (
                ran.error(),
                world.json(&["inspect", ID])["chain_head"].clone(),
            )
        };
        let (error, head) = once();
        told += &error;
        assert_eq!((error, head), once());
    }
    assert_snapshot!(told, @"
    ERROR: mission MISSION-000001: governance error: db.query, which needs tier 1: the ceiling (governance.ceiling of the configuration) permits tier 0
    hint: raise governance.ceiling.tier of config.json if the mission may do more
    hint: 'coo explain MISSION-000001' shows where each limit comes from
    ERROR: mission MISSION-000001: governance error: db.query, which needs tier 1: the descriptor's scope permits tier 0
    hint: 'coo explain MISSION-000001' shows where each limit comes from
    ERROR: mission MISSION-000001: governance error: db.execute, which needs tier 2: the ceiling (governance.ceiling of the configuration) permits tier 1
    hint: raise governance.ceiling.tier of config.json if the mission may do more
    hint: 'coo explain MISSION-000001' shows where each limit comes from
    ");
}

#[test]
fn a_mission_within_its_limits_is_explained_with_what_it_used() {
    let world = world();
    configure(
        &world,
        &json!({"ceiling": {"paths": ["a/**"], "limits": {"artefacts": 5, "llm_calls": 0}}}),
    );
    let more = json!({"scope": {"paths": ["a/*"], "tier": 3}, "limits": {"fuel": 1_000_000}});
    let ran = run(&world, &write("a/A_v1.0.md"), &more);
    assert_eq!(ran.code, 0, "{ran:?}");
    let explained = world.json(&["explain", ID]);
    assert_eq!(explained["refusal"], Value::Null);
    let budget = |name: &str| {
        let budgets = explained["budgets"].as_array().unwrap();
        let found = budgets.iter().find(|budget| budget["bound"] == name);
        found.unwrap().clone()
    };
    let fuel = world.json(&["inspect", ID])["facts"]["fuel"].clone();
    assert_eq!(
        budget("fuel"),
        json!({"asked": 1_000_000, "bound": "fuel", "ceiling": null, "in_force": 1_000_000, "set_by": "descriptor", "used": fuel})
    );
    assert_eq!(
        budget("artefacts"),
        json!({"asked": 1_000, "bound": "artefacts", "ceiling": 5, "in_force": 5, "set_by": "ceiling", "used": 1})
    );
    assert_eq!(budget("db_rows")["set_by"], "default");

    // What counts is the mission's own record, not what is configured today or elsewhere.
    configure(&world, &json!({}));
    assert_eq!(world.json(&["explain", ID]), explained);
    assert_eq!(world.coo(&["replay", ID]).code, 0);
    assert_eq!(world.coo(&["export", ID, "-o", "run.coorun"]).code, 0);
    let elsewhere = World::new();
    std::fs::copy(
        world.path().join("run.coorun"),
        elsewhere.path().join("run.coorun"),
    )
    .unwrap();
    assert_eq!(elsewhere.coo(&["replay", "run.coorun"]).code, 0);
}

#[test]
fn model_tokens_are_counted_and_bounded() {
    use crate::support::model_server::{ModelServer, Response, Step};

    let run = |most: u64| {
        let server =
            ModelServer::start(["A bug.", "billing"].map(|a| Step::from(Response::completion(a))));
        let world = World::new().with("COO_LLM_BASE_URL", server.base_url());
        configure(
            &world,
            &json!({"ceiling": {"limits": {"llm_tokens": most}}}),
        );
        let ran = world.triage();
        (world, ran)
    };
    let (world, ran) = run(1_000_000);
    assert_eq!(ran.code, 0, "{ran:?}");
    let explained = world.json(&["explain", ID]);
    let used = |name: &str| {
        let budgets = explained["budgets"].as_array().unwrap();
        let found = budgets.iter().find(|budget| budget["bound"] == name);
        found.unwrap()["used"].as_u64().unwrap()
    };
    let tokens = used("llm_tokens");
    assert!(tokens > 0);
    assert_eq!((used("llm_calls"), used("artefacts")), (2, 1));
    let (world, ran) = run(tokens - 1);
    assert_snapshot!(shown("run triage.json", &ran), @"
    $ coo run triage.json
    --- standard error
    [coo] MISSION-000001: model calls go to http://127.0.0.1:<port>, named by the environment, without a key
    [coo] MISSION-000001 FAILED: 16 events, 63996 fuel, <duration>, 2 model calls (live; 6 tokens in, 4 out), chain <sha256…>
    ERROR: mission MISSION-000001: governance error: llm_tokens 10: the ceiling (governance.ceiling of the configuration) permits llm_tokens 9
    hint: raise governance.ceiling.limits.llm_tokens of config.json if the mission may do more
    hint: 'coo explain MISSION-000001' shows where each limit comes from
    --- exit 1
    ");
    let failure = end(&world, ID)["failure"].clone();
    assert_eq!(failure["wanted"], format!("llm_tokens {tokens}"));
    assert_eq!(failure["set_by"], "ceiling");
    assert_eq!(world.coo(&["replay", ID]).code, 0);
}

/// Each query may return many rows, and all of them together only so many: the ledger ends the
/// run where they are read, in the replay too.
#[test]
fn rows_of_all_queries_are_one_budget() {
    let world = World::new();
    let run = |most: u64| {
        configure(
            &world,
            &json!({"ceiling": {"limits": {"db_rows_total": most}}}),
        );
        world.coo(&["run", "triage", "--frozen"])
    };
    let ran = run(1_000);
    assert_eq!(ran.code, 0, "{ran:?}");
    let explained = world.json(&["explain", ID]);
    let budgets = explained["budgets"].as_array().unwrap();
    let of = |name: &str| {
        let found = budgets.iter().find(|budget| budget["bound"] == name);
        found.unwrap().clone()
    };
    let rows = of("db_rows_total")["used"].as_u64().unwrap();
    assert!(rows > 0);
    assert_eq!(of("db_rows")["used"], Value::Null);
    let ran = run(rows - 1);
    assert_eq!(ran.code, 1, "{ran:?}");
    let failure = end(&world, "MISSION-000002")["failure"].clone();
    assert_eq!(
        failure,
        json!({
            "class": "governance",
            "limit": format!("db_rows_total {}", rows - 1),
            "rule": "limit",
            "set_by": "ceiling",
            "wanted": format!("db_rows_total {rows}"),
        })
    );
    assert_eq!(world.coo(&["replay", "MISSION-000002"]).code, 0);
}

#[test]
fn a_governance_that_means_nothing_is_refused_before_anything_runs() {
    let mut told = String::new();
    for governance in [
        json!({"ceiling": {"tier": 4}}),
        json!({"protected": ["a["]}),
        json!({"ceiling": {"limits": {"feul": 1}}}),
        json!({"ceiling": {"limits": {"resources": 1}}}),
    ] {
        let world = world();
        configure(&world, &governance);
        let ran = run(&world, &write("A_v1.0.md"), &json!({}));
        told += &shown("run mission.json", &ran);
        configure_anew(&world);
        assert_eq!(world.list(&["missions"]), json!([]));
    }
    assert_snapshot!(told, @"
    $ coo run mission.json
    --- standard error
    ERROR: configuration .coo/config.json: governance: see docs/governance.md for its fields: tier: 4 found; 0 to 3 needed
    --- exit 1
    $ coo run mission.json
    --- standard error
    ERROR: configuration .coo/config.json: governance: see docs/governance.md for its fields: protected: 'a[' is not a valid pattern: a '[' has no ']' after at least one character; for example reports/**
    --- exit 1
    $ coo run mission.json
    --- standard error
    ERROR: configuration .coo/config.json: line 1: governance.ceiling.limits.feul: 'feul' found; did you mean 'fuel'?
    hint: see docs/configuration.md for its fields
    --- exit 1
    $ coo run mission.json
    --- standard error
    ERROR: configuration .coo/config.json: governance: see docs/governance.md for its fields: limits: 'resources' is fixed and can't be set
    --- exit 1
    ");
}

/// As a root is configured when it is made.
fn configure_anew(world: &World) {
    std::fs::remove_file(world.root().join("config.json")).unwrap();
    assert_eq!(world.coo(&["init"]).code, 0);
}

#[test]
fn a_new_root_has_a_ceiling_that_names_its_key() {
    let world = world();
    assert_eq!(world.coo(&["init"]).code, 0);
    let config = std::fs::read_to_string(world.root().join("config.json")).unwrap();
    let config: Value = serde_json::from_str(&config).unwrap();
    assert_eq!(
        config["governance"]["ceiling"],
        json!({
            "limits": {
                "artefact_bytes": 67_108_864, "artefacts": 1000, "fuel": 20_000_000_000_u64,
                "host_bytes": 1_073_741_824, "llm_calls": 1000, "llm_tokens": 100_000_000,
            },
            "paths": ["**"],
            "tier": 3,
        })
    );
    // What goes beyond a ceiling names the key.
    let mut told = String::new();
    for (ceiling, more) in [
        (json!({"limits": {"artefacts": 0}}), json!({})),
        (json!({"tier": 2}), json!({})),
        (json!({"paths": ["reports/**"]}), json!({})),
    ] {
        configure(&world, &json!({ "ceiling": ceiling }));
        told += &shown("run mission.json", &run(&world, &write("A_v1.0.md"), &more));
    }
    assert_snapshot!(told, @"
    $ coo run mission.json
    --- standard error
    [coo] MISSION-000001 FAILED: 7 events, 22 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: governance error: artefacts 1: the ceiling (governance.ceiling of the configuration) permits artefacts 0
    hint: raise governance.ceiling.limits.artefacts of config.json if the mission may do more
    hint: 'coo explain MISSION-000001' shows where each limit comes from
    --- exit 1
    $ coo run mission.json
    --- standard error
    [coo] MISSION-000002 FAILED: 7 events, 22 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000002: governance error: gateway.write, which needs tier 3: the ceiling (governance.ceiling of the configuration) permits tier 2
    hint: raise governance.ceiling.tier of config.json if the mission may do more
    hint: 'coo explain MISSION-000002' shows where each limit comes from
    --- exit 1
    $ coo run mission.json
    --- standard error
    [coo] MISSION-000003 FAILED: 7 events, 22 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000003: governance error: gateway.write to 'A_v1.0.md': the ceiling (governance.ceiling of the configuration) permits reports/**
    hint: raise governance.ceiling.paths of config.json if the mission may do more
    hint: 'coo explain MISSION-000003' shows where each limit comes from
    --- exit 1
    ");
}

/// Every descriptor that ships states its scope, and runs below the ceiling of a new root.
#[test]
fn what_ships_has_a_scope() {
    for name in [
        "reference/demo_mission.json",
        "reference/triage_mission.json",
        "reference/phase3_reference_mission.json",
        "examples/demo_v1/mission.json",
        "guest-sdk/template/my-mission.json",
    ] {
        let text = checked_out(name);
        let descriptor: Value = serde_json::from_str(&text).unwrap();
        assert!(descriptor["scope"]["tier"].is_u64(), "{name}");
        assert!(descriptor["scope"]["paths"].is_array(), "{name}");
    }
    let world = World::new();
    for mission in ["demo", "triage", "phase3"] {
        let ran = world.coo(&["run", mission, "--frozen"]);
        assert_eq!(ran.code, 0, "{mission}: {ran:?}");
    }
}
