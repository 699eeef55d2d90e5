//! Patterns of paths: `*` stands for any characters of a name, `**` for any folders, `?` and
//! `[…]` for one character of a name. A pattern is parsed once. Comparing it with a path takes
//! time that grows no faster than the product of their lengths, however many stars it holds. This
//! module judges names only.

use std::fmt;

/// Longest pattern, in bytes: the longest path of a file system with every character escaped. It
/// is short enough that a comparison with such a path takes less than a second.
pub const PATTERN_BYTES_MAX: usize = 3 * 4_096;

/// Whether the case of ASCII letters counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    Counts,
    /// For file systems on which two spellings of a name are the same file.
    IsIgnored,
}

/// A parsed pattern.
#[derive(Clone, PartialEq, Eq)]
pub struct PathPattern {
    text: String,
    case: Case,
    tokens: Vec<Token>,
    /// The longest text that every path has which the pattern matches. Most paths do not have it, and
    /// looking for it takes a small part of a comparison.
    literal: String,
}

#[derive(Clone, PartialEq, Eq)]
enum Token {
    Char(char),
    /// `?`
    AnyChar,
    /// `*`
    Star,
    /// `**` with the `/` after it, if there is one.
    Folders,
    /// `[…]`, and whether it begins with `!`.
    Class(Vec<(char, char)>, bool),
}

impl fmt::Debug for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PathPattern").field(&self.text).finish()
    }
}

impl PathPattern {
    /// Parses a pattern; the error says what is wrong with it.
    pub fn parse(text: &str, case: Case) -> Result<Self, String> {
        if text.len() > PATTERN_BYTES_MAX {
            return Err(format!(
                "it has {} bytes, the limit is {PATTERN_BYTES_MAX}",
                text.len()
            ));
        }
        let chars: Vec<char> = text.chars().collect();
        let mut tokens = Vec::new();
        let mut at = 0;
        while let Some(&found) = chars.get(at) {
            let (token, width) = match found {
                '*' => star(&chars, at)?,
                '?' => (Token::AnyChar, 1),
                '[' => class(&chars[at..])?,
                other => (Token::Char(other), 1),
            };
            // "**/**/" means the same as "**/".
            if token != Token::Folders || tokens.last() != Some(&Token::Folders) {
                tokens.push(token);
            }
            at += width;
        }
        Ok(Self {
            text: text.to_owned(),
            case,
            literal: literal(&tokens),
            tokens,
        })
    }

    /// Returns the pattern that matches `path` alone.
    pub fn escape(path: &str) -> String {
        path.chars().fold(String::new(), |mut text, character| {
            if "*?[]".contains(character) {
                text.extend(['[', character, ']']);
            } else {
                text.push(character);
            }
            text
        })
    }

    /// Returns the pattern as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns whether the pattern matches `path`.
    pub fn matches(&self, path: &str) -> bool {
        if self.tokens == [Token::Folders] {
            return true;
        }
        self.has_literal(path) && self.compare(path)
    }

    fn has_literal(&self, path: &str) -> bool {
        let wanted = self.literal.as_bytes();
        let Some(first) = wanted.first() else {
            return true;
        };
        // Bytes that differ in this bit only are the same letter, or are told apart below.
        let folded = |byte: &u8| byte | 0x20;
        path.as_bytes().windows(wanted.len()).any(|found| {
            folded(&found[0]) == folded(first)
                && match self.case {
                    Case::Counts => found == wanted,
                    Case::IsIgnored => found.eq_ignore_ascii_case(wanted),
                }
        })
    }

    fn compare(&self, path: &str) -> bool {
        // All places in the pattern that the path so far can have led to.
        let mut now = Places::new(self.tokens.len());
        let mut next = Places::new(self.tokens.len());
        self.enter(&mut now, 0);
        for character in path.chars() {
            for &place in &now.list {
                match self.tokens.get(place) {
                    Some(Token::Star) if character != '/' => self.enter(&mut next, place),
                    Some(Token::Folders) => {
                        next.add(place);
                        if character == '/' {
                            self.enter(&mut next, place + 1);
                        }
                    }
                    Some(token) if self.is_one(token, character) => {
                        self.enter(&mut next, place + 1);
                    }
                    _ => {}
                }
            }
            std::mem::swap(&mut now, &mut next);
            next.clear();
            if now.list.is_empty() {
                return false;
            }
        }
        // The rest of the pattern must be able to match nothing.
        let blank = |token: &Token| matches!(token, Token::Star | Token::Folders);
        let mut places = now.list.iter();
        places.any(|place| self.tokens[*place..].iter().all(blank))
    }

    /// Adds `place`, and those after it that can be reached without a character.
    fn enter(&self, places: &mut Places, mut place: usize) {
        while places.add(place) {
            if !matches!(self.tokens.get(place), Some(Token::Star | Token::Folders)) {
                return;
            }
            place += 1;
        }
    }

    fn is_one(&self, token: &Token, found: char) -> bool {
        let ignored = self.case == Case::IsIgnored;
        match token {
            Token::Char(wanted) => {
                *wanted == found || ignored && wanted.eq_ignore_ascii_case(&found)
            }
            Token::AnyChar => found != '/',
            Token::Class(ranges, is_negated) => {
                found != '/'
                    && *is_negated != ranges.iter().any(|range| is_within(*range, found, ignored))
            }
            Token::Star | Token::Folders => false,
        }
    }
}

/// Returns the longest run of characters that stand for themselves.
fn literal(tokens: &[Token]) -> String {
    let runs = tokens.split(|token| !matches!(token, Token::Char(_)));
    let longest = runs.max_by_key(|run| run.len()).unwrap_or_default();
    let characters = longest.iter().filter_map(|token| match token {
        Token::Char(character) => Some(*character),
        _ => None,
    });
    characters.collect()
}

/// Parses `*` or `**` at `at`, and returns how many characters it takes.
fn star(chars: &[char], at: usize) -> Result<(Token, usize), String> {
    let stars = chars[at..]
        .iter()
        .take_while(|character| **character == '*')
        .count();
    let before = at.checked_sub(1).map(|before| chars[before]);
    let after = chars.get(at + stars);
    match (stars, before, after) {
        (1, ..) => Ok((Token::Star, 1)),
        (2, None | Some('/'), None) => Ok((Token::Folders, 2)),
        (2, None | Some('/'), Some('/')) => Ok((Token::Folders, 3)),
        (2, ..) => Err("'**' stands for folders, so it stands alone between two '/'".to_owned()),
        _ => Err("three stars in a row mean nothing; write '*' or '**'".to_owned()),
    }
}

/// Parses `[…]` at the start of `chars`, and returns how many characters it takes. A `]` right at
/// its start is one of its characters.
fn class(chars: &[char]) -> Result<(Token, usize), String> {
    let is_negated = chars.get(1) == Some(&'!');
    let start = if is_negated { 2 } else { 1 };
    let end = chars
        .iter()
        .skip(start + 1)
        .position(|character| *character == ']')
        .map(|place| start + 1 + place)
        .ok_or("a '[' has no ']' after at least one character")?;
    let mut ranges = Vec::new();
    let mut rest = &chars[start..end];
    while let Some((&low, behind)) = rest.split_first() {
        if let ['-', high, behind @ ..] = behind {
            ranges.push((low, *high));
            rest = behind;
        } else {
            ranges.push((low, low));
            rest = behind;
        }
    }
    Ok((Token::Class(ranges, is_negated), end + 1))
}

fn is_within((low, high): (char, char), found: char, case_ignored: bool) -> bool {
    if (low..=high).contains(&found) {
        return true;
    }
    let letters = low.is_ascii_alphabetic() && high.is_ascii_alphabetic();
    case_ignored
        && letters
        && (low.to_ascii_lowercase()..=high.to_ascii_lowercase())
            .contains(&found.to_ascii_lowercase())
}

/// A set of places in a pattern.
struct Places {
    list: Vec<usize>,
    held: Vec<bool>,
}

impl Places {
    fn new(last: usize) -> Self {
        Self {
            list: Vec::new(),
            held: vec![false; last + 1],
        }
    }

    /// Adds a place; returns false if the set already holds it.
    fn add(&mut self, place: usize) -> bool {
        let is_new = !std::mem::replace(&mut self.held[place], true);
        if is_new {
            self.list.push(place);
        }
        is_new
    }

    fn clear(&mut self) {
        for place in self.list.drain(..) {
            self.held[place] = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use glob::{MatchOptions, Pattern};
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        PathPattern::parse(pattern, Case::Counts)
            .unwrap()
            .matches(path)
    }

    #[test]
    fn stars_stand_for_names_and_folders() {
        for (pattern, yes, no) in [
            (
                "a/*.md",
                &["a/b.md", "a/.md"][..],
                &["a/b/c.md", "b.md"][..],
            ),
            ("**/a", &["a", "x/a", "x/y/a"], &["xa", "a/x"]),
            ("a/**", &["a/b", "a/b/c", "a/"], &["a", "b/a/c"]),
            ("a/**/b", &["a/b", "a/x/b", "a/x/y/b"], &["a/xb", "ab"]),
            ("?[!b]c", &["abab", "xac"][1..], &["abc", "a/c"]),
            ("[]a-c]", &["]", "b"], &["d", "/"]),
            ("**", &["", "a", "a/b"], &[]),
        ] {
            for path in yes {
                assert!(matches(pattern, path), "{pattern} {path}");
            }
            for path in no {
                assert!(!matches(pattern, path), "{pattern} {path}");
            }
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused_in_words() {
        for (pattern, word) in [
            ("[", "'['"),
            ("a[]", "'['"),
            ("[!]", "'['"),
            ("a**", "stands alone"),
            ("**a/b", "stands alone"),
            ("***", "three stars"),
        ] {
            let error = PathPattern::parse(pattern, Case::Counts).unwrap_err();
            assert!(error.contains(word), "{pattern}: {error}");
            assert!(Pattern::new(pattern).is_err(), "{pattern}");
        }
        let long = "a".repeat(PATTERN_BYTES_MAX + 1);
        let error = PathPattern::parse(&long, Case::Counts).unwrap_err();
        assert_eq!(error, "it has 12289 bytes, the limit is 12288");
    }

    /// With nested repetition, backtracking would never end here.
    #[test]
    fn stars_cost_no_more_than_the_product_of_the_lengths() {
        let pattern = "*a".repeat(400) + "b/x";
        let path = "a".repeat(4_000) + "/A_v1.0.md";
        assert!(!matches(&pattern, &path));
        let pattern = "**/a*a*/".repeat(100) + "b";
        let path = "aaaa/".repeat(800) + "A_v1.0.md";
        assert!(!matches(&pattern, &path));
    }

    proptest! {
        #[test]
        fn a_pattern_means_what_it_has_always_meant(
            parts in prop::collection::vec("(\\*\\*/|\\*\\*|\\*|\\?|\\[!?[]a-c-]{1,3}\\]|[abA]|/|\\.|\u{e9}|-)", 0..9),
            path in "[abcA./\u{e9}-]{0,12}",
        ) {
            let text = parts.concat();
            for case in [Case::Counts, Case::IsIgnored] {
                let options = MatchOptions {
                    case_sensitive: case == Case::Counts,
                    require_literal_separator: true,
                    require_literal_leading_dot: false,
                };
                match (PathPattern::parse(&text, case), Pattern::new(&text)) {
                    (Ok(own), Ok(other)) => {
                        prop_assert_eq!(own.matches(&path), other.matches_with(&path, options), "{} {}", text, path);
                    }
                    (Err(_), Err(_)) => {}
                    (own, other) => prop_assert!(false, "{}: {:?} {:?}", text, own, other),
                }
            }
        }

        #[test]
        fn an_escaped_path_means_itself(path in "[a-z*?\\[\\]/!.-]{1,20}", other in "[a-z*?\\[\\]/!.-]{1,20}") {
            let pattern = PathPattern::escape(&path);
            prop_assert!(matches(&pattern, &path));
            prop_assert_eq!(matches(&pattern, &other), path == other);
        }
    }
}
