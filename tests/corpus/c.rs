//! Programs in C, compiled here and verified: what programs in other languages stand on is
//! libc, and it is libc that asks for clocks, random numbers and memory. The compiler is
//! nothing that the README's commands set up, so the test is run by `.ci/run`, which gets one
//! and names it in `COO_TEST_CLANG`.

use std::process::Command;

use serde_json::{Value, json};

use super::missions::verified_by_command;
use super::verified::{Outcome, source, verified};
use crate::support::World;

const NAN: &str = "\
0/0        7ff8000000000000
inf-inf    7ff8000000000000
inf*0      7ff8000000000000
sqrt(-1)   7ff8000000000000
log(-1)    7ff8000000000000
fmod(1,0)  7ff8000000000000
acos(2)    7ff8000000000000
pow        7ff8000000000000
carried    fff4000000000123
carried+1  7ff8000000000000
fabs       7ff4000000000123
-          7ff4000000000123
0f/0f      7fc00000
narrowed   7fc00000
widened    7ff8000000000000
strtod     7ff8000000000000
memcmp 0
sum 0.91513931882443711
";

const WORLD: &str = "\
argument 0: mission.wasm
argument 1: -x
argument 2: two words
environment: LANG=nowhere
environment: SECRET=none
wall 1735689600.000000000
monotonic 0.000000001
nanosleep 0
wall 1735689690.000000500
monotonic 90.000000501
time 2025-01-01 00:01:30
getentropy 0 84 e6 e1 b5 03 1d c0 7d
input: 4 bytes: one
input: 3 bytes: two
end of input 1
file not opened
";

/// Compiles `tests/corpus/c/NAME.c` and verifies it, with everything a descriptor can give.
fn c(name: &str) -> Outcome {
    let world = World::new();
    let clang =
        coo::inside::machine::env_text("COO_TEST_CLANG").expect("COO_TEST_CLANG names a clang");
    let program = world.path().join("program.wasm");
    let compiled = Command::new(clang)
        .args([
            "--target=wasm32-wasi",
            "-O2",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-o",
        ])
        .arg(&program)
        .arg(format!(
            "{}/../tests/corpus/c/{name}.c",
            env!("CARGO_MANIFEST_DIR")
        ))
        .output()
        .unwrap();
    assert!(compiled.status.success(), "{compiled:?}");
    let more: Value = json!({
        "arguments": ["-x", "two words"],
        "environment": {"SECRET": "none", "LANG": "nowhere"},
        "steps": [{"id": "only", "input": "one\ntwo"}],
    });
    let descriptor = world.descriptor("mission.json", &json!({"file": "program.wasm"}), &more);
    verified_by_command(&world, &descriptor);
    let outcome = verified(&source(name, std::fs::read(&program).unwrap(), &more)).unwrap();
    assert_eq!(outcome.failure, None, "{name}: {outcome:?}");
    outcome
}

#[test]
#[ignore = "needs COO_TEST_CLANG: a clang with wasi-libc; .ci/run gets one where it can"]
fn programs_in_c_are_the_same_every_time() {
    assert_eq!(c("nan").output, NAN);
    assert_eq!(
        c("sort").output,
        "sorted 5000, order 11114c90\nackermann(2, 100) = 203\n"
    );

    let world = c("world");
    assert_eq!(world.output, WORLD);
    assert_eq!(world.stderr, "said on standard error\n");

    // Where malloc puts things is its own business; that it is the same every time is ours.
    let map = c("map").output;
    let (seed, numbers) = map.split_once('\n').unwrap();
    assert_eq!(seed, "seed b5e1e684", "the first four random bytes");
    let mut numbers: Vec<u32> = numbers
        .split_whitespace()
        .map(|number| number.parse().unwrap())
        .collect();
    assert!(!numbers.is_sorted(), "the map's order");
    numbers.sort_unstable();
    assert_eq!(numbers, (0..40).collect::<Vec<u32>>());
}
