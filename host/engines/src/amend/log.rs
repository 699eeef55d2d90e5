//! `amendment_log.json`: which amendments made which documents out of which. Nothing in it depends
//! on the time or the machine, so that the same amendments of the same documents give the same
//! bytes. Reads and writes no files.

use std::collections::BTreeMap;

use coo_kernel::form::canonical;
use coo_kernel::form::digest::Digest;
use serde::{Deserialize, Serialize};

use super::{Amendments, Applied, Escalation, Outcome, patch};

/// The format of `amendment_log.json`.
pub const LOG_FORMAT: &str = "coo-amendment-log/1";

/// What `amendment_log.json` says, without its format.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Log {
    amendments: Vec<Applied>,
    amendments_sha256: Digest,
    config_sha256: Digest,
    /// Every document that the amendments name.
    pub documents: Vec<Touched>,
}

impl Log {
    /// Returns the text of `amendment_log.json`.
    pub fn to_text(&self) -> Result<String, canonical::NotCanonical> {
        #[derive(Serialize)]
        struct File<'a> {
            format: &'static str,
            #[serde(flatten)]
            log: &'a Log,
        }
        canonical::to_string(&File {
            format: LOG_FORMAT,
            log: self,
        })
    }

    /// Returns the log of a change without amendments.
    pub fn empty(amendments_sha256: Digest, config_sha256: Digest) -> Self {
        Self {
            amendments: Vec::new(),
            amendments_sha256,
            config_sha256,
            documents: Vec::new(),
        }
    }
}

/// A document in the log, by its content before and after.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Touched {
    pub after_sha256: Digest,
    before_sha256: Digest,
    /// The path from the top of the repository.
    pub path: String,
}

/// The part of a log that says which amendments and documents it is about.
#[derive(Deserialize)]
struct Earlier {
    amendments_sha256: Digest,
    documents: Vec<Touched>,
}

/// The part of a log that later stages of a change read.
#[derive(Debug, Deserialize)]
pub struct Summary {
    pub amendments: Vec<serde_json::Value>,
    pub documents: Vec<Touched>,
}

/// Amendments, and those of the named documents that exist.
pub struct Given {
    pub amendments: Amendments,
    /// The digest of the configuration that names the amendments.
    pub config_sha256: Digest,
    /// Texts, by path.
    pub documents: BTreeMap<String, String>,
}

/// Amendments applied in memory; nothing is written yet.
#[derive(Debug)]
pub struct Prepared {
    pub outcome: Outcome,
    /// The changes as a patch.
    pub patch: String,
    pub log: Log,
}

impl Given {
    /// Returns whether the amendments of an earlier log made the documents what they are. Without
    /// this check, an insertion could be applied twice.
    pub fn is_applied_by(&self, log: &[u8]) -> Result<bool, serde_json::Error> {
        let earlier: Earlier = serde_json::from_slice(log)?;
        let is_there = |document: &Touched| {
            let found = self.documents.get(&document.path);
            found.is_some_and(|text| Digest::of(text) == document.after_sha256)
        };
        Ok(earlier.amendments_sha256 == self.amendments.sha256
            && earlier.documents.iter().all(is_there))
    }

    /// Returns the log for the case that the documents already are as amended.
    pub fn log_of_nothing(&self) -> Log {
        let documents = self.documents.iter().map(|(path, text)| Touched {
            after_sha256: Digest::of(text),
            before_sha256: Digest::of(text),
            path: path.clone(),
        });
        Log {
            documents: documents.collect(),
            ..Log::empty(self.amendments.sha256, self.config_sha256)
        }
    }

    /// Applies the amendments to the documents, in memory.
    pub fn prepare(&self) -> Result<Prepared, Box<Escalation>> {
        let outcome = self.amendments.apply(&self.documents)?;
        let documents = outcome.documents.iter().map(|(path, amended)| Touched {
            after_sha256: Digest::of(&amended.after),
            before_sha256: Digest::of(&amended.before),
            path: path.clone(),
        });
        Ok(Prepared {
            log: Log {
                amendments: outcome.log.clone(),
                documents: documents.collect(),
                ..Log::empty(self.amendments.sha256, self.config_sha256)
            },
            patch: patch(&outcome.documents),
            outcome,
        })
    }
}

#[cfg(test)]
mod tests {
    use coo_kernel::form::canonical;

    use super::*;

    fn given(document: &str) -> Given {
        let file = r#"{"format":"coo-amendments-1","amendments":[{"id":"A-1","document":"d.md","anchor":{"clause":"[P-1]"},"operation":"insert_after","text":"- [P-2] Two.\n"}]}"#;
        Given {
            amendments: Amendments::parse(file.as_bytes()).unwrap(),
            config_sha256: Digest::of("c"),
            documents: BTreeMap::from([("d.md".to_owned(), document.to_owned())]),
        }
    }

    #[test]
    fn a_log_shows_later_that_its_amendments_are_applied() {
        let before = given("- [P-1] One.\n");
        let prepared = before.prepare().unwrap();
        let log = canonical::to_string(&prepared.log).unwrap();
        let after = given(&prepared.outcome.documents["d.md"].after);
        assert!(after.is_applied_by(log.as_bytes()).unwrap());
        assert!(!before.is_applied_by(log.as_bytes()).unwrap());
        let other = log.replace(
            &before.amendments.sha256.to_string(),
            &Digest::of("x").to_string(),
        );
        assert!(!after.is_applied_by(other.as_bytes()).unwrap());
        assert!(after.is_applied_by(b"{").is_err());

        let nothing = canonical::to_string(&after.log_of_nothing()).unwrap();
        assert!(after.is_applied_by(nothing.as_bytes()).unwrap());
        let summary: Summary = serde_json::from_str(&nothing).unwrap();
        assert_eq!((summary.amendments.len(), summary.documents.len()), (0, 1));
    }
}
