//! Files that commands are given, and files that they make: no pipe is waited for, nothing is
//! writable for others, and nothing temporary stays.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use insta::assert_snapshot;
use serde_json::json;

use crate::support::{World, ran, shown};

#[test]
fn a_pipe_in_the_place_of_a_file_is_named_and_not_waited_for() {
    let world = World::new();
    for name in ["pipe", "pipe.json", "pipe.wasm", "pipe.txt", "coo.toml"] {
        let made = world.program("mkfifo", &[name]).status().unwrap();
        assert!(made.success());
    }
    world.guest("guest.wasm", r#"(func (export "_start"))"#);
    world.descriptor("guest.json", &json!({"file": "pipe.wasm"}), &json!({}));
    let mut said = String::new();
    for command in [
        &["run", "pipe.json"][..],
        &["run", "pipe.wasm"],
        &["run", "guest.wasm", "--input", "pipe.txt"],
        &["run", "guest.json"],
        &["verify", "./pipe"],
        &["verify", "pipe.json"],
        &["verify", "pipe.wasm"],
        &["replay", "./pipe"],
        &["logs", "./pipe"],
        &["inspect", "pipe.txt"],
        &["audit", "pipe.wasm"],
        &["validate", "pipe.json"],
        &["scan"],
        &["gates"],
        &["gates", "--config", "pipe"],
        // Neither is a device.
        &["run", "/dev/zero"],
        &["replay", "/dev/zero"],
    ] {
        said += &shown(&command.join(" "), &world.coo(command));
    }
    assert_snapshot!(said, @"
    $ coo run pipe.json
    --- standard error
    ERROR: descriptor: pipe.json: is a pipe, a regular file is needed
    hint: write its content to a file first
    --- exit 1
    $ coo run pipe.wasm
    --- standard error
    ERROR: module: pipe.wasm: is a pipe, a regular file is needed
    hint: write its content to a file first
    --- exit 1
    $ coo run guest.wasm --input pipe.txt
    --- standard error
    ERROR: input: pipe.txt: is a pipe, a regular file is needed
    hint: write its content to a file first
    --- exit 1
    $ coo run guest.json
    --- standard error
    ERROR: module: pipe.wasm: is a pipe, a regular file is needed
    hint: write its content to a file first
    --- exit 1
    $ coo verify ./pipe
    --- standard error
    ERROR: descriptor: ./pipe: is a pipe, a regular file is needed
    hint: write its content to a file first
    --- exit 1
    $ coo verify pipe.json
    --- standard error
    ERROR: descriptor: pipe.json: is a pipe, a regular file is needed
    hint: write its content to a file first
    --- exit 1
    $ coo verify pipe.wasm
    --- standard error
    ERROR: module: pipe.wasm: is a pipe, a regular file is needed
    hint: write its content to a file first
    --- exit 1
    $ coo replay ./pipe
    --- standard error
    ERROR: file ./pipe: is a pipe, a regular file is needed
    hint: write its content to a file first
    --- exit 1
    $ coo logs ./pipe
    --- standard error
    ERROR: file ./pipe: is a pipe, a regular file is needed
    hint: write its content to a file first
    --- exit 1
    $ coo inspect pipe.txt
    --- standard error
    ERROR: file pipe.txt: is a pipe, a regular file is needed
    hint: write its content to a file first
    --- exit 1
    $ coo audit pipe.wasm
    --- standard error
    ERROR: module: pipe.wasm: is a pipe, a regular file is needed
    hint: write its content to a file first
    --- exit 1
    $ coo validate pipe.json
    --- standard error
    ERROR: descriptor: pipe.json: is a pipe, a regular file is needed
    hint: write its content to a file first
    --- exit 1
    $ coo scan
    --- standard error
    ERROR: configuration ./coo.toml: is a pipe, a regular file is needed
    hint: write its content to a file first
    --- exit 1
    $ coo gates
    --- standard error
    ERROR: configuration ./coo.toml: is a pipe, a regular file is needed
    hint: write its content to a file first
    --- exit 1
    $ coo gates --config pipe
    --- standard error
    ERROR: configuration pipe: is a pipe, a regular file is needed
    hint: write its content to a file first
    --- exit 1
    $ coo run /dev/zero
    --- standard error
    ERROR: descriptor: /dev/zero: is a device, a regular file is needed
    hint: write its content to a file first
    --- exit 1
    $ coo replay /dev/zero
    --- standard error
    ERROR: file /dev/zero: is a device, a regular file is needed
    hint: write its content to a file first
    --- exit 1
    ");
}

#[test]
fn an_exported_run_of_absurd_size_is_refused_before_it_is_read() {
    let world = World::new();
    let path = world.file("run", format!("coo-run/1 {}\n", "0".repeat(64)));
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_len(17 << 30).unwrap();
    let mut said = String::new();
    for command in ["replay", "verify", "logs"] {
        said += &shown(&format!("{command} run"), &world.coo(&[command, "run"]));
    }
    assert_snapshot!(said, @"
    $ coo replay run
    --- standard error
    ERROR: file run: 18253611008 bytes, 17179869184 is the limit; no run within its limits is so large
    --- exit 1
    $ coo verify run
    --- standard error
    ERROR: file run: 18253611008 bytes, 17179869184 is the limit; no run within its limits is so large
    --- exit 1
    $ coo logs run
    --- standard error
    ERROR: file run: 18253611008 bytes, 17179869184 is the limit; no run within its limits is so large
    --- exit 1
    ");
}

#[test]
fn a_state_root_that_is_a_file_is_named() {
    let world = World::new();
    world.file("file", "");
    let mut said = String::new();
    for command in [&["missions"][..], &["logs", "DEMO-000001"], &["run-demo"]] {
        let arguments = [&["--root", "file"], command].concat();
        said += &shown(&arguments.join(" "), &world.coo(&arguments));
    }
    assert_snapshot!(said, @"
    $ coo --root file missions
    --- standard error
    ERROR: state root file: is not a folder
    hint: name one with --root or COO_ROOT
    --- exit 1
    $ coo --root file logs DEMO-000001
    --- standard error
    ERROR: state root file: is not a folder
    hint: name one with --root or COO_ROOT
    --- exit 1
    $ coo --root file run-demo
    [coo] Running deterministic demo mission ...
    --- standard error
    ERROR: state root file: is not a folder
    hint: name one with --root or COO_ROOT
    --- exit 1
    ");
}

/// Everything below `folder`, itself included, with its permissions.
fn modes(folder: &Path) -> Vec<(PathBuf, u32)> {
    let mode = |path: &Path| path.symlink_metadata().unwrap().permissions().mode() & 0o7777;
    let mut found = vec![(folder.to_owned(), mode(folder))];
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(modes(&path));
        } else {
            found.push((path.clone(), mode(&path)));
        }
    }
    found
}

#[test]
fn nothing_that_is_made_can_be_written_by_others_whatever_the_mask() {
    for (mask, folder_max, file_max) in [
        ("000", 0o755, 0o644),
        ("002", 0o755, 0o644),
        ("022", 0o755, 0o644),
        ("027", 0o750, 0o640),
        ("077", 0o700, 0o600),
    ] {
        let world = World::new();
        world.triage_descriptor();
        for arguments in [
            &["run-demo"][..],
            &["run", "triage"],
            &["verify", "demo"],
            &["manifests", "write"],
            &["amu0", "create"],
            &["export", "DEMO-000001", "-o", ".coo/run"],
        ] {
            let coo = world.command(arguments);
            let mut shell = world.program("/bin/sh", &["-c"]);
            shell
                .arg(format!("umask {mask}; exec \"$0\" \"$@\""))
                .arg(coo.get_program())
                .args(arguments);
            let ended = ran(shell.output().unwrap());
            assert_eq!(ended.code, 0, "{mask} {arguments:?}: {ended:?}");
        }
        let found = modes(&world.root());
        assert!(found.len() > 30, "{found:?}");
        for (path, mode) in &found {
            let most = if path.is_dir() { folder_max } else { file_max };
            assert_eq!(mode & !most, 0, "{mask}: {} {mode:o}", path.display());
        }
        for name in ["cache", "tmp"] {
            let path = world.root().join(name);
            assert!(found.contains(&(path, 0o700)), "{mask}: {name}");
        }
    }
}

#[test]
fn what_a_killed_command_left_outside_is_closed_to_others_and_goes_with_the_next() {
    let world = World::new();
    assert_eq!(world.coo(&["run-demo"]).code, 0);
    assert_eq!(world.coo(&["export", "DEMO-000001", "-o", "run"]).code, 0);
    let place = world.path().join("temporary");
    std::fs::create_dir(&place).unwrap();
    // Not ours, whatever it is called.
    for name in ["coo-tmp", "coo-run-abcdef", "other"] {
        std::fs::create_dir(place.join(name)).unwrap();
    }
    std::os::unix::fs::symlink(world.root(), place.join("coo-tmp-run-link")).unwrap();
    std::fs::write(place.join("coo-tmp-run-file"), "x").unwrap();
    let there = || {
        let entries = std::fs::read_dir(&place).unwrap();
        entries.map(Result::unwrap).count()
    };
    assert_eq!(there(), 5);
    // At a point where the run has been loaded, and at one where its store is there in part.
    let mut seen = 0;
    for point in [3, 14, 20] {
        let coo = world.command(&["replay", "run"]);
        let mut shell = world.program("/bin/sh", &["-c"]);
        shell
            .arg("umask 000; exec \"$0\" replay run")
            .arg(coo.get_program())
            .env("TMPDIR", &place)
            .env("COO_FAULT", format!("kill:{point}"));
        let ended = shell.output().unwrap();
        assert_eq!(ended.status.code(), None, "{point}: {ended:?}");
        assert_eq!(there(), 6, "{point}");
        for (path, mode) in modes(&place) {
            let is_left = path.starts_with(&place)
                && path
                    .strip_prefix(&place)
                    .unwrap()
                    .components()
                    .next()
                    .is_some_and(|first| {
                        let name = first.as_os_str().to_str().unwrap();
                        name.starts_with("coo-tmp-run-")
                            && !name.ends_with("link")
                            && !name.ends_with("file")
                    });
            if is_left {
                let most = if path.is_dir() { 0o700 } else { 0o600 };
                assert_eq!(mode & !most, 0, "{} {mode:o}", path.display());
                seen += 1;
            }
        }
        let mut next = world.command(&["missions"]);
        assert_eq!(ran(next.env("TMPDIR", &place).output().unwrap()).code, 0);
        assert_eq!(there(), 5, "{point}");
    }
    assert!(seen > 10, "{seen}");
    assert!(world.root().join("coo.db").exists());
}

#[test]
fn a_tool_that_a_configuration_names_is_not_started_from_the_working_directory() {
    let world = World::new();
    assert_eq!(world.coo(&["init"]).code, 0);
    let config = world.root().join("config.json");
    std::fs::write(&config, r#"{"tools": ["helper"]}"#).unwrap();
    for folder in [".", "bin", "absolute"] {
        let script = format!(
            "#!/bin/sh\necho started > {}/started\n",
            world.path().display()
        );
        let path = world.file(&format!("{folder}/helper"), script);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let write = |path: &str| {
        let ended = world.coo_with(&["manifests", "write"], "PATH", path);
        assert_eq!(ended.code, 0, "{ended:?}");
        world.path().join("started").exists()
    };
    assert!(!write(".:bin::/usr/bin:/bin"));
    // As the user's own folders say.
    assert!(write(&format!("{}/absolute:/bin", world.path().display())));

    let many: Vec<String> = (0..65).map(|i| format!("tool{i}")).collect();
    std::fs::write(&config, json!({"tools": many}).to_string()).unwrap();
    let ended = world.coo(&["manifests", "write"]);
    assert_snapshot!(shown("manifests write", &ended), @"
    $ coo manifests write
    --- standard error
    ERROR: configuration .coo/config.json: tools: 65 of them, 64 is the limit
    hint: leave some out
    --- exit 1
    ");
}
