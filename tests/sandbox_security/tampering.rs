//! A state root that somebody has tampered with: nothing foreign is executed or followed.

use std::fs;
use std::path::Path;

use insta::assert_snapshot;

use super::assert_fails;
use crate::support::model_server::{ModelServer, Response};
use crate::support::{World, shown};

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
    let mut said = String::new();
    for folder in ["artefacts", "cache", "modules"] {
        let outside = tempfile::TempDir::new().unwrap();
        let world = World::new().with("COO_LLM_BASE_URL", server.base_url());
        assert_eq!(world.coo(&["init"]).code, 0);
        link(outside.path(), &world.root().join(folder));
        let ran = world.triage();
        said += &shown(&format!("run triage.json # {folder}"), &ran);
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0, "{folder}");
    }
    assert_snapshot!(said, @"
    $ coo run triage.json # artefacts
    --- standard error
    ERROR: state root: artefacts/ can't be opened: folder .coo/artefacts: is a symbolic link
    hint: remove it
    --- exit 1
    $ coo run triage.json # cache
    --- standard error
    ERROR: state root .coo: folder .coo/cache: is a symbolic link
    hint: remove it
    --- exit 1
    $ coo run triage.json # modules
    --- standard error
    ERROR: state root .coo: folder .coo/modules: is a symbolic link
    hint: remove it
    --- exit 1
    ");
}

#[cfg(unix)]
#[test]
fn a_link_inside_the_artefacts_leads_nowhere() {
    let server = triage_server();
    let outside = tempfile::TempDir::new().unwrap();
    let victim = outside.path().join("victim");
    fs::write(&victim, "untouched").unwrap();
    let mut said = String::new();
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
        assert_fails(&world, &ran);
        said += &shown("run triage.json", &ran);
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
        assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
    }
    assert_snapshot!(said, @"
    $ coo run triage.json
    --- standard error
    [coo] MISSION-000001: model calls go to http://127.0.0.1:<port>, named by the environment, without a key
    [coo] MISSION-000001 FAILED: 18 events, 92924 fuel, <duration>, 2 model calls (live; 6 tokens in, 4 out), chain <sha256…>
    ERROR: mission MISSION-000001: guest error: write refused: 'triage/Triage_Report_v1.0.md': a symbolic link is in the way
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    $ coo run triage.json
    --- standard error
    [coo] MISSION-000001: model calls go to http://127.0.0.1:<port>, named by the environment, without a key
    [coo] MISSION-000001 FAILED: 18 events, 92924 fuel, <duration>, 2 model calls (live; 6 tokens in, 4 out), chain <sha256…>
    ERROR: mission MISSION-000001: guest error: write refused: 'triage/Triage_Report_v1.0.md': a symbolic link is in the way
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    ");
}

#[cfg(unix)]
#[test]
fn a_file_replaced_by_a_link_is_neither_followed_nor_written() {
    let server = triage_server();
    let mut said = String::new();
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
        said += &shown(&format!("run triage.json # {file}"), &ran);
        assert_eq!(fs::read(&target).unwrap(), before, "{file}");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1, "{file}");
    }
    assert_snapshot!(said, @"
    $ coo run triage.json # coo.db
    --- standard error
    ERROR: database .coo/coo.db: can't be opened: unable to open database file: <world>/.coo/coo.db: Error code 1550: unable to open database file
    --- exit 1
    $ coo run triage.json # world.db
    --- standard error
    [coo] MISSION-000002 INTERRUPTED: 5 events, 47828 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000002: database .coo/world.db: can't be opened: unable to open database file: <world>/.coo/world.db: Error code 1550: unable to open database file
    hint: 'coo resume MISSION-000002' continues where it stopped
    --- exit 5
    $ coo run triage.json # config.json
    --- standard error
    ERROR: configuration .coo/config.json: can't be read: a path led outside of the filesystem
    --- exit 1
    $ coo run triage.json # lock
    --- standard error
    ERROR: file .coo/lock: is not a regular file
    hint: remove it
    --- exit 1
    ");
}
