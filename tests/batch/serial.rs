//! Random missions that read and write the same rows and artefacts and ask the same questions, all at
//! once and one after the other: what they leave is equal, byte for byte. Only what a mission pays may
//! differ, since it may have asked before it learns that it should not have.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};

use super::{list, results, server, world};
use crate::support::every;
use crate::support::remains::Remains;

/// One thing that a mission does.
fn action() -> impl Strategy<Value = String> {
    let key = 0..4_u8;
    let text = "[a-c]{1,2}";
    prop_oneof![
        key.clone().prop_map(|key| format!("<SELECT n, text FROM t WHERE id = {key}")),
        Just("<SELECT count(*), sum(n) FROM t".to_owned()),
        (key.clone(), text).prop_map(|(key, text)| format!(
            ">INSERT INTO t VALUES({key}, 1, '{text}') ON CONFLICT(id) DO UPDATE SET n = n + 1, text = text || '{text}'"
        )),
        key.prop_map(|key| format!(">DELETE FROM t WHERE id = {key}")),
        text.prop_map(|text| format!("?{text}")),
        ("[a-b]", text).prop_map(|(name, text)| format!("!{name}_v1.0.md\n{text}")),
    ]
}

const TABLE: &str = ">CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, n INTEGER, text TEXT)";

fn missions() -> impl Strategy<Value = Vec<Vec<String>>> {
    let mission = proptest::collection::vec(action(), 1..7).prop_map(|mut actions| {
        actions.insert(0, TABLE.to_owned());
        actions
    });
    proptest::collection::vec(mission, 2..20)
}

#[test]
fn missions_at_once_leave_what_they_leave_one_after_the_other() {
    let cases = u32::try_from(48 / every(6)).unwrap();
    let mut runner = TestRunner::new(Config {
        cases,
        rng_seed: RngSeed::Fixed(7),
        failure_persistence: None,
        ..Config::default()
    });
    let outcome = runner.run(&missions(), |missions| {
        let run = |jobs: &str| {
            let server = server();
            let world = world(&server);
            list(&world, "list.jsonl", &missions);
            let ran = world.coo(&["batch", "list.jsonl", "-j", jobs]);
            let lines: Vec<_> = results(&ran.stdout)
                .into_iter()
                .map(|mut line| {
                    line["elapsed_ms"] = 0.into();
                    line["cost_micros"] = 0.into();
                    line
                })
                .collect();
            let asked = server.requests().len();
            (ran.code, lines, asked, Remains::of(&world.root()))
        };
        let (code, lines, asked, remains) = run("1");
        prop_assert!(code == 0 || code == 1);
        prop_assert_eq!(lines.len(), missions.len());
        let at_once = run("16");
        prop_assert_eq!(&at_once.1, &lines);
        prop_assert_eq!(at_once.3.of_missions(), remains.of_missions());
        prop_assert_eq!(at_once.0, code);
        // A mission that would have failed before its question may have asked it.
        prop_assert!(at_once.2 >= asked);
        Ok(())
    });
    outcome.unwrap();
}
