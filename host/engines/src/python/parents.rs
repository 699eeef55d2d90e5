//! Finds uses of a moved package through an import of one of its parents: `import top`, then
//! `top.old.f()`. Such a use works only if some other code has imported `top.old`. The source does
//! not say where that happens, so each use becomes a question.

use std::collections::{BTreeMap, BTreeSet};

use super::Kind;
use super::binding::Bindings;
use super::edit::Edits;
use super::imports::{Plain, ancestors};
use super::module::{Move, Place};
use super::parse::{Parts, Source};
use super::scope::{Role, ScopeId, Scopes, with_attributes};

/// Asks about every such use that has no edit yet.
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
    // How many components of the package's name each name stands for, and the scopes where it does.
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
        // `parts` was not called for these names before. It has already accepted the tree, so it
        // can only fail because the two parsers disagree about one of them.
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
