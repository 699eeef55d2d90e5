//! Tests of amendments: every operation on every kind of anchor, halts, and properties of any
//! document.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const DOCUMENT: &str = "\
# Plan

[SPEC-1] The first clause
goes on here.

- **[SPEC-2.1]** A clause in a list, see [SPEC-1].
- [SPEC-2.2] Another.

## Steps   of\tthe plan

Text.

```
[SPEC-1] only an example
## Steps of the plan

```
more

### Deeper
deep
## Next
end
";

fn amendments(list: &serde_json::Value) -> Amendments {
    let file = json!({ "format": FORMAT, "amendments": list });
    Amendments::parse(file.to_string().as_bytes()).unwrap()
}

fn given(text: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("plan.md".to_owned(), text.to_owned())])
}

fn one(
    anchor: &serde_json::Value,
    operation: &str,
    text: Option<&str>,
    extent: Option<&str>,
) -> Amendments {
    let mut amendment = json!({
        "id": "A-1", "document": "plan.md", "anchor": anchor, "operation": operation,
    });
    if let Some(text) = text {
        amendment["text"] = text.into();
    }
    if let Some(extent) = extent {
        amendment["extent"] = extent.into();
    }
    amendments(&json!([amendment]))
}

fn after(document: &str, amendments: &Amendments) -> String {
    let outcome = amendments.apply(&given(document)).unwrap();
    outcome.documents["plan.md"].after.clone()
}

#[test]
fn a_clause_is_amended_where_it_begins_and_nowhere_else() {
    let first = json!({ "clause": "[SPEC-1]" });
    let whole = "[SPEC-1] The first clause\ngoes on here.\n";
    for (operation, text, now) in [
        ("insert_before", Some("New."), format!("New.\n{whole}")),
        ("insert_after", Some("New.\n"), format!("{whole}New.\n")),
        ("replace", Some("New.\nTwo."), "New.\nTwo.\n".to_owned()),
        ("delete", None, String::new()),
    ] {
        let amended = after(DOCUMENT, &one(&first, operation, text, None));
        assert_eq!(amended, DOCUMENT.replacen(whole, &now, 1), "{operation}");
    }
    let line = one(&first, "delete", None, Some("line"));
    assert_eq!(
        after(DOCUMENT, &line),
        DOCUMENT.replacen("[SPEC-1] The first clause\n", "", 1)
    );
    // A clause ends where another one follows it, even without an empty line between.
    let listed = one(&json!({ "clause": "[SPEC-2.1]" }), "delete", None, None);
    let gone = "- **[SPEC-2.1]** A clause in a list, see [SPEC-1].\n";
    assert_eq!(after(DOCUMENT, &listed), DOCUMENT.replacen(gone, "", 1));
}

#[test]
fn a_section_ends_before_the_next_header_of_its_level() {
    let header = json!({ "header": "##  Steps of the plan" });
    let (before, rest) = DOCUMENT.split_once("## Steps   of").unwrap();
    let (section, next) = rest.split_once("## Next").unwrap();
    let replaced = one(&header, "replace", Some("## New"), None);
    assert_eq!(
        after(DOCUMENT, &replaced),
        format!("{before}## New\n## Next{next}")
    );
    let added = one(&header, "insert_after", Some("Last."), None);
    assert_eq!(
        after(DOCUMENT, &added),
        format!("{before}## Steps   of{section}Last.\n## Next{next}")
    );
    let renamed = one(&header, "replace", Some("## Steps"), Some("line"));
    let (_, body) = section.split_once('\n').unwrap();
    assert_eq!(
        after(DOCUMENT, &renamed),
        format!("{before}## Steps\n{body}## Next{next}")
    );
}

#[test]
fn ends_of_lines_and_the_mark_at_the_beginning_stay() {
    let crlf = format!("\u{feff}{}", DOCUMENT.replace('\n', "\r\n"));
    let title = json!({ "header": "# Plan" });
    let amended = after(&crlf, &one(&title, "insert_before", Some("a\nb\n"), None));
    let rest = crlf.strip_prefix('\u{feff}').unwrap();
    assert_eq!(amended, format!("\u{feff}a\r\nb\r\n{rest}"));
    let deleted = one(&title, "delete", None, Some("line"));
    assert_eq!(
        after(&crlf, &deleted),
        format!("\u{feff}{}", &rest["# Plan\r\n".len()..])
    );
    // A last line without a line end gets one only where text follows it.
    let next = json!({ "header": "## Next" });
    let added = one(&next, "insert_after", Some("x"), None);
    assert_eq!(after("## Next", &added), "## Next\nx\n");
    assert_eq!(
        after("a\n## Next", &one(&next, "delete", None, None)),
        "a\n"
    );
}

#[test]
fn each_finds_what_those_before_it_left_and_the_order_is_that_of_the_ids() {
    let both = amendments(&json!([
        { "id": "B", "document": "plan.md", "anchor": { "clause": "[NEW-1]" }, "operation": "replace", "text": "[NEW-1] second" },
        { "id": "A", "document": "plan.md", "anchor": { "header": "## Next" }, "operation": "insert_after", "text": "[NEW-1] first" },
    ]));
    let outcome = both.apply(&given(DOCUMENT)).unwrap();
    assert!(
        outcome.documents["plan.md"]
            .after
            .ends_with("end\n[NEW-1] second\n")
    );
    let [first, second] = outcome.log.as_slice() else {
        panic!("two were applied");
    };
    assert_eq!(
        (
            first.amendment.id.as_str(),
            first.sequence_id,
            first.line,
            first.lines
        ),
        ("A", 1, 22, 2)
    );
    assert_eq!(first.before_sha256, Digest::of(DOCUMENT));
    assert_eq!(second.before_sha256, first.after_sha256);
}

#[test]
fn an_anchor_that_is_nowhere_or_in_two_places_halts_everything() {
    let twice = format!("{DOCUMENT}\n[SPEC-1]  again\n");
    let escalation = one(&json!({ "clause": "[SPEC-1]" }), "delete", None, None)
        .apply(&given(&twice))
        .unwrap_err();
    assert_eq!(escalation.file(), "escalation_A-1.json");
    assert_eq!(
        serde_json::to_value(&*escalation).unwrap(),
        json!({
            "type": "AmbiguousAnchor",
            "amendment_id": "A-1",
            "document": "plan.md",
            "searched_anchor": "[SPEC-1]",
            "candidates_found": [
                { "line": 3, "text": "[SPEC-1] The first clause" },
                { "line": 25, "text": "[SPEC-1] again" },
            ],
        })
    );
    for anchor in [
        json!({ "clause": "[SPEC-10]" }),
        json!({ "clause": "[spec-1]" }),
        json!({ "header": "## steps of the plan" }),
        json!({ "header": "# Next" }),
        json!({ "header": "## Steps of the\u{a0}plan" }),
    ] {
        let escalation = one(&anchor, "delete", None, None)
            .apply(&given(DOCUMENT))
            .unwrap_err();
        assert_eq!(escalation.kind, Halt::MissingAnchor);
        assert_eq!(escalation.candidates_found, []);
    }
    let elsewhere = one(&json!({ "header": "# Plan" }), "delete", None, None);
    assert_eq!(
        elsewhere.apply(&BTreeMap::new()).unwrap_err().kind,
        Halt::MissingAnchor
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table of all that is refused")]
fn what_contradicts_itself_is_refused_before_anything_is_searched() {
    let base = json!({
        "id": "A-1", "document": "plan.md", "anchor": { "header": "# Plan" },
        "operation": "replace", "text": "x",
    });
    let parse = |amendment: &serde_json::Value| {
        let file = json!({ "format": FORMAT, "amendments": [amendment] });
        Amendments::parse(file.to_string().as_bytes()).map_err(|error| error.to_string())
    };
    parse(&base).unwrap();
    for (field, value, said) in [
        ("id", json!("../x"), "an escalation is named after it"),
        ("id", json!(""), "an escalation is named after it"),
        ("document", json!("100%.md"), "rename that"),
        ("text", json!(""), "has no text"),
        ("text", json!(null), "has no text"),
        ("text", json!("a\r\nb"), "carriage return"),
        ("text", json!("a\0"), "NUL"),
        ("operation", json!("delete"), "leave it out"),
        (
            "operation",
            json!("append"),
            "'append' found; permitted: insert_before",
        ),
        ("extent", json!("clause"), "a header is not a clause"),
        (
            "anchor",
            json!({ "header": "Plan" }),
            "for example ## Section Title",
        ),
        (
            "anchor",
            json!({ "header": "####### Plan" }),
            "for example ## Section Title",
        ),
        (
            "anchor",
            json!({ "header": "# a\n# b" }),
            "for example ## Section Title",
        ),
        (
            "anchor",
            json!({ "clause": "SPEC-1" }),
            "for example [SPEC-1.2.3]",
        ),
        (
            "anchor",
            json!({ "clause": "[SPEC]" }),
            "for example [SPEC-1.2.3]",
        ),
        (
            "anchor",
            json!({ "clause": "[a b1]" }),
            "for example [SPEC-1.2.3]",
        ),
        (
            "anchor",
            json!({ "clause": "- [A-1]" }),
            "for example [SPEC-1.2.3]",
        ),
        (
            "anchor",
            json!({ "line": 3 }),
            "field 'line' found; permitted: clause, header",
        ),
        (
            "colour",
            json!("red"),
            "amendments[0].colour: no such field",
        ),
    ] {
        let mut amendment = base.clone();
        amendment[field] = value;
        let refused = parse(&amendment).unwrap_err();
        assert!(refused.contains(said), "{field}: {refused}");
    }
    let twice = json!({ "format": FORMAT, "amendments": [base, base] }).to_string();
    assert!(
        Amendments::parse(twice.as_bytes())
            .unwrap_err()
            .to_string()
            .contains("another one")
    );
    for bad in [
        "",
        "{}",
        "[]",
        r#"{"format":"coo-amendments-1","amendments":[]}"#,
        r#"{"format":"2","amendments":[]}"#,
    ] {
        assert!(
            matches!(
                Amendments::parse(bad.as_bytes()),
                Err(AmendmentError::Form(_))
            ),
            "{bad}"
        );
    }
    let scope = Scope::new(&["docs/**/*.md"]).unwrap();
    let outside = one(&json!({ "header": "# Plan" }), "delete", None, None);
    assert!(matches!(
        outside.stay_within(&scope),
        Err(AmendmentError::Document { .. })
    ));
}

#[test]
fn a_patch_says_what_git_would() {
    let documents = BTreeMap::from([
        (
            "same.md".to_owned(),
            Amended {
                before: "a".into(),
                after: "a".into(),
            },
        ),
        // A carriage return at the end of the document is not a line end.
        (
            "cr.md".to_owned(),
            Amended {
                before: "a\r".into(),
                after: "a\rb\n".into(),
            },
        ),
        (
            "two words.md".to_owned(),
            Amended {
                before: "a\nb".into(),
                after: "a\nc\n".into(),
            },
        ),
        (
            "é.md".to_owned(),
            Amended {
                before: "a\r\n".into(),
                after: "b\r\n".into(),
            },
        ),
    ]);
    assert_eq!(
        patch(&documents),
        "diff --git a/cr.md b/cr.md\n--- a/cr.md\n+++ b/cr.md\n\
         @@ -1 +1 @@\n-a\r\n\\ No newline at end of file\n+a\rb\n\
         diff --git a/two words.md b/two words.md\n--- a/two words.md\t\n+++ b/two words.md\t\n\
         @@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+c\n\
         diff --git \"a/\\303\\251.md\" \"b/\\303\\251.md\"\n--- \"a/\\303\\251.md\"\n+++ \"b/\\303\\251.md\"\n\
         @@ -1 +1 @@\n-a\r\n+b\r\n"
    );
}

/// Generates documents of lines that matter here, with any line ends.
fn document() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just("# Plan"),
        Just("## Plan"),
        Just("[S-1] x"),
        Just("- [S-2]"),
        Just("```"),
        Just("~~~~"),
        Just(""),
        Just("text"),
        Just("\u{feff}"),
        Just("[S-1]\r# Plan"),
    ];
    let end = prop_oneof![Just("\n"), Just("\r\n"), Just("")];
    prop::collection::vec((line, end), 0..12).prop_map(|lines| {
        lines
            .into_iter()
            .map(|(line, end)| line.to_owned() + end)
            .collect()
    })
}

proptest! {
    #[test]
    fn an_insertion_changes_nothing_of_what_was_there(document in document(), is_clause: bool, is_line: bool, is_before: bool) {
        let anchor = if is_clause { json!({ "clause": "[S-1]" }) } else { json!({ "header": "# Plan" }) };
        let operation = if is_before { "insert_before" } else { "insert_after" };
        let inserted = one(&anchor, operation, Some("INSERTED"), is_line.then_some("line"));
        match inserted.apply(&given(&document)) {
            Err(escalation) => {
                let found = escalation.candidates_found.len();
                prop_assert_eq!(escalation.kind == Halt::MissingAnchor, found == 0);
                prop_assert!(found != 1);
            }
            Ok(outcome) => {
                let amended = &outcome.documents["plan.md"].after;
                let (before, after) = amended.split_once("INSERTED").unwrap();
                let after = after.strip_prefix("\r\n").or(after.strip_prefix('\n')).unwrap();
                let joined = format!("{before}{after}");
                // At most the line end that the last line did not have is added.
                prop_assert!(joined == document || (after.is_empty() && joined.trim_end() == document.trim_end()));
            }
        }
    }

    #[test]
    fn any_file_of_amendments_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Amendments::parse(&bytes);
    }
}
