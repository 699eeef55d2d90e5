//! A state root that somebody wrote to: what was changed is named, and nothing outside the tree
//! is ever touched.

use std::fs;
use std::os::unix::fs::symlink;

use coo_kernel::form::digest::Digest;
use insta::assert_snapshot;
use serde_json::json;

use crate::support::packs;
use crate::support::tree::{Picture, make, picture, remove};
use crate::support::{World, shown, steady};

fn captured() -> (World, String) {
    let world = World::new();
    fs::create_dir(world.path().join("tree")).unwrap();
    make(&world.path().join("tree"));
    let made = world.json(&["amu0", "create", "--tree", "tree", "--name", "base"]);
    (world, made["baseline"].as_str().unwrap().to_owned())
}

/// Asks for a restore, which must change nothing, and returns its error.
fn refused(world: &World, before: &Picture) -> String {
    let ran = world.coo(&["amu0", "restore", "base", "--tree", "tree", "--yes"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
    assert_eq!(&picture(&world.path().join("tree")), before);
    steady(&ran.stderr)
}

/// Writes over the bytes of the only pack at an offset from its beginning, or from its end.
fn write_at(world: &World, offset: i64, bytes: &[u8]) {
    let [pack] = &packs::packs(world)[..] else {
        panic!("a pack")
    };
    let mut content = fs::read(pack).unwrap();
    let at = match usize::try_from(offset) {
        Ok(at) => at,
        Err(_) => content.len() - usize::try_from(-offset).unwrap(),
    };
    content[at..at + bytes.len()].copy_from_slice(bytes);
    fs::write(pack, content).unwrap();
}

#[test]
fn a_changed_object_is_named_and_restores_nothing() {
    let (world, _) = captured();
    let tree = world.path().join("tree");
    remove(&tree.join("gone"));
    let before = picture(&tree);
    let deep = Digest::of("deep");
    packs::damage(&world, &deep);
    let mut told = refused(&world, &before);
    told += &shown("amu0 verify base", &world.coo(&["amu0", "verify", "base"]));
    // What is damaged is not built on.
    world.file("tree/gone/x", "deep");
    let again = world.coo(&["amu0", "create", "--tree", "tree"]);
    told += &shown("amu0 create --tree tree", &again);
    assert_snapshot!(told, @"
    ERROR: object <sha256> in .coo/amu0/packs/<sha256>.pack: was changed after it was written, it has 4 bytes and SHA-256 <sha256…>
    hint: take it from a copy of the state root
    $ coo amu0 verify base
    Verify base
      Id: <sha256>
      Holds: 9 files, 8 folders, 3 links, 19 bytes
      Objects: 6 of 7 intact, 17 bytes
        object <sha256> in .coo/amu0/packs/<sha256>.pack: was changed after it was written, it has 4 bytes and SHA-256 <sha256…>
      Result: DAMAGED
    --- standard error
    ERROR: baseline base: 1 of its 7 objects can't be read or were changed
    hint: take them from a copy of the state root
    --- exit 3
    $ coo amu0 create --tree tree
    --- standard error
    ERROR: file <world>/tree/gone/x: move its pack away and create the baseline again: object <sha256> in .coo/amu0/packs/<sha256>.pack: was changed after it was written, it has 4 bytes and SHA-256 <sha256…>
    hint: take it from a copy of the state root
    --- exit 1
    ");
}

/// What happens to a pack, and how.
type Damage = (&'static str, fn(&World));

#[test]
fn a_pack_that_is_not_whole_counts_as_missing_and_is_named() {
    let mut told = String::new();
    let all: [Damage; 6] = [
        ("gone", |world| {
            fs::remove_file(&packs::packs(world)[0]).unwrap();
        }),
        ("another format", |world| write_at(world, 0, b"coo-pack/9")),
        ("another index", |world| write_at(world, -9, b"x")),
        ("another number of rows", |world| write_at(world, -8, &[8])),
        ("empty", |world| {
            fs::write(&packs::packs(world)[0], "").unwrap();
        }),
        // A link out of the state root is no pack.
        ("a link", |world| {
            let pack = &packs::packs(world)[0];
            let outside = world.path().join("outside");
            fs::rename(pack, &outside).unwrap();
            symlink(outside, pack).unwrap();
        }),
    ];
    for (what, damage) in all {
        let (world, _) = captured();
        let tree = world.path().join("tree");
        let whole = picture(&tree);
        remove(&tree.join("gone"));
        let before = picture(&tree);
        damage(&world);
        told += what;
        told += ": ";
        told += &refused(&world, &before);
        // The contents that the tree still has are stored again.
        let again = world.json(&["amu0", "create", "--tree", "tree"]);
        assert_eq!(again["new_objects"], 6, "{what}");
        // `deep` was not one of them.
        let verified = world.coo(&["amu0", "verify", "base"]);
        assert_eq!(verified.code, 3, "{what}: {verified:?}");
        packs::put(&world, "deep");
        let ran = world.coo(&["amu0", "restore", "base", "--tree", "tree", "--yes"]);
        assert_eq!(ran.code, 0, "{what}: {ran:?}");
        assert_eq!(picture(&tree), whole);
    }
    assert_snapshot!(told, @"
    gone: ERROR: object <sha256>: is in no pack of .coo/amu0/packs
    hint: take it from a copy of the state root
    another format: ERROR: object <sha256>: is in no pack of .coo/amu0/packs; pack .coo/amu0/packs/<sha256>.pack: does not begin as a pack of this format ('coo-amu0-pack/1')
    hint: take it from a copy of the state root
    another index: ERROR: object <sha256>: is in no pack of .coo/amu0/packs; pack .coo/amu0/packs/<sha256>.pack: its index was changed after it was written, it has SHA-256 <sha256…>
    hint: take it from a copy of the state root
    another number of rows: ERROR: object <sha256>: is in no pack of .coo/amu0/packs; pack .coo/amu0/packs/<sha256>.pack: has 377 bytes, and its index ends at none of them
    hint: take it from a copy of the state root
    empty: ERROR: object <sha256>: is in no pack of .coo/amu0/packs; pack .coo/amu0/packs/<sha256>.pack: has 0 bytes, and its index ends at none of them
    hint: take it from a copy of the state root
    a link: ERROR: object <sha256>: is in no pack of .coo/amu0/packs; pack .coo/amu0/packs/<sha256>.pack: is not a regular file; remove it
    hint: take it from a copy of the state root
    ");
}

#[test]
fn a_root_with_a_file_for_each_object_is_refused_in_a_sentence() {
    let (world, _) = captured();
    fs::remove_dir_all(world.root().join("amu0/packs")).unwrap();
    world.file(".coo/amu0/objects/ab/cd", "deep");
    let ran = world.coo(&["amu0", "verify", "base"]);
    assert_snapshot!(shown("amu0 verify base", &ran), @"
    $ coo amu0 verify base
    Verify base
      Id: <sha256>
      Holds: 9 files, 8 folders, 3 links, 19 bytes
      Objects: 0 of 7 intact, 17 bytes
        object <sha256>: is in no pack of .coo/amu0/packs; folder .coo/amu0/objects: has the format of an earlier coo, this build reads packs (amu0/packs)
        object <sha256>: is in no pack of .coo/amu0/packs; folder .coo/amu0/objects: has the format of an earlier coo, this build reads packs (amu0/packs)
        object <sha256>: is in no pack of .coo/amu0/packs; folder .coo/amu0/objects: has the format of an earlier coo, this build reads packs (amu0/packs)
        object <sha256>: is in no pack of .coo/amu0/packs; folder .coo/amu0/objects: has the format of an earlier coo, this build reads packs (amu0/packs)
        object <sha256>: is in no pack of .coo/amu0/packs; folder .coo/amu0/objects: has the format of an earlier coo, this build reads packs (amu0/packs)
        object <sha256>: is in no pack of .coo/amu0/packs; folder .coo/amu0/objects: has the format of an earlier coo, this build reads packs (amu0/packs)
        object <sha256>: is in no pack of .coo/amu0/packs; folder .coo/amu0/objects: has the format of an earlier coo, this build reads packs (amu0/packs)
      Result: DAMAGED
    --- standard error
    ERROR: baseline base: 7 of its 7 objects can't be read or were changed
    hint: take them from a copy of the state root
    --- exit 3
    ");
}

#[test]
fn a_changed_manifest_is_refused() {
    let (world, id) = captured();
    let file = world.root().join(format!("amu0/baselines/{id}.json"));
    let text = fs::read_to_string(&file).unwrap();
    let before = picture(&world.path().join("tree"));
    fs::write(&file, text.replace("\"a/one\"", "\"a/two\"")).unwrap();
    let mut told = refused(&world, &before);
    // One whose id is right, too.
    let folder = |path: &str| json!({"kind": "folder", "mode": "0755", "path": path});
    for path in ["../outside", "/tmp/outside", ".coo-restore", "to-a/x"] {
        let text = json!({"entries": [folder(path)], "format": "coo-amu0/1"}).to_string();
        let id = Digest::of(&text);
        world.file(&format!(".coo/amu0/baselines/{id}.json"), &text);
        let name = world.root().join("amu0/names/base.json");
        let mut record: serde_json::Value =
            serde_json::from_slice(&fs::read(&name).unwrap()).unwrap();
        record["baseline"] = json!(id.to_string());
        fs::write(&name, record.to_string()).unwrap();
        told += &refused(&world, &before);
    }
    for text in ["", "{}", "[", "null"] {
        world.file(".coo/amu0/names/base.json", text);
        told += &refused(&world, &before);
    }
    assert_snapshot!(told, @"
    ERROR: file .coo/amu0/baselines/<sha256>.json: was changed after it was written
    hint: take it from a copy of the state root
    ERROR: file .coo/amu0/baselines/<sha256>.json: path '../outside': has a '.' or '..' component
    ERROR: file .coo/amu0/baselines/<sha256>.json: path '/tmp/outside': is absolute or has an empty component
    ERROR: file .coo/amu0/baselines/<sha256>.json: path '.coo-restore': is where a restore prepares itself; if none is at work, remove it
    ERROR: file .coo/amu0/baselines/<sha256>.json: entry 'to-a/x' is in a folder that is not listed
    ERROR: file .coo/amu0/names/base.json: EOF while parsing a value at line 1 column 0
    ERROR: file .coo/amu0/names/base.json: missing field `baseline` at line 1 column 2
    ERROR: file .coo/amu0/names/base.json: EOF while parsing a list at line 1 column 1
    ERROR: file .coo/amu0/names/base.json: invalid type: null, expected struct Record at line 1 column 4
    ");
}

#[test]
fn a_link_in_the_way_is_replaced_and_not_followed() {
    let (world, _) = captured();
    let tree = world.path().join("tree");
    let before = picture(&tree);
    world.file("outside/one", "precious");
    remove(&tree.join("a"));
    symlink(world.path().join("outside"), tree.join("a")).unwrap();
    let ran = world.coo(&["amu0", "restore", "base", "--tree", "tree", "--yes"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(picture(&tree), before);
    assert_eq!(
        fs::read_to_string(world.path().join("outside/one")).unwrap(),
        "precious"
    );
}

/// What a state root says of a restore that was begun is done only where that restore left its
/// folder, and only inside that tree.
#[test]
fn a_forged_promise_leads_nowhere() {
    let (world, id) = captured();
    let tree = world.path().join("tree");
    let before = picture(&tree);
    let pointer = |to: &str| {
        let text = json!({"baseline": id, "tree": to}).to_string();
        world.file(".coo/amu0/restore.json", text);
    };
    world.file("victim/file", "precious");
    let victim = world.path().join("victim");
    pointer(victim.to_str().unwrap());
    let ran = world.coo(&["amu0", "list"]);
    assert_snapshot!(shown("amu0 list", &ran), @"
    $ coo amu0 list
    base           <sha256…>  <time>  9 files, 19 bytes  tree <world>/tree
    --- standard error
    [coo] found nothing left of an interrupted restore of <world>/victim to baseline <sha256…>
    --- exit 0
    ");
    pointer("victim");
    let mut told = shown("missions", &world.coo(&["missions"]));
    pointer(tree.to_str().unwrap());
    for path in ["../victim/file", "/victim", "to-a/../../victim"] {
        let steps = json!([{"do": "remove", "path": path}]).to_string();
        world.file("tree/.coo-restore/steps.json", steps);
        told += &shown("missions", &world.coo(&["missions"]));
    }
    assert_snapshot!(told, @"
    $ coo missions
    --- standard error
    [coo] not finished yet: restore: is begun and will be finished by the next coo command (to give it up instead, remove .coo/amu0/restore.json and .coo-restore/ in the tree): tree victim: is not an absolute path
    [coo] no missions in .coo
    hint: 'coo run-demo' makes the first
    --- exit 0
    $ coo missions
    --- standard error
    [coo] not finished yet: restore: is begun and will be finished by the next coo command (to give it up instead, remove .coo/amu0/restore.json and .coo-restore/ in the tree): tree <world>/tree: .coo-restore: steps.json: path '../victim/file': has a '.' or '..' component
    [coo] no missions in .coo
    hint: 'coo run-demo' makes the first
    --- exit 0
    $ coo missions
    --- standard error
    [coo] not finished yet: restore: is begun and will be finished by the next coo command (to give it up instead, remove .coo/amu0/restore.json and .coo-restore/ in the tree): tree <world>/tree: .coo-restore: steps.json: path '/victim': is absolute or has an empty component
    [coo] no missions in .coo
    hint: 'coo run-demo' makes the first
    --- exit 0
    $ coo missions
    --- standard error
    [coo] not finished yet: restore: is begun and will be finished by the next coo command (to give it up instead, remove .coo/amu0/restore.json and .coo-restore/ in the tree): tree <world>/tree: .coo-restore: steps.json: path 'to-a/../../victim': has a '.' or '..' component
    [coo] no missions in .coo
    hint: 'coo run-demo' makes the first
    --- exit 0
    ");
    // Through a link of the tree: not followed.
    symlink(&victim, tree.join("out")).unwrap();
    fs::create_dir_all(tree.join(".coo-restore/new/0")).unwrap();
    fs::create_dir_all(tree.join(".coo-restore/old")).unwrap();
    for step in ["remove", "put"] {
        let steps = json!([{"do": step, "path": "out/file"}]).to_string();
        world.file("tree/.coo-restore/steps.json", steps);
        world.coo(&["missions"]);
        assert_eq!(fs::read_to_string(victim.join("file")).unwrap(), "precious");
    }
    remove(&tree.join(".coo-restore"));
    remove(&tree.join("out"));
    world.coo(&["missions"]);
    assert_eq!(picture(&tree), before);
}
