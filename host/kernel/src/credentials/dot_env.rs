//! The file `.env`, read literally. A line is empty, a comment (`# …`), or `NAME=value`, with or
//! without `export` before it. The value may stand in single or double quotes; a `#` after white
//! space ends an unquoted one. There is no substitution and no escape: `$`, `\` and `` ` `` are
//! ordinary characters.
//! Invariant: only variables that the caller names are read. The content of an unreadable line
//! never leaves this module, only its number.

use std::collections::BTreeMap;

/// Largest file that is read: a file of settings has a few lines.
pub const BYTES_MAX: u64 = 64 << 10;

/// The content of the file.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// Values of known variables that have one. The last line of a name counts.
    pub values: BTreeMap<&'static str, String>,
    /// Numbers of unreadable lines, from 1, that do not begin with the name of a known variable.
    pub foreign: Vec<usize>,
    /// Unreadable lines that begin with the name of a known variable: number and name.
    pub broken: Vec<(usize, &'static str)>,
}

/// Reads `content`, and of its variables only those in `known`.
#[must_use]
pub fn parse(content: &[u8], known: &[&'static str]) -> Parsed {
    let mut parsed = Parsed::default();
    // Some editors begin a file with a byte order mark.
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    for (i, line) in content.split(|&byte| byte == b'\n').enumerate() {
        let text = String::from_utf8_lossy(line);
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let text = without_export(text);
        let is_text = std::str::from_utf8(line).is_ok() && !text.contains('\0');
        let Some((name, value)) = setting(text).filter(|_| is_text) else {
            let named = known.iter().find(|known| begins_with(text, known));
            match named {
                Some(&name) => parsed.broken.push((i + 1, name)),
                None => parsed.foreign.push(i + 1),
            }
            continue;
        };
        let Some(&name) = known.iter().find(|known| **known == name) else {
            continue;
        };
        // An empty value removes an earlier one.
        if value.is_empty() {
            parsed.values.remove(name);
        } else {
            parsed.values.insert(name, value.to_owned());
        }
    }
    parsed
}

fn without_export(text: &str) -> &str {
    match text.strip_prefix("export") {
        Some(rest) if rest.starts_with([' ', '\t']) => rest.trim_start(),
        _ => text,
    }
}

fn begins_with(text: &str, name: &str) -> bool {
    text.strip_prefix(name)
        .is_some_and(|rest| !rest.starts_with(is_of_name))
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Returns name and value of a line that has no white space around it.
fn setting(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.split_once('=')?;
    let name = name.trim_end();
    let is_name = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(is_of_name);
    if !is_name {
        return None;
    }
    let quoted = rest.trim_start();
    let value = match quoted.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let (value, after) = quoted[1..].split_once(quote)?;
            let is_end = after.trim().is_empty()
                || (after.starts_with([' ', '\t']) && after.trim_start().starts_with('#'));
            is_end.then_some(value)?
        }
        _ => without_comment(rest).trim(),
    };
    Some((name, value))
}

fn without_comment(text: &str) -> &str {
    let mut before = None;
    for (at, c) in text.char_indices() {
        if c == '#' && before.is_some_and(char::is_whitespace) {
            return &text[..at];
        }
        before = Some(c);
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KNOWN: [&str; 3] = ["COO_LLM_BASE_URL", "COO_LLM_MODEL", "OPENROUTER_API_KEY"];

    fn model(line: &str) -> Option<String> {
        let parsed = parse(line.as_bytes(), &KNOWN);
        assert_eq!((parsed.foreign, parsed.broken), (vec![], vec![]), "{line}");
        parsed.values.get("COO_LLM_MODEL").cloned()
    }

    #[test]
    fn values_are_taken_as_they_stand() {
        for (line, value) in [
            ("COO_LLM_MODEL=a/b", "a/b"),
            ("  export COO_LLM_MODEL = a/b \r", "a/b"),
            ("export\tCOO_LLM_MODEL=a", "a"),
            ("COO_LLM_MODEL=a b # c", "a b"),
            ("COO_LLM_MODEL=a#b", "a#b"),
            ("COO_LLM_MODEL=#b", "#b"),
            ("COO_LLM_MODEL=a=b", "a=b"),
            ("COO_LLM_MODEL='a # b'", "a # b"),
            ("COO_LLM_MODEL=\"a'b\"  # c", "a'b"),
            ("COO_LLM_MODEL=a\"b", "a\"b"),
            ("COO_LLM_MODEL=m-${HOME}", "m-${HOME}"),
            ("COO_LLM_MODEL=\"m-$HOME\"", "m-$HOME"),
            ("COO_LLM_MODEL=\"a\\n`id`\"", "a\\n`id`"),
            ("\u{feff}COO_LLM_MODEL=é", "é"),
        ] {
            assert_eq!(model(line).as_deref(), Some(value), "{line}");
        }
        for line in [
            "",
            "# COO_LLM_MODEL=a",
            "COO_LLM_MODEL=",
            "COO_LLM_MODEL=''",
            "COO_LLM_MODEL= # a",
            "COO_LLM_MODEL=a\nCOO_LLM_MODEL=",
            "coo_llm_model=a",
            "COO_LLM_MODEL_2=a",
            "OTHER=a",
        ] {
            assert_eq!(model(line), None, "{line}");
        }
        assert_eq!(
            model("COO_LLM_MODEL=a\nCOO_LLM_MODEL=b").as_deref(),
            Some("b")
        );
    }

    #[test]
    fn what_is_no_setting_is_told_by_its_number_and_one_of_ours_by_its_name() {
        let text = "A=1\nnot a setting\n\nOPENROUTER_API_KEY sk-1\nexport COO_LLM_MODEL: x\n\
                    COO_LLM_BASE_URL='open\n-----BEGIN KEY-----\n2A=3\nOPENROUTER_API_KEYS x\n\
                    COO_LLM_MODEL='a'b\nB=\"line\n";
        let parsed = parse(text.as_bytes(), &KNOWN);
        assert_eq!(parsed.values, BTreeMap::new());
        assert_eq!(parsed.foreign, [2, 7, 8, 9, 11]);
        assert_eq!(
            parsed.broken,
            [
                (4, "OPENROUTER_API_KEY"),
                (5, "COO_LLM_MODEL"),
                (6, "COO_LLM_BASE_URL"),
                (10, "COO_LLM_MODEL"),
            ]
        );
        let parsed = parse(b"COO_LLM_MODEL=\xff\n\xfe\xfd\nA=\0\n", &KNOWN);
        assert_eq!(parsed.foreign, [2, 3]);
        assert_eq!(parsed.broken, [(1, "COO_LLM_MODEL")]);
    }

    proptest! {
        #[test]
        fn no_content_makes_reading_panic_or_takes_an_unknown_name(
            content in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let parsed = parse(&content, &KNOWN);
            prop_assert!(parsed.values.keys().all(|name| KNOWN.contains(name)));
        }

        #[test]
        fn lines_of_settings_make_no_panic_either(
            lines in prop::collection::vec("(export )?(COO_LLM_MODEL|A)?[ =:'\"#a$\\\\]{0,12}", 0..8),
        ) {
            let text = lines.join("\n");
            let parsed = parse(text.as_bytes(), &KNOWN);
            let told = parsed.foreign.len() + parsed.broken.len();
            prop_assert!(told <= lines.len());
        }

        #[test]
        fn a_value_in_quotes_comes_back_whole(value in "[^'\0\n\r]{1,60}") {
            let parsed = parse(format!("COO_LLM_MODEL='{value}'").as_bytes(), &KNOWN);
            prop_assert_eq!(parsed.values.get("COO_LLM_MODEL"), Some(&value));
        }
    }
}
