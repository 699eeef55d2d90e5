//! A hardening in which everything holds: what it prints, what it leaves, and when it leaves
//! something new.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{ASKS, documents, done, run_json, standing};
use crate::support::{World, shown};

/// Removes size and digest of the documents, which depend on the commands of a build.
fn without_sizes(text: &str) -> String {
    let lines = text.lines().map(|line| match line.split_once(" (") {
        Some((path, _)) if path.starts_with("  artefacts/tier1/") => path,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

#[test]
fn the_same_installation_and_state_give_the_same_bytes() {
    let world = World::new();
    let ran = world.coo(&["tier1", "run"]);
    assert_snapshot!(without_sizes(&shown("tier1 run", &ran)), @r"
    $ coo tier1 run
    Tier-1 hardening of .coo
      State: <sha256>
      Baseline: PRE_HARDENING_AMU0 (<sha256…>)

    FP-3.1 Determinism Suite & FSM Validation
      PASS  mission demo: 3 runs in fresh worlds, each replayed
            identical: SUCCESS, 11 events, 62548 fuel, chain <sha256>
      PASS  mission phase3: 3 runs in fresh worlds, each replayed
            identical: SUCCESS, 36 events, 220969 fuel, chain <sha256>
      PASS  mission triage: 3 runs in fresh worlds, each replayed
            identical: SUCCESS, 36 events, 220969 fuel, chain <sha256>
      PASS  imports of all bundled modules
            none outside the surface, whose clocks and random numbers are part of the record
      PASS  transitions of the state machine
            49 pairs of state and event: 11 legal, 38 refused, by the state machine and by the fold of a journal
      PASS  journals of the state root
            every chain is whole, and every fold follows the state machine
      PASS  determinism suite
            demo and phase3 and triage identical to the first results
      PASS  rollback to the baseline
            a changed copy of the state is PRE_HARDENING_AMU0 again, byte for byte
      PASS  state root
            unchanged, byte for byte

    FP-3.2 AMU₀ Discipline & State Lineage
      PASS  objects of the baseline
            7 intact, 5289 bytes
      PASS  the restored state, captured once more
            the same id <sha256>
      PASS  one state in two roots
            one id: files, record and database
      PASS  a promoted run and its lineage
            the lineage has the run and its chain <sha256>
      PASS  rollback to before a run, and forward again
            identical each time, and the lineage follows
      PASS  a directory
            restored byte for byte
      PASS  single root
            nothing was written beside a state root
      PASS  determinism suite
            demo and phase3 and triage identical to the first results
      PASS  rollback to the baseline
            a changed copy of the state is PRE_HARDENING_AMU0 again, byte for byte
      PASS  state root
            unchanged, byte for byte

    FP-3.3 DAP Write Gateway & INDEX Coherence
      PASS  a permitted write
            probe/Report_v1.0.md is there, on record and in the INDEX
      PASS  writes refused by their path
            5: `../Escape_v1.0.md`, `probe/../../Escape_v1.0.md`, `/Escape_v1.0.md`, `C:Escape_v1.0.md`, `probe\Escape_v1.0.md`
      PASS  writes refused by their name
            4: `probe/Escape.md`, `probe/.Escape_v1.0.md`, `con/Escape_v1.0.md`, `probe/Es cape_v1.0.md`
      PASS  writes refused by their version
            4: `probe/Escape_v1.md`, `probe/Escape_v01.0.md`, `probe/Report_v1.0.md`, `probe/report_v1.0.md`
      PASS  writes refused by their boundary
            3: `aaaaaaaa…` of 248 bytes, `a/a/a/a/a/a/a/a/Escape_v1.0.md`, `INDEX.json`
      PASS  out-of-bound writes
            none: nothing is beside the state root or in artefacts/ but the permitted write
      PASS  a damaged INDEX
            is found, and the next write reconciles it
      PASS  INDEX of the state root
            artefacts, record and INDEX agree
      PASS  determinism suite
            demo and phase3 and triage identical to the first results
      PASS  rollback to the baseline
            a changed copy of the state is PRE_HARDENING_AMU0 again, byte for byte
      PASS  state root
            unchanged, byte for byte

    FP-3.7 Anti-Failure Workflow Validator
      PASS  the largest workflow
            5 steps, 2 of them human, are permitted
      PASS  more than 5 steps
            refused by too_many_steps: 6 steps, limit 5; instead: let one module do what several steps do, or split the mission
      PASS  more than 2 human steps
            refused by too_many_human_steps: 3 steps need a person, limit 2; instead: ask once, about everything, after the last step that makes something to judge
      PASS  a routine human operation
            refused by routine_human_operation: 'Copy the report to the wiki' orders a person to do routine work (handling files); instead: let a step write the file where it belongs, through the gateway
      PASS  a routine human operation in polite words
            refused by routine_human_operation: 'Could you please run the tests' orders a person to do routine work (running programs); instead: make it a step of the mission, or let the program that calls coo do it
      PASS  a human step without a question
            refused by no_question: asks no question, and approve or reject can only answer one; instead: ask what only a person can judge; let a step of the mission do the rest
      PASS  human steps alone
            refused by nothing_automated: every step needs a person, so there is nothing to run; instead: add the step that makes what the person is to judge
      PASS  missions on record
            none: no refused workflow ran
      PASS  determinism suite
            demo and phase3 and triage identical to the first results
      PASS  rollback to the baseline
            a changed copy of the state is PRE_HARDENING_AMU0 again, byte for byte
      PASS  state root
            unchanged, byte for byte

    FP-3.9 Governance Protections & Autonomy Ceilings
      PASS  protected artefacts
            a write to each of 21 patterns ended in a governance error, twice the same: `**/01_governance/**`, `**/02_protocols/**`, `**/constitution/**`, `**/spec/**`, `**/specs/**`, `**/*alignment*layer*`, `**/*charter*`, `**/*constitution*`, `**/*governance*leak*ruleset*`, `**/*governance*protocol*`, `**/*hardening*plan*`, `**/*implementation*packet*`, `**/*instruction*packet*`, `**/*lifeos*`, `**/*productisation*brief*`, `**/*runtime*spec*`, `**/*user*surface*`, `**/spec_v*`, `**/*-spec_v*`, `**/*_spec_v*`, `**/*specification_v*`
      PASS  a call above the ceiling's tier
            refused twice with one chain: the ceiling (governance.ceiling of the configuration) permits tier 2
      PASS  a path outside the ceiling
            refused twice with one chain: the ceiling (governance.ceiling of the configuration) permits elsewhere/**
      PASS  more bytes than the ceiling
            refused twice with one chain: the ceiling (governance.ceiling of the configuration) permits artefact_bytes 1
      PASS  a path that the operator protects
            refused twice with one chain: the configuration (governance.protected) permits probe/**
      PASS  a call above the scope's tier
            refused twice with one chain: the descriptor's scope permits tier 2
      PASS  a path outside the scope
            refused twice with one chain: the descriptor's scope permits elsewhere/**
      PASS  artefacts after all attempts
            none
      PASS  determinism suite
            demo and phase3 and triage identical to the first results
      PASS  rollback to the baseline
            a changed copy of the state is PRE_HARDENING_AMU0 again, byte for byte
      PASS  state root
            unchanged, byte for byte

    Documents
      artefacts/tier1/Tier1_Determinism_Report_v0.1.json
      artefacts/tier1/Tier1_Enhancement_Log_v0.1.md
      artefacts/tier1/Tier1_Hardening_Completion_Report_v0.1.md

      Result: PASS
      Tier-1 readiness: WAITING, MISSION-000002
    --- standard error
    [coo] MISSION-000002 asks: Approve Tier-1 Readiness?
          'coo tier1 approve' and 'coo tier1 reject' record your answer
    --- exit 4
    ");
    assert_eq!(standing(&world), "WAITING");
    let written = documents(&world);
    let names: Vec<&String> = written.keys().collect();
    assert_eq!(
        names,
        [
            "Tier1_Determinism_Report_v0.1.json",
            "Tier1_Enhancement_Log_v0.1.md",
            "Tier1_Hardening_Completion_Report_v0.1.md"
        ]
    );
    let report = String::from_utf8(written["Tier1_Hardening_Completion_Report_v0.1.md"].clone());
    assert_snapshot!(
        "completion_report",
        crate::support::steady(&report.unwrap())
    );
    // They went through the gateway: on record, in the INDEX, and nothing else is there.
    done(&world, &["artefacts", "check"]);
    let record = world.list(&["artefacts"]);
    assert_eq!(record.as_array().unwrap().len(), 3, "{record}");

    // Another folder, another history that left the same state, another environment.
    let other = World::new()
        .with("COO_LLM_MODEL", "vendor/model")
        .with("COO_LLM_BASE_URL", "http://127.0.0.1:9/v1")
        .with("USER", "somebody")
        .with("TZ", "Asia/Tokyo");
    done(&other, &["init"]);
    done(&other, &["validate", "demo"]);
    let view = run_json(&other, 4);
    assert_eq!(view["result"], "PASS");
    assert_eq!(view["new"], true);
    assert_eq!(documents(&other), written);

    // Once more: everything is tried again, and nothing new is written or asked.
    let again = run_json(&world, 4);
    assert_eq!(again["new"], false);
    assert_eq!(again["packs"], view["packs"]);
    assert_eq!(again["documents"], view["documents"]);
    assert_eq!(again["mission"], ASKS);
    assert_eq!(documents(&world), written);
    assert_eq!(world.list(&["missions"]).as_array().unwrap().len(), 2);
}

#[test]
fn fix_packs_run_in_order_and_each_is_followed_by_suite_and_rollback() {
    let world = World::new();
    let view = run_json(&world, 4);
    let packs = view["packs"].as_array().unwrap();
    let ids: Vec<&str> = packs
        .iter()
        .map(|pack| pack["pack"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["FP-3.1", "FP-3.2", "FP-3.3", "FP-3.7", "FP-3.9"]);
    for pack in packs {
        let names = |field: &str| -> Vec<String> {
            let checks = pack[field].as_array().unwrap().iter();
            checks
                .inspect(|check| assert_eq!(check["holds"], true, "{check}"))
                .map(|check| check["what"].as_str().unwrap().to_owned())
                .collect()
        };
        assert!(names("checks").len() >= 5, "{pack}");
        assert_eq!(
            names("after"),
            [
                "determinism suite",
                "rollback to the baseline",
                "state root"
            ]
        );
    }
    let report = &documents(&world)["Tier1_Determinism_Report_v0.1.json"];
    let report: Value = serde_json::from_slice(report).unwrap();
    let missions = report["missions"].as_array().unwrap();
    assert_eq!(missions.len(), 3);
    for mission in missions {
        assert_eq!(mission["runs"], 3);
        assert_eq!(mission["each"]["replay_identical"], true);
        let alone = world.json(&["verify", mission["mission"].as_str().unwrap()]);
        assert_eq!(
            mission["each"], alone["runs"][0],
            "as 'coo verify' finds it"
        );
    }
    assert_eq!(report["transitions"]["pairs"], 49);
    assert_eq!(report["transitions"]["deviations"], json!([]));
}

#[test]
fn a_change_of_the_state_makes_a_new_version_from_a_new_baseline() {
    let world = World::new();
    let first = run_json(&world, 4);
    done(&world, &["tier1", "approve", "--yes"]);
    let old = documents(&world);
    // A mission that changes nothing of the state changes nothing here, either.
    done(&world, &["run-demo"]);
    assert_eq!(standing(&world), "APPROVED");
    done(&world, &["run", "triage"]);
    assert_eq!(standing(&world), "OUT_OF_DATE");
    let second = run_json(&world, 4);
    assert_ne!(second["state"], first["state"]);
    assert_eq!(first["baseline"]["name"], "PRE_HARDENING_AMU0");
    assert_eq!(second["baseline"]["name"], "PRE_HARDENING_AMU0-000002");
    let all = documents(&world);
    assert_eq!(all.len(), 6);
    for (name, content) in old {
        assert_eq!(all[&name], content, "{name}");
        assert!(
            all.contains_key(&name.replace("_v0.1.", "_v0.2.")),
            "{name}"
        );
    }
    assert_eq!(standing(&world), "WAITING");
    // The state is what it was at the first baseline again; its report is gone with the rollback.
    let ran = world.coo_with_input(&["rollback", "PRE_HARDENING_AMU0"], b"CONFIRM_ROLLBACK\n");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(standing(&world), "OUT_OF_DATE");
    let third = run_json(&world, 4);
    assert_eq!(third["state"], first["state"]);
    assert_eq!(third["documents"], {
        let mut documents = first["documents"].clone();
        let report = &mut documents[2];
        // The third run takes a baseline of its own, since the last one holds another state.
        report["sha256"] = third["documents"][2]["sha256"].clone();
        report["bytes"] = third["documents"][2]["bytes"].clone();
        documents
    });
}

#[test]
fn the_state_gets_the_documents_and_nothing_else() {
    let world = World::new();
    done(&world, &["run", "triage"]);
    run_json(&world, 4);
    let ran = world.coo(&["amu0", "verify", "PRE_HARDENING_AMU0", "--state", "--json"]);
    let view: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(view["damage"], json!([]));
    let differences = view["state"]["differences"].as_array().unwrap();
    let paths: Vec<&str> = differences
        .iter()
        .map(|difference| difference["path"].as_str().unwrap())
        .collect();
    assert_eq!(
        paths,
        [
            "artefacts/INDEX.json",
            "artefacts/INDEX.md",
            "artefacts/tier1",
            "artefacts/tier1/Tier1_Determinism_Report_v0.1.json",
            "artefacts/tier1/Tier1_Enhancement_Log_v0.1.md",
            "artefacts/tier1/Tier1_Hardening_Completion_Report_v0.1.md",
            "databases/artefacts.json"
        ]
    );
    for folder in ["verify", "set-aside", "changes"] {
        assert!(!world.root().join(folder).exists(), "{folder}");
    }
    assert_eq!(world.coo(&["rollback", "--log"]).stdout, "");
}

#[test]
fn the_operators_governance_is_judged_and_reported() {
    let world = World::new();
    done(&world, &["init"]);
    let path = world.root().join("config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    // Too little for the probes of the other fix packs, which run under a configuration of their own.
    config["governance"] = json!({"ceiling": {"paths": ["tier1/**"], "tier": 3}});
    std::fs::write(path, config.to_string()).unwrap();
    run_json(&world, 4);
    let report = &documents(&world)["Tier1_Hardening_Completion_Report_v0.1.md"];
    let report = String::from_utf8_lossy(report);
    assert!(
        report.contains(
            r#"| Operator's governance | `{"ceiling":{"paths":["tier1/**"],"tier":3}}` |"#
        ),
        "{report}"
    );
}
