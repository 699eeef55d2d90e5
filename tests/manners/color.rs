//! Verdicts have a colour on a terminal, and nowhere else unless it is asked for.

use insta::assert_snapshot;

use crate::support::{Ran, World, ran, shown};

const GREEN: &str = "\u{1b}[1m\u{1b}[32mSUCCESS\u{1b}[0m";

fn world() -> World {
    let world = World::new();
    assert_eq!(world.coo(&["run", "demo"]).code, 0);
    world
}

fn with(world: &World, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
    let mut command = world.command(arguments);
    ran(command.envs(variables.iter().copied()).output().unwrap())
}

#[test]
fn a_pipe_gets_no_colour_unless_it_is_asked_for() {
    let world = world();
    for (arguments, variables, is_coloured) in [
        (&["missions"][..], &[][..], false),
        (&["--color", "auto", "missions"], &[], false),
        (&["missions", "--color=always"], &[], true),
        (
            &["missions", "--color", "always"],
            &[("NO_COLOR", "1")],
            true,
        ),
        (&["missions"], &[("CLICOLOR_FORCE", "1")], true),
        (
            &["missions"],
            &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")],
            false,
        ),
        (
            &["missions", "--color", "never"],
            &[("CLICOLOR_FORCE", "1")],
            false,
        ),
        (&["missions", "--json"], &[("CLICOLOR_FORCE", "1")], false),
        (&["--help"], &[], false),
        (&["--help", "--color", "always"], &[], true),
        (&["--help"], &[("CLICOLOR_FORCE", "1")], true),
    ] {
        let ran = with(&world, arguments, variables);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(
            ran.stdout.contains('\u{1b}'),
            is_coloured,
            "{arguments:?} {variables:?}"
        );
    }
}

#[test]
fn every_verdict_is_coloured_and_nothing_else() {
    let world = world();
    world.triage_descriptor();
    let mut told = String::new();
    for command in [
        &["run", "demo", "--frozen"][..],
        &["run", "triage.json", "--frozen"],
        &["mission", "1"],
        &["inspect", "1"],
        &["explain", "3"],
        &["replay", "1"],
        &["verify", "demo", "--runs", "2"],
        &["missions"],
        &["run-demo"],
        &["resume", "1"],
    ] {
        let arguments = [&["--color", "always"], command].concat();
        let text = shown(&command.join(" "), &world.coo(&arguments));
        let coloured = text
            .lines()
            .filter(|line| line.contains('\u{1b}') || line.starts_with('$'));
        told += &coloured.fold(String::new(), |lines, line| lines + line + "\n");
    }
    assert_snapshot!(told.replace('\u{1b}', "^"), @"
    $ coo run demo --frozen
    [coo] DEMO-000002 ^[1m^[32mSUCCESS^[0m: 11 events, 62548 fuel, <duration>, 1 model call (frozen; 204 tokens in, 94 out), chain <sha256…>
    $ coo run triage.json --frozen
    [coo] MISSION-000003 ^[1m^[33mINTERRUPTED^[0m: 9 events, 56615 fuel, <duration>, chain <sha256…>
    $ coo mission 1
      Status: ^[1m^[32mSUCCESS^[0m
    $ coo inspect 1
      Status: ^[1m^[32mSUCCESS^[0m
    $ coo explain 3
      Status: ^[1m^[33mINTERRUPTED^[0m
    $ coo replay 1
      Result: ^[1m^[32mIDENTICAL^[0m
    $ coo verify demo --runs 2
      Result: ^[1m^[32mIDENTICAL^[0m
    $ coo missions
    MISSION-000003  TEST       ^[1m^[33mINTERRUPTED^[0m  <time>  <took>  triage.json
    DEMO-000002     DEMO_V1_1  ^[1m^[32mSUCCESS^[0m      <time>  <took>  demo
    DEMO-000001     DEMO_V1_1  ^[1m^[32mSUCCESS^[0m      <time>  <took>  demo
    $ coo run-demo
      Status: ^[1m^[32mSUCCESS^[0m
    $ coo resume 1
    [coo] DEMO-000001 ^[1m^[32mSUCCESS^[0m: it has ended, so there is nothing to resume; 'coo inspect DEMO-000001 --output' prints its output
    ");
    // The receipt on the disk is the text without colours.
    let report = world.root().join("demo/DEMO-000004/demo_report.txt");
    assert!(!std::fs::read_to_string(report).unwrap().contains('\u{1b}'));
    // What a mission printed is its own, whatever it looks like.
    let output = world.coo(&["--color", "always", "inspect", "1", "--output"]);
    assert!(!output.stdout.contains('\u{1b}'));
}

#[test]
fn a_terminal_gets_colours_and_lines_that_fit() {
    let world = world();
    let long = format!("{}.json", "a-long-name-".repeat(10));
    world.descriptor(
        &long,
        &serde_json::json!({"set": "demo"}),
        &serde_json::json!({}),
    );
    assert_eq!(world.coo(&["run", &long, "--frozen"]).code, 1);
    let coo = env!("CARGO_BIN_EXE_coo");
    let on_terminal = |command: &str| {
        let command = format!("stty cols 80 && {coo} {command}");
        let mut script = world.program("/usr/bin/script", &["-qec", &command, "/dev/null"]);
        script
            .env("TERM", "xterm")
            .env("PAGER", "cat")
            .env("PATH", "/usr/bin:/bin")
            .env("SHELL", "/bin/sh");
        script.output().ok().map(ran)
    };
    let Some(ran) = on_terminal("missions") else {
        eprintln!("no terminal can be had here: not tested");
        return;
    };
    assert!(ran.stdout.contains(GREEN), "{ran:?}");
    let codes = ["\u{1b}[1m", "\u{1b}[31m", "\u{1b}[32m", "\u{1b}[0m"];
    let plain = codes
        .iter()
        .fold(ran.stdout.clone(), |text, code| text.replace(code, ""));
    for line in plain.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    assert!(plain.contains('…'), "{ran:?}");
    let ran = on_terminal("--color never missions").unwrap();
    assert!(!ran.stdout.contains('\u{1b}'), "{ran:?}");
}

#[test]
fn another_word_for_when_is_refused() {
    let world = World::new();
    let ran = world.coo(&["missions", "--color", "sometimes"]);
    assert_snapshot!(shown("missions --color sometimes", &ran), @"
    $ coo missions --color sometimes
    --- standard error
    ERROR: invalid value 'sometimes' for '--color <WHEN>'
      [possible values: auto, always, never]

    For more information, try '--help'.
    --- exit 2
    ");
}
