//! Makes the manifest of a module set: looks at each module in a child process, as `coo audit` does,
//! and runs none. Reads no folder; the callers have the bytes.

use std::path::Path;

use anyhow::{Context as _, Result};
use coo_kernel::form::digest::Digest;
use coo_kernel::module::pinned::{ModuleKind, ModuleManifest, PinnedModule};
use coo_kernel::module::structure::MODULE_BYTES_MAX;

use super::admission::Encoded;
use super::compiler;
use crate::hint;
use crate::machine::input_file;

/// What built the modules of this `coo`.
pub const BUILDER: &str = include_str!("../../../missions/dist/BUILDER");
/// What is pinned about the module set of this `coo`.
const RELEASED: &str = include_str!("../../../manifests/modules.json");

/// Returns what is pinned about the module set of this `coo`.
pub fn released() -> Result<ModuleManifest> {
    ModuleManifest::parse(RELEASED.as_bytes()).context("module manifest of this coo")
}

/// Returns the manifest of these modules. `builder` is the text of the file BUILDER beside them.
pub fn manifest_of<'a>(
    modules: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    builder: &str,
) -> Result<ModuleManifest> {
    let modules = modules.into_iter().map(|(name, wasm)| look(name, wasm));
    let builder = builder.lines().map(str::to_owned).collect();
    Ok(ModuleManifest::new(
        builder,
        modules.collect::<Result<_>>()?,
    ))
}

/// How a set differs from a manifest.
#[derive(Debug)]
pub struct Compared {
    /// A line for each difference.
    pub differences: Vec<String>,
    /// A line for each module that can't be examined.
    pub problems: Vec<String>,
}

/// Compares a set with a manifest. A module that can't be examined is compared by its bytes alone.
pub fn compare<'a>(
    pinned: &ModuleManifest,
    modules: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    builder: &str,
) -> Compared {
    let mut found = Vec::new();
    let mut problems = Vec::new();
    for (name, wasm) in modules {
        let module = look(name, wasm).unwrap_or_else(|error| {
            problems.push(hint::flat(&error));
            let known = pinned.modules.iter().find(|module| module.name == name);
            PinnedModule {
                bytes: wasm.len() as u64,
                imports: known.map(|known| known.imports.clone()).unwrap_or_default(),
                kind: known.map_or(ModuleKind::Core, |known| known.kind),
                name: name.to_owned(),
                sha256: Digest::of(wasm),
            }
        });
        found.push(module);
    }
    let builder = builder.lines().map(str::to_owned).collect();
    Compared {
        differences: pinned.differences(&ModuleManifest::new(builder, found)),
        problems,
    }
}

/// Reads every module of `folder`, with its file name, sorted by it.
pub fn modules_in(folder: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let shown = || format!("folder {}", folder.display());
    let mut modules = Vec::new();
    let entries = std::fs::read_dir(folder);
    for entry in entries.with_context(|| format!("{}: can't be read", shown()))? {
        let path = entry.with_context(shown)?.path();
        if path.extension() == Some("wasm".as_ref()) {
            let name = path.file_name().unwrap_or_default();
            let name = name.to_string_lossy().into_owned();
            modules.push((name, input_file::read(&path, MODULE_BYTES_MAX)?));
        }
    }
    modules.sort();
    Ok(modules)
}

fn look(name: &str, wasm: &[u8]) -> Result<PinnedModule> {
    let task = compiler::Task {
        name,
        wasm,
        wall_clock_max: compiler::EXAMINE_MAX,
    };
    let report = compiler::examine(&task).with_context(|| format!("module {name}"))?;
    Ok(PinnedModule {
        bytes: wasm.len() as u64,
        imports: report.interfaces(),
        kind: match report.encoded {
            Encoded::Component => ModuleKind::Component,
            Encoded::CoreModule | Encoded::AdaptedModule | Encoded::LiftedModule => {
                ModuleKind::Core
            }
        },
        name: name.to_owned(),
        sha256: Digest::of(wasm),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::bundle;

    #[test]
    fn the_released_manifest_is_that_of_the_modules_in_the_binary() {
        let modules = bundle::MODULES.iter();
        let modules = modules.map(|module| (module.file, module.wasm));
        let manifest = manifest_of(modules, BUILDER).unwrap();
        assert_eq!(manifest.to_text().unwrap(), RELEASED);
        assert_eq!(
            manifest.sandbox_digest.to_string(),
            bundle::SANDBOX_DIGEST.trim_end()
        );
        assert_eq!(released().unwrap(), manifest);
    }
}
