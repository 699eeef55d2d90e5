//! A generated family of hostile modules: every kind of structure with sizes on both sides of its
//! bound, modules of wasm-smith, and damaged ones. All of it follows from a seed. Whatever a module
//! is, each command ends by itself within its time, in little memory, and says why.

use std::borrow::Cow;
use std::iter::repeat_n;

use arbitrary::Unstructured;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use serde_json::json;
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, ElementSection, Elements, ExportKind, ExportSection,
    Function, FunctionSection, GlobalSection, GlobalType, Instruction, Module, RefType,
    TableSection, TableType, TypeSection, ValType,
};

use super::bombs::{bounded, memory};
use crate::support::{World, every, mission_id};

/// Everything follows from it. Printed, so that a failure names what it takes to see it again.
const SEED: u64 = 0x00B0_4DE2;
/// Seconds of real time that a run is given.
const TIMEOUT: &str = "5";

struct Stream(ChaCha20Rng);

impl Stream {
    /// A number up to about 2 to the power of `bits`, of any order of magnitude.
    fn size(&mut self, bits: u32) -> usize {
        let below = 1_u64 << (self.0.next_u32() % (bits + 1));
        usize::try_from(below + self.0.next_u64() % below).unwrap()
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.0.next_u64() % bound as u64).unwrap()
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.fill_bytes(&mut bytes);
        bytes
    }
}

/// What the modules below differ in. Function 0 is the program.
#[derive(Default)]
struct Program {
    /// Results of type 1.
    values: usize,
    /// Types beyond the first two.
    types: usize,
    functions: Vec<Function>,
    globals: usize,
    elements: usize,
    /// As expressions and not as indices.
    is_expressions: bool,
}

impl Program {
    fn of(
        values: usize,
        locals: usize,
        body: impl IntoIterator<Item = Instruction<'static>>,
    ) -> Self {
        let mut function = Function::new([(u32::try_from(locals).unwrap(), ValType::I32)]);
        for instruction in body {
            function.instruction(&instruction);
        }
        function.instruction(&Instruction::End);
        Self {
            values,
            functions: vec![function],
            ..Self::default()
        }
    }

    fn finish(self) -> Vec<u8> {
        let mut types = TypeSection::new();
        types.ty().function([], []);
        types.ty().function([], vec![ValType::I32; self.values]);
        for number in 0..self.types {
            types.ty().function(vec![ValType::F64; number % 1_000], []);
        }
        let mut functions = FunctionSection::new();
        let mut code = CodeSection::new();
        for function in &self.functions {
            functions.function(0);
            code.function(function);
        }
        let mut module = Module::new();
        module.section(&types).section(&functions);
        if self.elements > 0 {
            let mut tables = TableSection::new();
            tables.table(TableType {
                element_type: RefType::FUNCREF,
                table64: false,
                minimum: self.elements as u64,
                maximum: None,
                shared: false,
            });
            module.section(&tables);
        }
        let mut globals = GlobalSection::new();
        for _ in 0..self.globals {
            let ty = GlobalType {
                val_type: ValType::I64,
                mutable: true,
                shared: false,
            };
            globals.global(ty, &ConstExpr::i64_const(1));
        }
        let mut exports = ExportSection::new();
        exports.export("_start", ExportKind::Func, 0);
        module
            .section(&memory(&mut exports))
            .section(&globals)
            .section(&exports);
        if self.elements > 0 {
            let mut segments = ElementSection::new();
            let elements = if self.is_expressions {
                let expressions = vec![ConstExpr::ref_func(0); self.elements];
                Elements::Expressions(RefType::FUNCREF, Cow::Owned(expressions))
            } else {
                Elements::Functions(Cow::Owned(vec![0; self.elements]))
            };
            segments.active(None, &ConstExpr::i32_const(0), elements);
            module.section(&segments);
        }
        module.section(&code);
        module.finish()
    }
}

fn nested(
    open: Instruction<'static>,
    depth: usize,
    inner: Vec<Instruction<'static>>,
) -> Vec<Instruction<'static>> {
    repeat_n(open, depth)
        .chain(inner)
        .chain(repeat_n(Instruction::End, depth))
        .chain([Instruction::Unreachable])
        .collect()
}

/// The `number`th module of the family, and what it is.
fn module(number: u64) -> (&'static str, Vec<u8>) {
    let mut stream = Stream(ChaCha20Rng::seed_from_u64(SEED ^ (number << 32)));
    let stream = &mut stream;
    let empty = BlockType::Empty;
    match number % 12 {
        0 => ("wasm-smith", smith(stream)),
        1 => {
            let open =
                [Instruction::Block(empty), Instruction::Loop(empty)][stream.below(2)].clone();
            let inner = vec![Instruction::Br(u32::try_from(stream.below(9)).unwrap())];
            (
                "nested blocks",
                Program::of(1, 0, nested(open, stream.size(16), inner)).finish(),
            )
        }
        2 => {
            let open = Instruction::Block(BlockType::FunctionType(1));
            let inner = vec![Instruction::Unreachable];
            let body = nested(open, stream.size(12), inner);
            (
                "blocks of many values",
                Program::of(stream.size(9), 0, body).finish(),
            )
        }
        3 => {
            let locals = stream.size(14);
            let inner = (0..stream.size(14)).flat_map(|_| {
                let [from, to] = [(); 2].map(|()| u32::try_from(stream.below(locals)).unwrap());
                [Instruction::LocalGet(from), Instruction::LocalSet(to)]
            });
            let inner = inner.collect();
            let body = nested(Instruction::Loop(empty), stream.size(10), inner);
            (
                "loops with many locals",
                Program::of(1, locals, body).finish(),
            )
        }
        4 => {
            let depth = stream.size(8);
            let targets = (0..stream.size(18)).map(|_| u32::try_from(stream.below(depth)).unwrap());
            let table = Instruction::BrTable(targets.collect::<Vec<_>>().into(), 0);
            let inner = vec![Instruction::I32Const(1), table];
            (
                "branch tables",
                Program::of(1, 0, nested(Instruction::Block(empty), depth, inner)).finish(),
            )
        }
        5 => {
            let mut program = Program::of(1, 0, []);
            let function = program.functions[0].clone();
            program
                .functions
                .extend(repeat_n(function, stream.size(18)));
            ("many functions", program.finish())
        }
        6 => {
            let mut program = Program::of(1, 0, []);
            program.elements = stream.size(20);
            program.is_expressions = stream.below(2) == 0;
            ("many elements", program.finish())
        }
        7 => {
            let mut text = "(core module $m) (core instance (instantiate $m))".to_owned();
            for level in 0..stream.below(30) {
                let inside = format!("(instance (instantiate $c{level}))");
                text = format!(
                    "(component $c{level} {text}) {}",
                    inside.repeat(1 + stream.below(12))
                );
            }
            (
                "instances",
                wat::parse_str(format!("(component {text})")).unwrap(),
            )
        }
        8 => {
            let modules = coo::inside::program::bundle::MODULES;
            let mut wasm = modules[stream.below(modules.len())].wasm.to_vec();
            for _ in 0..stream.size(5) {
                let at = stream.below(wasm.len());
                wasm[at] = u8::try_from(stream.below(256)).unwrap();
            }
            ("a damaged module", wasm)
        }
        9 => {
            let locals = stream.size(12);
            let body = (0..stream.size(18)).flat_map(|_| {
                let [from, to] = [(); 2].map(|()| u32::try_from(stream.below(locals)).unwrap());
                [
                    Instruction::LocalGet(from),
                    Instruction::LocalGet(to),
                    Instruction::I32Mul,
                    Instruction::LocalSet(to),
                ]
            });
            let body: Vec<_> = body.collect();
            ("a long function", Program::of(1, locals, body).finish())
        }
        10 => {
            let mut program = Program::of(1, 0, []);
            program.globals = stream.size(18);
            program.types = stream.size(14);
            ("many globals and types", program.finish())
        }
        _ => {
            // One decision after the other, and then every local is asked for its value.
            let locals = stream.size(13);
            let local = |stream: &mut Stream| u32::try_from(stream.below(locals)).unwrap();
            let mut body = Vec::new();
            for _ in 0..stream.size(13) {
                body.extend([
                    Instruction::LocalGet(local(stream)),
                    Instruction::If(empty),
                    Instruction::I32Const(1),
                    Instruction::LocalSet(local(stream)),
                    Instruction::End,
                ]);
            }
            for _ in 0..stream.size(13) {
                body.extend([Instruction::LocalGet(local(stream)), Instruction::Drop]);
            }
            (
                "decisions with many locals",
                Program::of(1, locals, body).finish(),
            )
        }
    }
}

fn smith(stream: &mut Stream) -> Vec<u8> {
    let count = stream.size(16);
    let bytes = stream.bytes(count);
    let config = wasm_smith::Config {
        max_instructions: 10_000,
        max_funcs: 200,
        max_types: 200,
        max_memories: 10,
        max_tables: 10,
        export_everything: true,
        ..wasm_smith::Config::default()
    };
    wasm_smith::Module::new(config, &mut Unstructured::new(&bytes))
        .map(|module| module.to_bytes())
        .unwrap_or_default()
}

fn end_within_their_time(numbers: impl Iterator<Item = u64>) {
    let world = World::with_own_cache();
    for number in numbers {
        let (what, wasm) = module(number);
        println!(
            "seed {SEED:#x}, module {number}: {what}, {} bytes",
            wasm.len()
        );
        world.file("hostile.wasm", &wasm);
        for arguments in [
            vec!["audit", "hostile.wasm"],
            vec!["run", "hostile.wasm", "--timeout", TIMEOUT],
        ] {
            let ran = bounded(&world, &arguments, &[]);
            assert!(matches!(ran.code, 0 | 1 | 5), "{ran:?}");
            let says_why = ran.code == 0
                || ran.stdout.contains("Verdict: REFUSED")
                || ran.stderr.contains("ERROR: ");
            assert!(says_why, "{ran:?}");
        }
    }
    // What has ended is on record as what it was; what the machine ended is not.
    for mission in world.list(&["missions"]).as_array().unwrap() {
        if mission["status"] == "INTERRUPTED" {
            continue;
        }
        let id = mission["id"].as_str().unwrap();
        let replay = world.coo(&["replay", id]);
        assert_eq!(replay.code, 0, "{id}: {replay:?}");
    }
    // The next mission is unaffected.
    let ran = world.run_guest(r#"(func (export "_start"))"#, &json!({}));
    assert_eq!(ran.code, 0, "{ran:?}");
    let replay = world.coo(&["replay", &mission_id(&ran)]);
    assert_eq!(replay.code, 0, "{replay:?}");
}

#[test]
fn hostile_modules_end_within_their_time() {
    end_within_their_time((0..60).step_by(every(4)));
}

#[test]
#[ignore = "takes half an hour: the long form of the test above"]
fn thousands_of_hostile_modules_end_within_their_time() {
    end_within_their_time(1_000..3_100);
}
