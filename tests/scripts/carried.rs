//! What other commands do with a script: files that carry its run, lists of its inputs, a descriptor that
//! pins it.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::{World, shown};

/// A world with a script that doubles a number, and the module that it imports.
fn doubling() -> World {
    let world = World::new();
    world.file(
        "lib/twice.ts",
        "export const twice = (n: number): number => 2 * n;\n",
    );
    world.file(
        "double.ts",
        "import { twice } from './lib/twice.js';\nimport { inputJson } from 'coo';\nconsole.log(twice(inputJson().n));\n",
    );
    world.file("n.json", "{\"n\": 21}");
    world
}

#[test]
fn a_run_file_can_leave_the_runner_out() {
    let world = doubling();
    let ran = world.coo(&["run", "double.ts", "--input", "n.json"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "42\n"), "{ran:?}");
    let sizes = [
        &["export", "1"][..],
        &["export", "1", "-o", "small.coorun", "--without-runner"],
    ]
    .map(|arguments| {
        let written = world.coo(&[arguments, &["--json"]].concat());
        let written: Value = serde_json::from_str(&written.stdout).unwrap();
        written["bytes"].as_u64().unwrap()
    });
    assert!(sizes[0] > 1_000_000 && sizes[1] < 20_000, "{sizes:?}");
    // Nothing of the script's folder is needed.
    std::fs::remove_file(world.path().join("lib/twice.ts")).unwrap();
    for file in ["MISSION-000001.coorun", "small.coorun"] {
        let replayed = world.coo(&["replay", file]);
        assert!(
            replayed.stdout.contains("Result: IDENTICAL"),
            "{replayed:?}"
        );
    }
    let ran = world.coo(&["run", "demo"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let refused = world.coo(&["export", "DEMO-000002", "--without-runner"]);
    assert_snapshot!(shown("export DEMO-000002 --without-runner", &refused), @"
    $ coo export DEMO-000002 --without-runner
    --- standard error
    ERROR: mission DEMO-000002: is no script, so it has no runner to leave out
    hint: leave out --without-runner
    --- exit 1
    ");
}

#[test]
fn a_list_of_inputs_runs_one_script() {
    let world = doubling();
    world.file("rows.jsonl", "{\"n\": 1}\n{\"n\": 21}\n");
    let ran = world.coo(&["batch", "double.ts", "--inputs", "rows.jsonl", "--frozen"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let outputs: Vec<Value> = ran
        .stdout
        .lines()
        .filter_map(|line| {
            serde_json::from_str::<Value>(line)
                .unwrap()
                .get("output")
                .cloned()
        })
        .collect();
    assert_eq!(outputs, [json!("2\n"), json!("42\n")]);
    for id in ["1", "2"] {
        assert_eq!(world.coo(&["replay", id]).code, 0);
    }
}

#[test]
fn a_descriptor_pins_every_file_of_its_script() {
    let world = doubling();
    let descriptor = |sha256: Option<&str>| {
        let mut script = json!({"file": "double.ts"});
        if let Some(sha256) = sha256 {
            script["sha256"] = json!(sha256);
        }
        let more = json!({"script": script, "steps": [{"id": "only", "input": {"n": 4}}]});
        world.descriptor("double.json", &json!({"runner": "javascript"}), &more);
    };
    descriptor(None);
    let canonical = world.coo(&["validate", "double.json", "--json"]);
    let canonical: Value = serde_json::from_str(&canonical.stdout).unwrap();
    let sha256 = canonical["script"]["sha256"].as_str().unwrap();
    descriptor(Some(sha256));
    let ran = world.coo(&["run", "double.json"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "8\n"), "{ran:?}");
    world.file("lib/twice.ts", "export const twice = (n) => 3 * n;\n");
    let refused = world.coo(&["run", "double.json"]);
    assert_snapshot!(shown("run double.json", &refused), @"
    $ coo run double.json
    --- standard error
    ERROR: descriptor double.json: script double.ts: its files have SHA-256 <sha256>, script.sha256 pins <sha256>
    hint: restore the pinned files or pin the new ones
    --- exit 1
    ");
}
