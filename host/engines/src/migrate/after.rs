//! Checks a repository after its package has moved (packet §10, gate A): nothing may use the
//! package's old name, and every import of the package must lead to an existing module. Reads and
//! changes no file itself.

use std::collections::BTreeSet;

use super::{Migration, MigrationError, data, ending, is_python};
use crate::python::{self, Dynamic, Mentions, Question, rewrite_text};
use crate::repository::scope::Scope;

/// How many characters of its subject a finding shows.
const SHOWN_CHARACTERS: usize = 120;

/// What the check found in one file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct After {
    /// Uses of the old package, one line each.
    pub legacy: Vec<String>,
    /// Modules of the new package that the file requires, each with its line.
    pub imports: Vec<(usize, String)>,
    /// The path from the top of the repository.
    pub path: String,
}

impl After {
    fn tell(&mut self, questions: &[Question]) {
        let lines = questions.iter();
        let lines = lines.map(|question| shown(&self.path, question.line, &question.text));
        self.legacy.extend(lines);
    }
}

impl Migration<'_> {
    /// Returns whether the check reads the file at `path`.
    pub fn reads_after(&self, path: &str) -> bool {
        self.has(path) || self.is_in_new(path) || is_python(path)
    }

    /// Returns whether the file at `path` should no longer exist.
    pub fn is_legacy(&self, path: &str) -> bool {
        self.becomes(path).is_some()
    }

    /// Checks the file at `path`.
    pub fn after(&self, path: &str, content: &[u8]) -> Result<After, MigrationError> {
        let mut after = After {
            path: path.to_owned(),
            ..After::default()
        };
        // The configuration's rewrites are left out, so that every remaining form becomes a
        // question.
        let dynamic = self.dynamic(self.answers(path).afterwards());
        let is_source = is_python(path) && (self.is_in_new(path) || self.config.imports.has(path));
        if is_source {
            self.source_after(&mut after, content, &dynamic)?;
        } else if self.means(&self.config.mentions, path)
            || self.means(&self.config.questions, path)
        {
            let text =
                str::from_utf8(content).map_err(|_| MigrationError::Encoding(path.to_owned()))?;
            let asked = rewrite_text(text, &self.moved, &dynamic, Mentions::Asked);
            after.tell(&asked.questions);
        } else if self.is_in_new(path) {
            let asked = data(content)
                .map(|text| rewrite_text(text, &self.moved, &dynamic, Mentions::CertainAsked));
            after.tell(&asked.unwrap_or_default().questions);
        } else if self.is_outside(path) {
            after.tell(&self.plan_outside(path, content).questions);
        }
        Ok(after)
    }

    fn source_after(
        &self,
        after: &mut After,
        content: &[u8],
        dynamic: &Dynamic,
    ) -> Result<(), MigrationError> {
        let path = after.path.clone();
        let refused = |error| MigrationError::Source {
            path: path.clone(),
            error,
        };
        let place = self.place(&path, None);
        let rewritten = match python::rewrite(content, place.as_ref(), &self.moved, dynamic) {
            Err(error @ python::SourceError::Unfollowed { .. }) => {
                let asked = self.plan_unread(&path, content, &error);
                after.tell(&asked.questions);
                return Ok(());
            }
            other => other.map_err(refused)?,
        };
        let edits = rewritten.edits.iter();
        after.legacy = edits
            .map(|edit| shown(&path, edit.line, &edit.was))
            .collect();
        after.tell(&rewritten.questions);
        for import in python::imported(content, place.as_ref()).map_err(refused)? {
            if self.moved.to.begins(&import.module) && !import.is_optional {
                after.imports.push((import.line, import.module.join(".")));
            }
        }
        Ok(())
    }

    /// Returns whether a scope includes a file under its path after or before the move.
    fn means(&self, scope: &Scope, path: &str) -> bool {
        scope.has(path) || self.before(path).is_some_and(|before| scope.has(&before))
    }

    /// Returns the names of the modules that these files are, and of the folders they are in.
    pub fn modules<'p>(&self, there: impl IntoIterator<Item = &'p str>) -> BTreeSet<String> {
        let mut modules = BTreeSet::new();
        // Python does not import stubs.
        for path in there.into_iter().filter(|path| ending(path) != Some("pyi")) {
            let Some((module, _)) = self.module(&source_of(path)) else {
                continue;
            };
            let components = module.components();
            for length in 1..=components.len() {
                modules.insert(components[..length].join("."));
            }
        }
        modules
    }
}

/// Returns the path of the source that a compiled module stands for: `a/b.py` for
/// `a/b.cpython-311-x86_64-linux-gnu.so`.
pub(super) fn source_of(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    let folder = &path[..path.len() - name.len()];
    let is_compiled = [".so", ".pyd"].iter().any(|end| name.ends_with(end));
    match name.split_once('.') {
        Some((stem, _)) if is_compiled => format!("{folder}{stem}.py"),
        _ => path.to_owned(),
    }
}

fn shown(path: &str, line: usize, text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    let text: String = first.chars().take(SHOWN_CHARACTERS).collect();
    format!("{path}:{line}: {text} means the old package")
}

/// Returns a line for each import of a module that does not exist and is not generated later.
pub fn unresolved(
    files: &[After],
    modules: &BTreeSet<String>,
    generated: &[String],
) -> Vec<String> {
    let is_there = |name: &String| {
        let is_below = |made: &String| {
            name.strip_prefix(made.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        modules.contains(name) || generated.iter().any(is_below)
    };
    files
        .iter()
        .flat_map(|file| file.imports.iter().map(move |import| (file, import)))
        .filter(|(_, (_, name))| !is_there(name))
        .map(|(file, (line, name))| {
            format!("{}:{line}: imports {name}, which is no file", file.path)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::config::{Leave, Migrate};
    use crate::repository::scope::Scope;

    fn config() -> Migrate {
        Migrate {
            from: "src/old".to_owned(),
            to: "src/new".to_owned(),
            source: "src".to_owned(),
            imports: Scope::new(&["tests/*.py"]).unwrap(),
            calls: vec!["import_module".to_owned()],
            strings: Scope::default(),
            annotations: Scope::default(),
            mentions: Scope::new(&["setup.cfg"]).unwrap(),
            questions: Scope::default(),
            leave: vec![Leave {
                file: "src/old/a.py".to_owned(),
                text: Some("'old.name'".to_owned()),
                line: None,
            }],
            replace: Vec::new(),
        }
    }

    #[test]
    fn what_still_means_the_old_package_is_named() {
        let config = config();
        let migration = Migration::of(&config).unwrap();
        let legacy = |path: &str, content: &str| {
            assert!(migration.reads_after(path), "{path}");
            migration.after(path, content.as_bytes()).unwrap().legacy
        };
        assert_eq!(
            legacy("src/new/a.py", "from . import b\nx = 'old.name'\n"),
            [""; 0]
        );
        assert_eq!(
            legacy("src/new/b.py", "import old.c\nold.c\nx = 'old.name'\n"),
            [
                "src/new/b.py:1: old.c means the old package",
                "src/new/b.py:2: old means the old package",
                "src/new/b.py:3: 'old.name' means the old package",
            ]
        );
        assert_eq!(legacy("tests/t.py", "import_module('old.x')\n").len(), 1);
        assert_eq!(legacy("setup.cfg", "[x]\np = old.cli:main\n").len(), 1);
        // Data of the package, and sources outside the migration.
        assert_eq!(legacy("src/new/data.json", "\"old.x\"\n").len(), 1);
        assert_eq!(legacy("setup.py", "from old import x\n").len(), 1);
        assert_eq!(legacy("setup.py", "from x import old\n"), [""; 0]);
        // A source that cannot be read is reported if it may name the package.
        assert_eq!(legacy("setup.py", "print 'old.x'\n").len(), 1);
        assert!(migration.is_legacy("src/old/a.py") && !migration.is_legacy("src/older.py"));
    }

    #[test]
    fn imports_lead_to_files_to_folders_or_to_what_is_made_later() {
        let config = config();
        let migration = Migration::of(&config).unwrap();
        let there = [
            "src/new/__init__.py",
            "src/new/a/b.py",
            "src/new/fast.cpython-311-x86_64-linux-gnu.so",
        ];
        let modules = migration.modules(there);
        let source = "import new, new.a.b, new.fast, other.x\nfrom new.a import b\nfrom . import c\nfrom .gone import d\nimport new.made.x\ntry:\n    import new.perhaps\nexcept ImportError:\n    pass\nimport new.nowhere as n\n";
        let after = migration.after("src/new/x.py", source.as_bytes()).unwrap();
        assert_eq!(
            unresolved(&[after], &modules, &["new.made".to_owned()]),
            [
                "src/new/x.py:4: imports new.gone, which is no file",
                "src/new/x.py:10: imports new.nowhere, which is no file",
            ]
        );
    }
}
