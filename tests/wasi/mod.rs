//! Ordinary WASI programs: core modules over preview 1 run as what they are. Each is run by the
//! binary and, in the test itself, by plain wasmtime-wasi; both must print the same bytes and
//! exit alike, and the run must replay. Says nothing about missions.

mod adapted;
mod exits;
mod memory;
pub mod plain;
mod polls;
mod timeouts;

use plain::{End, Plain};
use serde_json::{Value, json};

use crate::support::{Ran, World, mission_id};

/// What a program is given.
#[derive(Debug, Clone, Default)]
pub struct Given {
    pub arguments: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub input: String,
}

impl Given {
    /// The members of a descriptor that give it to a mission.
    pub fn members(&self) -> Value {
        let environment: serde_json::Map<String, Value> = self
            .environment
            .iter()
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect();
        json!({
            "arguments": self.arguments,
            "environment": environment,
            "steps": [{"id": "only", "input": self.input}],
        })
    }
}

/// Runs `wasm` by `coo` and by plain wasmtime and holds both to be the same; gives what `coo` did.
fn same_as_plain(name: &str, wasm: &[u8], given: &Given) -> Ran {
    let world = World::new();
    same_as_plain_in(&world, name, wasm, given)
}

fn same_as_plain_in(world: &World, name: &str, wasm: &[u8], given: &Given) -> Ran {
    world.file("program.wasm", wasm);
    world.descriptor(
        "program.json",
        &json!({"file": "program.wasm"}),
        &given.members(),
    );
    let ran = world.coo(&["run", "program.json"]);
    let Plain {
        end,
        stdout,
        stderr,
    } = plain::run(wasm, given);
    assert_eq!(
        ran.stdout,
        String::from_utf8(stdout).unwrap(),
        "{name}: {ran:?}"
    );
    for line in String::from_utf8(stderr).unwrap().lines() {
        assert!(ran.stderr.contains(line), "{name}: {line:?} not in {ran:?}");
    }
    let id = mission_id(&ran);
    let mission = world.json(&["mission", &id]);
    match end {
        End::Exit(0) => assert_eq!(ran.code, 0, "{name}: {ran:?}"),
        End::Exit(status) => assert_eq!(
            mission["reason"],
            format!("guest exited with status {status}"),
            "{name}: {ran:?}"
        ),
        End::Stopped(reason) => assert_eq!(
            mission["status"], "FAILED",
            "{name}: plain: {reason}; {ran:?}"
        ),
    }
    let replay = world.coo(&["replay", &id]);
    assert_eq!(replay.code, 0, "{name}: {replay:?}");
    ran
}

/// The same for WebAssembly text.
fn text_same_as_plain(text: &str, given: &Given) -> Ran {
    same_as_plain(text, &wat::parse_str(text).unwrap(), given)
}
