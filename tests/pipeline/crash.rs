//! A process that dies at a point at which a change of a repository changes something: the next
//! one goes on, and the end is the one there would have been. A plain run tries some points of each
//! command; `COO_TEST_EVERY_POINT` makes it try every one.

use std::fs;

use super::failed::{APPROVE, START, Way, at_first_review, at_last_review, faulty, fresh, points};
use super::{ID, YES, approve, done, evidence, migrated, repo, start, status, world};
use crate::support::tree::{Picture, picture};
use crate::support::{World, every};

/// Goes on until the change has ended, as a person would: begins it if nobody has, says yes
/// wherever one is asked.
fn finish(world: &World) -> String {
    for _ in 0..12 {
        let listed = world.list(&["pipeline", "list"]);
        if listed.as_array().unwrap().is_empty() {
            world.coo(&START);
            continue;
        }
        let status = status(world);
        let stage = status["stage"].as_str().unwrap();
        match (stage, status["next"].as_str()) {
            ("COMPLETE" | "QUESTION", _) => return stage.to_owned(),
            (_, Some(next)) if next.contains("approve") => drop(approve(world)),
            (_, Some(next)) if next.contains("rollback") => drop(super::roll_back(world)),
            _ => drop(world.coo_with_input(&["pipeline", "resume", ID], YES)),
        }
    }
    panic!("does not end: {}", status(world));
}

fn killed(stride: usize, prepare: fn() -> World, arguments: &[&str], stage: &str, end: &Picture) {
    let points = points(prepare, arguments);
    // What gates run in roots of their own dies with them; a few of those are enough.
    let gate = |name: &String| name.starts_with("gate.");
    let (first, last) = (points.iter().position(gate), points.iter().rposition(gate));
    let (mut stages, mut tried, mut killed) = (0, 0, 0);
    for (n, point) in (1..).zip(&points) {
        let is_in_gates =
            first.is_some_and(|first| n > first + 1) && last.is_some_and(|last| n <= last);
        let stride = if is_in_gates { stride * 40 } else { stride };
        let is_stage = point.starts_with("stage.");
        stages += usize::from(is_stage);
        if n % stride != 0 && !(is_stage && stages % every(6) == 0) {
            continue;
        }
        tried += 1;
        let world = prepare();
        let ran = faulty(&world, arguments, &format!("kill:{n}"));
        // A frozen root does not always note something for its next reader, so a late point may not
        // be there; then the command has done its work.
        assert!([-1, 0, 4].contains(&ran.code), "{n} {point}: {ran:?}");
        killed += usize::from(ran.code == -1);
        assert_eq!(finish(&world), stage, "{n} {point}: {}", status(&world));
        assert!(picture(&repo(&world)) == *end, "{n} {point}: another tree");
        assert_eq!(
            world.json(&["freeze", "status"])["is_frozen"],
            false,
            "{n} {point}"
        );
        assert!(!repo(&world).join(".coo-restore").exists(), "{n} {point}");
        let check = world.json(&["artefacts", "check"]);
        assert_eq!(check["report_drifts"], serde_json::json!([]), "{n} {point}");
        if stage == "COMPLETE" {
            let results = evidence(&world, "gate_results.json");
            assert!(results.contains(r#""status":"PASS"}"#), "{n} {point}");
            assert_eq!(
                evidence(&world, "snapshot_1.json"),
                evidence(&world, "snapshot_2.json")
            );
        }
    }
    println!(
        "{arguments:?} to {stage}: {} points, {tried} tried, all ended alike",
        points.len()
    );
    assert!(
        killed * 10 >= tried * 9 && killed > 0,
        "{killed} of {tried}"
    );
}

fn all(stride: usize) {
    let end = migrated();
    killed(stride, fresh, &START, "COMPLETE", &end);
    killed(stride, at_first_review, &APPROVE, "COMPLETE", &end);
    // Few, and each of them matters: the freeze ends here.
    killed(
        stride.min(every(29)),
        at_last_review,
        &APPROVE,
        "COMPLETE",
        &end,
    );
}

/// A disk that is full at some point: the change fails and goes back, or the point was none that
/// matters and it goes on; nothing in between.
fn full(stride: usize) {
    let ends = [
        ("QUESTION", picture(&repo(&fresh()))),
        ("QUESTION", picture(&repo(&at_first_review()))),
        ("COMPLETE", migrated()),
    ];
    let ways: [Way; 2] = [(fresh, &START), (at_first_review, &APPROVE)];
    for (prepare, arguments) in ways {
        let points = points(prepare, arguments);
        let of_gates = points.iter().position(|point| point == "gate.a");
        let until = of_gates.unwrap_or(points.len());
        let mut counts = [0; 3];
        for (n, point) in (1..).zip(&points[..until]) {
            if n % stride != 0 {
                continue;
            }
            let world = prepare();
            let ran = faulty(&world, arguments, &format!("fail:{n}"));
            assert!(!ran.stderr.contains("panicked"), "{n} {point}: {ran:?}");
            let stage = finish(&world);
            let tree = picture(&repo(&world));
            let end = ends.iter().position(|end| end.0 == stage && end.1 == tree);
            let Some(end) = end else {
                panic!("{n} {point}: {stage}, and another tree: {ran:?}");
            };
            counts[end] += 1;
        }
        println!(
            "{arguments:?}, disk full: {} points; back to the start {}, to its baseline {}, complete {}",
            points.len(),
            counts[0],
            counts[1],
            counts[2]
        );
    }
}

/// A change that fails at its gates, and the tree it goes back to.
fn failing() -> World {
    let world = world(|world| drop(world.file("repo/docs/more.md", "The agent approves it.\n")));
    start(&world);
    world
}

fn rejected() -> World {
    let world = failing();
    assert_eq!(approve(&world).code, 1);
    world
}

fn back(stride: usize) {
    let amended = picture(&repo(&failing()));
    let rollback = ["pipeline", "rollback", ID];
    let points = {
        let world = rejected();
        let list = world.path().join("points");
        faulty(&world, &rollback, &format!("list:{}", list.display()));
        let text = fs::read_to_string(list).unwrap();
        text.lines().map(str::to_owned).collect::<Vec<String>>()
    };
    let mut tried = 0;
    for way in ["kill", "fail"] {
        for (n, point) in (1..).zip(&points) {
            if n % stride != 0 {
                continue;
            }
            tried += 1;
            let world = rejected();
            let ran = faulty(&world, &rollback, &format!("{way}:{n}"));
            assert_eq!(
                ran.code,
                if way == "kill" { -1 } else { 1 },
                "{way}:{n} {point}: {ran:?}"
            );
            assert_eq!(finish(&world), "QUESTION", "{way}:{n} {point}");
            assert!(
                picture(&repo(&world)) == amended,
                "{way}:{n} {point}: another tree"
            );
            assert_eq!(world.json(&["freeze", "status"])["is_frozen"], false);
            done(&world.coo(&["run", "triage", "--frozen"]));
        }
    }
    println!(
        "rollback: {} points, {tried} tried, all ended alike",
        points.len()
    );
    assert!(tried > 0);
}

#[test]
fn a_change_whose_process_dies_goes_on_to_the_same_end() {
    all(every(131));
}

#[test]
fn a_rollback_whose_process_dies_goes_back_all_the_same() {
    back(every(29));
}

#[test]
fn a_full_disk_at_any_point_leads_back_or_on() {
    full(every(131));
}
