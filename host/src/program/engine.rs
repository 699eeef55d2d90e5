//! The engine: applies and names every setting that a guest could observe, in one place. The
//! resulting list is the engine's identity, recorded with every run. Never applies such a setting
//! that is not in the list.

use std::fmt::Write as _;
use std::hash::{Hash, Hasher};

use anyhow::{Context as _, Result};
use coo_kernel::form::digest::Digest;
use coo_kernel::mission::descriptor::EngineSettings;
use serde::{Deserialize, Serialize};
use sha2::Digest as _;
use wasmtime::{Config, Engine, OperatorCost, OptLevel, WasmFeatures};

use crate::machine;

/// The engine's release; a test compares it with `Cargo.lock`.
pub const WASMTIME_VERSION: &str = "48.0.8";
/// Bytes of native stack that a guest may use. Fixed, so that a deep recursion ends at the same
/// depth in every run of one build. Eight times wasmtime's default: the parsers and printers of an
/// interpreter recurse in WebAssembly as deeply as the data of its scripts.
pub const WASM_STACK_BYTES: usize = 8 << 20;
/// Bytes of stack that every host call has, however much the guest has used of its own. `SQLite`
/// recurses there, and at its limits (`world::bounds`) needs less than an eighth of it. Only
/// touched pages take memory.
pub const HOST_STACK_BYTES: usize = 8 << 20;
/// Guest and host share one stack; the engine limits the guest to its part.
const FIBER_STACK_BYTES: usize = WASM_STACK_BYTES + HOST_STACK_BYTES;
/// With less address space than this many bytes, a process can't reserve 4 GiB for each memory of a
/// program that has several.
const ADDRESSES_MIN: u64 = 64 << 30;
/// Guard size in the checked layout, where the guard only covers small offsets.
const CHECKED_GUARD_BYTES: u64 = 64 << 10;
/// Bytes that a memory can grow in the checked layout before it must move.
const CHECKED_GROWTH_BYTES: u64 = 16 << 20;
/// Fuel between two checks of the wall clock: some ten milliseconds of guest code.
pub const FUEL_SLICE: u64 = 10_000_000;
/// Fuel for one page of linear memory: zeroing its 64 KiB costs more than any other operator.
const MEMORY_GROW_FUEL_PER_PAGE: u8 = 255;
/// Fuel for a division or a square root, which take a processor some ten times as long as a sum.
const DIVISION_FUEL: u8 = 8;
/// Fuel for a call, which saves registers, looks at the stack's end and writes the fuel down.
const CALL_FUEL: u8 = 4;
/// Fuel for a call through a table, which also compares types.
const CALL_INDIRECT_FUEL: u8 = 6;

/// WebAssembly features that a module may use. Off are features that share memory or schedule
/// threads, references to host objects (there are none), and proposals that are not settled.
pub const FEATURES: WasmFeatures = WasmFeatures::WASM2
    .difference(WasmFeatures::GC_TYPES)
    .union(WasmFeatures::MULTI_MEMORY)
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::RELAXED_SIMD)
    .union(WasmFeatures::COMPONENT_MODEL);

/// An engine and what identifies it.
#[derive(Clone)]
pub struct Sandbox {
    pub engine: Engine,
    /// Release and settings, one `name=value` per line.
    pub identity: String,
    /// SHA-256 of `identity`: runs of equal identity burn equal fuel.
    pub identity_sha256: Digest,
    /// Key of compiled code: identity, processor features and compiler.
    pub code_key: Digest,
}

/// Applies settings to a `Config` and appends each one to the identity.
macro_rules! settings {
    ($config:ident, $identity:ident, $($name:ident($value:expr);)*) => {$(
        $config.$name($value);
        let _ = writeln!($identity, concat!(stringify!($name), "={}"), Shown(&$value));
    )*};
}

/// Writes a setting's value as in the identity.
struct Shown<'a, T>(&'a T);

impl<T: std::fmt::Debug> std::fmt::Display for Shown<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// Builds the engine for the settings that a descriptor may choose.
pub fn build(settings: EngineSettings) -> Result<Sandbox> {
    build_with(settings, OptLevel::Speed)
}

/// How compiled code finds a guest's memory. A guest can't observe it, and it is not part of the
/// engine's identity; code of one layout does not run under the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// Reserves 4 GiB of addresses for each memory, so that no access needs a check.
    Reserved,
    /// Takes only the addresses that a memory uses, and checks every access: for a process with
    /// little address space (`ulimit -v`, a container).
    Checked,
}

impl Layout {
    /// Returns the fastest layout that this process has address space for.
    #[must_use]
    pub fn of_process() -> Self {
        match machine::address_space_bytes() {
            Some(bytes) if bytes < ADDRESSES_MIN => Self::Checked,
            _ => Self::Reserved,
        }
    }
}

/// Builds the engine like `build`, for one layout. With `digest_memory`, memories are kept at a
/// trap, so that their digest can be taken. The compiler of a module and the runner of its code
/// must pass the same arguments.
pub fn build_for(settings: EngineSettings, digest_memory: bool, layout: Layout) -> Result<Sandbox> {
    build_tuned(settings, |config| {
        config.coredump_on_trap(digest_memory);
        if layout == Layout::Checked {
            config.memory_reservation(0);
            config.memory_guard_size(CHECKED_GUARD_BYTES);
            config.memory_reservation_for_growth(CHECKED_GROWTH_BYTES);
        }
    })
}

/// Builds the engine like `build`, at another optimisation level. Tests show that fuel and results
/// stay the same.
pub fn build_with(settings: EngineSettings, optimisation: OptLevel) -> Result<Sandbox> {
    build_tuned(settings, |config| {
        config.cranelift_opt_level(optimisation);
    })
}

/// Builds the engine like `build`, and applies `tune` to settings that a guest can't observe: code
/// optimisation, memory layout and allocation. They are not part of the identity.
pub fn build_tuned(settings: EngineSettings, tune: impl FnOnce(&mut Config)) -> Result<Sandbox> {
    let mut config = Config::new();
    let mut identity = format!("wasmtime={WASMTIME_VERSION}\n");
    settings! { config, identity,
        concurrency_support(false);
        consume_fuel(true);
        cranelift_nan_canonicalization(settings.canonical_nan);
        max_wasm_stack(WASM_STACK_BYTES);
        // Data segments mapped copy-on-write cost no fuel, but copied ones do, and where they can't
        // be mapped (another system, a kernel that refuses memfd) they are copied. So copy them
        // always.
        memory_init_cow(false);
        relaxed_simd_deterministic(true);
        shared_memory(false);
    }
    config.wasm_features(WasmFeatures::all(), false);
    config.wasm_features(FEATURES, true);
    for (name, flag) in FEATURES.iter_names() {
        let _ = flag;
        let _ = writeln!(identity, "feature={}", name.to_ascii_lowercase());
    }
    config.operator_cost(operator_cost());
    let _ = writeln!(
        identity,
        "operator_cost={}",
        Digest::of(format!("{:?}", operator_cost()))
    );

    // A guest can't observe the settings from here on.
    config.async_stack_size(FIBER_STACK_BYTES);
    config.wasm_backtrace_max_frames(std::num::NonZeroUsize::new(20));
    tune(&mut config);

    let engine = Engine::new(&config)
        .map_err(anyhow::Error::from)
        .context("engine: can't be built")?;
    let mut hasher = Sha256Hasher::default();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    let identity_sha256 = Digest::of(&identity);
    let code_key = Digest::of_parts([
        identity_sha256.as_bytes().as_slice(),
        hasher.digest().as_bytes(),
    ]);
    Ok(Sandbox {
        engine,
        identity,
        identity_sha256,
        code_key,
    })
}

/// Returns the fuel prices: 1 for an operator, and more where it takes a processor longer. Operators
/// that become no machine code (`block`, `loop`, `end`, `nop`, …) are free: an interpreter's dispatch
/// stands in hundreds of them. What a guest could execute without end has a price, since every way back
/// or down is a branch or a call; what could only take long to compile is bounded by
/// `program/structure.rs`. An operator over a range costs one more for each byte or element.
fn operator_cost() -> OperatorCost {
    let mut cost = OperatorCost::new();
    for division in [
        &mut cost.I32DivS,
        &mut cost.I32DivU,
        &mut cost.I32RemS,
        &mut cost.I32RemU,
        &mut cost.I64DivS,
        &mut cost.I64DivU,
        &mut cost.I64RemS,
        &mut cost.I64RemU,
        &mut cost.F32Div,
        &mut cost.F64Div,
        &mut cost.F32x4Div,
        &mut cost.F64x2Div,
        &mut cost.F32Sqrt,
        &mut cost.F64Sqrt,
        &mut cost.F32x4Sqrt,
        &mut cost.F64x2Sqrt,
    ] {
        *division = DIVISION_FUEL;
    }
    cost.Call = CALL_FUEL;
    cost.ReturnCall = CALL_FUEL;
    cost.CallIndirect = CALL_INDIRECT_FUEL;
    cost.ReturnCallIndirect = CALL_INDIRECT_FUEL;
    cost.variable.memory_grow_per_page = MEMORY_GROW_FUEL_PER_PAGE;
    cost
}

/// Feeds `Hash` into SHA-256, because `std`'s own hasher may change between releases.
#[derive(Default)]
struct Sha256Hasher(sha2::Sha256);

impl Sha256Hasher {
    fn digest(self) -> Digest {
        Digest::from_bytes(self.0.finalize().into())
    }
}

impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        // Unused: `digest` returns the whole hash.
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The documented list (docs/determinism.md). A change here changes the engine identity of
    /// every recorded run: note it in CHANGELOG.md.
    #[test]
    fn the_engine_is_configured_as_documented() {
        let identity = build(EngineSettings::default()).unwrap().identity;
        let cost = format!(
            "operator_cost={}",
            Digest::of(format!("{:?}", operator_cost()))
        );
        let expected = [
            "wasmtime=48.0.8",
            "concurrency_support=false",
            "consume_fuel=true",
            "cranelift_nan_canonicalization=true",
            "max_wasm_stack=8388608",
            "memory_init_cow=false",
            "relaxed_simd_deterministic=true",
            "shared_memory=false",
        ];
        for line in expected.iter().copied().chain([cost.as_str()]) {
            assert!(
                identity.lines().any(|found| found == line),
                "{line} not in\n{identity}"
            );
        }
        for off in [
            "threads",
            "shared_everything_threads",
            "stack_switching",
            "gc",
            "cm_async",
            "cm_threading",
            "memory64",
        ] {
            assert!(
                !identity
                    .lines()
                    .any(|line| line == format!("feature={off}")),
                "{off} is on"
            );
        }
        let documented = include_str!("../../../docs/determinism.md");
        for line in identity
            .lines()
            .filter(|line| !line.starts_with("operator_cost"))
        {
            assert!(
                documented.contains(line),
                "docs/determinism.md does not list {line}"
            );
        }
    }

    #[test]
    fn only_operators_without_machine_code_are_free() {
        let text = format!("{:?}", operator_cost());
        let free: Vec<&str> = text
            .split(['{', ','])
            .filter_map(|field| field.trim().strip_suffix(": 0"))
            .collect();
        assert_eq!(
            free,
            [
                "Unreachable",
                "Nop",
                "Block",
                "Loop",
                "Else",
                "End",
                "Return",
                "Drop"
            ]
        );
    }

    #[test]
    fn the_version_is_the_locked_one() {
        let lock = include_str!("../../../Cargo.lock");
        let line = format!("name = \"wasmtime\"\nversion = \"{WASMTIME_VERSION}\"");
        assert!(
            lock.contains(&line),
            "Cargo.lock has another wasmtime than {WASMTIME_VERSION}"
        );
    }

    #[test]
    fn settings_that_a_guest_can_observe_change_the_identity() {
        let canonical = build(EngineSettings {
            canonical_nan: true,
        })
        .unwrap();
        let raw = build(EngineSettings {
            canonical_nan: false,
        })
        .unwrap();
        assert_ne!(canonical.identity_sha256, raw.identity_sha256);
        assert_ne!(canonical.code_key, raw.code_key);
    }
}
