//! Version 0.1 of the contract: its bindings, and the conversion of what differs in other versions. Guests of this version
//! receive the evidence that it knows.

use std::collections::BTreeMap;

use wasmtime::Store;
use wasmtime::component::{Component, Linker};

use super::answer::{Answers, Refusal};
use super::conversion::guest;
use super::input::Input;
use super::interface::Failure;
use super::sandbox::Limits;
use super::settings::{Descriptor, Setting, SettingKind};
use super::types::{Approval, ModelVersion, Operation, RunData, Transition, Verdict};
use bindings::PolicyComponentPre;
use bindings::exports::hydra::lifecycle::policy as wit;
use hydra_base::error::{Error, Result};
use hydra_base::names::{Alias, Version};

/// The version of the interface that these bindings call.
pub(super) const VERSION: &str = "0.1.0";

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/v0.1",
        world: "policy-component",
    });
}

guest!();

fn context(input: &Input) -> wit::Context {
    let context = input.context();
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

fn transition(transition: &Transition) -> wit::Transition {
    wit::Transition {
        operation: operation(transition.operation),
        target: transition.target.map(Version::get),
        moves: transition.moves.iter().map(|step| alias_move(&step.alias, step.version)).collect(),
        at: transition.at,
        actor: transition.actor.clone(),
        reason: transition.reason.clone(),
        explanation: transition.explanation.clone(),
    }
}

fn setting_kind(kind: wit::SettingKind, answers: Answers<'_>) -> Result<SettingKind> {
    Ok(match kind {
        wit::SettingKind::Text => SettingKind::Text,
        wit::SettingKind::Integer => SettingKind::Integer,
        wit::SettingKind::Number => SettingKind::Number,
        wit::SettingKind::Boolean => SettingKind::Boolean,
        wit::SettingKind::Duration => SettingKind::Duration,
        wit::SettingKind::Choice(names) => choices(names, answers)?,
    })
}
