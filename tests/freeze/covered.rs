//! What a freeze covers besides the governed state: every table of `coo.db`, every module, and the
//! `coo` that froze; and what is left of that where an earlier version froze.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{error, frozen, lift, ready, set_mode, steadied};
use crate::support::{Ran, World, ran};

/// Puts the files of a store back as they were.
struct Store {
    files: Vec<(PathBuf, Option<Vec<u8>>)>,
}

impl Store {
    fn kept(world: &World) -> Self {
        let files = ["coo.db", "coo.db-wal", "coo.db-shm"];
        let files = files.map(|file| world.root().join(file));
        Self {
            files: files.map(|path| (path.clone(), fs::read(path).ok())).into(),
        }
    }

    fn put_back(&self) {
        for (path, content) in &self.files {
            match content {
                Some(content) => fs::write(path, content).unwrap(),
                None => drop(fs::remove_file(path)),
            }
        }
    }
}

/// The definition of a trigger, so that it can be dropped and made again without a trace.
fn trigger(world: &World, name: &str) -> String {
    let sql = "SELECT sql FROM sqlite_schema WHERE name = ?1";
    let store = world.database("coo.db");
    store.query_row(sql, [name], |row| row.get(0)).unwrap()
}

/// Changes of tables that no trigger guards, and how they are named.
const CHANGES: [(&str, &str); 20] = [
    ("table blobs of coo.db", "UPDATE blobs SET bytes = x'00'"),
    (
        "table blobs of coo.db",
        "INSERT INTO blobs VALUES(x'00', x'00')",
    ),
    ("table blobs of coo.db", "DELETE FROM blobs WHERE rowid = 1"),
    (
        "table event_facts of coo.db",
        "UPDATE event_facts SET at_ms = 0 WHERE id = (SELECT min(id) FROM event_facts)",
    ),
    (
        "table event_facts of coo.db",
        "UPDATE event_facts SET source = 'x'",
    ),
    ("table event_facts of coo.db", "DELETE FROM event_facts"),
    (
        "table missions of coo.db",
        "UPDATE missions SET facts = replace(facts, ':', ': ')",
    ),
    (
        "table missions of coo.db",
        "UPDATE missions SET finished_ms = finished_ms + 1",
    ),
    (
        "table missions of coo.db",
        "UPDATE missions SET created_ms = 0",
    ),
    (
        "table missions of coo.db",
        "UPDATE missions SET interrupted = 'x'",
    ),
    (
        "table world_commits of coo.db",
        "UPDATE world_commits SET number = 7",
    ),
    ("table world_commits of coo.db", "DELETE FROM world_commits"),
    (
        "table changes of coo.db",
        "INSERT INTO changes VALUES(1, 'migration', 'x', NULL, x'00', 0, 1)",
    ),
    (
        "table change_events of coo.db",
        "INSERT INTO change_events VALUES(1 << 32, 'INIT', 'begun', '{}', x'00', x'00')",
    ),
    (
        "table change_facts of coo.db",
        "INSERT INTO change_facts VALUES(1 << 32, 0, 'x')",
    ),
    (
        "table sqlite_sequence of coo.db",
        "UPDATE sqlite_sequence SET seq = 9 WHERE name = 'missions'",
    ),
    (
        "table sqlite_schema of coo.db",
        "DROP TRIGGER rollbacks_never_vanish",
    ),
    ("table sqlite_schema of coo.db", "CREATE TABLE more(x)"),
    ("databases/artefacts.json", "UPDATE artefacts SET bytes = 1"),
    (
        "frozen answers in coo.db",
        "INSERT INTO frozen_calls VALUES(x'00', 1, '{}', '{}')",
    ),
];

/// Changes of tables that a trigger guards. With it back, nobody sees from the schema that it was
/// gone.
const GUARDED: [(&str, &str, &str); 5] = [
    (
        "table segments of coo.db",
        "events_never_change",
        "UPDATE segments SET events = events || ' ' WHERE id = (SELECT min(id) FROM segments)",
    ),
    (
        "table rollbacks of coo.db",
        "rollbacks_end_once",
        "UPDATE rollbacks SET requested_ms = 0",
    ),
    (
        "table rollbacks of coo.db",
        "rollbacks_never_vanish",
        "DELETE FROM rollbacks",
    ),
    (
        "table freezes of coo.db",
        "freezes_go_one_way",
        "UPDATE freezes SET by_whom = 'x' WHERE number = 1",
    ),
    (
        "table freezes of coo.db",
        "freezes_never_vanish",
        "DELETE FROM freezes WHERE number = 1",
    ),
];

#[test]
fn a_change_of_any_table_is_told_by_the_next_command() {
    let world = ready();
    // A freeze that is over, for the log of them.
    assert_eq!(world.coo(&["freeze"]).code, 0);
    assert_eq!(lift(&world).code, 0);
    assert_eq!(world.coo(&["amu0", "create", "--name", "state"]).code, 0);
    let asked = world.coo_with_input(&["rollback", "state"], b"no\n");
    assert_snapshot!(error(&asked), @r"
    ERROR: RollbackAbortedException: rollback 1 to state: 'no\n' was typed, and only CONFIRM_ROLLBACK counts; nothing was rolled back
    hint: run 'coo rollback state' again and type CONFIRM_ROLLBACK, or first make an empty file CONFIRM_ROLLBACK in the state root
    ");
    assert_eq!(world.coo(&["freeze"]).code, 0);
    let kept = Store::kept(&world);
    let without = |name: &str, change: &str| {
        let sql = trigger(&world, name);
        format!("DROP TRIGGER {name}; {change}; {sql};")
    };
    let plain = CHANGES.map(|(what, change)| (what, change.to_owned()));
    let guarded = GUARDED.map(|(what, name, change)| (what, without(name, change)));
    let cases: Vec<(&str, String)> = plain.into_iter().chain(guarded).collect();
    kept.put_back();
    let mut told = String::new();
    for (what, change) in &cases {
        world.database("coo.db").execute_batch(change).unwrap();
        told += &error(&world.coo(&["missions"]));
        let status = world.coo(&["freeze", "status"]);
        let words = "was changed since freeze 2, ";
        assert!(error(&status).contains(words), "{status:?}");
        assert!(status.stdout.contains(what), "{change}: {status:?}");
        kept.put_back();
        assert_eq!(world.coo(&["missions"]).code, 0, "{change}");
    }
    assert_snapshot!(told, @"
    ERROR: state root .coo: was changed since freeze 2: table blobs of coo.db (other content), content <sha256> in coo.db (other content), content <sha256> in coo.db (other content), 3 more
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 2: table blobs of coo.db (other content)
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 2: table blobs of coo.db (other content)
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 2: table event_facts of coo.db (other content)
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 2: table event_facts of coo.db (other content)
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 2: table event_facts of coo.db (other content)
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 2: table missions of coo.db (other content)
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 2: table missions of coo.db (other content)
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 2: table missions of coo.db (other content)
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 2: table missions of coo.db (other content)
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 2: table world_commits of coo.db (other content)
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 2: table world_commits of coo.db (other content)
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 2: table changes of coo.db (other content), table sqlite_sequence of coo.db (other content)
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 2: table change_events of coo.db (other content)
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 2: table change_facts of coo.db (other content)
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 2: table sqlite_sequence of coo.db (other content)
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 2: table sqlite_schema of coo.db (other content)
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 2: table sqlite_schema of coo.db (other content)
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 2: databases/artefacts.json (other content)
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 2: frozen answers in coo.db (other content)
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 2: table segments of coo.db (other content)
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 2: table rollbacks of coo.db (other content)
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 2: table rollbacks of coo.db (other content)
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 2: table freezes of coo.db (other content)
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 2: table freezes of coo.db (other content)
    hint: 'coo freeze status' lists all differences
    ");
    // A content that is not what its digest says is named by that.
    world
        .database("coo.db")
        .execute_batch("UPDATE blobs SET bytes = x'00' WHERE rowid = 1")
        .unwrap();
    let status = world.coo(&["freeze", "status"]);
    let named = status.stdout.matches("  content ").count();
    assert_eq!(named, 1, "{status:?}");
}

#[test]
fn a_module_that_is_not_what_it_was_is_told() {
    let world = frozen();
    let folder = world.root().join("modules");
    let module = fs::read_dir(&folder).unwrap().next().unwrap().unwrap();
    let (path, name) = (module.path(), module.file_name().into_string().unwrap());
    let content = fs::read(&path).unwrap();
    let mut told = String::new();
    let mut named = || {
        let ran = world.coo(&["missions"]);
        assert!(ran.stderr.contains(&name), "{ran:?}");
        told += &error(&ran);
    };
    fs::write(&path, "x").unwrap();
    named();
    fs::remove_file(&path).unwrap();
    named();
    fs::write(&path, &content).unwrap();
    assert_eq!(world.coo(&["missions"]).code, 0);
    fs::write(folder.join("more.wasm"), "x").unwrap();
    told += &error(&world.coo(&["missions"]));
    assert_snapshot!(told, @"
    ERROR: state root .coo: was changed since freeze 1: modules/<sha256>.wasm (other content)
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 1: modules/<sha256>.wasm (missing)
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 1: modules/more.wasm (extra)
    hint: 'coo freeze status' lists all differences
    ");
}

#[test]
fn files_that_are_locked_stay_locked() {
    let world = frozen();
    let mut told = String::new();
    for file in super::LOCKED {
        let path = world.root().join(file);
        set_mode(&path, 0o644);
        told += &error(&world.coo(&["missions"]));
        set_mode(&path, 0o444);
        assert_eq!(world.coo(&["missions"]).code, 0);
    }
    assert_snapshot!(told, @"
    ERROR: state root .coo: was changed since freeze 1: FREEZE (other mode)
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 1: manifests/freeze_manifest.json (other mode)
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 1: world.db (other mode)
    hint: 'coo freeze status' lists all differences
    ");
}

/// Runs another `coo`.
fn other(world: &World, coo: &PathBuf, arguments: &[&str]) -> Ran {
    ran(world.program(coo, arguments).output().unwrap())
}

#[test]
fn another_coo_is_named_and_told_the_way_on() {
    let world = frozen();
    let coo = world.path().join("coo");
    fs::copy(env!("CARGO_BIN_EXE_coo"), &coo).unwrap();
    // The same one, elsewhere.
    assert_eq!(other(&world, &coo, &["missions"]).code, 0);
    let mut content = fs::read(&coo).unwrap();
    content.push(0);
    fs::write(&coo, content).unwrap();
    let mut told = String::new();
    for command in [&["missions"] as &[&str], &["replay", "MISSION-000001"]] {
        told += &error(&other(&world, &coo, command));
    }
    assert_snapshot!(told.replace(env!("CARGO_PKG_VERSION"), "<version>"), @"
    ERROR: state root .coo: was frozen by another coo (version <version>; this one has version <version> and another executable, freeze 1)
    hint: use that one, or, if the change is intended, run 'coo freeze lift', 'coo manifests write' and 'coo freeze'
    ERROR: state root .coo: was frozen by another coo (version <version>; this one has version <version> and another executable, freeze 1)
    hint: use that one, or, if the change is intended, run 'coo freeze lift', 'coo manifests write' and 'coo freeze'
    ");
    let status = other(&world, &coo, &["freeze", "status"]);
    assert_snapshot!(steadied("freeze status", &status), @"
    $ coo freeze status
    another executable  coo
    Freeze 1
      Since: <time>
      By:
      Manifest: manifests/freeze_manifest.json
      <sha256>
      Governed:
      Missions: 1
      Result: CHANGED
    --- standard error
    ERROR: state root .coo: was changed since freeze 1, 1 difference
    hint: undo that, or 'coo freeze lift' ends the freeze
    --- exit 3
    ");
    // Nothing of the root has changed.
    assert_eq!(world.coo(&["freeze", "status"]).code, 0);
}

/// Makes of the root's freeze what an earlier version would have left.
fn as_of_version_1(world: &World) {
    let file = world.root().join("manifests/freeze_manifest.json");
    let mut manifest: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let removed = manifest.as_object_mut().unwrap().remove("covered");
    assert!(removed.is_some());
    manifest["format"] = "coo-freeze-manifest/1".into();
    let text = manifest.to_string();
    fs::remove_file(&file).unwrap();
    fs::write(&file, &text).unwrap();
    set_mode(&file, 0o444);
    for file in ["FREEZE", "world.db"] {
        set_mode(&world.root().join(file), 0o644);
    }
    let sql = trigger(world, "freezes_go_one_way");
    let store = world.database("coo.db");
    store
        .execute_batch("DROP TRIGGER freezes_go_one_way")
        .unwrap();
    store
        .execute("UPDATE freezes SET manifest = ?1", [&text])
        .unwrap();
    store.execute_batch(&sql).unwrap();
}

#[test]
fn a_freeze_of_an_earlier_version_is_checked_as_far_as_it_goes_and_lifted() {
    let world = frozen();
    as_of_version_1(&world);
    assert_eq!(world.coo(&["missions"]).code, 0);
    let mut told = error(&world.coo(&["run-demo"]));
    let artefacts = world.root().join("artefacts");
    fs::write(artefacts.join("more"), "x").unwrap();
    told += &error(&world.coo(&["missions"]));
    assert_snapshot!(told, @"
    ERROR: state root .coo: has been frozen since <time> by freeze 1, nothing was changed
    hint: 'coo freeze lift' lifts the freeze
    ERROR: state root .coo: was changed since freeze 1: artefacts/more (extra)
    hint: 'coo freeze status' lists all differences
    ");
    fs::remove_file(artefacts.join("more")).unwrap();
    // What it did not write down it does not tell.
    world
        .database("coo.db")
        .execute_batch("UPDATE missions SET finished_ms = 0")
        .unwrap();
    assert_eq!(world.coo(&["freeze", "status"]).code, 0);
    assert_eq!(lift(&world).code, 0);
    assert_eq!(world.coo(&["run-demo"]).code, 0);
}

/// What changes when somebody changes the file.
fn stamp(path: &Path) -> Value {
    let Some(found) = path.metadata().ok().filter(|found| found.len() > 0) else {
        return Value::Null;
    };
    json!([
        found.dev(),
        found.ino(),
        found.size(),
        found.mtime(),
        found.mtime_nsec(),
        found.ctime(),
        found.ctime_nsec(),
    ])
}

/// Notes, as a reading command does, that the store as it is now was found in order.
fn note(world: &World) {
    let status: Value = {
        let ran = world.coo(&["freeze", "status", "--json"]);
        serde_json::from_str(&ran.stdout).unwrap()
    };
    let seen = json!({
        "files": [stamp(&world.root().join("coo.db")), stamp(&world.root().join("coo.db-wal"))],
        "manifest_sha256": status["manifest_sha256"],
    });
    let file = world.root().join("cache/freeze_check.json");
    fs::write(file, seen.to_string()).unwrap();
}

#[test]
fn a_store_that_was_in_order_is_read_again_only_where_its_files_were_changed() {
    let world = frozen();
    note(&world);
    assert_eq!(world.coo(&["missions"]).code, 0);
    let tampered = "UPDATE missions SET finished_ms = 0";
    world.database("coo.db").execute_batch(tampered).unwrap();
    let mut told = error(&world.coo(&["missions"]));
    // Whoever forges the note, too, is not told by a command that only looks. The status trusts
    // no note.
    note(&world);
    assert_eq!(world.coo(&["missions"]).code, 0);
    told += &error(&world.coo(&["freeze", "status"]));
    told += &error(&lift(&world));
    assert_snapshot!(told, @"
    ERROR: state root .coo: was changed since freeze 1: table missions of coo.db (other content)
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 1, 1 difference
    hint: undo that, or 'coo freeze lift' ends the freeze
    --- exit 3
    ERROR: freeze 1: 'LIFT_FREEZE' does not lift it, so it stays in force
    hint: run the command again and type exactly LIFT_CHANGED_FREEZE
    ");
}
