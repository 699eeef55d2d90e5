//! Generated modules: wasm-smith turns bytes of a fixed stream into valid modules of every
//! feature the sandbox has, and each becomes a program that calls all that the module
//! exports. Most do nothing sensible, and that is the point: nobody thought of them before.

use arbitrary::Unstructured;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use serde_json::json;
use wasm_encoder::ValType;
use wasm_smith::{Config, InstructionKind, InstructionKinds, Module};

use super::harness::{Act, Const, Core};
use super::verified::{Tally, source, verified};
use crate::support::every;

/// Everything follows from it. Printed, so that a failure names what it takes to see it again.
const SEED: u64 = 0xC0_0C_0D_E5;
const MODULES: u64 = 400;
/// Bytes a module is made from: enough for some ten functions.
const BYTES: usize = 4_000;
const CALLS_MAX: usize = 60;

/// Of every four modules: one of all instructions, one of these that never traps, one of
/// numbers alone (NaN upon NaN), one of control and memory.
fn config(n: u64) -> Config {
    let kinds: &[InstructionKind] = match n % 4 {
        2 => &[
            InstructionKind::Numeric,
            InstructionKind::Vector,
            InstructionKind::Parametric,
            InstructionKind::Variable,
        ],
        3 => &[
            InstructionKind::Numeric,
            InstructionKind::Control,
            InstructionKind::Memory,
            InstructionKind::Table,
            InstructionKind::Variable,
        ],
        _ => &[],
    };
    Config {
        allowed_instructions: if kinds.is_empty() {
            InstructionKinds::all()
        } else {
            InstructionKinds::new(kinds)
        },
        // The engine's work.
        canonicalize_nans: false,
        disallow_traps: matches!(n % 4, 1 | 2),
        // So that all of it can be called and looked at.
        export_everything: true,
        allow_start_export: n.is_multiple_of(8),
        min_funcs: 4,
        max_funcs: 12,
        max_imports: 0,
        max_instructions: 200,
        min_memories: 1,
        max_memories: 3,
        max_memory32_bytes: 1 << 20,
        max_table_elements: 1_000,
        // What the sandbox leaves out. Without objects of the host there is no `externref`,
        // which the generator can't tell from references to functions.
        reference_types_enabled: false,
        exceptions_enabled: false,
        gc_enabled: false,
        memory64_enabled: false,
        threads_enabled: false,
        ..Config::default()
    }
}

/// A value, more often than not one that numbers have trouble with.
fn argument(stream: &mut ChaCha20Rng, ty: ValType) -> Const {
    const F32: [u32; 6] = [
        0x7fc0_0000,
        0xffc1_2345,
        0x7fa0_0001,
        0x8000_0000,
        0xff80_0000,
        1,
    ];
    const F64: [u64; 6] = [
        0x7ff8 << 48,
        0xfff8_0000_dead_beef,
        0x7ff4_0000_0000_0001,
        1 << 63,
        0xfff0 << 48,
        1,
    ];
    let chosen = stream.next_u32() as usize;
    let any = stream.next_u64();
    let low = stream.next_u32();
    match ty {
        ValType::I32 => Const::I32(if chosen.is_multiple_of(2) {
            low
        } else {
            low & 0xff
        }),
        ValType::I64 => Const::I64(if chosen.is_multiple_of(2) {
            any
        } else {
            any & 0xff
        }),
        ValType::F32 => Const::F32(*F32.get(chosen % 9).unwrap_or(&low)),
        ValType::F64 => Const::F64(*F64.get(chosen % 9).unwrap_or(&any)),
        ValType::V128 => Const::V128(u128::from(any) << 64 | u128::from(F64[chosen % 6])),
        ValType::Ref(_) => Const::NullFunc,
    }
}

#[test]
fn generated_modules_are_the_same_every_time() {
    println!("seed {SEED:#x}");
    let mut tally = Tally::default();
    let mut memories = std::collections::BTreeSet::new();
    // By day every third four of them: one of each kind.
    let part = every(3);
    for n in (0..MODULES).filter(|n| (n / 4).is_multiple_of(part as u64)) {
        let mut stream = ChaCha20Rng::seed_from_u64(SEED + n);
        let mut bytes = vec![0; BYTES];
        stream.fill_bytes(&mut bytes);
        let module = Module::new(config(n), &mut Unstructured::new(&bytes)).unwrap();
        let core =
            Core::read(&module.to_bytes()).unwrap_or_else(|reason| panic!("module {n}: {reason}"));
        let acts: Vec<Act> = core
            .exported()
            .into_iter()
            .map(|what| Act {
                what,
                arguments: core
                    .parameters(what)
                    .into_iter()
                    .map(|ty| argument(&mut stream, ty))
                    .collect(),
                expected: None,
            })
            .take(CALLS_MAX)
            .collect();
        let limits = json!({"limits": {"fuel": 2_000_000, "memory_bytes": 16 << 20}});
        let source = source(&format!("module {n}"), core.program(&acts), &limits);
        let outcome = verified(&source).unwrap_or_else(|error| panic!("module {n}: {error:#}"));
        memories.insert(outcome.memory_sha256.clone());
        tally.count(outcome.end());
        tally.add(
            "fuel (all together)",
            usize::try_from(outcome.fuel).unwrap(),
        );
        tally.add("things called or read", acts.len());
    }
    tally.add("different memories at the end", memories.len());
    tally.print("generated modules");
    // A corpus of which everything ended in the first instruction would pass as well.
    assert!(tally.of("returned") >= 60 / part, "{tally:?}");
    assert!(tally.of("trap: ") >= 60 / part, "{tally:?}");
    assert!(tally.of("out of fuel") >= 10 / part, "{tally:?}");
    assert!(memories.len() >= 100 / part, "{tally:?}");
}
