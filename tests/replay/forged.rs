//! Every change of a journal, and of what belongs to it, is found and named.

use std::fs;

use coo_kernel::journal::Kind;
use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{TRIAGE, assert_identical, demo, forge, triaged};
use crate::support::{World, events, shown, steady};

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
        assert_eq!(changed, Ok(1));
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
    assert_snapshot!(steady(&told.concat()), @"");
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
    assert_snapshot!(told, @"");
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
    assert_snapshot!(shown("replay DEMO-000001", &ran), @"");

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
    assert_snapshot!(shown("replay DEMO-000001", &ran), @"");
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
    assert_snapshot!(shown("replay DEMO-000001", &ran), @"");
    let forged = events(&world, "DEMO-000001");
    let returned = forged
        .iter()
        .find(|event| event["kind"] == "step.returned")
        .unwrap();
    let seq = &returned["seq"];

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
    assert_snapshot!(shown("replay MISSION-000001", &ran), @"");
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
    assert_snapshot!(shown("replay DEMO-000001", &ran), @"");
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
    assert_snapshot!(shown("replay MISSION-000001", &ran), @"");
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
    assert_snapshot!(told, @"");
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
    assert_snapshot!(told, @"");
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
    assert_snapshot!(shown("replay DEMO-000001", &ran), @"");
}

// The world.

/// One that recorded none had the first edition's, which protected such folders at the top alone.
#[test]
fn a_run_is_judged_by_the_edition_of_the_rules_that_it_recorded() {
    let world = World::new();
    world.wasm("writer.wasm", include_str!("../fixtures/writer.wat"));
    let more = json!({"steps": [{"id": "write", "input": "a/specs/A_v1.0.md"}]});
    world.descriptor("write.json", &json!({"file": "writer.wasm"}), &more);
    let ran = world.coo(&["run", "write.json"]);
    assert_snapshot!(shown("run write.json", &ran), @"");
    assert_identical(&world, TRIAGE);

    let journal = world.unguarded_journal();
    let record = |rules: Option<u64>| {
        forge(&journal, |_, kind, mut body| {
            if kind == Kind::Environment {
                let fields = body.as_object_mut().unwrap();
                fields.remove("rules");
                fields.extend(rules.map(|rules| ("rules".to_owned(), json!(rules))));
            }
            body
        });
    };
    let replayed = || shown("replay MISSION-000001", &world.coo(&["replay", TRIAGE]));
    record(None);
    // The first edition permitted the write.
    assert_snapshot!(replayed(), @"");
    record(Some(3));
    assert_snapshot!(replayed(), @"");
    record(Some(2));
    assert_identical(&world, TRIAGE);
}
