//! The versions of the contract that this host supports. To add one, add a module, a line in [`INTERFACE_VERSIONS`] and a
//! variant of [`Guest`].

use wasmtime::Store;
use wasmtime::component::Component;

use super::answer::Answers;
use super::input::Input;
use super::sandbox::Limits;
use super::settings::Descriptor;
use super::types::Verdict;
use super::{since_v0_1, since_v0_2};
use hydra_base::error::{Error, Result};

/// The versions of the interface that this host can call, the newest first: a component that exports several is called
/// through the newest.
pub const INTERFACE_VERSIONS: &[&str] = &[since_v0_2::VERSION, since_v0_1::VERSION];

/// A component linked and type-checked, to be instantiated any number of times.
pub(super) enum Guest {
    /// Exports version 0.1.
    V0_1(since_v0_1::Guest),
    /// Exports version 0.2.
    V0_2(since_v0_2::Guest),
}

/// Why a call of a guest gave no usable answer.
pub(super) enum Failure {
    /// wasmtime stopped the guest, or could not read its answer.
    Call(wasmtime::Error),
    /// The guest reported an error, or the host does not accept its answer.
    Answer(Error),
}

impl Guest {
    /// Links the component against nothing and checks the types of what it exports; `version` is one of
    /// [`INTERFACE_VERSIONS`].
    pub(super) fn link(version: &str, component: &Component) -> wasmtime::Result<Self> {
        match version {
            since_v0_1::VERSION => since_v0_1::Guest::link(component).map(Self::V0_1),
            since_v0_2::VERSION => since_v0_2::Guest::link(component).map(Self::V0_2),
            other => wasmtime::bail!("no module implements version {other}"),
        }
    }

    /// Calls `describe`.
    pub(super) fn describe(
        &self,
        store: &mut Store<Limits>,
        answers: Answers<'_>,
    ) -> Result<Descriptor, Failure> {
        match self {
            Self::V0_1(guest) => guest.describe(store, answers),
            Self::V0_2(guest) => guest.describe(store, answers),
        }
    }

    /// Calls `decide-promotion` or `decide-rollback`.
    pub(super) fn decide(
        &self,
        store: &mut Store<Limits>,
        input: &Input,
        answers: Answers<'_>,
    ) -> Result<Verdict, Failure> {
        match self {
            Self::V0_1(guest) => guest.decide(store, input, answers),
            Self::V0_2(guest) => guest.decide(store, input, answers),
        }
    }

    /// The bytes of evidence that it receives, as the budget counts them.
    pub(super) fn weight(&self, input: &Input) -> u64 {
        match self {
            Self::V0_1(_) => input.weight_in_v0_1(),
            Self::V0_2(_) => input.weight_in_v0_2(),
        }
    }
}

impl From<wasmtime::Error> for Failure {
    fn from(error: wasmtime::Error) -> Self {
        Self::Call(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Answer(error)
    }
}
