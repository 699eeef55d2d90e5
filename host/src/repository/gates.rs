//! Runs a repository through the gates A to F (packet §10) in order, and gathers the evidence for
//! each. The kernel (`coo-engines`) decides which gate comes next and what its evidence means. Missions run in
//! state roots of their own; the repository and the user's state root are never written to.

mod modules;
mod reference;
mod unity;

use anyhow::{Result, bail};
use coo_engines::gate::evidence::{self, Artefacts};
use coo_engines::gate::{Evidence, Gate, Results};
use coo_engines::migrate::snapshot::Snapshot;
use coo_engines::repository::scope::Scope;
use coo_engines::repository::test_results::TestResults;
use coo_kernel::form::canonical;
use serde_json::Value;

use super::test_run::{self, TestRun};
use super::{Repository, lint, scan};
use crate::baselines::Progress;
use crate::hint;
use crate::machine::failpoint;
use crate::state::config::Config;
use crate::state::store::FrozenCall;

pub use reference::Replayed;

/// Where the results of the tests come from.
#[derive(Debug, Clone, Copy)]
pub enum Tested {
    /// Gate D runs them.
    Now,
    /// They ran before on this exact tree, with these results.
    Before(TestResults),
}

/// What the gates judge.
pub struct Gates<'a> {
    pub repository: &'a Repository,
    /// The operator's configuration, for the missions that run.
    pub config: &'a Config,
    /// Frozen answers for these missions, in addition to those that ship with `coo`.
    pub answers: &'a [FrozenCall],
    pub tested: Tested,
    /// The snapshot from after the old package was deleted; gate D compares the tree with it.
    pub snapshot: Option<&'a Snapshot>,
    /// The first `amendment_log.json`, and a function that produces it again.
    pub amendments: Option<(&'a str, &'a dyn Fn() -> Result<String>)>,
}

/// The outcome of the gates.
#[derive(Debug)]
pub struct Passed {
    pub results: Results,
    /// Reports, outputs and logs, by file name.
    pub artefacts: Artefacts,
    /// The tests' output, if gate D ran them.
    pub tests_output: Option<Vec<u8>>,
}

impl Gates<'_> {
    /// Runs the gates until one fails. Calls `say` before each gate, and `compare` with what gate F
    /// compares.
    pub fn pass(
        &self,
        mut say: impl FnMut(Gate),
        compare: impl Fn(&Replayed) -> Result<()>,
    ) -> Result<Passed> {
        let mut passed = Passed {
            results: Results::default(),
            artefacts: Artefacts::new(),
            tests_output: None,
        };
        let mut tested = self.tested;
        while let Some(gate) = passed.results.next() {
            say(gate);
            let evidence = fault_at(gate).and_then(|()| match gate {
                Gate::D => {
                    let (run, evidence) = self.tests(tested)?;
                    if let Some(run) = run {
                        tested = Tested::Before(run.results);
                        passed.tests_output = Some(run.output);
                    }
                    Ok(evidence)
                }
                Gate::F => {
                    let replayed = self.replay(&passed, tested)?;
                    compare(&replayed)?;
                    passed.artefacts.extend(replayed.artefacts);
                    Ok(replayed.evidence)
                }
                _ => self.judge(gate, &mut passed.artefacts),
            });
            // A gate that cannot be evaluated fails.
            let evidence = evidence.unwrap_or_else(|error| Evidence {
                findings: vec![self.repository.portable(&hint::flat(&error))],
                found: Value::Null,
            });
            passed.results.enter(evidence);
        }
        let text = canonical::to_string_sorted(&passed.results)?;
        passed.artefacts.insert("gate_results.json", text);
        Ok(passed)
    }

    /// Evaluates a gate that does not depend on earlier ones.
    fn judge(&self, gate: Gate, artefacts: &mut Artefacts) -> Result<Evidence> {
        match gate {
            Gate::A => unity::judge(self.repository),
            Gate::B => self.same_twice(),
            Gate::C => modules::judge(self.repository),
            Gate::E => self.governance(artefacts),
            Gate::D | Gate::F => bail!("gate {gate}: is not judged by itself"),
        }
    }

    /// Evaluates gate D; returns the test run if there was one.
    fn tests(&self, tested: Tested) -> Result<(Option<TestRun>, Evidence)> {
        let run = match tested {
            Tested::Before(_) => None,
            Tested::Now => {
                let section = self.repository.config.tests.as_ref();
                let section = self.repository.section(section, "tests")?;
                Some(test_run::run(self.repository, section)?)
            }
        };
        let results = match (&run, tested) {
            (Some(run), _) => run.results,
            (None, Tested::Before(results)) => results,
            (None, Tested::Now) => bail!("tests: did not run"),
        };
        let now = self.snapshot.map(|_| self.repository.snapshot(results));
        let now = now.transpose()?;
        let snapshots = self.snapshot.zip(now.as_ref());
        Ok((run, evidence::of_tests(results, snapshots)?))
    }

    /// Evaluates gate E.
    fn governance(&self, artefacts: &mut Artefacts) -> Result<Evidence> {
        let scanned = scan(self.repository)?;
        let linted = lint(self.repository)?;
        artefacts.insert("lint_report.json", canonical::to_string(&linted.report)?);
        artefacts.insert(
            "scanner_report.json",
            canonical::to_string(&scanned.report)?,
        );
        Ok(evidence::of_governance(
            &scanned.report,
            scanned.files,
            &linted.report,
        ))
    }

    /// Evaluates gate F: repeats the other gates and the reference mission, and compares.
    fn replay(&self, passed: &Passed, tested: Tested) -> Result<Replayed> {
        let mut once_more = Results::default();
        let mut again = Artefacts::new();
        while let Some(gate) = once_more.next().filter(|gate| *gate != Gate::F) {
            let evidence = match gate {
                // Test results are input from outside, so the tests are not run again.
                Gate::D => self.tests(tested)?.1,
                _ => self.judge(gate, &mut again)?,
            };
            once_more.enter(evidence);
        }
        again.insert(
            "gate_results.json",
            canonical::to_string_sorted(&once_more)?,
        );
        let mut first = Artefacts::new();
        if let Some(report) = passed.artefacts.get("scanner_report.json") {
            first.insert("scanner_report.json", report.clone());
        }
        first.insert(
            "gate_results.json",
            canonical::to_string_sorted(&passed.results)?,
        );
        if let Some((text, make)) = self.amendments {
            first.insert("amendment_log.json", text.to_owned());
            again.insert("amendment_log.json", make()?);
        }
        let mission = self.reference()?;
        first.insert("mission_output.json", mission.outputs[0].clone());
        again.insert("mission_output.json", mission.outputs[1].clone());
        let compared = evidence::compare(&first, &again)?;
        let mut findings = mission.findings;
        findings.extend(compared.findings);
        let mut found = mission.found;
        found["surface"] = compared.surface.into();
        let [output, _] = mission.outputs;
        let mut artefacts = mission.artefacts;
        artefacts.insert("mission_output.json", output);
        Ok(Replayed {
            evidence: Evidence { findings, found },
            artefacts,
            normalized: compared.normalized,
        })
    }
}

impl Repository {
    /// Takes a snapshot of the new package's files, with these test results.
    pub fn snapshot(&self, results: TestResults) -> Result<Snapshot> {
        let section = self.section(self.config.migrate.as_ref(), "migrate")?;
        let folder = coo_kernel::baseline::TreePath::from_text(&section.to)?;
        let tree = self.part(&Scope::new(&["**/*"])?)?;
        let is_in = |path: &coo_kernel::baseline::TreePath, _| path.is_within(&folder);
        let found = tree.entries(is_in, &Progress::new(None))?;
        Ok(Snapshot::of(&folder, &found, results)?)
    }
}

/// A failpoint for each gate, for tests.
fn fault_at(gate: Gate) -> Result<()> {
    Ok(failpoint::reach(match gate {
        Gate::A => "gate.a",
        Gate::B => "gate.b",
        Gate::C => "gate.c",
        Gate::D => "gate.d",
        Gate::E => "gate.e",
        Gate::F => "gate.f",
    })?)
}
