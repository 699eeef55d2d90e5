//! The decision "Approve Tier-1 Readiness": who gives it, where it is on record, and how long it
//! holds.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{ASKS, REPORT, documents, done, run_json, standing, waiting};
use crate::support::{World, copy_folder, events, every, shown};

fn decisions(world: &World, id: &str) -> Vec<Value> {
    let mut events = events(world, id);
    events.retain(|event| event["kind"] == "human.decision");
    events
        .into_iter()
        .map(|mut event| event["body"].take())
        .collect()
}

#[test]
fn only_the_exact_word_approves_and_the_decision_is_on_record() {
    let world = waiting();
    for said in [
        "",
        "yes\n",
        "approve_tier1_readiness\n",
        "APPROVE_TIER1_READINESS \n",
    ] {
        let ran = world.coo_with_input(&["tier1", "approve"], said.as_bytes());
        assert_eq!(ran.code, 1, "{said:?}: {ran:?}");
        assert_eq!(standing(&world), "WAITING", "{said:?}");
    }
    assert_eq!(decisions(&world, ASKS), [] as [Value; 0]);
    let ran = world.coo_with_input(&["tier1", "approve"], b"yes\n");
    assert_snapshot!(shown("tier1 approve", &ran), @r"
    $ coo tier1 approve
    --- standard error
    [coo] Approve Tier-1 Readiness?
          artefacts/tier1/Tier1_Hardening_Completion_Report_v0.1.md (<sha256…>) has the findings
    Type 'APPROVE_TIER1_READINESS' to approve
    ERROR: tier1: 'yes\n' was typed, and only APPROVE_TIER1_READINESS counts; nothing was decided
    hint: run it again and type APPROVE_TIER1_READINESS, or give --yes; 'coo tier1 reject' rejects it
    --- exit 1
    ");
    let approve = ["tier1", "approve", "--reason", "read it all"];
    let ran = world.coo_with_input(&approve, b"APPROVE_TIER1_READINESS\n");
    assert_snapshot!(shown("tier1 approve --reason 'read it all'", &ran), @"
    $ coo tier1 approve --reason 'read it all'
    Tier-1 readiness
      Installation: <sha256>
      State: <sha256>
      Report: artefacts/tier1/Tier1_Hardening_Completion_Report_v0.1.md (<sha256…>)
      Mission: MISSION-000002
      Reason: read it all
      Standing: APPROVED
    --- standard error
    [coo] Approve Tier-1 Readiness?
          artefacts/tier1/Tier1_Hardening_Completion_Report_v0.1.md (<sha256…>) has the findings
    Type 'APPROVE_TIER1_READINESS' to approve
    --- exit 0
    ");
    assert_eq!(standing(&world), "APPROVED");
    assert_eq!(
        decisions(&world, ASKS),
        [json!({"approved": true, "reason": "read it all", "step": "approve"})]
    );
    // The journal binds the decision to the report's bytes, and replays.
    let written = events(&world, ASKS);
    let written = written
        .iter()
        .find(|it| it["kind"] == "gateway.write")
        .unwrap();
    let report = std::fs::read(world.root().join(REPORT)).unwrap();
    let sha256 = coo_kernel::form::digest::Digest::of(report).to_string();
    assert_eq!(written["body"]["request"]["sha256"], sha256);
    done(&world, &["replay", ASKS]);

    let ran = world.coo(&["tier1", "approve", "--yes"]);
    assert_snapshot!(shown("tier1 approve --yes", &ran), @"
    $ coo tier1 approve --yes
    --- standard error
    ERROR: tier1: readiness is approved already
    hint: 'coo tier1 status' shows it
    --- exit 1
    ");
    // A run of the same state finds the approval.
    let view = run_json(&world, 0);
    assert_eq!(
        (&view["standing"], &view["new"]),
        (&json!("APPROVED"), &json!(false))
    );
}

#[test]
fn a_rejected_report_is_asked_about_again_by_the_next_run() {
    let world = waiting();
    let ran = world.coo(&["tier1", "reject", "--reason", "not yet"]);
    assert_snapshot!(shown("tier1 reject --reason 'not yet'", &ran), @"
    $ coo tier1 reject --reason 'not yet'
    Tier-1 readiness
      Installation: <sha256>
      State: <sha256>
      Report: artefacts/tier1/Tier1_Hardening_Completion_Report_v0.1.md (<sha256…>)
      Mission: MISSION-000002
      Reason: not yet
      Standing: REJECTED
    --- exit 0
    ");
    assert_eq!(standing(&world), "REJECTED");
    assert_eq!(
        decisions(&world, ASKS),
        [json!({"approved": false, "reason": "not yet", "step": "approve"})]
    );
    let ran = world.coo(&["tier1", "approve", "--yes"]);
    assert_snapshot!(shown("tier1 approve --yes", &ran), @"
    $ coo tier1 approve --yes
    --- standard error
    ERROR: tier1: readiness was rejected
    hint: 'coo tier1 run' judges the present state
    --- exit 1
    ");
    let written = documents(&world);
    let view = run_json(&world, 4);
    assert_eq!(
        (&view["new"], &view["mission"]),
        (&json!(false), &json!("MISSION-000003"))
    );
    assert_eq!(documents(&world), written);
    done(&world, &["tier1", "approve", "--yes", "--json"]);
    assert_eq!(standing(&world), "APPROVED");
}

#[test]
fn nothing_is_decided_where_nothing_waits() {
    let world = World::new();
    for command in ["status", "approve", "reject"] {
        let ran = world.coo(&["tier1", command]);
        assert_eq!(
            ran.error(),
            "ERROR: no state root at .coo\nhint: 'coo tier1 run' makes one and judges it\n"
        );
    }
    assert!(!world.root().exists());
    done(&world, &["init"]);
    assert_eq!(standing(&world), "NOT_RUN");
    let ran = world.coo(&["tier1", "status"]);
    assert_snapshot!(shown("tier1 status", &ran), @"
    $ coo tier1 status
    Tier-1 readiness
      Installation: <sha256>
      State: <sha256>
      Standing: NOT_RUN
    --- standard error
    [coo] 'coo tier1 run' judges the present state
    --- exit 1
    ");
    for command in ["approve", "reject"] {
        assert_eq!(
            world.coo(&["tier1", command]).error(),
            "ERROR: tier1: no report waits for a decision\nhint: 'coo tier1 run' judges the present state\n"
        );
    }
}

#[test]
fn a_report_of_another_state_is_not_approved() {
    let world = waiting();
    done(&world, &["run", "triage"]);
    let refused = world.coo(&["tier1", "approve"]).error();
    assert_snapshot!(refused, @"
    ERROR: tier1: tier1/Tier1_Hardening_Completion_Report_v0.1.md is out of date: the state, the installation or the report has changed since
    hint: 'coo tier1 run' judges the present state
    ");
    assert_eq!(world.coo(&["tier1", "reject"]).error(), refused);
    assert_eq!(decisions(&world, ASKS), [] as [Value; 0]);
    let ran = world.coo(&["tier1", "status"]);
    assert_snapshot!(shown("tier1 status", &ran), @"
    $ coo tier1 status
    Tier-1 readiness
      Installation: <sha256>
      State: <sha256>
      Report: artefacts/tier1/Tier1_Hardening_Completion_Report_v0.1.md (<sha256…>)
      Mission: MISSION-000002
      Standing: OUT_OF_DATE
    --- standard error
    [coo] 'coo tier1 run' judges the present state
    --- exit 1
    ");
}

#[test]
fn a_document_that_was_changed_is_not_approved() {
    let world = waiting();
    std::fs::write(world.root().join(REPORT), "all is well\n").unwrap();
    let ran = world.coo(&["tier1", "approve", "--yes"]);
    assert_snapshot!(ran.error(), @"
    ERROR: tier1: document tier1/Tier1_Hardening_Completion_Report_v0.1.md: does not match its record
    hint: 'coo artefacts check --repair' restores it
    ");
    assert_eq!(decisions(&world, ASKS), [] as [Value; 0]);
    done(&world, &["artefacts", "check", "--repair"]);
    done(&world, &["tier1", "approve", "--yes"]);
}

#[test]
fn the_command_for_any_mission_decides_as_well() {
    let world = waiting();
    done(&world, &["approve", ASKS]);
    assert_eq!(standing(&world), "APPROVED");
}

#[test]
fn a_mission_of_somebody_else_is_not_taken_for_the_one_that_asks() {
    let world = waiting();
    let asks = world.json(&["inspect", ASKS]);
    done(&world, &["tier1", "reject"]);
    // The very mission, down to the last byte of descriptor and module.
    let database = world.database("coo.db");
    let descriptor: Vec<u8> = database
        .query_row(
            "SELECT bytes FROM blobs WHERE sha256 = (SELECT descriptor_sha256 FROM missions WHERE number = 2)",
            [],
            |row| row.get(0),
        )
        .unwrap();
    drop(database);
    world.file("tier1/readiness", &descriptor);
    world.file(
        "tier1/tier1_writer.wasm",
        coo::inside::program::bundle::PROBE.wasm,
    );
    let ran = world.coo(&["run", "tier1/readiness"]);
    assert!(ran.stderr.contains("MISSION-000003 PAUSED"), "{ran:?}");
    let copy = world.json(&["inspect", "MISSION-000003"]);
    assert_eq!(copy["mission_type"], asks["mission_type"]);
    done(&world, &["approve", "MISSION-000003"]);
    assert_eq!(standing(&world), "REJECTED");
    // No name of a file is the name on record.
    let ran = world.coo(&["run", "tier1/readiness/"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(world.list(&["missions"]).as_array().unwrap().len(), 3);
}

#[test]
fn an_approval_stopped_at_any_point_is_no_decision_or_the_whole_one() {
    let prepared = waiting();
    let fresh = || {
        let world = World::new();
        copy_folder(&prepared.root(), &world.root());
        world
    };
    let approve = ["tier1", "approve", "--yes"];
    let list = prepared.path().join("points");
    let ran = fresh().coo_with(&approve, "COO_FAULT", &format!("list:{}", list.display()));
    assert_eq!(ran.code, 0, "{ran:?}");
    let points = std::fs::read_to_string(list).unwrap().lines().count();
    let mut ends = std::collections::BTreeMap::new();
    for n in (1..=points).step_by(every(5)) {
        let world = fresh();
        let mut command = world.command(&approve);
        let ended = command
            .env("COO_FAULT", format!("kill:{n}"))
            .output()
            .unwrap();
        assert!(!ended.status.success(), "{n}");
        let stands = standing(&world);
        match stands.as_str() {
            "WAITING" => done(&world, &approve),
            "INTERRUPTED" => done(&world, &["resume", ASKS]),
            _ => done(&world, &["tier1", "status"]),
        };
        assert_eq!(standing(&world), "APPROVED", "{n}");
        assert_eq!(decisions(&world, ASKS).len(), 1, "{n}");
        *ends.entry(stands).or_insert(0) += 1;
    }
    println!("{points} points: {ends:?}");
    assert!(ends.contains_key("WAITING"), "{ends:?}");
    assert!(ends.len() > 1, "{ends:?}");
}
