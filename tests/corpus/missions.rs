//! Programs that use what is around them: the bundled missions, and one over preview 1,
//! verified like everything else in the corpus and by the command that users have for it. What
//! they say is checked elsewhere (`tests/product`, `tests/determinism.rs`); here they only have
//! to be the same.

use std::path::Path;

use coo::inside::mission::Source;
use coo::inside::program::bundle::MISSIONS;
use serde_json::json;

use super::verified::{source, verified};
use crate::support::{World, guest_text};

/// Holds `coo verify` to find three runs of `mission`, and their replays, identical.
pub fn verified_by_command(world: &World, mission: &Path) {
    let report = world.json(&["verify", mission.to_str().unwrap()]);
    assert_eq!(report["identical"], true, "{report:#}");
    assert_eq!(report["runs"].as_array().unwrap().len(), 3);
    for run in report["runs"].as_array().unwrap() {
        assert!(run["memory_sha256"][0].is_string(), "{run}");
    }
}

#[test]
fn every_bundled_mission_is_the_same_every_time() {
    for (name, _) in MISSIONS {
        let outcome = verified(&Source::bundled(name).unwrap()).unwrap();
        assert_eq!(outcome.failure, None, "{name}");
        assert!(!outcome.output.is_empty(), "{name}");
        assert!(outcome.memory_sha256.iter().all(Option::is_some), "{name}");
        verified_by_command(&World::new(), Path::new(name));
    }
}

/// A map seeded with random numbers, filled with what clocks and input say, and printed in its
/// own order.
const MAP: &str = r#"
  (global $seed (mut i32) (i32.const 0))
  ;; 64 slots of 8 bytes from 2048 on: a value at its hash, or in the next free slot.
  (func $put (param $value i64) (local $at i32)
    (local.set $at (i32.and (i32.const 63) (i32.wrap_i64 (i64.shr_u
      (i64.mul
        (i64.xor (local.get $value) (i64.extend_i32_u (global.get $seed)))
        (i64.const 0x9E3779B97F4A7C15))
      (i64.const 58)))))
    (loop $next
      (if (i64.ne (i64.load offset=2048 (i32.shl (local.get $at) (i32.const 3))) (i64.const 0))
        (then
          (local.set $at (i32.and (i32.add (local.get $at) (i32.const 1)) (i32.const 63)))
          (br $next))))
    (i64.store offset=2048 (i32.shl (local.get $at) (i32.const 3)) (local.get $value)))
  (func (export "_start") (local $i i32)
    (drop (call $random_get (i32.const 1024) (i32.const 64)))
    (global.set $seed (i32.load (i32.const 1024)))
    (loop $again
      ;; Sleeps for as long as chance says.
      (drop (call $sleep (i32.const 1) (i64.load32_u offset=1024 (local.get $i)) (i32.const 0)))
      (call $put (call $now (i32.const 0)))
      (call $put (call $now (i32.const 1)))
      (i32.store (i32.const 200) (i32.const 1600)) (i32.store (i32.const 204) (i32.const 8))
      (drop (call $fd_read (i32.const 0) (i32.const 200) (i32.const 1) (i32.const 208)))
      (call $put (i64.load (i32.const 1600)))
      (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4))) (i32.const 60))))
    (drop (call $environ_sizes_get (i32.const 1800) (i32.const 1804)))
    (drop (call $args_sizes_get (i32.const 1808) (i32.const 1812)))
    (local.set $i (i32.const 0))
    (loop $slots
      (call $print (i64.load offset=2048 (local.get $i)))
      (br_if $slots (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 8))) (i32.const 512)))))
"#;

#[test]
fn a_program_over_preview_1_is_the_same_every_time() {
    let more = json!({
        "arguments": ["-x"],
        "environment": {"SEED": "1"},
        "steps": [{"id": "only", "input": "What goes in comes out, in whatever order. ".repeat(3)}],
    });
    let wasm = wat::parse_str(guest_text(MAP)).unwrap();
    let outcome = verified(&source("map", wasm.clone(), &more)).unwrap();
    assert_eq!(outcome.failure, None);
    let lines: Vec<&str> = outcome.output.lines().collect();
    assert_eq!(lines.len(), 64);
    assert!(lines.iter().filter(|line| **line != "0").count() > 40);
    let world = World::new();
    world.file("map.wasm", wasm);
    let mission = world.descriptor("map.json", &json!({"file": "map.wasm"}), &more);
    verified_by_command(&world, &mission);

    // With other input another memory: the digest sees it.
    let other = json!({"steps": [{"id": "only", "input": "Another."}]});
    let wasm = std::fs::read(world.path().join("map.wasm")).unwrap();
    let other = verified(&source("map", wasm, &other)).unwrap();
    assert_ne!(other.memory_sha256, outcome.memory_sha256);
}
