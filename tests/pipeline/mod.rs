//! Governed changes of a repository, from the first stage to the last review or back to where they
//! began: each stage, each gate, each way to fail, and a process that dies at any point. The suite
//! of the repository under test is a shell script, so that this needs no other tool; the same with
//! a real package and its real runner is in `tests/python`.

mod bundle;
mod crash;
mod failed;
mod gates;
mod ignored;
mod meanwhile;
mod migrate;
mod tests_run;
mod walk;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::tree::{Node, Picture, picture, set_mode};
use crate::support::{Ran, World};

pub const ID: &str = "PIPELINE-000001";
const YES: &[u8] = b"CONFIRM_ROLLBACK\n";

const SUITE: &str = r#"#!/bin/sh
passed=0
failed=0
expect() {
  if "$@" >&2; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "failed: $*"; fi
}
expect grep -qx 'from new.core import area' checks/test_core.py
expect grep -qx 'import new.shapes' new/core.py
expect test -x new/run.sh
expect test "$TZ$SOURCE_DATE_EPOCH" = UTC1735689600
if test -f checks/more.sh; then . checks/more.sh; fi
echo "$passed passed, $failed failed"
test "$failed" = 0
"#;

const LEAKS: &str = r#"{
  "format": "coo-governance-leak-ruleset-1",
  "version": "1",
  "forbidden": [{"name": "Approves", "pattern": "(?i)\\bapproves\\b", "why": "Only the CEO does."}],
  "permitted": [{"pattern": "CEO approves", "why": "She does."}]
}
"#;

const RULES: &str = r#"{
  "format": "coo-lint-ruleset-1",
  "version": "1",
  "rules": [{
    "id": "no-eval", "kind": "forbidden", "why": "Nobody can tell what it does.",
    "paths": ["new/**/*.py"], "pattern": "\\beval\\("
  }]
}
"#;

fn sha256(content: &str) -> String {
    coo_kernel::form::digest::Digest::of(content).to_string()
}

pub fn config() -> String {
    format!(
        r#"[repository]
exclude = ["**/__pycache__"]
[amend]
amendments = "amendments.json"
documents = ["docs/*.md"]
[scan]
ruleset = "rules/leaks.json"
ruleset_sha256 = "{}"
paths = ["docs/*.md", "new/**/*.py"]
[lint]
ruleset = "rules/lint.json"
ruleset_sha256 = "{}"
[migrate]
from = "old"
to = "new"
imports = ["checks/*.py"]
leave = [{{ file = "old/deep/data.txt", text = "old.core stays here" }}]
[tests]
command = ["sh", "checks/suite.sh"]
timeout_seconds = 60
[gates]
required = ["new/**/*.py", "docs/*.md"]
missions = ["missions/reference.json"]
reference = "missions/reference.json"
"#,
        sha256(LEAKS),
        sha256(RULES)
    )
}

/// A world with a repository in `repo/`, which `change` makes another one.
pub fn world(change: impl FnOnce(&World)) -> World {
    let world = World::new();
    for (name, content) in [
        ("coo.toml", config().as_str()),
        ("old/__init__.py", "from .core import area\n"),
        (
            "old/core.py",
            "import old.shapes\n\n\ndef area(side):\n    return old.shapes.square(side)\n",
        ),
        (
            "old/shapes.py",
            "def square(side):\n    return side * side\n",
        ),
        ("old/run.sh", "#!/bin/sh\n"),
        ("old/deep/data.txt", "old.core stays here\n"),
        (
            "checks/test_core.py",
            "from old.core import area\n\nassert area(2) == 4\n",
        ),
        ("checks/suite.sh", SUITE),
        (
            "docs/plan.md",
            "# Plan\n\n- [P-1] The CEO approves it.\n- [P-2] Build it.\n",
        ),
        ("rules/leaks.json", LEAKS),
        ("rules/lint.json", RULES),
    ] {
        world.file(&format!("repo/{name}"), content);
    }
    amend(&world, "[P-2]");
    world.wasm(
        "repo/missions/writer.wasm",
        include_str!("../fixtures/writer.wat"),
    );
    world.descriptor(
        "repo/missions/reference.json",
        &json!({"file": "writer.wasm"}),
        &json!({"steps": [{"id": "only", "input": "Notes_v1.0.md"}]}),
    );
    let repo = repo(&world);
    set_mode(&repo.join("old/run.sh"), 0o755);
    set_mode(&repo.join("old/deep"), 0o750);
    fs::create_dir(repo.join("old/empty")).unwrap();
    fs::create_dir(repo.join("empty")).unwrap();
    std::os::unix::fs::symlink("docs/plan.md", repo.join("link")).unwrap();
    change(&world);
    world
}

/// One amendment, after the clause with this id.
pub fn amend(world: &World, clause: &str) {
    let amendments = json!({
        "format": "coo-amendments-1",
        "amendments": [{
            "id": "A-1", "document": "docs/plan.md", "anchor": {"clause": clause},
            "operation": "insert_after", "text": "- [P-3] Keep it.",
        }],
    });
    world.file("repo/amendments.json", amendments.to_string());
}

fn repo(world: &World) -> PathBuf {
    world.path().join("repo")
}

fn evidence(world: &World, name: &str) -> String {
    fs::read_to_string(evidence_path(world, name)).unwrap()
}

fn evidence_path(world: &World, name: &str) -> PathBuf {
    world.root().join("changes/000001").join(name)
}

fn evidence_json(world: &World, name: &str) -> Value {
    serde_json::from_str(&evidence(world, name)).unwrap()
}

/// The command has done its work, or has come to a review: the stage says which.
#[track_caller]
fn done(ran: &Ran) {
    assert!(matches!(ran.code, 0 | 4), "{ran:?}");
}

/// Begins a pipeline, which must come to its first review.
#[track_caller]
fn start(world: &World) {
    done(&world.coo(&["pipeline", "start", "repo"]));
    assert_eq!(stage(world), "CEO_REVIEW");
}

fn approve(world: &World) -> Ran {
    world.coo(&["pipeline", "approve", ID])
}

fn status(world: &World) -> Value {
    world.json(&["pipeline", "status", ID])
}

fn stage(world: &World) -> String {
    status(world)["stage"].as_str().unwrap().to_owned()
}

/// Answers the prompt with the word.
fn roll_back(world: &World) -> Ran {
    world.coo_with_input(&["pipeline", "rollback", ID], YES)
}

/// The tree after a change that nothing disturbed.
fn migrated() -> Picture {
    let world = world(|_| {});
    start(&world);
    done(&approve(&world));
    done(&approve(&world));
    assert_eq!(stage(&world), "COMPLETE");
    picture(&repo(&world))
}

/// What `picture` has at a path, as text.
fn text(picture: &Picture, path: &str) -> Option<String> {
    match picture.get(Path::new(path))? {
        Node::File(_, content) => Some(String::from_utf8_lossy(content).into_owned()),
        _ => None,
    }
}
