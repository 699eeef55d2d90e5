//! What a migration would do (packet §9): which files of a package go where, and what becomes of
//! the imports and mentions of it in every file, in one pass over runtime and tests (§2.1). Only
//! plans; moves and writes nothing.

mod after;
mod tree;

use std::collections::BTreeSet;

use serde::Serialize;

use super::config::Migrate;
use crate::python::{
    self, Dynamic, Edit, Kind, ModulePath, Move, Place, Question, mentions, rewrite_mentions,
};

pub use after::{After, unresolved};
pub use tree::{NoTree, deleted, ported};

/// A migration that may be planned.
#[derive(Debug)]
pub struct Migration<'a> {
    config: &'a Migrate,
    moved: Move,
}

/// Why it may not, or a file of it can't be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Folders that can't be the package's.
    #[error("[migrate] {field} '{path}': {why}")]
    Folder {
        /// Of the configuration.
        field: &'static str,
        /// What it says.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// A source that can't be rewritten.
    #[error("file {path}: {error}")]
    Source {
        /// From the top of the repository.
        path: String,
        /// Why.
        error: python::Refused,
    },
    /// A file that is no Python and no text.
    #[error("file {0}: is not UTF-8; leave it out of [migrate] mentions and questions")]
    Encoding(String),
    /// Two files would be one.
    #[error("file {0}: is there already, and one of the package would take its place")]
    Taken(String),
}

/// What becomes of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Planned {
    /// Where it goes, if it moves.
    pub becomes: Option<String>,
    /// Its new content, if it changes.
    #[serde(skip)]
    pub content: Option<Vec<u8>>,
    /// What is changed in it.
    pub edits: Vec<Edit>,
    /// From the top of the repository.
    pub path: String,
    /// What a person has to say first.
    pub questions: Vec<Question>,
}

impl<'a> Migration<'a> {
    /// Judges a configuration.
    pub fn of(config: &'a Migrate) -> Result<Self, Refused> {
        let package = |field, path: &str| {
            let refused = |why: String| Refused::Folder {
                field,
                path: path.escape_debug().take(80).collect(),
                why,
            };
            let inside = match config.source.as_str() {
                "" => Some(path),
                source => path
                    .strip_prefix(source)
                    .and_then(|rest| rest.strip_prefix('/')),
            };
            let inside = inside
                .ok_or_else(|| refused(format!("does not lie in source '{}'", config.source)))?;
            ModulePath::parse(&inside.replace('/', ".")).map_err(|error| refused(error.to_string()))
        };
        let moved = Move {
            from: package("from", &config.from)?,
            to: package("to", &config.to)?,
        };
        let (from, to) = (moved.from.components(), moved.to.components());
        if from.starts_with(to) || to.starts_with(from) {
            return Err(Refused::Folder {
                field: "to",
                path: config.to.clone(),
                why: "one of the two lies in the other; choose another".to_owned(),
            });
        }
        Ok(Self { config, moved })
    }

    /// The package that moves.
    pub fn moved(&self) -> &Move {
        &self.moved
    }

    /// Whether the file has a part in it.
    pub fn has(&self, path: &str) -> bool {
        self.becomes(path).is_some()
            || self.config.imports.has(path)
            || self.config.mentions.has(path)
            || self.config.questions.has(path)
    }

    /// What becomes of the file at `path`, which `has`.
    pub fn plan(&self, path: &str, content: &[u8]) -> Result<Planned, Refused> {
        let becomes = self.becomes(path);
        let planned = if is_python(path) && (becomes.is_some() || self.config.imports.has(path)) {
            self.plan_python(path, becomes.as_deref(), content)?
        } else if becomes.is_none() || self.config.mentions.has(path) {
            self.plan_text(path, content)?
        } else {
            // Data of the package: goes with it as it is.
            Planned {
                becomes: None,
                content: None,
                edits: Vec::new(),
                path: path.to_owned(),
                questions: Vec::new(),
            }
        };
        let mut planned = Planned { becomes, ..planned };
        planned
            .questions
            .retain(|question| !self.is_left(path, question));
        Ok(planned)
    }

    /// Whether no file would take the place of another; `there` is every file of the repository.
    pub fn check<'p>(
        &self,
        planned: &[Planned],
        there: impl IntoIterator<Item = &'p str>,
    ) -> Result<(), Refused> {
        let there: BTreeSet<&str> = there.into_iter().collect();
        let taken = planned.iter().filter_map(|file| file.becomes.as_deref());
        match taken.into_iter().find(|path| there.contains(path)) {
            Some(path) => Err(Refused::Taken(path.to_owned())),
            None => Ok(()),
        }
    }

    fn becomes(&self, path: &str) -> Option<String> {
        let rest = path.strip_prefix(&self.config.from)?;
        rest.starts_with('/')
            .then(|| format!("{}{rest}", self.config.to))
    }

    fn module(&self, path: &str) -> Option<(ModulePath, bool)> {
        let inside = match self.config.source.as_str() {
            "" => path,
            source => path.strip_prefix(source)?.strip_prefix('/')?,
        };
        ModulePath::of_file(inside)
    }

    fn plan_python(
        &self,
        path: &str,
        becomes: Option<&str>,
        content: &[u8],
    ) -> Result<Planned, Refused> {
        let place = self.module(path).and_then(|(before, is_package)| {
            let after = match becomes {
                Some(becomes) => self.module(becomes)?.0,
                None => before.clone(),
            };
            Some(Place {
                before,
                after,
                is_package,
            })
        });
        let dynamic = Dynamic {
            calls: self.config.calls.clone(),
            strings: self.config.strings.has(path),
            ..Dynamic::default()
        };
        let rewritten = python::rewrite(content, place.as_ref(), &self.moved, &dynamic);
        let rewritten = rewritten.map_err(|error| Refused::Source {
            path: path.to_owned(),
            error,
        })?;
        Ok(Planned {
            becomes: None,
            content: rewritten.content,
            edits: rewritten.edits,
            path: path.to_owned(),
            questions: rewritten.questions,
        })
    }

    fn plan_text(&self, path: &str, content: &[u8]) -> Result<Planned, Refused> {
        let text = str::from_utf8(content).map_err(|_| Refused::Encoding(path.to_owned()))?;
        let questions = mentions(text, &self.moved);
        let is_rewritten = self.config.mentions.has(path);
        let now = is_rewritten.then(|| rewrite_mentions(text, &self.moved));
        let edits = |question: &Question| {
            let now = question.answers.first().map_or("", String::as_str);
            Edit {
                line: question.line,
                now: now.trim().to_owned(),
                was: question.text.clone(),
            }
        };
        Ok(Planned {
            becomes: None,
            edits: if is_rewritten {
                questions.iter().map(edits).collect()
            } else {
                Vec::new()
            },
            content: now.filter(|now| now != text).map(String::into_bytes),
            path: path.to_owned(),
            questions: if is_rewritten { Vec::new() } else { questions },
        })
    }

    /// Whether the configuration answers a question with: leave it. Never where what stays would
    /// not work.
    fn is_left(&self, path: &str, question: &Question) -> bool {
        let may_be = matches!(
            question.kind,
            Kind::DynamicImport | Kind::String | Kind::Mention
        );
        // Answers name files as they were; afterwards those of the package are elsewhere.
        may_be
            && self.config.leave.iter().any(|leave| {
                let moved = self.becomes(&leave.file);
                let is_it = leave.file == path || moved.as_deref() == Some(path);
                is_it && leave.text == question.text
            })
    }
}

fn is_python(path: &str) -> bool {
    path.rsplit_once('.')
        .is_some_and(|(_, end)| end == "py" || end == "pyi")
}

#[cfg(test)]
mod tests {
    use super::super::scope::Scope;
    use super::*;
    use crate::repository::config::Leave;

    fn config() -> Migrate {
        Migrate {
            from: "project_builder".to_owned(),
            to: "coo".to_owned(),
            source: String::new(),
            imports: Scope::new(&["tests/**/*.py"]).unwrap(),
            calls: vec!["import_module".to_owned()],
            strings: Scope::new(&["tests/strings.py"]).unwrap(),
            mentions: Scope::new(&["pyproject.toml"]).unwrap(),
            questions: Scope::new(&["Makefile"]).unwrap(),
            leave: vec![Leave {
                file: "tests/t.py".to_owned(),
                text: "'project_builder'".to_owned(),
            }],
        }
    }

    fn plan(path: &str, content: &str) -> (Option<String>, String, usize) {
        let config = config();
        let migration = Migration::of(&config).unwrap();
        assert!(migration.has(path), "{path}");
        let planned = migration.plan(path, content.as_bytes()).unwrap();
        let now = planned.content.unwrap_or(content.as_bytes().to_vec());
        (
            planned.becomes,
            String::from_utf8(now).unwrap(),
            planned.questions.len(),
        )
    }

    #[test]
    fn every_file_gets_what_the_configuration_says() {
        let becomes = |path: &str| Some(path.to_owned());
        for (path, content, expected) in [
            (
                "project_builder/a/b.py",
                "from . import c\nimport project_builder.a\nproject_builder.a.f()\n",
                (
                    becomes("coo/a/b.py"),
                    "from . import c\nimport coo.a\ncoo.a.f()\n",
                    0,
                ),
            ),
            (
                "project_builder/data.json",
                "\"project_builder.x\"",
                (becomes("coo/data.json"), "\"project_builder.x\"", 0),
            ),
            (
                "tests/t.py",
                "from project_builder import x\nn = 'project_builder'\nimport_module('project_builder.y')\n",
                (
                    None,
                    "from coo import x\nn = 'project_builder'\nimport_module('coo.y')\n",
                    0,
                ),
            ),
            (
                "tests/u.py",
                "n = 'project_builder'\n",
                (None, "n = 'project_builder'\n", 1),
            ),
            (
                "tests/strings.py",
                "n = 'project_builder'\n",
                (None, "n = 'coo'\n", 0),
            ),
            (
                "pyproject.toml",
                "pb = \"project_builder.cli:main\"\n",
                (None, "pb = \"coo.cli:main\"\n", 0),
            ),
            (
                "Makefile",
                "\tpython -m project_builder\n",
                (None, "\tpython -m project_builder\n", 1),
            ),
        ] {
            let (to, now, questions) = plan(path, content);
            assert_eq!((to, now.as_str(), questions), expected, "{path}");
        }
        let config = config();
        let migration = Migration::of(&config).unwrap();
        for none in [
            "README.md",
            "project_builder_x/a.py",
            "project_builder",
            "test.py",
        ] {
            assert!(!migration.has(none), "{none}");
        }
    }

    #[test]
    fn what_cannot_be_planned_is_refused() {
        let with = |from: &str, to: &str, source: &str| {
            let config = Migrate {
                from: from.to_owned(),
                to: to.to_owned(),
                source: source.to_owned(),
                ..config()
            };
            Migration::of(&config).map(|migration| migration.moved.to.to_string())
        };
        assert_eq!(
            with("src/old", "src/far/new", "src"),
            Ok("far.new".to_owned())
        );
        for (from, to, source) in [
            ("old", "old", ""),
            ("old", "old/new", ""),
            ("old/new", "old", ""),
            ("", "new", ""),
            ("a-b", "new", ""),
            ("old/", "new", ""),
            ("../old", "new", ""),
            ("src/old", "new", "src"),
        ] {
            assert!(
                matches!(with(from, to, source), Err(Refused::Folder { .. })),
                "{from} {to}"
            );
        }
        let config = config();
        let migration = Migration::of(&config).unwrap();
        let refused = migration
            .plan("tests/t.py", b"project_builder = (\n")
            .unwrap_err();
        assert_eq!(
            refused.to_string(),
            "file tests/t.py: line 1, column 1: is no Python 3; correct it first"
        );
        let planned = [migration.plan("project_builder/a.py", b"").unwrap()];
        assert_eq!(migration.check(&planned, ["coo/b.py"]), Ok(()));
        assert_eq!(
            migration.check(&planned, ["coo/a.py"]),
            Err(Refused::Taken("coo/a.py".to_owned()))
        );
    }
}
