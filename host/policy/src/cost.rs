//! Counts what a component would cost the compiler, before it is compiled.
//!
//! No budget covers the time and memory of compiling, and they grow with more than the size of a file: the compiler sees a
//! local that is written in a hundred nested loops as a hundred values, and an element segment as a statement for each of its
//! entries. Everything that multiplies like this is counted here, in one pass over the bytes and without recursion, and capped.

mod function;

use wasmparser::{
    BlockType, CompositeInnerType, ConstExpr, DataKind, DataSectionReader, ElementItems,
    ElementSectionReader, FunctionBody, GlobalSectionReader, ImportSectionReader, SubType, TableInit,
    TableSectionReader, TypeRef, TypeSectionReader,
};

use super::caps::{at_most, damaged};
use function::{Function, FunctionCost};
use hydra_base::error::Result;

/// Types of one module. The largest of real components has a few hundred.
const MAX_TYPES: usize = 100_000;
/// Params and results of one function type. Two bytes of code, a block or a call, can move that many values.
const MAX_ARITY: usize = 64;
/// Locals of one function, params included.
const MAX_LOCALS: usize = 1_200;
/// Blocks within blocks of one function.
const MAX_BLOCK_DEPTH: usize = 4_000;
/// Entries of element segments: each is a statement of the function that starts an instance.
const MAX_ELEMENTS: usize = 32_000;
/// Globals: each is such a statement, and 16 bytes of every instance.
const MAX_GLOBALS: usize = 4_000;
/// Data segments: each active one is such a statement.
const MAX_DATA_SEGMENTS: usize = 40_000;
/// Bytes of the expressions that give globals, tables and segments their values and offsets.
const MAX_CONSTANT_BYTES: usize = 256 << 10;
/// Imports of core modules from each other.
const MAX_CORE_IMPORTS: usize = 10_000;
/// Exports of core modules.
const MAX_CORE_EXPORTS: usize = 20_000;

/// Bytes that wasmtime keeps in an instance for a global.
const GLOBAL_BYTES: u64 = 16;
/// The most bytes that wasmtime keeps in an instance for a function that is imported, exported or put into a table.
const REFERENCE_BYTES: u64 = 32;

/// What one function may cost. The maxima of real components: 167,000, 18,900, 1,000,000, a few hundred, 353, 8,800 and 1,200.
const PER_FUNCTION: FunctionCost = FunctionCost {
    operations: 400_000,
    merges: 75_000,
    local_slots: 4_000_000,
    indirect_calls: 3_000,
    loops: 3_000,
    loop_branches: 100_000,
    live_values: 5_000_000,
};
/// What all functions together may cost. The maxima of real components: 4,500,000, 650,000, 14,600,000, 5,800, 14,600, 136,000 and
/// 19,600.
const IN_ALL: FunctionCost = FunctionCost {
    operations: 12_000_000,
    merges: 2_600_000,
    local_slots: 40_000_000,
    indirect_calls: 24_000,
    loops: 120_000,
    loop_branches: 1_000_000,
    live_values: 50_000_000,
};
/// The sum of the squares of [`FunctionCost::merges`]: the time for them grows like that. SpiderMonkey has 10^9.
const MAX_SQUARED_MERGES: usize = 8_000_000_000;
/// The sum of the squares of [`FunctionCost::loops`], for the same reason. SpiderMonkey has 440,000.
const MAX_SQUARED_LOOPS: usize = 10_000_000;

/// The counts of a component.
#[derive(Debug, Default)]
pub(super) struct Costs {
    elements: usize,
    globals: usize,
    data_segments: usize,
    constant_bytes: usize,
    imports: usize,
    exports: usize,
    functions: FunctionCost,
    squared_merges: usize,
    squared_loops: usize,
    largest_state: u64,
    module: Module,
}

/// The module that is being read.
#[derive(Debug, Default)]
struct Module {
    types: Vec<SubType>,
    /// Params and results of each type.
    arities: Vec<usize>,
    /// The type of each function, imported ones first.
    functions: Vec<u32>,
    /// Bytes that the host keeps for each instance.
    state: u64,
}

impl Costs {
    /// Starts counting for the next module.
    pub(super) fn module(&mut self) {
        self.module = Module::default();
    }

    pub(super) fn types(&mut self, section: TypeSectionReader<'_>) -> Result<()> {
        for group in section {
            for subtype in group.map_err(damaged)?.into_types() {
                let arity = match &subtype.composite_type.inner {
                    CompositeInnerType::Func(function) => function.params().len() + function.results().len(),
                    _ => 0,
                };
                at_most("params and results of one function", arity, MAX_ARITY)?;
                self.module.arities.push(arity);
                self.module.types.push(subtype);
                at_most("types in one module", self.module.types.len(), MAX_TYPES)?;
            }
        }
        Ok(())
    }

    pub(super) fn imports(&mut self, section: ImportSectionReader<'_>) -> Result<()> {
        for import in section.into_imports() {
            self.imports += 1;
            at_most("imports between its modules", self.imports, MAX_CORE_IMPORTS)?;
            self.keep(1, REFERENCE_BYTES);
            if let TypeRef::Func(index) | TypeRef::FuncExact(index) = import.map_err(damaged)?.ty {
                self.module.functions.push(index);
            }
        }
        Ok(())
    }

    pub(super) fn function(&mut self, type_index: u32) {
        self.module.functions.push(type_index);
    }

    pub(super) fn exports(&mut self, count: u32) -> Result<()> {
        self.exports += count as usize;
        self.keep(count as usize, REFERENCE_BYTES);
        at_most("exports of its modules", self.exports, MAX_CORE_EXPORTS)
    }

    pub(super) fn tables(&mut self, section: TableSectionReader<'_>) -> Result<()> {
        for table in section {
            if let TableInit::Expr(value) = table.map_err(damaged)?.init {
                self.constant(&value)?;
            }
        }
        Ok(())
    }

    pub(super) fn globals(&mut self, section: GlobalSectionReader<'_>) -> Result<()> {
        self.globals += section.count() as usize;
        self.keep(section.count() as usize, GLOBAL_BYTES);
        at_most("globals", self.globals, MAX_GLOBALS)?;
        for global in section {
            self.constant(&global.map_err(damaged)?.init_expr)?;
        }
        Ok(())
    }

    pub(super) fn elements(&mut self, section: ElementSectionReader<'_>) -> Result<()> {
        for segment in section {
            let segment = segment.map_err(damaged)?;
            if let wasmparser::ElementKind::Active { offset_expr, .. } = &segment.kind {
                self.constant(offset_expr)?;
            }
            let count = match &segment.items {
                ElementItems::Functions(items) => items.count(),
                ElementItems::Expressions(_, items) => items.count(),
            };
            // One for the segment itself: an empty one also costs.
            self.elements += count as usize + 1;
            self.keep(count as usize, REFERENCE_BYTES);
            at_most("element segments and entries", self.elements, MAX_ELEMENTS)?;
            if let ElementItems::Expressions(_, items) = segment.items {
                for item in items {
                    self.constant(&item.map_err(damaged)?)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn data(&mut self, section: DataSectionReader<'_>) -> Result<()> {
        self.data_segments += section.count() as usize;
        at_most("data segments", self.data_segments, MAX_DATA_SEGMENTS)?;
        for segment in section {
            if let DataKind::Active { offset_expr, .. } = &segment.map_err(damaged)?.kind {
                self.constant(offset_expr)?;
            }
        }
        Ok(())
    }

    /// Counts a function's body.
    pub(super) fn code(&mut self, body: &FunctionBody<'_>) -> Result<()> {
        let cost = self.module.cost_of(body)?;
        self.functions += cost;
        self.squared_merges += cost.merges * cost.merges;
        self.squared_loops += cost.loops * cost.loops;
        for (what, found, cap) in [
            ("locals written in blocks", self.squared_merges, MAX_SQUARED_MERGES),
            ("loops", self.squared_loops, MAX_SQUARED_LOOPS),
        ] {
            if found > cap {
                at_most(&format!("{what}, squared for each function"), found, cap)?;
            }
        }
        self.functions.at_most(&IN_ALL, "all functions")
    }

    /// An upper bound of what the host keeps for one instance of any of the modules, memories and tables apart.
    pub(super) fn largest_state(&self) -> u64 {
        self.largest_state
    }

    /// Adds `count` things that take `bytes` each in every instance of the present module.
    fn keep(&mut self, count: usize, bytes: u64) {
        self.module.state += count as u64 * bytes;
        self.largest_state = self.largest_state.max(self.module.state);
    }

    fn constant(&mut self, value: &ConstExpr<'_>) -> Result<()> {
        self.constant_bytes += value.get_binary_reader().range().len();
        at_most("bytes of constant expressions", self.constant_bytes, MAX_CONSTANT_BYTES)
    }
}

impl Module {
    fn cost_of(&self, body: &FunctionBody<'_>) -> Result<FunctionCost> {
        let mut locals = self.arities.iter().copied().max().unwrap_or(0);
        for declared in body.get_locals_reader().map_err(damaged)? {
            locals = locals.saturating_add(declared.map_err(damaged)?.0 as usize);
            at_most("locals in one function", locals, MAX_LOCALS)?;
        }
        let mut function = Function::new(self, locals);
        let mut code = body.get_operators_reader().map_err(damaged)?;
        while !code.eof() {
            function.operator(&code.read().map_err(damaged)?)?;
        }
        Ok(function.cost)
    }

    fn arity_of_type(&self, index: u32) -> usize {
        self.arities.get(index as usize).copied().unwrap_or(0)
    }

    fn arity_of_function(&self, index: u32) -> usize {
        self.functions.get(index as usize).map_or(0, |index| self.arity_of_type(*index))
    }

    fn arity_of_block(&self, block: &BlockType) -> usize {
        match block {
            BlockType::Empty => 0,
            BlockType::Type(_) => 1,
            BlockType::FuncType(index) => self.arity_of_type(*index),
        }
    }
}
