//! `coo build`: compiles the missions of a project, places the modules and records them. Also what
//! `coo run` does about modules: builds first if asked to, and says when one is older than its
//! sources. Standard output has the result alone; cargo prints to standard error.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow};
use coo_kernel::form::digest::Digest;
use coo_kernel::mission::descriptor::{DESCRIPTOR_BYTES_MAX, Descriptor};
use serde::Serialize;

use super::print;
use crate::hint::Hint as _;
use crate::machine;
use crate::machine::input_file::read as read_file;
use crate::mission::source::Source;
use crate::project::{self, BuildResult, DIGEST_FILE, DIST, Workspace};

/// Most sources that a warning names.
const NAMED_MAX: usize = 3;

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Missions to build [default: all]
    names: Vec<String>,
    /// Fail if Cargo.lock does not fit, instead of changing it
    #[arg(long)]
    locked: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct View {
    modules: Vec<ModuleView>,
    module_set_sha256: Digest,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct ModuleView {
    /// Path from the top of the project.
    file: String,
    sha256: Digest,
    bytes: u64,
    /// False if the module was there with these bytes.
    changed: bool,
}

pub fn cmd_build(options: &Options) -> Result<ExitCode> {
    let here = machine::working_directory().context("working directory")?;
    let workspace = Workspace::of(&here)?;
    let built = project::build(&workspace, &options.names, options.locked, say_waiting)?;
    let view = View {
        modules: built
            .modules
            .iter()
            .map(|module| ModuleView {
                file: format!("{DIST}/{}", module.file),
                sha256: module.sha256,
                bytes: module.bytes,
                changed: module.is_changed,
            })
            .collect(),
        module_set_sha256: built.set,
    };
    if options.json {
        print::json("coo-build-result/1", &view)?;
        return Ok(ExitCode::SUCCESS);
    }
    let lines = view.modules.iter();
    let mut lines: Vec<String> = lines
        .map(|module| format!("{}  {}\n", module.sha256, module.file))
        .collect();
    lines.push(format!("{}  module set, as in {DIGEST_FILE}\n", built.set));
    print::out(&lines.concat())?;
    say(&built);
    Ok(ExitCode::SUCCESS)
}

/// Says why a build has not begun yet.
fn say_waiting() {
    print::note("another build of this project is at work; waiting for it");
}

/// Says which modules have changed.
fn say(built: &BuildResult) {
    for module in &built.modules {
        let change = if module.is_changed {
            "written"
        } else {
            "unchanged"
        };
        print::note(&format!(
            "{DIST}/{}: {change}, {}",
            module.file,
            print::count(usize::try_from(module.bytes).unwrap_or(usize::MAX), "byte")
        ));
    }
}

/// Builds the module of the descriptor at `path`, which a project has to know.
pub fn build_for(path: &Path) -> Result<()> {
    let shown = path.display();
    let module = module_of(path)?
        .with_context(|| format!("descriptor {shown}: --build: names no module of a project"))
        .hint("leave out --build, or name a module in missions/dist/")?;
    let mission = module.file_stem().unwrap_or_default().to_string_lossy();
    let folder = path.parent().filter(|folder| folder.is_dir());
    let here = machine::working_directory().context("working directory")?;
    let folder = folder.map_or_else(|| here.clone(), |folder| here.join(folder));
    let workspace = Workspace::of(&folder)?;
    let placed = workspace.top.join(DIST).join(format!("{mission}.wasm"));
    let named = folder.join(&module);
    let is_same = match (named.parent(), placed.parent()) {
        (Some(named), Some(placed)) => {
            // The folder may be missing before the first build.
            named == placed || named.canonicalize().ok() == placed.canonicalize().ok()
        }
        _ => false,
    };
    if !is_same {
        return Err(anyhow!(
            "descriptor {shown}: --build: its module {} is not in {DIST}/ of the project",
            module.display()
        )
        .hint(format!("name it \"{DIST}/{mission}.wasm\"")));
    }
    let built = project::build(&workspace, &[mission.into_owned()], false, say_waiting)?;
    say(&built);
    Ok(())
}

/// Returns the file of the module that a descriptor names; `None` if it names a module of the set,
/// or if `path` is no descriptor.
fn module_of(path: &Path) -> Result<Option<PathBuf>> {
    if Source::is_program(path) || path.extension().is_none() {
        return Ok(None);
    }
    let bytes = read_file(path, DESCRIPTOR_BYTES_MAX as u64).context("descriptor")?;
    let descriptor =
        Descriptor::parse(&bytes).with_context(|| format!("descriptor {}", path.display()))?;
    Ok(descriptor.module.file.map(PathBuf::from))
}

/// Warns if the module of a mission is older than its sources.
pub fn say_if_stale(path: &Path, source: &Source) {
    let Some(file) = &source.descriptor.module.file else {
        return;
    };
    if Source::is_program(path) {
        return;
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let Some(stale) = project::stale(&folder.join(file), &source.module) else {
        return;
    };
    let mut named = stale.changed[..stale.changed.len().min(NAMED_MAX)].join(", ");
    let more = stale.changed.len().saturating_sub(NAMED_MAX);
    if more > 0 {
        named = format!("{named} and {more} more");
    }
    print::note_hint(
        &format!("module {file} is older than its sources; changed after its build: {named}"),
        &format!(
            "'coo build {}' builds it again; 'coo run --build' does so before it runs",
            stale.mission
        ),
    );
}
