//! Version 0.1 of the contract: its bindings, and all conversion between them and the domain types.

use std::collections::BTreeMap;

use wasmtime::Store;
use wasmtime::component::{Component, Linker};

use super::input::Input;
use super::sandbox::Limits;
use super::settings::{Descriptor, Setting, SettingKind};
use super::types::{AliasMove, Approval, Context, ModelVersion, Operation, RunData, Transition, Verdict};
use bindings::PolicyComponentPre;
use bindings::exports::hydra::lifecycle::policy as wit;

/// The version of the interface that these bindings call.
pub(super) const VERSION: &str = "0.1.0";

/// A component linked and type-checked, to be instantiated any number of times.
pub(super) struct Guest(PolicyComponentPre<Limits>);

/// The policy's own report that it cannot decide.
#[derive(Debug)]
pub(super) enum Refusal {
    InvalidSettings(String),
    InvalidInput(String),
    Internal(String),
}

mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "policy-component",
    });
}

impl Guest {
    /// Links the component against nothing and checks the types of what it exports.
    pub(super) fn link(component: &Component) -> wasmtime::Result<Self> {
        let linker = Linker::new(component.engine());
        PolicyComponentPre::new(linker.instantiate_pre(component)?).map(Self)
    }

    /// Asks the policy what it is.
    pub(super) fn describe(&self, store: &mut Store<Limits>) -> wasmtime::Result<Descriptor> {
        let instance = self.0.instantiate(&mut *store)?;
        store.data_mut().instantiated();
        instance.hydra_lifecycle_policy().call_describe(store).map(descriptor)
    }

    /// Asks the policy for a decision.
    pub(super) fn decide(
        &self,
        store: &mut Store<Limits>,
        input: &Input,
    ) -> wasmtime::Result<Result<Verdict, Refusal>> {
        let instance = self.0.instantiate(&mut *store)?;
        store.data_mut().instantiated();
        let policy = instance.hydra_lifecycle_policy();
        let circumstances = context(input.context());
        let answer = match input {
            Input::Promote { target, .. } => {
                policy.call_decide_promotion(store, &model_version(target), &circumstances)?
            }
            Input::Rollback { target, .. } => policy.call_decide_rollback(
                store,
                target.as_ref().map(model_version).as_ref(),
                &circumstances,
            )?,
        };
        Ok(answer.map(verdict).map_err(refusal))
    }
}

fn context(context: &Context) -> wit::Context {
    wit::Context {
        model_name: context.model_name.clone(),
        now: context.now,
        actor: context.actor.clone(),
        reason: context.reason.clone(),
        settings: entries(&context.settings),
        champion: context.champion.as_ref().map(model_version),
        archived: context.archived.as_ref().map(model_version),
        history: context.history.iter().map(transition).collect(),
    }
}

fn model_version(version: &ModelVersion) -> wit::ModelVersion {
    wit::ModelVersion {
        version: version.version,
        run_id: version.run_id.clone(),
        created_at: version.created_at,
        aliases: version.aliases.iter().cloned().collect(),
        run: version.run.as_ref().map(run_data),
        tags: entries(&version.tags),
    }
}

fn run_data(run: &RunData) -> wit::RunData {
    let metric = |(key, value): (&String, &f64)| wit::Metric { key: key.clone(), value: *value };
    wit::RunData {
        metrics: run.metrics.iter().map(metric).collect(),
        params: entries(&run.params),
        tags: entries(&run.tags),
    }
}

fn entries(map: &BTreeMap<String, String>) -> Vec<wit::Entry> {
    map.iter().map(|(key, value)| wit::Entry { key: key.clone(), value: value.clone() }).collect()
}

fn transition(transition: &Transition) -> wit::Transition {
    let alias_move = |step: &AliasMove| wit::AliasMove { alias: step.alias.clone(), version: step.version };
    wit::Transition {
        operation: match transition.operation {
            Operation::Promote => wit::Operation::Promote,
            Operation::Rollback => wit::Operation::Rollback,
            Operation::External => wit::Operation::External,
        },
        target: transition.target,
        moves: transition.moves.iter().map(alias_move).collect(),
        at: transition.at,
        actor: transition.actor.clone(),
        reason: transition.reason.clone(),
        explanation: transition.explanation.clone(),
    }
}

/// What a policy says is shown between lines of the host's own, and might pass for them: line ends become spaces, other control
/// characters the replacement character.
fn one_line(text: &str) -> String {
    let plain = |c: char| match c {
        '\n' | '\r' | '\t' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(plain).collect()
}

fn verdict(verdict: wit::Verdict) -> Verdict {
    match verdict {
        wit::Verdict::Approve(wit::Approval { moves, explanation }) => {
            let alias_move = |step: wit::AliasMove| AliasMove { alias: step.alias, version: step.version };
            let explanation = one_line(&explanation);
            Verdict::Approve(Approval { moves: moves.into_iter().map(alias_move).collect(), explanation })
        }
        wit::Verdict::Reject(explanation) => Verdict::reject(one_line(&explanation)),
        wit::Verdict::Hold(explanation) => Verdict::hold(one_line(&explanation)),
    }
}

fn refusal(error: wit::PolicyError) -> Refusal {
    match error {
        wit::PolicyError::InvalidSettings(message) => Refusal::InvalidSettings(message),
        wit::PolicyError::InvalidInput(message) => Refusal::InvalidInput(message),
        wit::PolicyError::Internal(message) => Refusal::Internal(message),
    }
}

fn descriptor(descriptor: wit::Descriptor) -> Descriptor {
    let setting = |setting: wit::Setting| Setting {
        key: setting.key,
        kind: match setting.kind {
            wit::SettingKind::Text => SettingKind::Text,
            wit::SettingKind::Integer => SettingKind::Integer,
            wit::SettingKind::Number => SettingKind::Number,
            wit::SettingKind::Boolean => SettingKind::Boolean,
            wit::SettingKind::Duration => SettingKind::Duration,
            wit::SettingKind::Choice(choices) => SettingKind::Choice(choices),
        },
        default: setting.default,
        required: setting.required,
        doc: one_line(&setting.doc),
    };
    Descriptor {
        name: descriptor.name,
        version: descriptor.version,
        summary: one_line(&descriptor.summary),
        settings: descriptor.settings.into_iter().map(setting).collect(),
    }
}
