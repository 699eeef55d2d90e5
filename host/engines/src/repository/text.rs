//! Places in the text of a file: lines, columns, and excerpts. Accepts any bytes; shows bytes that
//! are not UTF-8 as the replacement character.

use std::ops::Range;

/// Longest excerpt, in characters: a few rows of a terminal.
pub const EXCERPT_CHARS_MAX: usize = 200;
/// How many bytes before the occurrence the excerpt of a long line shows.
const BEFORE_BYTES: usize = 60;
const BOM: &str = "\u{feff}";

/// Counts lines forwards, so that a file is read only once.
#[derive(Debug, Default)]
pub struct Cursor {
    at: usize,
    breaks: u64,
}

impl Cursor {
    /// Returns the line of the byte at `to`; `to` must not be before that of the last call.
    pub fn line(&mut self, content: &[u8], to: usize) -> u64 {
        let passed = content[self.at..to].iter().filter(|&&byte| byte == b'\n');
        self.breaks += passed.count() as u64;
        self.at = to;
        self.breaks + 1
    }

    /// Returns where the next line begins, or the end of the content.
    pub fn next_line(&self, content: &[u8]) -> usize {
        let rest = &content[self.at..];
        let end = rest.iter().position(|&byte| byte == b'\n');
        end.map_or(content.len(), |end| self.at + end + 1)
    }
}

/// Returns the range of the line that holds the byte at `at`, without its line end.
fn line_around(content: &[u8], at: usize) -> Range<usize> {
    let start = content[..at].iter().rposition(|&byte| byte == b'\n');
    let start = start.map_or(0, |end| end + 1);
    let length = content[at..].iter().position(|&byte| byte == b'\n');
    start..length.map_or(content.len(), |length| at + length)
}

/// Returns the column of the byte at `at`, in characters, from 1.
pub fn column(content: &[u8], at: usize) -> u64 {
    let before = &content[line_around(content, at).start..at];
    1 + String::from_utf8_lossy(before).chars().count() as u64
}

/// Returns the line of the byte at `at` as it is shown: trimmed, with control characters escaped. A
/// long line is cut to the part around `at`.
pub fn excerpt(content: &[u8], at: usize) -> String {
    let mut line = line_around(content, at);
    if line.len() > EXCERPT_CHARS_MAX {
        line.start = line.start.max(at.saturating_sub(BEFORE_BYTES));
        // Begin at a character boundary.
        while line.start < at && content[line.start] & 0b1100_0000 == 0b1000_0000 {
            line.start += 1;
        }
        // A character has at most four bytes.
        line.end = line
            .end
            .min(line.start + 4 * EXCERPT_CHARS_MAX + at - line.start);
    }
    shown(&String::from_utf8_lossy(&content[line]))
}

/// Returns `text` in the form of an excerpt.
pub fn shown(text: &str) -> String {
    let text = text.strip_prefix(BOM).unwrap_or(text).trim();
    let mut shown = String::new();
    let mut chars = 0;
    for char in text.chars() {
        let piece: String = if is_plain(char) {
            char.into()
        } else {
            char.escape_debug().collect()
        };
        chars += piece.chars().count();
        if chars > EXCERPT_CHARS_MAX {
            break;
        }
        shown.push_str(&piece);
    }
    shown
}

/// Returns whether a character neither controls a terminal nor changes the direction of text.
fn is_plain(char: char) -> bool {
    !char.is_control() && !matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The file is not text in UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: has a zero byte, so it is no text in UTF-8")]
pub struct NoText {
    line: u64,
}

impl NoText {
    /// Returns what the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some("convert it, or exclude it")
    }
}

/// Refuses content with a zero byte, such as UTF-16, in which patterns would find nothing.
pub fn check(content: &[u8]) -> Result<(), NoText> {
    match content.iter().position(|&byte| byte == 0) {
        None => Ok(()),
        Some(at) => Err(NoText {
            line: Cursor::default().line(content, at),
        }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn excerpts_are_bounded_and_steer_nothing() {
        assert_eq!(excerpt("\u{feff}  one \r\ntwo".as_bytes(), 4), "one");
        assert_eq!(excerpt(b"a\x1b[2J\tb", 0), "a\\u{1b}[2J\\tb");
        assert_eq!(excerpt("a\u{202e}b".as_bytes(), 0), "a\\u{202e}b");
        assert_eq!(excerpt(b"caf\xe9", 0), "caf\u{fffd}");
        let long = format!("{}needle{}", "ä".repeat(5000), "ö".repeat(5000));
        let shown = excerpt(long.as_bytes(), 10_000);
        assert_eq!(shown.chars().count(), EXCERPT_CHARS_MAX);
        assert!(
            shown.starts_with('ä') && shown.contains("needleö"),
            "{shown}"
        );
    }

    #[test]
    fn columns_are_characters() {
        assert_eq!(column("x\näb".as_bytes(), 4), 2);
        assert_eq!(column(b"", 0), 1);
    }

    #[test]
    fn a_zero_byte_is_no_text() {
        assert_eq!(check(b"a\n\0"), Err(NoText { line: 2 }));
        assert_eq!(check("ä".as_bytes()), Ok(()));
    }

    proptest! {
        #[test]
        fn lines_are_those_of_a_naive_count(
            content in prop::collection::vec(prop::sample::select(b"ab\n\r\xff".as_slice()), 0..80),
            at in prop::collection::vec(0..80_usize, 0..6),
        ) {
            let mut at: Vec<_> = at.into_iter().map(|at| at.min(content.len())).collect();
            at.sort_unstable();
            let mut cursor = Cursor::default();
            for at in at {
                let before: Vec<_> = content[..at].split(|&byte| byte == b'\n').collect();
                prop_assert_eq!(cursor.line(&content, at), before.len() as u64);
                let line = content.split(|&byte| byte == b'\n').nth(before.len() - 1);
                prop_assert_eq!(Some(&content[line_around(&content, at)]), line);
                prop_assert!(excerpt(&content, at).chars().count() <= EXCERPT_CHARS_MAX);
            }
        }
    }
}
