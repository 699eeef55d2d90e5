//! A plan: a descriptor whose workflow was validated, with the mission's authority. Nothing runs
//! without a plan (design, "One run"), and `Plan::of` is the only way to make one.

use crate::mission::authority::{Authority, Policy};
use crate::mission::descriptor::Descriptor;
use crate::mission::workflow;

/// A descriptor with a valid workflow, and the authority of its mission.
#[derive(Debug, Clone)]
pub struct Plan {
    descriptor: Descriptor,
    authority: Authority,
}

impl Plan {
    /// Checks the workflow of `descriptor`; `policy` is what the mission is subject to.
    pub fn of(descriptor: &Descriptor, policy: &Policy) -> Result<Self, workflow::WorkflowError> {
        workflow::validate(&descriptor.steps, policy.rules)?;
        Ok(Self {
            authority: Authority::of(descriptor, policy),
            descriptor: descriptor.clone(),
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
}
