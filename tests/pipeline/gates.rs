//! `coo gates` on its own: judges what lies there, writes nothing, and takes the results of tests
//! from a run that somebody else has made.

use std::fs;

use insta::assert_snapshot;
use serde_json::json;

use super::{config, done, repo, world};
use crate::support::tree::picture;
use crate::support::{World, shown};

/// As the repository is after its migration.
fn after() -> World {
    world(|world| {
        let repo = repo(world);
        fs::rename(repo.join("old"), repo.join("new")).unwrap();
        world.file("repo/new/core.py", "import new.shapes\n");
        world.file("repo/checks/test_core.py", "from new.core import area\n");
    })
}

#[test]
fn a_repository_is_judged_and_left_alone() {
    let world = after();
    let before = picture(&repo(&world));
    assert_snapshot!(world.told("gates repo"), @r"
    $ coo gates repo
    Gates
      A Repo Unification Integrity  PASS
      B Deterministic Modules       PASS
      C Sandbox Security            PASS
      D Test Suite Integrity        PASS
      E Governance Integrity        PASS
      F Deterministic Replay        PASS
      Result: PASS
    --- exit 0
    ");
    assert!(picture(&repo(&world)) == before);
    // Who wants nothing but an answer gets no state root.
    assert!(!world.root().exists());
    let first = world.coo(&["gates", "repo", "--json"]);
    done(&first);
    assert_eq!(first, world.coo(&["gates", "repo", "--json"]));
}

#[test]
fn after_a_gate_that_failed_none_is_passed() {
    let world = after();
    world.file("repo/docs/more.md", "The board approves it.\n");
    assert_snapshot!(world.told("gates repo"), @"
    $ coo gates repo
    Gates
      A Repo Unification Integrity  PASS
      B Deterministic Modules       PASS
      C Sandbox Security            PASS
      D Test Suite Integrity        PASS
      E Governance Integrity        FAIL
        docs/more.md:1: Approves
      F Deterministic Replay        NOT RUN
      Result: FAIL
    --- standard error
    ERROR: gate E (Governance Integrity): 1 finding; the gates after it were not run
    hint: correct the findings and run the gates again
    --- exit 3
    ");
    let results: serde_json::Value =
        serde_json::from_str(&world.coo(&["gates", "repo", "--json"]).stdout).unwrap();
    assert_eq!(results["status"], "FAIL");
    assert_eq!(results["gates"][5]["status"], "NOT_RUN");
}

#[test]
fn the_old_package_may_be_nowhere() {
    let world = after();
    world.file("repo/old/left.txt", "");
    world.file("repo/checks/late.py", "import old.core\nold.core.area(1)\n");
    assert_snapshot!(world.told("gates repo"), @"
    $ coo gates repo
    Gates
      A Repo Unification Integrity  FAIL
        old/left.txt: is of the old package
        old: the folder of the old package is there
        checks/late.py:1: old.core means the old package
        checks/late.py:2: old means the old package
      B Deterministic Modules       NOT RUN
      C Sandbox Security            NOT RUN
      D Test Suite Integrity        NOT RUN
      E Governance Integrity        NOT RUN
      F Deterministic Replay        NOT RUN
      Result: FAIL
    --- standard error
    ERROR: gate A (Repo Unification Integrity): 4 findings; the gates after it were not run
    hint: correct the findings and run the gates again
    --- exit 3
    ");
}

/// A command that runs the old package is wrong wherever it stands in a migrated file.
#[test]
fn the_old_package_may_be_run_by_nobody() {
    let world = after();
    world.file(
        "repo/new/__main__.py",
        "\"\"\"`python -m old`: the tool.\"\"\"\n\n# or python3 -Im old.core, as before\n",
    );
    world.file(
        "repo/checks/notes.py",
        "def f():\n    'Run python -m old.core.'\n",
    );
    assert_snapshot!(world.told("gates repo"), @"
    $ coo gates repo
    Gates
      A Repo Unification Integrity  FAIL
        checks/notes.py:2: -m old.core means the old package
        new/__main__.py:1: -m old means the old package
        new/__main__.py:3: -Im old.core means the old package
      B Deterministic Modules       NOT RUN
      C Sandbox Security            NOT RUN
      D Test Suite Integrity        NOT RUN
      E Governance Integrity        NOT RUN
      F Deterministic Replay        NOT RUN
      Result: FAIL
    --- standard error
    ERROR: gate A (Repo Unification Integrity): 3 findings; the gates after it were not run
    hint: correct the findings and run the gates again
    --- exit 3
    ");
}

/// What the environment says of models is nobody's evidence.
#[test]
fn gates_do_not_ask_the_environment_for_a_model() {
    let world = after();
    world.triage_descriptor();
    fs::rename(
        world.path().join("triage.json"),
        repo(&world).join("missions/triage.json"),
    )
    .unwrap();
    let asks = config().replace("[\"missions/reference.json\"]", "[]");
    world.file("repo/coo.toml", asks);
    done(&world.coo_with(&["gates", "repo"], "COO_LLM_MODEL", "another"));
}

#[test]
fn a_package_that_is_nowhere_is_no_pass() {
    let world = world(|world| fs::remove_dir_all(repo(world).join("old")).unwrap());
    world.file("repo/coo.toml", config().replace("\"new/**/*.py\", ", ""));
    assert_snapshot!(world.told("gates repo"), @"
    $ coo gates repo
    Gates
      A Repo Unification Integrity  FAIL
        new: the new package has no file
        checks/test_core.py:1: old.core means the old package
      B Deterministic Modules       NOT RUN
      C Sandbox Security            NOT RUN
      D Test Suite Integrity        NOT RUN
      E Governance Integrity        NOT RUN
      F Deterministic Replay        NOT RUN
      Result: FAIL
    --- standard error
    ERROR: gate A (Repo Unification Integrity): 2 findings; the gates after it were not run
    hint: correct the findings and run the gates again
    --- exit 3
    ");
}

#[test]
fn results_of_tests_can_come_from_a_run_that_was_made_before() {
    let world = after();
    // The suite itself would fail.
    world.file("repo/checks/more.sh", "expect false\n");
    assert_eq!(world.coo(&["gates", "repo"]).code, 3);
    let pass = |name: &str, content: &str| {
        world.file(name, content);
        world.coo(&["gates", "repo", "--tested", name])
    };
    done(&pass(
        "lines.txt",
        "running 2 tests\ntest result: ok. 2 passed; 0 failed; 0 ignored; 0 measured\n",
    ));
    done(&pass(
        "report.xml",
        "<testsuites><testsuite><testcase/></testsuite></testsuites>",
    ));
    let mut told = String::new();
    for (name, content) in [
        ("lines.txt", "1 passed, 1 failed\n"),
        ("lines.txt", "0 passed, 0 failed\n"),
        (
            "report.xml",
            "<testsuite><testcase><failure/></testcase></testsuite>",
        ),
        ("lines.txt", "fine\n"),
    ] {
        let ran = pass(name, content);
        told += &shown(&format!("gates repo --tested {name}"), &ran);
    }
    assert_snapshot!(told, @"
    $ coo gates repo --tested lines.txt
    Gates
      A Repo Unification Integrity  PASS
      B Deterministic Modules       PASS
      C Sandbox Security            PASS
      D Test Suite Integrity        FAIL
        tests: 1 passed, 1 failed, 0 skipped, exit code 1; all must pass, and at least one
      E Governance Integrity        NOT RUN
      F Deterministic Replay        NOT RUN
      Result: FAIL
    --- standard error
    ERROR: gate D (Test Suite Integrity): 1 finding; the gates after it were not run
    hint: correct the findings and run the gates again
    --- exit 3
    $ coo gates repo --tested lines.txt
    Gates
      A Repo Unification Integrity  PASS
      B Deterministic Modules       PASS
      C Sandbox Security            PASS
      D Test Suite Integrity        FAIL
        tests: 0 passed, 0 failed, 0 skipped, exit code 0; all must pass, and at least one
      E Governance Integrity        NOT RUN
      F Deterministic Replay        NOT RUN
      Result: FAIL
    --- standard error
    ERROR: gate D (Test Suite Integrity): 1 finding; the gates after it were not run
    hint: correct the findings and run the gates again
    --- exit 3
    $ coo gates repo --tested report.xml
    Gates
      A Repo Unification Integrity  PASS
      B Deterministic Modules       PASS
      C Sandbox Security            PASS
      D Test Suite Integrity        FAIL
        tests: 0 passed, 1 failed, 0 skipped, exit code 1; all must pass, and at least one
      E Governance Integrity        NOT RUN
      F Deterministic Replay        NOT RUN
      Result: FAIL
    --- standard error
    ERROR: gate D (Test Suite Integrity): 1 finding; the gates after it were not run
    hint: correct the findings and run the gates again
    --- exit 3
    $ coo gates repo --tested lines.txt
    --- standard error
    ERROR: test results lines.txt: ends with no closing line of pytest, unittest, cargo test or nextest, and none of the form 'N passed, N failed'
    hint: have the test command write JUnit XML to {report}
    --- exit 1
    ");
    let none = world.coo(&["gates", "repo", "--tested", "none.txt"]);
    assert_snapshot!(shown("gates repo --tested none.txt", &none), @"
    $ coo gates repo --tested none.txt
    --- standard error
    ERROR: test results none.txt: can't be opened: No such file or directory (os error 2)
    --- exit 1
    ");
}

#[test]
fn gate_c_names_each_difference_from_the_module_manifest() {
    let world = after();
    let gates = "[gates]\nmodule_set = 'missions'\nsandbox_digest = 'digest.txt'\n\
        module_manifest = 'modules.json'\n";
    world.file("repo/coo.toml", config().replace("[gates]\n", gates));
    let pin = || {
        let arguments = [
            "digest",
            "--modules",
            "repo/missions",
            "--write",
            "repo/modules.json",
        ];
        let printed = world.coo(&arguments).stdout;
        let set = printed.lines().last().unwrap();
        world.file("repo/digest.txt", set);
    };
    pin();
    done(&world.coo(&["gates", "repo"]));
    // The digest is pinned, and the module manifest is another set's.
    let manifest = world.path().join("repo/modules.json");
    let pinned = fs::read_to_string(&manifest).unwrap();
    world.wasm(
        "repo/missions/extra.wasm",
        "(module (func (export \"_start\")))",
    );
    pin();
    fs::write(&manifest, &pinned).unwrap();
    assert_snapshot!(shown("gates repo", &world.coo(&["gates", "repo"])), @"
    $ coo gates repo
    Gates
      A Repo Unification Integrity  PASS
      B Deterministic Modules       PASS
      C Sandbox Security            FAIL
        module manifest modules.json: module extra.wasm: there, and not pinned
      D Test Suite Integrity        NOT RUN
      E Governance Integrity        NOT RUN
      F Deterministic Replay        NOT RUN
      Result: FAIL
    --- standard error
    ERROR: gate C (Sandbox Security): 1 finding; the gates after it were not run
    hint: correct the findings and run the gates again
    --- exit 3
    ");
    let later = pinned.replace("coo-module-manifest/1", "coo-module-manifest/2");
    fs::write(&manifest, later).unwrap();
    assert_snapshot!(shown("gates repo", &world.coo(&["gates", "repo"])), @"
    $ coo gates repo
    Gates
      A Repo Unification Integrity  PASS
      B Deterministic Modules       PASS
      C Sandbox Security            FAIL
        module manifest modules.json: has format 'coo-module-manifest/2', this build reads 'coo-module-manifest/1'; use the coo that wrote it
      D Test Suite Integrity        NOT RUN
      E Governance Integrity        NOT RUN
      F Deterministic Replay        NOT RUN
      Result: FAIL
    --- standard error
    ERROR: gate C (Sandbox Security): 1 finding; the gates after it were not run
    hint: correct the findings and run the gates again
    --- exit 3
    ");
    fs::remove_file(&manifest).unwrap();
    assert_snapshot!(shown("gates repo", &world.coo(&["gates", "repo"])), @"
    $ coo gates repo
    Gates
      A Repo Unification Integrity  PASS
      B Deterministic Modules       PASS
      C Sandbox Security            FAIL
        file <repository>/modules.json: can't be opened: No such file or directory (os error 2)
      D Test Suite Integrity        NOT RUN
      E Governance Integrity        NOT RUN
      F Deterministic Replay        NOT RUN
      Result: FAIL
    --- standard error
    ERROR: gate C (Sandbox Security): 1 finding; the gates after it were not run
    hint: correct the findings and run the gates again
    --- exit 3
    ");
    let alone = "[gates]\nmodule_manifest = 'modules.json'\n";
    world.file("repo/coo.toml", config().replace("[gates]\n", alone));
    assert_snapshot!(shown("gates repo", &world.coo(&["gates", "repo"])), @"
    $ coo gates repo
    Gates
      A Repo Unification Integrity  PASS
      B Deterministic Modules       PASS
      C Sandbox Security            FAIL
        [gates] module_manifest modules.json: has no module_set beside it; name the folder of the modules
      D Test Suite Integrity        NOT RUN
      E Governance Integrity        NOT RUN
      F Deterministic Replay        NOT RUN
      Result: FAIL
    --- standard error
    ERROR: gate C (Sandbox Security): 1 finding; the gates after it were not run
    hint: correct the findings and run the gates again
    --- exit 3
    ");
}

#[test]
fn the_module_set_is_judged_as_audit_judges_it() {
    let world = after();
    let with = |digest: &str| {
        world.file("repo/digest.txt", digest);
        let more = "[gates]\nmodule_set = 'missions'\nsandbox_digest = 'digest.txt'\n";
        world.file("repo/coo.toml", config().replace("[gates]\n", more));
        world.coo(&["gates", "repo"])
    };
    let digest = world.coo(&["digest", "--modules", "repo/missions"]).stdout;
    let digest = digest
        .lines()
        .last()
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap()
        .to_owned();
    done(&with(&format!("{digest}\n")));
    let other = with("00\n");
    assert_snapshot!(shown("gates repo", &other), @"
    $ coo gates repo
    Gates
      A Repo Unification Integrity  PASS
      B Deterministic Modules       PASS
      C Sandbox Security            FAIL
        module set missions: has SHA-256 <sha256>, pinned is '00'
      D Test Suite Integrity        NOT RUN
      E Governance Integrity        NOT RUN
      F Deterministic Replay        NOT RUN
      Result: FAIL
    --- standard error
    ERROR: gate C (Sandbox Security): 1 finding; the gates after it were not run
    hint: correct the findings and run the gates again
    --- exit 3
    ");
    // The snapshot masks digests.
    let found = format!("has SHA-256 {digest}, pinned is '00'");
    assert!(other.stdout.contains(&found), "{other:?}");
    world.wasm("repo/missions/net.wasm", r#"(module (import "wasi_snapshot_preview1" "sock_send" (func (param i32 i32 i32 i32 i32) (result i32))) (func (export "_start")))"#);
    world.file("repo/missions/broken.wasm", "not wasm");
    let digest = world.coo(&["digest", "--modules", "repo/missions"]).stdout;
    let digest = digest
        .lines()
        .last()
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap()
        .to_owned();
    let refused = with(&format!("{digest}\n"));
    assert_snapshot!(shown("gates repo", &refused), @"
    $ coo gates repo
    Gates
      A Repo Unification Integrity  PASS
      B Deterministic Modules       PASS
      C Sandbox Security            FAIL
        module broken.wasm: module broken.wasm: not a WebAssembly binary; compile for wasm32-wasip1 or give a component
        module net.wasm: import 'wasi_snapshot_preview1.sock_send' reaches for the network, which is not part of the surface
      D Test Suite Integrity        NOT RUN
      E Governance Integrity        NOT RUN
      F Deterministic Replay        NOT RUN
      Result: FAIL
    --- standard error
    ERROR: gate C (Sandbox Security): 2 findings; the gates after it were not run
    hint: correct the findings and run the gates again
    --- exit 3
    ");
}

#[test]
fn nothing_passes_where_there_is_nothing_to_look_at() {
    let world = World::new();
    world.file("repo/coo.toml", "");
    assert_snapshot!(world.told("gates repo"), @"
    $ coo gates repo
    Gates
      A Repo Unification Integrity  FAIL
        nothing to look at: name files in [gates] required, or write [migrate]
      B Deterministic Modules       NOT RUN
      C Sandbox Security            NOT RUN
      D Test Suite Integrity        NOT RUN
      E Governance Integrity        NOT RUN
      F Deterministic Replay        NOT RUN
      Result: FAIL
    --- standard error
    ERROR: gate A (Repo Unification Integrity): 1 finding; the gates after it were not run
    hint: correct the findings and run the gates again
    --- exit 3
    ");
    world.file("repo/coo.toml", "[gates]\nrequired = ['coo.toml']\n");
    assert_snapshot!(world.told("gates repo"), @"
    $ coo gates repo
    Gates
      A Repo Unification Integrity  PASS
      B Deterministic Modules       PASS
      C Sandbox Security            PASS
      D Test Suite Integrity        FAIL
        configuration repo/coo.toml: has no section [tests]; write one
      E Governance Integrity        NOT RUN
      F Deterministic Replay        NOT RUN
      Result: FAIL
    --- standard error
    ERROR: gate D (Test Suite Integrity): 1 finding; the gates after it were not run
    hint: correct the findings and run the gates again
    --- exit 3
    ");
    // Without missions of its own, those that ship are judged.
    let printed = world.coo(&["gates", "repo", "--json"]).stdout;
    let results: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(
        results["gates"][1]["evidence"]["missions"][0]["mission"],
        "demo"
    );
    assert_eq!(results["gates"][2]["status"], "PASS");
    assert_eq!(results["gates"][3]["evidence"], json!(null));
}
