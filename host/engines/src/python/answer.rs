//! The user's answers to questions. An answer names its question by the text that the question
//! shows and, where that is not enough, also by its line.

use std::collections::BTreeMap;

/// How many characters of its subject a question shows.
const SHOWN_CHARACTERS: usize = 200;

/// An answer to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceAnswer {
    /// Leave the text as it is.
    Leave,
    /// Replace the text with this.
    Replace(String),
}

/// The answers about one source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers {
    all: BTreeMap<About, SourceAnswer>,
}

/// What an answer is about: one text or every text, on one line or on every line.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct About {
    /// The text as the question shows it, or in full; none for every text.
    pub text: Option<String>,
    /// The line, counted from 1; none for every line.
    pub line: Option<usize>,
}

/// The answers that were applied.
pub type Used = std::collections::BTreeSet<About>;

impl Answers {
    /// Adds an answer.
    pub fn enter(&mut self, about: About, answer: SourceAnswer) {
        self.all.insert(about, answer);
    }

    /// Returns only the answers that leave something as it is.
    #[must_use]
    pub fn leaving(&self) -> Self {
        let all = self.all.iter();
        let leaving = all.filter(|(_, answer)| **answer == SourceAnswer::Leave);
        Self {
            all: leaving
                .map(|(about, answer)| (about.clone(), answer.clone()))
                .collect(),
        }
    }

    /// Returns the answers for a second pass over the rewritten source: each text that an answer
    /// put in or left stays as it is, on whatever line it then stands.
    #[must_use]
    pub fn afterwards(&self) -> Self {
        let all = self.all.iter().map(|(about, answer)| {
            let text = match answer {
                SourceAnswer::Leave => about.text.clone(),
                SourceAnswer::Replace(with) => Some(shown(with.trim())),
            };
            (About { text, line: None }, SourceAnswer::Leave)
        });
        Self { all: all.collect() }
    }

    /// Returns the answer about `text` on `line`, with what the answer is about. An answer about
    /// the line comes before one about every line, and an answer about the text before one about
    /// every text.
    pub fn of(&self, text: &str, line: usize) -> Option<(&About, &SourceAnswer)> {
        let (shown, whole) = (Some(shown(text)), Some(text.to_owned()));
        for line in [Some(line), None] {
            for about in [&whole, &shown, &None] {
                let about = About {
                    text: about.clone(),
                    line,
                };
                let Some(found) = self.all.get_key_value(&about) else {
                    continue;
                };
                // The user has not seen all of a text that only begins as shown, so it is replaced
                // only where the answer names the line as well.
                if *found.1 == SourceAnswer::Leave || about.text == whole || line.is_some() {
                    return Some(found);
                }
            }
        }
        None
    }
}

/// Returns the part of `text` that a question shows.
pub fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARACTERS).collect()
}
