//! `coo version` says what two builds must have in common to agree on a recording.

use insta::assert_snapshot;
use serde_json::json;

use crate::support::{Ran, World, shown};

/// Replaces what differs between machines and compilers by names.
fn anywhere(ran: Ran) -> Ran {
    let named = |line: &str| {
        let (name, _) = line.split_once(": ")?;
        ["  Target", "  Compiler", "  Profile"]
            .contains(&name)
            .then(|| format!("{name}: <of this build>"))
    };
    let lines = ran.stdout.lines();
    let lines = lines.map(|line| named(line).unwrap_or_else(|| line.to_owned()));
    Ran {
        stdout: lines.map(|line| line + "\n").collect(),
        ..ran
    }
}

#[test]
fn a_version_names_engine_surface_editions_and_formats() {
    let world = World::new();
    let ran = world.coo(&["version"]);
    assert_snapshot!(shown("version", &anywhere(ran.clone())), @"
    $ coo version
    coo 1.1.0
      Target: <of this build>
      Profile: <of this build>
      Features: fault-injection, repository
      Compiler: <of this build>
      Engine: wasmtime 48.0.8, SHA-256 <sha256>
      Surface: SHA-256 <sha256>
      Module set: SHA-256 <sha256>
      Rules: writes edition 4, reads 1, 2, 3, 4

    Formats
      descriptor: writes coo-mission/1, reads coo-mission/1
      exported run: writes coo-run/1, reads coo-run/1
      pack: writes coo-pack/1, reads coo-pack/1
      baseline: writes coo-amu0/2, reads coo-amu0/1, coo-amu0/2
      freeze manifest: writes coo-freeze-manifest/2, reads coo-freeze-manifest/1, coo-freeze-manifest/2
      coo.db: writes 10, reads 10
    --- exit 0
    ");
    // It needs no state root, and makes none.
    assert!(!world.root().exists());
    let verbose = world.coo(&["--version", "--verbose"]);
    assert_eq!(verbose, ran);
    let short = world.coo(&["--version"]);
    assert_eq!(short.stdout.lines().next(), ran.stdout.lines().next());
    assert_eq!(short.stdout.lines().count(), 1);
}

#[test]
fn the_digests_of_a_version_are_those_that_a_run_records() {
    let world = World::new();
    let version = world.json(&["version"]);
    assert_eq!(version["format"], "coo-version/1");
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(world.coo(&["run", "demo"]).code, 0);
    let run = world.json(&["inspect", "1"]);
    assert_eq!(version["engine"]["sha256"], run["facts"]["engine_sha256"]);
    let surface = coo_kernel::module::surface::digest().to_string();
    assert_eq!(version["surface_sha256"], surface);
    let digest = world.json(&["digest"]);
    assert_eq!(version["module_set_sha256"], digest["sha256"]);
    assert_eq!(
        version["editions"],
        json!({"writes": 4, "reads": [1, 2, 3, 4]})
    );
    let formats = version["formats"].as_array().unwrap();
    for format in formats {
        let reads = format["reads"].as_array().unwrap();
        assert!(reads.contains(&format["writes"]), "{format}");
    }
    // What it says of its formats holds for the files that it writes.
    let writes = |of: &str| {
        let found = formats.iter().find(|format| format["of"] == of).unwrap();
        found["writes"].as_str().unwrap().to_owned()
    };
    assert_eq!(world.coo(&["export", "1"]).code, 0);
    let file = std::fs::read(world.path().join("DEMO-000001.coorun")).unwrap();
    assert!(file.starts_with(writes("exported run").as_bytes()));
    let number: i64 = world
        .database("coo.db")
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap();
    assert_eq!(number.to_string(), writes("coo.db"));
}

#[test]
fn an_option_that_a_version_does_not_have_is_a_usage_error() {
    let ran = World::new().coo(&["version", "--long"]);
    assert_snapshot!(shown("version --long", &ran), @"
    $ coo version --long
    --- standard error
    ERROR: unexpected argument '--long' found

    Usage: coo version [OPTIONS]

    For more information, try '--help'.
    --- exit 2
    ");
}
