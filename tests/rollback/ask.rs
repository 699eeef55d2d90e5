//! What confirms a rollback and what does not, at the prompt and as a file; one automatic
//! request a migration attempt.

use std::fs;
use std::os::unix::fs::symlink;

use insta::assert_snapshot;
use serde_json::json;

use super::{YES, changed, clean, error, outcomes, rollback, state};
use crate::support::shown;
use crate::support::tree::pipe;

#[test]
fn only_the_exact_line_confirms_at_the_prompt() {
    let world = changed();
    let before = state(&world);
    let long = "CONFIRM_ROLLBACK".repeat(1000);
    let lines: [&[u8]; 11] = [
        b"",
        b"\n",
        b"y\n",
        b"yes\n",
        b"confirm_rollback\n",
        b"CONFIRM_ROLLBACK \n",
        b" CONFIRM_ROLLBACK\n",
        b"CONFIRM_ROLLBACK\r\n",
        b"no\nCONFIRM_ROLLBACK\n",
        b"\xff\x1b[2JCONFIRM_ROLLBACK\n",
        long.as_bytes(),
    ];
    let mut told = String::new();
    for line in lines {
        let ran = rollback(&world, &["clean"], line);
        told += &error(&ran);
        assert!(!ran.stderr.contains('\x1b'), "{ran:?}");
        assert!(state(&world) == before, "{line:?}");
    }
    assert_snapshot!(told, @r"
    ERROR: RollbackAbortedException: rollback 1 to clean: nothing was typed, and only CONFIRM_ROLLBACK counts; nothing was rolled back
    hint: run 'coo rollback clean' again and type CONFIRM_ROLLBACK, or first make an empty file CONFIRM_ROLLBACK in the state root
    ERROR: RollbackAbortedException: rollback 2 to clean: '\n' was typed, and only CONFIRM_ROLLBACK counts; nothing was rolled back
    hint: run 'coo rollback clean' again and type CONFIRM_ROLLBACK, or first make an empty file CONFIRM_ROLLBACK in the state root
    ERROR: RollbackAbortedException: rollback 3 to clean: 'y\n' was typed, and only CONFIRM_ROLLBACK counts; nothing was rolled back
    hint: run 'coo rollback clean' again and type CONFIRM_ROLLBACK, or first make an empty file CONFIRM_ROLLBACK in the state root
    ERROR: RollbackAbortedException: rollback 4 to clean: 'yes\n' was typed, and only CONFIRM_ROLLBACK counts; nothing was rolled back
    hint: run 'coo rollback clean' again and type CONFIRM_ROLLBACK, or first make an empty file CONFIRM_ROLLBACK in the state root
    ERROR: RollbackAbortedException: rollback 5 to clean: 'confirm_rollback\n' was typed, and only CONFIRM_ROLLBACK counts; nothing was rolled back
    hint: run 'coo rollback clean' again and type CONFIRM_ROLLBACK, or first make an empty file CONFIRM_ROLLBACK in the state root
    ERROR: RollbackAbortedException: rollback 6 to clean: 'CONFIRM_ROLLBACK \n' was typed, and only CONFIRM_ROLLBACK counts; nothing was rolled back
    hint: run 'coo rollback clean' again and type CONFIRM_ROLLBACK, or first make an empty file CONFIRM_ROLLBACK in the state root
    ERROR: RollbackAbortedException: rollback 7 to clean: ' CONFIRM_ROLLBACK\n' was typed, and only CONFIRM_ROLLBACK counts; nothing was rolled back
    hint: run 'coo rollback clean' again and type CONFIRM_ROLLBACK, or first make an empty file CONFIRM_ROLLBACK in the state root
    ERROR: RollbackAbortedException: rollback 8 to clean: 'CONFIRM_ROLLBACK\r\n' was typed, and only CONFIRM_ROLLBACK counts; nothing was rolled back
    hint: run 'coo rollback clean' again and type CONFIRM_ROLLBACK, or first make an empty file CONFIRM_ROLLBACK in the state root
    ERROR: RollbackAbortedException: rollback 9 to clean: 'no\n' was typed, and only CONFIRM_ROLLBACK counts; nothing was rolled back
    hint: run 'coo rollback clean' again and type CONFIRM_ROLLBACK, or first make an empty file CONFIRM_ROLLBACK in the state root
    ERROR: RollbackAbortedException: rollback 10 to clean: '�\u{1b}[2JCONFIRM_ROLLBACK\n' was typed, and only CONFIRM_ROLLBACK counts; nothing was rolled back
    hint: run 'coo rollback clean' again and type CONFIRM_ROLLBACK, or first make an empty file CONFIRM_ROLLBACK in the state root
    ERROR: RollbackAbortedException: rollback 11 to clean: 'CONFIRM_ROLLBACKCONFIRM_ROLLBACKCONFIRM_…' was typed, and only CONFIRM_ROLLBACK counts; nothing was rolled back
    hint: run 'coo rollback clean' again and type CONFIRM_ROLLBACK, or first make an empty file CONFIRM_ROLLBACK in the state root
    ");
    assert_eq!(outcomes(&world), ["aborted"; 11]);
    for line in [YES, b"CONFIRM_ROLLBACK", b"CONFIRM_ROLLBACK\nno\n"] {
        let world = changed();
        assert_eq!(rollback(&world, &["clean"], line).code, 0, "{line:?}");
        assert_eq!(outcomes(&world), ["restored"]);
        assert!(state(&world) == state(&clean()));
    }
}

#[test]
fn what_is_asked_and_said() {
    let world = changed();
    assert_snapshot!(shown("rollback", &rollback(&world, &[], b"yes\n")), @r"
    $ coo rollback
    --- standard error
    [coo] rollback 1: artefacts/, manifests/, config.json and the databases of
          .coo are restored to baseline clean (<sha256…>);
          if that changes anything, the present state is kept as before-rollback-000001
    Type 'CONFIRM_ROLLBACK' to proceed
    ERROR: RollbackAbortedException: rollback 1 to clean: 'yes\n' was typed, and only CONFIRM_ROLLBACK counts; nothing was rolled back
    hint: run 'coo rollback clean' again and type CONFIRM_ROLLBACK, or first make an empty file CONFIRM_ROLLBACK in the state root
    --- exit 1
    ");
    assert_snapshot!(shown("rollback", &rollback(&world, &[], YES)), @r"
    $ coo rollback
    Rollback 2 to clean
      Id: <sha256>
      Before: before-rollback-000002 (<sha256…>)
      Written: 8 entries
      Removed: 2 entries
      Folders with another mode: 0
      World: rebuilt
      Artefacts on record: 1
      Result: RESTORED
    --- standard error
    [coo] rollback 2: artefacts/, manifests/, config.json and the databases of
          .coo are restored to baseline clean (<sha256…>);
          if that changes anything, the present state is kept as before-rollback-000002
    Type 'CONFIRM_ROLLBACK' to proceed
    --- exit 0
    ");
    assert_snapshot!(shown("rollback", &rollback(&world, &[], YES)), @r"
    $ coo rollback
    Rollback 3 to clean
      Id: <sha256>
      Result: UNCHANGED
    --- standard error
    [coo] rollback 3: artefacts/, manifests/, config.json and the databases of
          .coo are restored to baseline clean (<sha256…>);
          if that changes anything, the present state is kept as before-rollback-000003
    Type 'CONFIRM_ROLLBACK' to proceed
    --- exit 0
    ");
}

#[test]
fn a_file_in_the_state_root_confirms_once() {
    let mut told = String::new();
    for content in ["", "CONFIRM_ROLLBACK", "CONFIRM_ROLLBACK\n"] {
        let world = changed();
        let file = world.file(".coo/CONFIRM_ROLLBACK", content);
        let ran = rollback(&world, &["clean"], b"");
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(!ran.stderr.contains("Type '"), "{ran:?}");
        assert!(!file.exists());
        assert!(state(&world) == state(&clean()));
        told += &error(&rollback(&world, &["clean"], b""));
    }
    assert_snapshot!(told, @"
    ERROR: RollbackAbortedException: rollback 2 to clean: nothing was typed, and only CONFIRM_ROLLBACK counts; nothing was rolled back
    hint: run 'coo rollback clean' again and type CONFIRM_ROLLBACK, or first make an empty file CONFIRM_ROLLBACK in the state root
    ERROR: RollbackAbortedException: rollback 2 to clean: nothing was typed, and only CONFIRM_ROLLBACK counts; nothing was rolled back
    hint: run 'coo rollback clean' again and type CONFIRM_ROLLBACK, or first make an empty file CONFIRM_ROLLBACK in the state root
    ERROR: RollbackAbortedException: rollback 2 to clean: nothing was typed, and only CONFIRM_ROLLBACK counts; nothing was rolled back
    hint: run 'coo rollback clean' again and type CONFIRM_ROLLBACK, or first make an empty file CONFIRM_ROLLBACK in the state root
    ");
}

#[test]
fn a_file_that_says_anything_else_aborts_and_is_gone() {
    let world = changed();
    let before = state(&world);
    let file = world.root().join("CONFIRM_ROLLBACK");
    let mut told = String::new();
    for content in ["\n", "yes", "CONFIRM_ROLLBACK\r\n", "CONFIRM_ROLLBACK "] {
        fs::write(&file, content).unwrap();
        // The prompt is not asked after it.
        told += &error(&rollback(&world, &["clean"], YES));
        assert!(file.symlink_metadata().is_err());
    }
    symlink(world.file("yes", "CONFIRM_ROLLBACK"), &file).unwrap();
    told += &error(&rollback(&world, &["clean"], YES));
    assert!(file.symlink_metadata().is_err() && world.path().join("yes").exists());
    pipe(&file);
    told += &error(&rollback(&world, &["clean"], YES));
    fs::create_dir(&file).unwrap();
    told += &error(&rollback(&world, &["clean"], YES));
    assert!(file.is_dir());
    assert_snapshot!(told, @r"
    ERROR: RollbackAbortedException: rollback 1 to clean: the file CONFIRM_ROLLBACK says '\n', and only CONFIRM_ROLLBACK counts; nothing was rolled back
    hint: run 'coo rollback clean' again and type CONFIRM_ROLLBACK, or first make an empty file CONFIRM_ROLLBACK in the state root
    ERROR: RollbackAbortedException: rollback 2 to clean: the file CONFIRM_ROLLBACK says 'yes', and only CONFIRM_ROLLBACK counts; nothing was rolled back
    hint: run 'coo rollback clean' again and type CONFIRM_ROLLBACK, or first make an empty file CONFIRM_ROLLBACK in the state root
    ERROR: RollbackAbortedException: rollback 3 to clean: the file CONFIRM_ROLLBACK says 'CONFIRM_ROLLBACK\r\n', and only CONFIRM_ROLLBACK counts; nothing was rolled back
    hint: run 'coo rollback clean' again and type CONFIRM_ROLLBACK, or first make an empty file CONFIRM_ROLLBACK in the state root
    ERROR: RollbackAbortedException: rollback 4 to clean: the file CONFIRM_ROLLBACK says 'CONFIRM_ROLLBACK ', and only CONFIRM_ROLLBACK counts; nothing was rolled back
    hint: run 'coo rollback clean' again and type CONFIRM_ROLLBACK, or first make an empty file CONFIRM_ROLLBACK in the state root
    ERROR: RollbackAbortedException: rollback 5 to clean: CONFIRM_ROLLBACK in the state root is a link, and only CONFIRM_ROLLBACK counts; nothing was rolled back
    hint: run 'coo rollback clean' again and type CONFIRM_ROLLBACK, or first make an empty file CONFIRM_ROLLBACK in the state root
    ERROR: RollbackAbortedException: rollback 6 to clean: CONFIRM_ROLLBACK in the state root is not a plain file that can be read, and only CONFIRM_ROLLBACK counts; nothing was rolled back
    hint: run 'coo rollback clean' again and type CONFIRM_ROLLBACK, or first make an empty file CONFIRM_ROLLBACK in the state root
    ERROR: RollbackAbortedException: rollback 7 to clean: CONFIRM_ROLLBACK in the state root is a folder; remove it, and only CONFIRM_ROLLBACK counts; nothing was rolled back
    hint: run 'coo rollback clean' again and type CONFIRM_ROLLBACK, or first make an empty file CONFIRM_ROLLBACK in the state root
    ");
    assert_eq!(outcomes(&world), ["aborted"; 7]);
    assert!(state(&world) == before);
}

#[test]
fn a_migration_attempt_asks_once_whatever_becomes_of_it() {
    let world = changed();
    let ask =
        |attempt: &str, input: &[u8]| rollback(&world, &["clean", "--attempt", attempt], input);
    let mut told = error(&ask("M-1", b"no\n"));
    told += &error(&ask("M-1", YES));
    assert_eq!(ask("M-2", YES).code, 0);
    told += &error(&ask("M-2", YES));
    told += &error(&ask("no name", YES));
    // What is refused is not in the log, and takes no attempt's request.
    told += &error(&rollback(&world, &["nothing", "--attempt", "M-3"], YES));
    assert_snapshot!(told, @r"
    ERROR: RollbackAbortedException: rollback 1 to clean: 'no\n' was typed, and only CONFIRM_ROLLBACK counts; nothing was rolled back
    hint: run 'coo rollback clean' again and type CONFIRM_ROLLBACK, or first make an empty file CONFIRM_ROLLBACK in the state root
    ERROR: migration attempt 'M-1': has had its one automatic rollback request, number 1 (aborted)
    hint: a person can still ask with 'coo rollback', without --attempt
    ERROR: migration attempt 'M-2': has had its one automatic rollback request, number 2 (restored)
    hint: a person can still ask with 'coo rollback', without --attempt
    ERROR: migration attempt 'no name': must be 1 to 64 of A-Z a-z 0-9 . _ -
    hint: give another
    ERROR: Baseline 'nothing' not found.
    hint: 'coo amu0 list' lists all baselines
    ");
    assert_eq!(ask("M-3", YES).code, 0);
    assert_eq!(outcomes(&world), ["aborted", "restored", "unchanged"]);
    // A person may ask again and again.
    assert_eq!(rollback(&world, &["clean"], YES).code, 0);
    let log = world.list(&["rollback", "--log"]);
    assert_eq!(log[0]["attempt"], "M-1");
    assert_eq!(log[3]["attempt"], json!(null));
    let log = world.coo(&["rollback", "--log"]);
    assert_snapshot!(shown("rollback --log", &log), @r"
    $ coo rollback --log
         1  aborted    <time>  clean
            asked by migration attempt M-1
         2  restored   <time>  clean
            asked by migration attempt M-2
            the state before it is before-rollback-000002
         3  unchanged  <time>  clean
            asked by migration attempt M-3
         4  unchanged  <time>  clean
    --- exit 0
    ");
    assert!(log.stdout.lines().all(|line| line.chars().count() <= 80));
}

#[test]
fn the_log_of_a_root_without_one_is_empty() {
    let world = crate::support::World::new();
    assert_eq!(world.list(&["rollback", "--log"]), json!([]));
    assert_snapshot!(shown("rollback --log", &world.coo(&["rollback", "--log"])), @r"
    $ coo rollback --log
    --- standard error
    [coo] no rollback was ever asked for in .coo
    --- exit 0
    ");
    let both = world.coo(&["rollback", "clean", "--log"]);
    assert_snapshot!(shown("rollback clean --log", &both), @"
    $ coo rollback clean --log
    --- standard error
    ERROR: the argument '[BASELINE]' cannot be used with '--log'

    Usage: coo rollback <BASELINE>

    For more information, try '--help'.
    --- exit 2
    ");
    assert!(!world.root().exists());
}
