//! A project of one's own: made by `coo init DIR`, extended by `coo new`, built by `coo build`. Tests
//! that compile for wasm32-wasip1 say so on standard error and end where the target is not
//! installed; all others need no toolchain.

mod build;
mod made;
mod stale;
mod unbuilt;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use coo::inside::machine::{env_os, env_text};

use crate::support::{Ran, World, ran, steady};

/// One build at a time: all share a target folder, so that dependencies are compiled once.
static TURN: Mutex<()> = Mutex::new(());

/// What a test that compiles holds while it runs.
type Turn = MutexGuard<'static, ()>;

/// Returns a world in which cargo works, with the turn to build; `None` if wasm32-wasip1 is not
/// installed, which is said.
fn with_target(test: &str) -> Option<(World, Turn)> {
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let libraries = Command::new(env_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--print", "target-libdir", "--target", "wasm32-wasip1"])
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default();
    if libraries.is_empty() || !Path::new(&libraries).is_dir() {
        eprintln!(
            "NOT TESTED: {test}: the target wasm32-wasip1 is not installed here; \
             'rustup target add wasm32-wasip1' installs it"
        );
        return None;
    }
    Some((with_cargo(), turn))
}

/// Returns a world with the variables that cargo and rustup need.
fn with_cargo() -> World {
    let mut world = World::new().with("CARGO_TARGET_DIR", shared_target());
    for name in [
        "CARGO_HOME",
        "HOME",
        "PATH",
        "RUSTC",
        "RUSTUP_HOME",
        "RUSTUP_TOOLCHAIN",
    ] {
        if let Some(value) = env_text(name) {
            world = world.with(name, value);
        }
    }
    world
}

fn shared_target() -> String {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("project");
    place.to_str().unwrap().to_owned()
}

/// Runs `coo ARGS` in a folder of the world.
fn coo_in(world: &World, folder: &str, arguments: &[&str]) -> Ran {
    let mut command = world.command(arguments);
    ran(command
        .current_dir(world.path().join(folder))
        .output()
        .unwrap())
}

/// Reads a file of the world.
fn text(world: &World, path: &str) -> String {
    std::fs::read_to_string(world.path().join(path)).unwrap()
}

/// Puts a program into the `bin` folder of the world.
fn program(world: &World, name: &str, script: &str) {
    let path = world.file(&format!("bin/{name}"), format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Returns the script of a step of a workflow.
fn step(workflow: &str, name: &str) -> String {
    let start = format!("- name: {name}\n        run: |\n");
    let (_, rest) = workflow.split_once(&start).unwrap();
    let lines = rest
        .lines()
        .map_while(|line| line.strip_prefix("          "));
    lines.map(|line| line.to_owned() + "\n").collect()
}

/// Removes what cargo prints, which differs from run to run.
fn without_cargo(ran: &Ran) -> Ran {
    let own = ["[coo] ", "ERROR: ", "hint: "];
    let lines = ran.stderr.lines();
    let lines = lines.filter(|line| own.iter().any(|start| line.starts_with(start)));
    Ran {
        stderr: lines.map(|line| line.to_owned() + "\n").collect(),
        ..ran.clone()
    }
}

/// Replaces the sizes of modules, which are the compiler's.
fn without_sizes(text: &str) -> String {
    let words = text.split(' ').map(|word| {
        let is_size = word.len() >= 5 && word.chars().all(|c| c.is_ascii_digit());
        if is_size { "<n>" } else { word }
    });
    steady(&words.collect::<Vec<_>>().join(" "))
}
