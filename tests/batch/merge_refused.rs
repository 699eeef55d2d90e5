//! What a merge refuses: damaged roots, conflicts, roots that others work on. Each refusal names the root
//! and what is wrong, and writes nothing.

use insta::assert_snapshot;

use super::merged::{at, world_of};
use super::{script, server, world};
use crate::support::model_server::{ModelServer, Response};
use crate::support::remains::Remains;
use crate::support::{World, copy_folder, journal, ran, shown, steady};

/// A root with an artefact, a row and an answer.
fn run_in(world: &World, root: &str, content: &str) {
    let actions = [
        ">CREATE TABLE IF NOT EXISTS t(text TEXT)".to_owned(),
        format!(">INSERT INTO t VALUES('{content}')"),
        "?the question".to_owned(),
        format!("!out/Report_v1.0.md\n{content}"),
    ];
    world.file("mission.json", script(&actions).to_string());
    let ran = at(world, root, &["run", "mission.json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

type Damage = fn(&std::path::Path);

#[test]
fn a_damaged_root_is_named_and_nothing_is_written() {
    let server = server();
    let world = world(&server);
    run_in(&world, "sound", "one");
    run_in(&world, "into", "one");
    let before = Remains::of(&world.path().join("into"));
    let mut said = Vec::new();
    let damages: [(&str, Damage); 6] = [
        ("event", |root| {
            let store = journal::open(root);
            journal::unguard(&store);
            let change =
                "UPDATE events SET body = replace(body, 'ok', 'no') WHERE kind = 'db.execute'";
            store.execute_batch(change).unwrap();
        }),
        ("content", |root| {
            let store = rusqlite::Connection::open(root.join("coo.db")).unwrap();
            let changed =
                "UPDATE blobs SET bytes = CAST('two' AS BLOB) WHERE bytes = CAST('one' AS BLOB)";
            assert_eq!(store.execute(changed, []).unwrap(), 1);
        }),
        ("artefact", |root| {
            std::fs::write(root.join("artefacts/out/Report_v1.0.md"), "two").unwrap();
        }),
        ("module", |root| {
            for entry in std::fs::read_dir(root.join("modules")).unwrap() {
                std::fs::write(entry.unwrap().path(), "two").unwrap();
            }
        }),
        ("row", |root| {
            world_of(root)
                .execute("UPDATE t SET text = 'two'", [])
                .unwrap();
        }),
        ("format", |root| {
            let store = rusqlite::Connection::open(root.join("coo.db")).unwrap();
            store.pragma_update(None, "user_version", 7).unwrap();
        }),
    ];
    for (what, damage) in damages {
        let root = world.path().join(what);
        copy_folder(&world.path().join("sound"), &root);
        damage(&root);
        let merged = at(&world, "into", &["merge", "sound", what]);
        said.push(steady(&shown(
            &format!("--root into merge sound {what}"),
            &merged,
        )));
        assert_eq!(Remains::of(&world.path().join("into")), before, "{what}");
    }
    assert_snapshot!(said.join("\n"), @"
    $ coo --root into merge sound event
    --- standard error
    ERROR: root event: mission MISSION-000001: journal broken at event 6: its digest is not that of its content; it was changed after it was written
    --- exit 3

    $ coo --root into merge sound content
    --- standard error
    ERROR: root content: mission MISSION-000001: content <sha256>: was changed after it was written
    --- exit 3

    $ coo --root into merge sound artefact
    --- standard error
    ERROR: root artefact: artefact out/Report_v1.0.md: does not match its record
    hint: 'coo --root artefact artefacts check' lists the differences, '--repair' corrects them
    --- exit 3

    $ coo --root into merge sound module
    --- standard error
    ERROR: root module: module modules/<sha256>.wasm: was changed after the run
    hint: restore it from a copy
    --- exit 3

    $ coo --root into merge sound row
    --- standard error
    ERROR: root row: its database has content that the journals of its missions do not explain
    hint: a rollback, a restore or another program has changed it; take the root from a copy
    --- exit 3

    $ coo --root into merge sound format
    --- standard error
    ERROR: database format/coo.db: has format 7, this build reads 10
    hint: use the coo that wrote it, or another state root (--root)
    --- exit 1
    ");
    // With --json, the same is an object.
    let merged = at(&world, "into", &["merge", "artefact", "--json"]);
    assert_eq!(merged.code, 3);
    assert!(merged.stdout.contains("coo-error/1"), "{merged:?}");
}

#[test]
fn a_conflict_is_refused_until_a_side_is_named() {
    let world = {
        let other = ModelServer::answering(|_| Response::completion("another answer").into());
        let world = world(&other);
        run_in(&world, "b", "two");
        world
    };
    let server = server();
    let world = world.with("COO_LLM_BASE_URL", server.base_url());
    run_in(&world, "a", "one");
    let refused = at(&world, "all", &["merge", "a", "b"]);
    assert_snapshot!(shown("--root all merge a b", &refused), @"
    $ coo --root all merge a b
    --- standard error
    ERROR: artefact out/Report_v1.0.md: a has content <sha256…>, b has <sha256…>
    hint: and model call <sha256…> (time 1 in a run): a and b have different answers
    hint: '--prefer first' keeps what is here, else what the root has that is named first
    hint: '--prefer last' takes what the root has that is named last
    --- exit 3
    ");
    assert!(!world.path().join("all").exists());
    for (side, content, answer) in [
        ("first", "one", "12 letters"),
        ("last", "two", "another answer"),
    ] {
        let merged = at(&world, side, &["merge", "a", "b", "--prefer", side]);
        assert_eq!(merged.code, 0, "{merged:?}");
        let root = world.path().join(side);
        let written = std::fs::read_to_string(root.join("artefacts/out/Report_v1.0.md")).unwrap();
        assert_eq!(written, content);
        let checked = at(&world, side, &["artefacts", "check"]);
        assert_eq!(checked.code, 0, "{checked:?}");
        let store = rusqlite::Connection::open(root.join("coo.db")).unwrap();
        let frozen: String = store
            .query_row("SELECT answer FROM frozen_calls", [], |row| row.get(0))
            .unwrap();
        assert!(frozen.contains(answer), "{frozen}");
        for mission in ["1", "2"] {
            let replayed = at(&world, side, &["replay", mission]);
            assert_eq!(replayed.code, 0, "{replayed:?}");
        }
        let rows: u32 = world_of(&root)
            .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
            .unwrap();
        assert_eq!(rows, 2);
    }
    // What is replaced is kept.
    let merged = at(&world, "a", &["merge", "b", "--prefer", "last"]);
    assert_snapshot!(shown("--root a merge b --prefer last", &merged), @"
    $ coo --root a merge b --prefer last
    MISSION-000002  MISSION-000001 of b
    --- standard error
    [coo] merged: 1 mission (0 already here), 1 artefact, 1 frozen answer, 1 database change
    --- exit 0
    ");
    let aside = world.path().join("a/set-aside/000001/Report_v1.0.md");
    assert_eq!(std::fs::read_to_string(aside).unwrap(), "one");
    let checked = at(&world, "a", &["artefacts", "check"]);
    assert_eq!(checked.code, 0, "{checked:?}");
}

#[test]
fn a_mission_that_read_what_is_otherwise_here_stays() {
    let server = server();
    let world = world(&server);
    for root in ["a", "b"] {
        let actions = [
            ">CREATE TABLE IF NOT EXISTS t(n)",
            "<SELECT count(*) FROM t",
            ">INSERT INTO t VALUES(1)",
        ];
        world.file("counts.json", script(&actions).to_string());
        world.file(
            "free.json",
            script(&["!out/Same_v1.0.md\nsame"]).to_string(),
        );
        for mission in ["counts.json", "free.json"] {
            assert_eq!(at(&world, root, &["run", mission]).code, 0);
        }
    }
    let refused = at(&world, "all", &["merge", "a", "b"]);
    assert_snapshot!(shown("--root all merge a b", &refused), @r#"
    $ coo --root all merge a b
    --- standard error
    ERROR: root b: mission MISSION-000001: statement 'SELECT count(*) FROM t' had the answer {"ok":{"columns":["count(*)"],"rows":[[0]]}} there and has {"ok":{"columns":["count(*)"],"rows":[[1]]}} here
    hint: '--leave-out' leaves them where they are; run them again in this root
    --- exit 3
    "#);
    assert!(!world.path().join("all").exists());
    let merged = at(&world, "all", &["merge", "a", "b", "--leave-out"]);
    assert_snapshot!(shown("--root all merge a b --leave-out", &merged), @r#"
    $ coo --root all merge a b --leave-out
    MISSION-000001  MISSION-000001 of a
    MISSION-000002  MISSION-000002 of a
    MISSION-000003  MISSION-000002 of b
    --- standard error
    [coo] merged: 3 missions (0 already here), 1 artefact, 0 frozen answers, 1 database change
    [coo] left out: MISSION-000001 of b: statement 'SELECT count(*) FROM t' had the answer {"ok":{"columns":["count(*)"],"rows":[[0]]}} there and has {"ok":{"columns":["count(*)"],"rows":[[1]]}} here
    --- exit 0
    "#);
    let rows: u32 = world_of(&world.path().join("all"))
        .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 1);
}

/// Missions of a batch wait for a model while another root is merged into theirs.
#[test]
fn a_merge_into_a_root_at_work_moves_the_world_of_its_missions() {
    let (server, release) = ModelServer::holding(|| Response::completion("yes"));
    let world = world(&server);
    let row = [
        ">CREATE TABLE IF NOT EXISTS t(n)",
        ">INSERT INTO t VALUES(1)",
    ];
    world.file("row.json", script(&row).to_string());
    assert_eq!(at(&world, "a", &["run", "row.json"]).code, 0);
    let counts = [
        ">CREATE TABLE IF NOT EXISTS t(n)",
        "<SELECT count(*) FROM t",
        "?one",
        ">INSERT INTO t VALUES(2)",
    ];
    world.file("counts.json", script(&counts).to_string());
    let mut running = world.start(&["--root", "into", "run", "counts.json"]);
    server.wait_for_request(&mut running);
    let merged = at(&world, "into", &["merge", "a"]);
    assert_snapshot!(shown("--root into merge a", &merged), @"
    $ coo --root into merge a
    MISSION-000002  MISSION-000001 of a
    --- standard error
    [coo] merged: 1 mission (0 already here), 0 artefacts, 0 frozen answers, 1 database change
    --- exit 0
    ");
    release.send(()).unwrap();
    let running = ran(running.wait_with_output().unwrap());
    assert_eq!(running.code, 0, "{running:?}");
    assert_eq!(server.requests().len(), 1);
    let store = journal::open(&world.path().join("into"));
    let read: String = store
        .query_row(
            "SELECT body FROM events WHERE mission = 1 AND kind = 'db.query'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert!(read.contains("[[1]]"), "{read}");
    for mission in ["1", "2"] {
        let replayed = at(&world, "into", &["replay", mission]);
        assert_eq!(replayed.code, 0, "{replayed:?}");
    }
}

#[test]
fn a_root_that_others_work_on_or_that_is_none_is_refused() {
    let (server, release) = ModelServer::holding(|| Response::completion("yes"));
    let world = world(&server);
    world.file("asks.json", script(&["?one"]).to_string());
    let mut running = world.start(&["--root", "a", "run", "asks.json"]);
    server.wait_for_request(&mut running);
    let refused = at(&world, "all", &["merge", "a"]);
    assert_snapshot!(shown("--root all merge a", &refused), @"
    $ coo --root all merge a
    --- standard error
    ERROR: root a: another coo process is at work on it
    hint: wait for it, or stop it and resume its missions, then merge
    --- exit 1
    ");
    release.send(()).unwrap();
    let running = ran(running.wait_with_output().unwrap());
    assert_eq!(running.code, 0, "{running:?}");
    let mut said = Vec::new();
    for arguments in [
        &["merge", "nowhere"][..],
        &["merge", "a", "./a"],
        &["merge", "all", "a"],
        &["merge"],
    ] {
        let refused = at(&world, "all", arguments);
        let command = format!("--root all {}", arguments.join(" "));
        said.push(shown(&command, &refused));
    }
    assert_snapshot!(said.join("\n"), @"
    $ coo --root all merge nowhere
    --- standard error
    ERROR: no state root at nowhere
    hint: name folders that coo has made, such as another project's .coo
    --- exit 1

    $ coo --root all merge a ./a
    --- standard error
    ERROR: root ./a: named twice
    hint: name each root once, and not the one that is merged into (--root)
    --- exit 1

    $ coo --root all merge all a
    --- standard error
    ERROR: no state root at all
    hint: name folders that coo has made, such as another project's .coo
    --- exit 1

    $ coo --root all merge
    --- standard error
    ERROR: the following required arguments were not provided:
      <ROOT>...

    Usage: coo merge <ROOT>...

    For more information, try '--help'.
    --- exit 2
    ");
    assert!(!world.path().join("all").exists());
}
