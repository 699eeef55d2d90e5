//! Requests that are refused before anything is sent: the mission learns why, and may go on.

use insta::assert_snapshot;

use super::*;

#[test]
fn what_is_out_of_bounds_is_refused_by_name() {
    let world = chatting();
    let server = ModelServer::start([] as [Response; 0]);
    let mut told = String::new();
    for asks in [
        json!({"prompt": "x", "schema": {"type": "objekt"}}),
        json!({"prompt": "x", "schema": {"$ref": "https://example.com/s.json"}}),
        json!({"prompt": "x", "schema": [1]}),
        json!({"prompt": "x", "schema": {"$defs": {"n": {"$anchor": "node"}}, "$ref": "#node"}}),
        json!({"prompt": "x", "schema": {"pattern": "\\p{L}{1000}"}}),
        json!({"prompt": "x", "stop": ["", "y"]}),
        json!({"prompt": "x", "tools": [{"name": "no spaces"}]}),
        json!({"prompt": "x", "tools": [{"name": "f"}, {"name": "f"}]}),
        json!({"prompt": "x", "tools": [{"name": "f", "parameters": "no"}]}),
        json!({"prompt": "x", "tool_choice": "g"}),
        json!({"prompt": "x", "model": "nobody\u{1b}[31m"}),
        json!({"prompt": "x", "max_tokens": 1_000_000}),
        json!({"messages": []}),
        json!({"messages": [{"role": "tool", "content": "x"}]}),
        json!({"messages": [{"role": "user", "images": [
            {"media_type": "image/svg+xml", "base64": "PHN2Zy8+"},
        ]}]}),
    ] {
        let ran = ask(&world, &server, &asks, &json!({}));
        assert_eq!(ran.code, 1, "{asks}: {ran:?}");
        let (_, reason) = ran.stderr.split_once("guest error: ").unwrap();
        told += reason.lines().next().unwrap();
        told.push('\n');
    }
    assert_snapshot!(told, @r"
    model call refused: response format 'answer': no schema: coo:schema# is not valid against metaschema
    model call refused: response format 'answer': no schema: $ref 'https://example.com/s.json' found; '#', or '#/' and the path of a part of the schema, needed
    model call refused: response format 'answer': no schema: an array found; an object needed
    model call refused: response format 'answer': no schema: $anchor 'node' found; a reference is '$ref' with a path
    model call refused: response format 'answer': no schema: pattern '\p{L}{1000}' found, which needs over 262144 bytes when it is compiled
    model call refused: stop: a text of 0 bytes found; 1 to 256 bytes allowed
    model call refused: tool: name 'no spaces' found; 1 to 64 of a-z A-Z 0-9 _ - needed
    model call refused: tool 'f': found twice
    model call refused: tool 'f': parameters: no schema: a text found; an object needed
    model call refused: tool choice 'g', and no such tool is offered
    model call refused: model 'nobody\u{1b}[31m' asked, but the descriptor lists none under llm.models
    model call refused: max-tokens 1000000 asked; the descriptor allows 1 to 256
    model call refused: no messages; a request needs at least one
    model call refused: message 1: result of a tool without the id of its call
    model call refused: message 1: image of type 'image/svg+xml' found; image/gif, image/jpeg, image/png, image/webp are allowed
    ");
    assert_eq!(server.requests().len(), 0);
}

/// A schema that would make a validator work for ever ends the call, not the host.
#[test]
fn a_schema_that_is_too_much_work_is_the_answers_fault() {
    let world = chatting();
    let server = ModelServer::start([Response::completion("{}")]);
    let mut definitions = json!({"d0": {"type": "string"}});
    for i in 1..60 {
        let next = json!({"$ref": format!("#/$defs/d{}", i - 1)});
        definitions[format!("d{i}")] = json!({"anyOf": [next, next]});
    }
    let schema = json!({"$ref": "#/$defs/d59", "$defs": definitions});
    let ran = ask(
        &world,
        &server,
        &json!({"prompt": "x", "schema": schema}),
        &json!({}),
    );
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.stderr.contains("would take over 1000000 steps"),
        "{ran:?}"
    );
}

/// Judging runs on the stack of the guest's task.
#[test]
fn the_deepest_schema_that_is_judged_does_not_fill_the_stack() {
    let world = chatting();
    let mut definitions = json!({"d0": {"type": "string"}});
    for i in 1..290 {
        let next = json!({"$ref": format!("#/$defs/d{}", i - 1)});
        definitions[format!("d{i}")] = if i % 2 == 0 {
            json!({"not": next})
        } else {
            json!({"allOf": [next]})
        };
    }
    // A reference and a keyword are two levels.
    for deepest in [140, 289] {
        let server = ModelServer::start([Response::completion("{\"x\": 1}")]);
        let top = json!({"$ref": format!("#/$defs/d{deepest}")});
        let schema = json!({"properties": {"x": top}, "$defs": definitions});
        let ran = ask(
            &world,
            &server,
            &json!({"prompt": format!("{deepest}"), "schema": schema}),
            &json!({}),
        );
        assert!(matches!(ran.code, 0 | 1), "{ran:?}");
        assert_eq!(
            ran.stderr.contains("would take over"),
            deepest == 289,
            "{ran:?}"
        );
    }
}

#[test]
fn an_answer_that_asks_for_what_was_not_offered_is_unfit() {
    let world = chatting();
    let call = |name: &str, arguments: &str| {
        json!({"content": null, "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": name, "arguments": arguments}},
        ]})
    };
    let mut told = String::new();
    for (name, arguments) in [("g", "{}"), ("f", "{"), ("f", "[]"), ("f", "{}")] {
        let server = ModelServer::start([message("tool_calls", &call(name, arguments))]);
        let tool = json!({"name": "f", "strict": true, "parameters": {"required": ["a"]}});
        let asks = json!({"prompt": format!("{name}{arguments}"), "tools": [tool]});
        let ran = ask(&world, &server, &asks, &json!({}));
        let (_, reason) = ran.stderr.split_once("guest error: ").unwrap();
        told += reason.lines().next().unwrap();
        told.push('\n');
    }
    assert_snapshot!(told, @"
    unfit answer of the model: the answer asks for tool 'g', which was not offered
    unfit answer of the model: the arguments for tool 'f' are not JSON: EOF while parsing an object at line 1 column 1
    unfit answer of the model: the arguments for tool 'f' are an array; an object needed
    unfit answer of the model: the arguments for tool 'f' do not fit its parameters: at '/': missing properties 'a'
    ");
}
