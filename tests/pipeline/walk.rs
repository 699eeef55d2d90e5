//! A change that nothing disturbs: every stage is passed, two reviews wait for a person, the
//! repository ends as it should, and a second time everything is the same to the byte.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::{
    ID, approve, done, evidence, evidence_json, evidence_path, repo, stage, start, status, text,
    world,
};
use crate::support::shown;
use crate::support::tree::{Node, Picture, picture};

#[test]
fn a_change_passes_every_stage_and_waits_where_a_person_decides() {
    let world = world(|_| {});
    let before = picture(&repo(&world));
    start(&world);
    let amended = picture(&repo(&world));
    assert_eq!(
        text(&amended, "docs/plan.md").unwrap(),
        "# Plan\n\n- [P-1] The CEO approves it.\n- [P-2] Build it.\n- [P-3] Keep it.\n"
    );
    // Nothing else was touched before anybody said yes.
    assert_eq!(differing(&before, &amended), ["docs/plan.md"]);
    assert_eq!(
        status(&world)["next"],
        "'coo pipeline approve PIPELINE-000001' or '… reject PIPELINE-000001'"
    );
    // It goes on by a yes and by nothing else.
    done(&world.coo(&["pipeline", "resume", ID]));
    assert_eq!(stage(&world), "CEO_REVIEW");

    done(&approve(&world));
    assert_eq!(stage(&world), "CEO_FINAL_REVIEW");
    let migrated = picture(&repo(&world));
    assert_eq!(
        text(&migrated, "new/core.py").unwrap(),
        "import new.shapes\n\n\ndef area(side):\n    return new.shapes.square(side)\n"
    );
    assert_eq!(
        text(&migrated, "checks/test_core.py").unwrap(),
        "from new.core import area\n\nassert area(2) == 4\n"
    );
    // Data goes along as it is, with modes and empty folders; links stay links.
    assert_eq!(
        text(&migrated, "new/deep/data.txt").unwrap(),
        "old.core stays here\n"
    );
    assert_eq!(migrated[Path::new("new/deep")], Node::Folder(0o750));
    assert!(matches!(
        migrated[Path::new("new/run.sh")],
        Node::File(0o755, _)
    ));
    assert!(migrated.contains_key(Path::new("new/empty")));
    assert_eq!(
        migrated[Path::new("link")],
        Node::Link("docs/plan.md".into())
    );
    assert!(!migrated.keys().any(|path| path.starts_with("old")));

    // The root is frozen until the last word.
    let refused = world.coo(&["run", "demo"]);
    insta::assert_snapshot!(shown("run demo", &refused), @"
    $ coo run demo
    --- standard error
    ERROR: state root .coo: has been frozen since <time> by freeze 1, nothing was changed
    hint: it belongs to PIPELINE-000001 and ends with that; 'coo pipeline status PIPELINE-000001' shows what it waits for
    --- exit 1
    ");
    assert!(evidence_path(&world, "normalized/gate_results.1.json").exists());
    done(&approve(&world));
    assert_eq!(stage(&world), "COMPLETE");
    assert_eq!(picture(&repo(&world)), migrated);
    assert!(!evidence_path(&world, "normalized").exists());
    done(&world.coo(&["run", "demo"]));
    assert_eq!(
        status(&world)["timeline"],
        json!([
            "INIT",
            "AMENDMENT_PREP",
            "AMENDMENT_EXEC",
            "AMENDMENT_VERIFY",
            "CEO_REVIEW",
            "FREEZE_PREP",
            "FREEZE_ACTIVATED",
            "CAPTURE_AMU0",
            "MIGRATION_SEQUENCE",
            "GATES",
            "CEO_FINAL_REVIEW",
            "COMPLETE"
        ])
    );
}

fn differing(a: &Picture, b: &Picture) -> Vec<String> {
    let keys = a.keys().chain(b.keys());
    let mut paths: Vec<String> = keys
        .filter(|path| a.get(*path) != b.get(*path))
        .map(|path| path.display().to_string())
        .collect();
    paths.sort();
    paths.dedup();
    paths
}

#[test]
fn the_evidence_says_what_was_done() {
    let world = world(|_| {});
    start(&world);
    done(&approve(&world));
    let first = evidence(&world, "snapshot_1.json");
    assert_eq!(first, evidence(&world, "snapshot_2.json"));
    let snapshot = evidence_json(&world, "snapshot_1.json");
    assert_eq!(snapshot["manifest_version"], "1.0");
    assert_eq!(
        snapshot["test_results"],
        json!({"exit_code": 0, "failed": 0, "passed": 4, "skipped": 0})
    );
    let files = snapshot["files"].as_array().unwrap();
    let files: Vec<&str> = files
        .iter()
        .map(|file| file["path"].as_str().unwrap())
        .collect();
    assert_eq!(
        files,
        [
            "new/__init__.py",
            "new/core.py",
            "new/deep/data.txt",
            "new/run.sh",
            "new/shapes.py"
        ]
    );
    let results = evidence_json(&world, "gate_results.json");
    assert_eq!(results["status"], "PASS");
    let gates = results["gates"].as_array().unwrap();
    let letters: Vec<&str> = gates
        .iter()
        .map(|gate| gate["gate"].as_str().unwrap())
        .collect();
    assert_eq!(letters, ["A", "B", "C", "D", "E", "F"]);
    let surface = gates[5]["evidence"]["surface"].as_array().unwrap();
    assert_eq!(surface.len(), 4);
    for artefact in surface {
        assert_eq!(artefact["identical"], true, "{artefact}");
        assert!(artefact["normalized_sha256"].is_string(), "{artefact}");
    }
    assert_eq!(
        evidence_json(&world, "mission_output.json")["output"],
        "Notes_v1.0.md"
    );
    assert!(evidence(&world, "mission_log.jsonl").contains(r#""kind":"gateway.write""#));
    assert_eq!(
        evidence_json(&world, "amendment_log.json")["amendments"][0]["sequence_id"],
        1
    );
    assert_eq!(
        evidence_json(&world, "scanner_report.json")["status"],
        "PASS"
    );

    // git takes the patch of the amendments.
    let plain = super::world(|_| {});
    let patch = plain.file("a.patch", evidence(&world, "amendment_diff.patch"));
    let git = Command::new("git")
        .arg("apply")
        .arg(patch)
        .env("GIT_CEILING_DIRECTORIES", plain.path())
        .current_dir(repo(&plain))
        .output()
        .expect("git, which made this checkout");
    assert!(git.status.success(), "{git:?}");
    assert_eq!(
        text(&picture(&repo(&plain)), "docs/plan.md"),
        text(&picture(&repo(&world)), "docs/plan.md")
    );
}

#[test]
fn a_second_time_everything_is_the_same() {
    let run = || {
        let world = world(|_| {});
        start(&world);
        done(&approve(&world));
        done(&approve(&world));
        world
    };
    let (first, second) = (run(), run());
    let names = [
        "amendment_diff.patch",
        "amendment_log.json",
        "db_transactions.jsonl",
        "gate_results.json",
        "lint_report.json",
        "migration_plan.json",
        "mission_log.jsonl",
        "mission_output.json",
        "scanner_report.json",
        "snapshot_1.json",
        "snapshot_2.json",
    ];
    for name in names {
        assert_eq!(evidence(&first, name), evidence(&second, name), "{name}");
    }
    assert_eq!(status(&first)["chain_head"], status(&second)["chain_head"]);
    assert_eq!(picture(&repo(&first)), picture(&repo(&second)));
}

#[test]
fn what_was_amended_before_is_not_amended_again() {
    let world = world(|_| {});
    done(&world.coo(&["amend", "repo"]));
    let amended = picture(&repo(&world));
    start(&world);
    assert_eq!(picture(&repo(&world)), amended);
    let log = evidence_json(&world, "amendment_log.json");
    assert_eq!(log["amendments"], json!([]));
    let document = &log["documents"][0];
    assert_eq!(document["before_sha256"], document["after_sha256"]);
    done(&approve(&world));
    assert_eq!(stage(&world), "CEO_FINAL_REVIEW");
}

#[test]
fn a_repository_without_amendments_is_reviewed_too() {
    let world = world(|world| {
        let config = super::config();
        let (before, after) = config.split_once("[amend]").unwrap();
        let after = after.split_once("[scan]").unwrap().1;
        world.file("repo/coo.toml", format!("{before}[scan]{after}"));
    });
    start(&world);
    assert_eq!(
        evidence_json(&world, "amendment_log.json")["amendments"],
        json!([])
    );
    done(&approve(&world));
    done(&approve(&world));
    assert_eq!(stage(&world), "COMPLETE");
}

#[test]
fn what_is_said_of_a_change_is_the_same_everywhere_it_is_said() {
    let world = world(|_| {});
    start(&world);
    done(&approve(&world));
    done(&approve(&world));
    insta::assert_snapshot!(shown("pipeline status", &world.coo(&["pipeline", "status", ID])).replace(&*repo(&world).to_string_lossy(), "<repository>"), @"
    $ coo pipeline status
    PIPELINE-000001
      Repository: <world>/repo
      Amendments: 1, of 1 document
      Baseline: 14 files, 2899 bytes, <sha256…>
      Snapshot 1: 4 passed, 0 failed, 0 skipped, exit code 0
      Snapshot 2: 4 passed, 0 failed, 0 skipped, exit code 0
      Gates: PASS
      Evidence: .coo/changes/000001
      Chain: <sha256>
      Stage: COMPLETE
    --- exit 0
    ");
    let list = world.list(&["pipeline", "list"]);
    assert_eq!(list[0]["change"], ID);
    assert_eq!(list[0]["stage"], "COMPLETE");
    // The record: one line an event, the same chain, and sequence, configuration, environment.
    let log = world.coo(&["pipeline", "log", ID, "--json"]);
    let lines: Vec<serde_json::Value> = log
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["kind"], "begun");
    for (i, pair) in lines.windows(2).enumerate() {
        assert_eq!(pair[0]["sha256"], pair[1]["prev_sha256"], "{i}");
        assert_eq!(pair[1]["sequence_id"], i + 2);
    }
    assert_eq!(
        lines.last().unwrap()["sha256"],
        status(&world)["chain_head"]
    );
    let config = lines[0]["body"]["config_sha256"].clone();
    assert!(lines.iter().all(|line| line["config_sha256"] == config));
    assert!(
        lines
            .iter()
            .all(|line| line["environment_sha256"].is_string())
    );
    let text = world.coo(&["pipeline", "log", ID]);
    assert_eq!(text.stdout.lines().count(), lines.len());
}
