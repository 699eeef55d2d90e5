//! FP-3.7: tries to run workflows that the validator must refuse, and looks that nothing of them is
//! on record. Uses the path of every run, so that a run which skipped the validator would be found.

use anyhow::{Context as _, Result, bail};
use coo_kernel::mission::authority::{Governance, Policy};
use coo_kernel::mission::descriptor::{Descriptor, FORMAT};
use coo_kernel::mission::workflow::{HUMAN_STEPS_MAX, Rule, STEPS_MAX, WorkflowError};
use coo_kernel::tier1::attempts::{self, WorkflowAttempt};
use serde_json::{Value, json};

use super::checks::{Checks, ensure};
use super::probe::Scratch;
use crate::mission::source::Source;
use crate::state::config::Config;

/// Checks the validator.
pub fn check(checks: &mut Checks) -> Option<()> {
    let scratch = checks.hold_with("the largest workflow", || {
        let source = source(&attempts::largest_workflow())?;
        source.plan(&Policy::current(Governance::default()))?;
        let evidence = format!("{STEPS_MAX} steps, {HUMAN_STEPS_MAX} of them human, are permitted");
        Ok((evidence, Scratch::new()?))
    })?;
    for attempt in attempts::workflows() {
        checks.hold(attempt.what, || refused(&scratch, &attempt))?;
    }
    checks.hold("missions on record", || {
        let missions = scratch.open()?.store.missions()?.len();
        ensure(missions == 0, || {
            format!("{missions} refused workflows ran")
        })?;
        Ok("none: no refused workflow ran".to_owned())
    })
}

fn source(steps: &Value) -> Result<Source> {
    let bundled = Source::bundled("demo")?;
    let descriptor = json!({
        "format": FORMAT,
        "mission_type": "TIER1_WORKFLOW",
        "module": {"set": "demo"},
        "steps": steps,
    });
    Ok(Source {
        name: "workflow".to_owned(),
        descriptor: Descriptor::parse(descriptor.to_string().as_bytes())?,
        ..bundled
    })
}

fn refused(scratch: &Scratch, attempt: &WorkflowAttempt) -> Result<String> {
    let Err(error) = scratch.run(&source(&attempt.steps)?, &Config::fresh()) else {
        bail!("the workflow ran");
    };
    let Some(WorkflowError(violations)) = error.downcast_ref() else {
        return Err(error.context("the workflow was refused for another reason"));
    };
    let rules: Vec<Rule> = violations.iter().map(|violation| violation.rule).collect();
    ensure(rules == attempt.rules, || {
        let names: Vec<&str> = rules.iter().map(|rule| rule.name()).collect();
        format!("was refused by {}", names.join(", "))
    })?;
    let explains = |text: &String| !text.trim().is_empty();
    ensure(
        violations.iter().all(|violation| {
            explains(&violation.explanation) && explains(&violation.suggested_automation)
        }),
        || "a violation has no explanation or no suggestion".to_owned(),
    )?;
    let first = violations.first().context("no violation")?;
    Ok(format!(
        "refused by {}: {}; instead: {}",
        first.rule.name(),
        first.explanation,
        first.suggested_automation
    ))
}
