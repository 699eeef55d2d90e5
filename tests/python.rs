//! The whole pipeline on a real Python package, its tests run by a real pytest: once to COMPLETE,
//! and with a failure at each stage and each gate back to where it was. Needs a pytest, which
//! `.ci/run` provides: `COO_TEST_PYTEST` is the folder with a `python3` that has one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::tree::{Picture, picture};
use crate::support::{Ran, World};

const ID: &str = "PIPELINE-000001";
const START: [&str; 3] = ["pipeline", "start", "repo"];
const APPROVE: [&str; 3] = ["pipeline", "approve", ID];

/// Those that can fail, as their points are named.
const STAGES: [&str; 11] = [
    "init",
    "amendment_prep",
    "amendment_exec",
    "amendment_verify",
    "ceo_review",
    "freeze_prep",
    "freeze_activated",
    "capture_amu0",
    "migration_sequence",
    "gates",
    "ceo_final_review",
];

/// A world with a copy of the package, and the PATH that has pytest.
#[allow(
    clippy::disallowed_methods,
    reason = "the one thing this test is told from outside"
)]
fn world() -> World {
    let python = std::env::var("COO_TEST_PYTEST").expect("COO_TEST_PYTEST: see this file's head");
    let world = World::new().with("PATH", format!("{python}:/usr/local/bin:/usr/bin:/bin"));
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/python/repository");
    let copied = Command::new("cp")
        .arg("-a")
        .arg(from)
        .arg(repo(&world))
        .status();
    assert!(copied.unwrap().success());
    world
}

fn repo(world: &World) -> PathBuf {
    world.path().join("repo")
}

fn evidence(world: &World, name: &str) -> String {
    fs::read_to_string(world.root().join("changes/000001").join(name)).unwrap()
}

#[track_caller]
fn done(ran: &Ran) {
    assert_eq!(ran.code, 0, "{ran:?}");
}

fn status(world: &World) -> Value {
    world.json(&["pipeline", "status", ID])
}

/// At the review that comes before the freeze, or after the gates.
fn at_review(reviews: usize) -> World {
    let world = world();
    done(&world.coo(&START));
    for _ in 1..reviews {
        done(&world.coo(&APPROVE));
    }
    world
}

/// Runs a command with a fault, and says yes to its rollback.
fn faulty(world: &World, arguments: &[&str], fault: &str) -> Ran {
    let input = world.file("input", "CONFIRM_ROLLBACK\n");
    let mut command = world.command(arguments);
    command
        .env("COO_FAULT", fault)
        .stdin(fs::File::open(input).unwrap());
    crate::support::ran(command.output().unwrap())
}

fn points(world: &World, arguments: &[&str]) -> Vec<String> {
    let list = world.path().join("points");
    done(&faulty(
        world,
        arguments,
        &format!("list:{}", list.display()),
    ));
    let text = fs::read_to_string(list).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
#[ignore = "needs pytest; .ci/run runs it"]
fn a_real_package_moves_and_its_own_tests_say_so() {
    let world = at_review(2);
    let results = |name: &str| -> Value {
        let snapshot: Value = serde_json::from_str(&evidence(&world, name)).unwrap();
        snapshot["test_results"].clone()
    };
    let (first, second) = (results("snapshot_1.json"), results("snapshot_2.json"));
    println!("snapshot 1: {first}\nsnapshot 2: {second}");
    assert_eq!(first, second);
    assert!(
        first["passed"].as_u64().unwrap() > 100 && first["failed"] == 0,
        "{first}"
    );
    let gates: Value = serde_json::from_str(&evidence(&world, "gate_results.json")).unwrap();
    assert_eq!(gates["status"], "PASS");
    done(&world.coo(&APPROVE));
    assert_eq!(status(&world)["stage"], "COMPLETE");
    let after = picture(&repo(&world));
    assert!(!after.keys().any(|path| path.starts_with("project_builder")));
    assert!(after.contains_key(Path::new("coo/scripts/pb-plan")));
    done(&world.coo(&["pipeline", "bundle", ID, "--output", "first.zip"]));

    // A second time, in another folder: the same artefacts, the same record, the same tree.
    let other = at_review(2);
    done(&other.coo(&APPROVE));
    assert!(picture(&repo(&other)) == after);
    for name in [
        "amendment_diff.patch",
        "amendment_log.json",
        "gate_results.json",
        "migration_plan.json",
        "mission_log.jsonl",
        "mission_output.json",
        "scanner_report.json",
        "snapshot_2.json",
    ] {
        assert_eq!(evidence(&world, name), evidence(&other, name), "{name}");
    }
    assert_eq!(status(&world)["chain_head"], status(&other)["chain_head"]);
}

/// The migration on its own: nothing but the package, its tests and the answer.
#[test]
#[ignore = "needs pytest; .ci/run runs it"]
fn a_real_package_is_migrated_on_its_own() {
    let world = world();
    done(&world.coo(&["migrate", "plan", "repo"]));
    let ran = world.coo(&["migrate", "run", "repo"]);
    done(&ran);
    assert!(ran.stdout.ends_with("  Stage: COMPLETE\n"), "{ran:?}");
}

#[test]
#[ignore = "needs pytest; .ci/run runs it"]
fn a_failure_at_any_stage_or_gate_leaves_the_package_as_it_was() {
    let before = picture(&repo(&world()));
    let amended = picture(&repo(&at_review(1)));
    let mut failed = 0;
    for (reviews, arguments) in [(0, &START), (1, &APPROVE), (2, &APPROVE)] {
        let prepare = || {
            if reviews == 0 {
                world()
            } else {
                at_review(reviews)
            }
        };
        let points = points(&prepare(), arguments);
        for point in &points {
            let (kind, stage) = point.split_once('.').unwrap();
            let is_stage = kind == "stage" && STAGES.contains(&stage);
            if !is_stage && kind != "gate" {
                continue;
            }
            let world = prepare();
            // By its name: how many points come before it differs from run to run, since threads
            // that keep the same content side by side may both write it.
            let ran = faulty(&world, arguments, &format!("fail_at:{point}"));
            assert_eq!(ran.code, 1, "{point}: {ran:?}");
            let status = status(&world);
            assert_eq!(status["stage"], "QUESTION", "{point}: {status} {ran:?}");
            // Reviewed amendments stay: they were there when the baseline was captured.
            let is_kept = ["migration_sequence", "gates", "ceo_final_review"].contains(&stage);
            let expected: &Picture = if is_kept || kind == "gate" {
                &amended
            } else {
                &before
            };
            assert!(picture(&repo(&world)) == *expected, "{point}: another tree");
            println!("{point}: QUESTION, the tree byte for byte as before");
            failed += 1;
        }
    }
    assert_eq!(failed, STAGES.len() + 6);
}
