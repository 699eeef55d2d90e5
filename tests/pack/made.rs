//! `coo pack`: what a pack holds, that it is the same bytes everywhere, and what is refused.

use std::collections::BTreeMap;

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{demo, members, packed, triaged};
use crate::support::{World, ran, shown};

#[test]
fn a_pack_holds_the_run_and_all_that_follows_from_it() {
    let world = triaged();
    let ran = world.coo(&["pack", "MISSION-000001", "--approve", "-o", "a pack"]);
    assert_snapshot!(shown("pack MISSION-000001 --approve -o 'a pack'", &ran), @r#"
    $ coo pack MISSION-000001 --approve -o 'a pack'
    --- standard error
    [coo] MISSION-000001 written to a pack: 12 files, 330952 bytes; 'coo verify "a pack"' checks it anywhere
          SHA-256 <sha256>
    --- exit 0
    "#);
    let pack = std::fs::read(world.path().join("a pack")).unwrap();
    let members = members(&pack);
    let names: Vec<&str> = members.keys().map(String::as_str).collect();
    assert_snapshot!(names.join("\n"), @"
    MANIFEST.json
    README.md
    flight_recorder.jsonl
    frozen_calls.json
    hash_lineage.json
    mission.json
    module.wasm
    outputs/1-triage.output
    outputs/artefacts/triage/Triage_Report_v1.0.md
    replay_transcript.txt
    rollback_log.json
    run.coorun
    ");
    let text = |name: &str| String::from_utf8(members[name].clone()).unwrap();
    let json = |name: &str| serde_json::from_slice::<Value>(&members[name]).unwrap();

    let replayed = world.coo(&["replay", "MISSION-000001"]);
    assert_eq!(text("replay_transcript.txt"), replayed.stdout);
    let output = world.coo(&["inspect", "MISSION-000001", "--output"]);
    assert_eq!(text("outputs/1-triage.output"), output.stdout);
    let artefact = world.root().join("artefacts/triage/Triage_Report_v1.0.md");
    assert_eq!(
        members["outputs/artefacts/triage/Triage_Report_v1.0.md"],
        std::fs::read(artefact).unwrap()
    );
    let logged = world.coo(&["logs", "MISSION-000001", "--json"]).stdout;
    for (line, logged) in text("flight_recorder.jsonl").lines().zip(logged.lines()) {
        let line: Value = serde_json::from_str(line).unwrap();
        let mut logged: Value = serde_json::from_str(logged).unwrap();
        let fields = logged.as_object_mut().unwrap();
        for fact in [
            "at_ms",
            "config_sha256",
            "environment_sha256",
            "format",
            "source",
        ] {
            fields.remove(fact);
        }
        let seq = fields.remove("sequence_id").unwrap();
        fields.insert("seq".to_owned(), seq);
        assert_eq!(line, logged);
    }
    let inspected = world.json(&["inspect", "MISSION-000001"]);
    let lineage = json("hash_lineage.json");
    assert_eq!(lineage["chain_head"], inspected["chain_head"]);
    for digest in ["descriptor", "module", "surface"] {
        assert_eq!(lineage[digest], inspected["lineage"][digest]);
    }
    assert_eq!(json("frozen_calls.json").as_array().unwrap().len(), 6);
    assert_eq!(json("mission.json")["mission_type"], "TRIAGE_V1");
    assert_eq!(text("rollback_log.json"), "[]\n");

    // The run file in it is one that every other command takes.
    let elsewhere = World::new();
    elsewhere.file("run.coorun", &members["run.coorun"]);
    let there = elsewhere.coo(&["replay", "run.coorun"]);
    assert_eq!((there.code, there.stdout), (0, replayed.stdout));
    // And a pack of it is this pack.
    let again = elsewhere.coo(&["pack", "run.coorun", "--approve", "-o", "again.zip"]);
    assert_eq!(again.code, 0, "{again:?}");
    assert_eq!(
        std::fs::read(elsewhere.path().join("again.zip")).unwrap(),
        pack
    );
    let verified = elsewhere.coo(&["verify", "again.zip"]);
    assert_snapshot!(shown("verify again.zip", &verified), @"
    $ coo verify again.zip
    Verify pack again.zip
      Mission: MISSION-000001 TRIAGE_V1
      Archive: 330952 bytes, SHA-256 <sha256>

      file                                                bytes  SHA-256       made again
      MANIFEST.json                                        1765  <sha256…>  identical
      README.md                                            2511  <sha256…>  identical
      flight_recorder.jsonl                               15860  <sha256…>  identical
      frozen_calls.json                                    5337  <sha256…>  identical
      hash_lineage.json                                    2549  <sha256…>  identical
      mission.json                                         1807  <sha256…>  identical
      module.wasm                                        139047  <sha256…>  executed
      outputs/1-triage.output                               185  <sha256…>  identical
      outputs/artefacts/triage/Triage_Report_v1.0.md        609  <sha256…>  identical
      replay_transcript.txt                                 289  <sha256…>  identical
      rollback_log.json                                       3  <sha256…>  identical
      run.coorun                                         159622  <sha256…>  identical

      Execution in a fresh world: 36 events, 220969 fuel, identical
      Replay: identical
      Chain: <sha256>
      Result: IDENTICAL
    --- exit 0
    ");
}

#[test]
fn every_pack_of_equal_runs_is_the_same_bytes() {
    let world = demo();
    let (_, first) = packed(&world, "DEMO-000001");
    let elsewhere = World::new()
        .with("TZ", "Pacific/Kiritimati")
        .with("LC_ALL", "C");
    std::fs::create_dir(elsewhere.path().join("deep")).unwrap();
    let mut run = elsewhere.command(&["run", "demo"]);
    assert_eq!(ran(run.output().unwrap()).code, 0);
    let mut pack = elsewhere.command(&[
        "--root",
        "../.coo",
        "pack",
        "DEMO-000001",
        "--approve",
        "-o",
        "x.zip",
    ]);
    let pack = ran(pack
        .current_dir(elsewhere.path().join("deep"))
        .output()
        .unwrap());
    assert_eq!(pack.code, 0, "{pack:?}");
    let second = std::fs::read(elsewhere.path().join("deep/x.zip")).unwrap();
    assert_eq!(first, second);
}

#[test]
fn every_kind_of_end_is_packed_and_verified() {
    let world = World::new();
    let steps = json!({"steps": [
        {"id": "only"},
        {"id": "sign-off", "human": {"ask": "Is it right?"}},
    ]});
    world.guest(
        "says.wasm",
        r#"(data (i32.const 2048) "out\n") (func (export "_start")
            (i32.store (i32.const 1024) (i32.const 2048))
            (i32.store (i32.const 1028) (i32.const 4))
            (drop (call $fd_write (i32.const 1) (i32.const 1024) (i32.const 1) (i32.const 1032)))
            (drop (call $fd_write (i32.const 2) (i32.const 1024) (i32.const 1) (i32.const 1032))))"#,
    );
    world.guest("traps.wasm", r#"(func (export "_start") unreachable)"#);
    for (file, module, more) in [
        ("says.json", "says.wasm", &steps),
        ("traps.json", "traps.wasm", &json!({})),
    ] {
        world.descriptor(file, &json!({"file": module}), more);
    }
    world.coo(&["run", "says.json"]);
    let waiting = world.coo(&["pack", "MISSION-000001", "--approve"]);
    assert_snapshot!(shown("pack MISSION-000001 --approve", &waiting), @"
    $ coo pack MISSION-000001 --approve
    --- standard error
    ERROR: mission MISSION-000001: did not reach an end, so there is no whole run to pack
    hint: run 'coo approve MISSION-000001' or 'coo reject MISSION-000001' first
    --- exit 1
    ");
    assert_eq!(world.coo(&["approve", "MISSION-000001"]).code, 0);
    world.coo(&["run", "says.json"]);
    assert_eq!(world.coo(&["reject", "MISSION-000002"]).code, 0);
    assert_eq!(world.coo(&["run", "traps.json"]).code, 1);
    let mut found = BTreeMap::new();
    for id in ["MISSION-000001", "MISSION-000002", "MISSION-000003"] {
        let (path, bytes) = packed(&world, id);
        let verified = world.coo(&["verify", path.to_str().unwrap()]);
        assert_eq!(verified.code, 0, "{verified:?}");
        let members = members(&bytes);
        let names: Vec<String> = members
            .keys()
            .filter(|name| name.starts_with("outputs/"))
            .cloned()
            .collect();
        found.insert(id, names);
    }
    assert_snapshot!(format!("{found:#?}"), @r#"
    {
        "MISSION-000001": [
            "outputs/1-only.output",
            "outputs/1-only.stderr",
        ],
        "MISSION-000002": [
            "outputs/1-only.output",
            "outputs/1-only.stderr",
        ],
        "MISSION-000003": [],
    }
    "#);
}

#[test]
fn nothing_is_packed_without_approval_or_over_a_file() {
    let world = demo();
    let before = world.root_files();
    let unapproved = world.coo(&["pack", "DEMO-000001"]);
    assert_snapshot!(shown("pack DEMO-000001", &unapproved), @"
    $ coo pack DEMO-000001
    --- standard error
    ERROR: pack of mission DEMO-000001: needs a person's yes, and standard input is not a terminal
    hint: after approval, run 'coo pack DEMO-000001 --approve'
    --- exit 1
    ");
    // A line that is piped in is not a person at a terminal.
    let piped = world.coo_with_input(&["pack", "DEMO-000001"], b"DEMO-000001\n");
    assert_eq!(piped, unapproved);
    let stream = world.coo(&["pack", "DEMO-000001", "--approve", "-o", "-"]);
    assert_snapshot!(shown("pack DEMO-000001 --approve -o -", &stream), @"
    $ coo pack DEMO-000001 --approve -o -
    --- standard error
    ERROR: --output -: a pack is written whole or not at all
    hint: name a file
    --- exit 1
    ");
    world.file("DEMO-000001.zip", "mine");
    let other_word = world.coo(&["pack", "DEMO-000001", "--yes", "-o", "yes.zip"]);
    assert_eq!(other_word.code, 0, "{other_word:?}");
    std::fs::remove_file(world.path().join("yes.zip")).unwrap();
    let there = world.coo(&["pack", "DEMO-000001", "--approve"]);
    assert_snapshot!(shown("pack DEMO-000001 --approve", &there), @"
    $ coo pack DEMO-000001 --approve
    --- standard error
    ERROR: file DEMO-000001.zip: already exists
    hint: remove it or choose another name with --output
    --- exit 1
    ");
    let unknown = world.coo(&["pack", "DEMO-000002", "--approve"]);
    assert_snapshot!(shown("pack DEMO-000002 --approve", &unknown), @"
    $ coo pack DEMO-000002 --approve
    --- standard error
    ERROR: Mission 'DEMO-000002' not found.
    --- exit 1
    ");
    let file = std::fs::read(world.path().join("DEMO-000001.zip")).unwrap();
    assert_eq!(file, b"mine");
    assert_eq!(std::fs::read_dir(world.path()).unwrap().count(), 2);
    let after = world.root_files();
    assert_eq!(
        before.keys().collect::<Vec<_>>(),
        after.keys().collect::<Vec<_>>()
    );
}

/// Runs `coo ARGUMENTS` on a terminal of its own, with `typed` as what a person types.
fn on_a_terminal(world: &World, arguments: &[&str], typed: &str) -> String {
    const TERMINAL: &str = r"
import os, pty, sys
typed, command = sys.argv[1].encode(), sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0:
    os.execv(command[0], command)
os.write(terminal, typed)
shown = b''
while True:
    try:
        read = os.read(terminal, 4096)
    except OSError:
        break
    if not read:
        break
    shown += read
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.stdout.write(shown.decode().replace('\r\n', '\n') + f'--- exit {status}\n')
";
    let coo = env!("CARGO_BIN_EXE_coo");
    let given = [&["-c", TERMINAL, typed, coo], arguments].concat();
    let path = coo::inside::machine::env_text("PATH").unwrap_or_default();
    let mut python = world.program("python3", &given);
    let ran = ran(python.env("PATH", path).output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    crate::support::steady(&ran.stdout)
}

#[test]
fn a_person_at_a_terminal_types_the_id() {
    let world = demo();
    let pack = |typed| on_a_terminal(&world, &["pack", "DEMO-000001"], typed);
    assert_snapshot!(pack("yes\n"), @r"
    yes
    [coo] a pack of DEMO-000001 is written to DEMO-000001.zip:
          it shows the prompts, the answers, the module and the artefacts of the run
    Type 'DEMO-000001' to make the pack
    ERROR: pack of mission DEMO-000001: 'yes\n' was typed, and only DEMO-000001 counts; no pack was made
    hint: run the command again and type DEMO-000001, or give --approve
    --- exit 1
    ");
    assert!(!world.path().join("DEMO-000001.zip").exists());
    assert_snapshot!(pack("DEMO-000001\n"), @"
    DEMO-000001
    [coo] a pack of DEMO-000001 is written to DEMO-000001.zip:
          it shows the prompts, the answers, the module and the artefacts of the run
    Type 'DEMO-000001' to make the pack
    [coo] DEMO-000001 written to DEMO-000001.zip: 11 files, 193509 bytes; 'coo verify DEMO-000001.zip' checks it anywhere
          SHA-256 <sha256>
    --- exit 0
    ");
    assert_eq!(world.coo(&["verify", "DEMO-000001.zip"]).code, 0);
}

#[test]
fn a_run_that_cannot_be_repeated_is_not_packed() {
    let world = triaged();
    // A row that no fresh world has.
    world
        .database("world.db")
        .execute_batch("INSERT INTO ticket VALUES(99, 'Hello', NULL)")
        .unwrap();
    let again = world.coo(&["run", "triage", "--frozen"]);
    let interrupted = world.coo(&["pack", "MISSION-000002", "--approve"]);
    assert_eq!(again.code, 5, "{again:?}");
    assert_snapshot!(shown("pack MISSION-000002 --approve", &interrupted), @"
    $ coo pack MISSION-000002 --approve
    --- standard error
    ERROR: mission MISSION-000002: did not reach an end, so there is no whole run to pack
    hint: 'coo resume MISSION-000002' continues it
    --- exit 1
    ");

    // It counts its own runs, so its second run in a root is not that of a fresh world.
    let world = World::new();
    world.wasm("sql.wasm", include_str!("../fixtures/sql.wat"));
    let sql = "E1 CREATE TABLE IF NOT EXISTS run(n INTEGER PRIMARY KEY)\n\
               E1 INSERT INTO run DEFAULT VALUES\nQ1 SELECT count(*) FROM run\n";
    let more = json!({"steps": [{"id": "only", "input": sql}]});
    world.descriptor("count.json", &json!({"file": "sql.wasm"}), &more);
    for _ in 0..2 {
        let ran = world.coo(&["run", "count.json"]);
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    packed(&world, "MISSION-000001");
    let second = world.coo(&["pack", "MISSION-000002", "--approve"]);
    assert_snapshot!(shown("pack MISSION-000002 --approve", &second), @r#"
    $ coo pack MISSION-000002 --approve
    --- standard error
    ERROR: mission MISSION-000002: its execution in a fresh world differs (event 8: the pack has RUN db.query {"answer":{"ok":{"columns":["count(*)"],"rows":[[2]]}},"request":{"params":[],"sql":"SELECT count(*) FROM run"}}, the execution RUN db.query {"answer":{"ok":{"columns":["count(*)"],"rows":[[1]]}},"request":{"params":[],"sql":"SELECT count(*) FROM run"}}), so nobody could verify a pack of it
    hint: run it again in a fresh state root ('--root DIR') and pack that run
    --- exit 1
    "#);
    assert!(!world.path().join("MISSION-000002.zip").exists());
}

#[test]
fn the_rollbacks_of_the_state_root_are_in_the_log() {
    let world = demo();
    assert_eq!(world.coo(&["amu0", "create", "--name", "clean"]).code, 0);
    let rolled = world.coo_with_input(&["rollback", "clean"], b"CONFIRM_ROLLBACK\n");
    assert_eq!(rolled.code, 0, "{rolled:?}");
    let (path, bytes) = packed(&world, "DEMO-000001");
    let log: Value = serde_json::from_slice(&members(&bytes)["rollback_log.json"]).unwrap();
    // Without times, as a pack holds nothing of one moment.
    let mut listed = world.list(&["rollback", "--log"]);
    for time in ["requested_ms", "ended_ms"] {
        assert!(listed[0][time].as_i64().unwrap() > 0);
        listed[0][time] = 0.into();
    }
    assert_eq!(log, listed);
    assert_eq!(log.as_array().unwrap().len(), 1);
    let verified = world.coo(&["verify", path.to_str().unwrap()]);
    assert_eq!(verified.code, 0, "{verified:?}");
    assert!(
        verified
            .stdout
            .contains("well formed; does not follow from the run")
    );
}
