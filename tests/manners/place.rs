//! The state root is looked for upwards from the working directory.

use std::path::Path;

use insta::assert_snapshot;

use crate::support::{Ran, World, ran, shown};

/// Runs `coo ARGS` in a sub-folder of the world.
fn coo_in(world: &World, folder: &str, arguments: &[&str]) -> Ran {
    let folder = world.path().join(folder);
    std::fs::create_dir_all(&folder).unwrap();
    ran(world
        .command(arguments)
        .current_dir(folder)
        .output()
        .unwrap())
}

#[test]
fn a_run_in_a_sub_folder_belongs_to_the_root_above() {
    let world = World::new();
    assert_eq!(world.coo(&["run", "demo"]).code, 0);
    let mut told = String::new();
    for command in [
        &["run", "demo", "--frozen"][..],
        &["mission", "2", "--json"],
        &["logs", "9"],
    ] {
        let mut ran = coo_in(&world, "a/b", command);
        ran.stdout = String::new();
        told += &shown(&command.join(" "), &ran);
    }
    assert_snapshot!(told, @"
    $ coo run demo --frozen
    --- standard error
    [coo] state root <world>/.coo, found above the working directory
    [coo] DEMO-000002 SUCCESS: 11 events, 62548 fuel, <duration>, 1 model call (frozen; 204 tokens in, 94 out), chain <sha256…>
    --- exit 0
    $ coo mission 2 --json
    --- standard error
    [coo] state root <world>/.coo, found above the working directory
    --- exit 0
    $ coo logs 9
    --- standard error
    [coo] state root <world>/.coo, found above the working directory
    ERROR: Mission '9' not found.
    --- exit 1
    ");
    assert!(!world.path().join("a/b/.coo").exists());
    // In its own folder nothing has to be said.
    assert_eq!(world.coo(&["missions"]).stderr, "");
    // A command that does not need a root says nothing about one.
    assert_eq!(world.coo(&["export", "1"]).code, 0);
    let replay = coo_in(&world, "a/b", &["replay", "../../DEMO-000001.coorun"]);
    assert_eq!((replay.code, replay.stderr.as_str()), (0, ""));
    let validated = coo_in(&world, "a/b", &["validate", "demo", "--json"]);
    assert_eq!((validated.code, validated.stderr.as_str()), (0, ""));
}

#[test]
fn the_nearest_root_is_used_and_a_named_one_wins() {
    let world = World::new();
    assert_eq!(world.coo(&["run", "demo"]).code, 0);
    // `init` always creates a root here.
    let made = coo_in(&world, "inner", &["init"]);
    assert_snapshot!(shown("init", &made), @"
    $ coo init
    State root .coo created
      Default model: HuggingFaceTB/SmolLM2-135M-Instruct
      Configuration: .coo/config.json
    --- standard error
    hint: 'coo run-demo' runs the first mission
    hint: 'coo init DIR' makes a project of your own missions
    --- exit 0
    ");
    let list = |folder: &str, arguments: &[&str]| {
        let ran = coo_in(&world, folder, arguments);
        (ran.stdout.lines().count(), ran.stderr)
    };
    let (rows, told) = list("inner/deep", &["missions"]);
    assert_eq!(rows, 0);
    assert!(
        told.contains("/inner/.coo, found above the working directory\n"),
        "{told}"
    );
    let root = world.root();
    let (rows, told) = list(
        "inner/deep",
        &["--root", root.to_str().unwrap(), "missions"],
    );
    assert_eq!((rows, told.as_str()), (2, ""));
    let mut command = world.command(&["missions"]);
    let command = command
        .env("COO_ROOT", &root)
        .current_dir(world.path().join("inner"));
    let named = ran(command.output().unwrap());
    assert_eq!(
        (named.stdout.lines().count(), named.stderr.as_str()),
        (2, "")
    );
    // A `.coo` without a store is passed over on the way up, but used in the working directory.
    std::fs::create_dir_all(world.path().join("inner/deep/.coo")).unwrap();
    let (rows, told) = list("inner/deep", &["missions"]);
    assert!(rows == 0 && !told.contains("found above"), "{told}");
    let (_, told) = list("inner/deep/er", &["missions"]);
    assert!(told.contains("/inner/.coo, found above"), "{told}");
}

#[test]
fn a_root_that_is_a_file_is_an_error() {
    let world = World::new();
    world.file("notes.txt", "");
    let mut told = String::new();
    for command in [
        &["missions"][..],
        &["logs"],
        &["run", "demo"],
        &["init"],
        &["inspect", "1"],
    ] {
        let arguments = [&["--root", "notes.txt"], command].concat();
        told += &shown(&arguments.join(" "), &world.coo(&arguments));
    }
    told += &shown(
        "missions",
        &world.coo_with(&["missions"], "COO_ROOT", "notes.txt"),
    );
    assert_snapshot!(told, @"
    $ coo --root notes.txt missions
    --- standard error
    ERROR: state root notes.txt: is not a folder
    hint: name one with --root or COO_ROOT
    --- exit 1
    $ coo --root notes.txt logs
    --- standard error
    ERROR: state root notes.txt: is not a folder
    hint: name one with --root or COO_ROOT
    --- exit 1
    $ coo --root notes.txt run demo
    --- standard error
    ERROR: state root notes.txt: is not a folder
    hint: name one with --root or COO_ROOT
    --- exit 1
    $ coo --root notes.txt init
    --- standard error
    ERROR: state root notes.txt: is not a folder
    hint: name one with --root or COO_ROOT
    --- exit 1
    $ coo --root notes.txt inspect 1
    --- standard error
    ERROR: state root notes.txt: is not a folder
    hint: name one with --root or COO_ROOT
    --- exit 1
    $ coo missions
    --- standard error
    ERROR: state root notes.txt: is not a folder
    hint: name one with --root or COO_ROOT
    --- exit 1
    ");
    assert_eq!(std::fs::read(world.path().join("notes.txt")).unwrap(), b"");
}

/// A folder that everybody may write to must not decide about the work of others below it.
#[test]
fn a_root_of_another_user_is_not_taken() {
    let world = World::new();
    assert_eq!(world.coo(&["run", "demo"]).code, 0);
    let other = |path: &Path| std::os::unix::fs::lchown(path, Some(54_321), None);
    if other(&world.root()).is_err() {
        eprintln!("this user can't give a folder away: not tested");
        return;
    }
    let ran = coo_in(&world, "sub", &["missions"]);
    assert_snapshot!(shown("missions", &ran), @"
    $ coo missions
    --- standard error
    [coo] state root <world>/.coo belongs to another user and is not used; --root names it
    [coo] no missions in .coo
    hint: 'coo run-demo' makes the first
    --- exit 0
    ");
}
