//! The regenerated specification of a change (packet §14.1): a template, rendered with the facts of
//! this build and of the change. Templates are text of others: an unknown name is an error, and the
//! work for one is bounded. Writes nothing.

use anyhow::{Context as _, Result};
use coo_engines::change::specification;
use minijinja::{Environment, UndefinedBehavior};
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::{Change, files_of};
use crate::baselines::Baseline;
use crate::hint::Hint as _;
use crate::machine::rfc3339;
use crate::runtime::sandbox::{RNG_SEED, WALL_CLOCK_START_S};

/// The template of the specification if `[bundle]` names none.
const TEMPLATE: &str = include_str!("../../../../reference/runtime_spec.md.j2");
/// Most work for a template, in units of the template engine; a loop over every file of a state
/// root takes a hundredth.
const TEMPLATE_FUEL: u64 = 1_000_000;

/// Returns the specification made from the repository as it was in `baseline`.
pub fn of(change: &Change<'_>, baseline: &Baseline) -> Result<String> {
    let named = change.repository.config.bundle.specification.as_ref();
    let Some(path) = named else {
        return of_template(change, TEMPLATE, "of this coo");
    };
    let found = files_of(change, baseline, |found| found == path)?;
    let content = found.into_values().next();
    let content = content
        .with_context(|| format!("template {path}: is not in the repository"))
        .hint("correct [bundle] specification")?;
    of_template(change, str::from_utf8(&content)?, path)
}

/// Returns the specification made from the repository's current files. Shows, before anything is
/// changed, whether one can be made.
pub fn of_now(change: &Change<'_>) -> Result<String> {
    match &change.repository.config.bundle.specification {
        None => of_template(change, TEMPLATE, "of this coo"),
        Some(path) => {
            let template = change.repository.read(path)?;
            of_template(change, str::from_utf8(&template)?, path)
        }
    }
}

fn of_template(change: &Change<'_>, template: &str, shown: &str) -> Result<String> {
    let begun = change.journal.begun()?;
    let facts = specification::facts(&json!({
        "change": change.journal.id(),
        "clock": rfc3339(i64::try_from(WALL_CLOCK_START_S)? * 1_000),
        "config_sha256": begun.config_sha256,
        "seed": format!("{RNG_SEED:#X}"),
        "version": begun.coo_version,
    }));
    rendered(template, &facts, shown)
}

/// Renders a template. A name that is not among the facts is an error, which names the line.
fn rendered(template: &str, facts: &Value, shown: &str) -> Result<String> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(TEMPLATE_FUEL));
    let facts = minijinja::Value::deserialize(facts)?;
    let text = environment.render_str(template, facts).map_err(|error| {
        let line = error.line().map(|line| format!(", line {line}"));
        let detail = error.detail().map(|detail| format!(": {detail}"));
        let (line, detail) = (line.unwrap_or_default(), detail.unwrap_or_default());
        anyhow::anyhow!("template {shown}{line}: {}{detail}", error.kind())
    })?;
    // Rendering drops the line feed at the end of a template.
    Ok(text + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_that_ships_has_all_its_facts() {
        let host = json!({
            "change": "PIPELINE-000001", "clock": "c", "config_sha256": "s", "seed": "0xDEADBEEF",
            "version": "1",
        });
        let text = rendered(TEMPLATE, &specification::facts(&host), "x").unwrap();
        assert!(text.starts_with("# COO Runtime Spec v1.0\n"));
        assert!(text.contains("| GATES | gates_passed | CEO_FINAL_REVIEW |\n"));
        assert!(text.contains("| F | Deterministic Replay |\n"));
        assert!(rendered("{{ nothing }}", &json!({}), "x").is_err());
        assert!(
            rendered(
                "{% for i in range(9999) %}{% for j in range(9999) %}x{% endfor %}{% endfor %}",
                &json!({}),
                "x"
            )
            .is_err()
        );
    }
}
