//! Reads TOML as strictly as `coo` reads JSON: everything that is wrong has its line and the path of its
//! field, says what was found and what is permitted, and nothing unknown is skipped. The TOML parser
//! reads the text and knows the places; `form::strict` walks along the types. Reads no file.

use coo_kernel::form::strict::{self, Problem, Problems};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Reads `text` into a type.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, Problems> {
    let table = DeTable::parse(text).map_err(|error| syntax(text, &error))?;
    // JSON has no dates: as texts they would be taken where a text is needed.
    if let Some(problems) = Problems::of(dates(text, table.get_ref(), "")) {
        return Err(problems);
    }
    let json = object(table.get_ref()).to_string();
    strict::read(json.as_bytes()).map_err(|problems| {
        let own = toml::from_str::<T>(text).err();
        placed(text, &table, own.as_ref(), &problems)
    })
}

/// Returns the error of a text that is not TOML.
fn syntax(text: &str, error: &toml::de::Error) -> Problems {
    let at = error.span().map_or(0, |span| span.start);
    Problem {
        line: line(text, at),
        field: String::new(),
        what: format!("not TOML: {}", error.message()),
    }
    .into()
}

/// Returns a problem for each date or time in `table`, whose fields begin with `prefix`.
fn dates(text: &str, table: &DeTable<'_>, prefix: &str) -> Vec<Problem> {
    let mut found = Vec::new();
    for (key, value) in table {
        dates_of(
            text,
            value,
            &format!("{prefix}{}", key.get_ref()),
            &mut found,
        );
    }
    found
}

fn dates_of(text: &str, value: &Spanned<DeValue<'_>>, field: &str, found: &mut Vec<Problem>) {
    match value.get_ref() {
        DeValue::Table(table) => found.extend(dates(text, table, &format!("{field}."))),
        DeValue::Array(list) => {
            for (i, value) in list.iter().enumerate() {
                dates_of(text, value, &format!("{field}[{i}]"), found);
            }
        }
        DeValue::Datetime(time) => found.push(Problem {
            line: line(text, value.span().start),
            field: field.to_owned(),
            what: format!(
                "date or time {time} found, and no field takes one; quotes make a text of it"
            ),
        }),
        _ => {}
    }
}

/// Returns the problems with their places in the TOML text: they come with lines of JSON that nobody has
/// seen. `own` is what the TOML reader itself finds. Where both say the same, it knows the exact place,
/// also of a value that a type refuses only after it was read.
fn placed(
    text: &str,
    table: &Spanned<DeTable<'_>>,
    own: Option<&toml::de::Error>,
    problems: &Problems,
) -> Problems {
    let exact = |what: &str| {
        let own = own.filter(|own| own.message() == what)?;
        Some((own.span()?.start, path(table.get_ref(), own.span()?.start)))
    };
    let all: Vec<Problem> = problems
        .split()
        .into_iter()
        .flat_map(|(first, rest)| std::iter::once(first).chain(rest))
        .map(|problem| match exact(&problem.what) {
            Some((at, field)) if field.starts_with(&problem.field) => Problem {
                line: line(text, at),
                field,
                what: problem.what.clone(),
            },
            _ => Problem {
                line: line(text, place(table, &problem.field)),
                ..problem.clone()
            },
        })
        .collect();
    Problems::of(all).unwrap_or_else(|| problems.clone())
}

/// Returns the path of the value at byte `at`; empty if there is none.
fn path(table: &DeTable<'_>, at: usize) -> String {
    let mut entries = table.iter();
    let found = entries.find_map(|(key, value)| {
        let inner = within(value, at)?;
        Some(format!("{}{inner}", key.get_ref()))
    });
    found.unwrap_or_default()
}

/// Returns the path from `value` to what stands at byte `at`, if that is in it. The span of a table may
/// be that of its heading alone, so its entries are asked first.
fn within(value: &Spanned<DeValue<'_>>, at: usize) -> Option<String> {
    let inner = match value.get_ref() {
        DeValue::Table(table) => Some(path(table, at))
            .filter(|path| !path.is_empty())
            .map(|path| format!(".{path}")),
        DeValue::Array(list) => list.iter().enumerate().find_map(|(i, value)| {
            let inner = within(value, at)?;
            Some(format!("[{i}]{inner}"))
        }),
        _ => None,
    };
    inner.or_else(|| value.span().contains(&at).then(String::new))
}

/// Returns where a field begins; for one that is missing, the table in which it belongs.
fn place(table: &Spanned<DeTable<'_>>, field: &str) -> usize {
    let mut place = table.span().start;
    let mut node: Option<&DeValue<'_>> = None;
    for step in field.split(['.', '[']).filter(|step| !step.is_empty()) {
        let next = match (step.strip_suffix(']'), node) {
            (Some(index), Some(DeValue::Array(list))) => index
                .parse()
                .ok()
                .and_then(|index: usize| list.get(index))
                .map(|value| (value.span().start, value.get_ref())),
            (None, None) => entry(table.get_ref(), step),
            (None, Some(DeValue::Table(table))) => entry(table, step),
            _ => None,
        };
        let Some((at, value)) = next else {
            break;
        };
        (place, node) = (at, Some(value));
    }
    place
}

fn entry<'a, 'i>(table: &'a DeTable<'i>, name: &str) -> Option<(usize, &'a DeValue<'i>)> {
    let mut entries = table.iter();
    let (key, value) = entries.find(|(key, _)| key.get_ref().as_ref() == name)?;
    Some((key.span().start, value.get_ref()))
}

/// Returns the line of byte `at`, counted from 1.
fn line(text: &str, at: usize) -> usize {
    let before = text.as_bytes().iter().take(at);
    before.filter(|byte| **byte == b'\n').count() + 1
}

fn object(table: &DeTable<'_>) -> Value {
    let entries = table
        .iter()
        .map(|(key, value)| (key.get_ref().to_string(), json(value.get_ref())));
    Value::Object(entries.collect::<Map<_, _>>())
}

fn json(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Boolean(flag) => Value::from(*flag),
        DeValue::Array(list) => list.iter().map(|inner| json(inner.get_ref())).collect(),
        DeValue::Table(table) => object(table),
        // What is no number here is not one that a field takes: shown as it is written.
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Value::from(number.as_str()), Value::from),
        DeValue::Float(number) => number
            .as_str()
            .parse::<f64>()
            .map_or_else(|_| Value::from(number.as_str()), Value::from),
        // Refused before.
        DeValue::Datetime(time) => Value::from(time.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    /// Refuses some texts after they were read.
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(try_from = "String")]
    struct Word;

    impl TryFrom<String> for Word {
        type Error = String;

        fn try_from(text: String) -> Result<Self, String> {
            if text == "word" {
                return Ok(Self);
            }
            Err(format!("'{text}' is no word"))
        }
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        name: String,
        #[serde(default)]
        lines: Vec<u32>,
        #[serde(default)]
        said: Vec<Word>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        inner: Option<Inner>,
        #[serde(default)]
        list: Vec<Inner>,
        #[serde(default)]
        words: BTreeMap<String, String>,
    }

    fn problems(text: &str) -> String {
        let problems = read::<Outer>(text).unwrap_err();
        let others = problems.others().map(|other| format!("\n{other}"));
        format!("{problems}{}", others.collect::<String>())
    }

    #[test]
    fn what_is_right_is_read_as_toml_reads_it() {
        for text in [
            "",
            "[inner]\nname = 'a'\nlines = [1, 0x10]\n",
            "list = [{ name = \"\\u00e9\" }]\n[words]\n'a.b' = '''c\nd'''\n",
            "[[list]]\nname = 'a'\n[[list]]\nname = 'b'\n",
            "inner.name = 'a'",
        ] {
            let expected: Outer = toml::from_str(text).unwrap();
            assert_eq!(read::<Outer>(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_has_its_line_its_field_and_what_is_permitted() {
        let mut wrong = Vec::new();
        for (text, expected) in [
            (
                "\n[inner\n",
                "line 2: not TOML: unclosed table, expected `]`",
            ),
            (
                "[inner]\nname = 'a'\n\nlnes = [1]\n",
                "line 4: inner.lnes: no such field; did you mean 'lines'?",
            ),
            (
                "\n[inner]\nlines = [1,\n 'two']\n",
                "line 4: inner.lines[1]: text 'two' found; a whole number of 0 to 4294967295 needed",
            ),
            (
                "[[list]]\nname = 'a'\n[[list]]\nname = 7\n",
                "line 4: list[1].name: 7 found; a text needed",
            ),
            (
                "list = 1999-01-01\n",
                "line 1: list: date or time 1999-01-01 found, and no field takes one; quotes make a text of it",
            ),
            (
                "[[list]]\nname = 10:30:00\n[words]\na = ['x', 1999-01-01T00:00:00Z]\n",
                "line 2: list[0].name: date or time 10:30:00 found, and no field takes one; quotes make a text of it\n\
                 and line 4: words.a[1]: date or time 1999-01-01T00:00:00Z found, and no field takes one; quotes make a text of it",
            ),
            ("list = 'x'\n", "line 1: list: a text found; a list needed"),
        ] {
            let found = problems(text);
            if found != expected {
                wrong.push(format!("{text}: {found}"));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(\\PC|\n){0,60}") {
            let _ = read::<Outer>(&text);
        }

        #[test]
        fn what_toml_takes_is_taken(
            name in "[a-z]{0,8}", lines in proptest::collection::vec(0_u32.., 0..4)
        ) {
            let text = format!("[inner]\nname = '{name}'\nlines = {lines:?}\n");
            let read = read::<Outer>(&text).unwrap();
            let said = Vec::new();
            proptest::prop_assert_eq!(read.inner.unwrap(), Inner { name, lines, said });
        }
    }
}
