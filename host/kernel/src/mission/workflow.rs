//! The workflow validator: a mission has few steps, fewer that need a person, and none in which a
//! person does what a program could do (Tier-1 plan FP-3.7). For each violation it explains the
//! reason and what to do instead. It guesses nothing: the question of a human step must be one
//! that yes or no answers, and every sentence that begins as an order of routine work is reported.

mod routine;

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Value, json};

use crate::mission::descriptor::Step;
use crate::mission::edition::Edition;

/// Most steps of one workflow (Tier-1 plan FP-3.7).
pub const STEPS_MAX: usize = 5;
/// Most steps of one workflow in which a person decides (Tier-1 plan FP-3.7).
pub const HUMAN_STEPS_MAX: usize = 2;

/// The rules that a workflow can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// More than `STEPS_MAX` steps.
    TooManySteps,
    /// More than `HUMAN_STEPS_MAX` steps that need a person.
    TooManyHumanSteps,
    /// No step that runs without a person.
    NothingAutomated,
    /// A person is told to do what a program could do.
    RoutineHumanOperation,
    /// A human step without a question.
    NoQuestion,
}

impl Rule {
    /// Returns the name in JSON and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooManySteps => "too_many_steps",
            Self::TooManyHumanSteps => "too_many_human_steps",
            Self::NothingAutomated => "nothing_automated",
            Self::RoutineHumanOperation => "routine_human_operation",
            Self::NoQuestion => "no_question",
        }
    }
}

/// One way in which a workflow breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Violation {
    /// What was found, what is permitted, and why.
    pub explanation: String,
    pub rule: Rule,
    /// The step it is about; none if it is about all of them.
    pub step: Option<String>,
    /// What to do instead.
    pub suggested_automation: String,
}

/// A workflow that breaks at least one rule; every violation, in a fixed order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", summary(.0))]
pub struct WorkflowError(pub Vec<Violation>);

/// A refusal as `--json` prints it.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct View<'a> {
    violations: &'a [Violation],
}

impl WorkflowError {
    /// Returns it for `--json`.
    pub fn view(&self) -> View<'_> {
        View {
            violations: &self.0,
        }
    }
}

fn summary(violations: &[Violation]) -> String {
    let mut text = format!("workflow refused, violations: {}", violations.len());
    for violation in violations {
        let step = violation.step.as_ref();
        let step = step.map_or(String::new(), |step| format!(" in step '{step}'"));
        let _ = write!(
            text,
            "\n  {}{step}: {}; {}",
            violation.rule.name(),
            violation.explanation,
            violation.suggested_automation
        );
    }
    text
}

/// Returns the rules of `edition` as data, as the digest of a ruleset covers them.
pub(super) fn rules(edition: Edition) -> Value {
    json!({
        "human_steps_max": HUMAN_STEPS_MAX,
        "routine": routine::tables(edition),
        "steps_max": STEPS_MAX,
    })
}

/// Checks the steps of a mission by the rules of `edition`.
pub fn validate(steps: &[Step], edition: Edition) -> Result<(), WorkflowError> {
    let mut violations = Vec::new();
    let mut violated = |rule, step: Option<&Step>, explanation: String, instead: &str| {
        violations.push(Violation {
            explanation,
            rule,
            step: step.map(|step| step.id.clone()),
            suggested_automation: instead.to_owned(),
        });
    };
    if steps.len() > STEPS_MAX {
        violated(
            Rule::TooManySteps,
            None,
            format!("{} steps, limit {STEPS_MAX}", steps.len()),
            "let one module do what several steps do, or split the mission",
        );
    }
    let human = steps.iter().filter(|step| step.human.is_some()).count();
    if human > HUMAN_STEPS_MAX {
        violated(
            Rule::TooManyHumanSteps,
            None,
            format!("{human} steps need a person, limit {HUMAN_STEPS_MAX}"),
            "ask once, about everything, after the last step that makes something to judge",
        );
    }
    if human == steps.len() && human > 0 {
        violated(
            Rule::NothingAutomated,
            None,
            "every step needs a person, so there is nothing to run".to_owned(),
            "add the step that makes what the person is to judge",
        );
    }
    for step in steps {
        let Some(human) = &step.human else { continue };
        for order in routine::orders(&human.ask, edition) {
            violated(
                Rule::RoutineHumanOperation,
                Some(step),
                format!(
                    "'{}' orders a person to do routine work ({})",
                    order.sentence, order.work
                ),
                order.instead,
            );
        }
        if !human.ask.contains('?') {
            violated(
                Rule::NoQuestion,
                Some(step),
                "asks no question, and approve or reject can only answer one".to_owned(),
                "ask what only a person can judge; let a step of the mission do the rest",
            );
        }
    }
    if violations.is_empty() {
        Ok(())
    } else {
        Err(WorkflowError(violations))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mission::descriptor::Human;

    fn machine(id: &str) -> Step {
        Step {
            id: id.to_owned(),
            human: None,
            input: Value::Null,
        }
    }

    fn human(ask: &str) -> Step {
        Step {
            human: Some(Human {
                ask: ask.to_owned(),
            }),
            ..machine("sign-off")
        }
    }

    fn rules(steps: &[Step]) -> Vec<Rule> {
        let violations = validate(steps, Edition::CURRENT)
            .err()
            .map(|refused| refused.0);
        violations.map_or(Vec::new(), |violations| {
            violations.iter().map(|violation| violation.rule).collect()
        })
    }

    #[test]
    fn each_rule_holds_up_to_its_bound_and_not_beyond() {
        let question = || human("Is the report fit to publish?");
        let steps = |machines: usize, humans: usize| {
            let mut steps = vec![machine("work"); machines];
            steps.extend(vec![question(); humans]);
            steps
        };
        assert_eq!(rules(&steps(5, 0)), []);
        assert_eq!(rules(&steps(3, 2)), []);
        assert_eq!(rules(&steps(6, 0)), [Rule::TooManySteps]);
        assert_eq!(rules(&steps(2, 3)), [Rule::TooManyHumanSteps]);
        assert_eq!(
            rules(&steps(4, 3)),
            [Rule::TooManySteps, Rule::TooManyHumanSteps]
        );
        assert_eq!(rules(&[question()]), [Rule::NothingAutomated]);
    }

    #[test]
    fn a_person_judges_and_does_no_work() {
        let with = |ask: &str| rules(&[machine("work"), human(ask)]);
        for fine in [
            "Is the tone right?",
            "The copy is below. Shall it be published?",
            "May it run tonight?",
            "Can we delete the old rows?",
            "Could the list be sorted better?",
            "You have read it: do you need to copy anything?",
            // A question about a decision.
            "Publish it?",
            "Send it?",
            "Delete the old files?",
            "Now publish it?",
            "The report is below. Then send it to the customer?",
        ] {
            assert_eq!(with(fine), [], "{fine}");
        }
        for routine in [
            "Copy the report to the wiki. Done?",
            "Please, run the tests; did they pass?",
            "Is it good? If so:\n  2. upload it",
            "- RENAME the file. Done?",
            "Rename the file, done?",
            "Copy the totals into the sheet, ok?",
            "Would you mind pasting the log into Slack?",
            "Do you mind running the tests first?",
            "Mind copying it?",
            "Could I ask you to delete the rows?",
            "Would you be able to verify the totals?",
            "I\u{2019}d like you to compare them. Did you?",
            "Please publish it?",
            "You must send it, right?",
            "Now please manually check the totals?",
            "Could you copy the totals into the sheet?",
            "Would you please just run the tests?",
            "Is it right? You need to upload it first.",
            "We need you to sort the rows. Done?",
            "Don\u{2019}t forget to send it. Did you?",
            "Make sure that you delete the draft; is it gone?",
            "Please go ahead and rename it?",
        ] {
            assert_eq!(with(routine), [Rule::RoutineHumanOperation], "{routine}");
        }
        assert_eq!(with("Approve."), [Rule::NoQuestion]);
        // A question that the first edition permitted stays permitted in its replays.
        let asked = [machine("work"), human("Could you copy the totals?")];
        assert!(validate(&asked, Edition::FIRST).is_ok());
        assert!(validate(&asked, Edition::CURRENT).is_err());
        // What an edition permits or refuses stays so in its replays.
        let asked = [machine("work"), human("Publish it?")];
        assert!(validate(&asked, Edition::THIRD).is_err());
        let asked = [machine("work"), human("Would you mind pasting the log?")];
        assert!(validate(&asked, Edition::THIRD).is_ok());
        let refused = validate(&[machine("work"), human("Send it.")], Edition::FIRST).unwrap_err();
        let text = refused.to_string();
        assert!(
            text.contains("routine_human_operation in step 'sign-off': 'Send it' orders"),
            "{text}"
        );
        assert!(text.contains("no_question"), "{text}");
    }

    proptest! {
        #[test]
        fn an_order_is_found_wherever_its_sentence_stands(
            before in "(Is it so\\? |Fine\\. )?", lead in "(please |now please |please now )", after in "[a-z ]{0,20}",
        ) {
            let ask = format!("{before}{lead}copy{}{after}?", if after.is_empty() { "" } else { " " });
            let found = rules(&[machine("work"), human(&ask)]);
            prop_assert_eq!(found, vec![Rule::RoutineHumanOperation], "{}", ask);
        }

        #[test]
        fn no_text_makes_it_panic(ask in ".{0,60}") {
            let _ = validate(&[machine("work"), human(&ask)], Edition::CURRENT);
        }
    }
}
