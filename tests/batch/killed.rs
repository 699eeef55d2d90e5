//! A batch whose process is killed, again and again: `coo resume --batch` ends it as if nothing had
//! happened, and no call is sent twice unless it was said to be in doubt.

use std::process::Child;
use std::time::Duration;

use coo::inside::machine::Stopwatch;
use rusqlite::OpenFlags;

use super::{list, results, server, world};
use crate::support::remains::Remains;
use crate::support::{World, every};

/// Missions that use everything and depend on each other.
fn missions() -> Vec<Vec<String>> {
    (0..12)
        .map(|n| {
            vec![
                ">CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, n INTEGER)".to_owned(),
                format!("?first {n}"),
                "<SELECT count(*), sum(n) FROM t".to_owned(),
                format!(">INSERT INTO t VALUES({n}, {n})"),
                format!("!out/{n}_v1.0.md\n{n}"),
            ]
        })
        .collect()
}

/// Returns whether the batch is on record.
fn has_begun(world: &World) -> bool {
    let store = world.root().join("coo.db");
    let Ok(store) = rusqlite::Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_WRITE)
    else {
        return false;
    };
    let batches = store.query_row("SELECT count(*) FROM batches", [], |row| row.get(0));
    batches.is_ok_and(|batches: u32| batches > 0)
}

/// Waits until `child` ends, or kills it after `after`. Returns whether it was killed.
fn killed(mut child: Child, after: Duration) -> bool {
    let begun = Stopwatch::start();
    while begun.elapsed() < after {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    true
}

#[test]
fn a_killed_batch_ends_as_if_nothing_had_happened() {
    let undisturbed = {
        let server = server();
        let world = world(&server);
        list(&world, "list.jsonl", &missions());
        let ran = world.coo(&["batch", "list.jsonl", "-j", "8"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        Remains::of(&world.root())
    };
    let trials = 60 / every(6);
    let mut kills = 0;
    for trial in 0..trials as u64 {
        let server = server();
        let world = world(&server);
        list(&world, "list.jsonl", &missions());
        let batch = ["batch", "list.jsonl", "-j", "8"];
        let resume = ["resume", "--batch", "1", "-j", "8", "--resend"];
        let mut in_doubt = 0;
        // Later and later, so that it comes to its end.
        for turn in 0.. {
            let arguments: &[&str] = if has_begun(&world) { &resume } else { &batch };
            let after = Duration::from_millis(20 + 13 * trial % 40 + 25 * turn);
            if !killed(world.start(arguments), after) {
                break;
            }
            kills += 1;
            // What was under way when it was killed may be sent again.
            in_doubt += 8;
        }
        let ended = world.coo(&resume);
        assert_eq!(ended.code, 0, "{ended:?}");
        let lines = results(&ended.stdout);
        assert_eq!(lines.len(), 12);
        assert!(
            lines.iter().all(|line| line["status"] == "SUCCESS"),
            "{ended:?}"
        );
        assert_eq!(Remains::of(&world.root()), undisturbed, "trial {trial}");
        let sent = server.requests().len();
        assert!((12..=12 + in_doubt).contains(&sent), "{sent} requests");
    }
    assert!(kills >= trials, "{kills} kills");
}
