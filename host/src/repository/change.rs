//! Drives a governed change of a repository from stage to stage (design, "Repository pipeline").
//! What a stage has done is recorded before the next stage begins, so that another process can
//! continue if this one dies. The kernel (`coo-engines`) decides which stage follows and what may be recorded.
//!
//! Invariants: a change keeps the configuration that it began with. A stage fails if it finds the
//! repository in another state than recorded. A matter that cannot be decided becomes a question
//! and is never skipped.

mod bundle;
mod migration;
mod rollback;
mod stages;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use coo_engines::change::{
    Action, BegunBody, ChangeId, DecisionBody, EvidenceBody, Fold, Kind, Log, Route,
    TransitionBody, rejection,
};
use coo_engines::pipeline::{Event, Stage};
use coo_engines::repository::scope::Scope;
use coo_kernel::baseline::{bytes_of, text_of};
use coo_kernel::form::canonical;
use coo_kernel::form::digest::Digest;
use coo_kernel::state::manifest;
use serde::Serialize;

use super::{Repository, amend, migrate, test_run};
use crate::baselines::{self, Baseline, Progress, Tree};
use crate::freeze::Purpose;
use crate::machine;
use crate::manifests;
use crate::session::Session;
use crate::state::reports;
use crate::state::store::{ChangeFacts, ChangeRow, Durability};

pub use bundle::Bundled;

/// Largest file of evidence that is read again, in bytes.
const EVIDENCE_BYTES_MAX: u64 = 256 << 20;
/// Most changed files that a message names.
const NAMED_MAX: usize = 5;

/// What a change waits for, once it cannot continue by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Waits for a person to approve or reject.
    Review,
    /// Waits for a person to request the rollback again.
    Rollback,
    /// Has ended.
    Over,
}

/// A change that this process drives; holds the state root's session.
pub struct Change<'a> {
    pub id: ChangeId,
    pub repository: Repository,
    session: Session,
    log: Log,
    row: ChangeRow,
    /// Secret values, which must not appear in any message or record.
    secrets: Vec<String>,
    says: &'a (dyn Fn(&str) + Sync),
    progress: Progress<'a>,
}

/// Receives what a change reports while it runs.
pub struct Watcher<'a> {
    /// Called with each line that is reported.
    pub says: &'a (dyn Fn(&str) + Sync),
    /// Called with the progress of long work.
    pub progress: Option<&'a (dyn Fn(&str) + Sync)>,
}

impl<'a> Change<'a> {
    /// Begins a change of the repository at `path`, recorded in the state root at `root`.
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
        if let Some(session) = Session::open(root, Purpose::Read, watcher.says)? {
            refuse_second(&session, &place)?;
        }
        let mut session = Session::create(root, Purpose::Change, watcher.says)?;
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
            secrets: manifests::secrets(&session.environment),
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

    /// Opens a change at the point that its record has reached.
    pub fn open(root: &Path, id: ChangeId, watcher: &Watcher<'a>) -> Result<Self> {
        let session =
            Session::open(root, Purpose::Keep, watcher.says)?.with_context(|| not_found(id))?;
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
            secrets: manifests::secrets(&session.environment),
            session,
            log,
            row,
            says: watcher.says,
            progress: Progress::new(watcher.progress),
        })
    }

    /// Returns the state of the change according to its record.
    pub fn recorded(&self) -> &Fold {
        &self.log.progress
    }

    /// Returns the current stage.
    pub fn stage(&self) -> Stage {
        // Every change here has begun, so there is a stage.
        self.log.progress.stage().unwrap_or(Stage::Init)
    }

    /// Returns the digest of the last event.
    pub fn head(&self) -> Digest {
        self.log.head()
    }

    /// Returns the folder of the change's evidence, relative to the state root.
    pub fn folder(&self) -> String {
        folder(self.id)
    }

    /// Returns the path of that folder.
    pub fn folder_path(&self) -> PathBuf {
        self.session.root.path().join(self.folder())
    }

    /// Records a person's answer to the review that the change waits for.
    pub fn decide(&mut self, approved: bool, why: Option<String>) -> Result<()> {
        if self.log.progress.next_action() != Action::AwaitReview {
            bail!(
                "{}: is not waiting for a review, it is in {}; 'coo pipeline status {}' shows more",
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

    /// Gives the change up: rejects the review that it waits for, or fails it at any other stage.
    /// Then rolls back, once a person has confirmed. Works in any environment, also a changed one.
    pub fn give_up(&mut self, why: Option<String>, ask: &dyn Fn() -> Vec<u8>) -> Result<Standing> {
        let action = self.log.progress.next_action();
        let why_failed = self.portable(&rejection(why.as_deref()));
        match action {
            Action::End => bail!(
                "{}: has ended in {}; 'coo pipeline status {}' shows how",
                self.id,
                self.stage(),
                self.id
            ),
            Action::AwaitReview => {
                self.decide(false, why)?;
                self.transition(Event::Failed, Some(why_failed))?;
            }
            Action::Work { .. } => self.transition(Event::Failed, Some(why_failed))?,
            Action::Retreat => {}
        }
        self.go(ask)
    }

    /// Continues until the change waits for a person or has ended. `ask` asks the person to confirm
    /// a rollback.
    pub fn go(&mut self, ask: &dyn Fn() -> Vec<u8>) -> Result<Standing> {
        loop {
            match self.log.progress.next_action() {
                Action::End => return Ok(Standing::Over),
                Action::AwaitReview => return Ok(Standing::Review),
                Action::Retreat => {
                    if !self.recede(false, ask)? {
                        return Ok(Standing::Rollback);
                    }
                }
                Action::Work { stage, is_rejected } => {
                    if !is_rejected {
                        self.check_environment()?;
                    }
                    (self.says)(&format!("{} {stage}", self.id));
                    match self.pass(stage) {
                        Ok(event) => self.transition(event, None)?,
                        Err(error) => self.fail(&error)?,
                    }
                }
            }
        }
    }

    /// Requests the rollback again, for a person, and ends the change.
    pub fn roll_back(&mut self, ask: &dyn Fn() -> Vec<u8>) -> Result<Standing> {
        if self.log.progress.next_action() != Action::Retreat {
            bail!(
                "{}: is in {} and has nothing to roll back; a change rolls back when it has failed, and 'coo pipeline reject' ends one that waits for a review",
                self.id,
                self.stage()
            );
        }
        self.recede(true, ask)?;
        Ok(Standing::Over)
    }

    /// Fails if the environment is not the one that the change began with: system, locale, and
    /// variables of the tests (packet §15).
    fn check_environment(&self) -> Result<()> {
        if environment(&self.repository)? != self.row.environment_sha256 {
            bail!(
                "{}: the environment differs from the one it began with (system, locale, or a variable that [tests] inherits); continue where that environment is, or 'coo pipeline reject {}' abandons it and rolls back",
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

    /// Returns a message in a form that may be recorded and is the same everywhere: without the
    /// paths of the repository and the state root, and without secrets.
    fn portable(&self, message: &str) -> String {
        let message = manifest::without(message, &self.secrets);
        let message = self.repository.portable(&message);
        let root = self.session.root.path();
        let roots = [root.canonicalize().ok(), Some(root.to_owned())];
        roots.into_iter().flatten().fold(message, |message, root| {
            let root = root.display().to_string();
            // A short path could occur by chance in other words.
            if root.len() > 4 {
                message.replace(&root, "<state root>")
            } else {
                message
            }
        })
    }

    /// Adds an event to the record, and syncs it to disk before anything else happens.
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

    /// Writes a file of evidence and records its digest.
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

    /// Reads a file of evidence; fails if it is not what was written.
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

    /// Returns the folder that the migration deletes, with everything in it.
    fn old_package(&self) -> Result<Tree> {
        let section = self.repository.config.migrate.as_ref();
        let section = self.repository.section(section, "migrate")?;
        self.repository.folder(&section.from)
    }

    /// Returns the part of the repository that engines may read.
    fn tree(&self) -> Result<Tree> {
        self.repository.part(&Scope::new(&["**/*"])?)
    }

    fn load(&self, id: &Digest) -> Result<Baseline> {
        baselines::part::load(&self.session.root, id)
    }

    /// Returns the paths at which the repository differs from `baseline`.
    fn changed(&self, baseline: &Baseline) -> Result<Vec<String>> {
        let differences = baselines::compare(baseline, &self.tree()?, &self.progress)?;
        let mut paths: Vec<String> = differences
            .into_iter()
            .map(|difference| difference.path.text())
            .collect();
        paths.dedup();
        Ok(paths)
    }

    /// Fails if the repository differs from `baseline`; `who` tells in the message what may have
    /// changed it.
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

/// Fails if another change of this repository has not ended.
fn refuse_second(session: &Session, place: &str) -> Result<()> {
    let changes = session.store.changes()?;
    let mut open = changes.iter().filter(|change| change.ended_ms.is_none());
    if let Some(other) = open.find(|change| change.repository == place) {
        bail!(
            "{}: is under way for this repository; 'coo pipeline status {}' shows its stage",
            other.id,
            other.id
        );
    }
    Ok(())
}

/// Returns the message about a migration with open questions.
fn open_questions(plan: &migrate::Plan) -> String {
    format!(
        "migration of {}: {} open; 'coo migrate plan' lists them, [migrate] in coo.toml answers them",
        plan.from,
        count(plan.questions(), "question")
    )
}

/// Returns a number with its noun, in the plural where needed.
fn count(number: usize, noun: &str) -> String {
    let end = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{end}")
}

/// Returns the folder of a change's evidence, relative to the state root.
#[must_use]
pub fn folder(id: ChangeId) -> String {
    format!("{}/{:06}", amend::CHANGES, id.number)
}

/// Returns the message about a change that does not exist.
pub fn not_found(id: impl std::fmt::Display) -> String {
    format!("Change '{id}' not found; 'coo pipeline list' names all.")
}

fn place(row: &ChangeRow) -> Result<PathBuf> {
    use std::os::unix::ffi::OsStringExt as _;
    Ok(std::ffi::OsString::from_vec(bytes_of(&row.repository)?).into())
}

/// Fails unless the configuration has every section that the route's stages need.
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

/// Returns the digest of everything in the machine and the environment that a change depends on.
fn environment(repository: &Repository) -> Result<Digest> {
    let tests = repository.config.tests.as_ref();
    let tests = tests.map(test_run::environment_sha256).transpose()?;
    Ok(Digest::of(canonical::to_string(&serde_json::json!({
        "machine": machine::environment_facts(),
        "tests": tests,
    }))?))
}
