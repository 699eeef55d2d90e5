//! Rewrites uses of the name that a plain import of the moved package binds: `import old.x`, then
//! `old.x.f()`. The uses change with the import if every binding of the name in its scope is such
//! an import. Otherwise the import keeps the old name for them, or it becomes a question.

use std::collections::{BTreeMap, BTreeSet};

use tree_sitter::Node;

use super::answer::SourceAnswer;
use super::binding::{Bindings, Bound};
use super::edit::Edits;
use super::imports::{Plain, is_optional};
use super::module::Move;
use super::parse::Source;
use super::quoted::Quoted;
use super::scope::{Occurrence, Role, ScopeId, Scopes, with_attributes};
use super::{Dynamic, Kind};

/// Why an import keeps the old name; a question shows the reason.
const OTHER: &str = "the name that it binds means something else, too";
const TAKEN: &str = "the name that it would bind means something else here";
const CLASS: &str = "the name that it binds is an attribute of a class, too";
const UNSURE: &str = "a class may have given the name another meaning where it is used";
const ANSWERED: &str = "another import of the name keeps it";

/// What is needed to decide about the imports and uses of one source.
pub struct Names<'a, 't> {
    pub source: &'a Source,
    pub moved: &'a Move,
    pub scopes: &'a Scopes<'t>,
    /// Bindings of the first component of the package's old name.
    pub old: &'a Bindings<'a, 't>,
    /// Bindings of the first component of the new name; none if it is the same.
    pub new: Option<&'a Bindings<'a, 't>>,
    pub quoted: &'a [Quoted<'t>],
}

/// A use of the name, and the scopes whose binding it may mean.
struct Use {
    scope: ScopeId,
    meanings: Vec<ScopeId>,
}

impl<'t> Names<'_, 't> {
    /// Rewrites plain imports and the uses of what they bind. Returns the scopes in which the name
    /// was changed.
    pub fn rewrite(&self, dynamic: &Dynamic, edits: &mut Edits<'_>) -> BTreeSet<ScopeId> {
        let moved = self.old.bound.iter();
        let mut renamed: BTreeSet<ScopeId> = moved
            .filter(|(_, bound)| !bound.moved.is_empty())
            .map(|(scope, _)| *scope)
            .collect();
        if renamed.is_empty() {
            return renamed;
        }
        let uses = self.uses();
        let mut kept = BTreeMap::new();
        for scope in &renamed {
            if let Some(why) = self.why_kept(*scope, &uses, edits) {
                kept.insert(*scope, why);
            }
        }
        renamed.retain(|scope| !kept.contains_key(scope));
        keep_unsure(&uses, &mut renamed, &mut kept);
        for (scope, why) in &kept {
            self.keep(&self.old.bound[scope].moved, why, edits);
        }
        for scope in &renamed {
            for import in &self.old.bound[scope].moved {
                let now = import.moved.as_deref().unwrap_or_default().join(".");
                edits.replace(import.node, &now);
            }
        }
        for occurrence in &self.old.found {
            self.follow(occurrence, &renamed, edits);
        }
        for quoted in self.quoted {
            let meanings = self.old.meanings(quoted.node, quoted.scope);
            if meanings.iter().any(|scope| renamed.contains(scope)) {
                self.follow_quoted(quoted, dynamic, edits);
            }
        }
        renamed
    }

    fn uses(&self) -> Vec<Use> {
        let found = self.old.found.iter();
        let found = found.filter(|found| match found.role {
            Role::Load | Role::Global | Role::Nonlocal => true,
            // `name += 1` reads the name before it binds it.
            Role::Bind => found
                .node
                .parent()
                .is_some_and(|parent| parent.kind() == "augmented_assignment"),
            Role::None => false,
        });
        let mut uses: Vec<Use> = found
            .map(|found| Use {
                scope: found.scope,
                meanings: self.old.meanings(found.node, found.scope),
            })
            .collect();
        let imports = self.old.bound.iter();
        let imports = imports.flat_map(|(home, bound)| {
            bound.moved.iter().map(|import| Use {
                scope: import.scope,
                meanings: vec![*home],
            })
        });
        uses.extend(imports);
        uses
    }

    fn why_kept(&self, scope: ScopeId, uses: &[Use], edits: &Edits<'_>) -> Option<&'static str> {
        let bound = &self.old.bound[&scope];
        let is_answered = |import: &&Plain<'_>| {
            matches!(edits.answer(import.node), Some(SourceAnswer::Replace(_)))
        };
        if bound.other {
            Some(OTHER)
        } else if self.scopes.class(scope).is_some() && self.new.is_some() {
            Some(CLASS)
        } else if self.new.is_some_and(|new| self.is_taken(scope, uses, new)) {
            Some(TAKEN)
        } else {
            bound.moved.iter().any(is_answered).then_some(ANSWERED)
        }
    }

    /// Returns whether the new name, bound in `scope`, would conflict with another meaning of that
    /// name.
    fn is_taken(&self, scope: ScopeId, uses: &[Use], new: &Bindings<'_, '_>) -> bool {
        // An import of the new name binds the same package and does not conflict.
        let is_other = |at: ScopeId| new.bound.get(&at).is_some_and(|bound| bound.other);
        let is_within = |inner: ScopeId| {
            std::iter::successors(Some(inner), |at| self.scopes.around(*at)).any(|at| at == scope)
        };
        let would_mean_another = |at: ScopeId| {
            let found = new.resolve(at);
            found.is_some_and(|found| found != scope && is_within(found) && is_other(found))
        };
        // Code before the import would no longer see even the same package.
        let would_be_meant = |at: ScopeId| {
            new.resolve(at) != Some(scope) && new.resolve_with(at, Some(scope)) == Some(scope)
        };
        // Python refuses a `global` for a name that stands before it in the same scope.
        let found = new.found.iter();
        let declared: BTreeSet<ScopeId> = found
            .filter(|found| matches!(found.role, Role::Global | Role::Nonlocal))
            .map(|found| found.scope)
            .collect();
        let mut uses = uses.iter().filter(|used| used.meanings.contains(&scope));
        let mut loads = new.found.iter().filter(|found| found.role == Role::Load);
        is_other(scope)
            || new.home(scope) != scope
            || declared.contains(&scope)
            || uses.any(|used| would_mean_another(used.scope) || declared.contains(&used.scope))
            || loads.any(|found| would_be_meant(found.scope))
    }

    /// Keeps the uses as they are, and changes or asks about the imports that they depend on.
    fn keep(&self, imports: &[&Plain<'_>], why: &'static str, edits: &mut Edits<'_>) {
        let name = self.moved.from.first();
        let can_be = self.moved.from.components().len() == 1;
        for import in imports {
            let now = import.moved.as_deref().unwrap_or_default().join(".");
            let whole = format!("{} as {name}", self.moved.to);
            let answer = edits.answer(import.node);
            if can_be && import.module == self.moved.from.components() {
                if !matches!(answer, Some(SourceAnswer::Replace(_))) || !edits.obey(import.node) {
                    edits.replace(import.node, &whole);
                }
                continue;
            }
            if answer == Some(&SourceAnswer::Leave) && is_optional(import.node) {
                // The import will find nothing, and the source works without it.
                edits.obey(import.node);
                continue;
            }
            let first = if can_be {
                format!("{now} as {name}, {whole}")
            } else {
                format!("import {now} as another name")
            };
            let answers = vec![first, "rename what else has the name".to_owned()];
            edits.ask(import.node, Kind::AmbiguousName, why, answers);
        }
    }

    /// Changes an occurrence of the name in a scope where the name was changed.
    fn follow(
        &self,
        occurrence: &Occurrence<'t>,
        renamed: &BTreeSet<ScopeId>,
        edits: &mut Edits<'_>,
    ) {
        match occurrence.role {
            Role::Load => {
                let meanings = self.old.meanings(occurrence.node, occurrence.scope);
                if let Some(scope) = meanings.iter().find(|scope| renamed.contains(scope)) {
                    self.rename(occurrence.node, &self.old.bound[scope], edits);
                }
            }
            Role::Global | Role::Nonlocal => {
                if renamed.contains(&self.old.home(occurrence.scope)) {
                    edits.replace(occurrence.node, self.moved.to.first());
                }
            }
            Role::Bind | Role::None => {}
        }
    }

    /// Changes a use of the name; the rest of the package's name must follow as attributes.
    fn rename(&self, name: Node<'_>, bound: &Bound<'_, '_>, edits: &mut Edits<'_>) {
        let is_after = |end: Option<usize>| end.is_some_and(|end| end <= name.start_byte());
        match with_attributes(self.source, name, &self.moved.from.components()[1..]) {
            // The package may have been bound by an import of its parent; `parents` asks about
            // that.
            Some(_) if bound.has_kept && !is_after(bound.moved_from) => {}
            Some(whole) => {
                let line = self.source.line(name.start_byte());
                edits.replace_range(whole, line, &self.moved.to.to_string());
            }
            // Something else in the parent, which another import still binds.
            None if is_after(bound.kept_from) => {}
            None => edits.ask(
                name,
                Kind::AmbiguousName,
                "uses the parent of the moved package, which only an import of that bound",
                vec![format!("import {}", self.moved.from.first())],
            ),
        }
    }

    /// Changes a type in quotes that means the package, or asks about it.
    fn follow_quoted(&self, quoted: &Quoted<'_>, dynamic: &Dynamic, edits: &mut Edits<'_>) {
        let to = self.moved.to.to_string();
        if (dynamic.annotations || dynamic.strings) && !quoted.places.is_empty() {
            edits.replace_in(quoted.node, &quoted.places, &to);
            return;
        }
        let start = quoted.node.start_byte();
        let mut now = self.source.text(quoted.node).to_owned();
        for place in quoted.places.iter().rev() {
            now.replace_range(place.start - start..place.end - start, &to);
        }
        let mut answers = vec!["leave it".to_owned()];
        if !quoted.places.is_empty() {
            answers.insert(0, now);
        }
        edits.ask(
            quoted.node,
            Kind::ForwardReference,
            "is a type that means the moved package",
            answers,
        );
    }
}

/// Where a use may mean the bindings of two scopes, changes the name in both or in neither.
fn keep_unsure(
    uses: &[Use],
    renamed: &mut BTreeSet<ScopeId>,
    kept: &mut BTreeMap<ScopeId, &'static str>,
) {
    loop {
        let has_new = |scope: &ScopeId| renamed.contains(scope);
        let unsure = uses.iter().find(|place| {
            place.meanings.iter().any(has_new) && !place.meanings.iter().all(has_new)
        });
        let Some(place) = unsure else { return };
        for scope in &place.meanings {
            if renamed.remove(scope) {
                kept.insert(*scope, UNSURE);
            }
        }
    }
}
