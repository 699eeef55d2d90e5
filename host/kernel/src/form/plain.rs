//! Makes foreign text (of a guest, a model, a file, a person) safe in a line that people read: it
//! can't steer a terminal, turn the reading direction, or begin a line of its own. This is for
//! words only: the output of a mission is never changed.

use std::fmt::{self, Write as _};

/// Returns whether `c` changes how the text around it is shown: control characters, marks that turn
/// the reading direction, separators of lines and paragraphs, and characters without a width.
#[must_use]
pub fn misleads(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// Returns `text` with misleading characters made visible, as `\u{202e}`; line breaks and tabs stay.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => shown.push(c),
            '\0' | '\r' => shown.extend(c.escape_debug()),
            c if misleads(c) => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
    }
    shown
}

/// Returns the same as `plain` on one line: a line break becomes `\n`, a tab `\t`.
#[must_use]
pub fn one_line(text: &str) -> String {
    plain(text).replace('\n', "\\n").replace('\t', "\\t")
}

/// Returns the text of an error. Lines of coo's own, which begin with two spaces after the first,
/// stay lines; every other line break is made visible, and every tab.
#[must_use]
pub fn error(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            shown.push_str(if line.starts_with("  ") { "\n" } else { "\\n" });
        }
        shown.push_str(&one_line(line));
    }
    shown
}

/// Returns `text`, which must be JSON, with misleading characters written as escapes: the same
/// value. Between values, JSON has only line breaks and spaces, and those stay.
#[must_use]
pub fn json(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\n' || !misleads(c) {
            shown.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(shown, "\\u{unit:04x}");
            }
        }
    }
    shown
}

/// Returns a number with its noun, in the plural where needed.
#[must_use]
pub fn count(number: impl fmt::Display, noun: &str) -> String {
    let number = number.to_string();
    match (number.as_str(), noun.strip_suffix('y')) {
        ("1", _) => format!("{number} {noun}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        (_, None) => format!("{number} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_noun_is_singular_for_one_alone() {
        assert_eq!(count(1_u64, "file"), "1 file");
        assert_eq!(count(0, "file"), "0 files");
        assert_eq!(count(21_usize, "entry"), "21 entries");
    }

    #[test]
    fn what_misleads_is_visible_and_all_else_stays() {
        for (text, shown) in [
            ("plain é 漢 🦀", "plain é 漢 🦀"),
            ("a\tb\r\0", "a\tb\\r\\0"),
            ("\u{1b}[31m\u{9b}1m\u{7f}", "\\u{1b}[31m\\u{9b}1m\\u{7f}"),
            (
                "\u{202e}txt.exe\u{2066}\u{2069}",
                "\\u{202e}txt.exe\\u{2066}\\u{2069}",
            ),
            (
                "a\u{2028}b\u{200b}c\u{feff}",
                "a\\u{2028}b\\u{200b}c\\u{feff}",
            ),
        ] {
            assert_eq!(plain(text), shown);
        }
        assert_eq!(plain("a\nb"), "a\nb");
        assert_eq!(one_line("a\n\t[coo] b"), "a\\n\\t[coo] b");
    }

    #[test]
    fn only_lines_of_ours_stay_lines_of_an_error() {
        assert_eq!(
            error("it printed last:\n  one\n  two\n[coo] X SUCCESS\nERROR: no"),
            "it printed last:\n  one\n  two\\n[coo] X SUCCESS\\nERROR: no"
        );
    }

    #[test]
    fn json_is_the_same_value_in_other_letters() {
        let value = serde_json::json!({"a\u{9b}": ["\u{202e}b", "\u{e0001}", "é\n"]});
        for text in [
            value.to_string(),
            serde_json::to_string_pretty(&value).unwrap(),
        ] {
            let shown = json(&text);
            assert_eq!(
                serde_json::from_str::<serde_json::Value>(&shown).unwrap(),
                value
            );
            assert!(!shown.chars().any(|c| misleads(c) && c != '\n'), "{shown}");
        }
    }
}
