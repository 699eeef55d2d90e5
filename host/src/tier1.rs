//! The Tier-1 hardening of an installation and the state root it runs on: freezes the state as a
//! baseline (G1), runs the fix packs of stage 1 in their order (G2), writes the documents and asks a
//! person (G3). The kernel (`coo_kernel::tier1`) says what is tried
//! and writes the texts.
//!
//! Everything is tried in temporary state roots. The user's own root gets the baseline, and, once
//! everything holds, the documents and the question. A run stops at the first failure.

mod amu0;
mod checks;
mod determinism;
mod gateway;
mod governance;
mod probe;
mod readiness;
mod workflow;

use anyhow::{Context as _, Result};
use coo_kernel::baseline::link::Link;
use coo_kernel::effects::artefact::Artefact;
use coo_kernel::form::digest::Digest;
use coo_kernel::mission::MissionId;
use coo_kernel::mission::descriptor::EngineSettings;
use coo_kernel::mission::edition::Edition;
use coo_kernel::module::module_set;
use coo_kernel::tier1::readiness::Standing;
use coo_kernel::tier1::{BASELINE, FixPack, Installation, Judged, Stage1};

use crate::baselines::{self, Baseline, Progress, Record};
use crate::program::bundle;
use crate::program::engine::{self, Layout};
use crate::session::Session;

use checks::Checks;

pub use readiness::{Now, approve, reject};

/// What a hardening reports to while it runs, and what it has to know of the command line.
pub struct Run<'a> {
    /// The commands that this build has, for the enhancement log.
    pub commands: &'a [String],
    pub progress: &'a Progress<'a>,
    /// Receives a line when a part begins.
    pub say: &'a dyn Fn(&str),
}

/// How a hardening ended.
#[derive(Debug)]
pub enum Ended {
    /// A check does not hold; the last one of the last fix pack.
    Failed(Box<Failed>),
    /// Everything holds.
    Passed(Box<Passed>),
}

/// A hardening in which a check does not hold.
#[derive(Debug)]
pub struct Failed {
    pub baseline: Link,
    /// The fix packs that ran, up to the failure.
    pub packs: Vec<Judged>,
    pub state: Digest,
}

/// A hardening in which everything holds.
#[derive(Debug)]
pub struct Passed {
    pub stage: Stage1,
    /// The documents, sorted by path.
    pub documents: Vec<Artefact>,
    /// Whether this run wrote them; if not, they were there with the same bytes.
    pub is_new: bool,
    /// The mission that asks, or has asked, a person.
    pub mission: MissionId,
    pub standing: Standing,
}

/// Returns the installation of this process.
pub fn installation() -> Result<Installation> {
    let sandbox = engine::build_for(EngineSettings::default(), false, Layout::of_process())?;
    Ok(Installation {
        coo: env!("CARGO_PKG_VERSION").to_owned(),
        engine: sandbox.identity,
        module_set: module_set::digest(&bundle::members()),
        modules: bundle::members(),
        probe: probe::digest(),
        rules: Edition::CURRENT,
    })
}

/// Runs the hardening on the root of `session`.
pub fn run(session: Session, run: &Run<'_>) -> Result<Ended> {
    let installation = installation()?;
    let governance = session.config()?.governance.clone();
    // Without it the run could not end, and would only say so after minutes.
    readiness::ensure_writable(&governance)?;
    (run.say)("G1: freezing the state as a baseline");
    let (root, store) = (&session.root, &session.store);
    let state = baselines::subject(root, store, run.progress).context("G1")?;
    let (record, baseline) = g1(&session, &state, run.progress).context("G1")?;
    let mut hardening = Hardening {
        session: &session,
        run,
        state,
        record,
        baseline,
        suite: Vec::new(),
        copy: None,
    };
    let mut packs = Vec::new();
    for pack in FixPack::ALL {
        let judged = hardening.judge(pack);
        let has_failed = judged.failed().is_some();
        packs.push(judged);
        if has_failed {
            return Ok(Ended::Failed(Box::new(Failed {
                baseline: hardening.record.link(),
                packs,
                state,
            })));
        }
    }
    let findings = Stage1 {
        installation,
        state,
        governance,
        baseline: hardening.record.link(),
        packs,
        suite: hardening.suite,
    };
    (run.say)("G3: writing the report");
    readiness::ask(session, findings, run.commands).map(|passed| Ended::Passed(Box::new(passed)))
}

/// Returns the last baseline of this hardening if it holds the present state, and otherwise takes
/// the next one.
fn g1(session: &Session, state: &Digest, progress: &Progress<'_>) -> Result<(Record, Baseline)> {
    let (root, store) = (&session.root, &session.store);
    let mut own = baselines::states(root)?;
    own.retain(|record| number(&record.name).is_some());
    if let Some(last) = own.last() {
        let baseline = baselines::find(root, &last.name)?;
        if baselines::subject_of(root, &baseline)? == *state {
            return Ok((last.clone(), baseline));
        }
    }
    // A baseline of a directory may have taken the name, too.
    let all = baselines::list(root)?;
    let last = all.iter().filter_map(|record| number(&record.name)).max();
    let name = match last {
        None => BASELINE.to_owned(),
        Some(last) => format!("{BASELINE}-{:06}", last.saturating_add(1)),
    };
    let reason = baselines::Reason::Asked;
    let made = baselines::create_of_state(root, store, Some(&name), reason, progress)?;
    let baseline = baselines::find(root, &name)?;
    Ok((made.record, baseline))
}

/// Returns the number of a baseline of G1: 1 for the first, whose name has none.
fn number(name: &str) -> Option<u32> {
    match name.strip_prefix(BASELINE)? {
        "" => Some(1),
        rest => rest.strip_prefix('-')?.parse().ok(),
    }
}

/// A hardening at work.
struct Hardening<'a> {
    session: &'a Session,
    run: &'a Run<'a>,
    state: Digest,
    record: Record,
    baseline: Baseline,
    /// The results of the determinism suite, once it has run.
    suite: Vec<coo_kernel::tier1::Repeated>,
    /// A copy of the state in a temporary root, once it was made.
    copy: Option<amu0::Copy>,
}

impl Hardening<'_> {
    fn judge(&mut self, pack: FixPack) -> Judged {
        (self.run.say)(&format!("{}: {}", pack.id(), pack.title()));
        let mut checks = Checks::default();
        let held = match pack {
            FixPack::Determinism => self.determinism(&mut checks),
            FixPack::Baselines => self.baselines(&mut checks),
            FixPack::Gateway => gateway::check(self.session, &mut checks),
            FixPack::Workflow => workflow::check(&mut checks),
            FixPack::Governance => governance::check(&mut checks),
        };
        let mut after = Checks::default();
        if held.is_some() {
            (self.run.say)(&format!("{}: determinism suite, rollback", pack.id()));
            self.after(&mut after);
        }
        Judged {
            pack,
            checks: checks.list,
            after: after.list,
        }
    }

    fn determinism(&mut self, checks: &mut Checks) -> Option<()> {
        self.suite = determinism::check(checks)?;
        determinism::check_journals(self.session, checks)
    }

    fn baselines(&mut self, checks: &mut Checks) -> Option<()> {
        amu0::check(self.session, &self.baseline, self.copy.as_ref(), checks)
    }

    /// Runs what runs after every fix pack.
    fn after(&mut self, checks: &mut Checks) -> Option<()> {
        checks.hold("determinism suite", || determinism::again(&self.suite))?;
        checks.hold("rollback to the baseline", || {
            let copy = match self.copy.take() {
                Some(copy) => copy,
                None => amu0::Copy::of(self.session, &self.record)?,
            };
            self.copy.insert(copy).roll_back(&self.baseline)
        })?;
        checks.hold("state root", || {
            let (root, store) = (&self.session.root, &self.session.store);
            let found = baselines::subject(root, store, self.run.progress)?;
            checks::ensure(found == self.state, || {
                format!(
                    "the state is {}, it was {}",
                    found.short(),
                    self.state.short()
                )
            })?;
            Ok("unchanged, byte for byte".to_owned())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn a_baseline_of_g1_is_known_by_its_name() {
        for (name, known) in [
            ("PRE_HARDENING_AMU0", Some(1)),
            ("PRE_HARDENING_AMU0-000002", Some(2)),
            ("PRE_HARDENING_AMU0-x", None),
            ("PRE_HARDENING_AMU01", None),
            ("AMU0-000001", None),
        ] {
            assert_eq!(number(name), known, "{name}");
        }
    }
}
