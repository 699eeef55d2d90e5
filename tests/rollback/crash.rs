//! A process that dies, or runs into a full disk, at every point at which a rollback changes
//! something: after the next command the state is the old one or the restored one, never a mix.

use std::fs;

use super::{YES, assert_at, changed, clean, outcomes, rollback, start, state};
use crate::support::World;
use crate::support::every;

/// The points that a rollback of `world` to `baseline` reaches.
pub fn points(world: &World, baseline: &str) -> Vec<String> {
    let list = world.path().join("points");
    let fault = format!("list:{}", list.display());
    let ran = start(world, &[baseline], YES, Some(&fault));
    assert!(ran.status.success(), "{ran:?}");
    let text = fs::read_to_string(list).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// Rolls back with the fault, which must stop it.
#[track_caller]
fn stopped(world: &World, fault: &str) {
    let output = start(world, &["clean"], YES, Some(fault));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{fault}: {stderr}");
    assert!(!stderr.contains("panicked"), "{fault}: {stderr}");
    if fault.starts_with("fail") {
        assert_eq!(output.status.code(), Some(1), "{fault}: {stderr}");
        let errors = stderr.lines().filter(|line| line.starts_with("ERROR: "));
        assert_eq!(errors.count(), 1, "{fault}: {stderr}");
        assert!(stderr.contains("injected"), "{fault}: {stderr}");
    }
}

#[test]
fn a_rollback_stopped_at_any_point_leaves_the_old_state_or_the_restored_one() {
    let old = state(&changed());
    let restored = state(&clean());
    let points = points(&changed(), "clean");
    for way in ["kill", "fail"] {
        let mut ends = Vec::new();
        for (n, point) in (1..).zip(&points).step_by(every(3)) {
            let world = changed();
            let fault = format!("{way}:{n}");
            stopped(&world, &fault);
            // Any command puts it in order, also one that only reads.
            let next = world.coo(&["missions"]);
            let found = state(&world);
            assert!(found == old || found == restored, "{fault} {point}: a mix");
            let is_restored = found == restored;
            // The old state has a configuration that can't be read, which a list does not need.
            assert_eq!(next.code, 0, "{fault} {point} {next:?}");
            if is_restored {
                assert_eq!(outcomes(&world), ["restored"], "{fault} {point}");
            }
            ends.push(is_restored);
            let again = rollback(&world, &["clean"], YES);
            assert_eq!(again.code, 0, "{fault} {point} {again:?}");
            assert!(state(&world) == restored, "{fault} {point}");
            assert_at(&world, "clean");
            assert!(!world.root().join(".coo-restore").exists());
            assert_eq!(fs::read_dir(world.root().join("tmp")).unwrap().count(), 0);
            assert!(!outcomes(&world).contains(&"promised".to_owned()));
        }
        // One commit decides.
        assert!(ends.is_sorted(), "{way}: {ends:?}");
        let count = ends.iter().filter(|is_restored| **is_restored).count();
        println!(
            "{way}: {} of {} points, {} old, {count} restored, 0 mixed",
            ends.len(),
            points.len(),
            ends.len() - count
        );
        assert!(count > 3 && ends.len() - count > 3);
    }
}

#[test]
fn a_recovery_stopped_at_any_point_is_recovered() {
    let restored = state(&clean());
    let points = points(&changed(), "clean");
    for point in ["tree.remove", "tree.put", "world.put", "steps.remove"] {
        let first = 1 + points.iter().rposition(|name| name == point).unwrap();
        for way in ["kill", "fail"] {
            let mut second = 0;
            loop {
                second += 1;
                let world = changed();
                stopped(&world, &format!("kill:{first}"));
                let mut command = world.command(&["init"]);
                let ended = command.env("COO_FAULT", format!("{way}:{second}"));
                let ended = ended.output().unwrap();
                let next = world.coo(&["missions"]);
                assert_eq!(next.code, 0, "{point}, then {way}:{second} {next:?}");
                assert!(state(&world) == restored, "{point}, then {way}:{second}");
                assert_eq!(outcomes(&world), ["restored"]);
                if ended.status.success() {
                    break;
                }
            }
            assert!(second > 5, "{point}: {second}");
            println!("{point}, then {way}: {} points, 0 mixed", second - 1);
        }
    }
}

/// What the root can't be without is made by whichever command comes next; a restore that was on
/// its way there takes it for what it is.
#[test]
fn what_a_root_needs_is_replaced_again_by_what_was_promised() {
    let made = || {
        let world = clean();
        let artefacts = world.root().join("artefacts");
        fs::remove_dir_all(&artefacts).unwrap();
        std::os::unix::fs::symlink(world.path(), artefacts).unwrap();
        world
    };
    let points = points(&made(), "clean");
    let first = points.iter().position(|name| name == "tree.remove");
    for n in first.unwrap()..points.len() {
        let world = made();
        stopped(&world, &format!("kill:{}", n + 1));
        let next = world.coo(&["missions"]);
        assert_eq!(next.code, 0, "{n}: {next:?}");
        assert!(state(&world) == state(&clean()), "{n}");
    }
}

/// What was staged goes away after the promise: it is made again from the baseline.
#[test]
fn a_stage_that_somebody_removed_is_made_again() {
    let points = points(&changed(), "clean");
    for point in ["tree.put", "world.put"] {
        let first = 1 + points.iter().position(|name| name == point).unwrap();
        let world = changed();
        stopped(&world, &format!("kill:{first}"));
        fs::remove_dir_all(world.root().join(".coo-restore")).unwrap();
        assert_eq!(world.coo(&["missions"]).code, 0);
        assert!(state(&world) == state(&clean()), "{point}");
        assert_eq!(outcomes(&world), ["restored"]);
    }
}

/// A drift check does not take a rollback in the middle for drift.
#[test]
fn every_command_finishes_a_promised_rollback_first() {
    let points = points(&changed(), "clean");
    let first = 1 + points.iter().position(|name| name == "tree.put").unwrap();
    for command in [
        &["artefacts", "check", "--repair"][..],
        &["artefacts"],
        &["amu0", "lineage"],
        &["amu0", "verify", "clean", "--state"],
        &["run", "demo"],
        &["rollback", "--log"],
    ] {
        let world = changed();
        stopped(&world, &format!("kill:{first}"));
        let ran = world.coo(command);
        assert_eq!(ran.code, 0, "{command:?} {ran:?}");
        let said = "[coo] finished interrupted rollback 1 of the state root to clean\n";
        assert!(ran.stderr.contains(said), "{command:?} {ran:?}");
        assert!(state(&world) == state(&clean()), "{command:?}");
    }
}
