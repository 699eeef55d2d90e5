//! The work of each stage of a change, up to the event that leads to the next one. If a process
//! dies, a stage runs again: it detects the work already done and completes the rest.

use anyhow::{Context as _, Result, bail};
use coo_engines::change::{
    AmendmentsBody, BaselineBody, FreezeBody, GatesBody, Kind, Route, Which,
};
use coo_engines::pipeline::{Event, Stage};
use coo_engines::repository::gate::Verdict;
use coo_engines::repository::normal;
use coo_engines::repository::snapshot::Snapshot;
use coo_kernel::form::canonical;
use coo_kernel::form::digest::Digest;
use coo_kernel::state::manifest;

use super::super::amend::{self, Given, LOG, Log, PATCH};
use super::super::gates::{Gates, Replayed, Tested};
use super::super::migrate;
use super::{Change, changed_by, count, open_questions};
use crate::baselines::{self, Baseline, Reason};
use crate::freeze::{self, Unready};
use crate::machine;
use crate::machine::failpoint;
use crate::manifests;
use crate::state::reports;

/// Most findings of a failed gate in a message; the gate's results name all.
const FINDINGS_SHOWN: usize = 3;
/// The folder, in the change's folder, for normalised artefacts that were compared (packet §11.3).
pub(super) const NORMALIZED: &str = "normalized";

impl Change<'_> {
    /// Does the work of `stage`; returns the event that follows.
    pub(super) fn pass(&mut self, stage: Stage) -> Result<Event> {
        failpoint::reach(stage.failpoint())?;
        self.check_frozen()?;
        match stage {
            Stage::Init => self.look(),
            Stage::AmendmentPrep => self.prepare_amendments(),
            Stage::AmendmentExec => self.amend(),
            Stage::AmendmentVerify => {
                self.check_amended()?;
                Ok(Event::AmendmentsVerified)
            }
            Stage::CeoReview => self.reviewed(),
            Stage::FreezePrep => self.prepare_freeze(),
            Stage::FreezeActivated => self.freeze(),
            Stage::CaptureAmu0 => self.capture(),
            Stage::MigrationSequence => self.migrate(),
            Stage::Gates => self.pass_gates(),
            Stage::CeoFinalReview => self.finally_reviewed(),
            Stage::Complete | Stage::Error | Stage::Question => {
                bail!("{stage}: has nothing to do")
            }
        }
    }

    /// Finds problems that would stop the change later, before anything is changed.
    fn look(&mut self) -> Result<Event> {
        let plan = migrate::plan(&self.repository)?;
        self.evidence("migration_plan.json", &canonical::to_string(&plan)?)?;
        let open = plan.questions();
        if open > 0 {
            bail!("{}", open_questions(&plan));
        }
        self.specification_of_now()?;
        let session = &self.session;
        if !manifests::are_present(&session.root) {
            manifests::write(&session.root, session.config()?, &session.environment)?;
        }
        self.check_manifests()?;
        Ok(Event::Started)
    }

    fn prepare_amendments(&mut self) -> Result<Event> {
        if self.log.progress.start.is_none() {
            let start = baselines::part::keep(&self.session.root, &self.tree()?, &self.progress)?;
            self.record_baseline(Which::Start, &start, None, None)?;
        }
        let Some(given) = self.given()? else {
            return Ok(Event::AnchorsFound);
        };
        if given.is_applied(&self.session.root)?.is_some() {
            return Ok(Event::AnchorsFound);
        }
        if let Err(escalation) = given.prepare() {
            let file = escalation.file();
            self.evidence(&file, &canonical::to_string(&escalation)?)?;
            bail!(
                "AmendmentHaltException: amendment {}: {:?}: anchor '{}' in {}; no document was changed",
                escalation.amendment_id,
                escalation.kind,
                escalation.searched_anchor.escape_debug(),
                escalation.document
            );
        }
        Ok(Event::AnchorsFound)
    }

    fn given(&self) -> Result<Option<Given>> {
        let has_some = self.repository.config.amend.is_some();
        has_some.then(|| amend::read(&self.repository)).transpose()
    }

    fn amend(&mut self) -> Result<Event> {
        let folder = self.folder();
        let given = self.given()?;
        let session = &mut self.session;
        let root = &session.root;
        // The log is written before the documents, so an earlier process may have written it
        // already.
        let is_ours = |given: &Given| given.is_applied_by(root, &folder);
        let text = match given {
            None => self.log_of_none()?,
            Some(given) if is_ours(&given)? => self.read_own(LOG)?,
            Some(given) if given.is_applied(root)?.is_some() => {
                canonical::to_string(&given.log_of_nothing())?
            }
            Some(given) => match given.prepare() {
                Ok(prepared) => {
                    amend::apply_in(
                        &session.root,
                        &mut session.store,
                        &self.repository,
                        &prepared,
                        &folder,
                        &self.progress,
                    )?;
                    canonical::to_string(&prepared.log)?
                }
                Err(escalation) => bail!(
                    "amendment {}: its anchor is no more what it was",
                    escalation.amendment_id
                ),
            },
        };
        let patch = if self.session.root.dir().exists(format!("{folder}/{PATCH}")) {
            self.read_own(PATCH)?
        } else {
            String::new()
        };
        self.evidence(PATCH, &patch)?;
        let log_sha256 = self.evidence(LOG, &text)?;
        let log: amend::Summary = serde_json::from_str(&text)?;
        if self.log.progress.amendments.is_none() {
            self.record(
                Kind::Amendments,
                &AmendmentsBody {
                    amendments: log.amendments.len() as u64,
                    documents: log.documents.len() as u64,
                    log_sha256,
                },
            )?;
        }
        Ok(Event::AmendmentsApplied)
    }

    fn log_of_none(&self) -> Result<String> {
        let log = Log::empty(Digest::of(""), self.repository.config_sha256);
        Ok(canonical::to_string(&log)?)
    }

    fn read_own(&self, name: &str) -> Result<String> {
        let file = format!("{}/{name}", self.folder());
        let text = self
            .session
            .root
            .read_bounded(&file, super::EVIDENCE_BYTES_MAX)?;
        Ok(String::from_utf8(text)?)
    }

    /// Fails unless the documents are as the log says and nothing else was changed.
    fn check_amended(&self) -> Result<()> {
        let start = self.log.progress.start.as_ref().context("no baseline")?;
        let start = self.load(&start.manifest_sha256)?;
        let log: amend::Summary = serde_json::from_str(&self.evidence_text(LOG)?)?;
        let is_amended = |path: &str| log.documents.iter().any(|document| document.path == path);
        let mut changed = self.changed(&start)?;
        changed.retain(|path| !is_amended(path));
        if !changed.is_empty() {
            bail!(
                "{}",
                changed_by("changed by somebody else meanwhile", &changed)
            );
        }
        for document in &log.documents {
            let found = Digest::of(self.repository.read(&document.path)?);
            if found != document.after_sha256 {
                bail!(
                    "document {}: is not what the amendments made it; let nobody write to it meanwhile",
                    document.path
                );
            }
        }
        Ok(())
    }

    fn reviewed(&mut self) -> Result<Event> {
        self.check_decision()?;
        self.check_amended()?;
        Ok(Event::Approved)
    }

    fn check_decision(&self) -> Result<()> {
        let decided = self.log.progress.decided.as_ref();
        match decided.context("nobody has decided")?.rejection() {
            Some(why) => bail!(why),
            None => Ok(()),
        }
    }

    fn prepare_freeze(&mut self) -> Result<Event> {
        self.check_manifests()?;
        self.check_amended()?;
        Ok(Event::EnvironmentVerified)
    }

    fn freeze(&mut self) -> Result<Event> {
        if self.log.progress.freeze.is_none() {
            // An earlier process may have activated the freeze already.
            let by = self.freezer();
            let number = match self.session.store.open_freeze()? {
                Some(row) if row.by == by => row.number,
                Some(row) => bail!("state root: was frozen meanwhile by {}", row.by),
                None => match self.session.freeze(&by)? {
                    Ok(row) => row.number,
                    Err(Unready::Frozen(row)) => row.number,
                    Err(Unready::Manifests(drifts)) => bail!(
                        "manifests: out of date, {}; 'coo manifests check' lists the differences",
                        count(drifts.len(), "difference")
                    ),
                    Err(Unready::Reader(database)) => {
                        bail!("database {database}: another process reads it; wait for it")
                    }
                },
            };
            self.record(Kind::Freeze, &FreezeBody { number })?;
        }
        Ok(Event::FreezeWritten)
    }

    /// Returns the name under which this change freezes the state root, as the log of freezes shows
    /// it.
    fn freezer(&self) -> String {
        format!("{} for {}", machine::user(), self.id)
    }

    /// Fails if the freeze of this change was lifted.
    fn check_frozen(&self) -> Result<()> {
        let Some(number) = self.log.progress.freeze else {
            return Ok(());
        };
        let open = self.session.store.open_freeze()?;
        if open.is_none_or(|row| row.number != number) {
            bail!("freeze {number}: was lifted meanwhile, and the state root may have changed");
        }
        Ok(())
    }

    /// Reports problems that would stop the change right after an approval, before the approval is
    /// recorded.
    pub(super) fn check_before_yes(&self) -> Result<()> {
        self.check_environment()?;
        if self.stage() != Stage::CeoReview {
            return Ok(());
        }
        self.check_manifests()?;
        if let Some(row) = self.session.store.open_freeze()? {
            bail!(
                "state root: is frozen by {}; when that is lifted, answer again",
                row.by
            );
        }
        Ok(())
    }

    fn check_manifests(&self) -> Result<()> {
        let session = &self.session;
        let drifts = manifests::check(&session.root, session.config()?, &session.environment)?;
        if !drifts.is_empty() {
            bail!(
                "manifests: out of date, {}; 'coo manifests check' lists the differences, and 'coo manifests write' accepts the current environment",
                count(drifts.len(), "difference")
            );
        }
        Ok(())
    }

    fn capture(&mut self) -> Result<Event> {
        if self.log.progress.amu0.is_some() {
            return Ok(Event::BaselineCaptured);
        }
        let root = &self.session.root;
        let amu0 = baselines::part::keep(root, &self.tree()?, &self.progress)?;
        let excluded = baselines::part::keep(root, &self.old_package()?, &self.progress)?.id;
        if self.id.route == Route::Migration {
            self.record_baseline(Which::Amu0, &amu0, Some(excluded), None)?;
            return Ok(Event::BaselineCaptured);
        }
        self.check_amended()?;
        let name = self.id.to_string();
        let (root, store) = (&self.session.root, &self.session.store);
        let states = baselines::states(root)?;
        // An earlier process may have captured the state already; the root is frozen, so it is the
        // same.
        if !states.iter().any(|record| record.name == name) {
            baselines::create_of_state(root, store, Some(&name), Reason::Asked, &self.progress)?;
        }
        let differences =
            baselines::compare_state(root, store, &baselines::find(root, &name)?, &self.progress)?;
        if let Some(first) = differences.first() {
            bail!("state root: '{}' is not as captured", first.path.text());
        }
        self.record_baseline(Which::Amu0, &amu0, Some(excluded), Some(name))?;
        Ok(Event::BaselineCaptured)
    }

    fn record_baseline(
        &mut self,
        baseline: Which,
        kept: &Baseline,
        excluded_sha256: Option<Digest>,
        state: Option<String>,
    ) -> Result<()> {
        let summary = kept.manifest.summary();
        self.record(
            Kind::Baseline,
            &BaselineBody {
                baseline,
                bytes: summary.bytes,
                excluded_sha256,
                files: summary.files,
                manifest_sha256: kept.id,
                state,
            },
        )
    }

    fn pass_gates(&mut self) -> Result<Event> {
        let step = self.log.progress.step.as_ref();
        let judged = step.context("no step of the migration is on record")?;
        let judged = self.load(&judged.manifest_sha256)?;
        self.expect(&judged, "changed by somebody else meanwhile")?;
        let snapshot: Snapshot = serde_json::from_str(&self.evidence_text("snapshot_2.json")?)?;
        let answers = self.session.store.frozen_calls()?;
        let log = self.evidence_text(LOG)?;
        let passed = {
            let once_more = || self.amendment_log_again();
            let gates = Gates {
                repository: &self.repository,
                config: self.session.config()?,
                answers: &answers,
                tested: Tested::Now,
                snapshot: Some(&snapshot),
                amendments: Some((&log, &once_more)),
            };
            gates.pass(
                |gate| (self.says)(&format!("{} gate {gate}: {}", self.id, gate.title())),
                |replayed| self.keep_normalized(replayed),
            )?
        };
        for (name, text) in &passed.artefacts {
            self.evidence(name, text)?;
        }
        if let Some(output) = &passed.tests_output {
            self.write_output("gates", output)?;
        }
        self.expect(&judged, "changed while the gates were passed")?;
        let results = &passed.results;
        self.record(
            Kind::Gates,
            &GatesBody {
                manifest_sha256: judged.id,
                sha256: Digest::of(canonical::to_string_sorted(results)?),
                status: results.status,
            },
        )?;
        if let Some(failed) = results.failed() {
            let shown = failed.findings.len().min(FINDINGS_SHOWN);
            let more = match failed.findings.len() - shown {
                0 => String::new(),
                more => format!("; and {more} more"),
            };
            bail!(
                "gate {} ({}): {}{more}",
                failed.gate,
                failed.title,
                failed.findings[..shown].join("; ")
            );
        }
        Ok(Event::GatesPassed)
    }

    /// Returns the log of the amendments, applied again to the documents as they were at the start.
    fn amendment_log_again(&self) -> Result<String> {
        if self.repository.config.amend.is_none() {
            return self.log_of_none();
        }
        let start = self.log.progress.start.as_ref().context("no baseline")?;
        let start = self.load(&start.manifest_sha256)?;
        let given = amend::read_from(&self.session.root, &start, &self.repository)?;
        let log: amend::Summary = serde_json::from_str(&self.evidence_text(LOG)?)?;
        if log.amendments.is_empty() {
            return Ok(canonical::to_string(&given.log_of_nothing())?);
        }
        match given.prepare() {
            Ok(prepared) => Ok(canonical::to_string(&prepared.log)?),
            Err(escalation) => bail!(
                "amendment {}: finds its anchor no more",
                escalation.amendment_id
            ),
        }
    }

    /// Keeps the normalised artefacts until the change has ended, for audits.
    fn keep_normalized(&self, replayed: &Replayed) -> Result<()> {
        for (name, first, again) in &replayed.normalized {
            debug_assert!(normal::SURFACE.contains(name));
            let stem = name.strip_suffix(".json").unwrap_or(name);
            for (number, text) in [(1, first), (2, again)] {
                let file = format!("{}/{NORMALIZED}/{stem}.{number}.json", self.folder());
                self.session.root.write_new(&file, text.as_bytes())?;
            }
        }
        Ok(())
    }

    /// Writes the tests' output to the change's folder. It contains times, so it is not evidence.
    pub(super) fn write_output(&mut self, of: &str, output: &[u8]) -> Result<String> {
        let file = format!("{}/tests_{of}.txt", self.folder());
        let text = manifest::without(&String::from_utf8_lossy(output), &self.secrets);
        let session = &mut self.session;
        reports::write(&session.root, &mut session.store, &file, text.as_bytes())?;
        Ok(file)
    }

    fn finally_reviewed(&mut self) -> Result<Event> {
        self.check_decision()?;
        let gates = self.log.progress.gates.as_ref();
        let gates = gates.filter(|gates| gates.status == Verdict::Pass);
        let judged = gates.context("no gates have passed")?.manifest_sha256;
        let judged = self.load(&judged)?;
        self.expect(&judged, "changed since the gates were passed")?;
        self.lift()?;
        self.clear_normalized()?;
        Ok(Event::Approved)
    }

    /// Lifts the freeze of this change, if it is in force.
    pub(super) fn lift(&mut self) -> Result<()> {
        let Some(number) = self.log.progress.freeze else {
            return Ok(());
        };
        let store = &mut self.session.store;
        let row = store.open_freeze()?.filter(|row| row.number == number);
        if row.is_some() {
            // Committed together with the event that follows. Otherwise a process that continues
            // after a crash would find a freeze lifted by someone else.
            store.give_freeze_up(number, machine::now_unix_ms())?;
        }
        self.record(Kind::Lifted, &FreezeBody { number })?;
        let session = &mut self.session;
        row.map_or(Ok(()), |row| {
            freeze::finish_lifting(&session.root, &mut session.store, &row)
        })
    }

    /// Deletes the normalised artefacts (packet §11.3, retention).
    pub(super) fn clear_normalized(&self) -> Result<()> {
        let folder = self.folder();
        if self
            .session
            .root
            .dir()
            .exists(format!("{folder}/{NORMALIZED}"))
        {
            self.session.root.discard(&folder, Some(NORMALIZED))?;
        }
        Ok(())
    }
}
