//! Modes: all twelve bits are kept, compared and restored, whatever the user's mask and the folder
//! around say, by a user who is not root, too; and what earlier releases kept is still read.

use std::fs;
use std::process::Command;

use coo_kernel::form::digest::Digest;
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::tree::{Node, by_nobody, change, give_away, is_root, make, picture, set_mode};
use crate::support::{Ran, World, ran, shown};

const RESTORE: [&str; 6] = ["amu0", "restore", "base", "--tree", "tree", "--yes"];

/// A world with a tree that was captured as `base`.
fn captured() -> World {
    let world = World::new();
    fs::create_dir(world.path().join("tree")).unwrap();
    make(&world.path().join("tree"));
    create(&world, "base");
    world
}

fn create(world: &World, name: &str) {
    let ran = world.coo(&["amu0", "create", "--tree", "tree", "--name", name]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
}

/// Runs a command as a user who is not root and owns the whole world.
fn coo_by_nobody(world: &World, arguments: &[&str]) -> Ran {
    give_away(world.path());
    ran(by_nobody(world.command(arguments)).output().unwrap())
}

fn differences(world: &World, baseline: &str) -> Vec<(String, String)> {
    let ran = world.coo(&["amu0", "verify", baseline, "--tree", "tree", "--json"]);
    let verified: Value = serde_json::from_str(&ran.stdout).unwrap();
    let found = verified["tree"]["differences"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    found
        .map(|found| (text(&found["path"]), text(&found["change"])))
        .collect()
}

#[test]
fn every_bit_is_kept_compared_and_restored() {
    let world = World::new();
    for bits in 0..8_u32 {
        world.file(&format!("tree/folder-{bits}/in"), "in");
        let file = world.file(&format!("tree/file-{bits}"), "content");
        set_mode(&file, (bits << 9) | 0o755);
        let folder = world.path().join(format!("tree/folder-{bits}"));
        set_mode(&folder, (bits << 9) | 0o775);
    }
    let tree = world.path().join("tree");
    let before = picture(&tree);
    create(&world, "base");
    for bit in [0o1000, 0o2000, 0o4000] {
        for bits in 0..8_u32 {
            set_mode(
                &tree.join(format!("file-{bits}")),
                ((bits << 9) | 0o755) ^ bit,
            );
            set_mode(
                &tree.join(format!("folder-{bits}")),
                ((bits << 9) | 0o775) ^ bit,
            );
        }
        let found = differences(&world, "base");
        assert_eq!(found.len(), 16, "{found:?}");
        assert!(
            found.iter().all(|(_, change)| change == "mode"),
            "{found:?}"
        );
        let done = world.json(&RESTORE);
        assert_eq!((&done["written"], &done["modes"]), (&json!(8), &json!(8)));
        assert_eq!(picture(&tree), before);
    }
    // Another content under the same mode.
    for bits in 0..8_u32 {
        let file = tree.join(format!("file-{bits}"));
        fs::write(&file, "another").unwrap();
        set_mode(&file, (bits << 9) | 0o755);
    }
    assert_eq!(world.coo(&RESTORE).code, 0);
    assert_eq!(picture(&tree), before);
}

#[test]
fn neither_a_mask_nor_the_folder_around_changes_a_mode() {
    for mask in ["000", "022", "077", "777"] {
        for around in [0o755, 0o2775, 0o3777] {
            let world = captured();
            let before = picture(&world.path().join("tree"));
            fs::create_dir(world.path().join("copy")).unwrap();
            set_mode(&world.path().join("copy"), around);
            give_away(world.path());
            let mut shell = Command::new("sh");
            shell
                .args([
                    "-c",
                    "umask $0; exec \"$@\"",
                    mask,
                    env!("CARGO_BIN_EXE_coo"),
                ])
                .args(["amu0", "restore", "base", "--tree", "copy"])
                .current_dir(world.path())
                .env_clear();
            let ran = ran(by_nobody(shell).output().unwrap());
            assert_eq!(ran.code, 0, "{mask} {around:o} {ran:?}");
            assert_eq!(
                picture(&world.path().join("copy")),
                before,
                "{mask} {around:o}"
            );
        }
    }
}

#[test]
fn a_user_who_is_not_root_restores_closed_folders_too() {
    for mode in [0, 0o100, 0o200, 0o300, 0o400, 0o500, 0o600] {
        let world = captured();
        let tree = world.path().join("tree");
        let before = picture(&tree);
        change(&tree);
        // In place of what should be there, under it, and besides.
        fs::create_dir_all(tree.join("extra/in")).unwrap();
        fs::write(tree.join("extra/in/file"), "x").unwrap();
        for folder in [
            "extra/in", "extra", "empty", "locked", "a/b", "to-a/x", "more",
        ] {
            set_mode(&tree.join(folder), mode);
        }
        let ran = coo_by_nobody(&world, &RESTORE);
        assert_eq!(ran.code, 0, "{mode:o} {ran:?}");
        assert_eq!(picture(&tree), before, "{mode:o}");
    }
}

/// Read-only folders, and such as nobody can look into, in the baseline itself.
#[test]
fn a_baseline_of_closed_folders_is_restored_by_a_user_who_is_not_root() {
    for mode in [0, 0o100, 0o444, 0o555, 0o2555] {
        let world = World::new();
        let tree = world.path().join("tree");
        world.file("tree/one/two/three/file", "x");
        world.file("tree/one/file", "x");
        fs::create_dir_all(tree.join("one/two/empty")).unwrap();
        let close = |mode| {
            for folder in ["one/two/empty", "one/two/three", "one/two", "one"] {
                set_mode(&tree.join(folder), mode);
            }
        };
        close(mode);
        if !is_root() && mode & 0o500 != 0o500 {
            continue;
        }
        create(&world, "base");
        let before = picture(&tree);
        for change in ["write", "remove", "nothing"] {
            set_mode(&tree.join("one"), 0o755);
            set_mode(&tree.join("one/two"), 0o755);
            match change {
                "write" => fs::write(tree.join("one/two/more"), "x").unwrap(),
                "remove" => crate::support::tree::remove(&tree.join("one/two")),
                _ => {}
            }
            let ran = coo_by_nobody(&world, &RESTORE);
            assert_eq!(ran.code, 0, "{mode:o} {change} {ran:?}");
            assert_eq!(picture(&tree), before, "{mode:o} {change}");
        }
    }
}

#[test]
fn what_this_user_can_not_read_is_named() {
    let world = captured();
    let tree = world.path().join("tree");
    set_mode(&tree.join("empty"), 0);
    set_mode(&tree.join("a/b"), 0o600);
    let mut told = String::new();
    for command in [
        &["amu0", "create", "--tree", "tree"][..],
        &["amu0", "verify", "base", "--tree", "tree"],
    ] {
        told += &shown(&command.join(" "), &coo_by_nobody(&world, command));
    }
    assert_snapshot!(told, @"
    $ coo amu0 create --tree tree
    --- standard error
    ERROR: tree <world>/tree: its folders 'a/b' (mode 0600), 'empty' (mode 0000) can't be read by this user
    hint: if they are this user's, 'chmod u+rwx' makes them readable
    --- exit 1
    $ coo amu0 verify base --tree tree
    --- standard error
    ERROR: tree <world>/tree: its folders 'a/b' (mode 0600), 'empty' (mode 0000) can't be read by this user
    hint: if they are this user's, 'chmod u+rwx' makes them readable
    --- exit 1
    ");
    set_mode(&tree.join("empty"), 0o755);
    set_mode(&tree.join("a/b"), 0o755);
    set_mode(&tree.join("a/b/two"), 0);
    let ran = coo_by_nobody(&world, &["amu0", "create", "--tree", "tree"]);
    assert_snapshot!(shown("amu0 create --tree tree", &ran), @"
    $ coo amu0 create --tree tree
    --- standard error
    ERROR: file <world>/tree/a/b/two: Permission denied (os error 13)
    --- exit 1
    ");
}

/// As releases before wrote them: nine bits, of which nothing follows for the others.
#[test]
fn a_baseline_of_nine_bits_is_still_read() {
    let world = captured();
    let tree = world.path().join("tree");
    let name = world.root().join("amu0/names/base.json");
    let mut record: Value = serde_json::from_slice(&fs::read(&name).unwrap()).unwrap();
    let id = record["baseline"].as_str().unwrap().to_owned();
    let file = format!("amu0/baselines/{id}.json");
    let mut manifest: Value =
        serde_json::from_slice(&fs::read(world.root().join(file)).unwrap()).unwrap();
    assert_eq!(manifest["format"], "coo-amu0/2");
    manifest["format"] = json!("coo-amu0/1");
    for entry in manifest["entries"].as_array_mut().unwrap() {
        if let Some(mode) = entry["mode"].as_str() {
            entry["mode"] = json!(format!("0{}", &mode[2..]));
        }
    }
    let text = manifest.to_string();
    let old = Digest::of(&text);
    world.file(&format!(".coo/amu0/baselines/{old}.json"), &text);
    record["baseline"] = json!(old.to_string());
    fs::write(&name, record.to_string()).unwrap();

    let before = picture(&tree);
    assert_eq!(differences(&world, "base"), []);
    let ran = world.coo(&RESTORE);
    assert_snapshot!(shown("amu0 restore base --tree tree --yes", &ran), @"
    $ coo amu0 restore base --tree tree --yes
    Restore base
      Id: <sha256>
      Tree: <world>/tree
      Written: 0 entries
      Removed: 0 entries
      Folders with another mode: 0
      Result: UNCHANGED
    --- exit 0
    ");
    assert_eq!(picture(&tree), before);
    // A folder that is there keeps what is not known of it; what is made anew has none of it.
    set_mode(&tree.join("a"), 0o2700);
    crate::support::tree::remove(&tree.join("gone"));
    assert_eq!(
        differences(&world, "base").first(),
        Some(&("a".to_owned(), "mode".to_owned()))
    );
    assert_eq!(world.coo(&RESTORE).code, 0);
    assert_eq!(differences(&world, "base"), []);
    let after = picture(&tree);
    assert_eq!(after[std::path::Path::new("a")], Node::Folder(0o2755));
    assert_eq!(
        after[std::path::Path::new("gone/deep")],
        Node::Folder(0o775)
    );
}
