//! Finds where a text that is not Python names the package. Tells a mention of the package from the
//! name of something else, and finds the mentions that can hardly mean anything but the package.

use std::collections::BTreeSet;
use std::ops::Range;

use super::module::Move;
use super::words::{is_word, words};

/// Endings of file names and host names: `old.py` is not a module of `old`.
const ENDS: [&str; 50] = [
    "bak",
    "bat",
    "c",
    "cfg",
    "com",
    "conf",
    "css",
    "csv",
    "db",
    "dev",
    "dist",
    "dll",
    "egg",
    "exe",
    "git",
    "gz",
    "html",
    "in",
    "ini",
    "io",
    "ipynb",
    "js",
    "json",
    "jsonl",
    "lock",
    "log",
    "md",
    "net",
    "org",
    "orig",
    "pdf",
    "png",
    "py",
    "pyc",
    "pyd",
    "pyi",
    "readthedocs",
    "rst",
    "service",
    "sh",
    "so",
    "sql",
    "svg",
    "tar",
    "toml",
    "txt",
    "xml",
    "yaml",
    "yml",
    "zip",
];

/// A mention of the package, as a range of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub range: Range<usize>,
    /// Whether the mention means the package's folder.
    pub is_path: bool,
}

/// The package, in the forms in which texts name it.
#[derive(Debug, Clone)]
pub struct Naming<'a> {
    moved: &'a Move,
    /// The names in its folder, each with and without its extension.
    known: &'a BTreeSet<String>,
    /// The folder, as a path from the top of the repository.
    folder: &'a str,
    /// The name with dots.
    name: String,
    /// The name with slashes.
    path: String,
}

/// The kind of a text; certain mentions differ by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text {
    /// A string literal of a program.
    String {
        /// Whether something is interpolated or joined after it.
        goes_on: bool,
    },
    /// A line of a data file, which programs read.
    Data,
}

impl<'a> Naming<'a> {
    /// Prepares the forms of the name of a package that moves.
    /// `known` and `folder` are those of the fields.
    pub fn new(moved: &'a Move, known: &'a BTreeSet<String>, folder: &'a str) -> Self {
        Self {
            moved,
            known,
            folder,
            name: moved.from.to_string(),
            path: moved.from.components().join("/"),
        }
    }

    /// Returns every mention of the package, in order.
    pub fn mentions(&self, text: &str) -> Vec<Named> {
        let dotted = words(text, &self.name).map(|range| Named {
            is_path: self.name == self.path
                && (text[range.end..].starts_with('/') || text[..range.start].ends_with('/')),
            range,
        });
        let paths = words(text, &self.path).map(|range| Named {
            is_path: true,
            range,
        });
        let paths = paths.filter(|_| self.name != self.path);
        let mut all: Vec<Named> = dotted
            .chain(paths)
            .filter(|named| !self.is_another(text, &named.range))
            .collect();
        all.sort_by_key(|named| named.range.start);
        all
    }

    /// Returns the mentions that can hardly mean anything else.
    pub fn certain(&self, text: &str, kind: Text) -> Vec<Named> {
        let mut all = self.mentions(text);
        all.retain(|named| self.is_certain(text, named, kind));
        all
    }

    /// Returns the text with the new name in these places.
    pub fn rewritten(&self, text: &str, places: &[Named]) -> String {
        let (name, path) = (
            self.moved.to.to_string(),
            self.moved.to.components().join("/"),
        );
        let mut now = text.to_owned();
        for named in places.iter().rev() {
            let was = &text[named.range.clone()];
            let with = if named.is_path { &path } else { &name };
            // In a regular expression the dots are escaped.
            let escaped = ["\\\\.", "\\.", "[.]"]
                .into_iter()
                .find(|dot| was.contains(dot));
            let with = escaped.map_or_else(|| with.clone(), |dot| with.replace('.', dot));
            now.replace_range(named.range.clone(), &with);
        }
        now
    }

    /// Returns whether the text after the name makes it a file or a host, as in `old.py`.
    pub fn is_end(&self, after: &str) -> bool {
        let Some(after) = after.strip_prefix('.') else {
            return false;
        };
        let (end, rest) = after.split_at(after.find(|c| !is_word(c)).unwrap_or(after.len()));
        let goes_on = rest
            .strip_prefix('.')
            .is_some_and(|rest| rest.starts_with(is_word));
        ENDS.contains(&end)
            && !self.known.contains(end)
            && !rest.starts_with('(')
            && (!goes_on || self.is_end(rest))
    }

    /// Returns whether the text around the name makes it part of another name.
    fn is_another(&self, text: &str, range: &Range<usize>) -> bool {
        let (before, after) = (&text[..range.start], &text[range.end..]);
        let is_joined = |mark: char| {
            after
                .strip_prefix(mark)
                .is_some_and(|rest| rest.starts_with(is_word))
        };
        // `x.old`, `x-old`, `--old`, `$old`, `x@old`, `old-x`, `old@1`
        before.ends_with(['.', '-', '$'])
            || before.ends_with("${")
            || before
                .strip_suffix('@')
                .is_some_and(|before| before.ends_with(is_word))
            || is_joined('-')
            || is_joined('@')
            || self.is_end(after)
            || is_in_address(before)
    }

    fn is_certain(&self, text: &str, named: &Named, kind: Text) -> bool {
        let (before, after) = (&text[..named.range.start], &text[named.range.end..]);
        if let Some(rest) = after.strip_prefix('/') {
            let rest = rest.trim_start_matches('/');
            let end = rest.find(|c: char| !is_word(c) && !".-".contains(c));
            let inner = rest[..end.unwrap_or(rest.len())].trim_end_matches('.');
            return self.is_known(inner)
                || goes_on(rest, kind)
                || (rest.is_empty() && self.is_folder(before));
        }
        if named.is_path {
            return after.is_empty() && self.is_folder(before);
        }
        let run = after.find(|c: char| !is_word(c) && !".:".contains(c));
        let (run, rest) = after.split_at(run.unwrap_or(after.len()));
        let inner = run.strip_prefix('.').unwrap_or_default();
        let first = &inner[..inner.find(|c| !is_word(c)).unwrap_or(inner.len())];
        if self.is_known(first) {
            return true;
        }
        let is_apart = before.is_empty() || before.ends_with([' ', '\t', '"', '\'', '=', '(']);
        let is_begun = run.ends_with('.') || (before.is_empty() && run.starts_with('.'));
        if is_apart && is_begun && goes_on(rest, kind) {
            return true;
        }
        is_imported(before, rest)
            || is_entry_point(before, run)
            || is_called(before)
            || (kind == Text::Data && is_value(before, rest))
    }

    /// Returns whether `before` and the name together are exactly the path of the package's folder.
    fn is_folder(&self, before: &str) -> bool {
        let before = before.strip_prefix("./").unwrap_or(before);
        self.folder.strip_suffix(&self.path) == Some(before)
    }

    fn is_known(&self, inner: &str) -> bool {
        !inner.is_empty() && self.known.contains(inner)
    }
}

/// Returns whether the name stands in an address: `https://old.example/old`, `git@example:old`.
fn is_in_address(before: &str) -> bool {
    let start = before.rfind(|c: char| c.is_whitespace() || "\"'`<>()[],".contains(c));
    let token = &before[start.map_or(0, |start| start + 1)..];
    let is_account = token
        .split_once('@')
        .is_some_and(|(user, _)| user.ends_with(is_word));
    token.contains("://") || is_account
}

/// Returns whether the rest of the name is filled in later: `old.%s`, `old/{}`, `old/*.py`, or
/// `old.` with a name joined to it.
fn goes_on(rest: &str, kind: Text) -> bool {
    let is_end = rest.is_empty() && kind == (Text::String { goes_on: true });
    is_end || rest.starts_with(['%', '{', '*', '$', '['])
}

/// Returns whether the name is imported: `import old`, `from old import`, `-m old`. `before` ends
/// where the name begins, and `rest` begins after the module.
fn is_imported(before: &str, rest: &str) -> bool {
    let start = before.rfind(|c: char| "\n;:>\"'`({[".contains(c));
    let statement = before[start.map_or(0, |start| start + 1)..].trim_start();
    let after = rest.trim_start_matches([' ', '\t']);
    let ends = |after: &str| {
        after.is_empty()
            || after.starts_with([',', ';', '\r', '\n', '#', '"', '\'', '`', ')', '\\'])
    };
    if let Some(names) = statement.strip_prefix("import ") {
        let is_next = names.trim().is_empty() || names.trim_end().ends_with(',');
        return is_next && (ends(after) || after.starts_with("as "));
    }
    if let Some(space) = statement.strip_prefix("from ") {
        return space.trim().is_empty() && after.starts_with("import");
    }
    option(before).is_some() && (ends(rest) || rest.starts_with([' ', '\t']))
}

/// Returns where Python's option for running a module begins, if `before` ends with it: `-m `, or
/// `-Im ` with others in front.
pub fn option(before: &str) -> Option<usize> {
    let option = before.trim_end_matches([' ', '\t']);
    if option.len() == before.len() {
        return None;
    }
    let others = option.strip_suffix('m')?;
    let others = others.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let before = others.strip_suffix('-')?;
    let is_apart = before.is_empty() || before.ends_with([' ', '\t', '\n', '"', '\'', '`', '(']);
    is_apart.then_some(before.len())
}

/// Returns whether the name is an entry point: `name = old:main`.
fn is_entry_point(before: &str, run: &str) -> bool {
    let function = run.strip_prefix(':');
    before.trim_end().ends_with('=') && function.is_some_and(|rest| rest.starts_with(is_word))
}

/// Returns whether the text imports the name in a call: `__import__('old')`.
fn is_called(before: &str) -> bool {
    let before = before.strip_suffix(['"', '\'']);
    before.is_some_and(|before| {
        let calls = ["import_module(", "__import__(", "find_spec("];
        calls.iter().any(|call| before.ends_with(call))
    })
}

/// Returns whether the name is a whole value: in quotes, after `:` or `=`, or alone on its line.
fn is_value(before: &str, rest: &str) -> bool {
    let quote = before.chars().next_back().filter(|c| "\"'".contains(*c));
    if let Some(quote) = quote {
        return rest.starts_with(quote);
    }
    let before = before.trim();
    let is_begun = before.is_empty() || before == "-" || before.ends_with([':', '=']);
    is_begun
        && rest
            .trim_end_matches([',', ';', '\r', '\n', ' ', '\t'])
            .is_empty()
}
