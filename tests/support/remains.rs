//! What a mission leaves in its state root, in a form in which two roots can be compared: without
//! times and without facts about this machine. Reads a root that no process is using; changes
//! nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::types::Value;

/// What a mission leaves in its state root, without times and facts about this machine.
#[derive(Debug, PartialEq, Eq)]
pub struct Remains {
    /// Number of events of all missions.
    events: u64,
    /// The last digest of each mission.
    chain_heads: Vec<String>,
    /// Event number and kind of source of the facts beside each event.
    facts: Vec<String>,
    missions: Vec<String>,
    frozen: BTreeSet<String>,
    contents: BTreeSet<String>,
    promises: Vec<String>,
    /// Version, schema and all rows of the missions' database (the world).
    world: Vec<String>,
    artefacts: BTreeMap<String, Vec<u8>>,
    modules: BTreeSet<String>,
    temporary: BTreeSet<String>,
    integrity: Vec<String>,
}

impl Remains {
    pub fn of(root: &Path) -> Self {
        let journal = super::journal::open(root);
        let mut integrity = rows(&journal, "PRAGMA integrity_check");
        let events = rows(&journal, "SELECT hex(sha256) FROM events ORDER BY id");
        let world = if root.join("world.db").exists() {
            let world = Connection::open(root.join("world.db")).unwrap();
            integrity.extend(rows(&world, "PRAGMA integrity_check"));
            dump(&world)
        } else {
            Vec::new()
        };
        let artefacts = files(&root.join("artefacts"));
        let names = |folder: &str| files(&root.join(folder)).into_keys().collect();
        Self {
            events: events.len() as u64,
            chain_heads: rows(
                &journal,
                "SELECT mission, max(seq), hex(sha256) FROM events GROUP BY mission ORDER BY mission",
            ),
            // A server's port differs between runs. And if the disk was full right after the answer
            // was frozen, the repeated call takes it from the frozen store.
            facts: rows(
                &journal,
                "SELECT id & 4294967295, CASE WHEN source = 'frozen' OR source LIKE '%127.0.0.1%' THEN 'answer' ELSE source END FROM event_facts ORDER BY id",
            ),
            missions: rows(
                &journal,
                "SELECT number, mission_type, name, hex(descriptor_sha256), hex(module_sha256), \
                 finished_ms IS NULL, interrupted, json_extract(facts, '$.fuel'), \
                 json_extract(facts, '$.memory_peak_bytes'), json_extract(facts, '$.model') FROM missions ORDER BY 1",
            ),
            frozen: rows(
                &journal,
                "SELECT hex(request_sha256), nth, answer FROM frozen_calls",
            )
            .into_iter()
            .collect(),
            contents: rows(&journal, "SELECT hex(sha256) FROM blobs")
                .into_iter()
                .collect(),
            promises: rows(&journal, "SELECT * FROM world_commits ORDER BY number"),
            world,
            artefacts,
            modules: names("modules"),
            temporary: names("tmp"),
            integrity,
        }
    }

    /// Returns the remains without what may depend on who is faster: an execution that was given up because
    /// the world moved may leave more frozen answers and contents, and of two missions with the same
    /// question either may send it, as the facts beside their events say.
    pub fn of_missions(self) -> Self {
        Self {
            facts: Vec::new(),
            frozen: BTreeSet::new(),
            contents: BTreeSet::new(),
            ..self
        }
    }

    /// Returns the remains without the numbers of missions and of their commits, which a merge may change,
    /// and without what names them.
    pub fn unnumbered(self) -> Self {
        let unnumbered = |row: String| row.split_once(", ").unwrap().1.to_owned();
        let mut chain_heads: Vec<String> = self.chain_heads.into_iter().map(unnumbered).collect();
        chain_heads.sort_unstable();
        let mut artefacts = self.artefacts;
        artefacts.retain(|path, _| !path.starts_with("INDEX"));
        Self {
            chain_heads,
            artefacts,
            facts: Vec::new(),
            missions: Vec::new(),
            promises: Vec::new(),
            // The first row is the number of the last commit.
            world: self.world.into_iter().skip(1).collect(),
            ..self
        }
    }

    /// Returns everything that must never be left, whether the run was disturbed or not.
    pub fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> = self.temporary.iter().cloned().collect();
        let damage = self
            .integrity
            .iter()
            .filter(|line| *line != r#"[Text("ok")]"#);
        problems.extend(damage.cloned());
        if self.missions.len() != 1 || self.artefacts.is_empty() {
            problems.push("no mission, or no artefact".to_owned());
        }
        problems
    }
}

/// Returns each row of a query as text.
fn rows(database: &Connection, sql: &str) -> Vec<String> {
    let mut statement = database.prepare(sql).unwrap();
    let columns = statement.column_count();
    let rows = statement
        .query_map([], |row| {
            (0..columns)
                .map(|i| row.get::<_, Value>(i))
                .collect::<Result<Vec<_>, _>>()
        })
        .unwrap();
    rows.map(|row| format!("{:?}", row.unwrap())).collect()
}

/// Returns a database as text that contains everything it holds.
fn dump(database: &Connection) -> Vec<String> {
    let mut dump = rows(database, "PRAGMA user_version");
    dump.extend(rows(
        database,
        "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY 1, 2",
    ));
    let mut statement = database
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        .unwrap();
    let tables: Vec<String> = statement
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for table in tables {
        dump.push(table.clone());
        dump.extend(rows(
            database,
            &format!("SELECT rowid, * FROM \"{table}\" ORDER BY rowid"),
        ));
    }
    dump
}

/// Returns the sequence numbers of the model-call intents on record.
pub fn intents(root: &Path) -> Vec<u64> {
    let journal = super::journal::open(root);
    let mut statement = journal
        .prepare("SELECT seq FROM events WHERE kind = 'llm.intent' ORDER BY id")
        .unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

/// Returns every file below `folder`, by its relative path.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                files.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    files
}
