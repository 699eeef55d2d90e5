//! What binds one name, in every scope of a source, and which of that an occurrence of it means:
//! Python's rules for functions, classes, `global` and `nonlocal`. Decides nothing about modules.

use std::collections::{BTreeMap, BTreeSet};

use tree_sitter::Node;

use super::imports::Plain;
use super::parse::{Parts, Source};
use super::scope::{MODULE, Occurrence, Role, ScopeId, Scopes, occurrences};

/// What binds the name in a scope.
#[derive(Default)]
pub struct Bound<'a, 't> {
    /// Plain imports of what moves.
    pub moved: Vec<&'a Plain<'t>>,
    /// Where the first of them ends that is always made.
    pub moved_from: Option<usize>,
    /// There are plain imports of what stays where it is.
    pub has_kept: bool,
    /// Where the first of those ends that is always made. From there on the name has a meaning
    /// without the others, too.
    pub kept_from: Option<usize>,
    /// Anything else.
    pub other: bool,
}

/// See the module.
pub struct Bindings<'a, 't> {
    /// Every occurrence of the name.
    pub found: Vec<Occurrence<'t>>,
    /// The scopes that bind it, and by what.
    pub bound: BTreeMap<ScopeId, Bound<'a, 't>>,
    scopes: &'a Scopes<'t>,
    global: BTreeSet<ScopeId>,
    /// The scopes that say `nonlocal`, and those they mean.
    nonlocal: BTreeMap<ScopeId, ScopeId>,
    /// The classes that bind it.
    classes: BTreeMap<ScopeId, Body<'t>>,
}

/// When a class binds a name, seen from a place in its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Before,
    After,
    Unknown,
}

impl<'a, 't> Bindings<'a, 't> {
    /// Of `name`, which is one of those that the parts have.
    pub fn of(
        source: &Source,
        parts: &Parts<'t>,
        scopes: &'a Scopes<'t>,
        plain: &'a [Plain<'t>],
        name: &str,
    ) -> Self {
        let found = occurrences(source, parts, name);
        let declared = |role: Role| {
            let declared = found
                .iter()
                .filter(move |occurrence| occurrence.role == role);
            declared
                .map(|occurrence| occurrence.scope)
                .collect::<BTreeSet<_>>()
        };
        let plain = || plain.iter().filter(|import| import.module[0] == name);
        let mut binding = declared(Role::Bind);
        binding.extend(plain().map(|import| import.scope));
        let (global, nonlocal) = (declared(Role::Global), declared(Role::Nonlocal));
        let target = |scope: &ScopeId| {
            let outer = std::iter::successors(scopes.around(*scope), |at| scopes.around(*at));
            let mut functions = outer.into_iter().filter(|at| scopes.is_function(*at));
            functions.find(|at| binding.contains(at) && !nonlocal.contains(at))
        };
        let mut bindings = Self {
            nonlocal: nonlocal
                .iter()
                .filter_map(|scope| Some((*scope, target(scope)?)))
                .collect(),
            bound: BTreeMap::new(),
            classes: BTreeMap::new(),
            scopes,
            global,
            found,
        };
        for import in plain() {
            let home = bindings.home(import.scope);
            let bound = bindings.bound.entry(home).or_default();
            let first = if import.moved.is_some() {
                bound.moved.push(import);
                &mut bound.moved_from
            } else {
                bound.has_kept = true;
                &mut bound.kept_from
            };
            if is_always_made(import.node) && home == import.scope {
                let end = import.node.end_byte();
                *first = Some(first.map_or(end, |first| first.min(end)));
            }
        }
        let others = bindings.found.iter();
        let others: Vec<ScopeId> = others
            .filter(|occurrence| occurrence.role == Role::Bind)
            .filter(|occurrence| !plain().any(|import| is_within(occurrence.node, import.node)))
            .map(|occurrence| bindings.home(occurrence.scope))
            .collect();
        for home in others {
            bindings.bound.entry(home).or_default().other = true;
        }
        let classes = bindings.bound.keys();
        bindings.classes = classes
            .filter_map(|scope| Some((*scope, bindings.body(*scope)?)))
            .collect();
        bindings
    }

    /// The scope that a statement in `scope` binds the name in.
    pub fn home(&self, scope: ScopeId) -> ScopeId {
        if self.global.contains(&scope) {
            MODULE
        } else {
            *self.nonlocal.get(&scope).unwrap_or(&scope)
        }
    }

    /// The scope that has what the name means in `scope`, if one does.
    pub fn resolve(&self, scope: ScopeId) -> Option<ScopeId> {
        self.resolve_with(scope, None)
    }

    /// As `resolve`, if `more` bound the name, too.
    pub fn resolve_with(&self, scope: ScopeId, more: Option<ScopeId>) -> Option<ScopeId> {
        let binds = |at: ScopeId| self.bound.contains_key(&at) || more == Some(at);
        let (mut at, mut sees_class) = (scope, true);
        loop {
            // What a class binds is not seen by the functions in it, but by type parameters.
            if sees_class || self.scopes.class(at).is_none() {
                if self.global.contains(&at) {
                    return binds(MODULE).then_some(MODULE);
                }
                let home = self.home(at);
                if home != at || binds(at) {
                    return Some(home);
                }
            }
            sees_class &= self.scopes.is_of_types(at);
            at = self.scopes.around(at)?;
        }
    }

    /// The scopes that have what the name may mean at `node` in `scope`: more than one where a
    /// class may have bound it by then, or not.
    pub fn meanings(&self, node: Node<'_>, scope: ScopeId) -> Vec<ScopeId> {
        let Some(found) = self.resolve(scope) else {
            return Vec::new();
        };
        let class = self.classes.get(&scope).filter(|_| found == scope);
        // Before a class has bound it, it is the module's, whatever functions are around.
        let outer = || self.bound.contains_key(&MODULE).then_some(MODULE);
        match class.map(|class| class.moment(node)) {
            None | Some(Moment::After) => vec![found],
            Some(Moment::Before) => outer().into_iter().collect(),
            Some(Moment::Unknown) => outer().into_iter().chain([found]).collect(),
        }
    }

    fn body(&self, scope: ScopeId) -> Option<Body<'t>> {
        let block = self.scopes.class(scope)?.child_by_field_name("body")?;
        let occurrences = self.found.iter().filter(|found| found.scope == scope);
        let names = occurrences
            .filter(|found| found.role == Role::Bind && !is_only_annotated(found.node))
            .map(|found| found.node);
        let imports = self.bound.get(&scope).into_iter();
        let imports = imports.flat_map(|bound| bound.moved.iter().map(|import| import.node));
        let steps = names.chain(imports).filter_map(|binding| {
            let statement = statement_in(block, binding)?;
            Some(Step {
                statement,
                binding,
                is_sure: binds_always(statement, binding),
                is_end: has_ancestor(binding, block, "delete_statement"),
            })
        });
        Some(Body {
            block,
            steps: steps.collect(),
        })
    }
}

/// The body of a class that binds the name.
struct Body<'t> {
    block: Node<'t>,
    steps: Vec<Step<'t>>,
}

/// A statement of it, and where in that the name is bound.
struct Step<'t> {
    statement: Node<'t>,
    binding: Node<'t>,
    /// Once it is over, the name is bound.
    is_sure: bool,
    /// It is a `del`.
    is_end: bool,
}

impl Body<'_> {
    /// Whether the class has bound the name when it comes to `node`.
    fn moment(&self, node: Node<'_>) -> Moment {
        let Some(statement) = statement_in(self.block, node) else {
            return Moment::Unknown;
        };
        let is_kept = !self.steps.iter().any(|step| step.is_end);
        let mut is_before = true;
        for step in &self.steps {
            if step.statement.start_byte() < statement.start_byte() {
                if is_kept && step.is_sure {
                    return Moment::After;
                }
                is_before = false;
            } else if step.statement == statement {
                is_before &= comes_first(statement, node, step.binding);
            }
        }
        if is_before {
            Moment::Before
        } else {
            Moment::Unknown
        }
    }
}

fn is_within(inner: Node<'_>, outer: Node<'_>) -> bool {
    let (inner, outer) = (inner.byte_range(), outer.byte_range());
    outer.start <= inner.start && inner.end <= outer.end
}

/// Whether an import stands directly in its scope, not in an `if`, a `try` or the like.
fn is_always_made(import: Node<'_>) -> bool {
    let block = import.parent().and_then(|statement| statement.parent());
    block.is_some_and(|block| {
        let around = block.parent().map(|around| around.kind());
        block.kind() == "module" || around == Some("function_definition")
    })
}

/// The statement of a body that has `node` in it.
fn statement_in<'t>(body: Node<'t>, node: Node<'t>) -> Option<Node<'t>> {
    let mut at = node;
    loop {
        let parent = at.parent()?;
        if parent == body {
            return Some(at);
        }
        at = parent;
    }
}

fn has_ancestor(node: Node<'_>, end: Node<'_>, kind: &str) -> bool {
    std::iter::successors(node.parent(), Node::parent)
        .take_while(|at| *at != end)
        .any(|at| at.kind() == kind)
}

/// `name: T`, which binds nothing.
fn is_only_annotated(node: Node<'_>) -> bool {
    node.parent().is_some_and(|parent| {
        parent.kind() == "assignment" && parent.child_by_field_name("right").is_none()
    })
}

/// Whether a statement, once it is over, has bound the name at `binding`.
fn binds_always(statement: Node<'_>, binding: Node<'_>) -> bool {
    match statement.kind() {
        "import_statement"
        | "import_from_statement"
        | "function_definition"
        | "class_definition"
        | "decorated_definition" => true,
        "expression_statement" => std::iter::successors(binding.parent(), Node::parent)
            .take_while(|at| *at != statement)
            .all(|at| at.kind() == "assignment"),
        _ => false,
    }
}

/// Whether a statement comes to `node` before it binds the name at `binding`.
fn comes_first(statement: Node<'_>, node: Node<'_>, binding: Node<'_>) -> bool {
    let is_value = || {
        // Of `a = name = value` the value is in the innermost one.
        let mut at = statement.named_child(0);
        while let Some(assignment) = at.filter(|at| at.kind() == "assignment") {
            at = assignment.child_by_field_name("right");
        }
        at.is_some_and(|value| {
            let range = value.byte_range();
            range.contains(&node.start_byte()) && !range.contains(&binding.start_byte())
        })
    };
    match statement.kind() {
        "function_definition" | "class_definition" | "decorated_definition" => binding
            .parent()
            .is_some_and(|parent| parent.child_by_field_name("name") == Some(binding)),
        "expression_statement" => binds_always(statement, binding) && is_value(),
        _ => false,
    }
}
