//! What goes wrong is said in the prescribed words and with the prescribed exit code (user
//! surface v1.1 §3, §4.1, §5.3, §6.2, §7.5), and leaves nothing behind that was not asked for.

use insta::assert_snapshot;

use super::{demo, id};
use crate::support::model_server::{ModelServer, Response};
use crate::support::{Ran, World, shown};

fn is_empty(world: &World) -> bool {
    std::fs::read_dir(world.path()).unwrap().next().is_none()
}

fn failed(stderr: &str) -> Ran {
    Ran {
        stdout: String::new(),
        stderr: stderr.to_owned(),
        code: 1,
    }
}

#[test]
fn a_mission_that_does_not_exist_is_not_found() {
    let (world, _) = demo();
    let empty = World::new();
    for command in ["mission", "logs", "inspect", "replay"] {
        for id in [
            "invalid-id",
            "DEMO-000002",
            "MISSION-000001",
            "DEMO-0000001",
            "",
            "2",
            "demo-2",
            "mission-1",
            "0",
            "+1",
            "demo-",
            "demo",
            "4294967297",
        ] {
            let expected = failed(&format!("ERROR: Mission '{id}' not found.\n"));
            assert_eq!(world.coo(&[command, id]), expected);
            let json = world.coo(&[command, id, "--json"]);
            let message = expected.stderr.trim_start_matches("ERROR: ").trim_end();
            let told: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
            assert_eq!(
                told,
                serde_json::json!({"format": "coo-error/1", "code": 1, "message": message, "hint": null})
            );
            assert_eq!((json.code, json.stderr), (1, expected.stderr.clone()));
            assert_eq!(empty.coo(&[command, id]), expected);
        }
    }
    assert!(is_empty(&empty));
}

#[test]
fn the_demo_takes_no_options() {
    let world = World::new();
    for options in [
        &["--foo"][..],
        &["foo"],
        &["--helpme"],
        &["--help", "--json"],
        &["-hx"],
        &["--json"],
        &["-x", "y"],
        &["--version"],
    ] {
        let arguments = [&["run-demo"], options].concat();
        let expected = failed("ERROR: 'coo run-demo' does not accept options in V1.1.\n");
        assert_eq!(world.coo(&arguments), expected, "{arguments:?}");
    }
    assert!(is_empty(&world));
}

#[test]
fn the_demo_has_a_help() {
    let world = World::new();
    let ran = world.coo(&["run-demo", "--help"]);
    assert_snapshot!(shown("run-demo --help", &ran), @"
    $ coo run-demo --help
    Run the bundled demo: no configuration, no key, no network

    Usage: coo run-demo [OPTIONS]

    Options:
          --color <WHEN>  Colour: auto, always or never [default: auto]
      -q, --quiet         Print results and errors only
          --root <DIR>    State root [default: $COO_ROOT, else the nearest .coo]
      -v, --verbose       Print each step and each model call of a run

    Example:  coo run-demo

    The receipt is also in demo/<id>/demo_report.txt in the state root.
    --- exit 0
    ");
    assert_eq!(world.coo(&["run-demo", "-h"]), ran);
    assert_eq!(world.coo(&["help", "run-demo"]), ran);
    assert!(is_empty(&world));
}

/// The help is an answer, so it goes to standard output and is no error.
#[test]
fn a_command_line_that_names_nothing_to_do_prints_the_help() {
    let world = World::new();
    for command in [&[][..], &["amu0"], &["freeze", "help"], &["pipeline"]] {
        let ran = world.coo(command);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{command:?}");
        assert!(ran.stdout.contains("\nUsage: coo "), "{command:?}: {ran:?}");
        assert!(!ran.stdout.starts_with("ERROR"), "{command:?}: {ran:?}");
    }
    let bare = world.coo(&[]);
    assert_eq!(bare, world.coo(&["-h"]));
    assert!(
        bare.stdout
            .starts_with("Run any AI workflow identically, every time\n")
    );
    assert!(is_empty(&world));
}

#[test]
fn without_a_model_nothing_begins() {
    let world = World::new();
    assert_eq!(world.coo(&["init"]).code, 0);
    world.file(".coo/config.json", r#"{"llm": {"default_model": null}}"#);
    let ran = world.coo(&["run-demo"]);
    assert_snapshot!(shown("run-demo", &ran), @r"
    $ coo run-demo
    [coo] Running deterministic demo mission ...
    --- standard error
    ERROR: No model configured for LLM operations. Set COO_LLM_MODEL or configure a default model.
    --- exit 1
    ");
    assert_eq!(world.list(&["missions"]), serde_json::json!([]));
    // A blank name is no name.
    world.file(".env", "COO_LLM_MODEL=\n");
    assert_eq!(world.coo(&["run-demo"]), ran);
    assert!(!world.root().join("demo/DEMO-000001").exists());
}

#[test]
fn a_provider_that_refuses_the_key_fails_the_demo_and_its_receipt_says_so() {
    let server = ModelServer::start([Response::json(
        401,
        r#"{"error": {"message": "No auth credentials found"}}"#,
    )]);
    let world = World::new()
        .with("COO_LLM_BASE_URL", server.base_url())
        .with("COO_LLM_MODEL", "vendor/model")
        .with("OPENROUTER_API_KEY", "sk-test");
    let ran = world.coo(&["run-demo"]);
    assert_snapshot!(shown("run-demo", &ran), @"
    $ coo run-demo
    [coo] Running deterministic demo mission ...

    Mission
      ID: DEMO-000001
      Type: DEMO_V1_1
      Status: FAILED
      Started: <time>
      Finished: <time>
      Steps: 3 transitions, 0 rollbacks, 0 divergences

    AI Output
      (none)

    Determinism
      This run was stopped from outside, so it has no result yet.
      'coo resume DEMO-000001' continues it where it stopped, and pays for no call twice.

    Inspect
      coo mission DEMO-000001
      coo logs DEMO-000001
    --- standard error
    [coo] DEMO-000001: model calls go to http://127.0.0.1:<port>, named by the environment, with the key of the environment, which is shorter than 16 characters and so not kept out of texts
    ERROR: mission DEMO-000001: model call not authorised: http://127.0.0.1:<port> answered 401, saying 'No auth credentials found'
    hint: check the API key and what it may use
    --- exit 1
    ");
    let report = world
        .root()
        .join("demo")
        .join(id(&ran.stdout))
        .join("demo_report.txt");
    assert_eq!(std::fs::read_to_string(report).unwrap(), ran.stdout);
    assert_eq!(
        world.json(&["mission", "DEMO-000001"])["status"],
        "INTERRUPTED"
    );
    // There is no whole run to compare.
    let replay = world.coo(&["replay", "DEMO-000001"]);
    assert_snapshot!(shown("replay DEMO-000001", &replay), @"
    $ coo replay DEMO-000001
    --- standard error
    ERROR: mission DEMO-000001: did not reach an end (model call not authorised: http://127.0.0.1:<port> answered 401, saying 'No auth credentials found'; check the API key and what it may use), so there is no whole run to compare
    hint: 'coo resume DEMO-000001' continues it
    --- exit 1
    ");
}

#[test]
fn the_help_names_every_command() {
    let world = World::new();
    assert_snapshot!(shown("--help", &world.coo(&["--help"])), @"
    $ coo --help
    Run any AI workflow identically, every time.

    A mission is a descriptor (JSON) plus a WebAssembly module. coo runs it in a
    sandbox with a fixed clock and seed, journals every call, freezes every answer,
    and replays any run byte for byte, offline.

    Usage: coo [OPTIONS] <COMMAND>

    Missions:
      run-demo     Run the bundled demo: no configuration, no key, no network
      run          Run a mission: a descriptor, a script, a .wasm program, or a
                   bundled mission by name
      batch        Run many missions at once, with the results of one after the
                   other
      resume       Resume an interrupted mission from the end of its journal
      approve      Approve the question of a paused mission, and continue it
      reject       Reject the question of a paused mission, which ends it
      replay       Run a recorded mission again from its journal and compare every
                   byte
      verify       Run a mission several times in fresh worlds and compare every
                   byte, or check a pack

    Looking:
      missions     List the missions, newest first
      mission      Show one mission: status and timeline
      logs         Print the journal of a mission, one event per line
      inspect      Show hash lineage, calls, fuel, memory and outputs of a mission
      explain      Explain a mission's permissions and limits, and why it was
                   refused
      audit        List every import of a module, what it permits, and the verdict

    Handing on:
      export       Write a run to one file, replayable on any machine
      pack         Write a run with all that follows from it to one zip file, after
                   approval
      merge        Take the missions of other state roots into this one

    Authors:
      init         Create the state root, or in DIR a whole project of missions
      new          Add a mission to a project: its crate and its descriptor
      build        Compile the missions of a project into missions/dist/
      validate     Check a descriptor without running it
      config       Show the configuration of the state root, or change a field of it
      runner       List, install and remove the modules that run scripts
      schema       List the JSON Schemas of everything that coo reads and writes, or
                   print one

    Governed world:
      amu0         Create, verify and restore baselines of the state root or of a
                   directory
      rollback     Restore the state root to a baseline, after confirmation
      freeze       Make the state root read-only until the freeze is lifted
      artefacts    List the artefacts of missions, or check them against the record
      manifests    Record tools, environment, hardware and module set, or check them
      digest       Print the SHA-256 of the module set
      tier1        Judge this installation and its state root by the Tier-1
                   hardening plan

    Repository:
      amend        Apply all amendments to the documents of a repository, or none
      scan         Search the text of a repository for governance leaks
      lint         Check a repository against its pinned constitutional rules
      migrate      Move a Python package and update its importers, or show the plan
      gates        Check a repository with gates A to F
      pipeline     Change a repository under governance, from amendments to the
                   final review

    Other:
      version      Show what this coo is: engine, surface, formats, build
      completions  Print a completion script for a shell
      man          Print the manual page of coo, or write those of all commands
      help         Print this message or the help of a command

    Options:
          --color <WHEN>
              Colour: auto, always or never [default: auto]

      -q, --quiet
              Print results and errors only

          --root <DIR>
              State root [default: $COO_ROOT, else the nearest .coo]

      -v, --verbose
              Print each step and each model call of a run

      -h, --help
              Print help (see a summary with '-h')

      -V, --version
              Print version

    Start with:  coo run-demo

    Exit codes:
      0  done
      1  the mission, or what was asked for, failed
      2  wrong command line
      3  differs (replay, verify, check, gates)
      4  waits for a person
      5  stopped from outside; 'coo resume' continues it
    --- exit 0
    ");
    assert!(is_empty(&world));
}

#[test]
fn a_mistyped_command_line_is_an_error_of_its_own_kind() {
    let world = World::new();
    let mut told = String::new();
    for arguments in [
        &["run-dmeo"][..],
        &["mission"],
        &["logs", "a", "b"],
        &["missions", "--jsn"],
        &["run"],
        &["--root"],
    ] {
        let ran = world.coo(arguments);
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (2, ""),
            "{arguments:?}: {ran:?}"
        );
        assert!(!ran.stderr.contains("error:"), "{arguments:?}: {ran:?}");
        told += &shown(&arguments.join(" "), &ran);
    }
    assert_snapshot!(told, @"
    $ coo run-dmeo
    --- standard error
    ERROR: unrecognized subcommand 'run-dmeo'

      tip: some similar subcommands exist: 'resume', 'runner', 'run', 'run-demo'

    Usage: coo [OPTIONS] <COMMAND>

    For more information, try '--help'.
    --- exit 2
    $ coo mission
    --- standard error
    ERROR: the following required arguments were not provided:
      <ID|FILE>

    Usage: coo mission <ID|FILE>

    For more information, try '--help'.
    --- exit 2
    $ coo logs a b
    --- standard error
    ERROR: unexpected argument 'b' found

    Usage: coo logs [OPTIONS] [ID|FILE]

    For more information, try '--help'.
    --- exit 2
    $ coo missions --jsn
    --- standard error
    ERROR: unexpected argument '--jsn' found

      tip: a similar argument exists: '--json'

    Usage: coo missions --json

    For more information, try '--help'.
    --- exit 2
    $ coo run
    --- standard error
    ERROR: the following required arguments were not provided:
      <TARGET>

    Usage: coo run <TARGET> [-- <ARGS>...]

    For more information, try '--help'.
    --- exit 2
    $ coo --root
    --- standard error
    ERROR: a value is required for '--root <DIR>' but none was supplied

    For more information, try '--help'.
    --- exit 2
    ");
    assert!(is_empty(&world));
}

#[test]
fn a_mistyped_command_is_told_the_one_it_resembles() {
    let world = World::new();
    assert_snapshot!(shown("run-dmeo", &world.coo(&["run-dmeo"])), @"
    $ coo run-dmeo
    --- standard error
    ERROR: unrecognized subcommand 'run-dmeo'

      tip: some similar subcommands exist: 'resume', 'runner', 'run', 'run-demo'

    Usage: coo [OPTIONS] <COMMAND>

    For more information, try '--help'.
    --- exit 2
    ");
}

#[test]
fn looking_creates_nothing() {
    let world = World::new();
    assert_snapshot!(shown("missions", &world.coo(&["missions"])), @"
    $ coo missions
    --- standard error
    [coo] no missions in .coo
    hint: 'coo run-demo' makes the first
    --- exit 0
    ");
    assert_eq!(
        world.coo(&["missions", "--json"]).stdout,
        "{\n  \"format\": \"coo-missions/1\",\n  \"missions\": []\n}\n"
    );
    let logs = world.coo(&["logs"]);
    assert_eq!(
        logs,
        failed("ERROR: no missions in .coo\nhint: 'coo run-demo' makes the first\n")
    );
    for arguments in [
        &["digest"][..],
        &["audit", "demo"],
        &["validate", "demo"],
        &["completions", "bash"],
        &["--version"],
    ] {
        assert_eq!(world.coo(arguments).code, 0, "{arguments:?}");
    }
    assert!(is_empty(&world));
}

#[test]
fn a_damaged_state_root_is_an_error_and_no_panic() {
    let mut told = Vec::new();
    for (file, content) in [
        (
            "coo.db",
            &b"this is no database, whatever its name says"[..],
        ),
        ("config.json", b"{\"llm\": {\"default_modle\": 1}}"),
        ("config.json", b"\xff\xfe"),
    ] {
        let (world, _) = demo();
        for name in ["coo.db-wal", "coo.db-shm"] {
            if file == "coo.db" {
                std::fs::remove_file(world.root().join(name)).unwrap();
            }
        }
        world.file(&format!(".coo/{file}"), content);
        for command in [
            &["mission", "DEMO-000001"][..],
            &["logs", "DEMO-000001"],
            &["missions"],
            &["run-demo"],
        ] {
            let ran = world.coo(command);
            if file == "config.json" && command != ["run-demo"] {
                // Nothing of it is needed for looking.
                assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{command:?}");
                continue;
            }
            assert_eq!(ran.code, 1, "{file} {command:?}: {ran:?}");
            told.push(shown(&command.join(" "), &ran));
        }
    }
    assert_snapshot!(told.concat(), @"
    $ coo mission DEMO-000001
    --- standard error
    ERROR: database .coo/coo.db: file is not a database: Error code 26: file is not a database
    --- exit 1
    $ coo logs DEMO-000001
    --- standard error
    ERROR: database .coo/coo.db: file is not a database: Error code 26: file is not a database
    --- exit 1
    $ coo missions
    --- standard error
    ERROR: database .coo/coo.db: file is not a database: Error code 26: file is not a database
    --- exit 1
    $ coo run-demo
    [coo] Running deterministic demo mission ...
    --- standard error
    ERROR: database .coo/coo.db: file is not a database: Error code 26: file is not a database
    --- exit 1
    $ coo run-demo
    [coo] Running deterministic demo mission ...
    --- standard error
    ERROR: configuration .coo/config.json: line 1: llm.default_modle: no such field; did you mean 'default_model'?
    hint: see docs/configuration.md for its fields
    --- exit 1
    $ coo run-demo
    [coo] Running deterministic demo mission ...
    --- standard error
    ERROR: configuration .coo/config.json: can't be read: invalid utf-8 sequence of 1 bytes from index 0
    --- exit 1
    ");
}

#[test]
fn a_state_root_that_can_not_be_made_is_an_error() {
    let world = World::new();
    world.file(".coo", "in the way");
    let ran = world.coo(&["run-demo"]);
    assert_snapshot!(shown("run-demo", &ran), @"
    $ coo run-demo
    [coo] Running deterministic demo mission ...
    --- standard error
    ERROR: state root .coo: is not a folder
    hint: name one with --root or COO_ROOT
    --- exit 1
    ");
}
