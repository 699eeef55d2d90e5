//! Human steps: the mission pauses with nothing done, an answer is recorded, and the mission
//! goes on or ends.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{end, run, world};
use crate::support::{Ran, World, events, shown};

const ID: &str = "MISSION-000001";

fn steps() -> Value {
    json!([
        {"id": "draft", "input": "Draft_v1.0.md"},
        {"id": "sign-off", "human": {"ask": "Is the draft fit to publish?"}},
        {"id": "final", "input": "Final_v1.0.md"},
    ])
}

/// A world whose mission waits for a person.
fn paused() -> (World, Ran) {
    let world = world();
    let ran = run(&world, &steps(), &json!({}));
    assert_eq!(ran.code, 4, "{ran:?}");
    (world, ran)
}

fn exists(world: &World, name: &str) -> bool {
    world.root().join("artefacts").join(name).exists()
}

#[test]
fn a_mission_waits_with_nothing_done_and_says_for_what() {
    let (world, ran) = paused();
    assert_snapshot!(shown("run mission.json", &ran), @"
    $ coo run mission.json
    Draft_v1.0.md--- standard error
    [coo] MISSION-000001 PAUSED: 9 events, 65 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: waits for a person at step 'sign-off', which asks: Is the draft fit to publish?
    hint: 'coo approve MISSION-000001' continues it, 'coo reject MISSION-000001' ends it
    --- exit 4
    ");
    assert!(
        !exists(&world, "Draft_v1.0.md"),
        "nothing is done before the end"
    );
    let shown_mission = world.coo(&["mission", ID]);
    assert_snapshot!(shown("mission MISSION-000001", &shown_mission), @r#"
    $ coo mission MISSION-000001
    Mission MISSION-000001
      Type: TEST
      Status: PAUSED
      Step 'sign-off' asks: Is the draft fit to publish?
      Created: <time>
      Started: <time>
      Finished: -

    Timeline
      #0001 INIT
      #0002 CAPTURE_ENV
      #0003 RUN
      #0004 PAUSED
    --- exit 0
    "#);
    assert_eq!(world.list(&["missions"])[0]["status"], "PAUSED");
    // Whoever is to judge can see what would be made.
    let pending = world.json(&["inspect", ID])["pending"].clone();
    assert_eq!(pending[0]["path"], "Draft_v1.0.md");
    let ran = world.coo(&["inspect", ID, "--artefact", "Draft_v1.0.md"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "it is empty");
    let ran = world.coo(&["inspect", ID, "--artefact", "Final_v1.0.md"]);
    let mut told = shown("inspect MISSION-000001 --artefact Final_v1.0.md", &ran);
    for command in ["replay", "resume", "verify"] {
        told += &shown(&format!("{command} {ID}"), &world.coo(&[command, ID]));
    }
    assert_snapshot!(told, @"
    $ coo inspect MISSION-000001 --artefact Final_v1.0.md
    --- standard error
    ERROR: artefact Final_v1.0.md: mission MISSION-000001 has written no artefact of this name
    hint: 'coo inspect MISSION-000001' lists all
    --- exit 1
    $ coo replay MISSION-000001
    --- standard error
    ERROR: mission MISSION-000001: waits for a person at step 'sign-off', so there is no whole run to compare
    hint: run 'coo approve MISSION-000001' or 'coo reject MISSION-000001' first
    --- exit 1
    $ coo resume MISSION-000001
    --- standard error
    ERROR: mission MISSION-000001: waits for a person
    hint: 'coo approve MISSION-000001' continues it, 'coo reject MISSION-000001' ends it
    --- exit 1
    $ coo verify MISSION-000001
    --- standard error
    ERROR: mission MISSION-000001: did not reach an end
    hint: run 'coo resume MISSION-000001' first
    --- exit 1
    ");
}

#[test]
fn an_approved_mission_goes_on_and_is_what_it_would_have_been() {
    let (world, _) = paused();
    let ran = world.coo_with(&["approve", ID, "--reason", "reads well"], "USER", "ana");
    assert_snapshot!(shown("approve MISSION-000001 --reason 'reads well'", &ran), @"
    $ coo approve MISSION-000001 --reason 'reads well'
    Final_v1.0.md--- standard error
    [coo] MISSION-000001 approved at step 'sign-off'
    [coo] MISSION-000001 SUCCESS: 17 events, 130 fuel, <duration>, chain <sha256…>
    --- exit 0
    ");
    assert!(exists(&world, "Draft_v1.0.md") && exists(&world, "Final_v1.0.md"));
    let decision = events(&world, ID)
        .into_iter()
        .find(|event| event["kind"] == "human.decision")
        .unwrap();
    assert_eq!(
        decision["body"],
        json!({"approved": true, "reason": "reads well", "step": "sign-off"})
    );
    let source = decision["source"].as_str().unwrap();
    assert!(
        source.starts_with("user ") && source.ends_with(" (ana)"),
        "{source}"
    );
    assert_eq!(decision["state"], "PAUSED");
    // Everything else works on it as on any mission, on another machine too.
    for command in [
        &["replay", ID][..],
        &["verify", ID],
        &["export", ID, "-o", "run.coorun"],
        &["replay", "run.coorun"],
    ] {
        let ran = world.coo(command);
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    // The answer is given once.
    let ran = world.coo(&["approve", ID]);
    assert_snapshot!(shown("approve MISSION-000001", &ran), @"
    $ coo approve MISSION-000001
    --- standard error
    ERROR: mission MISSION-000001: is not waiting for approval, it is in state COMPLETE
    --- exit 1
    ");
}

#[test]
fn a_rejected_mission_ends_with_nothing_done_whatever_has_changed_since() {
    let (world, _) = paused();
    // Another mission writes what the first one would have written otherwise.
    let other = world.path().join("other.json");
    let text = std::fs::read_to_string(world.path().join("mission.json")).unwrap();
    let mut descriptor: Value = serde_json::from_str(&text).unwrap();
    descriptor["steps"] = json!([{"id": "only", "input": "draft_v1.0.md"}]);
    std::fs::write(other, descriptor.to_string()).unwrap();
    assert_eq!(world.coo(&["run", "other.json"]).code, 0);

    let ran = world.coo(&["reject", ID, "--reason", "too long"]);
    assert_snapshot!(shown("reject MISSION-000001 --reason 'too long'", &ran), @r#"
    $ coo reject MISSION-000001 --reason 'too long'
    --- standard error
    [coo] MISSION-000001 rejected at step 'sign-off'; it has ended, and none of its changes were made
    --- exit 0
    "#);
    assert!(!exists(&world, "Draft_v1.0.md") && !exists(&world, "Final_v1.0.md"));
    assert_eq!(
        end(&world, ID)["failure"],
        json!({"class": "rejected", "reason": "too long", "step": "sign-off"})
    );
    assert_eq!(world.coo(&["replay", ID]).code, 0);
    let explained = world.json(&["explain", ID]);
    assert_eq!(explained["refusal"]["asked"], "a person's approval");
    assert_eq!(explained["refusal"]["allowed"], "no: too long");
    let ran = world.coo(&["reject", ID]);
    assert_snapshot!(shown("reject MISSION-000001", &ran), @"
    $ coo reject MISSION-000001
    --- standard error
    ERROR: mission MISSION-000001: is not waiting for approval, it is in state FAILED
    --- exit 1
    ");
}

#[test]
fn a_decision_about_a_world_that_has_changed_since_stays_and_nothing_is_done() {
    let (world, _) = paused();
    let text = std::fs::read_to_string(world.path().join("mission.json")).unwrap();
    let mut descriptor: Value = serde_json::from_str(&text).unwrap();
    // The same name in another case: the paused mission's first write is refused now.
    descriptor["steps"] = json!([{"id": "only", "input": "DRAFT_v1.0.md"}]);
    world.file("other.json", descriptor.to_string());
    assert_eq!(world.coo(&["run", "other.json"]).code, 0);
    let ran = world.coo(&["approve", ID]);
    assert_snapshot!(shown("approve MISSION-000001", &ran), @"
    $ coo approve MISSION-000001
    --- standard error
    [coo] MISSION-000001 approved at step 'sign-off'
    [coo] MISSION-000001 INTERRUPTED: 5 events, 22 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: what the mission has read has changed since a person decided about it
    hint: run the mission again
    hint: 'coo resume MISSION-000001' continues where it stopped
    --- exit 5
    ");
    let decisions: u32 = world
        .journal()
        .query_row(
            "SELECT count(*) FROM events WHERE kind = 'human.decision'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(decisions, 1);
    assert!(!exists(&world, "Final_v1.0.md"));
}

#[test]
fn two_questions_are_asked_one_after_the_other() {
    let world = world();
    let steps = json!([
        {"id": "a", "input": "A_v1.0.md"},
        {"id": "first", "human": {"ask": "Is A right?"}},
        {"id": "b", "input": "B_v1.0.md"},
        {"id": "second", "human": {"ask": "Is B?"}},
    ]);
    assert_eq!(run(&world, &steps, &json!({})).code, 4);
    let ran = world.coo(&["approve", ID]);
    assert_snapshot!(shown("approve MISSION-000001", &ran), @"
    $ coo approve MISSION-000001
    B_v1.0.md--- standard error
    [coo] MISSION-000001 approved at step 'first'
    [coo] MISSION-000001 PAUSED: 16 events, 130 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: waits for a person at step 'second', which asks: Is B?
    hint: 'coo approve MISSION-000001' continues it, 'coo reject MISSION-000001' ends it
    --- exit 4
    ");
    let ran = world.coo(&["approve", ID]);
    // It prints what the last step returned that made something.
    assert_snapshot!(shown("approve MISSION-000001", &ran), @"
    $ coo approve MISSION-000001
    B_v1.0.md--- standard error
    [coo] MISSION-000001 approved at step 'second'
    [coo] MISSION-000001 SUCCESS: 21 events, 130 fuel, <duration>, chain <sha256…>
    --- exit 0
    ");
    let timeline = world.json(&["mission", ID])["timeline"].clone();
    assert_eq!(
        timeline,
        json!([
            "INIT",
            "CAPTURE_ENV",
            "RUN",
            "PAUSED",
            "RUN",
            "PAUSED",
            "RUN",
            "WRITE_REPORT",
            "COMPLETE"
        ])
    );
    assert_eq!(world.coo(&["replay", ID]).code, 0);
}

#[test]
fn an_answer_is_on_record_whole_or_not_at_all() {
    let (template, _) = paused();
    for (command, final_state) in [("approve", "COMPLETE"), ("reject", "FAILED")] {
        let (counted, list) = (copy_of(&template), template.path().join("points"));
        let listing = format!("list:{}", list.display());
        counted.coo_with(&[command, ID], "COO_FAULT", &listing);
        let points = std::fs::read_to_string(&list).unwrap().lines().count();
        std::fs::remove_file(&list).unwrap();
        assert!(points > 3, "{points}");
        for point in 1..=points {
            for how in ["kill", "fail"] {
                let world = copy_of(&template);
                let mut child = world.command(&[command, ID]);
                child.env("COO_FAULT", format!("{how}:{point}"));
                child.output().unwrap();
                let shown = world.json(&["mission", ID]);
                let again = match shown["status"].as_str().unwrap() {
                    "PAUSED" => world.coo(&[command, ID]),
                    "INTERRUPTED" => world.coo(&["resume", ID]),
                    "SUCCESS" | "FAILED" => world.coo(&["missions"]),
                    other => panic!("{how} at {point}: {other}"),
                };
                assert_eq!(again.code, 0, "{how} at {point}: {again:?}");
                let timeline = world.json(&["mission", ID])["timeline"].clone();
                assert_eq!(timeline.as_array().unwrap().last().unwrap(), final_state);
                let decisions = events(&world, ID);
                let decisions = decisions
                    .iter()
                    .filter(|event| event["kind"] == "human.decision");
                assert_eq!(decisions.count(), 1, "{how} at {point}");
                assert_eq!(exists(&world, "Final_v1.0.md"), command == "approve");
            }
        }
    }
}

/// A world like `world`.
fn copy_of(world: &World) -> World {
    let copy = World::new();
    crate::support::copy_folder(world.path(), copy.path());
    copy
}

#[test]
fn nobody_can_forge_an_approval() {
    let (world, _) = paused();
    let journal = world.unguarded_journal();
    // A transition to RUN without a decision before it, its digest as it should be.
    let (prev, seq): (Vec<u8>, u64) = journal
        .query_row(
            "SELECT sha256, seq FROM events ORDER BY id DESC LIMIT 1",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    let body = r#"{"event":"approved","from":"PAUSED","to":"RUN"}"#;
    let mut chain = coo_kernel::journal::Chain::ending_with(&coo_kernel::journal::Record {
        seq,
        state: coo_kernel::mission::state::State::Paused,
        kind: coo_kernel::journal::Kind::Transition,
        body: String::new(),
        prev: coo_kernel::form::digest::ZERO,
        sha256: coo_kernel::form::digest::Digest::from_bytes(prev.try_into().unwrap()),
    });
    let forged = chain.append(
        coo_kernel::mission::state::State::Run,
        coo_kernel::journal::Kind::Transition,
        body.to_owned(),
    );
    journal
        .execute(
            "INSERT INTO events(id, state, kind, body, prev_sha256, sha256) VALUES(?1, 'RUN', 'transition', ?2, ?3, ?4)",
            rusqlite::params![
                (1_u64 << 32) + forged.seq,
                body,
                forged.prev.as_bytes(),
                forged.sha256.as_bytes()
            ],
        )
        .unwrap();
    drop(journal);
    let ran = world.coo(&["resume", ID]);
    assert_snapshot!(shown("resume MISSION-000001", &ran), @"
    $ coo resume MISSION-000001
    --- standard error
    ERROR: mission MISSION-000001: event 10: it was approved without anybody's decision
    --- exit 1
    ");
}
