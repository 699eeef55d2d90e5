//! Which state a hardening judges: the governed state without the documents that the hardening
//! itself writes. So the documents of one run do not make the next run find another state.

use super::FOLDER;
use crate::baseline::governed::RECORD;
use crate::baseline::{Manifest, ManifestError, Mode, Node, TreeEntry, TreePath};
use crate::form::canonical::NotCanonical;
use crate::form::digest::Digest;
use crate::state::index::{self, IndexEntry};
use crate::state::layout::ARTEFACTS;

/// Why entries are not those of a state.
#[derive(Debug, thiserror::Error)]
pub enum NoSubject {
    #[error(transparent)]
    Record(#[from] NotCanonical),
    #[error(transparent)]
    Tree(#[from] ManifestError),
}

/// Returns the digest of a state. `entries` are those of its baseline or of the state as it was
/// read, sorted; `record` is its record of artefacts, sorted.
pub fn digest(entries: &[TreeEntry], record: &[IndexEntry]) -> Result<Digest, NoSubject> {
    let mut kept: Vec<TreeEntry> = entries
        .iter()
        .filter(|entry| !is_own(&entry.path.text()))
        .cloned()
        .collect();
    let others: Vec<IndexEntry> = record
        .iter()
        .filter(|entry| !is_below(&entry.path))
        .cloned()
        .collect();
    let text = index::json(&others)?;
    kept.push(TreeEntry {
        path: TreePath::from_text(RECORD)?,
        node: Node::File {
            mode: Mode::of(0o644),
            sha256: Digest::of(&text),
            size: text.len() as u64,
        },
    });
    kept.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(Digest::of(Manifest::new(kept)?.to_text()))
}

/// Returns whether an artefact is one of the documents.
pub fn is_below(artefact: &str) -> bool {
    artefact
        .strip_prefix(FOLDER)
        .is_some_and(|rest| rest.starts_with('/'))
}

/// Returns whether an entry of a state follows from the documents: they themselves, the INDEX that
/// lists them, and the record.
fn is_own(path: &str) -> bool {
    let Some(artefact) = path
        .strip_prefix(ARTEFACTS)
        .and_then(|rest| rest.strip_prefix('/'))
    else {
        return path == RECORD;
    };
    artefact == FOLDER || is_below(artefact) || [index::JSON, index::MARKDOWN].contains(&artefact)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> TreeEntry {
        TreeEntry {
            path: TreePath::from_text(path).unwrap(),
            node: Node::File {
                mode: Mode::of(0o644),
                sha256: Digest::of(text),
                size: text.len() as u64,
            },
        }
    }

    fn folder(path: &str) -> TreeEntry {
        TreeEntry {
            path: TreePath::from_text(path).unwrap(),
            node: Node::Folder {
                mode: Mode::of(0o755),
            },
        }
    }

    fn on_record(path: &str) -> IndexEntry {
        IndexEntry {
            bytes: 1,
            mission: "MISSION-000001".to_owned(),
            path: path.to_owned(),
            sha256: Digest::of(path),
        }
    }

    #[test]
    fn own_documents_make_no_other_state_and_everything_else_does() {
        let before = vec![
            folder("artefacts"),
            file("config.json", "{}"),
            folder("databases"),
            file(RECORD, "before"),
        ];
        let after = vec![
            folder("artefacts"),
            file("artefacts/INDEX.json", "i"),
            file("artefacts/INDEX.md", "i"),
            folder("artefacts/tier1"),
            file("artefacts/tier1/A_v0.1.md", "a"),
            file("config.json", "{}"),
            folder("databases"),
            file(RECORD, "after"),
        ];
        let same = digest(&before, &[]).unwrap();
        assert_eq!(
            digest(&after, &[on_record("tier1/A_v0.1.md")]).unwrap(),
            same
        );
        assert_ne!(digest(&before, &[on_record("b/B_v1.0.md")]).unwrap(), same);
        let mut more = before.clone();
        more.insert(1, file("artefacts/tier1.md", "x"));
        assert_ne!(digest(&more, &[]).unwrap(), same);
        let mut config = before;
        config[1] = file("config.json", "{ }");
        assert_ne!(digest(&config, &[]).unwrap(), same);
    }

    #[test]
    fn only_the_folder_of_the_documents_counts_as_theirs() {
        assert!(is_below("tier1/A_v0.1.md"));
        assert!(!is_below("tier1"));
        assert!(!is_below("tier10/A_v0.1.md"));
        assert!(!is_below("a/tier1/A_v0.1.md"));
    }
}
