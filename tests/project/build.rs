//! `coo build` with a toolchain: the same bytes from any folder, and a project that runs.

use insta::assert_snapshot;
use serde_json::Value;

use super::{coo_in, text, with_target, without_cargo, without_sizes};
use crate::support::{World, shown};

/// The modules, the manifest and the digest of a project.
fn results(world: &World, folder: &str) -> Vec<(String, Vec<u8>)> {
    let top = world.path().join(folder);
    let mut files: Vec<_> = std::fs::read_dir(top.join("missions/dist"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .chain([top.join("sandbox_digest.txt"), top.join("Cargo.lock")])
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn a_new_project_is_built_runs_without_a_key_and_gives_the_same_bytes_elsewhere() {
    let Some((world, _turn)) = with_target("a_new_project_is_built") else {
        return;
    };
    for folder in ["here/hello", "else where/far/hello"] {
        let ran = world.coo(&["init", folder]);
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    let lock = text(&world, "here/hello/Cargo.lock");
    let built = coo_in(&world, "here/hello", &["build"]);
    assert_eq!(text(&world, "here/hello/Cargo.lock"), lock);
    let shown_built = shown("build", &without_cargo(&built));
    assert_snapshot!(without_sizes(&shown_built), @"
    $ coo build
    <sha256>  missions/dist/hello.wasm
    <sha256>  module set, as in sandbox_digest.txt
    --- standard error
    [coo] missions/dist/hello.wasm: written, <n> bytes
    --- exit 0
    ");
    let again = coo_in(
        &world,
        "here/hello/missions/hello",
        &["build", "hello", "--locked"],
    );
    assert_eq!(again.code, 0, "{again:?}");
    assert!(again.stderr.contains("hello.wasm: unchanged"), "{again:?}");
    let elsewhere = coo_in(&world, "else where/far/hello", &["build"]);
    assert_eq!(elsewhere.code, 0, "{elsewhere:?}");
    // Both share a target folder, but nothing that the first has compiled is used again.
    for compiled in ["coo-guest v1.0.0", "hello v0.1.0", "serde_json v1"] {
        let line = format!("Compiling {compiled}");
        assert!(elsewhere.stderr.contains(&line), "{elsewhere:?}");
    }
    assert!(results(&world, "here/hello") == results(&world, "else where/far/hello"));
    let manifest: Value =
        serde_json::from_str(&text(&world, "here/hello/missions/dist/build.json")).unwrap();
    let module = &manifest["modules"]["hello.wasm"];
    let sources: Vec<&String> = module["sources"].as_object().unwrap().keys().collect();
    assert_snapshot!(
        serde_json::to_string_pretty(&(&module["imports"], sources)).unwrap(),
        @r#"
    [
      [
        "coo:mission/db@1.0.0",
        "coo:mission/gateway@1.0.0",
        "coo:mission/llm@1.0.0",
        "wasi:cli/environment@0.2.12",
        "wasi:cli/exit@0.2.12",
        "wasi:cli/stderr@0.2.12",
        "wasi:cli/stdin@0.2.12",
        "wasi:cli/stdout@0.2.12",
        "wasi:clocks/wall-clock@0.2.12",
        "wasi:filesystem/preopens@0.2.12",
        "wasi:filesystem/types@0.2.12",
        "wasi:io/error@0.2.12",
        "wasi:io/streams@0.2.12"
      ],
      [
        "Cargo.lock",
        "Cargo.toml",
        "missions/hello/Cargo.toml",
        "missions/hello/src/lib.rs",
        "vendor/coo-guest/Cargo.toml",
        "vendor/coo-guest/src/bindings.rs",
        "vendor/coo-guest/src/db.rs",
        "vendor/coo-guest/src/error.rs",
        "vendor/coo-guest/src/gateway.rs",
        "vendor/coo-guest/src/lib.rs",
        "vendor/coo-guest/src/llm.rs",
        "vendor/coo-guest/wit/mission.wit"
      ]
    ]
    "#
    );
    let checked = coo_in(
        &world,
        "here/hello",
        &[
            "digest",
            "--modules",
            "missions/dist",
            "--check",
            "sandbox_digest.txt",
        ],
    );
    assert_eq!(checked.code, 0, "{checked:?}");

    // The answer ships frozen: no key, no network.
    let ran = coo_in(&world, "here/hello", &["run", "hello.json"]);
    let mut told = ran.clone();
    told.stdout = told.stdout.chars().take(40).collect::<String>() + "…\n";
    let told = shown("run hello.json", &told);
    assert_snapshot!(told.replace(|c: char| c.is_ascii_digit(), "0"), @"
    $ coo run hello.json
    MailSort is a small service that helps s…
    --- standard error
    [coo] MISSION-000000 SUCCESS: 00 events, 00000 fuel, <duration>, 0 model call (frozen; 000 tokens in, 00 out), chain <sha000…>
    --- exit 0
    ");
    assert_eq!(coo_in(&world, "here/hello", &["replay", "1"]).code, 0);
    let index = text(&world, "here/hello/.coo/artefacts/hello/Summaries_v1.0.md");
    assert!(
        index.starts_with("# Summaries\n\n## MailSort\n\nMailSort is"),
        "{index}"
    );
    let verified = coo_in(&world, "here/hello", &["verify", "hello.json"]);
    assert_eq!(verified.code, 0, "{verified:?}");
}

#[test]
fn a_second_run_with_a_changed_answer_writes_the_next_version() {
    let Some((world, _turn)) = with_target("a_second_run_with_a_changed_answer") else {
        return;
    };
    assert_eq!(world.coo(&["init", "twice"]).code, 0);
    let built = coo_in(&world, "twice", &["build"]);
    assert_eq!(built.code, 0, "{built:?}");
    assert_eq!(coo_in(&world, "twice", &["run", "twice.json"]).code, 0);
    let descriptor = text(&world, "twice/twice.json");
    // Another topic is another content, and the frozen answer still does.
    world.file(
        "twice/twice.json",
        descriptor.replace("\"MailSort\"", "\"Sorting\""),
    );
    let versions = || {
        let folder = world.path().join("twice/.coo/artefacts/twice");
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    for _ in 0..2 {
        let ran = coo_in(&world, "twice", &["run", "twice.json"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        // The second of these has the content of the first, and makes no version.
        assert_eq!(versions(), ["Summaries_v1.0.md", "Summaries_v1.1.md"]);
    }
    for id in ["1", "2", "3"] {
        assert_eq!(coo_in(&world, "twice", &["replay", id]).code, 0, "{id}");
    }
}

#[test]
fn a_run_builds_first_if_it_is_told_to() {
    let Some((world, _turn)) = with_target("a_run_builds_first") else {
        return;
    };
    assert_eq!(world.coo(&["init", "built"]).code, 0);
    let missing = coo_in(&world, "built", &["run", "built.json"]);
    assert_snapshot!(shown("run built.json", &missing), @"
    $ coo run built.json
    --- standard error
    ERROR: module: missions/dist/built.wasm: can't be opened: No such file or directory (os error 2)
    hint: 'coo build' makes the modules of a project
    --- exit 1
    ");
    let ran = coo_in(&world, "built", &["run", "built.json", "--build"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let source = "built/missions/built/src/lib.rs";
    world.file(source, text(&world, source) + "\n// Changed.\n");
    let stale = coo_in(&world, "built", &["run", "built.json"]);
    assert!(
        stale
            .stderr
            .contains("changed after its build: missions/built/src/lib.rs\n"),
        "{stale:?}"
    );
    let built = coo_in(
        &world,
        "",
        &["--root", "built/.coo", "run", "built/built.json", "--build"],
    );
    assert_eq!(built.code, 0, "{built:?}");
    assert!(!built.stderr.contains("older"), "{built:?}");

    // A source that does not compile leaves everything as it was.
    world.file(source, "fn run(");
    let before = results(&world, "built");
    let failed = coo_in(&world, "built", &["build"]);
    assert_snapshot!(shown("build", &without_cargo(&failed)), @"
    $ coo build
    --- standard error
    ERROR: cargo: failed with exit code 101, so no module was replaced
    hint: correct what cargo says above
    --- exit 1
    ");
    assert!(failed.stderr.contains("unclosed delimiter"), "{failed:?}");
    assert!(results(&world, "built") == before);
}

#[test]
fn a_project_of_several_missions_is_built_whole_or_in_part() {
    let Some((world, _turn)) = with_target("a_project_of_several_missions") else {
        return;
    };
    assert_eq!(world.coo(&["init", "first"]).code, 0);
    assert_eq!(coo_in(&world, "first", &["new", "other-one"]).code, 0);
    let one = coo_in(&world, "first", &["build", "other-one", "--json"]);
    assert_eq!(one.code, 0, "{one:?}");
    let one: Value = serde_json::from_str(&one.stdout).unwrap();
    assert_eq!(one["modules"][0]["file"], "missions/dist/other-one.wasm");
    assert_eq!(one["modules"].as_array().unwrap().len(), 1);
    assert!(!world.path().join("first/missions/dist/first.wasm").exists());
    let all = coo_in(&world, "first", &["build", "--json"]);
    let all: Value = serde_json::from_str(&all.stdout).unwrap();
    let changed: Vec<&Value> = all["modules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|module| &module["changed"])
        .collect();
    assert_eq!(changed, [true, false]);
    assert_ne!(one["module_set_sha256"], all["module_set_sha256"]);
}
