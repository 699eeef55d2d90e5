//! A run in a state root of its own, which is thrown away: no earlier mission has left anything there,
//! and nothing of the run stays but what its models answered, because it was paid for. A run that did
//! not succeed leaves its state root to the user, and so does one that a signal ends.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::effects::llm::CachePolicy;
use crate::freeze::Purpose;
use crate::machine::temporary::TemporaryFolder;
use crate::session::{Held, Session};
use crate::state::config::Config;
use crate::state::state_root::StateRoot;
use crate::state::store::{Durability, FrozenCall};

/// The folder in the temporary one that is the state root.
const NAME: &str = ".coo";

/// A state root for one run.
pub struct Fresh {
    folder: TemporaryFolder,
    /// The answers that the run begins with.
    answers: Vec<FrozenCall>,
    freshness: CachePolicy,
}

impl Fresh {
    /// Makes a state root with the configuration and the frozen answers of the user's root at `path`.
    /// Unless the run takes frozen answers alone, that root is created if it is missing, and must be
    /// one that new answers can be written to: that is found out before anything is paid for.
    pub fn beside(path: &Path, freshness: CachePolicy, say: fn(&str)) -> Result<Self> {
        let session = match freshness {
            CachePolicy::Frozen => Session::open(path, Purpose::Read, say)?,
            _ => Some(Session::create(path, Purpose::Change, say)?),
        };
        let (config, answers) = match &session {
            Some(session) => (session.config()?.clone(), session.store.frozen_calls()?),
            None => (Config::fresh(), Vec::new()),
        };
        // Others may use the user's root while this run is at work.
        drop(session);
        let folder = TemporaryFolder::new("fresh")?;
        folder.keep_if_killed()?;
        let fresh = Self {
            folder,
            answers,
            freshness,
        };
        let own = StateRoot::open_or_create(&fresh.root())?;
        own.settle()?;
        own.configure(&config)?;
        Ok(fresh)
    }

    /// Returns the path of the state root.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.folder.path().join(NAME)
    }

    /// Opens the state root for the run.
    pub fn session(&self) -> Result<Session> {
        let mut session = Session::create(&self.root(), Purpose::Change, |_| {})?;
        for call in &self.answers {
            session.store.freeze(call)?;
        }
        session.store.commit(Durability::Process)?;
        Ok(session)
    }

    /// Freezes in the user's root at `path` what models answered in this run. Returns how many answers
    /// that are.
    pub fn give_back(&self, path: &Path, say: fn(&str)) -> Result<usize> {
        if self.freshness == CachePolicy::Frozen {
            return Ok(0);
        }
        let own = Session::open(&self.root(), Purpose::Read, |_| {})?;
        let own = own.context("state root of the run: gone after it")?;
        let mut new = own.store.frozen_calls()?;
        new.retain(|call| !self.answers.contains(call));
        if new.is_empty() {
            return Ok(0);
        }
        let mut held = Held::take(path, Purpose::Change, say)?;
        let mut count = 0;
        for call in &new {
            // Another run may have had an answer in the meantime, which only a live run replaces.
            let is_wanted = self.freshness == CachePolicy::Live
                || held.store.frozen(&call.request_sha256, call.nth)?.is_none();
            if is_wanted {
                held.store.freeze(call)?;
                count += 1;
            }
        }
        held.store.commit(Durability::Power)?;
        Ok(count)
    }

    /// Leaves the state root to the user, and returns its path.
    pub fn keep(self) -> Result<PathBuf> {
        Ok(self.folder.keep()?.join(NAME))
    }
}
