//! Cases for the rewriter of Python imports; `check` holds what must be true of its results.

pub mod check;
mod grammar;
mod remaining;

use arbitrary::{Result, Unstructured};
use coo_engines::python::{Dynamic, ModulePath, Move, Place};

pub use grammar::program;

/// Moves, and modules that a source may be: `from`, `to`, the module before and after (empty for a
/// script), and whether it is a package.
const CASES: [(&str, &str, &str, &str, bool); 14] = [
    ("old", "new", "", "", false),
    ("old", "far.new", "", "", false),
    ("top.old", "new", "", "", false),
    ("top.old", "top.new", "top.main", "top.main", false),
    ("top.old", "new", "top.main", "top.main", false),
    ("top.old", "far.new", "top", "top", true),
    ("old", "new", "old.a.b", "new.a.b", false),
    ("old", "new", "old", "new", true),
    ("old", "far.new", "old.a", "far.new.a", true),
    ("top.old", "new", "top.old.a", "new.a", false),
    ("top.old", "top.new", "top.old.a.b", "top.new.a.b", false),
    ("top.old", "far.new", "top.old", "far.new", true),
    ("top.a.old", "top.new", "top.a.main", "top.a.main", false),
    ("top.a.old", "top.new", "top.a.old.x", "top.new.x", false),
];

/// A move, and the module that the source is.
#[derive(Debug, Clone)]
pub struct Case {
    pub moved: Move,
    pub place: Option<Place>,
    /// The configuration for strings.
    pub dynamic: Dynamic,
}

impl Case {
    /// Returns all cases that a text is tried with.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..CASES.len()).map(|number| Self::of(number, number % 3))
    }

    /// Returns a case chosen by the recipe.
    pub fn made(recipe: &mut Unstructured<'_>) -> Result<Self> {
        let number = recipe.choose_index(CASES.len())?;
        Ok(Self::of(number, recipe.choose_index(3)?))
    }

    fn of(number: usize, dynamic: usize) -> Self {
        let (from, to, before, after, is_package) = CASES[number];
        let module = |text: &str| ModulePath::parse(text).expect("a module");
        let calls = ["import_module", "mock.patch"].map(str::to_owned);
        Self {
            moved: Move {
                from: module(from),
                to: module(to),
            },
            place: (!before.is_empty()).then(|| Place {
                before: module(before),
                after: module(after),
                is_package,
            }),
            dynamic: Dynamic {
                calls: if dynamic == 1 {
                    calls.to_vec()
                } else {
                    Vec::new()
                },
                strings: dynamic == 2,
                annotations: dynamic == 2,
                folder: from.replace('.', "/"),
                ..Dynamic::default()
            },
        }
    }

    /// Returns the case for the source after the move; the rewriter must have nothing left to do.
    pub fn after(&self) -> Self {
        let mut after = self.clone();
        if let Some(place) = &mut after.place {
            place.before = place.after.clone();
        }
        after
    }
}
