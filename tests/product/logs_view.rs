//! `coo logs` after a successful demo run (user surface v1.1 §6, §7.4): one line an event, in
//! order, each with its state; the same lines wherever the demo runs.

use insta::assert_snapshot;

use super::{demo, id};
use crate::support::{events, shown};

#[test]
fn every_event_is_one_line_in_order() {
    let (world, ran) = demo();
    let ran = world.coo(&["logs", id(&ran.stdout)]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    for (i, line) in ran.stdout.lines().enumerate() {
        assert!(
            line.starts_with(&format!("[{:04}] STATE=", i + 1)),
            "{line}"
        );
    }
    assert!(
        ran.stdout
            .lines()
            .last()
            .unwrap()
            .contains("STATE=COMPLETE transition from=WRITE_REPORT")
    );
}

#[test]
fn the_journal_of_the_demo_has_these_events() {
    let (world, ran) = demo();
    let id = id(&ran.stdout);
    // Sizes and the model's words change with the recorded answer.
    let mut ran = world.coo(&["logs", id]);
    ran.stdout = ran
        .stdout
        .lines()
        .map(|line| {
            let line = match (line.split_once(" text="), line.rsplit_once(" sha256=")) {
                (Some((start, _)), Some((_, sha256))) => {
                    format!("{start} text=<answer> sha256={sha256}")
                }
                _ => line.to_owned(),
            };
            match line.split_once(" bytes=") {
                Some((start, rest)) => {
                    format!("{start} bytes=<n>{}\n", &rest[rest.find(' ').unwrap()..])
                }
                None => line + "\n",
            }
        })
        .collect();
    assert_snapshot!(shown(&format!("logs {id}"), &ran), @r"
    $ coo logs DEMO-000001
    [0001] STATE=INIT mission type=DEMO_V1_1 descriptor=<sha256…> module=<sha256…> config=<sha256…> sha256=<sha256…>
    [0002] STATE=CAPTURE_ENV transition from=INIT sha256=<sha256…>
    [0003] STATE=CAPTURE_ENV environment host=<sha256…> sha256=<sha256…>
    [0004] STATE=RUN transition from=CAPTURE_ENV sha256=<sha256…>
    [0005] STATE=RUN step.started step=summarise input=<sha256…> bytes=<n> sha256=<sha256…>
    [0006] STATE=RUN llm.intent request=<sha256…> nth=1 sha256=<sha256…>
    [0007] STATE=RUN llm.outcome model=HuggingFaceTB/SmolLM2-135M-Instruct text=<answer> sha256=<sha256…>
    [0008] STATE=RUN step.returned step=summarise output=<sha256…> bytes=<n> sha256=<sha256…>
    [0009] STATE=WRITE_REPORT transition from=RUN sha256=<sha256…>
    [0010] STATE=WRITE_REPORT world artefacts=0 db_executes=0 sha256=<sha256…>
    [0011] STATE=COMPLETE transition from=WRITE_REPORT sha256=<sha256…>
    --- exit 0
    ");
}

#[test]
fn without_an_id_the_mission_that_ran_last_is_shown() {
    let (world, _) = demo();
    let logs = world.coo(&["logs"]);
    assert_eq!(logs.code, 0);
    assert_eq!(logs.stdout, world.coo(&["logs", "DEMO-000001"]).stdout);
    world.wasm(
        "other.wasm",
        r#"(module (memory (export "memory") 1) (func (export "_start")))"#,
    );
    assert_eq!(world.coo(&["run", "other.wasm"]).code, 0);
    assert_eq!(
        world.coo(&["logs"]).stdout,
        world.coo(&["logs", "MISSION-000002"]).stdout
    );
}

#[test]
fn another_place_prints_the_same_lines_but_for_configuration_and_host() {
    let (here, _) = demo();
    let (there, _) = demo();
    let lines = |ran: super::Ran| ran.stdout;
    assert_eq!(lines(here.coo(&["logs"])), lines(there.coo(&["logs"])));
}

#[test]
fn as_json_every_event_names_the_one_before() {
    let (world, ran) = demo();
    let id = id(&ran.stdout);
    let events = events(&world, id);
    let mut before = "0".repeat(64);
    for (i, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_id"], i + 1);
        assert_eq!(event["prev_sha256"], before.as_str());
        event["sha256"].as_str().unwrap().clone_into(&mut before);
    }
    assert_eq!(world.json(&["inspect", id])["chain_head"], before.as_str());
    assert_eq!(
        events.len(),
        world.coo(&["logs", id]).stdout.lines().count()
    );
}
