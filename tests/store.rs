//! `coo.db` beside other processes and at its bounds: large journals in little memory, locks that
//! stay where `SQLite` put them, files that are links, formats of other builds, the last number of
//! a mission, a log that one mission made large, and what a record says of its engine.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use insta::assert_snapshot;
use rusqlite::Connection;
use serde_json::json;

use crate::support::model_server::{ModelServer, Response};
use crate::support::{Ran, World, events, mission_id, ran, shown, steady};

/// Twenty-four answers of eight megabytes each.
const LARGE: &str =
    "WITH four(x) AS (VALUES(1),(2),(3),(4)) SELECT hex(zeroblob(1000000)) FROM four";

fn querier(world: &World, sql: &str) {
    world.wasm("querier.wasm", include_str!("fixtures/querier.wat"));
    world.descriptor(
        "query.json",
        &json!({"file": "querier.wasm"}),
        &json!({"steps": [{"id": "only", "input": sql}]}),
    );
}

/// A world with a journal of nearly 200 MB.
fn large() -> World {
    let world = World::new().with("PATH", "/usr/bin:/bin");
    querier(&world, LARGE);
    let ran = world.coo(&["run", "query.json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    world
}

/// Runs `coo ARGS` with so much address space.
fn within(world: &World, megabytes: u32, arguments: &[&str]) -> Ran {
    let script = format!("ulimit -v {}; exec \"$0\" \"$@\"", megabytes * 1024);
    let words = [&["-c", &script, env!("CARGO_BIN_EXE_coo")], arguments].concat();
    ran(world.program("/bin/sh", &words).output().unwrap())
}

#[test]
fn a_journal_is_read_in_little_memory_however_large_its_events_are() {
    let world = large();
    // What a journal of a few hundred bytes an event takes, and a few events of these.
    for command in [
        &["logs", "MISSION-000001"][..],
        &["mission", "MISSION-000001"],
        &["inspect", "MISSION-000001"],
        &["explain", "MISSION-000001"],
        &["export", "MISSION-000001"],
        &["logs", "MISSION-000001.coorun"],
    ] {
        let ran = within(&world, 160, command);
        assert_eq!(ran.code, 0, "{command:?}: {}", ran.stderr);
    }
    let log = world.root().join("coo.db-wal");
    // The log that one commit made as large as the journal is cut short right after it.
    let bytes = log.metadata().unwrap().len();
    assert!(bytes <= 16 << 20, "{bytes}");
}

#[test]
fn logs_that_nobody_committed_do_not_add_up() {
    let run = ["run", "query.json"];
    let listed = World::new();
    querier(&listed, LARGE);
    let list = listed.path().join("points");
    let fault = format!("list:{}", list.display());
    assert_eq!(listed.coo_with(&run, "COO_FAULT", &fault).code, 0);
    let points = std::fs::read_to_string(list).unwrap();
    // The first commit is that of the mission's beginning; the second has what it was told.
    let commits = points
        .lines()
        .zip(1..)
        .filter(|(name, _)| *name == "journal.commit");
    let (_, second) = commits.take(2).last().unwrap();
    let world = World::new();
    querier(&world, LARGE);
    let log = world.root().join("coo.db-wal");
    for _ in 0..4 {
        let mut killed = world.command(&run);
        let killed = killed.env("COO_FAULT", format!("kill:{second}")).output();
        assert!(!killed.unwrap().status.success());
        let bytes = log.metadata().unwrap().len();
        assert!((4 << 20..12 << 20).contains(&bytes), "{bytes}");
    }
    let ran = world.coo(&["run", "demo"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(world.coo(&["replay", &mission_id(&ran)]).code, 0);
}

/// Other programs that look at the database of a root while a command reads it can't take it over:
/// what `coo` holds on it stays until the command ends.
#[test]
fn looking_at_a_frozen_root_takes_no_lock_away() {
    let world = large();
    assert_eq!(world.coo(&["manifests", "write"]).code, 0);
    let ran = world.coo(&["freeze"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    // The freeze check looks at the files of coo.db; then the journal is on its way to a pipe that
    // nobody empties.
    let mut reading = world.start(&["logs", "MISSION-000001", "--json"]);
    let mut out = BufReader::new(reading.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let other = world.database("coo.db");
    other.busy_timeout(std::time::Duration::ZERO).unwrap();
    let taken: Result<String, _> =
        other.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get(0));
    assert_ne!(
        taken.as_deref(),
        Ok("delete"),
        "the database was taken over"
    );
    drop(other);
    assert!(world.root().join("coo.db-wal").exists());
    while out.read_line(&mut line).unwrap() > 0 {
        line.clear();
    }
    assert!(reading.wait().unwrap().success());
}

#[test]
fn a_log_that_is_replaced_under_a_run_is_noticed_before_anything_is_said_to_be_kept() {
    let mut told = String::new();
    for replace in [false, true] {
        let (server, release) = ModelServer::holding(|| Response::completion("bug"));
        let world = World::new().with("COO_LLM_BASE_URL", server.base_url());
        world.triage_descriptor();
        let mut running = world.start(&["run", "triage.json"]);
        server.wait_for_request(&mut running);
        let log = world.root().join("coo.db-wal");
        std::fs::remove_file(&log).unwrap();
        if replace {
            std::fs::write(&log, "").unwrap();
        }
        drop(release);
        let ended = ran(running.wait_with_output().unwrap());
        told += &shown("run triage.json", &ended);
    }
    assert_snapshot!(told, @"
    $ coo run triage.json
    --- standard error
    [coo] MISSION-000001: model calls go to http://127.0.0.1:<port>, named by the environment, without a key
    ERROR: database log .coo/coo.db-wal: was removed or replaced while it was written to, so nothing more can be recorded
    hint: make sure that no other program changes it, then run the command again
    --- exit 1
    $ coo run triage.json
    --- standard error
    [coo] MISSION-000001: model calls go to http://127.0.0.1:<port>, named by the environment, without a key
    ERROR: database log .coo/coo.db-wal: was removed or replaced while it was written to, so nothing more can be recorded
    hint: make sure that no other program changes it, then run the command again
    --- exit 1
    ");
}

#[test]
fn a_database_one_of_whose_files_has_a_second_name_is_refused() {
    let mut told = Vec::new();
    for file in [
        "coo.db",
        "coo.db-wal",
        "coo.db-shm",
        "world.db",
        "world.db-wal",
        "world.db-shm",
    ] {
        let world = World::new();
        assert_eq!(world.coo(&["run", "triage", "--frozen"]).code, 0);
        let path = world.root().join(file);
        let elsewhere = world.path().join("elsewhere");
        if !path.exists() {
            std::fs::write(&path, "").unwrap();
        }
        std::fs::copy(&path, &elsewhere).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::hard_link(&elsewhere, &path).unwrap();
        let before = std::fs::read(&elsewhere).unwrap();
        let ran = world.coo(&["run", "triage", "--frozen"]);
        let code = if file.starts_with("world.db") { 5 } else { 1 };
        assert_eq!(ran.code, code, "{file}: {ran:?}");
        told.push(format!("{file}: {}", ran.stderr));
        assert_eq!(std::fs::read(&elsewhere).unwrap(), before, "{file}");
        // A link that has only a name is no better.
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        let ran = world.coo(&["run", "triage", "--frozen"]);
        assert_eq!(ran.code, code, "{file}: {ran:?}");
        told.push(format!("{file}, a link: {}", ran.stderr));
        assert_eq!(std::fs::read(&elsewhere).unwrap(), before, "{file}");
    }
    assert_snapshot!(steady(&told.concat()), @"
    coo.db: ERROR: database .coo/coo.db: .coo/coo.db: is a hard link, so what is written to it is written to another file, too
    hint: put a copy in its place
    coo.db, a link: ERROR: database .coo/coo.db: can't be opened: unable to open database file: <world>/.coo/coo.db: Error code 1550: unable to open database file
    coo.db-wal: ERROR: database .coo/coo.db: .coo/coo.db-wal: is a hard link, so what is written to it is written to another file, too
    hint: put a copy in its place
    coo.db-wal, a link: ERROR: database .coo/coo.db: .coo/coo.db-wal: is a symbolic link; remove it
    coo.db-shm: ERROR: database .coo/coo.db: .coo/coo.db-shm: is a hard link, so what is written to it is written to another file, too
    hint: put a copy in its place
    coo.db-shm, a link: ERROR: database .coo/coo.db: .coo/coo.db-shm: is a symbolic link; remove it
    world.db: [coo] MISSION-000002 INTERRUPTED: 5 events, 59112 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000002: database .coo/world.db: .coo/world.db: is a hard link, so what is written to it is written to another file, too
    hint: put a copy in its place
    hint: 'coo resume MISSION-000002' continues where it stopped
    world.db, a link: [coo] MISSION-000003 INTERRUPTED: 5 events, 59112 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000003: database .coo/world.db: can't be opened: unable to open database file: <world>/.coo/world.db: Error code 1550: unable to open database file
    hint: 'coo resume MISSION-000003' continues where it stopped
    world.db-wal: [coo] MISSION-000002 INTERRUPTED: 5 events, 59112 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000002: database .coo/world.db: .coo/world.db-wal: is a hard link, so what is written to it is written to another file, too
    hint: put a copy in its place
    hint: 'coo resume MISSION-000002' continues where it stopped
    world.db-wal, a link: [coo] MISSION-000003 INTERRUPTED: 5 events, 59112 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000003: database .coo/world.db: .coo/world.db-wal: is a symbolic link; remove it
    hint: 'coo resume MISSION-000003' continues where it stopped
    world.db-shm: [coo] MISSION-000002 INTERRUPTED: 5 events, 59112 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000002: database .coo/world.db: .coo/world.db-shm: is a hard link, so what is written to it is written to another file, too
    hint: put a copy in its place
    hint: 'coo resume MISSION-000002' continues where it stopped
    world.db-shm, a link: [coo] MISSION-000003 INTERRUPTED: 5 events, 59112 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000003: database .coo/world.db: .coo/world.db-shm: is a symbolic link; remove it
    hint: 'coo resume MISSION-000003' continues where it stopped
    ");
}

/// The content of the store's own file, everything in it.
fn stored(world: &World) -> Vec<u8> {
    let database = world.database("coo.db");
    database
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    drop(database);
    std::fs::read(world.root().join("coo.db")).unwrap()
}

#[test]
fn a_root_of_another_format_is_refused_in_one_sentence_and_stays_as_it_is() {
    let world = World::new();
    assert_eq!(world.coo(&["run", "demo"]).code, 0);
    let mut told = String::new();
    for format in [6, 1, 99, 0] {
        world
            .database("coo.db")
            .execute_batch(&format!("PRAGMA user_version = {format}"))
            .unwrap();
        let before = stored(&world);
        let missions = world.coo(&["missions"]);
        told += &shown("missions", &missions);
        for command in [
            &["logs", "DEMO-000001"][..],
            &["run", "demo"],
            &["freeze"],
            &["freeze", "lift"],
            &["init"],
            &["artefacts", "check", "--repair"],
        ] {
            assert_eq!(world.coo(command), missions, "{command:?}");
        }
        assert_eq!(stored(&world), before, "{format}");
    }
    assert_snapshot!(told, @"
    $ coo missions
    --- standard error
    ERROR: database .coo/coo.db: has format 6, this build reads 10
    hint: use the coo that wrote it, or another state root (--root)
    --- exit 1
    $ coo missions
    --- standard error
    ERROR: database .coo/coo.db: has format 1, this build reads 10
    hint: use the coo that wrote it, or another state root (--root)
    --- exit 1
    $ coo missions
    --- standard error
    ERROR: database .coo/coo.db: has format 99, this build reads 10
    hint: use the coo that wrote it, or another state root (--root)
    --- exit 1
    $ coo missions
    --- standard error
    ERROR: database .coo/coo.db: is not one that coo made
    hint: move it away
    --- exit 1
    ");
}

/// A process was killed while it made the root: a reader makes nothing of it, a writer the root.
#[test]
fn only_who_has_the_lock_makes_the_tables() {
    let world = World::new();
    std::fs::create_dir(world.root()).unwrap();
    let database = world.root().join("coo.db");
    std::fs::write(&database, "").unwrap();
    let ran = world.coo(&["missions"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for command in ["logs", "replay"] {
        assert_eq!(world.coo(&[command, "DEMO-000001"]).code, 1);
    }
    let files: Vec<_> = world.root_files().into_iter().collect();
    assert_eq!(files, [(database, Vec::new())]);
    assert_eq!(world.coo(&["run", "demo"]).code, 0);
    assert_eq!(world.list(&["missions"])[0]["status"], "SUCCESS");
}

#[test]
fn the_last_number_of_a_mission_is_one_like_any_other() {
    let world = World::new();
    assert_eq!(world.coo(&["run", "demo"]).code, 0);
    world
        .database("coo.db")
        .execute_batch("UPDATE sqlite_sequence SET seq = 2147483646 WHERE name = 'missions'")
        .unwrap();
    let last = "DEMO-2147483647";
    let run = world.coo(&["run", "demo"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_snapshot!(steady(&run.stderr), @"[coo] DEMO-2147483647 SUCCESS: 11 events, 62548 fuel, <duration>, 1 model call (frozen; 204 tokens in, 94 out), chain <sha256…>");
    assert_eq!(
        events(&world, last).len(),
        events(&world, "DEMO-000001").len()
    );
    for command in [
        &["replay", last][..],
        &["mission", last],
        &["inspect", last],
    ] {
        let ran = world.coo(command);
        assert_eq!(ran.code, 0, "{command:?}: {ran:?}");
    }
    assert_eq!(world.coo(&["export", last]).code, 0);
    assert_eq!(world.coo(&["replay", &format!("{last}.coorun")]).code, 0);
    assert_eq!(world.coo(&["manifests", "write"]).code, 0);
    let full = world.coo(&["run", "demo"]);
    assert_snapshot!(shown("run demo", &full), @"
    $ coo run demo
    --- standard error
    ERROR: state root: its mission numbers are used up
    hint: start a new one with --root
    --- exit 1
    ");
    assert_eq!(world.list(&["missions"]).as_array().unwrap().len(), 2);
    assert_eq!(world.coo(&["freeze"]).code, 0);
    assert_eq!(world.coo(&["missions"]).code, 0);
}

fn facts(database: &Connection) -> String {
    database
        .query_row("SELECT facts FROM missions", [], |row| row.get(0))
        .unwrap()
}

/// Whether fuel is compared depends on which engine a run had: no bit of that may change unseen.
#[test]
fn a_changed_word_about_the_engine_is_noticed() {
    let world = World::new();
    assert_eq!(world.coo(&["run", "demo"]).code, 0);
    assert_eq!(world.coo(&["export", "DEMO-000001"]).code, 0);
    let file = world.path().join("DEMO-000001.coorun");
    let exported = std::fs::read(&file).unwrap();
    let database = world.database("coo.db");
    let whole = facts(&database);
    let at = |words: &str| {
        whole
            .find(words)
            .unwrap_or_else(|| panic!("{words}: {whole}"))
    };
    let digest = at("\"engine_sha256\":\"") + "\"engine_sha256\":\"".len();
    let engine = at("\"engine\":\"") + "\"engine\":\"".len();
    let places = [
        digest,
        digest + 31,
        digest + 63,
        engine,
        engine + 20,
        at("engine_sha256\":"),
        at("engine\":"),
    ];
    let mut told = String::new();
    for place in places {
        let mut bytes = whole.clone().into_bytes();
        bytes[place] ^= 1;
        let changed = String::from_utf8(bytes).unwrap();
        database
            .execute("UPDATE missions SET facts = ?1", [&changed])
            .unwrap();
        let ran = world.coo(&["replay", "DEMO-000001"]);
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{place}: {ran:?}");
        told += &ran.stderr;
    }
    assert_snapshot!(steady(&told), @"
    ERROR: mission DEMO-000001: the record of its engine was changed after the run (it has SHA-256 <sha256…>, recorded is <sha256…>), so its fuel can't be compared
    hint: take the state root or the file from a copy
    ERROR: mission DEMO-000001: the record of its engine was changed after the run (it has SHA-256 <sha256…>, recorded is <sha256…>), so its fuel can't be compared
    hint: take the state root or the file from a copy
    ERROR: mission DEMO-000001: the record of its engine was changed after the run (it has SHA-256 <sha256…>, recorded is <sha256…>), so its fuel can't be compared
    hint: take the state root or the file from a copy
    ERROR: mission DEMO-000001: the record of its engine was changed after the run (it has SHA-256 <sha256…>, recorded is <sha256…>), so its fuel can't be compared
    hint: take the state root or the file from a copy
    ERROR: mission DEMO-000001: the record of its engine was changed after the run (it has SHA-256 <sha256…>, recorded is <sha256…>), so its fuel can't be compared
    hint: take the state root or the file from a copy
    ERROR: Conversion error from type Text at index: 8, unknown field `dngine_sha256`, expected one of `config_sha256`, `environment_sha256`, `engine`, `engine_sha256`, `fuel`, `memory_peak_bytes`, `backtrace`, `elapsed_us`, `pid`, `model`, `models`, `resumed`, `moved`, `rulesets`, `used` at line 1 column 770: unknown field `dngine_sha256`, expected one of `config_sha256`, `environment_sha256`, `engine`, `engine_sha256`, `fuel`, `memory_peak_bytes`, `backtrace`, `elapsed_us`, `pid`, `model`, `models`, `resumed`, `moved`, `rulesets`, `used` at line 1 column 770
    ERROR: Conversion error from type Text at index: 8, unknown field `dngine`, expected one of `config_sha256`, `environment_sha256`, `engine`, `engine_sha256`, `fuel`, `memory_peak_bytes`, `backtrace`, `elapsed_us`, `pid`, `model`, `models`, `resumed`, `moved`, `rulesets`, `used` at line 1 column 180: unknown field `dngine`, expected one of `config_sha256`, `environment_sha256`, `engine`, `engine_sha256`, `fuel`, `memory_peak_bytes`, `backtrace`, `elapsed_us`, `pid`, `model`, `models`, `resumed`, `moved`, `rulesets`, `used` at line 1 column 180
    ");
    let gone = whole.replace(
        &whole[at("\"engine_sha256\"")..digest + 65],
        "\"engine_sha256\":null",
    );
    database
        .execute("UPDATE missions SET facts = ?1", [&gone])
        .unwrap();
    let ran = world.coo(&["replay", "DEMO-000001"]);
    assert_snapshot!(shown("replay DEMO-000001", &ran), @"
    $ coo replay DEMO-000001
    --- standard error
    ERROR: mission DEMO-000001: the record of its engine was changed after the run (it has SHA-256 <sha256…>, recorded is none), so its fuel can't be compared
    hint: take the state root or the file from a copy
    --- exit 1
    ");
    database
        .execute("UPDATE missions SET facts = ?1", [&whole])
        .unwrap();
    assert_eq!(world.coo(&["replay", "DEMO-000001"]).code, 0);
    // In a file that was sealed once more.
    let text = String::from_utf8_lossy(&exported).into_owned();
    let name = "\"engine_sha256\":\"";
    let place = text.find(name).unwrap() + name.len();
    let mut forged = exported.clone();
    forged[place] = if forged[place] == b'0' { b'1' } else { b'0' };
    let rest = forged.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    let first = format!(
        "coo-run/1 {}\n",
        coo_kernel::form::digest::Digest::of(&forged[rest..])
    );
    std::fs::write(&file, [first.as_bytes(), &forged[rest..]].concat()).unwrap();
    let ran = world.coo(&["replay", "DEMO-000001.coorun"]);
    assert_snapshot!(shown("replay DEMO-000001.coorun", &ran), @"
    $ coo replay DEMO-000001.coorun
    --- standard error
    ERROR: mission DEMO-000001: the record of its engine was changed after the run (it has SHA-256 <sha256…>, recorded is <sha256…>), so its fuel can't be compared
    hint: take the state root or the file from a copy
    --- exit 1
    ");
}

/// Every folder that a command makes is synced where its name is, before the command ends.
#[test]
fn a_new_folder_has_its_name_for_good() {
    let strace = Path::new("/usr/bin/strace");
    let can = strace.exists()
        && std::process::Command::new(strace)
            .args(["-o", "/dev/null", "true"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
    if !can {
        return;
    }
    let world = World::new().with("PATH", "/usr/bin:/bin");
    let trace = world.path().join("trace");
    let root = world.path().join("deep/er/root");
    let root_text = root.to_str().unwrap();
    for command in [
        &["run-demo"][..],
        &["run", "triage", "--frozen"],
        &["verify", "demo", "--runs", "2"],
        &["amu0", "create"],
        &["manifests", "write"],
    ] {
        let words = [
            &[
                "-f",
                "-y",
                "-e",
                "trace=mkdir,mkdirat,fsync,fdatasync,syncfs,open,openat",
                "-o",
                trace.to_str().unwrap(),
                env!("CARGO_BIN_EXE_coo"),
                "--root",
                root_text,
            ],
            command,
        ]
        .concat();
        let ran = ran(world.program(strace, &words).output().unwrap());
        assert_eq!(ran.code, 0, "{command:?}: {ran:?}");
        let text = std::fs::read_to_string(&trace).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let mut made = 0;
        for (number, line) in lines.iter().enumerate() {
            let Some(path) = made_folder(line, world.path()) else {
                continue;
            };
            // Runs of a verification have roots of their own, which go with it.
            let inside = path.strip_prefix(&root).map(ToOwned::to_owned);
            if inside
                .is_ok_and(|inside| inside.components().count() > 2 && inside.starts_with("verify"))
            {
                continue;
            }
            made += 1;
            let parent = path.parent().unwrap();
            let synced = format!("<{}>)", parent.display());
            assert!(
                lines[number..].iter().any(|line| {
                    (line.contains("fsync(") || line.contains("syncfs(")) && line.contains(&synced)
                }),
                "{command:?}: {line}: nobody syncs {}",
                parent.display()
            );
        }
        assert!(made > 0 || command[0] != "run-demo", "{text}");
    }
}

/// The folder below `top` that a line of strace says was made.
fn made_folder(line: &str, top: &Path) -> Option<std::path::PathBuf> {
    let (_, call) = line.split_once("mkdir")?;
    if !line.trim_end().ends_with("= 0") {
        return None;
    }
    let name = call.split('"').nth(1)?;
    let folder = match call.strip_prefix("at(")?.split_once(',')?.0.split_once('<') {
        Some((_, folder)) => folder.trim_end_matches('>').to_owned(),
        None => String::new(),
    };
    let path = Path::new(&folder).join(name);
    path.starts_with(top).then_some(path)
}
