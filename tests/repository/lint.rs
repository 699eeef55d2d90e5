//! `coo lint` (packet §6).

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{configure, error, reference};
use crate::support::{World, copy_folder, shown};

const RULESET: &str = r##"{
  "format": "coo-lint-ruleset-1",
  "version": "test",
  "rules": [
    {"id": "title", "kind": "invariant", "why": "One title a page.",
     "paths": ["docs/**/*.md"], "pattern": "(?m)^# ", "min": 1, "max": 1},
    {"id": "license", "kind": "invariant", "why": "Somebody may want to use it.",
     "paths": ["LICENSE"], "exists": true},
    {"id": "no-keys", "kind": "invariant", "why": "Keys are secret.",
     "paths": ["**/*.pem"], "exists": false},
    {"id": "no-eval", "kind": "forbidden", "why": "Nobody knows what it runs.",
     "paths": ["src/**/*.py"], "pattern": "\\beval\\(", "except": ["# eval\\("]},
    {"id": "subordinate", "kind": "required", "why": "The constitution is supreme.",
     "paths": ["docs/**/*.md"], "pattern": "(?i)subordinate\\s+to", "in": "any"},
    {"id": "escalation", "kind": "escalation", "why": "Who is halted must know whom to ask.",
     "paths": ["docs/**/*.md"], "when": "\\bhalts\\b", "require": "ask the CEO", "within": "section"}
  ]
}"##;

fn kept() -> World {
    let world = World::new();
    configure(&world, "", "lint", RULESET, "");
    world.file("LICENSE", "");
    world.file("src/a.py", "# eval(x)\n");
    world.file(
        "docs/a.md",
        "# A\nSubordinate\nto B.\n## C\nIt halts;\nask the CEO.\n",
    );
    world
}

fn broken() -> World {
    let world = kept();
    std::fs::remove_file(world.path().join("LICENSE")).unwrap();
    world.file("deep/er/key.pem", b"\0");
    world.file("src/a.py", "ok()\nx = eval(y) # eval(\n");
    world.file("docs/a.md", "# A\n# B\nit halts\n# C\nask the CEO\n");
    world
}

#[test]
fn a_repository_that_keeps_its_rules_passes() {
    let world = kept();
    assert_snapshot!(shown("lint", &world.coo(&["lint"])), @r"
    $ coo lint
    Lint: PASS
      Files: 3
      Findings: 0
      Ruleset SHA-256: <sha256>
    --- exit 0
    ");
    assert!(
        !world.root().exists(),
        "a lint needs no state root and makes none"
    );
}

#[test]
fn every_broken_rule_is_named_with_its_place_and_reason() {
    let world = broken();
    assert_snapshot!(shown("lint", &world.coo(&["lint"])), @r"
    $ coo lint
    LICENSE: license: is not there
      Somebody may want to use it.
    deep/er/key.pem: no-keys: is there
      Keys are secret.
    docs/**/*.md: subordinate: nothing matches (?i)subordinate\s+to
      The constitution is supreme.
    docs/a.md: title: 3 times, 1 wanted
      One title a page.
    docs/a.md:3: escalation: it halts
      Who is halted must know whom to ask.
    src/a.py:2: no-eval: x = eval(y) # eval(
      Nobody knows what it runs.
    Lint: FAIL
      Files: 3
      Findings: 6
      Ruleset SHA-256: <sha256>
    --- standard error
    ERROR: lint: 6 findings
    hint: correct what they name, or have the rule changed in the ruleset
    --- exit 1
    ");
    let ran = world.coo(&["lint", "--json"]);
    assert_eq!((ran.code, world.coo(&["lint", "--json"])), (1, ran.clone()));
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["status"], "FAIL");
    assert_eq!(
        report["findings"][4],
        json!({
            "file": "docs/a.md", "line": 3, "rule": "escalation", "kind": "escalation",
            "why": "Who is halted must know whom to ask.", "found": "it halts",
        })
    );
    assert_eq!(report["findings"][0]["line"], Value::Null);
}

#[test]
fn only_the_pinned_ruleset_is_used() {
    let world = kept();
    world.file("rules.json", RULESET.replace("\"max\": 1", "\"max\": 9"));
    let mut told = error(&world.coo(&["lint"]));
    for ruleset in [
        RULESET.replace("\"max\"", "\"most\""),
        RULESET.replace("eval\\\\(\", \"except", "eval(\", \"except"),
        RULESET.replace("\"section\"", "{\"lines\": 101}"),
        RULESET.replace("[\"LICENSE\"]", "[]"),
    ] {
        configure(&world, "", "lint", &ruleset, "");
        told += &error(&world.coo(&["lint"]));
    }
    configure(&world, "", "lint", RULESET, "paths = ['docs']");
    told += &error(&world.coo(&["lint"]));
    assert_snapshot!(told, @"
    ERROR: ruleset rules.json: has SHA-256 <sha256>, ./coo.toml pins <sha256>
    hint: take the pinned ruleset, or have the new one approved and pin that
    ERROR: ruleset rules.json: rules[0]: unknown field `most`, expected one of `id`, `why`, `paths`, `pattern`, `min`, `max`, `exists`
    ERROR: ruleset rules.json: rules[3] (no-eval): pattern: at byte 6: unclosed group
    ERROR: ruleset rules.json: rules[5] (escalation): within: has 101 lines, at most 100 are permitted
    ERROR: ruleset rules.json: rules[1] (license): paths: is empty; name the files it is about
    ERROR: configuration ./coo.toml: line 4: lint.paths: no such field; permitted: ruleset, ruleset_sha256
    ");
}

#[test]
fn a_rule_about_no_file_is_told() {
    let world = kept();
    std::fs::remove_file(world.path().join("src/a.py")).unwrap();
    let ran = world.coo(&["lint"]);
    assert_eq!(
        (ran.code, ran.stderr.as_str()),
        (0, "[coo] rule no-eval: no file matches src/**/*.py\n")
    );
}

/// This repository's own rules find what is planted in a copy of what they are about.
#[test]
fn the_rules_of_this_repository_find_what_breaks_them() {
    let world = World::new();
    for folder in [
        "benches",
        "docs",
        "guest-sdk/src",
        "guest-sdk/wit",
        "host",
        "reference",
    ] {
        copy_folder(&reference(folder), &world.path().join(folder));
    }
    for file in [
        "coo.toml",
        "ARCHITECTURE.md",
        "README.md",
        "LICENSE",
        "sandbox_digest.txt",
    ] {
        std::fs::copy(reference(file), world.path().join(file)).unwrap();
    }
    let ran = world.coo(&["lint"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let rust = [
        "//",
        "! x\nfn f() { uns",
        "afe { g() } to",
        "do!(); let m = Hash",
        "Map::new(); }\n",
    ];
    let rust = rust.concat();
    let head = rust.find('\n').unwrap() + 1;
    for (file, content, rule) in [
        ("host/src/new.rs", &rust[head..], "file-header"),
        ("host/src/new.rs", &rust, "no-unsafe"),
        ("host/src/new.rs", &rust, "nothing-unfinished"),
        ("host/kernel/src/new.rs", &rust, "kernel-is-pure"),
        (
            "host/kernel/src/new.rs",
            "//! x\nuse rusqlite::X;\n",
            "kernel-knows-no-shell",
        ),
        (
            "guest-sdk/wit/mission.wit",
            "interface llm {\n}\n",
            "surface-has-three-interfaces",
        ),
        ("sandbox_digest.txt", "abc\n", "module-set-is-pinned"),
        ("docs/key.pem", "KEY\n", "no-key-file"),
        ("docs/new.md", "in /home/bob/coo\n", "no-path-of-a-machine"),
        ("LICENSE", "none\n", "license"),
        ("host/Cargo.toml", "[package]\n", "lints-are-on"),
        ("host/kernel/src/lib.rs", "//! x\n", "unsafe-is-denied"),
        ("ARCHITECTURE.md", "# A\n", "invariants-are-written-down"),
        (
            "docs/new.md",
            "ERROR: mission M-1: waits for you\n",
            "stopped-mission-names-the-way-on",
        ),
        ("docs/resume.md", "# A\nINTERRUPTED\n", "halt-has-a-way-on"),
        (
            "host/src/repository/mod.rs",
            "//! x\nhas {found}, {} pins\n",
            "pin-says-what-to-do",
        ),
    ] {
        let before = std::fs::read(world.path().join(file)).ok();
        world.file(file, content);
        let ran = world.coo(&["lint", "--json"]);
        let report: Value = serde_json::from_str(&ran.stdout).unwrap();
        let findings = report["findings"].as_array().unwrap();
        let found = |finding: &Value| finding["rule"] == rule && finding["file"] == file;
        assert!(findings.iter().any(found), "{rule}: {ran:?}");
        match before {
            Some(before) => drop(world.file(file, before)),
            None => std::fs::remove_file(world.path().join(file)).unwrap(),
        }
    }
    for (file, rule) in [
        ("host/wit/surface.wit", "surface-is-stated"),
        (
            "reference/governance_leak_ruleset.json",
            "rulesets-are-there",
        ),
    ] {
        std::fs::remove_file(world.path().join(file)).unwrap();
        let ran = world.coo(&["lint"]);
        let line = format!("{file}: {rule}: is not there\n");
        assert!(ran.stdout.contains(&line), "{ran:?}");
    }
}
