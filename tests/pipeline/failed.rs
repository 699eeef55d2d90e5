//! Changes that fail, at every stage and at every gate, by what can really be wrong and by a disk
//! that is full: nothing goes on, a person is asked where anything has to go back, the repository
//! ends byte for byte as its baseline has it, and the question says what could be done.

use std::fs;

use serde_json::json;

use super::{
    ID, LEAKS, YES, amend, approve, config, done, evidence_json, evidence_path, repo, stage, start,
    status, world,
};
use crate::support::tree::{Picture, picture};
use crate::support::{Ran, World};

/// Runs a command of the change with a fault, and answers its prompt with the word.
pub fn faulty(world: &World, arguments: &[&str], fault: &str) -> Ran {
    let input = world.file("input", YES);
    let mut command = world.command(arguments);
    command
        .env("COO_FAULT", fault)
        .stdin(fs::File::open(input).unwrap());
    let output = command.output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The points that a command reaches in a world that `prepare` has brought there.
pub fn points(prepare: impl FnOnce() -> World, arguments: &[&str]) -> Vec<String> {
    let world = prepare();
    let list = world.path().join("points");
    done(&faulty(
        &world,
        arguments,
        &format!("list:{}", list.display()),
    ));
    let text = fs::read_to_string(list).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// How a world is brought somewhere, and the command that goes on from there.
pub type Way = (fn() -> World, &'static [&'static str]);

pub const START: [&str; 3] = ["pipeline", "start", "repo"];
pub const APPROVE: [&str; 3] = ["pipeline", "approve", ID];

pub fn fresh() -> World {
    world(|_| {})
}

pub fn at_first_review() -> World {
    let world = fresh();
    start(&world);
    world
}

pub fn at_last_review() -> World {
    let world = at_first_review();
    done(&approve(&world));
    assert_eq!(stage(&world), "CEO_FINAL_REVIEW");
    world
}

/// It has failed there, has asked, and all is as before.
#[track_caller]
fn ended(world: &World, failed_in: &str, expected: &Picture) {
    let status = status(world);
    assert_eq!(status["stage"], "QUESTION", "{failed_in}: {status}");
    assert_eq!(status["failure"]["stage"], failed_in, "{status}");
    assert!(
        picture(&repo(world)) == *expected,
        "{failed_in}: the tree is another one"
    );
    let question = evidence_json(world, "question.json");
    assert_eq!(question["stage"], failed_in);
    assert!(question["answers"].as_array().unwrap().len() > 1);
    // Nothing stays frozen, locked or half done.
    assert_eq!(world.json(&["freeze", "status"])["is_frozen"], false);
    assert!(!evidence_path(world, "normalized").exists());
    assert!(!repo(world).join(".coo-restore").exists());
    let again = world.coo(&["pipeline", "start", "repo"]);
    let refused = again.stderr.contains("PIPELINE-000001: is under way");
    assert!(!refused, "{again:?}");
}

#[test]
fn a_full_disk_at_the_begin_of_any_stage_or_gate_leads_back() {
    let before = picture(&repo(&fresh()));
    let amended = picture(&repo(&at_first_review()));
    let mut seen = Vec::new();
    let ways: [Way; 3] = [
        (fresh, &START),
        (at_first_review, &APPROVE),
        (at_last_review, &APPROVE),
    ];
    for (prepare, arguments) in ways {
        let points = points(prepare, arguments);
        for point in &points {
            let kind = point.split_once('.').unwrap();
            let is_stage = kind.0 == "stage" && stage_named(kind.1).is_some();
            if !is_stage && kind.0 != "gate" {
                continue;
            }
            let world = prepare();
            // By name: how many points come before it is not the same in every run.
            let ran = faulty(&world, arguments, &format!("fail_at:{point}"));
            assert_eq!(ran.code, 1, "{point}: {ran:?}");
            assert!(ran.stderr.contains("injected"), "{point}: {ran:?}");
            let failed_in = stage_named(kind.1).unwrap_or("GATES");
            // What was amended stays once it was reviewed; a failed review takes it back.
            let expected = match failed_in {
                "INIT" | "AMENDMENT_PREP" | "AMENDMENT_EXEC" | "AMENDMENT_VERIFY"
                | "CEO_REVIEW" | "FREEZE_PREP" | "FREEZE_ACTIVATED" | "CAPTURE_AMU0" => &before,
                _ => &amended,
            };
            ended(&world, failed_in, expected);
            seen.push(point.clone());
        }
    }
    assert_eq!(
        seen,
        [
            "stage.init",
            "stage.amendment_prep",
            "stage.amendment_exec",
            "stage.amendment_verify",
            "stage.ceo_review",
            "stage.freeze_prep",
            "stage.freeze_activated",
            "stage.capture_amu0",
            "stage.migration_sequence",
            "stage.gates",
            "gate.a",
            "gate.b",
            "gate.c",
            "gate.d",
            "gate.e",
            "gate.f",
            "stage.ceo_final_review"
        ]
    );
}

fn stage_named(name: &str) -> Option<&'static str> {
    [
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
    ]
    .into_iter()
    .find(|stage| stage.to_lowercase() == name)
}

/// What is wrong, where it shows, and in which words.
type Case = (&'static str, fn(&World), &'static str, &'static str);

fn with_config(world: &World, before: &str, after: &str) {
    let config = config();
    assert!(config.contains(before), "{before}");
    world.file("repo/coo.toml", config.replace(before, after));
}

const CASES: [Case; 12] = [
    (
        "gate A: what must be there is not",
        |world| with_config(world, r"required = [", r#"required = ["new/none/*.py", "#),
        "GATES",
        "gate A (Repo Unification Integrity): new/none/*.py: is required, and no file matches",
    ),
    (
        "gate A: an import that leads nowhere",
        |world| {
            drop(world.file(
                "repo/old/lost.py",
                "from . import core\nfrom .gone import x\n",
            ));
        },
        "GATES",
        "gate A (Repo Unification Integrity): new/lost.py:2: imports new.gone, which is no file",
    ),
    (
        "gate B: a module that fails",
        |world| {
            world.wasm(
                "repo/missions/trap.wasm",
                &crate::support::guest_text("(func (export \"_start\") unreachable)"),
            );
            world.descriptor(
                "repo/missions/trap.json",
                &json!({"file": "trap.wasm"}),
                &json!({}),
            );
            with_config(
                world,
                r"missions = [",
                r#"missions = ["missions/trap.json", "#,
            );
        },
        "GATES",
        "gate B (Deterministic Modules): mission missions/trap.json: ended FAILED",
    ),
    (
        "gate C: another module set than the pinned one",
        |world| {
            world.file("repo/digest.txt", "00\n");
            with_config(
                world,
                "[gates]\n",
                "[gates]\nmodule_set = 'missions'\nsandbox_digest = 'digest.txt'\n",
            );
        },
        "GATES",
        "pinned is '00'",
    ),
    (
        "gate D: tests that fail once more",
        |world| {
            drop(world.file(
                "repo/checks/more.sh",
                "expect test ! -e ../.coo/changes/000001/snapshot_2.json\n",
            ));
        },
        "GATES",
        "gate D (Test Suite Integrity): tests: 4 passed, 1 failed, 0 skipped, exit code 1",
    ),
    (
        "gate E: a leak",
        |world| drop(world.file("repo/docs/more.md", "The agent approves it.\n")),
        "GATES",
        "gate E (Governance Integrity): docs/more.md:1: Approves",
    ),
    (
        "gate E: a rule that is not kept",
        |world| drop(world.file("repo/old/evil.py", "eval('1')\n")),
        "GATES",
        "gate E (Governance Integrity): new/evil.py:1: no-eval",
    ),
    (
        "gate E: another ruleset than the pinned one",
        |world| drop(world.file("repo/rules/leaks.json", LEAKS.replace("approves", "agrees"))),
        "GATES",
        "gate E (Governance Integrity): ruleset rules/leaks.json: has SHA-256",
    ),
    (
        "gate F: a reference mission without its answer",
        |world| {
            world.triage_descriptor();
            let from = world.path().join("triage.json");
            fs::rename(from, repo(world).join("missions/triage.json")).unwrap();
            with_config(
                world,
                r#"reference = "missions/reference.json""#,
                r#"reference = "missions/triage.json""#,
            );
        },
        "GATES",
        "gate F (Deterministic Replay): reference mission missions/triage.json: was interrupted",
    ),
    (
        "tests that fail",
        |world| drop(world.file("repo/checks/more.sh", "expect false\n")),
        "MIGRATION_SEQUENCE",
        "tests for snapshot 1: 4 passed, 1 failed, 0 skipped, exit code 1; all must pass",
    ),
    (
        "tests that are others once the old package is gone",
        |world| {
            drop(world.file(
                "repo/checks/more.sh",
                "if test -d old; then expect true; fi\n",
            ));
        },
        "MIGRATION_SEQUENCE",
        "SnapshotMismatch: snapshot 2 is not snapshot 1: tests: 5 passed, 0 failed, 0 skipped, exit code 0, then 4 passed",
    ),
    (
        "tests that write to the repository",
        |world| {
            drop(world.file(
                "repo/checks/more.sh",
                "echo >new/stray; mkdir -p out; ln -s x out/y\n",
            ));
        },
        "MIGRATION_SEQUENCE",
        "changed by the tests (have them write nothing to the repository, or name it in [repository] exclude): new/stray, out, out/y",
    ),
];

#[test]
fn whatever_is_wrong_is_named_and_leads_back_once_a_person_has_said_so() {
    for (what, wrong, failed_in, words) in CASES {
        let world = world(wrong);
        start(&world);
        let amended = picture(&repo(&world));
        // Nobody answers.
        let ran = approve(&world);
        assert_eq!(ran.code, 1, "{what}: {ran:?}");
        assert!(ran.stderr.contains(words), "{what}: {ran:?}");
        assert!(
            ran.stderr.contains(
                "ERROR: RollbackAbortedException: rollback of PIPELINE-000001: nothing was typed"
            ),
            "{what}: {ran:?}"
        );
        assert_eq!(stage(&world), "ERROR", "{what}");
        let half = picture(&repo(&world));
        assert!(half != amended, "{what}");
        // It asks by itself once; the next time a person has to.
        let resumed = world.coo_with_input(&["pipeline", "resume", ID], YES);
        assert_eq!(resumed.code, 1);
        assert!(
            resumed.stderr.contains(
                "'coo pipeline rollback PIPELINE-000001' asks for the rollback once more"
            ),
            "{what}: {resumed:?}"
        );
        let refused = world.coo_with_input(&["pipeline", "rollback", ID], b"confirm_rollback\n");
        assert!(
            refused.stderr.contains("RollbackAbortedException"),
            "{what}: {refused:?}"
        );
        assert!(picture(&repo(&world)) == half, "{what}");
        let ran = super::roll_back(&world);
        assert_eq!(ran.code, 1, "{what}: {ran:?}");
        ended(&world, failed_in, &amended);
        let log = world.json(&["rollback", "--log"]);
        let outcomes: Vec<&str> = log
            .as_array()
            .unwrap()
            .iter()
            .map(|line| line["outcome"].as_str().unwrap())
            .collect();
        assert_eq!(outcomes, ["aborted", "aborted", "unchanged"], "{what}");
        assert_eq!(log[0]["attempt"], ID);
        assert_eq!(log[1]["attempt"], json!(null));
    }
}

/// A person put the documents back by hand before the rollback was confirmed.
#[test]
fn a_rollback_with_nothing_left_to_restore_still_ends_the_change() {
    let world = world(|_| {});
    let before = picture(&repo(&world));
    let plan = fs::read(repo(&world).join("docs/plan.md")).unwrap();
    start(&world);
    let aborted = world.coo(&["pipeline", "reject", ID]);
    assert_eq!((aborted.code, stage(&world).as_str()), (1, "ERROR"));
    fs::write(repo(&world).join("docs/plan.md"), plan).unwrap();
    let ran = super::roll_back(&world);
    assert!(ran.stderr.contains("no entry differs now"), "{ran:?}");
    ended(&world, "CEO_REVIEW", &before);
}

#[test]
fn a_file_confirms_a_rollback_too() {
    let world = world(|world| drop(world.file("repo/checks/more.sh", "expect false\n")));
    start(&world);
    let amended = picture(&repo(&world));
    world.file(".coo/CONFIRM_ROLLBACK", "");
    assert_eq!(approve(&world).code, 1);
    assert!(!world.root().join("CONFIRM_ROLLBACK").exists());
    ended(&world, "MIGRATION_SEQUENCE", &amended);
}

/// What is wrong, where it shows, and in which words.
type Halt = (fn(&World), &'static str, &'static str);

#[test]
fn what_changed_nothing_asks_nobody() {
    let cases: [Halt; 4] = [
        (
            |world| amend(world, "[P-9]"),
            "AMENDMENT_PREP",
            "AmendmentHaltException: amendment A-1: MissingAnchor: anchor '[P-9]' in docs/plan.md; no document was changed",
        ),
        (
            |world| drop(world.file("repo/docs/plan.md", "- [P-2] Once.\n- [P-2] Twice.\n")),
            "AMENDMENT_PREP",
            "AmendmentHaltException: amendment A-1: AmbiguousAnchor",
        ),
        (
            |world| {
                drop(world.file(
                    "repo/checks/dynamic.py",
                    "import importlib\nimportlib.import_module('old.core')\n",
                ));
            },
            "INIT",
            "migration of old: 1 question open; 'coo migrate plan' lists them",
        ),
        (
            |world| drop(world.file("repo/old/broken.py", "def f(old:\n")),
            "INIT",
            "file old/broken.py: line 1, column ",
        ),
    ];
    for (wrong, failed_in, words) in cases {
        let world = world(wrong);
        let before = picture(&repo(&world));
        let ran = world.coo(&["pipeline", "start", "repo"]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.stderr.contains(words), "{words}: {ran:?}");
        assert!(!ran.stderr.contains("CONFIRM_ROLLBACK"), "{ran:?}");
        if failed_in == "AMENDMENT_PREP" {
            assert!(evidence_path(&world, "escalation_A-1.json").exists());
        }
        let open = evidence_json(&world, "question.json")["open"].clone();
        if words.contains("question") {
            assert_eq!(open[0]["file"], "checks/dynamic.py");
            assert_eq!(open[0]["questions"][0]["kind"], "dynamic_import");
        } else {
            assert_eq!(open, json!([]));
        }
        ended(&world, failed_in, &before);
    }
}

#[test]
fn a_no_at_a_review_takes_back_what_was_done_for_it() {
    let before = picture(&repo(&fresh()));
    for (prepare, failed_in) in [
        (at_first_review as fn() -> World, "CEO_REVIEW"),
        (at_last_review, "CEO_FINAL_REVIEW"),
    ] {
        let world = prepare();
        let expected = if failed_in == "CEO_REVIEW" {
            before.clone()
        } else {
            picture(&repo(&at_first_review()))
        };
        let ran = world.coo_with_input(&["pipeline", "reject", ID, "--reason", "not now"], YES);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.stderr.contains("rejected: not now"), "{ran:?}");
        ended(&world, failed_in, &expected);
    }
}

#[test]
fn what_somebody_else_changes_meanwhile_stops_it() {
    let world = at_first_review();
    world.file("repo/docs/plan.md", "# Plan\n\n- [P-2] Something else.\n");
    let ran = approve(&world);
    assert!(
        ran.stderr.contains("is not what the amendments made it"),
        "{ran:?}"
    );
    assert_eq!(stage(&world), "ERROR");

    let world = at_last_review();
    world.file("repo/new/more.py", "");
    let ran = approve(&world);
    assert!(
        ran.stderr
            .contains("changed since the gates were passed: new/more.py"),
        "{ran:?}"
    );
    assert_eq!(stage(&world), "ERROR");

    let world = at_first_review();
    // Before anybody's yes is taken.
    for (name, value) in [("LANG", "de_DE.UTF-8"), ("COO_LLM_MODEL", "another")] {
        let ran = world.coo_with(&APPROVE, name, value);
        assert_eq!(ran.code, 1, "{ran:?}");
        let words = [
            "the environment differs from the one it began with",
            "manifests: out of date, 1 difference",
        ];
        assert!(
            words.iter().any(|words| ran.stderr.contains(words)),
            "{ran:?}"
        );
        assert_eq!(stage(&world), "CEO_REVIEW");
    }
    done(&world.coo(&["freeze"]));
    let ran = approve(&world);
    assert!(
        ran.stderr.contains("when that is lifted, answer again"),
        "{ran:?}"
    );
    done(&world.coo_with_input(&["freeze", "lift"], b"LIFT_FREEZE\n"));
    done(&approve(&world));
    assert_eq!(stage(&world), "CEO_FINAL_REVIEW");
    // Its freeze is its own.
    let ran = world.coo_with_input(&["freeze", "lift"], b"LIFT_FREEZE\n");
    assert!(
        ran.stderr
            .contains("belongs to PIPELINE-000001 and ends with that"),
        "{ran:?}"
    );
}

/// A no is taken anywhere, wherever the change stands.
#[test]
fn a_change_can_be_given_up_in_the_middle_and_in_another_environment() {
    let amended = picture(&repo(&at_first_review()));
    let points = points(at_first_review, &APPROVE);
    let half = 1 + points.iter().position(|point| point == "gate.a").unwrap();
    let world = at_first_review();
    faulty(&world, &APPROVE, &format!("kill:{half}"));
    assert_eq!(stage(&world), "GATES");
    let elsewhere = |arguments: &[&str], input: &[u8]| {
        let input = world.file("input", input);
        let mut command = world.command(arguments);
        command
            .env("LANG", "de_DE.UTF-8")
            .stdin(fs::File::open(input).unwrap());
        crate::support::ran(command.output().unwrap())
    };
    let ran = elsewhere(&["pipeline", "resume", ID], YES);
    assert!(
        ran.stderr
            .contains("'coo pipeline reject PIPELINE-000001' abandons it"),
        "{ran:?}"
    );
    let ran = elsewhere(&["pipeline", "reject", ID, "--reason", "lost"], YES);
    assert_eq!(ran.code, 0, "{ran:?}");
    ended(&world, "GATES", &amended);
    let ran = world.coo(&["pipeline", "reject", ID]);
    assert!(ran.stderr.contains("has ended in QUESTION"), "{ran:?}");
}

/// A rollback takes nothing away that can't be had again: what somebody else did meanwhile is in
/// a baseline, and what no engine reads comes back with its folder.
#[test]
fn nobodys_work_is_lost_in_a_rollback() {
    let world = world(|world| {
        let config = config().replace("[\"**/__pycache__\"]", "[\"**/*.local\"]");
        world.file("repo/coo.toml", config);
        world.file("repo/old/settings.local", "mine");
        world.file("repo/settings.local", "mine, too");
    });
    start(&world);
    let amended = picture(&repo(&world));
    done(&approve(&world));
    assert!(!repo(&world).join("old").exists());
    world.file("repo/notes.txt", "my work");
    world.file("repo/new/core.py", "my edit");
    let ran = world.coo_with_input(&["pipeline", "reject", ID], YES);
    done(&ran);
    assert!(ran.stderr.contains("entries that differ now: "), "{ran:?}");
    ended(&world, "CEO_FINAL_REVIEW", &amended);
    let kept = "before-PIPELINE-000001";
    assert!(ran.stderr.contains(kept), "{ran:?}");
    // Not over the repository, of which it has a part alone.
    let refused = world.coo(&["amu0", "restore", kept, "--tree", "repo"]);
    assert!(
        refused.stderr.contains("name an empty folder"),
        "{refused:?}"
    );
    fs::create_dir(world.path().join("again")).unwrap();
    done(&world.coo(&["amu0", "restore", kept, "--tree", "again"]));
    let read = |name: &str| fs::read_to_string(world.path().join("again").join(name)).unwrap();
    assert_eq!(
        (read("notes.txt").as_str(), read("new/core.py").as_str()),
        ("my work", "my edit")
    );
}

/// A freeze that was lifted by force is no freeze.
#[test]
fn a_freeze_that_ended_meanwhile_stops_it() {
    let world = at_last_review();
    let amended = picture(&repo(&at_first_review()));
    let config = world.root().join("config.json");
    super::set_mode(&config, 0o644);
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text + " ").unwrap();
    done(&world.coo_with_input(&["freeze", "lift"], b"LIFT_CHANGED_FREEZE\n"));
    let input = world.coo_with_input(&APPROVE, YES);
    assert_eq!(input.code, 1);
    assert!(
        input.stderr.contains("freeze 1: was lifted meanwhile"),
        "{input:?}"
    );
    ended(&world, "CEO_FINAL_REVIEW", &amended);
}

#[test]
fn what_cannot_begin_changes_nothing() {
    let refused = |world: &World, arguments: &[&str], words: &str| {
        let before = picture(&repo(world));
        let ran = world.coo(arguments);
        assert_eq!(ran.code, 1, "{words}: {ran:?}");
        assert!(ran.stderr.contains(words), "{words}: {ran:?}");
        assert!(picture(&repo(world)) == before);
    };
    for section in ["migrate", "tests", "scan", "lint"] {
        let cut = |world: &World| {
            let config = config();
            let (before, after) = config.split_once(&format!("[{section}]\n")).unwrap();
            let after = after.split_once("\n[").map_or("", |(_, rest)| rest);
            world.file("repo/coo.toml", format!("{before}[{after}"));
        };
        let words = format!("has no section [{section}]; write one");
        refused(&world(cut), &START, &words);
    }
    let world = at_first_review();
    refused(
        &world,
        &START,
        "PIPELINE-000001: is under way for this repository",
    );
    refused(
        &world,
        &["pipeline", "status", "PIPELINE-000002"],
        "Change 'PIPELINE-000002' not found",
    );
    refused(&world, &["pipeline", "resume", "x"], "Change 'x' not found");
    refused(
        &world,
        &["pipeline", "rollback", ID],
        "is in CEO_REVIEW and has nothing to roll back",
    );
    refused(&world, &["pipeline", "bundle", ID], "has not ended");
    let world = at_last_review();
    done(&approve(&world));
    refused(
        &world,
        &APPROVE,
        "is not waiting for a review, it is in COMPLETE",
    );
    done(&world.coo(&["pipeline", "resume", ID]));
}

/// Somebody changed what is frozen: the change goes no further until that is settled.
#[test]
fn a_root_that_was_changed_while_it_was_frozen_stops_everything() {
    let world = at_last_review();
    let config = world.root().join("config.json");
    super::set_mode(&config, 0o644);
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text + " ").unwrap();
    let ran = approve(&world);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr
            .contains("was changed since freeze 1: config.json"),
        "{ran:?}"
    );
    fs::write(
        &config,
        fs::read_to_string(&config).unwrap().trim_end_matches(' '),
    )
    .unwrap();
    super::set_mode(&config, 0o444);
    done(&approve(&world));
    assert_eq!(stage(&world), "COMPLETE");
}

/// A key that the suite finds somewhere and prints is in nothing that is written down.
#[test]
fn no_secret_is_written_down() {
    let world = world(|world| {
        world.file("key", "sk-or-v1-0123456789");
        world.file("repo/checks/more.sh", "cat ../key; exit 3\n");
    })
    .with("OPENROUTER_API_KEY", "sk-or-v1-0123456789");
    start(&world);
    let ran = approve(&world);
    assert!(ran.stderr.contains("ended with exit code 3"), "{ran:?}");
    assert!(!ran.stderr.contains("sk-or-v1"), "{ran:?}");
    assert_eq!(super::roll_back(&world).code, 1);
    let why = status(&world)["failure"]["why"].clone();
    assert!(why.as_str().unwrap().contains("[left out]"), "{why}");
    for (path, content) in world.root_files() {
        let content = String::from_utf8_lossy(&content);
        assert!(!content.contains("sk-or-v1"), "{}", path.display());
    }
}

/// A record that was changed later is not gone on with.
#[test]
fn a_forged_record_is_refused() {
    let world = at_first_review();
    world
        .database("coo.db")
        .execute_batch(
            "DROP TRIGGER change_events_never_change; \
             UPDATE change_events SET body = replace(body, '1.1.0', '1.1.1') WHERE kind = 'begun';",
        )
        .unwrap();
    for command in ["status", "approve", "resume", "log"] {
        let ran = world.coo(&["pipeline", command, ID]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(
            ran.stderr.contains("journal broken at event 1"),
            "{command}: {ran:?}"
        );
    }
    let journal = world.database("coo.db");
    let refused = journal
        .execute("DELETE FROM change_events", [])
        .unwrap_err();
    assert!(refused.to_string().contains("events are immutable"));
}
