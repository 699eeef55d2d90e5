//! Words in a text: where a name stands by itself and not inside a longer one.

use std::ops::Range;

/// Returns whether a character can be part of a name.
pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Returns whether `text` contains `name` as a word.
pub fn has_word(text: &str, name: &str) -> bool {
    words(text, name).next().is_some()
}

/// Returns where `name` stands as a word.
pub fn words<'t>(text: &'t str, name: &'t str) -> impl Iterator<Item = Range<usize>> + 't {
    text.match_indices(name)
        .map(|(at, _)| at..at + name.len())
        .filter(|range| {
            !text[..range.start].ends_with(is_word) && !text[range.end..].starts_with(is_word)
        })
}
