//! FP-3.9: a guest tries to write every protected artefact and to go beyond its scope and beyond a
//! ceiling, each twice. Every attempt must end in the same governance error with the same chain.

use anyhow::{Context as _, Result, bail};
use coo_kernel::mission::authority::Governance;
use coo_kernel::mission::failure::{Failure, Rule, SetBy};
use coo_kernel::tier1::attempts::{self, PERMITTED};
use serde_json::{Value, json};

use super::checks::{Checks, ensure};
use super::probe::{Scratch, digest, source};
use crate::effects::gateway;
use crate::state::config::Config;

/// Checks protected artefacts and ceilings.
pub fn check(checks: &mut Checks) -> Option<()> {
    let (scratch, ceilings) = checks.hold_with("protected artefacts", || {
        let scratch = Scratch::new()?;
        let mut patterns = Vec::new();
        for (pattern, path) in attempts::protected_samples() {
            // The mission asks for everything, and gets nothing.
            let scope = json!({"paths": ["**"], "tier": 3});
            let governance = Governance::default();
            let limit = refused(
                &scratch,
                &path,
                &scope,
                &governance,
                Rule::Protected,
                SetBy::Registry,
            )?;
            ensure(limit == pattern, || {
                format!("{path} is protected as '{limit}', not as '{pattern}'")
            })?;
            patterns.push(format!("`{pattern}`"));
        }
        let evidence = format!(
            "a write to each of {} patterns ended in a governance error, twice the same: {}",
            patterns.len(),
            patterns.join(", ")
        );
        Ok((evidence, (scratch, attempts::ceilings()?)))
    })?;
    for attempt in ceilings {
        checks.hold(attempt.what, || {
            let limit = refused(
                &scratch,
                PERMITTED,
                &attempt.scope,
                &attempt.governance,
                attempt.rule,
                attempt.set_by,
            )?;
            let set_by = attempt.set_by.name();
            Ok(format!(
                "refused twice with one chain: {set_by} permits {limit}"
            ))
        })?;
    }
    checks.hold("artefacts after all attempts", || {
        let session = scratch.open()?;
        let record = session.store.artefacts()?.len();
        let drifts = gateway::check(&session.root, &session.store)?.len();
        ensure((record, drifts) == (0, 0), || {
            format!("{record} on record, {drifts} differences")
        })?;
        Ok("none".to_owned())
    })
}

/// Has a guest write `path` twice. Returns the limit that refused it.
fn refused(
    scratch: &Scratch,
    path: &str,
    scope: &Value,
    governance: &Governance,
    rule: Rule,
    set_by: SetBy,
) -> Result<String> {
    let files = [(path, attempts::CONTENT)];
    let descriptor = attempts::writing("TIER1_GOVERNANCE", &digest(), &files, scope);
    let source = source("governance", &descriptor)?;
    let config = Config {
        governance: governance.clone(),
        ..Config::fresh()
    };
    let mut first = None;
    for _ in 0..2 {
        let ended = scratch.run(&source, &config)?;
        if let Some(why) = ended.interrupted {
            return Err(why.context(format!("a write of {path}")));
        }
        let found = match ended.failure {
            Some(Failure::Governance {
                limit,
                rule: found,
                set_by: by,
                ..
            }) if (found, by) == (rule, set_by) => (limit, ended.chain_head),
            Some(other) => bail!("a write of {path} ended with '{other}'"),
            None => bail!("a write of {path} was permitted"),
        };
        let earlier = first.get_or_insert_with(|| found.clone());
        ensure(*earlier == found, || {
            format!("a write of {path} ended in two ways")
        })?;
    }
    first.map(|(limit, _)| limit).context("no attempt")
}
