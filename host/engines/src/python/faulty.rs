//! Locates the first fault in a source that the grammar cannot parse, as closely as the tree
//! allows. Only reads the tree: never repairs it or judges whether there is a fault.

use tree_sitter::Node;

/// Returns the byte of the first fault in `node`, which must have one.
pub fn first_fault(node: Node<'_>) -> usize {
    let mut at = node;
    loop {
        if at.is_missing() {
            return at.start_byte();
        }
        let mut cursor = at.walk();
        let inner = at
            .children(&mut cursor)
            .find(|child| child.is_missing() || child.has_error() || !is_whole(at, *child));
        match inner {
            Some(inner) if inner.is_missing() || inner.has_error() => at = inner,
            Some(inner) => return inner.start_byte(),
            None => return at.start_byte(),
        }
    }
}

/// Returns whether a child of a faulty node is intact. In a tree that fell apart, the statements
/// before the fault are whole.
fn is_whole(outer: Node<'_>, child: Node<'_>) -> bool {
    let kind = child.kind();
    !outer.is_error()
        || kind.ends_with("_statement")
        || kind.ends_with("_definition")
        || matches!(kind, "comment" | "block")
}
