//! The freeze manifest is a function of the state: the same state in two folders, frozen at two times
//! by two copies of the executable, gives the same bytes.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use serde_json::Value;

use crate::support::{World, copy_folder, ran};

const MANIFEST: &str = "manifests/freeze_manifest.json";

/// Puts a new copy of the executable at `to`.
fn install(to: &Path) -> u64 {
    // Not over the old file: the new one is to be another file of the same name.
    let _ = fs::remove_file(to);
    fs::copy(env!("CARGO_BIN_EXE_coo"), to).unwrap();
    fs::metadata(to).unwrap().ino()
}

#[test]
fn the_same_state_is_the_same_manifest_in_another_folder() {
    let world = World::new();
    let coo = world.path().join("coo");
    let run = |root: &Path, arguments: &[&str]| {
        let root = ["--root", root.to_str().unwrap()];
        let arguments: Vec<&str> = root.iter().chain(arguments).copied().collect();
        let ran = ran(world.program(&coo, &arguments).output().unwrap());
        assert_eq!(ran.code, 0, "{ran:?}");
        ran
    };
    let (one, two) = (world.path().join("one"), world.path().join("a/deeper/two"));
    // Another file holds the first one's inode, so that the second copy gets another.
    let inode = install(&coo);
    fs::hard_link(&coo, world.path().join("first")).unwrap();
    run(&one, &["run", "triage", "--frozen"]);
    run(&one, &["manifests", "write"]);
    copy_folder(&one, &two);
    run(&one, &["freeze"]);
    assert_ne!(install(&coo), inode);
    run(&two, &["freeze"]);

    let read = |root: &Path| fs::read_to_string(root.join(MANIFEST)).unwrap();
    let text = read(&one);
    assert_eq!(text, read(&two));
    let manifest: Value = serde_json::from_str(&text).unwrap();
    assert!(manifest["covered"].get("coo_stamp").is_none(), "{text}");
    for what in [one.to_str().unwrap(), two.to_str().unwrap()] {
        assert!(!text.contains(what));
    }
    // What is of the machine stands beside it, and each command checks the executable.
    for root in [&one, &two] {
        run(root, &["missions"]);
        run(root, &["missions"]);
    }
}

/// The note about the executable is a cache: without it, or with one of another file, the executable
/// is read again.
#[test]
fn another_executable_is_found_whatever_the_note_says() {
    let world = World::new();
    let coo = world.path().join("coo");
    let root = world.root();
    let run = |arguments: &[&str]| ran(world.program(&coo, arguments).output().unwrap());
    install(&coo);
    assert_eq!(run(&["init"]).code, 0);
    assert_eq!(run(&["manifests", "write"]).code, 0);
    assert_eq!(run(&["freeze"]).code, 0);
    assert_eq!(run(&["missions"]).code, 0);
    let note = root.join("cache/freeze_coo.json");
    let noted = fs::read(&note).ok();
    // The same program with a byte more.
    let mut bytes = fs::read(&coo).unwrap();
    bytes.push(0);
    fs::remove_file(&coo).unwrap();
    fs::write(&coo, bytes).unwrap();
    crate::support::tree::set_mode(&coo, 0o755);
    for _ in 0..2 {
        let refused = run(&["missions"]);
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(
            refused.stderr.contains("was frozen by another coo"),
            "{refused:?}"
        );
    }
    assert_eq!(fs::read(&note).ok(), noted);
}
