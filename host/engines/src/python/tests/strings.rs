//! Tests of strings, types in quotes and files that are not Python: what is rewritten by
//! configuration, what becomes a question, and what is left without a question.

use super::*;

/// A configuration that knows these names in the package's folder.
fn knowing() -> Dynamic {
    Dynamic {
        folder: "src/old".to_owned(),
        known: std::sync::Arc::new(
            ["cli", "core", "data", "json_tools"]
                .map(str::to_owned)
                .into(),
        ),
        ..Dynamic::default()
    }
}

fn asked(source: &str, dynamic: &Dynamic) -> Vec<(Kind, String)> {
    let rewritten = rewrite(source.as_bytes(), None, &moved("old", "new"), dynamic).unwrap();
    let questions = rewritten.questions.into_iter();
    questions
        .map(|question| (question.kind, question.answers[0].clone()))
        .collect()
}

#[test]
fn types_in_quotes_follow_where_the_configuration_says_so_and_are_asked_otherwise() {
    let annotations = Dynamic {
        annotations: true,
        ..Dynamic::default()
    };
    let strings = Dynamic {
        strings: true,
        ..Dynamic::default()
    };
    for (form, expected) in [
        ("def f(x: 'old.a.T'): ...", "def f(x: 'new.a.T'): ..."),
        (
            "x: \"list['old.a.T'] | None\" = 1",
            "x: \"list['new.a.T'] | None\" = 1",
        ),
        (
            "def f() -> List['old.a.T']: ...",
            "def f() -> List['new.a.T']: ...",
        ),
        ("x: 'dict[old.a.T, old]'", "x: 'dict[new.a.T, new]'"),
        (
            "x: 'old.a.T' | Callable[['old.b'], None]",
            "x: 'new.a.T' | Callable[['new.b'], None]",
        ),
        ("x: Annotated['old.a.T', 1]", "x: Annotated['new.a.T', 1]"),
        (
            "x = []  # type: list[old.a.T]",
            "x = []  # type: list[new.a.T]",
        ),
        (
            "def f(x):\n    # type: (old.a.T) -> 'old.b'\n    pass",
            "def f(x):\n    # type: (new.a.T) -> 'new.b'\n    pass",
        ),
        ("type X = 'old.a.T'", "type X = 'new.a.T'"),
    ] {
        let source = format!("import old.a\n{form}\n");
        for dynamic in [&annotations, &strings] {
            let rewritten =
                rewrite(source.as_bytes(), None, &moved("old", "new"), dynamic).unwrap();
            assert_eq!(
                String::from_utf8(rewritten.content.unwrap()).unwrap(),
                format!("import new.a\n{expected}\n")
            );
            assert_eq!(rewritten.questions, []);
        }
        let questions = asked(&source, &Dynamic::default());
        assert!(!questions.is_empty(), "{source}");
        assert!(
            questions
                .iter()
                .all(|(kind, _)| *kind == Kind::ForwardReference),
            "{source} {questions:?}"
        );
    }
    // Strings in these places are values, not types.
    for form in [
        "x: Literal['old.a']",
        "x: typing.Literal['old.a', 'x']",
        "x: Annotated[str, 'old.a']",
        "x: 'Annotated[str, \"old.a\"]'",
    ] {
        let source = format!("import old.a\n{form}\n");
        let (_, questions) = with(&source, None, &moved("old", "new"));
        let is_outer = form.starts_with("x: '");
        assert_eq!(questions.len(), usize::from(!is_outer), "{form}");
        assert!(
            questions
                .iter()
                .all(|question| question.kind == Kind::String)
        );
    }
    // Types that mean something else, and strings that are not types.
    for source in [
        "x: 'old.a.T'\n",
        "import old.a\ndef f(old, x: 'T', y: 'x.old', z: 'older.T'): ...\nx = 1  # type: ignore[old]\n",
        "def f(old):\n    x: 'old.a.T' = 1\ndef g():\n    import old.a\n",
        "import old.a as a\nx: 'old.a.T' = 1\n",
    ] {
        assert_eq!(asked(source, &annotations), [], "{source}");
        assert_eq!(asked(source, &Dynamic::default()), [], "{source}");
    }
    // A type that cannot be read is asked about as well.
    let (_, questions) = with(
        "import old.a\nx: 'old\\x2ea.T'\n",
        None,
        &moved("old", "new"),
    );
    assert_eq!(questions[0].answers, ["leave it"]);
}

#[test]
fn strings_that_begin_with_the_package_and_go_on_are_asked_about() {
    let calls = Dynamic {
        calls: vec!["import_module".to_owned()],
        strings: true,
        ..Dynamic::default()
    };
    for (source, kind, answer) in [
        (
            "import_module('old.plugins.%s' % n)",
            Kind::DynamicImport,
            "'new.plugins.%s'",
        ),
        (
            "import_module('old.{}'.format(n))",
            Kind::DynamicImport,
            "'new.{}'",
        ),
        (
            "import_module(f'old.{n}')",
            Kind::DynamicImport,
            "f'new.{n}'",
        ),
        ("import_module('old%s' % n)", Kind::DynamicImport, "'new%s'"),
        (
            "import_module('old.a' if x else f'{n}')",
            Kind::DynamicImport,
            "",
        ),
        ("x = 'old.%s' % n", Kind::String, "'new.%s'"),
        ("x = f'old.{n}'", Kind::String, "f'new.{n}'"),
    ] {
        let questions = asked(source, &Dynamic::default());
        assert_eq!(questions[0].0, kind, "{source}");
        if !answer.is_empty() {
            assert_eq!(questions[0].1, answer);
            // The configuration changes nothing here: only a run shows what the string becomes.
            assert_eq!(asked(source, &calls), questions, "{source}");
        }
    }
    // A name cannot begin after an interpolation.
    for source in [
        "x = f'{n}.old.a'",
        "x = f'{n}old.a'",
        "x = '.old.%s'",
        "x = 'older.%s'",
    ] {
        assert_eq!(asked(source, &Dynamic::default()), [], "{source}");
    }
}

#[test]
fn strings_that_say_more_are_asked_about_if_they_can_hardly_mean_anything_else() {
    for (source, answer) in [
        ("run(['-c', 'import old.a'])", "'import new.a'"),
        (
            "exec('import os\\nimport x, old.b as b\\n')",
            "'import os\\nimport x, new.b as b\\n'",
        ),
        ("exec('from old.x import y')", "'from new.x import y'"),
        (
            "x = \"python3 -c 'import old'\"",
            "\"python3 -c 'import new'\"",
        ),
        ("x = 'python -m old run'", "'python -m new run'"),
        ("x = '-m old.cli'", "'-m new.cli'"),
        ("x = \"__import__('old')\"", "\"__import__('new')\""),
        ("x = 'old/data/x.json'", "'new/data/x.json'"),
        ("x = '../src/old/core.py'", ""),
        ("x = 'src/old'", "'src/new'"),
        ("x = 'src/old/'", "'src/new/'"),
        ("x = f'old/{n}'", "f'new/{n}'"),
        ("x = 'old/*.py'", "'new/*.py'"),
        ("x = 'call old.core first'", "'call new.core first'"),
        ("x = 'tool = old.cli:main'", "'tool = new.cli:main'"),
        ("x = 'tool = old:main'", "'tool = new:main'"),
    ] {
        let questions = asked(source, &knowing());
        if answer.is_empty() {
            // There is no such file.
            assert_eq!(questions, [], "{source}");
        } else {
            assert_eq!(questions, [(Kind::String, answer.to_owned())], "{source}");
        }
    }
    for source in [
        "x = 'the old way of import'",
        "x = 'old is gone, from old to new'",
        "x = 'import old things'",
        "x = 'old.value and old/value'",
        "x = 'see https://old.example/old/data'",
        "x = 'pip install old-core, my-old.core'",
        "x = 'is it old?'",
        "'''import old.core'''\n# import old.core",
        "def f():\n    '''old.core'''",
        "x = ':old.core@example'.join('older.core')",
    ] {
        assert_eq!(asked(source, &Dynamic::default()), [], "{source}");
    }
    // A package whose name has more than one component.
    let moved = moved("top.old", "new");
    let dynamic = Dynamic {
        folder: "top/old".to_owned(),
        ..knowing()
    };
    for (source, answer) in [
        ("x = 'import top.old.a'", "'import new.a'"),
        ("x = 'top/old/data/y'", "'new/data/y'"),
        ("x = './top/old'", "'./new'"),
    ] {
        let rewritten = rewrite(source.as_bytes(), None, &moved, &dynamic).unwrap();
        assert_eq!(rewritten.questions[0].answers[0], answer);
    }
}

#[test]
fn a_command_that_runs_the_package_is_found_in_text_for_people() {
    for (source, answer) in [
        ("\"\"\"`python -m old`: the tool.\"\"\"\n", "-m new"),
        ("# python3 -Im old.cli.run, or so\n", "-Im new.cli.run"),
        (
            "def f():\n    '''Run\n\n    python -m old.cli --help\n    '''\n",
            "-m new.cli",
        ),
        ("class C:\n    '(-m old.)'\n", "-m new"),
        ("x = 1  # see -m old\n", "-m new"),
    ] {
        let expected = [(Kind::String, answer.to_owned())];
        assert_eq!(asked(source, &Dynamic::default()), expected, "{source}");
        let strings = Dynamic {
            strings: true,
            ..Dynamic::default()
        };
        let rewritten = rewrite(source.as_bytes(), None, &moved("old", "new"), &strings).unwrap();
        assert_eq!(rewritten.questions, []);
        let now = source.replacen("old", "new", 1);
        assert_eq!(rewritten.content, Some(now.into_bytes()), "{source}");
    }
    for source in [
        "'''python -m older, python -m my.old'''\n",
        "'''python -m old-tool, python -m old.py, --form old, x-m old'''\n",
        "# the old one, tar -C old, pytest -k old\n",
    ] {
        assert_eq!(asked(source, &Dynamic::default()), [], "{source}");
    }
    // The line is the command's, and an answer about it holds.
    let source = b"'''\n\npython -m old\n'''\n";
    let rewritten = rewrite(source, None, &moved("old", "new"), &Dynamic::default()).unwrap();
    assert_eq!((rewritten.questions[0].line, rewritten.content), (3, None));
    let leave = Dynamic {
        strings: true,
        ..answered(&[("-m old", SourceAnswer::Leave)])
    };
    let rewritten = rewrite(source, None, &moved("old", "new"), &leave).unwrap();
    assert_eq!((rewritten.questions, rewritten.content), (vec![], None));
    assert_eq!(rewritten.used.len(), 1);
}

#[test]
fn an_answer_wins_over_what_is_said_of_all_strings() {
    for (dynamic, expected) in [
        (
            answered(&[("'old.a'", SourceAnswer::Leave)]),
            "x = 'old.a', 'new.b'\n",
        ),
        (
            answered(&[("'old.a'", SourceAnswer::Replace("\"x\"".to_owned()))]),
            "x = \"x\", 'new.b'\n",
        ),
    ] {
        let dynamic = Dynamic {
            strings: true,
            ..dynamic
        };
        let source = b"x = 'old.a', 'old.b'\n";
        let rewritten = rewrite(source, None, &moved("old", "new"), &dynamic).unwrap();
        assert_eq!(rewritten.content.as_deref(), Some(expected.as_bytes()));
        assert_eq!((rewritten.questions.len(), rewritten.used.len()), (0, 1));
    }
    // The name of a file is not rewritten along with all strings.
    let strings = Dynamic {
        strings: true,
        ..Dynamic::default()
    };
    assert_eq!(
        asked("x = 'old.json', 'old.a'\n", &strings),
        [(Kind::String, "'new.json'".to_owned())]
    );
}

#[test]
fn names_of_other_things_are_no_mentions() {
    let moved = moved("old", "new");
    for line in [
        "older my.old old_x old-x x-old --old",
        "pip install old-core my-old",
        "src/old.py old.json old.tar.gz old.egg-info",
        "https://old.example/old git@example:old me@old old@1.0",
        "$old ${old}",
    ] {
        assert_eq!(mentions(line, &moved), [], "{line}");
        assert_eq!(rewrite_mentions(line, &moved), line);
    }
    for (line, expected) in [
        ("python -m old --x=old", "python -m new --x=new"),
        (
            "src/old/x.py ./old (old) 'old' `old`",
            "src/new/x.py ./new (new) 'new' `new`",
        ),
        ("old.a, old:main; old/ old.", "new.a, new:main; new/ new."),
        ("@old.decorator", "@new.decorator"),
        (
            "old.log('x') old.json.load(x)",
            "new.log('x') new.json.load(x)",
        ),
    ] {
        assert_eq!(mentions(line, &moved).len(), 1, "{line}");
        assert_eq!(rewrite_mentions(line, &moved), expected);
    }
    let nested = super::moved("top.old", "far.new");
    assert_eq!(
        rewrite_mentions("top.old.a top/old/a top", &nested),
        "far.new.a far/new/a top"
    );
}

#[test]
fn data_is_asked_about_where_it_can_hardly_mean_anything_else() {
    let dynamic = knowing();
    let asked = |text: &str| {
        rewrite_text(text, &moved("old", "new"), &dynamic, Mentions::CertainAsked).questions
    };
    for line in [
        "old.core stays here",
        "{\"module\": \"old.anything:f\"}",
        "{\"module\": \"old\"}",
        "module: old.x",
        "module = old",
        "- old.x",
        "old.x",
        "from old.x import y",
        "exec python3 -m old \"$@\"",
        "include old/data",
    ] {
        assert_eq!(asked(line).len(), 1, "{line}");
    }
    for line in [
        "the old one",
        "old: 1",
        "\"old-core\": 1",
        "how old is it",
        "older.core",
        "old/value",
    ] {
        assert_eq!(asked(line), [], "{line}");
    }
    // Answers are about whole lines.
    let mut dynamic = knowing();
    dynamic
        .answers
        .enter(about("old.core a"), SourceAnswer::Leave);
    let with = SourceAnswer::Replace("other".to_owned());
    dynamic.answers.enter(about("old.core b"), with);
    let text = "  old.core a\n  old.core b\r\n  old.core c\n";
    for (what, expected, questions) in [
        (
            Mentions::CertainAsked,
            "  old.core a\n  other\r\n  old.core c\n",
            1,
        ),
        (
            Mentions::Asked,
            "  old.core a\n  other\r\n  old.core c\n",
            1,
        ),
        (
            Mentions::Rewritten,
            "  old.core a\n  other\r\n  new.core c\n",
            0,
        ),
    ] {
        let rewritten = rewrite_text(text, &moved("old", "new"), &dynamic, what);
        assert_eq!(rewritten.content.as_deref(), Some(expected.as_bytes()));
        assert_eq!(
            (rewritten.questions.len(), rewritten.used.len()),
            (questions, 2)
        );
    }
}

#[test]
fn what_a_string_says_counts_and_not_how_it_is_written() {
    for (source, answer) in [
        (r"x = '\told.core'", r"'\tnew.core'"),
        (r"x = 'a\nold.core\n'", r"'a\nnew.core\n'"),
        (r"x = '\x6fld.core'", r"'new.core'"),
        (r"x = 'old\x2ecore'", r"'new\x2ecore'"),
        (r"x = '\N{LATIN SMALL LETTER O}ld.core'", r"'new.core'"),
        (r"x = r'old\.core'", r"r'new\.core'"),
        (r"x = 'old\\.core'", r"'new\\.core'"),
        (r"x = r'^\bold[.]core\b$'", r"r'^\bnew[.]core\b$'"),
        (r"x = r'(old\.core|y)'", r"r'(new\.core|y)'"),
        (
            r"x = r'from old\.(\w+) import'",
            r"r'from new\.(\w+) import'",
        ),
        (r"x = rf'old\.{y}'", r"rf'new\.{y}'"),
        (r"x = r'old\core'", r"r'new\core'"),
        (r"x = b'\x08old.core'", r"b'\x08new.core'"),
        ("x = 'a\\\nold.core'", ""),
        ("x = 'import \\\nold.core'", "'import \\\nnew.core'"),
    ] {
        let questions = asked(source, &knowing());
        if answer.is_empty() {
            // The name and what stands before it form one word.
            assert_eq!(questions, [], "{source}");
        } else {
            assert_eq!(questions, [(Kind::String, answer.to_owned())], "{source}");
        }
    }
    for source in [
        r"x = '\told things'",
        r"x = r'bold\.core'",
        r"x = '\x62old.core'",
        r"'''\told.core'''",
    ] {
        assert_eq!(asked(source, &knowing()), [], "{source}");
    }
    // A package whose name has more than one component.
    let moved = moved("top.old", "far.new");
    let rewritten = rewrite(br"x = r'top\.old\.core'", None, &moved, &knowing()).unwrap();
    assert_eq!(rewritten.questions[0].answers[0], r"r'far\.new\.core'");
    // Only a name that is written out literally is rewritten without a question.
    let strings = Dynamic {
        strings: true,
        ..knowing()
    };
    let questions = asked(r"x = 'old\x2ecore', 'old.core'", &strings);
    assert_eq!(questions.len(), 1, "{questions:?}");
    // The file is a pickle.
    let rewritten = rewrite(
        b"x = b'cold.core\\nT\\n.'",
        None,
        &super::moved("old", "new"),
        &knowing(),
    );
    assert_eq!(rewritten.unwrap().questions[0].kind, Kind::String);
}

#[test]
fn one_text_in_several_places_can_have_several_answers() {
    let source = "x = 'old.a'\ny = 'old.a'\nz = 'old.a'\n";
    let at = |line: usize| About {
        text: Some("'old.a'".to_owned()),
        line: Some(line),
    };
    let mut dynamic = Dynamic::default();
    dynamic.answers.enter(at(1), SourceAnswer::Leave);
    let with = SourceAnswer::Replace("'new.b'".to_owned());
    dynamic.answers.enter(at(2), with);
    let rewritten = rewrite(source.as_bytes(), None, &moved("old", "new"), &dynamic).unwrap();
    assert_eq!(
        rewritten.content.as_deref(),
        Some(&b"x = 'old.a'\ny = 'new.b'\nz = 'old.a'\n"[..])
    );
    let lines = rewritten.questions.iter().map(|question| question.line);
    assert_eq!(lines.collect::<Vec<_>>(), [3]);
    assert_eq!(rewritten.used.len(), 2);
    // An answer about one line comes before an answer about all of them.
    dynamic.answers.enter(about("'old.a'"), SourceAnswer::Leave);
    let rewritten = rewrite(source.as_bytes(), None, &moved("old", "new"), &dynamic).unwrap();
    assert_eq!((rewritten.questions.len(), rewritten.edits.len()), (0, 1));
    // In a second pass the text may stand on another line.
    let after = dynamic.answers.afterwards();
    assert!(after.of("'old.a'", 9).is_some() && after.of("'new.b'", 9).is_some());
}

#[test]
fn a_long_question_can_be_answered() {
    let long = format!("'old.a {}'", "x".repeat(300));
    let source = format!("f({long})\n");
    let dynamic = |text: &str, line: Option<usize>| {
        let mut dynamic = knowing();
        dynamic.known = std::iter::once("a".to_owned())
            .collect::<std::collections::BTreeSet<_>>()
            .into();
        let about = About {
            text: Some(text.to_owned()),
            line,
        };
        dynamic
            .answers
            .enter(about, SourceAnswer::Replace("'new'".to_owned()));
        dynamic
    };
    for (text, line, is_taken) in [
        (long.clone(), None, true),
        (shown(&long), Some(1), true),
        (shown(&long), Some(2), false),
        // The user has not seen all of the text that would be replaced.
        (shown(&long), None, false),
    ] {
        let dynamic = dynamic(&text, line);
        let rewritten = rewrite(source.as_bytes(), None, &moved("old", "new"), &dynamic).unwrap();
        assert_eq!(rewritten.content.is_some(), is_taken, "{line:?}");
        assert_eq!(rewritten.questions.is_empty(), is_taken, "{line:?}");
    }
}
