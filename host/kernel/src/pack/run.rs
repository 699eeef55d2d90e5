//! A whole run in memory: its row, its journal, its contents and its module. `neutral` removes
//! what holds for one machine or moment, so that the same run is the same bytes everywhere. Reads
//! no files.

use std::collections::{BTreeMap, BTreeSet};

use super::PackError;
use crate::form::digest::Digest;
use crate::journal::run_file::{self, Header, Part};
use crate::journal::{
    Answers, Blob, Chain, ContentError, EventFacts, Fold, IntentBody, Kind, Record,
    StepReturnedBody,
};
use crate::mission::MissionId;
use crate::mission::row::{Facts, MissionRow};
use crate::mission::state::State;

/// The model in a pack of a run whose requests were refused before any was made: its name is in
/// no event, so nobody could check it.
const UNNAMED_MODEL: &str = "-";
/// Where the answers of a pack are from, beside the chain.
const FROZEN: &str = "frozen";

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub mission: MissionRow,
    pub events: Vec<Record>,
    /// By digest, which `parse` and the gathering host have checked.
    pub contents: BTreeMap<Digest, Vec<u8>>,
    pub module: Vec<u8>,
}

/// What a journal states as a whole.
#[derive(Debug, Clone)]
pub struct Read {
    pub answers: Answers,
    pub chain: Chain,
    pub fold: Fold,
}

impl Run {
    /// Reads an exported run that is in memory.
    pub fn parse(file: &[u8]) -> Result<Self, PackError> {
        let (mission, parts) = run_file::parse(file)?;
        let mut run = Self {
            mission,
            events: Vec::new(),
            contents: BTreeMap::new(),
            module: Vec::new(),
        };
        for part in parts {
            match part {
                Part::Event(record, _) => run.events.push(record),
                Part::Content(content) => drop(run.contents.insert(Digest::of(&content), content)),
                Part::Module(module) => run.module = module,
            }
        }
        Ok(run)
    }

    /// Verifies the chain and folds the journal. Fails if the run has no end.
    pub fn read(&self) -> Result<Read, PackError> {
        let mut read = Read {
            answers: Answers::default(),
            chain: Chain::default(),
            fold: Fold::default(),
        };
        for record in &self.events {
            read.chain.verify(record)?;
            read.fold.apply(record)?;
            read.answers.take(record, &mut |sha256| self.kept(sha256))?;
        }
        let id = self.mission.id;
        if !read.fold.state().is_some_and(State::is_final) {
            return Err(PackError::NoEnd(id));
        }
        if id != MissionId::new(id.number(), &self.mission.mission_type) {
            let mission_type = self.mission.mission_type.clone();
            return Err(PackError::Id { id, mission_type });
        }
        if Digest::of(&self.module) != self.mission.module {
            return Err(PackError::Module(id));
        }
        let facts = &self.mission.facts;
        if facts.engine_sha256 != Some(Digest::of(&facts.engine)) {
            return Err(PackError::Engine(id));
        }
        Ok(read)
    }

    /// Returns the run without what holds for one machine or moment: times, processes, servers,
    /// what was typed. It is mission `id`.
    pub fn neutral(mut self, id: MissionId) -> Result<Self, PackError> {
        let model = self.model()?;
        let row = self.mission;
        self.mission = MissionRow {
            id,
            mission_type: row.mission_type,
            name: id.to_string(),
            descriptor: row.descriptor,
            module: row.module,
            created_ms: 0,
            finished_ms: Some(0),
            interrupted: None,
            facts: Facts {
                engine: row.facts.engine,
                engine_sha256: row.facts.engine_sha256,
                fuel: row.facts.fuel,
                memory_peak_bytes: row.facts.memory_peak_bytes,
                model,
                models: row.facts.models,
                used: row.facts.used,
                ..Facts::default()
            },
        };
        Ok(self)
    }

    /// Returns the model that the journal names, if the run asked one.
    fn model(&self) -> Result<Option<String>, PackError> {
        let mut refused = None;
        for record in &self.events {
            match record.kind {
                Kind::LlmIntent => {
                    let body = |source| PackError::Body {
                        seq: record.seq,
                        source,
                    };
                    let intent: IntentBody = serde_json::from_str(&record.body).map_err(body)?;
                    return Ok(Some(intent.request.model));
                }
                Kind::LlmRefused => refused = Some(UNNAMED_MODEL.to_owned()),
                _ => {}
            }
        }
        Ok(refused)
    }

    /// Returns the bytes of the exported run. `Self` must be neutral.
    pub fn to_file(&self) -> Result<Vec<u8>, PackError> {
        let mut named = BTreeSet::from([self.mission.descriptor]);
        for record in &self.events {
            let blobs = run_file::contents_of(record).map_err(|source| PackError::Body {
                seq: record.seq,
                source,
            })?;
            named.extend(blobs.iter().map(|blob| blob.sha256));
        }
        let contents: Vec<&[u8]> = named
            .iter()
            .map(|sha256| self.content(sha256))
            .collect::<Result<_, _>>()?;
        let header = Header {
            contents: contents.iter().map(|content| Blob::of(content)).collect(),
            events: self.events.len() as u64,
            mission: self.mission.clone(),
            module: Blob::of(&self.module),
            without_module: false,
        };
        let mut rest = run_file::header_line(&header)?.into_bytes();
        for record in &self.events {
            let facts = (record.kind == Kind::LlmOutcome).then(|| EventFacts {
                at_ms: 0,
                source: Some(FROZEN.to_owned()),
                provenance: None,
            });
            rest.extend(run_file::event_line(record, facts)?.into_bytes());
        }
        for content in contents {
            rest.extend_from_slice(content);
        }
        rest.extend_from_slice(&self.module);
        let first = run_file::first_line(Digest::of(&rest));
        Ok([first.as_bytes(), &rest].concat())
    }

    /// Returns a content that the journal names.
    pub fn content(&self, sha256: &Digest) -> Result<&[u8], PackError> {
        let content = self.contents.get(sha256).map(Vec::as_slice);
        content.ok_or(PackError::Content(*sha256))
    }

    /// Returns a content as readers of the journal ask for it.
    pub(super) fn kept(&self, sha256: &Digest) -> Result<Vec<u8>, ContentError> {
        Ok(self.content(sha256)?.to_vec())
    }

    /// Returns the output of the last step, or its standard output if it failed.
    pub fn output(&self) -> Result<Option<Blob>, PackError> {
        let last = self.events.iter().rev();
        let last = last
            .filter(|record| record.kind == Kind::StepReturned)
            .map(|record| (record.seq, &record.body))
            .next();
        let Some((seq, body)) = last else {
            return Ok(None);
        };
        let body: StepReturnedBody =
            serde_json::from_str(body).map_err(|source| PackError::Body { seq, source })?;
        Ok(Some(body.output.unwrap_or(body.stdout)))
    }
}
