//! Text of a model made presentable by fixed rules. Pure: the same text always gives the same
//! result. Changes white space and drops an unfinished end; never changes or adds a word.

/// Trims every line and collapses runs of white space in it to one space; keeps paragraphs,
/// with one blank line between them.
pub fn spaces(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut blank_before = false;
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let Some(first) = words.next() else {
            blank_before = true;
            continue;
        };
        if !out.is_empty() {
            out.push_str(if blank_before { "\n\n" } else { "\n" });
        }
        blank_before = false;
        out.push_str(first);
        for word in words {
            out.push(' ');
            out.push_str(word);
        }
    }
    out
}

/// The text up to the end of its last full sentence; empty if it has none. A sentence ends
/// with `.`, `!` or `?`, closing quotes and brackets included, before white space or the end.
pub fn full_sentences(text: &str) -> &str {
    let closes = |c: char| matches!(c, '"' | '\'' | ')' | ']' | '*' | '”' | '’' | '»');
    for (start, end_mark) in text.char_indices().rev() {
        if !matches!(end_mark, '.' | '!' | '?') {
            continue;
        }
        let rest = text[start + end_mark.len_utf8()..].trim_start_matches(closes);
        if rest.is_empty() || rest.starts_with(char::is_whitespace) {
            return &text[..text.len() - rest.len()];
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_collapse_and_paragraphs_stay() {
        assert_eq!(
            spaces("  One   two\t three. \r\n\r\n\n\n Four.\nFive \n\n"),
            "One two three.\n\nFour.\nFive"
        );
        assert_eq!(spaces(" \n\t\n"), "");
    }

    #[test]
    fn a_cut_sentence_is_dropped() {
        assert_eq!(
            full_sentences("It runs 3.5 times. Then it sto"),
            "It runs 3.5 times."
        );
        assert_eq!(full_sentences("He said \"go.\" And th"), "He said \"go.\"");
        assert_eq!(full_sentences("All is said."), "All is said.");
        assert_eq!(full_sentences("Version 1.2 of the sys"), "");
        assert_eq!(full_sentences("Fertig! “Grün.” Ünd"), "Fertig! “Grün.”");
    }
}
