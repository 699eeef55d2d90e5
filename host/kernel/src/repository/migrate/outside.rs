//! Python files that have no part in a migration and import the package all the same: `setup.py`,
//! an example that nobody named. They would break unseen, so each is a question.

use super::{Migration, Planned, planned};
use crate::python::{self, Answer, Answers, Kind, Question, Rewritten, shown};

impl Migration<'_> {
    /// What is asked about the file at `path`, if it imports the package.
    pub(super) fn plan_outside(&self, path: &str, content: &[u8]) -> Planned {
        let Some(question) = self.outside(path, content) else {
            return planned(path, Rewritten::default());
        };
        let mut planned = planned(path, Rewritten::default());
        match self.answers(path).of(&question.text) {
            Some((text, Answer::Leave)) => {
                planned.used.insert(text.clone());
            }
            _ => planned.questions.push(question),
        }
        planned
    }

    /// The first place at which it does. What is no Python 3 imports nothing.
    pub(super) fn outside(&self, path: &str, content: &[u8]) -> Option<Question> {
        let place = self.place(path, None);
        let dynamic = self.dynamic(Answers::default());
        let found = python::rewrite(content, place.as_ref(), &self.moved, &dynamic).ok()?;
        let edits = found.edits.iter().map(|edit| (edit.line, &edit.was));
        let asked = found
            .questions
            .iter()
            .filter(|question| self.is_sure(question));
        let asked = asked.map(|question| (question.line, &question.text));
        let (line, text) = edits.chain(asked).min()?;
        Some(Question {
            answers: vec![
                format!("name {path} in [migrate] imports"),
                "leave it".to_owned(),
            ],
            kind: Kind::OutsideScope,
            line,
            text: shown(text),
            why: "uses the moved package, and has no part in the migration",
        })
    }

    /// Whether a question is about the package for sure: a string of its name alone may be one of
    /// anything.
    fn is_sure(&self, question: &Question) -> bool {
        let text = question
            .text
            .trim_start_matches(|c: char| c.is_ascii_alphabetic());
        question.kind != Kind::String
            || text.trim_matches(['"', '\'']) != self.moved.from.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::config::Config;
    use super::*;

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
            // No Python 3, other packages, words.
            "import old\nprint 'x'\n",
            "import older\nfrom . import old\nx.old\n",
            "# import old\n'''import old.a'''\nname = 'old'\n",
        ] {
            assert_eq!(asked("src/other.py", content), [], "{content}");
        }
        let planned = migration.plan("conftest.py", b"import old.a\n").unwrap();
        assert_eq!((planned.questions.len(), planned.used.len()), (0, 1));
        assert!(!migration.is_outside("tests/t.py") && !migration.is_outside("Makefile"));
    }
}
