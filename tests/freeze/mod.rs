//! Freezes: what has to hold before one begins, what is refused while it lasts, that tampering is
//! told by the next command whichever it is, that lifting gives everything back, and that a
//! process that dies at any point leaves a root that is frozen or one that is not.

mod covered;
mod edges;
mod pure;
mod tampered;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::every;
use crate::support::model_server::{ModelServer, Response};
use crate::support::{Ran, World, shown, steady};

/// What is locked beside what is governed.
const LOCKED: [&str; 3] = ["FREEZE", "manifests/freeze_manifest.json", "world.db"];

/// A world with a run, its artefact and its database, and manifests.
fn ready() -> World {
    made(World::new())
}

fn made(world: World) -> World {
    let ran = world.coo(&["run", "triage", "--frozen"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(world.coo(&["manifests", "write"]).code, 0);
    world
}

fn frozen() -> World {
    let world = ready();
    let ran = world.coo(&["freeze"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    world
}

/// As a user sees it, but for what differs from machine to machine.
fn steadied(command: &str, ran: &Ran) -> String {
    let mut text = String::new();
    for line in shown(command, ran).lines() {
        let mut known = ["  By: ", "  Governed: "].into_iter();
        let line = known.find(|label| line.starts_with(label)).unwrap_or(line);
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Returns the error of a command for a snapshot.
#[track_caller]
fn error(ran: &Ran) -> String {
    steady(&ran.error())
}

fn lift(world: &World) -> Ran {
    world.coo_with_input(&["freeze", "lift"], b"LIFT_FREEZE\n")
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Modes and contents of everything that is governed.
fn governed(world: &World) -> Vec<(PathBuf, u32, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    let mut waiting: Vec<PathBuf> = ["artefacts", "config.json", "manifests"]
        .iter()
        .map(|name| world.root().join(name))
        .collect();
    while let Some(path) = waiting.pop() {
        if path.ends_with("freeze_manifest.json") {
            continue;
        }
        let content = if path.is_dir() {
            waiting.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
            None
        } else {
            Some(fs::read(&path).unwrap())
        };
        found.push((path.clone(), mode(&path), content));
    }
    found.sort();
    found
}

#[test]
fn a_freeze_locks_what_is_governed_and_lifting_gives_it_back() {
    let world = ready();
    set_mode(&world.root().join("config.json"), 0o664);
    set_mode(&world.root().join("artefacts"), 0o750);
    let before = governed(&world);
    assert_snapshot!(steadied("freeze", &world.coo(&["freeze"])), @r"
    $ coo freeze
    Freeze 1
      Since: <time>
      By:
      Manifest: manifests/freeze_manifest.json
      <sha256>
      Governed:
      Missions: 1
      Result: FROZEN
    --- exit 0
    ");
    let text = fs::read_to_string(world.root().join("FREEZE")).unwrap();
    assert_eq!(text, "FREEZE=TRUE\n");
    for (path, mode, _) in governed(&world) {
        assert_eq!(mode & 0o222, 0, "{}", path.display());
    }
    for file in LOCKED {
        assert_eq!(mode(&world.root().join(file)), 0o444, "{file}");
    }
    assert_eq!(
        fs::metadata(world.root().join("world.db-wal")).map_or(0, |m| m.len()),
        0
    );
    let status = world.json(&["freeze", "status"]);
    assert_eq!(
        (&status["is_frozen"], &status["differences"]),
        (&json!(true), &json!([]))
    );
    assert_snapshot!(error(&world.coo(&["freeze"])), @"ERROR: state root .coo: has been frozen since <time> by freeze 1");

    assert_snapshot!(steadied("freeze lift", &lift(&world)), @r"
    $ coo freeze lift
    Freeze 1
      Since: <time>
      By:
      Manifest: manifests/freeze_manifest.json
      <sha256>
      Governed:
      Missions: 1
      Result: LIFTED
    --- standard error
    Type 'LIFT_FREEZE' to lift freeze 1
    --- exit 0
    ");
    assert_eq!(governed(&world), before);
    assert!(!world.root().join("FREEZE").exists());
    for file in &LOCKED[1..] {
        assert_eq!(mode(&world.root().join(file)), 0o644, "{file}");
    }
    assert_eq!(
        world.json(&["freeze", "status"]),
        json!({ "format": "coo-freeze/1", "is_frozen": false })
    );
    assert_snapshot!(error(&lift(&world)), @"ERROR: state root .coo: is not frozen");
    assert_eq!(world.coo(&["run-demo"]).code, 0);
    assert_eq!(world.coo(&["freeze"]).code, 0);
    assert_eq!(world.json(&["freeze", "status"])["number"], 2);
}

#[test]
fn equal_states_have_equal_manifests() {
    let [first, second] = [frozen(), frozen()].map(|world| {
        let manifest = world.root().join("manifests/freeze_manifest.json");
        let text = fs::read_to_string(manifest).unwrap();
        let mut value: Value = serde_json::from_str(&text).unwrap();
        // What the worlds do not share: where they lie, and when their mission ran.
        for part in ["manifests", "state", "state_sha256"] {
            assert!(value.as_object_mut().unwrap().remove(part).is_some());
        }
        let tables = value["covered"]["store"]["digests"]
            .as_object_mut()
            .unwrap();
        for table in ["event_facts", "missions"] {
            assert!(tables.remove(table).is_some());
        }
        value
    });
    assert_eq!(first, second);
    // One state, frozen twice, has one manifest, but for the log of earlier freezes.
    let world = frozen();
    let file = world.root().join("manifests/freeze_manifest.json");
    let text = fs::read(&file).unwrap();
    assert_eq!(lift(&world).code, 0);
    assert_eq!(world.coo(&["freeze"]).code, 0);
    let without_log = |text: &[u8]| {
        let mut value: Value = serde_json::from_slice(text).unwrap();
        let store = &mut value["covered"]["store"];
        store["bounds"]["last_freeze"] = Value::Null;
        store["digests"]["freezes"] = Value::Null;
        value
    };
    let again = fs::read(&file).unwrap();
    assert_eq!(without_log(&again), without_log(&text));
}

#[test]
fn what_would_change_the_state_is_refused() {
    let world = ready();
    world.triage_descriptor();
    world.file("tree/file", "x");
    assert_eq!(world.coo(&["amu0", "create", "--name", "state"]).code, 0);
    assert_eq!(world.coo(&["freeze"]).code, 0);
    let before = (governed(&world), world.list(&["missions"]));
    let mut told = BTreeSet::new();
    for command in [
        &["init"] as &[&str],
        &["run-demo"],
        &["run", "triage", "--frozen"],
        &["run", "triage.json"],
        &["resume", "MISSION-000001"],
        &["approve", "MISSION-000001"],
        &["reject", "MISSION-000001"],
        &["manifests", "write"],
        &["artefacts", "check", "--repair"],
        &["rollback", "state"],
    ] {
        told.insert(error(&world.coo(command)));
    }
    // Whichever it is, the same is said.
    let told: String = told.into_iter().collect();
    assert_snapshot!(told, @"
    ERROR: state root .coo: has been frozen since <time> by freeze 1, nothing was changed
    hint: 'coo freeze lift' lifts the freeze
    ");
    assert_eq!((governed(&world), world.list(&["missions"])), before);
}

#[test]
fn what_only_reads_or_keeps_goes_on() {
    let world = frozen();
    world.file("tree/file", "x");
    let before = governed(&world);
    for command in [
        &["missions"] as &[&str],
        &["mission", "MISSION-000001"],
        &["logs", "MISSION-000001"],
        &["inspect", "MISSION-000001"],
        &["explain", "MISSION-000001"],
        &["replay", "MISSION-000001"],
        &["export", "MISSION-000001", "--output", "run.coorun"],
        &["replay", "run.coorun"],
        &["artefacts"],
        &["artefacts", "check"],
        &["manifests", "check"],
        &["rollback", "--log"],
        &["amu0", "create", "--name", "state"],
        &["amu0", "verify", "state", "--state"],
        &["amu0", "create", "--tree", "tree", "--name", "tree"],
        &["amu0", "restore", "tree", "--tree", "tree"],
        &["amu0", "list"],
        &["amu0", "lineage"],
        &["validate", "demo"],
        &["digest"],
        &["freeze", "status"],
    ] {
        let ran = world.coo(command);
        assert_eq!(ran.code, 0, "{command:?} {ran:?}");
    }
    assert_eq!(governed(&world), before);
    // What was kept meanwhile is the state without the lock.
    assert_eq!(lift(&world).code, 0);
    let ran = world.coo(&["amu0", "verify", "state", "--state"]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn what_has_to_hold_first_is_named() {
    let bare = World::new();
    assert_snapshot!(error(&bare.coo(&["freeze"])), @"
    ERROR: no state root at .coo
    hint: 'coo init' makes one
    ");
    assert!(!bare.root().exists());
    assert_eq!(bare.coo(&["freeze", "status"]).code, 0);
    assert_eq!(bare.coo(&["init"]).code, 0);
    assert_snapshot!(shown("freeze", &bare.coo(&["freeze"])), @"
    $ coo freeze
    missing     manifests/environment_manifest.json
    missing     manifests/hardware_manifest.json
    missing     manifests/tools_manifest.json
    missing     manifests/sandbox_digest.txt
    --- standard error
    ERROR: state root .coo: its manifests are out of date, 4 differences, so it was not frozen
    hint: if this is intended, run 'coo manifests write' to accept the current environment
    --- exit 1
    ");

    let world = ready();
    let manifest = world.root().join("manifests/sandbox_digest.txt");
    fs::write(&manifest, "another\n").unwrap();
    assert_snapshot!(shown("freeze", &world.coo(&["freeze"])), @r#"
    $ coo freeze
    changed     manifests/sandbox_digest.txt: sha256
      recorded  "another"
      found     "<sha256>"
    --- standard error
    ERROR: state root .coo: its manifests are out of date, 1 difference, so it was not frozen
    hint: if this is intended, run 'coo manifests write' to accept the current environment
    --- exit 1
    "#);
    assert_eq!(world.coo(&["manifests", "write"]).code, 0);

    // A file that was handed to it, here as standard input under another number.
    let mut command = std::process::Command::new("sh");
    let handed = command
        .args([
            "-c",
            "exec \"$0\" freeze 7<config",
            env!("CARGO_BIN_EXE_coo"),
        ])
        .current_dir({
            world.file("config", "x");
            world.path()
        })
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let handed = crate::support::ran(handed);
    assert_snapshot!(shown("freeze 7<config", &handed), @"
    $ coo freeze 7<config
    --- standard error
    ERROR: descriptor 7 (<world>/config): was handed to this process and is neither stdio nor coo's
    hint: close it with 'coo freeze 7>&-', or start coo elsewhere
    --- exit 1
    ");

    // Somebody who reads holds the log.
    let reader = world.database("coo.db");
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM missions;")
        .unwrap();
    assert_eq!(world.coo(&["manifests", "check"]).code, 0);
    world
        .database("coo.db")
        .execute_batch("UPDATE missions SET name = name")
        .unwrap();
    assert_snapshot!(error(&world.coo(&["freeze"])), @"
    ERROR: database .coo/coo.db: another process reads it
    hint: wait for it and try again
    ");
    drop(reader);
    assert_eq!(world.coo(&["freeze"]).code, 0);
}

#[test]
fn a_mission_at_work_is_not_frozen() {
    let (server, release) = ModelServer::holding(|| Response::completion("bug"));
    let world = made(World::new().with("COO_LLM_BASE_URL", server.base_url()));
    world.triage_descriptor();
    let mut running = world.start(&["run", "triage.json"]);
    // Its first call has arrived: it holds the root.
    server.wait_for_request(&mut running);
    assert_snapshot!(error(&world.coo(&["freeze"])), @"
    ERROR: state root .coo: another coo process is at work on it
    hint: wait for it and try again
    ");
    running.kill().unwrap();
    running.wait().unwrap();
    // What was killed runs no more, and its journal is part of what is frozen.
    let ran = world.coo(&["freeze"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_snapshot!(error(&world.coo(&["resume", "MISSION-000002"])), @"
    ERROR: state root .coo: has been frozen since <time> by freeze 1, nothing was changed
    hint: 'coo freeze lift' lifts the freeze
    ");
    drop(release);
}

#[test]
fn only_the_exact_words_lift_a_freeze() {
    let world = frozen();
    let mut told = String::new();
    for said in [
        "",
        "\n",
        "yes\n",
        "lift_freeze\n",
        "LIFT_FREEZE \n",
        " LIFT_FREEZE\n",
        "LIFT_FREEZE\r\n",
        "LIFT_CHANGED_FREEZE\n",
    ] {
        let ran = world.coo_with_input(&["freeze", "lift"], said.as_bytes());
        told += &error(&ran);
    }
    assert_snapshot!(told, @"
    ERROR: freeze 1: '' does not lift it, so it stays in force
    hint: run the command again and type exactly LIFT_FREEZE
    ERROR: freeze 1: '' does not lift it, so it stays in force
    hint: run the command again and type exactly LIFT_FREEZE
    ERROR: freeze 1: 'yes' does not lift it, so it stays in force
    hint: run the command again and type exactly LIFT_FREEZE
    ERROR: freeze 1: 'lift_freeze' does not lift it, so it stays in force
    hint: run the command again and type exactly LIFT_FREEZE
    ERROR: freeze 1: 'LIFT_FREEZE' does not lift it, so it stays in force
    hint: run the command again and type exactly LIFT_FREEZE
    ERROR: freeze 1: ' LIFT_FREEZE' does not lift it, so it stays in force
    hint: run the command again and type exactly LIFT_FREEZE
    ERROR: freeze 1: 'LIFT_FREEZE' does not lift it, so it stays in force
    hint: run the command again and type exactly LIFT_FREEZE
    ERROR: freeze 1: 'LIFT_CHANGED_FREEZE' does not lift it, so it stays in force
    hint: run the command again and type exactly LIFT_FREEZE
    ");
    assert_eq!(world.coo(&["freeze", "status"]).code, 0);
    let ran = world.coo_with_input(&["freeze", "lift"], b"LIFT_FREEZE");
    assert_eq!(ran.code, 0, "{ran:?}");
}

/// Runs `arguments` with the fault, and says whether that stopped it.
fn disturbed(world: &World, arguments: &[&str], fault: &str) -> bool {
    use std::io::Write as _;
    let mut child = world
        .command(arguments)
        .env("COO_FAULT", fault)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may be gone already.
    let _ = child.stdin.take().unwrap().write_all(b"LIFT_FREEZE\n");
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains("panicked"), "{fault}: {stderr}");
    !output.status.success()
}

#[test]
fn a_freeze_or_its_end_stopped_at_any_point_is_whole_after_the_next_command() {
    let template = ready();
    let before = governed(&template)
        .into_iter()
        .map(|(_, mode, _)| mode)
        .collect::<Vec<_>>();
    let copied = |from: &World| {
        let world = World::new();
        crate::support::copy_folder(&from.root(), &world.root());
        for (path, mode, _) in governed(from) {
            set_mode(
                &world.root().join(path.strip_prefix(from.root()).unwrap()),
                mode,
            );
        }
        world
    };
    for (start, arguments) in [
        (&template, &["freeze"] as &[&str]),
        (&frozen(), &["freeze", "lift"]),
    ] {
        let reference = copied(start);
        let list = reference.path().join("points");
        assert!(!disturbed(
            &reference,
            arguments,
            &format!("list:{}", list.display())
        ));
        let points = fs::read_to_string(list).unwrap();
        for way in ["kill", "fail"] {
            let mut ends = [0, 0];
            for (n, point) in (1..).zip(points.lines()).step_by(every(7)) {
                let world = copied(start);
                let fault = format!("{way}:{n}");
                assert!(disturbed(&world, arguments, &fault), "{fault} {point}");
                let next = world.coo(&["missions"]);
                assert_eq!(next.code, 0, "{fault} {point} {next:?}");
                let status = world.json(&["freeze", "status"]);
                let is_frozen = status["is_frozen"] == true;
                ends[usize::from(is_frozen)] += 1;
                let modes: Vec<u32> = governed(&world)
                    .into_iter()
                    .map(|(_, mode, _)| mode)
                    .collect();
                if is_frozen {
                    assert_eq!(status["differences"], json!([]), "{fault} {point}");
                    assert!(
                        modes.iter().all(|mode| mode & 0o222 == 0),
                        "{fault} {point}"
                    );
                    assert_eq!(lift(&world).code, 0, "{fault} {point}");
                } else {
                    assert_eq!(modes, before, "{fault} {point}");
                    assert!(!world.root().join("FREEZE").exists());
                    let again = world.coo(&["freeze"]);
                    assert_eq!(again.code, 0, "{fault} {point} {again:?}");
                }
            }
            println!(
                "{arguments:?} {way}: {} not frozen, {} frozen, 0 mixed",
                ends[0], ends[1]
            );
            assert!(ends[0] > 0 && ends[1] > 0, "{ends:?}");
        }
    }
}
