//! Rollbacks of the state root: nothing happens without the exact words, what was kept comes
//! back byte for byte, files and databases, every request is in the log, and a process that
//! dies at any point leaves the old state or the restored one.

mod aside;
mod ask;
mod closed;
mod crash;
mod mutated;
mod refused;
mod restored;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

use rusqlite::Connection;
use rusqlite::types::Value;

use crate::support::tree::{Picture, picture, remove, set_mode};
use crate::support::{Ran, World, steady};

const YES: &[u8] = b"CONFIRM_ROLLBACK\n";

/// What is governed of a state root, read with nothing of what is under test.
#[derive(Debug, PartialEq, Eq)]
struct State {
    files: Picture,
    record: Vec<String>,
    world: Vec<String>,
}

fn state(world: &World) -> State {
    let mut files = picture(&world.root());
    let is_governed = |path: &Path| {
        let top = path.components().next().unwrap().as_os_str();
        ["artefacts", "config.json", "manifests"]
            .iter()
            .any(|name| top == *name)
    };
    files.retain(|path, _| is_governed(path));
    State {
        files,
        record: rows(
            &world.database("coo.db"),
            "SELECT * FROM artefacts ORDER BY path",
        ),
        world: world_rows(world),
    }
}

/// The missions' database: its schema, and every row of every table with its number.
fn world_rows(world: &World) -> Vec<String> {
    if !world.root().join("world.db").exists() {
        return Vec::new();
    }
    let database = world.database("world.db");
    assert_eq!(
        rows(&database, "PRAGMA integrity_check"),
        [r#"[Text("ok")]"#]
    );
    let mut all = rows(
        &database,
        "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name",
    );
    let mut tables = database
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        .unwrap();
    let names = tables.query_map([], |row| row.get(0)).unwrap();
    let names: Vec<String> = names.map(Result::unwrap).collect();
    for name in names {
        all.push(name.clone());
        let numbered = format!("SELECT rowid, * FROM \"{name}\" ORDER BY rowid");
        let by_key = format!("SELECT * FROM \"{name}\"");
        let has_numbers = database.prepare(&numbered).is_ok();
        all.extend(rows(
            &database,
            if has_numbers { &numbered } else { &by_key },
        ));
    }
    all
}

fn rows(database: &Connection, sql: &str) -> Vec<String> {
    let mut statement = database.prepare(sql).unwrap();
    let width = statement.column_count();
    let rows = statement
        .query_map([], |row| {
            (0..width)
                .map(|i| row.get::<_, Value>(i))
                .collect::<Result<Vec<_>, _>>()
        })
        .unwrap();
    rows.map(|row| format!("{:?}", row.unwrap())).collect()
}

/// A copy of a world as it is, modes and all.
fn copy(from: &World) -> World {
    let world = World::new();
    let copied = Command::new("cp")
        .arg("-a")
        .arg(from.root())
        .arg(world.root())
        .status();
    assert!(copied.unwrap().success());
    world
}

/// A world in which the triage mission ran, with its baseline `clean`.
fn clean() -> World {
    static TEMPLATE: LazyLock<World> = LazyLock::new(|| {
        let world = World::new();
        assert_eq!(world.coo(&["run", "triage"]).code, 0);
        for name in ["tools", "environment", "hardware"] {
            world.file(&format!(".coo/manifests/{name}_manifest.json"), name);
        }
        world.file(".coo/manifests/sandbox_digest.txt", "x");
        assert_eq!(world.coo(&["amu0", "create", "--name", "clean"]).code, 0);
        world
    });
    copy(&TEMPLATE)
}

/// The same, and everything that is governed changed since: by missions and by hand.
fn changed() -> World {
    static TEMPLATE: LazyLock<World> = LazyLock::new(|| {
        let world = clean();
        let root = world.root();
        assert_eq!(world.coo(&["run", "triage"]).code, 0);
        world
            .database("world.db")
            .execute_batch("CREATE TABLE more(x); INSERT INTO more VALUES(1), (x'00'); DELETE FROM ticket WHERE id = 1;")
            .unwrap();
        world
            .database("coo.db")
            .execute_batch("INSERT INTO artefacts SELECT 'More_v1.0.md', 4, sha256, mission FROM artefacts LIMIT 1")
            .unwrap();
        world.file(".coo/config.json", "no configuration");
        set_mode(&root.join("config.json"), 0o600);
        world.file(".coo/artefacts/More_v1.0.md", "more");
        world.file(".coo/artefacts/a/b/c", "deep");
        set_mode(&root.join("artefacts/a/b"), 0o500);
        remove(&root.join("artefacts/INDEX.json"));
        remove(&root.join("artefacts/INDEX.md"));
        std::os::unix::fs::symlink("/nowhere", root.join("artefacts/INDEX.md")).unwrap();
        remove(&root.join("manifests"));
        world.file(".coo/manifests", "a file where a folder should be");
        world
    });
    copy(&TEMPLATE)
}

/// Runs `coo rollback ARGUMENTS` with `input` on standard input, and with a fault or without.
fn start(world: &World, arguments: &[&str], input: &[u8], fault: Option<&str>) -> Output {
    let mut command = world.command(&[&["rollback"], arguments].concat());
    let file = world.path().join("input");
    fs::write(&file, input).unwrap();
    command
        .stdin(fs::File::open(file).unwrap())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(fault) = fault {
        command.env("COO_FAULT", fault);
    }
    command.output().unwrap()
}

fn rollback(world: &World, arguments: &[&str], input: &[u8]) -> Ran {
    crate::support::ran(start(world, arguments, input, None))
}

/// The outcomes in the log, oldest first.
fn outcomes(world: &World) -> Vec<String> {
    let log = world.list(&["rollback", "--log"]);
    let outcome = |request: &serde_json::Value| request["outcome"].as_str().unwrap().to_owned();
    log.as_array().unwrap().iter().map(outcome).collect()
}

/// Returns the line of a command's one error, which must be the last that it says, for a snapshot.
#[track_caller]
fn error(ran: &Ran) -> String {
    assert_eq!(ran.stdout, "", "{ran:?}");
    // `steady` masks most digits of an object's name.
    steady(&ran.error()).replace(&"<sha256…>".repeat(5), "…")
}

/// The state is the baseline, by what is under test itself.
#[track_caller]
fn assert_at(world: &World, baseline: &str) {
    let verified = world.coo(&["amu0", "verify", baseline, "--state"]);
    assert_eq!(verified.code, 0, "{verified:?}");
    assert!(
        verified.stdout.ends_with("Result: IDENTICAL\n"),
        "{verified:?}"
    );
}
