//! What is permitted in a descriptor and can't work: a run would begin, and end FAILED. Judges the
//! descriptor and the imports of its module alone; a configuration can forbid more. Refuses nothing.

use thiserror::Error;

use super::authority::lowest_tier;
use super::descriptor::Descriptor;
use crate::module::surface::Interface;

/// The interfaces that a tier can withhold.
const WITHHELD: [Interface; 3] = [Interface::Llm, Interface::Db, Interface::Gateway];

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Warning {
    /// The first instruction ends the mission.
    #[error("limits.fuel: 0 found, so that no step can do anything")]
    NoFuel,
    /// The mission may import the interface, and call nothing of it.
    #[error("scope.tier: {tier} found, and the module imports {interface}, whose calls need {needed} or more", interface = interface.name())]
    Withheld {
        interface: Interface,
        /// The lowest tier that permits any call.
        needed: u8,
        tier: u8,
    },
}

impl Warning {
    /// Returns what to do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoFuel => "raise limits.fuel or leave it out",
            Self::Withheld { .. } => "raise scope.tier if the mission is to call it",
        }
    }
}

/// Returns everything in `descriptor` that can't work with a module whose imports `imports` knows.
#[must_use]
pub fn warnings(descriptor: &Descriptor, imports: impl Fn(Interface) -> bool) -> Vec<Warning> {
    let mut found = Vec::new();
    if descriptor.limits.fuel == 0 {
        found.push(Warning::NoFuel);
    }
    let Some(tier) = descriptor.scope.as_ref().and_then(|scope| scope.tier) else {
        return found;
    };
    for interface in WITHHELD {
        let needed = lowest_tier(interface);
        if needed > tier && imports(interface) {
            found.push(Warning::Withheld {
                interface,
                needed,
                tier,
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(fields: &str, imported: &[Interface]) -> Vec<String> {
        let text = format!(
            r#"{{"format":"coo-mission/1","mission_type":"T","module":{{"set":"demo"}},"steps":[{{"id":"a"}}]{fields}}}"#
        );
        let descriptor = Descriptor::parse(text.as_bytes()).unwrap();
        let warnings = warnings(&descriptor, |interface| imported.contains(&interface));
        warnings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn only_what_can_not_work_is_found() {
        let all = WITHHELD;
        assert!(found("", &all).is_empty());
        assert!(found(r#","limits":{"fuel":1},"scope":{"tier":3}"#, &all).is_empty());
        assert!(found(r#","scope":{"tier":0}"#, &[]).is_empty());
        assert!(found(r#","scope":{"tier":1}"#, &all[..2]).is_empty());
        assert_eq!(
            found(r#","limits":{"fuel":0},"scope":{"tier":0}"#, &all),
            [
                "limits.fuel: 0 found, so that no step can do anything",
                "scope.tier: 0 found, and the module imports coo:mission/llm, whose calls need 1 or more",
                "scope.tier: 0 found, and the module imports coo:mission/db, whose calls need 1 or more",
                "scope.tier: 0 found, and the module imports coo:mission/gateway, whose calls need 3 or more",
            ]
        );
    }
}
