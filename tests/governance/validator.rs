//! The workflow validator, as a user meets it.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{run, world};
use crate::support::{World, shown};

#[test]
fn every_violation_is_named_with_a_way_out_and_nothing_runs() {
    let world = world();
    let steps = json!([
        {"id": "make", "input": "A_v1.0.md"},
        {"id": "check", "human": {"ask": "Copy the totals into the sheet. Do they agree?"}},
        {"id": "sign", "human": {"ask": "Approve the report."}},
        {"id": "again", "human": {"ask": "Is it still right?"}},
        {"id": "b", "input": "B_v1.0.md"},
        {"id": "c", "input": "C_v1.0.md"},
    ]);
    let ran = run(&world, &steps, &json!({}));
    assert_snapshot!(shown("run mission.json", &ran), @r#"
    $ coo run mission.json
    --- standard error
    ERROR: mission mission.json: workflow refused, violations: 4
      too_many_steps: 6 steps, limit 5; let one module do what several steps do, or split the mission
      too_many_human_steps: 3 steps need a person, limit 2; ask once, about everything, after the last step that makes something to judge
      routine_human_operation in step 'check': 'Copy the totals into the sheet' orders a person to do routine work (handling files); let a step write the file where it belongs, through the gateway
      no_question in step 'sign': asks no question, and approve or reject can only answer one; ask what only a person can judge; let a step of the mission do the rest
    --- exit 1
    "#);
    assert!(!world.root().join("artefacts/A_v1.0.md").exists());
    assert_eq!(world.list(&["missions"]), json!([]));

    let ran = world.coo(&["validate", "mission.json", "--json"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let refused = world.coo(&["run", "mission.json", "--json"]);
    assert_eq!((refused.code, &refused.stdout), (1, &ran.stdout));
    let violations: Value = serde_json::from_str(&ran.stdout).unwrap();
    let rules: Vec<(&str, &str)> = violations["violations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|violation| {
            for field in ["explanation", "suggested_automation"] {
                assert!(!violation[field].as_str().unwrap().is_empty());
            }
            (
                violation["rule"].as_str().unwrap(),
                violation["step"].as_str().unwrap_or("-"),
            )
        })
        .collect();
    assert_eq!(
        rules,
        [
            ("too_many_steps", "-"),
            ("too_many_human_steps", "-"),
            ("routine_human_operation", "check"),
            ("no_question", "sign"),
        ]
    );
}

#[test]
fn five_steps_with_two_questions_pass() {
    let world = world();
    let steps = json!([
        {"id": "a", "input": "A_v1.0.md"},
        {"id": "ask", "human": {"ask": "Is A right?"}},
        {"id": "b", "input": "B_v1.0.md"},
        {"id": "c", "input": "C_v1.0.md"},
        {"id": "ask-again", "human": {"ask": "And are B and C?"}},
    ]);
    let ran = run(&world, &steps, &json!({}));
    assert_snapshot!(shown("run mission.json", &ran), @"
    $ coo run mission.json
    A_v1.0.md--- standard error
    [coo] MISSION-000001 PAUSED: 9 events, 65 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: waits for a person at step 'ask', which asks: Is A right?
    hint: 'coo approve MISSION-000001' continues it, 'coo reject MISSION-000001' ends it
    --- exit 4
    ");
    let ran = world.coo(&["validate", "mission.json"]);
    assert_snapshot!(shown("validate mission.json", &ran), @"
    $ coo validate mission.json
    Valid: mission.json (TEST, 5 steps, module <sha256…>)
    --- standard error
    hint: 'coo run mission.json' runs it
    --- exit 0
    ");
}

#[test]
fn what_is_valid_and_can_not_work_is_named() {
    let world = World::new();
    let mut told = String::new();
    for (name, module, more) in [
        ("fuel.json", "demo", json!({"limits": {"fuel": 0}})),
        ("tier.json", "triage", json!({"scope": {"tier": 0}})),
        ("less.json", "triage", json!({"scope": {"tier": 1}})),
        (
            "both.json",
            "demo",
            json!({"limits": {"fuel": 0}, "scope": {"tier": 0}}),
        ),
        (
            "none.json",
            "demo",
            json!({"limits": {"fuel": 1}, "scope": {"tier": 1}}),
        ),
    ] {
        world.descriptor(name, &json!({"set": module}), &more);
        told += &shown(&format!("validate {name}"), &world.coo(&["validate", name]));
    }
    assert_snapshot!(told, @"
    $ coo validate fuel.json
    Valid: fuel.json (TEST, 1 step, module <sha256…>)
    --- standard error
    [coo] descriptor fuel.json: limits.fuel: 0 found, so that no step can do anything
    hint: raise limits.fuel or leave it out
    hint: 'coo run fuel.json' runs it
    --- exit 0
    $ coo validate tier.json
    Valid: tier.json (TEST, 1 step, module <sha256…>)
    --- standard error
    [coo] descriptor tier.json: scope.tier: 0 found, and the module imports coo:mission/llm, whose calls need 1 or more
    hint: raise scope.tier if the mission is to call it
    [coo] descriptor tier.json: scope.tier: 0 found, and the module imports coo:mission/db, whose calls need 1 or more
    hint: raise scope.tier if the mission is to call it
    [coo] descriptor tier.json: scope.tier: 0 found, and the module imports coo:mission/gateway, whose calls need 3 or more
    hint: raise scope.tier if the mission is to call it
    hint: 'coo run tier.json' runs it
    --- exit 0
    $ coo validate less.json
    Valid: less.json (TEST, 1 step, module <sha256…>)
    --- standard error
    [coo] descriptor less.json: scope.tier: 1 found, and the module imports coo:mission/gateway, whose calls need 3 or more
    hint: raise scope.tier if the mission is to call it
    hint: 'coo run less.json' runs it
    --- exit 0
    $ coo validate both.json
    Valid: both.json (TEST, 1 step, module <sha256…>)
    --- standard error
    [coo] descriptor both.json: limits.fuel: 0 found, so that no step can do anything
    hint: raise limits.fuel or leave it out
    [coo] descriptor both.json: scope.tier: 0 found, and the module imports coo:mission/llm, whose calls need 1 or more
    hint: raise scope.tier if the mission is to call it
    hint: 'coo run both.json' runs it
    --- exit 0
    $ coo validate none.json
    Valid: none.json (TEST, 1 step, module <sha256…>)
    --- standard error
    hint: 'coo run none.json' runs it
    --- exit 0
    ");
    // The warning is right: such a run ends FAILED, and a program that reads JSON is not disturbed.
    assert_eq!(world.coo(&["run", "fuel.json", "--frozen"]).code, 1);
    let json = world.coo(&["validate", "both.json", "--json"]);
    assert!(
        json.stderr
            .starts_with("[coo] descriptor both.json: limits.fuel: 0 found")
    );
}
