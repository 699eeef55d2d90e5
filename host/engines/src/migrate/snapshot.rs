//! Snapshots of a migration (packet §9.1): the files of the new package and the results of its
//! tests, and the differences between two snapshots. Reads no disk itself.

use coo_kernel::baseline::{Node, TreeEntry, TreePath};
use coo_kernel::form::digest::Digest;
use serde::{Deserialize, Serialize};

use crate::repository::test_results::TestResults;

/// The version that every snapshot declares.
pub const VERSION: &str = "1.0";
/// Most changed files that are named; further ones are only counted.
const NAMED_MAX: usize = 20;

/// The files of a package and its test results. Fields stand in key order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// Every file below the new package's folder, sorted by path.
    pub files: Vec<File>,
    pub manifest_version: String,
    pub test_results: TestResults,
}

/// A file in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct File {
    /// The path from the top of the repository.
    pub path: String,
    pub sha256: Digest,
}

/// Why a snapshot cannot be made: the package holds something other than files and folders.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{path}' is a {kind}, and a snapshot holds files")]
pub struct SnapshotError {
    path: String,
    kind: &'static str,
}

impl SnapshotError {
    /// Returns what the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some("take it out of the package")
    }
}

impl Snapshot {
    /// Makes a snapshot of the files below `folder`, taken from all entries in `found`.
    pub fn of(
        folder: &TreePath,
        found: &[TreeEntry],
        test_results: TestResults,
    ) -> Result<Self, SnapshotError> {
        let mut files = Vec::new();
        for entry in found {
            if !entry.path.is_within(folder) {
                continue;
            }
            let path = entry.path.text();
            match &entry.node {
                Node::File { sha256, .. } => files.push(File {
                    path,
                    sha256: *sha256,
                }),
                Node::Folder { .. } => {}
                Node::Link { .. } | Node::Closed { .. } | Node::Other(_) => {
                    let kind = entry.node.kind();
                    return Err(SnapshotError { path, kind });
                }
            }
        }
        files.sort_unstable();
        Ok(Self {
            files,
            manifest_version: VERSION.to_owned(),
            test_results,
        })
    }

    /// Returns the differences of `other` from this snapshot, one line each; empty if they are
    /// equal.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        let digest = |files: &[File], path: &str| {
            let place = files.binary_search_by(|file| file.path.as_str().cmp(path));
            place.ok().map(|place| files[place].sha256)
        };
        for file in &self.files {
            match digest(&other.files, &file.path) {
                None => lines.push(format!("file {} is gone", file.path)),
                Some(sha256) if sha256 != file.sha256 => {
                    lines.push(format!("file {} has other content", file.path));
                }
                Some(_) => {}
            }
        }
        let new = other
            .files
            .iter()
            .filter(|file| digest(&self.files, &file.path).is_none());
        lines.extend(new.map(|file| format!("file {} is new", file.path)));
        if lines.len() > NAMED_MAX {
            let more = lines.len() - NAMED_MAX;
            lines.truncate(NAMED_MAX);
            lines.push(format!("{more} more files"));
        }
        if self.test_results != other.test_results {
            lines.push(format!(
                "tests: {}, then {}",
                self.test_results, other.test_results
            ));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::repository::test_results::Counts;
    use coo_kernel::baseline::Mode;

    fn results(passed: u64) -> TestResults {
        let counts = Counts {
            passed,
            ..Counts::default()
        };
        TestResults::new(counts, 0)
    }

    fn entry(path: &str, content: Option<&str>) -> TreeEntry {
        let mode = Mode::of(0o644);
        TreeEntry {
            path: TreePath::from_text(path).unwrap(),
            node: match content {
                Some(content) => Node::File {
                    mode,
                    sha256: Digest::of(content),
                    size: content.len() as u64,
                },
                None => Node::Folder { mode },
            },
        }
    }

    fn snapshot(entries: &[TreeEntry], passed: u64) -> Snapshot {
        Snapshot::of(
            &TreePath::from_text("coo").unwrap(),
            entries,
            results(passed),
        )
        .unwrap()
    }

    #[test]
    fn only_files_of_the_package_count_and_every_difference_is_named() {
        let first = snapshot(
            &[
                entry("coo", None),
                entry("coo/a.py", Some("a")),
                entry("coo/b.py", Some("b")),
                entry("coo_x.py", Some("x")),
            ],
            2,
        );
        let text = coo_kernel::form::canonical::to_string(&first).unwrap();
        assert!(
            text.starts_with(r#"{"files":[{"path":"coo/a.py","sha256":"#),
            "{text}"
        );
        assert!(
            text.ends_with(r#""manifest_version":"1.0","test_results":{"exit_code":0,"failed":0,"passed":2,"skipped":0}}"#),
            "{text}"
        );
        let second = snapshot(
            &[entry("coo/a.py", Some("A")), entry("coo/c.py", Some("c"))],
            3,
        );
        assert_eq!(
            first.differences(&second),
            [
                "file coo/a.py has other content",
                "file coo/b.py is gone",
                "file coo/c.py is new",
                "tests: 2 passed, 0 failed, 0 skipped, exit code 0, then 3 passed, 0 failed, 0 skipped, exit code 0",
            ]
        );
        let link = TreeEntry {
            node: Node::Link {
                target: b"x".to_vec(),
            },
            ..entry("coo/l", None)
        };
        let folder = TreePath::from_text("coo").unwrap();
        assert!(Snapshot::of(&folder, &[link], results(1)).is_err());
    }

    proptest! {
        /// The packet's own definition of equality, stated a second time.
        #[test]
        fn no_difference_is_the_packets_equality(
            a in prop::collection::btree_map("coo/[ab]", "[xy]", 0..3), p in 0_u64..2,
            b in prop::collection::btree_map("coo/[ab]", "[xy]", 0..3), q in 0_u64..2,
        ) {
            let of = |files: &std::collections::BTreeMap<String, String>, passed| {
                let entries: Vec<TreeEntry> =
                    files.iter().map(|(path, content)| entry(path, Some(content))).collect();
                snapshot(&entries, passed)
            };
            let (first, second) = (of(&a, p), of(&b, q));
            let equal = first.files == second.files && first.test_results == second.test_results;
            prop_assert_eq!(first.differences(&second).is_empty(), equal);
        }
    }
}
