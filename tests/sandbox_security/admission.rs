//! What a module may import: everything else is refused by name before any of it runs.

use std::fs;

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{component, core};
use crate::support::{Ran, World, guest_text, shown};

/// Refused for the same reasons by `run`, `validate` and `audit`, with nothing on record. Gives
/// what `run` printed.
fn refused(text: &str) -> String {
    let world = World::new();
    world.wasm("bad.wasm", text);
    world.descriptor("bad.json", &json!({"file": "bad.wasm"}), &json!({}));
    let audit = world.coo(&["audit", "bad.wasm"]);
    let json = world.coo(&["audit", "bad.wasm", "--json"]);
    let view: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((json.code, &view["admitted"]), (1, &json!(false)));
    let reasons = view["reasons"].as_array().unwrap();
    assert!(!reasons.is_empty(), "{view}");
    let run = world.coo(&["run", "bad.wasm"]);
    for ran in [
        &run,
        &world.coo(&["run", "bad.json"]),
        &world.coo(&["validate", "bad.json"]),
    ] {
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
        assert!(ran.stderr.starts_with("ERROR: module "), "{ran:?}");
        for reason in reasons {
            let reason = reason.as_str().unwrap();
            assert!(ran.stderr.contains(reason), "'{reason}' not in {ran:?}");
        }
    }
    assert_eq!(world.list(&["missions"]), json!([]));
    for folder in ["cache", "modules"] {
        assert_eq!(
            fs::read_dir(world.root().join(folder)).unwrap().count(),
            0,
            "{folder}"
        );
    }

    assert_eq!(audit.code, 1, "{audit:?}");
    let (_, listed) = audit
        .stdout
        .split_once("\nVerdict: REFUSED\n")
        .expect("no verdict");
    let bullets: Vec<String> = reasons
        .iter()
        .map(|reason| format!("  - {}\n", reason.as_str().unwrap()))
        .collect();
    assert_eq!(listed, bullets.concat());
    shown("run bad.wasm", &run)
}

#[test]
fn the_network_is_refused_by_name() {
    let mut said = refused(&component(
        r#"(import "wasi:sockets/tcp@0.2.0" (instance (export "connect" (func))))"#,
    ));
    said += &refused(&component(
        r#"(import "wasi:http/outgoing-handler@0.2.0" (instance (export "handle" (func))))"#,
    ));
    said += &refused(&core(
        r#"(import "wasi_snapshot_preview1" "sock_send" (func (param i32 i32 i32 i32 i32) (result i32)))"#,
    ));
    assert_snapshot!(said, @"
    $ coo run bad.wasm
    --- standard error
    ERROR: module bad.wasm: refused: import 'wasi:sockets/tcp@0.2.0' is not part of the surface
    hint: 'coo audit' lists every import
    --- exit 1
    $ coo run bad.wasm
    --- standard error
    ERROR: module bad.wasm: refused: import 'wasi:http/outgoing-handler@0.2.0' is not part of the surface
    hint: 'coo audit' lists every import
    --- exit 1
    $ coo run bad.wasm
    --- standard error
    ERROR: module bad.wasm: refused: import 'wasi_snapshot_preview1.sock_send' reaches for the network, which is not part of the surface
    hint: 'coo audit' lists every import
    --- exit 1
    ");
}

#[test]
fn every_unknown_import_is_refused_by_name() {
    let mut said = refused(&core(
        r#"(import "env" "foo" (func)) (import "env" "bar" (func))"#,
    ));
    said += &refused(&core(
        r#"(import "wasi_snapshot_preview1" "fd_teleport" (func))"#,
    ));
    said += &refused(&core(
        r#"(import "wasi_unstable" "fd_write" (func (param i32 i32 i32 i32) (result i32)))"#,
    ));
    said += &refused(&core(r#"(import "env" "memory" (memory 1))"#));
    said += &refused(&core(r#"(import "" "" (func))"#));
    said += &refused(&component(
        r#"(import "shell" (func (param "command" string)))"#,
    ));
    said += &refused(&component(
        r#"(import "coo:mission/shell@1.0.0" (instance (export "run" (func))))"#,
    ));
    assert_snapshot!(said, @"
    $ coo run bad.wasm
    --- standard error
    ERROR: module bad.wasm: refused: import 'env' is not part of the surface (functions: bar, foo)
    hint: 'coo audit' lists every import
    --- exit 1
    $ coo run bad.wasm
    --- standard error
    ERROR: module bad.wasm: refused: import 'wasi_snapshot_preview1.fd_teleport' is not a WASI preview 1 function
    hint: 'coo audit' lists every import
    --- exit 1
    $ coo run bad.wasm
    --- standard error
    ERROR: module bad.wasm: refused: import 'wasi_unstable' is not part of the surface (functions: fd_write)
    hint: 'coo audit' lists every import
    --- exit 1
    $ coo run bad.wasm
    --- standard error
    ERROR: module bad.wasm: refused: import 'env' is not part of the surface (functions: memory)
    hint: 'coo audit' lists every import
    --- exit 1
    $ coo run bad.wasm
    --- standard error
    ERROR: module bad.wasm: refused: import '' is not part of the surface (functions: )
    hint: 'coo audit' lists every import
    --- exit 1
    $ coo run bad.wasm
    --- standard error
    ERROR: module bad.wasm: refused: import 'shell' is not part of the surface
    hint: 'coo audit' lists every import
    --- exit 1
    $ coo run bad.wasm
    --- standard error
    ERROR: module bad.wasm: refused: import 'coo:mission/shell@1.0.0' is not part of the surface
    hint: 'coo audit' lists every import
    --- exit 1
    ");
}

#[test]
fn an_unknown_function_of_a_known_interface_is_refused_by_name() {
    let mut said = refused(&component(
        r#"(import "wasi:cli/exit@0.2.0" (instance (export "exit-quietly" (func))))"#,
    ));
    said += &refused(&component(
        r#"(import "coo:mission/db@1.0.0" (instance (export "attach" (func (param "file" string)))))"#,
    ));
    assert_snapshot!(said, @"
    $ coo run bad.wasm
    --- standard error
    ERROR: module bad.wasm: refused: import 'wasi:cli/exit@0.2.0' has no function 'exit-quietly'
    hint: 'coo audit' lists every import
    --- exit 1
    $ coo run bad.wasm
    --- standard error
    ERROR: module bad.wasm: refused: import 'coo:mission/db@1.0.0' has no function 'attach'
    hint: 'coo audit' lists every import
    --- exit 1
    ");
}

#[test]
fn a_known_function_of_another_type_is_refused_by_name() {
    let mut said = String::new();
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
        said += &refused(&component(&format!(
            r#"(import "{interface}" (instance (export "{function}" {ty})))"#
        )));
    }
    said += &refused(&core(
        r#"(import "wasi_snapshot_preview1" "proc_exit" (func (param i64)))"#,
    ));
    assert_snapshot!(said, @"
    $ coo run bad.wasm
    --- standard error
    ERROR: module bad.wasm: refused: import 'wasi:random/random@0.2.0' has a function 'get-random-u64', but of another type
    hint: 'coo audit' lists every import
    --- exit 1
    $ coo run bad.wasm
    --- standard error
    ERROR: module bad.wasm: refused: import 'wasi:random/random@0.2.0' has a function 'get-random-bytes', but of another type
    hint: 'coo audit' lists every import
    --- exit 1
    $ coo run bad.wasm
    --- standard error
    ERROR: module bad.wasm: refused: import 'wasi:cli/exit@0.2.0' has a function 'exit', but of another type
    hint: 'coo audit' lists every import
    --- exit 1
    $ coo run bad.wasm
    --- standard error
    ERROR: module bad.wasm: refused: import 'coo:mission/db@1.0.0' has a function 'execute', but of another type
    hint: 'coo audit' lists every import
    --- exit 1
    $ coo run bad.wasm
    --- standard error
    ERROR: module bad.wasm: refused: import 'wasi_snapshot_preview1' has a function 'proc_exit', but of another type
    hint: 'coo audit' lists every import
    --- exit 1
    ");
}

#[test]
fn an_entry_of_another_type_is_no_entry() {
    let mut said = refused(
        r#"(component
             (core module $m (func (export "run") (result i32) i32.const 0))
             (core instance $i (instantiate $m))
             (func (export "run") (result u32) (canon lift (core func $i "run"))))"#,
    );
    said += &refused(
        r#"(component
             (core module $m (func (export "run") (result i32) i32.const 0))
             (core instance $i (instantiate $m))
             (func $run (result u32) (canon lift (core func $i "run")))
             (instance $e (export "run" (func $run)))
             (export "wasi:cli/run@0.2.0" (instance $e)))"#,
    );
    assert_snapshot!(said, @"
    $ coo run bad.wasm
    --- standard error
    ERROR: module bad.wasm: refused: nothing to start: it exports [run], needed is 'run: func(input: string) -> result<string, string>' or wasi:cli/run@0.2
    hint: 'coo audit' lists every import
    --- exit 1
    $ coo run bad.wasm
    --- standard error
    ERROR: module bad.wasm: refused: nothing to start: it exports [wasi:cli/run@0.2.0], needed is 'run: func(input: string) -> result<string, string>' or wasi:cli/run@0.2
    hint: 'coo audit' lists every import
    --- exit 1
    ");
}

#[test]
fn another_version_is_refused() {
    let mut said = String::new();
    for import in ["wasi:io/poll@0.3.0", "coo:mission/llm@2.0.0"] {
        said += &refused(&component(&format!(r#"(import "{import}" (instance))"#)));
    }
    assert_snapshot!(said, @"
    $ coo run bad.wasm
    --- standard error
    ERROR: module bad.wasm: refused: import 'wasi:io/poll' has version 0.3.0, provided is 0.2.12
    hint: 'coo audit' lists every import
    --- exit 1
    $ coo run bad.wasm
    --- standard error
    ERROR: module bad.wasm: refused: import 'coo:mission/llm' has version 2.0.0, provided is 1.1.0
    hint: 'coo audit' lists every import
    --- exit 1
    ");
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
    assert_snapshot!(shown("audit demo", &Ran { stdout, ..ran }), @"
    $ coo audit demo
    Module demo
      SHA-256: <sha256>
      Size: <n> bytes
      Kind: core module (WASI preview 1), adapted to a component
      Entry: coo:mission run(input)

    Imports
      world   coo:mission/llm@1.0.0
              ask the configured language models; journalled, answers frozen
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
    let mut said = refused("(component)");
    said += &refused(r#"(module (memory (export "memory") 1))"#);
    assert_snapshot!(said, @"
    $ coo run bad.wasm
    --- standard error
    ERROR: module bad.wasm: refused: nothing to start: it exports [], needed is 'run: func(input: string) -> result<string, string>' or wasi:cli/run@0.2
    hint: 'coo audit' lists every import
    --- exit 1
    $ coo run bad.wasm
    --- standard error
    ERROR: module bad.wasm: refused: nothing to start: it exports [], needed is '_start' of a WASI program or 'run: func(input: string) -> result<string, string>' of a mission
    hint: 'coo audit' lists every import
    --- exit 1
    ");
}

#[test]
fn what_is_no_module_is_an_error_and_nothing_more() {
    let world = World::new();
    let whole = wat::parse_str(guest_text(r#"(func (export "_start"))"#)).unwrap();
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x80;
    let mut said = String::new();
    for (name, bytes) in [
        ("text.wasm", b"#!/bin/sh\necho hello\n".to_vec()),
        ("empty.wasm", Vec::new()),
        ("header.wasm", whole[..8].to_vec()),
        ("half.wasm", whole[..middle].to_vec()),
        ("short.wasm", whole[..whole.len() - 1].to_vec()),
        ("flipped.wasm", flipped),
    ] {
        world.file(name, bytes);
        for command in ["run", "audit"] {
            said += &shown(&format!("{command} {name}"), &world.coo(&[command, name]));
        }
    }
    for name in ["nowhere.wasm", "."] {
        said += &shown(&format!("run {name}"), &world.coo(&["run", name]));
    }
    assert_snapshot!(said, @"
    $ coo run text.wasm
    --- standard error
    ERROR: module text.wasm: not a WebAssembly binary
    hint: compile for wasm32-wasip1 or give a component
    --- exit 1
    $ coo audit text.wasm
    --- standard error
    ERROR: module text.wasm: not a WebAssembly binary
    hint: compile for wasm32-wasip1 or give a component
    --- exit 1
    $ coo run empty.wasm
    --- standard error
    ERROR: module empty.wasm: not a WebAssembly binary
    hint: compile for wasm32-wasip1 or give a component
    --- exit 1
    $ coo audit empty.wasm
    --- standard error
    ERROR: module empty.wasm: not a WebAssembly binary
    hint: compile for wasm32-wasip1 or give a component
    --- exit 1
    $ coo run header.wasm
    --- standard error
    ERROR: module header.wasm: refused: nothing to start: it exports [], needed is '_start' of a WASI program or 'run: func(input: string) -> result<string, string>' of a mission
    hint: 'coo audit' lists every import
    --- exit 1
    $ coo audit header.wasm
    Module header.wasm
      SHA-256: <sha256>
      Size: 8 bytes
      Kind: core module, run as it is
      Entry: none

    Imports
      none

    Verdict: REFUSED
      - nothing to start: it exports [], needed is '_start' of a WASI program or 'run: func(input: string) -> result<string, string>' of a mission
    --- exit 1
    $ coo run half.wasm
    --- standard error
    ERROR: module half.wasm: not valid WebAssembly for this engine: unexpected end-of-file (at offset 0x205)
    --- exit 1
    $ coo audit half.wasm
    --- standard error
    ERROR: module half.wasm: not valid WebAssembly for this engine: unexpected end-of-file (at offset 0x205)
    --- exit 1
    $ coo run short.wasm
    --- standard error
    ERROR: module short.wasm: not valid WebAssembly for this engine: unexpected end-of-file (at offset 0x2f8)
    --- exit 1
    $ coo audit short.wasm
    --- standard error
    ERROR: module short.wasm: not valid WebAssembly for this engine: unexpected end-of-file (at offset 0x2f8)
    --- exit 1
    $ coo run flipped.wasm
    --- standard error
    ERROR: module flipped.wasm: not valid WebAssembly for this engine: unknown type: type index out of bounds (at offset 0x20e)
    --- exit 1
    $ coo audit flipped.wasm
    --- standard error
    ERROR: module flipped.wasm: not valid WebAssembly for this engine: unknown type: type index out of bounds (at offset 0x20e)
    --- exit 1
    $ coo run nowhere.wasm
    --- standard error
    ERROR: module: nowhere.wasm: can't be opened: No such file or directory (os error 2)
    --- exit 1
    $ coo run .
    --- standard error
    ERROR: mission '.': neither a file nor one of the bundled missions (demo, phase3, triage)
    hint: give a descriptor, a .wasm file or one of these
    --- exit 1
    ");
    assert_eq!(world.list(&["missions"]), json!([]));
}

#[test]
fn features_that_share_memory_or_are_not_settled_are_refused() {
    let world = World::new();
    let mut said = String::new();
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
            said += &shown(&format!("{command} feature.wasm # {name}"), &ran);
        }
    }
    assert_snapshot!(said, @"
    $ coo run feature.wasm # shared memory
    --- standard error
    ERROR: module feature.wasm: not valid WebAssembly for this engine: threads must be enabled for shared memories (at offset 0x15)
    --- exit 1
    $ coo audit feature.wasm # shared memory
    --- standard error
    ERROR: module feature.wasm: not valid WebAssembly for this engine: threads must be enabled for shared memories (at offset 0x15)
    --- exit 1
    $ coo run feature.wasm # atomics
    --- standard error
    ERROR: module feature.wasm: not valid WebAssembly for this engine: threads support is not enabled (at offset 0x35)
    --- exit 1
    $ coo audit feature.wasm # atomics
    --- standard error
    ERROR: module feature.wasm: not valid WebAssembly for this engine: threads support is not enabled (at offset 0x35)
    --- exit 1
    $ coo run feature.wasm # 64-bit memory
    --- standard error
    ERROR: module feature.wasm: not valid WebAssembly for this engine: memory64 must be enabled for 64-bit memories (at offset 0x15)
    --- exit 1
    $ coo audit feature.wasm # 64-bit memory
    --- standard error
    ERROR: module feature.wasm: not valid WebAssembly for this engine: memory64 must be enabled for 64-bit memories (at offset 0x15)
    --- exit 1
    $ coo run feature.wasm # garbage collection
    --- standard error
    ERROR: module feature.wasm: not valid WebAssembly for this engine: struct indexed types not supported without the gc feature (at offset 0xb)
    --- exit 1
    $ coo audit feature.wasm # garbage collection
    --- standard error
    ERROR: module feature.wasm: not valid WebAssembly for this engine: struct indexed types not supported without the gc feature (at offset 0xb)
    --- exit 1
    $ coo run feature.wasm # exceptions
    --- standard error
    ERROR: module feature.wasm: not valid WebAssembly for this engine: exceptions proposal not enabled (at offset 0x19)
    --- exit 1
    $ coo audit feature.wasm # exceptions
    --- standard error
    ERROR: module feature.wasm: not valid WebAssembly for this engine: exceptions proposal not enabled (at offset 0x19)
    --- exit 1
    ");
    assert_eq!(world.list(&["missions"]), json!([]));
}

#[test]
fn a_module_other_than_the_pinned_one_is_refused() {
    let world = World::new();
    world.wasm("a.wasm", &core(""));
    let pin = json!({"file": "a.wasm", "sha256": "0".repeat(64)});
    world.descriptor("pinned.json", &pin, &json!({}));
    let ran = world.coo(&["run", "pinned.json"]);
    assert_snapshot!(shown("run pinned.json", &ran), @"
    $ coo run pinned.json
    --- standard error
    ERROR: descriptor pinned.json: module.sha256: found <sha256>, pinned <sha256>
    hint: restore the pinned module or pin the new one
    --- exit 1
    ");
    assert!(!world.root().exists());
}
