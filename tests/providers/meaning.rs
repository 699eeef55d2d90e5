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
    assert_snapshot!(check(rows), @"
    # abort
    [coo] MISSION-000018 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000018: unusable answer from http://127.0.0.1:<port>: an answer that was broken off (finish reason 'abort', 11 characters); it was sent: 5 bytes of messages to the model test/model, for an answer of at most 256 tokens
    hint: look at the provider's account before it is sent again
    hint: the call may have been made and charged for; 'coo resume MISSION-000018 --resend' sends it again and continues
    # error
    [coo] MISSION-000019 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000019: unusable answer from http://127.0.0.1:<port>: an answer that was broken off (finish reason 'error', 11 characters); it was sent: 5 bytes of messages to the model test/model, for an answer of at most 256 tokens
    hint: look at the provider's account before it is sent again
    hint: the call may have been made and charged for; 'coo resume MISSION-000019 --resend' sends it again and continues
    # network_error
    [coo] MISSION-000020 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000020: unusable answer from http://127.0.0.1:<port>: an answer that was broken off (finish reason 'network_error', 11 characters); it was sent: 13 bytes of messages to the model test/model, for an answer of at most 256 tokens
    hint: look at the provider's account before it is sent again
    hint: the call may have been made and charged for; 'coo resume MISSION-000020 --resend' sends it again and continues
    # repetition_truncation
    [coo] MISSION-000021 FAILED: 9 events, 67 fuel, <duration>, 1 model call (live; 0 tokens in, 0 out), chain <sha256…>
    ERROR: mission MISSION-000021: guest error: the answer ended for a reason that is not known to be its end (finish reason 'repetition_truncation', 11 characters), so it may not be whole
    hint: 'coo logs MISSION-000021' shows how it got there
    # OTHER
    [coo] MISSION-000022 FAILED: 9 events, 67 fuel, <duration>, 1 model call (live; 0 tokens in, 0 out), chain <sha256…>
    ERROR: mission MISSION-000022: guest error: the answer ended for a reason that is not known to be its end (finish reason 'OTHER', 11 characters), so it may not be whole
    hint: 'coo logs MISSION-000022' shows how it got there
    # what?
    [coo] MISSION-000023 FAILED: 9 events, 67 fuel, <duration>, 1 model call (live; 0 tokens in, 0 out), chain <sha256…>
    ERROR: mission MISSION-000023: guest error: the answer ended for a reason that is not known to be its end (finish reason 'what?', 11 characters), so it may not be whole
    hint: 'coo logs MISSION-000023' shows how it got there
    ");
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
    assert_snapshot!(told, @"
    # refusal beside null
    [coo] MISSION-000001 FAILED: 9 events, 67 fuel, <duration>, 1 model call (live; 0 tokens in, 0 out), chain <sha256…>
    ERROR: mission MISSION-000001: guest error: the model refused to answer, saying 'I can't help with that.'
    hint: 'coo logs MISSION-000001' shows how it got there
    # refusal beside an empty text
    [coo] MISSION-000002 FAILED: 9 events, 67 fuel, <duration>, 1 model call (live; 0 tokens in, 0 out), chain <sha256…>
    ERROR: mission MISSION-000002: guest error: the model refused to answer, saying 'I can't [2J help.'
    hint: 'coo logs MISSION-000002' shows how it got there
    # tool calls beside an empty text
    [coo] MISSION-000003 FAILED: 9 events, 67 fuel, <duration>, 1 model call (live; 0 tokens in, 0 out), chain <sha256…>
    ERROR: mission MISSION-000003: guest error: the model asked for a tool 'search' in place of an answer, and none was offered
    hint: 'coo logs MISSION-000003' shows how it got there
    # tool calls
    [coo] MISSION-000004 FAILED: 9 events, 67 fuel, <duration>, 1 model call (live; 0 tokens in, 0 out), chain <sha256…>
    ERROR: mission MISSION-000004: guest error: the model asked for a tool 'search' in place of an answer, and none was offered
    hint: 'coo logs MISSION-000004' shows how it got there
    # a part that is no text
    [coo] MISSION-000006 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000006: unusable answer from http://127.0.0.1:<port>: an answer whose content is not text: a part of type 'image_url'; it was sent: 22 bytes of messages to the model test/model, for an answer of at most 256 tokens
    hint: ask a model that answers in text
    hint: the call may have been made and charged for; 'coo resume MISSION-000006 --resend' sends it again and continues
    # null
    [coo] MISSION-000007 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000007: unusable answer from http://127.0.0.1:<port>: an answer without text; it was sent: 4 bytes of messages to the model test/model, for an answer of at most 256 tokens
    hint: check that the model answers in text
    hint: the call may have been made and charged for; 'coo resume MISSION-000007 --resend' sends it again and continues
    ");
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
    assert_snapshot!(told, @"
    # choices empty
    [coo] MISSION-000006 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000006: unusable answer from http://127.0.0.1:<port>: HTTP 200 whose 'choices' is empty, so without an answer; it was sent: 13 bytes of messages to the model test/model, for an answer of at most 256 tokens
    hint: run again, or ask the provider
    hint: the call may have been made and charged for; 'coo resume MISSION-000006 --resend' sends it again and continues
    # choices missing
    [coo] MISSION-000007 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000007: unusable answer from http://127.0.0.1:<port>: HTTP 200 without 'choices', but with: done, response; it was sent: 15 bytes of messages to the model test/model, for an answer of at most 256 tokens
    hint: check that the base URL is that of a chat-completions API
    hint: the call may have been made and charged for; 'coo resume MISSION-000007 --resend' sends it again and continues
    # LM Studio
    [coo] MISSION-000008 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000008: unusable answer from http://127.0.0.1:<port>: HTTP 404 inside an HTTP 200, saying 'Unexpected endpoint or method. (POST /chat/completions). Returning 200 anyway'
    hint: check that the base URL is that of a chat-completions API
    hint: 'coo resume MISSION-000008' continues where it stopped
    # error of unknown kind in a 200
    [coo] MISSION-000009 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000009: unusable answer from http://127.0.0.1:<port>: HTTP 200 with an error of unknown kind, saying 'strange'; it was sent: 30 bytes of messages to the model test/model, for an answer of at most 256 tokens
    hint: run again, or ask the provider
    hint: the call may have been made and charged for; 'coo resume MISSION-000009 --resend' sends it again and continues
    # Gemini
    [coo] MISSION-000010 FAILED: 9 events, 67 fuel, <duration>, 1 model call (live; 0 tokens in, 0 out), chain <sha256…>
    ERROR: mission MISSION-000010: guest error: the provider rejected the request with status 400, saying 'bad thing'
    hint: 'coo logs MISSION-000010' shows how it got there
    # FastAPI
    [coo] MISSION-000011 FAILED: 9 events, 67 fuel, <duration>, 1 model call (live; 0 tokens in, 0 out), chain <sha256…>
    ERROR: mission MISSION-000011: guest error: the provider rejected the request with status 422, saying 'field required'
    hint: 'coo logs MISSION-000011' shows how it got there
    # errors
    [coo] MISSION-000012 FAILED: 9 events, 67 fuel, <duration>, 1 model call (live; 0 tokens in, 0 out), chain <sha256…>
    ERROR: mission MISSION-000012: guest error: the provider rejected the request with status 400, saying 'first; second'
    hint: 'coo logs MISSION-000012' shows how it got there
    # a bare message
    [coo] MISSION-000013 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000013: model call not authorised: http://127.0.0.1:<port> answered 401, saying 'No  key  [coo] SUCCESS'
    hint: check the API key and what it may use
    hint: 'coo resume MISSION-000013' continues where it stopped
    ");
}

#[test]
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
    assert_snapshot!(told, @"
    # a parameter
    [coo] MISSION-000001 FAILED: 9 events, 67 fuel, <duration>, 1 model call (live; 0 tokens in, 0 out), chain <sha256…>
    ERROR: mission MISSION-000001: guest error: the provider rejected the request with status 400, saying 'Invalid value for 'top_p''
    hint: 'coo logs MISSION-000001' shows how it got there
    # too long
    [coo] MISSION-000002 FAILED: 9 events, 67 fuel, <duration>, 1 model call (live; 0 tokens in, 0 out), chain <sha256…>
    ERROR: mission MISSION-000002: guest error: the provider rejected the request with status 400, saying 'too long'
    hint: 'coo logs MISSION-000002' shows how it got there
    # model, 404
    [coo] MISSION-000003 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000003: no such model: http://127.0.0.1:<port> answered 404, saying 'The model `x` does not exist'
    hint: check the name 'test/model'; a mission keeps its model: to ask another, set COO_LLM_MODEL and run the mission again
    hint: 'coo resume MISSION-000003' continues where it stopped
    # model, 400
    [coo] MISSION-000004 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000004: no such model: http://127.0.0.1:<port> answered 400, saying 'test/model is not a valid model ID'
    hint: check the name 'test/model'; a mission keeps its model: to ask another, set COO_LLM_MODEL and run the mission again
    hint: 'coo resume MISSION-000004' continues where it stopped
    # credit, 400
    [coo] MISSION-000005 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000005: model call not paid for: http://127.0.0.1:<port> answered 400, saying 'Your credit balance is too low to access the API'
    hint: add credit to the account or use another key
    hint: 'coo resume MISSION-000005' continues where it stopped
    # credit, 402
    [coo] MISSION-000006 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000006: model call not paid for: http://127.0.0.1:<port> answered 402, saying 'Insufficient credits'
    hint: add credit to the account or use another key
    hint: 'coo resume MISSION-000006' continues where it stopped
    # quota
    [coo] MISSION-000007 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000007: model quota used up: http://127.0.0.1:<port> answered 429, saying 'You exceeded your current quota'
    hint: raise the account's quota or use another key
    hint: 'coo resume MISSION-000007' continues where it stopped
    # key, 401
    [coo] MISSION-000008 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000008: model call not authorised: http://127.0.0.1:<port> answered 401, saying 'No auth credentials found'
    hint: check the API key and what it may use
    hint: 'coo resume MISSION-000008' continues where it stopped
    # key, 400
    [coo] MISSION-000009 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000009: model call not authorised: http://127.0.0.1:<port> answered 400, saying 'API key not valid. Please pass a valid API key.'
    hint: check the API key and what it may use
    hint: 'coo resume MISSION-000009' continues where it stopped
    # moderation, 403
    [coo] MISSION-000010 FAILED: 9 events, 67 fuel, <duration>, 1 model call (live; 0 tokens in, 0 out), chain <sha256…>
    ERROR: mission MISSION-000010: guest error: the provider rejected the request with status 403, saying 'test/model requires moderation. Your input was flagged'
    hint: 'coo logs MISSION-000010' shows how it got there
    # moderation, 400
    [coo] MISSION-000011 FAILED: 9 events, 67 fuel, <duration>, 1 model call (live; 0 tokens in, 0 out), chain <sha256…>
    ERROR: mission MISSION-000011: guest error: the provider rejected the request with status 400, saying 'The response was filtered'
    hint: 'coo logs MISSION-000011' shows how it got there
    # limit
    [coo] MISSION-000012 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000012: model call failed: http://127.0.0.1:<port> answered 429, saying 'slow down', on the last of 1 attempt(s)
    hint: the provider limits how often or how much this key may ask, and asks to wait 7 s: wait, or have the limit raised, then run again
    hint: 'coo resume MISSION-000012' continues where it stopped
    # busy
    [coo] MISSION-000013 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000013: model call failed: http://127.0.0.1:<port> answered 503, saying 'busy', on the last of 1 attempt(s)
    hint: the server is overloaded or failing: run again later
    hint: 'coo resume MISSION-000013' continues where it stopped
    # wrong path
    [coo] MISSION-000014 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000014: unusable answer from http://127.0.0.1:<port>: HTTP 404 without a provider's error in its body, saying '404 page not found'
    hint: check that the base URL is that of a chat-completions API
    hint: 'coo resume MISSION-000014' continues where it stopped
    # wrong page
    [coo] MISSION-000015 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000015: unusable answer from http://127.0.0.1:<port>: HTTP 404 without a provider's error in its body, saying 'an HTML page, Nope'
    hint: check that the base URL is that of a chat-completions API
    hint: 'coo resume MISSION-000015' continues where it stopped
    # a page
    [coo] MISSION-000016 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000016: unusable answer from http://127.0.0.1:<port>: HTTP 200 whose body is an HTML page and is not JSON (37 bytes, beginning '<!doctype html><title>Welcome</title>')
    hint: check that the base URL is that of a chat-completions API
    hint: 'coo resume MISSION-000016' continues where it stopped
    # no such method
    [coo] MISSION-000017 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000017: unusable answer from http://127.0.0.1:<port>: HTTP 405 without a provider's error in its body
    hint: check that the base URL is that of a chat-completions API
    hint: 'coo resume MISSION-000017' continues where it stopped
    # too large
    [coo] MISSION-000018 FAILED: 9 events, 67 fuel, <duration>, 1 model call (live; 0 tokens in, 0 out), chain <sha256…>
    ERROR: mission MISSION-000018: guest error: the provider rejected the request with status 413
    hint: 'coo logs MISSION-000018' shows how it got there
    # a proxy
    [coo] MISSION-000019 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000019: unusable answer from http://127.0.0.1:<port>: HTTP 407 from a proxy
    hint: give the proxy's user and password in HTTPS_PROXY
    hint: 'coo resume MISSION-000019' continues where it stopped
    ");
}

#[test]
fn what_may_have_been_paid_for_is_never_sent_again_unasked() {
    // More than one attempt is allowed; a status that says "later" would take them.
    let mut said = String::new();
    for status in [408, 500, 502, 521, 527] {
        let world = World::new().with("COO_LLM_MODEL", "test/model");
        world.wasm("caller.wasm", include_str!("../fixtures/caller.wat"));
        let server = ModelServer::start([error(status, &json!({"message": "no upstream"}))]);
        let ran = ask(&world, "q", &server.base_url(), &json!({}));
        assert_eq!(
            (ran.code, server.requests().len()),
            (5, 1),
            "{status}: {ran:?}"
        );
        said += &shown(&format!("run caller.json # {status}"), &ran);
    }
    assert_snapshot!(said, @"
    $ coo run caller.json # 408
    --- standard error
    [coo] MISSION-000001: model calls go to http://127.0.0.1:<port>, named by the environment, without a key
    [coo] MISSION-000001 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: unusable answer from http://127.0.0.1:<port>: error 408, saying 'no upstream', from a server that may have worked on it; it was sent: 1 bytes of messages to the model test/model, for an answer of at most 256 tokens
    hint: look at the provider's account before it is sent again
    hint: the call may have been made and charged for; 'coo resume MISSION-000001 --resend' sends it again and continues
    --- exit 5
    $ coo run caller.json # 500
    --- standard error
    [coo] MISSION-000001: model calls go to http://127.0.0.1:<port>, named by the environment, without a key
    [coo] MISSION-000001 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: unusable answer from http://127.0.0.1:<port>: error 500, saying 'no upstream', from a server that may have worked on it; it was sent: 1 bytes of messages to the model test/model, for an answer of at most 256 tokens
    hint: look at the provider's account before it is sent again
    hint: the call may have been made and charged for; 'coo resume MISSION-000001 --resend' sends it again and continues
    --- exit 5
    $ coo run caller.json # 502
    --- standard error
    [coo] MISSION-000001: model calls go to http://127.0.0.1:<port>, named by the environment, without a key
    [coo] MISSION-000001 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: unusable answer from http://127.0.0.1:<port>: error 502, saying 'no upstream', from a gateway whose server may have worked on it; it was sent: 1 bytes of messages to the model test/model, for an answer of at most 256 tokens
    hint: look at the provider's account before it is sent again
    hint: the call may have been made and charged for; 'coo resume MISSION-000001 --resend' sends it again and continues
    --- exit 5
    $ coo run caller.json # 521
    --- standard error
    [coo] MISSION-000001: model calls go to http://127.0.0.1:<port>, named by the environment, without a key
    [coo] MISSION-000001 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: unusable answer from http://127.0.0.1:<port>: error 521, saying 'no upstream', from a gateway whose server may have worked on it; it was sent: 1 bytes of messages to the model test/model, for an answer of at most 256 tokens
    hint: look at the provider's account before it is sent again
    hint: the call may have been made and charged for; 'coo resume MISSION-000001 --resend' sends it again and continues
    --- exit 5
    $ coo run caller.json # 527
    --- standard error
    [coo] MISSION-000001: model calls go to http://127.0.0.1:<port>, named by the environment, without a key
    [coo] MISSION-000001 INTERRUPTED: 6 events, 37 fuel, <duration>, chain <sha256…>
    ERROR: mission MISSION-000001: unusable answer from http://127.0.0.1:<port>: error 527, saying 'no upstream', from a gateway whose server may have worked on it; it was sent: 1 bytes of messages to the model test/model, for an answer of at most 256 tokens
    hint: look at the provider's account before it is sent again
    hint: the call may have been made and charged for; 'coo resume MISSION-000001 --resend' sends it again and continues
    --- exit 5
    ");
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
