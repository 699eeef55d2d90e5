//! Rewrites imports in Python sources after a package has moved (packet §2.1). Works on the syntax
//! tree and changes only imports of the moved package and uses of them; every other byte stays as
//! it is. A form that cannot be decided becomes a question and stays, too; nothing is guessed.
//! Takes and returns sources as bytes; reads and writes no files.

mod answer;
mod binding;
mod command;
mod context;
mod dynamic;
mod edit;
mod faulty;
mod imports;
mod legal;
mod mention;
mod module;
mod names;
mod naming;
mod parents;
mod parse;
mod pickled;
mod quoted;
mod reach;
mod scope;
mod second;
mod type_parameters;
mod value;
mod words;

use serde::Serialize;

pub use answer::{About, Answers, SourceAnswer, Used, shown};
pub use dynamic::Dynamic;
pub use mention::{Mentions, mentions, rewrite_mentions, rewrite_text};
pub use module::{ModulePath, Move, Place};
pub use parse::{BYTES_MAX, SourceError};
pub use reach::Reach;

use binding::Bindings;
use edit::Edits;
use names::Names;
use scope::Scopes;

pub use pickled::module_in as module_in_pickle;
pub use value::may_name;

/// A change in a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Edit {
    /// The line, from 1.
    pub line: usize,
    /// The new text.
    pub now: String,
    /// The old text.
    pub was: String,
}

/// Something that only a person can decide.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Question {
    /// What could be done.
    pub answers: Vec<String>,
    pub kind: Kind,
    /// The line, from 1.
    pub line: usize,
    /// The text that the question is about, as it is shown.
    pub text: String,
    pub why: &'static str,
}

/// The kinds of questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A name means the moved package and something else.
    AmbiguousName,
    /// A string in a call names a module.
    DynamicImport,
    /// A string names the package or something in it.
    String,
    /// The package is imported from its parent together with other names.
    SplitImport,
    /// A file that is not Python names the package.
    Mention,
    /// A type in quotes or in a comment means something in the package.
    ForwardReference,
    /// A name changes, and another module gets it from this one.
    SharedName,
    /// A source imports the package but is not part of the migration.
    OutsideScope,
    /// A source may mean the package but cannot be read or followed.
    Unfollowed,
    /// The package's new name already means something else.
    TakenName,
    /// The package moves into a folder that is not a package, while similar folders are packages.
    NoPackage,
}

impl Kind {
    /// Returns whether the text may stay as it is, because the program may work that way.
    pub const fn may_stay(self) -> bool {
        match self {
            Self::DynamicImport
            | Self::String
            | Self::Mention
            | Self::ForwardReference
            | Self::OutsideScope
            | Self::Unfollowed
            | Self::TakenName
            | Self::NoPackage => true,
            Self::AmbiguousName | Self::SplitImport | Self::SharedName => false,
        }
    }
}

/// A source after the move.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rewritten {
    /// The whole new source; none where nothing changes.
    pub content: Option<Vec<u8>>,
    /// The changes, in order.
    pub edits: Vec<Edit>,
    /// The questions, in order; their text is unchanged.
    pub questions: Vec<Question>,
    pub used: Used,
}

/// A module that a source imports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Whether the import stands in a `try`, so that the source may work without it.
    pub is_optional: bool,
    /// The line, from 1.
    pub line: usize,
    /// The full name.
    pub module: Vec<String>,
}

/// Returns the modules that `source` imports. `place` says which module the source is; without it,
/// the source is a script. Leaves out names imported from a module: they may or may not be modules.
pub fn imported(source: &[u8], place: Option<&Place>) -> Result<Vec<Imported>, SourceError> {
    let parsed = parse::Source::parse(parse::text_of(source)?)?;
    let parts = parsed.parts([])?;
    Ok(imports::modules(&parsed, &parts, place))
}

/// Returns every module that `source` imports and every name that it imports from one, in full and
/// with the line.
pub fn imported_names(
    source: &[u8],
    place: Option<&Place>,
) -> Result<Vec<(usize, Vec<String>)>, SourceError> {
    let parsed = parse::Source::parse(parse::text_of(source)?)?;
    let parts = parsed.parts([])?;
    Ok(imports::names(&parsed, &parts, place))
}

/// Returns the line on which the top of a module binds `name`, other than by a plain import.
pub fn bound_at_top(source: &[u8], name: &str) -> Option<usize> {
    let parsed = parse::Source::parse(parse::text_of(source).ok()?).ok()?;
    let parts = parsed.parts([name]).ok()?;
    let found = scope::occurrences(&parsed, &parts, name);
    let is_bound =
        |one: &scope::Occurrence<'_>| one.role == scope::Role::Bind && one.scope == scope::MODULE;
    let found = found.into_iter().find(is_bound)?;
    Some(parsed.line(found.node.start_byte()))
}

/// Rewrites `source`. `place` says which module the source is; without it, the source is a script.
/// A source that the move cannot affect is not parsed, so it may be invalid Python.
pub fn rewrite(
    source: &[u8],
    place: Option<&Place>,
    moved: &Move,
    dynamic: &Dynamic,
) -> Result<Rewritten, SourceError> {
    Ok(rewrite_and_reach(source, place, place, moved, dynamic)?.0)
}

/// Rewrites as `rewrite` does, and returns what the source shares with other modules and gets from
/// them. For that, `home` says which module the source is, even if the package cannot import it.
pub fn rewrite_and_reach(
    source: &[u8],
    place: Option<&Place>,
    home: Option<&Place>,
    moved: &Move,
    dynamic: &Dynamic,
) -> Result<(Rewritten, Reach), SourceError> {
    let text = parse::text_of(source)?;
    if !is_concerned(&text, place, moved) {
        return Ok((Rewritten::default(), Reach::of_others(text, home)));
    }
    // In another encoding, the replacement text would be other characters.
    let answers = match str::from_utf8(source) {
        Ok(_) => &dynamic.answers,
        Err(_) => &dynamic.answers.leaving(),
    };
    let parsed = parse::Source::parse(text)?;
    let (first, to) = (moved.from.first(), moved.to.first());
    let parts = parsed.parts([first, to])?;
    let mut edits = Edits::new(&parsed, answers);
    let plain = imports::rewrite(&parsed, &parts, place, moved, &mut edits);
    let scopes = Scopes::of(&parts);
    let old = Bindings::of(&parsed, &parts, &scopes, &plain, first);
    let new = (first != to).then(|| Bindings::of(&parsed, &parts, &scopes, &plain, to));
    let names = Names {
        source: &parsed,
        moved,
        scopes: &scopes,
        old: &old,
        new: new.as_ref(),
        quoted: &quoted::quoted(&parsed, &parts, moved),
    };
    let renamed = names.rewrite(dynamic, &mut edits);
    parents::ask(&parsed, &parts, place, moved, &plain, &mut edits);
    let mut reach = Reach::of(&parsed, &parts, home, moved, &old);
    reach.share(&parsed, moved, &old, &renamed);
    dynamic::rewrite(&parsed, &parts, moved, dynamic, &mut edits);
    command::rewrite(&parsed, &parts, moved, dynamic, &mut edits);
    let rewritten = edits.finish(source);
    if let Some(content) = &rewritten.content
        && !rewritten.used.is_empty()
    {
        // The user's answers may have made it invalid Python.
        let now = parse::Source::parse(parse::text_of(content)?)?;
        now.parts([]).map_err(SourceError::by_answer)?;
    }
    Ok((rewritten, reach))
}

/// Returns whether the move may affect a text: it contains the package's name, or a relative import
/// in a module that moves. Most sources have neither, and parsing takes most of the time.
fn is_concerned(text: &str, place: Option<&Place>, moved: &Move) -> bool {
    let is_moved =
        |place: &Place| place.before != place.after || moved.from.begins(place.before.components());
    may_name(text, moved.from.last())
        || may_name(text, moved.from.first())
        || (place.is_some_and(is_moved) && text.split("from").skip(1).any(begins_with_a_dot))
}

/// Returns whether a dot follows, after whatever may separate it from `from`.
fn begins_with_a_dot(after: &str) -> bool {
    after
        .trim_start_matches([' ', '\t', '\x0c', '\\', '\r', '\n'])
        .starts_with('.')
}

#[cfg(test)]
mod tests;
