//! The gates that a changed repository must pass (packet §10): their order, and the results that
//! are recorded. The host gathers what a gate checks; this module reads nothing itself.

pub mod evidence;
pub mod normal;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The format that `gate_results.json` declares.
pub const FORMAT: &str = "coo-gate-results/1";
/// Most findings of a failed gate in a message; the results name all.
const FINDINGS_SHOWN: usize = 3;

/// The gates, by the letters that the packet gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub enum Gate {
    /// Structure and imports; no trace of the old package.
    A,
    /// Modules give the same output twice.
    B,
    /// Module set, entry points, imports.
    C,
    /// All tests pass, as in snapshot 2.
    D,
    /// Leak scanner and constitutional lint.
    E,
    /// The reference mission and all artefacts are the same when produced again.
    F,
}

impl Gate {
    /// The gates in the order they are run.
    pub const ALL: [Self; 6] = [Self::A, Self::B, Self::C, Self::D, Self::E, Self::F];

    /// Returns the packet's name for the gate.
    pub const fn title(self) -> &'static str {
        match self {
            Self::A => "Repo Unification Integrity",
            Self::B => "Deterministic Modules",
            Self::C => "Sandbox Security",
            Self::D => "Test Suite Integrity",
            Self::E => "Governance Integrity",
            Self::F => "Deterministic Replay",
        }
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
            Self::D => "D",
            Self::E => "E",
            Self::F => "F",
        })
    }
}

/// The result of one gate, or of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verdict {
    Pass,
    Fail,
    /// Not run, because an earlier gate failed.
    NotRun,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::NotRun => "NOT RUN",
        })
    }
}

/// What a gate checked and what is wrong. Nothing in it depends on the time or the machine.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Evidence {
    /// What is wrong, one line each.
    pub findings: Vec<String>,
    /// What the gate saw, as data.
    pub found: Value,
}

/// The result of one gate. Fields stand in key order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Judged {
    pub evidence: Value,
    pub findings: Vec<String>,
    pub gate: Gate,
    pub status: Verdict,
    pub title: String,
}

impl Judged {
    /// Returns the message about a gate that failed.
    pub fn message(&self) -> String {
        let shown = self.findings.len().min(FINDINGS_SHOWN);
        let more = match self.findings.len() - shown {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        let findings = self.findings[..shown].join("; ");
        format!("gate {} ({}): {findings}{more}", self.gate, self.title)
    }
}

/// `gate_results.json`. Fields stand in key order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Results {
    pub format: String,
    pub gates: Vec<Judged>,
    /// The result of all gates.
    pub status: Verdict,
}

impl Default for Results {
    fn default() -> Self {
        Self {
            format: FORMAT.to_owned(),
            gates: Vec::new(),
            status: Verdict::NotRun,
        }
    }
}

impl Results {
    /// Returns the gate to run next; none once a gate has failed or all have passed.
    pub fn next(&self) -> Option<Gate> {
        if self.failed().is_some() {
            return None;
        }
        Gate::ALL.get(self.gates.len()).copied()
    }

    /// Returns the result of the gate that failed, if one did.
    pub fn failed(&self) -> Option<&Judged> {
        let mut gates = self.gates.iter();
        gates.find(|judged| judged.status == Verdict::Fail)
    }

    /// Records the evidence of the gate that was due. If it failed, records the remaining gates as
    /// not run.
    pub fn enter(&mut self, evidence: Evidence) {
        let Some(gate) = self.next() else { return };
        let status = if evidence.findings.is_empty() {
            Verdict::Pass
        } else {
            Verdict::Fail
        };
        self.push(gate, status, evidence);
        if status == Verdict::Fail {
            for gate in &Gate::ALL[self.gates.len()..] {
                self.push(*gate, Verdict::NotRun, Evidence::default());
            }
            self.status = Verdict::Fail;
        } else if self.gates.len() == Gate::ALL.len() {
            self.status = Verdict::Pass;
        }
    }

    fn push(&mut self, gate: Gate, status: Verdict, evidence: Evidence) {
        self.gates.push(Judged {
            evidence: evidence.found,
            findings: evidence.findings,
            gate,
            status,
            title: gate.title().to_owned(),
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn evidence(fails: bool) -> Evidence {
        Evidence {
            findings: fails.then(|| "x".to_owned()).into_iter().collect(),
            found: Value::Null,
        }
    }

    #[test]
    fn gates_come_in_the_packets_order() {
        let mut results = Results::default();
        let mut order = String::new();
        while let Some(gate) = results.next() {
            order += &gate.to_string();
            results.enter(evidence(false));
        }
        assert_eq!(order, "ABCDEF");
        assert_eq!(results.status, Verdict::Pass);
        let text = coo_kernel::form::canonical::to_string_sorted(&results).unwrap();
        assert_eq!(serde_json::from_str::<Results>(&text).unwrap(), results);
        assert!(text.contains(r#""gate":"D","status":"PASS","title":"Test Suite Integrity""#));
    }

    #[test]
    fn a_message_names_the_first_findings_and_counts_the_rest() {
        let mut results = Results::default();
        results.enter(Evidence {
            findings: ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec(),
            found: Value::Null,
        });
        assert_eq!(
            results.failed().unwrap().message(),
            "gate A (Repo Unification Integrity): a; b; c; and 2 more"
        );
    }

    proptest! {
        #[test]
        fn nothing_passes_after_a_gate_that_failed(fails in prop::collection::vec(any::<bool>(), 6)) {
            let mut results = Results::default();
            for fails in &fails {
                results.enter(evidence(*fails));
            }
            prop_assert_eq!(results.gates.len(), 6);
            let first = fails.iter().position(|fails| *fails);
            let expected = if first.is_some() { Verdict::Fail } else { Verdict::Pass };
            prop_assert_eq!(results.status, expected);
            for (i, judged) in results.gates.iter().enumerate() {
                let expected = match first {
                    Some(first) if i > first => Verdict::NotRun,
                    Some(first) if i == first => Verdict::Fail,
                    _ => Verdict::Pass,
                };
                prop_assert_eq!(judged.status, expected);
            }
        }
    }
}
