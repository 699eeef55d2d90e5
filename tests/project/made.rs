//! `coo init DIR` and `coo new` make a project that is complete, and replace nothing. No toolchain is
//! needed.

use insta::assert_snapshot;

use super::coo_in;
use crate::support::tree::{self, picture};
use crate::support::{World, shown};

#[test]
fn a_project_is_made_whole_and_says_what_it_has() {
    let world = World::new();
    let ran = world.coo(&["init", "mail-sort"]);
    assert_snapshot!(shown("init mail-sort", &ran), @"
    $ coo init mail-sort
    State root mail-sort/.coo created
      Default model: HuggingFaceTB/SmolLM2-135M-Instruct
      Configuration: mail-sort/.coo/config.json
    16 files made in mail-sort
      mail-sort.json                  descriptor: steps, input, limits
      missions/mail-sort/Cargo.toml   crate of the mission
      missions/mail-sort/src/lib.rs   its code, to be changed
      Cargo.toml                      workspace, and how modules are compiled
      .env.example                    model and key of live calls; copy it to .env
      .gitignore                      what git leaves out
      .github/workflows/coo.yml       replays every recorded run on every push
      Cargo.lock                      versions of all dependencies
      vendor/coo-guest/Cargo.toml     the SDK of this release, 8 files
    --- standard error
    hint: 'cd mail-sort' goes there
    hint: 'coo build' compiles it, 'coo run mail-sort.json' runs it
    --- exit 0
    ");
    let top = world.path().join("mail-sort");
    assert!(top.join(".coo/coo.db").is_file());
    assert!(!world.root().exists());
    let names: Vec<String> = picture(&top)
        .into_iter()
        .filter(|(_, node)| matches!(node, tree::Node::File(..)))
        .map(|(path, _)| path.display().to_string())
        .collect();
    assert_snapshot!(names.join("\n"), @"
    .env.example
    .github/workflows/coo.yml
    .gitignore
    Cargo.lock
    Cargo.toml
    mail-sort.json
    missions/mail-sort/Cargo.toml
    missions/mail-sort/src/lib.rs
    vendor/coo-guest/Cargo.toml
    vendor/coo-guest/src/bindings.rs
    vendor/coo-guest/src/db.rs
    vendor/coo-guest/src/error.rs
    vendor/coo-guest/src/gateway.rs
    vendor/coo-guest/src/lib.rs
    vendor/coo-guest/src/llm.rs
    vendor/coo-guest/wit/mission.wit
    ");
    let validated = coo_in(&world, "mail-sort", &["validate", "mail-sort.json"]);
    assert_snapshot!(shown("validate mail-sort.json", &validated), @"
    $ coo validate mail-sort.json
    --- standard error
    ERROR: module: missions/dist/mail-sort.wasm: can't be opened: No such file or directory (os error 2)
    hint: 'coo build' makes the modules of a project
    --- exit 1
    ");
}

#[test]
fn a_second_init_finds_everything_there() {
    let world = World::new();
    assert_eq!(world.coo(&["init", "mail-sort"]).code, 0);
    let top = world.path().join("mail-sort");
    let before = picture(&top);
    let ran = world.coo(&["init", "mail-sort"]);
    assert_snapshot!(shown("init mail-sort", &ran), @"
    $ coo init mail-sort
    State root mail-sort/.coo already exists
      Default model: HuggingFaceTB/SmolLM2-135M-Instruct
      Configuration: mail-sort/.coo/config.json
    0 files made in mail-sort
      mail-sort.json                  was there already
      missions/mail-sort/Cargo.toml   was there already
      missions/mail-sort/src/lib.rs   was there already
      Cargo.toml                      was there already
      .env.example                    was there already
      .gitignore                      was there already
      .github/workflows/coo.yml       was there already
      Cargo.lock                      was there already
      vendor/coo-guest/Cargo.toml     was there already
    --- standard error
    hint: 'cd mail-sort' goes there
    hint: 'coo build' compiles it, 'coo run mail-sort.json' runs it
    --- exit 0
    ");
    assert!(picture(&top) == before);
}

#[test]
fn a_file_of_the_user_is_kept_or_ends_it_before_anything_is_made() {
    let world = World::new();
    world.file("mine/.gitignore", "*.log\n");
    let kept = world.coo(&["init", "mine", "--name", "mail-sort"]);
    assert_eq!(kept.code, 0, "{kept:?}");
    assert!(
        kept.stdout
            .contains("  .gitignore                      another file is there, and stays\n"),
        "{kept:?}"
    );
    let gitignore = std::fs::read_to_string(world.path().join("mine/.gitignore"));
    assert_eq!(gitignore.unwrap(), "*.log\n");

    world.file("other/Cargo.toml", "[package]\nname = \"other\"\n");
    world.file("other/other.json", "{}");
    let before = picture(&world.path().join("other"));
    let refused = world.coo(&["init", "other"]);
    assert_snapshot!(shown("init other", &refused), @"
    $ coo init other
    --- standard error
    ERROR: project other: other files are there already: other.json, Cargo.toml
    hint: choose another folder or name; no file is ever replaced
    --- exit 1
    ");
    assert!(picture(&world.path().join("other")) == before);
    assert!(!world.path().join("other/.coo").exists());

    world.file("file", "");
    let refused = world.coo(&["init", "file/below", "--name", "a"]);
    assert_snapshot!(shown("init file/below", &refused), @"
    $ coo init file/below
    --- standard error
    ERROR: file file/below/a.json: Not a directory (os error 20)
    --- exit 1
    ");
}

#[test]
fn the_working_directory_becomes_a_project_with_a_dot() {
    let world = World::new();
    std::fs::create_dir(world.path().join("hello")).unwrap();
    let ran = coo_in(&world, "hello", &["init", "."]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.stdout
            .contains("\n16 files made in the working directory\n"),
        "{ran:?}"
    );
    assert!(world.path().join("hello/hello.json").is_file());
    assert!(world.path().join("hello/.coo/coo.db").is_file());
    // Without a folder, the state root alone is made, as ever.
    std::fs::create_dir(world.path().join("bare")).unwrap();
    let bare = coo_in(&world, "bare", &["init"]);
    assert_eq!(bare.code, 0, "{bare:?}");
    assert_eq!(picture(&world.path().join("bare")).len(), 0);
}

#[test]
fn the_root_is_made_where_the_user_says() {
    let world = World::new();
    let ran = world.coo(&["--root", "elsewhere", "init", "hello"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(world.path().join("elsewhere/coo.db").is_file());
    assert!(!world.path().join("hello/.coo").exists());
}

#[test]
fn a_name_that_no_mission_can_have_is_refused_before_anything_is_made() {
    let world = World::new();
    let mut told = String::new();
    for arguments in [
        &["init", "2026"][..],
        &["init", "a", "--name", "Mail Sort"],
        &["init", "--name", "a"],
        &["init", ""],
    ] {
        told += &shown(&arguments.join(" "), &world.coo(arguments));
    }
    assert_snapshot!(told, @"
    $ coo init 2026
    --- standard error
    ERROR: folder '2026': its name is no name of a mission
    hint: give one with --name, such as --name mail-sort
    --- exit 1
    $ coo init a --name Mail Sort
    --- standard error
    ERROR: mission name 'Mail Sort': lower-case letters, digits and single hyphens needed, a letter first
    hint: take a name such as mail-sort
    --- exit 1
    $ coo init --name a
    --- standard error
    ERROR: the following required arguments were not provided:
      <DIR>

    Usage: coo init --name <NAME> <DIR>

    For more information, try '--help'.
    --- exit 2
    $ coo init 
    --- standard error
    ERROR: a value is required for '[DIR]' but none was supplied

    For more information, try '--help'.
    --- exit 2
    ");
    assert_eq!(picture(world.path()).len(), 0);
    assert!(!world.root().exists());
}

#[test]
fn a_mission_is_added_to_a_project_from_any_folder_of_it() {
    let world = World::new();
    assert_eq!(world.coo(&["init", "hello"]).code, 0);
    let ran = coo_in(&world, "hello/missions/hello", &["new", "mail-sort"]);
    assert_snapshot!(shown("new mail-sort", &ran), @"
    $ coo new mail-sort
    3 files made in <world>/hello
      mail-sort.json                  descriptor: steps, input, limits
      missions/mail-sort/Cargo.toml   crate of the mission
      missions/mail-sort/src/lib.rs   its code, to be changed
    --- standard error
    hint: 'coo build' compiles it, 'coo run mail-sort.json' runs it
    --- exit 0
    ");
    let descriptor = std::fs::read_to_string(world.path().join("hello/mail-sort.json")).unwrap();
    assert!(descriptor.contains("\"MAIL_SORT\""), "{descriptor}");
    assert!(descriptor.contains("\"missions/dist/mail-sort.wasm\""));

    let before = picture(&world.path().join("hello"));
    let mut told = String::new();
    // The code of the first mission was changed: its name is taken.
    std::fs::write(
        world.path().join("hello/missions/hello/src/lib.rs"),
        "//! Own.\n",
    )
    .unwrap();
    for (folder, name) in [
        ("hello", "hello"),
        ("hello", "Fn"),
        ("hello", "fn"),
        (".", "new-one"),
    ] {
        let ran = coo_in(&world, folder, &["new", name]);
        told += &shown(&format!("new {name}"), &ran);
    }
    assert_snapshot!(told, @"
    $ coo new hello
    --- standard error
    ERROR: project <world>/hello: other files are there already: missions/hello/src/lib.rs
    hint: choose another folder or name; no file is ever replaced
    --- exit 1
    $ coo new Fn
    --- standard error
    ERROR: mission name 'Fn': lower-case letters, digits and single hyphens needed, a letter first
    hint: take a name such as mail-sort
    --- exit 1
    $ coo new fn
    --- standard error
    ERROR: mission name 'fn': has another meaning for cargo, or in a project
    hint: take a name such as mail-sort
    --- exit 1
    $ coo new new-one
    --- standard error
    ERROR: project: none in the working directory or above it
    hint: 'coo init DIR' makes one
    --- exit 1
    ");
    let mut after = picture(&world.path().join("hello"));
    after.retain(|path, _| !path.ends_with("hello/src/lib.rs"));
    let mut before = before;
    before.retain(|path, _| !path.ends_with("hello/src/lib.rs"));
    assert!(after == before);
}
