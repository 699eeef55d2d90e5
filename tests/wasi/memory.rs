//! The memory of a core module is its own: its size, its bounds and every byte of it are what
//! they are in plain wasmtime, whatever it calls.

use insta::assert_snapshot;

use super::{Given, same_as_plain_in, text_same_as_plain};
use crate::support::{World, guest_text, shown};

fn large() -> Given {
    Given {
        arguments: vec!["a".repeat(100_000), "zwei".to_owned(), String::new()],
        environment: vec![
            ("LONG".to_owned(), "v".repeat(300_000)),
            ("B".to_owned(), "ü".to_owned()),
        ],
        input: "one line\n".to_owned(),
    }
}

/// A module with a memory of these bounds, which calls every kind of host function between
/// filling all of its memory and counting what is still there.
fn owner(memory: &str, grow: u32) -> String {
    format!(
        r#"(module
          (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
          (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes (param i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
          (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
          (memory (export "memory") {memory})
          (func $say (param $at i32) (param $length i32)
            (i32.store (i32.const 0) (local.get $at)) (i32.store (i32.const 4) (local.get $length))
            (if (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable)))
          (func $hex (param $number i32) (local $i i32) (local $digit i32)
            (local.set $i (i32.const 8))
            (i32.store8 (i32.const 48) (i32.const 10))
            (loop $digits
              (local.set $i (i32.sub (local.get $i) (i32.const 1)))
              (local.set $digit (i32.and (local.get $number) (i32.const 15)))
              (i32.store8 (i32.add (i32.const 40) (local.get $i))
                (i32.add (local.get $digit) (select (i32.const 48) (i32.const 87) (i32.lt_u (local.get $digit) (i32.const 10)))))
              (local.set $number (i32.shr_u (local.get $number) (i32.const 4)))
              (br_if $digits (local.get $i)))
            (call $say (i32.const 40) (i32.const 9)))
          (func $changed (result i32) (local $at i32) (local $end i32) (local $count i32)
            (local.set $at (i32.const 1024))
            (local.set $end (i32.mul (memory.size) (i32.const 65536)))
            (loop $next
              (if (i32.ne (i32.load8_u (local.get $at)) (i32.const 0xab))
                (then (local.set $count (i32.add (local.get $count) (i32.const 1)))))
              (local.set $at (i32.add (local.get $at) (i32.const 1)))
              (br_if $next (i32.lt_u (local.get $at) (local.get $end))))
            (local.get $count))
          (func (export "_start")
            (call $hex (memory.size))
            (call $hex (memory.grow (i32.const {grow})))
            (call $hex (memory.size))
            (memory.fill (i32.const 1024) (i32.const 0xab)
              (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 1024)))
            (call $say (i32.const 1024) (i32.const 3))
            (drop (call $random_get (i32.const 64) (i32.const 8)))
            (drop (call $clock (i32.const 1) (i64.const 1) (i32.const 64)))
            (drop (call $args_sizes (i32.const 64) (i32.const 68)))
            (call $hex (call $open (i32.const 3) (i32.const 0) (i32.const 1024) (i32.const 4) (i32.const 0)
              (i64.const 2) (i64.const 2) (i32.const 0) (i32.const 72)))
            (call $hex (call $close (i32.const 9)))
            (memory.fill (i32.const 128) (i32.const 0) (i32.const 96))
            (i32.store (i32.const 144) (i32.const 1))
            (i64.store (i32.const 152) (i64.const 1))
            (call $hex (call $poll (i32.const 128) (i32.const 256) (i32.const 1) (i32.const 72)))
            (call $hex (call $changed))))"#
    )
}

#[test]
fn every_byte_of_the_memory_is_the_modules() {
    for (memory, grow) in [
        ("1", 0),
        ("1 1", 1),
        ("1 1", 0),
        ("2", 3),
        ("17 40", 23),
        ("3 4", 2),
    ] {
        // Not text in what it prints: three bytes 0xab.
        let text = owner(memory, grow).replace(
            "(call $say (i32.const 1024) (i32.const 3))",
            "(i32.store (i32.const 32) (i32.const 0x0a6b6f)) (call $say (i32.const 32) (i32.const 3))",
        );
        let ran = text_same_as_plain(&text, &Given::default());
        assert!(
            ran.stdout.ends_with("00000000\n"),
            "{memory} {grow}: {ran:?}"
        );
        assert_eq!(ran.code, 0, "{ran:?}");
    }
}

#[test]
fn a_memory_has_the_size_it_declares() {
    let text = r#"(module
      (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
      (memory (export "memory") 1)
      (func (export "_start") (call $exit (memory.size))))"#;
    let ran = text_same_as_plain(text, &Given::default());
    assert_snapshot!(shown("run program.json", &ran), @"
    $ coo run program.json
    --- standard error
    [coo] MISSION-000001 FAILED: 7 events, 6 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: guest exited with status 1
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    ");
}

#[test]
fn a_load_beyond_the_memory_traps() {
    let text = r#"(module (memory (export "memory") 1)
      (func (export "_start") (drop (i32.load (i32.const 70000)))))"#;
    let ran = text_same_as_plain(text, &Given::default());
    assert_snapshot!(shown("run program.json", &ran), @"
    $ coo run program.json
    --- standard error
    [coo] MISSION-000001 FAILED: 7 events, 0 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: trap: out of bounds memory access
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    ");
}

#[test]
fn arguments_variables_and_input_arrive_whole_however_long() {
    let body = r#"
      (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
    "#;
    let text = guest_text(
        r#"
      (func (export "_start")
        (drop (memory.grow (i32.const 30)))
        (drop (call $args_sizes_get (i32.const 200) (i32.const 204)))
        (call $print (i64.load32_u (i32.const 200))) (call $print (i64.load32_u (i32.const 204)))
        (if (call $args_get (i32.const 1024) (i32.const 65536)) (then unreachable))
        (call $write (i32.const 65536) (i32.load (i32.const 204)))
        (drop (call $environ_sizes_get (i32.const 200) (i32.const 204)))
        (call $print (i64.load32_u (i32.const 200))) (call $print (i64.load32_u (i32.const 204)))
        (if (call $environ_get (i32.const 1024) (i32.const 655360)) (then unreachable))
        (call $write (i32.const 655360) (i32.load (i32.const 204)))
        (i32.store (i32.const 200) (i32.const 1024)) (i32.store (i32.const 204) (i32.const 1000))
        (drop (call $fd_read (i32.const 0) (i32.const 200) (i32.const 1) (i32.const 208)))
        (call $write (i32.const 1024) (i32.load (i32.const 208))))
    "#,
    )
    .replacen("(module\n", &format!("(module\n{body}"), 1);
    let given = large();
    let ran = text_same_as_plain(&text, &given);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.len() > 400_000, "{}", ran.stdout.len());
    assert!(ran.stdout.ends_with("one line\n"));
}

#[test]
fn a_start_section_may_call_wasi() {
    let text = guest_text(
        r#"
      (func $before (call $print (i64.const 1)))
      (start $before)
      (func (export "_start") (call $print (i64.const 2)))
    "#,
    );
    assert_eq!(
        text_same_as_plain(&text, &Given::default()).stdout,
        "1\n2\n"
    );
    let text = guest_text(
        r#"
      (func $before (call $print (i64.const 1)) (call $proc_exit (i32.const 9)))
      (start $before)
      (func (export "_start") (call $print (i64.const 2)))
    "#,
    );
    let ran = text_same_as_plain(&text, &Given::default());
    assert_snapshot!(shown("run program.json", &ran), @"
    $ coo run program.json
    1
    --- standard error
    [coo] MISSION-000001 FAILED: 7 events, 76 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: guest exited with status 9
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    ");
}

#[test]
fn what_sets_a_module_up_is_called_first() {
    let initialize = r#"(func (export "_initialize") (call $print (i64.const 1)))"#;
    let start = r#"(func (export "_start") (call $print (i64.const 2)))"#;
    let run = r#"(func (export "run") (param i32 i32) (result i32) unreachable)"#;
    for (body, printed) in [
        (format!("{initialize}{start}"), "1\n2\n"),
        (format!("{start}{initialize}"), "1\n2\n"),
        (format!("{run}{start}"), "2\n"),
        (initialize.to_owned(), "1\n"),
    ] {
        let ran = text_same_as_plain(&guest_text(&body), &Given::default());
        assert_eq!((ran.code, ran.stdout.as_str()), (0, printed), "{ran:?}");
    }
}

#[test]
fn a_module_needs_a_memory_only_where_a_call_does() {
    let world = World::new();
    let exit = r#"(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))"#;
    let yields = r#"(import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))"#;
    let run = |text: &str| {
        world.wasm("program.wasm", text);
        world.coo(&["run", "program.wasm"])
    };
    let nothing = r#"(module (func (export "_start")))"#;
    let wasm = wat::parse_str(nothing).unwrap();
    assert_eq!(
        same_as_plain_in(&world, nothing, &wasm, &Given::default()).code,
        0
    );
    let ran = run(&format!(
        r#"(module {exit} (func (export "_start") (call $exit (i32.const 7))))"#
    ));
    let mut said = shown("run program.wasm", &ran);
    for memory in ["", r#"(memory (export "other") 1)"#] {
        let ran = run(&format!(
            r#"(module {yields} {memory} (func (export "_start") (drop (call $yield))))"#
        ));
        said += &shown("run program.wasm", &ran);
        assert_eq!(world.coo(&["replay", &super::mission_id(&ran)]).code, 0);
    }
    assert_snapshot!(said, @"
    $ coo run program.wasm
    --- standard error
    [coo] MISSION-000002 FAILED: 7 events, 6 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000002: guest exited with status 7
    hint: 'coo logs MISSION-000002' shows how it got there
    --- exit 1
    $ coo run program.wasm
    --- standard error
    [coo] MISSION-000003 FAILED: 7 events, 5 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000003: contract broken: it calls WASI preview 1 and exports no memory named 'memory'
    hint: 'coo logs MISSION-000003' shows how it got there
    --- exit 1
    $ coo run program.wasm
    --- standard error
    [coo] MISSION-000004 FAILED: 7 events, 5 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000004: contract broken: it calls WASI preview 1 and exports no memory named 'memory'
    hint: 'coo logs MISSION-000004' shows how it got there
    --- exit 1
    ");
}
