//! Whatever is done to a state, by missions, by hand and in the databases: a rollback takes it
//! back, and another takes that back.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::{YES, assert_at, clean, rollback, state};
use crate::support::World;
use crate::support::tree::{is_root, remove, set_mode};

const SEED: u64 = 0x5eed_0012;
const ROUNDS: usize = 25;

/// `SplitMix64`: the same mutations in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        let count = u64::try_from(all.len()).unwrap();
        all[usize::try_from(self.below(count)).unwrap()]
    }
}

const STATEMENTS: [&str; 12] = [
    "CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY AUTOINCREMENT, a, b TEXT)",
    "INSERT INTO t(a, b) VALUES(randomblob(9), 'x')",
    "INSERT INTO t(a, b) VALUES(1.5, NULL), (-0.0, 'é'), (9007199254740993, '')",
    "DELETE FROM t WHERE id % 2 = 0",
    "UPDATE t SET b = b || 'y'",
    "CREATE UNIQUE INDEX IF NOT EXISTS i ON t(id, b)",
    "CREATE VIEW IF NOT EXISTS v AS SELECT a FROM t",
    "DROP VIEW IF EXISTS v",
    "DROP TABLE IF EXISTS t",
    "CREATE TABLE IF NOT EXISTS w(k TEXT PRIMARY KEY, n INT) WITHOUT ROWID",
    "INSERT OR REPLACE INTO ticket(id, label) SELECT max(id) + 1, 'made up' FROM ticket",
    "ANALYZE",
];

/// One change to what is governed. Some find nothing to change.
fn mutate(world: &World, random: &mut Random) {
    let root = world.root();
    let file = random.of(&[
        "a",
        "a/b",
        "a/b/c",
        "INDEX.md",
        "triage/x",
        "é \n\u{7f}",
        "z",
    ]);
    let folder = random.of(&["artefacts", "manifests"]);
    let path: PathBuf = root.join(folder).join(file);
    match random.below(10) {
        0 => drop(world.coo(&["run", "triage"])),
        1 => {
            let config = format!("{{\"llm\":{{\"attempts\":{}}}}}", 1 + random.below(5));
            fs::write(root.join("config.json"), config).unwrap();
        }
        2..=4 => {
            let database = world.database("world.db");
            for _ in 0..3 {
                // It may name what is not there by now.
                let _ = database.execute_batch(random.of(&STATEMENTS));
            }
        }
        5 => remove(&path),
        6 => remove(&root.join(folder)),
        kind => {
            for above in path.ancestors().skip(1) {
                if above == root {
                    break;
                }
                if !above.is_dir() {
                    remove(above);
                }
            }
            remove(&path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match kind {
                7 => fs::create_dir(&path).unwrap(),
                8 => symlink("../../..", &path).unwrap(),
                _ => fs::write(&path, random.below(3).to_string()).unwrap(),
            }
            if kind != 8 {
                // Under which everybody's tests can still look at what there is.
                let mode = u32::try_from(random.below(0o10000)).unwrap();
                set_mode(&path, if is_root() { mode } else { mode | 0o700 });
            }
        }
    }
}

#[test]
fn a_rollback_takes_back_whatever_was_done() {
    println!("seed {SEED:#x}");
    let mut random = Random(SEED);
    let world = clean();
    let mut changed = 0;
    for round in 1..=ROUNDS {
        for _ in 0..random.below(6) {
            mutate(&world, &mut random);
        }
        let name = format!("round-{round}");
        let made = world.coo(&["amu0", "create", "--name", &name]);
        assert_eq!(made.code, 0, "{round}: {made:?}");
        let kept = state(&world);
        for _ in 0..random.below(9) {
            mutate(&world, &mut random);
        }
        // What the next command would make anyway.
        assert_eq!(world.coo(&["init"]).code, 0);
        let left = state(&world);
        let ran = rollback(&world, &[&name], YES);
        assert_eq!(ran.code, 0, "{round}: {ran:?}");
        assert!(state(&world) == kept, "{round}");
        assert_at(&world, &name);
        if ran.stdout.ends_with("UNCHANGED\n") {
            assert!(left == kept, "{round}");
            continue;
        }
        changed += 1;
        if random.below(2) == 0 {
            let log = world.list(&["rollback", "--log"]);
            let before = log.as_array().unwrap().last().unwrap()["before"]["name"].clone();
            let undone = rollback(&world, &[before.as_str().unwrap()], YES);
            assert_eq!(undone.code, 0, "{round}: {undone:?}");
            assert!(state(&world) == left, "{round}: undone");
        }
    }
    assert!(changed > ROUNDS / 2, "{changed}");
    assert_eq!(
        world.coo(&["replay", "MISSION-000001"]).code,
        0,
        "missions stay"
    );
    println!("{ROUNDS} rounds, {changed} with something to take back, 0 differences");
}
