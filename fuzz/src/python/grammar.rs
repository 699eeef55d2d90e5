//! Makes Python programs from a recipe, statement by statement: imports of a package in every form,
//! uses of it, and other bindings of its name. Strings and comments contain no word that begins an
//! import.

use arbitrary::{Result, Unstructured};
use coo_engines::python::Move;

use crate::pick;

/// Most statements in a block.
const STATEMENTS_MAX: usize = 4;
/// Deepest nesting of blocks.
const DEPTH_MAX: usize = 4;
/// Deepest nesting of expressions.
const NESTED_MAX: usize = 3;

const SIMPLE: [&str; 8] = ["a", "b", "x", "os", "old", "new", "top", "f"];

/// Makes a program that is valid Python, except that it may break rules about scopes.
pub fn program(recipe: &mut Unstructured<'_>, moved: &Move) -> Result<String> {
    let end = pick(recipe, &["\n", "\n", "\n", "\r\n"])?;
    let mut writer = Writer {
        from: moved.from.components().to_vec(),
        to: moved.to.components().to_vec(),
        recipe,
        text: String::new(),
        end,
        depth: 0,
        is_function: false,
    };
    if writer.odds(1, 16)? {
        writer.text.push('\u{feff}');
    }
    for _ in 0..writer.recipe.int_in_range(1..=2 * STATEMENTS_MAX)? {
        writer.statement()?;
    }
    Ok(writer.text)
}

struct Writer<'r, 'a> {
    recipe: &'r mut Unstructured<'a>,
    from: Vec<String>,
    to: Vec<String>,
    text: String,
    end: &'static str,
    depth: usize,
    is_function: bool,
}

impl Writer<'_, '_> {
    fn odds(&mut self, of: u8, out_of: u8) -> Result<bool> {
        self.recipe.ratio(of, out_of)
    }

    fn pick<'t>(&mut self, from: &[&'t str]) -> Result<&'t str> {
        pick(self.recipe, from)
    }

    /// Makes a name, usually one that matters.
    fn name(&mut self) -> Result<String> {
        Ok(match self.recipe.int_in_range(0..=3_u8)? {
            0 => self.from[0].clone(),
            1 => self.to[0].clone(),
            2 => self.from[self.from.len() - 1].clone(),
            _ => self.pick(&SIMPLE)?.to_owned(),
        })
    }

    /// Makes the dotted name of a module.
    fn module(&mut self) -> Result<String> {
        let (from, to) = (self.from.join("."), self.to.join("."));
        Ok(match self.recipe.int_in_range(0..=9_u8)? {
            0 | 1 => from,
            2 | 3 => format!("{from}.a"),
            4 => format!("{from}.a.b"),
            5 => to,
            6 => format!("{to}.a"),
            7 => self.from[0].clone(),
            8 => {
                let name = self.pick(&SIMPLE)?;
                format!("{}.{name}", self.from[0])
            }
            _ => self
                .pick(&["os", "os.path", "older", "new_old", "a.old", "x"])?
                .to_owned(),
        })
    }

    /// Adds white space to a dotted name where Python permits it.
    fn spaced(&mut self, dotted: &str) -> Result<String> {
        if !self.odds(1, 16)? {
            return Ok(dotted.to_owned());
        }
        let between = match self.recipe.int_in_range(0..=2_u8)? {
            0 => " .".to_owned(),
            1 => ". ".to_owned(),
            _ => format!(" \\{} .", self.end),
        };
        Ok(dotted.replace('.', &between))
    }

    fn line(&mut self, text: &str) -> Result<()> {
        for _ in 0..self.depth {
            self.text.push_str("    ");
        }
        self.text.push_str(text);
        if self.odds(1, 12)? {
            self.text.push_str("  # old.a, é");
        }
        self.text.push_str(self.end);
        Ok(())
    }

    fn statement(&mut self) -> Result<()> {
        if self.recipe.is_empty() {
            return self.line("pass");
        }
        if self.depth < DEPTH_MAX && self.odds(2, 5)? {
            return self.compound();
        }
        let mut text = self.simple()?;
        if self.odds(1, 8)? {
            text.push_str("; ");
            text.push_str(&self.simple()?);
        }
        self.line(&text)
    }

    fn block(&mut self) -> Result<()> {
        self.depth += 1;
        for _ in 0..self.recipe.int_in_range(1..=STATEMENTS_MAX)? {
            self.statement()?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn function_block(&mut self) -> Result<()> {
        let around = std::mem::replace(&mut self.is_function, true);
        self.block()?;
        self.is_function = around;
        Ok(())
    }

    fn simple(&mut self) -> Result<String> {
        Ok(match self.recipe.int_in_range(0..=25_u8)? {
            0..=4 => self.import()?,
            5..=8 => self.import_from()?,
            9..=13 => self.expression(0)?,
            14 | 15 => format!("{} = {}", self.target(0)?, self.expression(0)?),
            16 => format!("{} += {}", self.place()?, self.expression(0)?),
            17 => format!(
                "{}: {} = {}",
                self.place()?,
                self.expression(1)?,
                self.expression(0)?
            ),
            18 => format!("{}: {}", self.name()?, self.expression(1)?),
            19 => format!("del {}", self.place()?),
            20 => {
                let word = if self.depth > 0 && self.odds(1, 3)? {
                    "nonlocal"
                } else {
                    "global"
                };
                format!("{word} {}", self.name()?)
            }
            21 if self.is_function => format!("return {}", self.expression(0)?),
            21 => format!("assert {}, {}", self.expression(1)?, self.expression(1)?),
            22 => format!("raise {} from {}", self.expression(1)?, self.expression(1)?),
            23 => format!("type {} = {}", self.name()?, self.expression(1)?),
            24 => format!("'''{}'''", self.module()?),
            _ => "pass".to_owned(),
        })
    }

    fn import(&mut self) -> Result<String> {
        let mut items = Vec::new();
        for _ in 0..self.recipe.int_in_range(1..=2)? {
            let module = self.module()?;
            let module = self.spaced(&module)?;
            items.push(if self.odds(1, 4)? {
                format!("{module} as {}", self.name()?)
            } else {
                module
            });
        }
        Ok(format!("import {}", items.join(", ")))
    }

    fn import_from(&mut self) -> Result<String> {
        let module = if self.odds(2, 5)? {
            let dots = ".".repeat(self.recipe.int_in_range(1..=3)?);
            let rest = match self.recipe.int_in_range(0..=4_u8)? {
                0 | 1 => String::new(),
                2 => self.from[1..].join("."),
                3 => format!("{}.a", self.from[self.from.len() - 1]),
                _ => self.name()?,
            };
            format!("{dots}{rest}")
        } else if self.from.len() > 1 && self.odds(1, 3)? {
            self.from[..self.from.len() - 1].join(".")
        } else {
            let module = self.module()?;
            self.spaced(&module)?
        };
        if self.odds(1, 10)? && self.depth == 0 {
            return Ok(format!("from {module} import *"));
        }
        let mut items = Vec::new();
        for _ in 0..self.recipe.int_in_range(1..=2)? {
            let name = self.name()?;
            items.push(if self.odds(1, 4)? {
                format!("{name} as {}", self.name()?)
            } else {
                name
            });
        }
        let end = self.end;
        Ok(match self.recipe.int_in_range(0..=7_u8)? {
            0 => format!("from {module} import ({})", items.join(", ")),
            1 => format!(
                "from {module} import (  # old{end}        {},{end}    )",
                items.join(&format!(",{end}        "))
            ),
            2 => format!("from {module} \\{end}        import {}", items.join(", ")),
            3 if module.starts_with('.') => format!("from{module} import {}", items.join(", ")),
            _ => format!("from {module} import {}", items.join(", ")),
        })
    }

    /// Makes a target that may stand on the left of `+=` or after `del`.
    fn place(&mut self) -> Result<String> {
        Ok(match self.recipe.int_in_range(0..=4_u8)? {
            0 | 1 => self.name()?,
            2 | 3 => format!("{}.y", self.module()?),
            _ => format!("{}[{}]", self.module()?, self.expression(2)?),
        })
    }

    fn target(&mut self, nested: usize) -> Result<String> {
        Ok(match self.recipe.int_in_range(0..=7_u8)? {
            0 if nested < 2 => format!("({}, {})", self.target(nested + 1)?, self.name()?),
            1 if nested < 2 => format!("[{}, *{}]", self.target(nested + 1)?, self.name()?),
            2 if nested == 0 => format!("{}, {}", self.target(1)?, self.target(1)?),
            _ => self.place()?,
        })
    }

    fn expression(&mut self, nested: usize) -> Result<String> {
        if nested >= NESTED_MAX || self.recipe.is_empty() {
            return self.used();
        }
        let inner = nested + 1;
        Ok(match self.recipe.int_in_range(0..=23_u8)? {
            0..=6 => self.used()?,
            7 => format!("{}({})", self.used()?, self.expression(inner)?),
            8 => format!(
                "{}({}={})",
                self.used()?,
                self.name()?,
                self.expression(inner)?
            ),
            9 => format!("({}).{}", self.expression(inner)?, self.name()?),
            10 => format!("{}[{}]", self.used()?, self.expression(inner)?),
            11 => format!(
                "(lambda {}: {})",
                self.parameters(false)?,
                self.expression(inner)?
            ),
            12 => format!("[{}]", self.comprehension(inner)?),
            13 => format!("({})", self.comprehension(inner)?),
            14 => format!(
                "{{{}: {}}}",
                self.expression(inner)?,
                self.comprehension(inner)?
            ),
            15 => format!("{{{}}}", self.comprehension(inner)?),
            16 => format!(
                "f\"old.a {{{}!r:>{{{}}}}} {{{}}}\"",
                self.used()?,
                self.used()?,
                self.used()?
            ),
            17 => format!("({} := {})", self.name()?, self.expression(inner)?),
            18 => format!(
                "({} if {} else {})",
                self.expression(inner)?,
                self.expression(inner)?,
                self.used()?
            ),
            19 => format!(
                "({}, *{})",
                self.expression(inner)?,
                self.expression(inner)?
            ),
            20 => self.string()?,
            21 => {
                let function = self.pick(&[
                    "import_module",
                    "importlib.import_module",
                    "mock.patch",
                    "f",
                ])?;
                format!("{function}({})", self.string()?)
            }
            22 => format!("(not {} in {})", self.used()?, self.expression(inner)?),
            _ => self
                .pick(&["0", "None", "...", "'old'", "b'old'"])?
                .to_owned(),
        })
    }

    /// Makes a name or an attribute, usually of the package.
    fn used(&mut self) -> Result<String> {
        let mut used = self.module()?;
        if self.odds(1, 2)? {
            used.push('.');
            used.push_str(self.pick(&["f", "a", "old", "new"])?);
        }
        Ok(used)
    }

    fn string(&mut self) -> Result<String> {
        let module = self.module()?;
        Ok(match self.recipe.int_in_range(0..=6_u8)? {
            0 => format!("'{module}'"),
            1 => format!("\"{module}.f\""),
            2 => format!("r'{module}:f'"),
            3 => format!("'{module}.' + {}", self.name()?),
            4 => format!("f'{module}.{{{}}}'", self.name()?),
            5 => format!("'{module}.' '{}'", self.name()?),
            _ => format!("'{module} \\x41'"),
        })
    }

    fn comprehension(&mut self, nested: usize) -> Result<String> {
        let element = self.expression(nested)?;
        let mut text = format!(
            "{element} for {} in {}",
            self.target(1)?,
            self.expression(nested)?
        );
        if self.odds(1, 3)? {
            text = format!("{text} if {}", self.expression(nested)?);
        }
        if self.odds(1, 4)? {
            text = format!(
                "{text} for {} in {}",
                self.name()?,
                self.expression(nested)?
            );
        }
        Ok(text)
    }

    fn parameters(&mut self, is_typed: bool) -> Result<String> {
        let mut seen = Vec::new();
        let mut text = Vec::new();
        let mut was_default = false;
        for _ in 0..self.recipe.int_in_range(0..=2)? {
            let name = self.name()?;
            if seen.contains(&name) {
                continue;
            }
            let annotation = if is_typed && self.odds(1, 3)? {
                format!(": {}", self.expression(2)?)
            } else {
                String::new()
            };
            was_default |= self.odds(1, 3)?;
            text.push(if was_default {
                format!("{name}{annotation} = {}", self.expression(2)?)
            } else {
                format!("{name}{annotation}")
            });
            seen.push(name);
        }
        if self.odds(1, 4)? {
            let name = self.name()?;
            if !seen.contains(&name) {
                text.push(format!("{}{name}", self.pick(&["*", "**"])?));
            }
        }
        Ok(text.join(", "))
    }

    fn compound(&mut self) -> Result<()> {
        match self.recipe.int_in_range(0..=12_u8)? {
            0 | 1 => {
                let test = self.expression(1)?;
                self.line(&format!("if {test}:"))?;
                self.block()?;
                if self.odds(1, 2)? {
                    self.line("else:")?;
                    self.block()?;
                }
                Ok(())
            }
            2 | 3 => self.attempt(),
            4 => {
                let head = format!("for {} in {}:", self.target(0)?, self.expression(1)?);
                self.line(&head)?;
                self.block()
            }
            5 => {
                let head = if self.odds(1, 2)? {
                    format!("with {} as {}:", self.expression(1)?, self.target(1)?)
                } else {
                    format!(
                        "with ({} as {}, {}):",
                        self.used()?,
                        self.name()?,
                        self.used()?
                    )
                };
                self.line(&head)?;
                self.block()
            }
            6 => {
                let head = format!("while {}:", self.expression(1)?);
                self.line(&head)?;
                self.block()
            }
            7..=9 => self.function(),
            10 | 11 => {
                self.decorators()?;
                let name = self.name()?;
                let bases = match self.recipe.int_in_range(0..=2_u8)? {
                    0 => String::new(),
                    1 => format!("({})", self.used()?),
                    _ => format!("({}, metaclass={})", self.used()?, self.used()?),
                };
                self.line(&format!("class {name}{bases}:"))?;
                let around = std::mem::replace(&mut self.is_function, false);
                self.block()?;
                self.is_function = around;
                Ok(())
            }
            _ => self.matching(),
        }
    }

    fn attempt(&mut self) -> Result<()> {
        self.line("try:")?;
        self.block()?;
        if self.odds(3, 4)? {
            let name = self.name()?;
            let head = match self.recipe.int_in_range(0..=3_u8)? {
                0 => "except ImportError:".to_owned(),
                1 => format!("except {} as {name}:", self.used()?),
                2 => format!("except ({}, {name}):", self.used()?),
                _ => format!("except* {} as {name}:", self.used()?),
            };
            self.line(&head)?;
        } else {
            self.line("finally:")?;
        }
        let around = std::mem::replace(&mut self.is_function, false);
        self.block()?;
        self.is_function = around;
        Ok(())
    }

    fn decorators(&mut self) -> Result<()> {
        if self.odds(1, 4)? {
            let decorator = self.expression(2)?;
            self.line(&format!("@{decorator}"))?;
        }
        Ok(())
    }

    fn function(&mut self) -> Result<()> {
        self.decorators()?;
        let is_async = if self.odds(1, 8)? { "async " } else { "" };
        let name = self.name()?;
        let types = if self.odds(1, 10)? {
            format!("[{}]", self.name()?)
        } else {
            String::new()
        };
        let parameters = self.parameters(true)?;
        let returns = if self.odds(1, 3)? {
            format!(" -> {}", self.expression(2)?)
        } else {
            String::new()
        };
        self.line(&format!(
            "{is_async}def {name}{types}({parameters}){returns}:"
        ))?;
        self.function_block()
    }

    fn matching(&mut self) -> Result<()> {
        let subject = self.expression(1)?;
        self.line(&format!("match {subject}:"))?;
        self.depth += 1;
        for _ in 0..self.recipe.int_in_range(1..=2)? {
            let pattern = self.pattern(0)?;
            let guard = if self.odds(1, 4)? {
                format!(" if {}", self.expression(2)?)
            } else {
                String::new()
            };
            self.line(&format!("case {pattern}{guard}:"))?;
            self.block()?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn pattern(&mut self, nested: usize) -> Result<String> {
        let inner = nested + 1;
        Ok(match self.recipe.int_in_range(0..=10_u8)? {
            0 | 1 => self.name()?,
            2 | 3 => format!("{}.X", self.module()?),
            4 if nested < 2 => format!("[{}, *{}]", self.pattern(inner)?, self.name()?),
            5 if nested < 2 => format!(
                "{}({}={})",
                self.used()?,
                self.name()?,
                self.pattern(inner)?
            ),
            6 if nested < 2 => format!("{{'old': {}, **{}}}", self.pattern(inner)?, self.name()?),
            7 if nested < 2 => format!("({}.X | {}.Y)", self.module()?, self.module()?),
            8 if nested < 2 => format!("{}() as {}", self.used()?, self.name()?),
            9 if nested < 2 => format!("({}, {})", self.pattern(inner)?, self.pattern(inner)?),
            _ => self.pick(&["_", "1", "'old'"])?.to_owned(),
        })
    }
}
