//! Parses Python sources into syntax trees. The parsed text has the length of the source, byte for
//! byte, in every encoding, so a place in one is a place in the other. Refuses sources that are not
//! Python 3 and sources that the two parsers read differently. Runs no Python.

use std::collections::BTreeSet;
use std::ops::Range;

use tree_sitter::{Language, Node, Parser, Tree, TreeCursor};

use super::faulty::first_fault;
use super::second::{NoOpinion, Opinion};
use super::type_parameters::defaults_as_bounds;

/// Largest source, in bytes.
pub const BYTES_MAX: usize = 16 << 20;
/// Deepest nesting; Python's own limit is far lower.
const DEPTH_MAX: usize = 1_000;
/// Kinds of nodes that make a scope.
const SCOPES: [&str; 9] = [
    "function_definition",
    "lambda",
    "class_definition",
    "type_alias_statement",
    // Type parameters of a function or a class; brackets of a type have this kind, too, but make no
    // scope.
    "type_parameter",
    "list_comprehension",
    "set_comprehension",
    "dictionary_comprehension",
    "generator_expression",
];
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Why a source cannot be rewritten.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The source is not Python 3.
    #[error("line {line}, column {column}: is no Python 3")]
    Syntax {
        /// Counts from 1.
        line: usize,
        /// In bytes, from 1.
        column: usize,
    },
    /// The source is Python, but the first parser cannot read it, or the two parsers disagree about
    /// it.
    #[error("line {line}, column {column}: is Python 3 that can't be followed")]
    Unfollowed {
        /// Counts from 1.
        line: usize,
        /// In bytes, from 1.
        column: usize,
    },
    /// The source would not be Python with the user's answer in it.
    #[error(
        "line {line}, column {column}: is no Python 3 with what [[migrate.replace]] puts there"
    )]
    Answer {
        /// Counts from 1.
        line: usize,
        /// In bytes, from 1.
        column: usize,
    },
    /// The source declares an encoding that is not known.
    #[error(
        "line {line}: has the encoding '{cookie}', known are UTF-8, ASCII and Latin-1 and its kin"
    )]
    Encoding {
        /// The line that declares it, from 1.
        line: usize,
        cookie: String,
    },
    /// The source is not UTF-8 and declares no other encoding.
    #[error(
        "line {line}: is not UTF-8, and no comment in the first two lines says what else it is"
    )]
    NotUtf8 {
        /// The first line that is not UTF-8.
        line: usize,
    },
    /// The source has a NUL byte.
    #[error("line {line}: has a NUL byte")]
    Nul {
        /// The line of the first one, from 1.
        line: usize,
    },
    /// The source is larger than `BYTES_MAX`; holds its size in bytes.
    #[error("has {0} bytes; at most {BYTES_MAX} are read")]
    TooLong(usize),
    #[error("line {line}: is nested more than {DEPTH_MAX} deep")]
    TooDeep {
        /// Counts from 1; 1 where the place is not known.
        line: usize,
    },
}

impl SourceError {
    /// Returns what the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Syntax { .. } => Some("correct it first"),
            Self::Unfollowed { .. } => {
                Some("write this statement in another way, or look at the file by hand")
            }
            Self::Answer { .. } => Some("correct that"),
            Self::Encoding { .. } => Some("convert it first"),
            Self::NotUtf8 { .. } | Self::Nul { .. } | Self::TooLong(_) | Self::TooDeep { .. } => {
                None
            }
        }
    }

    /// Returns the refusal to report for a source that contains the user's answers.
    #[must_use]
    pub fn by_answer(self) -> Self {
        match self {
            Self::Syntax { line, column } => Self::Answer { line, column },
            other => other,
        }
    }

    /// Returns the line that the refusal is about, if it is about one.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::Syntax { line, .. }
            | Self::Unfollowed { line, .. }
            | Self::Answer { line, .. }
            | Self::Encoding { line, .. }
            | Self::NotUtf8 { line }
            | Self::Nul { line }
            | Self::TooDeep { line } => Some(*line),
            Self::TooLong(_) => None,
        }
    }
}

/// A source and its syntax tree.
pub struct Source {
    /// The text: as long as the source, but each byte that is not ASCII may differ.
    text: String,
    /// The byte at which each line begins.
    lines: Vec<usize>,
    /// The tree; it may be of a variant of `text` with the same length, see `parse_otherwise`.
    tree: Tree,
    /// The second parser's opinion; none if that parser was not asked.
    second: Option<Opinion>,
}

/// The nodes of a source that the rewriter looks at; each list is in source order.
#[derive(Debug, Default)]
pub struct Parts<'t> {
    pub imports: Vec<Node<'t>>,
    /// Nodes that may make a scope.
    pub scopes: Vec<Node<'t>>,
    pub strings: Vec<Node<'t>>,
    pub comments: Vec<Node<'t>>,
    /// Identifiers with one of the names that were asked for.
    pub names: Vec<Node<'t>>,
}

/// What a node is collected as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Import,
    Scope,
    Text,
    Comment,
    Name,
    /// A statement that only Python 2 has.
    Wrong,
    Other,
}

impl Source {
    /// Parses `text`, which must come from `text_of`, and gets a second opinion on it.
    pub fn parse(text: String) -> Result<Self, SourceError> {
        let second = Opinion::of(&text);
        let mut source = Self::parse_alone(text)?;
        match second {
            Ok(opinion) => {
                if source.tree.root_node().has_error() {
                    source.parse_otherwise(&opinion)?;
                }
                source.second = Some(opinion);
                Ok(source)
            }
            Err(NoOpinion::Newer(at)) => Err(source.unfollowed(at)),
            Err(NoOpinion::TooDeep) => Err(SourceError::TooDeep { line: 1 }),
            // The first parser locates the fault better; `parts` reports it.
            Err(NoOpinion::Fault(_)) if source.tree.root_node().has_error() => Ok(source),
            Err(NoOpinion::Fault(at)) => Err(source.syntax(at)),
        }
    }

    /// Parses a part of a source, or the content of a string, without a second opinion.
    pub fn parse_alone(text: String) -> Result<Self, SourceError> {
        let tree = tree(&text)?;
        let starts = text.match_indices('\n').map(|(at, _)| at + 1);
        Ok(Self {
            lines: std::iter::once(0).chain(starts).collect(),
            tree,
            text,
            second: None,
        })
    }

    /// Parses a variant of the text that the first parser can read, if there is one.
    fn parse_otherwise(&mut self, second: &Opinion) -> Result<(), SourceError> {
        let joined = second.joined.as_deref();
        let bounds = defaults_as_bounds(joined.unwrap_or(&self.text));
        for text in [joined, bounds.as_deref()].into_iter().flatten() {
            let tree = tree(text)?;
            if !tree.root_node().has_error() {
                self.tree = tree;
                return Ok(());
            }
        }
        Err(self.unfollowed(first_fault(self.tree.root_node())))
    }

    /// Returns the line of the byte at `at`, from 1. Rows of the tree may differ from lines.
    pub fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|start| *start <= at)
    }

    fn place(&self, at: usize) -> (usize, usize) {
        let line = self.line(at);
        let start = self.lines.get(line - 1).copied().unwrap_or_default();
        (line, at - start + 1)
    }

    fn syntax(&self, at: usize) -> SourceError {
        let (line, column) = self.place(at);
        SourceError::Syntax { line, column }
    }

    fn unfollowed(&self, at: usize) -> SourceError {
        let (line, column) = self.place(at);
        SourceError::Unfollowed { line, column }
    }

    /// Returns the text that a node covers.
    pub fn text(&self, node: Node<'_>) -> &str {
        self.text.get(node.byte_range()).unwrap_or_default()
    }

    /// Returns the text in a range; empty if the range is not one of the text.
    pub fn at(&self, range: Range<usize>) -> &str {
        self.text.get(range).unwrap_or_default()
    }

    /// Returns the bytes directly before and after a range.
    pub fn beside(&self, range: &Range<usize>) -> (Option<u8>, Option<u8>) {
        let bytes = self.text.as_bytes();
        let before = range.start.checked_sub(1).map(|at| bytes[at]);
        (before, bytes.get(range.end).copied())
    }

    /// Collects the nodes of interest in a single walk, since the tree is far larger than what the
    /// callers need. Fails where the tree has a fault or the two parsers disagree.
    pub fn parts<const N: usize>(&self, names: [&str; N]) -> Result<Parts<'_>, SourceError> {
        let kinds = kinds(&self.tree.language());
        let has_error = self.tree.root_node().has_error();
        let mut parts = Parts::default();
        let mut cursor = self.tree.walk();
        let mut depth = 0;
        loop {
            let node = cursor.node();
            let part = kinds.get(usize::from(node.kind_id())).copied();
            if part == Some(Part::Wrong) && !is_expression(node) {
                return Err(match self.second {
                    None => self.syntax(node.start_byte()),
                    Some(_) => self.unfollowed(node.start_byte()),
                });
            }
            if has_error && (node.is_error() || node.is_missing()) {
                return Err(self.syntax(first_fault(node)));
            }
            if depth > DEPTH_MAX {
                let line = self.line(node.start_byte());
                return Err(SourceError::TooDeep { line });
            }
            match part {
                Some(Part::Import) => parts.imports.push(node),
                Some(Part::Scope) => parts.scopes.push(node),
                Some(Part::Text) => parts.strings.push(node),
                Some(Part::Comment) => parts.comments.push(node),
                Some(Part::Name) if names.contains(&self.text(node)) => parts.names.push(node),
                _ => {}
            }
            if !advance(&mut cursor, &mut depth) {
                break;
            }
        }
        match self.disputed(&parts, &names) {
            Some(at) => Err(self.unfollowed(at)),
            None => Ok(parts),
        }
    }

    /// Returns the first place at which the two parsers disagree.
    fn disputed(&self, parts: &Parts<'_>, names: &[&str]) -> Option<usize> {
        let second = self.second.as_ref()?;
        let starts = |nodes: &[Node<'_>]| -> BTreeSet<usize> {
            nodes.iter().map(Node::start_byte).collect()
        };
        let imports: BTreeSet<usize> = second.imports.iter().copied().collect();
        let seen: BTreeSet<usize> = second.names(&self.text, names).collect();
        let disputed = starts(&parts.imports);
        let disputed = disputed.symmetric_difference(&imports).copied();
        disputed
            .chain(seen.difference(&starts(&parts.names)).copied())
            .min()
    }
}

fn tree(text: &str) -> Result<Tree, SourceError> {
    let refused = SourceError::Syntax { line: 1, column: 1 };
    let mut parser = Parser::new();
    let language = parser.set_language(&tree_sitter_python::LANGUAGE.into());
    language.map_err(|_| refused.clone())?;
    parser.parse(text, None).ok_or(refused)
}

/// Returns whether a statement that the grammar takes for Python 2 is a valid expression:
/// `print >> x, y` is valid in both.
fn is_expression(statement: Node<'_>) -> bool {
    let first = statement.named_child(0);
    first.is_some_and(|first| first.kind() == "chevron")
}

/// Returns the part for every kind of node, indexed by the kind's number. Several numbers may share
/// one name.
fn kinds(language: &Language) -> Vec<Part> {
    let count = u16::try_from(language.node_kind_count()).unwrap_or(u16::MAX);
    let part = |id| match language.node_kind_for_id(id).unwrap_or_default() {
        _ if !language.node_kind_is_named(id) => Part::Other,
        "import_statement" | "import_from_statement" => Part::Import,
        "string" => Part::Text,
        "comment" => Part::Comment,
        "identifier" => Part::Name,
        "print_statement" | "exec_statement" => Part::Wrong,
        name if SCOPES.contains(&name) => Part::Scope,
        _ => Part::Other,
    };
    (0..count).map(part).collect()
}

/// Moves to the next node: into the current one, or past it. Uses no recursion, so a deep tree
/// takes no more stack.
fn advance(cursor: &mut TreeCursor<'_>, depth: &mut usize) -> bool {
    if cursor.goto_first_child() {
        *depth += 1;
        return true;
    }
    while !cursor.goto_next_sibling() {
        if !cursor.goto_parent() {
            return false;
        }
        *depth -= 1;
    }
    true
}

/// Returns the line of the byte at `at`, from 1.
fn line_of(source: &[u8], at: usize) -> usize {
    1 + source[..at]
        .split(|&byte| byte == b'\n')
        .count()
        .saturating_sub(1)
}

/// Returns the text of a source, with the same length in bytes.
pub fn text_of(source: &[u8]) -> Result<String, SourceError> {
    if source.len() > BYTES_MAX {
        return Err(SourceError::TooLong(source.len()));
    }
    if let Some(at) = source.iter().position(|&byte| byte == 0) {
        return Err(SourceError::Nul {
            line: line_of(source, at),
        });
    }
    let cookie = cookie(source);
    let known = cookie
        .as_ref()
        .map(|(_, name)| name.to_ascii_lowercase().replace('_', "-"));
    match known.as_deref() {
        None | Some("utf-8" | "utf8" | "ascii" | "us-ascii" | "utf-8-sig") => {
            match str::from_utf8(source) {
                Ok(text) => Ok(text.to_owned()),
                Err(error) => Err(SourceError::NotUtf8 {
                    line: line_of(source, error.valid_up_to()),
                }),
            }
        }
        Some(name) if is_single_byte(name) => {
            // Most such bytes are letters; what matters is that they are not ASCII.
            let letter = |&byte: &u8| {
                if byte.is_ascii() {
                    char::from(byte)
                } else {
                    '_'
                }
            };
            Ok(source.iter().map(letter).collect())
        }
        Some(_) => {
            let (line, cookie) = cookie.unwrap_or_default();
            Err(SourceError::Encoding { line, cookie })
        }
    }
}

/// Returns whether each ASCII byte is the ASCII character in an encoding, wherever it stands.
fn is_single_byte(name: &str) -> bool {
    let number = |prefix: &str| {
        let rest = name.strip_prefix(prefix);
        rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
    };
    matches!(name, "latin-1" | "latin1" | "l1" | "koi8-r" | "koi8-u")
        || number("iso-8859-")
        || number("iso8859-")
        || number("cp125")
        || number("windows-125")
}

/// Returns the encoding that a comment in the first two lines declares (PEP 263), and its line.
fn cookie(source: &[u8]) -> Option<(usize, String)> {
    let source = source.strip_prefix(BYTE_ORDER_MARK).unwrap_or(source);
    for (number, line) in source.split(|&byte| byte == b'\n').take(2).enumerate() {
        let line = line.trim_ascii();
        if let Some(name) = line.starts_with(b"#").then(|| coding(line)).flatten() {
            return Some((number + 1, name));
        }
        // The second line counts only after a comment or an empty line.
        if !line.is_empty() && !line.starts_with(b"#") {
            return None;
        }
    }
    None
}

fn coding(comment: &[u8]) -> Option<String> {
    let text: String = comment.iter().map(|&byte| char::from(byte)).collect();
    let mut rest = text.as_str();
    while let Some((_, after)) = rest.split_once("coding") {
        rest = after;
        let Some(after) = after.strip_prefix([':', '=']) else {
            continue;
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let name: String = after
            .trim_start_matches([' ', '\t'])
            .chars()
            .take_while(|&c| plain(c))
            .collect();
        if !name.is_empty() {
            return Some(name);
        }
    }
    None
}
