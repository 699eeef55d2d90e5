//! Files outside a migration that use the package all the same: `setup.py`, an example, a script, a
//! pickle. They would break unnoticed, so each sure use becomes a question, and each use that only
//! may mean the package becomes a note. Also asks about sources that cannot be read. Changes no
//! file.

use super::{Migration, Planned, data, planned};
use crate::python::{
    self, Answers, Kind, Mentions, Question, Rewritten, SourceAnswer, may_name, rewrite_text, shown,
};
use crate::repository::config::FILE;

/// Extensions of pickles, which may be larger than other data files.
const PICKLES: [&str; 5] = ["pkl", "pickle", "pck", "dill", "joblib"];

impl Migration<'_> {
    /// Returns whether a file that is neither Python nor part of the migration is read for mentions
    /// of the package.
    pub fn is_elsewhere(&self, path: &str, bytes: u64) -> bool {
        let is_pickle = super::ending(path).is_some_and(|end| PICKLES.contains(&end));
        let most = if is_pickle {
            python::BYTES_MAX
        } else {
            super::DATA_BYTES_MAX
        };
        !self.has(path)
            && !super::is_python(path)
            && path != FILE
            && usize::try_from(bytes).is_ok_and(|bytes| bytes <= most)
    }

    /// Plans a Python file outside the migration: asks if it uses the package.
    pub(super) fn plan_outside(&self, path: &str, content: &[u8]) -> Planned {
        let place = self.place(path, None);
        let dynamic = self.dynamic(Answers::default());
        let found = match python::rewrite(content, place.as_ref(), &self.moved, &dynamic) {
            Ok(found) => found,
            Err(error) => return self.plan_unread(path, content, &error),
        };
        let asked = found.questions.iter();
        let (sure, unsure): (Vec<&Question>, Vec<&Question>) =
            asked.partition(|question| self.is_sure(question));
        let edits = found.edits.iter().map(|edit| (edit.line, &edit.was));
        let asked = sure.iter().map(|question| (question.line, &question.text));
        if let Some((line, text)) = edits.chain(asked).min() {
            let answer = format!("name {path} in [migrate] imports");
            let why = "uses the moved package, and has no part in the migration";
            let question = Question {
                answers: vec![answer, "leave it".to_owned()],
                kind: Kind::OutsideScope,
                line,
                text: shown(text),
                why,
            };
            return self.asked(path, question);
        }
        let notes = unsure.first().map(|question| {
            let (line, text) = (question.line, question.text.replace(char::is_control, " "));
            format!(
                "{path}:{line}: {text} may name the moved package; if it does, name {path} in [migrate] imports"
            )
        });
        Planned {
            notes: notes.into_iter().collect(),
            ..planned(path, Rewritten::default())
        }
    }

    /// Plans a file that is not Python and that the configuration does not name.
    pub(super) fn plan_elsewhere(&self, path: &str, content: &[u8]) -> Planned {
        if let Some(module) = python::module_in_pickle(content, &self.moved.from.to_string()) {
            return self.plan_pickle(path, &module);
        }
        if is_script(content) {
            let mut planned = self.plan_outside(path, content);
            for question in &mut planned.questions {
                // It has no Python extension, so it cannot be one of the sources.
                question.answers = vec![
                    format!("name {path} in [migrate] mentions"),
                    "leave it".to_owned(),
                ];
            }
            return planned;
        }
        let asked = data(content).map(|text| {
            let dynamic = self.dynamic(Answers::default());
            rewrite_text(text, &self.moved, &dynamic, Mentions::CertainAsked).questions
        });
        let first = asked.unwrap_or_default().into_iter().next();
        let notes = first.map(|question| {
            format!(
                "{path}:{}: names the moved package: {}; if that is to follow, name {path} in [migrate] mentions or questions",
                question.line,
                question.text.replace(char::is_control, " ")
            )
        });
        Planned {
            notes: notes.into_iter().collect(),
            ..planned(path, Rewritten::default())
        }
    }

    /// Asks about a pickle that names a module of the package.
    pub(super) fn plan_pickle(&self, path: &str, module: &str) -> Planned {
        let question = Question {
            answers: vec![
                "make it again after the move".to_owned(),
                "leave it".to_owned(),
            ],
            kind: Kind::Mention,
            line: 1,
            text: module.to_owned(),
            why: "is a module of the moved package that a pickle names",
        };
        self.asked(path, question)
    }

    /// Asks about a source that cannot be read or followed, if it may mean the package.
    pub(super) fn plan_unread(
        &self,
        path: &str,
        content: &[u8],
        error: &python::SourceError,
    ) -> Planned {
        let text = String::from_utf8_lossy(content);
        let name = self.moved.from.last();
        let is_source = self.is_source(path);
        if !is_source && !may_name(&text, name) {
            return planned(path, Rewritten::default());
        }
        let named = text.lines().zip(1..).find(|(line, _)| may_name(line, name));
        let line = named.map_or(error.line().unwrap_or(1), |(_, line)| line);
        let shows = text.lines().nth(line - 1).unwrap_or_default().trim();
        let hint = error.hint().map(|hint| format!("; {hint}"));
        let correct = format!("correct it ({error}{})", hint.unwrap_or_default());
        let question = Question {
            answers: vec![correct, "leave it".to_owned()],
            kind: Kind::Unfollowed,
            line,
            text: shown(shows),
            why: "may mean the moved package, in a file that can't be read as Python 3",
        };
        self.asked(path, question)
    }

    /// Returns the plan of a file with this question, unless the user has answered it.
    fn asked(&self, path: &str, question: Question) -> Planned {
        let mut planned = planned(path, Rewritten::default());
        match self.answers(path).of(&question.text, question.line) {
            Some((about, SourceAnswer::Leave)) => {
                planned.used.insert(about.clone());
            }
            _ => planned.questions.push(question),
        }
        planned
    }

    /// Returns whether a question is certainly about the package. A string of only the package's
    /// name may mean anything.
    fn is_sure(&self, question: &Question) -> bool {
        let text = question
            .text
            .trim_start_matches(|c: char| c.is_ascii_alphabetic());
        question.kind != Kind::String
            || text.trim_matches(['"', '\'']) != self.moved.from.to_string()
    }
}

/// Returns whether the first line says that Python runs the file.
fn is_script(content: &[u8]) -> bool {
    let first = content.split(|byte| *byte == b'\n').next();
    let first = String::from_utf8_lossy(first.unwrap_or_default());
    first.starts_with("#!") && first.contains("python")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::config::Config;

    #[test]
    fn a_file_without_a_part_in_it_is_asked_about_once_if_it_uses_the_package() {
        let text = "[migrate]\nfrom = 'src/old'\nto = 'src/new'\nsource = 'src'\nimports = ['tests/*.py']\n[[migrate.leave]]\nfile = 'conftest.py'\ntext = 'old.a'\n";
        let config = Config::parse(text).unwrap().migrate.unwrap();
        let migration = Migration::of(&config).unwrap();
        let asked = |path: &str, content: &str| {
            assert!(migration.is_outside(path) && !migration.has(path), "{path}");
            let planned = migration.plan(path, content.as_bytes()).unwrap();
            assert_eq!((planned.content, planned.edits.len()), (None, 0), "{path}");
            planned.questions
        };
        for content in [
            "import os\n\nimport old.a as a\nfrom old import b\n",
            "\n\nfrom old import (\n    a,\n)\n",
            "\n\npytest_plugins = ['old.testing']\n",
            "\n\nimportlib.import_module('old')\n",
            "\n\nimport old\nold.a = 1\n",
        ] {
            let questions = asked("setup.py", content);
            assert_eq!(questions.len(), 1, "{content}");
            assert_eq!(questions[0].kind, Kind::OutsideScope);
            assert_eq!(questions[0].line, 3, "{content}");
            assert_eq!(
                questions[0].answers[0],
                "name setup.py in [migrate] imports"
            );
        }
        for content in [
            // Other packages, and ordinary words.
            "print 'older'\n",
            "import older\nfrom . import old\nx.old\n",
            "# import old\n'''import old.a'''\nname = 'old'\n",
        ] {
            assert_eq!(asked("src/other.py", content), [], "{content}");
        }
        for content in [
            "\nprint 'x'\nimport old\n",
            "import os\nif x:\nimport old\n",
            "x = 0777\n\nold.a\n",
            "import os\n\nx = '\\told.a\n",
            "# coding: utf-16\n\nimport old\n",
        ] {
            let questions = asked("tools/two.py", content);
            let found: Vec<_> = questions.iter().map(|one| (one.kind, one.line)).collect();
            assert_eq!(found, [(Kind::Unfollowed, 3)], "{content}");
        }
        let planned = migration.plan("conftest.py", b"import old.a\n").unwrap();
        assert_eq!((planned.questions.len(), planned.used.len()), (0, 1));
        assert!(!migration.is_outside("tests/t.py") && !migration.is_outside("Makefile"));
    }

    #[test]
    fn scripts_and_pickles_that_nobody_named_are_asked_about_and_texts_told() {
        let text = "[migrate]\nfrom = 'old'\nto = 'new'\n";
        let config = Config::parse(text).unwrap().migrate.unwrap();
        let migration = Migration::of(&config).unwrap().among(["old/core.py"]);
        let planned = |path: &str, content: &[u8]| {
            assert!(
                migration.is_elsewhere(path, 1) || migration.is_outside(path),
                "{path}"
            );
            let planned = migration.plan(path, content).unwrap();
            let asked = planned.questions.iter().map(|one| (one.kind, one.line));
            (asked.collect::<Vec<_>>(), planned.notes.len())
        };
        let outside = |line| vec![(Kind::OutsideScope, line)];
        for (path, content, expected) in [
            (
                "bin/tool",
                &b"#!/usr/bin/env python3\nimport old.core\n"[..],
                (outside(2), 0),
            ),
            (
                "bin/tool",
                b"#!/usr/bin/python\nimport older\n",
                (vec![], 0),
            ),
            (
                "data/x.pkl",
                b"\x80\x02cold.core\nT\n.",
                (vec![(Kind::Mention, 1)], 0),
            ),
            ("Makefile", b"run:\n\tpython -m old\n", (vec![], 1)),
            ("notes.txt", b"as in the old days\n", (vec![], 0)),
            ("image.png", b"\0\xff import old.core\n", (vec![], 0)),
            ("tools/x.py", b"path = 'old'\n", (vec![], 1)),
        ] {
            assert_eq!(planned(path, content), expected, "{path}");
        }
        assert!(!migration.is_elsewhere("coo.toml", 1));
        assert!(!migration.is_elsewhere("a.txt", 1 << 21));
        assert!(migration.is_elsewhere("a.pkl", 1 << 21));
    }
}
