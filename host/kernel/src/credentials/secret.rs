//! Secrets in text: which ones are searched for, where they occur, and what replaces them in
//! words for people. One rule applies to everything that is printed or recorded: only the exact
//! text of a secret counts, and only if it is too long to be an ordinary word.
//! Invariant: nothing here changes what enters a journal. A caller refuses to record content that
//! holds a secret; only words for people are rewritten.

use std::borrow::Cow;

use memchr::memmem;

/// Shortest secret that is searched for. Shorter keys ("none", "ollama", "qwen") are placeholders
/// for servers that check none, and occur in ordinary text.
pub const BYTES_MIN: usize = 16;
/// Replaces a secret in words for people.
pub const REDACTED: &str = "<redacted>";

/// Prefixes of the keys of known providers. No model's name begins with one.
const KEY_PREFIXES: [&str; 8] = [
    "sk-", "gsk_", "hf_", "xai-", "AIza", "pplx-", "ghp_", "Bearer ",
];

/// Returns whether `secret` is searched for at all.
#[must_use]
pub const fn counts(secret: &str) -> bool {
    secret.len() >= BYTES_MIN
}

/// Returns whether `content` holds `secret`, unchanged or as JSON writes it.
#[must_use]
pub fn occurs_in(content: &[u8], secret: &str) -> bool {
    counts(secret)
        && (holds(content, secret.as_bytes())
            || as_json(secret).is_some_and(|form| holds(content, form.as_bytes())))
}

/// Returns the secret as JSON writes it, if that differs.
fn as_json(secret: &str) -> Option<String> {
    secret
        .contains(['"', '\\'])
        .then(|| secret.replace('\\', "\\\\").replace('"', "\\\""))
}

fn holds(content: &[u8], wanted: &[u8]) -> bool {
    memmem::find(content, wanted).is_some()
}

/// Returns `text` with every secret that counts replaced by `instead`.
#[must_use]
pub fn without<'a>(text: &'a str, secrets: &[String], instead: &str) -> Cow<'a, str> {
    let mut text = Cow::Borrowed(text);
    for secret in secrets.iter().filter(|secret| counts(secret)) {
        for form in as_json(secret).iter().chain([secret]) {
            if text.contains(form.as_str()) {
                text = Cow::Owned(text.replace(form.as_str(), instead));
            }
        }
    }
    text
}

/// Returns whether `name`, given for a model, looks like a provider's key: the prefix of one,
/// followed by a longer run of letters, digits, `-` and `_` than a model's name has.
#[must_use]
pub fn looks_like_key(name: &str) -> bool {
    let of_key = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    KEY_PREFIXES.iter().any(|prefix| {
        name.match_indices(prefix).any(|(at, _)| {
            let is_start = name[..at]
                .chars()
                .next_back()
                .is_none_or(|c| !c.is_ascii_alphanumeric());
            let rest = &name[at + prefix.len()..];
            let run = rest.find(|c| !of_key(c)).unwrap_or(rest.len());
            is_start && run >= BYTES_MIN
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "sk-or-v1-0123456789abcdef";

    #[test]
    fn a_short_key_is_searched_for_nowhere() {
        for short in ["", "k", "qwen", "ollama", "fifteen-letters"] {
            assert!(!counts(short));
            assert!(!occurs_in(format!("a {short} b").as_bytes(), short));
            let text = format!("a {short} b");
            assert_eq!(without(&text, &[short.to_owned()], REDACTED), text);
        }
        assert!(counts("sixteen--letters"));
    }

    #[test]
    fn a_key_is_found_whole_only_and_in_any_form() {
        assert!(occurs_in(format!("x{KEY}y").as_bytes(), KEY));
        assert!(occurs_in(&[b"\xff\xfe", KEY.as_bytes()].concat(), KEY));
        assert!(!occurs_in(&KEY.as_bytes()[1..], KEY));
        assert!(!occurs_in(KEY.to_ascii_uppercase().as_bytes(), KEY));
        let quoted = r#"key"with\both-0123456789"#;
        let json = serde_json::to_string(quoted).unwrap();
        assert!(occurs_in(json.as_bytes(), quoted));
        assert_eq!(without(&json, &[quoted.to_owned()], "x"), "\"x\"");
        assert_eq!(
            without(&format!("{KEY}, {KEY}"), &[KEY.to_owned()], REDACTED),
            "<redacted>, <redacted>"
        );
    }

    #[test]
    fn keys_are_no_names_of_models_and_names_of_models_are_no_keys() {
        for key in [
            KEY,
            "gsk_0123456789abcdefABCDEF",
            "m-sk-or-v1-0123456789abcdef",
            "hf_abcdefghijklmnopqrstuvwx",
        ] {
            assert!(looks_like_key(key), "{key}");
        }
        for model in [
            "HuggingFaceTB/SmolLM2-135M-Instruct",
            "openai/gpt-4o-mini",
            "hf_small",
            "anthropic/claude-sonnet-4.5",
            "task-0123456789abcdefghij",
            "x-ai/grok-4",
            "sk-tiny",
            "m-${OPENROUTER_API_KEY}",
        ] {
            assert!(!looks_like_key(model), "{model}");
        }
    }

    proptest! {
        #[test]
        fn a_secret_is_found_where_it_stands(
            before in prop::collection::vec(any::<u8>(), 0..40),
            secret in "[ -~]{16,40}",
            after in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let content = [before.as_slice(), secret.as_bytes(), &after].concat();
            prop_assert!(occurs_in(&content, &secret));
        }

        #[test]
        fn text_without_the_secret_stays_as_it_is(text in ".{0,80}", secret in "[a-z0-9]{16,20}") {
            prop_assume!(!text.contains(&secret));
            prop_assert_eq!(&*without(&text, &[secret], REDACTED), &text);
        }
    }
}
