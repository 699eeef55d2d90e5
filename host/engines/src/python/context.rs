//! What a string is for where it stands: a value, a type in quotes, or words for people.

use tree_sitter::Node;

use super::parse::Source;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    /// A docstring, or a string that nobody gets.
    Prose,
    /// A type, or a part of one: a forward reference.
    Annotation,
    /// Anything else.
    Value,
}

/// What `string` is for.
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

/// Whether a string in a type is a value that the type is about.
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

/// Whether what is in the brackets of a type is no type: `Literal['x']`, `Annotated[T, 'x']`.
fn holds_values(source: &Source, whole: Node<'_>, child: Node<'_>, inner: Node<'_>) -> bool {
    let Some(name) = whole.named_child(0).filter(|name| *name != child) else {
        return false;
    };
    let is_first = match whole.kind() {
        "subscript" => whole.named_child(1) == Some(child),
        // The brackets are a node of their own.
        _ => child.named_child(0) == Some(inner),
    };
    match source.text(name).rsplit('.').next().map(str::trim) {
        Some("Literal") => true,
        Some("Annotated") => !is_first,
        _ => false,
    }
}
