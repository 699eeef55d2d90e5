//! What is wrong with a file is told with its line and field; what is right is read as `serde_json`
//! reads it.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Colour {
    Red,
    Green,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Inner {
    count: u8,
    #[serde(default)]
    rate: Option<f64>,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Outer {
    name: String,
    #[serde(default)]
    is_on: bool,
    #[serde(default)]
    colour: Option<Colour>,
    #[serde(default)]
    inner: Vec<Inner>,
    #[serde(default)]
    names: BTreeMap<String, i64>,
    #[serde(default)]
    anything: Value,
}

/// Returns the problems of a text, one a line.
fn told(text: &str) -> String {
    let problems = read::<Outer>(text.as_bytes()).unwrap_err();
    let (first, rest) = problems.split().unwrap();
    std::iter::once(first)
        .chain(rest)
        .map(|problem| problem.to_string() + "\n")
        .collect()
}

#[test]
fn every_problem_has_its_line_and_its_field() {
    for (text, expected) in [
        ("{}", "line 1: field 'name' is missing\n"),
        (
            "",
            "line 1: not JSON: EOF while parsing a value at column 0\n",
        ),
        (
            "{\n\"name\": \"a\",\n}",
            "line 3: not JSON: trailing comma at column 1\n",
        ),
        (
            "{\"name\": \"a\"} x",
            "line 1: not JSON: trailing characters at column 15\n",
        ),
        ("[\"a\", true]", "line 1: a list found; an object needed\n"),
        ("3", "line 1: a number found; an object needed\n"),
        ("{\"name\": 3}", "line 1: name: 3 found; a text needed\n"),
        (
            "{\"name\": {}}",
            "line 1: name: an object found; a text needed\n",
        ),
        (
            "{\"name\": \"a\", \"is_on\": \"yes\"}",
            "line 1: is_on: text 'yes' found; true or false needed\n",
        ),
        (
            "{\"name\": \"a\",\n \"nmae\": 1,\n \"name\": 2,\n \"colour\": \"gren\"}",
            "line 2: nmae: no such field; did you mean 'name'?\n\
             line 3: name: found twice\n\
             line 4: colour: 'gren' found; did you mean 'green'?\n",
        ),
        (
            "{\"name\": \"a\", \"colour\": 7}",
            "line 1: colour: a number found; one of red, green needed\n",
        ),
        (
            "{\"name\": \"a\", \"colour\": \"blue\"}",
            "line 1: colour: 'blue' found; permitted: red, green\n",
        ),
        (
            "{\"name\": \"a\", \"inner\": [{\"count\": 1},\n{\"count\": 256}]}",
            "line 2: inner[1].count: 256 found; a whole number of 0 to 255 needed\n",
        ),
        (
            "{\"name\": \"a\", \"inner\": [{\"count\": 1},\n [1]]}",
            "line 2: inner[1]: a list found; an object needed\n",
        ),
        (
            "{\"name\": \"a\", \"inner\": [{\"count\": -1.5}]}",
            "line 1: inner[0].count: -1.5 found; a whole number of 0 to 255 needed\n",
        ),
        (
            "{\"name\": \"a\", \"inner\": [\n{\"count\": 1, \"$schema\": \"x\", \"zzzzzz\": 1}]}",
            "line 2: inner[0].$schema: no such field; permitted: count, rate, tags\n\
             line 2: inner[0].zzzzzz: no such field; permitted: count, rate, tags\n",
        ),
        (
            "{\"name\": \"a\", \"names\": {\"x\": 1, \"x\": 2}}",
            "line 1: names.x: found twice\n",
        ),
        (
            "{\"name\": \"a\", \"names\":\n {\"x\": \"1\"}}",
            "line 2: names.x: text '1' found; a whole number needed\n",
        ),
        (
            "{\"name\": \"\\ud800\"}",
            "line 1: name: unexpected end of hex escape at column 8\n",
        ),
    ] {
        assert_eq!(told(text), expected, "{text}");
    }
    let problems = read::<Outer>(b"{\n\"name\": \"\xff\"}").unwrap_err();
    assert_eq!(
        problems.to_string(),
        "line 2: not UTF-8; save the file as UTF-8"
    );
}

#[test]
fn a_schema_and_a_byte_order_mark_mean_nothing() {
    let read: Outer = read("\u{feff}{\"$schema\": \"x\", \"name\": \"a\"}".as_bytes()).unwrap();
    assert_eq!(read.name, "a");
}

#[test]
fn deep_nesting_is_refused_and_overflows_nothing() {
    let deep = "[".repeat(1 << 20) + &"]".repeat(1 << 20);
    let told = told(&format!("{{\"name\": \"a\", \"anything\": {deep}}}"));
    assert!(told.contains("recursion limit exceeded"), "{told}");
}

#[test]
fn the_line_of_a_field_is_found_afterwards() {
    let text = b"{\n \"a\": [1,\n {\"b\":\n 3}]}";
    for (field, expected) in [("", 1), ("a", 2), ("a[0]", 2), ("a[1]", 3), ("a[1].b", 4)] {
        assert_eq!(line_of(text, field), expected, "{field}");
    }
    // What is missing is missing from its object.
    assert_eq!(line_of(text, "a[1].c"), 3);
    assert_eq!(line_of(text, "a[7]"), 0);
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z\"\\\\\n\u{fe}]{0,4}".prop_map(Value::from),
        Just(json!("red")),
        (0_u8..5).prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let name = prop_oneof![
            Just("name"),
            Just("is_on"),
            Just("colour"),
            Just("inner"),
            Just("names"),
            Just("anything"),
            Just("place"),
            Just("line"),
            Just("count"),
            Just("rate"),
            Just("tags"),
            Just("x"),
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(name.prop_map(str::to_owned), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Is there an object that was written as a list?
fn has_positional(value: &Value) -> bool {
    let listed = value.get("inner").and_then(Value::as_array);
    value.is_array() || listed.is_some_and(|inner| inner.iter().any(Value::is_array))
}

proptest! {
    #[test]
    fn it_reads_what_serde_json_reads_but_for_objects_as_lists(value in value()) {
        let text = serde_json::to_string_pretty(&value).unwrap();
        let by_serde = serde_json::from_str::<Outer>(&text);
        match read::<Outer>(text.as_bytes()) {
            Ok(read) => prop_assert_eq!(read, by_serde.unwrap()),
            Err(problems) => prop_assert!(
                by_serde.is_err() || has_positional(&value), "{}: {}", text, problems
            ),
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), at in any::<prop::sample::Index>()) {
        let _ = read::<Outer>(&bytes);
        let mut text = br#"{"name": "a", "inner": [{"count": 1, "rate": 1.5}], "names": {"x": 1}}"#.to_vec();
        let at = at.index(text.len());
        text[at] = *bytes.first().unwrap_or(&0);
        let _ = read::<Outer>(&text);
        line_of(&text, "inner[0].rate");
    }
}
