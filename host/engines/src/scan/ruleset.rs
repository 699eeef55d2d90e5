//! Reads the scanner's ruleset (packet §5.4): a JSON file written by a person, whose digest the
//! configuration pins. Refuses everything unknown or unclear in it; the error names the rule.

use std::collections::BTreeSet;
use std::fmt::Display;

use serde::Deserialize;

use crate::repository::pattern::Pattern;
use crate::repository::ruleset::{self, RulesetError};

/// The format that a ruleset must declare.
pub const FORMAT: &str = "coo-governance-leak-ruleset-1";
/// Most rules of a kind: each is compared with every file.
const RULES_MAX: usize = 500;
/// Longest name, in bytes: it is a column of the report.
const NAME_BYTES_MAX: usize = 64;

/// The scanner's rules.
#[derive(Debug, Clone)]
pub struct Ruleset {
    /// The version, as the author names it.
    pub version: String,
    pub forbidden: Vec<Rule>,
    /// Text in which forbidden patterns may occur.
    pub permitted: Vec<Pattern>,
}

/// A kind of forbidden text.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Unique; reports show it.
    pub name: String,
    pub pattern: Pattern,
    /// The reason for the rule.
    pub why: String,
}

#[derive(Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Written {
    format: String,
    version: String,
    forbidden: Vec<Forbidden>,
    #[serde(default)]
    permitted: Vec<Permitted>,
}

impl ruleset::Written for Written {
    const FORMAT: &str = FORMAT;

    fn format(&self) -> &str {
        &self.format
    }
}

#[derive(Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Forbidden {
    name: String,
    pattern: String,
    why: String,
}

#[derive(Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Permitted {
    pattern: String,
    why: String,
}

impl Ruleset {
    /// Reads and checks the text of a ruleset.
    pub fn parse(content: &[u8]) -> Result<Self, RulesetError> {
        let whole = |why: String| RulesetError::new("ruleset", why);
        let written: Written = ruleset::read(content)?;
        if written.version.trim().is_empty() {
            return Err(whole("version: is empty; name one".into()));
        }
        if written.forbidden.is_empty() {
            return Err(whole("forbidden: is empty; name what is forbidden".into()));
        }
        for (kind, rules) in [
            ("forbidden", written.forbidden.len()),
            ("permitted", written.permitted.len()),
        ] {
            if rules > RULES_MAX {
                return Err(whole(format!(
                    "{kind}: has {rules} rules, at most {RULES_MAX} are permitted"
                )));
            }
        }
        Ok(Self {
            version: written.version,
            forbidden: forbidden(written.forbidden)?,
            permitted: permitted(written.permitted)?,
        })
    }
}

fn forbidden(written: Vec<Forbidden>) -> Result<Vec<Rule>, RulesetError> {
    let mut names = BTreeSet::new();
    let mut rules = Vec::with_capacity(written.len());
    for (i, rule) in written.into_iter().enumerate() {
        let shown: String = rule.name.escape_debug().take(NAME_BYTES_MAX).collect();
        let refused =
            |why: &dyn Display| RulesetError::new(format!("forbidden[{i}] ({shown})"), why);
        if !is_name(&rule.name) {
            return Err(refused(&format!(
                "name: must be a letter and then at most {} letters and digits",
                NAME_BYTES_MAX - 1
            )));
        }
        if !names.insert(rule.name.clone()) {
            return Err(refused(&"name: another rule has it; choose another"));
        }
        if rule.why.trim().is_empty() {
            return Err(refused(&"why: is empty; say why it is forbidden"));
        }
        rules.push(Rule {
            pattern: pattern(&rule.pattern).map_err(|why| refused(&why))?,
            name: rule.name,
            why: rule.why,
        });
    }
    Ok(rules)
}

fn permitted(written: Vec<Permitted>) -> Result<Vec<Pattern>, RulesetError> {
    let read = |(i, rule): (usize, Permitted)| {
        let refused = |why: &dyn Display| RulesetError::new(format!("permitted[{i}]"), why);
        if rule.why.trim().is_empty() {
            return Err(refused(&"why: is empty; say why it is permitted"));
        }
        pattern(&rule.pattern).map_err(|why| refused(&why))
    };
    written.into_iter().enumerate().map(read).collect()
}

fn pattern(text: &str) -> Result<Pattern, String> {
    Pattern::new(text).map_err(|why| format!("pattern: {why}"))
}

fn is_name(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn ruleset() -> Value {
        json!({
            "format": FORMAT,
            "version": "1",
            "forbidden": [
                {"name": "One", "pattern": "one", "why": "w"},
                {"name": "Two", "pattern": "two", "why": "w"},
            ],
            "permitted": [{"pattern": "zero one", "why": "w"}],
        })
    }

    fn refused(change: impl Fn(&mut Value)) -> String {
        let mut ruleset = ruleset();
        change(&mut ruleset);
        let error = Ruleset::parse(ruleset.to_string().as_bytes()).unwrap_err();
        error.to_string()
    }

    #[test]
    fn what_is_unclear_is_refused_and_its_place_named() {
        assert_eq!(
            Ruleset::parse(ruleset().to_string().as_bytes())
                .unwrap()
                .forbidden
                .len(),
            2
        );
        for (pointer, value, words) in [
            ("/format", json!("x"), "ruleset: has format 'x'"),
            ("/version", json!(" "), "ruleset: version: is empty"),
            ("/forbidden", json!([]), "ruleset: forbidden: is empty"),
            (
                "/forbidden/1/name",
                json!("One"),
                "forbidden[1] (One): name: another rule",
            ),
            (
                "/forbidden/1/name",
                json!(""),
                "forbidden[1] (): name: must be",
            ),
            (
                "/forbidden/1/name",
                json!("a b"),
                "forbidden[1] (a b): name: must be",
            ),
            (
                "/forbidden/1/why",
                json!(""),
                "forbidden[1] (Two): why: is empty",
            ),
            (
                "/forbidden/1/pattern",
                json!("a("),
                "forbidden[1] (Two): pattern: at byte 1: ",
            ),
            (
                "/permitted/0/pattern",
                json!("x*"),
                "permitted[0]: pattern: matches the empty",
            ),
            ("/permitted/0/why", json!(""), "permitted[0]: why: is empty"),
            (
                "/permitted/0/name",
                json!("x"),
                "permitted[0].name: no such field",
            ),
            (
                "/forbidden/0/flags",
                json!("i"),
                "forbidden[0].flags: no such field",
            ),
            ("/allowed", json!([]), "allowed: no such field"),
        ] {
            let error = refused(|ruleset| {
                let (parent, key) = pointer.rsplit_once('/').unwrap();
                ruleset.pointer_mut(parent).unwrap()[key] = value.clone();
            });
            assert!(error.contains(words) && !error.contains('\n'), "{error}");
        }
        let error = refused(|ruleset| {
            let rule = json!({"pattern": "x", "why": "w"});
            ruleset["permitted"] = vec![rule; RULES_MAX + 1].into();
        });
        assert!(error.contains("has 501 rules, at most 500"), "{error}");
        let error = Ruleset::parse(&vec![b' '; ruleset::BYTES_MAX + 1]).unwrap_err();
        assert!(error.to_string().contains("1048577"), "{error}");
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(content in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Ruleset::parse(&content);
        }

        #[test]
        fn no_pattern_makes_the_reader_panic(pattern in "\\PC{0,40}|[a(){}\\[\\]*+?|\\\\^$.,0-9:<>=!-]{0,30}") {
            let mut ruleset = ruleset();
            ruleset["forbidden"][0]["pattern"] = pattern.into();
            let _ = Ruleset::parse(ruleset.to_string().as_bytes());
        }
    }
}
