//! Changes that fail, at every stage and at every gate, by what can really be wrong and by a disk
//! that is full: nothing goes on, a person is asked where anything has to go back, the repository
//! ends byte for byte as its baseline has it, and the question says what could be done.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use insta::assert_snapshot;
use serde_json::json;

use super::{
    ID, LEAKS, YES, amend, approve, config, done, evidence_json, evidence_path, repo, stage, start,
    status, world,
};
use crate::support::tree::{Picture, picture};
use crate::support::{Ran, World, shown, steady};

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
pub fn ended(world: &World, failed_in: &str, expected: &Picture) {
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
    let (mut seen, mut told) = (Vec::new(), String::new());
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
            let failed_in = stage_named(kind.1).unwrap_or("GATES");
            told += &ran.error();
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
    assert_snapshot!(told, @"
    ERROR: PIPELINE-000001: failed in INIT: no space left on device (injected at stage.init)
    hint: .coo/changes/000001/question.json says what can be done
    ERROR: PIPELINE-000001: failed in AMENDMENT_PREP: no space left on device (injected at stage.amendment_prep)
    hint: .coo/changes/000001/question.json says what can be done
    ERROR: PIPELINE-000001: failed in AMENDMENT_EXEC: no space left on device (injected at stage.amendment_exec)
    hint: .coo/changes/000001/question.json says what can be done
    ERROR: PIPELINE-000001: failed in AMENDMENT_VERIFY: no space left on device (injected at stage.amendment_verify)
    hint: .coo/changes/000001/question.json says what can be done
    ERROR: PIPELINE-000001: failed in CEO_REVIEW: no space left on device (injected at stage.ceo_review)
    hint: .coo/changes/000001/question.json says what can be done
    ERROR: PIPELINE-000001: failed in FREEZE_PREP: no space left on device (injected at stage.freeze_prep)
    hint: .coo/changes/000001/question.json says what can be done
    ERROR: PIPELINE-000001: failed in FREEZE_ACTIVATED: no space left on device (injected at stage.freeze_activated)
    hint: .coo/changes/000001/question.json says what can be done
    ERROR: PIPELINE-000001: failed in CAPTURE_AMU0: no space left on device (injected at stage.capture_amu0)
    hint: .coo/changes/000001/question.json says what can be done
    ERROR: PIPELINE-000001: failed in MIGRATION_SEQUENCE: no space left on device (injected at stage.migration_sequence)
    hint: .coo/changes/000001/question.json says what can be done
    ERROR: PIPELINE-000001: failed in GATES: no space left on device (injected at stage.gates)
    hint: .coo/changes/000001/question.json says what can be done
    ERROR: PIPELINE-000001: failed in GATES: gate A (Repo Unification Integrity): no space left on device (injected at gate.a)
    hint: .coo/changes/000001/question.json says what can be done
    ERROR: PIPELINE-000001: failed in GATES: gate B (Deterministic Modules): no space left on device (injected at gate.b)
    hint: .coo/changes/000001/question.json says what can be done
    ERROR: PIPELINE-000001: failed in GATES: gate C (Sandbox Security): no space left on device (injected at gate.c)
    hint: .coo/changes/000001/question.json says what can be done
    ERROR: PIPELINE-000001: failed in GATES: gate D (Test Suite Integrity): no space left on device (injected at gate.d)
    hint: .coo/changes/000001/question.json says what can be done
    ERROR: PIPELINE-000001: failed in GATES: gate E (Governance Integrity): no space left on device (injected at gate.e)
    hint: .coo/changes/000001/question.json says what can be done
    ERROR: PIPELINE-000001: failed in GATES: gate F (Deterministic Replay): no space left on device (injected at gate.f)
    hint: .coo/changes/000001/question.json says what can be done
    ERROR: PIPELINE-000001: failed in CEO_FINAL_REVIEW: no space left on device (injected at stage.ceo_final_review)
    hint: .coo/changes/000001/question.json says what can be done
    ");
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

/// What is wrong, and where it shows.
type Case = (&'static str, fn(&World), &'static str);

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
    ),
    (
        "gate E: a leak",
        |world| drop(world.file("repo/docs/more.md", "The agent approves it.\n")),
        "GATES",
    ),
    (
        "gate E: a rule that is not kept",
        |world| drop(world.file("repo/old/evil.py", "eval('1')\n")),
        "GATES",
    ),
    (
        "gate E: another ruleset than the pinned one",
        |world| drop(world.file("repo/rules/leaks.json", LEAKS.replace("approves", "agrees"))),
        "GATES",
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
    ),
    (
        "tests that fail",
        |world| drop(world.file("repo/checks/more.sh", "expect false\n")),
        "MIGRATION_SEQUENCE",
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
    ),
];

#[test]
fn whatever_is_wrong_is_named_and_leads_back_once_a_person_has_said_so() {
    let (mut told, mut same) = (String::new(), BTreeSet::new());
    for (what, wrong, failed_in) in CASES {
        let world = world(wrong);
        start(&world);
        let amended = picture(&repo(&world));
        // Nobody answers.
        let ran = approve(&world);
        assert_eq!(ran.code, 1, "{what}: {ran:?}");
        let failure = format!("[coo] {ID} {failed_in}: ");
        let mut lines = ran.stderr.lines();
        let why = lines.find_map(|line| line.strip_prefix(&failure));
        let why = why.unwrap_or_else(|| panic!("{what}: {ran:?}"));
        writeln!(told, "{what}\n  {failed_in}: {why}").unwrap();
        same.insert(ran.error());
        assert_eq!(stage(&world), "ERROR", "{what}");
        let half = picture(&repo(&world));
        assert!(half != amended, "{what}");
        // It asks by itself once; the next time a person has to.
        let resumed = world.coo_with_input(&["pipeline", "resume", ID], YES);
        assert_eq!(resumed.code, 1);
        let resumed = resumed.stderr.trim_end().replace(why, "<why>");
        same.insert(resumed.replace(failed_in, "<stage>"));
        let refused = world.coo_with_input(&["pipeline", "rollback", ID], b"confirm_rollback\n");
        same.insert(refused.error());
        assert!(picture(&repo(&world)) == half, "{what}");
        let ran = super::roll_back(&world);
        assert_eq!(ran.code, 1, "{what}: {ran:?}");
        ended(&world, failed_in, &amended);
        let log = world.list(&["rollback", "--log"]);
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
    assert_snapshot!(steady(&told), @"
    gate A: what must be there is not
      GATES: gate A (Repo Unification Integrity): new/none/*.py: is required, and no file matches
    gate A: an import that leads nowhere
      GATES: gate A (Repo Unification Integrity): new/lost.py:2: imports new.gone, which is no file
    gate B: a module that fails
      GATES: gate B (Deterministic Modules): mission missions/trap.json: ended FAILED: trap: wasm `unreachable` instruction executed
    gate C: another module set than the pinned one
      GATES: gate C (Sandbox Security): module set missions: has SHA-256 <sha256>, pinned is '00'
    gate D: tests that fail once more
      GATES: gate D (Test Suite Integrity): tests: 4 passed, 1 failed, 0 skipped, exit code 1; all must pass, and at least one; since snapshot 2: tests: 5 passed, 0 failed, 0 skipped, exit code 0, then 4 passed, 1 failed, 0 skipped, exit code 1
    gate E: a leak
      GATES: gate E (Governance Integrity): docs/more.md:1: Approves
    gate E: a rule that is not kept
      GATES: gate E (Governance Integrity): new/evil.py:1: no-eval
    gate E: another ruleset than the pinned one
      GATES: gate E (Governance Integrity): ruleset rules/leaks.json: has SHA-256 <sha256>, <repository>/coo.toml pins <sha256>; take the pinned ruleset, or have the new one approved and pin that
    gate F: a reference mission without its answer
      GATES: gate F (Deterministic Replay): reference mission missions/triage.json: was interrupted (answers come from the frozen store alone): model call: no frozen answer for request <sha256…> (time 1 in this run, model HuggingFaceTB/SmolLM2-135M-Instruct); run the mission once without --frozen to record it
    tests that fail
      MIGRATION_SEQUENCE: tests for snapshot 1: 4 passed, 1 failed, 0 skipped, exit code 1; all must pass, and at least one
    tests that are others once the old package is gone
      MIGRATION_SEQUENCE: SnapshotMismatch: snapshot 2 is not snapshot 1: tests: 5 passed, 0 failed, 0 skipped, exit code 0, then 4 passed, 0 failed, 0 skipped, exit code 0
    tests that write to the repository
      MIGRATION_SEQUENCE: changed by the tests (have them write nothing to the repository, or name it in [repository] exclude): new/stray, out, out/y
    ");
    // Whatever has failed, what is said after it is the same.
    let same: Vec<String> = same.into_iter().collect();
    assert_snapshot!(same.join("\n"), @r"
    ERROR: PIPELINE-000001: failed in <stage>: <why>
    hint: 'coo pipeline rollback PIPELINE-000001' asks for the rollback once more
    ERROR: RollbackAbortedException: rollback of PIPELINE-000001: 'confirm_rollback\n' was typed, and only CONFIRM_ROLLBACK counts; nothing was rolled back
    hint: run 'coo pipeline rollback PIPELINE-000001' again and type CONFIRM_ROLLBACK, or first make an empty file CONFIRM_ROLLBACK in the state root

    ERROR: RollbackAbortedException: rollback of PIPELINE-000001: nothing was typed, and only CONFIRM_ROLLBACK counts; nothing was rolled back
    hint: run 'coo pipeline rollback PIPELINE-000001' again and type CONFIRM_ROLLBACK, or first make an empty file CONFIRM_ROLLBACK in the state root
    ");
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

/// What is wrong, and where it shows.
type Halt = (fn(&World), &'static str);

const HALTS: [Halt; 4] = [
    (|world| amend(world, "[P-9]"), "AMENDMENT_PREP"),
    (
        |world| drop(world.file("repo/docs/plan.md", "- [P-2] Once.\n- [P-2] Twice.\n")),
        "AMENDMENT_PREP",
    ),
    (
        |world| {
            drop(world.file(
                "repo/checks/dynamic.py",
                "import importlib\nimportlib.import_module('old.core')\n",
            ));
        },
        "INIT",
    ),
    (
        |world| drop(world.file("repo/old/broken.py", "def f(old:\n")),
        "INIT",
    ),
];

#[test]
fn what_changed_nothing_asks_nobody() {
    let mut told = String::new();
    for (wrong, failed_in) in HALTS {
        let world = world(wrong);
        let before = picture(&repo(&world));
        let ran = world.coo(&START);
        told += &shown("pipeline start repo", &ran);
        assert!(!ran.stderr.contains("CONFIRM_ROLLBACK"), "{ran:?}");
        if failed_in == "AMENDMENT_PREP" {
            assert!(evidence_path(&world, "escalation_A-1.json").exists());
        }
        let open = evidence_json(&world, "question.json")["open"].clone();
        if ran.stderr.contains("question open") {
            assert_eq!(open[0]["file"], "checks/dynamic.py");
            assert_eq!(open[0]["questions"][0]["kind"], "dynamic_import");
        } else {
            assert_eq!(open, json!([]));
        }
        ended(&world, failed_in, &before);
    }
    assert_snapshot!(told, @"
    $ coo pipeline start repo
    PIPELINE-000001
      Repository: <world>/repo
      Baseline: 14 files, 2882 bytes, <sha256…>
      Evidence: .coo/changes/000001
      Chain: <sha256>
      Stage: QUESTION
    --- standard error
    [coo] PIPELINE-000001 INIT
    [coo] PIPELINE-000001 AMENDMENT_PREP
    [coo] PIPELINE-000001 AMENDMENT_PREP: AmendmentHaltException: amendment A-1: MissingAnchor: anchor '[P-9]' in docs/plan.md; no document was changed
    ERROR: PIPELINE-000001: failed in AMENDMENT_PREP: AmendmentHaltException: amendment A-1: MissingAnchor: anchor '[P-9]' in docs/plan.md; no document was changed
    hint: .coo/changes/000001/question.json says what can be done
    --- exit 1
    $ coo pipeline start repo
    PIPELINE-000001
      Repository: <world>/repo
      Baseline: 14 files, 2856 bytes, <sha256…>
      Evidence: .coo/changes/000001
      Chain: <sha256>
      Stage: QUESTION
    --- standard error
    [coo] PIPELINE-000001 INIT
    [coo] PIPELINE-000001 AMENDMENT_PREP
    [coo] PIPELINE-000001 AMENDMENT_PREP: AmendmentHaltException: amendment A-1: AmbiguousAnchor: anchor '[P-2]' in docs/plan.md; no document was changed
    ERROR: PIPELINE-000001: failed in AMENDMENT_PREP: AmendmentHaltException: amendment A-1: AmbiguousAnchor: anchor '[P-2]' in docs/plan.md; no document was changed
    hint: .coo/changes/000001/question.json says what can be done
    --- exit 1
    $ coo pipeline start repo
    PIPELINE-000001
      Repository: <world>/repo
      Evidence: .coo/changes/000001
      Chain: <sha256>
      Stage: QUESTION
    --- standard error
    [coo] PIPELINE-000001 INIT
    [coo] PIPELINE-000001 INIT: migration of old: 1 question open; 'coo migrate plan' lists them, [migrate] in coo.toml answers them
    ERROR: PIPELINE-000001: failed in INIT: migration of old: 1 question open; 'coo migrate plan' lists them, [migrate] in coo.toml answers them
    hint: .coo/changes/000001/question.json says what can be done
    --- exit 1
    $ coo pipeline start repo
    PIPELINE-000001
      Repository: <world>/repo
      Evidence: .coo/changes/000001
      Chain: <sha256>
      Stage: QUESTION
    --- standard error
    [coo] PIPELINE-000001 INIT
    [coo] PIPELINE-000001 INIT: file old/broken.py: line 1, column 1: is no Python 3; correct it first
    ERROR: PIPELINE-000001: failed in INIT: file old/broken.py: line 1, column 1: is no Python 3; correct it first
    hint: .coo/changes/000001/question.json says what can be done
    --- exit 1
    ");
}

#[test]
fn a_no_at_a_review_takes_back_what_was_done_for_it() {
    let before = picture(&repo(&fresh()));
    let mut told = String::new();
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
        let reject = ["pipeline", "reject", ID, "--reason", "not now"];
        let ran = world.coo_with_input(&reject, YES);
        told += &shown("pipeline reject PIPELINE-000001 --reason 'not now'", &ran);
        ended(&world, failed_in, &expected);
    }
    assert_snapshot!(told, @"
    $ coo pipeline reject PIPELINE-000001 --reason 'not now'
    PIPELINE-000001
      Repository: <world>/repo
      Amendments: 1, of 1 document
      Baseline: 14 files, 2882 bytes, <sha256…>
      Rollback: done
      Evidence: .coo/changes/000001
      Chain: <sha256>
      Stage: QUESTION
    --- standard error
    [coo] PIPELINE-000001: the repository is restored to its baseline; entries that differ now: docs/plan.md
    Type 'CONFIRM_ROLLBACK' to proceed
    [coo] PIPELINE-000001: the present state of the repository is kept as baseline before-PIPELINE-000001; 'coo amu0 restore before-PIPELINE-000001 --tree FOLDER' puts it into an empty folder
    [coo] PIPELINE-000001 rolled back
    [coo] PIPELINE-000001: rejected: not now
    --- exit 0
    $ coo pipeline reject PIPELINE-000001 --reason 'not now'
    PIPELINE-000001
      Repository: <world>/repo
      Amendments: 1, of 1 document
      Baseline: 14 files, 2899 bytes, <sha256…>
      Snapshot 1: 4 passed, 0 failed, 0 skipped, exit code 0
      Snapshot 2: 4 passed, 0 failed, 0 skipped, exit code 0
      Gates: PASS
      Rollback: done
      Evidence: .coo/changes/000001
      Chain: <sha256>
      Stage: QUESTION
    --- standard error
    [coo] PIPELINE-000001: the repository (and the state root) is restored to its baseline; entries that differ now: checks/test_core.py, new, new/__init__.py, new/core.py, new/deep and 12 more
    Type 'CONFIRM_ROLLBACK' to proceed
    [coo] PIPELINE-000001: the present state of the repository is kept as baseline before-PIPELINE-000001; 'coo amu0 restore before-PIPELINE-000001 --tree FOLDER' puts it into an empty folder
    [coo] PIPELINE-000001 rolled back
    [coo] PIPELINE-000001: rejected: not now
    --- exit 0
    ");
}
