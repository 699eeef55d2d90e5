//! The manifest of a module set, `manifests/modules.json`: what is pinned about each module beside
//! the set's digest. A set has one written form. Compares a set with its manifest and names each
//! difference; reads no file and no module.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::module_set::{self, Member};
use crate::form::digest::Digest;
use crate::form::plain::one_line;
use crate::form::strict::{self, Problems};

/// The format that a manifest declares.
pub const FORMAT: &str = "coo-module-manifest/1";
/// Largest manifest, in bytes: a few hundred for each module.
pub const BYTES_MAX: u64 = 1 << 20;

/// The manifest. Fields stand in key order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ModuleManifest {
    /// What built the modules: the lines of `rustc -vV` and of what else gives them their bytes.
    /// Empty if nothing is known.
    pub builder: Vec<String>,
    pub format: String,
    /// Sorted by name.
    pub modules: Vec<PinnedModule>,
    /// SHA-256 of the set, as in `sandbox_digest.txt`.
    pub sandbox_digest: Digest,
}

/// What is pinned about a module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PinnedModule {
    pub bytes: u64,
    /// Every interface that the module imports, with its version, sorted.
    pub imports: Vec<String>,
    pub kind: ModuleKind,
    /// File name, without folders.
    pub name: String,
    pub sha256: Digest,
}

/// What a module's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum ModuleKind {
    /// A core WebAssembly module.
    Core,
    /// A component.
    Component,
}

impl ModuleKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Core => "core module",
            Self::Component => "component",
        }
    }
}

/// Why bytes are not a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoModuleManifest {
    #[error("{0}")]
    Form(Problems),
    /// At most 40 characters.
    #[error("has format '{0}', this build reads '{FORMAT}'")]
    Format(String),
    /// The modules are out of order, or one is there twice.
    #[error("module {0}: out of order or there twice")]
    Order(String),
    #[error("sandbox_digest {stated} found; its modules give {given}")]
    Digest { stated: Digest, given: Digest },
}

impl NoModuleManifest {
    /// Returns what the user can do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Format(_) => "use the coo that wrote it",
            Self::Form(_) | Self::Order(_) | Self::Digest { .. } => {
                "'coo digest --modules DIR --write FILE' writes it"
            }
        }
    }
}

impl ModuleManifest {
    /// Returns the manifest of these modules.
    #[must_use]
    pub fn new(builder: Vec<String>, mut modules: Vec<PinnedModule>) -> Self {
        modules.sort_by(|a, b| a.name.cmp(&b.name));
        Self {
            sandbox_digest: digest(&modules),
            builder,
            format: FORMAT.to_owned(),
            modules,
        }
    }

    /// Reads a manifest and checks that it agrees with itself.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoModuleManifest> {
        let manifest: Self = strict::read(bytes).map_err(NoModuleManifest::Form)?;
        if manifest.format != FORMAT {
            let found = manifest.format.escape_debug().take(40).collect();
            return Err(NoModuleManifest::Format(found));
        }
        let pairs = manifest.modules.windows(2);
        for pair in pairs {
            if pair[0].name >= pair[1].name {
                let name = pair[1].name.escape_debug().take(80).collect();
                return Err(NoModuleManifest::Order(name));
            }
        }
        let given = digest(&manifest.modules);
        if given != manifest.sandbox_digest {
            return Err(NoModuleManifest::Digest {
                stated: manifest.sandbox_digest,
                given,
            });
        }
        Ok(manifest)
    }

    /// Returns the text of the file.
    pub fn to_text(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Returns how a set differs from this manifest, a line for each difference. A builder is
    /// compared only if both are known.
    #[must_use]
    pub fn differences(&self, found: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        let pinned = by_name(&self.modules);
        let there = by_name(&found.modules);
        let names: BTreeSet<&str> = pinned.keys().chain(there.keys()).copied().collect();
        for name in names {
            let shown = one_line(name);
            match (pinned.get(name), there.get(name)) {
                (Some(_), None) => lines.push(format!("module {shown}: pinned, and missing")),
                (None, Some(_)) => lines.push(format!("module {shown}: there, and not pinned")),
                (Some(pinned), Some(found)) => {
                    let of_module = pinned.differences(found).into_iter();
                    lines.extend(of_module.map(|line| format!("module {shown}: {line}")));
                }
                (None, None) => {}
            }
        }
        let builders = (self.builder.first(), found.builder.first());
        if let (Some(own), Some(other)) = builders
            && self.builder != found.builder
        {
            let (own, other) = (one_line(own), one_line(other));
            lines.push(format!(
                "builder: '{other}' found, '{own}' pinned, or its details"
            ));
        }
        lines
    }
}

impl PinnedModule {
    fn differences(&self, found: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.sha256 != found.sha256 {
            lines.push(format!(
                "SHA-256 {} found, {} pinned",
                found.sha256, self.sha256
            ));
        }
        if self.bytes != found.bytes {
            lines.push(format!(
                "{} bytes found, {} pinned",
                found.bytes, self.bytes
            ));
        }
        if self.kind != found.kind {
            let (found, pinned) = (found.kind.name(), self.kind.name());
            lines.push(format!("{found} found, {pinned} pinned"));
        }
        let extra = found
            .imports
            .iter()
            .filter(|name| !self.imports.contains(name));
        let extra = extra.map(|name| format!("imports {}, which is not pinned", one_line(name)));
        lines.extend(extra);
        let gone = self
            .imports
            .iter()
            .filter(|name| !found.imports.contains(name));
        let gone = gone.map(|name| format!("does not import {}, which is pinned", one_line(name)));
        lines.extend(gone);
        lines
    }
}

fn by_name(modules: &[PinnedModule]) -> BTreeMap<&str, &PinnedModule> {
    let modules = modules.iter();
    modules
        .map(|module| (module.name.as_str(), module))
        .collect()
}

fn digest(modules: &[PinnedModule]) -> Digest {
    let members = modules.iter().map(|module| Member {
        name: module.name.clone(),
        sha256: module.sha256,
    });
    module_set::digest(&members.collect::<Vec<Member>>())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn module(name: &str, content: &str, imports: &[&str]) -> PinnedModule {
        PinnedModule {
            bytes: content.len() as u64,
            imports: imports.iter().map(|name| (*name).to_owned()).collect(),
            kind: ModuleKind::Core,
            name: name.to_owned(),
            sha256: Digest::of(content),
        }
    }

    fn manifest(modules: Vec<PinnedModule>) -> ModuleManifest {
        ModuleManifest::new(vec!["rustc 1".to_owned()], modules)
    }

    #[test]
    fn a_missing_an_extra_and_a_changed_module_are_named() {
        let pinned = manifest(vec![
            module("a.wasm", "a", &["x"]),
            module("b.wasm", "b", &[]),
        ]);
        let mut changed = module("a.wasm", "aa", &["y"]);
        changed.kind = ModuleKind::Component;
        let mut found = manifest(vec![module("c.wasm", "c", &[]), changed]);
        found.builder = vec!["rustc 2".to_owned()];
        assert_eq!(pinned.differences(&pinned), Vec::<String>::new());
        assert_eq!(
            pinned.differences(&found),
            [
                &format!(
                    "module a.wasm: SHA-256 {} found, {} pinned",
                    Digest::of("aa"),
                    Digest::of("a")
                ),
                "module a.wasm: 2 bytes found, 1 pinned",
                "module a.wasm: component found, core module pinned",
                "module a.wasm: imports y, which is not pinned",
                "module a.wasm: does not import x, which is pinned",
                "module b.wasm: pinned, and missing",
                "module c.wasm: there, and not pinned",
                "builder: 'rustc 2' found, 'rustc 1' pinned, or its details",
            ]
        );
    }

    #[test]
    fn a_manifest_that_contradicts_itself_is_refused() {
        let good = manifest(vec![module("a.wasm", "a", &[]), module("b.wasm", "b", &[])]);
        let read = |manifest: &ModuleManifest| {
            let text = manifest.to_text().unwrap();
            ModuleManifest::parse(text.as_bytes()).map_err(|error| error.to_string())
        };
        assert_eq!(read(&good), Ok(good.clone()));
        let mut other = good.clone();
        other.modules.swap(0, 1);
        assert!(
            read(&other)
                .unwrap_err()
                .contains("module a.wasm: out of order")
        );
        other.modules = vec![good.modules[0].clone(); 2];
        assert!(read(&other).unwrap_err().contains("there twice"));
        other = good.clone();
        other.modules[0].sha256 = Digest::of("x");
        assert!(read(&other).unwrap_err().starts_with("sandbox_digest"));
        other = good.clone();
        other.format = "coo-module-manifest/2".to_owned();
        assert!(read(&other).unwrap_err().contains("has format"));
        let more = good.to_text().unwrap().replace("\"bytes\"", "\"byte\"");
        assert!(ModuleManifest::parse(more.as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn any_set_reads_back_and_differs_from_itself_in_nothing(
            names in proptest::collection::btree_map("[a-z]{1,8}", "[ -~]{0,9}", 0..6),
            imports in proptest::collection::btree_set("[a-z:/@0-9.]{1,12}", 0..4),
        ) {
            let imports: Vec<&str> = imports.iter().map(String::as_str).collect();
            let modules = names.iter().map(|(name, content)| module(name, content, &imports));
            let manifest = manifest(modules.collect());
            let text = manifest.to_text().unwrap();
            let read = ModuleManifest::parse(text.as_bytes()).unwrap();
            prop_assert!(manifest.differences(&read).is_empty());
            prop_assert_eq!(read, manifest);
        }

        #[test]
        fn any_bytes_are_refused_or_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = ModuleManifest::parse(&bytes);
        }
    }
}
