//! Reads the lint's ruleset: a JSON file written by a person, whose digest the configuration pins.
//! Refuses everything unknown or unclear in it; the error names the rule.

use std::collections::BTreeSet;
use std::fmt::Display;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::repository::pattern::{NoPattern, Pattern};
use crate::repository::ruleset::{self, RulesetError};
use crate::repository::scope::Scope;

/// The format that a ruleset must declare.
pub const FORMAT: &str = "coo-lint-ruleset-1";
/// Most rules: each is compared with every file.
const RULES_MAX: usize = 500;
/// Most lines before and after a place: all of them are searched for every place.
const LINES_MAX: u64 = 100;
/// Longest id, in bytes: every finding shows it.
const ID_BYTES_MAX: usize = 64;

/// A rule of the lint.
#[derive(Debug, Clone)]
pub struct Rule {
    pub id: String,
    /// The reason for the rule; every finding shows it.
    pub why: String,
    /// The files that the rule is about.
    pub paths: Scope,
    pub check: Check,
}

/// What a rule requires.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "docs/lint.md says what the fields are")]
pub enum Check {
    /// Invariant: the pattern occurs between `min` and `max` times in each file.
    Times {
        pattern: Pattern,
        min: u64,
        max: u64,
    },
    /// Invariant: every pattern in the rule's paths matches a file, or none does.
    Exists(bool),
    /// Forbidden: the pattern occurs only within an occurrence of one of `except`.
    Forbidden {
        pattern: Pattern,
        except: Vec<Pattern>,
    },
    /// Required: the pattern occurs in each file, or in at least one.
    Required { pattern: Pattern, each: bool },
    /// Escalation: `require` occurs near every occurrence of `when`.
    Escalation {
        when: Pattern,
        require: Pattern,
        within: Within,
    },
}

/// What counts as near.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Within {
    /// The same section of a Markdown text.
    Section,
    /// This many lines before and after.
    Lines(u64),
}

/// The four kinds of checks that packet §6 requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Kind {
    Invariant,
    Forbidden,
    Required,
    Escalation,
}

impl Check {
    /// Returns the kind of the check.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Times { .. } | Self::Exists(_) => Kind::Invariant,
            Self::Forbidden { .. } => Kind::Forbidden,
            Self::Required { .. } => Kind::Required,
            Self::Escalation { .. } => Kind::Escalation,
        }
    }
}

#[derive(Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Written {
    format: String,
    #[serde(rename = "version")]
    _version: String,
    #[cfg_attr(feature = "schemas", schemars(with = "Vec<WrittenRule>"))]
    rules: Vec<Box<RawValue>>,
}

impl ruleset::Written for Written {
    const FORMAT: &str = FORMAT;

    fn format(&self) -> &str {
        &self.format
    }
}

#[derive(Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
enum WrittenRule {
    Invariant {
        id: String,
        why: String,
        paths: Scope,
        pattern: Option<String>,
        min: Option<u64>,
        max: Option<u64>,
        exists: Option<bool>,
    },
    Forbidden {
        id: String,
        why: String,
        paths: Scope,
        pattern: String,
        #[serde(default)]
        except: Vec<String>,
    },
    Required {
        id: String,
        why: String,
        paths: Scope,
        pattern: String,
        #[serde(rename = "in")]
        within: In,
    },
    Escalation {
        id: String,
        why: String,
        paths: Scope,
        when: String,
        require: String,
        within: Within,
    },
}

#[derive(Deserialize, PartialEq)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
enum In {
    Each,
    Any,
}

/// Reads and checks the text of a ruleset.
pub fn rules(content: &[u8]) -> Result<Vec<Rule>, RulesetError> {
    let whole = |why: String| RulesetError::new("ruleset", why);
    let written: Written = ruleset::read(content)?;
    if written.rules.is_empty() || written.rules.len() > RULES_MAX {
        let rules = written.rules.len();
        return Err(whole(format!(
            "has {rules} rules, 1 to {RULES_MAX} are permitted"
        )));
    }
    let mut ids = BTreeSet::new();
    let mut rules = Vec::with_capacity(written.rules.len());
    for (i, text) in written.rules.iter().enumerate() {
        let place = format!("rules[{i}]");
        if !text.get().starts_with('{') {
            return Err(RulesetError::new(place, "not an object"));
        }
        let written: WrittenRule =
            serde_json::from_str(text.get()).map_err(|error| RulesetError::new(&place, error))?;
        let rule = rule(written, &place)?;
        if !ids.insert(rule.id.clone()) {
            let place = format!("{place} ({})", rule.id);
            return Err(RulesetError::new(
                place,
                "id: another rule has it; choose another",
            ));
        }
        rules.push(rule);
    }
    Ok(rules)
}

fn rule(written: WrittenRule, place: &str) -> Result<Rule, RulesetError> {
    let (id, why, paths, check) = match written {
        WrittenRule::Invariant {
            id,
            why,
            paths,
            pattern,
            min,
            max,
            exists,
        } => (id, why, paths, invariant(pattern, min, max, exists)),
        WrittenRule::Forbidden {
            id,
            why,
            paths,
            pattern,
            except,
        } => (id, why, paths, forbidden(&pattern, &except)),
        WrittenRule::Required {
            id,
            why,
            paths,
            pattern,
            within,
        } => {
            let each = within == In::Each;
            let check = read("pattern", &pattern).map(|pattern| Check::Required { pattern, each });
            (id, why, paths, check)
        }
        WrittenRule::Escalation {
            id,
            why,
            paths,
            when,
            require,
            within,
        } => (id, why, paths, escalation(&when, &require, within)),
    };
    let shown: String = id.escape_debug().take(ID_BYTES_MAX).collect();
    let refused = |why: &dyn Display| RulesetError::new(format!("{place} ({shown})"), why);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if id.is_empty() || id.len() > ID_BYTES_MAX || !id.bytes().all(plain) {
        return Err(refused(&format!(
            "id: must be 1 to {ID_BYTES_MAX} of A-Z a-z 0-9 . _ -"
        )));
    }
    if why.trim().is_empty() {
        return Err(refused(&"why: is empty; say why there is such a rule"));
    }
    if paths.is_empty() {
        return Err(refused(&"paths: is empty; name the files it is about"));
    }
    let check = check.map_err(|why| refused(&why))?;
    Ok(Rule {
        id,
        why,
        paths,
        check,
    })
}

fn read(field: &str, text: &str) -> Result<Pattern, String> {
    Pattern::new(text).map_err(|why: NoPattern| format!("{field}: {why}"))
}

fn invariant(
    pattern: Option<String>,
    min: Option<u64>,
    max: Option<u64>,
    exists: Option<bool>,
) -> Result<Check, String> {
    match (pattern, min, max, exists) {
        (None, None, None, Some(exists)) => Ok(Check::Exists(exists)),
        (Some(_), None, None, None) => {
            Err("has neither min nor max; say how often the pattern occurs".into())
        }
        (Some(pattern), min, max, None) => {
            let (min, max) = (min.unwrap_or(0), max.unwrap_or(u64::MAX));
            if min > max {
                return Err(format!("has min {min} and max {max}; no file keeps that"));
            }
            let pattern = read("pattern", &pattern)?;
            Ok(Check::Times { pattern, min, max })
        }
        _ => Err("must have either exists, or pattern with min, max or both".into()),
    }
}

fn forbidden(pattern: &str, except: &[String]) -> Result<Check, String> {
    let except = except.iter().enumerate();
    let except = except.map(|(i, text)| read(&format!("except[{i}]"), text));
    Ok(Check::Forbidden {
        pattern: read("pattern", pattern)?,
        except: except.collect::<Result<_, _>>()?,
    })
}

fn escalation(when: &str, require: &str, within: Within) -> Result<Check, String> {
    if let Within::Lines(lines) = within
        && lines > LINES_MAX
    {
        return Err(format!(
            "within: has {lines} lines, at most {LINES_MAX} are permitted"
        ));
    }
    Ok(Check::Escalation {
        when: read("when", when)?,
        require: read("require", require)?,
        within,
    })
}
