//! Counts what one function's blocks, branches, calls and loops cost a compiler beyond their bytes.
//! One pass with a small stack of open blocks. Never judges validity.

use coo_kernel::module::structure::{Counted, Part};
use wasmparser::{BlockType, FunctionBody, Operator};

use super::{Ended, Step, Unit};

/// A function that is being counted.
pub struct Function<'a> {
    unit: &'a Unit,
    counted: &'a mut Counted,
    locals: u64,
    open: Vec<Label>,
    block_work: u64,
    values: u64,
    loop_locals: u64,
    branch_targets: u64,
}

/// An open block.
#[derive(Default)]
struct Label {
    is_loop: bool,
    /// Number of values that a branch to the block carries.
    arity: u64,
    /// Uses of locals inside; a closed inner loop counts at most one use of each local.
    uses: u64,
}

impl<'a> Function<'a> {
    /// Counts `body`, which is function `index` of `unit`.
    pub fn count(
        unit: &'a Unit,
        index: usize,
        body: &FunctionBody<'_>,
        counted: &'a mut Counted,
    ) -> Step {
        let range = body.range();
        counted.reach(Part::FunctionBytes, (range.end - range.start) as u64)?;
        let ty = unit.functions.get(index).copied();
        let (params, results) = ty.map_or((0, 0), |ty| unit.signature(ty));
        let mut locals = params;
        for group in body.get_locals_reader()? {
            locals += u64::from(group?.0);
            counted.reach(Part::Locals, locals)?;
        }
        let mut function = Self {
            unit,
            counted,
            locals,
            open: vec![Label {
                arity: results,
                ..Label::default()
            }],
            block_work: 0,
            values: 0,
            loop_locals: 0,
            branch_targets: 0,
        };
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            function.operator(&operators.read()?)?;
        }
        Ok(())
    }

    fn operator(&mut self, operator: &Operator<'_>) -> Step {
        match operator {
            Operator::LocalGet { .. } | Operator::LocalSet { .. } | Operator::LocalTee { .. } => {
                if let Some(label) = self.open.last_mut() {
                    label.uses += 1;
                }
                Ok(())
            }
            Operator::Block { blockty } | Operator::If { blockty } => self.block(*blockty, false),
            Operator::Loop { blockty } => self.block(*blockty, true),
            Operator::End => self.end(),
            Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => {
                self.moves(self.arity(*relative_depth))
            }
            Operator::BrTable { targets } => {
                self.branch_targets += u64::from(targets.len()) + 1;
                self.counted
                    .reach(Part::BranchTargets, self.branch_targets)?;
                self.moves(self.arity(targets.default()))?;
                for target in targets.targets() {
                    self.moves(self.arity(target?))?;
                }
                Ok(())
            }
            Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                let ty = self.unit.functions.get(*function_index as usize).copied();
                self.call(ty)
            }
            Operator::CallIndirect { type_index, .. }
            | Operator::ReturnCallIndirect { type_index, .. } => self.call(Some(*type_index)),
            Operator::Return => self.moves(self.open.first().map_or(0, |label| label.arity)),
            _ => Ok(()),
        }
    }

    fn block(&mut self, ty: BlockType, is_loop: bool) -> Step {
        let (params, results) = match ty {
            BlockType::Empty => (0, 0),
            BlockType::Type(_) => (0, 1),
            BlockType::FuncType(index) => self.unit.signature(index),
        };
        self.open.push(Label {
            is_loop,
            arity: if is_loop { params } else { results },
            uses: 0,
        });
        // The function's own block is not a nested one.
        let depth = self.open.len() as u64 - 1;
        self.counted.reach(Part::BlockDepth, depth)?;
        self.block_work += depth;
        self.counted.reach(Part::BlockWork, self.block_work)?;
        self.moves(params)?;
        self.moves(results)
    }

    fn end(&mut self) -> Step {
        let Some(label) = self.open.pop() else {
            return Err(Ended::Unreadable);
        };
        let mut uses = label.uses;
        if label.is_loop {
            // The compiler makes one loop parameter for each local, however often it is used.
            uses = uses.min(self.locals);
            self.loop_locals += uses;
            self.counted.reach(Part::LoopLocals, self.loop_locals)?;
        }
        if let Some(outer) = self.open.last_mut() {
            outer.uses += uses;
        }
        Ok(())
    }

    /// Returns the number of values that a branch to the block `depth` levels out carries.
    fn arity(&self, depth: u32) -> u64 {
        let label = self.open.iter().rev().nth(depth as usize);
        label.map_or(0, |label| label.arity)
    }

    fn call(&mut self, ty: Option<u32>) -> Step {
        let (_, results) = ty.map_or((0, 0), |ty| self.unit.signature(ty));
        self.moves(results)
    }

    /// Counts moved values. The bytes of an instruction already pay for one value.
    fn moves(&mut self, values: u64) -> Step {
        if values > 1 {
            self.values += values;
            self.counted.reach(Part::BlockValues, self.values)?;
        }
        Ok(())
    }
}
