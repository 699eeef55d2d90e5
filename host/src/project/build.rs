//! The build of a project: compiled by cargo, admitted as a run would admit it, placed in
//! `missions/dist/` and recorded. Until cargo has compiled all missions and every module is
//! admitted, nothing in the project is changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use anyhow::Context as _;
use coo_kernel::form::digest::Digest;
use coo_kernel::module::module_set::{self, Member};
use coo_kernel::module::structure::MODULE_BYTES_MAX;
use coo_kernel::project::dep_info;
use coo_kernel::project::manifest::{FILE, MANIFEST_BYTES_MAX, Manifest, Module};

use super::cargo::{self, Compiled, Workspace};
use super::{DIST, place};
use crate::machine::input_file::read as read_file;
use crate::program::compiler;

/// The digest of the module set, at the top of the project, as `coo digest` prints it.
pub const DIGEST_FILE: &str = "sandbox_digest.txt";
/// Largest source whose digest is taken, in bytes: sources are text, and data that they include.
pub const SOURCE_BYTES_MAX: u64 = 256 << 20;
/// Largest list of sources, in bytes: some ten thousand paths.
const DEP_INFO_BYTES_MAX: u64 = 4 << 20;

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

/// Builds the missions `wanted` of a workspace, or all.
pub fn build(workspace: &Workspace, wanted: &[String], locked: bool) -> anyhow::Result<Result> {
    let names = cargo::choose(workspace, wanted)?;
    let rustc = cargo::compiler(&workspace.top)?;
    let mut manifest = read_manifest(workspace)?;
    let compiled = workspace.compile(&names, locked)?;
    let mut made = Vec::new();
    for (name, compiled) in names.iter().zip(&compiled) {
        let shown = || {
            let module = from(&workspace.top, &compiled.wasm);
            format!("mission '{name}': module {module}")
        };
        made.push(Made::of(workspace, name, &rustc, compiled).with_context(shown)?);
    }
    let dist = workspace.top.join(DIST);
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
    manifest.retain(|file| dist.join(file).is_file());
    place::replace(&dist.join(FILE), manifest.text()?.as_bytes())?;
    let set = module_set::digest(&members(&dist)?);
    let digest_file = workspace.top.join(DIGEST_FILE);
    place::replace(&digest_file, format!("{set}\n").as_bytes())?;
    Ok(Result { modules, set })
}

/// A module that is to be placed.
struct Made {
    file: String,
    wasm: Vec<u8>,
    module: Module,
}

impl Made {
    fn of(
        workspace: &Workspace,
        name: &str,
        rustc: &str,
        compiled: &Compiled,
    ) -> anyhow::Result<Self> {
        let wasm = read_file(&compiled.wasm, MODULE_BYTES_MAX).context("compiled")?;
        let file = format!("{name}.wasm");
        let task = compiler::Task {
            name: &file,
            wasm: &wasm,
            wall_clock_max: compiler::EXAMINE_MAX,
        };
        let report = compiler::examine(&task)?;
        report.ensure_admitted()?;
        let imports: BTreeSet<String> = report
            .imports
            .into_iter()
            .map(|import| import.interface)
            .collect();
        Ok(Self {
            module: Module {
                sha256: Digest::of(&wasm),
                bytes: wasm.len() as u64,
                imports: imports.into_iter().collect(),
                compiler: rustc.to_owned(),
                sources: sources(workspace, compiled)?,
            },
            file,
            wasm,
        })
    }
}

/// Returns the digest of each source of a module: the files that the compiler read, and the manifests
/// of their crates and of the workspace.
fn sources(workspace: &Workspace, compiled: &Compiled) -> anyhow::Result<BTreeMap<String, Digest>> {
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

/// Returns the modules of a folder, from which the digest of the set is computed.
pub fn members(folder: &Path) -> anyhow::Result<Vec<Member>> {
    let shown = || format!("folder {}", folder.display());
    let mut members = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("{}: can't be read", shown()))? {
        let path = entry.with_context(shown)?.path();
        if path.extension().is_none_or(|extension| extension != "wasm") {
            continue;
        }
        let name = path.file_name().unwrap_or_default();
        members.push(Member {
            name: name.to_string_lossy().into_owned(),
            sha256: Digest::of(read_file(&path, MODULE_BYTES_MAX)?),
        });
    }
    anyhow::ensure!(!members.is_empty(), "{}: no .wasm files in it", shown());
    Ok(members)
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
