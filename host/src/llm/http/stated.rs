//! An error as a provider states it in JSON, in any of the forms in use: `OpenRouter`'s (a number
//! as code), `OpenAI`'s (words as code and type), a bare text, or the error as the whole body.
//! Never decides what the error means for the call: that is `wire`.

use serde_json::Value;

/// An error as a provider states it.
pub(super) struct Stated {
    /// `code` and `type`, the more precise one first.
    kinds: [Value; 2],
    /// Its words, uncleaned; may be empty.
    pub message: String,
}

impl Stated {
    /// In a whole body: `{"error": …}`, or the error itself as some servers send it.
    pub(super) fn at_top(body: &Value) -> Option<Self> {
        if body["object"] == "error" {
            return Some(Self::read(body));
        }
        Self::in_error_field(body)
    }

    /// In the field `error` of a body or a choice.
    pub(super) fn in_error_field(holder: &Value) -> Option<Self> {
        match &holder["error"] {
            Value::Null => None,
            error => Some(Self::read(error)),
        }
    }

    fn read(error: &Value) -> Self {
        let mut message = error["message"]
            .as_str()
            .or(error.as_str())
            .unwrap_or_default()
            .to_owned();
        // Where OpenRouter keeps the upstream provider's own words.
        if let Some(raw) = error["metadata"]["raw"].as_str() {
            message = format!("{message}: {raw}");
        }
        Self {
            kinds: [error["code"].clone(), error["type"].clone()],
            message,
        }
    }

    /// Whether waiting cannot help.
    pub(super) fn is_quota(&self) -> bool {
        self.kinds.iter().any(|kind| kind == "insufficient_quota")
    }

    /// The HTTP status that the error stands for, if it is a known one.
    pub(super) fn status(&self) -> Option<u16> {
        self.kinds.iter().find_map(|kind| {
            let number = match kind {
                Value::Number(number) => number.as_u64(),
                Value::String(word) => word.parse().ok().or_else(|| status_of(word)),
                _ => None,
            };
            u16::try_from(number?)
                .ok()
                .filter(|status| (400..600).contains(status))
        })
    }
}

/// The statuses that documented error words go with.
fn status_of(word: &str) -> Option<u64> {
    Some(match word {
        "invalid_request_error" | "context_length_exceeded" | "invalid_prompt" => 400,
        "invalid_api_key" | "authentication_error" => 401,
        "permission_error" | "permission_denied" => 403,
        "model_not_found" | "not_found_error" => 404,
        "rate_limit_exceeded" | "rate_limit_error" => 429,
        "server_error" | "internal_server_error" | "api_error" => 500,
        "overloaded_error" => 503,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_form_of_an_error_is_read() {
        for (body, status, message) in [
            (
                json!({"error": {"code": 429, "message": "slow"}}),
                Some(429),
                "slow",
            ),
            (
                json!({"error": {"code": "502", "message": "up"}}),
                Some(502),
                "up",
            ),
            (
                json!({"error": {"message": "m", "type": "invalid_request_error", "param": null, "code": null}}),
                Some(400),
                "m",
            ),
            (
                json!({"error": {"message": "m", "type": "invalid_request_error", "code": "invalid_api_key"}}),
                Some(401),
                "m",
            ),
            (
                json!({"error": {"code": 502, "message": "Provider returned error", "metadata": {"raw": "out of memory"}}}),
                Some(502),
                "Provider returned error: out of memory",
            ),
            (
                json!({"error": "model is loading"}),
                None,
                "model is loading",
            ),
            (
                json!({"object": "error", "message": "too long", "code": 400}),
                Some(400),
                "too long",
            ),
            (json!({"error": {"code": 200, "type": 70000}}), None, ""),
            (json!({"error": true}), None, ""),
        ] {
            let stated = Stated::at_top(&body).unwrap();
            assert_eq!(stated.status(), status, "{body}");
            assert_eq!(stated.message, message, "{body}");
        }
    }

    #[test]
    fn no_error_is_no_error() {
        for body in [
            json!({}),
            json!({"error": null}),
            json!([]),
            json!("error"),
            json!(null),
        ] {
            assert!(Stated::at_top(&body).is_none(), "{body}");
        }
    }

    #[test]
    fn a_used_up_quota_is_known_by_code_or_type() {
        for body in [
            json!({"error": {"type": "insufficient_quota"}}),
            json!({"error": {"code": "insufficient_quota", "type": "other"}}),
        ] {
            assert!(Stated::at_top(&body).unwrap().is_quota());
        }
        assert!(
            !Stated::at_top(&json!({"error": {"code": 429}}))
                .unwrap()
                .is_quota()
        );
    }
}
