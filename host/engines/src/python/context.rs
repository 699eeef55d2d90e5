//! Tells what a string literal is used for, by its place in the tree: as a value, as a type in
//! quotes, or as text for people.

use tree_sitter::Node;

use super::parse::Source;

/// What a string literal is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    /// A docstring, or another string whose value is not used.
    Prose,
    /// A type or a part of one: a forward reference.
    Annotation,
    Value,
}

/// Returns what `string` is used for.
pub fn context(source: &Source, string: Node<'_>) -> Context {
    let (mut inner, mut child) = (string, string);
    let mut is_alone = true;
    let mut found = Context::Value;
    while let Some(parent) = child.parent() {
        match parent.kind() {
            "expression_statement" if is_alone && parent.named_child_count() == 1 => {
                return Context::Prose;
            }
            "concatenated_string" | "parenthesized_expression" => {}
            "type" => found = Context::Annotation,
            "generic_type" | "subscript" if holds_values(source, parent, child, inner) => {
                return Context::Value;
            }
            "generic_type" | "type_parameter" | "subscript" | "union_type" | "constrained_type"
            | "binary_operator" | "list" | "tuple" | "expression_list" => is_alone = false,
            _ => return found,
        }
        (inner, child) = (child, parent);
    }
    found
}

/// Returns whether a string within a type is a value, as in `Literal['x']`.
pub fn is_argument(source: &Source, string: Node<'_>) -> bool {
    let (mut inner, mut child) = (string, string);
    while let Some(parent) = child.parent() {
        let has_brackets = matches!(parent.kind(), "generic_type" | "subscript");
        if has_brackets && holds_values(source, parent, child, inner) {
            return true;
        }
        (inner, child) = (child, parent);
    }
    false
}

/// Returns whether the brackets of a type hold values here, not types: `Literal['x']`,
/// `Annotated[T, 'x']`.
fn holds_values(source: &Source, whole: Node<'_>, child: Node<'_>, inner: Node<'_>) -> bool {
    let Some(name) = whole.named_child(0).filter(|name| *name != child) else {
        return false;
    };
    let is_first = match whole.kind() {
        "subscript" => whole.named_child(1) == Some(child),
        // In other kinds the brackets are a node of their own.
        _ => child.named_child(0) == Some(inner),
    };
    match source.text(name).rsplit('.').next().map(str::trim) {
        Some("Literal") => true,
        Some("Annotated") => !is_first,
        _ => false,
    }
}
