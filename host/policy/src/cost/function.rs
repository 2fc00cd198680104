//! What makes a function slow to compile.

use std::ops::AddAssign;

use wasmparser::{BlockType, ContType, FrameKind, FuncType, ModuleArity, Operator, RefType, SubType};

use super::Module;
use super::at_most;
use super::damaged;
use super::{MAX_BLOCK_DEPTH, PER_FUNCTION};
use hydra_base::error::Result;

/// The counts of a function, or of several.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct FunctionCost {
    /// Instructions, and the values that calls and branches move.
    pub operations: usize,
    /// Summed over all blocks, the locals written in the block: the compiler may have to merge each where the block begins
    /// or ends.
    pub merges: usize,
    /// Locals times blocks: the size of the table in which the compiler looks up a local's value.
    pub local_slots: usize,
    /// Calls through tables, each of which is compiled with its checks.
    pub indirect_calls: usize,
    /// Loops. The compiler compares each with all others of the function.
    pub loops: usize,
    /// Summed over all branches, the loops around the branch: fuel and the deadline are values that each of these loops merges.
    pub loop_branches: usize,
    /// Summed over all calls, the values that wait on the stack: each has to survive the call.
    pub live_values: usize,
}

/// A function that is being read.
pub(super) struct Function<'a> {
    pub cost: FunctionCost,
    module: &'a Module,
    locals: usize,
    /// Instructions so far.
    now: usize,
    /// For each local, the number of the instruction that last wrote it.
    written: Vec<usize>,
    open: Vec<Block>,
    open_loops: usize,
    /// Values on the stack; in code that is never reached, an estimate.
    height: usize,
}

/// An open block.
struct Block {
    /// The number of the instruction that opened it.
    opened: usize,
    /// How many values a branch to it moves.
    arity: usize,
    ty: BlockType,
    kind: FrameKind,
    /// Values on the stack below those of the block.
    height: usize,
}

impl<'a> Function<'a> {
    pub(super) fn new(module: &'a Module, locals: usize) -> Self {
        Self {
            cost: FunctionCost::default(),
            module,
            locals,
            now: 0,
            written: vec![0; locals],
            open: Vec::new(),
            open_loops: 0,
            height: 0,
        }
    }

    pub(super) fn operator(&mut self, operator: &Operator<'_>) -> Result<()> {
        self.now += 1;
        let module = self.module;
        let mut moved = 0;
        // None for an instruction that is not valid here: the validator refuses the component.
        let (popped, pushed) = operator.operator_arity(self).unwrap_or_default();
        self.height = self.height.saturating_sub(popped as usize);
        match operator {
            Operator::Block { blockty } | Operator::Loop { blockty } | Operator::If { blockty } => {
                moved = module.arity_of_block(blockty);
                let kind = match operator {
                    Operator::Loop { .. } => FrameKind::Loop,
                    Operator::If { .. } => FrameKind::If,
                    _ => FrameKind::Block,
                };
                self.open(moved, *blockty, kind)?;
            }
            Operator::End => self.close(),
            Operator::Else => {
                if let Some(block) = self.open.last() {
                    self.height = block.height;
                }
                self.block();
            }
            Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => {
                moved = self.arity_of_label(*relative_depth);
                self.branch();
            }
            Operator::BrTable { targets } => {
                for target in targets.targets() {
                    moved += 1 + self.arity_of_label(target.map_err(damaged)?);
                    self.branch();
                }
                moved += self.arity_of_label(targets.default());
            }
            Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                moved = module.arity_of_function(*function_index);
                self.cost.live_values += self.height;
            }
            Operator::CallIndirect { type_index, .. } | Operator::ReturnCallIndirect { type_index, .. } => {
                moved = module.arity_of_type(*type_index);
                self.cost.indirect_calls += 1;
                self.cost.live_values += self.height;
            }
            Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                self.write(*local_index);
            }
            _ => {}
        }
        self.height += pushed as usize;
        self.cost.operations += 1 + moved;
        self.cost.at_most(&PER_FUNCTION, "one function")
    }

    fn open(&mut self, arity: usize, ty: BlockType, kind: FrameKind) -> Result<()> {
        self.open.push(Block { opened: self.now, arity, ty, kind, height: self.height });
        at_most("nested blocks", self.open.len(), MAX_BLOCK_DEPTH)?;
        if kind == FrameKind::Loop {
            self.open_loops += 1;
            self.cost.loops += 1;
        }
        self.block();
        Ok(())
    }

    fn close(&mut self) {
        let Some(block) = self.open.pop() else { return };
        self.open_loops -= usize::from(block.kind == FrameKind::Loop);
        self.height = block.height;
    }

    fn branch(&mut self) {
        self.cost.loop_branches += self.open_loops;
        self.block();
    }

    fn block(&mut self) {
        self.cost.local_slots += self.locals;
    }

    /// Counts the local once for each open block that was opened since the local was last written.
    fn write(&mut self, local: u32) {
        let Some(last) = self.written.get_mut(local as usize) else { return };
        self.cost.merges += self.open.len() - self.open.partition_point(|block| block.opened <= *last);
        *last = self.now;
    }

    fn arity_of_label(&self, depth: u32) -> usize {
        self.label(depth).map_or(0, |block| block.arity)
    }

    fn label(&self, depth: u32) -> Option<&Block> {
        self.open.get(self.open.len().checked_sub(1 + depth as usize)?)
    }
}

/// How many values an instruction takes and leaves depends on the types of the module and on the open blocks.
impl ModuleArity for Function<'_> {
    fn sub_type_at(&self, index: u32) -> Option<&SubType> {
        self.module.types.get(index as usize)
    }

    fn type_index_of_function(&self, index: u32) -> Option<u32> {
        self.module.functions.get(index as usize).copied()
    }

    fn control_stack_height(&self) -> u32 {
        self.open.len() as u32
    }

    fn label_block(&self, depth: u32) -> Option<(BlockType, FrameKind)> {
        self.label(depth).map(|block| (block.ty, block.kind))
    }

    // Exceptions, continuations and typed references are not part of this build of wasmtime.
    fn tag_type_arity(&self, _: u32) -> Option<(u32, u32)> {
        None
    }

    fn func_type_of_cont_type(&self, _: &ContType) -> Option<&FuncType> {
        None
    }

    fn sub_type_of_ref_type(&self, _: &RefType) -> Option<&SubType> {
        None
    }
}

impl FunctionCost {
    pub(super) fn at_most(&self, caps: &Self, of: &str) -> Result<()> {
        for (what, found, cap) in [
            ("instructions and values moved by calls and branches", self.operations, caps.operations),
            ("locals written in blocks", self.merges, caps.merges),
            ("locals times blocks", self.local_slots, caps.local_slots),
            ("indirect calls", self.indirect_calls, caps.indirect_calls),
            ("loops", self.loops, caps.loops),
            ("loops around branches", self.loop_branches, caps.loop_branches),
            ("values that survive calls", self.live_values, caps.live_values),
        ] {
            if found > cap {
                at_most(&format!("{what}, counted over {of}"), found, cap)?;
            }
        }
        Ok(())
    }
}

impl AddAssign for FunctionCost {
    fn add_assign(&mut self, other: Self) {
        self.operations += other.operations;
        self.merges += other.merges;
        self.local_slots += other.local_slots;
        self.indirect_calls += other.indirect_calls;
        self.loops += other.loops;
        self.loop_branches += other.loop_branches;
        self.live_values += other.live_values;
    }
}
