//! Which core modules run as they are, which are turned into components, and which can't be
//! run safely and are refused by name; `audit` says the same as a run does.

use serde_json::json;

use crate::support::World;

const FD_WRITE: &str =
    r#"(import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))"#;
const GATEWAY: &str =
    r#"(import "coo:mission/gateway@1.0.0" "write" (func (param i32 i32 i32 i32 i32)))"#;
const REALLOC: &str =
    r#"(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)"#;
const RUN: &str = r#"(func (export "run") (param i32 i32) (result i32) unreachable)"#;
const START: &str = r#"(func (export "_start"))"#;

fn audited(body: &str) -> (serde_json::Value, String) {
    let world = World::new();
    world.wasm(
        "m.wasm",
        &format!(r#"(module {body} (memory (export "memory") 1))"#),
    );
    let json = world.coo(&["audit", "m.wasm", "--json"]);
    let view = serde_json::from_str(&json.stdout).unwrap();
    let ran = world.coo(&["run", "m.wasm"]);
    let text = world.coo(&["audit", "m.wasm"]).stdout;
    let view: serde_json::Value = view;
    if view["admitted"] == json!(false) {
        assert_eq!(ran.code, 1, "{ran:?}");
        assert_eq!(world.json(&["missions"]), json!([]));
        for reason in view["reasons"].as_array().unwrap() {
            let reason = reason.as_str().unwrap();
            assert!(ran.stderr.contains(reason), "{reason} not in {ran:?}");
            assert!(text.contains(reason), "{reason} not in {text}");
        }
    }
    (view, text)
}

#[test]
fn audit_says_how_a_program_runs() {
    for (body, entry) in [
        (START.to_owned(), "_start"),
        (format!("{FD_WRITE}{START}"), "_start"),
        (format!("{FD_WRITE}{START}{RUN}"), "_start"),
        (
            format!(r#"{FD_WRITE}{START}(func (export "_initialize"))"#),
            "_initialize, then _start",
        ),
    ] {
        let (view, text) = audited(&body);
        assert_eq!(view["encoded"], "core_module", "{text}");
        assert_eq!(view["admitted"], json!(true), "{text}");
        assert!(text.contains("Kind: core module, run as it is"), "{text}");
        assert!(text.contains(&format!("Entry: {entry}\n")), "{text}");
    }
    let (_, text) = audited(&format!("{FD_WRITE}{START}"));
    assert!(text.contains("sandbox wasi_snapshot_preview1"), "{text}");
    assert!(
        text.contains("fixed clocks and numbers; no files"),
        "{text}"
    );
    let world = World::new();
    assert_eq!(world.json(&["audit", "demo"])["encoded"], "adapted_module");
}

#[test]
fn a_program_that_imports_something_unknown_is_told_that_alone() {
    let body = format!(r#"(import "env" "f" (func)){FD_WRITE}{START}"#);
    let (view, text) = audited(&body);
    assert_eq!(view["admitted"], json!(false), "{text}");
    let reasons = view["reasons"].as_array().unwrap();
    assert_eq!(reasons.len(), 1, "{text}");
    assert!(reasons[0].as_str().unwrap().contains("'env'"), "{text}");
    assert!(!text.contains("cabi_realloc"), "{text}");
}

#[test]
fn what_the_adapter_can_not_serve_safely_is_refused_by_name() {
    for body in [
        format!("{GATEWAY}{FD_WRITE}{RUN}"),
        format!("{GATEWAY}{FD_WRITE}{START}"),
        format!("{FD_WRITE}{RUN}"),
        // An allocator of another type is none.
        format!(r#"{GATEWAY}{FD_WRITE}{RUN}(func (export "cabi_realloc"))"#),
        format!(r#"{GATEWAY}{FD_WRITE}{RUN}(global (export "cabi_realloc") i32 (i32.const 0))"#),
    ] {
        let (view, text) = audited(&body);
        assert_eq!(view["encoded"], "adapted_module", "{text}");
        assert_eq!(view["admitted"], json!(false), "{text}");
        let reasons = view["reasons"].to_string();
        assert!(
            reasons.contains("exports no 'cabi_realloc: (i32, i32, i32, i32) -> i32'")
                && reasons.contains("build it with coo-guest or wit-bindgen"),
            "{reasons}"
        );
    }
    // Without preview 1 no adapter is needed, and so no allocator.
    let (view, text) = audited(&format!("{GATEWAY}{RUN}"));
    assert_eq!(view["encoded"], "lifted_module", "{text}");
    assert!(
        !view["reasons"].to_string().contains("cabi_realloc"),
        "{text}"
    );
    let (view, text) = audited(&format!("{GATEWAY}{FD_WRITE}{REALLOC}{RUN}"));
    assert!(
        !view["reasons"].to_string().contains("cabi_realloc"),
        "{text}"
    );
}

#[test]
fn what_no_program_is_started_by_is_refused_by_name() {
    for (body, reason) in [
        (
            r#"(func (export "_start") (param i32))"#.to_owned(),
            "'_start' takes parameters or gives results",
        ),
        (
            r#"(func (export "_start") (result i32) (i32.const 1))"#.to_owned(),
            "'_start' takes parameters or gives results",
        ),
        (
            format!(r#"{START}(func (export "_initialize") (param i64))"#),
            "'_initialize' takes parameters or gives results",
        ),
        (
            r#"(global (export "_start") i32 (i32.const 0))"#.to_owned(),
            "nothing to start: it exports []",
        ),
        (
            r#"(func (export "main") (param i32 i32) (result i32) (i32.const 0))"#.to_owned(),
            "nothing to start: it exports [main]",
        ),
        (
            format!(r#"(import "wasi_snapshot_preview1" "fd_write" (func (param i32)))  {START}"#),
            "import 'wasi_snapshot_preview1' has a function 'fd_write', but of another type",
        ),
        (
            format!(r#"(import "wasi_snapshot_preview1" "fd_write" (global i32)) {START}"#),
            "import 'wasi_snapshot_preview1' has a function 'fd_write', but of another type",
        ),
        (
            format!(r#"(import "wasi_snapshot_preview1" "memory" (memory 1)) {START}"#),
            "import 'wasi_snapshot_preview1.memory' is not a WASI preview 1 function",
        ),
        (
            format!(
                r#"(import "wasi_snapshot_preview1" "sock_shutdown" (func (param i32 i32) (result i32))) {START}"#
            ),
            "import 'wasi_snapshot_preview1.sock_shutdown' reaches for the network",
        ),
    ] {
        let world = World::new();
        world.wasm("m.wasm", &format!("(module {body})"));
        let ran = world.coo(&["run", "m.wasm"]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.stderr.contains(reason), "{reason} not in {ran:?}");
        assert!(world.coo(&["audit", "m.wasm"]).stdout.contains(reason));
        assert_eq!(world.json(&["missions"]), json!([]));
    }
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
