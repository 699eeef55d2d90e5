//! `poll_oneoff`: what is ready is said, time moves by exactly what was slept, and streams
//! never make a program wait.

use insta::assert_snapshot;

use super::{Given, text_same_as_plain};
use crate::support::{World, guest_text, shown};

/// A subscription at `$at`, and what a poll of several says.
const SUBSCRIBE: &str = r"
  (func $on_clock (param $at i32) (param $data i64) (param $id i32) (param $time i64) (param $flags i32)
    (memory.fill (local.get $at) (i32.const 0) (i32.const 48))
    (i64.store (local.get $at) (local.get $data))
    (i32.store offset=16 (local.get $at) (local.get $id))
    (i64.store offset=24 (local.get $at) (local.get $time))
    (i32.store16 offset=40 (local.get $at) (local.get $flags)))
  (func $on_stream (param $at i32) (param $data i64) (param $kind i32) (param $stream i32)
    (memory.fill (local.get $at) (i32.const 0) (i32.const 48))
    (i64.store (local.get $at) (local.get $data))
    (i32.store8 offset=8 (local.get $at) (local.get $kind))
    (i32.store offset=16 (local.get $at) (local.get $stream)))
  (func $poll (param $count i32) (local $i i32) (local $error i32)
    (i32.store (i32.const 208) (i32.const 0))
    (local.set $error (call $poll_oneoff (i32.const 1024) (i32.const 4096) (local.get $count) (i32.const 208)))
    (call $print (i64.extend_i32_u (local.get $error)))
    (if (local.get $error) (then (return)))
    (call $print (i64.load32_u (i32.const 208)))
    (loop $events
      (call $print (i64.load offset=4096 (i32.mul (local.get $i) (i32.const 32))))
      (call $print (i64.load8_u offset=4106 (i32.mul (local.get $i) (i32.const 32))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $events (i32.lt_u (local.get $i) (i32.load (i32.const 208))))))
";

fn program(body: &str) -> String {
    guest_text(&format!(r#"{SUBSCRIBE} (func (export "_start") {body})"#))
}

fn printed(body: &str) -> Vec<u64> {
    let world = World::new();
    world.wasm("poll.wasm", &program(body));
    let ran = world.coo(&["run", "poll.wasm"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.stdout
        .lines()
        .map(|line| line.parse().unwrap())
        .collect()
}

#[test]
fn of_several_sleeps_only_the_shortest_is_over_to_the_nanosecond() {
    let found = printed(
        "(call $on_clock (i32.const 1024) (i64.const 71) (i32.const 1) (i64.const 1700) (i32.const 0))
         (call $on_clock (i32.const 1072) (i64.const 72) (i32.const 1) (i64.const 1200) (i32.const 0))
         (call $on_clock (i32.const 1120) (i64.const 73) (i32.const 0) (i64.const 1200) (i32.const 0))
         (call $poll (i32.const 3))
         (call $print (call $now (i32.const 1)))
         (call $on_clock (i32.const 1024) (i64.const 74) (i32.const 0) (i64.const 1735689600000001300) (i32.const 1))
         (call $poll (i32.const 1))
         (call $print (call $now (i32.const 1)))",
    );
    assert_eq!(found, [0, 2, 72, 0, 73, 0, 1201, 0, 1, 74, 0, 1301]);
}

#[test]
fn streams_are_ready_and_no_time_passes() {
    let body = "(call $on_clock (i32.const 1024) (i64.const 71) (i32.const 1) (i64.const 3600000000000) (i32.const 0))
         (call $on_stream (i32.const 1072) (i64.const 72) (i32.const 1) (i32.const 0))
         (call $on_stream (i32.const 1120) (i64.const 73) (i32.const 2) (i32.const 1))
         (call $on_stream (i32.const 1168) (i64.const 74) (i32.const 2) (i32.const 2))
         (call $poll (i32.const 4))";
    let ran = text_same_as_plain(&program(body), &Given::default());
    assert_eq!(ran.stdout, "0\n3\n72\n1\n73\n2\n74\n2\n");
    let found = printed(&format!("{body} (call $print (call $now (i32.const 1)))"));
    assert_eq!(found.last(), Some(&1));
}

#[test]
fn what_can_not_be_polled_is_an_error_as_in_plain_wasmtime() {
    for body in [
        // Nothing at all.
        "(call $poll (i32.const 0))",
        // A stream that is not there, and one that goes the other way.
        "(call $on_stream (i32.const 1024) (i64.const 1) (i32.const 1) (i32.const 9)) (call $poll (i32.const 1))",
        "(call $on_stream (i32.const 1024) (i64.const 1) (i32.const 1) (i32.const 1)) (call $poll (i32.const 1))",
        "(call $on_stream (i32.const 1024) (i64.const 1) (i32.const 2) (i32.const 0)) (call $poll (i32.const 1))",
        // Clocks of processor time, and one that does not exist.
        "(call $on_clock (i32.const 1024) (i64.const 1) (i32.const 2) (i64.const 1) (i32.const 0)) (call $poll (i32.const 1))",
        "(call $on_clock (i32.const 1024) (i64.const 1) (i32.const 3) (i64.const 1) (i32.const 0)) (call $poll (i32.const 1))",
        "(call $on_clock (i32.const 1024) (i64.const 1) (i32.const 77) (i64.const 1) (i32.const 0)) (call $poll (i32.const 1))",
        // A kind of event that does not exist.
        "(call $on_stream (i32.const 1024) (i64.const 1) (i32.const 9) (i32.const 0)) (call $poll (i32.const 1))",
        // More than one call may carry.
        "(call $poll (i32.const -1))",
        "(call $poll (i32.const 3000000))",
        // An instant that has passed.
        "(call $on_clock (i32.const 1024) (i64.const 1) (i32.const 1) (i64.const 0) (i32.const 1)) (call $poll (i32.const 1))",
        "(call $on_clock (i32.const 1024) (i64.const 1) (i32.const 0) (i64.const 5) (i32.const 1)) (call $poll (i32.const 1))",
    ] {
        text_same_as_plain(&program(body), &Given::default());
    }
}

#[test]
fn clocks_that_do_not_exist_are_refused_as_in_plain_wasmtime() {
    for id in [2, 3] {
        let body = format!(
            "(call $print (i64.extend_i32_u (call $clock_time_get (i32.const {id}) (i64.const 1) (i32.const 16))))"
        );
        assert_eq!(
            text_same_as_plain(&program(&body), &Given::default()).stdout,
            "8\n"
        );
    }
    let body = "(drop (call $clock_time_get (i32.const 44) (i64.const 1) (i32.const 16)))";
    let ran = text_same_as_plain(&program(body), &Given::default());
    assert_snapshot!(shown("run program.json", &ran), @"
    $ coo run program.json
    --- standard error
    [coo] MISSION-000001 FAILED: 7 events, 8 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: contract broken: In func wasi_snapshot_preview1::clock_time_get at convert Clockid: Invalid enum value Clockid
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    ");
}
