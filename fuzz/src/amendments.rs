//! Makes amendments and documents, and checks what must hold when the amendments are applied.

use std::collections::BTreeMap;

use arbitrary::{Result, Unstructured};
use coo_engines::amend::{
    Amendment, Amendments, Anchor, Applied, Escalation, FORMAT, Halt, Operation, Outcome, patch,
};
use coo_kernel::form::digest::Digest;
use serde_json::{Map, Value, json};

use crate::patch;
use crate::pick;
use crate::several;

type Documents = BTreeMap<String, String>;

const MARK: char = '\u{feff}';
const PATHS: [&str; 5] = ["a.md", "docs/b.md", "docs/ä \"ö\".md", "c d.md", "a"];
const LINES: [&str; 28] = [
    "# Plan",
    "## Steps",
    "##  Steps ",
    "\t## Steps",
    "## Steps\u{a0}",
    "### Deep",
    "####### Seven",
    "#",
    "[A-1] one",
    "[A-1]",
    "- **[A-2]** two, see [A-1]",
    "> 1. [A-3] three",
    "## [A-3] three",
    "[A-1](link)",
    "[A-1][link]",
    "[ ] to do",
    "",
    " ",
    "text",
    "text [A-2]",
    "```",
    "````",
    "``` rust",
    "~~~",
    "    ```",
    "``` a`",
    "\u{feff}# Plan",
    "\u{2028}",
];
const ENDS: [&str; 6] = ["\n", "\n", "\n", "\r\n", "\r", "\n\n"];
const IDS: [&str; 6] = ["A-1", "A-2", "A-10", "A-3", "_", "z.9"];
const CLAUSES: [&str; 4] = ["[A-1]", "[A-2]", "[A-3]", "[A-9]"];
const HEADERS: [&str; 7] = [
    "# Plan",
    "## Steps",
    "  ##\tSteps",
    "### Deep",
    "#",
    "## [A-3] three",
    "## Steps\u{a0}",
];

/// Makes a file of amendments, and documents, from a recipe.
pub fn made(recipe: &mut Unstructured<'_>) -> Result<(Vec<u8>, Documents)> {
    let mut documents = Documents::new();
    for _ in 0..recipe.int_in_range(1..=2)? {
        let path = pick(recipe, &PATHS)?;
        let text = document(recipe)?;
        documents.insert(path.to_owned(), text);
    }
    let mut list = Vec::new();
    for _ in 0..recipe.int_in_range(1..=5)? {
        list.push(amendment(recipe)?);
    }
    let file = json!({ "format": FORMAT, "amendments": list });
    Ok((file.to_string().into_bytes(), documents))
}

fn document(recipe: &mut Unstructured<'_>) -> Result<String> {
    let mut text = String::new();
    if recipe.ratio(1, 8)? {
        text.push(MARK);
    }
    let end = pick(recipe, &ENDS)?;
    let mixed = recipe.ratio(1, 4)?;
    for _ in 0..recipe.int_in_range(0..=14)? {
        text.push_str(pick(recipe, &LINES)?);
        text.push_str(if mixed { pick(recipe, &ENDS)? } else { end });
    }
    if recipe.ratio(1, 4)? {
        text.push_str(pick(recipe, &LINES)?);
    }
    Ok(text)
}

fn amendment(recipe: &mut Unstructured<'_>) -> Result<Value> {
    let mut amendment = Map::new();
    let mut set = |key: &str, value: Value| amendment.insert(key.to_owned(), value);
    set("id", pick(recipe, &IDS)?.into());
    set("document", pick(recipe, &PATHS)?.into());
    set(
        "anchor",
        if recipe.arbitrary()? {
            json!({ "clause": pick(recipe, &CLAUSES)? })
        } else {
            json!({ "header": pick(recipe, &HEADERS)? })
        },
    );
    let extent = pick(recipe, &["", "", "line", "clause", "section"])?;
    if !extent.is_empty() {
        set("extent", extent.into());
    }
    let operation = pick(
        recipe,
        &["insert_before", "insert_after", "replace", "delete"],
    )?;
    set("operation", operation.into());
    if operation != "delete" {
        let mut text = several(recipe, &LINES, 2)?;
        text.push_str(&several(
            recipe,
            &["\n", "\n## Steps", "\n[A-9] new", "x"],
            4,
        )?);
        set("text", text.into());
    }
    Ok(amendment.into())
}

/// Applies a file of amendments, if it is valid, and checks the invariants of the result.
pub fn check(file: &[u8], documents: &Documents) {
    let Ok(amendments) = Amendments::parse(file) else {
        return;
    };
    let answer = amendments.apply(documents);
    assert_eq!(answer, amendments.apply(documents), "twice the same");
    match answer {
        Ok(outcome) => applied(&amendments, documents, &outcome),
        Err(escalation) => halted(file, documents, &escalation),
    }
}

fn applied(amendments: &Amendments, documents: &Documents, outcome: &Outcome) {
    assert_eq!(outcome.log.len(), amendments.len());
    let befores = outcome.documents.iter();
    let befores: Documents = befores
        .map(|(path, amended)| (path.clone(), amended.before.clone()))
        .collect();
    assert_eq!(&befores, documents, "what was given is what was amended");
    let mut now = documents.clone();
    for (number, entry) in outcome.log.iter().enumerate() {
        assert_eq!(entry.sequence_id, number + 1);
        if let Some(before) = number.checked_sub(1) {
            assert!(outcome.log[before].amendment.id < entry.amendment.id);
        }
        step(&mut now, entry);
    }
    for (path, amended) in &outcome.documents {
        assert_eq!(amended.after, now[path], "one by one it comes to the same");
    }
    let written = patch(&outcome.documents);
    assert_eq!(patch::apply(&written, documents), now, "{written}");
}

/// Applies one amendment alone, to the result of those before it; checks that the result is the
/// same and that only its extent changed.
fn step(now: &mut Documents, entry: &Applied) {
    let before = now[&entry.amendment.document].clone();
    assert_eq!(Digest::of(&before), entry.before_sha256);
    assert_eq!(naive_count(&before, &entry.amendment.anchor), 1);
    let outcome = alone(&entry.amendment).apply(now).expect("applies alone");
    let after = &outcome.documents[&entry.amendment.document].after;
    assert_eq!(Digest::of(after), entry.after_sha256);
    let again = &outcome.log[0];
    assert_eq!((again.line, again.lines), (entry.line, entry.lines));

    let lines: Vec<&str> = before.split_inclusive('\n').collect();
    let (above, rest) = lines.split_at(entry.line - 1);
    let (extent, below) = rest.split_at(entry.lines);
    let (above, below) = (above.concat(), below.concat());
    assert!(after.starts_with(above.trim_start_matches(MARK)) || after.starts_with(&above));
    assert!(after.ends_with(&below));
    assert_eq!(
        before.starts_with(MARK),
        after.starts_with(MARK) && before.starts_with(MARK)
    );
    let extent = extent.concat();
    let extent = if above.is_empty() {
        extent.trim_start_matches(MARK)
    } else {
        &extent
    };
    match entry.amendment.operation {
        Operation::InsertBefore => assert!(after.ends_with(&format!("{extent}{below}"))),
        Operation::InsertAfter => assert!(after.contains(extent)),
        Operation::Replace | Operation::Delete => {}
    }
    for line in entry.amendment.text.as_deref().unwrap_or_default().lines() {
        assert!(after.contains(line), "{line:?} is there");
    }
    let after = after.clone();
    now.insert(entry.amendment.document.clone(), after);
}

fn halted(file: &[u8], documents: &Documents, escalation: &Escalation) {
    let name = escalation.file();
    assert!(
        !name.contains(['/', '\0']) && !name.starts_with('.'),
        "{name}"
    );
    let count = escalation.candidates_found.len();
    // All amendments before it apply one by one, and then this one halts in the same way.
    let file: Value = serde_json::from_slice(file).expect("was parsed");
    // serde also accepts a struct as an array of its values, in order.
    let list = file.get("amendments").or_else(|| file.get(1));
    let list = list.and_then(Value::as_array).expect("was parsed");
    let mut list: Vec<Amendment> = list
        .iter()
        .map(|one| serde_json::from_value(one.clone()).expect("was parsed"))
        .collect();
    list.sort_by(|a, b| a.id.cmp(&b.id));
    let mut now = documents.clone();
    for amendment in &list {
        let answer = alone(amendment).apply(&now);
        if amendment.id == escalation.amendment_id {
            assert_eq!(answer.as_ref().unwrap_err().as_ref(), escalation);
            let found = now
                .get(&amendment.document)
                .map_or(0, |text| naive_count(text, &amendment.anchor));
            match escalation.kind {
                Halt::MissingAnchor => assert_eq!((count, found), (0, 0)),
                Halt::AmbiguousAnchor => assert!(count >= 2 && count == found),
            }
            return;
        }
        let outcome = answer.expect("those before it apply");
        for (path, amended) in outcome.documents {
            now.insert(path, amended.after);
        }
    }
    panic!("no amendment has the id {}", escalation.amendment_id);
}

fn alone(amendment: &Amendment) -> Amendments {
    let file = json!({ "format": FORMAT, "amendments": [amendment] });
    Amendments::parse(file.to_string().as_bytes()).expect("one of a file that was parsed")
}

/// Counts the lines that an anchor may mean, with a simple second implementation.
fn naive_count(document: &str, anchor: &Anchor) -> usize {
    let (Anchor::Clause(searched) | Anchor::Header(searched)) = anchor;
    let searched = words(searched);
    let mut fence = None;
    let mut count = 0;
    let document = document.strip_prefix(MARK).unwrap_or(document);
    for line in document.split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let marks = line.trim_start_matches(' ');
        let is_fence = |mark: char| {
            let length = marks.chars().take_while(|&c| c == mark).count();
            (line.len() - marks.len() <= 3 && length >= 3).then_some((mark, length))
        };
        let found = is_fence('`').or(is_fence('~'));
        match (fence, found) {
            (None, Some((mark, length))) => {
                if mark == '~' || !marks[length..].contains('`') {
                    fence = found;
                    continue;
                }
            }
            (Some((open, least)), found) => {
                if let Some((mark, length)) = found
                    && mark == open
                    && length >= least
                    && marks[length..].trim().is_empty()
                {
                    fence = None;
                }
                continue;
            }
            (None, None) => {}
        }
        let line = words(line);
        count += usize::from(match anchor {
            Anchor::Header(_) => line == searched,
            Anchor::Clause(id) => begins_clause(&line, id),
        });
    }
    count
}

fn words(line: &str) -> String {
    let words = line.split([' ', '\t']).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// Returns whether a line has only marks before the id, and no link after it.
fn begins_clause(line: &str, id: &str) -> bool {
    let Some((before, after)) = line.split_once(id) else {
        return false;
    };
    let is_mark = |word: &str| {
        let number = word.trim_end_matches(['.', ')']);
        let is_number = number.len() + 1 == word.len()
            && !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_digit());
        is_number || word.chars().all(|c| "#>*+-_`".contains(c))
    };
    let numbered = |word: &str| {
        // Marks may stand directly before a number, and a number needs a space after it.
        let number = word.trim_start_matches(['#', '>', '*', '+', '-', '_', '`']);
        is_mark(number)
    };
    let mut words: Vec<&str> = before.split(' ').collect();
    let last = words.pop().unwrap_or_default();
    words.into_iter().all(numbered)
        && last.chars().all(|c| "#>*+-_`".contains(c))
        && !after.starts_with(['(', '['])
}
