//! A plan: a descriptor whose workflow was judged, with what its mission may do. Nothing runs
//! without one (design, "One run"), and `Plan::of` is the only way to make one.

use crate::mission::authority::{Authority, Policy};
use crate::mission::descriptor::Descriptor;
use crate::mission::workflow;

/// See the module.
#[derive(Debug, Clone)]
pub struct Plan {
    descriptor: Descriptor,
    authority: Authority,
}

impl Plan {
    /// Judges the workflow of `descriptor`; `policy` is what it will stand under.
    pub fn of(descriptor: &Descriptor, policy: &Policy) -> Result<Self, workflow::Refused> {
        workflow::validate(&descriptor.steps, policy.rules)?;
        Ok(Self {
            authority: Authority::of(descriptor, policy),
            descriptor: descriptor.clone(),
        })
    }

    /// The mission.
    pub const fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// What it may do.
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }
}
