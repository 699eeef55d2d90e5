//! The build of a project: compiled by cargo, admitted as a run would admit it, placed in
//! `missions/dist/` and recorded. Until cargo has compiled all missions and every module is
//! admitted, nothing in the project is changed, except that cargo may write `Cargo.lock`. What is
//! recorded of a source is what the module was made of. One build at a time works on a project.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use coo_kernel::form::digest::Digest;
use coo_kernel::module::module_set::{self, Member};
use coo_kernel::module::structure::MODULE_BYTES_MAX;
use coo_kernel::project::dep_info;
use coo_kernel::project::manifest::{FILE, MANIFEST_BYTES_MAX, Manifest, Module};

use super::cargo::{self, Compiled, Workspace};
use super::{DIST, place};
use crate::hint::Hint as _;
use crate::machine::input_file::read as read_file;
use crate::program::{compiler, pinned};

/// The digest of the module set, at the top of the project, as `coo digest` prints it.
pub const DIGEST_FILE: &str = "sandbox_digest.txt";
/// Largest source whose digest is taken, in bytes: sources are text, and data that they include.
pub const SOURCE_BYTES_MAX: u64 = 256 << 20;
/// Largest list of sources, in bytes: some ten thousand paths.
const DEP_INFO_BYTES_MAX: u64 = 4 << 20;
/// Most compilations of a build: the first tells the sources of a new module, and the second finds
/// nothing to do unless one was changed meanwhile.
const COMPILATIONS_MAX: usize = 2;

/// The digest of each source, by its path from the top of the project.
type Sources = BTreeMap<String, Digest>;

/// A module that was built.
#[derive(Debug)]
pub struct Built {
    /// Name in `missions/dist/`.
    pub file: String,
    pub sha256: Digest,
    pub bytes: u64,
    /// False if the module was there with these bytes.
    pub is_changed: bool,
}

/// What a build made.
#[derive(Debug)]
pub struct Result {
    pub modules: Vec<Built>,
    /// The digest of all modules in `missions/dist/`.
    pub set: Digest,
}

/// Builds the missions `wanted` of a workspace, or all. Calls `waiting` if another build of the
/// project is at work, and then waits for its end.
pub fn build(
    workspace: &Workspace,
    wanted: &[String],
    locked: bool,
    waiting: impl FnOnce(),
) -> anyhow::Result<Result> {
    let names = cargo::choose(workspace, wanted)?;
    let rustc = cargo::compiler(&workspace.top)?;
    place::refuse_link(&workspace.top, &format!("{DIST}/{FILE}"))?;
    let _lock = place::lock(&workspace.top, waiting)?;
    let mut manifest = read_manifest(workspace)?;
    let dist = workspace.top.join(DIST);
    let mut made = Vec::new();
    for (name, compiled, sources) in compile(workspace, &names, locked)? {
        let made_of = Made::of(name, &rustc, &compiled, sources);
        made.push(made_of.with_context(|| shown(workspace, name, &compiled))?);
    }
    // All modules are read before the first is replaced.
    let mut set = placed(&dist)?;
    set.extend(
        made.iter()
            .map(|made| (made.file.clone(), made.module.sha256)),
    );
    let mut modules = Vec::new();
    for Made { file, wasm, module } in made {
        modules.push(Built {
            is_changed: place::replace(&dist.join(&file), &wasm)?,
            sha256: module.sha256,
            bytes: module.bytes,
            file: file.clone(),
        });
        manifest.insert(file, module);
    }
    manifest.retain(|file| set.contains_key(file));
    place::replace(&dist.join(FILE), manifest.text()?.as_bytes())?;
    let members = set
        .into_iter()
        .map(|(name, sha256)| Member { name, sha256 });
    let set = module_set::digest(&members.collect::<Vec<_>>());
    let digest_file = workspace.top.join(DIGEST_FILE);
    place::replace(&digest_file, format!("{set}\n").as_bytes())?;
    Ok(Result { modules, set })
}

/// Returns how an error names what cargo made of a mission.
fn shown(workspace: &Workspace, name: &str, compiled: &Compiled) -> String {
    let module = from(&workspace.top, &compiled.wasm);
    format!("mission '{name}': module {module}")
}

/// Has cargo compile the missions. Returns each with the digests of its sources, which were the same
/// before and after: a source that is changed while cargo reads it would have the digest of a text
/// that the module was not made of, and the module would count as fresh.
fn compile<'a>(
    workspace: &Workspace,
    names: &'a [String],
    locked: bool,
) -> anyhow::Result<Vec<(&'a str, Compiled, Sources)>> {
    workspace.fetch(locked)?;
    let compiled = workspace.compiled(names);
    // The lists of an earlier build, if there are any.
    let earlier = compiled.iter().filter_map(|of| sources(workspace, of).ok());
    let mut before: Sources = earlier.flatten().collect();
    let mut changed = BTreeSet::new();
    for _ in 0..COMPILATIONS_MAX {
        workspace.compile(names, locked)?;
        let mut after = Vec::new();
        for (name, of) in names.iter().zip(&compiled) {
            after.push(sources(workspace, of).with_context(|| shown(workspace, name, of))?);
        }
        let now: Sources = after
            .iter()
            .flatten()
            .map(|(path, digest)| (path.clone(), *digest))
            .collect();
        changed = now
            .iter()
            .filter(|(path, digest)| before.get(*path) != Some(*digest))
            .map(|(path, _)| path.clone())
            .collect();
        if changed.is_empty() {
            let names = names.iter().map(String::as_str);
            let all = names.zip(compiled).zip(after);
            return Ok(all
                .map(|((name, of), sources)| (name, of, sources))
                .collect());
        }
        before = now;
    }
    let first = changed.into_iter().next().unwrap_or_default();
    bail!(
        anyhow!("source {first}: changed while cargo compiled, so no module was replaced")
            .hint("build again when no program changes the sources any more")
    )
}

/// A module that is to be placed.
struct Made {
    file: String,
    wasm: Vec<u8>,
    module: Module,
}

impl Made {
    fn of(name: &str, rustc: &str, compiled: &Compiled, sources: Sources) -> anyhow::Result<Self> {
        let wasm = read_file(&compiled.wasm, MODULE_BYTES_MAX).context("compiled")?;
        let file = format!("{name}.wasm");
        let task = compiler::Task {
            name: &file,
            wasm: &wasm,
            wall_clock_max: compiler::EXAMINE_MAX,
        };
        let report = compiler::examine(&task)?;
        report.ensure_admitted()?;
        Ok(Self {
            module: Module {
                sha256: Digest::of(&wasm),
                bytes: wasm.len() as u64,
                imports: report.interfaces(),
                compiler: rustc.to_owned(),
                sources,
            },
            file,
            wasm,
        })
    }
}

/// Returns the digest of each source of a module: the files that the compiler read, and the manifests
/// of their crates and of the workspace. What a build script has written is no source: another
/// machine does not have it.
fn sources(workspace: &Workspace, compiled: &Compiled) -> anyhow::Result<Sources> {
    let text = read_file(&compiled.dep_info, DEP_INFO_BYTES_MAX).context("list of sources")?;
    let text = String::from_utf8_lossy(&text);
    let read = dep_info::parse(&text, &compiled.wasm.to_string_lossy()).with_context(|| {
        format!(
            "list of sources {}: does not name the module",
            compiled.dep_info.display()
        )
    })?;
    let mut paths: BTreeSet<PathBuf> = read
        .into_iter()
        .map(|file| workspace.top.join(file))
        .filter(|file| !workspace.is_made(file))
        .collect();
    let manifests: Vec<PathBuf> = workspace
        .crates()
        .filter(|folder| paths.iter().any(|path| path.starts_with(folder)))
        .map(|folder| folder.join("Cargo.toml"))
        .collect();
    paths.extend(manifests);
    paths.extend(["Cargo.toml", "Cargo.lock"].map(|name| workspace.top.join(name)));
    let digest = |path: PathBuf| {
        let content = read_file(&path, SOURCE_BYTES_MAX).context("source")?;
        Ok((from(&workspace.top, &path), Digest::of(content)))
    };
    paths.into_iter().map(digest).collect()
}

/// Returns the way from the folder `top` to `path`, both absolute, with `/` between names.
fn from(top: &Path, path: &Path) -> String {
    let names = |path: &Path| -> Vec<String> {
        let parts = path.components();
        parts
            .filter(|part| *part != Component::CurDir)
            .map(|part| part.as_os_str().to_string_lossy().into_owned())
            .collect()
    };
    let (top, path) = (names(top), names(path));
    let common = top.iter().zip(&path).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..", top.len() - common);
    let down = path[common..].iter().map(String::as_str);
    up.chain(down).collect::<Vec<_>>().join("/")
}

fn read_manifest(workspace: &Workspace) -> anyhow::Result<Manifest> {
    let path = workspace.top.join(DIST).join(FILE);
    if path.symlink_metadata().is_err() {
        return Ok(Manifest::default());
    }
    let content = read_file(&path, MANIFEST_BYTES_MAX)?;
    Manifest::parse(&content).with_context(|| format!("file {}", path.display()))
}

/// Returns the digests of the modules that are in a folder now, by their names.
fn placed(folder: &Path) -> anyhow::Result<BTreeMap<String, Digest>> {
    // The first build makes the folder.
    if matches!(folder.symlink_metadata(), Err(error) if error.kind() == ErrorKind::NotFound) {
        return Ok(BTreeMap::new());
    }
    let modules = pinned::modules_in(folder)?.into_iter();
    Ok(modules
        .map(|(name, wasm)| (name, Digest::of(wasm)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_named_from_the_top_of_the_project() {
        let top = Path::new("/home/ana/p");
        for (path, named) in [
            ("/home/ana/p/missions/a/src/lib.rs", "missions/a/src/lib.rs"),
            ("/home/ana/p/./Cargo.toml", "Cargo.toml"),
            ("/home/ana/words/src/lib.rs", "../words/src/lib.rs"),
            ("/opt/x", "../../../opt/x"),
        ] {
            assert_eq!(from(top, Path::new(path)), named);
        }
    }
}
