//! Any tree, changed in any way, comes back: in this process, through the library; and by a user
//! who is not root.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use coo::inside::baselines::{self, Progress, Tree};
use coo::inside::state::StateRoot;
use proptest::prelude::*;

use crate::support::tree::{by_nobody, give_away, is_root, picture, pipe, remove, set_mode};
use crate::support::{World, ran};

/// One change, to a tree that may have none of what it names.
#[derive(Debug, Clone)]
enum Change {
    File(PathBuf, Vec<u8>, u32),
    Folder(PathBuf, u32),
    Link(PathBuf, String),
    Pipe(PathBuf),
    Mode(PathBuf, u32),
    Remove(PathBuf),
}

/// Few names, so that changes meet; `a-b` sorts between `a` and `a/`.
fn any_path() -> impl Strategy<Value = PathBuf> {
    let name = prop::sample::select(vec!["a", "b", "a-b", "%41", "é \n"]);
    prop::collection::vec(name, 1..5).prop_map(|names| names.iter().collect())
}

/// Any mode; where the tests are not root's, one under which they can still look at what there is.
fn any_mode() -> impl Strategy<Value = u32> {
    let least = if is_root() { 0 } else { 0o700 };
    (0..0o10000_u32).prop_map(move |mode| least | mode)
}

fn any_change() -> impl Strategy<Value = Change> {
    let content = prop::collection::vec(any::<u8>(), 0..4);
    prop_oneof![
        4 => (any_path(), content, any_mode()).prop_map(|(p, c, m)| Change::File(p, c, m)),
        3 => (any_path(), any_mode()).prop_map(|(p, m)| Change::Folder(p, m)),
        2 => (any_path(), "[a-c./]{1,6}").prop_map(|(p, t)| Change::Link(p, t)),
        1 => (any_path(), any_mode()).prop_map(|(p, m)| Change::Mode(p, m)),
        2 => any_path().prop_map(Change::Remove),
    ]
}

fn any_mutation() -> impl Strategy<Value = Change> {
    prop_oneof![9 => any_change(), 1 => any_path().prop_map(Change::Pipe)]
}

/// Makes the folders on the way, in place of whatever is there.
fn way(top: &Path, path: &Path) -> PathBuf {
    let mut at = top.to_owned();
    for name in path.parent().unwrap() {
        at.push(name);
        if !at
            .symlink_metadata()
            .is_ok_and(|metadata| metadata.is_dir())
        {
            remove(&at);
            fs::create_dir(&at).unwrap();
        }
    }
    let path = top.join(path);
    remove(&path);
    path
}

fn apply(top: &Path, change: &Change) {
    match change {
        Change::File(path, content, mode) => {
            let path = way(top, path);
            fs::write(&path, content).unwrap();
            set_mode(&path, *mode);
        }
        Change::Folder(path, mode) => {
            let path = way(top, path);
            fs::create_dir(&path).unwrap();
            set_mode(&path, *mode);
        }
        Change::Link(path, target) => symlink(target, way(top, path)).unwrap(),
        Change::Pipe(path) => pipe(&way(top, path)),
        Change::Mode(path, mode) => {
            let path = top.join(path);
            if path
                .symlink_metadata()
                .is_ok_and(|found| !found.is_symlink())
            {
                set_mode(&path, *mode);
            }
        }
        Change::Remove(path) => {
            let path = top.join(path);
            // Not through a link, out of the tree.
            if path
                .parent()
                .unwrap()
                .canonicalize()
                .is_ok_and(|folder| folder.starts_with(top))
            {
                remove(&path);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_changed_in_any_way_comes_back(
        tree in prop::collection::vec(any_change(), 0..24),
        mutations in prop::collection::vec(any_mutation(), 0..24),
    ) {
        let folder = tempfile::TempDir::new().unwrap();
        let top = folder.path().canonicalize().unwrap().join("tree");
        fs::create_dir(&top).unwrap();
        for change in &tree {
            apply(&top, change);
        }
        let before = picture(&top);
        let root = StateRoot::open_or_create(&folder.path().join("root")).unwrap();
        root.settle().unwrap();
        let progress = Progress::new(None);
        let open = || Tree::open(&top, root.path()).unwrap();
        baselines::create(&root, &open(), Some("base"), &progress).unwrap();
        let baseline = baselines::find(&root, "base").unwrap();
        for change in &mutations {
            apply(&top, change);
        }
        let equal = baselines::compare(&baseline, &open(), &progress).unwrap().is_empty();
        prop_assert_eq!(equal, picture(&top) == before);
        baselines::restore(&root, &baseline, &open(), &progress).unwrap();
        prop_assert_eq!(picture(&top), before);
        let again = baselines::create(&root, &open(), None, &progress).unwrap();
        prop_assert_eq!(again.record.baseline, baseline.id);
        prop_assert_eq!(again.added.objects, 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_comes_back_by_a_user_who_is_not_root(
        tree in prop::collection::vec(any_change(), 0..16),
        mutations in prop::collection::vec(any_mutation(), 0..16),
    ) {
        let world = World::new();
        let top = world.path().canonicalize().unwrap().join("tree");
        fs::create_dir(&top).unwrap();
        for change in &tree {
            apply(&top, change);
        }
        let before = picture(&top);
        let create = world.coo(&["amu0", "create", "--tree", "tree", "--name", "base"]);
        prop_assert_eq!(create.code, 0, "{:?}", create);
        for change in &mutations {
            apply(&top, change);
        }
        give_away(world.path());
        let restore = world.command(&["amu0", "restore", "base", "--tree", "tree", "--yes"]);
        let restore = ran(by_nobody(restore).output().unwrap());
        prop_assert_eq!(restore.code, 0, "{:?}", restore);
        prop_assert_eq!(picture(&top), before);
    }
}

#[test]
fn a_tree_that_changes_meanwhile_is_not_captured() {
    let folder = tempfile::TempDir::new().unwrap();
    let top = folder.path().join("tree");
    fs::create_dir(&top).unwrap();
    for i in 0..3_000 {
        fs::write(top.join(format!("{i:04}")), format!("{i}")).unwrap();
    }
    let root = StateRoot::open_or_create(&folder.path().join("root")).unwrap();
    root.settle().unwrap();
    let tree = Tree::open(&top, root.path()).unwrap();
    let ended = AtomicBool::new(false);
    let progress = Progress::new(None);
    let captured = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                fs::write(top.join("2999"), "other").unwrap();
                fs::write(top.join("2999"), "2999").unwrap();
            }
        });
        // The writer is at it from before the first look to after the last.
        while fs::read(top.join("2999")).unwrap() == b"2999" {}
        let captured = baselines::create(&root, &tree, None, &progress);
        ended.store(true, Ordering::Relaxed);
        captured
    });
    let error = coo::inside::flat(&captured.unwrap_err());
    assert!(
        error.contains("2999") && error.contains("make sure that nothing writes to"),
        "{error}"
    );
    assert_eq!(baselines::list(&root).unwrap(), []);
    assert_eq!(fs::read_dir(root.path().join("tmp")).unwrap().count(), 0);
}
