//! Finds commands that run the package by its name (`python -m old.tool`) in text for people:
//! docstrings and comments. Such a line is wrong after the move, wherever it stands. Every other
//! mention in such text stays and is not asked about.

use std::ops::Range;

use super::Kind;
use super::context::{Context, context};
use super::dynamic::Dynamic;
use super::edit::Edits;
use super::module::Move;
use super::naming::{Naming, option};
use super::parse::{Parts, Source};
use super::words::{is_word, words};

/// A command in a text, as ranges of the text.
struct Command {
    /// The package's name.
    name: Range<usize>,
    /// From the option to the end of the module: `-m old.tool`.
    whole: Range<usize>,
}

/// Rewrites the commands in a source that the configuration covers, and asks about the others.
pub fn rewrite(
    source: &Source,
    parts: &Parts<'_>,
    moved: &Move,
    dynamic: &Dynamic,
    edits: &mut Edits<'_>,
) {
    let naming = Naming::new(moved, &dynamic.known, &dynamic.folder);
    let (from, to) = (moved.from.to_string(), moved.to.to_string());
    let is_prose = |node: &_| context(source, *node) == Context::Prose;
    let strings = parts.strings.iter().copied().filter(is_prose);
    for node in strings.chain(parts.comments.iter().copied()) {
        let text = source.text(node);
        for Command { name, whole } in commands(text, &from, &naming) {
            let first = source.line(node.start_byte());
            let line = first + text[..whole.start].matches('\n').count();
            let at = |range: &Range<usize>| {
                node.start_byte() + range.start..node.start_byte() + range.end
            };
            if dynamic.strings && !edits.is_answered(at(&whole), line) {
                edits.replace_range(at(&name), line, &to);
                continue;
            }
            let command = &text[whole.clone()];
            let inner = name.start - whole.start..name.end - whole.start;
            let mut now = command.to_owned();
            now.replace_range(inner, &to);
            let answers = vec![now, "leave it".to_owned()];
            let why = "runs the moved package by its old name";
            edits.ask_about(at(&whole), line, Kind::String, why, answers);
        }
    }
}

fn commands(text: &str, from: &str, naming: &Naming<'_>) -> Vec<Command> {
    let command = |name: Range<usize>| {
        let start = option(&text[..name.start])?;
        let after = &text[name.end..];
        if after.starts_with(['-', '/', '@']) || naming.is_end(after) {
            return None;
        }
        let end = name.end + module(after);
        Some(Command {
            name,
            whole: start..end,
        })
    };
    words(text, from).filter_map(command).collect()
}

/// Returns the length of the rest of a dotted name: that of `.tool` in `.tool, or`.
fn module(after: &str) -> usize {
    let mut length = 0;
    while let Some(rest) = after[length..].strip_prefix('.') {
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        if end == 0 {
            break;
        }
        length += 1 + end;
    }
    length
}
