//! `coo migrate run`: the migration on its own, for whoever wants nothing else. And `coo migrate
//! plan`, which changes nothing.

use std::fs;

use insta::assert_snapshot;

use super::{YES, config, done, repo, text, world};
use crate::support::tree::picture;
use crate::support::{World, shown};

const ID: &str = "MIGRATION-000001";

#[test]
fn a_package_moves_with_all_that_imports_it() {
    let world = world(|world| {
        // No rulesets, no amendments: nothing of that is needed.
        let config = config();
        let migrate = config.split_once("[migrate]").unwrap().1;
        let (migrate, _) = migrate.split_once("[gates]").unwrap();
        world.file("repo/coo.toml", format!("[migrate]{migrate}"));
    });
    let before = picture(&repo(&world));
    done(&world.coo(&["migrate", "plan", "repo"]));
    assert!(picture(&repo(&world)) == before && !world.root().exists());
    let ran = world.coo(&["migrate", "run", "repo"]);
    assert_snapshot!(shown("migrate run repo", &ran), @"
    $ coo migrate run repo
    MIGRATION-000001
      Repository: <world>/repo
      Baseline: 14 files, 2374 bytes, <sha256…>
      Snapshot 1: 4 passed, 0 failed, 0 skipped, exit code 0
      Snapshot 2: 4 passed, 0 failed, 0 skipped, exit code 0
      Evidence: .coo/changes/000001
      Chain: <sha256>
      Stage: COMPLETE
    --- standard error
    [coo] MIGRATION-000001 CAPTURE_AMU0
    [coo] MIGRATION-000001 MIGRATION_SEQUENCE
    [coo] MIGRATION-000001 tests for snapshot 1
    [coo] MIGRATION-000001 tests for snapshot 2
    --- exit 0
    ");
    let after = picture(&repo(&world));
    assert_eq!(
        text(&after, "new/__init__.py").unwrap(),
        "from .core import area\n"
    );
    assert!(!after.keys().any(|path| path.starts_with("old")));
    // Missions go on meanwhile: nothing was frozen.
    assert_eq!(world.json(&["freeze", "status"])["is_frozen"], false);
    // Its evidence is on record, and all of it lies there.
    let check = world.json(&["artefacts", "check"]);
    assert_eq!(check["in_order"], true, "{check}");
    assert_eq!(check["reports"], 5, "{check}");
    let again = world.coo(&["migrate", "run", "repo"]);
    assert_snapshot!(shown("migrate run repo", &again), @"
    $ coo migrate run repo
    --- standard error
    ERROR: folder old: has no files, so nothing would move
    hint: correct [migrate] from
    --- exit 1
    ");
}

#[test]
fn one_that_fails_is_rolled_back_once_a_person_has_said_so() {
    let world = world(|world| drop(world.file("repo/checks/more.sh", "expect test -d old\n")));
    let before = picture(&repo(&world));
    let ran = world.coo(&["migrate", "run", "repo"]);
    assert_snapshot!(shown("migrate run repo", &ran), @r"
    $ coo migrate run repo
    --- standard error
    [coo] MIGRATION-000001 CAPTURE_AMU0
    [coo] MIGRATION-000001 MIGRATION_SEQUENCE
    [coo] MIGRATION-000001 tests for snapshot 1
    [coo] MIGRATION-000001 tests for snapshot 2
    [coo] the tests printed last (all of it is in .coo/changes/000001/tests_2.txt):\n  failed: test -d old\n  4 passed, 1 failed
    [coo] MIGRATION-000001 MIGRATION_SEQUENCE: tests for snapshot 2: 4 passed, 1 failed, 0 skipped, exit code 1; all must pass, and at least one
    [coo] MIGRATION-000001: the repository is restored to its baseline; entries that differ now: checks/test_core.py, new, new/__init__.py, new/core.py, new/deep and 12 more
    Type 'CONFIRM_ROLLBACK' to proceed
    ERROR: RollbackAbortedException: rollback of MIGRATION-000001: nothing was typed, and only CONFIRM_ROLLBACK counts; nothing was rolled back
    hint: run 'coo pipeline rollback MIGRATION-000001' again and type CONFIRM_ROLLBACK, or first make an empty file CONFIRM_ROLLBACK in the state root
    --- exit 1
    ");
    let ran = world.coo_with_input(&["pipeline", "rollback", ID], YES);
    assert_snapshot!(shown("pipeline rollback MIGRATION-000001", &ran), @"
    $ coo pipeline rollback MIGRATION-000001
    MIGRATION-000001
      Repository: <world>/repo
      Baseline: 15 files, 2901 bytes, <sha256…>
      Snapshot 1: 5 passed, 0 failed, 0 skipped, exit code 0
      Snapshot 2: 4 passed, 1 failed, 0 skipped, exit code 1
      Rollback: done
      Evidence: .coo/changes/000001
      Chain: <sha256>
      Stage: QUESTION
    --- standard error
    [coo] MIGRATION-000001: the repository is restored to its baseline; entries that differ now: checks/test_core.py, new, new/__init__.py, new/core.py, new/deep and 12 more
    Type 'CONFIRM_ROLLBACK' to proceed
    [coo] MIGRATION-000001: the present state of the repository is kept as baseline before-MIGRATION-000001; 'coo amu0 restore before-MIGRATION-000001 --tree FOLDER' puts it into an empty folder
    [coo] MIGRATION-000001 rolled back
    ERROR: MIGRATION-000001: failed in MIGRATION_SEQUENCE: tests for snapshot 2: 4 passed, 1 failed, 0 skipped, exit code 1; all must pass, and at least one
    hint: .coo/changes/000001/question.json says what can be done
    --- exit 1
    ");
    assert!(picture(&repo(&world)) == before);
    let status = world.json(&["pipeline", "status", ID]);
    assert_eq!(status["stage"], "QUESTION");
    assert_eq!(status["rollback"], "done");
    // The state root is none of a migration's business.
    assert_eq!(world.list(&["rollback", "--log"]), serde_json::json!([]));
}

#[test]
fn open_questions_let_nothing_begin() {
    let world = world(|world| {
        world.file(
            "repo/checks/dynamic.py",
            "import importlib\nimportlib.import_module('old.core')\n",
        );
    });
    let plan = world.coo(&["migrate", "plan", "repo"]);
    assert_snapshot!(shown("migrate plan repo", &plan), @"
    $ coo migrate plan repo
    Migrate old to new
      checks/dynamic.py
        2: QUESTION: 'old.core'
          names the moved package in a call, at run time; 'new.core', or leave it
      checks/test_core.py
        1: old.core -> new.core
      old/__init__.py -> new/__init__.py
      old/core.py -> new/core.py
        1: old.shapes -> new.shapes
        5: old -> new
      old/deep/data.txt -> new/deep/data.txt
      old/run.sh -> new/run.sh
      old/shapes.py -> new/shapes.py
      Read: 7 files
      Moved: 5
      Edits: 3
      Questions: 1
      Result: QUESTION
    --- standard error
    ERROR: migration of old: 1 question open
    hint: answer them in coo.toml: [migrate] imports, calls, strings, annotations, mentions, leave or replace
    --- exit 4
    ");
    let run = world.coo(&["migrate", "run", "repo"]);
    assert_snapshot!(shown("migrate run repo", &run), @"
    $ coo migrate run repo
    --- standard error
    ERROR: migration of old: 1 question open
    hint: 'coo migrate plan' lists them, [migrate] in coo.toml answers them
    --- exit 1
    ");
    assert!(!world.root().exists());
    let answered = config().replace(
        "leave = [",
        "leave = [{ file = 'checks/dynamic.py', text = \"'old.core'\" }, ",
    );
    world.file("repo/coo.toml", answered);
    done(&world.coo(&["migrate", "plan", "repo"]));
}

#[test]
fn what_is_in_the_way_is_named() {
    let cases: [fn(&World); 3] = [
        |world| drop(world.file("repo/new/core.py", "")),
        |world| std::os::unix::fs::symlink("core.py", repo(world).join("old/link.py")).unwrap(),
        |world| {
            drop(world.file(
                "repo/coo.toml",
                config().replace("from = \"old\"", "from = \"none\""),
            ));
        },
    ];
    let mut told = String::new();
    for wrong in cases {
        let world = world(wrong);
        let before = picture(&repo(&world));
        for command in ["plan", "run"] {
            let arguments = ["migrate", command, "repo"];
            let ran = world.coo(&arguments);
            assert_eq!(ran.code, 1, "{ran:?}");
            told += &shown(&arguments.join(" "), &ran);
        }
        assert!(picture(&repo(&world)) == before);
    }
    assert_snapshot!(told, @"
    $ coo migrate plan repo
    --- standard error
    ERROR: file new/core.py: is there already, and one of the package would take its place
    --- exit 1
    $ coo migrate run repo
    --- standard error
    ERROR: file new/core.py: is there already, and one of the package would take its place
    --- exit 1
    $ coo migrate plan repo
    --- standard error
    ERROR: link <world>/repo/old/link.py: is part of the migration and is not a file
    hint: take it out of [migrate], or make it a file
    --- exit 1
    $ coo migrate run repo
    --- standard error
    ERROR: link <world>/repo/old/link.py: is part of the migration and is not a file
    hint: take it out of [migrate], or make it a file
    --- exit 1
    $ coo migrate plan repo
    --- standard error
    ERROR: folder none: has no files, so nothing would move
    hint: correct [migrate] from
    --- exit 1
    $ coo migrate run repo
    --- standard error
    ERROR: folder none: has no files, so nothing would move
    hint: correct [migrate] from
    --- exit 1
    ");
}

#[test]
fn sources_without_a_part_in_it_are_asked_about_and_entries_that_match_nothing_told() {
    let world = world(|world| {
        for (name, content) in [
            (
                "setup.py",
                "from setuptools import setup\n\nfrom old.core import area\n",
            ),
            ("examples/square.py", "import os\n\nimport old.shapes\n"),
            ("examples/other.py", "print 'older'\n"),
            ("tools/gone.py", "import old.shapes\n"),
        ] {
            world.file(&format!("repo/{name}"), content);
        }
        std::os::unix::fs::symlink("setup.py", repo(world).join("link.py")).unwrap();
        let config = config()
            .replace("[\"**/__pycache__\"]", "[\"tools\"]")
            .replace(
                "[migrate]",
                "[migrate]\nstrings = ['checks/*.py', 'check/*.py']\nmentions = ['Makefile']",
            );
        world.file("repo/coo.toml", config);
    });
    let plan = world.coo(&["migrate", "plan", "repo"]);
    assert_snapshot!(shown("migrate plan repo", &plan), @"
    $ coo migrate plan repo
    Migrate old to new
      checks/test_core.py
        1: old.core -> new.core
      examples/square.py
        3: QUESTION: old.shapes
          uses the moved package, and has no part in the migration; name examples/square.py in [migrate] imports, or leave it
      old/__init__.py -> new/__init__.py
      old/core.py -> new/core.py
        1: old.shapes -> new.shapes
        5: old -> new
      old/deep/data.txt -> new/deep/data.txt
      old/run.sh -> new/run.sh
      old/shapes.py -> new/shapes.py
      setup.py
        3: QUESTION: old.core
          uses the moved package, and has no part in the migration; name setup.py in [migrate] imports, or leave it
      Read: 9 files
      Moved: 5
      Edits: 3
      Questions: 2
      Result: QUESTION
    --- standard error
    [coo] [migrate] strings: no file matches check/*.py
    [coo] [migrate] mentions: no file matches Makefile
    ERROR: migration of old: 2 questions open
    hint: answer them in coo.toml: [migrate] imports, calls, strings, annotations, mentions, leave or replace
    --- exit 4
    ");
    let answered = fs::read_to_string(repo(&world).join("coo.toml")).unwrap();
    let answered = answered
        .replace("[\"checks/*.py\"]", "[\"checks/*.py\", \"setup.py\"]")
        .replace(
            "leave = [",
            "leave = [{ file = 'examples/square.py', text = 'old.shapes' }, ",
        );
    world.file("repo/coo.toml", answered);
    let plan = world.json(&["migrate", "plan", "repo"]);
    let files = plan["files"].as_array().unwrap();
    let found = files.iter().find(|file| file["path"] == "setup.py");
    assert_eq!(found.unwrap()["edits"][0]["now"], "new.core");
}

/// What is asked about: file, line and text of every question.
fn asked(world: &World) -> Vec<String> {
    let ran = world.coo(&["migrate", "plan", "repo", "--json"]);
    let plan: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let files = plan["files"].as_array().unwrap().iter();
    let questions = files.flat_map(|file| {
        let questions = file["questions"].as_array().unwrap().iter();
        questions.map(move |question| {
            let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
            format!(
                "{}:{}: {}: {}",
                text(&file["path"]),
                question["line"],
                text(&question["kind"]),
                text(&question["text"])
            )
        })
    });
    let questions: Vec<String> = questions.collect();
    assert_eq!(
        ran.code,
        if questions.is_empty() { 0 } else { 4 },
        "{ran:?}"
    );
    questions
}

/// A world whose package goes to `to`, with these files more.
fn going_to(to: &str, more: &[(&str, &str)]) -> World {
    world(|world| {
        let config = config().replace("to = \"new\"", &format!("to = \"{to}\""));
        world.file("repo/coo.toml", config);
        for (path, content) in more {
            world.file(&format!("repo/{path}"), content);
        }
    })
}

#[test]
fn what_the_new_name_means_already_is_asked_about() {
    for (to, more, expected) in [
        (
            "helpers",
            &[("helpers.py", "def f(): ...\n")][..],
            &["helpers.py:1: taken_name: helpers"][..],
        ),
        (
            "lib/new",
            &[("lib.py", "x = 1\n")],
            &[
                "lib.py:1: taken_name: lib",
                "lib/__init__.py:1: no_package: lib/__init__.py",
            ],
        ),
        (
            "json",
            &[("old/report.py", "import json\n")],
            &[
                "coo.toml:1: taken_name: json",
                "old/report.py:1: taken_name: json",
            ],
        ),
        (
            "requests",
            &[("checks/net.py", "from requests import get\n")],
            &["checks/net.py:1: taken_name: requests"],
        ),
        (
            "new",
            &[("checks/new/__init__.py", "")],
            &["checks/new/__init__.py:1: taken_name: new"],
        ),
        (
            "far/new",
            &[],
            &["far/__init__.py:1: no_package: far/__init__.py"],
        ),
        ("far/new", &[("far/__init__.py", "")], &[]),
        ("new", &[("newer.py", "import json\n")], &[]),
    ] {
        assert_eq!(asked(&going_to(to, more)), expected, "{to} {more:?}");
    }
    // Whoever says that it is meant goes on, and nobody else.
    let world = going_to("helpers", &[("helpers.py", "")]);
    let run = world.coo(&["migrate", "run", "repo"]);
    assert_snapshot!(shown("migrate run repo", &run), @"
    $ coo migrate run repo
    --- standard error
    ERROR: migration of old: 1 question open
    hint: 'coo migrate plan' lists them, [migrate] in coo.toml answers them
    --- exit 1
    ");
    let answer = "leave = [{ file = 'helpers.py', text = 'helpers' }, ";
    let config = fs::read_to_string(repo(&world).join("coo.toml")).unwrap();
    world.file("repo/coo.toml", config.replace("leave = [", answer));
    assert_eq!(asked(&world), [""; 0]);
}

#[test]
fn gate_a_tells_a_module_that_has_the_new_name() {
    let world = world(|_| {});
    done(&world.coo(&["migrate", "run", "repo"]));
    world.file("repo/new.py", "");
    let ran = world.coo(&["gates", "repo", "--json"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(
        ran.stdout
            .contains("new.py: new is the module of this name"),
        "{ran:?}"
    );
}

#[test]
fn what_can_not_be_read_is_asked_about_and_what_python_reads_is_rewritten() {
    let world = world(|world| {
        for (path, content) in [
            // As Python reads it, however far in it is.
            (
                "old/lazy.py",
                "def f():\n    from old.core import (\narea,\n)\n    return area\n",
            ),
            // Outside of `imports`, nothing is passed over in silence.
            ("setup.py", "import os\nprint 'old.core'\n"),
            (
                "tools/lazy.py",
                "def f():\n    from old.core import (\narea)\n",
            ),
            ("tools/mixed.py", "if x:\n        import old\n\ty\n"),
            ("tools/other.py", "print 'older'\n"),
            ("bin/tool", "#!/usr/bin/env python3\nimport old.core\n"),
            ("checks/model.pkl", "cold.core\nArea\np0\n."),
            ("Makefile", "run:\n\tpython -m old\n"),
        ] {
            world.file(&format!("repo/{path}"), content);
        }
    });
    assert_eq!(
        asked(&world),
        [
            "bin/tool:2: outside_scope: old.core",
            "checks/model.pkl:1: mention: old.core",
            "setup.py:2: unfollowed: print 'old.core'",
            "tools/lazy.py:2: outside_scope: old.core",
            "tools/mixed.py:2: unfollowed: import old",
        ]
    );
    let plan = world.coo(&["migrate", "plan", "repo"]);
    assert_snapshot!(shown("migrate plan repo", &plan), @"
    $ coo migrate plan repo
    Migrate old to new
      bin/tool
        2: QUESTION: old.core
          uses the moved package, and has no part in the migration; name bin/tool in [migrate] mentions, or leave it
      checks/model.pkl
        1: QUESTION: old.core
          is a module of the moved package that a pickle names; make it again after the move, or leave it
      checks/test_core.py
        1: old.core -> new.core
      old/__init__.py -> new/__init__.py
      old/core.py -> new/core.py
        1: old.shapes -> new.shapes
        5: old -> new
      old/deep/data.txt -> new/deep/data.txt
      old/lazy.py -> new/lazy.py
        2: old.core -> new.core
      old/run.sh -> new/run.sh
      old/shapes.py -> new/shapes.py
      setup.py
        2: QUESTION: print 'old.core'
          may mean the moved package, in a file that can't be read as Python 3; correct it (line 2, column 7: is no Python 3; correct it first), or leave it
      tools/lazy.py
        2: QUESTION: old.core
          uses the moved package, and has no part in the migration; name tools/lazy.py in [migrate] imports, or leave it
      tools/mixed.py
        2: QUESTION: import old
          may mean the moved package, in a file that can't be read as Python 3; correct it (line 3, column 1: is no Python 3; correct it first), or leave it
      Read: 11 files
      Moved: 6
      Edits: 4
      Questions: 5
      Result: QUESTION
    --- standard error
    [coo] Makefile:2: names the moved package: python -m old; if that is to follow, name Makefile in [migrate] mentions or questions
    ERROR: migration of old: 5 questions open
    hint: answer them in coo.toml: [migrate] imports, calls, strings, annotations, mentions, leave or replace
    --- exit 4
    ");
    // In the package itself it is refused, with its place.
    let mut told = String::new();
    for content in [
        "import old\nif x:\nold.f()\n",
        "import old\nx = 0777\n",
        "import old\nreturn old\n",
    ] {
        world.file("repo/old/broken.py", content);
        let plan = world.coo(&["migrate", "plan", "repo"]);
        told += &shown("migrate plan repo", &plan);
    }
    assert_snapshot!(told, @"
    $ coo migrate plan repo
    --- standard error
    ERROR: file old/broken.py: line 3, column 1: is no Python 3
    hint: correct it first
    --- exit 1
    $ coo migrate plan repo
    --- standard error
    ERROR: file old/broken.py: line 2, column 5: is no Python 3
    hint: correct it first
    --- exit 1
    $ coo migrate plan repo
    --- standard error
    ERROR: file old/broken.py: line 2, column 1: is no Python 3
    hint: correct it first
    --- exit 1
    ");
}

#[test]
fn answers_are_about_a_place_and_each_needs_a_question() {
    let world = world(|world| {
        world.file(
            "repo/checks/names.py",
            "A = 'old.core'\nB = 'old.core'\nC = r'old\\.core'\nD = '\\told.core'\n",
        );
    });
    let answers = |entries: &str| {
        let config = config();
        let (before, after) = config.split_once("[tests]").unwrap();
        world.file(
            "repo/coo.toml",
            format!("{before}{entries}\n[tests]{after}"),
        );
    };
    assert_eq!(
        asked(&world),
        [
            "checks/names.py:1: string: 'old.core'",
            "checks/names.py:2: string: 'old.core'",
            "checks/names.py:3: string: r'old\\.core'",
            "checks/names.py:4: string: '\\told.core'",
        ]
    );
    let entry = |line: usize, text: &str, with: &str| {
        format!(
            "[[migrate.replace]]\nfile = \"checks/names.py\"\nline = {line}\ntext = '''{text}'''\nwith = '''{with}'''\n"
        )
    };
    let all = [
        entry(1, "'old.core'", "'new.core'"),
        "[[migrate.leave]]\nfile = \"checks/names.py\"\nline = 2\ntext = \"'old.core'\"\n"
            .to_owned(),
        entry(3, "r'old\\.core'", "r'new\\.core'"),
        entry(4, "'\\told.core'", "'\\tnew.core'"),
    ];
    let leave = "leave = [{ file = \"old/deep/data.txt\", text = \"old.core stays here\" }]";
    let inline = config();
    assert!(inline.contains(leave));
    // A list in one form and entries in another would be the same key twice.
    let answers = |entries: &str| {
        answers(entries);
        let text = fs::read_to_string(repo(&world).join("coo.toml")).unwrap();
        let more =
            "[[migrate.leave]]\nfile = \"old/deep/data.txt\"\ntext = \"old.core stays here\"\n";
        let text = text
            .replace(leave, "")
            .replace("[tests]", &format!("{more}[tests]"));
        world.file("repo/coo.toml", text);
    };
    answers(&all.concat());
    assert_eq!(asked(&world), [""; 0]);
    done(&world.coo(&["migrate", "run", "repo"]));
    assert_eq!(
        fs::read_to_string(repo(&world).join("checks/names.py")).unwrap(),
        "A = 'new.core'\nB = 'old.core'\nC = r'new\\.core'\nD = '\\tnew.core'\n"
    );
    // An answer that nothing asks for is a mistake.
    let world = going_to("new", &[("checks/names.py", "A = 'old.core'\n")]);
    let config = fs::read_to_string(repo(&world).join("coo.toml")).unwrap();
    let config = config.replace(
        "[tests]",
        &format!("{}[tests]", entry(7, "'old.core'", "x")),
    );
    world.file("repo/coo.toml", config);
    let plan = world.coo(&["migrate", "plan", "repo"]);
    assert_snapshot!(shown("migrate plan repo", &plan), @"
    $ coo migrate plan repo
    --- standard error
    ERROR: [migrate] replace: nothing is asked about ''old.core'' in checks/names.py, line 7
    hint: correct the entry, or take it out
    --- exit 1
    ");
}
