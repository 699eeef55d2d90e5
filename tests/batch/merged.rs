//! Shards of a list in roots of their own, merged: the root holds what the whole batch leaves, whatever
//! the missions are called, and every mission replays. Merging twice adds nothing.

use std::path::Path;

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{list, results, script, server, world};
use crate::support::remains::Remains;
use crate::support::{Ran, World, ran, shown, steady};

/// Runs `coo --root ROOT ARGUMENTS`.
pub fn at(world: &World, root: &str, arguments: &[&str]) -> Ran {
    world.coo(&[&["--root", root], arguments].concat())
}

/// Missions that use everything, and do not need each other.
fn missions() -> Vec<Vec<String>> {
    (0..7)
        .map(|n| {
            vec![
                ">CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, text TEXT)".to_owned(),
                format!("?question {}", "x".repeat(n)),
                format!(">INSERT INTO t VALUES({n}, 'row {n}')"),
                format!("<SELECT text FROM t WHERE id = {n}"),
                format!("!out/R{n}_v1.0.md\ncontent {n}"),
            ]
        })
        .collect()
}

/// Replays every mission of a root.
fn replay_all(world: &World, root: &str) -> usize {
    let all = at(world, root, &["missions", "--json"]);
    let all: Value = serde_json::from_str(&all.stdout).unwrap();
    let all = all["missions"].as_array().unwrap();
    for mission in all {
        let id = mission["id"].as_str().unwrap();
        let replayed = at(world, root, &["replay", id]);
        assert_eq!(replayed.code, 0, "{replayed:?}");
    }
    all.len()
}

#[test]
fn three_shards_merged_are_the_whole_batch() {
    let server = server();
    let whole = {
        let world = world(&server);
        list(&world, "list.jsonl", &missions());
        let ran = world.coo(&["batch", "list.jsonl"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        (
            results(&ran.stdout),
            Remains::of(&world.root()).unnumbered(),
        )
    };
    let world = world(&server);
    list(&world, "list.jsonl", &missions());
    let shards = ["1", "2", "3"].map(|n| {
        let (root, shard) = (format!("root-{n}"), format!("{n}/3"));
        world.start(&["--root", &root, "batch", "list.jsonl", "--shard", &shard])
    });
    let mut lines = Vec::new();
    for shard in shards {
        let ran = ran(shard.wait_with_output().unwrap());
        assert_eq!(ran.code, 0, "{ran:?}");
        lines.extend(results(&ran.stdout));
    }
    let sources = ["root-1", "root-2", "root-3"];
    let before = sources.map(|root| Remains::of(&world.path().join(root)));
    let merged = at(&world, "all", &["merge", "root-1", "root-2", "root-3"]);
    assert_snapshot!(shown("--root all merge root-1 root-2 root-3", &merged), @"
    $ coo --root all merge root-1 root-2 root-3
    MISSION-000001  MISSION-000001 of root-1
    MISSION-000002  MISSION-000002 of root-1
    MISSION-000003  MISSION-000003 of root-1
    MISSION-000004  MISSION-000001 of root-2
    MISSION-000005  MISSION-000002 of root-2
    MISSION-000006  MISSION-000001 of root-3
    MISSION-000007  MISSION-000002 of root-3
    --- standard error
    [coo] merged: 7 missions (0 already here), 7 artefacts, 7 frozen answers, 7 database changes
    --- exit 0
    ");
    assert_eq!(Remains::of(&world.path().join("all")).unnumbered(), whole.1);
    assert_eq!(
        sources.map(|root| Remains::of(&world.path().join(root))),
        before
    );
    assert_eq!(replay_all(&world, "all"), 7);
    let checked = at(&world, "all", &["artefacts", "check"]);
    assert_eq!(checked.code, 0, "{checked:?}");
    // The results are those of the whole batch, in the order of their places.
    lines.sort_by_key(|line| line["index"].as_u64());
    let result = |line: &Value| {
        ["index", "status", "output", "chain_head", "fuel"].map(|field| line[field].clone())
    };
    let of = |lines: &[Value]| -> Vec<_> { lines.iter().map(result).collect() };
    assert_eq!(of(&lines), of(&whole.0));
    // Nothing is asked again: the answers came along.
    let asked = server.requests().len();
    let again = at(&world, "all", &["batch", "list.jsonl", "--frozen"]);
    assert_eq!(results(&again.stdout).len(), 7);
    assert_eq!(server.requests().len(), asked);
}

#[test]
fn merging_twice_adds_nothing() {
    let server = server();
    let world = world(&server);
    list(&world, "list.jsonl", &missions()[..3]);
    for root in ["a", "b"] {
        assert_eq!(at(&world, root, &["run-demo"]).code, 0);
    }
    assert_eq!(at(&world, "b", &["batch", "list.jsonl"]).code, 0);
    let first = at(&world, "all", &["merge", "a", "b"]);
    assert_eq!(first.code, 0, "{first:?}");
    let remains = |root: &str| Remains::of(&world.path().join(root));
    let (all, b) = (remains("all"), remains("b"));
    let again = at(&world, "all", &["merge", "b", "a"]);
    assert_snapshot!(shown("--root all merge b a", &again), @"
    $ coo --root all merge b a
    DEMO-000005  DEMO-000001 of b, already here
    MISSION-000002  MISSION-000002 of b, already here
    MISSION-000003  MISSION-000003 of b, already here
    MISSION-000004  MISSION-000004 of b, already here
    DEMO-000001  DEMO-000001 of a, already here
    --- standard error
    [coo] merged: 0 missions (5 already here), 0 artefacts, 0 frozen answers, 0 database changes
    --- exit 0
    ");
    assert_eq!(remains("all"), all);
    assert_eq!(remains("b"), b);
    // A merged root is a root like others, and can be merged.
    let onwards = at(&world, "more", &["merge", "all", "a", "--json"]);
    assert_eq!(onwards.code, 0, "{onwards:?}");
    assert_snapshot!(steady(&onwards.stdout), @r#"
    {
      "format": "coo-merge/1",
      "missions": [
        {
          "root": "all",
          "mission": "DEMO-000001",
          "merged_as": "DEMO-000001",
          "already_there": false
        },
        {
          "root": "all",
          "mission": "MISSION-000002",
          "merged_as": "MISSION-000002",
          "already_there": false
        },
        {
          "root": "all",
          "mission": "MISSION-000003",
          "merged_as": "MISSION-000003",
          "already_there": false
        },
        {
          "root": "all",
          "mission": "MISSION-000004",
          "merged_as": "MISSION-000004",
          "already_there": false
        },
        {
          "root": "all",
          "mission": "DEMO-000005",
          "merged_as": "DEMO-000005",
          "already_there": false
        },
        {
          "root": "a",
          "mission": "DEMO-000001",
          "merged_as": "DEMO-000001",
          "already_there": true
        }
      ],
      "left_out": [],
      "artefacts": 3,
      "frozen_answers": 3,
      "database_changes": 3
    }
    "#);
    assert_eq!(remains("more").unnumbered(), all.unnumbered());
    assert_eq!(replay_all(&world, "more"), 5);
}

/// Both roots have seen a table with the same rows, and each adds its own.
#[test]
fn roots_with_a_common_beginning_are_merged_by_what_they_added() {
    let server = server();
    let world = world(&server);
    world.file(
        "table.json",
        script(&[">CREATE TABLE t(id INTEGER PRIMARY KEY)"]).to_string(),
    );
    assert_eq!(at(&world, "a", &["run", "table.json"]).code, 0);
    crate::support::copy_folder(&world.path().join("a"), &world.path().join("b"));
    for (root, row) in [("a", "1"), ("b", "2")] {
        let row = format!(">INSERT INTO t VALUES({row})");
        let name = format!("{root}.json");
        world.file(&name, script(&[row]).to_string());
        assert_eq!(at(&world, root, &["run", &name]).code, 0);
    }
    let merged = at(&world, "a", &["merge", "b"]);
    assert_snapshot!(shown("--root a merge b", &merged), @"
    $ coo --root a merge b
    MISSION-000001  MISSION-000001 of b, already here
    MISSION-000003  MISSION-000002 of b
    --- standard error
    [coo] merged: 1 mission (1 already here), 0 artefacts, 0 frozen answers, 1 database change
    --- exit 0
    ");
    let rows: i64 = world_of(&world.path().join("a"))
        .query_row("SELECT sum(id) FROM t", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 3);
}

pub fn world_of(root: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(root.join("world.db")).unwrap()
}

#[test]
fn what_has_not_ended_stays_until_it_has() {
    let failing = crate::support::model_server::ModelServer::answering(|_| {
        crate::support::model_server::Response::json(401, r#"{"error":{"message":"no"}}"#).into()
    });
    let world = world(&failing);
    world.file("asks.json", script(&["?a question"]).to_string());
    world.file(
        "fails.json",
        script(&["<SELECT 1 FROM nowhere"]).to_string(),
    );
    assert_eq!(at(&world, "a", &["run", "asks.json"]).code, 5);
    assert_eq!(at(&world, "a", &["run", "fails.json"]).code, 1);
    let mut asks_a_person = script(&["!Draft_v1.0.md\ndraft"]);
    let question = json!({"id": "sign-off", "human": {"ask": "Is the draft fit to publish?"}});
    asks_a_person["steps"]
        .as_array_mut()
        .unwrap()
        .push(question);
    world.file("person.json", asks_a_person.to_string());
    assert_eq!(at(&world, "a", &["run", "person.json"]).code, 4);
    let refused = at(&world, "all", &["merge", "a"]);
    assert_snapshot!(shown("--root all merge a", &refused), @"
    $ coo --root all merge a
    --- standard error
    ERROR: root a: mission MISSION-000001 has not ended
    hint: and mission MISSION-000003 waits for a person
    hint: 'coo --root a resume MISSION-000001' continues it
    hint: '--leave-out' leaves them where they are; a later merge takes them
    --- exit 3
    ");
    assert!(!world.path().join("all").exists());
    let merged = at(&world, "all", &["merge", "a", "--leave-out"]);
    assert_snapshot!(shown("--root all merge a --leave-out", &merged), @"
    $ coo --root all merge a --leave-out
    MISSION-000002  MISSION-000002 of a
    --- standard error
    [coo] merged: 1 mission (0 already here), 0 artefacts, 0 frozen answers, 0 database changes
    [coo] left out: MISSION-000001 of a: has not ended
    [coo] left out: MISSION-000003 of a: waits for a person
    --- exit 0
    ");
    drop(failing);
    let server = server();
    let base_url = server.base_url();
    let resumed = world.coo_with(
        &["--root", "a", "resume", "1"],
        "COO_LLM_BASE_URL",
        &base_url,
    );
    assert_eq!(resumed.code, 0, "{resumed:?}");
    let refused = at(&world, "all", &["merge", "a"]);
    assert_snapshot!(shown("--root all merge a", &refused), @"
    $ coo --root all merge a
    --- standard error
    ERROR: root a: mission MISSION-000003 waits for a person
    hint: 'coo --root a approve MISSION-000003' continues it, 'coo --root a reject MISSION-000003' ends it
    hint: '--leave-out' leaves them where they are; a later merge takes them
    --- exit 3
    ");
    assert_eq!(at(&world, "a", &["approve", "3"]).code, 0);
    let merged = at(&world, "all", &["merge", "a"]);
    assert_snapshot!(shown("--root all merge a", &merged), @"
    $ coo --root all merge a
    MISSION-000001  MISSION-000001 of a
    MISSION-000002  MISSION-000002 of a, already here
    MISSION-000003  MISSION-000003 of a
    --- standard error
    [coo] merged: 2 missions (1 already here), 1 artefact, 1 frozen answer, 0 database changes
    --- exit 0
    ");
    assert_eq!(replay_all(&world, "all"), 3);
    let draft = world.path().join("all/artefacts/Draft_v1.0.md");
    assert_eq!(std::fs::read_to_string(draft).unwrap(), "draft");
}
