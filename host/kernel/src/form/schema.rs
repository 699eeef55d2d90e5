//! A published JSON Schema (draft 2020-12), made from a Rust type. Only tests and the generator of
//! `manifests/schemas` compile this file (feature `schemas`); the program holds the finished texts.
//! Invariant: equal types give equal bytes.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

/// A schema with the name that `coo schema` knows it by.
#[derive(Debug, Clone)]
pub struct Published {
    /// The document's format, such as `coo-mission/1`, or its file name where it states no format.
    pub name: &'static str,
    schema: Value,
}

impl Published {
    /// Returns the schema of a document that people write and `coo` reads: a field with a default
    /// may be left out, and an editor's `$schema` may be there.
    #[must_use]
    pub fn read<T: JsonSchema>(name: &'static str, title: &str) -> Self {
        let settings = SchemaSettings::draft2020_12().for_deserialize();
        let mut published = Self::root::<T>(name, title, settings);
        published.schema["properties"]["$schema"] = json!({
            "description": "Names this schema for editors. coo ignores it.",
            "type": "string",
        });
        published
    }

    /// Returns the schema of a document that `coo` writes: a field that is always written is
    /// required.
    #[must_use]
    pub fn written<T: JsonSchema>(name: &'static str, title: &str) -> Self {
        let settings = SchemaSettings::draft2020_12().for_serialize();
        Self::root::<T>(name, title, settings)
    }

    fn root<T: JsonSchema>(name: &'static str, title: &str, settings: SchemaSettings) -> Self {
        let schema = settings.into_generator().into_root_schema_for::<T>();
        Self::named(name, title, schema.into())
    }

    /// Returns the schema that `make` puts together of several types that `coo` writes.
    #[must_use]
    pub fn composed(
        name: &'static str,
        title: &str,
        make: impl FnOnce(&mut SchemaGenerator) -> Value,
    ) -> Self {
        Self::made(
            name,
            title,
            SchemaSettings::draft2020_12().for_serialize(),
            make,
        )
    }

    /// The same, for a document that an earlier release may have written, with fewer fields.
    #[must_use]
    pub fn composed_of_any_age(
        name: &'static str,
        title: &str,
        make: impl FnOnce(&mut SchemaGenerator) -> Value,
    ) -> Self {
        Self::made(
            name,
            title,
            SchemaSettings::draft2020_12().for_deserialize(),
            make,
        )
    }

    fn made(
        name: &'static str,
        title: &str,
        settings: SchemaSettings,
        make: impl FnOnce(&mut SchemaGenerator) -> Value,
    ) -> Self {
        let mut generator = settings.into_generator();
        let mut schema = make(&mut generator);
        let definitions = generator.take_definitions(true);
        if !definitions.is_empty() {
            schema["$defs"] = definitions.into();
        }
        Self::named(name, title, schema)
    }

    fn named(name: &'static str, title: &str, mut schema: Value) -> Self {
        unwrap_lines(&mut schema);
        schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
        schema["$id"] = format!("urn:coo:schema:{name}").into();
        schema["title"] = title.into();
        Self { name, schema }
    }

    /// The same, for a document whose field `format` is its name.
    #[must_use]
    pub fn with_format(mut self) -> Self {
        self.schema["properties"]["format"] = json!({ "const": self.name });
        let required = &mut self.schema["required"];
        if !required.is_array() {
            *required = json!([]);
        }
        if let Value::Array(required) = required
            && !required.iter().any(|field| field == "format")
        {
            required.push("format".into());
        }
        self
    }

    /// Returns the text of the schema's file.
    #[must_use]
    pub fn text(&self) -> String {
        // A value has no key that is not text, so that it can always be printed.
        serde_json::to_string_pretty(&self.schema).unwrap_or_default() + "\n"
    }
}

/// Joins the lines of each description: a comment in a source is wrapped, and an editor wraps itself.
fn unwrap_lines(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(text) if name == "description" => {
                        let paragraphs = text.split("\n\n");
                        let paragraphs: Vec<String> =
                            paragraphs.map(|lines| lines.replace('\n', " ")).collect();
                        *text = paragraphs.join("\n\n");
                    }
                    other => unwrap_lines(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(unwrap_lines),
        _ => {}
    }
}

/// Returns the schema of a list of documents of one kind.
pub fn list_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    json!({ "type": "array", "items": generator.subschema_for::<T>() })
}

/// Returns the schema of a text of this pattern, for a type that is written as such a text.
#[must_use]
pub fn text(pattern: &str, description: &str) -> Schema {
    schemars::json_schema!({
        "description": description,
        "type": "string",
        "pattern": pattern,
    })
}

/// Gives a type that is written by hand its schema.
#[macro_export]
macro_rules! schema_by_hand {
    ($type:ty, $name:literal, $schema:expr) => {
        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $schema
            }
        }
    };
}
