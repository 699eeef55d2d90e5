//! The kind of a statement, as far as a run must know it before a database has seen the text: a
//! replay has no database. This module looks at words only; if a text is not SQL at all, the
//! database reports it.

/// Returns whether `sql` changes rows: an INSERT, REPLACE, UPDATE or DELETE, also after WITH. Such
/// a statement given to `query` returns the rows of its RETURNING clause.
pub fn changes(sql: &str) -> bool {
    let mut words = Words::of(sql);
    let first = words.next();
    let verb = match first {
        Some(word) if word.eq_ignore_ascii_case("with") => {
            // Names, column lists and bodies of the tables come first; the bodies are in brackets.
            words.find(|word| is_verb(word) || is_read(word))
        }
        first => first,
    };
    verb.is_some_and(is_verb)
}

/// Returns whether `sql` is an ALTER statement.
pub fn is_alter(sql: &str) -> bool {
    Words::of(sql)
        .next()
        .is_some_and(|word| word.eq_ignore_ascii_case("alter"))
}

fn is_verb(word: &str) -> bool {
    ["insert", "replace", "update", "delete"]
        .iter()
        .any(|verb| word.eq_ignore_ascii_case(verb))
}

fn is_read(word: &str) -> bool {
    ["select", "values"]
        .iter()
        .any(|verb| word.eq_ignore_ascii_case(verb))
}

/// The words of a statement that are outside brackets, quotes and comments.
struct Words<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> Words<'a> {
    fn of(sql: &'a str) -> Self {
        Self {
            rest: sql,
            depth: 0,
        }
    }

    /// Skips `start` bytes and then everything up to and including `end`.
    fn skip_past(&mut self, start: usize, end: &str) {
        let rest = &self.rest[start..];
        self.rest = rest
            .find(end)
            .map_or("", |place| &rest[place + end.len()..]);
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        loop {
            let first = self.rest.chars().next()?;
            match first {
                '-' if self.rest.starts_with("--") => self.skip_past(2, "\n"),
                '/' if self.rest.starts_with("/*") => self.skip_past(2, "*/"),
                // A doubled quote inside a text ends one text and begins the next.
                '\'' => self.skip_past(1, "'"),
                '"' => self.skip_past(1, "\""),
                '`' => self.skip_past(1, "`"),
                '[' => self.skip_past(1, "]"),
                '(' => {
                    self.depth += 1;
                    self.rest = &self.rest[1..];
                }
                ')' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.rest = &self.rest[1..];
                }
                _ if is_of_a_word(first) => {
                    let end = self
                        .rest
                        .find(|character| !is_of_a_word(character))
                        .unwrap_or(self.rest.len());
                    let (word, rest) = self.rest.split_at(end);
                    self.rest = rest;
                    if self.depth == 0 {
                        return Some(word);
                    }
                }
                _ => self.rest = &self.rest[first.len_utf8()..],
            }
        }
    }
}

fn is_of_a_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_' || character == '$'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_change_is_known_by_its_verb() {
        for sql in [
            "INSERT INTO t VALUES (1) RETURNING id",
            "  -- note\n/* two */ update t SET x = 1 RETURNING *",
            "REPLACE INTO t VALUES (1)",
            "\u{feff}DELETE FROM t RETURNING x",
            "WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a RETURNING id",
            "WITH RECURSIVE \"select\"(x) AS MATERIALIZED (VALUES (1)) DELETE FROM t RETURNING x",
            "WITH a AS (SELECT ')' , \")\", [)], `)` /* ) */) UPDATE t SET x = 1 RETURNING x",
            "WITH a(b) AS (SELECT 'it''s (') REPLACE INTO t SELECT b FROM a RETURNING 1",
        ] {
            assert!(changes(sql), "{sql}");
        }
        for sql in [
            "",
            "SELECT replace(x, 'a', 'b') FROM t",
            "SELECT 1; DELETE FROM t",
            "VALUES (1)",
            "WITH a AS (SELECT 1) SELECT * FROM a",
            "WITH a AS (SELECT 1) SELECT replace(1, 2, 3)",
            "EXPLAIN INSERT INTO t VALUES (1)",
            "'insert' INTO t",
            "WITH",
            "/* INSERT",
        ] {
            assert!(!changes(sql), "{sql}");
        }
        assert!(is_alter("\n/**/alter table t ADD x"));
        assert!(!is_alter("SELECT 'alter'"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_to_its_end(text in ".*", quotes in "['\"`\\[()/*-]{0,20}") {
            let text = format!("{quotes}{text}{quotes}");
            prop_assert!(Words::of(&text).count() <= text.len());
            let _ = changes(&text);
        }
    }
}
