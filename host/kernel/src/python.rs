//! Imports of Python sources, rewritten after a package has moved (packet §2.1). By the syntax
//! tree, and to the byte: what is no import of the moved package, or a use of one, stays as it
//! is. What can't be decided is a question and stays, too; nothing is guessed. Knows sources as
//! bytes and touches none.

mod dynamic;
mod edit;
mod faulty;
mod imports;
mod module;
mod names;
mod parse;
mod scope;
mod type_parameters;

use serde::Serialize;

pub use dynamic::{Dynamic, mentions, rewrite_mentions};
pub use module::{ModulePath, Move, Place};
pub use parse::{BYTES_MAX, Refused};

use edit::Edits;

/// One change of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Edit {
    /// The first line of a file is 1.
    pub line: usize,
    /// What stands there now.
    pub now: String,
    /// What stood there.
    pub was: String,
}

/// What can't be decided without a person.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Question {
    /// What could be done.
    pub answers: Vec<String>,
    /// Of what kind.
    pub kind: Kind,
    /// The first line of a file is 1.
    pub line: usize,
    /// What stands there.
    pub text: String,
    /// Why it can't be decided.
    pub why: &'static str,
}

/// Kinds of questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A name that is the moved package and something else.
    AmbiguousName,
    /// A module that is named by a string in a call.
    DynamicImport,
    /// A string that looks like a module of the package.
    String,
    /// The package is imported from its parent together with others.
    SplitImport,
    /// The package is named in a file that is no Python source.
    Mention,
}

/// A source after the move.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rewritten {
    /// All of it; none where nothing changes.
    pub content: Option<Vec<u8>>,
    /// What was changed, in order.
    pub edits: Vec<Edit>,
    /// What was left, in order.
    pub questions: Vec<Question>,
}

/// A module that a source imports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// It stands in a `try`: the source gets by without it.
    pub is_optional: bool,
    /// The first line of a file is 1.
    pub line: usize,
    /// Its whole name.
    pub module: Vec<String>,
}

/// What `source` imports, which is the module that `place` says, or a script. Names that it gets
/// from a module may be modules, too, or not: only what is sure to be one is told.
pub fn imported(source: &[u8], place: Option<&Place>) -> Result<Vec<Imported>, Refused> {
    let parsed = parse::Source::parse(parse::text_of(source)?)?;
    let parts = parsed.parts([])?;
    Ok(imports::modules(&parsed, &parts, place))
}

/// Rewrites `source`, which is the module that `place` says, or a script. One that can have no
/// part in the move is not parsed, and so it may be no Python at all.
pub fn rewrite(
    source: &[u8],
    place: Option<&Place>,
    moved: &Move,
    dynamic: &Dynamic,
) -> Result<Rewritten, Refused> {
    let text = parse::text_of(source)?;
    if !is_concerned(&text, place, moved) {
        return Ok(Rewritten::default());
    }
    let parsed = parse::Source::parse(text)?;
    let parts = parsed.parts([moved.from.first(), moved.to.first()])?;
    let mut edits = Edits::new(&parsed);
    let uses = imports::rewrite(&parsed, &parts, place, moved, &mut edits);
    names::rewrite(&parsed, &parts, moved, &uses, &mut edits);
    dynamic::rewrite(&parsed, &parts, moved, dynamic, &mut edits);
    Ok(edits.finish(source))
}

/// Whether a text could say anything of the package: its name is there, or an import that is
/// relative to a place that moves. Most sources do neither, and parsing is nearly all the work.
fn is_concerned(text: &str, place: Option<&Place>, moved: &Move) -> bool {
    let moves =
        |place: &Place| place.before != place.after || moved.from.begins(place.before.components());
    has_word(text, moved.from.last())
        || (place.is_some_and(moves) && text.split("from").skip(1).any(begins_with_a_dot))
}

/// Whether `word` stands somewhere in `text` and is no part of a longer name.
fn has_word(text: &str, word: &str) -> bool {
    let bytes = text.as_bytes();
    let is_name = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    text.match_indices(word).any(|(at, _)| {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        !is_name(before) && !is_name(bytes.get(at + word.len()))
    })
}

/// Whether a dot comes after what may stand between it and `from`.
fn begins_with_a_dot(after: &str) -> bool {
    after
        .trim_start_matches([' ', '\t', '\x0c', '\\', '\r', '\n'])
        .starts_with('.')
}

#[cfg(test)]
mod tests;
