//! Where a source that the grammar can't follow stops being Python, as near as the tree tells.

use tree_sitter::Node;

/// The place of the first fault in `node`, which has one.
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

/// Whether a part of something faulty is beyond suspicion: of a tree that fell apart, statements
/// before the fault are whole.
fn is_whole(outer: Node<'_>, child: Node<'_>) -> bool {
    let kind = child.kind();
    !outer.is_error()
        || kind.ends_with("_statement")
        || kind.ends_with("_definition")
        || matches!(kind, "comment" | "block")
}
