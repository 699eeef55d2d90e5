//! What the commands about repositories print with `--json`, and what a governed change leaves,
//! fits its schema.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Cursor, Read as _};

use serde_json::Value;

use super::shipped::{every_file_of_the_root_fits, lines_fit};
use crate::pipeline::{self, ID};
use crate::support::World;
use crate::support::schema::{must_fit, printed};

#[track_caller]
fn json(world: &World, arguments: &[&str], seen: &mut BTreeSet<String>) -> String {
    let arguments = [arguments, &["--json"]].concat();
    let ran = world.coo(&arguments);
    let formats = printed(&ran.stdout);
    assert!(!formats.is_empty(), "{arguments:?}: {ran:?}");
    seen.extend(formats);
    ran.stdout
}

#[test]
fn a_governed_change_prints_and_leaves_what_the_schemas_say() {
    let world = pipeline::world(|world| {
        let more = "[bundle]\nimplementation = ['new/*.py']\n";
        world.file("repo/coo.toml", format!("{}{more}", pipeline::config()));
    });
    let mut seen = BTreeSet::new();
    for command in [
        &["scan", "repo"][..],
        &["lint", "repo"],
        &["migrate", "plan", "repo"],
        &["amend", "repo", "--check"],
        &["pipeline", "start", "repo"],
        &["pipeline", "approve", ID],
        &["pipeline", "approve", ID],
        &["pipeline", "status", ID],
        &["pipeline", "list"],
        &["gates", "repo"],
    ] {
        json(&world, command, &mut seen);
    }
    let expected = [
        "coo-amend/1",
        "coo-change/1",
        "coo-changes/1",
        "coo-gate-results/1",
        "coo-lint-report/1",
        "coo-migration-plan/1",
        "coo-scan-report/1",
    ];
    assert_eq!(seen, expected.map(str::to_owned).into());
    // Its lines state no format.
    let log = world.coo(&["pipeline", "log", ID, "--json"]).stdout;
    assert!(lines_fit("change-log", &log) > 10);
    every_file_of_the_root_fits(&world);
    json(
        &world,
        &["pipeline", "bundle", ID, "--output", "change.zip"],
        &mut seen,
    );
    assert!(seen.contains("coo-bundle-written/1"), "{seen:?}");
    the_bundle_fits(&fs::read(world.path().join("change.zip")).unwrap());
}

fn the_bundle_fits(bundle: &[u8]) {
    let mut archive = zip::ZipArchive::new(Cursor::new(bundle)).unwrap();
    let mut members = BTreeMap::new();
    for i in 0..archive.len() {
        let mut member = archive.by_index(i).unwrap();
        let mut text = Vec::new();
        member.read_to_end(&mut text).unwrap();
        members.insert(member.name().unwrap().into_owned(), text);
    }
    let text = |name: &str| String::from_utf8(members[name].clone()).unwrap();
    assert!(lines_fit("pipeline-log", &text("logs/pipeline_log.jsonl")) > 10);
    assert!(lines_fit("mission-log", &text("logs/mission_log.jsonl")) > 3);
    lines_fit("mission-log", &text("logs/db_transactions.jsonl"));
    lines_fit("bundle-rollback-log", &text("logs/rollback_log.jsonl"));
    let replay: Value = serde_json::from_str(&text("replay/replay_results.json")).unwrap();
    must_fit("replay-results", &replay);
}

#[test]
fn a_change_that_fails_leaves_what_the_schemas_say() {
    // Gate E: the amendment is not what the scanner permits.
    let world = pipeline::world(|world| {
        world.file("repo/new.md", "");
        world.file("repo/docs/more.md", "The board approves.\n");
    });
    let mut seen = BTreeSet::new();
    json(&world, &["scan", "repo"], &mut seen);
    json(&world, &["gates", "repo"], &mut seen);
    json(&world, &["pipeline", "start", "repo"], &mut seen);
    json(&world, &["pipeline", "approve", ID], &mut seen);
    let ran = world.coo_with_input(
        &["pipeline", "rollback", ID, "--json"],
        b"CONFIRM_ROLLBACK\n",
    );
    assert!(printed(&ran.stdout).contains("coo-change/1"), "{ran:?}");
    assert!(world.root().join("changes/000001/question.json").is_file());
    every_file_of_the_root_fits(&world);
}

#[test]
fn amendments_print_what_the_schemas_say_also_a_second_time() {
    let world = pipeline::world(|_| {});
    for _ in 0..2 {
        let mut seen = BTreeSet::new();
        json(&world, &["amend", "repo"], &mut seen);
        assert_eq!(seen, BTreeSet::from(["coo-amend/1".to_owned()]));
    }
    every_file_of_the_root_fits(&world);
}

#[test]
fn an_amendment_that_halts_leaves_what_the_schemas_say() {
    let world = pipeline::world(|world| pipeline::amend(world, "[P-9]"));
    let mut seen = BTreeSet::new();
    json(&world, &["amend", "repo"], &mut seen);
    assert_eq!(seen, BTreeSet::from(["coo-error/1".to_owned()]));
    assert_eq!(
        every_file_of_the_root_fits(&world).get("escalation"),
        Some(&1)
    );
}
