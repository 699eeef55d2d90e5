//! What a module may import: everything else is refused by name before any of it runs.

use std::fs;

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{component, core};
use crate::support::{Ran, World, guest_text, shown};

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
