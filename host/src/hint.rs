//! What the user can do about an error. A hint is a part of the error's value and never a mark in
//! its text, because text of others (a path, a guest, a server) becomes part of messages and must
//! not be able to imitate a hint. This file never prints; `cli/print.rs` does.

use std::error::Error as StdError;
use std::{fmt, io};

use anyhow::Error;
#[cfg(feature = "repository")]
use coo_engines::{
    migrate::{self, snapshot},
    python,
    repository::{test_results, text},
};
use coo_kernel::baseline::{self, NotAName, freeze, governed, lineage, rollback};
use coo_kernel::credentials::pairing;
use coo_kernel::form::{plain, strict};
use coo_kernel::journal::run_file;
use coo_kernel::llm::protocol;
use coo_kernel::mission::{MissionId, descriptor, failure, row};
use coo_kernel::module::structure;
use coo_kernel::pack;
use coo_kernel::project::manifest as build_manifest;

/// Adds a hint to an error, which keeps its message, its causes and the hints that it has.
pub trait Hint: Sized {
    /// The same with a hint.
    type Hinted;

    /// Adds a hint that is computed only if there is an error.
    fn with_hint<H: Into<String>>(self, hint: impl FnOnce() -> H) -> Self::Hinted;

    /// Adds a hint: an imperative without a full stop, or a sentence about a command.
    fn hint(self, hint: impl Into<String>) -> Self::Hinted {
        self.with_hint(|| hint)
    }
}

/// Returns what continues the interrupted mission `id`. `in_doubt`: a model call left and has no answer
/// on record.
pub fn to_resume(id: MissionId, in_doubt: bool) -> String {
    if in_doubt {
        format!(
            "the call may have been made and charged for; 'coo resume {id} --resend' sends it again and continues"
        )
    } else {
        format!("'coo resume {id}' continues where it stopped")
    }
}

/// Returns an error of input or output with a hint.
pub fn io_error(kind: io::ErrorKind, message: &str, hint: &str) -> io::Error {
    let error = Error::msg(message.to_owned());
    io::Error::new(
        kind,
        Hinted {
            error,
            hint: hint.to_owned(),
        },
    )
}

/// Returns `error` with the hints of another error, in their order.
pub fn with_all(error: Error, hints: impl IntoIterator<Item = String>) -> Error {
    hints.into_iter().fold(error, Hint::hint)
}

impl Hint for Error {
    type Hinted = Self;

    fn with_hint<H: Into<String>>(self, hint: impl FnOnce() -> H) -> Self {
        Self::new(Hinted {
            error: self,
            hint: hint().into(),
        })
    }
}

impl<T, E: Into<Error>> Hint for Result<T, E> {
    type Hinted = anyhow::Result<T>;

    fn with_hint<H: Into<String>>(self, hint: impl FnOnce() -> H) -> anyhow::Result<T> {
        self.map_err(|error| error.into().with_hint(hint))
    }
}

/// An error with a hint. It takes the place of the error in the chain.
#[derive(Debug)]
struct Hinted {
    error: Error,
    hint: String,
}

impl fmt::Display for Hinted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the causes, which follow in the chain.
        write!(f, "{}", self.error)
    }
}

impl StdError for Hinted {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.error.source()
    }
}

/// Returns the hints of an error and of its causes, each once. The cause of all comes first, because
/// it is to be removed first.
pub fn all(error: &Error) -> Vec<String> {
    let mut found = Vec::new();
    let causes: Vec<_> = error.chain().collect();
    for cause in causes.into_iter().rev() {
        collect(cause, &mut found);
    }
    found
}

fn collect(error: &(dyn StdError + 'static), found: &mut Vec<String>) {
    let hints = if let Some(hinted) = error.downcast_ref::<Hinted>() {
        collect(hinted.error.as_ref(), found);
        vec![hinted.hint.clone()]
    } else if let Some(inner) = error.downcast_ref().and_then(io::Error::get_ref) {
        // An error of input or output is not a link of the chain, but its inner error itself.
        return collect(inner, found);
    } else {
        typed(error)
    };
    for hint in hints {
        if !found.contains(&hint) {
            found.push(hint);
        }
    }
}

/// Returns the hints of an error of the kernel or the engines.
fn typed(error: &(dyn StdError + 'static)) -> Vec<String> {
    if let Some(error) = error.downcast_ref::<descriptor::DescriptorError>() {
        return error.hints();
    }
    if let Some(problems) = error.downcast_ref::<strict::Problems>() {
        return problems.others().collect();
    }
    one(error).into_iter().collect()
}

fn one(error: &(dyn StdError + 'static)) -> Option<String> {
    macro_rules! first_of {
        ($($kind:ty),* $(,)?) => {
            $(if let Some(error) = error.downcast_ref::<$kind>() {
                return error.hint().map(Into::into);
            })*
        };
    }
    first_of!(
        baseline::ManifestError,
        build_manifest::ManifestError,
        failure::Failure,
        freeze::FreezeError,
        governed::GovernedError,
        lineage::NotItsEnd,
        NotAName,
        pack::NotApproved,
        pack::PackError,
        pairing::NoHost,
        pairing::Unpaired,
        protocol::Failure,
        rollback::Aborted,
        rollback::RollbackRefused,
        row::EngineChanged,
        run_file::RunFileError,
        structure::TooLarge,
    );
    #[cfg(feature = "repository")]
    first_of!(
        migrate::MigrationError,
        migrate::NoTree,
        python::SourceError,
        snapshot::SnapshotError,
        test_results::Unclear,
        text::NoText,
    );
    None
}

/// Returns an error and its hints as one text, for places that have no lines: a finding, a note, a
/// record.
pub fn flat(error: &Error) -> String {
    joined(format_args!("{error:#}"), all(error))
}

/// Returns a message and its hints as one text.
pub fn joined(message: impl fmt::Display, hints: impl IntoIterator<Item = String>) -> String {
    let mut text = message.to_string();
    for hint in hints {
        text.push_str("; ");
        text.push_str(&hint);
    }
    text
}

/// Returns the lines that show an error to a person: `ERROR: …`, and `hint: …` for each hint. No
/// text in it can begin a line of its own.
pub fn lines(error: &Error) -> String {
    let mut lines = format!("ERROR: {}\n", plain::error(&format!("{error:#}")));
    for hint in all(error) {
        lines.push_str("hint: ");
        lines.push_str(&plain::one_line(&hint));
        lines.push('\n');
    }
    lines
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};

    use super::*;

    #[test]
    fn hints_are_found_at_every_place_of_a_chain_the_cause_first_and_each_once() {
        let refused = baseline::ManifestError::Kind {
            path: "p".into(),
            kind: "pipe",
        };
        let error = Err::<(), _>(refused)
            .hint("look at it")
            .context("tree")
            .hint("again")
            .hint("look at it")
            .context("capture")
            .unwrap_err();
        assert_eq!(
            lines(&error),
            "ERROR: capture: tree: 'p' is a pipe, and a baseline holds files, folders and links\n\
             hint: remove it first\n\
             hint: look at it\n\
             hint: again\n"
        );
        assert_eq!(
            flat(&error),
            "capture: tree: 'p' is a pipe, and a baseline holds files, folders and links; \
             remove it first; look at it; again"
        );
    }

    #[test]
    fn a_hint_keeps_the_causes_of_its_error() {
        let error = Err::<(), _>(io::Error::from_raw_os_error(12))
            .context("it")
            .hint("do")
            .unwrap_err();
        assert!(error.chain().any(<dyn StdError>::is::<io::Error>));
    }

    #[test]
    fn no_text_begins_a_line() {
        let error = anyhow!("file 'a\nhint: b'").hint("move 'a\nhint: b'");
        assert_eq!(
            lines(&error),
            "ERROR: file 'a\\nhint: b'\nhint: move 'a\\nhint: b'\n"
        );
    }
}
