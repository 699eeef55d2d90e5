//! A mission has a short name wherever a command takes its id; messages show the whole id.

use insta::assert_snapshot;
use serde_json::json;

use crate::support::{World, shown};

/// A world with a demo (1), a mission that waits for a person (2) and one without its answer (3).
fn world() -> World {
    let world = World::new();
    assert_eq!(world.coo(&["run", "demo"]).code, 0);
    world.guest("guest.wasm", r#"(func (export "_start"))"#);
    let steps = json!({"steps": [{"id": "ask", "human": {"ask": "Is it good?"}}, {"id": "only"}]});
    world.descriptor("asks.json", &json!({"file": "guest.wasm"}), &steps);
    assert_eq!(world.coo(&["run", "asks.json"]).code, 4);
    world.triage_descriptor();
    assert_eq!(world.coo(&["run", "triage.json", "--frozen"]).code, 5);
    world
}

#[test]
fn every_short_form_means_the_mission() {
    let world = world();
    for command in ["mission", "logs", "inspect", "explain", "replay", "verify"] {
        let full = world.coo(&[command, "DEMO-000001"]);
        for name in ["1", "01", "000001", "demo-1", "DEMO-1", "Demo-000001"] {
            let short = world.coo(&[command, name]);
            let without_reports = |text: &str| text.replace("verify/0000", "").len();
            assert_eq!(short.code, 0, "{command} {name}: {short:?}");
            assert_eq!(
                without_reports(&short.stdout),
                without_reports(&full.stdout),
                "{command} {name}"
            );
        }
        for name in ["mission-1", "demo-2", "4", "mission-4"] {
            assert_eq!(
                world.coo(&[command, name]).stderr.lines().next().unwrap(),
                format!("ERROR: Mission '{name}' not found."),
                "{command}"
            );
        }
    }
}

#[test]
fn messages_show_the_whole_id() {
    let world = world();
    let exported = world.coo(&["export", "demo-1"]).stderr;
    assert!(exported.starts_with("[coo] DEMO-000001 written to DEMO-000001.coorun: "));
    let mut told = String::new();
    for command in [
        &["resume", "1"][..],
        &["resume", "mission-3", "--frozen"],
        &["approve", "mission-3"],
        &["approve", "2"],
        &["reject", "Mission-2"],
        &["amu0", "promote", "3"],
        &["amu0", "promote", "9"],
        &["resume", "demo-3"],
        &["approve", "demo-2"],
        &["reject", "x"],
    ] {
        told += &shown(&command.join(" "), &world.coo(command));
    }
    assert_snapshot!(told, @"
    $ coo resume 1
    --- standard error
    [coo] DEMO-000001 SUCCESS: it has ended, so there is nothing to resume; 'coo inspect DEMO-000001 --output' prints its output
    --- exit 0
    $ coo resume mission-3 --frozen
    --- standard error
    [coo] MISSION-000003 INTERRUPTED: 9 events, 56615 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000003: model call: no frozen answer for request <sha256…> (time 1 in this run, model HuggingFaceTB/SmolLM2-135M-Instruct)
    hint: run the mission once without --frozen to record it
    hint: 'coo resume MISSION-000003' continues where it stopped
    --- exit 5
    $ coo approve mission-3
    --- standard error
    ERROR: mission MISSION-000003: is not waiting for approval, it is in state RUN
    --- exit 1
    $ coo approve 2
    --- standard error
    [coo] MISSION-000002 approved at step 'ask'
    [coo] MISSION-000002 SUCCESS: 13 events, 1 fuel, <duration>, chain <sha256…>
    --- exit 0
    $ coo reject Mission-2
    --- standard error
    ERROR: mission MISSION-000002: is not waiting for approval, it is in state COMPLETE
    --- exit 1
    $ coo amu0 promote 3
    --- standard error
    [coo] manifests/ lacks tools_manifest.json, environment_manifest.json, hardware_manifest.json, sandbox_digest.txt: the baseline lacks them, too; 'coo manifests write' makes them
    ERROR: mission MISSION-000003: did not complete, so it changed nothing
    hint: promote a mission that ended SUCCESS
    --- exit 1
    $ coo amu0 promote 9
    --- standard error
    ERROR: Mission '9' not found.
    --- exit 1
    $ coo resume demo-3
    --- standard error
    ERROR: Mission 'demo-3' not found.
    --- exit 1
    $ coo approve demo-2
    --- standard error
    ERROR: Mission 'demo-2' not found.
    --- exit 1
    $ coo reject x
    --- standard error
    ERROR: Mission 'x' not found.
    --- exit 1
    ");
}

/// Where a file is accepted, a short form is not taken from it. A whole id always means the root.
#[test]
fn a_file_of_that_name_wins_over_a_short_form() {
    let world = world();
    assert_eq!(world.coo(&["export", "1", "--output", "2"]).code, 0);
    assert_eq!(world.coo(&["export", "1", "--output", "demo-1"]).code, 0);
    assert_eq!(
        world
            .coo(&["export", "1", "--output", "MISSION-000002"])
            .code,
        0
    );
    for command in ["mission", "logs", "inspect", "explain", "replay"] {
        let demo = world.coo(&[command, "DEMO-000001"]);
        assert_eq!(world.coo(&[command, "2"]), demo, "{command}");
        assert_eq!(
            world.coo(&["--root", "other", command, "demo-1"]),
            demo,
            "{command}"
        );
        assert_ne!(world.coo(&[command, "MISSION-000002"]), demo, "{command}");
    }
    assert!(world.coo(&["verify", "2"]).stdout.contains("DEMO-000001"));
    let mut told = String::new();
    for command in [&["mission", "./2"][..], &["resume", "2"], &["approve", "2"]] {
        told += &shown(&command.join(" "), &world.coo(command));
    }
    assert_snapshot!(told, @"
    $ coo mission ./2
    Mission DEMO-000001
      Type: DEMO_V1_1
      Status: SUCCESS
      Created: <time>
      Started: <time>
      Finished: <time>

    Timeline
      #0001 INIT
      #0002 CAPTURE_ENV
      #0003 RUN
      #0004 WRITE_REPORT
      #0005 COMPLETE
    --- exit 0
    $ coo resume 2
    --- standard error
    ERROR: file 2: a file can't be resumed
    hint: resume the mission in the state root it came from
    --- exit 1
    $ coo approve 2
    --- standard error
    [coo] MISSION-000002 approved at step 'ask'
    [coo] MISSION-000002 SUCCESS: 13 events, 1 fuel, <duration>, chain <sha256…>
    --- exit 0
    ");
}
