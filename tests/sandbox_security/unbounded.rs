//! Modules that never end or grow without bound: each is stopped at its bound, with its own reason, and at
//! the same point every time.

use insta::assert_snapshot;
use serde_json::json;

use super::assert_fails;
use crate::support::{World, shown, steady};

#[test]
fn an_endless_loop_ends_by_fuel() {
    let world = World::new();
    let ran = world.run_guest(
        r#"(func (export "_start") (loop $l (br $l)))"#,
        &json!({"fuel": 1_000_000}),
    );
    assert_fails(&world, &ran);
    assert_snapshot!(shown("run guest.json", &ran), @"
    $ coo run guest.json
    --- standard error
    [coo] MISSION-000001 FAILED: 7 events, 1000000 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: fuel exhausted: all 1000000 units used
    hint: raise limits.fuel if the mission needs more
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    ");
}

#[test]
fn an_endless_loop_before_the_start_ends_by_fuel() {
    let world = World::new();
    let body = r#"(func $spin (loop $l (br $l))) (start $spin) (func (export "_start"))"#;
    let ran = world.run_guest(body, &json!({"fuel": 1_000_000}));
    assert_fails(&world, &ran);
    assert_snapshot!(shown("run guest.json", &ran), @"
    $ coo run guest.json
    --- standard error
    [coo] MISSION-000001 FAILED: 7 events, 1000000 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: fuel exhausted: all 1000000 units used
    hint: raise limits.fuel if the mission needs more
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    ");
}

#[test]
fn a_memory_bomb_ends_by_limit() {
    let world = World::new();
    let body = r#"(func (export "_start") (loop $l (drop (memory.grow (i32.const 16))) (br $l)))"#;
    let ran = world.run_guest(body, &json!({"memory_bytes": 8 << 20}));
    assert_fails(&world, &ran);
    assert_snapshot!(shown("run guest.json", &ran), @"
    $ coo run guest.json
    --- standard error
    [coo] MISSION-000001 FAILED: 7 events, 0 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: limit hit: memory_bytes 8454144 wanted, limit 8388608
    hint: raise limits.memory_bytes if the mission needs more
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    ");
    // Declared and not grown to: the same bound.
    world.wasm(
        "big.wasm",
        r#"(module (memory (export "memory") 1000) (func (export "_start")))"#,
    );
    world.descriptor(
        "big.json",
        &json!({"file": "big.wasm"}),
        &json!({"limits": {"memory_bytes": 1 << 20}}),
    );
    let ran = world.coo(&["run", "big.json"]);
    assert_fails(&world, &ran);
    assert_snapshot!(shown("run big.json", &ran), @"
    $ coo run big.json
    --- standard error
    [coo] MISSION-000002 FAILED: 7 events, 0 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000002: limit hit: memory_bytes 65536000 wanted, limit 1048576
    hint: raise limits.memory_bytes if the mission needs more
    hint: 'coo logs MISSION-000002' shows how it got there
    --- exit 1
    ");
}

#[test]
fn a_table_bomb_ends_by_limit() {
    let world = World::new();
    let body = r#"
      (table $t 1 funcref)
      (func (export "_start") (loop $l (drop (table.grow $t (ref.null func) (i32.const 1000))) (br $l)))
    "#;
    let ran = world.run_guest(body, &json!({"table_elements": 100_000}));
    assert_fails(&world, &ran);
    assert_snapshot!(shown("run guest.json", &ran), @"
    $ coo run guest.json
    --- standard error
    [coo] MISSION-000001 FAILED: 7 events, 0 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: limit hit: table_elements 100001 wanted, limit 100000
    hint: raise limits.table_elements if the mission needs more
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    ");
}

#[test]
fn endless_output_ends_by_limit() {
    let world = World::new();
    let body = r#"(func (export "_start") (loop $l (call $write (i32.const 1024) (i32.const 60000)) (br $l)))"#;
    let ran = world.run_guest(body, &json!({"output_bytes": 1_000_000}));
    assert_fails(&world, &ran);
    assert_snapshot!(steady(&ran.stderr), @"
    [coo] MISSION-000001 FAILED: 7 events, 374 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: limit hit: output_bytes 1000960 wanted, limit 1000000
    hint: raise limits.output_bytes if the mission needs more
    hint: 'coo logs MISSION-000001' shows how it got there
    ");
    // What was said until then is shown, and no byte beyond the limit.
    assert!(ran.stdout.len() <= 1_000_000, "{}", ran.stdout.len());
}

#[test]
fn endless_traffic_with_the_host_ends_by_limit() {
    let world = World::new();
    let body = r#"
      (func (export "_start")
        (loop $l (drop (call $random_get (i32.const 1024) (i32.const 60000))) (br $l)))
    "#;
    let ran = world.run_guest(body, &json!({"host_bytes": 1_000_000}));
    assert_fails(&world, &ran);
    assert_snapshot!(shown("run guest.json", &ran), @"
    $ coo run guest.json
    --- standard error
    [coo] MISSION-000001 FAILED: 7 events, 119 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: limit hit: host_bytes 1020000 wanted, limit 1000000
    hint: raise limits.host_bytes if the mission needs more
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    ");
}
