//! Tests of relative imports into, out of and beside a moved package, and of its parents.

use super::*;

#[test]
fn relative_imports_mean_what_they_meant() {
    let inside = place("old.a.b", "new.a.b", false);
    let package = place("old.a", "new.a", true);
    let deep = moved("old", "far.new");
    for (place, source, expected) in [
        // Imports within the package need no change.
        (
            &inside,
            "from . import x\nfrom .c import y\nfrom .. import z\nfrom ..d import w\n",
            "from . import x\nfrom .c import y\nfrom .. import z\nfrom ..d import w\n",
        ),
        (
            &package,
            "from .b import x\nfrom ..c import y\n",
            "from .b import x\nfrom ..c import y\n",
        ),
        // A relative import that leads out of every package is an error before and after.
        (&inside, "from ... import x\n", "from ... import x\n"),
    ] {
        assert_eq!(
            with(source, Some(place), &moved("old", "new")),
            (expected.to_owned(), vec![])
        );
    }
    // The package leaves its parent, and imports from what stays there.
    let out = moved("top.old", "new");
    let leaves = place("top.old.a", "new.a", false);
    assert_eq!(
        with(
            "from . import b\nfrom ..other import x\nfrom .. import y\nfrom top.old.b import z\n",
            Some(&leaves),
            &out
        ),
        (
            "from . import b\nfrom top.other import x\nfrom top import y\nfrom new.b import z\n"
                .to_owned(),
            vec![]
        )
    );
    // A module stays, and imports from the package that left.
    let stays = place("top.main", "top.main", false);
    assert_eq!(
        with(
            "from .old.a import x\nfrom . import old\nfrom .other import y\nfrom . import old as o\n",
            Some(&stays),
            &out
        ),
        (
            "from new.a import x\nimport new as old\nfrom .other import y\nimport new as o\n"
                .to_owned(),
            vec![]
        )
    );
    // Within the same parent the import stays relative.
    let renamed = moved("top.old", "top.new");
    assert_eq!(
        with("from .old.a import x\nfrom . import old\nfrom top import old as z\nimport top.old.b\nimport top.c\ntop.old.b.f(top.c)\n", Some(&stays), &renamed),
        ("from .new.a import x\nfrom top import new as old\nfrom top import new as z\nimport top.new.b\nimport top.c\ntop.new.b.f(top.c)\n".to_owned(), vec![])
    );
    // The package moves deeper than before.
    let deeper = place("old.a", "far.new.a", false);
    assert_eq!(
        with(
            "from . import b\nimport old.b\nold.b.f()\n",
            Some(&deeper),
            &deep
        ),
        (
            "from . import b\nimport far.new.b\nfar.new.b.f()\n".to_owned(),
            vec![]
        )
    );
    // A name needs a space where dots needed none.
    assert_eq!(
        with(
            "from..other import x\nfrom ..import y\nfrom.b import z\n",
            Some(&leaves),
            &out
        ),
        (
            "from top.other import x\nfrom top import y\nfrom.b import z\n".to_owned(),
            vec![]
        )
    );
    assert_eq!(
        with("\u{feff}from top import old\n", None, &out).0,
        "\u{feff}import new as old\n"
    );
    let (found, questions) = with("from top import old, x\n", None, &out);
    assert_eq!(
        (found.as_str(), questions[0].kind),
        ("from top import old, x\n", Kind::SplitImport)
    );
}

#[test]
fn parents_of_a_package_are_used_by_whoever_imported_them() {
    let out = moved("top.old", "new");
    // The parent is used where only the import that moves is sure to have bound it.
    for source in [
        "import top.old\ntop.x.f()\nimport top.x\n",
        "import top.old\nif T:\n    import top.x\ntop.x.f()\n",
    ] {
        let (_, questions) = with(source, None, &out);
        assert_eq!(questions.len(), 1, "{source}");
        assert_eq!(questions[0].text, "top");
    }
    // The same holds in patterns.
    assert_eq!(
        with(
            "import top.old.a, top\nmatch x:\n    case top.old.a.X | top.old.C(y=top . old.Y) | top.z:\n        pass\n",
            None,
            &out
        ),
        (
            "import new.a, top\nmatch x:\n    case new.a.X | new.C(y=new.Y) | top.z:\n        pass\n"
                .to_owned(),
            vec![]
        )
    );
    // Other code has imported the package, and the source does not say where.
    for source in [
        "import top\ntop.old.f()\n",
        "import top.x\ndef f():\n    import top.old\ndef g():\n    top.old.f()\n",
        "import top as t\ndef f():\n    return t.old\n",
        "import top, top.old as o\ntop.old.f()\nimport top.old\n",
    ] {
        let (_, questions) = with(source, None, &out);
        let texts: Vec<_> = questions.iter().map(|one| one.text.as_str()).collect();
        assert!(
            texts == ["top.old"] || texts == ["t.old"],
            "{source} {questions:?}"
        );
    }
    let inner = moved("a.top.old", "new");
    for (source, count) in [
        ("from a import top\ntop.old.f()\n", 1),
        ("from a import top as t\nt.old.f(top.old)\n", 1),
        ("import a.top as t\nt.x.old.f()\nt.old2\n", 0),
        ("import a.top as t\ndef f(t):\n    t.old\n", 0),
    ] {
        assert_eq!(with(source, None, &inner).1.len(), count, "{source}");
    }
}
