//! The constitutional lint (packet §6): checks that a repository keeps its invariants, has no
//! forbidden constructs, has its required clauses, and names an escalation wherever one is
//! required. All rules come from the pinned ruleset; this code holds none. Reads no file itself.

mod report;
pub(crate) mod ruleset;
mod section;

use std::collections::BTreeSet;

pub use crate::repository::ruleset::{BYTES_MAX, RulesetError};
pub use report::{Finding, Report};
pub use ruleset::{Check, FORMAT, Kind, Rule, Within, rules};

use crate::repository::pattern::{Excused, Hit, Pattern};
use crate::repository::scope::Scope;
use crate::repository::text::{self, NoText};
use crate::scan::Status;
use coo_kernel::baseline::TreePath;
use coo_kernel::form::digest::Digest;
use section::Sections;

/// A ruleset, ready to be applied to a repository.
#[derive(Debug, Clone)]
pub struct Linter {
    rules: Vec<Rule>,
}

/// The findings in one file.
#[derive(Debug, Default)]
pub struct Judged {
    findings: Vec<Finding>,
    /// Indexes of rules that require a clause in some file and found it in this one.
    met: BTreeSet<usize>,
}

impl Linter {
    /// Reads the text of a ruleset; fails if a rule is refused.
    pub fn new(content: &[u8]) -> Result<Self, RulesetError> {
        rules(content).map(|rules| Self { rules })
    }

    /// Returns the files that any rule is about.
    pub fn paths(&self) -> Scope {
        Scope::all_of(self.rules.iter().map(|rule| &rule.paths))
    }

    /// Returns whether a rule looks at the file's content.
    pub fn reads(&self, path: &TreePath) -> bool {
        let path = path.text();
        let mut reading = self.rules.iter().filter(|rule| !rule.is_of_names());
        reading.any(|rule| rule.paths.has(&path))
    }

    /// Judges one file by its content.
    pub fn file(&self, path: &TreePath, content: &[u8]) -> Result<Judged, NoText> {
        text::check(content)?;
        let path = path.text();
        let mut judged = Judged::default();
        for (i, rule) in self.rules.iter().enumerate() {
            if rule.is_of_names() || !rule.paths.has(&path) {
                continue;
            }
            let mut find = |line, found| judged.findings.push(rule.finding(&path, line, found));
            match &rule.check {
                Check::Times { pattern, min, max } => {
                    let times = pattern.ranges(content).count() as u64;
                    if times < *min || times > *max {
                        find(None, format!("{times} times, {}", asked(*min, *max)));
                    }
                }
                Check::Forbidden { pattern, except } => {
                    for hit in forbidden(pattern, except, content) {
                        find(Some(hit.line), text::excerpt(content, hit.range.start));
                    }
                }
                Check::Required {
                    pattern,
                    each: true,
                } if !pattern.is_in(content) => {
                    find(None, missing(pattern));
                }
                Check::Required {
                    pattern,
                    each: false,
                } if pattern.is_in(content) => {
                    judged.met.insert(i);
                }
                Check::Required { .. } | Check::Exists(_) => {}
                Check::Escalation {
                    when,
                    require,
                    within,
                } => {
                    for hit in without_escalation(when, require, *within, content) {
                        find(Some(hit.line), text::excerpt(content, hit.range.start));
                    }
                }
            }
        }
        Ok(judged)
    }

    /// Judges the repository from the findings in its files and the list of files. Also returns a
    /// line for each rule that matches no file and requires none.
    pub fn conclude(
        &self,
        files: &[TreePath],
        judged: Vec<Judged>,
        ruleset_sha256: Digest,
    ) -> (Report, Vec<String>) {
        let files: Vec<String> = files.iter().map(TreePath::text).collect();
        let (mut findings, mut met) = (Vec::new(), BTreeSet::new());
        for judged in judged {
            findings.extend(judged.findings);
            met.extend(judged.met);
        }
        let mut idle = Vec::new();
        for (i, rule) in self.rules.iter().enumerate() {
            let has = |scope: &Scope| files.iter().any(|file| scope.has(file));
            let paths = || rule.paths.patterns().collect::<Vec<_>>().join(", ");
            match &rule.check {
                Check::Exists(true) => {
                    for (pattern, scope) in rule.paths.each() {
                        if !has(&scope) {
                            findings.push(rule.finding(pattern, None, "is not there".into()));
                        }
                    }
                }
                Check::Exists(false) => {
                    for file in files.iter().filter(|file| rule.paths.has(file)) {
                        findings.push(rule.finding(file, None, "is there".into()));
                    }
                }
                Check::Forbidden { .. } | Check::Escalation { .. } if !has(&rule.paths) => {
                    idle.push(format!("rule {}: no file matches {}", rule.id, paths()));
                }
                Check::Times { .. } | Check::Required { .. } if !has(&rule.paths) => {
                    findings.push(rule.finding(&paths(), None, "no file matches".into()));
                }
                Check::Required {
                    pattern,
                    each: false,
                } if !met.contains(&i) => {
                    findings.push(rule.finding(&paths(), None, missing(pattern)));
                }
                _ => {}
            }
        }
        findings.sort_by(|a, b| (&a.file, a.line, &a.rule).cmp(&(&b.file, b.line, &b.rule)));
        let report = Report {
            status: Status::of(findings.len()),
            findings,
            files: files.len() as u64,
            ruleset_sha256,
        };
        (report, idle)
    }
}

impl Rule {
    fn finding(&self, file: &str, line: Option<u64>, found: String) -> Finding {
        Finding {
            file: file.to_owned(),
            line,
            rule: self.id.clone(),
            kind: self.check.kind(),
            why: self.why.clone(),
            found,
        }
    }

    /// Returns whether the rule is about which files exist, and not about their content.
    fn is_of_names(&self) -> bool {
        matches!(self.check, Check::Exists(_))
    }
}

fn asked(min: u64, max: u64) -> String {
    match max {
        u64::MAX => format!("at least {min} wanted"),
        max if min == 0 => format!("at most {max} wanted"),
        max if max == min => format!("{min} wanted"),
        max => format!("{min} to {max} wanted"),
    }
}

fn missing(pattern: &Pattern) -> String {
    text::shown(&format!("nothing matches {}", pattern.text()))
}

fn forbidden(pattern: &Pattern, except: &[Pattern], content: &[u8]) -> Vec<Hit> {
    if pattern.is_in(content) {
        pattern.hits(content, &Excused::new(except, content))
    } else {
        Vec::new()
    }
}

fn without_escalation(
    when: &Pattern,
    require: &Pattern,
    within: Within,
    content: &[u8],
) -> Vec<Hit> {
    let mut hits = when.hits(content, &Excused::default());
    if hits.is_empty() {
        return hits;
    }
    let sections = match within {
        Within::Section => Sections::of_markdown(content),
        Within::Lines(lines) => Sections::of_lines(content, lines),
    };
    // Hits are sorted, so those of one section are adjacent and the section is searched once.
    let mut last = (0..0, false);
    hits.retain(|hit| {
        let around = sections.around(&hit.range);
        if last.0 != around {
            last = (around.clone(), require.is_in(&content[around]));
        }
        !last.1
    });
    hits
}

#[cfg(test)]
mod tests;
