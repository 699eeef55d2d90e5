//! What a command says while a mission runs: in a pipe, in a pipe with `--verbose` and `--quiet`, and on
//! a terminal, where one line is written again and removed. What the mission prints stays as it is.

use std::io::Read as _;

use insta::assert_snapshot;

use super::terminal::Terminal;
use crate::support::model_server::{ModelServer, Response, Step};
use crate::support::{Ran, World, shown};

/// A server that is overloaded once, and a world whose missions ask it.
fn overloaded_once() -> (World, ModelServer) {
    let busy = Response::json(503, &serde_json::json!({"error": {"message": "busy"}}));
    let server = ModelServer::start([
        Step::from(busy.header("retry-after", "0")),
        Response::completion("bug").into(),
        Response::completion("billing").into(),
    ]);
    let world = World::asking(&server);
    (world, server)
}

/// As `shown`; the wait before an attempt is spread by chance.
fn waiting(command: &str, ran: &Ran) -> String {
    let text = shown(command, ran);
    let mask = |text: String, tenth| text.replace(&format!("in 0.{tenth} s"), "in <wait>");
    (0..10).fold(text, mask)
}

#[test]
fn a_pipe_gets_what_lasts() {
    let (world, _server) = overloaded_once();
    let ran = world.coo(&["run", "triage.json"]);
    assert_snapshot!(waiting("run triage.json", &ran), @r#"
    $ coo run triage.json
    {"counts":{"billing":1,"bug":1,"other":0},"report":"triage/Triage_Report_v1.0.md","report_sha256":"<sha256>","tickets":2}--- standard error
    [coo] MISSION-000001: model calls go to http://127.0.0.1:<port>, named by the environment, without a key
    [coo] model call: http://127.0.0.1:<port> answered 503, saying 'busy'; attempt 2 of 4 in <wait>
    [coo] MISSION-000001 SUCCESS: 20 events, 101574 fuel, <duration>, 2 model calls (live; 6 tokens in, 4 out), chain <sha256…>
    --- exit 0
    "#);
}

#[test]
fn more_is_said_if_it_is_wanted() {
    let (world, _server) = overloaded_once();
    let ran = world.coo(&["run", "triage.json", "--verbose"]);
    assert_snapshot!(waiting("run triage.json --verbose", &ran), @r#"
    $ coo run triage.json --verbose
    {"counts":{"billing":1,"bug":1,"other":0},"report":"triage/Triage_Report_v1.0.md","report_sha256":"<sha256>","tickets":2}--- standard error
    [coo] MISSION-000001 begins
    [coo] MISSION-000001: step 1 of 1, 'triage'
    [coo] MISSION-000001: model calls go to http://127.0.0.1:<port>, named by the environment, without a key
    [coo] MISSION-000001: asking HuggingFaceTB/SmolLM2-135M-Instruct
    [coo] model call: http://127.0.0.1:<port> answered 503, saying 'busy'; attempt 2 of 4 in <wait>
    [coo] MISSION-000001: asking HuggingFaceTB/SmolLM2-135M-Instruct, attempt 2 of 4
    [coo] MISSION-000001: HuggingFaceTB/SmolLM2-135M-Instruct answered, live from http://127.0.0.1:<port>, 3 tokens in, 2 out
    [coo] MISSION-000001: asking HuggingFaceTB/SmolLM2-135M-Instruct
    [coo] MISSION-000001: HuggingFaceTB/SmolLM2-135M-Instruct answered, live from http://127.0.0.1:<port>, 3 tokens in, 2 out
    [coo] MISSION-000001 SUCCESS: 20 events, 101574 fuel, <duration>, 2 model calls (live; 6 tokens in, 4 out), chain <sha256…>
    --- exit 0
    "#);
    // The same answers, frozen now.
    let ran = world.coo(&["-v", "run", "triage.json"]);
    assert_snapshot!(shown("-v run triage.json", &ran), @r#"
    $ coo -v run triage.json
    {"counts":{"billing":1,"bug":1,"other":0},"report":"triage/Triage_Report_v1.0.md","report_sha256":"<sha256>","tickets":2}--- standard error
    [coo] MISSION-000002 begins
    [coo] MISSION-000002: step 1 of 1, 'triage'
    [coo] MISSION-000002: HuggingFaceTB/SmolLM2-135M-Instruct answered, frozen, 3 tokens in, 2 out
    [coo] MISSION-000002: HuggingFaceTB/SmolLM2-135M-Instruct answered, frozen, 3 tokens in, 2 out
    [coo] MISSION-000002 SUCCESS: 20 events, 101574 fuel, <duration>, 2 model calls (frozen; 6 tokens in, 4 out), chain <sha256…>
    --- exit 0
    "#);
}

#[test]
fn nothing_is_said_if_that_is_wanted_but_errors_are() {
    let (world, _server) = overloaded_once();
    let ran = world.coo(&["run", "triage.json", "--quiet"]);
    assert_snapshot!(shown("run triage.json --quiet", &ran), @r#"
    $ coo run triage.json --quiet
    {"counts":{"billing":1,"bug":1,"other":0},"report":"triage/Triage_Report_v1.0.md","report_sha256":"<sha256>","tickets":2}--- exit 0
    "#);
    let ran = world.coo(&["-q", "inspect", "MISSION-000009"]);
    assert_snapshot!(shown("-q inspect MISSION-000009", &ran), @"
    $ coo -q inspect MISSION-000009
    --- standard error
    ERROR: Mission 'MISSION-000009' not found.
    --- exit 1
    ");
    let ran = world.coo(&["-q", "run", "triage.json", "-v"]);
    assert_snapshot!(shown("-q run triage.json -v", &ran), @r#"
    $ coo -q run triage.json -v
    {"counts":{"billing":1,"bug":1,"other":0},"report":"triage/Triage_Report_v1.0.md","report_sha256":"<sha256>","tickets":2}--- exit 0
    "#);
}

#[test]
fn a_terminal_has_one_line_that_is_removed_before_anything_is_printed() {
    let (world, _server) = overloaded_once();
    let (terminal, mut child) = Terminal::start(world.command(&["run", "triage.json"]));
    let mut output = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut output)
        .unwrap();
    let seen = terminal.read_to_end();
    assert!(child.wait().unwrap().success(), "{seen}");
    // The output has a pipe of its own, and nothing is mixed into it.
    assert!(output.starts_with("{\"counts\""), "{output}");
    assert!(output.ends_with('}'), "{output}");
    let mut drawn = seen.split("\r\x1b[K").collect::<Vec<_>>();
    let last = drawn.pop().unwrap();
    assert!(last.contains("SUCCESS"), "{seen:?}");
    let expected = [
        "[coo] MISSION-000001 begins",
        "[coo] MISSION-000001: step 1 of 1, 'triage'",
        "[coo] MISSION-000001: asking HuggingFaceTB/SmolLM2-135M-Instruct",
        "[coo] MISSION-000001: attempt 2 of 4 in 0.",
        "[coo] MISSION-000001: asking HuggingFaceTB/SmolLM2-135M-Instruct, attempt 2 of 4",
        "'triage'; 1 model call answered",
        "'triage'; 2 model calls answered",
    ];
    let mut rest = drawn.iter();
    for text in expected {
        assert!(rest.any(|line| line.contains(text)), "{text}: {drawn:?}");
    }
    // A line that is written again never contains a line break, except for the one that stays.
    let lasting = drawn.iter().filter(|line| line.contains('\n'));
    for line in lasting {
        assert!(line.contains("model calls go to"), "{line:?}");
    }
    let columns = Terminal::COLUMNS;
    let wide = |line: &&&str| !line.contains('\n') && line.chars().count() >= columns.into();
    assert_eq!(drawn.iter().find(wide), None, "wraps at {columns} columns");
}

#[test]
fn a_terminal_that_can_only_print_gets_what_a_pipe_gets() {
    let (world, _server) = overloaded_once();
    let mut command = world.command(&["run", "triage.json"]);
    command.env("TERM", "dumb");
    let (terminal, mut child) = Terminal::start(command);
    let seen = terminal.read_to_end();
    assert!(child.wait().unwrap().success(), "{seen}");
    assert!(!seen.contains("\x1b[K"), "{seen:?}");
}

#[test]
fn compiling_is_said_and_timed() {
    let world = World::with_own_cache();
    // Enough functions for half a second of compiling, whatever the machine.
    let function = "(func (result i64) (i64.const 1)";
    let body = " (i64.const 7) (i64.mul)".repeat(400) + ")";
    let functions = format!("{function}{body}\n").repeat(1_500);
    let text =
        format!("(module {functions} (memory (export \"memory\") 1) (func (export \"_start\")))");
    world.wasm("large.wasm", &text);
    let output = world.command(&["run", "large.wasm"]).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    let mut lines = stderr.lines();
    let said = lines.next().unwrap();
    assert!(
        said.starts_with("[coo] compiling module large.wasm (") && said.ends_with(" MB)"),
        "{stderr}"
    );
    // The time follows if it was longer than a second, and then the summary.
    let rest: Vec<&str> = lines.collect();
    let (summary, took) = rest.split_last().unwrap();
    assert!(summary.contains("SUCCESS"), "{stderr}");
    for took in took {
        assert!(
            took.starts_with("[coo] compiling module large.wasm took "),
            "{stderr}"
        );
    }
    // The second run takes the code from the cache, and says nothing.
    let again = world.command(&["run", "large.wasm"]).output().unwrap();
    let stderr = String::from_utf8(again.stderr).unwrap();
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[test]
fn the_time_of_a_step_has_bounds() {
    let world = World::new();
    for (value, shown_as) in [("0", "0"), ("604801", "604801")] {
        for command in ["run", "replay", "verify", "pack"] {
            let ran = world.coo(&[command, "demo", "--timeout", value]);
            assert_eq!(ran.code, 2, "{ran:?}");
            let error = format!(
                "ERROR: invalid value '{shown_as}' for '--timeout <SECONDS>': {value} is not in 1..=604800\n"
            );
            assert!(ran.stderr.starts_with(&error), "{ran:?}");
        }
    }
    let ran = world.coo(&["verify", "demo", "--runs", "101"]);
    assert_snapshot!(shown("verify demo --runs 101", &ran), @"
    $ coo verify demo --runs 101
    --- standard error
    ERROR: invalid value '101' for '--runs <N>': 101 is not in 2..=100

    For more information, try '--help'.
    --- exit 2
    ");
}
