//! A state root that somebody has tampered with: nothing foreign is executed or followed.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::assert_fails;
use super::support::model_server::{ModelServer, Response};
use super::support::{World, mission_id};

const HELLO: &str = r#"(data (i32.const 1024) "hello\n") (func (export "_start") (call $write (i32.const 1024) (i32.const 6)))"#;
const OTHER: &str = r#"(data (i32.const 1024) "other\n") (func (export "_start") (call $write (i32.const 1024) (i32.const 6)))"#;

fn cache(world: &World) -> Vec<(PathBuf, Vec<u8>)> {
    let files = world.root_files().into_iter();
    files
        .filter(|(path, _)| path.parent() == Some(&world.root().join("cache")))
        .collect()
}

#[test]
fn a_tampered_cache_entry_is_not_executed() {
    let world = World::new();
    let ran = world.run_guest(HELLO, &json!({}));
    assert_eq!(ran.stdout, "hello\n");
    let head = world.json(&["inspect", &mission_id(&ran)])["chain_head"].clone();
    let [(file, good)] = &cache(&world)[..] else {
        panic!("one entry")
    };
    let flipped: Vec<u8> = good.iter().map(|byte| byte ^ 1).collect();
    let mut one_bit = good.clone();
    *one_bit.last_mut().unwrap() ^= 1;
    let mut one_bit_of_code = good.clone();
    one_bit_of_code[good.len() / 2] ^= 0x10;
    for bad in [
        flipped,
        one_bit,
        one_bit_of_code,
        good[..good.len() / 2].to_vec(),
        Vec::new(),
    ] {
        fs::write(file, &bad).unwrap();
        let ran = world.coo(&["run", "guest.json"]);
        assert_eq!((ran.code, ran.stdout.as_str()), (0, "hello\n"), "{ran:?}");
        assert_eq!(
            world.json(&["inspect", &mission_id(&ran)])["chain_head"],
            head
        );
        assert_ne!(fs::read(file).unwrap(), bad, "rewritten");
    }
}

#[test]
fn code_of_another_module_is_not_executed_in_its_place() {
    let world = World::new();
    assert_eq!(world.run_guest(OTHER, &json!({})).stdout, "other\n");
    let (_, other) = cache(&world).remove(0);
    assert_eq!(world.run_guest(HELLO, &json!({})).stdout, "hello\n");
    for (file, content) in cache(&world) {
        if content != other {
            fs::write(file, &other).unwrap();
        }
    }
    let ran = world.coo(&["run", "guest.json"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "hello\n"), "{ran:?}");
    // Nor by a replay, which may not write the cache.
    for (file, _) in cache(&world) {
        fs::write(file, &other).unwrap();
    }
    let replay = world.coo(&["replay", &mission_id(&ran)]);
    assert_eq!(replay.code, 0, "{replay:?}");
}

#[test]
fn code_from_another_state_root_is_not_executed() {
    // The same file name, code that another store vouched for.
    let (world, foreign) = (World::new(), World::new());
    assert_eq!(foreign.run_guest(HELLO, &json!({})).stdout, "hello\n");
    let (path, code) = cache(&foreign).remove(0);
    assert_eq!(world.coo(&["init"]).code, 0);
    let planted = world.root().join("cache").join(path.file_name().unwrap());
    fs::write(&planted, [&code[..], b"planted"].concat()).unwrap();
    assert_eq!(world.run_guest(HELLO, &json!({})).stdout, "hello\n");
    assert!(
        !fs::read(&planted).unwrap().ends_with(b"planted"),
        "compiled anew"
    );
}

#[cfg(unix)]
fn link(target: &Path, link: &Path) {
    if link.is_dir() {
        fs::remove_dir_all(link).unwrap();
    } else if link.exists() {
        fs::remove_file(link).unwrap();
    }
    std::os::unix::fs::symlink(target, link).unwrap();
}

/// Answers every ticket of a triage mission, as often as asked.
fn triage_server() -> ModelServer {
    ModelServer::start(std::iter::repeat_n(Response::completion("bug"), 16))
}

#[cfg(unix)]
#[test]
fn a_folder_replaced_by_a_link_leads_nowhere() {
    let server = triage_server();
    for folder in ["artefacts", "cache", "modules"] {
        let outside = tempfile::TempDir::new().unwrap();
        let world = World::new().with("COO_LLM_BASE_URL", server.base_url());
        assert_eq!(world.coo(&["init"]).code, 0);
        link(outside.path(), &world.root().join(folder));
        let ran = world.triage();
        assert_eq!(ran.code, 1, "{folder}: {ran:?}");
        assert!(
            ran.stderr.contains("ERROR: ") && ran.stderr.contains(folder),
            "{folder}: {ran:?}"
        );
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0, "{folder}");
    }
}

#[cfg(unix)]
#[test]
fn a_link_inside_the_artefacts_leads_nowhere() {
    let server = triage_server();
    let outside = tempfile::TempDir::new().unwrap();
    let victim = outside.path().join("victim");
    fs::write(&victim, "untouched").unwrap();
    // The folder of the report, then the report itself.
    for (target, place) in [
        (outside.path(), "artefacts/triage"),
        (&victim, "artefacts/triage/Triage_Report_v1.0.md"),
    ] {
        let world = World::new().with("COO_LLM_BASE_URL", server.base_url());
        assert_eq!(world.coo(&["init"]).code, 0);
        let place = world.root().join(place);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        link(target, &place);
        let ran = world.triage();
        assert_fails(&world, &ran, "guest error: ");
        assert!(
            ran.stderr.contains("a symbolic link is in the way"),
            "{ran:?}"
        );
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
        assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
    }
}

#[cfg(unix)]
#[test]
fn a_file_replaced_by_a_link_is_neither_followed_nor_written() {
    let server = triage_server();
    for file in ["coo.db", "world.db", "config.json", "lock"] {
        let outside = tempfile::TempDir::new().unwrap();
        let world = World::new().with("COO_LLM_BASE_URL", server.base_url());
        assert_eq!(world.triage().code, 0);
        let place = world.root().join(file);
        let target = outside.path().join("target");
        fs::copy(&place, &target).unwrap();
        let before = fs::read(&target).unwrap();
        link(&target, &place);
        let ran = world.triage();
        assert_ne!(ran.code, 0, "{file}: {ran:?}");
        assert!(
            ran.stderr.contains("ERROR: ") && ran.stderr.contains(file),
            "{file}: {ran:?}"
        );
        assert_eq!(fs::read(&target).unwrap(), before, "{file}");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1, "{file}");
    }
}

#[cfg(unix)]
#[test]
fn a_cache_file_replaced_by_a_link_is_replaced_and_not_followed() {
    let outside = tempfile::TempDir::new().unwrap();
    let world = World::new();
    assert_eq!(world.run_guest(HELLO, &json!({})).stdout, "hello\n");
    let (file, good) = cache(&world).remove(0);
    // Good code behind the link: still a place that is not the root's own.
    let target = outside.path().join("code");
    fs::write(&target, &good).unwrap();
    link(&target, &file);
    assert_eq!(world.coo(&["run", "guest.json"]).stdout, "hello\n");
    assert!(!file.is_symlink(), "a file of the root's own again");
    assert_eq!(fs::read(&target).unwrap(), good);
}
