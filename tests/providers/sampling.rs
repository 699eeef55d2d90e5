//! Sampling parameters that a descriptor leaves out, one by one.

use serde_json::{Value, json};

use super::*;

const PARAMETERS: [&str; 4] = ["max_tokens", "seed", "temperature", "top_p"];

#[test]
fn a_parameter_that_is_null_is_not_sent_and_the_record_says_so() {
    let world = caller();
    for (n, left_out) in PARAMETERS.iter().enumerate() {
        let server = ModelServer::start([Response::completion("x")]);
        let mut llm = json!({});
        llm[left_out] = Value::Null;
        let ran = ask(&world, "q", &server.base_url(), &json!({"llm": llm}));
        assert_eq!((ran.code, ran.stdout.as_str()), (0, "0x"), "{ran:?}");
        let sent = server.requests()[0].json();
        for name in PARAMETERS {
            assert_eq!(
                sent.get(name).is_none(),
                name == *left_out,
                "{name}: {sent}"
            );
        }
        let id = format!("MISSION-{:06}", n + 1);
        let journal = events(&world, &id);
        let intent = journal
            .iter()
            .find(|event| event["kind"] == "llm.intent")
            .unwrap();
        let body = intent["body"]["request"].clone();
        assert!(
            body.as_object().unwrap().contains_key(*left_out),
            "{intent}"
        );
        assert!(body[left_out].is_null(), "{intent}");
        assert_eq!(world.coo(&["replay", &id]).code, 0);
    }
}

#[test]
fn all_of_them_can_be_left_out() {
    let world = caller();
    let server = ModelServer::start([Response::completion("x")]);
    let llm = json!({"max_tokens": null, "seed": null, "temperature": null, "top_p": null});
    let ran = ask(&world, "q", &server.base_url(), &json!({"llm": llm}));
    assert_eq!(ran.code, 0, "{ran:?}");
    let sent = server.requests()[0].json();
    let names: Vec<&String> = sent.as_object().unwrap().keys().collect();
    assert_eq!(names, ["messages", "model", "stream"]);
}

#[test]
fn what_a_descriptor_leaves_open_a_guest_can_give() {
    // The demo asks for its temperature.
    let server = ModelServer::start([Response::completion("x")]);
    let world = World::new()
        .with("COO_LLM_MODEL", "test/model")
        .with("COO_LLM_BASE_URL", server.base_url());
    let input = json!({"system": "s", "text": "t", "task": "u"});
    world.descriptor(
        "demo.json",
        &json!({"set": "demo"}),
        &json!({"steps": [{"id": "only", "input": input}], "llm": {"temperature": null}}),
    );
    let ran = world.coo(&["run", "demo.json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(server.requests()[0].json()["temperature"], 0.0);
    assert_eq!(world.coo(&["replay", "1"]).code, 0);
}
