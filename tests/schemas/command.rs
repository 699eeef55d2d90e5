//! `coo schema`: the list, one schema by each of its names, and a name that no schema has.

use insta::assert_snapshot;
use serde_json::Value;

use crate::support::schema::file;
use crate::support::{World, shown};

#[test]
fn the_list_names_every_schema_and_what_it_is_about() {
    let world = World::new();
    let ran = world.coo(&["schema"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let listed = world.list(&["schema"]);
    let listed = listed.as_array().unwrap();
    assert_eq!(ran.stdout.lines().count(), listed.len());
    for (line, schema) in ran.stdout.lines().zip(listed) {
        let (name, title) = (
            schema["name"].as_str().unwrap(),
            schema["title"].as_str().unwrap(),
        );
        assert!(line.starts_with(name) && line.ends_with(title), "{line}");
        assert!(file(name).is_file(), "{name}");
    }
    assert!(!world.root().exists());
}

#[test]
fn a_schema_is_printed_by_its_format_and_by_its_file() {
    let world = World::new();
    let text = std::fs::read_to_string(file("coo-mission/1")).unwrap();
    for name in [
        "coo-mission/1",
        "coo-mission-1",
        "coo-mission-1.schema.json",
    ] {
        let ran = world.coo(&["schema", name]);
        assert_eq!(
            (ran.stdout.as_str(), ran.code),
            (text.as_str(), 0),
            "{name}"
        );
    }
    // It is JSON already.
    assert_eq!(
        world.json(&["schema", "coo-mission/1"]),
        serde_json::from_str::<Value>(&text).unwrap()
    );
}

#[test]
fn a_name_that_no_schema_has_is_refused() {
    let world = World::new();
    assert_snapshot!(shown("schema coo-mission/2", &world.coo(&["schema", "coo-mission/2"])), @"
    $ coo schema coo-mission/2
    --- standard error
    ERROR: schema 'coo-mission/2': there is none by this name
    hint: 'coo schema' lists them
    --- exit 1
    ");
    assert_snapshot!(shown("schema ''", &world.coo(&["schema", ""])), @"
    $ coo schema ''
    --- standard error
    ERROR: schema '': there is none by this name
    hint: 'coo schema' lists them
    --- exit 1
    ");
}
