//! Finds entries of a configuration that match nothing: often a mistyped name, or an answer to a
//! question that is no longer asked. Reports them, but refuses a replacement that was not applied.
//! Changes nothing.

use super::{Migration, MigrationError, Planned, is_python};
use crate::python::{About, shown};
use crate::repository::scope::Scope;

/// Returns a line for each such entry. `planned` holds every file that was read, `there` every
/// file.
pub fn unmatched(migration: &Migration<'_>, planned: &[Planned], there: &[String]) -> Vec<String> {
    let config = migration.config;
    let mut lines = Vec::new();
    let mut check = |key: &str, scope: &Scope, is_meant: &dyn Fn(&str) -> bool, otherwise: &str| {
        for (pattern, scope) in scope.each() {
            let files: Vec<&String> = there.iter().filter(|path| scope.has(path)).collect();
            if files.is_empty() {
                lines.push(format!("[migrate] {key}: no file matches {pattern}"));
            } else if !files.iter().any(|path| is_meant(path)) {
                lines.push(format!(
                    "[migrate] {key}: {pattern} matches only {otherwise}"
                ));
            }
        }
    };
    let is_source = |path: &str| migration.is_source(path);
    let is_other = |path: &str| !migration.is_source(path);
    check(
        "imports",
        &config.imports,
        &is_python,
        "files that are no Python",
    );
    for (key, scope) in [
        ("strings", &config.strings),
        ("annotations", &config.annotations),
    ] {
        check(
            key,
            scope,
            &is_source,
            "files whose imports are not rewritten",
        );
    }
    for (key, scope) in [
        ("mentions", &config.mentions),
        ("questions", &config.questions),
    ] {
        check(
            key,
            scope,
            &is_other,
            "Python files, which are rewritten by their syntax",
        );
    }
    for leave in &config.leave {
        if !is_used(planned, &leave.file, &leave.about()) {
            let about = leave.text.as_deref().unwrap_or("anything");
            lines.push(format!(
                "[migrate] leave: nothing is asked about {about} in {}",
                leave.file
            ));
        }
    }
    lines
}

/// Fails on the first replacement that was not applied, since the user relies on it.
pub fn unreplaced(migration: &Migration<'_>, planned: &[Planned]) -> Result<(), MigrationError> {
    let replace = migration.config.replace.iter();
    let mut unused = replace.filter(|replace| !is_used(planned, &replace.file, &replace.about()));
    match unused.next() {
        None => Ok(()),
        Some(replace) => Err(MigrationError::Unreplaced {
            file: replace.file.clone(),
            line: replace
                .line
                .map_or_else(String::new, |line| format!(", line {line}")),
            text: shown(&replace.text),
        }),
    }
}

fn is_used(planned: &[Planned], file: &str, about: &About) -> bool {
    let mut files = planned.iter().filter(|planned| planned.path == file);
    files.any(|planned| planned.used.contains(about))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::config::Config;

    #[test]
    fn what_matches_nothing_is_told() {
        let text = "[migrate]
from = 'old'
to = 'new'
imports = ['tests/*.py', 'test/*.py', 'Makefile']
strings = ['tests/a.py', 'setup.py']
annotations = ['old/*.py', 'new/*.py']
mentions = ['Makefile', 'README', 'old/a.py']
questions = ['*.txt']
leave = [
    { file = 'tests/a.py', text = \"'old.b'\" },
    { file = 'tests/a.py', text = \"'old'\" },
    { file = 'Makefile' },
    { file = 'gone' },
]
replace = [
    { file = 'old/a.py', text = 'old.c', with = 'new.c as old' },
    { file = 'old/a.py', line = 1, text = 'old.d', with = 'new.d' },
]
";
        let config = Config::parse(text).unwrap().migrate.unwrap();
        let migration = Migration::of(&config).unwrap();
        let files = [
            ("old/a.py", "import old.c\n"),
            ("tests/a.py", "x = 'old.b'\n"),
            ("Makefile", "\told\n"),
            ("setup.py", ""),
        ];
        let planned =
            files.map(|(path, content)| migration.plan(path, content.as_bytes()).unwrap());
        let there = files.map(|(path, _)| path.to_owned());
        assert_eq!(
            unmatched(&migration, &planned, &there),
            [
                "[migrate] imports: no file matches test/*.py",
                "[migrate] imports: Makefile matches only files that are no Python",
                "[migrate] strings: setup.py matches only files whose imports are not rewritten",
                "[migrate] annotations: no file matches new/*.py",
                "[migrate] mentions: no file matches README",
                "[migrate] mentions: old/a.py matches only Python files, which are rewritten by their syntax",
                "[migrate] questions: no file matches *.txt",
                "[migrate] leave: nothing is asked about 'old' in tests/a.py",
                "[migrate] leave: nothing is asked about anything in gone",
            ]
        );
        let refused = unreplaced(&migration, &planned).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "[migrate] replace: nothing is asked about 'old.d' in old/a.py, line 1"
        );
        assert_eq!(refused.hint(), Some("correct the entry, or take it out"));
    }
}
