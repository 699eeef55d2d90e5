//! The engine: every setting that a guest could observe, applied and named in one place.
//! The list it leaves behind is the engine's identity, recorded with every run; nothing is
//! configured that is not in the list.

use std::fmt::Write as _;
use std::hash::{Hash, Hasher};

use anyhow::{Context as _, Result};
use coo_kernel::form::digest::Digest;
use coo_kernel::mission::descriptor::EngineSettings;
use serde::{Deserialize, Serialize};
use sha2::Digest as _;
use wasmtime::{Config, Engine, OperatorCost, OptLevel, WasmFeatures};

use crate::machine;

/// The engine's release; a test holds it to `Cargo.lock`.
pub const WASMTIME_VERSION: &str = "48.0.8";
/// Native stack a guest may use. Fixed, so that a deep recursion ends at the same depth in
/// every run of one build.
pub const WASM_STACK_BYTES: usize = 1 << 20;
/// Stack that a host call has whatever the guest has used of its own: `SQLite` recurses there, and
/// needs less than an eighth of it at the limits it is given (`world::bounds`). Memory is taken
/// where it is touched.
pub const HOST_STACK_BYTES: usize = 8 << 20;
/// Both: they are one stack, of which the engine lets a guest have no more than its part.
const FIBER_STACK_BYTES: usize = WASM_STACK_BYTES + HOST_STACK_BYTES;
/// Below this many bytes of address space a process can't set 4 GiB aside for each memory of a
/// program that has several.
const ADDRESSES_MIN: u64 = 64 << 30;
/// Where accesses are checked, nothing but small offsets is left to the guard.
const CHECKED_GUARD_BYTES: u64 = 64 << 10;
/// Where accesses are checked, a memory can grow so far before it has to move.
const CHECKED_GROWTH_BYTES: u64 = 16 << 20;
/// Fuel between two looks at the wall clock: some ten milliseconds of guest code.
pub const FUEL_SLICE: u64 = 10_000_000;
/// A page of linear memory is 64 KiB to be zeroed: dearer than any other single operator.
const MEMORY_GROW_FUEL_PER_PAGE: u8 = 255;

/// WebAssembly features a module may use. Off: everything that shares memory or schedules
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
    /// For wasmtime.
    pub engine: Engine,
    /// Release and settings, one `name=value` a line.
    pub identity: String,
    /// SHA-256 of `identity`: runs of equal identity burn equal fuel.
    pub identity_sha256: Digest,
    /// Key of compiled code: identity, processor features and compiler.
    pub code_key: Digest,
}

/// Applies settings to a `Config` and writes down each one it applied.
macro_rules! settings {
    ($config:ident, $identity:ident, $($name:ident($value:expr);)*) => {$(
        $config.$name($value);
        let _ = writeln!($identity, concat!(stringify!($name), "={}"), Shown(&$value));
    )*};
}

/// How a setting's value is written in the identity.
struct Shown<'a, T>(&'a T);

impl<T: std::fmt::Debug> std::fmt::Display for Shown<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// The one engine there is, for the settings a descriptor may choose.
pub fn build(settings: EngineSettings) -> Result<Sandbox> {
    build_with(settings, OptLevel::Speed)
}

/// How compiled code finds a guest's memory. No guest can observe it, and it is no part of the
/// engine's identity; code of one layout does not run under the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// 4 GiB of addresses are set aside for each memory, so that no access has to be checked.
    Reserved,
    /// A memory has the addresses that it uses, and every access is checked: for a process that
    /// may take few of them (`ulimit -v`, a container).
    Checked,
}

impl Layout {
    /// The fastest that this process has addresses for.
    #[must_use]
    pub fn of_process() -> Self {
        match machine::address_space_bytes() {
            Some(bytes) if bytes < ADDRESSES_MIN => Self::Checked,
            _ => Self::Reserved,
        }
    }
}

/// As `build`; `digest_memory`: memories are kept at a trap, so that their digest can be taken.
/// What compiles a module and what runs its code call this with the same arguments.
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

/// As `build`, at another optimisation level: fuel and results must not differ, and the
/// tests show it.
pub fn build_with(settings: EngineSettings, optimisation: OptLevel) -> Result<Sandbox> {
    build_tuned(settings, |config| {
        config.cranelift_opt_level(optimisation);
    })
}

/// As `build`, with `tune` applied to what no guest can observe: how code is optimised, how
/// memory is laid out and allocated. Nothing of it enters the identity.
pub fn build_tuned(settings: EngineSettings, tune: impl FnOnce(&mut Config)) -> Result<Sandbox> {
    let mut config = Config::new();
    let mut identity = format!("wasmtime={WASMTIME_VERSION}\n");
    settings! { config, identity,
        concurrency_support(false);
        consume_fuel(true);
        cranelift_nan_canonicalization(settings.canonical_nan);
        max_wasm_stack(WASM_STACK_BYTES);
        // An image of the data segments that is mapped copy-on-write costs no fuel; the same
        // bytes copied do, and where no image can be made (another system, a kernel that
        // refuses memfd) they are copied. So they always are.
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

    // From here on: what no guest can observe.
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

/// Every operator costs at least one; operators over a range cost one more a byte or element.
fn operator_cost() -> OperatorCost {
    let mut cost = OperatorCost::new();
    // Free by default, since they make no machine code. A guest can still spend compile time
    // and journal-invisible structure on them, and "every operator is paid for" has no "but".
    for free in [
        &mut cost.Nop,
        &mut cost.Drop,
        &mut cost.Block,
        &mut cost.Loop,
        &mut cost.Unreachable,
        &mut cost.Return,
        &mut cost.Else,
        &mut cost.End,
    ] {
        *free = 1;
    }
    cost.variable.memory_grow_per_page = MEMORY_GROW_FUEL_PER_PAGE;
    cost
}

/// Feeds `Hash` into SHA-256: `std`'s own hasher is not promised to stay the same.
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
        // Nobody asks: the digest is taken whole.
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The documented list (docs/determinism.md). A change here changes every recorded engine
    /// identity: say so in the release notes.
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
            "max_wasm_stack=1048576",
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
    fn every_operator_costs_something() {
        let text = format!("{:?}", operator_cost());
        let free: Vec<&str> = text
            .split(", ")
            .filter(|field| field.ends_with(": 0"))
            .collect();
        assert!(free.is_empty(), "free operators: {free:?}");
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
