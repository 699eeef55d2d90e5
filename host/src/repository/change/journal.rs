//! The journal of one governed change in a state root, with its files of evidence. An event is
//! synced to disk before `append` returns, and a file of evidence is used only if its digest is
//! the recorded one. Looks at no repository and decides nothing.

use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow, bail};
use coo_engines::change::stage::{Event, Stage};
use coo_engines::change::{
    BegunBody, ChangeId, EvidenceBody, Fold, Kind, Log, Route, TransitionBody,
};
use coo_kernel::form::canonical;
use coo_kernel::form::digest::Digest;
use coo_kernel::state::manifest;
use serde::Serialize;

use super::{folder, not_found};
use crate::hint::Hint as _;
use crate::machine;
use crate::manifests;
use crate::session::Session;
use crate::state::reports;
use crate::state::store::{ChangeFacts, ChangeRow, Durability};

/// Largest file of evidence that is read again, in bytes.
const EVIDENCE_BYTES_MAX: u64 = 256 << 20;

/// The journal of a change; holds the state root's session.
pub struct Journal {
    pub session: Session,
    pub row: ChangeRow,
    log: Log,
    /// Secret values, which must not appear in any message or record.
    secrets: Vec<String>,
}

impl Journal {
    /// Begins the journal of a new change with this configuration; `row` still has no number.
    pub fn begin(
        mut session: Session,
        route: Route,
        row: ChangeRow,
        config_text: &str,
        protected: Vec<String>,
    ) -> Result<Self> {
        let text = session.store.put_blob(config_text.as_bytes())?;
        let id = session.store.create_change(route, &row)?;
        let mut journal = Self {
            secrets: manifests::secrets(&session.environment),
            session,
            row: ChangeRow { id, ..row },
            log: Log::default(),
        };
        journal.append(
            Kind::Begun,
            &BegunBody {
                config_sha256: text.sha256,
                coo_version: env!("CARGO_PKG_VERSION").to_owned(),
                protected,
                route,
            },
        )?;
        Ok(journal)
    }

    /// Opens the journal of a change, and verifies it.
    pub fn open(session: Session, id: ChangeId) -> Result<Self> {
        let row = session.store.change(id)?.ok_or_else(|| not_found(id))?;
        let log = session.store.walk_change(id, |_, _| Ok(()))?;
        Ok(Self {
            secrets: manifests::secrets(&session.environment),
            session,
            row,
            log,
        })
    }

    pub fn id(&self) -> ChangeId {
        self.row.id
    }

    /// Returns what the events so far say of the change.
    pub fn fold(&self) -> &Fold {
        &self.log.progress
    }

    /// Returns the current stage.
    pub fn stage(&self) -> Stage {
        // Every change here has begun, so there is a stage.
        self.fold().stage().unwrap_or(Stage::Init)
    }

    /// Returns the digest of the last event.
    pub fn head(&self) -> Digest {
        self.log.head()
    }

    /// Returns the first event's body.
    pub fn begun(&self) -> Result<&BegunBody> {
        self.fold().begun.as_ref().context("change: has no begin")
    }

    /// Appends an event, and syncs it to disk before anything else happens.
    pub fn append(&mut self, kind: Kind, body: &impl Serialize) -> Result<()> {
        let mut log = self.log.clone();
        let record = log.append(kind, canonical::to_string_sorted(body)?)?;
        let facts = ChangeFacts {
            at_ms: machine::now_unix_ms(),
            by: machine::user(),
        };
        let id = self.id();
        let store = &mut self.session.store;
        store.append_change(id, &record, &facts)?;
        store.commit(Durability::Power)?;
        self.log = log;
        Ok(())
    }

    /// Appends the transition that follows `event`; `why` is the reason of a failure.
    pub fn transition(&mut self, event: Event, why: Option<String>) -> Result<()> {
        let from = self.stage();
        let to = self.id().route.next(from, event)?;
        self.append(
            Kind::Transition,
            &TransitionBody {
                event,
                from,
                to,
                why,
            },
        )
    }

    /// Returns the folder of the change's evidence, relative to the state root.
    pub fn folder(&self) -> String {
        folder(self.id())
    }

    /// Returns the path of the folder with the evidence of the change.
    pub fn folder_path(&self) -> PathBuf {
        self.session.root.path().join(self.folder())
    }

    /// Returns the path of a file in that folder, relative to the state root.
    pub fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.folder())
    }

    /// Returns whether there is such a file or folder.
    pub fn has_file(&self, name: &str) -> bool {
        self.session.root.dir().exists(self.file(name))
    }

    /// Writes a file of evidence and records its digest.
    pub fn write_evidence(&mut self, name: &str, text: &str) -> Result<Digest> {
        let sha256 = Digest::of(text);
        self.write_file(name, text)?;
        if self.fold().evidence.get(name) != Some(&sha256) {
            let file = name.to_owned();
            self.append(Kind::Evidence, &EvidenceBody { file, sha256 })?;
        }
        Ok(sha256)
    }

    /// Reads a file of evidence; fails if it is not what was written.
    pub fn evidence(&self, name: &str) -> Result<String> {
        let text = self.read_bytes(name)?;
        if self.fold().evidence.get(name) != Some(&Digest::of(&text)) {
            bail!(
                anyhow!(
                    "file {}: was changed after it was written",
                    self.session.root.path().join(self.file(name)).display()
                )
                .hint("take it from a copy of the state root")
            );
        }
        Ok(String::from_utf8(text)?)
    }

    /// Reads a file of the change's folder that is not on record yet.
    pub fn read_file(&self, name: &str) -> Result<String> {
        Ok(String::from_utf8(self.read_bytes(name)?)?)
    }

    fn read_bytes(&self, name: &str) -> Result<Vec<u8>> {
        let root = &self.session.root;
        root.read_bounded(&self.file(name), EVIDENCE_BYTES_MAX)
    }

    /// Writes the tests' output to the change's folder, and returns its path. It contains times, so
    /// it is not evidence.
    pub fn write_output(&mut self, of: &str, output: &[u8]) -> Result<String> {
        let name = format!("tests_{of}.txt");
        let text = self.without_secrets(&String::from_utf8_lossy(output));
        self.write_file(&name, &text)?;
        Ok(self.file(&name))
    }

    fn write_file(&mut self, name: &str, text: &str) -> Result<()> {
        let path = self.file(name);
        let session = &mut self.session;
        reports::write(&session.root, &mut session.store, &path, text.as_bytes())
    }

    pub fn without_secrets(&self, message: &str) -> String {
        manifest::without(message, &self.secrets)
    }

    pub fn without_root(&self, message: String) -> String {
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
}
