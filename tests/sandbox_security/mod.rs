//! The sandbox, attacked through the built binary: modules that ask for more than the surface
//! has, that never end, grow without bound, misuse what they are given or are no modules at
//! all; and a state root that somebody has tampered with. Every end is one of the runtime's
//! own, with its reason on record; nothing here may panic, hang or reach outside.

mod admission;
mod bombs;
mod code_cache;
mod compiling;
mod dot_env;
mod ends;
mod files;
mod generated;
mod inside;
mod misuse;
mod pairing;
mod scrubbed;
mod secrets;
mod tampering;
mod unbounded;

use serde_json::json;

use crate::support::{Ran, World, mission_id};

/// A component that is a WASI program and does nothing; `import` stands where an import may.
fn component(import: &str) -> String {
    format!(
        r#"(component
             {import}
             (core module $m (func (export "run") (result i32) i32.const 0))
             (core instance $i (instantiate $m))
             (func $run (result (result)) (canon lift (core func $i "run")))
             (instance $e (export "run" (func $run)))
             (export "wasi:cli/run@0.2.0" (instance $e)))"#
    )
}

/// A core module that does nothing; `import` stands where an import may.
fn core(import: &str) -> String {
    format!(r#"(module {import} (memory (export "memory") 1) (func (export "_start")))"#)
}

/// Ends FAILED for the same reason in the command's error, in `mission` and in `logs`; and the
/// replay of it is identical. The reason itself is for a snapshot to hold.
fn assert_fails(world: &World, ran: &Ran) {
    assert_eq!(ran.code, 1, "{ran:?}");
    let id = mission_id(ran);
    let mission = world.json(&["mission", &id]);
    assert_eq!(mission["status"], "FAILED");
    let reason = mission["reason"].as_str().unwrap();
    // On record, what to do stands behind the reason.
    let error = ran.error().replace("\nhint: ", "; ");
    assert!(
        error.starts_with(&format!("ERROR: mission {id}: {reason}; ")),
        "{ran:?}"
    );
    let text = world.coo(&["mission", &id]).stdout;
    assert!(
        text.contains("\n  Status: FAILED\n") && text.contains(&format!("\n  Reason: {reason}\n")),
        "{text}"
    );
    let logs = world.coo(&["logs", &id]).stdout;
    let last = logs.lines().last().unwrap();
    assert!(
        last.contains("STATE=FAILED transition from=RUN reason=\""),
        "{last}"
    );
    assert!(last.contains(reason), "{last}");
    let replay = world.coo(&["replay", &id]);
    assert_eq!(replay.code, 0, "{replay:?}");
}

/// Runs a guest that must succeed and gives what it printed.
fn output(world: &World, body: &str) -> String {
    let ran = world.run_guest(body, &json!({}));
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.stdout
}
