//! Contracts across the boundary of kernel and host: what the kernel folds from a journal is what
//! the host stores and shows, and a transition that the kernel refuses is never in a journal that
//! the host wrote or reads. Also holds docs/operations.md to the tests and pages that it names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use coo::inside::state::{Store, history};
use coo_kernel::form::canonical;
use coo_kernel::journal::{Chain, Fold, Kind, TransitionBody, WorldBody};
use coo_kernel::mission::Status;
use coo_kernel::mission::state::{Event, State};
use coo_kernel::tier1::enhancement::ENHANCEMENTS;
use coo_kernel::tier1::transitions::LEGAL;
use serde_json::{Value, json};

use crate::support::model_server::{ModelServer, Response};
use crate::support::{Ran, World, copy_folder};

/// A world with the writer and a model that refuses the first call. Returns the server as well,
/// which lives as long as the value.
fn world() -> (World, ModelServer) {
    let refused = Response::json(401, r#"{"error": {"message": "no"}}"#);
    let answers = ["bug", "billing"].map(Response::completion);
    let server = ModelServer::start([refused].into_iter().chain(answers));
    let world = World::new().with("COO_LLM_BASE_URL", server.base_url());
    world.one_attempt();
    world.wasm("writer.wasm", include_str!("fixtures/writer.wat"));
    world.triage_descriptor();
    for (name, steps) in [
        ("good.json", json!([{"id": "a", "input": "Good_v1.0.md"}])),
        ("bad.json", json!([{"id": "a", "input": "../Bad_v1.0.md"}])),
        (
            "protected.json",
            json!([{"id": "a", "input": "specs/Bad_v1.0.md"}]),
        ),
        (
            "asks.json",
            json!([
                {"id": "a", "input": "Asked_v1.0.md"},
                {"id": "b", "human": {"ask": "Is it fit to publish?"}},
                {"id": "c", "human": {"ask": "Is it complete?"}},
            ]),
        ),
    ] {
        let module = json!({"file": "writer.wasm"});
        world.descriptor(name, &module, &json!({"steps": steps}));
    }
    (world, server)
}

/// Operations in an order in which every state of a mission occurs, with their exit codes.
const OPERATIONS: [(&[&str], i32); 13] = [
    (&["run", "triage.json"], 5),
    (&["run", "good.json"], 0),
    (&["run", "bad.json"], 1),
    (&["run", "protected.json"], 1),
    (&["run", "asks.json"], 4),
    (&["approve", "MISSION-000005"], 4),
    (&["approve", "MISSION-000005"], 0),
    (&["run", "asks.json"], 4),
    (&["reject", "MISSION-000006", "--reason", "no"], 0),
    (&["resume", "MISSION-000001"], 0),
    (&["run-demo"], 0),
    (&["amu0", "create", "--name", "end"], 0),
    (&["amu0", "promote", "MISSION-000001"], 0),
];

/// Operations that the kernel refuses in the state in which `OPERATIONS` leave the missions.
const REFUSED: [&[&str]; 8] = [
    &["approve", "MISSION-000001"],
    &["reject", "MISSION-000001"],
    &["approve", "MISSION-000003"],
    &["reject", "MISSION-000005"],
    &["approve", "MISSION-000006"],
    &["reject", "MISSION-000006"],
    &["approve", "DEMO-000007"],
    &["amu0", "promote", "MISSION-000003"],
];

fn perform(world: &World, (arguments, code): (&[&str], i32)) -> Ran {
    let ran = world.coo(arguments);
    assert_eq!(ran.code, code, "{arguments:?}: {ran:?}");
    ran
}

fn store(world: &World) -> Store {
    Store::open(&world.root()).unwrap().unwrap()
}

/// Compares the fold of every journal with the rows beside it and with what commands show.
fn assert_agreement(world: &World, after: &[&str]) {
    let listed = world.list(&["missions"]);
    // The newest first.
    let listed: Vec<_> = listed.as_array().unwrap().iter().rev().collect();
    let store = store(world);
    let rows = store.missions().unwrap();
    assert_eq!(rows.len(), listed.len(), "{after:?}");
    let mut artefacts = BTreeMap::new();
    for (row, shown) in rows.iter().zip(listed) {
        let at = format!("{} after {after:?}", row.id);
        let mut world_body: Option<WorldBody> = None;
        let (fold, chain) = history::walk(&store, row.id, |event| {
            if event.kind == Kind::World {
                world_body = Some(serde_json::from_str(&event.body)?);
            }
            Ok(())
        })
        .unwrap();
        let mission = fold.mission.as_ref().unwrap();
        assert_eq!(mission.descriptor, row.descriptor, "{at}");
        assert_eq!(mission.module, row.module, "{at}");
        assert_eq!(mission.mission_type, row.mission_type, "{at}");
        let status = fold.status(row.interrupted.is_some(), || false);
        assert_eq!(shown["status"], status.to_string(), "{at}");
        assert_eq!(shown["id"], row.id.to_string(), "{at}");
        let state = fold.state().unwrap();
        let has_ended = row.finished_ms.is_some();
        match status {
            Status::Success | Status::Failed => {
                assert!(
                    state.is_final() && has_ended && row.interrupted.is_none(),
                    "{at}"
                );
            }
            Status::Paused => {
                assert!(!has_ended && row.interrupted.is_none(), "{at}");
            }
            Status::Interrupted => assert!(has_ended && row.interrupted.is_some(), "{at}"),
            Status::Running | Status::Damaged => panic!("{at}: {status}"),
        }
        assert_eq!(fold.failure.is_some(), state == State::Failed, "{at}");
        let inspected = world.json(&["inspect", &row.id.to_string()]);
        assert_eq!(inspected["chain_head"], chain.head().to_string(), "{at}");
        // Only a complete mission has changed anything.
        let changes = world_body.filter(|_| state == State::Complete);
        for artefact in changes.into_iter().flat_map(|body| body.artefacts) {
            artefacts.insert(artefact.path, artefact.sha256);
        }
    }
    let record = store.artefacts().unwrap();
    let record: BTreeMap<_, _> = record
        .into_iter()
        .map(|entry| (entry.path, entry.sha256))
        .collect();
    assert_eq!(record, artefacts, "{after:?}");
    assert_eq!(store.promised_worlds().unwrap(), [], "{after:?}");
    let ran = world.coo(&["artefacts", "check"]);
    assert_eq!(ran.code, 0, "{after:?}: {ran:?}");
}

/// Returns the chain head of every mission.
fn heads(world: &World) -> BTreeMap<String, String> {
    let store = store(world);
    let rows = store.missions().unwrap();
    rows.iter()
        .map(|row| {
            let (_, chain) = history::walk(&store, row.id, |_| Ok(())).unwrap();
            (row.id.to_string(), chain.head().to_string())
        })
        .collect()
}

#[test]
fn the_fold_of_the_journal_and_the_row_of_the_store_agree_after_every_operation() {
    let (world, _server) = world();
    for operation in OPERATIONS {
        perform(&world, operation);
        assert_agreement(&world, operation.0);
    }
}

#[test]
fn a_transition_that_the_kernel_refuses_is_never_written() {
    let (world, _server) = world();
    for operation in OPERATIONS {
        perform(&world, operation);
    }
    let before = heads(&world);
    for arguments in REFUSED {
        perform(&world, (arguments, 1));
        assert_eq!(heads(&world), before, "{arguments:?}");
    }
    // What has ended is shown again, and nothing is added.
    for id in before.keys() {
        world.coo(&["resume", id]);
        assert_eq!(heads(&world), before, "resume {id}");
    }
    // Every transition on record is one of the table.
    let store = store(&world);
    let mut seen = BTreeSet::new();
    for row in store.missions().unwrap() {
        history::walk(&store, row.id, |event| {
            if event.kind == Kind::Transition {
                let body: TransitionBody = serde_json::from_str(&event.body)?;
                assert!(
                    LEGAL.contains(&(body.from, body.event, body.to)),
                    "{}: {body:?}",
                    row.id
                );
                seen.insert(format!("{} {:?}", body.from, body.event));
            }
            Ok(())
        })
        .unwrap();
    }
    // All but the failures before and after the guest, which need a broken machine.
    assert_eq!(
        seen.into_iter().collect::<Vec<_>>(),
        [
            "CAPTURE_ENV EnvironmentCaptured",
            "INIT Admitted",
            "PAUSED Approved",
            "PAUSED Failed",
            "RUN Failed",
            "RUN HumanStepReached",
            "RUN StepsReturned",
            "WRITE_REPORT ReportWritten",
        ]
    );
}

/// Appends a transition to the journal of mission 1, with a chain that verifies.
fn append(world: &World, from: State, event: Event) {
    let to = LEGAL
        .iter()
        .find(|(f, e, _)| (*f, *e) == (from, event))
        .map_or(State::Run, |(_, _, to)| *to);
    let body = TransitionBody {
        event,
        failure: None,
        from,
        to,
    };
    let (id, head) = {
        let store = store(world);
        let row = store.missions().unwrap().remove(0);
        let (_, chain): (Fold, Chain) = history::walk(&store, row.id, |_| Ok(())).unwrap();
        (
            (1_i64 << 32) | i64::try_from(chain.seq() + 1).unwrap(),
            chain,
        )
    };
    let mut chain = head;
    let body = canonical::to_string_sorted(&body).unwrap();
    let record = chain.append(to, Kind::Transition, body);
    let added = world.unguarded_journal().execute(
        "INSERT INTO events(id, state, kind, body, prev_sha256, sha256) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
        rusqlite::params![
            id,
            record.state.name(),
            record.kind.name(),
            record.body,
            record.prev.as_bytes(),
            record.sha256.as_bytes()
        ],
    );
    assert!(added.is_ok(), "{added:?}");
}

#[test]
fn a_journal_that_holds_a_refused_transition_is_accepted_by_no_command() {
    let prepared = World::new();
    prepared.wasm("writer.wasm", include_str!("fixtures/writer.wat"));
    let ended = |steps: &Value, code: i32| {
        let world = World::new();
        copy_folder(prepared.path(), world.path());
        let module = json!({"file": "writer.wasm"});
        world.descriptor("mission.json", &module, &json!({"steps": steps}));
        assert_eq!(world.coo(&["run", "mission.json"]).code, code);
        world
    };
    let machine = json!({"id": "a", "input": "Good_v1.0.md"});
    let human = json!({"id": "b", "human": {"ask": "Is it so?"}});
    let mut tried = 0;
    for (from, world) in [
        (State::Complete, ended(&json!([machine]), 0)),
        (
            State::Failed,
            ended(&json!([{"id": "a", "input": "bad"}]), 1),
        ),
        (State::Paused, ended(&json!([machine, human]), 4)),
    ] {
        for event in Event::ALL {
            if LEGAL.iter().any(|(f, e, _)| (*f, *e) == (from, event)) {
                continue;
            }
            let forged = World::new();
            copy_folder(world.path(), forged.path());
            append(&forged, from, event);
            let id = "MISSION-000001";
            for command in ["mission", "logs", "inspect", "explain", "verify", "resume"] {
                let ran = forged.coo(&[command, id]);
                assert_eq!(ran.code, 1, "{from} {event:?} {command}: {ran:?}");
                let told = format!("no transition from {from} on {event:?}");
                assert!(ran.stderr.contains(&told), "{command}: {ran:?}");
            }
            // A replay reads the journal event by event, and comes to the end before that one.
            for command in ["replay", "approve", "reject"] {
                let ran = forged.coo(&[command, id]);
                let is_compared = command == "replay" && from != State::Paused;
                let code = if is_compared { 3 } else { 1 };
                assert_eq!(ran.code, code, "{from} {event:?} {command}: {ran:?}");
            }
            tried += 1;
        }
    }
    assert_eq!(tried, 7 + 7 + 5);
}

pub fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Returns whether `named` (`tests/FILE.rs::NAME`) is a test of this repository.
fn is_test(named: &str) -> bool {
    let Some((file, name)) = named.split_once("::") else {
        return false;
    };
    let Ok(text) = std::fs::read_to_string(checkout().join(file)) else {
        return false;
    };
    text.contains(&format!("#[test]\nfn {name}() {{"))
        || text.contains(&format!("#[test]\n    fn {name}() {{"))
}

/// Returns every text between backquotes that names a test.
fn tests_named(text: &str) -> Vec<&str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter(|quoted| quoted.contains(".rs::")).collect()
}

#[test]
fn every_contract_names_tests_and_pages_that_exist() {
    let mut missing = Vec::new();
    let page = std::fs::read_to_string(checkout().join("docs/operations.md")).unwrap();
    let mut operations = 0;
    for section in page.split("\n## ").skip(1) {
        let title = section.lines().next().unwrap();
        if !title.contains('`') {
            continue;
        }
        operations += 1;
        for field in ["Needs", "Guarantees", "After a failure", "Held by"] {
            if !section.contains(&format!("\n| {field} | ")) {
                missing.push(format!("{title}: no row '{field}'"));
            }
        }
        if tests_named(section).is_empty() {
            missing.push(format!("{title}: names no test"));
        }
        // Every command of the title exists.
        for command in title.split('`').skip(1).step_by(2) {
            let mut words = command.split_whitespace();
            if words.next() == Some("coo") && !is_command(words) {
                missing.push(format!("{title}: no command '{command}'"));
            }
        }
    }
    assert!(operations >= 20, "{operations} operations");
    let mut named: Vec<String> = Vec::new();
    for path in ["docs/operations.md", "docs/tier1.md"] {
        let text = std::fs::read_to_string(checkout().join(path)).unwrap();
        named.extend(tests_named(&text).into_iter().map(str::to_owned));
    }
    for item in &ENHANCEMENTS {
        named.extend(item.tests.iter().map(|&test| test.to_owned()));
        for page in item.pages {
            if !checkout().join(page).is_file() {
                missing.push(format!("{}: no page {page}", item.id));
            }
        }
    }
    missing.extend(
        named
            .iter()
            .filter(|test| !is_test(test))
            .map(|test| format!("no test {test}")),
    );
    // Links from the page to other pages.
    for link in page.split("](").skip(1) {
        let target = link.split([')', '#']).next().unwrap();
        if !target.is_empty() && !checkout().join("docs").join(target).is_file() {
            missing.push(format!("no page docs/{target}"));
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

pub fn is_command<'a>(words: impl Iterator<Item = &'a str>) -> bool {
    let mut command = coo::inside::cli::command();
    for word in words {
        let Some(found) = command.find_subcommand(word) else {
            return false;
        };
        command = found.clone();
    }
    true
}

#[test]
fn a_test_or_command_that_does_not_exist_is_found() {
    assert!(is_test(
        "tests/contracts.rs::a_test_or_command_that_does_not_exist_is_found"
    ));
    for wrong in [
        "tests/contracts.rs::is_test",
        "tests/contracts.rs::no_such_test",
        "tests/none.rs::a_test",
        "tests/contracts.rs",
    ] {
        assert!(!is_test(wrong), "{wrong}");
    }
    assert!(is_command(["amu0", "create"].into_iter()));
    assert!(!is_command(["amu0", "forget"].into_iter()));
}
