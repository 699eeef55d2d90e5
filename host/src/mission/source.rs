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
use coo_kernel::mission::descriptor::{
    DESCRIPTOR_BYTES_MAX, Descriptor, EngineSettings, FORMAT, LlmTerms, ModuleRef, Step,
};
use coo_kernel::mission::limits::Limits;
use coo_kernel::mission::plan::{Plan, PlanError};
use coo_kernel::mission::row::MissionRow;
use coo_kernel::mission::script::{self, Language, ScriptRef};
use coo_kernel::module::structure::MODULE_BYTES_MAX;
use coo_kernel::state::layout;

use crate::hint::Hint as _;
use crate::machine::Stopwatch;
use crate::machine::input_file::read as read_file;
use crate::mission::run_file;
use crate::mission::script::Script;
use crate::mission::workshop::Workshop;
use crate::program::bundle;
use crate::program::engine::Sandbox;
use crate::program::runners;
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
    pub wasm: Wasm,
    /// SHA-256 of the module.
    pub module: Digest,
    /// What a runner runs.
    pub script: Option<Script>,
}

/// The bytes of a module.
#[derive(Debug, Clone)]
pub enum Wasm {
    Read(Bytes),
    /// An installed runner, whose digest is pinned: it is read when its bytes are needed.
    Runner(Language),
}

impl Wasm {
    /// Returns the bytes.
    pub fn bytes(&self) -> Result<Bytes> {
        match self {
            Self::Read(wasm) => Ok(wasm.clone()),
            Self::Runner(language) => runners::read(*language),
        }
    }

    /// Returns the bytes of a module that was read, which may hold anything; none for a runner.
    #[must_use]
    pub fn foreign(&self) -> Option<&Bytes> {
        match self {
            Self::Read(wasm) => Some(wasm),
            Self::Runner(_) => None,
        }
    }
}

/// The parts of a mission without a descriptor that the command line gives.
#[derive(Debug, Clone, Default)]
pub struct CommandLine {
    pub input: String,
    pub arguments: Vec<String>,
    /// Folders and wheels for a script.
    pub with: Vec<String>,
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
    /// What a runner runs.
    pub script: Option<Script>,
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
        if Language::of_file(name).is_some() {
            Self::script_file(path, CommandLine::default())
        } else if path.extension().is_some() || is_there() {
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

    /// Finds the module and the script of a descriptor that was read; a relative path starts at
    /// `folder`.
    pub fn inline(name: &str, mut descriptor: Descriptor, folder: &Path) -> Result<Self> {
        let shown = || format!("descriptor {name}");
        let named = &descriptor.module;
        let (wasm, module) = if let Some(language) = named.runner {
            let module = runners::digest(language).with_context(shown)?;
            (Wasm::Runner(language), module)
        } else {
            let wasm = read_module(name, named, folder)?;
            let module = Digest::of(&wasm);
            (Wasm::Read(wasm), module)
        };
        if let Some(pinned) = named.sha256
            && pinned != module
        {
            bail!(
                anyhow!("descriptor {name}: module.sha256: found {module}, pinned {pinned}")
                    .hint("restore the pinned module or pin the new one")
            );
        }
        let script = match (&mut descriptor.script, named.runner) {
            (Some(script), Some(language)) => {
                let gathered = Script::gather(script, language, folder).with_context(shown)?;
                // The record says which files they were.
                script.sha256 = Some(gathered.sha256);
                Some(gathered)
            }
            _ => None,
        };
        Ok(Self {
            name: name.to_owned(),
            descriptor,
            wasm,
            module,
            script,
        })
    }

    /// Returns whether `path` has the extension of a WebAssembly file.
    #[must_use]
    pub fn is_program(path: &Path) -> bool {
        path.extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("wasm"))
    }

    /// Reads a WebAssembly file without a descriptor.
    pub fn program_file(path: &Path, given: CommandLine) -> Result<Self> {
        let wasm = read_file(path, MODULE_BYTES_MAX).context("module")?;
        let module = Digest::of(&wasm);
        let mut descriptor = bare(given);
        // Not the file's own name, so that the same program has the same chain under any name.
        descriptor.module.file = Some("program.wasm".to_owned());
        descriptor.module.sha256 = Some(module);
        // Parse it like any other descriptor, so that the command line gets the same checks.
        let descriptor = Descriptor::parse(descriptor.canonical()?.as_bytes())?;
        Ok(Self {
            name: path.display().to_string(),
            descriptor,
            wasm: Wasm::Read(wasm.into()),
            module,
            script: None,
        })
    }

    /// Reads a script without a descriptor. It may choose the sampling of its calls, and finds something
    /// where it looks for a key.
    pub fn script_file(path: &Path, given: CommandLine) -> Result<Self> {
        let name = path.display().to_string();
        let language = Language::of_file(&name)
            .with_context(|| format!("script {name}: neither Python nor JavaScript"))?;
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let with = given.with.clone();
        let mut descriptor = Descriptor {
            mission_type: script::MISSION_TYPE.to_owned(),
            llm: LlmTerms {
                max_tokens: None,
                temperature: None,
                top_p: None,
                ..LlmTerms::default()
            },
            environment: script::KEY_NAMES
                .map(|name| (name.to_owned(), script::NO_KEY.to_owned()))
                .into(),
            limits: Limits {
                fuel: script::FUEL,
                ..Limits::default()
            },
            ..bare(given)
        };
        descriptor.module.runner = Some(language);
        descriptor.script = Some(ScriptRef {
            file: file.into_owned(),
            sha256: None,
            with: Vec::new(),
        });
        let mut descriptor = Descriptor::parse(descriptor.canonical()?.as_bytes())?;
        let module = runners::digest(language).with_context(|| format!("script {name}"))?;
        // The paths of the command line start at the working directory; the record has none of them.
        let named = ScriptRef {
            file: name.clone(),
            sha256: None,
            with,
        };
        let script = Script::gather(&named, language, Path::new("."))?;
        if let Some(named) = &mut descriptor.script {
            named.sha256 = Some(script.sha256);
        }
        Ok(Self {
            name,
            descriptor,
            wasm: Wasm::Runner(language),
            module,
            script: Some(script),
        })
    }

    /// Returns the mission of an earlier run: its descriptor from the store and its module from
    /// `modules/`, both verified.
    pub fn recorded(root: &StateRoot, store: &Store, mission: &MissionRow) -> Result<Self> {
        let descriptor = Descriptor::parse(&store.blob(&mission.descriptor)?)
            .with_context(|| format!("mission {}: its descriptor", mission.id))?;
        let name = layout::module(&mission.module);
        let wasm = if let Some(language) = runners::with_digest(&mission.module)
            && root.dir().try_exists(&name)?
        {
            // This program has it, and knows its digest.
            Wasm::Runner(language)
        } else {
            let wasm = root.read_bounded(&name, MODULE_BYTES_MAX)?;
            let module = Digest::of(&wasm);
            if module != mission.module {
                bail!(
                    anyhow!(
                        "module {}: has SHA-256 {module} now, so it was changed after the run",
                        root.path().join(name).display()
                    )
                    .hint("restore it from a copy")
                );
            }
            Wasm::Read(wasm.into())
        };
        let script = recorded_script(store, &descriptor)
            .with_context(|| format!("mission {}: its script", mission.id))?;
        Ok(Self {
            name: mission.name.clone(),
            descriptor,
            wasm,
            module: mission.module,
            script,
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
            script: self.script.clone(),
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
            root.write_new(&name, &self.wasm.bytes()?)?;
        }
        Ok(())
    }
}

/// Reads the module that a descriptor names by its set or its file.
fn read_module(name: &str, named: &ModuleRef, folder: &Path) -> Result<Bytes> {
    match (&named.set, &named.file) {
        (Some(set), _) => Ok(Bytes::from_static(
            bundle::module(set)
                .with_context(|| {
                    format!("descriptor {name}: module.set: no module '{set}' in the set")
                })
                .hint("'coo digest' lists the modules of the set")?
                .wasm,
        )),
        (None, Some(file)) => {
            let read = read_file(&folder.join(file), MODULE_BYTES_MAX).context("module");
            Ok(Bytes::from(if Path::new(file).starts_with(project::DIST) {
                read.hint("'coo build' makes the modules of a project")?
            } else {
                read?
            }))
        }
        (None, None) => bail!("descriptor {name}: module: none named"),
    }
}

/// Returns a descriptor of one step, without a module.
fn bare(given: CommandLine) -> Descriptor {
    Descriptor {
        format: FORMAT.to_owned(),
        mission_type: "PROGRAM".to_owned(),
        module: ModuleRef {
            set: None,
            file: None,
            runner: None,
            sha256: None,
        },
        script: None,
        llm: LlmTerms::default(),
        steps: vec![Step {
            id: "run".to_owned(),
            human: None,
            input: given.input.into(),
        }],
        arguments: given.arguments,
        environment: std::collections::BTreeMap::new(),
        limits: Limits::default(),
        engine: EngineSettings::default(),
        scope: None,
    }
}

/// Returns the script of a recorded descriptor.
pub fn recorded_script(store: &Store, descriptor: &Descriptor) -> Result<Option<Script>> {
    let pinned = descriptor.script.as_ref().and_then(|script| script.sha256);
    let Some(sha256) = pinned else {
        return Ok(None);
    };
    let text = String::from_utf8(store.blob(&sha256)?).context("is not text")?;
    Ok(Some(Script::of(&text)))
}
