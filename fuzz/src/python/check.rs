//! Checks what must hold for every source and every result of the rewriter.

use std::collections::BTreeSet;

use coo_engines::python::{Edit, Kind, Question, Rewritten, mentions, rewrite, rewrite_mentions};

use super::Case;
use super::remaining::Remaining;

/// Checks any bytes: the rewriter refuses them, or its invariants hold.
pub fn any(source: &[u8], case: &Case) {
    let Ok(first) = rewrite(source, case.place.as_ref(), &case.moved, &case.dynamic) else {
        return;
    };
    answered(source, case, &first);
}

/// Checks a source of the grammar: the invariants hold, and every import that is left has a
/// question.
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
        // In a continued line the question stands where the name stands.
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

/// Checks a result; returns the questions about the source after the move.
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
    // Nor are there more questions.
    assert!(again.questions.len() <= first.questions.len());

    if let Ok(text) = str::from_utf8(source) {
        let now = rewrite_mentions(text, &case.moved);
        assert_eq!(mentions(&now, &case.moved), [], "mentions are left");
        assert_eq!(now.matches('\n').count(), text.matches('\n').count());
    }
    again.questions
}

/// Checks that a source which does not name the package, and does not move, is unchanged.
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

/// Returns whether `now` is `source` with exactly these edits. An edit names only its line, so
/// every place on that line is tried.
fn only_edits(source: &[u8], now: &[u8], edits: &[Edit]) -> bool {
    // In a source that is not UTF-8, an edit shows other bytes, but as many of them.
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
    // How far both texts are read, for every possible placement of the edits so far.
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
