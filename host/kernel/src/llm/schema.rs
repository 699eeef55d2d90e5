//! JSON Schemas of a guest: reads one, bounded, and says what of a document does not fit it. Looks up
//! nothing: a reference beyond the schema itself is refused.
//!
//! Both schema and document come from outside, and a schema can make a validator work for ever: a
//! chain of `anyOf`, each naming the next twice, doubles its work at every link. So the work is
//! counted first, as if every branch were taken, and bounded by `STEPS_MAX`.

use std::fmt::Write as _;

use boon::{CompileError, Compiler, Draft, SchemaIndex, Schemas, UrlLoader, ValidationError};
use serde_json::{Map, Value};

use crate::form::plain;

/// Largest schema, in bytes.
pub const SCHEMA_BYTES_MAX: usize = 256 << 10;
/// Most steps that judging a document may take: pairs of a part of the schema and a part of the
/// document. Some hundred milliseconds of work.
pub const STEPS_MAX: u64 = 1_000_000;
/// Longest text about a document that does not fit, in characters.
const REASON_CHARS_MAX: usize = 400;
/// The place of the schema, which no loader knows.
const HERE: &str = "coo:schema";

/// A schema that can be used.
pub struct Schema {
    root: Value,
    schemas: Schemas,
    index: SchemaIndex,
}

struct NoLoader;

impl UrlLoader for NoLoader {
    fn load(&self, url: &str) -> Result<Value, Box<dyn std::error::Error>> {
        Err(format!("'{url}' is not a part of the schema").into())
    }
}

/// Reads a schema; no text means any object. `Err` says what is wrong with it.
pub fn read(text: &str) -> Result<Schema, String> {
    if text.len() > SCHEMA_BYTES_MAX {
        return Err(format!(
            "schema of {} bytes found; at most {SCHEMA_BYTES_MAX} allowed",
            text.len()
        ));
    }
    let text = if text.trim().is_empty() {
        r#"{"type":"object"}"#
    } else {
        text
    };
    let root: Value = serde_json::from_str(text).map_err(|error| format!("no JSON: {error}"))?;
    if !root.is_object() {
        return Err(format!(
            "no schema: {} found; an object needed",
            kind(&root)
        ));
    }
    closed(&root, true)?;
    let mut schemas = Schemas::new();
    let mut compiler = Compiler::new();
    compiler.set_default_draft(Draft::V2020_12);
    compiler.use_loader(Box::new(NoLoader));
    let wrong = |error: CompileError| format!("no schema: {}", shortened(&error.to_string()));
    compiler.add_resource(HERE, root.clone()).map_err(wrong)?;
    let index = compiler.compile(HERE, &mut schemas).map_err(wrong)?;
    Ok(Schema {
        root,
        schemas,
        index,
    })
}

/// Drafts whose references `Work` knows; without `$schema`, the last one is meant.
const DRAFTS: [&str; 4] = [
    "://json-schema.org/draft-06/schema",
    "://json-schema.org/draft-07/schema",
    "://json-schema.org/draft/2019-09/schema",
    "://json-schema.org/draft/2020-12/schema",
];

/// Checks that every reference stays in the schema, by a pointer or an anchor, and that no part of it
/// gives references another base.
fn closed(part: &Value, is_root: bool) -> Result<(), String> {
    match part {
        Value::Array(parts) => parts.iter().try_for_each(|part| closed(part, false)),
        Value::Object(fields) => {
            for (name, value) in fields {
                let Some(text) = value.as_str() else {
                    closed(value, false)?;
                    continue;
                };
                let is_wrong = match name.as_str() {
                    "$ref" | "$dynamicRef" | "$recursiveRef" => !text.starts_with('#'),
                    "$id" => !is_root,
                    "$schema" => !DRAFTS.iter().any(|draft| {
                        text.trim_end_matches('#')
                            .trim_start_matches("https")
                            .trim_start_matches("http")
                            == *draft
                    }),
                    _ => false,
                };
                if is_wrong {
                    return Err(format!(
                        "no schema: {name} '{}' found; references are '#…', '$id' stands at the top, \
                         and the draft is 2020-12, 2019-09, 7 or 6",
                        shortened(text)
                    ));
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

impl Schema {
    /// Checks a document. `Err` says where it does not fit, and why.
    pub fn check(&self, document: &Value) -> Result<(), String> {
        let mut work = Work {
            root: &self.root,
            steps: 0,
        };
        if work.visit(&self.root, document, 0).is_none() {
            return Err(format!(
                "judging it against the schema would take over {STEPS_MAX} steps"
            ));
        }
        let checked = self.schemas.validate(document, self.index);
        checked.map_err(|error| reason(&error))
    }
}

/// Returns the first leaf of the error by its place in the document.
fn reason(error: &ValidationError<'_, '_>) -> String {
    let mut leaves = Vec::new();
    collect(error, &mut leaves);
    leaves.sort();
    let text = leaves.into_iter().next().map(|(place, what)| {
        let place = if place.is_empty() { "/" } else { &place };
        format!("at '{place}': {what}")
    });
    shortened(&text.unwrap_or_default())
}

fn collect(error: &ValidationError<'_, '_>, leaves: &mut Vec<(String, String)>) {
    if error.causes.is_empty() {
        leaves.push((error.instance_location.to_string(), error.kind.to_string()));
    }
    for cause in &error.causes {
        collect(cause, leaves);
    }
}

fn shortened(text: &str) -> String {
    plain::one_line(text)
        .chars()
        .take(REASON_CHARS_MAX)
        .collect()
}

/// Returns the kind of a JSON value, with its article.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Deepest nesting of schemas at one place of the document.
const DEPTH_MAX: u32 = 200;

/// Counts the work of a validator that takes every branch.
struct Work<'a> {
    root: &'a Value,
    steps: u64,
}

impl Work<'_> {
    fn count(&mut self, steps: usize) -> Option<()> {
        self.steps = self.steps.saturating_add(steps as u64);
        (self.steps <= STEPS_MAX).then_some(())
    }

    /// `None`: too much.
    fn visit(&mut self, schema: &Value, document: &Value, depth: u32) -> Option<()> {
        self.count(1)?;
        let Some(fields) = schema.as_object() else {
            return Some(());
        };
        if depth > DEPTH_MAX {
            return None;
        }
        // A validator looks at the document again for what nothing has looked at.
        let again = ["unevaluatedItems", "unevaluatedProperties"];
        let times = if again.iter().any(|name| fields.contains_key(*name)) {
            2
        } else {
            1
        };
        for _ in 0..times {
            self.here(fields, document, depth)?;
            self.below(fields, document, depth)?;
        }
        Some(())
    }

    /// The schemas that apply to the same place.
    fn here(&mut self, fields: &Map<String, Value>, document: &Value, depth: u32) -> Option<()> {
        for (name, value) in fields {
            self.count(1)?;
            match name.as_str() {
                "allOf" | "anyOf" | "oneOf" => {
                    for schema in value.as_array().into_iter().flatten() {
                        self.visit(schema, document, depth + 1)?;
                    }
                }
                "not" | "if" | "then" | "else" => self.visit(value, document, depth + 1)?,
                "dependentSchemas" | "dependencies" => {
                    for schema in value.as_object().into_iter().flat_map(Map::values) {
                        self.visit(schema, document, depth + 1)?;
                    }
                }
                "$ref" | "$dynamicRef" | "$recursiveRef" => {
                    if let Some(schema) = self.named(value) {
                        let schema = schema.clone();
                        self.count(size(&schema))?;
                        self.visit(&schema, document, depth + 1)?;
                    }
                }
                "enum" => self.count(size(value).saturating_mul(size(document)))?,
                "const" => self.count(size(value))?,
                "pattern" => self.count(document.as_str().map_or(0, str::len))?,
                "uniqueItems" => {
                    let items = document.as_array().map_or(0, Vec::len);
                    self.count(items.saturating_mul(size(document)))?;
                }
                _ => {}
            }
        }
        Some(())
    }

    /// The schemas that apply to the parts of the document.
    fn below(&mut self, fields: &Map<String, Value>, document: &Value, depth: u32) -> Option<()> {
        const ITEMS: [&str; 5] = [
            "items",
            "additionalItems",
            "unevaluatedItems",
            "contains",
            "prefixItems",
        ];
        const PROPERTIES: [&str; 3] = [
            "additionalProperties",
            "unevaluatedProperties",
            "propertyNames",
        ];
        let empty = Map::new();
        match document {
            Value::Array(items) => {
                for name in ITEMS {
                    match fields.get(name) {
                        None => {}
                        Some(Value::Array(schemas)) => {
                            for (schema, item) in schemas.iter().zip(items) {
                                self.visit(schema, item, depth + 1)?;
                            }
                        }
                        Some(schema) => {
                            for item in items {
                                self.visit(schema, item, depth + 1)?;
                            }
                        }
                    }
                }
            }
            Value::Object(members) => {
                let of = |name| fields.get(name).and_then(Value::as_object);
                let properties = of("properties").unwrap_or(&empty);
                let patterns = of("patternProperties").unwrap_or(&empty);
                for (name, member) in members {
                    self.count(name.len().saturating_mul(patterns.len() + 1))?;
                    if let Some(schema) = properties.get(name) {
                        self.visit(schema, member, depth + 1)?;
                    }
                    for schema in patterns.values() {
                        self.visit(schema, member, depth + 1)?;
                    }
                    for name in PROPERTIES {
                        if let Some(schema) = fields.get(name) {
                            self.visit(schema, member, depth + 1)?;
                        }
                    }
                }
            }
            _ => {}
        }
        Some(())
    }

    /// Returns the schema that a reference names: by a pointer, or by the name of an anchor, in which
    /// case it may be any part of the schema, so the whole stands for it.
    fn named(&self, reference: &Value) -> Option<&Value> {
        let reference = reference.as_str()?;
        let pointer = reference.strip_prefix('#')?;
        let mut path = String::new();
        for part in percent(pointer).split('/').skip(1) {
            let _ = write!(path, "/{part}");
        }
        if path.is_empty() {
            return Some(self.root);
        }
        self.root.pointer(&path).or(Some(self.root))
    }
}

/// Undoes percent-encoding of ASCII, which is all that names of definitions need.
fn percent(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        plain.push_str(&rest[..at]);
        let code = rest
            .get(at + 1..at + 3)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
            .filter(u8::is_ascii);
        if let Some(code) = code {
            plain.push(char::from(code));
            rest = &rest[at + 3..];
        } else {
            plain.push('%');
            rest = &rest[at + 1..];
        }
    }
    plain + rest
}

/// Returns the number of values in `value`, itself included, and one more for each 16 bytes of text.
fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => 1 + text.len() / 16,
        Value::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Object(members) => {
            let members = members.iter();
            1 + members
                .map(|(name, member)| 1 + name.len() / 16 + size(member))
                .sum::<usize>()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judge(schema: &Value, document: &Value) -> Result<(), String> {
        read(&schema.to_string())?.check(document)
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_place() {
        let schema = json!({
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "age": {"type": "integer", "minimum": 0},
            },
            "required": ["name", "age"],
            "additionalProperties": false,
        });
        assert_eq!(judge(&schema, &json!({"name": "Ada", "age": 36})), Ok(()));
        for (document, said) in [
            (json!({"name": "Ada"}), "at '/': missing properties 'age'"),
            (
                json!({"name": "Ada", "age": -1}),
                "at '/age': must be >=0, but got -1",
            ),
            (json!([]), "at '/': want object, but got array"),
        ] {
            assert_eq!(judge(&schema, &document).unwrap_err(), said);
        }
    }

    #[test]
    fn a_schema_that_is_none_or_reaches_outside_is_refused() {
        for (text, said) in [
            ("3", "no schema: a number found; an object needed"),
            (r#"{"type": "objekt"}"#, "no schema"),
            (
                r#"{"$ref": "https://example.com/s.json"}"#,
                "$ref 'https://example.com/s.json' found; references are '#…'",
            ),
            (
                r#"{"items": {"$ref": "file:///etc/passwd"}}"#,
                "$ref 'file:///etc/passwd' found",
            ),
            (r#"{"not": {"$id": "x"}}"#, "$id 'x' found"),
            (
                r#"{"$schema": "http://json-schema.org/draft-04/schema#"}"#,
                "and the draft is",
            ),
            (r##"{"$ref": "#/$defs/none"}"##, "no schema"),
        ] {
            let wrong = read(text).err().unwrap_or_default();
            assert!(wrong.contains(said), "{text}: {wrong}");
        }
        assert!(read("").is_ok());
        assert!(read(r#"{"$schema": "http://json-schema.org/draft-07/schema#"}"#).is_ok());
        let names = json!({"properties": {"$ref": {"type": "string"}, "$id": {"type": "string"}}});
        assert!(read(&names.to_string()).is_ok());
    }

    #[test]
    fn no_schema_makes_the_host_work_without_bound() {
        let mut defs = Map::new();
        for i in 0..60 {
            let next = json!({"$ref": format!("#/$defs/d{}", i + 1)});
            defs.insert(format!("d{i}"), json!({"anyOf": [next, next]}));
        }
        defs.insert("d60".to_owned(), json!({"type": "string"}));
        let doubling = json!({"$ref": "#/$defs/d0", "$defs": defs});
        let wrong = judge(&doubling, &json!(1)).unwrap_err();
        assert!(wrong.contains("would take over"), "{wrong}");
        // A cycle at one place of the document.
        let cycle = json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}});
        assert!(judge(&cycle, &json!(1)).is_err());
        // A tree of any depth is no cycle.
        let tree = json!({
            "$ref": "#/$defs/node",
            "$defs": {"node": {
                "type": "object",
                "properties": {"children": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
            }},
        });
        let mut document = json!({"children": []});
        for _ in 0..30 {
            document = json!({"children": [document]});
        }
        assert_eq!(judge(&tree, &document), Ok(()));
    }

    #[test]
    fn a_long_list_of_usual_items_is_judged() {
        let schema = json!({"type": "array", "items": {
            "type": "object",
            "properties": {"id": {"type": "integer"}, "label": {"enum": ["a", "b", "c"]}},
            "required": ["id", "label"],
        }});
        let item = json!({"id": 7, "label": "b"});
        let list = Value::Array(vec![item; 5_000]);
        assert_eq!(judge(&schema, &list), Ok(()));
    }
}
