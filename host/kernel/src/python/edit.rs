//! The changes of one source, collected and made at once. Between them every byte stays.

use std::collections::BTreeMap;
use std::ops::Range;

use tree_sitter::Node;

use super::parse::Source;
use super::{Edit, Kind, Question, Rewritten};

/// A question shows so many characters of what it is about.
const SHOWN_CHARACTERS: usize = 200;

/// See the module.
pub struct Edits<'a> {
    source: &'a Source,
    /// By where they begin: end, line, old and new text.
    all: BTreeMap<usize, (usize, usize, String, String)>,
    questions: Vec<Question>,
}

/// Whether a byte can be part of a name.
fn is_word(byte: Option<u8>) -> bool {
    byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii())
}

impl<'a> Edits<'a> {
    /// None yet.
    pub fn new(source: &'a Source) -> Self {
        Self {
            source,
            all: BTreeMap::new(),
            questions: Vec::new(),
        }
    }

    /// Puts `now` where `node` is. Where it would become one word with what stands beside it, as
    /// in `from.x import y`, a space comes between.
    pub fn replace(&mut self, node: Node<'_>, now: &str) {
        let was = self.source.text(node).to_owned();
        let range = node.byte_range();
        let (before, after) = self.source.beside(&range);
        let space = |is_needed: bool| if is_needed { " " } else { "" };
        let now = format!(
            "{}{now}{}",
            space(is_word(before) && is_word(now.bytes().next())),
            space(is_word(now.bytes().last()) && is_word(after)),
        );
        self.replace_range(range, node.start_position().row + 1, was, &now);
    }

    /// Puts `now` where `was` is.
    pub fn replace_range(&mut self, range: Range<usize>, line: usize, was: String, now: &str) {
        if was != now {
            self.all
                .insert(range.start, (range.end, line, was, now.to_owned()));
        }
    }

    /// Leaves `node` and asks.
    pub fn ask(&mut self, node: Node<'_>, kind: Kind, why: &'static str, answers: Vec<String>) {
        let text = self.source.text(node).chars().take(SHOWN_CHARACTERS);
        self.questions.push(Question {
            answers,
            kind,
            line: node.start_position().row + 1,
            text: text.collect(),
            why,
        });
    }

    /// Makes them.
    pub fn finish(mut self, source: &[u8]) -> Rewritten {
        let place = |question: &Question| (question.line, question.text.clone());
        self.questions.sort_by_key(place);
        self.questions.dedup();
        let mut content = Vec::with_capacity(source.len());
        let mut edits = Vec::new();
        let mut end = 0;
        for (start, (until, line, was, now)) in self.all {
            // Nodes lie in each other or apart; of two that meet, the outer one counts.
            if start < end {
                continue;
            }
            content.extend_from_slice(&source[end..start]);
            content.extend_from_slice(now.as_bytes());
            end = until;
            edits.push(Edit { line, now, was });
        }
        content.extend_from_slice(&source[end..]);
        Rewritten {
            content: (!edits.is_empty()).then_some(content),
            edits,
            questions: self.questions,
        }
    }
}
