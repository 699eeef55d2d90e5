//! A process that dies, or runs into a full disk, at every point at which it changes something:
//! after the next command the tree is the old one or the restored one, and then everything works.

use std::fs;
use std::process::Command;

use crate::support::World;
use crate::support::every;
use crate::support::tree::{Picture, change, make, picture};

const CREATE: [&str; 6] = ["amu0", "create", "--tree", "tree", "--name", "base"];
const RESTORE: [&str; 6] = ["amu0", "restore", "base", "--tree", "tree", "--yes"];

/// A world with a tree, and a state root unless `cold`.
fn made(cold: bool) -> World {
    let world = World::new();
    fs::create_dir(world.path().join("tree")).unwrap();
    make(&world.path().join("tree"));
    if !cold {
        assert_eq!(world.coo(&["init"]).code, 0);
    }
    world
}

/// The same with its baseline, and the tree changed since.
fn changed() -> World {
    let world = made(false);
    assert_eq!(world.coo(&CREATE).code, 0);
    change(&world.path().join("tree"));
    world
}

fn points(world: &World, arguments: &[&str]) -> Vec<String> {
    let list = world.path().join("points");
    let ran = world.coo_with(arguments, "COO_FAULT", &format!("list:{}", list.display()));
    assert_eq!(ran.code, 0, "{ran:?}");
    let text = fs::read_to_string(list).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// Runs `arguments` with the fault and says whether that stopped it.
fn disturbed(world: &World, arguments: &[&str], fault: &str) -> bool {
    let mut command: Command = world.command(arguments);
    let output = command.env("COO_FAULT", fault).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains("panicked"), "{fault}: {stderr}");
    if fault.starts_with("fail") && !output.status.success() {
        assert_eq!(output.status.code(), Some(1), "{fault}: {stderr}");
        assert!(
            stderr.contains("ERROR: ") && stderr.contains("injected"),
            "{fault}: {stderr}"
        );
    }
    !output.status.success()
}

fn tree(world: &World) -> Picture {
    picture(&world.path().join("tree"))
}

#[test]
fn a_create_stopped_at_any_point_can_be_done_again() {
    let reference = made(true);
    let count = points(&reference, &CREATE).len();
    let id = reference.list(&["amu0", "list"])[0]["baseline"].clone();
    for way in ["kill", "fail"] {
        for n in (1..=count).step_by(every(7)) {
            let world = made(true);
            let before = tree(&world);
            assert!(
                disturbed(&world, &CREATE, &format!("{way}:{n}")),
                "{way}:{n}"
            );
            // What has a name by now is whole.
            for record in world.list(&["amu0", "list"]).as_array().unwrap() {
                let name = record["name"].as_str().unwrap();
                assert_eq!(world.coo(&["amu0", "verify", name]).code, 0, "{way}:{n}");
            }
            let again = world.coo(&["amu0", "create", "--tree", "tree", "--name", "again"]);
            assert_eq!(again.code, 0, "{way}:{n} {again:?}");
            assert_eq!(tree(&world), before);
            let verified = world.json(&["amu0", "verify", "again", "--tree", "tree"]);
            assert_eq!(verified["baseline"], id);
            assert_eq!(fs::read_dir(world.root().join("tmp")).unwrap().count(), 0);
        }
    }
    println!("{count} points killed and failed, 0 losses");
}

#[test]
fn a_restore_stopped_at_any_point_leaves_the_old_tree_or_the_restored_one() {
    let reference = changed();
    let old = tree(&reference);
    let points = points(&reference, &RESTORE);
    let restored = tree(&reference);
    let promised = 1 + points
        .iter()
        .position(|point| point == "tree.remove")
        .unwrap();
    for way in ["kill", "fail"] {
        let mut ends = [0, 0];
        for (n, point) in (1..).zip(&points).step_by(every(7)) {
            let world = changed();
            let fault = format!("{way}:{n}");
            assert!(disturbed(&world, &RESTORE, &fault), "{fault} {point}");
            // Any command puts it in order, also one that only reads.
            let next = world.coo(&["missions"]);
            assert_eq!(next.code, 0, "{fault} {point} {next:?}");
            let found = tree(&world);
            assert!(found == old || found == restored, "{fault} {point}: a mix");
            ends[usize::from(found == restored)] += 1;
            if n >= promised {
                assert_eq!(found, restored, "{fault} {point}");
            }
            assert!(!world.root().join("amu0/restore.json").exists());
            let again = world.coo(&RESTORE);
            assert_eq!(again.code, 0, "{fault} {point} {again:?}");
            assert_eq!(tree(&world), restored);
        }
        println!("{way}: {} old, {} restored, 0 mixed", ends[0], ends[1]);
        assert!(ends[0] > 1 && ends[1] > 1);
    }
}

#[test]
fn a_recovery_killed_at_any_point_is_recovered() {
    let reference = changed();
    let old = tree(&reference);
    let points = points(&reference, &RESTORE);
    let restored = tree(&reference);
    for point in [
        "stage.write",
        "tree.put",
        "tree.mode",
        "steps.remove",
        "stage.remove",
    ] {
        let first = 1 + points.iter().position(|name| name == point).unwrap();
        let mut second = 0;
        loop {
            second += 1;
            let world = changed();
            assert!(disturbed(&world, &RESTORE, &format!("kill:{first}")));
            let killed = disturbed(&world, &["missions"], &format!("kill:{second}"));
            assert_eq!(world.coo(&["missions"]).code, 0);
            let expected = if point == "stage.write" {
                &old
            } else {
                &restored
            };
            assert_eq!(&tree(&world), expected, "{point}, then {second}");
            if !killed {
                break;
            }
        }
        assert!(second > 2, "{point}: {second}");
    }
}
