//! The schemas are generated: the files in `manifests/schemas` are those of the types, the binary
//! holds the same texts, and each format that the sources name has one.
//!
//! `COO_UPDATE_SCHEMAS=1 cargo test --test integration schemas::current` rewrites the files and the
//! list in `host/src/cli/schema/texts.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use coo::inside::cli::{TEXTS, file_stem, published};
use coo::inside::machine::env_os;

use crate::support::schema::{file, folder};

/// Texts in the sources that look like a format and are none of a JSON document.
const NO_DOCUMENTS: [&str; 10] = [
    // The beginning of a baseline's file of contents.
    "coo-amu0-pack/1",
    // The tag on a file of the cache of machine code.
    "coo-compiled-code/2",
    // What tests of the readers refuse.
    "coo-amu0/3",
    "coo-index/2",
    "coo-mission/9",
    "coo-module-manifest/2",
    "coo-pack/2",
    "coo-run/2",
    "coo-tools-manifest/2",
    "coo-world/2",
];

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// Returns the sources' list of schemas.
fn table(names: impl Iterator<Item = &'static str>) -> String {
    let mut text = "//! The texts of `manifests/schemas`, in the binary. Written by the test\n\
         //! `schemas::current`, which compares the list with the types and the folder.\n\n\
         macro_rules! texts {\n    ($($name:literal in $file:literal)*) => {\n        \
         &[$((\n            $name,\n            \
         include_str!(concat!(\"../../../../manifests/schemas/\", $file, \".schema.json\")),\n        \
         )),*]\n    };\n}\n\n\
         /// Name and text of every schema, sorted by name.\n\
         pub const TEXTS: &[(&str, &str)] = texts! {\n"
        .to_owned();
    for name in names {
        let _ = writeln!(text, "    {name:?} in {:?}", file_stem(name));
    }
    text + "};\n"
}

#[test]
fn the_schemas_are_those_of_the_types() {
    let made = published::all();
    let expected: BTreeMap<PathBuf, String> = made
        .iter()
        .map(|schema| (file(schema.name), schema.text()))
        .collect();
    assert_eq!(expected.len(), made.len(), "two schemas have one file");
    let list = table(made.iter().map(|schema| schema.name));
    let list_file = checkout().join("host/src/cli/schema/texts.rs");
    let there: BTreeSet<PathBuf> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    if env_os("COO_UPDATE_SCHEMAS").is_some() {
        for gone in there.iter().filter(|path| !expected.contains_key(*path)) {
            fs::remove_file(gone).unwrap();
        }
        for (path, text) in &expected {
            fs::write(path, text).unwrap();
        }
        fs::write(list_file, list).unwrap();
        return;
    }
    let update = "COO_UPDATE_SCHEMAS=1 cargo test --test integration schemas::current";
    assert_eq!(there, expected.keys().cloned().collect(), "run {update}");
    for (path, text) in &expected {
        let found = fs::read_to_string(path).unwrap();
        if found != *text {
            let difference = similar::TextDiff::from_lines(&found, text);
            let difference = difference.unified_diff().context_radius(2).to_string();
            panic!(
                "{}: out of date; run {update}\n{difference}",
                path.display()
            );
        }
    }
    assert_eq!(fs::read_to_string(list_file).unwrap(), list, "run {update}");
    let in_binary: Vec<(&str, String)> = TEXTS
        .iter()
        .map(|(name, text)| (*name, (*text).to_owned()))
        .collect();
    let of_types: Vec<(&str, String)> = made
        .iter()
        .map(|schema| (schema.name, schema.text()))
        .collect();
    assert!(
        in_binary == of_types,
        "the binary holds other texts than {update} writes"
    );
}

#[test]
fn every_format_in_the_sources_has_a_schema() {
    let mut formats = BTreeMap::new();
    let mut folders = vec![checkout().join("host")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension() == Some("rs".as_ref()) && !path.ends_with("schema/texts.rs")
            {
                for format in formats_in(&fs::read_to_string(&path).unwrap()) {
                    formats.insert(format, path.clone());
                }
            }
        }
    }
    let named: BTreeSet<&str> = TEXTS.iter().map(|(name, _)| *name).collect();
    let excused = BTreeSet::from(NO_DOCUMENTS);
    assert!(formats.len() > 50, "the walk has lost its way: {formats:?}");
    for (format, path) in &formats {
        let known = named.contains(format.as_str()) || excused.contains(format.as_str());
        assert!(known, "{}: format {format} has no schema", path.display());
    }
    for text in excused {
        assert!(
            formats.contains_key(text),
            "{text} is in no source any more"
        );
    }
}

/// Returns every `coo-NAME/NUMBER` and `"coo-NAME-NUMBER"` in a source.
fn formats_in(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (start, _) in text.match_indices("coo-") {
        let rest = &text[start..];
        let is_in_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let end = rest.find(|c| !is_in_name(c)).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let digits = after.strip_prefix('/').map_or("", |version| {
            let end = version.find(|c: char| !c.is_ascii_digit());
            &version[..end.unwrap_or(version.len())]
        });
        let old_form = name.rsplit_once('-').is_some_and(|(_, number)| {
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        });
        if !digits.is_empty() {
            found.insert(format!("{name}/{digits}"));
        } else if old_form && after.starts_with('"') && text[..start].ends_with('"') {
            found.insert(name.to_owned());
        }
    }
    found
}
