//! Finds what binds one name in each scope of a source, and which binding an occurrence of the name
//! means. Follows Python's rules for functions, classes, `global` and `nonlocal`. Does not decide
//! which modules move.

use std::collections::{BTreeMap, BTreeSet};

use tree_sitter::Node;

use super::imports::Plain;
use super::parse::{Parts, Source};
use super::scope::{MODULE, Occurrence, Role, ScopeId, Scopes, occurrences};

/// What binds the name in one scope.
#[derive(Default)]
pub struct Bound<'a, 't> {
    /// Plain imports of modules that move.
    pub moved: Vec<&'a Plain<'t>>,
    /// Byte at which the first unconditional import in `moved` ends.
    pub moved_from: Option<usize>,
    /// Whether there are plain imports of modules that stay.
    pub has_kept: bool,
    /// Byte at which the first unconditional import of a module that stays ends. After it the name
    /// has a meaning even without the imports in `moved`.
    pub kept_from: Option<usize>,
    /// Whether anything else binds the name.
    pub other: bool,
}

/// All bindings of one name in a source.
pub struct Bindings<'a, 't> {
    pub found: Vec<Occurrence<'t>>,
    /// The scopes that bind the name, and what binds it there.
    pub bound: BTreeMap<ScopeId, Bound<'a, 't>>,
    scopes: &'a Scopes<'t>,
    global: BTreeSet<ScopeId>,
    /// The scopes that declare the name `nonlocal`, and the scopes that they refer to.
    nonlocal: BTreeMap<ScopeId, ScopeId>,
    /// The bodies of the classes that bind the name.
    classes: BTreeMap<ScopeId, Body<'t>>,
}

/// Whether a class has bound a name when execution reaches a place in its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Before,
    After,
    Unknown,
}

impl<'a, 't> Bindings<'a, 't> {
    /// Finds the bindings of `name`, which must be one of the names that `parts` was collected for.
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

    /// Returns the scope in which a statement in `scope` binds the name.
    pub fn home(&self, scope: ScopeId) -> ScopeId {
        if self.global.contains(&scope) {
            MODULE
        } else {
            *self.nonlocal.get(&scope).unwrap_or(&scope)
        }
    }

    /// Returns the scope whose binding the name means in `scope`, if there is one.
    pub fn resolve(&self, scope: ScopeId) -> Option<ScopeId> {
        self.resolve_with(scope, None)
    }

    /// Resolves as `resolve` does, as if `more` bound the name as well.
    pub fn resolve_with(&self, scope: ScopeId, more: Option<ScopeId>) -> Option<ScopeId> {
        let binds = |at: ScopeId| self.bound.contains_key(&at) || more == Some(at);
        let (mut at, mut sees_class) = (scope, true);
        loop {
            // Functions in a class do not see what the class binds, but its type parameters do.
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

    /// Returns the scopes whose binding the name may mean at `node` in `scope`. There is more than
    /// one where a class may or may not have bound the name by then.
    pub fn meanings(&self, node: Node<'_>, scope: ScopeId) -> Vec<ScopeId> {
        let Some(found) = self.resolve(scope) else {
            return Vec::new();
        };
        let class = self.classes.get(&scope).filter(|_| found == scope);
        // Before the class binds the name, it means the module's binding, not a function's.
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

/// A statement of the body, and the node in it that binds the name.
struct Step<'t> {
    statement: Node<'t>,
    binding: Node<'t>,
    /// Whether the name is always bound after the statement.
    is_sure: bool,
    /// Whether it is a `del`.
    is_end: bool,
}

impl Body<'_> {
    /// Returns whether the class has bound the name when execution reaches `node`.
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

/// Returns whether an import stands directly in a module or a function, not in an `if`, a `try` or
/// a similar block.
fn is_always_made(import: Node<'_>) -> bool {
    let block = import.parent().and_then(|statement| statement.parent());
    block.is_some_and(|block| {
        let around = block.parent().map(|around| around.kind());
        block.kind() == "module" || around == Some("function_definition")
    })
}

/// Returns the statement of `body` that contains `node`.
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

/// Returns whether the node is in `name: T`, which binds nothing.
fn is_only_annotated(node: Node<'_>) -> bool {
    node.parent().is_some_and(|parent| {
        parent.kind() == "assignment" && parent.child_by_field_name("right").is_none()
    })
}

/// Returns whether `statement` always binds the name at `binding`.
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

/// Returns whether `statement` evaluates `node` before it binds the name at `binding`.
fn comes_first(statement: Node<'_>, node: Node<'_>, binding: Node<'_>) -> bool {
    let is_value = || {
        // In `a = name = value` the innermost assignment holds the value.
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
