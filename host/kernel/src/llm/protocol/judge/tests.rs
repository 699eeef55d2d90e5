//! The meaning of every kind of response, without a server.
//! The cases cover statuses, bodies and finish reasons, including broken ones.

use super::super::super::chat::Tool;
use super::super::super::{Message, Options, Role};
use super::super::request_body;
use serde_json::json;

use super::*;

const KEY: &str = "sk-0123456789abcdef";

fn request() -> Request {
    Request {
        max_tokens: Some(256),
        messages: vec![Message::new(Role::User, "hello")],
        model: "asked".into(),
        options: Options::default(),
        seed: Some(u64::MAX),
        temperature: Some(0.0),
        top_p: Some(1.0),
    }
}

/// Cleans as the host does: removes the key and control characters, and shortens.
fn clean(text: &str, chars_max: usize) -> String {
    let text = text.replace(KEY, "<redacted>");
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    text.trim().chars().take(chars_max).collect()
}

pub(super) fn judge_bytes(status: u16, body: &[u8]) -> Verdict {
    judge_answer(status, body, &request())
}

fn judge_answer(status: u16, body: &[u8], request: &Request) -> Verdict {
    let site = Site {
        server: "https://host",
        clean: &clean,
    };
    let received = Received {
        status,
        body: body.into(),
        ..Received::default()
    };
    judge(&received, request, &site)
}

fn judge_text(status: u16, body: &str) -> Verdict {
    judge_bytes(status, body.as_bytes())
}

fn judge_json(status: u16, body: &Value) -> Verdict {
    judge_text(status, &body.to_string())
}

/// Returns the text of a failure that is not in doubt.
fn said(failure: &Failure) -> String {
    format!("{failure}\n{}", failure.hint().unwrap_or_default())
}

fn failure(verdict: Verdict) -> String {
    match verdict {
        Verdict::Failed(failure) => said(&failure),
        other => panic!("no failure: {other:?}"),
    }
}

fn in_doubt(verdict: Verdict) -> String {
    match verdict {
        Verdict::InDoubt(failure) => said(&failure),
        other => panic!("not in doubt: {other:?}"),
    }
}

fn rejected(verdict: Verdict) -> String {
    match verdict {
        Verdict::Rejected(reason, _) => reason,
        other => panic!("not rejected: {other:?}"),
    }
}

pub(super) fn choice(choice: &Value) -> Value {
    json!({"choices": [choice]})
}

#[test]
fn the_request_carries_every_parameter_and_routing_only_for_openrouter() {
    let plain: Value =
        serde_json::from_str(&request_body(&request(), "max_completion_tokens", false).unwrap())
            .unwrap();
    let mut expected = json!({
        "max_completion_tokens": 256,
        "messages": [{"content": "hello", "role": "user"}],
        "model": "asked",
        "seed": u64::MAX,
        "stream": false,
        "temperature": 0.0,
        "top_p": 1.0,
    });
    assert_eq!(plain, expected);
    let routed: Value =
        serde_json::from_str(&request_body(&request(), "max_completion_tokens", true).unwrap())
            .unwrap();
    expected["provider"] = json!({"allow_fallbacks": false, "require_parameters": true});
    assert_eq!(routed, expected);
}

#[test]
fn an_answer_is_read_whole_and_its_text_untouched() {
    let verdict = judge_json(
        200,
        &json!({
            "id": "gen-1", "provider": "Upstream", "model": "answered",
            "system_fingerprint": "fp_1", "error": null,
            "choices": [{
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": " text\u{1b}\n"},
            }],
            "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12},
        }),
    );
    let completion = Completion {
        finish_reason: FinishReason::Stop,
        model: "answered".into(),
        text: " text\u{1b}\n".into(),
        tool_calls: Vec::new(),
        usage: Usage {
            completion_tokens: Some(5),
            prompt_tokens: Some(7),
        },
    };
    let origin = Origin {
        response_id: Some("gen-1".into()),
        provider: Some("Upstream".into()),
        system_fingerprint: Some("fp_1".into()),
        finish_reason: Some("stop".into()),
    };
    assert_eq!(verdict, Verdict::Answered(completion, origin));
}

#[test]
fn everything_but_the_text_is_optional_in_an_answer() {
    let bare = json!({"choices": [{"message": {"content": "x"}}], "id": 7, "usage": {"prompt_tokens": -1}});
    let completion = Completion {
        finish_reason: FinishReason::Other,
        model: "asked".into(),
        text: "x".into(),
        tool_calls: Vec::new(),
        usage: Usage::default(),
    };
    assert_eq!(
        judge_json(200, &bare),
        Verdict::Answered(completion, Origin::default())
    );
}

fn ended(word: &Value, message: &Value) -> Verdict {
    judge_json(
        200,
        &choice(&json!({"finish_reason": word, "message": message})),
    )
}

#[test]
fn finish_reasons_are_mapped() {
    for (word, reason) in [
        (json!("stop"), FinishReason::Stop),
        (json!("END_TURN"), FinishReason::Stop),
        (json!("length"), FinishReason::Length),
        (json!("MAX_TOKENS"), FinishReason::Length),
        (json!("model_length"), FinishReason::Length),
        (json!("content_filter"), FinishReason::ContentFilter),
        (json!("SAFETY"), FinishReason::ContentFilter),
        (json!("sensitive"), FinishReason::ContentFilter),
        (json!(null), FinishReason::Other),
    ] {
        let Verdict::Answered(completion, origin) = ended(&word, &json!({"content": "x"})) else {
            panic!("{word}");
        };
        assert_eq!(completion.finish_reason, reason);
        assert_eq!(completion.text, "x");
        assert_eq!(origin.finish_reason.as_deref(), word.as_str());
    }
}

#[test]
fn a_reason_that_is_not_known_to_be_an_end_is_no_answer() {
    for word in [json!("repetition_truncation"), json!("OTHER"), json!(7)] {
        let text = rejected(ended(&word, &json!({"content": "Half an ans"})));
        let word = word.as_str().map_or(word.to_string(), str::to_owned);
        assert!(
            text.contains(&format!("finish reason '{word}', 11 characters")),
            "{text}"
        );
    }
    for word in [
        "error",
        "abort",
        "network_error",
        "insufficient_system_resource",
    ] {
        let text = in_doubt(ended(&json!(word), &json!({"content": "par"})));
        assert!(
            text.contains(&format!("broken off (finish reason '{word}'")),
            "{text}"
        );
    }
}

#[test]
fn a_refusal_keeps_its_text_and_is_no_answer() {
    for message in [
        json!({"content": null, "refusal": "I can't help with that."}),
        json!({"content": "", "refusal": "I can't help with that."}),
        json!({"content": [{"type": "refusal", "refusal": "I can't help with that."}]}),
    ] {
        let text = rejected(ended(&json!("stop"), &message));
        assert_eq!(
            text,
            "the model refused to answer, saying 'I can't help with that.'"
        );
    }
    let text = rejected(ended(&json!("refusal"), &json!({"content": "No."})));
    assert!(text.contains("'No.'"), "{text}");
    // Most servers send this beside every answer.
    let verdict = ended(&json!("stop"), &json!({"content": "x", "refusal": null}));
    assert!(matches!(verdict, Verdict::Answered(..)));
}

#[test]
fn a_call_of_a_tool_is_no_answer() {
    let calls = json!([{"type": "function", "function": {"name": "search", "arguments": "{}"}}]);
    for message in [
        json!({"content": null, "tool_calls": calls}),
        json!({"content": "", "tool_calls": calls}),
    ] {
        for word in ["tool_calls", "stop"] {
            let text = rejected(ended(&json!(word), &message));
            assert!(
                text.contains("asked for a tool 'search' in place"),
                "{text}"
            );
        }
    }
    let verdict = ended(&json!("stop"), &json!({"content": "x", "tool_calls": []}));
    assert!(matches!(verdict, Verdict::Answered(..)));
}

#[test]
fn a_missing_text_is_an_answer_only_where_the_reason_says_so() {
    for (word, reason) in [
        ("content_filter", FinishReason::ContentFilter),
        ("length", FinishReason::Length),
    ] {
        let Verdict::Answered(completion, _) = ended(&json!(word), &json!({"content": null}))
        else {
            panic!("{word}");
        };
        assert_eq!(
            (completion.finish_reason, completion.text.as_str()),
            (reason, "")
        );
    }
    let text = in_doubt(ended(&json!("stop"), &json!({"content": null})));
    assert!(text.contains("an answer without text"), "{text}");
    let thought = json!({"content": null, "reasoning_content": "Hmm"});
    let text = in_doubt(ended(&json!("stop"), &thought));
    assert!(text.contains("only with the model's reasoning"), "{text}");
}

#[test]
fn the_parts_of_a_content_are_joined() {
    let parts = json!({"content": [
        {"type": "thinking", "thinking": "Hmm"},
        {"type": "text", "text": "Hé"},
        {"type": "output_text", "text": "llo"},
        "!",
    ]});
    let Verdict::Answered(completion, _) = ended(&json!("stop"), &parts) else {
        panic!("{parts}");
    };
    assert_eq!(completion.text, "Héllo!");
    let image = json!({"content": [{"type": "image_url", "image_url": {}}]});
    let text = in_doubt(ended(&json!("stop"), &image));
    assert!(
        text.contains("content is not text: a part of type 'image_url'"),
        "{text}"
    );
    let text = in_doubt(ended(&json!("stop"), &json!({"content": 7})));
    assert!(text.contains("content is not text"), "{text}");
}

#[test]
fn an_empty_error_beside_an_answer_is_none() {
    for error in [
        json!({}),
        json!(""),
        json!(false),
        json!(null),
        json!([]),
        json!(0),
    ] {
        let whole = json!({"finish_reason": "stop", "error": error, "message": {"content": "x"}});
        let body = json!({"error": error, "choices": [whole]});
        assert!(
            matches!(judge_json(200, &body), Verdict::Answered(..)),
            "{error}"
        );
    }
}

#[test]
fn a_success_that_is_none_says_what_it_is() {
    let page = failure(judge_text(200, "<html>\n<b>hi"));
    let words = "is an HTML page and is not JSON (12 bytes, beginning '<html> <b>hi')";
    assert!(page.contains(words), "{page}");
    for (body, words) in [
        (
            r#"{"choices": [{"mess"#,
            "ends in the middle of JSON at byte 19 (19 bytes",
        ),
        ("", "is empty (0 bytes"),
        ("{}", "without 'choices'"),
        (
            r#"{"done": true, "response": "x"}"#,
            "but with: done, response",
        ),
        (r#"{"choices": []}"#, "'choices' is empty"),
        (r#"{"choices": null}"#, "without 'choices'"),
        ("[1]", "without 'choices'"),
        ("7", "without 'choices'"),
        (
            r#"{"choices": [NaN]}"#,
            "has NaN, which JSON does not know, at byte 13",
        ),
        (
            "data: {\"choices\": []}\n\n",
            "is an event stream of 1 events without an answer",
        ),
    ] {
        let text = in_doubt(judge_text(200, body));
        assert!(text.contains(words), "{body}: {text}");
        assert!(text.contains("https://host"), "{text}");
    }
}

#[test]
fn a_stream_that_nobody_asked_for_is_read_as_the_answer_that_it_spells() {
    let body = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\ndata: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let Verdict::Answered(completion, _) = judge_text(200, body) else {
        panic!("{body}");
    };
    assert_eq!(completion.text, "Hi");
    assert_eq!(completion.finish_reason, FinishReason::Stop);
    let error = "data: {\"error\":{\"code\":401,\"message\":\"no\"}}\n\n";
    assert!(failure(judge_text(200, error)).contains("401 inside an HTTP 200"));
}

#[test]
fn an_error_means_the_same_in_a_status_a_body_and_a_choice() {
    let error = |code: Value| json!({"code": code, "message": "no"});
    for code in [400, 413, 422] {
        let expected = Verdict::Rejected(
            format!("the provider rejected the request with status {code}, saying 'no'"),
            Origin::default(),
        );
        let stated = error(code.into());
        assert_eq!(judge_json(code, &json!({"error": stated})), expected);
        assert_eq!(judge_json(200, &json!({"error": stated})), expected);
        assert_eq!(
            judge_json(200, &choice(&json!({"error": stated}))),
            expected
        );
    }
    for code in [401, 403] {
        let text = failure(judge_json(200, &json!({"error": error(code.into())})));
        assert!(text.contains("not authorised"), "{text}");
        assert!(
            text.contains(&format!("{code} inside an HTTP 200, saying 'no'")),
            "{text}"
        );
    }
    for code in [402, 425, 429, 503, 529] {
        let stated = json!({"error": error(code.into())});
        for verdict in [
            judge_json(code, &stated),
            judge_json(200, &stated),
            judge_json(200, &choice(&stated)),
        ] {
            assert!(
                matches!(verdict, Verdict::Trouble { reach, .. } if reach == Reach::Answered(code)),
                "{code}: {verdict:?}"
            );
        }
    }
    // A server that failed at the request may have worked on it.
    for code in [408, 499, 500, 507] {
        let stated = json!({"error": error(code.into())});
        for verdict in [
            judge_json(code, &stated),
            judge_text(code, "<html>"),
            judge_json(200, &stated),
            judge_json(200, &choice(&stated)),
        ] {
            let text = in_doubt(verdict);
            assert!(
                text.contains(&format!("error {code}")) && text.contains("from a server that may"),
                "{text}"
            );
        }
    }
    // A gateway sends these if its server gave no whole answer.
    for code in [502, 504, 520, 522, 524] {
        let stated = json!({"error": error(code.into())});
        for verdict in [
            judge_json(code, &stated),
            judge_text(code, "<html>"),
            judge_json(200, &stated),
            judge_json(200, &choice(&stated)),
        ] {
            let text = in_doubt(verdict);
            assert!(text.contains(&format!("error {code}")), "{text}");
        }
    }
    let unknown = json!({"error": error("new_word".into())});
    assert!(in_doubt(judge_json(200, &unknown)).contains("unknown kind, saying 'no'"));
}

/// Judges a response that came before the whole request had left.
fn judge_early(status: u16, body: &str) -> Verdict {
    let site = Site {
        server: "https://host",
        clean: &clean,
    };
    let received = Received {
        status,
        is_early: true,
        body: body.into(),
        ..Received::default()
    };
    judge(&received, &request(), &site)
}

#[test]
fn half_a_request_is_never_in_doubt() {
    for status in [408, 500, 502, 504, 520] {
        let verdict = judge_early(status, "");
        assert!(
            matches!(verdict, Verdict::Trouble { reach, .. } if reach == Reach::AnsweredEarly(status)),
            "{status}: {verdict:?}"
        );
    }
    for (status, body) in [(200, "{}"), (200, "not JSON"), (204, ""), (999, "")] {
        let verdict = judge_early(status, body);
        assert!(
            matches!(verdict, Verdict::Failed(_)),
            "{status}: {verdict:?}"
        );
    }
    assert!(rejected(judge_early(413, "")).contains("413"));
}

#[test]
fn an_error_after_the_first_words_of_an_answer_leaves_the_call_in_doubt() {
    for code in [401, 429, 503] {
        let error = json!({"code": code, "message": "no"});
        let begun = choice(&json!({"error": error, "message": {"content": "par"}}));
        let text = in_doubt(judge_json(200, &begun));
        assert!(text.contains("an error broke off, saying 'no'"), "{text}");
        let silent = choice(&json!({"error": error, "message": {"content": ""}}));
        assert!(!matches!(judge_json(200, &silent), Verdict::InDoubt(_)));
    }
}

#[test]
fn what_an_error_is_about_decides_before_its_status_does() {
    let message = |text: &str| json!({"error": {"message": text, "type": "invalid_request_error"}});
    for status in [400, 403, 404] {
        for text in [
            "x/y is not a valid model ID",
            "The model `x` does not exist",
        ] {
            let text = failure(judge_json(status, &message(text)));
            assert!(
                text.contains("no such model") && text.contains("check the name 'asked'"),
                "{text}"
            );
        }
    }
    for status in [400, 403, 429] {
        let text = failure(judge_json(
            status,
            &message("Your credit balance is too low"),
        ));
        assert!(
            text.contains("not paid for") && text.contains("add credit"),
            "{text}"
        );
    }
    let key = failure(judge_json(
        400,
        &message("API key not valid. Please pass a valid one."),
    ));
    assert!(key.contains("check the API key"), "{key}");
    for status in [400, 403] {
        let text = rejected(judge_json(status, &message("Your input was flagged")));
        assert!(text.contains("flagged") && !text.contains("key"), "{text}");
    }
    let place = json!({"error": "Unexpected endpoint or method. (POST /chat/completions)"});
    assert!(failure(judge_json(200, &place)).contains("check that the base URL"));
    let limit = message("You exceeded your current quota");
    assert!(failure(judge_json(429, &limit)).contains("quota used up"));
    // The words of a failing server are not about the request.
    let trouble = message("the model was not found on this node");
    assert!(matches!(judge_json(503, &trouble), Verdict::Trouble { .. }));
}

#[test]
fn a_used_up_quota_is_fatal_wherever_it_is_stated() {
    let body = json!({"error": {"message": "used up", "type": "insufficient_quota", "code": "insufficient_quota"}});
    for status in [429, 403, 408, 500, 503, 200] {
        let text = failure(judge_json(status, &body));
        assert!(text.contains("quota used up"), "{status}: {text}");
    }
    // A gateway repeats what its server said, and the server may have been at work before.
    assert!(in_doubt(judge_json(502, &body)).contains("error 502"));
}

#[test]
fn a_wrong_address_is_no_word_on_the_request() {
    for (status, body) in [
        (400, "The plain HTTP request was sent to HTTPS port"),
        (400, "<html>"),
        (404, "404 page not found"),
        (404, "<html>"),
        (404, r#"{"detail": "Not Found"}"#),
        (405, r#"{"detail": "Method Not Allowed"}"#),
        (405, ""),
        (403, "<html><title>Attention</title>"),
    ] {
        let text = failure(judge_text(status, body));
        assert!(
            text.contains("check that the base URL") || text.contains("ask the provider"),
            "{status} {body}: {text}"
        );
    }
    let page = failure(judge_text(404, "<html><head><TITLE> Welcome </TITLE>"));
    assert!(page.contains("saying 'an HTML page, Welcome'"), "{page}");
    for status in [413, 422] {
        let text = rejected(judge_text(status, "<html>"));
        assert!(!text.contains("HTML"), "{text}");
    }
    assert!(failure(judge_text(418, "")).contains("HTTP 418"));
    let odd = failure(judge_json(409, &json!({"error": "busy"})));
    assert!(odd.contains("409, saying 'busy'"), "{odd}");
    assert!(failure(judge_text(407, "")).contains("proxy"));
    assert!(failure(judge_text(302, "")).contains("redirected"));
}

#[test]
fn the_key_is_in_nothing_that_is_kept_or_shown() {
    let echo = json!({
        "id": KEY, "provider": format!("a{KEY}"), "model": KEY, "system_fingerprint": KEY,
        "choices": [{"finish_reason": "stop", "message": {"content": "x"}}],
    });
    let error = json!({"error": {"message": format!("bad key {KEY}"), "code": 400}});
    for (status, body) in [
        (200, echo.to_string()),
        (200, format!("<html>{KEY}")),
        (
            200,
            choice(&json!({"message": {"content": null, "refusal": format!("it is {KEY}.")}}))
                .to_string(),
        ),
        (200, error.to_string()),
        (400, error.to_string()),
        (401, error.to_string()),
        (503, error.to_string()),
        (409, error.to_string()),
    ] {
        let printed = format!("{:?}", judge_text(status, &body));
        assert!(!printed.contains(KEY), "{printed}");
    }
}

#[test]
fn calls_of_tools_that_were_offered_are_an_answer() {
    let mut asks = request();
    asks.options.tools = vec![Tool {
        description: String::new(),
        name: "weather".into(),
        parameters: String::new(),
        strict: false,
    }];
    let with = |word: &str, message: Value| {
        let body = choice(&json!({"finish_reason": word, "message": message}));
        judge_answer(200, body.to_string().as_bytes(), &asks)
    };
    let call = |id: Value, arguments: Value| json!({"id": id, "type": "function", "function": {"name": "weather", "arguments": arguments}});
    let answered = |verdict: Verdict| match verdict {
        Verdict::Answered(completion, _) => completion,
        other => panic!("no answer: {other:?}"),
    };
    for (word, id, arguments, id_read, arguments_read) in [
        ("tool_calls", json!("c1"), json!("{}"), "c1", "{}"),
        (
            "stop",
            json!(null),
            json!({"city": "Ulm"}),
            "call-1",
            r#"{"city":"Ulm"}"#,
        ),
        ("function_call", json!(""), json!(null), "call-1", ""),
    ] {
        let message = json!({"content": null, "tool_calls": [call(id, arguments)]});
        let completion = answered(with(word, message));
        assert_eq!(completion.finish_reason, FinishReason::ToolCalls);
        assert_eq!(completion.text, "");
        let [call] = &completion.tool_calls[..] else {
            panic!("{completion:?}");
        };
        assert_eq!(
            (call.id.as_str(), call.arguments.as_str()),
            (id_read, arguments_read)
        );
    }
    let old = json!({"content": "", "function_call": {"name": "weather", "arguments": "{}"}});
    assert_eq!(
        answered(with("function_call", old)).tool_calls[0].name,
        "weather"
    );
    // Half a call is none.
    let half = json!({"content": null, "tool_calls": [call(json!("c"), json!("{\"ci"))]});
    let completion = answered(with("length", half));
    assert_eq!(completion.finish_reason, FinishReason::Length);
    assert!(completion.tool_calls.is_empty());
    let none = rejected(with("tool_calls", json!({"content": null})));
    assert_eq!(
        none,
        "the answer ended with finish reason 'tool_calls' and without the call of a tool"
    );
}
