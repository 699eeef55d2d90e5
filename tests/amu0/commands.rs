//! `coo amu0` as its users see it.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::os::unix::net::UnixListener;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::packs::{objects, packs};
use crate::support::tree::{change, make, picture, pipe, remove};
use crate::support::{World, shown, steady};

/// A world with a tree that was captured as `base`.
fn captured() -> World {
    let world = World::new();
    fs::create_dir(world.path().join("tree")).unwrap();
    make(&world.path().join("tree"));
    let ran = world.coo(&["amu0", "create", "--tree", "tree", "--name", "base"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    world
}

#[test]
fn a_tree_comes_back_byte_for_byte() {
    let world = captured();
    let tree = world.path().join("tree");
    let before = picture(&tree);
    change(&tree);
    assert_ne!(picture(&tree), before);
    let ran = world.coo(&["amu0", "verify", "base", "--tree", "tree"]);
    assert_snapshot!(shown("amu0 verify base --tree tree", &ran), @"
    $ coo amu0 verify base --tree tree
    Verify base
      Id: <sha256>
      Holds: 9 files, 8 folders, 3 links, 19 bytes
      Objects: 7 of 7 intact, 17 bytes
      Tree: <world>/tree
        other kind    a-b
        missing       a-b/three
        other content a/b/same
        other mode    a/b/two
        other content a/hard
        other content a/one
        extra         a/pipe
        other target  absolute
        other mode    empty
        missing       gone
        missing       gone/deep
        missing       gone/deep/er
        missing       gone/deep/er/file
        other mode    locked
        missing       locked/in
        extra         more
        extra         more/and
        extra         more/and/file
        extra         more/and/more
        other kind    to-a
        extra         to-a/x
        extra         to-a/x/y
      Result: DIFFERENT
    --- standard error
    ERROR: tree <world>/tree: does not match the baseline, 22 differences
    hint: 'coo amu0 restore base --tree DIR' restores it
    --- exit 3
    ");
    let done = world.json(&["amu0", "restore", "base", "--tree", "tree", "--yes"]);
    assert_eq!(picture(&tree), before);
    assert_eq!(done["removed"], 2, "{done}");
    let ran = world.coo(&["amu0", "verify", "base", "--tree", "tree"]);
    assert_snapshot!(shown("amu0 verify base --tree tree", &ran), @"
    $ coo amu0 verify base --tree tree
    Verify base
      Id: <sha256>
      Holds: 9 files, 8 folders, 3 links, 19 bytes
      Objects: 7 of 7 intact, 17 bytes
      Tree: <world>/tree
      Result: IDENTICAL
    --- exit 0
    ");
    let ran = world.coo(&["amu0", "restore", "base", "--tree", "tree", "--yes"]);
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
    // Elsewhere, by the first digits of its id, from nothing.
    fs::create_dir(world.path().join("copy")).unwrap();
    let id = done["baseline"].as_str().unwrap();
    let ran = world.coo(&["amu0", "restore", &id[..12], "--tree", "copy"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    assert_eq!(picture(&world.path().join("copy")), before);
    let one = fs::metadata(world.path().join("copy/a/one")).unwrap();
    assert_eq!(one.nlink(), 1, "hard links become files of their own");
}

#[test]
fn the_same_state_has_the_same_id_and_a_second_baseline_costs_the_difference() {
    let world = captured();
    let first = world.list(&["amu0", "list"])[0].clone();
    let kept = objects(&world);
    // Elsewhere, made anew, at another time, under another name.
    fs::create_dir(world.path().join("other")).unwrap();
    make(&world.path().join("other"));
    let second = world.json(&["amu0", "create", "--tree", "other"]);
    assert_eq!(second["baseline"], first["baseline"]);
    assert_eq!(
        (&second["new_objects"], &second["new_bytes"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(second["name"], "AMU0-000001");
    assert_eq!(objects(&world), kept);
    world.file("other/new", "something new");
    world.file("other/a/b/two", "1");
    let third = world.json(&["amu0", "create", "--tree", "other"]);
    assert_ne!(third["baseline"], first["baseline"]);
    assert_eq!(
        (&third["new_objects"], &third["new_bytes"]),
        (&json!(1), &json!(13))
    );
    assert_eq!(objects(&world), kept + 1);
    let names: Vec<Value> = world
        .list(&["amu0", "list"])
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["name"].clone())
        .collect();
    assert_eq!(names, ["base", "AMU0-000001", "AMU0-000002"]);
}

#[test]
fn the_state_root_is_left_out_and_stays() {
    let world = World::new();
    world.file("work/file", "1");
    fs::create_dir(world.path().join("work/empty")).unwrap();
    let root = world.path().join("work/sub/root");
    let coo = |arguments: &[&str]| {
        let root = ["--root", root.to_str().unwrap()];
        world.coo(&[&root, arguments].concat())
    };
    let made = coo(&["amu0", "create", "--tree", "work", "--name", "base"]);
    assert_snapshot!(shown("amu0 create --tree work --name base", &made), @"
    $ coo amu0 create --tree work --name base
    Baseline base
      Id: <sha256>
      Tree: <world>/work
      Left out: sub/root (the state root)
      Holds: 1 file, 2 folders, 0 links, 1 byte
      New in the store: 1 object, 1 byte
    --- exit 0
    ");
    remove(&world.path().join("work/empty"));
    world.file("work/sub/more", "x");
    let ran = coo(&["amu0", "restore", "base", "--tree", "work", "--yes"]);
    assert_snapshot!(shown("amu0 restore base --tree work --yes", &ran), @"
    $ coo amu0 restore base --tree work --yes
    Restore base
      Id: <sha256>
      Tree: <world>/work
      Left out: sub/root (the state root)
      Written: 1 entry
      Removed: 1 entry
      Folders with another mode: 0
      Result: RESTORED
    --- exit 0
    ");
    assert!(world.path().join("work/empty").is_dir());
    assert!(!world.path().join("work/sub/more").exists());
    assert_eq!(coo(&["amu0", "verify", "base", "--tree", "work"]).code, 0);
    // A baseline of another tree, without the way to the state root.
    world.file("other/file", "1");
    assert_eq!(
        coo(&["amu0", "create", "--tree", "other", "--name", "other"]).code,
        0
    );
    let before = picture(&world.path().join("work"));
    let ran = coo(&["amu0", "restore", "other", "--tree", "work"]);
    assert_snapshot!(shown("amu0 restore other --tree work", &ran), @"
    $ coo amu0 restore other --tree work
    --- standard error
    ERROR: tree <world>/work: 'sub' would have to be replaced or removed, but the state root lies there
    hint: use a state root outside the tree (--root)
    --- exit 1
    ");
    let after = picture(&world.path().join("work"));
    let names =
        |picture: &crate::support::tree::Picture| picture.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&before), names(&after));
    let ran = coo(&["amu0", "create", "--tree", "work/sub/root/amu0"]);
    assert_snapshot!(shown("amu0 create --tree work/sub/root/amu0", &ran), @"
    $ coo amu0 create --tree work/sub/root/amu0
    --- standard error
    ERROR: tree work/sub/root/amu0: lies in the state root <world>/work/sub/root
    hint: name a tree outside it
    --- exit 1
    ");
}

#[test]
fn what_can_not_be_kept_is_named_before_anything_is_written() {
    let world = World::new();
    world.file("tree/file", "1");
    let tree = world.path().join("tree");
    pipe(&tree.join("pipe"));
    let _socket = UnixListener::bind(tree.join("socket")).unwrap();
    let ran = world.coo(&["amu0", "create", "--tree", "tree"]);
    assert_snapshot!(shown("amu0 create --tree tree", &ran), @"
    $ coo amu0 create --tree tree
    --- standard error
    ERROR: 'pipe' is a pipe, 'socket' is a socket, and a baseline holds files, folders and links
    hint: remove it first
    --- exit 1
    ");
    assert!(!world.root().join("amu0").exists());
    remove(&tree.join("pipe"));
    remove(&tree.join("socket"));
    fs::create_dir(tree.join(".coo-restore")).unwrap();
    let ran = world.coo(&["amu0", "create", "--tree", "tree"]);
    assert_snapshot!(shown("amu0 create --tree tree", &ran), @"
    $ coo amu0 create --tree tree
    --- standard error
    ERROR: tree <world>/tree: path '.coo-restore': is where a restore prepares itself; if none is at work, remove it
    --- exit 1
    ");
    assert!(!world.root().join("amu0").exists());
}

#[test]
fn wrong_names_and_trees_are_errors() {
    let world = captured();
    symlink("tree", world.path().join("link")).unwrap();
    let create = |name: &str| {
        let argument = format!("--name={name}");
        world.coo(&["amu0", "create", "--tree", "link", &argument])
    };
    let mut told = String::new();
    let long = "a".repeat(65);
    for name in [
        "",
        ".hidden",
        "../up",
        "a/b",
        "-x",
        "é",
        &long,
        "abcdef012345",
        "base",
    ] {
        let ran = create(name);
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
        told += &ran.stderr;
    }
    assert_snapshot!(steady(&told), @"
    ERROR: name '': must be 1 to 64 of A-Z a-z 0-9 . _ - and begin with a letter, a digit or _
    hint: choose another
    ERROR: name '.hidden': must be 1 to 64 of A-Z a-z 0-9 . _ - and begin with a letter, a digit or _
    hint: choose another
    ERROR: name '../up': must be 1 to 64 of A-Z a-z 0-9 . _ - and begin with a letter, a digit or _
    hint: choose another
    ERROR: name 'a/b': must be 1 to 64 of A-Z a-z 0-9 . _ - and begin with a letter, a digit or _
    hint: choose another
    ERROR: name '-x': must be 1 to 64 of A-Z a-z 0-9 . _ - and begin with a letter, a digit or _
    hint: choose another
    ERROR: name 'é': must be 1 to 64 of A-Z a-z 0-9 . _ - and begin with a letter, a digit or _
    hint: choose another
    ERROR: name '<sha256>': must be 1 to 64 of A-Z a-z 0-9 . _ - and begin with a letter, a digit or _
    hint: choose another
    ERROR: name '<sha256…>': could be the beginning of an id
    hint: choose another
    ERROR: baseline 'base': already exists
    hint: choose another name
    ");
    assert_eq!(create("again").code, 0);
    for name in ["nothing", "../base", "000000000000", &"0".repeat(64)] {
        let expected = format!(
            "ERROR: Baseline '{name}' not found.\nhint: 'coo amu0 list' lists all baselines\n"
        );
        for command in [
            &["amu0", "verify", name][..],
            &["amu0", "restore", name, "--tree", "tree"],
        ] {
            let ran = world.coo(command);
            assert_eq!((ran.code, &ran.stderr), (1, &expected), "{ran:?}");
            assert_eq!(World::new().coo(&["amu0", "verify", name]).stderr, expected);
        }
    }
    let mut told = String::new();
    for tree in ["missing", "tree/a/one"] {
        for command in [
            &["amu0", "create", "--tree", tree][..],
            &["amu0", "restore", "base", "--tree", tree],
        ] {
            told += &shown(&command.join(" "), &world.coo(command));
        }
    }
    assert_snapshot!(told, @"
    $ coo amu0 create --tree missing
    --- standard error
    ERROR: tree missing: is not an existing directory
    hint: name or make one
    --- exit 1
    $ coo amu0 restore base --tree missing
    --- standard error
    ERROR: tree missing: is not an existing directory
    hint: name or make one
    --- exit 1
    $ coo amu0 create --tree tree/a/one
    --- standard error
    ERROR: tree tree/a/one: is not an existing directory
    hint: name or make one
    --- exit 1
    $ coo amu0 restore base --tree tree/a/one
    --- standard error
    ERROR: tree tree/a/one: is not an existing directory
    hint: name or make one
    --- exit 1
    ");
    let empty = World::new();
    assert_eq!(
        empty.coo(&["amu0", "list", "--json"]).stdout,
        "{\n  \"format\": \"coo-amu0-baselines/1\",\n  \"baselines\": []\n}\n"
    );
    assert_eq!(empty.coo(&["amu0", "create", "--tree", "x"]).code, 1);
    assert_eq!(fs::read_dir(empty.path()).unwrap().count(), 0);
}

/// What is there is not kept, so nothing of it goes before a person has said so.
#[test]
fn what_is_there_is_replaced_only_once_a_person_has_confirmed() {
    let world = captured();
    let tree = world.path().join("tree");
    let restored = picture(&tree);
    change(&tree);
    let before = picture(&tree);
    let restore = ["amu0", "restore", "base", "--tree", "tree"];
    let mut told = String::new();
    for answer in ["", "\n", "yes\n", "confirm_restore\n", "CONFIRM_ROLLBACK\n"] {
        let ran = world.coo_with_input(&restore, answer.as_bytes());
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
        told += &ran.stderr;
        assert_eq!(picture(&tree), before, "{answer:?}");
        assert!(!world.root().join("amu0/restore.json").exists());
    }
    assert_snapshot!(steady(&told), @r"
    [coo] <world>/tree
          is restored to baseline base (<sha256…>): 7 entries replaced, 7 removed, 6 made, 2 folders get another mode;
          the removed content is not kept; 'coo amu0 verify base --tree DIR' lists it
    Type 'CONFIRM_RESTORE' to proceed
    ERROR: tree <world>/tree: nothing was typed, and only CONFIRM_RESTORE counts; nothing was restored
    hint: run it again and type CONFIRM_RESTORE, or give --yes
    [coo] <world>/tree
          is restored to baseline base (<sha256…>): 7 entries replaced, 7 removed, 6 made, 2 folders get another mode;
          the removed content is not kept; 'coo amu0 verify base --tree DIR' lists it
    Type 'CONFIRM_RESTORE' to proceed
    ERROR: tree <world>/tree: '\n' was typed, and only CONFIRM_RESTORE counts; nothing was restored
    hint: run it again and type CONFIRM_RESTORE, or give --yes
    [coo] <world>/tree
          is restored to baseline base (<sha256…>): 7 entries replaced, 7 removed, 6 made, 2 folders get another mode;
          the removed content is not kept; 'coo amu0 verify base --tree DIR' lists it
    Type 'CONFIRM_RESTORE' to proceed
    ERROR: tree <world>/tree: 'yes\n' was typed, and only CONFIRM_RESTORE counts; nothing was restored
    hint: run it again and type CONFIRM_RESTORE, or give --yes
    [coo] <world>/tree
          is restored to baseline base (<sha256…>): 7 entries replaced, 7 removed, 6 made, 2 folders get another mode;
          the removed content is not kept; 'coo amu0 verify base --tree DIR' lists it
    Type 'CONFIRM_RESTORE' to proceed
    ERROR: tree <world>/tree: 'confirm_restore\n' was typed, and only CONFIRM_RESTORE counts; nothing was restored
    hint: run it again and type CONFIRM_RESTORE, or give --yes
    [coo] <world>/tree
          is restored to baseline base (<sha256…>): 7 entries replaced, 7 removed, 6 made, 2 folders get another mode;
          the removed content is not kept; 'coo amu0 verify base --tree DIR' lists it
    Type 'CONFIRM_RESTORE' to proceed
    ERROR: tree <world>/tree: 'CONFIRM_ROLLBACK\n' was typed, and only CONFIRM_RESTORE counts; nothing was restored
    hint: run it again and type CONFIRM_RESTORE, or give --yes
    ");
    let ran = world.coo_with_input(&restore, b"CONFIRM_RESTORE\n");
    assert_snapshot!(shown("amu0 restore base --tree tree", &ran), @"
    $ coo amu0 restore base --tree tree
    Restore base
      Id: <sha256>
      Tree: <world>/tree
      Written: 13 entries
      Removed: 2 entries
      Folders with another mode: 2
      Result: RESTORED
    --- standard error
    [coo] <world>/tree
          is restored to baseline base (<sha256…>): 7 entries replaced, 7 removed, 6 made, 2 folders get another mode;
          the removed content is not kept; 'coo amu0 verify base --tree DIR' lists it
    Type 'CONFIRM_RESTORE' to proceed
    --- exit 0
    ");
    assert_eq!(picture(&tree), restored);
    // Nothing to ask about: the baseline already, or an empty folder.
    fs::create_dir(world.path().join("empty")).unwrap();
    for tree in ["tree", "empty"] {
        let ran = world.coo(&["amu0", "restore", "base", "--tree", tree]);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    }
    // Whoever adds something to what is there is asked, too.
    remove(&world.path().join("empty/gone"));
    let ran = world.coo(&["amu0", "restore", "base", "--tree", "empty"]);
    assert_snapshot!(shown("amu0 restore base --tree empty", &ran), @"
    $ coo amu0 restore base --tree empty
    --- standard error
    [coo] <world>/empty
          is restored to baseline base (<sha256…>): 0 entries replaced, 0 removed, 4 made;
          the removed content is not kept; 'coo amu0 verify base --tree DIR' lists it
    Type 'CONFIRM_RESTORE' to proceed
    ERROR: tree <world>/empty: nothing was typed, and only CONFIRM_RESTORE counts; nothing was restored
    hint: run it again and type CONFIRM_RESTORE, or give --yes
    --- exit 1
    ");
}

/// The answer is to what was shown: what changes while it is waited for is not touched.
#[test]
fn a_tree_that_changes_while_it_is_asked_about_stays() {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::process::Stdio;
    let world = captured();
    let tree = world.path().join("tree");
    change(&tree);
    let mut child = world
        .command(&["amu0", "restore", "base", "--tree", "tree"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("Type '") {
        line.clear();
        assert!(stderr.read_line(&mut line).unwrap() > 0);
    }
    world.file("tree/since", "x");
    let before = picture(&tree);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"CONFIRM_RESTORE\n").unwrap();
    drop(stdin);
    line.clear();
    stderr.read_to_string(&mut line).unwrap();
    assert_snapshot!(steady(&line), @"
    ERROR: tree <world>/tree: was changed meanwhile, so nothing was done
    hint: make sure that nothing writes to it, then try again
    ");
    assert!(!child.wait().unwrap().success());
    assert_eq!(picture(&tree), before);
}

#[test]
fn a_file_that_is_nearly_all_holes_stays_so() {
    let world = World::new();
    let tree = world.path().join("tree");
    fs::create_dir(&tree).unwrap();
    let file = fs::File::create(tree.join("disk.img")).unwrap();
    file.set_len(256 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"in the middle", 100 << 20).unwrap();
    let before = picture(&tree);
    let ran = world.coo(&["amu0", "create", "--tree", "tree", "--name", "base"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let on_disk: u64 = packs(&world)
        .into_iter()
        .map(|path| fs::metadata(path).unwrap().blocks() * 512)
        .sum();
    assert!(on_disk < 4 << 20, "{on_disk}");
    fs::write(tree.join("disk.img"), "").unwrap();
    let ran = world.coo(&["amu0", "restore", "base", "--tree", "tree", "--yes"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(picture(&tree), before);
    let restored = fs::metadata(tree.join("disk.img")).unwrap();
    assert!(restored.blocks() * 512 < 4 << 20, "{}", restored.blocks());
}

#[test]
fn a_path_that_is_too_long_is_named_once_and_shortly() {
    let world = World::new();
    let name = "n".repeat(200);
    let top = world.path().join("tree");
    fs::create_dir(&top).unwrap();
    // Deeper than any one path can say: folder by folder.
    let mut folder = Dir::open_ambient_dir(&top, ambient_authority()).unwrap();
    for _ in 0..21 {
        folder.create_dir(&name).unwrap();
        folder = folder.open_dir(&name).unwrap();
    }
    let ran = world.coo(&["amu0", "create", "--tree", "tree"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
    let words = "its path has more than 4095 bytes\nhint: shorten it, or move it out of the tree\n";
    assert!(
        ran.stderr.starts_with("ERROR: ") && ran.stderr.contains(words),
        "{ran:?}"
    );
    assert!(
        ran.stderr.len() < 1_000,
        "{} bytes: {ran:?}",
        ran.stderr.len()
    );
}
