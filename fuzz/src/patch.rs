//! Applies a patch in git's format exactly as written. Unlike `git apply`, it never looks for
//! another place where a hunk would fit.

use std::collections::BTreeMap;

/// Returns `documents` after `patch`. Panics if the patch does not fit; that is a finding.
pub fn apply(patch: &str, documents: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut after = documents.clone();
    let mut lines = patch.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        assert!(line.starts_with("diff --git "), "no file begins: {line:?}");
        let old = lines.next().and_then(|line| line.strip_prefix("--- "));
        let new = lines.next().and_then(|line| line.strip_prefix("+++ "));
        let path = path(old.expect("a line ---"), "a/");
        assert_eq!(path, self::path(new.expect("a line +++"), "b/"));
        let before: Vec<&str> = documents[&path].split_inclusive('\n').collect();
        let mut now = String::new();
        let mut at = 0;
        while let Some(hunk) = lines.next_if(|line| line.starts_with("@@ ")) {
            let (start, mut old, mut new) = header(hunk);
            // For an empty range, a hunk names the line before it.
            let start = if old == 0 { start } else { start - 1 };
            assert!(start >= at, "hunks overlap: {hunk:?}");
            now.push_str(&before[at..start].concat());
            at = start;
            while old > 0 || new > 0 {
                let line = lines.next().expect("a hunk goes on");
                let (kind, text) = line.split_at(1);
                let no_end = lines.next_if(|line| line.starts_with('\\')).is_some();
                let text = match text.strip_suffix('\n') {
                    Some(text) if no_end => text,
                    _ => text,
                };
                if kind != "+" {
                    assert_eq!(before[at], text, "what goes or stays is there");
                    at += 1;
                    old -= 1;
                }
                if kind != "-" {
                    now.push_str(text);
                    new -= 1;
                }
            }
        }
        now.push_str(&before[at..].concat());
        after.insert(path, now);
    }
    after
}

fn header(hunk: &str) -> (usize, usize, usize) {
    let mut ranges = hunk.split(' ').skip(1).map(|range| {
        let range = range.trim_start_matches(['-', '+']);
        let (start, length) = range.split_once(',').unwrap_or((range, "1"));
        let number = |text: &str| text.parse::<usize>().expect("a number");
        (number(start), number(length))
    });
    let (old, new) = (ranges.next().expect("old"), ranges.next().expect("new"));
    (old.0, old.1, new.1)
}

fn path(written: &str, side: &str) -> String {
    let written = written.strip_suffix('\n').expect("a whole line");
    let plain = match written.strip_prefix('"') {
        None => written.strip_suffix('\t').unwrap_or(written).to_owned(),
        Some(quoted) => {
            let quoted = quoted.strip_suffix('"').expect("the other quote");
            let mut bytes = Vec::new();
            let mut rest = quoted.as_bytes();
            while let Some((&byte, after)) = rest.split_first() {
                if byte == b'\\' {
                    let digits = str::from_utf8(&after[..3]).expect("digits");
                    bytes.push(u8::from_str_radix(digits, 8).expect("octal"));
                    rest = &after[3..];
                } else {
                    bytes.push(byte);
                    rest = after;
                }
            }
            String::from_utf8(bytes).expect("a name in UTF-8")
        }
    };
    plain.strip_prefix(side).expect("its side").to_owned()
}
