//! A repository of Python files as people write them: sizes from half a kilobyte to some thirty,
//! with every form of import that exists. It is the same on every machine.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

/// The package that moves.
pub const FROM: &str = "project_builder";
/// The package's new name.
pub const TO: &str = "coo";
const PER_FOLDER: usize = 50;
const NOUNS: [&str; 8] = [
    "path", "record", "channel", "mission", "digest", "ledger", "report", "budget",
];

/// The size of the tree that was written.
#[derive(Default)]
pub struct Tree {
    pub bytes: usize,
    /// Files that mention the package, including its own.
    pub referring: usize,
}

/// The role of a file: a tenth belong to the package, a fifth are its tests, the others do not
/// mention it.
#[derive(Clone, Copy, PartialEq)]
enum Role {
    Package,
    Test,
    Other,
}

/// Writes `files` files below `folder`.
pub fn make(folder: &Path, files: usize) -> Result<Tree> {
    let mut tree = Tree::default();
    let mut counts = [0; 3];
    for i in 0..files {
        let (role, top) = match i % 10 {
            0 => (Role::Package, FROM),
            1 | 2 => (Role::Test, "tests"),
            _ => (Role::Other, "service"),
        };
        let number = counts[role as usize];
        counts[role as usize] += 1;
        let part = number / PER_FOLDER;
        let path = match number % PER_FOLDER {
            0 => PathBuf::from(format!("{top}/p{part:03}/__init__.py")),
            _ => PathBuf::from(format!("{top}/p{part:03}/m{number:05}.py")),
        };
        let path = folder.join(path);
        if number % PER_FOLDER == 0 {
            fs::create_dir_all(path.parent().unwrap_or(&path))?;
        }
        let mut text = Text {
            random: Random(0x9e37_79b9 + i as u64),
            text: String::new(),
        };
        text.file(role, i);
        let text = match i % 50 {
            7 => text.text.replace('\n', "\r\n"),
            _ => text.text,
        };
        tree.bytes += text.len();
        tree.referring += usize::from(role != Role::Other);
        fs::write(path, text)?;
    }
    fs::write(folder.join(FROM).join("__init__.py"), "")?;
    Ok(tree)
}

/// Marsaglia's xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % end
    }
}

struct Text {
    random: Random,
    text: String,
}

impl Text {
    fn file(&mut self, role: Role, number: usize) {
        let noun = self.noun();
        let _ = write!(
            self.text,
            "\"\"\"Keeps the {noun} of part {number}.\n\nWhat it is for, the page says.\n\"\"\"\n\
             from __future__ import annotations\n\nimport json\nimport os.path\nfrom typing import Any\n\n"
        );
        let uses = match role {
            Role::Other => self.others(),
            Role::Test => self.imports(),
            Role::Package => self.siblings(),
        };
        // Many small files, and few large ones.
        let most = [4, 8, 12, 20, 60][self.random.below(5)];
        for block in 0..=self.random.below(most) {
            let told = uses[self.random.below(uses.len())].clone();
            match self.random.below(3) {
                0 => self.function(block, &told),
                1 => self.class(block, &told),
                _ => self.table(block),
            }
        }
    }

    fn noun(&mut self) -> &'static str {
        NOUNS[self.random.below(NOUNS.len())]
    }

    /// Returns the name of a module of the package.
    fn module(&mut self) -> String {
        let part = self.random.below(20);
        let module = self.random.below(PER_FOLDER - 1) + 1 + part * PER_FOLDER;
        format!("{FROM}.p{part:03}.m{module:05}")
    }

    /// Writes imports of other packages, some with similar names; returns what can be called.
    fn others(&mut self) -> Vec<String> {
        self.text.push_str(
            "import service.p000 as parts\nfrom service import p001, p002\nimport project_builders\n\
             from .helpers import build\n\n\n",
        );
        let uses = [
            "parts.run",
            "p001.read",
            "build",
            "project_builders.run",
            "json.dumps",
        ];
        uses.map(str::to_owned).to_vec()
    }

    /// Writes some of the forms in which others import the package; returns what can be called.
    fn imports(&mut self) -> Vec<String> {
        let mut uses = vec!["json.dumps".to_owned()];
        let begin = self.random.below(9);
        for form in begin..begin + 3 {
            let (module, noun) = (self.module(), self.noun());
            let (statement, told) = match form % 9 {
                0 => (format!("import {FROM}\n"), format!("{FROM}.run")),
                1 => (format!("import {module}\n"), format!("{module}.read")),
                2 => (
                    format!("import {module} as {noun}_of\n"),
                    format!("{noun}_of.read"),
                ),
                3 => (
                    format!("from {module} import read_{noun}, write_{noun}\n"),
                    format!("read_{noun}"),
                ),
                4 => (
                    format!("from {FROM} import p001 as engine\n"),
                    "engine.run".to_owned(),
                ),
                5 => (
                    format!(
                        "from {module} import (  # all of them\n    load_{noun},\n    store_{noun} as keep_{noun},\n)\n"
                    ),
                    format!("keep_{noun}"),
                ),
                6 => (
                    format!(
                        "try:\n    from {module} import fast_{noun}\nexcept ImportError:\n    fast_{noun} = None\n"
                    ),
                    format!("fast_{noun}"),
                ),
                7 => (
                    format!(
                        "if json:\n    import {module}\n    from {module} import Kind_{noun}\n"
                    ),
                    format!("{module}.Kind"),
                ),
                _ => (
                    format!("plugin = importlib.import_module(\"{module}\")\n"),
                    "plugin.run".to_owned(),
                ),
            };
            self.text.push_str(&statement);
            uses.push(told);
        }
        self.text.push_str("\n\n");
        uses
    }

    /// Writes imports within the package; returns what can be called.
    fn siblings(&mut self) -> Vec<String> {
        let (noun, module) = (self.noun(), self.module());
        let name = module.rsplit('.').next().unwrap_or_default();
        let _ = write!(
            self.text,
            "from . import {name}\nfrom .{name} import read_{noun}\nfrom ..p001 import parts\n\
             import {module}\nfrom {module} import write_{noun}\n\n\n"
        );
        vec![
            format!("{name}.run"),
            format!("read_{noun}"),
            format!("{module}.run"),
            "parts.run".to_owned(),
        ]
    }

    fn function(&mut self, block: usize, told: &str) {
        let (noun, number) = (self.noun(), self.random.below(1000));
        let _ = write!(
            self.text,
            "def {noun}_{block}(items: list[Any], *, limit: int = {number}) -> list[Any]:\n    \
             \"\"\"Gives the {noun} of every item, {number} at most.\n\n    Items without one are left out.\n    \"\"\"\n    \
             found = []\n    for number, item in enumerate(items):\n        \
             if item is None or number > limit:\n            continue\n        \
             # It may have been there before.\n        \
             found.append({told}(item.value, number * {number} + len(found)))\n    \
             return [entry for entry in found if entry is not None and entry != \"{noun}\"]\n\n\n"
        );
    }

    fn class(&mut self, block: usize, told: &str) {
        let (noun, other, number) = (self.noun(), self.noun(), self.random.below(1000));
        let _ = write!(
            self.text,
            "class Part{block}(dict):\n    \"\"\"A {noun} with its {other}.\"\"\"\n\n    \
             kind = \"{noun}\"\n    size = {number}\n\n    \
             def __init__(self, folder: str, {other}: Any = None) -> None:\n        \
             super().__init__()\n        self.where = os.path.join(folder, \"{noun}.json\")\n        \
             self.{other} = {other} or {{}}\n\n    \
             def run(self, value: Any) -> dict[str, Any]:\n        try:\n            \
             result = {told}(value, path=self.where)\n        \
             except (ValueError, KeyError) as error:\n            \
             raise RuntimeError(f\"{{self.where}}: {{error!r}}, {{value:>10}}\") from error\n        \
             return {{\"value\": result, \"kind\": self.kind, \"size\": self.size + {number}}}\n\n\n"
        );
    }

    fn table(&mut self, block: usize) {
        let noun = self.noun().to_uppercase();
        let _ = writeln!(self.text, "{noun}_{block} = {{");
        for row in 0..3 + self.random.below(8) {
            let (a, b) = (self.random.below(10_000), self.noun());
            let _ = writeln!(
                self.text,
                "    \"{b}_{row}\": ({a}, \"{b}\", [None, {row}, -{a}]),"
            );
        }
        self.text.push_str("}\n\n\n");
    }
}
