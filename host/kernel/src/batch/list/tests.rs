//! Lists and rows: the forms that are read, every refusal with its line, and that no bytes panic.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const INLINE: &str = r#"{"format":"coo-mission/1","mission_type":"T","module":{"set":"demo"},"steps":[{"id":"a","human":{"ask":"So?"}},{"id":"b","input":"x"}]}"#;

fn descriptor() -> Descriptor {
    Descriptor::parse(INLINE.as_bytes()).unwrap()
}

/// Returns an error as the user sees it, a hint a line.
fn told(error: &ListError) -> String {
    let hints = error.hints();
    let hints: Vec<String> = hints.iter().map(|hint| format!("hint: {hint}")).collect();
    [vec![error.to_string()], hints].concat().join("\n")
}

fn refused(text: &str) -> String {
    told(&List::of_missions(text.as_bytes()).unwrap_err())
}

fn row_values(list: &List) -> Vec<(usize, &Value)> {
    let value = |entry: &Entry| match &entry.mission {
        What::Row(_) => (),
        other => panic!("{other:?}"),
    };
    list.entries.iter().for_each(value);
    list.entries
        .iter()
        .filter_map(|entry| match &entry.mission {
            What::Row(value) => Some((entry.line, value)),
            _ => None,
        })
        .collect()
}

#[test]
fn a_line_is_a_descriptor_or_names_a_mission() {
    let text = format!(
        "\u{feff}{INLINE}\r\n\n  \t\n{{\"mission\":\"triage\"}}\n\
         {{\"mission\":\"m.json\",\"input\":{{\"b\":1}},\"id\":\"Zeile é\"}}\n\
         {{\"mission\":\"m.json\",\"input\":null,\"id\":null}}"
    );
    let list = List::of_missions(text.as_bytes()).unwrap();
    let named = |line, mission: &str, input, id: Option<&str>| Entry {
        line,
        id: id.map(str::to_owned),
        mission: What::Named {
            mission: mission.to_owned(),
            input,
        },
    };
    assert_eq!(
        list.entries,
        [
            Entry {
                line: 1,
                id: None,
                mission: What::Inline(Box::new(descriptor())),
            },
            named(4, "triage", None, None),
            named(5, "m.json", Some(json!({"b": 1})), Some("Zeile é")),
            named(6, "m.json", None, None),
        ]
    );
    assert_eq!(list.sha256, Digest::of(&text));
}

#[test]
fn every_bad_line_is_told_with_its_field() {
    let text = [
        "{",
        "[\"triage\"]",
        "{\"missoin\":\"a\"}",
        "{\"mission\":\"a\",\"inputs\":1}",
        "{\"mission\":\" \",\"id\":\"\\u202e\"}",
        "{\"mission\":7}",
        &INLINE.replace("\"b\"", "\"a\""),
        &INLINE.replace("mission/1", "mission/9"),
        "{\"mission\":\"a\",\"id\":\"one\"}",
        "",
        "{\"mission\":\"b\",\"id\":\"one\"}",
    ]
    .join("\n");
    assert_eq!(
        refused(&text),
        "line 1: not JSON: EOF while parsing an object at column 1\n\
         hint: and line 2: a list found; an object needed\n\
         hint: and line 3: neither 'format' nor 'mission' found; a descriptor or the name of a mission needed\n\
         hint: and line 4: inputs: no such field; did you mean 'input'?\n\
         hint: and line 5: mission: ' ' found; a name or a path needed\n\
         hint: and line 5: id: '\\u{202e}' found; 1 to 200 bytes of visible characters needed\n\
         hint: and line 6: mission: 7 found; a text needed\n\
         hint: and line 7: steps[1].id: 'a' found twice\n\
         hint: and line 8: format: 'coo-mission/9' found; this build reads 'coo-mission/1'\n\
         hint: and line 11: id: 'one' found twice, first on line 9\n\
         hint: see docs/batch.md for the form of a list"
    );
}

#[test]
fn twenty_bad_lines_are_told_and_one_problem_of_each_comes_first() {
    let several = INLINE
        .replace("\"T\"", "\"t\"")
        .replace("\"x\"", "\"x\",\"y\":1");
    let text = vec![several.as_str(); 30].join("\n");
    let problems = match List::of_missions(text.as_bytes()) {
        Err(ListError::Wrong(problems)) => problems.into_vec(),
        other => panic!("{other:?}"),
    };
    let lines: Vec<usize> = problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, (1..=20).collect::<Vec<_>>());
}

#[test]
fn a_list_without_missions_and_one_beyond_a_bound_are_refused() {
    assert_eq!(
        refused("\n \r\n"),
        "no missions found; at least 1 needed\nhint: write one mission on each line"
    );
    let long = format!("{{\"mission\":\"{}\"}}", "a".repeat(LINE_BYTES_MAX));
    assert!(
        refused(&long).starts_with("line 1: 4194318 bytes, limit 4194304\n"),
        "{}",
        &refused(&long)[..80]
    );
    let mut reading = Reading::of(b"").unwrap();
    let row = || Ok((None, What::Row(Value::Null)));
    reading.add(1, row()).unwrap();
    reading.entries = vec![reading.entries[0].clone(); MISSIONS_MAX - 1];
    reading.add(1_000_001, row()).unwrap();
    assert_eq!(
        told(&reading.add(1_000_003, row()).unwrap_err()),
        "line 1000003: more than 1000000 missions, which is the limit\n\
         hint: split the list and run one batch for each part"
    );
    assert_eq!(reading.end().unwrap().entries.len(), MISSIONS_MAX);
    let paths = List::of_paths(Vec::new()).unwrap_err();
    assert_eq!(paths, ListError::Empty);
}

#[test]
fn paths_are_in_order_and_each_is_there_once() {
    let paths = ["b.json", "a.json", "B.json", "a.json"].map(str::to_owned);
    let list = List::of_paths(paths.to_vec()).unwrap();
    let named: Vec<&str> = list
        .entries
        .iter()
        .filter_map(|entry| match &entry.mission {
            What::Named { mission, .. } => Some(mission.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(named, ["B.json", "a.json", "b.json"]);
}

#[test]
fn a_row_becomes_the_input_of_the_first_step_that_a_guest_runs() {
    let list = List::of_rows(b"\"a\\nb\"\n\n{\"b\":1,\"a\":2}\nnull\n", &descriptor()).unwrap();
    let rows = row_values(&list);
    assert_eq!(
        rows,
        [
            (1, &json!("a\nb")),
            (3, &json!({"a": 2, "b": 1})),
            (4, &Value::Null)
        ]
    );
    let texts: Vec<String> = rows
        .iter()
        .map(|(_, value)| {
            with_input(&descriptor(), value).unwrap().steps[1]
                .input_text()
                .unwrap()
        })
        .collect();
    assert_eq!(texts, ["a\nb", r#"{"a":2,"b":1}"#, ""]);
    let human = with_input(&descriptor(), &json!("row")).unwrap();
    assert!(human.steps[0].input.is_null());
    // As if it had been written there.
    let written = INLINE.replace("\"x\"", "\"row\"");
    assert_eq!(human, Descriptor::parse(written.as_bytes()).unwrap());
}

#[test]
fn csv_with_a_header_is_an_object_of_texts_a_record() {
    let text = "\u{feff}name,note\r\nAnna,\"two\nlines, \"\"quoted\"\"\"\r\n\r\nBen,\r\n";
    let list = List::of_csv(text.as_bytes(), &descriptor()).unwrap();
    assert_eq!(
        row_values(&list),
        [
            (
                2,
                &json!({"name": "Anna", "note": "two\nlines, \"quoted\""})
            ),
            (5, &json!({"name": "Ben", "note": ""})),
        ]
    );
}

#[test]
fn every_bad_record_is_told_with_its_line() {
    let refused = |text: &[u8]| {
        let error = List::of_csv(text, &descriptor()).unwrap_err();
        let told = told(&error);
        let end = "\nhint: see docs/batch.md for the form of a list";
        told.strip_suffix(end).unwrap_or(&told).to_owned()
    };
    assert_eq!(
        refused(b"a,b\n1\n\n1,2,3\n1,\xff\n1,2\n"),
        "line 2: 1 field found; 2 needed, as the header has\n\
         hint: and line 4: 3 fields found; 2 needed, as the header has\n\
         hint: and line 5: b: not UTF-8; save the file as UTF-8"
    );
    assert_eq!(
        refused(b"\na,b,a,\n1,2,3,4\n"),
        "line 2: column 3: name 'a' found twice\nhint: and line 2: column 4: has no name"
    );
    assert_eq!(
        refused(b"a\n\"one\ntwo\nthree\n"),
        "line 2: a quote without its end found; in a quoted field, write each quote twice"
    );
    assert_eq!(
        refused(b"a\n5\" disk\n"),
        "line 2: a quote without its end found; in a quoted field, write each quote twice"
    );
    let long = format!("a\n\"{}", "b".repeat(3 * LINE_BYTES_MAX));
    assert_eq!(
        refused(long.as_bytes()),
        "line 2: 12582913 bytes, limit 4194304"
    );
    for empty in ["", "\n", "a,b\n", "a,b"] {
        assert!(
            refused(empty.as_bytes()).starts_with("no missions found"),
            "{empty:?}"
        );
    }
}

#[test]
fn a_mission_that_can_t_take_the_row_is_refused() {
    let human = r#"{"format":"coo-mission/1","mission_type":"T","module":{"set":"demo"},"steps":[{"id":"a","human":{"ask":"So?"}}]}"#;
    let human = Descriptor::parse(human.as_bytes()).unwrap();
    assert_eq!(
        told(&List::of_rows(b"1", &human).unwrap_err()),
        "steps: none found that a guest runs; an input needs one\n\
         hint: add a step without 'human', or give no input"
    );
    let room = room_for_input(&descriptor()).unwrap();
    // Two bytes of a text are its quotes.
    let fits = format!("\"{}\"", "a".repeat(room - 2));
    let list = List::of_rows(fits.as_bytes(), &descriptor()).unwrap();
    let largest = with_input(&descriptor(), row_values(&list)[0].1).unwrap();
    let largest = largest.canonical().unwrap();
    assert_eq!(largest.len(), DESCRIPTOR_BYTES_MAX);
    assert!(Descriptor::parse(largest.as_bytes()).is_ok());
    let over = format!("\"{}\"", "a".repeat(room - 1));
    let refused = List::of_rows(over.as_bytes(), &descriptor()).unwrap_err();
    let expected = format!(
        "line 1: {} bytes of input, limit {room} beside the descriptor",
        room + 1
    );
    assert!(refused.to_string() == expected, "{expected}");
    let value: Value = serde_json::from_str(&over).unwrap();
    assert_eq!(
        with_input(&descriptor(), &value).unwrap_err(),
        InputRefused::TooLarge {
            found: DESCRIPTOR_BYTES_MAX + 1
        }
    );
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".{0,8}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = List::of_missions(&bytes);
        let _ = List::of_rows(&bytes, &descriptor());
        let _ = List::of_csv(&bytes, &descriptor());
    }

    #[test]
    fn no_characters_of_the_formats_make_it_panic(text in "[\"\\\\,{}\\[\\]:a1\n\r ]{0,80}") {
        let _ = List::of_missions(text.as_bytes());
        let _ = List::of_rows(text.as_bytes(), &descriptor());
        let _ = List::of_csv(text.as_bytes(), &descriptor());
    }

    #[test]
    fn rows_are_read_as_they_were_written(values in prop::collection::vec(any_json(), 1..8)) {
        let lines: Vec<String> = values.iter().map(Value::to_string).collect();
        let text = lines.join("\n");
        let list = List::of_rows(text.as_bytes(), &descriptor()).unwrap();
        let read: Vec<&Value> = row_values(&list).into_iter().map(|(_, value)| value).collect();
        prop_assert_eq!(read, values.iter().collect::<Vec<_>>());
    }

    #[test]
    fn csv_is_read_as_it_was_written(
        rows in prop::collection::vec(prop::collection::vec("[ab\",\n\r é]{0,6}", 3), 1..8),
    ) {
        let quoted = |fields: [&str; 3]| {
            let fields = fields.map(|field| format!("\"{}\"", field.replace('"', "\"\"")));
            fields.join(",") + "\n"
        };
        let mut text = quoted(["a", "b", "c"]);
        let mut line = 2;
        let mut expected = Vec::new();
        for row in &rows {
            text += &quoted([&row[0], &row[1], &row[2]]);
            expected.push((line, json!({"a": row[0], "b": row[1], "c": row[2]})));
            line += 1 + row.concat().matches('\n').count();
        }
        let list = List::of_csv(text.as_bytes(), &descriptor()).unwrap();
        let expected: Vec<(usize, &Value)> = expected.iter().map(|(l, v)| (*l, v)).collect();
        prop_assert_eq!(row_values(&list), expected);
    }
}
