//! The demo's pack in this repository is the one that this build makes: `.ci/demo-pack` makes it
//! again where it is out of date.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{members, packed};
use crate::support::{Ran, World, ran};

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

/// A world after the demonstration: the demo's run, a baseline, a change, and its rollback.
fn demonstrated() -> World {
    let world = World::new();
    let coo = |arguments: &str| -> Ran {
        // Modes are a part of baselines.
        let script = format!("umask 022; echo CONFIRM_ROLLBACK | exec \"$0\" {arguments}");
        let shell = ["-c", &script, env!("CARGO_BIN_EXE_coo")];
        let ran = ran(world.program("sh", &shell).output().unwrap());
        assert_eq!(ran.code, 0, "{ran:?}");
        ran
    };
    for arguments in [
        "run-demo",
        "amu0 create --name demo",
        "run triage --frozen",
        "rollback demo",
        "amu0 verify demo --state",
    ] {
        coo(arguments);
    }
    // The rollback has undone the other mission's changes, and no run.
    assert_eq!(world.list(&["artefacts"]), serde_json::json!([]));
    assert_eq!(world.list(&["missions"]).as_array().unwrap().len(), 2);
    world
}

#[test]
fn the_log_of_rollbacks_in_a_pack_holds_no_time() {
    let (_, pack) = packed(&demonstrated(), "DEMO-000001");
    let log: serde_json::Value =
        serde_json::from_slice(&members(&pack)["rollback_log.json"]).unwrap();
    let [request] = log.as_array().unwrap().as_slice() else {
        panic!("{log}");
    };
    assert_eq!(request["outcome"], "restored");
    assert_eq!(request["to"]["name"], "demo");
    assert_eq!(
        (&request["requested_ms"], &request["ended_ms"]),
        (&0.into(), &0.into())
    );
}

#[test]
fn the_pack_of_the_demo_is_the_one_that_this_build_makes() {
    let (_, pack) = packed(&demonstrated(), "DEMO-000001");
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
