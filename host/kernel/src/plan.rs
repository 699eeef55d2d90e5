//! A plan: a descriptor whose workflow was judged, with what its mission may do. Nothing runs
//! without one (design, "One run"), and `Plan::of` is the only way to make one.

use crate::authority::{Authority, Governance};
use crate::descriptor::Descriptor;
use crate::workflow;

/// See the module.
#[derive(Debug, Clone)]
pub struct Plan {
    descriptor: Descriptor,
    authority: Authority,
}

impl Plan {
    /// Judges the workflow of `descriptor`; `governance` is the operator's word.
    pub fn of(descriptor: &Descriptor, governance: &Governance) -> Result<Self, workflow::Refused> {
        workflow::validate(&descriptor.steps)?;
        Ok(Self {
            authority: Authority::of(descriptor, governance),
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
