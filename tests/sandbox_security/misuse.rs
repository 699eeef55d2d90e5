//! Guests that misuse the interfaces they are given, in every way that the canonical ABI knows:
//! pointers and lengths that lie, text that is not text, handles nobody gave out, an allocator
//! that lies, results that are none. Each end is the guest's own, on record, and replays.

use insta::assert_snapshot;

use super::assert_fails;
use crate::support::{World, shown};

/// A mission around `body`, the fields of its core module; `realloc` is the body of its
/// allocator, `encoding` that of its texts, `returned` what `run` gives back.
struct Guest<'a> {
    body: &'a str,
    realloc: &'a str,
    encoding: &'a str,
    pages: u32,
}

impl Guest<'_> {
    fn text(&self) -> String {
        let Self {
            body,
            realloc,
            encoding,
            pages,
        } = self;
        format!(
            r#"(component
  (import "coo:mission/gateway@1.0.0" (instance $gateway
    (type $receipt' (record (field "path" string) (field "sha256" string) (field "bytes" u64)))
    (export "receipt" (type $receipt (eq $receipt')))
    (type $error' (variant (case "refused" string) (case "conflict" string)))
    (export "error" (type $error (eq $error')))
    (export "write" (func (param "path" string) (param "content" (list u8))
      (result (result $receipt (error $error)))))))
  (import "coo:mission/db@1.0.0" (instance $db
    (type $value' (variant (case "null") (case "integer" s64) (case "real" f64) (case "text" string) (case "blob" (list u8))))
    (export "value" (type $value (eq $value')))
    (type $error' (variant (case "refused" string) (case "failed" string) (case "constraint" string) (case "limit" string)))
    (export "error" (type $error (eq $error')))
    (export "execute" (func (param "sql" string) (param "params" (list $value))
      (result (result u64 (error $error)))))))
  (import "wasi:cli/environment@0.2.0" (instance $environment
    (export "get-environment" (func (result (list (tuple string string)))))))
  (import "wasi:cli/exit@0.2.0" (instance $exit
    (export "exit" (func (param "status" (result))))))
  (import "wasi:io/poll@0.2.0" (instance $poll
    (export "pollable" (type $pollable (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $pollable))))
    (export "poll" (func (param "in" (list (borrow $pollable))) (result (list u32))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:io/error@0.2.0" (instance $io-error
    (export "error" (type (sub resource)))))
  (alias export $io-error "error" (type $io-failure))
  (import "wasi:io/streams@0.2.0" (instance $streams
    (export "output-stream" (type $output (sub resource)))
    (export "input-stream" (type $input (sub resource)))
    (alias outer 1 $io-failure (type $outer-failure))
    (export "error" (type $failure (eq $outer-failure)))
    (type $stream-error' (variant (case "last-operation-failed" (own $failure)) (case "closed")))
    (export "stream-error" (type $stream-error (eq $stream-error')))
    (alias outer 1 $pollable (type $outer-pollable))
    (export "pollable" (type $awaited (eq $outer-pollable)))
    (export "[method]output-stream.subscribe" (func (param "self" (borrow $output)) (result (own $awaited))))
    (export "[method]output-stream.write-zeroes" (func (param "self" (borrow $output)) (param "len" u64)
      (result (result (error $stream-error)))))
    (export "[method]output-stream.blocking-write-and-flush" (func (param "self" (borrow $output)) (param "contents" (list u8))
      (result (result (error $stream-error)))))))
  (alias export $streams "output-stream" (type $output))
  (alias export $streams "input-stream" (type $input))
  (import "wasi:cli/stdout@0.2.0" (instance $stdout
    (alias outer 1 $output (type $outer-output))
    (export "output-stream" (type $own-output (eq $outer-output)))
    (export "get-stdout" (func (result (own $own-output))))))
  (import "wasi:cli/stdin@0.2.0" (instance $stdin
    (alias outer 1 $input (type $outer-input))
    (export "input-stream" (type $own-input (eq $outer-input)))
    (export "get-stdin" (func (result (own $own-input))))))

  (core module $memory
    (memory (export "memory") {pages})
    (func (export "realloc") (param i32 i32 i32) (param $size i32) (result i32) {realloc}))
  (core instance $memory (instantiate $memory))
  (alias core export $memory "memory" (core memory $m))
  (alias core export $memory "realloc" (core func $realloc))
  (core func $write (canon lower (func $gateway "write") (memory $m) (realloc $realloc) {encoding}))
  (core func $execute (canon lower (func $db "execute") (memory $m) (realloc $realloc) {encoding}))
  (core func $get-environment (canon lower (func $environment "get-environment") (memory $m) (realloc $realloc) {encoding}))
  (core func $exit (canon lower (func $exit "exit")))
  (core func $block (canon lower (func $poll "[method]pollable.block")))
  (core func $poll (canon lower (func $poll "poll") (memory $m) (realloc $realloc)))
  (core func $get-stdout (canon lower (func $stdout "get-stdout")))
  (core func $get-stdin (canon lower (func $stdin "get-stdin")))
  (core func $subscribe (canon lower (func $streams "[method]output-stream.subscribe")))
  (core func $write-zeroes (canon lower (func $streams "[method]output-stream.write-zeroes") (memory $m)))
  (core func $print (canon lower (func $streams "[method]output-stream.blocking-write-and-flush") (memory $m)))
  (core func $drop-output (canon resource.drop $output))
  (core func $drop-pollable (canon resource.drop $pollable))
  (core module $mission
    (import "host" "memory" (memory 1))
    (import "host" "write" (func $write (param i32 i32 i32 i32 i32)))
    (import "host" "execute" (func $execute (param i32 i32 i32 i32 i32)))
    (import "host" "get-environment" (func $get-environment (param i32)))
    (import "host" "exit" (func $exit (param i32)))
    (import "host" "block" (func $block (param i32)))
    (import "host" "poll" (func $poll (param i32 i32 i32)))
    (import "host" "get-stdout" (func $get-stdout (result i32)))
    (import "host" "get-stdin" (func $get-stdin (result i32)))
    (import "host" "subscribe" (func $subscribe (param i32) (result i32)))
    (import "host" "write-zeroes" (func $write-zeroes (param i32 i64 i32)))
    (import "host" "print" (func $print (param i32 i32 i32 i32)))
    (import "host" "drop-output" (func $drop-output (param i32)))
    (import "host" "drop-pollable" (func $drop-pollable (param i32)))
    (data (i32.const 512) "\ff\fe\ff")
    (data (i32.const 520) "a/b_v1.0.md")
    (data (i32.const 544) "\00\d8\00\d8")
    (data (i32.const 560) "\63\00\00\00\00\00\00\00")
    (func (export "run") (param i32 i32) (result i32) (local $h i32) {body}))
  (core instance $mission (instantiate $mission (with "host" (instance
    (export "memory" (memory $m))
    (export "write" (func $write)) (export "execute" (func $execute))
    (export "get-environment" (func $get-environment)) (export "exit" (func $exit))
    (export "block" (func $block)) (export "poll" (func $poll))
    (export "get-stdout" (func $get-stdout)) (export "get-stdin" (func $get-stdin))
    (export "subscribe" (func $subscribe)) (export "write-zeroes" (func $write-zeroes))
    (export "print" (func $print)) (export "drop-output" (func $drop-output))
    (export "drop-pollable" (func $drop-pollable))))))
  (func (export "run") (param "input" string) (result (result string (error string)))
    (canon lift (core func $mission "run") (memory $m) (realloc $realloc) {encoding})))"#
        )
    }
}

/// An allocator that gives one place to everybody.
const HONEST: &str = "(i32.const 4096)";

/// Runs the guest, which must fail; gives what the run printed, under `what` it does.
fn end(world: &World, what: &str, guest: &Guest<'_>) -> String {
    world.wasm("misuse.wasm", &guest.text());
    let more = serde_json::json!({"environment": {"NAME": "value"}});
    world.descriptor(
        "misuse.json",
        &serde_json::json!({"file": "misuse.wasm"}),
        &more,
    );
    let ran = world.coo(&["run", "misuse.json"]);
    assert_fails(world, &ran);
    shown(&format!("run misuse.json # {what}"), &ran)
}

#[test]
fn pointers_lengths_and_values_that_lie_are_the_guests_contract() {
    let world = World::new();
    let mut said = String::new();
    for body in [
        // Text.
        "(call $write (i32.const 512) (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 64)) (i32.const 0)",
        "(call $write (i32.const -8) (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 64)) (i32.const 0)",
        "(call $write (i32.const 520) (i32.const -1) (i32.const 0) (i32.const 0) (i32.const 64)) (i32.const 0)",
        // Lists.
        "(call $write (i32.const 520) (i32.const 11) (i32.const 65535) (i32.const 9) (i32.const 64)) (i32.const 0)",
        "(call $execute (i32.const 520) (i32.const 1) (i32.const 561) (i32.const 1) (i32.const 64)) (i32.const 0)",
        "(call $execute (i32.const 520) (i32.const 1) (i32.const 560) (i32.const -1) (i32.const 64)) (i32.const 0)",
        // A value of a kind that does not exist.
        "(call $execute (i32.const 520) (i32.const 1) (i32.const 560) (i32.const 1) (i32.const 64)) (i32.const 0)",
        "(call $exit (i32.const 7)) (i32.const 0)",
        // The place for an answer.
        "(call $write (i32.const 520) (i32.const 11) (i32.const 0) (i32.const 0) (i32.const 65533)) (i32.const 0)",
        "(call $write (i32.const 520) (i32.const 11) (i32.const 0) (i32.const 0) (i32.const 65528)) (i32.const 0)",
        // What `run` returns.
        "(i32.const 3)",
        "(i32.const 65532)",
        "(i32.const -4)",
        "(i32.store8 (i32.const 0) (i32.const 9)) (i32.const 0)",
        "(i32.store (i32.const 4) (i32.const 512)) (i32.store (i32.const 8) (i32.const 3)) (i32.const 0)",
        "(i32.store (i32.const 4) (i32.const 65530)) (i32.store (i32.const 8) (i32.const 300)) (i32.const 0)",
    ] {
        let guest = Guest {
            body,
            realloc: HONEST,
            encoding: "",
            pages: 1,
        };
        said += &end(&world, body, &guest);
    }
    assert_snapshot!(said, @"
    $ coo run misuse.json # (call $write (i32.const 512) (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 64)) (i32.const 0)
    --- standard error
    [coo] MISSION-000001 FAILED: 7 events, 43 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: contract broken: invalid utf-8 sequence of 1 bytes from index 0
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    $ coo run misuse.json # (call $write (i32.const -8) (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 64)) (i32.const 0)
    --- standard error
    [coo] MISSION-000002 FAILED: 7 events, 43 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000002: contract broken: string pointer/length out of bounds of memory
    hint: 'coo logs MISSION-000002' shows how it got there
    --- exit 1
    $ coo run misuse.json # (call $write (i32.const 520) (i32.const -1) (i32.const 0) (i32.const 0) (i32.const 64)) (i32.const 0)
    --- standard error
    [coo] MISSION-000003 FAILED: 7 events, 43 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000003: contract broken: string pointer/length out of bounds of memory
    hint: 'coo logs MISSION-000003' shows how it got there
    --- exit 1
    $ coo run misuse.json # (call $write (i32.const 520) (i32.const 11) (i32.const 65535) (i32.const 9) (i32.const 64)) (i32.const 0)
    --- standard error
    [coo] MISSION-000004 FAILED: 7 events, 43 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000004: contract broken: list pointer/length out of bounds of memory
    hint: 'coo logs MISSION-000004' shows how it got there
    --- exit 1
    $ coo run misuse.json # (call $execute (i32.const 520) (i32.const 1) (i32.const 561) (i32.const 1) (i32.const 64)) (i32.const 0)
    --- standard error
    [coo] MISSION-000005 FAILED: 7 events, 43 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000005: contract broken: list pointer is not aligned
    hint: 'coo logs MISSION-000005' shows how it got there
    --- exit 1
    $ coo run misuse.json # (call $execute (i32.const 520) (i32.const 1) (i32.const 560) (i32.const -1) (i32.const 64)) (i32.const 0)
    --- standard error
    [coo] MISSION-000006 FAILED: 7 events, 43 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000006: contract broken: list pointer/length out of bounds of memory
    hint: 'coo logs MISSION-000006' shows how it got there
    --- exit 1
    $ coo run misuse.json # (call $execute (i32.const 520) (i32.const 1) (i32.const 560) (i32.const 1) (i32.const 64)) (i32.const 0)
    --- standard error
    [coo] MISSION-000007 FAILED: 7 events, 43 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000007: contract broken: unexpected discriminant: 99
    hint: 'coo logs MISSION-000007' shows how it got there
    --- exit 1
    $ coo run misuse.json # (call $exit (i32.const 7)) (i32.const 0)
    --- standard error
    [coo] MISSION-000008 FAILED: 7 events, 39 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000008: contract broken: invalid expected discriminant
    hint: 'coo logs MISSION-000008' shows how it got there
    --- exit 1
    $ coo run misuse.json # (call $write (i32.const 520) (i32.const 11) (i32.const 0) (i32.const 0) (i32.const 65533)) (i32.const 0)
    --- standard error
    [coo] MISSION-000009 FAILED: 8 events, 43 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000009: contract broken: pointer not aligned
    hint: 'coo logs MISSION-000009' shows how it got there
    --- exit 1
    $ coo run misuse.json # (call $write (i32.const 520) (i32.const 11) (i32.const 0) (i32.const 0) (i32.const 65528)) (i32.const 0)
    --- standard error
    [coo] MISSION-000010 FAILED: 8 events, 43 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000010: contract broken: pointer out of bounds
    hint: 'coo logs MISSION-000010' shows how it got there
    --- exit 1
    $ coo run misuse.json # (i32.const 3)
    --- standard error
    [coo] MISSION-000011 FAILED: 7 events, 35 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000011: contract broken: return pointer not aligned
    hint: 'coo logs MISSION-000011' shows how it got there
    --- exit 1
    $ coo run misuse.json # (i32.const 65532)
    --- standard error
    [coo] MISSION-000012 FAILED: 7 events, 35 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000012: contract broken: pointer out of bounds of memory
    hint: 'coo logs MISSION-000012' shows how it got there
    --- exit 1
    $ coo run misuse.json # (i32.const -4)
    --- standard error
    [coo] MISSION-000013 FAILED: 7 events, 35 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000013: contract broken: pointer out of bounds of memory
    hint: 'coo logs MISSION-000013' shows how it got there
    --- exit 1
    $ coo run misuse.json # (i32.store8 (i32.const 0) (i32.const 9)) (i32.const 0)
    --- standard error
    [coo] MISSION-000014 FAILED: 7 events, 38 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000014: contract broken: invalid expected discriminant
    hint: 'coo logs MISSION-000014' shows how it got there
    --- exit 1
    $ coo run misuse.json # (i32.store (i32.const 4) (i32.const 512)) (i32.store (i32.const 8) (i32.const 3)) (i32.const 0)
    --- standard error
    [coo] MISSION-000015 FAILED: 7 events, 41 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000015: contract broken: invalid utf-8 sequence of 1 bytes from index 0
    hint: 'coo logs MISSION-000015' shows how it got there
    --- exit 1
    $ coo run misuse.json # (i32.store (i32.const 4) (i32.const 65530)) (i32.store (i32.const 8) (i32.const 300)) (i32.const 0)
    --- standard error
    [coo] MISSION-000016 FAILED: 7 events, 41 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000016: contract broken: string pointer/length out of bounds of memory
    hint: 'coo logs MISSION-000016' shows how it got there
    --- exit 1
    ");
}

#[test]
fn text_of_other_encodings_is_judged_too() {
    let world = World::new();
    let mut said = String::new();
    for (encoding, at, length) in [
        ("string-encoding=utf16", 544, 2),
        ("string-encoding=utf16", 545, 1),
        ("string-encoding=utf16", 65534, 9),
        ("string-encoding=latin1+utf16", 513, 1),
        ("string-encoding=latin1+utf16", 65534, 9),
        ("string-encoding=latin1+utf16", 544, -0x7fff_fffe),
    ] {
        let body = format!(
            "(call $write (i32.const {at}) (i32.const {length}) (i32.const 0) (i32.const 0) (i32.const 64)) (i32.const 0)"
        );
        let guest = Guest {
            body: &body,
            realloc: HONEST,
            encoding,
            pages: 1,
        };
        said += &end(&world, &format!("{encoding}: {body}"), &guest);
    }
    assert_snapshot!(said, @"
    $ coo run misuse.json # string-encoding=utf16: (call $write (i32.const 544) (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 64)) (i32.const 0)
    --- standard error
    [coo] MISSION-000001 FAILED: 7 events, 43 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: contract broken: unpaired surrogate found: d800
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    $ coo run misuse.json # string-encoding=utf16: (call $write (i32.const 545) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 64)) (i32.const 0)
    --- standard error
    [coo] MISSION-000002 FAILED: 7 events, 43 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000002: contract broken: string pointer not aligned to 2
    hint: 'coo logs MISSION-000002' shows how it got there
    --- exit 1
    $ coo run misuse.json # string-encoding=utf16: (call $write (i32.const 65534) (i32.const 9) (i32.const 0) (i32.const 0) (i32.const 64)) (i32.const 0)
    --- standard error
    [coo] MISSION-000003 FAILED: 7 events, 43 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000003: contract broken: string pointer/length out of bounds of memory
    hint: 'coo logs MISSION-000003' shows how it got there
    --- exit 1
    $ coo run misuse.json # string-encoding=latin1+utf16: (call $write (i32.const 513) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 64)) (i32.const 0)
    --- standard error
    [coo] MISSION-000004 FAILED: 7 events, 43 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000004: contract broken: string pointer not aligned to 2
    hint: 'coo logs MISSION-000004' shows how it got there
    --- exit 1
    $ coo run misuse.json # string-encoding=latin1+utf16: (call $write (i32.const 65534) (i32.const 9) (i32.const 0) (i32.const 0) (i32.const 64)) (i32.const 0)
    --- standard error
    [coo] MISSION-000005 FAILED: 7 events, 43 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000005: contract broken: string pointer/length out of bounds of memory
    hint: 'coo logs MISSION-000005' shows how it got there
    --- exit 1
    $ coo run misuse.json # string-encoding=latin1+utf16: (call $write (i32.const 544) (i32.const -2147483646) (i32.const 0) (i32.const 0) (i32.const 64)) (i32.const 0)
    --- standard error
    [coo] MISSION-000006 FAILED: 7 events, 43 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000006: contract broken: unpaired surrogate found: d800
    hint: 'coo logs MISSION-000006' shows how it got there
    --- exit 1
    ");
}

#[test]
fn an_allocator_that_lies_is_the_guests_contract() {
    let world = World::new();
    let mut said = String::new();
    let body = "(call $get-environment (i32.const 64)) (i32.const 0)";
    for realloc in [
        "(i32.const -64)",
        "(i32.const 65532)",
        "(select (i32.const 4097) (i32.const 4096) (i32.gt_u (local.get $size) (i32.const 8)))",
        "unreachable",
        "(loop $l (br $l)) unreachable",
    ] {
        // The input of the step goes through it as well: it is empty, and so asks for nothing.
        let guest = Guest {
            body,
            realloc,
            encoding: "",
            pages: 1,
        };
        said += &end(&world, realloc, &guest);
    }
    assert_snapshot!(said, @"
    $ coo run misuse.json # (i32.const -64)
    --- standard error
    [coo] MISSION-000001 FAILED: 7 events, 33 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: contract broken: realloc return: beyond end of memory
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    $ coo run misuse.json # (i32.const 65532)
    --- standard error
    [coo] MISSION-000002 FAILED: 7 events, 41 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000002: contract broken: realloc return: beyond end of memory
    hint: 'coo logs MISSION-000002' shows how it got there
    --- exit 1
    $ coo run misuse.json # (select (i32.const 4097) (i32.const 4096) (i32.gt_u (local.get $size) (i32.const 8)))
    --- standard error
    [coo] MISSION-000003 FAILED: 7 events, 51 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000003: contract broken: realloc return: result not aligned
    hint: 'coo logs MISSION-000003' shows how it got there
    --- exit 1
    $ coo run misuse.json # unreachable
    --- standard error
    [coo] MISSION-000004 FAILED: 7 events, 32 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000004: trap: wasm `unreachable` instruction executed
    hint: 'coo logs MISSION-000004' shows how it got there
    --- exit 1
    $ coo run misuse.json # (loop $l (br $l)) unreachable
    --- standard error
    [coo] MISSION-000005 FAILED: 7 events, 20000000000 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000005: fuel exhausted: all 20000000000 units used
    hint: raise limits.fuel if the mission needs more
    hint: 'coo logs MISSION-000005' shows how it got there
    --- exit 1
    ");
}

#[test]
fn handles_nobody_gave_out_are_the_guests_contract() {
    let world = World::new();
    let mut said = String::new();
    for body in [
        "(call $block (i32.const 42)) (i32.const 0)",
        "(call $block (i32.const 0)) (i32.const 0)",
        "(call $block (i32.const -1)) (i32.const 0)",
        "(call $drop-output (i32.const 5)) (i32.const 0)",
        // Twice.
        "(local.set $h (call $get-stdout)) (call $drop-output (local.get $h)) (call $drop-output (local.get $h)) (i32.const 0)",
        // Of another kind.
        "(call $write-zeroes (call $get-stdin) (i64.const 1) (i32.const 64)) (i32.const 0)",
        "(call $block (call $get-stdout)) (i32.const 0)",
        "(call $drop-output (call $get-stdin)) (i32.const 0)",
        // A stream that something still waits for.
        "(local.set $h (call $get-stdout)) (drop (call $subscribe (local.get $h))) (call $drop-output (local.get $h)) (i32.const 0)",
        "(call $poll (i32.const 0) (i32.const 0) (i32.const 64)) (i32.const 0)",
        // More than a stream takes at once.
        "(call $write-zeroes (call $get-stdout) (i64.const -1) (i32.const 64)) (i32.const 0)",
        "(call $print (call $get-stdout) (i32.const 0) (i32.const 5000) (i32.const 64)) (i32.const 0)",
        // More handles than anybody needs.
        "(loop $l (drop (call $get-stdout)) (br $l)) (i32.const 0)",
    ] {
        let guest = Guest {
            body,
            realloc: HONEST,
            encoding: "",
            pages: 1,
        };
        said += &end(&world, body, &guest);
    }
    assert_snapshot!(said, @"
    $ coo run misuse.json # (call $block (i32.const 42)) (i32.const 0)
    --- standard error
    [coo] MISSION-000001 FAILED: 7 events, 39 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: contract broken: unknown handle index 42
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    $ coo run misuse.json # (call $block (i32.const 0)) (i32.const 0)
    --- standard error
    [coo] MISSION-000002 FAILED: 7 events, 39 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000002: contract broken: unknown handle index 0
    hint: 'coo logs MISSION-000002' shows how it got there
    --- exit 1
    $ coo run misuse.json # (call $block (i32.const -1)) (i32.const 0)
    --- standard error
    [coo] MISSION-000003 FAILED: 7 events, 39 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000003: contract broken: unknown handle index 4294967295
    hint: 'coo logs MISSION-000003' shows how it got there
    --- exit 1
    $ coo run misuse.json # (call $drop-output (i32.const 5)) (i32.const 0)
    --- standard error
    [coo] MISSION-000004 FAILED: 7 events, 39 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000004: contract broken: unknown handle index 5
    hint: 'coo logs MISSION-000004' shows how it got there
    --- exit 1
    $ coo run misuse.json # (local.set $h (call $get-stdout)) (call $drop-output (local.get $h)) (call $drop-output (local.get $h)) (i32.const 0)
    --- standard error
    [coo] MISSION-000005 FAILED: 7 events, 49 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000005: contract broken: unknown handle index 1
    hint: 'coo logs MISSION-000005' shows how it got there
    --- exit 1
    $ coo run misuse.json # (call $write-zeroes (call $get-stdin) (i64.const 1) (i32.const 64)) (i32.const 0)
    --- standard error
    [coo] MISSION-000006 FAILED: 7 events, 44 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000006: contract broken: handle index 1 used with the wrong type, expected guest-defined resource but found a different guest-defined resource
    hint: 'coo logs MISSION-000006' shows how it got there
    --- exit 1
    $ coo run misuse.json # (call $block (call $get-stdout)) (i32.const 0)
    --- standard error
    [coo] MISSION-000007 FAILED: 7 events, 42 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000007: contract broken: handle index 1 used with the wrong type, expected guest-defined resource but found a different guest-defined resource
    hint: 'coo logs MISSION-000007' shows how it got there
    --- exit 1
    $ coo run misuse.json # (call $drop-output (call $get-stdin)) (i32.const 0)
    --- standard error
    [coo] MISSION-000008 FAILED: 7 events, 42 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000008: contract broken: handle index 1 used with the wrong type, expected guest-defined resource but found a different guest-defined resource
    hint: 'coo logs MISSION-000008' shows how it got there
    --- exit 1
    $ coo run misuse.json # (local.set $h (call $get-stdout)) (drop (call $subscribe (local.get $h))) (call $drop-output (local.get $h)) (i32.const 0)
    --- standard error
    [coo] MISSION-000009 FAILED: 7 events, 49 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000009: contract broken: resource has children
    hint: 'coo logs MISSION-000009' shows how it got there
    --- exit 1
    $ coo run misuse.json # (call $poll (i32.const 0) (i32.const 0) (i32.const 64)) (i32.const 0)
    --- standard error
    [coo] MISSION-000010 FAILED: 7 events, 41 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000010: contract broken: empty poll list
    hint: 'coo logs MISSION-000010' shows how it got there
    --- exit 1
    $ coo run misuse.json # (call $write-zeroes (call $get-stdout) (i64.const -1) (i32.const 64)) (i32.const 0)
    --- standard error
    [coo] MISSION-000011 FAILED: 7 events, 44 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000011: contract broken: cannot write more zeroes than `check_write` allows
    hint: 'coo logs MISSION-000011' shows how it got there
    --- exit 1
    $ coo run misuse.json # (call $print (call $get-stdout) (i32.const 0) (i32.const 5000) (i32.const 64)) (i32.const 0)
    --- standard error
    [coo] MISSION-000012 FAILED: 7 events, 45 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000012: contract broken: Buffer too large for blocking-write-and-flush (expected at most 4096)
    hint: 'coo logs MISSION-000012' shows how it got there
    --- exit 1
    $ coo run misuse.json # (loop $l (drop (call $get-stdout)) (br $l)) (i32.const 0)
    --- standard error
    [coo] MISSION-000013 FAILED: 7 events, 50038 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000013: limit hit: 10001 open streams and pollables wanted, limit 10000, which is the same for every mission
    hint: have the guest drop those no longer needed
    hint: 'coo logs MISSION-000013' shows how it got there
    --- exit 1
    ");
}

#[test]
fn more_than_one_call_may_carry_is_the_guests_contract() {
    let world = World::new();
    let guest = Guest {
        body: "(call $write (i32.const 520) (i32.const 11) (i32.const 1024) (i32.const 150000000) (i32.const 64)) (i32.const 0)",
        realloc: HONEST,
        encoding: "",
        pages: 2400,
    };
    assert_snapshot!(end(&world, guest.body, &guest), @"
    $ coo run misuse.json # (call $write (i32.const 520) (i32.const 11) (i32.const 1024) (i32.const 150000000) (i32.const 64)) (i32.const 0)
    --- standard error
    [coo] MISSION-000001 FAILED: 7 events, 43 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: contract broken: too much data is being copied between the host and the guest: fuel allocated for hostcalls has been exhausted
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    ");
}
