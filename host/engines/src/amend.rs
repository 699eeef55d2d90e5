//! Applies amendments to documents (packet §4): in the order of their ids, all or none. An anchor
//! that is missing or occurs more than once halts everything and is reported in an escalation;
//! nothing is guessed. Takes and returns documents as text; reads and writes no files.

mod anchor;
mod log;
mod patch;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

pub use anchor::{Anchor, Candidate, Document, Extent};
pub use log::{Given, LOG_FORMAT, Log, Prepared, Summary, Touched};
pub use patch::patch;

use coo_kernel::baseline::TreePath;
use coo_kernel::form::digest::Digest;
use coo_kernel::form::strict;
use coo_kernel::state::layout::is_name;

use crate::repository::scope::Scope;

/// The format that a file of amendments declares.
pub const FORMAT: &str = "coo-amendments-1";
/// Largest file of amendments, in bytes: people write and approve it.
pub const BYTES_MAX: u64 = 16 << 20;
/// Most amendments in a file: more could not be read before an approval.
const AMENDMENTS_MAX: usize = 10_000;

/// What an amendment does at its anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Puts the text before the anchor's extent.
    InsertBefore,
    /// Puts the text after the extent.
    InsertAfter,
    /// Replaces the extent with the text.
    Replace,
    /// Removes the extent.
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

/// An amendment, as the file of amendments gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Amendment {
    /// Unique. Amendments are applied in the byte order of their ids.
    pub id: String,
    /// The document's path from the top of the repository.
    pub document: String,
    pub anchor: Anchor,
    /// How much of the document the anchor covers. Default: the whole clause or section.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extent: Option<Extent>,
    pub operation: Operation,
    /// Whole lines; none for `delete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The reason, for the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

#[derive(Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    format: String,
    amendments: Vec<Amendment>,
}

/// Amendments that were read and checked, sorted by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amendments {
    sorted: Vec<Amendment>,
    /// The digest of the file they were read from.
    pub sha256: Digest,
}

/// Why amendments are refused before any anchor is searched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AmendmentError {
    /// The file is not a file of amendments.
    #[error("is not a file of amendments: {0}")]
    Form(String),
    /// The amendment contradicts itself.
    #[error("amendment '{id}': {what}")]
    Amendment {
        /// At most 64 characters, escaped.
        id: String,
        what: String,
    },
    /// The document is not one that may be amended.
    #[error("amendment '{id}': document '{document}' is not one of [amend] documents")]
    Document {
        id: String,
        /// At most 200 characters, escaped.
        document: String,
    },
}

/// The artefact of a halt (packet §4.3); says why nothing was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Escalation {
    pub amendment_id: String,
    /// Every matching place, if there are several.
    pub candidates_found: Vec<Candidate>,
    pub document: String,
    /// The anchor as it was compared, normalised.
    pub searched_anchor: String,
    #[serde(rename = "type")]
    pub kind: Halt,
}

/// Why amending halts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub enum Halt {
    /// The anchor was not found.
    MissingAnchor,
    /// The anchor was found in several places.
    AmbiguousAnchor,
}

impl Escalation {
    /// Returns the name of the file that holds the escalation.
    pub fn file(&self) -> String {
        format!("escalation_{}.json", self.amendment_id)
    }
}

/// The record of one applied amendment: an entry of `amendment_log.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Applied {
    pub after_sha256: Digest,
    pub amendment: Amendment,
    pub before_sha256: Digest,
    /// First line of the extent before the amendment, from 1.
    pub line: usize,
    /// Number of lines of the extent before the amendment.
    pub lines: usize,
    /// Counts from 1.
    pub sequence_id: usize,
}

/// A document before and after all amendments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amended {
    pub before: String,
    pub after: String,
}

/// The result of all amendments; nothing is written yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The documents that the amendments name, by path.
    pub documents: BTreeMap<String, Amended>,
    /// The applied amendments, in order.
    pub log: Vec<Applied>,
}

impl Amendments {
    /// Reads and checks a file of amendments.
    pub fn parse(bytes: &[u8]) -> Result<Self, AmendmentError> {
        let file: File =
            strict::read(bytes).map_err(|problems| AmendmentError::Form(problems.all()))?;
        if file.format != FORMAT {
            let found: String = file.format.escape_debug().take(40).collect();
            return Err(AmendmentError::Form(format!(
                "has format '{found}', this build reads {FORMAT}"
            )));
        }
        if file.amendments.is_empty() || file.amendments.len() > AMENDMENTS_MAX {
            return Err(AmendmentError::Form(format!(
                "has {} amendments; there must be 1 to {AMENDMENTS_MAX}",
                file.amendments.len()
            )));
        }
        let mut sorted = file.amendments;
        sorted.sort_by(|a, b| a.id.cmp(&b.id));
        let mut ids = BTreeSet::new();
        for amendment in &sorted {
            let refused = |what: &str| AmendmentError::Amendment {
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

    /// Returns the documents that are named, in order, each with the id of an amendment that names
    /// it.
    pub fn documents(&self) -> BTreeMap<&str, &str> {
        let named = self.sorted.iter();
        named
            .map(|amendment| (amendment.document.as_str(), amendment.id.as_str()))
            .collect()
    }

    /// Returns the number of amendments; at least 1.
    #[allow(clippy::len_without_is_empty, reason = "there is at least one")]
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// Fails if a document is not one that may be amended.
    pub fn stay_within(&self, scope: &Scope) -> Result<(), AmendmentError> {
        for (document, id) in self.documents() {
            if !scope.has(document) {
                return Err(AmendmentError::Document {
                    id: id.to_owned(),
                    document: document.escape_debug().take(200).collect(),
                });
            }
        }
        Ok(())
    }

    /// Applies all amendments to `documents`. Each searches its anchor in the result of those
    /// before it. An anchor in a document that is not given counts as missing.
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
            return Err("its document is not a path from the top of the repository".to_owned());
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
