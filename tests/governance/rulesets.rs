//! The rulesets that a state root pins (packet §5.4): they are in its configuration and in the record
//! of every run, and a run by another ruleset is refused by name before anything of it exists.

use coo_kernel::form::digest::Digest;
use coo_kernel::mission::edition::Edition;
use coo_kernel::mission::ruleset;
use insta::assert_snapshot;
use serde_json::{Value, json};

use super::world;
use crate::support::{World, checked_out, events, shown};

const ID: &str = "MISSION-000001";
const NAMES: [&str; 3] = ["constitutional_lint", "governance_leak", "mission"];

fn config(world: &World) -> Value {
    let text = std::fs::read_to_string(world.root().join("config.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Writes the configuration with these pins.
fn pin(world: &World, rulesets: &Value) {
    let mut config = config(world);
    config["rulesets"] = rulesets.clone();
    world.file(".coo/config.json", config.to_string());
}

#[test]
fn a_run_names_the_rulesets_that_its_configuration_pins() {
    let world = world();
    assert_eq!(world.coo(&["run", "triage", "--frozen"]).code, 0);
    let pins = config(&world)["rulesets"].clone();
    let names: Vec<&String> = pins.as_object().unwrap().keys().collect();
    assert_eq!(names, NAMES);
    let of = |file: &str| json!(Digest::of(checked_out(file)));
    assert_eq!(
        pins,
        json!({
            "constitutional_lint": of("reference/constitutional_lint.json"),
            "governance_leak": of("reference/governance_leak_ruleset.json"),
            "mission": ruleset::of_missions(Edition::CURRENT),
        })
    );
    let inspection = world.json(&["inspect", ID]);
    assert_eq!(inspection["facts"]["rulesets"], pins);
    assert_eq!(inspection["rules_sha256"], pins["mission"]);
    // The rules by which the run was judged are a part of the chain.
    let events = events(&world, ID);
    let environment = events.iter().find(|event| event["kind"] == "environment");
    assert_eq!(
        environment.unwrap()["body"]["rules_sha256"],
        pins["mission"]
    );
    assert!(world.coo(&["inspect", ID]).stdout.contains(&format!(
        "\n  Rules:      {}\n",
        pins["mission"].as_str().unwrap()
    )));
    assert_eq!(world.coo(&["replay", ID]).code, 0);
}

#[test]
fn a_ruleset_that_is_not_the_pinned_one_is_refused_before_anything_runs() {
    let world = world();
    assert_eq!(world.coo(&["init"]).code, 0);
    let pins = config(&world)["rulesets"].clone();
    let mut told = String::new();
    for name in NAMES {
        let mut other = pins.clone();
        other[name] = json!(Digest::of("another ruleset"));
        pin(&world, &other);
        told += &shown("run triage", &world.coo(&["run", "triage", "--frozen"]));
        assert_eq!(world.list(&["missions"]), json!([]));
    }
    assert_snapshot!(told, @"
    $ coo run triage
    --- standard error
    ERROR: configuration: ruleset constitutional_lint: has SHA-256 <sha256>, pinned is <sha256>
    hint: use the coo with that ruleset, or set rulesets.constitutional_lint of config.json to <sha256> to accept this one
    --- exit 1
    $ coo run triage
    --- standard error
    ERROR: configuration: ruleset governance_leak: has SHA-256 <sha256>, pinned is <sha256>
    hint: use the coo with that ruleset, or set rulesets.governance_leak of config.json to <sha256> to accept this one
    --- exit 1
    $ coo run triage
    --- standard error
    ERROR: configuration: ruleset mission: has SHA-256 <sha256>, pinned is <sha256>
    hint: use the coo with that ruleset, or set rulesets.mission of config.json to <sha256> to accept this one
    --- exit 1
    ");
    // What is not pinned may be any; what is no ruleset can't be pinned.
    pin(&world, &json!({}));
    assert_eq!(world.coo(&["run", "triage", "--frozen"]).code, 0);
    pin(&world, &json!({"mision": Digest::of("")}));
    assert_snapshot!(shown("run triage", &world.coo(&["run", "triage", "--frozen"])), @"
    $ coo run triage
    --- standard error
    ERROR: configuration .coo/config.json: line 1: rulesets.mision: 'mision' found; did you mean 'mission'?
    hint: see docs/configuration.md for its fields
    --- exit 1
    ");
    // A replay needs no configuration.
    pin(&world, &json!({"mission": Digest::of("another ruleset")}));
    assert_eq!(world.coo(&["replay", ID]).code, 0);
}
