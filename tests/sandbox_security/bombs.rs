//! Modules that are small and ask for much: each kind of structure that costs a compiler more than
//! its bytes, far beyond its bound, through the commands that take a stranger's module. Every one
//! runs in a gigabyte of address space and against a stopwatch, and is refused by name.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use coo::machine::{self, Stopwatch};
use coo_kernel::form::digest::Digest;
use coo_kernel::journal::{Chain, Kind};
use coo_kernel::mission::state::State;
use serde_json::json;
use wasm_encoder::{
    CodeSection, ConstExpr, CustomSection, ElementSection, Elements, EntityType, ExportKind,
    ExportSection, Function, FunctionSection, ImportSection, Instruction, MemorySection,
    MemoryType, Module, RefType, TableSection, TableType, TypeSection, ValType,
};

use crate::support::{Ran, World, mission_id};

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

/// Refused with these words by everything that looks into a module, a file of a run included.
fn assert_refused(wasm: &[u8], words: &[&str]) {
    let world = World::new();
    world.file("bomb.wasm", wasm);
    let file = run_file_with(wasm);
    for arguments in [
        vec!["audit", "bomb.wasm"],
        vec!["audit", "bomb.wasm", "--json"],
        vec!["run", "bomb.wasm"],
        vec!["replay", file.to_str().unwrap()],
        vec!["verify", "bomb.wasm", "--runs", "2"],
    ] {
        let ran = bounded(&world, &arguments, &[]);
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
        assert!(ran.stderr.starts_with("ERROR: "), "{ran:?}");
        for word in words {
            assert!(ran.stderr.contains(word), "'{word}' not in {ran:?}");
        }
    }
    assert_eq!(world.json(&["missions"]), json!([]), "nothing on record");
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
    assert_refused(
        &wasm,
        &[
            "structure: instances after expansion: ",
            "10000 is the limit",
        ],
    );
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
    assert_refused(
        &wasm,
        &["structure: component 0 is instantiated, but comes from an import"],
    );
}

#[test]
fn components_in_components_end_at_a_depth() {
    let mut text = String::new();
    for _ in 0..90 {
        text = format!("(component {text})");
    }
    let wasm = wat::parse_str(text).unwrap();
    assert_refused(
        &wasm,
        &["structure: nesting of components: 33 found, 32 is the limit"],
    );
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
    assert_refused(
        &wasm,
        &["function 1: values moved by blocks, branches and calls of a function: "],
    );
}

#[test]
fn calls_and_branches_of_many_values_are_refused() {
    let values = ["values moved by blocks, branches and calls of a function: "];
    let calls = times(50_000, &Instruction::Call(0));
    let wasm = program(
        1_000,
        0,
        calls.into_iter().chain([Instruction::Unreachable]),
    );
    assert_refused(&wasm, &values);
    // In code that is never reached a branch needs no values, and carries them all the same.
    let body = [
        Instruction::Block(wasm_encoder::BlockType::FunctionType(1)),
        Instruction::Unreachable,
        Instruction::BrTable(Cow::Owned(vec![0; 100_000]), 0),
        Instruction::End,
        Instruction::Unreachable,
    ];
    assert_refused(&program(1_000, 0, body), &values);
}

#[test]
fn deep_blocks_are_refused() {
    for depth in [40_000, 100_000] {
        let empty = wasm_encoder::BlockType::Empty;
        let body = times(depth, &Instruction::Block(empty));
        let wasm = program(
            1,
            0,
            body.into_iter().chain(times(depth, &Instruction::End)),
        );
        assert_refused(
            &wasm,
            &["function 1: nested blocks: 10001 found, 10000 is the limit"],
        );
    }
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
    assert_refused(
        &program(1, 10_000, body),
        &["function 1: locals used in loops of a function: "],
    );
}

#[test]
fn branch_tables_beyond_all_measure_are_refused() {
    let body = [
        Instruction::I32Const(0),
        Instruction::BrTable(Cow::Owned(vec![0; 1_000_000]), 0),
    ];
    assert_refused(
        &program(1, 0, body),
        &["function 1: branch-table targets of a function: 1000001 found"],
    );
}

#[test]
fn a_million_functions_are_refused() {
    assert_refused(
        &empty_functions(1_000_000),
        &["structure: functions: 1000000 found"],
    );
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
fn empty_functions(count: u32) -> Vec<u8> {
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
    let words = ["structure: elements of all segments: "];
    let functions = vec![0; 9_000_000];
    assert_refused(
        &segments(Elements::Functions(Cow::Owned(functions))),
        &words,
    );
    let nulls = vec![ConstExpr::ref_func(0); 1_000_000];
    let expressions = Elements::Expressions(RefType::FUNCREF, Cow::Owned(nulls));
    assert_refused(&segments(expressions), &words);
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
    assert_eq!(audit.code, 1, "{audit:?}");
    assert!(audit.stdout.contains("Verdict: REFUSED"), "{audit:?}");
    assert!(audit.stdout.len() < 10_000, "{}", audit.stdout.len());
    let run = bounded(&world, &["run", "bomb.wasm"], &[]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("function 'write'"), "{run:?}");
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
    assert_refused(&wasm, &["nested deeper than"]);
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
    assert_refused(&module.finish(), &["structure: nesting of components: "]);
}

/// Within every bound of structure, and still some processor seconds to compile.
fn laborious() -> Vec<u8> {
    empty_functions(200_000)
}

#[test]
fn processor_time_memory_and_real_time_are_bounded_and_each_says_so() {
    let world = World::with_own_cache();
    world.file("slow.wasm", laborious());
    for (variables, arguments, words) in [
        (
            ("COO_COMPILE_CPU_SECONDS", "1"),
            vec!["run", "slow.wasm"],
            [
                "compiling it: needs more than 1 s of processor time",
                "COO_COMPILE_CPU_SECONDS",
            ],
        ),
        (
            ("COO_COMPILE_MEMORY_MB", "64"),
            vec!["run", "slow.wasm"],
            [
                "compiling it: needs more than 64 MB of memory",
                "COO_COMPILE_MEMORY_MB",
            ],
        ),
        (
            ("TZ", "UTC"),
            vec!["run", "slow.wasm", "--timeout", "1"],
            [
                "compiling it: still not done after 1 s of real time",
                "--timeout",
            ],
        ),
        (
            ("COO_COMPILE_CPU_SECONDS", "soon"),
            vec!["run", "slow.wasm"],
            [
                "COO_COMPILE_CPU_SECONDS: 'soon' is not a whole number above 0",
                "",
            ],
        ),
    ] {
        // No stopwatch: a processor second on a busy machine may take many real ones.
        let ran = world.coo_with(&arguments, variables.0, variables.1);
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
        for word in words {
            assert!(ran.stderr.contains(word), "'{word}' not in {ran:?}");
        }
        assert!(
            ran.stderr.starts_with("ERROR: module slow.wasm: "),
            "{ran:?}"
        );
    }
    assert_eq!(world.json(&["missions"]), json!([]), "nothing on record");
    // The machine's failure is nobody's for good: with less to do it runs.
    world.file("slow.wasm", empty_functions(1));
    assert_eq!(world.coo(&["run", "slow.wasm"]).code, 0);
}

/// A child of `coo`, by its parent; none where it has ended.
fn child_of(parent: u32) -> Option<u32> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let children = std::fs::read_to_string(path).unwrap_or_default();
    children.split_whitespace().next()?.parse().ok()
}

#[cfg(target_os = "linux")]
#[test]
fn who_waits_is_told_and_a_killed_parent_leaves_no_child() {
    let world = World::with_own_cache();
    world.file("slow.wasm", laborious());
    let mut parent: Child = world.start(&["run", "slow.wasm", "--json"]);
    let mut stderr = BufReader::new(parent.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    assert_eq!(line, "[coo] compiling module slow.wasm (782 KB)\n");
    let child = child_of(parent.id()).expect("a child at work");
    assert!(Path::new(&format!("/proc/{child}")).exists());
    parent.kill().unwrap();
    parent.wait().unwrap();
    // Its pipe is closed when it is gone.
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    let mut stdout = String::new();
    parent
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut stdout)
        .unwrap();
    assert_eq!((rest.as_str(), stdout.as_str()), ("", ""));
    let stopwatch = Stopwatch::start();
    let is_at_work = || {
        let state = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        !state.is_empty() && !state.contains(") Z ")
    };
    while is_at_work() {
        assert!(
            stopwatch.elapsed() < Duration::from_secs(5),
            "still at work"
        );
        machine::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_module_compiles_without_any_standard_stream() {
    let world = World::with_own_cache();
    world.file("small.wasm", empty_functions(3));
    let script = "exec \"$0\" run small.wasm 0<&- 1>&- 2>&-";
    let status = world
        .program("sh", &["-c", script, env!("CARGO_BIN_EXE_coo")])
        .status();
    assert_eq!(status.unwrap().code(), Some(0));
}

#[test]
fn a_module_compiles_after_the_program_was_replaced() {
    let world = World::with_own_cache();
    world.file("small.wasm", empty_functions(3));
    let copy = world.path().join("coo");
    std::fs::copy(env!("CARGO_BIN_EXE_coo"), &copy).unwrap();
    let mut child = world
        .program(&copy, &["run", "small.wasm", "--input", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It runs, and waits for its input, before which it compiles nothing.
    std::fs::remove_file(&copy).unwrap();
    std::fs::write(&copy, "#!/bin/sh\nexit 99\n").unwrap();
    drop(child.stdin.take());
    let ran = crate::support::ran(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn the_hidden_command_is_in_no_help_and_harms_nobody() {
    let world = World::new();
    assert!(!world.coo(&["--help"]).stdout.contains("__compile"));
    for job in [
        vec!["__compile"],
        vec!["__compile", "{}"],
        vec!["__compile", "x", "y"],
    ] {
        let ran = world.coo(&job);
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
    }
    assert!(!world.root().exists());
}
