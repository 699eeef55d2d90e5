//! `coo run` says when a module is older than its sources: by digests that the build recorded, and
//! only for a module that the build made. No toolchain is needed: the manifest is written here.

use coo_kernel::form::digest::Digest;
use coo_kernel::project::manifest::{Manifest, Module};
use insta::assert_snapshot;
use serde_json::json;

use crate::support::{World, guest_text, shown};

const SOURCES: [&str; 2] = ["Cargo.toml", "missions/echo/src/lib.rs"];

/// Returns a world with a project whose one module is built.
fn built() -> World {
    let world = World::new();
    for source in SOURCES {
        world.file(source, format!("the content of {source}\n"));
    }
    let wasm = wat::parse_str(guest_text("(func (export \"_start\"))")).unwrap();
    world.file("missions/dist/echo.wasm", &wasm);
    let mut manifest = Manifest::default();
    let sources = SOURCES.map(|source| {
        let content = format!("the content of {source}\n");
        (source.to_owned(), Digest::of(content))
    });
    let module = Module {
        sha256: Digest::of(&wasm),
        bytes: wasm.len() as u64,
        imports: Vec::new(),
        compiler: "rustc 1.95.0".to_owned(),
        sources: sources.into(),
    };
    manifest.insert("echo.wasm".to_owned(), module);
    world.file("missions/dist/build.json", manifest.text().unwrap());
    let module = json!({"file": "missions/dist/echo.wasm"});
    world.descriptor("echo.json", &module, &json!({}));
    world
}

#[test]
fn a_changed_source_is_named_and_the_mission_runs_all_the_same() {
    let world = built();
    let fresh = world.coo(&["run", "echo.json"]);
    assert_snapshot!(shown("run echo.json", &fresh), @"
    $ coo run echo.json
    --- standard error
    [coo] MISSION-000001 SUCCESS: 9 events, 1 fuel, <duration>, chain <sha256…>
    --- exit 0
    ");
    world.file(SOURCES[1], "changed\n");
    let stale = world.coo(&["run", "echo.json"]);
    assert_snapshot!(shown("run echo.json", &stale), @"
    $ coo run echo.json
    --- standard error
    [coo] module missions/dist/echo.wasm is older than its sources; changed after its build: missions/echo/src/lib.rs
    hint: 'coo build echo' builds it again; 'coo run --build' does so before it runs
    [coo] MISSION-000002 SUCCESS: 9 events, 1 fuel, <duration>, chain <sha256…>
    --- exit 0
    ");
    // From another folder, and with JSON on standard output.
    std::fs::remove_file(world.path().join(SOURCES[0])).unwrap();
    let stale = super::coo_in(&world, "missions", &["run", "../echo.json", "--json"]);
    assert_eq!(stale.code, 0, "{stale:?}");
    assert!(
        stale
            .stderr
            .contains("changed after its build: Cargo.toml, missions/echo/src/lib.rs\n"),
        "{stale:?}"
    );
    serde_json::from_str::<serde_json::Value>(&stale.stdout).unwrap();
}

#[test]
fn a_touched_file_is_no_change() {
    let world = built();
    // The same content with a new time, as a checkout leaves it.
    world.file(SOURCES[1], format!("the content of {}\n", SOURCES[1]));
    let ran = world.coo(&["run", "echo.json"]);
    assert!(!ran.stderr.contains("older"), "{ran:?}");
}

#[test]
fn nothing_is_said_about_a_module_that_the_build_did_not_make() {
    let world = built();
    world.file(SOURCES[1], "changed\n");
    let other = wat::parse_str(guest_text("(func (export \"_start\") (nop))")).unwrap();
    world.file("missions/dist/echo.wasm", other);
    let ran = world.coo(&["run", "echo.json"]);
    assert!(ran.code == 0 && !ran.stderr.contains("older"), "{ran:?}");
    for manifest in ["", "{}", "[1", "\u{feff}"] {
        world.file("missions/dist/build.json", manifest);
        let ran = world.coo(&["run", "echo.json"]);
        assert!(ran.code == 0 && !ran.stderr.contains("older"), "{ran:?}");
    }
}

#[test]
fn a_run_that_is_to_build_first_needs_a_module_of_a_project() {
    let world = built();
    world.descriptor("set.json", &json!({"set": "demo"}), &json!({}));
    let mut told = String::new();
    for target in ["demo", "set.json", "missions/dist/echo.wasm", "none.json"] {
        let ran = world.coo(&["run", target, "--build"]);
        told += &shown(&format!("run {target} --build"), &ran);
    }
    assert_snapshot!(told, @"
    $ coo run demo --build
    --- standard error
    ERROR: descriptor demo: --build: names no module of a project
    hint: leave out --build, or name a module in missions/dist/
    --- exit 1
    $ coo run set.json --build
    --- standard error
    ERROR: descriptor set.json: --build: names no module of a project
    hint: leave out --build, or name a module in missions/dist/
    --- exit 1
    $ coo run missions/dist/echo.wasm --build
    --- standard error
    ERROR: descriptor missions/dist/echo.wasm: --build: names no module of a project
    hint: leave out --build, or name a module in missions/dist/
    --- exit 1
    $ coo run none.json --build
    --- standard error
    ERROR: descriptor: none.json: can't be opened: No such file or directory (os error 2)
    --- exit 1
    ");
    assert!(!world.root().exists());
}
