//! What a hardening tries and expects to be refused: writes of a guest, workflows, and missions
//! that go beyond their scope or a ceiling. Each attempt states the refusal that it expects, so
//! that a refusal for another reason counts as a failure. Performs none of them.

use serde_json::{Value, json};

use super::FOLDER;
use crate::effects::artefact::{DEPTH_MAX, PATH_BYTES_MAX};
use crate::mission::authority::Governance;
use crate::mission::edition::Edition;
use crate::mission::failure::{Rule, SetBy};
use crate::mission::protected;
use crate::mission::workflow::{self, HUMAN_STEPS_MAX, STEPS_MAX};

/// The artefact that the attempts on the gateway may write.
pub const PERMITTED: &str = "probe/Report_v1.0.md";
/// A second one, written after the INDEX was damaged.
pub const SECOND: &str = "probe/Report_v1.1.md";
/// The content of the artefacts, long enough to exceed a ceiling of one byte.
pub const CONTENT: &str = "written by a probe\n";

/// What of a write the gateway judges (FP-3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aspect {
    Path,
    Name,
    Version,
    Boundary,
}

impl Aspect {
    /// Every aspect, in the order of the plan.
    pub const ALL: [Self; 4] = [Self::Path, Self::Name, Self::Version, Self::Boundary];

    /// Returns the name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Name => "name",
            Self::Version => "version",
            Self::Boundary => "boundary",
        }
    }
}

/// A write that the gateway must refuse after `PERMITTED` was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteAttempt {
    pub aspect: Aspect,
    pub path: String,
    pub content: &'static str,
    /// A part of the gateway's answer.
    pub answer: &'static str,
}

/// Returns every write that must be refused.
pub fn writes() -> Vec<WriteAttempt> {
    let long = format!("{}_v1.0.md", "a".repeat(PATH_BYTES_MAX));
    let deep = format!("{}Escape_v1.0.md", "a/".repeat(DEPTH_MAX));
    let attempt = |aspect, path: &str, answer| WriteAttempt {
        aspect,
        path: path.to_owned(),
        content: CONTENT,
        answer,
    };
    vec![
        attempt(Aspect::Path, "../Escape_v1.0.md", "'..' component"),
        attempt(Aspect::Path, "probe/../../Escape_v1.0.md", "'..' component"),
        attempt(Aspect::Path, "/Escape_v1.0.md", "is absolute"),
        attempt(Aspect::Path, "C:Escape_v1.0.md", "drive letter"),
        attempt(
            Aspect::Path,
            "probe\\Escape_v1.0.md",
            "a backslash (U+005C)",
        ),
        attempt(Aspect::Name, "probe/Escape.md", "not of the form"),
        attempt(Aspect::Name, "probe/.Escape_v1.0.md", "starts with a dot"),
        attempt(Aspect::Name, "con/Escape_v1.0.md", "reserved device name"),
        attempt(Aspect::Name, "probe/Es cape_v1.0.md", "a space (U+0020)"),
        attempt(Aspect::Version, "probe/Escape_v1.md", "not of the form"),
        attempt(Aspect::Version, "probe/Escape_v01.0.md", "not of the form"),
        WriteAttempt {
            content: "other content\n",
            ..attempt(Aspect::Version, PERMITTED, "raise its version")
        },
        attempt(Aspect::Version, "probe/report_v1.0.md", "only in case"),
        attempt(Aspect::Boundary, &long, "limit 240"),
        attempt(Aspect::Boundary, &deep, "9 deep, limit 8"),
        attempt(Aspect::Boundary, "INDEX.json", "not of the form"),
    ]
}

/// Returns a path that `pattern` protects. The caller checks that the runtime refuses it for this
/// very pattern, so a sample that misses its pattern is found.
pub fn sample(pattern: &str) -> String {
    let pattern = pattern.strip_prefix("**/").unwrap_or(pattern);
    if let Some(folder) = pattern.strip_suffix("**") {
        return format!("{folder}Tier1_v1.0.md");
    }
    let before = if pattern.starts_with('*') {
        "Tier1"
    } else {
        ""
    };
    format!("{before}{}_v1.0.md", pattern.replace('*', "_"))
}

/// Returns the protected patterns of the present rules, each with a path to try.
pub fn protected_samples() -> Vec<(&'static str, String)> {
    protected::entries(Edition::CURRENT)
        .iter()
        .map(|(pattern, _)| (*pattern, sample(pattern)))
        .collect()
}

/// A write of `PERMITTED` that scope or ceiling must refuse.
#[derive(Debug, Clone)]
pub struct CeilingAttempt {
    pub what: &'static str,
    /// `scope` of the descriptor.
    pub scope: Value,
    /// `governance` of the configuration.
    pub governance: Governance,
    pub rule: Rule,
    pub set_by: SetBy,
}

/// Returns every mission that goes beyond its scope or a ceiling. Fails only if a text here is not
/// a configuration.
pub fn ceilings() -> Result<Vec<CeilingAttempt>, serde_json::Error> {
    let attempt = |what, scope, governance, rule, set_by| {
        Ok(CeilingAttempt {
            what,
            scope,
            governance: serde_json::from_value(governance)?,
            rule,
            set_by,
        })
    };
    let all = || json!({"tier": 3, "paths": ["**"]});
    [
        attempt(
            "a call above the ceiling's tier",
            all(),
            json!({"ceiling": {"tier": 2}}),
            Rule::Tier,
            SetBy::Ceiling,
        ),
        attempt(
            "a path outside the ceiling",
            all(),
            json!({"ceiling": {"paths": ["elsewhere/**"]}}),
            Rule::Path,
            SetBy::Ceiling,
        ),
        attempt(
            "more bytes than the ceiling",
            all(),
            json!({"ceiling": {"limits": {"artefact_bytes": 1}}}),
            Rule::Limit,
            SetBy::Ceiling,
        ),
        attempt(
            "a path that the operator protects",
            all(),
            json!({"protected": ["probe/**"]}),
            Rule::Protected,
            SetBy::Configuration,
        ),
        attempt(
            "a call above the scope's tier",
            json!({"tier": 2}),
            json!({}),
            Rule::Tier,
            SetBy::Scope,
        ),
        attempt(
            "a path outside the scope",
            json!({"paths": ["elsewhere/**"]}),
            json!({}),
            Rule::Path,
            SetBy::Scope,
        ),
    ]
    .into_iter()
    .collect()
}

/// A workflow that the validator must refuse.
#[derive(Debug, Clone)]
pub struct WorkflowAttempt {
    pub what: &'static str,
    /// `steps` of the descriptor.
    pub steps: Value,
    /// The rules that it breaks.
    pub rules: Vec<workflow::Rule>,
}

fn steps(machine: usize, questions: &[&str]) -> Value {
    let machine = (1..=machine).map(|i| json!({"id": format!("work-{i}")}));
    let human = questions.iter().enumerate();
    let human = human.map(|(i, ask)| json!({"id": format!("ask-{i}"), "human": {"ask": ask}}));
    machine.chain(human).collect()
}

/// Returns every workflow that must be refused.
pub fn workflows() -> Vec<WorkflowAttempt> {
    use workflow::Rule;
    let question = "Is the report fit to publish?";
    let attempt = |what, steps, rules: &[Rule]| WorkflowAttempt {
        what,
        steps,
        rules: rules.to_vec(),
    };
    vec![
        attempt(
            "more than 5 steps",
            steps(STEPS_MAX + 1, &[]),
            &[Rule::TooManySteps],
        ),
        attempt(
            "more than 2 human steps",
            steps(2, &[question; HUMAN_STEPS_MAX + 1]),
            &[Rule::TooManyHumanSteps],
        ),
        attempt(
            "a routine human operation",
            steps(1, &["Copy the report to the wiki. Is it there?"]),
            &[Rule::RoutineHumanOperation],
        ),
        attempt(
            "a routine human operation in polite words",
            steps(1, &["Could you please run the tests?"]),
            &[Rule::RoutineHumanOperation],
        ),
        attempt(
            "a human step without a question",
            steps(1, &["Approved."]),
            &[Rule::NoQuestion],
        ),
        attempt(
            "human steps alone",
            steps(0, &[question]),
            &[Rule::NothingAutomated],
        ),
    ]
}

/// Returns the largest workflow that the validator must permit.
pub fn largest_workflow() -> Value {
    let question = "Is the report fit to publish?";
    steps(STEPS_MAX - HUMAN_STEPS_MAX, &[question; HUMAN_STEPS_MAX])
}

/// Returns the descriptor of a mission in which the probe writes files, one in each step. The probe
/// takes the first line of its input for the path, and the rest for the content.
pub fn writing(
    mission_type: &str,
    probe: &crate::form::digest::Digest,
    files: &[(&str, &str)],
    scope: &Value,
) -> Value {
    let steps: Vec<Value> = files
        .iter()
        .enumerate()
        .map(|(i, (path, content))| {
            json!({"id": format!("write-{}", i + 1), "input": format!("{path}\n{content}")})
        })
        .collect();
    json!({
        "format": crate::mission::descriptor::FORMAT,
        "mission_type": mission_type,
        "module": {"file": format!("{FOLDER}_writer.wasm"), "sha256": probe},
        "scope": scope,
        "steps": steps,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effects::artefact::permit;
    use crate::form::digest::Digest;
    use crate::mission::authority::{Authority, Policy};
    use crate::mission::descriptor::{Descriptor, Step};
    use crate::mission::failure::Failure;

    #[test]
    fn every_aspect_of_a_write_is_tried_and_the_permitted_ones_are_permitted() {
        let writes = writes();
        for aspect in Aspect::ALL {
            assert!(writes.iter().any(|attempt| attempt.aspect == aspect));
        }
        for path in [PERMITTED, SECOND] {
            assert_eq!(permit(path).unwrap().path(), path);
        }
        // A conflict depends on what is there, all others on the name alone.
        for attempt in &writes {
            if let Err(refused) = permit(&attempt.path) {
                let words = refused.to_string();
                assert!(words.contains(attempt.answer), "{}: {words}", attempt.path);
            } else {
                assert_eq!(attempt.aspect, Aspect::Version, "{}", attempt.path);
            }
        }
    }

    #[test]
    fn every_protected_pattern_has_a_sample_that_it_alone_protects() {
        let descriptor = writing("T", &Digest::of(""), &[("a", "b")], &json!({}));
        let descriptor = Descriptor::parse(descriptor.to_string().as_bytes()).unwrap();
        let authority = Authority::of(&descriptor, &Policy::current(Governance::default()));
        for (pattern, path) in protected_samples() {
            assert_eq!(permit(&path).unwrap().path(), path);
            let Err(Failure::Governance { limit, rule, .. }) = authority.may_write(&path) else {
                panic!("{path}: permitted");
            };
            assert_eq!((limit.as_str(), rule), (pattern, Rule::Protected), "{path}");
        }
    }

    #[test]
    fn workflows_break_the_rules_that_they_say_and_the_largest_breaks_none() {
        let parsed = |steps: Value| serde_json::from_value::<Vec<Step>>(steps).unwrap();
        let rules = |steps: Value| match workflow::validate(&parsed(steps), Edition::CURRENT) {
            Ok(()) => Vec::new(),
            Err(refused) => refused.0.iter().map(|violation| violation.rule).collect(),
        };
        for attempt in workflows() {
            assert_eq!(rules(attempt.steps), attempt.rules, "{}", attempt.what);
        }
        assert_eq!(rules(largest_workflow()), []);
        assert_eq!(parsed(largest_workflow()).len(), STEPS_MAX);
    }

    #[test]
    fn every_ceiling_is_a_valid_configuration() {
        let attempts = ceilings().unwrap();
        for attempt in &attempts {
            attempt.governance.check().unwrap();
        }
        for set_by in [SetBy::Ceiling, SetBy::Configuration, SetBy::Scope] {
            assert!(attempts.iter().any(|attempt| attempt.set_by == set_by));
        }
    }
}
