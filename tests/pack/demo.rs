//! The demo's pack in this repository is the one that this build makes: `.ci/demo-pack` makes it
//! again where it is out of date.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{demo, members, packed};

const AGAIN: &str = "is out of date; '.ci/demo-pack' makes it again";

fn checkout() -> PathBuf {
    let host = Path::new(env!("CARGO_MANIFEST_DIR"));
    host.parent().unwrap().to_owned()
}

/// Reads every file below `folder`, by its path from there.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(place) = folders.pop() {
        for entry in std::fs::read_dir(place).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
            files.insert(name.to_owned(), std::fs::read(&path).unwrap());
        }
    }
    files
}

#[test]
fn the_pack_of_the_demo_is_the_one_that_this_build_makes() {
    let (_, pack) = packed(&demo(), "DEMO-000001");
    let kept = std::fs::read(checkout().join("artefacts/demo_pack_v1.zip")).unwrap();
    assert!(kept == pack, "artefacts/demo_pack_v1.zip {AGAIN}");
    let unpacked = files(&checkout().join("examples/demo_v1"));
    let members = members(&pack);
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        names(&unpacked),
        names(&members),
        "examples/demo_v1 {AGAIN}"
    );
    for (name, content) in members {
        assert!(
            unpacked[&name] == content,
            "examples/demo_v1/{name} {AGAIN}"
        );
    }
}
