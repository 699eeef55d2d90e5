//! Folders into which a user who is not root may not look, though they are his: they are kept and
//! replaced like any others, and whoever dies at it leaves their modes as they were.

use std::fs;
use std::process::{Output, Stdio};

use super::{YES, clean, state};
use crate::support::every;
use crate::support::tree::{by_nobody, give_away, is_root, set_mode};
use crate::support::{World, ran};

const FOLDERS: [&str; 4] = [
    "artefacts/a/b/c",
    "artefacts/a/b",
    "artefacts/a",
    "manifests",
];

/// `clean`, and since then some folders that are closed, one in another, one that was there.
fn closed(mode: u32) -> World {
    let world = clean();
    world.file(".coo/artefacts/a/b/c/file", "deep");
    for folder in FOLDERS {
        set_mode(&world.root().join(folder), mode);
    }
    give_away(world.path());
    world
}

fn by_nobody_with(world: &World, arguments: &[&str], fault: &str) -> Output {
    let file = world.path().join("input");
    fs::write(&file, YES).unwrap();
    let mut command = world.command(arguments);
    command
        .stdin(fs::File::open(file).unwrap())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .env("COO_FAULT", fault);
    by_nobody(command).output().unwrap()
}

#[test]
fn closed_folders_are_kept_and_replaced() {
    if !is_root() {
        eprintln!("what is closed can only be looked at by root: not tested");
        return;
    }
    for mode in [0, 0o100, 0o300, 0o400, 0o600, 0o2500] {
        let world = closed(mode);
        let before = state(&world);
        let back = ran(by_nobody_with(&world, &["rollback", "clean"], ""));
        assert_eq!(back.code, 0, "{mode:o} {back:?}");
        assert!(state(&world) == state(&clean()), "{mode:o}");
        let undo = ["rollback", "before-rollback-000001"];
        let undone = ran(by_nobody_with(&world, &undo, ""));
        assert_eq!(undone.code, 0, "{mode:o} {undone:?}");
        assert!(state(&world) == before, "{mode:o}");
        // It is that state already, which it takes a look into the folders to know.
        let again = ran(by_nobody_with(&world, &undo, ""));
        assert!(again.stdout.ends_with("Result: UNCHANGED\n"), "{again:?}");
        assert!(state(&world) == before, "{mode:o}");
    }
}

#[test]
fn a_process_that_dies_leaves_the_modes_that_were_or_those_that_are_to_be() {
    if !is_root() {
        eprintln!("what is closed can only be looked at by root: not tested");
        return;
    }
    let (old, restored) = (state(&closed(0)), state(&clean()));
    let world = closed(0);
    let list = world.path().join("points");
    let fault = format!("list:{}", list.display());
    let done = by_nobody_with(&world, &["rollback", "clean"], &fault);
    assert!(done.status.success(), "{done:?}");
    let points = fs::read_to_string(list).unwrap();
    assert!(points.contains("closed.open"));
    for way in ["kill", "fail"] {
        let mut ends = [0, 0];
        for (n, point) in (1..).zip(points.lines()).step_by(every(3)) {
            let world = closed(0);
            by_nobody_with(&world, &["rollback", "clean"], &format!("{way}:{n}"));
            // Any command puts it in order, also one that only reads.
            let next = ran(by_nobody_with(&world, &["missions"], ""));
            assert_eq!(next.code, 0, "{way}:{n} {point} {next:?}");
            let found = state(&world);
            assert!(
                found == old || found == restored,
                "{way}:{n} {point}: a mix"
            );
            ends[usize::from(found == restored)] += 1;
            assert!(!world.root().join(".coo-restore").exists());
        }
        println!("{way}: {} old, {} restored, 0 mixed", ends[0], ends[1]);
        assert!(ends[0] > 3 && ends[1] > 1);
    }
}
