//! Runs one call of a guest, in a fresh store under a budget.

use std::time::{Duration, Instant};

use wasmtime::{ResourceLimiter, Store, Trap};

use super::budget::{Budget, Usage};
use super::engine::PolicyEngine;
use super::interface::Failure;
use super::panic_text;
use super::ticker;
use hydra_base::error::{Error, ErrorKind, Result};

/// Limits and counts the memory of a store, including tables, and its instances.
pub(super) struct Limits {
    memory_limit: usize,
    memory_used: usize,
    instances: usize,
    refused: bool,
    instantiated: bool,
    started: Instant,
    wall_clock: Duration,
    late: bool,
}

/// Runs `call` in a fresh store, which is dropped afterwards: a guest keeps no state between calls.
pub(super) fn run<T>(
    engine: &PolicyEngine,
    budget: &Budget,
    call: impl FnOnce(&mut Store<Limits>) -> Result<T, Failure>,
) -> Result<(T, Usage)> {
    let _running = engine.inner.ticker.running();
    let _permit = engine.inner.decisions.acquire();
    let started = Instant::now();
    let mut store = Store::new(&engine.inner.engine, Limits::new(budget));
    store.limiter(|limits| limits);
    store.set_fuel(budget.fuel).map_err(internal)?;
    store.set_epoch_deadline(ticker::ticks(budget.wall_clock));
    store.set_hostcall_fuel(usize::try_from(budget.answer_bytes).unwrap_or(usize::MAX));

    let result = call(&mut store);
    let usage = Usage {
        fuel: budget.fuel.saturating_sub(store.get_fuel().map_err(internal)?),
        elapsed: started.elapsed(),
        memory: store.data().memory_used as u64,
    };
    match result {
        Ok(value) => Ok((value, usage)),
        Err(Failure::Answer(error)) => Err(error),
        Err(Failure::Call(error)) => {
            let text = panic_text::find(&error, &store);
            let classified = classify(error, store.data(), budget);
            let error = match text {
                Some(text) => classified.with_context("panic", text),
                None => classified,
            };
            let elapsed = format!("{:.1?}", usage.elapsed);
            Err(error.with_context("fuel", usage.fuel).with_context("elapsed", elapsed))
        }
    }
}

impl Limits {
    fn new(budget: &Budget) -> Self {
        Self {
            memory_limit: usize::try_from(budget.memory).unwrap_or(usize::MAX),
            memory_used: 0,
            instances: budget.instances as usize,
            refused: false,
            instantiated: false,
            started: Instant::now(),
            wall_clock: budget.wall_clock,
            late: false,
        }
    }

    /// Marks the end of instantiation: later errors are about the answer.
    pub(super) fn instantiated(&mut self) {
        self.instantiated = true;
    }

    /// Lets something grow to `desired` items of `size` bytes each.
    fn grow(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
        size: usize,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            // More than the guest declared: growing fails as WebAssembly specifies, and costs nothing.
            return Ok(false);
        }
        // Epochs interrupt running code, but not instantiation. Instances with memories or tables are checked here.
        if !self.instantiated && self.started.elapsed() > self.wall_clock {
            self.late = true;
            return Err(wasmtime::Error::msg("creating the instances took longer than the wall-clock limit"));
        }
        self.take(desired.saturating_sub(current).saturating_mul(size))
    }

    /// Takes `bytes` more out of the budget. A refusal is an error, not the -1 that `memory.grow` may return: a guest that
    /// exceeds its memory has failed, even if it could handle the -1.
    fn take(&mut self, bytes: usize) -> wasmtime::Result<bool> {
        match self.memory_used.checked_add(bytes) {
            Some(used) if used <= self.memory_limit => {
                self.memory_used = used;
                Ok(true)
            }
            _ => {
                self.refused = true;
                Err(wasmtime::Error::msg("the guest requested more memory than its budget allows"))
            }
        }
    }
}

impl ResourceLimiter for Limits {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.grow(current, desired, maximum, 1)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.grow(current, desired, maximum, size_of::<usize>())
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.refused = true;
        Err(error)
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.refused = true;
        Err(error)
    }

    fn instances(&self) -> usize {
        self.instances
    }

    fn tables(&self) -> usize {
        self.instances
    }

    fn memories(&self) -> usize {
        self.instances
    }
}

/// Maps each error of wasmtime to an error kind.
fn classify(error: wasmtime::Error, limits: &Limits, budget: &Budget) -> Error {
    let timeout =
        || (ErrorKind::PolicyTimeout, format!("the policy ran longer than {:?}", budget.wall_clock));
    let (kind, message) = match error.downcast_ref::<Trap>() {
        _ if limits.refused => memory(budget),
        _ if limits.late => timeout(),
        Some(Trap::OutOfFuel) => {
            (ErrorKind::PolicyFuel, format!("the policy used up its fuel of {}", budget.fuel))
        }
        Some(Trap::Interrupt) => timeout(),
        Some(Trap::StackOverflow) => (ErrorKind::PolicyTrap, "the policy overflowed its stack".to_owned()),
        Some(trap) => (ErrorKind::PolicyTrap, format!("the policy trapped: {}", cause(trap))),
        // wasmtime 48 has no public type for either error: exhausted hostcall fuel is its private `HostcallFuelExhausted`,
        // and `bump_resource_counts` builds the other one from text. Only the messages tell them apart; a test of each
        // limit fails when an upgrade changes them.
        None => match error.root_cause().to_string() {
            text if text.contains("fuel allocated for hostcalls") => (
                ErrorKind::PolicyAnswer,
                format!("the policy's answer is larger than {} bytes", budget.answer_bytes),
            ),
            text if text.contains("resource limit exceeded") => (
                ErrorKind::PolicyInstances,
                format!("the policy has more than {} instances, memories or tables", budget.instances),
            ),
            _ if !limits.instantiated => {
                (ErrorKind::PolicyInstantiation, "cannot instantiate the policy".to_owned())
            }
            _ => (ErrorKind::PolicyProtocol, "the policy's answer violates the contract".to_owned()),
        },
    };
    let error = Error::new(kind, message).with_source(panic_text::without_dump(error));
    match limit_behind(kind) {
        Some(limit) => error.with_hint(format!("raise the policy limit `{limit}` if you trust the policy")),
        None => error,
    }
}

/// The key of the limit that a call exceeded, if its error is about one.
fn limit_behind(kind: ErrorKind) -> Option<&'static str> {
    Some(match kind {
        ErrorKind::PolicyFuel => "fuel",
        ErrorKind::PolicyTimeout => "wall-clock",
        ErrorKind::PolicyMemory => "memory",
        ErrorKind::PolicyInstances => "instances",
        ErrorKind::PolicyAnswer => "answer-bytes",
        _ => return None,
    })
}

fn memory(budget: &Budget) -> (ErrorKind, String) {
    (ErrorKind::PolicyMemory, format!("the policy requested more than {} bytes of memory", budget.memory))
}

fn cause(trap: &Trap) -> String {
    trap.to_string().trim_start_matches("wasm trap: ").to_owned()
}

fn internal(error: wasmtime::Error) -> Error {
    Error::new(ErrorKind::Internal, "cannot set up the policy's store").with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_is_checked_while_instances_are_created() {
        let budget = Budget { wall_clock: Duration::ZERO, ..Budget::default() };
        let mut limits = Limits::new(&budget);
        let error = limits.memory_growing(0, 65_536, None).unwrap_err();
        assert_eq!(classify(error, &limits, &budget).kind(), ErrorKind::PolicyTimeout);

        // After instantiation, epochs measure the time.
        let mut limits = Limits::new(&budget);
        limits.instantiated();
        assert!(limits.table_growing(0, 10, None).unwrap());

        let mut limits = Limits::new(&Budget::default());
        assert!(limits.memory_growing(0, 65_536, None).unwrap());
    }
}
