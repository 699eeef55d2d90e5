//! `coo init DIR` and `coo new` make a project that is complete, and replace nothing. No toolchain is
//! needed.

use insta::assert_snapshot;

use super::{coo_in, program, step};
use crate::support::model_server::{ModelServer, Response};
use crate::support::tree::{self, picture};
use crate::support::{Ran, World, ran, shown};

#[test]
fn a_project_is_made_whole_and_says_what_it_has() {
    let world = World::new();
    let ran = world.coo(&["init", "mail-sort"]);
    assert_snapshot!(shown("init mail-sort", &ran), @"
    $ coo init mail-sort
    State root mail-sort/.coo created
      Default model: HuggingFaceTB/SmolLM2-135M-Instruct
      Configuration: mail-sort/.coo/config.json
    18 files made in mail-sort
      mail-sort.json                  descriptor: steps, input, limits
      missions/mail-sort/Cargo.toml   crate of the mission
      missions/mail-sort/src/lib.rs   its code, to be changed
      Cargo.toml                      workspace, and how modules are compiled
      .env.example                    model and key of live calls; copy it to .env
      .gitignore                      what git leaves out
      .github/workflows/coo.yml       replays every recorded run on every push
      Cargo.lock                      versions of all dependencies
      vendor/coo-guest/Cargo.toml     the SDK of this release, 10 files
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
    vendor/coo-guest/src/chat.rs
    vendor/coo-guest/src/db.rs
    vendor/coo-guest/src/error.rs
    vendor/coo-guest/src/gateway.rs
    vendor/coo-guest/src/lib.rs
    vendor/coo-guest/src/llm.rs
    vendor/coo-guest/wit/mission.wit
    vendor/coo-guest/wit/v1.1/mission.wit
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
fn a_model_is_written_to_the_configuration_and_the_first_run_asks_it() {
    let server = ModelServer::start([Response::completion("short")]);
    let world = World::new();
    let ran = world.coo(&["init", "mail", "--model", "vendor/model"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.stdout.contains("  Default model: vendor/model\n"),
        "{ran:?}"
    );
    assert!(ran.stderr.ends_with(
        "hint: set OPENROUTER_API_KEY in the environment or in .env: the first run asks vendor/model\n"
    ));
    let config = world.path().join("mail/.coo/config.json");
    let config: serde_json::Value =
        serde_json::from_slice(&std::fs::read(config).unwrap()).unwrap();
    assert_eq!(config["llm"]["default_model"], "vendor/model");
    let root = world.path().join("mail/.coo");
    let root = root.to_str().unwrap();
    let asked = world.coo_with(
        &["--root", root, "run", "demo"],
        "COO_LLM_BASE_URL",
        &server.base_url(),
    );
    assert_eq!(asked.code, 0, "{asked:?}");
    assert_eq!(server.requests()[0].json()["model"], "vendor/model");

    // A root that is there gets it, too, and a variable that decides otherwise is named.
    let there = world.coo_with(
        &["init", "mail", "--model", "other/model"],
        "COO_LLM_MODEL",
        "third/model",
    );
    assert!(
        there.stderr.starts_with(
            "[coo] COO_LLM_MODEL is set and takes precedence over llm.default_model\n"
        ),
        "{there:?}"
    );
    // A key is not a model, and nothing is made for it.
    let refused = world.coo(&[
        "init",
        "new",
        "--model",
        "sk-or-v1-0123456789abcdef0123456789abcdef",
    ]);
    assert_snapshot!(shown("init new --model KEY", &refused), @"
    $ coo init new --model KEY
    --- standard error
    ERROR: configuration: an API key was given, and config.json holds none
    hint: set OPENROUTER_API_KEY in the environment or in .env
    --- exit 1
    ");
    assert!(!world.path().join("new").exists());
}

#[test]
fn what_was_made_is_said_to_programs_too() {
    let world = World::new();
    world.file("mail-sort/.gitignore", ".env\n");
    let told = [
        "init mail-sort --json",
        "init mail-sort --json",
        "init --json",
    ]
    .map(|line| world.told(line));
    assert_snapshot!(told.concat(), @r#"
    $ coo init mail-sort --json
    {
      "format": "coo-init/1",
      "root": {
        "path": "mail-sort/.coo",
        "existed": false,
        "configuration": "mail-sort/.coo/config.json",
        "default_model": "HuggingFaceTB/SmolLM2-135M-Instruct"
      },
      "project": {
        "folder": "mail-sort",
        "mission": "mail-sort",
        "made": [
          "mail-sort.json",
          "missions/mail-sort/Cargo.toml",
          "missions/mail-sort/src/lib.rs",
          "Cargo.toml",
          ".env.example",
          ".github/workflows/coo.yml",
          "Cargo.lock",
          "vendor/coo-guest/Cargo.toml",
          "vendor/coo-guest/src/bindings.rs",
          "vendor/coo-guest/src/chat.rs",
          "vendor/coo-guest/src/db.rs",
          "vendor/coo-guest/src/error.rs",
          "vendor/coo-guest/src/gateway.rs",
          "vendor/coo-guest/src/lib.rs",
          "vendor/coo-guest/src/llm.rs",
          "vendor/coo-guest/wit/mission.wit",
          "vendor/coo-guest/wit/v1.1/mission.wit"
        ],
        "kept": [
          ".gitignore"
        ]
      }
    }
    --- standard error
    hint: 'cd mail-sort' goes there
    hint: 'coo build' compiles it, 'coo run mail-sort.json' runs it
    --- exit 0
    $ coo init mail-sort --json
    {
      "format": "coo-init/1",
      "root": {
        "path": "mail-sort/.coo",
        "existed": true,
        "configuration": "mail-sort/.coo/config.json",
        "default_model": "HuggingFaceTB/SmolLM2-135M-Instruct"
      },
      "project": {
        "folder": "mail-sort",
        "mission": "mail-sort",
        "made": [],
        "kept": [
          ".gitignore"
        ]
      }
    }
    --- standard error
    hint: 'cd mail-sort' goes there
    hint: 'coo build' compiles it, 'coo run mail-sort.json' runs it
    --- exit 0
    $ coo init --json
    {
      "format": "coo-init/1",
      "root": {
        "path": ".coo",
        "existed": false,
        "configuration": ".coo/config.json",
        "default_model": "HuggingFaceTB/SmolLM2-135M-Instruct"
      },
      "project": null
    }
    --- standard error
    hint: 'coo run-demo' runs the first mission
    hint: 'coo init DIR' makes a project of your own missions
    --- exit 0
    "#);
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
    assert!(
        kept.stderr.starts_with(
            "[coo] file mine/.gitignore: has no line '.env', so a key in .env could be committed\n\
             hint: add the line '.env' to it\n"
        ),
        "{kept:?}"
    );
    world.file("careful/.gitignore", "*.log\n.env\n");
    let kept_too = world.coo(&["init", "careful"]);
    assert!(!kept_too.stderr.contains(".env"), "{kept_too:?}");
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
            .contains("\n18 files made in the working directory\n"),
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
fn git_keeps_the_recorded_runs_of_a_project() {
    let world = World::new().with("PATH", "/usr/local/bin:/usr/bin:/bin");
    assert_eq!(world.coo(&["init", "hello"]).code, 0);
    assert_eq!(coo_in(&world, "hello", &["run-demo"]).code, 0);
    git(&world, &["init", "-q", "hello"]);
    git(&world, &["-C", "hello", "add", ".coo"]);
    let kept = git(&world, &["-C", "hello", "ls-files"]).stdout;
    let kept: Vec<&str> = kept.lines().collect();
    for file in [".coo/.gitignore", ".coo/coo.db", ".coo/config.json"] {
        assert!(kept.contains(&file), "{kept:?}");
    }
    for left in [".coo/lock", ".coo/cache/", ".coo/tmp/"] {
        assert!(!kept.iter().any(|file| file.starts_with(left)), "{kept:?}");
    }
    // One that is there stays, and what it does is said.
    std::fs::create_dir(world.path().join("bare")).unwrap();
    assert_eq!(coo_in(&world, "bare", &["init"]).code, 0);
    let ran = coo_in(&world, "bare", &["init", "."]);
    assert_snapshot!(ran.stderr, @"
    [coo] file .coo/.gitignore: leaves out the whole state root, so no recorded run is committed
    hint: write these lines into it instead of '*': cache/, changes/*/normalized/, lock, *-shm, tmp/
    hint: 'coo build' compiles it, 'coo run bare.json' runs it
    ");
    let ignored = std::fs::read_to_string(world.path().join("bare/.coo/.gitignore"));
    assert_eq!(ignored.unwrap(), "*\n");
}

fn git(world: &World, arguments: &[&str]) -> Ran {
    let ran = ran(world.program("git", arguments).output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    ran
}

/// Runs a step of the project's workflow as the runner does, with `bin` of the world first on `PATH`.
fn run_step(world: &World, name: &str, wheel: &str) -> Ran {
    let workflow = world.path().join("hello/.github/workflows/coo.yml");
    let script = step(&std::fs::read_to_string(workflow).unwrap(), name);
    let root = world.path().join("hello/.coo-ci");
    let mut command = world.program("bash", &["-e", "-c", &script]);
    command
        .current_dir(world.path().join("hello"))
        .env("COO_ROOT", root)
        .env("COO_WHEEL", wheel);
    ran(command.output().unwrap())
}

#[test]
fn the_workflow_installs_nothing_by_a_name_and_replays_what_has_ended() {
    let world = World::new();
    let bin = world.path().join("bin").display().to_string();
    let world = world.with("PATH", format!("{bin}:/usr/local/bin:/usr/bin:/bin"));
    assert_eq!(world.coo(&["init", "hello"]).code, 0);
    assert_eq!(coo_in(&world, "hello", &["run-demo"]).code, 0);
    program(&world, "pip", "echo pip \"$@\"");
    let coo = env!("CARGO_BIN_EXE_coo");
    program(&world, "coo", &format!("exec {coo} \"$@\""));
    let mut told = shown("Install coo", &run_step(&world, "Install coo", ""));
    told += &shown("Install coo", &run_step(&world, "Install coo", "coo.whl"));
    let replayed = run_step(&world, "Recorded runs replay identically", "");
    told += &shown("Recorded runs replay identically", &replayed);
    assert_snapshot!(told, @"
    $ coo Install coo
    --- standard error
    ERROR: COO_WHEEL: not set in .github/workflows/coo.yml
    hint: make the wheel with '.ci/wheel --out DIR' in a clone of coo, and name its path or URL
    --- exit 1
    $ coo Install coo
    pip install --no-index --no-deps coo.whl
    --- exit 0
    $ coo Recorded runs replay identically
    Replay DEMO-000001
      States: INIT > CAPTURE_ENV > RUN > WRITE_REPORT > COMPLETE
      Events: 11 identical
      Fuel: 62548 identical
      Memory: 1114112 bytes identical
      Output: 493 bytes identical
      Chain: <sha256>
      Result: IDENTICAL
    --- exit 0
    ");
    // A list that can't be had is no empty list.
    program(&world, "coo", "exit 1");
    let failed = run_step(&world, "Recorded runs replay identically", "");
    assert_eq!(failed.code, 1, "{failed:?}");
}

#[test]
fn a_long_name_stands_apart_from_what_the_file_is_for() {
    let world = World::new();
    let ran = world.coo(&["init", "a-mission-with-a-long-name"]);
    let line = "  missions/a-mission-with-a-long-name/src/lib.rs  its code, to be changed\n";
    assert!(ran.stdout.contains(line), "{ran:?}");
    let ran = world.coo(&["init", "with a space"]);
    let hint = "hint: 'cd \"with a space\"' goes there\n";
    assert!(ran.stderr.contains(hint), "{ran:?}");
}

#[test]
fn a_link_in_the_place_of_a_folder_is_refused_before_anything_is_made() {
    let world = World::new();
    std::fs::create_dir_all(world.path().join("outside")).unwrap();
    std::fs::create_dir_all(world.path().join("hello")).unwrap();
    std::os::unix::fs::symlink("../outside", world.path().join("hello/vendor")).unwrap();
    let refused = world.coo(&["init", "hello"]);
    assert_snapshot!(shown("init hello", &refused), @"
    $ coo init hello
    --- standard error
    ERROR: project hello: vendor is a symbolic link, and could lead out of it
    hint: put a folder in its place
    --- exit 1
    ");
    assert_eq!(picture(&world.path().join("outside")).len(), 0);
    assert!(!world.path().join("hello/.coo").exists());
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
    hint: 'coo build' compiles it, 'coo run ../../mail-sort.json' runs it
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
