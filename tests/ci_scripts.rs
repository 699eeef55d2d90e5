//! The scripts in `.ci` that keep a toolchain in a folder of their own: a variable that names another
//! folder costs nobody its content. No toolchain is needed.

use std::path::Path;

use insta::assert_snapshot;

use crate::support::{Ran, World, ran};

/// Runs this text in bash, after `.ci/own-folder`.
fn bash(world: &World, text: &str) -> Ran {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let script = format!(
        "set -euo pipefail; . '{}/.ci/own-folder'; {text}",
        top.display()
    );
    let mut bash = world.program("bash", &["-c", &script]);
    let path = "/usr/bin:/bin";
    ran(bash
        .env("PATH", path)
        .env("HOME", world.path())
        .output()
        .unwrap())
}

#[test]
fn only_a_folder_of_the_script_itself_is_replaced() {
    let world = World::new();
    for folder in ["empty", "filled", "other", "own"] {
        std::fs::create_dir(world.path().join(folder)).unwrap();
    }
    world.file("filled/letter", "to keep");
    world.file("file", "");
    std::os::unix::fs::symlink("nowhere", world.path().join("hanging")).unwrap();
    std::os::unix::fs::symlink("/", world.path().join("top")).unwrap();
    let marked = bash(
        &world,
        "mark_own own wasi-clang; mark_own other pytest; mark_own . wasi-clang",
    );
    assert_eq!(marked.code, 0, "{marked:?}");
    for folder in ["own", "empty", "new", "new/below"] {
        let allowed = bash(
            &world,
            &format!("require_own '{folder}' wasi-clang; echo yes"),
        );
        assert_eq!(
            (allowed.code, allowed.stdout.as_str()),
            (0, "yes\n"),
            "{folder}: {allowed:?}"
        );
    }
    let mut told = String::new();
    for folder in [
        "", "/", "//", "top", "$HOME", ".", "filled", "other", "file", "hanging",
    ] {
        let refused = bash(
            &world,
            &format!("require_own \"{folder}\" wasi-clang; echo yes"),
        );
        assert_eq!((refused.code, refused.stdout.as_str()), (1, ""), "{folder}");
        told += &refused
            .stderr
            .replace(&world.path().display().to_string(), "<home>");
    }
    assert_snapshot!(told, @"
    ERROR: folder '': has no name, and wasi-clang would replace it
    hint: name a new folder, or leave the variable out
    ERROR: folder '/': is the root of the file system, and wasi-clang would replace it
    hint: name a new folder, or leave the variable out
    ERROR: folder '//': is the root of the file system, and wasi-clang would replace it
    hint: name a new folder, or leave the variable out
    ERROR: folder 'top': is the root of the file system, and wasi-clang would replace it
    hint: name a new folder, or leave the variable out
    ERROR: folder '<home>': is the home directory, and wasi-clang would replace it
    hint: name a new folder, or leave the variable out
    ERROR: folder '.': is the home directory, and wasi-clang would replace it
    hint: name a new folder, or leave the variable out
    ERROR: folder 'filled': was made by something else, and wasi-clang would replace it
    hint: name a new folder, or leave the variable out
    ERROR: folder 'other': was made by something else, and wasi-clang would replace it
    hint: name a new folder, or leave the variable out
    ERROR: folder 'file': is not a folder, and wasi-clang would replace it
    hint: name a new folder, or leave the variable out
    ERROR: folder 'hanging': is not a folder, and wasi-clang would replace it
    hint: name a new folder, or leave the variable out
    ");
    assert!(world.path().join("filled/letter").exists());
}

#[test]
fn the_scripts_ask_before_they_replace_what_a_variable_names() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let world = World::new();
    let kept = world.file("mine/letter", "to keep");
    let mine = world.path().join("mine");
    let path = coo::inside::machine::env_text("PATH").unwrap_or_default();
    for (script, variable) in [
        ("wasi-clang", "COO_WASI_CLANG_PREFIX"),
        ("wasi-toolchain", "COO_WASI_PREFIX"),
        ("pytest", "COO_PYTEST_PREFIX"),
        ("wheel", "COO_MATURIN_PREFIX"),
    ] {
        let mut command = world.program(top.join(".ci").join(script), &[]);
        command.env(variable, &mine).env("PATH", &path);
        // Where a tool is here already, the folder is not needed.
        command
            .env("COO_WASI_CLANG_WAY", "debian")
            .env("COO_WASI_WAY", "debian");
        for name in ["HOME", "RUSTUP_HOME", "CARGO_HOME"] {
            if let Some(value) = coo::inside::machine::env_text(name) {
                command.env(name, value);
            }
        }
        let refused = ran(command.output().unwrap());
        let said = format!(
            "ERROR: folder '{}': was made by something else, and {script} would replace it\n\
             hint: name a new folder, or leave the variable out\n",
            mine.display()
        );
        assert_eq!(
            (refused.code, refused.stdout.as_str()),
            (1, ""),
            "{script}: {refused:?}"
        );
        assert!(refused.stderr.ends_with(&said), "{script}: {refused:?}");
        assert!(kept.exists(), "{script}");
    }
}
