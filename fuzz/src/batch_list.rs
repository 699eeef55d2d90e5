//! Makes lists of missions and rows of inputs for a batch, and checks what must hold for every one:
//! it is refused, or its entries are in order, their labels differ, and every row can be the input of
//! the mission.

use std::collections::BTreeSet;

use arbitrary::{Result, Unstructured};
use coo_kernel::batch::list::{List, What, with_input};
use coo_kernel::mission::descriptor::Descriptor;

use crate::pick;

const DESCRIPTOR: &str = r#"{"format":"coo-mission/1","mission_type":"T","module":{"set":"demo"},"steps":[{"id":"a","human":{"ask":"So?"}},{"id":"b"}]}"#;
const LINES: [&str; 16] = [
    DESCRIPTOR,
    r#"{"mission":"triage"}"#,
    r#"{"mission":"m.json","input":{"b":1,"a":null},"id":"one"}"#,
    r#"{"id":"two","mission":"m.json","input":"é"}"#,
    r#"{"mission":"","id":"\u202e"}"#,
    r#"{"mission":"a","id":"one","more":1}"#,
    r#"{"format":"coo-mission/9"}"#,
    "{}",
    "[1,2.5e300]",
    "\"text\"",
    "null",
    "  \t",
    "name,note",
    "Anna,\"two\nlines, \"\"quoted\"\"\"",
    ",",
    "\"open",
];
const ENDS: [&str; 4] = ["\n", "\r\n", "\n\n", "\r"];

/// Makes the text of a list from a recipe.
pub fn made(recipe: &mut Unstructured<'_>) -> Result<String> {
    let mut text = String::new();
    for _ in 0..recipe.int_in_range(0..=30)? {
        text.push_str(pick(recipe, &LINES)?);
        text.push_str(pick(recipe, &ENDS)?);
    }
    Ok(text)
}

/// Reads a list in each of its forms and checks what was read.
pub fn check(text: &[u8]) {
    let descriptor = Descriptor::parse(DESCRIPTOR.as_bytes()).expect("a descriptor");
    for read in [
        List::of_missions(text),
        List::of_rows(text, &descriptor),
        List::of_csv(text, &descriptor),
    ] {
        let list = match read {
            Ok(list) => list,
            Err(refused) => {
                assert!(!refused.to_string().is_empty() && refused.hints().len() <= 20);
                continue;
            }
        };
        assert!(!list.entries.is_empty());
        let lines: Vec<usize> = list.entries.iter().map(|entry| entry.line).collect();
        assert!(
            lines.is_sorted_by(|a, b| a < b) && lines[0] > 0,
            "{lines:?}"
        );
        let labels: Vec<&String> = list.entries.iter().filter_map(|e| e.id.as_ref()).collect();
        let different: BTreeSet<&String> = labels.iter().copied().collect();
        assert_eq!(different.len(), labels.len());
        for entry in &list.entries {
            if let What::Row(value) = &entry.mission {
                let with = with_input(&descriptor, value).expect("a row fits");
                let canonical = with.canonical().expect("data");
                let again = Descriptor::parse(canonical.as_bytes()).expect("it is read");
                assert_eq!(again.canonical().expect("data"), canonical);
            }
        }
    }
}
