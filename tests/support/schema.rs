//! Holds JSON to the schemas in `manifests/schemas`, with a validator that `coo` does not use. The
//! world does so with everything that a command prints with `--json`, in every test.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use boon::{Compiler, Schemas};
use coo::inside::cli::file_stem;
use serde_json::Value;

/// Returns the folder of the schemas.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/schemas")
}

/// Returns the path of a schema.
pub fn file(name: &str) -> PathBuf {
    folder().join(format!("{}.schema.json", file_stem(name)))
}

/// Returns what is wrong with `document` by the schema `name`; nothing if it fits.
pub fn problems(name: &str, document: &Value) -> Option<String> {
    let text = std::fs::read_to_string(file(name))
        .unwrap_or_else(|error| panic!("schema {name}: {error}: no schema for this format"));
    let schema: Value = serde_json::from_str(&text).unwrap();
    let address = schema["$id"].as_str().unwrap().to_owned();
    let mut compiler = Compiler::new();
    compiler.add_resource(&address, schema).unwrap();
    let mut schemas = Schemas::new();
    let index = compiler.compile(&address, &mut schemas).unwrap();
    let result = schemas.validate(document, index);
    result.err().map(|error| format!("{error:#}"))
}

/// Fails if `document` does not fit the schema `name`.
#[track_caller]
pub fn must_fit(name: &str, document: &Value) {
    if let Some(problems) = problems(name, document) {
        panic!("does not fit schema {name}: {problems}\n{document:#}");
    }
}

/// Holds every JSON document in a command's output to the schema of its format. Returns the formats
/// that were there.
#[track_caller]
pub fn printed(stdout: &str) -> BTreeSet<String> {
    let documents = serde_json::Deserializer::from_str(stdout).into_iter::<Value>();
    let mut formats = BTreeSet::new();
    // A guest's output, or a text of another form, ends the walk.
    for document in documents.map_while(Result::ok) {
        let Some(format) = document.get("format").and_then(Value::as_str) else {
            continue;
        };
        must_fit(format, &document);
        formats.insert(format.to_owned());
    }
    formats
}
