//! The record of what `coo` itself writes: receipts, reports and evidence are entered in it, with
//! the index, when they are written; every drift is named and put right; roots of earlier formats
//! get it; and a process that dies at any point leaves a record that the next command makes true.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Stdio;

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::{Ran, World, shown};

fn done(ran: &Ran) {
    assert_eq!(ran.code, 0, "{ran:?}");
}

fn in_order(world: &World) {
    done(&world.coo(&["artefacts", "check"]));
}

/// A world with a receipt and two reports.
fn ready() -> World {
    let world = World::new();
    done(&world.coo(&["run-demo"]));
    done(&world.coo(&["verify", "demo", "--runs", "2"]));
    world
}

const REPORTS: [&str; 3] = [
    "demo/DEMO-000001/demo_report.txt",
    "verify/000001/report.json",
    "verify/000001/report.txt",
];

#[test]
fn what_coo_writes_is_in_an_index_of_its_own() {
    let world = ready();
    let text = fs::read_to_string(world.root().join("REPORTS.json")).unwrap();
    let index: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(index["format"], "coo-reports/1");
    let rows = index["reports"].as_array().unwrap();
    let paths: Vec<&str> = rows.iter().filter_map(|row| row["path"].as_str()).collect();
    assert_eq!(paths, REPORTS);
    for row in rows {
        let content = fs::read(world.root().join(row["path"].as_str().unwrap())).unwrap();
        assert_eq!(row["bytes"], content.len());
        let digest = coo_kernel::form::digest::Digest::of(&content);
        assert_eq!(row["sha256"], digest.to_string());
    }
    assert_eq!(rows[0]["kind"], "receipt");
    assert_eq!(rows[0]["of"], "DEMO-000001");
    assert_eq!(rows[1]["of"], "verification 000001");
    let text = fs::read_to_string(world.root().join("REPORTS.md")).unwrap();
    assert_eq!(text.lines().count(), 6 + REPORTS.len());
    let check = world.coo(&["artefacts", "check"]);
    assert_snapshot!(shown("artefacts check", &check), @"
    $ coo artefacts check
    0 artefacts on record, all in order
    3 reports on record, all in order
    --- exit 0
    ");
    let check = world.json(&["artefacts", "check"]);
    assert_eq!(
        (&check["reports"], &check["report_drifts"]),
        (&json!(3), &json!([]))
    );
}

#[test]
fn every_drift_of_a_report_is_named_and_put_right() {
    let world = ready();
    let root = world.root();
    let before: Vec<Vec<u8>> = REPORTS
        .iter()
        .map(|path| fs::read(root.join(path)).unwrap())
        .collect();
    fs::remove_file(root.join(REPORTS[0])).unwrap();
    fs::write(root.join(REPORTS[1]), "changed by hand").unwrap();
    fs::remove_file(root.join(REPORTS[2])).unwrap();
    symlink("report.json", root.join(REPORTS[2])).unwrap();
    fs::write(root.join("verify/notes.txt"), "mine").unwrap();
    fs::create_dir(root.join("demo/DEMO-000009")).unwrap();
    fs::write(root.join("demo/DEMO-000009/demo_report.txt"), "forged").unwrap();
    fs::write(root.join("REPORTS.md"), "mine too").unwrap();
    let check = world.coo(&["artefacts", "check"]);
    assert_snapshot!(shown("artefacts check", &check), @"
    $ coo artefacts check
    0 artefacts on record, all in order
    stale     REPORTS.md
    missing   demo/DEMO-000001/demo_report.txt
    extra     demo/DEMO-000009/demo_report.txt
    changed   verify/000001/report.json (recorded <sha256…>, found <sha256…>)
    replaced  verify/000001/report.txt (a symbolic link is there)
    extra     verify/notes.txt
    3 reports on record, 6 differences
    --- standard error
    ERROR: reports do not match the record
    hint: 'coo artefacts check --repair' corrects that and keeps the files that it removes
    --- exit 3
    ");
    let repair = world.coo(&["artefacts", "check", "--repair"]);
    assert_snapshot!(shown("artefacts check --repair", &repair), @"
    $ coo artefacts check --repair
    0 artefacts on record, all in order
    stale     REPORTS.md
    missing   demo/DEMO-000001/demo_report.txt
    extra     demo/DEMO-000009/demo_report.txt
    changed   verify/000001/report.json (recorded <sha256…>, found <sha256…>)
    replaced  verify/000001/report.txt (a symbolic link is there)
    extra     verify/notes.txt
    3 reports on record, 6 differences repaired
    --- exit 0
    ");
    for (path, content) in REPORTS.iter().zip(&before) {
        assert_eq!(&fs::read(root.join(path)).unwrap(), content, "{path}");
    }
    in_order(&world);
    // What was taken away is kept.
    assert_eq!(fs::read_dir(root.join("set-aside")).unwrap().count(), 5);
}

#[test]
fn a_frozen_root_tells_of_a_report_that_was_changed() {
    let world = ready();
    done(&world.coo(&["manifests", "write"]));
    done(&world.coo(&["freeze"]));
    done(&world.coo(&["missions"]));
    let mut told = String::new();
    for path in [REPORTS[0], "REPORTS.json", "verify/more.txt"] {
        let file = world.root().join(path);
        let before = fs::read(&file).ok();
        fs::write(&file, "x").unwrap();
        told += &shown("missions", &world.coo(&["missions"]));
        match before {
            Some(content) => fs::write(&file, content).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        done(&world.coo(&["missions"]));
    }
    assert_snapshot!(told, @"
    $ coo missions
    --- standard error
    ERROR: state root .coo: was changed since freeze 1: demo/DEMO-000001/demo_report.txt (other content)
    hint: 'coo freeze status' lists all differences
    --- exit 1
    $ coo missions
    --- standard error
    ERROR: state root .coo: was changed since freeze 1: REPORTS.json (other content)
    hint: 'coo freeze status' lists all differences
    --- exit 1
    $ coo missions
    --- standard error
    ERROR: state root .coo: was changed since freeze 1: verify/more.txt (extra)
    hint: 'coo freeze status' lists all differences
    --- exit 1
    ");
}

#[test]
fn a_receipt_stopped_at_any_point_is_on_record_and_there_or_neither() {
    let disturbed = |fault: String| {
        let world = World::new();
        let status = world
            .command(&["run-demo"])
            .env("COO_FAULT", fault)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        (world, status)
    };
    let folder = tempfile::TempDir::new().unwrap();
    let list = folder.path().join("points");
    disturbed(format!("list:{}", list.display()));
    let text = fs::read_to_string(list).unwrap();
    let points: Vec<&str> = text.lines().collect();
    let first = points.iter().position(|point| *point == "report.enter");
    let first = first.expect("a report is entered");
    let mut ends = [0, 0];
    for way in ["kill", "fail"] {
        for (n, point) in (1..).zip(&points).skip(first) {
            let (world, status) = disturbed(format!("{way}:{n}"));
            assert!(!status.success(), "{way}:{n} {point}");
            // Whoever comes next makes what is on record.
            done(&world.coo(&["missions"]));
            in_order(&world);
            let is_there = world.root().join(REPORTS[0]).exists();
            ends[usize::from(is_there)] += 1;
            let mission = &world.list(&["missions"])[0];
            assert_eq!(mission["status"], "SUCCESS", "{way}:{n} {point}");
        }
    }
    println!("{} without a receipt, {} with", ends[0], ends[1]);
    assert!(ends[0] > 1 && ends[1] > 1, "{ends:?}");
}
