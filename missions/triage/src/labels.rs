//! From a model's words to a label, by one fixed rule: the first label of the list that
//! occurs in the lower-cased answer as a whole word, otherwise the fallback. Pure; never
//! gives a label that was not in the input.

/// The labels a ticket may get.
pub struct Labels<'a> {
    labels: &'a [String],
    fallback: &'a str,
}

impl<'a> Labels<'a> {
    /// Labels in order of precedence, and the one for answers without any of them.
    pub fn new(labels: &'a [String], fallback: &'a str) -> Self {
        Self { labels, fallback }
    }

    /// The label that the answer means.
    pub fn of_answer(&self, answer: &str) -> &'a str {
        let answer = answer.to_lowercase();
        let named = self.labels.iter().find(|label| holds_word(&answer, label));
        named.map_or(self.fallback, String::as_str)
    }

    /// Every label once, in order, the fallback last.
    pub fn all(&self) -> impl Iterator<Item = &'a str> {
        let labels = self.labels.iter().map(String::as_str);
        let fallback =
            Some(self.fallback).filter(|fallback| !self.labels.iter().any(|l| l == fallback));
        labels.chain(fallback)
    }
}

/// Whether `word` stands in `text` with no letter, digit or underscore next to it.
fn holds_word(text: &str, word: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(start, _)| {
        let before = text[..start].chars().next_back();
        let after = text[start + word.len()..].chars().next();
        !before.is_some_and(inside) && !after.is_some_and(inside)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_label_of_the_list_that_stands_as_a_word_wins() {
        let list = ["bug", "billing", "how to"].map(String::from);
        let labels = Labels::new(&list, "other");
        for (answer, label) in [
            ("Billing.", "billing"),
            ("**BUG**", "bug"),
            ("billing, or maybe a bug", "bug"),
            ("debugging the bugs", "other"),
            ("A how to question", "how to"),
            ("bug_report", "other"),
            ("", "other"),
        ] {
            assert_eq!(labels.of_answer(answer), label, "{answer}");
        }
        assert_eq!(
            labels.all().collect::<Vec<_>>(),
            ["bug", "billing", "how to", "other"]
        );
        assert_eq!(Labels::new(&list, "bug").all().count(), 3);
    }
}
