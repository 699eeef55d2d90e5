//! The code of modules, compiled and linked once for all missions of a process that run it. Takes compiled
//! code from the user's cache, and puts it there. Runs no guest code.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use coo_kernel::form::digest::Digest;

use crate::effects::secrets;
use crate::mission::source::Source;
use crate::program::code::Code;
use crate::program::code_cache::{self, CodeCache};
use crate::program::compiler::{self, Build};
use crate::program::engine::{self, Layout, Sandbox};
use crate::runtime::sandbox::Linked;

/// Code that is ready to be instantiated.
#[derive(Clone)]
pub struct Ready {
    pub sandbox: Sandbox,
    pub code: Arc<Linked>,
    /// SHA-256 of the interfaces that it imports.
    pub surface: Digest,
    /// Whether it can ask a language model.
    pub asks_model: bool,
}

/// Module, settings of its engine, and whether memories are digested.
type Key = (Digest, String, bool);

/// The code that this process has linked.
#[derive(Default)]
pub struct Workshop(Mutex<BTreeMap<Key, Ready>>);

impl Workshop {
    /// Returns the linked code of a mission's module; compiles it if nobody has. Refuses a module that
    /// holds the key.
    pub fn linked(
        &self,
        source: &Source,
        wall_clock_max: Duration,
        digest_memory: bool,
    ) -> Result<Ready> {
        let settings = format!("{:?}", source.descriptor.engine);
        let key = (source.module, settings, digest_memory);
        // Held while the code is made: the next mission wants the same.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ready) = known.get(&key) {
            return Ok(ready.clone());
        }
        let shown = || format!("module {}", source.name);
        if let Some(wasm) = source.wasm.foreign() {
            secrets::refuse_in(&shown(), wasm)?;
        }
        let layout = Layout::of_process();
        let sandbox = engine::build_for(source.descriptor.engine, digest_memory, layout)?;
        let build = Build {
            settings: source.descriptor.engine,
            digest_memory,
            layout,
        };
        let code = compiled(
            &source.name,
            &source.module,
            || source.wasm.bytes(),
            &sandbox,
            build,
            wall_clock_max,
        )
        .with_context(shown)?;
        let code = Linked::new(&sandbox.engine, &code).with_context(shown)?;
        let ready = Ready {
            surface: code.surface(&sandbox.engine),
            asks_model: code.asks_model(&sandbox.engine),
            code: Arc::new(code),
            sandbox,
        };
        known.insert(key, ready.clone());
        Ok(ready)
    }
}

/// Takes the code of a module from the user's cache, or reads and compiles the module.
pub fn compiled(
    name: &str,
    module: &Digest,
    wasm: impl FnOnce() -> Result<Bytes>,
    sandbox: &Sandbox,
    build: Build,
    wall_clock_max: Duration,
) -> Result<Code> {
    let file = code_cache::Name::of(sandbox, module);
    let cache = CodeCache::of_user();
    // A folder from which nothing can be mapped as code can still be read.
    let ways = [CodeCache::load, CodeCache::load_whole];
    for load in ways {
        if let Some(compiled) = load(&cache, &file)
            && let Ok(code) = compiled.loaded(sandbox)
        {
            return Ok(code);
        }
    }
    let task = compiler::Task {
        name,
        wasm: &wasm()?,
        wall_clock_max,
    };
    let compiled = compiler::compile(&task, sandbox, build)?;
    let code = compiled.loaded(sandbox)?;
    cache.save(&file, compiled);
    Ok(code)
}
