//! The governance-leak scanner (packet §5): finds text that implies that anyone but the CEO
//! decides. All words come from the pinned ruleset; this code holds none. Reads no file itself.

mod report;
pub(crate) mod ruleset;
mod sarif;

pub use crate::repository::ruleset::{BYTES_MAX, RulesetError};
pub use report::{Region, Report, Status, Violation};
pub use ruleset::{FORMAT, Rule, Ruleset};
pub use sarif::sarif;

use coo_kernel::baseline::TreePath;

use crate::repository::pattern::{Any, Excused};
use crate::repository::text::{self, NoText};

/// A ruleset, ready to be applied to files.
#[derive(Debug, Clone)]
pub struct Scanner {
    ruleset: Ruleset,
    any: Any,
}

impl Scanner {
    /// Reads the text of a ruleset.
    pub fn new(content: &[u8]) -> Result<Self, RulesetError> {
        let ruleset = Ruleset::parse(content)?;
        let any = Any::new(ruleset.forbidden.iter().map(|rule| &rule.pattern));
        let any = any.map_err(|why| RulesetError::new("forbidden, all together", why))?;
        Ok(Self { ruleset, any })
    }

    /// Returns the ruleset, once all files are scanned.
    pub fn into_ruleset(self) -> Ruleset {
        self.ruleset
    }

    /// Returns the violations in one file, sorted by line and rule name.
    pub fn file(&self, path: &TreePath, content: &[u8]) -> Result<Vec<Violation>, NoText> {
        text::check(content)?;
        if !self.any.is_in(content) {
            return Ok(Vec::new());
        }
        let excused = Excused::new(&self.ruleset.permitted, content);
        let mut violations: Vec<_> = self
            .ruleset
            .forbidden
            .iter()
            .flat_map(|rule| {
                let hits = rule.pattern.hits(content, &excused);
                hits.into_iter().map(|hit| Violation {
                    file: path.text(),
                    line: hit.line,
                    pattern: rule.name.clone(),
                    excerpt: text::excerpt(content, hit.range.start),
                    region: Region::of(content, &hit),
                })
            })
            .collect();
        violations.sort_by(|a, b| (a.line, &a.pattern).cmp(&(b.line, &b.pattern)));
        Ok(violations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(content: &str) -> Vec<(u64, String, String)> {
        let ruleset = r#"{"format": "coo-governance-leak-ruleset-1", "version": "1",
            "forbidden": [
                {"name": "Two", "pattern": "(?i)one\\s+two", "why": "w"},
                {"name": "Five", "pattern": "(?i)five", "why": "w"}],
            "permitted": [{"pattern": "zero\\s+one\\s+two", "why": "w"}]}"#;
        let path = TreePath::from_text("a/b").unwrap();
        let scanner = Scanner::new(ruleset.as_bytes()).unwrap();
        let violations = scanner.file(&path, content.as_bytes()).unwrap();
        let parts = violations.into_iter().map(|violation| {
            assert_eq!(violation.file, "a/b");
            (violation.line, violation.pattern, violation.excerpt)
        });
        parts.collect()
    }

    #[test]
    fn one_violation_for_every_line_and_rule_and_none_for_what_is_permitted() {
        assert_eq!(found("zero one\r\n two"), []);
        assert_eq!(found(""), []);
        let expected = [
            (1, "Five".into(), "FIVE one".into()),
            (1, "Two".into(), "FIVE one".into()),
            (2, "Two".into(), "two zero one two, one two one two".into()),
        ];
        assert_eq!(
            found("FIVE one\n two zero one two, one two one two\n"),
            expected
        );
        // The ruleset makes this permitted pattern case-sensitive.
        assert_eq!(found("Zero one two").len(), 1);
    }
}
