//! Shows what amendments changed, as a patch that `git apply` accepts. Changes nothing itself.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use similar::TextDiff;

use super::Amended;

/// Unchanged lines around every change, as git shows them.
const CONTEXT_LINES: usize = 3;

/// Returns the patch of every document that changed, sorted by path.
pub fn patch(documents: &BTreeMap<String, Amended>) -> String {
    let mut patch = String::new();
    for (path, amended) in documents {
        if amended.before == amended.after {
            continue;
        }
        let (old, new) = (quoted("a/", path), quoted("b/", path));
        // Writing to a string cannot fail.
        let _ = writeln!(patch, "diff --git {old} {new}");
        // For git, only a line feed ends a line.
        let before: Vec<&str> = amended.before.split_inclusive('\n').collect();
        let after: Vec<&str> = amended.after.split_inclusive('\n').collect();
        let diff = TextDiff::configure()
            .newline_terminated(true)
            .diff_slices(&before, &after);
        let _ = writeln!(patch, "--- {}\n+++ {}", header(&old), header(&new));
        let mut hunks = diff.unified_diff();
        for hunk in hunks.context_radius(CONTEXT_LINES).iter_hunks() {
            let _ = writeln!(patch, "{}", hunk.header());
            for change in hunk.iter_changes() {
                let line = change.value();
                let _ = write!(patch, "{}{line}", change.tag());
                // For git, a carriage return does not end a line.
                if !line.ends_with('\n') {
                    patch.push_str("\n\\ No newline at end of file\n");
                }
            }
        }
    }
    patch
}

/// Returns a file's name in a header line; git writes a tab after a name that contains a space.
fn header(name: &str) -> String {
    let end = if name.contains(' ') && !name.starts_with('"') {
        "\t"
    } else {
        ""
    };
    format!("{name}{end}")
}

/// Returns a path as git writes it: in quotes if it has anything but plain characters.
fn quoted(side: &str, path: &str) -> String {
    let is_plain = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\';
    if path.bytes().all(is_plain) {
        return format!("{side}{path}");
    }
    let mut text = format!("\"{side}");
    for byte in path.bytes() {
        if is_plain(byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "\\{byte:03o}");
        }
    }
    text + "\""
}
