//! What a file imports, and which parts of it are types. TypeScript that needs code of its own (`enum`,
//! `namespace`, parameter properties, decorators) is refused by name, as Node.js does.

use std::collections::BTreeSet;

use oxc_allocator::Allocator;
use oxc_ast::ast::*;
use oxc_ast_visit::{Visit, walk};
use oxc_parser::Parser;
use oxc_span::{GetSpan, SourceType, Span};
use oxc_syntax::scope::ScopeFlags;
use serde::Serialize;

use crate::blank::Blanks;

/// An import by a relative path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Import {
    pub path: String,
    /// From 1.
    pub line: usize,
}

/// A file without types.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Parsed {
    pub source: String,
    pub imports: Vec<Import>,
}

/// Why a file is no script.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// From 1.
    pub line: usize,
    pub reason: String,
}

/// Words before a member's name that are types alone.
const MODIFIERS: [&str; 7] = [
    "abstract",
    "declare",
    "override",
    "private",
    "protected",
    "public",
    "readonly",
];

/// Parses a file. JavaScript stays as it is.
pub fn parse(source: &str, is_typescript: bool) -> Result<Parsed, Refused> {
    let allocator = Allocator::default();
    let of = if is_typescript {
        SourceType::ts()
    } else {
        SourceType::mjs()
    };
    let parsed = Parser::new(&allocator, source, of).parse();
    let line_of = |at: u32| {
        1 + source[..(at as usize).min(source.len())]
            .matches('\n')
            .count()
    };
    if let Some(error) = parsed.diagnostics.iter().next() {
        let at = error.labels.first();
        return Err(Refused {
            line: at.map_or(1, |label| {
                line_of(u32::try_from(label.offset()).unwrap_or(0))
            }),
            reason: error.message.to_string(),
        });
    }
    let mut uses = Uses::default();
    uses.visit_program(&parsed.program);
    let mut strip = Strip {
        source,
        blanks: Blanks::of(source),
        imports: Vec::new(),
        refused: None,
        is_typescript,
        uses: uses.0,
    };
    strip.visit_program(&parsed.program);
    if let Some((at, reason)) = strip.refused {
        return Err(Refused {
            line: line_of(at),
            reason: reason.to_owned(),
        });
    }
    let imports = strip.imports.into_iter().map(|(path, at)| Import {
        path,
        line: line_of(at),
    });
    Ok(Parsed {
        source: strip.blanks.text(),
        imports: imports.collect(),
    })
}

/// The names that a file uses as values. A name that is shadowed somewhere counts, too.
#[derive(Default)]
struct Uses(BTreeSet<String>);

impl<'a> Visit<'a> for Uses {
    fn visit_identifier_reference(&mut self, it: &IdentifierReference<'a>) {
        self.0.insert(it.name.to_string());
    }

    fn visit_export_named_declaration(&mut self, it: &ExportNamedDeclaration<'a>) {
        if it.export_kind.is_value() {
            for specifier in it.specifiers.iter().filter(|it| it.export_kind.is_value()) {
                self.0.insert(specifier.local.name().to_string());
            }
        }
        walk::walk_export_named_declaration(self, it);
    }

    // Names in types are no values.
    fn visit_ts_type_annotation(&mut self, _: &TSTypeAnnotation<'a>) {}
    fn visit_ts_type(&mut self, _: &TSType<'a>) {}
    fn visit_ts_type_parameter_instantiation(&mut self, _: &TSTypeParameterInstantiation<'a>) {}
    fn visit_ts_type_parameter_declaration(&mut self, _: &TSTypeParameterDeclaration<'a>) {}
    fn visit_ts_interface_declaration(&mut self, _: &TSInterfaceDeclaration<'a>) {}
    fn visit_ts_type_alias_declaration(&mut self, _: &TSTypeAliasDeclaration<'a>) {}
    fn visit_ts_class_implements(&mut self, _: &TSClassImplements<'a>) {}
    fn visit_ts_index_signature(&mut self, _: &TSIndexSignature<'a>) {}
}

struct Strip<'s> {
    source: &'s str,
    blanks: Blanks<'s>,
    imports: Vec<(String, u32)>,
    /// The first thing that can't be stripped.
    refused: Option<(u32, &'static str)>,
    is_typescript: bool,
    uses: BTreeSet<String>,
}

impl Strip<'_> {
    fn blank(&mut self, span: Span) {
        self.blanks.blank(span.start, span.end);
    }

    fn refuse(&mut self, span: Span, reason: &'static str) {
        self.refused.get_or_insert((span.start, reason));
    }

    fn import(&mut self, source: &StringLiteral<'_>) {
        let path = source.value.as_str();
        if path.starts_with("./") || path.starts_with("../") {
            self.imports.push((path.to_owned(), source.span.start));
        }
    }

    /// Blanks the first of `characters` in a part of the source, comments left out.
    fn blank_mark(&mut self, start: u32, end: u32, characters: &[u8]) {
        if let Some(at) = self.find(start, end, |byte| characters.contains(&byte)) {
            self.blanks.blank(at, at + 1);
        }
    }

    /// Returns where the first byte outside a comment is that `is_it` accepts.
    fn find(&self, start: u32, end: u32, is_it: impl Fn(u8) -> bool) -> Option<u32> {
        let bytes = self.source.as_bytes();
        let (mut at, end) = (start as usize, (end as usize).min(bytes.len()));
        while at < end {
            if bytes[at..end].starts_with(b"//") {
                at += bytes[at..end]
                    .iter()
                    .position(|byte| *byte == b'\n')
                    .unwrap_or(end - at);
            } else if bytes[at..end].starts_with(b"/*") {
                let rest = &self.source[at + 2..end];
                at += 2 + rest.find("*/").map_or(rest.len(), |found| found + 2);
            } else if is_it(bytes[at]) {
                return u32::try_from(at).ok();
            } else {
                at += 1;
            }
        }
        None
    }

    /// Blanks the words of types that stand before a member's name.
    fn blank_modifiers(&mut self, start: u32, end: u32) {
        let mut at = start;
        while let Some(word) = self.find(at, end, |byte| byte.is_ascii_alphabetic()) {
            let rest = &self.source[word as usize..end as usize];
            let length = rest
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '$')
                .unwrap_or(rest.len());
            let after = word + u32::try_from(length).unwrap_or(u32::MAX);
            if MODIFIERS.contains(&&rest[..length]) {
                self.blanks.blank(word, after);
            }
            at = after;
        }
    }

    /// Blanks an item of a list with the comma behind it.
    fn blank_item(&mut self, span: Span, list_end: u32) {
        self.blank(span);
        let next = self.find(span.end, list_end, |byte| !byte.is_ascii_whitespace());
        if let Some(at) = next
            && self.source.as_bytes()[at as usize] == b','
        {
            self.blanks.blank(at, at + 1);
        }
    }

    /// Returns where modifiers of a member can begin: behind its decorators.
    fn member_start(&mut self, span: Span, decorators: &[Decorator<'_>]) -> u32 {
        if let Some(decorator) = decorators.last() {
            self.refuse(decorator.span, "a decorator: is not supported");
            return decorator.span.end;
        }
        span.start
    }

    /// Blanks what makes a binding optional or definite, between its name and its type.
    fn blank_optional(&mut self, after: u32, annotation: Option<&TSTypeAnnotation<'_>>, end: u32) {
        let end = annotation.map_or(end, |annotation| annotation.span.start);
        self.blank_mark(after, end, b"?!");
    }

    /// Returns whether a statement is types alone.
    fn is_type(statement: &Statement<'_>) -> bool {
        match statement {
            Statement::TSTypeAliasDeclaration(_)
            | Statement::TSInterfaceDeclaration(_)
            | Statement::TSNamespaceExportDeclaration(_)
            | Statement::TSGlobalDeclaration(_)
            | Statement::TSExternalModuleDeclaration(_) => true,
            Statement::FunctionDeclaration(it) => it.declare || it.body.is_none(),
            Statement::ClassDeclaration(it) => it.declare,
            Statement::VariableDeclaration(it) => it.declare,
            Statement::TSEnumDeclaration(it) => it.declare,
            Statement::TSNamespaceDeclaration(it) => it.declare,
            Statement::ImportDeclaration(it) => it.import_kind.is_type(),
            Statement::ExportNamedDeclaration(it) => it.export_kind.is_type(),
            Statement::ExportFromDeclaration(it) => it.export_kind.is_type(),
            Statement::ExportAllDeclaration(it) => it.export_kind.is_type(),
            Statement::ExportDefaultDeclaration(it) => match &it.declaration {
                ExportDefaultDeclarationKind::FunctionDeclaration(it) => it.body.is_none(),
                ExportDefaultDeclarationKind::TSInterfaceDeclaration(_) => true,
                _ => false,
            },
            Statement::ExportDeclaration(it) => match &it.declaration {
                Declaration::TSTypeAliasDeclaration(_)
                | Declaration::TSInterfaceDeclaration(_)
                | Declaration::TSGlobalDeclaration(_)
                | Declaration::TSExternalModuleDeclaration(_) => true,
                Declaration::FunctionDeclaration(it) => it.declare || it.body.is_none(),
                Declaration::ClassDeclaration(it) => it.declare,
                Declaration::VariableDeclaration(it) => it.declare,
                Declaration::TSEnumDeclaration(it) => it.declare,
                Declaration::TSNamespaceDeclaration(it) => it.declare,
                Declaration::TSImportEqualsDeclaration(_) => false,
            },
            _ => false,
        }
    }
}

impl<'a> Visit<'a> for Strip<'_> {
    fn visit_statement(&mut self, it: &Statement<'a>) {
        if self.is_typescript && Self::is_type(it) {
            self.blanks.blank_statement(it.span());
            return;
        }
        walk::walk_statement(self, it);
        // A type at the end took its line break's meaning with it.
        let end = it.span().end;
        if end > it.span().start && self.blanks.is_blank(end - 1) {
            self.blanks.put(end - 1, b';');
        }
    }

    fn visit_ts_type_annotation(&mut self, it: &TSTypeAnnotation<'a>) {
        let start = it.span.start as usize;
        let before = self.source[..start].trim_end();
        let colon = if self.source[start..].starts_with(':') {
            start
        } else if before.ends_with(':') {
            before.len() - 1
        } else {
            start
        };
        self.blanks
            .blank(u32::try_from(colon).unwrap_or(it.span.start), it.span.end);
    }

    fn visit_ts_type_parameter_instantiation(&mut self, it: &TSTypeParameterInstantiation<'a>) {
        self.blank(it.span);
    }

    fn visit_ts_type_parameter_declaration(&mut self, it: &TSTypeParameterDeclaration<'a>) {
        self.blank(it.span);
    }

    fn visit_ts_as_expression(&mut self, it: &TSAsExpression<'a>) {
        self.visit_expression(&it.expression);
        self.blanks.blank(it.expression.span().end, it.span.end);
    }

    fn visit_ts_satisfies_expression(&mut self, it: &TSSatisfiesExpression<'a>) {
        self.visit_expression(&it.expression);
        self.blanks.blank(it.expression.span().end, it.span.end);
    }

    fn visit_ts_type_assertion(&mut self, it: &TSTypeAssertion<'a>) {
        self.blanks.blank(it.span.start, it.expression.span().start);
        self.visit_expression(&it.expression);
    }

    fn visit_ts_non_null_expression(&mut self, it: &TSNonNullExpression<'a>) {
        self.visit_expression(&it.expression);
        self.blanks.blank(it.span.end - 1, it.span.end);
    }

    fn visit_ts_enum_declaration(&mut self, it: &TSEnumDeclaration<'a>) {
        self.refuse(
            it.span,
            "an enum: needs code, which stripping types can't make; use an object",
        );
    }

    fn visit_ts_namespace_declaration(&mut self, it: &TSNamespaceDeclaration<'a>) {
        self.refuse(
            it.span,
            "a namespace: needs code, which stripping types can't make; use a module",
        );
    }

    fn visit_ts_import_equals_declaration(&mut self, it: &TSImportEqualsDeclaration<'a>) {
        self.refuse(
            it.span,
            "import … = …: is not supported; write import … from",
        );
    }

    fn visit_ts_export_assignment(&mut self, it: &TSExportAssignment<'a>) {
        self.refuse(
            it.span,
            "export = …: is not supported; write export default",
        );
    }

    fn visit_import_declaration(&mut self, it: &ImportDeclaration<'a>) {
        self.import(&it.source);
        let (Some(specifiers), true) = (&it.specifiers, self.is_typescript) else {
            return;
        };
        let end = it.source.span.start;
        let mut used = 0;
        for specifier in specifiers {
            let is_type = match specifier {
                ImportDeclarationSpecifier::ImportSpecifier(it) => it.import_kind.is_type(),
                _ => false,
            };
            let local = specifier.local().name.as_str();
            if is_type || !self.uses.contains(local) {
                continue;
            }
            used += 1;
        }
        if used == 0 && !specifiers.is_empty() {
            // Names of types alone: the module itself has nothing that runs here.
            self.imports.retain(|(_, at)| *at != it.source.span.start);
            self.blanks.blank_statement(it.span);
            return;
        }
        for specifier in specifiers {
            if let ImportDeclarationSpecifier::ImportSpecifier(named) = specifier
                && (named.import_kind.is_type() || !self.uses.contains(named.local.name.as_str()))
            {
                self.blank_item(named.span, end);
            }
        }
    }

    fn visit_export_named_declaration(&mut self, it: &ExportNamedDeclaration<'a>) {
        for specifier in it.specifiers.iter().filter(|it| it.export_kind.is_type()) {
            self.blank_item(specifier.span, it.span.end);
        }
    }

    fn visit_export_from_declaration(&mut self, it: &ExportFromDeclaration<'a>) {
        self.import(&it.source);
        for specifier in it.specifiers.iter().filter(|it| it.export_kind.is_type()) {
            self.blank_item(specifier.span, it.source.span.start);
        }
    }

    fn visit_export_all_declaration(&mut self, it: &ExportAllDeclaration<'a>) {
        self.import(&it.source);
    }

    fn visit_import_expression(&mut self, it: &ImportExpression<'a>) {
        if let Expression::StringLiteral(source) = &it.source {
            self.import(source);
        }
        walk::walk_import_expression(self, it);
    }

    fn visit_variable_declarator(&mut self, it: &VariableDeclarator<'a>) {
        if it.definite {
            let end = it.span.end;
            self.blank_optional(it.id.span().end, it.type_annotation.as_deref(), end);
        }
        walk::walk_variable_declarator(self, it);
    }

    fn visit_formal_parameter(&mut self, it: &FormalParameter<'a>) {
        if it.accessibility.is_some() || it.readonly || it.r#override {
            self.refuse(
                it.span,
                "a parameter property: needs code, which stripping types can't make",
            );
        }
        if let Some(decorator) = it.decorators.first() {
            self.refuse(decorator.span, "a decorator: is not supported");
        }
        if it.optional {
            let end = it.span.end;
            let annotation = it.type_annotation.as_deref();
            // Without a type the mark is behind the parameter.
            let end = if annotation.is_some() { end } else { end + 1 };
            self.blank_optional(it.pattern.span().end, annotation, end);
        }
        walk::walk_formal_parameter(self, it);
    }

    fn visit_function(&mut self, it: &Function<'a>, flags: ScopeFlags) {
        if let Some(this) = &it.this_param {
            self.blank_item(this.span, it.params.span.end);
        }
        walk::walk_function(self, it, flags);
    }

    fn visit_ts_this_parameter(&mut self, _: &TSThisParameter<'a>) {}

    fn visit_arrow_function_expression(&mut self, it: &ArrowFunctionExpression<'a>) {
        walk::walk_arrow_function_expression(self, it);
        // No line may break before the arrow, so the bracket moves behind a type of several lines.
        if let Some(returned) = &it.return_type
            && self.source[it.params.span.end as usize - 1..returned.span.end as usize]
                .contains('\n')
            && self.source.as_bytes()[it.params.span.end as usize - 1] == b')'
        {
            self.blanks.put(it.params.span.end - 1, b' ');
            self.blanks.put(returned.span.end - 1, b')');
        }
    }

    fn visit_class(&mut self, it: &Class<'a>) {
        if let Some(decorator) = it.decorators.first() {
            self.refuse(decorator.span, "a decorator: is not supported");
        }
        if it.r#abstract {
            let end = it
                .id
                .as_ref()
                .map_or(it.body.span.start, |id| id.span.start);
            self.blank_modifiers(it.span.start, end);
        }
        if let (Some(first), Some(last)) = (it.implements.first(), it.implements.last()) {
            let before = &self.source[..first.span.start as usize];
            if let Some(at) = before.rfind("implements") {
                self.blanks
                    .blank(u32::try_from(at).unwrap_or(first.span.start), last.span.end);
            }
        }
        walk::walk_class(self, it);
    }

    fn visit_ts_class_implements(&mut self, _: &TSClassImplements<'a>) {}

    fn visit_ts_index_signature(&mut self, it: &TSIndexSignature<'a>) {
        self.blanks.blank_statement(it.span);
    }

    fn visit_method_definition(&mut self, it: &MethodDefinition<'a>) {
        if it.value.body.is_none() {
            self.blanks.blank_statement(it.span);
            return;
        }
        let start = self.member_start(it.span, &it.decorators);
        self.blank_modifiers(start, it.key.span().start);
        if it.optional {
            self.blank_mark(it.key.span().end, it.value.params.span.start, b"?");
        }
        walk::walk_method_definition(self, it);
    }

    fn visit_property_definition(&mut self, it: &PropertyDefinition<'a>) {
        let is_abstract = it.r#type == PropertyDefinitionType::TSAbstractPropertyDefinition;
        if it.declare || is_abstract {
            self.blanks.blank_statement(it.span);
            return;
        }
        let start = self.member_start(it.span, &it.decorators);
        self.blank_modifiers(start, it.key.span().start);
        if it.optional || it.definite {
            let end = it.span.end;
            self.blank_optional(it.key.span().end, it.type_annotation.as_deref(), end);
        }
        walk::walk_property_definition(self, it);
        if self.blanks.is_blank(it.span.end - 1) {
            self.blanks.put(it.span.end - 1, b';');
        }
    }

    fn visit_accessor_property(&mut self, it: &AccessorProperty<'a>) {
        self.refuse(it.span, "an accessor property: is not supported");
    }
}
