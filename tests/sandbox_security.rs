//! The sandbox, attacked through the built binary: modules that ask for more than the surface
//! has, that never end, grow without bound, misuse what they are given or are no modules at
//! all; and a state root that somebody has tampered with. Every end is one of the runtime's
//! own, with its reason on record; nothing here may panic, hang or reach outside.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use insta::assert_snapshot;
use serde_json::{Value, json};
use support::model_server::{ModelServer, Response};
use support::{Ran, World, guest_text, mission_id, shown};

/// A component that is a WASI program and does nothing; `import` stands where an import may.
fn component(import: &str) -> String {
    format!(
        r#"(component
             {import}
             (core module $m (func (export "run") (result i32) i32.const 0))
             (core instance $i (instantiate $m))
             (func $run (result (result)) (canon lift (core func $i "run")))
             (instance $e (export "run" (func $run)))
             (export "wasi:cli/run@0.2.0" (instance $e)))"#
    )
}

/// A core module that does nothing; `import` stands where an import may.
fn core(import: &str) -> String {
    format!(r#"(module {import} (memory (export "memory") 1) (func (export "_start")))"#)
}

/// Ends FAILED for this very reason: in the command's error, in `mission`, in `logs`; and the
/// replay of it is identical.
fn assert_fails(world: &World, ran: &Ran, reason: &str) {
    assert_eq!(ran.code, 1, "{ran:?}");
    let id = mission_id(ran);
    assert!(
        ran.stderr
            .contains(&format!("ERROR: mission {id}: {reason}")),
        "{ran:?}"
    );
    let mission = world.json(&["mission", &id]);
    assert_eq!(mission["status"], "FAILED");
    let found = mission["reason"].as_str().unwrap();
    assert!(found.starts_with(reason), "{found}");
    let text = world.coo(&["mission", &id]).stdout;
    assert!(
        text.contains("\n  Status: FAILED\n") && text.contains(&format!("\n  Reason: {reason}")),
        "{text}"
    );
    let logs = world.coo(&["logs", &id]).stdout;
    let last = logs.lines().last().unwrap();
    assert!(
        last.contains("STATE=FAILED transition from=RUN reason=\""),
        "{last}"
    );
    assert!(last.contains(reason), "{last}");
    let replay = world.coo(&["replay", &id]);
    assert_eq!(replay.code, 0, "{replay:?}");
}

/// Runs a guest that must succeed and gives what it printed.
fn output(world: &World, body: &str) -> String {
    let ran = world.run_guest(body, &json!({}));
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.stdout
}

// What a module may import.

/// Refused by name, by `run` and by `audit` alike, with nothing on record.
fn assert_refused(text: &str, words: &[&str]) {
    let world = World::new();
    world.wasm("bad.wasm", text);
    world.descriptor("bad.json", &json!({"file": "bad.wasm"}), &json!({}));
    let audit = world.coo(&["audit", "bad.wasm"]);
    for ran in [
        world.coo(&["run", "bad.wasm"]),
        world.coo(&["run", "bad.json"]),
        world.coo(&["validate", "bad.json"]),
    ] {
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
        assert!(ran.stderr.starts_with("ERROR: module "), "{ran:?}");
        for word in words {
            assert!(ran.stderr.contains(word), "'{word}' not in {ran:?}");
        }
    }
    assert_eq!(world.json(&["missions"]), json!([]));
    for folder in ["cache", "modules"] {
        assert_eq!(
            fs::read_dir(world.root().join(folder)).unwrap().count(),
            0,
            "{folder}"
        );
    }

    assert_eq!(audit.code, 1, "{audit:?}");
    assert!(audit.stdout.contains("Verdict: REFUSED"), "{audit:?}");
    let json = world.coo(&["audit", "bad.wasm", "--json"]);
    let view: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((json.code, &view["admitted"]), (1, &json!(false)));
    let reasons = view["reasons"].to_string();
    for word in words {
        assert!(
            audit.stdout.contains(word) && reasons.contains(word),
            "'{word}' not in {audit:?}"
        );
    }
}

#[test]
fn the_network_is_refused_by_name() {
    assert_refused(
        &component(r#"(import "wasi:sockets/tcp@0.2.0" (instance (export "connect" (func))))"#),
        &["import 'wasi:sockets/tcp@0.2.0' is not part of the surface"],
    );
    assert_refused(
        &component(
            r#"(import "wasi:http/outgoing-handler@0.2.0" (instance (export "handle" (func))))"#,
        ),
        &["import 'wasi:http/outgoing-handler@0.2.0' is not part of the surface"],
    );
    assert_refused(
        &core(
            r#"(import "wasi_snapshot_preview1" "sock_send" (func (param i32 i32 i32 i32 i32) (result i32)))"#,
        ),
        &["import 'wasi_snapshot_preview1.sock_send' reaches for the network"],
    );
}

#[test]
fn every_unknown_import_is_refused_by_name() {
    assert_refused(
        &core(r#"(import "env" "foo" (func)) (import "env" "bar" (func))"#),
        &["import 'env' is not part of the surface (functions: bar, foo)"],
    );
    assert_refused(
        &core(r#"(import "wasi_snapshot_preview1" "fd_teleport" (func))"#),
        &["import 'wasi_snapshot_preview1.fd_teleport' is not a WASI preview 1 function"],
    );
    assert_refused(
        &core(r#"(import "wasi_unstable" "fd_write" (func (param i32 i32 i32 i32) (result i32)))"#),
        &["import 'wasi_unstable' is not part of the surface"],
    );
    assert_refused(
        &core(r#"(import "env" "memory" (memory 1))"#),
        &["import 'env' is not part of the surface"],
    );
    assert_refused(
        &core(r#"(import "" "" (func))"#),
        &["import '' is not part of the surface"],
    );
    assert_refused(
        &component(r#"(import "shell" (func (param "command" string)))"#),
        &["import 'shell' is not part of the surface"],
    );
    assert_refused(
        &component(r#"(import "coo:mission/shell@1.0.0" (instance (export "run" (func))))"#),
        &["import 'coo:mission/shell@1.0.0' is not part of the surface"],
    );
}

#[test]
fn an_unknown_function_of_a_known_interface_is_refused_by_name() {
    assert_refused(
        &component(r#"(import "wasi:cli/exit@0.2.0" (instance (export "exit-quietly" (func))))"#),
        &["import 'wasi:cli/exit@0.2.0' has no function 'exit-quietly'"],
    );
    assert_refused(
        &component(
            r#"(import "coo:mission/db@1.0.0" (instance (export "attach" (func (param "file" string)))))"#,
        ),
        &["import 'coo:mission/db@1.0.0' has no function 'attach'"],
    );
}

#[test]
fn a_known_function_of_another_type_is_refused_by_name() {
    for (interface, function, ty) in [
        (
            "wasi:random/random@0.2.0",
            "get-random-u64",
            "(func (result string))",
        ),
        (
            "wasi:random/random@0.2.0",
            "get-random-bytes",
            "(func (param \"len\" u32) (result (list u8)))",
        ),
        (
            "wasi:cli/exit@0.2.0",
            "exit",
            "(func (param \"status\" (result u8)))",
        ),
        (
            "coo:mission/db@1.0.0",
            "execute",
            "(func (param \"sql\" string) (result u64))",
        ),
    ] {
        assert_refused(
            &component(&format!(
                r#"(import "{interface}" (instance (export "{function}" {ty})))"#
            )),
            &[&format!(
                "import '{interface}' has a function '{function}', but of another type"
            )],
        );
    }
    assert_refused(
        &core(r#"(import "wasi_snapshot_preview1" "proc_exit" (func (param i64)))"#),
        &["proc_exit"],
    );
}

#[test]
fn an_entry_of_another_type_is_no_entry() {
    assert_refused(
        r#"(component
             (core module $m (func (export "run") (result i32) i32.const 0))
             (core instance $i (instantiate $m))
             (func (export "run") (result u32) (canon lift (core func $i "run"))))"#,
        &["nothing to start: it exports [run]"],
    );
    assert_refused(
        r#"(component
             (core module $m (func (export "run") (result i32) i32.const 0))
             (core instance $i (instantiate $m))
             (func $run (result u32) (canon lift (core func $i "run")))
             (instance $e (export "run" (func $run)))
             (export "wasi:cli/run@0.2.0" (instance $e)))"#,
        &["nothing to start: it exports [wasi:cli/run@0.2.0]"],
    );
}

#[test]
fn another_version_is_refused() {
    for (import, found) in [
        ("wasi:io/poll@0.3.0", "has version 0.3.0, provided is 0.2."),
        (
            "coo:mission/llm@2.0.0",
            "has version 2.0.0, provided is 1.0.0",
        ),
    ] {
        assert_refused(
            &component(&format!(r#"(import "{import}" (instance))"#)),
            &[found],
        );
    }
}

#[test]
fn without_the_bad_import_the_same_modules_run() {
    let world = World::new();
    world.wasm("component.wasm", &component(""));
    world.wasm("core.wasm", &core(""));
    for module in ["component.wasm", "core.wasm"] {
        assert_eq!(world.coo(&["run", module]).code, 0, "{module}");
        let audit = world.coo(&["audit", module]);
        assert_eq!(audit.code, 0);
        assert!(audit.stdout.ends_with("\nVerdict: ADMITTED\n"), "{audit:?}");
    }
}

#[test]
fn the_audit_lists_every_import_and_what_it_permits() {
    let world = World::new();
    let bytes = world.json(&["audit", "demo"])["bytes"].to_string();
    let ran = world.coo(&["audit", "demo"]);
    let stdout = ran.stdout.replace(&bytes, "<n>");
    assert_snapshot!(shown("audit demo", &Ran { stdout, ..ran }), @r"
    $ coo audit demo
    Module demo
      SHA-256: <sha256>
      Size: <n> bytes
      Kind: core module (WASI preview 1), adapted to a component
      Entry: coo:mission run(input)

    Imports
      world   coo:mission/llm@1.0.0
              ask the configured language model; journalled, answers frozen
              complete
      sandbox wasi:cli/environment@0.2.12
              read the arguments and variables its descriptor lists; none of the host's
              get-environment
      sandbox wasi:cli/exit@0.2.12
              end itself with a status
              exit
      sandbox wasi:cli/stderr@0.2.12
              write to a buffer that the journal keeps
              get-stderr
      sandbox wasi:cli/stdin@0.2.12
              read the input its descriptor gives
              get-stdin
      sandbox wasi:cli/stdout@0.2.12
              write to a buffer that the journal keeps
              get-stdout
      sandbox wasi:clocks/wall-clock@0.2.12
              read a clock that starts at 2025-01-01T00:00:00Z and moves only when it sleeps
      sandbox wasi:filesystem/preopens@0.2.12
              learn that no folder is open to it
              get-directories
      sandbox wasi:filesystem/types@0.2.12
              nothing: without an open folder no file can be named
              [method]descriptor.append-via-stream [method]descriptor.get-type
              [method]descriptor.stat [method]descriptor.write-via-stream
              filesystem-error-code
      sandbox wasi:io/error@0.2.12
              read the text of a stream's error
      sandbox wasi:io/streams@0.2.12
              use its three standard streams
              [method]output-stream.blocking-flush
              [method]output-stream.blocking-write-and-flush
              [method]output-stream.check-write [method]output-stream.write

    Verdict: ADMITTED
    --- exit 0
    ");
}

#[test]
fn what_starts_nothing_is_refused() {
    assert_refused("(component)", &["nothing to start"]);
    assert_refused(
        r#"(module (memory (export "memory") 1))"#,
        &["nothing to start: it exports []"],
    );
}

#[test]
fn what_is_no_module_is_an_error_and_nothing_more() {
    let world = World::new();
    let whole = wat::parse_str(guest_text(r#"(func (export "_start"))"#)).unwrap();
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x80;
    for (name, bytes, word) in [
        (
            "text.wasm",
            b"#!/bin/sh\necho hello\n".to_vec(),
            "not a WebAssembly binary",
        ),
        ("empty.wasm", Vec::new(), "not a WebAssembly binary"),
        ("header.wasm", whole[..8].to_vec(), "nothing to start"),
        (
            "half.wasm",
            whole[..middle].to_vec(),
            "not valid WebAssembly",
        ),
        (
            "short.wasm",
            whole[..whole.len() - 1].to_vec(),
            "not valid WebAssembly",
        ),
        ("flipped.wasm", flipped, "not valid WebAssembly"),
    ] {
        world.file(name, bytes);
        for command in ["run", "audit"] {
            let ran = world.coo(&[command, name]);
            assert_eq!(ran.code, 1, "{name}: {ran:?}");
            let said = format!("{}{}", ran.stdout, ran.stderr);
            assert!(
                said.contains(word) && !said.contains("panicked"),
                "{name}: {ran:?}"
            );
        }
    }
    for name in ["nowhere.wasm", "."] {
        let ran = world.coo(&["run", name]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.stderr.starts_with("ERROR: "), "{ran:?}");
    }
    assert_eq!(world.json(&["missions"]), json!([]));
}

#[test]
fn features_that_share_memory_or_are_not_settled_are_refused() {
    let world = World::new();
    for (name, text) in [
        (
            "shared memory",
            r#"(module (memory (export "memory") 1 1 shared) (func (export "_start")))"#,
        ),
        (
            "atomics",
            r#"(module (memory (export "memory") 1)
                 (func (export "_start") (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))))"#,
        ),
        (
            "64-bit memory",
            r#"(module (memory (export "memory") i64 1) (func (export "_start")))"#,
        ),
        (
            "garbage collection",
            r#"(module (type (struct (field i32))) (memory (export "memory") 1) (func (export "_start")))"#,
        ),
        (
            "exceptions",
            r#"(module (tag $t) (memory (export "memory") 1) (func (export "_start") (throw $t)))"#,
        ),
    ] {
        world.wasm("feature.wasm", text);
        for command in ["run", "audit"] {
            let ran = world.coo(&[command, "feature.wasm"]);
            assert_eq!(ran.code, 1, "{name}: {ran:?}");
            assert!(
                ran.stderr.contains("not valid WebAssembly for this engine"),
                "{name}: {ran:?}"
            );
        }
    }
    assert_eq!(world.json(&["missions"]), json!([]));
}

#[test]
fn a_module_other_than_the_pinned_one_is_refused() {
    let world = World::new();
    world.wasm("a.wasm", &core(""));
    let pin = json!({"file": "a.wasm", "sha256": "0".repeat(64)});
    world.descriptor("pinned.json", &pin, &json!({}));
    let ran = world.coo(&["run", "pinned.json"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("module.sha256: found "), "{ran:?}");
    assert!(!world.root().exists());
}

// What a module sees from inside.

#[test]
fn opening_a_file_gives_the_same_error_number_every_time() {
    // Every descriptor a program might have been given, and a path in every style.
    let body = r#"
      (data (i32.const 1024) "/etc/passwd") (data (i32.const 1056) "../secret") (data (i32.const 1072) "a")
      (func $open (param $folder i32) (param $path i32) (param $length i32)
        (call $print (i64.extend_i32_u (call $path_open (local.get $folder) (i32.const 0) (local.get $path)
          (local.get $length) (i32.const 0) (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 200)))))
      (func (export "_start")
        (call $open (i32.const 3) (i32.const 1024) (i32.const 11))
        (call $open (i32.const 3) (i32.const 1056) (i32.const 9))
        (call $open (i32.const 3) (i32.const 1072) (i32.const 1))
        (call $open (i32.const 4) (i32.const 1072) (i32.const 1))
        (call $open (i32.const -1) (i32.const 1072) (i32.const 1))
        (call $print (i64.extend_i32_u (call $fd_prestat_get (i32.const 3) (i32.const 200)))))
    "#;
    let world = World::new();
    world.file("a", "there is such a file");
    let first = output(&world, body);
    // 8 is EBADF: no folder was ever opened to it.
    assert_eq!(first, "8\n8\n8\n8\n8\n8\n");
    assert_eq!(output(&world, body), first);
    assert_eq!(output(&World::new(), body), first);
}

#[test]
fn random_bytes_are_the_same_in_every_run() {
    let body = r#"
      (func (export "_start") (local $i i32)
        (loop $again
          (drop (call $random_get (i32.const 1024) (i32.const 4)))
          (call $print_hex (i32.load (i32.const 1024)))
          (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 4)))))
    "#;
    let world = World::new();
    let first = output(&world, body);
    assert_eq!(output(&world, body), first);
    assert_eq!(output(&World::new(), body), first);
    let numbers: std::collections::BTreeSet<&str> = first.lines().collect();
    assert_eq!(numbers.len(), 4, "{first}");
}

#[test]
fn environment_and_arguments_are_the_descriptors_and_nothing_else() {
    let body = r#"
      (func (export "_start") (local $count i32)
        (drop (call $environ_sizes_get (i32.const 200) (i32.const 204)))
        (call $print (i64.load32_u (i32.const 200)))
        (drop (call $args_sizes_get (i32.const 200) (i32.const 204)))
        (call $print (i64.load32_u (i32.const 200)))
        (drop (call $args_get (i32.const 1024) (i32.const 2048)))
        (call $write (i32.const 2048) (i32.load (i32.const 204))))
    "#;
    let world = World::new()
        .with("SECRET", "of the host")
        .with("OPENROUTER_API_KEY", "sk-test");
    world.guest("see.wasm", body);
    let ran = world.coo(&["run", "see.wasm", "--", "one", "two words", "", "--three"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(
        ran.stdout,
        "0\n5\nmission.wasm\0one\0two words\0\0--three\0"
    );
    let more = json!({"environment": {"LISTED": "x", "ALSO": "y"}, "arguments": ["a"]});
    world.descriptor("see.json", &json!({"file": "see.wasm"}), &more);
    assert_eq!(
        world.coo(&["run", "see.json"]).stdout,
        "2\n2\nmission.wasm\0a\0"
    );
}

/// `2025-01-01T00:00:00Z`, in nanoseconds.
const START: u64 = 1_735_689_600_000_000_000;
const DAY: u64 = 86_400_000_000_000;

#[test]
fn time_moves_by_exactly_what_was_slept_and_takes_none() {
    // A day on the monotonic clock, then until an instant, then on the wall clock.
    let body = r#"
      (func $show (call $print (call $now (i32.const 1))) (call $print (call $now (i32.const 0))))
      (func (export "_start")
        (call $show) (call $show)
        (drop (call $sleep (i32.const 1) (i64.const 86400000000000) (i32.const 0)))
        (call $show)
        (drop (call $sleep (i32.const 1) (i64.const 86400000000007) (i32.const 1)))
        (call $show)
        (drop (call $sleep (i32.const 1) (i64.const 5) (i32.const 1)))
        (call $show)
        (drop (call $sleep (i32.const 0) (i64.const 1) (i32.const 0)))
        (call $show))
    "#;
    // The monotonic clock starts at 1 ns. An instant that has passed is not waited for.
    let expected: Vec<u64> = [1, 1, 1 + DAY, 7 + DAY, 7 + DAY, 8 + DAY]
        .into_iter()
        .flat_map(|at| [at, START + at - 1])
        .collect();
    let printed = output(&World::new(), body);
    let printed: Vec<u64> = printed.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(printed, expected);
}

#[test]
fn sleeping_for_ever_ends_by_fuel() {
    let body = r#"
      (func (export "_start")
        (loop $sleep
          (drop (call $sleep (i32.const 1) (i64.const 3600000000000) (i32.const 0)))
          (br $sleep)))
    "#;
    let world = World::new();
    let ran = world.run_guest(body, &json!({"fuel": 3_000_000}));
    assert_fails(&world, &ran, "fuel exhausted: all 3000000 units used");
}

#[test]
fn a_sleep_beyond_all_time_ends() {
    let body = r#"
      (func (export "_start")
        (drop (call $sleep (i32.const 1) (i64.const -1) (i32.const 0)))
        (call $print (call $now (i32.const 1)))
        (drop (call $sleep (i32.const 1) (i64.const -1) (i32.const 0)))
        (call $print (call $now (i32.const 1))))
    "#;
    let end = u64::MAX;
    assert_eq!(output(&World::new(), body), format!("{end}\n{end}\n"));
}

#[test]
fn standard_input_is_what_was_given() {
    let body = r#"
      (func (export "_start")
        (loop $read
          (i32.store (i32.const 200) (i32.const 1024)) (i32.store (i32.const 204) (i32.const 1000))
          (drop (call $fd_read (i32.const 0) (i32.const 200) (i32.const 1) (i32.const 208)))
          (call $write (i32.const 1024) (i32.load (i32.const 208)))
          (br_if $read (i32.load (i32.const 208)))))
    "#;
    let world = World::new();
    world.guest("cat.wasm", body);
    let text = "zeile mit ünïcode\n".repeat(500);
    world.file("input.txt", &text);
    assert_eq!(
        world
            .coo(&["run", "cat.wasm", "--input", "input.txt"])
            .stdout,
        text
    );
    assert_eq!(
        world
            .coo_with_input(&["run", "cat.wasm", "--input", "-"], text.as_bytes())
            .stdout,
        text
    );
    // What is piped in without being asked for stays outside.
    assert_eq!(world.coo_with_input(&["run", "cat.wasm"], b"").stdout, "");
}

// How a module may end.

#[test]
fn an_endless_loop_ends_by_fuel() {
    let world = World::new();
    let ran = world.run_guest(
        r#"(func (export "_start") (loop $l (br $l)))"#,
        &json!({"fuel": 1_000_000}),
    );
    assert_fails(
        &world,
        &ran,
        "fuel exhausted: all 1000000 units used; raise limits.fuel",
    );
}

#[test]
fn an_endless_loop_before_the_start_ends_by_fuel() {
    let world = World::new();
    let body = r#"(func $spin (loop $l (br $l))) (start $spin) (func (export "_start"))"#;
    let ran = world.run_guest(body, &json!({"fuel": 1_000_000}));
    assert_fails(&world, &ran, "fuel exhausted: all 1000000 units used");
}

#[test]
fn a_memory_bomb_ends_by_limit() {
    let world = World::new();
    let body = r#"(func (export "_start") (loop $l (drop (memory.grow (i32.const 16))) (br $l)))"#;
    let ran = world.run_guest(body, &json!({"memory_bytes": 8 << 20}));
    assert_fails(&world, &ran, "limit hit: memory_bytes ");
    // Declared and not grown to: the same bound.
    world.wasm(
        "big.wasm",
        r#"(module (memory (export "memory") 1000) (func (export "_start")))"#,
    );
    world.descriptor(
        "big.json",
        &json!({"file": "big.wasm"}),
        &json!({"limits": {"memory_bytes": 1 << 20}}),
    );
    assert_fails(
        &world,
        &world.coo(&["run", "big.json"]),
        "limit hit: memory_bytes ",
    );
}

#[test]
fn a_table_bomb_ends_by_limit() {
    let world = World::new();
    let body = r#"
      (table $t 1 funcref)
      (func (export "_start") (loop $l (drop (table.grow $t (ref.null func) (i32.const 1000))) (br $l)))
    "#;
    let ran = world.run_guest(body, &json!({"table_elements": 100_000}));
    assert_fails(&world, &ran, "limit hit: table_elements ");
}

#[test]
fn endless_output_ends_by_limit() {
    let world = World::new();
    let body = r#"(func (export "_start") (loop $l (call $write (i32.const 1024) (i32.const 60000)) (br $l)))"#;
    let ran = world.run_guest(body, &json!({"output_bytes": 1_000_000}));
    assert_fails(&world, &ran, "limit hit: output_bytes ");
    // What was said until then is shown, and no byte beyond the limit.
    assert!(ran.stdout.len() <= 1_000_000, "{}", ran.stdout.len());
}

#[test]
fn endless_traffic_with_the_host_ends_by_limit() {
    let world = World::new();
    let body = r#"
      (func (export "_start")
        (loop $l (drop (call $random_get (i32.const 1024) (i32.const 60000))) (br $l)))
    "#;
    let ran = world.run_guest(body, &json!({"host_bytes": 1_000_000}));
    assert_fails(&world, &ran, "limit hit: host_bytes ");
}

#[test]
fn random_bytes_beyond_the_memory_end_the_guest_alone() {
    let world = World::new();
    for length in ["0x7fffffff", "-1"] {
        let body = format!(
            r#"(func (export "_start") (drop (call $random_get (i32.const 1024) (i32.const {length}))))"#
        );
        let ran = world.run_guest(&body, &json!({}));
        assert_eq!(ran.code, 1, "{ran:?}");
        assert_eq!(
            world.json(&["mission", &mission_id(&ran)])["status"],
            "FAILED"
        );
    }
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
    assert_eq!(ran.code, 1, "{ran:?}");
    let id = mission_id(&ran);
    assert_eq!(world.json(&["mission", &id])["status"], "FAILED");
    assert_eq!(world.coo(&["replay", &id]).code, 0);
}

#[test]
fn exit_statuses_are_told_apart() {
    let world = World::new();
    let ran = world.run_guest(
        r#"(func (export "_start") (call $print (i64.const 7)) (call $proc_exit (i32.const 0)))"#,
        &json!({}),
    );
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "7\n"), "{ran:?}");
    // WASI 0.2 has "ok" and "error" only: the adapter turns every other status into 1.
    let ran = world.run_guest(
        r#"(func (export "_start") (call $proc_exit (i32.const 3)))"#,
        &json!({}),
    );
    assert_fails(&world, &ran, "guest exited with status 1");
}

#[test]
fn traps_are_named_and_located() {
    let world = World::new();
    for (body, reason) in [
        (
            "unreachable",
            "trap: wasm `unreachable` instruction executed",
        ),
        (
            "(drop (i32.div_u (i32.const 1) (i32.const 0)))",
            "trap: integer divide by zero",
        ),
        (
            "(drop (i32.load (i32.const 0x7fffffff)))",
            "trap: out of bounds memory access",
        ),
    ] {
        let ran = world.run_guest(
            &format!(r#"(func $culprit (export "_start") {body})"#),
            &json!({}),
        );
        assert_fails(&world, &ran, reason);
        let inspect = world.coo(&["inspect", &mission_id(&ran)]).stdout;
        assert!(
            inspect.contains("\nTrapped in\n  ") && inspect.contains("culprit"),
            "{inspect}"
        );
    }
}

#[test]
fn endless_recursion_overflows_the_guests_stack_alone() {
    let world = World::new();
    let ran = world.run_guest(
        r#"(func $f (export "_start") (call $f) (call $f))"#,
        &json!({}),
    );
    assert_fails(&world, &ran, "trap: call stack exhausted");
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
    for (call, reason) in [
        (
            "(call $block (i32.const 42))",
            "contract broken: unknown handle index 42",
        ),
        (
            "(call $poll (i32.const 0) (i32.const 0) (i32.const 16))",
            "contract broken: poll of an empty list would wait for ever",
        ),
    ] {
        world.wasm("misuse.wasm", &text(call));
        assert_fails(&world, &world.coo(&["run", "misuse.wasm"]), reason);
    }
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
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.stderr.contains("\\u{1b}]0;owned") && !ran.stderr.contains('\x1b'),
        "{ran:?}"
    );
}

#[test]
fn real_time_stops_a_run_from_outside_the_record() {
    let world = World::new();
    world.guest("loop.wasm", r#"(func (export "_start") (loop $l (br $l)))"#);
    let ran = world.coo(&["run", "loop.wasm", "--timeout", "0"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr
            .contains("guest: still running after 0 s of real time"),
        "{ran:?}"
    );
    let mission = world.json(&["mission", "MISSION-000001"]);
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
    let limit = fuel(&one) + 1_000;
    assert_fails(
        &world,
        &run(2, limit),
        &format!("fuel exhausted: all {limit} units used"),
    );
}

#[test]
fn no_path_leads_out_of_the_artefacts() {
    let world = World::new();
    world.wasm("writer.wasm", include_str!("fixtures/writer.wat"));
    let write = |path: &str| {
        let more = json!({"steps": [{"id": "write", "input": path}]});
        world.descriptor("writer.json", &json!({"file": "writer.wasm"}), &more);
        world.coo(&["run", "writer.json"])
    };
    for (path, word) in [
        ("../escaped_v1.0.md", "component"),
        ("a/../../escaped_v1.0.md", "component"),
        ("/tmp/escaped_v1.0.md", "is absolute"),
        ("C:\\escaped_v1.0.md", "is absolute"),
        ("..\\escaped_v1.0.md", "character"),
        (".hidden_v1.0.md", "starts or ends with a dot"),
        ("a\u{0}_v1.0.md", "character"),
        ("\u{202e}_v1.0.md", "character"),
        ("", "path is empty"),
        ("plain.md", "is not of the form"),
    ] {
        let ran = write(path);
        assert_eq!(ran.code, 1, "{path}: {ran:?}");
        assert!(
            ran.stderr.contains("guest error: ") && ran.stderr.contains(word),
            "{path}: {ran:?}"
        );
        assert_eq!(
            fs::read_dir(world.root().join("artefacts"))
                .unwrap()
                .count(),
            0,
            "{path}"
        );
    }
    let ran = write("a/b/Good_v1.0.md");
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (0, "a/b/Good_v1.0.md"),
        "{ran:?}"
    );
    assert!(world.root().join("artefacts/a/b/Good_v1.0.md").is_file());
    // What is there is never overwritten, nor is a file taken for a folder.
    let ran = write("a/b/Good_v1.0.md/x_v1.0.md");
    assert!(
        ran.stderr.contains("a file where a folder should be"),
        "{ran:?}"
    );
    fs::write(
        world.root().join("artefacts/a/b/Good_v1.0.md"),
        "other content",
    )
    .unwrap();
    let ran = write("a/b/Good_v1.0.md");
    assert!(
        ran.stderr
            .contains("exists with other content; raise its version"),
        "{ran:?}"
    );
    assert_eq!(
        fs::read_to_string(world.root().join("artefacts/a/b/Good_v1.0.md")).unwrap(),
        "other content"
    );
}

// A state root that somebody has tampered with.

const HELLO: &str = r#"(data (i32.const 1024) "hello\n") (func (export "_start") (call $write (i32.const 1024) (i32.const 6)))"#;
const OTHER: &str = r#"(data (i32.const 1024) "other\n") (func (export "_start") (call $write (i32.const 1024) (i32.const 6)))"#;

fn cache(world: &World) -> Vec<(PathBuf, Vec<u8>)> {
    let files = world.root_files().into_iter();
    files
        .filter(|(path, _)| path.parent() == Some(&world.root().join("cache")))
        .collect()
}

#[test]
fn a_tampered_cache_entry_is_not_executed() {
    let world = World::new();
    let ran = world.run_guest(HELLO, &json!({}));
    assert_eq!(ran.stdout, "hello\n");
    let head = world.json(&["inspect", &mission_id(&ran)])["chain_head"].clone();
    let [(file, good)] = &cache(&world)[..] else {
        panic!("one entry")
    };
    let flipped: Vec<u8> = good.iter().map(|byte| byte ^ 1).collect();
    let mut one_bit = good.clone();
    *one_bit.last_mut().unwrap() ^= 1;
    let mut one_bit_of_code = good.clone();
    one_bit_of_code[good.len() / 2] ^= 0x10;
    for bad in [
        flipped,
        one_bit,
        one_bit_of_code,
        good[..good.len() / 2].to_vec(),
        Vec::new(),
    ] {
        fs::write(file, &bad).unwrap();
        let ran = world.coo(&["run", "guest.json"]);
        assert_eq!((ran.code, ran.stdout.as_str()), (0, "hello\n"), "{ran:?}");
        assert_eq!(
            world.json(&["inspect", &mission_id(&ran)])["chain_head"],
            head
        );
        assert_ne!(fs::read(file).unwrap(), bad, "rewritten");
    }
}

#[test]
fn code_of_another_module_is_not_executed_in_its_place() {
    let world = World::new();
    assert_eq!(world.run_guest(OTHER, &json!({})).stdout, "other\n");
    let (_, other) = cache(&world).remove(0);
    assert_eq!(world.run_guest(HELLO, &json!({})).stdout, "hello\n");
    for (file, content) in cache(&world) {
        if content != other {
            fs::write(file, &other).unwrap();
        }
    }
    let ran = world.coo(&["run", "guest.json"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "hello\n"), "{ran:?}");
    // Nor by a replay, which may not write the cache.
    for (file, _) in cache(&world) {
        fs::write(file, &other).unwrap();
    }
    let replay = world.coo(&["replay", &mission_id(&ran)]);
    assert_eq!(replay.code, 0, "{replay:?}");
}

#[test]
fn code_from_another_state_root_is_not_executed() {
    // The same file name, code that another store vouched for.
    let (world, foreign) = (World::new(), World::new());
    assert_eq!(foreign.run_guest(HELLO, &json!({})).stdout, "hello\n");
    let (path, code) = cache(&foreign).remove(0);
    assert_eq!(world.coo(&["init"]).code, 0);
    let planted = world.root().join("cache").join(path.file_name().unwrap());
    fs::write(&planted, [&code[..], b"planted"].concat()).unwrap();
    assert_eq!(world.run_guest(HELLO, &json!({})).stdout, "hello\n");
    assert!(
        !fs::read(&planted).unwrap().ends_with(b"planted"),
        "compiled anew"
    );
}

#[cfg(unix)]
fn link(target: &Path, link: &Path) {
    if link.is_dir() {
        fs::remove_dir_all(link).unwrap();
    } else if link.exists() {
        fs::remove_file(link).unwrap();
    }
    std::os::unix::fs::symlink(target, link).unwrap();
}

/// Answers every ticket of a triage mission, as often as asked.
fn triage_server() -> ModelServer {
    ModelServer::start(std::iter::repeat_n(Response::completion("bug"), 16))
}

#[cfg(unix)]
#[test]
fn a_folder_replaced_by_a_link_leads_nowhere() {
    let server = triage_server();
    for folder in ["artefacts", "cache", "modules"] {
        let outside = tempfile::TempDir::new().unwrap();
        let world = World::new().with("COO_LLM_BASE_URL", server.base_url());
        assert_eq!(world.coo(&["init"]).code, 0);
        link(outside.path(), &world.root().join(folder));
        let ran = world.triage();
        assert_eq!(ran.code, 1, "{folder}: {ran:?}");
        assert!(
            ran.stderr.contains("ERROR: ") && ran.stderr.contains(folder),
            "{folder}: {ran:?}"
        );
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0, "{folder}");
    }
}

#[cfg(unix)]
#[test]
fn a_link_inside_the_artefacts_leads_nowhere() {
    let server = triage_server();
    let outside = tempfile::TempDir::new().unwrap();
    let victim = outside.path().join("victim");
    fs::write(&victim, "untouched").unwrap();
    // The folder of the report, then the report itself.
    for (target, place) in [
        (outside.path(), "artefacts/triage"),
        (&victim, "artefacts/triage/Triage_Report_v1.0.md"),
    ] {
        let world = World::new().with("COO_LLM_BASE_URL", server.base_url());
        assert_eq!(world.coo(&["init"]).code, 0);
        let place = world.root().join(place);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        link(target, &place);
        let ran = world.triage();
        assert_fails(&world, &ran, "guest error: ");
        assert!(
            ran.stderr.contains("a symbolic link is in the way"),
            "{ran:?}"
        );
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
        assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
    }
}

#[cfg(unix)]
#[test]
fn a_file_replaced_by_a_link_is_neither_followed_nor_written() {
    let server = triage_server();
    for file in ["coo.db", "world.db", "config.json", "lock"] {
        let outside = tempfile::TempDir::new().unwrap();
        let world = World::new().with("COO_LLM_BASE_URL", server.base_url());
        assert_eq!(world.triage().code, 0);
        let place = world.root().join(file);
        let target = outside.path().join("target");
        fs::copy(&place, &target).unwrap();
        let before = fs::read(&target).unwrap();
        link(&target, &place);
        let ran = world.triage();
        assert_ne!(ran.code, 0, "{file}: {ran:?}");
        assert!(
            ran.stderr.contains("ERROR: ") && ran.stderr.contains(file),
            "{file}: {ran:?}"
        );
        assert_eq!(fs::read(&target).unwrap(), before, "{file}");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1, "{file}");
    }
}

#[cfg(unix)]
#[test]
fn a_cache_file_replaced_by_a_link_is_replaced_and_not_followed() {
    let outside = tempfile::TempDir::new().unwrap();
    let world = World::new();
    assert_eq!(world.run_guest(HELLO, &json!({})).stdout, "hello\n");
    let (file, good) = cache(&world).remove(0);
    // Good code behind the link: still a place that is not the root's own.
    let target = outside.path().join("code");
    fs::write(&target, &good).unwrap();
    link(&target, &file);
    assert_eq!(world.coo(&["run", "guest.json"]).stdout, "hello\n");
    assert!(!file.is_symlink(), "a file of the root's own again");
    assert_eq!(fs::read(&target).unwrap(), good);
}

// Secrets.

const KEY: &str = "sk-or-v1-0123456789abcdef-never-to-be-seen";

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

#[test]
fn the_key_reaches_the_server_and_no_file_and_no_output() {
    // A server that echoes the key in its answer's side fields and in an error.
    let echo = json!({"error": {"message": format!("Bad key Bearer {KEY}")}});
    let server = ModelServer::start([
        Response::completion("A summary of the text."),
        Response::json(401, &echo),
    ]);
    let world = World::new()
        .with("COO_LLM_BASE_URL", server.base_url())
        .with("OPENROUTER_API_KEY", KEY);
    let mut said = vec![
        world.coo(&["run", "demo", "--live"]),
        world.coo(&["run", "demo", "--live"]),
    ];
    assert_eq!((said[0].code, said[1].code), (0, 1), "{said:?}");
    let bearer = format!("Bearer {KEY}");
    for request in server.requests() {
        assert_eq!(request.header("authorization"), Some(bearer.as_str()));
    }
    assert_eq!(server.requests().len(), 2);
    for id in ["DEMO-000001", "DEMO-000002"] {
        for command in ["mission", "logs", "inspect", "replay"] {
            said.push(world.coo(&[command, id]));
            said.push(world.coo(&[command, id, "--json"]));
        }
    }
    for ran in &said {
        assert!(
            !ran.stdout.contains(KEY) && !ran.stderr.contains(KEY),
            "{ran:?}"
        );
    }
    let files = world.root_files();
    assert!(files.len() > 4, "{:?}", files.keys());
    for (path, content) in files {
        assert!(!holds(&content, KEY.as_bytes()), "{}", path.display());
    }
}

#[test]
fn a_key_in_dot_env_is_used_and_shown_no_more_than_one_in_the_environment() {
    let server = ModelServer::start([Response::completion("A summary of the text.")]);
    let world = World::new().with("COO_LLM_BASE_URL", server.base_url());
    world.file(".env", format!("OPENROUTER_API_KEY={KEY}\n"));
    let ran = world.coo(&["run", "demo", "--live"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(
        server.requests()[0].header("authorization"),
        Some(format!("Bearer {KEY}").as_str())
    );
    for content in world.root_files().values() {
        assert!(!holds(content, KEY.as_bytes()));
    }
    // A line that can't be read is named without being quoted.
    world.file(".env", format!("OPENROUTER_API_KEY {KEY}\n"));
    let ran = world.coo(&["run", "demo", "--live"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.contains(".env") && !ran.stderr.contains(KEY),
        "{ran:?}"
    );
}
