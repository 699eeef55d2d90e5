//! A run as one file: it replays where nobody has seen its state root, every changed byte is
//! found, and a forged file can do no more than a recorded run. Also roots that can only be
//! read, and the runs that earlier releases exported.

use std::path::{Path, PathBuf};
use std::process::Command;

use coo_kernel::form::digest::Digest;
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::model_server::{ModelServer, Response};
use crate::support::{Ran, World, ran, shown, steady};

/// A world with an exported run of a tiny guest, and the file's bytes.
fn exported() -> (World, PathBuf, Vec<u8>) {
    let world = World::new();
    let ran = world.run_guest(
        r#"(func (export "_start") (i32.store (i32.const 1024) (i32.const 7)))"#,
        &json!({}),
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    let ran = world.coo(&["export", "MISSION-000001"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{ran:?}");
    let path = world.path().join("MISSION-000001.coorun");
    let bytes = std::fs::read(&path).unwrap();
    (world, path, bytes)
}

/// `rest` with a first line that vouches for it.
fn sealed(rest: &[u8]) -> Vec<u8> {
    let first = format!("coo-run/1 {}\n", Digest::of(rest));
    [first.as_bytes(), rest].concat()
}

/// What follows the first line.
fn rest(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.iter().position(|&byte| byte == b'\n').unwrap() + 1..]
}

/// The file with `from` replaced by `to`, sealed anew.
fn forged(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let rest = rest(bytes);
    let place = rest
        .windows(from.len())
        .position(|window| window == from.as_bytes())
        .unwrap_or_else(|| panic!("no {from}"));
    sealed(&[&rest[..place], to.as_bytes(), &rest[place + from.len()..]].concat())
}

#[test]
fn an_exported_run_replays_in_an_empty_folder_and_leaves_nothing_there() {
    let world = World::new();
    assert_eq!(world.coo(&["run", "triage", "--frozen"]).code, 0);
    let elsewhere = World::new();
    let file = elsewhere.path().join("a run");
    let exported = world.coo(&[
        "export",
        "MISSION-000001",
        "--output",
        file.to_str().unwrap(),
    ]);
    assert_eq!(exported.code, 0, "{exported:?}");
    let here = world.coo(&["replay", "MISSION-000001"]);
    let there = elsewhere.coo(&["replay", "a run"]);
    assert_eq!((there.code, &there), (0, &here));
    for command in [
        &["logs"][..],
        &["logs", "--json"],
        &["mission"],
        &["inspect"],
        &["inspect", "--json"],
        &["inspect", "--output"],
    ] {
        let with = |name| [&command[..1], &[name], &command[1..]].concat();
        assert_eq!(
            elsewhere.coo(&with("a run")),
            world.coo(&with("MISSION-000001")),
            "{command:?}"
        );
    }
    let verified = elsewhere.coo(&["export", "a run", "-o", "again"]);
    assert_eq!(verified.code, 0, "{verified:?}");
    assert_eq!(
        std::fs::read(elsewhere.path().join("again")).unwrap(),
        std::fs::read(&file).unwrap(),
        "an export of an export is the same file"
    );
    let mut found: Vec<_> = std::fs::read_dir(elsewhere.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    found.sort();
    assert_eq!(found, ["a run", "again"]);
}

#[test]
fn every_flipped_byte_is_found() {
    let (world, path, bytes) = exported();
    let whole = || coo::inside::mission::load(&path).map(drop);
    whole().unwrap();
    for place in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[place] ^= 1 << (place % 8);
        std::fs::write(&path, changed).unwrap();
        let error = whole().expect_err("a changed file was loaded");
        let text = format!("{error:#}");
        assert!(
            ["was changed", "has format", "is not a run"]
                .iter()
                .any(|words| text.contains(words)),
            "byte {place}: {text}"
        );
    }
    for length in [0, 1, 9, 40, 74, 75, 76, 500, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..length]).unwrap();
        whole().expect_err("a file cut short was loaded");
    }
    std::fs::write(&path, [&bytes[..], b"\n"].concat()).unwrap();
    whole().expect_err("a longer file was loaded");
    assert_snapshot!(world.told("replay MISSION-000001.coorun"), @"
    $ coo replay MISSION-000001.coorun
    --- standard error
    ERROR: file MISSION-000001.coorun: was changed or cut short: its content has SHA-256 <sha256…>, its first line says <sha256…>
    hint: get a new copy
    --- exit 1
    ");
}

#[test]
fn a_forged_file_is_refused_or_diverges() {
    let (world, path, bytes) = exported();
    let replay = |bytes: Vec<u8>| {
        std::fs::write(&path, bytes).unwrap();
        let ran = world.coo(&["replay", "MISSION-000001.coorun"]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(!ran.stderr.contains("panicked"), "{ran:?}");
        ran.stdout + &ran.stderr
    };
    // The file is sealed again, so the chain finds the change.
    let mut told = replay(forged(
        &bytes,
        r#""rng_seed":3735928559"#,
        r#""rng_seed":3735928560"#,
    ));
    // Other contents than the digests beside them say.
    let mut module = bytes.clone();
    *module.last_mut().unwrap() ^= 1;
    told += &replay(sealed(rest(&module)));
    // A row that is another mission's.
    told += &replay(forged(
        &bytes,
        r#""mission_type":"TEST""#,
        r#""mission_type":"NONE""#,
    ));
    // Sizes nobody has the memory for.
    told += &replay(forged(
        &bytes,
        r#""contents":[{"bytes":"#,
        r#""contents":[{"bytes":99999999999999"#,
    ));
    for (from, to) in [
        (r#""events":"#, r#""events":1"#),
        ("{", "["),
        (r#""seq":2"#, r#""seq":3"#),
        (r#""kind":"environment""#, r#""kind":"nonsense""#),
    ] {
        told += &replay(forged(&bytes, from, to));
    }
    assert_snapshot!(steady(&told), @r#"
    ERROR: file MISSION-000001.coorun: journal broken at event 3: its digest is not that of its content; it was changed after it was written
    ERROR: file MISSION-000001.coorun: content <sha256…>: is not what it should be
    ERROR: file MISSION-000001.coorun: its header and its first event name different missions
    ERROR: file MISSION-000001.coorun: content <sha256…>: <sha256…>99493 bytes, 1073741824 is the limit
    ERROR: file MISSION-000001.coorun: event 10: stream did not contain valid UTF-8
    ERROR: file MISSION-000001.coorun: its header: invalid type: string "contents", expected a sequence at line 1 column 11
    ERROR: file MISSION-000001.coorun: event 2: has number 3
    hint: get a new copy of the file
    ERROR: file MISSION-000001.coorun: 'nonsense' is not a kind of event
    "#);
}

#[test]
fn a_file_that_lists_a_content_or_an_event_twice_is_refused() {
    let (world, path, bytes) = exported();
    let text = rest(&bytes);
    let end = text.iter().position(|&byte| byte == b'\n').unwrap();
    let mut header: Value = serde_json::from_slice(&text[..end]).unwrap();
    let first = header["contents"][0].clone();
    let length = usize::try_from(first["bytes"].as_u64().unwrap()).unwrap();
    // The contents begin behind the lines of the events.
    let events = usize::try_from(header["events"].as_u64().unwrap()).unwrap();
    let mut contents = end + 1;
    for _ in 0..events {
        contents += text[contents..]
            .iter()
            .position(|&byte| byte == b'\n')
            .unwrap()
            + 1;
    }
    header["contents"].as_array_mut().unwrap().insert(0, first);
    let doubled = [
        header.to_string().as_bytes(),
        &text[end..contents],
        &text[contents..contents + length],
        &text[contents..],
    ]
    .concat();
    std::fs::write(&path, sealed(&doubled)).unwrap();
    let printed = |command: &str| {
        let ran = world.coo(&[command, "MISSION-000001.coorun"]);
        shown(&format!("{command} MISSION-000001.coorun"), &ran)
    };
    assert_snapshot!(printed("replay") + &printed("logs"), @"
    $ coo replay MISSION-000001.coorun
    --- standard error
    ERROR: file MISSION-000001.coorun: its header lists a content twice or out of order
    hint: get a new copy
    --- exit 1
    $ coo logs MISSION-000001.coorun
    --- standard error
    ERROR: file MISSION-000001.coorun: its header lists a content twice or out of order
    hint: get a new copy
    --- exit 1
    ");
    let twice = forged(&bytes, r#""seq":2"#, r#""seq":1"#);
    std::fs::write(&path, twice).unwrap();
    assert_snapshot!(printed("logs"), @"
    $ coo logs MISSION-000001.coorun
    --- standard error
    ERROR: file MISSION-000001.coorun: event 2: has number 1
    hint: get a new copy of the file
    --- exit 1
    ");
}

#[test]
fn other_formats_and_other_files_are_named() {
    let world = World::new();
    world.file("newer", format!("coo-run/2 {}\n", "0".repeat(64)));
    assert_snapshot!(world.told("replay newer"), @"
    $ coo replay newer
    --- standard error
    ERROR: file newer: has format coo-run/2, this build reads coo-run/1
    hint: use the coo that wrote it
    --- exit 1
    ");
    world.file("other", "{}");
    assert_snapshot!(world.told("logs other"), @"
    $ coo logs other
    --- standard error
    ERROR: file other: is not a run that 'coo export' wrote
    --- exit 1
    ");
    assert_snapshot!(world.told("replay missing.coorun"), @"
    $ coo replay missing.coorun
    --- standard error
    ERROR: file missing.coorun: can't be opened: No such file or directory (os error 2)
    --- exit 1
    ");
}

#[test]
fn an_export_never_overwrites_and_leaves_nothing_half_written() {
    let (world, path, bytes) = exported();
    assert_snapshot!(world.told("export MISSION-000001"), @"
    $ coo export MISSION-000001
    --- standard error
    ERROR: file MISSION-000001.coorun: already exists
    hint: remove it or choose another name with --output
    --- exit 1
    ");
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    assert_snapshot!(world.told("export MISSION-000001 -o no/such/folder/x"), @"
    $ coo export MISSION-000001 -o no/such/folder/x
    --- standard error
    ERROR: file no/such/folder/x: can't be written: no/such/folder is not a folder
    hint: create it first
    --- exit 1
    ");
    assert_snapshot!(world.told("export MISSION-000009"), @"
    $ coo export MISSION-000009
    --- standard error
    ERROR: Mission 'MISSION-000009' not found.
    --- exit 1
    ");
    let left: Vec<_> = std::fs::read_dir(world.path()).unwrap().collect();
    assert_eq!(left.len(), 4, "root, guest, descriptor, export: {left:?}");
}

#[test]
fn an_interrupted_run_is_carried_about_too() {
    let world = World::new();
    world.triage_descriptor();
    assert_eq!(world.coo(&["run", "triage.json", "--frozen"]).code, 5);
    assert_eq!(world.coo(&["export", "MISSION-000001"]).code, 0);
    let mut told = String::new();
    for command in ["verify", "run", "validate", "mission", "replay"] {
        let ran = world.coo(&[command, "MISSION-000001.coorun"]);
        told += &shown(&format!("{command} MISSION-000001.coorun"), &ran);
    }
    assert_snapshot!(told, @"
    $ coo verify MISSION-000001.coorun
    --- standard error
    ERROR: mission MISSION-000001: did not reach an end
    hint: run 'coo resume MISSION-000001' first
    --- exit 1
    $ coo run MISSION-000001.coorun
    --- standard error
    ERROR: descriptor MISSION-000001.coorun: is an exported run
    hint: 'coo replay' and 'coo verify' take exported runs
    --- exit 1
    $ coo validate MISSION-000001.coorun
    --- standard error
    ERROR: descriptor MISSION-000001.coorun: is an exported run
    hint: 'coo replay' and 'coo verify' take exported runs
    --- exit 1
    $ coo mission MISSION-000001.coorun
    Mission MISSION-000001
      Type: TEST
      Status: INTERRUPTED
      Reason: model call: no frozen answer for request <sha256…> (time 1 in this run, model HuggingFaceTB/SmolLM2-135M-Instruct); run the mission once without --frozen to record it
      Created: <time>
      Started: <time>
      Finished: -

    Timeline
      #0001 INIT
      #0002 CAPTURE_ENV
      #0003 RUN
    --- standard error
    hint: 'coo resume MISSION-000001' continues where it stopped
    --- exit 0
    $ coo replay MISSION-000001.coorun
    --- standard error
    ERROR: mission MISSION-000001: did not reach an end (model call: no frozen answer for request <sha256…> (time 1 in this run, model HuggingFaceTB/SmolLM2-135M-Instruct); run the mission once without --frozen to record it), so there is no whole run to compare
    hint: 'coo resume MISSION-000001' continues it
    --- exit 1
    ");
}

/// Runs that were exported when their release was current. One that stops replaying means that
/// users' recordings have stopped replaying.
#[test]
fn runs_of_earlier_releases_replay() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/runs");
    let world = World::new();
    let mut replayed = 0;
    let mut under_another_engine = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_none_or(|extension| extension != "coorun")
        {
            continue;
        }
        let path = path.to_str().unwrap();
        let ran = world.coo(&["replay", path, "--json"]);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
        let found: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(found["identical"], true);
        let other_engine = path.ends_with("-under-another-engine.coorun");
        assert_eq!(found["other_engine"], other_engine, "{path}");
        if other_engine {
            let (_, name) = path.rsplit_once('/').unwrap();
            let ran = world.coo(&["replay", path]);
            under_another_engine.push(shown(&format!("replay {name}"), &ran));
        }
        replayed += 1;
    }
    assert_eq!(replayed, 4);
    under_another_engine.sort();
    assert_snapshot!(under_another_engine.concat(), @"
    $ coo replay demo-under-another-engine.coorun
    Replay DEMO-000001
      States: INIT > CAPTURE_ENV > RUN > WRITE_REPORT > COMPLETE
      Events: 11 identical
      Engine: another one than recorded; fuel and memory not compared
      Output: 493 bytes identical
      Chain: <sha256>
      Result: IDENTICAL
    --- exit 0
    $ coo replay trap-under-another-engine.coorun
    Replay MISSION-000003
      States: INIT > CAPTURE_ENV > RUN > FAILED
      Events: 7 identical
      Engine: another one than recorded; fuel and memory not compared
      Output: 0 bytes identical
      Chain: <sha256>
      Result: IDENTICAL
    --- exit 0
    $ coo replay triage-under-another-engine.coorun
    Replay MISSION-000002
      States: INIT > CAPTURE_ENV > RUN > WRITE_REPORT > COMPLETE
      Events: 36 identical
      Engine: another one than recorded; fuel and memory not compared
      Output: 185 bytes identical
      Chain: <sha256>
      Result: IDENTICAL
    --- exit 0
    ");
}

/// `script` in a shell that sees `root` mounted for reading only; `None` where a user can't
/// have such a mount.
fn with_read_only(root: &Path, script: &str) -> Option<Command> {
    let shell = |script: &str| {
        let mut shell = Command::new("unshare");
        shell
            .args(["--mount", "--map-root-user", "/bin/sh", "-ec"])
            .arg(format!(
                "mount --bind \"$0\" \"$0\" && mount -o remount,ro,bind \"$0\" && {script}"
            ))
            .arg(root);
        shell
    };
    let probe = shell("! touch \"$0/x\" 2>/dev/null").output();
    probe
        .is_ok_and(|probe| probe.status.success())
        .then(|| shell(script))
}

#[test]
fn a_root_that_can_only_be_read_is_read() {
    let world = World::new();
    assert_eq!(world.coo(&["run", "triage", "--frozen"]).code, 0);
    let coo = env!("CARGO_BIN_EXE_coo");
    let Some(mut probe) = with_read_only(&world.root(), &format!("{coo} --root \"$0\" missions"))
    else {
        eprintln!("no mount for reading only can be had here: not tested");
        return;
    };
    let missions = ran(probe.env_clear().output().unwrap());
    assert_eq!(
        (missions.code, missions.stdout),
        (0, world.coo(&["missions"]).stdout)
    );
    let before = world.root_files();
    for command in ["replay", "logs", "inspect", "mission"] {
        let script = format!("{coo} --root \"$0\" {command} MISSION-000001");
        let mut shell = with_read_only(&world.root(), &script).unwrap();
        let read = ran(shell.env_clear().output().unwrap());
        let written = world.coo(&[command, "MISSION-000001"]);
        assert_eq!(read, written, "{command}");
    }
    let script = format!("{coo} --root \"$0\" run demo --frozen");
    let mut shell = with_read_only(&world.root(), &script).unwrap();
    let run = ran(shell.env_clear().output().unwrap());
    assert_snapshot!(shown("run demo --frozen", &run), @"
    $ coo run demo --frozen
    --- standard error
    ERROR: state root <world>/.coo: can't be locked (is it writable?): Read-only file system (os error 30)
    --- exit 1
    ");
    assert_eq!(before, world.root_files());
}

/// A run that is at work meanwhile is exported as it stands at one moment.
#[test]
fn an_export_of_a_run_at_work_is_of_one_moment() {
    let (server, release) = ModelServer::holding(|| Response::completion("bug"));
    let world = World::asking(&server);
    let mut run = world.command(&["run", "triage.json"]).spawn().unwrap();
    server.wait_for_request(&mut run);
    let export = world.coo(&["export", "MISSION-000001", "-o", "at work"]);
    let bytes = world.path().join("at work").metadata().unwrap().len();
    let stderr = export.stderr.replace(&bytes.to_string(), "<n>");
    let export = Ran { stderr, ..export };
    assert_snapshot!(shown("export MISSION-000001 -o 'at work'", &export), @r#"
    $ coo export MISSION-000001 -o 'at work'
    --- standard error
    [coo] MISSION-000001 written to at work: <n> bytes; it has not ended yet; 'coo logs "at work"' shows it anywhere
    --- exit 0
    "#);
    for _ in 0..2 {
        release.send(()).unwrap();
    }
    assert!(run.wait().unwrap().success());
    let then = world.coo(&["logs", "at work"]);
    let now = world.coo(&["logs", "MISSION-000001"]);
    assert!(now.stdout.starts_with(&then.stdout), "{then:?}");
    assert_snapshot!(steady(then.stdout.lines().last().unwrap()), @"[0010] STATE=RUN llm.intent request=<sha256…> nth=1 sha256=<sha256…>");
}

#[test]
fn nothing_in_a_forged_file_reaches_the_terminal_or_makes_the_program_panic() {
    let (world, path, bytes) = exported();
    let printed = |bytes: Vec<u8>| {
        std::fs::write(&path, bytes).unwrap();
        ["logs", "mission", "inspect"]
            .map(|command| {
                let ran = world.coo(&[command, "MISSION-000001.coorun"]);
                assert!((0..=1).contains(&ran.code), "{ran:?}");
                assert!(!ran.stderr.contains("panicked"), "{ran:?}");
                ran.stdout + &ran.stderr
            })
            .concat()
    };
    let steers = forged(
        &bytes,
        r#""engine":"wasmtime"#,
        r#""engine":"\u001b]0;owned\u0007"#,
    );
    assert!(!printed(steers).contains('\u{1b}'));
    let at = String::from_utf8_lossy(&bytes)
        .split(r#""created_ms":"#)
        .nth(1)
        .unwrap()
        .split(',')
        .next()
        .unwrap()
        .to_owned();
    printed(forged(
        &bytes,
        &format!(r#""created_ms":{at}"#),
        r#""created_ms":9223372036854775807"#,
    ));
    let mut told = String::new();
    for id in ["MISSION-000000", "MISSION-2147483648", "MISSION-4294967295"] {
        told += &printed(forged(
            &bytes,
            r#""id":"MISSION-000001""#,
            &format!(r#""id":"{id}""#),
        ));
    }
    assert_snapshot!(steady(&told), @"
    ERROR: file MISSION-000001.coorun: mission MISSION-000000: there is no such number
    ERROR: file MISSION-000001.coorun: mission MISSION-000000: there is no such number
    ERROR: file MISSION-000001.coorun: mission MISSION-000000: there is no such number
    ERROR: file MISSION-000001.coorun: mission MISSION-2147483648: there is no such number
    ERROR: file MISSION-000001.coorun: mission MISSION-2147483648: there is no such number
    ERROR: file MISSION-000001.coorun: mission MISSION-2147483648: there is no such number
    ERROR: file MISSION-000001.coorun: mission MISSION-4294967295: there is no such number
    ERROR: file MISSION-000001.coorun: mission MISSION-4294967295: there is no such number
    ERROR: file MISSION-000001.coorun: mission MISSION-4294967295: there is no such number
    ");
}

#[test]
fn a_pipe_is_no_run_and_is_not_waited_for() {
    let world = World::new();
    let pipe = world.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let mut told = String::new();
    for command in ["replay", "logs", "verify", "resume"] {
        told += &shown(
            &format!("{command} ./pipe"),
            &world.coo(&[command, "./pipe"]),
        );
    }
    assert_snapshot!(told, @"
    $ coo replay ./pipe
    --- standard error
    ERROR: file ./pipe: is a pipe, a regular file is needed
    hint: write its content to a file first
    --- exit 1
    $ coo logs ./pipe
    --- standard error
    ERROR: file ./pipe: is a pipe, a regular file is needed
    hint: write its content to a file first
    --- exit 1
    $ coo verify ./pipe
    --- standard error
    ERROR: descriptor: ./pipe: is a pipe, a regular file is needed
    hint: write its content to a file first
    --- exit 1
    $ coo resume ./pipe
    --- standard error
    ERROR: Mission './pipe' not found.
    --- exit 1
    ");
}

#[test]
fn a_root_and_a_temporary_folder_below_a_link_work() {
    let world = World::new();
    std::fs::create_dir(world.path().join("real")).unwrap();
    std::os::unix::fs::symlink("real", world.path().join("link")).unwrap();
    let link = world.path().join("link");
    let coo = |arguments: &[&str]| {
        let mut command = world.command(arguments);
        let ran = ran(command.env("TMPDIR", &link).output().unwrap());
        assert_eq!(ran.code, 0, "{ran:?}");
    };
    coo(&["--root", "link/root", "run", "triage", "--frozen"]);
    coo(&[
        "--root",
        "link/root",
        "export",
        "MISSION-000001",
        "-o",
        "run",
    ]);
    coo(&["replay", "run"]);
}
