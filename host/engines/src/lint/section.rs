//! Finds the part of a text that belongs to a place: a section of Markdown, or a number of lines
//! around the place. Headers begin with `#` as in `CommonMark`; fenced code has none. Does not
//! judge the text.

use std::ops::Range;

/// Deepest level of a header.
const LEVEL_MAX: usize = 6;
/// Deepest indentation of a header or fence, in spaces; a deeper line is code.
const INDENT_MAX: usize = 3;

/// The sections of one text.
pub struct Sections {
    /// The byte at which each line begins, and the end of the text.
    lines: Vec<usize>,
    kind: Kind,
}

enum Kind {
    /// The byte at which each header begins, and its level.
    Headers(Vec<(usize, usize)>),
    Lines(usize),
}

impl Sections {
    /// Finds sections of Markdown: each reaches from a header to the next one of the same or a
    /// higher level.
    pub fn of_markdown(content: &[u8]) -> Self {
        let lines = line_starts(content);
        let mut headers = Vec::new();
        let mut fence: Option<(u8, usize)> = None;
        for line in lines.windows(2) {
            let text = content[line[0]..line[1]].trim_ascii_end();
            let indent = text.iter().take_while(|&&byte| byte == b' ').count();
            if indent > INDENT_MAX {
                continue;
            }
            let text = &text[indent..];
            let marks = |mark| text.iter().take_while(|&&byte| byte == mark).count();
            let opens = [b'`', b'~'].into_iter().find(|&mark| marks(mark) >= 3);
            match (fence, opens) {
                (Some((mark, length)), _) => {
                    if marks(mark) >= length && marks(mark) == text.len() {
                        fence = None;
                    }
                }
                // A backtick after the fence makes it a code span.
                (None, Some(mark)) if mark == b'~' || !text[marks(mark)..].contains(&mark) => {
                    fence = Some((mark, marks(mark)));
                }
                (None, _) => {
                    let level = marks(b'#');
                    let after = text.get(level).copied().unwrap_or(b' ');
                    if (1..=LEVEL_MAX).contains(&level) && matches!(after, b' ' | b'\t') {
                        headers.push((line[0], level));
                    }
                }
            }
        }
        Self {
            lines,
            kind: Kind::Headers(headers),
        }
    }

    /// Prepares a text for parts of `lines` lines before and after a place.
    pub fn of_lines(content: &[u8], lines: u64) -> Self {
        Self {
            lines: line_starts(content),
            kind: Kind::Lines(usize::try_from(lines).unwrap_or(usize::MAX)),
        }
    }

    /// Returns the part that `range` belongs to. If `range` spans several sections, its first byte
    /// decides.
    pub fn around(&self, range: &Range<usize>) -> Range<usize> {
        let end = self.lines.last().copied().unwrap_or_default();
        match &self.kind {
            Kind::Headers(headers) => {
                let after = headers.partition_point(|(start, _)| *start <= range.start);
                let (start, level) = match after.checked_sub(1) {
                    Some(header) => headers[header],
                    None => (0, LEVEL_MAX),
                };
                let next = headers[after..].iter().find(|(_, other)| *other <= level);
                start..next.map_or(end, |(start, _)| *start)
            }
            Kind::Lines(lines) => {
                let line_of = |at| {
                    self.lines
                        .partition_point(|start| *start <= at)
                        .saturating_sub(1)
                };
                let first = line_of(range.start).saturating_sub(*lines);
                let last = line_of(range.end.max(1) - 1).saturating_add(*lines);
                let after = self.lines.get(last.saturating_add(1));
                self.lines[first]..after.copied().unwrap_or(end)
            }
        }
    }
}

fn line_starts(content: &[u8]) -> Vec<usize> {
    let mut starts = vec![0];
    let breaks = content
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n');
    starts.extend(breaks.map(|(at, _)| at + 1));
    if starts.last() != Some(&content.len()) {
        starts.push(content.len());
    }
    starts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn around(content: &str, word: &str) -> String {
        let at = content.find(word).unwrap();
        let sections = Sections::of_markdown(content.as_bytes());
        content[sections.around(&(at..at + 1))].to_owned()
    }

    #[test]
    fn a_section_ends_where_one_of_its_level_begins() {
        let text = "zero\n# A\none\n## B\ntwo\n### C\nthree\n## D\nfour\n# E\nfive";
        assert_eq!(around(text, "zero"), "zero\n");
        assert_eq!(around(text, "one"), &text[5..text.find("# E").unwrap()]);
        assert_eq!(around(text, "two"), "## B\ntwo\n### C\nthree\n");
        assert_eq!(around(text, "three"), "### C\nthree\n");
        assert_eq!(around(text, "five"), "# E\nfive");
    }

    #[test]
    fn only_headers_are_headers() {
        for not_one in [
            "```\n# B\n```\n",
            "~~~ x\n# B\n```\n~~~~\n",
            "    # B\n",
            "#B\n",
            "####### B\n",
            "````\n```\n# B\n````\n",
            "```\n# B\n",
            "``` a\r\n# B\r\n```\r\n",
        ] {
            let text = format!("# A\nword\n{not_one}end");
            assert_eq!(around(&text, "word"), text, "{not_one:?}");
        }
        for one in [
            "   # B\n",
            "#\tB\n",
            "#\n",
            "```\n```\n# B\n",
            "``` a`\n# B\n",
            "# B\r\n",
        ] {
            let text = format!("# A\nword\n{one}end");
            assert!(!around(&text, "word").contains("end"), "{one:?}");
        }
    }

    #[test]
    fn so_many_lines_around() {
        let text = b"1\n2\n3\n4\n5";
        let around = |range, lines| {
            let range = Sections::of_lines(text, lines).around(&range);
            str::from_utf8(&text[range]).unwrap().replace('\n', "")
        };
        assert_eq!(around(4..5, 0), "3");
        assert_eq!(around(4..5, 1), "234");
        assert_eq!(around(2..7, 1), "12345");
        assert_eq!(around(8..9, 1), "45");
        assert_eq!(around(0..1, u64::MAX), "12345");
    }

    proptest! {
        #[test]
        fn what_is_around_has_it(text in "[#`~ a\\n\\r]{0,60}", at in 0..60_usize, lines in 0..4_u64) {
            if at < text.len() {
                let range = at..at + 1;
                for sections in [
                    Sections::of_markdown(text.as_bytes()),
                    Sections::of_lines(text.as_bytes(), lines),
                ] {
                    let around = sections.around(&range);
                    prop_assert!(around.start <= range.start && range.end <= around.end);
                }
            }
        }
    }
}
