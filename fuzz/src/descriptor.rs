//! Makes descriptors of missions, and checks what must hold for every one: it is refused, or its
//! canonical form reads as the same descriptor, whatever the layout of the text was.

use arbitrary::{Result, Unstructured};
use coo_kernel::mission::descriptor::{DESCRIPTOR_BYTES_MAX, Descriptor};

use crate::pick;

/// Values of each field that may be left out.
const FIELDS: [(&str, &[&str]); 6] = [
    (
        "scope",
        &[
            "{}",
            r#"{"tier": 1}"#,
            r#"{"paths": ["a/**", "*"]}"#,
            r#"{"tier": 9}"#,
        ],
    ),
    (
        "limits",
        &[
            "{}",
            r#"{"memory_bytes": 1000000}"#,
            r#"{"fuel": 18446744073709551615}"#,
        ],
    ),
    (
        "llm",
        &[
            r#"{"temperature": 0.5, "max_tokens": 7}"#,
            r#"{"seed": 1, "top_p": 1e-9}"#,
            r#"{"seed": null, "temperature": -0.0}"#,
        ],
    ),
    ("engine", &["{}", r#"{"canonical_nan": false}"#]),
    ("arguments", &["[]", r#"["a", "é"]"#, r#"["\u0000"]"#]),
    (
        "environment",
        &["{}", r#"{"b": "1", "A": ""}"#, r#"{"a=b": "1"}"#],
    ),
];
const STEPS: [&str; 4] = [
    r#"{"id": "one", "input": {"b": 1, "a": [null, 2.5]}}"#,
    r#"{"id": "two", "human": {"ask": "Really?"}}"#,
    r#"{"id": "three", "input": "text"}"#,
    r#"{"id": "four", "input": 1e300}"#,
];
/// Fields that are refused: given twice, unknown, or wrong.
const WRONG: [&str; 4] = [
    r#""format": "coo-mission/1""#,
    r#""description": "é""#,
    r#""steps": [{"id": "", "human": {"ask": " "}}]"#,
    r#""module": {}"#,
];
const MODULES: [&str; 2] = [r#"{"set": "demo"}"#, r#"{"file": "a.wasm"}"#];
const SPACES: [&str; 4] = ["", " ", "\n", "\r\n\t"];

/// Makes the text of a descriptor from a recipe.
pub fn made(recipe: &mut Unstructured<'_>) -> Result<String> {
    let mut steps = vec![r#"{"id": "zero"}"#];
    for step in STEPS {
        if recipe.arbitrary()? {
            steps.push(step);
        }
    }
    let mut fields = vec![
        r#""format": "coo-mission/1""#.to_owned(),
        r#""mission_type": "T_0""#.to_owned(),
        format!(r#""module": {}"#, pick(recipe, &MODULES)?),
        format!(r#""steps": [{}]"#, steps.join(",")),
    ];
    for (name, values) in FIELDS {
        if recipe.arbitrary()? {
            fields.push(format!(r#""{name}": {}"#, pick(recipe, values)?));
        }
    }
    if recipe.ratio(1, 8)? {
        fields.push(pick(recipe, &WRONG)?.to_owned());
    }
    let first = recipe.int_in_range(0..=fields.len() - 1)?;
    fields.rotate_left(first);
    let space = pick(recipe, &SPACES)?;
    let fields = fields.join(&format!(",{space}"));
    Ok(format!("{{{space}{fields}{space}}}"))
}

/// Reads a descriptor and checks its canonical form.
pub fn check(text: &[u8]) {
    let Ok(descriptor) = Descriptor::parse(text) else {
        return;
    };
    let canonical = descriptor.canonical().expect("data");
    // Defaults that are written out can make a text longer than what is read.
    if canonical.len() > DESCRIPTOR_BYTES_MAX {
        return;
    }
    let again = Descriptor::parse(canonical.as_bytes()).expect("the canonical form is read");
    assert_eq!(again.canonical().expect("data"), canonical);
}
