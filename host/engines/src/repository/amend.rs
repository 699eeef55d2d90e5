//! Amendments of documents (packet §4): read, applied one after the other in the order of their
//! ids, all or none. An anchor that is not there, or there more than once, halts everything and
//! says so in an escalation; nothing is guessed. Knows documents as text and touches none.

mod anchor;
mod patch;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

pub use anchor::{Anchor, Candidate, Document, Extent};
pub use patch::patch;

use coo_kernel::baseline::TreePath;
use coo_kernel::form::digest::Digest;
use coo_kernel::root::layout::is_name;

use super::scope::Scope;

/// What a file of amendments says it is.
pub const FORMAT: &str = "coo-amendments-1";
/// Longest file of amendments, in bytes: it is written and approved by people.
pub const BYTES_MAX: u64 = 16 << 20;
/// More than anybody reads before saying yes.
const AMENDMENTS_MAX: usize = 10_000;

/// What is done where the anchor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// The text comes before the extent of the anchor.
    InsertBefore,
    /// The text comes after it.
    InsertAfter,
    /// The text takes its place.
    Replace,
    /// It goes.
    Delete,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::InsertBefore => "insert_before",
            Self::InsertAfter => "insert_after",
            Self::Replace => "replace",
            Self::Delete => "delete",
        })
    }
}

/// One amendment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amendment {
    /// Unique; amendments are applied in its order, by bytes.
    pub id: String,
    /// The document, from the top of the repository.
    pub document: String,
    /// Where in it.
    pub anchor: Anchor,
    /// How much of it the anchor means; left out, a clause or a section whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extent: Option<Extent>,
    /// What is done there.
    pub operation: Operation,
    /// Whole lines; `delete` has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Why, for the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    amendments: Vec<Amendment>,
}

/// Amendments that may be applied, sorted by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amendments {
    sorted: Vec<Amendment>,
    /// Digest of the file they were read from.
    pub sha256: Digest,
}

/// Why amendments can't be applied at all: nothing is searched then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The file is not one of amendments.
    #[error("is no file of amendments: {0}")]
    Form(String),
    /// An amendment that contradicts itself.
    #[error("amendment '{id}': {what}")]
    Amendment {
        /// Its id.
        id: String,
        /// What is wrong with it.
        what: String,
    },
    /// A document that is not given.
    #[error("amendment '{id}': document '{document}' is not one of [amend] documents")]
    Document {
        /// The amendment.
        id: String,
        /// What it wants to amend.
        document: String,
    },
}

/// The one artefact of a halt (packet §4.3), and why nothing was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Escalation {
    /// The amendment that failed.
    pub amendment_id: String,
    /// Every place that could be meant, where there are several.
    pub candidates_found: Vec<Candidate>,
    /// The document that was searched.
    pub document: String,
    /// What was searched, normalised as it was compared.
    pub searched_anchor: String,
    /// `MissingAnchor` or `AmbiguousAnchor`.
    #[serde(rename = "type")]
    pub kind: Halt,
}

/// Why amending halts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Halt {
    /// The anchor is nowhere.
    MissingAnchor,
    /// The anchor is in several places.
    AmbiguousAnchor,
}

impl Escalation {
    /// The file it is written to.
    pub fn file(&self) -> String {
        format!("escalation_{}.json", self.amendment_id)
    }
}

/// What became of one amendment: a line of `amendment_log.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// Digest of the document after it.
    pub after_sha256: Digest,
    /// As it was given.
    pub amendment: Amendment,
    /// Digest of the document before it.
    pub before_sha256: Digest,
    /// First line of the extent, before it; the first of a document is 1.
    pub line: usize,
    /// Lines of the extent, before it.
    pub lines: usize,
    /// 1, 2, …
    pub sequence_id: usize,
}

/// A document, before and after all amendments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amended {
    /// As it was.
    pub before: String,
    /// As it is to be.
    pub after: String,
}

/// Everything applied: nothing is written yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The documents that amendments name, by path.
    pub documents: BTreeMap<String, Amended>,
    /// What was done, in order.
    pub log: Vec<Applied>,
}

impl Amendments {
    /// Reads a file of amendments.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refused> {
        let file: File =
            serde_json::from_slice(bytes).map_err(|error| Refused::Form(error.to_string()))?;
        if file.format != FORMAT {
            let found: String = file.format.escape_debug().take(40).collect();
            return Err(Refused::Form(format!(
                "has format '{found}', this build reads {FORMAT}"
            )));
        }
        if file.amendments.is_empty() || file.amendments.len() > AMENDMENTS_MAX {
            return Err(Refused::Form(format!(
                "has {} amendments; there must be 1 to {AMENDMENTS_MAX}",
                file.amendments.len()
            )));
        }
        let mut sorted = file.amendments;
        sorted.sort_by(|a, b| a.id.cmp(&b.id));
        let mut ids = BTreeSet::new();
        for amendment in &sorted {
            let refused = |what: &str| Refused::Amendment {
                id: amendment.id.escape_debug().take(64).collect(),
                what: what.to_owned(),
            };
            amendment.check().map_err(|what| refused(&what))?;
            if !ids.insert(&amendment.id) {
                return Err(refused("another one has this id; give each its own"));
            }
        }
        Ok(Self {
            sorted,
            sha256: Digest::of(bytes),
        })
    }

    /// The documents that are named, sorted, with one of the amendments that name each.
    pub fn documents(&self) -> BTreeMap<&str, &str> {
        let named = self.sorted.iter();
        named
            .map(|amendment| (amendment.document.as_str(), amendment.id.as_str()))
            .collect()
    }

    /// How many there are; never 0.
    #[allow(clippy::len_without_is_empty, reason = "there is at least one")]
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// Whether every document is one that may be amended.
    pub fn stay_within(&self, scope: &Scope) -> Result<(), Refused> {
        for (document, id) in self.documents() {
            if !scope.has(document) {
                return Err(Refused::Document {
                    id: id.to_owned(),
                    document: document.escape_debug().take(200).collect(),
                });
            }
        }
        Ok(())
    }

    /// Applies all of them to `documents`. Each finds its anchor in what those before it left;
    /// in a document that is not given there is none.
    pub fn apply(&self, documents: &BTreeMap<String, String>) -> Result<Outcome, Box<Escalation>> {
        let mut documents: BTreeMap<String, Amended> = documents
            .iter()
            .map(|(path, before)| {
                let (before, after) = (before.clone(), before.clone());
                (path.clone(), Amended { before, after })
            })
            .collect();
        let mut log = Vec::with_capacity(self.sorted.len());
        for amendment in &self.sorted {
            let halt = |kind, candidates_found| {
                Box::new(Escalation {
                    amendment_id: amendment.id.clone(),
                    candidates_found,
                    document: amendment.document.clone(),
                    searched_anchor: amendment.anchor.searched(),
                    kind,
                })
            };
            let Some(amended) = documents.get_mut(&amendment.document) else {
                return Err(halt(Halt::MissingAnchor, Vec::new()));
            };
            let document = Document::read(&amended.after);
            let found = document.locate(&amendment.anchor);
            let place = match found.as_slice() {
                [] => return Err(halt(Halt::MissingAnchor, Vec::new())),
                [line] => document.extent(*line, &amendment.anchor, amendment.extent()),
                lines => return Err(halt(Halt::AmbiguousAnchor, document.candidates(lines))),
            };
            let line = place.start + 1;
            let lines = place.len();
            let text = amendment.text.as_deref().unwrap_or_default();
            let after = document.with(place, amendment.operation, text);
            log.push(Applied {
                after_sha256: Digest::of(&after),
                amendment: amendment.clone(),
                before_sha256: Digest::of(&amended.after),
                line,
                lines,
                sequence_id: log.len() + 1,
            });
            amended.after = after;
        }
        Ok(Outcome { documents, log })
    }
}

impl Amendment {
    fn extent(&self) -> Extent {
        self.extent.unwrap_or(match self.anchor {
            Anchor::Clause(_) => Extent::Clause,
            Anchor::Header(_) => Extent::Section,
        })
    }

    fn check(&self) -> Result<(), String> {
        if !is_name(&self.id) {
            return Err("its id must be 1 to 64 of A-Z a-z 0-9 . _ - and begin with a letter, a digit or _: an escalation is named after it".to_owned());
        }
        if self.document.contains(['%', '\\']) || self.document.contains(char::is_control) {
            return Err(
                "its document has a %, a \\ or a control character in its path; rename that"
                    .to_owned(),
            );
        }
        if TreePath::from_text(&self.document).is_err() {
            return Err("its document is no path from the top of the repository".to_owned());
        }
        self.anchor.check(self.extent())?;
        match (self.operation, self.text.as_deref()) {
            (Operation::Delete, None) => Ok(()),
            (Operation::Delete, Some(_)) => Err("deletes, and has a text; leave it out".to_owned()),
            (_, None | Some("")) => Err("has no text; give one, or delete".to_owned()),
            (_, Some(text)) if text.contains('\r') => {
                Err("its text has a carriage return; end lines with \\n, they get the document's own ends".to_owned())
            }
            (_, Some(text)) if text.contains('\0') => Err("its text has a NUL".to_owned()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
