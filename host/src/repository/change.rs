//! A governed change of a repository, driven from stage to stage (design, "Repository pipeline"):
//! what a stage has done is on record before the next one begins, so that a process that dies is
//! followed by one that goes on. Which stage follows, and what may be on record, the kernel says.
//!
//! Invariants: the configuration is the one it began with; a stage that finds the repository
//! other than it left it fails; and what can't be decided is asked, never passed over.

mod bundle;
mod migration;
mod rollback;
mod stages;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use coo_engines::change::{
    BegunBody, ChangeId, DecisionBody, EvidenceBody, Kind, Log, Progress as Recorded, Route,
    TransitionBody,
};
use coo_engines::pipeline::{Event, Stage};
use coo_engines::repository::scope::Scope;
use coo_kernel::baseline::{bytes_of, text_of};
use coo_kernel::form::canonical;
use coo_kernel::form::digest::Digest;
use coo_kernel::root::manifest;
use serde::Serialize;

use super::{Repository, amend, migrate, test_run};
use crate::baselines::{self, Baseline, Progress, Tree};
use crate::machine;
use crate::manifests;
use crate::root::reports;
use crate::root::store::{ChangeFacts, ChangeRow, Durability};
use crate::session::Session;

pub use bundle::Bundled;

/// Longest file of evidence that is read again, in bytes.
const EVIDENCE_BYTES_MAX: u64 = 256 << 20;
/// So many files are named where many changed.
const NAMED_MAX: usize = 5;

/// Where a change has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Waits for a person's yes or no.
    Review,
    /// Waits for a person to ask for the rollback once more.
    Rollback,
    /// It has ended.
    Over,
}

/// See the module.
pub struct Change<'a> {
    /// What it is called.
    pub id: ChangeId,
    /// The repository.
    pub repository: Repository,
    session: Session,
    log: Log,
    row: ChangeRow,
    /// Values that may stand in nothing that is written down.
    secrets: Vec<String>,
    says: &'a (dyn Fn(&str) + Sync),
    progress: Progress<'a>,
}

/// Whoever follows a change, and answers its one question.
pub struct Watcher<'a> {
    /// Gets a line for everything worth knowing.
    pub says: &'a (dyn Fn(&str) + Sync),
    /// Gets the progress of long work.
    pub progress: Option<&'a (dyn Fn(&str) + Sync)>,
}

impl<'a> Change<'a> {
    /// Begins a change of the repository at `path`, in the state root at `root`.
    pub fn begin(
        root: &Path,
        route: Route,
        path: &Path,
        config: Option<&Path>,
        watcher: &Watcher<'a>,
    ) -> Result<Self> {
        let repository = Repository::open(path, config, root)?;
        check_sections(&repository, route)?;
        if route == Route::Migration {
            let plan = migrate::plan(&repository)?;
            if plan.questions() > 0 {
                bail!("{}", open_questions(&plan));
            }
        }
        let place = text_of(repository.tree.path.as_os_str().as_encoded_bytes());
        if let Some(session) = Session::for_reading(root, watcher.says)? {
            refuse_second(&session, &place)?;
        }
        let mut session = Session::for_writing(root, watcher.says)?;
        refuse_second(&session, &place)?;
        let text = session.store.put_blob(repository.config_text.as_bytes())?;
        let row = ChangeRow {
            id: ChangeId { number: 0, route },
            repository: place,
            config: config.map(|path| path.display().to_string()),
            environment_sha256: environment(&repository)?,
            created_ms: machine::now_unix_ms(),
            ended_ms: None,
        };
        let id = session.store.create_change(route, &row)?;
        let mut change = Self {
            id,
            repository,
            secrets: manifests::secrets(&session.surroundings),
            session,
            log: Log::default(),
            row: ChangeRow { id, ..row },
            says: watcher.says,
            progress: Progress::new(watcher.progress),
        };
        change.record(
            Kind::Begun,
            &BegunBody {
                config_sha256: text.sha256,
                coo_version: env!("CARGO_PKG_VERSION").to_owned(),
                route,
            },
        )?;
        Ok(change)
    }

    /// Takes up a change where its record ends.
    pub fn open(root: &Path, id: ChangeId, watcher: &Watcher<'a>) -> Result<Self> {
        let session =
            Session::for_keeping_in(root, watcher.says)?.with_context(|| not_found(id))?;
        let row = session.store.change(id)?.with_context(|| not_found(id))?;
        let log = session.store.walk_change(id, |_, _| Ok(()))?;
        let begun = log
            .progress
            .begun
            .as_ref()
            .context("change: has no begin")?;
        let text = session.store.blob(&begun.config_sha256)?;
        let repository = Repository::recorded(&place(&row)?, &text, root)?;
        Ok(Self {
            id,
            repository,
            secrets: manifests::secrets(&session.surroundings),
            session,
            log,
            row,
            says: watcher.says,
            progress: Progress::new(watcher.progress),
        })
    }

    /// What is on record of it.
    pub fn recorded(&self) -> &Recorded {
        &self.log.progress
    }

    /// Where it stands.
    pub fn stage(&self) -> Stage {
        // It has begun, or it would not be here.
        self.log.progress.stage().unwrap_or(Stage::Init)
    }

    /// Digest of its last event.
    pub fn head(&self) -> Digest {
        self.log.head()
    }

    /// The folder of its evidence, in the state root.
    pub fn folder(&self) -> String {
        folder(self.id)
    }

    /// Where that is.
    pub fn folder_path(&self) -> PathBuf {
        self.session.root.path().join(self.folder())
    }

    /// Notes a person's answer to the review it waits for.
    pub fn decide(&mut self, approved: bool, why: Option<String>) -> Result<()> {
        if !matches!(self.stage(), Stage::CeoReview | Stage::CeoFinalReview)
            || self.log.progress.decided.is_some()
        {
            bail!(
                "{}: waits for no review, it is in {}; 'coo pipeline status {}' tells more",
                self.id,
                self.stage(),
                self.id
            );
        }
        if approved {
            self.check_before_yes()?;
        }
        self.record(Kind::Decision, &DecisionBody { approved, why })
    }

    /// A person's no: to the review it waits for, or to all of it wherever it stands. What was
    /// changed goes back once the person has said so, in whatever environment that is.
    pub fn give_up(&mut self, why: Option<String>, ask: &dyn Fn() -> Vec<u8>) -> Result<Standing> {
        match self.stage() {
            Stage::CeoReview | Stage::CeoFinalReview if self.log.progress.decided.is_none() => {
                self.decide(false, why.clone())?;
            }
            Stage::Complete | Stage::Question => bail!(
                "{}: has ended in {}; 'coo pipeline status {}' tells how",
                self.id,
                self.stage(),
                self.id
            ),
            _ => {}
        }
        if self.stage() != Stage::Error {
            let why = why.filter(|why| !why.is_empty());
            let why = why.as_deref().unwrap_or("no reason given");
            self.transition(
                Event::Failed,
                Some(self.portable(&format!("rejected: {why}"))),
            )?;
        }
        self.go(ask)
    }

    /// Goes on until a person has to do something, or it has ended. `ask` gets a person's answer
    /// to a rollback.
    pub fn go(&mut self, ask: &dyn Fn() -> Vec<u8>) -> Result<Standing> {
        loop {
            let stage = self.stage();
            if stage.is_final() {
                return Ok(Standing::Over);
            }
            if stage == Stage::Error {
                if !self.recede(false, ask)? {
                    return Ok(Standing::Rollback);
                }
                continue;
            }
            if matches!(stage, Stage::CeoReview | Stage::CeoFinalReview)
                && self.log.progress.decided.is_none()
            {
                return Ok(Standing::Review);
            }
            let decision = self.log.progress.decided.as_ref();
            if decision.is_none_or(|decision| decision.approved) {
                self.check_environment()?;
            }
            (self.says)(&format!("{} {stage}", self.id));
            match self.pass(stage) {
                Ok(event) => self.transition(event, None)?,
                Err(error) => self.fail(&error)?,
            }
        }
    }

    /// Asks for the rollback once more, on a person's behalf, and ends the change.
    pub fn roll_back(&mut self, ask: &dyn Fn() -> Vec<u8>) -> Result<Standing> {
        if self.stage() != Stage::Error {
            bail!(
                "{}: is in {} and has nothing to roll back; a change rolls back when it has failed, and 'coo pipeline reject' ends one that waits for a review",
                self.id,
                self.stage()
            );
        }
        self.recede(true, ask)?;
        Ok(Standing::Over)
    }

    /// What a change may not go on without: that tools, locale and variables are those it began
    /// with (packet §15).
    fn check_environment(&self) -> Result<()> {
        if environment(&self.repository)? != self.row.environment_sha256 {
            bail!(
                "{}: the environment is not the one it began with (system, locale, or what [tests] has inherited); go on where it is, or 'coo pipeline reject {}' gives it up and rolls back",
                self.id,
                self.id
            );
        }
        Ok(())
    }

    fn transition(&mut self, event: Event, why: Option<String>) -> Result<()> {
        let from = self.stage();
        let to = self.id.route.next(from, event)?;
        self.record(
            Kind::Transition,
            &TransitionBody {
                event,
                from,
                to,
                why,
            },
        )
    }

    fn fail(&mut self, error: &anyhow::Error) -> Result<()> {
        let said = manifest::without(&format!("{error:#}"), &self.secrets);
        (self.says)(&format!("{} {}: {said}", self.id, self.stage()));
        self.transition(Event::Failed, Some(self.portable(&said)))
            .with_context(|| format!("{said}; and that can't be written down"))
    }

    /// A message as it is everywhere, and may be written down: without where repository and state
    /// root lie, and without secrets.
    fn portable(&self, message: &str) -> String {
        let message = manifest::without(message, &self.secrets);
        let message = self.repository.portable(&message);
        let root = self.session.root.path();
        let roots = [root.canonicalize().ok(), Some(root.to_owned())];
        roots.into_iter().flatten().fold(message, |message, root| {
            let root = root.display().to_string();
            // A short one would be found in every other word.
            if root.len() > 4 {
                message.replace(&root, "<state root>")
            } else {
                message
            }
        })
    }

    /// Adds an event to the record, on the disk before anything else is done.
    fn record(&mut self, kind: Kind, body: &impl Serialize) -> Result<()> {
        let mut log = self.log.clone();
        let record = log.append(kind, canonical::to_string_sorted(body)?)?;
        let facts = ChangeFacts {
            at_ms: machine::now_unix_ms(),
            by: machine::user(),
        };
        let store = &mut self.session.store;
        store.append_change(self.id, &record, &facts)?;
        store.commit(Durability::Power)?;
        self.log = log;
        Ok(())
    }

    /// Writes a file of evidence and notes its digest.
    fn evidence(&mut self, name: &str, text: &str) -> Result<Digest> {
        let sha256 = Digest::of(text);
        let path = format!("{}/{name}", self.folder());
        let session = &mut self.session;
        reports::write(&session.root, &mut session.store, &path, text.as_bytes())?;
        if self.log.progress.evidence.get(name) != Some(&sha256) {
            let file = name.to_owned();
            self.record(Kind::Evidence, &EvidenceBody { file, sha256 })?;
        }
        Ok(sha256)
    }

    /// Reads a file of evidence, which must be what was written.
    fn evidence_text(&self, name: &str) -> Result<String> {
        let file = format!("{}/{name}", self.folder());
        let text = self.session.root.read_bounded(&file, EVIDENCE_BYTES_MAX)?;
        if self.log.progress.evidence.get(name) != Some(&Digest::of(&text)) {
            bail!(
                "file {}: was changed after it was written; take it from a copy of the state root",
                self.session.root.path().join(&file).display()
            );
        }
        Ok(String::from_utf8(text)?)
    }

    /// The folder that a migration deletes, with all that is in it.
    fn old_package(&self) -> Result<Tree> {
        let section = self.repository.config.migrate.as_ref();
        let section = self.repository.section(section, "migrate")?;
        self.repository.folder(&section.from)
    }

    /// All of the repository that any engine may read.
    fn tree(&self) -> Result<Tree> {
        self.repository.part(&Scope::new(&["**/*"])?)
    }

    fn load(&self, id: &Digest) -> Result<Baseline> {
        baselines::part::load(&self.session.root, id)
    }

    /// In which files the repository is not `baseline`.
    fn changed(&self, baseline: &Baseline) -> Result<Vec<String>> {
        let differences = baselines::compare(baseline, &self.tree()?, &self.progress)?;
        let mut paths: Vec<String> = differences
            .into_iter()
            .map(|difference| difference.path.text())
            .collect();
        paths.dedup();
        Ok(paths)
    }

    /// Fails where the repository is not `baseline`; `who` is what may have done that.
    fn expect(&self, baseline: &Baseline, who: &str) -> Result<()> {
        let changed = self.changed(baseline)?;
        if changed.is_empty() {
            return Ok(());
        }
        bail!("{}", changed_by(who, &changed));
    }
}

fn changed_by(who: &str, changed: &[String]) -> String {
    let named = changed[..changed.len().min(NAMED_MAX)].join(", ");
    let more = match changed.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{who}: {named}{more}")
}

/// One change of a repository at a time.
fn refuse_second(session: &Session, place: &str) -> Result<()> {
    let changes = session.store.changes()?;
    let mut open = changes.iter().filter(|change| change.ended_ms.is_none());
    if let Some(other) = open.find(|change| change.repository == place) {
        bail!(
            "{}: is under way for this repository; 'coo pipeline status {}' tells where it stands",
            other.id,
            other.id
        );
    }
    Ok(())
}

/// What is said where a migration can't be carried out yet.
fn open_questions(plan: &migrate::Plan) -> String {
    format!(
        "migration of {}: {} open; 'coo migrate plan' lists them, [migrate] in coo.toml answers them",
        plan.from,
        count(plan.questions(), "question")
    )
}

/// So many of them.
fn count(number: usize, noun: &str) -> String {
    let end = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{end}")
}

/// The folder of a change's evidence, in the state root.
#[must_use]
pub fn folder(id: ChangeId) -> String {
    format!("{}/{:06}", amend::CHANGES, id.number)
}

/// What is said where there is none.
pub fn not_found(id: impl std::fmt::Display) -> String {
    format!("Change '{id}' not found; 'coo pipeline list' names all.")
}

fn place(row: &ChangeRow) -> Result<PathBuf> {
    use std::os::unix::ffi::OsStringExt as _;
    Ok(std::ffi::OsString::from_vec(bytes_of(&row.repository)?).into())
}

/// Every stage has what it needs, or nothing begins.
fn check_sections(repository: &Repository, route: Route) -> Result<()> {
    let config = &repository.config;
    repository.section(config.migrate.as_ref(), "migrate")?;
    repository.section(config.tests.as_ref(), "tests")?;
    if route == Route::Pipeline {
        repository.section(config.scan.as_ref(), "scan")?;
        repository.section(config.lint.as_ref(), "lint")?;
    }
    Ok(())
}

/// Digest of what machine and environment say of themselves, as far as a change depends on it.
fn environment(repository: &Repository) -> Result<Digest> {
    let tests = repository.config.tests.as_ref();
    let tests = tests.map(test_run::environment_sha256).transpose()?;
    Ok(Digest::of(canonical::to_string(&serde_json::json!({
        "machine": machine::environment_facts(),
        "tests": tests,
    }))?))
}
