//! JSON Schemas of a guest: reads one, bounded, and says what of a document does not fit it. Looks up
//! nothing: a reference beyond the schema itself is refused.
//!
//! Both schema and document come from outside, and a schema can make a validator work for ever: a
//! chain of `anyOf`, each naming the next twice, doubles its work at every link. So the work is
//! counted first, as if every branch were taken, and bounded by `STEPS_MAX`.

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
    let mut closed = Closed {
        root: &root,
        patterns: 0,
    };
    closed.check(&root, true)?;
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

/// Drafts that can be named; without `$schema`, the last one is meant.
const DRAFTS: [&str; 4] = [
    "://json-schema.org/draft-06/schema",
    "://json-schema.org/draft-07/schema",
    "://json-schema.org/draft/2019-09/schema",
    "://json-schema.org/draft/2020-12/schema",
];
/// Most patterns of a schema, and the size of each when it is compiled, in bytes.
const PATTERNS_MAX: usize = 32;
const PATTERN_BYTES_MAX: usize = 256 << 10;

/// Checks that `Work` can follow every reference, and that every pattern is small. Anything else that is
/// wrong with a schema is left to the validator.
struct Closed<'a> {
    root: &'a Value,
    patterns: usize,
}

impl Closed<'_> {
    fn check(&mut self, part: &Value, is_root: bool) -> Result<(), String> {
        match part {
            Value::Array(parts) => parts.iter().try_for_each(|part| self.check(part, false)),
            Value::Object(fields) => {
                for (name, value) in fields {
                    self.field(name, value, is_root)?;
                    let is_data = ["const", "default", "enum", "examples"].contains(&name.as_str());
                    if !is_data {
                        self.check(value, false)?;
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn field(&mut self, name: &str, value: &Value, is_root: bool) -> Result<(), String> {
        if let ("patternProperties", Value::Object(patterns)) = (name, value) {
            return patterns.keys().try_for_each(|text| self.pattern(text));
        }
        let Some(text) = value.as_str() else {
            return Ok(());
        };
        let needed = match name {
            "pattern" => return self.pattern(text),
            "$ref" if named(self.root, text).is_none() => {
                "'#', or '#/' and the path of a part of the schema, needed"
            }
            "$id" if !is_root => "it can stand at the top only",
            "$schema" if !is_draft(text) => "2020-12, 2019-09, draft-07 or draft-06 needed",
            "$anchor" | "$dynamicAnchor" | "$dynamicRef" | "$recursiveRef" => {
                "a reference is '$ref' with a path"
            }
            _ => return Ok(()),
        };
        let text = shortened(text);
        Err(format!("no schema: {name} '{text}' found; {needed}"))
    }

    fn pattern(&mut self, text: &str) -> Result<(), String> {
        self.patterns += 1;
        if self.patterns > PATTERNS_MAX {
            return Err(format!(
                "no schema: over {PATTERNS_MAX} patterns found; at most so many allowed"
            ));
        }
        let built = regex::RegexBuilder::new(text)
            .size_limit(PATTERN_BYTES_MAX)
            .build();
        match built {
            Ok(_) => Ok(()),
            Err(regex::Error::CompiledTooBig(_)) => Err(format!(
                "no schema: pattern '{}' found, which needs over {PATTERN_BYTES_MAX} bytes when it \
                 is compiled",
                shortened(text)
            )),
            Err(error) => Err(format!(
                "no schema: pattern: {}",
                shortened(&error.to_string())
            )),
        }
    }
}

fn is_draft(text: &str) -> bool {
    let text = text.trim_end_matches('#');
    let text = text.strip_prefix("https").or(text.strip_prefix("http"));
    text.is_some_and(|text| DRAFTS.contains(&text))
}

/// Returns the part of a schema that a reference names by its path.
fn named<'a>(root: &'a Value, reference: &str) -> Option<&'a Value> {
    match reference.strip_prefix('#')? {
        "" => Some(root),
        path => root.pointer(&plain_path(path)?),
    }
}

/// Undoes percent-encoding; `None` if that gives no text.
fn plain_path(path: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        if byte != b'%' {
            bytes.push(byte);
            rest = after;
            continue;
        }
        let digits = std::str::from_utf8(after.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &after[2..];
    }
    String::from_utf8(bytes).ok()
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
    let mut first = None;
    find_first(error, &mut first);
    let text = first.map(|(place, leaf)| {
        let place = if place.is_empty() { "/" } else { &place };
        format!("at '{place}': {}", leaf.kind)
    });
    shortened(&text.unwrap_or_default())
}

type Leaf<'e, 's, 'v> = (String, &'e ValidationError<'s, 'v>);

fn find_first<'e, 's, 'v>(
    error: &'e ValidationError<'s, 'v>,
    first: &mut Option<Leaf<'e, 's, 'v>>,
) {
    for cause in &error.causes {
        find_first(cause, first);
    }
    if error.causes.is_empty() {
        let place = error.instance_location.to_string();
        if first.as_ref().is_none_or(|(known, _)| place < *known) {
            *first = Some((place, error));
        }
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
const DEPTH_MAX: u32 = 300;

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
                // Every reference was found when the schema was read.
                "$ref" => {
                    let schema = value.as_str().and_then(|text| named(self.root, text))?;
                    self.visit(schema, document, depth + 1)?;
                }
                "pattern" | "minLength" | "maxLength" => {
                    self.count(size(value))?;
                    self.count(document.as_str().map_or(0, str::len))?;
                }
                "uniqueItems" => {
                    let items = document.as_array().map_or(0, Vec::len);
                    self.count(items.saturating_mul(size(document)))?;
                }
                // These are for the parts of the document: see `below`.
                "items"
                | "additionalItems"
                | "unevaluatedItems"
                | "contains"
                | "prefixItems"
                | "additionalProperties"
                | "unevaluatedProperties"
                | "propertyNames"
                | "properties"
                | "patternProperties"
                | "$defs"
                | "definitions" => {}
                // Lists of names and values, each of which is looked at and may be named.
                _ => self.count(size(value))?,
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
        const PROPERTIES: [&str; 2] = ["additionalProperties", "unevaluatedProperties"];
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
                    if let Some(schema) = fields.get("propertyNames") {
                        self.visit(schema, &Value::String(name.clone()), depth + 1)?;
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
                "$ref 'https://example.com/s.json' found; '#', or",
            ),
            (
                r#"{"items": {"$ref": "file:///etc/passwd"}}"#,
                "$ref 'file:///etc/passwd' found",
            ),
            (r#"{"not": {"$id": "x"}}"#, "$id 'x' found"),
            (
                r#"{"$schema": "http://json-schema.org/draft-04/schema#"}"#,
                "found; 2020-12,",
            ),
            (r##"{"$ref": "#/$defs/none"}"##, "no schema"),
        ] {
            let wrong = read(text).err().unwrap_or_default();
            assert!(wrong.contains(said), "{text}: {wrong}");
        }
        for text in [
            r#"{"$defs": {"n": {"$anchor": "node"}}}"#,
            r##"{"$dynamicRef": "#node"}"##,
            r##"{"$ref": "#/$defs/%C3"}"##,
            r#"{"pattern": "\\p{L}{1000}"}"#,
            r#"{"patternProperties": {"(": {}}}"#,
        ] {
            let wrong = read(text).err().unwrap_or_default();
            assert!(wrong.starts_with("no schema: "), "{text}: {wrong}");
        }
        let many: Vec<Value> = (0..40)
            .map(|i| json!({"pattern": format!("a{i}")}))
            .collect();
        assert!(read(&json!({"anyOf": many}).to_string()).is_err());
        let data = json!({"const": {"$id": "x", "$ref": "y"}});
        assert!(read(&data.to_string()).is_ok());
        let umlaut = json!({"$ref": "#/$defs/%C3%A4", "$defs": {"ä": {"type": "string"}}});
        assert!(judge(&umlaut, &json!(1)).is_err());
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
        // A chain without a branch, and many names that are missing in many places.
        let mut defs = Map::new();
        for i in 0..5_000 {
            defs.insert(
                format!("d{i}"),
                json!({"not": {"$ref": format!("#/$defs/d{}", i + 1)}}),
            );
        }
        defs.insert("d5000".to_owned(), json!(true));
        let chain = json!({"properties": {"x": {"$ref": "#/$defs/d0"}}, "$defs": defs});
        let wrong = judge(&chain, &json!({"x": 1})).unwrap_err();
        assert!(wrong.contains("would take over"), "{wrong}");
        let names: Vec<String> = (0..20_000).map(|i| format!("n{i}")).collect();
        let missing = json!({"items": {"required": names}});
        let wrong = judge(&missing, &Value::Array(vec![json!({}); 6_000])).unwrap_err();
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
