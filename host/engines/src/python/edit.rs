//! Collects the edits and questions for one source, and applies all edits at once. Every byte
//! outside an edit stays as it is.

use std::collections::BTreeMap;
use std::ops::Range;

use tree_sitter::Node;

use super::answer::{Answers, SourceAnswer, Used, shown};
use super::parse::Source;
use super::{Edit, Kind, Question, Rewritten};

/// The edits and questions for one source, and the user's answers that apply to it.
pub struct Edits<'a> {
    source: &'a Source,
    /// By the byte at which they begin: end, line, old text and new text.
    all: BTreeMap<usize, (usize, usize, String, String)>,
    questions: Vec<Question>,
    answers: &'a Answers,
    used: Used,
}

/// Returns whether a byte is part of a word. A byte next to a node counts as part of one only if it
/// is ASCII: the only other byte there is the end of a byte order mark.
fn is_word(byte: Option<u8>) -> bool {
    byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl<'a> Edits<'a> {
    /// Starts with no edits and no questions.
    pub fn new(source: &'a Source, answers: &'a Answers) -> Self {
        Self {
            source,
            all: BTreeMap::new(),
            questions: Vec::new(),
            answers,
            used: Used::new(),
        }
    }

    /// Returns the user's answer about the text of `node`; an answer about every text does not
    /// count.
    pub fn answer(&self, node: Node<'_>) -> Option<&'a SourceAnswer> {
        let line = self.source.line(node.start_byte());
        let (about, answer) = self.answers.of(self.source.text(node), line)?;
        about.text.as_ref().map(|_| answer)
    }

    /// Returns whether the user has answered about the text of `range`, which begins on `line`.
    pub fn is_answered(&self, range: Range<usize>, line: usize) -> bool {
        self.answers.of(self.source.at(range), line).is_some()
    }

    /// Applies the user's answer about `node`; returns whether there is one.
    pub fn obey(&mut self, node: Node<'_>) -> bool {
        self.obey_at(node.byte_range(), self.source.line(node.start_byte()))
    }

    fn obey_at(&mut self, range: Range<usize>, line: usize) -> bool {
        let text = self.source.at(range.clone());
        let Some((about, answer)) = self.answers.of(text, line) else {
            return false;
        };
        self.used.insert(about.clone());
        if let SourceAnswer::Replace(now) = answer {
            self.replace_range(range, line, now);
        }
        true
    }

    /// Replaces `node` with `now`. Inserts a space where the new text would form one word with its
    /// neighbour, as in `from.x import y`.
    pub fn replace(&mut self, node: Node<'_>, now: &str) {
        self.replace_range(node.byte_range(), self.source.line(node.start_byte()), now);
    }

    /// Does the same for `range`, which begins on `line`.
    pub fn replace_range(&mut self, range: Range<usize>, line: usize, now: &str) {
        let was = self.source.at(range.clone()).to_owned();
        let (before, after) = self.source.beside(&range);
        let space = |is_needed: bool| if is_needed { " " } else { "" };
        let now = format!(
            "{}{now}{}",
            space(is_word(before) && is_word(now.bytes().next())),
            space(is_word(now.bytes().last()) && is_word(after)),
        );
        if was != now {
            self.all.insert(range.start, (range.end, line, was, now));
        }
    }

    /// Returns whether an edit begins where `node` begins.
    pub fn has(&self, node: Node<'_>) -> bool {
        self.all.contains_key(&node.start_byte())
    }

    /// Replaces these places in `node` with `now`, unless the user has answered otherwise.
    pub fn replace_in(&mut self, node: Node<'_>, places: &[Range<usize>], now: &str) {
        if self.obey(node) {
            return;
        }
        for place in places {
            // A string may span several lines.
            let before = self.source.at(node.start_byte()..place.start);
            let line = self.source.line(node.start_byte()) + before.matches('\n').count();
            self.replace_range(place.clone(), line, now);
        }
    }

    /// Asks about `node` and leaves it as it is, unless the user has answered.
    pub fn ask(&mut self, node: Node<'_>, kind: Kind, why: &'static str, answers: Vec<String>) {
        let line = self.source.line(node.start_byte());
        self.ask_about(node.byte_range(), line, kind, why, answers);
    }

    /// Does the same for `range`, which begins on `line`.
    pub fn ask_about(
        &mut self,
        range: Range<usize>,
        line: usize,
        kind: Kind,
        why: &'static str,
        answers: Vec<String>,
    ) {
        let text = self.source.at(range.clone());
        let answer = self.answers.of(text, line);
        let is_replaced = answer.is_some_and(|(_, answer)| *answer != SourceAnswer::Leave);
        if (is_replaced || kind.may_stay()) && self.obey_at(range, line) {
            return;
        }
        self.questions.push(Question {
            answers,
            kind,
            line,
            text: shown(text),
            why,
        });
    }

    /// Applies the edits to `source` and returns the result with the questions.
    pub fn finish(mut self, source: &[u8]) -> Rewritten {
        let place = |question: &Question| (question.line, question.text.clone());
        self.questions.sort_by_key(place);
        self.questions.dedup();
        let mut content = Vec::with_capacity(source.len());
        let mut edits = Vec::new();
        let mut end = 0;
        for (start, (until, line, was, now)) in self.all {
            // Nodes nest or are disjoint. Where two edits overlap, the outer one counts.
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
            used: self.used,
        }
    }
}
