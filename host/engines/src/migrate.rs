//! Plans a migration (packet §9): which files of a package move where, and how the imports and
//! mentions of the package change in every file. Runtime and tests are planned in one pass (§2.1).
//! Only plans; moves and writes nothing.

mod after;
mod outside;
mod shared;
pub mod snapshot;
mod taken;
mod tree;
mod unmatched;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use crate::python::{
    self, Answers, Dynamic, Edit, Mentions, ModulePath, Move, Place, Question, Reach, Rewritten,
    SourceAnswer, Used, rewrite_text,
};
use crate::repository::config::Migrate;

pub use after::{After, unresolved};
pub use shared::ask_about_shared;
pub use taken::{Named, ask_about_names};
pub use tree::{NoTree, deleted, ported};
pub use unmatched::{unmatched, unreplaced};

/// Largest data file of a package, in bytes, that is read for mentions.
const DATA_BYTES_MAX: usize = 1 << 20;

/// A checked configuration of a migration.
#[derive(Debug)]
pub struct Migration<'a> {
    config: &'a Migrate,
    moved: Move,
    /// What is in the package's folder, as in `Dynamic`.
    known: Arc<BTreeSet<String>>,
    /// The new name up to the first folder that does not exist yet; none until the existing files
    /// are known.
    fresh: Option<Vec<String>>,
}

/// Why a migration, or one of its files, is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MigrationError {
    /// A folder cannot be a package's.
    #[error("[migrate] {field} '{path}': {why}")]
    Folder {
        /// The field of `[migrate]`.
        field: &'static str,
        path: String,
        why: String,
    },
    /// A source cannot be rewritten.
    #[error("file {path}: {error}")]
    Source {
        path: String,
        error: python::SourceError,
    },
    /// A file is neither Python nor text.
    #[error("file {0}: is not UTF-8")]
    Encoding(String),
    /// A question has two answers.
    #[error("[migrate] leave and replace: '{text}' in {file} is answered twice")]
    Twice {
        file: String,
        /// Empty if the answers are about every text.
        text: String,
    },
    /// An answer has no question.
    #[error("[migrate] replace: nothing is asked about '{text}' in {file}{line}")]
    Unreplaced {
        file: String,
        /// The line that the answer names, as a suffix of the file; empty if it names none.
        line: String,
        text: String,
    },
    /// A file of the package would overwrite another file.
    #[error("file {0}: is there already, and one of the package would take its place")]
    Taken(String),
}

impl MigrationError {
    /// Returns what the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Source { error, .. } => error.hint(),
            Self::Encoding(_) => Some("leave it out of [migrate] mentions and questions"),
            Self::Twice { .. } => Some("leave one of them"),
            Self::Unreplaced { .. } => Some("correct the entry, or take it out"),
            Self::Folder { .. } | Self::Taken(_) => None,
        }
    }
}

/// What the migration does with a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Planned {
    /// The new path, if the file moves.
    pub becomes: Option<String>,
    /// The new content, if it changes.
    #[serde(skip)]
    pub content: Option<Vec<u8>>,
    pub edits: Vec<Edit>,
    /// The path from the top of the repository.
    pub path: String,
    /// The questions that must be answered first.
    pub questions: Vec<Question>,
    /// What the source shares with other sources, and what it gets from them.
    #[serde(skip)]
    pub reach: Reach,
    /// How the source uses the new name.
    #[serde(skip)]
    pub named: Named,
    /// Notes for the user that need no answer, one line each.
    #[serde(skip)]
    pub notes: Vec<String>,
    #[serde(skip)]
    pub used: Used,
}

impl<'a> Migration<'a> {
    /// Checks a configuration.
    pub fn of(config: &'a Migrate) -> Result<Self, MigrationError> {
        let package = |field, path: &str| {
            let refused = |why: String| MigrationError::Folder {
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
            return Err(MigrationError::Folder {
                field: "to",
                path: config.to.clone(),
                why: "one of the two lies in the other; choose another".to_owned(),
            });
        }
        let left = config.leave.iter();
        let left = left.map(|answer| (&answer.file, answer.about()));
        let replaced = config.replace.iter();
        let replaced = replaced.map(|answer| (&answer.file, answer.about()));
        let mut answered = BTreeSet::new();
        for (file, about) in left.chain(replaced) {
            if !answered.insert((file, about.clone())) {
                return Err(MigrationError::Twice {
                    file: file.clone(),
                    text: about.text.unwrap_or_default(),
                });
            }
        }
        Ok(Self {
            config,
            moved,
            known: Arc::default(),
            fresh: None,
        })
    }

    /// Adds the files that exist: those in the package's folder tell which names may be its
    /// modules.
    #[must_use]
    pub fn among<'p>(mut self, there: impl IntoIterator<Item = &'p str>) -> Self {
        let mut known = BTreeSet::new();
        let to = self.moved.to.components();
        // The number of components of the new name whose folders exist.
        let mut folders = 0;
        for path in there {
            for length in folders + 1..=to.len() {
                if !path.starts_with(&self.folder(&to[..length])) {
                    break;
                }
                folders = length;
            }
            let inside = |folder: &str| path.strip_prefix(folder)?.strip_prefix('/');
            let Some(rest) = inside(&self.config.from).or_else(|| inside(&self.config.to)) else {
                continue;
            };
            let name = rest.split('/').next().unwrap_or_default();
            let ends = ["py", "pyi", "pyd", "so"];
            if let Some((stem, _)) = name.split_once('.')
                && ends.iter().any(|end| name.rsplit('.').next() == Some(end))
            {
                known.insert(stem.to_owned());
            }
            known.insert(name.to_owned());
        }
        self.known = Arc::new(known);
        self.fresh = Some(to[..(folders + 1).min(to.len())].to_vec());
        self
    }

    /// Returns the package that moves.
    pub fn moved(&self) -> &Move {
        &self.moved
    }

    /// Returns whether the file is part of the migration.
    pub fn has(&self, path: &str) -> bool {
        self.becomes(path).is_some()
            || self.config.imports.has(path)
            || self.config.mentions.has(path)
            || self.config.questions.has(path)
            || (self.is_in_new(path) && !is_python(path))
    }

    /// Returns whether the file is a Python source that is not part of the migration; it may import
    /// the package all the same.
    pub fn is_outside(&self, path: &str) -> bool {
        is_python(path) && !self.has(path)
    }

    /// Plans one file.
    pub fn plan(&self, path: &str, content: &[u8]) -> Result<Planned, MigrationError> {
        let becomes = self.becomes(path);
        let planned = if self.is_source(path) {
            let named = self.named(path, content);
            let planned = self.plan_python(path, becomes.as_deref(), content)?;
            Planned { named, ..planned }
        } else if self.config.mentions.has(path) {
            self.plan_text(path, content, Mentions::Rewritten)?
        } else if self.config.questions.has(path) {
            self.plan_text(path, content, Mentions::Asked)?
        } else if self.has(path) {
            self.plan_data(path, content)
        } else if self.is_outside(path) {
            let named = self.named(path, content);
            let planned = self.plan_outside(path, content);
            Planned { named, ..planned }
        } else {
            self.plan_elsewhere(path, content)
        };
        Ok(Planned { becomes, ..planned })
    }

    /// Fails if a file would overwrite another one; `there` is every file of the repository.
    pub fn check<'p>(
        &self,
        planned: &[Planned],
        there: impl IntoIterator<Item = &'p str>,
    ) -> Result<(), MigrationError> {
        let there: BTreeSet<&str> = there.into_iter().collect();
        let taken = planned.iter().filter_map(|file| file.becomes.as_deref());
        match taken.into_iter().find(|path| there.contains(path)) {
            Some(path) => Err(MigrationError::Taken(path.to_owned())),
            None => Ok(()),
        }
    }

    /// Returns the folder of a module, with a slash at its end.
    fn folder(&self, module: &[String]) -> String {
        let source = match self.config.source.as_str() {
            "" => String::new(),
            source => format!("{source}/"),
        };
        format!("{source}{}/", module.join("/"))
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

    /// Returns the old path of a file in the folder that the package moves to.
    fn before(&self, path: &str) -> Option<String> {
        let rest = path.strip_prefix(&self.config.to)?;
        rest.starts_with('/')
            .then(|| format!("{}{rest}", self.config.from))
    }

    /// Returns whether the file lies in the folder that the package moves to.
    pub fn is_in_new(&self, path: &str) -> bool {
        self.before(path).is_some()
    }

    /// Returns whether the file is a source whose imports are rewritten.
    fn is_source(&self, path: &str) -> bool {
        is_python(path) && (self.becomes(path).is_some() || self.config.imports.has(path))
    }

    /// Returns which module a source is, before and after the move.
    fn place(&self, path: &str, becomes: Option<&str>) -> Option<Place> {
        let (before, is_package) = self.module(path)?;
        let after = match becomes {
            Some(becomes) => self.module(becomes)?.0,
            None => before.clone(),
        };
        Some(Place {
            before,
            after,
            is_package,
        })
    }

    /// Returns the answers about a file, under its path before or after the move.
    fn answers(&self, path: &str) -> Answers {
        let is_it = |file: &String| file == path || self.becomes(file).as_deref() == Some(path);
        let mut answers = Answers::default();
        for leave in self.config.leave.iter().filter(|leave| is_it(&leave.file)) {
            answers.enter(leave.about(), SourceAnswer::Leave);
        }
        for replace in self
            .config
            .replace
            .iter()
            .filter(|replace| is_it(&replace.file))
        {
            answers.enter(replace.about(), SourceAnswer::Replace(replace.with.clone()));
        }
        answers
    }

    fn dynamic(&self, answers: Answers) -> Dynamic {
        Dynamic {
            answers,
            folder: self.config.from.clone(),
            known: self.known.clone(),
            ..Dynamic::default()
        }
    }

    fn plan_python(
        &self,
        path: &str,
        becomes: Option<&str>,
        content: &[u8],
    ) -> Result<Planned, MigrationError> {
        let place = self.place(path, becomes);
        // Other modules can import a source even if the package cannot.
        let home = place.clone().or_else(|| {
            let (module, is_package) = ModulePath::of_file(path)?;
            Some(Place {
                before: module.clone(),
                after: module,
                is_package,
            })
        });
        let dynamic = Dynamic {
            calls: self.config.calls.clone(),
            strings: self.config.strings.has(path),
            annotations: self.config.annotations.has(path),
            ..self.dynamic(self.answers(path))
        };
        let rewritten = python::rewrite_and_reach(
            content,
            place.as_ref(),
            home.as_ref(),
            &self.moved,
            &dynamic,
        );
        let (rewritten, reach) = match rewritten {
            Ok(rewritten) => rewritten,
            Err(error @ python::SourceError::Unfollowed { .. }) => {
                return Ok(self.plan_unread(path, content, &error));
            }
            Err(error) => {
                let path = path.to_owned();
                return Err(MigrationError::Source { path, error });
            }
        };
        Ok(Planned {
            reach,
            ..planned(path, rewritten)
        })
    }

    fn plan_text(
        &self,
        path: &str,
        content: &[u8],
        what: Mentions,
    ) -> Result<Planned, MigrationError> {
        let text =
            str::from_utf8(content).map_err(|_| MigrationError::Encoding(path.to_owned()))?;
        let dynamic = self.dynamic(self.answers(path));
        Ok(planned(
            path,
            rewrite_text(text, &self.moved, &dynamic, what),
        ))
    }

    /// Plans a data file of the package: it moves unchanged, except for the user's answers.
    fn plan_data(&self, path: &str, content: &[u8]) -> Planned {
        if let Some(module) = python::module_in_pickle(content, &self.moved.from.to_string()) {
            return self.plan_pickle(path, &module);
        }
        let rewritten = data(content).map(|text| {
            let dynamic = self.dynamic(self.answers(path));
            rewrite_text(text, &self.moved, &dynamic, Mentions::CertainAsked)
        });
        planned(path, rewritten.unwrap_or_default())
    }

    /// Returns how a source uses the new name; empty if the source cannot be read.
    fn named(&self, path: &str, content: &[u8]) -> Named {
        let Some(fresh) = &self.fresh else {
            return Named::default();
        };
        let last = fresh.last().map_or("", String::as_str);
        if !python::may_name(&String::from_utf8_lossy(content), last) {
            return Named::default();
        }
        let is_parent = self.module(path).is_some_and(|(module, is_package)| {
            is_package && module.components() == &fresh[..fresh.len() - 1]
        });
        let place = self.place(path, None);
        let imports = python::imported_names(content, place.as_ref()).unwrap_or_default();
        let imports = imports.into_iter();
        Named {
            imports: imports
                .filter(|(_, name)| name.starts_with(fresh))
                .collect(),
            bound: is_parent
                .then(|| python::bound_at_top(content, last))
                .flatten(),
        }
    }
}

fn planned(path: &str, rewritten: Rewritten) -> Planned {
    Planned {
        content: rewritten.content,
        edits: rewritten.edits,
        path: path.to_owned(),
        questions: rewritten.questions,
        used: rewritten.used,
        ..Planned::default()
    }
}

/// Returns the content as text if it can be read for mentions: not binary and not too large.
fn data(content: &[u8]) -> Option<&str> {
    if content.len() > DATA_BYTES_MAX || content.contains(&0) {
        return None;
    }
    str::from_utf8(content).ok()
}

/// Returns the extension of a file's name.
fn ending(path: &str) -> Option<&str> {
    path.rsplit_once('.').map(|(_, end)| end)
}

fn is_python(path: &str) -> bool {
    matches!(ending(path), Some("py" | "pyi"))
}

#[cfg(test)]
mod tests;
