//! Modules that are named by strings, and files that are no Python: never guessed. What the
//! configuration names is rewritten, everything else is a question.

use tree_sitter::Node;

use super::edit::Edits;
use super::module::{ModulePath, Move};
use super::parse::{Parts, Source};
use super::{Kind, Question};

/// What of them is rewritten.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dynamic {
    /// Functions whose first argument names a module or something in one, by the end of their
    /// dotted name: `import_module`, `mock.patch`.
    pub calls: Vec<String>,
    /// Every string that looks like a module of the package.
    pub strings: bool,
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
/// What a question shows of a line.
const SHOWN_CHARACTERS: usize = 200;

/// Rewrites strings, or asks.
pub fn rewrite(
    source: &Source,
    parts: &Parts<'_>,
    moved: &Move,
    dynamic: &Dynamic,
    edits: &mut Edits<'_>,
) {
    let from = moved.from.to_string();
    for node in parts.strings.iter().copied() {
        if !source.text(node).contains(&from) || is_prose(node) {
            continue;
        }
        let mut cursor = node.walk();
        let mut parts = node.named_children(&mut cursor);
        // The first piece decides: what an f-string puts in comes after it.
        let Some(content) = parts.find(|part| part.kind() == "string_content") else {
            continue;
        };
        let text = source.text(content);
        let Some(now) = renamed(text, moved) else {
            continue;
        };
        let callee = callee(source, node);
        let is_wanted = dynamic.strings
            || callee
                .as_deref()
                .is_some_and(|callee| dynamic.calls.iter().any(|wanted| ends_with(callee, wanted)));
        let has_more = content.named_child_count() > 0
            || parts
                .next()
                .is_some_and(|part| part.kind() == "interpolation");
        if is_wanted && !has_more {
            edits.replace(content, &now);
            continue;
        }
        let is_known = callee
            .as_deref()
            .is_some_and(|callee| KNOWN.iter().any(|known| ends_with(callee, known)));
        let (kind, why) = if is_known {
            (
                Kind::DynamicImport,
                "names the moved package in a call, at run time",
            )
        } else {
            (Kind::String, "may name the moved package")
        };
        edits.ask(node, kind, why, vec![now, "leave it".to_owned()]);
    }
}

/// Whether a dotted name ends with another, component by component.
fn ends_with(name: &str, end: &str) -> bool {
    name.strip_suffix(end)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// What a string says after the move, if all of it is a dotted name in the package (`old.x`,
/// `old.x:f`, or `old.` with more to come).
fn renamed(text: &str, moved: &Move) -> Option<String> {
    let from = moved.from.to_string();
    let rest = text.strip_prefix(&from)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.:".contains(c);
    let is_name = rest.is_empty() || (rest.starts_with(['.', ':']) && rest.chars().all(plain));
    is_name.then(|| format!("{}{rest}", moved.to))
}

/// Docstrings, and types in quotes.
fn is_prose(string: Node<'_>) -> bool {
    let mut child = string;
    while let Some(parent) = child.parent() {
        match parent.kind() {
            "expression_statement" => return parent.named_child_count() == 1,
            "type" | "return_type" => return true,
            "concatenated_string"
            | "binary_operator"
            | "subscript"
            | "generic_type"
            | "union_type" => child = parent,
            _ => return false,
        }
    }
    false
}

/// The function whose first argument the string is, or begins.
fn callee(source: &Source, string: Node<'_>) -> Option<String> {
    let mut child = string;
    loop {
        let parent = child.parent()?;
        match parent.kind() {
            "binary_operator" | "concatenated_string" | "parenthesized_expression" => {
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

/// Where a line of text that is no Python names the package: not as a part of a longer name.
fn places<'t>(line: &'t str, package: &'t str) -> impl Iterator<Item = usize> + 't {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(package).filter_map(move |(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + package.len()..].chars().next();
        let is_whole =
            !before.is_some_and(|c| is_name(c) || c == '.') && !after.is_some_and(is_name);
        is_whole.then_some(at)
    })
}

/// A question for every line of a file that names the package.
pub fn mentions(text: &str, moved: &Move) -> Vec<Question> {
    let package = moved.from.to_string();
    let named = text
        .lines()
        .enumerate()
        .filter(|(_, line)| places(line, &package).next().is_some());
    named
        .map(|(number, line)| Question {
            answers: vec![rewrite_line(line, moved), "leave it".to_owned()],
            kind: Kind::Mention,
            line: number + 1,
            text: line.trim().chars().take(SHOWN_CHARACTERS).collect(),
            why: "names the moved package",
        })
        .collect()
}

/// The text with every mention rewritten: for files that the configuration names.
pub fn rewrite_mentions(text: &str, moved: &Move) -> String {
    text.split_inclusive('\n')
        .map(|line| rewrite_line(line, moved))
        .collect()
}

fn rewrite_line(line: &str, moved: &Move) -> String {
    let package = moved.from.to_string();
    let mut now = String::new();
    let mut end = 0;
    for at in places(line, &package) {
        now.push_str(&line[end..at]);
        now.push_str(&ModulePath::to_string(&moved.to));
        end = at + package.len();
    }
    now + &line[end..]
}
