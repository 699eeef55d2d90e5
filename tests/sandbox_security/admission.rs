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
    assert_eq!(world.json(&["missions"]), json!([]));
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
    assert_snapshot!(said, @"");
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
    assert_snapshot!(said, @"");
}

#[test]
fn an_unknown_function_of_a_known_interface_is_refused_by_name() {
    let mut said = refused(&component(
        r#"(import "wasi:cli/exit@0.2.0" (instance (export "exit-quietly" (func))))"#,
    ));
    said += &refused(&component(
        r#"(import "coo:mission/db@1.0.0" (instance (export "attach" (func (param "file" string)))))"#,
    ));
    assert_snapshot!(said, @"");
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
    assert_snapshot!(said, @"");
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
    assert_snapshot!(said, @"");
}

#[test]
fn another_version_is_refused() {
    let mut said = String::new();
    for import in ["wasi:io/poll@0.3.0", "coo:mission/llm@2.0.0"] {
        said += &refused(&component(&format!(r#"(import "{import}" (instance))"#)));
    }
    assert_snapshot!(said, @"");
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
    let mut said = refused("(component)");
    said += &refused(r#"(module (memory (export "memory") 1))"#);
    assert_snapshot!(said, @"");
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
    assert_snapshot!(said, @"");
    assert_eq!(world.json(&["missions"]), json!([]));
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
    assert_snapshot!(said, @"");
    assert_eq!(world.json(&["missions"]), json!([]));
}

#[test]
fn a_module_other_than_the_pinned_one_is_refused() {
    let world = World::new();
    world.wasm("a.wasm", &core(""));
    let pin = json!({"file": "a.wasm", "sha256": "0".repeat(64)});
    world.descriptor("pinned.json", &pin, &json!({}));
    let ran = world.coo(&["run", "pinned.json"]);
    assert_snapshot!(shown("run pinned.json", &ran), @"");
    assert!(!world.root().exists());
}
