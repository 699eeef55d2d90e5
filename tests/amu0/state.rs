//! Baselines of the state root: what is in one, that the same state is the same baseline, what
//! a comparison names, which came after which, and which run can be promoted.

use std::fs;

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::tree::{pipe, remove, set_mode};
use crate::support::{Ran, World, copy_folder, shown, steady};

/// Returns the error of a command, without the notes on manifests before it.
#[track_caller]
fn error(ran: &Ran) -> String {
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
    let start = ran.stderr.find("ERROR: ");
    let start = start.unwrap_or_else(|| panic!("{ran:?}"));
    ran.stderr[start..].to_owned()
}

/// A world in which the triage mission ran, and the four manifests were written.
fn ran() -> World {
    let world = World::new();
    assert_eq!(world.coo(&["run", "triage"]).code, 0);
    for name in ["tools_manifest.json", "environment_manifest.json"] {
        world.file(&format!(".coo/manifests/{name}"), "{}");
    }
    world.file(".coo/manifests/hardware_manifest.json", "{\"cpu\":1}");
    world.file(".coo/manifests/sandbox_digest.txt", "x");
    world
}

fn create(world: &World, more: &[&str]) -> Value {
    world.json(&[&["amu0", "create"], more].concat())
}

fn paths(world: &World, id: &Value) -> Vec<String> {
    let file = format!("amu0/baselines/{}.json", id.as_str().unwrap());
    let text = fs::read(world.root().join(file)).unwrap();
    let manifest: Value = serde_json::from_slice(&text).unwrap();
    let entries = manifest["entries"].as_array().unwrap().iter();
    entries
        .map(|entry| entry["path"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_state_is_files_databases_module_set_and_missions() {
    let world = ran();
    let made = world.coo(&["amu0", "create", "--name", "clean"]);
    assert_eq!(made.code, 0, "{made:?}");
    // Its manifests are made up, and that is all there is to say.
    assert_snapshot!(steady(&made.stderr), @"[coo] manifests/ differs from the current environment in <n> places: the baseline keeps it as it is; 'coo manifests check' lists the differences");
    let record = &world.list(&["amu0", "list"])[0];
    let paths = paths(&world, &record["baseline"]);
    let report = paths
        .iter()
        .find(|path| path.starts_with("artefacts/triage/T"));
    assert!(report.is_some(), "{paths:?}");
    for path in [
        "artefacts/INDEX.json",
        "config.json",
        "databases/artefacts.json",
        "databases/world.jsonl",
        "manifests/environment_manifest.json",
        "manifests/hardware_manifest.json",
        "manifests/sandbox_digest.txt",
        "manifests/tools_manifest.json",
        "missions/demo.json",
        "missions/triage.json",
        "sandbox_digest.txt",
    ] {
        assert!(paths.iter().any(|found| found == path), "{path}: {paths:?}");
    }
    for outside in [
        "coo.db", "world.db", "modules", "demo", "amu0", "lock", "tmp", "cache",
    ] {
        let inside = paths.iter().any(|path| path.starts_with(outside));
        assert!(!inside, "{outside}: {paths:?}");
    }
    assert_eq!(record["lineage"], json!({"number": 1}));
    assert_eq!(world.coo(&["amu0", "verify", "clean", "--state"]).code, 0);
    let tmp = fs::read_dir(world.root().join("tmp")).unwrap().count();
    assert_eq!(tmp, 0);
}

#[test]
fn manifests_that_lack_are_named_in_one_line() {
    let world = ran();
    remove(&world.root().join("manifests/hardware_manifest.json"));
    let made = world.coo(&["amu0", "create"]);
    assert_eq!(made.code, 0, "{made:?}");
    // The others are made up, which is a line of its own.
    assert_snapshot!(steady(&made.stderr), @"
    [coo] manifests/ lacks hardware_manifest.json: the baseline lacks them, too; 'coo manifests write' makes them
    [coo] manifests/ differs from the current environment in <n> places: the baseline keeps it as it is; 'coo manifests check' lists the differences
    ");
}

#[test]
fn manifests_that_say_something_else_are_kept_and_that_is_said() {
    let world = ran();
    assert_eq!(world.coo(&["manifests", "write"]).code, 0);
    assert_eq!(world.coo(&["amu0", "create"]).stderr, "");
    let file = world.root().join("manifests/hardware_manifest.json");
    let text = fs::read_to_string(&file).unwrap();
    let mut forged: Value = serde_json::from_str(&text).unwrap();
    forged["file_system"] = json!("another");
    forged["numa"] = json!({"77": "0"});
    fs::write(&file, forged.to_string()).unwrap();
    let check = world.coo(&["manifests", "check", "--json"]);
    let check: Value = serde_json::from_str(&check.stdout).unwrap();
    let count = check["drifts"].as_array().unwrap().len();
    assert!(count > 0, "{check}");
    let made = world.coo(&["amu0", "create"]);
    print!("{}", made.stderr);
    assert_eq!(made.code, 0, "{made:?}");
    assert_eq!(
        made.stderr,
        format!(
            "[coo] manifests/ differs from the current environment in {count} place{}: the baseline keeps it as it is; 'coo manifests check' lists the differences\n",
            if count == 1 { "" } else { "s" }
        )
    );
}

#[test]
fn the_same_state_is_the_same_baseline_wherever_and_whenever() {
    let world = ran();
    let first = create(&world, &[]);
    let second = create(&world, &[]);
    assert_eq!(first["baseline"], second["baseline"]);
    assert_eq!(second["new_objects"], 0);
    // A copy of the root, elsewhere; the layout of its database changed, its content did not.
    let other = World::new();
    copy_folder(&world.root(), &other.root());
    let database = other.database("world.db");
    database
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE); VACUUM;")
        .unwrap();
    drop(database);
    assert_eq!(create(&other, &[])["baseline"], first["baseline"]);
    // Made anew, by the same missions in the same order, and one more that changes nothing.
    let anew = ran();
    assert_eq!(anew.coo(&["run-demo"]).code, 0);
    assert_eq!(create(&anew, &[])["baseline"], first["baseline"]);
}

#[test]
fn a_comparison_names_what_differs() {
    let world = ran();
    create(&world, &["--name", "clean"]);
    let verify = ["amu0", "verify", "clean", "--state"];
    assert_eq!(world.coo(&verify).code, 0);
    world.file(".coo/config.json", "{\"llm\":{}}");
    world.file(".coo/artefacts/more.txt", "x");
    set_mode(&world.root().join("artefacts/INDEX.md"), 0o600);
    remove(&world.root().join("manifests/sandbox_digest.txt"));
    world
        .database("world.db")
        .execute_batch("UPDATE ticket SET label = 'x' WHERE id = 1")
        .unwrap();
    let found = world.coo(&verify);
    assert_snapshot!(shown("amu0 verify clean --state", &found), @"
    $ coo amu0 verify clean --state
    Verify clean
      Id: <sha256>
      Holds: 14 files, 5 folders, 0 links, <n> bytes
      Objects: 12 of 12 intact, 6985 bytes
      State: .coo
        other mode    artefacts/INDEX.md
        extra         artefacts/more.txt
        other content config.json
        other content databases/world.jsonl
        missing       manifests/sandbox_digest.txt
      Result: DIFFERENT
    --- standard error
    ERROR: state root .coo: does not match the baseline, 5 differences
    hint: 'coo rollback clean' restores it
    --- exit 3
    ");
    world.file("tree/file", "1");
    let tree = ["amu0", "create", "--tree", "tree", "--name", "tree"];
    assert_eq!(world.coo(&tree).code, 0);
    let ran = world.coo(&["amu0", "verify", "tree", "--state"]);
    assert_snapshot!(shown("amu0 verify tree --state", &ran), @"
    $ coo amu0 verify tree --state
    --- standard error
    ERROR: is not a baseline of a state root: 'file' is not part of one
    --- exit 1
    ");
}

#[test]
fn what_can_not_be_kept_is_an_error() {
    let world = ran();
    pipe(&world.root().join("artefacts/pipe"));
    let mut told = shown("amu0 create", &world.coo(&["amu0", "create"]));
    remove(&world.root().join("artefacts/pipe"));
    let reserved = ["amu0", "create", "--name", "before-rollback-000001"];
    told += &shown(&reserved.join(" "), &world.coo(&reserved));
    world
        .database("world.db")
        .execute_batch("CREATE VIRTUAL TABLE x USING fts5(y)")
        .unwrap();
    told += &shown("amu0 create", &world.coo(&["amu0", "create"]));
    assert_snapshot!(told, @"
    $ coo amu0 create
    --- standard error
    [coo] manifests/ differs from the current environment in <n> places: the baseline keeps it as it is; 'coo manifests check' lists the differences
    ERROR: 'artefacts/pipe' is a pipe, and a baseline holds files, folders and links
    hint: remove it first
    --- exit 1
    $ coo amu0 create --name before-rollback-000001
    --- standard error
    [coo] manifests/ differs from the current environment in <n> places: the baseline keeps it as it is; 'coo manifests check' lists the differences
    ERROR: name 'before-rollback-000001': before-rollback-… is reserved for rollbacks
    hint: choose another
    --- exit 1
    $ coo amu0 create
    --- standard error
    [coo] manifests/ differs from the current environment in <n> places: the baseline keeps it as it is; 'coo manifests check' lists the differences
    ERROR: database .coo/world.db: database .coo/world.db: table x: is a virtual table, and no mission can make one
    hint: drop it
    --- exit 1
    ");
    assert_eq!(world.list(&["amu0", "list"]), json!([]));
}

#[test]
fn a_run_is_promoted_while_the_state_is_what_it_left() {
    let world = ran();
    let promote = |id: &str, name: &str| world.coo(&["amu0", "promote", id, "--name", name]);
    create(&world, &["--name", "clean"]);
    let made = promote("MISSION-000001", "first");
    assert_eq!(made.code, 0, "{made:?}");
    // One that changes nothing: the state is what both left.
    assert_eq!(world.coo(&["run-demo"]).code, 0);
    for (id, name) in [("DEMO-000002", "demo"), ("MISSION-000001", "again")] {
        assert_eq!(promote(id, name).code, 0);
    }
    assert_eq!(world.coo(&["run", "triage"]).code, 0);
    let mut told = String::new();
    for (id, name) in [("MISSION-000001", "x"), ("DEMO-000002", "y")] {
        told += &error(&promote(id, name));
    }
    world.file(".coo/artefacts/notes.txt", "by hand");
    told += &error(&promote("MISSION-000003", "z"));
    assert_snapshot!(told, @"
    ERROR: mission MISSION-000001: the state has changed since it ended, by mission MISSION-000003
    hint: promote mission MISSION-000003, or keep the state as it is with 'coo amu0 create'
    ERROR: mission DEMO-000002: the state has changed since it ended, by mission MISSION-000003
    hint: promote mission MISSION-000003, or keep the state as it is with 'coo amu0 create'
    ERROR: mission MISSION-000003: the state has changed since it ended, 1 difference in artefacts/, at 'notes.txt'
    hint: 'coo artefacts check' lists the differences, its --repair undoes them, and 'coo amu0 promote' with --edited promotes the state as it is
    ");
    remove(&world.root().join("artefacts/notes.txt"));
    assert_eq!(promote("MISSION-000003", "third").code, 0);

    let view = world.json(&["amu0", "lineage"]);
    let baselines = view["baselines"].as_array().unwrap();
    let names: Vec<&Value> = baselines.iter().map(|record| &record["name"]).collect();
    assert_eq!(names, ["clean", "first", "demo", "again", "third"]);
    let head = world.json(&["inspect", "MISSION-000003"])["chain_head"].clone();
    let last = &baselines[4]["lineage"];
    assert_eq!(
        (&last["run"]["mission"], &last["run"]["chain_head"]),
        (&json!("MISSION-000003"), &head)
    );
    assert_eq!(last["after"]["name"], "again");
    assert_eq!(view["position"]["name"], "third");
    let text = world.coo(&["amu0", "lineage"]);
    assert_snapshot!(shown("amu0 lineage", &text), @"
    $ coo amu0 lineage
    clean                   <sha256…>  <time>
    first                   <sha256…>  <time>
        end of MISSION-000001 (chain <sha256…>), after clean
    demo                    <sha256…>  <time>
        end of DEMO-000002 (chain <sha256…>), after first
    again                   <sha256…>  <time>
        end of MISSION-000001 (chain <sha256…>), after demo
    third                   <sha256…>  <time>
        end of MISSION-000003 (chain <sha256…>), after again
    The state goes back to third.
    --- exit 0
    ");
    assert!(text.stdout.lines().all(|line| line.chars().count() <= 80));
}

/// What the run left is on record: its configuration, and a digest of the world.
#[test]
fn a_state_that_was_edited_since_the_run_is_promoted_only_if_that_is_said() {
    let world = ran();
    let promote = |id: &str, more: &[&str]| world.coo(&[&["amu0", "promote", id], more].concat());
    let run = |place: usize| {
        let view = world.json(&["amu0", "lineage"]);
        view["baselines"][place]["lineage"]["run"]["compared"].clone()
    };
    assert_eq!(promote("MISSION-000001", &[]).code, 0);
    assert_eq!(run(0), json!({"edited": [], "unknown": []}));
    let edit = |sql: &str| world.database("world.db").execute_batch(sql).unwrap();
    edit("UPDATE ticket SET label = label || 'x' WHERE id = 1");
    let by_edit = error(&promote("MISSION-000001", &[]));
    assert_snapshot!(by_edit, @"
    ERROR: mission MISSION-000001: the state has changed since it ended, by an edit of: world.db
    hint: undo the edit, or promote it with --edited, which its lineage records, or keep the state as it is with 'coo amu0 create'
    ");
    let config = fs::read_to_string(world.root().join("config.json")).unwrap();
    world.file(".coo/config.json", "{\"llm\":{\"attempts\":2}}");
    world.file(".coo/artefacts/notes.txt", "by hand");
    assert_snapshot!(error(&promote("MISSION-000001", &[])), @"
    ERROR: mission MISSION-000001: the state has changed since it ended, 1 difference in artefacts/, at 'notes.txt'
    hint: 'coo artefacts check' lists the differences, its --repair undoes them, and 'coo amu0 promote' with --edited promotes the state as it is
    ");
    let made = promote("MISSION-000001", &["--edited", "--name", "edited"]);
    let command = "amu0 promote MISSION-000001 --edited --name edited";
    assert_snapshot!(shown(command, &made), @"
    $ coo amu0 promote MISSION-000001 --edited --name edited
    Baseline edited
      Id: <sha256>
      State: <world>/.coo
      Run: MISSION-000001 (chain <sha256…>)
        edited since the run: artefacts, config.json, world.db
      After: AMU0-000001 (<sha256…>)
      Holds: 15 files, 5 folders, 0 links, <n> bytes
      New in the store: 3 objects, <n> bytes
    --- standard error
    [coo] manifests/ differs from the current environment in <n> places: the baseline keeps it as it is; 'coo manifests check' lists the differences
    --- exit 0
    ");
    let line = "    edited since the run: artefacts, config.json, world.db\n";
    assert!(world.coo(&["amu0", "lineage"]).stdout.contains(line));
    // Undone by hand, and nothing more is to be said.
    remove(&world.root().join("artefacts/notes.txt"));
    world.file(".coo/config.json", &config);
    edit("UPDATE ticket SET label = rtrim(label, 'x') WHERE id = 1");
    assert_eq!(promote("MISSION-000001", &["--edited"]).code, 0);
    assert_eq!(run(2), json!({"edited": [], "unknown": []}));
    // A run that changes nothing leaves what the last one left.
    assert_eq!(world.coo(&["run-demo"]).code, 0);
    assert_eq!(promote("DEMO-000002", &[]).code, 0);
    edit("CREATE TABLE more(x)");
    let of_demo = |id: &str| by_edit.replace("MISSION-000001", id);
    assert_eq!(error(&promote("DEMO-000002", &[])), of_demo("DEMO-000002"));
    // A rollback leaves what its baseline has.
    let back = world.coo_with_input(&["rollback", "edited"], b"CONFIRM_ROLLBACK\n");
    assert_eq!(back.code, 0, "{back:?}");
    world.file(".coo/config.json", &config);
    assert_eq!(world.coo(&["artefacts", "check", "--repair"]).code, 0);
    assert_eq!(world.coo(&["run-demo"]).code, 0);
    assert_eq!(promote("DEMO-000003", &[]).code, 0);
    edit("CREATE TABLE more(x)");
    assert_eq!(error(&promote("DEMO-000003", &[])), of_demo("DEMO-000003"));
}

#[test]
fn an_empty_world_was_not_edited() {
    let world = World::new();
    assert_eq!(world.coo(&["run-demo"]).code, 0);
    let made = world.json(&["amu0", "promote", "DEMO-000001"]);
    let compared = &made["lineage"]["run"]["compared"];
    assert_eq!(compared, &json!({"edited": [], "unknown": []}));
    world
        .database("world.db")
        .execute_batch("CREATE TABLE more(x)")
        .unwrap();
    let ran = world.coo(&["amu0", "promote", "DEMO-000001"]);
    assert_snapshot!(error(&ran), @"
    ERROR: mission DEMO-000001: the state has changed since it ended, by an edit of: world.db
    hint: undo the edit, or promote it with --edited, which its lineage records, or keep the state as it is with 'coo amu0 create'
    ");
}

/// What missions did is done once more: what somebody else did before one of them comes to light.
#[test]
fn an_edit_that_a_later_run_went_on_from_is_found() {
    let world = ran();
    let edit = |statement: &str| {
        let database = world.database("world.db");
        database.execute_batch(statement).unwrap();
    };
    edit("CREATE TABLE more(x)");
    assert_eq!(world.coo(&["run-demo"]).code, 0);
    let ran = world.coo(&["amu0", "promote", "DEMO-000002"]);
    assert_snapshot!(error(&ran), @"
    ERROR: mission DEMO-000002: the state has changed since it ended, by an edit of: world.db
    hint: undo the edit, or promote it with --edited, which its lineage records, or keep the state as it is with 'coo amu0 create'
    ");
    edit("DROP TABLE more");
    assert_eq!(world.coo(&["amu0", "promote", "DEMO-000002"]).code, 0);
}

/// A record of before there were comparisons.
#[test]
fn what_an_older_record_does_not_say_is_not_guessed() {
    let world = ran();
    let made = world.coo(&["amu0", "promote", "MISSION-000001"]);
    assert_eq!(made.code, 0, "{made:?}");
    let file = world.root().join("amu0/names/AMU0-000001.json");
    let mut record: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let run = record["lineage"]["run"].as_object_mut().unwrap();
    assert!(run.remove("compared").is_some());
    fs::write(&file, record.to_string()).unwrap();
    let lineage = world.coo(&["amu0", "lineage"]);
    assert_snapshot!(shown("amu0 lineage", &lineage), @"
    $ coo amu0 lineage
    AMU0-000001             <sha256…>  <time>
        end of MISSION-000001 (chain <sha256…>)
        not compared with what the run left
    The state goes back to AMU0-000001.
    --- exit 0
    ");
    assert!(
        lineage
            .stdout
            .lines()
            .all(|line| line.chars().count() <= 80)
    );
}

#[test]
fn what_is_no_end_of_a_run_is_not_promoted() {
    let world = World::new();
    for id in ["MISSION-000001", "nothing"] {
        let ran = world.coo(&["amu0", "promote", id]);
        assert_eq!(ran.stderr, format!("ERROR: Mission '{id}' not found.\n"));
    }
    assert_eq!(fs::read_dir(world.path()).unwrap().count(), 0);
    let ran = world.run_guest("(func (export \"_start\") unreachable)", &json!({}));
    assert_eq!(ran.code, 1, "{ran:?}");
    let ran = world.coo(&["amu0", "promote", "MISSION-000001"]);
    assert_snapshot!(shown("amu0 promote MISSION-000001", &ran), @"
    $ coo amu0 promote MISSION-000001
    --- standard error
    [coo] manifests/ lacks tools_manifest.json, environment_manifest.json, hardware_manifest.json, sandbox_digest.txt: the baseline lacks them, too; 'coo manifests write' makes them
    ERROR: mission MISSION-000001: did not complete, so it changed nothing
    hint: promote a mission that ended SUCCESS
    --- exit 1
    ");
}

/// Records that were written before there were baselines of state roots.
#[test]
fn an_older_record_is_a_tree() {
    let world = World::new();
    world.file("tree/file", "1");
    assert_eq!(
        world
            .coo(&["amu0", "create", "--tree", "tree", "--name", "old"])
            .code,
        0
    );
    let text = fs::read_to_string(world.root().join("amu0/names/old.json")).unwrap();
    assert!(!text.contains("lineage"), "{text}");
    assert_eq!(
        create(&world, &["--name", "new"])["lineage"],
        json!({"number": 1})
    );
    let list = world.coo(&["amu0", "list"]).stdout;
    let kinds: Vec<&str> = list
        .lines()
        .map(|line| line.split_whitespace().nth(7).unwrap())
        .collect();
    assert_eq!(kinds, ["tree", "state"], "{list}");
}
