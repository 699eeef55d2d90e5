//! Modules that are small and ask for much: each kind of structure that costs a compiler more than
//! its bytes, far beyond its bound, through the commands that take a stranger's module. Every one
//! runs in a gigabyte of address space and against a stopwatch, and is refused by name.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use coo::inside::machine::Stopwatch;
use coo_kernel::form::digest::Digest;
use coo_kernel::journal::{Chain, Kind};
use coo_kernel::mission::state::State;
use insta::assert_snapshot;
use serde_json::json;
use wasm_encoder::{
    CodeSection, ConstExpr, CustomSection, ElementSection, Elements, EntityType, ExportKind,
    ExportSection, Function, FunctionSection, ImportSection, Instruction, MemorySection,
    MemoryType, Module, RefType, TableSection, TableType, TypeSection, ValType,
};

use crate::support::{Ran, World, mission_id, shown};

/// Kilobytes of address space that a command and its children have, each.
const ADDRESS_SPACE_KB: u64 = 1 << 20;
/// Every command is over by then.
const SECONDS_MAX: u64 = 8;

#[test]
fn a_mission_is_the_same_where_there_are_few_addresses() {
    let world = World::new();
    let chains = [false, true].map(|is_cramped| {
        let arguments = ["run", "triage", "--frozen", "--json"];
        let world = World::new();
        let ran = if is_cramped {
            bounded(&world, &arguments, &[])
        } else {
            world.coo(&arguments)
        };
        assert_eq!(ran.code, 0, "{ran:?}");
        let view: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        (view["chain_head"].clone(), view["fuel"].clone())
    });
    assert!(chains[0].0.is_string(), "{chains:?}");
    assert_eq!(chains[0], chains[1]);
    // What one way has recorded, the other replays.
    assert_eq!(world.coo(&["run", "triage", "--frozen"]).code, 0);
    let replay = bounded(&world, &["replay", "MISSION-000001"], &[]);
    assert_eq!(replay.code, 0, "{replay:?}");
}

/// Runs `coo ARGS` in little memory; it must end by itself, and soon.
pub fn bounded(world: &World, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
    let line = format!("ulimit -v {ADDRESS_SPACE_KB}; exec \"$0\" \"$@\"");
    let binary = env!("CARGO_BIN_EXE_coo");
    let mut all = vec!["-c", &line, binary];
    all.extend(arguments);
    let mut command = world.program("sh", &all);
    command.envs(variables.iter().copied());
    let stopwatch = Stopwatch::start();
    let ran = crate::support::ran(command.output().unwrap());
    let elapsed = stopwatch.elapsed();
    assert!(
        elapsed < Duration::from_secs(SECONDS_MAX),
        "{arguments:?} took {elapsed:?}: {ran:?}"
    );
    assert!(!ran.stderr.contains("panicked"), "{ran:?}");
    ran
}

/// Refused by everything that looks into a module, a file of a run included. Gives what `run`
/// printed, and what any other command printed that gave another reason.
fn refused(wasm: &[u8]) -> String {
    let world = World::new();
    world.file("bomb.wasm", wasm);
    let file = run_file_with(wasm);
    let file = file.to_str().unwrap();
    let run = bounded(&world, &["run", "bomb.wasm"], &[]);
    let mut said = shown("run bomb.wasm", &run);
    let (_, reason) = run.stderr.split_once(": refused: ").expect("no refusal");
    for arguments in [
        &["audit", "bomb.wasm"][..],
        &["audit", "bomb.wasm", "--json"],
        &["replay", file],
        &["verify", "bomb.wasm", "--runs", "2"],
    ] {
        let ran = bounded(&world, arguments, &[]);
        assert_eq!(ran.code, 1, "{ran:?}");
        let printed = if arguments.contains(&"--json") {
            ran.stdout.contains("\"format\": \"coo-error/1\"")
        } else {
            ran.stdout.is_empty()
        };
        assert!(printed, "{ran:?}");
        assert!(ran.stderr.starts_with("ERROR: "), "{ran:?}");
        if !ran.stderr.ends_with(reason) {
            said += &shown(&arguments.join(" "), &ran).replace(file, "bomb.coorun");
        }
    }
    assert_eq!(world.list(&["missions"]), json!([]), "nothing on record");
    said
}

/// A run file whose journal and contents are in order, and whose module is `wasm`: what a stranger
/// may send.
fn run_file_with(wasm: &[u8]) -> tempfile::TempPath {
    let world = World::new();
    let ran = world.run_guest(r#"(func (export "_start"))"#, &json!({}));
    assert_eq!(ran.code, 0, "{ran:?}");
    let (old, new) = (
        Digest::of(std::fs::read(world.path().join("guest.wasm")).unwrap()),
        Digest::of(wasm),
    );
    world.file(&format!(".coo/modules/{new}.wasm"), wasm);
    let journal = world.unguarded_journal();
    journal
        .execute("UPDATE missions SET module_sha256 = ?1", [new.as_bytes()])
        .unwrap();
    let mut statement = journal
        .prepare("SELECT id, state, kind, body FROM events ORDER BY id")
        .unwrap();
    let mut events = statement.query([]).unwrap();
    let mut chain = Chain::default();
    while let Some(event) = events.next().unwrap() {
        let text = |i: usize| event.get_ref(i).unwrap().as_str().unwrap().to_owned();
        let (state, kind): (State, Kind) = (text(1).parse().unwrap(), text(2).parse().unwrap());
        let body = text(3).replace(&old.to_string(), &new.to_string());
        let record = chain.append(state, kind, body);
        let id: i64 = event.get(0).unwrap();
        journal
            .execute(
                "UPDATE events SET body = ?2, prev_sha256 = ?3, sha256 = ?4 WHERE id = ?1",
                rusqlite::params![
                    id,
                    record.body,
                    record.prev.as_bytes(),
                    record.sha256.as_bytes()
                ],
            )
            .unwrap();
    }
    drop(events);
    drop(statement);
    drop(journal);
    let file = tempfile::Builder::new()
        .suffix(".coorun")
        .tempfile()
        .unwrap()
        .into_temp_path();
    std::fs::remove_file(&file).unwrap();
    let exported = world.coo(&[
        "export",
        &mission_id(&ran),
        "--output",
        file.to_str().unwrap(),
    ]);
    assert_eq!(exported.code, 0, "{exported:?}");
    file
}

/// A program whose only function has these locals and does this; type 0 is its own, type 1 gives
/// `results` numbers, type 2 takes as many.
fn program(
    results: usize,
    locals: u32,
    body: impl IntoIterator<Item = Instruction<'static>>,
) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    types.ty().function([], vec![ValType::I32; results]);
    types.ty().function(vec![ValType::I32; results], []);
    let mut imports = ImportSection::new();
    // A function that gives many values and has no body of its own to be counted.
    imports.import(
        "wasi_snapshot_preview1",
        "sched_yield",
        EntityType::Function(1),
    );
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut function = Function::new([(locals, ValType::I32)]);
    for instruction in body {
        function.instruction(&instruction);
    }
    function.instruction(&Instruction::End);
    let mut code = CodeSection::new();
    code.function(&function);
    let mut exports = ExportSection::new();
    exports.export("_start", ExportKind::Func, 1);
    let mut module = Module::new();
    module
        .section(&types)
        .section(&imports)
        .section(&functions)
        .section(&memory(&mut exports))
        .section(&exports)
        .section(&code);
    module.finish()
}

fn times(count: usize, instruction: &Instruction<'static>) -> Vec<Instruction<'static>> {
    vec![instruction.clone(); count]
}

#[test]
fn instances_that_multiply_are_counted_and_not_made() {
    // Each of nine levels instantiates the one in it ten times: a billion instances.
    let mut text = "(core module $m) (core instance (instantiate $m))".to_owned();
    for level in 0..9 {
        text = format!(
            "(component $c{level} {text}) {}",
            format!("(instance (instantiate $c{level}))").repeat(10)
        );
    }
    let wasm = wat::parse_str(format!("(component {text})")).unwrap();
    assert!(wasm.len() < 3_000);
    assert_snapshot!(refused(&wasm), @"
    $ coo run bomb.wasm
    --- standard error
    ERROR: module bomb.wasm: refused: structure: instances after expansion: 10555 found, 10000 is the limit (each is compiled in place, and nested instantiation multiplies; an adapted program has ten)
    hint: no compiler makes such a module: take it for hostile, or have its generator changed
    --- exit 1
    ");
}

#[test]
fn a_component_that_is_given_another_can_not_hide_its_size() {
    let wasm = wat::parse_str(
        r#"(component
             (component $twice
               (import "c" (component $c))
               (instance (instantiate $c))
               (instance (instantiate $c)))
             (component $one)
             (instance (instantiate $twice (with "c" (component $one)))))"#,
    )
    .unwrap();
    assert_snapshot!(refused(&wasm), @"
    $ coo run bomb.wasm
    --- standard error
    ERROR: module bomb.wasm: refused: structure: component 0 is instantiated, but comes from an import or another instance, so that nobody can tell its size beforehand
    hint: compose the program with the component itself
    --- exit 1
    ");
}

#[test]
fn components_in_components_end_at_a_depth() {
    let mut text = String::new();
    for _ in 0..90 {
        text = format!("(component {text})");
    }
    let wasm = wat::parse_str(text).unwrap();
    assert_snapshot!(refused(&wasm), @"
    $ coo run bomb.wasm
    --- standard error
    ERROR: module bomb.wasm: refused: structure: nesting of components: 33 found, 32 is the limit (tools that compose components nest three or four)
    hint: no compiler makes such a module: take it for hostile, or have its generator changed
    --- exit 1
    ");
}

#[test]
fn blocks_of_many_values_are_refused() {
    let wasm = program(
        1_000,
        0,
        times(
            1_000,
            &Instruction::Block(wasm_encoder::BlockType::FunctionType(1)),
        )
        .into_iter()
        .chain([Instruction::Unreachable])
        .chain(times(1_000, &Instruction::End))
        .chain([Instruction::Unreachable]),
    );
    assert!(wasm.len() < 10_000);
    assert_snapshot!(refused(&wasm), @"
    $ coo run bomb.wasm
    --- standard error
    ERROR: module bomb.wasm: refused: structure: function 1: values moved by blocks, branches and calls of a function: 201000 found, 200000 is the limit (a block of 1,000 results takes three bytes; compilers give most blocks one result)
    hint: no compiler makes such a module: take it for hostile, or have its generator changed
    --- exit 1
    ");
}

#[test]
fn calls_and_branches_of_many_values_are_refused() {
    let calls = times(50_000, &Instruction::Call(0));
    let wasm = program(
        1_000,
        0,
        calls.into_iter().chain([Instruction::Unreachable]),
    );
    let mut said = refused(&wasm);
    // In code that is never reached a branch needs no values, and carries them all the same.
    let body = [
        Instruction::Block(wasm_encoder::BlockType::FunctionType(1)),
        Instruction::Unreachable,
        Instruction::BrTable(Cow::Owned(vec![0; 100_000]), 0),
        Instruction::End,
        Instruction::Unreachable,
    ];
    said += &refused(&program(1_000, 0, body));
    assert_snapshot!(said, @"
    $ coo run bomb.wasm
    --- standard error
    ERROR: module bomb.wasm: refused: structure: function 1: values moved by blocks, branches and calls of a function: 201000 found, 200000 is the limit (a block of 1,000 results takes three bytes; compilers give most blocks one result)
    hint: no compiler makes such a module: take it for hostile, or have its generator changed
    --- exit 1
    $ coo run bomb.wasm
    --- standard error
    ERROR: module bomb.wasm: refused: structure: function 1: values moved by blocks, branches and calls of a function: 201000 found, 200000 is the limit (a block of 1,000 results takes three bytes; compilers give most blocks one result)
    hint: no compiler makes such a module: take it for hostile, or have its generator changed
    --- exit 1
    ");
}

#[test]
fn deep_blocks_are_refused() {
    let mut said = String::new();
    for depth in [40_000, 100_000] {
        let empty = wasm_encoder::BlockType::Empty;
        let body = times(depth, &Instruction::Block(empty));
        let wasm = program(
            1,
            0,
            body.into_iter().chain(times(depth, &Instruction::End)),
        );
        said += &refused(&wasm);
    }
    assert_snapshot!(said, @"
    $ coo run bomb.wasm
    --- standard error
    ERROR: module bomb.wasm: refused: structure: function 1: nested blocks: 10001 found, 10000 is the limit (the cost of compiling is the square of the depth; Go programs come to 3,300)
    hint: no compiler makes such a module: take it for hostile, or have its generator changed
    --- exit 1
    $ coo run bomb.wasm
    --- standard error
    ERROR: module bomb.wasm: refused: structure: function 1: nested blocks: 10001 found, 10000 is the limit (the cost of compiling is the square of the depth; Go programs come to 3,300)
    hint: no compiler makes such a module: take it for hostile, or have its generator changed
    --- exit 1
    ");
}

#[test]
fn loops_with_many_locals_are_refused() {
    let empty = wasm_encoder::BlockType::Empty;
    let body = times(1_000, &Instruction::Loop(empty))
        .into_iter()
        .chain((0..10_000).flat_map(|local| {
            [
                Instruction::LocalGet(local),
                Instruction::LocalSet(9_999 - local),
            ]
        }))
        .chain(times(1_000, &Instruction::End));
    assert_snapshot!(refused(&program(1, 10_000, body)), @"
    $ coo run bomb.wasm
    --- standard error
    ERROR: module bomb.wasm: refused: structure: function 1: locals used in loops of a function: 1010000 found, 1000000 is the limit (each loop takes every local used in it as a parameter; LLVM comes to 9,000)
    hint: no compiler makes such a module: take it for hostile, or have its generator changed
    --- exit 1
    ");
}

#[test]
fn branch_tables_beyond_all_measure_are_refused() {
    let body = [
        Instruction::I32Const(0),
        Instruction::BrTable(Cow::Owned(vec![0; 1_000_000]), 0),
    ];
    assert_snapshot!(refused(&program(1, 0, body)), @"
    $ coo run bomb.wasm
    --- standard error
    ERROR: module bomb.wasm: refused: structure: function 1: branch-table targets of a function: 1000001 found, 250000 is the limit (each target is an edge of the control-flow graph; a large Go program has 5,500)
    hint: no compiler makes such a module: take it for hostile, or have its generator changed
    --- exit 1
    ");
}

#[test]
fn a_million_functions_are_refused() {
    assert_snapshot!(refused(&empty_functions(1_000_000)), @"
    $ coo run bomb.wasm
    --- standard error
    ERROR: module bomb.wasm: refused: structure: functions: 1000000 found, 250000 is the limit (an empty function of four bytes takes a thousand times that to compile; LLVM has 133,000)
    hint: no compiler makes such a module: take it for hostile, or have its generator changed
    --- exit 1
    ");
}

/// The memory that a program has, exported.
pub fn memory(exports: &mut ExportSection) -> MemorySection {
    exports.export("memory", ExportKind::Memory, 0);
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 1,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    memories
}

/// A program of so many functions that do next to nothing.
pub fn empty_functions(count: u32) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut functions = FunctionSection::new();
    let mut code = CodeSection::new();
    let mut function = Function::new([]);
    function.instruction(&Instruction::End);
    for _ in 0..count {
        functions.function(0);
        code.function(&function);
    }
    let mut exports = ExportSection::new();
    exports.export("_start", ExportKind::Func, 0);
    let mut module = Module::new();
    module
        .section(&types)
        .section(&functions)
        .section(&memory(&mut exports))
        .section(&exports)
        .section(&code);
    module.finish()
}

#[test]
fn element_segments_beyond_all_measure_are_refused() {
    let segments = |elements: Elements<'_>| {
        let mut types = TypeSection::new();
        types.ty().function([], []);
        let mut functions = FunctionSection::new();
        functions.function(0);
        let mut tables = TableSection::new();
        tables.table(TableType {
            element_type: RefType::FUNCREF,
            table64: false,
            minimum: 10_000_000,
            maximum: None,
            shared: false,
        });
        let mut exports = ExportSection::new();
        exports.export("_start", ExportKind::Func, 0);
        let mut segments = ElementSection::new();
        segments.active(None, &ConstExpr::i32_const(0), elements);
        let mut code = CodeSection::new();
        let mut function = Function::new([]);
        function.instruction(&Instruction::End);
        code.function(&function);
        let mut module = Module::new();
        module
            .section(&types)
            .section(&functions)
            .section(&tables)
            .section(&exports)
            .section(&segments)
            .section(&code);
        module.finish()
    };
    let functions = vec![0; 9_000_000];
    let mut said = refused(&segments(Elements::Functions(Cow::Owned(functions))));
    let nulls = vec![ConstExpr::ref_func(0); 1_000_000];
    let expressions = Elements::Expressions(RefType::FUNCREF, Cow::Owned(nulls));
    said += &refused(&segments(expressions));
    assert_snapshot!(said, @"
    $ coo run bomb.wasm
    --- standard error
    ERROR: module bomb.wasm: refused: structure: elements of all segments: 9000000 found, 500000 is the limit (one of a byte takes a thousand of them to compile; an expression counts as eight; LLVM has 37,000)
    hint: no compiler makes such a module: take it for hostile, or have its generator changed
    --- exit 1
    $ coo run bomb.wasm
    --- standard error
    ERROR: module bomb.wasm: refused: structure: elements of all segments: 8000000 found, 500000 is the limit (one of a byte takes a thousand of them to compile; an expression counts as eight; LLVM has 37,000)
    hint: no compiler makes such a module: take it for hostile, or have its generator changed
    --- exit 1
    ");
}

#[test]
fn a_type_that_is_exponential_as_text_is_refused_in_the_text_of_a_few() {
    // Twenty-four levels of pairs over a record with a name of 90,000 letters.
    let mut types = format!(
        r#"(type $r (record (field "{}" u8))) (export "r" (type $t0 (eq $r)))"#,
        "a".repeat(90_000)
    );
    for level in 0..15 {
        let _ = write!(types, "(type $t{} (tuple $t{level} $t{level}))", level + 1);
    }
    let wasm = wat::parse_str(format!(
        r#"(component (import "coo:mission/gateway@1.0.0" (instance {types}
             (export "write" (func (param "path" $t15))))))"#
    ))
    .unwrap();
    let world = World::new();
    world.file("bomb.wasm", &wasm);
    let audit = bounded(&world, &["audit", "bomb.wasm"], &[]);
    assert_snapshot!(shown("audit bomb.wasm", &audit), @"
    $ coo audit bomb.wasm
    Module bomb.wasm
      SHA-256: <sha256>
      Size: 90157 bytes
      Kind: component
      Entry: none

    Imports
      REFUSED coo:mission/gateway@1.0.0
              import 'coo:mission/gateway@1.0.0' has a function 'write', but of another type
              write

    Verdict: REFUSED
      - import 'coo:mission/gateway@1.0.0' has a function 'write', but of another type
      - nothing to start: it exports [], needed is 'run: func(input: string) -> result<string, string>' or wasi:cli/run@0.2
    --- exit 1
    ");
    assert!(audit.stdout.len() < 10_000, "{}", audit.stdout.len());
    let run = bounded(&world, &["run", "bomb.wasm"], &[]);
    assert_snapshot!(shown("run bomb.wasm", &run), @"
    $ coo run bomb.wasm
    --- standard error
    ERROR: module bomb.wasm: refused: import 'coo:mission/gateway@1.0.0' has a function 'write', but of another type; nothing to start: it exports [], needed is 'run: func(input: string) -> result<string, string>' or wasi:cli/run@0.2
    hint: 'coo audit' lists every import
    --- exit 1
    ");
}

#[test]
fn types_nested_beyond_the_reader_s_stack_are_refused_and_abort_nothing() {
    // A component type whose only declaration is a component type whose only declaration …
    let levels = 3_000_000;
    let mut types = vec![0x01];
    for _ in 0..levels {
        types.extend([0x41, 0x01, 0x01]);
    }
    types.extend([0x41, 0x00]);
    let mut wasm = b"\0asm\x0d\0\x01\0".to_vec();
    wasm.push(7);
    let mut length = types.len();
    while length >= 0x80 {
        wasm.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    wasm.push(u8::try_from(length).unwrap());
    wasm.extend(types);
    assert_snapshot!(refused(&wasm), @r#"
    $ coo run bomb.wasm
    --- standard error
    ERROR: module bomb.wasm: refused: structure: compiling it used up a stack of 64 MB: its definitions are nested deeper than any compiler nests them
    --- exit 1
    $ coo audit bomb.wasm
    --- standard error
    ERROR: module bomb.wasm: refused: structure: examining it used up a stack of 64 MB: its definitions are nested deeper than any compiler nests them
    --- exit 1
    $ coo audit bomb.wasm --json
    {
      "format": "coo-error/1",
      "code": 1,
      "message": "module bomb.wasm: refused: structure: examining it used up a stack of 64 MB: its definitions are nested deeper than any compiler nests them",
      "hint": null
    }
    --- standard error
    ERROR: module bomb.wasm: refused: structure: examining it used up a stack of 64 MB: its definitions are nested deeper than any compiler nests them
    --- exit 1
    "#);
}

#[test]
fn what_is_hidden_in_a_custom_section_is_counted_too() {
    let mut text = String::new();
    for _ in 0..100 {
        text = format!("(component {text})");
    }
    let inner = wat::parse_str(text).unwrap();
    let mut module = Module::new();
    module.section(&CustomSection {
        name: "component-type:mission".into(),
        data: inner.into(),
    });
    assert_snapshot!(refused(&module.finish()), @"
    $ coo run bomb.wasm
    --- standard error
    ERROR: module bomb.wasm: refused: structure: nesting of components: 33 found, 32 is the limit (tools that compose components nest three or four)
    hint: no compiler makes such a module: take it for hostile, or have its generator changed
    --- exit 1
    ");
}
