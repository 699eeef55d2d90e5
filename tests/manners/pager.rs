//! Long output goes through the user's pager: on a terminal alone, if the user wants one, and never at
//! the price of the output.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Child;

use rustix::process::Signal;

use super::terminal::Terminal;
use crate::support::{World, send, until};

/// A world with a run, and with a pager that marks each line and says what its settings are.
fn world() -> World {
    let world = World::new();
    assert_eq!(world.coo(&["run", "demo"]).code, 0);
    program(
        &world,
        "mark",
        "echo \"LESS=$LESS key=$OPENROUTER_API_KEY $*\"; sed 's/^/| /'",
    );
    world
}

fn program(world: &World, name: &str, script: &str) {
    let path = world.file(name, format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

/// Starts `coo ARGS` with its standard output on a terminal.
fn start(world: &World, arguments: &[&str], variables: &[(&str, &str)]) -> (Terminal, Child) {
    let mut command = world.command(arguments);
    command
        .env("PATH", "/usr/bin:/bin")
        .envs([("TERM", "xterm"), ("NO_COLOR", "1")])
        .envs(variables.iter().copied());
    Terminal::of_output(command)
}

/// Returns what `coo ARGS` shows on a terminal; it must succeed.
fn seen(world: &World, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let (terminal, mut child) = start(world, arguments, variables);
    let seen = terminal.read_to_end();
    assert!(child.wait().unwrap().success(), "{arguments:?} {seen}");
    seen.replace("\r\n", "\n")
}

const MARK: (&str, &str) = ("PAGER", "./mark");

#[test]
fn the_pager_of_the_user_shows_lists_journals_and_inspections() {
    let world = world();
    for arguments in [
        &["missions"][..],
        &["logs"],
        &["logs", "1"],
        &["inspect", "1"],
        &["inspect", "1", "--prompts"],
    ] {
        let paged = seen(&world, arguments, &[MARK]);
        let mut lines = paged.lines();
        assert_eq!(lines.next(), Some("LESS=FRX key= "), "{arguments:?}");
        let bare = seen(&world, &[arguments, &["--no-pager"]].concat(), &[MARK]);
        assert!(bare.lines().count() > 1, "{bare}");
        let unmarked: Vec<&str> = lines.map(|line| line.strip_prefix("| ").unwrap()).collect();
        assert_eq!(unmarked, bare.lines().collect::<Vec<_>>(), "{arguments:?}");
    }
}

#[test]
fn a_pager_gets_its_arguments_and_the_users_settings_and_no_key() {
    let world = world();
    let variables = [
        ("PAGER", "./mark  -a 'b"),
        ("LESS", "R"),
        ("OPENROUTER_API_KEY", "sk-or-v1-0123456789abcdef"),
    ];
    let paged = seen(&world, &["missions"], &variables);
    assert!(paged.starts_with("LESS=R key= -a 'b\n"), "{paged}");
}

#[test]
fn contents_json_and_pipes_are_never_paged() {
    let world = world();
    for arguments in [
        &["missions", "--json"][..],
        &["missions", "--ids"],
        &["logs", "--json"],
        &["logs", "--follow"],
        &["inspect", "1", "--json"],
        &["inspect", "1", "--output"],
        &["mission", "1"],
    ] {
        let seen = seen(&world, arguments, &[MARK]);
        assert!(!seen.contains("| "), "{arguments:?}: {seen}");
    }
    for arguments in [&["missions"][..], &["logs"], &["inspect", "1"]] {
        let piped = world.coo_with(arguments, "PAGER", "./mark");
        assert_eq!(piped, world.coo(arguments));
    }
}

#[test]
fn without_a_pager_that_works_everything_is_printed() {
    let world = world();
    let bare = seen(&world, &["logs", "--no-pager"], &[]);
    world.file("not executable", "");
    for variables in [
        &[("PAGER", "")][..],
        &[("PAGER", "  ")],
        &[("PAGER", "cat")],
        &[("PAGER", "no-such-program -R")],
        &[("PAGER", "./not")],
        &[("PAGER", "./mark"), ("TERM", "dumb")],
        &[("PAGER", "./mark"), ("TERM", "")],
    ] {
        assert_eq!(seen(&world, &["logs"], variables), bare, "{variables:?}");
    }
    // One that leaves early takes the rest with it, and that is no error.
    program(&world, "early", "exit 3");
    assert_eq!(seen(&world, &["logs"], &[("PAGER", "./early")]), "");
}

#[test]
fn what_a_guest_or_a_server_said_can_not_steer_the_pager() {
    let world = World::new();
    world.guest("bad.wasm", "(func (export \"_start\"))");
    world.descriptor(
        "bad.json",
        &serde_json::json!({"file": "bad.wasm"}),
        &serde_json::json!({"steps": [{"id": "only", "input": "\u{1b}[31m\u{202e}red"}]}),
    );
    let name = "a\u{1b}[31m\u{202e}b.json";
    std::fs::rename(world.path().join("bad.json"), world.path().join(name)).unwrap();
    assert_eq!(world.coo(&["run", name]).code, 0);
    let paged = seen(&world, &["missions"], &[("PAGER", "sed -n p")]);
    assert!(paged.contains("\\u{1b}[31m\\u{202e}"), "{paged}");
    assert!(!paged.contains(['\u{1b}', '\u{202e}']), "{paged}");
}

#[test]
fn ctrl_c_is_the_pagers() {
    let world = world();
    program(
        &world,
        "slow",
        "touch begun; while [ ! -e go ]; do sleep 0.02; done; cat",
    );
    let (terminal, mut child) = start(&world, &["logs"], &[("PAGER", "./slow")]);
    until(|| world.path().join("begun").exists());
    send(&child, Signal::INT);
    world.file("go", "");
    let seen = terminal.read_to_end();
    assert!(seen.contains("[0011] STATE=COMPLETE"), "{seen}");
    assert!(child.wait().unwrap().success());
}
