//! The guest of the call and replay figures: it makes one kind of host call as often as its input
//! says, and does nothing else. Its types come from the same WIT that missions use.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use coo::inside::program::WIT;
use serde_json::json;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

const WORLD: &str = "
package bench:guest;
world guest {
    import wasi:clocks/monotonic-clock@0.2.12;
    include coo:mission/mission@1.0.0;
}";

/// Input: one letter for the kind of call, then the number of calls, in decimal.
const TEXT: &str = r#"
(module
  (import "wasi:clocks/monotonic-clock@0.2.12" "now" (func $now (result i64)))
  (import "coo:mission/db@1.0.0" "query" (func $query (param i32 i32 i32 i32 i32)))
  (import "coo:mission/db@1.0.0" "execute" (func $execute (param i32 i32 i32 i32 i32)))
  (import "coo:mission/gateway@1.0.0" "write" (func $write (param i32 i32 i32 i32 i32)))
  (memory (export "memory") 2)
  (data (i32.const 1024) "SELECT 1")
  (data (i32.const 1040) "SELECT ?1")
  (data (i32.const 1056) "CREATE TABLE IF NOT EXISTS t(n INTEGER PRIMARY KEY, v)")
  (data (i32.const 1152) "INSERT OR REPLACE INTO t VALUES(1, 1)")
  (data (i32.const 1216) "bench/Bench_v1.0.txt")
  ;; A list of one value: text, 200 bytes of the zeros at 2048 made 'x' by $run.
  (data (i32.const 512) "\03\00\00\00\00\00\00\00\00\08\00\00\c8\00\00\00")
  (global $heap (mut i32) (i32.const 65536))

  (func (export "cabi_realloc") (param i32 i32) (param $align i32) (param $bytes i32) (result i32)
    (local $at i32)
    (local.set $at
      (i32.and
        (i32.add (global.get $heap) (i32.sub (local.get $align) (i32.const 1)))
        (i32.sub (i32.const 0) (local.get $align))))
    (global.set $heap (i32.add (local.get $at) (local.get $bytes)))
    (local.get $at))

  ;; Every answer lies at 64 and must be an `ok`.
  (func $check (if (i32.load8_u (i32.const 64)) (then unreachable)))

  (func $one (param $kind i32)
    (global.set $heap (i32.const 65536))
    (if (i32.eq (local.get $kind) (i32.const 0x63)) ;; c
      (then (drop (call $now)) (return)))
    (if (i32.eq (local.get $kind) (i32.const 0x71)) ;; q
      (then
        (call $query (i32.const 1024) (i32.const 8) (i32.const 0) (i32.const 0) (i32.const 64))
        (call $check) (return)))
    (if (i32.eq (local.get $kind) (i32.const 0x72)) ;; r
      (then
        (call $query (i32.const 1040) (i32.const 9) (i32.const 512) (i32.const 1) (i32.const 64))
        (call $check) (return)))
    (if (i32.eq (local.get $kind) (i32.const 0x65)) ;; e
      (then
        (call $execute (i32.const 1152) (i32.const 37) (i32.const 0) (i32.const 0) (i32.const 64))
        (call $check) (return)))
    (if (i32.eq (local.get $kind) (i32.const 0x77)) ;; w
      (then
        (call $write (i32.const 1216) (i32.const 20) (i32.const 2048) (i32.const 1024) (i32.const 64))
        (call $check) (return)))
    unreachable)

  (func (export "run") (param $at i32) (param $length i32) (result i32)
    (local $kind i32) (local $count i32) (local $end i32)
    (memory.fill (i32.const 2048) (i32.const 0x78) (i32.const 1024))
    (local.set $kind (i32.load8_u (local.get $at)))
    (local.set $end (i32.add (local.get $at) (local.get $length)))
    (loop $digit
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (if (i32.lt_u (local.get $at) (local.get $end))
        (then
          (local.set $count
            (i32.add
              (i32.mul (local.get $count) (i32.const 10))
              (i32.sub (i32.load8_u (local.get $at)) (i32.const 48))))
          (br $digit))))
    (if (i32.eq (local.get $kind) (i32.const 0x65))
      (then
        (call $execute (i32.const 1056) (i32.const 54) (i32.const 0) (i32.const 0) (i32.const 64))
        (call $check)))
    (loop $again
      (if (local.get $count)
        (then
          (call $one (local.get $kind))
          (local.set $count (i32.sub (local.get $count) (i32.const 1)))
          (br $again))))
    ;; ok of an empty string.
    (i32.store (i32.const 16) (i32.const 0))
    (i32.store (i32.const 20) (i32.const 0))
    (i32.store (i32.const 24) (i32.const 0))
    (i32.const 16)))
"#;

/// Returns the guest as a component.
pub fn component() -> Result<Vec<u8>> {
    let mut resolve = Resolve::default();
    for (name, text) in WIT {
        resolve.push_str(name, text)?;
    }
    let package = resolve.push_str("guest", WORLD)?;
    let world = resolve.select_world(&[package], Some("guest"))?;
    let mut module = wat::parse_str(TEXT)?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
    ComponentEncoder::default()
        .validate(true)
        .module(&module)?
        .encode()
        .context("guest")
}

/// Writes a descriptor that runs `guest.wasm` beside it with `input`, and returns its path. Its
/// bounds are far larger than any figure here needs.
pub fn descriptor(folder: &Path, input: &str) -> Result<PathBuf> {
    let path = folder.join(format!("{input}.json"));
    let descriptor = json!({
        "format": "coo-mission/1",
        "mission_type": "BENCH",
        "module": {"file": "guest.wasm"},
        "steps": [{"id": "calls", "input": input}],
        "limits": {
            "artefact_bytes": 1_u64 << 40,
            "artefacts": 1_000_000_000,
            "db_statements": 1_000_000_000,
            "fuel": 1_u64 << 40,
            "host_bytes": 1_u64 << 40,
        },
    });
    std::fs::write(&path, descriptor.to_string())?;
    Ok(path)
}
