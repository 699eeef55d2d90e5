//! `coo explain <id>`: shows what a mission asked for, what it was allowed, where each limit came
//! from, and how much of it was used. Everything comes from the mission's own record, not from the
//! current configuration. Only reads.

mod models;

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use coo_kernel::journal::{Kind, StepStartedBody};
use coo_kernel::mission::Status;
use coo_kernel::mission::authority::{Authority, Budget, Policy, TIER_MAX};
use coo_kernel::mission::descriptor::Descriptor;
use coo_kernel::mission::failure::{Bound, Failure, Rule, SetBy};
use coo_kernel::mission::ledger::Used;
use coo_kernel::mission::limits::Limits;
use coo_kernel::mission::protected;
use coo_kernel::mission::row::MissionRow;
use serde::Serialize;

use super::{events, print};
use crate::mission::find::find_mission;
use crate::session::Session;
use crate::state::history;

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Mission id, such as MISSION-000001 or 1, or a file that 'coo export' wrote
    #[arg(value_name = "ID|FILE")]
    id: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct View {
    id: String,
    status: Status,
    reason: Option<String>,
    refusal: Option<Refusal>,
    tier: Narrowed<u8>,
    paths: Narrowed<Vec<String>>,
    protected: Vec<Protected>,
    budgets: Vec<BudgetView>,
    /// The models that the descriptor lists by name.
    models: Vec<models::ModelView>,
}

/// The request that ended the mission, if a limit or a person refused it.
#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
struct Refusal {
    /// Number of the last event, which records the refusal.
    event: u64,
    /// The step in which it happened.
    step: String,
    asked: String,
    allowed: String,
    set_by: String,
}

/// The permissions of scope and ceiling; `None` permits everything.
#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
struct Narrowed<T> {
    scope: Option<T>,
    ceiling: Option<T>,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
struct Protected {
    pattern: String,
    why: Option<&'static str>,
    set_by: SetBy,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
struct BudgetView {
    #[serde(flatten)]
    budget: Budget,
    set_by: &'static str,
    used: Option<u64>,
}

pub fn cmd_explain(root: &Path, options: &Options) -> Result<ExitCode> {
    let (session, mission) = find_mission(root, &options.id, print::note)?;
    let view = view(&session, &mission)?;
    if options.json {
        print::json("coo-explanation/1", &view)?;
    } else {
        let before = format!("Mission {}\n  Status: ", view.id);
        print::out_verdict(&before, view.status.name(), &after_status(&view))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn view(session: &Session, mission: &MissionRow) -> Result<View> {
    let (mut step, mut decided_by, mut last) = (String::new(), None, 0);
    let mut calls = models::Count::default();
    let (progress, _) = history::walk(&session.store, mission.id, |record| {
        last = record.seq;
        calls.take(&session.store, record)?;
        match record.kind {
            Kind::StepStarted => {
                step = serde_json::from_str::<StepStartedBody>(&record.body)?.id;
            }
            Kind::HumanDecision => {
                let facts = session.store.event_facts(mission.id.number(), record.seq)?;
                decided_by = facts.and_then(|facts| facts.source);
            }
            _ => {}
        }
        Ok(())
    })?;
    let descriptor = Descriptor::parse(&session.store.blob(&mission.descriptor)?)?;
    // A mission interrupted before its policy was recorded gets the current policy.
    let policy = progress.policy.clone();
    let policy = match policy {
        Some(policy) => policy,
        None => Policy::current(session.config()?.governance.clone()),
    };
    let authority = Authority::of(&descriptor, &policy);
    let refusal = progress.failure.as_ref().and_then(|failure| {
        let (asked, allowed, set_by) = told(failure, &authority, decided_by)?;
        Some(Refusal {
            event: last,
            step,
            asked,
            allowed,
            set_by,
        })
    });
    let ceiling = &policy.governance.ceiling;
    let status = events::status(session, mission, &progress);
    Ok(View {
        id: mission.id.to_string(),
        status,
        reason: events::reason(mission, &progress, status),
        refusal,
        tier: Narrowed {
            scope: authority.scope().tier,
            ceiling: ceiling.tier,
        },
        paths: Narrowed {
            scope: authority.scope().paths.clone(),
            ceiling: ceiling.paths.clone(),
        },
        protected: never(&policy),
        budgets: budgets(&authority, mission.facts.used),
        models: calls.views(&descriptor, mission),
    })
}

/// Returns what was asked, what was allowed, and who set the limit.
fn told(
    failure: &Failure,
    authority: &Authority,
    decided_by: Option<String>,
) -> Option<(String, String, String)> {
    let own = |bound: Bound, asked: String, limit: u64| {
        let budgets = authority.budgets();
        let budget = budgets.iter().find(|budget| budget.bound == bound);
        let set_by = match budget.map(set_by) {
            Some("default") => "the default; 'limits' in the descriptor can raise it",
            Some(_) => "'limits' in the descriptor",
            None => "coo: it is fixed",
        };
        (
            asked,
            format!("{} {limit}", bound.name()),
            set_by.to_owned(),
        )
    };
    Some(match failure {
        Failure::Governance {
            limit,
            rule,
            set_by,
            wanted,
        } => {
            let allowed = if *rule == Rule::Protected {
                format!("nothing below '{limit}'")
            } else {
                limit.clone()
            };
            (wanted.clone(), allowed, set_by.name().to_owned())
        }
        Failure::Limit {
            limit,
            bound,
            wanted,
        } => own(*bound, format!("{} {wanted}", bound.name()), *limit),
        Failure::Fuel { limit } => own(Bound::Fuel, format!("fuel more than {limit}"), *limit),
        Failure::Rejected { reason, .. } => (
            "a person's approval".to_owned(),
            reason
                .as_ref()
                .map_or("no".to_owned(), |reason| format!("no: {reason}")),
            decided_by.unwrap_or_else(|| "a person".to_owned()),
        ),
        Failure::Guest { .. }
        | Failure::Exit { .. }
        | Failure::Trap { .. }
        | Failure::Contract { .. } => return None,
    })
}

fn never(policy: &Policy) -> Vec<Protected> {
    let built_in = protected::entries(policy.rules)
        .iter()
        .map(|(pattern, why)| Protected {
            pattern: (*pattern).to_owned(),
            why: Some(why),
            set_by: SetBy::Registry,
        });
    let configured = policy.governance.protected.iter();
    let configured = configured.map(|pattern| Protected {
        pattern: pattern.clone(),
        why: None,
        set_by: SetBy::Configuration,
    });
    built_in.chain(configured).collect()
}

fn set_by(budget: &Budget) -> &'static str {
    if budget.in_force < budget.asked {
        "ceiling"
    } else if Limits::default().get(budget.bound) == Some(budget.asked) {
        "default"
    } else {
        "descriptor"
    }
}

fn budgets(authority: &Authority, used: Option<Used>) -> Vec<BudgetView> {
    let view = |budget: Budget| BudgetView {
        set_by: set_by(&budget),
        used: used.and_then(|used| used.of(budget.bound)),
        budget,
    };
    authority.budgets().into_iter().map(view).collect()
}

fn after_status(view: &View) -> String {
    let mut text = "\n".to_owned();
    if let (Some(reason), None) = (&view.reason, &view.refusal) {
        let _ = writeln!(text, "  Reason: {}", print::one_line(reason));
    }
    if let Some(refusal) = &view.refusal {
        let _ = writeln!(
            text,
            "\nRefused (event #{:04}, step '{}')\n  Asked:   {}\n  Allowed: {}\n  Set by:  {}",
            refusal.event,
            refusal.step,
            print::one_line(&refusal.asked),
            print::one_line(&refusal.allowed),
            print::one_line(&refusal.set_by)
        );
    }
    let tier = |tier: Option<u8>| tier.unwrap_or(TIER_MAX);
    let paths = |paths: &Option<Vec<String>>| match paths {
        None => "any".to_owned(),
        Some(paths) if paths.is_empty() => "none".to_owned(),
        Some(paths) => paths.join(", "),
    };
    let _ = writeln!(
        text,
        "\nMay            scope         ceiling\n  calls, tier  {:<13} {}\n  paths        {:<13} {}",
        tier(view.tier.scope),
        tier(view.tier.ceiling),
        paths(&view.paths.scope),
        paths(&view.paths.ceiling)
    );
    text.push_str("\nMay never write\n");
    for Protected { pattern, why, .. } in &view.protected {
        let _ = writeln!(text, "  {pattern:<28} {}", why.unwrap_or("configured"));
    }
    let _ = writeln!(
        text,
        "\n{:<16} {:>14} {:>14} {:>14}  set by",
        "Budget", "used", "asked", "in force"
    );
    for BudgetView {
        budget,
        set_by,
        used,
    } in &view.budgets
    {
        let used = used.map_or("-".to_owned(), |used| used.to_string());
        let _ = writeln!(
            text,
            "  {:<14} {used:>14} {:>14} {:>14}  {set_by}",
            budget.bound.name(),
            budget.asked,
            budget.in_force
        );
    }
    models::write(&mut text, &view.models);
    text
}
