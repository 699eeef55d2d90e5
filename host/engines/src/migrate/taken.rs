//! Finds other meanings of the package's new name: a module beside it, a standard library module,
//! an imported distribution, a name in its new parent, a folder of tests. One would silently hide
//! the other, so each becomes a question. Judges names of files and imports of sources; runs
//! nothing.

use std::collections::BTreeSet;

use super::after::source_of;
use super::{Migration, Planned, ending, is_python};
use crate::python::{Kind, ModulePath, Question, SourceAnswer};
use crate::repository::config::FILE;

/// Modules of the standard library (`sys.stdlib_module_names` of `CPython` 3.13), without those
/// whose names begin with `_`.
const STANDARD: [&str; 194] = [
    "__future__",
    "__main__",
    "abc",
    "antigravity",
    "argparse",
    "array",
    "ast",
    "asyncio",
    "atexit",
    "base64",
    "bdb",
    "binascii",
    "bisect",
    "builtins",
    "bz2",
    "cProfile",
    "calendar",
    "cmath",
    "cmd",
    "code",
    "codecs",
    "codeop",
    "collections",
    "colorsys",
    "compileall",
    "concurrent",
    "configparser",
    "contextlib",
    "contextvars",
    "copy",
    "copyreg",
    "csv",
    "ctypes",
    "curses",
    "dataclasses",
    "datetime",
    "dbm",
    "decimal",
    "difflib",
    "dis",
    "doctest",
    "email",
    "encodings",
    "ensurepip",
    "enum",
    "errno",
    "faulthandler",
    "fcntl",
    "filecmp",
    "fileinput",
    "fnmatch",
    "fractions",
    "ftplib",
    "functools",
    "gc",
    "genericpath",
    "getopt",
    "getpass",
    "gettext",
    "glob",
    "graphlib",
    "grp",
    "gzip",
    "hashlib",
    "heapq",
    "hmac",
    "html",
    "http",
    "idlelib",
    "imaplib",
    "importlib",
    "inspect",
    "io",
    "ipaddress",
    "itertools",
    "json",
    "keyword",
    "linecache",
    "locale",
    "logging",
    "lzma",
    "mailbox",
    "marshal",
    "math",
    "mimetypes",
    "mmap",
    "modulefinder",
    "msvcrt",
    "multiprocessing",
    "netrc",
    "nt",
    "ntpath",
    "nturl2path",
    "numbers",
    "opcode",
    "operator",
    "optparse",
    "os",
    "pathlib",
    "pdb",
    "pickle",
    "pickletools",
    "pkgutil",
    "platform",
    "plistlib",
    "poplib",
    "posix",
    "posixpath",
    "pprint",
    "profile",
    "pstats",
    "pty",
    "pwd",
    "py_compile",
    "pyclbr",
    "pydoc",
    "pydoc_data",
    "pyexpat",
    "queue",
    "quopri",
    "random",
    "re",
    "readline",
    "reprlib",
    "resource",
    "rlcompleter",
    "runpy",
    "sched",
    "secrets",
    "select",
    "selectors",
    "shelve",
    "shlex",
    "shutil",
    "signal",
    "site",
    "smtplib",
    "socket",
    "socketserver",
    "sqlite3",
    "sre_compile",
    "sre_constants",
    "sre_parse",
    "ssl",
    "stat",
    "statistics",
    "string",
    "stringprep",
    "struct",
    "subprocess",
    "symtable",
    "sys",
    "sysconfig",
    "syslog",
    "tabnanny",
    "tarfile",
    "tempfile",
    "termios",
    "textwrap",
    "this",
    "threading",
    "time",
    "timeit",
    "tkinter",
    "token",
    "tokenize",
    "tomllib",
    "trace",
    "traceback",
    "tracemalloc",
    "tty",
    "turtle",
    "turtledemo",
    "types",
    "typing",
    "unicodedata",
    "unittest",
    "urllib",
    "uuid",
    "venv",
    "warnings",
    "wave",
    "weakref",
    "webbrowser",
    "winreg",
    "winsound",
    "wsgiref",
    "xml",
    "xmlrpc",
    "zipapp",
    "zipfile",
    "zipimport",
    "zlib",
    "zoneinfo",
];

/// A name with two meanings: the file that shows the other meaning, and the question about it.
type Taken = (String, Question);

/// How a source uses the new name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// Modules and names that the source imports and that begin with the new name, up to the first
    /// folder of it that does not exist yet; with their lines.
    pub imports: Vec<(usize, Vec<String>)>,
    /// The line on which the package's new parent binds the name to something else.
    pub bound: Option<usize>,
}

/// Asks about every other meaning of the new name.
pub fn ask_about_names(migration: &Migration<'_>, planned: &mut Vec<Planned>, there: &[String]) {
    let mut taken = migration.taken(there);
    taken.extend(migration.imported_already(planned));
    taken.extend(migration.merged(there));
    taken.extend(migration.without_init(there));
    for (path, question) in taken {
        let at = planned.iter().position(|file| file.path == path);
        let at = at.unwrap_or_else(|| {
            planned.push(Planned {
                path: path.clone(),
                ..Planned::default()
            });
            planned.len() - 1
        });
        let file = &mut planned[at];
        let answers = migration.answers(&path);
        if let Some((about, SourceAnswer::Leave)) = answers.of(&question.text, question.line) {
            file.used.insert(about.clone());
        } else {
            file.questions.push(question);
        }
        let place = |question: &Question| (question.line, question.text.clone());
        file.questions.sort_by_key(place);
    }
    planned.sort_by(|a, b| a.path.cmp(&b.path));
}

fn question(kind: Kind, line: usize, text: &str, why: &'static str) -> Question {
    let answers = match kind {
        Kind::NoPackage => vec![format!("add an empty {text}"), "leave it".to_owned()],
        _ => vec![
            "choose another [migrate] to".to_owned(),
            "leave it".to_owned(),
        ],
    };
    Question {
        answers,
        kind,
        line,
        text: text.to_owned(),
        why,
    }
}

impl Migration<'_> {
    /// Returns a line for each other meaning that exists after the move and that no answer covers.
    pub fn taken_after(&self, there: &[String]) -> Vec<String> {
        let taken = self.taken(there).into_iter();
        let open = taken.filter(|(path, question)| {
            let answers = self.answers(path);
            answers.of(&question.text, question.line).is_none()
        });
        open.map(|(path, question)| format!("{path}: {} {}", question.text, question.why))
            .collect()
    }

    /// Returns other meanings of the new name, or of a folder in it, that these files show. Works
    /// for the tree before the move and after it.
    pub fn taken(&self, there: &[String]) -> Vec<Taken> {
        let to = self.moved.to.components();
        let mut taken = Vec::new();
        for path in there.iter().filter(|path| ending(path) != Some("pyi")) {
            let source = source_of(path);
            let Some((module, is_package)) = self.module(&source) else {
                continue;
            };
            let is_beside = !is_package && to.starts_with(module.components());
            if is_beside {
                let why = "is the module of this name, which the package or its folder takes";
                taken.push((path.clone(), asked(&module, why)));
            }
        }
        // If the tree has a package of that name, it already hides the standard library's module.
        let first = self.moved.to.first();
        let library = STANDARD.contains(&first) && self.moved.from.first() != first;
        if library && !self.is_known_package(there) {
            let why = "is a module of Python's standard library";
            let name = question(Kind::TakenName, 1, first, why);
            taken.push((FILE.to_owned(), name));
        }
        taken.extend(self.found_by_tests(there));
        taken
    }

    /// Returns whether the first folder of the new name is an existing package that the package
    /// moves into.
    fn is_known_package(&self, there: &[String]) -> bool {
        let (first, to) = (self.moved.to.first(), self.moved.to.components());
        to.len() > 1 && there.contains(&format!("{}__init__.py", self.folder(&[first.to_owned()])))
    }

    /// Returns modules that come first on the import path where tests or scripts run. Python puts a
    /// script's folder there, and pytest the first folder that is not a package.
    fn found_by_tests(&self, there: &[String]) -> Vec<Taken> {
        let packages: BTreeSet<&str> = there
            .iter()
            .filter_map(|path| path.strip_suffix("/__init__.py"))
            .collect();
        let mut found = BTreeSet::new();
        for path in there.iter().filter(|path| ending(path) == Some("py")) {
            if self.becomes(path).is_some() || self.is_in_new(path) {
                continue;
            }
            let (mut folder, mut top) = path.rsplit_once('/').unwrap_or(("", path));
            while packages.contains(folder) {
                (folder, top) = folder.rsplit_once('/').unwrap_or(("", folder));
            }
            // At the source's own top it is the module of that name in any case.
            let is_named = top.strip_suffix(".py").unwrap_or(top) == self.moved.to.first();
            if is_named && folder != self.config.source {
                let top = match folder {
                    "" => top.to_owned(),
                    folder => format!("{folder}/{top}"),
                };
                let is_package = packages.contains(top.as_str());
                found.insert(if is_package {
                    format!("{top}/__init__.py")
                } else {
                    top
                });
            }
        }
        let why = "is found by the package's new name where scripts or tests beside it run";
        let name = |path: String| {
            let question = question(Kind::TakenName, 1, self.moved.to.first(), why);
            (path, question)
        };
        found.into_iter().map(name).collect()
    }

    /// Returns the first import of the new name, or binding of it in its parent, in a tree that has
    /// no such folder yet.
    fn imported_already(&self, planned: &[Planned]) -> Option<Taken> {
        let fresh = self.fresh.as_ref()?;
        let mut of_parent = planned.iter().filter_map(|file| {
            let line = file.named.bound?;
            let why = "gives the name that the package is to have in it another meaning";
            let name = question(Kind::TakenName, line, self.moved.to.last(), why);
            Some((file.path.clone(), name))
        });
        let mut imports = planned.iter().flat_map(|file| {
            let imports = file.named.imports.iter();
            let imports = imports.filter(|(_, module)| module.starts_with(fresh));
            imports.map(move |(line, _)| {
                let why = "is imported here, and means something else than the package";
                let name = question(Kind::TakenName, *line, &fresh.join("."), why);
                (file.path.clone(), name)
            })
        });
        of_parent.next().or_else(|| imports.next())
    }

    /// Returns a package of the new name that exists already and would be merged with the moved
    /// one.
    fn merged(&self, there: &[String]) -> Option<Taken> {
        let is_module = |path: &&String| self.is_in_new(path) && is_python(&source_of(path));
        let path = there.iter().find(is_module)?;
        let why = "is in a package of the new name already, which would be one with the moved one";
        let name = question(Kind::TakenName, 1, &self.moved.to.to_string(), why);
        Some((path.clone(), name))
    }

    /// Returns new parent folders that would not be packages, if the moved package is one.
    fn without_init(&self, there: &[String]) -> Vec<Taken> {
        if !there.contains(&format!("{}/__init__.py", self.config.from)) {
            return Vec::new();
        }
        let to = self.moved.to.components();
        let mut missing = Vec::new();
        for length in 1..to.len() {
            let folder = self.folder(&to[..length]);
            if !there.iter().any(|path| path.starts_with(&folder)) {
                let path = format!("{folder}__init__.py");
                let why = "is not there, so what is below it is found by another name from there";
                missing.push((path.clone(), question(Kind::NoPackage, 1, &path, why)));
            }
        }
        missing
    }
}

fn asked(module: &ModulePath, why: &'static str) -> Question {
    question(Kind::TakenName, 1, &module.to_string(), why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::config::Config;

    fn found(migrate: &str, files: &[(&str, &str)]) -> Vec<String> {
        let config = Config::parse(&format!("[migrate]\n{migrate}\n")).unwrap();
        let config = config.migrate.unwrap();
        let there: Vec<String> = files.iter().map(|(path, _)| (*path).to_owned()).collect();
        let migration = Migration::of(&config).unwrap();
        let migration = migration.among(there.iter().map(String::as_str));
        let read = files.iter();
        let read = read.filter(|(path, _)| migration.has(path) || migration.is_outside(path));
        let mut planned: Vec<Planned> = read
            .map(|(path, content)| migration.plan(path, content.as_bytes()).unwrap())
            .collect();
        ask_about_names(&migration, &mut planned, &there);
        let asked = planned.iter().flat_map(|file| {
            let questions = file.questions.iter();
            questions.map(|one| format!("{}:{}: {} {:?}", file.path, one.line, one.text, one.kind))
        });
        asked.collect()
    }

    const OLD: [(&str, &str); 2] = [("old/__init__.py", ""), ("old/a.py", "import os\n")];

    #[test]
    fn another_meaning_of_the_new_name_is_asked_about() {
        for (migrate, more, expected) in [
            (
                "from = 'old'\nto = 'helpers'",
                ("helpers.py", ""),
                &["helpers.py:1: helpers TakenName"][..],
            ),
            (
                "from = 'old'\nto = 'lib/new'",
                ("lib.py", ""),
                &[
                    "lib.py:1: lib TakenName",
                    "lib/__init__.py:1: lib/__init__.py NoPackage",
                ],
            ),
            (
                "from = 'old'\nto = 'fast'",
                ("fast.cpython-313-x86_64-linux-gnu.so", ""),
                &["fast.cpython-313-x86_64-linux-gnu.so:1: fast TakenName"],
            ),
            (
                "from = 'old'\nto = 'json'",
                ("old/b.py", "\nimport json\n"),
                &["coo.toml:1: json TakenName", "old/b.py:2: json TakenName"],
            ),
            (
                "from = 'old'\nto = 'email'",
                ("x", ""),
                &["coo.toml:1: email TakenName"],
            ),
            (
                "from = 'old'\nto = 'requests'",
                (
                    "tools/x.py",
                    "try:\n    from requests.adapters import A\nexcept E: pass\n",
                ),
                &["tools/x.py:2: requests TakenName"],
            ),
            (
                "from = 'old'\nto = 'new'",
                ("new/other.py", ""),
                &["new/other.py:1: new TakenName"],
            ),
            (
                "from = 'old'\nto = 'new'",
                ("tests/new/__init__.py", ""),
                &["tests/new/__init__.py:1: new TakenName"],
            ),
            (
                "from = 'old'\nto = 'new'",
                ("scripts/new.py", ""),
                &["scripts/new.py:1: new TakenName"],
            ),
            (
                "from = 'old'\nto = 'new'\nleave = [{ file = 'scripts/new.py', text = 'new' }]",
                ("scripts/new.py", ""),
                &[],
            ),
        ] {
            let files = [&OLD[..], &[more]].concat();
            assert_eq!(found(migrate, &files), expected, "{migrate} {more:?}");
        }
    }

    #[test]
    fn a_parent_s_own_name_is_asked_about() {
        let files = |init: &'static str, user: &'static str| {
            [
                ("top/__init__.py", init),
                ("top/old/__init__.py", ""),
                ("main.py", user),
            ]
        };
        let migrate = "from = 'top/old'\nto = 'top/new'";
        for (init, user, expected) in [
            ("new = 1\n", "", &["top/__init__.py:1: new TakenName"][..]),
            (
                "from x import y as new\n",
                "",
                &["top/__init__.py:1: new TakenName"],
            ),
            (
                "def new(): pass\n",
                "",
                &["top/__init__.py:1: new TakenName"],
            ),
            (
                "",
                "from top import new\n",
                &["main.py:1: top.new TakenName"],
            ),
            (
                "def f():\n    new = 1\n",
                "from top import other, old\n",
                &[],
            ),
        ] {
            let found = found(migrate, &files(init, user));
            let found: Vec<&String> = found.iter().filter(|one| one.contains("Taken")).collect();
            assert_eq!(found, expected, "{init} {user}");
        }
    }

    #[test]
    fn what_only_is_called_alike_is_not_asked_about() {
        for (migrate, more) in [
            (
                "from = 'old'\nto = 'new'",
                ("newer.py", "from x import new\n"),
            ),
            ("from = 'old'\nto = 'new'", ("new.pyi", "")),
            ("from = 'old'\nto = 'new'", ("new.txt", "")),
            (
                "from = 'old'\nto = 'new'",
                ("old/new.py", "import old.new\n"),
            ),
            (
                "from = 'old'\nto = 'lib/json'",
                ("lib/__init__.py", "import json\n"),
            ),
            ("from = 'old'\nto = 'new'", ("tests/new/test_x.py", "")),
        ] {
            let files = [&OLD[..], &[more]].concat();
            assert_eq!(found(migrate, &files), [""; 0], "{migrate} {more:?}");
        }
    }
}
