//! Uses of a moved package by an import of one that it lies in: `import top`, and then
//! `top.old.f()`, which works as long as somebody has imported `top.old`. No import of the source
//! says who, so each is a question.

use std::collections::{BTreeMap, BTreeSet};

use super::Kind;
use super::binding::Bindings;
use super::edit::Edits;
use super::imports::{Plain, ancestors};
use super::module::{Move, Place};
use super::parse::{Parts, Source};
use super::scope::{Role, ScopeId, Scopes, with_attributes};

/// Asks about every one that nothing else was done about.
pub fn ask(
    source: &Source,
    parts: &Parts<'_>,
    place: Option<&Place>,
    moved: &Move,
    plain: &[Plain<'_>],
    edits: &mut Edits<'_>,
) {
    let from = moved.from.components();
    if from.len() == 1 {
        return;
    }
    // How many components of the package each name stands for, and where it gets that meaning.
    let mut ways: BTreeMap<(String, usize), BTreeSet<ScopeId>> = BTreeMap::new();
    let kept = plain.iter().filter(|import| import.moved.is_none());
    for import in kept.filter(|import| import.module[0] == from[0]) {
        let way = ways.entry((from[0].clone(), 1)).or_default();
        way.insert(import.scope);
    }
    for (name, known, scope) in ancestors(source, parts, place, moved) {
        ways.entry((name, known)).or_default().insert(scope);
    }
    let scopes = Scopes::of(parts);
    for ((name, known), given) in &ways {
        // Names that nobody has asked for before; the tree was good then.
        let Ok(named) = source.parts([name.as_str()]) else {
            continue;
        };
        let bindings = Bindings::of(source, &named, &scopes, plain, name);
        let given: BTreeSet<ScopeId> = given.iter().map(|scope| bindings.home(*scope)).collect();
        for one in bindings.found.iter().filter(|one| one.role == Role::Load) {
            let meanings = bindings.meanings(one.node, one.scope);
            if !meanings.iter().any(|scope| given.contains(scope)) {
                continue;
            }
            if let Some(whole) = with_attributes(source, one.node, &from[*known..])
                && !edits.has(one.node)
            {
                edits.ask_about(
                    whole,
                    source.line(one.node.start_byte()),
                    Kind::AmbiguousName,
                    "uses the moved package by an import of one that it lies in",
                    vec![format!("import {}", moved.to)],
                );
            }
        }
    }
}
