//! Baselines that the state can't go back to: named, before anybody is asked, and nothing is
//! changed or logged.

use std::collections::BTreeSet;
use std::fs;

use coo_kernel::form::digest::Digest;
use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{YES, changed, error, outcomes, rollback, state};
use crate::support::{Ran, World, packs};

/// Refused: not asked, not logged, not changed.
#[track_caller]
fn refused(world: &World, asked: &[&str]) -> Ran {
    let before = state(world);
    let ran = rollback(world, asked, YES);
    assert!(!ran.stderr.contains("Type '"), "{ran:?}");
    assert_eq!(outcomes(world), [""; 0]);
    assert!(state(world) == before);
    ran
}

/// `changed`, with a configuration that other commands can read.
fn ready() -> World {
    let world = changed();
    world.file(".coo/config.json", "{}");
    world
}

#[test]
fn what_is_not_there_or_is_a_tree() {
    let world = World::new();
    let mut told = error(&rollback(&world, &["x"], YES));
    told += &error(&rollback(&world, &[], YES));
    assert!(!world.root().exists());
    assert_eq!(world.coo(&["init"]).code, 0);
    told += &error(&refused(&world, &[]));

    let world = ready();
    told += &error(&refused(&world, &["nothing"]));
    told += &error(&refused(&world, &["../clean"]));
    world.file("tree/file", "1");
    let tree = ["amu0", "create", "--tree", "tree", "--name", "tree"];
    assert_eq!(world.coo(&tree).code, 0);
    told += &error(&refused(&world, &["tree"]));
    assert_snapshot!(told, @"
    ERROR: Baseline 'x' not found.
    hint: 'coo amu0 list' lists all baselines
    ERROR: no state root at .coo
    hint: 'coo amu0 create' makes one and its first baseline
    ERROR: state root .coo: has no baseline to restore
    hint: 'coo amu0 create' makes one
    ERROR: Baseline 'nothing' not found.
    hint: 'coo amu0 list' lists all baselines
    ERROR: Baseline '../clean' not found.
    hint: 'coo amu0 list' lists all baselines
    ERROR: baseline tree: is not one of the state root
    hint: 'coo amu0 lineage' lists those of the state root, and 'coo amu0 restore' restores a tree
    ");
}

#[test]
fn a_baseline_that_is_damaged() {
    let record = |world: &World| world.list(&["amu0", "list"])[0].clone();
    let manifest = |world: &World| {
        let id = record(world)["baseline"].as_str().unwrap().to_owned();
        world.root().join(format!("amu0/baselines/{id}.json"))
    };
    let objects = |world: &World| -> Vec<String> {
        let manifest: Value = serde_json::from_slice(&fs::read(manifest(world)).unwrap()).unwrap();
        let entries = manifest["entries"].as_array().unwrap().iter();
        let digests = entries.filter_map(|entry| Some(entry["sha256"].as_str()?.to_owned()));
        digests.collect()
    };
    let world = ready();
    let all = objects(&world);
    assert!(all.len() > 9);
    let mut told = BTreeSet::new();
    for sha256 in all {
        for is_lost in [true, false] {
            let world = ready();
            let digest = sha256.parse().unwrap();
            if is_lost {
                fs::remove_file(packs::place(&world, &digest).0).unwrap();
            } else {
                packs::damage(&world, &digest);
            }
            let said = error(&refused(&world, &["clean"]));
            // Sizes of times and paths differ.
            let size = said
                .split_once("it has ")
                .and_then(|(_, rest)| rest.split_once(" bytes"));
            let size = size.map_or(String::new(), |(size, _)| format!("it has {size} bytes"));
            told.insert(if size.is_empty() {
                said
            } else {
                said.replace(&size, "it has … bytes")
            });
        }
    }
    // Whichever it is, the same is said.
    let told: String = told.into_iter().collect();
    assert_snapshot!(told, @"
    ERROR: baseline clean: 1 of its 13 objects can't be read or were changed, so it can't be restored: object <sha256> in .coo/amu0/packs/<sha256>.pack: was changed after it was written, it has … bytes and SHA-256 <sha256…>
    hint: take them from a copy of the state root
    ERROR: baseline clean: 13 of its 13 objects can't be read or were changed, so it can't be restored: object <sha256>: is in no pack of .coo/amu0/packs
    hint: take them from a copy of the state root
    ");
    let world = ready();
    let file = manifest(&world);
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("0644", "0600")).unwrap();
    assert_snapshot!(error(&refused(&world, &["clean"])), @"
    ERROR: file .coo/amu0/baselines/<sha256>.json: was changed after it was written
    hint: take it from a copy of the state root
    ");
}

/// Makes a baseline `forged` that has `content` at `path` and else is `clean`.
fn forge(world: &World, path: &str, content: &str) {
    let put = |file: String, content: &str| {
        world.file(&format!(".coo/amu0/{file}"), content);
    };
    let mut record = world.list(&["amu0", "list"])[0].clone();
    let id = record["baseline"].as_str().unwrap().to_owned();
    let file = world.root().join(format!("amu0/baselines/{id}.json"));
    let mut manifest: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let entries = manifest["entries"].as_array_mut().unwrap();
    let entry = entries.iter_mut().find(|entry| entry["path"] == path);
    let entry = entry.unwrap();
    let sha256 = Digest::of(content).to_string();
    entry["sha256"] = json!(sha256);
    entry["size"] = json!(content.len());
    packs::put(world, content);
    let text = manifest.to_string();
    let id = Digest::of(&text).to_string();
    put(format!("baselines/{id}.json"), &text);
    record["baseline"] = json!(id);
    record["name"] = json!("forged");
    put("names/forged.json".to_owned(), &record.to_string());
}

#[test]
fn a_baseline_of_another_coo() {
    let world = ready();
    let other = "1".repeat(64);
    forge(&world, "sandbox_digest.txt", &other);
    let ran = refused(&world, &["forged"]);
    assert_snapshot!(error(&ran), @"
    ERROR: baseline forged: its sandbox digest is <sha256>, this coo has <sha256>
    hint: use the coo that has that module set ('coo digest' shows it)
    ");
    // The snapshot masks both.
    let own = include_str!("../../sandbox_digest.txt").trim_end();
    for digest in [&other, own] {
        assert!(ran.stderr.contains(digest), "{digest}: {ran:?}");
    }
    let world = ready();
    forge(&world, "missions/demo.json", "{}");
    assert_snapshot!(error(&refused(&world, &["forged"])), @"
    ERROR: baseline forged: its 'missions/demo.json' differs from the one of this coo
    hint: use the coo that made the baseline
    ");
}

#[test]
fn a_baseline_whose_databases_nobody_dumped() {
    let world = ready();
    forge(&world, "databases/artefacts.json", "{}\n");
    assert_snapshot!(error(&refused(&world, &["forged"])), @"ERROR: baseline forged: its record: is not an INDEX of artefacts: missing field `artefacts` at line 1 column 2");
    // The world is made before anything is promised, and must have that very dump again.
    let dump = "{\"format\":\"coo-world/1\",\"kind\":\"world\"}\n";
    let mut told = String::new();
    for more in ["{}", "[1]\n", "\n"] {
        let world = ready();
        forge(&world, "databases/world.jsonl", &format!("{dump}{more}"));
        let before = state(&world);
        let ran = rollback(&world, &["forged"], YES);
        told += &error(&ran);
        assert_eq!(outcomes(&world), ["requested"]);
        assert!(!world.root().join(".coo-restore").exists());
        assert!(state(&world) == before);
    }
    assert_snapshot!(told, @"
    ERROR: rollback 1 to forged: nothing was changed: object <sha256> in .coo/amu0/packs/<sha256>.pack: line 2: missing field `kind` at line 1 column 2
    ERROR: rollback 1 to forged: nothing was changed: object <sha256> in .coo/amu0/packs/<sha256>.pack: line 2: a row before any table
    ERROR: rollback 1 to forged: nothing was changed: object <sha256> in .coo/amu0/packs/<sha256>.pack: line 2: EOF while parsing a value at line 2 column 0
    ");
}

#[test]
fn a_state_that_can_not_be_kept_is_not_replaced() {
    let world = ready();
    crate::support::tree::pipe(&world.root().join("artefacts/pipe"));
    let before = state(&world);
    let mut told = error(&rollback(&world, &["clean"], YES));
    assert!(state(&world) == before);
    assert_eq!(outcomes(&world), ["requested"]);
    crate::support::tree::remove(&world.root().join("artefacts/pipe"));
    for log in ["world.db-wal", "world.db-shm"] {
        crate::support::tree::remove(&world.root().join(log));
    }
    let damaged = world.file(".coo/world.db", "this is no database".repeat(99));
    told += &error(&rollback(&world, &["clean"], YES));
    assert_snapshot!(told, @"
    ERROR: rollback 1 to clean: nothing was changed: 'artefacts/pipe' is a pipe, and a baseline holds files, folders and links
    hint: remove it first
    hint: 'coo rollback clean --set-aside' moves the present state to a folder of its own, unchanged, and continues
    ERROR: rollback 2 to clean: nothing was changed: database .coo/world.db: database .coo/world.db: file is not a database: Error code 26: file is not a database
    hint: 'coo rollback clean --set-aside' moves the present state to a folder of its own, unchanged, and continues
    ");
    fs::remove_file(damaged).unwrap();
    assert_eq!(rollback(&world, &["clean"], YES).code, 0);
    assert_eq!(outcomes(&world), ["requested", "requested", "restored"]);
    super::assert_at(&world, "clean");
}
