//! A command that a signal ends says which mission it was at and what continues it, and the same words
//! are those of `coo logs` and `coo mission`. What it says is true: the command that it names works.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Stdio};

use insta::assert_snapshot;
use rustix::process::Signal;

use crate::support::model_server::{ModelServer, Response, Step};
use crate::support::{World, send, timeless, until};

/// Ends `child` by `signal`, and returns what it said on standard error after that.
fn ended(mut child: Child, signal: Signal) -> String {
    send(&child, signal);
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(signal.as_raw()), "{status:?}");
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    timeless(&said)
}

/// A world with a mission that computes and computes.
fn spinning() -> (World, Child) {
    let world = World::new();
    world.guest("spin.wasm", "(func (export \"_start\") (loop (br 0)))");
    world.descriptor(
        "spin.json",
        &serde_json::json!({"file": "spin.wasm"}),
        &serde_json::json!({"limits": {"fuel": 9_000_000_000_000_000_u64}}),
    );
    let mut child = world
        .command(&["run", "spin.json", "--verbose"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The step has begun when its line comes; what came before it is not compared.
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("step 1 of 1") {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "it has ended");
    }
    child.stderr = Some(lines.into_inner());
    (world, child)
}

#[test]
fn a_mission_that_computes_can_be_resumed_after_any_signal() {
    let (world, child) = spinning();
    assert_snapshot!(ended(child, Signal::INT), @"
    ERROR: mission MISSION-000001: stopped by Ctrl-C (SIGINT)
    hint: 'coo resume MISSION-000001' continues where it stopped
    ");
    let ran = world.coo(&["logs"]);
    assert_snapshot!(ran.stderr, @"
    [coo] MISSION-000001 was interrupted here: its process ended before the mission did
    hint: 'coo resume MISSION-000001' continues where it stopped
    ");
    assert_snapshot!(world.told("mission 1"), @"
    $ coo mission 1
    Mission MISSION-000001
      Type: TEST
      Status: INTERRUPTED
      Reason: its process ended before the mission did
      Created: <time>
      Started: <time>
      Finished: -

    Timeline
      #0001 INIT
      #0002 CAPTURE_ENV
      #0003 RUN
    --- standard error
    hint: 'coo resume MISSION-000001' continues where it stopped
    --- exit 0
    ");
    for (signal, word) in [(Signal::TERM, "SIGTERM"), (Signal::HUP, "SIGHUP")] {
        let (_world, child) = spinning();
        let said = ended(child, signal);
        assert!(said.contains(word), "{said}");
        assert!(
            said.contains("'coo resume MISSION-000001' continues"),
            "{said}"
        );
    }
}

#[test]
fn a_call_in_flight_is_in_doubt_and_the_words_are_those_of_all_commands() {
    let server = ModelServer::start([Step::StaySilent]);
    let world = World::asking(&server);
    let child = world.start(&["run", "triage.json"]);
    until(|| server.requests().len() == 1);
    assert_snapshot!(ended(child, Signal::INT), @"
    [coo] MISSION-000001: model calls go to http://127.0.0.1:<port>, named by the environment, without a key
    ERROR: mission MISSION-000001: stopped by Ctrl-C (SIGINT) while a model call was in flight
    hint: the call may have been made and charged for; 'coo resume MISSION-000001 --resend' sends it again and continues
    ");
    let ran = world.coo(&["logs"]);
    assert_snapshot!(ran.stderr, @"
    [coo] MISSION-000001 was interrupted here: its process ended before the mission did
    hint: the call may have been made and charged for; 'coo resume MISSION-000001 --resend' sends it again and continues
    ");
    assert_snapshot!(world.told("mission 1"), @"
    $ coo mission 1
    Mission MISSION-000001
      Type: TEST
      Status: INTERRUPTED
      Reason: its process ended before the mission did
      Created: <time>
      Started: <time>
      Finished: -

    Timeline
      #0001 INIT
      #0002 CAPTURE_ENV
      #0003 RUN
    --- standard error
    hint: the call may have been made and charged for; 'coo resume MISSION-000001 --resend' sends it again and continues
    --- exit 0
    ");
    // What each of them says first is refused without the word, and works with it.
    assert_snapshot!(world.told("resume 1"), @"
    $ coo resume 1
    --- standard error
    ERROR: mission MISSION-000001: model call at event 10 is in doubt: request <sha256…> (time 1 in this run, model HuggingFaceTB/SmolLM2-135M-Instruct, an answer of at most 256 tokens) left and has no answer on record
    hint: the call may have been made and charged for; 'coo resume MISSION-000001 --resend' sends it again and continues
    --- exit 5
    ");
    let answering =
        ModelServer::start(["bug", "billing"].map(Response::completion).map(Step::from));
    let ran = world.coo_with(
        &["resume", "1", "--resend"],
        "COO_LLM_BASE_URL",
        &answering.base_url(),
    );
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn a_call_that_was_answered_is_in_doubt_no_longer() {
    let server = ModelServer::start([Response::completion("bug").into(), Step::StaySilent]);
    let world = World::asking(&server);
    let child = world.start(&["run", "triage.json"]);
    until(|| server.requests().len() == 2);
    ended(child, Signal::TERM);
    // The resumed run re-executes the first call and has the second in doubt from its start.
    let silent = ModelServer::start([Step::StaySilent]);
    let mut command = world.command(&["resume", "1", "--resend"]);
    let child = command
        .env("COO_LLM_BASE_URL", silent.base_url())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until(|| silent.requests().len() == 1);
    let said = ended(child, Signal::TERM);
    assert!(
        said.contains("'coo resume MISSION-000001 --resend'"),
        "{said}"
    );
}

#[test]
fn a_signal_that_the_process_was_started_to_ignore_stays_ignored() {
    let server = ModelServer::start([Step::StaySilent]);
    let world = World::asking(&server);
    let script = format!(
        "trap '' HUP; exec {} run triage.json",
        env!("CARGO_BIN_EXE_coo")
    );
    let child = world
        .program("sh", &["-c", &script])
        .env("PATH", "/usr/bin:/bin")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until(|| server.requests().len() == 1);
    send(&child, Signal::HUP);
    let said = ended(child, Signal::TERM);
    assert!(!said.contains("SIGHUP"), "{said}");
    assert!(said.contains("stopped by SIGTERM"), "{said}");
}
