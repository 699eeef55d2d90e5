//! A text in which spans are replaced by spaces. Line breaks stay, and so does the number of UTF-16 units
//! of a line, in which JavaScript counts columns.

use oxc_span::Span;

/// See the module.
pub struct Blanks<'a> {
    source: &'a str,
    /// For each byte of the source, what stands in its place; 0 for the byte itself.
    over: Vec<u8>,
}

impl<'a> Blanks<'a> {
    pub fn of(source: &'a str) -> Self {
        Self {
            source,
            over: vec![0; source.len()],
        }
    }

    /// Replaces a span by spaces.
    pub fn blank(&mut self, start: u32, end: u32) {
        self.over[start as usize..end as usize].fill(b' ');
    }

    /// Replaces a span by spaces that end the statement before it.
    pub fn blank_statement(&mut self, span: Span) {
        self.blank(span.start, span.end);
        self.put(span.start, b';');
    }

    /// Puts a character in the place of one of a byte.
    pub fn put(&mut self, at: u32, character: u8) {
        self.over[at as usize] = character;
    }

    /// Returns whether the byte at `at` is replaced.
    pub fn is_blank(&self, at: u32) -> bool {
        self.over[at as usize] == b' '
    }

    /// Returns the text.
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(self.source.len());
        for (at, character) in self.source.char_indices() {
            match self.over[at] {
                0 => text.push(character),
                _ if matches!(character, '\n' | '\r' | '\u{2028}' | '\u{2029}') => {
                    text.push(character);
                }
                over => {
                    text.push(char::from(over));
                    for _ in 1..character.len_utf16() {
                        text.push(' ');
                    }
                }
            }
        }
        text
    }
}
