//! Finds an anchor in a document, and the lines that the anchor covers (packet §4.1). Compares
//! lines byte for byte after each run of spaces and tabs became one space; nothing else is treated
//! as equal. Never finds a header or a clause inside a fenced code block.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::Operation;

/// How many characters of its line a candidate shows.
const SHOWN_CHARACTERS: usize = 200;
/// The byte order mark that some editors write first.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The anchor to search for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Anchor {
    /// The line that a clause begins with: the clause's id, after nothing but marks of lists,
    /// headers, quotes and emphasis. A line that only mentions an id begins no clause.
    Clause(String),
    /// A Markdown header, with its `#`.
    Header(String),
}

/// How many lines an anchor covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Extent {
    /// Only the line itself.
    Line,
    /// From the line to the next empty line, header or clause.
    Clause,
    /// From a header to the next header of the same or a higher level.
    Section,
}

/// A place that the anchor may mean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Candidate {
    /// The line's number, from 1.
    pub line: usize,
    pub text: String,
}

/// A document, line by line.
pub struct Document<'a> {
    /// The byte order mark, if there is one; it stays first after every insertion.
    mark: &'a str,
    lines: Vec<Line<'a>>,
    end: &'static str,
}

struct Line<'a> {
    /// The line with its line end.
    text: &'a str,
    is_code: bool,
}

impl Anchor {
    /// Returns the text that is compared with lines.
    pub fn searched(&self) -> String {
        let (Self::Clause(text) | Self::Header(text)) = self;
        normalised(text)
    }

    /// Refuses an id or a header of the wrong form, and an extent that does not fit the anchor.
    pub(super) fn check(&self, extent: Extent) -> Result<(), String> {
        match (self, extent) {
            (Self::Clause(id), _) => {
                if clause(id) != Some(id) {
                    return Err(format!(
                        "clause '{}' is not a clause id: [, letters, digits . _ -, a digit among them, ]; for example [SPEC-1.2.3]",
                        id.escape_debug().take(80).collect::<String>()
                    ));
                }
                if extent == Extent::Section {
                    return Err(
                        "a clause is not a section; its extent is line or clause".to_owned()
                    );
                }
            }
            (Self::Header(text), _) => {
                if text.contains(['\n', '\r']) || level(&normalised(text)).is_none() {
                    return Err(format!(
                        "header '{}' is none; for example ## Section Title",
                        text.escape_debug().take(80).collect::<String>()
                    ));
                }
                if extent == Extent::Clause {
                    return Err(
                        "a header is not a clause; its extent is line or section".to_owned()
                    );
                }
            }
        }
        Ok(())
    }
}

impl<'a> Document<'a> {
    /// Splits a document into lines, and finds its code blocks and its kind of line end.
    pub fn read(text: &'a str) -> Self {
        let (mark, text) = if text.starts_with(BYTE_ORDER_MARK) {
            text.split_at(BYTE_ORDER_MARK.len_utf8())
        } else {
            ("", text)
        };
        let mut fence: Option<(char, usize)> = None;
        let lines: Vec<Line<'a>> = text
            .split_inclusive('\n')
            .map(|text| {
                let mark = fence_mark(text);
                let is_code = fence.is_some() || mark.is_some();
                fence = match (fence, mark) {
                    (None, Some((c, length, _))) => Some((c, length)),
                    (Some((c, length)), Some((found, count, true)))
                        if found == c && count >= length =>
                    {
                        None
                    }
                    (open, _) => open,
                };
                Line { text, is_code }
            })
            .collect();
        let ends = lines.iter().filter(|line| line.text.ends_with('\n'));
        let is_crlf = |line: &Line<'_>| line.text.ends_with("\r\n");
        let mut ends = ends.peekable();
        let end = if ends.peek().is_some() && ends.all(is_crlf) {
            "\r\n"
        } else {
            "\n"
        };
        Self { mark, lines, end }
    }

    /// Returns the indexes of the lines that match `anchor`, from 0.
    pub fn locate(&self, anchor: &Anchor) -> Vec<usize> {
        let searched = anchor.searched();
        let is_there = |line: &Line<'_>| match anchor {
            _ if line.is_code => false,
            Anchor::Header(_) => normalised(line.text) == searched,
            Anchor::Clause(_) => clause(&normalised(line.text)) == Some(searched.as_str()),
        };
        let lines = self.lines.iter().enumerate();
        lines
            .filter(|(_, line)| is_there(line))
            .map(|(number, _)| number)
            .collect()
    }

    /// Returns these lines as an escalation shows them.
    pub fn candidates(&self, lines: &[usize]) -> Vec<Candidate> {
        lines
            .iter()
            .map(|&number| Candidate {
                line: number + 1,
                text: normalised(self.lines[number].text)
                    .chars()
                    .take(SHOWN_CHARACTERS)
                    .collect(),
            })
            .collect()
    }

    /// Returns the lines that `anchor`, found at `line`, covers.
    pub fn extent(&self, line: usize, anchor: &Anchor, extent: Extent) -> Range<usize> {
        let own_level = level(&anchor.searched());
        let ends_here = |following: &Line<'_>| {
            let text = normalised(following.text);
            match extent {
                Extent::Line => true,
                _ if following.is_code => false,
                Extent::Clause => {
                    text.is_empty() || level(&text).is_some() || clause(&text).is_some()
                }
                Extent::Section => level(&text).is_some_and(|level| Some(level) <= own_level),
            }
        };
        let following = &self.lines[line + 1..];
        let length = following.iter().position(ends_here);
        line..line + 1 + length.unwrap_or(following.len())
    }

    /// Returns the document after `operation` on the lines `place`. Writes `text` as whole lines,
    /// with the document's own kind of line end.
    pub fn with(&self, place: Range<usize>, operation: Operation, text: &str) -> String {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let mut new = text.replace('\n', self.end);
        if operation != Operation::Delete {
            new.push_str(self.end);
        }
        // The lines to remove; an empty range at the place of an insertion.
        let gone = match operation {
            Operation::InsertBefore => place.start..place.start,
            Operation::InsertAfter => place.end..place.end,
            Operation::Replace | Operation::Delete => place,
        };
        let mut after = self.mark.to_owned();
        after.extend(self.lines[..gone.start].iter().map(|line| line.text));
        let has_end = gone.start == 0 || after.ends_with('\n');
        if !has_end && !new.is_empty() {
            after.push_str(self.end);
        }
        after.push_str(&new);
        after.extend(self.lines[gone.end..].iter().map(|line| line.text));
        after
    }
}

/// Returns, for a line that may open or close a code block: the mark, its length, and whether the
/// rest of the line is empty.
fn fence_mark(line: &str) -> Option<(char, usize, bool)> {
    let indented = line.trim_start_matches(' ');
    let mark = indented.chars().next().filter(|c| "`~".contains(*c))?;
    let rest = indented.trim_start_matches(mark);
    let length = indented.len() - rest.len();
    let is_inline = mark == '`' && rest.contains('`');
    (line.len() - indented.len() <= 3 && length >= 3 && !is_inline)
        .then(|| (mark, length, rest.trim().is_empty()))
}

/// Returns a line without its line end and outer spaces; each run of spaces and tabs is one space.
fn normalised(line: &str) -> String {
    let line = line.strip_suffix('\n').unwrap_or(line);
    let line = line.strip_suffix('\r').unwrap_or(line);
    let words = line.split([' ', '\t']).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// Returns the level of the header that a normalised line is, if it is one.
fn level(line: &str) -> Option<usize> {
    let level = line.len() - line.trim_start_matches('#').len();
    let is_header = line.as_bytes().get(level) == Some(&b' ') || line.len() == level;
    ((1..=6).contains(&level) && is_header).then_some(level)
}

/// Returns the id of the clause that a normalised line begins, if it begins one.
fn clause(line: &str) -> Option<&str> {
    let mut rest = line;
    loop {
        let shorter = rest.trim_start_matches(['#', '>', '*', '+', '-', '_', '`', ' ']);
        let number = shorter.trim_start_matches(|c: char| c.is_ascii_digit());
        let shorter = match number.strip_prefix(['.', ')']) {
            Some(after) if number.len() < shorter.len() && after.starts_with(' ') => after,
            _ => shorter,
        };
        if shorter.len() == rest.len() {
            break;
        }
        rest = shorter;
    }
    let inner = rest.strip_prefix('[')?;
    let (id, _) = inner.split_once(']')?;
    // An id has a digit and only these characters; a link's text or a checkbox does not.
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let is_id = id.chars().all(plain) && id.chars().any(|c| c.is_ascii_digit());
    (is_id && !inner[id.len() + 1..].starts_with(['(', '['])).then(|| &rest[..id.len() + 2])
}
