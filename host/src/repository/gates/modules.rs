//! Gate C: the module set is the pinned one, module by module, each of its modules has an entry
//! point, and none imports anything outside the surface. Uses the checks of `coo audit`; runs no
//! module.

use anyhow::{Context as _, Result, anyhow};
use coo_engines::gate::Evidence;
use coo_engines::repository::scope::Scope;
use coo_kernel::baseline::TreePath;
use coo_kernel::form::digest::Digest;
use coo_kernel::module::module_set::{self, Member};
use coo_kernel::module::pinned::ModuleManifest;
use serde_json::{Value, json};

use super::super::Repository;
use crate::hint::{self, Hint as _};
use crate::program::admission::EntryPoint;
use crate::program::bundle;
use crate::program::{compiler, pinned};

/// A module set and its pinned digest.
struct Set {
    modules: Vec<(String, Vec<u8>)>,
    pinned: String,
    /// What is pinned about each module, and the name of that in messages.
    manifest: Option<(ModuleManifest, String)>,
    /// What built the modules; empty if that is not known.
    builder: String,
    /// The set's name in messages.
    shown: String,
}

/// Evaluates gate C.
pub fn judge(repository: &Repository) -> Result<Evidence> {
    let set = read(repository)?;
    let mut findings = Vec::new();
    if set.modules.is_empty() {
        findings.push(format!("module set {}: has no module", set.shown));
    }
    let members = set.modules.iter().map(|(name, wasm)| Member {
        name: name.clone(),
        sha256: Digest::of(wasm),
    });
    let members: Vec<Member> = members.collect();
    let digest = module_set::digest(&members).to_string();
    let pinned = set.pinned.split_whitespace().next().unwrap_or_default();
    if pinned != digest {
        findings.push(format!(
            "module set {}: has SHA-256 {digest}, pinned is '{}'",
            set.shown,
            pinned.escape_debug().take(80).collect::<String>()
        ));
    }
    if let Some((manifest, shown)) = &set.manifest {
        let modules = set.modules.iter();
        let modules = modules.map(|(name, wasm)| (name.as_str(), wasm.as_slice()));
        // What can't be examined is a finding below.
        let lines = pinned::compare(manifest, modules, &set.builder).differences;
        let lines = lines.iter();
        findings.extend(lines.map(|line| format!("module manifest {shown}: {line}")));
    }
    let mut found = Vec::new();
    for ((name, wasm), member) in set.modules.iter().zip(&members) {
        let task = compiler::Task {
            name,
            wasm,
            wall_clock_max: compiler::EXAMINE_MAX,
        };
        let judged = compiler::examine(&task).with_context(|| format!("module {name}"));
        let (entry, imports, reasons) = match judged {
            Err(error) => (Value::Null, Value::Null, vec![hint::flat(&error)]),
            Ok(report) => {
                let entry = match &report.entry {
                    Some(EntryPoint::Mission) => "coo:mission run".into(),
                    Some(entry) => Value::from(entry.shown()),
                    None => Value::Null,
                };
                let mut reasons = report.reasons();
                if entry.is_null() && reasons.is_empty() {
                    reasons.push("has no entry point".to_owned());
                }
                let imports = report.imports.iter();
                let imports: Vec<&str> = imports.map(|import| import.interface.as_str()).collect();
                (entry, imports.into(), reasons)
            }
        };
        findings.extend(
            reasons
                .iter()
                .map(|reason| format!("module {name}: {reason}")),
        );
        found.push(json!({
            "entry": entry, "imports": imports, "module": name, "sha256": member.sha256,
        }));
    }
    Ok(Evidence {
        findings,
        found: json!({ "modules": found, "sandbox_digest": digest }),
    })
}

fn read(repository: &Repository) -> Result<Set> {
    let section = &repository.config.gates;
    let Some(folder) = &section.module_set else {
        if let Some(file) = &section.module_manifest {
            return Err(
                anyhow!("[gates] module_manifest {file}: has no module_set beside it")
                    .hint("name the folder of the modules"),
            );
        }
        let modules = bundle::MODULES.iter();
        let modules = modules.map(|module| (module.file.to_owned(), module.wasm.to_vec()));
        return Ok(Set {
            modules: modules.collect(),
            pinned: bundle::SANDBOX_DIGEST.to_owned(),
            manifest: Some((pinned::released()?, "of this coo".to_owned())),
            builder: pinned::BUILDER.to_owned(),
            shown: "of this coo".to_owned(),
        });
    };
    let pattern = format!("{folder}/*.wasm");
    let files = repository.files(&Scope::new(&[&pattern])?)?;
    let modules = repository.judge(&files, |path: &TreePath, content| {
        let name = String::from_utf8_lossy(path.name()).into_owned();
        Ok((name, content.to_vec()))
    })?;
    let digest = section
        .sandbox_digest
        .as_ref()
        .with_context(|| format!("[gates] module_set {folder}: has no sandbox_digest beside it"))
        .hint("name the file")?;
    let manifest = section.module_manifest.as_ref();
    let manifest = manifest.map(|file| -> Result<_> {
        let read = ModuleManifest::parse(&repository.read(file)?);
        let read = read.map_err(|error| {
            let next = error.hint();
            anyhow!("module manifest {file}: {error}").hint(next)
        });
        Ok((read?, file.clone()))
    });
    Ok(Set {
        modules,
        manifest: manifest.transpose()?,
        builder: builder(repository, folder)?,
        pinned: String::from_utf8_lossy(&repository.read(digest)?).into_owned(),
        shown: folder.clone(),
    })
}

/// Returns the text of the file BUILDER in the folder of the modules; nothing if there is none.
fn builder(repository: &Repository, folder: &str) -> Result<String> {
    let file = format!("{folder}/BUILDER");
    let files = repository.files(&Scope::exactly([file.as_str()])?)?;
    let texts = repository.judge(&files, |_, content| {
        Ok(String::from_utf8_lossy(content).into_owned())
    })?;
    Ok(texts.concat())
}
