//! The record of artefacts and its INDEX: written with them, and agreeing with the disk or saying
//! where it does not.

use std::fs;
use std::os::unix::fs::symlink;

use insta::assert_snapshot;
use serde_json::Value;

use super::{listing, refusal, world, write};
use crate::support::{shown, steady};

#[test]
fn the_index_is_written_with_the_artefacts_and_names_who_wrote_them_first() {
    let world = world();
    assert_eq!(
        write(&world, "named.wasm", &["b/B_v1.0.md", "A_v1.0.md"]).code,
        0
    );
    assert_eq!(
        write(&world, "named.wasm", &["A_v1.0.md", "A_v1.1.md"]).code,
        0
    );
    let index = fs::read(world.root().join("artefacts/INDEX.json")).unwrap();
    let index: Value = serde_json::from_slice(&index).unwrap();
    assert_eq!(index["artefacts"], world.list(&["artefacts"]));
    let entries: Vec<(&str, &str)> = index["artefacts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            (
                entry["path"].as_str().unwrap(),
                entry["mission"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        entries,
        [
            ("A_v1.0.md", "MISSION-000001"),
            ("A_v1.1.md", "MISSION-000002"),
            ("b/B_v1.0.md", "MISSION-000001"),
        ]
    );
    let text = fs::read_to_string(world.root().join("artefacts/INDEX.md")).unwrap();
    assert!(
        text.contains("| b/B_v1.0.md | 11 | MISSION-000001 | "),
        "{text}"
    );
    assert_eq!(world.coo(&["artefacts", "check"]).code, 0);
    // A mission that fails promises nothing.
    refusal(&write(&world, "empty.wasm", &["C_v1.0.md", "bad"]));
    assert_eq!(world.list(&["artefacts"]), index["artefacts"]);
}

#[test]
fn a_version_is_taken_even_if_its_file_is_gone() {
    let world = world();
    assert_eq!(write(&world, "named.wasm", &["A_v1.0.md"]).code, 0);
    let file = world.root().join("artefacts/A_v1.0.md");
    fs::remove_file(&file).unwrap();
    let words = refusal(&write(&world, "empty.wasm", &["A_v1.0.md"]));
    assert_snapshot!(steady(&words), @"
    'A_v1.0.md' exists with other content; raise its version
    hint: 'coo logs MISSION-000002' shows how it got there
    ");
    // The same content is no new version: it is made again.
    assert_eq!(write(&world, "named.wasm", &["A_v1.0.md"]).code, 0);
    assert_eq!(fs::read_to_string(&file).unwrap(), "A_v1.0.md");
}

#[test]
fn every_drift_is_named_and_repaired_and_nothing_is_lost() {
    let world = world();
    let paths = ["a/A_v1.0.md", "a/B_v1.0.md", "C_v1.0.md", "D_v1.0.md"];
    assert_eq!(write(&world, "named.wasm", &paths).code, 0);
    let artefacts = world.root().join("artefacts");
    let in_order = listing(&artefacts);
    fs::write(artefacts.join("a/A_v1.0.md"), "changed by hand").unwrap();
    fs::remove_file(artefacts.join("a/B_v1.0.md")).unwrap();
    fs::remove_file(artefacts.join("C_v1.0.md")).unwrap();
    symlink("D_v1.0.md", artefacts.join("C_v1.0.md")).unwrap();
    fs::write(artefacts.join("notes.txt"), "mine").unwrap();
    fs::write(artefacts.join("INDEX.md"), "mine too").unwrap();

    let check = world.coo(&["artefacts", "check"]);
    assert_snapshot!(shown("artefacts check", &check), @"
    $ coo artefacts check
    replaced  C_v1.0.md (a symbolic link is there)
    stale     INDEX.md
    changed   a/A_v1.0.md (recorded <sha256…>, found <sha256…>)
    missing   a/B_v1.0.md
    extra     notes.txt
    4 artefacts on record, 5 differences
    --- standard error
    ERROR: artefacts/ does not match the record
    hint: 'coo artefacts check --repair' corrects that and keeps the files that it removes
    --- exit 3
    ");

    let repair = world.coo(&["artefacts", "check", "--repair"]);
    assert_snapshot!(shown("artefacts check --repair", &repair), @"
    $ coo artefacts check --repair
    replaced  C_v1.0.md (a symbolic link is there)
    stale     INDEX.md
    changed   a/A_v1.0.md (recorded <sha256…>, found <sha256…>)
    missing   a/B_v1.0.md
    extra     notes.txt
    4 artefacts on record, 5 differences repaired
    --- exit 0
    ");
    assert_eq!(listing(&artefacts), in_order);
    for path in paths {
        assert_eq!(fs::read_to_string(artefacts.join(path)).unwrap(), path);
    }
    assert_eq!(world.coo(&["artefacts", "check"]).code, 0);
    let aside = world.root().join("set-aside");
    assert_eq!(
        listing(&aside)
            .into_iter()
            .filter(|name| !name.ends_with('/'))
            .map(|name| name.split_once('/').unwrap().1.to_owned())
            .collect::<Vec<_>>(),
        ["C_v1.0.md", "INDEX.md", "A_v1.0.md", "notes.txt"]
    );
    let kept = |name: &str| fs::read_to_string(aside.join(name)).unwrap();
    assert_eq!(kept("000002/INDEX.md"), "mine too");
    assert_eq!(kept("000003/A_v1.0.md"), "changed by hand");
}

#[test]
fn a_folder_in_the_place_of_a_file_is_moved_away_with_all_that_is_in_it() {
    let world = world();
    assert_eq!(write(&world, "named.wasm", &["A_v1.0.md"]).code, 0);
    let artefacts = world.root().join("artefacts");
    for name in ["A_v1.0.md", "INDEX.json"] {
        fs::remove_file(artefacts.join(name)).unwrap();
        fs::create_dir(artefacts.join(name)).unwrap();
        fs::write(artefacts.join(name).join("inner"), "kept").unwrap();
    }
    let repair = world.coo(&["artefacts", "check", "--repair"]);
    assert_eq!(repair.code, 0, "{repair:?}");
    assert_eq!(world.coo(&["artefacts", "check"]).code, 0);
    let aside = world.root().join("set-aside");
    assert_eq!(
        fs::read_to_string(aside.join("000001/A_v1.0.md/inner")).unwrap(),
        "kept"
    );
}

#[test]
fn a_name_that_is_not_utf_8_is_one_more_extra() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    let world = world();
    assert_eq!(write(&world, "named.wasm", &["a/A_v1.0.md"]).code, 0);
    let artefacts = world.root().join("artefacts");
    let in_order = listing(&artefacts);
    let (file, folder) = (OsStr::from_bytes(b"a\xff"), OsStr::from_bytes(b"\xfe%"));
    fs::write(artefacts.join("a").join(file), "mine").unwrap();
    fs::create_dir(artefacts.join(folder)).unwrap();
    fs::write(artefacts.join(folder).join("100%"), "mine too").unwrap();
    fs::remove_file(artefacts.join("a/A_v1.0.md")).unwrap();

    let check = world.coo(&["artefacts", "check"]);
    assert_snapshot!(shown("artefacts check", &check), @"
    $ coo artefacts check
    extra     %FE%25/100%25
    missing   a/A_v1.0.md
    extra     a/a%FF
    1 artefact on record, 3 differences
    --- standard error
    ERROR: artefacts/ does not match the record
    hint: 'coo artefacts check --repair' corrects that and keeps the files that it removes
    --- exit 3
    ");
    let repair = world.coo(&["artefacts", "check", "--repair"]);
    assert_snapshot!(shown("artefacts check --repair", &repair), @"
    $ coo artefacts check --repair
    extra     %FE%25/100%25
    missing   a/A_v1.0.md
    extra     a/a%FF
    1 artefact on record, 3 differences repaired
    --- exit 0
    ");
    let aside = world.root().join("set-aside");
    let kept =
        |place: &str, name: &OsStr| fs::read_to_string(aside.join(place).join(name)).unwrap();
    assert_eq!(kept("000001", OsStr::new("100%")), "mine too");
    assert_eq!(kept("000002", file), "mine");
    assert_eq!(world.coo(&["artefacts", "check"]).code, 0);
    fs::remove_dir(artefacts.join(folder)).unwrap();
    assert_eq!(listing(&artefacts), in_order);
}
