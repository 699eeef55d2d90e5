//! A state that can't be read, and so not be kept: it stops a rollback that does not say what is
//! to become of it, and goes aside as it is where one does, all of it or nothing.

use std::fs;
use std::path::{Path, PathBuf};

use insta::assert_snapshot;
use serde_json::Value;

use super::{YES, assert_at, changed, clean, error, outcomes, rollback, rows, start, state};
use crate::support::every;
use crate::support::tree::{Picture, picture, pipe, remove};
use crate::support::{World, shown};

const OPTION: [&str; 2] = ["clean", "--set-aside"];
const ASIDE: &str = "set-aside/before-rollback-000001";

/// What would be set aside, as it lies on the disk.
fn raw(world: &World) -> Picture {
    let mut all = picture(&world.root());
    all.retain(|path, _| {
        let top = path.components().next().unwrap().as_os_str();
        let names = ["artefacts", "config.json", "manifests"];
        names.iter().any(|name| top == *name) || top.to_string_lossy().starts_with("world.db")
    });
    all
}

/// What was set aside, without what was written beside it.
fn aside(world: &World) -> Picture {
    let folder = world.root().join(ASIDE);
    if !folder.exists() {
        return Picture::new();
    }
    let mut all = picture(&folder);
    assert!(all.remove(Path::new("artefacts_on_record.json")).is_some());
    all
}

fn record(world: &World) -> Vec<String> {
    let database = world.database("coo.db");
    rows(&database, "SELECT * FROM artefacts ORDER BY path")
}

/// `changed`, and neither its world nor its artefacts can be read.
fn unreadable() -> World {
    let world = changed();
    for log in ["world.db-wal", "world.db-shm"] {
        remove(&world.root().join(log));
    }
    world.file(".coo/world.db", "this is no database".repeat(99));
    pipe(&world.root().join("artefacts/pipe"));
    world
}

#[test]
fn a_state_that_can_not_be_read_goes_aside_as_it_is() {
    let world = unreadable();
    let (before, on_record) = (raw(&world), record(&world));
    assert_snapshot!(error(&rollback(&world, &["clean"], YES)), @"
    ERROR: rollback 1 to clean: nothing was changed: 'artefacts/pipe' is a pipe, and a baseline holds files, folders and links
    hint: remove it first
    hint: 'coo rollback clean --set-aside' moves the present state to a folder of its own, unchanged, and continues
    ");
    assert_eq!(raw(&world), before);
    let world = unreadable();
    let ran = rollback(&world, &OPTION, YES);
    assert_snapshot!(shown("rollback clean --set-aside", &ran), @"
    $ coo rollback clean --set-aside
    Rollback 1 to clean
      Id: <sha256>
      Set aside: set-aside/before-rollback-000001/ in the state root
      Why: 'artefacts/pipe' is a pipe, and a baseline holds files, folders and links; remove it first
      Written: 11 entries
      Removed: 0 entries
      Folders with another mode: 0
      World: rebuilt
      Artefacts on record: 1
      Result: RESTORED
    --- standard error
    [coo] rollback 1: artefacts/, manifests/, config.json and the databases of
          .coo are restored to baseline clean (<sha256…>);
          if that changes anything, the present state is kept as before-rollback-000001,
          or, if it can't be captured, moved unchanged to set-aside/before-rollback-000001
    Type 'CONFIRM_ROLLBACK' to proceed
    --- exit 0
    ");
    assert!(state(&world) == state(&clean()));
    assert_at(&world, "clean");
    assert_eq!(aside(&world), before);
    let text = fs::read(world.root().join(ASIDE).join("artefacts_on_record.json")).unwrap();
    let kept: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(
        kept["artefacts"].as_array().unwrap().len(),
        on_record.len(),
        "{kept}"
    );
    let log = world.coo(&["rollback", "--log"]);
    assert_snapshot!(shown("rollback --log", &log), @"
    $ coo rollback --log
         1  restored   <time>  clean
            the state before it was set aside to set-aside/before-rollback-000001
    --- exit 0
    ");
    assert!(log.stdout.lines().all(|line| line.chars().count() <= 80));
    // Missions go on, and the next rollback has something to go back to.
    assert_eq!(world.coo(&["run", "triage"]).code, 0);
    world.file(".coo/artefacts/notes.txt", "more");
    assert_eq!(rollback(&world, &OPTION, YES).code, 0);
    assert_eq!(aside(&world), before);
    assert_eq!(rollback(&world, &["before-rollback-000002"], YES).code, 0);
}

#[test]
fn a_state_that_can_be_read_is_kept_and_not_set_aside() {
    let world = changed();
    assert_eq!(rollback(&world, &OPTION, YES).code, 0);
    assert_eq!(aside(&world), Picture::new());
    assert_eq!(rollback(&world, &OPTION, YES).code, 0);
    assert_eq!(outcomes(&world), ["restored", "unchanged"]);
    assert_eq!(rollback(&world, &["before-rollback-000001"], YES).code, 0);
    assert!(state(&world) == state(&changed()));
    let log = world.coo(&["rollback", "--set-aside", "--log"]);
    assert_snapshot!(shown("rollback --set-aside --log", &log), @"
    $ coo rollback --set-aside --log
    --- standard error
    ERROR: the argument '--set-aside' cannot be used with '--log'

    Usage: coo rollback --set-aside [BASELINE]

    For more information, try '--help'.
    --- exit 2
    ");
}

#[test]
fn nothing_goes_aside_without_a_yes() {
    let world = unreadable();
    let before = raw(&world);
    assert_snapshot!(error(&rollback(&world, &OPTION, b"yes\n")), @r"
    ERROR: RollbackAbortedException: rollback 1 to clean: 'yes\n' was typed, and only CONFIRM_ROLLBACK counts; nothing was rolled back
    hint: run 'coo rollback clean' again and type CONFIRM_ROLLBACK, or first make an empty file CONFIRM_ROLLBACK in the state root
    ");
    assert_eq!(raw(&world), before);
    assert!(!world.root().join("set-aside").exists());
}

/// Makes `path` of a state root something else.
type Break = fn(&Path);

#[test]
fn whatever_stands_there_goes_aside() {
    let breaks: [(&str, Break); 5] = [
        ("config.json", |path| {
            fs::create_dir_all(path.join("in")).unwrap();
        }),
        ("world.db", |path| {
            fs::create_dir_all(path.join("in")).unwrap();
        }),
        ("world.db-wal", pipe),
        ("manifests", pipe),
        ("artefacts/pipe", pipe),
    ];
    let mut told = String::new();
    for (path, is_broken) in breaks {
        let world = clean();
        let at = world.root().join(path);
        remove(&at);
        is_broken(&at);
        let before = raw(&world);
        told += &error(&rollback(&world, &["clean"], YES));
        remove(&world.root().join("set-aside"));
        let ran = rollback(&world, &OPTION, YES);
        assert_eq!(ran.code, 0, "{path} {ran:?}");
        assert!(state(&world) == state(&clean()), "{path}");
        let folder = world.root().join("set-aside/before-rollback-000002");
        let mut found = picture(&folder);
        found.remove(Path::new("artefacts_on_record.json"));
        assert_eq!(found, before, "{path}");
    }
    assert_snapshot!(told, @"
    ERROR: rollback 1 to clean: nothing was changed: the present state (move away what stands in its place): is not a baseline of a state root: it has no file 'config.json'
    hint: 'coo rollback clean --set-aside' moves the present state to a folder of its own, unchanged, and continues
    ERROR: rollback 1 to clean: nothing was changed: database .coo/world.db: database .coo/world.db: .coo/world.db: is not a regular file; move it away
    hint: 'coo rollback clean --set-aside' moves the present state to a folder of its own, unchanged, and continues
    ERROR: rollback 1 to clean: nothing was changed: database .coo/world.db: database .coo/world.db: .coo/world.db-wal: is not a regular file; move it away
    hint: 'coo rollback clean --set-aside' moves the present state to a folder of its own, unchanged, and continues
    ERROR: rollback 1 to clean: nothing was changed: 'manifests' is a pipe, and a baseline holds files, folders and links
    hint: remove it first
    hint: 'coo rollback clean --set-aside' moves the present state to a folder of its own, unchanged, and continues
    ERROR: rollback 1 to clean: nothing was changed: 'artefacts/pipe' is a pipe, and a baseline holds files, folders and links
    hint: remove it first
    hint: 'coo rollback clean --set-aside' moves the present state to a folder of its own, unchanged, and continues
    ");
}

fn points() -> Vec<String> {
    let world = unreadable();
    let list = world.path().join("points");
    let ran = start(
        &world,
        &OPTION,
        YES,
        Some(&format!("list:{}", list.display())),
    );
    assert!(ran.status.success(), "{ran:?}");
    let text = fs::read_to_string(list).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_process_that_dies_leaves_the_old_state_or_the_restored_one_and_all_of_the_old_aside() {
    let restored = state(&clean());
    let old = raw(&unreadable());
    let points = points();
    for way in ["kill", "fail"] {
        let mut ends = [0, 0];
        for (n, point) in (1..).zip(&points).step_by(every(3)) {
            let world = unreadable();
            let fault = format!("{way}:{n}");
            let ended = start(&world, &OPTION, YES, Some(&fault));
            let stderr = String::from_utf8_lossy(&ended.stderr);
            assert!(!stderr.contains("panicked"), "{fault} {point}: {stderr}");
            // Any command puts it in order, also one that only reads.
            let next = world.coo(&["missions"]);
            let is_restored = aside(&world) == old;
            ends[usize::from(is_restored)] += 1;
            if is_restored {
                assert_eq!(next.code, 0, "{fault} {point} {next:?}");
                assert!(state(&world) == restored, "{fault} {point}: a mix");
                assert_eq!(outcomes(&world), ["restored"], "{fault} {point}");
            } else {
                assert_eq!(raw(&world), old, "{fault} {point}: a mix");
                assert!(!world.root().join("set-aside").exists(), "{fault} {point}");
                let again = rollback(&world, &OPTION, YES);
                assert_eq!(again.code, 0, "{fault} {point} {again:?}");
                assert!(state(&world) == restored, "{fault} {point}");
            }
            assert_at(&world, "clean");
            assert!(!world.root().join(".coo-restore").exists());
        }
        println!("{way}: {} old, {} restored, 0 mixed", ends[0], ends[1]);
        assert!(ends[0] > 3 && ends[1] > 3);
    }
}

#[test]
fn a_recovery_that_dies_is_recovered() {
    let restored = state(&clean());
    let old = raw(&unreadable());
    let points = points();
    for point in [
        "tree.aside",
        "tree.put",
        "world.put",
        "aside.put",
        "steps.remove",
    ] {
        let first = 1 + points.iter().rposition(|name| name == point).unwrap();
        for second in 1.. {
            let world = unreadable();
            start(&world, &OPTION, YES, Some(&format!("kill:{first}")));
            let mut command = world.command(&["init"]);
            let ended = command.env("COO_FAULT", format!("kill:{second}")).output();
            let next = world.coo(&["missions"]);
            assert_eq!(next.code, 0, "{point}, then {second} {next:?}");
            assert!(state(&world) == restored, "{point}, then {second}");
            assert_eq!(aside(&world), old, "{point}, then {second}");
            if ended.unwrap().status.success() {
                assert!(second > 5, "{point}: {second}");
                break;
            }
        }
    }
}

/// Nothing is lost where somebody takes the stage away before anything was moved.
#[test]
fn a_stage_that_somebody_removed_is_made_again() {
    let old = raw(&unreadable());
    let first = points().iter().position(|name| name == "tree.aside");
    let world = unreadable();
    let fault = format!("kill:{}", first.unwrap() + 1);
    start(&world, &OPTION, YES, Some(&fault));
    fs::remove_dir_all(world.root().join(".coo-restore")).unwrap();
    assert_eq!(world.coo(&["missions"]).code, 0);
    assert!(state(&world) == state(&clean()));
    assert_eq!(aside(&world), old);
    let left: Vec<PathBuf> = fs::read_dir(world.root().join("set-aside"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(left.len(), 1, "{left:?}");
}
