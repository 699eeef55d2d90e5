//! Names that one module gets from another: `from .h import old`, `h.old`. Where a plain import at
//! the top of a module gets a new name, other modules can no longer reach it by the old one. This
//! module records what one source shares and what it reaches; a caller that knows all sources
//! (`migrate/shared`) matches the two.

use std::collections::{BTreeMap, BTreeSet};

use tree_sitter::Node;

use super::binding::Bindings;
use super::imports::{Plain, Relative, components};
use super::module::{Move, Place, is_identifier};
use super::parse::{Parts, Source};
use super::scope::{MODULE, Role, ScopeId};
use super::{Kind, Question};

/// What one source shares with other modules, and what it gets from them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// The questions to ask if another module reaches the name, one for each import that binds it.
    pub shared: Vec<Question>,
    /// The modules that the source gets the name from, if they have it.
    pub from: BTreeSet<Vec<String>>,
    /// The modules that the source imports with `*`.
    pub all_from: BTreeSet<Vec<String>>,
}

/// Names in a source, and the modules that each may stand for.
type Modules<'a> = BTreeMap<&'a str, BTreeSet<Vec<String>>>;

impl Reach {
    /// Reads a source that the move does not affect, for what it passes on by `import *`.
    pub fn of_others(text: String, place: Option<&Place>) -> Self {
        let mut reach = Self::default();
        // A source that is not Python passes on nothing.
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

    /// Reads what the source at `place` reaches; `old` has the bindings of the name.
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

    /// Records what other modules can reach, given the scopes in which the name was changed.
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

/// Records what the names that a plain import binds stand for.
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

/// Returns the names before an attribute: `a` and `b` of `a.b.attribute`.
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

/// Returns each path before `name` in a string that is a dotted name: `a.b` for `'a.b.name.f'`.
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
