//! A plan: a descriptor whose workflow was validated by a pinned ruleset, with the mission's
//! authority. Nothing runs without a plan (design, "One run"), and `Plan::of` is the only way to make
//! one.

use crate::form::digest::Digest;
use crate::mission::authority::{Authority, Policy};
use crate::mission::descriptor::Descriptor;
use crate::mission::ruleset::{self, OtherRuleset, Ruleset};
use crate::mission::workflow;

/// A descriptor with a valid workflow, and the authority of its mission.
#[derive(Debug, Clone)]
pub struct Plan {
    descriptor: Descriptor,
    authority: Authority,
    rules_sha256: Digest,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error(transparent)]
    Workflow(#[from] workflow::WorkflowError),
    /// The mission was recorded under other rules of the same edition.
    #[error(transparent)]
    Ruleset(#[from] OtherRuleset),
}

impl Plan {
    /// Checks the ruleset that `policy` pins, and the workflow of `descriptor`; `policy` is what the
    /// mission is subject to.
    pub fn of(descriptor: &Descriptor, policy: &Policy) -> Result<Self, PlanError> {
        let found = ruleset::of_missions(policy.rules);
        if let Some(pinned) = policy.rules_sha256.filter(|pinned| *pinned != found) {
            return Err(PlanError::Ruleset(OtherRuleset {
                ruleset: Ruleset::Mission,
                found,
                pinned,
            }));
        }
        workflow::validate(&descriptor.steps, policy.rules)?;
        Ok(Self {
            authority: Authority::of(descriptor, policy),
            descriptor: descriptor.clone(),
            rules_sha256: found,
        })
    }

    /// Returns the descriptor.
    pub const fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// Returns what the mission may do.
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Returns the SHA-256 of the ruleset by which the plan was made.
    pub const fn rules_sha256(&self) -> Digest {
        self.rules_sha256
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mission::authority::Governance;

    #[test]
    fn a_plan_is_made_by_the_pinned_ruleset_or_not_at_all() {
        let text = br#"{"format":"coo-mission/1","mission_type":"T","module":{"set":"demo"},"steps":[{"id":"one"}]}"#;
        let descriptor = Descriptor::parse(text).unwrap();
        let mut policy = Policy::current(Governance::default());
        let plan = Plan::of(&descriptor, &policy).unwrap();
        assert_eq!(policy.rules_sha256, Some(plan.rules_sha256()));
        let pinned = Digest::of("other rules");
        policy.rules_sha256 = Some(pinned);
        let refused = Plan::of(&descriptor, &policy).unwrap_err();
        assert_eq!(
            refused,
            PlanError::Ruleset(OtherRuleset {
                ruleset: Ruleset::Mission,
                found: plan.rules_sha256(),
                pinned,
            })
        );
        // A journal of an earlier build pins none.
        policy.rules_sha256 = None;
        assert!(Plan::of(&descriptor, &policy).is_ok());
    }
}
