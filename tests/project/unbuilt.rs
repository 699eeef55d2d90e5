//! Builds that fail: each says what is missing or wrong, and leaves the modules and their record as they
//! were. Programs in the place of cargo and rustc stand for a toolchain, so that none is needed.

use std::io::{BufRead as _, BufReader};
use std::path::Path;

use insta::assert_snapshot;

use super::{program, text, without_sizes};
use crate::support::tree::picture;
use crate::support::{Ran, World, guest_text, shown, steady};

/// Returns a world with a project and programs in the place of cargo and rustc. This cargo knows one
/// mission, `echo`, and "compiles" `made.wasm` of the world.
fn with_programs() -> World {
    let world = World::new();
    let top = world.path().canonicalize().unwrap();
    let top = top.to_str().unwrap();
    let world = world.with("PATH", format!("{top}/bin:/usr/bin:/bin"));
    for file in [
        "Cargo.toml",
        "Cargo.lock",
        "missions/echo/Cargo.toml",
        "missions/echo/src/lib.rs",
    ] {
        world.file(file, "");
    }
    program(
        &world,
        "rustc",
        &format!(
            "[ \"$1\" = -V ] && echo 'rustc 9.9.9 (a program of this test)' || echo {top}/lib"
        ),
    );
    world.file("lib/libstd-1.rlib", "");
    let metadata = format!(
        r#"{{"workspace_root": "{top}", "target_directory": "{top}/target", "packages": [
            {{"name": "echo", "manifest_path": "{top}/missions/echo/Cargo.toml",
              "targets": [{{"name": "echo", "crate_types": ["bin"]}}]}}]}}"#
    );
    world.file("metadata.json", metadata);
    program(
        &world,
        "cargo",
        &format!(
            "cd {top}
[ \"$1\" = metadata ] && exec cat metadata.json
echo \"$@\" >> arguments
[ \"$1\" = fetch ] && exit
echo 'cargo printed this'; env > environment
mkdir -p target/wasm32-wasip1/release; cd target/wasm32-wasip1/release
cp {top}/made.wasm echo.wasm
echo {top}/target/wasm32-wasip1/release/echo.wasm: {top}/missions/echo/src/lib.rs > echo.d"
        ),
    );
    let wasm = wat::parse_str(guest_text("(func (export \"_start\"))")).unwrap();
    world.file("made.wasm", wasm);
    world
}

fn refused(world: &World, arguments: &[&str]) -> String {
    let before = picture(&world.path().join("missions"));
    let ran = world.coo(arguments);
    assert!(picture(&world.path().join("missions")) == before, "{ran:?}");
    assert!(!world.path().join("sandbox_digest.txt").exists());
    shown(&arguments.join(" "), &ran)
}

#[test]
fn what_is_missing_is_named_with_how_to_install_it() {
    let world = with_programs();
    std::fs::remove_file(world.path().join("lib/libstd-1.rlib")).unwrap();
    let mut told = refused(&world, &["build"]);
    let nowhere = world.coo_with(&["build"], "RUSTC", "/nowhere/rustc");
    told += &shown("build", &nowhere);
    told += &refused(&world.with("PATH", "/nowhere"), &["build"]);
    assert_snapshot!(told, @"
    $ coo build
    --- standard error
    ERROR: target wasm32-wasip1: not installed for rustc 9.9.9 (a program of this test)
    hint: run 'rustup target add wasm32-wasip1'
    --- exit 1
    $ coo build
    --- standard error
    ERROR: /nowhere/rustc: can't be started: No such file or directory (os error 2)
    hint: install Rust from https://rustup.rs, then run 'rustup target add wasm32-wasip1'
    --- exit 1
    $ coo build
    --- standard error
    ERROR: cargo: can't be started: cannot find binary path
    hint: install Rust from https://rustup.rs, then run 'rustup target add wasm32-wasip1'
    --- exit 1
    ");
}

#[test]
fn the_bytes_depend_on_no_variable_of_the_user() {
    let world = with_programs();
    world.file("home/git/checkouts/words-1/a/lib.rs", "");
    let world = world
        .with("RUSTFLAGS", "-Copt-level=0")
        .with("CARGO_ENCODED_RUSTFLAGS", "-Cdebuginfo=2")
        .with("CARGO_PROFILE_RELEASE_LTO", "false")
        .with("CARGO_BUILD_RUSTC", "/nowhere/rustc")
        .with("CARGO_BUILD_RUSTC_WRAPPER", "/nowhere/wrapper")
        .with("CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER", "/nowhere/wrapper")
        .with("CARGO_BUILD_DEP_INFO_BASEDIR", "/nowhere")
        .with("CARGO_HOME", "home")
        .with("CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS", "-Cdebuginfo=2")
        .with("RUSTC_WRAPPER", "/nowhere/wrapper");
    let ran = world.coo(&["build"]);
    assert_snapshot!(without_sizes(&shown("build", &ran)), @"
    $ coo build
    <sha256>  missions/dist/echo.wasm
    <sha256>  module set, as in sandbox_digest.txt
    --- standard error
    cargo printed this
    cargo printed this
    [coo] missions/dist/echo.wasm: written, 1048 bytes
    --- exit 0
    ");
    let environment = text(&world, "environment");
    for name in ["opt-level", "debuginfo", "LTO", "WRAPPER", "nowhere"] {
        assert!(!environment.contains(name), "{environment}");
    }
    let top = world.path().canonicalize().unwrap();
    let remap = format!(
        "CARGO_ENCODED_RUSTFLAGS=--remap-path-prefix={}=/project",
        top.display()
    );
    assert!(environment.contains(&remap), "{environment}");
    let remap = "--remap-path-prefix=home/git/checkouts/words-1=/git\n";
    assert!(environment.contains(remap), "{environment}");
    // Sources of a registry are there before the flags name its folder.
    assert_snapshot!(text(&world, "arguments").replace(top.to_str().unwrap(), "<world>"), @"
    fetch --target wasm32-wasip1
    build --release --target wasm32-wasip1 --target-dir <world>/target --package echo
    build --release --target wasm32-wasip1 --target-dir <world>/target --package echo
    ");
    assert_snapshot!(steady(&text(&world, "missions/dist/build.json")), @r#"
    {
      "format": "coo-build/1",
      "modules": {
        "echo.wasm": {
          "sha256": "<sha256>",
          "bytes": 1048,
          "imports": [
            "wasi_snapshot_preview1"
          ],
          "compiler": "rustc 9.9.9 (a program of this test)",
          "sources": {
            "Cargo.lock": "<sha256>",
            "Cargo.toml": "<sha256>",
            "missions/echo/Cargo.toml": "<sha256>",
            "missions/echo/src/lib.rs": "<sha256>"
          }
        }
      }
    }
    "#);
    let digest = text(&world, "sandbox_digest.txt");
    assert_eq!(digest.len(), 65, "{digest}");
}

#[test]
fn a_module_that_a_run_would_refuse_is_not_placed() {
    let world = with_programs();
    let mut told = String::new();
    for module in [
        "(module (import \"env\" \"open\" (func)) (func (export \"_start\")))",
        "(module)",
    ] {
        world.wasm("made.wasm", module);
        told += &refused(&world, &["build"]);
    }
    world.file("made.wasm", "no module");
    told += &refused(&world, &["build"]);
    assert_snapshot!(told, @"
    $ coo build
    --- standard error
    cargo printed this
    cargo printed this
    ERROR: mission 'echo': module target/wasm32-wasip1/release/echo.wasm: refused: import 'env' is not part of the surface (functions: open)
    hint: 'coo audit' lists every import
    --- exit 1
    $ coo build
    --- standard error
    cargo printed this
    ERROR: mission 'echo': module target/wasm32-wasip1/release/echo.wasm: refused: nothing to start: it exports [], needed is '_start' of a WASI program or 'run: func(input: string) -> result<string, string>' of a mission
    hint: 'coo audit' lists every import
    --- exit 1
    $ coo build
    --- standard error
    cargo printed this
    ERROR: mission 'echo': module target/wasm32-wasip1/release/echo.wasm: not a WebAssembly binary
    hint: compile for wasm32-wasip1 or give a component
    --- exit 1
    ");
}

#[test]
fn an_answer_of_cargo_that_makes_no_sense_is_an_error() {
    let world = with_programs();
    let mut told = String::new();
    for (metadata, script) in [
        ("{", "exec cat metadata.json"),
        (
            "",
            "echo 'error: could not find `Cargo.toml`' >&2; exit 101",
        ),
        (
            r#"{"workspace_root": "/p", "target_directory": "/t", "packages": []}"#,
            "exec cat metadata.json",
        ),
    ] {
        world.file("metadata.json", metadata);
        let top = world.path().display().to_string();
        program(&world, "cargo", &format!("cd {top}\n{script}"));
        told += &refused(&world, &["build"]);
    }
    assert_snapshot!(told, @"
    $ coo build
    --- standard error
    ERROR: cargo metadata: its answer can't be read: EOF while parsing an object at line 1 column 1
    --- exit 1
    $ coo build
    --- standard error
    ERROR: project <world>: cargo can't read it: could not find `Cargo.toml`
    hint: 'coo init DIR' makes a project of missions
    --- exit 1
    $ coo build
    --- standard error
    ERROR: project /p: has no mission crate in missions/
    hint: 'coo new NAME' adds one, 'coo init DIR' makes a project
    --- exit 1
    ");
}

#[test]
fn a_name_that_the_project_does_not_have_is_refused() {
    let world = with_programs();
    let mut told = refused(&world, &["build", "ecko"]);
    told += &refused(&world, &["build", "echo", "No Name"]);
    assert_snapshot!(told, @"
    $ coo build ecko
    --- standard error
    ERROR: mission 'ecko': no crate in missions/ of the project
    hint: 'coo new ecko' adds it; there is echo
    --- exit 1
    $ coo build echo No Name
    --- standard error
    ERROR: mission 'No Name': no crate in missions/ of the project
    hint: there is echo
    --- exit 1
    ");
}

#[test]
fn a_manifest_that_can_not_be_read_ends_the_build_before_cargo_runs() {
    let world = with_programs();
    world.file("missions/dist/build.json", r#"{"format": "coo-build/9"}"#);
    assert_snapshot!(refused(&world, &["build"]), @"
    $ coo build
    --- standard error
    ERROR: file <world>/missions/dist/build.json: has format 'coo-build/9', this build reads 'coo-build/1'
    hint: remove the file, then 'coo build' writes it again
    --- exit 1
    ");
    assert!(!world.path().join("arguments").exists());
}

#[test]
fn a_source_that_changes_while_cargo_compiles_ends_the_build() {
    let world = with_programs();
    let cargo = text(&world, "bin/cargo");
    let top = world.path().canonicalize().unwrap();
    let top = top.display();
    let changed = format!("{cargo}echo changed >> {top}/missions/echo/src/lib.rs");
    program(&world, "cargo", &changed);
    let ran = world.coo(&["build"]);
    assert_snapshot!(shown("build", &ran), @"
    $ coo build
    --- standard error
    cargo printed this
    cargo printed this
    ERROR: source missions/echo/src/lib.rs: changed while cargo compiled, so no module was replaced
    hint: build again when no program changes the sources any more
    --- exit 1
    ");
    assert!(!world.path().join("missions/dist").exists());
    // One that no longer changes is built, and its list of sources is known.
    program(&world, "cargo", &cargo);
    assert_eq!(world.coo(&["build"]).code, 0);
}

#[test]
fn what_a_build_script_has_made_is_no_source() {
    let world = with_programs();
    let cargo = text(&world, "bin/cargo");
    let top = world.path().canonicalize().unwrap();
    let made = format!("{}/target/release/build/a-1/out/made.rs", top.display());
    world.file("target/release/build/a-1/out/made.rs", "");
    let script = cargo.replace(
        "src/lib.rs > echo.d",
        &format!("src/lib.rs {made} > echo.d"),
    );
    assert_ne!(script, cargo);
    program(&world, "cargo", &script);
    assert_eq!(world.coo(&["build"]).code, 0);
    let manifest = text(&world, "missions/dist/build.json");
    assert!(manifest.contains("missions/echo/src/lib.rs"), "{manifest}");
    assert!(!manifest.contains("made.rs"), "{manifest}");
}

#[test]
fn a_folder_or_module_in_the_way_ends_the_build_before_anything_changes() {
    let world = with_programs();
    // A folder has the name of a module of the set.
    world.file("missions/dist/other.wasm/file", "");
    let mut told = refused(&world, &["build"]);
    std::fs::remove_dir_all(world.path().join("missions/dist")).unwrap();
    std::fs::create_dir(world.path().join("outside")).unwrap();
    std::os::unix::fs::symlink("../outside", world.path().join("missions/dist")).unwrap();
    told += &refused(&world, &["build"]);
    assert_snapshot!(told, @"
    $ coo build
    --- standard error
    cargo printed this
    cargo printed this
    ERROR: <world>/missions/dist/other.wasm: is a folder, a file is needed
    --- exit 1
    $ coo build
    --- standard error
    ERROR: project <world>: missions/dist is a symbolic link, and could lead out of it
    hint: put a folder in its place
    --- exit 1
    ");
    let outside = world.path().join("outside").read_dir().unwrap();
    assert_eq!(outside.count(), 0);
}

#[test]
fn a_build_waits_for_another_one_of_the_project() {
    let world = with_programs();
    let held = std::fs::File::open(world.path()).unwrap();
    held.lock().unwrap();
    let mut child = world.start(&["build"]);
    let mut said = String::new();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    stderr.read_line(&mut said).unwrap();
    assert_eq!(
        said,
        "[coo] another build of this project is at work; waiting for it\n"
    );
    assert!(!world.path().join("arguments").exists());
    drop(held);
    std::io::copy(&mut stderr, &mut std::io::sink()).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(world.path().join("missions/dist/echo.wasm").exists());
}

#[test]
fn a_place_that_can_not_be_written_leaves_the_older_module() {
    let world = with_programs();
    assert_eq!(world.coo(&["build"]).code, 0);
    let before = picture(&world.path().join("missions"));
    // A folder is in the place of the digest, which is written last.
    std::fs::remove_file(world.path().join("sandbox_digest.txt")).unwrap();
    std::fs::create_dir(world.path().join("sandbox_digest.txt")).unwrap();
    let Ran { code, stderr, .. } = world.coo(&["build"]);
    assert!(
        code == 1 && stderr.contains("sandbox_digest.txt: can't be written"),
        "{stderr}"
    );
    assert!(picture(&world.path().join("missions")) == before);
    assert_eq!(temporary_files(world.path()), 0);
}

fn temporary_files(folder: &Path) -> usize {
    let names = std::fs::read_dir(folder).unwrap();
    names
        .filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_string_lossy().starts_with(".tmp")
        })
        .count()
}
