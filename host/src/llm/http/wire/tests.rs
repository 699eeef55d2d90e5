//! What every kind of response means, without a server.

use coo_kernel::llm::{Message, Role};

use super::super::endpoint::ApiKey;
use super::*;

const KEY: &str = "sk-0123456789abcdef";

fn request() -> Request {
    Request {
        max_tokens: 256,
        messages: vec![Message {
            content: "hello".into(),
            role: Role::User,
        }],
        model: "asked".into(),
        seed: u64::MAX,
        temperature: 0.0,
        top_p: 1.0,
    }
}

fn judge_text(status: u16, body: &str) -> Verdict {
    let site = Site {
        server: "https://host".into(),
        key: Some(ApiKey::new(KEY)),
    };
    let received = Received {
        status,
        body: body.into(),
        ..Received::default()
    };
    judge(&received, &request(), &site)
}

fn judge_json(status: u16, body: &Value) -> Verdict {
    judge_text(status, &body.to_string())
}

fn failure(verdict: Verdict) -> String {
    match verdict {
        Verdict::Failed(failure) => failure.to_string(),
        other => panic!("no failure: {other:?}"),
    }
}

fn choice(choice: &Value) -> Value {
    json!({"choices": [choice]})
}

#[test]
fn the_request_carries_every_parameter_and_routing_only_for_openrouter() {
    let plain: Value =
        serde_json::from_str(&request_body(&request(), "max_completion_tokens", false)).unwrap();
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
        serde_json::from_str(&request_body(&request(), "max_completion_tokens", true)).unwrap();
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
        usage: Usage {
            completion_tokens: Some(5),
            prompt_tokens: Some(7),
        },
    };
    let origin = Origin {
        response_id: Some("gen-1".into()),
        provider: Some("Upstream".into()),
        system_fingerprint: Some("fp_1".into()),
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
        usage: Usage::default(),
    };
    assert_eq!(
        judge_json(200, &bare),
        Verdict::Answered(completion, Origin::default())
    );
}

#[test]
fn finish_reasons_are_mapped() {
    for (word, reason) in [
        (json!("stop"), FinishReason::Stop),
        (json!("length"), FinishReason::Length),
        (json!("content_filter"), FinishReason::ContentFilter),
        (json!("tool_calls"), FinishReason::Other),
        (json!(null), FinishReason::Other),
    ] {
        let body = choice(&json!({"finish_reason": word, "message": {"content": "x"}}));
        let Verdict::Answered(completion, _) = judge_json(200, &body) else {
            panic!("{word}");
        };
        assert_eq!(completion.finish_reason, reason);
    }
}

#[test]
fn a_missing_text_fails_unless_it_was_filtered() {
    let without = |word: &str| {
        judge_json(
            200,
            &choice(&json!({"finish_reason": word, "message": {"content": null}})),
        )
    };
    assert!(matches!(
        without("content_filter"),
        Verdict::Answered(Completion { text, .. }, _) if text.is_empty()
    ));
    let text = failure(without("length"));
    assert!(text.contains("256") && text.contains("raise"), "{text}");
    assert!(failure(without("tool_calls")).contains("without text"));
    let parts = choice(&json!({"message": {"content": [{"type": "text", "text": "x"}]}}));
    assert!(failure(judge_json(200, &parts)).contains("content is not text"));
}

#[test]
fn a_success_that_is_none_fails_and_says_what_it_is() {
    for (body, words) in [
        (
            "<html>\n<b>hi",
            "is not JSON (12 bytes, beginning '<html> <b>hi')",
        ),
        (r#"{"choices": [{"mess"#, "ends in the middle of JSON"),
        ("", "ends in the middle of JSON (0 bytes"),
        ("{}", "without 'choices'"),
        (r#"{"choices": []}"#, "without 'choices'"),
        ("[1]", "without 'choices'"),
        ("7", "without 'choices'"),
    ] {
        let text = failure(judge_text(200, body));
        assert!(text.contains(words), "{body}: {text}");
        assert!(
            text.contains("https://host") && text.contains("check"),
            "{text}"
        );
    }
}

#[test]
fn an_error_means_the_same_in_a_status_a_body_and_a_choice() {
    let error = |code: Value| json!({"code": code, "message": "no"});
    for code in [400, 404, 413, 422] {
        let expected = Verdict::Rejected(format!(
            "the provider rejected the request with status {code}, saying 'no'"
        ));
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
    for code in [402, 408, 429, 500, 502, 503] {
        let stated = json!({"error": error(code.into())});
        for verdict in [judge_json(code, &stated), judge_json(200, &choice(&stated))] {
            assert!(
                matches!(verdict, Verdict::Trouble { status, .. } if status == code),
                "{code}: {verdict:?}"
            );
        }
    }
    let broke_off = choice(&json!({"finish_reason": "error", "message": {"content": "par"}}));
    assert!(matches!(
        judge_json(200, &broke_off),
        Verdict::Trouble { status: 502, .. }
    ));
    let unknown = json!({"error": error("new_word".into())});
    assert!(failure(judge_json(200, &unknown)).contains("unknown kind, saying 'no'"));
}

#[test]
fn a_used_up_quota_is_fatal_wherever_it_is_stated() {
    let body = json!({"error": {"message": "used up", "type": "insufficient_quota", "code": "insufficient_quota"}});
    for status in [429, 403, 200] {
        let text = failure(judge_json(status, &body));
        assert!(text.contains("quota used up"), "{status}: {text}");
    }
}

#[test]
fn a_refusal_counts_only_with_the_providers_word_where_a_wrong_path_answers_the_same() {
    for status in [400, 404] {
        for body in ["404 page not found", "<html>", r#"{"detail": "Not Found"}"#] {
            let text = failure(judge_text(status, body));
            assert!(text.contains("check that the base URL"), "{text}");
        }
    }
    for status in [413, 422] {
        assert!(matches!(judge_text(status, "<html>"), Verdict::Rejected(_)));
    }
    assert!(failure(judge_text(418, "")).contains("HTTP 418"));
    let odd = failure(judge_json(409, &json!({"error": "busy"})));
    assert!(odd.contains("409, saying 'busy'"), "{odd}");
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
            choice(&json!({"message": {"content": format!("it is {KEY}.")}})).to_string(),
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
