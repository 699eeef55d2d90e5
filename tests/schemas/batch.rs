//! The documents of a batch fit their schemas: what the kernel writes, and every line of a list that
//! it reads. What the schema of a list refuses, the kernel refuses.

use coo_kernel::batch::budget::{Limit, Spent};
use coo_kernel::batch::list::List;
use coo_kernel::batch::report::{
    About, MissionResult, Outcome, RESULT_FORMAT, SUMMARY_FORMAT, Summary,
};
use coo_kernel::form::digest::Digest;
use coo_kernel::llm::prices::Micros;
use coo_kernel::mission::MissionId;
use serde_json::{Value, json};

use crate::support::schema::{must_fit, problems};

const OUTCOMES: [Outcome; 5] = [
    Outcome::Success,
    Outcome::Failed,
    Outcome::Paused,
    Outcome::Interrupted,
    Outcome::Refused,
];

fn results() -> Vec<MissionResult> {
    let result = |(index, status): (u32, Outcome)| {
        let has = |what: &str| (index % 2 == 1).then(|| format!("{what}\u{202e}"));
        MissionResult {
            index: index.into(),
            id: has("label"),
            mission: (index < 5).then(|| MissionId::new(index, "T")),
            status,
            reason: has("reason"),
            output: has("output"),
            chain_head: (index < 4).then(|| Digest::of("")),
            fuel: u64::MAX,
            tokens_in: 1,
            tokens_out: 0,
            cost_micros: (index < 3).then_some(Micros(7)),
            elapsed_ms: 5,
        }
    };
    (1..).zip(OUTCOMES).map(result).collect()
}

#[test]
fn results_and_summary_fit_their_schemas() {
    for result in results() {
        must_fit(
            RESULT_FORMAT,
            &serde_json::from_str(&result.line()).unwrap(),
        );
    }
    for (shard, tokens) in [(None, None), (Some("2/8".to_owned()), Some(9))] {
        let about = About {
            list_sha256: Digest::of(""),
            shard,
            currency: "USD".to_owned(),
            budget: Limit {
                micros: tokens.map(Micros),
                tokens,
            },
            spent: Spent::default(),
            elapsed_ms: 1,
        };
        let summary = Summary::of(&results(), about);
        must_fit(
            SUMMARY_FORMAT,
            &serde_json::from_str(&summary.line()).unwrap(),
        );
    }
    let mut wrong: Value = serde_json::from_str(&results()[0].line()).unwrap();
    wrong["status"] = json!("success");
    assert!(problems(RESULT_FORMAT, &wrong).is_some());
}

#[test]
fn a_line_of_a_list_fits_its_schema_if_it_is_read() {
    let descriptor = json!({
        "format": "coo-mission/1",
        "mission_type": "T",
        "module": {"set": "demo"},
        "steps": [{"id": "a"}],
    });
    for line in [
        descriptor.clone(),
        json!({"mission": "demo"}),
        json!({"mission": "m.json", "id": "a", "input": {"b": [1, null]}}),
        json!({"mission": "m.json", "id": null, "input": null}),
    ] {
        must_fit("batch-list", &line);
        List::of_missions(line.to_string().as_bytes()).unwrap();
    }
    let mut both = descriptor;
    both["mission"] = json!("demo");
    for line in [
        both,
        json!({}),
        json!(["demo"]),
        json!({"mission": ""}),
        json!({"mission": "demo", "id": ""}),
        json!({"mission": "demo", "more": 1}),
    ] {
        assert!(problems("batch-list", &line).is_some(), "{line}");
        List::of_missions(line.to_string().as_bytes()).unwrap_err();
    }
}
