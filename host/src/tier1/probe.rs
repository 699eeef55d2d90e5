//! A temporary state root, and missions of the probe in it: the bundled guest that writes what its
//! input says. Nothing here touches the user's own state root.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use coo_kernel::form::digest::Digest;
use coo_kernel::llm::models::Chosen;
use coo_kernel::mission::descriptor::Descriptor;
use serde_json::Value;

use crate::effects::llm::CachePolicy;
use crate::freeze::Purpose;
use crate::machine::temporary::TemporaryFolder;
use crate::mission::prepared::{Options, Reused};
use crate::mission::run;
use crate::mission::seal::Ended;
use crate::mission::source::{Source, Wasm};
use crate::program::bundle;
use crate::session::Session;
use crate::state::config::{Config, DEMO_MODEL};

/// The folder of the state root in the temporary folder, which holds nothing else.
const ROOT: &str = "root";

/// Returns the digest of the probe.
pub fn digest() -> Digest {
    Digest::of(bundle::PROBE.wasm)
}

/// Returns the mission of the probe with this descriptor. `name` is the name on record.
pub fn source(name: &str, descriptor: &Value) -> Result<Source> {
    Ok(Source {
        name: name.to_owned(),
        descriptor: Descriptor::parse(descriptor.to_string().as_bytes())
            .with_context(|| format!("descriptor {name}"))?,
        wasm: Wasm::Read(Bytes::from_static(bundle::PROBE.wasm)),
        module: digest(),
        script: None,
    })
}

/// Returns options under which no model is asked.
pub fn options() -> Options {
    Options {
        freshness: CachePolicy::Frozen,
        ..Options::default()
    }
}

/// A temporary state root with the default configuration.
pub struct Scratch {
    folder: TemporaryFolder,
}

impl Scratch {
    pub fn new() -> Result<Self> {
        let folder = TemporaryFolder::new("tier1")?;
        let scratch = Self { folder };
        scratch.open()?;
        Ok(scratch)
    }

    /// Returns the path of the state root.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join(ROOT)
    }

    /// Opens the state root as its only writer.
    pub fn open(&self) -> Result<Session> {
        Session::create(&self.path(), Purpose::Change, |_| {})
    }

    /// Runs a mission under `config`.
    pub fn run(&self, source: &Source, config: &Config) -> Result<Ended> {
        let session = self.open()?.configured(config.clone());
        // The model whose answers ship with coo, whatever the environment says.
        let reused = Reused {
            models: Some(Chosen {
                default: Some(DEMO_MODEL.to_owned()),
                ..Chosen::default()
            }),
            ..Reused::default()
        };
        let (_, ended) = run::run_again(session, source, options(), reused)?;
        Ok(ended)
    }

    /// Returns the names of everything beside the state root, where nothing may be.
    pub fn strays(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in self.folder.path().read_dir()? {
            let name = entry?.file_name().display().to_string();
            if name != ROOT {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }
}
