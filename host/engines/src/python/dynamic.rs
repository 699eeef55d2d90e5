//! Handles string literals that name the moved package or a module in it. Rewrites a string only
//! where the configuration says so; every other string that may name the package becomes a
//! question. Never guesses.

use std::collections::BTreeSet;
use std::sync::Arc;

use tree_sitter::Node;

use super::Kind;
use super::answer::Answers;
use super::context::{Context, context};
use super::edit::Edits;
use super::module::Move;
use super::naming::{Named, Naming, Text};
use super::parse::{Parts, Source};
use super::pickled;
use super::value::{Form, Value};
use super::words::{has_word, is_word};

/// What the configuration says about a source where syntax alone does not decide.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dynamic {
    /// Functions whose first argument names a module or something in one, such as `import_module`
    /// or `mock.patch`. An entry matches the end of the called function's dotted name.
    pub calls: Vec<String>,
    /// Rewrite every string that looks like a module of the package.
    pub strings: bool,
    /// Rewrite types in quotes and in type comments that mean the package.
    pub annotations: bool,
    pub answers: Answers,
    /// The package's folder, as a path from the top of the repository.
    pub folder: String,
    /// Names of the files and folders in that folder, each with and without its extension.
    pub known: Arc<BTreeSet<String>>,
}

/// Functions that are known to take a module's name; a question about a call to one says so.
const KNOWN: [&str; 10] = [
    "import_module",
    "__import__",
    "find_spec",
    "patch",
    "patch.dict",
    "patch.multiple",
    "setattr",
    "delattr",
    "run_module",
    "resolve_name",
];

/// A stretch of a string's content; what is interpolated into the string separates two pieces.
struct Piece {
    value: Value,
    /// Whether the string begins with this piece.
    is_first: bool,
    /// Whether it has no escape sequences.
    is_plain: bool,
    next: Next,
}

/// What follows a piece of a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// The string ends.
    Nothing,
    /// An interpolation.
    Filled,
    /// The string ends, and something is joined to it.
    Joined,
}

/// Rewrites the strings that the configuration covers, and asks about the others that may name the
/// package.
pub fn rewrite(
    source: &Source,
    parts: &Parts<'_>,
    moved: &Move,
    dynamic: &Dynamic,
    edits: &mut Edits<'_>,
) {
    let from = moved.from.to_string();
    let naming = Naming::new(moved, &dynamic.known, &dynamic.folder);
    for node in parts.strings.iter().copied() {
        let text = source.text(node);
        if !text.contains(moved.from.last()) && !text.contains('\\') {
            continue;
        }
        let pieces = pieces(source, node);
        let is_named = pieces.iter().any(|piece| piece.names(moved.from.last()));
        if !is_named || context(source, node) != Context::Value {
            continue;
        }
        let callee = callee(source, node);
        let calls = |name: &str| {
            callee
                .as_deref()
                .is_some_and(|callee| ends_with(callee, name))
        };
        let is_called = dynamic.calls.iter().any(|name| calls(name));
        if let [piece] = pieces.as_slice()
            && piece.is_first
            && piece.is_plain
            && let Some(rest) = module(&piece.value.text, &from)
            // A name that something is joined to may be the beginning of another name.
            && (piece.next == Next::Nothing
                || (piece.next == Next::Joined && !rest.is_empty()))
            && (is_called || (dynamic.strings && !naming.is_end(rest)))
        {
            let name = piece.value.source(&(0..from.len()));
            edits.replace_in(node, &[name], &moved.to.to_string());
            continue;
        }
        let is_import = is_called || KNOWN.into_iter().any(calls);
        let places: Vec<Named> = pieces
            .iter()
            .flat_map(|piece| places(piece, &naming, &from, is_import))
            .collect();
        if places.is_empty() {
            if pieces.iter().any(|piece| piece.is_pickle(&from)) {
                let why = "is a pickle that names a module of the moved package";
                edits.ask(node, Kind::String, why, vec!["leave it".to_owned()]);
            }
            continue;
        }
        let (kind, why) = if is_import {
            (
                Kind::DynamicImport,
                "names the moved package in a call, at run time",
            )
        } else {
            (Kind::String, "may name the moved package")
        };
        let start = node.start_byte();
        let inner = places.iter().map(|named| Named {
            range: named.range.start - start..named.range.end - start,
            is_path: named.is_path,
        });
        let now = naming.rewritten(text, &inner.collect::<Vec<_>>());
        edits.ask(node, kind, why, vec![now, "leave it".to_owned()]);
    }
}

fn pieces(source: &Source, string: Node<'_>) -> Vec<Piece> {
    let mut cursor = string.walk();
    let children: Vec<Node<'_>> = string.named_children(&mut cursor).collect();
    let (is_begun, is_joined) = around(string);
    let start = children
        .first()
        .filter(|child| child.kind() == "string_start");
    let form = start.map_or_else(Form::default, |start| Form::of(source.text(*start)));
    let mut pieces = Vec::new();
    for (number, child) in children.iter().enumerate() {
        if child.kind() != "string_content" {
            continue;
        }
        let text = source.text(*child);
        let value = Value::of(text, child.start_byte(), form);
        let next = children.get(number + 1).map(Node::kind);
        pieces.push(Piece {
            is_plain: value.text == text,
            value,
            is_first: !is_begun && (number == 0 || children[number - 1].kind() == "string_start"),
            next: match next {
                Some("interpolation") => Next::Filled,
                _ if is_joined => Next::Joined,
                _ => Next::Nothing,
            },
        });
    }
    pieces
}

/// Returns whether a string continues one that is written directly before it, as the second of
/// `'a' 'b'` does, and whether something after the string continues it.
fn around(string: Node<'_>) -> (bool, bool) {
    let Some(parent) = string.parent() else {
        return (false, false);
    };
    match parent.kind() {
        "concatenated_string" => {
            let is_first = parent.named_child(0) == Some(string);
            (!is_first, is_first)
        }
        "binary_operator" => (false, parent.child_by_field_name("left") == Some(string)),
        _ => (false, false),
    }
}

impl Piece {
    /// Returns whether it has the last component of the package's name as a word.
    fn names(&self, last: &str) -> bool {
        let has = |value: &Value| has_word(&value.text, last);
        has(&self.value) || self.value.otherwise().iter().any(has) || self.is_pickle(last)
    }

    /// Returns whether it names a module of the package in the way pickles do.
    fn is_pickle(&self, from: &str) -> bool {
        if !self.value.text.contains(from) {
            return false;
        }
        // In a bytes literal each character stands for one byte.
        let bytes = self.value.text.chars();
        let bytes: Vec<u8> = bytes.map(|c| u8::try_from(c).unwrap_or(b'?')).collect();
        pickled::module_in(&bytes, from).is_some()
    }
}

/// Returns where a piece of a string names the package, as ranges of the source.
fn places(piece: &Piece, naming: &Naming<'_>, from: &str, is_import: bool) -> Vec<Named> {
    let mut all: Vec<Named> = Vec::new();
    let otherwise = piece.value.otherwise();
    for value in std::iter::once(&piece.value).chain(&otherwise) {
        for named in places_in(value, piece, naming, from, is_import) {
            let range = value.source(&named.range);
            let meets =
                |other: &Named| range.start < other.range.end && other.range.start < range.end;
            if !all.iter().any(meets) {
                let is_path = named.is_path;
                all.push(Named { range, is_path });
            }
        }
    }
    all.sort_by_key(|named| named.range.start);
    all
}

fn places_in(
    value: &Value,
    piece: &Piece,
    naming: &Naming<'_>,
    from: &str,
    is_import: bool,
) -> Vec<Named> {
    let whole = Named {
        range: 0..from.len(),
        is_path: false,
    };
    let is_module = piece.is_first
        && match value.text.strip_prefix(from) {
            Some(rest) if is_import => !rest.starts_with(is_word),
            Some(_) => module(&value.text, from).is_some(),
            None => false,
        };
    let mut places = naming.certain(
        &value.text,
        Text::String {
            goes_on: piece.next != Next::Nothing,
        },
    );
    if is_module && places.first() != Some(&whole) {
        places.insert(0, whole);
    }
    places
}

/// Returns whether a dotted name ends with another one, component by component.
fn ends_with(name: &str, end: &str) -> bool {
    name.strip_suffix(end)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Returns the text after the package's name if the whole string is a dotted name in the package:
/// `old.x`, `old.x:f`, or `old.` where more is joined to it.
fn module<'t>(text: &'t str, from: &str) -> Option<&'t str> {
    let rest = text.strip_prefix(from)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.:".contains(c);
    let is_name = rest.is_empty() || (rest.starts_with(['.', ':']) && rest.chars().all(plain));
    is_name.then_some(rest)
}

fn is_field(node: Node<'_>, name: &str, of: Node<'_>) -> bool {
    of.child_by_field_name(name) == Some(node)
}

/// Returns the function whose first argument is, or begins with, the string.
fn callee(source: &Source, string: Node<'_>) -> Option<String> {
    let mut child = string;
    loop {
        let parent = child.parent()?;
        match parent.kind() {
            "binary_operator" if !is_field(child, "left", parent) => return None,
            "binary_operator"
            | "concatenated_string"
            | "parenthesized_expression"
            | "conditional_expression" => {
                child = parent;
            }
            // `'old.{}'.format(x)`
            "attribute" if is_field(child, "object", parent) => child = parent,
            "call" if child.kind() == "attribute" && is_field(child, "function", parent) => {
                child = parent;
            }
            "argument_list" if parent.named_child(0) == Some(child) => {
                let function = parent.parent()?.child_by_field_name("function")?;
                let text = source.text(function);
                return Some(text.split_whitespace().collect());
            }
            _ => return None,
        }
    }
}
