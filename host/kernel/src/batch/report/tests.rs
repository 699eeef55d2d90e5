//! The exact texts of results, summary and report, and that no text of others breaks them.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn result(index: u64, status: Outcome) -> MissionResult {
    MissionResult {
        index,
        id: None,
        mission: Some(MissionId::new(u32::try_from(index).unwrap(), "T")),
        status,
        reason: None,
        output: None,
        chain_head: None,
        fuel: 10,
        tokens_in: 3,
        tokens_out: 2,
        cost_micros: Some(Micros(7)),
        elapsed_ms: 1_500,
    }
}

fn about() -> About {
    About {
        list_sha256: Digest::of(""),
        shard: None,
        currency: "USD".to_owned(),
        budget: Limit {
            micros: Some(Micros(5_000_000)),
            tokens: None,
        },
        spent: Spent::default(),
        elapsed_ms: 2_000,
    }
}

#[test]
fn a_result_is_a_line_with_its_format_in_front() {
    let success = MissionResult {
        id: Some("a".to_owned()),
        output: Some("x\n\u{202e}y".to_owned()),
        chain_head: Some(Digest::of("")),
        ..result(1, Outcome::Success)
    };
    assert_eq!(
        success.line(),
        concat!(
            r#"{"format":"coo-batch-result/1","index":1,"id":"a","mission":"MISSION-000001","#,
            r#""status":"SUCCESS","reason":null,"output":"x\n\u202ey","#,
            r#""chain_head":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","#,
            r#""fuel":10,"tokens_in":3,"tokens_out":2,"cost_micros":7,"elapsed_ms":1500}"#
        )
    );
    let refused = MissionResult {
        mission: None,
        ..result(2, Outcome::Refused)
    };
    let read: Value = serde_json::from_str(&refused.line()).unwrap();
    assert_eq!(
        (&read["status"], &read["mission"]),
        (&json!("REFUSED"), &Value::Null)
    );
}

#[test]
fn a_summary_counts_and_adds_up() {
    let mut results = vec![
        result(1, Outcome::Success),
        result(2, Outcome::Failed),
        result(3, Outcome::Paused),
        result(4, Outcome::Success),
    ];
    let summary = Summary::of(&results, about());
    assert_eq!(
        summary.line(),
        concat!(
            r#"{"format":"coo-batch/1","missions":4,"counts":{"success":2,"failed":1,"paused":1,"#,
            r#""interrupted":0,"refused":0},"fuel":40,"tokens_in":12,"tokens_out":8,"#,
            r#""cost_micros":28,"#,
            r#""list_sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","#,
            r#""shard":null,"currency":"USD","budget":{"micros":5000000},"#,
            r#""spent":{"micros":0,"tokens_in":0,"tokens_out":0},"elapsed_ms":2000}"#
        )
    );
    results[0].cost_micros = None;
    assert_eq!(Summary::of(&results, about()).cost_micros, None);
}

#[test]
fn a_failure_counts_more_than_what_can_be_resumed_and_that_more_than_a_question() {
    use Outcome::{Failed, Interrupted, Paused, Refused, Success};
    for (statuses, exit) in [
        (&[][..], Exit::Done),
        (&[Success, Success], Exit::Done),
        (&[Success, Paused], Exit::Waits),
        (&[Paused, Interrupted], Exit::Stopped),
        (&[Interrupted, Failed], Exit::Failed),
        (&[Paused, Refused], Exit::Failed),
    ] {
        let results: Vec<_> = statuses.iter().map(|status| result(1, *status)).collect();
        assert_eq!(Summary::of(&results, about()).exit(), exit, "{statuses:?}");
    }
}

#[test]
fn a_failure_is_one_line() {
    let told = |status, id: Option<&str>, reason: Option<&str>| {
        MissionResult {
            id: id.map(str::to_owned),
            reason: reason.map(str::to_owned),
            ..result(12, status)
        }
        .failure_line()
    };
    assert_eq!(told(Outcome::Success, None, None), None);
    assert_eq!(
        told(
            Outcome::Failed,
            Some("Anna"),
            Some("limit hit:\n\u{1b}[2Jfuel")
        )
        .unwrap(),
        "12 (Anna): MISSION-000012 FAILED: limit hit:\\n\\u{1b}[2Jfuel"
    );
    let refused = MissionResult {
        mission: None,
        ..result(3, Outcome::Refused)
    };
    assert_eq!(
        refused.failure_line().unwrap(),
        "3: REFUSED: no reason given"
    );
}

#[test]
fn a_report_has_a_case_for_each_mission() {
    let results = [
        MissionResult {
            id: Some("a & <b>".to_owned()),
            chain_head: Some(Digest::of("")),
            ..result(1, Outcome::Success)
        },
        MissionResult {
            reason: Some("said \"no\"\nand\tended\0\u{ffff}".to_owned()),
            ..result(2, Outcome::Failed)
        },
        MissionResult {
            mission: None,
            reason: Some("no file x.json".to_owned()),
            ..result(3, Outcome::Refused)
        },
        result(4, Outcome::Paused),
    ];
    let expected = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="coo batch" tests="4" skipped="1" failures="1" errors="1" time="2.500">
    <testsuite name="list.jsonl" tests="4" skipped="1" errors="1" failures="1" time="2.500">
        <testcase name="a &amp; &lt;b&gt;" classname="list.jsonl" time="1.500">
            <properties>
                <property name="mission" value="MISSION-000001"/>
                <property name="chain_head" value="e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"/>
            </properties>
        </testcase>
        <testcase name="mission 2" classname="list.jsonl" time="1.500">
            <properties>
                <property name="mission" value="MISSION-000002"/>
            </properties>
            <failure message="said &quot;no&quot;\nand\tended\0\u{ffff}" type="FAILED">said &quot;no&quot;\nand\tended\0\u{ffff}</failure>
        </testcase>
        <testcase name="mission 3" classname="list.jsonl" time="1.500">
            <error message="no file x.json" type="REFUSED">no file x.json</error>
        </testcase>
        <testcase name="mission 4" classname="list.jsonl" time="1.500">
            <properties>
                <property name="mission" value="MISSION-000004"/>
            </properties>
            <skipped type="PAUSED"/>
        </testcase>
    </testsuite>
</testsuites>
"#;
    assert_eq!(junit("list.jsonl", &results, 2_500).unwrap(), expected);
}

fn any_result() -> impl Strategy<Value = MissionResult> {
    let status = prop_oneof![
        Just(Outcome::Success),
        Just(Outcome::Failed),
        Just(Outcome::Paused),
        Just(Outcome::Interrupted),
        Just(Outcome::Refused),
    ];
    let text = || prop::option::of(prop::collection::vec(any::<char>(), 0..12));
    (1_u64..1_000, status, text(), text(), text()).prop_map(
        |(index, status, id, reason, output)| {
            let text = |characters: Option<Vec<char>>| characters.map(String::from_iter);
            MissionResult {
                id: text(id),
                reason: text(reason),
                output: text(output),
                ..result(index, status)
            }
        },
    )
}

proptest! {
    #[test]
    fn no_text_breaks_a_line(result in any_result()) {
        let line = result.line();
        prop_assert!(!line.chars().any(plain::misleads), "{}", line);
        let read: Value = serde_json::from_str(&line).unwrap();
        let expected = serde_json::to_value(&result).unwrap();
        for (name, value) in expected.as_object().unwrap() {
            prop_assert_eq!(&read[name], value);
        }
        prop_assert_eq!(&read["format"], RESULT_FORMAT);
        if let Some(line) = result.failure_line() {
            prop_assert!(!line.chars().any(plain::misleads), "{}", line);
        }
    }

    #[test]
    fn no_text_breaks_a_report(results in prop::collection::vec(any_result(), 0..12), name: String) {
        let text = junit(&name, &results, 5).unwrap();
        // XML 1.0 has no place for these, escaped or not.
        let permitted = |c: char| c == '\n' || (c >= ' ' && !matches!(c, '\u{fffe}' | '\u{ffff}'));
        prop_assert!(text.chars().all(permitted), "{}", text);
        let report = Report::deserialize_from_str(&text).unwrap();
        let summary = Summary::of(&results, about());
        let wide = |number: usize| number as u64;
        prop_assert_eq!(wide(report.tests), summary.missions);
        prop_assert_eq!(wide(report.failures), summary.counts.failed);
        let errors = summary.counts.interrupted + summary.counts.refused;
        prop_assert_eq!(wide(report.errors), errors);
        let skipped = summary.counts.paused;
        prop_assert_eq!(wide(report.skipped), skipped);
        let cases = &report.test_suites[0].test_cases;
        prop_assert_eq!(cases.len(), results.len());
        for (case, result) in cases.iter().zip(&results) {
            if let Some(id) = &result.id {
                prop_assert_eq!(case.name.as_str(), one_line(id));
            }
        }
    }
}
