//! Rewrites the import statements of a source that name a module in full. Only collects plain
//! imports, which bind the first component of the name: `names` rewrites these together with the
//! uses of that component.

use tree_sitter::Node;

use super::edit::Edits;
use super::module::{Move, Place};
use super::parse::{Parts, Source};
use super::scope::{ScopeId, scope_of};
use super::{Imported, Kind};

/// `import a.b` without `as`, or a statement that is rewritten to such an import.
#[derive(Debug, Clone)]
pub struct Plain<'t> {
    /// The module's name in the source; in a statement that becomes a plain import, the imported
    /// name.
    pub node: Node<'t>,
    pub module: Vec<String>,
    /// The module's name after the move, if it moves.
    pub moved: Option<Vec<String>>,
    /// The scope of the statement.
    pub scope: ScopeId,
}

/// Rewrites imports that name a module in full, and returns all plain imports.
pub fn rewrite<'t>(
    source: &Source,
    parts: &Parts<'t>,
    place: Option<&Place>,
    moved: &Move,
    edits: &mut Edits<'_>,
) -> Vec<Plain<'t>> {
    let mut plain = Vec::new();
    for node in &parts.imports {
        if node.kind() == "import_statement" {
            import(source, *node, moved, edits, &mut plain);
        } else {
            plain.extend(import_from(source, *node, place, moved, edits));
        }
    }
    plain
}

/// Returns the names that imports other than plain ones bind to parents of the moved package. With
/// each name come the number of the package's components that it stands for, and its scope.
pub fn ancestors(
    source: &Source,
    parts: &Parts<'_>,
    place: Option<&Place>,
    moved: &Move,
) -> Vec<(String, usize, ScopeId)> {
    let from = moved.from.components();
    let mut found = Vec::new();
    for node in &parts.imports {
        let target = match node.child_by_field_name("module_name") {
            None => Vec::new(),
            Some(module) if module.kind() == "relative_import" => {
                let relative = place.and_then(|place| Relative::read(source, module, place));
                match relative {
                    Some(relative) => relative.before,
                    None => continue,
                }
            }
            Some(module) => components(source, module),
        };
        let is_plain = node.kind() == "import_statement";
        let mut cursor = node.walk();
        for item in node.children_by_field_name("name", &mut cursor) {
            let alias = item.child_by_field_name("alias");
            let name = item.child_by_field_name("name").unwrap_or(item);
            let module = [target.as_slice(), &components(source, name)].concat();
            let is_ancestor = module.len() < from.len() && from.starts_with(&module);
            if is_ancestor && (alias.is_some() || !is_plain) {
                let name = source.text(alias.unwrap_or(name)).to_owned();
                found.push((name, module.len(), scope_of(item)));
            }
        }
    }
    found
}

/// Returns the components of a `dotted_name`, without comments and line ends between them.
pub fn components(source: &Source, name: Node<'_>) -> Vec<String> {
    let mut cursor = name.walk();
    name.named_children(&mut cursor)
        .filter(|child| child.kind() == "identifier")
        .map(|child| source.text(child).to_owned())
        .collect()
}

/// Returns every module that the source imports, by its full name.
pub fn modules(source: &Source, parts: &Parts<'_>, place: Option<&Place>) -> Vec<Imported> {
    let mut modules = Vec::new();
    let mut add = |node: Node<'_>, module: Vec<String>| {
        modules.push(Imported {
            is_optional: is_optional(node),
            line: source.line(node.start_byte()),
            module,
        });
    };
    for node in &parts.imports {
        if node.kind() == "import_statement" {
            let mut cursor = node.walk();
            for name in node.named_children(&mut cursor) {
                let name = name.child_by_field_name("name").unwrap_or(name);
                add(name, components(source, name));
            }
            continue;
        }
        let Some(module) = node.child_by_field_name("module_name") else {
            continue;
        };
        if module.kind() != "relative_import" {
            add(module, components(source, module));
        } else if let Some(target) = place.and_then(|place| Relative::read(source, module, place)) {
            add(module, target.before);
        }
    }
    modules
}

/// Returns every module that the source imports and every name that it imports from one, each with
/// its line.
pub fn names(
    source: &Source,
    parts: &Parts<'_>,
    place: Option<&Place>,
) -> Vec<(usize, Vec<String>)> {
    let modules = modules(source, parts, place);
    let mut names: Vec<(usize, Vec<String>)> = modules
        .into_iter()
        .map(|imported| (imported.line, imported.module))
        .collect();
    for node in &parts.imports {
        let Some(module) = node.child_by_field_name("module_name") else {
            continue;
        };
        let target = if module.kind() == "relative_import" {
            match place.and_then(|place| Relative::read(source, module, place)) {
                Some(relative) => relative.before,
                None => continue,
            }
        } else {
            components(source, module)
        };
        let mut cursor = node.walk();
        for item in node.children_by_field_name("name", &mut cursor) {
            let name = item.child_by_field_name("name").unwrap_or(item);
            let whole = [target.as_slice(), &components(source, name)].concat();
            names.push((source.line(node.start_byte()), whole));
        }
    }
    names
}

/// Returns whether the import at `node` stands in a `try`, so that the source may work without it.
pub fn is_optional(node: Node<'_>) -> bool {
    std::iter::successors(node.parent(), Node::parent).any(|outer| outer.kind() == "try_statement")
}

fn import<'t>(
    source: &Source,
    statement: Node<'t>,
    moved: &Move,
    edits: &mut Edits<'_>,
    plain: &mut Vec<Plain<'t>>,
) {
    let mut cursor = statement.walk();
    for node in statement.named_children(&mut cursor) {
        match node.kind() {
            "dotted_name" => {
                let module = components(source, node);
                plain.push(Plain {
                    moved: moved.apply(&module),
                    module,
                    node,
                    scope: scope_of(node),
                });
            }
            "aliased_import" => {
                if let Some(name) = node.child_by_field_name("name")
                    && let Some(now) = moved.apply(&components(source, name))
                {
                    edits.replace(name, &now.join("."));
                }
            }
            _ => {}
        }
    }
}

/// Rewrites a `from` statement. Returns a plain import if the statement becomes one whose name
/// differs from the package's old one.
fn import_from<'t>(
    source: &Source,
    statement: Node<'t>,
    place: Option<&Place>,
    moved: &Move,
    edits: &mut Edits<'_>,
) -> Option<Plain<'t>> {
    let module = statement.child_by_field_name("module_name")?;
    let (target, now) = if module.kind() == "relative_import" {
        let place = place?;
        let relative = Relative::read(source, module, place)?;
        let target = relative.before.clone();
        let after = moved.apply(&target).unwrap_or_else(|| target.clone());
        let now = (relative.after.as_ref() != Some(&after))
            .then(|| relative_text(&place.package(&place.after), &after));
        (target, now)
    } else {
        let target = components(source, module);
        let now = moved.apply(&target).map(|now| now.join("."));
        (target, now)
    };
    // `from parent import package`: the package itself may be one of the names.
    let package = match moved.from.components().split_last() {
        Some((package, parent)) if !parent.is_empty() && parent == target => package,
        _ => {
            if let Some(now) = now {
                edits.replace(module, &now);
            }
            return None;
        }
    };
    let mut cursor = statement.walk();
    let names: Vec<Node<'t>> = statement
        .children_by_field_name("name", &mut cursor)
        .collect();
    let name_of = |name: &Node<'_>| match name.child_by_field_name("name") {
        Some(inner) => source.text(inner),
        None => source.text(*name),
    };
    if !names.iter().any(|name| name_of(name) == package) {
        if let Some(now) = now {
            edits.replace(module, &now);
        }
        return None;
    }
    let [name] = names.as_slice() else {
        let to = moved.to.to_string();
        edits.ask(
            statement,
            Kind::SplitImport,
            "imports the moved package together with others",
            vec![format!("import {to} in a statement of its own")],
        );
        return None;
    };
    let alias = name
        .child_by_field_name("alias")
        .map(|alias| source.text(alias));
    let alias = alias.unwrap_or(package);
    match moved.to.components().split_last() {
        Some((last, parent)) if !parent.is_empty() => {
            edits.replace(module, &parent.join("."));
            if last == alias {
                edits.replace(*name, last);
            } else {
                edits.replace(*name, &format!("{last} as {alias}"));
            }
        }
        _ if moved.to.first() == alias => {
            edits.replace(statement, &format!("import {alias}"));
            return (alias != moved.from.first()).then(|| Plain {
                node: *name,
                module: vec![alias.to_owned()],
                moved: None,
                scope: scope_of(*name),
            });
        }
        _ => edits.replace(statement, &format!("import {} as {alias}", moved.to)),
    }
    None
}

/// The module that a relative import means.
pub struct Relative {
    pub before: Vec<String>,
    /// What the same text would mean after the move; none if it would lead out of every package.
    after: Option<Vec<String>>,
}

impl Relative {
    /// Reads a relative import in the module at `place`.
    pub fn read(source: &Source, node: Node<'_>, place: &Place) -> Option<Self> {
        let mut cursor = node.walk();
        let (mut dots, mut rest) = (0, Vec::new());
        for child in node.named_children(&mut cursor) {
            match child.kind() {
                "import_prefix" => dots = source.text(child).matches('.').count(),
                "dotted_name" => rest = components(source, child),
                _ => {}
            }
        }
        let meant = |module| {
            let mut package = place.package(module);
            let length = (package.len() + 1)
                .checked_sub(dots)
                .filter(|length| *length > 0)?;
            package.truncate(length);
            package.extend(rest.iter().cloned());
            Some(package)
        };
        Some(Self {
            before: meant(&place.before)?,
            after: meant(&place.after),
        })
    }
}

/// Returns how a module in `package` imports `target`: by a relative name if the two share a
/// parent.
fn relative_text(package: &[String], target: &[String]) -> String {
    let common = package
        .iter()
        .zip(target)
        .take_while(|(a, b)| a == b)
        .count();
    if common == 0 {
        return target.join(".");
    }
    ".".repeat(package.len() - common + 1) + &target[common..].join(".")
}
