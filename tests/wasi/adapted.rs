//! Which core modules run as they are, which are turned into components, and which can't be
//! run safely and are refused by name; `audit` says the same as a run does.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::{Ran, World, shown};

const FD_WRITE: &str =
    r#"(import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))"#;
const GATEWAY: &str =
    r#"(import "coo:mission/gateway@1.0.0" "write" (func (param i32 i32 i32 i32 i32)))"#;
const REALLOC: &str =
    r#"(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)"#;
const RUN: &str = r#"(func (export "run") (param i32 i32) (result i32) unreachable)"#;
const START: &str = r#"(func (export "_start"))"#;

/// What `audit` and `run` make of a module.
struct Audited {
    view: Value,
    audit: Ran,
    run: Ran,
}

/// Audits and runs a module; both refuse it for the same reasons.
fn audited(body: &str) -> Audited {
    let world = World::new();
    world.wasm(
        "m.wasm",
        &format!(r#"(module {body} (memory (export "memory") 1))"#),
    );
    let json = world.coo(&["audit", "m.wasm", "--json"]);
    let view: Value = serde_json::from_str(&json.stdout).unwrap();
    let run = world.coo(&["run", "m.wasm"]);
    let audit = world.coo(&["audit", "m.wasm"]);
    if view["admitted"] == json!(false) {
        assert_eq!((audit.code, run.code), (1, 1), "{run:?}");
        assert_eq!(world.list(&["missions"]), json!([]));
        for reason in view["reasons"].as_array().unwrap() {
            let reason = reason.as_str().unwrap();
            assert!(run.stderr.contains(reason), "{reason} not in {run:?}");
            assert!(audit.stdout.contains(reason), "{reason} not in {audit:?}");
        }
    }
    Audited { view, audit, run }
}

/// The end of an audit: the verdict and its reasons.
fn verdict(audit: &Ran) -> &str {
    &audit.stdout[audit.stdout.find("Verdict: ").unwrap()..]
}

#[test]
fn audit_says_how_a_program_runs() {
    let mut said = String::new();
    for body in [
        START.to_owned(),
        format!("{FD_WRITE}{START}"),
        format!("{FD_WRITE}{START}{RUN}"),
        format!(r#"{FD_WRITE}{START}(func (export "_initialize"))"#),
    ] {
        let Audited { view, audit, .. } = audited(&body);
        assert_eq!(view["encoded"], "core_module", "{audit:?}");
        assert_eq!(view["admitted"], json!(true), "{audit:?}");
        said += &shown("audit m.wasm", &audit);
    }
    assert_snapshot!(said, @"
    $ coo audit m.wasm
    Module m.wasm
      SHA-256: <sha256>
      Size: 50 bytes
      Kind: core module, run as it is
      Entry: _start

    Imports
      none

    Verdict: ADMITTED
    --- exit 0
    $ coo audit m.wasm
    Module m.wasm
      SHA-256: <sha256>
      Size: 95 bytes
      Kind: core module, run as it is
      Entry: _start

    Imports
      sandbox wasi_snapshot_preview1
              use its descriptor's arguments and variables, three streams, fixed clocks and numbers; no files
              fd_write

    Verdict: ADMITTED
    --- exit 0
    $ coo audit m.wasm
    Module m.wasm
      SHA-256: <sha256>
      Size: 112 bytes
      Kind: core module, run as it is
      Entry: _start

    Imports
      sandbox wasi_snapshot_preview1
              use its descriptor's arguments and variables, three streams, fixed clocks and numbers; no files
              fd_write

    Verdict: ADMITTED
    --- exit 0
    $ coo audit m.wasm
    Module m.wasm
      SHA-256: <sha256>
      Size: 113 bytes
      Kind: core module, run as it is
      Entry: _initialize, then _start

    Imports
      sandbox wasi_snapshot_preview1
              use its descriptor's arguments and variables, three streams, fixed clocks and numbers; no files
              fd_write

    Verdict: ADMITTED
    --- exit 0
    ");
    let world = World::new();
    assert_eq!(world.json(&["audit", "demo"])["encoded"], "adapted_module");
}

#[test]
fn a_program_that_imports_something_unknown_is_told_that_alone() {
    let body = format!(r#"(import "env" "f" (func)){FD_WRITE}{START}"#);
    let Audited { view, audit, run } = audited(&body);
    assert_eq!(view["admitted"], json!(false), "{audit:?}");
    let reasons = view["reasons"].as_array().unwrap();
    assert_eq!(reasons.len(), 1, "{audit:?}");
    assert_snapshot!(shown("audit m.wasm", &audit), @"
    $ coo audit m.wasm
    Module m.wasm
      SHA-256: <sha256>
      Size: 103 bytes
      Kind: core module, run as it is
      Entry: _start

    Imports
      REFUSED env
              import 'env' is not part of the surface (functions: f)
              f
      sandbox wasi_snapshot_preview1
              use its descriptor's arguments and variables, three streams, fixed clocks and numbers; no files
              fd_write

    Verdict: REFUSED
      - import 'env' is not part of the surface (functions: f)
    --- exit 1
    ");
    assert_snapshot!(shown("run m.wasm", &run), @"
    $ coo run m.wasm
    --- standard error
    ERROR: module m.wasm: refused: import 'env' is not part of the surface (functions: f)
    hint: 'coo audit' lists every import
    --- exit 1
    ");
}

#[test]
fn what_the_adapter_can_not_serve_safely_is_refused_by_name() {
    let mut said = String::new();
    for body in [
        format!("{GATEWAY}{FD_WRITE}{RUN}"),
        format!("{GATEWAY}{FD_WRITE}{START}"),
        format!("{FD_WRITE}{RUN}"),
        // An allocator of another type is none.
        format!(r#"{GATEWAY}{FD_WRITE}{RUN}(func (export "cabi_realloc"))"#),
        format!(r#"{GATEWAY}{FD_WRITE}{RUN}(global (export "cabi_realloc") i32 (i32.const 0))"#),
    ] {
        let Audited { view, audit, run } = audited(&body);
        assert_eq!(view["encoded"], "adapted_module", "{audit:?}");
        assert_eq!(view["admitted"], json!(false), "{audit:?}");
        said += &shown("run m.wasm", &run);
    }
    assert_snapshot!(said, @"
    $ coo run m.wasm
    --- standard error
    ERROR: module m.wasm: refused: imports 'wasi_snapshot_preview1' beside a mission's interfaces, which needs an adapter in the module's memory, and exports no 'cabi_realloc: (i32, i32, i32, i32) -> i32' to give it room; build it with coo-guest or wit-bindgen, which export it, or leave out WASI
    hint: 'coo audit' lists every import
    --- exit 1
    $ coo run m.wasm
    --- standard error
    ERROR: module m.wasm: refused: imports 'wasi_snapshot_preview1' beside a mission's interfaces, which needs an adapter in the module's memory, and exports no 'cabi_realloc: (i32, i32, i32, i32) -> i32' to give it room; build it with coo-guest or wit-bindgen, which export it, or leave out WASI
    hint: 'coo audit' lists every import
    --- exit 1
    $ coo run m.wasm
    --- standard error
    ERROR: module m.wasm: refused: imports 'wasi_snapshot_preview1' beside a mission's interfaces, which needs an adapter in the module's memory, and exports no 'cabi_realloc: (i32, i32, i32, i32) -> i32' to give it room; build it with coo-guest or wit-bindgen, which export it, or leave out WASI
    hint: 'coo audit' lists every import
    --- exit 1
    $ coo run m.wasm
    --- standard error
    ERROR: module m.wasm: refused: imports 'wasi_snapshot_preview1' beside a mission's interfaces, which needs an adapter in the module's memory, and exports no 'cabi_realloc: (i32, i32, i32, i32) -> i32' to give it room; build it with coo-guest or wit-bindgen, which export it, or leave out WASI
    hint: 'coo audit' lists every import
    --- exit 1
    $ coo run m.wasm
    --- standard error
    ERROR: module m.wasm: refused: imports 'wasi_snapshot_preview1' beside a mission's interfaces, which needs an adapter in the module's memory, and exports no 'cabi_realloc: (i32, i32, i32, i32) -> i32' to give it room; build it with coo-guest or wit-bindgen, which export it, or leave out WASI
    hint: 'coo audit' lists every import
    --- exit 1
    ");
    // Without preview 1 no adapter is needed, and so no allocator.
    let Audited { view, audit, .. } = audited(&format!("{GATEWAY}{RUN}"));
    assert_eq!(view["encoded"], "lifted_module", "{audit:?}");
    let with_allocator = audited(&format!("{GATEWAY}{FD_WRITE}{REALLOC}{RUN}"));
    for reasons in [&view["reasons"], &with_allocator.view["reasons"]] {
        assert!(!reasons.to_string().contains("cabi_realloc"), "{reasons}");
    }
}

#[test]
fn what_no_program_is_started_by_is_refused_by_name() {
    let mut said = String::new();
    for body in [
        r#"(func (export "_start") (param i32))"#.to_owned(),
        r#"(func (export "_start") (result i32) (i32.const 1))"#.to_owned(),
        format!(r#"{START}(func (export "_initialize") (param i64))"#),
        r#"(global (export "_start") i32 (i32.const 0))"#.to_owned(),
        r#"(func (export "main") (param i32 i32) (result i32) (i32.const 0))"#.to_owned(),
        format!(r#"(import "wasi_snapshot_preview1" "fd_write" (func (param i32))) {START}"#),
        format!(r#"(import "wasi_snapshot_preview1" "fd_write" (global i32)) {START}"#),
        format!(r#"(import "wasi_snapshot_preview1" "memory" (memory 1)) {START}"#),
        format!(
            r#"(import "wasi_snapshot_preview1" "sock_shutdown" (func (param i32 i32) (result i32))) {START}"#
        ),
    ] {
        let world = World::new();
        world.wasm("m.wasm", &format!("(module {body})"));
        said += &shown(
            &format!("run m.wasm # {body}"),
            &world.coo(&["run", "m.wasm"]),
        );
        said += verdict(&world.coo(&["audit", "m.wasm"]));
        assert_eq!(world.list(&["missions"]), json!([]));
    }
    assert_snapshot!(said, @r#"
    $ coo run m.wasm # (func (export "_start") (param i32))
    --- standard error
    ERROR: module m.wasm: refused: nothing to start: '_start' takes parameters or gives results, and a program's takes and gives none
    hint: 'coo audit' lists every import
    --- exit 1
    Verdict: REFUSED
      - nothing to start: '_start' takes parameters or gives results, and a program's takes and gives none
    $ coo run m.wasm # (func (export "_start") (result i32) (i32.const 1))
    --- standard error
    ERROR: module m.wasm: refused: nothing to start: '_start' takes parameters or gives results, and a program's takes and gives none
    hint: 'coo audit' lists every import
    --- exit 1
    Verdict: REFUSED
      - nothing to start: '_start' takes parameters or gives results, and a program's takes and gives none
    $ coo run m.wasm # (func (export "_start"))(func (export "_initialize") (param i64))
    --- standard error
    ERROR: module m.wasm: refused: nothing to start: '_initialize' takes parameters or gives results, and a program's takes and gives none
    hint: 'coo audit' lists every import
    --- exit 1
    Verdict: REFUSED
      - nothing to start: '_initialize' takes parameters or gives results, and a program's takes and gives none
    $ coo run m.wasm # (global (export "_start") i32 (i32.const 0))
    --- standard error
    ERROR: module m.wasm: refused: nothing to start: it exports [], needed is '_start' of a WASI program or 'run: func(input: string) -> result<string, string>' of a mission
    hint: 'coo audit' lists every import
    --- exit 1
    Verdict: REFUSED
      - nothing to start: it exports [], needed is '_start' of a WASI program or 'run: func(input: string) -> result<string, string>' of a mission
    $ coo run m.wasm # (func (export "main") (param i32 i32) (result i32) (i32.const 0))
    --- standard error
    ERROR: module m.wasm: refused: nothing to start: it exports [main], needed is '_start' of a WASI program or 'run: func(input: string) -> result<string, string>' of a mission
    hint: 'coo audit' lists every import
    --- exit 1
    Verdict: REFUSED
      - nothing to start: it exports [main], needed is '_start' of a WASI program or 'run: func(input: string) -> result<string, string>' of a mission
    $ coo run m.wasm # (import "wasi_snapshot_preview1" "fd_write" (func (param i32))) (func (export "_start"))
    --- standard error
    ERROR: module m.wasm: refused: import 'wasi_snapshot_preview1' has a function 'fd_write', but of another type
    hint: 'coo audit' lists every import
    --- exit 1
    Verdict: REFUSED
      - import 'wasi_snapshot_preview1' has a function 'fd_write', but of another type
    $ coo run m.wasm # (import "wasi_snapshot_preview1" "fd_write" (global i32)) (func (export "_start"))
    --- standard error
    ERROR: module m.wasm: refused: import 'wasi_snapshot_preview1' has a function 'fd_write', but of another type
    hint: 'coo audit' lists every import
    --- exit 1
    Verdict: REFUSED
      - import 'wasi_snapshot_preview1' has a function 'fd_write', but of another type
    $ coo run m.wasm # (import "wasi_snapshot_preview1" "memory" (memory 1)) (func (export "_start"))
    --- standard error
    ERROR: module m.wasm: refused: import 'wasi_snapshot_preview1.memory' is not a WASI preview 1 function
    hint: 'coo audit' lists every import
    --- exit 1
    Verdict: REFUSED
      - import 'wasi_snapshot_preview1.memory' is not a WASI preview 1 function
    $ coo run m.wasm # (import "wasi_snapshot_preview1" "sock_shutdown" (func (param i32 i32) (result i32))) (func (export "_start"))
    --- standard error
    ERROR: module m.wasm: refused: import 'wasi_snapshot_preview1.sock_shutdown' reaches for the network, which is not part of the surface
    hint: 'coo audit' lists every import
    --- exit 1
    Verdict: REFUSED
      - import 'wasi_snapshot_preview1.sock_shutdown' reaches for the network, which is not part of the surface
    "#);
}

#[test]
fn a_program_and_a_mission_run_from_compiled_code_as_before() {
    let world = World::new();
    world.guest(
        "p.wasm",
        r#"(func (export "_start") (call $print (i64.const 3)))"#,
    );
    for _ in 0..2 {
        let ran = world.coo(&["run", "p.wasm"]);
        assert_eq!((ran.code, ran.stdout.as_str()), (0, "3\n"), "{ran:?}");
    }
    for _ in 0..2 {
        let ran = world.coo(&["run", "demo", "--frozen"]);
        assert_eq!(ran.code, 0, "{ran:?}");
    }
}
