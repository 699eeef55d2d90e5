//! Handles mentions of the package in files that are not Python. Rewrites a file line by line only
//! where the configuration names it; every other mention becomes a question. Never guesses.

use super::answer::{SourceAnswer, shown};
use super::dynamic::Dynamic;
use super::module::Move;
use super::naming::{Named, Naming, Text};
use super::{Edit, Kind, Question, Rewritten};

/// How a file's mentions of the package are handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mentions {
    /// Every mention is rewritten.
    Rewritten,
    /// Every mention is asked about.
    Asked,
    /// Only mentions that can hardly mean anything else are asked about.
    CertainAsked,
}

/// Rewrites or asks about the mentions in a text, and applies the user's answers.
pub fn rewrite_text(text: &str, moved: &Move, dynamic: &Dynamic, mentions: Mentions) -> Rewritten {
    let naming = Naming::new(moved, &dynamic.known, &dynamic.folder);
    let mut rewritten = Rewritten::default();
    let mut now = String::new();
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let places: Vec<Named> = match mentions {
            Mentions::CertainAsked => naming.certain(line, Text::Data),
            Mentions::Rewritten | Mentions::Asked => naming.mentions(line),
        };
        if places.is_empty() {
            now.push_str(line);
            continue;
        }
        let becomes = naming.rewritten(line, &places);
        let trimmed = line.trim();
        let answer = dynamic
            .answers
            .of(trimmed, number + 1)
            .map(|(about, answer)| {
                rewritten.used.insert(about.clone());
                answer
            });
        let becomes = match answer {
            Some(SourceAnswer::Leave) => line.to_owned(),
            Some(SourceAnswer::Replace(with)) => line.replacen(trimmed, with, 1),
            None if mentions == Mentions::Rewritten => becomes,
            None => {
                rewritten.questions.push(Question {
                    answers: vec![becomes.trim().to_owned(), "leave it".to_owned()],
                    kind: Kind::Mention,
                    line: number + 1,
                    text: shown(trimmed),
                    why: "names the moved package",
                });
                line.to_owned()
            }
        };
        if becomes != line {
            rewritten.edits.push(Edit {
                line: number + 1,
                now: shown(becomes.trim()),
                was: shown(trimmed),
            });
        }
        now.push_str(&becomes);
    }
    if !rewritten.edits.is_empty() {
        rewritten.content = Some(now.into_bytes());
    }
    rewritten
}

/// Returns a question for every line that names the package.
pub fn mentions(text: &str, moved: &Move) -> Vec<Question> {
    rewrite_text(text, moved, &Dynamic::default(), Mentions::Asked).questions
}

/// Returns the text with every mention rewritten.
pub fn rewrite_mentions(text: &str, moved: &Move) -> String {
    let dynamic = Dynamic::default();
    let rewritten = rewrite_text(text, moved, &dynamic, Mentions::Rewritten);
    let content = rewritten
        .content
        .and_then(|content| String::from_utf8(content).ok());
    content.unwrap_or_else(|| text.to_owned())
}
