//! Every change of a journal, and of what belongs to it, is found and named.

use std::fs;

use coo_kernel::journal::Kind;
use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{TRIAGE, assert_identical, demo, forge, triaged};
use crate::support::{events, shown, steady};

#[test]
fn every_changed_event_is_found_and_named() {
    let world = demo();
    let count = events(&world, "DEMO-000001").len();
    let journal = world.unguarded_journal();
    journal
        .execute_batch("CREATE TABLE untouched AS SELECT * FROM events")
        .unwrap();
    let mut told = Vec::new();
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
        assert!(changed.is_ok(), "{changed:?}");
        for command in ["logs", "replay"] {
            let ran = world.coo(&[command, "DEMO-000001"]);
            assert_eq!(ran.code, 1, "{column} of {seq}: {ran:?}");
            told.push(format!("{column} of {seq}, {command}: {}", ran.stderr));
        }
        let restore = format!(
            "UPDATE events SET {column} = (SELECT {column} FROM untouched WHERE id = events.id)"
        );
        journal.execute(&restore, []).unwrap();
    }
    assert_snapshot!(steady(&told.concat()), @"
    body of 1, logs: ERROR: mission DEMO-000001: journal broken at event 1: its digest is not that of its content; it was changed after it was written
    body of 1, replay: ERROR: mission DEMO-000001: journal broken at event 1: its digest is not that of its content; it was changed after it was written
    state of 2, logs: ERROR: mission DEMO-000001: journal broken at event 2: its digest is not that of its content; it was changed after it was written
    state of 2, replay: ERROR: mission DEMO-000001: journal broken at event 2: its digest is not that of its content; it was changed after it was written
    kind of 3, logs: ERROR: mission DEMO-000001: journal broken at event 3: its digest is not that of its content; it was changed after it was written
    kind of 3, replay: ERROR: mission DEMO-000001: journal broken at event 3: its digest is not that of its content; it was changed after it was written
    prev_sha256 of 4, logs: ERROR: mission DEMO-000001: journal broken at event 4: its 'prev' is not the digest of the event before; it was changed after it was written
    prev_sha256 of 4, replay: ERROR: mission DEMO-000001: journal broken at event 4: its 'prev' is not the digest of the event before; it was changed after it was written
    sha256 of 5, logs: ERROR: mission DEMO-000001: journal broken at event 5: its digest is not that of its content; it was changed after it was written
    sha256 of 5, replay: ERROR: mission DEMO-000001: journal broken at event 5: its digest is not that of its content; it was changed after it was written
    body of 6, logs: ERROR: mission DEMO-000001: journal broken at event 6: its digest is not that of its content; it was changed after it was written
    body of 6, replay: ERROR: mission DEMO-000001: journal broken at event 6: its digest is not that of its content; it was changed after it was written
    body of 7, logs: ERROR: mission DEMO-000001: journal broken at event 7: its digest is not that of its content; it was changed after it was written
    body of 7, replay: ERROR: mission DEMO-000001: journal broken at event 7: its digest is not that of its content; it was changed after it was written
    state of 8, logs: ERROR: mission DEMO-000001: journal broken at event 8: its digest is not that of its content; it was changed after it was written
    state of 8, replay: ERROR: mission DEMO-000001: journal broken at event 8: its digest is not that of its content; it was changed after it was written
    kind of 9, logs: ERROR: mission DEMO-000001: journal broken at event 9: its digest is not that of its content; it was changed after it was written
    kind of 9, replay: ERROR: mission DEMO-000001: journal broken at event 9: its digest is not that of its content; it was changed after it was written
    prev_sha256 of 10, logs: ERROR: mission DEMO-000001: journal broken at event 10: its 'prev' is not the digest of the event before; it was changed after it was written
    prev_sha256 of 10, replay: ERROR: mission DEMO-000001: journal broken at event 10: its 'prev' is not the digest of the event before; it was changed after it was written
    sha256 of 11, logs: ERROR: mission DEMO-000001: journal broken at event 11: its digest is not that of its content; it was changed after it was written
    sha256 of 11, replay: ERROR: mission DEMO-000001: journal broken at event 11: its digest is not that of its content; it was changed after it was written
    ");
    assert_identical(&world, "DEMO-000001");
}

#[test]
fn a_missing_event_is_found_and_named() {
    let world = demo();
    let journal = world.unguarded_journal();
    journal
        .execute("DELETE FROM events WHERE seq = 4", [])
        .unwrap();
    let mut told = String::new();
    for command in ["logs", "mission", "inspect", "replay", "missions"] {
        let arguments = if command == "missions" {
            vec![command]
        } else {
            vec![command, "DEMO-000001"]
        };
        told += &shown(&arguments.join(" "), &world.coo(&arguments));
    }
    assert_snapshot!(told, @"
    $ coo logs DEMO-000001
    [0001] STATE=INIT mission type=DEMO_V1_1 descriptor=<sha256…> module=<sha256…> config=<sha256…> sha256=<sha256…>
    [0002] STATE=CAPTURE_ENV transition from=INIT sha256=<sha256…>
    [0003] STATE=CAPTURE_ENV environment host=<sha256…> sha256=<sha256…>
    --- standard error
    ERROR: mission DEMO-000001: journal broken at event 5: an event is missing or out of order; it was changed after it was written
    --- exit 1
    $ coo mission DEMO-000001
    --- standard error
    ERROR: mission DEMO-000001: journal broken at event 5: an event is missing or out of order; it was changed after it was written
    --- exit 1
    $ coo inspect DEMO-000001
    --- standard error
    ERROR: mission DEMO-000001: journal broken at event 5: an event is missing or out of order; it was changed after it was written
    --- exit 1
    $ coo replay DEMO-000001
    --- standard error
    ERROR: mission DEMO-000001: journal broken at event 5: an event is missing or out of order; it was changed after it was written
    --- exit 1
    $ coo missions
    ID           TYPE       STATUS   STARTED (UTC)     DURATION  NAME
    DEMO-000001  DEMO_V1_1  DAMAGED  <time>  <took>  demo
    --- standard error
    ERROR: mission DEMO-000001: journal broken at event 5: an event is missing or out of order; it was changed after it was written
    --- exit 1
    ");
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
    assert_snapshot!(shown("replay DEMO-000001", &ran), @r#"
    $ coo replay DEMO-000001
    Replay DEMO-000001
      States: INIT > CAPTURE_ENV > RUN > WRITE_REPORT
      Events: 10 identical
      Result: DIVERGENT

    First divergence: event 11
      Journal: nothing: it has ended there
      Replay:  COMPLETE transition

    Events before it
      [0006] STATE=RUN llm.intent request=<sha256…> nth=1 sha256=<sha256…>
      [0007] STATE=RUN llm.outcome model=HuggingFaceTB/SmolLM2-135M-Instruct text="MailSort is a small service that helps… sha256=<sha256…>
      [0008] STATE=RUN step.returned step=summarise output=<sha256…> bytes=493 sha256=<sha256…>
      [0009] STATE=WRITE_REPORT transition from=RUN sha256=<sha256…>
      [0010] STATE=WRITE_REPORT world artefacts=0 db_executes=0 sha256=<sha256…>

    Usual causes
      - one of the two runs ended earlier: a limit, the fuel or the engine differs
      - a journal that was changed and whose hash chain was recomputed: compare
        its head with one kept elsewhere
    --- standard error
    ERROR: replay of DEMO-000001: diverges at event 11
    --- exit 3
    "#);

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
    assert_snapshot!(shown("replay DEMO-000001", &ran), @r#"
    $ coo replay DEMO-000001
    Replay DEMO-000001
      States: INIT > CAPTURE_ENV > RUN > WRITE_REPORT > COMPLETE
      Events: 11 identical
      Result: DIVERGENT

    First divergence: event 12
      Journal: COMPLETE world
      Replay:  nothing: it has ended there

    Events before it
      [0007] STATE=RUN llm.outcome model=HuggingFaceTB/SmolLM2-135M-Instruct text="MailSort is a small service that helps… sha256=<sha256…>
      [0008] STATE=RUN step.returned step=summarise output=<sha256…> bytes=493 sha256=<sha256…>
      [0009] STATE=WRITE_REPORT transition from=RUN sha256=<sha256…>
      [0010] STATE=WRITE_REPORT world artefacts=0 db_executes=0 sha256=<sha256…>
      [0011] STATE=COMPLETE transition from=WRITE_REPORT sha256=<sha256…>

    Usual causes
      - one of the two runs ended earlier: a limit, the fuel or the engine differs
      - a journal that was changed and whose hash chain was recomputed: compare
        its head with one kept elsewhere
    --- standard error
    ERROR: replay of DEMO-000001: diverges at event 12
    --- exit 3
    "#);
}

#[test]
fn events_can_not_be_changed_by_accident() {
    let world = demo();
    let journal = world.database("coo.db");
    for sql in [
        "UPDATE segments SET events = '{}'",
        "DELETE FROM segments",
        "INSERT OR REPLACE INTO segments(id, last, sha256, events) SELECT id, last, sha256, '{}' FROM segments",
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
    assert_snapshot!(shown("replay DEMO-000001", &ran), @r#"
    $ coo replay DEMO-000001
    Replay DEMO-000001
      States: INIT > CAPTURE_ENV > RUN
      Events: 7 identical
      Result: DIVERGENT

    First divergence: event 8
      Journal: RUN step.returned
      Replay:  RUN step.returned

    Difference (- journal, + replay)
          "id": "summarise",
          "output": {
      -     "bytes": 493,
      -     "sha256": "<sha256…><sha256…><sha256…><sha256…>7d90d47c9…
      +     "bytes": 13,
      +     "sha256": "<sha256…><sha256…><sha256…><sha256…>439bef744…
          },
          "stderr": {

    Events before it
      [0003] STATE=CAPTURE_ENV environment host=<sha256…> sha256=<sha256…>
      [0004] STATE=RUN transition from=CAPTURE_ENV sha256=<sha256…>
      [0005] STATE=RUN step.started step=summarise input=<sha256…> bytes=970 sha256=<sha256…>
      [0006] STATE=RUN llm.intent request=<sha256…> nth=1 sha256=<sha256…>
      [0007] STATE=RUN llm.outcome model=HuggingFaceTB/SmolLM2-135M-Instruct text="Forged words." sha256=<sha256…>

    Usual causes
      - numbers whose NaN bits were left to the processor (engine.canonical_nan:
        false)
      - another engine that computes otherwise: compare facts.engine of 'coo
        inspect --json'
      - a journal that was changed and whose hash chain was recomputed: compare
        its head with one kept elsewhere
    --- standard error
    ERROR: replay of DEMO-000001: diverges at event 8
    --- exit 3
    "#);
    let forged = events(&world, "DEMO-000001");
    let returned = forged
        .iter()
        .find(|event| event["kind"] == "step.returned")
        .unwrap();
    let seq = &returned["sequence_id"];

    let ran = world.coo(&["replay", "DEMO-000001", "--json"]);
    let view: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.code, &view["identical"]), (3, &json!(false)));
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
    assert_snapshot!(shown("replay MISSION-000001", &ran), @r#"
    $ coo replay MISSION-000001
    Replay MISSION-000001
      States: INIT > CAPTURE_ENV > RUN
      Events: 12 identical
      Result: DIVERGENT

    First divergence: event 13
      Journal: RUN llm.intent
      Replay:  RUN llm.intent

    Difference (- journal, + replay)
            "messages": [
              {
      -         "content": "I was charged twice\n\nWhich label fits?\nLabels: bu…
      +         "content": "I was charged a hundred times\n\nWhich label fits?\n…
                "role": "user"
              }
            "top_p": 1.0
          },
      -   "sha256": "<sha256…><sha256…><sha256…><sha256…>90c3eec8f0f…
      +   "sha256": "<sha256…><sha256…><sha256…><sha256…>e4946f2c736…
          "since": {
            "call": 10,

    Events before it
      [0008] STATE=RUN db.execute {"params":[2,"I was charged twice"],"sq… -> {"ok":1} sha256=<sha256…>
      [0009] STATE=RUN db.query {"params":[],"sql":"SELECT id, text FRO… -> {"ok":{"columns":["id","text"],"rows":[… sha256=<sha256…>
      [0010] STATE=RUN llm.intent request=<sha256…> nth=1 sha256=<sha256…>
      [0011] STATE=RUN llm.outcome model=test/model text="A bug." sha256=<sha256…>
      [0012] STATE=RUN db.execute {"params":["bug",1],"sql":"UPDATE ticke… -> {"ok":1} sha256=<sha256…>

    Usual causes
      - the guest computed another request: NaN bits left to the processor
        (engine.canonical_nan: false), or another engine
      - the answer before this one was read otherwise (another release of coo)
      - a journal that was changed and whose hash chain was recomputed: compare
        its head with one kept elsewhere
    --- standard error
    ERROR: replay of MISSION-000001: diverges at event 13
    --- exit 3
    "#);
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
    assert_snapshot!(shown("replay DEMO-000001", &ran), @r#"
    $ coo replay DEMO-000001
    Replay DEMO-000001
      States: INIT > CAPTURE_ENV > RUN
      Events: 5 identical
      Result: DIVERGENT

    First divergence: event 6
      Journal: RUN llm.intent
      Replay:  RUN llm.intent

    Difference (- journal, + replay)
            "model": "HuggingFaceTB/SmolLM2-135M-Instruct",
            "seed": 0,
      -     "temperature": 1.0,
      +     "temperature": 0.0,
            "top_p": 1.0
          },

    Events before it
      [0001] STATE=INIT mission type=DEMO_V1_1 descriptor=<sha256…> module=<sha256…> config=<sha256…> sha256=<sha256…>
      [0002] STATE=CAPTURE_ENV transition from=INIT sha256=<sha256…>
      [0003] STATE=CAPTURE_ENV environment host=<sha256…> sha256=<sha256…>
      [0004] STATE=RUN transition from=CAPTURE_ENV sha256=<sha256…>
      [0005] STATE=RUN step.started step=summarise input=<sha256…> bytes=970 sha256=<sha256…>

    Usual causes
      - the guest computed another request: NaN bits left to the processor
        (engine.canonical_nan: false), or another engine
      - the answer before this one was read otherwise (another release of coo)
      - a journal that was changed and whose hash chain was recomputed: compare
        its head with one kept elsewhere
    --- standard error
    ERROR: replay of DEMO-000001: diverges at event 6
    --- exit 3
    "#);
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
    assert_snapshot!(shown("replay MISSION-000001", &ran), @r#"
    $ coo replay MISSION-000001
    Replay MISSION-000001
      States: INIT > CAPTURE_ENV > RUN
      Events: 6 identical
      Result: DIVERGENT

    First divergence: event 7
      Journal: RUN db.query
      Replay:  RUN db.execute

    Difference (- journal, + replay)
        {
      -   "answer": {
      -     "ok": 1
      -   },
          "request": {
            "params": [

    Events before it
      [0002] STATE=CAPTURE_ENV transition from=INIT sha256=<sha256…>
      [0003] STATE=CAPTURE_ENV environment host=<sha256…> sha256=<sha256…>
      [0004] STATE=RUN transition from=CAPTURE_ENV sha256=<sha256…>
      [0005] STATE=RUN step.started step=triage input=<sha256…> bytes=184 sha256=<sha256…>
      [0006] STATE=RUN db.execute {"params":[],"sql":"CREATE TABLE IF NOT… -> {"ok":0} sha256=<sha256…>

    Usual causes
      - the guest took another path: look at the last answer it was given before
        this
      - a limit that only one of the two runs has hit (another release of coo,
        another engine)
      - a journal that was changed and whose hash chain was recomputed: compare
        its head with one kept elsewhere
    --- standard error
    ERROR: replay of MISSION-000001: diverges at event 7
    --- exit 3
    "#);
}

#[test]
fn other_fuel_or_memory_under_the_same_engine_is_a_difference() {
    let mut told = String::new();
    for field in ["fuel", "memory_peak_bytes"] {
        let world = demo();
        let sql = format!("UPDATE missions SET facts = json_set(facts, '$.{field}', 5)");
        world.database("coo.db").execute(&sql, []).unwrap();
        let ran = world.coo(&["replay", "DEMO-000001"]);
        told += &shown("replay DEMO-000001", &ran);
    }
    assert_snapshot!(told, @"
    $ coo replay DEMO-000001
    Replay DEMO-000001
      States: INIT > CAPTURE_ENV > RUN > WRITE_REPORT > COMPLETE
      Events: 11 identical
      Fuel: 62548 DIFFERENT
      Memory: 1114112 bytes identical
      Output: 493 bytes identical
      Chain: <sha256>
      Result: DIVERGENT
    --- standard error
    ERROR: replay of DEMO-000001: same events, but fuel 5 recorded and 62548 used, memory 1114112 recorded and 1114112 used
    --- exit 3
    $ coo replay DEMO-000001
    Replay DEMO-000001
      States: INIT > CAPTURE_ENV > RUN > WRITE_REPORT > COMPLETE
      Events: 11 identical
      Fuel: 62548 identical
      Memory: 1114112 bytes DIFFERENT
      Output: 493 bytes identical
      Chain: <sha256>
      Result: DIVERGENT
    --- standard error
    ERROR: replay of DEMO-000001: same events, but fuel 62548 recorded and 62548 used, memory 5 recorded and 1114112 used
    --- exit 3
    ");
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
    let mut told = String::new();
    for bad in [other, good[..good.len() - 1].to_vec()] {
        fs::write(&module, bad).unwrap();
        told += &shown("replay DEMO-000001", &world.coo(&["replay", "DEMO-000001"]));
    }
    fs::remove_file(&module).unwrap();
    let ran = world.coo(&["replay", "DEMO-000001"]);
    told += &shown("replay DEMO-000001", &ran);
    assert_snapshot!(told, @"
    $ coo replay DEMO-000001
    --- standard error
    ERROR: module .coo/modules/<sha256>.wasm: has SHA-256 <sha256> now, so it was changed after the run
    hint: restore it from a copy
    --- exit 1
    $ coo replay DEMO-000001
    --- standard error
    ERROR: module .coo/modules/<sha256>.wasm: has SHA-256 <sha256> now, so it was changed after the run
    hint: restore it from a copy
    --- exit 1
    $ coo replay DEMO-000001
    --- standard error
    ERROR: file .coo/modules/<sha256>.wasm: can't be opened: No such file or directory (os error 2)
    --- exit 1
    ");
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
    assert_snapshot!(shown("replay DEMO-000001", &ran), @"
    $ coo replay DEMO-000001
    --- standard error
    ERROR: content <sha256>: was changed after it was written
    --- exit 1
    ");
}
