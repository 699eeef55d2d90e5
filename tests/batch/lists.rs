//! Lists of a batch: missions, rows, patterns, shards; what is wrong with one; results and report.

use insta::assert_snapshot;
use serde_json::json;

use super::{list, results, script, server, untimed, world};
use crate::support::{shown, steady};

#[test]
fn a_list_runs_in_order_and_says_how_each_mission_ended() {
    let server = server();
    let world = world(&server);
    let lines = [
        script(&["?Hello"]).to_string(),
        json!({"mission": "demo", "id": "shipped"}).to_string(),
        String::new(),
        script(&["<SELECT 1 FROM nowhere"]).to_string(),
        // The first one's question.
        script(&["?Hello", ">CREATE TABLE t(n)"]).to_string(),
    ];
    world.file("list.jsonl", lines.join("\n"));
    let ran = world.coo(&["batch", "list.jsonl", "--json", "--junit", "report.xml"]);
    assert_snapshot!(untimed(&steady(&shown("batch list.jsonl --json --junit report.xml", &ran))), @"");
    assert_eq!(server.requests().len(), 1);
    let report = std::fs::read_to_string(world.path().join("report.xml")).unwrap();
    assert_snapshot!(untimed(&steady(&report)), @"");
    // Each is a mission like others.
    let missions = world.list(&["missions"]);
    assert_eq!(missions.as_array().unwrap().len(), 4);
    assert_eq!(world.coo(&["replay", "4"]).code, 0);
}

#[test]
fn rows_take_the_place_of_the_input() {
    let server = server();
    let world = world(&server);
    world.file("ask.json", script(&["?nothing"]).to_string());
    world.file("rows.jsonl", "\"?one\"\n\"?two words\"\n");
    let ran = world.coo(&["batch", "ask.json", "--inputs", "rows.jsonl"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let outputs: Vec<_> = results(&ran.stdout)
        .iter()
        .map(|line| line["output"].clone())
        .collect();
    assert_eq!(outputs, ["?one", "?two words"]);
    world.file("rows.csv", "name,text\nAda,\"a, b\"\n");
    let ran = world.coo(&["batch", "ask.json", "--inputs", "rows.csv"]);
    assert_eq!(
        results(&ran.stdout)[0]["output"],
        r#"{"name":"Ada","text":"a, b"}"#
    );
}

#[test]
fn every_bad_line_is_told_and_nothing_runs() {
    let server = server();
    let world = world(&server);
    let lines = ["{\"mission\": 1}", "{", &script(&["?a"]).to_string(), "[]"];
    world.file("list.jsonl", lines.join("\n"));
    let ran = world.coo(&["batch", "list.jsonl"]);
    assert_snapshot!(shown("batch list.jsonl", &ran), @"");
    world.file(
        "list.jsonl",
        "{\"mission\": \"missing.json\"}\n{\"mission\": \"demo\"}",
    );
    let ran = world.coo(&["batch", "list.jsonl"]);
    assert_snapshot!(shown("batch list.jsonl", &ran), @"");
    assert_eq!(world.coo(&["missions"]).stdout, "");
    for arguments in [
        &["batch"][..],
        &["batch", "list.jsonl", "--shard", "3/2"],
        &["batch", "list.jsonl", "-j", "0"],
        &["batch", "--glob", "none/*.json"],
        &["resume", "--batch", "7"],
    ] {
        let ran = world.coo(arguments);
        assert!(ran.code == 1 || ran.code == 2, "{ran:?}");
        assert_eq!(ran.stdout, "", "{ran:?}");
    }
}

#[test]
fn shards_have_the_whole_list_and_keep_its_numbers() {
    let server = server();
    let missions: Vec<_> = (0..7)
        .map(|n| vec![format!("?{}", "a".repeat(n))])
        .collect();
    let mut all = Vec::new();
    for shard in ["1/3", "2/3", "3/3"] {
        let world = world(&server);
        list(&world, "list.jsonl", &missions);
        let ran = world.coo(&["batch", "list.jsonl", "--shard", shard]);
        assert_eq!(ran.code, 0, "{ran:?}");
        all.extend(results(&ran.stdout).into_iter().map(|line| {
            (
                line["index"].as_u64().unwrap(),
                line["output"].as_str().unwrap().len(),
            )
        }));
    }
    all.sort_unstable();
    let expected: Vec<_> = (1..=7).zip(1..=7).collect();
    assert_eq!(all, expected);
}

#[test]
fn a_pattern_names_descriptors_in_the_order_of_their_paths() {
    let server = server();
    let world = world(&server);
    for name in ["b", "a", "c"] {
        world.file(
            &format!("{name}.json"),
            script(&[format!("?{name}")]).to_string(),
        );
    }
    let ran = world.coo(&["batch", "--glob", "[ab].json"]);
    let outputs: Vec<_> = results(&ran.stdout)
        .iter()
        .map(|line| line["output"].clone())
        .collect();
    assert_eq!(outputs, ["?a", "?b"]);
}
