//! Tests of the rewriter, form by form: each gives a source and the exact bytes that must come out.
//! Property tests cover any source.

mod relative;
mod scopes;
mod strings;

use proptest::prelude::*;

use super::*;

fn moved(from: &str, to: &str) -> Move {
    Move {
        from: ModulePath::parse(from).unwrap(),
        to: ModulePath::parse(to).unwrap(),
    }
}

fn place(before: &str, after: &str, is_package: bool) -> Place {
    Place {
        before: ModulePath::parse(before).unwrap(),
        after: ModulePath::parse(after).unwrap(),
        is_package,
    }
}

fn with(source: &str, place: Option<&Place>, moved: &Move) -> (String, Vec<Question>) {
    let rewritten = rewrite(source.as_bytes(), place, moved, &Dynamic::default()).unwrap();
    let content = rewritten.content.map_or_else(
        || source.to_owned(),
        |content| String::from_utf8(content).unwrap(),
    );
    (content, rewritten.questions)
}

fn about(text: &str) -> About {
    About {
        text: Some(text.to_owned()),
        line: None,
    }
}

fn answered(answers: &[(&str, SourceAnswer)]) -> Dynamic {
    let mut dynamic = Dynamic::default();
    for (text, answer) in answers {
        dynamic.answers.enter(about(text), answer.clone());
    }
    dynamic
}

/// Asserts that a script becomes `expected` when `old` moves to `new`, with no questions.
fn becomes(source: &str, expected: &str) {
    let (found, questions) = with(source, None, &moved("old", "new"));
    assert_eq!(found, expected);
    assert_eq!(questions, [], "{source}");
    let (again, _) = with(&found, None, &moved("old", "new"));
    assert_eq!(again, found, "a second time");
}

#[test]
fn statements_that_say_the_whole_name() {
    for (source, expected) in [
        ("from old import x\n", "from new import x\n"),
        (
            "from old.a.b import x as y\n",
            "from new.a.b import x as y\n",
        ),
        ("from old.a import *\n", "from new.a import *\n"),
        (
            "import old as o\nimport old.a as b\n",
            "import new as o\nimport new.a as b\n",
        ),
        (
            "from old.a import (  # why\n    x,\n    y as z,  # both\n)\n",
            "from new.a import (  # why\n    x,\n    y as z,  # both\n)\n",
        ),
        (
            "from old.a \\\n    import x; import os\n",
            "from new.a \\\n    import x; import os\n",
        ),
        (
            "import os, old.a as a, sys\n",
            "import os, new.a as a, sys\n",
        ),
        (
            "if TYPE_CHECKING:\n\tfrom old.a import T\n",
            "if TYPE_CHECKING:\n\tfrom new.a import T\n",
        ),
        (
            "def f():\n    from old import x\n    return x\n",
            "def f():\n    from new import x\n    return x\n",
        ),
        (
            "try:\n    from old import fast\nexcept ImportError:\n    fast = None\n",
            "try:\n    from new import fast\nexcept ImportError:\n    fast = None\n",
        ),
        (
            "from __future__ import annotations\n",
            "from __future__ import annotations\n",
        ),
        // Another package whose name only begins the same, and the name where it is not a module.
        (
            "import older, old_x\nfrom bold import old\nx.old.y\nf(old=1)\n",
            "import older, old_x\nfrom bold import old\nx.old.y\nf(old=1)\n",
        ),
        (
            "# old.a\n\"\"\"old.a is here\"\"\"\nx: \"old.a.T\" = 1\n",
            "# old.a\n\"\"\"old.a is here\"\"\"\nx: \"old.a.T\" = 1\n",
        ),
    ] {
        becomes(source, expected);
    }
}

#[test]
fn uses_of_what_a_plain_import_binds_go_with_it() {
    for (source, expected) in [
        ("import old\nold.f(old)\n", "import new\nnew.f(new)\n"),
        (
            "import old.a.b\nold.a.b.f()\n",
            "import new.a.b\nnew.a.b.f()\n",
        ),
        (
            "import old.a, os, old.b\nold.a.f(old.b.g)\n",
            "import new.a, os, new.b\nnew.a.f(new.b.g)\n",
        ),
        // The binding is seen in functions, classes, lambdas, comprehensions, defaults, decorators
        // and annotations.
        (
            "import old.a\n@old.a.d\ndef f(x: old.a.T = old.a.v, *y) -> old.a.T:\n    return [old.a.g(z) for z in old.a.h() if old.a.i]\nclass C(old.a.B):\n    x = old.a.v\n    def m(self):\n        return lambda: old.a.w\n",
            "import new.a\n@new.a.d\ndef f(x: new.a.T = new.a.v, *y) -> new.a.T:\n    return [new.a.g(z) for z in new.a.h() if new.a.i]\nclass C(new.a.B):\n    x = new.a.v\n    def m(self):\n        return lambda: new.a.w\n",
        ),
        // A name that means something else in another scope stays.
        (
            "import old.a\ndef f(old):\n    return old.a\ndef g():\n    old = 1\n    return lambda: old.a\nclass C:\n    old = 2\n    y = old.a\n    def m(self):\n        return old.a.x\n",
            "import new.a\ndef f(old):\n    return old.a\ndef g():\n    old = 1\n    return lambda: old.a\nclass C:\n    old = 2\n    y = old.a\n    def m(self):\n        return new.a.x\n",
        ),
        (
            "import old.a\nx = [old for old in old.a.all()]\ny = {k: lambda old=old.a.v: old for k in ()}\n",
            "import new.a\nx = [old for old in new.a.all()]\ny = {k: lambda old=new.a.v: old for k in ()}\n",
        ),
        (
            "def f():\n    import old.a\n    return old.a.x\nold = 3\nprint(old)\n",
            "def f():\n    import new.a\n    return new.a.x\nold = 3\nprint(old)\n",
        ),
        (
            "def f():\n    global old\n    import old.a\ndef g():\n    return old.a.x\n",
            "def f():\n    global new\n    import new.a\ndef g():\n    return new.a.x\n",
        ),
        (
            "import old.a\nprint(f\"{old.a.x!r:>{old.a.w}} old.a\")\n",
            "import new.a\nprint(f\"{new.a.x!r:>{new.a.w}} old.a\")\n",
        ),
        (
            "import old.a\nmatch x:\n    case old.a.X:\n        pass\n",
            "import new.a\nmatch x:\n    case new.a.X:\n        pass\n",
        ),
        (
            "import old.a\ndel old.a.x\nold.a.y = 1\nold.a.z += old.a.y\n",
            "import new.a\ndel new.a.x\nnew.a.y = 1\nnew.a.z += new.a.y\n",
        ),
        // An import keeps a name that is also needed for something else.
        (
            "try:\n    import old\nexcept ImportError:\n    old = None\nif old:\n    old.f()\n",
            "try:\n    import new as old\nexcept ImportError:\n    old = None\nif old:\n    old.f()\n",
        ),
        (
            "import old\nnew = 1\nold.f(new)\n",
            "import new as old\nnew = 1\nold.f(new)\n",
        ),
        (
            "class C:\n    import old\nC.old.f()\n",
            "class C:\n    import new as old\nC.old.f()\n",
        ),
        // A keyword of a class pattern is not a name.
        (
            "import old\nmatch x:\n    case old.C(old=1):\n        pass\n",
            "import new\nmatch x:\n    case new.C(old=1):\n        pass\n",
        ),
        (
            "import old.a\nx: list[old.a.T]\ndef f[T: old.a.T](x: T) -> dict[str, old.a.U]: pass\ntype X[T] = old.a.T[T]\n",
            "import new.a\nx: list[new.a.T]\ndef f[T: new.a.T](x: T) -> dict[str, new.a.U]: pass\ntype X[T] = new.a.T[T]\n",
        ),
        // A class looks up a name outside of it until it has bound the name.
        (
            "import old\nclass C:\n    old = old.a\n",
            "import new\nclass C:\n    old = new.a\n",
        ),
        (
            "import old\nclass C:\n    class old(old.B):\n        x = old\n    y = old\n",
            "import new\nclass C:\n    class old(new.B):\n        x = new\n    y = old\n",
        ),
        (
            "import new\ndef f():\n    new.g()\n    import old\n    old.g()\n",
            "import new\ndef f():\n    new.g()\n    import new as old\n    old.g()\n",
        ),
        // An existing import of the new name binds the same package.
        (
            "import old.a\nimport new.b\nnew.b.f(old.a)\n",
            "import new.a\nimport new.b\nnew.b.f(new.a)\n",
        ),
    ] {
        becomes(source, expected);
    }
}

#[test]
fn what_cannot_be_decided_is_asked_and_stays() {
    for (source, kind) in [
        (
            "try:\n    import old.a\nexcept ImportError:\n    old = None\n",
            Kind::AmbiguousName,
        ),
        (
            "import old.a\nfor old in x:\n    pass\n",
            Kind::AmbiguousName,
        ),
        (
            "import old.a\nwith f() as old:\n    pass\n",
            Kind::AmbiguousName,
        ),
        ("import old.a\n(old := 1)\n", Kind::AmbiguousName),
        (
            "import old.a\nmatch x:\n    case [old]:\n        pass\n",
            Kind::AmbiguousName,
        ),
        (
            "import old.a\nclass C:\n    if x:\n        old = 1\n    y = old.a\n",
            Kind::AmbiguousName,
        ),
        (
            "import old.a\nmatch x:\n    case f() as old:\n        pass\n",
            Kind::AmbiguousName,
        ),
        ("import old.a\ntype old = int\n", Kind::AmbiguousName),
        ("import old.a\ntype old[T] = int\n", Kind::AmbiguousName),
        ("class C:\n    import old.a\n", Kind::AmbiguousName),
        ("import old.a\nnew = 1\n", Kind::AmbiguousName),
        ("import old.a\nprint(new)\n", Kind::AmbiguousName),
        ("x = \"old.a\"\n", Kind::String),
        ("logging.getLogger('old')\n", Kind::String),
        ("importlib.import_module(\"old.a\")\n", Kind::DynamicImport),
        ("import_module('old.a.' + name)\n", Kind::DynamicImport),
        ("mock.patch(f'old.{x}')\n", Kind::DynamicImport),
        ("@patch('old.a.f')\ndef t(m): pass\n", Kind::DynamicImport),
        ("import_module('old.{}'.format(x))\n", Kind::DynamicImport),
        ("import_module('old.%s' % x)\n", Kind::DynamicImport),
        ("x = 'old.*'\n", Kind::String),
    ] {
        let (found, questions) = with(source, None, &moved("old", "new"));
        assert_eq!(found, source);
        assert_eq!(questions.len(), 1, "{source} {questions:?}");
        assert_eq!(questions[0].kind, kind, "{source}");
    }
    let (_, questions) = with(
        "x = 1\ny = import_module('old.a')\n",
        None,
        &moved("old", "new"),
    );
    assert_eq!(
        (questions[0].line, questions[0].text.as_str()),
        (2, "'old.a'")
    );
    assert_eq!(questions[0].answers, ["'new.a'", "leave it"]);
}

#[test]
fn dynamic_forms_are_rewritten_where_the_configuration_says_so() {
    let named = Dynamic {
        calls: vec!["import_module".to_owned(), "mock.patch".to_owned()],
        ..Dynamic::default()
    };
    let all = Dynamic {
        strings: true,
        ..Dynamic::default()
    };
    for (dynamic, source, expected) in [
        (
            &named,
            "importlib.import_module(\"old.a\")",
            "importlib.import_module(\"new.a\")",
        ),
        (
            &named,
            "import_module('old.' + x)",
            "import_module('new.' + x)",
        ),
        (
            &named,
            "unittest.mock.patch(r'old.a.f', 1)",
            "unittest.mock.patch(r'new.a.f', 1)",
        ),
        (&named, "patch('old.a')", "patch('old.a')"),
        (
            &named,
            "import_module(f'old.{x}')",
            "import_module(f'old.{x}')",
        ),
        (&named, "import_module(x, 'old')", "import_module(x, 'old')"),
        (
            &named,
            "import_module(x + 'old.a')",
            "import_module(x + 'old.a')",
        ),
        // A string that continues may name something else.
        (
            &named,
            "import_module('old' + x)",
            "import_module('old' + x)",
        ),
        (
            &named,
            "import_module('old.%s' % x)",
            "import_module('old.%s' % x)",
        ),
        (
            &all,
            "x = ['-m', 'old', 'old.a:main', 'older', 'old a']",
            "x = ['-m', 'new', 'new.a:main', 'older', 'old a']",
        ),
        (&all, "x = 'old.' 'old'", "x = 'new.' 'old'"),
        (&all, "x = 'old' '_x'", "x = 'old' '_x'"),
    ] {
        let rewritten = rewrite(source.as_bytes(), None, &moved("old", "new"), dynamic).unwrap();
        let found = rewritten.content.map_or_else(
            || source.to_owned(),
            |content| String::from_utf8(content).unwrap(),
        );
        assert_eq!(found, expected);
        assert_eq!(rewritten.questions.is_empty(), found != source, "{source}");
    }
}

#[test]
fn every_byte_that_is_no_import_stays() {
    let marked = "\u{feff}import old.a\r\nx = old.a.f()\r# é\r\n";
    let (found, _) = with(marked, None, &moved("old", "new"));
    assert_eq!(found, "\u{feff}import new.a\r\nx = new.a.f()\r# é\r\n");
    let latin = b"# -*- coding: latin-1 -*-\nfrom old import x\ns = '\xe9\xff'\n";
    let rewritten = rewrite(latin, None, &moved("old", "new"), &Dynamic::default()).unwrap();
    assert_eq!(
        rewritten.content.as_deref(),
        Some(&b"# -*- coding: latin-1 -*-\nfrom new import x\ns = '\xe9\xff'\n"[..])
    );
    assert_eq!((rewritten.edits.len(), rewritten.edits[0].line), (1, 2));
}

#[test]
fn what_python_would_not_read_is_refused_with_its_line() {
    let refused = |source: &[u8]| {
        rewrite(source, None, &moved("old", "new"), &Dynamic::default()).unwrap_err()
    };
    for (source, line) in [
        (&b"import old\ndef f(:\n    pass\n"[..], 2),
        (b"old = 1\nprint 'x'\n", 2),
        (b"x = (old\n", 1),
        (b"import old.\n", 1),
        (b"import old\nx = 1\nf(1, 2\ny = 3\ndef g(): pass\n", 3),
        (b"import old\ndef f(a\n      b):\n    pass\n", 3),
        (
            b"import old\nclass C:\n    x = 1\n    def f(self):\n        return )\n",
            5,
        ),
    ] {
        let error = refused(source);
        assert!(
            matches!(error, SourceError::Syntax { line: found, .. } if found == line),
            "{error}"
        );
    }
    assert_eq!(refused(b"a\n\xff\n"), SourceError::NotUtf8 { line: 2 });
    assert_eq!(refused(b"a\n\0"), SourceError::Nul { line: 2 });
    assert_eq!(
        refused(b"#!/usr/bin/python\n# vim: set fileencoding=utf-16 :\n"),
        SourceError::Encoding {
            line: 2,
            cookie: "utf-16".to_owned()
        }
    );
    let deep = "(".repeat(5_000) + "old" + &")".repeat(5_000);
    assert!(matches!(
        refused(deep.as_bytes()),
        SourceError::TooDeep { .. } | SourceError::Syntax { .. }
    ));
    assert!(matches!(
        refused(&vec![b' '; BYTES_MAX + 1]),
        SourceError::TooLong(_)
    ));
}

#[test]
fn what_only_newer_or_older_pythons_write_is_read() {
    for (source, expected) in [
        (
            "def f[T = old.a.T, *U = *tuple[int]](x: T): ...\nimport old.a\n",
            "def f[T = new.a.T, *U = *tuple[int]](x: T): ...\nimport new.a\n",
        ),
        (
            "import old\nclass C[T: int = old.T](old.B): ...\ntype X[T = old.T] = old.U[T]\n",
            "import new\nclass C[T: int = new.T](new.B): ...\ntype X[T = new.T] = new.U[T]\n",
        ),
        (
            "import old\nprint >> old.x, old.y\n",
            "import new\nprint >> new.x, new.y\n",
        ),
    ] {
        becomes(source, expected);
    }
}

#[test]
fn what_can_have_no_part_in_the_move_may_be_no_python() {
    for source in ["x = (\n", "print 'older'; an_old = old2\n", "{{ name }}"] {
        let place = place("tests.a", "tests.a", false);
        assert_eq!(
            with(source, Some(&place), &moved("old", "new")),
            (source.to_owned(), vec![])
        );
    }
    // A module that moves and imports from its old place depends on it without naming it.
    let leaves = place("top.old.a", "new.a", false);
    for (source, expected) in [
        ("from ..b import x\n", "from top.b import x\n"),
        ("from \\\n  .. import x\n", "from \\\n  top import x\n"),
    ] {
        assert_eq!(
            with(source, Some(&leaves), &moved("top.old", "new")),
            (expected.to_owned(), vec![])
        );
    }
    let moved = moved("top.old", "new");
    assert!(
        rewrite(
            b"x = (  # from.\n",
            Some(&leaves),
            &moved,
            &Dynamic::default()
        )
        .is_err()
    );
}

#[test]
fn files_that_are_no_python_are_asked_about_line_by_line() {
    let text = "run:\n\tpython -m old\nold = \"old.cli:main\"\nolder my.old old_x\n";
    let questions = mentions(text, &moved("old", "new"));
    assert_eq!(
        questions
            .iter()
            .map(|question| question.line)
            .collect::<Vec<_>>(),
        [2, 3]
    );
    assert_eq!(questions[0].text, "python -m old");
    assert_eq!(
        rewrite_mentions(text, &moved("old", "new")),
        "run:\n\tpython -m new\nnew = \"new.cli:main\"\nolder my.old old_x\n"
    );
}

#[test]
fn names_of_modules_are_ascii_and_no_keywords() {
    for bad in [
        "", ".", "a.", ".a", "a..b", "1a", "a-b", "a b", "é", "import", "a.class",
    ] {
        assert!(ModulePath::parse(bad).is_err(), "{bad}");
    }
    let of = |path: &str| {
        ModulePath::of_file(path).map(|(module, is_package)| (module.to_string(), is_package))
    };
    assert_eq!(of("a/b/__init__.py"), Some(("a.b".to_owned(), true)));
    assert_eq!(of("a/b.py"), Some(("a.b".to_owned(), false)));
    assert_eq!(of("a/__init__.pyi"), Some(("a".to_owned(), true)));
    for none in ["a/b.txt", "a-b/c.py", "__init__.py/x", "conf.d/x.py"] {
        assert_eq!(of(none), None, "{none}");
    }
}

/// Generates programs of statements that matter here, in any order.
fn program() -> impl Strategy<Value = String> {
    let statement = prop_oneof![
        Just("import old"),
        Just("import old.a"),
        Just("import old as x"),
        Just("from old.a import b"),
        Just("from .old import b"),
        Just("old.a.f(old)"),
        Just("old = 1"),
        Just("x = 'old.a'"),
        Just("def f(old=old.a):\n    return old.b"),
        Just("def g():\n    import old.b\n    return old.b.c"),
        Just("class C(old.B):\n    old = 1"),
        Just("[old for old in old.x]"),
        Just("import new"),
        Just("# old"),
        Just("'''old'''"),
        Just("def h():\n    global old\n    old = 2"),
        Just("del old"),
    ];
    prop::collection::vec(statement, 0..8).prop_map(|statements| statements.join("\n") + "\n")
}

proptest! {
    #[test]
    fn a_rewritten_source_is_python_and_rewriting_it_again_changes_nothing(source in program()) {
        let moved = moved("old", "new");
        let first = rewrite(source.as_bytes(), None, &moved, &Dynamic::default()).unwrap();
        let content = first.content.unwrap_or(source.clone().into_bytes());
        let second = rewrite(&content, None, &moved, &Dynamic::default()).unwrap();
        prop_assert_eq!(second.content, None);
        // Nothing but the names has changed.
        prop_assert_eq!(String::from_utf8(content).unwrap().replace("new", "old").replace("old as old", "old"), source.replace("new", "old"));
    }

    #[test]
    fn any_bytes_are_rewritten_or_refused(source in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = rewrite(&source, None, &moved("old", "new"), &Dynamic::default());
    }

    #[test]
    fn any_soup_of_tokens_is_rewritten_or_refused(
        tokens in prop::collection::vec(prop::sample::select(vec![
            "import ", "from ", "old", ".", "a", "(", ")", "[", "]", ":", "\n", "    ", "=", "as ", "lambda ",
            "def ", "class ", "for ", "in ", "if ", "global ", "f'", "'", "{", "}", "match ", "case ", "*", ",", "with ", "del ",
        ]), 0..60)
    ) {
        let source = tokens.concat();
        let _ = rewrite(source.as_bytes(), Some(&place("old.a", "new.a", false)), &moved("old", "new"), &Dynamic::default());
        let _ = mentions(&source, &moved("old", "new"));
    }
}
