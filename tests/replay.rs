//! Replay and recovery through the built binary: a run replays byte for byte from its journal
//! alone; every change of that journal is found and named; world changes are made once and
//! whole, whatever became of the process that promised them. Journals are forged here through
//! a database connection of the tests' own, past the triggers that keep them immutable.

mod support;

use std::fs;
use std::path::Path;
use std::process::Stdio;

use coo_kernel::journal::{Chain, Kind};
use coo_kernel::state::State;
use insta::assert_snapshot;
use rusqlite::Connection;
use serde_json::{Value, json};
use support::model_server::{ModelServer, Response, Step};
use support::{Ran, World, events, mission_id, shown};

const REPORT: &str = "artefacts/triage/Triage_Report_v1.0.md";
const TRIAGE: &str = "MISSION-000001";

/// A world whose model says `answers`, one a call.
fn with_model(answers: &[&str]) -> (World, ModelServer) {
    let server = ModelServer::start(answers.iter().map(|answer| Response::completion(answer)));
    let world = World::new().with("COO_LLM_BASE_URL", server.base_url());
    (world, server)
}

/// A world in which the triage mission has succeeded, its model gone.
fn triaged() -> World {
    let (world, _server) = with_model(&["A bug.", "billing"]);
    let ran = world.triage();
    assert_eq!(ran.code, 0, "{ran:?}");
    world
}

/// A world in which the demo has succeeded.
fn demo() -> World {
    let world = World::new();
    assert_eq!(world.coo(&["run", "demo"]).code, 0);
    world
}

fn rows(world: &World) -> Vec<(i64, String, Option<String>)> {
    let database = world.database("world.db");
    let mut statement = database
        .prepare("SELECT id, text, label FROM ticket ORDER BY id")
        .unwrap();
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap();
    rows.map(Result::unwrap).collect()
}

fn expected_rows() -> Vec<(i64, String, Option<String>)> {
    vec![
        (1, "It broke".into(), Some("bug".into())),
        (2, "I was charged twice".into(), Some("billing".into())),
    ]
}

/// Rewrites the bodies of mission 1 from event to event and computes the chain anew: a
/// forgery that holds together.
fn forge(journal: &Connection, mut change: impl FnMut(u64, Kind, Value) -> Value) {
    let mut chain = Chain::default();
    let mut statement = journal
        .prepare("SELECT id, seq, state, kind, body FROM events WHERE mission = 1 ORDER BY id")
        .unwrap();
    let mut events = statement.query([]).unwrap();
    while let Some(event) = events.next().unwrap() {
        let text = |i: usize| event.get_ref(i).unwrap().as_str().unwrap().to_owned();
        let (state, kind): (State, Kind) = (text(2).parse().unwrap(), text(3).parse().unwrap());
        let seq = event.get(1).unwrap();
        let body = change(seq, kind, serde_json::from_str(&text(4)).unwrap());
        let body = coo_kernel::canonical::to_string(&body).unwrap();
        let record = chain.append(state, kind, body);
        journal
            .execute(
                "UPDATE events SET body = ?2, prev_sha256 = ?3, sha256 = ?4 WHERE id = ?1",
                rusqlite::params![
                    event.get::<_, i64>(0).unwrap(),
                    record.body,
                    record.prev.as_bytes(),
                    record.sha256.as_bytes()
                ],
            )
            .unwrap();
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// What the runtime keeps of the world: the database's files and the artefacts.
const WORLD: [&str; 4] = ["world.db", "world.db-wal", "world.db-shm", "artefacts"];

fn remove(path: &Path) {
    if path.is_dir() {
        fs::remove_dir_all(path).unwrap();
    } else if path.exists() {
        fs::remove_file(path).unwrap();
    }
}

fn assert_identical(world: &World, id: &str) -> Ran {
    let ran = world.coo(&["replay", id]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    assert!(ran.stdout.ends_with("\n  Result: IDENTICAL\n"), "{ran:?}");
    ran
}

// A run that is left alone.

#[test]
fn the_transcript_of_an_identical_replay() {
    let world = triaged();
    let ran = assert_identical(&world, TRIAGE);
    let facts = &world.json(&["inspect", TRIAGE])["facts"];
    let stdout = ran
        .stdout
        .replace(&facts["fuel"].to_string(), "<fuel>")
        .replace(&facts["memory_peak_bytes"].to_string(), "<memory>");
    assert_snapshot!(shown("replay MISSION-000001", &Ran { stdout, ..ran }), @r"
    $ coo replay MISSION-000001
    Replay MISSION-000001
      States: INIT > CAPTURE_ENV > RUN > WRITE_REPORT > COMPLETE
      Events: 20 identical
      Fuel: <fuel> identical
      Memory: <memory> bytes identical
      Output: 177 bytes identical
      Chain: <sha256>
      Result: IDENTICAL
    --- exit 0
    ");
}

#[test]
fn a_replay_needs_no_network_no_frozen_answer_and_no_world() {
    let world = triaged();
    for name in WORLD {
        remove(&world.root().join(name));
    }
    remove(&world.root().join("cache"));
    remove(&world.path().join("triage.json"));
    world
        .database("coo.db")
        .execute("DELETE FROM frozen_calls", [])
        .unwrap();
    assert_identical(&world, TRIAGE);
    assert!(!world.root().join("world.db").exists() && !world.root().join("artefacts").exists());
}

#[test]
fn a_replay_changes_nothing() {
    let world = triaged();
    // The index that SQLite's readers share is theirs to write.
    let files = || {
        let mut files = world.root_files();
        files.retain(|path, _| !path.to_str().unwrap().ends_with("-shm"));
        files
    };
    let before = files();
    assert_identical(&world, TRIAGE);
    assert_eq!(files(), before);
}

#[test]
fn a_replay_as_json() {
    let world = triaged();
    let inspect = world.json(&["inspect", TRIAGE]);
    let replay = world.json(&["replay", TRIAGE]);
    assert_eq!(replay["identical"], true);
    assert_eq!(replay["events"], inspect["events"]);
    assert_eq!(replay["chain_head"], inspect["chain_head"]);
    assert_eq!(
        replay["timeline"],
        json!(["INIT", "CAPTURE_ENV", "RUN", "WRITE_REPORT", "COMPLETE"])
    );
    for (recorded, replayed) in [
        ("fuel_recorded", "fuel_replayed"),
        ("memory_bytes_recorded", "memory_bytes_replayed"),
    ] {
        assert!(replay[recorded].as_u64().unwrap() > 0);
        assert_eq!(replay[recorded], replay[replayed]);
    }
    assert_eq!(
        (&replay["other_engine"], &replay["divergence"]),
        (&json!(false), &Value::Null)
    );
}

#[test]
fn a_run_that_failed_replays_to_the_same_failure() {
    let world = World::new();
    let ran = world.run_guest(
        r#"(func (export "_start") (loop $l (br $l)))"#,
        &json!({"fuel": 100_000}),
    );
    assert_eq!(ran.code, 1);
    let transcript = assert_identical(&world, &mission_id(&ran)).stdout;
    assert!(
        transcript.contains("States: INIT > CAPTURE_ENV > RUN > FAILED"),
        "{transcript}"
    );
    assert!(
        transcript.contains("Fuel: 100000 identical"),
        "{transcript}"
    );
}

#[test]
fn a_root_carried_elsewhere_replays_there() {
    let world = triaged();
    let elsewhere = World::new().with("TZ", "Asia/Kathmandu");
    copy_folder(&world.root(), &elsewhere.root());
    assert_identical(&elsewhere, TRIAGE);
}

#[test]
fn another_engine_is_named_and_fuel_is_not_compared() {
    let world = demo();
    let sql = "UPDATE missions SET facts = json_set(facts, '$.engine_sha256', ?1, '$.fuel', 1)";
    world
        .database("coo.db")
        .execute(sql, ["0".repeat(64)])
        .unwrap();
    let transcript = assert_identical(&world, "DEMO-000001").stdout;
    assert!(
        transcript.contains("Engine: another one than recorded"),
        "{transcript}"
    );
    assert_eq!(world.json(&["replay", "DEMO-000001"])["other_engine"], true);
}

// A run that was tampered with.

#[test]
fn every_changed_event_is_found_and_named() {
    let world = demo();
    let count = events(&world, "DEMO-000001").len();
    let journal = world.unguarded_journal();
    journal
        .execute_batch("CREATE TABLE untouched AS SELECT * FROM events")
        .unwrap();
    for seq in 1..=count {
        // A column in turn, so that each event and each column has its turn.
        let (column, value) = [
            ("body", "body || ' '"),
            ("body", "replace(body, '\"', '\"x')"),
            (
                "state",
                "CASE state WHEN 'RUN' THEN 'PAUSED' ELSE 'RUN' END",
            ),
            (
                "kind",
                "CASE kind WHEN 'world' THEN 'db.query' ELSE 'world' END",
            ),
            ("prev_sha256", "randomblob(32)"),
            ("sha256", "randomblob(32)"),
        ][seq % 6];
        let changed = journal.execute(
            &format!("UPDATE events SET {column} = {value} WHERE seq = ?1"),
            [seq],
        );
        assert_eq!(changed, Ok(1));
        for command in ["logs", "replay"] {
            let ran = world.coo(&[command, "DEMO-000001"]);
            assert_eq!(ran.code, 1, "{column} of {seq}: {ran:?}");
            let said = format!("journal broken at event {seq}: ");
            assert!(ran.stderr.contains(&said), "{column} of {seq}: {ran:?}");
        }
        let restore = format!(
            "UPDATE events SET {column} = (SELECT {column} FROM untouched WHERE id = events.id)"
        );
        journal.execute(&restore, []).unwrap();
    }
    assert_identical(&world, "DEMO-000001");
}

#[test]
fn a_missing_event_is_found_and_named() {
    let world = demo();
    let journal = world.unguarded_journal();
    journal
        .execute("DELETE FROM events WHERE seq = 4", [])
        .unwrap();
    for command in ["logs", "mission", "inspect", "replay", "missions"] {
        let arguments = if command == "missions" {
            vec![command]
        } else {
            vec![command, "DEMO-000001"]
        };
        let ran = world.coo(&arguments);
        assert_eq!(ran.code, 1, "{command}: {ran:?}");
        assert!(
            ran.stderr
                .contains("journal broken at event 5: an event is missing"),
            "{command}: {ran:?}"
        );
    }
}

#[test]
fn events_cut_off_or_added_at_the_end_are_found_and_named() {
    let world = demo();
    let count = events(&world, "DEMO-000001").len();
    let journal = world.unguarded_journal();
    journal
        .execute("DELETE FROM events WHERE seq = ?1", [count])
        .unwrap();
    let ran = world.coo(&["replay", "DEMO-000001"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.ends_with(&format!(
            "replay of DEMO-000001: diverges at event {count}\n"
        )),
        "{ran:?}"
    );
    assert!(
        ran.stdout.contains("Journal: nothing: it has ended there"),
        "{ran:?}"
    );

    let world = demo();
    let journal = world.unguarded_journal();
    journal
        .execute(
            "INSERT INTO events(id, state, kind, body, prev_sha256, sha256) \
             SELECT id + 1, 'COMPLETE', 'world', '{}', sha256, sha256 FROM events ORDER BY id DESC LIMIT 1",
            [],
        )
        .unwrap();
    forge(&journal, |_, _, body| body);
    let ran = world.coo(&["replay", "DEMO-000001"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.ends_with(&format!(
            "replay of DEMO-000001: diverges at event {}\n",
            count + 1
        )),
        "{ran:?}"
    );
    assert!(
        ran.stdout.contains("Replay:  nothing: it has ended there"),
        "{ran:?}"
    );
}

#[test]
fn events_can_not_be_changed_by_accident() {
    let world = demo();
    let journal = world.database("coo.db");
    for sql in [
        "UPDATE events SET body = '{}'",
        "DELETE FROM events",
        "INSERT OR REPLACE INTO events(id, state, kind, body, prev_sha256, sha256) SELECT id, state, kind, '{}', prev_sha256, sha256 FROM events",
    ] {
        // As the program opens it: REPLACE then counts as a deletion.
        journal
            .pragma_update(None, "recursive_triggers", true)
            .unwrap();
        let error = journal.execute(sql, []).unwrap_err().to_string();
        assert!(error.contains("events are immutable"), "{sql}: {error}");
    }
}

#[test]
fn a_forged_answer_that_verifies_diverges_with_both_sides_shown() {
    let world = demo();
    forge(&world.unguarded_journal(), |_, kind, mut body| {
        if kind == Kind::LlmOutcome {
            body["answer"]["completion"]["text"] = json!("Forged words.");
        }
        body
    });
    // The chain holds together: nothing but a replay can tell.
    assert_eq!(world.coo(&["logs", "DEMO-000001"]).code, 0);
    let ran = world.coo(&["replay", "DEMO-000001"]);
    assert_eq!(ran.code, 1);
    let forged = events(&world, "DEMO-000001");
    let returned = forged
        .iter()
        .find(|event| event["kind"] == "step.returned")
        .unwrap();
    let seq = &returned["seq"];
    assert_eq!(
        ran.stderr,
        format!("ERROR: replay of DEMO-000001: diverges at event {seq}\n")
    );
    assert!(ran.stdout.contains("\n  Result: DIVERGENT\n"), "{ran:?}");
    let journal = format!("First divergence: event {seq}\n  Journal: RUN step.returned\n");
    assert!(ran.stdout.contains(&journal), "{ran:?}");
    assert!(
        ran.stdout.contains("  Replay:  RUN step.returned\n"),
        "{ran:?}"
    );

    let ran = world.coo(&["replay", "DEMO-000001", "--json"]);
    let view: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.code, &view["identical"]), (1, &json!(false)));
    let divergence = &view["divergence"];
    assert_eq!(&divergence["event"], seq);
    let side = |side: &str| {
        serde_json::from_str::<Value>(divergence[side]["body"].as_str().unwrap()).unwrap()
    };
    assert_eq!(side("expected"), returned["body"]);
    assert_eq!(side("actual")["output"]["bytes"], "Forged words.".len());
}

#[test]
fn a_forged_row_diverges_where_the_mission_first_says_it() {
    let world = triaged();
    forge(&world.unguarded_journal(), |_, kind, mut body| {
        if kind == Kind::DbQuery {
            body["answer"]["ok"]["rows"][1][1] = json!("I was charged a hundred times");
        }
        body
    });
    let ran = world.coo(&["replay", TRIAGE]);
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.contains("Journal: RUN llm.intent\n"), "{ran:?}");
    assert!(ran.stdout.contains("Replay:  RUN llm.intent\n"), "{ran:?}");
    assert!(
        ran.stdout.contains("charged twice") && ran.stdout.contains("charged a hundred times"),
        "{ran:?}"
    );
}

#[test]
fn a_forged_question_diverges_where_it_stands() {
    let world = demo();
    forge(&world.unguarded_journal(), |_, kind, mut body| {
        if kind == Kind::LlmIntent {
            body["request"]["temperature"] = json!(1.0);
        }
        body
    });
    let ran = world.coo(&["replay", "DEMO-000001"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stdout
            .contains("  -     \"temperature\": 1.0,\n  +     \"temperature\": 0.0,\n"),
        "{ran:?}"
    );
}

#[test]
fn a_call_that_was_never_made_diverges() {
    let world = triaged();
    let journal = world.unguarded_journal();
    // The second statement on record becomes a query: the mission executes.
    journal
        .execute("UPDATE events SET kind = 'db.query' WHERE kind = 'db.execute' AND seq = (SELECT min(seq) + 1 FROM events WHERE kind = 'db.execute')", [])
        .unwrap();
    forge(&journal, |_, _, body| body);
    let ran = world.coo(&["replay", TRIAGE]);
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.contains("Journal: RUN db.query\n"), "{ran:?}");
    assert!(ran.stdout.contains("Replay:  RUN db.execute\n"), "{ran:?}");
}

#[test]
fn other_fuel_or_memory_under_the_same_engine_is_a_difference() {
    for field in ["fuel", "memory_peak_bytes"] {
        let world = demo();
        let sql = format!("UPDATE missions SET facts = json_set(facts, '$.{field}', 5)");
        world.database("coo.db").execute(&sql, []).unwrap();
        let ran = world.coo(&["replay", "DEMO-000001"]);
        assert_eq!(ran.code, 1);
        assert!(
            ran.stderr
                .starts_with("ERROR: replay of DEMO-000001: same events, but fuel "),
            "{ran:?}"
        );
        assert!(
            ran.stdout.contains(" DIFFERENT\n") && ran.stdout.contains("Result: DIVERGENT"),
            "{ran:?}"
        );
    }
}

#[test]
fn a_changed_module_is_refused() {
    let world = demo();
    let module = fs::read_dir(world.root().join("modules"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let good = fs::read(&module).unwrap();
    // Whole and valid, but not what ran.
    let other = wat::parse_str(r#"(module (memory (export "memory") 1) (func (export "_start")))"#)
        .unwrap();
    for bad in [other, good[..good.len() - 1].to_vec()] {
        fs::write(&module, bad).unwrap();
        let ran = world.coo(&["replay", "DEMO-000001"]);
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
        assert!(
            ran.stderr
                .contains("it was changed after the run, restore it from a copy"),
            "{ran:?}"
        );
    }
    fs::remove_file(&module).unwrap();
    let ran = world.coo(&["replay", "DEMO-000001"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr
            .contains(module.file_name().unwrap().to_str().unwrap()),
        "{ran:?}"
    );
    fs::write(&module, good).unwrap();
    assert_identical(&world, "DEMO-000001");
}

#[test]
fn a_changed_descriptor_is_refused() {
    let world = demo();
    let journal = world.database("coo.db");
    let sql = "UPDATE blobs SET bytes = CAST(replace(CAST(bytes AS TEXT), '256', '257') AS BLOB) \
               WHERE sha256 = (SELECT descriptor_sha256 FROM missions)";
    assert_eq!(journal.execute(sql, []), Ok(1));
    let ran = world.coo(&["replay", "DEMO-000001"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.contains("was changed after it was written"),
        "{ran:?}"
    );
}

// The world.

#[test]
fn the_triage_mission_changes_its_world() {
    let world = triaged();
    assert_eq!(rows(&world), expected_rows());
    let report = fs::read(world.root().join(REPORT)).unwrap();
    assert!(
        String::from_utf8(report.clone())
            .unwrap()
            .contains("**billing** · I was charged twice")
    );

    let sha256 = coo_kernel::digest::Digest::of(&report).to_string();
    let inspect = world.json(&["inspect", TRIAGE]);
    assert_eq!(inspect["world"]["artefacts"][0]["sha256"], sha256.as_str());
    assert_eq!(inspect["world"]["artefacts"][0]["bytes"], report.len());
    let write = events(&world, TRIAGE)
        .into_iter()
        .find(|event| event["kind"] == "gateway.write")
        .unwrap();
    assert_eq!(
        write["body"]["answer"]["written"]["sha256"],
        sha256.as_str()
    );
    assert_eq!(
        (&inspect["calls"]["llm"], &inspect["calls"]["gateway_write"]),
        (&json!(2), &json!(1))
    );
}

#[test]
fn a_second_run_of_it_changes_nothing_and_asks_nobody() {
    let (world, server) = with_model(&["A bug.", "billing"]);
    let first = world.triage();
    let report = fs::read(world.root().join(REPORT)).unwrap();
    let second = world.triage();
    assert_eq!((first.code, second.code), (0, 0), "{second:?}");
    assert_eq!(first.stdout, second.stdout);
    assert_eq!(
        server.requests().len(),
        2,
        "the second run took the frozen answers"
    );
    assert_eq!(rows(&world), expected_rows());
    assert_eq!(fs::read(world.root().join(REPORT)).unwrap(), report);
    assert_identical(&world, "MISSION-000001");
    assert_identical(&world, "MISSION-000002");
}

#[test]
fn a_run_that_is_interrupted_leaves_no_artefact_and_no_row() {
    let denied = Response::json(
        401,
        r#"{"error": {"message": "No auth credentials found"}}"#,
    );
    let server = ModelServer::start([Response::completion("bug"), denied]);
    let world = World::new().with("COO_LLM_BASE_URL", server.base_url());
    let ran = world.triage();
    assert_eq!(ran.code, 1);
    assert_eq!(world.json(&["mission", TRIAGE])["status"], "INTERRUPTED");
    assert!(ran.stderr.contains("No auth credentials found"), "{ran:?}");
    assert_eq!(
        fs::read_dir(world.root().join("artefacts"))
            .unwrap()
            .count(),
        0
    );
    let tables: i64 = world
        .database("world.db")
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .unwrap();
    assert_eq!(tables, 0);
}

#[test]
fn a_run_that_fails_leaves_no_artefact_and_no_row() {
    // The last call is one too many, after every statement.
    let (world, _server) = with_model(&["bug", "billing"]);
    world.triage();
    let text = fs::read_to_string(world.path().join("triage.json")).unwrap();
    let mut descriptor: Value = serde_json::from_str(&text).unwrap();
    descriptor["limits"] = json!({"artefacts": 0});
    let fresh = World::new();
    copy_folder(&world.root(), &fresh.root());
    for name in WORLD {
        remove(&fresh.root().join(name));
    }
    fresh.file("triage.json", descriptor.to_string());
    let ran = fresh.coo(&["run", "triage.json"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr
            .contains("limit hit: artefacts 1 wanted, limit 0"),
        "{ran:?}"
    );
    assert_eq!(
        fs::read_dir(fresh.root().join("artefacts"))
            .unwrap()
            .count(),
        0
    );
    let tables: i64 = fresh
        .database("world.db")
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .unwrap();
    assert_eq!(tables, 0);
    assert_identical(&fresh, "MISSION-000002");
}

/// Puts the world back to before its run, wholly or in part: what a process leaves that was
/// killed after it promised and before it applied.
fn unapply(world: &World, lost: &[&str]) {
    for name in lost {
        remove(&world.root().join(name));
    }
    fs::create_dir_all(world.root().join("artefacts")).unwrap();
    world
        .database("coo.db")
        .execute("UPDATE world_commits SET applied = 0", [])
        .unwrap();
}

#[test]
fn what_was_promised_is_finished_by_whoever_comes_next() {
    let done = triaged();
    let report = fs::read(done.root().join(REPORT)).unwrap();
    // Lost altogether; lost in part, either way round; not lost at all.
    for (lost, next) in [
        (&WORLD[..], &["missions"][..]),
        (&WORLD[..3], &["mission", TRIAGE]),
        (&["artefacts"], &["run", "demo"]),
        (&[], &["logs"]),
    ] {
        let world = World::new();
        copy_folder(&done.root(), &world.root());
        unapply(&world, lost);
        let ran = world.coo(next);
        assert_eq!(ran.code, 0, "{lost:?} {next:?}: {ran:?}");
        let said = "[coo] finished what an interrupted process had promised: 5 database changes, 1 artefacts\n";
        assert!(ran.stderr.contains(said), "{lost:?} {next:?}: {ran:?}");
        assert_eq!(rows(&world), expected_rows(), "{lost:?} {next:?}");
        assert_eq!(fs::read(world.root().join(REPORT)).unwrap(), report);
        assert!(
            !world.coo(&["missions"]).stderr.contains("finished"),
            "once is enough"
        );
    }
}

#[test]
fn only_what_is_missing_is_applied_and_in_order() {
    let (world, _server) = with_model(&["A bug.", "billing", "A bug."]);
    assert_eq!(world.triage().code, 0);
    let after_first = World::new();
    copy_folder(&world.root(), &after_first.root());
    // Two spaces: another row, and a report that folds them into the same words.
    let text = fs::read_to_string(world.path().join("triage.json")).unwrap();
    world.file("triage.json", text.replace("It broke", "It  broke"));
    assert_eq!(world.coo(&["run", "triage.json"]).code, 0);
    let after_second = rows(&world);
    assert_eq!(after_second[0].1, "It  broke");

    // Both are lost, then only the second is.
    unapply(&world, &WORLD);
    assert_eq!(world.coo(&["missions"]).code, 0);
    assert_eq!(rows(&world), after_second);
    unapply(&world, &WORLD);
    for name in &WORLD[..3] {
        fs::copy(after_first.root().join(name), world.root().join(name)).unwrap();
    }
    assert_eq!(rows(&world), expected_rows());
    assert_eq!(
        world
            .coo(&["missions"])
            .stderr
            .matches("finished what")
            .count(),
        2
    );
    assert_eq!(rows(&world), after_second);
}

#[test]
fn a_world_that_was_changed_in_between_is_not_changed_further() {
    let world = triaged();
    unapply(&world, &WORLD);
    let database = world.database("world.db");
    database
        .execute_batch("CREATE TABLE ticket (id INTEGER PRIMARY KEY CHECK (id > 1), text, label)")
        .unwrap();
    drop(database);
    let ran = world.coo(&["missions"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.contains("the file was changed from outside"),
        "{ran:?}"
    );
    assert_eq!(rows(&world), []);

    let world = triaged();
    unapply(&world, &WORLD);
    world.file(&format!(".coo/{REPORT}"), "somebody else's");
    let ran = world.coo(&["missions"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr
            .contains("promised by a mission, but something else is there now"),
        "{ran:?}"
    );
    assert_eq!(
        fs::read_to_string(world.root().join(REPORT)).unwrap(),
        "somebody else's"
    );
    fs::remove_file(world.root().join(REPORT)).unwrap();
    assert_eq!(world.coo(&["missions"]).code, 0);
    assert_eq!(rows(&world), expected_rows());
}

#[test]
fn a_killed_run_says_where_it_stood_and_keeps_what_it_was_told() {
    let server = ModelServer::start([
        Step::Respond(Response::completion("A bug.")),
        Step::StaySilent,
    ]);
    let world = World::new().with("COO_LLM_BASE_URL", server.base_url());
    world.triage_descriptor();
    let mut child = world
        .command(&["run", "triage.json"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // The second call has left: the first one's answer is on disk.
    while server.requests().len() < 2 {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::yield_now();
    }
    assert_eq!(world.json(&["mission", TRIAGE])["status"], "RUNNING");
    child.kill().unwrap();
    child.wait().unwrap();

    let mission = world.json(&["mission", TRIAGE]);
    assert_eq!(
        (&mission["status"], &mission["reason"]),
        (
            &json!("INTERRUPTED"),
            &json!("its process ended before the mission did")
        )
    );
    let last = events(&world, TRIAGE).pop().unwrap();
    assert_eq!(
        (&last["kind"], &last["body"]["nth"]),
        (&json!("llm.intent"), &json!(1)),
        "in doubt"
    );
    assert_eq!(
        fs::read_dir(world.root().join("artefacts"))
            .unwrap()
            .count(),
        0
    );

    let again = ModelServer::start([Response::completion("billing")]);
    let mut command = world.command(&["run", "triage.json"]);
    let ran = command
        .env("COO_LLM_BASE_URL", again.base_url())
        .output()
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");
    assert_eq!(again.requests().len(), 1, "the first answer was frozen");
    assert_eq!(rows(&world), expected_rows());
}

#[test]
fn processes_that_share_a_root_all_succeed() {
    // On a fresh root: who comes first makes it, while others look on.
    let world = World::new();
    let start = |arguments: &[&str]| {
        let mut command = world.command(arguments);
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let runs: Vec<_> = (0..4).map(|_| start(&["run-demo"])).collect();
    let looks: Vec<_> = (0..4).map(|_| start(&["missions"])).collect();
    for child in runs.into_iter().chain(looks) {
        let ran = child.wait_with_output().unwrap();
        assert!(ran.status.success(), "{ran:?}");
    }
    let missions = world.json(&["missions"]);
    let ids: Vec<&str> = missions
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["id"].as_str().unwrap())
        .collect();
    assert_eq!(
        ids,
        ["DEMO-000001", "DEMO-000002", "DEMO-000003", "DEMO-000004"]
    );
    for id in ids {
        assert_identical(&world, id);
    }
}
