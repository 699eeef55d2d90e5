//! Tests of the lint: files that keep and break rules of every kind, and rulesets that are refused.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn linter(rules: &Value) -> Result<Linter, RulesetError> {
    let ruleset = json!({"format": FORMAT, "version": "1", "rules": rules});
    Linter::new(ruleset.to_string().as_bytes())
}

/// Returns file, line and message of each finding, for a repository of these files and one rule.
fn found(rule: &Value, files: &[(&str, &str)]) -> Vec<(String, Option<u64>, String)> {
    let mut whole = json!({"id": "r", "why": "w", "paths": ["d/*"]});
    for (key, value) in rule.as_object().unwrap() {
        whole[key] = value.clone();
    }
    let linter = linter(&json!([whole])).unwrap();
    let paths: Vec<_> = files
        .iter()
        .map(|(path, _)| TreePath::from_text(path).unwrap())
        .collect();
    let judged = paths
        .iter()
        .zip(files)
        .filter(|(path, _)| linter.reads(path));
    let judged = judged.map(|(path, (_, content))| linter.file(path, content.as_bytes()).unwrap());
    let (report, _) = linter.conclude(&paths, judged.collect(), Digest::of(""));
    assert_eq!(report.status, Status::of(report.findings.len()));
    let findings = report.findings.into_iter();
    findings
        .map(|finding| (finding.file, finding.line, finding.found))
        .collect()
}

fn one(file: &str, line: Option<u64>, found: &str) -> Vec<(String, Option<u64>, String)> {
    vec![(file.into(), line, found.into())]
}

#[test]
fn invariants() {
    let times = |min: Value, max: Value, content| {
        let mut rule = json!({"kind": "invariant", "pattern": "x"});
        for (key, value) in [("min", min), ("max", max)] {
            if !value.is_null() {
                rule[key] = value;
            }
        }
        found(&rule, &[("d/a", content)])
    };
    assert_eq!(times(json!(1), json!(2), "x x"), []);
    assert_eq!(
        times(json!(1), json!(null), ""),
        one("d/a", None, "0 times, at least 1 wanted")
    );
    assert_eq!(
        times(json!(1), json!(2), "xxx"),
        one("d/a", None, "3 times, 1 to 2 wanted")
    );
    assert_eq!(
        times(json!(null), json!(0), "x"),
        one("d/a", None, "1 times, at most 0 wanted")
    );
    let rule = json!({"kind": "invariant", "pattern": "x", "max": 0});
    assert_eq!(found(&rule, &[]), one("d/*", None, "no file matches"));

    let exists =
        |exists: bool| json!({"kind": "invariant", "exists": exists, "paths": ["d/a", "*.md"]});
    assert_eq!(
        found(&exists(true), &[("d/a", "")]),
        one("*.md", None, "is not there")
    );
    assert_eq!(found(&exists(true), &[("d/a", ""), ("x.md", "")]), []);
    assert_eq!(
        found(&exists(false), &[("x.md", "")]),
        one("x.md", None, "is there")
    );
    assert_eq!(found(&exists(false), &[]), []);
}

#[test]
fn forbidden_constructs() {
    let rule = json!({"kind": "forbidden", "pattern": "x", "except": ["axa"]});
    assert_eq!(
        found(&rule, &[("d/a", "axa\n\n bx "), ("e", "x")]),
        one("d/a", Some(3), "bx")
    );
    assert_eq!(found(&rule, &[]), []);
}

#[test]
fn required_clauses() {
    let rule = |within: &str| json!({"kind": "required", "pattern": "x\\s+y", "in": within});
    let files = [("d/a", "x\ny"), ("d/b", "")];
    assert_eq!(
        found(&rule("each"), &files),
        one("d/b", None, "nothing matches x\\s+y")
    );
    assert_eq!(found(&rule("any"), &files), []);
    assert_eq!(
        found(&rule("any"), &files[1..]),
        one("d/*", None, "nothing matches x\\s+y")
    );
    assert_eq!(
        found(&rule("any"), &[]),
        one("d/*", None, "no file matches")
    );
}

#[test]
fn missing_escalation_paths() {
    let rule = |within: Value| json!({"kind": "escalation", "when": "halts?", "require": "(?m)^ask", "within": within});
    let text = "# A\nhalt\n\nask\n# B\nit halts\n## C\n\n\nask\n# D\nhalt\n";
    assert_eq!(
        found(&rule(json!("section")), &[("d/a", text)]),
        one("d/a", Some(12), "halt")
    );
    let lines = found(&rule(json!({"lines": 2})), &[("d/a", text)]);
    // Line 6 has its escalation in line 4, and line 12 has its escalation in line 10.
    assert_eq!(lines, []);
    let lines = found(&rule(json!({"lines": 1})), &[("d/a", text)]);
    let lines: Vec<_> = lines
        .into_iter()
        .map(|(_, line, _)| line.unwrap())
        .collect();
    assert_eq!(lines, [2, 6, 12]);
}

#[test]
fn a_rule_about_no_file_is_told() {
    let linter = linter(&json!([
        {"id": "r", "kind": "forbidden", "why": "w", "paths": ["d/*", "e"], "pattern": "x"},
    ]));
    let (report, idle) = linter.unwrap().conclude(&[], Vec::new(), Digest::of(""));
    assert_eq!(report.status, Status::Pass);
    assert_eq!(idle, ["rule r: no file matches d/*, e"]);
}

#[test]
fn what_is_unclear_is_refused_and_its_rule_named() {
    let good = json!({"id": "a", "kind": "forbidden", "why": "w", "paths": ["d"], "pattern": "x"});
    for (change, words) in [
        (
            json!({"kind": "forbiden"}),
            "rules[1]: unknown variant `forbiden`",
        ),
        (json!({"patern": "x"}), "rules[1]: unknown field `patern`"),
        (json!({"min": 1}), "rules[1]: unknown field `min`"),
        (
            json!({"paths": ["/d"]}),
            "rules[1]: '/d' is not a valid pattern",
        ),
        (json!({"paths": []}), "rules[1] (b): paths: is empty"),
        (json!({"why": " "}), "rules[1] (b): why: is empty"),
        (json!({"id": "a"}), "rules[1] (a): id: another rule has it"),
        (json!({"id": "a b"}), "rules[1] (a b): id: must be"),
        (json!({"pattern": "a("}), "rules[1] (b): pattern: at byte 1"),
        (
            json!({"except": ["x*"]}),
            "rules[1] (b): except[0]: matches the empty",
        ),
        (
            json!({"kind": "invariant"}),
            "rules[1] (b): has neither min nor max",
        ),
        (
            json!({"kind": "invariant", "exists": true}),
            "rules[1] (b): must have either",
        ),
        (
            json!({"kind": "invariant", "min": 2, "max": 1}),
            "rules[1] (b): has min 2 and max 1",
        ),
        (
            json!({"kind": "required", "in": "all"}),
            "rules[1]: unknown variant `all`",
        ),
    ] {
        let mut bad = good.clone();
        bad["id"] = json!("b");
        for (key, value) in change.as_object().unwrap() {
            bad[key] = value.clone();
        }
        let error = linter(&json!([good, bad])).unwrap_err().to_string();
        assert!(error.starts_with(words) && !error.contains('\n'), "{error}");
    }
    assert!(
        linter(&json!([]))
            .unwrap_err()
            .to_string()
            .contains("has 0 rules")
    );
    // A repeated key is refused, since only one of the two can be meant.
    let twice = format!(
        r#"{{"format": "{FORMAT}", "version": "1", "rules": [{{"id": "a", "id": "b", "kind": "forbidden", "why": "w", "paths": ["d"], "pattern": "x"}}]}}"#
    );
    let error = Linter::new(twice.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("duplicate field `id`"), "{error}");
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(content in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Linter::new(&content);
    }
}
