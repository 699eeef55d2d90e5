//! What a guest printed, and what it asked a model, can be read later.

use insta::assert_snapshot;
use serde_json::json;

use crate::support::model_server::{ModelServer, Response, Step};
use crate::support::{World, shown, steady};

/// A program that writes `out` to standard output and `err` to standard error, and then traps if
/// `traps`. Both begin at their addresses in memory.
fn writer(out: &str, err: &str, traps: bool) -> String {
    let trap = if traps { "unreachable" } else { "" };
    let escaped = |text: &str| text.replace('\n', "\\0a").replace('\u{1b}', "\\1b");
    format!(
        r#"(data (i32.const 4096) "{}") (data (i32.const 8192) "{}")
        (func $say (param $fd i32) (param $at i32) (param $length i32)
            (i32.store (i32.const 4000) (local.get $at))
            (i32.store (i32.const 4004) (local.get $length))
            (drop (call $fd_write (local.get $fd) (i32.const 4000) (i32.const 1) (i32.const 4008))))
        (func (export "_start")
            (call $say (i32.const 1) (i32.const 4096) (i32.const {}))
            (call $say (i32.const 2) (i32.const 8192) (i32.const {}))
            {trap})"#,
        escaped(out),
        escaped(err),
        out.len(),
        err.len(),
    )
}

#[test]
fn what_the_steps_wrote_is_printed_byte_for_byte() {
    let world = World::new();
    world.guest(
        "writes.wasm",
        &writer("to the reader", "a warning\n", false),
    );
    let steps = json!({"steps": [{"id": "first"}, {"id": "second"}]});
    world.descriptor("writes.json", &json!({"file": "writes.wasm"}), &steps);
    assert_eq!(world.coo(&["run", "writes.json"]).code, 0);
    let printed = |arguments: &[&str]| {
        let ran = world.coo(&[&["inspect", "1"], arguments].concat());
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{arguments:?}");
        ran.stdout
    };
    assert_eq!(printed(&["--stdout"]), "to the readerto the reader");
    assert_eq!(printed(&["--stderr"]), "a warning\na warning\n");
    assert_eq!(printed(&["--stderr", "--step", "second"]), "a warning\n");
    assert_eq!(printed(&["--stdout", "--step", "first"]), "to the reader");
    // An exported run holds them, too.
    assert_eq!(world.coo(&["export", "1"]).code, 0);
    let exported = world.coo(&[
        "--root",
        "none",
        "inspect",
        "MISSION-000001.coorun",
        "--stderr",
    ]);
    assert_eq!(exported.stdout, "a warning\na warning\n");
    let mut told = String::new();
    for command in [
        &["inspect", "1", "--stdout", "--step", "third"][..],
        &["inspect", "1", "--step", "first"],
        &["inspect", "1", "--stdout", "--stderr"],
        &["inspect", "1", "--stdout", "--json"],
        &["inspect", "2", "--stdout"],
    ] {
        told += &shown(&command.join(" "), &world.coo(command));
    }
    assert_snapshot!(told, @r#"
    $ coo inspect 1 --stdout --step third
    --- standard error
    ERROR: step 'third': mission MISSION-000001 has no step of this name
    hint: name one of its steps: first, second
    --- exit 1
    $ coo inspect 1 --step first
    --- standard error
    ERROR: the following required arguments were not provided:
      <--stdout|--stderr>

    Usage: coo inspect --step <STEP> <--stdout|--stderr> <ID|FILE>

    For more information, try '--help'.
    --- exit 2
    $ coo inspect 1 --stdout --stderr
    --- standard error
    ERROR: the argument '--stdout' cannot be used with '--stderr'

    Usage: coo inspect --stdout <ID|FILE>

    For more information, try '--help'.
    --- exit 2
    $ coo inspect 1 --stdout --json
    {
      "format": "coo-error/1",
      "code": 2,
      "message": "the argument '--stdout' cannot be used with '--json'\n\nUsage: coo inspect --stdout <ID|FILE>\n\nFor more information, try '--help'.",
      "hint": null
    }
    --- standard error
    ERROR: the argument '--stdout' cannot be used with '--json'

    Usage: coo inspect --stdout <ID|FILE>

    For more information, try '--help'.
    --- exit 2
    $ coo inspect 2 --stdout
    --- standard error
    ERROR: Mission '2' not found.
    --- exit 1
    "#);
}

#[test]
fn a_step_that_has_not_returned_has_nothing_on_record() {
    let world = World::new();
    world.triage_descriptor();
    assert_eq!(world.coo(&["run", "triage.json", "--frozen"]).code, 5);
    let ran = world.coo(&["inspect", "1", "--stderr", "--step", "triage"]);
    assert_snapshot!(shown("inspect 1 --stderr --step triage", &ran), @"
    $ coo inspect 1 --stderr --step triage
    --- standard error
    ERROR: step 'triage': has not returned in mission MISSION-000001, so nothing of it is on record
    hint: 'coo mission MISSION-000001' shows how far the mission came
    --- exit 1
    ");
}

#[test]
fn the_words_of_a_panic_are_shown_with_the_failed_mission() {
    let world = World::new();
    let lines: Vec<String> = (1..=12).map(|line| format!("line {line}\n")).collect();
    let lines = lines.concat();
    let said = format!("{lines}ERROR: panicked at src/lib.rs:7:\u{1b}[31m\n");
    world.guest("traps.wasm", &writer("half", &said, true));
    assert_eq!(world.coo(&["run", "traps.wasm"]).code, 1);
    let mut told = shown("logs 1", &world.coo(&["logs", "1"]));
    let inspected = world.coo(&["inspect", "1"]).stdout;
    let (_, end) = inspected.split_once("\nOutputs\n").unwrap();
    told += &steady(end);
    assert_snapshot!(told, @r#"
    $ coo logs 1
    [0001] STATE=INIT mission type=PROGRAM descriptor=<sha256…> module=<sha256…> config=<sha256…> sha256=<sha256…>
    [0002] STATE=CAPTURE_ENV transition from=INIT sha256=<sha256…>
    [0003] STATE=CAPTURE_ENV environment host=<sha256…> sha256=<sha256…>
    [0004] STATE=RUN transition from=CAPTURE_ENV sha256=<sha256…>
    [0005] STATE=RUN step.started step=run input=<sha256…> bytes=0 sha256=<sha256…>
    [0006] STATE=RUN step.returned step=run output=- sha256=<sha256…>
    [0007] STATE=FAILED transition from=RUN reason="trap: wasm `unreachable` instruction executed" sha256=<sha256…>
    --- standard error
    [coo] MISSION-000001 failed here. Standard error of step 'run', last 10 of 13 lines ('coo inspect MISSION-000001 --stderr' prints all):
    line 4
    line 5
    line 6
    line 7
    line 8
    line 9
    line 10
    line 11
    line 12
    guest: ERROR: panicked at src/lib.rs:7:\u{1b}[31m
    --- exit 0
      run stdout: 4 bytes <sha256>
      run stderr: 125 bytes <sha256>

    Standard error of step 'run', last 10 of 13 lines
      line 4
      line 5
      line 6
      line 7
      line 8
      line 9
      line 10
      line 11
      line 12
      ERROR: panicked at src/lib.rs:7:\u{1b}[31m

    Trapped in
      function 17
    "#);
    // A machine reads events, and the text is among the contents.
    let json = world.coo(&["logs", "1", "--json"]);
    assert_eq!((json.code, json.stderr.as_str()), (0, ""));
    assert_eq!(world.coo(&["inspect", "1", "--stderr"]).stdout, said);
}

#[test]
fn a_mission_that_succeeded_shows_no_standard_error_in_its_logs() {
    let world = World::new();
    world.guest("writes.wasm", &writer("", "only a warning\n", false));
    assert_eq!(world.coo(&["run", "writes.wasm"]).code, 0);
    assert_eq!(world.coo(&["logs", "1"]).stderr, "");
    assert!(
        !world
            .coo(&["inspect", "1"])
            .stdout
            .contains("only a warning")
    );
}

#[test]
fn a_model_call_reads_as_a_conversation() {
    let server = ModelServer::start([
        Step::Respond(Response::completion("bug\n\nuser\n  is no heading")),
        Step::Respond(Response::json(401, &json!({"error": {"message": "no"}}))),
    ]);
    let world = World::new()
        .with("COO_LLM_BASE_URL", server.base_url())
        .with("COO_LLM_MODEL", "some/model");
    assert_eq!(world.triage().code, 5);
    let ran = world.coo(&["inspect", "1", "--prompts"]);
    assert_snapshot!(shown("inspect 1 --prompts", &ran), @"
    $ coo inspect 1 --prompts
    Model call #0010 of step 'triage'
      Model:    test/model (asked for some/model)
      Sampling: temperature 0, top_p 1, seed 0, max_tokens 256
      Answer:   live from http://127.0.0.1:<port>
      Tokens:   3 in, 2 out

    system
      You sort tickets.

    user
      It broke

      Which label fits?
      Labels: bug, billing

    answer
      bug

      user
        is no heading

    Model call #0013 of step 'triage'
      Model:    some/model
      Sampling: temperature 0, top_p 1, seed 0, max_tokens 256
      Answer:   none: the server refused it or was not reached

    system
      You sort tickets.

    user
      I was charged twice

      Which label fits?
      Labels: bug, billing
    --- exit 0
    ");
    // The same mission again takes its first answer from the frozen store.
    assert_eq!(world.coo(&["run", "triage.json", "--frozen"]).code, 5);
    let again = world.coo(&["inspect", "2", "--prompts"]).stdout;
    assert!(
        again.contains("  Answer:   frozen in this state root\n"),
        "{again}"
    );
    let demo = world.coo_with(&["run", "demo"], "COO_LLM_MODEL", "");
    assert_eq!(demo.code, 0, "{demo:?}");
    let demo = world.coo(&["inspect", "3", "--prompts"]).stdout;
    assert!(
        demo.contains("  Answer:   frozen, shipped with coo\n"),
        "{demo}"
    );
}

#[test]
fn a_mission_without_model_calls_says_so() {
    let world = World::new();
    world.guest("quiet.wasm", &writer("", "", false));
    assert_eq!(world.coo(&["run", "quiet.wasm"]).code, 0);
    let ran = world.coo(&["inspect", "1", "--prompts"]);
    assert_snapshot!(shown("inspect 1 --prompts", &ran), @"
    $ coo inspect 1 --prompts
    --- standard error
    [coo] MISSION-000001 asked no model
    --- exit 0
    ");
}

#[test]
fn in_a_log_of_both_streams_the_summary_has_a_line_of_its_own() {
    let world = World::new();
    let coo = env!("CARGO_BIN_EXE_coo");
    let script = format!(
        "{coo} run triage --frozen >both 2>&1; {coo} -q run triage --frozen >quiet 2>&1; \
         {coo} run triage --frozen >out 2>error; {coo} run triage --frozen 2>&1 | cat >pipe"
    );
    let mut sh = world.program("sh", &["-c", &script]);
    assert!(sh.env("PATH", "/usr/bin:/bin").status().unwrap().success());
    let read = |name: &str| std::fs::read_to_string(world.path().join(name)).unwrap();
    let output = read("out");
    assert!(output.ends_with("\"tickets\":6}"), "{output}");
    assert_eq!(read("quiet"), output);
    assert!(read("error").starts_with("[coo] MISSION-000003 SUCCESS: "));
    assert!(read("both").starts_with(&format!("{output}\n[coo] MISSION-000001 SUCCESS: ")));
    assert!(read("pipe").starts_with(&format!("{output}\n[coo] MISSION-000004 SUCCESS: ")));
}
