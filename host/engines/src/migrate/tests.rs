//! Tests of the migration: what happens to each kind of file, and which inputs are refused.

use super::*;
use crate::repository::config::{Leave, Replace};
use crate::repository::scope::Scope;

fn config() -> Migrate {
    Migrate {
        from: "project_builder".to_owned(),
        to: "coo".to_owned(),
        source: String::new(),
        imports: Scope::new(&["tests/**/*.py"]).unwrap(),
        calls: vec!["import_module".to_owned()],
        strings: Scope::new(&["tests/strings.py"]).unwrap(),
        annotations: Scope::default(),
        mentions: Scope::new(&["pyproject.toml"]).unwrap(),
        questions: Scope::new(&["Makefile", "project_builder/notes.txt"]).unwrap(),
        leave: vec![Leave {
            file: "tests/t.py".to_owned(),
            text: Some("'project_builder'".to_owned()),
            line: None,
        }],
        replace: Vec::new(),
    }
}

fn plan(path: &str, content: &str) -> (Option<String>, String, usize) {
    let config = config();
    let migration = Migration::of(&config).unwrap();
    assert!(migration.has(path), "{path}");
    let planned = migration.plan(path, content.as_bytes()).unwrap();
    let now = planned.content.unwrap_or(content.as_bytes().to_vec());
    (
        planned.becomes,
        String::from_utf8(now).unwrap(),
        planned.questions.len(),
    )
}

#[test]
fn every_file_gets_what_the_configuration_says() {
    let becomes = |path: &str| Some(path.to_owned());
    for (path, content, expected) in [
        (
            "project_builder/a/b.py",
            "from . import c\nimport project_builder.a\nproject_builder.a.f()\n",
            (
                becomes("coo/a/b.py"),
                "from . import c\nimport coo.a\ncoo.a.f()\n",
                0,
            ),
        ),
        (
            "project_builder/data.json",
            "\"project_builder.x\"",
            (becomes("coo/data.json"), "\"project_builder.x\"", 1),
        ),
        // Files of the package itself: certain mentions are asked about, and others where
        // configured.
        (
            "project_builder/words.txt",
            "how project_builder came about\n",
            (
                becomes("coo/words.txt"),
                "how project_builder came about\n",
                0,
            ),
        ),
        (
            "project_builder/notes.txt",
            "how project_builder came about\n",
            (
                becomes("coo/notes.txt"),
                "how project_builder came about\n",
                1,
            ),
        ),
        (
            "project_builder/bin/tool",
            "#!/usr/bin/python3\nimport project_builder.cli\n",
            (
                becomes("coo/bin/tool"),
                "#!/usr/bin/python3\nimport project_builder.cli\n",
                1,
            ),
        ),
        (
            "project_builder/image",
            "\0import project_builder.cli\n",
            (becomes("coo/image"), "\0import project_builder.cli\n", 0),
        ),
        (
            "project_builder/stub.pyi",
            "from . import x\nfrom project_builder.y import z\n",
            (
                becomes("coo/stub.pyi"),
                "from . import x\nfrom coo.y import z\n",
                0,
            ),
        ),
        (
            "tests/t.py",
            "from project_builder import x\nn = 'project_builder'\nimport_module('project_builder.y')\n",
            (
                None,
                "from coo import x\nn = 'project_builder'\nimport_module('coo.y')\n",
                0,
            ),
        ),
        (
            "tests/u.py",
            "n = 'project_builder'\n",
            (None, "n = 'project_builder'\n", 1),
        ),
        (
            "tests/strings.py",
            "n = 'project_builder'\n",
            (None, "n = 'coo'\n", 0),
        ),
        (
            "pyproject.toml",
            "pb = \"project_builder.cli:main\"\n",
            (None, "pb = \"coo.cli:main\"\n", 0),
        ),
        (
            "Makefile",
            "\tpython -m project_builder\n",
            (None, "\tpython -m project_builder\n", 1),
        ),
    ] {
        let (to, now, questions) = plan(path, content);
        assert_eq!((to, now.as_str(), questions), expected, "{path}");
    }
    let config = config();
    let migration = Migration::of(&config).unwrap();
    for none in [
        "README.md",
        "project_builder_x/a.py",
        "project_builder",
        "test.py",
    ] {
        assert!(!migration.has(none), "{none}");
    }
}

#[test]
fn what_cannot_be_planned_is_refused() {
    let with = |from: &str, to: &str, source: &str| {
        let config = Migrate {
            from: from.to_owned(),
            to: to.to_owned(),
            source: source.to_owned(),
            ..config()
        };
        Migration::of(&config).map(|migration| migration.moved.to.to_string())
    };
    assert_eq!(
        with("src/old", "src/far/new", "src"),
        Ok("far.new".to_owned())
    );
    for (from, to, source) in [
        ("old", "old", ""),
        ("old", "old/new", ""),
        ("old/new", "old", ""),
        ("", "new", ""),
        ("a-b", "new", ""),
        ("old/", "new", ""),
        ("../old", "new", ""),
        ("src/old", "new", "src"),
    ] {
        assert!(
            matches!(with(from, to, source), Err(MigrationError::Folder { .. })),
            "{from} {to}"
        );
    }
    let config = config();
    let migration = Migration::of(&config).unwrap();
    let refused = migration
        .plan("tests/t.py", b"project_builder = (\n")
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "file tests/t.py: line 1, column 1: is no Python 3"
    );
    assert_eq!(refused.hint(), Some("correct it first"));
    let planned = [migration.plan("project_builder/a.py", b"").unwrap()];
    assert_eq!(migration.check(&planned, ["coo/b.py"]), Ok(()));
    assert_eq!(
        migration.check(&planned, ["coo/a.py"]),
        Err(MigrationError::Taken("coo/a.py".to_owned()))
    );
}

#[test]
fn answers_win_and_hold_after_the_move() {
    let leave = |file: &str, text: &str| Leave {
        file: file.to_owned(),
        text: Some(text.to_owned()),
        line: None,
    };
    let config = Migrate {
        strings: Scope::new(&["**/*.py"]).unwrap(),
        mentions: Scope::new(&["README", "project_builder/a.txt"]).unwrap(),
        leave: vec![
            leave("tests/t.py", "'project_builder.a'"),
            leave("README", "once project_builder.a"),
            leave("project_builder/b.txt", "project_builder.a"),
            Leave {
                file: "project_builder/c.txt".to_owned(),
                text: None,
                line: None,
            },
        ],
        replace: vec![Replace {
            file: "README".to_owned(),
            text: "project_builder.b".to_owned(),
            line: None,
            with: "coo.b, once project_builder.b".to_owned(),
        }],
        ..config()
    };
    let files = ["project_builder/a.py", "project_builder/b/__init__.py"];
    let migration = Migration::of(&config).unwrap().among(files);
    for (path, content, expected) in [
        (
            "tests/t.py",
            "x = 'project_builder.a', 'project_builder.b'\n",
            "x = 'project_builder.a', 'coo.b'\n",
        ),
        (
            "README",
            "once project_builder.a\nproject_builder.a\nproject_builder.b\n",
            "once project_builder.a\ncoo.a\ncoo.b, once project_builder.b\n",
        ),
        (
            "project_builder/a.txt",
            "project_builder/b/x\n",
            "coo/b/x\n",
        ),
        (
            "project_builder/b.txt",
            "project_builder.a\n",
            "project_builder.a\n",
        ),
        (
            "project_builder/c.txt",
            "project_builder.a\nproject_builder.b\n",
            "project_builder.a\nproject_builder.b\n",
        ),
    ] {
        let planned = migration.plan(path, content.as_bytes()).unwrap();
        let now = planned.content.unwrap_or(content.as_bytes().to_vec());
        assert_eq!(String::from_utf8(now.clone()).unwrap(), expected);
        assert_eq!(planned.questions, [], "{path}");
        let path = planned.becomes.unwrap_or(path.to_owned());
        assert_eq!(migration.after(&path, &now).unwrap().legacy, [""; 0]);
    }
    let twice = Migrate {
        leave: vec![leave("README", "project_builder.b")],
        ..config.clone()
    };
    assert!(matches!(
        Migration::of(&twice),
        Err(MigrationError::Twice { .. })
    ));
}
