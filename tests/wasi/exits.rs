//! How a program exits: with any status, and it is shown as it is.

use insta::assert_snapshot;

use super::{Given, text_same_as_plain};
use crate::support::{World, guest_text, mission_id, shown};

#[test]
fn every_status_is_shown_as_it_is() {
    for status in [0, 1, 2, 3, 77, 125] {
        let body = format!(
            r#"(func (export "_start") (call $print (i64.const 5)) (call $proc_exit (i32.const {status})))"#
        );
        let ran = text_same_as_plain(&guest_text(&body), &Given::default());
        assert_eq!(ran.stdout, "5\n");
        assert_eq!(ran.code, i32::from(status != 0), "{ran:?}");
    }
    // Here the wasmtime command only says that they are too large.
    let world = World::new();
    let mut said = String::new();
    for status in [126_u32, 127, 128, 200, 255, 256, u32::MAX] {
        let body = format!(r#"(func (export "_start") (call $proc_exit (i32.const {status})))"#);
        world.guest("exit.wasm", &body);
        let ran = world.coo(&["run", "exit.wasm"]);
        said += &shown("run exit.wasm", &ran);
        let reason = format!("guest exited with status {status}");
        let id = mission_id(&ran);
        assert_eq!(world.json(&["mission", &id])["reason"], reason);
        assert_eq!(world.coo(&["replay", &id]).code, 0);
    }
    assert_snapshot!(said, @"
    $ coo run exit.wasm
    --- standard error
    [coo] MISSION-000001 FAILED: 7 events, 6 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: guest exited with status 126
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    $ coo run exit.wasm
    --- standard error
    [coo] MISSION-000002 FAILED: 7 events, 6 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000002: guest exited with status 127
    hint: 'coo logs MISSION-000002' shows how it got there
    --- exit 1
    $ coo run exit.wasm
    --- standard error
    [coo] MISSION-000003 FAILED: 7 events, 6 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000003: guest exited with status 128
    hint: 'coo logs MISSION-000003' shows how it got there
    --- exit 1
    $ coo run exit.wasm
    --- standard error
    [coo] MISSION-000004 FAILED: 7 events, 6 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000004: guest exited with status 200
    hint: 'coo logs MISSION-000004' shows how it got there
    --- exit 1
    $ coo run exit.wasm
    --- standard error
    [coo] MISSION-000005 FAILED: 7 events, 6 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000005: guest exited with status 255
    hint: 'coo logs MISSION-000005' shows how it got there
    --- exit 1
    $ coo run exit.wasm
    --- standard error
    [coo] MISSION-000006 FAILED: 7 events, 6 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000006: guest exited with status 256
    hint: 'coo logs MISSION-000006' shows how it got there
    --- exit 1
    $ coo run exit.wasm
    --- standard error
    [coo] MISSION-000007 FAILED: 7 events, 6 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000007: guest exited with status 4294967295
    hint: 'coo logs MISSION-000007' shows how it got there
    --- exit 1
    ");
}

#[test]
fn a_program_that_returns_has_done_its_work() {
    let ran = text_same_as_plain(
        &guest_text(r#"(func (export "_start") (call $print (i64.const 42)))"#),
        &Given::default(),
    );
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "42\n"));
}

#[test]
fn closed_and_unknown_descriptors_are_bad_ones() {
    let text = guest_text(
        r#"
      (func (export "_start")
        (i32.store (i32.const 200) (i32.const 1024)) (i32.store (i32.const 204) (i32.const 4))
        (call $print (i64.extend_i32_u (call $fd_write (i32.const 7) (i32.const 200) (i32.const 1) (i32.const 208))))
        (call $print (i64.extend_i32_u (call $fd_write (i32.const 0) (i32.const 200) (i32.const 1) (i32.const 208))))
        (call $print (i64.extend_i32_u (call $fd_read (i32.const 1) (i32.const 200) (i32.const 1) (i32.const 208))))
        (call $print (i64.extend_i32_u (call $fd_close (i32.const 2))))
        (call $print (i64.extend_i32_u (call $fd_write (i32.const 2) (i32.const 200) (i32.const 1) (i32.const 208))))
        (call $print (i64.extend_i32_u (call $fd_renumber (i32.const 1) (i32.const 0))))
        (call $print (i64.const 9)))
    "#,
    )
    .replacen(
        "(module\n",
        r#"(module
          (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
          (import "wasi_snapshot_preview1" "fd_renumber" (func $fd_renumber (param i32 i32) (result i32)))
        "#,
        1,
    );
    let ran = text_same_as_plain(&text, &Given::default());
    assert_eq!(ran.stdout, "8\n8\n8\n0\n8\n");
}

#[test]
fn pointers_outside_the_memory_end_the_program_alone() {
    let mut said = String::new();
    for body in [
        "(drop (call $random_get (i32.const 65530) (i32.const 100)))",
        "(drop (call $random_get (i32.const -1) (i32.const -1)))",
        "(drop (call $args_get (i32.const 65534) (i32.const 0)))",
        "(drop (call $args_sizes_get (i32.const 65536) (i32.const 0)))",
        "(drop (call $clock_time_get (i32.const 1) (i64.const 1) (i32.const 65532)))",
        "(drop (call $poll_oneoff (i32.const 65520) (i32.const 0) (i32.const 1) (i32.const 0)))",
        "(drop (call $poll_oneoff (i32.const 3) (i32.const 0) (i32.const 1) (i32.const 0)))",
        "(drop (call $fd_write (i32.const 1) (i32.const 65536) (i32.const 1) (i32.const 0)))",
    ] {
        let text = guest_text(&format!(r#"(func (export "_start") {body})"#));
        let ran = text_same_as_plain(&text, &Given::default());
        said += &shown(&format!("run program.json # {body}"), &ran);
    }
    assert_snapshot!(said, @"
    $ coo run program.json # (drop (call $random_get (i32.const 65530) (i32.const 100)))
    --- standard error
    [coo] MISSION-000001 FAILED: 7 events, 7 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: contract broken: Pointer out of bounds: Region { start: 65530, len: 100 }
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    $ coo run program.json # (drop (call $random_get (i32.const -1) (i32.const -1)))
    --- standard error
    [coo] MISSION-000001 FAILED: 7 events, 7 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: contract broken: Pointer out of bounds: Region { start: 4294967295, len: 4294967295 }
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    $ coo run program.json # (drop (call $args_get (i32.const 65534) (i32.const 0)))
    --- standard error
    [coo] MISSION-000001 FAILED: 7 events, 7 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: contract broken: Pointer out of bounds: Region { start: 65534, len: 4 }
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    $ coo run program.json # (drop (call $args_sizes_get (i32.const 65536) (i32.const 0)))
    --- standard error
    [coo] MISSION-000001 FAILED: 7 events, 7 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: contract broken: In func wasi_snapshot_preview1::args_sizes_get at write size: Pointer out of bounds: Region { start: 65536, len: 4 }
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    $ coo run program.json # (drop (call $clock_time_get (i32.const 1) (i64.const 1) (i32.const 65532)))
    --- standard error
    [coo] MISSION-000001 FAILED: 7 events, 8 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: contract broken: In func wasi_snapshot_preview1::clock_time_get at write timestamp: Pointer out of bounds: Region { start: 65532, len: 8 }
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    $ coo run program.json # (drop (call $poll_oneoff (i32.const 65520) (i32.const 0) (i32.const 1) (i32.const 0)))
    --- standard error
    [coo] MISSION-000001 FAILED: 7 events, 9 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: contract broken: Pointer out of bounds: Region { start: 65536, len: 4 }
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    $ coo run program.json # (drop (call $poll_oneoff (i32.const 3) (i32.const 0) (i32.const 1) (i32.const 0)))
    --- standard error
    [coo] MISSION-000001 FAILED: 7 events, 9 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: contract broken: Pointer not aligned to 8: Region { start: 3, len: 8 }
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    $ coo run program.json # (drop (call $fd_write (i32.const 1) (i32.const 65536) (i32.const 1) (i32.const 0)))
    --- standard error
    [coo] MISSION-000001 FAILED: 7 events, 9 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: contract broken: Pointer out of bounds: Region { start: 65536, len: 4 }
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    ");
}
