//! The files that ship with `coo`, and those that it leaves in a state root, fit their schemas. A
//! file that has none fails a test. What the schema of a descriptor refuses, `coo` refuses.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use coo::inside::machine::archive;
use coo_kernel::pack::FILES_MAX;
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::World;
use crate::support::schema::{must_fit, problems};

/// Files without a field `format`: how their names begin and end, and their schema. A schema that
/// is empty: a file for the next command alone, whose form is nobody's business.
const BY_NAME: [(&str, &str, &str); 18] = [
    ("", "/config.json", "config.json"),
    ("", "amu0/restore.json", ""),
    ("", "cache/freeze_check.json", ""),
    ("", "lint_report.json", "lint-report"),
    ("", "scanner_report.json", "scanner-report"),
    ("", "migration_plan.json", "migration-plan"),
    ("", "mission_output.json", "mission-output"),
    ("", "snapshot_1.json", "snapshot"),
    ("", "snapshot_2.json", "snapshot"),
    ("", "_frozen.json", "frozen-answers"),
    ("", "frozen_calls.json", "frozen-calls"),
    ("", "rollback_log.json", "rollback-log"),
    ("amu0/names/", ".json", "baseline-record"),
    ("escalation_", ".json", "escalation"),
    // Masked for the comparison of gate F.
    ("normalized/", ".json", ""),
    ("manifests/schemas/", ".schema.json", ""),
    ("tests/fixtures/", ".json", ""),
    ("tests/scripts/", ".json", ""),
];

/// Returns the schema of a JSON document in the file `path`; nothing if it is not to be judged.
#[track_caller]
fn schema_of(path: &Path, document: &Value) -> Option<String> {
    let shown = path.display().to_string();
    let by_name = BY_NAME.iter().find(|(start, end, _)| {
        shown.ends_with(end) && (start.is_empty() || shown.contains(start))
    });
    if let Some((_, _, name)) = by_name {
        return (!name.is_empty()).then(|| (*name).to_owned());
    }
    let format = document.get("format").and_then(Value::as_str);
    Some(
        format
            .unwrap_or_else(|| panic!("{shown}: no format, and no schema by its name"))
            .to_owned(),
    )
}

/// Holds every JSON file below `folder` to its schema. Returns how many of each schema there were.
#[track_caller]
fn every_file_fits(folder: &Path) -> BTreeMap<String, usize> {
    let mut count = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                if !["target", ".git", "objects"].contains(&name) {
                    folders.push(path);
                }
                continue;
            }
            if path.extension() != Some("json".as_ref()) {
                continue;
            }
            let text = fs::read(&path).unwrap();
            let document: Value = serde_json::from_slice(&text).unwrap();
            if let Some(schema) = schema_of(&path, &document) {
                must_fit(&schema, &document);
                *count.entry(schema).or_default() += 1;
            }
        }
    }
    count
}

/// Holds every JSON file of a world's state root to its schema.
#[track_caller]
pub fn every_file_of_the_root_fits(world: &World) -> BTreeMap<String, usize> {
    let changes = world.root().join("changes/000001");
    for name in ["mission_log.jsonl", "db_transactions.jsonl"] {
        if let Ok(log) = fs::read_to_string(changes.join(name)) {
            lines_fit("mission-log", &log);
        }
    }
    let count = every_file_fits(&world.root());
    assert!(!count.is_empty());
    count
}

/// Holds every line to a schema. Returns how many lines there are.
#[track_caller]
pub fn lines_fit(schema: &str, lines: &str) -> usize {
    lines
        .lines()
        .map(|line| must_fit(schema, &serde_json::from_str(line).unwrap()))
        .count()
}

/// Holds every JSON file of a pack to its schema.
#[track_caller]
pub fn every_file_of_the_pack_fits(pack: &Path) {
    let members = archive::read_stored(&fs::read(pack).unwrap(), FILES_MAX).unwrap();
    let mut judged = Vec::new();
    for (name, content) in &members {
        let path = PathBuf::from(name);
        if path.extension() == Some("json".as_ref()) {
            let document: Value = serde_json::from_slice(content).unwrap();
            must_fit(&schema_of(&path, &document).unwrap(), &document);
            judged.push(name.as_str());
        }
        if name == "flight_recorder.jsonl" {
            assert!(lines_fit("flight-recorder", std::str::from_utf8(content).unwrap()) > 5);
            judged.push(name);
        }
        if name == "run.coorun" {
            judged.push(name);
            the_run_fits(content);
        }
    }
    let expected = [
        "MANIFEST.json",
        "flight_recorder.jsonl",
        "frozen_calls.json",
        "hash_lineage.json",
        "mission.json",
        "rollback_log.json",
        "run.coorun",
    ];
    assert_eq!(judged, expected);
}

/// The header and the events of an exported run; bytes of contents follow them.
fn the_run_fits(content: &[u8]) {
    let mut lines = content.split(|byte| *byte == b'\n').skip(1);
    let header: Value = serde_json::from_slice(lines.next().unwrap()).unwrap();
    must_fit("coo-run/1", &header);
    let events = usize::try_from(header["events"].as_u64().unwrap()).unwrap();
    for line in lines.take(events) {
        must_fit("coo-run/1", &serde_json::from_slice(line).unwrap());
    }
}

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

#[test]
fn the_files_that_ship_fit() {
    let mut count = BTreeMap::new();
    for folder in ["reference", "examples", "manifests", "guest-sdk/template"] {
        for (schema, number) in every_file_fits(&checkout().join(folder)) {
            *count.entry(schema).or_insert(0) += number;
        }
    }
    for schema in [
        "coo-governance-leak-ruleset-1",
        "coo-lineage/1",
        "coo-lint-ruleset-1",
        "coo-mission/1",
        "coo-pack/1",
        "frozen-answers",
    ] {
        assert!(
            count.get(schema).is_some_and(|number| *number > 0),
            "{schema}: {count:?}"
        );
    }
    let runs = fs::read_dir(checkout().join("tests/fixtures/runs")).unwrap();
    for path in runs.map(|entry| entry.unwrap().path()) {
        if path.extension() == Some("coorun".as_ref()) {
            the_run_fits(&fs::read(path).unwrap());
        }
    }
}

#[test]
fn the_configuration_of_this_repository_fits() {
    let text = fs::read_to_string(checkout().join("coo.toml")).unwrap();
    let config = config_as_json(&text);
    must_fit("coo.toml", &config);
    let mut wrong = config;
    wrong["scan"]["rulesets"] = json!("x");
    assert!(problems("coo.toml", &wrong).is_some());
}

/// Returns a `coo.toml` as JSON, as the program reads it. A field that is not set is left out.
fn config_as_json(text: &str) -> Value {
    let config = coo_engines::repository::config::Config::parse(text).unwrap();
    let mut value = serde_json::to_value(config).unwrap();
    let fields = value.as_object_mut().unwrap();
    fields.retain(|_, field| !field.is_null());
    value
}

#[test]
fn a_descriptor_names_its_schema_and_runs_as_without() {
    let world = World::new();
    let plain = json!({
        "format": "coo-mission/1", "mission_type": "TEST", "module": {"set": "demo"},
        "steps": [{"id": "only"}],
    });
    let mut named = plain.clone();
    named["$schema"] = json!("./coo-mission.schema.json");
    must_fit("coo-mission/1", &plain);
    must_fit("coo-mission/1", &named);
    world.file("plain.json", plain.to_string());
    world.file("named.json", named.to_string());
    let [plain, named] = ["plain.json", "named.json"].map(|file| {
        let canonical = world.json(&["validate", file]);
        must_fit("coo-mission/1", &canonical);
        canonical
    });
    assert_eq!(plain, named);
}

#[test]
fn what_the_schema_of_a_descriptor_refuses_is_refused() {
    let good = json!({
        "format": "coo-mission/1", "mission_type": "TEST", "module": {"set": "demo"},
        "steps": [{"id": "only"}],
    });
    must_fit("coo-mission/1", &good);
    let world = World::new();
    for (pointer, value) in [
        ("/format", json!("coo-mission/2")),
        ("/format", Value::Null),
        ("/mission_type", json!("small")),
        ("/module", json!({"set": "demo", "file": "demo.wasm"})),
        ("/module", json!({})),
        ("/module", json!({"set": "demo", "sha256": "abc"})),
        ("/steps", json!({})),
        ("/steps/0/ask", json!("?")),
        ("/limits", json!({"fuel": -1})),
        ("/limits", json!({"fuels": 1})),
        ("/llm", json!({"temperature": "low"})),
        ("/environment", json!({"A": 1})),
        ("/more", json!(1)),
    ] {
        let mut wrong = good.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        wrong.pointer_mut(parent).unwrap()[name] = value;
        assert!(problems("coo-mission/1", &wrong).is_some(), "{wrong}");
        world.file("wrong.json", wrong.to_string());
        let ran = world.coo(&["validate", "wrong.json"]);
        assert_eq!(ran.code, 1, "{wrong}: {ran:?}");
    }
    let unfit = problems("coo-mission/1", &json!({"format": "coo-mission/1"}));
    assert_snapshot!(unfit.unwrap(), @"
    jsonschema validation failed with urn:coo:schema:coo-mission/1#
    - at '' [S#/required]: missing properties 'mission_type', 'module', 'steps'
    ");
}
