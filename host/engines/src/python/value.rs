//! Reads string literals: what a literal says once its escape sequences are decoded, and where in
//! the source each byte of that text comes from. Also reads the text as a regular expression and as
//! a Windows path, since it may be either.

use std::ops::Range;

use super::words::has_word;

/// A decoded text, with its places in the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    pub text: String,
    /// For each byte of `text`, and for its end, the place in the source.
    from: Vec<usize>,
}

/// How a literal is written, as its prefix says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Form {
    /// `f''` or `t''`: a doubled brace stands for one.
    pub is_format: bool,
    /// `r''`
    pub is_raw: bool,
    /// `b''`
    pub is_bytes: bool,
}

impl Form {
    /// Reads the form from a literal's prefix and opening quote.
    pub fn of(start: &str) -> Self {
        let prefix = start.trim_end_matches(['"', '\'']).to_ascii_lowercase();
        Self {
            is_format: prefix.contains(['f', 't']),
            is_raw: prefix.contains('r'),
            is_bytes: prefix.contains('b'),
        }
    }
}

impl Value {
    /// Decodes the `content` of a literal; it begins at byte `start` of the source.
    pub fn of(content: &str, start: usize, form: Form) -> Self {
        let mut value = Self {
            text: String::new(),
            from: Vec::new(),
        };
        let mut rest = content;
        while let Some(first) = rest.chars().next() {
            let at = start + content.len() - rest.len();
            let (length, found) = match first {
                '\\' if !form.is_raw => escape(rest, form.is_bytes),
                '{' | '}' if form.is_format && rest[1..].starts_with(first) => (2, Some(first)),
                _ => (first.len_utf8(), Some(first)),
            };
            if let Some(found) = found {
                value.push(found, at);
            }
            rest = &rest[length..];
        }
        value.from.push(start + content.len());
        value
    }

    fn push(&mut self, found: char, at: usize) {
        self.text.push(found);
        self.from.resize(self.text.len(), at);
    }

    /// Returns the range of the source that a part of the text comes from.
    pub fn source(&self, part: &Range<usize>) -> Range<usize> {
        let place = |at: usize| self.from.get(at).copied().unwrap_or_default();
        place(part.start)..place(part.end)
    }

    /// Returns what the text says as a regular expression and as a Windows path, where it can be
    /// one.
    pub fn otherwise(&self) -> Vec<Self> {
        let has = |mark: char| self.text.contains(mark);
        let mut all = Vec::new();
        if has('\\') || has('[') {
            all.push(self.expression());
        }
        if has('\\') {
            all.push(Self {
                text: self.text.replace('\\', "/"),
                from: self.from.clone(),
            });
        }
        all
    }

    /// Returns what a regular expression matches, as far as names matter: `*` stands for anything.
    fn expression(&self) -> Self {
        let mut value = Self {
            text: String::new(),
            from: Vec::new(),
        };
        let mut rest = self.text.as_str();
        while let Some(first) = rest.chars().next() {
            let at = self.from[self.text.len() - rest.len()];
            let mut after = rest[first.len_utf8()..].chars();
            let (length, found) = match (first, after.next()) {
                ('\\', Some('b' | 'B' | 'A' | 'Z' | 'z' | 's' | 'n' | 'r' | 't')) => (2, ' '),
                ('\\', Some(escaped)) if escaped.is_ascii_alphanumeric() => (2, '*'),
                ('\\', Some(escaped)) => (1 + escaped.len_utf8(), escaped),
                ('[', Some(only)) if after.next() == Some(']') => (2 + only.len_utf8(), only),
                ('(', _) => (1, '*'),
                ('^' | '$', _) => (1, ' '),
                _ => (first.len_utf8(), first),
            };
            value.push(found, at);
            rest = &rest[length..];
        }
        value.from.push(self.source(&(0..self.text.len())).end);
        value
    }
}

/// Returns whether a source may name the package in a string, however the string is written.
pub fn may_name(text: &str, name: &str) -> bool {
    let pickled = ["c", "i"].map(|opcode| format!("{opcode}{name}"));
    let in_pickle = |opcode: &String| {
        let mut found = text.match_indices(opcode.as_str());
        found.any(|(at, _)| text[at + opcode.len()..].starts_with(['.', '\\']))
    };
    if has_word(text, name) || pickled.iter().any(in_pickle) {
        return true;
    }
    if !text.contains('\\') {
        return false;
    }
    let read = Value::of(text, 0, Form::default());
    let raw = Form {
        is_raw: true,
        ..Form::default()
    };
    has_word(&read.text, name) || has_word(&Value::of(text, 0, raw).expression().text, name)
}

/// Returns the length in bytes of the escape sequence that `rest` begins with, and the character it
/// stands for; none for an escaped line end.
fn escape(rest: &str, is_bytes: bool) -> (usize, Option<char>) {
    let Some(second) = rest[1..].chars().next() else {
        return (1, Some('\\'));
    };
    let number = |from: usize, most: usize, least: usize, radix: u32| {
        let digits = rest[from..].bytes().take(most);
        let digits = digits.take_while(|byte| char::from(*byte).is_digit(radix));
        let end = from + digits.count();
        let code = u32::from_str_radix(rest.get(from..end)?, radix).ok()?;
        let found = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        (end - from >= least).then_some((end, Some(found)))
    };
    // A backslash that begins no known escape sequence stands for itself.
    let other = (1, Some('\\'));
    match second {
        '\r' if rest[2..].starts_with('\n') => (3, None),
        '\n' | '\r' => (2, None),
        '\\' | '\'' | '"' => (2, Some(second)),
        'a' => (2, Some('\x07')),
        'b' => (2, Some('\x08')),
        'f' => (2, Some('\x0c')),
        'n' => (2, Some('\n')),
        'r' => (2, Some('\r')),
        't' => (2, Some('\t')),
        'v' => (2, Some('\x0b')),
        '0'..='7' => number(1, 3, 1, 8).unwrap_or(other),
        'x' => number(2, 2, 2, 16).unwrap_or(other),
        'u' if !is_bytes => number(2, 4, 4, 16).unwrap_or(other),
        'U' if !is_bytes => number(2, 8, 8, 16).unwrap_or(other),
        'N' if !is_bytes && rest[2..].starts_with('{') => match rest.find('}') {
            Some(end) => (end + 1, Some(named(&rest[3..end]))),
            None => other,
        },
        _ => other,
    }
}

/// Returns the character with a Unicode name. Knows only characters that names of modules and paths
/// use and that are likely to be written this way; gives the replacement character for others.
fn named(name: &str) -> char {
    let name = name.to_ascii_uppercase();
    let letter = |case: &str| {
        let letter = name.strip_prefix(case)?.chars().next()?;
        (name.len() == case.len() + 1).then_some(letter)
    };
    match name.as_str() {
        "FULL STOP" | "PERIOD" => '.',
        "LOW LINE" => '_',
        "SOLIDUS" | "SLASH" => '/',
        _ => letter("LATIN SMALL LETTER ")
            .map(|letter| letter.to_ascii_lowercase())
            .or_else(|| letter("LATIN CAPITAL LETTER "))
            .unwrap_or(char::REPLACEMENT_CHARACTER),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_are_read() {
        for (literal, form, expected) in [
            (r"\told.core", "'", "\told.core"),
            (r"\x6fld\x2e\u0063ore", "'", "old.core"),
            (
                r"\157ld\N{FULL STOP}c\N{latin small letter o}",
                "'",
                "old.co",
            ),
            (r"\told", "r'", r"\told"),
            (r"\u0041\x41", "b'", r"\u0041A"),
            (r"\q\'\\", "'", r"\q'\"),
            ("a\\\nb\\\r\nc", "'", "abc"),
            ("{{x}}", "f'", "{x}"),
            ("{{x}}", "'", "{{x}}"),
            (r"\x4", "'", r"\x4"),
            ("é\\", "'", "é\\"),
        ] {
            let value = Value::of(literal, 7, Form::of(form));
            assert_eq!(value.text, expected, "{literal}");
            assert_eq!(value.source(&(0..value.text.len())), 7..7 + literal.len());
        }
        let value = Value::of(r"\told.core", 10, Form::of("'"));
        assert_eq!(value.source(&(1..4)), 12..15);
    }

    #[test]
    fn a_regular_expression_says_what_it_finds() {
        for (raw, expected) in [
            (r"old\.core", "old.core"),
            (r"\bold[.]core\b", " old.core "),
            (r"^old\.(\w+)$", " old.**+) "),
            (r"[\w]+", "[*]+"),
        ] {
            let value = Value::of(raw, 0, Form::of("r'"));
            assert_eq!(value.otherwise()[0].text, expected, "{raw}");
        }
        let value = Value::of(r"C:\src\old\core.py", 0, Form::of("r'"));
        assert_eq!(value.otherwise()[1].text, "C:/src/old/core.py");
        assert_eq!(Value::of("old.core", 0, Form::of("'")).otherwise(), []);
    }

    #[test]
    fn a_name_is_seen_however_it_is_written() {
        for text in [
            "import old",
            r"'\told.core'",
            r"'\x6fld.core'",
            r"r'\bold\.x'",
            "b'cold.core\\nf'",
        ] {
            assert!(may_name(text, "old"), "{text}");
        }
        for text in ["import older", r"'\tolder'", "told", "bold"] {
            assert!(!may_name(text, "old"), "{text}");
        }
    }
}
