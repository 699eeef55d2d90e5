//! Python sources as syntax trees. The tree is of text that has the same length as the source,
//! byte for byte, whatever its encoding, so that places in one are places in the other. Refuses
//! what Python 3 would not read; runs nothing.

use tree_sitter::{Node, Parser, Tree, TreeCursor};

/// Longest source, in bytes.
pub const BYTES_MAX: usize = 16 << 20;
/// Deepest nesting; Python itself gives up far earlier.
const DEPTH_MAX: usize = 1_000;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Why a source can't be rewritten.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is no Python 3.
    #[error("line {line}, column {column}: is no Python 3; correct it first")]
    Syntax {
        /// The first is 1.
        line: usize,
        /// In bytes; the first is 1.
        column: usize,
    },
    /// Its encoding is not known.
    #[error(
        "line {line}: has the encoding '{cookie}', known are UTF-8, ASCII and Latin-1 and its kin; convert it first"
    )]
    Encoding {
        /// Where it says so.
        line: usize,
        /// What it says.
        cookie: String,
    },
    /// It is not in the encoding that it should be in.
    #[error(
        "line {line}: is not UTF-8, and no comment in the first two lines says what else it is"
    )]
    NotUtf8 {
        /// The first line that is not.
        line: usize,
    },
    /// A byte that no source has.
    #[error("line {line}: has a NUL byte")]
    Nul {
        /// Where.
        line: usize,
    },
    /// More than is read.
    #[error("has {0} bytes; at most {BYTES_MAX} are read")]
    TooLong(usize),
    /// Nested deeper than is followed.
    #[error("line {line}: is nested more than {DEPTH_MAX} deep")]
    TooDeep {
        /// Where.
        line: usize,
    },
}

/// A source and its tree.
pub struct Source {
    /// Same length as the source; in it every byte that is not ASCII may be another.
    text: Vec<u8>,
    tree: Tree,
}

impl Source {
    /// Parses `source`.
    pub fn read(source: &[u8]) -> Result<Self, Refused> {
        if source.len() > BYTES_MAX {
            return Err(Refused::TooLong(source.len()));
        }
        if let Some(at) = source.iter().position(|&byte| byte == 0) {
            return Err(Refused::Nul {
                line: line_of(source, at),
            });
        }
        let text = same_length_text(source)?;
        let mut parser = Parser::new();
        let language = tree_sitter_python::LANGUAGE.into();
        let tree = parser.set_language(&language).ok();
        let Some(tree) = tree.and_then(|()| parser.parse(&text, None)) else {
            return Err(Refused::Syntax { line: 1, column: 1 });
        };
        let source = Self { text, tree };
        source.check()?;
        Ok(source)
    }

    /// What a node covers. What is not UTF-8 is no name that matters.
    pub fn text(&self, node: Node<'_>) -> &str {
        str::from_utf8(&self.text[node.byte_range()]).unwrap_or_default()
    }

    /// Every node, before what is in it.
    pub fn nodes(&self) -> impl Iterator<Item = Node<'_>> {
        let mut cursor = self.tree.walk();
        let mut is_first = true;
        std::iter::from_fn(move || {
            let is_there = std::mem::take(&mut is_first) || advance(&mut cursor);
            is_there.then(|| cursor.node())
        })
    }

    fn check(&self) -> Result<(), Refused> {
        let mut cursor = self.tree.walk();
        loop {
            let node = cursor.node();
            let at = node.start_position();
            let is_wrong = node.is_error()
                || node.is_missing()
                || matches!(node.kind(), "print_statement" | "exec_statement");
            if is_wrong {
                return Err(Refused::Syntax {
                    line: at.row + 1,
                    column: at.column + 1,
                });
            }
            if cursor.depth() as usize > DEPTH_MAX {
                return Err(Refused::TooDeep { line: at.row + 1 });
            }
            if !advance(&mut cursor) {
                return Ok(());
            }
        }
    }
}

/// Goes to the next node: into the present one, or past it. However deep a tree is, this takes
/// no more of the stack.
fn advance(cursor: &mut TreeCursor<'_>) -> bool {
    if cursor.goto_first_child() {
        return true;
    }
    while !cursor.goto_next_sibling() {
        if !cursor.goto_parent() {
            return false;
        }
    }
    true
}

/// The line of the byte at `at`.
fn line_of(source: &[u8], at: usize) -> usize {
    1 + source[..at]
        .split(|&byte| byte == b'\n')
        .count()
        .saturating_sub(1)
}

fn same_length_text(source: &[u8]) -> Result<Vec<u8>, Refused> {
    let cookie = cookie(source);
    let known = cookie
        .as_ref()
        .map(|(_, name)| name.to_ascii_lowercase().replace('_', "-"));
    let mut text = source.to_vec();
    match known.as_deref() {
        None | Some("utf-8" | "utf8" | "ascii" | "us-ascii" | "utf-8-sig") => {
            if let Err(error) = str::from_utf8(source) {
                return Err(Refused::NotUtf8 {
                    line: line_of(source, error.valid_up_to()),
                });
            }
        }
        Some(name) if is_single_byte(name) => {
            // Letters, as most of them are; what counts is that they are no ASCII.
            for byte in &mut text {
                if !byte.is_ascii() {
                    *byte = b'_';
                }
            }
        }
        Some(_) => {
            let (line, cookie) = cookie.unwrap_or_default();
            return Err(Refused::Encoding { line, cookie });
        }
    }
    Ok(text)
}

/// Encodings in which an ASCII byte is the ASCII character, wherever it stands.
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

/// What a comment in the first two lines says of the encoding (PEP 263), and in which line.
fn cookie(source: &[u8]) -> Option<(usize, String)> {
    let source = source.strip_prefix(BYTE_ORDER_MARK).unwrap_or(source);
    for (number, line) in source.split(|&byte| byte == b'\n').take(2).enumerate() {
        let line = line.trim_ascii();
        if let Some(name) = line.starts_with(b"#").then(|| coding(line)).flatten() {
            return Some((number + 1, name));
        }
        // Only after a comment or an empty line is the second looked at.
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
