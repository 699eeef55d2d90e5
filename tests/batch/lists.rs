//! Lists of a batch: missions, rows, patterns, shards; what is wrong with one; results and report.

use insta::assert_snapshot;
use serde_json::json;

use super::{list, results, script, server, untimed, world};
use crate::support::model_server::{ModelServer, Response};
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
    assert_snapshot!(untimed(&steady(&shown("batch list.jsonl --json --junit report.xml", &ran))), @r#"
    $ coo batch list.jsonl --json --junit report.xml
    {"format":"coo-batch-result/1","index":1,"id":null,"mission":"MISSION-000001","status":"SUCCESS","reason":null,"output":"?Hello","chain_head":"<sha256>","fuel":91,"tokens_in":3,"tokens_out":2,"cost_micros":null,"elapsed_ms":0}
    {"format":"coo-batch-result/1","index":2,"id":"shipped","mission":"DEMO-000002","status":"SUCCESS","reason":null,"output":"MailSort is a small service that helps support teams to sort their emails. The service uses a language model to read each message and decide whether it's about billing, a technical problem, or something else. Messages about billing are sent to the finance team, while messages about technical problems are sent to the engineers. All other messages go to the general inbox. The service runs on a single server and sorts about two thousand messages a day. Customer data never leaves the company.","chain_head":"<sha256>","fuel":62548,"tokens_in":204,"tokens_out":94,"cost_micros":0,"elapsed_ms":0}
    {"format":"coo-batch-result/1","index":3,"id":null,"mission":"MISSION-000003","status":"FAILED","reason":"guest error: <SELECT 1 FROM nowhere","output":"","chain_head":"<sha256>","fuel":70,"tokens_in":0,"tokens_out":0,"cost_micros":0,"elapsed_ms":0}
    {"format":"coo-batch-result/1","index":4,"id":null,"mission":"MISSION-000004","status":"SUCCESS","reason":null,"output":">CREATE TABLE t(n)","chain_head":"<sha256>","fuel":153,"tokens_in":3,"tokens_out":2,"cost_micros":0,"elapsed_ms":0}
    {"format":"coo-batch/1","missions":4,"counts":{"success":3,"failed":1,"paused":0,"interrupted":0,"refused":0},"fuel":62862,"tokens_in":210,"tokens_out":98,"cost_micros":null,"list_sha256":"<sha256>","shard":null,"currency":"USD","budget":{},"spent":{"micros":0,"tokens_in":3,"tokens_out":2},"elapsed_ms":0}
    --- standard error
    [coo] batch 1: 4 missions, 16 in flight
    [coo] model calls go to http://127.0.0.1:<port>, named by the environment, without a key
    [coo] 3: MISSION-000003 FAILED: guest error: <SELECT 1 FROM nowhere
    [coo] batch 1: 4 missions: 3 SUCCESS, 1 FAILED, 210 tokens in, 98 out, 0 s
    --- exit 1
    "#);
    assert_eq!(server.requests().len(), 1);
    let report = std::fs::read_to_string(world.path().join("report.xml")).unwrap();
    assert_snapshot!(untimed(&steady(&report)), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="coo batch" tests="4" skipped="0" failures="1" errors="0" time="0">
        <testsuite name="coo batch list.jsonl" tests="4" skipped="0" errors="0" failures="1" time="0">
            <testcase name="mission 1" classname="coo batch list.jsonl" time="0">
                <properties>
                    <property name="mission" value="MISSION-000001"/>
                    <property name="chain_head" value="<sha256>"/>
                </properties>
            </testcase>
            <testcase name="shipped" classname="coo batch list.jsonl" time="0">
                <properties>
                    <property name="mission" value="DEMO-000002"/>
                    <property name="chain_head" value="<sha256>"/>
                </properties>
            </testcase>
            <testcase name="mission 3" classname="coo batch list.jsonl" time="0">
                <properties>
                    <property name="mission" value="MISSION-000003"/>
                    <property name="chain_head" value="<sha256>"/>
                </properties>
                <failure message="guest error: &lt;SELECT 1 FROM nowhere" type="FAILED">guest error: &lt;SELECT 1 FROM nowhere</failure>
            </testcase>
            <testcase name="mission 4" classname="coo batch list.jsonl" time="0">
                <properties>
                    <property name="mission" value="MISSION-000004"/>
                    <property name="chain_head" value="<sha256>"/>
                </properties>
            </testcase>
        </testsuite>
    </testsuites>
    "#);
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
    assert_snapshot!(shown("batch list.jsonl", &ran), @"
    $ coo batch list.jsonl
    --- standard error
    ERROR: list list.jsonl: line 1: mission: 1 found; a text needed
    hint: and line 2: not JSON: EOF while parsing an object at column 1
    hint: and line 4: a list found; an object needed
    hint: see docs/batch.md for the form of a list
    --- exit 1
    ");
    world.file(
        "list.jsonl",
        "{\"mission\": \"missing.json\"}\n{\"mission\": \"demo\"}",
    );
    let ran = world.coo(&["batch", "list.jsonl"]);
    assert_snapshot!(shown("batch list.jsonl", &ran), @"
    $ coo batch list.jsonl
    --- standard error
    ERROR: list list.jsonl: line 1: descriptor: missing.json: can't be opened: No such file or directory (os error 2)
    --- exit 1
    ");
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

/// More output than may wait in memory comes from the record when its turn has come.
#[test]
fn large_results_wait_for_a_slow_mission_and_come_in_order() {
    let (server, release) = ModelServer::holding(|| Response::completion("yes"));
    let world = world(&server);
    let large: Vec<String> = (0..20)
        .map(|n| format!("{{{n} {}", "x".repeat(900_000)))
        .collect();
    let mut missions = vec![vec!["?slow".to_owned()]];
    missions.extend(large.iter().map(|text| vec![text.clone()]));
    list(&world, "list.jsonl", &missions);
    let out = std::fs::File::create(world.path().join("results.jsonl")).unwrap();
    let mut batch = world
        .command(&["batch", "list.jsonl"])
        .stdout(out)
        .spawn()
        .unwrap();
    server.wait_for_request(&mut batch);
    let ended = || {
        world
            .database("coo.db")
            .query_row(
                "SELECT count(*) FROM missions WHERE finished_ms IS NOT NULL",
                [],
                |row| row.get(0),
            )
            .is_ok_and(|ended: usize| ended == large.len())
    };
    while !ended() {
        assert_eq!(batch.try_wait().unwrap(), None);
        std::thread::yield_now();
    }
    release.send(()).unwrap();
    assert!(batch.wait().unwrap().success());
    let lines = results(&std::fs::read_to_string(world.path().join("results.jsonl")).unwrap());
    let outputs: Vec<&str> = lines
        .iter()
        .map(|line| line["output"].as_str().unwrap())
        .collect();
    assert_eq!(outputs[0], "?slow");
    assert!(outputs[1..] == large, "an output is lost or changed");
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
