//! Uses of the name that a plain import of the moved package binds: `import old.x` and then
//! `old.x.f()`. They go with the import where every meaning of the name in its scope is such an
//! import; otherwise the import keeps the old name for them, or it is a question.

use std::collections::{BTreeMap, BTreeSet};

use super::Kind;
use super::edit::Edits;
use super::imports::Plain;
use super::module::Move;
use super::parse::{Parts, Source};
use super::scope::{MODULE, Occurrence, Role, ScopeId, Scopes, occurrences};

/// What binds the name in a scope.
#[derive(Default)]
struct Bound<'a, 't> {
    moved: Vec<&'a Plain<'t>>,
    /// Imports of what stays where it is.
    kept: bool,
    /// Anything else.
    other: bool,
}

/// Rewrites plain imports and the uses of what they bind.
pub fn rewrite(
    source: &Source,
    parts: &Parts<'_>,
    moved: &Move,
    plain: &[Plain<'_>],
    edits: &mut Edits<'_>,
) {
    if plain.iter().all(|plain| plain.moved.is_none()) {
        return;
    }
    let name = moved.from.first();
    let scopes = Scopes::of(parts);
    let found = occurrences(source, parts, name);
    let global = declared(&found, Role::Global);
    let nonlocal = declared(&found, Role::Nonlocal);
    let home = |scope: ScopeId| {
        if global.contains(&scope) {
            MODULE
        } else {
            scope
        }
    };
    let mut bound: BTreeMap<ScopeId, Bound<'_, '_>> = BTreeMap::new();
    for import in plain.iter().filter(|import| import.module[0] == name) {
        let scope = bound.entry(home(import.scope)).or_default();
        if import.moved.is_some() {
            scope.moved.push(import);
        } else {
            scope.kept = true;
        }
    }
    for occurrence in &found {
        if occurrence.role == Role::Bind {
            bound.entry(home(occurrence.scope)).or_default().other = true;
        }
    }
    // A name that another scope's statement binds here is followed no further.
    for scope in &nonlocal {
        bound.entry(*scope).or_default().other = true;
    }
    let is_taken = is_taken(source, parts, moved, plain);
    let mut renamed = BTreeSet::new();
    for (scope, bound) in &bound {
        if bound.moved.is_empty() {
            continue;
        }
        if bound.other || is_taken {
            keep_name(moved, &bound.moved, edits);
            continue;
        }
        renamed.insert(*scope);
        for import in &bound.moved {
            edits.replace(
                import.node,
                &import.moved.as_deref().unwrap_or_default().join("."),
            );
        }
    }
    for occurrence in &found {
        let scope = home(occurrence.scope);
        let Some(scope) = scopes.resolve(scope, |scope| bound.contains_key(&scope)) else {
            continue;
        };
        if !renamed.contains(&scope) {
            continue;
        }
        match occurrence.role {
            Role::Load => rename(source, moved, occurrence, bound[&scope].kept, edits),
            Role::Global => edits.replace(occurrence.node, moved.to.first()),
            Role::Bind | Role::Nonlocal | Role::None => {}
        }
    }
}

fn declared(found: &[Occurrence<'_>], role: Role) -> BTreeSet<ScopeId> {
    let declared = found.iter().filter(|occurrence| occurrence.role == role);
    declared.map(|occurrence| occurrence.scope).collect()
}

/// Whether the new name means something else anywhere in the source.
fn is_taken(source: &Source, parts: &Parts<'_>, moved: &Move, plain: &[Plain<'_>]) -> bool {
    let name = moved.to.first();
    if name == moved.from.first() {
        return false;
    }
    let is_import_of_it = plain.iter().any(|import| moved.to.begins(&import.module));
    occurrences(source, parts, name)
        .iter()
        .any(|occurrence| match occurrence.role {
            Role::Bind | Role::Global | Role::Nonlocal => true,
            Role::Load => !is_import_of_it,
            Role::None => false,
        })
        || plain
            .iter()
            .any(|import| import.module[0] == name && !moved.to.begins(&import.module))
}

/// The uses stay as they are, and the import gives them what they mean.
fn keep_name(moved: &Move, imports: &[&Plain<'_>], edits: &mut Edits<'_>) {
    let name = moved.from.first();
    let can_be = |import: &&&Plain<'_>| {
        moved.from.components().len() == 1 && import.module == moved.from.components()
    };
    let exact = imports.iter().filter(can_be).count();
    for import in imports {
        if exact == imports.len() {
            edits.replace(import.node, &format!("{} as {name}", moved.to));
        } else {
            edits.ask(
                import.node,
                Kind::AmbiguousName,
                "the name that it binds means something else, too",
                vec![
                    format!(
                        "import {} as another name",
                        import.moved.as_deref().unwrap_or_default().join(".")
                    ),
                    "rename what else has the name".to_owned(),
                ],
            );
        }
    }
}

/// A use of the name: as many attributes as the package's name has must follow.
fn rename(
    source: &Source,
    moved: &Move,
    occurrence: &Occurrence<'_>,
    is_kept: bool,
    edits: &mut Edits<'_>,
) {
    let mut whole = occurrence.node;
    for component in &moved.from.components()[1..] {
        let attribute = whole.parent().filter(|parent| {
            parent.kind() == "attribute"
                && parent.child_by_field_name("object") == Some(whole)
                && parent
                    .child_by_field_name("attribute")
                    .is_some_and(|attribute| source.text(attribute) == component)
        });
        match attribute {
            Some(attribute) => whole = attribute,
            // Something of the parent, which another import still has.
            None if is_kept => return,
            None => {
                edits.ask(
                    occurrence.node,
                    Kind::AmbiguousName,
                    "uses the parent of the moved package, which only an import of that bound",
                    vec![format!("import {}", moved.from.first())],
                );
                return;
            }
        }
    }
    edits.replace(whole, &moved.to.to_string());
}
