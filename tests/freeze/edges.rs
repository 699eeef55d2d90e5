//! Freezes at their edges: what may be open when one begins, and what of a frozen root goes on
//! without being written to.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::Stdio;

use insta::assert_snapshot;
use serde_json::Value;

use super::{error, frozen, lift, ready};
use crate::support::{Ran, World, ran, steady};

/// What a pipe holds before somebody reads from it (Linux).
const PIPE_BYTES: usize = 64 << 10;

/// Runs `coo ARGS` as a shell would with these redirections.
fn redirected(world: &World, arguments: &str, redirections: &str) -> Ran {
    let script = format!("exec \"$0\" {arguments} {redirections}");
    let shell = ["-c", &script, env!("CARGO_BIN_EXE_coo")];
    ran(world.program("sh", &shell).output().unwrap())
}

#[test]
fn no_stream_of_a_freeze_may_be_a_file_of_the_root() {
    let world = ready();
    let mut told = String::new();
    for redirection in [
        ">>.coo/artefacts/out.txt",
        ">.coo/out.txt",
        "<.coo/config.json",
    ] {
        told += &error(&redirected(&world, "freeze", redirection));
    }
    let status = redirected(&world, "freeze", "2>.coo/err.txt");
    assert_eq!(status.code, 1);
    told += &steady(&fs::read_to_string(world.root().join("err.txt")).unwrap());
    assert_snapshot!(told, @"");
    assert!(!world.root().join("FREEZE").exists());
    fs::remove_file(world.root().join("artefacts/out.txt")).unwrap();
    let elsewhere = redirected(&world, "freeze", ">out.txt");
    assert_eq!(elsewhere.code, 0, "{elsewhere:?}");
    assert_eq!(world.coo(&["missions"]).code, 0);
}

#[test]
fn of_what_lies_in_dev_only_character_devices_may_be_open() {
    let world = ready();
    let shared = Path::new("/dev/shm");
    if shared.is_dir() {
        let folder = tempfile::TempDir::with_prefix_in("coo-test-", shared);
        if let Ok(folder) = folder {
            let file = folder.path().join("file");
            let file = file.to_str().unwrap();
            let told = redirected(&world, "freeze", &format!("7<>{file}"));
            assert_snapshot!(error(&told).replace(file, "/dev/shm/<file>"), @"");
        }
    }
    let passed = redirected(&world, "freeze", "7</dev/null 8</dev/urandom 9>/dev/zero");
    assert_eq!(passed.code, 0, "{passed:?}");
}

#[test]
fn a_frozen_root_is_verified_without_being_written_to() {
    let world = frozen();
    let before = world.root_files();
    let mut told = String::new();
    for target in ["demo", "triage", "MISSION-000001"] {
        let ran = world.coo(&["verify", target, "--runs", "2"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.stdout.contains("Result: IDENTICAL"), "{ran:?}");
        told += &ran.stderr;
    }
    assert_snapshot!(steady(&told), @"
    [coo] state root .coo is frozen, so no report was written to it; --json prints the whole report
    [coo] state root .coo is frozen, so no report was written to it; --json prints the whole report
    [coo] state root .coo is frozen, so no report was written to it; --json prints the whole report
    ");
    let report = world.json(&["verify", "triage", "--runs", "2"]);
    assert_eq!(report["identical"], true);
    let mut after = world.root_files();
    // SQLite's index of its own log is no content.
    after.retain(|path, _| before.contains_key(path) && !path.ends_with("coo.db-shm"));
    let mut before = before;
    before.retain(|path, _| !path.ends_with("coo.db-shm"));
    assert_eq!(after, before);
    assert!(!world.root().join("verify").exists());
    // Not frozen, it is as ever.
    assert_eq!(lift(&world).code, 0);
    let ran = world.coo(&["verify", "triage", "--runs", "2"]);
    assert_snapshot!(steady(&ran.stderr), @"[coo] report written to .coo/verify/000001");
    assert!(world.root().join("verify/000001/report.json").exists());
}

/// A verification gives the lock up while its runs go on: who freezes the root meanwhile takes its
/// report's place, not the report.
#[test]
fn a_verification_that_a_freeze_overtakes_still_gives_its_report() {
    let world = ready();
    // A pipe that is full: the report stands in front of it until somebody reads.
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(&vec![b' '; PIPE_BYTES]).unwrap();
    let mut verifying = world
        .command(&["verify", "demo", "--runs", "2", "--json"])
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Its folder is made once the lock is given up.
    while !world.root().join("verify/000001").exists() {
        assert_eq!(verifying.try_wait().unwrap(), None, "it ended too early");
        std::thread::yield_now();
    }
    let freeze = world.coo(&["freeze"]);
    assert_eq!(freeze.code, 0, "{freeze:?}");
    let mut told = String::new();
    reader.read_to_string(&mut told).unwrap();
    let ended = ran(verifying.wait_with_output().unwrap());
    assert_eq!(ended.code, 0, "{ended:?}");
    let report: Value = serde_json::from_str(told.trim_start()).unwrap();
    assert_eq!(report["identical"], true);
    assert_snapshot!(steady(&ended.stderr), @"[coo] state root .coo is frozen, so no report was written to it; --json prints the whole report");
    let status = world.coo(&["freeze", "status"]);
    assert_eq!(status.code, 0, "{status:?}");
    assert!(!world.root().join("verify/000001").exists());
}

#[test]
fn a_frozen_world_is_read_wherever_it_lies_and_with_whatever_log() {
    let world = frozen();
    let odd = world.path().join("a ?#%25 é");
    fs::create_dir(&odd).unwrap();
    fs::rename(world.root(), odd.join(".coo")).unwrap();
    let root = odd.join(".coo");
    let root = root.to_str().unwrap();
    let check = world.coo(&["--root", root, "missions"]);
    assert_eq!(check.code, 0, "{check:?}");
    // No log and no index came beside it.
    for suffix in ["-wal", "-shm"] {
        assert!(
            !odd.join(".coo/world.db")
                .with_extension(format!("db{suffix}"))
                .exists()
        );
    }
    // What somebody else left in a log is seen, too.
    let database = rusqlite::Connection::open(odd.join(".coo/world.db")).unwrap();
    database
        .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE more(x);")
        .unwrap();
    let told = world.coo(&["--root", root, "missions"]);
    assert_snapshot!(error(&told), @"");
    drop(database);
}
