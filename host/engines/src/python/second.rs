//! A second opinion on a source, from an independent parser (ruff's): whether the source is Python,
//! and where its imports and names stand. `parse` compares it with the first parser's tree, so that
//! no parser is trusted alone. Does not decide which modules move.

use std::ops::Range;

use ruff_python_ast::token::{Token, TokenKind};
use ruff_python_ast::visitor::source_order::{SourceOrderVisitor, TraversalSignal, walk_module};
use ruff_python_ast::{AnyNodeRef, Mod};
use ruff_python_parser::{Mode, ParseOptions, lexer, parse_unchecked};
use ruff_text_size::Ranged;

use super::legal;

/// Most tokens that may follow each other without a token that ends the expression or statement,
/// tokens around open brackets included. It bounds the depth of any tree. Python's own limit is
/// far lower.
const CHAIN_TOKENS_MAX: usize = 10_000;
/// Stack for a tree of that depth, in bytes; a level takes at most 6 KiB.
const STACK_BYTES: usize = 64 << 20;

/// What the second parser found in a source.
#[derive(Debug, Default)]
pub struct Opinion {
    /// Bytes at which `import` and `from` statements begin, in order; without those of
    /// `__future__`.
    pub imports: Vec<usize>,
    /// Ranges of names that are used, or bound by an expression.
    names: Vec<Range<usize>>,
    /// The result of `joined`; none where no line had to be joined.
    pub joined: Option<String>,
}

/// Why the second parser gives no opinion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoOpinion {
    /// The text is not Python; holds the byte of the first fault.
    Fault(usize),
    /// The text uses syntax of a newer Python than is known, or of a very old one that looks like
    /// it; holds the byte.
    Newer(usize),
    /// The text is nested too deeply.
    TooDeep,
}

impl Opinion {
    /// Parses `text`, which must have the length of the source.
    pub fn of(text: &str) -> Result<Self, NoOpinion> {
        if is_deep(text) {
            return Err(NoOpinion::TooDeep);
        }
        // The parser builds, walks and drops its tree by recursion.
        stacker::grow(STACK_BYTES, || read(text))
    }

    /// Returns the bytes at which one of these names stands.
    pub fn names<'o>(&'o self, text: &'o str, names: &'o [&str]) -> impl Iterator<Item = usize> {
        let found = self.names.iter().filter(|range| {
            text.get((*range).clone())
                .is_some_and(|text| names.contains(&text))
        });
        found.map(|range| range.start)
    }
}

fn read(text: &str) -> Result<Opinion, NoOpinion> {
    let options = ParseOptions::from(Mode::Module).with_target_version(legal::VERSION);
    let parsed = parse_unchecked(text, options);
    if let Some(error) = parsed.errors().first() {
        return Err(NoOpinion::Fault(error.location.start().to_usize()));
    }
    if let Some(error) = parsed.unsupported_syntax_errors().first() {
        return Err(NoOpinion::Newer(error.range.start().to_usize()));
    }
    if let Mod::Module(module) = parsed.syntax()
        && let Some(at) = legal::first_fault(text, &module.body)
    {
        return Err(NoOpinion::Fault(at));
    }
    let mut opinion = Opinion {
        joined: joined(text, parsed.tokens()),
        ..Opinion::default()
    };
    walk_module(&mut opinion, parsed.syntax());
    opinion.imports.sort_unstable();
    Ok(opinion)
}

impl<'a> SourceOrderVisitor<'a> for Opinion {
    fn enter_node(&mut self, node: AnyNodeRef<'a>) -> TraversalSignal {
        let range = node.range().start().to_usize()..node.range().end().to_usize();
        match node {
            AnyNodeRef::StmtImport(_) => self.imports.push(range.start),
            AnyNodeRef::StmtImportFrom(from) => {
                let module = from
                    .module
                    .as_ref()
                    .map(ruff_python_ast::Identifier::as_str);
                if module != Some("__future__") || from.level > 0 {
                    self.imports.push(range.start);
                }
            }
            AnyNodeRef::ExprName(_) => self.names.push(range),
            _ => {}
        }
        TraversalSignal::Traverse
    }
}

/// Returns whether a tree of `text` could be deeper than the limit. Each level of a tree has a
/// token of its own, and a comma or the end of a line ends what the tokens before it formed.
fn is_deep(text: &str) -> bool {
    let mut tokens = lexer::lex(text, Mode::Module);
    // For each open bracket, its tokens and its lambdas; and all tokens together. A comma in the
    // parameters of a `lambda` ends nothing, so lambdas are counted apart.
    let (mut open, mut all, mut blocks) = (vec![(0_usize, 0_usize)], 0_usize, 0_usize);
    let mut last = TokenKind::Newline;
    loop {
        let kind = tokens.next_token();
        match kind {
            TokenKind::EndOfFile => return false,
            TokenKind::Indent => blocks += 1,
            TokenKind::Dedent => blocks = blocks.saturating_sub(1),
            TokenKind::Comma => {
                if let Some((level, _)) = open.last_mut() {
                    all -= std::mem::take(level);
                }
            }
            TokenKind::Newline | TokenKind::Semi => {
                if let Some((level, lambdas)) = open.last_mut() {
                    all -= std::mem::take(level) + std::mem::take(lambdas);
                }
            }
            TokenKind::Lambda => {
                if let Some((_, lambdas)) = open.last_mut() {
                    *lambdas += 1;
                    all += 1;
                }
            }
            TokenKind::NonLogicalNewline | TokenKind::Comment => continue,
            // Adjacent strings form one node.
            TokenKind::String if last == kind => continue,
            TokenKind::Lpar | TokenKind::Lsqb | TokenKind::Lbrace => {
                open.push((1, 0));
                all += 1;
            }
            TokenKind::Rpar | TokenKind::Rsqb | TokenKind::Rbrace => {
                let (level, lambdas) = open.pop().unwrap_or_default();
                all -= level + lambdas;
                if open.is_empty() {
                    open.push((0, 0));
                }
                if let Some((level, _)) = open.last_mut() {
                    *level += 1;
                    all += 1;
                }
            }
            _ => {
                if let Some((level, _)) = open.last_mut() {
                    *level += 1;
                    all += 1;
                }
            }
        }
        if all + blocks > CHAIN_TOKENS_MAX {
            return true;
        }
        last = kind;
    }
}

/// Returns `text` with spaces in place of certain line ends in brackets: those before a line with
/// less indentation than the block around it. The first parser would take such a line for the end
/// of the block. None where there is no such line end.
fn joined(text: &str, tokens: &[Token]) -> Option<String> {
    let mut bytes = text.as_bytes().to_vec();
    let mut is_changed = false;
    let mut depth = 0_usize;
    let mut blocks: Vec<usize> = Vec::new();
    let mut comment: Option<Range<usize>> = None;
    for token in tokens {
        let range = token.range().start().to_usize()..token.range().end().to_usize();
        match token.kind() {
            TokenKind::Lpar | TokenKind::Lsqb | TokenKind::Lbrace => depth += 1,
            TokenKind::Rpar | TokenKind::Rsqb | TokenKind::Rbrace => {
                depth = depth.saturating_sub(1);
            }
            TokenKind::Indent => blocks.push(width(&text.as_bytes()[range.clone()])),
            TokenKind::Dedent => drop(blocks.pop()),
            TokenKind::NonLogicalNewline if depth > 0 => {
                let block = blocks.last().copied().unwrap_or_default();
                if width(&text.as_bytes()[range.end..]) < block {
                    let before = comment.take().map_or(range.start, |comment| comment.start);
                    bytes[before..range.end].fill(b' ');
                    is_changed = true;
                }
            }
            _ => {}
        }
        comment = (token.kind() == TokenKind::Comment).then_some(range);
    }
    // Only whole characters were replaced, so the text is still UTF-8.
    is_changed.then(|| String::from_utf8(bytes).ok()).flatten()
}

/// Returns the indentation of a line, as the first parser counts it.
fn width(line: &[u8]) -> usize {
    let mut width = 0;
    for byte in line {
        match byte {
            b' ' => width += 1,
            b'\t' => width += 8,
            b'\x0c' => width = 0,
            _ => break,
        }
    }
    width
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_python_is_told_with_its_place() {
        for (source, at) in [
            ("x = 1\nif x:\ny = 2\n", 12),
            ("x = 0777\n", 4),
            ("x <> y\n", 2),
            ("import x\nreturn 1\n", 9),
            ("def f(a, a): pass\n", 9),
            ("import x\nfrom __future__ import annotations\n", 9),
            ("for x in y: pass\nelse: break\n", 23),
            ("if x:\n        a\n\tb\n", 16),
        ] {
            let found = Opinion::of(source).unwrap_err();
            assert!(
                matches!(found, NoOpinion::Fault(found) if found.abs_diff(at) < 4),
                "{source}: {found:?}"
            );
        }
    }

    #[test]
    fn what_the_compiler_takes_is_taken() {
        for source in [
            "async def f():\n    return [await x async for x in y() if await z]\n",
            "async def f():\n    return [[x async for x in y] for z in w]\n",
            "def f():\n    x = yield\n    return lambda: (yield)\n",
            "for x in y:\n    try:\n        continue\n    finally:\n        break\nelse:\n    pass\n",
            "class C:\n    x = [y for y in z]\n    def f(self): return 1\n",
            "'''doc'''\nfrom __future__ import annotations\nimport x\n",
            "type X[T] = list[T]\ndef f[T](x: T) -> T: return x\n",
            "match x:\n    case {'a': y, **z}: pass\n    case C(a=1) | D(): pass\n    case _: pass\n",
            "*(a), b = x\n",
            "with (a as b, c): pass\n",
            "def f(x, /, y, *, z=1, **w): global q; q = 1\n",
            "lambda: (yield)\n",
            "def f():\n    return (x for x in y if await z)\n",
            "try: a\nexcept A: b\nexcept: c\n",
            "@(x := y)\ndef f(): pass\n",
            "\u{feff}import x\n",
            "x = 1\x0c\n\x0cy = 2\r\nz = 3\r",
        ] {
            assert!(
                Opinion::of(source).is_ok(),
                "{source}: {:?}",
                Opinion::of(source)
            );
        }
    }

    #[test]
    fn nothing_makes_it_recurse_without_a_bound() {
        let times = 200_000;
        for (before, after) in [
            ("(", ")"),
            ("-", ""),
            ("not ", ""),
            ("lambda: ", ""),
            ("lambda x, y: ", ""),
            ("x if y else ", ""),
            ("1 + ", ""),
            ("f'{", "}'"),
            ("x.", ""),
            ("x[", "]"),
            ("{1: ", "}"),
            ("await ", ""),
            ("x ** ", ""),
        ] {
            let source = before.repeat(times) + "x" + &after.repeat(times) + "\n";
            let found = Opinion::of(&source).unwrap_err();
            assert!(
                matches!(found, NoOpinion::TooDeep | NoOpinion::Fault(_)),
                "{before}"
            );
        }
        // Length without nesting is accepted.
        for part in ["1,\n", "'a'\n", "f(x), "] {
            let source = format!("x = [\n{}]\n", part.repeat(50_000));
            assert!(Opinion::of(&source).is_ok(), "{part}");
        }
        let deep = "1 + ".repeat(4_000) + "1\n";
        assert!(Opinion::of(&deep).is_ok());
    }

    #[test]
    fn lines_that_end_no_block_are_joined_to_the_one_before() {
        let joined = |source: &str| Opinion::of(source).unwrap().joined;
        assert_eq!(
            joined("def f():\n    from a import (\nb, # c\nd)\n    x = (1,\n        2)\n")
                .as_deref(),
            Some("def f():\n    from a import ( b,     d)\n    x = (1,\n        2)\n")
        );
        assert_eq!(
            joined("x = (\n1)\ndef f():\n    return [\n      1]\n"),
            None
        );
    }
}
