//! G3: writes the documents through the gateway and asks a person. Both are missions of the probe on
//! the user's own state root, so journal, INDEX and decision are those of any mission. The decision
//! is read from the journal of the mission that asked, and nothing else stores it.

use anyhow::{Context as _, Result, anyhow, bail};
use coo_kernel::effects::artefact::Artefact;
use coo_kernel::form::digest::Digest;
use coo_kernel::journal::{DecisionBody, Kind};
use coo_kernel::mission::authority::{Authority, Call, Governance, Policy};
use coo_kernel::mission::descriptor::Descriptor;
use coo_kernel::mission::row::MissionRow;
use coo_kernel::mission::{MissionId, Status};
use coo_kernel::tier1::document::{self, Document};
use coo_kernel::tier1::readiness::{
    About, Asked, READINESS_TYPE, REPORT_TYPE, Standing, scope, standing,
};
use coo_kernel::tier1::{FOLDER, Stage1, attempts, completion, enhancement, subject, transitions};
use serde_json::Value;

use super::{Passed, installation, probe};
use crate::baselines::{self, Progress};
use crate::effects::gateway;
use crate::hint::Hint as _;
use crate::mission::approval::decide;
use crate::mission::prepared;
use crate::mission::resume::{Resumed, resume};
use crate::mission::run;
use crate::mission::seal::Ended;
use crate::session::Session;
use crate::state::history;
use crate::state::store::Store;

/// Names of the two missions on record. `coo run` records the name that a user gave, and takes no
/// name that ends in a slash; so no descriptor of a user can pass for one of these.
const REPORT_NAME: &str = "tier1/report/";
const READINESS_NAME: &str = "tier1/readiness/";

/// Fails if the operator's governance does not permit the documents.
pub fn ensure_writable(governance: &Governance) -> Result<()> {
    let path = Document::Completion.path(1);
    let value = attempts::writing(REPORT_TYPE, &probe::digest(), &[(&path, "")], &scope());
    let descriptor = Descriptor::parse(value.to_string().as_bytes())?;
    let authority = Authority::of(&descriptor, &Policy::current(governance.clone()));
    authority
        .may(Call::Write)
        .and_then(|()| {
            let mut all = Document::ALL.into_iter();
            all.try_for_each(|document| authority.may_write(&document.path(1)))
        })
        .context("tier1: the report can't be written")
        .hint(format!(
            "let 'governance' in config.json permit tier 3 and {FOLDER}/**"
        ))
}

/// The documents of one version, with their texts.
struct Documents {
    minor: u32,
    texts: [(Document, String); 3],
}

impl Documents {
    fn of(stage: &Stage1, commands: &[String], minor: u32) -> Result<Self> {
        let text = |document| -> Result<_> {
            let text = match document {
                Document::Completion => completion::markdown(stage, minor)?,
                Document::Determinism => completion::determinism(stage, &transitions::tried())?,
                Document::Enhancement => {
                    enhancement::markdown(&stage.installation, commands, minor)
                }
            };
            Ok((document, text))
        };
        let [one, two, three] = Document::ALL;
        Ok(Self {
            minor,
            texts: [text(one)?, text(two)?, text(three)?],
        })
    }

    fn artefacts(&self) -> Vec<Artefact> {
        self.texts
            .iter()
            .map(|(document, text)| document::artefact(*document, self.minor, text))
            .collect()
    }
}

/// Writes the documents, unless the last version has the same bytes, and asks a person, unless the
/// same report waits or is approved.
pub fn ask(session: Session, stage: Stage1, commands: &[String]) -> Result<Passed> {
    let record = session.store.artefacts()?;
    let last = document::last(&record);
    let there = (last > 0)
        .then(|| Documents::of(&stage, commands, last))
        .transpose()?
        .filter(|documents| document::are_on_record(&documents.artefacts(), &record));
    let is_new = there.is_none();
    let (mut session, documents) = if let Some(documents) = there {
        (session, documents)
    } else {
        let documents = Documents::of(&stage, commands, last + 1)?;
        (write(session, &documents)?, documents)
    };
    let artefacts = documents.artefacts();
    let (_, text) = &documents.texts[2];
    let about = About {
        installation: stage.installation.digest(),
        report: Document::Completion.path(documents.minor),
        report_sha256: Digest::of(text),
        state: stage.state,
    };
    let last = last_asked(&session.store)?;
    let stands = standing(
        last.as_ref().map(|(asked, _)| asked),
        &about.installation,
        &about.state,
        &session.store.artefacts()?,
    );
    let passed = |mission: MissionId, standing| Passed {
        stage,
        documents: artefacts,
        is_new,
        mission,
        standing,
    };
    if let (Some((asked, _)), Standing::Waiting | Standing::Approved) = (&last, stands)
        && asked.about == about
    {
        return Ok(passed(asked.mission, stands));
    }
    let descriptor = about.descriptor(&probe::digest(), text);
    let ended;
    (session, ended) = perform(session, READINESS_NAME, &descriptor)?;
    drop(session);
    if ended.status != Status::Paused {
        return Err(unexpected(ended).context("tier1: nobody can be asked"));
    }
    Ok(passed(ended.id, Standing::Waiting))
}

fn write(session: Session, documents: &Documents) -> Result<Session> {
    let named: Vec<(String, &str)> = documents
        .texts
        .iter()
        .map(|(document, text)| (document.path(documents.minor), text.as_str()))
        .collect();
    let files: Vec<(&str, &str)> = named
        .iter()
        .map(|(path, text)| (path.as_str(), *text))
        .collect();
    let descriptor = attempts::writing(REPORT_TYPE, &probe::digest(), &files, &scope());
    let (session, ended) = perform(session, REPORT_NAME, &descriptor)?;
    if ended.status != Status::Success {
        return Err(unexpected(ended).context("tier1: the report can't be written"));
    }
    Ok(session)
}

fn perform(session: Session, name: &str, descriptor: &Value) -> Result<(Session, Ended)> {
    let source = probe::source(name, descriptor)?;
    run::run(session, &source, probe::options())
}

fn unexpected(ended: Ended) -> anyhow::Error {
    let shown = format!("mission {}", ended.id);
    let error = match (ended.interrupted, ended.failure) {
        (Some(why), _) => why,
        (None, Some(failure)) => failure.into(),
        (None, None) => anyhow!("ended {}", ended.status),
    };
    let hint = format!(
        "'coo explain {}' shows where each limit comes from",
        ended.id
    );
    error.context(shown).hint(hint)
}

/// Returns the last mission that asked a person, with the reason that the person gave.
fn last_asked(store: &Store) -> Result<Option<(Asked, Option<String>)>> {
    let missions = store.missions()?;
    let is_one = |mission: &&MissionRow| {
        mission.mission_type == READINESS_TYPE && mission.name == READINESS_NAME
    };
    let Some(mission) = missions
        .iter()
        .filter(is_one)
        .max_by_key(|it| it.id.number())
    else {
        return Ok(None);
    };
    let shown = || format!("mission {}", mission.id);
    let descriptor = Descriptor::parse(&store.blob(&mission.descriptor)?).with_context(shown)?;
    let about = About::of(&descriptor.environment)
        .context("does not say what it is about")
        .with_context(shown)?;
    let mut decision: Option<DecisionBody> = None;
    let (progress, _) = history::walk(store, mission.id, |event| {
        if event.kind == Kind::HumanDecision {
            decision = Some(serde_json::from_str(&event.body)?);
        }
        Ok(())
    })?;
    let asked = Asked {
        about,
        mission: mission.id,
        state: progress.state(),
        decided: decision.as_ref().map(|decision| decision.approved),
    };
    Ok(Some((asked, decision.and_then(|decision| decision.reason))))
}

/// Where the decision stands, for the state and installation of this moment.
#[derive(Debug)]
pub struct Now {
    /// The last mission that asked.
    pub asked: Option<Asked>,
    /// Digest of the installation.
    pub installation: Digest,
    /// What the person said to the decision.
    pub reason: Option<String>,
    pub standing: Standing,
    /// Digest of the state.
    pub state: Digest,
}

impl Now {
    /// Reads the present state and the last decision.
    pub fn of(session: &Session, progress: &Progress<'_>) -> Result<Self> {
        let installation = installation()?.digest();
        let state = baselines::subject(&session.root, &session.store, progress)?;
        let record = session.store.artefacts()?;
        let (asked, reason) = match last_asked(&session.store)? {
            Some((asked, reason)) => (Some(asked), reason),
            None => (None, None),
        };
        Ok(Self {
            standing: standing(asked.as_ref(), &installation, &state, &record),
            asked,
            installation,
            reason,
            state,
        })
    }

    /// Returns the mission that waits for a person; fails if none does, or if a document was
    /// changed.
    pub fn waiting(&self, session: &Session) -> Result<MissionRow> {
        let refused = |why: &str, hint: &str| Err(anyhow!("tier1: {why}")).hint(hint.to_owned());
        let again = "'coo tier1 run' judges the present state";
        let Some(asked) = &self.asked else {
            return refused("no report waits for a decision", again);
        };
        match self.standing {
            Standing::Waiting => {}
            Standing::NotRun => return refused("no report waits for a decision", again),
            Standing::Approved => {
                return refused(
                    "readiness is approved already",
                    "'coo tier1 status' shows it",
                );
            }
            Standing::Rejected => return refused("readiness was rejected", again),
            Standing::OutOfDate => {
                let why = format!(
                    "{} is out of date: the state, the installation or the report has changed since",
                    asked.about.report
                );
                return refused(&why, again);
            }
            Standing::Interrupted => {
                let hint = format!("'coo resume {}' continues it", asked.mission);
                return refused("the mission that asks was interrupted", &hint);
            }
        }
        let drifts = gateway::check(&session.root, &session.store)?;
        if let Some(drift) = drifts.iter().find(|drift| subject::is_below(drift.path())) {
            let why = format!("document {}: does not match its record", drift.path());
            return refused(&why, "'coo artefacts check --repair' restores it");
        }
        let mission = session.store.mission(asked.mission)?;
        mission.context("tier1: the mission that asks is gone")
    }
}

/// Records a person's approval and ends the mission that asked.
pub fn approve(mut session: Session, mission: &MissionRow, reason: Option<String>) -> Result<()> {
    decide(&mut session.store, mission, true, reason)?;
    let id = mission.id;
    let hint = format!("'coo resume {id}' continues it");
    let resumed = resume(session, mission, prepared::Options::default(), false);
    match resumed.with_context(|| format!("mission {id}: is approved, but not continued"))? {
        Resumed::Run(_, ended) if ended.status == Status::Success => Ok(()),
        Resumed::Run(_, ended) => Err(unexpected(*ended)),
        Resumed::Ended(_) | Resumed::InDoubt(_) => {
            bail!(anyhow!("mission {id}: is approved, but can't be continued now").hint(hint))
        }
    }
}

/// Records a person's rejection, which ends the mission that asked.
pub fn reject(session: &mut Session, mission: &MissionRow, reason: Option<String>) -> Result<()> {
    decide(&mut session.store, mission, false, reason)?;
    Ok(())
}
