//! Finds types in quotes and in type comments that use the first component of the package's name:
//! `x: 'old.a.T'`, `# type: old.a.T`. Python ignores these, but type checkers read them. Finds them
//! only; `names` decides what becomes of them.

use std::ops::Range;

use tree_sitter::Node;

use super::context::{Context, context, is_argument};
use super::module::Move;
use super::parse::{Parts, Source};
use super::scope::{Role, ScopeId, occurrences, scope_of, with_attributes};
use super::words::{has_word, is_word};

/// A type in quotes, or a type comment, that uses the name.
pub struct Quoted<'t> {
    /// The string or the comment.
    pub node: Node<'t>,
    /// Ranges of the source that name the package; empty if they cannot be determined.
    pub places: Vec<Range<usize>>,
    pub scope: ScopeId,
}

/// How deeply quotes nest in quotes; real code does not go deeper.
const DEPTH_MAX: usize = 3;

/// Returns every such string and comment of a source.
pub fn quoted<'t>(source: &Source, parts: &Parts<'t>, moved: &Move) -> Vec<Quoted<'t>> {
    let name = moved.from.first();
    let is_named = |node: &Node<'t>| has_word(source.text(*node), name);
    let strings = parts.strings.iter().copied().filter(is_named);
    let strings = strings.filter(|string| context(source, *string) == Context::Annotation);
    let strings = strings.map(|string| (string, plain_content(string).map(|part| vec![part])));
    let comments = parts.comments.iter().copied().filter(is_named);
    let comments =
        comments.filter_map(|comment| Some((comment, Some(type_comment(source, comment)?))));
    let mut all = Vec::new();
    for (node, types) in strings.chain(comments) {
        let mut places = Vec::new();
        let is_read = types.is_some_and(|types| {
            types
                .iter()
                .all(|range| read(source.at(range.clone()), range.start, moved, 0, &mut places))
        });
        if !is_read {
            places.clear();
        } else if places.is_empty() {
            // It uses the name only as an attribute or in a value.
            continue;
        }
        places.sort_by_key(|place| place.start);
        all.push(Quoted {
            node,
            places,
            scope: scope_of(node),
        });
    }
    all
}

/// Adds the places where a type names the package; the type begins at `start`. Returns false if the
/// type may name the package in a place that could not be determined.
fn read(
    text: &str,
    start: usize,
    moved: &Move,
    depth: usize,
    places: &mut Vec<Range<usize>>,
) -> bool {
    let name = moved.from.first();
    let Ok(inner) = Source::parse_alone(text.to_owned()) else {
        return false;
    };
    let Ok(parts) = inner.parts([name]) else {
        return false;
    };
    for found in occurrences(&inner, &parts, name) {
        if found.role != Role::Load {
            continue;
        }
        match with_attributes(&inner, found.node, &moved.from.components()[1..]) {
            Some(whole) => places.push(start + whole.start..start + whole.end),
            // Something else in the package's parent.
            None => return false,
        }
    }
    let strings = parts.strings.iter().copied();
    strings
        .filter(|string| has_word(inner.text(*string), name) && !is_argument(&inner, *string))
        .all(|string| {
            let content = plain_content(string).filter(|_| depth < DEPTH_MAX);
            content.is_some_and(|content| {
                let start = start + content.start;
                read(inner.at(content), start, moved, depth + 1, places)
            })
        })
}

/// Returns the range between the quotes, if the content is one piece without escapes or
/// interpolations.
fn plain_content(string: Node<'_>) -> Option<Range<usize>> {
    let mut cursor = string.walk();
    let mut parts = string
        .named_children(&mut cursor)
        .filter(|part| !matches!(part.kind(), "string_start" | "string_end"));
    let content = parts.next()?;
    let is_plain = content.kind() == "string_content" && content.named_child_count() == 0;
    (is_plain && parts.next().is_none()).then(|| content.byte_range())
}

/// Returns the ranges of the types in `# type: T` and `# type: (T, U) -> V`.
fn type_comment(source: &Source, comment: Node<'_>) -> Option<Vec<Range<usize>>> {
    let text = source.text(comment);
    let rest = text.strip_prefix('#')?.trim_start();
    let rest = rest.strip_prefix("type:")?.trim_start();
    if rest
        .strip_prefix("ignore")
        .is_some_and(|rest| !rest.starts_with(is_word))
    {
        return None;
    }
    let start = comment.end_byte() - rest.len();
    Some(match rest.find("->") {
        Some(arrow) => {
            let after = &rest[arrow + 2..];
            let result = after.trim_start();
            vec![
                start..start + arrow,
                comment.end_byte() - result.len()..comment.end_byte(),
            ]
        }
        None => std::iter::once(start..comment.end_byte()).collect(),
    })
}
