//! The write gateway against names and things that were put in its way; and the INDEX, which
//! agrees with the disk or says where it does not.

mod hostile;
mod index;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Ran, World};

/// A world with a program that writes an empty artefact under the name it is given, and one
/// that writes the name itself.
fn world() -> World {
    let world = World::new();
    let text = include_str!("../fixtures/writer.wat");
    world.wasm("empty.wasm", text);
    let named = "(local.get $path) (local.get $length) (i32.const 64)";
    let empty = "(i32.const 0) (i32.const 0) (i32.const 64)";
    assert!(text.contains(empty));
    world.wasm("named.wasm", &text.replace(empty, named));
    assert_eq!(world.coo(&["init"]).code, 0);
    world
}

/// Runs a mission that writes each of `paths`.
fn write(world: &World, module: &str, paths: &[&str]) -> Ran {
    let steps: Vec<Value> = paths
        .iter()
        .enumerate()
        .map(|(i, path)| json!({"id": format!("write-{i}"), "input": path}))
        .collect();
    world.descriptor(
        "write.json",
        &json!({"file": module}),
        &json!({"steps": steps}),
    );
    world.coo(&["run", "write.json"])
}

/// The gateway's words to the guest.
fn refusal(ran: &Ran) -> String {
    assert_eq!(ran.code, 1, "{ran:?}");
    let (_, words) = ran
        .stderr
        .split_once("guest error: ")
        .unwrap_or_else(|| panic!("{ran:?}"));
    words.split("; 'coo logs").next().unwrap().to_owned()
}

/// Everything below `folder`, folders with a slash.
fn listing(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(here) = folders.pop() {
        for entry in fs::read_dir(&here).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().display().to_string();
            if path.symlink_metadata().unwrap().is_dir() {
                found.push(name + "/");
                folders.push(path);
            } else {
                found.push(name);
            }
        }
    }
    found.sort();
    found
}
