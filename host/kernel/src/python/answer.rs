//! What a person has answered: a question is known again by the text that it shows.

use std::collections::BTreeMap;

/// A question shows so many characters of what it is about.
const SHOWN_CHARACTERS: usize = 200;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It stays as it is.
    Leave,
    /// This takes its place.
    Replace(String),
}

/// All answers about one source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers {
    /// By the text of the question; by none, to all questions.
    all: BTreeMap<Option<String>, Answer>,
}

/// Which of them were needed, by the text of the question.
pub type Used = std::collections::BTreeSet<Option<String>>;

impl Answers {
    /// Enters one; with no text, it answers every question.
    pub fn enter(&mut self, text: Option<String>, answer: Answer) {
        self.all.insert(text, answer);
    }

    /// Those that leave something as it is.
    #[must_use]
    pub fn leaving(&self) -> Self {
        let all = self.all.iter();
        let leaving = all.filter(|(_, answer)| **answer == Answer::Leave);
        Self {
            all: leaving
                .map(|(text, answer)| (text.clone(), answer.clone()))
                .collect(),
        }
    }

    /// What they are about once they were obeyed: what took a place stays there.
    #[must_use]
    pub fn afterwards(&self) -> Self {
        let all = self.all.iter().map(|(text, answer)| match answer {
            Answer::Leave => (text.clone(), Answer::Leave),
            Answer::Replace(with) => (Some(shown(with.trim())), Answer::Leave),
        });
        Self { all: all.collect() }
    }

    /// What was answered about `text`, and to which text that was the answer.
    pub fn of(&self, text: &str) -> Option<(&Option<String>, &Answer)> {
        let shown = shown(text);
        let answer = self.all.get_key_value(&Some(shown.clone()));
        answer
            .or_else(|| self.all.get_key_value(&None))
            // Nobody has seen all of what would be replaced.
            .filter(|(_, answer)| **answer == Answer::Leave || shown == text)
    }
}

/// What a question shows of `text`.
pub fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARACTERS).collect()
}
