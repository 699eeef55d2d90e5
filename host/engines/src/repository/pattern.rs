//! Patterns of the pinned rulesets: regular expressions over the bytes of a whole file, so that a
//! phrase may span several lines. A search takes linear time for every pattern. Holds no words,
//! inflections or boundaries itself: the rulesets define them.

use std::ops::Range;

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};
use regex_syntax::ParserBuilder;

use super::text::Cursor;

/// Longest pattern, in bytes: people must be able to read it.
const TEXT_BYTES_MAX: usize = 4096;
/// Most memory for one compiled pattern, in bytes.
const COMPILED_BYTES_MAX: usize = 4 << 20;
/// Most memory for all compiled patterns of a ruleset, in bytes.
const SET_BYTES_MAX: usize = 64 << 20;

/// A compiled pattern. It never matches the empty text.
#[derive(Debug, Clone)]
pub struct Pattern {
    regex: Regex,
}

/// Why a pattern is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoPattern(String);

impl Pattern {
    /// Reads a pattern; refuses one that is too long, matches the empty text, or can never match.
    pub fn new(text: &str) -> Result<Self, NoPattern> {
        if text.len() > TEXT_BYTES_MAX {
            let bytes = text.len();
            return Err(NoPattern(format!(
                "has {bytes} bytes, at most {TEXT_BYTES_MAX} are permitted; make two of it"
            )));
        }
        let parsed = ParserBuilder::new().utf8(false).build().parse(text);
        let parsed = parsed.map_err(|error| NoPattern(syntax_error(&error)))?;
        match parsed.properties().minimum_len() {
            Some(0) => {
                return Err(NoPattern(
                    "matches the empty text, which is everywhere; make it ask for a character"
                        .into(),
                ));
            }
            Some(_) => {}
            None => return Err(NoPattern("can match nothing at all; correct it".into())),
        }
        let regex = RegexBuilder::new(text)
            .size_limit(COMPILED_BYTES_MAX)
            .build()
            .map_err(|error| NoPattern(build_error(&error)))?;
        Ok(Self { regex })
    }

    /// Returns the pattern as it was given.
    pub fn text(&self) -> &str {
        self.regex.as_str()
    }

    /// Returns whether the pattern occurs.
    pub fn is_in(&self, content: &[u8]) -> bool {
        self.regex.is_match(content)
    }

    /// Returns the occurrences, without overlaps.
    pub fn ranges(&self, content: &[u8]) -> impl Iterator<Item = Range<usize>> {
        self.regex.find_iter(content).map(|found| found.range())
    }

    /// Returns the first unexcused occurrence that begins on each line.
    pub fn hits(&self, content: &[u8], excused: &Excused) -> Vec<Hit> {
        let mut hits = Vec::new();
        let mut cursor = Cursor::default();
        let mut at = 0;
        while let Some(found) = self.regex.find_at(content, at) {
            let range = found.range();
            at = if excused.has(&range) {
                // A match that overlaps an excused one need not be excused itself.
                range.start + 1
            } else {
                let line = cursor.line(content, range.start);
                let next = cursor.next_line(content);
                hits.push(Hit { line, range });
                next
            };
        }
        hits
    }
}

/// An occurrence of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The line on which it begins, from 1.
    pub line: u64,
    /// The range of bytes.
    pub range: Range<usize>,
}

/// Excused parts of a file: a match is excused if it lies wholly within one occurrence of a
/// permitted pattern.
#[derive(Debug, Default)]
pub struct Excused {
    /// Sorted by start. Each end is the furthest end up to this range.
    ranges: Vec<Range<usize>>,
}

impl Excused {
    /// Finds the occurrences of `patterns`.
    pub fn new(patterns: &[Pattern], content: &[u8]) -> Self {
        let ranges = patterns.iter().flat_map(|pattern| pattern.ranges(content));
        let mut ranges: Vec<_> = ranges.collect();
        ranges.sort_unstable_by_key(|range| range.start);
        let mut furthest = 0;
        for range in &mut ranges {
            furthest = furthest.max(range.end);
            range.end = furthest;
        }
        Self { ranges }
    }

    /// Returns whether `range` lies within an excused part.
    pub fn has(&self, range: &Range<usize>) -> bool {
        let after = self
            .ranges
            .partition_point(|excused| excused.start <= range.start);
        after > 0 && self.ranges[after - 1].end >= range.end
    }
}

/// Several patterns combined, to find out quickly that none of them occurs.
#[derive(Debug, Clone)]
pub struct Any {
    set: RegexSet,
}

impl Any {
    /// Combines `patterns`; fails if together they need too much memory.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a Pattern>) -> Result<Self, NoPattern> {
        let set = RegexSetBuilder::new(patterns.into_iter().map(Pattern::text))
            .size_limit(SET_BYTES_MAX)
            .build()
            .map_err(|error| NoPattern(build_error(&error)))?;
        Ok(Self { set })
    }

    /// Returns whether any of the patterns occurs.
    pub fn is_in(&self, content: &[u8]) -> bool {
        self.set.is_match(content)
    }
}

/// Returns the place and the kind of an error, on one line.
fn syntax_error(error: &regex_syntax::Error) -> String {
    match error {
        regex_syntax::Error::Parse(error) => {
            format!("at byte {}: {}", error.span().start.offset, error.kind())
        }
        regex_syntax::Error::Translate(error) => {
            format!("at byte {}: {}", error.span().start.offset, error.kind())
        }
        _ => "is not a regular expression".into(),
    }
}

fn build_error(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(bytes) => {
            format!("needs more than {bytes} bytes when it is compiled; make it simpler")
        }
        _ => "is not a regular expression".into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text).unwrap()
    }

    #[test]
    fn what_can_not_be_searched_for_is_refused_on_one_line() {
        for (text, why) in [
            ("a(", "at byte 1: unclosed group"),
            (r"(a)\1", "at byte 3: backreferences are not supported"),
            (r"\p{Nope}", "at byte 0: Unicode property not found"),
            ("a*", "matches the empty text"),
            (r"\b", "matches the empty text"),
            ("", "matches the empty text"),
            (r"[^\s\S]", "can match nothing at all"),
            (r"(?:\w{1000}){100}", "needs more than 4194304 bytes"),
        ] {
            let error = Pattern::new(text).unwrap_err().to_string();
            assert!(error.starts_with(why) && !error.contains('\n'), "{error}");
        }
        let error = Pattern::new(&"a".repeat(4097)).unwrap_err().to_string();
        assert!(error.contains("4097") && error.contains("4096"), "{error}");
        assert!(Pattern::new(&"(".repeat(4096)).is_err());
        // A pattern may match bytes that are not UTF-8.
        assert!(pattern(r"(?-u:\xff)").is_in(b"a\xff"));
    }

    #[test]
    fn what_overlaps_an_excused_occurrence_is_not_excused() {
        let content = b"aba";
        let excused = Excused::new(&[pattern("ab")], content);
        let lines = |text| pattern(text).hits(content, &excused).len();
        assert_eq!(
            (lines("a."), lines("ab"), lines("ba"), lines("ab|ba")),
            (0, 0, 1, 1)
        );
    }

    proptest! {
        #[test]
        fn excused_is_what_lies_in_one_of_them(
            content in "[ab\\n]{0,40}",
            from in 0..40_usize,
            length in 0..6_usize,
        ) {
            let patterns = [pattern("aa"), pattern("a\\n?b+"), pattern("b{2,3}")];
            let content = content.as_bytes();
            let excused = Excused::new(&patterns, content);
            let range = from..from + length;
            let expected = patterns
                .iter()
                .flat_map(|pattern| pattern.ranges(content))
                .any(|excused| excused.start <= range.start && range.end <= excused.end);
            prop_assert_eq!(excused.has(&range), expected);
        }

        #[test]
        fn every_line_on_which_one_begins_is_found(content in "[ab \\r\\n]{0,60}") {
            let content = content.as_bytes();
            let found = pattern(r"a\s*b").hits(content, &Excused::default());
            // The expected lines, computed by trying every byte at which a match may begin.
            let mut lines = Vec::new();
            for start in 0..content.len() {
                let rest = &content[start..];
                let gap = rest.iter().skip(1).take_while(|byte| byte.is_ascii_whitespace());
                let end = 1 + gap.count();
                if rest[0] == b'a' && rest.get(end) == Some(&b'b') {
                    let before = content[..start].iter().filter(|&&byte| byte == b'\n');
                    lines.push(1 + before.count() as u64);
                }
            }
            lines.dedup();
            let found: Vec<_> = found.iter().map(|hit| hit.line).collect();
            prop_assert_eq!(found, lines);
        }
    }
}
