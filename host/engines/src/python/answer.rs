//! What a person has answered: a question is known by the text that it shows, and where that is
//! not enough, by its line, too.

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
    all: BTreeMap<About, Answer>,
}

/// What an answer is about: the text of a question, or all of them; on one line, or on every.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct About {
    /// As the question shows it, or all that stands there.
    pub text: Option<String>,
    /// The first line of a file is 1.
    pub line: Option<usize>,
}

/// Which of them were needed.
pub type Used = std::collections::BTreeSet<About>;

impl Answers {
    /// Enters one.
    pub fn enter(&mut self, about: About, answer: Answer) {
        self.all.insert(about, answer);
    }

    /// Those that leave something as it is.
    #[must_use]
    pub fn leaving(&self) -> Self {
        let all = self.all.iter();
        let leaving = all.filter(|(_, answer)| **answer == Answer::Leave);
        Self {
            all: leaving
                .map(|(about, answer)| (about.clone(), answer.clone()))
                .collect(),
        }
    }

    /// What they are about once they were obeyed: what took a place stays there, whatever its
    /// line is by then.
    #[must_use]
    pub fn afterwards(&self) -> Self {
        let all = self.all.iter().map(|(about, answer)| {
            let text = match answer {
                Answer::Leave => about.text.clone(),
                Answer::Replace(with) => Some(shown(with.trim())),
            };
            (About { text, line: None }, Answer::Leave)
        });
        Self { all: all.collect() }
    }

    /// What was answered about `text` on `line`, and what that is about. What is said of the line
    /// wins, then what is said of all of the text.
    pub fn of(&self, text: &str, line: usize) -> Option<(&About, &Answer)> {
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
                // Of what only begins so, nobody has seen all that would be replaced; where the
                // line is named, there is one such text.
                if *found.1 == Answer::Leave || about.text == whole || line.is_some() {
                    return Some(found);
                }
            }
        }
        None
    }
}

/// What a question shows of `text`.
pub fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARACTERS).collect()
}
