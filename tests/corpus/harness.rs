//! Makes a program of any core module: adds a function that calls what it is told to, stores
//! the bits of every result in a memory of its own, where the digest of memories sees them,
//! and checks them. Works on the binary: sections are copied, and a few entries are added
//! behind the module's own, so that no index of the module changes. The module then becomes
//! a component as it is, without the preview-1 adapter, which would be most of the code.

use std::sync::LazyLock;

use coo::inside::program::engine::FEATURES;
use wasm_encoder::{
    AbstractHeapType, BlockType, Encode as _, ExportKind, Function, HeapType, Ieee32, Ieee64,
    Instruction, MemArg, RefType, ValType,
};
use wasmparser::{CompositeInnerType, ExternalKind, FuncType, Parser, Payload, TypeRef, Validator};

/// Calls in one of the added functions: one function of ten thousand would take Cranelift
/// longer than a hundred of a hundred.
const CALLS_PER_FUNCTION: usize = 100;
const PAGE_BYTES: u64 = 65_536;
/// A result that is not as expected makes the program ask for this many pages and the number of
/// the call: over every limit, and so an end of its own kind, with that number in it.
const MISMATCH_PAGES: u64 = 40_000;

/// A program around a core module that exports `run`.
const COMPONENT: &str = r#"(component
  (core module $core (func (export "run") (result i32) unreachable))
  (core instance $instance (instantiate $core))
  (func $run (result (result)) (canon lift (core func $instance "run")))
  (instance $program (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $program)))"#;

/// A value to call with, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Const {
    I32(u32),
    I64(u64),
    F32(u32),
    F64(u64),
    V128(u128),
    NullFunc,
}

/// What a result has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// These; a type narrower than 128 bits has all of its in the low ones.
    Bits(u128),
    Null,
    NotNull,
    Either(Vec<Expected>),
}

/// One thing that the program does.
#[derive(Debug, Clone)]
pub struct Act {
    pub what: What,
    pub arguments: Vec<Const>,
    /// One for each result; `None`: whatever comes is only kept.
    pub expected: Option<Vec<Expected>>,
}

/// By index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Call(u32),
    Global(u32),
}

/// A core module without imports, taken apart.
pub struct Core {
    sections: Vec<(u8, Vec<u8>)>,
    types: Vec<Option<FuncType>>,
    functions: Vec<u32>,
    globals: Vec<wasmparser::ValType>,
    memories: u32,
    exports: Vec<(String, ExternalKind, u32)>,
}

impl Core {
    /// `Err` says in a few words why it can't be run here.
    pub fn read(wasm: &[u8]) -> Result<Self, String> {
        if Validator::new_with_features(FEATURES)
            .validate_all(wasm)
            .is_err()
        {
            return Err("uses a feature that is off".into());
        }
        let mut core = Self {
            sections: Vec::new(),
            types: Vec::new(),
            functions: Vec::new(),
            globals: Vec::new(),
            memories: 0,
            exports: Vec::new(),
        };
        for payload in Parser::new(0).parse_all(wasm) {
            let payload = payload.map_err(|error| error.to_string())?;
            if let Some((id, range)) = payload.as_section()
                && id != 0
            {
                core.sections.push((id, wasm[range].to_vec()));
            }
            core.note(payload)?;
        }
        Ok(core)
    }

    fn note(&mut self, payload: Payload<'_>) -> Result<(), String> {
        match payload {
            Payload::TypeSection(section) => {
                for group in section {
                    for ty in group.unwrap().into_types() {
                        self.types.push(match ty.composite_type.inner {
                            CompositeInnerType::Func(ty) => Some(ty),
                            _ => None,
                        });
                    }
                }
            }
            Payload::ImportSection(section) => {
                if let Some(import) = section.into_imports().next() {
                    let import = import.unwrap();
                    let kind = match import.ty {
                        TypeRef::Func(_) => "function",
                        TypeRef::Memory(_) => "memory",
                        TypeRef::Table(_) => "table",
                        _ => "global",
                    };
                    return Err(format!("imports {kind} from {}", import.module));
                }
            }
            Payload::FunctionSection(section) => {
                self.functions = section.into_iter().map(Result::unwrap).collect();
            }
            Payload::MemorySection(section) => self.memories = section.count(),
            Payload::GlobalSection(section) => {
                self.globals = section
                    .into_iter()
                    .map(|global| global.unwrap().ty.content_type)
                    .collect();
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export.unwrap();
                    self.exports
                        .push((export.name.to_owned(), export.kind, export.index));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What is exported under `name`.
    pub fn export(&self, name: &str) -> Option<What> {
        let (_, kind, index) = self.exports.iter().find(|(known, ..)| known == name)?;
        what(*kind, *index)
    }

    /// Everything that is exported, functions first.
    pub fn exported(&self) -> Vec<What> {
        let mut exported: Vec<What> = self
            .exports
            .iter()
            .filter_map(|(_, kind, index)| what(*kind, *index))
            .collect();
        exported.sort_by_key(|what| matches!(what, What::Global(_)));
        exported
    }

    pub fn parameters(&self, what: What) -> Vec<ValType> {
        match what {
            What::Call(index) => value_types(self.function_type(index).params()),
            What::Global(_) => Vec::new(),
        }
    }

    fn results(&self, what: What) -> Vec<ValType> {
        match what {
            What::Call(index) => value_types(self.function_type(index).results()),
            What::Global(index) => value_types(&[self.globals[index as usize]]),
        }
    }

    fn function_type(&self, index: u32) -> &FuncType {
        let ty = self.functions[index as usize] as usize;
        self.types[ty].as_ref().expect("a function's type")
    }

    /// The program that does `acts`, in order.
    pub fn program(&self, acts: &[Act]) -> Vec<u8> {
        let memory = self.memories;
        let mut writer = Writer {
            core: self,
            memory,
            at: 0,
            bodies: Vec::new(),
        };
        for (n, acts) in acts.chunks(CALLS_PER_FUNCTION).enumerate() {
            writer.part(n * CALLS_PER_FUNCTION, acts);
        }
        let parts = u32::try_from(writer.bodies.len()).unwrap();
        let first = u32::try_from(self.functions.len()).unwrap();
        let mut run = Function::new([]);
        for part in first..first + parts {
            run.instruction(&Instruction::Call(part));
        }
        run.instruction(&Instruction::I32Const(0))
            .instruction(&Instruction::End);
        writer.bodies.push(run);

        let mut added = Sections(self.sections.clone());
        let ty = u32::try_from(self.types.len()).unwrap();
        added.append(1, 2, &[0x60, 0, 0, 0x60, 0, 1, 0x7f]);
        let mut types = Vec::new();
        for _ in 0..parts {
            ty.encode(&mut types);
        }
        (ty + 1).encode(&mut types);
        added.append(3, parts + 1, &types);
        let mut limits = vec![0];
        (writer.at / PAGE_BYTES + 1).encode(&mut limits);
        added.append(5, 1, &limits);
        added.replace(7, self.exports.len() + 1, &self.renamed(first + parts));
        let mut code = Vec::new();
        for body in &writer.bodies {
            body.encode(&mut code);
        }
        added.append(10, parts + 1, &code);
        component(&added.module())
    }

    /// The module's own exports under other names (they stay, because an exported function may
    /// be referred to), and `run`.
    fn renamed(&self, run: u32) -> Vec<u8> {
        let mut exports = Vec::new();
        for (n, (_, kind, index)) in self.exports.iter().enumerate() {
            format!("x{n}").as_str().encode(&mut exports);
            ExportKind::from(*kind).encode(&mut exports);
            index.encode(&mut exports);
        }
        "run".encode(&mut exports);
        ExportKind::Func.encode(&mut exports);
        run.encode(&mut exports);
        exports
    }
}

/// The component: one fixed frame, whose first section is the core module.
fn component(core: &[u8]) -> Vec<u8> {
    static FRAME: LazyLock<Vec<u8>> = LazyLock::new(|| wat::parse_str(COMPONENT).unwrap());
    let (header, sections) = FRAME.split_at(8);
    assert_eq!(sections[0], 1, "the first section is a core module");
    let (bytes, rest) = leb(&sections[1..]);
    let mut wasm = header.to_vec();
    wasm.push(1);
    core.encode(&mut wasm);
    wasm.extend_from_slice(&rest[bytes as usize..]);
    wasm
}

fn what(kind: ExternalKind, index: u32) -> Option<What> {
    match kind {
        ExternalKind::Func => Some(What::Call(index)),
        ExternalKind::Global => Some(What::Global(index)),
        _ => None,
    }
}

fn value_types(types: &[wasmparser::ValType]) -> Vec<ValType> {
    types
        .iter()
        .map(|ty| match ty {
            wasmparser::ValType::I32 => ValType::I32,
            wasmparser::ValType::I64 => ValType::I64,
            wasmparser::ValType::F32 => ValType::F32,
            wasmparser::ValType::F64 => ValType::F64,
            wasmparser::ValType::V128 => ValType::V128,
            // The only reference there is without host objects.
            wasmparser::ValType::Ref(_) => ValType::Ref(RefType::FUNCREF),
        })
        .collect()
}

/// The number of the call whose result was not as expected, from what a limit was asked for.
pub fn mismatch(wanted: u64, memory_bytes: u64) -> Option<u64> {
    let pages = (wanted - memory_bytes) / PAGE_BYTES;
    pages.checked_sub(MISMATCH_PAGES)
}

/// Sections of a module, in their order.
struct Sections(Vec<(u8, Vec<u8>)>);

impl Sections {
    /// Adds entries behind those of a section, which is made if there is none.
    fn append(&mut self, id: u8, count: u32, entries: &[u8]) {
        let place = self.place(id);
        let old = &self.0[place].1;
        let (known, rest) = leb(old);
        let mut new = Vec::new();
        (known + count).encode(&mut new);
        new.extend_from_slice(rest);
        new.extend_from_slice(entries);
        self.0[place].1 = new;
    }

    fn replace(&mut self, id: u8, count: usize, entries: &[u8]) {
        let place = self.place(id);
        let mut new = Vec::new();
        count.encode(&mut new);
        new.extend_from_slice(entries);
        self.0[place].1 = new;
    }

    /// Where the section is, or is now.
    fn place(&mut self, id: u8) -> usize {
        // The count of data segments (12) stands before the code (10).
        let rank = |id: u8| if id == 12 { 19 } else { 2 * id };
        if let Some(place) = self.0.iter().position(|(known, _)| *known == id) {
            return place;
        }
        let place = self
            .0
            .iter()
            .position(|(known, _)| rank(*known) > rank(id))
            .unwrap_or(self.0.len());
        self.0.insert(place, (id, vec![0]));
        place
    }

    fn module(&self) -> Vec<u8> {
        let mut wasm = b"\0asm\x01\0\0\0".to_vec();
        for (id, body) in &self.0 {
            wasm.push(*id);
            body.as_slice().encode(&mut wasm);
        }
        wasm
    }
}

/// A number at the front of `bytes`, and what follows.
fn leb(bytes: &[u8]) -> (u32, &[u8]) {
    let end = bytes.iter().position(|byte| byte & 0x80 == 0).unwrap();
    let number = bytes[..=end]
        .iter()
        .rev()
        .fold(0, |number, byte| number << 7 | u32::from(byte & 0x7f));
    (number, &bytes[end + 1..])
}

/// Writes the functions that are added.
struct Writer<'a> {
    core: &'a Core,
    /// The memory for results.
    memory: u32,
    /// How far it is filled.
    at: u64,
    bodies: Vec<Function>,
}

/// Types of locals, in the order in which they are declared.
const LOCALS: [ValType; 6] = [
    ValType::I32,
    ValType::I64,
    ValType::F32,
    ValType::F64,
    ValType::V128,
    ValType::FUNCREF,
];

impl Writer<'_> {
    /// A function that does `acts`, the first of which has number `first`.
    fn part(&mut self, first: usize, acts: &[Act]) {
        let results: Vec<Vec<ValType>> =
            acts.iter().map(|act| self.core.results(act.what)).collect();
        let count = |results: &[ValType], ty| results.iter().filter(|known| **known == ty).count();
        let most = LOCALS.map(|ty| {
            let most = results.iter().map(|results| count(results, ty)).max();
            u32::try_from(most.unwrap_or(0)).unwrap()
        });
        let mut body = Function::new(most.into_iter().zip(LOCALS));
        for (n, (act, results)) in acts.iter().zip(&results).enumerate() {
            for argument in &act.arguments {
                body.instruction(&constant(*argument));
            }
            body.instruction(&match act.what {
                What::Call(index) => Instruction::Call(index),
                What::Global(index) => Instruction::GlobalGet(index),
            });
            let locals: Vec<u32> = (0..results.len())
                .map(|n| {
                    let ty = LOCALS.iter().position(|ty| *ty == results[n]).unwrap();
                    let nth = count(&results[..n], results[n]);
                    most[..ty].iter().sum::<u32>() + u32::try_from(nth).unwrap()
                })
                .collect();
            for local in locals.iter().rev() {
                body.instruction(&Instruction::LocalSet(*local));
            }
            for (local, ty) in locals.iter().zip(results) {
                self.keep(&mut body, *local, *ty);
            }
            if let Some(expected) = act.expected.as_ref().filter(|all| !all.is_empty()) {
                assert_eq!(expected.len(), results.len(), "{act:?}");
                for (place, ((local, ty), expected)) in
                    locals.iter().zip(results).zip(expected).enumerate()
                {
                    differs(&mut body, *local, *ty, expected);
                    if place > 0 {
                        body.instruction(&Instruction::I32Or);
                    }
                }
                let pages = MISMATCH_PAGES + u64::try_from(first + n).unwrap();
                body.instruction(&Instruction::If(BlockType::Empty))
                    .instruction(&Instruction::I32Const(i32::try_from(pages).unwrap()))
                    .instruction(&Instruction::MemoryGrow(self.memory))
                    .instruction(&Instruction::Drop)
                    .instruction(&Instruction::End);
            }
        }
        body.instruction(&Instruction::End);
        self.bodies.push(body);
    }

    /// Stores a result's bits behind those of all before it.
    fn keep(&mut self, body: &mut Function, local: u32, ty: ValType) {
        let at = MemArg {
            offset: self.at,
            align: 0,
            memory_index: self.memory,
        };
        body.instruction(&Instruction::I32Const(0))
            .instruction(&Instruction::LocalGet(local));
        let (store, bytes) = match ty {
            ValType::I32 => (Instruction::I32Store(at), 4),
            ValType::I64 => (Instruction::I64Store(at), 8),
            ValType::F32 => (Instruction::F32Store(at), 4),
            ValType::F64 => (Instruction::F64Store(at), 8),
            ValType::V128 => (Instruction::V128Store(at), 16),
            // A reference has no bits; whether there is one is all that can be kept.
            ValType::Ref(_) => {
                body.instruction(&Instruction::RefIsNull);
                (Instruction::I32Store(at), 4)
            }
        };
        body.instruction(&store);
        self.at += bytes;
    }
}

fn constant(value: Const) -> Instruction<'static> {
    match value {
        Const::I32(bits) => Instruction::I32Const(bits.cast_signed()),
        Const::I64(bits) => Instruction::I64Const(bits.cast_signed()),
        Const::F32(bits) => Instruction::F32Const(Ieee32::new(bits)),
        Const::F64(bits) => Instruction::F64Const(Ieee64::new(bits)),
        Const::V128(bits) => Instruction::V128Const(bits.cast_signed()),
        Const::NullFunc => Instruction::RefNull(HeapType::Abstract {
            shared: false,
            ty: AbstractHeapType::Func,
        }),
    }
}

/// Leaves 1 on the stack where the local is not as expected, else 0.
fn differs(body: &mut Function, local: u32, ty: ValType, expected: &Expected) {
    match expected {
        Expected::Bits(bits) => bits_differ(body, local, ty, *bits),
        Expected::NotNull => {
            body.instruction(&Instruction::LocalGet(local))
                .instruction(&Instruction::RefIsNull);
        }
        Expected::Null => {
            body.instruction(&Instruction::LocalGet(local))
                .instruction(&Instruction::RefIsNull)
                .instruction(&Instruction::I32Eqz);
        }
        Expected::Either(all) => {
            for (n, expected) in all.iter().enumerate() {
                differs(body, local, ty, expected);
                if n > 0 {
                    body.instruction(&Instruction::I32And);
                }
            }
        }
    }
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "a pattern has as many bits as its type"
)]
fn bits_differ(body: &mut Function, local: u32, ty: ValType, bits: u128) {
    body.instruction(&Instruction::LocalGet(local));
    match ty {
        ValType::F32 => body.instruction(&Instruction::I32ReinterpretF32),
        ValType::F64 => body.instruction(&Instruction::I64ReinterpretF64),
        _ => body,
    };
    match ty {
        ValType::I32 | ValType::F32 => body
            .instruction(&constant(Const::I32(bits as u32)))
            .instruction(&Instruction::I32Ne),
        ValType::I64 | ValType::F64 => body
            .instruction(&constant(Const::I64(bits as u64)))
            .instruction(&Instruction::I64Ne),
        ValType::V128 => body
            .instruction(&constant(Const::V128(bits)))
            .instruction(&Instruction::V128Xor)
            .instruction(&Instruction::V128AnyTrue),
        ValType::Ref(_) => panic!("a reference has no bits"),
    };
}
