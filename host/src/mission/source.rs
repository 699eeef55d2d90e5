//! Turns the user's request into a program that may run: parses the descriptor, finds and verifies
//! the module, judges its imports, and compiles the code or takes it from the cache. Runs no guest
//! code.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use anyhow::{Context as _, Result, anyhow, bail};
use coo_kernel::form::digest::Digest;
use coo_kernel::mission::authority::Policy;
use coo_kernel::mission::descriptor::{DESCRIPTOR_BYTES_MAX, Descriptor, FORMAT, ModuleRef, Step};
use coo_kernel::mission::plan::{Plan, PlanError};
use coo_kernel::mission::row::MissionRow;
use coo_kernel::module::structure::MODULE_BYTES_MAX;
use coo_kernel::state::layout;

use crate::hint::Hint as _;
use crate::machine::Stopwatch;
use crate::machine::input_file::read as read_file;
use crate::mission::run_file;
use crate::mission::workshop::Workshop;
use crate::program::bundle;
use crate::program::engine::Sandbox;
use crate::project;
use crate::runtime::sandbox::Linked;
use crate::state::state_root::StateRoot;
use crate::state::store::Store;

/// A mission that was requested, read but not judged.
#[derive(Debug, Clone)]
pub struct Source {
    /// Name that the user gave.
    pub name: String,
    pub descriptor: Descriptor,
    pub wasm: Bytes,
    /// SHA-256 of `wasm`.
    pub module: Digest,
}

/// A program that may run.
pub struct Program {
    pub sandbox: Sandbox,
    /// Linked, with the types of its imports checked.
    pub linked: Arc<Linked>,
    /// The judged mission, and what it may do.
    pub plan: Plan,
    /// Canonical form of the descriptor.
    pub canonical: String,
    /// SHA-256 of the module.
    pub module: Digest,
    /// SHA-256 of the interfaces that it imports.
    pub surface: Digest,
    /// Whether it can ask a language model.
    pub asks_model: bool,
    /// Whether the digest of each step's memories is taken.
    pub digest_memory: bool,
    /// Started when preparing began: the first step has what is left of its time.
    pub begun: Stopwatch,
}

impl Source {
    /// Finds a mission by the user's `name`: a descriptor file if the name has an extension or such
    /// a file exists, otherwise a bundled mission.
    pub fn named(name: &str) -> Result<Self> {
        let path = Path::new(name);
        // A pipe or device counts, too: reading it then fails with an error that names it.
        let is_there = || path.metadata().is_ok_and(|metadata| !metadata.is_dir());
        if path.extension().is_some() || is_there() {
            Self::descriptor_file(path)
        } else {
            Self::bundled(name)
        }
    }

    /// Returns the bundled mission `name`.
    pub fn bundled(name: &str) -> Result<Self> {
        let text = bundle::mission(name)
            .with_context(|| {
                let known: Vec<&str> = bundle::MISSIONS.iter().map(|(name, _)| *name).collect();
                format!(
                    "mission '{name}': neither a file nor one of the bundled missions ({})",
                    known.join(", ")
                )
            })
            .hint("give a descriptor, a .wasm file or one of these")?;
        Self::from_descriptor(name, text.as_bytes(), Path::new("."))
    }

    /// Reads a descriptor file; a relative module path starts at its folder.
    pub fn descriptor_file(path: &Path) -> Result<Self> {
        if run_file::is_one(path) {
            bail!(
                anyhow!("descriptor {}: is an exported run", path.display())
                    .hint("'coo replay' and 'coo verify' take exported runs")
            );
        }
        let bytes = read_file(path, DESCRIPTOR_BYTES_MAX as u64).context("descriptor")?;
        let folder = path.parent().unwrap_or(Path::new("."));
        Self::from_descriptor(&path.display().to_string(), &bytes, folder)
    }

    fn from_descriptor(name: &str, bytes: &[u8], folder: &Path) -> Result<Self> {
        let descriptor = Descriptor::parse(bytes).with_context(|| format!("descriptor {name}"))?;
        Self::inline(name, descriptor, folder)
    }

    /// Finds the module of a descriptor that was read; a relative path starts at `folder`.
    pub fn inline(name: &str, descriptor: Descriptor, folder: &Path) -> Result<Self> {
        let wasm = match (&descriptor.module.set, &descriptor.module.file) {
            (Some(set), _) => Bytes::from_static(
                bundle::module(set)
                    .with_context(|| {
                        format!("descriptor {name}: module.set: no module '{set}' in the set")
                    })
                    .hint("'coo digest' lists the modules of the set")?
                    .wasm,
            ),
            (None, Some(file)) => {
                let read = read_file(&folder.join(file), MODULE_BYTES_MAX).context("module");
                Bytes::from(if Path::new(file).starts_with(project::DIST) {
                    read.hint("'coo build' makes the modules of a project")?
                } else {
                    read?
                })
            }
            (None, None) => bail!("descriptor {name}: module: none named"),
        };
        let module = Digest::of(&wasm);
        if let Some(pinned) = descriptor.module.sha256
            && pinned != module
        {
            bail!(
                anyhow!("descriptor {name}: module.sha256: found {module}, pinned {pinned}")
                    .hint("restore the pinned module or pin the new one")
            );
        }
        Ok(Self {
            name: name.to_owned(),
            descriptor,
            wasm,
            module,
        })
    }

    /// Returns whether `path` has the extension of a WebAssembly file.
    #[must_use]
    pub fn is_program(path: &Path) -> bool {
        path.extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("wasm"))
    }

    /// Reads a WebAssembly file without a descriptor, with arguments and input from the command
    /// line.
    pub fn program_file(path: &Path, input: String, arguments: Vec<String>) -> Result<Self> {
        let wasm = read_file(path, MODULE_BYTES_MAX).context("module")?;
        let module = Digest::of(&wasm);
        let descriptor = Descriptor {
            format: FORMAT.to_owned(),
            mission_type: "PROGRAM".to_owned(),
            module: ModuleRef {
                set: None,
                // Not the file's own name, so that the same program has the same chain under any
                // name.
                file: Some("program.wasm".to_owned()),
                sha256: Some(module),
            },
            llm: coo_kernel::mission::descriptor::LlmTerms::default(),
            steps: vec![Step {
                id: "run".to_owned(),
                human: None,
                input: input.into(),
            }],
            arguments,
            environment: std::collections::BTreeMap::new(),
            limits: coo_kernel::mission::limits::Limits::default(),
            engine: coo_kernel::mission::descriptor::EngineSettings::default(),
            scope: None,
        };
        // Parse it like any other descriptor, so that the command line gets the same checks.
        let descriptor = Descriptor::parse(descriptor.canonical()?.as_bytes())?;
        Ok(Self {
            name: path.display().to_string(),
            descriptor,
            wasm: wasm.into(),
            module,
        })
    }

    /// Returns the mission of an earlier run: its descriptor from the store and its module from
    /// `modules/`, both verified.
    pub fn recorded(root: &StateRoot, store: &Store, mission: &MissionRow) -> Result<Self> {
        let descriptor = Descriptor::parse(&store.blob(&mission.descriptor)?)
            .with_context(|| format!("mission {}: its descriptor", mission.id))?;
        let wasm = root.read_bounded(&layout::module(&mission.module), MODULE_BYTES_MAX)?;
        let module = Digest::of(&wasm);
        if module != mission.module {
            bail!(
                anyhow!(
                    "module {}: has SHA-256 {module} now, so it was changed after the run",
                    root.path().join(layout::module(&mission.module)).display()
                )
                .hint("restore it from a copy")
            );
        }
        Ok(Self {
            name: mission.name.clone(),
            descriptor,
            wasm: wasm.into(),
            module,
        })
    }

    /// Judges, compiles and links the mission under `policy`. Compiling and the first step may take
    /// `wall_clock_max` of real time; `digest_memory` makes digests of memories possible.
    pub fn prepare(
        &self,
        policy: &Policy,
        wall_clock_max: Duration,
        digest_memory: bool,
    ) -> Result<Program> {
        self.prepare_in(&Workshop::default(), policy, wall_clock_max, digest_memory)
    }

    /// Does the same as `prepare` with the code that `workshop` has.
    pub fn prepare_in(
        &self,
        workshop: &Workshop,
        policy: &Policy,
        wall_clock_max: Duration,
        digest_memory: bool,
    ) -> Result<Program> {
        let begun = Stopwatch::start();
        let plan = self.plan(policy)?;
        let linked = workshop.linked(self, wall_clock_max, digest_memory)?;
        Ok(Program {
            sandbox: linked.sandbox,
            linked: linked.code,
            canonical: self.descriptor.canonical()?,
            plan,
            module: self.module,
            surface: linked.surface,
            asks_model: linked.asks_model,
            digest_memory,
            begun,
        })
    }

    /// Judges the workflow.
    pub fn plan(&self, policy: &Policy) -> Result<Plan> {
        let plan = Plan::of(&self.descriptor, policy).map_err(|error| match error {
            PlanError::Workflow(refused) => anyhow::Error::from(refused),
            PlanError::Ruleset(other) => anyhow!(other)
                .hint("use the coo that recorded it; its rules about missions are others"),
        });
        plan.with_context(|| format!("mission {}", self.name))
    }

    /// Stores the module in the state root, so that the run stays replayable without the module's
    /// file.
    pub fn keep_module(&self, root: &StateRoot) -> Result<()> {
        let name = layout::module(&self.module);
        let is_kept = root.dir().try_exists(&name);
        if !is_kept.with_context(|| format!("file {name} of the state root: can't be examined"))? {
            root.write_new(&name, &self.wasm)?;
        }
        Ok(())
    }
}
