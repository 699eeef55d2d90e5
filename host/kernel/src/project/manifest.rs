//! The manifest of a build: for each module its digest, its imports, the compiler that made it and
//! the digest of every source. From it alone `coo` knows whether a module is older than its sources.
//! It holds no time and no path of one machine, so the same sources and compiler give the same text.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::form::digest::Digest;

/// The format that this build reads and writes.
pub const FORMAT: &str = "coo-build/1";
/// Name of the file, beside the modules.
pub const FILE: &str = "build.json";
/// Largest manifest that is read, in bytes: a hundred modules of some hundred sources each.
pub const MANIFEST_BYTES_MAX: u64 = 4 << 20;

/// What is known about the modules of a project, sorted by file name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    format: String,
    modules: BTreeMap<String, Module>,
}

/// One module as it was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Module {
    pub sha256: Digest,
    pub bytes: u64,
    /// The interfaces that it imports, sorted.
    pub imports: Vec<String>,
    /// The first line of `rustc -vV`: another compiler gives other bytes.
    pub compiler: String,
    /// The digest of each source, by its path from the top of the project.
    pub sources: BTreeMap<String, Digest>,
}

/// Why a text is no manifest that this build reads.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("is not the manifest of a build: {0}")]
    Json(#[from] serde_json::Error),
    #[error("has format '{0}', this build reads '{FORMAT}'")]
    Format(String),
}

impl ManifestError {
    /// Returns what the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some("remove the file, then 'coo build' writes it again")
    }
}

impl Default for Manifest {
    fn default() -> Self {
        Self {
            format: FORMAT.to_owned(),
            modules: BTreeMap::new(),
        }
    }
}

impl Manifest {
    /// Reads what `text` wrote.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        #[derive(Deserialize)]
        struct Versioned {
            format: String,
        }
        // Another format may have other fields.
        let Versioned { format } = serde_json::from_slice(bytes)?;
        if format != FORMAT {
            return Err(ManifestError::Format(
                format.escape_debug().take(40).collect(),
            ));
        }
        Ok(serde_json::from_slice(bytes)?)
    }

    /// Returns the text of the file. Equal manifests have equal texts.
    pub fn text(&self) -> Result<String, ManifestError> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Adds the module `file`, or replaces it.
    pub fn insert(&mut self, file: String, module: Module) {
        self.modules.insert(file, module);
    }

    /// Removes modules that `is_there` does not know.
    pub fn retain(&mut self, mut is_there: impl FnMut(&str) -> bool) {
        self.modules.retain(|file, _| is_there(file));
    }

    /// Returns the record of the module `file`, if the file with digest `found` is the one that the
    /// build made. Nothing is known about a file that somebody put in its place.
    #[must_use]
    pub fn module(&self, file: &str, found: &Digest) -> Option<&Module> {
        self.modules
            .get(file)
            .filter(|module| module.sha256 == *found)
    }
}

impl Module {
    /// Returns the sources that differ now. `now` returns the digest of a source, or `None` if it
    /// can't be read.
    pub fn changed(&self, mut now: impl FnMut(&str) -> Option<Digest>) -> Vec<&str> {
        self.sources
            .iter()
            .filter(|(path, recorded)| now(path).as_ref() != Some(*recorded))
            .map(|(path, _)| path.as_str())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn module(content: &str, sources: &[(String, String)]) -> Module {
        let sources = sources.iter();
        Module {
            sha256: Digest::of(content),
            bytes: content.len() as u64,
            imports: vec!["coo:mission/llm@1.0.0".to_owned()],
            compiler: "rustc 1.95.0".to_owned(),
            sources: sources
                .map(|(path, text)| (path.clone(), Digest::of(text)))
                .collect(),
        }
    }

    #[test]
    fn a_module_is_known_by_its_bytes_alone() {
        let mut manifest = Manifest::default();
        manifest.insert("a.wasm".to_owned(), module("built", &[]));
        assert!(manifest.module("a.wasm", &Digest::of("built")).is_some());
        assert!(manifest.module("a.wasm", &Digest::of("other")).is_none());
        assert!(manifest.module("b.wasm", &Digest::of("built")).is_none());
        manifest.retain(|file| file != "a.wasm");
        assert_eq!(manifest, Manifest::default());
    }

    #[test]
    fn a_text_that_is_no_manifest_is_refused() {
        for (text, why) in [
            ("[", "is not the manifest of a build"),
            (r#"{"format": "another"}"#, "has format 'another'"),
            (r#"{"format": "coo-build/1"}"#, "missing field `modules`"),
            (
                r#"{"format": "coo-build/1", "modules": {}, "more": 1}"#,
                "unknown field `more`",
            ),
        ] {
            let error = Manifest::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    proptest! {
        #[test]
        fn a_manifest_is_read_as_it_was_written(
            files in prop::collection::btree_map("[a-z]{1,6}\\.wasm", "\\PC{0,9}", 0..4),
            sources in prop::collection::vec(("\\PC{1,9}", "\\PC{0,9}"), 0..4),
        ) {
            let mut manifest = Manifest::default();
            for (file, content) in &files {
                manifest.insert(file.clone(), module(content, &sources));
            }
            let text = manifest.text().unwrap();
            prop_assert_eq!(Manifest::parse(text.as_bytes()).unwrap(), manifest);
        }

        #[test]
        fn exactly_the_sources_that_differ_are_named(
            sources in prop::collection::btree_map("[a-z]{1,4}", "[a-z]{1,4}", 0..8),
            changed in prop::collection::btree_set("[a-z]{1,4}", 0..8),
            gone in prop::collection::btree_set("[a-z]{1,4}", 0..8),
        ) {
            let list: Vec<_> = sources.clone().into_iter().collect();
            let module = module("m", &list);
            let now = |path: &str| {
                let text = sources.get(path).filter(|_| !gone.contains(path))?;
                Some(Digest::of(if changed.contains(path) { "CHANGED" } else { text }))
            };
            let expected: Vec<&str> = sources
                .keys()
                .filter(|path| changed.contains(*path) || gone.contains(*path))
                .map(String::as_str)
                .collect();
            prop_assert_eq!(module.changed(now), expected);
        }
    }
}
