//! The INDEX of artefacts: what was written by which mission, in a form for machines and one for
//! people, and how the files on disk differ from it (Tier-1 plan FP-3.3). Nothing here reads a
//! disk.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::form::canonical::{self, NotCanonical};
use crate::form::digest::Digest;

/// The form for machines, beside the artefacts. No artefact can have this name, because it has no
/// version.
pub const JSON: &str = "INDEX.json";
/// The form for people.
pub const MARKDOWN: &str = "INDEX.md";

/// An artefact whose write-ahead intent was committed and whose file was made. Fields stand in key
/// order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an artefact on record")]
pub struct IndexEntry {
    pub bytes: u64,
    /// The mission that first wrote it, such as `MISSION-000001`.
    pub mission: String,
    /// Below `artefacts/`.
    pub path: String,
    /// Digest of the content.
    pub sha256: Digest,
}

#[derive(Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub(crate) struct Index<'a> {
    artefacts: &'a [IndexEntry],
    format: &'static str,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    artefacts: Vec<IndexEntry>,
    #[serde(rename = "format")]
    _format: String,
}

/// Why bytes are not an INDEX.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoIndex {
    /// Not JSON of the right form.
    #[error("is not an INDEX of artefacts: {0}")]
    Form(String),
    /// Not as `json` prints it: another format, order or spacing.
    #[error("is not an INDEX of artefacts in its canonical form")]
    NotCanonical,
}

/// Returns `INDEX.json`. `entries` must be sorted by path; equal entries give equal bytes.
pub fn json(entries: &[IndexEntry]) -> Result<String, NotCanonical> {
    let index = Index {
        artefacts: entries,
        format: "coo-index/1",
    };
    Ok(canonical::to_string_sorted(&index)? + "\n")
}

/// Reads bytes that `json` printed, and refuses any other.
pub fn parse(bytes: &[u8]) -> Result<Vec<IndexEntry>, NoIndex> {
    let form: Form = serde_json::from_slice(bytes).map_err(|e| NoIndex::Form(e.to_string()))?;
    let is_sorted = form.artefacts.is_sorted_by(|a, b| a.path < b.path);
    let is_printed = |text: String| text.as_bytes() == bytes;
    if is_sorted && json(&form.artefacts).is_ok_and(is_printed) {
        Ok(form.artefacts)
    } else {
        Err(NoIndex::NotCanonical)
    }
}

/// Returns `INDEX.md`. Paths and ids contain no character that is special in Markdown.
pub fn markdown(entries: &[IndexEntry]) -> String {
    let mut text = String::from(
        "# Artefacts\n\nWritten by coo; 'coo artefacts check' compares it with what is here.\n\n\
         | Path | Bytes | Mission | SHA-256 |\n|---|---:|---|---|\n",
    );
    for entry in entries {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            entry.path, entry.bytes, entry.mission, entry.sha256
        );
    }
    text
}

/// What was found at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A file with this content.
    File(Digest),
    /// Something that is not a file: "a symbolic link", "a pipe".
    Else(&'static str),
}

/// A difference between the disk and the INDEX.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(tag = "drift", rename_all = "snake_case")]
pub enum Drift {
    /// Recorded, but absent.
    Missing {
        /// Below `artefacts/`.
        path: String,
    },
    /// Recorded, and present with other content.
    Changed {
        /// Below `artefacts/`.
        path: String,
        recorded: Digest,
        found: Digest,
    },
    /// Recorded as a file, and present as something else.
    Replaced {
        /// Below `artefacts/`.
        path: String,
        found: &'static str,
    },
    /// Present, but not recorded.
    Extra {
        /// Below `artefacts/`.
        path: String,
    },
    /// `INDEX.json` or `INDEX.md` differs from what the record gives.
    Index {
        /// Which of them.
        path: String,
    },
}

impl Drift {
    /// Returns the path it is about.
    pub fn path(&self) -> &str {
        match self {
            Self::Missing { path }
            | Self::Changed { path, .. }
            | Self::Replaced { path, .. }
            | Self::Extra { path }
            | Self::Index { path } => path,
        }
    }
}

/// Returns every drift, sorted by path. `found` must hold everything below `artefacts/` that is
/// not a folder, including the two forms of the INDEX.
pub fn compare(
    entries: &[IndexEntry],
    found: &BTreeMap<String, Found>,
) -> Result<Vec<Drift>, NotCanonical> {
    let recorded = entries
        .iter()
        .map(|entry| (entry.path.as_str(), entry.sha256));
    let forms = [(JSON, json(entries)?), (MARKDOWN, markdown(entries))];
    Ok(drifts(recorded, &forms, found))
}

/// Returns every difference between `recorded` and `found`, sorted by path; `forms` are the files
/// of the INDEX itself.
pub(crate) fn drifts<'a>(
    recorded: impl Iterator<Item = (&'a str, Digest)>,
    forms: &[(&str, String); 2],
    found: &BTreeMap<String, Found>,
) -> Vec<Drift> {
    let recorded: BTreeMap<&str, Digest> = recorded.collect();
    let mut drifts = Vec::new();
    for (&path, &wanted) in &recorded {
        let at = path.to_owned();
        match found.get(path) {
            None => drifts.push(Drift::Missing { path: at }),
            Some(Found::File(digest)) if *digest == wanted => {}
            Some(&Found::File(found)) => drifts.push(Drift::Changed {
                path: at,
                recorded: wanted,
                found,
            }),
            Some(&Found::Else(found)) => drifts.push(Drift::Replaced { path: at, found }),
        }
    }
    for (name, text) in forms {
        let expected = Found::File(Digest::of(text));
        let found = found.get(*name);
        // Before the first entry there is no INDEX.
        if found != Some(&expected) && !(recorded.is_empty() && found.is_none()) {
            drifts.push(Drift::Index {
                path: (*name).into(),
            });
        }
    }
    for path in found.keys() {
        let is_form = forms.iter().any(|(name, _)| name == path);
        if !recorded.contains_key(path.as_str()) && !is_form {
            drifts.push(Drift::Extra { path: path.clone() });
        }
    }
    drifts.sort_by(|a, b| a.path().cmp(b.path()));
    drifts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Vec<IndexEntry> {
        ["a/A_v1.0.md", "b/B_v1.0.md"]
            .iter()
            .map(|path| IndexEntry {
                bytes: path.len() as u64,
                mission: "MISSION-000001".to_owned(),
                path: (*path).to_owned(),
                sha256: Digest::of(path),
            })
            .collect()
    }

    fn in_order(entries: &[IndexEntry]) -> BTreeMap<String, Found> {
        let mut found: BTreeMap<_, _> = entries
            .iter()
            .map(|entry| (entry.path.clone(), Found::File(entry.sha256)))
            .collect();
        let json = json(entries).unwrap();
        found.insert(JSON.into(), Found::File(Digest::of(json)));
        found.insert(MARKDOWN.into(), Found::File(Digest::of(markdown(entries))));
        found
    }

    #[test]
    fn both_forms_name_every_entry() {
        let entries = entries();
        let text = json(&entries).unwrap();
        assert!(text.starts_with(r#"{"artefacts":[{"bytes":11,"mission":"MISSION-000001","path":"a/A_v1.0.md","sha256":""#));
        assert!(text.ends_with("\"}],\"format\":\"coo-index/1\"}\n"));
        assert_eq!(markdown(&entries).lines().count(), 8);
    }

    #[test]
    fn only_what_was_printed_is_read() {
        for entries in [entries(), Vec::new()] {
            let text = json(&entries).unwrap();
            assert_eq!(parse(text.as_bytes()), Ok(entries));
            for other in [
                text.replace("coo-index/1", "coo-index/2"),
                text.trim_end().to_owned(),
                text.replace(':', ": "),
            ] {
                assert_eq!(parse(other.as_bytes()), Err(NoIndex::NotCanonical));
            }
        }
        let mut turned = entries();
        turned.reverse();
        let text = json(&turned).unwrap();
        assert_eq!(parse(text.as_bytes()), Err(NoIndex::NotCanonical));
        assert!(matches!(parse(b"{}"), Err(NoIndex::Form(_))));
        assert!(matches!(parse(b"\xff"), Err(NoIndex::Form(_))));
    }

    #[test]
    fn every_kind_of_drift_is_found_and_named() {
        let entries = entries();
        let order = in_order(&entries);
        assert_eq!(compare(&entries, &order).unwrap(), []);
        assert_eq!(compare(&[], &BTreeMap::new()).unwrap(), []);

        let path = || entries[1].path.clone();
        let other = Digest::of("other");
        let drift = |path: &str, lies_there: Option<Found>| {
            let mut found = order.clone();
            found.remove(path);
            found.extend(lies_there.map(|it| (path.to_owned(), it)));
            let drifts = compare(&entries, &found).unwrap();
            assert_eq!(drifts.len(), 1, "{drifts:?}");
            drifts.into_iter().next().unwrap()
        };
        assert_eq!(drift(&path(), None), Drift::Missing { path: path() });
        assert_eq!(
            drift(&path(), Some(Found::File(other))),
            Drift::Changed {
                path: path(),
                recorded: entries[1].sha256,
                found: other
            }
        );
        assert_eq!(
            drift(&path(), Some(Found::Else("a symbolic link"))),
            Drift::Replaced {
                path: path(),
                found: "a symbolic link"
            }
        );
        assert_eq!(
            drift("x", Some(Found::File(other))),
            Drift::Extra { path: "x".into() }
        );
        for name in [JSON, MARKDOWN] {
            let index = Drift::Index { path: name.into() };
            assert_eq!(drift(name, None), index);
            assert_eq!(drift(name, Some(Found::File(other))), index);
        }
    }
}
