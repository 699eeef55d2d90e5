//! The finish reasons of all providers: one table, read without regard to case.
//! Invariant: a word that is not in the table never means success. The text of an answer is never
//! looked at here.

use serde_json::Value;

/// What a provider's finish reason means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The model ended its answer.
    Whole,
    /// No reason is given; the guest gets `FinishReason::Other`.
    Unstated,
    /// A limit on the length cut the answer off.
    Length,
    /// The provider withheld the answer or a part of it.
    Filtered,
    /// The model refused to answer.
    Refused,
    /// The model asks for a tool.
    Tool,
    /// The server stopped early, for a reason of the moment that is independent of the request.
    BrokenOff,
    /// Cut short for another reason, or an unknown word.
    Unknown,
}

/// The table: words in lower case with `_` between them.
const WORDS: [(End, &[&str]); 7] = [
    (
        End::Whole,
        &[
            "stop",
            "end",
            "end_turn",
            "stop_sequence",
            "stop_token",
            "eos",
            "eos_token",
            "endoftext",
            "complete",
            "completed",
            "normal",
        ],
    ),
    (
        End::Unstated,
        &[
            "",
            "null",
            "none",
            "unspecified",
            "finish_reason_unspecified",
        ],
    ),
    (
        End::Length,
        &[
            "length",
            "max_length",
            "max_tokens",
            "max_output_tokens",
            "max_completion_tokens",
            "max_new_tokens",
            "model_length",
            "model_context_window_exceeded",
            "context_length_exceeded",
            "token_limit",
            "limit",
            "error_limit",
        ],
    ),
    (
        End::Filtered,
        &[
            "content_filter",
            "content_filtered",
            "content_blocked",
            "safety",
            "image_safety",
            "sensitive",
            "recitation",
            "blocklist",
            "prohibited_content",
            "spii",
            "language",
            "moderation",
            "guardrail_intervened",
            "guardrails",
            "error_toxic",
        ],
    ),
    (End::Refused, &["refusal", "refused"]),
    (
        End::Tool,
        &[
            "tool_calls",
            "tool_call",
            "tool_use",
            "function_call",
            "malformed_function_call",
            "unexpected_tool_call",
            "too_many_tool_calls",
        ],
    ),
    (
        End::BrokenOff,
        &[
            "error",
            "abort",
            "aborted",
            "cancel",
            "cancelled",
            "canceled",
            "user_cancel",
            "network_error",
            "server_error",
            "insufficient_system_resource",
            "time_limit",
            "timeout",
            "not_finished",
            "pause_turn",
            "load",
            "unload",
        ],
    ),
];

impl End {
    /// Returns the meaning of the field `finish_reason` of a choice.
    #[must_use]
    pub fn of(finish_reason: &Value) -> Self {
        match finish_reason {
            Value::Null => Self::Unstated,
            Value::String(word) => Self::of_word(word),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => Self::Unknown,
        }
    }

    fn of_word(word: &str) -> Self {
        let word: String = word
            .trim()
            .chars()
            .map(|c| match c {
                '-' | ' ' => '_',
                c => c.to_ascii_lowercase(),
            })
            .collect();
        let bare = word.strip_prefix("finish_reason_").unwrap_or(&word);
        WORDS
            .iter()
            .find(|(_, words)| words.contains(&bare))
            .map_or(Self::Unknown, |(end, _)| *end)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_providers_words_are_known_in_any_case() {
        for (word, end) in [
            ("stop", End::Whole),
            ("STOP", End::Whole),
            ("FINISH_REASON_STOP", End::Whole),
            ("end-turn", End::Whole),
            ("eos_token", End::Whole),
            ("MAX_TOKENS", End::Length),
            ("model_length", End::Length),
            ("SAFETY", End::Filtered),
            ("sensitive", End::Filtered),
            ("RECITATION", End::Filtered),
            ("refusal", End::Refused),
            ("tool_calls", End::Tool),
            ("abort", End::BrokenOff),
            ("error", End::BrokenOff),
            ("repetition_truncation", End::Unknown),
            ("OTHER", End::Unknown),
            ("stopped?", End::Unknown),
            (" ", End::Unstated),
        ] {
            assert_eq!(End::of(&json!(word)), end, "{word}");
        }
        assert_eq!(End::of(&json!(null)), End::Unstated);
        for odd in [
            json!(1),
            json!(true),
            json!(["stop"]),
            json!({"type": "stop"}),
        ] {
            assert_eq!(End::of(&odd), End::Unknown, "{odd}");
        }
    }

    #[test]
    fn no_word_has_two_meanings() {
        let mut all: Vec<&str> = WORDS
            .iter()
            .flat_map(|(_, words)| *words)
            .copied()
            .collect();
        let before = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), before);
    }
}
