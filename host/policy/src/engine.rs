//! The WebAssembly engine: one per process, shared by every policy and thread.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use wasmtime::component::Component;
use wasmtime::{Config, PoolingAllocationConfig};

use super::budget::Budget;
use super::cache;
use super::compiler::{CompileLimits, Compiler, CompilerCommand, NotCompiled};
use super::semaphore::Semaphore;
use super::ticker::Ticker;
use hydra_base::error::{Error, ErrorKind, Result};

/// How to make a [`PolicyEngine`].
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct EngineOptions {
    /// Where compiled code is kept between processes; with `None` each process compiles again. The directory is created with
    /// mode 0700. Compiled code is trusted like the program itself, so a directory that other users can write to is refused.
    pub cache_dir: Option<PathBuf>,
    /// Takes instances from a pool that is reserved once. Meant for services that decide often on many threads: a single
    /// decision gains nothing, and the reservation costs a few milliseconds.
    pub pooling: Option<Pooling>,
    /// Makes errors quote the text of a panic that a guest left in its memory before it trapped. For the commands that help
    /// authors of policies, and not for decisions: it costs time, and the text may be forged. Compiled code is the same.
    pub quote_panics: bool,
    /// Compiles explicit checks into policies instead of handling signals of the processor. For programs in which something else
    /// handles them, such as Python's `faulthandler`: it would take the trap of a policy for a crash. Compiled code is larger and
    /// somewhat slower, and its directory keeps both forms.
    pub without_signal_handlers: bool,
    /// Compiles in a process of its own, under [`Self::compile_limits`]. With `None` this process compiles, without limits on time and
    /// memory, and logs a warning once. The default policy is always compiled in this process.
    pub compiler: Option<CompilerCommand>,
    /// The limits of that process.
    pub compile_limits: CompileLimits,
}

/// The address space of a linear memory that is reserved at once, unless a pool has room for larger ones: as much as the default
/// budget allows. Memories that grow beyond it are moved. The 4 GiB that would spare checks of addresses are more than some
/// containers and `ulimit -v` allow.
const MEMORY_RESERVATION: u64 = 128 << 20;

/// The size of the instance pool. Address space is reserved for all of it, memory only for what runs: with the default, 10 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pooling {
    /// How many decisions can run at once. Further ones wait.
    pub decisions: u32,
    /// The most memory that one linear memory can have, in bytes: no budget can grant more.
    pub memory: u64,
    /// The most core instances, and the most tables, that one decision can have. The default of 8 is enough for policies in
    /// Rust and JavaScript. A policy in Python is linked from dozens of modules and needs [`Pooling::PYTHON_INSTANCES`]; with
    /// fewer it is refused when it is loaded, with [`ErrorKind::PolicyIncompatible`]. A smaller limit in a budget still applies.
    pub instances: u32,
}

/// Compiles and runs policies. Clones share one engine. Create one per process: it owns a thread that measures time.
#[derive(Clone)]
pub struct PolicyEngine {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) engine: wasmtime::Engine,
    pub(super) ticker: Ticker,
    pub(super) decisions: Semaphore,
    pub(super) pooling: Option<Pooling>,
    compiler: Compiler,
}

/// The settings that compiled code depends on.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct CodeForm {
    memory_reservation: u64,
    signals_based_traps: bool,
}

impl Default for Pooling {
    /// For policies in Rust and JavaScript: 64 decisions of at most 128 MiB at once.
    fn default() -> Self {
        Self { decisions: 64, memory: 128 << 20, instances: 8 }
    }
}

impl Pooling {
    /// Core instances that suffice for a policy made by componentize-py.
    pub const PYTHON_INSTANCES: u32 = 64;

    /// The same pool for another number of decisions at once.
    #[must_use]
    pub fn with_decisions(mut self, decisions: u32) -> Self {
        self.decisions = decisions;
        self
    }

    /// The same pool with another size of the largest linear memory, in bytes.
    #[must_use]
    pub fn with_memory(mut self, memory: u64) -> Self {
        self.memory = memory;
        self
    }

    /// The same pool with another number of core instances for each decision.
    #[must_use]
    pub fn with_instances(mut self, instances: u32) -> Self {
        self.instances = instances;
        self
    }
}

impl EngineOptions {
    /// Keeps compiled code in `dir`.
    #[must_use]
    pub fn with_cache_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.cache_dir = Some(dir.into());
        self
    }

    /// Takes instances from a pool.
    #[must_use]
    pub fn with_pooling(mut self, pooling: Pooling) -> Self {
        self.pooling = Some(pooling);
        self
    }

    /// Compiles checks into policies instead of handling signals.
    #[must_use]
    pub fn without_signal_handlers(mut self) -> Self {
        self.without_signal_handlers = true;
        self
    }

    /// Compiles in a process of its own.
    #[must_use]
    pub fn with_compiler(mut self, command: CompilerCommand) -> Self {
        self.compiler = Some(command);
        self
    }

    /// Sets the limits of that process.
    #[must_use]
    pub fn with_compile_limits(mut self, limits: CompileLimits) -> Self {
        self.compile_limits = limits;
        self
    }

    /// Makes errors quote the text of a panic.
    #[must_use]
    pub fn with_quoted_panics(mut self) -> Self {
        self.quote_panics = true;
        self
    }
}

impl PolicyEngine {
    /// Starts an engine.
    ///
    /// If the cache directory cannot be created or written, the engine logs a warning and does not cache; one that other
    /// users can write to is an error of kind [`ErrorKind::Untrusted`].
    pub fn new(options: &EngineOptions) -> Result<Self> {
        let pool_memory = options.pooling.map_or(0, |pooling| pooling.memory);
        let form = CodeForm {
            memory_reservation: MEMORY_RESERVATION.max(pool_memory),
            signals_based_traps: !options.without_signal_handlers,
        };
        let mut config = form.config();
        config.coredump_on_trap(options.quote_panics);
        let cache = options.cache_dir.as_deref().map(cache::open).transpose()?.flatten();
        let compiler = Compiler::new(options.compiler.as_ref(), options.compile_limits, form, cache);
        config.cache(compiler.cache().cloned());
        config.enable_compiler(compiler.is_here());
        if let Some(pooling) = &options.pooling {
            config.allocation_strategy(pool(pooling)?);
        }
        let engine = wasmtime::Engine::new(&config).map_err(|error| {
            Error::new(ErrorKind::Internal, "cannot start the policy engine").with_source(error)
        })?;
        let ticker = Ticker::start(&engine)?;
        let decisions = Semaphore::new(options.pooling.map(|pooling| pooling.decisions));
        Ok(Self { inner: Arc::new(Inner { engine, ticker, decisions, pooling: options.pooling, compiler }) })
    }

    /// Where compiled code is kept; `None` if it is not.
    #[must_use]
    pub fn cache_dir(&self) -> Option<&Path> {
        self.inner.compiler.directory()
    }

    /// How many components were compiled for this engine, and not found in the directory of compiled code.
    #[must_use]
    pub fn compilations(&self) -> usize {
        self.inner.compiler.compilations()
    }

    /// The compiled code of a component.
    pub(super) fn compiled(&self, bytes: &[u8]) -> Result<Component, NotCompiled> {
        self.inner.compiler.component(&self.inner.engine, bytes)
    }

    /// How to fix a component that does not fit the instance pool; `None` without a pool.
    pub(super) fn hint_for_misfits(&self) -> Option<String> {
        let pool = self.inner.pooling?;
        Some(format!(
            "increase `Pooling::instances`; the instance pool of this engine has room for {} core instances of a policy",
            pool.instances
        ))
    }

    /// Refuses a budget that no policy can obey, or that the instance pool cannot grant.
    pub(super) fn admit(&self, budget: &Budget) -> Result<()> {
        budget.check()?;
        match self.inner.pooling {
            Some(pool) if budget.memory > pool.memory => Err(Error::new(
                ErrorKind::Config,
                "the policy's memory limit is larger than the instance pool's",
            )
            .with_context("limit", budget.memory)
            .with_context("pool", pool.memory)),
            _ => Ok(()),
        }
    }
}

impl std::fmt::Debug for PolicyEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PolicyEngine").field("pooling", &self.inner.pooling).finish_non_exhaustive()
    }
}

impl CodeForm {
    /// The settings of every guest. A decision must be repeatable, so each feature that can differ between two runs or two
    /// machines is off or fixed.
    pub(super) fn config(self) -> Config {
        let mut config = Config::new();
        config
            .wasm_component_model(true)
            .consume_fuel(true)
            .epoch_interruption(true)
            .cranelift_nan_canonicalization(true)
            .wasm_relaxed_simd(false)
            // This build of wasmtime does not contain threads and shared memories at all.
            .wasm_features(wasmtime::WasmFeatures::THREADS, false)
            .wasm_memory64(false)
            .wasm_multi_memory(false)
            // A guest's stack is bounded in bytes of compiled code: recursion ends in a trap.
            .max_wasm_stack(512 << 10)
            .memory_reservation(self.memory_reservation)
            .memory_reservation_for_growth(MEMORY_RESERVATION)
            .signals_based_traps(self.signals_based_traps);
        config
    }
}

fn pool(pooling: &Pooling) -> Result<PoolingAllocationConfig> {
    let memory = usize::try_from(pooling.memory)
        .map_err(|_| Error::new(ErrorKind::Config, "the pool's memory is larger than the address space"))?;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(pooling.decisions)
        .total_core_instances(pooling.decisions.saturating_mul(pooling.instances))
        .total_memories(pooling.decisions)
        .total_tables(pooling.decisions.saturating_mul(pooling.instances))
        .max_core_instances_per_component(pooling.instances)
        .max_memories_per_component(1)
        .max_tables_per_component(pooling.instances)
        .table_elements(64 << 10)
        .max_core_instance_size(4 << 20)
        .max_component_instance_size(4 << 20)
        .max_memory_size(memory)
        .linear_memory_keep_resident(256 << 10)
        .table_keep_resident(64 << 10);
    Ok(pool)
}
