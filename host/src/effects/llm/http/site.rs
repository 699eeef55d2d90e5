//! Cleans the words of a server before they are shown. Invariant: a text that leaves `clean` is one
//! bounded line, without the API key and without characters that could forge a terminal line. The
//! model's own answer never passes through here.

use coo_kernel::credentials::secret;
use coo_kernel::form::plain;

use super::endpoint::ApiKey;

/// Most characters of a provider's message: enough for its reason, short enough for one error line.
const MESSAGE_CHARS_MAX: usize = 500;

/// The server that the words come from, and the secret that they must not contain.
#[derive(Debug)]
pub(super) struct Site {
    /// Scheme and authority.
    pub server: String,
    pub key: Option<ApiKey>,
}

impl Site {
    /// Returns `text` on one line, without the key, with at most `chars_max` characters.
    pub(super) fn clean(&self, text: &str, chars_max: usize) -> String {
        let mut clean: String = text
            .chars()
            .map(|c| if plain::misleads(c) { ' ' } else { c })
            .collect();
        if let Some(key) = self.key.as_ref().filter(|key| secret::counts(key.reveal())) {
            // Before cutting: half a key would not be found.
            clean = clean.replace(key.reveal(), secret::REDACTED);
        }
        let clean = clean.trim();
        match clean.char_indices().nth(chars_max) {
            Some((end, _)) => format!("{}…", &clean[..end]),
            None => clean.to_owned(),
        }
    }

    /// Cleans a message of the provider or of the network.
    pub(super) fn message(&self, text: &str) -> String {
        self.clean(text, MESSAGE_CHARS_MAX)
    }

    /// Returns whether `body` contains the key, if the key is long enough to be a secret.
    pub(super) fn betrays_key(&self, body: &[u8]) -> bool {
        self.key
            .as_ref()
            .is_some_and(|key| secret::occurs_in(body, key.reveal()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "sk-0123456789abcdef";

    fn site() -> Site {
        Site {
            server: "https://host".into(),
            key: Some(ApiKey::new(KEY)),
        }
    }

    #[test]
    fn the_key_is_taken_out_before_the_text_is_cut() {
        let text = format!("{}{KEY} and {KEY}", "x".repeat(10));
        assert_eq!(
            site().clean(&text, 100),
            "xxxxxxxxxx<redacted> and <redacted>"
        );
        for chars_max in 0..text.len() {
            let clean = site().clean(&text, chars_max);
            assert!(!clean.contains("sk-0"), "{clean}");
            assert!(clean.chars().count() <= chars_max + 1, "{clean}");
        }
    }

    #[test]
    fn text_is_one_bounded_line_without_control_characters() {
        let text = "\u{1b}[31mred\r\n\u{202e}desrever\u{2028}é\0";
        assert_eq!(site().message(text), "[31mred   desrever é");
        assert_eq!(site().message(&"é".repeat(600)).chars().count(), 501);
    }

    #[test]
    fn only_a_key_long_enough_to_be_secret_is_searched_for_in_answers() {
        assert!(site().betrays_key(format!("your key is {KEY}").as_bytes()));
        let placeholder = Site {
            key: Some(ApiKey::new("ollama")),
            ..site()
        };
        assert!(!placeholder.betrays_key(b"ollama is a server"));
        assert!(
            !Site {
                key: None,
                ..site()
            }
            .betrays_key(KEY.as_bytes())
        );
    }
}
