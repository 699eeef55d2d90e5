//! Reads the results of a test run: how many tests passed, failed and were skipped, from `JUnit`
//! XML or from the runner's closing lines. Refuses unclear results and never guesses. Runs no
//! tests.

use std::fmt;
use std::sync::LazyLock;

use regex::Regex;
use serde::{Deserialize, Serialize};

/// Largest report, in bytes: enough for some hundred thousand tests.
pub const BYTES_MAX: u64 = 256 << 20;
/// Deepest nesting of elements; a runner's report has far less.
const DEPTH_MAX: u16 = 64;

/// Results of a test run, as a snapshot holds them (packet §9.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TestResults {
    /// Exit code of the test command; 128 or more if a signal ended it.
    pub exit_code: i32,
    /// Tests that failed or ended in an error.
    pub failed: u64,
    pub passed: u64,
    pub skipped: u64,
}

/// Numbers of tests, by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tests that failed or ended in an error.
    pub failed: u64,
    pub passed: u64,
    pub skipped: u64,
}

/// Why a report cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unclear {
    /// The report is not XML, or not a `JUnit` report.
    #[error("is no JUnit report: {0}")]
    NoJunit(String),
    /// No known runner's closing lines are in the output.
    #[error(
        "ends with no closing line of pytest, unittest, cargo test or nextest, and none of the form 'N passed, N failed'"
    )]
    NoClosingLine,
    /// Closing lines of several runners are in the output.
    #[error("has closing lines of several runners ({0})")]
    Several(String),
}

impl Unclear {
    /// Returns what the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoJunit(_) => None,
            Self::NoClosingLine | Self::Several(_) => {
                Some("have the test command write JUnit XML to {report}")
            }
        }
    }
}

impl TestResults {
    /// Makes the results of a command that ended with this exit code.
    pub const fn new(counts: Counts, exit_code: i32) -> Self {
        Self {
            exit_code,
            failed: counts.failed,
            passed: counts.passed,
            skipped: counts.skipped,
        }
    }

    /// Returns whether the suite passed in full: tests ran and none failed (packet §10, gate D).
    pub const fn is_full_pass(&self) -> bool {
        self.exit_code == 0 && self.failed == 0 && self.passed > 0
    }
}

impl fmt::Display for TestResults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} passed, {} failed, {} skipped, exit code {}",
            self.passed, self.failed, self.skipped, self.exit_code
        )
    }
}

/// Reads `JUnit` XML. Counts every `testcase` by its content, and ignores the totals of the suites.
pub fn junit(xml: &[u8]) -> Result<Counts, Unclear> {
    let refused = |why: String| Unclear::NoJunit(why.chars().take(200).collect());
    let text = std::str::from_utf8(xml).map_err(|error| refused(error.to_string()))?;
    check_depth(text).map_err(|why| refused(why.to_owned()))?;
    let document = roxmltree::Document::parse(text).map_err(|error| refused(error.to_string()))?;
    let top = document.root_element().tag_name().name();
    if !["testsuites", "testsuite"].contains(&top) {
        return Err(refused(format!("its top is <{top}>")));
    }
    let mut counts = Counts::default();
    for case in document.descendants() {
        if !case.has_tag_name("testcase") {
            continue;
        }
        let has = |names: &[&str]| {
            case.children()
                .any(|child| names.contains(&child.tag_name().name()))
        };
        if has(&["failure", "error"]) {
            counts.failed += 1;
        } else if has(&["skipped"]) {
            counts.skipped += 1;
        } else {
            counts.passed += 1;
        }
    }
    Ok(counts)
}

/// Refuses deep nesting, since the parser recurses for every level. A real report has three levels.
fn check_depth(text: &str) -> Result<(), &'static str> {
    let mut depth = 0_u16;
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        // Tags within these have no meaning.
        for (begin, end) in [("!--", "-->"), ("![CDATA[", "]]>"), ("?", "?>")] {
            if rest.starts_with(begin) {
                rest = rest.find(end).map_or("", |at| &rest[at..]);
            }
        }
        let tag = rest.split('>').next().unwrap_or_default();
        if tag.starts_with('/') {
            depth = depth.saturating_sub(1);
        } else if !tag.ends_with('/') && tag.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            depth += 1;
            if depth > DEPTH_MAX {
                return Err("its elements are nested too deep");
            }
        }
    }
    Ok(())
}

/// A test runner, and how its closing lines are read.
struct Runner {
    name: &'static str,
    read: fn(&str) -> Option<Counts>,
}

const RUNNERS: [Runner; 5] = [
    Runner {
        name: "cargo test",
        read: cargo_test,
    },
    Runner {
        name: "nextest",
        read: nextest,
    },
    Runner {
        name: "pytest",
        read: pytest,
    },
    Runner {
        name: "unittest",
        read: unittest,
    },
    Runner {
        name: "'N passed, N failed'",
        read: plain,
    },
];

/// Reads the closing lines that a runner printed.
pub fn closing_lines(output: &[u8]) -> Result<Counts, Unclear> {
    let text = String::from_utf8_lossy(output);
    let text = COLOUR.replace_all(&text, "");
    let read = RUNNERS
        .iter()
        .filter_map(|runner| Some((runner.name, (runner.read)(&text)?)));
    let found: Vec<(&str, Counts)> = read.collect();
    match found.as_slice() {
        [] => Err(Unclear::NoClosingLine),
        [(_, counts)] => Ok(*counts),
        several => {
            let names: Vec<&str> = several.iter().map(|(name, _)| *name).collect();
            Err(Unclear::Several(names.join(", ")))
        }
    }
}

fn pattern(text: &str) -> Regex {
    // Every pattern is a constant in this file, and a test compiles all of them.
    Regex::new(text).expect("a pattern of this file")
}

static COLOUR: LazyLock<Regex> = LazyLock::new(|| pattern("\u{1b}\\[[0-9;]*m"));
static CARGO: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?m)^test result: (?:ok|FAILED)\. (\d+) passed; (\d+) failed; (\d+) ignored;")
});
static NEXTEST: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?m)^\s*Summary \[ *[\d.]+s\] +\d+(?:/\d+)? tests? run: (.+)$"));
static PYTEST: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?m)^(?:=+ )?((?:\d+ (?:passed|failed|errors?|skipped|xfailed|xpassed|deselected|rerun|warnings?|subtests passed)(?:, )?)+|no tests ran) in [\d.]+s(?: \([\d:, day]+\))?(?: =+)?\s*$",
    )
});
static RAN: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?m)^Ran (\d+) tests? in [\d.]+s\s*$"));
static VERDICT: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?m)^(?:OK|FAILED|NO TESTS RAN)(?: \(([^)\n]*)\))?\s*$"));
static PLAIN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?m)^(?:\w+: *)?(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\.?\s*$")
});
static COUNTED: LazyLock<Regex> = LazyLock::new(|| pattern(r"(\d+) ([a-z ]+)"));

fn number(text: Option<regex::Match<'_>>) -> u64 {
    // A count too large for `u64` becomes the largest one.
    text.map_or(0, |text| text.as_str().parse().unwrap_or(u64::MAX))
}

/// Adds up the closing lines; each test binary prints its own.
fn cargo_test(text: &str) -> Option<Counts> {
    let mut counts: Option<Counts> = None;
    for line in CARGO.captures_iter(text) {
        let counts = counts.get_or_insert_default();
        counts.passed = counts.passed.saturating_add(number(line.get(1)));
        counts.failed = counts.failed.saturating_add(number(line.get(2)));
        counts.skipped = counts.skipped.saturating_add(number(line.get(3)));
    }
    counts
}

fn nextest(text: &str) -> Option<Counts> {
    let line = NEXTEST.captures_iter(text).last()?;
    let mut counts = Counts::default();
    for counted in COUNTED.captures_iter(&line[1]) {
        let found = number(counted.get(1));
        match counted[2].trim() {
            "passed" => counts.passed = found,
            "failed" | "timed out" | "exec failed" => {
                counts.failed = counts.failed.saturating_add(found);
            }
            "skipped" => counts.skipped = found,
            _ => {}
        }
    }
    Some(counts)
}

fn pytest(text: &str) -> Option<Counts> {
    let line = PYTEST.captures_iter(text).last()?;
    let mut counts = Counts::default();
    for counted in COUNTED.captures_iter(&line[1]) {
        let found = number(counted.get(1));
        match counted[2].trim() {
            "passed" | "xpassed" => counts.passed = counts.passed.saturating_add(found),
            "failed" | "error" | "errors" => counts.failed = counts.failed.saturating_add(found),
            "skipped" | "xfailed" => counts.skipped = counts.skipped.saturating_add(found),
            _ => {}
        }
    }
    Some(counts)
}

fn unittest(text: &str) -> Option<Counts> {
    let ran = RAN.captures_iter(text).last()?;
    let rest = &text[ran.get(0)?.end()..];
    let verdict = VERDICT.captures(rest)?;
    let mut counts = Counts::default();
    for part in verdict
        .get(1)
        .map_or("", |parts| parts.as_str())
        .split(", ")
    {
        let Some((name, count)) = part.split_once('=') else {
            continue;
        };
        let found = count.parse().unwrap_or(u64::MAX);
        match name {
            "failures" | "errors" => counts.failed = counts.failed.saturating_add(found),
            "skipped" | "expected failures" => {
                counts.skipped = counts.skipped.saturating_add(found);
            }
            _ => {}
        }
    }
    let others = counts.failed.saturating_add(counts.skipped);
    counts.passed = number(ran.get(1)).saturating_sub(others);
    Some(counts)
}

fn plain(text: &str) -> Option<Counts> {
    let line = PLAIN.captures_iter(text).last()?;
    Some(Counts {
        passed: number(line.get(1)),
        failed: number(line.get(2)),
        skipped: number(line.get(3)),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counts(passed: u64, failed: u64, skipped: u64) -> Counts {
        Counts {
            failed,
            passed,
            skipped,
        }
    }

    #[test]
    fn closing_lines_of_every_runner_are_read() {
        for (output, expected) in [
            ("===== 5 passed in 0.12s =====\n", counts(5, 0, 0)),
            ("5 passed in 0.02s\n", counts(5, 0, 0)),
            (
                "=== 1 failed, 3 passed, 2 skipped, 1 xfailed, 1 xpassed, 4 warnings, 2 errors in 61.20s (0:01:01) ===\n",
                counts(4, 3, 3),
            ),
            (
                "\u{1b}[32m\u{1b}[1m2 passed\u{1b}[0m\u{1b}[32m in 0.01s\u{1b}[0m\n",
                counts(2, 0, 0),
            ),
            ("no tests ran in 0.00s\n", counts(0, 0, 0)),
            (
                "running 2 tests\ntest result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\ntest result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n",
                counts(3, 1, 1),
            ),
            (
                "     Summary [   0.010s] 7 tests run: 5 passed (1 slow), 1 failed, 1 timed out, 3 skipped\n",
                counts(5, 2, 3),
            ),
            ("Ran 5 tests in 0.001s\n\nOK\n", counts(5, 0, 0)),
            (
                "Ran 9 tests in 0.001s\n\nFAILED (failures=1, errors=2, skipped=3, expected failures=1)\n",
                counts(2, 3, 4),
            ),
            ("suite: 3 passed, 0 failed, 1 skipped\n", counts(3, 0, 1)),
            ("3 passed, 1 failed\n", counts(3, 1, 0)),
        ] {
            assert_eq!(closing_lines(output.as_bytes()), Ok(expected), "{output}");
        }
    }

    #[test]
    fn what_is_unclear_is_refused() {
        for nothing in [
            "",
            "all good\n",
            "Ran 3 tests in 0.1s\n",
            "I saw 3 passed in passing\n",
        ] {
            let read = closing_lines(nothing.as_bytes());
            assert_eq!(read, Err(Unclear::NoClosingLine), "{nothing}");
        }
        let both = "Ran 5 tests in 0.001s\n\nOK\n3 passed, 0 failed\n";
        assert_eq!(
            closing_lines(both.as_bytes()),
            Err(Unclear::Several(
                "unittest, 'N passed, N failed'".to_owned()
            ))
        );
    }

    #[test]
    fn junit_cases_are_counted_by_what_is_in_them() {
        let xml = br#"<?xml version="1.0" encoding="utf-8"?>
<testsuites><testsuite name="pytest" errors="9" tests="1">
<testcase classname="a" name="one" time="0.1" />
<testcase name="two"><system-out>x &lt;failure&gt;</system-out></testcase>
<testcase name="three"><failure message="m">t</failure></testcase>
<testcase name="four"><error/></testcase>
<testcase name="five"><skipped type="pytest.skip"/></testcase>
<!-- <testcase/> --></testsuite></testsuites>"#;
        assert_eq!(junit(xml), Ok(counts(2, 2, 1)));
        assert_eq!(junit(b"<testsuite/>"), Ok(counts(0, 0, 0)));
        for bad in [
            &b""[..],
            b"<html/>",
            b"<testsuite>",
            b"\xff",
            b"<!DOCTYPE x [<!ENTITY a 'b'>]><testsuite>&a;</testsuite>",
        ] {
            assert!(junit(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
        let deep = "<testsuite>".repeat(100_000);
        assert!(junit(deep.as_bytes()).is_err());
    }

    #[test]
    fn a_full_pass_is_one_in_which_something_ran_and_nothing_failed() {
        assert!(TestResults::new(counts(1, 0, 5), 0).is_full_pass());
        assert!(!TestResults::new(counts(0, 0, 5), 0).is_full_pass());
        assert!(!TestResults::new(counts(1, 1, 0), 0).is_full_pass());
        assert!(!TestResults::new(counts(1, 0, 0), 1).is_full_pass());
    }

    proptest! {
        // The report of a batch is written by one XML library and read here by another.
        #[test]
        fn the_report_of_a_batch_is_read_whatever_its_texts_are(
            missions in prop::collection::vec((0_usize..5, any::<Option<String>>(), any::<String>()), 0..8),
            name: String,
        ) {
            use coo_kernel::batch::report::{self, MissionResult, Outcome};
            let results: Vec<MissionResult> = (1..)
                .zip(&missions)
                .map(|(index, (status, id, reason))| MissionResult {
                    index,
                    id: id.clone(),
                    mission: None,
                    status: [
                        Outcome::Success,
                        Outcome::Failed,
                        Outcome::Paused,
                        Outcome::Interrupted,
                        Outcome::Refused,
                    ][*status],
                    reason: Some(reason.clone()),
                    output: None,
                    chain_head: None,
                    fuel: 0,
                    tokens_in: 0,
                    tokens_out: 0,
                    cost_micros: None,
                    elapsed_ms: 0,
                })
                .collect();
            let of = |statuses: &[usize]| {
                let with = missions.iter().filter(|mission| statuses.contains(&mission.0));
                with.count() as u64
            };
            let text = report::junit(&name, &results, 0).unwrap();
            prop_assert_eq!(junit(text.as_bytes()), Ok(counts(of(&[0]), of(&[1, 3, 4]), of(&[2]))));
        }

        #[test]
        fn nothing_that_is_printed_or_reported_panics(
            output in "(?s).{0,80}",
            xml in "(<(/?testsuite|testcase|failure|!--|!\\[CDATA\\[|\\?)?[ a-z=\"]{0,3}(/?>|\\]\\]>|-->)?){0,12}",
        ) {
            let _ = closing_lines(output.as_bytes());
            let _ = junit(xml.as_bytes());
        }
    }
}
