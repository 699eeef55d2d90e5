//! Batches whose processes are killed at random moments, 300 times in all, against a server that counts
//! each request. A call is sent once. It is sent again only if a person said so while it was in doubt.

use std::collections::BTreeMap;
use std::fs::File;
use std::process::{Child, Stdio};
use std::time::Duration;

use coo::inside::machine::{self, Stopwatch};
use rusqlite::OpenFlags;

use super::{list, results, server, world};
use crate::support::model_server::ModelServer;
use crate::support::{World, every};

/// Missions of one batch, each with one question of its own.
const MISSIONS: usize = 300;
/// Kills of all batches together, with every point.
const KILLS: usize = 300;
/// Missions in flight: the most that one kill can bring in doubt.
const JOBS: &str = "6";
/// The file with the results.
const OUTPUT: &str = "results.jsonl";

/// Numbers that look random, the same in each run of the test.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// The store, unless it has no batch yet.
fn store(world: &World) -> Option<rusqlite::Connection> {
    let path = world.root().join("coo.db");
    let store =
        rusqlite::Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).ok()?;
    crate::support::journal::show(&store);
    let batches = store.query_row("SELECT count(*) FROM batches", [], |row| row.get(0));
    batches
        .is_ok_and(|batches: u32| batches > 0)
        .then_some(store)
}

/// Returns the places of the missions whose call has no answer on record.
fn in_doubt(world: &World) -> Vec<usize> {
    let Some(store) = store(world) else {
        return Vec::new();
    };
    let mut statement = store
        .prepare(
            "SELECT place FROM batch_items WHERE mission IN \
             (SELECT mission FROM events WHERE kind = 'llm.intent') AND mission NOT IN \
             (SELECT mission FROM events WHERE kind = 'llm.outcome')",
        )
        .unwrap();
    let places = statement.query_map([], |row| row.get(0)).unwrap();
    places.map(Result::unwrap).collect()
}

/// How often each question was sent, by its place in the list.
fn sent(server: &ModelServer) -> BTreeMap<usize, usize> {
    let mut sent = BTreeMap::new();
    for request in server.requests() {
        let asked = request.json()["messages"][0]["content"].clone();
        let place = asked.as_str().unwrap().strip_prefix("question ").unwrap();
        *sent.entry(place.parse().unwrap()).or_insert(0) += 1;
    }
    sent
}

/// Starts `coo` with its output in a file: nobody reads a pipe before it ends.
fn start(world: &World, arguments: &[&str]) -> Child {
    let mut command = world.command(arguments);
    let out = File::create(world.path().join(OUTPUT)).unwrap();
    command.stdout(out).stderr(Stdio::null()).spawn().unwrap()
}

/// Waits until `child` ends, or kills it after `after`. Returns its exit code if it has ended.
fn ended(mut child: Child, after: Duration) -> Option<i32> {
    let begun = Stopwatch::start();
    while begun.elapsed() < after {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status.code().unwrap());
        }
        machine::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    None
}

#[test]
fn no_call_is_sent_twice_unless_a_person_says_so() {
    let wanted = KILLS.div_ceil(every(25));
    let mut chance = Chance(1);
    let (mut kills, mut batches, mut requests, mut resent, mut doubts) = (0, 0, 0, 0, 0);
    while kills < wanted {
        let server = server();
        let world = world(&server);
        let missions: Vec<_> = (1..=MISSIONS)
            .map(|n| vec![format!("?question {n}")])
            .collect();
        list(&world, "list.jsonl", &missions);
        batches += 1;
        // How often each call may have been sent: once, and once more each time that a person said so.
        let mut allowed: BTreeMap<usize, usize> = (1..=MISSIONS).map(|n| (n, 1)).collect();
        let mut says_so = false;
        let results = loop {
            let mut arguments = vec!["-q", "batch", "list.jsonl", "-j", JOBS];
            if store(&world).is_some() {
                arguments = vec!["-q", "resume", "--batch", "1", "-j", JOBS];
            }
            if says_so {
                arguments.push("--resend");
                let doubtful = in_doubt(&world);
                doubts += doubtful.len();
                for place in doubtful {
                    *allowed.get_mut(&place).unwrap() += 1;
                }
            }
            let after = if kills < wanted {
                Duration::from_millis(20 + chance.below(500))
            } else {
                Duration::from_mins(10)
            };
            let Some(code) = ended(start(&world, &arguments), after) else {
                kills += 1;
                // Now and then a person says so before all others have ended.
                says_so = chance.below(8) == 0;
                continue;
            };
            let output = std::fs::read_to_string(world.path().join(OUTPUT)).unwrap();
            if code == 0 {
                break results(&output);
            }
            // What is in doubt is all that is left.
            assert_eq!(code, 5, "{output}");
            for line in results(&output) {
                let status = line["status"].as_str().unwrap();
                let reason = line["reason"].as_str().unwrap_or_default();
                let is_in_doubt = status == "INTERRUPTED" && reason.contains("--resend");
                assert!(status == "SUCCESS" || is_in_doubt, "{line}");
            }
            says_so = true;
        };
        assert_eq!(results.len(), MISSIONS);
        let sent = sent(&server);
        assert_eq!(sent.len(), MISSIONS);
        for (place, sent) in &sent {
            assert!(
                *sent <= allowed[place],
                "question {place}: sent {sent} times"
            );
            resent += sent - 1;
        }
        requests += sent.values().sum::<usize>();
    }
    println!(
        "{kills} kills, {batches} batches of {MISSIONS} missions, {requests} requests: {} distinct, \
         {resent} sent again of {doubts} in doubt, 0 others",
        batches * MISSIONS
    );
    assert!(kills >= wanted);
}
