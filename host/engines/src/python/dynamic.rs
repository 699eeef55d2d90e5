//! Strings that name modules, or something in one: never guessed. What the configuration names is
//! rewritten, everything else is a question.

use std::collections::BTreeSet;
use std::sync::Arc;

use tree_sitter::Node;

use super::Kind;
use super::answer::Answers;
use super::context::{Context, context};
use super::edit::Edits;
use super::module::Move;
use super::naming::{Named, Naming, Text, has_word, is_word};
use super::parse::{Parts, Source};
use super::pickled;
use super::value::{Form, Value};

/// What the configuration says of a source that syntax alone does not decide.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dynamic {
    /// Functions whose first argument names a module or something in one, by the end of their
    /// dotted name: `import_module`, `mock.patch`.
    pub calls: Vec<String>,
    /// Every string that looks like a module of the package.
    pub strings: bool,
    /// Types in quotes and in type comments that mean the package.
    pub annotations: bool,
    /// What a person has answered.
    pub answers: Answers,
    /// The package's folder, from the top of the repository.
    pub folder: String,
    /// What is in that folder: names of files and folders, with and without their ends.
    pub known: Arc<BTreeSet<String>>,
}

/// Functions that are known to take a module's name: a question about one says so.
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

/// A part of a string between what is put into it.
struct Piece {
    /// What it says.
    value: Value,
    /// The string begins with it.
    is_first: bool,
    /// It has no escape sequences.
    is_plain: bool,
    /// How it goes on.
    next: Next,
}

/// What comes after a part of a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Its end.
    Nothing,
    /// Something is put in.
    Filled,
    /// Its end, and something that is joined to it.
    Joined,
}

/// Rewrites strings, or asks.
pub fn rewrite(
    source: &Source,
    parts: &Parts<'_>,
    moved: &Move,
    dynamic: &Dynamic,
    edits: &mut Edits<'_>,
) {
    let from = moved.from.to_string();
    let naming = Naming::new(moved, dynamic);
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
            // The name alone may go on as another one.
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

/// Whether a string goes on one that is written directly before it, as the second of `'a' 'b'`
/// does; and whether something comes after it that goes on it.
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
    /// Whether it has a word that the package's name ends with.
    fn names(&self, last: &str) -> bool {
        let has = |value: &Value| has_word(&value.text, last);
        has(&self.value) || self.value.otherwise().iter().any(has) || self.is_pickle(last)
    }

    /// Whether it holds a module of the package as pickles do.
    fn is_pickle(&self, from: &str) -> bool {
        if !self.value.text.contains(from) {
            return false;
        }
        // A character of a literal of bytes is a byte.
        let bytes = self.value.text.chars();
        let bytes: Vec<u8> = bytes.map(|c| u8::try_from(c).unwrap_or(b'?')).collect();
        pickled::module_in(&bytes, from).is_some()
    }
}

/// Where a piece of a string names the package, in the source.
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

/// Whether a dotted name ends with another, component by component.
fn ends_with(name: &str, end: &str) -> bool {
    name.strip_suffix(end)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// What follows the package, if all of a string is a dotted name in it (`old.x`, `old.x:f`, or
/// `old.` with more to come).
fn module<'t>(text: &'t str, from: &str) -> Option<&'t str> {
    let rest = text.strip_prefix(from)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.:".contains(c);
    let is_name = rest.is_empty() || (rest.starts_with(['.', ':']) && rest.chars().all(plain));
    is_name.then_some(rest)
}

fn is_field(node: Node<'_>, name: &str, of: Node<'_>) -> bool {
    of.child_by_field_name(name) == Some(node)
}

/// The function whose first argument the string is, or begins.
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
