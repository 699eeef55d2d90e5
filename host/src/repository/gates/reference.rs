//! Runs the missions of gates B and F: each in a fresh, temporary state root, with frozen answers
//! only. Every run must give the same result as the first.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use coo_engines::gate::Evidence;
use coo_engines::gate::evidence::{Artefacts, Repeated};
use coo_kernel::form::canonical;
use coo_kernel::form::digest::Digest;
use coo_kernel::journal::Kind;
use coo_kernel::llm::models::Chosen;
use coo_kernel::mission::Status;
use coo_kernel::mission::row::MissionRow;
use serde_json::{Value, json};

use super::Gates;
use crate::effects::llm::CachePolicy;
use crate::freeze::Purpose;
use crate::hint::{self, Hint as _};
use crate::machine::temporary::TemporaryFolder;
use crate::mission::prepared::{Options, Reused};
use crate::mission::replay;
use crate::mission::run;
use crate::mission::source::Source;
use crate::mission::verify::{Subject, verify};
use crate::program::bundle;
use crate::session::Session;
use crate::state::history;
use crate::state::state_root::StateRoot;
use crate::state::store::Durability;

/// How often gate B runs a mission.
const INVOCATIONS: u32 = 2;

/// The result of gate F.
#[derive(Debug)]
pub struct Replayed {
    pub evidence: Evidence,
    pub artefacts: Artefacts,
    /// What was compared, in normal form: name, first text and second text.
    pub normalized: Vec<(&'static str, String, String)>,
}

/// The result of the reference mission, run twice and replayed.
pub struct Reference {
    /// `mission_output.json` of each run.
    pub outputs: [String; 2],
    /// Logs of the first run.
    pub artefacts: Artefacts,
    pub findings: Vec<String>,
    pub found: Value,
}

impl Gates<'_> {
    /// Evaluates gate B.
    pub(super) fn same_twice(&self) -> Result<Evidence> {
        let configured = &self.repository.config.gates.missions;
        let names: Vec<&str> = if configured.is_empty() {
            bundle::MISSIONS.iter().map(|(name, _)| *name).collect()
        } else {
            configured.iter().map(String::as_str).collect()
        };
        let mut findings = Vec::new();
        let mut found = Vec::new();
        for name in names {
            let subject = Subject {
                name: name.to_owned(),
                source: self.source(name, configured.is_empty())?,
                reused: self.reused(),
                answers: self.answers.to_vec(),
                recorded: None,
            };
            let folder = self.fresh_root()?;
            let session = Session::create(&folder.path().join("root"), Purpose::Change, |_| {})?;
            let report = verify(session, &subject, INVOCATIONS, options(), |_| {})
                .with_context(|| format!("mission {name}"))?;
            let repeated = Repeated {
                mission: name,
                module_sha256: report.module,
                identical: report.identical,
                runs: &report.runs,
                differences: &report.differences,
            };
            findings.extend(repeated.findings());
            found.push(repeated.found());
        }
        findings.dedup();
        Ok(Evidence {
            findings,
            found: json!({ "invocations": INVOCATIONS, "missions": found }),
        })
    }

    /// Runs the reference mission twice and replays it.
    pub(super) fn reference(&self) -> Result<Reference> {
        let named = self.repository.config.gates.reference.as_deref();
        let name = named.unwrap_or(bundle::REFERENCE);
        let source = self.source(name, named.is_none())?;
        let shown = || format!("reference mission {name}");
        let first = self.run(&source).with_context(shown)?;
        let second = self.run(&source).with_context(shown)?;
        let mut findings = Vec::new();
        if first.status != Status::Success {
            let why = first.why.as_deref().unwrap_or("no reason given");
            findings.push(format!("{}: ended {}: {why}", shown(), first.status));
        }
        if !first.replay_identical {
            findings.push(format!("{}: its replay differs", shown()));
        }
        let found = json!({
            "chain_head": first.chain_head,
            "mission": name,
            "module_sha256": source.module,
            "replay_identical": first.replay_identical,
        });
        Ok(Reference {
            outputs: [first.output, second.output],
            artefacts: Artefacts::from([
                ("db_transactions.jsonl", first.db_log),
                ("mission_log.jsonl", first.log),
            ]),
            findings,
            found,
        })
    }

    /// Returns the operator's model; the environment of this process has no influence.
    fn reused(&self) -> Reused {
        Reused {
            models: Some(Chosen {
                default: self.config.llm.default_model.clone(),
                ..Chosen::default()
            }),
            ..Reused::default()
        }
    }

    fn source(&self, name: &str, is_bundled: bool) -> Result<Source> {
        if is_bundled {
            return Source::bundled(name);
        }
        let mut source = Source::descriptor_file(&self.repository.tree.path.join(name))?;
        // The name as configured, since the repository's path must not enter the evidence.
        name.clone_into(&mut source.name);
        Ok(source)
    }

    fn fresh_root(&self) -> Result<TemporaryFolder> {
        let folder = TemporaryFolder::new("gates")?;
        let root = StateRoot::open_or_create(&folder.path().join("root"))?;
        root.settle()?;
        root.configure(self.config)?;
        Ok(folder)
    }

    fn run(&self, source: &Source) -> Result<Run> {
        let folder = self.fresh_root()?;
        let root = folder.path().join("root");
        let mut session = Session::create(&root, Purpose::Change, |_| {})?;
        for call in self.answers {
            session.store.freeze(call)?;
        }
        session.store.commit(Durability::Process)?;
        let (session, ended) = run::run_again(session, source, options(), self.reused())?;
        if let Some(question) = ended.question {
            bail!(anyhow!("waits for a person at step '{}'", question.step).hint("name another"));
        }
        if let Some(why) = ended.interrupted {
            return Err(why.context("was interrupted (answers come from the frozen store alone)"));
        }
        drop(session);
        let reading = |root: &Path| -> Result<(Session, MissionRow)> {
            let session =
                Session::open(root, Purpose::Read, |_| {})?.context("its root is gone")?;
            let mission = session.store.mission(ended.id)?.context("it is gone")?;
            Ok((session, mission))
        };
        let (session, mission) = reading(&root)?;
        let (log, db_log) = logs(&session, &mission)?;
        let replayed = replay::replay(session, &mission, options().wall_clock_max)?;
        let output: Value = serde_json::from_slice(&ended.output)
            .or_else(|_| String::from_utf8(ended.output.clone()).map(Value::from))
            .unwrap_or_default();
        let text = canonical::to_string(&json!({
            "mission": source.name,
            "module_sha256": source.module,
            "output": output,
            "status": ended.status,
        }))?;
        Ok(Run {
            status: ended.status,
            why: (ended.failure).map(|failure| hint::joined(&failure, failure.hint())),
            chain_head: ended.chain_head,
            output: text,
            log,
            db_log,
            replay_identical: replayed.is_identical(),
        })
    }
}

struct Run {
    status: Status,
    why: Option<String>,
    chain_head: Digest,
    output: String,
    log: String,
    db_log: String,
    replay_identical: bool,
}

fn options() -> Options {
    Options {
        freshness: CachePolicy::Frozen,
        ..Options::default()
    }
}

/// Returns all events of a mission, and the events of its database: one line each, without anything
/// that depends on the machine.
fn logs(session: &Session, mission: &MissionRow) -> Result<(String, String)> {
    let (mut all, mut database) = (String::new(), String::new());
    history::walk(&session.store, mission.id, |record| {
        let body: Value = serde_json::from_str(&record.body)?;
        let line = canonical::to_string(&json!({
            "body": body,
            "kind": record.kind.name(),
            "sequence_id": record.seq,
            "state": record.state,
        }))?;
        // Writing to a string cannot fail.
        let _ = writeln!(all, "{line}");
        if matches!(
            record.kind,
            Kind::DbQuery | Kind::DbExecute | Kind::DbReturning
        ) {
            let _ = writeln!(database, "{line}");
        }
        Ok(())
    })?;
    Ok((all, database))
}
