//! What a module sees from inside: nothing of the machine, the same every time.

use insta::assert_snapshot;
use serde_json::json;

use super::{assert_fails, output};
use crate::support::{World, shown};

#[test]
fn opening_a_file_gives_the_same_error_number_every_time() {
    // Every descriptor a program might have been given, and a path in every style.
    let body = r#"
      (data (i32.const 1024) "/etc/passwd") (data (i32.const 1056) "../secret") (data (i32.const 1072) "a")
      (func $open (param $folder i32) (param $path i32) (param $length i32)
        (call $print (i64.extend_i32_u (call $path_open (local.get $folder) (i32.const 0) (local.get $path)
          (local.get $length) (i32.const 0) (i64.const 2) (i64.const 2) (i32.const 0) (i32.const 200)))))
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
    assert_fails(&world, &ran);
    assert_snapshot!(shown("run guest.json", &ran), @"
    $ coo run guest.json
    --- standard error
    [coo] MISSION-000001 FAILED: 7 events, 3000000 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: fuel exhausted: all 3000000 units used
    hint: raise limits.fuel if the mission needs more
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    ");
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

/// A component whose `run` is `body`, over clocks and polls; it exits with what `body` leaves.
fn sleeper(body: &str) -> String {
    format!(
        r#"(component
             (import "wasi:io/poll@0.2.0" (instance $poll
               (export "pollable" (type $p (sub resource)))
               (export "[method]pollable.ready" (func (param "self" (borrow $p)) (result bool)))
               (export "[method]pollable.block" (func (param "self" (borrow $p))))
               (export "poll" (func (param "in" (list (borrow $p))) (result (list u32))))))
             (alias export $poll "pollable" (type $p))
             (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
               (alias outer 1 $p (type $outer))
               (export "pollable" (type $pollable (eq $outer)))
               (export "now" (func (result u64)))
               (export "subscribe-instant" (func (param "when" u64) (result (own $pollable))))
               (export "subscribe-duration" (func (param "when" u64) (result (own $pollable))))))
             (core module $memory (memory (export "memory") 1)
               (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096)))
             (core instance $memory (instantiate $memory))
             (core func $ready (canon lower (func $poll "[method]pollable.ready")))
             (core func $block (canon lower (func $poll "[method]pollable.block")))
             (core func $poll (canon lower (func $poll "poll")
               (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
             (core func $now (canon lower (func $clock "now")))
             (core func $until (canon lower (func $clock "subscribe-instant")))
             (core func $for (canon lower (func $clock "subscribe-duration")))
             (core module $m
               (import "host" "memory" (memory 1))
               (import "host" "ready" (func $ready (param i32) (result i32)))
               (import "host" "block" (func $block (param i32)))
               (import "host" "poll" (func $poll (param i32 i32 i32)))
               (import "host" "now" (func $now (result i64)))
               (import "host" "until" (func $until (param i64) (result i32)))
               (import "host" "for" (func $for (param i64) (result i32)))
               (func $is (param $time i64) (if (i64.ne (call $now) (local.get $time)) (then unreachable)))
               (func $compute (local $i i32)
                 (loop $l (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 5000000)))))
               (func (export "run") (result i32) {body} (i32.const 0)))
             (core instance $i (instantiate $m (with "host" (instance
               (export "memory" (memory $memory "memory"))
               (export "ready" (func $ready)) (export "block" (func $block))
               (export "poll" (func $poll)) (export "now" (func $now))
               (export "until" (func $until)) (export "for" (func $for))))))
             (func $run (result (result)) (canon lift (core func $i "run")))
             (instance $e (export "run" (func $run)))
             (export "wasi:cli/run@0.2.0" (instance $e)))"#
    )
}

#[test]
fn a_components_time_moves_by_exactly_what_was_slept() {
    for body in [
        // One after the other.
        "(call $is (i64.const 1))
         (call $block (call $for (i64.const 1))) (call $is (i64.const 2))
         (call $block (call $until (i64.const 1500))) (call $is (i64.const 1500))
         (call $block (call $until (i64.const 7))) (call $is (i64.const 1500))
         (call $block (call $for (i64.const 31536000000000000))) (call $is (i64.const 31536000000001500))
         (call $block (call $for (i64.const -1))) (call $is (i64.const -1))
         (call $block (call $for (i64.const -1))) (call $is (i64.const -1))",
        // Of several at once, the shortest.
        "(i32.store (i32.const 0) (call $for (i64.const 1700)))
         (i32.store (i32.const 4) (call $for (i64.const 1200)))
         (call $poll (i32.const 0) (i32.const 2) (i32.const 64))
         (call $is (i64.const 1201))
         (if (i32.ne (i32.load (i32.const 68)) (i32.const 1)) (then unreachable))
         (if (i32.ne (i32.load (i32.load (i32.const 64))) (i32.const 1)) (then unreachable))
         (if (call $ready (i32.load (i32.const 0))) (then unreachable))
         (if (i32.eqz (call $ready (i32.load (i32.const 4)))) (then unreachable))",
        // To ask whether it is over is not to wait, however long the guest then computes.
        "(if (call $ready (call $for (i64.const 5))) (then unreachable))
         (call $compute) (call $is (i64.const 1))
         (call $block (call $for (i64.const 100))) (call $is (i64.const 101))",
    ] {
        let world = World::new();
        world.wasm("sleeper.wasm", &sleeper(body));
        let ran = world.coo(&["run", "sleeper.wasm"]);
        assert_eq!(ran.code, 0, "{body}: {ran:?}");
        let replay = world.coo(&["replay", "MISSION-000001"]);
        assert_eq!(replay.code, 0, "{replay:?}");
    }
}
