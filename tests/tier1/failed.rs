//! A hardening in which something does not hold: it stops there, names the check, its evidence and
//! what to do, and leaves no report.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{documents, done, run_json, standing};
use crate::support::{Ran, World, packs, shown, timeless};

/// Returns the last lines of what a command printed, and its error.
fn end(command: &str, ran: &Ran) -> String {
    let lines: Vec<&str> = ran.stdout.lines().collect();
    let from = lines.len().saturating_sub(8);
    let ran = Ran {
        stdout: format!("…\n{}\n", lines[from..].join("\n")),
        ..ran.clone()
    };
    shown(command, &ran)
}

/// Checks that a run fails in `pack` at `what`, and leaves nothing but the baseline.
fn fails(world: &World, pack: &str, what: &str) {
    let missions = world.list(&["missions"]).as_array().unwrap().len();
    let view = run_json(world, 1);
    assert_eq!(view["result"], "FAIL");
    assert_eq!(
        (&view["standing"], &view["mission"]),
        (&json!(null), &json!(null))
    );
    let last = view["packs"].as_array().unwrap().last().unwrap();
    assert_eq!(last["pack"], pack);
    let checks = ["checks", "after"].map(|field| last[field].as_array().unwrap().clone());
    let failed: Vec<Value> = checks
        .concat()
        .into_iter()
        .filter(|check| check["holds"] == false)
        .collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!(failed[0]["what"], what);
    assert!(!failed[0]["evidence"].as_str().unwrap().is_empty());
    assert!(documents(world).is_empty());
    assert_eq!(
        world.list(&["missions"]).as_array().unwrap().len(),
        missions
    );
}

#[test]
fn artefacts_that_do_not_match_their_record_fail_the_gateway() {
    let world = World::new();
    done(&world, &["run", "triage"]);
    world.file(".coo/artefacts/mine.txt", "mine");
    let ran = world.coo(&["tier1", "run"]);
    assert_snapshot!(end("tier1 run", &ran), @"
    $ coo tier1 run
    …
      PASS  out-of-bound writes
            none: nothing is beside the state root or in artefacts/ but the permitted write
      PASS  a damaged INDEX
            is found, and the next write reconciles it
      FAIL  INDEX of the state root
            artefacts/ does not match its record: 1 difference, the first at mine.txt

      Result: FAIL
    --- standard error
    ERROR: tier1: FP-3.3 (DAP Write Gateway & INDEX Coherence): INDEX of the state root: artefacts/ does not match its record: 1 difference, the first at mine.txt; the fix packs after it were not run
    hint: 'coo artefacts check' lists them, and its --repair corrects them
    --- exit 1
    ");
    fails(&world, "FP-3.3", "INDEX of the state root");
    assert_eq!(standing(&world), "NOT_RUN");
    done(&world, &["artefacts", "check", "--repair"]);
    run_json(&world, 4);
}

#[test]
fn a_forged_journal_fails_the_determinism_suite() {
    let world = World::new();
    done(&world, &["run-demo"]);
    let journal = world.unguarded_journal();
    journal
        .execute("UPDATE events SET body = body || ' ' WHERE seq = 5", [])
        .unwrap();
    drop(journal);
    let ran = world.coo(&["tier1", "run"]);
    assert_snapshot!(end("tier1 run", &ran), @"
    $ coo tier1 run
    …
      PASS  imports of all bundled modules
            none outside the surface, whose clocks and random numbers are part of the record
      PASS  transitions of the state machine
            49 pairs of state and event: 11 legal, 38 refused, by the state machine and by the fold of a journal
      FAIL  journals of the state root
            mission DEMO-000001: journal broken at event 5: its digest is not that of its content; it was changed after it was written

      Result: FAIL
    --- standard error
    ERROR: tier1: FP-3.1 (Determinism Suite & FSM Validation): journals of the state root: mission DEMO-000001: journal broken at event 5: its digest is not that of its content; it was changed after it was written; the fix packs after it were not run
    hint: restore the state root from a copy, or use another one
    --- exit 1
    ");
    assert!(documents(&world).is_empty());
}

#[test]
fn a_baseline_that_can_not_be_restored_fails() {
    let world = World::new();
    done(&world, &["amu0", "create", "--name", "PRE_HARDENING_AMU0"]);
    // config.json, as the baseline keeps it.
    let content = std::fs::read(world.root().join("config.json")).unwrap();
    packs::damage(&world, &coo_kernel::form::digest::Digest::of(content));
    fails(&world, "FP-3.1", "rollback to the baseline");
    let ran = world.coo(&["tier1", "run"]);
    assert_snapshot!(end("tier1 run", &ran), @"
    $ coo tier1 run
    …
      PASS  journals of the state root
            every chain is whole, and every fold follows the state machine
      PASS  determinism suite
            demo and phase3 and triage identical to the first results
      FAIL  rollback to the baseline
            object <sha256> in .coo/amu0/packs/<sha256>.pack: was changed after it was written, it has 813 bytes and SHA-256 <sha256…>

      Result: FAIL
    --- standard error
    ERROR: tier1: FP-3.1 (Determinism Suite & FSM Validation): rollback to the baseline: object <sha256> in .coo/amu0/packs/<sha256>.pack: was changed after it was written, it has 813 bytes and SHA-256 <sha256…>; the fix packs after it were not run
    hint: take it from a copy of the state root
    --- exit 1
    ");
}

#[test]
fn a_governance_that_forbids_the_report_is_named_before_anything_runs() {
    let world = World::new();
    done(&world, &["init"]);
    let path = world.root().join("config.json");
    let fresh: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let mut said = String::new();
    for governance in [
        json!({"ceiling": {"tier": 2}}),
        json!({"ceiling": {"paths": ["triage/**"]}}),
        json!({"protected": ["**/*Enhancement*"]}),
    ] {
        let mut config = fresh.clone();
        config["governance"] = governance;
        std::fs::write(&path, config.to_string()).unwrap();
        said += &world.coo(&["tier1", "run"]).error();
    }
    assert_snapshot!(said, @"
    ERROR: tier1: the report can't be written: governance error: gateway.write, which needs tier 3: the ceiling (governance.ceiling of the configuration) permits tier 2
    hint: raise governance.ceiling.tier of config.json if the mission may do more
    hint: let 'governance' in config.json permit tier 3 and tier1/**
    ERROR: tier1: the report can't be written: governance error: gateway.write to 'tier1/Tier1_Determinism_Report_v0.1.json': the ceiling (governance.ceiling of the configuration) permits triage/**
    hint: raise governance.ceiling.paths of config.json if the mission may do more
    hint: let 'governance' in config.json permit tier 3 and tier1/**
    ERROR: tier1: the report can't be written: governance error: gateway.write to 'tier1/Tier1_Enhancement_Log_v0.1.md': protected as '**/*Enhancement*' by the configuration (governance.protected); nobody can write it through the runtime
    hint: let 'governance' in config.json permit tier 3 and tier1/**
    ");
    assert!(!world.root().join("amu0").exists(), "no baseline was taken");
    // A ceiling that only the writing itself can meet.
    let mut config = fresh;
    config["governance"] = json!({"ceiling": {"limits": {"artefact_bytes": 100}}});
    std::fs::write(&path, config.to_string()).unwrap();
    let ran = world.coo(&["tier1", "run"]);
    assert_snapshot!(ran.error(), @"
    ERROR: tier1: the report can't be written: mission MISSION-000001: governance error: artefact_bytes 5369: the ceiling (governance.ceiling of the configuration) permits artefact_bytes 100
    hint: raise governance.ceiling.limits.artefact_bytes of config.json if the mission may do more
    hint: 'coo explain MISSION-000001' shows where each limit comes from
    ");
    assert!(documents(&world).is_empty());
}

#[test]
fn a_frozen_root_is_not_judged() {
    let world = World::new();
    done(&world, &["init"]);
    done(&world, &["manifests", "write"]);
    done(&world, &["freeze"]);
    let ran = world.coo(&["tier1", "run"]);
    assert_snapshot!(timeless(&ran.error()), @"
    ERROR: state root .coo: has been frozen since <time> by freeze 1, nothing was changed
    hint: 'coo freeze lift' lifts the freeze
    ");
    assert_eq!(standing(&world), "NOT_RUN");
}
