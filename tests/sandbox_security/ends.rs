//! How a module may end: each end with its own reason, none of them the host's.

use std::fs;

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::assert_fails;
use crate::support::{Ran, World, mission_id, shown};

#[test]
fn random_bytes_beyond_the_memory_end_the_guest_alone() {
    let world = World::new();
    let mut said = String::new();
    for length in ["0x7fffffff", "-1"] {
        let body = format!(
            r#"(func (export "_start") (drop (call $random_get (i32.const 1024) (i32.const {length}))))"#
        );
        let ran = world.run_guest(&body, &json!({}));
        said += &shown("run guest.json", &ran);
        assert_eq!(
            world.json(&["mission", &mission_id(&ran)])["status"],
            "FAILED"
        );
    }
    assert_snapshot!(said, @"
    $ coo run guest.json
    --- standard error
    [coo] MISSION-000001 FAILED: 7 events, 7 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: contract broken: Pointer out of bounds: Region { start: 1024, len: 2147483647 }
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    $ coo run guest.json
    --- standard error
    [coo] MISSION-000002 FAILED: 7 events, 7 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000002: contract broken: Pointer out of bounds: Region { start: 1024, len: 4294967295 }
    hint: 'coo logs MISSION-000002' shows how it got there
    --- exit 1
    ");
}

#[test]
fn pointers_outside_the_memory_end_the_guest_alone() {
    let world = World::new();
    let body = r#"
      (func (export "_start")
        (i32.store (i32.const 0) (i32.const 0x7fff0000)) (i32.store (i32.const 4) (i32.const 0x10000))
        (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
    "#;
    let ran = world.run_guest(body, &json!({}));
    assert_fails(&world, &ran);
    assert_snapshot!(shown("run guest.json", &ran), @"
    $ coo run guest.json
    --- standard error
    [coo] MISSION-000001 FAILED: 7 events, 15 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: contract broken: Pointer out of bounds: Region { start: 2147418112, len: 65536 }
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    ");
}

#[test]
fn exit_statuses_are_told_apart() {
    let world = World::new();
    let ran = world.run_guest(
        r#"(func (export "_start") (call $print (i64.const 7)) (call $proc_exit (i32.const 0)))"#,
        &json!({}),
    );
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "7\n"), "{ran:?}");
    let ran = world.run_guest(
        r#"(func (export "_start") (call $proc_exit (i32.const 3)))"#,
        &json!({}),
    );
    assert_fails(&world, &ran);
    assert_snapshot!(shown("run guest.json", &ran), @"
    $ coo run guest.json
    --- standard error
    [coo] MISSION-000002 FAILED: 7 events, 6 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000002: guest exited with status 3
    hint: 'coo logs MISSION-000002' shows how it got there
    --- exit 1
    ");
}

#[test]
fn traps_are_named_and_located() {
    let world = World::new();
    let mut said = String::new();
    for body in [
        "unreachable",
        "(drop (i32.div_u (i32.const 1) (i32.const 0)))",
        "(drop (i32.load (i32.const 0x7fffffff)))",
    ] {
        let ran = world.run_guest(
            &format!(r#"(func $culprit (export "_start") {body})"#),
            &json!({}),
        );
        assert_fails(&world, &ran);
        said += &shown(&format!("run guest.json # {body}"), &ran);
        let inspect = world.coo(&["inspect", &mission_id(&ran)]).stdout;
        said += &inspect[inspect.find("Trapped in\n").expect("no place")..];
    }
    assert_snapshot!(said, @"
    $ coo run guest.json # unreachable
    --- standard error
    [coo] MISSION-000001 FAILED: 7 events, 1 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: trap: wasm `unreachable` instruction executed
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    Trapped in
      culprit
    $ coo run guest.json # (drop (i32.div_u (i32.const 1) (i32.const 0)))
    --- standard error
    [coo] MISSION-000002 FAILED: 7 events, 0 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000002: trap: integer divide by zero
    hint: 'coo logs MISSION-000002' shows how it got there
    --- exit 1
    Trapped in
      culprit
    $ coo run guest.json # (drop (i32.load (i32.const 0x7fffffff)))
    --- standard error
    [coo] MISSION-000003 FAILED: 7 events, 0 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000003: trap: out of bounds memory access
    hint: 'coo logs MISSION-000003' shows how it got there
    --- exit 1
    Trapped in
      culprit
    ");
}

#[test]
fn endless_recursion_overflows_the_guests_stack_alone() {
    let world = World::new();
    let ran = world.run_guest(
        r#"(func $f (export "_start") (call $f) (call $f))"#,
        &json!({}),
    );
    assert_fails(&world, &ran);
    // How deep it comes depends on how `coo` itself was compiled, see docs/determinism.md.
    let fuel = ran
        .stderr
        .split_once(" fuel")
        .unwrap()
        .0
        .rsplit(' ')
        .next()
        .unwrap();
    let printed = shown("run guest.json", &ran).replace(fuel, "<fuel>");
    assert_snapshot!(printed, @"
    $ coo run guest.json
    --- standard error
    [coo] MISSION-000001 FAILED: 7 events, <fuel> fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: trap: call stack exhausted
    hint: the same functions are on the stack again and again: a recursion without end may have used up the guest's stack
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    ");
}

#[test]
fn a_recursion_that_uses_up_the_guests_own_stack_says_so() {
    let world = World::new();
    // As compilers lay it out: the stack is the start of memory, and grows downwards out of it. The
    // names are those of a Rust compiler.
    let ran = world.run_guest(
        r#"(global $stack (mut i32) (i32.const 1024))
           (func $_ZN4deep4down17h0123456789abcdefE
             (global.set $stack (i32.sub (global.get $stack) (i32.const 32)))
             (i32.store (global.get $stack) (i32.const 1))
             (call $_ZN4deep4down17h0123456789abcdefE))
           (func (export "_start") (call $_ZN4deep4down17h0123456789abcdefE))"#,
        &json!({}),
    );
    assert_snapshot!(shown("run guest.json", &ran), @"
    $ coo run guest.json
    --- standard error
    [coo] MISSION-000001 FAILED: 7 events, 389 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: trap: out of bounds memory access
    hint: the same functions are on the stack again and again: a recursion without end may have used up the guest's stack
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    ");
    let inspect = world.coo(&["inspect", "1"]).stdout;
    assert_snapshot!(&inspect[inspect.find("Trapped in\n").unwrap()..], @"
    Trapped in
      deep::down
      deep::down
      deep::down
      deep::down
      deep::down
      deep::down
      deep::down
      deep::down
      deep::down
      deep::down
      deep::down
      deep::down
      deep::down
      deep::down
      deep::down
      deep::down
      deep::down
      deep::down
      deep::down
      deep::down
    ");
}

#[test]
fn misusing_a_resource_is_a_broken_contract() {
    // A handle that was never given out, and a poll of nothing.
    let world = World::new();
    let text = |call: &str| {
        format!(
            r#"(component
                 (import "wasi:io/poll@0.2.0" (instance $poll
                   (export "pollable" (type $p (sub resource)))
                   (export "[method]pollable.block" (func (param "self" (borrow $p))))
                   (export "poll" (func (param "in" (list (borrow $p))) (result (list u32))))))
                 (alias export $poll "pollable" (type $p))
                 (core module $memory (memory (export "memory") 1)
                   (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096)))
                 (core instance $memory (instantiate $memory))
                 (core func $block (canon lower (func $poll "[method]pollable.block")))
                 (core func $poll (canon lower (func $poll "poll")
                   (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
                 (core module $m
                   (import "host" "block" (func $block (param i32)))
                   (import "host" "poll" (func $poll (param i32 i32 i32)))
                   (func (export "run") (result i32) {call} (i32.const 0)))
                 (core instance $i (instantiate $m
                   (with "host" (instance (export "block" (func $block)) (export "poll" (func $poll))))))
                 (func $run (result (result)) (canon lift (core func $i "run")))
                 (instance $e (export "run" (func $run)))
                 (export "wasi:cli/run@0.2.0" (instance $e)))"#
        )
    };
    let mut said = String::new();
    for call in [
        "(call $block (i32.const 42))",
        "(call $poll (i32.const 0) (i32.const 0) (i32.const 16))",
    ] {
        world.wasm("misuse.wasm", &text(call));
        let ran = world.coo(&["run", "misuse.wasm"]);
        assert_fails(&world, &ran);
        said += &shown(&format!("run misuse.wasm # {call}"), &ran);
    }
    assert_snapshot!(said, @"
    $ coo run misuse.wasm # (call $block (i32.const 42))
    --- standard error
    [coo] MISSION-000001 FAILED: 7 events, 6 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: contract broken: unknown handle index 42
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    $ coo run misuse.wasm # (call $poll (i32.const 0) (i32.const 0) (i32.const 16))
    --- standard error
    [coo] MISSION-000002 FAILED: 7 events, 8 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000002: contract broken: empty poll list
    hint: 'coo logs MISSION-000002' shows how it got there
    --- exit 1
    ");
}

#[test]
fn what_a_guest_prints_can_not_steer_the_terminal() {
    let world = World::new();
    let body = r#"
      (data (i32.const 1024) "\1b]0;owned\07\1b[2J")
      (func (export "_start")
        (i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const 14))
        (drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8))))
    "#;
    let ran = world.run_guest(body, &json!({}));
    assert!(!ran.stderr.contains('\x1b'), "{ran:?}");
    assert_snapshot!(shown("run guest.json", &ran), @r"
    $ coo run guest.json
    --- standard error
    \u{1b}]0;owned\u{7}\u{1b}[2J
    [coo] MISSION-000001 SUCCESS: 9 events, 31 fuel, <duration>, chain <sha256…>
    --- exit 0
    ");
}

#[test]
fn real_time_stops_a_run_from_outside_the_record() {
    let world = World::new();
    let body = r#"(func (export "_start") (loop $l (br $l)))"#;
    // Its code is in the cache then: the time is the guest's, and not the compiler's.
    assert_eq!(world.run_guest(body, &json!({"fuel": 1})).code, 1);
    world.guest("loop.wasm", body);
    let ran = world.coo(&["run", "loop.wasm", "--timeout", "1"]);
    assert_eq!(ran.code, 5);
    // The line before it has the fuel, which the clock decides.
    assert_snapshot!(ran.error(), @"
    ERROR: mission MISSION-000002: guest: still running after 1 s of real time, which is the limit
    hint: give --timeout SECONDS if it needs more
    hint: 'coo resume MISSION-000002' continues where it stopped
    --- exit 5
    ");
    let mission = world.json(&["mission", "MISSION-000002"]);
    assert_eq!(mission["status"], "INTERRUPTED");
    assert_eq!(mission["timeline"], json!(["INIT", "CAPTURE_ENV", "RUN"]));
}

#[test]
fn steps_share_what_they_may_use_and_nothing_else() {
    let body = r#"
      (func (export "_start")
        (drop (call $random_get (i32.const 1024) (i32.const 4)))
        (call $print_hex (i32.load (i32.const 1024)))
        (call $print (call $now (i32.const 1)))
        (drop (call $sleep (i32.const 1) (i64.const 9) (i32.const 0)))
        (i32.store (i32.const 2048) (i32.add (i32.load (i32.const 2048)) (i32.const 1)))
        (call $print (i64.load32_u (i32.const 2048))))
    "#;
    let world = World::new();
    world.guest("step.wasm", body);
    let module = json!({"file": "step.wasm"});
    let steps = |count: usize| {
        (0..count)
            .map(|i| json!({"id": format!("s{i}")}))
            .collect::<Value>()
    };
    let run = |count: usize, fuel: u64| {
        world.descriptor(
            "steps.json",
            &module,
            &json!({"steps": steps(count), "limits": {"fuel": fuel}}),
        );
        world.coo(&["run", "steps.json"])
    };
    let one = run(1, 1_000_000);
    let two = run(2, 1_000_000);
    assert_eq!((one.code, two.code), (0, 0), "{one:?} {two:?}");
    // A fresh instance: the same numbers, the same start of time, an empty memory.
    assert_eq!(one.stdout, two.stdout);
    assert!(one.stdout.ends_with("\n1\n1\n"), "{one:?}");
    let fuel = |ran: &Ran| {
        world.json(&["inspect", &mission_id(ran)])["facts"]["fuel"]
            .as_u64()
            .unwrap()
    };
    assert_eq!(fuel(&two), 2 * fuel(&one));
    // Fuel goes on from step to step.
    assert_eq!(run(2, 2 * fuel(&one)).code, 0);
    let limit = fuel(&one) * 3 / 2;
    let ran = run(2, limit);
    assert_fails(&world, &ran);
    let reason = &world.json(&["mission", &mission_id(&ran)])["reason"];
    let exhausted = format!(
        "fuel exhausted: all {limit} units used; raise limits.fuel if the mission needs more"
    );
    assert_eq!(*reason, exhausted);
}

#[test]
fn no_path_leads_out_of_the_artefacts() {
    let world = World::new();
    world.wasm("writer.wasm", include_str!("../fixtures/writer.wat"));
    let write = |path: &str| {
        let more = json!({"steps": [{"id": "write", "input": path}]});
        world.descriptor("writer.json", &json!({"file": "writer.wasm"}), &more);
        world.coo(&["run", "writer.json"])
    };
    let mut said = String::new();
    for path in [
        "../escaped_v1.0.md",
        "a/../../escaped_v1.0.md",
        "/tmp/escaped_v1.0.md",
        "C:\\escaped_v1.0.md",
        "..\\escaped_v1.0.md",
        ".hidden_v1.0.md",
        "a\u{0}_v1.0.md",
        "\u{202e}_v1.0.md",
        "",
        "plain.md",
    ] {
        said += &shown(&format!("run writer.json # {path:?}"), &write(path));
        assert_eq!(
            fs::read_dir(world.root().join("artefacts"))
                .unwrap()
                .count(),
            0,
            "{path}"
        );
    }
    assert_snapshot!(said, @r#"
    $ coo run writer.json # "../escaped_v1.0.md"
    --- standard error
    [coo] MISSION-000001 FAILED: 8 events, 53 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: guest error: path '../escaped_v1.0.md' has a '..' component, which leads out of its folder; name each folder
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    $ coo run writer.json # "a/../../escaped_v1.0.md"
    --- standard error
    [coo] MISSION-000002 FAILED: 8 events, 53 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000002: guest error: path 'a/../../escaped_v1.0.md' has a '..' component, which leads out of its folder; name each folder
    hint: 'coo logs MISSION-000002' shows how it got there
    --- exit 1
    $ coo run writer.json # "/tmp/escaped_v1.0.md"
    --- standard error
    [coo] MISSION-000003 FAILED: 8 events, 53 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000003: guest error: path '/tmp/escaped_v1.0.md' is absolute; artefacts are named relative to artefacts/
    hint: 'coo logs MISSION-000003' shows how it got there
    --- exit 1
    $ coo run writer.json # "C:\\escaped_v1.0.md"
    --- standard error
    [coo] MISSION-000004 FAILED: 8 events, 53 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000004: guest error: path 'C:\\escaped_v1.0.md' begins with a drive letter; artefacts are named relative to artefacts/
    hint: 'coo logs MISSION-000004' shows how it got there
    --- exit 1
    $ coo run writer.json # "..\\escaped_v1.0.md"
    --- standard error
    [coo] MISSION-000005 FAILED: 8 events, 53 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000005: guest error: path '..\\escaped_v1.0.md' has a backslash (U+005C), which separates folders on Windows; permitted are A-Z a-z 0-9 _ - . and / between folders
    hint: 'coo logs MISSION-000005' shows how it got there
    --- exit 1
    $ coo run writer.json # ".hidden_v1.0.md"
    --- standard error
    [coo] MISSION-000006 FAILED: 8 events, 53 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000006: guest error: component '.hidden_v1.0.md' starts with a dot, which hides it; begin it otherwise
    hint: 'coo logs MISSION-000006' shows how it got there
    --- exit 1
    $ coo run writer.json # "a\0_v1.0.md"
    --- standard error
    [coo] MISSION-000007 FAILED: 8 events, 53 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000007: guest error: path 'a\0_v1.0.md' has a NUL (U+0000), where many programs end a name; permitted are A-Z a-z 0-9 _ - . and / between folders
    hint: 'coo logs MISSION-000007' shows how it got there
    --- exit 1
    $ coo run writer.json # "\u{202e}_v1.0.md"
    --- standard error
    [coo] MISSION-000008 FAILED: 8 events, 53 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000008: guest error: path '\u{202e}_v1.0.md' has an invisible character (U+202E), so the name is not what is shown; permitted are A-Z a-z 0-9 _ - . and / between folders
    hint: 'coo logs MISSION-000008' shows how it got there
    --- exit 1
    $ coo run writer.json # ""
    --- standard error
    [coo] MISSION-000009 FAILED: 8 events, 53 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000009: guest error: path is empty; name a file like report/Report_v1.0.md
    hint: 'coo logs MISSION-000009' shows how it got there
    --- exit 1
    $ coo run writer.json # "plain.md"
    --- standard error
    [coo] MISSION-000010 FAILED: 8 events, 53 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000010: guest error: name 'plain.md' is not of the form Name_vMAJOR.MINOR[.PATCH].ext; for example Report_v1.0.md
    hint: 'coo logs MISSION-000010' shows how it got there
    --- exit 1
    "#);
    let ran = write("a/b/Good_v1.0.md");
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (0, "a/b/Good_v1.0.md"),
        "{ran:?}"
    );
    assert!(world.root().join("artefacts/a/b/Good_v1.0.md").is_file());
    // What is there is never overwritten, nor is a file taken for a folder.
    let ran = write("a/b/Good_v1.0.md/x_v1.0.md");
    assert_snapshot!(shown("run writer.json", &ran), @"
    $ coo run writer.json
    --- standard error
    [coo] MISSION-000012 FAILED: 8 events, 53 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000012: guest error: folder 'Good_v1.0.md' has the form of an artefact's name; name folders without a version
    hint: 'coo logs MISSION-000012' shows how it got there
    --- exit 1
    ");
    fs::write(
        world.root().join("artefacts/a/b/Good_v1.0.md"),
        "other content",
    )
    .unwrap();
    let ran = write("a/b/Good_v1.0.md");
    assert_snapshot!(shown("run writer.json", &ran), @"
    $ coo run writer.json
    --- standard error
    [coo] MISSION-000013 FAILED: 8 events, 53 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000013: guest error: 'a/b/Good_v1.0.md' exists with other content; raise its version
    hint: 'coo logs MISSION-000013' shows how it got there
    --- exit 1
    ");
    assert_eq!(
        fs::read_to_string(world.root().join("artefacts/a/b/Good_v1.0.md")).unwrap(),
        "other content"
    );
}
