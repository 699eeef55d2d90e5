//! A frozen root that somebody changed: the next command names the change, whichever command it is,
//! and lifting the freeze takes another word. The log of freezes can't be rewritten.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use insta::assert_snapshot;
use serde_json::json;

use super::{error, frozen, lift, ready, set_mode};
use crate::support::World;

/// Changes a frozen root, past everything that guards it.
type Tampering = fn(&World);

const ARTEFACT: &str = "artefacts/triage/Triage_Report_v1.0.md";

const TAMPERINGS: [(&str, &str, Tampering); 13] = [
    (ARTEFACT, "other content", |world| {
        fs::write(world.root().join(ARTEFACT), "x").unwrap();
    }),
    (ARTEFACT, "missing", |world| {
        fs::remove_file(world.root().join(ARTEFACT)).unwrap();
    }),
    (ARTEFACT, "other mode", |world| {
        set_mode(&world.root().join(ARTEFACT), 0o644);
    }),
    ("artefacts/more", "extra", |world| {
        fs::create_dir(world.root().join("artefacts/more")).unwrap();
    }),
    ("artefacts/triage", "other mode", |world| {
        set_mode(&world.root().join("artefacts/triage"), 0o755);
    }),
    ("config.json", "other content", |world| {
        fs::write(world.root().join("config.json"), "{").unwrap();
    }),
    ("manifests/tools_manifest.json", "missing", |world| {
        fs::remove_file(world.root().join("manifests/tools_manifest.json")).unwrap();
    }),
    ("manifests/freeze_manifest.json", "other content", |world| {
        fs::write(world.root().join("manifests/freeze_manifest.json"), "{}").unwrap();
    }),
    ("FREEZE", "missing", |world| {
        fs::remove_file(world.root().join("FREEZE")).unwrap();
    }),
    ("FREEZE", "other content", |world| {
        fs::write(world.root().join("FREEZE"), "FREEZE=FALSE\n").unwrap();
    }),
    ("databases/world.jsonl", "other content", |world| {
        world
            .database("world.db")
            .execute_batch("CREATE TABLE more(x)")
            .unwrap();
    }),
    ("missions in coo.db", "other content", |world| {
        let journal = world.unguarded_journal();
        journal
            .execute_batch("DELETE FROM segments; DELETE FROM missions;")
            .unwrap();
    }),
    ("frozen answers in coo.db", "other content", |world| {
        world
            .database("coo.db")
            .execute_batch("INSERT INTO frozen_calls VALUES(x'00', 1, '{}', '{}')")
            .unwrap();
    }),
];

#[test]
fn tampering_is_told_by_the_next_command_whichever_it_is() {
    let mut told = String::new();
    for (what, change, tamper) in TAMPERINGS {
        let world = frozen();
        tamper(&world);
        let mut same = BTreeSet::new();
        for command in [
            &["missions"] as &[&str],
            &["run-demo"],
            &["amu0", "create"],
            &["amu0", "list"],
            &["init"],
        ] {
            same.insert(error(&world.coo(command)));
        }
        writeln!(told, "# {what}, {change}").unwrap();
        told.extend(same);
        let status = world.coo(&["freeze", "status"]);
        told += &error(&status);
        assert!(status.stdout.contains(what), "{status:?}");
        // Lifting takes another word, and undoes none of it.
        told += &error(&lift(&world));
        let lifted = world.coo_with_input(&["freeze", "lift"], b"LIFT_CHANGED_FREEZE\n");
        assert_eq!(lifted.code, 0, "{what} {lifted:?}");
        assert_eq!(
            world.json(&["freeze", "status"]),
            json!({ "format": "coo-freeze/1", "is_frozen": false })
        );
    }
    assert_snapshot!(told, @"
    # artefacts/triage/Triage_Report_v1.0.md, other content
    ERROR: state root .coo: was changed since freeze 1: artefacts/triage/Triage_Report_v1.0.md (other content)
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 1, 1 difference
    hint: undo that, or 'coo freeze lift' ends the freeze
    --- exit 3
    ERROR: freeze 1: 'LIFT_FREEZE' does not lift it, so it stays in force
    hint: run the command again and type exactly LIFT_CHANGED_FREEZE
    # artefacts/triage/Triage_Report_v1.0.md, missing
    ERROR: state root .coo: was changed since freeze 1: artefacts/triage/Triage_Report_v1.0.md (missing)
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 1, 1 difference
    hint: undo that, or 'coo freeze lift' ends the freeze
    --- exit 3
    ERROR: freeze 1: 'LIFT_FREEZE' does not lift it, so it stays in force
    hint: run the command again and type exactly LIFT_CHANGED_FREEZE
    # artefacts/triage/Triage_Report_v1.0.md, other mode
    ERROR: state root .coo: was changed since freeze 1: artefacts/triage/Triage_Report_v1.0.md (other mode)
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 1, 1 difference
    hint: undo that, or 'coo freeze lift' ends the freeze
    --- exit 3
    ERROR: freeze 1: 'LIFT_FREEZE' does not lift it, so it stays in force
    hint: run the command again and type exactly LIFT_CHANGED_FREEZE
    # artefacts/more, extra
    ERROR: state root .coo: was changed since freeze 1: artefacts/more (extra)
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 1, 1 difference
    hint: undo that, or 'coo freeze lift' ends the freeze
    --- exit 3
    ERROR: freeze 1: 'LIFT_FREEZE' does not lift it, so it stays in force
    hint: run the command again and type exactly LIFT_CHANGED_FREEZE
    # artefacts/triage, other mode
    ERROR: state root .coo: was changed since freeze 1: artefacts/triage (other mode)
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 1, 1 difference
    hint: undo that, or 'coo freeze lift' ends the freeze
    --- exit 3
    ERROR: freeze 1: 'LIFT_FREEZE' does not lift it, so it stays in force
    hint: run the command again and type exactly LIFT_CHANGED_FREEZE
    # config.json, other content
    ERROR: state root .coo: was changed since freeze 1: config.json (other content)
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 1, 1 difference
    hint: undo that, or 'coo freeze lift' ends the freeze
    --- exit 3
    ERROR: freeze 1: 'LIFT_FREEZE' does not lift it, so it stays in force
    hint: run the command again and type exactly LIFT_CHANGED_FREEZE
    # manifests/tools_manifest.json, missing
    ERROR: state root .coo: was changed since freeze 1: manifests/tools_manifest.json (missing)
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 1, 1 difference
    hint: undo that, or 'coo freeze lift' ends the freeze
    --- exit 3
    ERROR: freeze 1: 'LIFT_FREEZE' does not lift it, so it stays in force
    hint: run the command again and type exactly LIFT_CHANGED_FREEZE
    # manifests/freeze_manifest.json, other content
    ERROR: state root .coo: was changed since freeze 1: manifests/freeze_manifest.json (other content)
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 1, 1 difference
    hint: undo that, or 'coo freeze lift' ends the freeze
    --- exit 3
    ERROR: freeze 1: 'LIFT_FREEZE' does not lift it, so it stays in force
    hint: run the command again and type exactly LIFT_CHANGED_FREEZE
    # FREEZE, missing
    ERROR: state root .coo: was changed since freeze 1: FREEZE (missing)
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 1, 1 difference
    hint: undo that, or 'coo freeze lift' ends the freeze
    --- exit 3
    ERROR: freeze 1: 'LIFT_FREEZE' does not lift it, so it stays in force
    hint: run the command again and type exactly LIFT_CHANGED_FREEZE
    # FREEZE, other content
    ERROR: state root .coo: was changed since freeze 1: FREEZE (other content)
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 1, 1 difference
    hint: undo that, or 'coo freeze lift' ends the freeze
    --- exit 3
    ERROR: freeze 1: 'LIFT_FREEZE' does not lift it, so it stays in force
    hint: run the command again and type exactly LIFT_CHANGED_FREEZE
    # databases/world.jsonl, other content
    ERROR: state root .coo: was changed since freeze 1: databases/world.jsonl (other content)
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 1, 1 difference
    hint: undo that, or 'coo freeze lift' ends the freeze
    --- exit 3
    ERROR: freeze 1: 'LIFT_FREEZE' does not lift it, so it stays in force
    hint: run the command again and type exactly LIFT_CHANGED_FREEZE
    # missions in coo.db, other content
    ERROR: state root .coo: was changed since freeze 1: missions in coo.db (other content), journals in coo.db (other content), table missions of coo.db (other content), 2 more
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 1, 5 differences
    hint: undo that, or 'coo freeze lift' ends the freeze
    --- exit 3
    ERROR: freeze 1: 'LIFT_FREEZE' does not lift it, so it stays in force
    hint: run the command again and type exactly LIFT_CHANGED_FREEZE
    # frozen answers in coo.db, other content
    ERROR: state root .coo: was changed since freeze 1: frozen answers in coo.db (other content)
    hint: 'coo freeze status' lists all differences
    ERROR: state root .coo: was changed since freeze 1, 1 difference
    hint: undo that, or 'coo freeze lift' ends the freeze
    --- exit 3
    ERROR: freeze 1: 'LIFT_FREEZE' does not lift it, so it stays in force
    hint: run the command again and type exactly LIFT_CHANGED_FREEZE
    ");
}

#[test]
fn a_freeze_that_nobody_made_is_told() {
    let world = ready();
    fs::write(world.root().join("FREEZE"), "FREEZE=TRUE\n").unwrap();
    assert_snapshot!(error(&world.coo(&["missions"])), @"
    ERROR: file .coo/FREEZE: says that the state root is frozen, but the log of freezes has no open freeze
    hint: if the log was not tampered with, remove the file
    ");
    fs::remove_file(world.root().join("FREEZE")).unwrap();
    assert_eq!(world.coo(&["missions"]).code, 0);
    // The log itself can't be rewritten, short of rewriting the database.
    let frozen = frozen();
    let store = frozen.database("coo.db");
    for forged in [
        "DELETE FROM freezes",
        "UPDATE freezes SET phase = 'lifted'",
        "UPDATE freezes SET manifest = '{}'",
        "UPDATE freezes SET frozen_ms = 0",
    ] {
        assert!(store.execute_batch(forged).is_err(), "{forged}");
    }
}
