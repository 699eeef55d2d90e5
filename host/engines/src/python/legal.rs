//! Finds faults that the parser accepts and Python's compiler refuses: `return` outside a function,
//! a parameter twice, `from __future__` too late. Uses ruff's checks for these; this module only
//! tells them where in the source a statement stands.

use std::cell::Cell;

use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{Comprehension, ExceptHandler, Expr, PythonVersion, Stmt};
use ruff_python_parser::semantic_errors::{
    LazyImportContext, SemanticSyntaxChecker, SemanticSyntaxContext, SemanticSyntaxError,
};
use ruff_text_size::TextRange;

/// The Python version whose rules apply.
pub const VERSION: PythonVersion = PythonVersion::PY313;

/// What a statement or an expression is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Around {
    Module,
    Class,
    Function {
        is_async: bool,
    },
    /// `is_lazy` marks a generator, which runs only when a value is requested.
    Comprehension {
        is_async: bool,
        is_lazy: bool,
    },
}

struct Walk<'a> {
    checker: SemanticSyntaxChecker,
    /// The byte of the first fault.
    fault: Cell<Option<usize>>,
    source: &'a str,
    around: Vec<Around>,
    /// Number of loops around the statement, within the same function.
    loops: usize,
}

/// Returns the byte of the first thing that the compiler refuses.
pub fn first_fault(source: &str, module: &[Stmt]) -> Option<usize> {
    let mut walk = Walk {
        checker: SemanticSyntaxChecker::new(),
        fault: Cell::new(None),
        source,
        around: vec![Around::Module],
        loops: 0,
    };
    walk.visit_body(module);
    walk.fault.get()
}

impl<'a> Walk<'a> {
    fn check(&mut self, check: impl FnOnce(&mut SemanticSyntaxChecker, &Self)) {
        let mut checker = std::mem::take(&mut self.checker);
        check(&mut checker, self);
        self.checker = checker;
    }

    fn within(&mut self, around: Around, visit: impl FnOnce(&mut Self)) {
        self.around.push(around);
        let loops = std::mem::take(&mut self.loops);
        visit(self);
        self.loops = loops;
        self.around.pop();
    }

    fn in_loop(&mut self, body: &'a [Stmt], otherwise: &'a [Stmt]) {
        self.loops += 1;
        self.visit_body(body);
        self.loops -= 1;
        self.visit_body(otherwise);
    }

    fn comprehension(
        &mut self,
        parts: &'a [Comprehension],
        values: &[Option<&'a Expr>],
        is_lazy: bool,
    ) {
        // The first iterable is evaluated outside the comprehension.
        if let Some(first) = parts.first() {
            self.visit_expr(&first.iter);
        }
        let is_async = parts.iter().any(|part| part.is_async);
        self.within(Around::Comprehension { is_async, is_lazy }, |walk| {
            for (number, part) in parts.iter().enumerate() {
                if number > 0 {
                    walk.visit_expr(&part.iter);
                }
                walk.visit_expr(&part.target);
                for condition in &part.ifs {
                    walk.visit_expr(condition);
                }
            }
            for value in values.iter().flatten() {
                walk.visit_expr(value);
            }
        });
    }

    fn refuse(&self, at: usize) {
        let first = self.fault.get().map_or(at, |first| first.min(at));
        self.fault.set(Some(first));
    }

    /// Returns what is around, other than comprehensions.
    fn body(&self) -> Around {
        let mut around = self.around.iter().rev().copied();
        let body = around.find(|around| !matches!(around, Around::Comprehension { .. }));
        body.unwrap_or(Around::Module)
    }
}

/// Returns whether a handler is `except:`, which must come last.
fn is_bare(handler: &ExceptHandler) -> bool {
    let ExceptHandler::ExceptHandler(handler) = handler;
    handler.type_.is_none()
}

impl<'a> Visitor<'a> for Walk<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        self.check(|checker, walk| checker.visit_stmt(stmt, walk));
        match stmt {
            Stmt::ClassDef(class) => {
                for decorator in &class.decorator_list {
                    self.visit_decorator(decorator);
                }
                if let Some(parameters) = &class.type_params {
                    self.visit_type_params(parameters);
                }
                if let Some(arguments) = &class.arguments {
                    self.visit_arguments(arguments);
                }
                self.within(Around::Class, |walk| walk.visit_body(&class.body));
            }
            Stmt::FunctionDef(function) => {
                for decorator in &function.decorator_list {
                    self.visit_decorator(decorator);
                }
                if let Some(parameters) = &function.type_params {
                    self.visit_type_params(parameters);
                }
                self.visit_parameters(&function.parameters);
                if let Some(returns) = &function.returns {
                    self.visit_annotation(returns);
                }
                let is_async = function.is_async;
                self.within(Around::Function { is_async }, |walk| {
                    walk.visit_body(&function.body);
                });
            }
            Stmt::For(statement) => {
                self.visit_expr(&statement.iter);
                self.visit_expr(&statement.target);
                self.in_loop(&statement.body, &statement.orelse);
            }
            Stmt::Try(statement) => {
                let handlers = statement.handlers.split_last();
                let bare = handlers.and_then(|(_, others)| {
                    let ExceptHandler::ExceptHandler(handler) =
                        others.iter().find(|handler| is_bare(handler))?;
                    Some(handler.range.start().to_usize())
                });
                if let Some(at) = bare {
                    self.refuse(at);
                }
                walk_stmt(self, stmt);
            }
            Stmt::While(statement) => {
                self.visit_expr(&statement.test);
                self.in_loop(&statement.body, &statement.orelse);
            }
            _ => walk_stmt(self, stmt),
        }
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        self.check(|checker, walk| checker.visit_expr(expr, walk));
        match expr {
            Expr::Lambda(lambda) => {
                if let Some(parameters) = &lambda.parameters {
                    self.visit_parameters(parameters);
                }
                self.within(Around::Function { is_async: false }, |walk| {
                    walk.visit_expr(&lambda.body);
                });
            }
            Expr::ListComp(list) => {
                self.comprehension(&list.generators, &[Some(&list.elt)], false);
            }
            Expr::SetComp(set) => self.comprehension(&set.generators, &[Some(&set.elt)], false),
            Expr::Generator(made) => {
                self.comprehension(&made.generators, &[Some(&made.elt)], true);
            }
            Expr::DictComp(dict) => {
                self.comprehension(
                    &dict.generators,
                    &[dict.key.as_deref(), Some(&*dict.value)],
                    false,
                );
            }
            _ => walk_expr(self, expr),
        }
    }
}

impl SemanticSyntaxContext for Walk<'_> {
    fn future_annotations_or_stub(&self) -> bool {
        true
    }

    fn lazy_import_context(&self) -> Option<LazyImportContext> {
        None
    }

    fn python_version(&self) -> PythonVersion {
        VERSION
    }

    fn source(&self) -> &str {
        self.source
    }

    // Declared and bound names around a statement are not tracked; these answers refuse nothing.
    fn global(&self, _: &str) -> Option<TextRange> {
        None
    }

    fn has_nonlocal_binding(&self, _: &str) -> bool {
        true
    }

    fn is_bound_parameter(&self, _: &str) -> bool {
        false
    }

    fn in_async_context(&self) -> bool {
        self.body() == Around::Function { is_async: true }
    }

    fn in_await_allowed_context(&self) -> bool {
        matches!(self.body(), Around::Function { .. })
    }

    fn in_yield_allowed_context(&self) -> bool {
        matches!(self.around.last(), Some(Around::Function { .. }))
    }

    fn in_sync_comprehension(&self) -> bool {
        let is_sync = |around: &Around| {
            matches!(
                around,
                Around::Comprehension {
                    is_async: false,
                    ..
                }
            )
        };
        self.around.iter().any(is_sync)
    }

    fn in_class_body_comprehension(&self) -> bool {
        self.body() == Around::Class && self.around.last() != Some(&Around::Class)
    }

    fn in_module_scope(&self) -> bool {
        self.around.len() == 1
    }

    fn in_function_scope(&self) -> bool {
        matches!(self.body(), Around::Function { .. })
    }

    fn in_generator_context(&self) -> bool {
        matches!(
            self.around.last(),
            Some(Around::Comprehension { is_lazy: true, .. })
        )
    }

    fn in_notebook(&self) -> bool {
        false
    }

    fn in_loop_context(&self) -> bool {
        self.loops > 0
    }

    fn report_semantic_error(&self, error: SemanticSyntaxError) {
        self.refuse(error.range.start().to_usize());
    }
}
