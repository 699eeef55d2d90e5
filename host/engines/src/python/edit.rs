//! The changes of one source, collected and made at once. Between them every byte stays.

use std::collections::BTreeMap;
use std::ops::Range;

use tree_sitter::Node;

use super::answer::{Answer, Answers, Used, shown};
use super::parse::Source;
use super::{Edit, Kind, Question, Rewritten};

/// See the module.
pub struct Edits<'a> {
    source: &'a Source,
    /// By where they begin: end, line, old and new text.
    all: BTreeMap<usize, (usize, usize, String, String)>,
    questions: Vec<Question>,
    answers: &'a Answers,
    used: Used,
}

/// Whether a byte is part of a word. Beside a node what is not ASCII is no letter, but the mark
/// that a text begins with.
fn is_word(byte: Option<u8>) -> bool {
    byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl<'a> Edits<'a> {
    /// None yet.
    pub fn new(source: &'a Source, answers: &'a Answers) -> Self {
        Self {
            source,
            all: BTreeMap::new(),
            questions: Vec::new(),
            answers,
            used: Used::new(),
        }
    }

    /// What a person has answered about `node` alone.
    pub fn answer(&self, node: Node<'_>) -> Option<&'a Answer> {
        let line = self.source.line(node.start_byte());
        let (about, answer) = self.answers.of(self.source.text(node), line)?;
        about.text.as_ref().map(|_| answer)
    }

    /// Does what a person has answered about `node`; whether there is such an answer.
    pub fn obey(&mut self, node: Node<'_>) -> bool {
        self.obey_at(node.byte_range(), self.source.line(node.start_byte()))
    }

    fn obey_at(&mut self, range: Range<usize>, line: usize) -> bool {
        let text = self.source.at(range.clone());
        let Some((about, answer)) = self.answers.of(text, line) else {
            return false;
        };
        self.used.insert(about.clone());
        if let Answer::Replace(now) = answer {
            self.replace_range(range, line, now);
        }
        true
    }

    /// Puts `now` where `node` is. Where it would become one word with what stands beside it, as
    /// in `from.x import y`, a space comes between.
    pub fn replace(&mut self, node: Node<'_>, now: &str) {
        self.replace_range(node.byte_range(), self.source.line(node.start_byte()), now);
    }

    /// The same for all that stands at `range`, which begins on `line`.
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

    /// Whether something else is put where `node` begins.
    pub fn has(&self, node: Node<'_>) -> bool {
        self.all.contains_key(&node.start_byte())
    }

    /// Puts `now` in these places of `node`, unless a person has answered otherwise.
    pub fn replace_in(&mut self, node: Node<'_>, places: &[Range<usize>], now: &str) {
        if self.obey(node) {
            return;
        }
        for place in places {
            // What is in quotes may go over several lines.
            let before = self.source.at(node.start_byte()..place.start);
            let line = self.source.line(node.start_byte()) + before.matches('\n').count();
            self.replace_range(place.clone(), line, now);
        }
    }

    /// Leaves `node` and asks, unless a person has answered.
    pub fn ask(&mut self, node: Node<'_>, kind: Kind, why: &'static str, answers: Vec<String>) {
        let line = self.source.line(node.start_byte());
        self.ask_about(node.byte_range(), line, kind, why, answers);
    }

    /// The same for all that stands at `range`, which begins on `line`.
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
        let is_replaced = answer.is_some_and(|(_, answer)| *answer != Answer::Leave);
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
            used: self.used,
        }
    }
}
