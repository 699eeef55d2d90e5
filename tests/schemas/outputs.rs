//! What the commands about missions, state roots and modules print with `--json` fits its schema:
//! at least one good output of each format, and errors. What they leave in a state root fits, too.

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::model_server::Step;
use crate::support::schema::printed;
use crate::support::{Ran, World};
use crate::{pack, resume};

/// A world in which commands run one after another, and the formats that they have printed.
struct Session {
    world: World,
    seen: BTreeSet<String>,
}

impl Session {
    fn new() -> Self {
        Self {
            world: World::new(),
            seen: BTreeSet::new(),
        }
    }

    /// Runs a command with `--json`, which must print JSON.
    #[track_caller]
    fn json(&mut self, arguments: &[&str]) {
        self.json_with(arguments, b"");
    }

    /// The same, with an answer on standard input.
    #[track_caller]
    fn json_with(&mut self, arguments: &[&str], input: &[u8]) {
        let arguments = [arguments, &["--json"]].concat();
        let ran = self.world.coo_with_input(&arguments, input);
        let formats = printed(&ran.stdout);
        assert!(!formats.is_empty(), "{arguments:?}: {ran:?}");
        self.seen.extend(formats);
    }

    #[track_caller]
    fn done(&self, arguments: &[&str]) -> Ran {
        let ran = self.world.coo(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
        ran
    }

    #[track_caller]
    fn saw(&self, formats: &[&str]) {
        let expected: BTreeSet<String> = formats.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(self.seen, expected);
    }
}

#[test]
fn the_commands_about_missions_print_what_their_schemas_say() {
    let mut session = Session::new();
    session.done(&["run-demo"]);
    session.json(&["run", "triage", "--frozen"]);
    for command in ["mission", "logs", "inspect", "explain", "replay"] {
        session.json(&[command, "DEMO-000001"]);
        session.json(&[command, "MISSION-000002"]);
    }
    session.json(&["missions"]);
    session.json(&["export", "DEMO-000001"]);
    session.json(&["export", "DEMO-000001"]);
    session.json(&["pack", "DEMO-000001", "--approve"]);
    session.json(&["pack", "DEMO-000001"]);
    session.json(&["verify", "demo", "--runs", "2"]);
    session.json(&["mission", "MISSION-000009"]);
    session.saw(&[
        "coo-error/1",
        "coo-explanation/1",
        "coo-export/1",
        "coo-inspection/1",
        "coo-log/1",
        "coo-mission-status/1",
        "coo-missions/1",
        "coo-pack-written/1",
        "coo-receipt/1",
        "coo-replay/1",
        "coo-verify/1",
    ]);
    super::shipped::every_file_of_the_root_fits(&session.world);
}

#[test]
fn runs_that_end_otherwise_print_what_their_schemas_say() {
    let mut session = Session::new();
    let nothing = "(func (export \"_start\"))";
    session.world.guest("nothing.wasm", nothing);
    let human = json!([
        {"id": "only"},
        {"id": "sign", "human": {"ask": "Is the plan right?"}},
    ]);
    session.world.descriptor(
        "ask.json",
        &json!({"file": "nothing.wasm"}),
        &json!({"steps": human}),
    );
    session.json(&["run", "ask.json"]);
    session.json(&["mission", "MISSION-000001"]);
    session.json(&["approve", "MISSION-000001"]);
    // Ended already.
    session.json(&["resume", "MISSION-000001"]);
    session.json(&["reject", "MISSION-000001"]);
    session.json(&["run", "ask.json"]);
    session.json(&["reject", "MISSION-000002", "--reason", "too early"]);
    let ask = json!({"id": "copy", "human": {"ask": "Copy the totals into the sheet"}});
    session.world.descriptor(
        "refused.json",
        &json!({"set": "demo"}),
        &json!({"steps": [ask]}),
    );
    session.json(&["validate", "refused.json"]);
    session.json(&["run", "refused.json"]);
    // A guest that traps, and one that nothing explains.
    session
        .world
        .guest("trap.wasm", "(func (export \"_start\") unreachable)");
    session.json(&["run", "trap.wasm"]);
    session.json(&["inspect", "MISSION-000003"]);
    session.json(&["explain", "MISSION-000003"]);
    session.json(&["run", "nowhere.json"]);
    session.json(&["run"]);
    session.saw(&[
        "coo-error/1",
        "coo-explanation/1",
        "coo-inspection/1",
        "coo-mission-status/1",
        "coo-receipt/1",
        "coo-rejection/1",
        "coo-workflow-refusal/1",
    ]);
}

#[test]
fn a_call_in_doubt_and_an_interrupted_run_print_what_their_schemas_say() {
    let [first, _] = resume::answers();
    let (world, _server) = resume::interrupted(vec![first, Step::HangUp]);
    let mut session = Session {
        world,
        seen: BTreeSet::new(),
    };
    session.json(&["resume", "MISSION-000001"]);
    session.json(&["inspect", "MISSION-000001"]);
    session.json(&["logs", "MISSION-000001"]);
    session.saw(&["coo-in-doubt/1", "coo-inspection/1", "coo-log/1"]);
}

#[test]
fn a_replay_and_a_pack_print_what_their_schemas_say() {
    let mut session = Session::new();
    session.done(&["run", "triage", "--frozen"]);
    let (path, _) = pack::packed(&session.world, "MISSION-000001");
    session.json(&["verify", path.to_str().unwrap()]);
    super::shipped::every_file_of_the_pack_fits(&path);
    session.world.file("cut.zip", b"PK");
    session.json(&["verify", "cut.zip"]);
    session.json(&["replay", "MISSION-000001"]);
    session.saw(&["coo-error/1", "coo-pack-check/1", "coo-replay/1"]);
}

#[test]
fn the_commands_about_state_print_what_their_schemas_say() {
    let mut session = Session::new();
    session.done(&["init"]);
    session.json(&["config", "show"]);
    session.json(&["artefacts"]);
    session.json(&["artefacts", "check"]);
    session.json(&["manifests", "write"]);
    session.json(&["manifests", "check"]);
    session.json(&["amu0", "create"]);
    session.done(&["run", "triage", "--frozen"]);
    session.json(&["amu0", "promote", "MISSION-000001"]);
    session.json(&["artefacts"]);
    session
        .world
        .file(".coo/artefacts/stray.txt", "not of a mission");
    session.json(&["artefacts", "check"]);
    session.json(&["artefacts", "check", "--repair"]);
    session.world.file("tree/a.txt", "a");
    session.json(&["amu0", "create", "--tree", "tree", "--name", "tree"]);
    session.world.file("tree/b.txt", "b");
    session.json(&["amu0", "verify", "tree", "--tree", "tree"]);
    session.json(&["amu0", "restore", "tree", "--tree", "tree", "--yes"]);
    session.json(&["amu0", "list"]);
    session.json(&["amu0", "verify", "AMU0-000001", "--state"]);
    session.json_with(&["rollback", "AMU0-000001"], b"CONFIRM_ROLLBACK\n");
    session.json(&["rollback", "--log"]);
    session.json(&["amu0", "lineage"]);
    session.json(&["freeze", "status"]);
    session.json(&["freeze"]);
    session.json(&["freeze", "status"]);
    super::shipped::every_file_of_the_root_fits(&session.world);
    session.json(&["run", "demo"]);
    session.saw(&[
        "coo-amu0-baselines/1",
        "coo-amu0-created/1",
        "coo-amu0-lineage/1",
        "coo-amu0-restored/1",
        "coo-amu0-verification/1",
        "coo-artefacts-check/1",
        "coo-artefacts/1",
        "coo-configuration/1",
        "coo-error/1",
        "coo-freeze/1",
        "coo-manifests-check/1",
        "coo-manifests-written/1",
        "coo-rollback/1",
        "coo-rollbacks/1",
    ]);
}

#[test]
fn the_commands_about_modules_and_readiness_print_what_their_schemas_say() {
    let mut session = Session::new();
    session.json(&["digest"]);
    session.json(&["schema"]);
    session.json(&["version"]);
    session.world.wasm("empty.wasm", "(module)");
    session
        .world
        .wasm("net.wasm", "(module (import \"net\" \"open\" (func)))");
    session.json(&["audit", "empty.wasm"]);
    session.json(&["audit", "net.wasm"]);
    session.json(&["tier1", "status"]);
    session.json(&["tier1", "run"]);
    session.json(&["tier1", "status"]);
    session.saw(&[
        "coo-audit/1",
        "coo-error/1",
        "coo-module-set-digest/1",
        "coo-schemas/1",
        "coo-tier1-run/1",
        "coo-tier1/1",
        "coo-version/1",
    ]);
    super::shipped::every_file_of_the_root_fits(&session.world);
}
