//! Version 0.1 of the contract: its bindings, and all conversion between them and the domain types.

use std::collections::BTreeMap;

use wasmtime::Store;
use wasmtime::component::{Component, Linker};

use super::answer::{Answers, Refusal};
use super::input::Input;
use super::interface::Failure;
use super::sandbox::Limits;
use super::settings::{Descriptor, Setting, SettingKind};
use super::types::{Approval, Context, ModelVersion, Operation, RunData, Transition, Verdict};
use bindings::PolicyComponentPre;
use bindings::exports::hydra::lifecycle::policy as wit;
use hydra_base::aliases::AliasMove;
use hydra_base::error::{Error, Result};
use hydra_base::names::{Alias, Version};

/// The version of the interface that these bindings call.
pub(super) const VERSION: &str = "0.1.0";

/// A component linked and type-checked, to be instantiated any number of times.
pub(super) struct Guest(PolicyComponentPre<Limits>);

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "policy-component",
    });
}

impl Guest {
    /// Links the component against nothing and checks the types of what it exports.
    pub(super) fn link(component: &Component) -> wasmtime::Result<Self> {
        let linker = Linker::new(component.engine());
        PolicyComponentPre::new(linker.instantiate_pre(component)?).map(Self)
    }

    /// Calls `describe`.
    pub(super) fn describe(
        &self,
        store: &mut Store<Limits>,
        answers: Answers<'_>,
    ) -> Result<Descriptor, Failure> {
        let instance = self.0.instantiate(&mut *store)?;
        store.data_mut().instantiated();
        let answer = instance.hydra_lifecycle_policy().call_describe(store)?;
        Ok(descriptor(answer, answers)?)
    }

    /// Calls `decide-promotion` or `decide-rollback`.
    pub(super) fn decide(
        &self,
        store: &mut Store<Limits>,
        input: &Input,
        answers: Answers<'_>,
    ) -> Result<Verdict, Failure> {
        let instance = self.0.instantiate(&mut *store)?;
        store.data_mut().instantiated();
        let policy = instance.hydra_lifecycle_policy();
        let context = context(input.context());
        let answer = match input {
            Input::Promote { target, .. } => {
                policy.call_decide_promotion(store, &model_version(target), &context)?
            }
            Input::Rollback { target, .. } => {
                policy.call_decide_rollback(store, target.as_ref().map(model_version).as_ref(), &context)?
            }
        };
        match answer {
            Ok(answer) => Ok(verdict(answer, answers)?),
            Err(error) => Err(Error::from(refusal(error, answers)?).into()),
        }
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
        version: version.version.get(),
        run_id: version.run_id.clone(),
        created_at: version.created_at,
        aliases: version.aliases.iter().map(Alias::to_string).collect(),
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
    let alias_move = |step: &AliasMove| wit::AliasMove {
        alias: step.alias.to_string(),
        version: step.version.map(Version::get),
    };
    wit::Transition {
        operation: match transition.operation {
            Operation::Promote => wit::Operation::Promote,
            Operation::Rollback => wit::Operation::Rollback,
            Operation::External => wit::Operation::External,
        },
        target: transition.target.map(Version::get),
        moves: transition.moves.iter().map(alias_move).collect(),
        at: transition.at,
        actor: transition.actor.clone(),
        reason: transition.reason.clone(),
        explanation: transition.explanation.clone(),
    }
}

fn verdict(verdict: wit::Verdict, answers: Answers<'_>) -> Result<Verdict> {
    let explanation = |text: String| answers.text("explanation", &text);
    Ok(match verdict {
        wit::Verdict::Approve(wit::Approval { moves, explanation: words }) => {
            let moves =
                answers.list("alias moves", moves, |step| answers.alias_move(&step.alias, step.version))?;
            Verdict::Approve(Approval { moves, explanation: explanation(words)? })
        }
        wit::Verdict::Reject(words) => Verdict::reject(explanation(words)?),
        wit::Verdict::Hold(words) => Verdict::hold(explanation(words)?),
    })
}

fn refusal(error: wit::PolicyError, answers: Answers<'_>) -> Result<Refusal> {
    let message = |text: String| answers.text("error message", &text);
    Ok(match error {
        wit::PolicyError::InvalidSettings(words) => Refusal::InvalidSettings(message(words)?),
        wit::PolicyError::InvalidInput(words) => Refusal::InvalidInput(message(words)?),
        wit::PolicyError::Internal(words) => Refusal::Internal(message(words)?),
    })
}

fn descriptor(descriptor: wit::Descriptor, answers: Answers<'_>) -> Result<Descriptor> {
    Ok(Descriptor {
        name: answers.text("name", &descriptor.name)?,
        version: answers.text("version", &descriptor.version)?,
        summary: answers.text("summary", &descriptor.summary)?,
        settings: answers.list("settings", descriptor.settings, |one| setting(one, answers))?,
    })
}

fn setting(setting: wit::Setting, answers: Answers<'_>) -> Result<Setting> {
    Ok(Setting {
        key: answers.text("setting key", &setting.key)?,
        kind: match setting.kind {
            wit::SettingKind::Text => SettingKind::Text,
            wit::SettingKind::Integer => SettingKind::Integer,
            wit::SettingKind::Number => SettingKind::Number,
            wit::SettingKind::Boolean => SettingKind::Boolean,
            wit::SettingKind::Duration => SettingKind::Duration,
            wit::SettingKind::Choice(choices) => SettingKind::Choice(answers.list(
                "choices",
                choices,
                |choice| answers.text("choice of a setting", &choice),
            )?),
        },
        default: setting.default.map(|text| answers.text("default of a setting", &text)).transpose()?,
        required: setting.required,
        doc: answers.text("setting's description", &setting.doc)?,
    })
}
