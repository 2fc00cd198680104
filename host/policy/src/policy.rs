//! A loaded policy and its decisions.

use std::fmt;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::answer::{self, Answers};
use super::budget::{Budget, Usage};
use super::compiler::NotCompiled;
use super::component::ComponentSummary;
use super::engine::PolicyEngine;
use super::input::Input;
use super::interface::Guest;
use super::sandbox;
use super::settings::Descriptor;

use super::types::{Context, ModelVersion, Verdict};
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::{PolicyIdentity, Sha256, regular_file};

/// A policy component, checked and compiled, ready to decide on any thread. Clones share the compiled code.
#[derive(Clone)]
pub struct Policy {
    inner: Arc<Inner>,
}

struct Inner {
    engine: PolicyEngine,
    guest: Guest,
    bytes: Vec<u8>,
    sha256: Sha256,
    interface: &'static str,
    summary: ComponentSummary,
    descriptor: Descriptor,
    budget: Budget,
}

/// A verdict and what it cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Decision {
    /// The policy's answer, before any guard has checked it.
    pub verdict: Verdict,
    /// Fuel, time and memory of the call.
    pub usage: Usage,
    /// The budget of the call.
    pub budget: Budget,
}

impl Policy {
    /// The component of the default policy: it approves every promotion and archives the former champion, and a rollback
    /// swaps the two.
    #[must_use]
    pub fn default_bytes() -> &'static [u8] {
        include_bytes!(concat!(env!("OUT_DIR"), "/default_policy.wasm"))
    }

    /// Loads the default policy.
    pub fn load_default(engine: &PolicyEngine, budget: &Budget) -> Result<Self> {
        Self::load(engine, Self::default_bytes(), budget)
    }

    /// Loads a policy from a file. A file that cannot be read is an error of kind [`ErrorKind::PolicyNotFound`];
    /// otherwise like [`Policy::load`].
    pub fn load_file(engine: &PolicyEngine, path: &Path, budget: &Budget) -> Result<Self> {
        let bytes = Self::read_file(path, None, budget)?;
        Self::load(engine, &bytes, budget).map_err(|error| error.with_context("policy", path.display()))
    }

    /// The bytes of a component file, as many as `budget` allows and one more. A file that cannot be read is an error of kind
    /// [`ErrorKind::PolicyNotFound`], and one that does not have the SHA-256 `pinned` is one of kind [`ErrorKind::PolicyDigest`].
    pub fn read_file(path: &Path, pinned: Option<Sha256>, budget: &Budget) -> Result<Vec<u8>> {
        let bytes = read_at_most(path, budget.component_bytes)?;
        // The rest of a file that is too large was not read: its digest is not known.
        if let Some(pinned) = pinned.filter(|_| bytes.len() as u64 <= budget.component_bytes) {
            let found = Sha256::of(&bytes);
            if found != pinned {
                return Err(other_digest(pinned, found).with_context("policy", path.display()));
            }
        }
        Ok(bytes)
    }

    /// Checks and compiles a component (or takes the compiled code from the engine's cache), and calls its `describe`.
    ///
    /// A file that is not a policy of a known interface version, or that imports anything, is refused before it is compiled,
    /// with [`ErrorKind::PolicyIncompatible`]. `describe` runs under the same budget as decisions and fails like them.
    pub fn load(engine: &PolicyEngine, bytes: &[u8], budget: &Budget) -> Result<Self> {
        engine.admit(budget)?;
        let summary = ComponentSummary::read(bytes, budget)?;
        let interface = summary.check()?;
        let component = engine.compiled(bytes).map_err(|failed| match failed {
            NotCompiled::Invalid(source) => not_a_policy(engine, interface, source),
            NotCompiled::Failed(error) => error,
        })?;
        let guest = Guest::link(interface, &component)
            .map_err(|source| not_a_policy(engine, interface, source.into()))?;
        let describe = |store: &mut _| guest.describe(store, Answers(budget));
        let descriptor = sandbox::run(engine, budget, describe)
            .and_then(|(descriptor, _)| check_descriptor(descriptor))
            .map_err(|error| error.with_context("call", "describe"))?;
        Ok(Self {
            inner: Arc::new(Inner {
                engine: engine.clone(),
                guest,
                bytes: bytes.to_vec(),
                sha256: Sha256::of(bytes),
                interface,
                summary,
                descriptor,
                budget: budget.clone(),
            }),
        })
    }

    /// Decides whether `target` may become champion.
    pub fn decide_promotion(&self, target: &ModelVersion, context: &Context) -> Result<Decision> {
        self.decide(&Input::promotion(target.clone(), context.clone()))
    }

    /// Decides whether the champion may be rolled back, to `target` if one is named.
    pub fn decide_rollback(&self, target: Option<&ModelVersion>, context: &Context) -> Result<Decision> {
        self.decide(&Input::rollback(target.cloned(), context.clone()))
    }

    /// Decides in a fresh instance, on the calling thread.
    ///
    /// Equal inputs give equal verdicts for equal fuel. Each limit of the budget has its own error kind; a policy that
    /// reports an error instead of a verdict gives [`ErrorKind::PolicySettings`] or [`ErrorKind::PolicyError`].
    pub fn decide(&self, input: &Input) -> Result<Decision> {
        self.try_decide(input).map_err(|error| error.with_context("policy", &self.inner.descriptor.name))
    }

    /// The policy's description of itself.
    #[must_use]
    pub fn descriptor(&self) -> &Descriptor {
        &self.inner.descriptor
    }

    /// The component's bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.inner.bytes
    }

    /// The SHA-256 of the component's bytes.
    #[must_use]
    pub fn sha256(&self) -> Sha256 {
        self.inner.sha256
    }

    /// Name, version and digest, as in ledger entries and reports.
    #[must_use]
    pub fn identity(&self) -> PolicyIdentity {
        let Descriptor { name, version, .. } = self.descriptor();
        PolicyIdentity { name: name.clone(), version: version.clone(), sha256: self.sha256() }
    }

    /// The version of the interface `hydra:lifecycle/policy` that it exports.
    #[must_use]
    pub fn interface_version(&self) -> &'static str {
        self.inner.interface
    }

    /// The outline of the component.
    #[must_use]
    pub fn summary(&self) -> &ComponentSummary {
        &self.inner.summary
    }

    /// The budget of each decision.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.inner.budget
    }

    fn try_decide(&self, input: &Input) -> Result<Decision> {
        let Inner { engine, guest, budget, .. } = &*self.inner;
        check_weight(guest.weight(input), input, budget)?;
        let answers = Answers(budget);
        let (verdict, usage) = sandbox::run(engine, budget, |store| guest.decide(store, input, answers))?;
        let verdict = answer::check(verdict)?;
        Ok(Decision { verdict, usage, budget: budget.clone() })
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("name", &self.inner.descriptor.name)
            .field("version", &self.inner.descriptor.version)
            .field("sha256", &self.inner.sha256)
            .finish_non_exhaustive()
    }
}

fn not_a_policy(
    engine: &PolicyEngine,
    interface: &str,
    source: Box<dyn std::error::Error + Send + Sync>,
) -> Error {
    let refused = Error::new(ErrorKind::PolicyIncompatible, "the component is not a valid policy")
        .with_context("interface", format!("{}@{interface}", super::INTERFACE))
        .with_source(source);
    match engine.hint_for_misfits() {
        Some(hint) => refused.with_hint(hint),
        None => refused,
    }
}

/// The error for a component with another digest than the one that was named with it.
#[must_use]
pub fn other_digest(pinned: Sha256, found: Sha256) -> Error {
    Error::new(ErrorKind::PolicyDigest, "the policy does not have the SHA-256 that was named with it")
        .with_context("expected sha256", pinned)
        .with_context("found sha256", found)
        .with_hint("use the file with that digest, or name the digest of this one if you trust it")
}

fn read_at_most(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let unreadable = |error| {
        Error::new(ErrorKind::PolicyNotFound, "cannot read the policy")
            .with_context("path", path.display())
            .with_source(error)
    };
    let file = regular_file::open(path, unreadable)?;
    let mut bytes = Vec::new();
    // One byte more than allowed is enough for the size check to refuse the file.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

fn check_weight(bytes: u64, input: &Input, budget: &Budget) -> Result<()> {
    if bytes <= budget.input_bytes {
        return Ok(());
    }
    let (limit, (what, most)) = (budget.input_bytes, input.heaviest());
    Err(Error::new(ErrorKind::PolicyInput, format!("the evidence has {bytes} bytes; the limit is {limit}"))
        .with_context("largest part", format!("{what}, {most} bytes"))
        .with_hint(format!(
            "raise the limit for this command with `--budget input-bytes={bytes}`, or make {what} shorter"
        )))
}

fn check_descriptor(descriptor: Descriptor) -> Result<Descriptor> {
    match descriptor.flaw() {
        None => Ok(descriptor),
        Some(flaw) => {
            Err(Error::new(ErrorKind::PolicyProtocol, "the policy's description violates the contract")
                .with_context("flaw", flaw))
        }
    }
}
