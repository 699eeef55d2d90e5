//! Status, error and finish reason: the rows of the table that are JSON.

use insta::assert_snapshot;
use serde_json::json;

use super::*;
use crate::support::shown;

#[test]
fn finish_reasons() {
    let text = "Half an ans";
    let mut rows = vec![
        row("none", ended(&json!(null), "x"), End::Gives("3x")),
        row("empty", ended(&json!("stop"), ""), End::Gives("0")),
        row(
            "length without text",
            choice(&json!({"finish_reason": "length", "message": {"content": null}})),
            End::Gives("1"),
        ),
    ];
    for word in [
        "stop",
        "STOP",
        "end_turn",
        "eos",
        "COMPLETE",
        "stop_sequence",
    ] {
        rows.push(row(word, ended(&json!(word), "x"), End::Gives("0x")));
    }
    for word in ["length", "max_tokens", "MAX_TOKENS", "model_length"] {
        rows.push(row(
            word,
            ended(&json!(word), text),
            End::Gives("1Half an ans"),
        ));
    }
    for word in ["content_filter", "SAFETY", "sensitive", "RECITATION"] {
        rows.push(row(
            word,
            ended(&json!(word), text),
            End::Gives("2Half an ans"),
        ));
    }
    for word in ["abort", "error", "network_error"] {
        rows.push(row(word, ended(&json!(word), text), End::InDoubt));
    }
    for word in ["repetition_truncation", "OTHER", "what?"] {
        rows.push(row(word, ended(&json!(word), text), End::Rejected));
    }
    assert_snapshot!(check(rows), @"");
}

#[test]
fn what_stands_in_a_message() {
    let message = |message: Value| choice(&json!({"finish_reason": "stop", "message": message}));
    let tool =
        json!([{"id": "1", "type": "function", "function": {"name": "search", "arguments": "{}"}}]);
    let told = check(vec![
        row(
            "refusal beside null",
            message(json!({"content": null, "refusal": "I can't help with that."})),
            End::Rejected,
        ),
        row(
            "refusal beside an empty text",
            message(json!({"content": "", "refusal": "I can't\u{1b}[2J help."})),
            End::Rejected,
        ),
        row(
            "tool calls beside an empty text",
            message(json!({"content": "", "tool_calls": tool})),
            End::Rejected,
        ),
        row(
            "tool calls",
            choice(
                &json!({"finish_reason": "tool_calls", "message": {"content": null, "tool_calls": tool}}),
            ),
            End::Rejected,
        ),
        row(
            "parts",
            message(
                json!({"content": [{"type": "text", "text": "He"}, {"type": "text", "text": "llo"}]}),
            ),
            End::Gives("0Hello"),
        ),
        row(
            "a part that is no text",
            message(json!({"content": [{"type": "image_url", "image_url": {"url": "x"}}]})),
            End::InDoubt,
        ),
        row("null", message(json!({"content": null})), End::InDoubt),
    ]);
    assert_snapshot!(told, @"");
}

#[test]
fn errors_beside_and_in_place_of_an_answer() {
    let beside = |error: Value| {
        let choice = json!({"finish_reason": "stop", "message": {"content": "x"}, "error": error});
        Response::json(200, &json!({"choices": [choice], "error": error}))
    };
    let told = check(vec![
        row("error {}", beside(json!({})), End::Gives("0x")),
        row("error empty", beside(json!("")), End::Gives("0x")),
        row("error false", beside(json!(false)), End::Gives("0x")),
        row("error null", beside(json!(null)), End::Gives("0x")),
        row(
            "error with nothing in it",
            beside(json!({"message": "", "code": null})),
            End::Gives("0x"),
        ),
        row(
            "choices empty",
            Response::json(200, &json!({"choices": []})),
            End::InDoubt,
        ),
        row(
            "choices missing",
            Response::json(200, &json!({"done": true, "response": "x"})),
            End::InDoubt,
        ),
        row(
            "LM Studio",
            Response::json(
                200,
                &json!({"error": "Unexpected endpoint or method. (POST /chat/completions). Returning 200 anyway"}),
            ),
            End::Resumable,
        ),
        row(
            "error of unknown kind in a 200",
            Response::json(200, &json!({"error": {"message": "strange", "code": "x"}})),
            End::InDoubt,
        ),
        row(
            "Gemini",
            Response::json(
                400,
                &json!([{"error": {"code": 400, "message": "bad thing", "status": "INVALID_ARGUMENT"}}]),
            ),
            End::Rejected,
        ),
        row(
            "FastAPI",
            Response::json(
                422,
                &json!({"detail": [{"loc": ["body"], "msg": "field required", "type": "missing"}]}),
            ),
            End::Rejected,
        ),
        row(
            "errors",
            Response::json(
                400,
                &json!({"errors": [{"message": "first"}, {"message": "second"}]}),
            ),
            End::Rejected,
        ),
        row(
            "a bare message",
            Response::json(401, &json!({"message": "No\u{202e} key\r\n[coo] SUCCESS"})),
            End::Resumable,
        ),
    ]);
    assert_snapshot!(told, @"");
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn what_an_error_is_about() {
    let said = |text: &str| json!({"message": text, "type": "invalid_request_error"});
    let told = check(vec![
        row(
            "a parameter",
            error(400, &said("Invalid value for 'top_p'")),
            End::Rejected,
        ),
        row(
            "too long",
            error(
                400,
                &json!({"message": "too long", "code": "context_length_exceeded"}),
            ),
            End::Rejected,
        ),
        row(
            "model, 404",
            error(
                404,
                &json!({"message": "The model `x` does not exist", "code": "model_not_found"}),
            ),
            End::Resumable,
        ),
        row(
            "model, 400",
            error(400, &said("test/model is not a valid model ID")),
            End::Resumable,
        ),
        row(
            "credit, 400",
            error(
                400,
                &said("Your credit balance is too low to access the API"),
            ),
            End::Resumable,
        ),
        row(
            "credit, 402",
            error(
                402,
                &json!({"code": 402, "message": "Insufficient credits"}),
            ),
            End::Resumable,
        ),
        row(
            "quota",
            error(
                429,
                &json!({"message": "You exceeded your current quota", "code": "insufficient_quota"}),
            ),
            End::Resumable,
        ),
        row(
            "key, 401",
            error(401, &said("No auth credentials found")),
            End::Resumable,
        ),
        row(
            "key, 400",
            error(
                400,
                &json!({"code": 400, "message": "API key not valid. Please pass a valid API key."}),
            ),
            End::Resumable,
        ),
        row(
            "moderation, 403",
            error(
                403,
                &json!({"code": 403, "message": "test/model requires moderation. Your input was flagged", "metadata": {"reasons": ["violence"]}}),
            ),
            End::Rejected,
        ),
        row(
            "moderation, 400",
            error(
                400,
                &json!({"code": "content_filter", "message": "The response was filtered"}),
            ),
            End::Rejected,
        ),
        row(
            "limit",
            error(429, &json!({"message": "slow down"})).header("retry-after", "7"),
            End::Resumable,
        ),
        row("busy", error(503, &json!("busy")), End::Resumable),
        row(
            "wrong path",
            Response::json(404, "404 page not found"),
            End::Resumable,
        ),
        row(
            "wrong page",
            Response::json(404, "<html><title>Nope</title></html>"),
            End::Resumable,
        ),
        row(
            "a page",
            Response::json(200, "<!doctype html><title>Welcome</title>"),
            End::Resumable,
        ),
        row("no such method", Response::json(405, ""), End::Resumable),
        row("too large", Response::json(413, "<html>"), End::Rejected),
        row("a proxy", Response::json(407, ""), End::Resumable),
    ]);
    assert_snapshot!(told, @"");
}

#[test]
fn what_may_have_been_paid_for_is_never_sent_again_unasked() {
    // More than one attempt is allowed; a status that says "later" would take them.
    let mut said = String::new();
    for status in [502, 504, 520, 522, 524] {
        let world = World::new().with("COO_LLM_MODEL", "test/model");
        world.wasm("caller.wasm", include_str!("../fixtures/caller.wat"));
        let server = ModelServer::start([error(status, &json!({"message": "no upstream"}))]);
        let ran = ask(&world, "q", &server.base_url(), &json!({}));
        assert_eq!(
            (ran.code, server.requests().len()),
            (1, 1),
            "{status}: {ran:?}"
        );
        said += &shown(&format!("run caller.json # {status}"), &ran);
    }
    assert_snapshot!(said, @"");
}

#[test]
fn a_wait_before_another_attempt_is_told() {
    let world = World::new().with("COO_LLM_MODEL", "test/model");
    world.wasm("caller.wasm", include_str!("../fixtures/caller.wat"));
    let busy = error(503, &json!({"message": "busy"}));
    let server = ModelServer::start([busy, Response::completion("x")]);
    let ran = ask(&world, "q", &server.base_url(), &json!({}));
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "0x"), "{ran:?}");
    // The first line says where calls go.
    let line = ran.stderr.lines().nth(1).unwrap();
    assert!(
        line.starts_with("[coo] model call: http://127.0.0.1:")
            && line.contains("answered 503, saying 'busy'; attempt 2 of 4 in 0."),
        "{ran:?}"
    );
}
