//! What a request of 1.1 says reaches the server, and what the server says reaches the mission.

use insta::assert_snapshot;

use super::*;
use crate::support::{events, shown};

#[test]
fn a_text_is_a_prompt() {
    let world = chatting();
    let server = ModelServer::start([Response::completion("a whale")]);
    let ran = ask(&world, &server, &json!("Which animal?"), &json!({}));
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "a whale"), "{ran:?}");
    let sent = server.requests()[0].json();
    assert_eq!(
        sent["messages"],
        json!([{"content": "Which animal?", "role": "user"}])
    );
}

#[test]
fn a_tool_is_offered_asked_for_and_its_result_is_told() {
    let world = chatting();
    let call = json!({"id": "c7", "type": "function", "function": {
        "name": "weather", "arguments": "{\"city\":\"Ulm\"}",
    }});
    let server = ModelServer::start([
        message(
            "tool_calls",
            &json!({"role": "assistant", "content": null, "tool_calls": [call]}),
        ),
        message(
            "stop",
            &json!({"role": "assistant", "content": "21 degrees in Ulm"}),
        ),
    ]);
    let tools = json!([{
        "name": "weather",
        "description": "Tells the weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        "strict": true,
    }]);
    let asks = json!({"prompt": "Weather?", "tools": tools, "tool_choice": "weather"});
    let ran = ask(&world, &server, &asks, &json!({}));
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (
            0,
            r#"{"text":"","tool_calls":[{"id":"c7","name":"weather","arguments":"{\"city\":\"Ulm\"}"}]}"#
        ),
        "{ran:?}"
    );
    let again = json!({
        "messages": [
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "tool_calls": [
                {"id": "c7", "name": "weather", "arguments": "{\"city\":\"Ulm\"}"},
            ]},
            {"role": "tool", "tool_call_id": "c7", "content": "21 degrees"},
        ],
        "tools": tools,
    });
    let ran = ask(&world, &server, &again, &json!({}));
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (0, "21 degrees in Ulm"),
        "{ran:?}"
    );
    let requests = server.requests();
    assert_eq!(
        requests[0].json()["tool_choice"],
        json!({"type": "function", "function": {"name": "weather"}})
    );
    assert_eq!(
        requests[1].json()["messages"],
        json!([
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": null, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c7", "content": "21 degrees"},
        ])
    );
    let ran = world.coo(&["inspect", "1", "--prompts"]);
    assert_snapshot!(shown("inspect 1 --prompts", &ran), @r#"
    $ coo inspect 1 --prompts
    Model call #0006 of step 'ask'
      Model:    test/model
      Sampling: temperature 0, top_p 1, seed 0, max_tokens 256
      Answer:   live from http://127.0.0.1:<port>
      Tokens:   10 in, 5 out
      Tools:    weather

    user
      Weather?

    answer, waiting for tools
      asks for weather (c7): {"city":"Ulm"}
    --- exit 0
    "#);
}

/// Models answer in the order in which a schema names properties.
#[test]
fn a_schema_reaches_the_server_in_the_missions_own_words() {
    let world = chatting();
    let server = ModelServer::start([Response::completion("{}")]);
    let text = r#"{"prompt": "x", "schema": {"properties": {"z": {}, "a":  {}}}}"#;
    let ran = ask(&world, &server, &json!(text), &json!({}));
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "{}"), "{ran:?}");
    let body = String::from_utf8(server.requests()[0].body.clone()).unwrap();
    assert!(
        body.contains(r#"{"properties": {"z": {}, "a":  {}}}"#),
        "{body}"
    );
}

#[test]
fn an_answer_that_does_not_fit_its_schema_is_asked_for_again() {
    let world = chatting();
    let server = ModelServer::start([
        Response::completion("Sure! Here you are:"),
        Response::completion(r#"{"label": "egg"}"#),
        Response::completion(r#"{"label": "ham"}"#),
    ]);
    let schema = json!({"type": "object", "properties": {"label": {"enum": ["spam", "ham"]}}});
    let asks = json!({"prompt": "Label it", "schema": schema, "retries": 2});
    let ran = ask(&world, &server, &asks, &json!({}));
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (0, r#"{"label": "ham"}"#),
        "{ran:?}"
    );
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    assert_eq!(
        requests[0].json()["response_format"],
        json!({"type": "json_schema", "json_schema": {
            "name": "answer", "schema": schema,
        }})
    );
    // The model is told what was wrong.
    assert_eq!(
        requests[1].json()["messages"],
        json!([
            {"role": "user", "content": "Label it"},
            {"role": "assistant", "content": "Sure! Here you are:"},
            {"role": "user", "content": "That can't be used: the answer is not JSON: \
                expected value at line 1 column 1. Answer again."},
        ])
    );
    // Frozen are all three, so that a second run asks nobody.
    let ran = world.coo(&["run", "chat.json", "--frozen"]);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (0, r#"{"label": "ham"}"#),
        "{ran:?}"
    );
    assert_snapshot!(shown("logs 1", &world.coo(&["logs", "1"])), @r#"
    $ coo logs 1
    [0001] STATE=INIT mission type=TEST descriptor=<sha256…> module=<sha256…> config=<sha256…> sha256=<sha256…>
    [0002] STATE=CAPTURE_ENV transition from=INIT sha256=<sha256…>
    [0003] STATE=CAPTURE_ENV environment host=<sha256…> sha256=<sha256…>
    [0004] STATE=RUN transition from=CAPTURE_ENV sha256=<sha256…>
    [0005] STATE=RUN step.started step=ask input=<sha256…> bytes=107 sha256=<sha256…>
    [0006] STATE=RUN llm.intent request=<sha256…> nth=1 sha256=<sha256…>
    [0007] STATE=RUN llm.outcome model=test/model text="Sure! Here you are:" unfit="the answer is not JSON: expected value… sha256=<sha256…>
    [0008] STATE=RUN llm.intent request=<sha256…> nth=1 sha256=<sha256…>
    [0009] STATE=RUN llm.outcome model=test/model text="{\"label\": \"egg\"}" unfit="the answer does not fit schema 'answer… sha256=<sha256…>
    [0010] STATE=RUN llm.intent request=<sha256…> nth=1 sha256=<sha256…>
    [0011] STATE=RUN llm.outcome model=test/model text="{\"label\": \"ham\"}" sha256=<sha256…>
    [0012] STATE=RUN step.returned step=ask output=<sha256…> bytes=16 sha256=<sha256…>
    [0013] STATE=WRITE_REPORT transition from=RUN sha256=<sha256…>
    [0014] STATE=WRITE_REPORT world artefacts=0 db_executes=0 sha256=<sha256…>
    [0015] STATE=COMPLETE transition from=WRITE_REPORT sha256=<sha256…>
    --- exit 0
    "#);
}

#[test]
fn without_a_retry_left_the_mission_fails_and_says_why() {
    let world = chatting();
    let server = ModelServer::start([Response::completion("[1, 2")]);
    let ran = ask(
        &world,
        &server,
        &json!({"prompt": "go", "json": true}),
        &json!({}),
    );
    assert_snapshot!(shown("run chat.json", &ran), @"
    $ coo run chat.json
    --- standard error
    [coo] MISSION-000001: model calls go to http://127.0.0.1:<port>, named by the environment, without a key
    [coo] MISSION-000001 FAILED: 9 events, 29727 fuel, <duration>, 1 model call (live; 3 tokens in, 2 out), chain <sha256…>
    ERROR: mission MISSION-000001: guest error: unfit answer of the model: the answer is not JSON: EOF while parsing a list at line 1 column 5
    hint: 'coo logs MISSION-000001' shows how it got there
    --- exit 1
    ");
}

#[test]
fn an_image_is_sent_and_kept_once() {
    let world = chatting();
    let server = ModelServer::start([Response::completion("a"), Response::completion("b")]);
    let picture = "iVBORw0KGgo".repeat(1_000) + "AA==";
    let see = |more: &str| {
        json!({"messages": [
            {"role": "user", "content": "see", "images": [
                {"media_type": "image/png", "base64": picture},
            ]},
            {"role": "user", "content": more},
        ]})
    };
    assert_eq!(ask(&world, &server, &see("one"), &json!({})).stdout, "a");
    assert_eq!(ask(&world, &server, &see("two"), &json!({})).stdout, "b");
    let sent = server.requests()[1].json();
    assert_eq!(
        sent["messages"][0]["content"][1]["image_url"]["url"],
        format!("data:image/png;base64,{picture}")
    );
    let journal = events(&world, "MISSION-000002");
    let intent = journal
        .iter()
        .find(|event| event["kind"] == "llm.intent")
        .unwrap();
    let image = &intent["body"]["request"]["messages"][0]["images"][0];
    assert_eq!(image["media_type"], "image/png");
    assert!(intent.to_string().len() < 2_000, "{intent}");
    // An exported run has the picture in it.
    let exported = world.coo(&["export", "2", "-o", "run.coorun"]);
    assert_eq!(exported.code, 0, "{exported:?}");
    let elsewhere = World::new();
    std::fs::copy(
        world.path().join("run.coorun"),
        elsewhere.path().join("run.coorun"),
    )
    .unwrap();
    let replayed = elsewhere.coo(&["replay", "run.coorun"]);
    assert_eq!(replayed.code, 0, "{replayed:?}");
}

#[test]
fn a_name_asks_the_model_that_the_operator_maps_it_to() {
    let world = chatting();
    let server = ModelServer::answering(echo);
    let asks = json!({"requests": [
        {"prompt": "a", "model": "cheap"},
        {"prompt": "b"},
        {"prompt": "c", "model": "cheap", "stop": ["END"]},
        {"prompt": "d", "model": "cheap"},
        {"prompt": "e", "model": "smart"},
    ]});
    let llm = json!({"models": {"cheap": {"calls": 2, "max_tokens": 7}}});
    describe(&world, &asks, &llm);
    assert_snapshot!(shown("run chat.json", &world.coo(&["run", "chat.json"])), @r#"
    $ coo run chat.json
    --- standard error
    ERROR: model 'cheap': the mission asks it by this name, and the configuration maps no model to it
    hint: map one: coo config set llm.models '{"cheap": "MODEL"}'
    --- exit 1
    "#);
    let mapped = r#"{"cheap": "small/model"}"#;
    assert_eq!(world.coo(&["config", "set", "llm.models", mapped]).code, 0);
    let ran = ask(&world, &server, &asks, &llm);
    assert_snapshot!(ran.stdout, @r#"[{"text":"re: a"},{"text":"re: b"},{"text":"re: c"},{"error":"model call refused: model 'cheap': 2 calls used; the descriptor allows 2"},{"error":"model call refused: model 'smart' asked; the descriptor lists cheap under llm.models"}]"#);
    let mut requests: Vec<Value> = server.requests().iter().map(Recorded::json).collect();
    requests.sort_by_key(|request| request["messages"].to_string());
    let models: Vec<&Value> = requests.iter().map(|request| &request["model"]).collect();
    assert_eq!(models, ["small/model", "test/model", "small/model"]);
    assert_eq!(requests[0]["max_tokens"], 7);
    assert_eq!(requests[2]["stop"], json!(["END"]));
    let told = world.coo(&["explain", &mission_id(&ran)]).stdout;
    let models = told.split("\nModels").nth(1).unwrap_or_default().to_owned();
    assert_snapshot!(models, @"
                      calls         tokens  model
    cheap                  2 of 2             10  small/model
    ");
    // A replay asks the models of the run, whatever the configuration says now.
    assert_eq!(world.coo(&["config", "set", "llm.models", "{}"]).code, 0);
    assert_eq!(world.coo(&["replay", &mission_id(&ran)]).code, 0);
}

#[test]
fn a_cost_needs_a_price_and_is_not_exceeded() {
    let world = chatting();
    let server = ModelServer::answering(echo);
    assert_eq!(
        world
            .coo(&["config", "set", "llm.models", r#"{"cheap": "small/model"}"#])
            .code,
        0
    );
    let asks = json!({"requests": [
        {"prompt": "a", "model": "cheap"},
        {"prompt": "b", "model": "cheap"},
    ]});
    // A call may have 278 tokens in and 10 out; its answer reports 3 and 2.
    let llm = json!({"max_tokens": 10, "models": {"cheap": {"cost_micros": 290}}});
    describe(&world, &asks, &llm);
    assert_snapshot!(shown("run chat.json", &world.coo(&["run", "chat.json"])), @"
    $ coo run chat.json
    --- standard error
    ERROR: model 'cheap': the mission bounds its cost, and small/model has no price
    hint: set llm.prices, or leave cost_micros out of the descriptor
    --- exit 1
    ");
    let prices = json!({"models": {"small/model": {
        "input_micros": 1_000_000, "output_micros": 1_000_000,
    }}});
    assert_eq!(
        world
            .coo(&["config", "set", "llm.prices", &prices.to_string()])
            .code,
        0
    );
    let ran = ask(&world, &server, &asks, &llm);
    assert_snapshot!(ran.stdout, @r#"[{"text":"re: a"},{"error":"model call refused: model 'cheap': 0.000005 of its money used, up to 0.000288 needed; the descriptor allows 0.00029"}]"#);
    assert_eq!(server.requests().len(), 1);
}
