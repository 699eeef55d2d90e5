//! Tests of manifests, differences and steps, over trees that are only data.
//! No test touches a file system.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

type Tree = BTreeMap<TreePath, Node>;

fn path(text: &str) -> TreePath {
    TreePath::from_text(text).unwrap()
}

fn file(content: &str) -> Node {
    Node::File {
        mode: Mode::of(0o644),
        sha256: Digest::of(content),
        size: content.len() as u64,
    }
}

fn folder(mode: u32) -> Node {
    let mode = Mode::of(mode);
    Node::Folder { mode }
}

fn entries(tree: &Tree) -> Vec<TreeEntry> {
    let entry = |(path, node): (&TreePath, &Node)| TreeEntry {
        path: path.clone(),
        node: node.clone(),
    };
    tree.iter().map(entry).collect()
}

fn tree<const N: usize>(entries: [(&str, Node); N]) -> Tree {
    entries.map(|(text, node)| (path(text), node)).into()
}

#[test]
fn a_manifest_has_one_text() {
    let tree = tree([
        ("a", folder(0o755)),
        ("a-b", file("x")),
        (
            "a/b",
            Node::Link {
                target: b"/e\xfftc%".to_vec(),
            },
        ),
    ]);
    let manifest = Manifest::new(entries(&tree)).unwrap();
    let text = manifest.to_text();
    assert_eq!(
        text,
        format!(
            r#"{{"entries":[{{"kind":"folder","mode":"00755","path":"a"}},{{"kind":"file","mode":"00644","path":"a-b","sha256":"{}","size":1}},{{"kind":"link","path":"a/b","target":"/e%FFtc%25"}}],"format":"coo-amu0/2"}}"#,
            Digest::of("x")
        )
    );
    assert_eq!(Manifest::parse(text.as_bytes()).unwrap(), manifest);
}

#[test]
fn forged_manifests_are_refused_for_their_own_reason() {
    let row = |path: &str| format!(r#"{{"kind":"folder","mode":"00755","path":"{path}"}}"#);
    let of = |rows: &[String]| {
        format!(
            r#"{{"entries":[{}],"format":"coo-amu0/2"}}"#,
            rows.join(",")
        )
    };
    let long = "a".repeat(256);
    let deep = "a/".repeat(2_100) + "a";
    let link = |target: &str| format!(r#"{{"kind":"link","path":"l","target":"{target}"}}"#);
    for (text, reason) in [
        (of(&[row("")]), "is empty"),
        (of(&[row("/etc")]), "absolute"),
        (of(&[row("a//b")]), "empty component"),
        (of(&[row("a/")]), "empty component"),
        (of(&[row("..")]), "'..' component"),
        (of(&[row("a/../b")]), "'..' component"),
        (of(&[row(".")]), "'.' or"),
        (of(&[row(&long)]), "more than 255"),
        (of(&[row(&deep)]), "more than 4095"),
        (of(&[row("a\\u0000")]), "zero byte"),
        (of(&[row("a%00")]), "not how a path is written"),
        (of(&[row("a%2F..")]), "not how a path is written"),
        (of(&[row("a%ff")]), "not how a path is written"),
        (of(&[row("a%F")]), "not how a path is written"),
        (of(&[row("a%+1")]), "not how a path is written"),
        (of(&[row("a%é")]), "not how a path is written"),
        (of(&[row(".coo-restore")]), "a restore prepares itself"),
        (of(&[row("b"), row("a")]), "out of order"),
        (of(&[row("a"), row("a")]), "there twice"),
        (of(&[row("a/b")]), "not listed"),
        (of(&[link("b"), row("l/x")]), "not listed"),
        (of(&[link("")]), "its target is empty"),
        (of(&[link("\\u0000")]), "zero byte"),
        (of(&[row("a").replace("00755", "4755")]), "mode '4755'"),
        (of(&[row("a").replace("00755", "755")]), "mode '755'"),
        (of(&[row("a").replace("00755", "+0755")]), "mode '+0755'"),
        (of(&[row("a").replace("00755", "10755")]), "mode '10755'"),
        (of(&[row("a").replace("00755", "000755")]), "mode '000755'"),
        (of(&[row("a").replace("00755", "")]), "mode ''"),
        // Each format has its own modes.
        (of(&[row("a").replace("00755", "0755")]), "canonical"),
        (of(&[row("a")]).replace("amu0/2", "amu0/1"), "canonical"),
        (
            of(&[row("a").replace("folder", "device")]),
            "is not a baseline",
        ),
        (
            of(&[row("a").replace("path", "size\":1,\"path")]),
            "is not a baseline",
        ),
        (of(&[row("a")]) + "\n", "canonical"),
        (
            of(&[]).replace("coo-amu0/2", "coo-amu0/3"),
            "has format 'coo-amu0/3'",
        ),
        ("[".repeat(100_000), "is not a baseline"),
        (String::new(), "is not a baseline"),
    ] {
        let message = Manifest::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(message.contains(reason), "{text:.200}: {message}");
    }
    assert!(Manifest::parse(b"\xff").is_err());
    assert!(Manifest::parse(of(&[row("%FF")]).as_bytes()).is_ok());
}

/// Earlier releases kept nine bits; the other three of such a mode are unknown.
#[test]
fn a_manifest_of_nine_bits_is_read_and_says_nothing_of_the_others() {
    let text = r#"{"entries":[{"kind":"folder","mode":"0755","path":"a"},{"kind":"folder","mode":"0711","path":"b"}],"format":"coo-amu0/1"}"#;
    let wanted = Manifest::parse(text.as_bytes()).unwrap();
    assert_eq!(wanted.to_text(), text);
    let empty = r#"{"entries":[],"format":"coo-amu0/1"}"#;
    assert_eq!(Manifest::new(vec![]).unwrap().to_text(), empty);
    let found = |a, b| entries(&tree([("a", folder(a)), ("b", folder(b))]));
    for bits in [0o0755, 0o2755, 0o7755] {
        let found = found(bits, 0o1711);
        assert_eq!(differences(&wanted, &found), []);
        assert_eq!(steps(&wanted, &found, None).unwrap(), []);
    }
    let way = steps(&wanted, &found(0o2700, 0o2711), None).unwrap();
    assert_eq!(way, [Step::Mode(path("a"), Mode::permissions(0o755))]);
    assert_eq!(parse_steps(print_steps(&way).as_bytes()).unwrap(), way);
    assert_eq!(Mode::permissions(0o755).over(0o2700), 0o2755);
    assert_eq!(Mode::of(0o755).over(0o2700), 0o755);
}

/// A folder that can't be opened is replaced as a whole, and never kept.
#[test]
fn a_closed_folder_goes_as_a_whole() {
    let closed = Node::Closed { mode: Mode::of(0) };
    let found = entries(&tree([("a", closed.clone()), ("b", closed)]));
    let wanted = tree([("a", folder(0o755)), ("a/in", file("x"))]);
    let wanted = Manifest::new(entries(&wanted)).unwrap();
    assert_eq!(
        steps(&wanted, &found, None).unwrap(),
        [Step::Put(path("a")), Step::Remove(path("b"))]
    );
    let refused = Manifest::new(found).unwrap_err().to_string();
    assert!(refused.starts_with("'a' is a folder that can't be looked into"));
}

#[test]
fn each_way_to_differ_is_named() {
    let wanted = tree([
        ("content", file("a")),
        ("gone", file("a")),
        ("kind", folder(0o755)),
        (
            "link",
            Node::Link {
                target: b"a".into(),
            },
        ),
        ("mode", folder(0o755)),
        ("same", file("a")),
    ]);
    let found = tree([
        ("content", file("b")),
        ("kind", Node::Other("socket")),
        (
            "link",
            Node::Link {
                target: b"b".into(),
            },
        ),
        ("mode", folder(0o700)),
        ("new", file("a")),
        ("same", file("a")),
    ]);
    let wanted = Manifest::new(entries(&wanted)).unwrap();
    let found: Vec<_> = differences(&wanted, &entries(&found))
        .into_iter()
        .map(|difference| (difference.path.text(), difference.change))
        .collect();
    let expected = [
        ("content", Change::Content),
        ("gone", Change::Missing),
        ("kind", Change::Kind),
        ("link", Change::Target),
        ("mode", Change::Mode),
        ("new", Change::Extra),
    ];
    assert_eq!(
        found,
        expected.map(|(path, change)| (path.to_owned(), change))
    );
}

#[test]
fn the_way_to_the_state_root_is_never_cut() {
    let wanted = Manifest::new(entries(&tree([("a", folder(0o755))]))).unwrap();
    let found = entries(&tree([("a", folder(0o755)), ("b", folder(0o755))]));
    let with = |kept: &str| steps(&wanted, &found, Some(&path(kept)));
    assert_eq!(with("c/.coo").unwrap(), [Step::Remove(path("b"))]);
    assert_eq!(with("a/.coo").unwrap(), [Step::Remove(path("b"))]);
    assert_eq!(with("b/.coo"), Err(ManifestError::StateRoot("b".into())));
    assert_eq!(with("a"), Err(ManifestError::StateRoot("a".into())));
}

/// Performs `steps` on a tree that is only data.
fn perform(steps: &[Step], wanted: &Tree, mut tree: Tree) -> Tree {
    for step in steps {
        match step {
            Step::Remove(top) => tree.retain(|path, _| !path.is_within(top)),
            Step::Put(top) => {
                tree.retain(|path, _| !path.is_within(top));
                let put = wanted.iter().filter(|(path, _)| path.is_within(top));
                tree.extend(put.map(|(path, node)| (path.clone(), node.clone())));
            }
            Step::SetAside(path) => unreachable!("{}", path.text()),
            Step::Mode(path, mode) => {
                tree.insert(path.clone(), Node::Folder { mode: *mode });
            }
        }
    }
    tree
}

fn any_node() -> impl Strategy<Value = Node> {
    prop_oneof![
        2 => ("[ab]{0,1}", 0..0o10000_u32).prop_map(|(content, mode)| Node::File {
            mode: Mode::of(mode),
            sha256: Digest::of(&content),
            size: content.len() as u64,
        }),
        3 => (0..0o10000_u32).prop_map(folder),
        1 => prop::collection::vec(1..=255_u8, 1..4).prop_map(|target| Node::Link { target }),
    ]
}

/// Returns a tree with few names, so that two of them meet; `-` sorts before `/`.
fn any_tree() -> impl Strategy<Value = Tree> {
    let name = prop::sample::select(vec![&b"a"[..], b"b", b"a-b", b"\xff"]);
    let path = prop::collection::vec(name, 1..4).prop_map(|names| names.join(&b'/'));
    prop::collection::btree_map(path, any_node(), 0..24).prop_map(|nodes| {
        let mut tree = Tree::new();
        for (bytes, node) in nodes {
            let path = TreePath::new(bytes).unwrap();
            let in_folder = path
                .parent()
                .is_none_or(|parent| matches!(tree.get(&parent), Some(Node::Folder { .. })));
            if in_folder {
                tree.insert(path, node);
            }
        }
        tree
    })
}

proptest! {
    #[test]
    fn every_mode_has_one_text(bits in 0..0o10000_u32, others in 0..0o10000_u32) {
        for mode in [Mode::of(bits), Mode::permissions(bits)] {
            prop_assert_eq!(Mode::from_text(&mode.text()).unwrap(), mode);
            let whole = Mode::of(mode.over(others));
            prop_assert!(mode.is_met_by(whole));
            prop_assert_eq!(Mode::of(mode.over(whole.bits())), whole);
            prop_assert_eq!(mode.with(0o700).without(0o077).bits() & 0o777, 0o700);
        }
        prop_assert_eq!(Mode::of(bits).is_met_by(Mode::of(others)), bits == others);
    }

    #[test]
    fn every_name_has_one_text(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
        let text = text_of(&bytes);
        prop_assert_eq!(bytes_of(&text).unwrap(), bytes);
    }

    #[test]
    fn a_text_that_is_taken_is_the_one_text(text in "[a%0-9A-Fé/.]{0,8}") {
        if let Ok(bytes) = bytes_of(&text) {
            prop_assert_eq!(text_of(&bytes), text);
        }
    }

    #[test]
    fn a_path_that_is_taken_stays_in_its_tree(bytes in prop::collection::vec(prop_oneof![Just(b'.'), Just(b'/'), any::<u8>()], 0..10)) {
        if let Ok(path) = TreePath::new(bytes) {
            prop_assert!(path.components().all(|name| !matches!(name, b"" | b"." | b"..")));
            prop_assert!(path.ancestry().all(|folder| path.is_within(&folder)));
        }
    }

    #[test]
    fn a_manifest_comes_back(tree in any_tree()) {
        let manifest = Manifest::new(entries(&tree)).unwrap();
        prop_assert_eq!(Manifest::parse(manifest.to_text().as_bytes()).unwrap(), manifest);
    }

    #[test]
    fn the_steps_lead_from_any_tree_to_any_other(wanted in any_tree(), found in any_tree()) {
        let manifest = Manifest::new(entries(&wanted)).unwrap();
        let found_entries = entries(&found);
        let way = steps(&manifest, &found_entries, None).unwrap();
        prop_assert_eq!(parse_steps(print_steps(&way).as_bytes()).unwrap(), way.clone());
        prop_assert_eq!(perform(&way, &wanted, found.clone()), wanted.clone());
        let come = effect(&manifest, &found_entries, &way);
        let lost = found.keys().filter(|path| !wanted.contains_key(path));
        let new = wanted.keys().filter(|path| !found.contains_key(path));
        let other = wanted.iter().filter(|(path, node)| found.get(path).is_some_and(|found| found != *node));
        prop_assert_eq!((come.removed, come.made), (lost.count(), new.count()));
        prop_assert_eq!(come.replaced + come.modes, other.count());
        // Equal trees, and only they, need no steps.
        prop_assert_eq!(way.is_empty(), wanted == found);
        prop_assert_eq!(differences(&manifest, &found_entries).is_empty(), wanted == found);
    }
}
