//! `coo run --fresh`: a run that meets nothing of earlier missions and leaves nothing, but what a model
//! was paid for, and the state root of a run that did not succeed.

use std::path::PathBuf;

use insta::assert_snapshot;
use rustix::process::Signal;

use crate::support::model_server::{ModelServer, Response, Step};
use crate::support::tree::picture;
use crate::support::{World, send, shown, until};

/// A world in which kept state roots are, too, and with a model that gives these answers.
fn world(server: &ModelServer) -> World {
    let world = World::asking(server);
    std::fs::create_dir(world.path().join("tmp")).unwrap();
    let place = world.path().join("tmp").display().to_string();
    world.with("TMPDIR", place)
}

fn answering(answers: &[&str]) -> ModelServer {
    let answers = answers.iter().map(|answer| Response::completion(answer));
    ModelServer::start(answers.map(Step::from))
}

/// The state roots that fresh runs left.
fn left(world: &World) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(world.path().join("tmp")).unwrap();
    entries
        .map(|entry| entry.unwrap().path().join(".coo"))
        .collect()
}

/// A snapshot's text without the random part of a temporary folder's name.
fn steady(text: &str) -> String {
    let mut parts = text.split("coo-tmp-fresh-");
    let mut steady = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        steady += "coo-tmp-fresh-<name>";
        steady += part.trim_start_matches(|c: char| c.is_ascii_alphanumeric());
    }
    steady
}

#[test]
fn earlier_missions_are_not_there_and_new_answers_stay() {
    let server = answering(&["bug", "billing", "other", "other"]);
    let world = world(&server);
    let first = world.coo(&["run", "triage.json"]);
    assert_eq!(first.code, 0, "{first:?}");
    let artefacts = picture(&world.root().join("artefacts"));

    // In the root, the report of other answers would be in conflict with the first.
    let fresh = world.coo(&["run", "triage.json", "--fresh", "--live"]);
    assert_snapshot!(shown("run triage.json --fresh --live", &fresh), @r#"
    $ coo run triage.json --fresh --live
    {"counts":{"billing":0,"bug":0,"other":2},"report":"triage/Triage_Report_v1.0.md","report_sha256":"<sha256>","tickets":2}--- standard error
    [coo] MISSION-000001: model calls go to http://127.0.0.1:<port>, named by the environment, without a key
    [coo] MISSION-000001 SUCCESS: 20 events, 101926 fuel, <duration>, 2 model calls (live; 6 tokens in, 4 out), chain <sha256…>
    [coo] 2 new model answers kept in .coo; the run's fresh state root is removed
    --- exit 0
    "#);
    assert_eq!(left(&world), Vec::<PathBuf>::new());
    assert!(picture(&world.root().join("artefacts")) == artefacts);
    assert_eq!(world.list(&["missions"]).as_array().unwrap().len(), 1);

    // What was paid for is there for every run.
    let again = world.coo(&["run", "triage.json", "--fresh", "--frozen"]);
    assert_eq!((again.code, &again.stdout), (0, &fresh.stdout));
    assert_snapshot!(shown("run triage.json --fresh --frozen", &again), @r#"
    $ coo run triage.json --fresh --frozen
    {"counts":{"billing":0,"bug":0,"other":2},"report":"triage/Triage_Report_v1.0.md","report_sha256":"<sha256>","tickets":2}--- standard error
    [coo] MISSION-000001 SUCCESS: 20 events, 101926 fuel, <duration>, 2 model calls (frozen; 6 tokens in, 4 out), chain <sha256…>
    [coo] the run's fresh state root is removed
    --- exit 0
    "#);
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn where_there_is_no_root_only_paid_answers_need_one() {
    let server = answering(&["bug", "billing"]);
    let world = world(&server);
    let frozen = world.coo(&["run", "triage", "--fresh", "--frozen", "--json"]);
    assert_eq!(frozen.code, 0, "{frozen:?}");
    assert!(!world.root().exists());
    let chain =
        |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap()["chain_head"].clone();
    let ordinary = World::new().json(&["run", "triage", "--frozen"]);
    assert_eq!(chain(&frozen.stdout), ordinary["chain_head"]);

    assert_eq!(world.coo(&["run", "triage.json", "--fresh"]).code, 0);
    assert!(world.list(&["missions"]).as_array().unwrap().is_empty());
    assert_eq!(world.coo(&["run", "triage.json", "--frozen"]).code, 0);
}

#[test]
fn a_run_that_does_not_succeed_leaves_its_root_and_hints_name_it() {
    let server = ModelServer::start([
        Step::from(Response::completion("bug")),
        Response::json(401, r#"{"error":{"message":"no"}}"#).into(),
    ]);
    let world = world(&server);
    let ran = world.coo(&["run", "triage.json", "--fresh"]);
    assert_snapshot!(steady(&shown("run triage.json --fresh", &ran)), @"
    $ coo run triage.json --fresh
    --- standard error
    [coo] MISSION-000001: model calls go to http://127.0.0.1:<port>, named by the environment, without a key
    [coo] MISSION-000001 INTERRUPTED: 13 events, 63643 fuel, <duration>, 1 model call (live; 3 tokens in, 2 out), chain <sha256…>
    ERROR: mission MISSION-000001: model call not authorised: http://127.0.0.1:<port> answered 401, saying 'no'
    hint: check the API key and what it may use
    hint: 'coo --root <world>/tmp/coo-tmp-fresh-<name>/.coo resume MISSION-000001' continues where it stopped
    [coo] 1 new model answer kept in .coo
    [coo] the fresh state root of this run stays in <world>/tmp/coo-tmp-fresh-<name>/.coo, until you remove it
    --- exit 5
    ");
    let [root] = &left(&world)[..] else {
        panic!("{:?}", left(&world));
    };
    // The hint is right, and the answer that was paid for is in both roots.
    let answering = answering(&["billing"]);
    let root = root.to_str().unwrap();
    let resumed = world.coo_with(
        &["--root", root, "resume", "MISSION-000001"],
        "COO_LLM_BASE_URL",
        &answering.base_url(),
    );
    assert_eq!(resumed.code, 0, "{resumed:?}");
    let server = self::answering(&["billing"]);
    let ran = world.coo_with(
        &["run", "triage.json"],
        "COO_LLM_BASE_URL",
        &server.base_url(),
    );
    assert_eq!((ran.code, server.requests().len()), (0, 1), "{ran:?}");
}

#[test]
fn a_run_that_a_signal_ends_leaves_its_root() {
    let server = ModelServer::start([Step::StaySilent]);
    let world = world(&server);
    let child = world.start(&["run", "triage.json", "--fresh"]);
    until(|| server.requests().len() == 1);
    send(&child, Signal::INT);
    let said = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
    // The next command removes what killed processes left, and not this.
    assert_eq!(world.coo(&["missions"]).code, 0);
    let [root] = &left(&world)[..] else {
        panic!("{:?}", left(&world));
    };
    let root = root.to_str().unwrap();
    let next = format!("'coo --root {root} resume MISSION-000001 --resend' sends it again");
    assert!(said.contains(&next), "{said}");
    let answering = answering(&["bug", "billing"]);
    let resumed = world.coo_with(
        &["--root", root, "resume", "1", "--resend"],
        "COO_LLM_BASE_URL",
        &answering.base_url(),
    );
    assert_eq!(resumed.code, 0, "{resumed:?}");
}

#[test]
fn nothing_is_asked_where_the_answer_could_not_be_kept() {
    let server = answering(&["bug", "billing"]);
    let world = world(&server);
    assert_eq!(world.coo(&["run", "demo"]).code, 0);
    assert_eq!(world.coo(&["manifests", "write"]).code, 0);
    assert_eq!(world.coo(&["freeze"]).code, 0);
    let refused = world.coo(&["run", "triage.json", "--fresh"]);
    assert_snapshot!(shown("run triage.json --fresh", &refused), @"
    $ coo run triage.json --fresh
    --- standard error
    ERROR: state root .coo: has been frozen since <time> by freeze 1, nothing was changed
    hint: 'coo freeze lift' lifts the freeze
    --- exit 1
    ");
    assert!(server.requests().is_empty());
    let frozen = world.coo(&["run", "triage", "--fresh", "--frozen"]);
    assert_eq!(frozen.code, 0, "{frozen:?}");
    assert_eq!(left(&world), Vec::<PathBuf>::new());
    assert_eq!(world.coo(&["freeze", "status"]).code, 0);
}

#[test]
fn a_refused_run_leaves_nothing() {
    let world = world(&answering(&[]));
    world.descriptor(
        "refused.json",
        &serde_json::json!({"set": "demo"}),
        &serde_json::json!({"steps": [{"id": "a", "human": {"ask": "Paste the log into Slack."}}]}),
    );
    let refused = world.coo(&["run", "refused.json", "--fresh", "--frozen"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(!refused.stderr.contains("--root"), "{refused:?}");
    assert_eq!(left(&world), Vec::<PathBuf>::new());
    assert!(!world.root().exists());
}
