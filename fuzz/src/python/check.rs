//! What holds of every source and every answer of the rewriter.

use std::collections::BTreeSet;

use coo_engines::python::{Edit, Kind, Question, Rewritten, mentions, rewrite, rewrite_mentions};

use super::Case;
use super::remaining::Remaining;

/// Any bytes: they are refused, or what is promised holds.
pub fn any(source: &[u8], case: &Case) {
    let Ok(first) = rewrite(source, case.place.as_ref(), &case.moved, &case.dynamic) else {
        return;
    };
    answered(source, case, &first);
}

/// A source of the grammar: the same, and no import is left that nobody asks about.
pub fn program(source: &str, case: &Case) {
    let Ok(first) = rewrite(
        source.as_bytes(),
        case.place.as_ref(),
        &case.moved,
        &case.dynamic,
    ) else {
        return;
    };
    let questions = answered(source.as_bytes(), case, &first);
    let now = first.content.as_deref().unwrap_or(source.as_bytes());
    let now = str::from_utf8(now).expect("UTF-8 stays UTF-8");
    let after = case.after();
    let remaining = Remaining::of(now, &case.moved, after.place.as_ref());
    let asked = |kind: Kind| -> BTreeSet<usize> {
        let asked = questions.iter().filter(|question| question.kind == kind);
        asked.map(|question| question.line).collect()
    };
    assert!(
        remaining.named.is_empty(),
        "imports of the package are left: {remaining:?}"
    );
    let ambiguous = asked(Kind::AmbiguousName);
    for line in &remaining.plain {
        // A line that goes on has its question where the name stands.
        let near = *line..*line + 8;
        assert!(
            ambiguous.range(near).next().is_some(),
            "an import is left on line {line}, and not asked about"
        );
    }
    let split = asked(Kind::SplitImport);
    for line in &remaining.from_parent {
        assert!(
            split.contains(line),
            "the package is left on line {line}, and not asked about"
        );
    }
}

/// Gives the questions of the source after the move.
fn answered(source: &[u8], case: &Case, first: &Rewritten) -> Vec<Question> {
    let now = first.content.as_deref().unwrap_or(source);
    assert_eq!(first.content.is_some(), !first.edits.is_empty());
    assert!(
        only_edits(source, now, &first.edits),
        "something beside the edits is another: {:?}",
        first.edits
    );
    untouched(source, case, first);

    let after = case.after();
    let again = rewrite(now, after.place.as_ref(), &after.moved, &after.dynamic);
    let again = match again {
        Ok(again) => again,
        Err(error) => panic!("was Python and is none: {error}"),
    };
    assert_eq!(again.edits, [], "a second time there is nothing to do");
    // Nor is there more to ask.
    assert!(again.questions.len() <= first.questions.len());

    if let Ok(text) = str::from_utf8(source) {
        let now = rewrite_mentions(text, &case.moved);
        assert_eq!(mentions(&now, &case.moved), [], "mentions are left");
        assert_eq!(now.matches('\n').count(), text.matches('\n').count());
    }
    again.questions
}

/// A source that says nothing of the package, and stays where it is, stays as it is.
fn untouched(source: &[u8], case: &Case, first: &Rewritten) {
    let name = case.moved.from.last().as_bytes();
    let is_named = source.windows(name.len()).any(|window| window == name);
    let stays = case
        .place
        .as_ref()
        .is_none_or(|place| place.before == place.after);
    if stays && !is_named {
        assert_eq!(*first, Rewritten::default());
    }
}

/// Whether `now` is `source` with these edits and nothing else. Where exactly on its line an edit
/// is, it does not say: every place is tried.
fn only_edits(source: &[u8], now: &[u8], edits: &[Edit]) -> bool {
    // Of sources in another encoding than UTF-8 an edit has other bytes, as many as there are.
    let plain = |bytes: &[u8]| -> Vec<u8> {
        let plain = bytes
            .iter()
            .map(|byte| if byte.is_ascii() { *byte } else { b'_' });
        plain.collect()
    };
    let (source, now) = (plain(source), plain(now));
    let mut lines = vec![0];
    let ends = source
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n');
    lines.extend(ends.map(|(at, _)| at + 1));
    lines.push(source.len() + 1);
    // How far both are read, in every way that is possible so far.
    let mut states = BTreeSet::from([(0, 0)]);
    for edit in edits {
        let (was, becomes) = (plain(edit.was.as_bytes()), plain(edit.now.as_bytes()));
        let mut after = BTreeSet::new();
        for (from, to) in &states {
            for start in (*from).max(lines[edit.line - 1])..lines[edit.line] {
                let there = to + start - from;
                let is_same = source.get(*from..start) == now.get(*to..there);
                let (end, end_there) = (start + was.len(), there + becomes.len());
                if is_same
                    && source.get(start..end) == Some(&was)
                    && now.get(there..end_there) == Some(&becomes)
                {
                    after.insert((end, end_there));
                }
            }
        }
        states = after;
    }
    states
        .iter()
        .any(|(from, to)| source[*from..] == now[*to..])
}
