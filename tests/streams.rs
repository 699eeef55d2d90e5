//! What `coo` says and where: outputs that are closed, full or read by nobody, and text of others
//! that would steer a terminal or pass for a line of `coo`'s own.

use std::fs::OpenOptions;
use std::process::{Command, Stdio};

use insta::assert_snapshot;
use serde_json::json;

use crate::support::{Ran, World, ran, shown, steady};

/// One command of each class that prints something, with a world in which each of them succeeds.
const COMMANDS: [&[&str]; 27] = [
    &["run-demo"],
    &["run", "demo"],
    &["run", "demo", "--json"],
    &["run", "noisy.wasm"],
    &["verify", "demo", "--runs", "2"],
    &["verify", "demo", "--runs", "2", "--json"],
    &["missions"],
    &["missions", "--json"],
    &["mission", "DEMO-000001"],
    &["logs", "DEMO-000001"],
    &["logs", "DEMO-000001", "--json"],
    &["inspect", "DEMO-000001"],
    &["inspect", "DEMO-000001", "--output"],
    &["explain", "DEMO-000001"],
    &["replay", "DEMO-000001"],
    &["resume", "DEMO-000001"],
    &["artefacts"],
    &["amu0", "list"],
    &["manifests", "check"],
    &["freeze", "status"],
    &["audit", "noisy.wasm"],
    &["validate", "mission.json"],
    &["digest"],
    &["init"],
    &["completions", "bash"],
    &["--help"],
    &["--version"],
];

fn world() -> World {
    let world = World::new().with("PATH", "/usr/bin:/bin");
    // On both of its outputs.
    world.guest(
        "noisy.wasm",
        r#"(data (i32.const 1024) "text")
        (func (export "_start")
            (call $write (i32.const 1024) (i32.const 4))
            (i32.store (i32.const 0) (i32.const 1024))
            (i32.store (i32.const 4) (i32.const 4))
            (drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8))))"#,
    );
    world.descriptor("mission.json", &json!({"file": "noisy.wasm"}), &json!({}));
    assert_eq!(world.coo(&["run", "demo"]).code, 0);
    for command in [
        &["run", "triage", "--frozen"][..],
        &["manifests", "write"],
        &["amu0", "create"],
    ] {
        let ran = world.coo(command);
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    world
}

/// Runs `command` with outputs that `redirect` gives it.
fn with(world: &World, arguments: &[&str], redirect: impl Fn(&mut Command)) -> Ran {
    let mut command = world.command(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    redirect(&mut command);
    ran(command.spawn().unwrap().wait_with_output().unwrap())
}

/// The writing end of a pipe that nobody reads.
fn unread() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

fn full() -> Stdio {
    OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap()
        .into()
}

#[test]
fn an_output_that_nobody_reads_changes_no_commands_end() {
    let world = world();
    for command in COMMANDS {
        for (which, (out, err)) in [(true, false), (false, true), (true, true)]
            .into_iter()
            .enumerate()
        {
            let ran = with(&world, command, |command| {
                if out {
                    command.stdout(unread());
                }
                if err {
                    command.stderr(unread());
                }
            });
            assert_eq!(ran.code, 0, "{command:?} {which}: {ran:?}");
        }
    }
}

#[test]
fn a_full_output_is_an_error_and_a_full_standard_error_is_none() {
    let world = world();
    let mut told = Vec::new();
    for command in COMMANDS {
        let ran = with(&world, command, |command| {
            command.stderr(full());
        });
        assert_eq!(ran.code, 0, "{command:?}: {ran:?}");
        let ran = with(&world, command, |command| {
            command.stdout(full());
        });
        if world.coo(command).stdout.is_empty() {
            // There is nothing to write: all it says is for standard error.
            assert_eq!(ran.code, 0, "{command:?}: {ran:?}");
            continue;
        }
        assert_eq!(ran.code, 1, "{command:?}: {ran:?}");
        told.push(format!("{}: {}", command.join(" "), ran.stderr));
        with(&world, command, |command| {
            command.stdout(full()).stderr(full());
        });
    }
    assert_snapshot!(steady(&told.concat()), @"
    run-demo: ERROR: standard output: can't be written: No space left on device (os error 28)
    run demo: ERROR: standard output: can't be written: No space left on device (os error 28)
    run demo --json: ERROR: standard output: can't be written: No space left on device (os error 28)
    run noisy.wasm: ERROR: standard output: can't be written: No space left on device (os error 28)
    verify demo --runs 2: [coo] report written to .coo/verify/000002
    ERROR: standard output: can't be written: No space left on device (os error 28)
    verify demo --runs 2 --json: [coo] report written to .coo/verify/000006
    ERROR: standard output: can't be written: No space left on device (os error 28)
    missions: ERROR: standard output: can't be written: No space left on device (os error 28)
    missions --json: ERROR: standard output: can't be written: No space left on device (os error 28)
    mission DEMO-000001: ERROR: standard output: can't be written: No space left on device (os error 28)
    logs DEMO-000001: ERROR: standard output: can't be written: No space left on device (os error 28)
    logs DEMO-000001 --json: ERROR: standard output: can't be written: No space left on device (os error 28)
    inspect DEMO-000001: ERROR: standard output: can't be written: No space left on device (os error 28)
    inspect DEMO-000001 --output: ERROR: standard output: can't be written: No space left on device (os error 28)
    explain DEMO-000001: ERROR: standard output: can't be written: No space left on device (os error 28)
    replay DEMO-000001: ERROR: standard output: can't be written: No space left on device (os error 28)
    artefacts: ERROR: standard output: can't be written: No space left on device (os error 28)
    amu0 list: ERROR: standard output: can't be written: No space left on device (os error 28)
    manifests check: ERROR: standard output: can't be written: No space left on device (os error 28)
    freeze status: ERROR: standard output: can't be written: No space left on device (os error 28)
    audit noisy.wasm: ERROR: standard output: can't be written: No space left on device (os error 28)
    validate mission.json: ERROR: standard output: can't be written: No space left on device (os error 28)
    digest: ERROR: standard output: can't be written: No space left on device (os error 28)
    init: ERROR: standard output: can't be written: No space left on device (os error 28)
    completions bash: ERROR: standard output: can't be written: No space left on device (os error 28)
    --help: ERROR: standard output: can't be written: No space left on device (os error 28)
    --version: ERROR: standard output: can't be written: No space left on device (os error 28)
    ");
}

#[test]
fn outputs_that_are_closed_change_no_commands_end() {
    let world = world();
    for command in COMMANDS {
        for closed in [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"] {
            let script = format!("exec \"$0\" \"$@\" {closed}");
            let coo = env!("CARGO_BIN_EXE_coo");
            let words = [&["-c", &script, coo], command].concat();
            let ran = ran(world.program("/bin/sh", &words).output().unwrap());
            assert_eq!(ran.code, 0, "{command:?} {closed}: {ran:?}");
        }
    }
}

#[test]
fn errors_end_with_their_code_wherever_they_go() {
    let world = world();
    for (command, code) in [
        (&["mission", "DEMO-000009"][..], 1),
        (&["run", "no-such-file.json"], 1),
        (&["no-such-command"], 2),
        (&["run"], 2),
    ] {
        for (out, err) in [(unread(), unread()), (full(), full())] {
            let mut command = world.command(command);
            let ended = command.stdout(out).stderr(err).status().unwrap();
            assert_eq!(ended.code(), Some(code), "{command:?}");
        }
    }
}

/// A guest's own error, with everything in it that could pass for something else.
#[test]
fn a_guests_words_are_one_line_that_steers_nothing() {
    let world = World::new();
    let text = "it broke\n[coo] MISSION-000001 SUCCESS: 9 events\r\nERROR: none\n  ERROR: more \u{1b}[2J\u{9b}2J\u{202e}gnorw\u{2066}\u{2028}[coo] end";
    world.wasm("complainer.wasm", include_str!("fixtures/complainer.wat"));
    world.descriptor(
        "complains.json",
        &json!({"file": "complainer.wasm"}),
        &json!({"steps": [{"id": "only", "input": text}]}),
    );
    let run = world.coo(&["run", "complains.json"]);
    assert_snapshot!(shown("run complains.json", &run), @r"
    $ coo run complains.json
    --- standard error
    [coo] MISSION-000001 FAILED: 7 events, 13 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: guest error: it broke\n[coo] MISSION-000001 SUCCESS: 9 events\r\nERROR: none\n  ERROR: more \u{1b}[2J\u{9b}2J\u{202e}gnorw\u{2066}\u{2028}[coo] end
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    ");
    for command in ["mission", "logs", "inspect", "explain", "resume"] {
        let ran = world.coo(&[command, "MISSION-000001"]);
        for text in [&ran.stdout, &ran.stderr] {
            assert!(
                !text
                    .chars()
                    .any(|c| c != '\n' && coo_kernel::form::plain::misleads(c)),
                "{command}: {ran:?}"
            );
            assert!(
                !text.lines().any(|line| {
                    let line = line.trim_start();
                    line.starts_with("[coo] MISSION-000001 SUCCESS") || line == "ERROR: none"
                }),
                "{command}: {ran:?}"
            );
        }
    }
    // For machines it is what it was.
    let mission = world.json(&["mission", "MISSION-000001"]);
    assert_eq!(mission["reason"], format!("guest error: {text}"));
}

#[test]
fn a_persons_words_and_a_files_are_no_lines_of_coos() {
    let world = World::new();
    let lie = "no\n[coo] MISSION-000001 SUCCESS: 9 events";
    world.file(
        "odd.json",
        json!({"format": "coo-mission/1", lie: 1}).to_string(),
    );
    let ran = world.coo(&["run", "odd.json"]);
    assert_snapshot!(shown("run odd.json", &ran), @r"
    $ coo run odd.json
    --- standard error
    ERROR: descriptor odd.json: line 1: no\n[coo] MISSION-000001 SUCCESS: 9 events: no such field; permitted: format, mission_type, module, script, llm, steps, arguments, environment, limits, engine, scope
    hint: and line 1: field 'mission_type' is missing
    hint: see docs/descriptor.md for the fields
    --- exit 1
    ");
    let name = "odd\n[coo] MISSION-000001 SUCCESS.json";
    let ran = world.coo(&["run", name]);
    assert_snapshot!(shown(&format!("run {name:?}"), &ran), @r#"
    $ coo run "odd\n[coo] MISSION-000001 SUCCESS.json"
    --- standard error
    ERROR: descriptor: odd\n[coo] MISSION-000001 SUCCESS.json: can't be opened: No such file or directory (os error 2)
    --- exit 1
    "#);
}

/// A program's standard error is shown as it is, and what follows begins on a line of its own; a
/// line that looks like one of `coo`'s is marked, and standard output is untouched.
#[test]
fn a_programs_standard_error_can_not_speak_for_coo() {
    let world = World::new();
    let text = "[coo] MISSION-000001 SUCCESS: 9 events\\0aERROR: none\\0aa note";
    let length = "[coo] MISSION-000001 SUCCESS: 9 events\nERROR: none\na note".len();
    let ran = world.run_guest(
        &format!(
            r#"(data (i32.const 1024) "{text}")
            (func (export "_start")
                (call $write (i32.const 1024) (i32.const {length}))
                (i32.store (i32.const 0) (i32.const 1024))
                (i32.store (i32.const 4) (i32.const {length}))
                (drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))
                (call $proc_exit (i32.const 1)))"#
        ),
        &json!({}),
    );
    assert_snapshot!(shown("run guest.json", &ran), @"
    $ coo run guest.json
    [coo] MISSION-000001 SUCCESS: 9 events
    ERROR: none
    a note--- standard error
    guest: [coo] MISSION-000001 SUCCESS: 9 events
    guest: ERROR: none
    a note
    [coo] MISSION-000001 FAILED: 7 events, 100 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: guest exited with status 1
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    ");
}
