//! Finds imports of a package in a source by its tokens, without the rewriter's parser. Works only
//! for sources of the grammar, whose strings and comments contain nothing that looks like an
//! import.

use coo_engines::python::{Move, Place};

/// Lines with an import of the package under its old name. `named` imports bind a name of their own
/// (`import old.a as x`, `from old import x`) and can always be rewritten; `plain` ones bind the
/// package's first component; `from_parent` ones import the package from its parent.
#[derive(Debug, Default)]
pub struct Remaining {
    pub named: Vec<usize>,
    pub plain: Vec<usize>,
    pub from_parent: Vec<usize>,
}

impl Remaining {
    pub fn of(source: &str, moved: &Move, place: Option<&Place>) -> Self {
        let mut found = Self::default();
        let tokens = tokens(source);
        let mut begins = true;
        for (number, (line, token)) in tokens.iter().enumerate() {
            let rest = &tokens[number + 1..];
            if begins && *token == "import" {
                found.import(*line, rest, moved);
            } else if begins && *token == "from" {
                found.import_from(*line, rest, moved, place);
            }
            begins = matches!(*token, "\n" | ";" | ":");
        }
        found
    }

    fn import(&mut self, line: usize, tokens: &[(usize, &str)], moved: &Move) {
        let statement = tokens
            .iter()
            .take_while(|(_, token)| !matches!(*token, "\n" | ";"));
        let statement: Vec<&str> = statement.map(|(_, token)| *token).collect();
        for item in statement.split(|token| *token == ",") {
            let module = item
                .split(|token| *token == "as")
                .next()
                .unwrap_or_default();
            if begins_with(module, moved.from.components()) {
                if item.contains(&"as") {
                    self.named.push(line);
                } else {
                    self.plain.push(line);
                }
            }
        }
    }

    fn import_from(
        &mut self,
        line: usize,
        tokens: &[(usize, &str)],
        moved: &Move,
        place: Option<&Place>,
    ) {
        let mut statement = tokens.iter().map(|(_, token)| *token);
        let written: Vec<&str> = statement
            .by_ref()
            .take_while(|token| *token != "import")
            .collect();
        let dots = written.iter().take_while(|token| **token == ".").count();
        let mut module: Vec<String> = Vec::new();
        if dots > 0 {
            let Some(place) = place else { return };
            module = place.package(&place.after);
            if dots > module.len() {
                return;
            }
            module.truncate(module.len() + 1 - dots);
        }
        let names = written.iter().filter(|token| **token != ".");
        module.extend(names.map(|name| (*name).to_owned()));
        let from = moved.from.components();
        if module.starts_with(from) {
            self.named.push(line);
        }
        let Some((package, parent)) = from.split_last() else {
            return;
        };
        if parent.is_empty() || module != parent {
            return;
        }
        let mut depth = 0;
        let mut is_name = true;
        for token in statement {
            match token {
                "(" => depth += 1,
                ")" => break,
                "\n" if depth == 0 => break,
                "\n" => {}
                ";" => break,
                "," => is_name = true,
                _ => {
                    if is_name && token == package {
                        self.from_parent.push(line);
                    }
                    is_name = false;
                }
            }
        }
    }
}

fn begins_with(dotted: &[&str], components: &[String]) -> bool {
    let names: Vec<&str> = dotted
        .iter()
        .copied()
        .filter(|token| *token != ".")
        .collect();
    names.len() >= components.len() && components.iter().zip(names).all(|(a, b)| a == b)
}

/// Returns words, line ends and every other character, each with its line. Leaves out comments and
/// line continuations.
fn tokens(source: &str) -> Vec<(usize, &str)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut tokens = Vec::new();
    let mut rest = source;
    let mut line = 1;
    while let Some(first) = rest.chars().next() {
        let mut length = first.len_utf8();
        if is_word(first) {
            length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            tokens.push((line, &rest[..length]));
        } else if first == '#' {
            length = rest.find('\n').unwrap_or(rest.len());
        } else if first == '\\' && rest[1..].trim_start_matches('\r').starts_with('\n') {
            length = 1 + rest[1..].find('\n').unwrap_or_default() + 1;
            line += 1;
        } else if !matches!(first, ' ' | '\r' | '\t' | '\u{feff}') {
            tokens.push((line, &rest[..length]));
            line += usize::from(first == '\n');
        }
        rest = &rest[length..];
    }
    tokens
}
