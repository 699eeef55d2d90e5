//! Drives a governed change of a repository from stage to stage (design, "Repository pipeline").
//! What a stage has done is recorded before the next stage begins, so that another process can
//! continue if this one dies. The kernel (`coo-engines`) decides what comes next and what may be
//! recorded.
//!
//! Invariants: a change keeps the configuration that it began with. A stage fails if it finds the
//! repository in another state than recorded. A matter that cannot be decided becomes a question
//! and is never skipped.

mod amendments;
mod bundle;
mod freezing;
mod gating;
mod journal;
mod migration;
mod rollback;
mod specification;
mod stages;
mod worktree;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use coo_engines::change::stage::{Event, Stage};
use coo_engines::change::{
    Action, BaselineBody, ChangeId, DecisionBody, Kind, Route, Which, rejection,
};
use coo_engines::migrate::Planned;
use coo_kernel::baseline::{Node, bytes_of, text_of};
use coo_kernel::form::canonical;
use coo_kernel::form::digest::Digest;
use coo_kernel::form::plain::count;

use super::{FILE_BYTES_MAX, Repository, amend, migrate, test_run};
use crate::baselines::{self, Baseline, Progress};
use crate::freeze::Purpose;
use crate::hint::{self, Hint as _};
use crate::machine;
use crate::manifests;
use crate::session::Session;
use crate::state::store::ChangeRow;
use journal::Journal;
use worktree::Worktree;

pub use bundle::Bundled;

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

/// A change that this process drives.
pub struct Change<'a> {
    pub repository: Repository,
    pub journal: Journal,
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
    /// Begins a change of the repository at `path`, recorded in the state root at `root`. `permit` asks
    /// a person about the files of a stand-alone migration, which has no review, and returns those
    /// that are protected.
    pub fn begin(
        root: &Path,
        route: Route,
        path: &Path,
        config: Option<&Path>,
        permit: &dyn Fn(&[Planned]) -> Result<Vec<String>>,
        watcher: &Watcher<'a>,
    ) -> Result<Self> {
        let repository = Repository::open(path, config, root)?;
        check_sections(&repository, route)?;
        let mut protected = Vec::new();
        if route == Route::Migration {
            let plan = migrate::plan(&repository)?;
            if plan.questions() > 0 {
                bail!(open_questions(&plan));
            }
            protected = permit(&plan.files)?;
        }
        let place = text_of(repository.tree.path.as_os_str().as_encoded_bytes());
        if let Some(session) = Session::open(root, Purpose::Read, watcher.says)? {
            refuse_second(&session, &place)?;
        }
        let session = Session::create(root, Purpose::Change, watcher.says)?;
        refuse_second(&session, &place)?;
        // Also in a root of an earlier build: a review must not show the record of the change.
        session.root.ignore()?;
        if route == Route::Migration {
            // Packet §3: before any migration. A full change writes them when it freezes.
            manifests::write(&session.root, session.config()?, &session.environment)?;
        }
        let row = ChangeRow {
            id: ChangeId { number: 0, route },
            repository: place,
            config: config.map(|path| path.display().to_string()),
            environment_sha256: environment(&repository)?,
            created_ms: machine::now_unix_ms(),
            ended_ms: None,
        };
        let journal = Journal::begin(session, route, row, &repository.config_text, protected)?;
        Ok(Self::of(repository, journal, watcher))
    }

    /// Opens a change at the point that its record has reached.
    pub fn open(root: &Path, id: ChangeId, watcher: &Watcher<'a>) -> Result<Self> {
        let session =
            Session::open(root, Purpose::Keep, watcher.says)?.ok_or_else(|| not_found(id))?;
        let journal = Journal::open(session, id)?;
        let config = journal.begun()?.config_sha256;
        let text = journal.session.store.blob(&config)?;
        let repository = Repository::recorded(&place(&journal.row)?, &text, root)?;
        Ok(Self::of(repository, journal, watcher))
    }

    fn of(repository: Repository, journal: Journal, watcher: &Watcher<'a>) -> Self {
        Self {
            repository,
            journal,
            says: watcher.says,
            progress: Progress::new(watcher.progress),
        }
    }

    /// Records a person's answer to the review that the change waits for.
    pub fn decide(&mut self, approved: bool, why: Option<String>) -> Result<()> {
        let journal = &mut self.journal;
        if journal.fold().next_action() != Action::AwaitReview {
            bail!(
                anyhow!(
                    "{}: is not waiting for a review, it is in {}",
                    journal.id(),
                    journal.stage()
                )
                .hint(format!("'coo pipeline status {}' shows more", journal.id()))
            );
        }
        if approved {
            self.check_before_approval()?;
        }
        let body = DecisionBody { approved, why };
        self.journal.append(Kind::Decision, &body)
    }

    /// Reports problems that would stop the change right after an approval, before the approval is
    /// recorded.
    fn check_before_approval(&self) -> Result<()> {
        self.check_environment()?;
        match self.journal.stage() {
            Stage::CeoReview => freezing::check_before(&self.journal.session),
            _ => Ok(()),
        }
    }

    /// Gives the change up: rejects the review that it waits for, or fails it at any other stage.
    /// Then rolls back, once a person has confirmed. Works in any environment, also a changed one.
    pub fn give_up(&mut self, why: Option<String>, ask: &dyn Fn() -> Vec<u8>) -> Result<Standing> {
        let failure = self.portable(&rejection(why.as_deref()));
        match self.journal.fold().next_action() {
            Action::End => bail!(
                anyhow!(
                    "{}: has ended in {}",
                    self.journal.id(),
                    self.journal.stage()
                )
                .hint(format!(
                    "'coo pipeline status {}' shows how",
                    self.journal.id()
                ))
            ),
            Action::AwaitReview => {
                self.decide(false, why)?;
                self.journal.transition(Event::Failed, Some(failure))?;
            }
            Action::Work { .. } => self.journal.transition(Event::Failed, Some(failure))?,
            Action::Retreat => {}
        }
        self.go(ask)
    }

    /// Continues until the change waits for a person or has ended. `ask` asks the person to confirm
    /// a rollback.
    pub fn go(&mut self, ask: &dyn Fn() -> Vec<u8>) -> Result<Standing> {
        loop {
            match self.journal.fold().next_action() {
                Action::End => return Ok(Standing::Over),
                Action::AwaitReview => return Ok(Standing::Review),
                Action::Retreat => {
                    if !rollback::recede(self, false, ask)? {
                        return Ok(Standing::Rollback);
                    }
                }
                Action::Work { stage, is_rejected } => {
                    if !is_rejected {
                        self.check_environment()?;
                    }
                    (self.says)(&format!("{} {stage}", self.journal.id()));
                    match stages::pass(self, stage) {
                        Ok(event) => self.journal.transition(event, None)?,
                        Err(error) => self.fail(&error)?,
                    }
                }
            }
        }
    }

    /// Requests the rollback again, for a person, and ends the change.
    pub fn roll_back(&mut self, ask: &dyn Fn() -> Vec<u8>) -> Result<Standing> {
        if self.journal.fold().next_action() != Action::Retreat {
            bail!(
                anyhow!(
                    "{}: is in {} and has nothing to roll back",
                    self.journal.id(),
                    self.journal.stage()
                )
                .hint(
                    "a change rolls back when it has failed, and 'coo pipeline reject' \
                     ends one that waits for a review"
                )
            );
        }
        rollback::recede(self, true, ask)?;
        Ok(Standing::Over)
    }

    /// Writes the bundle of a change that has ended to `path`.
    pub fn bundle(&self, path: &Path) -> Result<Bundled> {
        bundle::write(self, path)
    }

    /// Fails if the environment is not the one that the change began with: system, locale, and
    /// variables of the tests (packet §15).
    fn check_environment(&self) -> Result<()> {
        if environment(&self.repository)? != self.journal.row.environment_sha256 {
            bail!(
                anyhow!(
                    "{}: the environment differs from the one it began with (system, \
                     locale, or a variable that [tests] inherits)",
                    self.journal.id()
                )
                .hint(format!(
                    "continue where that environment is, or 'coo pipeline reject {}' \
                     abandons it and rolls back",
                    self.journal.id()
                ))
            );
        }
        Ok(())
    }

    fn fail(&mut self, error: &anyhow::Error) -> Result<()> {
        let said = self.journal.without_secrets(&hint::flat(error));
        let (id, stage) = (self.journal.id(), self.journal.stage());
        (self.says)(&format!("{id} {stage}: {said}"));
        let why = self.portable(&said);
        self.journal
            .transition(Event::Failed, Some(why))
            .with_context(|| format!("{said}; and that can't be written down"))
    }

    /// Returns a message in a form that may be recorded and is the same everywhere: without the
    /// paths of the repository and the state root, and without secrets.
    fn portable(&self, message: &str) -> String {
        let message = self.journal.without_secrets(message);
        self.journal
            .without_root(self.repository.portable(&message))
    }

    fn worktree(&self) -> Worktree<'_> {
        Worktree {
            repository: &self.repository,
            root: &self.journal.session.root,
            progress: &self.progress,
        }
    }
}

/// Returns the event body of a captured baseline, without what only one of the two has.
fn baseline_body(baseline: Which, kept: &Baseline) -> BaselineBody {
    let summary = kept.manifest.summary();
    BaselineBody {
        baseline,
        bytes: summary.bytes,
        excluded_sha256: None,
        files: summary.files,
        manifest_sha256: kept.id,
        state: None,
    }
}

/// Returns the name of the file of evidence with a snapshot.
fn snapshot_file(number: u8) -> String {
    format!("snapshot_{number}.json")
}

/// Fails if another change of this repository has not ended.
fn refuse_second(session: &Session, place: &str) -> Result<()> {
    let changes = session.store.changes()?;
    let mut open = changes.iter().filter(|change| change.ended_ms.is_none());
    if let Some(other) = open.find(|change| change.repository == place) {
        bail!(
            anyhow!("{}: is under way for this repository", other.id).hint(format!(
                "'coo pipeline status {}' shows its stage",
                other.id
            ))
        );
    }
    Ok(())
}

/// Returns the error for a migration with open questions.
fn open_questions(plan: &migrate::Plan) -> anyhow::Error {
    anyhow!(
        "migration of {}: {} open",
        plan.from,
        count(plan.questions(), "question")
    )
    .hint("'coo migrate plan' lists them, [migrate] in coo.toml answers them")
}

/// Returns the folder of a change's evidence, relative to the state root.
#[must_use]
pub fn folder(id: ChangeId) -> String {
    format!("{}/{:06}", amend::CHANGES, id.number)
}

/// Returns the error for a change that does not exist.
pub fn not_found(id: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("Change '{id}' not found.").hint("'coo pipeline list' lists all changes")
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

/// Returns the wanted files of `baseline`, by path.
fn files_of(
    change: &Change<'_>,
    baseline: &Baseline,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<BTreeMap<String, Vec<u8>>> {
    let entries = baseline.manifest.entries().iter();
    let files = entries.filter(|entry| matches!(entry.node, Node::File { .. }));
    let paths = files.map(|entry| entry.path.text());
    let paths = paths.filter(|path| is_wanted(path));
    let root = &change.journal.session.root;
    baselines::part::contents(root, baseline, paths, FILE_BYTES_MAX)
}
