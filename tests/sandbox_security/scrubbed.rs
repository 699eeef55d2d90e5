//! The key is put into every place through which text can enter a record, and no file of the root, no
//! exported file and no output shows it (packet §16, 1). A guest puts the key together while it runs,
//! because a module or a descriptor that holds it is refused before.

use insta::assert_snapshot;
use serde_json::json;

use crate::support::model_server::{ModelServer, Response};
use crate::support::{Ran, World, shown};

const KEY: &str = "sk-or-v1-0123456789abcdef-never-to-be-seen";
/// Where in its memory a guest has the key.
const AT: u32 = 40_000;

/// Returns the mission `text` with the key in place of its input, in two pieces.
fn planted(text: &str, input: &str) -> String {
    let data = format!(
        "(data (i32.const {AT}) \"{}\") (data (i32.const {}) \"{}\")\n    (func (export \"run\")",
        &KEY[..20],
        AT + 20,
        &KEY[20..]
    );
    text.replacen("(func (export \"run\")", &data, 1)
        .replace(
            &format!("(local.get ${input})"),
            &format!("(i32.const {AT})"),
        )
        .replace("(local.get $length)", &format!("(i32.const {})", KEY.len()))
}

fn holds(content: &[u8]) -> bool {
    let mut windows = content.windows(KEY.len());
    windows.any(|window| window == KEY.as_bytes())
}

/// Runs a mission that leaves the key in one place, and every command that shows it afterwards.
/// Returns how the run ended, for a snapshot.
fn run(world: &World, name: &str, wat: &str) -> String {
    world.wasm("guest.wasm", wat);
    let module = json!({"file": "guest.wasm"});
    world.descriptor(
        "guest.json",
        &module,
        &json!({"steps": [{"id": "only", "input": "x"}]}),
    );
    let arguments = ["run", "guest.json", "--live"];
    let first = world.coo(&arguments);
    let mut all = vec![first.clone()];
    all.push(world.coo(&["run", "guest.json", "--live", "--json"]));
    for id in ["1", "2"] {
        for command in ["mission", "logs", "inspect", "explain", "replay", "resume"] {
            all.push(world.coo(&[command, id]));
            if command != "resume" {
                all.push(world.coo(&[command, id, "--json"]));
            }
        }
        for part in ["--output", "--stdout", "--stderr", "--prompts"] {
            all.push(world.coo(&["inspect", id, part]));
        }
        all.push(world.coo(&["export", id, "-o", &format!("{id}.coorun")]));
    }
    all.push(world.coo(&["missions"]));
    for ran in &all {
        let Ran { stdout, stderr, .. } = ran;
        assert!(
            !holds(stdout.as_bytes()) && !holds(stderr.as_bytes()),
            "{name}: {ran:?}"
        );
    }
    for (path, content) in world.root_files() {
        assert!(!holds(&content), "{name}: {}", path.display());
    }
    for id in ["1", "2"] {
        let file = world.path().join(format!("{id}.coorun"));
        assert!(
            !std::fs::read(file).is_ok_and(|content| holds(&content)),
            "{name}"
        );
    }
    shown(&format!("{} # {name}", arguments.join(" ")), &first)
}

#[test]
fn a_key_that_a_guest_puts_together_is_recorded_nowhere_and_shown_nowhere() {
    let complainer = include_str!("../fixtures/complainer.wat");
    let succeeds = complainer.replace(
        "(i32.const 0) (i32.const 1))",
        "(i32.const 0) (i32.const 0))",
    );
    assert_ne!(succeeds, complainer);
    let mut told = String::new();
    for (name, text, input) in [
        ("its own error", complainer, "text"),
        ("its result", succeeds.as_str(), "text"),
        (
            "the path of an artefact",
            include_str!("../fixtures/writer.wat"),
            "path",
        ),
        ("a statement", include_str!("../fixtures/asker.wat"), "sql"),
        (
            "a question to the model",
            include_str!("../fixtures/caller.wat"),
            "input",
        ),
    ] {
        let server = ModelServer::answering(|_| Response::completion("An answer.").into());
        let world = World::new()
            .with("COO_LLM_BASE_URL", server.base_url())
            .with("OPENROUTER_API_KEY", KEY);
        told += &run(&world, name, &planted(text, input));
        for request in server.requests() {
            assert!(!holds(&request.body), "{name}");
        }
    }
    assert_snapshot!(told, @"
    $ coo run guest.json --live # its own error
    --- standard error
    [coo] MISSION-000001 INTERRUPTED: 6 events, 58 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: an event of the journal: contains the API key, which is recorded nowhere
    hint: take the key out of the mission, and replace the key if others may have seen it
    hint: 'coo resume MISSION-000001' continues where it stopped
    --- exit 5
    $ coo run guest.json --live # its result
    --- standard error
    [coo] MISSION-000001 INTERRUPTED: 5 events, 58 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: what the mission leaves: contains the API key, which is recorded nowhere
    hint: take the key out of the mission, and replace the key if others may have seen it
    hint: 'coo resume MISSION-000001' continues where it stopped
    --- exit 5
    $ coo run guest.json --live # the path of an artefact
    --- standard error
    [coo] MISSION-000001 INTERRUPTED: 5 events, 67 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: an event of the journal: contains the API key, which is recorded nowhere
    hint: take the key out of the mission, and replace the key if others may have seen it
    hint: 'coo resume MISSION-000001' continues where it stopped
    --- exit 5
    $ coo run guest.json --live # a statement
    --- standard error
    [coo] MISSION-000001 INTERRUPTED: 5 events, 67 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: an event of the journal: contains the API key, which is recorded nowhere
    hint: take the key out of the mission, and replace the key if others may have seen it
    hint: 'coo resume MISSION-000001' continues where it stopped
    --- exit 5
    $ coo run guest.json --live # a question to the model
    --- standard error
    [coo] MISSION-000001 INTERRUPTED: 5 events, 82 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: model call: request <sha256…> (model HuggingFaceTB/SmolLM2-135M-Instruct): contains the API key, which is recorded nowhere
    hint: take the key out of the mission, and replace the key if others may have seen it
    hint: 'coo resume MISSION-000001' continues where it stopped
    --- exit 5
    ");
}

#[test]
fn a_key_that_is_learnt_later_is_shown_nowhere() {
    // The run knows no key, so its text is recorded as it is. A command that knows the key does not
    // show it.
    let complainer = include_str!("../fixtures/complainer.wat");
    let world = World::new();
    world.wasm("guest.wasm", &planted(complainer, "text"));
    let module = json!({"file": "guest.wasm"});
    world.descriptor(
        "guest.json",
        &module,
        &json!({"environment": {"TOKEN": KEY}}),
    );
    assert_eq!(world.coo(&["run", "guest.json"]).code, 1);
    let world = world.with("OPENROUTER_API_KEY", KEY);
    for command in ["mission", "logs", "inspect", "explain", "replay"] {
        for more in [&[][..], &["--json"]] {
            let ran = world.coo(&[&[command, "1"], more].concat());
            assert!(
                !holds(ran.stdout.as_bytes()) && !holds(ran.stderr.as_bytes()),
                "{command} {more:?}: {ran:?}"
            );
        }
    }
    let ran = world.coo(&["explain", "1"]);
    assert!(ran.stdout.contains("<redacted>"), "{ran:?}");
}
