//! A word that is no command leads to the one that is meant, and a finished command to the next.

use insta::assert_snapshot;

use crate::support::{World, shown};

#[test]
fn a_word_of_another_tool_is_told_the_command() {
    let world = World::new();
    let mut told = String::new();
    for word in [
        "ls",
        "list",
        "status",
        "log",
        "nonsense",
        "misions",
        "li\u{1b}st",
    ] {
        told += &shown(word, &world.coo(&[word]));
    }
    assert_snapshot!(told, @"
    $ coo ls
    --- standard error
    ERROR: unrecognized subcommand 'ls'

    Usage: coo [OPTIONS] <COMMAND>

    For more information, try '--help'.
    hint: try 'coo missions'; 'coo help' lists all commands
    --- exit 2
    $ coo list
    --- standard error
    ERROR: unrecognized subcommand 'list'

    Usage: coo [OPTIONS] <COMMAND>

    For more information, try '--help'.
    hint: try 'coo missions'; 'coo help' lists all commands
    --- exit 2
    $ coo status
    --- standard error
    ERROR: unrecognized subcommand 'status'

    Usage: coo [OPTIONS] <COMMAND>

    For more information, try '--help'.
    hint: try 'coo mission'; 'coo help' lists all commands
    --- exit 2
    $ coo log
    --- standard error
    ERROR: unrecognized subcommand 'log'

    Usage: coo [OPTIONS] <COMMAND>

    For more information, try '--help'.
    hint: try 'coo logs'; 'coo help' lists all commands
    --- exit 2
    $ coo nonsense
    --- standard error
    ERROR: unrecognized subcommand 'nonsense'

    Usage: coo [OPTIONS] <COMMAND>

    For more information, try '--help'.
    --- exit 2
    $ coo misions
    --- standard error
    ERROR: unrecognized subcommand 'misions'

      tip: some similar subcommands exist: 'version', 'missions', 'mission'

    Usage: coo [OPTIONS] <COMMAND>

    For more information, try '--help'.
    --- exit 2
    $ coo list
    --- standard error
    ERROR: unrecognized subcommand 'lit'

      tip: some similar subcommands exist: 'digest', 'lint'

    Usage: coo [OPTIONS] <COMMAND>

    For more information, try '--help'.
    --- exit 2
    ");
    assert!(!world.root().exists());
}

#[test]
fn a_command_of_a_command_is_not_told_another_ones() {
    let world = World::new();
    let ran = world.coo(&["pipeline", "ls"]);
    assert_snapshot!(shown("pipeline ls", &ran), @"
    $ coo pipeline ls
    --- standard error
    ERROR: unrecognized subcommand 'ls'

      tip: a similar subcommand exists: 'list'

    Usage: coo pipeline [OPTIONS] <COMMAND>

    For more information, try '--help'.
    --- exit 2
    ");
}

#[test]
fn the_help_of_a_command_has_an_example() {
    let world = World::new();
    let mut told = shown("help replay", &world.coo(&["help", "replay"]));
    told += &shown("freeze lift -h", &world.coo(&["freeze", "lift", "-h"]));
    assert_snapshot!(told, @"
    $ coo help replay
    Run a recorded mission again from its journal and compare every byte

    Usage: coo replay [OPTIONS] <ID|FILE>

    Arguments:
      <ID|FILE>  Mission id, such as DEMO-000001 or 1, or a file that 'coo export'
                 wrote

    Options:
          --timeout <SECONDS>  Real time a step may take, in seconds; the first
                               includes compiling [default: 3600]
          --json               Print JSON
          --color <WHEN>       Colour: auto, always or never [default: auto]
      -q, --quiet              Print results and errors only
          --root <DIR>         State root [default: $COO_ROOT, else the nearest
                               .coo]
      -v, --verbose            Print each step and each model call of a run
      -h, --help               Print help

    Example:  coo replay 3

    Exit codes:  0 identical, 1 not replayable, 3 different
    --- exit 0
    $ coo freeze lift -h
    Lift the freeze, after confirmation

    Usage: coo freeze lift [OPTIONS]

    Options:
          --json          Print JSON
          --color <WHEN>  Colour: auto, always or never [default: auto]
      -q, --quiet         Print results and errors only
          --root <DIR>    State root [default: $COO_ROOT, else the nearest .coo]
      -v, --verbose       Print each step and each model call of a run
      -h, --help          Print help

    Example:  coo freeze lift
    --- exit 0
    ");
}

#[test]
fn the_next_command_is_named_where_there_is_one() {
    let world = World::new();
    let mut told = String::new();
    for command in [&["init"][..], &["init"], &["validate", "demo"]] {
        told += &shown(&command.join(" "), &world.coo(command));
    }
    assert_snapshot!(told, @"
    $ coo init
    State root .coo created
      Default model: HuggingFaceTB/SmolLM2-135M-Instruct
      Configuration: .coo/config.json
    --- standard error
    hint: 'coo run-demo' runs the first mission
    hint: 'coo init DIR' makes a project of your own missions
    --- exit 0
    $ coo init
    State root .coo already exists
      Default model: HuggingFaceTB/SmolLM2-135M-Instruct
      Configuration: .coo/config.json
    --- exit 0
    $ coo validate demo
    Valid: demo (DEMO_V1_1, 1 step, module <sha256…>)
    --- standard error
    hint: 'coo run demo' runs it
    --- exit 0
    ");
    // A machine needs none.
    assert_eq!(world.coo(&["validate", "demo", "--json"]).stderr, "");
}
