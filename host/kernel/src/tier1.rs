//! The Tier-1 hardening of an installation and its state root, as data: the fix packs in their
//! order, what is tried in each, the documents that come out, and where a person's decision stands
//! (Tier-1 plan). This room judges results and writes texts. It never runs a mission and holds no
//! fact of one moment, so that equal installations and states give equal documents.

pub mod attempts;
pub mod completion;
pub mod document;
pub mod enhancement;
pub mod readiness;
pub mod subject;
pub mod transitions;

use serde::{Serialize, Serializer};

use crate::baseline::link::Link;
use crate::form::digest::Digest;
use crate::mission::authority::Governance;
use crate::mission::edition::Edition;
use crate::mission::verification::Run;
use crate::module::module_set::Member;

/// The folder of the documents, below `artefacts/`.
pub const FOLDER: &str = "tier1";
/// Name of the baseline that work gate G1 takes. A later one has a number after it.
pub const BASELINE: &str = "PRE_HARDENING_AMU0";

/// A fix pack of stage 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FixPack {
    Determinism,
    Baselines,
    Gateway,
    Workflow,
    Governance,
}

impl FixPack {
    /// Every fix pack of stage 1, in the order of work gate G2.
    pub const ALL: [Self; 5] = [
        Self::Determinism,
        Self::Baselines,
        Self::Gateway,
        Self::Workflow,
        Self::Governance,
    ];

    /// Returns the number in the plan.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Determinism => "FP-3.1",
            Self::Baselines => "FP-3.2",
            Self::Gateway => "FP-3.3",
            Self::Workflow => "FP-3.7",
            Self::Governance => "FP-3.9",
        }
    }

    /// Returns the title in the plan.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Determinism => "Determinism Suite & FSM Validation",
            Self::Baselines => "AMU₀ Discipline & State Lineage",
            Self::Gateway => "DAP Write Gateway & INDEX Coherence",
            Self::Workflow => "Anti-Failure Workflow Validator",
            Self::Governance => "Governance Protections & Autonomy Ceilings",
        }
    }
}

impl Serialize for FixPack {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

/// One thing that was tried, and whether it held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Check {
    /// What was found, on one line, without a fact of one machine.
    pub evidence: String,
    pub holds: bool,
    /// What was tried.
    pub what: String,
    /// What the user can do if it does not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Check {
    /// Returns a check with its result.
    pub fn new(what: impl Into<String>, holds: bool, evidence: impl Into<String>) -> Self {
        Self {
            evidence: evidence.into(),
            holds,
            what: what.into(),
            hint: None,
        }
    }

    /// The same, with what to do if it does not hold.
    #[must_use]
    pub fn or(mut self, hint: impl Into<String>) -> Self {
        if !self.holds {
            self.hint = Some(hint.into());
        }
        self
    }
}

/// A fix pack with its checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Judged {
    pub pack: FixPack,
    /// The checks of the fix pack itself.
    pub checks: Vec<Check>,
    /// The determinism suite and the rollback check, which run after every fix pack.
    pub after: Vec<Check>,
}

impl Judged {
    /// Returns the first check that does not hold.
    pub fn failed(&self) -> Option<&Check> {
        self.checks
            .iter()
            .chain(&self.after)
            .find(|check| !check.holds)
    }
}

/// The installation that is judged: what decides how a mission runs, and nothing of one machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Installation {
    /// Version of `coo`.
    pub coo: String,
    /// Name, version and settings of the engine, one per line.
    pub engine: String,
    /// SHA-256 of the module set.
    pub module_set: Digest,
    pub modules: Vec<Member>,
    /// SHA-256 of the guest that tries the writes.
    pub probe: Digest,
    /// Edition of `coo`'s own rules.
    pub rules: Edition,
}

impl Installation {
    /// Returns the digest that stands for the installation.
    pub fn digest(&self) -> Digest {
        let modules = crate::module::module_set::listing(&self.modules);
        let text = format!(
            "coo {}\n{}{modules}probe {}\nrules {}\n",
            self.coo,
            self.engine,
            self.probe,
            u32::from(self.rules)
        );
        Digest::of(text)
    }
}

/// A bundled mission that ran several times in fresh worlds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Repeated {
    pub mission: String,
    /// SHA-256 of the module.
    pub module: Digest,
    /// SHA-256 of the canonical descriptor.
    pub descriptor: Digest,
    /// Number of runs, each of which was replayed.
    pub runs: usize,
    /// What every run left.
    pub each: Run,
}

/// Everything that stage 1 found, once all of it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stage1 {
    pub installation: Installation,
    /// Digest of the governed state, without the documents of this command.
    pub state: Digest,
    /// What the operator of the state root permits.
    pub governance: Governance,
    /// The baseline of work gate G1.
    pub baseline: Link,
    pub packs: Vec<Judged>,
    pub suite: Vec<Repeated>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fix_packs_stand_in_the_order_of_the_plan() {
        let ids = FixPack::ALL.map(FixPack::id);
        assert_eq!(ids, ["FP-3.1", "FP-3.2", "FP-3.3", "FP-3.7", "FP-3.9"]);
        assert_eq!(
            serde_json::to_string(&FixPack::Workflow).unwrap(),
            "\"FP-3.7\""
        );
    }

    #[test]
    fn the_first_check_that_does_not_hold_is_the_one_that_failed() {
        let check = |what: &str, holds| Check::new(what, holds, "found").or("do this");
        let mut judged = Judged {
            pack: FixPack::Gateway,
            checks: vec![check("a", true)],
            after: vec![check("b", true)],
        };
        assert_eq!(judged.failed(), None);
        judged.after.push(check("c", false));
        assert_eq!(judged.failed().unwrap().what, "c");
        assert_eq!(judged.failed().unwrap().hint.as_deref(), Some("do this"));
        judged.checks.push(check("d", false));
        assert_eq!(judged.failed().unwrap().what, "d");
        assert_eq!(judged.checks[0].hint, None);
    }
}
