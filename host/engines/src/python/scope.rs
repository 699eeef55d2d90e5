//! Finds what a name does where it stands, by Python's scope rules: which occurrences bind it, and
//! in which scope each occurrence stands. Looks only at the names that it is asked for. Does not
//! decide which modules move.

use std::collections::BTreeMap;
use std::ops::Range;

use tree_sitter::Node;

use super::parse::{Parts, Source};

/// A scope, by the id of the node that makes it; `MODULE` for the module.
pub type ScopeId = usize;
/// The module's own scope.
pub const MODULE: ScopeId = 0;
/// The node of the brackets after the name of a function or a class.
const TYPE_PARAMETERS: &str = "type_parameter";

/// What an identifier does where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The name is read.
    Load,
    /// The name is bound here, other than by a plain `import`.
    Bind,
    /// The name is declared `global`.
    Global,
    /// The name is declared `nonlocal`.
    Nonlocal,
    /// The identifier is not a variable: it is an attribute, a keyword or a part of a module's
    /// name.
    None,
}

/// An identifier with the name that was asked for.
#[derive(Debug, Clone, Copy)]
pub struct Occurrence<'t> {
    pub node: Node<'t>,
    pub role: Role,
    pub scope: ScopeId,
}

/// The scopes of a source.
pub struct Scopes<'t> {
    /// Every scope but the module's, with its enclosing scope and the node that makes it.
    around: BTreeMap<ScopeId, (ScopeId, Node<'t>)>,
}

impl<'t> Scopes<'t> {
    /// Finds all scopes of a source.
    pub fn of(parts: &Parts<'t>) -> Self {
        let scope = |node: &Node<'t>| (node.id(), (scope_around(*node), *node));
        let scopes = parts.scopes.iter();
        let scopes = scopes.filter(|node| node.kind() != TYPE_PARAMETERS || has_scope(**node));
        Self {
            around: scopes.map(scope).collect(),
        }
    }

    /// Returns the enclosing scope; none for the module.
    pub fn around(&self, scope: ScopeId) -> Option<ScopeId> {
        self.around.get(&scope).map(|(around, _)| *around)
    }

    /// Returns the class that makes the scope, if a class does.
    pub fn class(&self, scope: ScopeId) -> Option<Node<'t>> {
        let (_, node) = self.around.get(&scope)?;
        (node.kind() == "class_definition").then_some(*node)
    }

    /// Returns whether type parameters make the scope; it sees the names of the class around it.
    pub fn is_of_types(&self, scope: ScopeId) -> bool {
        self.around.get(&scope).is_some_and(|(_, node)| {
            matches!(node.kind(), TYPE_PARAMETERS | "type_alias_statement")
        })
    }

    /// Returns whether a function makes the scope; `nonlocal` finds names only in functions.
    pub fn is_function(&self, scope: ScopeId) -> bool {
        self.around
            .get(&scope)
            .is_some_and(|(_, node)| matches!(node.kind(), "function_definition" | "lambda"))
    }
}

/// Returns every occurrence of `name`, which must be one of the names that `parts` was collected
/// for.
pub fn occurrences<'t>(source: &Source, parts: &Parts<'t>, name: &str) -> Vec<Occurrence<'t>> {
    let names = parts.names.iter().copied();
    names
        .filter(|node| source.text(*node) == name)
        .map(|node| {
            let role = role(node);
            Occurrence {
                node,
                role,
                scope: if role == Role::Bind && is_walrus(node) {
                    outside_comprehensions(node)
                } else {
                    scope_of(node)
                },
            }
        })
        .collect()
}

/// Returns the range of `name` together with the attributes in `rest`, if exactly these follow it.
pub fn with_attributes(source: &Source, name: Node<'_>, rest: &[String]) -> Option<Range<usize>> {
    let is_pattern = name.parent()?.kind() == "dotted_name";
    let mut last = name;
    for component in rest {
        let text = if is_pattern {
            last = last.next_named_sibling()?;
            source.text(last)
        } else {
            let object = last;
            last = object.parent().filter(|parent| {
                parent.kind() == "attribute" && is_field(*parent, "object", object)
            })?;
            source.text(last.child_by_field_name("attribute")?)
        };
        if text != component {
            return None;
        }
    }
    Some(name.start_byte()..last.end_byte())
}

/// Returns the scope in which a `:=` binds.
fn outside_comprehensions(node: Node<'_>) -> ScopeId {
    let mut at = node;
    while let Some(parent) = at.parent() {
        if is_scope(parent) && !is_comprehension(parent) && scope_of(at) == parent.id() {
            return parent.id();
        }
        at = parent;
    }
    MODULE
}

fn is_comprehension(node: Node<'_>) -> bool {
    matches!(
        node.kind(),
        "list_comprehension"
            | "set_comprehension"
            | "dictionary_comprehension"
            | "generator_expression"
    )
}

fn is_scope(node: Node<'_>) -> bool {
    matches!(
        node.kind(),
        "function_definition" | "lambda" | "class_definition"
    ) || is_comprehension(node)
}

fn is_field(parent: Node<'_>, field: &str, child: Node<'_>) -> bool {
    parent.child_by_field_name(field) == Some(child)
}

/// Returns the scope that a scope-making node is in: that of its type parameters, if it has any.
fn scope_around(node: Node<'_>) -> ScopeId {
    let brackets = node.child_by_field_name("type_parameters");
    brackets.map_or_else(|| scope_of(node), |brackets| brackets.id())
}

/// Returns whether the brackets hold type parameters and not the arguments of a type.
fn has_scope(brackets: Node<'_>) -> bool {
    brackets
        .parent()
        .is_some_and(|parent| is_field(parent, "type_parameters", brackets))
}

/// Returns the scope that `node` stands in.
pub fn scope_of(node: Node<'_>) -> ScopeId {
    let mut child = node;
    while let Some(parent) = child.parent() {
        let is_inside = match parent.kind() {
            "function_definition" | "lambda" => {
                is_field(parent, "body", child)
                    // Defaults and annotations are evaluated outside the function.
                    || (is_field(parent, "parameters", child) && is_parameter(node))
            }
            "class_definition" => is_field(parent, "body", child),
            // Bounds and defaults see all type parameters.
            TYPE_PARAMETERS => has_scope(parent),
            // The alias itself is bound outside.
            "type_alias_statement" => !is_name_of_an_alias(parent, node),
            // The first iterable is evaluated outside the comprehension.
            _ if is_comprehension(parent) => !is_first_iterable(parent, child, node),
            _ => false,
        };
        if is_inside {
            return parent.id();
        }
        // The rest of a function's or class's header sees its type parameters.
        if matches!(parent.kind(), "function_definition" | "class_definition")
            && let Some(brackets) = parent.child_by_field_name("type_parameters")
            && brackets != child
            && !is_field(parent, "name", child)
            && (!is_field(parent, "parameters", child) || is_in_annotation(child, node))
        {
            return brackets.id();
        }
        child = parent;
    }
    MODULE
}

/// Returns whether `node` stands in an annotation of these parameters, and not in a default.
fn is_in_annotation(parameters: Node<'_>, node: Node<'_>) -> bool {
    let mut child = node;
    while let Some(parent) = child.parent().filter(|_| child != parameters) {
        let is_typed = matches!(parent.kind(), "typed_parameter" | "typed_default_parameter");
        if is_typed && parent.parent() == Some(parameters) {
            return is_field(parent, "type", child);
        }
        child = parent;
    }
    false
}

/// Returns whether `node` is the name that a `type` statement binds, and not one of its parameters
/// or its value.
fn is_name_of_an_alias(alias: Node<'_>, node: Node<'_>) -> bool {
    let left = alias.child_by_field_name("left");
    left.is_some_and(|left| left.start_byte() == node.start_byte())
}

fn is_first_iterable(comprehension: Node<'_>, clause: Node<'_>, node: Node<'_>) -> bool {
    let mut cursor = comprehension.walk();
    let first = comprehension
        .named_children(&mut cursor)
        .find(|child| child.kind() == "for_in_clause");
    first == Some(clause)
        && clause
            .child_by_field_name("right")
            .is_some_and(|right| right.byte_range().contains(&node.start_byte()))
}

/// Returns whether an identifier is the name of a parameter.
fn is_parameter(node: Node<'_>) -> bool {
    let Some(parent) = node.parent() else {
        return false;
    };
    match parent.kind() {
        "parameters" | "lambda_parameters" => true,
        "default_parameter" | "typed_default_parameter" => is_field(parent, "name", node),
        "typed_parameter" => parent.named_child(0) == Some(node),
        "list_splat_pattern" | "dictionary_splat_pattern" => {
            parent.parent().is_some_and(|around| {
                matches!(
                    around.kind(),
                    "parameters" | "lambda_parameters" | "typed_parameter"
                )
            })
        }
        _ => false,
    }
}

fn is_walrus(node: Node<'_>) -> bool {
    node.parent()
        .is_some_and(|parent| parent.kind() == "named_expression")
}

fn role(node: Node<'_>) -> Role {
    let Some(parent) = node.parent() else {
        return Role::None;
    };
    let name_or = |field: &str, yes: Role, no: Role| {
        if is_field(parent, field, node) {
            yes
        } else {
            no
        }
    };
    match parent.kind() {
        "attribute" => name_or("attribute", Role::None, Role::Load),
        "keyword_argument" => name_or("name", Role::None, Role::Load),
        "aliased_import" | "as_pattern_target" | "case_pattern" | "splat_pattern" => Role::Bind,
        // The keyword of a class pattern; the value after it is a pattern.
        "keyword_pattern" => Role::None,
        "as_pattern" if is_in_case(parent) && parent.named_child(0) != Some(node) => Role::Bind,
        "type" | "splat_type" | "generic_type" if is_name_of_a_type(node) => Role::Bind,
        "function_definition" | "class_definition" => name_or("name", Role::Bind, Role::Load),
        "global_statement" => Role::Global,
        "nonlocal_statement" => Role::Nonlocal,
        "dotted_name" => role_in_dotted_name(parent, node),
        _ if is_parameter(node) => Role::Bind,
        "named_expression" => name_or("name", Role::Bind, Role::Load),
        _ => role_as_target(node),
    }
}

/// Returns whether `as` stands in a pattern of `match`, and not in a `with` or `except`.
fn is_in_case(as_pattern: Node<'_>) -> bool {
    let first = as_pattern.named_child(0);
    first.is_some_and(|first| first.kind() == "case_pattern")
}

/// Returns whether the node is the name that a `type` statement binds, or a type parameter.
fn is_name_of_a_type(node: Node<'_>) -> bool {
    let mut child = node;
    while let Some(parent) = child.parent() {
        match parent.kind() {
            "type" | "splat_type" | "generic_type" | "type_parameter" => {}
            // The bound follows the colon.
            "constrained_type" if parent.named_child(0) == Some(child) => {}
            "type_alias_statement" => return is_field(parent, "left", child),
            "function_definition" | "class_definition" => {
                return is_field(parent, "type_parameters", child);
            }
            _ => return false,
        }
        child = parent;
    }
    false
}

fn role_in_dotted_name(name: Node<'_>, node: Node<'_>) -> Role {
    let Some(around) = name.parent() else {
        return Role::None;
    };
    let is_single = name.named_child_count() == 1;
    match around.kind() {
        // Plain imports are found elsewhere; of the others only what follows `import` is a name.
        "import_from_statement" if !is_field(around, "module_name", name) => Role::Bind,
        "import_statement"
        | "import_from_statement"
        | "aliased_import"
        | "relative_import"
        | "future_import_statement" => Role::None,
        // In a pattern a single name captures, and a dotted name is a value.
        "case_pattern" | "as_pattern" | "union_pattern" | "keyword_pattern" if is_single => {
            Role::Bind
        }
        _ if name.named_child(0) == Some(node) => Role::Load,
        _ => Role::None,
    }
}

/// Returns `Bind` if the node is a target of an assignment, `for` or `del`, and `Load` otherwise.
fn role_as_target(node: Node<'_>) -> Role {
    let mut child = node;
    while let Some(parent) = child.parent() {
        let is_target = match parent.kind() {
            "pattern_list"
            | "tuple_pattern"
            | "list_pattern"
            | "list_splat_pattern"
            | "expression_list"
            | "tuple"
            | "list"
            | "parenthesized_expression" => {
                child = parent;
                continue;
            }
            "assignment" | "augmented_assignment" | "for_statement" | "for_in_clause" => {
                is_field(parent, "left", child)
            }
            "delete_statement" | "as_pattern_target" => true,
            _ => false,
        };
        return if is_target { Role::Bind } else { Role::Load };
    }
    Role::Load
}
