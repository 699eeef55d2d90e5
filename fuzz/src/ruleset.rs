//! Makes rulesets of the scanner and the lint, and files to apply them to. Checks that the findings
//! are exactly those of a simple search, line by line.

use std::collections::BTreeSet;

use arbitrary::{Result, Unstructured};
use coo_engines::lint::{self, Linter};
use coo_engines::repository::pattern::Pattern;
use coo_engines::repository::scope::Scope;
use coo_engines::repository::text::EXCERPT_CHARS_MAX;
use coo_engines::scan::{self, Scanner, Status, sarif};
use coo_kernel::baseline::TreePath;
use coo_kernel::form::digest::Digest;
use regex::bytes::Regex;
use serde_json::{Value, json};

use crate::pick;
use crate::several;

/// The file that is judged.
const PATH: &str = "docs/a.md";
const PIECES: [&str; 36] = [
    "a",
    "b",
    "ab",
    "A",
    "ä",
    "#",
    " ",
    "\\s+",
    "\\s*",
    ".",
    "\\n",
    "[ab]",
    "[^a]",
    "\\b",
    "(?-u:\\b)",
    "^",
    "$",
    "(?m)^",
    "(?i)a",
    "(?s).",
    "*",
    "+",
    "?",
    "+?",
    "{2}",
    "{1,3}",
    "|",
    "(",
    ")",
    "(?:",
    "\\w",
    "\\W",
    "\\A",
    "\\z",
    "(?-u:\\xff)",
    "\\pL",
];
const CONTENT: [&str; 20] = [
    "a", "b", "ab", "A", "ä", " ", "\t", "\n", "\r\n", "\n\n", "# a\n", "## b\n", "```\n",
    "~~~ a\n", "aaaa", "\u{feff}", "\u{202e}", "\u{1b}", "\u{2028}", "a b",
];

/// Makes a ruleset and a file's content from a recipe.
pub fn made(recipe: &mut Unstructured<'_>) -> Result<(Vec<u8>, Vec<u8>)> {
    let mut content = several(recipe, &CONTENT, 30)?.into_bytes();
    if recipe.ratio(1, 6)? {
        let bytes = [&b"\xff"[..], b"\xe2\x82", b"a\xff", b"\xc3"];
        content.extend_from_slice(recipe.choose(&bytes)?);
        content.extend(several(recipe, &CONTENT, 5)?.into_bytes());
    }
    if recipe.ratio(1, 12)? {
        content.extend(several(recipe, &CONTENT, 4)?.into_bytes().repeat(120));
    }
    let ruleset = if recipe.arbitrary()? {
        scan_ruleset(recipe)?
    } else {
        lint_ruleset(recipe)?
    };
    Ok((ruleset.to_string().into_bytes(), content))
}

/// Makes a pattern; most are valid.
fn pattern(recipe: &mut Unstructured<'_>) -> Result<String> {
    for _ in 0..3 {
        let text = several(recipe, &PIECES, 6)?;
        if Pattern::new(&text).is_ok() {
            return Ok(text);
        }
    }
    several(recipe, &PIECES, 3)
}

fn scan_ruleset(recipe: &mut Unstructured<'_>) -> Result<Value> {
    let (mut forbidden, mut permitted) = (Vec::new(), Vec::new());
    for number in 0..recipe.int_in_range(1..=3_u8)? {
        let pattern = pattern(recipe)?;
        forbidden.push(json!({"name": format!("R{number}"), "pattern": pattern, "why": "w"}));
    }
    for _ in 0..recipe.int_in_range(0..=2)? {
        permitted.push(json!({"pattern": pattern(recipe)?, "why": "w"}));
    }
    Ok(
        json!({"format": scan::FORMAT, "version": "1", "forbidden": forbidden, "permitted": permitted}),
    )
}

fn lint_ruleset(recipe: &mut Unstructured<'_>) -> Result<Value> {
    let mut rules = Vec::new();
    for number in 0..recipe.int_in_range(1..=3_u8)? {
        let mut rule = match recipe.int_in_range(0..=4_u8)? {
            0 => {
                json!({"kind": "invariant", "pattern": pattern(recipe)?, "min": recipe.int_in_range(0..=2_u8)?, "max": recipe.int_in_range(1..=3_u8)?})
            }
            1 => json!({"kind": "invariant", "exists": recipe.arbitrary::<bool>()?}),
            2 => {
                json!({"kind": "forbidden", "pattern": pattern(recipe)?, "except": [pattern(recipe)?]})
            }
            3 => {
                json!({"kind": "required", "pattern": pattern(recipe)?, "in": pick(recipe, &["each", "any"])?})
            }
            _ => {
                let within = match recipe.int_in_range(0..=3_u8)? {
                    0 => json!("section"),
                    lines => json!({ "lines": lines - 1 }),
                };
                json!({"kind": "escalation", "when": pattern(recipe)?, "require": pattern(recipe)?, "within": within})
            }
        };
        rule["id"] = format!("r{number}").into();
        rule["why"] = "w".into();
        rule["paths"] = json!([pick(recipe, &["docs/*.md", "**/a.*", "x", PATH])?]);
        rules.push(rule);
    }
    Ok(json!({"format": lint::FORMAT, "version": "1", "rules": rules}))
}

/// Applies a ruleset to a file, if the ruleset is valid.
pub fn check(ruleset: &[u8], content: &[u8]) {
    let path = TreePath::from_text(PATH).expect("a path");
    if let Ok(scanner) = Scanner::new(ruleset) {
        scanned(&scanner, &path, content);
    }
    if let Ok(linter) = Linter::new(ruleset) {
        linted(&linter, ruleset, &path, content);
    }
}

fn scanned(scanner: &Scanner, path: &TreePath, content: &[u8]) {
    let Ok(violations) = scanner.file(path, content) else {
        assert!(content.contains(&0));
        return;
    };
    let ruleset = scanner.clone().into_ruleset();
    let permitted: Vec<Regex> = ruleset.permitted.iter().map(|p| regex(p.text())).collect();
    let mut expected = BTreeSet::new();
    for rule in &ruleset.forbidden {
        for line in hits(&regex(rule.pattern.text()), &permitted, content) {
            expected.insert((line, rule.name.clone()));
        }
    }
    let found: Vec<_> = violations
        .iter()
        .map(|violation| (violation.line, violation.pattern.clone()))
        .collect();
    assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
    for violation in &violations {
        let region = violation.region;
        assert_eq!(region.start_line, violation.line);
        let (start, end) = (
            (region.start_line, region.start_column),
            (region.end_line, region.end_column),
        );
        assert!(start.1 >= 1 && start < end, "{region:?}");
        shown(&violation.excerpt);
    }
    let digest = Digest::of("");
    let report = scan::Report::new(violations, Scope::default(), digest);
    assert_eq!(report.files(), usize::from(report.status == Status::Fail));
    let _ = serde_json::to_string(&sarif(&report, &ruleset)).expect("data");
}

fn linted(linter: &Linter, ruleset: &[u8], path: &TreePath, content: &[u8]) {
    let Ok(judged) = linter.file(path, content) else {
        assert!(content.contains(&0));
        return;
    };
    let (report, idle) = linter.conclude(std::slice::from_ref(path), vec![judged], Digest::of(""));
    assert_eq!(report.status == Status::Fail, !report.findings.is_empty());
    let rules = lint::rules(ruleset).expect("was read");
    let mut expected = BTreeSet::new();
    for rule in &rules {
        let is_about = rule.paths.has(PATH);
        let lines = match &rule.check {
            lint::Check::Exists(wanted) => {
                if is_about == *wanted && rule.paths.patterns().count() == 1 {
                    vec![]
                } else {
                    vec![None]
                }
            }
            lint::Check::Times { pattern, min, max } => {
                let times = regex(pattern.text()).find_iter(content).count() as u64;
                let is_kept = is_about && (*min..=*max).contains(&times);
                if is_kept { vec![] } else { vec![None] }
            }
            lint::Check::Required { pattern, .. } => {
                let is_kept = is_about && regex(pattern.text()).is_match(content);
                if is_kept { vec![] } else { vec![None] }
            }
            lint::Check::Forbidden { .. } | lint::Check::Escalation { .. } if !is_about => vec![],
            lint::Check::Forbidden { pattern, except } => {
                let except: Vec<Regex> = except.iter().map(|p| regex(p.text())).collect();
                let lines = hits(&regex(pattern.text()), &except, content);
                lines.into_iter().map(Some).collect()
            }
            lint::Check::Escalation {
                when,
                require,
                within,
            } => {
                let all = hits(&regex(when.text()), &[], content);
                // Every finding must be one of all hits. If the required pattern is nowhere in the
                // file, every hit is a finding. Which text counts as near is not computed a second
                // time.
                let found = report
                    .findings
                    .iter()
                    .filter(|finding| finding.rule == rule.id);
                let found: Vec<Option<u64>> = found.map(|finding| finding.line).collect();
                assert!(
                    found
                        .iter()
                        .all(|line| line.is_some_and(|line| all.contains(&line)))
                );
                if !regex(require.text()).is_match(content) && !anchored(require.text()) {
                    assert_eq!(found.len(), all.len(), "{within:?}");
                }
                found
            }
        };
        expected.extend(lines.into_iter().map(|line| (line, rule.id.clone())));
    }
    let found = report.findings.iter();
    let found: BTreeSet<_> = found
        .map(|finding| (finding.line, finding.rule.clone()))
        .collect();
    assert_eq!(found, expected);
    assert!(idle.len() <= rules.len());
    for finding in &report.findings {
        shown(&finding.found);
    }
}

/// Returns whether a pattern may match in a part of a text but not in the whole.
fn anchored(pattern: &str) -> bool {
    ["^", "$", "\\b", "\\A", "\\z"]
        .iter()
        .any(|anchor| pattern.contains(anchor))
}

fn regex(text: &str) -> Regex {
    Regex::new(text).expect("was compiled before")
}

/// Returns the lines on which an unexcused occurrence begins, computed by trying every byte at
/// which one may begin.
fn hits(pattern: &Regex, excused: &[Regex], content: &[u8]) -> BTreeSet<u64> {
    let excused = excused
        .iter()
        .flat_map(|pattern| pattern.find_iter(content));
    let excused: Vec<_> = excused.map(|found| found.range()).collect();
    let mut lines = BTreeSet::new();
    let mut line = 1;
    for start in 0..=content.len() {
        if let Some(found) = pattern.find_at(content, start) {
            let range = found.range();
            let is_excused = |excused: &std::ops::Range<usize>| {
                excused.start <= range.start && range.end <= excused.end
            };
            if range.start == start && !excused.iter().any(is_excused) {
                lines.insert(line);
            }
        }
        line += u64::from(content.get(start) == Some(&b'\n'));
    }
    lines
}

fn shown(excerpt: &str) {
    assert!(excerpt.chars().count() <= EXCERPT_CHARS_MAX);
    assert!(!excerpt.contains(char::is_control) && !excerpt.contains('\u{202e}'));
}
