//! Failures of the machine (no time, no memory) interrupt a run and are never put down to the
//! guest: nothing of them is on record as an end, and the run can be resumed.

use insta::assert_snapshot;
use serde_json::json;

use crate::support::{Ran, World, guest_text, ran, shown};

/// Imports that the prelude has not.
fn guest(body: &str) -> String {
    guest_text(body).replacen(
        "(module\n",
        r#"(module
          (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "sched_yield" (func $sched_yield (result i32)))
        "#,
        1,
    )
}

/// The ceiling of a new root would end the guest before its time.
fn without_ceiling(world: &World) {
    for arguments in [
        &["init"][..],
        &["config", "set", "governance.ceiling", "{}"],
    ] {
        assert_eq!(world.coo(arguments).code, 0);
    }
}

/// Runs `loop.json` until its time is over; nothing but its beginning is on record. Gives what
/// was printed, without the fuel, which the clock decides.
fn interrupted(world: &World) -> String {
    let Ran {
        stdout,
        stderr,
        code,
    } = world.coo(&["run", "loop.json", "--timeout", "1"]);
    let mission = world.json(&["mission", "MISSION-000001"]);
    assert_eq!(mission["status"], "INTERRUPTED", "{stderr}");
    assert_eq!(mission["timeline"], json!(["INIT", "CAPTURE_ENV", "RUN"]));
    let (until, after) = stderr.split_once(" fuel").expect("no summary line");
    let until = until.trim_end_matches(|c: char| c.is_ascii_digit());
    let stderr = format!("{until}<n> fuel{after}");
    let ran = Ran {
        stdout,
        stderr,
        code,
    };
    shown("run loop.json --timeout 1", &ran)
}

#[test]
fn a_loop_over_cheap_host_calls_ends_with_its_time() {
    let mut said = String::new();
    for call in [
        "(call $environ_sizes_get (i32.const 200) (i32.const 204))",
        "(call $environ_get (i32.const 1024) (i32.const 65536))",
        "(call $random_get (i32.const 65536) (i32.const 4000000))",
        "(call $sched_yield)",
        "(call $clock_time_get (i32.const 1) (i64.const 1) (i32.const 16))",
    ] {
        let world = World::new();
        world.wasm(
            "loop.wasm",
            &guest(&format!(
                r#"(func (export "_start") (drop (memory.grow (i32.const 100))) (loop $l (drop {call}) (br $l)))"#
            )),
        );
        let more = json!({
            "environment": {"LARGE": "x".repeat(3_900_000)},
            "limits": {"host_bytes": 1_u64 << 60, "fuel": 1_u64 << 60},
        });
        world.descriptor("loop.json", &json!({"file": "loop.wasm"}), &more);
        without_ceiling(&world);
        // The watch of the machine: many times what it may take, and far less than it took.
        let watch = coo::inside::machine::Stopwatch::start();
        said += &interrupted(&world);
        assert!(
            watch.elapsed().as_secs() < 60,
            "{call}: {:?}",
            watch.elapsed()
        );
    }
    assert_snapshot!(said, @"
    $ coo run loop.json --timeout 1
    --- standard error
    [coo] MISSION-000001 INTERRUPTED: 5 events, <n> fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: guest: still running after 1 s of real time, which is the limit
    hint: give --timeout SECONDS if it needs more
    hint: 'coo resume MISSION-000001' continues where it stopped
    --- exit 5
    $ coo run loop.json --timeout 1
    --- standard error
    [coo] MISSION-000001 INTERRUPTED: 5 events, <n> fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: guest: still running after 1 s of real time, which is the limit
    hint: give --timeout SECONDS if it needs more
    hint: 'coo resume MISSION-000001' continues where it stopped
    --- exit 5
    $ coo run loop.json --timeout 1
    --- standard error
    [coo] MISSION-000001 INTERRUPTED: 5 events, <n> fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: guest: still running after 1 s of real time, which is the limit
    hint: give --timeout SECONDS if it needs more
    hint: 'coo resume MISSION-000001' continues where it stopped
    --- exit 5
    $ coo run loop.json --timeout 1
    --- standard error
    [coo] MISSION-000001 INTERRUPTED: 5 events, <n> fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: guest: still running after 1 s of real time, which is the limit
    hint: give --timeout SECONDS if it needs more
    hint: 'coo resume MISSION-000001' continues where it stopped
    --- exit 5
    $ coo run loop.json --timeout 1
    --- standard error
    [coo] MISSION-000001 INTERRUPTED: 5 events, <n> fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: guest: still running after 1 s of real time, which is the limit
    hint: give --timeout SECONDS if it needs more
    hint: 'coo resume MISSION-000001' continues where it stopped
    --- exit 5
    ");
}

#[test]
fn the_same_of_a_component() {
    let world = World::new();
    without_ceiling(&world);
    world.wasm(
        "loop.wasm",
        r#"(component
             (import "wasi:cli/environment@0.2.0" (instance $environment
               (export "get-environment" (func (result (list (tuple string string)))))))
             (core module $memory (memory (export "memory") 100)
               (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096)))
             (core instance $memory (instantiate $memory))
             (core func $get (canon lower (func $environment "get-environment")
               (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
             (core module $m
               (import "host" "get" (func $get (param i32)))
               (func (export "run") (result i32) (loop $l (call $get (i32.const 0)) (br $l)) (i32.const 0)))
             (core instance $i (instantiate $m (with "host" (instance (export "get" (func $get))))))
             (func $run (result (result)) (canon lift (core func $i "run")))
             (instance $e (export "run" (func $run)))
             (export "wasi:cli/run@0.2.0" (instance $e)))"#,
    );
    let more = |host_bytes: u64| {
        json!({
            "environment": {"LARGE": "x".repeat(3_900_000)},
            "limits": {"host_bytes": host_bytes},
        })
    };
    world.descriptor("loop.json", &json!({"file": "loop.wasm"}), &more(1 << 60));
    assert_snapshot!(interrupted(&world), @"
    $ coo run loop.json --timeout 1
    --- standard error
    [coo] MISSION-000001 INTERRUPTED: 5 events, <n> fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: guest: still running after 1 s of real time, which is the limit
    hint: give --timeout SECONDS if it needs more
    hint: 'coo resume MISSION-000001' continues where it stopped
    --- exit 5
    ");
    // What it is handed is charged.
    world.descriptor(
        "loop.json",
        &json!({"file": "loop.wasm"}),
        &more(10_000_000),
    );
    let ran = world.coo(&["run", "loop.json"]);
    assert_snapshot!(shown("run loop.json", &ran), @"
    $ coo run loop.json
    --- standard error
    [coo] MISSION-000002 FAILED: 7 events, 30 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000002: limit hit: host_bytes 11700021 wanted, limit 10000000
    hint: raise limits.host_bytes if the mission needs more
    hint: 'coo logs MISSION-000002' shows how it got there
    --- exit 1
    ");
}

#[test]
fn what_arguments_variables_and_chance_hand_over_is_charged() {
    let world = World::new();
    let mut said = String::new();
    for (call, bytes) in [
        ("(call $args_get (i32.const 1024) (i32.const 2048))", 13 + 6),
        ("(call $environ_get (i32.const 1024) (i32.const 2048))", 7),
        ("(call $random_get (i32.const 1024) (i32.const 1000))", 1000),
    ] {
        world.wasm(
            "charged.wasm",
            &guest(&format!(r#"(func (export "_start") (drop {call}))"#)),
        );
        let run = |limit: u64| {
            let more = json!({
                "arguments": ["apple"], "environment": {"A": "four"}, "limits": {"host_bytes": limit},
            });
            world.descriptor("charged.json", &json!({"file": "charged.wasm"}), &more);
            world.coo(&["run", "charged.json"])
        };
        assert_eq!(run(bytes).code, 0, "{call}");
        said += &shown(&format!("run charged.json # {call}"), &run(bytes - 1));
    }
    assert_snapshot!(said, @"
    $ coo run charged.json # (call $args_get (i32.const 1024) (i32.const 2048))
    --- standard error
    [coo] MISSION-000002 FAILED: 7 events, 7 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000002: limit hit: host_bytes 19 wanted, limit 18
    hint: raise limits.host_bytes if the mission needs more
    hint: 'coo logs MISSION-000002' shows how it got there
    --- exit 1
    $ coo run charged.json # (call $environ_get (i32.const 1024) (i32.const 2048))
    --- standard error
    [coo] MISSION-000004 FAILED: 7 events, 7 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000004: limit hit: host_bytes 7 wanted, limit 6
    hint: raise limits.host_bytes if the mission needs more
    hint: 'coo logs MISSION-000004' shows how it got there
    --- exit 1
    $ coo run charged.json # (call $random_get (i32.const 1024) (i32.const 1000))
    --- standard error
    [coo] MISSION-000006 FAILED: 7 events, 7 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000006: limit hit: host_bytes 1000 wanted, limit 999
    hint: raise limits.host_bytes if the mission needs more
    hint: 'coo logs MISSION-000006' shows how it got there
    --- exit 1
    ");
}

/// The program `coo ARGS` with so many KiB of address space.
fn cramped(world: &World, kib: u64, arguments: &str) -> std::process::Output {
    let coo = env!("CARGO_BIN_EXE_coo");
    let line = format!("ulimit -v {kib}; ulimit -c 0; exec {coo} {arguments}");
    world.program("/bin/sh", &["-c", &line]).output().unwrap()
}

#[test]
fn a_machine_without_memory_interrupts_and_is_never_the_guests_fault() {
    let world = World::new();
    world.guest(
        "p.wasm",
        r#"(func (export "_start") (drop (memory.grow (i32.const 2000))) (call $print (i64.const 3)))"#,
    );
    // So that what needs memory is the guest and not the compiler, which makes other code where
    // there are few addresses.
    for arguments in ["run p.wasm", "run triage --frozen"] {
        let output = cramped(&world, 4_000_000, arguments);
        assert!(output.status.success(), "{output:?}");
    }
    let mut interrupted = Vec::new();
    for kib in (6..=36).map(|step| step * 25_000) {
        for mission in ["p.wasm", "triage --frozen"] {
            let output = cramped(&world, kib, &format!("run {mission}"));
            // Whether there is memory enough to begin is the machine's to say; a process that
            // gets none from the allocator is ended by it.
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(
                !output.status.success() || !said.contains("ERROR"),
                "{said}"
            );
            if said.contains("machine: ") {
                interrupted.push((kib, said));
            }
        }
    }
    assert!(!interrupted.is_empty(), "no step was too small for a guest");
    let missions = world.list(&["missions"]);
    let mut resumed = 0;
    for mission in missions.as_array().unwrap() {
        assert_ne!(mission["status"], "FAILED", "{mission} {interrupted:?}");
        if mission["status"] == "INTERRUPTED" {
            let id = mission["id"].as_str().unwrap();
            let resume = world.coo(&["resume", id]);
            assert_eq!(resume.code, 0, "{resume:?}");
            let replay = world.coo(&["replay", id]);
            assert_eq!(replay.code, 0, "{replay:?}");
            resumed += 1;
        }
    }
    assert!(resumed > 0, "{missions}");
}

#[test]
fn memory_that_can_not_be_had_later_interrupts_too() {
    // The guest starts, and then asks for more than the process may have.
    let world = World::new();
    world.guest(
        "grow.wasm",
        r#"(func (export "_start") (loop $l
             (if (i32.eq (memory.grow (i32.const 64)) (i32.const -1)) (then (call $proc_exit (i32.const 99))))
             (br_if $l (i32.lt_u (memory.size) (i32.const 8000))))
           (memory.fill (i32.const 65536) (i32.const 1) (i32.const 520000000)))"#,
    );
    world.descriptor(
        "grow.json",
        &json!({"file": "grow.wasm"}),
        &json!({"limits": {"memory_bytes": 1 << 30}}),
    );
    let whole = ran(world.command(&["run", "grow.json"]).output().unwrap());
    assert_eq!(whole.code, 0, "{whole:?}");
    for kib in [600_000_u64, 800_000, 1_000_000, 1_300_000] {
        let _ = cramped(&world, kib, "run grow.json");
    }
    for mission in world.list(&["missions"]).as_array().unwrap() {
        assert_ne!(mission["status"], "FAILED", "{mission}");
    }
}
