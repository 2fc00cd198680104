//! Version 0.2 of the contract: its bindings, and the conversion of what differs in other versions.

mod evidence;

use std::collections::BTreeMap;

use wasmtime::Store;
use wasmtime::component::{Component, Linker};

use super::answer::{Answers, Refusal};
use super::conversion::guest;
use super::input::Input;
use super::interface::Failure;
use super::sandbox::Limits;
use super::settings::{Descriptor, Setting, SettingKind};
use super::types::{
    Activity, Approval, ModelVersion, Operation, OverrideKind, Panel, PanelRole, RunData, TargetOrigin,
    Transition, Verdict,
};
use bindings::PolicyComponentPre;
use bindings::exports::hydra::lifecycle::policy as wit;
use hydra_base::error::{Error, Result};
use hydra_base::names::{Alias, Version};

/// The version of the interface that these bindings call.
pub(super) const VERSION: &str = "0.2.0";

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "policy-component",
    });
}

guest!();

fn context(input: &Input) -> wit::Context {
    let context = input.context();
    // Inputs of earlier releases do not say where the target comes from: they had no other origin.
    let origin = context.target_origin.or_else(|| input.target().map(|_| TargetOrigin::Request));
    wit::Context {
        model_name: context.model_name.clone(),
        model_tags: entries(&context.model_tags),
        now: context.now,
        clock_difference: context.clock_difference_ms,
        requester: requester(&context.actor, context.user.as_ref()),
        reason: context.reason.clone(),
        overrides: context.overrides.iter().copied().map(override_kind).collect(),
        target_origin: origin.map(target_origin),
        settings: entries(&context.settings),
        champion: context.champion.as_ref().map(model_version),
        champion_since: context.champion_since,
        archived: context.archived.as_ref().map(model_version),
        aliases: context.aliases.iter().map(|(alias, version)| alias_move(alias, *version)).collect(),
        quarantined: context.quarantined.iter().copied().map(Version::get).collect(),
        evaluations: context.evaluations.iter().map(evidence::evaluation).collect(),
        history: context.history.iter().map(transition).collect(),
        activity: activity(context.activity),
        panel: panel(context.panel),
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
        model: evidence::model_state(&version.model),
        approvals: version.approvals.iter().map(evidence::approval).collect(),
        quarantine: version.quarantine.as_ref().map(evidence::quarantine),
    }
}

fn transition(transition: &Transition) -> wit::Transition {
    wit::Transition {
        operation: operation(transition.operation),
        target: transition.target.map(Version::get),
        moves: transition.moves.iter().map(|step| alias_move(&step.alias, step.version)).collect(),
        at: transition.at,
        by: requester(&transition.actor, transition.user.as_ref()),
        reason: transition.reason.clone(),
        explanation: transition.explanation.clone(),
        overrides: transition.overrides.iter().copied().map(override_kind).collect(),
    }
}

fn requester(actor: &str, user: Option<&String>) -> wit::Requester {
    wit::Requester { actor: actor.to_owned(), user: user.cloned() }
}

fn override_kind(kind: OverrideKind) -> wit::OverrideKind {
    match kind {
        OverrideKind::UnloadableModel => wit::OverrideKind::UnloadableModel,
        OverrideKind::InactivePolicy => wit::OverrideKind::InactivePolicy,
    }
}

fn target_origin(origin: TargetOrigin) -> wit::TargetOrigin {
    match origin {
        TargetOrigin::Request => wit::TargetOrigin::Request,
        TargetOrigin::Candidate => wit::TargetOrigin::Candidate,
        TargetOrigin::Ledger => wit::TargetOrigin::Ledger,
    }
}

fn activity(activity: Activity) -> wit::Activity {
    wit::Activity {
        promotions_last_day: activity.promotions_last_day,
        promotions_last_week: activity.promotions_last_week,
        promotions_last_month: activity.promotions_last_month,
        rollbacks_last_month: activity.rollbacks_last_month,
    }
}

fn panel(panel: Panel) -> wit::Panel {
    let role = match panel.role {
        PanelRole::Leader => wit::PanelRole::Leader,
        PanelRole::Gate => wit::PanelRole::Gate,
        PanelRole::Monitor => wit::PanelRole::Monitor,
    };
    wit::Panel { role, size: panel.size, active: panel.active }
}

fn setting_kind(kind: wit::SettingKind, answers: Answers<'_>) -> Result<SettingKind> {
    Ok(match kind {
        wit::SettingKind::Text => SettingKind::Text,
        wit::SettingKind::Integer => SettingKind::Integer,
        wit::SettingKind::Number => SettingKind::Number,
        wit::SettingKind::Boolean => SettingKind::Boolean,
        wit::SettingKind::Duration => SettingKind::Duration,
        wit::SettingKind::Choice(names) => choices(names, answers)?,
        wit::SettingKind::Texts => SettingKind::Texts,
        wit::SettingKind::UtcOffset => SettingKind::UtcOffset,
    })
}
