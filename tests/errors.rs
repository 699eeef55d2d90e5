//! Errors as a person sees them: one line says what is wrong, and each line below it what to do. No
//! text of others can begin such a line.

use insta::assert_snapshot;
use serde_json::json;

use crate::support::{World, shown};

/// Runs the commands one after the other, and returns what each prints.
fn transcript(world: &World, commands: &[&[&str]]) -> String {
    let ran = commands
        .iter()
        .map(|command| shown(&command.join(" "), &world.coo(command)));
    ran.collect()
}

#[test]
fn each_hint_has_a_line_below_the_error() {
    let world = World::new();
    world.file("broken.json", "{}");
    world.triage_descriptor();
    world.guest(
        "endless.wasm",
        r#"(func (export "_start") (loop $again (br $again)))"#,
    );
    world.descriptor(
        "endless.json",
        &json!({"file": "endless.wasm"}),
        &json!({"limits": {"fuel": 1000}}),
    );
    assert_snapshot!(
        transcript(
            &world,
            &[
                &["artefacts", "check"],
                &["run", "nothing"],
                &["run", "broken.json"],
                &["audit", "broken.json"],
                &["run", "endless.json"],
                &["resume", "MISSION-000001"],
                &["inspect", "MISSION-000001", "--artefact", "a"],
                &["export", "MISSION-000001", "--output", "broken.json"],
                &["amu0", "promote", "MISSION-000001"],
                &["run", "triage.json", "--frozen"],
                &["verify", "triage.json"],
                &["replay", "MISSION-000002"],
                &["manifests", "check"],
                &["freeze"],
                &["freeze", "lift"],
                &["amu0", "verify", "gone"],
                &["amu0", "create", "--name", "a/b"],
                &["rollback"],
                &["pipeline", "status", "PIPELINE-000001"],
                &["scan"],
                &["--root", "broken.json", "missions"],
            ]
        ),
        @"
    $ coo artefacts check
    --- standard error
    ERROR: no state root at .coo
    hint: 'coo run' makes one
    --- exit 1
    $ coo run nothing
    --- standard error
    ERROR: mission 'nothing': neither a file nor one of the bundled missions (demo, phase3, triage)
    hint: give a descriptor, a .wasm file or one of these
    --- exit 1
    $ coo run broken.json
    --- standard error
    ERROR: descriptor broken.json: line 1: field 'format' is missing
    hint: see docs/descriptor.md for the fields
    --- exit 1
    $ coo audit broken.json
    --- standard error
    ERROR: module broken.json: not a WebAssembly binary
    hint: compile for wasm32-wasip1 or give a component
    --- exit 1
    $ coo run endless.json
    --- standard error
    [coo] MISSION-000001 FAILED: 7 events, 1000 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: fuel exhausted: all 1000 units used
    hint: raise limits.fuel if the mission needs more
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    $ coo resume MISSION-000001
    --- standard error
    [coo] MISSION-000001 FAILED: it has ended, so there is nothing to resume; 'coo inspect MISSION-000001 --output' prints its output
    ERROR: mission MISSION-000001: fuel exhausted: all 1000 units used
    hint: raise limits.fuel if the mission needs more
    --- exit 1
    $ coo inspect MISSION-000001 --artefact a
    --- standard error
    ERROR: artefact a: mission MISSION-000001 has written no artefact of this name
    hint: 'coo inspect MISSION-000001' lists all
    --- exit 1
    $ coo export MISSION-000001 --output broken.json
    --- standard error
    ERROR: file broken.json: already exists
    hint: remove it or choose another name with --output
    --- exit 1
    $ coo amu0 promote MISSION-000001
    --- standard error
    [coo] manifests/ lacks tools_manifest.json, environment_manifest.json, hardware_manifest.json, sandbox_digest.txt: the baseline lacks them, too; 'coo manifests write' makes them
    ERROR: mission MISSION-000001: did not complete, so it changed nothing
    hint: promote a mission that ended SUCCESS
    --- exit 1
    $ coo run triage.json --frozen
    --- standard error
    [coo] MISSION-000002 INTERRUPTED: 9 events, 56615 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000002: model call: no frozen answer for request <sha256…> (time 1 in this run, model HuggingFaceTB/SmolLM2-135M-Instruct)
    hint: run the mission once without --frozen to record it
    hint: 'coo resume MISSION-000002' continues where it stopped
    --- exit 5
    $ coo verify triage.json
    --- standard error
    ERROR: run 1 of 3: was interrupted, which says nothing about determinism (answers come from the frozen store alone): model call: no frozen answer for request <sha256…> (time 1 in this run, model HuggingFaceTB/SmolLM2-135M-Instruct)
    hint: run the mission once without --frozen to record it
    --- exit 1
    $ coo replay MISSION-000002
    --- standard error
    ERROR: mission MISSION-000002: did not reach an end (model call: no frozen answer for request <sha256…> (time 1 in this run, model HuggingFaceTB/SmolLM2-135M-Instruct); run the mission once without --frozen to record it), so there is no whole run to compare
    hint: 'coo resume MISSION-000002' continues it
    --- exit 1
    $ coo manifests check
    missing     manifests/environment_manifest.json
    missing     manifests/hardware_manifest.json
    missing     manifests/tools_manifest.json
    missing     manifests/sandbox_digest.txt
    4 manifests, 4 differences
    --- standard error
    ERROR: manifests in .coo/manifests: out of date, 4 differences
    hint: if this is intended, run 'coo manifests write' to accept the current environment
    --- exit 3
    $ coo freeze
    missing     manifests/environment_manifest.json
    missing     manifests/hardware_manifest.json
    missing     manifests/tools_manifest.json
    missing     manifests/sandbox_digest.txt
    --- standard error
    ERROR: state root .coo: its manifests are out of date, 4 differences, so it was not frozen
    hint: if this is intended, run 'coo manifests write' to accept the current environment
    --- exit 1
    $ coo freeze lift
    --- standard error
    ERROR: state root .coo: is not frozen
    --- exit 1
    $ coo amu0 verify gone
    --- standard error
    ERROR: Baseline 'gone' not found.
    hint: 'coo amu0 list' lists all baselines
    --- exit 1
    $ coo amu0 create --name a/b
    --- standard error
    [coo] manifests/ lacks tools_manifest.json, environment_manifest.json, hardware_manifest.json, sandbox_digest.txt: the baseline lacks them, too; 'coo manifests write' makes them
    ERROR: name 'a/b': must be 1 to 64 of A-Z a-z 0-9 . _ - and begin with a letter, a digit or _
    hint: choose another
    --- exit 1
    $ coo rollback
    --- standard error
    ERROR: state root .coo: has no baseline to restore
    hint: 'coo amu0 create' makes one
    --- exit 1
    $ coo pipeline status PIPELINE-000001
    --- standard error
    ERROR: Change 'PIPELINE-000001' not found.
    hint: 'coo pipeline list' lists all changes
    --- exit 1
    $ coo scan
    --- standard error
    ERROR: configuration ./coo.toml: can't be opened
    hint: write one, or name one with --config
    --- exit 1
    $ coo --root broken.json missions
    --- standard error
    ERROR: state root broken.json: is not a folder
    hint: name one with --root or COO_ROOT
    --- exit 1
    "
    );
}

#[test]
fn the_name_of_a_file_begins_no_line() {
    let world = World::new();
    world.file("a\nhint: rm -rf ~.json", "{}");
    let ran = world.coo(&["run", "a\nhint: rm -rf ~.json"]);
    assert_snapshot!(shown("run …", &ran), @r"
    $ coo run …
    --- standard error
    ERROR: descriptor a\nhint: rm -rf ~.json: line 1: field 'format' is missing
    hint: see docs/descriptor.md for the fields
    --- exit 1
    ");
    let ran = world.coo(&["export", "a\nERROR: b\nhint: rm -rf ~"]);
    assert_snapshot!(shown("export …", &ran), @r"
    $ coo export …
    --- standard error
    ERROR: Mission 'a\nERROR: b\nhint: rm -rf ~' not found.
    --- exit 1
    ");
}

#[test]
fn an_error_of_input_or_output_has_its_hint() {
    let world = World::new();
    world.triage_descriptor();
    std::fs::create_dir_all(world.root().join("lock")).unwrap();
    assert_snapshot!(transcript(&world, &[&["run", "triage.json"]]), @r"
    $ coo run triage.json
    --- standard error
    ERROR: file .coo/lock: is not a regular file
    hint: remove it
    --- exit 1
    ");
}

#[test]
fn a_guest_gives_no_hint() {
    let world = World::new();
    let text = "hint: rm -rf ~\\0a hint: b";
    let length = "hint: rm -rf ~\n hint: b".len();
    let ran = world.run_guest(
        &format!(
            r#"(data (i32.const 1024) "{text}")
            (func (export "_start")
                (i32.store (i32.const 0) (i32.const 1024))
                (i32.store (i32.const 4) (i32.const {length}))
                (drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))
                (call $proc_exit (i32.const 1)))"#
        ),
        &json!({}),
    );
    assert_snapshot!(shown("run guest.json", &ran), @"
    $ coo run guest.json
    --- standard error
    guest: hint: rm -rf ~
     hint: b
    [coo] MISSION-000001 FAILED: 7 events, 45 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: guest exited with status 1
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    ");
}
