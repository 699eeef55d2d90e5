//! Changes that meet what they did not expect: edits of somebody else, another environment, a
//! freeze that began or ended, a forged record, a command at the wrong time, a key. Each is named,
//! no work is lost, and no key is written down.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use insta::assert_snapshot;

use super::failed::{APPROVE, START, at_first_review, at_last_review, ended, faulty, points};
use super::{ID, YES, approve, config, done, repo, roll_back, stage, start, status, world};
use crate::support::tree::{picture, set_mode};
use crate::support::{World, shown};

#[test]
fn what_somebody_else_changes_meanwhile_stops_it() {
    let world = at_first_review();
    world.file("repo/docs/plan.md", "# Plan\n\n- [P-2] Something else.\n");
    let ran = approve(&world);
    assert_snapshot!(shown("pipeline approve PIPELINE-000001", &ran), @"
    $ coo pipeline approve PIPELINE-000001
    --- standard error
    [coo] PIPELINE-000001 CEO_REVIEW
    [coo] PIPELINE-000001 CEO_REVIEW: document docs/plan.md: is not what the amendments made it; let nobody write to it meanwhile
    [coo] PIPELINE-000001: the repository is restored to its baseline; entries that differ now: docs/plan.md
    Type 'CONFIRM_ROLLBACK' to proceed
    ERROR: RollbackAbortedException: rollback of PIPELINE-000001: nothing was typed, and only CONFIRM_ROLLBACK counts; nothing was rolled back
    hint: run 'coo pipeline rollback PIPELINE-000001' again and type CONFIRM_ROLLBACK, or first make an empty file CONFIRM_ROLLBACK in the state root
    --- exit 1
    ");
    assert_eq!(stage(&world), "ERROR");

    let world = at_last_review();
    world.file("repo/new/more.py", "");
    let ran = approve(&world);
    assert_snapshot!(shown("pipeline approve PIPELINE-000001", &ran), @"
    $ coo pipeline approve PIPELINE-000001
    --- standard error
    [coo] PIPELINE-000001 CEO_FINAL_REVIEW
    [coo] PIPELINE-000001 CEO_FINAL_REVIEW: changed since the gates were passed: new/more.py
    [coo] PIPELINE-000001: the repository (and the state root) is restored to its baseline; entries that differ now: checks/test_core.py, new, new/__init__.py, new/core.py, new/deep and 13 more
    Type 'CONFIRM_ROLLBACK' to proceed
    ERROR: RollbackAbortedException: rollback of PIPELINE-000001: nothing was typed, and only CONFIRM_ROLLBACK counts; nothing was rolled back
    hint: run 'coo pipeline rollback PIPELINE-000001' again and type CONFIRM_ROLLBACK, or first make an empty file CONFIRM_ROLLBACK in the state root
    --- exit 1
    ");
    assert_eq!(stage(&world), "ERROR");

    let world = at_first_review();
    // Before anybody's yes is taken.
    let mut told = String::new();
    for (name, value) in [("LANG", "de_DE.UTF-8"), ("COO_LLM_MODEL", "another")] {
        let ran = world.coo_with(&APPROVE, name, value);
        told += &shown("pipeline approve PIPELINE-000001", &ran);
        assert_eq!(stage(&world), "CEO_REVIEW");
    }
    assert_snapshot!(told, @"
    $ coo pipeline approve PIPELINE-000001
    --- standard error
    ERROR: PIPELINE-000001: the environment differs from the one it began with (system, locale, or a variable that [tests] inherits)
    hint: continue where that environment is, or 'coo pipeline reject PIPELINE-000001' abandons it and rolls back
    --- exit 1
    $ coo pipeline approve PIPELINE-000001
    --- standard error
    ERROR: manifests: out of date, 1 difference
    hint: 'coo manifests check' lists the differences, and 'coo manifests write' accepts the current environment
    --- exit 1
    ");
    done(&world.coo(&["freeze"]));
    let ran = approve(&world);
    let user = format!("user {}", fs::metadata("/proc/self").unwrap().uid());
    let told = shown("pipeline approve PIPELINE-000001", &ran).replace(&user, "<user>");
    assert_snapshot!(told, @"
    $ coo pipeline approve PIPELINE-000001
    --- standard error
    ERROR: state root: is frozen by <user>
    hint: when that is lifted, answer again
    --- exit 1
    ");
    done(&world.coo_with_input(&["freeze", "lift"], b"LIFT_FREEZE\n"));
    done(&approve(&world));
    assert_eq!(stage(&world), "CEO_FINAL_REVIEW");
    // What is refused says what ends the freeze.
    assert_snapshot!(shown("run demo", &world.coo(&["run", "demo"])), @"
    $ coo run demo
    --- standard error
    ERROR: state root .coo: has been frozen since <time> by freeze 2, nothing was changed
    hint: it belongs to PIPELINE-000001 and ends with that; 'coo pipeline status PIPELINE-000001' shows what it waits for
    --- exit 1
    ");
    // Its freeze is its own.
    let ran = world.coo_with_input(&["freeze", "lift"], b"LIFT_FREEZE\n");
    assert_snapshot!(shown("freeze lift", &ran), @"
    $ coo freeze lift
    --- standard error
    ERROR: freeze 2: belongs to PIPELINE-000001 and ends with that
    hint: 'coo pipeline status PIPELINE-000001' shows what it waits for, 'coo pipeline reject PIPELINE-000001' abandons it
    --- exit 1
    ");
}

/// A no is taken anywhere, wherever the change stands.
#[test]
fn a_change_can_be_given_up_in_the_middle_and_in_another_environment() {
    let amended = picture(&repo(&at_first_review()));
    let points = points(at_first_review, &APPROVE);
    let half = 1 + points.iter().position(|point| point == "gate.a").unwrap();
    let world = at_first_review();
    faulty(&world, &APPROVE, &format!("kill:{half}"));
    assert_eq!(stage(&world), "GATES");
    let elsewhere = |arguments: &[&str], input: &[u8]| {
        let input = world.file("input", input);
        let mut command = world.command(arguments);
        command
            .env("LANG", "de_DE.UTF-8")
            .stdin(fs::File::open(input).unwrap());
        crate::support::ran(command.output().unwrap())
    };
    let ran = elsewhere(&["pipeline", "resume", ID], YES);
    assert_snapshot!(shown("pipeline resume PIPELINE-000001", &ran), @"
    $ coo pipeline resume PIPELINE-000001
    --- standard error
    ERROR: PIPELINE-000001: the environment differs from the one it began with (system, locale, or a variable that [tests] inherits)
    hint: continue where that environment is, or 'coo pipeline reject PIPELINE-000001' abandons it and rolls back
    --- exit 1
    ");
    let ran = elsewhere(&["pipeline", "reject", ID, "--reason", "lost"], YES);
    assert_snapshot!(shown("pipeline reject PIPELINE-000001 --reason lost", &ran), @"
    $ coo pipeline reject PIPELINE-000001 --reason lost
    PIPELINE-000001
      Repository: <world>/repo
      Amendments: 1, of 1 document
      Baseline: 14 files, 2899 bytes, <sha256…>
      Snapshot 1: 4 passed, 0 failed, 0 skipped, exit code 0
      Snapshot 2: 4 passed, 0 failed, 0 skipped, exit code 0
      Rollback: done
      Evidence: .coo/changes/000001
      Chain: <sha256>
      Stage: QUESTION
    --- standard error
    [coo] PIPELINE-000001: the repository (and the state root) is restored to its baseline; entries that differ now: checks/test_core.py, new, new/__init__.py, new/core.py, new/deep and 12 more
    Type 'CONFIRM_ROLLBACK' to proceed
    [coo] PIPELINE-000001: the present state of the repository is kept as baseline before-PIPELINE-000001; 'coo amu0 restore before-PIPELINE-000001 --tree FOLDER' puts it into an empty folder
    [coo] PIPELINE-000001 rolled back
    [coo] PIPELINE-000001: rejected: lost
    --- exit 0
    ");
    ended(&world, "GATES", &amended);
    let ran = world.coo(&["pipeline", "reject", ID]);
    assert_snapshot!(shown("pipeline reject PIPELINE-000001", &ran), @"
    $ coo pipeline reject PIPELINE-000001
    --- standard error
    ERROR: PIPELINE-000001: has ended in QUESTION
    hint: 'coo pipeline status PIPELINE-000001' shows how
    --- exit 1
    ");
}

/// A rollback takes nothing away that can't be had again: what somebody else did meanwhile is in
/// a baseline, and what no engine reads comes back with its folder.
#[test]
fn nobodys_work_is_lost_in_a_rollback() {
    let world = world(|world| {
        let config = config().replace("[\"**/__pycache__\"]", "[\"**/*.local\"]");
        world.file("repo/coo.toml", config);
        world.file("repo/old/settings.local", "mine");
        world.file("repo/settings.local", "mine, too");
    });
    start(&world);
    let amended = picture(&repo(&world));
    done(&approve(&world));
    assert!(!repo(&world).join("old").exists());
    world.file("repo/notes.txt", "my work");
    world.file("repo/new/core.py", "my edit");
    let ran = world.coo_with_input(&["pipeline", "reject", ID], YES);
    assert_snapshot!(shown("pipeline reject PIPELINE-000001", &ran), @"
    $ coo pipeline reject PIPELINE-000001
    PIPELINE-000001
      Repository: <world>/repo
      Amendments: 1, of 1 document
      Baseline: 14 files, 2895 bytes, <sha256…>
      Snapshot 1: 4 passed, 0 failed, 0 skipped, exit code 0
      Snapshot 2: 4 passed, 0 failed, 0 skipped, exit code 0
      Gates: PASS
      Rollback: done
      Evidence: .coo/changes/000001
      Chain: <sha256>
      Stage: QUESTION
    --- standard error
    [coo] PIPELINE-000001: the repository (and the state root) is restored to its baseline; entries that differ now: checks/test_core.py, new, new/__init__.py, new/core.py, new/deep and 13 more
    Type 'CONFIRM_ROLLBACK' to proceed
    [coo] PIPELINE-000001: the present state of the repository is kept as baseline before-PIPELINE-000001; 'coo amu0 restore before-PIPELINE-000001 --tree FOLDER' puts it into an empty folder
    [coo] PIPELINE-000001 rolled back
    [coo] PIPELINE-000001: rejected: no reason given
    --- exit 0
    ");
    ended(&world, "CEO_FINAL_REVIEW", &amended);
    let kept = "before-PIPELINE-000001";
    // Not over the repository, of which it has a part alone.
    let refused = world.coo(&["amu0", "restore", kept, "--tree", "repo"]);
    assert_snapshot!(shown("amu0 restore before-PIPELINE-000001 --tree repo", &refused), @"
    $ coo amu0 restore before-PIPELINE-000001 --tree repo
    --- standard error
    ERROR: baseline before-PIPELINE-000001: contains only a part of <world>/repo, and restoring it would remove everything else from <world>/repo
    hint: name an empty folder
    --- exit 1
    ");
    fs::create_dir(world.path().join("again")).unwrap();
    done(&world.coo(&["amu0", "restore", kept, "--tree", "again"]));
    let read = |name: &str| fs::read_to_string(world.path().join("again").join(name)).unwrap();
    assert_eq!(
        (read("notes.txt").as_str(), read("new/core.py").as_str()),
        ("my work", "my edit")
    );
}

/// A freeze that was lifted by force is no freeze.
#[test]
fn a_freeze_that_ended_meanwhile_stops_it() {
    let world = at_last_review();
    let amended = picture(&repo(&at_first_review()));
    let config = world.root().join("config.json");
    set_mode(&config, 0o644);
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text + " ").unwrap();
    done(&world.coo_with_input(&["freeze", "lift"], b"LIFT_CHANGED_FREEZE\n"));
    let ran = world.coo_with_input(&APPROVE, YES);
    assert_snapshot!(shown("pipeline approve PIPELINE-000001", &ran), @"
    $ coo pipeline approve PIPELINE-000001
    PIPELINE-000001
      Repository: <world>/repo
      Amendments: 1, of 1 document
      Baseline: 14 files, 2899 bytes, <sha256…>
      Snapshot 1: 4 passed, 0 failed, 0 skipped, exit code 0
      Snapshot 2: 4 passed, 0 failed, 0 skipped, exit code 0
      Gates: PASS
      Rollback: done
      Evidence: .coo/changes/000001
      Chain: <sha256>
      Stage: QUESTION
    --- standard error
    [coo] PIPELINE-000001 CEO_FINAL_REVIEW
    [coo] PIPELINE-000001 CEO_FINAL_REVIEW: freeze 1: was lifted meanwhile, and the state root may have changed
    [coo] PIPELINE-000001: the repository (and the state root) is restored to its baseline; entries that differ now: checks/test_core.py, new, new/__init__.py, new/core.py, new/deep and 12 more
    Type 'CONFIRM_ROLLBACK' to proceed
    [coo] PIPELINE-000001: the present state of the repository is kept as baseline before-PIPELINE-000001; 'coo amu0 restore before-PIPELINE-000001 --tree FOLDER' puts it into an empty folder
    [coo] PIPELINE-000001 rolled back
    ERROR: PIPELINE-000001: failed in CEO_FINAL_REVIEW: freeze 1: was lifted meanwhile, and the state root may have changed
    hint: .coo/changes/000001/question.json says what can be done
    --- exit 1
    ");
    ended(&world, "CEO_FINAL_REVIEW", &amended);
}

#[test]
fn what_cannot_begin_changes_nothing() {
    let mut told = String::new();
    let mut refused = |world: &World, arguments: &[&str]| {
        let before = picture(&repo(world));
        let ran = world.coo(arguments);
        assert_eq!(ran.code, 1, "{ran:?}");
        told += &shown(&arguments.join(" "), &ran);
        assert!(picture(&repo(world)) == before);
    };
    for section in ["migrate", "tests", "scan", "lint"] {
        let cut = |world: &World| {
            let config = config();
            let (before, after) = config.split_once(&format!("[{section}]\n")).unwrap();
            let after = after.split_once("\n[").map_or("", |(_, rest)| rest);
            world.file("repo/coo.toml", format!("{before}[{after}"));
        };
        refused(&world(cut), &START);
    }
    let world = at_first_review();
    refused(&world, &START);
    refused(&world, &["pipeline", "status", "PIPELINE-000002"]);
    refused(&world, &["pipeline", "resume", "x"]);
    refused(&world, &["pipeline", "rollback", ID]);
    refused(&world, &["pipeline", "bundle", ID]);
    let world = at_last_review();
    done(&approve(&world));
    refused(&world, &APPROVE);
    assert_snapshot!(told, @"
    $ coo pipeline start repo
    --- standard error
    ERROR: configuration repo/coo.toml: has no section [migrate]
    hint: write one
    --- exit 1
    $ coo pipeline start repo
    --- standard error
    ERROR: configuration repo/coo.toml: has no section [tests]
    hint: write one
    --- exit 1
    $ coo pipeline start repo
    --- standard error
    ERROR: configuration repo/coo.toml: has no section [scan]
    hint: write one
    --- exit 1
    $ coo pipeline start repo
    --- standard error
    ERROR: configuration repo/coo.toml: has no section [lint]
    hint: write one
    --- exit 1
    $ coo pipeline start repo
    --- standard error
    ERROR: PIPELINE-000001: is under way for this repository
    hint: 'coo pipeline status PIPELINE-000001' shows its stage
    --- exit 1
    $ coo pipeline status PIPELINE-000002
    --- standard error
    ERROR: Change 'PIPELINE-000002' not found.
    hint: 'coo pipeline list' lists all changes
    --- exit 1
    $ coo pipeline resume x
    --- standard error
    ERROR: Change 'x' not found.
    hint: 'coo pipeline list' lists all changes
    --- exit 1
    $ coo pipeline rollback PIPELINE-000001
    --- standard error
    ERROR: PIPELINE-000001: is in CEO_REVIEW and has nothing to roll back
    hint: a change rolls back when it has failed, and 'coo pipeline reject' ends one that waits for a review
    --- exit 1
    $ coo pipeline bundle PIPELINE-000001
    --- standard error
    ERROR: PIPELINE-000001: is in CEO_REVIEW and has not ended
    hint: 'coo pipeline status PIPELINE-000001' shows what it waits for
    --- exit 1
    $ coo pipeline approve PIPELINE-000001
    --- standard error
    ERROR: PIPELINE-000001: is not waiting for a review, it is in COMPLETE
    hint: 'coo pipeline status PIPELINE-000001' shows more
    --- exit 1
    ");
    done(&world.coo(&["pipeline", "resume", ID]));
}

/// Somebody changed what is frozen: the change goes no further until that is settled.
#[test]
fn a_root_that_was_changed_while_it_was_frozen_stops_everything() {
    let world = at_last_review();
    let config = world.root().join("config.json");
    set_mode(&config, 0o644);
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text + " ").unwrap();
    let ran = approve(&world);
    assert_snapshot!(shown("pipeline approve PIPELINE-000001", &ran), @"
    $ coo pipeline approve PIPELINE-000001
    --- standard error
    ERROR: state root .coo: was changed since freeze 1: config.json (other content), config.json (other mode)
    hint: 'coo freeze status' lists all differences
    --- exit 1
    ");
    fs::write(
        &config,
        fs::read_to_string(&config).unwrap().trim_end_matches(' '),
    )
    .unwrap();
    set_mode(&config, 0o444);
    done(&approve(&world));
    assert_eq!(stage(&world), "COMPLETE");
}

/// A key that the suite finds somewhere and prints is in nothing that is written down.
#[test]
fn no_secret_is_written_down() {
    let world = world(|world| {
        world.file("key", "sk-or-v1-0123456789");
        world.file("repo/checks/more.sh", "cat ../key; exit 3\n");
    })
    .with("OPENROUTER_API_KEY", "sk-or-v1-0123456789");
    start(&world);
    let ran = approve(&world);
    assert_snapshot!(shown("pipeline approve PIPELINE-000001", &ran), @r"
    $ coo pipeline approve PIPELINE-000001
    --- standard error
    [coo] PIPELINE-000001 CEO_REVIEW
    [coo] PIPELINE-000001 FREEZE_PREP
    [coo] PIPELINE-000001 FREEZE_ACTIVATED
    [coo] PIPELINE-000001 CAPTURE_AMU0
    [coo] PIPELINE-000001 MIGRATION_SEQUENCE
    [coo] PIPELINE-000001 tests for snapshot 1
    [coo] PIPELINE-000001 MIGRATION_SEQUENCE: test command 'sh checks/suite.sh': ended with exit code 3; it printed last:\n  [left out]\n  and its results can't be read: what it printed: ends with no closing line of pytest, unittest, cargo test or nextest, and none of the form 'N passed, N failed'; have the test command write JUnit XML to {report}
    [coo] PIPELINE-000001: the repository (and the state root) is restored to its baseline; entries that differ now: checks/test_core.py, new, new/__init__.py, new/core.py, new/deep and 4 more
    Type 'CONFIRM_ROLLBACK' to proceed
    ERROR: RollbackAbortedException: rollback of PIPELINE-000001: nothing was typed, and only CONFIRM_ROLLBACK counts; nothing was rolled back
    hint: run 'coo pipeline rollback PIPELINE-000001' again and type CONFIRM_ROLLBACK, or first make an empty file CONFIRM_ROLLBACK in the state root
    --- exit 1
    ");
    assert!(!ran.stderr.contains("sk-or-v1"), "{ran:?}");
    assert_eq!(roll_back(&world).code, 1);
    let why = status(&world)["failure"]["why"].clone();
    assert!(why.as_str().unwrap().contains("[left out]"), "{why}");
    for (path, content) in world.root_files() {
        let content = String::from_utf8_lossy(&content);
        assert!(!content.contains("sk-or-v1"), "{}", path.display());
    }
}

/// A record that was changed later is not gone on with.
#[test]
fn a_forged_record_is_refused() {
    let world = at_first_review();
    world
        .database("coo.db")
        .execute_batch(
            "DROP TRIGGER change_events_never_change; \
             UPDATE change_events SET body = replace(body, '1.1.0', '1.1.1') WHERE kind = 'begun';",
        )
        .unwrap();
    let mut told = String::new();
    for command in ["status", "approve", "resume", "log"] {
        let arguments = ["pipeline", command, ID];
        told += &shown(&arguments.join(" "), &world.coo(&arguments));
    }
    assert_snapshot!(told, @"
    $ coo pipeline status PIPELINE-000001
    --- standard error
    ERROR: PIPELINE-000001: journal broken at event 1: its digest is not that of its content; it was changed after it was written
    --- exit 1
    $ coo pipeline approve PIPELINE-000001
    --- standard error
    ERROR: PIPELINE-000001: journal broken at event 1: its digest is not that of its content; it was changed after it was written
    --- exit 1
    $ coo pipeline resume PIPELINE-000001
    --- standard error
    ERROR: PIPELINE-000001: journal broken at event 1: its digest is not that of its content; it was changed after it was written
    --- exit 1
    $ coo pipeline log PIPELINE-000001
    --- standard error
    ERROR: PIPELINE-000001: journal broken at event 1: its digest is not that of its content; it was changed after it was written
    --- exit 1
    ");
    let journal = world.database("coo.db");
    let refused = journal
        .execute("DELETE FROM change_events", [])
        .unwrap_err();
    assert!(refused.to_string().contains("events are immutable"));
}
