//! The documents that a hardening leaves as artefacts, and their versions: 0.1, 0.2 and so on, the
//! same for all of one run. Names only; their texts are in `completion` and `enhancement`.

use super::FOLDER;
use crate::effects::artefact::Artefact;
use crate::form::digest::Digest;
use crate::state::index::IndexEntry;

/// A document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Document {
    /// What stage 1 found, for the person who decides.
    Completion,
    /// The determinism suite, for programs.
    Determinism,
    /// What is in place of stage 2.
    Enhancement,
}

impl Document {
    /// Every document, sorted by path.
    pub const ALL: [Self; 3] = [Self::Determinism, Self::Enhancement, Self::Completion];

    const fn parts(self) -> (&'static str, &'static str) {
        match self {
            Self::Completion => ("Tier1_Hardening_Completion_Report", "md"),
            Self::Determinism => ("Tier1_Determinism_Report", "json"),
            Self::Enhancement => ("Tier1_Enhancement_Log", "md"),
        }
    }

    /// Returns the path below `artefacts/`. `minor` is the second number of the version.
    pub fn path(self, minor: u32) -> String {
        let (name, extension) = self.parts();
        format!("{FOLDER}/{name}_v0.{minor}.{extension}")
    }

    /// Returns the second number of the version, if `path` is one of this document.
    pub fn minor(self, path: &str) -> Option<u32> {
        let (name, extension) = self.parts();
        let rest = path.strip_prefix(FOLDER)?.strip_prefix('/')?;
        let rest = rest.strip_prefix(name)?.strip_prefix("_v0.")?;
        let number = rest.strip_suffix(extension)?.strip_suffix('.')?;
        number
            .parse()
            .ok()
            .filter(|minor| self.path(*minor) == path)
    }
}

/// Returns the last version on record, and 0 if there is none.
pub fn last(record: &[IndexEntry]) -> u32 {
    let minors = record.iter().flat_map(|entry| {
        let of = |document: Document| document.minor(&entry.path);
        Document::ALL.into_iter().filter_map(of)
    });
    minors.max().unwrap_or(0)
}

/// Returns whether all of `documents` are on record with their content.
pub fn are_on_record(documents: &[Artefact], record: &[IndexEntry]) -> bool {
    documents.iter().all(|document| {
        let like = |entry: &&IndexEntry| entry.path == document.path;
        record.iter().find(like).map(|entry| entry.sha256) == Some(document.sha256)
    })
}

/// Returns `content` as an artefact.
pub fn artefact(document: Document, minor: u32, content: &str) -> Artefact {
    Artefact {
        bytes: content.len() as u64,
        path: document.path(minor),
        sha256: Digest::of(content),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::effects::artefact::permit;
    use crate::mission::authority::{Authority, Governance, Policy};
    use crate::mission::descriptor::Descriptor;

    #[test]
    fn the_gateway_permits_every_document() {
        let descriptor = r#"{"format":"coo-mission/1","mission_type":"T","module":{"set":"demo"},"steps":[{"id":"a"}]}"#;
        let descriptor = Descriptor::parse(descriptor.as_bytes()).unwrap();
        let authority = Authority::of(&descriptor, &Policy::current(Governance::default()));
        let mut paths: Vec<String> = Document::ALL.map(|it| it.path(1)).into();
        for path in &paths {
            assert_eq!(permit(path).unwrap().path(), path);
            assert_eq!(authority.may_write(path), Ok(()));
        }
        assert_eq!(paths[2], "tier1/Tier1_Hardening_Completion_Report_v0.1.md");
        assert_eq!(paths[1], "tier1/Tier1_Enhancement_Log_v0.1.md");
        paths.sort();
        assert_eq!(paths, Document::ALL.map(|it| it.path(1)));
    }

    #[test]
    fn the_last_version_is_that_of_any_document_on_record() {
        let entry = |path: String| IndexEntry {
            bytes: 1,
            mission: "MISSION-000001".to_owned(),
            path,
            sha256: Digest::of("a"),
        };
        assert_eq!(last(&[]), 0);
        let record = [
            entry("a/B_v0.9.md".to_owned()),
            entry(Document::Determinism.path(11)),
            entry(Document::Completion.path(2)),
        ];
        assert_eq!(last(&record), 11);
        let there = artefact(Document::Completion, 2, "a");
        assert!(are_on_record(std::slice::from_ref(&there), &record));
        let other = artefact(Document::Completion, 2, "b");
        assert!(!are_on_record(&[there, other], &record));
        let missing = artefact(Document::Completion, 3, "a");
        assert!(!are_on_record(&[missing], &record));
    }

    proptest! {
        #[test]
        fn a_version_parses_back_and_nothing_else_does(minor in any::<u32>(), text in "(tier1/)?(Tier1_Enhancement_Log)?(_v0\\.)?[0-9]{0,3}(\\.md)?") {
            for document in Document::ALL {
                prop_assert_eq!(document.minor(&document.path(minor)), Some(minor));
            }
            if let Some(minor) = Document::Enhancement.minor(&text) {
                prop_assert_eq!(Document::Enhancement.path(minor), text);
            }
        }
    }
}
