//! The gates that a changed repository passes (packet §10): which there are, in which order, and
//! what is written down of each. What a gate looks at, the host gathers; looks at nothing itself.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What `gate_results.json` says it is.
pub const FORMAT: &str = "coo-gate-results/1";

/// A gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Gate {
    /// Structure, imports, nothing of the old package.
    A,
    /// Modules give the same twice.
    B,
    /// Module set, entry points, imports.
    C,
    /// All tests pass, as in snapshot 2.
    D,
    /// Leak scanner and constitutional lint.
    E,
    /// The reference mission and all artefacts come out the same once more.
    F,
}

impl Gate {
    /// In the order they are passed.
    pub const ALL: [Self; 6] = [Self::A, Self::B, Self::C, Self::D, Self::E, Self::F];

    /// The packet's name for it.
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

/// How a gate, or all of them, came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verdict {
    /// Everything is as it must be.
    Pass,
    /// Something is not.
    Fail,
    /// A gate before it failed, so nobody looked.
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

/// What a gate looked at and what is wrong. Nothing of it depends on when or where.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Evidence {
    /// What is not as it must be, a line each.
    pub findings: Vec<String>,
    /// What was found, as data.
    pub found: Value,
}

/// A gate's line in the results. Fields stand in key order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judged {
    /// What was found.
    pub evidence: Value,
    /// What is wrong.
    pub findings: Vec<String>,
    /// Which gate.
    pub gate: Gate,
    /// How it came out.
    pub status: Verdict,
    /// Its name.
    pub title: String,
}

/// `gate_results.json`. Fields stand in key order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Results {
    /// `FORMAT`.
    pub format: String,
    /// Every gate, in order.
    pub gates: Vec<Judged>,
    /// How all of them came out.
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
    /// The gate whose turn it is: none once one has failed, or all have passed.
    pub fn next(&self) -> Option<Gate> {
        if self.failed().is_some() {
            return None;
        }
        Gate::ALL.get(self.gates.len()).copied()
    }

    /// The one that failed.
    pub fn failed(&self) -> Option<&Judged> {
        let mut gates = self.gates.iter();
        gates.find(|judged| judged.status == Verdict::Fail)
    }

    /// Enters what the gate whose turn it is has found. After one that failed the others are
    /// entered, too, as not run.
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
