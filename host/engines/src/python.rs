//! Imports of Python sources, rewritten after a package has moved (packet §2.1). By the syntax
//! tree, and to the byte: what is no import of the moved package, or a use of one, stays as it
//! is. What can't be decided is a question and stays, too; nothing is guessed. Knows sources as
//! bytes and touches none.

mod answer;
mod binding;
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

use serde::Serialize;

pub use answer::{About, Answer, Answers, Used, shown};
pub use dynamic::Dynamic;
pub use mention::{Mentions, mentions, rewrite_mentions, rewrite_text};
pub use module::{ModulePath, Move, Place};
pub use parse::{BYTES_MAX, Refused};
pub use reach::Reach;

use binding::Bindings;
use edit::Edits;
use names::Names;
use scope::Scopes;

pub use pickled::module_in as module_in_pickle;
pub use value::may_name;

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
    /// A string that names the package, or something in it.
    String,
    /// The package is imported from its parent together with others.
    SplitImport,
    /// The package is named in a file that is no Python source.
    Mention,
    /// A type in quotes, or in a comment, that means something in the package.
    ForwardReference,
    /// A name that gets another one, and that another module gets from this one.
    SharedName,
    /// A source imports the package, and has no part in the migration.
    OutsideScope,
    /// A source that may mean the package can't be read or followed.
    Unfollowed,
    /// The package's new name means something else already.
    TakenName,
    /// A folder that the package comes to lie in is no package, as others are.
    NoPackage,
}

impl Kind {
    /// Whether what is asked about may stay as it is: what stays may work.
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
    /// All of it; none where nothing changes.
    pub content: Option<Vec<u8>>,
    /// What was changed, in order.
    pub edits: Vec<Edit>,
    /// What was left, in order.
    pub questions: Vec<Question>,
    /// Answers that were needed.
    pub used: Used,
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

/// Every module that `source` imports, and every name that it imports from one: whole names, with
/// their lines.
pub fn imported_names(
    source: &[u8],
    place: Option<&Place>,
) -> Result<Vec<(usize, Vec<String>)>, Refused> {
    let parsed = parse::Source::parse(parse::text_of(source)?)?;
    let parts = parsed.parts([])?;
    Ok(imports::names(&parsed, &parts, place))
}

/// The line at which the top of a module binds `name`, other than by importing a module so.
pub fn bound_at_top(source: &[u8], name: &str) -> Option<usize> {
    let parsed = parse::Source::parse(parse::text_of(source).ok()?).ok()?;
    let parts = parsed.parts([name]).ok()?;
    let found = scope::occurrences(&parsed, &parts, name);
    let is_bound =
        |one: &scope::Occurrence<'_>| one.role == scope::Role::Bind && one.scope == scope::MODULE;
    let found = found.into_iter().find(is_bound)?;
    Some(parsed.line(found.node.start_byte()))
}

/// Rewrites `source`, which is the module that `place` says, or a script. One that can have no
/// part in the move is not parsed, and so it may be no Python at all.
pub fn rewrite(
    source: &[u8],
    place: Option<&Place>,
    moved: &Move,
    dynamic: &Dynamic,
) -> Result<Rewritten, Refused> {
    Ok(rewrite_and_reach(source, place, place, moved, dynamic)?.0)
}

/// As `rewrite`, and tells what the source shares with others and gets from them. For that it is
/// the module that `home` says, whether or not the package could import it.
pub fn rewrite_and_reach(
    source: &[u8],
    place: Option<&Place>,
    home: Option<&Place>,
    moved: &Move,
    dynamic: &Dynamic,
) -> Result<(Rewritten, Reach), Refused> {
    let text = parse::text_of(source)?;
    if !is_concerned(&text, place, moved) {
        return Ok((Rewritten::default(), Reach::of_others(text, home)));
    }
    // In other encodings what is written anew would be other characters.
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
    let rewritten = edits.finish(source);
    if let Some(content) = &rewritten.content
        && !rewritten.used.is_empty()
    {
        // A person can write what is no Python.
        let now = parse::Source::parse(parse::text_of(content)?)?;
        now.parts([]).map_err(Refused::by_answer)?;
    }
    Ok((rewritten, reach))
}

/// Whether a text could say anything of the package: its name is there, or an import that is
/// relative to a place that moves. Most sources do neither, and parsing is nearly all the work.
fn is_concerned(text: &str, place: Option<&Place>, moved: &Move) -> bool {
    let is_moved =
        |place: &Place| place.before != place.after || moved.from.begins(place.before.components());
    may_name(text, moved.from.last())
        || may_name(text, moved.from.first())
        || (place.is_some_and(is_moved) && text.split("from").skip(1).any(begins_with_a_dot))
}

/// Whether a dot comes after what may stand between it and `from`.
fn begins_with_a_dot(after: &str) -> bool {
    after
        .trim_start_matches([' ', '\t', '\x0c', '\\', '\r', '\n'])
        .starts_with('.')
}

#[cfg(test)]
mod tests;
