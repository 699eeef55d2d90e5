//! Names that one module gets from another: `from .h import old`, `h.old`. Where a plain import
//! of the moved package gets a new name at the top of a module, others can't reach it by the old
//! one any more. What a source shares, and what it reaches; who knows all sources joins the two.

use std::collections::{BTreeMap, BTreeSet};

use tree_sitter::Node;

use super::binding::Bindings;
use super::imports::{Plain, Relative, components};
use super::module::{Move, Place, is_identifier};
use super::parse::{Parts, Source};
use super::scope::{MODULE, Role, ScopeId};
use super::{Kind, Question};

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// What is asked if another module reaches the name: a question for each import of it.
    pub shared: Vec<Question>,
    /// The modules that it gets the name from, if they have it.
    pub from: BTreeSet<Vec<String>>,
    /// The modules that it gets everything from.
    pub all_from: BTreeSet<Vec<String>>,
}

/// Names of a source, and the modules that they may be.
type Modules<'a> = BTreeMap<&'a str, BTreeSet<Vec<String>>>;

impl Reach {
    /// Of a source that has no part in the move: what it hands on.
    pub fn of_others(text: String, place: Option<&Place>) -> Self {
        let mut reach = Self::default();
        // What is no Python hands on nothing.
        if text.contains("import *")
            && let Ok(source) = Source::parse(text)
            && let Ok(parts) = source.parts([])
        {
            for statement in &parts.imports {
                if statement.kind() == "import_from_statement" {
                    reach.imported_from(&source, *statement, place, "", &mut Modules::new());
                }
            }
        }
        reach
    }

    /// What the source reaches, which is the module that `place` says; `old` is the name.
    pub fn of(
        source: &Source,
        parts: &Parts<'_>,
        place: Option<&Place>,
        moved: &Move,
        old: &Bindings<'_, '_>,
    ) -> Self {
        let name = moved.from.first();
        let mut reach = Self::default();
        let mut modules = Modules::new();
        for statement in &parts.imports {
            if statement.kind() == "import_statement" {
                imported(source, *statement, &mut modules);
            } else {
                reach.imported_from(source, *statement, place, name, &mut modules);
            }
        }
        let names = parts.names.iter().copied();
        for attribute in names.filter(|node| source.text(*node) == name) {
            let Some(path) = path_to(source, attribute) else {
                continue;
            };
            let Some((first, rest)) = path.split_first() else {
                continue;
            };
            let modules = modules.get(*first).into_iter().flatten();
            let rest: Vec<String> = rest.iter().copied().map(str::to_owned).collect();
            let paths = modules.map(|module| [module.as_slice(), &rest].concat());
            reach.from.extend(paths);
        }
        for string in &parts.strings {
            reach.from.extend(prefixes(source.text(*string), name));
        }
        let mut loads = old.found.iter().filter(|found| found.role == Role::Load);
        if loads.any(|found| old.resolve(found.scope).is_none()) {
            reach.from.extend(reach.all_from.iter().cloned());
        }
        reach
    }

    /// Enters what others can reach, once the names in these scopes are new ones.
    pub fn share(
        &mut self,
        source: &Source,
        moved: &Move,
        old: &Bindings<'_, '_>,
        renamed: &BTreeSet<ScopeId>,
    ) {
        if moved.from.first() != moved.to.first()
            && renamed.contains(&MODULE)
            && let Some(bound) = old.bound.get(&MODULE)
        {
            let questions = bound.moved.iter();
            self.shared = questions
                .map(|import| question(source, import, moved))
                .collect();
        }
    }

    fn imported_from<'a>(
        &mut self,
        source: &'a Source,
        statement: Node<'_>,
        place: Option<&Place>,
        name: &str,
        modules: &mut Modules<'a>,
    ) {
        let Some(module) = statement.child_by_field_name("module_name") else {
            return;
        };
        let module = if module.kind() == "relative_import" {
            match place.and_then(|place| Relative::read(source, module, place)) {
                Some(relative) => relative.before,
                None => return,
            }
        } else {
            components(source, module)
        };
        let mut cursor = statement.walk();
        for node in statement.children_by_field_name("name", &mut cursor) {
            let imported = node.child_by_field_name("name").unwrap_or(node);
            let bound = node.child_by_field_name("alias").unwrap_or(imported);
            let imported = source.text(imported);
            if imported == name {
                self.from.insert(module.clone());
            }
            let whole = [module.as_slice(), &[imported.to_owned()]].concat();
            modules.entry(source.text(bound)).or_default().insert(whole);
        }
        let mut cursor = statement.walk();
        let mut children = statement.named_children(&mut cursor);
        if children.any(|child| child.kind() == "wildcard_import") {
            self.all_from.insert(module);
        }
    }
}

/// What a plain import makes of names.
fn imported<'a>(source: &'a Source, statement: Node<'_>, modules: &mut Modules<'a>) {
    let mut cursor = statement.walk();
    for node in statement.named_children(&mut cursor) {
        let mut module = components(source, node.child_by_field_name("name").unwrap_or(node));
        let bound = node.child_by_field_name("alias");
        if bound.is_none() {
            module.truncate(1);
        }
        if let Some(bound) = bound.or_else(|| node.named_child(0)) {
            modules
                .entry(source.text(bound))
                .or_default()
                .insert(module);
        }
    }
}

/// The names before an attribute: `a` and `b` of `a.b.attribute`.
fn path_to<'a>(source: &'a Source, attribute: Node<'_>) -> Option<Vec<&'a str>> {
    let field = |node: Node<'_>, name: &str| {
        let node = node.child_by_field_name(name)?;
        Some(node.id())
    };
    let whole = attribute
        .parent()
        .filter(|parent| parent.kind() == "attribute")?;
    if field(whole, "attribute") != Some(attribute.id()) {
        return None;
    }
    let mut path = Vec::new();
    let mut at = whole.child_by_field_name("object")?;
    while at.kind() == "attribute" {
        path.push(source.text(at.child_by_field_name("attribute")?));
        at = at.child_by_field_name("object")?;
    }
    if at.kind() != "identifier" {
        return None;
    }
    path.push(source.text(at));
    path.reverse();
    Some(path)
}

/// What is before `name` in a string that is a dotted name: `'a.b.name.f'`.
fn prefixes(string: &str, name: &str) -> Vec<Vec<String>> {
    let text = string.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let text = text.trim_matches(['"', '\'']);
    let components: Vec<&str> = text.split(['.', ':']).collect();
    if !components.contains(&name) || !components.iter().all(|part| is_identifier(part)) {
        return Vec::new();
    }
    let places = (1..components.len()).filter(|place| components[*place] == name);
    places
        .map(|place| {
            components[..place]
                .iter()
                .map(|part| (*part).to_owned())
                .collect()
        })
        .collect()
}

fn question(source: &Source, import: &Plain<'_>, moved: &Move) -> Question {
    let name = moved.from.first();
    let now = import.moved.as_deref().unwrap_or_default().join(".");
    let whole = format!("{} as {name}", moved.to);
    let answer = if moved.from.components().len() > 1 {
        format!("import {now} as another name")
    } else if import.module == moved.from.components() {
        whole
    } else {
        format!("{now} as {name}, {whole}")
    };
    Question {
        answers: vec![answer],
        kind: Kind::SharedName,
        line: source.line(import.node.start_byte()),
        text: source.text(import.node).to_owned(),
        why: "another module gets the name that it binds from this one",
    }
}
